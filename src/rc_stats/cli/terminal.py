"""
The terminal: its width, what it can show, and the reader's pager.

rich is loaded only for a terminal that wants styles; whatever else reads standard output gets plain text at once.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from rc_stats.cli.streams import print_text
from rc_stats.errors import MissingExtra
from rc_stats.render.layout import Style, plain

PIPED: Final = 80
"""Columns where nobody says how many there are."""

_STYLES: Final = {
    "yes": "bold green",
    "no": "bold red",
    "heading": "bold underline",
    "section": "bold cyan",
    "value": "bold",
    "quiet": "dim",
    "added": "green",
    "removed": "red",
    "warning": "bold yellow",
}
_PAGER_OPTIONS: Final = {"LESS": "FRX", "LV": "-c"}
"""What less and lv need to show styles and to leave the text on the screen; the reader's own settings win."""


@dataclass(frozen=True, slots=True)
class Screen:
    """
    What standard output is.

    Attributes:
        lines: Lines that are seen at once; 0 if it is no terminal.
    """

    width: int
    lines: int
    style: Style

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking."""
        return self.lines > 0


def screen() -> Screen:
    """
    Return what standard output is.

    Raises:
        MissingExtra: It is a terminal that wants styles, and rich is not installed.
    """
    if sys.stdout is None or not sys.stdout.isatty():
        return Screen(PIPED, 0, plain)
    size = shutil.get_terminal_size((PIPED, 24))
    return Screen(size.columns, max(size.lines, 1), _style() if _wants_style() else plain)


def _wants_style() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _style() -> Style:
    """Return the style of the terminal, in the colours that it has."""
    try:
        from rich.color import ColorSystem
        from rich.console import COLOR_SYSTEMS, Console
        from rich.style import Style as Look
    except ImportError:
        raise MissingExtra("cli", "The terminal") from None
    console = Console()
    system: ColorSystem | None = COLOR_SYSTEMS.get(console.color_system or "")
    if system is None or console.legacy_windows:
        return plain

    @cache
    def look(role: str) -> Look:
        return Look.parse(_STYLES[role])

    return lambda text, role: look(role).render(text, color_system=system)


def show(layout: Callable[[Screen], str], *, is_paged: bool = True) -> None:
    """
    Write what *layout* makes of the screen; through the reader's pager if it is longer than that.

    Args:
        is_paged: Whether a pager may be used at all.
    """
    seen = screen()
    text = layout(seen)
    if is_paged and seen.is_terminal and text.count("\n") >= seen.lines and (pager := _pager()):
        _page(text, pager)
    else:
        print_text(text)


def _pager() -> list[str]:
    """Return how the reader's pager is called: ``PAGER``, else less; empty for none."""
    if os.environ.get("TERM") == "dumb":
        return []
    try:
        name, *options = shlex.split(os.environ.get("PAGER", "less")) or [""]
    except ValueError:
        return []
    found = shutil.which(name) if name != "cat" else None
    if found is None:
        return []
    # Styles are escapes, which less shows as such unless it is told.
    return [found, *options, *(["-R"] if Path(found).stem == "less" else [])]


def _page(text: str, pager: list[str]) -> None:
    import subprocess

    encoding = sys.stdout.encoding
    environment = {**_PAGER_OPTIONS, **os.environ}
    with subprocess.Popen(pager, stdin=subprocess.PIPE, env=environment) as running:  # noqa: S603 - the reader's own choice
        try:
            running.communicate(text.encode(encoding, errors="replace"))
        except KeyboardInterrupt:
            # The pager has the terminal and decides what an interrupt means; leaving before it would garble the screen.
            running.wait()
