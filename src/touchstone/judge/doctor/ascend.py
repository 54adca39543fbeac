"""Ascend's devices, driver, firmware, CANN and NNAL: are they there, whole, loaded, and do they name each other?"""

from __future__ import annotations

from touchstone.judge.doctor.pairings import driver_listed, numbers
from touchstone.judge.doctor.rule import Answer, Rule, cannot_tell, fine, note, paste, problem, warning
from touchstone.machine import CONTROL_NODES, Machine, Release, Toolkit
from touchstone.message import Message, say

_MOST_NODES = 8


def _driver(machine: Machine) -> Answer | None:
    ascend = machine.ascend
    if ascend.driver:
        return fine(say("driver {version}", version=ascend.driver.version))
    if not (machine.has_npu or machine.wants_npu):
        return None
    if machine.host.container:
        return cannot_tell(say("the driver's version.info is not in this container"),
                           say("Mount /usr/local/Ascend/driver/version.info into the container."))
    if "ascend.driver" in machine.unknown:
        return cannot_tell(machine.unknown["ascend.driver"])
    if machine.has_npu:
        return problem(say("There is an Ascend device here but no driver in /usr/local/Ascend/driver."),
                       say("Install the Ascend HDK (driver, then firmware) of this machine from hiascend.com, and restart it."))
    return note(say("CANN or torch_npu is installed, but there is neither an Ascend device nor a driver here."),
                say("Measure with --device cpu here, or run this where the device is."))


def _install(machine: Machine) -> Answer | None:
    status = machine.ascend.install_status
    if machine.host.container or not machine.ascend.driver:
        return None  # npu-smi asks this outside containers only
    if status == "complete":
        return fine()
    if status is None and "ascend.install_status" in machine.unknown:
        return cannot_tell(machine.unknown["ascend.install_status"])
    reinstall = say("Install the driver again; npu-smi says the same at the end of 'npu-smi info'.")
    if status is None:
        return note(say("/etc/ascend_install.info does not say that the driver's installation was completed; old drivers never do."), reinstall)
    return warning(say("The driver's installation was not completed."), reinstall, f"Driver_Install_Status={status}")


def _firmware(machine: Machine) -> Answer | None:
    driver, firmware = machine.ascend.driver, machine.ascend.firmware
    if machine.host.container or not driver:
        return None
    if not firmware:
        return cannot_tell(machine.unknown.get("ascend.firmware", say("no firmware in /usr/local/Ascend/firmware says its version")))
    if _in_ranges(firmware, driver) or _has_prefix(driver, firmware):
        return fine(say("firmware {version}", version=firmware.version))
    if not driver.firmware_ranges:  # a firmware cannot know later drivers, so its silence says nothing
        return cannot_tell(say("the driver does not name the firmware it goes with"))
    return warning(say("Driver {driver} and firmware {firmware} do not name each other as compatible.",
                       driver=driver.version, firmware=firmware.version),
                   say("Install driver and firmware of one release of the Ascend HDK."),
                   *(f"compatible_version_fw=[{low},{high}]" for low, high in driver.firmware_ranges[:4]))


def _in_ranges(firmware: Release, driver: Release) -> bool:
    """The first three numbers count: firmware 7.7.0.1.231 lies in [7.0.0,7.7.99]."""
    version = numbers(firmware.version)[:3]
    return any(numbers(low) <= version <= numbers(high) for low, high in driver.firmware_ranges)


def _has_prefix(driver: Release, firmware: Release) -> bool:
    return any(driver.version.lower().startswith(prefix.lower()) for prefix in firmware.driver_prefixes)


def _cann(machine: Machine) -> Answer | None:
    ascend, torch_npu = machine.ascend, machine.python.installed("torch-npu")
    if ascend.toolkit and ascend.toolkit.version:
        return fine(say("CANN {version}", version=ascend.toolkit.version))
    if ascend.toolkit:
        return cannot_tell(machine.unknown["ascend.toolkit.version"])
    if torch_npu and (numbers(torch_npu) < (2, 5) or machine.variables.get("TORCH_DEVICE_BACKEND_AUTOLOAD") == "0"):
        return problem(say("torch_npu {version} is installed but CANN is not: importing torch_npu fails.", version=torch_npu), _INSTALL_CANN)
    if torch_npu:  # since 2.5 torch imports it by itself
        return problem(say("torch_npu {version} is installed but CANN is not: even 'import torch' fails (libhccl.so).", version=torch_npu),
                       say("Install CANN from hiascend.com, or to use torch without the device: export TORCH_DEVICE_BACKEND_AUTOLOAD=0"))
    return note(say("There is an Ascend device here but no CANN: nothing can run on it."), _INSTALL_CANN) if machine.has_npu else None


_INSTALL_CANN = say("Install CANN (toolkit and the ops package of this chip) from hiascend.com, or use an image that has it.")


def _links(machine: Machine) -> Answer | None:
    if not machine.ascend.broken_links:
        return None
    return problem(say("Links of an Ascend installation lead nowhere."),
                   say("Let them point to a version that is there (ln -sfn VERSION LINK), or install that version again."),
                   *machine.ascend.broken_links)


def _sourced(machine: Machine) -> Answer | None:
    ascend = machine.ascend
    if ascend.lost_home:
        return problem(say("ASCEND_HOME_PATH names a folder that is not there."), _source(ascend.toolkit), f"ASCEND_HOME_PATH={ascend.lost_home}")
    if not ascend.toolkit:
        return None
    home = "ASCEND_HOME_PATH" in machine.variables
    if home and "libhccl.so" in ascend.libraries:
        return fine()
    missing = [text for lacks, text in ((not home, "ASCEND_HOME_PATH is not set"),
                                        ("libhccl.so" not in ascend.libraries, "libhccl.so is not in LD_LIBRARY_PATH")) if lacks]
    answer = problem if machine.has_npu or machine.python.installed("torch-npu") else warning
    return answer(say("CANN is installed but its environment is not loaded: engines do not find its libraries."),
                  _source(ascend.toolkit), *missing)


def _source(toolkit: Toolkit | None) -> Message:
    if toolkit and toolkit.set_env:
        return paste(f"source {toolkit.set_env}")
    return say("Source the set_env.sh of your CANN.")


def _nnal(machine: Machine) -> Answer | None:
    ascend, vllm = machine.ascend, machine.python.installed("vllm-ascend")
    if not ascend.nnal:
        return problem(say("vllm-ascend is installed but NNAL is not: loading libatb.so fails."),
                       say("Install the Ascend-cann-nnal package of your CANN's version.")) if vllm else None
    if "libatb.so" not in ascend.libraries:
        says = say("NNAL (ATB) is installed but its environment is not loaded: libatb.so is not found.")
        return (problem if vllm else warning)(says, _source(ascend.nnal))
    if not ascend.nnal.version or not ascend.toolkit or not ascend.toolkit.version:
        return cannot_tell(say("the version of NNAL or of CANN is not said, so whether they match"))
    if ascend.nnal.version.lower() != ascend.toolkit.version.lower():
        return warning(say("NNAL {nnal} is not of the same release as CANN {cann}: an 'undefined symbol' in libatb.so or libtbe_adapter.so comes "
                           "from this.", nnal=ascend.nnal.version, cann=ascend.toolkit.version),
                       say("Install the Ascend-cann-nnal package of your CANN's version."))
    return fine(say("NNAL {version}", version=ascend.nnal.version))


def _nodes(machine: Machine) -> Answer | None:
    ascend = machine.ascend
    if not ascend.nodes:
        return _no_nodes(machine)
    absent = [name for name in CONTROL_NODES if name not in ascend.control_nodes]
    if absent:
        return problem(say("Nodes that every program on an NPU opens are missing in /dev."),
                       _in_container(absent) if machine.host.container else _LOAD_DRIVER, *absent)
    if ascend.closed_nodes:
        return problem(say("This user may not open the device nodes."),
                       say("Join the group that owns them (usually HwHiAiUser), or start the container with more rights: "
                           "sudo usermod -aG HwHiAiUser $USER"), *ascend.closed_nodes[:_MOST_NODES])
    return fine(say("{count} NPU nodes", count=len(ascend.nodes)))


def _no_nodes(machine: Machine) -> Answer | None:
    if machine.host.container and (machine.wants_npu or machine.ascend.chips):
        answer = problem if machine.wants_npu else note
        return answer(say("No Ascend device is visible in this container: there is no /dev/davinci0."), _in_container(["davinci0", *CONTROL_NODES]))
    if not machine.host.container and (machine.ascend.chips or machine.ascend.driver):
        return problem(say("There is an Ascend device or driver here, but no /dev/davinci0: the driver is not loaded."), _LOAD_DRIVER)
    return None


_LOAD_DRIVER = say("Restart the machine, or install the driver again; 'dmesg | grep -i davinci' says why it was not loaded.")


def _in_container(names: list[str]) -> Message:
    return say("Start the container with {options} and with the folders /usr/local/Ascend/driver and /usr/local/dcmi mounted.",
               options=" ".join(f"--device /dev/{name}" for name in names))


def _driver_cann(machine: Machine) -> Answer | None:
    driver, toolkit = machine.ascend.driver, machine.ascend.toolkit
    if not driver or not toolkit or not toolkit.version:
        return None
    if _declared(driver.inner, toolkit.inner_versions) or _declared(toolkit.inner, driver.inner_versions):
        return fine()
    if driver_listed(driver.version, toolkit.version):
        return fine()
    return note(say("Neither driver {driver} nor CANN {cann} names the other as compatible; such pairs often work.",
                    driver=driver.version, cann=toolkit.version),
                say("If starting a device fails (ERR00100, 507033), install the driver that CANN's release notes name."))


def _declared(inner: str | None, others: tuple[str, ...]) -> bool:
    """An inner version is ``V100R001C20SPC001B251``; lists name it up to its C number."""
    return inner is not None and any(inner.startswith(other) and not inner[len(other):][:1].isdigit() for other in others)


ASCEND: tuple[Rule, ...] = (
    Rule("ascend-nodes", say("the nodes of Ascend devices"), _nodes),
    Rule("ascend-driver", say("the Ascend driver"), _driver),
    Rule("ascend-install", say("the driver's installation"), _install),
    Rule("ascend-firmware", say("firmware with driver"), _firmware),
    Rule("cann", say("CANN"), _cann),
    Rule("cann-links", say("links of installations"), _links),
    Rule("cann-loaded", say("the environment of CANN"), _sourced),
    Rule("nnal", say("NNAL with CANN"), _nnal),
    Rule("driver-cann", say("driver with CANN"), _driver_cann),
)
