"""
Where inputs and outputs are: local files, standard input, and whatever fsspec reaches by URL.

An error of a file system may hold a path, an address or a credential, so none is passed on: what can't be read is
``unreadable``.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from rc_stats.errors import MissingExtra, UnusableInput, UsageError
from rc_stats.fleet.packing import SUFFIXES

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """
    One input.

    Attributes:
        number: From 1, in the order of reading; it stands for the input in the decisions.
        size: Bytes as they lie there; None where that can't be known, of a pipe for example.
        stamp: Changes when the content does; empty where there is no such thing.
        is_there: Whether it was there when the run was planned.
    """

    number: int
    name: str
    size: int | None = None
    stamp: str = ""
    is_there: bool = True


_FILE: Final = "file://"
_DECISIONS: Final = tuple(f".decisions.jsonl{suffix}" for suffix in ("", *SUFFIXES))


def is_url(name: str) -> bool:
    """Say whether fsspec is to be asked for *name*."""
    return "://" in name and not name.startswith(_FILE)


def local_path(name: str) -> Path:
    """Return the path that *name*, which is no other URL, stands for."""
    return Path(name.removeprefix(_FILE)).resolve()


def places_of(names: Iterable[str], own: Container[str] = ()) -> list[Place]:
    """
    Return the inputs that *names* stand for: in their order, of each pattern sorted.

    A name that stands for nothing is an input as well, which is not there; so it is recorded. A pattern stands for no
    decisions of a run, and for none of *own*; a name that is given whole is taken.

    Args:
        own: What the run itself writes, by real path or URL.

    Raises:
        UsageError: ``standard-input``: it is named twice, or there is none.
        MissingExtra: For URLs, the extra ``fleet``.
    """
    found: list[str] = []
    for name in names:
        found += _remote_names(name, own) if is_url(name) else _local_names(name.removeprefix(_FILE), own)
    if found.count(STANDARD_INPUT) > 1:
        raise UsageError("Standard input can be read once.", rule="standard-input")
    return [_place(number, name) for number, name in enumerate(found, 1)]


def _local_names(name: str, own: Container[str]) -> list[str]:
    """Return absolute names: a worker elsewhere on the machine, or of a cluster, has another current directory."""
    if name == STANDARD_INPUT:
        return [name]
    found = [name]
    if glob.has_magic(name) and not os.path.lexists(name):
        matching = glob.glob(name, recursive=True)  # noqa: PTH207 - a path's own glob takes no absolute pattern
        inputs = (path for path in matching if not path.endswith(_DECISIONS) and os.path.realpath(path) not in own)
        found = sorted(path for path in inputs if not Path(path).is_dir()) or found
    return [os.path.abspath(path) for path in found]  # noqa: PTH100 - resolving would follow links


def _remote_names(url: str, own: Container[str]) -> list[str]:
    if not glob.has_magic(url):
        return [url]
    try:
        fs, path = _fsspec().core.url_to_fs(url)
        matching = (fs.unstrip_protocol(found) for found in fs.glob(path))
        return sorted(name for name in matching if not name.endswith(_DECISIONS) and name not in own) or [url]
    except MissingExtra:
        raise
    except Exception:  # noqa: BLE001 - each file system has errors of its own
        return [url]


def _place(number: int, name: str) -> Place:
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise UsageError("There is no standard input.", rule="standard-input")
        return Place(number, name)
    try:
        return _remote_place(number, name) if is_url(name) else _local_place(number, name)
    except MissingExtra:
        raise
    except Exception:  # noqa: BLE001 - each file system has errors of its own
        return Place(number, name, is_there=False)


def _local_place(number: int, name: str) -> Place:
    told = Path(name).stat()
    if not stat.S_ISREG(told.st_mode):
        return Place(number, name, is_there=not stat.S_ISDIR(told.st_mode))
    return Place(number, name, told.st_size, str(told.st_mtime_ns))


def _remote_place(number: int, name: str) -> Place:
    fs, path = _fsspec().core.url_to_fs(name)
    told = fs.info(path)
    return Place(number, name, told.get("size"), str(fs.ukey(path)), is_there=told.get("type") != "directory")


def open_input(name: str) -> BinaryIO:
    """
    Return input *name*, open for reading.

    It is buffered, which makes one block of each read of a pipe. Without, each is put together from parts that were
    made too large and cut down, and what the allocator keeps between them grows with every million lines.

    Raises:
        UnusableInput: ``unreadable``.
    """
    try:
        if name == STANDARD_INPUT:
            return open(os.dup(sys.stdin.fileno()), "rb")  # noqa: PTH123 - a descriptor, not a path
        if is_url(name):
            fs, path = _fsspec().core.url_to_fs(name)
            opened: BinaryIO = fs.open(path, "rb")
            return opened
        return Path(name).open("rb")
    except MissingExtra:
        raise
    except Exception:  # noqa: BLE001, S110 - each file system has errors of its own
        pass
    raise unreadable()


def unreadable() -> UnusableInput:
    """Return the error for an input that can't be opened or read on."""
    return UnusableInput("The input can't be read.", rule="unreadable")


def _fsspec() -> Any:
    try:
        import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError:
        raise MissingExtra("fleet", "Reading and writing by URL") from None
    return fsspec


def remote_file(url: str) -> tuple[Any, str]:
    """Return the file system of *url*, and the path there."""
    found: tuple[Any, str] = _fsspec().core.url_to_fs(url)
    return found
