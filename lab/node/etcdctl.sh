#!/bin/sh
# etcdctl against this server's own etcd, with the certificate that k3s made for its API server.
tls=${K3S_DATA_DIR:-/var/lib/rancher/k3s}/server/tls/etcd
export ETCDCTL_ENDPOINTS="${ETCDCTL_ENDPOINTS:-https://127.0.0.1:2379}"
export ETCDCTL_CACERT="$tls/server-ca.crt" ETCDCTL_CERT="$tls/client.crt" ETCDCTL_KEY="$tls/client.key"
exec /opt/lab/bin/etcdctl "$@"
