"""Words that speak of memory: the GPU's, the box's, and what an engine makes of them.

Sources: https://github.com/vllm-project/vllm, https://github.com/sgl-project/sglang,
https://github.com/ollama/ollama (issues 11790 and 12634 among others).
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import LAST, LIKELY, WEAK, row

MEMORY_ROWS = (
    row("context_does_not_fit", r"To serve at least one request with the model\S* max(?:imum)? seq"),
    row("context_does_not_fit",
        r"max(?:imum)? (?:seq(?:uence)? len(?:gth)?|model len) \(\d+\) is larger than the maximum"),
    row("context_does_not_fit", r"max_total_num_tokens.*(?:<|less than|smaller than).*context"),
    row("no_kv_memory", r"No available memory for the cache blocks|exceeds available \w+ cache blocks|Cannot auto-fit max_model_len"),
    row("no_kv_memory", r"Available KV cache memory: -\d|cannot hold even one request"
        r"|leaves no room for the full KV pool|[Nn]ot enough memory for (?:the )?KV", LIKELY, told=True),
    row("no_kv_memory", r"(?:[Pp]lease (?:try to )?|[Nn]ot enough memory\W+)increas(?:e"
        r"|ing) (?:the )?\W*mem[-_]fraction[-_]static"
        r"|leave no GPU memory for the KV cache|Raise --mem-fraction-static above"),
    row("sampler_memory", r"out of memory occurred when warming up (?:sampler|pooler)"),
    row("gpu_busy", r"Free memory on device .* on startup is less than|Free memory on device .*is less than desired"),
    row("gpu_busy", r"Error in memory profiling\. Initial (?:free|used) memory"),
    row("gpu_busy", r"The memory capacity is unbalanced\. Some GPUs may be occupied"),
    row("weights_do_not_fit", r"Failed to load model - not enough GPU memory"),
    row("weights_do_not_fit", r"(?:gguf_init|load_tensors|model load|llama_model_load|"
        r"error loading model): (?:.*: )?unable to allocate (?!CPU|\w+_Host)\w+ buffer"),
    row("gpu_memory", r"OutOfMemoryError(?:: |\b.*[Mm]emory)"
        r"|(?:CUDA|HIP|XPU) out of memory\. Tried to allocate", LIKELY, serving=True),
    row("gpu_memory", r"(?:CUDA|HIP|ROCm|cuda|hip)[ _]?(?:runtime |driver )?[Ee]rror[^\n]{0,60}?"
        r"out of memory|cudaMalloc failed: out of memory|hipMalloc failed: out of memory"
        r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|CUBLAS_STATUS_ALLOC_FAILED"
        r"|UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY|Cuda failure (?:2 )?'out of memory'"
        r"|(?:CUDA|HIP) out of memory(?:$|[.:!])|failed with error out of memory", LIKELY, serving=True),
    row("gpu_memory", r"failed to allocate (?:buffer for kv|compute)"
        r"|\[(?:CUDA|HIP)\]: out of memory",
        WEAK, serving=True),
    row("gpu_memory", r"ErrorOutOfDeviceMemory"
        r"|failed to allocate (?:CUDA|ROCm|Vulkan)\d* buffer",
        LIKELY, serving=True),
    row("host_memory", r"model requires more system memory"),
    row("host_memory", r"Out of memory: Killed process|\bKilled process \d+ \(|oom-kill:|oom_reaper: reaped"
        r"|Memory cgroup out of memory|OOMKilled(?!\W{1,3}[Ff]alse)|Detected \d+ oom[-_ ]kill", serving=True, warned=True),
    row("host_memory", r"can't allocate memory: you tried to allocate \d+ bytes"
        r"|DefaultCPUAllocator: |[Cc]annot allocate memory(?! in static TLS)"
        r"|std::bad_alloc|ERROR_OUT_OF_HOST_MEMORY|ggml_aligned_malloc: insufficient memory"
        r"|less than desired CPU memory utilization|Too large swap space|paging file is too small"
        r"|^MemoryError\b|: MemoryError$|numpy\S*MemoryError"
        r"|(?:unable|failed) to allocate (?:CPU|\w+_Host)\w* buffer"
        r"|cpu_buffer_type_alloc_buffer: failed"
        r"|insufficient memory - required allocations: .*GPUs:\[\]"
        r"|CPU (?:RAM|memory) .*(?:not enough|insufficient)|request too large for system",
        warned=True),
    row("host_memory", r"Ray.*OutOfMemoryError|ray\.exceptions\.OutOfMemoryError"
        r"|worker\(s\) were killed due to (?:the )?(?:node|memory)|killed due to memory pressure"
        r"|due to the node running low on memory"),
    row("killed", r"(?<!runner terminated\" error=\")signal: killed|[Ee]xit ?code:? ?-9\b|(?:exited|crashed) with (?:exit )?code (?:137|-9)\b"
        r"|[Ff]ailed core proc\(s\): \{.*: -9\b|is killed by signal: Killed"
        r"|(?:terminated with|exitcode ?:|exit code:) ?-9\b|[Ss]ignal 9 \(SIGKILL\)"
        r"|died with <?Signals?\.SIGKILL|was sent SIGKILL|received signal 9\b|was terminated by signal 9", LIKELY,
        serving=True, warned=True),
    row("killed", r"^(?:.*: line \d+: +\d+ )?Killed\b(?:\s+(?:vllm|python\S*|sglang)\b.*)?$", LAST,
        serving=True),
    row("gpu_memory", r"insufficient memory - required allocations"
        r"|reported out-of-memory during startup|model requires .* but only .* are available",
        LIKELY, serving=True),
    row("gpu_memory", r"CUDA error: the resource allocation failed"
        r"|^(?:RuntimeError: )?\w+ (?:runs )?out of memory\. (?:Try|Please)", LIKELY, serving=True),
    row("gpu_memory", r"NV_ERR_NO_MEMORY", LIKELY, serving=True),
    row("gpu_memory", r"NVML_SUCCESS == r INTERNAL ASSERT FAILED|[Ff]ailed to allocate (?:\w+ )?GPU memory|memory layout cannot be allocated", WEAK,
        serving=True),
    row("host_memory", r"low on resource: memory|node had condition: \[MemoryPressure", WEAK, warned=True),
    row("host_memory", r"may not have enough (?:available )?memory", WEAK),
    row("host_memory", r"^fatal error: runtime: (?:out of|cannot allocate) memory", serving=True),
    row("shm_too_small", r"(?:exceeds?|insufficient|not enough|too small)\b.{0,120}/dev/shm"
        r"|/dev/shm\b.{0,120}\b(?:exceeds?|insufficient|not enough|too small)",
        WEAK, serving=True, warned=True),
    row("shm_too_small", r"Insufficient space in /dev/shm|insufficient shared memory \(shm\)"
        r"|No space left on device.*(?:/dev/shm|psm_)|(?:/dev/shm|psm_).*No space left on device"
        r"|Error while creating shared memory segment|Bus error|SIGBUS"
        r"|unable to write to file </torch_|unable to (?:open|resize) shared memory|It is possible that dataloader's workers are out"
        r"|shared memory region.*(?:exceeds|too small)", serving=True),
)  # fmt: skip
