"""
The preview as text: the verdict first, then the rules that decided it, what would be sent, what stays, and drift.

There is one layout. In a pipe it is 80 columns wide, plain and whole; on a terminal it is as wide as that is, styled by
role, and long groups are folded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from rc_stats.render.layout import NARROWEST, Style, beside, plain, quoting, styled, wrapped
from rc_stats.render.view import Group, Row, Rule, Section, View
from rc_stats.render.words import grouped, many

WIDEST: Final = 120
"""Lines don't grow beyond it: longer ones are hard to read."""

FOLDED: Final = 10
"""How many paths of a group a terminal shows."""

_VALUE: Final = 11
_WIDEST_VALUE: Final = 20
_UNIT: Final = 14
_SENTENCE: Final = 30
"""With less room for it, the sentence stands below the value."""

_ROOMY: Final = 14
_PATH: Final = 38
"""With room for a longer sentence and a path of this length, the path stands beside it."""

_LABEL: Final = 11
_TIE: Final = "\x1f"
"""Stands for a space at which no line is broken."""

_Item = TypeVar("_Item")


def as_text(view: View, *, width: int = 80, style: Style = plain, most: int | None = None) -> str:
    """
    Return *view* as text.

    Args:
        width: Columns of the page.
        style: How a role looks; plain by default.
        most: How many paths of a group are shown before the others are folded; None folds nothing.
    """
    page = _Page(max(min(width, WIDEST), NARROWEST), style, most)
    lines = [*styled(wrapped(view.headline, page.width), style, "yes" if view.is_open else "no")]
    if view.closing:
        lines += ["", *page.heading("The rules that say no"), *page.rules(view.closing)]
    lines.append("")
    for label, text in view.about:
        lines += wrapped(text, page.width, f"{label + ':':<{_LABEL}}", " " * _LABEL)
    lines += page.payload(view)
    if view.groups or view.narrowing:
        lines += page.staying(view)
    lines += ["", *page.drift(view.drift)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Page:
    """
    The width and the styles that all parts share.

    Attributes:
        most: How many lines of a group are shown before it is folded.
    """

    width: int
    style: Style
    most: int | None

    def heading(self, text: str, indent: str = "") -> Iterator[str]:
        return styled(wrapped(text, self.width, indent), self.style, "heading")

    def quiet(self, text: str, indent: str) -> Iterator[str]:
        return styled(wrapped(text, self.width, indent), self.style, "quiet")

    def rules(self, rules: Sequence[Rule]) -> Iterator[str]:
        for rule in rules:
            yield from styled(wrapped(rule.message, self.width, "  "), self.style, "value")
            if rule.remedy:
                yield from wrapped(f"What would change it: {rule.remedy}", self.width, "    ")
            yield from self.quiet(f"The policy: {quoting(rule.quote)}", "    ")
            yield from self.quiet(f"[{rule.code}, {rule.citation}]", "    ")

    def payload(self, view: View) -> Iterator[str]:
        payload = view.payload
        if payload is None:
            return
        title = "What would be sent"
        if view.is_supposed:
            title = f"{view.supposition} (a supposition: this is not sent)"
        yield ""
        yield from self.heading(title)
        for section in view.sections:
            yield from self.section(section)
        yield ""
        size = f"{many(view.size, 'value')}, {many(len(payload.body), 'byte')}, period {payload.period}"
        yield from wrapped(size, self.width, "  ")
        yield from self.quiet(f"sha256 {payload.sha256}", "  ")
        if view.envelope is not None:
            yield ""
            yield from self.heading("The request, whole")
            yield from wrapped(f"{view.envelope.method} {view.envelope.url}", self.width, "  ", "      ")
            for name, value in view.envelope.headers:
                yield from wrapped(f"{name}: {value}", self.width, "  ", "      ")
            yield "  and these bytes: --format payload"

    def section(self, section: Section) -> Iterator[str]:
        yield ""
        yield f"  {self.style(section.name, 'section')} {self.style(f'({len(section.rows)})', 'quiet')}"
        amounts = [len(row.value) for row in section.rows if not row.parts]
        value = min(max([_VALUE, *amounts]), _WIDEST_VALUE)
        unit = min(max(len(row.unit) for row in section.rows), _UNIT)
        for row in section.rows:
            yield from self.row(row, value, 2 + value + (1 + unit if unit else 0) + 2)

    def row(self, row: Row, end: int, start: int) -> Iterator[str]:
        """
        Yield the value, its unit, what it says and its path: in three columns, in two, or one below the other.

        Args:
            end: Columns of the value, after the indent.
            start: Where the sentence begins.
        """
        value = "" if row.parts else row.value
        unit = f" {row.unit}" if row.unit else ""
        pad = max(2, 2 + end - len(value))
        head = " " * pad + (self.style(value, "value") if value else "") + unit
        filled = pad + len(value) + len(unit)
        is_stacked = self.width - start < _SENTENCE
        is_wide = self.width - start >= _SENTENCE + _ROOMY + _PATH
        indent = " " * (6 if is_stacked else start)
        room = self.width - _PATH - 2 if is_wide else self.width
        first, *more = wrapped(row.says, room, indent)
        if filled + 2 > len(indent):
            yield head
            head, filled = "", 0
        origin = f"{row.path}, {row.done}" if row.done not in ("", "as it is") else row.path
        is_beside = is_wide and len(origin) <= _PATH
        first = head + first[filled:] + " " * (room + 2 - len(first)) * is_beside
        yield first + (self.style(origin, "quiet") if is_beside else "")
        yield from more
        yield from styled(_listed(row.parts, room, indent), self.style, "value")
        if not is_beside:
            yield from self.quiet(origin, indent)

    def staying(self, view: View) -> Iterator[str]:
        yield ""
        yield from self.heading(f"What stays here, and why ({many(view.staying, 'path')})")
        for group in view.groups:
            yield from self.group(group)
        if view.narrowing:
            yield ""
            yield from self.heading("The rules that keep a part here")
            yield from self.rules(view.narrowing)

    def group(self, group: Group) -> Iterator[str]:
        shown, hidden = self.folded(group.paths)
        ends = [len(path.path) + 6 for path in shown]
        column = max((end for end in ends if end <= self.width // 2), default=0)
        yield ""
        first, *more = wrapped(f"{group.title[0].upper()}{group.title[1:]} ({len(group.paths)})", self.width, "  ")
        yield from styled([first, *more], self.style, "section")
        for path in shown:
            why = path.why if path.why != group.title else ""
            yield from beside(path.path, why, width=self.width, indent=4, column=column, style=self.style)
            if path.value:
                yield from self.quiet(f"= {path.value}", "      ")
        yield from self.rest(hidden, "    ")

    def drift(self, lines: Sequence[str]) -> Iterator[str]:
        if not lines:
            yield from wrapped("Drift: none. The catalogue knows every path of this document.", self.width)
            return
        shown, hidden = self.folded(lines)
        title = f"Drift: {many(len(lines), 'path')} that the catalogue doesn't know; dropped"
        yield from styled(wrapped(title, self.width), self.style, "warning")
        for line in shown:
            yield from wrapped(line, self.width, "  ", "    ")
        yield from self.rest(hidden, "  ")

    def folded(self, items: Sequence[_Item]) -> tuple[Sequence[_Item], int]:
        """Return the *items* that are shown and how many are not; a fold hides two at least."""
        if self.most is None or len(items) <= self.most + 1:
            return items, 0
        return items[: self.most], len(items) - self.most

    def rest(self, hidden: int, indent: str) -> Iterator[str]:
        if hidden:
            yield from self.quiet(f"\N{HORIZONTAL ELLIPSIS} and {grouped(hidden)} more: --all shows them", indent)


def _listed(parts: Sequence[str], width: int, indent: str) -> list[str]:
    """Return the rows of a table one after the other, none broken in the middle."""
    tied = ", ".join(part.replace(" ", _TIE) for part in parts)
    return [line.replace(_TIE, " ") for line in wrapped(tied, width, indent)] if parts else []
