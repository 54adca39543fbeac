"""A server's log: whatever it writes, the beginning and the end are kept and the disk is not filled."""

import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from touchstone.measure.servers.bounded_log import BoundedLog, last_lines

HEAD, TAIL = 64, 40


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=40))
def test_what_is_kept_is_the_beginning_and_the_end(chunks):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "server.log"
        log = BoundedLog(path, HEAD, TAIL)
        for chunk in chunks:
            log.write(chunk)
        log.close()
        written, kept = b"".join(chunks), path.read_bytes()
        assert list(Path(directory).iterdir()) == [path]
    if len(written) <= HEAD:
        assert kept == written
        return
    assert kept[:HEAD] == written[:HEAD]
    said = re.match(rb"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", kept[HEAD:])
    tail = kept[HEAD + said.end():]
    assert written.endswith(tail)
    assert len(tail) >= min(TAIL, len(written) - HEAD)
    assert HEAD + int(said[1]) + len(tail) == len(written)


def test_a_second_server_of_a_launch_goes_on_in_the_same_log(tmp_path):
    for words in (b"first\n", b"second\n"):
        log = BoundedLog(tmp_path / "server.log")
        log.write(words)
        log.close()
    assert (tmp_path / "server.log").read_bytes() == b"first\nsecond\n"


def test_the_last_lines_are_the_newest_while_the_log_is_written(tmp_path):
    log = BoundedLog(tmp_path / "server.log", 10, 100)
    log.write(b"one\n\ntwo\n")
    assert last_lines(tmp_path / "server.log", 5) == ["one", "two"]
    log.write(b"3\nfour\n\xff five\n")
    assert last_lines(tmp_path / "server.log", 2) == ["four", "\ufffd five"]
    log.close()
    assert last_lines(tmp_path / "server.log", 2) == ["four", "\ufffd five"]
    assert last_lines(tmp_path / "nothing.log", 2) == []
