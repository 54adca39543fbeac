"""Real servers, started and stopped by us: the records are those of the engine in process, and nothing is left running."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from touchstone.checkpoints import synthetic
from touchstone.measure import workloads
from touchstone.measure.devices import open_device
from touchstone.measure.engines import Sizes, Workplace, open_engine, open_target
from touchstone.measure.servers.commands import ServerSpec
from touchstone.measure.servers.commands.llamacpp import build
from touchstone.measure.servers.llamacpp_host import parse
from touchstone.measure.tape import Tape
from touchstone.plan import Case, EngineOptions, Target
from touchstone.record import Status

SIZES = Sizes(3, 64)
CASE = Case(name="three", input_tokens=9, output_tokens=12, batch_size=3)


def play(engine, *, marked=True):
    pool = workloads.PromptPool(engine, [CASE], 0)
    batch = workloads.batch_of(CASE, 0, pool, engine)
    prepared, tape = engine.prepare(batch), Tape()
    tape.start()
    output = engine.generate(prepared, tape, marked=marked)
    tape.stop()
    return tape, engine.read(batch, tape, output)


def target_of(engine, model, dtype="fp32", **options):
    return Target(engine=engine, device="cpu", model=str(model), dtype=dtype, options=EngineOptions(threads=1, **options))


@pytest.fixture(scope="module")
def small():
    return synthetic.ensure("25m")


@pytest.fixture(scope="module")
def in_process(small):
    """The records of transformers in this process."""
    engine = open_engine(target_of("transformers", small), open_device("cpu"))
    engine.start(SIZES)
    yield play(engine)[1]
    engine.stop()


@pytest.mark.parametrize("name", [pytest.param("transformers-serve", marks=pytest.mark.slow), "llamacpp-server"])
def test_a_server_gives_the_records_of_the_engine_in_process(name, small, in_process, tmp_path):
    said = []
    engine = open_target(target_of(name, small), Workplace(tmp_path, notify=lambda kind, content: said.append((kind, content))))
    facts = engine.start(SIZES)
    family = engine.device._processes()
    try:
        tape, records = play(engine)
        _, plain = play(engine, marked=False)
    finally:
        engine.stop()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    assert family
    for mine, theirs in zip(records, in_process, strict=True):
        assert (mine.prompt_digest, mine.input_tokens, mine.output_tokens, mine.text) == (
            theirs.prompt_digest, theirs.input_tokens, theirs.output_tokens, theirs.text)
        assert mine.status is Status.OK
        assert tape.sent_ns <= mine.sent_ns <= mine.event_ns[0] <= mine.event_ns[-1] <= mine.ended_ns <= tape.ended_ns
        assert sum(mine.event_tokens) == 12
    assert [one.text for one in plain] == [one.text for one in in_process]
    assert all(one.event_ns == () for one in plain)
    assert facts.options["started_here"] is True
    assert "--port" in facts.options["command"]
    assert facts.random_weights
    assert said[0][0] == "server"
    assert (tmp_path / "server-0.log").exists()


def test_an_existing_server_is_measured_and_left_running(small, tmp_path):
    file = synthetic.ensure_gguf(small, "fp32")
    spec = ServerSpec(python=sys.executable, model=str(file), device="cpu", dtype="fp32", host="127.0.0.1", port=free_port(), batch_size=3,
                      sequence_tokens=64, directory=str(tmp_path), options=EngineOptions(threads=1))
    with subprocess.Popen(build(spec).arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as server:
        try:
            wait_for(spec.port)
            target = Target(engine="server", device="cpu", model=str(small), dtype="auto", options=EngineOptions(base_url=f"http://127.0.0.1:{spec.port}"))
            engine = open_target(target, Workplace(tmp_path / "run"))
            facts = engine.start(SIZES)
            _, records = play(engine)
            engine.stop()
            assert server.poll() is None
        finally:
            server.kill()
    assert [one.output_tokens for one in records] == [12, 12, 12]
    assert facts.options["started_here"] is False
    assert facts.options["prompts_as"] == "token ids"


def free_port():
    from touchstone.measure.servers.readiness import free_port as free

    return free("127.0.0.1")


def wait_for(port):
    from touchstone.measure.load.connection import Address
    from touchstone.measure.load.exchange import await_server, get_json

    address = Address("127.0.0.1", port, tls=False, verify=False, prefix="")
    await_server(address, 60)
    for _ in range(100):
        if get_json(address, "/health", {})[0] == 200:
            return
        time.sleep(0.1)
    raise AssertionError("not ready")


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "fp16"), ("cpu", "fp32"), ("cuda:0", "fp16")])
def test_every_option_given_to_llama_cpp_is_in_its_own_program(device, dtype, monkeypatch):
    import xllamacpp

    monkeypatch.setattr(shutil, "which", lambda _name: None)
    spec = ServerSpec(python="python", model="m.gguf", device=device, dtype=dtype, host="127.0.0.1", port=1, batch_size=2, sequence_tokens=10,
                      directory="/nowhere", options=EngineOptions(threads=3))
    arguments = build(spec).arguments
    program = next(Path(xllamacpp.__file__).parent.glob("*.so")).read_bytes()
    flags = [one for one in arguments[4:] if one.startswith("--")]
    assert len(flags) > 10
    assert [flag for flag in flags if flag.encode() + b"\0" not in program] == []
    assert b"--no-such-option\0" not in program
    asked = parse(arguments[4:])
    assert (asked.ctx_size, asked.parallel, asked.threads, asked.cache_prompt) == (36, 2, 3, False)


def test_an_installed_llama_server_is_preferred(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    spec = ServerSpec(python="python", model="m.gguf", device="cpu", dtype="fp16", host="127.0.0.1", port=1, batch_size=1, sequence_tokens=10,
                      directory="/nowhere", options=EngineOptions())
    assert build(spec).arguments[0] == "/opt/llama-server"
