"""``touchstone import`` and ``touchstone export`` as a user has them."""

import csv
import json

import pytest
from foreign_samples import SAMPLES

from touchstone.cli import run_command_line
from touchstone.measure.scripted import Script, ScriptedServer


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A load test of a server that answers after 10 ms."""
    place = tmp_path_factory.mktemp("runs") / "load"
    with ScriptedServer(Script(ttft_s=0.01, itl_s=0.001)) as server:
        assert run_command_line(["load", "--base-url", server.base_url, "-o", str(place), "--no-calibrate", "--ui", "none", "--output-len", "4",
                                 "--input-len", "32", "--warmup", "0", "--num-prompts", "24", "--concurrency", "2", "--label", "tp=4"]) == 0
    return place


def said(capsys, *arguments):
    """Exit code, standard output and standard error of one command."""
    capsys.readouterr()
    code = run_command_line([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("name", ["vllm.json", "evalscope", "genai-bench", "aisbench", "llama-bench.csv"])
@pytest.mark.parametrize("face", ["text", "md", "json"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_import_shows_every_tool_in_every_face(capsys, name, face, lang):
    code, out, err = said(capsys, "import", SAMPLES / name, "--format", face, "--lang", lang)
    assert (code, err) == (0, "")
    if face == "json":
        json.loads(out)
    assert name.partition(".")[0] in out


def test_import_says_the_number_its_unit_and_the_definition(capsys):
    _, out, _ = said(capsys, "import", SAMPLES / "vllm.json")
    assert "TTFT (ms)                        32.28 32.35 34.25 35.56   1.823" in out
    assert "max_concurrency=4 · 20 requests listed one by one" in out
    assert "Definition: TPOT: (E2E - TTFT) / (n - 1)" in out
    assert max(map(len, out.splitlines())) <= 80


def test_import_shows_no_more_digits_than_were_printed(capsys):
    _, out, _ = said(capsys, "import", SAMPLES / "aisbench")
    (line,) = (line for line in out.splitlines() if line.startswith("TPOT"))
    assert line.split()[2:] == ["5", "5", "5.1", "5.2", "5.2"]


def test_import_in_json_has_si_units_ranges_and_what_was_printed(capsys):
    _, out, _ = said(capsys, "import", SAMPLES / "aisbench", "--format", "json")
    (result,) = json.loads(out)["results"]
    ttft = result["rows"][0]["figures"]["ttft"]
    assert ttft == {"value": pytest.approx(0.0323), "low": pytest.approx(0.03225), "high": pytest.approx(0.03235), "unit": "s", "text": "32.3 ms"}


@pytest.mark.parametrize(("content", "code", "sentence"), [
    (b"# a table\n", 3, "is no result of a tool that this version reads. It reads: "), (b'{"a":', 3, "is not JSON"), (b"", 3, "is no result")])
def test_import_says_what_it_could_not_read(capsys, tmp_path, content, code, sentence):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    found, out, err = said(capsys, "import", path)
    assert (found, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err


def test_import_names_the_key_that_is_missing(capsys, tmp_path):
    run = json.loads((SAMPLES / "vllm.json").read_text())
    del run["duration"]
    (tmp_path / "damaged.json").write_text(json.dumps(run))
    code, _, err = said(capsys, "import", tmp_path / "damaged.json")
    assert code == 3
    assert "damaged.json is a result of vllm, but duration is missing or is not a number." in err


def test_import_of_nothing(capsys, tmp_path):
    assert said(capsys, "import", tmp_path / "absent.json")[0] == 3
    assert said(capsys, "import", tmp_path)[0] == 3
    assert said(capsys, "import")[0] == 2


@pytest.mark.parametrize("form", ["vllm", "llm-d", "inferencex", "csv", "csv-requests"])
def test_export_writes_to_standard_output_what_it_writes_to_a_file(capsys, directory, tmp_path, form):
    code, out, err = said(capsys, "export", directory, "--to", form)
    assert (code, err) == (0, "")
    assert said(capsys, "export", directory, "--to", form, "-o", tmp_path / "out")[:2] == (0, "")
    assert (tmp_path / "out").read_text(encoding="utf-8").rstrip("\n") == out.rstrip("\n")


def test_a_run_goes_out_and_comes_back(capsys, directory, tmp_path):
    _, report, _ = said(capsys, "report", directory, "--format", "json")
    (case,) = json.loads(report)["cases"]
    assert said(capsys, "export", directory, "--to", "vllm", "-o", tmp_path / "out.json")[0] == 0
    code, out, _ = said(capsys, "import", tmp_path / "out.json", "--format", "json")
    (row,) = json.loads(out)["results"][0]["rows"]
    assert code == 0
    assert row["figures"]["ttft"]["value"] == pytest.approx(case["metrics"]["ttft"]["mean"])
    assert row["figures"]["e2e"]["value"] == pytest.approx(case["metrics"]["e2e"]["mean"])
    assert row["requests_listed"] == case["counts"]["issued"] == 24


def test_a_run_of_our_own_and_a_directory_of_everything_are_no_results(capsys, directory, tmp_path):
    code, out, err = said(capsys, "import", directory)
    assert (code, out) == (3, "")
    assert f"touchstone report {directory}" in err
    for place in range(201):
        (tmp_path / f"{place}.json").write_text("{}", encoding="utf-8")
    code, out, err = said(capsys, "import", tmp_path)
    assert (code, out) == (3, "")
    assert "too many files" in err


def test_labels_of_the_run_are_known_and_those_of_the_command_outrank_them(capsys, directory):
    _, out, _ = said(capsys, "export", directory, "--to", "inferencex")
    assert json.loads(out)[0]["tp"] == 4
    _, out, _ = said(capsys, "export", directory, "--to", "inferencex", "--label", "tp=2", "--label", "hw=910B")
    assert (json.loads(out)[0]["tp"], json.loads(out)[0]["hw"]) == (2, "910B")
    assert said(capsys, "export", directory, "--to", "inferencex", "--label", "tp=0")[0] == 2
    assert said(capsys, "export", directory, "--to", "inferencex", "--label", "tp")[0] == 2


def test_the_file_of_a_table_begins_with_a_byte_order_mark(capsys, directory, tmp_path):
    assert said(capsys, "export", directory, "--to", "csv-requests", "-o", tmp_path / "requests.csv")[0] == 0
    assert (tmp_path / "requests.csv").read_bytes().startswith(b"\xef\xbb\xbfcase,point,request")
    with (tmp_path / "requests.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 24


def test_export_refuses_in_the_house_style(capsys, directory, tmp_path):
    assert said(capsys, "export", tmp_path, "--to", "csv")[0] == 3
    assert said(capsys, "export", directory, "--to", "xml")[0] == 2
    assert said(capsys, "export", directory)[0] == 2
    code, _, err = said(capsys, "export", directory, "--to", "csv", "-o", tmp_path / "absent" / "x.csv")
    assert code == 3
    assert "cannot be written" in err
