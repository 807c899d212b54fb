"""Words that speak of flags, versions, and how an engine ended."""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import HINT, LAST, LIKELY, WEAK, row

ENGINE_ROWS = (
    # --- flags --------------------------------------------------------------------------------
    row("context_over_model", r"max_model_len \(\d+\) is greater than the derived max_model_len"
        r"|context[_ ]length \(\d+\) is (?:greater|longer) than the (?:derived|model's?)"),
    row("batch_below_context", r"max_num_batched_tokens \(\d+\) (?:is smaller than max_model_len"
        r"|must be (?:greater|larger) than or equal to max_num_seqs)"),
    row("parallel_size", r"Total number of (?:attention|key/value|kv) heads \(\d+\) must be divisible"
        r"|must be divisible by (?:the )?(?:tensor parallel|tp)[ _]size"
        r"|is not divisible by (?:the )?(?:tensor parallel|tp|weight quantization|world)[ _]?\w*"
        r"|heads? (?:is )?not divisible|not divisible by weight quantization block_n"
        r"|^AssertionError: \d+ is not divisible by \d+"),
    row("too_few_gpus", r"(?:World size|[Tt]ensor[ _]parallel(?:ism)?[ _]?(?:size)?|tp_size)\b.*(?:is "
        r"larger than|cannot be larger than|exceeds?|greater than).*(?:available|GPUs)"
        r"|number of required \S+ exceeds the total number of available"
        r"|CUDA error: invalid device ordinal|cudaErrorInvalidDevice\b"
        r"|Not enough GPUs|not enough GPUs|(?:DP|device) .*adjusted local rank .*out of bounds"
        r"|Current node has no GPU available"),
    row("quantization_mismatch", r"Quantization method specified in the model config"),
    row("dtype_unsupported", r"is not supported for quantization method gpt_oss_mxfp4"
        r"|is not supported for quantization method mxfp4"),
    row("bad_argument", r"error: unrecognized arguments?:|: error: argument --?[\w/-]+"
        r"|error: the following arguments are required|error: ambiguous option"
        r"|(?:[Ii]nvalid|[Uu]nknown) (?:reasoning|tool call)[ _-]?parser"
        r"|requires --tool-call-parser|is not a valid (?:argument|option)"
        r"|unknown (?:flag|command|shorthand flag)[: ]|Error: No such (?:option|command)"
        r"|__init__\(\) got an unexpected keyword argument '\w+'.*(?:Args|Config)",
        LIKELY),
    # --- versions -----------------------------------------------------------------------------
    row("engine_too_old", r"model type `?'?gpt_oss'?`? but Transformers does not recognize"
        r"|Model architectures \[.*\] are not supported"
        r"|^KeyError: '(?:gpt_oss|GptOssForCausalLM|mxfp4)'"
        r"|(?:[Uu]nknown|[Uu]nsupported|[Ii]nvalid) quantization(?: method)?:? '?\"?mxfp4"
        r"|Unknown quantization (?:type|method),? got mxfp4"
        r"|unknown model architecture: '?gpt-?oss|unsupported (?:model )?architecture \"?gpt-?oss"
        r"|invalid ggml type 39|requires a newer version of Ollama|GptOssForCausalLM.*not supported"
        r"|Model class GptOss\w* not found|no attribute 'GptOss\w*'"
        r"|architectures? \W*GptOss\w*\W* (?:is|are) not (?:currently )?supported"),
    row("broken_install", r"Model architectures \[.*\] failed to be inspected", WEAK),
    row("broken_install", r"undefined symbol: \w+", WEAK),
    row("broken_install", r"Tried to instantiate class '_\w+\.\w+', but it does"
        r"|lib(?:torch\w*|cudart|cublas\w*|nccl|cudnn\w*|c10\w*|cusparse\w*|nvrtc|nvJitLink|amdhip64|"
        r"mpi\w*|cupti|tvm_ffi|numa|rocm\w*|hip\w*)\.so\S*: (?:cannot open|version)"
        r"|operator torchvision::nms does not exist|'_OpNamespace' '\w+' object has no attribute"
        r"|Could not load any common_ops library|less than the minimum required version"
        r"|version \S*GLIBC\w*_[\d.]+'? not found|does not match flashinfer version"
        r"|numpy\.dtype size changed|A module that was compiled using NumPy 1"
        r"|cannot import name '\w+' from '(?:vllm|sglang|torch|transformers|flashinfer|openai|"
        r"huggingface_hub|tokenizers|numpy|pydantic|xgrammar|outlines\w*|mistral_common|compressed_"
        r"tensors|sgl_kernel|flash_attn|typing_extensions|fastapi|starlette|openai_harmony|partial_"
        r"json_parser|torchvision)\b|DistributionNotFound|(?:is required|requires) .* but found \S+="
        r"|is required for a normal functioning of this module, but found"
        r"|module '(?:torch|vllm|transformers|flashinfer|numpy|openai_harmony)[\w.]*' has no attribute",
        LIKELY),
    row("broken_install", r"Failed to import from vllm\._", HINT, warned=True),
    row("missing_module", r"ModuleNotFoundError: No module named '(?!triton)"
        r"|^PackageNotFoundError|No package metadata was found for", LIKELY),
    # --- how it ended -------------------------------------------------------------------------
    row("start_timeout", r"Timed out waiting for engine|TimeoutError: RPC call to|RPC call to \w+ "
        r"timed out|[Tt]imed out waiting for (?:llama|ollama) ?(?:runner|server) to start"
        r"|timed out after \d+ seconds waiting for (?:clients|workers)"
        r"|Did not receive response from front-end process|[Ww]atchdog timeout"
        r"|Engine (?:process|core).*did not (?:start|respond)|wait timeout after \S+ for key"
        r"|DistStoreError: Timed out|[Tt]imeout waiting for (?:the )?(?:engine|server|worker)", WEAK),
    row("model_unloadable", r"unable to load model: \S*(?:blobs|models)|llama_model_load(?:er)?: (?:failed|"
        r"error) (?:to )?load(?:ing)? model", WEAK, serving=True, warned=True),
    row("runner_crashed", r"model failed to load, this may be due to resource limitations", WEAK,
        serving=True, warned=True),
    row("runner_crashed", r"llama runner process (?:has terminated|no longer running)"
        r"|GGML_ASSERT\(|llama-server process (?:has terminated|no longer)"
        r"|runner terminated.*err", WEAK, serving=True, warned=True),
    row("crashed", r"Segmentation fault|SIGSEGV|exited with (?:exit )?code (?:139|-11)\b"
        r"|[Ee]xit code: ?-11\b|double free or corruption|malloc\(\): ", WEAK, serving=True),
    row("cpu_too_old", r"Illegal instruction(?! was encountered)|SIGILL"
        r"|CPU does not (?:have|support) \w*AVX|exited with (?:exit )?code (?:132|-4)\b", LIKELY),
    row("terminated", r"^KeyboardInterrupt(?:: .*terminated)?\s*$", LAST),
)  # fmt: skip
