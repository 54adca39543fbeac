"""Two sides of known truth: what is claimed of them, what is refused, and what is left open."""

import contextlib
import math
import re
from dataclasses import replace

import pytest
from builders import make_facts, make_load, make_load_plan, make_trial
from compared_runs import engine_run, facts, load_run
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.comparison import Factor, Outcome, Unit
from touchstone.errors import DataError, NotReadyError, UsageError
from touchstone.finding import Trust
from touchstone.judge.compare import compare, compare_same
from touchstone.judge.compare.margin import Margin, is_quiet, usual
from touchstone.judge.compare.measured import measured_of
from touchstone.judge.findings import findings_of
from touchstone.judge.load.scan import by_case, offered_points
from touchstone.judge.load.summarize import summarize_case
from touchstone.load_plan import LoadPlan
from touchstone.message import say
from touchstone.record import Status
from touchstone.report.compare_sentence import answer
from touchstone.report.compare_words import difference_title

KINDS = {"run": engine_run, "load": load_run}


def compared(old, new, margin=None, **options):
    return compare([measured_of(one) for one in old] if isinstance(old, list) else [measured_of(old)],
                   [measured_of(one) for one in new] if isinstance(new, list) else [measured_of(new)], margin or usual(), **options)


def row(comparison, case, metric):
    return next(one for one in comparison.metrics if (one.case, one.metric) == (case, metric))


def outcomes(comparison):
    return {one.outcome for one in comparison.metrics}


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_twice_is_equivalent(kind):
    found = compare_same([measured_of(KINDS[kind](seed=1))], [measured_of(KINDS[kind](seed=2))])
    assert outcomes(found) == {Outcome.EQUIVALENT}
    assert is_quiet(found)
    assert not found.regressed
    assert not found.undecided
    assert found.differences == ()
    assert 0 < found.floor.floor < 0.02
    assert found.floor.margin == 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_known_effect_is_found_with_its_size_and_direction(kind):
    found = compared(KINDS[kind](seed=1), KINDS[kind](1 / 1.18, seed=2))
    assert found.headline.metric == "output_throughput"
    assert found.headline.low < 1.18 < found.headline.high
    assert found.headline.outcome is Outcome.CHANGED
    assert found.headline.better is True
    timing = [one for one in found.metrics if one.unit == "s"]
    assert timing
    assert all(one.outcome is Outcome.CHANGED and one.better for one in timing)
    assert all(one.low < 1 / 1.18 < one.high for one in timing)
    assert not found.regressed


@pytest.mark.parametrize("kind", KINDS)
def test_slower_is_a_regression(kind):
    found = compared(KINDS[kind](seed=1), KINDS[kind](1.18, seed=2))
    assert found.regressed
    assert found.headline.better is False
    assert re.fullmatch(r"B is 1\.1[789]\d?× ± 0\.0\d+ slower \(throughput -1[45]\.\d %\)", str(answer(found)))


def test_the_sentence_of_a_known_effect():
    found = compared(engine_run(seed=2, noise=0.01), engine_run(1 / 1.18, seed=52, noise=0.01))
    assert str(answer(found)) == "B is 1.18× ± 0.03 faster (throughput +18.0 %)"


def test_the_sentence_says_what_is_still_open():
    """TTFT is noisy and did not change, throughput did: the one is claimed, of the other is said what it takes."""
    def noisy(seed, slower=1.0):
        run = engine_run(slower, seed=seed, cases={"short": 1})
        spread = [one / slower for one in (1.0, 1.03, 0.97, 1.04, 0.96)]
        trials = tuple(replace(trial, records=tuple(replace(record, event_ns=(trial.sent_ns + round((record.event_ns[0] - trial.sent_ns) * spread[trial.launch]),
                                                                              *record.event_ns[1:])) for record in trial.records)) for trial in run.trials)
        return replace(run, trials=trials)

    found = compared(noisy(1), noisy(2, 1 / 1.18))
    ttft = row(found, "short", "ttft")
    assert ttft.outcome is Outcome.INCONCLUSIVE
    assert 10 < ttft.more < 100
    assert str(answer(found)).startswith("B is 1.1")
    assert f"TTFT inconclusive, {ttft.more} more launches per side" in str(answer(found))


def test_a_difference_below_the_margin_is_trivial_or_equivalent_and_never_a_change():
    found = compared(engine_run(seed=1, noise=0.001), engine_run(1.012, seed=2, noise=0.001))
    assert outcomes(found) <= {Outcome.TRIVIAL, Outcome.EQUIVALENT}
    wide = compared(engine_run(seed=1), engine_run(1.18, seed=2), Margin(0.25, say("as asked")))
    assert Outcome.CHANGED not in outcomes(wide)


def test_noise_leaves_the_question_open_and_says_how_much_is_missing():
    found = compared(engine_run(seed=3, noise=0.06), engine_run(seed=4, noise=0.06))
    timing = [one for one in found.metrics if one.unit != "B"]
    assert {one.outcome for one in timing} == {Outcome.INCONCLUSIVE}
    assert all(one.more > 20 for one in timing)
    assert found.undecided
    assert str(answer(found)).startswith("inconclusive: throughput of B is 0.")


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 2.0), st.integers(0, 10_000))
def test_swapping_the_sides_inverts_everything(slower, seed):
    old, new = measured_of(engine_run(seed=seed, trials=2)), measured_of(engine_run(slower, seed=seed + 1, trials=2))
    one, other = compare([old], [new], usual()), compare([new], [old], usual())
    for mine, yours in zip(one.metrics, other.metrics, strict=True):
        assert mine.outcome is yours.outcome
        assert mine.ratio == pytest.approx(1 / yours.ratio)
        assert mine.low == pytest.approx(1 / yours.high)
        assert mine.p_adjusted == pytest.approx(yours.p_adjusted)
        if mine.better is not None:
            assert mine.better is not yours.better


def test_false_alarms_over_a_whole_family_stay_rare():
    """Holm: of 60 pairs of equal runs, each with ten comparisons, hardly any claims a change. (Expected: at most 3.)"""
    runs = [measured_of(engine_run(seed=seed, noise=0.03, trials=2)) for seed in range(120)]
    alarms = sum(Outcome.CHANGED in outcomes(compare([runs[place]], [runs[place + 1]], usual())) for place in range(0, 120, 2))
    assert alarms <= 7


def test_a_p_that_stands_alone_falls_in_a_large_family():
    quiet, odd = engine_run(seed=1, noise=0.02), engine_run(1.04, seed=3, noise=0.02)
    found = compared(quiet, odd)
    demoted = [one for one in found.metrics if one.p is not None and one.p < 0.05 <= one.p_adjusted]
    assert demoted, "the seed was chosen so that there is one"
    assert all(one.outcome is Outcome.INCONCLUSIVE and one.more >= 1 and one.better is None for one in demoted)
    assert all(one.p_adjusted >= one.p for one in found.metrics if one.p is not None)


# ── replicates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_one_replicate_makes_no_claim_about_re_runs(kind):
    options = {"launches": 1} if kind == "run" else {"repeats": 1}
    found = compared(KINDS[kind](seed=1, **options), KINDS[kind](1 / 1.18, seed=2, **options))
    assert outcomes(found) <= {Outcome.WITHIN, Outcome.INCONCLUSIVE}
    assert found.headline.outcome is Outcome.WITHIN
    assert "no claim about re-runs" in found.headline.method
    assert found.headline.more == 2
    assert not found.regressed
    assert found.undecided
    assert "says nothing of another launch" in str(answer(found))
    assert any("no claim about re-runs" in str(note) for note in found.notes)


def test_one_against_many_has_a_ratio_and_no_interval():
    found = compared(engine_run(seed=1, launches=1), engine_run(seed=2))
    for one in found.metrics:
        assert one.outcome is Outcome.INCONCLUSIVE
        assert one.ratio is not None
        for name in ("low", "high", "p", "p_adjusted", "p_rank", "half_old"):
            assert getattr(one, name) is None
            assert str(one.reasons[name])
    assert "once" in str(answer(found))


def test_of_several_directories_each_is_one_replicate():
    found = compared([load_run(seed=seed, repeats=2) for seed in (1, 2, 3, 4)], [load_run(1.18, seed=seed, repeats=2) for seed in (5, 6, 7, 8)])
    assert (found.old.replicates, found.new.replicates) == (4, 4)
    assert found.old.unit is Unit.RUN
    assert found.headline.outcome is Outcome.CHANGED
    assert len(found.old.paths) == 4
    assert not any("one start of the server" in str(note) for note in found.notes)


def test_repeats_of_a_load_are_said_to_share_a_server():
    assert any("one start of the server" in str(note) for note in compared(load_run(seed=1), load_run(seed=2)).notes)


def test_a_run_is_not_compared_with_itself_nor_counted_twice():
    one = measured_of(engine_run(seed=1))
    for old, new in (([one], [one]), ([one, replace(one, path="a copy")], [measured_of(engine_run(seed=2))])):
        with pytest.raises(UsageError, match="same measurement"):
            compare(old, new, usual())
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([], [one], usual())


@pytest.mark.parametrize("plan", [{}, {"slos": [{"metric": "ttft", "limit_s": 0.0505}]}])
def test_the_numbers_of_a_load_are_those_of_its_report(plan):
    run = load_run(seed=1, repeats=3, plan=plan)
    measured = measured_of(run)
    validated = LoadPlan.model_validate(run.header["plan"])
    [(name, points)] = by_case(offered_points(run)).items()
    for number, point in enumerate(points):
        case = summarize_case(name, [point], validated)
        for metric in ("ttft", "tpot", "e2e", "output_throughput", *(["goodput"] if plan else [])):
            assert measured.samples[name, metric].replicates[number] == pytest.approx(case.metrics[metric].value, rel=1e-12), metric
        assert measured.samples[name, "ttft.p99"].replicates[number] == pytest.approx(case.metrics["ttft"].quantiles["p99"], abs=1e-9)
    assert (("c8", "goodput") in measured.samples) == bool(plan)


def test_a_single_launch_has_the_numbers_of_its_report():
    run = engine_run(seed=1, launches=1)
    measured = measured_of(run)
    for case in findings_of(run).cases:
        assert measured.samples[case.name, "output_throughput"].values == [pytest.approx(case.metrics["output_throughput"].value)]
        assert measured.samples[case.name, "peak_memory"].values == [case.metrics["peak_memory"].value]
        low, high = case.metrics["ttft"].low, case.metrics["ttft"].high
        assert low < measured.samples[case.name, "ttft"].values[0] < high


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def header(run, **changes):
    return replace(run, header={**run.header, **changes})


def with_plan(run, **changes):
    return header(run, plan={**run.header["plan"], **changes})


def other_case(run):
    cases = [{**case, "output_tokens": 32} for case in run.header["plan"]["cases"]]
    return with_plan(run, cases=cases)


UNLIKE = {
    "model": lambda run: header(run, target={**run.header["target"], "model": "/models/large"}),
    "dtype": lambda run: header(run, target={**run.header["target"], "dtype": "fp16"}),
    "output_tokens": other_case,
    "engine_version": lambda run: header(run, launches=facts(version="transformers 5.1"), environment={"cores": 64, "cpu": "another"}),
}


@pytest.mark.parametrize("what", UNLIKE)
def test_unlike_runs_are_refused_with_the_list_and_compared_without_a_cause_where_asked(what):
    old, new = engine_run(seed=1), UNLIKE[what](engine_run(1 / 1.18, seed=2))
    with pytest.raises(UsageError, match=what) as refused:
        compared(old, new)
    assert "--allow-differences" in str(refused.value)
    found = compared(old, new, allow_differences=True)
    assert found.confounded
    assert what in " ".join(one.name for one in found.differences)
    assert "too much else differs to say why" in str(answer(found))
    assert "faster" not in str(answer(found))
    assert str(difference_title(found)) == "Confounded, by what differs"


def test_a_refusal_is_a_short_list_in_which_every_factor_has_a_place():
    many = facts(engine="llama.cpp", version="xllamacpp 1", options={f"option_{place:02d}": place for place in range(40)})
    new = header(engine_run(seed=2), launches=many, environment={"cores": 64, "cpu": "Kunpeng"}, target={**engine_run().header["target"], "dtype": "fp16"})
    with pytest.raises(UsageError) as refused:
        compared(engine_run(seed=1), new)
    said, *lines = str(refused.value).splitlines()
    assert said.endswith("or say --allow-differences. What differs:")
    assert lines[0] == "  work: dtype bf16 → fp16"
    assert [line.split(":")[0].strip() for line in lines[:-1]] == ["work"] + ["engine"] * (len(lines) - 4) + ["machine"] * 2
    assert lines[1] == "  engine: engine transformers → llama.cpp"
    assert len(lines) == 13
    assert re.fullmatch(r"  … and \d\d more", lines[-1])


def test_what_a_terminal_would_obey_is_not_in_a_refusal():
    odd = header(engine_run(seed=2), environment={"cpu": "\x1b[31mred\n\0", "cores": 4}, target={**engine_run().header["target"], "model": "a\x1b[2Jb" * 99})
    with pytest.raises(UsageError) as refused:
        compared(engine_run(seed=1), odd)
    assert all(line.isprintable() and len(line) < 400 for line in str(refused.value).splitlines())


def test_a_side_without_any_measurement_is_named():
    run = engine_run(seed=2)
    with pytest.raises(NotReadyError, match=r"Nothing in runs/2 was measured to its end.*touchstone report runs/2"):
        compared(engine_run(seed=1), replace(run, trials=()))


def test_a_header_as_deep_as_json_can_be_is_a_data_error_or_is_read():
    deep = "x"
    for _ in range(900):
        deep = {"a": deep}
    with contextlib.suppress(DataError):
        measured_of(header(engine_run(seed=1), labels={"a": [deep]}))


def test_one_factor_may_differ_and_is_named():
    found = compared(engine_run(seed=1), header(engine_run(seed=2), launches=facts(version="transformers 5.1")))
    assert [str(one) for one in found.differences] == ["engine_version transformers 5.0 → transformers 5.1"]
    assert str(difference_title(found)) == "The one difference: the engine"
    assert not found.confounded


def test_two_engines_on_one_machine_are_one_difference():
    other = facts(engine="llama.cpp", version="xllamacpp 1", options={"threads": 4, "slots": 4}, parameters=2 * make_facts()["parameters"],
                  dtypes={"BF16": 10}, weight_bytes=10)
    new = header(engine_run(seed=2), launches=other, environment={"cores": 4, "busy_processes": [], "variables": {"OMP_WAIT_POLICY": "PASSIVE"}},
                 target={"engine": "llama.cpp", "device": "cuda", "model": "/cache/small/small-bf16.gguf", "dtype": "auto", "options": {}})
    found = compared(engine_run(seed=1), new)
    assert {one.factor for one in found.differences} == {Factor.ENGINE}
    assert str(found.differences[0]) == "engine transformers → llama.cpp"


def test_another_machine_is_one_difference_and_two_settings_too():
    cpu = {"cores": 64, "cpu": "Kunpeng", "kernel": "6.1", "driver": "24.1", "load_average": [9, 9, 9], "memory_available_bytes": 5}
    assert {one.factor for one in compared(engine_run(seed=1), header(engine_run(seed=2), environment=cpu)).differences} == {Factor.MACHINE}
    options = facts(options={"attention": "eager", "compile": True})
    assert {one.factor for one in compared(engine_run(seed=1), header(engine_run(seed=2), launches=options)).differences} == {Factor.SETTINGS}


def test_an_a_a_comparison_allows_no_difference_at_all():
    new = header(engine_run(seed=2), launches=facts(version="transformers 5.1"))
    with pytest.raises(UsageError, match=r"not two measurements of the same thing.*\n  engine: engine_version"):
        compare_same([measured_of(engine_run(seed=1))], [measured_of(new)])
    assert compare_same([measured_of(engine_run(seed=1))], [measured_of(new)], allow_differences=True).floor is not None


def test_runs_of_one_side_must_be_alike():
    odd = header(engine_run(seed=3), launches=facts(version="transformers 5.1"), environment={"cores": 8})
    with pytest.raises(UsageError, match="within A"):
        compared([engine_run(seed=1), odd], engine_run(seed=2))


def test_the_load_is_the_work_and_its_address_is_not():
    moved = header(load_run(seed=2), endpoint={**load_run().header["endpoint"], "base_url": "http://user:secret@localhost:9999"})
    assert compared(load_run(seed=1), moved).differences == ()
    with pytest.raises(UsageError, match=r"no case in common: c8 \| c16"):
        compared(load_run(seed=1), load_run(seed=2, concurrency=16))
    found = compared(load_run(seed=1), load_run(seed=2, concurrency=16), allow_differences=True)
    assert "c8: concurrency 8 → 16" in [str(one) for one in found.differences]
    assert found.metrics[0].case == "c8 | c16"
    assert found.confounded


def test_other_request_bodies_are_refused_and_secrets_in_them_never_shown():
    keyed = [load_run(seed=seed, plan={"extra_body": {"api_key": f"sk-{seed}-secret", "top_k": seed}}) for seed in (1, 2)]
    with pytest.raises(UsageError) as refused:
        compared(*keyed)
    assert "extra_body.top_k 1 → 2" in str(refused.value)
    assert "extra_body.api_key (hidden) → (hidden)" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_other_service_levels_leave_goodput_out_and_nothing_else():
    old, new = (load_run(seed=seed, plan={"slos": [{"metric": "ttft", "limit_s": limit}]}) for seed, limit in ((1, 0.06), (2, 0.07)))
    found = compared(old, new)
    assert "goodput" not in {one.metric for one in found.metrics}
    assert any("goodput is not compared" in str(note) for note in found.notes)
    assert "goodput" in {one.metric for one in compared(old, load_run(seed=2, plan={"slos": [{"metric": "ttft", "limit_s": 0.06}]})).metrics}


def test_answers_of_other_lengths_have_no_e2e_in_common():
    found = compared(load_run(seed=1), load_run(seed=2, tokens=12))
    assert "e2e" not in {one.metric for one in found.metrics}
    assert "ttft" in {one.metric for one in found.metrics}
    assert any("12 tokens" in str(note) for note in found.notes)
    assert (Factor.MEASURED, "c8: output_tokens") in {(one.factor, one.name) for one in found.differences}


# ── what is missing or wrong ─────────────────────────────────────────────────────────────────────────────────────────────


def test_cases_of_one_side_only_are_named_and_the_rest_is_compared():
    found = compared(engine_run(seed=1), engine_run(seed=2, cases={"short": 1, "long": 1}))
    assert {one.case for one in found.metrics} == {"short"}
    assert {"only A has batch-4", "only B has long"} <= {str(note) for note in found.notes}


def test_a_metric_that_one_side_lacks_is_left_out():
    run = engine_run(seed=2)
    single = replace(run, trials=tuple(make_trial(trial.case, trial.index, launch=trial.launch, sequence=trial.sequence, sent_ns=trial.sent_ns,
                                                  batch_size=trial.batch_size, tokens=1) for trial in run.trials))
    found = compared(engine_run(seed=1), single, allow_differences=True)
    assert "tpot" not in {one.metric for one in found.metrics}
    assert "ttft" in {one.metric for one in found.metrics}


def test_goodput_of_nothing_has_no_ratio_and_a_reason():
    old, new = (load_run(seed=seed, plan={"slos": [{"metric": "ttft", "limit_s": 1e-6}]}) for seed in (1, 2))
    one = row(compared(old, new), "c8", "goodput")
    assert (one.old, one.ratio, one.outcome) == (0.0, None, Outcome.INCONCLUSIVE)
    assert "positive" in str(one.reasons["ratio"])


def test_failures_and_doubts_stand_beside_the_numbers():
    run = engine_run(seed=2)
    failed = replace(run, trials=tuple(replace(trial, status=Status.ERROR, records=tuple(replace(record, status=Status.ERROR) for record in trial.records))
                                       if trial.index == 0 and trial.case == "short" else trial for trial in run.trials))
    found = compared(engine_run(seed=1), failed)
    assert any(str(note).startswith("short: 0 % of A's requests failed and 16.7 % of B's") for note in found.notes)
    assert found.new.trust is not Trust.TRUSTED
    assert any(str(note).startswith(("B is suspect", "B is rejected")) for note in found.notes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", [{"plan": None}, {"plan": {"cases": 7}}, {"plan": []}])
def test_a_header_that_nobody_wrote_is_an_error_that_names_the_file(kind, damage):
    with pytest.raises(DataError, match=r"run\.json is damaged"):
        measured_of(header(KINDS[kind](seed=1), **damage))


JUNK = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3), max_leaves=8)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(["environment", "endpoint", "server", "labels", "asked", "created", "id", "processes", "touchstone"]), JUNK, max_size=6))
def test_whatever_else_a_header_holds_it_is_compared_or_refused(junk):
    for run in (engine_run(seed=1, launches=2, trials=2), load_run(seed=1, repeats=2, count=40)):
        try:
            found = compared(run, replace(run, header={**run.header, "id": "other", **junk}), allow_differences=True)
        except (DataError, UsageError):
            continue
        assert all(math.isfinite(one.ratio) for one in found.metrics if one.ratio is not None)


def test_loads_offered_otherwise_differ_in_their_work():
    """The same name may hide another load: what it is called does not count."""
    load = make_load(arrival="poisson", concurrency=None, request_rate=8.0)
    same_name = load_run(seed=2, load=make_load(concurrency=8), plan=make_load_plan(make_load()))
    same_name = replace(same_name, points=tuple(replace(point, load=load) for point in same_name.points))
    with pytest.raises(UsageError, match="c8: arrival"):
        compared(load_run(seed=1), same_name)
