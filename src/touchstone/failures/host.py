"""Failures of the host: memory, disk, files, ports, shared memory, system libraries, processor."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

HOST: tuple[Failure, ...] = (
    Failure(
        "host-killed", "host",
        phrases("^Killed", ": line … killed  ", "Out of memory: Killed process", "Memory cgroup out of memory", "OOMKilled",
                "exit code 137", "exit code: 137", "exited with code 137", "exit status 137", "exit code -9", "exit code: -9",
                "exitcode: -9", "signal: 9"),
        say("The process was killed from outside (signal 9, exit code 137): nearly always the kernel or the container, because the host's "
            "memory ran out."),
        say("dmesg shows who was killed and why. Raise the container's memory limit, load fewer workers at a time, lower swap-space and "
            "CPU offload, or take a smaller model."),
        "Linux, OOM killer; recorded with bash",
        "/bin/bash: line 1:  9613 Killed                  python -m vllm.entrypoints.openai.api_server"),
    Failure(
        "host-out-of-memory", "host", phrases("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory",
                                              "[Errno 12] Cannot allocate memory", "MemoryError: Unable to allocate"),
        say("The host has not as much memory as was asked for in one piece."),
        say("Ask for less: a shorter max-model-len, a smaller cache or batch; or free memory. The line says how much was asked for."),
        "recorded with vLLM 0.32.0 and torch 2.13.0 on a CPU",
        "(Worker pid=10700) ERROR 11-21 15:12:59 [multiproc_executor.py:953] RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. "
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 51200000000 bytes. Error code 12 (Cannot allocate memory)"),
    Failure(
        "host-disk-full", "host", phrases("No space left on device", "Not enough free disk space", "Disk quota exceeded"),
        say("A disk is full: that of the model cache, of the temporary files or of the compiler's cache."),
        say("df -h shows which. Move HF_HOME or MODELSCOPE_CACHE and TMPDIR to a larger disk, and delete what is no longer needed."),
        "recorded with Python 3.11",
        "OSError: [Errno 28] No space left on device"),
    Failure(
        "host-open-files", "host", phrases("[Errno 24] Too many open files"),
        say("The process may open no more files or connections."),
        say("Raise the limit (ulimit -n 65536, in a container --ulimit nofile=65536) for server and load generator both."),
        "recorded with Python 3.11",
        "OSError: [Errno 24] Too many open files: '/dev/null'"),
    Failure(
        "host-port", "host", phrases("Address already in use", "Port is already in use", "couldn't bind HTTP server socket", "EADDRINUSE"),
        say("Another process already listens on that port: often an earlier server that still runs."),
        say("Find it (ss -ltnp) and end it, or choose another --port."),
        "recorded with uvicorn and Python 3.11",
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 39735): address already in use"),
    Failure(
        "host-shared-memory", "host", phrases("Fatal Python error: Bus error", "Bus error  ", "Bus error (core dumped)",
                                              "Error while creating shared memory segment", "SIGBUS", "insufficient shared memory"),
        say("Shared memory (/dev/shm) is full; in a container it has 64 MiB unless told otherwise."),
        say("Start the container with --ipc=host or --shm-size=16g (Kubernetes: an emptyDir with medium Memory on /dev/shm)."),
        "vllm #1771, #6574, #1710",
        "NCCL WARN Error while creating shared memory segment /dev/shm/nccl-pZafXL (size 7340384)"),
    Failure(
        "host-glibc", "host", phrases("version `GLIBC_2 … not found", "version `GLIBCXX_3 … not found", "version `CXXABI_1 … not found"),
        say("A compiled package was built for a newer Linux than this one: its C or C++ library is too old."),
        say("Use a container or a newer system, or a build for this one. GLIBCXX alone: an older libstdc++ (conda's) is found first; put "
            "the system's before it in LD_LIBRARY_PATH."),
        "vllm #39609, #6562, fastllm #301",
        "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found"),
    Failure(
        "host-instruction-set", "host", phrases("Illegal instruction", "SIGILL"),
        say("The program uses instructions that this processor lacks, such as AVX-512: it was built for another."),
        say("Install a build for this processor, or compile it here; lscpu shows what it has. In a virtual machine the host may hide "
            "instructions."),
        "recorded with bash",
        "/bin/bash: line 1:  9617 Illegal instruction     python -m vllm.entrypoints.openai.api_server"),
    Failure(
        "host-static-tls", "host", phrases("cannot allocate memory in static TLS block"),
        say("A library (mostly libgomp) came too late for the room that the C library keeps for thread-local data; usual on aarch64."),
        say("Import torch first of all, or preload the library that the line names: LD_PRELOAD=/path/of/libgomp.so.1."),
        "Ascend/pytorch #7, triton-inference-server #4952",
        "OSError: /usr/lib/aarch64-linux-gnu/libgomp.so.1: cannot allocate memory in static TLS block"),
    Failure(
        "host-library", "host", phrases("cannot open shared object file"),
        say("A system library is not found; the line names it."),
        say("Install the package that has it, or add its directory to LD_LIBRARY_PATH."),
        "Linux, ld.so; vllm-ascend #6949",
        "ImportError: ascend_transport.so: cannot open shared object file: No such file or directory"),
    Failure(
        "host-crash", "host", phrases("Segmentation fault", "SIGSEGV"),
        say("A compiled part of the program crashed. Where it happens at import, compiled packages do not fit each other."),
        say("Run once with PYTHONFAULTHANDLER=1 to see where; reinstall the packages named there for this torch and system."),
        "recorded with bash",
        "/bin/bash: line 1:  9619 Segmentation fault      python -m vllm.entrypoints.openai.api_server", Standing.STEP),
)
