#!/bin/bash
# box_init.sh DIR ADDRESS: the first process of a box, in namespaces of its own (see box.py).
#
# A whole machine but for the kernel: its own /run, /var/lib/docker, users, name, processes and
# network. Whatever is left over in it ends with this process. Standard input says when the network
# cable is in.
set -eu
dir=$1 address=$2
mount --make-rprivate /
for pair in run:/run docker:/var/lib/docker var_tmp:/var/tmp; do
    mkdir -p "$dir/${pair%%:*}" "${pair#*:}"
    mount --bind "$dir/${pair%%:*}" "${pair#*:}"
done
chmod 1777 "$dir/var_tmp"
mkdir -p /run/sshd
[ -z "${DISK_MIB:-}" ] || mount -t tmpfs -o "size=${DISK_MIB}m" tmpfs /var/lib/docker
for file in passwd group shadow sudoers hosts resolv.conf; do
    place=$(readlink -m "/etc/$file")
    # resolv.conf often leads into /run, which is an empty one here.
    case $place in /run/*) mkdir -p "${place%/*}" && touch "$place" ;; esac
    [ ! -e "$place" ] || mount --bind "$dir/etc/$file" "$place"
done
hostname real-box

read -r _
ip link set lo up
ip address add "$address/30" dev eth0
ip link set eth0 up

export PATH=$dir/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=$dir/home
cd "$HOME"
/usr/sbin/sshd -D -f "$dir/sshd_config" -E "$dir/sshd.log" &
if [ -e "$dir/dockerd.options" ]; then
    # shellcheck disable=SC2046 # words, one by one
    dockerd $(cat "$dir/dockerd.options") >"$dir/dockerd.log" 2>&1 &
fi
# The parent of all orphans has to collect them, until it is killed. (Without a child, `wait` would
# return at once, and this would spin.)
sleep infinity &
while :; do wait -n || true; done
