"""What a worker saw comes back from its tape as it was, whatever it was and wherever the file ends."""

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.measure.load.connection import NO_STAMP
from touchstone.measure.load.decode import read_tape
from touchstone.measure.load.tape_file import HEAD, Outcome, TapeWriter

stamps_ns = st.integers(0, 2**63 - 1)
reads = st.lists(st.tuples(stamps_ns, st.tuples(stamps_ns, st.integers(0, 10**9 - 1)), st.binary(max_size=40)), max_size=5)
answers = st.tuples(st.integers(0, 2**40), st.tuples(stamps_ns, stamps_ns, stamps_ns), st.sampled_from(Outcome), reads)


def write(tape, answer):
    row, times, outcome, seen = answer
    tape.write(row, times, outcome, ([at for at, _, _ in seen], [struct.pack("=qq", *stamp) for _, stamp, _ in seen], [data for *_, data in seen]))


def told(taped):
    """An answer as :func:`write` takes it."""
    ends = taped.sizes.cumsum().tolist()
    chunks = [taped.raw[end - size:end] for end, size in zip(ends, taped.sizes.tolist(), strict=True)]
    stamps = map(tuple, taped.stamps.reshape(-1, 2).tolist())
    assert sum(map(len, chunks)) == len(taped.raw)
    return (taped.row, (taped.scheduled_ns, taped.sent_ns, taped.ended_ns), taped.outcome,
            list(zip(taped.at_ns.tolist(), stamps, chunks, strict=True)))


@given(st.lists(answers, max_size=6), st.data())
def test_any_answers_come_back_and_half_of_one_at_the_end_is_passed_over(written, data):
    with tempfile.TemporaryDirectory() as scratch:
        path, ends = Path(scratch) / "a.tape", [0]
        tape = TapeWriter(path)
        for answer in written:
            write(tape, answer)
            tape.flush()
            ends.append(path.stat().st_size)
        tape.close()
        assert list(map(told, read_tape(path))) == written
        cut = data.draw(st.integers(0, ends[-1]))
        path.write_bytes(path.read_bytes()[:cut])
        whole = sum(end <= cut for end in ends) - 1
        assert list(map(told, read_tape(path))) == written[:whole]


def test_memory_holds_a_quarter_of_a_megabyte_and_no_more(tmp_path):
    """What a killed worker loses of its ended answers is less than that, too."""
    path, written = tmp_path / "a.tape", []
    tape = TapeWriter(path)
    for row in range(200):
        written.append((row, (1, 2, 3), Outcome.WHOLE, [(4, (5, 6), bytes([row]) * 10_000)]))
        write(tape, written[-1])
        size = HEAD.size + 8 + 16 + 4 + 10_000
        assert (row + 1) * size - path.stat().st_size < 1 << 18
    before_close = list(map(told, read_tape(path)))
    assert before_close == written[:len(before_close)]
    tape.close()
    assert list(map(told, read_tape(path))) == written


def test_a_full_disk_is_an_error():
    tape = TapeWriter(Path("/dev/full"))
    write(tape, (0, (1, 2, 3), Outcome.WHOLE, [(4, (0, 0), b"x")]))
    with pytest.raises(OSError, match="No space left"):
        tape.flush()
    tape.close()


def test_a_read_without_a_stamp_says_so(tmp_path):
    tape = TapeWriter(tmp_path / "a.tape")
    tape.write(0, (1, 2, 3), Outcome.WHOLE, ([7], [NO_STAMP], [b"x"]))
    tape.close()
    [answer] = read_tape(tmp_path / "a.tape")
    assert answer.stamps.tolist() == [0, 0]
