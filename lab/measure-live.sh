#!/bin/sh
# Live collection against kubectl, on a control plane that is filled for it:
#
#   cargo build --release -p defib
#   cargo xtask lab control-plane --kwok -- sh lab/measure-live.sh [RUNS] [PODS] [NODES]
#
# Prints wall time, processor time and peak memory of every run, and the medians. kubectl lists the
# same kinds as defib does, one after the other, as JSON. The bar: defib takes at most 1.5 times as long.
# Deliberately absent: warming up. The three take turns, so that none has the API server's cache alone.
set -eu

runs=${1:-3}
pods=${2:-5000}
nodes=${3:-50}
defib=${DEFIB:-target/release/defib}
[ -x "$defib" ] || { echo "no $defib: cargo build --release -p defib" >&2; exit 1; }
: "${LAB_DIR:?runs inside cargo xtask lab control-plane}"

out=$LAB_DIR/measured
mkdir "$out"
cargo xtask lab populate --pods "$pods" --nodes "$nodes"
# What defib leaves out says nothing that another list does not.
kubectl api-resources --verbs=list -o name |
    grep -v -x -e endpoints -e componentstatuses -e events.events.k8s.io >"$out/kinds"
echo "$(wc -l <"$out/kinds") kinds"
cat >"$out/kubectl.sh" <<'SCRIPT'
while read -r kind; do
    kubectl get "$kind" -A -o json >"$1/list.json" 2>/dev/null || true
done <"$1/kinds"
SCRIPT

timed() {
    name=$1
    shift
    code=0
    # defib exits 2 for a cause and 3 for gaps: both are answers.
    command time -o "$out/one" -f '%e %U %S %M' "$@" >"$out/answer" 2>"$out/errors" || code=$?
    [ "$code" -le 3 ] || { cat "$out/errors" >&2; exit 1; }
    tail -n 1 "$out/one" | awk -v name="$name" -v code="$code" \
        '{ printf "%-9s wall %6.2fs  user+sys %6.2fs  peak %5.0f MB  exit %d\n", name, $1, $2 + $3, $4 / 1000, code }' |
        tee -a "$out/runs"
}

run=0
while [ "$run" -lt "$runs" ]; do
    run=$((run + 1))
    timed kubectl sh "$out/kubectl.sh" "$out"
    rm -f "$out/x.tar.zst"
    timed collect "$defib" collect --out "$out/x.tar.zst" kube:
    timed diagnose "$defib" diagnose kube:
done
echo "medians:"
for name in kubectl collect diagnose; do
    for column in 3 5 7; do
        awk -v name="$name" -v column="$column" '$1 == name { print $column + 0 }' "$out/runs" |
            sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
    done | tr '\n' ' ' | awk -v name="$name" '{ printf "%-9s wall %6.2fs  user+sys %6.2fs  peak %5.0f MB\n", name, $1, $2, $3 }'
done
ls -l "$out/x.tar.zst" | awk '{ printf "bundle %.1f MB\n", $5 / 1000000 }'
