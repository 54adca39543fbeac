"""Failures of transformers: configurations, tokenizers, weights, and its server."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

TRANSFORMERS: tuple[Failure, ...] = (
    Failure(
        "transformers-architecture", "transformers", phrases("but Transformers does not recognize this architecture"),
        say("The installed transformers is older than the model."),
        say("Upgrade transformers as far as the engine allows; if the engine pins it, upgrade the engine."),
        "vllm #19793, #13579; recorded with transformers 5.23.0",
        "ValueError: The checkpoint you are trying to load has model type `qwen3_moe` but Transformers does not recognize this "
        "architecture. "
        "This could be because of an issue with the checkpoint, or because your version of Transformers is out of date."),
    Failure(
        "remote-code", "transformers", phrases("contains custom code which must be executed",
                                               "Please pass the argument `trust_remote_code=True`"),
        say("The model brings Python code of its own, and running it was not allowed."),
        say("Read that code first; then pass trust_remote_code=True (servers: --trust-remote-code), and pin the revision."),
        "recorded with transformers 5.23.0",
        "ValueError: The repository /models/custom contains custom code which must be executed to correctly load the model. You can "
        "inspect the repository content at /models/custom ."),
    Failure(
        "integer-dtype", "transformers", phrases("it's not a floating-point dtype", "is not a floating point dtype"),
        say("An integer dtype was given for the weights; a dtype is no quantization."),
        say("Load in float16 or bfloat16 and quantize with a quantization config, or take a checkpoint that is quantized."),
        "recorded with transformers 5.23.0",
        "ValueError: LlamaForCausalLM cannot be instantiated under `dtype=torch.int8` as it's not a floating-point dtype"),
    Failure(
        "package-pin", "transformers", phrases("is required for a normal functioning of this module, but found"),
        say("Two packages do not fit: the line names the version range wanted and the one found."),
        say("Install a version inside the range. If another package needs the other version, give each engine an environment of its own."),
        "recorded with transformers 5.23.0",
        "ImportError: tokenizers>=0.14,<0.19 is required for a normal functioning of this module, but found tokenizers==0.23.3."),
    Failure(
        "transformers-import", "transformers", phrases("cannot import name … from 'transformers"),
        say("A package uses a name that this transformers no longer, or not yet, has."),
        say("Install the transformers version that the package was written for, in an environment of its own if others need another."),
        "recorded: optimum-benchmark 0.6.0 with transformers 5.23.0",
        "ImportError: cannot import name 'SpecialTokensMixin' from 'transformers'"),
    Failure(
        "model-configuration", "transformers", phrases("Unrecognized model in", "does not appear to have a file named config.json"),
        say("There is no usable config.json where the model should be: a wrong directory, or an incomplete download."),
        say("Name the directory that holds config.json, and fetch what is missing."),
        "recorded with transformers 5.23.0",
        "ValueError: Unrecognized model in /models/half. Should have a `model_type` key in its config.json."),
    Failure(
        "model-path", "transformers", phrases("Repo id must be in the form", "is not a local folder and is not a valid model identifier"),
        say("The model's path does not exist here, so it was taken for a name on the hub."),
        say("Check the path as this process sees it (in a container: is the directory handed in?), or give the full name owner/model."),
        "recorded with transformers 5.23.0",
        "OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/models/absent'. Use `repo_type` argument if needed."),
    Failure(
        "tokenizer", "transformers", phrases("Couldn't instantiate the backend tokenizer", "Can't load tokenizer for",
                                             "Tokenizer class … is not currently imported"),
        say("The tokenizer's files are missing, or a package that reads them is."),
        say("Fetch tokenizer.json, tokenizer_config.json and tokenizer.model too; install sentencepiece or tiktoken if the "
            "model uses them."),
        "recorded with transformers 5.23.0",
        "ValueError: Couldn't instantiate the backend tokenizer from one of: "),
    Failure(
        "weights-missing", "transformers", phrases("Error no file named", "no file named model.safetensors"),
        say("The directory has a configuration but no weights."),
        say("Fetch the weights, or name the directory that holds them."),
        "recorded with transformers 5.23.0",
        "OSError: Error no file named model.safetensors, or pytorch_model.bin, found in directory /models/half."),
    Failure(
        "weights-damaged", "transformers", phrases("Error while deserializing header", "SafetensorError:", "MetadataIncompleteBuffer"),
        say("A safetensors file is damaged or incomplete, or is a Git LFS pointer or an error page under its name."),
        say("Compare its size with the hub's and fetch it again."),
        "recorded with safetensors and 20 bytes",
        "safetensors._safetensors_rust.SafetensorError: Error while deserializing header: header too large"),
    Failure(
        "serve-unexpected-fields", "transformers", phrases("Unexpected fields in the request"),
        say("The server (transformers serve) refuses a request with fields that it does not know, such as ignore_eos."),
        say("Leave the field out for this server: without ignore_eos answers may end early, so count the tokens that came."),
        "recorded with transformers 5.23.0",
        "{\"detail\":\"Unexpected fields in the request: {'ignore_eos'}\"}"),
    Failure(
        "hub-cache-absent", "transformers", phrases("CacheNotFound:", "Cache directory not found"),
        say("There is no hub cache directory. transformers serve then answers /v1/models with 500, though it may serve well."),
        say("Make the directory (HF_HUB_CACHE, by default ~/.cache/huggingface/hub), or judge readiness by /health."),
        "recorded with transformers 5.23.0",
        "huggingface_hub.errors.CacheNotFound: Cache directory not found: /nowhere/hub. Please use `cache_dir` argument or set "
        "`HF_HUB_CACHE` environment variable.", Standing.WARNING),
    Failure(
        "no-such-option", "transformers", phrases("Error: No such option"),
        say("The command has no such option in this version."),
        say("Look it up with --help of this version; --server-arg gives an argument as it is."),
        "recorded with transformers 5.23.0",
        "Error: No such option: --nonsense"),
)
