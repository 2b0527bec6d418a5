"""
What a run writes: payloads, decisions, and the journal by which it goes on after it was killed.

``OUT`` gets one payload on each line; ``OUT`` with the ending ``.decisions.jsonl`` one record for each line of the
inputs, in their order. So the payloads belong, in order, to the records that say ``cleared``. Both are written beside
their places as ``….partial`` and take their names when all is done: decisions first, so that where ``OUT`` is, all is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, ParamSpec, Protocol, Self, TypeVar

import orjson

from rc_stats.errors import RcStatsError, UsageError
from rc_stats.fleet.inputs import Done
from rc_stats.fleet.packing import PLAIN, SUFFIXES, check_packing, packed
from rc_stats.fleet.places import is_url, local_path, remote_file

try:
    import fcntl
except ModuleNotFoundError:  # not on every system; there two runs into one output are not kept apart
    fcntl = None  # type: ignore[assignment]

FORMAT: Final = 1
"""Version of the journal's own shape."""

_ENDINGS: Final = (".jsonl", ".ndjson", ".json")


@dataclass(slots=True)
class Tally:
    """
    What was done so far.

    Attributes:
        lines: Lines that were decided; blank ones are none.
        cleared, unusable: How many gave a payload, and how many were no statistics document.
        refused: Reason code to how many refused lines it is said of.
        faults: Inputs that could not be read, or not to their end.
    """

    lines: int = 0
    cleared: int = 0
    unusable: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    faults: int = 0

    def add(self, codes: Mapping[str, int]) -> None:
        """Count refusals by code."""
        for code, times in codes.items():
            self.refused[code] = self.refused.get(code, 0) + times


@dataclass(frozen=True, slots=True)
class Point:
    """
    Where a run stands: all before it is written.

    Attributes:
        line: Number of the line that comes next in the input of *done*.
    """

    done: Done = field(default_factory=Done)
    line: int = 1
    tally: Tally = field(default_factory=Tally)


def packing_of_name(name: str) -> str:
    """Return the packing that the ending of an output's *name* asks for."""
    return next((packing for suffix, packing in SUFFIXES.items() if name.endswith(suffix)), PLAIN)


def decisions_name(name: str) -> str:
    """Return where the decisions stand for the output *name*: ``out.jsonl.gz`` has ``out.decisions.jsonl.gz``."""
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
    stem = name.removesuffix(suffix)
    ending = next((ending for ending in _ENDINGS if stem.endswith(ending)), "")
    return f"{stem.removesuffix(ending)}.decisions.jsonl{suffix}"


def own_names(name: str) -> frozenset[str]:
    """
    Return the real paths, or the URL, that a run into output *name* writes.

    Of the output itself only if its decisions stand beside it: else it is no output yet, and may be anything.
    """
    if is_url(name):
        with suppress(Exception):  # each file system has errors of its own
            fs, there = remote_file(name)
            return frozenset({fs.unstrip_protocol(there)} if fs.exists(decisions_name(there)) else ())
        return frozenset()
    path = local_path(name)
    decisions = path.with_name(decisions_name(path.name))
    passing = {f"{path}.journal", f"{path}.partial", f"{decisions}.partial"}
    return frozenset(passing | ({str(path)} if decisions.exists() else set()))


class Output(Protocol):
    """
    Where a run writes. Entering it prepares; leaving it by an error keeps what can be gone on from.

    Attributes:
        point: Where the run before has stopped.
        is_finished: Whether it had but to give the files their names.
    """

    point: Point
    is_finished: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def write(self, payloads: bytes, records: bytes) -> None:
        """Take *payloads*, which are packed, and *records*, which are not."""

    def save(self, point: Point) -> None:
        """Keep all that was written until *point*, come what may."""

    def finish(self) -> None:
        """Give both files their names."""


def begun_at(name: str) -> datetime | None:
    """Return the clock of the run that stopped before it finished output *name*, so that it goes on by the same."""
    with suppress(OSError, KeyError, IndexError, ValueError, TypeError), _journal_path(name).open("rb") as journal:
        return datetime.fromisoformat(_entries(journal)[0]["now"])
    return None


def output_of(name: str, *, work: str, now: datetime, is_resumable: bool, resume: bool) -> Output:
    """
    Return the output *name*, a local path or a URL.

    Args:
        work: Digest of inputs and options.
        now: The clock that the run goes by.
        is_resumable: Whether the inputs can be read again.
        resume: Go on where a run before has stopped; without one, begin.

    Raises:
        UsageError: ``output``, ``resume-url``, ``resume-stream``.
        MissingExtra: The extra ``fleet`` for URLs and zstd.
    """
    if name == "-":
        raise UsageError(
            "Payloads and decisions go to two files, not to standard output.", rule="output", remedy="Name one: -o FILE"
        )
    check_packing(packing_of_name(name))
    if resume and is_url(name):
        raise UsageError("A run into a URL leaves nothing to go on from.", rule="resume-url", remedy="Begin again.")
    if resume and not is_resumable:
        raise UsageError(
            "Standard input and pipes can't be read again.", rule="resume-stream", remedy="Pass a file, or begin again."
        )
    if is_url(name):
        return _Remote(name)
    return _Local(local_path(name), {"format": FORMAT, "now": now.isoformat(), "work": work}, resume=resume)


def _journal_path(name: str) -> Path:
    path = local_path(name)
    return path.with_name(f"{path.name}.journal")


P = ParamSpec("P")
R = TypeVar("R")


def _plainly(remedy: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Tell what the system says when it can't write, and no more."""

    def with_remedy(write: Callable[P, R]) -> Callable[P, R]:
        @wraps(write)
        def told(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                return write(*arguments, **named)
            except OSError as error:
                problem = error.strerror or "no reason given"
            raise RcStatsError(f"The output can't be written: {problem}.", rule="output", remedy=remedy)

        return told

    return with_remedy


_GO_ON: Final = "What was done is kept; go on with: --resume"


def _silently(write: Callable[P, R]) -> Callable[P, R]:
    """Pass nothing on of what a remote file system says: it may hold an address or a credential."""

    @wraps(write)
    def told(*arguments: P.args, **named: P.kwargs) -> R:
        problem = RcStatsError("The output can't be written.", rule="output")
        try:
            return write(*arguments, **named)
        except RcStatsError as error:
            problem = error
        except Exception:  # noqa: BLE001, S110 - each file system has errors of its own
            pass
        raise problem

    return told


class _Local:
    """Two files and a journal, in a local directory."""

    def __init__(self, path: Path, head: Mapping[str, Any], *, resume: bool) -> None:
        self._path = path
        self._packing = packing_of_name(path.name)
        self._finals = (path.with_name(decisions_name(path.name)), path)
        self._partials = tuple(final.with_name(f"{final.name}.partial") for final in self._finals)
        self._journal_path = _journal_path(str(path))
        self._head = head
        self._resume = resume
        self.is_finished = False
        self._files: list[BinaryIO] = []
        self.point = Point()
        if not path.parent.is_dir():
            raise UsageError("The folder of the output isn't there.", rule="output", remedy="Make it, or name another.")
        for final in self._finals:
            if final.exists() and not final.is_file():
                raise UsageError("The output is no file that could be replaced.", rule="output")

    @_plainly("Nothing was done. Make it possible, or choose another place.")
    def __enter__(self) -> Self:
        """Take the journal, and what it says is done."""
        self._files.append(_locked(self._journal_path))
        self._journal = self._files[0]
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def _open(self) -> None:
        entries = _entries(self._journal) if self._resume else []
        if entries and entries[0] != self._head:
            raise UsageError(
                "The journal is of other inputs or options, so there is nothing to go on from.",
                rule="resume-changed",
                remedy="Repeat the command as it was, or begin again without --resume.",
            )
        self.is_finished = bool(entries) and entries[-1].get("finished") is True
        saved = next((entry for entry in reversed(entries) if "sizes" in entry), None)
        if saved is not None:
            self.point = _point(saved)
        if self.is_finished:
            return
        for partial, size in zip(self._partials, saved["sizes"] if saved is not None else (0, 0), strict=True):
            self._files.append(_cut_back(partial, size))
        if not entries:
            self._journal.truncate(0)
            self._note(self._head)
            _sync_directory(self._path.parent)

    def _note(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the journal; what may have broken off before it is ended first."""
        self._journal.write(b"\n" + orjson.dumps(entry) + b"\n")
        _sync(self._journal)

    @_plainly(_GO_ON)
    def write(self, payloads: bytes, records: bytes) -> None:
        """Take *payloads*, which are packed, and *records*, which are not."""
        _, decisions_file, payload_file = self._files
        payload_file.write(payloads)
        if records:
            decisions_file.write(packed(records, self._packing))

    @_plainly(_GO_ON)
    def save(self, point: Point) -> None:
        """Write both files through to the disk, then say so in the journal."""
        _, *files = self._files
        for file in files:
            _sync(file)
        self._note(_told(point) | {"sizes": [file.tell() for file in files]})

    @_plainly(_GO_ON)
    def finish(self) -> None:
        """Give both files their names, and let the journal go."""
        if not self.is_finished:
            for file in self._files[1:]:
                if not file.tell():
                    file.write(packed(b"", self._packing))
                _sync(file)
                file.close()
            self._note({"finished": True})
        for partial, final in zip(self._partials, self._finals, strict=True):
            if partial.exists() or not final.exists():  # else a run before has done it
                partial.replace(final)
        _sync_directory(self._path.parent)
        self._journal_path.unlink()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close everything; what can't be written any more was not said to be done."""
        self._close()

    def _close(self) -> None:
        for file in self._files:
            with suppress(OSError):
                file.close()


def _locked(path: Path) -> BinaryIO:
    """
    Return the journal at *path*, open for this run alone.

    Raises:
        UsageError: ``output-busy``.
    """
    while True:
        file = path.open("a+b")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
            file.close()  # another run has finished in between and taken its journal away
            continue
        raise UsageError(
            "Another run is writing this output.", rule="output-busy", remedy="Wait for it, or choose another name."
        )


def _cut_back(path: Path, size: int) -> BinaryIO:
    file = path.open("a+b")
    if file.seek(0, os.SEEK_END) < size:
        file.close()
        raise UsageError(
            "What was written before is no longer there whole.", rule="resume-damaged", remedy="Begin again."
        )
    file.truncate(size)
    return file


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _entries(journal: BinaryIO) -> list[dict[str, Any]]:
    """Return what the journal tells; a line that broke off is none."""
    journal.seek(0)
    entries = []
    for line in journal.read().split(b"\n"):
        with suppress(orjson.JSONDecodeError):
            entries.append(orjson.loads(line))
    return entries


def _told(point: Point) -> dict[str, Any]:
    tally = point.tally
    return {
        "input": point.done.place,
        "offset": point.done.offset,
        "line": point.line,
        "lines": tally.lines,
        "cleared": tally.cleared,
        "unusable": tally.unusable,
        "refused": tally.refused,
        "faults": tally.faults,
    }


def _point(entry: Mapping[str, Any]) -> Point:
    tally = Tally(entry["lines"], entry["cleared"], entry["unusable"], dict(entry["refused"]), entry["faults"])
    return Point(Done(entry["input"], entry["offset"]), entry["line"], tally)


class _Remote:
    """Two files of a file system that fsspec reaches. Where it can hold them back, they appear when both are whole."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._packing = packing_of_name(url)
        self._files: list[Any] = []
        self._is_empty = [True, True]
        self.point = Point()
        self.is_finished = False

    @_silently
    def __enter__(self) -> Self:
        """Open both."""
        fs, path = remote_file(self._url)
        for name in (decisions_name(path), path):
            self._files.append(fs.open(name, "wb", autocommit=False))
        return self

    @_silently
    def write(self, payloads: bytes, records: bytes) -> None:
        """Take *payloads*, which are packed, and *records*, which are not."""
        records = packed(records, self._packing) if records else b""
        for number, data in enumerate((records, payloads)):
            if data:
                self._files[number].write(data)
                self._is_empty[number] = False

    def save(self, point: Point) -> None:
        """Do nothing: there is nothing to go on from."""

    @_silently
    def finish(self) -> None:
        """End the files, then let them appear."""
        for file, is_empty in zip(self._files, self._is_empty, strict=True):
            if is_empty:
                file.write(packed(b"", self._packing))
            file.close()
        while self._files:
            self._files[0].commit()
            del self._files[0]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Discard what has not appeared."""
        for file in self._files:
            with suppress(Exception):
                file.discard()
            with suppress(Exception):
                file.close()
