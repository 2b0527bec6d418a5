"""The schema: made as the tables say, versioned, and migrated forward from the first version, once and whole."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection as Line
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, inspect, text

from rc_stats.catalogue import Profile
from rc_stats.consent import ConsentState
from rc_stats.errors import StoreError
from rc_stats.store import Store, schema
from rc_stats.store.database import open_database
from stores import KINDS, NAME, Database, agreed, directory, empty, frozen, leased, month, other, others, sent

FIRST: Final = (Path(__file__).parent / "data" / "store-1.sql").read_text(encoding="utf-8")
"""A store as version 1 of the schema wrote it. It is never made anew: a later version has to read it."""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


def load_first(database: Database) -> None:
    """Put the store of version 1 into the database."""
    if database.path is not None:
        with closing(sqlite3.connect(database.path)) as file:
            file.executescript(FIRST)
        return
    script = FIRST.replace("BEGIN TRANSACTION;", "CREATE SCHEMA rc_stats; SET LOCAL search_path TO rc_stats;")
    script = script.replace(" BLOB", " BYTEA").replace("COMMIT;", "")
    script = re.sub(r"X'([0-9A-F]*)'", r"'\\x\1'", script)
    with database.raw() as run:
        run("BEGIN")
        run(script)
        run("COMMIT")


def test_the_tables_are_as_declared(database: Database) -> None:
    """What the migrations make has the tables, columns, keys and nullability that the code goes by."""
    engine = open_database(database.url).engine
    declared = {
        table.name: (
            {column.name: bool(column.nullable) for column in table.columns},
            [column.name for column in table.primary_key],
        )
        for table in schema.METADATA.tables.values()
    }
    with engine.connect() as connection:
        seen, place = inspect(connection), schema.SCHEMA if database.kind == "postgresql" else None
        made = {
            name: (
                {column["name"]: column["nullable"] for column in seen.get_columns(name, schema=place)},
                seen.get_pk_constraint(name, schema=place)["constrained_columns"],
            )
            for name in seen.get_table_names(schema=place)
        }
    assert declared == made


def test_the_first_version_stays_as_it_was() -> None:
    """The first migration makes to the letter the tables of the stored first version: it is never changed any more."""
    with directory() as place, closing(sqlite3.connect(place / "first")) as first:
        first.executescript(FIRST)
        new = open_database(place / "new").engine
        with new.begin() as connection:
            assert connection.execute(text("SELECT version FROM rc_stats")).scalar() == 1
            made = connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))
            stored = first.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            assert [tuple(row) for row in made] == stored.fetchall()


def test_a_store_of_the_first_version_goes_on(database: Database) -> None:
    """A store of version 1 opens, is whole, tells all that was in it, and takes new entries."""
    load_first(database)
    with database.open() as store:
        assert (store.verify(), store.head()[0]) == ((), 13)
        consent = store.consent(NAME)
        assert (consent.state, consent.by) == (ConsentState.GRANTED, "An Admin <admin@example.org>")
        assert consent.fields == {Profile.STANDARD: {"totalChannels": "example", "totalUsers": "example"}}
        assert [store.ended(NAME, f"2026-0{n}") for n in (2, 3, 4)] == ["sent", "rejected", None]
        assert [store.payload(NAME, f"2026-0{n}") is not None for n in (2, 3, 4)] == [True, False, True]
        assert [entry.private for entry in store.history() if entry.kind == "receipt"] == [{"token": "example-token"}]
        assert store.previous(NAME, Profile.STANDARD) == b""
        (pending,) = store.pending(NAME)
        lease = leased(store)
        assert lease.fence == 2
        number = store.begin_attempt(lease, pending, at=month(3))
        store.record_receipt(pending, number, status=200, token=None, at=month(3))
        sent(store, lease, month(4))
        with pytest.raises(StoreError):
            frozen(store, lease, month(1))
        assert (store.ended(NAME, "2026-04"), store.verify()) == ("sent", ())


# A later version


def second(connection: Connection) -> None:
    """Stand for a later version: a column more, and rows changed."""
    prefix = "rc_stats." if connection.dialect.name == "postgresql" else ""
    connection.execute(text(f"ALTER TABLE {prefix}heads ADD COLUMN canary TEXT"))
    connection.execute(text(f"UPDATE {prefix}leases SET fence = fence + 1000"))  # noqa: S608


def failing(connection: Connection) -> None:
    """Stand for a migration that fails at its end."""
    second(connection)
    connection.execute(text("SELECT * FROM nowhere"))


def later(*migrations: Callable[[Connection], None]) -> None:
    """Let this process be of a later version."""
    schema.MIGRATIONS = (*schema.MIGRATIONS[:1], *migrations)  # type: ignore[misc]


def open_later(line: Line, url: Any) -> None:
    """Open a store as a later version does."""
    later(second)
    line.send("ready")
    line.recv()
    with Store.open(url) as store:
        line.send((store.head()[0], store.verify()))


def migrate_slowly(line: Line, url: Any) -> None:
    """Hang in the middle of a migration."""

    def hang(connection: Connection) -> None:
        second(connection)
        line.send("migrating")
        line.recv()

    later(hang)
    Store.open(url)


def state(database: Database) -> tuple[Any, ...]:
    """Return the version, and what the later version changes."""
    return (*database.run("SELECT version FROM rc_stats")[0], *database.run("SELECT fence FROM leases")[0])


def test_a_later_version_is_reached_once(database: Database) -> None:
    """Four instances of a later version that open a store at once migrate it once; an older one then refuses it."""
    load_first(database)
    with database.open() as older, others(open_later, *[(database.url,)] * 4) as newer:
        assert [one.hear() for one in newer] == ["ready"] * 4
        for one in newer:
            one.say()
        assert [one.hear() for one in newer] == [(13, ())] * 4
        assert state(database) == (2, 1001)
        with pytest.raises(StoreError) as caught:
            database.open()
        assert caught.value.rule == "store-newer"
        older.close()


def test_a_later_version_can_be_made_anew(database: Database) -> None:
    """A new store is brought through all versions at once."""
    with other(open_later, database.url) as [newer]:
        newer.say()
        assert (newer.hear(), newer.hear()) == ("ready", (0, ()))
    assert database.run("SELECT version FROM rc_stats") == [(2,)]


def test_a_migration_that_fails_has_not_happened(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails leaves the store of the old version as it was, and can be tried again."""
    load_first(database)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, failing))
    with pytest.raises(StoreError) as caught:
        database.open()
    assert caught.value.rule == "store-failed"
    assert state(database) == (1, 1)
    monkeypatch.undo()
    with database.open() as store:
        assert (store.verify(), store.head()[0]) == ((), 13)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, second))
    with database.open() as store:
        assert (store.verify(), state(database)) == ((), (2, 1001))


def test_a_migration_that_is_killed_has_not_happened(database: Database) -> None:
    """A process that dies in the middle of a migration leaves the store of the old version, for others to use."""
    load_first(database)
    with other(migrate_slowly, database.url) as [newer]:
        assert newer.hear() == "migrating"
        pid = newer.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        newer.process.join()
        with database.open() as store:
            assert (store.verify(), state(database)) == ((), (1, 1))
            leased(store)


def test_a_store_that_died_while_it_was_made(database: Database) -> None:
    """A process that dies while it makes a store leaves nothing that keeps another from making it."""
    with other(migrate_slowly, database.url) as [newer]:
        assert newer.hear() == "migrating"
        pid = newer.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        newer.process.join()
        with agreed(database) as store:
            assert (store.verify(), store.head()[0]) == ((), 1)
