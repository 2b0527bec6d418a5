"""
What the faces say, byte for byte.

The goldens are rewritten, all of them and nothing else, with ``RC_STATS_GOLDEN_WRITE=1 pytest tests/test_golden.py``;
the difference is read before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rc_stats.cli import run

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
IS_WRITING = os.environ.get("RC_STATS_GOLDEN_WRITE") == "1"
AT = ["--at", "2026-08-18T00:00:00Z"]
EXAMPLES = [ROOT / "examples" / name for name in ("statistics.json", "statistics-six.json")]
SAMPLES = sorted(path for path in (ROOT / "tests" / "data" / "samples").iterdir() if path.suffix in (".json", ".jsonl"))
FULL = ["--workspace", "registered", "--opt-in", "--scope", "usage,app,account"]
SETTINGS = {"default": AT, "full": [*FULL, *AT], "later": [*FULL, "--at", "2026-08-31T00:00:00Z"]}
"""``later`` is for the samples that are dated after the clock of the others, which is a reason for a no."""
ENDINGS = {"text": "txt", "json": "json", "payload": "payload", "html": "html"}
KEPT = {".gitattributes"}


class Case(NamedTuple):
    """One golden: what is looked at, and how."""

    path: Path
    setting: str
    format: str
    profile: str = "standard"

    @property
    def name(self) -> str:
        """The file of the golden."""
        profile = "" if self.profile == "standard" else f".{self.profile}"
        return f"{self.path.name}.{self.setting}{profile}.{ENDINGS[self.format]}"

    @property
    def arguments(self) -> list[str]:
        """The command line that makes it."""
        options = [*SETTINGS[self.setting], "--profile", self.profile, "--format", self.format]
        return ["preview", str(self.path), *options]


def cases() -> Iterator[Case]:
    """Yield every golden."""
    for path in (*SAMPLES, *EXAMPLES):
        for setting in SETTINGS if "8.7.0" in path.name else ("default", "full"):
            for format_ in ("text", "json", "payload"):
                yield Case(path, setting, format_)
    for path in EXAMPLES:
        for profile in ("exact", "strict"):
            yield Case(path, "full", "payload", profile)
    yield Case(EXAMPLES[0], "full", "html")


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Case, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The output is the golden, byte for byte, and there are bytes to send only if the exit code says so."""
    code = run(case.arguments)
    out, err = capsysbinary.readouterr()
    assert (err, code in (0, 3)) == (b"", True)
    if case.format == "payload":
        assert (code == 0) == bool(out)
    golden = GOLDEN / case.name
    if IS_WRITING:
        GOLDEN.mkdir(exist_ok=True)
        golden.write_bytes(out)
    assert golden.exists(), "no such golden: see the head of this file"
    # Lines, so that a difference is shown as one; then the bytes, for what lines don't show.
    assert golden.read_bytes().decode().split("\n") == out.decode().split("\n")
    assert golden.read_bytes() == out


def test_no_golden_is_left_over() -> None:
    """Every file among the goldens belongs to a case, and no two cases share one."""
    wanted = {case.name for case in CASES}
    assert len(CASES) == len(wanted)
    if IS_WRITING:
        for path in GOLDEN.iterdir():
            if path.name not in wanted | KEPT:
                path.unlink()
    assert wanted == {path.name for path in GOLDEN.iterdir()} - KEPT


def test_goldens_name_no_machine() -> None:
    """No golden holds the place of a file, so that the goldens are the same everywhere."""
    for path in GOLDEN.iterdir():
        assert str(ROOT).encode() not in path.read_bytes(), path.name
