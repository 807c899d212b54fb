# gptoss-probe GPU_FIELDS: look at the whole box in one round trip. Reads only.
#
# Prints sections, each headed by a line "@@NAME"; whoever reads them copes with any being absent.
section() { printf '\n@@%s\n' "$1"; }
have() { command -v "$1" >/dev/null 2>&1; }
# A driver that hangs must not hang the look: every foreign program gets ten seconds.
brief() { if have timeout; then timeout 10 "$@"; else "$@"; fi; }

section system
printf 'time=%s\n' "$(date +%s)"
printf 'hostname=%s\n' "$(hostname 2>/dev/null || uname -n)"
printf 'user=%s\n' "$(id -un 2>/dev/null)"
printf 'uid=%s\n' "$(id -u 2>/dev/null)"
printf 'home=%s\n' "$HOME"
printf 'kernel=%s\n' "$(uname -r)"
printf 'system=%s\n' "$(uname -s)"
printf 'architecture=%s\n' "$(uname -m)"
printf 'cpus=%s\n' "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
printf 'memory_kib=%s\n' "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo 2>/dev/null)"
printf 'hf_home=%s\n' "${HF_HOME:-}"
printf 'tools=%s\n' "$(for tool in curl python3 setsid timeout tar sudo docker podman; do have $tool && printf '%s ' $tool; done)"

section os
cat /etc/os-release 2>/dev/null

section container
# Any one of these says that the box is itself a container.
[ -e /.dockerenv ] && echo dockerenv
[ -e /run/.containerenv ] && echo containerenv
[ -n "${KUBERNETES_SERVICE_HOST:-}" ] && echo kubernetes
[ -n "${RUNPOD_POD_ID:-}" ] && echo runpod
[ -n "${VAST_CONTAINERLABEL:-}" ] && echo vast
tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -m1 '^container='

if have nvidia-smi; then
    section gpus
    brief nvidia-smi "--query-gpu=$1" --format=csv,noheader,nounits 2>&1
    section gpus_status
    brief nvidia-smi --query-gpu=index --format=csv,noheader >/dev/null 2>&1; echo $?
    section apps
    brief nvidia-smi --query-compute-apps=gpu_uuid,pid,process_name,used_memory --format=csv,noheader,nounits 2>&1
    section banner
    brief nvidia-smi 2>&1 | head -n 12
fi

section docker
engine=
for path in "${DOCKER_SOCK:-}" /var/run/docker.sock "/run/user/$(id -u)/docker.sock" "$HOME/.docker/run/docker.sock"; do
    [ -n "$path" ] && [ -S "$path" ] || continue
    if [ -r "$path" ] && [ -w "$path" ]; then engine=yes; echo "socket=$path"; else echo "denied=$path"; fi
done
have docker && echo cli=yes
have sudo && brief sudo -n true 2>/dev/null && echo sudo=yes
have podman && echo podman=yes
have nvidia-container-runtime && echo nvidia_runtime=yes
have nvidia-ctk && echo nvidia_ctk=yes

section disks
for pair in docker:/var/lib/docker weights:"${HF_HOME:-$HOME/.cache/huggingface}"; do
    path=${pair#*:}
    # The folder may not be there yet: its nearest parent has the same file system.
    while [ -n "$path" ] && [ ! -d "$path" ]; do path=${path%/*}; done
    df -Pk "${path:-/}" 2>/dev/null | awk -v role="${pair%%:*}" -v path="${pair#*:}" 'NR == 2 {print role, $2, $4, path}'
done

section cached
# What is in the cache of the models that can be launched: name and KiB on disk.
for folder in "${HF_HOME:-$HOME/.cache/huggingface}"/hub/models--*gpt-oss*; do
    [ -d "$folder/blobs" ] && brief du -sk "$folder/blobs" 2>/dev/null | awk -v name="${folder##*/}" '{print name, $1}'
done

section shm
df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $2}'

section ports
if have ss; then ss -Hltn 2>/dev/null | awk '{print $4}'
else awk 'FNR > 1 && $4 == "0A" {print "hex:" $2}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; fi

section servers
# Inference servers that run without a container, as pid, user and command line. Those of containers
# show here too; where the Engine can be asked, it tells of them, and it knows their ports.
container_of() { grep -oE '[0-9a-f]{64}' "/proc/$1/cgroup" 2>/dev/null | head -n 1; }
own=$(container_of self)
ps -ww -eo pid=,user=,args= 2>/dev/null | grep -E 'vllm (serve|bench)|vllm\.entrypoints|sglang[. ](launch_server|serve)|ollama serve' | grep -v grep | head -n 32 |
    while read -r pid rest; do
        id=$(container_of "$pid")
        [ -n "$engine" ] && [ -n "$id" ] && [ "$id" != "$own" ] && continue
        printf '%s %s\n' "$pid" "$rest"
    done

section end
