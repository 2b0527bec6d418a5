"""How time and memory are measured: in turns, as ratios to a floor of the same rounds, with their spread."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time, sleep
from typing import Final

FLOOR: Final = "floor"
if sys.platform != "win32":
    import resource

_KIB: Final = 1024
_GLANCE_SECONDS: Final = 0.01
"""How often memory is looked at. What is read is a high-water mark, so only the last moments can be missed."""


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One line of a table.

    Attributes:
        subject: The document, or the command.
        variant: What was done with it.
        floor_seconds, seconds: Medians of one call.
        ratio: Median of the ratios of the rounds.
        low, high: Their quartiles.
        goal: The ratio that is aimed at; None where there is no aim.
    """

    subject: str
    variant: str
    floor_seconds: float
    seconds: float
    ratio: float
    low: float
    high: float
    goal: float | None = None


Clock = Callable[[], float]
"""Seconds since some moment: on the wall, or of this process at work, which leaves out waiting for others."""


def work_of_children() -> float:
    """Return the seconds that ended processes of this one were at work, those that they started included."""
    if sys.platform == "win32":
        return perf_counter()  # it isn't told there
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def seconds_of(call: Callable[[], object], times: int = 1, clock: Clock = perf_counter) -> float:
    """Return the seconds of one of *times* calls in a row."""
    start = clock()
    for _ in range(times):
        call()
    return (clock() - start) / times


def times_for(call: Callable[[], object], block_seconds: float) -> int:
    """Return how many calls in a row take about *block_seconds*; 1 where that is 0, without trying."""
    if not block_seconds:
        return 1
    return max(1, round(block_seconds / min(seconds_of(call, clock=process_time) for _ in range(3))))


def in_turns(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    times: Mapping[str, int] | None = None,
    clock: Clock = perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each call in each round; who comes first moves on from round to round."""
    names = list(calls)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(seconds_of(calls[name], times[name] if times else 1, clock))
    return taken


def figure(
    subject: str, variant: str, own: Sequence[float], floor: Sequence[float], goal: float | None = None
) -> Figure:
    """Return the figure of *own* times against the *floor* of the same rounds."""
    ratios = [one / other for one, other in zip(own, floor, strict=True)]
    low, middle, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Figure(subject, variant, median(floor), median(own), middle, low, high, goal)


def table(title: str, floor: str, figures: Sequence[Figure], *, unit: str, factor: float) -> str:
    """Return *figures* as a plain table, its times in *unit*, of which a second has *factor*."""
    if not figures:
        return f"{title}\nnot measured"
    width = max(len(f"{one.subject}, {one.variant}") for one in figures)
    lines = [title, f"{'':{width}}  {floor + ', ' + unit:>18}  {'own, ' + unit:>10}   ratio  quartiles        goal"]
    for one in figures:
        aim = f"<= {one.goal:g}" if one.goal is not None else ""
        name, floor_time, time = f"{one.subject}, {one.variant}", one.floor_seconds * factor, one.seconds * factor
        spread = f"{one.low:6.2f} - {one.high:<6.2f}"
        row = f"{name:{width}}  {floor_time:18.1f}  {time:10.1f}  {one.ratio:6.2f}  {spread}  {aim}"
        lines.append(row.rstrip())
    return "\n".join(lines)


def run(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> int:
    """Run *command* to its end without showing its output, and return its exit code."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment
    ).returncode


def done(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """
    Run *command* to its end.

    Raises:
        RuntimeError: It failed: its time would mean nothing.
    """
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    if ended.returncode:
        told = ended.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{Path(command[0]).name} ended with exit code {ended.returncode}: {(told or [''])[-1]}")


def held_by(process: int) -> dict[int, int]:
    """Return the most bytes that *process* and each that it started have held so far, by process."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    except OSError:
        return {}
    found = {}
    for line in status.splitlines():
        if line.startswith("VmHWM"):
            found[process] = int(line.split()[1]) * _KIB
    for child in children:
        found |= held_by(int(child))
    return found


def most_held(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> list[int]:
    """
    Run *command* and return the most bytes that each of its processes has held, the largest first.

    It is empty where the system doesn't tell. The resource usage of a finished child is no help: it begins with what
    this process holds.
    """
    held: dict[int, int] = {}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as running:
        while running.poll() is None:
            for process, most in held_by(running.pid).items():
                held[process] = max(held.get(process, 0), most)
            sleep(_GLANCE_SECONDS)
    if running.returncode:
        raise RuntimeError(f"{Path(command[0]).name} ended with exit code {running.returncode}.")
    return sorted(held.values(), reverse=True)
