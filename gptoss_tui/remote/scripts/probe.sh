# gptoss-probe GPU_FIELDS HEALTH_FIELDS [PARTS]: look at the whole box in one round trip, or only at
# the PARTS that are named. Reads only.
#
# Prints sections, each headed by a line "@@NAME"; whoever reads them copes with any being absent.
# The parts run at the same time, each program for LIMIT seconds at most.
gpu_fields=$1 health_fields=$2 limit=8
# dockerd, ss and others lie where the path of an ordinary user does not lead.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/snap/bin:/usr/lib/wsl/lib
# What programs say is read in English, whatever the user speaks.
export LC_ALL=C
section() { printf '\n@@%s\n' "$1"; }
have() { command -v "$1" >/dev/null 2>&1; }

# A program that hangs in the driver cannot even be killed: then what reads from it is ended.
bounded() { # SAY PROGRAM [ARGS]: SAY is "told" (also its errors, and "@status N") or "brief"
    say=$1
    shift
    if have timeout; then
        ({
            if [ "$say" = told ]; then timeout -s KILL "$limit" "$@" 2>&1; else timeout -s KILL "$limit" "$@"; fi
            status=$?
            [ "$say" = brief ] || printf '\n@status %s\n' "$status"
        } </dev/null 2>/dev/null &) | timeout "$((limit + 1))" cat
    elif [ "$say" = told ]; then
        "$@" </dev/null 2>&1
        printf '\n@status %s\n' "$?"
    else "$@" </dev/null 2>/dev/null
    fi
}
brief() { bounded brief "$@"; }
told() { bounded told "$@"; }
container_of() { grep -oE '[0-9a-f]{64}' "/proc/$1/cgroup" 2>/dev/null | tail -n 1; } # PID
succeeds() { told "$@" | grep -qx '@status 0'; }

hub=${HF_HUB_CACHE:-${HF_HOME:-$HOME/.cache/huggingface}/hub}
# Where Docker listens, and where podman's service speaks as Docker does.
docker_sockets() {
    case ${DOCKER_HOST:-} in unix://*) printf '%s\n' "${DOCKER_HOST#unix://}" ;; esac
    printf '%s\n' "${DOCKER_SOCK:-}" /var/run/docker.sock "/run/user/$(id -u)/docker.sock" "$HOME/.docker/run/docker.sock"
}
podman_sockets() { printf '%s\n' "${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/podman/podman.sock" /run/podman/podman.sock; }
usable() { [ -r "$1" ] && [ -w "$1" ]; }
nearest() { # PATH: that folder, or the nearest one above it that is there
    path=$1
    while [ -n "$path" ] && [ ! -d "$path" ]; do path=${path%/*}; done
    printf '%s\n' "${path:-/}"
}
engine=$({ docker_sockets; podman_sockets; } | while read -r path; do
    [ -S "$path" ] && usable "$path" && echo yes && break
done)
read_only() { # PATH: where its file system is mounted, if nobody may write to it
    point=$(brief df -Pk "$(nearest "$1")" | sed -n '2s/.* //p')
    awk -v at="$point" '$2 == at {how = $4} END {if (how ~ /^ro(,|$)/) print at}' /proc/mounts 2>/dev/null
}
dangling() { # PATH: the link in it that leads nowhere, and where to
    path=$1
    while [ -n "$path" ] && [ ! -d "$path" ]; do
        [ -L "$path" ] && printf '%s -> %s\n' "$path" "$(readlink "$path")"
        path=${path%/*}
    done
}

system() {
    section system
    printf 'time=%s\n' "$(date +%s)"
    printf 'hostname=%s\n' "$(hostname 2>/dev/null || uname -n)"
    printf 'user=%s\n' "$(id -un 2>/dev/null)"
    printf 'uid=%s\n' "$(id -u 2>/dev/null)"
    printf 'home=%s\n' "$HOME"
    printf 'kernel=%s\n' "$(uname -r)"
    printf 'system=%s\n' "$(uname -s)"
    printf 'architecture=%s\n' "$(uname -m)"
    printf 'cpus=%s\n' "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null)"
    printf 'cpu_model=%s\n' "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)"
    printf 'memory_kib=%s\n' "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo 2>/dev/null)"
    printf 'memory_available_kib=%s\n' "$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null)"
    printf 'uptime=%s\n' "$(awk '{print $1}' /proc/uptime 2>/dev/null)"
    printf 'hf_home=%s\n' "${HF_HOME:-}"
    printf 'hub=%s\n' "$hub"
    state=${XDG_STATE_HOME:-$HOME/.local/state}
    [ -w "$(nearest "$state")" ] || printf 'state_denied=%s\nread_only_state=%s\n' "$state" "$(read_only "$state")"
    printf 'hub_dangling=%s\n' "$(dangling "$hub" | tail -n 1)"
    [ -w "$(nearest "$hub")" ] || printf 'hub_denied=%s\n' "$hub"
    grep -q '^flags' /proc/cpuinfo 2>/dev/null && ! grep -qw avx2 /proc/cpuinfo && echo avx2=no
    printf 'capabilities=%s\n' "$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status 2>/dev/null)"
    printf 'tools=%s\n' "$(for tool in curl python3 setsid timeout tar sudo docker podman apt-get dnf zypper; do have $tool && printf '%s ' $tool; done)"

    section os
    cat /etc/os-release 2>/dev/null

    section container
    # Any one of these says that the box is itself a container.
    [ -e /.dockerenv ] && echo dockerenv
    [ -e /run/.containerenv ] && echo containerenv
    [ -n "${KUBERNETES_SERVICE_HOST:-}" ] && echo kubernetes
    [ -n "${RUNPOD_POD_ID:-}" ] && echo runpod
    [ -n "${VAST_CONTAINERLABEL:-}" ] && echo vast
    { tr '\0' '\n' </proc/1/environ | grep -m1 '^container='; } 2>/dev/null ||
        sed 's/^/container=/' /run/systemd/container 2>/dev/null | grep -v =wsl

    section shm
    df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $2}'
}

dmi() { # what the firmware says of the machine: a cloud is known by it
    section dmi
    for name in sys_vendor product_name bios_version chassis_asset_tag; do
        { read -r value <"/sys/class/dmi/id/$name"; } 2>/dev/null && printf '%s=%s\n' "$name" "$value"
    done
    { read -r value </sys/hypervisor/uuid; } 2>/dev/null && printf 'hypervisor_uuid=%s\n' "$value"
}

hardware() {
    section hardware
    for device in /sys/bus/pci/devices/*; do
        [ -r "$device/vendor" ] || continue
        read -r vendor <"$device/vendor"
        read -r class <"$device/class"
        case $vendor$class in
        0x10de0x03*) echo "card=${device##*/} $(readlink "$device/driver" 2>/dev/null | sed 's,.*/,,')" ;;
        *) pci=yes ;;
        esac
    done
    [ -n "${pci:-}" ] && echo pci=yes
    [ -e /dev/dxg ] && echo wsl=yes
    tr '\0' '\n' 2>/dev/null </proc/device-tree/compatible | grep -q '^nvidia,tegra' && echo tegra=yes
    grep -oE '^(nvidia|nouveau) ' /proc/modules 2>/dev/null | sed 's/^/module=/'
    sed -n 's/^NVRM version: */kernel_module=/p' /proc/driver/nvidia/version 2>/dev/null
    if ! [ -e /proc/driver/nvidia/version ]; then
        brief find "/lib/modules/$(uname -r)" -name 'nvidia.ko*' | head -n 1 | sed 's/^/module_file=/'
        for variable in /sys/firmware/efi/efivars/SecureBoot-*; do
            [ -r "$variable" ] && echo "secure_boot=$(od -An -tu1 -j4 -N1 "$variable" 2>/dev/null | tr -d ' ')"
        done
        grep -lE '^ *(blacklist +nvidia|alias +nvidia +off|install +nvidia +/[a-z/]+) *$' \
            /etc/modprobe.d/*.conf /lib/modprobe.d/*.conf 2>/dev/null | head -n 1 | sed 's/^/blacklisted=/'
    fi
    [ -e /dev/nvidiactl ] && ! { [ -r /dev/nvidiactl ] && [ -w /dev/nvidiactl ]; } && echo denied=/dev/nvidiactl
    # Opening it does nothing; a container may be refused just that, though the node is there.
    [ -e /dev/nvidiactl ] && ! (: </dev/nvidia-uvm) 2>/dev/null && echo uvm=no
    if [ -e /dev/nvidia-nvswitchctl ] && have systemctl; then
        echo "fabric_manager=$(brief systemctl is-active nvidia-fabricmanager)"
    fi
}

kernel_log() {
    # Who may read the kernel's log differs by system.
    for way in 'dmesg' 'sudo -n dmesg' 'journalctl -kq --no-pager -o short-monotonic -n 20000'; do
        have "${way%% *}" || continue
        # shellcheck disable=SC2086 # words, one by one
        log=$(brief $way | sed -n -e '1{h;s/^/@first /p;g;}' -e '/NVRM\|nouveau\|Loading of .* rejected\|unsigned module loading/p' | tail -n 40)
        if [ -n "$log" ]; then
            section kernel_log
            printf '%s\n' "$log"
            return
        fi
    done
}

query() { # SECTION FIELDS: a field that this driver does not know fails the whole query, and is left out
    fields=$2
    while :; do
        said=$(told nvidia-smi "--query-gpu=$fields" --format=csv,noheader,nounits)
        bad=$(printf '%s\n' "$said" | sed -n 's/^Field "\([^"]*\)" is not a valid field.*/\1/p' | head -n 1)
        rest=
        for field in $(printf '%s' "$fields" | tr , ' '); do [ "$field" = "$bad" ] || rest=${rest:+$rest,}$field; done
        if [ -z "$bad" ] || [ "$rest" = "$fields" ] || [ -z "$rest" ]; then break; fi
        fields=$rest
    done
    section "$1"
    printf '@fields %s\n%s\n' "$fields" "$said"
}
gpus() { have nvidia-smi && query gpus "$gpu_fields"; }
health() { have nvidia-smi && query health "$health_fields"; }
banner() {
    have nvidia-smi || return
    section banner
    brief nvidia-smi | head -n 12
}
detail() { # what can be asked for by no field
    have nvidia-smi || return
    section detail
    brief nvidia-smi -q | awk -F ' *: *' '
        /^GPU / {gpu++}
        /License Status/ {print "license=" $2}
        /^ *Fabric *$/ {part = "fabric"}
        /^ *Link Width *$/ {part = "width"}
        part == "fabric" && /^ *State/ {print "fabric=" $2; part = ""}
        part == "width" && /^ *Max/ {most = $2}
        /C2C Mode/ {joined = $2} # to the processor, by more than the lanes
        part == "width" && /^ *Current/ {if (joined != "Enabled") print "link=" gpu - 1, $2 + 0, most + 0; part = ""}'
}
apps() {
    have nvidia-smi || return
    section apps
    said=$(brief nvidia-smi --query-compute-apps=gpu_uuid,pid,process_name,used_memory --format=csv,noheader,nounits)
    printf '%s\n' "$said"
    section owners
    for pid in $(printf '%s\n' "$said" | awk -F', *' '$2 ~ /^[0-9]+$/ {print $2}' | sort -u | head -n 64); do
        [ -d "/proc/$pid" ] && echo "$pid $(ls -ld "/proc/$pid" | awk '{print $3}') $(container_of "$pid")"
    done
}

dockerd=$(grep -lx dockerd /proc/[0-9]*/comm 2>/dev/null | head -n 1)
dockerd=${dockerd%/comm}
of_snap() { # is it Canonical's snap of Docker that runs here, or would?
    if [ -n "$dockerd" ]; then grep -qa /var/snap/docker/ "$dockerd/cmdline" 2>/dev/null
    else [ -d /snap/docker/current ] && ! have dockerd; fi
}
why_down() { # UNIT: the last that the Engine said before it ended
    for way in '' 'sudo -n'; do
        # shellcheck disable=SC2086 # words, one by one
        said=$(brief $way journalctl -q "_SYSTEMD_UNIT=$1.service" -n 60 -o cat --no-pager | grep -iE 'fail|unable|error' | tail -n 1 | cut -c 1-300)
        [ -n "$said" ] && echo "why=$said" && return
    done
    # Its journal may be shut to this user.
    have python3 && [ -r /etc/docker/daemon.json ] && told python3 -m json.tool /etc/docker/daemon.json /dev/null |
        sed -n 's,^\(.*line [0-9]* column [0-9]*\).*,why=/etc/docker/daemon.json cannot be read: \1,p'
}

docker_signs() {
    section docker
    docker_sockets | while read -r path; do
        [ -S "$path" ] || continue
        if usable "$path"; then echo "socket=$path"; else echo "denied=$path"; fi
    done
    podman_sockets | while read -r path; do [ -S "$path" ] && usable "$path" && echo "podman_socket=$path"; done
    if have docker; then
        echo cli=yes
        case $(brief docker --version) in *[Pp]odman*) echo cli_is_podman=yes ;; esac
    fi
    unit=docker
    of_snap && echo snap=yes && echo daemon=yes && unit=snap.docker.dockerd
    have dockerd && echo daemon=yes
    [ -n "$dockerd" ] && echo runs_here=yes
    [ -S "$HOME/.docker/desktop/docker.sock" ] && echo desktop=yes
    if have systemctl; then
        service=$(brief systemctl is-active $unit)
        echo "service=$service"
        case $service in
        failed | activating) why_down $unit ;;
        inactive) brief systemctl show $unit.service $unit.socket --property=LoadState | grep -qx LoadState=masked && echo masked=yes ;;
        esac
    fi
    # A group holds from the next login on.
    grep -E '^docker:' /etc/group 2>/dev/null | cut -d: -f4 | tr , '\n' | grep -qxF "$(id -un)" && echo in_group=yes
    if [ "$(id -u)" = 0 ]; then echo sudo=yes
    elif have sudo; then
        said=$(told sudo -n true)
        case $said in
        *'@status 0'*) echo sudo=yes ;;
        *password*) echo sudo=password ;;
        esac
    fi
    have podman && echo "podman=$(brief podman --version)"

    section runtime
    # The Engine looks along its own path, which may be another than ours.
    paths=$({ tr '\0' '\n' <"$dockerd/environ" | sed -n 's/^PATH=//p'; } 2>/dev/null)
    named=$(sed -n 's,.*"path" *: *"\(/[^"]*\)/nvidia-container-runtime".*,\1,p' /etc/docker/daemon.json 2>/dev/null | head -n 1)
    [ -z "$named" ] || [ -x "$named/nvidia-container-runtime" ] || echo "gone=$named/nvidia-container-runtime"
    for tool in nvidia-ctk nvidia-container-runtime nvidia-container-runtime-hook; do
        # shellcheck disable=SC2046 # folders, one by one
        for folder in $(printf '%s' "$PATH:$paths:$named:/usr/bin:/usr/local/nvidia/toolkit" | tr : ' '); do
            [ -x "$folder/$tool" ] && echo "$tool=yes" && break
        done
    done
    have nvidia-ctk && echo "version=$(brief nvidia-ctk --version | head -n 1)"
    grep -q '"nvidia"' /etc/docker/daemon.json "$HOME/.config/docker/daemon.json" 2>/dev/null && echo configured=yes
    for file in /etc/cdi/* /var/run/cdi/*; do
        [ -r "$file" ] && grep -q 'nvidia.com/gpu' "$file" 2>/dev/null || continue
        echo "cdi=$file"
        # Made for one driver, and with the devices that were there then.
        grep -oE 'libcuda\.so\.[0-9]{3}[0-9.]*[0-9]' "$file" | head -n 1 | sed 's/^libcuda.so./cdi_driver=/'
        grep -q /dev/nvidiactl "$file" && ! grep -q /dev/nvidia-uvm "$file" && echo "cdi_without_uvm=$file"
    done
    grep -qE '^ *no-cgroups *= *true' /etc/nvidia-container-runtime/config.toml 2>/dev/null && echo no_cgroups=yes
}

data_root() { # where Docker keeps images: by its settings, else where it does by itself
    for config in /etc/docker/daemon.json "$HOME/.config/docker/daemon.json"; do
        [ -r "$config" ] && sed -n 's/.*"\(data-root\|graph\)"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\2/p' "$config"
    done
    # shellcheck disable=SC2009 # pgrep shows no arguments everywhere
    ps -ww -eo args= 2>/dev/null | sed -n 's/^[^ ]*dockerd .*--data-root[ =]\([^ ]*\).*/\1/p'
    [ -S "/run/user/$(id -u)/docker.sock" ] && ! [ -S /var/run/docker.sock ] && echo "$HOME/.local/share/docker"
    echo /var/lib/docker
}

disks() {
    section disks
    inodes='' shut=''
    for pair in docker:"$(data_root | head -n 1)" containerd:/var/lib/containerd weights:"$hub"; do
        path=${pair#*:}
        [ "$pair" = containerd:/var/lib/containerd ] && ! [ -d "$path" ] && continue
        # The folder may not be there yet: its nearest parent has the same file system.
        at=$(nearest "$path")
        brief df -Pk "$at" | awk -v role="${pair%%:*}" -v path="$path" 'NR == 2 {print role, $2, $4, path}'
        inodes="$inodes$(brief df -Pi "$at" | awk -v role="${pair%%:*}" 'NR == 2 {print role, $2, $4}')|"
        shut="$shut${pair%%:*}=$(read_only "$path")|"
    done
    section inodes
    printf '%s' "$inodes" | tr '|' '\n'
    section read_only
    printf '%s' "$shut" | tr '|' '\n'
    section largest_free
    # A container has single files mounted, as /etc/hosts: nothing is kept in those.
    folders=$(awk '$3 ~ /^(ext[234]|xfs|btrfs|zfs|f2fs)$/ && $4 !~ /^ro/ {print $2}' /proc/mounts 2>/dev/null |
        while read -r path; do [ -d "$path" ] && printf '%s\n' "$path"; done)
    # shellcheck disable=SC2086 # folders, one by one
    [ -z "$folders" ] || brief df -Pk $folders |
        awk 'NR > 1 && $4 > most {most = $4; at = $6} END {if (at) print most, at}'

    section cached
    # What is in the cache: name and KiB on disk. Files of huggingface_hub 2 are links into a store.
    for folder in "$hub"/models--*; do
        [ -d "$folder/blobs" ] && brief du -skL "$folder/blobs" | awk -v name="${folder##*/}" '{print name, $1}'
    done
    [ -d "$hub" ] && brief find "$hub" -name '*.incomplete' -type f -exec du -sk {} + |
        awk '{sum += $1} END {if (sum) print "incomplete", sum}'
}

ports() {
    section ports
    if have ss; then brief ss -Hltnp | awk '{print $4, $6}'
    else awk 'FNR > 1 && $4 == "0A" {print "hex:" $2}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; fi
}

resolvers() { # whom this box asks for names, and what Docker may put in their place
    section resolvers
    sed -n 's/^nameserver[[:space:]]*/nameserver=/p' /etc/resolv.conf 2>/dev/null
    [ -e /run/systemd/resolve/resolv.conf ] && echo resolved=yes
    grep -q '"dns"' /etc/docker/daemon.json 2>/dev/null && echo docker=yes
}

# The proxy by which Docker pulls: of its service, or of its settings. It may hold a password, so it
# goes on in the environment alone, and is printed without.
daemon_proxy() {
    have systemctl && brief systemctl show docker --property=Environment |
        tr ' ' '\n' | sed -n 's/^\(Environment=\)\{0,1\}"\{0,1\}HTTPS_PROXY=\([^"]*\).*/\2/Ip'
    sed -n 's/.*"https-proxy"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' /etc/docker/daemon.json 2>/dev/null
}
_python='
import socket, ssl, sys, time, urllib.error, urllib.request
began = time.time()
try:
    said = urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error:
    said = error
except OSError as error:
    why = getattr(error, "reason", error)
    print("curl:", why)
    kinds = ((socket.gaierror, 6), (ssl.SSLCertVerificationError, 60), (ssl.SSLError, 35), (TimeoutError, 28))
    sys.exit(next((code for kind, code in kinds if isinstance(why, kind)), 7))
print("date:", said.headers.get("date"))
print("@http", said.code, round(time.time() - began, 3))
'
reach() { # SECTION URL PROXY
    section "$1"
    [ -n "$3" ] && printf 'proxy=%s\n' "$(printf '%s' "$3" | sed 's,^[a-z0-9]*://,,; s,^.*@,,; s,/.*,,')"
    # In the words of curl, also where only Python is there.
    export https_proxy="$3" HTTPS_PROXY="$3" all_proxy='' ALL_PROXY='' no_proxy='' NO_PROXY=''
    if have curl; then
        told curl -sS -o /dev/null -D - --connect-timeout 4 -m 6 -w '\n@http %{http_code} %{time_total}\n' "$2"
    elif have python3; then told python3 -c "$_python" "$2"
    fi | tr -d '\r' | grep -iE '^(date:|@http|@status|curl:)'
}
registry() { reach reach_registry https://registry-1.docker.io/v2/ "$(daemon_proxy | head -n 1)"; }
model=/openai/gpt-oss-20b/resolve/main/config.json
model_hub() { reach reach_hub "https://huggingface.co$model" ''; }
model_hub_by_proxy() {
    proxy=${https_proxy:-${HTTPS_PROXY:-$(daemon_proxy | head -n 1)}}
    [ -z "$proxy" ] || reach reach_hub_by_proxy "https://huggingface.co$model" "$proxy"
}

# Inference servers that run without a container, as pid, user and command line. Those of containers
# show here too; where the Engine can be asked, it tells of them, and it knows their ports.
servers() {
    section servers
    own=$(container_of self)
    ps -ww -eo pid=,user=,args= 2>/dev/null | grep -E 'vllm (serve|bench)|vllm\.entrypoints|sglang[. ](launch_server|serve)|ollama serve' | grep -v grep | head -n 32 |
        while read -r pid rest; do
            id=$(container_of "$pid")
            [ -n "$engine" ] && [ -n "$id" ] && [ "$id" != "$own" ] && continue
            printf '%s %s\n' "$pid" "$rest"
        done
}

together() { # PART...: all at the same time; what each prints stays whole
    part=$1
    shift
    if [ $# = 0 ]; then "$part"; return; fi
    "$part" </dev/null | {
        rest=$(together "$@" </dev/null)
        cat
        printf '%s\n' "$rest"
    }
}
# shellcheck disable=SC2086 # names, one by one
together ${3:-system dmi hardware kernel_log gpus health detail banner apps docker_signs disks ports resolvers registry model_hub model_hub_by_proxy servers}
section end
