"""Failures of a CUDA GPU: memory, driver, kernels, NCCL."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, phrases
from touchstone.message import say

CUDA: tuple[Failure, ...] = (
    Failure(
        "cuda-out-of-memory", "CUDA", phrases("CUDA out of memory", "cudaMalloc failed: out of memory", "CUDA error: out of memory"),
        say("The GPU's memory is used up. The line says how much was asked for and how much was free."),
        say("Ask for less: a smaller batch or max-model-len, a quantized model, more GPUs; see with nvidia-smi whether another process "
            "holds memory. "
            "If much is reserved but not allocated, set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True. In vLLM, memory beyond "
            "gpu-memory-utilization is what graphs and peaks may use: lower it."),
        "vllm #17835, #12030",
        "(VllmWorker rank=1 pid=194255) ERROR 05-08 14:46:12 [multiproc_executor.py:435] torch.OutOfMemoryError: CUDA out of memory. "
        "Tried to allocate 270.00 MiB. "
        "GPU 1 has a total capacity of 21.98 GiB of which 156.94 MiB is free. Including non-PyTorch memory, this process has 21.80 GiB "
        "memory in use."),
    Failure(
        "cuda-cublas-memory", "CUDA", phrases("CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED"),
        say("cuBLAS found no memory for its workspace: the GPU is full, though torch had not noticed yet."),
        say("Leave more free: lower gpu-memory-utilization or mem-fraction-static, or the batch. Rarely it is an index out of range "
            "before: then CUDA_LAUNCH_BLOCKING=1 shows it."),
        "vllm #8180, Qwen3 #873",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    Failure(
        "cuda-driver-old", "CUDA", phrases("NVIDIA driver on your system is too old", "CUDA driver version is insufficient"),
        say("The NVIDIA driver is older than the CUDA that this torch or engine was built for; the number found is the driver's CUDA "
            "version (12080 is 12.8)."),
        say("Update the driver, or install the build of torch and engine for the driver's CUDA version."),
        "ChatGLM3 #100, FunASR #2973",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11060). Please update your GPU driver by downloading "
        "and installing a new version from the URL: "
        "http://www.nvidia.com/Download/index.aspx Alternatively, go to: https://pytorch.org to install a PyTorch version that has been "
        "compiled with your version of the CUDA driver."),
    Failure(
        "cuda-not-built", "CUDA", phrases("Torch not compiled with CUDA enabled"),
        say("This torch is a CPU build."),
        say("Install the CUDA build of the same version; pip may have replaced it while installing something else. On an NPU or CPU host, "
            "name another device than cuda."),
        "recorded with torch 2.13.0",
        "AssertionError: Torch not compiled with CUDA enabled"),
    Failure(
        "cuda-no-kernel", "CUDA", phrases("no kernel image is available for execution on the device"),
        say("The program has no machine code for this GPU: the GPU is newer or older than the build knows."),
        say("Install a build for its compute capability (torch.cuda.get_device_capability() and torch.cuda.get_arch_list()), or compile "
            "the engine for it."),
        "vllm #19906, #1936, #629",
        "vllm_1   | RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    Failure(
        "cuda-device-assert", "CUDA", phrases("device-side assert triggered"),
        say("A kernel checked its input and stopped: usually an index outside a table, such as a token id beyond the vocabulary. "
            "Everything after it on that GPU fails too."),
        say("Restart with CUDA_LAUNCH_BLOCKING=1 to see the operator; check that tokenizer and model belong together and that no prompt "
            "is longer than the model bears."),
        "PyTorch, CUDA semantics",
        "RuntimeError: CUDA error: device-side assert triggered", Standing.STEP),
    Failure(
        "cuda-illegal-access", "CUDA", phrases("an illegal memory access was encountered"),
        say("A kernel read or wrote memory that is not its own: a bug of a kernel, rarely failing hardware. It is reported late, so the "
            "Python lines around it may be innocent."),
        say("Restart with CUDA_LAUNCH_BLOCKING=1 to see the operator; try a newer engine, another attention backend, and --enforce-eager."),
        "vllm #6976, #13939, #24430",
        "ERROR 09-27 06:46:46 engine.py:157] RuntimeError: CUDA error: an illegal memory access was encountered", Standing.STEP),
    Failure(
        "nccl-timeout", "CUDA", phrases("Watchdog caught collective operation timeout"),
        say("A collective operation between GPUs waited in vain: another rank has failed or hangs, or GPUs cannot reach each other "
            "directly."),
        say("Search all ranks' logs for an earlier error. If there is none, try NCCL_P2P_DISABLE=1 and --disable-custom-all-reduce, and "
            "read NCCL_DEBUG=INFO."),
        "vllm #5458, #8978, #5484",
        "[rank0]:[E ProcessGroupNCCL.cpp:563] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE, "
        "NumelIn=1, NumelOut=1, Timeout(ms)=600000) "
        "ran for 600086 milliseconds before timing out.", Standing.STEP),
    Failure(
        "nccl-error", "CUDA", phrases("unhandled system error", "unhandled cuda error", "ncclSystemError", "ncclUnhandledCudaError",
                                      "ncclInternalError"),
        say("NCCL failed in a system or CUDA call. In a container it is most often shared memory that is too small; between hosts, the "
            "network interface."),
        say("Start the container with --ipc=host or --shm-size=16g; between hosts set NCCL_SOCKET_IFNAME; NCCL_DEBUG=INFO prints which "
            "call failed."),
        "vllm #4618, #6574, #12625",
        "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1970, unhandled system "
        "error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5",
        Standing.STEP),
    Failure(
        "cuda-library", "CUDA", phrases("libcudart.so … cannot open shared object file", "libcuda.so.1: cannot open shared object file",
                                        "libcudnn … cannot open shared object file"),
        say("A CUDA library is not found. On an NPU or CPU host that is harmless where the program goes on: it tried CUDA first."),
        say("On a GPU host install the CUDA build of torch (it brings the libraries), start the container with --gpus all, or add them to "
            "LD_LIBRARY_PATH."),
        "vllm-ascend #1305",
        "WARNING 06-16 15:10:59 [_custom_ops.py:21] Failed to import from vllm._C with ImportError('libcudart.so.12: cannot open shared "
        "object file: No such file or directory')"),
)
