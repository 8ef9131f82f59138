package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// `k3s certificate check` (facts 2.5): reads files only.

// services are the groups that k3s names, with their files below server/tls or agent.
var services = []struct {
	name  string
	files []string
}{
	{"admin", []string{"server/tls/client-admin.crt"}},
	{"api-server", []string{"server/tls/client-kube-apiserver.crt", "server/tls/serving-kube-apiserver.crt"}},
	{"auth-proxy", []string{"server/tls/client-auth-proxy.crt"}},
	{"cloud-controller", []string{"server/tls/client-k3s-cloud-controller.crt"}},
	{"controller-manager", []string{"server/tls/client-controller.crt", "server/tls/kube-controller-manager/kube-controller-manager.crt"}},
	{"etcd", []string{"server/tls/etcd/client.crt", "server/tls/etcd/server-client.crt", "server/tls/etcd/peer-server-client.crt"}},
	{"k3s-controller", []string{"agent/client-k3s-controller.crt"}},
	{"kube-proxy", []string{"agent/client-kube-proxy.crt"}},
	{"kubelet", []string{"agent/client-kubelet.crt", "agent/serving-kubelet.crt"}},
	{"scheduler", []string{"server/tls/client-scheduler.crt", "server/tls/kube-scheduler/kube-scheduler.crt"}},
	{"supervisor", []string{"server/tls/client-supervisor.crt"}},
}

// certificateState is a word of k3s for a certificate at a time.
func certificateState(c *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(c.NotBefore):
		return "NOT YET VALID"
	case now.After(c.NotAfter):
		return "EXPIRED"
	case c.NotAfter.Sub(now) < renewAhead:
		return "WARNING"
	}
	return "OK"
}

func usages(c *x509.Certificate) string {
	names := []string{}
	if c.KeyUsage&x509.KeyUsageCertSign != 0 {
		names = append(names, "CertSign")
	}
	for _, usage := range c.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "ClientAuth")
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "ServerAuth")
		}
	}
	return strings.Join(names, ",")
}

func runCertificate(args []string) {
	if len(args) == 0 || args[0] != "check" {
		log.fatal("Error: the stand-in has only `k3s certificate check`")
	}
	o, err := parseOptions(withVerbFlags(map[string]flagSpec{"service": {kind: list}}), shortSnapshot(args[1:]))
	if err != nil {
		log.fatal("Error: %v", err)
	}
	data, now := o.text("data-dir"), time.Now()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	asTable := len(o.values["output"]) > 0 && o.text("output") == "table"
	if asTable {
		fmt.Fprintln(table, "FILENAME\tSUBJECT\tUSAGES\tEXPIRES\tRESIDUAL TIME\tSTATUS")
	} else {
		log.info("Server detected, checking agent and server certificates")
	}
	for _, service := range services {
		if wanted := o.all("service"); len(wanted) > 0 && !strings.Contains(","+strings.Join(wanted, ",")+",", ","+service.name+",") {
			continue
		}
		if !asTable {
			log.info("Checking certificates for %s", service.name)
		}
		for _, file := range service.files {
			path := filepath.Join(data, file)
			content, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			chain, err := certificates(content)
			if err != nil {
				log.error("Failed to parse certificate %s: %v", path, err)
				continue
			}
			for _, c := range chain {
				state, until := certificateState(c, now), c.NotAfter.Format(time.RFC3339)
				if asTable {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", filepath.Base(path), c.Subject, usages(c), until, c.NotAfter.Sub(now).Round(time.Hour), state)
					continue
				}
				text := fmt.Sprintf("%s: certificate %s (%s)", path, c.Subject, usages(c))
				switch state {
				case "NOT YET VALID":
					log.warning("%s is not valid before %s", text, c.NotBefore.Format(time.RFC3339))
				case "EXPIRED":
					log.error("%s expired at %s", text, until)
				case "WARNING":
					log.warning("%s will expire within %d days at %s", text, int(renewAhead.Hours()/24), until)
				default:
					log.info("%s is ok, expires at %s", text, until)
				}
			}
		}
	}
	_ = table.Flush()
}
