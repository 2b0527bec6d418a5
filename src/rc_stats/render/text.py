"""The preview as plain text: the verdict first, 80 columns wide, styled only where a terminal wants it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Final

from rc_stats.render.view import Group, Row, Rule, Section, View
from rc_stats.render.words import many

Style = Callable[[str, str], str]
"""Styles a piece of text for a role: ``yes``, ``no``, ``heading`` or ``quiet``."""

_VALUE_WIDTH: Final = 14
_MOST_IN_GROUP: Final = 12


def quoting(text: str) -> str:
    """Return *text* in quotation marks."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}"


def plain(text: str, _: str) -> str:
    """Return *text* unstyled."""
    return text


def as_text(view: View, *, width: int = 80, style: Style = plain) -> str:
    """
    Return *view* as text.

    Args:
        width: Columns of the page.
        style: How a role looks; plain by default.
    """
    lines = [style(line, "yes" if view.is_open else "no") for line in textwrap.wrap(view.headline, width)]
    lines.append("")
    for label, text in view.about:
        lines += textwrap.wrap(text, width, initial_indent=f"{label + ':':<11}", subsequent_indent=" " * 11)
    if view.closing:
        lines += ["", style("The rules that say no", "heading"), *_rules(view.closing, width, style)]
    lines += _payload(view, width, style)
    if view.groups:
        lines += ["", style(f"What stays here, and why ({many(view.staying, 'path')})", "heading")]
        for group in view.groups:
            lines += _group(group, width, style)
    if view.narrowing:
        lines += ["", style("The rules that keep a part here", "heading"), *_rules(view.narrowing, width, style)]
    lines += _drift(view, width, style)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _rules(rules: tuple[Rule, ...], width: int, style: Style) -> Iterator[str]:
    for rule in rules:
        yield from _wrapped(rule.message, width, "  ")
        if rule.remedy:
            yield from _wrapped(f"What would change it: {rule.remedy}", width, "    ")
        quoted = _wrapped(f"The policy: {quoting(rule.quote)}", width, "    ")
        yield from (style(line, "quiet") for line in quoted)
        yield style(f"    [{rule.code}, {rule.citation}]", "quiet")


def _payload(view: View, width: int, style: Style) -> Iterator[str]:
    if view.payload is None:
        return
    title = "What would be sent"
    if view.is_supposed:
        title = "What a yes would send (a supposition: this is not sent)"
    yield ""
    yield style(title, "heading")
    for section in view.sections:
        yield from _section(section, width, style)
    payload = view.payload
    yield ""
    size = f"{many(view.size, 'value')}, {many(len(payload.body), 'byte')}, period {payload.period}"
    yield from _wrapped(size, width, "  ")
    yield style(f"  sha256 {payload.sha256}", "quiet")
    if view.envelope is not None:
        yield ""
        yield style("The request, whole", "heading")
        yield f"  {view.envelope.method} {view.envelope.url}"
        for name, value in view.envelope.headers:
            yield from textwrap.wrap(
                f"{name}: {value}", width, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False
            )
        yield "  and these bytes: --format payload"


def _section(section: Section, width: int, style: Style) -> Iterator[str]:
    yield ""
    yield f"  {style(section.name, 'heading')}"
    for row in section.rows:
        yield from _row(row, width, style)


def _row(row: Row, width: int, style: Style) -> Iterator[str]:
    indent = " " * (_VALUE_WIDTH + 4)
    text = _wrapped(row.says, width, indent)
    if len(row.value) <= _VALUE_WIDTH:
        yield f"  {row.value:>{_VALUE_WIDTH}}  {text[0].lstrip()}"
        yield from text[1:]
    else:
        yield from _wrapped(row.value, width, "    ")
        yield from text
    yield style(f"{indent}{row.path}{f', {row.done}' if row.done not in ('', 'as it is') else ''}", "quiet")


def _group(group: Group, width: int, style: Style) -> Iterator[str]:
    yield ""
    yield from _wrapped(f"{group.title[0].upper()}{group.title[1:]} ({len(group.paths)})", width, "  ")
    for staying in group.paths[:_MOST_IN_GROUP]:
        detail = f"  {staying.why}" if staying.why != group.title else ""
        if len(staying.path) + len(detail) + 4 > width:
            yield f"    {staying.path}"
            yield from (style(line, "quiet") for line in _wrapped(detail.strip(), width, "      "))
        else:
            yield f"    {staying.path}{style(detail, 'quiet')}"
        if staying.value:
            yield from (style(line, "quiet") for line in _wrapped(f"= {staying.value}", width, "      "))
    if len(group.paths) > _MOST_IN_GROUP:
        yield style(f"    and {len(group.paths) - _MOST_IN_GROUP} more: --format json names all", "quiet")


def _drift(view: View, width: int, style: Style) -> Iterator[str]:
    yield ""
    if not view.drift:
        yield from _wrapped("Drift: none. The catalogue knows every path of this document.", width, "")
        return
    yield style(f"Drift: {many(len(view.drift), 'path')} that the catalogue doesn't know; dropped", "heading")
    for line in view.drift[:_MOST_IN_GROUP]:
        yield from textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="    ")
    if len(view.drift) > _MOST_IN_GROUP:
        yield style(f"  and {len(view.drift) - _MOST_IN_GROUP} more: --format json names all", "quiet")


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False) or [""]
