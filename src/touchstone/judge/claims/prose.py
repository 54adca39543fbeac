"""Numbers that an article quotes outside its tables: labelled lines, engine logs, printed statistics, and the commands beside them.

Only what stands behind a label is read ("TTFT: ~0.45 s", "kv_cache=48.2 GB"); a number inside a sentence is left alone, because nobody
can tell what it counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from touchstone.claim import Claim, ClaimTable, Figure
from touchstone.judge.claims.figures import read_figure
from touchstone.units import BYTES_PER_GB, BYTES_PER_GIB

_LABELLED = re.compile(
    r"^[ \t>*\-●○·]{0,40}(?P<label>TTFT|TPOT|ITL|E2E(?:\s+latency)?|(?:total|output|input|request)(?:\s+token)?\s+throughput|首\s?token\s?(?:延迟|时延)|首字延迟"
    r"|每\s?token\s?(?:延迟|时延)|总吞吐量?|输出吞吐量?)\s*(?:\([^)\n]{0,20}\))?[ \t]{0,5}[:：][ \t]{0,5}(?P<value>[~≈约]?\s?[\d.,]{1,15}\s?[kK]?)\s{0,3}"
    r"(?P<unit>ms|毫秒|s|秒|tok(?:en)?s?\s?/\s?(?:s|秒)|req(?:uest)?s?\s?/\s?s)\b(?P<rest>[^\n]*)", re.IGNORECASE | re.MULTILINE)
_LABELS: tuple[tuple[str, str], ...] = (
    (r"ttft|首\s?token|首字", "ttft"), (r"tpot|每\s?token", "tpot"), (r"itl", "itl"), (r"e2e", "e2e"), (r"total", "total_throughput"),
    (r"request", "request_throughput"), (r"input", "prompt_throughput"), (r"output|输出", "output_throughput"), (r"吞吐", "throughput"),
)
_MEMORY = re.compile(r"model\s*=\s*(?P<model>[\d.]+)\s*(?P<unit>GB|GiB)\s*,\s*kv_cache\s*=\s*(?P<cache>[\d.]+)\s*(?:GB|GiB)", re.IGNORECASE)
_ALLOCATED = re.compile(r"显存\s*平均/峰值\s*[:：]\s*[\d.]+\s*GB\s*/\s*(?P<peak>[\d.]+)\s*GB")
_FLAGS: Mapping[str, str] = {
    "input_tokens": r"--(?:random-)?input-len[= ]{1,3}(\d{1,9})", "output_tokens": r"--(?:random-)?output-len[= ]{1,3}(\d{1,9})",
    "requests": r"--num-prompts[= ]{1,3}(\d{1,9})",
}
_FRACTION = r"--(?:mem-fraction-static|gpu-memory-utilization)[= ]{1,3}(0?\.\d{1,6})"
_PRODUCT = re.compile(r"(?<![\d.])(\d{1,9})\s{0,3}[*×]\s{0,3}(\d{1,9}(?:\.\d{1,6})?)\s{0,3}=\s{0,3}\d")
_INPUT = re.compile(r"(?P<tokens>[~≈约]?\s?(?<!\d)\d[\d.,]{0,12}\s?[kK]?)\s{0,3}(?:tokens?)?\s{0,3}(?:的输入|input|prompt)", re.IGNORECASE)
_LITERAL = re.compile(r"\b(?:prompt|text)\s*=\s*\"([^\"\n]{10,4000})\"\s*\*\s*(\d{1,6})\b")
_DEVICE_MEMORY = re.compile(r"\b(\d{2,3})\s?GB\s*(?:HBM|显存|的\s*Atlas|memory)", re.IGNORECASE)
_RAW = re.compile(r"(?<![\d.])(?P<time>\d{1,9}\.\d{1,6})s\s{1,3}(?P<tokens>\d{1,9})\s{1,3}(?P<speed>\d{1,9}\.\d{1,6})\s?tok/s")
_BLOCK = re.compile(r"max_new_tokens=(?P<limit>\d+)[^=\n]{0,60}=?[^=\n]{0,20}=\s*"
                    r"耗时\s*平均/方差/极差\s*[:：]\s*(?P<time>[\d.]+)s?\s*/\s*(?P<time_var>[\d.]+)\s*/\s*(?P<time_range>[\d.]+)s?\s*"
                    r"速度\s*平均/方差/极差\s*[:：]\s*(?P<speed>[\d.]+)\s?tok/s\s*/\s*(?P<speed_var>[\d.]+)\s*/\s*(?P<speed_range>[\d.]+)")
QUOTED = "quoted in the text"
_MOST_QUOTES = 200
_LONGEST = 2_000_000


def quotes(prose: str) -> list[ClaimTable]:
    """The quoted numbers of a text as tables of claims; empty where it quotes none."""
    text = prose[:_LONGEST]
    conditions = _conditions(text)
    found = [*_labelled(text, conditions), *_memory(text, conditions), *_printed(text)][:_MOST_QUOTES]
    if not found:
        return []
    claims = tuple(Claim(place + 1, label, figures) for place, (label, figures) in enumerate(found))
    return [ClaimTable(QUOTED, claims)]


def _one(pattern: str, text: str) -> str | None:
    """What the pattern finds, if everywhere the same."""
    found = set(re.findall(pattern, text))
    return found.pop() if len(found) == 1 else None


def _conditions(text: str) -> dict[str, Figure]:
    """What the commands of the text ask for, where they all ask for the same."""
    figures = {name: figure for name, pattern in _FLAGS.items() if (value := _one(pattern, text)) and (figure := _figure(value, name))}
    literals = _LITERAL.findall(text)
    if len(literals) == 1:
        size = float(len(literals[0][0].encode()) * int(literals[0][1]))
        figures["prompt_bytes"] = Figure(size, size, size, f"{len(literals[0][0].encode())} x {literals[0][1]}")
    if share := _one(_FRACTION, text):
        figures["memory_fraction"] = Figure(float(share), float(share), float(share), share)
    sizes = Counter(_DEVICE_MEMORY.findall(text)).most_common(1)
    if sizes and sizes[0][1] > 1:
        size = float(sizes[0][0])
        figures["device_memory"] = Figure(size * BYTES_PER_GB, size * BYTES_PER_GB, size * BYTES_PER_GIB, f"{sizes[0][0]} GB")
    for count, rate in _PRODUCT.findall(text):
        if "output_tokens" in figures and float(count) == figures["output_tokens"].value and (figure := _figure(f"{rate} req/s", "request_throughput")):
            figures["request_throughput"] = figure
    return figures


def _figure(text: str, name: str) -> Figure | None:
    return read_figure(text, name).figure


def _labelled(text: str, conditions: Mapping[str, Figure]) -> Iterator[tuple[str, dict[str, Figure]]]:
    for quote in _LABELLED.finditer(text):
        name = next(name for pattern, name in _LABELS if re.search(pattern, quote["label"], re.IGNORECASE))
        unit = quote["unit"].lower()
        figure = _figure(f"{quote['value']} {unit}", name)
        if figure is None:
            continue
        figures = {name: figure}
        if name.endswith("throughput"):
            figures |= {key: conditions[key] for key in ("input_tokens", "output_tokens", "request_throughput") if key in conditions and key != name}
        elif (size := _INPUT.search(quote["rest"])) and (tokens := _figure(size["tokens"], "input_tokens")):
            figures["input_tokens"] = tokens
            figures |= {key: conditions[key] for key in ("prompt_bytes",) if key in conditions}
        yield " ".join(quote[0].split()).lstrip("->*●○· "), figures


def _memory(text: str, conditions: Mapping[str, Figure]) -> Iterator[tuple[str, dict[str, Figure]]]:
    for quote in _MEMORY.finditer(text):
        weights, cache = (_figure(f"{quote[part]} {quote['unit']}", f"{name}_memory") for part, name in (("model", "weight"), ("cache", "kv")))
        if weights and cache:
            yield quote[0], {"weight_memory": weights, "kv_memory": cache,
                             **{key: conditions[key] for key in ("memory_fraction", "device_memory") if key in conditions}}
    for peak in dict.fromkeys(quote["peak"] for quote in _ALLOCATED.finditer(text)):
        if figure := _figure(f"{peak} GB", "peak_memory"):
            yield f"{peak} GB", {"peak_memory": figure}


def _printed(text: str) -> Iterator[tuple[str, dict[str, Figure]]]:
    """Lines and summaries that a script printed: time, tokens and speed of single runs; mean, variance and range of several."""
    for line in _RAW.finditer(text):
        yield line[0], _figures({"e2e": f"{line['time']} s", "output_tokens": line["tokens"], "user_throughput": f"{line['speed']} tok/s"})
    for block in _BLOCK.finditer(text):
        yield f"max_new_tokens={block['limit']}", _figures({
            "output_tokens": block["limit"], "e2e": f"{block['time']} s", "e2e.var": f"{block['time_var']} s",
            "e2e.range": f"{block['time_range']} s", "user_throughput": f"{block['speed']} tok/s",
            "user_throughput.var": f"{block['speed_var']} tok/s", "user_throughput.range": f"{block['speed_range']} tok/s"})


def _figures(cells: Mapping[str, str]) -> dict[str, Figure]:
    return {name: figure for name, cell in cells.items() if (figure := _figure(cell, name))}
