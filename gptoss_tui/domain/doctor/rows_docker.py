"""Docker's own words (engines 20.10 to 29). They are loose: only what Docker says is read.

The words are those of https://github.com/moby/moby, https://github.com/containers/podman and
https://github.com/NVIDIA/nvidia-container-toolkit (issues 146, 183 and 885 of it among others).
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import row

DOCKER_ROWS = tuple(row(cause, words, scope="docker") for cause, words in (
    ("port_taken", r"port is already allocated|address already in use|ports are not available"),
    ("rootless_cgroups", r"bpf_prog_query|BPF_CGROUP_DEVICE|nvidia-container-cli: mount error: "
     r".*(?:cgroup|operation not permitted)|failed to set device cgroup|no-cgroups"
     r"|failed to get device cgroup"),
    ("cdi_stale", r"failed to stat CDI host device|fulfil+ mount request"
     r"|(?:stat|open|mount(?:ing)?|file) .{0,80}lib(?:nvidia|cuda|\w+_nvidia|nv\w*)[\w.-]*\.so\.\d+\.\d+"
     r".{0,60}no such file"),
    ("no_driver", r"nvml error: driver not loaded|load library failed: libnvidia-ml\.so"
     r"|libcuda\.so.*not found|nvidia driver was not found|initialization error: (?:driver error: "
     r"failed to process|cuda error)"),
    ("gpu_unavailable", r"initialization error: driver rpc error"),
    ("driver_mismatch", r"driver/library version mismatch"),
    ("driver_too_old", r"unsatisfied condition: (?:cuda|driver|brand)|please update your driver"),
    ("nvml_lost", r"nvml error: (?:unknown error|insufficient permissions)"),
    ("gpu_unknown", r"nvidia-container-cli: device error|unknown device|device.*not found.*gpu"
     r"|no such device|invalid device|stat nvidia\.com/gpu=(?!all)\S+: no such|unresolvable CDI devices nvidia\.com/gpu=(?!all)\S+"),
    ("no_gpu_runtime", r"could not select device driver.*(?:gpu|cdi|nvidia)"
     r"|unknown (?:or invalid runtime name:|runtime specified) nvidia|failed to discover GPU|unresolvable CDI devices"
     r"|nvidia-container-cli: initialization error|nvidia-container-runtime\S*: .*(?:not found|no such)"
     r"|could not select device driver|exec: \"?nvidia-container-\w+\"?: executable file not found"
     r"|CDI device injection failed|failed to inject CDI|nvidia-container-cli: ldcache error"
     r"|stat nvidia\.com/gpu=all: no such file"),
    ("docker_permission", r"permission denied.*(?:docker|socket)|docker.*permission denied"),
    ("docker_down", r"cannot connect to the docker daemon|is the docker daemon running"
     r"|failed to connect to the docker api|docker daemon is not running|failed to start daemon"
     r"|unable to configure the docker daemon"),
    ("docker_network", r"iptables failed|no chain/target/match by that name"
     r"|failed to create NAT chain"),
    ("wrong_architecture", r"no matching manifest for|exec format error"
     r"|does not match the (?:detected host|specified) platform"),
    ("registry_rate_limit", r"toomanyrequests|rate limit"),
    ("image_missing", r"manifest.*(?:unknown|not found)|not found: manifest|manifest unknown"
     r"|failed to resolve reference \S+ \S+: not found|failed to resolve reference .*: not found"
     r"|no such image|repository does not exist|pull access denied|invalid reference format"),
    ("registry_login", r"unauthorized|authentication required|no basic auth credentials"
     r"|requested access to the resource is denied|denied: denied"
     r"|unexpected status.*\b40[13] (?:unauthorized|forbidden)"),
    ("disk_full", r"no space left on device|disk quota exceeded"),
    ("name_taken", r"container name .* is already in use|name conflict"
     r"|Conflict\. The container name"),
    ("bad_mount", r"bind source path does not exist|invalid mount config|mounts denied"
     r"|invalid volume specification|error mounting|error while creating mount source path"),
    ("bad_command", r"executable file not found in|exec: .*: (?:no such file|permission denied)"
     r"|unable to start container process: exec"),
    ("registry_unreachable", r"dial tcp|Get \"?https?://[^/\s]+/v2/\"?: .*(?:Client\.Timeout|canceled|deadline)"
     r"|no such host|server misbehaving|temporary failure in name resolution"),
    ("pull_broken", r"unexpected status.*\b5\d\d\b|unexpected EOF|short read|connection reset|TLS handshake timeout|i/o timeout"
     r"|context deadline exceeded|Client\.Timeout exceeded|request canceled|filesystem layer "
     r"verification failed|error pulling image"),
    ("registry_unreachable", r"network is unreachable|connection refused|no route to host|proxyconnect"),
    ("registry_certificate", r"x509|certificate|server gave HTTP response to HTTPS client"),
    ("cannot_unpack", r"failed to register layer|operation not permitted"),
    ("docker_version", r"client version .* is too new|client version .* is too old|unknown flag: --gpus"
     r"|unsupported media type"),
    ("container_gone", r"no such container"),
))  # fmt: skip
