"""The table of the rules of method for scripts. A rule is a row."""

from __future__ import annotations

from touchstone.judge.lint.rules.clocks import CLOCKS
from touchstone.judge.lint.rules.counts import COUNTS
from touchstone.judge.lint.rules.prompts import PROMPTS
from touchstone.judge.lint.rules.reporting import REPORTING
from touchstone.judge.lint.rules.rule import Rule
from touchstone.judge.lint.rules.running import RUNNING
from touchstone.judge.lint.rules.samples import SAMPLES

RULES: tuple[Rule, ...] = tuple(sorted((*PROMPTS, *CLOCKS, *COUNTS, *SAMPLES, *RUNNING, *REPORTING), key=lambda rule: int(rule.id[2:])))
