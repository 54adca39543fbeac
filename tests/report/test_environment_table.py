"""The facts of a run by their names: in words, in both languages, whatever somebody wrote into the file."""

from dataclasses import replace

import pytest
from builders import clean_run
from hypothesis import given
from hypothesis import strategies as st

from touchstone.judge.findings import findings_of
from touchstone.measure.devices.cpu import Cpu
from touchstone.measure.environment import collect
from touchstone.report import environment
from touchstone.report.i18n import translator
from touchstone.report.table import moment

NUMBERS = {"memory_total_bytes": 65_000_000_000, "dtypes": {"fp16": 13_476_831_232}, "parameters": 6_738_415_616, "container": False,
           "busy_processes": [{"name": "python3", "cores": 0.97}], "variables": {"OMP_NUM_THREADS": "2"}, "git": {"commit": "c0ffee" * 6, "dirty": True}}
SAID = {"host memory": "65 GB (60.54 GiB)", "weights by dtype": "fp16 13.48 GB (12.55 GiB)", "parameters": "6,738,415,616", "container": "no",
        "busy processes": "python3 (0.97 cores)", "environment variables": "OMP_NUM_THREADS=2", "git": "c0ffeec0ffee+"}


def rows(facts, lang="en", **identity):
    def said(message):
        return message.render(translator(lang))

    found = findings_of(clean_run())
    return dict(environment.rows(replace(found, identity={**found.identity, **identity}, environment=facts), said))


def test_sizes_counts_and_answers_are_written_for_a_reader():
    machine = {name: value for name, value in NUMBERS.items() if name not in {"dtypes", "parameters"}}
    shown = rows(machine, dtypes=NUMBERS["dtypes"], parameters=NUMBERS["parameters"])
    assert {name: shown[name] for name in SAID} == SAID


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_fact_of_this_machine_has_a_name(lang):
    facts = collect(Cpu())
    known = [name for name, value in facts.items() if value is not None]
    shown = rows(facts, lang, options=None)
    assert not [name for name in shown if "_" in name]
    if lang == "zh":
        assert shown["可用核数"] == str(facts["cores"])
    assert len(known) > 10


def test_the_device_that_was_chosen_and_what_it_is_are_both_there():
    shown = rows({"device": {"name": "Ascend910B3", "memory_bytes": 65_464_696_832, "cube_core_num": 20}}, device="npu:0", device_name="Ascend910B3")
    assert (shown["device"], shown["device's name"], shown["cube cores"]) == ("npu:0", "Ascend910B3", "20")
    assert shown["device memory"].startswith("65.46 GB")


def test_settings_keep_the_names_of_their_options():
    assert rows({}, options={"kv_cache": "fp16", "prompt_cache": False})["kv_cache"] == "fp16"


def test_what_is_unknown_is_left_out():
    shown = rows({"driver": None, "cgroup": {"cpu.max": None}, "variables": {}})
    assert not {"driver", "cgroup limits", "environment variables"} & set(shown)


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.text(max_size=5), inner, max_size=3), max_leaves=6)


@given(st.dictionaries(st.sampled_from([*NUMBERS, "device", "memory_total_bytes", "cgroup", "packages"]), VALUES))
def test_a_file_that_somebody_edited_is_shown_all_the_same(facts):
    assert all(isinstance(text, str) and text for text in rows(facts).values())


@pytest.mark.parametrize(("stamp", "shown"), [
    ("2026-11-21T18:16:59.123456+00:00", "2026-11-21 18:16"), ("2026-11-21T18:16:59Z", "2026-11-21 18:16"), ("2026-11-22T02:16:59+08:00", "2026-11-21 18:16"),
    ("2026-11-21T18:16:59", "2026-11-21T18:16:59"), ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00+23:59"), ("yesterday", "yesterday"), ("", "")])
def test_a_moment_is_in_utc_and_what_has_no_zone_stays_as_it_was_written(stamp, shown):
    assert moment(stamp) == shown
