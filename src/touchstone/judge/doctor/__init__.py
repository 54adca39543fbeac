"""What is wrong with a machine: one table of rules over the facts that were read of it."""

from __future__ import annotations

from touchstone.diagnosis import Diagnosis, Severity
from touchstone.judge.doctor.ascend import ASCEND
from touchstone.judge.doctor.host import HOST
from touchstone.judge.doctor.rule import Rule
from touchstone.judge.doctor.software import SOFTWARE
from touchstone.judge.doctor.variables import VARIABLES
from touchstone.machine import Machine

RULES: tuple[Rule, ...] = (*ASCEND, *SOFTWARE, *VARIABLES, *HOST)
_ORDER = tuple(Severity)


def diagnose(machine: Machine) -> tuple[Diagnosis, ...]:
    """What every rule that applies says of ``machine``, gravest first."""
    found = [answer for rule in RULES if (answer := rule.diagnose(machine)) is not None]
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.severity)))
