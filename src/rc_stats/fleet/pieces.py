"""
Pieces of an input: whole lines, cut at fixed offsets; and what becomes of the lines of one.

A piece is named by its offset in the unpacked input and holds the lines that begin in the next :data:`SIZE` bytes. So
where an input is cut depends on its bytes alone, not on how it is read or by how many, and output is the same for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import orjson

from rc_stats.errors import UnusableInput
from rc_stats.fleet.lines import LineGate, Options, Ruling, line_gate
from rc_stats.fleet.packing import Readable, packed, read_up_to
from rc_stats.fleet.places import open_input, unreadable
from rc_stats.wire import MAX_DOCUMENT_BYTES

SIZE: Final = 512 * 1024
"""Bytes of an input in which the lines of one piece begin; several pieces are held at once."""

LONGEST_LINE: Final = MAX_DOCUMENT_BYTES
"""A longer line is cut there, and so refused; its rest is passed over."""

END: Final = 2**63 - 1
"""Offset of what is said of the end of an input."""

_STEP: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """
    A piece that is still to be read.

    Attributes:
        name: A local file or a URL.
        end: Bytes of the whole input.
    """

    name: str
    offset: int
    size: int
    end: int

    def read(self) -> bytes:
        """
        Return the lines of the piece.

        Raises:
            UnusableInput: ``unreadable``; ``input-changed`` if the input has become shorter.
        """
        with open_input(self.name) as file:
            try:
                return _lines_of(file, self)
            except UnusableInput:
                raise
            except Exception:  # noqa: BLE001, S110 - each file system has errors of its own
                pass
        raise unreadable()


def _lines_of(file: BinaryIO, span: Span) -> bytes:
    start = max(span.offset - 1, 0)  # The byte before tells whether a line begins with the piece.
    file.seek(start)
    position = min(span.offset + span.size, span.end)
    data = _exactly(file, position - start)
    if span.offset:
        first = data.find(b"\n") + 1
        data = data[first:] if first else b""
    if not data or data.endswith(b"\n"):
        return data
    parts = [data]
    missing = LONGEST_LINE + 1 - (len(data) - data.rfind(b"\n") - 1)
    while missing > 0 and position < span.end:
        more = _exactly(file, min(_STEP, span.end - position))
        position += len(more)
        cut = more.find(b"\n") + 1
        parts.append((more[:cut] if cut else more)[:missing])
        missing = 0 if cut else missing - len(more)
    return b"".join(parts)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = read_up_to(file, size)
    if len(data) < size:
        raise UnusableInput("The input has become shorter while it was read.", rule="input-changed")
    return data


def cut(stream: Readable, size: int = SIZE) -> Iterator[tuple[int, bytes]]:
    """
    Yield offset and lines of each piece of *stream* in which a line begins, holding about one piece at a time.

    Args:
        size: Bytes in which the lines of a piece begin; no more than :data:`LONGEST_LINE`.
    """
    offset = -size
    begun = 0
    parts: list[bytes] = []  # of a piece whose last line has not ended
    missing = 0  # bytes that this line may still have
    while window := read_up_to(stream, size):
        offset += size
        if parts:
            end = window.find(b"\n") + 1
            part = window[:end] if end else window
            if missing:
                parts.append(part[:missing])
            missing = max(0, missing - len(part))
            if not end:
                continue
            yield begun, b"".join(parts)
            parts = []
            window = window[end:]
        last = window.rfind(b"\n") + 1
        if last < len(window):
            begun, parts, missing = offset, [window], LONGEST_LINE + 1 - (len(window) - last)
        elif window:
            yield offset, window
    if parts:
        yield begun, b"".join(parts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of the lines of one piece.

    Attributes:
        payloads: Bodies, one on each line, packed as the output is.
        records: What the decisions say of each line but its number, one on each line; of a blank line, nothing.
        cleared, unusable: How many lines gave a payload, and how many could not be read as a document.
        refused: Reason code to how many refused lines it is said of.
        fault: Why the rest of the input can't be read; empty if it can.
    """

    payloads: bytes = b""
    records: bytes = b""
    cleared: int = 0
    unusable: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does with one piece; it can be pickled."""

    options: Options
    packing: str = ""

    def __call__(self, piece: bytes | Span) -> Outcome:
        """Return what becomes of the lines of *piece*. Of errors only those of reading come as a fault."""
        try:
            lines = piece if isinstance(piece, bytes) else piece.read()
        except UnusableInput as error:
            return Outcome(fault=error.rule)
        return decided(lines, line_gate(self.options), self.packing)


def decided(lines: bytes, gate: LineGate, packing: str = "") -> Outcome:
    """Return what *gate* makes of *lines*."""
    payloads: list[bytes] = []
    records: list[bytes] = []
    refused: Counter[str] = Counter()
    unusable = 0
    for line in lines.removesuffix(b"\n").split(b"\n") if lines else ():
        if not line or line.isspace():
            records.append(b"")
            continue
        ruling = gate(line)
        records.append(record_of(ruling))
        if ruling.payload is not None:
            payloads.append(ruling.payload)
        else:
            refused.update(ruling.reasons)
            unusable += not ruling.is_usable
    body = packed(b"".join(payloads), packing) if payloads else b""
    return Outcome(body, b"".join([record + b"\n" for record in records]), len(payloads), unusable, dict(refused))


_KNOWN_RECORDS: dict[tuple[str, ...], bytes] = {}


def record_of(ruling: Ruling) -> bytes:
    """Return what the decisions say of a line but where it is: members of a JSON object."""
    if ruling.drift is None and ruling.label is None and ruling.payload is not None:
        # There are few different ones of these: the codes that narrow.
        known = _KNOWN_RECORDS.get(ruling.reasons)
        if known is None:
            known = _KNOWN_RECORDS[ruling.reasons] = _record(ruling)
        return known
    return _record(ruling)


def _record(ruling: Ruling) -> bytes:
    told: dict[str, object] = {"verdict": ruling.verdict, "reasons": ruling.reasons}
    if ruling.drift is not None:
        told["drift"] = [drift._asdict() for drift in ruling.drift]
    if ruling.label is not None:
        told["label"] = ruling.label
    return orjson.dumps(told)[1:-1]


def numbered(records: bytes, place: int, line: int) -> tuple[bytes, int]:
    """
    Return the lines of the decisions for *records* of input *place*, and the number of the line that follows.

    Args:
        line: Number of their first line.
    """
    told = records.split(b"\n")[:-1]
    written = [b'{"input":%d,"line":%d,%b}\n' % (place, n, record) for n, record in enumerate(told, line) if record]
    return b"".join(written), line + len(told)
