"""Many documents: bulk in one process and in two, what it holds, and rivals, over the same lines from start to end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import rivals
from documents import SAMPLE, compact, write_lines
from measuring import FLOOR, Figure, done, figure, in_turns, most_held, work_of_children
from single import NOW, Tried, agreed
from starting import Installed

ONE: Final = "bulk, one process"
TWO: Final = "bulk, two processes"
LINES: Final = "lines of a file"
BURNER: Final = "one burner"
BURNERS: Final = "two burners"
ONE_GOAL: Final = 1.5
TWO_GOAL: Final = 0.75
"""Of our own one, where a second core is really there."""

SECOND_CORE: Final = 1.5
"""A second core is really there if two that do nothing but reckon get at least so much done, instead of 2 × as much."""

HELD_GOAL: Final = 60 * 1024**2
"""Bytes that a process may hold, however many documents there are."""

_FLOOR_PROGRAM: Final = """
import sys, orjson
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
    for line in source:
        target.write(orjson.dumps(orjson.loads(line)) + b"\\n")
"""
_BURN_PROGRAM: Final = """
import sys, orjson
data = open(sys.argv[1], "rb").read()
for _ in range(int(sys.argv[2])):
    orjson.dumps(orjson.loads(data))
"""


@dataclass(frozen=True, slots=True)
class Held:
    """
    What the processes of one run held at most.

    Attributes:
        each: Bytes, the largest first; empty where the system doesn't tell.
        goal: Bytes that each may hold; None where there is no aim.
    """

    subject: str
    documents: int
    each: tuple[int, ...]
    goal: int | None = None


@dataclass(frozen=True, slots=True)
class Many:
    """
    What was measured on many documents.

    Attributes:
        figures: For each document, against the floor.
        second_core: How much of two cores two burners get, from 1 to 2: the median of the rounds.
        two: Two processes against our own one.
        slower: DuckDB on one thread against our one process.
    """

    documents: int
    figures: tuple[Figure, ...]
    tried: tuple[Tried, ...]
    held: tuple[Held, ...]
    second_core: float
    two: Figure
    slower: Figure | None


def bulk(installed: Installed, source: Path, target: Path, workers: int) -> list[str]:
    """Return the words that decide the lines of *source*; the consent lies beside it."""
    consent = source.with_name("consent.json")
    consent.write_text(json.dumps(agreed()[1].to_data()), encoding="utf-8")
    given = ["--workspace", "registered", "--consent", str(consent), "--at", NOW.isoformat()]
    return [*installed.words, "bulk", str(source), "-o", str(target), *given, "--workers", str(workers)]


def floor(source: Path, target: Path) -> list[str]:
    """Return the words that parse and write each line of *source*, and nothing else."""
    return [sys.executable, "-c", _FLOOR_PROGRAM, str(source), str(target)]


def burners(folder: Path, times: int) -> dict[str, Callable[[], object]]:
    """Return what shows how much a second core is worth: one process that only reckons, and two at once."""
    data = folder / "document.json"
    data.write_bytes(compact(SAMPLE))
    command = [sys.executable, "-c", _BURN_PROGRAM, str(data), str(times)]

    def two() -> None:
        running = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(2)]
        codes = [one.wait() for one in running]
        if any(codes):
            raise RuntimeError("A burner failed.")

    return {BURNER: partial(done, command), BURNERS: two}


def payloads_in(path: Path) -> int:
    """Return how many lines *path* has."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def measure(installed: Installed, folder: Path, documents: int, rounds: int) -> Many:
    """
    Measure over *documents* lines, each process from its start to its end.

    What takes ten times as long as the others gets fewer lines; times are for one document, but of the two processes.
    """
    source, few = write_lines(folder / "many.jsonl", documents), write_lines(folder / "few.jsonl", -(-documents // 20))
    target = folder / "out.jsonl"
    commands = {
        FLOOR: floor(source, target),
        ONE: bulk(installed, source, target, 1),
        TWO: bulk(installed, source, target, 2),
    }
    there = [rival for rival in rivals.many() if rival.is_installed]
    lines = {rival.name: few if rival.name == rivals.JQ else source for rival in there}
    commands |= {name: rivals.command(name, lines[name], target) for name in lines}
    sizes = {name: payloads_in(lines.get(name, source)) for name in commands}
    for name in (ONE, TWO):
        done(commands[name], installed.environment)
        if payloads_in(target) != documents:
            print(f"{name} did not clear every line; the figures mean nothing.", file=sys.stderr)
    calls: dict[str, Callable[[], object]] = {
        name: partial(done, command, installed.environment if name in (ONE, TWO) else None)
        for name, command in commands.items()
    }
    # What one process does is measured by its work. What two do at the same time is only seen on the wall.
    at_work = in_turns({name: call for name, call in calls.items() if name != TWO}, rounds, clock=work_of_children)
    own = {name: [seconds / sizes[name] for seconds in taken] for name, taken in at_work.items()}
    wall = in_turns({name: calls[name] for name in (ONE, TWO)} | burners(folder, documents), rounds)
    second_core = median(2 * one / two for one, two in zip(wall[BURNER], wall[BURNERS], strict=True))
    tried = [
        Tried(
            rival,
            figure(LINES, rival.name, own[rival.name], own[FLOOR]) if rival in there else None,
            tuple(_tried(rival, folder)) if rival in there else (),
        )
        for rival in rivals.many()
    ]
    held = []
    for number in (-(-documents // 8), documents):
        part = write_lines(folder / f"part-{number}.jsonl", number)
        held.append(Held(FLOOR, number, tuple(most_held(floor(part, target)))))
        held.append(
            Held(ONE, number, tuple(most_held(bulk(installed, part, target, 1), installed.environment)), HELD_GOAL)
        )
        held.append(
            Held(TWO, number, tuple(most_held(bulk(installed, part, target, 2), installed.environment)), HELD_GOAL)
        )
        if rivals.DUCKDB in lines:
            command = rivals.command(rivals.DUCKDB, part, target)
            held.append(Held(rivals.DUCKDB, number, tuple(most_held(command))))
    return Many(
        documents,
        (figure(LINES, ONE, own[ONE], own[FLOOR], ONE_GOAL),),
        tuple(tried),
        tuple(held),
        second_core,
        figure(LINES, "two processes against one", wall[TWO], wall[ONE], TWO_GOAL),
        figure(LINES, rivals.DUCKDB, own[rivals.DUCKDB], own[ONE]) if rivals.DUCKDB in own else None,
    )


def _tried(rival: rivals.Rival, folder: Path) -> list[str]:
    source, target = folder / "probe.jsonl", folder / "probe.out.jsonl"
    source.write_bytes(rivals.probe() + b"\n")
    done(rivals.command(rival.name, source, target))
    return rivals.faults(target.read_bytes())
