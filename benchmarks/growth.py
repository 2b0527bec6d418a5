"""Cost against size: one document that grows in three ways, and files of ever more documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import orjson

from documents import leaves, real, unknown_keys, unknown_value, with_leaves, write_lines
from many import ONE, bulk, floor
from measuring import FLOOR, done, in_turns, work_of_children
from single import WITH, WITHOUT, together, ways
from starting import Installed

BYTES: Final = "size of the document"
LEAVES: Final = "leaves that the catalogue knows"
KEYS: Final = "keys that it doesn't know"
DOCUMENTS: Final = "number of documents"
UNITS: Final[Mapping[str, str]] = {BYTES: "bytes", LEAVES: "leaves", KEYS: "keys", DOCUMENTS: "documents"}


@dataclass(frozen=True, slots=True)
class Growth:
    """
    What it costs to do something with ever more.

    Attributes:
        subject: What grows.
        sizes: How large it is.
        costs: By what is done: the cost at each size, in floors of the smallest size.
    """

    subject: str
    sizes: tuple[int, ...]
    costs: Mapping[str, tuple[float, ...]]


def in_floors(taken: Sequence[Mapping[str, Sequence[float]]], names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the seconds *taken* at each size in floors of the smallest: the median of the rounds."""
    unit = taken[0][FLOOR]
    return {
        name: tuple(median(one / other for one, other in zip(at[name], unit, strict=True)) for at in taken)
        for name in names
    }


def documents(*, is_small: bool) -> dict[str, dict[int, bytes]]:
    """Return documents that grow, by what grows and how large it is."""
    sample = real()
    most = 2 if is_small else 4
    every = sum(1 for _ in leaves(sample))
    junk = [orjson.dumps({**sample, "junkList": unknown_value(size)}) for size in (0, 40_000, 400_000, 4_000_000)]
    return {
        BYTES: {len(data): data for data in junk[:most]},
        LEAVES: {number: orjson.dumps(with_leaves(sample, number)) for number in (10, 40, 160, every)[:most]},
        KEYS: {
            number: orjson.dumps({**sample, **unknown_keys(number)})
            for number in (10, 100, 1_000, 10_000, 100_000)[: most + 1]
        },
    }


def measure_documents(rounds: int, block_seconds: float, *, is_small: bool = False) -> list[Growth]:
    """Measure documents that grow, each size against all others in the same rounds."""
    grown = []
    for subject, by_size in documents(is_small=is_small).items():
        calls: dict[str, Mapping[str, Callable[[], bytes]]] = {str(size): ways(data) for size, data in by_size.items()}
        taken = together(calls, rounds, block_seconds)
        grown.append(
            Growth(subject, tuple(by_size), in_floors([taken[str(size)] for size in by_size], (FLOOR, WITHOUT, WITH)))
        )
    return grown


def measure_files(installed: Installed, folder: Path, numbers: Sequence[int], rounds: int) -> Growth:
    """Measure files of ever more documents, from start to end of a process."""
    target = folder / "out.jsonl"
    taken: list[dict[str, list[float]]] = [{FLOOR: [], ONE: []} for _ in numbers]
    sources = [write_lines(folder / f"grown-{number}.jsonl", number) for number in numbers]
    for _ in range(rounds):
        for source, own in zip(sources, taken, strict=True):
            commands = {FLOOR: floor(source, target), ONE: bulk(installed, source, target, 1)}
            calls = {
                name: partial(done, command, installed.environment if name == ONE else None)
                for name, command in commands.items()
            }
            for name, seconds in in_turns(calls, 1, clock=work_of_children).items():
                own[name] += seconds
    return Growth(DOCUMENTS, tuple(numbers), in_floors(taken, (FLOOR, ONE)))
