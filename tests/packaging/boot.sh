#!/usr/bin/env bash
# A machine to throw away: this one's files under a layer in memory, in namespaces of its own, with systemd as its first
# process. Nothing of it is seen outside, and all of it goes with this process. For throwaway.py, which runs it as
#   unshare --mount --pid --fork --net --cgroup --uts --ipc --kill-child boot.sh FOLDER
set -euo pipefail
top=$1/top

mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$1"
mkdir "$1/upper" "$1/work" "$top"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$top"

mount -t proc proc "$top/proc"
mount -t sysfs sysfs "$top/sys"
mount -t cgroup2 cgroup2 "$top/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$top/run"
mount -t tmpfs -o mode=1777 tmpfs "$top/tmp"
mount -t tmpfs -o mode=755 tmpfs "$top/dev"
for name in null zero full random urandom tty; do
  touch "$top/dev/$name"
  mount --bind "/dev/$name" "$top/dev/$name"
done
mkdir "$top/dev/pts" "$top/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$top/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$top/dev/shm"
ln -s pts/ptmx "$top/dev/ptmx"
ln -s /proc/self/fd "$top/dev/fd"

# What this machine starts, or must not start, and what telltale left here, is not that machine's.
rm -rf "$top"/etc/systemd/system/*.wants "$top"/etc/telltale "$top"/var/lib/telltale "$top"/usr/sbin/policy-rc.d
rm -f "$top"/var/lib/man-db/auto-update # takes seconds, each time
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$top/etc/systemd/system/throwaway.target"

ip link set lo up
cd "$top"
mkdir before
mount --rbind "$top" "$top"
cd "$top"
pivot_root . before
cd /
umount -l /before
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=throwaway.target --log-target=console --log-level=warning --show-status=no
