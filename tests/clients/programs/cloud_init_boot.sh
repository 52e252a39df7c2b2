#!/bin/sh
# cloud-init as it runs at boot, in a throwaway overlay of the root file system.
#
# usage: cloud_init_boot.sh FOLDER aws|unknown
#
# Needs root and a mount namespace of its own. FOLDER receives what cloud-init made: query
# (NAME=VALUE lines), hostname, authorized_keys, user-data, marker and log.
#
# aws      the machine's DMI table says EC2, so that cloud-init asks with tokens and nothing else
# unknown  the table says nothing it knows; cloud-init then speaks IMDSv1
set -eu

folder=$1
platform=$2
root=$folder/root

# The overlay's upper layer is a tmpfs, which works even where / is an overlay itself.
mkdir -p "$root" "$folder/layers"
mount -t tmpfs tmpfs "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work"
mount -t overlay overlay "$root" \
  -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"

# State of the real machine that the boot must not see, and places that it writes to.
for directory in dev run tmp root home var/log var/lib/cloud; do
  mkdir -p "$root/$directory"
  mount -t tmpfs tmpfs "$root/$directory"
done
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root/run/cloud-init" "$root/etc/netplan" "$root/etc/network/interfaces.d"
rm -f "$root/etc/cloud/cloud-init.disabled" "$root/etc/resolv.conf"
# cloud-init looks up names that can't exist, to find lying resolvers: let that fail at once.
echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"

# No container, and the DMI table of an EC2 guest, or one with no meaning.
case $platform in
  aws) uuid=ec2f00d0-0000-4000-8000-000000000001 ;;
  *) uuid=f00dec20-0000-4000-8000-000000000001 ;;
esac
cat >"$root/usr/bin/systemd-detect-virt" <<END
#!/bin/sh
exit 1
END
cat >"$root/usr/sbin/dmidecode" <<END
#!/bin/sh
case \$2 in
  system-uuid | system-serial-number) echo $uuid ;;
  system-manufacturer | chassis-asset-tag) echo "Amazon EC2" ;;
esac
END
chmod 755 "$root/usr/bin/systemd-detect-virt" "$root/usr/sbin/dmidecode"

cat >"$root/etc/cloud/cloud.cfg.d/99_test.cfg" <<END
datasource_list: [Ec2]
datasource:
  Ec2:
    strict_id: false
    max_wait: 12
    timeout: 5
    metadata_urls: ["http://169.254.169.254", "http://[fd00:ec2::254]"]
cloud_init_modules: [set_hostname, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
END

# cloud-init exits with 1 for what does not matter here; the caller looks at what it made.
set +e
{
  chroot "$root" cloud-init init
  chroot "$root" cloud-init modules --mode=config
  chroot "$root" cloud-init modules --mode=final
} >&2

for name in cloud_name instance_id region availability_zone; do
  echo "$name=$(chroot "$root" cloud-init query "v1.$name")"
done >"$folder/query"
cp "$root/etc/hostname" "$folder/hostname"
cat "$root"/home/*/.ssh/authorized_keys >"$folder/authorized_keys"
# By way of chroot: the folder `instance` is an absolute symbolic link.
chroot "$root" cat /var/lib/cloud/instance/user-data.txt >"$folder/user-data"
cp "$root/tmp/marker" "$folder/marker"
cp "$root/var/log/cloud-init.log" "$folder/log"
exit 0
