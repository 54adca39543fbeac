"""Our results out, in the format of another tool. A format is a module with ``write``, and a row of ``EXPORTS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from touchstone.finding import Findings
from touchstone.judge.foreign.export import inferencex, llm_d, table, vllm_json
from touchstone.record import Run
from touchstone.served import LoadRun

Export = Callable[[Findings, "Run | LoadRun", Mapping[str, str]], str]
"""Takes what was found, the run it was found in, and what the user says of the target (hw, tp, …); gives the text of a file."""

EXPORTS: Mapping[str, Export] = {
    "vllm": vllm_json.write, "llm-d": llm_d.write, "inferencex": inferencex.write, "csv": table.write, "csv-requests": table.write_requests,
}
