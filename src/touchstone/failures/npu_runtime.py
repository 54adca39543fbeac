"""Failures of a running Ascend NPU: memory, kernels, streams, and codes of its runtime."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, acl_codes, phrases
from touchstone.message import say

NPU_RUNTIME: tuple[Failure, ...] = (
    Failure(
        "npu-out-of-memory", "NPU", phrases("NPU out of memory"),
        say("The device's memory is used up. The line says how much was asked for and how much was free; what it calls reserved and not "
            "allocated is fragmented."),
        say("Ask for less: a smaller batch or max-model-len, a quantized model, more devices. If free memory was there before the start, "
            "another process holds the rest (npu-smi info). "
            "If much is reserved but not allocated, set PYTORCH_NPU_ALLOC_CONF=expandable_segments:True."),
        "vllm-ascend #19, sglang #29838",
        "RuntimeError: NPU out of memory. Tried to allocate 22.00 MiB (NPU 0; 60.97 GiB total capacity; 10.24 GiB already allocated; "
        "10.24 GiB current active; "
        "19.52 MiB free; 10.65 GiB reserved in total by PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb "
        "to avoid fragmentation."),
    Failure(
        "npu-memory-refused", "NPU", (*phrases("EL0004"), *acl_codes(207001)),
        say("The Ascend driver could not give the memory asked for: other processes hold the device's memory, or the model needs more "
            "than it has."),
        say("See with npu-smi info who holds the memory and end what is not needed; then lower gpu-memory-utilization, the batch or "
            "max-model-len."),
        "vllm-ascend #1993, PTOAS #341",
        "(EngineCore_DP0 pid=553) EL0004: [PID: 553] 2025-09-17-04:55:13.065.712 Failed to allocate memory."),
    Failure(
        "npu-streams", "NPU", (*phrases("EL0009", "stream resources are insufficient", "alloc sq cq fail"), *acl_codes(207008, 207005)),
        say("The device has no hardware streams or queues left. Each captured graph size takes some, and so does every process on the "
            "device."),
        say("Capture fewer graphs (fewer cudagraph_capture_sizes, or cudagraph_mode FULL_DECODE_ONLY), or measure with --enforce-eager "
            "and say so; end other processes on the device. "
            "Where the log says 'Alloc sq cq fail', the driver package is old: 25.5.1 or newer helps."),
        "vllm-ascend #9691, #9564, #10555",
        "capture_begin:../torch_npu/csrc/core/npu/NPUGraph.cpp:230 NPU function error: "
        "c10_npu::acl::AclmdlRICaptureBegin(capture_stream_, capture_mode), error code is 207008"),
    Failure(
        "npu-visible-devices", "NPU", phrases("set ASCEND_RT_VISIBLE_DEVICES", "Set visible device failed"),
        say("ASCEND_RT_VISIBLE_DEVICES names a device that is not there, or its numbers do not ascend."),
        say("List logical numbers from 0 in ascending order. Inside a container they count the devices that were handed in, not those of "
            "the host."),
        "gpustack #2527, #3352",
        "EE1001: [PID: 112081] 2025-07-17-08:06:53.296.370 The argument is invalid.Reason: set ASCEND_RT_VISIBLE_DEVICES:0,2,4,6,1,3,5,7 "
        "error, it must be configured in ascending order"),
    Failure(
        "npu-device-number", "NPU", (*acl_codes(107001), *phrases("Invalid device id")),
        say("A process asks for a device number that it does not see. Numbers in ASCEND_RT_VISIBLE_DEVICES that do not exist are dropped "
            "silently, so fewer devices are left than were named."),
        say("Compare ASCEND_RT_VISIBLE_DEVICES (on CUDA: CUDA_VISIBLE_DEVICES) with `touchstone devices`, and ask for no more devices "
            "than are listed."),
        "vllm-ascend #449, #10227",
        "open device 100 failed, runtime result = 107001.[FUNC:ReportCallError][FILE:log_inner.cpp][LINE:161]"),
    Failure(
        "npu-unavailable", "NPU", acl_codes(207004),
        say("The runtime finds no usable device. The lines below this one say why: a wrong ASCEND_RT_VISIBLE_DEVICES, or devices that "
            "were not handed into the container."),
        say("Check ASCEND_RT_VISIBLE_DEVICES, then whether npu-smi info shows the devices in this same container, then their health."),
        "gpustack #2527, #3352",
        "RuntimeError: init:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:292 NPU function error: aclrtGetDeviceCount(&device_count), "
        "error code is 207004",
        Standing.STEP),
    Failure(
        "npu-device-start", "NPU", (*acl_codes(507033), *phrases("Failed to start the device.")),
        say("The device could not be started. The lines below it tell which of the usual reasons it is: memory is short (EL0004), an "
            "argument is invalid (EL0003), operators are missing (E30006), "
            "or driver and CANN do not fit each other."),
        say("Look for EL0004, EL0003 or E30006 after this line. If there is none, compare the driver (npu-smi info) with the CANN "
            "version, and restart what still holds the device."),
        "Ascend/samples #16, #21, vllm-ascend #4284, #1558",
        "RuntimeError: Initialize:torch_npu/csrc/core/npu/sys_ctrl/npu_sys_ctrl.cpp:146 NPU function error: "
        "c10_npu::SetDevice(device_id_), error code is 507033",
        Standing.STEP),
    Failure(
        "npu-vector-core", "NPU", (*acl_codes(507035), *phrases("vector core exception", "The vector core execution is abnormal")),
        say("A kernel on the vector core failed: a bug in an operator, or an input it does not bear (an index out of range, a shape). It "
            "is reported late, so the Python lines around it may be innocent."),
        say("Run once with ASCEND_LAUNCH_BLOCKING=1 to see the operator (never measure with it), then try a newer CANN and engine, and "
            "--enforce-eager."),
        "vllm-ascend #1038, #2763, Ascend/pytorch #66",
        "RuntimeError: ACL stream synchronize failed, error code:507035", Standing.STEP),
    Failure(
        "npu-ai-core", "NPU", (*acl_codes(507015), *phrases("aicore exception", "The aicore execution is abnormal")),
        say("A kernel on the AI core failed: a bug in an operator, or an address or shape it does not bear."),
        say("Run once with ASCEND_LAUNCH_BLOCKING=1 to see the operator (never measure with it), then try a newer CANN and engine, and "
            "--enforce-eager."),
        "vllm-ascend #5661, #16654",
        "[ERROR] aclrtSynchronizeStream(stream) failed: 507015 (npu_validation/Movfp/movfp_fixpipe_reuse_a3/main.cpp:170)", Standing.STEP),
    Failure(
        "npu-core-timeout", "NPU", (*acl_codes(507034, 507014), *phrases("vector core timeout", "aicore timeout")),
        say("A kernel did not end in time: it hangs, or it waits for another device that has failed."),
        say("Look in the logs of the other ranks for an earlier error: the first one counts. If there is none, try a newer "
            "CANN and engine."),
        "vllm-ascend #1972, #4972",
        "RuntimeError: Worker failed with error 'ACL stream synchronize failed, error code:507034', please check the stack trace above "
        "for the root cause", Standing.STEP),
    Failure(
        "npu-graph-execution", "NPU", acl_codes(507011),
        say("A graph or model that was handed to the device failed while it ran."),
        say("Start with --enforce-eager: if that runs, the graph is at fault, and fewer or other capture sizes or a newer version may "
            "help. Else look for an operator's error nearby."),
        "vllm-ascend #7676",
        "RuntimeError: synchronize:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:361 NPU function error: "
        "c10_npu::acl::AclrtSynchronizeStreamWithTimeout(stream()), error code is 507011",
        Standing.STEP),
    Failure(
        "npu-stream-timeout", "NPU", (*acl_codes(507046), *phrases("EE1002", "Stream synchronize timeout")),
        say("The device did not finish its queue in time: it hangs, or waits for a rank that is slow or gone."),
        say("Look at the other ranks and the network first; only if they are well raise the limit with HCCL_EXEC_TIMEOUT."),
        "Ascend/pytorch #48, #62",
        "W NPUStream.cpp:409] Warning: NPU warning, error code is 507046[Error]:", Standing.STEP),
    Failure(
        "npu-runtime-internal", "NPU", acl_codes(507001),
        say("An internal error of the runtime. It was seen where expandable memory segments are on and the driver does not support them."),
        say("Set PYTORCH_NPU_ALLOC_CONF=expandable_segments:False and try again; else compare driver and CANN."),
        "vllm-ascend #116",
        "RuntimeError: copy_d2d:torch_npu/csrc/aten/common/CopyKernel.cpp:274 NPU function error: "
        "c10_npu::acl::AclrtSynchronizeStreamWithTimeout(copy_stream), error code is 507001",
        Standing.STEP),
    Failure(
        "npu-operator-unsupported", "NPU", phrases("EZ3002", "is unsupported. Reason: … op store"),
        say("This chip, or this version of its operator package, has no such operator for these shapes and types."),
        say("Take the engine's version that names this chip among the supported ones, another dtype, or a newer CANN with the operator "
            "package of this chip."),
        "vllm-ascend #811",
        "EZ3002: [PID: 141730] 2025-05-14-07:42:33.234.136 Optype [TransData] of Ops kernel [AIcoreEngine] is unsupported. Reason: "
        "[tbe-custom]:op type TransData is not found in this op store."),
    Failure(
        "npu-cpu-fallback", "NPU", phrases("not currently supported on the NPU backend and will fall back to run on the CPU"),
        say("An operator runs on the host, with copies there and back. Results are right; speeds measured with it are not "
            "those of the NPU."),
        say("Take a torch_npu that has the operator, or a model code without it. To make it an error, set "
            "TORCH_NPU_FALLBACK_CPU_DISABLE=1."),
        "MinerU #1695, LlamaFactory #4135",
        "[W VariableFallbackKernel.cpp:51] Warning: CAUTION: The operator 'aten::isin.Tensor_Tensor_out' is not currently supported on "
        "the NPU backend and will fall back to run on the CPU. "
        "This may have performance implications. (function npu_cpu_fallback)", Standing.WARNING),
    Failure(
        "npu-acl-call", "NPU", phrases("ERR00100", "ERR01100", "call acl api failed"),
        say("A call of the Ascend runtime failed; this line says no more than that."),
        say("Read the return code in the line above it and the E-code (EL0004, EZ9999, …) in the lines below it."),
        "Ascend/pytorch, Error Code pages (ERR + module 00, 01 + kind 100)",
        "[ERROR] 2025-06-24-11:20:49 (PID:528886, Device:-1, RankID:-1) ERR00100 PTA call acl api failed", Standing.ECHO),
    Failure(
        "npu-inner-error", "NPU",
        phrases("Inner Error!", "(EE9999)", "EE9999:", "(EH9999)", "EH9999:", "(EI9999)", "EI9999:", "(EZ9999)", "EZ9999:", "(E39999)", "E39999:"),
        say("An internal error of CANN; its module letter tells where (EE runtime, EH ACL, EI HCCL, EZ operators), the lines "
            "below it what."),
        say("Read the lines below it up to the next time stamp, and the log of the same minute under ~/ascend/log/debug/plog."),
        "CANN error code reference (9000 to 9999: internal)",
        "EH9999: Inner Error!", Standing.ECHO),
    Failure(
        "npu-exit-error", "NPU", phrases("ERR99999"),
        say("torch_npu prints this at exit when a Python error ended the process."),
        say("Read the Python error above it."),
        "gpustack #2723",
        "[ERROR] 2025-08-14-13:42:44 (PID:5309, Device:-1, RankID:-1) ERR99999 UNKNOWN applicaiton exception", Standing.ECHO),
)
