"""
Compression: told by its first bytes on the way in, and by the suffix of the name on the way out.

What is unpacked is read no further than is asked for, so that a bomb costs time and no memory. Output is packed in
independent pieces, which together are one valid file: pieces can be packed by several processes, and a file can be cut
back to the end of any piece.
"""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import suppress
from typing import Any, Final, Protocol

from rc_stats.errors import MissingExtra, UnusableInput

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
PLAIN: Final = ""

SUFFIXES: Final = {".gz": GZIP, ".zst": ZSTD}
"""By which the packing of an output is chosen."""

_LEVELS: Final = {GZIP: 6, ZSTD: 3}
_MARK: Final = b"\0end of the archive\0"
_STARTS: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes, and none at the end."""


class Chained:
    """What was read already, then the rest."""

    def __init__(self, start: bytes | Readable, rest: Readable) -> None:
        self._start = io.BytesIO(start) if isinstance(start, bytes) else start
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes of either."""
        return self._start.read(size) or self._rest.read(size)


def read_up_to(stream: Readable, size: int) -> bytes:
    """Return *size* bytes of *stream*, fewer only at its end; a pipe gives them piece by piece."""
    first = stream.read(size)
    if len(first) == size or not first:
        return first
    parts = [first]
    missing = size - len(first)
    while missing and (more := stream.read(missing)):
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)


def packing_of(start: bytes) -> str:
    """Return how the input is packed that begins with *start*, at least four bytes of it."""
    if start.startswith(_STARTS[0]):
        return GZIP
    is_skippable = start[1:4] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F
    return ZSTD if start.startswith(_STARTS[1]) or is_skippable else PLAIN


def unpacked(stream: Readable, packing: str) -> Readable:
    """
    Return what *stream* holds, unpacked. Reading it raises :class:`UnusableInput`: ``bad-gzip``, ``bad-zstd``.

    Raises:
        MissingExtra: For zstd, the extra ``fleet``.
    """
    if packing == GZIP:
        return _as_file(_Gzip(stream))
    return _as_file(_Zstd(stream)) if packing == ZSTD else stream


class _Gzip:
    def __init__(self, stream: Readable) -> None:
        self._stream: Any = gzip.GzipFile(fileobj=_as_file(stream))

    def read(self, size: int, /) -> bytes:
        with suppress(gzip.BadGzipFile, EOFError, zlib.error):
            data: bytes = self._stream.read(size)
            return data
        # Raised where the fault, which may hold bytes of the input, is no longer being handled.
        raise UnusableInput("The input is a damaged gzip file.", rule="bad-gzip")


class _Zstd:
    """
    A zstd archive whose truncation shows. To be read in pieces longer than the mark.

    The library ends an archive that breaks off in mid-frame without a word. So a frame with a mark follows the archive:
    the mark comes out at the end only if the archive ended between frames.
    """

    def __init__(self, stream: Readable) -> None:
        self._zstd = zstandard = _zstandard()
        # The checksum comes last, so that the mark's own bytes, taken for data of a frame, don't end with the mark.
        mark = zstandard.ZstdCompressor(write_checksum=True).compress(_MARK)
        whole = _Followed(stream, mark)
        self._stream: Any = zstandard.ZstdDecompressor().stream_reader(whole, read_across_frames=True)
        self._held = b""

    def read(self, size: int, /) -> bytes:
        while True:
            try:
                more: bytes = self._stream.read(size)
            except self._zstd.ZstdError:
                break
            known = self._held + more
            if not more:
                if known != _MARK:
                    break
                return b""
            self._held = known[-len(_MARK) :]
            if len(known) > len(_MARK):
                return known[: -len(_MARK)]
        raise UnusableInput("The input is a damaged zstd file.", rule="bad-zstd")


class _Followed:
    """
    A stream with an end behind it. The end comes in one piece with bytes before it: at the beginning of a piece the
    library may take it for a new frame although the one before has not ended.
    """

    def __init__(self, stream: Readable, end: bytes) -> None:
        self._stream = stream
        self._end = end
        self._next: bytes | None = None

    def read(self, size: int, /) -> bytes:
        room = size - len(self._end)
        known = self._stream.read(room) if self._next is None else self._next
        self._next = self._stream.read(room) if known else b""
        if not self._next:
            known, self._end = known + self._end, b""
        return known


class _Raw(io.RawIOBase):
    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _as_file(stream: Readable) -> io.BufferedReader[Any]:
    return io.BufferedReader(_Raw(stream), 128 * 1024)


def packed(data: bytes, packing: str) -> bytes:
    """Return *data* as a piece of an output of this *packing*; the same bytes give the same piece."""
    if packing == GZIP:
        zipped: bytes = gzip.compress(data, _LEVELS[GZIP], mtime=0)
        return zipped
    if packing == ZSTD:
        compressed: bytes = _zstandard().ZstdCompressor(level=_LEVELS[ZSTD], write_checksum=True).compress(data)
        return compressed
    return data


def check_packing(packing: str) -> None:
    """
    Raise what would be raised later.

    Raises:
        MissingExtra: For zstd, the extra ``fleet``.
    """
    if packing == ZSTD:
        _zstandard()


def _zstandard() -> Any:
    try:
        import zstandard  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError:
        raise MissingExtra("fleet", "Reading and writing zstd archives") from None
    return zstandard
