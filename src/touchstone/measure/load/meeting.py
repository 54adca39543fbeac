"""Meets a server: address, model, endpoint that works, template, and the words its prompts will be made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from touchstone.checkpoints.vocabulary import words
from touchstone.load_plan import Endpoint, LoadPlan
from touchstone.measure.load.body import PUBLIC_HEADERS, RequestTemplate
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.exchange import await_server
from touchstone.measure.load.load_test import Target
from touchstone.measure.load.points import Asking
from touchstone.measure.load.preflight import Prober, choose_model, list_models
from touchstone.measure.load.prompts import Prompter, TokenizerFile, learn_words, probed_words, synthesize

_FEWEST_WORDS = 8
_GUESSED_WORDS = 64


def meet_server(endpoint: Endpoint, plan: LoadPlan, headers: Mapping[str, str], *, fixed: bool, patience_s: float = 0.0) -> Target:
    """What a load test needs to know of the server at ``endpoint``; ``fixed`` where the user chose the protocol.

    A server that does not accept connections yet is waited for, ``patience_s`` long.
    Raises :class:`touchstone.errors.NotReadyError` where nobody answers, and :class:`touchstone.errors.EngineError` where a short
    request is not answered.
    """
    address = parse_address(endpoint.base_url, verify=endpoint.verify_tls)
    RequestTemplate(address, endpoint, headers, {})  # refuses what is no path or header before anything is sent
    tokenizer = TokenizerFile(Path(endpoint.tokenizer)) if endpoint.tokenizer else None
    await_server(address, patience_s)
    facts = list_models(address, headers)
    asked = endpoint.model_copy(update={"model": choose_model(endpoint.model, facts, address)})
    learned = learn_words(tokenizer) if tokenizer is not None else None
    made = (lambda tokens: synthesize(tokens, "probe", learned)) if learned is not None else None
    probe = Prober(address, asked, headers, plan, made).probe(facts, fixed=fixed)
    guessed = tuple(word for word in words() if word.isalpha())[:_GUESSED_WORDS]
    source = learned if learned is not None and not probe.words else probed_words(probe.words if len(probe.words) >= _FEWEST_WORDS else guessed)
    public = {name: value for name, value in headers.items() if name.lower() in PUBLIC_HEADERS}
    private = {name: value for name, value in headers.items() if name not in public}
    return Target(Asking(address, probe.endpoint, Prompter(source), probe.template_tokens, probe.dialect, tokenizer, public), private, probe)
