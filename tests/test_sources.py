"""Documents in: every form that real workspaces hand out, what fails well, and how little is held in memory."""

from __future__ import annotations

import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rc_stats.errors import UnusableInput
from rc_stats.sources import Document, read_documents, read_newest
from rc_stats.wire import MAX_DOCUMENT_BYTES

SAMPLES = Path(__file__).parent / "data" / "samples"
MIB = 1024 * 1024
TOKEN = "octopus-ltd"  # noqa: S105 -- planted in inputs, to be looked for in errors

FIRST = {"createdAt": "2026-08-01T00:00:00.000Z", "totalRooms": 1}
SECOND = {"createdAt": "2026-08-03T00:00:00.000Z", "totalRooms": 2}
THIRD = {"createdAt": {"$date": "2026-08-02T00:00:00.000Z"}, "totalRooms": {"$numberInt": "3"}}


def dump(value: object) -> bytes:
    """Return *value* as JSON on one line."""
    return json.dumps(value).encode()


def lines(*values: object, end: str = "\n") -> bytes:
    """Return *values* as JSON, each on a line of its own."""
    return b"".join(dump(value) + end.encode() for value in values)


def read(data: bytes) -> list[Document]:
    """Return all documents in *data*."""
    return list(read_documents(io.BytesIO(data)))


def refused(data: bytes | BinaryIO) -> UnusableInput:
    """Return the error that reading *data* to its end raises."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    with pytest.raises(UnusableInput) as caught:
        list(read_documents(stream))
    return caught.value


FORMS: dict[str, tuple[bytes, str, list[dict[str, Any]]]] = {
    "document": (dump(FIRST), "document", [FIRST]),
    "indented document": (json.dumps(FIRST, indent=1).encode(), "document", [FIRST]),
    "document with a newline": (dump(FIRST) + b"\n", "document", [FIRST]),
    "document with CRLF": (json.dumps(FIRST, indent=1).replace("\n", "\r\n").encode(), "document", [FIRST]),
    "empty document": (b"{}", "document", [{}]),
    "answer of the server": (dump(FIRST | {"success": True}), "document", [FIRST | {"success": True}]),
    "envelope": (dump({"statistics": FIRST, "success": True}), "envelope", [FIRST]),
    "statistics of another type": (dump({"statistics": 5}), "document", [{"statistics": 5}]),
    "list": (dump({"statistics": [FIRST, SECOND, THIRD], "count": 3}), "list", [FIRST, SECOND, THIRD]),
    "indented list": (json.dumps({"statistics": [FIRST, SECOND]}, indent=2).encode(), "list", [FIRST, SECOND]),
    "empty list": (dump({"statistics": []}), "list", []),
    "array": (dump([FIRST, SECOND]), "array", [FIRST, SECOND]),
    "exported array": (b"[" + dump(FIRST) + b",\n" + dump(SECOND) + b"]\n", "array", [FIRST, SECOND]),
    "empty array": (b"[]", "array", []),
    "lines": (lines(FIRST, SECOND, THIRD), "lines", [FIRST, SECOND, THIRD]),
    "lines without a last newline": (lines(FIRST, SECOND).rstrip(), "lines", [FIRST, SECOND]),
    "lines with CRLF": (lines(FIRST, SECOND, end="\r\n"), "lines", [FIRST, SECOND]),
    "lines with gaps": (lines(FIRST, SECOND, end="\n \n\r\n"), "lines", [FIRST, SECOND]),
    "lines of envelopes": (lines({"statistics": FIRST}, {"statistics": SECOND}), "lines", [FIRST, SECOND]),
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "BOM in gzip": lambda data: gzip.compress(b"\xef\xbb\xbf" + data),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, packing: str) -> None:
    """Every form, plain or gzip, with or without a byte order mark, gives its documents in order and says its form."""
    data, name, bodies = FORMS[form]
    found = read(PACKINGS[packing](data))
    assert bodies == [document.body for document in found]
    assert {name} >= {document.form for document in found}


def test_lines_with_a_gap_before_the_first() -> None:
    """Empty lines before the first document are no fault, also after a byte order mark."""
    marked = read(b"\xef\xbb\xbf\n" + lines(FIRST, SECOND))
    assert [document.body for document in marked] == [FIRST, SECOND]
    assert [document.body for document in read(b"\n\r\n" + lines(FIRST, SECOND))] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("form", "positions"),
    [("document", [1]), ("envelope", [1]), ("list", [1, 2, 3]), ("array", [1, 2]), ("lines", [1, 2, 3])],
)
def test_positions(form: str, positions: list[int]) -> None:
    """A document knows its place in its source, from 1."""
    assert positions == [document.position for document in read(FORMS[form][0])]


def test_the_position_of_a_line_is_its_number() -> None:
    """Empty lines count, so that the number is the one that an editor shows."""
    assert [document.position for document in read(dump(FIRST) + b"\n\n\n" + dump(SECOND))] == [1, 4]


@pytest.mark.parametrize(
    ("made_at", "expected"),
    [
        ("2026-08-01T02:00:00+02:00", datetime(2026, 8, 1, tzinfo=UTC)),
        ({"$date": "2026-08-01T00:00:00.000Z"}, datetime(2026, 8, 1, tzinfo=UTC)),
        ({"$date": {"$numberLong": "1785542400000"}}, datetime(2026, 8, 1, tzinfo=UTC)),
        (1785542400000, datetime(2026, 8, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("9999-01-01T00:00:00Z", None),
        ({"$date": TOKEN}, None),
        ([], None),
        (None, None),
        (True, None),
    ],
    ids=repr,
)
def test_made_at(made_at: object, expected: datetime | None) -> None:
    """When a document was made is read in each known form of a date, and unknown otherwise."""
    (document,) = read(dump({"createdAt": made_at}))
    assert expected == document.made_at


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", ["list", "lines"])
def test_newest(form: str, packing: str) -> None:
    """Of several documents the newest by its own date is taken, wherever it stands, and their number is said."""
    newest = read_newest(io.BytesIO(PACKINGS[packing](FORMS[form][0])))
    assert newest.document.body == SECOND
    assert (newest.count, newest.undated, newest.document.position) == (3, 0, 2)


def test_newest_of_equals() -> None:
    """Of documents of one moment the first is taken."""
    newest = read_newest(io.BytesIO(dump([FIRST, SECOND, SECOND | {"totalRooms": 9}])))
    assert newest.document.body == SECOND


def test_undated_documents_are_the_oldest() -> None:
    """Documents without a date count as the oldest, and their number is said; of those alone the first is taken."""
    newest = read_newest(io.BytesIO(dump([{"a": 1}, FIRST, {"a": 2, "createdAt": "soon"}])))
    assert (newest.document.body, newest.count, newest.undated) == (FIRST, 3, 2)
    newest = read_newest(io.BytesIO(dump([{"a": 1}, {"a": 2}])))
    assert (newest.document.body, newest.count, newest.undated) == ({"a": 1}, 2, 2)


@pytest.mark.parametrize("data", [b"[]", b'{"statistics": []}', gzip.compress(b"[]", mtime=0)])
def test_newest_of_none(data: bytes) -> None:
    """A list without documents is refused by a rule of its own."""
    with pytest.raises(UnusableInput) as caught:
        read_newest(io.BytesIO(data))
    assert caught.value.rule == "no-document"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json*")), ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    """Each sample of a real workspace's form is read, plain and gzip, from a file and from memory."""
    with path.open("rb") as file:
        documents = list(read_documents(file))
    assert documents
    assert documents == read(gzip.compress(path.read_bytes()))
    assert all("statistics" not in document.body for document in documents)


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not-json"),
    "empty gzip": (gzip.compress(b""), "not-json"),
    "blank": (b"\n\n", "not-json"),
    "no JSON": (b"hello", "not-json"),
    "truncated": (dump(FIRST)[:-5], "not-json"),
    "truncated list": (dump({"statistics": [FIRST, SECOND]})[:-5], "not-json"),
    "truncated, indented": (json.dumps(FIRST, indent=1).encode()[:-3], "not-json"),
    "trailing garbage": (dump(FIRST) + b" garbage", "not-json"),
    "two documents on one line": (dump(FIRST) + dump(SECOND), "not-json"),
    "NaN": (b'{"a": NaN}', "not-json"),
    "not an object": (b"5", "not-an-object"),
    "text": (b'"text"', "not-an-object"),
    "null": (b"null", "not-an-object"),
    "array of numbers": (b"[1]", "not-an-object"),
    "array of arrays": (b"[[{}]]", "not-an-object"),
    "list of texts": (b'{"statistics": ["a"]}', "not-an-object"),
    "deep": (b"[" * 100_000, "too-deep"),
    "deep in gzip": (gzip.compress(b"[" * 100_000), "too-deep"),
    "UTF-16": (json.dumps(FIRST).encode("utf-16"), "wrong-encoding"),
    "UTF-16 in gzip": (gzip.compress(json.dumps(FIRST).encode("utf-16")), "wrong-encoding"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "wrong-encoding"),
    "half a gzip header": (b"\x1f\x8b", "bad-gzip"),
    "gzip header, then text": (b"\x1f\x8b" + b"hello hello hello", "bad-gzip"),
    "truncated gzip": (gzip.compress(dump(FIRST))[:-3], "bad-gzip"),
    "gzip cut in the middle": (gzip.compress(dump(FIRST))[:30], "bad-gzip"),
    "gzip with a wrong checksum": (
        gzip.compress(dump(FIRST))[:-8] + b"\0" * 4 + gzip.compress(dump(FIRST))[-4:],
        "bad-gzip",
    ),
    "gzip with a wrong size": (gzip.compress(dump(FIRST))[:-4] + b"\xff" * 4, "bad-gzip"),
    "gzip with flipped bits": (
        gzip.compress(dump(FIRST))[:12] + b"\xff" * 20 + gzip.compress(dump(FIRST))[32:],
        "bad-gzip",
    ),
    "gzip, then text": (gzip.compress(dump(FIRST)) + b"hello", "bad-gzip"),
    "gzip in gzip": (gzip.compress(gzip.compress(dump(FIRST))), "wrong-encoding"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    """Bad input is a typed error with the rule that was broken, one line, and nothing of the input in it."""
    data, rule = BAD[name]
    error = refused(data)
    assert rule == error.rule
    assert [str(error)] == str(error).splitlines()


@pytest.mark.parametrize(
    ("second", "rule", "message"),
    [
        (f'{{"{TOKEN}": oops}}'.encode(), "not-json", "Line 2: The input is not JSON (line 1, column "),
        (b'{"a": 1', "not-json", "Line 2: The input is not JSON (line 1, column 8)."),
        (b"[1]", "not-an-object", "Line 2: "),
        (b'"text"', "not-an-object", "Line 2: "),
        (b"[" * 100_000, "too-deep", "Line 2: "),
        (b'{"a": "\xe9"}', "wrong-encoding", "Line 2: "),
    ],
    ids=lambda item: item[:20] if isinstance(item, str) else "",
)
def test_bad_line(second: bytes, rule: str, message: str) -> None:
    """A fault in a line names its number, after the documents of the lines before it."""
    found = []
    with pytest.raises(UnusableInput) as caught:  # noqa: PT012 -- what came before the fault counts
        for document in read_documents(io.BytesIO(dump(FIRST) + b"\n" + second + b"\n" + dump(THIRD))):
            found.append(document.body)  # noqa: PERF401
    assert found == [FIRST]
    assert rule == caught.value.rule
    assert caught.value.message.startswith(message)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("first", [b"{oops}", b'{"a": 1}}', b"[1]", b'{"a": 1', b"oops"])
def test_bad_first_line(first: bytes) -> None:
    """Where the first line is no document the input isn't taken for lines, and the place is told of the whole."""
    error = refused(first + b"\n" + dump(SECOND) + b"\n" + dump(THIRD))
    assert error.message.startswith("The input is not JSON (line ")


def test_bad_line_after_gaps() -> None:
    """The number of a bad line is the one that an editor shows, empty lines included."""
    assert refused(dump(FIRST) + b"\n\n\noops\n").message.startswith("Line 4: ")


def behind(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and every error behind it."""
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is not None:
            yield link
            links += [link.__cause__, link.__context__]


@pytest.mark.parametrize(
    "data",
    [
        f'{{"a": {TOKEN}}}'.encode(),
        dump(FIRST) + f"\n{TOKEN}\n".encode(),
        dump(FIRST) + f'\n{{"{TOKEN}": 1}} x\n'.encode(),
        f'["{TOKEN}"]'.encode(),
        f'"{TOKEN}"'.encode(),
        gzip.compress(TOKEN.encode()),
        b"\x1f\x8b" + TOKEN.encode() * 3,
        gzip.compress(b"{}") + TOKEN.encode(),
    ],
    ids=["document", "line", "end of a line", "item", "text", "text in gzip", "gzip header", "end of gzip"],
)
def test_errors_hold_nothing_of_the_input(data: bytes) -> None:
    """No error, nor any error behind it, holds a piece of the input, not even the two bytes of a file's mark."""
    told = "".join(f"{link} {link!r} {link.args} {vars(link)}" for link in behind(refused(data)))
    assert TOKEN not in told
    assert repr(TOKEN[:2].encode()) not in told


# --- memory and endless streams


class Counting(io.RawIOBase):
    """A stream that gives *head*, then *filler* for ever up to *size* bytes, and counts what was read of it."""

    def __init__(self, head: bytes, filler: bytes, size: int) -> None:
        """Start before the first byte."""
        self.given = 0
        self._head = head
        self._filler = filler * (MIB // len(filler))
        self._size = size

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill *buffer* with what comes next."""
        wanted = min(len(buffer), self._size - self.given, MIB)
        if self.given < len(self._head):
            chunk = self._head[self.given : self.given + wanted]
        else:
            start = (self.given - len(self._head)) % len(self._filler)
            chunk = self._filler[start : start + wanted]
        buffer[: len(chunk)] = chunk
        self.given += len(chunk)
        return len(chunk)


TWO_GB = 2 * 1024 * MIB


@pytest.mark.parametrize(
    ("head", "filler"),
    [(b'{"a": "', b"x"), (b"[", b"[1],"), (b"[\n", b'{"a": 1},\n'), (b"", b" "), (b"", b"\n"), (b"\xff\xfe", b"x\0")],
    ids=["text", "array", "exported array", "spaces", "newlines", "UTF-16"],
)
@pytest.mark.parametrize("is_buffered", [False, True])
def test_a_large_file_is_not_read_beyond_the_limit(head: bytes, filler: bytes, is_buffered: bool) -> None:
    """Of a file of 2 GB that is no list of lines, no more is read than tells that it is too large."""
    raw = Counting(head, filler, TWO_GB)
    error = refused(io.BufferedReader(raw) if is_buffered else raw)  # type: ignore[arg-type]
    assert error.rule == "too-large"
    assert raw.given <= MAX_DOCUMENT_BYTES + 2 * MIB


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_a_long_line_is_not_read_beyond_the_limit(is_packed: bool) -> None:
    """A line that is too long is refused by its number, without reading to its end."""
    if is_packed:
        data = gzip.compress(dump(FIRST) + b'\n{"a": "' + b"x" * (4 * MAX_DOCUMENT_BYTES), compresslevel=1)
        error = refused(data)
    else:
        raw = Counting(dump(FIRST) + b'\n{"a": "', b"x", TWO_GB)
        error = refused(raw)  # type: ignore[arg-type]
        assert raw.given <= 2 * MAX_DOCUMENT_BYTES + 2 * MIB
    assert error.rule == "too-large"
    assert error.message.startswith("Line 2: ")


def peak_of(action: Callable[[], object]) -> int:
    """Return how much memory *action* held at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bomb(head: bytes, filler: bytes, mebibytes: int) -> bytes:
    """Return a gzip file, of many members, that unpacks to *head* and that many MiB of *filler*."""
    part = gzip.compress(filler * (4 * MIB // len(filler)))
    return gzip.compress(head) + part * (mebibytes // 4)


@pytest.mark.parametrize(
    ("head", "filler"),
    [(b"", b"\0"), (b'{"a": "', b"x"), (b"", b"\n"), (b"[", b"[1],")],
    ids=["zeros", "text", "lines", "array"],
)
def test_a_gzip_bomb_is_bounded(head: bytes, filler: bytes) -> None:
    """A small file that unpacks to 500 MiB is refused while it is unpacked, with bounded memory."""
    packed = bomb(head, filler, 500)
    assert len(packed) < MIB
    errors = []
    peak = peak_of(lambda: errors.append(refused(packed)))
    assert errors[0].rule == "too-large"
    assert peak < 120 * MIB


def test_a_gzip_bomb_of_lines_is_bounded() -> None:
    """A bomb whose second line is too long is refused by that line's number, with bounded memory."""
    packed = bomb(b'{"a": 1}\n{"a": "', b"x", 200)
    errors = []
    peak = peak_of(lambda: errors.append(refused(packed)))
    assert errors[0].message.startswith("Line 2: ")
    assert peak < 200 * MIB


def test_many_lines_stream() -> None:
    """Documents on 40 MiB of long lines come one by one, all of them, in memory that doesn't grow with their number."""
    line = dump({"createdAt": "2026-08-01T00:00:00Z", "text": "x" * MIB}) + b"\n"

    class Repeating(Counting):
        """A line, again and again."""

        def __init__(self, times: int) -> None:
            """Repeat the line so often."""
            super().__init__(b"", b"x", times * len(line))

        def readinto(self, buffer: Any) -> int:
            """Fill *buffer* with what comes next."""
            wanted = min(len(buffer), self._size - self.given)
            start = self.given % len(line)
            chunk = line[start : start + wanted]
            buffer[: len(chunk)] = chunk
            self.given += len(chunk)
            return len(chunk)

    counts = []
    few = peak_of(lambda: counts.append(len([0 for _ in read_documents(Repeating(20))])))  # type: ignore[arg-type]
    many = peak_of(lambda: counts.append(len([0 for _ in read_documents(Repeating(60))])))  # type: ignore[arg-type]
    assert counts == [20, 60]
    assert many < few + 8 * MIB
    assert many < 120 * MIB


def test_documents_come_before_the_end() -> None:
    """The first documents of a long stream of lines are there before the stream was read to its end."""
    line = dump(FIRST | {"x": "y" * 1000}) + b"\n"
    raw = Counting(b"", line, TWO_GB)
    raw._filler = line * 1000
    documents = read_documents(raw)  # type: ignore[arg-type]
    assert [next(documents).position for _ in range(100)] == list(range(1, 101))
    assert raw.given <= MAX_DOCUMENT_BYTES + 2 * MIB


class Dripping(io.RawIOBase):
    """A stream that gives one byte at a time, as a slow pipe does."""

    def __init__(self, data: bytes) -> None:
        """Start before the first byte."""
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give the next byte."""
        chunk = self._data.read(1)
        buffer[: len(chunk)] = chunk
        return len(chunk)


@pytest.mark.parametrize("is_buffered", [False, True])
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_slow_pipe(packing: str, is_buffered: bool) -> None:
    """A pipe that gives its bytes one at a time gives the same documents, gzip included."""
    raw = Dripping(PACKINGS[packing](lines(FIRST, SECOND)))
    stream = io.BufferedReader(raw) if is_buffered else raw
    assert [document.body for document in read_documents(stream)] == [FIRST, SECOND]  # type: ignore[arg-type]


@settings(max_examples=100)
@given(st.binary(max_size=60), st.booleans())
def test_reading_is_total(data: bytes, is_packed: bool) -> None:
    """Any bytes give documents or the one typed error."""
    refusal = None
    try:
        list(read_documents(io.BytesIO(gzip.compress(data) if is_packed else data)))
    except UnusableInput as error:
        refusal = error
    assert refusal is None or refusal.exit_code == 4


@settings(max_examples=100)
@given(st.integers(0, 10**9))
def test_damaged_gzip_is_typed(seed: int) -> None:
    """A gzip file with bytes changed anywhere gives documents or the one typed error."""
    chance = random.Random(seed)  # noqa: S311
    data = bytearray(gzip.compress(lines(FIRST, SECOND), mtime=0))
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    refusal = None
    try:
        list(read_documents(io.BytesIO(bytes(data[: chance.randrange(len(data) + 1)]))))
    except UnusableInput as error:
        refusal = error
    assert refusal is None or refusal.exit_code == 4
