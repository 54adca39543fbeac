"""The package as it is installed: light, quick to answer, licensed and typed."""

import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import touchstone

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def touchstone_says(*arguments, interpreter=()):
    return subprocess.run([sys.executable, *interpreter, "-m", "touchstone", *arguments], capture_output=True, text=True,
                          timeout=60, check=False)


def test_the_base_install_pulls_in_no_engine():
    names = {re.match(r"[A-Za-z0-9_.-]+", line).group().lower() for line in PROJECT["dependencies"]}
    assert "numpy" in names
    assert not names & {"torch", "torch-npu", "torchao", "transformers", "tokenizers", "accelerate", "xllamacpp", "gguf", "vllm"}


def test_every_engine_has_the_extra_that_its_error_names():
    from touchstone.measure.engines import ENGINES

    for row in (row for row in ENGINES.values() if row.extra):
        extra = {re.match(r"[A-Za-z0-9_.-]+", line).group() for line in PROJECT["optional-dependencies"][row.extra]}
        assert set(row.distributions) <= extra


def test_help_imports_nothing_heavy():
    done = touchstone_says("--help", interpreter=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in imported  # so the list was read
    assert not imported & {"numpy", "pydantic", "torch", "rich", "yaml", "scipy", "transformers", "xllamacpp", "arro3"}


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("--version",), ("run", "--help"), ("report", "--help")], ids=" ".join)
def test_it_answers_what_it_is(arguments):
    done = touchstone_says(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr == ""


def test_help_lists_every_verb_and_no_inner_one():
    said = touchstone_says("--help").stdout
    assert re.search(r"^\s+run\s+\w", said, re.MULTILINE)
    assert re.search(r"^\s+report\s+\w", said, re.MULTILINE)
    assert not re.search(r"^\s+launch\b", said, re.MULTILINE)


def test_the_version_is_one():
    assert PROJECT["version"] == touchstone.__version__
    assert touchstone.__version__ in touchstone_says("--version").stdout


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]


@pytest.mark.parametrize("name", ["py.typed", "hardware.toml", "judge/doctor/pairings.toml", "checkpoints/words.txt", "plans/six-scenarios.yaml",
                                  "report/i18n/zh/LC_MESSAGES/touchstone.mo", "report/html/style.css", "report/html/script.js",
                                  "report/html/templates/page.html.j2", "ui/style.css", "ui/live.js", "report/events.schema.json"])
def test_what_is_read_at_run_time_is_shipped(name):
    assert resources.files("touchstone").joinpath(name).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.10", "3.13"])
def test_every_base_dependency_has_an_aarch64_wheel(python, tmp_path):
    """Kunpeng hosts: glibc 2.28 and later, no compiler. Asks the package index, downloads nothing it need not."""
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 24, 26, 27, 28)] + ["--platform=manylinux2014_aarch64"]
    dependencies = [one for one in metadata.requires("llm-touchstone") if "extra ==" not in one and "python_version <" not in one]
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--target", tmp_path,
                           "--only-binary=:all:", "--python-version", python, "--implementation", "cp", *platforms, *dependencies],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_base_install_is_small():
    """Everything the base dependencies bring, byte code left out, stays below 300 MB."""
    wanted, total = ["llm-touchstone"], 0
    seen = set()
    while wanted:
        name = re.match(r"[\w.-]+", wanted.pop()).group().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another Python or platform
            continue
        wanted += [one for one in distribution.requires or [] if "extra ==" not in one]
        total += sum(path.locate().stat().st_size for path in distribution.files or []
                     if path.suffix != ".pyc" and path.locate().is_file())
    assert {"numpy", "scipy", "arro3-io"} <= seen
    assert not seen & {"torch", "transformers", "tokenizers"}
    assert total < 300e6
