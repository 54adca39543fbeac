"""Failures between Ascend devices: HCCL, its ports, its links."""

from __future__ import annotations

from touchstone.failures.failure import Failure, Standing, acl_codes, phrases
from touchstone.message import say

HCCL: tuple[Failure, ...] = (
    Failure(
        "hccl-port", "NPU", phrases("EJ0003", "EI0019", "EI0020", "IP address and port have been bound already",
                                    "and specific port[ … ] fail"),
        say("HCCL cannot listen: another job on this host uses the same port (60000 and following, 16666 between devices)."),
        say("Give each job on the host ports of its own: HCCL_IF_BASE_PORT, and HCCL_NPU_SOCKET_PORT_RANGE between devices; and end "
            "processes left over from an earlier start."),
        "vllm-ascend #405, #1253, #16205",
        "[rank0]: EJ0003: [PID: 159] 2025-03-26-17:01:02.816.428 Failed to bind the IP port. Reason: The IP address and port have been "
        "bound already."),
    Failure(
        "hccl-network-down", "NPU", phrases("EJ0002", "The network port is down"),
        say("A network port between devices is down."),
        say("Check each device's link (hccn_tool -i 0 -link -g), cables and switch."),
        "vllm-ascend #1815",
        "RuntimeError: EJ0002: [PID: 38079] 2025-07-15-12:45:31.202.787 The network port is down."),
    Failure(
        "hccl-connect", "NPU", phrases("EI0006", "wait socket establish timeout", "Getting socket times out"),
        say("Ranks did not find each other in time: one has not started or has failed, the wrong network interface is used, or the "
            "network does not carry it."),
        say("Look in the other ranks' logs for an earlier error; set HCCL_SOCKET_IFNAME to the interface that connects the hosts; with "
            "many ranks or slow loading raise HCCL_CONNECT_TIMEOUT."),
        "vllm-ascend #1955, #9447, afd-plugin #229",
        "[ERROR] HCCL(2717288,python3):2025-07-23-03:49:57.177.194 [hccl_socket_manager.cc:778] [2734049][Wait][LinkEstablish]wait socket "
        "establish timeout, role[1] rank[12] timeout[120]",
        Standing.STEP),
    Failure(
        "hccl-notify-timeout", "NPU", (*acl_codes(507048), *phrases("EI0002", "Notify register times out", "fftsplus timeout")),
        say("A collective operation waited for another rank in vain: that rank has failed, hangs or is far slower, or the link is broken."),
        say("Search the logs of all ranks for the earliest error: this one is usually its consequence. If all wait, check the links, then "
            "HCCL_EXEC_TIMEOUT."),
        "vllm-ascend #1443, #2800, lmdeploy #3354",
        "(train pid=8464) RuntimeError: npuSynchronizeDevice:build/CMakeFiles/torch_npu.dir/compiler_depend.ts:479 NPU function error: "
        "AclrtSynchronizeDeviceWithTimeout, error code is 507048",
        Standing.STEP),
    Failure(
        "hccl-call", "NPU", phrases("ERR02200", "DIST call hccl api failed", "HCCL function error"),
        say("A call of HCCL failed; this line says no more than that."),
        say("Read the EI or EJ code in the lines below it."),
        "vllm-ascend #405; Ascend/pytorch, Error Code pages",
        "[rank0]: [ERROR] 2025-03-26-17:01:03 (PID:159, Device:0, RankID:-1) ERR02200 DIST call hccl api failed.", Standing.ECHO),
)
