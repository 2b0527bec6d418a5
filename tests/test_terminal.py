"""The terminal: as wide as it is, in its colours, paged if long, folded on it alone, and rich nowhere else."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from commands import ROOT, Cli, command, environment, process

fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))

EXAMPLE = ROOT / "examples" / "statistics.json"
SIX = ROOT / "examples" / "statistics-six.json"
GOLDEN = Path(__file__).parent / "golden"
AT = ["--at", "2026-08-18T00:00:00Z"]
LOOK = ["preview", EXAMPLE, *AT]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b[31mred\x1b]0;title\x07\u202egnp.exe\u2066\u200b\x85\u2028\r\x9b2J"


def terminal(
    arguments: Sequence[object], columns: int, lines: int, *, typed: str = "", program: str = "", **extra: str
) -> tuple[int, str]:
    """
    Run the command on a terminal of this size; return its exit code and all that the terminal gets.

    Args:
        typed: What the reader types from the start. It is standard input, and what a pager reads its keys from.
        program: Python to run in place of the command.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    os.write(master, typed.encode())
    shown = b""
    with subprocess.Popen(
        [*([sys.executable, "-c", program] if program else command()), *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(**{"TERM": "xterm-256color", **extra}),
        cwd=ROOT,
        start_new_session=True,
    ) as running:
        os.close(slave)
        try:
            while chunk := os.read(master, 65536):
                shown += chunk
        except OSError:
            pass  # This is how Linux says that the other side has closed.
        code = running.wait(60)
    os.close(master)
    return code, shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_terminal_shows_the_golden(columns: int) -> None:
    """A real terminal of 80 and of 120 columns shows what the goldens hold, but for its styles, and the exit code."""
    code, shown = terminal(["preview", EXAMPLE, *AT], columns, 50)
    assert code == 3
    assert ESCAPES.search(shown)
    golden = (GOLDEN / f"terminal.unregistered.{columns}.txt").read_text(encoding="utf-8")
    assert golden.split("\n") == ESCAPES.sub("", shown).split("\n")


@pytest.mark.parametrize("columns", [20, 59, 81, 119, 200])
def test_lines_fit_any_terminal(columns: int) -> None:
    """No line is longer than the terminal is wide; below 40 columns than those, and above 120 than those."""
    lines = terminal(LOOK, columns, 50, NO_COLOR="1")[1].splitlines()
    widest = max(map(len, lines))
    assert widest <= min(max(columns, 40), 120)
    assert widest > min(max(columns, 40), 120) - 6


def test_groups_are_folded_on_a_terminal_alone(cli: Cli) -> None:
    """A long group is folded and counted on a terminal; with --all, and in a pipe, it is whole."""
    folded = terminal(LOOK, 80, 50, NO_COLOR="1")[1]
    whole = terminal([*LOOK, "--all"], 80, 50, NO_COLOR="1")[1]
    assert "\N{HORIZONTAL ELLIPSIS} and 22 more: --all shows them" in folded
    assert "more: --all" not in whole
    assert cli(*LOOK).text == whole


@pytest.mark.parametrize("colours", ["standard", "256", "truecolor"])
def test_terminal_gets_the_colours_that_it_has(colours: str) -> None:
    """Terminals of all kinds of colours get styles that all of them know, closed on the line where they begin."""
    looks = {
        "standard": {"TERM": "xterm"},
        "256": {"TERM": "xterm-256color"},
        "truecolor": {"TERM": "xterm", "COLORTERM": "truecolor"},
    }
    shown = terminal(["preview", SIX, *AT], 80, 50, **looks[colours])[1]
    assert set(ESCAPES.findall(shown)) == {
        *("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;4m", "\x1b[1;31m", "\x1b[1;36m"),
    }
    for line in shown.splitlines():
        assert line.count("\x1b[0m") * 2 == len(ESCAPES.findall(line)), line


@pytest.mark.parametrize("extra", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_terminal_without_styles_is_still_a_terminal(extra: dict[str, str]) -> None:
    """NO_COLOR and a dumb terminal get no escape at all, and the terminal's width and folds."""
    shown = terminal(LOOK, 120, 50, **extra)[1]
    assert (GOLDEN / "terminal.unregistered.120.txt").read_text(encoding="utf-8") == shown


# Paging.


@pytest.fixture
def pager(tmp_path: Path) -> Path:
    """Return a pager that notes its arguments and surroundings, keeps what it is given, and shows none of it."""
    path = tmp_path / "own-pager"
    kept = tmp_path / "kept"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "told = {'arguments': sys.argv[1:], 'LESS': os.environ.get('LESS'), 'text': sys.stdin.read()}\n"
        f"open({str(kept)!r}, 'w').write(json.dumps(told))\n"
    )
    path.chmod(0o755)
    return path


def kept_by(pager: Path) -> Any:
    """Return what *pager* noted."""
    return json.loads(pager.with_name("kept").read_text())


def test_what_is_long_is_paged(pager: Path) -> None:
    """What is longer than the terminal goes to the reader's pager, with its options and styles, and nothing else."""
    code, shown = terminal(LOOK, 80, 50, PAGER=f"'{pager}' --quick")
    assert (code, shown) == (3, "")
    kept = kept_by(pager)
    assert (kept["arguments"], kept["LESS"]) == (["--quick"], "FRX")
    assert kept["text"] == terminal([*LOOK, "--no-pager"], 80, 50)[1]


def test_settings_of_less_are_the_readers(pager: Path) -> None:
    """A LESS that the reader has set is left alone."""
    terminal(LOOK, 80, 50, PAGER=str(pager), LESS="-i")
    assert kept_by(pager)["LESS"] == "-i"


def test_what_fits_is_not_paged(pager: Path) -> None:
    """What fits on the terminal is shown at once, also if it fills it to the line before the prompt."""
    whole = terminal(LOOK, 80, 50, NO_COLOR="1")[1]
    lines = whole.count("\n")
    assert terminal(LOOK, 80, lines + 1, NO_COLOR="1", PAGER=str(pager))[1] == whole
    assert not pager.with_name("kept").exists()
    assert terminal(LOOK, 80, lines, NO_COLOR="1", PAGER=str(pager))[1] == ""
    assert kept_by(pager)["text"] == whole


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        (["--no-pager"], {}),
        ([], {"PAGER": ""}),
        ([], {"PAGER": "cat"}),
        ([], {"PAGER": "no-such-pager-anywhere"}),
        ([], {"PAGER": "'unbalanced"}),
        ([], {"TERM": "dumb"}),
        (["--format", "json"], {}),
        (["--format", "html"], {}),
    ],
    ids=str,
)
def test_what_is_not_paged(pager: Path, options: list[str], extra: dict[str, str]) -> None:
    """Without a pager that can be used, on a dumb terminal, on request and for machines all is shown at once."""
    code, shown = terminal([*LOOK, *options], 80, 50, **{"PAGER": str(pager), **extra})
    assert code == 3
    assert len(shown.splitlines()) > 200
    assert not pager.with_name("kept").exists()


def test_pipe_is_not_paged(pager: Path) -> None:
    """In a pipe nothing is paged, whatever the reader's pager is."""
    assert len(process(LOOK, PAGER=str(pager)).text.splitlines()) > 200
    assert not pager.with_name("kept").exists()


def test_pager_that_leaves_early(tmp_path: Path) -> None:
    """A pager that ends before it has read all is no error, and the exit code is still that of the answer."""
    path = tmp_path / "early"
    path.write_text("#!/bin/sh\nhead -c 10\n")
    path.chmod(0o755)
    assert terminal(LOOK, 80, 50, PAGER=str(path), NO_COLOR="1") == (3, "Nothing wo")


def test_less_shows_styles() -> None:
    """Real less gets the styles as such, whatever its own settings are, and q leaves it with the answer's exit code."""
    for extra in ({}, {"LESS": "-i"}):
        code, shown = terminal(LOOK, 80, 20, typed="q", PAGER="less", **extra)
        assert code == 3
        assert "\x1b[1;31mNothing would be sent" in shown
        assert "ESC[" not in shown
        assert "Drift: none" not in shown


# Nothing of a document, and no escape of anybody.


def test_hostile_document_moves_no_terminal(tmp_path: Path) -> None:
    """Escapes, marks of direction and other controls of a document reach no terminal, not even with --show-values."""
    document = {
        "createdAt": "2026-08-17T03:12:00.000Z",
        "totalUsers": 50,
        HOSTILE: HOSTILE,
        f"total{HOSTILE}Rooms": {HOSTILE: 1},
        "settings": {"email": {"smtp": {"smtpHost": HOSTILE, "fromEmail": [HOSTILE]}}},
        "version": HOSTILE,
        "deploy": {"method": HOSTILE, "platform": {HOSTILE: HOSTILE}},
    }
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    for options in ([], ["--show-values"]):
        shown = terminal(["preview", path, *AT, "--workspace", "registered", "--opt-in", *options], 80, 50)[1]
        for line in ESCAPES.sub("", shown).replace("\N{NO-BREAK SPACE}", " ").splitlines():
            assert line.isprintable(), line
            assert len(line) <= 80, line


def test_deeply_nested_value_is_shown(cli: Cli) -> None:
    """A value that is nested as deeply as the parser allows is told as such, and is no crash."""
    raw = b'{"totalUsers": 50, "host": ' + b"[" * 1000 + b"]" * 1000 + b"}"
    done = cli("preview", "-", *AT, "--show-values", stdin=raw)
    assert (done.code, done.err) == (3, b"")
    assert "(nested deeply)" in done.text


# What is loaded.


PROGRAM = """
import sys
from pathlib import Path
from rc_stats.cli import run
run(sys.argv[2:])
Path(sys.argv[1]).write_text(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded(arguments: Sequence[object], note: Path, *, is_terminal: bool, **extra: str) -> set[str]:
    """Return the first names of the modules that the command has loaded when it is done; *note* is for writing."""
    if is_terminal:
        assert terminal([note, *arguments], 80, 50, program=PROGRAM, **extra)[0] == 0
    else:
        words = [sys.executable, "-c", PROGRAM, str(note), *map(str, arguments)]
        subprocess.run(words, stdout=subprocess.PIPE, check=True, env=environment(**extra), cwd=ROOT, timeout=60)
    return set(note.read_text().split())


@pytest.mark.parametrize("format_", ["text", "json", "payload"])
def test_rich_is_not_loaded_in_a_pipe(format_: str, tmp_path: Path) -> None:
    """Whatever goes into a pipe or a file is made without rich."""
    assert not loaded([*LOOK, "--format", format_], tmp_path / "note", is_terminal=False) & {"rich", "pygments"}


def test_rich_is_loaded_for_styles_alone(tmp_path: Path) -> None:
    """On a terminal rich is loaded for text with styles, and for nothing else."""
    note = tmp_path / "note"
    assert "rich" in loaded(LOOK, note, is_terminal=True)
    assert "rich" not in loaded(LOOK, note, is_terminal=True, NO_COLOR="1")
    assert "rich" not in loaded(LOOK, note, is_terminal=True, TERM="dumb")
    assert "rich" not in loaded([*LOOK, "--format", "json"], note, is_terminal=True)


WITHOUT_RICH = """
import sys
sys.modules["rich"] = None
from rc_stats.cli import run
raise SystemExit(run(sys.argv[1:]))
"""


def test_without_rich() -> None:
    """Where rich is not installed, a terminal that wants styles is told what to install, and plain text needs none."""
    code, shown = terminal(LOOK, 80, 50, program=WITHOUT_RICH)
    assert (code, shown.count("\n")) == (2, 1)
    assert "[missing-extra] Install it with: pip install 'rc-stats[cli]'" in shown
    assert terminal(LOOK, 80, 50, program=WITHOUT_RICH, NO_COLOR="1")[0] == 3
