"""A whole run: inputs to payloads and decisions, whoever does the work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from rc_stats._version import __version__
from rc_stats.catalogue import load_catalogue
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.fleet.inputs import Done, Task, tasks_of
from rc_stats.fleet.lines import Options
from rc_stats.fleet.output import Output, Point, Tally, decisions_name, output_of, own_names, packing_of_name
from rc_stats.fleet.pieces import END, LONGEST_LINE, SIZE, Outcome, Work, numbered
from rc_stats.fleet.places import Place, is_url, local_path, places_of
from rc_stats.fleet.ring import Engine, Here, Ring
from rc_stats.policy import load_policy

PIECES_BETWEEN_SAVES: Final = 128
"""After so many pieces what was done is made safe against a crash: a second or two of work."""


@dataclass(frozen=True, slots=True)
class State:
    """
    How far a run is.

    Attributes:
        passed: Bytes of the inputs that are behind, as they lie there.
        total: Bytes of all inputs; None if that can't be known.
        tally: What was done so far, by this run and by one before it that it goes on from.
    """

    passed: int
    total: int | None
    tally: Tally


def run(
    names: Iterable[str],
    output: str,
    options: Options,
    *,
    workers: int = 1,
    scheduler: str = "",
    resume: bool = False,
    on_state: Callable[[State], None] | None = None,
    size: int = SIZE,
    pieces_between_saves: int = PIECES_BETWEEN_SAVES,
) -> State:
    """
    Decide every line of the inputs, write payloads and decisions, and return what was done.

    The output depends on inputs and options alone: not on how many work, where, or how often the run was interrupted.

    Args:
        names: Paths, patterns, URLs, or ``-``. A pattern leaves out decisions, and the output of the run before.
        output: A path or URL for the payloads; the decisions stand beside it, see :func:`decisions_name`. Its ending
            chooses the packing of both: ``.gz``, ``.zst`` or none.
        workers: Processes; 1 for this one alone. They begin as any process of :mod:`multiprocessing` that is spawned.
        scheduler: Address of a Dask scheduler, whose cluster does the work instead.
        resume: Go on where a run before into the same output has stopped; without one, begin.
        on_state: Is told now and then how far the run is.
        size: Bytes in which the lines of a piece begin.
        pieces_between_saves: How often what was done is made safe against a crash.

    Raises:
        UsageError: ``workers``, ``output``, ``output-busy``, ``input-is-output``, ``resume-…``.
        UnusableInput: ``no-document``: nothing in the inputs can be used.
        RcStatsError: ``output``, ``worker-ended``, ``cluster``. What was done is kept, to go on from.
    """
    if workers < 1 or not 1 <= size <= LONGEST_LINE:
        raise UsageError("At least one worker does the work.", rule="workers")
    places = places_of(names, own_names(output))
    if not any(place.is_there for place in places):
        raise UnusableInput("None of the inputs is there.", rule="no-document", remedy="Check their names.")
    _check_apart(places, output)
    is_resumable = all(place.stamp for place in places if place.is_there)
    with output_of(
        output,
        work=_digest(places, output, options, size),
        now=options.now,
        is_resumable=is_resumable,
        resume=resume,
    ) as written:
        engine = _engine(Work(options, packing_of_name(output)), workers, scheduler)
        course = _Course(places, written, on_state, pieces_between_saves)
        if not written.is_finished:
            course.go(engine.outcomes(tasks_of(places, written.point.done, size)))
        written.finish()
    if course.point.tally.lines == course.point.tally.unusable:
        raise UnusableInput(
            "Nothing in the inputs can be used.",
            rule="no-document",
            remedy="The decisions say of each line why.",
        )
    return course.state()


def _engine(work: Work, workers: int, scheduler: str) -> Engine:
    if scheduler:
        from rc_stats.fleet.cluster import Cluster  # noqa: PLC0415 - it takes a second to load

        return Cluster(work, scheduler)
    return Here(work) if workers == 1 else Ring(work, workers)


def _check_apart(places: Sequence[Place], output: str) -> None:
    """Refuse to read what is written, as a pattern may that also finds the output of the run before."""
    if is_url(output):
        return
    path = local_path(output)
    outputs = [other for other in (path, path.with_name(decisions_name(path.name))) if other.exists()]
    for place in places:
        local = Path(place.name)
        if place.is_there and local.exists() and any(local.samefile(other) for other in outputs):
            raise UsageError(
                "An input is the output of this very run.", rule="input-is-output", remedy="Choose another name for it."
            )


def _digest(places: Sequence[Place], output: str, options: Options, size: int) -> str:
    """Return a digest of all that the output depends on."""
    workspace = options.workspace
    countries = workspace.objections.countries
    told = {
        "version": __version__,
        "catalogue": load_catalogue().digest,
        "policy": load_policy().effective,
        "size": size,
        "output": packing_of_name(output),
        "inputs": [[place.name, place.size, place.stamp, place.is_there] for place in places],
        "now": options.now,
        "workspace": workspace.kind,
        "subprocessors": sorted(workspace.objections.subprocessors),
        "countries": None if countries is None else sorted(countries),
        "consent": hashlib.sha256(options.consent).hexdigest(),
        "profile": options.profile,
        "switches": options.switches.on,
        "drift": options.with_drift,
        "label": options.label,
    }
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


class _Course:
    """The way through the inputs: numbers lines, counts, and says now and then what is done."""

    def __init__(
        self,
        places: Sequence[Place],
        output: Output,
        on_state: Callable[[State], None] | None,
        pieces_between_saves: int,
    ) -> None:
        self._places = {place.number: place for place in places}
        self._output = output
        self._on_state = on_state
        self._between = pieces_between_saves
        sizes = [place.size for place in places if place.is_there]
        self._total = None if None in sizes else sum(size for size in sizes if size is not None)
        self.point = output.point
        self._passed = 0

    def state(self) -> State:
        """Return how far the run is."""
        before = sum(place.size or 0 for number, place in self._places.items() if number < self.point.done.place)
        return State(before + self._passed, self._total, self.point.tally)

    def go(self, outcomes: Iterator[tuple[Task, Outcome]]) -> None:
        """Write *outcomes* as they come."""
        number = 0
        for number, (task, outcome) in enumerate(outcomes, 1):
            if task.place == self.point.done.place and self.point.done.offset == END:
                continue  # the input has ended by a fault, and this piece of it was under way
            self._take(task, outcome)
            if number % self._between == 0:
                self._output.save(self.point)
        self._output.save(self.point)

    def _take(self, task: Task, outcome: Outcome) -> None:
        point = self.point if task.place == self.point.done.place else replace(self.point, line=1)
        tally = point.tally
        if outcome.fault:
            record = orjson.dumps({"verdict": "refused", "reasons": [outcome.fault]})[1:-1] + b"\n"
            records, _ = numbered(record, task.place, point.line)
            tally.faults += 1
            done, line = Done(task.place, END), point.line
        else:
            records, line = numbered(outcome.records, task.place, point.line)
            done = Done(task.place, task.offset)
            tally.lines += records.count(b"\n")
        tally.cleared += outcome.cleared
        tally.unusable += outcome.unusable
        tally.add(outcome.refused)
        self._output.write(outcome.payloads, records)
        self.point = Point(done, line, tally)
        self._passed = task.passed
        if self._on_state is not None:
            self._on_state(self.state())
