"""The documents are run: every bash block of the READMEs works, and generated pages are up to date."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def commands(page: str) -> str:
    return "\n".join(re.findall(r"^```bash\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_every_command_of_the_readme_works(page: str, tmp_path: Path):
    script = commands(page)
    assert script.count("touchstone run") >= 1
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
