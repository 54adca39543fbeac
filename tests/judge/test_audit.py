"""A clean run passes every rule; break one thing and exactly that rule says so, with the right gravity."""

from dataclasses import replace

import pytest
from builders import GB, MS, clean_run, make_facts, make_failure, make_finding, make_trial, with_trials

from touchstone.finding import Judgement, Trust, Verdict
from touchstone.judge.audit import RULES, judge_run, trust
from touchstone.judge.audit.device_state import DEVICE_STATE
from touchstone.judge.findings import findings_of
from touchstone.judge.summarize import summarize
from touchstone.message import say
from touchstone.record import MemoryPeaks, Phase, Status

FINE = {Judgement.PASS, Judgement.CANNOT_TELL}


def verdicts(run, cases=None):
    return judge_run(run, summarize(run) if cases is None else cases)


def listed(run, cases=None):
    """Every (rule, case, status) that is not a pass."""
    return {(one.rule, one.case, one.status) for one in verdicts(run, cases) if one.status is not Judgement.PASS}


def news(run, cases=None):
    """What is said of ``run`` that is not said of the clean run."""
    return listed(run, cases) - listed(clean_run())


def change(run, case, indices, alter):
    """``run`` with ``alter(trial)`` for the measured trials of ``case`` at ``indices``."""
    def altered(trial):
        meant = trial.phase is Phase.MEASURED and trial.case == case and trial.index in indices
        return alter(trial) if meant else trial

    return with_trials(run, altered)


def first_record(**changes):
    """An alteration of a trial's first record."""
    return lambda trial: replace(trial, records=(replace(trial.records[0], **changes), *trial.records[1:]))


def retimed(first_ns, step_ns):
    """An alteration: the same trial, started at the same moment, with other times."""
    def alter(trial):
        records = make_trial(trial.case, trial.index, sent_ns=trial.sent_ns, batch_size=trial.batch_size, first_ns=first_ns,
                             step_ns=step_ns).records
        return replace(trial, records=records, ended_ns=records[0].ended_ns)
    return alter


def with_facts(run, **facts):
    return replace(run, header={**run.header, "launches": [{"launch": 0, "facts": make_facts(**facts)}]})


def with_target(run, **target):
    return replace(run, header={**run.header, "target": {**run.header["target"], **target}})


def test_a_clean_run_passes_or_cannot_be_told():
    found = verdicts(clean_run())
    assert {one.status for one in found} == FINE
    assert trust(found) is Trust.TRUSTED
    assert {one.rule for one in found} == {rule.id for rule in RULES if rule not in DEVICE_STATE} - {"weights-are-read", "weights-are-resident"} | {
        "AL1", "AL2", "AL3", "AL9", "AL13", "PH1", "PH2-TTFT", "PH3", "PH4", "PH4-CAPACITY"}  # on a chip that is in the table
    assert listed(clean_run()) == {("replication", None, Judgement.CANNOT_TELL)}


# ── identities ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wrong", [{"event_tokens": (1,) * 15 + (2,)}, {"asked_output_tokens": 17}])
def test_a_wrong_token_count_is_inconsistent(wrong):
    run = change(clean_run(), "short", {4}, first_record(**wrong))
    assert news(run) == {("output-tokens", "short", Judgement.INCONSISTENT)}


def test_another_prompt_length_than_built_is_inconsistent():
    run = change(clean_run(), "batch-4", {4}, first_record(input_tokens=8))
    assert news(run) == {("input-tokens", "batch-4", Judgement.INCONSISTENT)}


def test_cached_prompt_tokens_are_suspect():
    run = change(clean_run(), "short", {4}, first_record(cached_tokens=6))
    assert news(run) == {("input-tokens", "short", Judgement.SUSPECT)}


def test_stamps_that_run_backwards_are_inconsistent():
    def swapped(trial):
        stamps = list(trial.records[0].event_ns)
        stamps[5], stamps[6] = stamps[6], stamps[5]
        return first_record(event_ns=tuple(stamps))(trial)

    assert news(change(clean_run(), "short", {4}, swapped)) == {("times-add-up", "short", Judgement.INCONSISTENT)}


def test_a_throughput_above_its_ceiling_is_inconsistent():
    run = clean_run()
    cases = [inflated(case, 1.1) if case.name == "short" else case for case in summarize(run)]
    assert news(run, cases) == {(rule, "short", Judgement.INCONSISTENT) for rule in ("AL1", "AL2", "AL3")}


def test_a_throughput_off_its_identity_but_below_the_ceiling_is_inconsistent_too():
    run = clean_run()
    cases = [inflated(case, 0.9) if case.name == "short" else case for case in summarize(run)]
    assert news(run, cases) == {(rule, "short", Judgement.INCONSISTENT) for rule in ("AL1", "AL3")}


def inflated(case, factor):
    """``case`` with its throughput at ``factor`` times the ceiling that its decode speed sets."""
    throughput, tokens = case.metrics["output_throughput"], case.output_tokens
    scale = factor * case.batch_size * case.metrics["decode_speed"].value * tokens / (tokens - 1) / throughput.value
    changed = replace(throughput, value=throughput.value * scale, low=throughput.low * scale, high=throughput.high * scale)
    return replace(case, metrics={**case.metrics, "output_throughput": changed})


def test_sequences_that_start_apart_are_not_held_to_the_identity():
    def staggered(trial):
        records = [replace(record, event_ns=tuple(at_ns + place * 30 * MS for at_ns in record.event_ns), engine_prefill_ns=None)
                   for place, record in enumerate(trial.records)]
        return replace(trial, records=tuple(records), ended_ns=records[-1].event_ns[-1])

    spaced = with_trials(clean_run(), lambda trial: later(trial, 100 * MS))
    run = change(spaced, "batch-4", set(range(10)), staggered)
    assert not {one for one in news(run) if one[0].startswith("AL")}
    assert {one.status for one in verdicts(run) if one.rule == "AL3" and one.case == "batch-4"} == {Judgement.PASS}


def test_answers_whose_first_tokens_came_in_one_read_are_not_held_to_n_minus_one():
    def coalesced(trial):
        records = tuple(replace(record, event_ns=(record.event_ns[2],) * 3 + record.event_ns[3:]) for record in trial.records)
        return replace(trial, records=records)

    run = change(clean_run(), "short", range(10), coalesced)
    assert Judgement.INCONSISTENT not in {verdict.status for verdict in verdicts(run)}


def test_tokens_that_come_in_one_read_are_suspect():
    def all_at_once(trial):
        return replace(trial, records=tuple(replace(record, event_ns=(record.event_ns[-1],) * len(record.event_ns)) for record in trial.records))

    assert ("coalesced", "short", Judgement.SUSPECT) in news(change(clean_run(), "short", range(2), all_at_once))


def later(trial, step_ns):
    """``trial`` moved back by ``step_ns`` for every trial before it."""
    shift = trial.sequence * step_ns
    records = tuple(replace(record, sent_ns=record.sent_ns + shift, ended_ns=record.ended_ns + shift,
                            event_ns=tuple(at_ns + shift for at_ns in record.event_ns)) for record in trial.records)
    return replace(trial, sent_ns=trial.sent_ns + shift, ended_ns=trial.ended_ns + shift, records=records)


# ── physics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_decoding_faster_than_the_memory_of_a_known_chip_is_impossible():
    run = with_facts(clean_run(), read_bytes_per_step=60 * GB)  # 6 TB/s; an H200 has 4.8
    assert {one for one in news(run) if one[2] is not Judgement.SUSPECT} == {("PH1", name, Judgement.IMPOSSIBLE) for name in ("short", "batch-4")}


def test_decoding_within_the_memory_of_a_known_chip_passes():
    assert news(with_facts(clean_run(), read_bytes_per_step=40 * GB)) == set()


def test_a_chip_whose_figures_are_guessed_never_makes_a_number_impossible():
    run = with_facts(clean_run(), read_bytes_per_step=60 * GB, device_name="Ascend 310P3")
    assert news(run) == {("PH1", name, Judgement.CANNOT_TELL) for name in ("short", "batch-4")}


def test_an_unknown_chip_has_no_floor():
    assert news(with_facts(clean_run(), device_name="Some new chip")) == {("weights-are-read", None, Judgement.CANNOT_TELL)}


def test_a_host_that_beats_its_measured_memory_is_not_accused():
    run = with_facts(clean_run(memory_read_bytes_per_s=20e9), read_bytes_per_step=60 * GB, device_name="AMD EPYC")
    assert news(run) == {("weights-are-read", name, Judgement.CANNOT_TELL) for name in ("short", "batch-4")}


@pytest.mark.parametrize(("device", "status"), [
    ("cuda", ("PH4", Judgement.IMPOSSIBLE)), ("cuda:1", ("PH4", Judgement.IMPOSSIBLE)), ("npu", ("PH4", Judgement.IMPOSSIBLE)),
    ("cpu", ("weights-are-resident", Judgement.SUSPECT)),
])
def test_a_peak_below_the_weights_cannot_be_on_an_accelerator(device, status):
    run = change(clean_run(), "short", {4}, lambda trial: replace(trial, memory=MemoryPeaks(allocated_bytes=GB)))
    rule, gravity = status
    assert news(with_target(run, device=device)) == {(rule, "short", gravity)}


def test_a_batch_faster_than_as_many_single_requests_is_suspect():
    run = change(clean_run(), "batch-4", set(range(10)), retimed(10 * MS, 2 * MS))
    assert ("PH3", "batch-4", Judgement.SUSPECT) in news(run)
    cases = [make_finding("short"), make_finding("batch-4", 4, throughput=500.0)]
    assert [one.status for one in verdicts(clean_run(), cases) if one.rule == "PH3"] == [Judgement.SUSPECT]
    cases = [make_finding("short"), make_finding("batch-4", 4, throughput=390.0)]
    assert [one.status for one in verdicts(clean_run(), cases) if one.rule == "PH3"] == [Judgement.PASS]


# ── procedure ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("status", "curable"), [(Status.OUT_OF_MEMORY, True), (Status.KILLED, True), (Status.ERROR, False)])
def test_a_failed_request_is_suspect_with_a_cure_where_memory_ran_out(status, curable):
    run = change(clean_run(), "short", {9}, lambda trial: make_failure("short", 9, status, "it broke", sent_ns=trial.sent_ns,
                                                                       ended_ns=trial.ended_ns))
    assert news(run) == {("complete", "short", Judgement.SUSPECT)}
    verdict = next(one for one in verdicts(run) if one.rule == "complete" and one.case == "short")
    assert "1 of 10 requests failed" in str(verdict.message)
    assert "it broke" in str(verdict.message)
    assert (verdict.cure is not None) is curable
    assert not [one for one in verdicts(run) if one.rule == "complete" and one.status is Judgement.PASS]


def test_a_case_that_failed_while_warming_up_is_suspect():
    run = clean_run()
    trials = [trial for trial in run.trials if trial.case != "batch-4"]
    run = replace(run, trials=(*trials, make_failure("batch-4", phase=Phase.WARMUP, batch_size=4, sequence=99)))
    assert ("complete", "batch-4", Judgement.SUSPECT) in news(run)


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_was_broken_off_is_suspect_and_can_be_gone_on_with(status):
    run = clean_run(status=status)
    assert news(run) == {("complete", None, Judgement.SUSPECT)}
    assert "--resume" in str(next(one.cure for one in verdicts(run) if one.rule == "complete"))


def test_random_weights_limit_what_can_be_told():
    assert news(with_facts(clean_run(), random_weights=True)) == {("verified", None, Judgement.CANNOT_TELL)}


@pytest.mark.parametrize(("asked", "stored", "status"), [
    ("fp16", {"bf16": 2 * GB}, Judgement.INCONSISTENT), ("int8", {"bf16": 2 * GB, "int8": GB // 2}, Judgement.INCONSISTENT),
    ("int8", {"int8": GB, "fp32": GB // 2}, None), ("auto", {"bf16": 2 * GB}, None), ("bf16", {"bf16": 2 * GB}, None),
])
def test_the_stored_dtype_must_be_the_one_asked_for(asked, stored, status):
    run = with_target(with_facts(clean_run(), dtypes=stored), dtype=asked)
    assert news(run) == (set() if status is None else {("dtype", None, status)})


@pytest.mark.parametrize(("weights_from", "status"), [("request", Judgement.CANNOT_TELL), ("log", None), ("file", None)])
def test_what_was_only_asked_for_is_not_said_to_be_stored(weights_from, status):
    run = with_facts(clean_run(), options={"weights_from": weights_from})
    assert {one for one in news(run) if one[0] == "dtype"} == (set() if status is None else {("dtype", None, status)})


def watched(run, factors):
    """``run`` with each marked pilot lasting ``factors[index]`` times its plain twin."""
    plain = {trial.index: trial.ended_ns - trial.sent_ns for trial in run.trials if trial.phase is Phase.PILOT_PLAIN}
    return with_trials(run, lambda trial: trial if trial.phase is not Phase.PILOT_MARKED else replace(
        trial, ended_ns=trial.sent_ns + round(plain[trial.index] * factors[trial.index])))


def test_watching_that_costs_five_per_cent_is_suspect():
    assert news(watched(clean_run(), [1.05, 1.051, 1.049, 1.05])) == {("observer", None, Judgement.SUSPECT)}


def test_a_cost_of_watching_lost_in_noise_cannot_be_told():
    assert news(watched(clean_run(), [1.2, 0.9, 1.15, 0.95])) == {("observer", None, Judgement.CANNOT_TELL)}


def test_without_a_pilot_the_cost_of_watching_cannot_be_told():
    run = clean_run()
    run = replace(run, trials=tuple(trial for trial in run.trials if trial.phase not in {Phase.PILOT_PLAIN, Phase.PILOT_MARKED}))
    assert news(run) == {("observer", None, Judgement.CANNOT_TELL)}


def test_time_spent_outside_the_engine_is_suspect():
    assert news(with_trials(clean_run(), lambda trial: later(trial, 20 * MS))) == {("outside-engine", None, Judgement.SUSPECT)}


def test_a_pause_between_two_processes_is_not_time_outside_the_engine():
    def resumed(trial):
        return replace(later(trial, 0), process=1) if trial.index >= 5 else trial

    def shifted(trial):
        return later(replace(trial, sequence=1), 3600 * 1000 * MS) if trial.index >= 5 else trial

    assert news(with_trials(with_trials(clean_run(), shifted), resumed)) == set()


def test_other_work_on_the_host_is_suspect():
    run = with_trials(clean_run(), lambda trial: replace(trial, cpu_others_ns=(trial.ended_ns - trial.sent_ns)))  # one of four cores
    assert news(run) == {("contention", None, Judgement.SUSPECT)}


def test_one_launch_cannot_speak_for_another_and_two_can():
    one = next(one for one in verdicts(clean_run()) if one.rule == "replication")
    assert one.status is Judgement.CANNOT_TELL
    assert str(one.cure) == "--launches 5"
    run = with_trials(clean_run(), lambda trial: replace(trial, launch=trial.index % 2))
    assert [one.status for one in verdicts(run) if one.rule == "replication"] == [Judgement.PASS]


def test_a_slow_first_trial_is_suspect():
    run = change(clean_run(), "short", {0}, retimed(57 * MS, round(11.4 * MS)))
    assert news(run) == {("steady", "short", Judgement.SUSPECT)}


def test_a_drift_over_the_trials_is_suspect():
    run = clean_run()
    for index in range(10):
        run = change(run, "short", {index}, retimed(round(50 * MS * (1 + index / 150)), round(10 * MS * (1 + index / 150))))
    assert news(run) == {("steady", "short", Judgement.SUSPECT)}


def test_a_wide_interval_is_suspect():
    run = clean_run()
    for index, factor in enumerate((1.0, 1.2, 0.8, 1.1, 0.9, 1.2, 0.8, 1.15, 0.85, 1.0)):
        run = change(run, "short", {index}, retimed(round(50 * MS * factor), round(10 * MS * factor)))
    assert ("precision", "short", Judgement.SUSPECT) in news(run)


def test_stamps_far_from_the_engines_own_times_are_suspect():
    run = change(clean_run(), "short", set(range(10)), first_record(engine_prefill_ns=20 * MS))
    assert news(run) == {("engine-agrees", "short", Judgement.SUSPECT)}


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("statuses", "expected"), [
    ([], Trust.TRUSTED), (["pass", "cannot tell"], Trust.TRUSTED), (["pass", "suspect"], Trust.SUSPECT),
    (["suspect", "inconsistent"], Trust.REJECTED), (["pass", "impossible"], Trust.REJECTED),
])
def test_trust_is_the_worst_verdict_and_not_knowing_takes_nothing_away(statuses, expected):
    assert trust([Verdict("rule", Judgement(status), say("x")) for status in statuses]) is expected


def test_a_rejected_case_rejects_the_run_and_no_other_case():
    found = findings_of(change(clean_run(), "short", {4}, first_record(asked_output_tokens=17)))
    assert {case.name: case.trust for case in found.cases} == {"short": Trust.REJECTED, "batch-4": Trust.TRUSTED}
    assert found.trust is Trust.REJECTED


def test_rules_have_distinct_names_and_a_formula():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.formula for rule in RULES)
