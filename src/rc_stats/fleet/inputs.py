"""
Inputs to tasks: what is to be done, piece by piece, in order.

Of a plain file only the offsets of pieces are handed on, for whoever does the work to read. What is packed, a pipe, or
one document, array or ``statistics.list`` as a whole is read here, and its lines are handed on as bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from rc_stats.errors import UnusableInput
from rc_stats.fleet.packing import PLAIN, Chained, Readable, packing_of, read_up_to, unpacked
from rc_stats.fleet.pieces import END, LONGEST_LINE, SIZE, Span, cut
from rc_stats.fleet.places import STANDARD_INPUT, Place, open_input, unreadable

_BOM: Final = b"\xef\xbb\xbf"
_LOOKED_AT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """
    One piece of work, or what is said of the end of an input.

    Attributes:
        place: Number of the input.
        offset: Of the piece, in the unpacked input; :data:`END` for a fault.
        piece: Its lines, or where to read them; None if nothing is to be done.
        fault: Why the rest of the input can't be read.
        passed: How many bytes of the input, as they lie there, are behind after this.
    """

    place: int
    offset: int
    piece: bytes | Span | None
    fault: str = ""
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """Up to where all is done: the input, and the offset of its last piece; -1 for none of it."""

    place: int = 0
    offset: int = -1


def tasks_of(places: Sequence[Place], done: Done, size: int = SIZE) -> Iterator[Task]:
    """
    Yield what is to be done for *places*, without what is *done*. A fault of one input is a task, not an error.

    Args:
        size: Bytes in which the lines of a piece begin.
    """
    for place in places:
        if place.number < done.place:
            continue
        after = done.offset if place.number == done.place else -1
        for task in _of_place(place, after, size):
            if task.offset > after:
                yield task


def _of_place(place: Place, after: int, size: int) -> Iterator[Task]:
    try:
        if not place.is_there:
            raise unreadable()
        with closing(open_input(place.name)) as file:
            yield from _of_stream(place, _Counted(file), after, size)
    except UnusableInput as error:
        fault = error.rule
    else:
        return
    yield Task(place.number, END, None, fault, place.size or 0)


def _of_stream(place: Place, file: _Counted, after: int, size: int) -> Iterator[Task]:
    start = read_up_to(file, 4)
    packing = packing_of(start)
    is_split = packing == PLAIN and place.size is not None and place.name != STANDARD_INPUT
    stream, is_lines = _as_lines(unpacked(Chained(start, file), packing))
    if is_split and is_lines and place.size is not None:
        for offset in range(0 if after < 0 else after + size, place.size, size):
            span = Span(place.name, offset, size, place.size)
            yield Task(place.number, offset, span, "", min(offset + size, place.size))
        return
    for offset, lines in cut(stream, size):
        yield Task(place.number, offset, lines, "", file.count)


class _Counted:
    """A file whose bytes are counted, and whose errors are ours."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.count = 0

    def read(self, size: int, /) -> bytes:
        data: bytes | None = None
        with suppress(Exception):  # each file system has errors of its own
            data = self._file.read(size)
        if data is None:
            raise unreadable()
        self.count += len(data)
        return data


def _as_lines(stream: Readable) -> tuple[Readable, bool]:
    """
    Return *stream* as lines, and whether it already was.

    A stream that doesn't begin with a line of its own, and is no longer than a document may be, can be one document, an
    array or a list: then each document becomes a line. Whatever else it is, it is taken for lines.
    """
    head = read_up_to(stream, _LOOKED_AT)
    if _begins_with_lines(head):
        return Chained(head, stream), True
    whole = io.BytesIO()
    whole.write(head)
    while whole.tell() <= LONGEST_LINE and (more := stream.read(min(_LOOKED_AT, LONGEST_LINE + 1 - whole.tell()))):
        whole.write(more)
    items = _items(whole.getbuffer()) if whole.tell() <= LONGEST_LINE else None
    if items is None:
        whole.seek(0)
        return Chained(whole, stream), True
    lines = io.BytesIO()
    for item in items:
        # In JSON a newline stands only between tokens.
        lines.write(bytes(item).replace(b"\n", b" ").replace(b"\r", b" "))
        lines.write(b"\n")
    lines.seek(0)
    return lines, False


def _begins_with_lines(head: bytes) -> bool:
    first, newline, rest = head.removeprefix(_BOM).lstrip().partition(b"\n")
    return bool(newline) and bool(rest.strip()) and _decoded(first, dict[str, msgspec.Raw]) is not None


class _List(msgspec.Struct):
    statistics: msgspec.Raw = msgspec.Raw()
    workspace: msgspec.Raw = msgspec.Raw()
    consent: msgspec.Raw = msgspec.Raw()


def _items(whole: memoryview) -> list[msgspec.Raw] | None:
    """Return the documents of *whole*, without making objects of them; None if it is not one JSON value."""
    text = whole[len(_BOM) :] if bytes(whole[: len(_BOM)]) == _BOM else whole
    items: list[msgspec.Raw] | None = _decoded(text, list[msgspec.Raw])
    if items is not None:
        return items
    told = _decoded(text, _List)
    if told is None:
        return None
    is_list = bytes(told.statistics)[:1] == b"[" and not bytes(told.workspace) and not bytes(told.consent)
    return _decoded(bytes(told.statistics), list[msgspec.Raw]) if is_list else [_decoded(text, msgspec.Raw)]


def _decoded(data: bytes | memoryview, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError):
        return None
