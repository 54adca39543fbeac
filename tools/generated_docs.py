"""Writes the pages of definitions and of failures, in every language, and the JSON Schemas from what computes and reads them: ``make docs``.

``--check`` changes nothing and fails where one is out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from definitions_page import DEFINITIONS, definitions
from troubleshooting_page import TROUBLESHOOTING, troubleshooting

from touchstone.finding import Judgement, Trust
from touchstone.judge.audit.rules import CLAIM_RULES
from touchstone.judge.metrics import METRICS
from touchstone.load_plan import LoadPlan
from touchstone.plan import GRID_KEYS, Plan

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "src" / "touchstone" / "plans" / "plan.schema.json"
LOAD_SCHEMA = SCHEMA.with_name("load.schema.json")
REPORT_SCHEMA = ROOT / "src" / "touchstone" / "report" / "report.schema.json"
AUDIT_SCHEMA = REPORT_SCHEMA.with_name("audit.schema.json")


def report_schema() -> str:
    """The JSON Schema of the JSON report: which metrics a case may have, in which units."""
    number, reasons = {"type": ["number", "null"]}, {"type": "object", "additionalProperties": {"type": "string"}}
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    proof = {"quantile_bounds": {"type": "object", "additionalProperties": pair}, "n": {"type": "integer", "minimum": 0}, "low": number, "high": number, "confidence": {"type": "number"},
             "method": {"type": "string"}, "reasons": reasons}
    metrics = {one.id: {"type": "object", "description": f"{one.formula}; {one.better} is better", "required": ["unit", "n"],
                        "properties": {"unit": {"const": one.unit}, "mean": number, "value": number, **proof}} for one in METRICS.values()}
    verdict = {"type": "object", "required": ["rule", "status", "message"], "properties": {
        "rule": {"type": "string"}, "case": {"type": ["string", "null"]}, "status": {"enum": [one.value for one in Judgement]},
        "message": {"type": "string"}, "observed": number, "bound": number, "unit": {"type": "string"}}}
    case = {"type": "object", "required": ["name", "trust", "conditions", "counts", "metrics"], "properties": {
        "name": {"type": "string"}, "trust": {"enum": [one.value for one in Trust]}, "conditions": {"type": "object"}, "counts": {"type": "object"},
        "metrics": {"type": "object", "properties": metrics, "additionalProperties": False}}}
    card = {"type": "object", "required": ["id", "metric", "case", "trust", "unit", "n", "limit_share", "limit", "note"], "properties": {
        "id": {"type": "string"}, "metric": {"enum": list(METRICS)}, "case": {"type": "string"}, "trust": case["properties"]["trust"],
        "unit": {"type": "string"}, "mean": number, "value": number, **proof, "limit_share": number, "limit": {"type": "string"},
        "note": {"type": ["string", "null"]}}}
    headline = {"type": "object", "required": ["sentence", "cards"], "properties": {
        "sentence": {"type": ["string", "null"]}, "cards": {"type": "array", "items": card, "maxItems": 6}}}
    return _schema("The JSON report of a run", {
        "schema": {"const": 1}, "run": {"type": "object", "required": ["id", "status", "trust"]}, "headline": headline, "cases": {"type": "array", "items": case},
        "verdicts": {"type": "array", "items": verdict}})


def audit_schema() -> str:
    """The JSON Schema of an audit."""
    number, words = {"type": ["number", "null"]}, {"type": "array", "items": {"type": "string"}}
    status = {"enum": [one.value for one in Judgement]}
    rule = {"type": "object", "required": ["id", "status", "observed", "low", "high", "bound", "unit", "message"], "properties": {
        "id": {"type": "string", "description": "; ".join(f"{one.id}: {one.formula}" for one in CLAIM_RULES)}, "status": status,
        "observed": number, "low": number, "high": number, "bound": number, "unit": {"type": "string"}, "message": {"type": "string"}}}
    row = {"type": "object", "required": ["row", "verdict", "rules"], "properties": {
        "row": {"type": "integer", "minimum": 1}, "label": {"type": "string"}, "verdict": status, "rules": {"type": "array", "items": rule}}}
    table = {"type": "object", "required": ["source", "assumptions", "rows"], "properties": {
        "source": {"type": "string"}, "assumptions": words, "rows": {"type": "array", "items": row}, "left_out": words}}
    return _schema("An audit", {"schema": {"const": 1}, "tables": {"type": "array", "items": table}, "left_out": words})


def _schema(title: str, properties: dict[str, object]) -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "type": "object", "properties": properties,
                "required": list(properties)}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def schema() -> str:
    """The JSON Schema of a plan file, for editors; a grid key may also be a list, which becomes one case per value."""
    document = Plan.model_json_schema(by_alias=True)
    for key in GRID_KEYS:
        one = document["$defs"]["Case"]["properties"][key]
        document["$defs"]["Case"]["properties"][key] = {"anyOf": [one, {"type": "array", "items": {"type": "integer", "minimum": 1}}]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def load_schema() -> str:
    """The JSON Schema of a load plan."""
    return json.dumps(LoadPlan.model_json_schema(by_alias=True), ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    """Write every file, or with --check compare them."""
    stale = 0
    for path, text in ((SCHEMA, schema()), (LOAD_SCHEMA, load_schema()), (REPORT_SCHEMA, report_schema()),
                       (AUDIT_SCHEMA, audit_schema()), *((path, definitions(lang)) for lang, path in DEFINITIONS.items()),
                       *((path, troubleshooting(lang)) for lang, path in TROUBLESHOOTING.items())):
        stale += not path.exists() or path.read_text(encoding="utf-8") != text
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return int("--check" in sys.argv and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
