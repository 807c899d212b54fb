"""Words that speak of the card, its driver, and of kernels.

Sources: https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html,
https://github.com/vllm-project/vllm/issues (22290, 32109), https://github.com/triton-lang/triton,
https://github.com/sgl-project/sglang/issues (7918, 9706), https://github.com/ollama/ollama/issues/12352.
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import LAST, LIKELY, WEAK, row

_CU = r"(?:(?:cuda driver library|nvcuda) (?:init failure|failed to \w+(?: \w+){0,3}):? |cuInit err: )"

GPU_ROWS = (
    row("driver_mismatch", r"NVRM: API mismatch|Mismatching nvidia kernel module", LIKELY),
    row("driver_too_old", r"container was built for NVIDIA Driver Release .*UNAVAILABLE"
        r"|(?i:nvidia driver version) \S+ is older than", WEAK),
    row("driver_too_old", r"libcuda\.so\S*: (?:undefined symbol: cu[A-Z]|version \W?libcuda)"
        r"|NVIDIA driver on your system is too old"
        r"|provided PTX was compiled with an unsupported toolchain"
        r"|CUDA driver version is insufficient for CUDA runtime"
        r"|API call is not supported in the installed CUDA driver|NVMLError_FunctionNotFound"
        r"|(?:[Nn]vidia|NVIDIA|CUDA) driver (?:is |version )?.{0,30}too old"
        r"|cudaErrorInsufficientDriver|CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
        r"|unsatisfied condition: (?:cuda|driver|brand)|please update your driver", scope="both"),
    row("driver_mismatch", r"[Dd]river/library version mismatch"
        r"|NVMLError_LibRmVersionMismatch|cudaErrorSystemDriverMismatch"
        r"|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
        r"|system has unsupported display driver / cuda driver combination|\b[Ee]rror 803\b",
        scope="both"),
    row("cuda_compat", r"forward compatibility was attempted on non supported HW|Error 804"
        r"|CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE|cudaErrorCompatNotSupportedOnDevice",
        warned=True),
    row("fabric_manager", r"(?:Error 802|error: |CUDA error.*|\b)system not yet initialized"
        r"|cudaErrorSystemNotReady|CUDA_ERROR_SYSTEM_NOT_READY", warned=True),
    row("no_driver", r"Found no NVIDIA driver on your system|NVML Shared Library Not Found"
        r"|NVMLError_LibraryNotFound|libnvidia-ml\.so\.1: cannot open shared object"
        r"|NVIDIA-SMI couldn't find libnvidia-ml|NVIDIA-SMI has failed because it couldn't communicate|nvml error: driver not loaded"
        r"|libcuda\.so(?:\.1)?: cannot open shared object|libcuda\.so cannot (?:be )?found"
        r"|PTX JIT compiler library not found"
        r"|stat /dev/(?:nvidia|kfd|dri)\S*: no such file"
        r"|No such file or directory: '/dev/(?:nvidia|kfd|dri)"
        r"|NVMLError_(?:DriverNotLoaded|Uninitialized)"
        r"|Failed to initialize NVML: Driver Not Loaded", scope="both"),
    row("no_driver", r"libcuda\.so\S*: file too short", LIKELY, warned=True),
    row("cdi_stale", r"/run/nvidia-persistenced/socket: no such file", WEAK),
    row("no_driver", r"NVIDIA Driver was not detected"
        r"|(?:[Ff]ailed to|[Cc]ould not|[Uu]nable to) (?:load|open|find) (?:the )?(?:libcuda|NVML|libnvidia-ml)"
        r"|^modprobe: (?:FATAL|ERROR): .*\bnvidia\b", WEAK, warned=True),
    row("no_driver", r"nvidia-smi: (?:command )?not found|kfd driver not loaded"
        r"|ROCk module is NOT loaded"
        r"|[Uu]nable to open /dev/kfd", WEAK),
    row("gpu_not_visible", r"Could not initialize Tensile host: No devices found|hsa_init failed"
        r"|no ROCm-capable device|hipErrorNoDevice", WEAK),
    row("gpu_not_visible", r"No CUDA GPUs are available|no CUDA-capable device is detected"
        r"|Failed to infer device type|Torch not compiled with CUDA enabled"
        r"|No (?:accelerator|HIP GPUs|GPUs?) (?:\([^()]*\) )?(?:or platform plugin )?"
        r"(?:is|are) available"
        r"|0 active drivers \(\[\]\)\. There should|^No devices were found"
        r"|Failed to initialize NVML: No supported GPUs|CUDA driver initialization failed"
        r"|cudaErrorNoDevice|NVMLError_NotFound|Device string must not be empty"
        r"|torch\.cuda\.is_available\(\) (?:is|returned|returns) False|Error: CUDA is not available"
        r"|No supported accelerator (?:was )?found", LIKELY),
    # vLLM tells of it in passing, before it fails; Ollama goes on without a GPU.
    row("gpu_not_visible", r"No platform detected, vLLM is running on UnspecifiedPlatform", WEAK,
        told=True),
    row("gpu_not_in_image", r"GPU is too old\. Compute Capability detected", LIKELY, told=True),
    row("gpu_not_visible", r"\bNo NVIDIA(?:/AMD)? GPU detected", WEAK, warned=True),
    row("gpu_not_visible", _CU + r"100\b", told=True),
    row("fabric_manager", _CU + r"802\b", told=True),
    row("driver_mismatch", _CU + r"803\b", told=True),
    row("cuda_compat", _CU + r"804\b", told=True),
    row("gpu_unavailable", r"failed to initialize CUDA: |CUDA initialization: "
        r"|cudaGetDeviceCount\(\)"
        r"|cuda runtime error \(\d+\) : (?:unknown|initialization) error"
        r"|CUDA error: initialization error"
        r"|error=30 : unknown error|MPS (?:client|server|control)|valid Grid license"
        r"|GPU requires reset"
        r"|OS call failed or operation not supported on this OS", WEAK),
    row("gpu_unavailable", _CU + r"\d+", LIKELY,
        told=True),
    row("gpu_not_visible", r"no compatible GPUs were discovered|msg=\"no GPU detected|gpu support may not be enabled|msg=\"no (?:nvidia"
        r"|amdgpu) devices detected\""
        r"|msg=\"inference compute\" id=\S+ library=\"?cpu\b"
        r"|msg=\"(?:entering low vram mode"
        r"|vram-based default context)\" \"?total[ _]vram\"?=\"0 B\"", LAST,
        told=True),
    row("nvml_lost", r"Failed to initialize NVML: (?:Unknown Error|Insufficient Perm)"
        r"|NVMLError_Unknown"
        r"|NVMLError_NoPermission|nvml error: insufficient permissions", scope="both"),
    row("nvml_lost", r"Can't initialize NVML", WEAK, warned=True),
    row("gpu_too_old", r"[Qq]uantization method \S+ is not supported for the current GPU"
        r"|[Mm]inimum capability: ?\d+\. Current capability"
        r"|Bfloat16 is only supported on GPUs with compute capability of at least 8"
        r"|MXFP4.*(?:requires|needs).*(?:compute capability|SM ?\d|sm_?\d)"
        r"|[Qq]uantization scheme is not supported for|Min capability: \d+\. "
        r"|SGLang only supports sm7\d and above|does not support bfloat16"),
    row("gpu_unavailable", r"device(?:s|\(s\))? (?:is/)?are busy or unavailable"
        r"|cudaErrorDevicesUnavailable|CUDA_ERROR_DEVICE_UNAVAILABLE|RmInitAdapter failed"
        r"|GPU access blocked by the operating system"
        r"|CUDA unknown error - this may be due to an incorrectly set up environment", LIKELY),
    row("gpu_not_in_image", r"has no device code compatible with|no kernel image is available for execution on the device"
        r"|cudaErrorNoKernelImageForDevice|CUDA_ERROR_NO_BINARY_FOR_GPU"
        r"|Value '?\"?sm_\w+'?\"? is not defined for option 'gpu-name'"
        r"|[Uu]nsupported gpu architecture|Unknown CUDA arch|arch \S+ (?:is )?not supported"
        r"|not compiled for (?:SM ?|sm_)\d|device kernel image is invalid"
        r"|is not a recognized processor for this target"
        r"|No compiled \w+ for CUDA device capability"
        r"|(?:kernels?|backend\b.*|GEMM|attention) (?:does|do) not support (?:current device"
        r"|.*capability"
        r"|sm_?\d)|does not support backend '\w+' with capability"
        r"|invalid device function|a PTX JIT compilation failed|CUBLAS_STATUS_ARCH_MISMATCH"
        r"|cuBLAS error 15\b"
        r"|CUDNN_STATUS_ARCH_MISMATCH"
        r"|GPU is too old|too many resources requested for launch"
        r"|No supported CUDA architectures found"
        r"|(?:sm_?|SM ?)1[02]\w* requires CUDA|hipErrorNoBinaryForGpu"
        r"|Unable to find code object for all current devices|Unsupported (?:GPU|SM|CUDA) (?:arch|version)"
        r"|Unsupported compute capability|[Nn]o kernel (?:image )?(?:found|available|compiled) for (?:arch|device|sm)"
        r"|\bsm_?\d{2,3}\w?\W{1,3}kernel not implemented"
        r"|ROCm error: invalid device function|HIP error: invalid device function"
        r"|Error: LLVM ERROR: .*(?:sm_|gfx)|rocBLAS error: Cannot read \S*TensileLibrary"),
    row("gpu_not_in_image", r"CUDA capability sm_\w+ is not compatible with the current PyTorch",
        LIKELY, warned=True),
    row("gpu_not_in_image", r"(?:tcgen05|wgmma|cvt\S*|Instruction|Feature) '?\S*'?.*not supported "
        r"on \.target|Cannot find .*tcgen05|unsupported on sm_", LIKELY),
    row("sinks_unsupported", r"Sinks are only supported in FlashAttention 3"),
    row("sinks_dtype", r"Sinks must be of type float32"),
    row("attention_backend", r"No valid attention backend found for|attention backend \S+ is not "
        r"(?:valid|supported)|(?:does not|doesn't|not) support(?:ed)? (?:attention )?sinks?\b"
        r"|[Ss]ink(?: setting|s)? (?:is |are )?not supported"
        r"|Invalid value '\w*' for VLLM_ATTENTION_BACKEND|Unknown attention backend"
        r"|No common block size for|No operator found for `memory_efficient_attention_forward`"
        r"|attention sinks is only supported"
        r"|Unsupported max_mma_kv|Batch(?:Prefill|Decode)With\w+ failed with error(?! out of)"
        r"|[Ff]ailed to dispatch (?:head|group)"
        r"|Failed to allocate memory for \w+ with size .*AlignedAllocator"
        r"|GptOssForCausalLM requires.*(?:attention backend|one of)"
        r"|[Ss]elected backend .* is not valid for this configuration"
        r"|Impl\.\w+\(\) got an unexpected keyword argument 'sinks'"
        r"|Invalid attention backend|Unsupported attention backend"
        r"|FlashAttention-?3? (?:is )?only support(?:s|ed)|FlashAttention v3 .*not supported"
        r"|FlashAttention v\d [Bb]ackend requires SM"
        r"|TRTLLM M[HL]A backend (?:for \w+ )?(?:is only supported on|requires)|FA3 (?:is )?(?:only|not) support"),
    row("kv_dtype_unsupported", r"(?:FP8|bfloat16|NVFP4|FP4) KV cache is not supported (?:by|on|with|for)"
        r"|--kv-cache-dtype \S+ requires|fp8e4nv not supported in this "
        r"architecture|type fp8e4nv not supported|kv[_-]cache[_-]dtype\S* .*not supported"),
    row("gpu_fault", r"uncorrectable ECC error|NVRM: Xid|GPU has fallen off the bus|GPU is lost",
        serving=True, warned=True),
    row("moe_backend", r"Unsupported runner backend\b", WEAK),
    row("moe_backend", r"No (?:\w+ )?MoE backend supports|MoE backend\b.*(?:does not support"
        r"|is not supported)",
        LIKELY),
    row("nccl", r"NCCL .*peer access is not supported between"),
    row("custom_all_reduce", r"custom_all_reduce\.cuh?\S*.*(?:error|Failed|invalid)"
        r"|peer access is not supported between"
        r"|Failed: Cuda error .*custom_all_reduce|lamport.*all[_-]?reduce.*(?:error|fail)"),
    row("custom_all_reduce", r"^(?:RuntimeError"
        r"|torch\.AcceleratorError): (?:CUDA error: )?invalid (?:argument|"
        r"resource handle|device)", LIKELY, after=r"all_reduce\.py"),
    row("graph_capture_failed", r"operation not permitted when stream is capturing|uncaptured work"
        r"|captur(?:e|ing) (?:blocking )?(?:stream|sequence)|capture was not ended",
        LIKELY),
    row("graph_capture_failed", r"operation failed due to a previous error during capture", WEAK),
    row("gpu_fault", r"illegal memory access was encountered|device-side assert triggered"
        r"|unspecified launch failure|illegal instruction was encountered|misaligned address"
        r"|Memory access fault by GPU|HSA_STATUS_ERROR_\w+|NVRM: Xid|GPU is lost"
        r"|uncorrectable ECC error|Unable to determine the device handle for (?:gpu|GPU)"
        r"|CUDA error: (?:an )?(?:unknown error|invalid (?:argument|configuration argument)|launch)"
        r"|CUDA_ERROR_ILLEGAL_ADDRESS|CUDBG_EXCEPTION_\w+|GPU has fallen off the bus"
        r"|CUBLAS_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_SUPPORTED|INVALID_VALUE)"
        r"|amdgpu: .*page fault|ErrorDeviceLost|DeviceLostError|uncorrectable NVLink error",
        LIKELY, serving=True, warned=True),
    row("nccl", r"gloo/transport.*Connection (?:closed|reset)", WEAK, serving=True),
    row("gpu_fault", r"block: \[\d+,\d+,\d+\], thread: .*Assertion|Native API failed"
        r"|(?:SYCL|CANN|MUSA) error\b", WEAK, serving=True),
    row("graph_capture_failed", r"Capture (?:\w+ )?(?:cuda|CUDA|CPU) graph failed(?!.*gloo)|CUDA ?graph capture failed"
        r"|cudaErrorStreamCapture\w+", WEAK),
    row("gpu_fault", r"(?:CUDA|ROCm|HIP) (?:driver )?error: (?!.*out of memory)\w"
        r"|Triton Error \[(?:CUDA|HIP)\]: (?!.*out of memory)|failed with error code \w+ \w",
        WEAK, serving=True),
    row("nccl", r"nvshmem\S*: ?.*(?:failed|non-zero status)|non-zero status: \S+ (?:ibv_"
        r"|ep_connect|nvshmem)"
        r"|UCX +ERROR|Call to ibv_\w+ failed", WEAK, serving=True),
    row("nccl", r"NCCL [Ee]rror|nccl(?:UnhandledCuda|System|Internal"
        r"|InvalidUsage|Remote)Error"
        r"|NCCL WARN (?:socket\w*|net\w*|\w*[Cc]onnect\w*)\b.*Connection (?:closed|refused|reset|timed out)"
        r"|NCCL WARN (?:NET/IB : Got completion|Cuda failure|Error|Call to connect)|ncclCommInitRank.*failed"
        r"|Watchdog caught collective operation timeout|DistBackendError"
        r"|Timeout at NCCL work|Some NCCL operations have failed"
        r"|Gloo connectFullMesh failed|RCCL error|no socket interface found"
        r"|makeDeviceForHostname\(\): unsupported gloo device", LIKELY, serving=True),
    row("triton_mismatch", r"Cannot find a working triton installation"
        r"|No module named 'triton_?\w*(?:\.\w+)*'|cannot import name '\w+' from "
        r"'triton\w*|module 'triton(?:_kernels)?(?:\.\w+)*' has no attribute"
        r"|triton_kernels?\b.*(?:not (?:found|installed|available)|version)"
        r"|MXFP4 quantization requires triton|[Rr]equires triton_kernels|tl\.language.*not defined"
        r"|triton\.compiler\.errors\.CompilationError.*(?:constexpr|unexpected keyword)"
        r"|got an unexpected keyword argument '\w+'.*triton|Please (?:install|upgrade) triton"
        r"|No module named 'triton_kernels"),
    row("build_tools_missing", r"Failed to find C compiler|[Cc]ould not find (?:nvcc|CUDA"
        r"|cuda)\b(?! drivers)"
        r"|cannot execute '?cc1|No such file or directory: '\S*ldconfig'"
        r"|fatal error: \S+\.h(?:pp)?: No such file|cannot find -lcuda"
        r"|CUDA_HOME (?:environment variable )?is not set|No such file or directory: '\S*"
        r"(?:nvcc|ninja|gcc|g\+\+|cc|ptxas|clang\+*)'|nvcc: (?:command )?not found"
        r"|Ninja is required to load C\+\+|`?nvcc`? .*(?:not found|does not exist)"
        r"|command '\S*(?:gcc|cc|clang)' failed|'\S*/(?:gcc|cc)', .*returned non-zero"
        r"|No such file or directory: '\S*cuda/bin/nvcc'"
        r"|(?:g\+\+|c\+\+|gcc|cc1plus)'?: (?:command )?(?:not found|No such file)"),
    row("kernels_unreachable", r"edge\.urm\.nvidia\.com|[Ff]ailed to (?:get|download|acquire"
        r"|load) \S*cubin"),
    row("gpu_too_old", r"^AssertionError$", after=r"is_fa_version_supported"),
    row("gpu_not_in_image", r"FlashInfer requires sm\d+", LIKELY),
    row("gpu_not_in_image", r"[Oo]nly (?:SM|sm_?)\d{2,3}\w*(?:(?:,| and| or) (?:SM|sm_?)\d+\w*)* (?:is|are) supported"
        r"|[Oo]nly support(?:s|ed)? (?:on )?(?:SM|sm_?)\d{2,3}", WEAK),
    row("gpu_not_in_image", r"/sm_?\d+\w*\.cuh?$", WEAK),
    row("build_failed", r"OutOfResources: out of resource|out of resource: shared memory", LIKELY),
    row("gpu_not_in_image", r"(?:(?:only|is|are) supported (?:only )?(?:on|for)|requires?"
        r"|only available on|supports only)"
        r"\b.{0,40}\b(?:gfx\d\w+|sm_?\d{2}\w*|SM ?\d{2}\w*|[Cc]ompute [Cc]apability|Hopper"
        r"|Blackwell|Ampere|CDNA ?\d)\b",
        WEAK),
    row("build_failed",
        r"CalledProcessError: Command .{0,8}\S*(?:ninja|nvcc|ptxas|cmake|hipcc)\b", WEAK),
    row("build_failed", r"/(?:triton|llvm|mlir)\S*\.(?:cpp|h):\d+: .*Assertion|^LLVM ERROR: |PassManager::run failed|^IndexError: map::at", WEAK),
    row("build_failed", r"/ptxas['\" ].*returned non-zero|ninja: build stopped|Ninja build failed"
        r"|Error building extension"
        r"|unsupported GNU version|\d+ errors? detected in the compilation of|PTXASError"
        r"|ptxas (?:fatal|error)|`ptxas` (?:failed|raised)"
        r"|nvcc fatal"
        r"|NVRTC.*(?:error|ERROR)|Triton compilation failed|Internal Triton PTX codegen error", WEAK),
    row("compile_failed", r"Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace|torch\._dynamo\.exc\.\w+|torch\._inductor\.exc\.\w+"
        r"|BackendCompilerFailed"
        r"|InductorError|triton\.compiler\.errors\.CompilationError", WEAK),
)  # fmt: skip
