"""
Documents in: a file or stream in any of the forms that real workspaces hand out, one document at a time.

A single document; the ``statistics`` envelope of versions 0.51 to 2.4; the list of ``statistics.list``; mongoexport,
relaxed or canonical, as lines or as an array; each plain or gzip. Memory is bounded by design: nothing longer than one
document may be is ever held, and lines are read one by one.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Protocol

from rc_stats.anonymise import not_an_object
from rc_stats.errors import UnusableInput
from rc_stats.operators import moment_of
from rc_stats.wire import MAX_DOCUMENT_BYTES, parse, too_large, unwrap

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_LONGEST_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Document:
    """
    One statistics document out of a source.

    Attributes:
        body: The parsed document, without any envelope.
        form: ``document``, ``envelope``, ``list``, ``array`` or ``lines``.
        position: Place in its source, from 1; the line number of lines.
        made_at: When it was made, if it says so.
    """

    body: Mapping[str, Any]
    form: str
    position: int
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Newest:
    """
    The newest document of a source, and out of how many.

    Attributes:
        count: Documents in the source.
        undated: How many of them don't say when they were made; they count as the oldest.
    """

    document: Document
    count: int
    undated: int


def read_documents(stream: BinaryIO) -> Iterator[Document]:
    """
    Yield every document of *stream*.

    Args:
        stream: Bytes, plain or gzip.

    Raises:
        UnusableInput: ``not-json``, ``not-an-object``, ``too-large``, ``too-deep``, ``wrong-encoding`` or ``bad-gzip``.
            A fault in a line names its number.
    """
    try:
        yield from _documents(_plain(stream))
    except (gzip.BadGzipFile, EOFError, zlib.error):
        pass  # The fault holds bytes of the input, so the error is raised where it is no longer being handled.
    else:
        return
    raise UnusableInput("The input is a damaged gzip file.", rule="bad-gzip")


def read_newest(stream: BinaryIO) -> Newest:
    """
    Return the newest document of *stream* by ``createdAt``; of equals, the first.

    Raises:
        UnusableInput: As :func:`read_documents`; also ``no-document``.
    """
    newest: Document | None = None
    count = undated = 0
    for document in read_documents(stream):
        count += 1
        undated += document.made_at is None
        if newest is None or (document.made_at or _LONGEST_AGO) > (newest.made_at or _LONGEST_AGO):
            newest = document
    if newest is None:
        raise UnusableInput("The input holds no statistics document.", rule="no-document")
    return Newest(newest, count, undated)


def _plain(stream: BinaryIO) -> io.BufferedReader[Any]:
    """Return *stream* buffered, and unpacked if it is gzip; what it unpacks to is read no further than is allowed."""
    start = b""
    while len(start) < len(_GZIP) and (more := stream.read(len(_GZIP) - len(start))):
        start += more  # A pipe may give one byte at a time.
    whole: io.BufferedReader[Any] = io.BufferedReader(_Raw(_Chained(start, stream)))
    if start != _GZIP:
        return whole
    return io.BufferedReader(_Raw(gzip.GzipFile(fileobj=whole)))


class _Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes, and none at the end."""


class _Raw(io.RawIOBase):
    """Any readable stream as the raw part of a buffered one."""

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _documents(stream: io.BufferedReader[Any]) -> Iterator[Document]:
    start = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(start) <= MAX_DOCUMENT_BYTES:
        try:
            value = parse(start)
        except UnusableInput as error:
            if not _begins_with_lines(start):
                raise
            whole_fault = error
        else:
            yield from _of_value(value)
            return
        yield from _of_lines(io.BytesIO(start), whole_fault)
    elif _begins_with_lines(start):
        yield from _of_lines(io.BufferedReader(_Raw(_Chained(start, stream))), too_large(MAX_DOCUMENT_BYTES))
    else:
        raise too_large(MAX_DOCUMENT_BYTES)


class _Chained:
    """The bytes that were read already, then the rest."""

    def __init__(self, start: bytes, rest: _Readable) -> None:
        self._start = io.BytesIO(start)
        self._rest = rest

    def read(self, size: int) -> bytes:
        return self._start.read(size) or self._rest.read(size)


def _begins_with_lines(start: bytes) -> bool:
    """Say whether the first line is a JSON object of its own, so that the input is JSON lines."""
    first, newline, rest = start.removeprefix(_BOM).lstrip().partition(b"\n")
    if not newline or not rest.strip() or not first.rstrip().endswith(b"}"):
        return False
    try:
        return isinstance(parse(first), Mapping)
    except UnusableInput:
        return False


def _of_value(value: Any) -> Iterator[Document]:
    if isinstance(value, list):
        items, form = value, "array"
    elif isinstance(value, Mapping):
        inner = value.get("statistics")
        if isinstance(inner, list):
            items, form = inner, "list"
        elif isinstance(inner, Mapping):
            items, form = [inner], "envelope"
        else:
            items, form = [value], "document"
    else:
        raise not_an_object()
    for position, item in enumerate(items, 1):
        yield _document(item, form, position)


def _of_lines(lines: BinaryIO, fault: UnusableInput) -> Iterator[Document]:
    """Yield a document for each line; *fault* is what is wrong with the input as a whole."""
    number = 0
    while line := lines.readline(MAX_DOCUMENT_BYTES + 2):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if not line.strip():
            continue
        try:
            value = parse(line.rstrip(b"\r\n"))
            if not isinstance(value, Mapping):
                raise not_an_object()
        except UnusableInput as error:
            if number == 1:
                raise fault from None
            raise UnusableInput(f"Line {number}: {error.message}", rule=error.rule, remedy=error.remedy) from None
        inner = value.get("statistics")
        yield _document(inner if isinstance(inner, Mapping) else value, "lines", number)


def _document(item: Any, form: str, position: int) -> Document:
    if not isinstance(item, Mapping):
        raise not_an_object()
    made_at = item.get("createdAt")
    moment = moment_of(unwrap(made_at) if isinstance(made_at, Mapping) else made_at)
    return Document(item, form, position, moment if isinstance(moment, datetime) else None)
