"""Failures of an Ascend installation: CANN, NNAL, torch_npu, driver and container that do not fit together."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, acl_codes, phrases
from touchstone.message import say

NPU_INSTALL: tuple[Failure, ...] = (
    Failure(
        "cann-not-sourced", "NPU",
        phrases("libhccl.so: cannot open", "libascendcl.so: cannot open", "libge_runner.so: cannot open",
                "libascend_dump.so: cannot open", "libruntime.so: cannot open"),
        say("torch_npu is installed, but CANN's libraries are not found: CANN is missing, or its environment was not loaded "
            "in this shell."),
        say("source set_env.sh of the toolkit (/usr/local/Ascend/ascend-toolkit/set_env.sh, from CANN 8.5 on "
            "/usr/local/Ascend/cann/set_env.sh) in the shell or service that starts the engine."),
        "vllm-ascend #262 and FAQ, gpustack #1101",
        "ImportError: libhccl.so: cannot open shared object file: No such file or directory"),
    Failure(
        "npu-driver-libraries", "NPU", phrases("libascend_hal.so: cannot open", "libdcmi.so: cannot open",
                                               "libdrvdsmi_host.so: cannot open"),
        say("The Ascend driver's libraries are not found. In a container they are the host's, and were not handed in."),
        say("Start the container with -v /usr/local/Ascend/driver/lib64/:/usr/local/Ascend/driver/lib64/, version.info, /usr/local/dcmi "
            "and the devices; on a host add the driver's lib64 to LD_LIBRARY_PATH."),
        "vllm-ascend #1440",
        "libascend_hal.so: cannot open shared object file: No such file or directory"),
    Failure(
        "nnal-missing", "NPU", phrases("libatb.so: cannot open", "Could not load this library … libop_plugin_atb.so"),
        say("NNAL (ATB) is not installed, or its environment was not loaded."),
        say("Install the nnal package of the same CANN version and source /usr/local/Ascend/nnal/atb/set_env.sh after the toolkit's."),
        "vllm-ascend #152, #10525",
        "ERROR 06-16 02:47:10 [multiproc_executor.py:870] OSError: libatb.so: cannot open shared object file: No such file or directory"),
    Failure(
        "nnal-mismatch", "NPU", phrases("libtbe_adapter.so: undefined symbol", "libtorch_npu.so: undefined symbol … atb",
                                        "libatb.so: undefined symbol"),
        say("NNAL (ATB) does not fit CANN or torch_npu: another version, or the other C++ ABI (cxx_abi_0 and cxx_abi_1)."),
        say("Install the nnal of the same version as CANN, and source its set_env.sh in the shell in which torch is installed: it chooses "
            "the ABI by torch."),
        "Ascend/pytorch #99, vllm-ascend #117",
        "OSError: /home/mtp/Ascend/nnal/atb/latest/atb/cxx_abi_1/lib/libtbe_adapter.so: undefined symbol: "
        "_ZN3Mki2DlC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEb"),
    Failure(
        "torch-npu-mismatch", "NPU", phrases("libtorch_npu.so: undefined symbol", "torch_npu … _C.cpython … undefined symbol"),
        say("torch and torch_npu are of different versions."),
        say("Install the torch_npu whose version begins with torch's (2.8.0 with 2.8.0.postN); pip may have replaced torch while "
            "installing something else."),
        "Ascend/pytorch #35, sglang #28628",
        "/home/ma-user/anaconda3/envs/PyTorch-2.1.0/lib/python3.9/site-packages/torch_npu/lib/libtorch_npu.so: undefined symbol: "
        "_ZN5torch10ValueErrorC1EPKcz'!"),
    Failure(
        "cann-too-old", "NPU", phrases("not in libopapi.so"),
        say("torch_npu calls an operator that this CANN does not have: CANN is older than torch_npu expects."),
        say("Install the CANN version that this torch_npu is released for (and its operator package), or the torch_npu of this CANN."),
        "vllm #8054",
        "RuntimeError: aclnnPromptFlashAttentionV3 or aclnnPromptFlashAttentionV3GetWorkspaceSize not in libopapi.so, or libopapi.sonot "
        "found."),
    Failure(
        "npu-operator-package", "NPU", (*phrases("Cannot find bin of op", "Parse dynamic kernel config fail"), *acl_codes(561103)),
        say("No compiled kernel of this operator is there for this chip: the operator (kernels, ops) package is missing, is another "
            "chip's, or does not fit CANN."),
        say("Install the kernels or ops package of exactly this chip and CANN version; from CANN 8.5 on it is a package of its own per "
            "chip."),
        "vllm-ascend #4859, #5695; MindSDK installation guide",
        "RuntimeError: zero_:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:26 NPU function error: call aclnnInplaceZero failed, error "
        "code is 561103"),
    Failure(
        "npu-operator-compiler", "NPU", acl_codes(500001),
        say("CANN's operator compiler did not start. Usually a Python package that it needs is missing or too new in this environment, or "
            "the operator package is not installed."),
        say("pip install 'numpy<2' decorator sympy cffi attrs psutil scipy cloudpickle ml-dtypes tornado absl-py pyyaml, check the "
            "kernels package of this chip, then read ~/ascend/log/debug/plog."),
        "vllm-ascend #692, #2210, Ascend/pytorch #7",
        "RuntimeError: SetPrecisionMode:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:155 NPU function error: "
        "at_npu::native::AclSetCompileopt(aclCompileOpt::ACL_PRECISION_MODE, precision_mode), "
        "error code is 500001"),
    Failure(
        "two-accelerators", "NPU", phrases("Two accelerators cannot be used at the same time", "ERR00007"),
        say("torch already has an accelerator when torch_npu registers: torch is a CUDA build, or torch_npu is loaded twice."),
        say("Install the CPU build of torch beside torch_npu. If the message names npu twice, set TORCH_DEVICE_BACKEND_AUTOLOAD=0 and "
            "import torch_npu once, after torch."),
        "Ascend/pytorch torch_npu/__init__.py",
        "RuntimeError: Two accelerators cannot be used at the same time in PyTorch: npu and npu"),
    Failure(
        "torch-npu-source-directory", "NPU", phrases("No module named 'torch_npu._C'"),
        say("Python found the source checkout of torch_npu in the current directory instead of the installed package."),
        say("Change to another directory and start again."),
        "Ascend/pytorch #24",
        "ModuleNotFoundError: No module named 'torch_npu._C'"),
    Failure(
        "torch-npu-missing", "NPU", phrases("No module named 'torch_npu'", "at start of device string: npu"),
        say("torch_npu is not installed in this environment, or was not imported before the device npu was named."),
        say("Install the torch_npu of torch's version in the environment of this very Python, and import torch_npu after torch."),
        "MinerU #2665; recorded with torch 2.13.0",
        "RuntimeError: Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, "
        "meta, hpu, mtia, privateuseone device type "
        "at start of device string: npu"),
    Failure(
        "npu-busy-elsewhere", "NPU", phrases("because the device is used. ret is -8020", "ret is -8020"),
        say("The device is in use by another container."),
        say("Stop the container that holds it, or give this one another /dev/davinciN."),
        "MindIE-LLM quick start; vllm-ascend #2698",
        "dcmi model initialized failed, because the device is used. ret is -8020"),
    Failure(
        "npu-container-rights", "NPU", phrases("ret is -8005"),
        say("The container may not use the device: it is held by another container, or was handed in without the right to create device "
            "nodes."),
        say("Check that no other container has the same /dev/davinciN; hand the devices in with --device (rights rwm), together with "
            "davinci_manager, devmm_svm and hisi_hdc."),
        "vllm-ascend #2698, HAMi ascend-device-plugin #23",
        "dcmi module initialize failed. ret is -8005"),
    Failure(
        "torch-backend-extension", "NPU", phrases("Failed to load the backend extension: torch_npu"),
        say("`import torch` itself failed, because it loads torch_npu, and that is broken here."),
        say("Cure the error above this line. To use torch without the NPU meanwhile, set TORCH_DEVICE_BACKEND_AUTOLOAD=0."),
        "vllm-ascend #1440, flash-linear-attention-npu #2",
        "RuntimeError: Failed to load the backend extension: torch_npu. You can disable extension auto-loading with "
        "TORCH_DEVICE_BACKEND_AUTOLOAD=0.", Standing.ECHO),
)
