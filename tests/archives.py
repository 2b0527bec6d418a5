"""Archives of documents for the tests of bulk runs: lines of every kind, and what the gate says of each on its own."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import zstandard

from commands import command
from rc_stats import Anonymiser, Consent, Objections, Terms, Workspace, load_catalogue, load_policy
from rc_stats.consent import from_data
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.fleet.lines import Options
from rc_stats.fleet.pieces import Outcome
from rc_stats.gate import clear, decide
from rc_stats.wire import parse

NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
AGREED: Final = datetime(2026, 7, 1, tzinfo=UTC)
TERMS: Final = Terms(load_policy(), load_catalogue())
YES: Final = Consent().grant(TERMS, at=AGREED)
NO: Final = YES.withdraw(at=AGREED)
ROOT: Final = Path(__file__).parent.parent


@cache
def anonymiser() -> Anonymiser:
    """Return the packaged anonymiser."""
    return Anonymiser(TERMS.catalogue)


def dump(value: object) -> bytes:
    """Return compact JSON of *value*, in the order of its keys."""
    return json.dumps(value, separators=(",", ":")).encode()


def document(number: int) -> dict[str, Any]:
    """Return a small document that differs from others by more than its date."""
    return {
        "_id": f"{number:024x}",
        "createdAt": f"2026-08-{1 + number % 15:02}T03:12:{number % 60:02}.000Z",
        "version": "8.7.0",
        "totalUsers": 100 + number,
        "totalRooms": 7 * number,
        "totalChannels": number % 50,
        "uniqueId": f"unique-{number}",
        "settings": {"email": {"smtp": {"smtpHost": f"mail{number}.example.org"}}},
        "apps": {"totalInstalled": number % 3},
        "note": "é" * (number % 40),
    }


def wrapped(number: int, kind: object = "registered", consent: Consent = YES, **more: object) -> dict[str, object]:
    """Return a line in its parts."""
    return {"workspace": kind, "consent": consent.to_data(), **more, "statistics": document(number)}


def hostile() -> list[bytes]:
    """Return lines that are no documents, each in a way of its own."""
    return [
        b"\x00\xff not JSON",
        b"{",
        b'{"totalUsers":NaN}',
        b"[]",
        b"null",
        b'"text"',
        b"[" * 100_000,
        b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
        b'{"workspace":"registered"}',
        b'{"workspace":"registered","statistics":[1]}',
        b'{"workspace":5,"statistics":{}}',
        b'{"workspace":{"kind":"registered","more":1},"statistics":{}}',
        b'{"consent":{"state":"granted"},"statistics":{}}',
        '{"totalUsers":1}'.encode("utf-16"),
        b'{"note":"\xff"}',
    ]


def archive(count: int, seed: int = 1) -> list[bytes]:
    """Return *count* lines: good, refused, bare, blank and hostile ones, in an order that depends on the seed."""
    random = Random(seed)  # noqa: S311 - made up from a seed
    bad = hostile()
    lines = []
    for number in range(count):
        match random.randrange(12):
            case 0:
                lines.append(dump(document(number)))
            case 1:
                lines.append(dump(wrapped(number, "unregistered")))
            case 2:
                lines.append(dump(wrapped(number, consent=NO)))
            case 3:
                lines.append(bad[number % len(bad)])
            case 4:
                lines.append(random.choice([b"", b"  ", b"\r"]))
            case 5:
                lines.append(dump(dict(reversed(wrapped(number, id=f"w{number}").items()))))
            case _:
                lines.append(dump({**wrapped(number), "consent": None if number % 5 == 0 else YES.to_data()}))
    return lines


def light(lines: Iterable[bytes]) -> list[bytes]:
    """Return *lines* without the field sets of consents, which make up most of them: many pieces of few bytes."""
    whole = dump(YES.to_data())
    return [line.replace(whole, b"null") for line in lines]


def joined(lines: Sequence[bytes], end: bytes = b"\n") -> bytes:
    """Return *lines* as a file has them."""
    return b"".join(line + end for line in lines)


PACKED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "plain": lambda data: data,
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "gzip of two": lambda data: gzip.compress(data[: len(data) // 3], 1) + gzip.compress(data[len(data) // 3 :], 1),
    "zstd of two": lambda data: b"".join(
        zstandard.ZstdCompressor(level=1).compress(part) for part in (data[: len(data) // 2], data[len(data) // 2 :])
    ),
}
"""Every way in which an input can be packed."""


def unpacked(path: Path) -> bytes:
    """Return what an output holds; an archive of nothing is an archive too."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        assert data[:2] == b"\x1f\x8b"
        return gzip.decompress(data)
    if path.suffix == ".zst":
        assert data[:4] == b"\x28\xb5\x2f\xfd"
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
            return stream.read()
    return data


def options(**changes: Any) -> Options:
    """Return options at a fixed clock, by which bare documents are undecided."""
    return Options(**{"now": NOW, **changes})


def agreed(**changes: Any) -> Options:
    """Return options by which bare documents may leave."""
    return options(workspace=Workspace("registered"), **changes).with_consent(YES)  # type: ignore[arg-type]


def ruled(line: bytes, given: Options) -> tuple[bytes | None, tuple[str, ...]]:
    """Return payload and reasons for one line, in the plainest way: parse it, ask the gate."""
    try:
        value = parse(line)
        if not isinstance(value, dict):
            return None, ("not-an-object",)
        inner = value.get("statistics")
        is_bare = "workspace" not in value and "consent" not in value
        if not isinstance(inner, dict) and not (is_bare and "statistics" not in value):
            return None, ("no-statistics",)
        report = anonymiser()(inner if isinstance(inner, dict) else value, findings=False)
        if is_bare:
            workspace, told = given.workspace, json.loads(given.consent) if given.consent else None
        else:
            workspace, told = workspace_from(value.get("workspace")), value.get("consent")
        consent = Consent() if told is None else from_data(told)
    except UnusableInput as error:
        return None, (error.rule,)
    decision = decide(
        workspace, consent, TERMS.policy.recipient, given.switches, given.now, terms=TERMS, evidence=report.evidence
    )
    if not decision.is_open:
        return None, tuple(reason.code for reason in decision.closing)
    return clear(report, decision).body, tuple(reason.code for reason in decision.reasons)


def workspace_from(told: object) -> Workspace:
    """Return the workspace that a line tells, read without any of the code under test."""
    problem = UnusableInput("", rule="workspace")
    if told is None:
        return Workspace()
    parts: dict[str, Any] = told if isinstance(told, dict) else {"kind": told}
    if not isinstance(parts.get("kind"), str) or not parts.keys() <= {"kind", "objections"}:
        raise problem
    objections = parts.get("objections")
    objections = {} if objections is None else objections
    if not isinstance(objections, dict) or not objections.keys() <= {"subprocessors", "countries"}:
        raise problem
    for names in (objections.get("subprocessors", []), objections.get("countries") or []):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise problem
    countries = objections.get("countries")
    chosen = Objections(
        frozenset(objections.get("subprocessors", [])), None if countries is None else frozenset(countries)
    )
    try:
        return Workspace(parts["kind"], chosen)
    except UsageError:
        raise problem from None


def expected(inputs: Sequence[Sequence[bytes]], given: Options) -> tuple[bytes, bytes]:
    """Return what a run over *inputs*, each of some lines, is to write: payloads, and decisions."""
    payloads, records = [], []
    for place, lines in enumerate(inputs, 1):
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            payload, reasons = ruled(line, given)
            payloads.append(payload or b"")
            verdict = "cleared" if payload else "refused"
            records.append(dump({"input": place, "line": number, "verdict": verdict, "reasons": reasons}) + b"\n")
    return b"".join(payloads), b"".join(records)


class Named:
    """A work that tells which process did it."""

    def __call__(self, piece: bytes) -> Outcome:
        """Take a while, so that others get something to do."""
        time.sleep(0.05)
        return Outcome(records=b"%d %b" % (os.getpid(), piece))


def bulk(*arguments: object) -> list[str]:
    """Return the words that run the verb with *arguments*, as it is installed."""
    return [*command(), "bulk", *map(str, arguments)]
