"""Inputs of every form and packing, cut in the same pieces however they are read, and faults told, not raised."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import fsspec  # type: ignore[import-untyped]
import orjson
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archives import PACKED, document, dump, joined
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.fleet import pieces
from rc_stats.fleet.inputs import Done, Task, tasks_of
from rc_stats.fleet.packing import GZIP, PLAIN, ZSTD, Chained, packed, packing_of, read_up_to, unpacked
from rc_stats.fleet.pieces import END, LONGEST_LINE, SIZE, Span, cut, numbered
from rc_stats.fleet.places import Place, is_url, open_input, places_of

MIB = 1024 * 1024


class Drip:
    """A pipe: gives as few bytes at a time as it was told."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        """Return some bytes, and none at the end."""
        return self._data.read(min(size, self._step))


def spans(path: Path, size: int) -> list[tuple[int, bytes]]:
    """Return the pieces of a file, each read on its own, without those in which no line begins."""
    end = path.stat().st_size
    read = [(offset, Span(str(path), offset, size, end).read()) for offset in range(0, end, size)]
    return [(offset, lines) for offset, lines in read if lines]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([b"", b"a", b"bb", b"c" * 7, b"d" * 30, b"e" * 99]), max_size=20),
    st.booleans(),
    st.integers(1, 40),
    st.integers(1, 50),
)
@example([b"a" * 9, b"b"], True, 10, 3)
@example([b"a" * 10, b"b"], True, 10, 100)
@example([b"d" * 30, b"", b""], False, 5, 1)
def test_pieces_are_the_same_however_they_are_read(lines: list[bytes], is_ended: bool, size: int, step: int) -> None:
    """Pieces hold every line once and in order; a file by spans, a stream and a dripping pipe are cut alike."""
    data = joined(lines) if is_ended else joined(lines)[:-1]
    with pytest.MonkeyPatch.context() as patch, NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        patch.setattr(pieces, "_STEP", 3)
        streamed = list(cut(io.BytesIO(data), size))
        assert data == b"".join(part for _, part in streamed)
        assert streamed == list(cut(Drip(data, step), size))
        assert streamed == spans(Path(file.name), size)
    begins = {0, *(at + 1 for at, byte in enumerate(data) if byte == ord("\n"))} - {len(data)}
    assert sorted({begin // size * size for begin in begins}) == [offset for offset, _ in streamed]


@pytest.mark.parametrize("extra", [-1, 0, 1, 5, 100])
@pytest.mark.parametrize("is_last", [True, False])
def test_over_long_lines_are_cut(extra: int, is_last: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit keeps one byte more than that, so that it is refused; the lines around it stay whole."""
    limit, size = 64, 16
    monkeypatch.setattr(pieces, "LONGEST_LINE", limit)
    monkeypatch.setattr(pieces, "_STEP", 7)
    line = b"x" * (limit + extra)
    data = b"first\n" + line + (b"" if is_last else b"\nlast\n")
    kept = [b"first", line[: limit + 1], *([] if is_last else [b"last"])]
    path = tmp_path / "long.jsonl"
    path.write_bytes(data)
    for found in (list(cut(io.BytesIO(data), size)), list(cut(Drip(data, 5), size)), spans(path, size)):
        read = [part for _, piece in found for part in piece.split(b"\n") if part]
        assert kept == read
        assert found == list(cut(io.BytesIO(data), size))


def test_an_endless_line_takes_no_memory() -> None:
    """Of a line without end hardly more is held than a document may be long."""

    class Endless:
        count = 0

        def read(self, size: int, /) -> bytes:
            self.count += size
            return b"x" * size if self.count < 300 * MIB else b""

    tracemalloc.start()
    try:
        ((offset, piece),) = cut(Endless())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (offset, len(piece)) == (0, LONGEST_LINE + 1)
    assert peak < 3 * LONGEST_LINE


def test_a_bomb_takes_no_memory() -> None:
    """A small archive that unpacks to a great deal is read with the memory of one document."""
    for packing in (GZIP, ZSTD):
        bomb = packed(bytes(20 * MIB), packing) * 20
        tracemalloc.start()
        try:
            ((_, piece),) = cut(unpacked(io.BytesIO(bomb), packing))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(piece) == LONGEST_LINE + 1
        assert peak < 3 * LONGEST_LINE


@pytest.mark.parametrize("way", PACKED)
@pytest.mark.parametrize("step", [1, 3, 1000, MIB])
def test_packings_are_told_by_their_first_bytes(way: str, step: int) -> None:
    """Whatever the name: gzip and zstd, also of several parts, are unpacked, from a pipe as well."""
    data = joined([dump(document(number)) for number in range(20)])
    stream: Any = Drip(PACKED[way](data), step)
    start = read_up_to(stream, 4)
    found = unpacked(Chained(start, stream), packing_of(start))
    assert packing_of(start) == {"p": PLAIN, "g": GZIP, "z": ZSTD}[way[0]]
    assert read_up_to(found, len(data) + 1) == data


@pytest.mark.parametrize("packing", [GZIP, ZSTD])
@given(st.lists(st.binary(max_size=60), max_size=4), st.data())
@settings(max_examples=60)
def test_a_damaged_archive_shows(packing: str, parts: list[bytes], data: st.DataObject) -> None:
    """An archive that breaks off anywhere but between its parts is a fault, never a shorter archive."""
    whole = [packed(part * 50, packing) for part in parts]
    archive = b"".join(whole)
    ends = {sum(map(len, whole[:count])) for count in range(len(whole) + 1)}
    place = data.draw(st.integers(0, len(archive)))
    stream = unpacked(io.BytesIO(archive[:place]), packing)
    if place in ends:
        assert read_up_to(stream, 10_000) == b"".join(
            part * 50 for count, part in enumerate(parts, 1) if sum(map(len, whole[:count])) <= place
        )
        return
    with pytest.raises(UnusableInput) as caught:
        read_up_to(stream, 10_000)
    assert caught.value.rule == f"bad-{packing}"
    assert caught.value.__context__ is None


@pytest.mark.parametrize("packing", [GZIP, ZSTD])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_large_archive_that_breaks_off(packing: str, place: float) -> None:
    """In the middle of bytes that can't be compressed there is nothing to stumble over, and the end still shows."""
    archive = packed(os.urandom(400_000), packing)
    with pytest.raises(UnusableInput, match=f"bad-{packing}"):
        list(cut(unpacked(io.BytesIO(archive[: int(len(archive) * place)]), packing)))


@pytest.mark.parametrize("packing", [GZIP, ZSTD])
def test_an_archive_with_more_behind_it_is_damaged(packing: str) -> None:
    """Bytes that belong to no part of the archive are a fault."""
    stream = unpacked(io.BytesIO(packed(b"text\n", packing) + b"behind the end"), packing)
    with pytest.raises(UnusableInput, match=f"bad-{packing}"):
        read_up_to(stream, 1000)


def test_pieces_of_an_output_are_one_archive() -> None:
    """Packed pieces in a row are one archive, the same bytes each time."""
    for packing, unpack in ((GZIP, gzip.decompress), (ZSTD, unzstd)):
        assert unpack(packed(b"one\n", packing) + packed(b"", packing) + packed(b"two\n", packing)) == b"one\ntwo\n"
        assert packed(b"one\n", packing) == packed(b"one\n", packing)
    assert packed(b"one\n", PLAIN) == b"one\n"


def unzstd(data: bytes) -> bytes:
    """Return what a zstd archive of any number of frames holds."""
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
        return stream.read()


def tasks(path: Path | str, *, after: int = -1, size: int = SIZE) -> list[Task]:
    """Return the tasks of one input."""
    return list(tasks_of(places_of([str(path)]), Done(1, after), size))


def lines_of(found: Sequence[Task]) -> list[bytes]:
    """Return the lines that tasks hold or name; faults have none."""
    read = [task.piece if isinstance(task.piece, bytes) else task.piece.read() for task in found if task.piece]
    return b"".join(read).splitlines()


ONE, TWO = document(1), document(2)
FORMS: dict[str, tuple[bytes, list[Any]]] = {
    "lines": (joined([dump(ONE), dump(TWO)]), [ONE, TWO]),
    "lines without a last newline": (dump(ONE) + b"\n" + dump(TWO), [ONE, TWO]),
    "lines with CRLF": (joined([dump(ONE), dump(TWO)], b"\r\n"), [ONE, TWO]),
    "lines after blank ones": (b"\n \n" + joined([dump(ONE), dump(TWO)]), [ONE, TWO]),
    "a byte order mark": (b"\xef\xbb\xbf" + joined([dump(ONE), dump(TWO)]), [ONE, TWO]),
    "one line": (dump(ONE), [ONE]),
    "a document over several lines": (json.dumps(ONE, indent=1).encode(), [ONE]),
    "the same with CRLF": (json.dumps(ONE, indent=1).replace("\n", "\r\n").encode(), [ONE]),
    "an array": (dump([ONE, TWO]), [ONE, TWO]),
    "an array over several lines": (b"\xef\xbb\xbf" + json.dumps([ONE, TWO], indent=2).encode(), [ONE, TWO]),
    "an array of no documents": (b"[1, [2], null]", [1, [2], None]),
    "an empty array": (b"[]", []),
    "a list": (dump({"statistics": [ONE, TWO], "count": 2, "total": 2, "success": True}), [ONE, TWO]),
    "an old envelope": (dump({"statistics": ONE, "success": True}), [{"statistics": ONE, "success": True}]),
    "a list that names a workspace": (
        dump({"workspace": "registered", "statistics": [ONE]}),
        [{"workspace": "registered", "statistics": [ONE]}],
    ),
}


@pytest.mark.parametrize("way", PACKED)
@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, way: str, tmp_path: Path) -> None:
    """Lines, one document, arrays and lists, however packed, give their documents one on each line, in order."""
    data, values = FORMS[form]
    path = tmp_path / "input"
    path.write_bytes(PACKED[way](data))
    found = [line.removeprefix(b"\xef\xbb\xbf") for line in lines_of(tasks(path))]
    assert values == [json.loads(line) for line in found if line.strip()]


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"junk", b"{", b'{"a":1', b"junk\n" + dump(ONE), b"[1,\n2", b"[" * 10_000, b'{"a":1} x\n{}']
)
def test_what_has_no_form_is_lines(data: bytes, tmp_path: Path) -> None:
    """What is no JSON as a whole is taken for lines as it stands, so that each is refused on its own."""
    path = tmp_path / "input"
    path.write_bytes(data)
    assert data.splitlines() == lines_of(tasks(path))


def test_the_samples(tmp_path: Path) -> None:
    """Every sample file gives its documents: lists, envelopes, mongoexports."""
    folder = Path(__file__).parent / "data" / "samples"
    for path in sorted(folder.glob("*.json*")):
        raw = path.read_bytes()
        values = [json.loads(line) for line in raw.splitlines()] if path.suffix == ".jsonl" else [json.loads(raw)]
        if isinstance(values[0].get("statistics"), list):
            values = values[0]["statistics"]
        for copy in (raw, gzip.compress(raw)):
            (tmp_path / "input").write_bytes(copy)
            assert values == [json.loads(line) for line in lines_of(tasks(tmp_path / "input"))], path.name


def test_a_large_array_is_read_without_making_objects_of_it(tmp_path: Path) -> None:
    """An array near the limit becomes lines in a few times its own bytes."""
    item = b'{"a":[1,2,3,{"b":null}],"c":"x"}'
    path = tmp_path / "array.json"
    path.write_bytes(b"[" + b",\n".join([item] * (8 * MIB // len(item))) + b"]")
    tracemalloc.start()
    try:
        found = tasks_of(places_of([str(path)]), Done())
        count = sum(task.piece.count(b"\n") for task in found if isinstance(task.piece, bytes))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 8 * MIB // len(item)
    assert peak < 120 * MIB


def test_a_plain_file_is_handed_on_by_offsets(tmp_path: Path) -> None:
    """Of a file of plain lines no bytes are handed on, and its pieces cover it without gap."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(joined([dump(document(number)) for number in range(300)]))
    found = tasks(path, size=1000)
    end = path.stat().st_size
    assert [task.piece for task in found] == [Span(str(path), at, 1000, end) for at in range(0, end, 1000)]
    assert [task.passed for task in found][-1] == end
    assert len(found) > 50


@pytest.mark.parametrize("way", PACKED)
def test_going_on(way: str, tmp_path: Path) -> None:
    """From any piece on, what is left to do is what was left."""
    path = tmp_path / "input"
    path.write_bytes(PACKED[way](joined([dump(document(number)) for number in range(60)])))
    whole = tasks(path, size=1500)
    for number, task in enumerate(whole):
        rest = tasks(path, after=task.offset, size=1500)
        assert [other.piece for other in whole[number + 1 :]] == [other.piece for other in rest]
    assert tasks(path, after=END) == []


def test_only_what_comes_after(tmp_path: Path) -> None:
    """Inputs that are done are not opened again."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(dump(ONE) + b"\n" + dump(TWO))
    places = places_of([str(tmp_path / "?")])
    (tmp_path / "a").unlink()
    assert [task.place for task in tasks_of(places, Done(2, -1))] == [2, 3]
    assert [task.fault for task in tasks_of(places, Done())] == ["unreadable", "", ""]


def faulty(folder: Path) -> Iterator[tuple[str, str]]:
    """Make inputs that can't be read, or not to their end; with the fault."""
    lines = joined([dump(document(number)) for number in range(40)])
    for name, data in (
        ("cut.gz", gzip.compress(lines, mtime=0)[:-9]),
        ("more.gz", gzip.compress(lines, mtime=0) + b"more"),
        ("cut.zst", PACKED["zstd"](lines)[:-9]),
    ):
        (folder / name).write_bytes(data)
        yield str(folder / name), "bad-zstd" if name.endswith("zst") else "bad-gzip"
    yield str(folder / "missing.jsonl"), "unreadable"
    yield str(folder / "no*thing.jsonl"), "unreadable"
    yield str(folder), "unreadable"
    yield "memory://missing/nothing-there.jsonl", "unreadable"
    yield "memory://missing/*.jsonl", "unreadable"
    yield "no-such-protocol://example.org/a.jsonl", "unreadable"


def test_faults_are_tasks(tmp_path: Path) -> None:
    """What can't be read is told once, and the next input is read."""
    (tmp_path / "good").write_bytes(dump(ONE))
    cases = list(faulty(tmp_path))
    places = places_of([name for bad, _ in cases for name in (bad, str(tmp_path / "good"))])
    found = list(tasks_of(places, Done(), 500))
    for number, (name, fault) in enumerate(cases):
        own = [task for task in found if task.place == 2 * number + 1]
        assert [task.fault for task in own if task.fault] == [fault], name
        assert own[-1].offset == END
        assert own[-1].fault
    assert all(lines_of([task for task in found if task.place == 2 * n + 2]) == [dump(ONE)] for n in range(len(cases)))


def test_what_comes_before_a_fault_is_read(tmp_path: Path) -> None:
    """Of a large archive that breaks off, the pieces before are there, and the fault comes last."""
    lines = [dump({"note": os.urandom(400).hex()}) for _ in range(1000)]
    (tmp_path / "cut.gz").write_bytes(gzip.compress(joined(lines), 0)[:-400_000])
    *found, fault = tasks(tmp_path / "cut.gz", size=10_000)
    assert (fault.piece, fault.fault, fault.offset) == (None, "bad-gzip", END)
    read = lines_of(found)
    assert len(read) > 400
    assert lines[: len(read)] == read


def test_a_file_that_shrinks_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are gone when their turn comes are not left out in silence."""
    monkeypatch.setattr(pieces, "_STEP", 10)
    path = tmp_path / "lines.jsonl"
    path.write_bytes(joined([dump(document(number)) for number in range(60)]))
    found = tasks(path, size=1000)
    os.truncate(path, 1500)
    assert isinstance(found[0].piece, Span)
    assert found[0].piece.read()
    for task in found[1:]:
        assert isinstance(task.piece, Span)
        with pytest.raises(UnusableInput, match="input-changed"):
            task.piece.read()
    path.unlink()
    assert isinstance(found[0].piece, Span)
    with pytest.raises(UnusableInput, match="unreadable"):
        found[0].piece.read()


def test_a_file_that_grows_is_read_as_it_was(tmp_path: Path) -> None:
    """Lines that are added while a run is under way belong to the next one."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(joined([b'{"a":1}', b'{"b":2}']) + b'{"c":3')
    (task,) = tasks(path)
    with path.open("ab") as file:
        file.write(b'3}\n{"d":4}\n')
    assert lines_of([task]) == [b'{"a":1}', b'{"b":2}', b'{"c":3']


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern gives files in a fixed order; a name that is there is no pattern; folders are none of them."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jsonl", "a.jsonl", "c[1].jsonl"):
        Path(name).write_bytes(b"{}")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "d.jsonl").write_bytes(b"{}")
    named = places_of(["*.jsonl", "c[1].jsonl", f"file://{tmp_path}/a.jsonl", "**/d.jsonl", "-"])
    files = ("a.jsonl", "b.jsonl", "c[1].jsonl", "c[1].jsonl", "a.jsonl", "deep/er/d.jsonl")
    assert [place.name for place in named] == [*(str(tmp_path / name) for name in files), "-"]
    assert [place.number for place in named] == [1, 2, 3, 4, 5, 6, 7]
    assert {place.size for place in named[:-1]} == {2}
    assert all(place.stamp for place in named[:-1])
    assert (named[-1].size, named[-1].stamp) == (None, "")
    assert [is_url(name) for name in ("s3://bucket/a", "file:///a", "a", "-")] == [True, False, False, False]


def test_standard_input_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input can be named once, and only where there is one."""
    with pytest.raises(UsageError, match="standard-input"):
        places_of(["-", "-"])
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="standard-input"):
        places_of(["-"])


def test_a_named_pipe(tmp_path: Path) -> None:
    """A pipe with a name is read as a stream, and can't be read again."""
    os.mkfifo(tmp_path / "pipe")
    (place,) = places_of([str(tmp_path / "pipe")])
    assert (place.size, place.stamp, place.is_there) == (None, "", True)
    if os.fork() == 0:  # the writer; opening a pipe waits for the other side
        with (tmp_path / "pipe").open("wb") as pipe:
            pipe.write(joined([dump(ONE), dump(TWO)]))
        os._exit(0)
    assert lines_of(list(tasks_of([place], Done()))) == [dump(ONE), dump(TWO)]
    os.wait()


def test_urls() -> None:
    """What fsspec reaches is an input like any other: by spans if plain, with a stamp that changes with it."""
    fs = fsspec.filesystem("memory")
    lines = [dump(document(number)) for number in range(30)]
    for name, data in (("b.jsonl", joined(lines)), ("a.jsonl.gz", gzip.compress(joined(lines)))):
        with fs.open(f"/inputs/{name}", "wb") as file:
            file.write(data)
    zipped, plain = places_of(["memory://inputs/*"])
    assert (zipped.name, plain.name) == ("memory:///inputs/a.jsonl.gz", "memory:///inputs/b.jsonl")
    assert plain.size == len(joined(lines))
    for place in (zipped, plain):
        found = list(tasks_of([place], Done(), 1000))
        assert lines == lines_of(found)
        assert isinstance(found[0].piece, Span) == (place is plain)
    with fs.open("/inputs/b.jsonl", "ab") as file:
        file.write(b"{}")
    (again,) = places_of(["memory://inputs/b.jsonl"])
    assert again.stamp != plain.stamp
    fs.rm("/inputs", recursive=True)


def test_an_input_that_breaks_in_the_middle() -> None:
    """An error of a device, which may hold anything, is a plain fault."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2000:
                raise OSError(5, "octopus-ltd")
            return super().read(size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rc_stats.fleet.inputs.open_input", lambda _: Broken(gzip.compress(os.urandom(100_000))))
        found = list(tasks_of([Place(1, "a", 1, "1")], Done()))
    assert [task.fault for task in found] == ["unreadable"]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([b"", b'"verdict":"cleared"', b'"verdict":"refused","reasons":["a"]'])), st.integers(1))
def test_numbers_of_lines(records: list[bytes], first: int) -> None:
    """Each record gets the number of its line; a blank line has a number and no record."""
    written, following = numbered(joined(records), 3, first)
    assert following == first + len(records)
    told = [orjson.loads(line) for line in written.splitlines()] if first < 2**53 else []
    wanted = [first + place for place, record in enumerate(records) if record] if first < 2**53 else []
    assert [line["line"] for line in told] == wanted
    assert {line["input"] for line in told} <= {3}


def test_opening_gives_nothing_away() -> None:
    """An input that can't be opened is told by a rule, without its name or what the system says."""
    for name in ("/no/such/octopus-ltd", "memory://octopus-ltd/none", "octopus-ltd://user:secret@example.org/"):
        with pytest.raises(UnusableInput, match="unreadable") as caught:
            open_input(name)
        assert "octopus" not in str(caught.value)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
