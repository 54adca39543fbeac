"""The load client: one thread, one epoll, nothing but writes, stamps and reads while the load runs.

Every answer's reads are kept as (our stamp, the kernel's stamp, bytes); the only question asked of the bytes is where the message
ends. What they mean is decoded after the load. A request is written at its planned time, or when a slot is free, or when its
predecessor in a session has ended; how late each write was is in the tape.
"""

from __future__ import annotations

import gc
import heapq
import os
import select
from collections import deque
from dataclasses import dataclass, field

from touchstone.clock import cpu_time_ns, now_ns, realtime_ns
from touchstone.measure.load.connection import NO_STAMP, NOTE_BYTES, NOTHING, READ_BYTES, Connection, State
from touchstone.measure.load.page import Page, Slot
from touchstone.measure.load.pool import READABLE, Pool
from touchstone.measure.load.share import Share
from touchstone.measure.load.tape_file import Outcome, TapeWriter
from touchstone.units import NS_PER_MS, NS_PER_S
from touchstone.wire.http import WireError, body_end, parse_head

_LAST_CHUNK = b"\r\n0\r\n\r\n"
_ZERO_SIZE = b"\r\n0\r\n"  # trailers may follow
_ONE = b"1"  # a read that is less begins with CR, LF or 0: it may go on with a last chunk
# Looked up once: an attribute of an enum or a module costs more than a comparison.
_HEAD, _EVENTS = int(State.HEAD), int(State.EVENTS)
_READ_BYTES, _NOTE_BYTES, _WRITABLE = READ_BYTES, NOTE_BYTES, select.EPOLLOUT
_COARSE_NS = 2 * NS_PER_MS  # epoll counts whole milliseconds
_SPIN_NS = NS_PER_MS // 5
LATE_NS = 5 * NS_PER_MS
_LOOK_NS = 5 * NS_PER_MS
_LOOK_S = _LOOK_NS / NS_PER_S
_NEAR_NS = _LOOK_NS + 2 * NS_PER_MS  # a coarse sleep of that long cannot miss what is due later
_NEVER_NS = 1 << 62
_INTERRUPTED_NS = 2_000
_DRIFT_NS = 1_000
_PACK_BACKLOG = 64
_UNLIMITED = 1 << 30
_STATES = {"length": State.COUNTED, "none": State.COUNTED, "close": State.UNTIL_CLOSE}

Taped = tuple[int, tuple[int, int, int], Outcome, tuple[list[int], list[bytes], list[bytes]]]


@dataclass(frozen=True)
class Limits:
    """At most ``cap`` requests in flight (None: any number), ``spare`` connections kept ready, ``timeout_s`` for each request."""

    cap: int | None
    spare: int
    timeout_s: float


@dataclass
class Conduct:
    """How the client itself did: kept beside the results, so that they can be doubted.

    A turn of the loop, or a wake-up, that took or came later than ``LATE_NS`` is a late one. ``clock_pairs`` are (our clock, how much
    the wall clock is ahead of it).
    """

    busy_ns: int = 0
    turns: int = 0
    late_turns: int = 0
    late_ns: int = 0
    longest_turn_ns: int = 0
    collections: int = 0
    clock_pairs: list[tuple[int, int]] = field(default_factory=list)

    def turn(self, length_ns: int) -> None:
        """Count one turn of the loop, or one wake-up that came ``length_ns`` late."""
        self.turns += 1
        self.longest_turn_ns = max(self.longest_turn_ns, length_ns)
        if length_ns > LATE_NS:
            self.late_turns += 1
            self.late_ns += length_ns


class Client:
    """Plays ``share`` over the connections of ``pool`` and writes what came back to ``tape``.

    ``page`` is shared with the parent: the client counts there what was sent, ended and failed, and looks at the stop flag.
    """

    def __init__(self, pool: Pool, share: Share, tape: TapeWriter, page: Page, limits: Limits) -> None:
        self.conduct = Conduct()
        self._pool, self._share, self._tape, self._page = pool, share, tape, page.numbers
        self._epoll, self._idle = pool.epoll, pool.idle
        self._cap, self._spare = limits.cap or _UNLIMITED, limits.spare
        self._timeout_ns = round(limits.timeout_s * NS_PER_S)
        self._waiting: deque[tuple[int, int]] = deque()  # due, but without a slot or a connection
        self._later: list[tuple[int, int]] = []
        self._deadlines: deque[tuple[int, Connection, int]] = deque()
        self._finished: deque[Taped] = deque()
        self._in_flight = self._credits = 0
        self._start_ns = self._clocked_ns = self._wake_ns = self._cut = 0
        self._head = b""
        self._due_ns = _NEVER_NS
        self._parent = os.getppid()
        self._stop_ns: int | None = None

    def add_headers(self, lines: str) -> None:
        """Header lines to put into every request, right after its first line."""
        if lines and self._share.count:
            self._cut = self._share.request(0).index(b"\r\n") + 2
            self._head = self._share.request(0)[:self._cut] + lines.encode("latin-1")

    def play(self, start_ns: int, stop_ns: int | None) -> float:
        """Send every row at its time, from ``start_ns``; nothing new after ``stop_ns``. Returns the share of a core used.

        The collector is the caller's business: it should be off, and what is alive frozen, before the start.
        """
        self._start_ns, self._stop_ns = start_ns, stop_ns
        collections, cpu_ns = _collections(), cpu_time_ns()
        self._loop()
        self._stamp_clocks(now_ns())  # so that the last reads, too, lie between two comparisons
        self.conduct.collections = _collections() - collections
        used = (cpu_time_ns() - cpu_ns) / max(1, now_ns() - start_ns)
        self._pack(0)
        self._tape.close()
        return used

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _loop(self) -> None:  # noqa: C901, PLR0912, PLR0915 - one level of calls fewer per read is worth a function of many branches
        conduct, by_fd, finished, poll = self.conduct, self._pool.by_fd, self._finished, self._epoll.poll
        turned_ns = now_ns()
        self._stamp_clocks(turned_ns)
        self._look(turned_ns)
        while self._in_flight or self._waiting or self._later or self._share.row < self._share.count:
            slept_ns = now_ns()
            if self._due_ns > slept_ns + _NEAR_NS:
                ready, late_ns = poll(_LOOK_S), slept_ns + _NEAR_NS
            else:
                ready, late_ns = self._wait(self._due_ns - slept_ns), self._due_ns
            woken_ns = now_ns()
            if not ready and woken_ns > late_ns:
                conduct.turn(woken_ns - late_ns)
            for fd, mask in ready:
                one = by_fd.get(fd)
                if one is None:
                    continue
                if one.state < _HEAD:
                    self._pool.advance(one)
                    self._wake_ns = 0
                    continue
                if mask & _WRITABLE:
                    self._write(one)
                    continue
                try:
                    data, notes, _, _ = one.recvmsg(_READ_BYTES, _NOTE_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    self._lose(one, Outcome.RESET, now_ns())
                    continue
                at_ns = now_ns()
                if not data:
                    self._lose(one, Outcome.CLOSED, at_ns)
                    continue
                if one.tls is not None and not (data := self._decrypted(one, data, at_ns)):
                    continue
                one.at_ns.append(at_ns)
                one.stamps.append(notes[0][2] if notes else NO_STAMP)
                one.chunks.append(data)
                if one.state == _EVENTS:
                    tail = data if data >= _ONE else b"".join(one.chunks[-8:])
                    if _ZERO_SIZE in tail and (tail.endswith(_LAST_CHUNK) or self._is_whole(one, tail)):
                        self._end(one, at_ns)
                elif self._is_whole(one, data):
                    self._end(one, at_ns)
            turned_ns = now_ns()
            conduct.turn(turned_ns - woken_ns)
            conduct.busy_ns += turned_ns - woken_ns
            if turned_ns >= self._wake_ns:
                self._look(turned_ns)
            if finished:
                self._pack(_PACK_BACKLOG if ready else 0)

    def _wait(self, wait_ns: int) -> list[tuple[int, int]]:
        """Until a planned write is due or something arrives: sleep coarsely, then finely, then spin; a timer's grain is a millisecond."""
        if wait_ns > _COARSE_NS:
            return self._epoll.poll((wait_ns // NS_PER_MS - 1.5) / 1e3)  # rounded up to a whole millisecond
        if wait_ns > _SPIN_NS:
            select.select([self._epoll.fileno()], (), (), (wait_ns - _SPIN_NS * 3 // 4) / NS_PER_S)
        return self._epoll.poll(0)

    def _look(self, at_ns: int) -> None:
        """Everything that depends on the time: what to send, what to give up, and when to look again."""
        if at_ns - self._clocked_ns >= _LOOK_NS:
            self._stamp_clocks(at_ns)
            if os.getppid() != self._parent:  # whoever should read the result is gone
                self._page[Slot.STOP] = 2
            if self._spare > len(self._idle) + self._pool.opening:
                self._pool.provide(1)  # one at a look: a server that closes them at once must not keep us busy
        self._fill(at_ns)
        self._expire(at_ns)
        due_ns = self._start_ns + self._share.offset_ns if self._share.offset_ns is not None else _NEVER_NS
        self._due_ns = min(due_ns, self._later[0][0]) if self._later else due_ns
        self._wake_ns = min(self._due_ns, at_ns + _LOOK_NS)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, at_ns: int) -> None:
        """Send what is due and has a slot. What is due without one waits, and its wait counts from its own planned time."""
        if self._page[Slot.STOP] or (self._stop_ns is not None and at_ns >= self._stop_ns):
            self._share.stop()
            self._later.clear()
            self._waiting.clear()
            return
        share, start_ns = self._share, self._start_ns
        while share.offset_ns is not None and start_ns + share.offset_ns <= at_ns:
            self._waiting.append((start_ns + share.offset_ns, share.row))
            share.advance()
        while self._later and self._later[0][0] <= at_ns:
            self._waiting.append(heapq.heappop(self._later))
        while self._credits and share.offset_ns is None and share.row < share.count:
            self._credits -= 1
            self._waiting.append((at_ns, share.row))
            share.advance()
        while self._waiting and self._idle and self._in_flight < self._cap:
            self._send(self._idle.pop(), *self._waiting.popleft())
        wanted = min(len(self._waiting), self._cap - self._in_flight)
        if wanted > 0:
            self._provide(wanted)

    def _send(self, one: Connection, scheduled_ns: int, row: int) -> None:
        request = self._share.request(row)
        if self._cut:
            request = self._head + request[self._cut:]
        one.unsent = memoryview(request if one.tls is None else one.encrypt(request))
        one.row, one.scheduled_ns, one.state = row, scheduled_ns, State.HEAD
        self._in_flight += 1
        self._page[Slot.SENT] += 1
        self._write(one)
        if one.row == row:
            self._deadlines.append((one.sent_ns + self._timeout_ns, one, row))

    def _write(self, one: Connection) -> None:
        """Hand over what is unsent; the stamp that stays is the one before the write that takes the last byte."""
        one.sent_ns = now_ns()
        try:
            taken = one.socket.send(one.unsent)
        except BlockingIOError:
            taken = 0
        except OSError:
            self._lose(one, Outcome.RESET, now_ns())
            return
        if taken == len(one.unsent):
            if one.blocked:
                self._epoll.modify(one.fd, READABLE)
            one.unsent, one.blocked = NOTHING, False
        else:
            one.unsent = one.unsent[taken:]
            if not one.blocked:
                one.blocked = True
                self._epoll.modify(one.fd, READABLE | select.EPOLLOUT)

    def _provide(self, wanted: int) -> None:
        """More connections for those that wait. Where the server takes none, the first of them fails, and the next is tried later."""
        if not self._pool.refusals:  # else a new attempt would always be under way before the last one was counted
            self._pool.provide(wanted)
        if self._pool.refusals and not self._pool.opening:
            refused, self._pool.refusals = self._pool.refusals, 0
            for _ in range(min(refused, len(self._waiting))):
                scheduled_ns, row = self._waiting.popleft()
                at_ns = now_ns()
                self._in_flight += 1
                self._page[Slot.SENT] += 1
                self._record(row, (scheduled_ns, at_ns, at_ns), Outcome.UNREACHABLE, ([], [], []))
                self._page[Slot.FAILED] += 1

    def _is_whole(self, one: Connection, data: bytes) -> bool:
        """Whether the message has ended, for everything but the usual stream of events; reads the head on the way.

        ``data`` is the last read, or the last few where the end may lie across them.
        """
        if one.head is None:
            raw = b"".join(one.chunks)
            try:
                one.head = parse_head(raw)
            except WireError:
                one.state = State.UNTIL_CLOSE
                return False
            if one.head is None:
                return False
            one.state = _STATES.get(one.head.framing, State.EVENTS if one.head.event_stream else State.CHUNKS)
            data = raw[one.head.end - 2:]
        if one.state == State.COUNTED:
            return sum(map(len, one.chunks)) >= one.head.end + (one.head.length or 0)
        if one.state == State.UNTIL_CLOSE or (one.state == State.EVENTS and _ZERO_SIZE not in data):
            return False
        return self._has_all_chunks(one, data)

    def _has_all_chunks(self, one: Connection, data: bytes) -> bool:
        """Look closely, now and at every later read, as what looks like the end may be within a chunk or have trailers."""
        one.state = State.CHUNKS
        if one.head is None or not (data.endswith(b"\n") or _ZERO_SIZE in b"".join(one.chunks[-8:])):
            return False
        try:
            return body_end(b"".join(one.chunks), one.head) is not None
        except WireError:
            one.state = State.UNTIL_CLOSE
            return False

    def _end(self, one: Connection, at_ns: int) -> None:
        """A whole answer: the connection is free for the next request before anything else is done."""
        keep = one.head is not None and one.head.keep_alive and not one.unsent and not one.over
        self._record(one.row, (one.scheduled_ns, one.sent_ns, at_ns), Outcome.WHOLE, one.take())
        if keep:
            one.state = State.IDLE
            self._idle.append(one)
        else:
            self._pool.drop(one)
        self._fill(at_ns)

    def _lose(self, one: Connection, outcome: Outcome, at_ns: int) -> None:
        """The peer closed or reset the connection of a request, or its time is up. Closing is how some answers end."""
        complete = outcome is Outcome.CLOSED and one.state == State.UNTIL_CLOSE and one.head is not None
        self._record(one.row, (one.scheduled_ns, one.sent_ns, at_ns), outcome, one.take())
        self._page[Slot.FAILED] += not complete
        self._pool.drop(one)

    def _record(self, row: int, times: tuple[int, int, int], outcome: Outcome, reads: tuple[list[int], list[bytes], list[bytes]]) -> None:
        self._finished.append((row, times, outcome, reads))
        self._in_flight -= 1
        self._wake_ns = 0
        self._page[Slot.ENDED] += 1
        following = self._share.successor(row)
        if following is None:
            self._credits += 1  # a session keeps its slot through all its turns and pauses
        else:
            heapq.heappush(self._later, (times[2] + following[1], following[0]))

    def _decrypted(self, one: Connection, data: bytes, at_ns: int) -> bytes:
        try:
            return one.decrypt(data)
        except OSError:
            self._lose(one, Outcome.RESET, at_ns)
            return b""

    # ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _expire(self, at_ns: int) -> None:
        """Requests whose time is up, and on the user's second word all of them."""
        deadlines, at_once = self._deadlines, self._page[Slot.STOP] > 1
        while deadlines and (deadlines[0][1].row != deadlines[0][2] or deadlines[0][0] <= at_ns or at_once):
            _, one, row = deadlines.popleft()
            if one.row == row:
                self._lose(one, Outcome.STOPPED if at_once else Outcome.TIMEOUT, at_ns)

    def _pack(self, backlog: int) -> None:
        while len(self._finished) > backlog:
            self._tape.write(*self._finished.popleft())

    def _stamp_clocks(self, at_ns: int) -> None:
        """The wall clock beside ours; kernel stamps are carried over by these pairs. A reading that was interrupted is no use."""
        before_ns = now_ns()
        wall_ns = realtime_ns()
        after_ns = now_ns()
        pairs = self.conduct.clock_pairs
        offset_ns = wall_ns - (before_ns + after_ns) // 2
        if not pairs or (after_ns - before_ns < _INTERRUPTED_NS and (abs(offset_ns - pairs[-1][1]) > _DRIFT_NS or at_ns - pairs[-1][0] > NS_PER_S)):
            pairs.append((at_ns, offset_ns))
        self._clocked_ns = at_ns


def _collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())
