package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// A client for the few objects that the supervisor keeps in the API: its own certificate, the
// node's annotations, the leases. It goes straight to the API server as system:k3s-supervisor.

type kube struct {
	base   string
	client *http.Client
}

// apiError is an answer that is not a success.
type apiError struct {
	code    int
	message string
}

func (e *apiError) Error() string { return e.message }

// readAnswer reads an answer in JSON; one that is not a success becomes an apiError. into may be nil.
func readAnswer(answer *http.Response, into any) error {
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		var status struct{ Message string }
		if json.Unmarshal(got, &status) != nil || status.Message == "" {
			status.Message = fmt.Sprintf("%s %s: %s", answer.Request.Method, answer.Request.URL.Path, answer.Status)
		}
		return &apiError{answer.StatusCode, status.Message}
	}
	if into == nil || len(got) == 0 {
		return nil
	}
	return json.Unmarshal(got, into)
}

func newKube(l layout) (*kube, error) {
	return kubeWith("https://127.0.0.1:"+supervisorPort, l.tls("client-supervisor.crt"), l.tls("client-supervisor.key"), l.tls("server-ca.crt"))
}

// kubeWith is a client under the identity of a certificate.
func kubeWith(base, certificate, key, authority string) (*kube, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &kube{base: base, client: &http.Client{
		Timeout:   15 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}},
	}}, nil
}

// call sends one request; body and into are JSON, either may be nil.
func (k *kube) call(ctx context.Context, method, path, contentType string, body, into any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, k.base+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := k.client.Do(request)
	if err != nil {
		return err
	}
	return readAnswer(answer, into)
}

func (k *kube) get(ctx context.Context, path string, into any) error {
	return k.call(ctx, http.MethodGet, path, "", nil, into)
}

func (k *kube) create(ctx context.Context, path string, body, into any) error {
	return k.call(ctx, http.MethodPost, path, "application/json", body, into)
}

func (k *kube) replace(ctx context.Context, path string, body, into any) error {
	return k.call(ctx, http.MethodPut, path, "application/json", body, into)
}

// merge applies a JSON merge patch; a null takes a field away.
func (k *kube) merge(ctx context.Context, path string, body any) error {
	return k.call(ctx, http.MethodPatch, path, "application/merge-patch+json", body, nil)
}

func (k *kube) remove(ctx context.Context, path string) error {
	return k.call(ctx, http.MethodDelete, path, "", nil, nil)
}

func code(err error) int {
	if api, ok := err.(*apiError); ok {
		return api.code
	}
	return 0
}

// readiness asks /readyz and says in client-go's words what was wrong.
func (k *kube) readiness(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.base+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	switch {
	case answer.StatusCode == http.StatusOK:
		return nil
	case answer.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("the server is currently unable to handle the request")
	case answer.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("Unauthorized")
	case answer.StatusCode >= 500:
		return fmt.Errorf("an error on the server (%q) has prevented the request from succeeding", body)
	}
	return fmt.Errorf("unknown")
}
