#!/bin/sh
# What a container manager keeps from a node and a real host has: groups that can be written, and kernel settings.
# Runs at every start of a node, before k3s.
set -eu

# Settings of the network are the node's own. All others are the machine's, and stay closed to a node.
mountpoint -q /proc/sys/net || mount --bind /proc/sys/net /proc/sys/net
mount -o remount,rw,bind /proc/sys/net

# The kubelet wants these and sets them where it finds others. It finds them, and the machine keeps its own.
if [ -e /opt/lab/bin/kubelet ]; then
  mkdir -p /run/lab/settings
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    path=/proc/sys/${setting%=*}
    own=/run/lab/settings/$(echo "${setting%=*}" | tr / .)
    echo "${setting#*=}" > "$own"
    mountpoint -q "$path" || mount --bind "$own" "$path"
  done
fi

for group in cpu cpuacct cpuset memory pids devices freezer blkio; do
  [ ! -d "/sys/fs/cgroup/$group" ] || mount -o remount,rw,bind "/sys/fs/cgroup/$group"
done
[ -e /dev/kmsg ] || ln -s /dev/null /dev/kmsg
sysctl -q -w net.ipv4.ip_forward=1
