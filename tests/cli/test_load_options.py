"""The names that fingers know: every alias of the option table goes through click and means what the table says."""

import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from touchstone.cli.load import load
from touchstone.cli.load_options import endpoint_of, headers_of, plan_of
from touchstone.errors import DataError, TouchstoneError, UsageError
from touchstone.load_plan import Length

URL = "http://127.0.0.1:8000"
TRACE = str(Path(__file__).parents[1] / "data" / "traces" / "mooncake-synthetic.jsonl")
ALIASES = [
    ("--base-url http://h:1", ["--url http://h:1", "-u http://h:1", "--target http://h:1", "--api-base http://h:1", "--base-url=http://h:1/",
                               "--host h --port 1", "--base-url http://h:1/v1", "--url http://h:1/v1/chat/completions"]),
    ("--backend openai-chat", ["--api openai-chat", "--endpoint-type openai-chat", "--api-backend openai-chat", "--endpoint-type chat"]),
    ("--backend openai", ["--backend vllm", "--backend sglang", "--endpoint-type completions", "--api openai"]),
    ("--endpoint /v1/completions", ["--endpoint v1/completions", "--endpoint /v1/completions --backend openai"]),
    ("--model x", ["-m x", "--model-names x", "--api-model-name x", "--served-model-name x", "--model y --served-model-name x"]),
    ("--tokenizer d", ["--tokenizer-path d", "--model-tokenizer d"]),
    ("--input-len 9", ["--isl 9", "--random-input-len 9", "--input-tokens 9"]),
    ("--output-len 9", ["--osl 9", "--random-output-len 9", "--output-tokens 9"]),
    ("--input-len 512 --output-len 256", ["--shape D(512,256)", "--traffic-scenario D(512,256)"]),
    ("--num-prompts 7", ["--num-requests 7", "--request-count 7", "--number 7", "--max-requests-per-run 7", "--max-requests 7"]),
    ("--duration 60s", ["--duration 60", "--duration 1m", "--benchmark-duration 60", "--max-duration 60s", "--pressure-time 60", "--max-seconds 60"]),
    ("--concurrency 4", ["--max-concurrency 4", "--parallel 4", "--num-concurrency 4"]),
    ("--request-rate 4", ["--rate 4", "--qps 4", "--request-rate 4.0 --arrival poisson", "--rate 4 --burstiness 1.0 --arrival poisson"]),
    ("--request-rate 4 --arrival gamma --burstiness 0.5", ["--qps 4 --burstiness 0.5", "--request-rate 4 --arrival-pattern gamma --arrival-smoothness 0.5"]),
    ("--request-rate 4 --ramp 5s", ["--request-rate 4 --ramp-up 5"]),
    ("--request-rate inf", ["--arrival burst", "--rate INF", "--request-rate inf --arrival poisson", "--qps infinity --burstiness 1.0"]),
    ("--warmup 5", ["--num-warmups 5", "--warmup-requests 5", "--warmup-request-count 5", "--warmup-num 5"]),
    ("--warmup 25% --num-prompts 8", ["--warmup-ratio 0.25 --num-prompts 8", "--warmup-num 0.25 --number 8", "--warmup 2 --num-prompts 8"]),
    ("--warmup 30s", ["--warmup-duration 30"]),
    ("--warmup 0", ["--no-warmup"]),
    ("--repeat 3", ["-r 3", "--num-runs 3", "--trials 3", "--num-profile-runs 3", "--sla-num-runs 3"]),
    ("--no-ignore-eos", ["--disable-ignore-eos"]),
    ("", ["--ignore-eos", "--percentiles 50,90,95,99", "--metric-percentiles 50,99", "--stream", "--streaming", "--save-result", "--disable-tqdm",
          "--dataset-name random", "--dataset random", "--temperature 0", "--seed 0", "--ui none", "--concurrency 8 --num-prompts 64"]),
    ("--no-stream", ["--no-streaming"]),
    ("--goodput ttft:500 --goodput tpot:50", ["--goodput ttft:500 tpot:50", "--goodput=ttft:500 tpot:50", "--goodput ttft:500,tpot:50", "--goodput ttft=500 tpot=50"]),
    (f"--trace {TRACE}", [f"--trace-file {TRACE}", f"--dataset-name mooncake --dataset-path {TRACE}", f"--fixed-schedule --input-file {TRACE}",
                          f"--dataset-name timed_trace --dataset {TRACE}", f"--trace {TRACE} --arrival trace --speedup 1"]),
    (f"--dataset-name jsonl --dataset-path {TRACE}", [f"--dataset {TRACE}", f"--input-file {TRACE}", f"--dataset-name custom --dataset-path {TRACE}"]),
    ("""--extra-body '{"top_k":1}'""", ["--extra-body top_k:1", """--extra-request-body '{"top_k":1}'""", "--extra-inputs top_k:1", "--extra-args top_k=1",
                                        "--additional-request-params top_k:1"]),
    ("--extra-body a:1 --extra-body b:2", ["""--extra-body '{"a":1,"b":2}'"""]),
    ("--shared-prefix 8", ["--prefix-len 8", "--random-prefix-len 8"]),
    ("--shared-prefix 8 --prefixes 2", ["--prefix-len 8 --num-prefixes 2"]),
    ("--name x", ["--alias x", "--tag x"]),
    ("--processes 2", ["--workers 2"]),
]
KEPT = [("output_dir", "d", ["--output-dir", "-o", "--result-dir", "--artifact-dir", "--outputs-dir", "--experiment-base-dir"]),
        ("config", "d", ["--config", "-c", "-f"]), ("ready_timeout", "5m", ["--ready-timeout", "--ready-check-timeout-sec"]), ("labels", "a=1", ["--label", "--metadata", "-l"]), ("headers", "a=1", ["--header", "-H"])]


def options(text="", *more, **environment):
    """What click makes of a command line; nothing is run."""
    seen = {}
    command = load.__class__(load.name, params=load.params, callback=lambda **given: seen.update(given))
    done = CliRunner().invoke(command, [*shlex.split(text), *more], env=environment, catch_exceptions=False,
                              auto_envvar_prefix="TOUCHSTONE_LOAD")
    assert done.exit_code == 0, done.output
    return seen


def plan(text="", *more, **environment):
    return plan_of(options(text, *more, **environment))


def meaning(text):
    """The plan and the endpoint of a command line; an address is added where it names none."""
    named = any(name in text for name in ("url", "-u ", "--target", "--api-base", "--host"))
    given = options(text if named else f"--base-url {URL} {text}".strip())
    return plan_of(given), endpoint_of(given)[0]


def refusal(text, *more):
    with pytest.raises(TouchstoneError) as caught:
        plan(text, *more)
    return str(caught.value)


@pytest.mark.parametrize(("canonical", "alias"), [(canonical, alias) for canonical, aliases in ALIASES for alias in aliases])
def test_an_alias_means_the_same(canonical, alias):
    assert meaning(alias) == meaning(canonical)


@pytest.mark.parametrize("canonical", [canonical for canonical, _ in ALIASES if canonical not in {"", "--backend openai-chat"}])
def test_every_option_of_the_table_changes_something(canonical):
    assert meaning(canonical) != meaning("")


@pytest.mark.parametrize(("name", "value", "aliases"), KEPT)
def test_an_alias_of_what_is_kept_outside_the_plan(name, value, aliases):
    assert len({str(options(f"{alias} {value}")[name]) for alias in aliases}) == 1
    assert str(options(f"{aliases[0]} {value}")[name]) != str(options()[name])


def test_every_name_of_every_option_is_tried_here():
    """A name that is added must be added to the tables above, or be its option's only one."""
    tried = {word for canonical, aliases in ALIASES for text in (canonical, *aliases) for word in text.replace("=", " ").split(" ")}
    tried |= {alias for _, _, aliases in KEPT for alias in aliases}
    many = {name for option in load.params if len(option.opts) > 1 for name in (*option.opts, *option.secondary_opts)}
    assert many - tried == set()


# ── what the options mean together ───────────────────────────────────────────────────────────────────────────────────────────


def test_without_options_it_is_a_small_closed_loop():
    found = plan()
    assert [load.label for load in found.loads] == ["c8"]
    assert (found.num_prompts, found.workload.input_len.mean, found.workload.output_len.mean, found.ignore_eos) == (64, 256, 128, True)


def test_a_list_makes_one_load_each():
    assert [load.label for load in plan("--concurrency 1,2,4..16*2").loads] == ["c1", "c2", "c4", "c8", "c16"]
    assert [load.label for load in plan("--request-rate 0.5,1..3+1 --arrival constant").loads] == ["r0.5-constant", "r1-constant", "r2-constant", "r3-constant"]
    assert [load.label for load in plan("--request-rate 2,inf").loads] == ["r2-poisson", "burst"]


def test_several_loads_each_take_a_time_and_a_single_one_a_number():
    assert (plan("--concurrency 1,64").num_prompts, plan("--concurrency 1,64").duration_s) == (None, 30)
    assert (plan("--concurrency 16").num_prompts, plan("--concurrency 16").duration_s) == (128, None)
    assert plan("--request-rate 50").num_prompts == 500
    assert plan("--request-rate inf,2").num_prompts == 64


def test_a_rate_with_a_concurrency_is_capped():
    for cap in ("--concurrency 3", "--max-concurrency 3"):
        assert {(load.request_rate, load.concurrency, load.closed) for load in plan(f"--request-rate 2,4 {cap}").loads} == {(2, 3, False), (4, 3, False)}
    assert "only one" in refusal("--request-rate 2 --concurrency 1,2")
    assert plan("--request-rate inf --concurrency 5").loads[0].concurrency == 5


def test_stages_end_by_themselves():
    found = plan("--stages 1s@2,2s@4 --ramp 1s")
    assert (found.num_prompts, found.duration_s, found.loads[0].ramp_s, found.loads[0].arrival) == (None, None, 1, "poisson")
    assert plan("--stages 1s@2 --arrival constant --num-prompts 3").num_prompts == 3


def test_a_trace_brings_its_own_number_and_times():
    found = plan(f"--trace {TRACE} --speedup 2.5")
    assert (found.num_prompts, found.loads[0].label, found.ignore_eos) == (None, "trace-x2.5", True)
    assert plan(f"--trace {TRACE} --concurrency 4").loads[0].label == "c4"
    assert plan(f"--trace {TRACE} --request-rate 4").loads[0].label == "r4-poisson"


def test_real_prompts_end_where_the_model_ends():
    assert plan(f"--dataset {TRACE}").ignore_eos is False
    assert plan(f"--dataset {TRACE} --ignore-eos").ignore_eos is True


def test_a_json_file_is_sharegpt_and_json_lines_are_not(tmp_path):
    (tmp_path / "a.json").write_text("[]", encoding="utf-8")
    assert plan(f"--dataset-path {tmp_path / 'a.json'}").workload.kind == "sharegpt"
    assert plan(f"--dataset-path {TRACE}").workload.kind == "jsonl"


@pytest.mark.parametrize("line", ["--goodput ttft:500 tpot:50 --concurrency 4", "--concurrency 4 --goodput ttft:500 tpot:50",
                                  "--goodput ttft:500 --concurrency 4 --goodput tpot:50"])
def test_goodput_takes_several_values_anywhere(line):
    assert {(slo.metric, slo.limit_s, slo.quantile) for slo in plan(line).slos} == {("ttft", 0.5, None), ("tpot", 0.05, None)}
    assert plan(line).loads[0].label == "c4"


def test_metadata_takes_several_values():
    assert options("--metadata a=1 b=2 --concurrency 4")["labels"] == ("a=1", "b=2")


def test_levels_of_both_kinds_stand_side_by_side():
    found = plan("--goodput ttft:500", "--slo", "ttft p99<=1s", "--slo", "tpot p95<50ms").slos
    assert [(slo.metric, slo.quantile) for slo in found] == [("ttft", 0.99), ("tpot", 0.95), ("ttft", None)]


@pytest.mark.parametrize(("line", "said"), [
    ("--concurrency 2.5", "whole number"), ("--concurrency inf", "whole number"), ("--concurrency 0", "cannot be read"), ("--request-rate -1", "cannot be read"),
    ("--request-rate nan", "cannot be read"), ("--input-len 0", "cannot be read"), ("--shape 512", "cannot be read"), ("--duration soon", "cannot be read"),
    ("--percentiles 50,75", "50, 90, 95 and 99"), ("--arrival gamma", "needs a rate"), ("--burstiness 0.5", "needs a rate"),
    ("--speedup 2", "speedup to the arrival trace"), ("--arrival trace", "needs a trace"), (f"--trace {TRACE} --arrival constant", "needs a rate"),
    ("--arrival burst --request-rate 3", "belong to the arrivals"), ("--arrival burst --duration 3", "a burst needs num_prompts"),
    ("--request-rate inf --ramp 3s", "could ramp up"), ("--request-rate 3 --stages 1s@1", "--request-rate"), ("--prefixes 3", "without --shared-prefix"),
    ("--think-time 3s", "without --turns"), ("--dataset-name sharegpt", "needs its file"), ("--dataset sharegpt", "needs its file"),
    (f"--dataset-name random --dataset-path {TRACE}", "not read from a file"), ("--dataset-path no/such.jsonl", "no such file"), ("--trace no/such", "no such file"),
    (f"--trace {TRACE} --dataset {TRACE}", "one trace or one dataset"), ("--goodput ttft:fast", "cannot be read"), ("--goodput tttf:500", "Did you mean ttft?"),
    ("--warmup 10% --duration 3s", "--num-prompts"), ("--extra-body stream:false", "may not replace stream"), ("--concurrency 1..2000+1", "more than 1000"),
    ("-c no-such.yaml", "cannot be read"), ("--request-rate 1,1.0000000000001", "repeated")])
def test_what_does_not_hold_together_is_refused(line, said):
    assert said in refusal(line)


def test_a_missing_file_is_no_usage_error():
    with pytest.raises(DataError):
        plan("--dataset-path no/such.jsonl")


# ── plan files and the environment ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "plan.yaml"
    first = plan("--request-rate 4 --arrival gamma --burstiness 0.5 --isl 64 --osl 8 --num-prompts 16 --seed 7 --goodput ttft:500 --warmup auto --extra-body a:1")
    path.write_text(yaml.safe_dump(first.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    return path, first


def test_a_kept_plan_is_played_again(kept):
    path, first = kept
    assert plan(f"-c {path}") == first


@pytest.mark.parametrize(("line", "changed"), [
    ("--isl 9", {"workload.input_len": Length(mean=9)}), ("--concurrency 2", {"loads.0.label": "c2", "num_prompts": 16}), ("--seed 1", {"seed": 1, "loads.0.label": "r4-gamma"}),
    ("--arrival constant --burstiness 1", {"loads.0.label": "r4-constant"}), ("--ramp 2s", {"loads.0.ramp_s": 2, "loads.0.burstiness": 0.5}),
    ("--duration 3s", {"duration_s": 3, "num_prompts": None}), ("--warmup 1", {"warmup": 1}), ("--slo 'ttft p99<=1s'", {"slos.0.quantile": 0.99}),
    ("--no-ignore-eos", {"ignore_eos": False}), ("--extra-body b:2", {"extra_body": {"b": 2}}), ("--no-calibrate", {"calibrate": False})])
def test_options_override_a_kept_plan(kept, line, changed):
    path, first = kept
    found = plan(f"-c {path} {line}")
    for where, value in changed.items():
        place = found
        for part in where.split("."):
            place = place[int(part)] if part.isdigit() else getattr(place, part)
        assert place == value
    untouched = set(type(first).model_fields) - {where.split(".")[0] for where in changed}
    assert {name for name in untouched if getattr(found, name) != getattr(first, name)} == set()


def test_a_kept_plan_with_an_unknown_key_is_refused(kept):
    path, _ = kept
    path.write_text(path.read_text(encoding="utf-8").replace("num_prompts", "num_promts"), encoding="utf-8")
    assert "Did you mean num_prompts?" in refusal(f"-c {path}")


def test_the_environment_comes_before_the_plan_and_after_the_line(kept):
    path, _ = kept
    assert plan(f"-c {path}", TOUCHSTONE_LOAD_SEED="5").seed == 5
    assert plan(f"-c {path} --seed 6", TOUCHSTONE_LOAD_SEED="5").seed == 6


# ── of whom, and with what key ───────────────────────────────────────────────────────────────────────────────────────────────


def address(text):
    endpoint, fixed = endpoint_of(options(text))
    return endpoint.base_url, endpoint.path, endpoint.backend, fixed


@pytest.mark.parametrize(("text", "expected"), [
    ("--url h:1", ("h:1", "/v1/chat/completions", "openai-chat", False)), ("--host h", ("http://h:8000", "/v1/chat/completions", "openai-chat", False)),
    ("--port 9", ("http://127.0.0.1:9", "/v1/chat/completions", "openai-chat", False)), ("--host ::1 --port 9", ("http://[::1]:9", "/v1/chat/completions", "openai-chat", False)),
    ("--url http://h/v1/completions", ("http://h", "/v1/completions", "openai", True)),
    ("--url http://h/api/v4/chat/completions", ("http://h/api/v4", "/chat/completions", "openai-chat", True)),
    ("--url http://h/v1 --endpoint /chat/completions", ("http://h", "/v1/chat/completions", "openai-chat", True)),
    ("--url http://h/v1 --endpoint /v1/completions", ("http://h", "/v1/completions", "openai", True)),
    ("--url http://h/proxy/v1/", ("http://h/proxy", "/v1/chat/completions", "openai-chat", False)),
    ("--url h --backend vllm", ("h", "/v1/completions", "openai", True)), ("--url h --endpoint /x --backend chat", ("h", "/x", "openai-chat", True))])
def test_addresses_as_other_tools_write_them(text, expected):
    assert address(text) == expected


@pytest.mark.parametrize(("text", "said"), [("", "--base-url is missing"), ("--url h --backend opnai", "Did you mean openai")])
def test_an_address_that_is_none_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        endpoint_of(options(text))


def test_the_key_comes_from_the_line_or_the_environment_and_a_header_wins():
    assert headers_of(options()) == {}
    assert headers_of(options("", OPENAI_API_KEY="k1")) == {"Authorization": "Bearer k1"}
    assert headers_of(options("--api-key k2", OPENAI_API_KEY="k1")) == {"Authorization": "Bearer k2"}
    assert headers_of(options("", TOUCHSTONE_API_KEY="k3", OPENAI_API_KEY="k1")) == {"Authorization": "Bearer k3"}
    assert headers_of(options("--api-key k2 -H 'authorization=Token k4'")) == {"authorization": "Token k4"}


def test_help_shows_no_key():
    done = CliRunner().invoke(load, ["--help"], env={"OPENAI_API_KEY": "sk-shown"})
    assert done.exit_code == 0
    assert "sk-shown" not in done.output
