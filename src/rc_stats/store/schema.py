"""
The tables, and how a database gets from any earlier version of them to this one.

A migration is never changed once it was released: it is what a database of that version looks like. The tables below
are those of the newest version; a test compares them with what the migrations make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, Table, Text, inspect, select, text, update

from rc_stats.store.faults import fault

SCHEMA: Final = "rc_stats"
"""The schema in PostgreSQL, so that a database can be shared with others. In SQLite there is none."""

Migration = Callable[[Connection], None]


def _checked(kind: type) -> Callable[[Any], Any]:
    """Return what lets a value of *kind* or nothing through: a damaged SQLite file can have anything anywhere."""

    def check(value: Any) -> Any:
        if value is not None and type(value) is not kind:
            raise fault("store-corrupt")
        return value

    return check


class _Whole(BigInteger):
    """A whole number."""

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        """Refuse anything else that is read."""
        return _checked(int)


class _Words(Text):
    """A text."""

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        """Refuse anything else that is read."""
        return _checked(str)


class _Bytes(LargeBinary):
    """Bytes."""

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        """Refuse anything else that is read."""
        return _checked(bytes)


METADATA: Final = MetaData()

MARK: Final = Table("rc_stats", METADATA, Column("version", _Whole, nullable=False))
"""Says whose database it is, and the version of its schema, in one row."""

HEADS: Final = Table(
    "heads",
    METADATA,
    Column("workspace", _Words, primary_key=True),
    Column("number", _Whole, nullable=False),
    Column("digest", _Words, nullable=False),
)
"""The newest entry of each workspace. A writer locks its row, so that one writes at a time."""

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("workspace", _Words, primary_key=True),
    Column("number", _Whole, primary_key=True, autoincrement=False),
    Column("at", _Words, nullable=False),
    Column("kind", _Words, nullable=False),
    Column("catalogue", _Words, nullable=False),
    Column("period", _Words, nullable=False),
    Column("details", _Words, nullable=False),
    Column("private_digest", _Words, nullable=False),
    Column("private", _Words),
    Column("before", _Words, nullable=False),
    Column("digest", _Words, nullable=False),
)
"""The history, each entry with the digest of the one before. Of a row only ``private`` ever changes: to nothing."""

FIELD_SETS: Final = Table(
    "field_sets",
    METADATA,
    Column("workspace", _Words, primary_key=True),
    Column("digest", _Words, primary_key=True),
    Column("body", _Words, nullable=False),
)
"""What consents agreed to, each field set once, by its digest."""

PERIODS: Final = Table(
    "periods",
    METADATA,
    Column("workspace", _Words, primary_key=True),
    Column("catalogue", _Words, primary_key=True),
    Column("period", _Words, primary_key=True),
    Column("number", _Whole, nullable=False),
    Column("state", _Words, nullable=False),
    Column("attempts", _Whole, nullable=False),
    Column("body", _Bytes),
    Column("previous", _Bytes),
)
"""
Every period that was ever frozen and not discarded untried. The row stays for ever; the bytes needn't.

``number`` is that of the entry "report", ``previous`` what becomes the stored previous figures with the first attempt.
"""

PREVIOUS: Final = Table(
    "previous",
    METADATA,
    Column("workspace", _Words, primary_key=True),
    Column("catalogue", _Words, primary_key=True),
    Column("profile", _Words, primary_key=True),
    Column("period", _Words, nullable=False),
    Column("body", _Bytes, nullable=False),
)
"""Figures of people of the last report that may have left. Empty bytes: erased, so that the next is withheld."""

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("workspace", _Words, primary_key=True),
    Column("catalogue", _Words, primary_key=True),
    Column("holder", _Words, nullable=False),
    Column("fence", _Whole, nullable=False),
    Column("taken", _Whole, nullable=False),
    Column("lasts", _Whole, nullable=False),
)
"""Who may send, since when and for how long, in microseconds. Released: an empty holder; the fence only grows."""


def _first(connection: Connection) -> None:
    """Make the tables of version 1."""
    bytes_ = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    for statement in (
        "CREATE TABLE rc_stats (version BIGINT NOT NULL)",
        "INSERT INTO rc_stats (version) VALUES (0)",
        "CREATE TABLE heads (workspace TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, digest TEXT NOT NULL)",
        "CREATE TABLE entries (workspace TEXT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, "
        "catalogue TEXT NOT NULL, period TEXT NOT NULL, details TEXT NOT NULL, private_digest TEXT NOT NULL, "
        "private TEXT, before TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (workspace, number))",
        "CREATE INDEX entries_by_kind ON entries (workspace, kind, catalogue, period)",
        "CREATE TABLE field_sets (workspace TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL, "
        "PRIMARY KEY (workspace, digest))",
        "CREATE TABLE periods (workspace TEXT NOT NULL, catalogue TEXT NOT NULL, period TEXT NOT NULL, "
        f"number BIGINT NOT NULL, state TEXT NOT NULL, attempts BIGINT NOT NULL, body {bytes_}, previous {bytes_}, "
        "PRIMARY KEY (workspace, catalogue, period))",
        "CREATE TABLE previous (workspace TEXT NOT NULL, catalogue TEXT NOT NULL, profile TEXT NOT NULL, "
        f"period TEXT NOT NULL, body {bytes_} NOT NULL, PRIMARY KEY (workspace, catalogue, profile))",
        "CREATE TABLE leases (workspace TEXT NOT NULL, catalogue TEXT NOT NULL, holder TEXT NOT NULL, "
        "fence BIGINT NOT NULL, taken BIGINT NOT NULL, lasts BIGINT NOT NULL, PRIMARY KEY (workspace, catalogue))",
    ):
        connection.execute(text(statement))


MIGRATIONS: Final[Sequence[Migration]] = (_first,)
"""One for each version, from nothing to the first and on. Each runs in the transaction that notes its version."""


def is_current(connection: Connection) -> bool:
    """
    Say whether the database is of the newest version; an older or an empty one is to be migrated.

    Raises:
        StoreError: ``store-newer``, or ``store-foreign`` for a database with tables that are not ours.
    """
    tables = _tables(connection)
    if not tables:
        return False
    if MARK.name not in tables:
        raise fault("store-foreign")
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise fault("store-newer")
    if version < len(MIGRATIONS):
        return False
    _check_tables(tables)
    return True


def is_empty(connection: Connection) -> bool:
    """Say whether the database holds no table, neither ours nor anybody's."""
    return not _tables(connection)


def migrate(connection: Connection) -> None:
    """Bring the database to the newest version, in the transaction of *connection*, which must be the only writer."""
    if is_current(connection):  # another instance was faster
        return
    if connection.dialect.name == "postgresql":
        if SCHEMA not in inspect(connection).get_schema_names():
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
    done = _version(connection) if _tables(connection) else 0
    for migration in MIGRATIONS[done:]:
        migration(connection)
    connection.execute(update(MARK).values(version=len(MIGRATIONS)))
    _check_tables(_tables(connection))


def _check_tables(tables: set[str]) -> None:
    missing = set(METADATA.tables) - tables
    if missing:
        raise fault("store-corrupt")
    if tables - set(METADATA.tables):
        raise fault("store-foreign")


def _tables(connection: Connection) -> set[str]:
    schema = SCHEMA if connection.dialect.name == "postgresql" else None
    return set(inspect(connection).get_table_names(schema=schema))


def _version(connection: Connection) -> int:
    versions = connection.execute(select(MARK.c.version)).scalars().all()
    if len(versions) != 1 or versions[0] < 1:
        raise fault("store-corrupt")
    return int(versions[0])
