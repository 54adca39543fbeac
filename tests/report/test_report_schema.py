"""The JSON report keeps its published schema, which is generated from the table of metrics; and the schema does refuse."""

import json
from importlib import resources

import jsonschema
import pytest
from builders import clean_run

from touchstone.judge.findings import findings_of
from touchstone.judge.metrics import METRICS
from touchstone.report.document import to_json

SCHEMA = json.loads(resources.files("touchstone.report").joinpath("report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def document():
    return json.loads(to_json(findings_of(clean_run()), str, "en"))


def test_a_report_keeps_its_schema(document):
    jsonschema.validate(document, SCHEMA)
    assert set(document["cases"][0]["metrics"]) <= set(METRICS)


@pytest.mark.parametrize("spoil", [
    lambda one: one["cases"][0]["metrics"].update(happiness={"unit": "s", "n": 1}),
    lambda one: one["cases"][0]["metrics"]["ttft"].update(unit="ms"),
    lambda one: one["cases"][0].update(trust="fine"),
    lambda one: one["verdicts"][0].update(status="maybe"),
    lambda one: one.pop("cases"),
])
def test_the_schema_refuses_what_is_not_in_the_table(document, spoil):
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
