"""Reports are attached as copies without addresses and keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracked_runs import SECRETS, engine_run, tracked_run

from touchstone.trackers.attachments import attach, masked


def test_copies_lack_what_is_private_and_keep_the_rest(tmp_path):
    tracked = tracked_run(engine_run(), tmp_path / "run")
    before = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "run").iterdir()}
    copies = attach(tracked.findings, tracked.directory, tmp_path / "copies")
    assert [copy.name for copy in copies] == ["report.en.md", "report.html", "report.json"]
    for copy in copies:
        assert copy.read_text(encoding="utf-8") == f"{copy.name} … … … --api-key … 结束"
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "run").iterdir()} == before


def test_a_run_without_reports_has_nothing_to_attach(tmp_path):
    tracked = tracked_run(engine_run(), tmp_path / "run")
    for path in (tmp_path / "run").iterdir():
        path.unlink()
    (tmp_path / "run" / "report.html").mkdir()
    assert attach(tracked.findings, tracked.directory, tmp_path / "copies") == []
    assert not (tmp_path / "copies").exists()


@pytest.mark.parametrize("text", ["--max-tokens 5", "--tokenizer path", "--kv-cache-tokens=9", "http://127.0.0.1:8000", "key: value"])
def test_what_holds_no_secret_is_kept(text):
    assert masked(text, []) == text


@pytest.mark.parametrize("option", ["--api-key sk-1", "--api-key=sk-1", "--hf-token  sk-1", "--TOKEN sk-1", "--ssl-password sk-1"])
def test_values_of_options_that_hold_a_key_are_masked(option):
    assert "sk-1" not in masked(f"serve {option} --port 8000", [])
    assert masked(f"serve {option} --port 8000", []).endswith("… --port 8000")


@given(st.text(), st.sampled_from(SECRETS[:2]), st.text())
def test_no_place_in_a_text_keeps_a_hidden_word(before, word, after):
    assert word not in masked(before + word + after, [word])


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://[broken", "", None])
def test_this_machine_is_no_secret_and_a_broken_address_no_error(tmp_path, url):
    tracked = tracked_run(engine_run(), tmp_path / "run")
    tracked.findings.identity["base_url"] = url
    (tmp_path / "run" / "report.json").write_text(f"at {url}", encoding="utf-8")
    copy = attach(tracked.findings, tracked.directory, tmp_path / "copies")[-1]
    assert copy.read_text(encoding="utf-8") == f"at {url}"
