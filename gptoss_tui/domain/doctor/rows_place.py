"""Where something was raised speaks of its cause, whatever the words: the part of the engine.

The modules are those of https://github.com/vllm-project/vllm, https://github.com/sgl-project/sglang,
https://github.com/pytorch/pytorch, https://github.com/triton-lang/triton and
https://github.com/huggingface/transformers. An engine starts by checking its arguments, then makes
the process groups, chooses kernels, loads the weights, compiles, and captures graphs.
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import LAST, LIKELY, VAGUE, row

# A folder of that name, and not an environment of that name with other packages in it.
_ENGINE = r"/(?:vllm|sglang)/(?!lib\d*/|\S*-packages/)"
_REFUSED = r"^(?:[\w.]+\.)?(?:ValueError|AssertionError|NotImplementedError)\b"
_FAILED = r"^(?:[\w.]+\.)?(?:Value|Assertion|NotImplemented|Runtime|Key|Index)Error\b"
# A bare assertion says too little of a kernel.
_SAID = r"^(?:[\w.]+\.)?(?:Value|Assertion|NotImplemented|Runtime)Error: \S"
_ANY = r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Failure|Unsupported)\b"

PLACE_ROWS = (
    row("bad_argument", _REFUSED, VAGUE,
        within=r"/vllm/(?:config(?:/\w+)?|engine/arg_utils|utils/argparse_utils|envs|logger"
        r"|entrypoints/(?:openai/)?cli_args)\.py "
        r"|/sglang/srt/(?:server_args|environ|arg_groups/[\w/]+|model_executor/cuda_graph_config)\.py "
        r"|/vllm/platforms/\w+\.py check_and_update_config|/vllm/distributed/utils\.py get_pp_indices"
        r"|" + _ENGINE + r"\S*parallel_state\.py initialize_model_parallel"
        r"|/sglang/srt/configs/model_config\.py _get_and_verify_dtype"
        r"|" + _ENGINE + r"\S+ (?:parse_args|from_cli_args|_?validate_\w*(?:args|config))$"),
    row("bad_argument", _REFUSED + r": \S", VAGUE,
        within=_ENGINE + r"(?:\S*/)?(?:model_loader|executor|constrained)/\S+ (?:__init__|get_class"
        r"|create_grammar_backend|get_model_loader|_prepare_weights|_parse_quantization)$"),
    row("checkpoint_mismatch", r"^AssertionError$", VAGUE, after=r"assert .*\b(?:shape|size)\b",
        within=r"\w*weight_loader\w*$"),
    row("checkpoint_mismatch", _FAILED + r": \S", VAGUE,
        within=_ENGINE + r".* (?:_?load_\w*weights?\w*|\w*weight_loader\w*|load_w\d+|load_qkv\w*)$"),
    row("weights_damaged", _ANY + r"(?!: \[Errno)", VAGUE, within=r"/(?:safetensors/\w+"
        r"|torch/serialization)\.py "),
    row("tokenizer_missing", r"^(?:[\w.]+\.)?(?:OSError|ValueError|RuntimeError|Exception)\b", VAGUE,
        within=r"/(?:transformers/(?:tokenization_\w+|convert_slow_tokenizer"
        r"|models/\w+/tokenization_\w+)"
        r"|sentencepiece/__init__|tiktoken/load)\.py |" + _ENGINE + r"\S*tokenizer(?!_(?:manager|control|communicator))\w*\.py "),
    row("engine_too_old", r"^(?:ValueError|KeyError)\b.*(?:[Rr]ecogni[sz]e|not support)", VAGUE,
        within=r"/transformers/(?:models/auto/\w+|configuration_utils|modeling_rope_utils)\.py "),
    row("missing_module", r"^ImportError\b", VAGUE, within=r"/transformers/dynamic_module_utils\.py "),
    row("engine_too_old", r"^ValueError\b", VAGUE, within=_ENGINE + r"\S*models/registry\.py "),
    row("engine_too_old", r"^AssertionError$", VAGUE, within=_ENGINE + r".* get_hf_text_config$"),
    row("quantization_mismatch", _SAID, VAGUE,
        within=_ENGINE + r".* (?:get_quant_config|_?verify_quantization|override_quantization_method)$"),
    row("checkpoint_mismatch", _SAID, VAGUE,
        within=_ENGINE + r".*layers/quantization/.* (?:from_config|get_from_keys)$"),
    row("context_over_model", r"^ValueError\b", VAGUE,
        within=r"/model_config\.py (?:_derive_context_length|_get_and_verify_max_len)$"),
    row("too_few_gpus", r"^(?:Runtime|Index)Error\b", VAGUE,
        within=r"/vllm/platforms/\w+\.py \w*device_id\w*$"),
    row("compile_failed", _SAID, VAGUE, within=r"/vllm/compilation/"),
    row("compile_failed", _ANY, VAGUE, within=r"/torch/_(?:inductor|dynamo|functorch)/"),
    row("build_failed", _ANY, VAGUE,
        within=r"/(?:triton/(?:compiler|backends|runtime)/|torch/utils/cpp_extension\.py"
        r"|flashinfer/jit/|deep_gemm/jit|tilelang/|tvm_ffi/cpp/)"),
    row("attention_backend", _SAID, VAGUE,
        within=_ENGINE + r".*(?:attention/|attn|/platforms/\w+\.py get_attn).* "
        r"(?:__init__|\w*attn\w*backend\w*|select\w*|validate\w*|create_\w*backend\w*)$"),
    row("moe_backend", _SAID, VAGUE,
        within=_ENGINE + r".*(?:fused_moe/|layers/moe/|quantization/mxfp4).* "
        r"(?:__init__|select\w*|\w*backend\w*|make_\w+|process_weights_after_loading"
        r"|convert_\w+_format|_validate_\w+)$"),
    # No platform was found, so there is no name of a worker to take apart.
    row("gpu_not_visible", r"^ValueError: not enough values to unpack", LIKELY,
        within=r"/vllm/utils\S* resolve_obj_by_qualname$"),
    # At its import: the parts of an installation do not fit each other.
    row("broken_install", _ANY, VAGUE, within=r"(?:-packages/|/(?:vllm|sglang)/).* <module>$"),
    # What a guarded import should have brought is not there.
    row("broken_install", r"^NameError: name '\w+' is not defined", VAGUE, within=_ENGINE),
    row("graph_capture_failed", r"^(?:RuntimeError|Exception)\b", VAGUE,
        within=r"/torch/cuda/graphs\.py |" + _ENGINE + r"\S* _?capture\w*$"),
    row("nccl", r"^(?:[\w.]+\.)?(?:Runtime|Dist\w*)Error\b", VAGUE,
        within=r"/torch/distributed/|/device_communicators/pynccl\w*\.py "),
    # A traceback whose end was cut off: where it goes through says what was being done.
    row("build_failed", r'File "\S*/flashinfer/jit/\S+", line \d+, in (?:run_ninja|build\w*)'
        r'|File "\S*/torch/utils/cpp_extension\.py", line \d+, in _run_ninja_build', LAST),
    row("nccl", r'File "\S*/pynccl_wrapper\.py", line \d+, in (?:NCCL_CHECK|ncclCommInitRank)', LAST),
    row("harmony_vocab", r'File "\S*/openai_harmony/\S+", line \d+, in load_harmony_encoding', LAST),
    row("gpu_unavailable", r'File "\S*/torch/cuda/__init__\.py", line \d+, in _lazy_init', LAST),
    row("gpu_unavailable", r"^RuntimeError\b", VAGUE,
        within=r"/torch/cuda/__init__\.py (?:_lazy_init|_check_driver|set_device|get_device_\w+)$"),
)  # fmt: skip
