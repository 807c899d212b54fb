#!/bin/bash
# podman_up.sh ROOT DIR: podman's service in a box without Docker, from the Debian in ROOT.
#
# It has the box's own network, /run and processes; its images are gone with the box. DIR has
# registries.conf; its log is DIR/podman.log.
set -eu
root=$1 dir=$2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for shared in sys dev run; do
    mount --rbind "/$shared" "$root/$shared"
done
# crun wants the old or the new control groups, not a mixture of both.
umount "$root/sys/fs/cgroup/unified" 2>/dev/null || true
for place in var/lib/containers var/tmp tmp; do
    mkdir -p "$root/$place"
    mount -t tmpfs tmpfs "$root/$place"
done
mount --bind "$dir/registries.conf" "$root/etc/containers/registries.conf"
mount --bind "$dir/etc/resolv.conf" "$root/etc/resolv.conf"
mkdir -p /run/podman
PODMAN_IGNORE_CGROUPSV1_WARNING=1 setsid chroot "$root" podman system service --time=0 \
    unix:///run/podman/podman.sock >"$dir/podman.log" 2>&1 </dev/null &
