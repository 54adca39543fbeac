"""Nothing stands at a destination until it is whole, one process writes it at a time, and what is broken is seen."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_hubs import blob_sha1, sha256

from touchstone.checkpoints.pull import destination as place
from touchstone.checkpoints.pull import find_local, library_hf, local
from touchstone.checkpoints.pull.child import Asked
from touchstone.checkpoints.pull.listing import HubFile
from touchstone.checkpoints.pull.record import PulledFile, PulledRecord, write_record
from touchstone.checkpoints.pull.verify import check_file, damaged, incomplete


def silent(_: int) -> None:
    pass


@given(st.binary(max_size=300), st.integers(0, 299), st.integers(1, 255))
def test_one_changed_byte_is_seen_by_either_hash(tmp_path_factory, content, where, change):
    path = tmp_path_factory.mktemp("file") / "f"
    path.write_bytes(content)
    by_sha256, by_git = HubFile("f", len(content), sha256(content), None), HubFile("f", len(content), None, blob_sha1(content))
    assert check_file(path, by_sha256, silent) == PulledFile("f", len(content), sha256(content), "sha256")
    assert check_file(path, by_git, silent) == PulledFile("f", len(content), sha256(content), "git-sha1")
    if where < len(content):
        wrong = bytearray(content)
        wrong[where] ^= change
        path.write_bytes(wrong)
        assert check_file(path, by_sha256, silent) is None
        assert check_file(path, by_git, silent) is None
        assert check_file(path, HubFile("f", len(content), None, None), silent).checked == "size"
    path.write_bytes(content + b"x")
    assert check_file(path, HubFile("f", len(content), None, None), silent) is None


def test_gits_hash_is_gits():
    assert blob_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"  # echo hello | git hash-object --stdin


def test_a_link_is_no_file(tmp_path):
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / "f").symlink_to(tmp_path / "target")
    assert check_file(tmp_path / "f", HubFile("f", 1, None, None), silent) is None


def weights(path: Path, size: int) -> None:
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))


def test_what_a_directory_of_unknown_origin_lacks_is_named(tmp_path):
    assert incomplete(tmp_path) == "*.safetensors"
    weights(tmp_path / "model-1.safetensors", 9)
    assert incomplete(tmp_path) == "config.json"
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert incomplete(tmp_path) is None
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}), encoding="utf-8")
    assert incomplete(tmp_path) == "model-2.safetensors"
    weights(tmp_path / "model-2.safetensors", 9)
    assert incomplete(tmp_path) is None
    with (tmp_path / "model-2.safetensors").open("r+b") as content:
        content.truncate(20)
    assert incomplete(tmp_path) == "model-2.safetensors"
    weights(tmp_path / "model-2.safetensors", 9)
    for odd in ("[]", "{", '{"weight_map": 3}', "[" * 100_000):
        index.write_text(odd, encoding="utf-8")
        assert incomplete(tmp_path) == "model.safetensors.index.json?"


@given(st.binary(max_size=40))
def test_any_bytes_for_weights_are_judged(tmp_path_factory, content):
    directory = tmp_path_factory.mktemp("odd")
    (directory / "config.json").write_text("{}", encoding="utf-8")
    (directory / "model.safetensors").write_bytes(content)
    assert incomplete(directory) in {None, "model.safetensors"}


def test_nothing_but_the_files_and_the_record_is_installed(tmp_path):
    destination = tmp_path / "models" / "m"
    with place.locked(destination, lambda: None) as partial:
        for name in ("a", "sub/b", "sub/b.incomplete", ".cache/x/y", "stray"):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(b"1")
        (partial / "link").symlink_to(tmp_path)
        (partial / "touchstone-pull.json").write_text("{}", encoding="utf-8")
        assert not destination.exists()
        place.install(partial, destination, frozenset({"a", "sub/b"}))
    assert sorted(path.relative_to(destination).as_posix() for path in destination.rglob("*")) == ["a", "sub", "sub/b", "touchstone-pull.json"]
    assert list(destination.parent.iterdir()) == [destination]
    assert tmp_path.is_dir()


def test_an_attempt_that_brought_nothing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), place.locked(tmp_path / "m", lambda: None):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), place.locked(tmp_path / "m", lambda: None) as partial:
        (partial / "a").write_bytes(b"1")
        1 / 0  # noqa: B018
    assert (tmp_path / "m.partial" / "a").read_bytes() == b"1"


def test_one_writes_at_a_time_and_the_next_does_not_go_on_in_what_was_installed(tmp_path):
    """Ten at once, each with a lock that it can only rightly have if nobody else writes."""
    destination, inside, most, installed = tmp_path / "m", [], [], []

    def work() -> None:
        with place.locked(destination, lambda: None) as partial:
            inside.append(1)
            time.sleep(0.02)
            most.append(len(inside) if partial.is_dir() else 0)
            if not destination.exists():
                installed.append(1)
                (partial / "a").write_bytes(b"1")
                place.install(partial, destination, frozenset({"a"}))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, len(installed)) == ([1] * 10, 1)
    assert sorted(tmp_path.rglob("*")) == [destination, destination / "a"]


def test_a_copy_is_found_by_name_newest_first_and_only_if_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path))
    assert find_local("org/name") is None

    def put(commit: str, asked: str | None, when: str) -> Path:
        directory = local.default_place("modelscope", "org/name", commit)
        directory.mkdir(parents=True)
        (directory / "config.json").write_bytes(b"{}")
        write_record(directory, PulledRecord("modelscope", "org/name", asked, commit, (PulledFile("config.json", 2, None, "size"),), "https://h", when))
        return directory

    old, new, tag = put("a" * 40, None, "2026-01-01"), put("b" * 40, "master", "2026-02-01"), put("c" * 40, "v1", "2026-03-01")
    assert find_local("org/name") == new
    assert local.find_pulled("org/name", "modelscope", "v1")[0] == tag
    assert local.find_pulled("org/name", "modelscope", "aaaaaaa")[0] == old
    assert local.find_pulled("org/name", "modelscope", "aaaa") is None  # too short to be meant as a commit
    assert local.find_pulled("org/name", "hf", None) is None
    for odd in ("../..", "x" * 300, "a\0b", ""):
        assert find_local(odd) is None
    (new / "config.json").unlink()
    assert find_local("org/name") is None
    assert damaged(old, (PulledFile("config.json", 2, "0" * 64, "size"),), hashes=True) == "config.json"


def test_a_file_that_is_served_only_in_chunks_is_left_to_the_library(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    called = {}
    monkeypatch.setattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", 10)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *given, **named: called.update(named, given=given))
    library_hf.fetch(Asked("fetch", "", "https://h", "org/name", "main", "a" * 40, str(tmp_path)), "big.gguf", 11, tmp_path / "big.gguf")
    assert called == {"given": ("org/name", "big.gguf"), "revision": "a" * 40, "local_dir": str(tmp_path), "endpoint": "https://h"}
