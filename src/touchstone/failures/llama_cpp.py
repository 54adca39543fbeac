"""Failures of llama.cpp, its server and the packages that embed it."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

LLAMA_CPP: tuple[Failure, ...] = (
    Failure(
        "llama-architecture", "llama.cpp", phrases("unknown model architecture:"),
        say("This build of llama.cpp does not know the model's architecture: it is older than the model."),
        say("Upgrade llama.cpp (or the package that embeds it); if the newest does not know it either, convert or choose another model."),
        "ollama #12984; recorded with xllamacpp 2026.10",
        "llama_model_load: error loading model: error loading model architecture: unknown model architecture: 'pangu-embedded'"),
    Failure(
        "llama-file-incomplete", "llama.cpp", phrases("data is not within the file bounds"),
        say("The GGUF file ends before its tensors do: a download that was cut off."),
        say("Fetch it again and compare its size and checksum with the hub's."),
        "recorded with xllamacpp 2026.10 and half a file",
        "0.00.004.953 E llama_model_load: error loading model: tensor 'blk.0.ffn_gate.weight' data is not within the file bounds, model "
        "is corrupted or incomplete"),
    Failure(
        "llama-file-not-gguf", "llama.cpp", phrases("invalid magic characters"),
        say("The file is not GGUF: an error page or a Git LFS pointer saved under its name, or a model that was never converted."),
        say("Look at its first bytes and its size; fetch the GGUF file itself."),
        "recorded with xllamacpp 2026.10 and an HTML page",
        "0.00.003.753 E gguf_init_from_reader: invalid magic characters: '<htm', expected 'GGUF'"),
    Failure(
        "llama-file-absent", "llama.cpp", phrases("failed to open GGUF file"),
        say("The model file cannot be opened: a wrong path, or no right to read it."),
        say("Give the path of the .gguf file as this process sees it (in a container: is its directory handed in?)."),
        "recorded with xllamacpp 2026.10",
        "0.00.006.254 E gguf_init_from_file: failed to open GGUF file '/models/absent.gguf' (No such file or directory)"),
    Failure(
        "llama-context", "llama.cpp", phrases("exceeds the available context size"),
        say("A prompt is longer than one slot's context; the server divides its context among its slots."),
        say("Start it with a greater --ctx-size or fewer --parallel slots, or send shorter prompts."),
        "llama.cpp #15780, #17284; recorded with xllamacpp 2026.10",
        "0.00.036.717 E srv    send_error: task id = 0, error: request (900 tokens) exceeds the available context size (256 tokens), try "
        "increasing it"),
    Failure(
        "llama-kv-slot", "llama.cpp", phrases("failed to find a memory slot for batch", "could not find a KV slot for the batch",
                                              "failed to find free space in the KV cache"),
        say("The KV cache is full: more tokens are in flight than it holds. The server tries again with smaller pieces, which shows in "
            "every latency."),
        say("Give it a greater --ctx-size, or offer fewer requests at a time."),
        "llama.cpp #27752, node-llama-cpp #136",
        "738.51.320.735 W decode: failed to find a memory slot for batch of size 26"),
    Failure(
        "llama-load", "llama.cpp",
        phrases("llama_model_load_from_file_impl: failed to load model", "load_model: failed to load model",
                "common_init_: failed to load model", "exiting due to model loading error",
                "Failed to init server, please check the input params", "failed to load model from",
                "common_fit_params: encountered an error while trying to fit"),
        say("The model was not loaded; this line does not say why."),
        say("Read the first line with `E` (an error) above it."),
        "recorded with xllamacpp 2026.10",
        "0.00.010.987 E srv    load_model: failed to load model, '/models/absent.gguf'", Standing.ECHO),
)
