"""Tables in and out: whatever is put in comes back the same, by rows or by columns, and is there whole or not at all."""

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as reference

from touchstone import parquet
from touchstone.errors import DataError, NotReadyError

KINDS = {"whole": "int64", "real": "float64", "word": "utf8"}
wholes = st.none() | st.integers(-(2**63), 2**63 - 1)
reals = st.none() | st.floats(allow_nan=False)
words = st.none() | st.text(max_size=8)
rows = st.lists(st.fixed_dictionaries({"whole": wholes, "real": reals, "word": words}), max_size=12)


def columns(some):
    return {"whole": parquet.masked((row["whole"] for row in some), len(some)), "real": [row["real"] for row in some],
            "word": [row["word"] for row in some]}


@settings(max_examples=80, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4))
def test_what_is_written_is_read_by_us_and_by_others(batches):
    everything = [row for batch in batches for row in batch]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.parquet"
        parquet.write_batches(path, KINDS, map(columns, batches))
        assert parquet.read_rows(path) == everything
        assert reference.read_table(path).to_pylist() == everything
        by_column = list(parquet.read_integers(path, ["whole"]))
        assert [value for batch in by_column for value in batch["whole"].tolist()] == [row["whole"] for row in everything]
        assert all(len(np.ma.getmaskarray(batch["whole"])) == len(batch["whole"]) for batch in by_column)
        by_row = path.with_name("b.parquet")
        parquet.write_rows(by_row, KINDS, everything)
        assert parquet.read_rows(by_row) == everything
        merged, parts = path.with_name("m.parquet"), [path, by_row, path]
        parquet.merge(merged, KINDS, parts)
        assert parquet.read_rows(merged) == everything * 3
        assert not list(Path(directory).glob("*.partial"))


def test_masked_is_null_for_everyone(tmp_path):
    path = tmp_path / "a.parquet"
    column = np.ma.MaskedArray([1, 99, 3], [False, True, False])
    parquet.write_batches(path, {"n": "int64"}, [{"n": column}])
    assert duckdb.sql(f"select count(*), count(n), sum(n) from '{path}'").fetchall() == [(3, 2, 4)]
    assert pd.read_parquet(path)["n"].isna().tolist() == [False, True, False]
    [batch] = parquet.read_integers(path, ["n"])
    assert batch["n"].tolist() == [1, None, 3]
    assert np.ma.getmaskarray(batch["n"]).tolist() == [False, True, False]


def test_a_column_of_nothing_but_nulls_is_masked_whole(tmp_path):
    parquet.write_batches(tmp_path / "a.parquet", {"n": "int64"}, [{"n": [None] * 3}])
    (batch,) = parquet.read_integers(tmp_path / "a.parquet", ["n"])
    assert batch["n"].tolist() == [None] * 3
    assert batch["n"].filled(7).tolist() == [7] * 3


def test_numbers_beyond_53_bits_come_back_beside_a_null(tmp_path):
    """A column with a null must not go through floats: stamps are too long for them."""
    long = 2**62 + 1
    parquet.write_batches(tmp_path / "a.parquet", {"n": "int64"}, [{"n": parquet.masked([long, None], 2)}])
    [batch] = parquet.read_integers(tmp_path / "a.parquet", ["n"])
    assert batch["n"].tolist() == [long, None]


def test_a_missing_key_is_null_and_a_column_keeps_its_place(tmp_path):
    parquet.write_rows(tmp_path / "a.parquet", KINDS, [{"word": "x"}, {"whole": 1, "real": 0.5}])
    assert parquet.read_rows(tmp_path / "a.parquet") == [{"whole": None, "real": None, "word": "x"}, {"whole": 1, "real": 0.5, "word": None}]
    assert reference.read_schema(tmp_path / "a.parquet").names == list(KINDS)


def test_text_that_is_no_unicode_is_kept_as_far_as_it_can_be(tmp_path):
    parquet.write_rows(tmp_path / "a.parquet", {"word": "utf8"}, [{"word": "a\ud83dz"}, {"word": "试金石 🚀\0"}])
    assert [row["word"] for row in parquet.read_rows(tmp_path / "a.parquet")] == ["a?z", "试金石 🚀\0"]


def test_more_rows_than_a_batch_come_in_order(tmp_path):
    count = 3 * (1 << 16) + 5
    halves = np.array_split(np.arange(count), 2)
    parquet.write_batches(tmp_path / "a.parquet", {"n": "int64"}, ({"n": np.ma.MaskedArray(half)} for half in halves))
    batches = [batch["n"] for batch in parquet.read_integers(tmp_path / "a.parquet", ["n"])]
    assert len(batches) > 2
    assert max(map(len, batches)) <= 1 << 16
    assert (np.concatenate([batch.data for batch in batches]) == np.arange(count)).all()


def test_an_empty_table_has_its_columns(tmp_path):
    for place, batches in enumerate(([], [columns([])])):
        path = tmp_path / f"{place}.parquet"
        parquet.write_batches(path, KINDS, batches)
        assert parquet.read_rows(path) == []
        assert sum(len(batch["whole"]) for batch in parquet.read_integers(path, ["whole"])) == 0
        assert reference.read_schema(path).names == list(KINDS)


@given(st.lists(wholes, max_size=20))
def test_a_column_of_values_masks_what_is_none(values):
    column = parquet.masked(iter(values), len(values))
    assert column.dtype == np.int64
    assert column.tolist() == values


def test_a_table_that_ends_early_is_damaged_wherever_it_ends(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_rows(path, KINDS, [{"whole": 1, "word": "x" * 50}] * 3)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        for read in (parquet.read_rows, lambda path: list(parquet.read_integers(path, ["whole"]))):
            with pytest.raises(DataError, match=r"a\.parquet is damaged"):
                read(path)


def test_a_batch_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_rows(path, {"n": "int64"}, [{"n": 1}])

    def batches():
        yield {"n": parquet.masked([2], 1)}
        raise RuntimeError("the source broke")
    with pytest.raises(Exception, match="the source broke"):
        parquet.write_batches(path, {"n": "int64"}, batches())
    assert parquet.read_rows(path) == [{"n": 1}]


def test_a_merge_names_the_part_that_is_damaged(tmp_path):
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    parquet.write_rows(good, {"n": "int64"}, [{"n": 1}])
    bad.write_bytes(good.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"bad\.parquet is damaged"):
        parquet.merge(tmp_path / "all.parquet", {"n": "int64"}, [good, bad])
    assert not (tmp_path / "all.parquet").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from touchstone import parquet
from touchstone.errors import NotReadyError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
path = Path(sys.argv[1])
rows = [{"word": str(hash((place, "x")))} for place in range(5000)]
for write in (lambda: parquet.write_rows(path, {"word": "utf8"}, rows), lambda: parquet.replace_file(path, b"x" * 50_000)):
    try:
        write()
    except NotReadyError as error:
        assert str(path) in str(error) and "cannot be written" in str(error)
    else:
        raise SystemExit("nothing was said")
"""


@pytest.mark.parametrize("room_bytes", [0, 10, 5_000])
def test_a_disk_without_room_is_said_and_nothing_half_written_is_left_under_the_name(tmp_path, room_bytes):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path / "a.parquet", str(room_bytes)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "a.parquet").exists()


def test_a_directory_that_is_not_there_is_said(tmp_path):
    with pytest.raises(NotReadyError, match="cannot be written"):
        parquet.write_rows(tmp_path / "no" / "a.parquet", KINDS, [])


def test_infinities_are_kept(tmp_path):
    parquet.write_rows(tmp_path / "a.parquet", {"x": "float64"}, [{"x": math.inf}, {"x": -0.0}])
    assert [row["x"] for row in parquet.read_rows(tmp_path / "a.parquet")] == [math.inf, 0.0]
