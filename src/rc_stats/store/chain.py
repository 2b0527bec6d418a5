"""
The history: entries that are only ever added, each chained to the one before by its digest.

An entry's digest covers its number, workspace, moment, kind, catalogue, period and details, the digest of its private
part, and the digest of the entry before. So an entry that was edited, removed or moved shows. The private part (labels
of people, tokens) is not covered itself but by a digest with a salt, so that it can be destroyed later.

There is no key. Whoever can rewrite the whole database can make another chain that holds: to notice that, keep the
digest of the newest entry elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rc_stats.errors import StoreError, UnusableInput, UsageError
from rc_stats.store.faults import fault
from rc_stats.store.schema import ENTRIES, HEADS
from rc_stats.wire import canonical, parse

START: Final = ""
"""Stands for the digest before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry of the history.

    Attributes:
        number: From 1, without gaps until the history is pruned.
        kind: ``consent``, ``refusal``, ``report``, ``attempt``, ``failure``, ``receipt``, ``discard``, ``erasure`` or
            ``prune``.
        catalogue, period: What it is about; empty where it is about no single one.
        private: Label of a person, or the recipient's token; None if there was none or it was erased.
        digest: SHA-256, hexadecimal, over the entry and the digest of the one before.
    """

    number: int
    at: datetime
    kind: str
    catalogue: str
    period: str
    details: Mapping[str, Any]
    private: Mapping[str, Any] | None = field(repr=False)
    digest: str


@dataclass(slots=True)
class Transaction:
    """
    One workspace's books within one transaction of the database.

    Attributes:
        head: Number and digest of the newest entry; known to a writer, who has locked it.
    """

    connection: Connection
    workspace: str
    head: tuple[int, str] | None = None

    def lock(self) -> None:
        """Become the only writer of the workspace until the transaction ends."""
        self.head = self.newest(is_locking=True)
        if self.head is None:
            statement = self._insert(HEADS).values(workspace=self.workspace, number=0, digest=START)
            self.connection.execute(statement.on_conflict_do_nothing())  # another may have done so by now
            self.head = self.newest(is_locking=True)
            first = select(ENTRIES.c.number).where(self.own(ENTRIES)).limit(1)
            if self.head == (0, START) and self.connection.execute(first).first():
                raise damaged("The newest entry of the history is not noted.")

    def newest(self, *, is_locking: bool = False) -> tuple[int, str] | None:
        """Return number and digest of the newest entry; None in new books."""
        statement = select(HEADS).where(self.own(HEADS))
        row = self.connection.execute(statement.with_for_update() if is_locking else statement).first()
        return None if row is None else (row.number, row.digest)

    def own(self, table: Table, **values: object) -> ColumnElement[bool]:
        """Return the condition that a row of *table* is this workspace's and has *values*."""
        values = {"workspace": self.workspace, **values}
        return and_(*(table.c[name] == value for name, value in values.items()))

    def put(self, table: Table, **values: object) -> None:
        """Insert a row into *table*, or replace the one with the same key."""
        keys = [column.name for column in table.primary_key]
        rest = {name: value for name, value in values.items() if name not in keys}
        statement = self._insert(table).values(workspace=self.workspace, **values)
        self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        if self.connection.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def append(
        self,
        kind: str,
        *,
        at: datetime,
        catalogue: str = "",
        period: str = "",
        details: Mapping[str, Any],
        private: Mapping[str, str] | None = None,
    ) -> Entry:
        """Add an entry to the history."""
        assert self.head is not None, "locked before"  # noqa: S101
        number, before = self.head[0] + 1, self.head[1]
        hidden = None if private is None else as_text({"salt": secrets.token_hex(16), **private})
        row = {
            "number": number,
            "at": moment(at),
            "kind": kind,
            "catalogue": catalogue,
            "period": period,
            "details": as_text(details),
            "private_digest": "" if hidden is None else digest_of(hidden),
            "before": before,
        }
        digest = chained({**row, "workspace": self.workspace})
        self.connection.execute(insert(ENTRIES).values(workspace=self.workspace, private=hidden, digest=digest, **row))
        self.connection.execute(update(HEADS).where(self.own(HEADS)).values(number=number, digest=digest))
        self.head = (number, digest)
        return entry_of({**row, "private": hidden, "digest": digest})

    def rows(self, *conditions: ColumnElement[bool], limit: int | None = None) -> Iterator[RowMapping]:
        """Give the rows of the workspace's entries that fulfil all *conditions*, oldest first."""
        statement = select(ENTRIES).where(self.own(ENTRIES), *conditions).order_by(ENTRIES.c.number).limit(limit)
        yield from self.connection.execute(statement).mappings()

    def all_of(self, table: Table, **values: object) -> Sequence[RowMapping]:
        """Return the workspace's rows of *table* that have *values*, in the order of their key."""
        statement = select(table).where(self.own(table, **values)).order_by(*table.primary_key)
        return self.connection.execute(statement).mappings().all()

    def latest(self, kind: str, **values: str) -> RowMapping | None:
        """Return the row of the newest entry of *kind* that has *values*."""
        statement = select(ENTRIES).where(self.own(ENTRIES, kind=kind, **values)).order_by(ENTRIES.c.number.desc())
        return self.connection.execute(statement.limit(1)).mappings().first()

    def latest_at(self, catalogue: str) -> datetime | None:
        """Return the latest moment that any entry tells, from the last decision about *catalogue* on."""
        said = self.latest("consent", catalogue=catalogue)
        since = ENTRIES.c.number >= (0 if said is None else said["number"])
        statement = select(ENTRIES).where(self.own(ENTRIES), since).order_by(ENTRIES.c.at.desc())
        row = self.connection.execute(statement.limit(1)).mappings().first()
        return None if row is None else entry_of(row).at

    def check_end(self) -> None:
        """
        Assert that the newest entry is the one that is noted as such: nothing was cut off, such as a withdrawal.

        Raises:
            StoreError: ``store-corrupt``.
        """
        last = select(ENTRIES.c.number, ENTRIES.c.digest).where(self.own(ENTRIES)).order_by(ENTRIES.c.number.desc())
        row = self.connection.execute(last.limit(1)).first()
        if (self.newest() or (0, START)) != ((0, START) if row is None else (row.number, row.digest)):
            raise damaged("The history doesn't end with the entry that is noted as the newest.")

    def row(self, number: int) -> RowMapping:
        """
        Return the row of the entry *number*.

        Raises:
            StoreError: ``store-corrupt`` if it is not there.
        """
        row = self.connection.execute(select(ENTRIES).where(self.own(ENTRIES, number=number))).mappings().first()
        if row is None:
            raise damaged(f"Entry {number} is missing.")
        return row


def whole(row: RowMapping) -> Entry:
    """
    Return the entry in *row* if it is as it was written.

    Raises:
        StoreError: ``store-corrupt``.
    """
    entry = entry_of(row)
    if chained(row) != entry.digest:
        raise damaged(f"Entry {entry.number} was edited.")
    return entry


def entry_of(row: Mapping[Any, Any]) -> Entry:
    """
    Return the entry in *row*.

    Raises:
        StoreError: ``store-corrupt``.
    """
    try:
        private = None if row["private"] is None else from_text(row["private"])
        entry = Entry(
            int(row["number"]),
            datetime.fromisoformat(row["at"]),
            row["kind"],
            row["catalogue"],
            row["period"],
            MappingProxyType(dict(from_text(row["details"]))),
            None if private is None else MappingProxyType({k: v for k, v in private.items() if k != "salt"}),
            row["digest"],
        )
    except (AttributeError, TypeError, ValueError):
        entry = None
    if entry is None:
        raise damaged("An entry of the history can't be read.")
    return entry


def chained(row: Mapping[Any, Any]) -> str:
    """
    Return the digest of the entry in *row*.

    Raises:
        StoreError: ``store-corrupt``.
    """
    names = ("number", "workspace", "at", "kind", "catalogue", "period")
    details = from_text(row["details"])
    covered = [*(row[name] for name in names), details, row["private_digest"], row["before"]]
    return hashlib.sha256(canonical(covered)).hexdigest()


def digest_of(text: str) -> str:
    """Return the SHA-256 of *text*, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def from_text(text: str) -> Any:
    """
    Return the JSON value that *text* holds.

    Raises:
        StoreError: ``store-corrupt``.
    """
    try:
        return parse(text.encode())
    except (UnusableInput, UnicodeEncodeError):
        pass
    raise damaged("A part of the books can't be read.")


def as_text(value: object) -> str:
    """
    Return *value* as canonical JSON.

    Raises:
        UsageError: ``text`` if a text in it is none that can be written.
    """
    try:
        text = canonical(value).decode().removesuffix("\n")
    except TypeError:
        text = ""
    if not text:
        raise UsageError("A label, code or token is no text that can be written.", rule="text")
    return text


def moment(at: datetime) -> str:
    """Return *at* in the one form that is kept, which sorts by time; it raises what :func:`zoned` does."""
    return zoned(at).isoformat(timespec="microseconds")


def zoned(at: datetime) -> datetime:
    """
    Return *at* in UTC.

    Raises:
        UsageError: ``time-zone``, or ``clock`` for a moment that no clock shows.
    """
    if at.utcoffset() is None:
        raise UsageError("The caller's clock needs a time zone.", rule="time-zone")
    if not 1900 < at.year < 9000:
        raise UsageError("The caller's clock is not of this century.", rule="clock")
    return at.astimezone(UTC)


def damaged(message: str) -> StoreError:
    """Return the error for books that don't fit together."""
    return fault("store-corrupt", message, "See what history verify says; restore the store from a backup.")
