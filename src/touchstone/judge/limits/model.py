"""The model of a run: the architecture behind its name, what its work costs, and whether all of it is read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePath

from touchstone.checkpoints.shape import SHAPES
from touchstone.judge.footprint.of_run import facts_of, models_of
from touchstone.judge.limits.costs import Costs, costs_of, costs_of_facts
from touchstone.judge.limits.devices import asked_options, said_options
from touchstone.message import Message, say
from touchstone.record import Run
from touchstone.simulate.accounting import mtp_parameters, parameters
from touchstone.simulate.architecture import Architecture, from_shape
from touchstone.simulate.known_models import known_model, known_models

_SAME_MODEL = 0.01
"""How far the engine's count of parameters may be from the published one: buffers and padding."""
_EXPERTS = re.compile(
    r"moe|expert|mixtral|\dx\d{1,3}(?:\.\d{1,3})?b|\db[-_.]\d{1,4}e(?![a-z])|(?<![a-z0-9])a\d{1,4}(?:\.\d{1,3})?[bm](?![a-z0-9])", re.IGNORECASE)
"""What names say of experts: Qwen1.5-MoE, 8x7B, 17B-16E, 80B-A3B."""


def costs_of_run(run: Run) -> Costs | Message:
    """The costs of the model of ``run``, operations included, or why they are not known.

    Where its architecture is known they are those of the model proper. Of another model a step reads all but the embedding and the
    whole context, and a token takes two operations for each parameter, as in a dense model: see :func:`why_reads_are_unknown`.
    """
    facts, asked = facts_of(run), asked_options(run).get("quantization")
    if asked and said_options(run).get("weights_from") == "request":
        return say("the server does not say in which type it holds the weights; {asked} was asked for", asked=asked)
    costs, model = costs_of_facts(facts), model_of_run(run)
    if costs is None:
        return say("the engine does not say how many bytes of weights a step reads")
    if model is not None:
        return _of_model(costs, model, facts["parameters"])
    each = 2.0 * (facts.get("parameters") or 0) * costs.read_bytes / costs.weight_bytes  # of the embedding a token takes one row
    return replace(costs, token_flops=each, prompt_flops=lambda tokens: tokens * each)


def _of_model(counted: Costs, model: Architecture, parameters_counted: int) -> Costs:
    """``counted`` without layers that predict further tokens, experts that no token of a step needs, and keys behind a window."""
    known = costs_of(model, "bf16")  # all alike, so that shares of bytes are shares of parameters; KV values of one byte
    proper = min(parameters(model) / parameters_counted, 1.0)
    read = min(counted.read_bytes, counted.weight_bytes * known.read_bytes / known.weight_bytes) if model.experts else counted.read_bytes
    value_bytes = counted.kv_bytes(1) / known.kv_bytes(1)
    return replace(known, weight_bytes=proper * counted.weight_bytes, read_bytes=proper * read, kv_bytes=lambda context: value_bytes * known.kv_bytes(context))


def model_of_run(run: Run) -> Architecture | None:
    """The published architecture of the model's name, believed only where the engine counted as many parameters."""
    counted = facts_of(run).get("parameters")
    for name in models_of(run):
        shape = SHAPES.get(PurePath(name).name)
        model = from_shape(shape) if shape else known_model(name)
        if model is not None and _has(counted, model):
            return model
    return None


def why_reads_are_unknown(run: Run) -> Message | None:
    """Of a mixture of experts a step reads a share of the weights, and which one only its architecture says; None where that is known.

    A model whose architecture is not known is taken as dense, unless its name, as many parameters as a known mixture has, or a
    cache that could not be counted speak for another family.
    """
    if model_of_run(run) is not None:
        return None
    facts = facts_of(run)
    named = any(_EXPERTS.search(name) or ((model := known_model(name)) is not None and model.experts) for name in models_of(run))
    alike = any(model.experts and _has(facts.get("parameters"), model) for model in known_models().values())
    if named or alike or facts.get("kv_bytes_per_token") is None:
        return say("the model may be a mixture of experts, and what share of its weights a step reads is not known")
    return None


def _has(counted: int | None, model: Architecture) -> bool:
    """Whether ``counted`` are the parameters of ``model``, with or without its layers that predict further tokens."""
    if not counted:
        return False
    proper = parameters(model)
    return any(abs(one / counted - 1) <= _SAME_MODEL for one in (proper, proper + mtp_parameters(model)))
