"""
What the faces say, byte for byte.

The goldens are rewritten, all of them and nothing else, with
``RCSTATS_TEST_GOLDEN_WRITE=1 pytest tests/test_golden.py``; the difference is read before it is kept.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rc_stats import (
    Consent,
    DataType,
    Objections,
    Switches,
    Terms,
    Workspace,
    WorkspaceKind,
    load_catalogue,
    load_policy,
    preview,
    read_newest,
)
from rc_stats.cli import run
from rc_stats.render import FOLDED, View, as_text, view_of
from rc_stats.render.difference import captured, diff_text, difference

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
IS_WRITING = os.environ.get("RCSTATS_TEST_GOLDEN_WRITE") == "1"
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
WIDTHS = (80, 120)
NOW = datetime(2026, 8, 18, tzinfo=UTC)
AGREED = datetime(2026, 8, 1, tzinfo=UTC)
DRIFTING = {
    **{f"totalRooms{letter}": 1 for letter in "ABCDEFGHIJKLMNOP"},
    "settings": {"\x1b[31mred\u202e": "\x1b[2J", "search": "off"},
    "totalUsers": [],
}


def situations() -> Iterator[tuple[str, View]]:
    """Yield what a terminal is asked to show: each kind of answer once."""
    terms = Terms(load_policy(), load_catalogue())
    yes = Consent().grant(terms, at=AGREED, by="admin", scope=frozenset({DataType.USAGE}))
    registered = Workspace(WorkspaceKind.REGISTERED)
    objecting = Workspace(objections=Objections(frozenset({terms.policy.recipient.name}), frozenset({"Brazil"})))
    switches = Switches(("DO_NOT_TRACK", "RC_STATS_DISABLE"))
    example, six = (path.read_bytes() for path in EXAMPLES)
    drifting = json.dumps({**json.loads(six), **DRIFTING}).encode()
    everything: list[tuple[str, bytes, Workspace, Consent, Switches]] = [
        ("unregistered", example, Workspace(), Consent(), Switches()),
        ("granted", example, registered, yes, Switches()),
        ("several", six, objecting, yes.withdraw(at=AGREED), switches),
        ("six", six, registered, yes, Switches()),
        ("drift", drifting, registered, yes, Switches()),
    ]
    for name, raw, workspace, consent, thrown in everything:
        newest = read_newest(io.BytesIO(raw))
        seen = preview(newest.document, workspace, consent, terms=terms, now=NOW, switches=thrown)
        yield name, view_of(seen, newest=newest, with_envelope=name == "granted", show_values=name == "drift")


def diff_of(width: int) -> str:
    """Return the difference between what two of the examples would send, and one that was tampered with."""
    old = (GOLDEN / "statistics.json.full.payload").read_bytes()
    payload: dict[str, Any] = json.loads(old)
    statistics = payload["statistics"]
    tables = {"userLanguages": {**statistics["userLanguages"], "de": 65, "fr": 10}}
    more = {
        "totalUsers": 251,
        "totalRooms": 4_411,
        "fips": False,
        "os": {**statistics["os"], "totalmem": "32 to 64 GiB"},
    }
    hostile = {"\x1b[31m\u202e": {"a.b": "\x1b[2J\u202egnp"}, "totalUsersNew": True, "x" * 200: -1.5}
    less = {key: value for key, value in statistics.items() if key not in ("totalDirect", "teams")}
    changed = {**payload, "period": "2026-09", "statistics": {**less, **tables, **more, **hostile}}
    sides = captured(old, "august.json"), captured(json.dumps(changed).encode(), "september\x1b[1m.json")
    return diff_text(difference(*sides, load_catalogue()), width=width)


SHOWN = [(name, width) for name in ("unregistered", "granted", "several", "six", "drift", "diff") for width in WIDTHS]


@pytest.fixture(scope="module")
def views() -> dict[str, View]:
    """Return the situations by name."""
    return dict(situations())


@pytest.mark.parametrize(("name", "width"), SHOWN)
def test_golden_of_a_terminal(name: str, width: int, views: dict[str, View]) -> None:
    """What a terminal of each width shows is the golden, line by line, and every line fits and can be printed."""
    text = diff_of(width) if name == "diff" else as_text(views[name], width=width, most=FOLDED)
    golden = GOLDEN / f"terminal.{name}.{width}.txt"
    if IS_WRITING:
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8").split("\n") == text.split("\n")
    for line in text.splitlines():
        assert len(line) <= width, line
        assert line.replace("\N{NO-BREAK SPACE}", " ").isprintable(), line


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
    wanted |= {f"terminal.{name}.{width}.txt" for name, width in SHOWN}
    if IS_WRITING:
        for path in GOLDEN.iterdir():
            if path.name not in wanted | KEPT:
                path.unlink()
    assert wanted == {path.name for path in GOLDEN.iterdir()} - KEPT


def test_goldens_name_no_machine() -> None:
    """No golden holds the place of a file, so that the goldens are the same everywhere."""
    for path in GOLDEN.iterdir():
        assert str(ROOT).encode() not in path.read_bytes(), path.name
