"""The host: whatever makes a measurement slower than it need be, or different from the next one."""

from __future__ import annotations

from touchstone.judge.doctor.rule import Answer, Rule, cannot_tell, fine, note, paste, problem, warning
from touchstone.machine import Machine
from touchstone.message import say
from touchstone.units import BYTES_PER_GIB, gigabytes, significant

_BUSY_SHARE = 0.5  # of the usable cores
_SWAP_SHARE = 0.01  # of memory; a few cold pages on the disk are normal
_ENOUGH_BYTES = {"cache": 2_000_000_000, "runs": 1_000_000_000, "models": 20_000_000_000}  # models: one 8B model in 16 bits, and room
_ENOUGH_FILES = 4096  # a load test holds one connection per stream
_ENOUGH_SHARED_BYTES = BYTES_PER_GIB  # Docker grants 64 MiB unless told; torch and NCCL pass tensors between processes there
_STEADY_CLOCKS = frozenset({"tsc", "arch_sys_counter"})
_VIRTUAL_CLOCKS = frozenset({"kvm-clock", "hyperv_clocksource_tsc_page", "xen"})


def _governor(machine: Machine) -> Answer | None:
    governor = machine.host.governor
    if governor is None:
        return cannot_tell(machine.unknown["host.governor"])
    if governor == "performance":
        return fine()
    return warning(say("The processor's frequency follows the load (governor {governor}): a host-bound engine decodes at another speed each time.",
                       governor=governor), paste("sudo cpupower frequency-set -g performance"))


def _load(machine: Machine) -> Answer | None:
    load, cores = machine.host.load_average, machine.host.cores
    if load is None or cores is None:
        return cannot_tell(machine.unknown["host.load_average" if load is None else "host.cores"])
    if load <= _BUSY_SHARE * cores:
        return fine()
    return warning(say("Other work is running here: the load average is {load} on {cores} cores.", load=significant(load, 3), cores=cores),
                   say("Stop it or wait for its end ('top' shows it); otherwise numbers are of both."))


def _swap(machine: Machine) -> Answer | None:
    used, memory = machine.host.swap_used_bytes, machine.host.memory_bytes
    if used is None or memory is None:
        return cannot_tell(machine.unknown["host.swap_used_bytes" if used is None else "host.memory_bytes"])
    if used <= _SWAP_SHARE * memory:
        return fine()
    return warning(say("{used} of memory is swapped out: loading and the CPU's part of an engine wait for the disk.", used=gigabytes(used)),
                   say("Free memory, then: sudo swapoff -a && sudo swapon -a"))


def _disk(machine: Machine) -> Answer | None:
    if not machine.host.spaces:
        return cannot_tell(say("the free space of no disk can be read"))
    short = [space for space in machine.host.spaces if space.free_bytes < _ENOUGH_BYTES.get(space.purpose, 0)]
    if not short:
        return fine()
    return warning(say("There is little free space; an 8B model in 16 bits takes 16 GB."),
                   say("Free some, or let TOUCHSTONE_CACHE and HF_HOME name another disk."),
                   *(f"{space.path}: {gigabytes(space.free_bytes)}" for space in short))


def _open_files(machine: Machine) -> Answer | None:
    limit = machine.host.open_files
    if limit is None and "host.open_files" in machine.unknown:
        return cannot_tell(machine.unknown["host.open_files"])
    if limit is None or limit >= _ENOUGH_FILES:
        return fine()
    return warning(say("A process here may open {limit} files, and every stream of a load test is one.", limit=limit), paste("ulimit -n 65535"))


def _locked_memory(machine: Machine) -> Answer | None:
    limit = machine.host.locked_memory_bytes
    if limit is None or not (machine.has_npu or machine.has_gpu) or limit >= _ENOUGH_SHARED_BYTES:
        return None
    return note(say("A process here may lock {limit} of memory; transfers over RDMA between hosts need more.", limit=gigabytes(limit)),
                say("Set 'ulimit -l unlimited', for a container --ulimit memlock=-1"))


def _clock(machine: Machine) -> Answer | None:
    source = machine.host.clock_source
    if source is None:
        return cannot_tell(machine.unknown["host.clock_source"])
    if source in _STEADY_CLOCKS:
        return fine()
    if source in _VIRTUAL_CLOCKS:
        return note(say("The clock is the virtual machine's ({source}): it is steady, but intervals below a microsecond are not.", source=source))
    return warning(say("The kernel reads its clock from {source}: each reading takes microseconds and calls the kernel.", source=source),
                   say("Where the processor's counter is reliable: echo tsc | sudo tee "
                       "/sys/devices/system/clocksource/clocksource0/current_clocksource"))


def _numa(machine: Machine) -> Answer | None:
    if not machine.host.numa_balancing or (machine.host.numa_nodes or 1) < 2:
        return None
    return note(say("The kernel moves memory between NUMA nodes while programs run (numa_balancing): latencies get a tail."),
                paste("sudo sysctl kernel.numa_balancing=0"))


def _huge_pages(machine: Machine) -> Answer | None:
    pages = machine.host.huge_pages
    if pages in {None, "madvise"}:
        return None if pages is None else fine()
    return note(say("Transparent huge pages are '{setting}', which changes how fast a model on the CPU is: compare only runs with the same setting.",
                    setting=pages))


def _cpu_quota(machine: Machine) -> Answer | None:
    quota, cores = machine.host.quota_cores, machine.host.cores
    if quota is None or cores is None or quota >= cores:
        return None
    return warning(say("The control group grants {quota} cores' worth of time on {cores} cores: whoever uses it up is stopped for the rest of each "
                       "period, up to 0.1 s.", quota=significant(quota, 3), cores=cores),
                   say("Bind to whole cores instead of a quota: docker run --cpuset-cpus 0-{last}", last=max(0, int(quota) - 1)))


def _memory_limit(machine: Machine) -> Answer | None:
    limit, memory = machine.host.memory_limit_bytes, machine.host.memory_bytes
    if limit is None or memory is None or limit >= memory:
        return None
    return note(say("The control group allows {limit} of the host's {memory} of memory; an engine that sizes its cache by the host's is killed.",
                    limit=gigabytes(limit), memory=gigabytes(memory)))


def _shared_memory(machine: Machine) -> Answer | None:
    size = machine.host.shared_memory_bytes
    if size is None or not (machine.has_npu or machine.has_gpu or machine.wants_npu):
        return None
    if size >= _ENOUGH_SHARED_BYTES:
        return fine()
    return warning(say("Shared memory (/dev/shm) is {size}: engines of several processes and collective libraries fail with a bus error.",
                       size=gigabytes(size)),
                   say("Start the container with --shm-size=16g or --ipc=host."))


def _nvidia_driver(machine: Machine) -> Answer | None:
    if machine.nvidia.driver:
        return fine(say("NVIDIA driver {version}", version=machine.nvidia.driver))
    if "nvidia.driver" in machine.unknown:
        return cannot_tell(machine.unknown["nvidia.driver"])
    if not machine.nvidia.chips:
        return None
    if machine.host.container:
        return note(say("This container cannot see the host's NVIDIA devices."), say("Start it with --gpus all."))
    return problem(say("There is an NVIDIA device here but its driver is not loaded."), say("Install the driver, or restart after its installation."))


def _persistence(machine: Machine) -> Answer | None:
    if not machine.nvidia.nodes or not machine.nvidia.driver or machine.nvidia.persistence_daemon or machine.host.container:
        return None
    return note(say("No nvidia-persistenced is seen: without persistence the driver is loaded anew for each program, seconds in every first start."),
                paste("sudo nvidia-smi -pm 1"))


HOST: tuple[Rule, ...] = (
    Rule("nvidia-driver", say("the NVIDIA driver"), _nvidia_driver),
    Rule("nvidia-persistence", say("NVIDIA persistence"), _persistence),
    Rule("governor", say("governor"), _governor),
    Rule("load", say("load average"), _load),
    Rule("swap", say("swap"), _swap),
    Rule("disk", say("free space"), _disk),
    Rule("open-files", say("open files"), _open_files),
    Rule("locked-memory", say("locked memory"), _locked_memory),
    Rule("clock", say("clock"), _clock),
    Rule("numa-balancing", say("NUMA balancing"), _numa),
    Rule("huge-pages", say("huge pages"), _huge_pages),
    Rule("cpu-quota", say("CPU quota"), _cpu_quota),
    Rule("memory-limit", say("memory limit"), _memory_limit),
    Rule("shared-memory", say("shared memory"), _shared_memory),
)
