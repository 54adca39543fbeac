"""Thousands of published measurements of vLLM, SGLang and TensorRT-LLM on real GPUs: an audit that calls one of them impossible is wrong.

The table is NVIDIA aiconfigurator's (Apache-2.0), read from its wheel and kept nowhere.
"""

import csv
from collections import Counter

from peer_source import peer_source

from touchstone.claim import Claim, ClaimTable, Subject
from touchstone.finding import Judgement
from touchstone.hardware import find_chip
from touchstone.judge.audit.rules import judge_claims
from touchstone.judge.audit.rules.boxes import exact
from touchstone.judge.audit.rules.setting import Resolver
from touchstone.simulate.known_models import known_model

PRECISIONS = {"fp8": "fp8", "fp4": "nvfp4", "int4": "int4", "bf16": "bf16"}


def points():
    """Each measurement of one pool of devices with a known model on a known chip, as a judged row."""
    text = peer_source("aiconfigurator-core", "aiconfigurator_core/systems/silicon_sample.csv")
    for row in csv.DictReader(text.splitlines()):
        chip = find_chip(row["system"].partition("_")[0].upper())
        if row["mode"] != "agg" or chip is None or known_model(row["model_path"]) is None:
            continue
        devices = int(row["tp_size"] or 1) * int(row["pp_size"] or 1) * max(int(row["attention_dp_size"] or 1), 1)
        figures = {"concurrency": float(row["batch_size"]), "input_tokens": float(row["isl"]), "output_tokens": float(row["osl"]),
                   "ttft": float(row["silicon_ttft_ms"]) / 1e3, "tpot": float(row["silicon_tpot_ms"]) / 1e3}
        claim = Claim(1, row["id"], {name: exact(value) for name, value in figures.items()})
        subject = Subject(row["model_path"], chip.name, PRECISIONS.get(row["precision"]), devices)
        judged, = judge_claims(ClaimTable("", (claim,)), Resolver(subject))
        yield devices, judged


def test_no_real_speed_is_called_impossible():
    judged = list(points())
    impossible = [(devices, row.label, verdict.rule) for devices, row in judged for verdict in row.verdicts
                  if verdict.status is Judgement.IMPOSSIBLE]
    # What is said of these is true: 235 GB of weights do not lie on the one card of 141 GB that the table names.
    assert {(devices, rule) for devices, _, rule in impossible} == {(1, "PH4-CAPACITY")}
    assert all("235b" in label and "tp1" in label for _, label, _ in impossible)
    shares = [verdict.bound / verdict.observed for _, row in judged for verdict in row.verdicts if verdict.rule == "PH1" and verdict.observed]
    assert len(shares) > 2000
    assert 0.6 < max(shares) < 0.85
    assert Counter(row.status for _, row in judged)[Judgement.PASS] > 2000
