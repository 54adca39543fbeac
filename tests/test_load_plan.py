"""Load plans: what cannot be played is refused when it is written, and what is kept plays again."""

import json
from importlib import resources

import pytest
import yaml

from touchstone.errors import DataError, UsageError
from touchstone.load_plan import Load, LoadPlan, load_plan_of, read_load_plan
from touchstone.plan import plan_text

SYNTHETIC = {"input_len": {"mean": 64}, "output_len": {"mean": 8}}


def plan(loads=({"concurrency": 4},), workload=SYNTHETIC, **more):
    content = {"workload": dict(workload), "loads": [dict(load) for load in loads], "num_prompts": 8, **more}
    return load_plan_of({name: value for name, value in content.items() if value is not None}, "mine.yaml")


def refusal(*arguments, **more):
    with pytest.raises(UsageError) as caught:
        plan(*arguments, **more)
    return str(caught.value)


@pytest.mark.parametrize("load", [
    {"concurrency": 4, "ramp_s": 2.0}, {"request_rate": 0.3, "arrival": "poisson", "concurrency": 9},
    {"request_rate": 8, "arrival": "gamma", "burstiness": 0.25}, {"arrival": "burst"},
    {"arrival": "constant", "stages": [{"duration_s": 3, "request_rate": 2}, {"duration_s": 4, "request_rate": 8}]}])
def test_what_is_kept_is_the_same_plan_again(load, tmp_path):
    first = plan([load], slos=[{"metric": "ttft", "limit_s": 0.5, "quantile": 0.99}], extra_body={"top_k": 1}, warmup="auto")
    for by_alias in (True, False):
        path = tmp_path / "plan.yaml"
        path.write_text(plan_text(first.model_dump(mode="json", by_alias=by_alias)), encoding="utf-8")
        assert read_load_plan(path) == first


@pytest.mark.parametrize(("key", "where", "nearest"), [
    ({"num_promts": 3}, "num_promts", "num_prompts"), ({"workload": {**SYNTHETIC, "inputlen": 3}}, "workload.inputlen", "input_len"),
    ({"loads": [{"concurency": 3}]}, "loads.0.concurency", "concurrency"), ({"slos": [{"metric": "ttft", "limit": 1}]}, "slos.0.limit", "limit_s")])
def test_an_unknown_key_is_named_with_the_nearest_known_one(key, where, nearest):
    with pytest.raises(UsageError) as caught:
        load_plan_of({"workload": SYNTHETIC, "loads": [{"concurrency": 1}], "num_prompts": 1, **key}, "mine.yaml")
    assert f"unknown key: {where}." in str(caught.value)
    assert f"Did you mean {nearest}?" in str(caught.value)


@pytest.mark.parametrize(("more", "why"), [
    ({"loads": []}, "loads"), ({"loads": [{}]}, "give a concurrency"), ({"loads": [{"concurrency": 0}]}, "loads.0.concurrency"),
    ({"loads": [{"arrival": "poisson"}]}, "needs a request_rate"), ({"loads": [{"arrival": "gamma", "request_rate": float("inf")}]}, "finite"),
    ({"loads": [{"arrival": "poisson", "request_rate": 1, "stages": [{"duration_s": 1, "request_rate": 1}]}]}, "not both"),
    ({"loads": [{"arrival": "burst", "request_rate": 1}]}, "belong to the arrivals"), ({"loads": [{"arrival": "burst", "ramp_s": 1}]}, "could ramp up"),
    ({"loads": [{"arrival": "poisson", "request_rate": 1, "burstiness": 0.5}]}, "belongs to the arrival gamma"),
    ({"loads": [{"concurrency": 1, "speedup": 2}]}, "speedup to the arrival trace"), ({"loads": [{"arrival": "trace"}]}, "needs a trace"),
    ({"loads": [{"concurrency": 2}, {"concurrency": 2}]}, "repeated: c2"), ({"num_prompts": None}, "never end"),
    ({"num_prompts": None, "duration_s": 1, "loads": [{"arrival": "burst"}]}, "a burst needs num_prompts"), ({"duration_s": float("inf")}, "duration_s"),
    ({"timeout_s": float("inf")}, "timeout_s"), ({"workload": {**SYNTHETIC, "path": "x"}}, "a path belongs"), ({"workload": {"kind": "sharegpt"}}, "a path belongs"),
    ({"workload": {**SYNTHETIC, "input_len": {"mean": 9, "kind": "uniform", "low": 9, "high": 8}}}, "does not exist"),
    ({"workload": {**SYNTHETIC, "think_time_s": float("nan")}}, "think_time_s"), ({"warmup": "some"}, "warmup"), ({"warmup": -1}, "warmup"),
    ({"extra_body": {"stream": False, "model": "x"}}, "may not replace model, stream")])
def test_what_cannot_be_played_is_refused(more, why):
    loads, workload = more.pop("loads", ({"concurrency": 4},)), more.pop("workload", SYNTHETIC)
    assert why in refusal(loads, workload, **more)


@pytest.mark.parametrize(("text", "why"), [("{name: [", "is not YAML"), ("- a", "is not a mapping"), ("", "is not a mapping")])
def test_a_file_that_is_no_plan_is_a_data_error(text, why, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        read_load_plan(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_load_plan(tmp_path / "missing.yaml")


def test_loads_that_end_by_themselves_need_no_end():
    assert plan([{"arrival": "poisson", "stages": [{"duration_s": 1, "request_rate": 1}]}], num_prompts=None).num_prompts is None
    assert plan([{"arrival": "trace"}], {"kind": "trace", "path": "trace.csv"}, num_prompts=None).duration_s is None


@pytest.mark.parametrize(("load", "label"), [
    (Load(concurrency=64), "c64"), (Load(arrival="poisson", request_rate=0.5), "r0.5-poisson"), (Load(arrival="constant", request_rate=1234567), "r1234567-constant"),
    (Load(arrival="burst"), "burst"), (Load(arrival="trace", speedup=2.5), "trace-x2.5"), (Load(arrival="trace"), "trace")])
def test_loads_have_short_names(load, label):
    assert load.label == label


def test_the_json_schema_that_is_shipped_describes_a_plan():
    schema = json.loads(resources.files("touchstone.plans").joinpath("load.schema.json").read_text(encoding="utf-8"))
    kept = yaml.safe_load(plan_text(plan().model_dump(mode="json", by_alias=True)))
    assert set(kept) <= set(schema["properties"])
    assert set(schema["required"]) == {"workload", "loads"}
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() >= {"schema", "loads"}
    assert set(LoadPlan.model_json_schema(by_alias=True)["$defs"]) == set(schema["$defs"])
