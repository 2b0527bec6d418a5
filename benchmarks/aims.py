"""What is aimed at, what a run has reached of it, and why the rest is not reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import many
import single
import starting
from documents import BUSY, REAL
from many import Held, Many
from measuring import Figure
from single import Counted

REACHED: Final = "reached"
MISSED: Final = "missed"
NOT_JUDGED: Final = "not judged"
"""What may be said of an aim."""

_ONE_DOCUMENT: Final = (
    "Parse and write are compiled and take less than the floor; see their rows below. What lies between them settles "
    "the leaves in Python, while the floor is compiled throughout: the ratio depends on how Python was built."
)
_BUSY: Final = (
    "The goal is that of a reader which checks leaf by leaf. On top of it come here the rules for people in small "
    "numbers, which look at whole tables, and at tables of several periods together; a busy document fills them all."
)
_STARTED: Final = "What is imported first makes up most of a start, and the catalogue is read and compiled each time."
REASONS: Final = {
    "one": _ONE_DOCUMENT,
    "busy": _BUSY,
    "shuffled": (
        "The leaves cost what they cost in the server's order. Besides, the parser looks for keys in the order of the "
        "first document that it met, and has to search in another."
    ),
    "findings": (
        "There is an object for every path of the document, known or not, with its rule and clause. This explains, and "
        "isn't on the way of a report."
    ),
    "rival": "The nearest rival does less of the job.",
    "bulk": (
        "Each line is anonymised as one document is, then decided, wrapped, digested and recorded in the decisions. "
        "The start of the process counts as well."
    ),
    "duckdb": "DuckDB reads its columns without making an object of each document, and decides nothing.",
    "two": "One process hands out, numbers and writes for both; and a second process starts and compiles once more.",
    "held": "What is under way are whole pieces of the input, and memory that was freed is kept by the allocator.",
    "junk": "A key that isn't known has still to be skipped, byte by byte.",
    "linear": "A look-up has come to depend on how many unknown keys there are.",
    "start": _STARTED,
}
"""By kind of aim."""


@dataclass(frozen=True, slots=True)
class Aim:
    """
    One aim.

    Attributes:
        goal, found: In words; what is found is empty if it was not measured.
        outcome: One of :data:`REACHED`, :data:`MISSED`, :data:`NOT_JUDGED`.
        reason: Why it was missed, or is not judged.
    """

    what: str
    goal: str
    found: str
    outcome: str
    reason: str = ""


def aim(what: str, goal: str, found: str, kind: str, *, is_reached: bool) -> Aim:
    """Return the aim with the reason of its *kind* where it is missed."""
    return Aim(what, goal, found, REACHED if is_reached else MISSED, "" if is_reached else REASONS[kind])


def times(figure: Figure) -> str:
    """Return the ratio of *figure* with its quartiles."""
    return f"{figure.ratio:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def at_most(what: str, figure: Figure, against: str, kind: str) -> Aim:
    """Return the aim of *figure*, whose ratio is to be no larger than its goal."""
    goal = figure.goal or 0.0
    return aim(what, f"≤ {goal:g} × {against}", times(figure), kind, is_reached=figure.ratio <= goal)


def of_one(orders: Sequence[Figure], nearest: Figure | None) -> Iterator[Aim]:
    """Yield the aims of one document."""
    for figure in orders:
        if figure.variant == single.WITHOUT and figure.goal is not None:
            kind = _kind(figure.subject)
            yield at_most(f"anonymise {figure.subject}", figure, "floor", kind)
    for figure in orders:
        if figure.variant == single.WITH and figure.subject in (REAL, BUSY):
            yield at_most(f"{figure.subject}, a finding for every path", figure, "floor", "findings")
    what, goal = "the nearest rival in this process that can be taken for the job", f"≥ {single.RIVAL_GOAL:g} × slower"
    if nearest is None:
        yield Aim(what, goal, "", NOT_JUDGED, "None is installed.")
    else:
        named = f"{times(nearest)}: {nearest.variant}"
        yield aim(what, goal, named, "rival", is_reached=nearest.ratio >= single.RIVAL_GOAL)


def _kind(subject: str) -> str:
    if "shuffled" in subject:
        return "shuffled"
    return "busy" if subject == BUSY else "one"


def of_many(measured: Many) -> Iterator[Aim]:
    """Yield the aims of many documents."""
    one = next(figure for figure in measured.figures if figure.variant == many.ONE)
    yield at_most("bulk in one process", one, "floor", "bulk")
    what, goal = "DuckDB on one thread against bulk in one process", "slower"
    if measured.slower is None:
        yield Aim(what, goal, "", NOT_JUDGED, "It isn't installed.")
    else:
        yield aim(what, goal, f"{times(measured.slower)} × ours", "duckdb", is_reached=measured.slower.ratio > 1)
    core = f"two burners get {measured.second_core:.2f} × as much done as one"
    what, goal = "bulk in two processes", f"≤ {many.TWO_GOAL:g} × our own one, where a second core is really there"
    found = f"{times(measured.two)}; {core}"
    if measured.two.ratio > many.TWO_GOAL and measured.second_core < many.SECOND_CORE:
        yield Aim(what, goal, found, NOT_JUDGED, "A second core is not really there: other work is on this machine.")
    else:
        yield aim(what, goal, found, "two", is_reached=measured.two.ratio <= many.TWO_GOAL)
    yield from of_memory(measured.held)


def of_memory(held: Sequence[Held]) -> Iterator[Aim]:
    """Yield the aims of what processes hold."""
    for subject in (many.ONE, many.TWO):
        small, large = sorted((one for one in held if one.subject == subject), key=lambda one: one.documents)
        goal = f"≤ {many.HELD_GOAL / 1024**2:.0f} MiB a process, for any number"
        if not small.each or not large.each:
            yield Aim(f"{subject}, memory", goal, "", NOT_JUDGED, "This system doesn't tell.")
            continue
        grown = large.each[0] / small.each[0]
        most = f"{large.each[0] / 1024**2:.0f} MiB for {large.documents} documents"
        found = f"{most}, {grown:.2f} × that of {small.documents}"
        yield aim(f"{subject}, memory", goal, found, "held", is_reached=large.each[0] <= many.HELD_GOAL)


def of_junk(junk: Sequence[Figure], counted: Sequence[Counted]) -> Iterator[Aim]:
    """Yield the aims of growing junk."""
    for figure in junk:
        if figure.variant == single.WITHOUT and figure.subject.startswith("1 MB"):
            yield at_most(figure.subject, figure, "floor", "junk")
    first, last = counted[0], counted[-1]
    larger = last.size / first.size
    found = (
        f"{last.without_findings / first.without_findings:.2f} × as many without findings, "
        f"{last.with_findings / first.with_findings:.1f} × with, for {larger:.1f} × the bytes"
    )
    is_linear = last.without_findings <= first.without_findings * larger and last.with_findings <= (
        first.with_findings * larger
    )
    yield aim("functions called on growing junk", "linear at most", found, "linear", is_reached=is_linear)


def of_starts(starts: Sequence[Figure]) -> Iterator[Aim]:
    """Yield the aims of starts."""
    for name in starting.GOALS:
        figure = next((figure for figure in starts if figure.subject == name), None)
        if figure is None:
            yield Aim(f"start of {name}", f"≤ {starting.GOALS[name]:g} × bare Python", "", NOT_JUDGED, "Not measured.")
        else:
            yield at_most(f"start of {name}", figure, "bare Python", "start")
