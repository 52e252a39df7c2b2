#!/usr/bin/env bash
# A Debian root file system with cloud-init as Debian has it, for the guests of test_guest.py.
#
#   tests/guest/image.sh     prints the folder with image.ext4, vmlinuz and initrd.img
#
# Made once for each version of this script, in $TELLTALE_GUEST_CACHE, else $XDG_CACHE_HOME/telltale, else
# ~/.cache/telltale. Needs root, debootstrap and e2fsprogs. The packages come from $DEBIAN_MIRROR.
# Exit code 77: it can't be made on such a machine, and the last line says why.
set -euo pipefail
SUITE=bookworm
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
BYTES=1200M
PACKAGES=(linux-image-cloud-amd64 initramfs-tools systemd-sysv udev dbus cloud-init openssh-server
  ifupdown isc-dhcp-client iproute2 netbase sudo)

say() { printf 'image.sh: %s\n' "$*" >&2; }

cache=${TELLTALE_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/telltale}
version=$(sha256sum "$0" | cut -c1-12)
image=$cache/guest-$version
if [ -f "$image/done" ]; then
  printf '%s\n' "$image"
  exit
fi
[ "$(id -u)" = 0 ] || { say "must be root: debootstrap makes device nodes and changes its root"; exit 77; }
for tool in debootstrap mke2fs; do
  command -v "$tool" >/dev/null || { say "$tool is not installed; script/setup --guest does that"; exit 77; }
done
unshare --mount true 2>/dev/null || { say "may not have mounts of its own here"; exit 77; }

# What debootstrap mounts must go with it, however it ends: nobody may remove files through such a mount.
if [ -z "${TELLTALE_GUEST_MOUNTS:-}" ]; then
  TELLTALE_GUEST_MOUNTS=own exec unshare --mount --propagation private "$0"
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/making.XXXXXX")
trap 'umount -R "$work/root/proc" "$work/root/sys" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
root=$work/root
say "making a Debian guest in $image (some minutes, once)"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
make_root() {
  debootstrap --variant=minbase "$SUITE" "$root" "$MIRROR" || return
  # No services are started, nothing is synced, documentation stays away: all of it is thrown away.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  printf 'force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n' \
    >"$root/etc/dpkg/dpkg.cfg.d/quick"
  # What finds the root file system holds the drivers that it needs: an emulated processor unpacks it for seconds.
  mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/usr/share/initramfs-tools/modules.d"
  printf 'MODULES=list\n' >"$root/etc/initramfs-tools/conf.d/modules"
  printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$root/usr/share/initramfs-tools/modules.d/guest"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  inside apt-get update -q || return
  inside apt-get install -q -y --no-install-recommends "${PACKAGES[@]}" || return
  rm "$root/usr/sbin/policy-rc.d" "$root/etc/dpkg/dpkg.cfg.d/quick" "$root/etc/resolv.conf"
}
make_root >"$work/log" 2>&1 || {
  tail -20 "$work/log" >&2
  exit 1
}

# What an image has that is to be many machines: no identity, a console, nothing else of ours.
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
: >"$root/etc/machine-id"
printf 'LABEL=root / ext4 defaults 0 1\n' >"$root/etc/fstab"
printf 'source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n' >"$root/etc/network/interfaces"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*

mkdir "$work/image"
cp "$root"/boot/vmlinuz-* "$work/image/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/image/initrd.img"
rm -f "$root"/boot/initrd.img-*
mke2fs -q -t ext4 -L root -d "$root" "$work/image/image.ext4" "$BYTES" >/dev/null
chmod -R a+rX "$work/image"
touch "$work/image/done"
rm -rf --one-file-system "$image"
mv "$work/image" "$image"
printf '%s\n' "$image"
