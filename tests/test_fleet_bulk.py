"""A whole run: every line accounted for, the same bytes however many work, and nothing half done after a crash."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import multiprocessing
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import fsspec  # type: ignore[import-untyped]
import pytest

from archives import (
    NO,
    NOW,
    PACKED,
    YES,
    Named,
    agreed,
    archive,
    bulk,
    dump,
    expected,
    hostile,
    joined,
    light,
    options,
    unpacked,
    wrapped,
)
from canaries import assert_no_trace
from commands import environment
from rc_stats import cli
from rc_stats.errors import MissingExtra, RcStatsError, UnusableInput, UsageError
from rc_stats.fleet.bulk import State, run
from rc_stats.fleet.inputs import Task
from rc_stats.fleet.output import begun_at, decisions_name, own_names
from rc_stats.fleet.pieces import Work
from rc_stats.fleet.places import places_of
from rc_stats.fleet.ring import Ring

SIZE = 8 * 1024
LINES = archive(400)
LIGHT = light(archive(300, seed=2))
EVERY = "1" if os.environ.get("RCSTATS_TEST_CRASHES") == "1" else "2"
"""With 1 in that variable, every instant is tried, else a sample."""
TOKEN = "octopus-ltd"  # noqa: S105 -- planted in names and values, to be looked for in messages


@cache
def wanted() -> tuple[bytes, bytes]:
    """Return payloads and decisions of the two inputs."""
    return expected([LINES, LIGHT], agreed())


ONCE: dict[str, bytes] = {}
"""Payloads of the first run of each packing, as they lie in the file."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with two inputs."""
    (tmp_path / "a.jsonl").write_bytes(joined(LINES))
    (tmp_path / "b.jsonl").write_bytes(joined(LIGHT)[:-1])
    return tmp_path


def written(path: Path) -> tuple[bytes, bytes]:
    """Return payloads and decisions of the output at *path*, which leaves nothing else behind."""
    decisions = path.with_name(decisions_name(path.name))
    left = {other.name for other in path.parent.iterdir() if other.name.endswith((".partial", ".journal"))}
    assert left == set()
    return unpacked(path), unpacked(decisions)


@pytest.mark.parametrize(
    ("workers", "ending"),
    [(1, ".jsonl"), (1, ".jsonl.gz"), (1, ".zst"), (2, ".jsonl"), (2, ".zst"), (4, ".jsonl.gz")],
)
def test_the_same_bytes_for_any_number_of_workers(workers: int, ending: str, folder: Path) -> None:
    """Payloads and decisions are those of deciding line by line, in order, for 1, 2 and 4 workers and each packing."""
    out = folder / f"out{ending}"
    state = run([str(folder / "?.jsonl")], str(out), agreed(), workers=workers, size=SIZE)
    assert written(out) == wanted()
    assert ONCE.setdefault(ending, out.read_bytes()) == out.read_bytes()
    records = [json.loads(line) for line in wanted()[1].splitlines()]
    assert state.tally.lines == len(records)
    assert state.tally.cleared == wanted()[0].count(b"\n") == sum(record["verdict"] == "cleared" for record in records)
    assert (state.passed, state.total) == (state.total, len(joined(LINES)) + len(joined(LIGHT)) - 1)


@pytest.mark.parametrize(("workers", "way"), [*((1, way) for way in PACKED), (2, "gzip"), (2, "zstd of two")])
def test_the_same_bytes_for_each_packing_of_inputs(way: str, workers: int, tmp_path: Path) -> None:
    """However the inputs are packed, and under whatever name, the output is the same."""
    for name, lines in (("a", LINES), ("b", LIGHT)):
        (tmp_path / name).write_bytes(PACKED[way](joined(lines)))
    run([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "out.jsonl"), agreed(), workers=workers, size=SIZE)
    assert written(tmp_path / "out.jsonl") == wanted()


@pytest.mark.parametrize("size", [1, 100, 1000, 1024 * 1024])
def test_the_same_lines_for_any_size_of_pieces(size: int, tmp_path: Path) -> None:
    """Where the inputs are cut changes no line: in pieces of one byte, or all in one."""
    lines = LIGHT[:60]
    (tmp_path / "a.jsonl").write_bytes(joined(lines)[: None if size > 1 else 5000])
    wanted = expected([joined(lines)[:5000].split(b"\n") if size == 1 else lines], agreed())
    run([str(tmp_path / "a.jsonl")], str(tmp_path / "out.jsonl"), agreed(), size=size)
    assert written(tmp_path / "out.jsonl") == wanted


def test_options_reach_the_workers(tmp_path: Path) -> None:
    """Drift and labels are in the decisions where they are asked for, from every worker, and nowhere else."""
    (tmp_path / "a.jsonl").write_bytes(joined([dump({**wrapped(n), "id": f"w{n}"}) for n in range(200)]))
    for workers in (1, 2):
        out = tmp_path / f"out{workers}.jsonl"
        run([str(tmp_path / "a.jsonl")], str(out), options(with_drift=True, label="id"), workers=workers, size=SIZE)
        records = [json.loads(line) for line in written(out)[1].splitlines()]
        assert [record["label"] for record in records] == [f"w{n}" for n in range(200)]
        assert {"path": "note", "rule": "unknown", "times": 1}.keys() == records[0]["drift"][0].keys()
        assert list(records[0]) == ["input", "line", "verdict", "reasons", "drift", "label"]
    run([str(tmp_path / "a.jsonl")], str(tmp_path / "out.jsonl"), options(), size=SIZE)
    assert list(json.loads(written(tmp_path / "out.jsonl")[1].splitlines()[0])) == [
        "input",
        "line",
        "verdict",
        "reasons",
    ]


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    """Hostile and blank lines, inputs that break off or are not there: each has its record, and the rest is done."""
    lines = [line for bad in hostile() for line in (dump(wrapped(1)), bad, b"")]
    (tmp_path / "a.jsonl").write_bytes(joined(lines))
    (tmp_path / "b.gz").write_bytes(gzip.compress(joined(lines))[:-5])
    (tmp_path / "d.jsonl").write_bytes(joined(lines))
    names = [str(tmp_path / name) for name in ("a.jsonl", "b.gz", "c.jsonl", "d.jsonl")]
    for workers in (1, 2):
        state = run(names, str(tmp_path / "out.jsonl"), options(), workers=workers)
        payloads, decisions = written(tmp_path / "out.jsonl")
        own, told = expected([lines, [], [], lines], options())
        faults = (
            b'{"input":2,"line":1,"verdict":"refused","reasons":["bad-gzip"]}\n'
            b'{"input":3,"line":1,"verdict":"refused","reasons":["unreadable"]}\n'
        )
        first, last = told.split(b'{"input":4,', 1)
        assert payloads == own
        assert decisions == first + faults + b'{"input":4,' + last
        assert (state.tally.faults, state.tally.unusable) == (2, 2 * len(hostile()))
        assert state.tally.lines == 4 * len(hostile())


def test_a_span_that_can_not_be_read_ends_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input that is gone in mid-run is told once, and what was handed out of it already is left alone."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(joined(LIGHT))
    size = len(joined(LIGHT))

    def tell(state: State) -> None:
        if state.passed < size:
            os.truncate(tmp_path / "a.jsonl", 0)

    run([str(tmp_path / "?.jsonl")], str(tmp_path / "out.jsonl"), agreed(), size=SIZE, on_state=tell)
    records = [json.loads(line) for line in written(tmp_path / "out.jsonl")[1].splitlines()]
    first = [record for record in records if record["input"] == 1]
    assert first[-1]["reasons"] == ["input-changed"]
    assert [record["line"] for record in first] == sorted({record["line"] for record in first})
    rest = [record for record in records if record["input"] == 2]
    assert len(rest) == expected([LIGHT], agreed())[1].count(b"\n")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"junk\n{", b"[]"])
def test_nothing_that_can_be_used(data: bytes, tmp_path: Path) -> None:
    """Where no line is a document, the decisions say why and the run is an error of the input."""
    (tmp_path / "a").write_bytes(data)
    for ending in (".jsonl", ".gz", ".zst"):
        with pytest.raises(UnusableInput, match="no-document"):
            run([str(tmp_path / "a")], str(tmp_path / f"out{ending}"), agreed())
        payloads, decisions = written(tmp_path / f"out{ending}")
        assert payloads == b""
        assert decisions.count(b"\n") == len(data.split()) if b"[" not in data else decisions == b""


def test_no_input_there(tmp_path: Path) -> None:
    """Where not one input is there, an output of before is left as it is."""
    (tmp_path / "out.jsonl").write_bytes(b"before")
    with pytest.raises(UnusableInput, match="no-document"):
        run([str(tmp_path / "a"), str(tmp_path / "*.b")], str(tmp_path / "out.jsonl"), agreed())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out.jsonl": b"before"}


NAMES = {
    "out.jsonl": "out.decisions.jsonl",
    "out.jsonl.gz": "out.decisions.jsonl.gz",
    "out.json.zst": "out.decisions.jsonl.zst",
    "out": "out.decisions.jsonl",
    "out.gz": "out.decisions.jsonl.gz",
    "a.b.ndjson": "a.b.decisions.jsonl",
    "s3://bucket/out.jsonl.zst": "s3://bucket/out.decisions.jsonl.zst",
}


def test_names_of_decisions() -> None:
    """The decisions stand beside the payloads, packed alike, under a name that follows from theirs."""
    assert {name: decisions_name(name) for name in NAMES} == NAMES


def test_what_must_not_be_replaced(folder: Path) -> None:
    """A pipe or device, a folder, or an input is never taken for an output, under any of its names."""
    os.mkfifo(folder / "pipe")  # stands for devices as well: broken code must not reach the machine's own
    (folder / "link.jsonl").symlink_to(folder / "a.jsonl")
    (folder / "a.decisions.jsonl").write_bytes(b"{}")
    cases = [
        (["a.jsonl"], folder / "pipe", "output"),
        (["a.jsonl"], folder, "output"),
        (["a.jsonl", "b.jsonl"], folder / "b.jsonl", "input-is-output"),
        (["a.jsonl"], folder / "link.jsonl", "input-is-output"),
        (["link.jsonl"], f"file://{folder}/a.jsonl", "input-is-output"),
        (["a.decisions.jsonl"], folder / "a", "input-is-output"),
        (["*.jsonl"], folder / "b.jsonl", "input-is-output"),
        (["a.jsonl"], "-", "output"),
        (["a.jsonl"], folder / "none" / "out.jsonl", "output"),
    ]

    def seen() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    before = seen()
    for names, out, rule in cases:
        with pytest.raises(UsageError) as caught:
            run([str(folder / name) for name in names], str(out), agreed())
        assert caught.value.rule == rule
    assert before == seen()
    assert (folder / "pipe").is_fifo()


def test_an_output_behind_a_link(folder: Path) -> None:
    """A link stays a link; the file that it leads to is replaced."""
    (folder / "deep").mkdir()
    (folder / "out.jsonl").symlink_to(folder / "deep" / "real.jsonl")
    run([str(folder / "b.jsonl")], str(folder / "out.jsonl"), agreed(), size=SIZE)
    assert (folder / "out.jsonl").is_symlink()
    assert written(folder / "deep" / "real.jsonl") == expected([LIGHT], agreed())


def test_an_output_stays_until_it_is_replaced(folder: Path) -> None:
    """While a run is under way, the output of the one before is whole."""
    out = folder / "out.jsonl"
    out.write_bytes(b"before")
    seen = set()
    run([str(folder / "b.jsonl")], str(out), agreed(), size=SIZE, on_state=lambda _: seen.add(out.read_bytes()))
    assert seen == {b"before"}
    assert written(out) == expected([LIGHT], agreed())


def test_two_runs_into_one_output(folder: Path) -> None:
    """A second run into the same output is refused while the first is under way, and does it no harm."""
    out = str(folder / "out.jsonl")
    rules: list[str] = []

    def tell(_: State) -> None:
        if not rules:
            with pytest.raises(UsageError) as caught:
                run([str(folder / "a.jsonl")], out, agreed())
            rules.append(caught.value.rule)

    run([str(folder / "b.jsonl")], out, agreed(), size=SIZE, on_state=tell)
    assert rules == ["output-busy"]
    assert written(Path(out)) == expected([LIGHT], agreed())


class Stop(Exception):
    """The run is stopped from outside."""


def stopped(folder: Path, after: int, **changes: Any) -> None:
    """Run until so many pieces are done, and stop."""
    pieces = 0

    def tell(_: State) -> None:
        nonlocal pieces
        pieces += 1
        if pieces > after:
            raise Stop

    arguments = {"size": SIZE, "pieces_between_saves": 3, "on_state": tell, **changes}
    with pytest.raises(Stop):
        run([str(folder / "a.jsonl"), str(folder / "b.jsonl")], str(folder / "out.jsonl"), agreed(), **arguments)


@pytest.mark.parametrize("after", [0, 2, 3, 10, 40])
def test_going_on(after: int, folder: Path) -> None:
    """A run that stopped goes on, by other workers too, without repeating what is done, and ends in the same bytes."""
    stopped(folder, after)
    assert not (folder / "out.jsonl").exists()
    first: list[int] = []
    state = run(
        [str(folder / "a.jsonl"), str(folder / "b.jsonl")],
        str(folder / "out.jsonl"),
        agreed(),
        size=SIZE,
        workers=2 if after == 10 else 1,
        resume=True,
        on_state=lambda state: first.append(state.passed),
    )
    assert first[0] == (after // 3 * 3 + 1) * SIZE
    assert written(folder / "out.jsonl") == wanted()
    assert state.tally.cleared == wanted()[0].count(b"\n")


def test_a_journal_that_broke_off(folder: Path) -> None:
    """A line of the journal that broke off is none, and spoils none of those that follow."""
    stopped(folder, 6)
    with (folder / "out.jsonl.journal").open("ab") as journal:
        journal.write(b'{"input":1,"offs')
    stopped(folder, 6, resume=True)
    first: list[int] = []
    names = [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    out = folder / "out.jsonl"
    run(names, str(out), agreed(), size=SIZE, resume=True, on_state=lambda state: first.append(state.passed))
    assert first[0] == 13 * SIZE
    assert written(out) == wanted()


def test_without_resume_a_run_begins(folder: Path) -> None:
    """What a run left behind is not taken up unless that is asked for."""
    stopped(folder, 20)
    run([str(folder / "b.jsonl")], str(folder / "out.jsonl"), agreed(), size=SIZE)
    assert written(folder / "out.jsonl") == expected([LIGHT], agreed())


def test_resume_without_anything_to_go_on_from(folder: Path) -> None:
    """A job can always ask to go on: the first time it begins."""
    run([str(folder / "b.jsonl")], str(folder / "out.jsonl"), agreed(), size=SIZE, resume=True)
    assert written(folder / "out.jsonl") == expected([LIGHT], agreed())


CHANGES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "the consent": lambda _: {"options": agreed().with_consent(NO)},
    "the workspace": lambda _: {"options": options().with_consent(YES)},
    "the clock": lambda _: {"options": agreed(now=NOW.replace(hour=13))},
    "a kill switch": lambda _: {"options": agreed(switches=bulk_switch())},
    "drift": lambda _: {"options": agreed(with_drift=True)},
    "a label": lambda _: {"options": agreed(label="id")},
    "the size of pieces": lambda _: {"size": SIZE + 1},
    "fewer inputs": lambda folder: {"names": [str(folder / "a.jsonl")]},
    "other inputs": lambda folder: {"names": [str(folder / "b.jsonl"), str(folder / "a.jsonl")]},
    "a longer input": lambda folder: {"names": longer(folder)},
    "a later input": lambda folder: {"names": later(folder)},
}


def bulk_switch() -> Any:
    """Return a kill switch that is on."""
    return agreed().switches.__class__(("RC_STATS_DISABLE",))


def longer(folder: Path) -> list[str]:
    """Add to an input."""
    with (folder / "a.jsonl").open("ab") as file:
        file.write(b"{}\n")
    return [str(folder / "a.jsonl"), str(folder / "b.jsonl")]


def later(folder: Path) -> list[str]:
    """Change an input without changing its length."""
    os.utime(folder / "b.jsonl", (1, 1))
    return [str(folder / "a.jsonl"), str(folder / "b.jsonl")]


@pytest.mark.parametrize("change", CHANGES)
def test_only_the_same_run_goes_on(change: str, folder: Path) -> None:
    """Where anything that the output depends on has changed, a run does not go on, and spoils nothing."""
    stopped(folder, 20)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("out")}
    names = [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    arguments: dict[str, Any] = {"names": names, "options": agreed(), "size": SIZE, **CHANGES[change](folder)}
    with pytest.raises(UsageError) as caught:
        run(arguments.pop("names"), str(folder / "out.jsonl"), arguments.pop("options"), resume=True, **arguments)
    assert caught.value.rule == "resume-changed"
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("out")}


def test_what_was_written_is_gone(folder: Path) -> None:
    """A run does not go on from bytes that are no longer there."""
    stopped(folder, 20)
    os.truncate(folder / "out.jsonl.partial", 10)
    with pytest.raises(UsageError) as caught:
        run(
            [str(folder / "a.jsonl"), str(folder / "b.jsonl")],
            str(folder / "out.jsonl"),
            agreed(),
            size=SIZE,
            resume=True,
        )
    assert caught.value.rule == "resume-damaged"


def test_the_clock_of_the_run_before(folder: Path) -> None:
    """A run that goes on can go by the clock of the one that stopped; else a new month would change the payloads."""
    assert begun_at(str(folder / "out.jsonl")) is None
    stopped(folder, 20)
    assert begun_at(str(folder / "out.jsonl")) == NOW
    for damage in (b"", b"\n[]\n", b"{}", b'{"now":5}', b'{"now":"soon"}'):
        (folder / "out.jsonl.journal").write_bytes(damage)
        assert begun_at(str(folder / "out.jsonl")) is None


def test_no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the run with one line, and it goes on when there is room again."""
    out = folder / "out.jsonl"
    sync = os.fsync
    left = 6

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device", TOKEN)
        sync(descriptor)

    names = [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RcStatsError, match="No space left on device") as caught:
            run(names, str(out), agreed(), size=SIZE, pieces_between_saves=2)
    assert caught.value.exit_code == 1
    assert_no_trace(str(caught.value), TOKEN)
    assert caught.value.__context__ is None
    run(names, str(out), agreed(), size=SIZE, resume=True)
    assert written(out) == wanted()


def test_where_nothing_can_be_written(folder: Path) -> None:
    """An output that can't be begun is told before anything is read, and nobody is told to go on."""
    (folder / "out.jsonl.journal").mkdir()
    with pytest.raises(RcStatsError, match="The output can't be written") as caught:
        run([str(folder / "a.jsonl")], str(folder / "out.jsonl"), agreed())
    assert caught.value.exit_code == 1
    assert caught.value.rule == "output"
    assert "--resume" not in caught.value.remedy


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_pattern_does_not_find_what_was_written(ending: str, folder: Path) -> None:
    """A pattern leaves out decisions, and what a run before wrote under the same name; the bytes are the same again."""
    out = folder / f"out{ending}"
    patterns = [str(folder / "*")]
    state = run(patterns, str(out), agreed(), size=SIZE)
    first = written(out)
    for _ in range(2):
        assert run(patterns, str(out), agreed(), size=SIZE).tally == state.tally
        assert written(out) == first
    (named,) = places_of([str(folder / f"out.decisions{ending}")], own_names(str(out)))
    assert named.is_there


def test_a_pattern_by_url_does_not_find_what_was_written(folder: Path) -> None:
    """It is the same where fsspec reads and writes."""
    fs = fsspec.filesystem("memory")
    fs.pipe("/again/a.jsonl", (folder / "a.jsonl").read_bytes())
    tallies = [run(["memory://again/*"], "memory://again/out.jsonl", agreed(), size=SIZE).tally for _ in range(2)]
    assert tallies[0] == tallies[1]
    fs.rm("/again", recursive=True)


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_outputs_by_url(ending: str, folder: Path) -> None:
    """An output by URL holds the same bytes, and appears when it is whole."""
    out = folder / f"out{ending}"
    seen: set[bool] = set()
    names = [f"local://{folder}/a.jsonl", f"local://{folder}/b.jsonl"]
    run(names, f"local://{out}", agreed(), size=SIZE, on_state=lambda _: seen.add(out.exists()))
    assert seen == {False}
    assert written(out) == wanted()
    with pytest.raises(UsageError, match="resume-url"):
        run(names, f"local://{out}", agreed(), resume=True)
    with pytest.raises(UnusableInput, match="no-document"):
        run([f"local://{folder}/c.jsonl"], f"local://{out}", agreed())


def test_an_output_by_url_that_is_not_finished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stops leaves no output behind at a URL, and a store that fails is told without what it said."""

    def stop(_: State) -> None:
        raise Stop

    monkeypatch.setattr("tempfile.tempdir", str(folder))
    before = set(folder.iterdir())
    with pytest.raises(Stop):
        run([str(folder / "a.jsonl")], f"local://{folder}/out.jsonl", agreed(), size=SIZE, on_state=stop)
    assert set(folder.iterdir()) == before
    for url in (f"{TOKEN}://{TOKEN}/out.jsonl", f"http://{TOKEN}@localhost:1/out.jsonl"):
        with pytest.raises(RcStatsError, match="The output can't be written") as caught:
            run([str(folder / "a.jsonl")], url, agreed())
        assert_no_trace(str(caught.value), TOKEN)
        assert caught.value.__context__ is None


def test_inputs_and_outputs_in_memory() -> None:
    """Any file system that fsspec knows will do."""
    fs = fsspec.filesystem("memory")
    fs.pipe("/bulk/in.jsonl", joined(LIGHT))
    run(["memory://bulk/in.jsonl"], "memory://bulk/out.jsonl.gz", agreed(), size=SIZE)
    wanted = expected([LIGHT], agreed())
    assert gzip.decompress(fs.cat("/bulk/out.jsonl.gz")) == wanted[0]
    assert gzip.decompress(fs.cat("/bulk/out.decisions.jsonl.gz")) == wanted[1]
    fs.rm("/bulk", recursive=True)


def test_a_worker_that_is_killed(folder: Path) -> None:
    """Where a worker process is killed, the run ends with one line, no other process stays, and it goes on."""
    names = [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    out = folder / "out.jsonl"
    mine: list[int] = []

    def tell(_: State) -> None:
        if not mine:
            mine.extend(children())
            os.kill(mine[-1], signal.SIGKILL)

    with pytest.raises(RcStatsError) as caught:
        run(names, str(out), agreed(), workers=2, size=SIZE, pieces_between_saves=1, on_state=tell)
    assert caught.value.rule == "worker-ended"
    assert not set(mine) & set(children())
    run(names, str(out), agreed(), size=SIZE, resume=True)
    assert written(out) == wanted()


def test_all_workers_work() -> None:
    """Pieces go to every worker, and come back in order."""
    tasks = [Task(1, number, b"%d" % number) for number in range(12)]
    done = list(Ring(cast("Work", Named()), 3).outcomes(iter(tasks)))
    assert [task.offset for task, _ in done] == [task.offset for task in tasks]
    assert [outcome.records.split()[1] for _, outcome in done] == [task.piece for task in tasks]
    assert len({outcome.records.split()[0] for _, outcome in done}) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_reading_on_ends_the_run(workers: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no fault of one input, such as a part that is not installed, ends the run where it was called."""

    def missing() -> None:
        raise MissingExtra("fleet", "Reading and writing zstd archives")

    (folder / "a.jsonl").write_bytes(PACKED["zstd"](joined(LINES)))
    monkeypatch.setattr("rc_stats.fleet.packing._zstandard", missing)
    with pytest.raises(MissingExtra):
        run([str(folder / "b.jsonl"), str(folder / "a.jsonl")], str(folder / "out.jsonl"), agreed(), workers=workers)
    assert children() == []


def children() -> list[int]:
    """Return the worker processes of this one."""
    return [process.pid for process in multiprocessing.active_children() if process.pid is not None]


MISSING = {
    "pyarrow": ("import rc_stats.fleet.batches", "fleet"),
    "distributed": ("import rc_stats.fleet.cluster", "fleet"),
    "rich": ("import rc_stats.fleet.progress", "cli"),
    "zstandard": ("from rc_stats.fleet.packing import check_packing; check_packing('zstd')", "fleet"),
    "fsspec": ("from rc_stats.fleet.places import places_of; places_of(['s3://bucket/a'])", "fleet"),
}


@pytest.mark.parametrize("module", MISSING)
def test_what_is_not_installed(module: str) -> None:
    """What needs an extra says which, in one line, and the rest works without."""
    statement, extra = MISSING[module]
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {module!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from rc_stats.errors import MissingExtra\n"
        "try:\n"
        f"    {statement}\n"
        "except MissingExtra as error:\n"
        f"    assert error.extra == {extra!r}, error.extra\n"
        "    assert error.__cause__ is None\n"
        "else:\n"
        "    raise SystemExit('it was not missed')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def test_a_worker_needs_work() -> None:
    """No worker at all, or no bytes to cut by, is an error of the call."""
    for changes in ({"workers": 0}, {"size": 0}, {"size": 2**40}):
        with pytest.raises(UsageError, match="workers"):
            run(["a"], "b", options(), **changes)  # type: ignore[arg-type]


# The verb, as a process of its own.


def called(*arguments: object, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run the verb and return what it left behind."""
    return subprocess.run(
        bulk(*arguments), input=stdin, capture_output=True, check=False, env=environment(**more), timeout=60
    )


def test_the_verb(folder: Path) -> None:
    """The verb writes both files, says on standard error what it did, and nothing on standard output."""
    consent = folder / "consent.json"
    consent.write_bytes(dump(YES.to_data()))
    given = ["--workspace", "registered", "--consent", consent, "--at", "2026-08-17T12:00:00Z"]
    done = called(folder / "[ab].jsonl", "-o", folder / "out.jsonl", *given, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert written(folder / "out.jsonl") == wanted()
    said = done.stderr.decode()
    cleared, lines = wanted()[0].count(b"\n"), wanted()[1].count(b"\n")
    assert said.splitlines()[0] == f"{lines} decided: {cleared} cleared, {lines - cleared} refused."
    assert "--drift" in said
    times = {code: int(times) for times, code in re.findall(r"^(\d+) refused by ([a-z-]+)\.$", said, re.MULTILINE)}
    refused = [json.loads(line) for line in wanted()[1].splitlines() if b'"refused"' in line]
    assert times == {code: sum(code in r["reasons"] for r in refused) for r in refused for code in r["reasons"]}


def test_the_verb_goes_on(folder: Path) -> None:
    """The verb takes up a run that stopped, by the clock that it had; told another clock, it refuses."""
    names, out = [str(folder / "a.jsonl"), str(folder / "b.jsonl")], folder / "out.jsonl"

    def stop(_: State) -> None:
        raise Stop

    with pytest.raises(Stop):
        run(names, str(out), options(), on_state=stop)
    other = in_process([*names, "-o", out, "--workers", "1", "--resume", "--at", "2026-09-01"])
    assert (other[0], "[resume-changed]" in other[1]) == (2, True)
    assert in_process([*names, "-o", out, "--workers", "1", "--resume"])[0] == 0
    assert written(out) == expected([LINES, LIGHT], options())


@pytest.mark.parametrize("workers", [1, 2])
def test_the_verb_in_a_pipe(workers: int, tmp_path: Path) -> None:
    """Standard input, packed or not, between other inputs, gives the same output as a file."""
    (tmp_path / "b.jsonl").write_bytes(joined(LIGHT))
    consent = tmp_path / "consent.json"
    consent.write_bytes(dump(YES.to_data()))
    done = called(
        *("-", tmp_path / "b.jsonl", "-o", tmp_path / "out.jsonl", "--workspace", "registered", "--consent", consent),
        *("--at", "2026-08-17T12:00:00Z", "--workers", workers, "--drift"),
        stdin=PACKED["zstd" if workers == 1 else "plain"](joined(LINES)),
    )
    assert done.returncode == 0, done.stderr
    assert b"--drift" not in done.stderr
    payloads, decisions = written(tmp_path / "out.jsonl")
    assert payloads == wanted()[0]
    told = [{k: v for k, v in json.loads(line).items() if k != "drift"} for line in decisions.splitlines()]
    assert told == [json.loads(line) for line in wanted()[1].splitlines()]


def test_usage_of_the_verb(folder: Path) -> None:
    """What is wrong with a call is told in one line, with the exit code of usage, input or output."""
    (folder / "bad.json").write_bytes(dump({**YES.to_data(), TOKEN: 1}))
    (folder / "junk.jsonl").write_bytes(TOKEN.encode())
    a, out = folder / "a.jsonl", folder / "out.jsonl"
    cases: list[tuple[list[object], int, str]] = [
        (["-o", out], 2, "INPUT"),
        ([a], 2, "--output"),
        ([a, "-o", out, "--opt-in"], 2, "--opt-in"),
        ([a, "-o", out, "--consent", folder / "bad.json"], 2, "[consent]"),
        ([a, "-o", out, "--consent", folder / "none.json"], 2, "[consent]"),
        ([a, "-o", out, "--engine", "dask"], 2, "[scheduler]"),
        ([a, "-o", out, "--scheduler", "tcp://localhost:1"], 2, "[scheduler]"),
        ([a, "-o", out, "--label", "workspace"], 2, "[label]"),
        ([a, "-o", out, "--at", "soon"], 2, "--at"),
        ([a, "-o", out, "--at", "1999-01-01"], 2, "--at"),
        ([a, "-o", out, "--workers", "0"], 2, "--workers"),
        (["-", "-o", out, "--resume"], 2, "[resume-stream]"),
        ([folder / "none.jsonl", "-o", out], 4, "[no-document]"),
        ([folder / "junk.jsonl", "-o", out], 4, "[no-document]"),
        ([a, "-o", folder / "none" / "out.jsonl"], 2, "[output]"),
        ([a, "-o", "-"], 2, "[output]"),
    ]
    for arguments, code, word in cases:
        done = in_process(arguments)
        assert (done[0], word in done[1]) == (code, True), (arguments, done)
        assert done[1].startswith("rc-stats: ")
        assert done[1].count("\n") == 1
        assert_no_trace(done[1], TOKEN)


def in_process(arguments: list[object]) -> tuple[int, str]:
    """Run the verb in this process; return its exit code and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = cli.run(["bulk", *map(str, arguments)])
    return code, said.getvalue()


def test_kill_switches_close_every_line(folder: Path) -> None:
    """A kill switch in the environment refuses every line, whatever the lines say."""
    done = called(folder / "a.jsonl", "-o", folder / "out.jsonl", "--workers", 1, DO_NOT_TRACK="1")
    assert done.returncode == 0
    payloads, decisions = written(folder / "out.jsonl")
    assert payloads == b""
    assert decisions.count(b"switch-do-not-track") > 100
    assert b'"cleared"' not in decisions


def test_progress_on_a_terminal_only(folder: Path) -> None:
    """On a terminal the run shows lines, a rate and the time that is left; elsewhere not a byte of it."""
    arguments = [folder / "a.jsonl", "-o", folder / "out.jsonl", "--workers", 1]
    master, slave = pty.openpty()
    shown = b""
    with subprocess.Popen(
        bulk(*arguments), stdin=subprocess.DEVNULL, stderr=slave, env=environment(TERM="xterm-256color", COLUMNS="150")
    ) as running:
        os.close(slave)
        try:
            while chunk := os.read(master, 65536):
                shown += chunk
        except OSError:
            pass  # This is how Linux says that the other side has closed.
        assert running.wait(60) == 0
    os.close(master)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"\d lines, [\d ]+ a second", text)
    assert re.search(r"\d:\d\d:\d\d", text)
    assert "MB" in text or "MiB" in text
    quiet = called(*arguments)
    assert b"a second" not in quiet.stderr
    assert b"\x1b" not in quiet.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_is_one_line(workers: int, folder: Path) -> None:
    """Control-C ends the run and its workers at once, with one line and no traceback."""
    running = waiting(folder, workers)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 1
    assert said.lstrip() == b"rc-stats: Interrupted.\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_leaves_no_process(workers: int, folder: Path) -> None:
    """Kill -9 leaves neither an output nor a worker behind."""
    running = waiting(folder, workers)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(30)
    # The workers hold the standard error of the run, so that it ends when the last of them has ended.
    assert running.stderr is not None
    assert running.stderr.read() == b""
    assert not (folder / "out.jsonl").exists()
    running.communicate()


def waiting(folder: Path, workers: int) -> subprocess.Popen[bytes]:
    """Return a run in the middle of its work, which waits for more of its standard input."""
    arguments = ["-", "-o", folder / "out.jsonl", "--workers", workers]
    running = subprocess.Popen(
        bulk(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    assert running.stdin is not None
    line = dump({**wrapped(1), "pad": "x" * 100_000}) + b"\n"
    while True:
        running.stdin.write(line * 10)
        running.stdin.flush()
        partial = folder / "out.jsonl.partial"
        if partial.exists() and partial.stat().st_size:
            return running
        assert running.poll() is None
        time.sleep(0.01)


def test_crashes_at_every_instant(tmp_path: Path) -> None:
    """Killed before or after any write, sync or rename, and losing what was not synced, a run goes on whole."""
    program = [sys.executable, str(Path(__file__).with_name("crashing.py")), str(tmp_path), EVERY]
    done = subprocess.run(program, capture_output=True, check=False, timeout=120, env=environment())
    assert done.returncode == 0, done.stderr.decode()
    crashes = json.loads(done.stdout)
    assert crashes["instants"] > 50
    assert crashes["wrong"] == []


def test_the_journal_tells_nothing(folder: Path) -> None:
    """The journal holds places, sizes and counts: no name, no value, no consent."""
    (folder / f"{TOKEN}.jsonl").write_bytes(joined([dump({**wrapped(1), "id": TOKEN, TOKEN: TOKEN})] * 50))
    pieces = 0

    def tell(_: State) -> None:
        nonlocal pieces
        pieces += 1
        if pieces > 5:
            raise Stop

    with pytest.raises(Stop):
        run(
            [str(folder / f"{TOKEN}.jsonl")],
            str(folder / "out.jsonl"),
            options(label="id"),
            size=SIZE,
            pieces_between_saves=1,
            on_state=tell,
        )
    journal = (folder / "out.jsonl.journal").read_text()
    assert journal.count("\n") > 6
    assert_no_trace(journal, TOKEN)
