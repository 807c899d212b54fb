#!/usr/bin/env bash
# podman.sh LAB: LAB/podman, a Debian 13 with the podman that gives GPUs to containers by its API.
# Does nothing when it is there.
set -euo pipefail
lab=$1
key=$(sha256sum "$0" | cut -c 1-16)
[ -e "$lab/podman/.complete-$key" ] && exit 0
rm -rf "$lab/podman"
debootstrap --variant=minbase --include=podman,crun,netavark,iptables,ca-certificates \
    trixie "$lab/podman" >"$lab/podman.log" 2>&1 || { tail -n 20 "$lab/podman.log" >&2; exit 1; }
rm -rf "$lab"/podman/var/cache/apt/* "$lab"/podman/var/lib/apt/lists/* "$lab"/podman/usr/share/{doc,locale}
cat >"$lab/podman/etc/containers/containers.conf" <<'END'
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
log_driver = "k8s-file"
[network]
firewall_driver = "iptables"
END
touch "$lab/podman/etc/containers/registries.conf" "$lab/podman/.complete-$key"
