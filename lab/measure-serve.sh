#!/bin/sh
# `defib inspect serve` of a snapshot against the API server that would have served it:
#
#   cargo build --release -p defib
#   cargo xtask snapshot --out FILE
#   cargo xtask lab control-plane -- sh lab/measure-serve.sh FILE [RUNS] [PAGE]
#
# kubectl asks for the pods of all namespaces by pages of 500, between which it waits by itself; pages of 10000
# tell more. Prints the wall time of the first answer of each, of RUNS more in turn, and their medians. The bar:
# twice what the real one takes. The real one is started a second time, on an etcd into which the snapshot was
# restored. Deliberately absent: what starting them takes.
set -eu

file=${1:?a snapshot}
runs=${2:-5}
size=${3:-500}
defib=${DEFIB:-target/release/defib}
[ -x "$defib" ] || { echo "no $defib: cargo build --release -p defib" >&2; exit 1; }
: "${LAB_DIR:?runs inside cargo xtask lab control-plane}"

out=$LAB_DIR/serve
mkdir "$out"
free() { # a port that nobody has
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
started=
finish() {
    for process in $started; do kill "$process" 2>/dev/null || true; done
    wait
}
trap finish EXIT

etcdutl snapshot restore "$file" --data-dir "$out/etcd" >"$out/log" 2>&1
client=$(free) peer=$(free) port=$(free)
etcd --data-dir "$out/etcd" --unsafe-no-fsync --quota-backend-bytes 8589934592 \
    --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" >"$out/etcd.log" 2>&1 &
started=$!

# The running one's own command line, with another etcd and another port.
for process in /proc/[0-9]*; do
    [ "$(cat "$process/comm" 2>/dev/null || true)" = kube-apiserver ] || continue
    tr '\0' '\n' <"$process/cmdline" | grep -q "$LAB_DIR" || continue
    tr '\0' '\n' <"$process/cmdline" >"$out/words"
done
set --
while read -r word; do
    case $word in
        --etcd-* | --secure-port=* | --audit-*) ;;
        --*) set -- "$@" "$word" ;;
    esac
done <"$out/words"
kube-apiserver "$@" --etcd-servers="http://127.0.0.1:$client" --secure-port="$port" >"$out/apiserver.log" 2>&1 &
started="$started $!"
real="--server=https://127.0.0.1:$port"
until kubectl "$real" get --raw /readyz >/dev/null 2>&1; do
    kill -0 $! || { tail "$out/apiserver.log" >&2; exit 1; }
    sleep 0.5
done

"$defib" inspect serve "$file" --kubeconfig-out "$out/kubeconfig" >"$out/served" 2>&1 &
started="$started $!"
until kubectl --kubeconfig "$out/kubeconfig" get --raw /readyz >/dev/null 2>&1; do
    kill -0 $! || { cat "$out/served" >&2; exit 1; }
    sleep 0.2
done

timed() {
    name=$1
    shift
    command time -o "$out/one" -f '%e %U %S' "$@" >"$out/$name.answer"
    awk -v name="$name" '{ printf "%-11s wall %6.2fs  kubectl user+sys %6.2fs\n", name, $1, $2 + $3 }' "$out/one" |
        tee -a "$out/runs"
}
timed first-real kubectl "$real" get pods -A --chunk-size="$size"
timed first-defib kubectl --kubeconfig "$out/kubeconfig" get pods -A --chunk-size="$size"
run=0
while [ "$run" -lt "$runs" ]; do
    run=$((run + 1))
    timed real kubectl "$real" get pods -A --chunk-size="$size"
    timed defib kubectl --kubeconfig "$out/kubeconfig" get pods -A --chunk-size="$size"
done
wc -l "$out/real.answer" "$out/defib.answer" | head -n 2
echo "medians:"
for name in real defib; do
    awk -v name="$name" '$1 == name { print $3 + 0 }' "$out/runs" | sort -n |
        awk -v name="$name" '{ v[NR] = $1 } END { printf "%-11s wall %6.2fs\n", name, v[int((NR + 1) / 2)] }'
done
