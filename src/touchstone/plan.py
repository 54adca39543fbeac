"""Everything a user may choose, validated at the edge: the plan (what is asked) and the target (of whom).

Plans are YAML files. An unknown key is an error that offers the nearest name; any of ``input_tokens``, ``output_tokens`` and
``batch_size`` may be a list, and then stands for one case per combination.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from touchstone.errors import DataError, UsageError, unknown_name
from touchstone.message import say

PLAN_SCHEMA: Literal[1] = 1
LOCK = "plan.yaml"
"""The name under which a run keeps its resolved plan."""
GRID_KEYS = ("batch_size", "input_tokens", "output_tokens")

Positive = Annotated[int, Field(ge=1)]


class Noun(BaseModel):
    """A frozen value from outside: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChatMessage(Noun):
    """One turn of a conversation, rendered with the model's own chat template."""

    role: Literal["system", "user", "assistant"]
    content: str


class SamplingChoice(Noun):
    """``temperature`` 0 is greedy."""

    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0)


class Case(Noun):
    """One shape of work: a prompt of exact length (or a conversation), an output length, a static batch.

    A case that does not stop at the end-of-sequence token measures speed: it must produce exactly ``output_tokens``.
    One that does stop measures what really comes out.
    """

    name: str
    title: dict[str, str] = {}
    input_tokens: Positive | None = None
    messages: tuple[ChatMessage, ...] | None = None
    output_tokens: Positive
    batch_size: Positive = 1
    stop_at_eos: bool = False
    sampling: SamplingChoice = SamplingChoice()

    @model_validator(mode="after")
    def _one_prompt(self) -> Case:
        if (self.input_tokens is None) == (self.messages is None):
            raise ValueError("give exactly one of input_tokens and messages")
        return self

    @property
    def speed(self) -> bool:
        """Whether the length of the output is forced."""
        return not self.stop_at_eos


class Verification(Noun):
    """Fixed prompts whose greedy text is shown, repeated and batched before anything is measured."""

    prompts: tuple[str, ...] = Field(min_length=1)
    output_tokens: Positive = 24


class Plan(Noun):
    """What to measure and how often.

    ``launches`` are processes, the unit of replication; ``trials`` are repetitions inside one of them. With ``half_width``
    a case goes on until its relative half-width is reached or ``max_trials`` is. ``warmup`` "auto" finds the count on a
    pilot and freezes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Literal[1] = Field(default=PLAN_SCHEMA, alias="schema")
    name: str
    description: dict[str, str] = {}
    cases: tuple[Case, ...] = ()
    launches: Positive = 1
    trials: Positive = 5
    half_width: float | None = Field(default=None, gt=0, lt=1)
    max_trials: Positive = 30
    warmup: Annotated[int, Field(ge=0)] | Literal["auto"] = 3
    order: Literal["interleaved", "sequential"] = "interleaved"
    seed: int = Field(default=0, ge=0)
    observer_pairs: int = Field(default=4, ge=0)
    verification: Verification | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Plan:
        if self.half_width is not None and self.max_trials < self.trials:
            raise ValueError(f"max_trials ({self.max_trials}) is below trials ({self.trials})")
        names = [case.name for case in self.cases]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"case names must differ; repeated: {', '.join(sorted(repeated))}")
        return self


_NOUNS = (Plan, Case, SamplingChoice, Verification, ChatMessage)


class EngineOptions(Noun):
    """Settings of an engine; an engine refuses those it does not have.

    ``graph`` turns the device graphs of a serving engine on or off (None: its own default). ``memory_fraction`` is the share of the
    device's memory that it may take. ``server_args`` go to a started server as they are. ``engine_python`` is the interpreter that has
    the engine, ``base_url`` the address of a server that is running already.
    """

    attention: str | None = None
    cache: Literal["dynamic", "static"] = "dynamic"
    compile: bool = False
    device_graph: bool = False
    threads: Positive | None = None
    trust_remote_code: bool = False
    tensor_parallel: Positive | None = None
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    graph: Literal["on", "off"] | None = None
    quantization: str | None = None
    max_sequence_tokens: Positive | None = None
    server_args: tuple[str, ...] = ()
    engine_python: str | None = None
    base_url: str | None = None
    start_timeout_s: float = Field(default=1800.0, gt=0)


def option_flag(setting: str) -> str:
    """A setting of :class:`EngineOptions` as it is written on the command line."""
    return "--" + {"server_args": "server-arg", "start_timeout_s": "start-timeout"}.get(setting, setting.replace("_", "-"))


class Target(Noun):
    """Who is measured. ``model`` is a directory, a GGUF file, or the name of a synthetic checkpoint."""

    engine: str
    device: str
    model: str
    dtype: str
    options: EngineOptions = EngineOptions()


def suite_names() -> tuple[str, ...]:
    """Names of the plans that come with the package."""
    plans = resources.files("touchstone.plans")
    return tuple(sorted(item.name.removesuffix(".yaml") for item in plans.iterdir() if item.name.endswith(".yaml")))


def load_plan(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Plan:
    """A packaged suite by name, or a plan file by path; ``overrides`` replace top-level keys.

    Raises :class:`UsageError` for an unknown suite, key or value; :class:`DataError` for a file that is not YAML.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return parse_plan(read_plan_text(path), str(path), overrides)
    if name_or_path not in suite_names():
        raise unknown_name(say("suite"), name_or_path, suite_names())
    text = resources.files("touchstone.plans").joinpath(f"{name_or_path}.yaml").read_text(encoding="utf-8")
    return parse_plan(text, name_or_path, overrides)


def read_plan_text(path: Path) -> str:
    """The text of a plan file. Raises :class:`DataError`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("The plan {path} cannot be read: {error}.", "See the packaged suites for examples: touchstone run --list", path=path,
                        error=getattr(error, "strerror", None) or error) from error


def parse_plan(text: str, source: str, overrides: Mapping[str, Any] | None = None) -> Plan:
    """A plan from YAML ``text``; ``source`` names it in errors. Raises as :func:`load_plan`."""
    content = plan_mapping(text, source)
    content = {**content, **(overrides or {})}
    if isinstance(content.get("cases"), list):
        content["cases"] = [one for case in content["cases"] for one in _expand(case)]
    content.setdefault("verification", _default_verification() if source != "verify" else None)
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        raise plan_error(error, source, _NOUNS) from error


def plan_mapping(text: str, source: str) -> dict[str, Any]:
    """The keys and values of a plan's YAML. Raises :class:`DataError` for any other text."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError("The plan {source} is not YAML: {error}.", "", source=source,
                        error=" ".join(str(error).split())) from error
    if not isinstance(content, dict):
        raise DataError("The plan {source} is not a mapping of keys to values.",
                        "See the packaged suites for examples: touchstone run --list", source=source)
    return content


def plan_text(plan: Mapping[str, Any]) -> str:
    """A resolved plan as YAML, to be run again."""
    return yaml.safe_dump(dict(plan), allow_unicode=True, sort_keys=False)


def _default_verification() -> object:
    text = resources.files("touchstone.plans").joinpath("verify.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["verification"]


def _expand(case: object) -> list[object]:
    """One case per combination of the listed values; each name gets the values that distinguish it."""
    axes = [key for key in GRID_KEYS if isinstance(case.get(key), list) and case[key]] if isinstance(case, dict) else []
    if not isinstance(case, dict) or not axes or not isinstance(case.get("name"), str):
        return [case]
    short = {"batch_size": "b", "input_tokens": "in", "output_tokens": "out"}
    expanded: list[object] = []
    for values in itertools.product(*(case[key] for key in axes)):
        suffix = "-".join(f"{short[key]}{value}" for key, value in zip(axes, values, strict=True))
        title = case.get("title") or {}
        if isinstance(title, dict):
            title = {language: f"{text} {suffix}" for language, text in title.items()}
        expanded.append({**case, **dict(zip(axes, values, strict=True)), "name": f"{case['name']}-{suffix}", "title": title})
    return expanded


def plan_error(error: ValidationError, source: str, nouns: Sequence[type[BaseModel]]) -> UsageError:
    """What is wrong with a plan made of ``nouns``, in one sentence; ``source`` names it. An unknown key gets the nearest known one."""
    # A misspelt key also leaves the right one missing; the misspelling is what the user can see.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"]) or "plan"
    if first["type"] == "extra_forbidden":
        known = sorted({field.alias or name for noun in nouns for name, field in noun.model_fields.items()})
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.5)
        if near:
            return UsageError("The plan {source} has an unknown key: {where}.", "Did you mean {nearest}?",
                              source=source, where=where, nearest=near[0])
        return UsageError("The plan {source} has an unknown key: {where}.", "Known: {known}.",
                          source=source, where=where, known=", ".join(known))
    return UsageError("The plan {source} does not hold together at {where}: {why}.", "",
                      source=source, where=where, why=first["msg"].removeprefix("Value error, ").rstrip("."))
