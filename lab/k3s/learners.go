package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Learners (facts 3.2): the leader promotes them, or gives them up.

// learnerProgress is the value of the key in which the leader keeps how far a learner is.
type learnerProgress struct {
	ID               uint64    `json:"id"`
	Name             string    `json:"name"`
	RaftAppliedIndex uint64    `json:"raftAppliedIndex"`
	LastProgress     time.Time `json:"lastProgress"`
}

const (
	learnerKey   = "k3s/etcd/learnerProgress"
	learnerLimit = 5 * time.Minute
	learnerEvery = 15 * time.Second
)

// manageLearners lets the leader promote a learner that has caught up, and remove one that makes
// no progress for five minutes (facts 3.2).
func (s *server) manageLearners(ctx context.Context) {
	tick := time.NewTicker(learnerEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.learnersOnce(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *server) learnersOnce(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, learnerEvery)
	defer cancel()
	status, err := s.etcd.status(limited)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		log.error("Failed to check local etcd status for learner management: %v", err)
		return
	}
	if status.Header.MemberId != status.Leader {
		return
	}
	client, err := s.etcd.local()
	if err != nil {
		return
	}
	list, err := client.MemberList(limited)
	if err != nil {
		log.error("Failed to get etcd members for learner management: %v", err)
		return
	}
	learners := map[string]bool{}
	for _, m := range list.Members {
		learners[m.Name] = m.IsLearner
	}
	s.markVoters(limited, learners)
	for _, m := range list.Members {
		if m.IsLearner {
			if err := s.trackLearner(limited, client, m); err != nil {
				log.error("Failed to track learner progress: %v", err)
			}
			return // one at a time
		}
	}
}

func (s *server) trackLearner(ctx context.Context, client *clientv3.Client, m *etcdserverpb.Member) error {
	if _, err := client.MemberPromote(ctx, m.ID); err == nil {
		log.info("Promoted learner %s", m.Name)
		return nil
	} else if !errors.Is(err, rpctypes.ErrMemberLearnerNotReady) {
		log.error("Unable to promote learner %s: %v", m.Name, err)
	}
	known := learnerProgress{}
	if answer, err := client.Get(ctx, learnerKey); err != nil {
		return err
	} else if len(answer.Kvs) > 0 {
		_ = json.Unmarshal(answer.Kvs[0].Value, &known)
	}
	now := time.Now()
	if known.ID != m.ID {
		known = learnerProgress{ID: m.ID, Name: m.Name, LastProgress: now}
	}
	for _, endpoint := range m.ClientURLs {
		if _, err := url.Parse(endpoint); err != nil {
			continue
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		status, err := client.Status(short, endpoint)
		cancel()
		if err != nil {
			log.warning("Failed to get learner %s status from endpoint %s: %v", m.Name, endpoint, err)
			continue
		}
		if status.RaftAppliedIndex > known.RaftAppliedIndex {
			known.RaftAppliedIndex, known.LastProgress = status.RaftAppliedIndex, now
		}
		break
	}
	if stalled := now.Sub(known.LastProgress); stalled > 0 {
		log.warning("Learner %s stalled at RaftAppliedIndex=%d for %s", m.Name, known.RaftAppliedIndex, stalled)
		if stalled > learnerLimit {
			if _, err := client.MemberRemove(ctx, m.ID); err != nil {
				return err
			}
			log.warning("Removed learner %s from etcd cluster", m.Name)
			return nil
		}
	}
	value, err := json.Marshal(known)
	if err != nil {
		return err
	}
	_, err = client.Put(ctx, learnerKey, string(value))
	return err
}
