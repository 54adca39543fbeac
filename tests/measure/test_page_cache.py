"""How much of a file is in memory, asked of the kernel."""

import mmap

import pytest

from touchstone.measure.page_cache import evict, resident_fraction


@pytest.fixture
def written(tmp_path):
    """A file of 64 pages and one of 3, just written."""
    paths = [tmp_path / "large", tmp_path / "small"]
    for path, pages in zip(paths, (64, 3), strict=True):
        path.write_bytes(b"x" * (pages * mmap.PAGESIZE))
    if resident_fraction([str(paths[0])]) is None:
        pytest.skip("mincore(2) is not to be had here")
    return paths


def test_a_file_just_written_is_in_memory_by_some_share(written):
    for path in written:
        assert 0 <= resident_fraction([str(path)]) <= 1


def test_a_file_just_read_is_in_memory(written):
    evict([str(written[0])])
    written[0].read_bytes()
    assert resident_fraction([str(written[0])]) == 1.0


def test_evicting_never_adds(written):
    path = str(written[0])
    written[0].read_bytes()
    before = resident_fraction([path])
    evict([path])
    assert resident_fraction([path]) <= before


def test_looking_does_not_read_the_file(written):
    path = str(written[0])
    evict([path])
    assert resident_fraction([path]) == resident_fraction([path])


def test_several_files_count_by_their_size(written):
    large, small = map(str, written)
    evict([large])
    written[1].read_bytes()
    shares = [resident_fraction([path]) for path in (large, small)]
    assert resident_fraction([large, small]) == pytest.approx((64 * shares[0] + 3 * shares[1]) / 67)


def test_a_last_page_that_is_not_full_counts_as_one(tmp_path):
    path = tmp_path / "odd"
    path.write_bytes(b"x" * (mmap.PAGESIZE + 1))
    path.read_bytes()
    assert resident_fraction([str(path)]) in {None, 1.0}


def test_nothing_to_look_at_is_none(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert resident_fraction([str(tmp_path / "empty")]) is None
    assert resident_fraction([]) is None


def test_an_empty_file_changes_nothing(written, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    path = str(written[0])
    written[0].read_bytes()
    assert resident_fraction([path, str(tmp_path / "empty")]) == resident_fraction([path])
