"""
Makes the pictures of the README and the documentation from ``examples/statistics.json``: ``make pictures``.

``preview.svg`` is what ``rc-stats preview`` shows on a terminal, with what is left out marked. ``page.png`` is the
admin page of the same workspace, in a headless Chromium. Nothing is sent, and no picture loads anything.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvicorn
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from rc_stats import Reporter, Store, Terms, Workspace, WorkspaceKind, load_catalogue, load_policy
from rc_stats.testing import FixedClock, RecordingTransport
from rc_stats.web import admin_app

HERE: Final = Path(__file__).parent
DOCUMENT: Final = HERE.parent.parent / "examples" / "statistics.json"
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)

# The terminal --------------------------------------------------------------------------------------------------------

COMMAND: Final = ("rc-stats", "preview", "examples/statistics.json", "--workspace", "registered", "--opt-in")
COLUMNS: Final = 92
SHOWN: Final = (
    ("With a yes", 10),
    ("  Rooms (", 9),
    ("What stays here", 1),
    ("  Identifier, ", 5),
    ("  Name of a room", 7),
    ("Drift: ", 1),
)
"""What of it is shown: lines from one that begins so, and how many."""

LEFT_OUT: Final = "  ⋮"

FONTS: Final = 'ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace'
THEME: Final = TerminalTheme(
    (22, 27, 34),
    (216, 222, 233),
    [
        (72, 79, 88),
        (255, 123, 114),
        (87, 203, 104),
        (226, 192, 87),
        *[(121, 192, 255)] * 2,
        (94, 213, 224),
        (177, 186, 196),
    ],
)
SVG: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="A preview on a terminal">
<style>
.{unique_id}-matrix {{ font-family: FONTS; font-size: {char_height}px; line-height: {line_height}px; white-space: pre }}
.{unique_id}-title {{ font-family: FONTS; font-size: 16px }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
""".replace("FONTS", FONTS)


def on_terminal() -> str:
    """Run the command on a terminal and return what it shows, colours included."""
    master, slave = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "PYTHONUTF8": "1"}
    variables.pop("NO_COLOR", None)
    words = [sys.executable, "-m", "rc_stats", *COMMAND[1:], "--at", NOW.isoformat(), "--no-pager"]
    shown = b""
    with subprocess.Popen(words, stdout=slave, env=variables, cwd=DOCUMENT.parent.parent):  # noqa: S603 - our own
        os.close(slave)
        try:
            while more := os.read(master, 65536):
                shown += more
        except OSError:
            pass  # This is how Linux says that the other side has closed.
    os.close(master)
    return shown.decode().replace("\r\n", "\n")


def parts(text: Text) -> Iterator[Text]:
    """Yield the lines of *text* that are shown, and marks for those that aren't."""
    lines = text.split()
    at = 0
    for beginning, count in SHOWN:
        start = next(number for number, line in enumerate(lines) if line.plain.startswith(beginning))
        if start > at:
            yield from (Text(LEFT_OUT, "dim"), Text())
        yield from lines[start : start + count]
        at = start + count
        while at < len(lines) and not lines[at].plain.strip():
            yield lines[at]
            at += 1


def terminal() -> str:
    """Return the picture of the terminal."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    for line in parts(Text.from_ansi(on_terminal())):
        console.print(line, soft_wrap=True)
    drawn = console.export_svg(title=" ".join(COMMAND), theme=THEME, code_format=SVG, unique_id="t")
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE)


# The page ------------------------------------------------------------------------------------------------------------

WIDTH: Final = 860
SCALE: Final = 1.5
"""Pixels for each of the page's: with more, letters are sharper and the file is larger."""

MARGIN: Final = 48
"""Between the end of the page's text and its footer."""

MONTHS: Final = 5


def lived(directory: Path) -> Reporter:
    """Return the reporter of a workspace that has agreed some months ago and reported since."""
    clock = FixedClock(NOW - timedelta(days=31 * MONTHS))
    example = json.loads(DOCUMENT.read_bytes())

    def source() -> dict[str, Any]:
        return {**example, "createdAt": (clock() - timedelta(hours=1)).isoformat()}

    reporter = Reporter(
        source,
        Workspace(WorkspaceKind.REGISTERED),
        Store.open(directory / "store.sqlite3"),
        RecordingTransport(),
        clock,
        terms=Terms(load_policy(), load_catalogue()),
    )
    reporter.opt_in(by="admin")
    while clock.advance(days=31) < NOW:
        reporter.send_once()
    return reporter


@contextmanager
def served(reporter: Reporter) -> Iterator[str]:
    """Serve the page on this machine and give its URL."""
    app = admin_app(reporter, authorise=lambda _: "admin")
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


def page() -> bytes:
    """Return the picture of the page."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    with TemporaryDirectory() as directory, served(lived(Path(directory))) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        shown = chromium.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=SCALE)
        shown.goto(url)
        height = shown.evaluate("document.querySelector('footer').offsetTop") - MARGIN
        picture = shown.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        chromium.close()
    return picture


def main() -> None:
    """Make both."""
    (HERE / "preview.svg").write_text(terminal(), encoding="utf-8")
    (HERE / "page.png").write_bytes(page())


if __name__ == "__main__":
    main()
