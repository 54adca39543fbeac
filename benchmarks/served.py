"""How late the batch client is that measures managed servers: against a scripted server's own log, beside a bare loop of http.client.

    python benchmarks/served.py [--plays 20]

Aim: first token and last token within 1 ms of the server's own write on a quiet machine, and no later than the bare loop, at 1 to 32
requests at once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from touchstone.clock import now_ns
from touchstone.measure.engines.served_records import lanes_of, record_of
from touchstone.measure.load.connection import Address, parse_address
from touchstone.measure.scripted import Entry, Script, ScriptedServer
from touchstone.measure.servers import asking
from touchstone.measure.servers.lanes import Lanes
from touchstone.measure.servers.request_bytes import post
from touchstone.measure.tape import Tape
from touchstone.request import Request

TOKENS = 32
PATH = "/v1/completions"
Stamps = Mapping[int, tuple[int, int]]
"""Length of the prompt (by which the server's log knows a request) → our stamps of its first and last token, in ns."""


def ours(address: Address, model: str, lengths: Sequence[int]) -> Stamps:
    """One batch as a run plays it."""
    requests = [Request(f"r/{length}", (1,) * length, TOKENS) for length in lengths]
    bodies = [post(address, PATH, asking.openai_ids(request, model, stream=True)) for request in requests]
    lanes, tape = Lanes(address, len(requests)), Tape()
    tape.start()
    closed = lanes.play(bodies, tape)
    tape.stop()
    lanes.close()
    records = [record_of(request, lane, tape, marked=True, closed=shut)[0] for request, lane, shut in zip(requests, lanes_of(tape), closed, strict=True)]
    return {record.input_tokens_built: (record.event_ns[0], record.event_ns[-1]) for record in records}


def bare(address: Address, model: str, lengths: Sequence[int]) -> Stamps:
    """One thread per request, lines read by http.client, each parsed before the clock is looked at: what a script does."""
    found: dict[int, tuple[int, int]] = {}

    def ask(length: int) -> None:
        line = http.client.HTTPConnection(address.host, address.port)
        body = {"model": model, "prompt": [1] * length, "max_tokens": TOKENS, "stream": True, "ignore_eos": True}
        line.request("POST", PATH, json.dumps(body), {"Content-Type": "application/json"})
        stamps = [now_ns() for text in line.getresponse() if text.startswith(b"data: {") and json.loads(text[6:])["choices"]]
        found[length] = (stamps[0], stamps[TOKENS - 1])
        line.close()

    threads = [threading.Thread(target=ask, args=(length,)) for length in lengths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def lags_ms(stamps: Stamps, truth: Mapping[int, Entry]) -> tuple[list[float], list[float]]:
    """Our stamps minus the server's writes, in ms: of first tokens and of last ones."""
    writes = {length: [truth[length].sending_ns[place] for place in truth[length].token_places] for length in stamps}
    return ([(stamps[length][0] - writes[length][0]) / 1e6 for length in stamps], [(stamps[length][1] - writes[length][-1]) / 1e6 for length in stamps])


def measure(play: Callable[[Address, str, Sequence[int]], Stamps], count: int, plays: int) -> tuple[list[float], list[float]]:
    """The lags of ``plays`` batches of ``count`` requests."""
    with ScriptedServer(Script(ttft_s=0.05, itl_s=0.005)) as server:
        address = parse_address(server.base_url)
        stamps: dict[int, tuple[int, int]] = {}
        for number in range(plays + 1):
            batch = play(address, Script().model, range(1 + number * count, 1 + (number + 1) * count))
            stamps.update(batch if number else {})
        truth = {entry.prompt_tokens: entry for entry in server.log()}
    return lags_ms(stamps, truth)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plays", type=int, default=20)
    plays = parser.parse_args().plays
    print(f"{'requests at once':>16}  {'client':8}{'first: mean':>12}{'p95':>8}{'max':>8}{'last: mean':>12}{'p95':>8}{'max':>8}   (ms after the server's write)")
    for count in (1, 4, 8, 32):
        means = {}
        for name, play in (("ours", ours), ("bare", bare)):
            first, last = measure(play, count, plays)
            means[name] = (float(np.mean(first)), float(np.mean(last)))
            cells = "".join(f"{np.mean(lags):12.3f}{np.percentile(lags, 95):8.3f}{max(lags):8.3f}" for lags in (first, last))
            print(f"{count:16}  {name:8}{cells}")
        print(f"{'':16}  ours/bare: first {means['ours'][0] / means['bare'][0]:.2f}, last {means['ours'][1] / means['bare'][1]:.2f}")


if __name__ == "__main__":
    main()
