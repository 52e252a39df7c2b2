#!/bin/sh
# amazon-ec2-net-utils: configure eth0 as udev would have it done when an interface appears.
#
# It speaks to systemd-networkd, which does not run in our namespace: its two tools are replaced
# by /bin/true, and /run, where the configuration goes, is a fresh tmpfs. Both are mounts of this
# namespace only. Prints what was written, and the link.
set -eu

mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/network
mount --bind /bin/true /lib/systemd/systemd-networkd-wait-online
mount --bind /bin/true /usr/bin/networkctl

setup-policy-routes eth0 start >&2

cat /run/systemd/network/70-eth0.network.d/*.conf
ip link show eth0
