"""Words that speak of flags, versions, and how an engine ended.

Sources: https://github.com/vllm-project/vllm/issues (14535, 19504, 19703),
https://github.com/sgl-project/sglang/issues (3623, 4094), https://github.com/ollama/ollama/issues/11987.
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import HINT, LAST, LIKELY, WEAK, row

ENGINE_ROWS = (
    # --- flags --------------------------------------------------------------------------------
    row("context_over_model", r"max_model_len \(\d+\) is greater than the derived max_model_len"
        r"|context[_ ]length \(\d+\) is (?:greater|longer) than the (?:derived|model's?)"),
    row("batch_below_context", r"max_num_batched_tokens \(\d+\) (?:is smaller than max_model_len"
        r"|must be (?:greater|larger) than or equal to max_num_seqs)"),
    row("parallel_size", r"Total number of (?:attention|key/value"
        r"|kv) heads \(\d+\) must be divisible"
        r"|must be divisible by (?:the )?(?:tensor parallel|tp)[ _]size"
        r"|is not divisible by (?:the )?(?:tensor parallel|tp|weight quantization|world)[ _]?\w*"
        r"|not divisible by min_thread|[Cc]onsider reducing tensor_parallel_size"
        r"|size_[nk] = \d+ (?:is )?not divisible by|caused by too large tensor parallel size"
        r"|heads? (?:is )?not divisible|not divisible by weight quantization block_n"
        r"|^AssertionError: \d+ is not divisible by \d+"),
    row("parallel_size", r"^\s+assert .*%\s*(?:self\.)?\w*(?:tp|tensor\w*|world)_?size\w* == 0", WEAK),
    row("too_few_gpus", r"(?:World size|[Tt]ensor[ _]parallel(?:ism)?[ _]?(?:size)?"
        r"|tp_size)\b.*(?:is "
        r"larger than|cannot be larger than|exceeds?|greater than).*(?:available|GPUs)"
        r"|number of required \S+ exceeds the total number of available"
        r"|(?:CUDA|HIP) error: invalid device ordinal"
        r"|exceeds (?:the )?number of (?:visible|available) (?:devices|GPUs)|does not allocate any GPUs on the driver node|cudaErrorInvalidDevice\b"
        r"|device >= 0 && device < num_gpus|Cannot provide a placement group"
        r"|No available node types can fulfill|don't have enough GPUs"
        r"|Error (?:computing|setting) (?:device indices|assigned_physical_gpu_ids"
        r"|CUDA_VISIBLE_DEVICES).*local range"
        r"|to less than max local gpu count|Not enough GPUs|not enough GPUs|(?:DP|device) .*adjusted local rank .*out of bounds"
        r"|Current node has no \w+ available|Duplicate GPU detected"
        r"|visible device ordinal \d+ is out of range"
        r"|--device-ids provides \d+|Not enough (?:resources to allocate|total available nodes)"
        r"|Insufficient nvidia\.com/gpu"),
    row("quantization_mismatch", r"Quantization method specified in the model config"),
    row("dtype_unsupported", r"is not supported for quantization method gpt_oss_mxfp4"
        r"|is not supported for quantization method mxfp4"),
    row("bad_argument", r"error: unrecognized arguments?:|(?:^|: )error: argument [\w/-]+(?: |: )"
        r"|error: the following arguments are required|error: ambiguous option"
        r"|(?:[Ii]nvalid|[Uu]nknown|[Uu]nsupported) (?:reasoning|tool[ _]call)[ _-]?parser"
        r"|requires --tool-call-parser|is not a valid (?:argument|option)"
        r"|is not a valid (?:boolean|integer|float) value|\b(?:VLLM|SGLANG)_[A-Z_]+ '?\S+ (?:appears to be a URI|must be a)"
        r"|unknown (?:flag|command|shorthand flag)[: ]|Error: No such (?:option|command)"
        r"|__init__\(\) got an unexpected keyword argument '\w+'.*(?:Args|Config)"
        r"|(?:ServerArgs|EngineArgs|VllmConfig)\.__init__\(\) got an unexpected keyword",
        LIKELY),
    row("bad_argument", r"error: invalid (?:argument|value|option)\b"
        r"|flag provided but not defined|error while handling (?:argument|environment variable)"
        r"|^(?:error: )?unknown (?:argument|option)\b|: error: (?:one of the arguments"
        r"|expected (?:one|at least one) argument)"
        r"|: invalid choice: |Unknown vLLM environment variable detected"
        r"|contains custom code which must be executed"
        r"|requires you to execute the (?:configuration|modeling|tokenizer) file"
        r"|chat template.*(?:looks like a file path|doesn't exist)", WEAK),
    row("bad_argument", r"(?:Tool|[Rr]easoning) parser \W?\w+\W? not found", WEAK),
    row("bad_argument", r"(?:[Ll]oad format|[Uu]nknown load_format:?) \W?\w+\W?(?: is not supported|$)"
        r"|^(?:ValueError: )?(?:Invalid|Unknown) (?:quantization (?:method|choice)|grammar backend"
        r"|config format|distributed executor backend):? ", WEAK),
    row("bad_argument", r"invalid literal for int\(\) with base 10: '(?:MIG|GPU)-|Hybrid KV cache manager is disabled but", WEAK),
    row("cuda_fork", r"Cannot re-initialize CUDA in forked subprocess"),
    row("user_unknown", r"getpwuid\(\): uid not found|No user exists for uid \d+"
        r"|\$HOME is not defined"),
    row("bad_command", r"^(?:\S*/)?python[\d.]*: (?:No module named|can't open file) "
        r"|^env: .{1,60}: No such file|Failed at step EXEC spawning |status=203/EXEC", WEAK),
    # Only Docker has such a flag, since 19.03.
    row("docker_version", r"unknown flag: --gpus\b", scope="both"),
    # --- versions -----------------------------------------------------------------------------
    row("engine_too_old", r"has model type `.*Transformers does not recognize this architecture"
        r"|model type `?'?gpt_oss'?`? but Transformers does not recognize"
        r"|Model architectures (?:\[.*\]|\w+) are not supported|Unsupported architectures: "
        r"|[Mm]odel architecture '?\"?\w+'?\"? is not supported"
        r"|^KeyError: '(?:gpt_oss|GptOssForCausalLM|mxfp4)'"
        r"|(?:[Uu]nknown|[Uu]nsupported|[Ii]nvalid) quantization(?: method)?:? '?\"?mxfp4"
        r"|Unknown quantization (?:type|method),? got mxfp4"
        r"|unknown model architecture: '|unsupported (?:model )?architecture:? \"?gpt-?oss"
        r"|invalid ggml type \d+|unknown pre-tokenizer type|requires a newer (?:version of Ollama|Ollama version)"
        r"|module 'transformers\S*' has no attribute 'gpt_oss|No module named '(?:transformers|vllm|sglang)[\w.]*\.gpt_oss'"
        r"|[Qq]uantization method \W?mxfp4\W? is not supported"
        r"|GptOssForCausalLM.*not supported"
        r"|has no (?:vLLM|SG[Ll]ang) implementation and the Transformers implementation is not compatible"
        r"|[Cc]annot find model module\. '?\w+'? is not a registered model in the Transformers library"
        r"|cannot import name 'G(?:pt|PT)O[Ss]{2}\w*'|unknown (?:tensor|ggml) type \d+"
        r"|Model class GptOss\w* not found|no attribute 'GptOss\w*'"
        r"|architectures? \W*GptOss\w*\W* (?:is|are) not (?:currently )?supported"),
    row("broken_install", r"Model architectures \[.*\] failed to be inspected", WEAK),
    row("engine_too_old", r"'\w+Config' object has no attribute '(?:hidden_size"
        r"|num_attention_heads|vocab_size"
        r"|num_hidden_layers|num_key_value_heads|head_dim|intermediate_size"
        r"|max_position_embeddings)'"
        r"|^(?:\w+: )?AttributeError: '(?!GptOss|Pre[Tt]rained)\w+Config' object has no attribute"
        r"|Unrecognized configuration class <class", WEAK),
    row("broken_install", r"No matching distribution found for|cuDNN version mismatch|VersionConflict: |multiarray failed to import|Numpy is not available"
        r"|undefined symbol: \w+|does not have one of build variants"
        r"|'vllm\.model_executor\.models\.registry'\]' returned non-zero", WEAK),
    row("broken_install", r"expected at most \d+ argument\(s\) but received"
        r"|cannot allocate memory in static "
        r"TLS|version \S*CXXABI_[\d.]+'? not found"
        r"|Tokenizer\w* has no attribute all_special_tokens_extended"
        r"|partially initialized module|lib[\w.+-]+\.so[\w.]*: cannot open shared object file"
        r"|Failed to import transformers\.|compiled with different CUDA"
        r"|mismatches the version that was used"
        r"|TypeError: (?:type '[\w.]+'|'type' object) is not subscriptable"
        r"|'(?:GptOssConfig|Pre[Tt]rainedConfig)' object has no attribute"
        r"|AttributeError: (?:partially initialized )?module '[\w.]+' has no attribute"
        r"|ImportError: cannot import name '\w+'"
        r"|NameError: name '\w*(?:_ops|_C|_cuda|_kernels?)' is not defined"
        r"|is already used by a Transformers model"
        r"|GET was unable to find an engine to execute this computation", WEAK),
    # An engine of one release that calls the kernels of another.
    row("broken_install", r"TypeError: (?:\w*Wrapper\w*\.\w+|\w*(?:fused_gate|_gemm|_kernel|_mm"
        r"|attn_\w+)|\w+Parameter\.\w+)"
        r"\(\) (?:got|missing|takes)", WEAK),
    row("broken_install", r"TypeError: .*(?:got an unexpected keyword argument"
        r"|takes (?:from )?\d.* positional arguments? but \d+ (?:was|were) given)", WEAK,
        after=r"/(?:flashinfer|sgl_kernel|flash_attn|transformers|torch|huggingface_hub|tokenizers"
        r"|xgrammar)/"),
    row("broken_install", r"Tried to instantiate class '_\w+\.\w+', but it does"
        r"|lib(?:torch\w*|cudart|cublas\w*|nccl|cudnn\w*|c10\w*|cusparse\w*|nvrtc|nvJitLink"
        r"|amdhip64|"
        r"mpi\w*|cupti|tvm_ffi|numa|rocm\w*|hip\w*)\.so\S*: (?:cannot open|version)"
        r"|operator torchvision::nms does not exist|AttributeError: '_C\w*' object has no attribute|'_OpNamespace' '\w+' object has no attribute"
        r"|Could not load (?:any common_ops )?library:? ?'?lib"
        r"|Could not load any common_ops library|Unable to load any of \{?'?lib"
        r"|CUDNN_STATUS\w*VERSION_MISMATCH|RuntimeError: operator \S+ does not exist"
        r"|less than the minimum required version"
        r"|version \S*GLIBC\w*_[\d.]+'? not found|does not match flashinfer version"
        r"|numpy\.dtype size changed|A module that was compiled using NumPy 1"
        r"|cannot import name '\w+' from '(?:vllm|sglang|torch|transformers|flashinfer|openai|"
        r"huggingface_hub|tokenizers|numpy|pydantic|xgrammar|outlines\w*|mistral_common|compressed_"
        r"tensors|sgl_kernel|flash_attn|typing_extensions|fastapi|starlette|openai_harmony|partial_"
        r"json_parser|torchvision)\b|DistributionNotFound|(?:is required"
        r"|requires) .* but found \S+==\d"
        r"|is required for a normal functioning of this module, but found"
        r"|module '(?:torch|vllm|transformers|flashinfer|numpy"
        r"|openai_harmony)[\w.]*' has no attribute",
        LIKELY),
    row("broken_install", r"NotImplementedError: Could not run '[\w:.]+' with arguments from the", WEAK),
    row("broken_install", r"Failed to import from vllm\._", HINT, warned=True),
    row("broken_install", r"No module named '(?:vllm|sgl_kernel|torch|flash_attn\w*)\._(?!version)\w+'", LIKELY),
    row("missing_module", r"ModuleNotFoundError: No module named '(?!triton)"
        r"|requires \"?[\w-]+\"? to be installed"
        r"|^ImportError: .*(?:pip install|[Pp]lease install)"
        r"|module specification for '(?:vllm|sglang)\S* \(ModuleNotFoundError"
        r"|^PackageNotFoundError|No package metadata was found for", LIKELY),
    row("missing_module", r"^(?:Import|Value|Runtime|Assertion"
        r"|ModuleNotFound)Error: .*(?:pip install"
        r"|[Pp]lease install|requires installation of)", WEAK),
    # --- how it ended -------------------------------------------------------------------------
    row("start_timeout", r"Timed out waiting for engine|TimeoutError: RPC call to|RPC call to \w+ "
        r"timed out|[Tt]imed out waiting for (?:llama|ollama) ?(?:runner|server) to start"
        r"|timed out after \d+ seconds waiting for (?:clients|workers)"
        r"|Did not receive response from front-end process|[Ww]atchdog timeout"
        r"|Engine (?:process|core).*did not (?:start|respond)|wait timeout after \S+ for key"
        r"|DistStoreError: |RayChannelTimeoutError|failed to report ZMQ addresses"
        r"|DistNetworkError|socket has timed out after"
        r"|client connection closed before (?:llama-)?server finished loading"
        r"|[Tt]imeout waiting for (?:the )?(?:engine|server|worker)", WEAK),
    row("start_timeout", r"\[c10d\] waitForInput: .*(?:timed out|timeout)", WEAK, warned=True),
    row("start_timeout", r"^(?:[\w.]+\.)?(?:TimeoutError|AsyncResultTimeout): \S"
        r"|[Ff]ailed to receive \S+ ports? from .* within timeout", WEAK),
    row("model_unloadable", r"unable to load model\b|error loading model\b|exception loading model"
        r"|(?:main|load_model\w*|llama_\w+|\w+_from_file\w*"
        r"|srv +\w+): (?:error: )?failed to load (?:the )?model"
        r"|[Ii]nvalid model file|has wrong size in model file|unknown tensor '.*' in model file"
        r"|regenerate your model files|\(unknown magic, version\) combination"
        r"|failed to load GGUF|runner: failed to load model|may be incompatible with your version of Ollama", WEAK, serving=True, warned=True),
    row("cache_too_large", r"cpy\.cu:\d+: GGML_ASSERT\(.*<= INT_MAX\)", LIKELY, serving=True, warned=True),
    row("runner_crashed", r"model failed to load, this may be due to resource limitations", WEAK,
        serving=True, warned=True),
    row("runner_crashed", r"llama runner process (?:(?:has )?terminated|no longer running)|^panic: "
        r"|model runner has unexpectedly stopped|do load request: Post .*EOF"
        r"|GGML_ASSERT(?:\(|: )|llama-server process (?:has terminated|no longer)"
        r"|runner terminated.*err(?!or=\"signal: killed)|terminate called after throwing"
        r"|GGML_ABORT\(",
        WEAK, serving=True, warned=True),
    row("crashed", r"[Ff]ailed core proc\(s\): \{.*: -11\b|crashed with exit code -11\b", WEAK,
        serving=True),
    row("crashed", r"^Subprocess \S+ \(pid=\d+\) crashed with exit code (?!-9\b)", LAST, serving=True),
    row("crashed", r"AddressSanitizer: |[Ss]egmentation fault|SIGSEGV|Segfault encountered"
        r"|fatal error: unexpected signal|\[signal 0xb |free\(\): invalid|corrupted size vs\. prev_size|munmap_chunk\(\)|stack smashing detected"
        r"|exited with (?:exit )?code (?:139|-11)\b"
        r"|wait_status\(139\)"
        r"|[Ee]xit code: ?-11\b|double free or corruption|malloc\(\): ", WEAK, serving=True),
    row("runner_crashed", r"POST predict: Post \S+: (?:EOF|read tcp)|error was encountered while running the model", LAST,
        serving=True),
    row("cpu_too_old", r"(?:Illegal|signal: illegal) instruction(?! was encountered)|SIGILL"
        r"|CPU does not (?:have|support) \w*AVX|Unable to get JIT kernel for brgemm"
        r"|exited with (?:exit )?code (?:132|-4)\b|exit status 0xc000001d\b", LIKELY),
    row("proxy", r"AssertionError: res=<Response \[(?:\d+\]>, res\.text=['\"]<|50[234]\]>, res\.text='')"),
    row("runner_crashed", r"[Ff]ailed to start (?:a )?(?:new )?(?:llama|ollama) (?:runner|server)", LAST, serving=True),
    row("runner_crashed", r"SIGABRT|Aborted \(core dumped\)", LAST, serving=True),
    row("vanished", r"(?:Engine core|Worker) proc \S+ died unexpectedly", LAST, serving=True),
    row("terminated", r"^KeyboardInterrupt(?:: .*terminated)?\s*$", LAST),
)  # fmt: skip
