"""From a plan to the files of one point: schedule, prompts and request bytes, all before the clock starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from touchstone.errors import UsageError
from touchstone.load_plan import Endpoint, Length, Load, LoadPlan, Workload
from touchstone.measure.load.body import ANY, Dialect, RequestFile, RequestTemplate, sampling_fields
from touchstone.measure.load.connection import Address
from touchstone.measure.load.datasets import Source, counted
from touchstone.measure.load.prompts import Prompter, Tokenizer, prompts
from touchstone.measure.load.schedule import Schedule, plan_schedule
from touchstone.measure.load.traces import Trace


@dataclass(frozen=True)
class Asking:
    """How requests are put to one server.

    ``template_tokens`` is what its chat template adds to every first turn, None if unknown. ``headers`` are the public ones of a user.
    """

    address: Address
    endpoint: Endpoint
    prompter: Prompter
    template_tokens: int | None
    dialect: Dialect = ANY
    tokenizer: Tokenizer | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Points:
    """Schedules and writes the points of ``plan``. The texts are shorter than the asked prompts by what the template adds."""

    def __init__(self, plan: LoadPlan, asking: Asking, source: Source | None) -> None:
        self._asking, self._added = asking, asking.template_tokens or 0
        self._workload = _shortened(plan.workload, self._added)
        self._source = self._measured(source)
        self._seed = plan.seed
        self._template = RequestTemplate(asking.address, asking.endpoint, asking.headers, sampling_fields(plan), asking.dialect)

    def _measured(self, source: Source | None) -> Source | None:
        """A trace whose texts leave room for the template; a dataset with the lengths of its texts, where somebody can count them."""
        if isinstance(source, Trace):
            return replace(source, input_tokens=np.maximum(1, source.input_tokens - self._added))
        return counted(source, self._asking.tokenizer) if source is not None and self._asking.tokenizer is not None else source

    def schedule(self, load: Load, count: int | None, duration_s: float | None, repeat: int) -> Schedule:
        """Every ``repeat`` of a load has arrivals and lengths of its own, the same in every run of the plan."""
        return plan_schedule(self._workload, load, count, duration_s, f"{self._seed}/{repeat}", source=self._source)

    def write(self, directory: Path, schedule: Schedule, key: str, processes: int) -> None:
        """Write the requests of ``schedule`` for ``processes`` clients; ``key`` names run, case and repeat and starts every request's id.

        Headers that a user gives may hold secrets: they are put in while the load runs and are never in these files.
        """
        directory.mkdir(parents=True, exist_ok=True)
        later_turn = schedule.turn > 0  # what the template adds to a whole conversation is not known
        whole = np.ma.MaskedArray(schedule.input_tokens + self._added, np.ma.getmaskarray(schedule.input_tokens) | later_turn)
        RequestFile(directory, processes).write(replace(schedule, input_tokens=whole), self._requests(schedule, key))

    def _requests(self, schedule: Schedule, key: str) -> Iterator[bytes]:
        unlimited = np.ma.getmaskarray(schedule.output_tokens)
        for row, messages in enumerate(prompts(schedule, self._workload, self._asking.prompter, key, self._source)):
            yield self._template.render(f"{key}-{row}", messages, None if unlimited[row] else int(schedule.output_tokens.data[row]))


def _shortened(workload: Workload, added: int) -> Workload:
    """The workload whose texts, with ``added`` tokens of template, have the asked lengths. Raises :class:`UsageError`."""
    length = workload.input_len
    if length is None or not added:
        return workload
    if length.mean <= added or (length.high is not None and length.high <= added):
        raise UsageError("A prompt of {tokens} tokens is shorter than what the chat template adds ({added}).",
                         "Raise --input-len, or use plain completions: --backend openai", tokens=round(length.mean), added=added)
    shorter: Mapping[str, object] = {"mean": length.mean - added, "low": max(1, length.low - added),
                                     "high": None if length.high is None else length.high - added}
    return workload.model_copy(update={"input_len": Length.model_validate({**length.model_dump(), **shorter})})
