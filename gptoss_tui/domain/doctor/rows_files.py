"""Words that speak of weights, vocabulary, disk, ports and the network.

Sources: https://github.com/huggingface/huggingface_hub, https://github.com/vllm-project/vllm/issues
(9556, 12673, 13451), https://github.com/openai/harmony.
"""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import LAST, LIKELY, WEAK, row

_HUB = r"(?:huggingface\.co|hf\.co|hf-mirror|cdn-lfs|xethub)"

FILE_ROWS = (
    row("harmony_vocab", r"HarmonyError: (?:error downloading or|failed to (?:download|load))"
        r"|error downloading or loading vocab file|openaipublic\.blob\.core\.windows\.net"),
    row("hub_refused", rf"(?:401|403) Client Error.*{_HUB}|GatedRepoError|Access to model .* is "
        r"restricted|Cannot access gated repo|Invalid (?:user token|credentials in Authorization)"
        rf"|HfHubHTTPError: 40[13]\b|Client error '40[13] [^']*' for url '\S*{_HUB}"
        rf"|Cannot access content at: \S*{_HUB}"
        rf"|{_HUB}/\S* (?:.* )?status code:? 40[13]\b|[Ss]tatus\W{{1,2}}40[13]\b.*{_HUB}"
        rf"|[Tt]rying to access a gated repo|awaiting a review from the repo authors"
        rf"|invalid http status code received: 40[13]|enable access to public gated repositories"
        rf"|User Access Token \S+ is expired"
        rf"|(?:Unauthorized|Forbidden) for url: \S*{_HUB}|RepositoryNotFoundError: 401"),
    row("hub_refused", rf"^(?!.*(?:Proxy|Tunnel)).*(?:\b40[13] (?:Unauthorized|Forbidden)\b.*{_HUB}"
        rf"|{_HUB}.*\b40[13] (?:Unauthorized|Forbidden)\b)", LIKELY),
    row("hub_refused", r"^Invalid username or password\.$|ValueError: Invalid token passed"
        r"|Token is required \(\W?token=True|Illegal header value b'Bearer ", WEAK),
    row("download_broken", r"HfHubHTTPError: |errors\.FileDownloadError\b", WEAK),
    row("harmony_vocab", r"(?:No such file|[Ff]ailed|[Cc]annot|not found)\b.*o200k_(?:base|harmony)\.tiktoken", LIKELY),
    row("hub_rate_limit", r"HfHubHTTPError: 429|429 Client Error|HTTP (?:status"
        r"|Error) .*429.*hugging"
        r"|maximum allowed requests.*hugging|We had to rate limit you"
        r"|429 Too Many Requests\S* for url:? \S*(?:huggingface|hf\.co)"),
    row("model_not_found", rf"404 Client Error.*{_HUB}/(?:api/models/[\w./-]+"
        rf"|[\w.-]+/[\w.-]+/resolve/"
        r"\S+/config\.json)|RepositoryNotFoundError|RevisionNotFoundError"
        r"|is not a local folder and is not a valid model identifier"
        rf"|Client error '404 [^']*' for url '\S*{_HUB}|No supported config format found"
        rf"|Incorrect path_or_model_id"
        r"|Unrecognized model in \S+\. Should have"
        r"|Repo id must (?:be in the form|use alphanumeric)"
        r"|Invalid repository ID or local directory"
        r"|does not appear to have a file named config\.json|HFValidationError"
        r"|model ['\"]?[\w./:-]+['\"]? not found(?:, try pulling it first)?$"
        r"|pull model manifest: file does not exist|open \S*/manifests/\S+: no such file|No such file or directory: '(?:\S*/)?config\.json'"
        r"|invalid http status code received: 404"
        r"|Can't load the configuration of|model path does not exist"
        r"|Could not detect config format for no config file", LIKELY),
    row("model_not_found", r"(?<!Local)EntryNotFoundError(?!.*adapter_config)"
        r"|does not appear to have a file named (?!tokenizer|generation_config)", WEAK),
    row("hub_unreachable", r"HTTPSConnectionPool\(host='[\w.-]*(?:huggingface|hf\.co|hf-mirror"
        r"|modelscope)"
        r"|[Cc]ould(?:n't| not) resolve host(?:name)?(?!: (?:github|pypi|files))", WEAK),
    row("hub_unreachable", rf"(?:Failed to establish a new connection|Name or service not known"
        rf"|NameResolutionError|Max retries exceeded|MaxRetryError|ConnectTimeout|ReadTimeout"
        rf"|Temporary failure in name resolution|Network is unreachable).*{_HUB}"
        rf"|{_HUB}.*(?:Max retries exceeded|Failed to (?:establish|resolve)"
        rf"|Name or service not known|Network is "
        rf"unreachable|Temporary failure in name resolution|timed out)"
        rf"|[Ww]e couldn't connect to '?https://{_HUB}|Cannot reach .*{_HUB}"
        r"|LocalEntryNotFoundError|OfflineModeIsEnabled|outgoing traffic has been disabled", LIKELY),
    row("hub_unreachable", r"^(?:httpx|httpcore|requests\.exceptions"
        r"|urllib3\.exceptions)\.\w*(?:Connect|Timeout|"
        r"Connection|NameResolution|Proxy)\w*", WEAK, after=r"huggingface_hub"
        r"|transformers/utils/hub"),
    row("download_broken", r"single flight error|ReqwestMiddleware|[Rr]eqwest:?:?Error.*(?:xethub"
        r"|hf\.co|huggingface)|curl_easy_perform\(\) failed",
        WEAK),
    row("download_broken", rf"5\d\d Server Error.*{_HUB}"
        rf"|Server error '5\d\d [^']*' for url '\S*{_HUB}|"
        r"CAS service error|Data processing error: |File reconstruction error"
        r"|Consistency check failed|hf_transfer.*(?:error|failed)|digest mismatch"
        r"|416 Client Error|Range Not Satisfiable|IncompleteRead|ChunkedEncodingError"
        r"|Connection broken:|An error occurred while downloading"
        r"|max retries exceeded(?:: |\s*$)|error decoding response body|RuntimeError: Internal Writer Error"
        r"|RemoteProtocolError: peer closed", LIKELY),
    row("weights_damaged", r"No such file or directory: '\S*models--|[Nn]o (?:[\w.]+ ){0,2}(?:\.?safetensors|weights?)(?: files?)? (?:were |was )?found|version https://git-lfs\.github\.com/spec", WEAK),
    row("weights_damaged", r"SafetensorError|MetadataIncompleteBuffer|HeaderTooLarge|InvalidHeader"
        r"|Error while deserializing header|(?:Cannot find any (?:safetensors )?model weights (?:with|in)|No model weights found in)"
        r"|shard file\(s\) missing from|[Ww]eight files? .{0,40}\bmissing\b|[Cc]hecksum mismatch for presharded"
        r"|tensor .* data is not within the file bounds|invalid magic (?:number|characters)"
        r"|PytorchStreamReader failed|WeightsUnpickler error: unexpected EOF|The file might be corrupted|Unable to load weights from|unexpectedly reached end of file"
        r"|No such file or directory: .*\.safetensors|Missing shard|gguf_init_from_file.*failed"
        r"|Error no file named|file is (?:truncated|corrupted)"
        r"|error reading tensor .*\bEOF|(?:open model file|failed to load model\b).*\bEOF|load model metadata.*exceeds file size"
        r"|config file at .* is not a valid JSON"),
    row("disk_error", r"\[Errno (?:5|107|116|117|121)\]|\(os error (?:5|19|107|116|117|121)\)"
        r"|Transport endpoint is not connected|[Ss]tale file handle"
        r"|[Ii]nput/output error|disk I/O error", LIKELY, scope="both", serving=True),
    row("tokenizer_missing", r"TypeError: not a string$", after=r"SentencePiece|tokenizer"),
    row("tokenizer_missing", r"Can't load tokenizer for|Couldn't instantiate the backend tokenizer"
        r"|Tokenizer class \S+ does not exist|does not appear to have a file named tokenizer"
        r"|Failed to load (?:the )?tokenizer|(?:data did not match any variant of untagged enum "
        r"(?:ModelWrapper|PreTokenizerTypeWrapper))|Error loading tokenizer"
        r"|Converting from (?:SentencePiece and )?Tiktoken failed"),
    row("checkpoint_mismatch", r"There is no module or parameter named|Following weights were not "
        r"initialized from checkpoint|(?:KeyError|AttributeError): '[\w.]*(?:mlp|experts|layers"
        r"|w13|w2|"
        r"blocks|scales|gate_up_proj|down_proj|qkv_proj|sinks|router)[\w.]*'"
        r"|KeyError: '[\w.]+\.(?:weight|qweight|qzeros|scales|bias|weight_scale\w*|input_scale)'"
        r"|size mismatch for |The size of tensor a \(\d+\) must match|Attempted to load weight \("
        r"|missing tensor '|wrong number of tensors|tensor '[\w.]+' has (?:wrong shape|invalid)"
        r"|wrong shape; expected", LIKELY),
    row("checkpoint_mismatch", r"Error\(s\) in loading state_dict", WEAK),
    row("checkpoint_mismatch", r"AssertionError: Tried to load weights of size"
        r"|start \(\d+\) \+ length "
        r"\(\d+\) exceeds dimension size", LIKELY),
    row("registry_login", r"error getting credentials - err", scope="both"),
    row("disk_full", r"[Nn]o space left on device|\(os error 28\)|ENOSPC|[Dd]isk quota exceeded"
        r"|\[Errno (?:28|122)\]|[Nn]ot enough (?:free )?(?:disk )?space (?:on (?:the )?(?:disk"
        r"|device|drive|volume|/)|"
        r"to (?:download|store|save|pull|extract)|in /)|[Nn]ot enough disk space"
        r"|There is not enough space on the disk", scope="both", serving=True),
    row("wrong_architecture", r"exec format error|^exec /\S+: exec format", scope="both"),
    # uvicorn says that it is up before it binds.
    row("port_taken", r"\[Errno (?:98|48)\]|\b[Pp]ort (?:at )?\d+ is not available", serving=True),
    # It may go on without: only where nothing else is told.
    row("no_permission", r"\[Errno 13\] Permission denied: '/", LAST),
    row("disk_full", r"low on resource: ephemeral-storage"
        r"|don't have enough free space in /", LAST, warned=True),
    row("no_permission", r"cannot cache function \S+ no locator available|No usable temporary directory found", WEAK),
    row("port_taken", r"[Aa]ddress already in use|EADDRINUSE|address is already in use"
        r"|ZMQError: Address in use|couldn't bind HTTP server socket|port is already allocated"
        r"|Only one usage of each socket address"
        r"|[Pp]ort \d+ is (?:already )?(?:in use|not available|occupied|unavailable)", scope="both"),
    row("cannot_listen", r"\[Errno 99\]|[Cc]annot assign requested address"
        r"|\[Errno 13\] error while attempting to bind|bind: permission denied"
        r"|cannot expose privileged port|EADDRNOTAVAIL"
        r"|bind: An attempt was made to access a socket", scope="both", serving=True),
    # torch's store of keys: what answers at its address is another's.
    row("cannot_listen", r"server socket has failed to (?:bind|listen)"
        r"(?!.*(?:EADDRINUSE|errno: 98))|DistNetworkError: Ping failed", LIKELY),
    row("no_permission", r"PermissionError: \[Errno 13?\]|\[Errno 30\] Read-only file system"
        r"|(?:open|mkdir|unlink|chmod) /\S+: (?:permission denied|read-only file system)"
        r"|(?:Permission denied|Read-only file system) \(os error (?:1|13|30)\)"
        r"|PermissionError at /"),
    row("no_permission", r"(?:cannot|can't|[Cc]ould not|[Uu]nable to|[Ff]ailed to) (?:create|open"
        r"|write|touch"
        r"|mkdir|read|access|save|lock)\b.*(?:[Pp]ermission denied|[Rr]ead-only file system)"
        r"|[Oo]peration not permitted: '/", WEAK),
    row("certificate", r"Could not find a suitable TLS CA certificate bundle|CERTIFICATE_VERIFY_FAILED|certificate verify failed"
        r"|SSLCertVerificationError"
        r"|failed to verify certificate|x509: |self[- ]signed certificate"
        r"|unable to get local issuer"
        r"|invalid peer certificate"),
    row("process_limit", r"can't start new thread|what\(\):\s+Operation not permitted|newosproc\b|pthread_create failed|[Tt]oo many open files"
        r"|\[Errno (?:11|23|24)\]"
        r"|[Rr]esource temporarily unavailable|fork: retry|failed to create new OS thread",
        LIKELY, serving=True),
    # Go's words for a request that failed, whichever host of a registry or its storage it was for.
    row("registry_unreachable", r"\"https://[^\s\"]+\\?\": (?:dial tcp|proxyconnect)"
        r"|lookup (?!localhost)\S+ on \S+:53: |dial tcp: lookup (?!localhost)\S+"
        r"|\"https:\S+: tls: first record does not look like a TLS", WEAK, told=True),
    row("pull_broken", r"\"https://[^\s\"]+\\?\": (?:read tcp|net/http: TLS|(?:unexpected )?EOF"
        r"|context deadline|stream error|http2)"
        r"|pull model manifest: (?:2\d\d: stream|read tcp)"
        r"|^(?!.*127\.0\.0\.1).*An existing connection was forcibly closed", WEAK, told=True),
    row("registry_unreachable", r"registry\.ollama\.ai.*(?:no such host|i/o timeout"
        r"|connection refused|"
        r"network is unreachable|server misbehaving)|dial tcp: lookup registry", LIKELY),
    row("pull_broken", r"registry\.ollama\.ai.*(?:EOF|TLS handshake timeout|connection reset)"
        r"|pull model manifest: (?:5\d\d|EOF|Get )", WEAK),
)  # fmt: skip
