"""The tape: the clock is read before anything else, and everything stays in order."""

from touchstone.clock import now_ns
from touchstone.measure.tape import Tape, mark_cost_ns


class Witness(list):
    """A list that notes the time at which each item arrives in it."""

    def __init__(self):
        super().__init__()
        self.arrived_ns = []

    def append(self, item):
        self.arrived_ns.append(now_ns())
        super().append(item)


def test_the_clock_is_read_before_bytes_are_stored():
    tape = Tape()
    tape.payloads, tape.marks_ns = Witness(), Witness()
    for _ in range(100):
        tape.keep(b"x")
    assert len(tape.marks_ns) == len(tape.payloads) == 100
    for at_ns, stamp_stored_ns, bytes_stored_ns in zip(tape.marks_ns, tape.marks_ns.arrived_ns, tape.payloads.arrived_ns, strict=True):
        assert at_ns <= stamp_stored_ns <= bytes_stored_ns


def test_bytes_are_kept_in_order_and_unchanged():
    tape, chunks = Tape(), [bytes([number]) * number for number in range(200)]
    for chunk in chunks:
        tape.keep(chunk)
    assert tape.payloads == chunks
    assert all(kept is chunk for kept, chunk in zip(tape.payloads, chunks, strict=True))  # not even copied


def test_marks_never_go_back_and_lie_between_start_and_stop():
    tape = Tape()
    tape.start()
    for number in range(1000):
        tape.mark() if number % 2 else tape.keep(b"")
    tape.stop()
    assert len(tape.marks_ns) == 1000
    assert len(tape.payloads) == 500
    stamps = [tape.sent_ns, *tape.marks_ns, tape.ended_ns]
    assert stamps == sorted(stamps)
    assert all(isinstance(stamp, int) for stamp in stamps)


def test_two_tapes_share_nothing():
    first, second = Tape(), Tape()
    first.keep(b"x")
    assert (second.marks_ns, second.payloads, second.sent_ns, second.ended_ns) == ([], [], 0, 0)


def test_a_mark_costs_something():
    assert mark_cost_ns(marks=100) > 0
