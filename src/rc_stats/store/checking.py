"""Whether the books are whole: each entry follows from the one before, and what is kept beside the history agrees."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Table, select, type_coerce
from sqlalchemy.types import NullType

from rc_stats.errors import StoreError
from rc_stats.store import periods, rights
from rc_stats.store.chain import START, Transaction, as_text, chained, digest_of, from_text
from rc_stats.store.schema import ENTRIES, FIELD_SETS, HEADS, PERIODS

_Key = tuple[str, str]

_NEEDED: Final = {"consent": "fields", "report": "sha256", "discard": "is_tried", "failure": "is_final"}
"""By kind of entry, the detail that a check goes by."""

_RAW: Final = {
    table.name: [type_coerce(column, NullType()).label(column.name) for column in table.columns]
    for table in (ENTRIES, FIELD_SETS, HEADS, PERIODS)
}
"""The columns of each table without a check of what they hold."""


@dataclass(slots=True)
class _Report:
    """What the history tells of a report and of what became of it."""

    number: int
    sha256: str
    state: str = periods.PENDING
    attempts: int = 0
    is_destroyed: bool = False


@dataclass(slots=True)
class _Check:
    """
    One walk over the books, which may hold anything.

    Attributes:
        unexplained: Numbers and keys of entries that lack a part, unless an erasure tells why.
        erasures: Number, catalogue and period of each.
    """

    tx: Transaction
    faults: list[str] = field(default_factory=list)
    reports: dict[_Key, _Report] = field(default_factory=dict)
    received: set[_Key] = field(default_factory=set)
    unexplained: list[tuple[int, _Key, str]] = field(default_factory=list)
    erasures: list[tuple[int, str, str]] = field(default_factory=list)
    gaps: dict[int, rights.Gap] = field(default_factory=dict)
    field_sets: Mapping[Any, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Look at everything."""
        try:
            self.gaps = {gap[0]: gap for gap in rights.gaps_of(self.tx)}
        except StoreError:
            self.gaps = {}  # the entry that should name them shows as edited
        self.field_sets = {row["digest"]: row["body"] for row in _raw(self.tx, FIELD_SETS)}
        number, digest = self._walk()
        self._head(number, digest)
        self._periods()
        for number, (catalogue, period), what in self.unexplained:
            if not any(n > number and c in ("", catalogue) and p in ("", period) for n, c, p in self.erasures):
                self.faults.append(f"Entry {number}: its {what} was removed.")

    def _walk(self) -> tuple[int, Any]:
        """Go along the chain, and return the number and digest that it ends with."""
        expected, before = 1, START
        for row in _raw(self.tx, ENTRIES):
            number = row["number"]
            if type(number) is not int or number < expected:
                self.faults.append("An entry has a number that none can have.")
                continue
            expected, before = self._missing(expected, before, number)
            details = _details(row)
            if details is None or chained(row) != row["digest"] or before not in (None, row["before"]):
                self.faults.append(f"Entry {number}: edited or moved.")
            else:
                self._private(row)
                self._follow(row, details)
            expected, before = number + 1, row["digest"]
        return expected - 1, before

    def _missing(self, expected: int, before: Any, number: int) -> tuple[int, Any]:
        """Go over the numbers from *expected* to *number* that have no entry; only what was pruned may be missing."""
        while expected < number:
            gap = self.gaps.get(expected)
            if gap is not None:
                if before not in (None, gap[2]):
                    self.faults.append(f"Entry {expected - 1}: edited or moved.")
                expected, before = gap[1] + 1, gap[3]
            else:
                until = min((first for first in self.gaps if expected < first < number), default=number)
                self.faults.append(f"{_named(expected, until - 1)}: removed.")
                expected, before = until, None
        return number, before

    def _head(self, number: int, digest: Any) -> None:
        head = next(_raw(self.tx, HEADS), None)
        if head is None or type(head["number"]) is not int:
            if number or head is not None:
                self.faults.append(f"Entry {number}: not noted as the newest.")
        elif head["number"] > number:
            self.faults.append(f"{_named(number + 1, head['number'])}: removed at the end.")
        elif (head["number"], head["digest"]) != (number, digest):
            self.faults.append(f"Entry {number}: not the one that is noted as the newest.")

    def _private(self, row: Mapping[str, Any]) -> None:
        number, private, digest = row["number"], row["private"], row["private_digest"]
        if private is None:
            if digest:
                self.unexplained.append((number, (row["catalogue"], row["period"]), "private part"))
        elif not isinstance(private, str) or digest_of(private) != digest:
            self.faults.append(f"Entry {number}: its private part was changed.")

    def _follow(self, row: Mapping[str, Any], details: Mapping[str, Any]) -> None:
        """Take from an entry that is whole what the other tables must agree with."""
        number, kind, key = row["number"], row["kind"], (row["catalogue"], row["period"])
        report = self.reports.get(key)
        needed = _NEEDED.get(kind)
        if needed is not None and type(details.get(needed)) is not (bool if needed.startswith("is_") else str):
            self.faults.append(f"Entry {number}: it lacks what an entry of its kind says.")
            return
        if kind == "consent":
            body = self.field_sets.get(details["fields"])
            if not isinstance(body, str) or digest_of(body) != details["fields"]:
                self.faults.append(f"Entry {number}: the fields that it names are missing or changed.")
        elif kind == "report":
            self.reports[key] = _Report(number, details["sha256"])
        elif kind == "erasure":
            self.erasures.append((number, *key))
        elif kind == "discard" and not details["is_tried"]:
            self.reports.pop(key, None)
        elif report is not None:
            report.attempts += kind == "attempt"
            report.state = periods.following(report.state, kind, details)
            report.is_destroyed |= kind == "discard"
        if kind == "receipt":
            self.received.add(key)

    def _periods(self) -> None:
        """Compare what is noted of each period with the history."""
        noted = set()
        for row in _raw(self.tx, PERIODS):
            key = (row["catalogue"], row["period"])
            noted.add(key)
            report = self.reports.get(key)
            if report is not None:
                self._compare(row, report, key)
            elif not self._is_pruned(row["number"]):
                self.faults.append("A period is noted that the history doesn't know.")
            elif row["body"] is not None or (key in self.received and row["state"] != "sent"):
                self.faults.append(f"Entry {row['number']}: pruned, and what is noted of its period was changed.")
        for key in self.reports.keys() - noted:
            self.faults.append(f"Entry {self.reports[key].number}: its period is not noted any more.")

    def _compare(self, row: Mapping[str, Any], report: _Report, key: _Key) -> None:
        number, body = report.number, row["body"]
        if (row["number"], row["state"], row["attempts"]) != (number, report.state, report.attempts):
            self.faults.append(f"Entry {number}: what is noted of its period was changed.")
        if body is None:
            if not report.is_destroyed:
                self.unexplained.append((number, key, "payload"))
        elif not isinstance(body, bytes) or hashlib.sha256(body).hexdigest() != report.sha256:
            self.faults.append(f"Entry {number}: its payload was changed.")

    def _is_pruned(self, number: Any) -> bool:
        return type(number) is int and any(first <= number <= last for first, last, *_ in self.gaps.values())


def verify(tx: Transaction, *, is_sound: bool) -> tuple[str, ...]:
    """Return what is wrong with the books, one line each without any value; nothing if they are whole."""
    check = _Check(tx)
    if not is_sound:
        check.faults.append("The database file is damaged.")
    check.run()
    return tuple(check.faults)


def _raw(tx: Transaction, table: Table) -> Iterator[dict[str, Any]]:
    """Give the workspace's rows as they are, whatever is in them."""
    columns = _RAW[table.name]
    statement = select(*columns).where(tx.own(table)).order_by(*table.primary_key)
    for row in tx.connection.execute(statement).all():
        yield dict(zip(table.columns.keys(), row, strict=True))


def _details(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the details of an entry; None if it has something that no entry has."""
    texts: Iterable[Any] = (row[column.name] for column in ENTRIES.columns if column.name not in ("number", "private"))
    if not all(isinstance(value, str) for value in texts):
        return None
    try:
        details = from_text(row["details"])
    except StoreError:
        return None
    return details if isinstance(details, dict) and as_text(details) == row["details"] else None


def _named(first: int, last: int) -> str:
    return f"Entry {first}" if first == last else f"Entries {first} to {last}"
