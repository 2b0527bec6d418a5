"""
One database, SQLite or PostgreSQL: its address and files, transactions, clock, and the wire lock.

No connection is kept: each transaction has its own. So a store can be used from any thread and after a fork, a server
that was restarted needs no care, and a file that was moved away is noticed and not written to.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from rc_stats.errors import MissingExtra, UsageError
from rc_stats.store import schema
from rc_stats.store.faults import fault, rule_of

FILE: Final = "rc-stats.sqlite3"

BUSY_S: Final = 20.0
"""How long a transaction waits for another to end. None of ours takes a second, unless its process was stopped."""

IDLE_S: Final = 20.0
"""How long a server lets a transaction go on whose process does nothing more, since it was stopped."""

_LONGEST_WAIT_S: Final = 24 * 3600.0
_LOGGER: Final = "rc-stats"
_CREATING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Database:
    """
    An open database.

    Attributes:
        path: The SQLite file; None for PostgreSQL.
    """

    engine: Engine
    path: Path | None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees the database of one moment."""
        with self.engine.connect() as connection:
            if self.path is not None:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                _limit(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are made durable at the end, or none of them."""
        with self.engine.connect() as connection:
            if self.path is not None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execution_options(isolation_level="READ COMMITTED")
                _limit(connection)
            yield connection
            connection.commit()

    def now(self, connection: Connection) -> int:
        """Return the time, in microseconds, by which leases end: the server's, or for a file that of this machine."""
        if self.path is not None:
            return time.time_ns() // 1000
        return int(connection.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000000")).scalar_one())

    def wipe(self) -> None:
        """Let what was destroyed not live on in the write-ahead log of SQLite, unless somebody still reads it."""
        if self.path is not None:
            with suppress(SQLAlchemyError), self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 500")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def is_sound(self, connection: Connection) -> bool:
        """Say whether the pages of a SQLite file fit together; PostgreSQL looks after its own."""
        return self.path is None or connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"

    def hold_wire(self, workspace: str) -> Callable[[], None]:
        """
        Take the wire lock shared with others, and return what lets it go.

        It is a lock of the kernel or the server on a connection of its own, so that it ends with the process.
        """
        with ExitStack() as stack:
            if self.path is not None:
                file = stack.enter_context(closing(self._wire_file(BUSY_S)))
                file.execute("BEGIN")
                file.execute("SELECT count(*) FROM sqlite_master").fetchone()
            else:
                connection = stack.enter_context(self.engine.connect())
                stack.callback(_roll_back, connection)
                _limit(connection)
                # However long the request takes, the server must not end the transaction.
                connection.execute(_WITHOUT_LIMIT)
                connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _key("wire", workspace)})
            held = stack.pop_all()
        return held.close

    def clear_wire(self, workspace: str, seconds: float) -> bool:
        """Wait until nobody holds the wire lock, and say whether that came to pass within *seconds*."""
        seconds = min(max(0.0, seconds), _LONGEST_WAIT_S)
        try:
            if self.path is not None:
                with closing(self._wire_file(seconds)) as file:
                    file.execute("BEGIN EXCLUSIVE")
            else:
                with self.engine.connect() as connection:
                    _limit(connection, lock_s=seconds)
                    key = {"key": _key("wire", workspace)}
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), key)
        except (DBAPIError, sqlite3.Error) as error:
            if rule_of(error) != "store-locked":
                raise
            return False
        return True

    def _wire_file(self, timeout_s: float) -> sqlite3.Connection:
        """
        Return a connection to the file that stands for the wire.

        It is empty and stays so: only the locks of SQLite's rollback mode count, where a writer waits for all readers
        and lets no new one in meanwhile.
        """
        assert self.path is not None  # noqa: S101 - for the type checker
        path = self.path.with_name(self.path.name + ".wire")
        _create(path)
        return sqlite3.connect(
            path.as_uri() + "?mode=rw", uri=True, isolation_level=None, timeout=timeout_s, check_same_thread=False
        )


_WITHOUT_LIMIT: Final = text(
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN "
    "('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')"
)


def open_database(url: str | Path | None, *, create: bool = True) -> Database:
    """
    Return the database at *url*, with tables of the newest version.

    Args:
        create: Make it if there is none, or nothing in it.

    Raises:
        UsageError: ``store-url``.
        StoreError: ``store-missing`` if it was not to be made.
    """
    address = _address(url)
    if not create and isinstance(address, Path) and not address.exists():
        raise fault("store-missing")
    database = _postgresql(address) if isinstance(address, URL) else _sqlite(address)
    with database.reading() as connection:
        is_current = schema.is_current(connection)
        if not create and not is_current and schema.is_empty(connection):
            raise fault("store-missing")
    if database.path is not None:
        # Not before it is known to be ours.
        for name in ("", "-wal", "-shm", ".wire"):
            _keep_to_owner(database.path.with_name(database.path.name + name), 0o600)
        _write_ahead(database)
    if not is_current:
        with database.writing() as connection:
            if database.path is None:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("schema")})
            schema.migrate(connection)
    return database


def _address(url: str | Path | None) -> Path | URL:
    """Return the file's path, or the server's address."""
    if url is None:
        directory = platformdirs.user_state_path("rc-stats", appauthor=False)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_to_owner(directory, 0o700)
        return directory / FILE
    if isinstance(url, Path) or "://" not in url:
        return Path(url).resolve()
    parsed = _parsed(url)
    if parsed is not None:
        if parsed.drivername == "sqlite" and not parsed.query and parsed.database not in (None, "", ":memory:"):
            return Path(parsed.database or "").resolve()
        if parsed.drivername in ("postgresql", "postgresql+psycopg"):
            return parsed.set(drivername="postgresql+psycopg")
    raise UsageError(
        "This is no address of a store.",
        rule="store-url",
        remedy="Name a file, sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
    )


def place_of(url: str | Path | None) -> str:
    """Return which database *url* names, for people: a file's path, or host and name without any credentials."""
    address = _address(url)
    if isinstance(address, Path):
        return str(address)
    host = address.host or next(iter(address.normalized_query.get("host", ())), "this machine")
    name = address.database or next(iter(address.normalized_query.get("dbname", ())), "the user's own database")
    place = f"{host}{f':{address.port}' if address.port else ''}/{name}"
    return place.rpartition("@")[2]  # a password with a mark that should have been escaped


def _parsed(url: str) -> URL | None:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        return None


def _sqlite(path: Path) -> Database:
    def connect() -> sqlite3.Connection:
        # Never made by connecting: a file that has gone is an error, not a new and empty store.
        connection = sqlite3.connect(
            path.as_uri() + "?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    if path.parent.is_dir() and not os.access(path.parent, os.W_OK | os.X_OK):
        raise fault("store-read-only")  # SQLite makes files beside the one
    _create(path)
    return Database(_engine("sqlite://", creator=connect), path)


def _postgresql(address: URL) -> Database:
    options = {"application_name": "rc-stats", "connect_timeout": 10, "keepalives_idle": 30}
    try:
        engine = _engine(
            address,
            connect_args={name: value for name, value in options.items() if name not in address.query}
            | {"prepare_threshold": None},
            execution_options={"schema_translate_map": {None: schema.SCHEMA}},
        )
    except ImportError:
        engine = None
    if engine is None:
        raise MissingExtra("postgresql", "A store in PostgreSQL")
    return Database(engine, None)


def _engine(url: str | URL, **options: object) -> Engine:
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, logging_name=_LOGGER, **options)
    # A program that logs everything of everybody would log each row that is read, and so labels and payloads.
    logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGER}").setLevel(logging.WARNING)
    return engine


def _write_ahead(database: Database) -> None:
    """Switch the file to write-ahead logging, so that readers don't wait; it stays so."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            with database.engine.connect() as connection:
                if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except DBAPIError as error:
            # SQLite doesn't wait by itself where two want to switch at once.
            if rule_of(error) != "store-locked" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _create(path: Path) -> None:
    """
    Make the file at *path* if there is none, for its owner only; SQLite gives its other files the same mode.

    One thread at a time, since closing a file gives up all locks that this process has on it.
    """
    with _CREATING, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _keep_to_owner(path: Path, mode: int) -> None:
    """Take all rights on *path* from others than its owner, as far as it is ours to do so."""
    with suppress(PermissionError, FileNotFoundError):
        if path.stat().st_mode & 0o077:
            path.chmod(mode)


def _limit(connection: Connection, lock_s: float | None = None) -> None:
    """Wait for a lock no longer than *lock_s*; and if this process is stopped, hold up the others no longer either."""
    lock_s = BUSY_S if lock_s is None else lock_s
    connection.execute(
        text(
            "SELECT set_config('lock_timeout', :lock, true), "
            "set_config('idle_in_transaction_session_timeout', :idle, true)"
        ),
        {"lock": str(max(1, int(lock_s * 1000))), "idle": str(int(IDLE_S * 1000))},
    )


def _roll_back(connection: Connection) -> None:
    """End the transaction; if the connection is lost, it has ended already."""
    with suppress(SQLAlchemyError):
        connection.rollback()


def _key(*words: str) -> int:
    """Return the number by which PostgreSQL knows the lock that *words* name."""
    digest = hashlib.sha256("\n".join(("rc-stats", *words)).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
