#!/usr/bin/env bash
# packages.sh: install those of the system's parts that are missing, without starting any of them.
set -euo pipefail
wanted=(openssh-server openssh-client docker.io docker-registry debootstrap iptables shellcheck
    iproute2 jq tmux curl sudo busybox procps util-linux python3-venv ca-certificates
    docker-compose systemd)
missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" = 0 ]; then
    exit 0
fi
# The tests start their own sshd, Docker Engine and registry; the packages' services stay down.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
