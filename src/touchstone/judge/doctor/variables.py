"""Environment variables that hide devices, slow an engine down or make its numbers meaningless."""

from __future__ import annotations

import re

from touchstone.judge.doctor.rule import Answer, Rule, fine, note, paste, problem, warning
from touchstone.machine import Machine
from touchstone.message import say

_MOST_CHARACTERS = 100


def _ascend_visible(machine: Machine) -> Answer | None:
    """The runtime reads up to the first character that is neither digit nor comma, and refuses an order that does not rise.

    Source: hiascend.com, CANN environment variables, ASCEND_RT_VISIBLE_DEVICES.
    """
    text = machine.variables.get("ASCEND_RT_VISIBLE_DEVICES")
    if text is None or not (machine.has_npu or machine.wants_npu):
        return None
    shown = f"ASCEND_RT_VISIBLE_DEVICES={text[:_MOST_CHARACTERS]}"
    if not text.strip():
        return problem(say("ASCEND_RT_VISIBLE_DEVICES is empty: no device is visible."), paste("unset ASCEND_RT_VISIBLE_DEVICES"), shown)
    if not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", text):
        return problem(say("ASCEND_RT_VISIBLE_DEVICES is read only up to the first character that is neither a digit nor a comma, a blank included."),
                       say("Write numbers and commas only, as in 0,1,2."), shown)
    return _ascend_ids([int(part) for part in text.split(",")], len(machine.ascend.nodes), shown)


def _ascend_ids(ids: list[int], count: int, shown: str) -> Answer:
    ascending = sorted(set(ids))
    cure = paste(f"export ASCEND_RT_VISIBLE_DEVICES={','.join(map(str, ascending))}")
    if len(ascending) < len(ids):
        return problem(say("ASCEND_RT_VISIBLE_DEVICES names a device twice."), cure, shown)
    if ids != ascending:
        return problem(say("ASCEND_RT_VISIBLE_DEVICES must rise: in another order no device is found, and torch says that there is none."), cure, shown)
    if count and ids[-1] >= count:
        return problem(say("ASCEND_RT_VISIBLE_DEVICES names a device that is not there; here they are numbered 0 to {last}. The runtime drops it, "
                           "or fails with 107001.", last=count - 1),
                       say("Name only devices that are there: the numbers are those of torch, not the NPU IDs of npu-smi."), shown)
    return fine()


def _cuda_visible(machine: Machine) -> Answer | None:
    text = machine.variables.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return None
    shown = f"CUDA_VISIBLE_DEVICES={text[:_MOST_CHARACTERS]}"
    if machine.has_npu and not machine.has_gpu:
        return note(say("CUDA_VISIBLE_DEVICES does nothing for an NPU."), say("Use ASCEND_RT_VISIBLE_DEVICES, in rising order."), shown)
    if not machine.has_gpu:
        return None
    if text.strip() in {"", "-1"}:
        return warning(say("CUDA_VISIBLE_DEVICES hides every device."), paste("unset CUDA_VISIBLE_DEVICES"), shown)
    return _cuda_ids([part.strip() for part in text.split(",")], len(machine.nvidia.nodes), shown)


def _cuda_ids(parts: list[str], count: int, shown: str) -> Answer:
    ids = [int(part) for part in parts if re.fullmatch(r"[0-9]{1,6}", part)]
    if len(ids) < len(parts) and not all(part.startswith(("GPU-", "MIG-")) for part in parts):
        return problem(say("CUDA_VISIBLE_DEVICES is neither a list of numbers nor one of GPU- and MIG- names: devices from the first wrong one on "
                           "are hidden."), say("Write numbers and commas only, as in 0,1,2."), shown)
    if len(set(ids)) < len(ids):
        return problem(say("CUDA_VISIBLE_DEVICES names a device twice: no device is found."), say("Name each device once."), shown)
    if count and ids and max(ids) >= count:
        return problem(say("CUDA_VISIBLE_DEVICES names a device that is not there: it and those after it are hidden."),
                       say("Name only devices that 'nvidia-smi -L' lists."), shown)
    return fine()


def _blocking(machine: Machine) -> Answer | None:
    found = [name for name in ("ASCEND_LAUNCH_BLOCKING", "CUDA_LAUNCH_BLOCKING")
             if machine.variables.get(name, "0").strip() not in {"", "0"}]
    if not found:
        return None
    return problem(say("Every kernel is waited for, which is meant for finding faults: no speed measured now is the engine's."),
                   paste("unset " + " ".join(found)), *(f"{name}={machine.variables[name][:_MOST_CHARACTERS]}" for name in found))


def _task_queue(machine: Machine) -> Answer | None:
    if machine.variables.get("TASK_QUEUE_ENABLE", "").strip() != "0" or not (machine.has_npu or machine.wants_npu):
        return None
    return warning(say("TASK_QUEUE_ENABLE=0 makes the host wait for each operator's launch: decoding gets slower. The default is 1; 2 is faster "
                       "and takes more memory."), paste("unset TASK_QUEUE_ENABLE"))


def _allocator(machine: Machine) -> Answer | None:
    if not {"PYTORCH_NPU_ALLOC_CONF", "PYTORCH_ALLOC_CONF"} <= set(machine.variables):
        return None
    return warning(say("PYTORCH_NPU_ALLOC_CONF and PYTORCH_ALLOC_CONF are both set: some releases of torch_npu refuse this, others take the first "
                       "and overwrite the second."), paste("unset PYTORCH_ALLOC_CONF"))


def _fallback(machine: Machine) -> Answer | None:
    if "ASCEND_SKIP_CPU_FALLBACK_WARNING" in machine.variables:
        return note(say("ASCEND_SKIP_CPU_FALLBACK_WARNING does nothing: torch_npu does not know it."), paste("unset ASCEND_SKIP_CPU_FALLBACK_WARNING"))
    if not machine.python.installed("torch-npu") or machine.variables.get("TORCH_NPU_FALLBACK_CPU_DISABLE") == "1":
        return None
    return note(say("Operators that the NPU lacks run on the CPU, with a warning only: the result is right, its speed is not the NPU's."),
                paste("export TORCH_NPU_FALLBACK_CPU_DISABLE=1"))


def _autoload(machine: Machine) -> Answer | None:
    if machine.variables.get("TORCH_DEVICE_BACKEND_AUTOLOAD") != "0" or not machine.python.installed("torch-npu") or not machine.has_npu:
        return None
    return note(say("TORCH_DEVICE_BACKEND_AUTOLOAD=0: torch knows no npu until a program imports torch_npu itself."))


def _proxy(machine: Machine) -> Answer | None:
    if not machine.proxies:
        return None
    if machine.loopback_direct:
        return fine()
    return warning(say("A proxy is set and loopback is not excepted: load generators and hubs' clients may reach a server on this machine "
                       "through the proxy, or not at all."), paste("export no_proxy=localhost,127.0.0.1,$no_proxy"), *machine.proxies)


def _threads(machine: Machine) -> Answer | None:
    text, cores = machine.variables.get("OMP_NUM_THREADS"), machine.host.cores
    if text is None:
        return note(say("OMP_NUM_THREADS is not set: engines on the CPU take every core, and two of them at once slow each other down."),
                    paste(f"export OMP_NUM_THREADS={cores}") if cores else None)
    first = text.split(",")[0].strip()
    if not re.fullmatch(r"[0-9]{1,9}", first) or int(first) == 0:
        return warning(say("OMP_NUM_THREADS is not a count of threads."), paste("unset OMP_NUM_THREADS"), f"OMP_NUM_THREADS={text[:_MOST_CHARACTERS]}")
    if cores and int(first) > cores:
        return note(say("OMP_NUM_THREADS={threads} is more than the {cores} cores that this process may use.", threads=first, cores=cores),
                    paste(f"export OMP_NUM_THREADS={cores}"))
    return fine()


VARIABLES: tuple[Rule, ...] = (
    Rule("ascend-visible", say("visible devices"), _ascend_visible),
    Rule("cuda-visible", say("visible devices"), _cuda_visible),
    Rule("launch-blocking", say("asynchronous launches"), _blocking),
    Rule("task-queue", say("the task queue"), _task_queue),
    Rule("allocator", say("the allocator's variables"), _allocator),
    Rule("cpu-fallback", say("fallback to the CPU"), _fallback),
    Rule("autoload", say("loading of torch_npu"), _autoload),
    Rule("proxy", say("proxies"), _proxy),
    Rule("omp-threads", say("threads"), _threads),
)
