"""Rules of physics: what the chip's memory and arithmetic allow at most, and what has to fit into its memory.

Each rule takes the generous end of every figure: the chip's highest bandwidth and arithmetic, KV values of one byte, the largest
batch that the row allows, and the widest reading of what was printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from touchstone.claim import Figure
from touchstone.finding import Judgement
from touchstone.hardware import Chip
from touchstone.judge.audit.rules.boxes import span
from touchstone.judge.audit.rules.readings import TEMPLATE_TOKENS
from touchstone.judge.audit.rules.row import ClaimRule, Row, Ruling
from touchstone.judge.audit.rules.shown import Shown, ShownBytes
from touchstone.judge.limits.costs import Costs, cache_bytes
from touchstone.message import Message, say
from touchstone.simulate.precision import find_precision
from touchstone.units import BYTES_PER_GB, BYTES_PER_GIB

CLOSE = 0.85
"""Share of the generous bound from which a number is suspect: the best of 694 published serving points reaches 79 %, and gpt-fast's
authors take 83 % of an A100's bandwidth for the real ceiling."""


def known(row: Row) -> tuple[Costs, Chip] | None:
    """The model and the chip, where a verdict may rest on both."""
    costs, chip = row.setting.costs, row.setting.chip
    return (costs, chip) if costs is not None and chip is not None and chip.certain else None


def unknown(row: Row) -> Message | None:
    """Why physics cannot judge the row; None if it can."""
    if row.setting.unknown is not None:
        return row.setting.unknown
    if row.setting.costs is None:
        return say("the model is not known: give --model a name or a config.json")
    if row.setting.chip is None:
        return say("the hardware is not known: give --hardware")
    if not row.setting.chip.certain:
        return say("the figures of {chip} are guesses (grade {grade}), and no verdict rests on those", chip=row.setting.chip.name,
                   grade=row.setting.chip.grade)
    return None


_EXCUSES: Mapping[str, Message] = {"dtype": say("quantised weights"), "devices": say("several devices"),
                                   "accepted_tokens": say("speculative decoding"), "cached_prefix": say("a cached prefix")}
_OF_A_STEP, _OF_A_PROMPT, _OF_SIZE = ("dtype", "devices", "accepted_tokens"), ("dtype", "devices", "cached_prefix"), ("dtype", "devices")


def excused(row: Row, finding: Message, excuses: Sequence[str]) -> Message:
    """``finding`` with what would excuse it and has not been ruled out: never a bare accusation."""
    open_ = [_EXCUSES[name] for name in excuses if name not in row.setting.stated]
    if not open_:
        return finding
    joined = open_[0]
    for excuse in open_[1:]:
        joined = say("{first}, {second}", first=joined, second=excuse)
    return say("{finding} (not stated, and would excuse it: {excuses})", finding=finding, excuses=joined)


def peak_operations(chip: Chip, dtype: str | None) -> float:
    """The most operations per second with weights of ``dtype``; of narrow ones what 16 bits do times the ratio of the widths, or the label."""
    precision = find_precision(dtype) if dtype else None
    bits = precision.linear if precision else 16
    if bits > 8:
        return chip.flops_hard
    return max(chip.flops_hard * 16 / max(bits, 4), chip.int8_ops or 0.0, chip.fp8_flops or 0.0)


def _judged(row: Row, observed: Figure, floor: float, finding: Message, excuses: Sequence[str], *, sure: bool = True) -> Ruling:
    """A time against the least time that it can take."""
    if observed.high < floor and not sure:
        return Ruling(Judgement.SUSPECT, excused(row, say("{finding}; it may count input tokens too", finding=finding), excuses), observed, floor, "s")
    if observed.high < floor:
        return Ruling(Judgement.IMPOSSIBLE, excused(row, finding, excuses), observed, floor, "s")
    if observed.value * CLOSE < floor:
        return Ruling(Judgement.SUSPECT, say("{finding}: nobody is known to come so close to the bound", finding=finding), observed, floor, "s")
    return Ruling(Judgement.PASS, finding, observed, floor, "s")


USABLE = 0.9
"""Share of the memory that weights and KV values fill at most: what vLLM and SGLang take by default."""


def step_floor(row: Row, costs: Costs, chip: Chip, batch: float) -> float:
    """Seconds that a decoding step of ``batch`` sequences takes at least: its weights and KV values have to be read once."""
    weights = costs.read_bytes
    output, prompt = row.count("output_tokens"), row.count("input_tokens")
    cache = cache_bytes(costs, batch, prompt.value if prompt else 0.0, output.value if output else 0.0)
    if chip.memory_bytes is not None:
        cache = min(cache, max(row.setting.devices * chip.memory_bytes * USABLE - weights, 0.0))
    return (weights + cache) / (chip.bandwidth_hard * row.setting.devices)


class Step(NamedTuple):
    """The duration of a decoding step by the figure ``name``, in seconds, with ``batch`` sequences in it at least.

    It is not ``sure`` where the figure may count input tokens too.
    """

    name: Message
    seconds: Figure
    batch: float
    sure: bool = True


def _steps(row: Row) -> Iterator[Step]:
    """A step by each figure that implies one: of the model, so of several tokens where it speculates.

    Under load fewer than the concurrency may be decoding at a time, so a single request's speed only says that one was. A throughput
    is different: with fewer in a step, the step would have to be shorter still.
    """
    accepted, output, batch = row.setting.accepted_tokens, row.count("output_tokens"), row.batch
    size = batch.value if batch and row.static else 1.0
    if tpot := row.find("tpot"):
        yield Step(say("TPOT"), span(lambda time: time * accepted, tpot[0]), size)
    if speed := row.find("decode_speed"):
        yield Step(say("decode speed"), span(lambda one: accepted / one, speed[0]), size)
    if row.static and output and (latency := row.find("e2e")):
        yield Step(say("latency"), span(lambda time, n: time / n * accepted, latency[0], output), size)
    if batch and (throughput := row.find("output_throughput")):
        share, sure = output_share(row)
        yield Step(say("throughput"), span(lambda total, many: many / (total * share) * accepted, throughput[0], batch), batch.value, sure)
    if user := row.find("user_throughput"):
        yield Step(say("speed of one user"), span(lambda one: accepted / one, user[0]), size)


def output_share(row: Row) -> tuple[float, bool]:
    """The least share of a throughput that is output tokens, and whether that is certain.

    One that does not say which tokens it counts, and by which nothing else adds up, may count the input too.
    """
    if "throughput" not in row.claim.figures or row.reading.sure:
        return 1.0, True
    prompt, output = row.count("input_tokens"), row.count("output_tokens")
    return (output.value / (prompt.value + output.value), True) if prompt and output else (1.0, False)


def _weights_are_read(row: Row) -> Iterator[Ruling]:
    found, reason, steps = known(row), unknown(row), list(_steps(row))
    if not steps:
        return
    if found is None:
        yield Ruling(Judgement.CANNOT_TELL, reason or say("the hardware is not known: give --hardware"))
        return
    costs, chip = found
    if not _fits(row, costs, chip):
        yield Ruling(Judgement.CANNOT_TELL, say("the weights do not fit into {chip}, so more devices took part: give --devices", chip=devices(row, chip)))
        return
    floors = [step_floor(row, costs, chip, step.batch) for step in steps]
    floor, step = max(zip(floors, steps, strict=True), key=lambda pair: pair[0] / pair[1].seconds.high)
    bandwidth = chip.bandwidth_hard * row.setting.devices
    yield _judged(row, step.seconds, floor, say(
        "a step of {step} ms by its {name} has to read {needed} TB/s; {chip} gives at most {bound}", name=step.name,
        step=Shown(1e3 * step.seconds.value, 3), needed=Shown(floor * bandwidth / step.seconds.value / 1e12, 3),
        chip=devices(row, chip), bound=Shown(bandwidth / 1e12, 3)), _OF_A_STEP, sure=step.sure)


def devices(row: Row, chip: Chip) -> str:
    """The chips of the row, with their number where there are several."""
    return chip.name if row.setting.devices == 1 else f"{row.setting.devices} x {chip.name}"


def _fits(row: Row, costs: Costs, chip: Chip) -> bool:
    """Whether the devices assumed can hold the model; where they were stated they are taken at their word."""
    return "devices" in row.setting.stated or chip.memory_bytes is None or costs.weight_bytes <= chip.memory_bytes * row.setting.devices


def _operations(row: Row, costs: Costs) -> Iterator[tuple[str, float, Sequence[str]]]:
    """Operations per token of each throughput that the row may have, and what would excuse too many of them."""
    yield "output_throughput", costs.token_flops, _OF_SIZE
    prompt, output = row.count("input_tokens"), row.count("output_tokens")
    if prompt is None or row.setting.cached_prefix:
        return
    work = costs.prompt_flops(prompt.value)
    yield "prompt_throughput", work / prompt.value, _OF_A_PROMPT
    if output is not None:
        yield "total_throughput", (work + output.value * costs.token_flops) / (prompt.value + output.value), _OF_A_PROMPT


def _arithmetic(row: Row) -> Iterator[Ruling]:
    """A token takes two operations per active parameter, whatever else it takes."""
    found = known(row)
    if found is None or not _fits(row, *found) or not found[0].token_flops:
        return
    costs, chip = found
    peak = peak_operations(chip, row.setting.dtype) * row.setting.devices
    for name, each, excuses in _operations(row, costs):
        rate = row.find(name)
        if rate is None:
            continue
        work = Figure(rate[0].value * each, rate[0].low * each, rate[0].high * each)
        finding = say("{rate} tokens/s are {work} TFLOPS; {chip} does at most {peak}", rate=Shown(rate[0].value),
                      work=Shown(work.value / 1e12, 3), chip=devices(row, chip), peak=Shown(peak / 1e12, 3))
        yield Ruling(Judgement.IMPOSSIBLE, excused(row, finding, excuses), work, peak, "FLOP/s") if work.low > peak else \
            Ruling(Judgement.PASS, finding, work, peak, "FLOP/s")


def _first_token(row: Row) -> Iterator[Ruling]:
    """Prefill takes its arithmetic, and one reading of the weights. Prompts of a batch may run one after another: on average half of them."""
    found, ttft, prompt = known(row), row.find("ttft"), row.count("input_tokens")
    if found is None or ttft is None or not _fits(row, *found):
        return
    costs, chip = found
    batch = row.count("batch_size")
    size = (batch.value + 1) / 2 if batch and row.static else 1.0
    work = 0.0
    if prompt and row.setting.cached_prefix is not True:
        work = size * costs.prompt_flops(prompt.low)
    by_work = work / (peak_operations(chip, row.setting.dtype) * row.setting.devices)
    by_memory = costs.read_bytes / (chip.bandwidth_hard * row.setting.devices)
    floor = max(by_work, by_memory)
    finding = say("a first token after {printed} ms; {chip} needs at least {floor} ms for it", chip=devices(row, chip),
                  floor=Shown(1e3 * floor, 3), printed=Shown(1e3 * ttft[0].value))
    yield _judged(row, ttft[0], floor, finding, _OF_A_PROMPT if by_work > by_memory else _OF_SIZE)


def _resident(row: Row) -> Iterator[Ruling]:
    """What has to lie in memory at the peak: the weights, and the KV values of every sequence of a batch to its end."""
    costs = row.setting.costs
    for name in ("peak_memory", "weight_memory"):
        memory = row.find(name)
        if memory is None:
            continue
        if costs is None:
            yield Ruling(Judgement.CANNOT_TELL, unknown(row) or say("the model is not known: give --model a name or a config.json"))
            return
        needed = costs.weight_bytes / row.setting.devices
        if name == "peak_memory" and row.static and (size := row.count("batch_size")) and (output := row.count("output_tokens")):
            prompt = row.count("input_tokens")
            needed += size.value * costs.kv_bytes((prompt.value if prompt else 0) + output.value - 1) / row.setting.devices
        yield _memory_ruling(row, memory[0], needed)


def _memory_ruling(row: Row, memory: Figure, needed: float) -> Ruling:
    message = say("{printed} in memory; weights and KV values alone are {needed}", printed=ShownBytes(memory.value), needed=ShownBytes(needed))
    if memory.high >= needed:
        return Ruling(Judgement.PASS, message, memory, needed, "B")
    as_gib = memory.high * BYTES_PER_GIB / BYTES_PER_GB >= needed and not _in_binary_units(memory)
    if as_gib and row.setting.gigabyte_bytes != BYTES_PER_GB:
        return Ruling(Judgement.SUSPECT, say("{finding}: it fits only if GB means GiB", finding=message), memory, needed, "B")
    if as_gib:
        return Ruling(Judgement.IMPOSSIBLE, say("{finding}: as labelled it cannot be; it would fit if GB meant GiB, or if a smaller model ran",
                                                finding=message), memory, needed, "B")
    return Ruling(Judgement.IMPOSSIBLE, excused(row, message, _OF_SIZE), memory, needed, "B")


def _in_binary_units(memory: Figure) -> bool:
    """Whether the number was printed in MiB or GiB, by what was made of it."""
    printed = re.match(r"\d+(?:\.\d+)?", memory.text)
    return printed is not None and float(printed[0]) > 0 and memory.value / float(printed[0]) in {2.0**20, 2.0**30, 2.0**40}


def _capacity(row: Row) -> Iterator[Ruling]:
    """Nothing lies in more memory than there is: per device, and inside the share that was set apart."""
    chip, costs = row.setting.chip, row.setting.costs
    given = row.find("device_memory")
    room = given[0].high if given else chip.memory_bytes if chip is not None and chip.certain else None
    share, weights, cache = row.find("memory_fraction"), row.find("weight_memory"), row.find("kv_memory")
    if room is None:
        return
    if share and weights and cache:
        total = span(lambda one, other: one + other, weights[0], cache[0])
        limit = share[0].high * room
        yield Ruling(Judgement.PASS if total.low <= limit else Judgement.IMPOSSIBLE, say(
            "weights and KV pool take {total}; {share} % of the device's memory are {limit}", total=ShownBytes(total.value),
            share=Shown(100 * share[0].value), limit=ShownBytes(limit)), total, limit, "B")
    if peak := row.find("peak_memory"):
        limit = room * row.setting.devices
        over = Judgement.IMPOSSIBLE if "devices" in row.setting.stated else Judgement.SUSPECT
        yield Ruling(Judgement.PASS if peak[0].low <= limit else over, say(
            "{peak} at the peak; {chip} has {limit}", peak=ShownBytes(peak[0].value), chip=devices(row, chip) if chip else say("the device"),
            limit=ShownBytes(limit)), peak[0], limit, "B")
    if costs is not None and {"devices", "dtype"} <= row.setting.stated:
        held = costs.weight_bytes / row.setting.devices
        if held > room:
            yield Ruling(Judgement.IMPOSSIBLE, say("the weights are {held} per device, which has {room}", held=ShownBytes(held), room=ShownBytes(room)),
                         Figure(held, held, held), room, "B")


def _prompt_tokens(row: Row) -> Iterator[Ruling]:
    """A byte-level tokenizer makes no more tokens than there are bytes; one that splits at blanks no fewer than there are words."""
    tokens, size, words = row.find("input_tokens"), row.find("prompt_bytes"), row.find("prompt_words")
    if tokens and size:
        most = size[0].value + TEMPLATE_TOKENS
        yield Ruling(Judgement.PASS if tokens[0].low <= most else Judgement.IMPOSSIBLE, say(
            "{tokens} tokens from a prompt of {size} bytes: there are no more tokens than bytes", tokens=Shown(tokens[0].value),
            size=Shown(size[0].value)), tokens[0], most, "tokens")
    if tokens and words:
        yield Ruling(Judgement.PASS if tokens[0].high >= words[0].value else Judgement.IMPOSSIBLE, say(
            "{tokens} tokens from a prompt of {words} words: there are no fewer tokens than words", tokens=Shown(tokens[0].value),
            words=Shown(words[0].value)), tokens[0], words[0].value, "tokens")


LIMITS = (
    ClaimRule("PH1", Judgement.IMPOSSIBLE, "step time >= (weight bytes read + KV bytes read) / memory bandwidth", 0.0,
              "quantised weights, several devices, speculative decoding, experts not touched", _weights_are_read),
    ClaimRule("PH2", Judgement.IMPOSSIBLE, "2 * active parameters * T <= FLOPS", 0.0, "several devices, a dtype with a higher peak", _arithmetic),
    ClaimRule("PH2-TTFT", Judgement.IMPOSSIBLE, "TTFT >= max(prefill FLOP / FLOPS, weight bytes / memory bandwidth)", 0.0,
              "a cached prefix, several devices, quantised weights", _first_token),
    ClaimRule("PH4", Judgement.IMPOSSIBLE, "memory >= weights + B*(L+G-1)*KV, in the unit printed", 0.0,
              "GB that means GiB, quantised weights, several devices", _resident),
    ClaimRule("PH4-CAPACITY", Judgement.IMPOSSIBLE, "weights + KV pool <= share * device memory; peak <= device memory", 0.0, "several devices", _capacity),
    ClaimRule("PH5", Judgement.IMPOSSIBLE, "words <= prompt tokens <= bytes + chat template", 0.0, "", _prompt_tokens, ("input_tokens",)),
)
