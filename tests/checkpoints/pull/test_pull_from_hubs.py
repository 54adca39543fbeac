"""Pulls from hubs on this machine through the real client libraries: what arrives, what is asked twice, and what is never left behind."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_hubs import Hub, served, sha256

from touchstone.checkpoints.pull import destination as place
from touchstone.checkpoints.pull import fetching, find_local, local, pulled_revision
from touchstone.checkpoints.pull.child import Asked
from touchstone.checkpoints.pull.conversation import HubTroubleError, Library
from touchstone.checkpoints.pull.hubs import HUBS
from touchstone.checkpoints.pull.pulling import Pulled, PullRequest, pull
from touchstone.errors import DataError, NotReadyError, UsageError

KINDS = ("hf", "modelscope", "openmind")
WEIGHTS = random.Random(1).randbytes(24_000_000)
SMALL = random.Random(2).randbytes(200_000)
CONFIG = b'{"model_type": "llama"}'


def main_of(kind: str) -> str:
    return HUBS[kind].default_revision


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No token, cache or setting of the user's is seen, and nothing is left in the user's home."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "MODELSCOPE_", "OPENMIND_", "HUB_", "OM_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name, folder in (("HOME", home), ("XDG_CACHE_HOME", home / ".cache"), ("TOUCHSTONE_CACHE", tmp_path / "cache")):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(fetching, "_PAUSES_S", (0.01, 0.01))
    return home


def at(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    for name, value in hub.variables.items():
        monkeypatch.setenv(name, value)
    return hub


@pytest.fixture(params=KINDS)
def hub(request, tmp_path, own_home, monkeypatch):
    with served(request.param, tmp_path) as running:
        running.publish(main_of(request.param), {"config.json": CONFIG, "model.safetensors": SMALL, "sub/tokenizer.json": b"t" * 300, "empty.txt": b""})
        yield at(running, monkeypatch)


@pytest.fixture
def hf(tmp_path, own_home, monkeypatch):
    with served("hf", tmp_path) as running:
        running.publish("main", {"config.json": CONFIG, "model.safetensors": SMALL})
        yield running


def pulled(hub: Hub, **given: object) -> Pulled:
    events = given.pop("events", [])
    return pull(PullRequest(**{"model": hub.model, "hub": HUBS[hub.kind], "endpoint": hub.endpoint, **given}),
                lambda kind, event: events.append((kind, dict(event))))


def files_in(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def nothing_is_there(hub: Hub) -> bool:
    folder = local.default_place(hub.kind, hub.model, "-").parent
    return not folder.exists() or all(path.name.endswith(".partial") for path in folder.iterdir())


def test_a_model_arrives_whole_at_one_commit_and_the_second_pull_asks_nobody(hub):
    had = pulled(hub)
    assert had.source == "hub"
    assert files_in(had.path) == {"config.json", "model.safetensors", "sub/tokenizer.json", "empty.txt", "touchstone-pull.json"}
    assert (had.path / "model.safetensors").read_bytes() == SMALL
    assert (had.path / "empty.txt").read_bytes() == b""
    commit = hub.refs[main_of(hub.kind)]
    record = pulled_revision(had.path)
    assert record == had.record
    assert (record.hub, record.model, record.revision_asked, record.revision) == (hub.kind, "org/name", None, commit)
    assert {file.name: file.sha256 for file in record.files} == {
        "config.json": sha256(CONFIG), "model.safetensors": sha256(SMALL), "sub/tokenizer.json": sha256(b"t" * 300), "empty.txt": sha256(b"")}
    assert {file.checked for file in record.files} <= {"sha256", "git-sha1"}
    assert hub.downloads
    assert all(commit in sent.path for sent in hub.downloads)
    assert list(had.path.parent.iterdir()) == [had.path]

    hub.forget()
    again = pulled(hub, verify=True)
    assert (again.path, again.source, hub.log) == (had.path, "pulled", [])
    assert find_local("org/name") == had.path


def test_what_was_cut_is_gone_on_with(hub):
    hub.publish(main_of(hub.kind), {"config.json": CONFIG, "model.safetensors": WEIGHTS})
    hub.cuts = {"model.safetensors": [15_000_000]}
    had = pulled(hub)
    assert (had.path / "model.safetensors").read_bytes() == WEIGHTS
    sent = [one for one in hub.downloads if "model.safetensors" in one.path]
    assert sent[1].range is not None
    assert sent[1].range.startswith("bytes=1")
    assert sum(one.bytes for one in sent) < 1.5 * len(WEIGHTS)


def test_a_wrong_content_is_fetched_once_more(hf):
    hf.lies = {"model.safetensors": [bytes(len(SMALL))]}
    had = pulled(hf)
    assert (had.path / "model.safetensors").read_bytes() == SMALL


def test_a_content_that_stays_wrong_is_an_error_and_leaves_nothing(hub):
    hub.lies = {"model.safetensors": [bytes(len(SMALL)) for _ in range(20)]}
    with pytest.raises(DataError, match=r"model\.safetensors.*not the one it announces"):
        pulled(hub)
    assert nothing_is_there(hub)
    partial = place.partial_of(local.default_place(hub.kind, hub.model, hub.refs[main_of(hub.kind)]))
    assert "model.safetensors" not in files_in(partial)
    hub.lies = {}
    hub.forget()
    assert (pulled(hub).path / "model.safetensors").read_bytes() == SMALL
    assert not [sent for sent in hub.downloads if "config.json" in sent.path]  # it was sound and was kept


def test_a_model_and_a_revision_that_are_not_there_are_told_apart(hub):
    with pytest.raises(NotReadyError, match="no model org/other") as told:
        pulled(hub, model="org/other")
    assert HUBS[hub.kind].token_variable in str(told.value)
    with pytest.raises(NotReadyError, match="no revision v9"):
        pulled(hub, revision="v9")
    assert nothing_is_there(hub)


@pytest.mark.parametrize("kind", ["hf", pytest.param("modelscope", marks=pytest.mark.slow), "openmind"])  # modelscope's library tries for 7 s
def test_nobody_answers(kind, own_home, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(NotReadyError, match="cannot be reached"):
        pull(PullRequest("org/name", HUBS[kind], endpoint="https://modelers.cn" if kind == "openmind" else "http://127.0.0.1:9"))
    assert not (local.pulled_directory() / kind).exists()


@pytest.mark.parametrize(("status", "said"), [(401, "401"), (403, "403")])
def test_who_may_not_is_told_which_variable_to_set(hub, status, said):
    hub.status = status
    with pytest.raises(NotReadyError) as told:
        pulled(hub)
    assert HUBS[hub.kind].token_variable in str(told.value)
    if hub.kind != "hf" and (hub.kind, status) != ("openmind", 401):  # those two hide or gate what may not be seen
        assert said in str(told.value)


def test_a_gated_model_names_the_page_where_its_terms_are(hf):
    hf.file_status, hf.code = 403, "GatedRepo"
    with pytest.raises(NotReadyError, match=rf"only to those.*{hf.endpoint}/org/name.*HF_TOKEN"):
        pulled(hf)
    assert nothing_is_there(hf)


def test_the_token_goes_to_the_hub_and_nowhere_else(hub, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "tok_1234567890")
    had = pulled(hub, token_env="MY_TOKEN")
    assert any("tok_1234567890" in (sent.authorization or "") for sent in hub.log)
    assert not any(b"tok_1234567890" in path.read_bytes() for path in had.path.rglob("*") if path.is_file())


def test_a_token_is_taken_out_of_what_a_library_says(hf, monkeypatch):
    hf.status = 404
    monkeypatch.setenv("MY_TOKEN", "org")  # a token that stands in every error's address, so that its absence shows
    library = Library(HUBS["hf"], hf.endpoint, {**os.environ, "HF_TOKEN": "org"}, None)
    question = Asked("listing", HUBS["hf"].adapter, hf.endpoint, "org/name", "main")
    with pytest.raises(HubTroubleError) as told:
        library.ask(question)
    assert "org/name" in told.value.detail
    with pytest.raises(HubTroubleError) as told:
        replace(library, token="org").ask(question)
    assert "org" not in told.value.detail
    assert "…/name" in told.value.detail
    with pytest.raises(UsageError, match="NO_SUCH"):
        pulled(hf, token_env="NO_SUCH", revision="other")


def test_a_branch_that_moves_while_it_is_fetched_moves_nothing(hub):
    first = hub.refs[main_of(hub.kind)]
    events: list = []

    def move(kind: str, event: object) -> None:
        events.append(kind)
        if kind == "bytes" and len(hub.commits) == 1:
            hub.publish(main_of(hub.kind), {"config.json": b"{}", "model.safetensors": SMALL[::-1]})

    hub.pause_s = 0.1
    had = pull(PullRequest(hub.model, HUBS[hub.kind], endpoint=hub.endpoint), move)
    assert len(hub.commits) == 2
    assert had.record.revision == first
    assert (had.path / "model.safetensors").read_bytes() == SMALL


def test_a_commit_a_branch_and_a_first_part_of_a_commit_find_the_same_copy(hub):
    had = pulled(hub)
    commit = had.record.revision
    hub.forget()
    assert pulled(hub, revision=commit).path == pulled(hub, revision=commit[:9]).path == pulled(hub, revision=main_of(hub.kind)).path == had.path
    assert hub.log == []
    hub.publish("other", {"config.json": CONFIG, "model.safetensors": SMALL})
    assert pulled(hub, revision="other").path != had.path
    hub.refs["same"] = commit
    hub.forget()
    assert pulled(hub, revision="same").path == had.path  # asked, since nobody knew the name, and found to be the same
    assert hub.downloads == []


def test_without_a_commit_the_record_says_none_and_why(tmp_path, own_home):
    with served("modelscope", tmp_path) as hub:
        hub.publish("master", {"config.json": CONFIG, "model.safetensors": SMALL})
        hub.listed = [{"Path": "late.txt", "Size": 0, "Type": "blob", "Sha256": sha256(b""), "Revision": "short", "CommittedDate": 2_000_000_000}]
        events: list = []
        had = pulled(hub, events=events)
    assert had.record.revision is None
    assert had.path.name == "master"
    assert any("commit" in str(event.get("note")) for kind, event in events if kind == "note")


def test_pickles_stay_where_safetensors_are_and_code_is_named(hf):
    hf.publish("main", {"config.json": CONFIG, "model.safetensors": SMALL, "pytorch_model.bin": SMALL, "old/consolidated.00.pth": SMALL,
                        "modeling_x.py": b"import os\n"})
    events: list = []
    had = pulled(hf, events=events)
    assert files_in(had.path) == {"config.json", "model.safetensors", "modeling_x.py", "touchstone-pull.json"}
    notes = " ".join(str(event["note"]) for kind, event in events if kind == "note")
    assert "left out 2 files" in notes
    assert "modeling_x.py" in notes


@pytest.mark.parametrize("name", ["../../evil", "/etc/cron.d/x", "a/../../b", "touchstone-pull.json", "a\\b", "\x1b[2Jx", ".touchstone/x", "config.json/x"])
def test_a_name_that_leaves_its_directory_is_refused_before_anything_is_fetched(hf, name):
    hf.listed = [{"rfilename": name, "size": 1, "blobId": "0" * 40}]
    with pytest.raises(DataError, match="would not stay"):
        pulled(hf)
    assert hf.downloads == []
    assert nothing_is_there(hf)


def test_a_file_that_is_shorter_than_listed_ends_after_the_retries_and_is_gone_on_with(hf):
    hf.lies = {"model.safetensors": [SMALL[:1000] for _ in range(3)]}
    events: list = []
    with pytest.raises(NotReadyError, match=r"broke off model\.safetensors again and again"):
        pulled(hf, events=events)
    assert [kind for kind, _ in events].count("retry") == 2
    assert nothing_is_there(hf)
    assert (pulled(hf).path / "model.safetensors").read_bytes() == SMALL


@pytest.mark.slow
def test_cuts_without_end_are_an_error_that_keeps_what_there_is(hf, monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSES_S", ())
    hf.publish("main", {"config.json": CONFIG, "model.safetensors": WEIGHTS})
    hf.cuts = {"model.safetensors": [11_000_000] + [0] * 10}
    with pytest.raises(NotReadyError, match="the same command goes on"):
        pulled(hf)
    hf.cuts = {}
    hf.log.clear()
    assert (pulled(hf).path / "model.safetensors").read_bytes() == WEIGHTS
    assert sum(sent.bytes for sent in hf.downloads) < len(WEIGHTS)


def test_too_little_room_is_said_before_anything_is_fetched(hf, monkeypatch):
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(NotReadyError, match=r"0\.0673.* GB .* are needed .* 0\.000001000 GB .* are free"):
        pulled(hf)
    assert hf.downloads == []
    assert not list(local.default_place("hf", "org/name", "-").parent.iterdir())


def test_a_disk_that_fills_up_is_said_and_what_came_is_kept(hf):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # as a write to a full disk: some bytes, then an error
    try:
        with pytest.raises(NotReadyError, match="The disk is full"):
            pulled(hf)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert nothing_is_there(hf)
    assert (pulled(hf).path / "model.safetensors").read_bytes() == SMALL


def test_a_real_full_disk(hf, tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        monkeypatch.setattr(place, "check_space", lambda *_: None)  # others write meanwhile
        with pytest.raises(NotReadyError, match=r"The disk is full.*No space left"):
            pulled(hf, output_dir=small / "model")
        assert not (small / "model").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_chosen_place_is_used_and_nothing_else_there_is_touched(hf, tmp_path):
    there = tmp_path / "models" / "mine"
    assert pulled(hf, output_dir=there).path == there
    hf.log.clear()
    assert pulled(hf, output_dir=there).source == "pulled"
    assert hf.log == []
    with pytest.raises(UsageError, match="holds org/name"):
        pulled(hf, output_dir=there, revision="v2")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="exists and is something else"):
        pulled(hf, output_dir=other)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert pulled(hf, output_dir=empty).path == empty
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="something else"):
        pulled(hf, output_dir=file)
    with pytest.raises(NotReadyError, match="cannot be written"):
        pulled(hf, output_dir=file / "below")
    assert (other / "mine.txt").read_text(encoding="utf-8") == "x"


def test_a_damaged_copy_is_not_passed_on(hf):
    had = pulled(hf)
    whole = (had.path / "model.safetensors").read_bytes()
    (had.path / "model.safetensors").write_bytes(whole[::-1])
    assert pulled(hf).path == had.path
    with pytest.raises(DataError, match=r"model\.safetensors is missing or not what it was"):
        pulled(hf, verify=True)
    (had.path / "model.safetensors").write_bytes(whole[:-1])
    with pytest.raises(DataError, match="damaged"):
        pulled(hf)
    assert find_local("org/name") is None


@pytest.mark.parametrize(("kind", "folder"), [
    ("hf", "huggingface/hub/models--org--name"), ("modelscope", "modelscope/models/org--name"), ("openmind", "openmind/hub/models--org--name")])
def test_the_cache_of_a_library_is_found_without_the_hub(kind, folder, own_home, tmp_path, monkeypatch):
    commit = "c" * 40
    cache = own_home / ".cache" / folder
    snapshot = cache / "snapshots" / ("master" if kind == "modelscope" else commit)
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit, encoding="utf-8")
    (snapshot / "config.json").write_bytes(CONFIG)
    header = json.dumps({"w": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}).encode()
    (snapshot / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"ab")
    with served(kind, tmp_path) as hub:
        at(hub, monkeypatch)
        with pytest.raises(NotReadyError, match="--offline"):  # a byte is missing, so the cache has no whole copy
            pulled(hub, offline=True)
        (snapshot / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"abc")
        had = pulled(hub)
        assert (had.source, had.path, hub.log) == ("cache", snapshot, [])
    assert had.record.revision == (None if kind == "modelscope" else commit)
    assert (had.record.revision_missing is None) == (had.record.revision is not None)


def test_offline_finds_what_is_here_and_asks_nobody(hf):
    with pytest.raises(NotReadyError, match="--offline"):
        pulled(hf, offline=True)
    assert hf.log == []
    had = pulled(hf)
    hf.log.clear()
    assert pulled(hf, offline=True).path == had.path
    assert hf.log == []


def test_a_certificate_that_nobody_vouches_for_is_said(tmp_path, own_home):
    with served("openmind", tmp_path) as hub, pytest.raises(NotReadyError, match="no certificate that can be trusted"):
        pull(PullRequest("org/name", HUBS["hf"], endpoint=f"https://127.0.0.1:{hub.port}"))


def test_a_missing_library_is_named_with_what_installs_it(own_home, tmp_path, monkeypatch):
    (tmp_path / "huggingface_hub.py").write_text("raise ModuleNotFoundError('no huggingface_hub here')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NotReadyError, match=r"pip install 'llm-touchstone\[hf\]'"):
        pull(PullRequest("org/name", HUBS["hf"]))


def test_a_library_that_dies_is_an_error(own_home, tmp_path, monkeypatch):
    (tmp_path / "huggingface_hub.py").write_text("import os, sys; print('last words', file=sys.stderr, flush=True); os._exit(9)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NotReadyError, match="last words"):
        pull(PullRequest("org/name", HUBS["hf"]))


def test_openmind_is_asked_over_https_at_hosts_of_its_list_only(own_home):
    with pytest.raises(UsageError, match="https only"):
        pull(PullRequest("org/name", HUBS["openmind"], endpoint="http://127.0.0.1:9"))


@pytest.mark.parametrize("model", ["x" * 5000, "~nobody/model", "a\0b", "/" + "y/" * 2000, "\ud800"])
def test_any_text_for_a_model_is_a_mistake_that_is_said(own_home, model):
    with pytest.raises(UsageError):
        pull(PullRequest(model, HUBS["hf"]))


def test_every_file_says_what_it_was_compared_with(tmp_path, own_home):
    """The large by the hub's sha256, the small by git's own hash of them; what we compute for the record is the content's."""
    with served("hf", tmp_path) as hub:
        hub.publish("main", {"config.json": CONFIG, "model.safetensors": SMALL})
        record = pulled(hub).record
    assert [(file.name, file.checked, file.sha256) for file in record.files] == [
        ("config.json", "git-sha1", hashlib.sha256(CONFIG).hexdigest()), ("model.safetensors", "sha256", hashlib.sha256(SMALL).hexdigest())]
