"""Lines of text: wrapped to a width, in columns, and styled by role. All text faces are laid out with these."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Final

Style = Callable[[str, str], str]
"""Styles a piece of text for one of :data:`ROLES`. It adds no visible character and takes none away."""

ROLES: Final = ("yes", "no", "heading", "section", "value", "quiet", "added", "removed", "warning")
"""What a piece of text can be in a text face."""

NARROWEST: Final = 40
"""Columns below which lines are no longer kept short enough."""

_TIGHT: Final = 16
"""Fewer columns than this are no place for a sentence."""


def plain(text: str, _: str) -> str:
    """Return *text* unstyled."""
    return text


def quoting(text: str) -> str:
    """Return *text* in quotation marks."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}"


def wrapped(text: str, width: int, indent: str = "", more: str | None = None) -> list[str]:
    """
    Return *text* in lines of at most *width* columns; no path, code or option is broken at a hyphen.

    Args:
        indent: What the first line begins with.
        more: What the others begin with; the same by default.
    """
    following = indent if more is None else more
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=following, break_on_hyphens=False) or [
        indent
    ]


def styled(lines: Sequence[str], style: Style, role: str) -> Iterator[str]:
    """Yield *lines* in the style of *role*, their indents left alone."""
    for line in lines:
        text = line.lstrip(" ")
        yield " " * (len(line) - len(text)) + (style(text, role) if text else "")


def beside(name: str, text: str, *, width: int, indent: int, column: int, style: Style) -> Iterator[str]:
    """
    Yield *name* with the quiet *text* in a column beside it, or below it where there is no room.

    Args:
        indent: Columns before the name.
        column: Where the text begins.
    """
    start = " " * indent + name
    is_beside = len(start) + 2 <= column <= width - _TIGHT
    told = wrapped(text, width, " " * column if is_beside else " " * (indent + 2)) if text else []
    lines = list(styled(told, style, "quiet"))
    if lines and is_beside:
        yield start + lines[0][len(start) :]
        yield from lines[1:]
    else:
        yield from wrapped(name, width, " " * indent, " " * (indent + 2))
        yield from lines
