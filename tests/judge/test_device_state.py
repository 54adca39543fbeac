"""A run's devices judged: energy and memory of a case with their method, what is missing with its reason, and three rules."""

import json

import jsonschema
import pytest
from builders import GB, S, clean_run
from device_runs import LENGTH, START, make_account, make_trials, sampled, steady, watched_run, without

from touchstone.finding import Judgement
from touchstone.judge.findings import findings_of
from touchstone.report import FACES

TOKENS = 16
LANGUAGES = ("en", "zh")


def only(run):
    (case,) = findings_of(run).cases
    return case


def verdict(run, rule):
    return [one for one in findings_of(run).verdicts if one.rule == rule]


# ── energy ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_counter_is_preferred_and_named():
    metrics = only(watched_run()).metrics
    assert metrics["power"].value == pytest.approx(300)
    assert metrics["energy_per_token"].value == pytest.approx(300 * LENGTH / S / TOKENS)
    assert metrics["energy_per_token"].n == 5
    assert metrics["energy_per_token"].method.startswith("energy counter of the device")


def test_without_a_counter_power_is_integrated_and_period_and_count_are_stated():
    run = watched_run(sampled(without("energy_j")))
    estimate = only(run).metrics["power"]
    assert estimate.value == pytest.approx(300)
    assert "integral of sampled power" in estimate.method
    assert "period 0.250 s, 85 samples" in estimate.method  # 17 in each of five trials, both edges among them


def test_energy_of_the_host_s_processors_says_that_it_is_the_whole_host():
    run = watched_run(sampled(lambda at_ns: {"energy_j": steady(at_ns)["energy_j"]}, kind="cpu"))
    metrics = only(run).metrics
    assert metrics["power"].value == pytest.approx(300)
    assert "RAPL package energy, whole host" in metrics["power"].method
    assert "device_memory" not in metrics
    assert findings_of(run).telemetry.idle_power_w == pytest.approx(60)


def test_two_devices_are_summed_and_one_alone_is_not_enough():
    options = {"engine": "vllm", "device": "cuda", "model": "/models/small", "dtype": "bf16", "options": {"tensor_parallel": 2}}
    both = (*sampled(steady), *sampled(steady, index=1))
    metrics = only(watched_run(both, target=options)).metrics
    assert metrics["power"].value == pytest.approx(600)
    assert "sum over 2 devices" in metrics["power"].method
    assert metrics["device_memory"].value == 39 * GB
    alone = only(watched_run(target=options)).metrics["power"]
    assert alone.value is None
    assert "1 of 2 devices" in str(alone.reasons["value"])


@pytest.mark.parametrize(("dies", "power"), [((0, 1), 300), ((0,), None), ((1,), None)])
def test_the_power_of_a_card_of_two_dies_is_counted_once_and_only_if_both_are_the_run_s(dies, power):
    both = {0: sampled(without("energy_j"), kind="npu"), 1: sampled(without("energy_j", "power_w"), kind="npu", index=1)}
    account = make_account(sensor={"name": "npu-smi", "devices": [{"index": die, "power_of": [0, 1]} for die in dies]})
    target = {"engine": "vllm", "device": "npu", "model": "/models/small", "dtype": "bf16", "options": {"tensor_parallel": len(dies)}}
    estimate = only(watched_run(sum((both[die] for die in dies), ()), accounts=[account], target=target)).metrics["power"]
    assert estimate.value == pytest.approx(power)
    assert power or "of which this run used fewer" in str(estimate.reasons["value"])


def test_trials_shorter_than_three_periods_have_no_energy_and_a_reason():
    run = watched_run(sampled(steady, period_ns=2 * S))
    for name in ("power", "energy_per_token"):
        estimate = only(run).metrics[name]
        assert (estimate.value, estimate.n) == (None, 0)
        assert "4 s is shorter than 3 sampling periods of 2 s" in str(estimate.reasons["value"])


def test_a_trial_whose_samples_stopped_is_left_out_of_n():
    run = watched_run(sampled(steady, until_ns=START + 18 * S))
    assert only(run).metrics["power"].n == 3


def test_a_device_that_tells_no_power_gives_a_reason():
    estimate = only(watched_run(sampled(without("energy_j", "power_w")))).metrics["energy_per_token"]
    assert "neither energy nor power" in str(estimate.reasons["value"])


def test_the_interval_is_over_launches_where_there_are_several():
    trials = [*make_trials(), *make_trials(launch=1)]
    samples = (*sampled(steady), *sampled(steady, launch=1))
    estimate = only(watched_run(samples, trials, [make_account(), make_account(launch=1)])).metrics["energy_per_token"]
    assert estimate.n == 10
    assert estimate.method.endswith("log-t over launches")


def test_a_run_without_samples_has_no_metrics_of_devices():
    for case in findings_of(clean_run()).cases:
        assert not {"power", "energy_per_token", "device_memory"} & set(case.metrics)
        assert case.device is None


# ── memory, and the device at rest ───────────────────────────────────────────────────────────────────────────────────────


def test_memory_is_above_the_smallest_sample_before_loading():
    estimate = only(watched_run()).metrics["device_memory"]
    assert estimate.value == 20 * GB - GB // 2
    assert "3 samples of the idle device" in estimate.method
    telemetry = findings_of(watched_run()).telemetry
    assert (telemetry.idle_memory_bytes, telemetry.idle_samples) == (GB // 2, 3)
    assert telemetry.idle_power_w == pytest.approx(60)


def test_what_a_launch_that_went_on_in_another_process_holds_is_not_idle():
    accounts = [{"launch": 0, "process": 0, "started_ns": START}, make_account(process=1, started_ns=START + 20 * S)]  # the first was killed
    telemetry = findings_of(watched_run(accounts=accounts)).telemetry
    assert telemetry.idle_samples == 3
    assert telemetry.idle_power_w == pytest.approx(60)


def test_without_a_sample_before_loading_there_is_no_memory_above_it():
    late = [sample for sample in sampled(steady) if sample.at_ns >= START]
    estimate = only(watched_run(late)).metrics["device_memory"]
    assert estimate.value is None
    assert "before it was loaded" in str(estimate.reasons["value"])
    assert findings_of(watched_run(late)).telemetry.idle_power_w is None


def test_the_state_of_the_device_is_of_the_measured_trials_alone():
    def hot_outside(at_ns):
        return {**steady(at_ns), "temperature_c": 99.0 if at_ns < START + S else 61.0, "frequency_hz": 1_000_000_000 if at_ns < START + S else 1_900_000_000}

    state = only(watched_run(sampled(hot_outside))).device
    assert (state.temperature_max_c, state.frequency_min_hz, state.frequency_median_hz) == (61.0, 1_900_000_000, 1_900_000_000)
    assert state.samples == 85


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def throttling(words, share=1.0):
    def values(at_ns):
        slot = (at_ns - START) // (S // 4) % 100
        return {**steady(at_ns), "throttle": words if slot < 100 * share else ""}
    return watched_run(sampled(values))


@pytest.mark.parametrize("words", ["sw_power_cap", "hw_thermal_slowdown", "sync_boost,sw_thermal_slowdown", "hw_power_brake_slowdown"])
def test_heat_or_power_that_holds_the_clock_down_is_suspect(words):
    (found,) = verdict(throttling(words), "throttled")
    assert found.status is Judgement.SUSPECT
    assert found.observed == 1.0
    assert words.split(",")[-1] in str(found.message)
    assert "55 °C" in str(found.message)


@pytest.mark.parametrize("words", ["", "applications_clocks_setting", "sync_boost"])
def test_a_clock_somebody_chose_is_not_throttled(words):
    (found,) = verdict(throttling(words), "throttled")
    assert found.status is Judgement.PASS


def test_unknown_throttling_is_not_judged():
    assert verdict(watched_run(sampled(without("throttle"))), "throttled") == []


@pytest.mark.parametrize(("before", "during", "status"), [
    (0, 0, Judgement.PASS), (None, 0, Judgement.PASS), (0, 2, Judgement.SUSPECT), (3, None, Judgement.SUSPECT), (0, None, Judgement.CANNOT_TELL),
    (None, None, Judgement.CANNOT_TELL),
])
def test_another_process_on_the_device_is_suspect(before, during, status):
    run = watched_run(sampled(lambda at_ns: {**steady(at_ns), "other_processes": before if at_ns < START else during}))
    (found,) = verdict(run, "device-shared")
    assert found.status is status


def test_a_process_that_was_only_ending_when_the_launch_began_is_no_other():
    def leaving(at_ns):
        return {**steady(at_ns), "other_processes": 1 if at_ns < START - S // 2 else 0}
    (found,) = verdict(watched_run(sampled(leaving)), "device-shared")
    assert found.status is Judgement.PASS


def test_nobody_asks_who_shares_the_host_s_processors():
    assert verdict(watched_run(sampled(lambda at_ns: {"energy_j": steady(at_ns)["energy_j"]}, kind="cpu")), "device-shared") == []


@pytest.mark.parametrize(("cost", "cores", "status"), [(0.002, 4, Judgement.PASS), (0.04, 4, Judgement.PASS), (0.05, 4, Judgement.CANNOT_TELL)])
def test_a_dear_sampler_is_noted(cost, cores, status):
    run = watched_run(accounts=[make_account(), make_account(process=1, cost_fraction=cost)], environment={"cores": cores})
    (found,) = verdict(run, "sampler-cost")
    assert found.status is status
    assert found.observed == pytest.approx(max(cost, 0.002) / cores)


def test_a_run_from_before_samplers_spoke_is_not_judged_by_them():
    run = clean_run(telemetry={"period_s": 0.25, "cost_fraction": 0.3})
    assert verdict(run, "sampler-cost") == verdict(run, "device-shared") == verdict(run, "throttled") == []
    assert findings_of(run).telemetry is None


# ── faces ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def show(run, face, lang="en"):
    return FACES[face](findings_of(run), str, lang)


def test_text_and_markdown_show_energy_and_the_idle_device():
    markdown = show(watched_run(), "md")
    for shown in (" ".join(show(watched_run(), "text").split()), markdown):
        assert "75 J/token at 300 W" in shown
    assert "idle power 60 W (3 samples before loading)" in markdown
    assert "0.20 % of a core" in markdown
    assert "| short | 300 | 75 |" in markdown
    assert "1,980 / 1,980 | 0 % |" in markdown
    names, sizes = (next(line for line in markdown.split("## Memory")[1].splitlines() if line.startswith(start)).split(" | ") for start in ("| Scenario", "| short"))
    assert sizes[names.index("Device memory above idle |")].startswith("19.50 GB")
    assert sizes[names.index("Peak allocated")].startswith("3 GB")  # what the allocator counts stays beside it, by name
    assert "energy counter of the device" in markdown


def test_json_has_them_and_keeps_its_schema():
    from importlib import resources

    schema = json.loads(resources.files("touchstone.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    for run in (watched_run(), watched_run(sampled(without("energy_j", "power_w", "memory_used_bytes"))), watched_run(sampled(steady, period_ns=2 * S))):
        found = json.loads(show(run, "json"))
        jsonschema.validate(found, schema)
        for name, metric in found["cases"][0]["metrics"].items():
            assert [key for key, value in metric.items() if value is None and not metric["reasons"].get(key)] == [], name
    found = json.loads(show(watched_run(), "json"))
    assert found["cases"][0]["device"]["temperature_max_c"] == 55
    assert found["telemetry"]["idle_power_w"] == pytest.approx(60)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_reason_that_crossed_from_the_sampler_is_shown_and_commands_nothing(lang):
    hostile = "\x1b[31mgone\x07 <b> {nothing} | `x`"
    accounts = [make_account(sensor=None, missing=[
        {"of": "NVML", "template": "NVML cannot be opened: {error}", "fields": {"error": hostile}},
        {"of": "NVML", "template": hostile, "fields": {}}, {"of": "NVML", "template": "{0.real} {x!q}", "fields": None}, "junk"])]
    run = watched_run((), accounts=accounts)
    for face in ("text", "md"):
        shown = show(run, face, lang)
        assert [one for one in shown if not one.isprintable() and one != "\n"] == []
    assert "NVML cannot be opened" in show(run, "md", lang)
    assert "<b>" not in show(run, "md", lang)
    assert json.loads(show(run, "json", lang))["telemetry"]["missing"][0].startswith("NVML: NVML cannot be opened: \x1b")
