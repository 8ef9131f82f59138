#!/bin/sh
# Removes k3s from this node, its data included. What other hosts know of the node is not its business.
[ "$(id -u)" = 0 ] || exec sudo K3S_DATA_DIR="$K3S_DATA_DIR" "$0" "$@"

data=${K3S_DATA_DIR:-/var/lib/rancher/k3s}
unit=@UNIT@

/usr/local/bin/k3s-killall.sh

systemctl disable "$unit"
systemctl reset-failed "$unit" 2> /dev/null
rm -f "/etc/systemd/system/$unit.service" "/etc/systemd/system/$unit.service.env"
systemctl daemon-reload

rm -f "$0"
for other in /etc/systemd/system/k3s*.service; do
  if [ -e "$other" ]; then
    echo 'Additional k3s services installed, skipping uninstall of k3s'
    exit 0
  fi
done

for name in kubectl crictl ctr; do
  [ -L "/usr/local/bin/$name" ] && rm -f "/usr/local/bin/$name"
done

# Somebody's own disk below the data directory keeps its content.
find "$data" -xdev -depth ! -type d -exec rm -f {} + 2> /dev/null
find "$data" -xdev -depth -type d -exec rmdir {} + 2> /dev/null

rm -rf /etc/rancher/k3s /run/k3s /run/flannel /var/lib/kubelet
rm -f /usr/local/bin/k3s /usr/local/bin/k3s-killall.sh
