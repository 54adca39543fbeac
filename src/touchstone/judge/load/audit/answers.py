"""Rules on what came back: failures, lengths and counts of tokens, for every request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from touchstone.finding import Judgement, Verdict
from touchstone.judge import metrics
from touchstone.judge.audit.evidence import Rule
from touchstone.judge.load.evidence import LoadEvidence
from touchstone.judge.load.scan import Offered
from touchstone.message import say
from touchstone.served import Column, Ending
from touchstone.units import significant

FAILED_LIMIT = 0.05
_TEXT_LIMIT = 0.10


def _failures(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, _ in evidence:
        kinds = {kind: count for kind, count in case.failed.items() if kind != Ending.STOPPED.word}
        failed, known = sum(kinds.values()), case.issued - case.failed.get(Ending.STOPPED.word, 0)
        if not failed:
            yield Verdict(rule, Judgement.PASS, say("all {count} requests ended well", count=case.ok), case.name, 0.0, 0.0)
            continue
        share = failed / known
        yield Verdict(rule, Judgement.INCONSISTENT if share > FAILED_LIMIT else Judgement.SUSPECT, say(
            "{failed} of {issued} requests failed ({kinds}): the latencies are those of the others", failed=failed, issued=known,
            kinds=", ".join(f"{kind} {count}" for kind, count in kinds.items())), case.name, share, FAILED_LIMIT,
            cure=say("offer less, or look into the errors of requests.parquet"))


def _output_lengths(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        if not case.ok or not case.speed:
            continue
        asked, counted = _pairs(points, "output_tokens_asked", "output_tokens")
        if not len(asked):
            yield Verdict(rule, Judgement.CANNOT_TELL, say("the server counted no output tokens, so their number is not proven"), case.name,
                          cure=say("have the server send usage with its streams"))
            continue
        short, long = int((counted < asked).sum()), int((counted > asked).sum())
        if long:
            yield Verdict(rule, Judgement.INCONSISTENT, say("{count} of {total} answers are longer than was asked", count=long,
                                                            total=len(asked)), case.name)
        elif short:
            lost = float(1 - counted.sum() / asked.sum())
            yield Verdict(rule, Judgement.SUSPECT, say(
                "{count} of {total} answers stopped early: {mean} tokens on average of {asked} asked (-{lost} %)", count=short, total=len(asked),
                mean=significant(float(counted.mean())), asked=significant(float(asked.mean())), lost=significant(100 * lost, 2)),
                case.name, lost, 0.0, cure=say("the server does not honour ignore_eos, or its context is full"))
        else:
            yield Verdict(rule, Judgement.PASS, say("every answer has as many tokens as were asked"), case.name)


def _input_lengths(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        if not case.ok:
            continue
        asked, counted = _pairs(points, "input_tokens_asked", "input_tokens")
        wrong = asked != counted
        if not len(asked):
            yield Verdict(rule, Judgement.CANNOT_TELL, say("the length of the prompts is not proven: no count was asked, or the server sent none"),
                          case.name)
        elif wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            yield Verdict(rule, Judgement.INCONSISTENT, say(
                "{count} of {total} prompts have another length than was asked; the first {asked}, by the server's count {counted}",
                count=int(wrong.sum()), total=len(asked), asked=int(asked[first]), counted=int(counted[first])), case.name,
                cure=say("give the model's own tokenizer with --tokenizer"))
        else:
            yield Verdict(rule, Judgement.PASS, say("the server counted every prompt as long as was asked ({count} requests)", count=len(asked)),
                          case.name)


def _conserved(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """Sum of the events' tokens = the server's count, where every event says what it brought, or is one of as many as tokens."""
    for case, points in evidence:
        found = [_conservation(one) for one in points if one.good.any()]
        stray, backwards = sum(one.streams.stray for one in points), sum(one.streams.backwards for one in points)
        checked, wrong, crowded, unlike = (sum(column) for column in zip(*found, strict=True)) if found else (0, 0, 0, 0)
        if stray or backwards:
            yield Verdict(rule, Judgement.INCONSISTENT, say("{stray} events belong to no request, {backwards} came before the one before them",
                                                            stray=stray, backwards=backwards), case.name)
        elif unlike:
            yield Verdict(rule, Judgement.INCONSISTENT, say("{count} answers have other events than their requests say", count=unlike), case.name)
        elif wrong:
            yield Verdict(rule, Judgement.INCONSISTENT, say(
                "in {count} of {total} answers the events carry other tokens than the server counted", count=wrong, total=checked), case.name)
        elif crowded:
            yield Verdict(rule, Judgement.SUSPECT, say("{count} answers have more events with text than tokens", count=crowded), case.name)
        elif checked and checked == case.ok:
            yield Verdict(rule, Judgement.PASS, say("the tokens of all events are those the server counted ({total} answers)", total=checked),
                          case.name)
        elif case.ok:
            yield Verdict(rule, Judgement.CANNOT_TELL, say("the events of {count} answers do not say how many tokens they bring",
                                                           count=case.ok - checked), case.name)


def _conservation(offered: Offered) -> tuple[int, int, int, int]:
    """(answers that can be checked, those that miss, those with more events than tokens, those whose event table is not theirs)."""
    requests, streams = offered.requests, offered.streams
    usage = ~np.ma.getmaskarray(requests.output_tokens) & offered.good
    told = usage & (streams.silent == 0) & (streams.events > 0)
    difference = np.abs(streams.counted - requests.output_tokens.data)
    # A token that ends the answer is counted by the server and never sent.
    ended_early = np.asarray(requests.output_tokens.filled(0) < requests.output_tokens_asked.filled(0))
    wrong = told & (difference > ended_early)
    crowded = usage & (streams.events > np.maximum(requests.output_tokens.data, 1))
    unlike = offered.good & np.asarray(requests.token_events.filled(-1) >= 0) & (requests.token_events.data != streams.events)
    agreed = told | (usage & (streams.events > 0) & (streams.events == requests.output_tokens.data))
    return int(agreed.sum()), int(wrong.sum()), int(crowded.sum()), int(unlike.sum())


def _text_agrees(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """Text does not give back the tokens it was made of, so this proves nothing against a server; it is told all the same."""
    for case, points in evidence:
        text, counted = _pairs(points, "output_tokens_text", "output_tokens")
        if len(text) and counted.sum():
            share = float(text.sum() / counted.sum() - 1)
            yield Verdict(rule, Judgement.PASS if abs(share) <= _TEXT_LIMIT else Judgement.CANNOT_TELL, say(
                "tokenising the text again gives {share} % tokens against the server's count", share=f"{100 * share:+.1f}"), case.name, share,
                _TEXT_LIMIT)


def _first_events(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        load = case.load or {}
        if not case.ok or load.get("tokens_per_event") is None:
            continue
        unsaid = sum(int((np.ma.getmaskarray(one.requests.first_tokens) & one.good).sum()) for one in points)
        facts: dict[str, Any] = {"tokens": significant(load["tokens_per_event"], 3), "share": significant(100 * load["coalesced_share"], 3)}
        if unsaid and load["tokens_per_event"] > 1.5:
            # With k tokens in the first event n - 1 is too many by k - 1.
            bias = (load["tokens_per_event"] - 1) / max((case.output_tokens or 0) - 1, 1)
            yield Verdict(rule, Judgement.SUSPECT if bias > 0.02 else Judgement.PASS, say(
                "{tokens} tokens per event, {share} % of the events coalesced; {count} first events do not say how many they brought, so TPOT "
                "may be {bias} % low", **facts, count=unsaid, bias=significant(100 * bias, 2)), case.name, bias, 0.02)
        else:
            yield Verdict(rule, Judgement.PASS, say("{tokens} tokens per event, {share} % of the events coalesced", **facts), case.name)


def _pairs(points: Sequence[Offered], one: str, other: str) -> tuple[Any, Any]:
    """Two columns over the requests that ended well and have both."""
    found: list[tuple[Any, Any]] = []
    for offered in points:
        left: Column = getattr(offered.requests, one)
        right: Column = getattr(offered.requests, other)
        both = metrics.succeeded(offered.requests) & ~np.ma.getmaskarray(left) & ~np.ma.getmaskarray(right)
        found.append((left.data[both], right.data[both]))
    return np.concatenate([left for left, _ in found]), np.concatenate([right for _, right in found])


ANSWERS: tuple[Rule[LoadEvidence], ...] = (
    Rule("failures", f"failed / issued = 0; above {FAILED_LIMIT} the rest stands for nothing", _failures),
    Rule("output-length", "asked = counted by the server, for every answer of forced length", _output_lengths),
    Rule("input-length", "asked = counted by the server, for every request", _input_lengths),
    Rule("token-conservation", "sum of the events' tokens = the server's count, for every answer", _conserved),
    Rule("text-tokens", f"|tokens of the text / the server's count - 1| <= {_TEXT_LIMIT}", _text_agrees),
    Rule("first-event", "tokens of the first event are known where events bring several", _first_events),
)
