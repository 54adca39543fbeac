"""A point is played by processes: they begin together, say nothing, cover everything once, and none is left behind."""

import contextlib
import json
import os
import signal
import socket
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import psutil
import pytest

from touchstone import parquet
from touchstone.checkpoints.vocabulary import words
from touchstone.errors import EngineError, NotReadyError
from touchstone.load_plan import Endpoint, Length, Load, LoadPlan, Workload
from touchstone.measure.load.connection import Address, parse_address
from touchstone.measure.load.page import Slot
from touchstone.measure.load.play import Control, PointSpec, play, processes_for
from touchstone.measure.load.points import Asking, Points
from touchstone.measure.load.prompts import Prompter, Words
from touchstone.measure.load.worker import WorkerSpec, _secrets
from touchstone.measure.scripted import Script, ScriptedServer
from touchstone.units import NS_PER_S

KEY = "sk-Zq81mLw0PpR7tVx2"


def planned(directory, url, load, count, processes, **changes):
    """The files of a point and how to play it."""
    plan = LoadPlan(workload=Workload(input_len=Length(mean=8), output_len=Length(mean=changes.pop("output_tokens", 4))), loads=(load,),
                    num_prompts=count)
    endpoint = Endpoint(base_url=url, backend="openai", path="/v1/completions", model="scripted")
    made = Points(plan, Asking(parse_address(url), endpoint, Prompter(Words(words()[:64])), 0), None)
    schedule = made.schedule(load, count, None, 0)
    spec = PointSpec(address=parse_address(url), files=directory / "files", scratch=directory, parts=directory / "parts", point=0, case=load.label,
                     repeat=0, id_prefix="run-", requests=len(schedule), slots=schedule.slots, at_once=load.concurrency or 8, timeout_s=30.0,
                     processes=processes, **changes)
    spec.parts.mkdir(parents=True)
    made.write(spec.files, schedule, "run", processes_for(spec))
    return replace(spec, processes=processes_for(spec))


def rows(spec):
    return [row for part in sorted(spec.parts.glob("requests-*.parquet")) for row in parquet.read_rows(part)]


def workers():
    """The processes that play for this one."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "load-worker" in child.cmdline():
                found.append(child)
    return found


@pytest.mark.parametrize(("load", "processes"), [
    (Load(concurrency=4), 1), (Load(concurrency=4), 2), (Load(concurrency=2), 3), (Load(arrival="poisson", request_rate=200.0), 2)])
def test_everything_is_played_once_and_all_begin_together(tmp_path, load, processes):
    with ScriptedServer(Script(ttft_s=0.005, itl_s=0.001)) as server:
        spec = planned(tmp_path, server.base_url, load, 30, processes)
        seen = []
        played = play(spec, Control(), seen.append)
        log = server.log()
    found = rows(spec)
    assert sorted(row["request"] for row in found) == list(range(30))
    assert sorted(row["request_id"] for row in found) == sorted(entry.request_id for entry in log)
    assert Counter(row["status"] for row in found) == {"ok": 30}
    assert (seen[-1].sent, seen[-1].ended, seen[-1].failed) == (30, 30, 0)
    assert {worker["process"] for worker in played.workers} == set(range(processes))
    assert {worker["started_ns"] for worker in played.workers} == {played.started_ns}
    for process in {row["process"] for row in found}:
        first_ns = min(row["sent_ns"] - (row["scheduled_ns"] - played.started_ns) for row in found if row["process"] == process)
        assert played.started_ns <= first_ns < played.started_ns + NS_PER_S // 4
    assert all(played.started_ns <= row["sent_ns"] <= row["ended_ns"] <= played.ended_ns for row in found)
    assert workers() == []


@pytest.mark.parametrize(("streams", "asked", "requests", "most"), [
    (1, None, 10, 1), (256, None, 1000, 1), (100_000, None, 5, 5), (100_000, None, 10**6, 10**6), (1, 3, 10, 3), (1, 30, 10, 10)])
def test_how_many_processes(tmp_path, streams, asked, requests, most):
    spec = PointSpec(Address("h", 1, False, True, ""), tmp_path, tmp_path, tmp_path, 0, "c", 0, "", requests, None, streams, 1.0, processes=asked)
    assert 1 <= processes_for(spec) <= min(most, max(asked or 0, len(os.sched_getaffinity(0))))
    if asked:
        assert processes_for(spec) == most


@pytest.mark.parametrize("how", [1, 2])
def test_the_users_word_reaches_every_process(tmp_path, how):
    """After the first word what is under way ends well; after the second at once. Either way all that was sent is on the disk."""
    control = Control()

    def watch(counts):
        if counts.sent >= 4:
            control.stop = how
    with ScriptedServer(Script(ttft_s=0.6, itl_s=0.02)) as server:
        spec = planned(tmp_path, server.base_url, Load(concurrency=4), 200, 2)
        played = play(spec, control, watch)
    found = rows(spec)
    statuses = Counter(row["status"] for row in found)
    assert sum(statuses.values()) < 200
    assert statuses["stopped"] == (4 if how == 2 else 0)
    assert statuses["ok"] == len(found) - statuses["stopped"]
    assert len(played.workers) == 2
    assert workers() == []


def test_a_duration_ends_the_load(tmp_path):
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.005)) as server:
        spec = planned(tmp_path, server.base_url, Load(concurrency=2), 500, 1, duration_s=0.3)
        played = play(spec, Control(), lambda _: None)
    found = rows(spec)
    assert 2 <= len(found) < 500
    assert max(row["sent_ns"] for row in found) < played.started_ns + 0.3 * NS_PER_S
    assert {row["status"] for row in found} == {"ok"}


def test_nobody_there_is_not_ready(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotReadyError, match=r"No server can be reached at 127\.0\.0\.1") as caught:
        play(planned(tmp_path, url, Load(concurrency=2), 4, 2), Control(), lambda _: None)
    assert not isinstance(caught.value, EngineError)
    assert workers() == []


def test_a_process_that_is_lost_ends_the_point_and_takes_the_others_with_it(tmp_path):
    def watch(counts):
        if counts.sent >= 4:
            for worker in workers()[:1]:
                worker.send_signal(signal.SIGKILL)
    with ScriptedServer(Script(ttft_s=5.0)) as server:
        spec = planned(tmp_path, server.base_url, Load(concurrency=4), 20, 2)
        with pytest.raises(EngineError, match="A process of the load client was lost"):
            play(spec, Control(), watch)
    assert workers() == []


def test_private_headers_reach_the_server_and_no_file(tmp_path):
    heard = []

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                one, _ = listener.accept()
                with one, contextlib.suppress(OSError):
                    while data := one.recv(1 << 16):
                        heard.append(data)
                        said = b'{"error": {"message": "bad key %s"}}' % KEY.encode()
                        one.sendall(b"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, args=(listener,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    spec = planned(tmp_path, url, Load(concurrency=1), 3, 1, headers={"Authorization": f"Bearer {KEY}", "X-More": "1"})
    play(spec, Control(), lambda _: None)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    assert all(f"\r\nAuthorization: Bearer {KEY}\r\nX-More: 1\r\n".encode() in request for request in heard)
    assert len(heard) == 3
    assert [(row["status"], row["http_status"], row["error"]) for row in rows(spec)] == [("http_error", 401, "bad key …")] * 3
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".tape"):  # the tape is what the server said
        assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in repr(spec)


def test_secrets_are_the_values_and_the_keys_in_them():
    assert _secrets(f"Authorization: Bearer {KEY}\r\nX-Key: {KEY}\r\n") == (f"Bearer {KEY}", KEY)
    assert _secrets("") == ()


def test_slots_are_shared_out_whole(tmp_path):
    """Each process has its share of the slots, of the connections and of nothing else."""
    from touchstone.measure.load import play as module

    spec = PointSpec(Address("h", 1, False, True, ""), tmp_path, tmp_path, tmp_path, 0, "c", 0, "", 100, 7, 7, 1.0, processes=3)
    shares = [module._share(spec, process, 3) for process in range(3)]
    assert [share.cap for share in shares] == [3, 2, 2]
    assert [share.connections for share in shares] == [3, 2, 2]
    assert {share.spare for share in shares} == {0}
    assert len({(share.page, share.tape, share.facts, share.index) for share in shares}) == 3
    assert all(WorkerSpec(**json.loads(share.to_json())) == share for share in shares)
    unlimited = [module._share(replace(spec, slots=None), process, 3) for process in range(3)]
    assert [(share.cap, share.spare > 0) for share in unlimited] == [(None, True)] * 3


def test_what_a_worker_says_of_itself_holds_together(tmp_path):
    with ScriptedServer(Script(ttft_s=0.02, itl_s=0.005)) as server:
        spec = planned(tmp_path, server.base_url, Load(concurrency=2), 8, 1)
        [worker] = play(spec, Control(), lambda _: None).workers
    assert 0 < worker["cpu_fraction"] <= 1.05
    assert 0 < worker["loop_busy_fraction"] <= 1
    assert worker["connections"] == worker["connections_opened"] == 2
    assert worker["collector_pauses"] == 0
    assert worker["late_ns"] >= worker["late_loops"] * 5_000_000
    delays = worker["read_delay_ns"]
    assert 0 <= delays["p50"] <= delays["p99"] <= delays["max"]
    assert delays["count"] == sum(row["reads"] for row in rows(spec))
    assert delays["max"] == max(row["delay_ns"] for row in rows(spec))
    assert np.isfinite(worker["peak_resident_bytes"])
    assert list(Slot)[:3] == [Slot.STAGE, Slot.START_NS, Slot.STOP]
