"""Where a model's memory goes and how many sessions fit: from a log, from arithmetic, from a device, or from all of them at once."""

from __future__ import annotations

from dataclasses import replace

from touchstone.footprint import Accounting, DeviceMemory, EngineLog, Footprint
from touchstone.judge.footprint.accounting import accounting_of
from touchstone.judge.footprint.capacity import capacity_of, needs_of
from touchstone.judge.footprint.claim import claimed_pools
from touchstone.judge.footprint.of_run import completed, models_of
from touchstone.judge.footprint.question import Question
from touchstone.judge.footprint.reconcile import reconciled, shared_over
from touchstone.message import Message, say

__all__ = ["DEFAULT_TOKENS", "Question", "completed", "footprint_of", "models_of"]
DEFAULT_TOKENS = (2048, 8192, 32_768)
"""Lengths of a session that are asked of where none is named."""


def footprint_of(question: Question, log: EngineLog | None) -> Footprint:
    """The answer. Raises :class:`touchstone.errors.UsageError` for a dtype or claim that is none."""
    tokens = _tokens(question, log)
    question, followed = _with_devices(question, log, tokens)
    accounting = None if question.model is None else accounting_of(
        question.model, question.dtype, question.kv_dtype, _tp(question, log), tokens)
    device = _device(question.device, log)
    parts = reconciled(log, accounting, device, question.model)
    answer = Footprint(log, accounting, device, parts, notes=(*(log.notes if log else ()), *followed, *_notes(question, log, device, accounting)))
    return replace(
        answer, capacity=tuple(capacity_of(answer, tokens)), needs=tuple(needs_of(answer, tokens, question.sessions)),
        claim=question.claim, claimed=tuple(claimed_pools(answer, question.claim, tokens)) if question.claim else ())


def _tokens(question: Question, log: EngineLog | None) -> tuple[int, ...]:
    if question.tokens:
        return tuple(dict.fromkeys(question.tokens))
    limits = (question.model.max_positions if question.model else None, log.count("max_model_len") if log else None)
    most = min((limit for limit in limits if limit), default=DEFAULT_TOKENS[-1])
    return tuple(one for one in DEFAULT_TOKENS if one <= most) or (most,)


def _with_devices(question: Question, log: EngineLog | None, tokens: tuple[int, ...]) -> tuple[Question, tuple[Message, ...]]:
    """``question`` with the number of devices that follows from the log where nobody names it, and a note that says so."""
    if question.model is None or log is None or question.tp is not None or log.value("tensor_parallel") is not None:
        return question, ()
    one = accounting_of(question.model, question.dtype, question.kv_dtype, 1, tokens)
    devices = shared_over(log, question.model, one)
    if devices is None:
        return question, ()
    return replace(question, tp=devices), () if devices == 1 else (say("the log does not say over how many devices the matrices are shared out; its weights and its pool both "
                                               "agree with {devices}, which is counted with", devices=devices),)


def _tp(question: Question, log: EngineLog | None) -> int:
    return question.tp or (log.count("tensor_parallel") if log else None) or 1


def _device(given: DeviceMemory | None, log: EngineLog | None) -> DeviceMemory | None:
    """The device that was named, its memory as the engine sees it where nothing else tells."""
    total = log.count("device_total_bytes") if log else None
    if total is None or (given and (given.visible_bytes or given.label_bytes)):
        return given
    return replace(given or DeviceMemory(say("as the engine sees it")), visible_bytes=total)


def _notes(question: Question, log: EngineLog | None, device: DeviceMemory | None, accounting: Accounting | None) -> tuple[Message, ...]:
    notes = []
    if accounting and question.tp is None and log and log.value("tensor_parallel") is None and (log.rank_count or 1) > 1:
        notes.append(say("the log does not say over how many devices the matrices are shared out; one is counted with: name them with --tp"))
    if (device is None or not (device.visible_bytes or device.label_bytes)) and (question.sessions or accounting):
        notes.append(say("without the device's memory no share of it can be computed: name it with --device"))
    if device and device.visible_bytes is None and device.label_bytes is not None:
        notes.append(say("of {device} only the label is known; a program is offered less, so fewer sessions fit", device=device.source))
    return tuple(notes)
