"""What a hub says is believed only as far as it can be: names that stay in their directory, sizes that are sizes, hashes that are hashes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.checkpoints.pull.hubs import HUBS, endpoint_of, environment, public, recorded
from touchstone.checkpoints.pull.listing import HubFile, check_request, choose, read_listing
from touchstone.checkpoints.pull.record import PulledFile, PulledRecord, pulled_revision, write_record
from touchstone.errors import DataError, UsageError

ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8)
NAMES = st.text(alphabet=st.sampled_from("ab./\\~:-\x00\x1b\n\u202e "), max_size=12)


@given(NAMES)
def test_an_accepted_name_stays_in_its_directory(name):
    try:
        listing = read_listing({"files": [{"name": name, "bytes": 1}]})
    except DataError:
        return
    directory = Path("/somewhere/model")
    path = directory / listing.files[0].name
    assert ".." not in path.parts
    assert path.is_relative_to(directory)
    assert path != directory
    assert name.isprintable()


@given(ANY_JSON)
def test_any_answer_is_a_listing_or_an_error(answer):
    for said in (answer, {"files": answer}, {"files": [answer]}, {"files": [{"name": "a", "bytes": answer}], "revision": answer}):
        if isinstance(said, dict):
            try:
                listing = read_listing(said)
            except DataError:
                continue
            assert all(isinstance(file.bytes, int) and file.bytes >= 0 for file in listing.files)
            assert (listing.revision is None) == (listing.unpinned is not None)


@pytest.mark.parametrize("names", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]])
def test_two_files_cannot_have_one_place(names):
    with pytest.raises(DataError, match="would not stay"):
        read_listing({"files": [{"name": name, "bytes": 1} for name in names]})


def test_hashes_that_are_none_are_none():
    row = {"name": "a", "bytes": 1, "sha256": "A" * 64, "git_sha1": "xyz"}
    assert read_listing({"files": [row], "revision": "main"}).files == (HubFile("a", 1, "a" * 64, None),)


@pytest.mark.parametrize("model", ["", "/", "../x", "a/../b", "a//b", "a/b/c", "-x/y", "a b", "a/b\n", "x" * 200, "a/..", "https://h/a/b", "a\\b", "é/b"])
def test_a_name_that_no_model_has_is_refused(model):
    with pytest.raises(UsageError, match="owner/name"):
        check_request(model, None)


def test_names_and_revisions_that_models_have_are_taken():
    for model in ("gpt2", "Qwen/Qwen2.5-7B-Instruct", "TheBloke/Llama-2-7B_x.GGUF", "01-ai/Yi-6B"):
        check_request(model, None)
    for revision in ("main", "v1.0.2", "refs/pr/3", "a" * 40):
        check_request("a/b", revision)
    for revision in ("../x", "-x", "a..b", "a//b", "", "a b"):
        with pytest.raises(UsageError, match="revision"):
            check_request("a/b", revision)


def test_pickles_are_left_out_only_where_safetensors_are():
    def chosen(*names: str) -> list[str]:
        listing, notes = choose(read_listing({"files": [{"name": name, "bytes": 5} for name in names], "revision": "a" * 40}))
        assert bool(notes) == (len(listing.files) < len(names) or any(name.endswith(".py") for name in names))
        return [file.name for file in listing.files]

    assert chosen("config.json", "model.bin", "x.pth") == ["config.json", "model.bin", "x.pth"]
    assert chosen("config.json", "model.BIN", "m.safetensors", "tf_model.h5", "code.py", "m.gguf") == ["config.json", "m.safetensors", "code.py", "m.gguf"]


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = PulledRecord("hf", "a/b", None, "a" * 40, (PulledFile("x/y", 3, "b" * 64, "sha256"), PulledFile("z", 0, None, "size")), "https://h",
                          "2026-01-01T00:00:00+00:00", None, {"HF_HUB_DISABLE_XET": "1"})
    write_record(tmp_path, record)
    assert pulled_revision(tmp_path) == record


@given(st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode()) | st.just(b"[" * 100_000))
def test_a_record_that_is_none_is_none(tmp_path_factory, content):
    directory = tmp_path_factory.mktemp("odd")
    (directory / "touchstone-pull.json").write_bytes(content)
    assert pulled_revision(directory) is None


@pytest.mark.parametrize("change", [{"schema": 2}, {"files": [{"name": "../x", "bytes": 1}]}, {"hub": 3}, {"revision": "main"}, {"files": "x"},
                                    {"variables": 3}, {"revision_asked": []}])
def test_a_record_that_was_tampered_with_is_none(tmp_path, change):
    write_record(tmp_path, PulledRecord("hf", "a/b", None, None, (PulledFile("x", 3, None, "size"),), "https://h", "2026"))
    path = tmp_path / "touchstone-pull.json"
    assert pulled_revision(tmp_path) is not None
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    assert pulled_revision(tmp_path) is None


def test_the_address_is_the_asked_one_then_the_users_then_the_hubs_own():
    hub = HUBS["hf"]
    assert endpoint_of(hub, None, {}) == "https://huggingface.co"
    assert endpoint_of(hub, None, {"HF_ENDPOINT": "https://mirror/"}) == "https://mirror"
    assert endpoint_of(hub, "http://h:8", {"HF_ENDPOINT": "https://mirror"}) == "http://h:8"
    assert endpoint_of(HUBS["modelscope"], None, {"MODELSCOPE_DOMAIN": "www.modelscope.ai"}) == "https://www.modelscope.ai"
    for bad in ("ftp://x", "http://", "http://[", "http://h:x", "https://h:0"):
        with pytest.raises(UsageError, match="is not the address"):
            endpoint_of(hub, bad, {})
    assert public("https://me:secret@mirror:8/hf?x=1") == "https://mirror:8/hf"


def test_the_users_variables_win_and_what_is_recorded_is_no_secret():
    hub = HUBS["hf"]
    mirrored = environment(hub, "https://mirror", Path("/d/m"), "t0ken", {"HF_HUB_DOWNLOAD_TIMEOUT": "99", "PATH": "/bin"})
    assert {name: mirrored[name] for name in ("HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_TOKEN", "PATH")} == {
        "HF_ENDPOINT": "https://mirror", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "99", "HF_TOKEN": "t0ken", "PATH": "/bin"}
    assert recorded(mirrored) == {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "99"}
    assert "HF_HUB_DISABLE_XET" not in environment(hub, hub.home, Path("/d/m"), None, {})
    assert environment(hub, "https://mirror", Path("/d/m"), None, {"HF_HUB_DISABLE_XET": "0"})["HF_HUB_DISABLE_XET"] == "0"
    allowed = environment(HUBS["openmind"], "https://modelers.cn", Path("/data/models/m"), None, {"HUB_WHITE_LIST_PATHS": "/mine"})
    assert allowed["HUB_WHITE_LIST_PATHS"] == "/mine,/data/models"
    assert allowed["OPENMIND_HUB_ENDPOINT"] == "https://modelers.cn"
