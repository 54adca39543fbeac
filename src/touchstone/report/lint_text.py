"""The faces of ``lint``: a line per mistake with its cure below, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from touchstone.message import Translate
from touchstone.mistake import Mistake
from touchstone.report.table import plain, shortened

SCHEMA = 1
_SHOWN = 160


def to_text(found: Mapping[str, Sequence[Mistake]], rules: int, translate: Translate) -> str:
    """The mistakes of every file, and how many they are; ``rules`` is how many rules were asked."""
    lines = []
    for name, mistakes in found.items():
        for mistake in mistakes:
            lines += [f"{plain(name)}:{mistake.line}: {mistake.rule} {plain(mistake.message.render(translate))}",
                      f"    | {shortened(mistake.text.strip(), _SHOWN)}",
                      "    = " + plain(mistake.cure.render(translate))]
    count = sum(map(len, found.values()))
    lines.append(translate("mistakes of method found: {count} ({rules} rules)").format(count=count, rules=rules) if count
                 else translate("no mistakes of method found ({rules} rules; they are silent on what they cannot see)").format(rules=rules))
    return "\n".join(lines)


def to_json(found: Mapping[str, Sequence[Mistake]], rules: int, translate: Translate) -> str:
    """The mistakes as one JSON object."""
    return json.dumps({"schema": SCHEMA, "rules": rules, "files": [
        {"name": name, "mistakes": [{
            "rule": mistake.rule, "line": mistake.line, "column": mistake.column, "message": mistake.message.render(translate),
            "cure": mistake.cure.render(translate), "text": shortened(mistake.text.strip(), _SHOWN)} for mistake in mistakes]}
        for name, mistakes in found.items()]}, ensure_ascii=False, indent=1)


LINT_FACES: Mapping[str, Callable[[Mapping[str, Sequence[Mistake]], int, Translate], str]] = {"text": to_text, "json": to_json}
