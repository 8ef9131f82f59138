#!/bin/sh
# Ends whatever k3s has started on this node: services, containers, mounts, links, firewall rules.
# The data directory, the settings and the units stay.
[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"

data=${K3S_DATA_DIR:-/var/lib/rancher/k3s}

for unit in /etc/systemd/system/k3s*.service; do
  [ -e "$unit" ] && systemctl stop "$(basename "$unit")"
done

# A shim and all that descends from it.
tree() {
  for child in $(cat /proc/"$1"/task/*/children 2> /dev/null); do
    tree "$child"
  done
  echo "$1"
}
for exe in /proc/[0-9]*/exe; do
  case $(readlink "$exe" 2> /dev/null) in
    "$data"/data/*/bin/containerd-shim*)
      pid=${exe#/proc/}
      kill -KILL $(tree "${pid%/exe}") 2> /dev/null
      ;;
  esac
done

# Unmounts all below a path, the deepest first, and removes the mount points.
release() {
  awk -v top="$1" 'index($2, top) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r point; do
    umount -f "$point" && rm -rf "$point"
  done
}
release /run/k3s
release /var/lib/kubelet/pods
release /var/lib/kubelet/plugins
release /run/netns/cni-

ip -o link show master cni0 2> /dev/null | sed 's/^[0-9]*: \([^@:]*\).*/\1/' | while read -r link; do
  ip link delete "$link"
done
for link in cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6; do
  ip link delete "$link" 2> /dev/null
done
rm -rf /var/lib/cni/

for family in iptables ip6tables; do
  command -v "$family-save" > /dev/null || continue
  "$family-save" | grep -v -e KUBE- -e CNI- | grep -iv flannel | "$family-restore"
done
exit 0
