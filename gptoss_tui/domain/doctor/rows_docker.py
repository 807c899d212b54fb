"""Docker's own words (engines 20.10 to 29). They are loose: only what Docker says is read.

The words are those of https://github.com/moby/moby, https://github.com/containers/podman and
https://github.com/NVIDIA/nvidia-container-toolkit (issues 146, 183 and 885 of it among others).
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import LAST, row

DOCKER_ROWS = (*(row(cause, words, scope="docker") for cause, words in (
    # A plugin's reason may hold any words.
    ("docker_authorization", r"authorization denied by plugin "),
    ("kernel_modules", r"pair interfaces: operation not supported"),
    ("port_taken", r"port is already allocated|address already in use|ports are not available"),
    ("rootless_cgroups", r"bpf_prog_query|BPF_CGROUP_DEVICE|nvidia-container-cli: mount error: "
     r".*(?:cgroup|operation not permitted)|failed to set device cgroup|no-cgroups"
     r"|failed to get device cgroup|cgroup subsystem devices not found"),
    ("cdi_stale", r"failed to stat CDI host device|invalid CDI spec"
     r"|error stat'?ing file \W?/dev/nvidia|fulfil+ mount request"
     r"|(?:stat|open|mount(?:ing)?|file) .{0,80}lib(?:nvidia|cuda|\w+_nvidia"
     r"|nv\w*)[\w.-]*\.so\.\d+\.\d+"
     r".{0,400}no such file"),
    ("cdi_stale", r"error executing hook \W{0,3}\S*nvidia-(?:cdi-hook|ctk)"),
    ("docker_version", r"(?:crun|runc): unknown version specified"),
    ("no_driver", r"error running (?:prestart|createRuntime|createContainer) hook.*(?:SIGSEGV|segmentation)"),
    ("no_driver", r"nvml error: driver not loaded|initialization error: cannot open shared object|load library failed: ?lib(?:nvidia|cuda)"
     r"|libcuda\.so.*not found|nvidia driver was not found|failed to initialize nvml: error_(?:library|driver)|initialization error: (?:driver error: "
     r"failed to process|cuda error)|WSL environment detected but no adapters"),
    ("gpu_unavailable", r"initialization error: driver rpc error"),
    ("driver_mismatch", r"driver/library version mismatch"),
    ("driver_too_old", r"unsatisfied condition: (?:cuda|driver|brand)|please update your driver"
     r"|requirements not met"),
    ("nvml_lost", r"nvml error: (?:unknown error|insufficient permissions)"),
    ("gpu_unknown", r"nvidia-container-cli: device error|unknown device|device.*not found.*gpu"
     r"|no such device|invalid device|stat nvidia\.com/gpu=(?!all)\S+: no such"
     r"|unresolvable CDI devices nvidia\.com/gpu=(?!all)\S+"),
    # The toolkit is there; what it cannot start is the driver.
    ("no_driver", r"nvidia-container-cli: initialization error: (?!change root)"),
    ("no_gpu_runtime", r"could not select device driver.*(?:gpu|cdi|nvidia)"
     r"|OCI runtime \"?nvidia\"? not found"
     r"|unknown (?:or invalid runtime name:|runtime specified) nvidia|failed to discover GPU"
     r"|unresolvable CDI devices"
     r"|initialization error: change root|nvidia-container-runtime\S*: .*(?:not found"
     r"|no such)"
     r"|could not select device driver|exec: \"?nvidia-container-\w+\"?: executable file not found"
     r"|CDI device injection failed|failed to inject CDI|nvidia-container-cli: ldcache error"
     r"|stat nvidia\.com/gpu=all: no such file|\bCDI spec not found|invoking the NVIDIA Container Runtime Hook directly"
     r"|nvidia-container-runtime\S*: find runc path|no runtime for \"?nvidia"
     r"|runtimehandler \"?nvidia|error modifying oci spec|nvidia-container-runtime\S* did not terminate"
     r"|ready-to-use NVIDIA container runtime|no such volume: nvidia_driver|nvidia-container-cli: mount error: mount operation failed"),
    ("docker_permission", r"fetching server API version.*permission denied"),
    ("docker_down", r"fetching server API version.*(?:no such file|refused|FileNotFound)"),
    # An old Compose with a newer requests (https://github.com/docker/docker-py/issues/3256).
    ("docker_version", r"not supported URL scheme http\+docker"),
    ("docker_permission", r"permission denied while trying to connect"
     r"|docker\.sock\S*: connect: permission denied"
     r"|permission denied\W+dial unix|docker\.sock.*permission denied"
     r"|permission denied.*docker\.sock"),
    ("docker_down", r"docker desktop is unable to start|dial unix \S*: connect: (?:no such file|connection refused)"
     r"|error during connect|cannot connect to the docker daemon|is the docker daemon running"
     r"|failed to connect to the docker api|docker daemon is not running|failed to start daemon|error starting daemon"
     r"|docker\.service (?:failed|could not)|failed to start docker|failed to restart docker"
     r"|unable to configure the docker daemon"),
    ("docker_network", r"iptables failed|netavark: (?:iptables|nftables)|can't initialize iptables"
     r"|no chain/target/match by that name"
     r"|failed to create NAT chain|unable to enable (?:\w+ )?(?:dnat|snat|forward|accept|masquerade)"
     r"|response from daemon: network \S+ not found"),
    ("no_driver", r"error gathering device information while adding custom device"),
    ("docker_version", r"dockerfile parse error.*unknown flag: mount"),
    ("docker_version", r"additional propert(?:y|ies).*devices|value 'devices' does not match"
     r"|'compose' is not a docker command"
     r"|unsupported compose file version|unsupported config option"
     r"|unexpected keyword argument 'gpus'|property devices is not allowed"),
    ("wrong_architecture", r"operating system is not supported|no matching manifest for"
     r"|exec format error"
     r"|does not match the (?:detected host|specified) platform"),
    ("registry_rate_limit", r"toomanyrequests|rate limit"),
    ("image_missing", r"manifest\b(?!.*(?:x509|certificate)).*(?:unknown|not found)|not found: manifest|manifest unknown"
     r"|failed to resolve reference \S+ \S+: not found|failed to resolve reference .*: not found"
     r"|no such image|repository does not exist|short-name \S+ did not resolve"
     r"|short-name resolution enforced|pull access denied|invalid reference format"),
    ("registry_unreachable", r"Proxy Authentication Required"),
    ("registry_login", r"unauthorized|authentication required|no basic auth credentials"
     r"|requested access to the resource is denied|denied: denied|reading manifest .{1,120}: denied"
     r"|unexpected status.*\b40[13] (?:unauthorized|forbidden)"),
    ("host_memory", r"container init was OOM-killed"),
    ("disk_error", r"/(?:docker|containerd)/\S*: read-only file system"),
    ("disk_full", r"no space left on device|disk quota exceeded"),
    ("name_taken", r"container name .* is already in use|name conflict"
     r"|Conflict\. The container name"),
    ("bad_mount", r"bind source path does not exist|invalid mount config|mounts denied"
     r"|invalid volume specification|error mounting|error while creating mount source path"
     r"|statfs /\S*: no such file|mkdir /\S+: file exists"
     r"|mount a directory onto a file|lsetxattr|mounting \W+\S+ to rootfs|error while mounting volume|failedmount|createfile .*(?:syntax is incorrect|cannot find)"),
    ("no_gpu_runtime", r"exec: \"?nvidia-smi\"?: (?:executable file )?not found"),
    ("bad_command", r"exec: (?!\"?docker-credential).*: (?:executable file not found|no such file"
     r"|permission denied)"
     r"|unable to start container process: exec"),
    ("registry_unreachable", r"dial tcp|Get \"?https?://[^/\s]+/v2/\"?: .*(?:Client\.Timeout"
     r"|canceled|deadline)"
     r"|no such host|server misbehaving|temporary failure in name resolution"),
    ("pull_broken", r"unexpected (?:http )?status.*\b5\d\d\b|unexpected EOF|: EOF$|short read"
     r"|connection reset|TLS handshake timeout|i/o timeout"
     r"|^(?!.*(?:shim|runtime|task)).*context deadline exceeded|httpReadSeeker"
     r"|Client\.Timeout exceeded|request canceled|filesystem layer "
     r"verification failed|error pulling image"),
    ("registry_unreachable", r"network is unreachable|connection refused|no route to host"
     r"|proxyconnect"),
    ("registry_certificate", r"x509|certificate|server gave HTTP response to HTTPS client"),
    ("cannot_unpack", r"failed to (?:register|extract|apply|unpack) (?!edits|root)|error (?:creating|unpacking"
     r"|processing) (?:layer|tar)"
     r"|insufficient UIDs or GIDs|not be enough IDs available|failed to convert whiteout"),
    ("docker_version", r"client version .* is too new|client version .* is too old"
     r"|unsupported media type"),
    ("container_gone", r"no such container"),
    ("no_gpu_runtime", r"nvidia-container-cli(?:\.real)?: (?:\w+ )*error"),
)),
    # The reason stands in the next lines, where they are not cut off.
    row("no_gpu_runtime", r"error running (?:prestart|createRuntime) hook #\d.*Auto-detected mode",
        LAST, scope="docker"),
)  # fmt: skip
