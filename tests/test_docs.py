"""The documents are run: every bash block of the READMEs works, and generated pages are up to date."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[1]


def commands(page: str) -> str:
    return "\n".join(re.findall(r"^```bash\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


def shell_pages() -> list[str]:
    """Every page with a bash block, but for a Chinese page whose commands are those of the English one."""
    pages = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
    return [page for page in pages if commands(page) and not (page.endswith(".zh.md") and page.startswith("docs/"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", shell_pages())
def test_every_command_of_a_page_works(page: str, tmp_path: Path):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "TOUCHSTONE_SOURCE": str(ROOT)}
    script = f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{commands(page)}"  # a command that fails leaves no server behind
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_two_commands_and_every_guide_are_executed():
    assert {"README.md", "README.zh.md", "docs/install.md", "docs/first-report.md", "docs/reading.md", "docs/servers.md", "docs/audit.md", "docs/compare.md",
            "docs/ascend.md"} <= set(shell_pages())


def chinese_pages() -> list[Path]:
    return sorted((ROOT / "docs").glob("*.zh.md"))


@pytest.mark.parametrize("page", chinese_pages(), ids=lambda page: page.name)
def test_a_chinese_page_has_the_commands_of_the_english_one(page: Path):
    english = page.with_name(page.name.replace(".zh.md", ".md"))
    assert commands(f"docs/{page.name}") == commands(f"docs/{english.name}")


def test_every_page_of_the_site_is_there_in_chinese():
    pages = re.findall(r"^ +- .*: (\w[\w-]*\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(pages) >= 12
    assert [page for page in pages if not (ROOT / "docs" / page.replace(".md", ".zh.md")).exists()] == []


def written_commands() -> list[tuple[str, str]]:
    """Every line of a block, executed or not, and every piece of code in a sentence that calls us: what needs a device is at least parsed."""
    found = []
    for page in [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        blocks = "\n".join(re.findall(r"^```(?:bash|sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
        lines = [*blocks.splitlines(), *re.findall(r"`(touchstone [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))]
        found += [(page.name, line) for line in lines if re.match(r"(bench/bin/)?touchstone\s", line)]
    return found


_PLACEHOLDER = re.compile(r"[\[\]…]|\.\.\.|\bVERB\b")


@pytest.mark.parametrize(("page", "line"), [one for one in written_commands() if not _PLACEHOLDER.search(one[1])])
def test_every_command_that_is_written_is_one_of_ours(page: str, line: str):
    from touchstone.cli import touchstone

    words = shlex.split(line.partition("<<")[0], comments=True)[1:]
    words = words[:next((place for place, word in enumerate(words) if word in {">", "|", "||", "&", "2>"}), len(words))]
    context = touchstone.make_context("touchstone", words[:1] if words[:1] != ["--version"] else [], resilient_parsing=True)
    if words and not words[0].startswith("-"):
        verb = touchstone.get_command(context, words[0])
        assert verb is not None, f"{page}: {line}"
        try:
            verb.make_context(words[0], list(words[1:]), parent=context)
        except click.exceptions.Exit:
            pass
        except click.exceptions.MissingParameter:  # a sentence names the verb alone
            assert len(words) == 1, f"{page}: {line}"
        except click.exceptions.BadParameter as error:  # the reader's files are not here
            assert "does not exist" in error.message, f"{page}: {line}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_the_network_for_nothing(tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= 2 * 14
    for page in pages:
        for wanted in re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(https?:|//)", page.read_text(encoding="utf-8")):
            pytest.fail(f"{page}: {wanted}")


@pytest.mark.parametrize("tool", ["generated_docs.py", "catalogues.py"])
def test_what_is_generated_is_up_to_date(tool: str):
    done = subprocess.run([sys.executable, ROOT / "tools" / tool, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_makefile_knows_the_readme_s_commands():
    for goal in ("run", "test", "check"):
        assert subprocess.run(["make", "-n", goal], cwd=ROOT, capture_output=True, check=False).returncode == 0
