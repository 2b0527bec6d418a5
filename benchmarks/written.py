"""A run in the documentation: its tables and its chart. Only ratios and versions: other times are of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import growth
from aims import MISSED, NOT_JUDGED, Aim, times
from chart import drawn, summary
from documents import ROOT
from growth import Growth
from many import Held, Many
from measuring import Figure
from single import Counted, Tried

PAGE: Final = ROOT / "docs" / "performance.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "cost.svg"
BEGIN: Final = "<!-- What follows is written by: make bench-docs -->"
END: Final = "<!-- End of what is written -->"
"""Between these lines of the page nothing is written by hand."""


def rows(titles: Sequence[str], cells: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    every = [titles, ["---"] * len(titles), *cells]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in every)


def of_figures(title: str, figures: Sequence[Figure]) -> str:
    """Return *figures* as a table under *title*."""
    cells = [
        (f"{one.subject}, {one.variant}", times(one), f"≤ {one.goal:g}" if one.goal is not None else "")
        for one in figures
    ]
    return rows((title, "ratio (quartiles)", "goal"), cells)


def of_rivals(tried: Sequence[Tried]) -> str:
    """Return what else could be taken, with what each makes of a document that tempts it."""
    cells = []
    for one in tried:
        if one.figure is None:
            cells.append((one.rival.name, "not installed", one.rival.does, ""))
        else:
            found = ", ".join(one.faults) or "nothing"
            cells.append((f"{one.rival.name} {one.rival.version}", times(one.figure), one.rival.does, found))
    return rows(("rival", "× floor (quartiles)", "does the job?", "what a tempting document shows"), cells)


def of_memory(held: Sequence[Held]) -> str:
    """Return what processes held."""
    cells = [
        (one.subject, one.documents, ", ".join(f"{each / 1024**2:.0f}" for each in one.each) or "not told")
        for one in held
    ]
    return rows(("what", "documents", "MiB of each process"), cells)


def of_work(counted: Sequence[Counted]) -> str:
    """Return how many functions were called."""
    cells = [(one.subject, one.size, one.without_findings, one.with_findings) for one in counted]
    return rows(("document", "bytes", "without findings", "with findings"), cells)


def of_aims(aims: Sequence[Aim]) -> str:
    """Return what is aimed at and what is reached of it."""
    return rows(("what", "goal", "this run", "outcome"), [(one.what, one.goal, one.found, one.outcome) for one in aims])


def left(aims: Sequence[Aim]) -> str:
    """Return what is not reached, each with its reason."""
    told = [f"- **{one.what}**, {one.outcome}. {one.reason}" for one in aims if one.outcome in (MISSED, NOT_JUDGED)]
    return "\n".join(told) or "Every goal was reached in this run."


def section(
    *,
    made_by: Mapping[str, str],
    aims: Sequence[Aim],
    orders: Sequence[Figure],
    junk: Sequence[Figure],
    counted: Sequence[Counted],
    measured: Many,
    tried: Sequence[Tried],
    starts: Sequence[Figure],
    how_started: str,
    grown: Sequence[Growth],
) -> str:
    """Return what stands on the page between its marks."""
    documents = next((one.sizes[-1] for one in grown if one.subject == growth.DOCUMENTS), 0)
    parts = [
        "## The goals, and a run",
        "Measured with " + ", ".join(f"{name} {told}" for name, told in made_by.items()) + ".",
        of_aims(aims),
        "## What is not reached, and why",
        left(aims),
        "## Figures",
        of_figures("bytes to bytes, × floor", orders),
        of_figures("with junk that the catalogue doesn't know, × floor", junk),
        "How many functions are called for one document, of Python and of C, which no clock has to measure:",
        of_work(counted),
        f"From start to end of a process, of {how_started}:",
        of_figures("start, × bare Python", starts),
        f"Files of {measured.documents} documents; the start of the process is in the figures:",
        of_figures("lines to lines, × floor", [*measured.figures, measured.two]),
        of_memory(measured.held),
        "## What else could be taken",
        of_rivals(tried),
        "## Cost against size",
        f"![{summary(grown)}](pictures/{PICTURE.name})",
        "Both axes are logarithmic, so cost in proportion to size is a straight line that rises as fast as it goes "
        f"across. Up to {documents} documents were in a file.",
    ]
    return "\n\n".join(parts)


def replaced(page: str, told: str) -> str:
    """
    Return *page* with *told* between its marks.

    Raises:
        ValueError: The marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("The page has no marks to write between.")
    return f"{before}{BEGIN}\n\n{told}\n\n{END}{after}"


def write(told: str, grown: Sequence[Growth], page: Path = PAGE, picture: Path = PICTURE) -> None:
    """Write the section into the page, and the chart."""
    page.write_text(replaced(page.read_text(encoding="utf-8"), told), encoding="utf-8")
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(drawn(grown), encoding="utf-8")
