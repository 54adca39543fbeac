"""The options of ``load`` and ``search``: every name that fingers know, and what they mean together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from touchstone.load_plan import Endpoint, LoadPlan

_SEVERAL = {"--goodput": re.compile(r"[A-Za-z_0-9]+[:=][0-9.]+"), "--metadata": re.compile(r"[^-=][^=]*=.*", re.DOTALL)}
_SYNTHETIC_INPUT, _SYNTHETIC_OUTPUT = 256, 128
_CONCURRENCY, _REQUESTS_PER_SLOT = 8, 8
_OPEN_S, _SEVERAL_S = 10.0, 30.0
_DEFAULT_PORT = 8000
_KNOWN_PERCENTILES = {"50", "90", "95", "99"}
_KINDS = {"synthetic": "synthetic", "random": "synthetic", "sharegpt": "sharegpt", "jsonl": "jsonl", "custom": "jsonl", "openqa": "jsonl",
          "trace": "trace", "mooncake": "trace", "timed_trace": "trace"}

_OPTIONS = (
    click.option("--base-url", "--url", "--target", "--api-base", "-u", "base_url", metavar="URL", help="Where the server is: http://127.0.0.1:8000"),
    click.option("--host", help="Host of the server, with --port, instead of --base-url."),
    click.option("--port", type=click.IntRange(1, 65535), help="Port of the server."),
    click.option("--endpoint", metavar="PATH", help="Path of the endpoint. Default: /v1/chat/completions, or /v1/completions."),
    click.option("--backend", "--api", "--endpoint-type", "--api-backend", "backend",
                 help="openai-chat or openai (plain completions). Default: the one that answers."),
    click.option("--model", "-m", "--model-names", "--api-model-name", "model", help="Model to ask for. Default: the first that the server lists."),
    click.option("--served-model-name", help="The name the server knows the model by, where it differs from --model."),
    click.option("--tokenizer", "--tokenizer-path", "--model-tokenizer", "tokenizer", metavar="DIR", help="Directory with tokenizer.json, to build prompts of exact length. Default: ask the server."),
    click.option("--token-count", type=click.Choice(["server", "client", "both"]), default="server", help="Whose count of output tokens to keep."),
    click.option("--input-len", "--isl", "--random-input-len", "--input-tokens", "input_len", help="Prompt tokens, the template's included: 512, 512±10%, U(128,512), N(480,240)."),
    click.option("--output-len", "--osl", "--random-output-len", "--output-tokens", "output_len", help="Output tokens, in the same forms."),
    click.option("--shape", "--traffic-scenario", "shape", metavar="D(IN,OUT)", help="Both lengths at once."),
    click.option("--num-prompts", "--num-requests", "--request-count", "--number", "--max-requests-per-run", "--max-requests", "num_prompts", type=click.IntRange(min=1), help="Requests of each load. Default: 8 for each in flight, or 10 s of a rate; 30 s of each of several loads."),
    click.option("--duration", "--benchmark-duration", "--max-duration", "--pressure-time", "--max-seconds", "duration", help="Offer the load for this long: 60s."),
    click.option("--concurrency", "--max-concurrency", "--parallel", "--num-concurrency", "concurrency", help="Closed loop: requests in flight; a list makes one load each: 1,2,4 or 1..64*2. With a rate: the most in flight."),
    click.option("--request-rate", "--rate", "--qps", "request_rate", help="Open loop: requests per second; a list makes one load each. inf is a burst."),
    click.option("--arrival", "--arrival-pattern", type=click.Choice(["poisson", "constant", "gamma", "burst", "trace"]), help="How open arrivals are spaced. Default: poisson."),
    click.option("--burstiness", "--arrival-smoothness", type=click.FloatRange(0, min_open=True), help="Shape of gamma arrivals: 1 is Poisson, below is burstier."),
    click.option("--ramp", "--ramp-up", "ramp", help="Raise the load evenly over this time: 10s."),
    click.option("--stages", metavar="30s@2,60s@8", help="Rates one after another, instead of --request-rate."),
    click.option("--warmup", "--num-warmups", "--warmup-requests", "--warmup-request-count", "--warmup-num", "--warmup-ratio", "warmup", help="Before each load: 3 requests, 10% of them, 30s, or auto (one for each in flight). Default: 3."),
    click.option("--warmup-duration", "warmup_duration", hidden=True),
    click.option("--no-warmup", is_flag=True, hidden=True),
    click.option("--repeat", "-r", "--num-runs", "--trials", "--num-profile-runs", "--sla-num-runs", "repeats", type=click.IntRange(min=1), help="Times to offer each load, with other prompts and arrivals."),
    click.option("--ignore-eos/--no-ignore-eos", "ignore_eos", default=None, help="Ask for outputs of full length. Default: for synthetic prompts."),
    click.option("--disable-ignore-eos", is_flag=True, hidden=True),
    click.option("--temperature", type=click.FloatRange(0), help="0 by default."),
    click.option("--slo", "slos", multiple=True, metavar="'ttft p99<=500ms'", help="A service level; may be repeated."),
    click.option("--goodput", "goodput", multiple=True, metavar="ttft:500 tpot:50", help="Limits in ms that each request keeps by itself."),
    click.option("--percentiles", "--metric-percentiles", "percentiles", help="Of 50, 90, 95 and 99; the report always has all four."),
    click.option("--dataset-name", type=click.Choice(list(_KINDS)), help="What --dataset-path is. Default: by its name."),
    click.option("--dataset-path", "--dataset", "--input-file", "dataset_path", metavar="FILE", help="ShareGPT JSON, or JSON lines with prompt or messages."),
    click.option("--trace", "--trace-file", "trace", metavar="FILE", help="Play a trace (Mooncake JSON lines, Azure CSV) at its own times."),
    click.option("--fixed-schedule", is_flag=True, hidden=True),
    click.option("--speedup", type=click.FloatRange(0, min_open=True), help="Play the trace this many times as fast."),
    click.option("--shared-prefix", "--prefix-len", "--random-prefix-len", "shared_prefix", type=click.IntRange(min=0), help="Tokens that prompts begin with in common."),
    click.option("--prefixes", "--num-prefixes", "prefixes", type=click.IntRange(min=1), help="Number of different shared prefixes."),
    click.option("--turns", type=click.IntRange(min=1), help="Turns of each session."),
    click.option("--think-time", help="Pause between the turns of a session: 2s."),
    click.option("--extra-body", "--extra-request-body", "--extra-inputs", "--extra-args", "--additional-request-params", "extra_body", multiple=True, metavar="JSON", help="Fields to put into every request: a JSON object, or name:value."),
    click.option("--header", "-H", "headers", multiple=True, metavar="NAME=VALUE", help="A header for every request; it is never written down."),
    click.option("--api-key", envvar=["TOUCHSTONE_API_KEY", "OPENAI_API_KEY"], help="Key for the server, from OPENAI_API_KEY by default; it is never written down."),
    click.option("--insecure", is_flag=True, help="Do not check the server's certificate."),
    click.option("--stream/--no-stream", "--streaming/--no-streaming", "stream", default=True, help="Stream the answers. Without it there is no time to the first token."),
    click.option("--ready-timeout", "--ready-check-timeout-sec", default="3s", help="Wait this long for the server to answer at all."),
    click.option("--timeout", help="Give a request up after this long: 600s."),
    click.option("--processes", "--workers", type=click.IntRange(min=1), help="Client processes. Default: one per 256 streams, on half of the cores."),
    click.option("--calibrate/--no-calibrate", default=True, help="Measure the client's own error first, for two seconds per load."),
    click.option("--include-text", is_flag=True, help="Keep the answers' text in requests.parquet."),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of arrivals, lengths and order."),
    click.option("--name", "--alias", "--tag", "name", help="A name for the test, kept with the result."),
    click.option("--label", "--metadata", "-l", "labels", multiple=True, metavar="NAME=VALUE", help="A note to keep with the result."),
    click.option("--config", "-c", "-f", "config", metavar="FILE", type=click.Path(path_type=Path), help="A load plan, such as the plan.yaml of an earlier test."),
    click.option("--output-dir", "-o", "--result-dir", "--artifact-dir", "--outputs-dir", "--experiment-base-dir", "output_dir", type=click.Path(path_type=Path), help="Where the result is kept. Default: runs/<time>-load-<id>."),
    click.option("--format", "face", type=click.Choice(["text", "md", "json"]), default="text", help="What to print at the end."),
    click.option("--ui", type=click.Choice(["auto", "rich", "plain", "none", "simple", "dashboard"]), default="auto", help="Progress on stderr."),
    click.option("--disable-tqdm", is_flag=True, hidden=True),
    click.option("--save-result", is_flag=True, hidden=True),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Put every option on ``command``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class LoadCommand(click.Command):
    """A command whose ``--goodput`` and ``--metadata`` take several values, as in the tools they come from."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        option, given = "", 0  # the option of several values that is being given, and how many it has so far
        for argument in args:
            name, equals, _ = argument.partition("=")
            if name in _SEVERAL:
                option, given = name, int(bool(equals))
            elif option and _SEVERAL[option].fullmatch(argument):
                spread += [option] if given else []
                given += 1
            else:
                option = ""
            spread.append(argument)
        return super().parse_args(ctx, spread)


def plan_of(given: dict[str, Any]) -> LoadPlan:
    """The plan that the options describe, laid over that of ``--config``. Raises :class:`touchstone.errors.UsageError`."""
    from pydantic import ValidationError

    from touchstone.errors import UsageError
    from touchstone.judge.slo import parse_goodput, parse_slo
    from touchstone.load_plan import LoadPlan, read_load_plan

    if given["percentiles"] and not {one.strip() for one in given["percentiles"].split(",")} <= _KNOWN_PERCENTILES:
        raise UsageError("The report has the percentiles 50, 90, 95 and 99, not {asked}.", "", asked=given["percentiles"])
    base: dict[str, Any] = read_load_plan(given["config"]).model_dump() if given["config"] else {}
    kind, path = _source(given)
    workload = _workload(given, base, kind, path)
    loads = _loads(given, base, kind)
    ends = _ends(given, base, loads, kind)
    slos = (*map(parse_slo, given["slos"]), *parse_goodput(given["goodput"]))
    chosen = {
        **{name: given[name] for name in ("repeats", "seed", "processes", "temperature", "name")}, **_numbers(given, ends),
        "slos": tuple(slo.model_dump() for slo in slos) or None, "calibrate": False if not given["calibrate"] else None,
        "ignore_eos": _ignore_eos(given, base, workload),
    }
    try:
        return LoadPlan.model_validate({**base, **{name: value for name, value in chosen.items() if value is not None}, **ends,
                                        "workload": workload, "loads": loads})
    except ValidationError as error:
        raise UsageError("The load does not hold together: {why}.", "", why=error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def _numbers(given: dict[str, Any], ends: dict[str, Any]) -> dict[str, Any]:
    from touchstone import load_words as words

    warmup = "0" if given["no_warmup"] else given["warmup"]
    return {
        "timeout_s": words.parse_duration(given["timeout"]) if given["timeout"] else None,
        "extra_body": words.parse_body(given["extra_body"]) if given["extra_body"] else None,
        **(words.parse_warmup(warmup, ends["num_prompts"]) if warmup else {}),
        **({"warmup_s": words.parse_duration(given["warmup_duration"])} if given["warmup_duration"] else {}),
    }


def _ignore_eos(given: dict[str, Any], base: dict[str, Any], workload: dict[str, Any]) -> bool:
    if given["disable_ignore_eos"]:
        return False
    if given["ignore_eos"] is not None:
        return bool(given["ignore_eos"])
    return bool(base.get("ignore_eos", workload["kind"] in {"synthetic", "trace"}))


def _source(given: dict[str, Any]) -> tuple[str | None, str | None]:
    """What kind of workload the options name, if any, and its file."""
    from touchstone.errors import DataError, UsageError

    name, path = given["dataset_name"], given["trace"] or given["dataset_path"]
    if given["trace"] and given["dataset_path"]:
        raise UsageError("A load plays one trace or one dataset.", "Give --trace or --dataset-path.")
    if path in _KINDS and not given["trace"] and not Path(path).exists():
        name, path = name or path, None  # --dataset sharegpt, as other tools say it
    kind = "trace" if given["trace"] or given["fixed_schedule"] else _KINDS[name] if name else None
    if path is None:
        if kind not in {None, "synthetic"} and not given["config"]:
            raise UsageError("A {kind} workload needs its file.", "Give --dataset-path.", kind=kind)
        return kind, None
    if kind == "synthetic":
        raise UsageError("Synthetic prompts are not read from a file.", "Leave out --dataset-path, or say what it is: --dataset-name jsonl")
    if not Path(path).is_file():
        raise DataError("The dataset {path} cannot be read: {error}.", "", path=path, error="there is no such file")
    return kind or ("jsonl" if path.endswith(("jsonl", "ndjson")) else "sharegpt"), path


def _workload(given: dict[str, Any], base: dict[str, Any], kind: str | None, path: str | None) -> dict[str, Any]:
    from touchstone import load_words as words
    from touchstone.errors import UsageError

    workload: dict[str, Any] = dict(base.get("workload", {}))
    if kind is not None and (path is not None or kind != workload.get("kind")):
        workload = {"kind": kind, "path": path}
    workload.setdefault("kind", "synthetic")
    lengths = words.parse_shape(given["shape"]) if given["shape"] else (None, None)
    asked = {"input_len": words.parse_length(given["input_len"]) if given["input_len"] else lengths[0],
             "output_len": words.parse_length(given["output_len"]) if given["output_len"] else lengths[1]}
    workload |= {name: value.model_dump() for name, value in asked.items() if value is not None}
    numbers = {"shared_prefix_tokens": given["shared_prefix"], "prefixes": given["prefixes"], "turns": given["turns"],
               "think_time_s": words.parse_duration(given["think_time"], zero=True) if given["think_time"] else None}
    workload |= {name: value for name, value in numbers.items() if value is not None}
    if workload["kind"] == "synthetic":
        workload["input_len"] = workload.get("input_len") or {"mean": _SYNTHETIC_INPUT}
        workload["output_len"] = workload.get("output_len") or {"mean": _SYNTHETIC_OUTPUT}
    for name, option, needed, there in (("prefixes", "--prefixes", "--shared-prefix", workload.get("shared_prefix_tokens")),
                                        ("think_time_s", "--think-time", "--turns", workload.get("turns", 1) > 1)):
        if numbers[name] is not None and not there:
            raise UsageError("{option} changes nothing without {needed}.", "", option=option, needed=needed)
    return workload


def _loads(given: dict[str, Any], base: dict[str, Any], kind: str | None) -> list[dict[str, Any]]:
    """One load for every value of the grid; what is not given is as in the plan, or as it would be without options."""
    from touchstone import load_words as words
    from touchstone.errors import UsageError

    rates = words.parse_grid(given["request_rate"]) if given["request_rate"] else ()
    slots = [_whole(value, given["concurrency"]) for value in words.parse_grid(given["concurrency"])] if given["concurrency"] else []
    stages = [stage.model_dump() for stage in words.parse_stages(given["stages"])] if given["stages"] else []
    arrival = given["arrival"] or ("gamma" if given["burstiness"] else None)
    spaced = {"arrival": arrival, "burstiness": given["burstiness"], "speedup": given["speedup"],
              "ramp_s": words.parse_duration(given["ramp"], zero=True) if given["ramp"] else None}
    spaced = {name: value for name, value in spaced.items() if value is not None}
    if rates and stages:
        raise UsageError("--stages give the rates themselves.", "Leave out --request-rate.")
    offered = bool(rates or stages or arrival in {"burst", "trace"} or (kind == "trace" and not slots and arrival is None))
    if arrival in {"poisson", "constant", "gamma"} and not offered and not base:
        raise UsageError("The arrival {arrival} needs a rate.", "Give --request-rate 8, or --stages 30s@2,60s@8.", arrival=arrival)
    if offered and len(slots) > 1:
        raise UsageError("With a rate, --concurrency is the most requests in flight, and there is only one.", "Give one number.")
    cap = {"concurrency": slots[0]} if slots else {}
    if rates:
        return [{**spaced, **cap, **_at_rate(rate, arrival)} for rate in rates]
    if stages:
        return [{"arrival": "poisson", **spaced, **cap, "stages": stages}]
    if offered:
        return [{"arrival": "trace", **spaced, **cap}]
    if slots:
        return [{**spaced, "concurrency": slot} for slot in slots]
    return [{**load, **spaced} for load in base.get("loads", [{"concurrency": _CONCURRENCY}])]


def _at_rate(rate: float, arrival: str | None) -> dict[str, Any]:
    """An infinite rate is a burst, and is called one."""
    if math.isinf(rate):
        return {"arrival": "burst"}
    return {"arrival": arrival or "poisson", "request_rate": rate}


def _whole(value: float, text: str) -> int:
    from touchstone.errors import UsageError

    if math.isinf(value) or value != round(value):
        raise UsageError("Concurrency is a whole number, not {text}.", "", text=text)
    return int(value)


def _ends(given: dict[str, Any], base: dict[str, Any], loads: list[dict[str, Any]], kind: str | None) -> dict[str, Any]:
    """After how many requests or seconds each load ends."""
    from touchstone import load_words as words

    duration_s = words.parse_duration(given["duration"]) if given["duration"] else None
    if given["num_prompts"] or duration_s:
        return {"num_prompts": given["num_prompts"], "duration_s": duration_s}
    if base:
        return {"num_prompts": base["num_prompts"], "duration_s": base["duration_s"]}
    if kind == "trace" or all(load.get("stages") for load in loads):
        return {"num_prompts": None, "duration_s": None}
    if len(loads) > 1 and all(load.get("arrival") != "burst" for load in loads):
        return {"num_prompts": None, "duration_s": _SEVERAL_S}
    fewest = _REQUESTS_PER_SLOT * max(load.get("concurrency") or _CONCURRENCY for load in loads)
    return {"num_prompts": max(fewest, *(round(_OPEN_S * load.get("request_rate", 0)) for load in loads)), "duration_s": None}


def endpoint_of(given: dict[str, Any]) -> tuple[Endpoint, bool]:
    """Who is asked, and whether the user chose the endpoint. Raises :class:`touchstone.errors.UsageError`."""
    from touchstone import load_words as words
    from touchstone.errors import UsageError, unknown_name
    from touchstone.load_plan import Endpoint
    from touchstone.message import say

    url = given["base_url"]
    if not url and (given["host"] or given["port"]):
        host = given["host"] or "127.0.0.1"
        url = f"http://{f'[{host}]' if ':' in host else host}:{given['port'] or _DEFAULT_PORT}"
    if not url:
        raise UsageError("Which server? --base-url is missing.", "Give it: --base-url http://127.0.0.1:8000")
    backend = None
    if given["backend"]:
        if given["backend"] not in words.BACKENDS:
            raise unknown_name(say("backend"), given["backend"], words.BACKENDS)
        backend = words.BACKENDS[given["backend"]]
    url, path = _split(url, given["endpoint"])
    if path is not None and backend is None:
        backend = "openai-chat" if path.rstrip("/").endswith("chat/completions") else "openai"
    chosen = backend or "openai-chat"
    default = "/v1/chat/completions" if chosen == "openai-chat" else "/v1/completions"
    endpoint = Endpoint(base_url=url, backend=chosen, path=path or default, model=given["served_model_name"] or given["model"],
                        tokenizer=given["tokenizer"], stream=given["stream"], verify_tls=not given["insecure"])
    return endpoint, backend is not None


def _split(url: str, endpoint: str | None) -> tuple[str, str | None]:
    """Where the server is, and the path if the user gave one: other tools want ``/v1`` or the whole path as part of the address."""
    url = url if url.endswith("://") else url.rstrip("/")
    endpoint = endpoint and f"/{endpoint.lstrip('/')}"
    for ending in ("/v1/chat/completions", "/v1/completions", "/chat/completions", "/completions", "/v1"):
        if url.endswith(ending):
            url, named = url.removesuffix(ending), ending
            if endpoint is None:
                return url, None if named == "/v1" else named
            if named == "/v1" and not endpoint.startswith("/v1/"):
                return url, f"/v1{endpoint}"
            break
    return url, endpoint


def headers_of(given: dict[str, Any]) -> dict[str, str]:
    """What goes to the server and nowhere else. Raises :class:`touchstone.errors.UsageError`."""
    from touchstone import load_words as words
    from touchstone.measure.load.body import with_key

    key = given["api_key"].strip() if given["api_key"] else None
    return with_key(words.parse_pairs(given["headers"], "--header"), key)
