"""Databases for the tests of the store, SQLite and PostgreSQL alike, and what goes into them."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from postgres import Server, running
from rc_stats.anonymise import Anonymiser, Report
from rc_stats.catalogue import Profile, load_catalogue
from rc_stats.consent import Consent, Terms
from rc_stats.gate import Payload, Switches, Workspace, clear, decide
from rc_stats.policy import WorkspaceKind, load_policy
from rc_stats.store import Lease, Pending, Store

TERMS: Final = Terms(load_policy(), load_catalogue())
NAME: Final = TERMS.catalogue.name
AGREED: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 2, 10, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)

LABEL: Final = "Canary Label <canary.label@example.org>"
TOKEN: Final = "canary-token-zwiebelmuster"  # noqa: S105 - what a recipient might answer with
CHANNELS: Final = 471_108
"""A figure of the document that is sent as it is, and so can be looked for wherever it must not be."""

GRANT: Final = Consent().grant(TERMS, at=AGREED, by=LABEL)


@functools.cache
def _anonymiser(profile: Profile) -> Anonymiser:
    return Anonymiser(TERMS.catalogue, profile)


@functools.cache
def cleared(now: datetime = NOW, *, channels: int = CHANNELS, profile: Profile = Profile.STANDARD) -> Payload:
    """Return the payload of a small document that was made an hour before *now*."""
    return clear(reported(now, channels, profile), _decision(now, channels, profile))


def reported(now: datetime = NOW, channels: int = CHANNELS, profile: Profile = Profile.STANDARD) -> Report:
    """Return the report that :func:`cleared` lets through."""
    made = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}.000Z"
    document = {"createdAt": made, "totalUsers": 120, "totalChannels": channels, "activeUsers": 100}
    return _anonymiser(profile)(json.dumps(document).encode(), month=f"{now:%Y-%m}")


def _decision(now: datetime, channels: int, profile: Profile) -> Any:
    terms = replace(TERMS, profile=profile)
    return decide(
        Workspace(WorkspaceKind.REGISTERED),
        Consent().grant(terms, at=AGREED),
        TERMS.policy.recipient,
        Switches(),
        now,
        terms=terms,
        evidence=reported(now, channels, profile).evidence,
    )


@dataclass(frozen=True)
class Database:
    """
    A database of a test.

    Attributes:
        url: Where it is.
        path: The file of SQLite.
    """

    kind: str
    url: str | Path
    path: Path | None = None

    def open(self, workspace: str = "default") -> Store:
        """Return a new instance."""
        return Store.open(self.url, workspace=workspace)

    @contextmanager
    def raw(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """Give what runs SQL past the store, at once and for good; ``?`` stands for a value."""
        if self.path is not None:
            with closing(sqlite3.connect(self.path, isolation_level=None)) as file:
                yield lambda statement, *values: file.execute(statement, values).fetchall()
        else:
            with psycopg.connect(str(self.url), autocommit=True, options="-csearch_path=rc_stats") as server:

                def run(statement: str, *values: object) -> list[tuple[Any, ...]]:
                    cursor = server.execute(statement.replace("?", "%s"), values)
                    return cursor.fetchall() if cursor.description else []

                yield run

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement past the store."""
        with self.raw() as run:
            return run(statement, *values)


KINDS: Final = ("sqlite", "postgresql")


@contextmanager
def empty(kind: str, name: str = "tests") -> Iterator[Database]:
    """Give an empty database of *kind*; on the server the one of that name, which no two may use at once."""
    if kind == "sqlite":
        with directory() as place:
            yield Database(kind, place / "store.sqlite3", place / "store.sqlite3")
    else:
        yield emptied(running(), name)


@contextmanager
def directory() -> Iterator[Path]:
    """Give a directory in memory where there is one: the tests are not about the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh directory in it
    place = Path(tempfile.mkdtemp(prefix="rc-stats-", dir=memory if os.access(memory, os.W_OK) else None)).resolve()
    try:
        yield place
    finally:
        shutil.rmtree(place)


def emptied(server: Server, name: str) -> Database:
    """Return the server's database *name* with nothing in it, whatever a test before has left."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        connection.execute("DROP SCHEMA IF EXISTS rc_stats CASCADE")
    return Database("postgresql", server.url(name))


# What goes into a store ----------------------------------------------------------------------------------------------


def agreed(database: Database, workspace: str = "default") -> Store:
    """Return a store with a yes in it."""
    store = database.open(workspace)
    store.record_consent(NAME, GRANT)
    return store


def leased(store: Store, seconds: float = 600) -> Lease:
    """Return the lease, which must be free."""
    lease = store.lease(NAME, seconds=seconds)
    assert lease is not None
    return lease


def frozen(store: Store, lease: Lease, now: datetime = NOW, *, channels: int = CHANNELS) -> Pending:
    """Freeze the payload of *now*."""
    report = reported(now, channels)
    return store.freeze(lease, cleared(now, channels=channels), report.evidence, report.previous, at=now)


def sent(store: Store, lease: Lease, now: datetime = NOW) -> Pending:
    """Freeze the payload of *now* and note that it arrived."""
    pending = frozen(store, lease, now)
    number = store.begin_attempt(lease, pending, at=now + MINUTE)
    store.record_receipt(pending, number, status=200, token=TOKEN, at=now + 2 * MINUTE)
    return pending


def month(number: int) -> datetime:
    """Return a moment of month *number* after January 2026."""
    return datetime(2026 + number // 12, 1 + number % 12, 10, 12, tzinfo=UTC)


def filled(database: Database, workspace: str = "default") -> Store:
    """Return a store whose history has every kind of entry but "prune", and a report of every fate."""
    store = agreed(database, workspace)
    lease = leased(store)
    store.record_refusal(NAME, "2026-02", ["document-before-consent", "switch-do-not-track"], at=NOW)
    pending = frozen(store, lease)  # discarded untried, and frozen again
    store.discard(pending, reason="outdated", at=NOW)
    pending = frozen(store, lease)
    number = store.begin_attempt(lease, pending, at=NOW)
    store.record_failure(pending, number, code="transport-status", status=503, is_final=False, at=NOW)
    number = store.begin_attempt(lease, pending, at=NOW)
    store.record_receipt(pending, number, status=200, token=TOKEN, at=NOW)
    pending = frozen(store, lease, month(2))  # rejected
    number = store.begin_attempt(lease, pending, at=month(2))
    store.record_failure(pending, number, code="transport-status", status=410, is_final=True, at=month(2))
    pending = frozen(store, lease, month(3))  # nobody knows
    store.begin_attempt(lease, pending, at=month(3))
    store.record_consent(NAME, GRANT.restrict(until=month(4), at=month(3), by=LABEL))
    sent(store, lease, month(5))  # and erased
    store.erase(catalogue=NAME, period="2026-06", at=month(5))
    store.record_consent(NAME, replace(GRANT, at=month(5)))
    sent(store, lease, month(6))
    frozen(store, lease, month(7))  # waits
    store.release(lease)
    return store


@contextmanager
def copies(kind: str) -> Iterator[Callable[[str], Store]]:
    """Give what returns a new store, each filled as by :func:`filled`, of the workspace *name*."""
    with empty(kind) as database:
        if database.path is None:
            yield lambda name: filled(database, name)
            return
        filled(database, "default").close()
        path = database.path

        def copy(name: str) -> Store:
            place = path.parent / hashlib.sha256(name.encode()).hexdigest()
            shutil.copyfile(path, place)
            return Store.open(place)

        yield copy


# Other processes -----------------------------------------------------------------------------------------------------

_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["rc_stats.store", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg", "pytest"]
)


@dataclass(frozen=True)
class Other:
    """Another process, and the line to it."""

    process: BaseProcess
    line: Connection

    def hear(self) -> Any:
        """Return what it says next; an error if it says nothing for long, or has died."""
        assert self.line.poll(30)
        return self.line.recv()

    def say(self, word: Any = "go") -> None:
        """Tell it something."""
        self.line.send(word)


@contextmanager
def others(work: Callable[..., None], *arguments: Sequence[Any]) -> Iterator[list[Other]]:
    """Run *work* in one process for each of *arguments*, each with a line to this one, and end them at last."""
    running = []
    try:
        for own in arguments:
            here, there = _PROCESSES.Pipe()
            process = _PROCESSES.Process(target=work, args=(there, *own), daemon=True)
            process.start()
            there.close()
            running.append(Other(process, here))
        yield running
    finally:
        for other in running:
            other.process.kill()
            other.process.join()
            other.process.close()
            other.line.close()


def other(work: Callable[..., None], *arguments: Any) -> AbstractContextManager[list[Other]]:
    """Run *work* in one other process."""
    return others(work, arguments)
