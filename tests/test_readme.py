"""What the README shows is what the program does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the first fenced block of *language*."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_preview_is_real() -> None:
    """Each line that the README shows of a preview is a line of the real one, in this order."""
    command, *shown = block("console").splitlines()
    assert command == "$ rc-stats preview statistics.json"
    done = subprocess.run(
        [sys.executable, "-m", "rc_stats", "preview", "examples/statistics.json"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    real = iter(done.stdout.decode().replace("\N{NO-BREAK SPACE}", " ").splitlines())
    missing = [line for line in shown if line != "..." and line not in real]
    assert missing == []


def test_library_use_runs() -> None:
    """The ten lines of library use run from the root of the project and get the bytes."""
    done = subprocess.run([sys.executable, "-c", block("python")], cwd=ROOT, capture_output=True, check=True)
    assert b'"statistics":{' in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith(".venv/bin/rc-stats ")])
def test_commands_exist(line: str) -> None:
    """Each command that the README tells to try runs on the example and ends as it says."""
    words = shlex.split(line, comments=True)[1:]
    words = ["examples/statistics.json" if word == "statistics.json" else word for word in words]
    done = subprocess.run([sys.executable, "-m", "rc_stats", *words], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == (3 if words == ["preview", "examples/statistics.json"] else 0), done.stderr
    assert done.stdout
