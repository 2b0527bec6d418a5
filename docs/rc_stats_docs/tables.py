"""Docutils tables whose cells are made of text, code, and links to what the reference describes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx import addnodes

ROOT: Final = Path(__file__).parent.parent.parent
"""The project."""


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax of the Python file at *path*, read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


Cell = Sequence[nodes.Node]


def text(words: str) -> nodes.paragraph:
    """Return *words* as a paragraph; what stands between backticks is code."""
    paragraph = nodes.paragraph()
    for place, part in enumerate(words.split("`")):
        if part:
            paragraph += nodes.literal(text=part) if place % 2 else nodes.Text(part)
    return paragraph


def quote(words: str) -> nodes.paragraph:
    """Return *words* as somebody else's."""
    return nodes.paragraph(
        "", "", nodes.emphasis(text=f"\N{LEFT DOUBLE QUOTATION MARK}{words}\N{RIGHT DOUBLE QUOTATION MARK}")
    )


def code(name: str) -> addnodes.pending_xref:
    """Return a link to the object *name*, which the reference must describe."""
    shown = nodes.literal(text=name.removeprefix("rc_stats."))
    link = addnodes.pending_xref("", shown, refdomain="py", reftype="obj", reftarget=name, refexplicit=True)
    link["refwarn"] = True
    return link


def label(name: str, shown: str) -> addnodes.pending_xref:
    """Return a link to the label *name*."""
    link = addnodes.pending_xref(
        "", nodes.inline(text=shown), refdomain="std", reftype="ref", reftarget=name, refexplicit=True
    )
    link["refwarn"] = True
    return link


def listed(items: Iterable[Sequence[nodes.Node]]) -> nodes.bullet_list:
    """Return a list; each item is made of inline nodes."""
    found = nodes.bullet_list(classes=["simple"])
    for item in items:
        found += nodes.list_item("", nodes.paragraph("", "", *item))
    return found


def table(
    titles: Sequence[str], rows: Iterable[Sequence[Cell]], *, widths: Sequence[int], classes: Sequence[str] = ()
) -> nodes.table:
    """Return a table. On a narrow screen its rows become cards, in which each cell bears its column's title."""
    group = nodes.tgroup(cols=len(titles))
    for width in widths:
        group += nodes.colspec(colwidth=width)
    group += nodes.thead("", _row([[nodes.paragraph(text=title)] for title in titles]))
    body = nodes.tbody()
    for cells in rows:
        body += _row([[_titled(title), *cell] for title, cell in zip(titles, cells, strict=True)])
    group += body
    return nodes.table("", group, classes=["cards", "colwidths-given", *classes])


def _titled(title: str) -> nodes.paragraph:
    return nodes.paragraph(text=title, classes=["card-title"])


def _row(cells: Iterable[Cell]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", *cell)
    return row
