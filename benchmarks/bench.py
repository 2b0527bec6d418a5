"""
How long rc-stats takes and what it holds, as ratios to a floor that is measured in the same run.

Absolute times say more about the machine than about the code, so every figure is a ratio: the anonymiser's to one
parse and one write of the same bytes by orjson, the command's to a Python that does nothing. All candidates take turns
in each round, the ratio is taken round by round, and the median is shown with the quartiles. It fails over no figure.

::

    documents  what is measured on
    measuring  turns, ratios, memory of processes
    single     one document: orders of keys, junk, the whole way, work counted
    many       bulk, what it holds, what a second core is worth
    starting   processes, from an installed wheel
    rivals     what else could be taken for the job
    growth     cost against size
    aims       what is aimed at, and what is reached
    chart      growth as a picture
    written    a run in the documentation
"""

from __future__ import annotations

import argparse
import platform
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

import aims
import growth
import many
import single
import starting
import written
from measuring import Figure, table
from rc_stats import __version__
from single import Tried

BLOCK_SECONDS: Final = 0.004
"""What one candidate's calls in one round should take together: long for the clock, short against a disturbance."""


@dataclass(frozen=True, slots=True)
class Effort:
    """
    How much is measured.

    Attributes:
        rounds: Of the anonymiser.
        starts: Of each command.
        documents: In a file.
        runs: Over a file.
        numbers: Of documents in files that grow.
        is_small: One turn of everything, to see that it runs.
    """

    rounds: int
    starts: int
    documents: int
    runs: int
    numbers: tuple[int, ...]
    block_seconds: float
    is_small: bool = False


SMOKE: Final = Effort(1, 1, 300, 1, (100, 300), 0, is_small=True)


def made_by() -> dict[str, str]:
    """Return what the figures depend on besides the machine."""
    built = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "rc-stats": __version__,
        "Python": platform.python_version(),
        "orjson": orjson.__version__,
        "msgspec": msgspec.__version__,
        "optimised by profile:": ("yes" if "--enable-optimizations" in built else "no") if built else "unknown",
    }


@contextmanager
def said(what: str) -> Iterator[None]:
    """Say on a terminal what is being measured: it takes minutes."""
    if sys.stderr.isatty():
        print(f"measuring {what} ...", file=sys.stderr)
    yield


def of_rivals(tried: Sequence[Tried]) -> str:
    """Return what else could be taken, as text."""
    lines = ["What else could be taken"]
    for one in tried:
        if one.figure is None:
            lines.append(f"{one.rival.name:26}  not installed  {one.rival.does}")
        else:
            ratio = f"{one.figure.ratio:8.2f} x floor  {one.figure.low:.2f} - {one.figure.high:.2f}"
            found = ", ".join(one.faults) or "nothing wrong"
            lines.append(f"{one.rival.name:26} {ratio:36} {one.rival.does} [tried: {found}]")
    return "\n".join(lines)


def of_memory(measured: many.Many) -> str:
    """Return what processes held, as text."""
    lines = ["What each process held at most, MiB"]
    for one in measured.held:
        each = ", ".join(f"{each / 1024**2:.1f}" for each in one.each) or "this system doesn't tell"
        lines.append(f"{one.subject:26} {one.documents:8} documents: {each}")
    return "\n".join(lines)


def of_work(counted: Sequence[single.Counted]) -> str:
    """Return how many functions were called, as text."""
    lines = ["Functions called for one document, without findings and with"]
    lines += [f"{one.subject:18} {one.size:9} bytes {one.without_findings:9} {one.with_findings:9}" for one in counted]
    return "\n".join(lines)


def of_growth(grown: Sequence[growth.Growth]) -> str:
    """Return cost against size, as text."""
    lines = ["Cost against size, in floors of the smallest"]
    for one in grown:
        lines.append(f"{one.subject}: {', '.join(map(str, one.sizes))}")
        lines += [f"  {name:20} {', '.join(f'{cost:.3g}' for cost in costs)}" for name, costs in one.costs.items()]
    return "\n".join(lines)


def of_aims(reached: Sequence[aims.Aim]) -> str:
    """Return what is aimed at, as text."""
    width = max(len(one.what) for one in reached)
    lines = ["The goals"]
    for one in reached:
        lines.append(f"{one.what:{width}}  {one.outcome:10}  {one.found or 'not measured'}; goal {one.goal}")
        if one.reason:
            lines.append(f"{'':{width}}  {one.reason}")
    return "\n".join(lines)


def as_data(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """Return rivals as JSON has them."""
    return [
        {
            "name": one.rival.name,
            "version": one.rival.version,
            "does": one.rival.does,
            "figure": asdict(one.figure) if one.figure is not None else None,
            "tried": one.faults,
        }
        for one in tried
    ]


def timed(figures: Sequence[Figure], title: str, floor: str, unit: str = "µs") -> None:
    """Print a table after an empty line."""
    print()
    print(table(title, floor, figures, unit=unit, factor={"µs": 1e6, "ms": 1e3}[unit]))


def measure(effort: Effort, json_file: Path | None, *, is_written: bool) -> None:
    """Measure everything, print it as it comes, and write it where asked."""
    versions = made_by()
    print(", ".join(f"{name} {told}" for name, told in versions.items()), f"({platform.system()} {platform.machine()})")
    with said("one document"):
        orders = single.measure_orders(effort.rounds, effort.block_seconds)
    timed(orders, "From bytes to canonical statistics, and to a payload", "orjson")
    with said("junk"):
        junk = single.measure_junk(-(-effort.rounds // 3), effort.block_seconds)
        counted = single.count_work()
    timed(junk, "The example, with junk that the catalogue doesn't know", "orjson")
    print(f"\n{of_work(counted)}")
    with said("rivals"):
        tried, nearest = single.measure_rivals(-(-effort.rounds // 3), effort.block_seconds)
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as name:
        installed, folder = starting.install(Path(home)), Path(name)
        with said("starts"):
            starts = starting.measure(installed, effort.starts)
        timed(starts, f"From start to end of a process: {installed.how}", "bare Python", "ms")
        with said("many documents"):
            measured = many.measure(installed, folder, effort.documents, effort.runs)
        lines = f"{effort.documents} lines of a file, for one; with the start of the process"
        timed(measured.figures, lines, "orjson, lines")
        with said("growth"):
            grown = [
                *growth.measure_documents(max(1, effort.rounds // 10), effort.block_seconds, is_small=effort.is_small),
                growth.measure_files(installed, folder, effort.numbers, effort.runs),
            ]
    timed([one for one in (measured.slower,) if one], "The same", "bulk in one process")
    timed([measured.two], "The same, all lines, by the clock on the wall", "bulk in one process", "ms")
    print(f"Two burners at once get {measured.second_core:.2f} times as much done as one: what a second core is worth.")
    print(f"\n{of_memory(measured)}")
    tried = [*tried, *measured.tried]
    print(f"\n{of_rivals(tried)}")
    print(f"\n{of_growth(grown)}")
    reached = [
        *aims.of_one(orders, nearest),
        *aims.of_many(measured),
        *aims.of_junk(junk, counted),
        *aims.of_starts(starts),
    ]
    print(f"\n{of_aims(reached)}")
    told = written.section(
        made_by=versions,
        aims=reached,
        orders=orders,
        junk=junk,
        counted=counted,
        measured=measured,
        tried=tried,
        starts=starts,
        how_started=installed.how,
        grown=grown,
    )
    if is_written:
        written.write(told, grown)
    if json_file is not None:
        many_data = {key: value for key, value in asdict(measured).items() if key != "tried"}
        found = {
            "aims": [asdict(one) for one in reached],
            "anonymise": [asdict(one) for one in orders],
            "junk": [asdict(one) for one in junk],
            "work": [asdict(one) for one in counted],
            "start": {"of": installed.how, "figures": [asdict(one) for one in starts]},
            "many": many_data,
            "rivals": as_data(tried),
            "growth": [asdict(one) for one in grown],
        }
        json_file.write_bytes(orjson.dumps({**versions, **asdict(effort), **found}, option=orjson.OPT_INDENT_2))


def main() -> int:
    """Measure, print the tables, write the figures where asked, and return 0."""
    parser = argparse.ArgumentParser(description="Measure rc-stats as ratios to a floor of the same run.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--smoke", action="store_true", help="one round, to see that it runs; the figures mean little")
    parser.add_argument("--rounds", type=int, default=90, help="rounds of the anonymiser; %(default)s by default")
    parser.add_argument("--starts", type=int, default=25, help="starts of each command; %(default)s by default")
    parser.add_argument("--documents", type=int, default=40_000, help="lines of the file; %(default)s by default")
    parser.add_argument("--runs", type=int, default=5, help="runs over the file; %(default)s by default")
    parser.add_argument("--single", action="store_true", help="one call in each turn instead of a block of calls")
    parser.add_argument("--write-docs", action="store_true", help="write table and chart into the documentation")
    asked = parser.parse_args()
    if asked.smoke and asked.write_docs:
        parser.error("the figures of --smoke mean too little for the documentation")
    if min(asked.rounds, asked.starts, asked.runs) < 1 or asked.documents < SMOKE.documents:
        parser.error(f"at least one of each, and {SMOKE.documents} documents")
    effort = Effort(
        asked.rounds,
        asked.starts,
        asked.documents,
        asked.runs,
        tuple(asked.documents // part for part in (64, 16, 4, 1)),
        0 if asked.single else BLOCK_SECONDS,
    )
    measure(SMOKE if asked.smoke else effort, asked.json, is_written=asked.write_docs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
