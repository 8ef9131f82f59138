package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
)

// Secrets encryption (facts 4.4): the API server's configuration with the key, and k3s' note of the
// stage. Both are in the bootstrap record; rotating keys is not there.

// ensureEncryption makes the configuration once.
func (s *server) ensureEncryption() error {
	if !s.encryption() || exists(s.files.cred("encryption-config.json")) {
		return nil
	}
	provider := s.options.text("secrets-encryption-provider")
	if provider != "aescbc" && provider != "secretbox" {
		return fmt.Errorf("unsupported secrets-encryption-provider %q: aescbc or secretbox", provider)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	content, err := json.Marshal(map[string]any{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []any{map[string]any{
			"resources": []string{"secrets"},
			"providers": []any{
				map[string]any{provider: map[string]any{"keys": []any{map[string]string{
					"name": provider + "key", "secret": base64.StdEncoding.EncodeToString(key),
				}}}},
				map[string]any{"identity": map[string]any{}},
			},
		}},
	})
	if err != nil {
		return err
	}
	if err := writeFile(s.files.cred("encryption-config.json"), content, 0o600); err != nil {
		return err
	}
	return os.WriteFile(s.files.cred("encryption-state.json"), []byte("start-"+sha256Hex(content)), 0o600)
}

// refuseRoles names what the stand-in cannot be.
func (o *options) refuseRoles() error {
	for _, name := range []string{"disable-etcd", "disable-apiserver", "rootless", "kine-tls", "with-node-id"} {
		if o.on(name) {
			return fmt.Errorf("the stand-in has no --%s: leave it out", name)
		}
	}
	return nil
}
