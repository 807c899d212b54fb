"""Words that speak of the card, its driver, and of kernels."""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import LIKELY, WEAK, row

GPU_ROWS = (
    row("driver_too_old", r"NVIDIA driver on your system is too old"
        r"|provided PTX was compiled with an unsupported toolchain"
        r"|CUDA driver version is insufficient for CUDA runtime"
        r"|cudaErrorInsufficientDriver|CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
        r"|unsatisfied condition: (?:cuda|driver|brand)|please update your driver", scope="both"),
    row("driver_mismatch", r"[Dd]river/library version mismatch"
        r"|system has unsupported display driver / cuda driver combination|CUDA error 803",
        scope="both"),
    row("cuda_compat", r"forward compatibility was attempted on non supported HW|Error 804"
        r"|CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE|cudaErrorCompatNotSupportedOnDevice",
        warned=True),
    row("fabric_manager", r"(?:Error 802|error: |CUDA error.*|\b)system not yet initialized"
        r"|cudaErrorSystemNotReady|CUDA_ERROR_SYSTEM_NOT_READY", warned=True),
    row("no_driver", r"Found no NVIDIA driver on your system|NVML Shared Library Not Found"
        r"|NVMLError_LibraryNotFound|libnvidia-ml\.so\.1: cannot open shared object"
        r"|NVIDIA-SMI has failed because it couldn't communicate|nvml error: driver not loaded"
        r"|libcuda\.so(?:\.1)?: cannot open shared object|libcuda\.so cannot be found"
        r"|NVMLError_DriverNotLoaded", scope="both"),
    row("gpu_not_visible", r"No CUDA GPUs are available|no CUDA-capable device is detected"
        r"|Failed to infer device type|Torch not compiled with CUDA enabled"
        r"|No (?:accelerator|HIP GPUs|GPUs?) (?:\(\S+\) )?(?:is|are) available"
        r"|cudaErrorNoDevice|NVMLError_NotFound|Device string must not be empty"
        r"|No platform detected, vLLM is running on UnspecifiedPlatform", LIKELY),
    row("nvml_lost", r"Failed to initialize NVML: Unknown Error|NVMLError_Unknown"
        r"|NVMLError_NoPermission|nvml error: insufficient permissions", scope="both"),
    row("nvml_lost", r"Can't initialize NVML", WEAK, warned=True),
    row("gpu_too_old", r"[Qq]uantization method \S+ is not supported for the current GPU"
        r"|[Mm]inimum capability: ?\d+\. Current capability"
        r"|Bfloat16 is only supported on GPUs with compute capability of at least 8"
        r"|MXFP4.*(?:requires|needs).*(?:compute capability|SM ?\d|sm_?\d)"
        r"|[Qq]uantization scheme is not supported for|Min capability: \d+\. "
        r"|SGLang only supports sm7\d and above|does not support bfloat16"),
    row("gpu_unavailable", r"device(?:s|\(s\))? (?:is/)?are busy or unavailable"
        r"|cudaErrorDevicesUnavailable|CUDA_ERROR_DEVICE_UNAVAILABLE"),
    row("gpu_not_in_image", r"no kernel image is available for execution on the device"
        r"|cudaErrorNoKernelImageForDevice|CUDA_ERROR_NO_BINARY_FOR_GPU"
        r"|Value '?\"?sm_\w+'?\"? is not defined for option 'gpu-name'"
        r"|[Uu]nsupported gpu architecture|Unknown CUDA arch|arch \S+ (?:is )?not supported"
        r"|invalid device function|No supported CUDA architectures found"
        r"|(?:sm_?|SM ?)1[02]\w* requires CUDA|no ROCm-capable|Unsupported (?:GPU|SM|CUDA) arch"
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
        r"|GptOssForCausalLM requires.*(?:attention backend|one of)"
        r"|[Ss]elected backend .* is not valid for this configuration"
        r"|Invalid attention backend|Unsupported attention backend"
        r"|FlashAttention-?3? (?:is )?only support(?:s|ed)|FlashAttention v3 .*not supported"
        r"|TRTLLM MHA backend is only supported on|FA3 (?:is )?(?:only|not) support"),
    row("kv_dtype_unsupported", r"FP8 KV cache is not supported by|fp8e4nv not supported in this "
        r"architecture|type fp8e4nv not supported|kv[_-]cache[_-]dtype\S* .*not supported"),
    row("custom_all_reduce", r"custom_all_reduce\.cuh?\S*.*(?:error|Failed|invalid)"
        r"|Failed: Cuda error .*custom_all_reduce|lamport.*all[_-]?reduce.*(?:error|fail)"),
    row("gpu_fault", r"illegal memory access was encountered|device-side assert triggered"
        r"|unspecified launch failure|illegal instruction was encountered|misaligned address"
        r"|Memory access fault by GPU|HSA_STATUS_ERROR_\w+|NVRM: Xid|GPU is lost"
        r"|uncorrectable ECC error"
        r"|CUDA error: (?:an )?(?:unknown error|invalid (?:argument|configuration argument)|launch)"
        r"|CUDA_ERROR_ILLEGAL_ADDRESS|GPU has fallen off the bus"
        r"|CUBLAS_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_SUPPORTED|INVALID_VALUE)"
        r"|amdgpu: .*page fault", LIKELY, serving=True, warned=True),
    row("gpu_fault", r"(?:CUDA|ROCm|HIP) error: (?!.*out of memory)\w"
        r"|Triton Error \[(?:CUDA|HIP)\]: (?!.*out of memory)", WEAK, serving=True),
    row("nccl", r"NCCL error|nccl(?:UnhandledCuda|System|Internal|InvalidUsage|Remote)Error"
        r"|NCCL WARN (?:Cuda failure|Error|Call to connect)|ncclCommInitRank.*failed"
        r"|Watchdog caught collective operation timeout|DistBackendError"
        r"|Gloo connectFullMesh failed|RCCL error", LIKELY, serving=True),
    row("triton_mismatch", r"No module named 'triton_?\w*(?:\.\w+)*'|cannot import name '\w+' from "
        r"'triton\w*|module 'triton(?:_kernels)?(?:\.\w+)*' has no attribute"
        r"|triton_kernels.*(?:not (?:found|installed|available)|version)"
        r"|MXFP4 quantization requires triton|tl\.language.*not defined"
        r"|triton\.compiler\.errors\.CompilationError.*(?:constexpr|unexpected keyword)"
        r"|got an unexpected keyword argument '\w+'.*triton|Please (?:install|upgrade) triton"
        r"|No module named 'triton_kernels"),
    row("build_tools_missing", r"Failed to find C compiler|[Cc]ould not find (?:nvcc|CUDA|cuda)\b"
        r"|fatal error: \S+\.h(?:pp)?: No such file|cannot find -lcuda"
        r"|CUDA_HOME (?:environment variable )?is not set|No such file or directory: '\S*"
        r"(?:nvcc|ninja|gcc|g\+\+|cc|ptxas|clang\+*)'|nvcc: (?:command )?not found"
        r"|Ninja is required to load C\+\+|`?nvcc`? .*(?:not found|does not exist)"
        r"|command '\S*(?:gcc|cc|clang)' failed|'\S*/(?:gcc|cc)', .*returned non-zero"
        r"|No such file or directory: '\S*cuda/bin/nvcc'"),
    row("gpu_too_old", r"^AssertionError$", after=r"is_fa_version_supported"),
    row("gpu_not_in_image", r"FlashInfer requires sm\d+", LIKELY),
    row("build_failed", r"/ptxas['\" ].*returned non-zero|ninja: build stopped|Ninja build failed|Error building extension"
        r"|PTXASError|ptxas (?:fatal|error)|`ptxas` (?:failed|raised)|nvcc fatal"
        r"|NVRTC.*(?:error|ERROR)|Triton compilation failed|Internal Triton PTX codegen error", WEAK),
    row("compile_failed", r"torch\._dynamo\.exc\.\w+|torch\._inductor\.exc\.\w+|BackendCompilerFailed"
        r"|InductorError|triton\.compiler\.errors\.CompilationError", WEAK),
    row("graph_capture_failed", r"Capture cuda graph failed|CUDA ?graph capture failed"
        r"|operation not permitted when stream is capturing|cudaErrorStreamCapture\w+", WEAK),
)  # fmt: skip
