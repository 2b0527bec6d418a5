"""One document: from bytes to what may leave, in several orders, with junk, and the whole way to a cleared payload."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from time import process_time
from typing import Any, Final

import orjson

import rivals
from documents import BUSY, EXAMPLE, REAL, compact, orders, with_junk
from measuring import FLOOR, Figure, figure, in_turns, times_for
from rc_stats import Anonymiser, Consent, Switches, Terms, Workspace, clear, decide, load_catalogue, load_policy

EXPLAINED_GOAL: Final = 6.0
"""At most this many times the floor, with a finding for every path."""

WITHOUT: Final = "without findings"
WITH: Final = "with findings"
WHOLE: Final = "to a cleared payload"
PARSE: Final = "without findings, of that the parse"
WRITE: Final = "without findings, of that the write"
GOALS: Final = {
    REAL: 1.6,
    f"{REAL}, keys shuffled": 2.0,
    BUSY: 1.1,
    f"{BUSY}, keys shuffled": 2.0,
}
"""At most so many times the floor, without findings."""

JUNK: Final = {"0.1 MB": 100_000, "1 MB": 1_000_000, "4 MB": 4_000_000}
JUNK_GOAL: Final = 1.0
RIVAL_GOAL: Final = 10.0
"""At least so many times slower than rc-stats is the nearest that can be taken for the job."""

NOW: Final = datetime(2026, 8, 31, 12, tzinfo=UTC)

Calls = Mapping[str, Callable[[], bytes]]


@cache
def anonymiser() -> Anonymiser:
    """Return the anonymiser of the packaged catalogue, with everything compiled."""
    made = Anonymiser(load_catalogue())
    made.prepare()
    return made


@cache
def agreed() -> tuple[Terms, Consent]:
    """Return the packaged terms and a yes to them."""
    terms = Terms(load_policy(), load_catalogue())
    return terms, Consent().grant(terms, at=datetime(2026, 7, 1, tzinfo=UTC))


def body(data: bytes) -> bytes:
    """Return the payload of *data*: anonymised, decided anew, cleared."""
    terms, consent = agreed()
    report = anonymiser()(data, findings=False)
    recipient = terms.policy.recipient
    decision = decide(
        Workspace("registered"),  # type: ignore[arg-type]
        consent,
        recipient,
        Switches(),
        NOW,
        terms=terms,
        evidence=report.evidence,
    )
    return clear(report, decision).body


def ways(data: bytes) -> dict[str, Callable[[], bytes]]:
    """Return what takes turns on *data*: the floor, and from bytes to canonical bytes in both ways."""
    ours = anonymiser()
    return {
        FLOOR: lambda: orjson.dumps(orjson.loads(data)),
        WITHOUT: lambda: ours(data, findings=False).encoded(),
        WITH: lambda: ours(data).encoded(),
    }


def parts(data: bytes) -> dict[str, Callable[[], bytes]]:
    """Return the first and the last part of the way without findings; what lies between them settles the leaves."""
    ours = anonymiser()
    report = ours(data, findings=False)
    decode = ours._fast and ours._fast._decode  # noqa: SLF001 - no caller needs them apart
    if decode is None:
        raise RuntimeError("The catalogue can't be read fast.")

    def parse() -> bytes:
        decode(data)
        return b""

    return {PARSE: parse, WRITE: report.encoded}


def together(calls: Mapping[str, Calls], rounds: int, block_seconds: float) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of all calls by subject and name; in each round every subject has its turn."""
    times = {
        subject: {name: times_for(call, block_seconds) for name, call in own.items()} for subject, own in calls.items()
    }
    taken: dict[str, dict[str, list[float]]] = {subject: {name: [] for name in calls[subject]} for subject in calls}
    turn = max(map(len, calls.values()))
    while rounds > 0:
        for subject, own in calls.items():
            # As many at a time as there are candidates, so that each comes first once.
            for name, seconds in in_turns(own, min(rounds, turn), times[subject], process_time).items():
                taken[subject][name] += seconds
        rounds -= turn
    return taken


def measure_orders(rounds: int, block_seconds: float) -> list[Figure]:
    """
    Measure the anonymiser on every order of keys, and the whole way.

    Args:
        block_seconds: About how long a candidate's calls in one round take together; 0 for one call.
    """
    calls: dict[str, dict[str, Callable[[], bytes]]] = {}
    for subject, data in orders().items():
        calls[subject] = ways(data)
        if calls[subject][WITHOUT]() != calls[subject][WITH]():
            print(f"{subject}: the bytes differ with and without findings; the figures mean nothing.", file=sys.stderr)
        if subject in (REAL, BUSY):
            calls[subject][WHOLE] = lambda data=data: body(data)  # type: ignore[misc]
            calls[subject] |= parts(data)
    taken = together(calls, rounds, block_seconds)
    goals = {subject: {WITHOUT: GOALS.get(subject), WITH: EXPLAINED_GOAL} for subject in taken}
    return [
        figure(subject, name, seconds, own[FLOOR], goals[subject].get(name))
        for subject, own in taken.items()
        for name, seconds in own.items()
        if name != FLOOR
    ]


def junk() -> dict[str, bytes]:
    """Return the example with ever more that no catalogue knows."""
    example = orjson.loads(compact(EXAMPLE))
    return {f"{name} of junk": orjson.dumps(with_junk(example, size)) for name, size in JUNK.items()}


def measure_junk(rounds: int, block_seconds: float) -> list[Figure]:
    """Measure the anonymiser on growing junk: a ratio that stays shows that cost is linear."""
    taken = together({subject: ways(data) for subject, data in junk().items()}, rounds, block_seconds)
    goals = {WITHOUT: JUNK_GOAL, WITH: EXPLAINED_GOAL}
    return [
        figure(subject, name, own[name], own[FLOOR], goal)
        for subject, own in taken.items()
        for name, goal in goals.items()
    ]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many functions were called for one document: work that no clock has to measure."""

    subject: str
    size: int
    without_findings: int
    with_findings: int


def functions_called(call: Callable[[], object]) -> int:
    """Return how many functions *call* calls, of Python and of C."""
    counted = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return counted - 1  # its own end


def count_work() -> list[Counted]:
    """Count the work on growing junk: the same number without findings, and no more than in proportion with them."""
    found = []
    for subject, data in junk().items():
        calls = ways(data)
        calls[WITHOUT]()
        found.append(Counted(subject, len(data), functions_called(calls[WITHOUT]), functions_called(calls[WITH])))
    return found


@dataclass(frozen=True, slots=True)
class Tried:
    """A rival's figure, and what it makes of a document that tempts it; None for the figure if it isn't installed."""

    rival: rivals.Rival
    figure: Figure | None
    faults: tuple[str, ...] = ()


def measure_rivals(rounds: int, block_seconds: float) -> tuple[list[Tried], Figure | None]:
    """Return what rivals take on the real document, and how much slower than rc-stats the nearest for the job is."""
    data = orders()[REAL]
    there = {rival.name: rival.make() for rival in rivals.single() if rival.make and rival.is_installed}
    calls: dict[str, Callable[[], bytes]] = {name: call for name, call in ways(data).items() if name != WITH}
    calls |= {name: lambda clear=clear: clear(data) for name, clear in there.items()}  # type: ignore[misc]
    own = together({REAL: calls}, rounds, block_seconds)[REAL]
    tried = []
    nearest: Figure | None = None
    for rival in rivals.single():
        if rival.name not in there:
            tried.append(Tried(rival, None))
            continue
        tried.append(
            Tried(
                rival,
                figure(REAL, rival.name, own[rival.name], own[FLOOR]),
                tuple(rivals.faults(there[rival.name](rivals.probe()))),
            )
        )
        ours = figure(REAL, rival.name, own[rival.name], own[WITHOUT], RIVAL_GOAL)
        if rival.does_the_job and (nearest is None or ours.ratio < nearest.ratio):
            nearest = ours
    return tried, nearest
