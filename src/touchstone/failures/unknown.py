"""Errors that no row knows: what their form alone tells, and nothing beyond it.

The forms are documented: torch_npu's "Error Code" pages (ERR, module, kind), CANN's error code reference (level, module, number;
from 9000 on internal), the table of aclError (the first digit), MindIE's error code reference (component, level, number).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from touchstone.message import Message, say

_NOT_DOCUMENTED = say("not documented")
_TORCH_NPU_MODULES: Mapping[str, str] = {"00": "PTA", "01": "OPS", "02": "DIST", "04": "PROF"}
_TORCH_NPU_KINDS: Mapping[str, Message] = {
    "001": say("invalid parameter"), "002": say("invalid type"), "005": say("internal error"), "007": say("not supported"),
    "100": say("a call of ACL failed"), "200": say("a call of HCCL failed"), "999": say("an exception of the application")}
_CANN_MODULES: Mapping[str, str] = {
    "1": "GE", "2": "FE", "3": "AI CPU", "4": "TE Fusion", "7": "Vector operator plugin",
    "8": "Vector operator", "B": "TBE pass compilation",
    "C": "Auto Tune", "D": "RLTune", "E": "Runtime", "F": "LxFusion, AutoDeploy", "G": "AOE", "H": "ACL", "I": "HCCL", "J": "HCCP",
    "K": "Profiling", "L": "Driver", "M": "Queue Schedule", "N": "DVPP", "O": "AMCT", "P": "Dump", "Z": "operators"}
_ACL_CLASSES: Mapping[str, Message] = {
    "1": say("a mistake of the program or its environment"), "2": say("a resource is not enough, or not of this device"),
    "3": say("the state of a service"), "5": say("an internal error of software or hardware")}
_MINDIE_COMPONENTS: Mapping[str, str] = {
    "00": "MindIE Cert", "01": "MindIE Benchmark", "02": "MindIE Client", "03": "MindIE MS", "04": "MindIE Server",
    "05": "MindIE LLM", "06": "MindIE SD", "07": "MindIE RT", "08": "MindIE Torch"}


@dataclass(frozen=True)
class Unknown:
    """An error by its ``name`` (an exception's class, a code), where in the line it ``begins``, and what its form tells, if anything."""

    name: str
    begins: int
    about: Message | None


_EXCEPTION = re.compile(r"(?<![\w.'\"`])((?:[A-Za-z_]\w{0,60}\.){0,8}(?:[A-Z]\w{0,60})?(?:Error|Exception))(?:: (?=\S)|$)")
_BARE = {"Error"}  # "Error: …" opens many a harmless sentence


def unknown_in(line: str) -> Unknown | None:
    """The error that ``line`` (without colours and its end) looks like, or None."""
    for clue, pattern, about in _FORMS:
        match = pattern.search(line) if clue in line else None
        if match:
            return Unknown(match.group(1), match.start(), about(match.group(1)))
    match = _EXCEPTION.search(line) if "Error" in line or "Exception" in line else None
    if match and match.group(1) not in _BARE and not line[:match.start()].rstrip().endswith(("except", "raise", "import")):
        return Unknown(match.group(1), match.start(), None)
    return None


def _torch_npu(code: str) -> Message:
    module, kind = _TORCH_NPU_MODULES.get(code[3:5]), _TORCH_NPU_KINDS.get(code[5:])
    return say("a code of torch_npu: module {module}, kind {kind}", module=module or _NOT_DOCUMENTED, kind=kind or _NOT_DOCUMENTED)


def _cann(code: str) -> Message:
    template = say("a code of CANN's module {module}, internal", module=_CANN_MODULES[code[1]])
    return template if code[2] == "9" else say("a code of CANN's module {module}", module=_CANN_MODULES[code[1]])


def _acl(code: str) -> Message | None:
    kind = _ACL_CLASSES.get(code[0])
    return say("a return code of the Ascend runtime: {kind}", kind=kind) if kind else None


def _mindie(code: str) -> Message:
    return say("a code of MindIE's component {component}", component=_MINDIE_COMPONENTS.get(code[3:5]) or _NOT_DOCUMENTED)


def _uncaught(_name: str) -> Message:
    return say("an exception of C++ that nothing caught: the process ended with it; what it says of itself is on the next line")


_FORMS: tuple[tuple[str, re.Pattern[str], Callable[[str], Message | None]], ...] = (
    ("terminate called", re.compile(r"terminate called after throwing an instance of '([\w:]{1,120})"), _uncaught),
    ("MIE", re.compile(r"\b(MIE\d{2}E[0-9A-F]{6})\b"), _mindie),
    ("error code", re.compile(r"error code(?: is)?:? ?(\d{6})(?!\d)"), _acl),
    ("runtime result = ", re.compile(r"runtime result = (\d{6})(?!\d)"), _acl),
    ("ERR", re.compile(r"\b(ERR\d{5})\b"), _torch_npu),
    ("E", re.compile(rf"\b(E[{''.join(_CANN_MODULES)}]\d{{4}})(?=\)?:|\[PID)"), _cann),
)
