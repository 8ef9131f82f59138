#!/bin/sh
# A node's switch, for whoever may press it: the harness, the lab's engine, the lab's hypervisor. Runs in the lab's own
# namespaces.
#
#   switch.sh on|ask|cord|clear|state|first DIR
#
# `on` starts a node that is off, `ask` asks it to shut down, `cord` ends it at once, `clear` takes one that has ended
# off the network. `state` prints the process of a node that is on, `first` that of its init; nothing for one that is off.
set -eu
verb=$1 dir=$2
. "$dir/seat"
. "$dir/../../lift.sh"

nspawn=$(cat "$dir/pid" 2> /dev/null) || nspawn=
[ -n "$nspawn" ] && [ "$(cat "/proc/$nspawn/comm" 2> /dev/null)" = systemd-nspawn ] || nspawn=
child=
[ -z "$nspawn" ] || child=$(cut -d' ' -f1 "/proc/$nspawn/task/$nspawn/children" 2> /dev/null) || child=
# Until it has become the node's init, it still sees the machine's files: nobody may enter there.
first=$child
case $(cat "/proc/${child:-none}/comm" 2> /dev/null || :) in systemd-nspawn | '') first= ;; esac

# One control group per node in every hierarchy, so that each systemd has a root of its own.
make_groups() {
  for own in $groups; do
    for group in "${own%/*}" "$own"; do
      mkdir -p "$group"
      # A cpuset group (v1) takes no process until it is told processors and memory nodes.
      [ -e "$group/tasks" ] || continue
      for value in cpuset.cpus cpuset.mems; do
        [ ! -e "$group/$value" ] || [ -n "$(cat "$group/$value")" ] || cat "${group%/*}/$value" > "$group/$value"
      done
    done
  done
}

# A group is busy for an instant after its last process was killed.
remove_groups() {
  for own in $groups; do
    tries=0
    while [ -d "$own" ] && ! find "$own" -depth -type d -exec rmdir {} + 2> /dev/null; do
      tries=$((tries + 1))
      [ "$tries" -lt 50 ] || { echo "$own is busy" >&2; return 1; }
      sleep 0.1
    done
  done
}

clear_away() {
  rm -f "$dir/pid"
  ip link delete "$name" 2> /dev/null || :
  ip netns delete "$name" 2> /dev/null || :
  tries=0
  while mountpoint -q "$dir/merged"; do
    ! umount "$dir/merged" || break
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || exit 1
    sleep 0.1
  done
  remove_groups
}

# Puts the node on the network and starts it. The file system comes last of what can fail without a trace.
switch_on() {
  make_groups
  ip netns add "$name"
  # The same card at every start: to another one its neighbours would talk only after they had waited for this one.
  # shellcheck disable=SC2046 # four words, one to a line
  card=$(printf '02:00:%02x:%02x:%02x:%02x' $(echo "$address" | tr . '\n'))
  ip link add "$name" type veth peer name eth0 address "$card" netns "$name"
  ip link set "$name" master lab0 up
  ip -n "$name" link set lo up
  ip -n "$name" address add "$address/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "$gateway"
  # The newest layer is the topmost.
  layers=
  for layer in "$dir/layers"/*; do layers="$layer:$layers"; done
  written=$dir
  if [ -s "$dir/disk" ]; then
    # Another disk was put in: on it is what every node is made with, and what was written since.
    written=$dir/disks/$(cat "$dir/disk")
    layers="$(echo "$dir/layers"/000-*):"
  fi
  mkdir -p "$written/upper" "$written/work" "$dir/merged"
  mount -t overlay -o "lowerdir=$layers$lower,upperdir=$written/upper,workdir=$written/work" "$name" "$dir/merged"
  for group in $groups; do echo 0 > "$group/cgroup.procs"; done
  set --
  for bind in $binds; do set -- "$@" "$bind"; done
  rm -f "$dir/exit" "$dir/cord"
  touch "$dir/started"
  # What stays behind waits for the end, to write down how it came.
  (
    # Its clock is read as it is switched on: where it is wrong, a program and by how many seconds.
    # shellcheck disable=SC2046 # two words, one to a line
    $(cat "$dir/clock" 2> /dev/null || :) systemd-nspawn --quiet --boot --directory="$dir/merged" \
      --machine="$name" --hostname="$host" --network-namespace-path="/run/netns/$name" --register=no --keep-unit --capability=all \
      --resolv-conf=off --timezone=off --link-journal=no "$@" &
    echo "$!" > "$dir/pid"
    wait "$!" && code=0 || code=$?
    [ ! -e "$dir/cord" ] || code=137
    echo "$code" > "$dir/exit"
  ) > "$dir/console.log" 2>&1 < /dev/null &
  tries=0
  while [ ! -s "$dir/pid" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "systemd-nspawn did not start" >&2; exit 1; }
    sleep 0.02
  done
}

# Lists of paths are one to a line.
IFS='
'
case $verb in
  state) echo "$nspawn" ;;
  first) echo "$first" ;;
  on) [ -n "$nspawn" ] || { clear_away; switch_on; } ;;
  ask) [ -z "$nspawn" ] || kill -TERM "$nspawn" ;;
  cord)
    if [ -n "$child" ]; then
      # Killing systemd-nspawn itself would leave the node running.
      touch "$dir/cord"
      kill -KILL "$child" 2> /dev/null || :
      lift $groups || :
    fi
    tries=0
    while [ -n "$nspawn" ] && [ -d "/proc/$nspawn" ]; do
      tries=$((tries + 1))
      [ "$tries" -lt 900 ] || { echo "process $nspawn does not end" >&2; exit 1; }
      sleep 0.1
    done
    clear_away
    ;;
  clear) clear_away ;;
  *) echo "a switch has no $verb" >&2; exit 2 ;;
esac
