package main

import "context"

func (s *server) controllers(ctx context.Context) { s.coreReady.Store(true); _ = ctx }
