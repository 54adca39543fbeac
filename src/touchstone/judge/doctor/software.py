"""Python packages: were they released for each other, and for the CANN and the driver that are here?"""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.judge.doctor.pairings import (
    base,
    cann_of,
    numbers,
    oldest_driver,
    paired,
    public,
    pythons_of,
    torch_npu_of,
    vllm_ascend_row,
)
from touchstone.judge.doctor.rule import Answer, Rule, cannot_tell, fine, note, paste, problem, warning
from touchstone.machine import Machine, Requirement
from touchstone.message import Message, say

_CHECKED_AT_IMPORT = frozenset({"transformers"})  # it refuses to be imported with a version outside its own ranges
_MOST = 8
_TORCH_CPU = "https://download.pytorch.org/whl/cpu"


def _torch_pair(machine: Machine) -> Answer | None:
    torch, torch_npu = machine.python.installed("torch"), machine.python.installed("torch-npu")
    if not torch_npu:
        return None
    if not torch:
        return problem(say("torch_npu {npu} is installed but torch is not.", npu=torch_npu), paste(f"pip install torch=={base(torch_npu)}"))
    if not numbers(torch) or not numbers(torch_npu):
        return cannot_tell(say("the version of torch or torch_npu is not a number"))
    if base(torch) == base(torch_npu):
        return fine(say("torch {torch} with torch_npu {npu}", torch=torch, npu=torch_npu))
    says = say("torch {torch} and torch_npu {npu} are not of the same version: loading libtorch_npu.so ends in 'undefined symbol'.",
               torch=torch, npu=torch_npu)
    cure = paste(f"pip install torch=={base(torch_npu)} --index-url {_TORCH_CPU}")
    # a patch release keeps the interface as a rule, a minor release never does
    return problem(says, cure) if numbers(torch)[:2] != numbers(torch_npu)[:2] else warning(says, cure)


def _npu_cann(machine: Machine) -> Answer | None:
    torch_npu, toolkit = machine.python.installed("torch-npu"), machine.ascend.toolkit
    if not torch_npu or not toolkit or not toolkit.version:
        return None
    if paired(torch_npu, toolkit.version):
        return fine()
    known, fitting = cann_of(torch_npu), torch_npu_of(toolkit.version)
    evidence = [f"torch_npu {public(torch_npu)}: CANN {', '.join(known)}"] if known else []
    evidence += [f"CANN {toolkit.version}: torch_npu {', '.join(fitting)}"] if fitting else []
    return note(say("torch_npu {npu} with CANN {cann} is not in our table of released pairs; other pairs often work.",
                    npu=torch_npu, cann=toolkit.version),
                say("If importing torch_npu fails or operators are missing, install a pair that was released together."), *evidence)


def _npu_python(machine: Machine) -> Answer | None:
    torch_npu, python = machine.python.installed("torch-npu"), ".".join(map(str, numbers(machine.python.version)[:2]))
    known = pythons_of(torch_npu) if torch_npu else ()
    if not known or not python:
        return None
    if python in known:
        return fine(say("Python {version} with torch_npu", version=python))
    return warning(say("torch_npu {npu} was not released for Python {python}, only for {known}.",
                       npu=torch_npu, python=python, known=", ".join(known)),
                   say("Make an environment with one of these versions of Python."))


def _vllm_ascend(machine: Machine) -> Answer | None:
    plugin, vllm = machine.python.installed("vllm-ascend"), machine.python.installed("vllm")
    if not plugin:
        return None
    if not vllm:
        return problem(say("vllm-ascend {version} is installed but vllm is not.", version=plugin), paste(f"pip install vllm=={base(plugin)}"))
    row = vllm_ascend_row(plugin)
    released_for = row["vllm"] if row else base(plugin)
    if base(vllm) != base(released_for):
        return problem(say("vllm-ascend {plugin} was released for vllm {released}, not for {vllm}.",
                           plugin=plugin, released=released_for, vllm=vllm), paste(f"pip install vllm=={released_for}"))
    if not row:
        return note(say("vllm-ascend {version} is not in our table, so its CANN and torch_npu were not compared.", version=plugin))
    return _vllm_parts(machine, plugin, row)


def _vllm_parts(machine: Machine, plugin: str, row: dict[str, str]) -> Answer:
    torch_npu, toolkit = machine.python.installed("torch-npu"), machine.ascend.toolkit
    other = []
    if torch_npu and public(torch_npu) != row["torch_npu"]:
        other.append(f"torch_npu {torch_npu} / {row['torch_npu']}")
    if toolkit and toolkit.version and toolkit.version.lower() != row["cann"].lower():
        other.append(f"CANN {toolkit.version} / {row['cann']}")
    if not other:
        return fine(say("vllm-ascend {version}", version=plugin))
    return note(say("vllm-ascend {version} was released with other versions of its parts (here / released with); other pairs often work.",
                    version=plugin), None, *other)


def _two_accelerators(machine: Machine) -> Answer | None:
    torch, cuda = machine.python.installed("torch"), machine.python.torch_cuda
    if not machine.python.installed("torch-npu") or not torch:
        return None
    if "python.torch_cuda" in machine.unknown:
        return cannot_tell(machine.unknown["python.torch_cuda"])
    if cuda is None:
        return None
    return problem(say("torch {torch} is built for CUDA {cuda} and stands beside torch_npu: importing both ends in ERR00007, two accelerators "
                       "at the same time.", torch=torch, cuda=cuda), paste(f"pip install torch=={base(torch)} --index-url {_TORCH_CPU}"))


def _requirements(machine: Machine) -> Answer | None:
    if not machine.python.packages:
        return None
    broken = _broken(machine)
    if broken is None:
        return cannot_tell(say("the package 'packaging' is not installed, so requirements of packages were not compared"), paste("pip install packaging"))
    lines = [f"{owner} requires {requirement.text}; installed: {requirement.installed}" for owner, requirement in broken[:_MOST]]
    if not lines:
        return fine()
    pins = " ".join(f"'{requirement.text.partition(';')[0].strip()}'" for _, requirement in broken[:_MOST])
    cure = paste(f"pip install {pins}") if len(broken) == 1 else say("Give each engine an environment of its own, or install versions that "
                                                                     "all of them accept; 'pip check' lists what is left.")
    fatal = any(owner.partition(" ")[0] in _CHECKED_AT_IMPORT for owner, _ in broken)
    return (problem if fatal else warning)(say("Installed packages break requirements of each other."), cure, *lines)


def _broken(machine: Machine) -> list[tuple[str, Requirement]] | None:
    """The requirements that an installed version does not meet, with their owners; torch_npu's torch has a rule of its own."""
    try:
        from packaging.requirements import InvalidRequirement
        from packaging.requirements import Requirement as Parsed
        from packaging.version import InvalidVersion, Version
    except ImportError:
        return None
    here = {"python_version": ".".join(map(str, numbers(machine.python.version)[:2])), "python_full_version": machine.python.version,
            "platform_machine": machine.host.architecture or "", "sys_platform": "linux", "platform_system": "Linux", "extra": ""}

    def violated(requirement: Requirement) -> bool:
        try:
            parsed = Parsed(requirement.text)
            applies = parsed.marker is None or parsed.marker.evaluate(here)
            return applies and not parsed.specifier.contains(Version(requirement.installed), prereleases=True)
        except (InvalidRequirement, InvalidVersion, ValueError, KeyError, RecursionError):
            return False  # metadata that pip itself could not read

    return [(owner, requirement) for owner, requirement in _stated(machine) if violated(requirement)]


def _stated(machine: Machine) -> Iterator[tuple[str, Requirement]]:
    for package in machine.python.packages.values():
        for requirement in package.requires:
            if (package.name, requirement.name) != ("torch-npu", "torch"):
                yield f"{package.name} {package.version}", requirement


def _numpy(machine: Machine) -> Answer | None:
    numpy, toolkit = machine.python.installed("numpy"), machine.ascend.toolkit
    release = numbers(toolkit.version) if toolkit and toolkit.version else ()
    if not numpy or not release or release >= (8, 3) or numbers(numpy) < (2,):
        return None
    return note(say("CANN {cann} was released with numpy 1: its Python tools may fail with numpy {numpy}.",
                    cann=toolkit.version if toolkit else None, numpy=numpy), paste("pip install 'numpy<2'"))


def _imports(machine: Machine) -> Answer | None:
    failed = [trial for trial in machine.imports if trial.succeeded is False]
    if failed:
        return problem(say("{modules} cannot be imported.", modules=", ".join(trial.module for trial in failed)),
                       _import_cure(" ".join(trial.error for trial in failed), machine),
                       *(f"{trial.module}: {trial.error}" for trial in failed))
    if any(trial.succeeded is None for trial in machine.imports):
        return cannot_tell(say("importing torch did not end in time"))
    return fine() if machine.imports else None


def _import_cure(error: str, machine: Machine) -> Message | None:
    toolkit = machine.ascend.toolkit
    if "undefined symbol" in error:
        return say("Two parts are not of the same release; install the versions that belong together.")
    if any(library in error for library in ("libhccl", "libascendcl", "libatb", "libascend_hal")):
        return paste(f"source {toolkit.set_env}") if toolkit and toolkit.set_env else say("Install CANN, or source its set_env.sh if it is here.")
    return None


def _cuda_driver(machine: Machine) -> Answer | None:
    driver, cuda = machine.nvidia.driver, machine.python.torch_cuda
    if not machine.has_gpu or not machine.python.installed("torch"):
        return None
    if "python.torch_cuda" in machine.unknown:
        return cannot_tell(machine.unknown["python.torch_cuda"])
    if cuda is None:
        return None if machine.has_npu else warning(say("There is an NVIDIA device here, but torch is built without CUDA."),
                                                    say("Install torch from pypi.org or from an index of PyTorch for CUDA."))
    return _driver_for(cuda, driver, machine) if driver else None  # whether there is a driver is a rule of its own


def _driver_for(cuda: str, driver: str, machine: Machine) -> Answer:
    oldest, major = oldest_driver(cuda), numbers(driver)[:1]
    if oldest is None or not major:
        return cannot_tell(say("our table does not know whether CUDA {cuda} runs on driver {driver}", cuda=cuda, driver=driver))
    if major[0] >= oldest or machine.nvidia.compatibility:
        return fine(say("driver with CUDA {cuda}", cuda=cuda))
    return problem(say("torch is built for CUDA {cuda}, which needs a driver from {oldest} on; here is {driver}.",
                       cuda=cuda, oldest=oldest, driver=driver), say("Install a newer driver, or a torch for an older CUDA."))


SOFTWARE: tuple[Rule, ...] = (
    Rule("torch-npu", say("torch with torch_npu"), _torch_pair),
    Rule("torch-npu-cann", say("torch_npu with CANN"), _npu_cann),
    Rule("torch-npu-python", say("Python with torch_npu"), _npu_python),
    Rule("two-accelerators", say("one accelerator for torch"), _two_accelerators),
    Rule("vllm-ascend", say("vllm-ascend with its parts"), _vllm_ascend),
    Rule("requirements", say("requirements of packages"), _requirements),
    Rule("numpy-cann", say("numpy with CANN"), _numpy),
    Rule("cuda-driver", say("driver with CUDA"), _cuda_driver),
    Rule("imports", say("imports"), _imports),
)
