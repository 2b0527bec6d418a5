"""What can be wrong with a database: each fault is one error with a rule and a remedy, and tells nothing else."""

from __future__ import annotations

import errno
import functools
import itertools
import logging
import os
import resource
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import postgres
from rc_stats.catalogue import Profile
from rc_stats.consent import Consent
from rc_stats.errors import RcStatsError, StoreError, UsageError
from rc_stats.store import Store, faults
from rc_stats.store import database as databases
from stores import (
    CHANNELS,
    GRANT,
    KINDS,
    LABEL,
    NAME,
    NOW,
    TOKEN,
    Database,
    agreed,
    cleared,
    directory,
    empty,
    filled,
    frozen,
    leased,
    month,
    other,
    reported,
)

CANARIES: Final = (LABEL, TOKEN, str(CHANNELS), "canary", "Zwiebel", "totalChannels", "SELECT", "INSERT", "/dev/shm")  # noqa: S108
NOBODY: Final = 65534


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a directory."""
    with directory() as made:
        yield made


def fails(call: Callable[[], object], *rules: str) -> StoreError:
    """Assert that *call* fails by one of *rules* with an error that tells nothing that it shouldn't, and return it."""
    with pytest.raises(StoreError) as caught:
        call()
    error = caught.value
    assert error.rule in rules, error.rule
    check_error(error)
    return error


def check_error(error: RcStatsError) -> None:
    """Assert that an error is one line, holds no value, and drags no other error along."""
    text = str(error)
    assert [text] == text.splitlines()
    assert error.remedy
    assert not [canary for canary in CANARIES if canary in text]
    assert (error.__cause__, error.__context__) == (None, None), (error.__cause__, error.__context__)


USES: Final[dict[str, Callable[[Store], object]]] = {
    "consent": lambda store: store.consent(NAME),
    "last_grant": lambda store: store.last_grant(NAME),
    "record_consent": lambda store: store.record_consent(NAME, GRANT.withdraw(at=NOW, by=LABEL)),
    "lease": lambda store: store.lease(NAME, seconds=60),
    "pending": lambda store: store.pending(NAME),
    "ended": lambda store: store.ended(NAME, "2026-02"),
    "previous": lambda store: store.previous(NAME, Profile.STANDARD),
    "record_refusal": lambda store: store.record_refusal(NAME, "2026-02", ["switch-rc-stats"], at=NOW),
    "history": lambda store: list(store.history()),
    "head": lambda store: store.head(),
    "catalogues": lambda store: store.catalogues(),
    "latest_at": lambda store: store.latest_at(NAME),
    "payload": lambda store: store.payload(NAME, "2026-02"),
    "export": lambda store: list(store.export()),
    "erase": lambda store: store.erase(at=NOW),
    "prune": lambda store: store.prune(before=month(20), at=month(20)),
    "verify": lambda store: store.verify(),
}
WRITES: Final = ("record_consent", "lease", "record_refusal", "erase", "prune")


def test_the_uses_are_all() -> None:
    """The table of uses has every method of a store that neither needs a lease or a pending report, nor the wire."""
    needing = {"close", "open", "renew", "release", "freeze", "begin_attempt", "discard", "wire", "settle"}
    methods = {name for name in vars(Store) if not name.startswith("_")}
    assert methods - needing - {"record_failure", "record_receipt"} == set(USES)


# A table of everything that a database can answer


def test_every_answer_of_a_server_has_a_rule() -> None:
    """A real server's error of each kind becomes the rule that the table gives, whatever its text and detail hold."""
    cases = {
        **{state.ljust(5, "0"): rule for state, rule in faults._OF_POSTGRESQL.items()},
        "53400": "store-full",
        "22P02": "store-failed",
        "P0001": "store-failed",
        "57P01": "store-unreachable",
        "40P01": "store-locked",
    }
    with empty("postgresql") as database, agreed(database) as store:
        database.run("CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'")
        database.run("CREATE TRIGGER stop BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION stop()")
        head = store.head()
        for state, rule in cases.items():
            database.run(
                "CREATE OR REPLACE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"RAISE EXCEPTION USING MESSAGE = new.private, ERRCODE = '{state}', DETAIL = new.private; END $$"
            )
            fails(partial(USES["record_consent"], store), rule)
        assert (head, GRANT) == (store.head(), store.consent(NAME))


def test_every_answer_of_a_file_has_a_rule() -> None:
    """Each of SQLite's codes that the table names, and any longer one that begins with it, becomes its rule."""
    known = {name for name in dir(sqlite3) if name.startswith("SQLITE_")}
    assert set(faults._OF_SQLITE) <= known
    for name, rule in faults._OF_SQLITE.items():
        for code in (name, f"{name}_MORE"):
            error = sqlite3.OperationalError("canary")
            error.sqlite_errorname = code
            assert rule == faults.rule_of(error)
    error = sqlite3.OperationalError("canary")
    error.sqlite_errorname = "SQLITE_MISMATCH"
    assert faults.rule_of(error) == "store-failed"
    assert faults.rule_of(sqlite3.OperationalError("Could not decode to UTF-8")) == "store-corrupt"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (errno.ENOSPC, "store-full"),
        (errno.EDQUOT, "store-full"),
        (errno.EROFS, "store-read-only"),
        (errno.EACCES, "store-read-only"),
        (errno.ENOENT, "store-unreachable"),
        (errno.EIO, "store-unreachable"),
        (None, "store-unreachable"),
    ],
)
def test_every_answer_of_the_system_has_a_rule(code: int | None, rule: str) -> None:
    """An error of the system becomes a rule as well."""
    assert faults.rule_of(OSError(code, "canary")) == rule
    assert faults.rule_of(RuntimeError("canary")) == "store-failed"


def test_every_rule_has_words() -> None:
    """Each rule that an answer can become has a message and a remedy."""
    rules = {*faults._OF_SQLITE.values(), *faults._OF_POSTGRESQL.values(), *faults._OF_SYSTEM.values()}
    for rule in rules | {"store-failed", "store-closed", "store-newer", "store-foreign"}:
        check_error(faults.fault(rule))


# Where it is


BAD_URLS: Final = [
    "mysql://user:canary@localhost/x",
    "postgresql+asyncpg://user:canary@localhost/x",
    "sqlite://",
    "sqlite:///",
    "sqlite:///:memory:",
    "sqlite:///file:canary?mode=memory",
    "sqlite+aiosqlite:///canary.db",
    "postgresql://user:canary@localhost:port/x",
    "://canary",
    "http://canary@collector.example.org/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_address_is_refused(url: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of something else, or of a store that would not last, is refused without being repeated."""
    monkeypatch.chdir(place)
    with pytest.raises(UsageError) as caught:
        Store.open(url)
    assert caught.value.rule == "store-url"
    check_error(caught.value)
    assert list(place.iterdir()) == []


def test_a_file_can_be_named_in_several_ways(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, the same as text, relative, as a URL, or through a link: all are one store, with one wire."""
    path = place / "a store? 100% #1.sqlite3"
    link = place / "link"
    link.symlink_to(path)
    monkeypatch.chdir(place)
    ways: list[str | Path] = [path, str(path), path.name, Path(path.name), link]
    plain = place / "plain.sqlite3"
    for way in ways:
        with Store.open(way) as store:
            store.record_refusal(NAME, str(way), ["drift"], at=NOW)
            with store.wire(), Store.open(path) as same:
                assert not same.settle(seconds=0)
    with Store.open(path) as store:
        assert store.head()[0] == len({str(way) for way in ways})
    with Store.open(f"sqlite:///{plain}") as store, Store.open(plain) as same:
        store.record_consent(NAME, GRANT)
        assert same.consent(NAME) == GRANT
    assert not [file for file in place.iterdir() if not file.name.startswith(("a store", "link", "plain"))]


def test_a_store_is_the_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the store is in the user's state directory, and whatever the umask, no file in it is for others."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = os.umask(0)
    try:
        with Store.open() as store, store.wire():
            lease = leased(store)
            store.record_consent(NAME, GRANT)
            frozen(store, lease)
            own = tmp_path / "state" / "rc-stats"
            with closing(sqlite3.connect(own / "rc-stats.sqlite3")) as file:
                file.execute("SELECT * FROM heads").fetchall()
                store.renew(lease)
                modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in own.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys((f"rc-stats.sqlite3{end}" for end in ("", "-wal", "-shm", ".wire")), 0o600)
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    own.chmod(0o755)
    for path in own.iterdir():
        path.chmod(0o644)
    Store.open().close()
    assert {0o600, 0o700} == {stat.S_IMODE(path.stat().st_mode) for path in (own, *own.iterdir())}


def test_a_directory_that_is_not_there(place: Path) -> None:
    """A file in no directory, or a directory in place of the file, can't be reached; nothing is made or changed."""
    (place / "directory").mkdir(mode=0o755)
    for path in (place / "missing" / "store.sqlite3", place / "directory", place / "directory" / "x" / "y"):
        fails(partial(Store.open, path), "store-unreachable")
    assert [stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()] == [0o755]


def test_a_file_that_went_away(place: Path) -> None:
    """A store whose file was moved away is an error, and not a new and empty store."""
    path = place / "store.sqlite3"
    with Store.open(path) as store:
        store.record_consent(NAME, GRANT)
        path.rename(place / "elsewhere")
        for use in USES.values():
            fails(partial(use, store), "store-unreachable")
        assert not path.exists()
        (place / "elsewhere").rename(path)
        assert store.consent(NAME) == GRANT


def test_a_server_that_is_not_there() -> None:
    """A server that doesn't answer, or a database or account that it doesn't have, can't be reached."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql://somebody:canary-password@127.0.0.1:{port}/canary-database"
    fails(partial(Store.open, url), "store-unreachable")
    server = postgres.running()
    fails(partial(Store.open, server.url("canary-database")), "store-unreachable")
    fails(partial(Store.open, server.url().replace("tester", "canary-account")), "store-unreachable")
    fails(partial(Store.open, server.url() + "&canary_option=1"), "store-unreachable")


def test_a_server_that_restarts_needs_no_care() -> None:
    """A server that dropped every connection is used again at once, by the same store."""
    with empty("postgresql") as database, agreed(database) as store:
        database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert store.consent(NAME) == GRANT


@pytest.mark.parametrize(
    ("missing", "statement", "extra"),
    [
        ("sqlalchemy", "import rc_stats.store", "store"),
        ("platformdirs", "import rc_stats.store", "store"),
        ("psycopg", "from rc_stats.store import Store; Store.open('postgresql://localhost/x')", "postgresql"),
    ],
)
def test_a_missing_extra_is_named(missing: str, statement: str, extra: str) -> None:
    """Without its libraries the store says which extra brings them."""
    program = f"import sys; sys.modules[{missing!r}] = None\n{statement}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"pip install 'rc-stats[{extra}]'" in run.stderr.splitlines()[-1]
    assert "MissingExtra" in run.stderr.splitlines()[-1]


# Whose it is


def bytes_of(place: Path) -> dict[str, tuple[bytes, int]]:
    """Return contents and mode of every file."""
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in place.iterdir()}


def test_a_foreign_file_is_not_touched(place: Path) -> None:
    """A file with other tables, of another program or of none, is refused and left as it is, mode included."""
    path = place / "theirs.sqlite3"
    statements = {
        "store-foreign": "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('canary')",
        "store-corrupt": "CREATE TABLE rc_stats (version BIGINT); INSERT INTO rc_stats VALUES (1)",
    }
    for rule, statement in statements.items():
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as file:
            file.executescript(statement)
        path.chmod(0o644)
        before = bytes_of(place)
        fails(partial(Store.open, path), rule)
        assert before == bytes_of(place)
    for text in (b"canary, not a database" * 99, b"\x00" * 5000, b"SQLite format 3\x00" + b"\xff" * 5000):
        path.write_bytes(text)
        before = bytes_of(place)
        fails(partial(Store.open, path), "store-corrupt")
        assert before == bytes_of(place)


def test_a_foreign_schema_is_not_touched() -> None:
    """A server's database may hold others' tables; a schema of our name with tables that aren't ours is refused."""
    with empty("postgresql") as database:
        with psycopg.connect(str(database.url), autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS public.rc_stats (canary TEXT)")
            connection.execute("CREATE SCHEMA rc_stats")
            connection.execute("CREATE TABLE rc_stats.users (canary TEXT)")
        fails(partial(Store.open, database.url), "store-foreign")
        database.run("DROP TABLE rc_stats.users")
        with agreed(database) as store:
            assert store.consent(NAME) == GRANT


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE TABLE canary (x TEXT)", "store-foreign"),
        ("DROP TABLE leases", "store-corrupt"),
        ("DELETE FROM rc_stats", "store-corrupt"),
        ("UPDATE rc_stats SET version = 0", "store-corrupt"),
        ("INSERT INTO rc_stats (version) VALUES (1)", "store-corrupt"),
        ("UPDATE rc_stats SET version = 2", "store-newer"),
        ("UPDATE rc_stats SET version = 1000000", "store-newer"),
    ],
)
def test_a_store_that_is_not_of_this_version(database: Database, statement: str, rule: str) -> None:
    """A store of a newer version, with tables too many or too few, or without a version, is refused and not touched."""
    agreed(database).close()
    database.run(statement)
    rows = database.run("SELECT * FROM entries")
    fails(database.open, rule)
    assert rows == database.run("SELECT * FROM entries")


# Locked, full, read-only, damaged


def test_a_locked_store(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody else holds the database, each use of it says so in the end, and works again afterwards."""
    with agreed(database) as store:
        monkeypatch.setattr(databases, "BUSY_S", 0.02)
        with database.raw() as run:
            if database.kind == "sqlite":
                run("PRAGMA locking_mode = EXCLUSIVE")
                run("BEGIN EXCLUSIVE")
                run("UPDATE heads SET number = number")
            else:
                run("BEGIN")
                run("LOCK TABLE heads, entries, periods, previous, leases, field_sets, rc_stats")
            for name, use in USES.items():
                if name in WRITES or database.kind == "postgresql":
                    fails(partial(use, store), "store-locked")
            if database.kind == "postgresql":
                fails(database.open, "store-locked")
            run("ROLLBACK")
        monkeypatch.undo()
        for use in USES.values():
            use(store)


def fill_up(line: Connection, path: Path, limit: int) -> None:
    """Write until files may grow no more, and say what was refused and how."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = 0
    try:
        with Store.open(path) as store:
            store.record_consent(NAME, GRANT)
            lease = leased(store)
            for number in range(1, 40):
                pending = frozen(store, lease, month(number))
                store.begin_attempt(lease, pending, at=month(number))
                done = number
            line.send(("no limit", "", done))
    except StoreError as error:
        check_error(error)
        line.send((error.rule, str(error), done))
    line.recv()


@pytest.mark.parametrize("limit", [0, 4096, 30_000, 61_440, 90_000, 110_000, 130_000])
def test_a_full_disk(place: Path, limit: int) -> None:
    """Wherever the room ends, the step that had none is refused whole; what was done before is there, and goes on."""
    path = place / "store.sqlite3"
    with other(fill_up, path, limit) as [process]:
        rule, _, done = process.hear()
        assert rule == "store-full"
        with Store.open(path) as store:
            assert store.verify() == ()
            kinds = [entry.kind for entry in store.history()]
            assert kinds.count("attempt") == done
            assert kinds.count("report") - done in (0, 1)
            store.record_consent(NAME, GRANT)


def test_a_full_file_system(place: Path) -> None:
    """The same on a real file system that is full, where one can be mounted."""
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("no file system can be mounted here; a limit on the size of files stands for it")
    try:
        with Store.open(place / "store.sqlite3") as store:
            done = 0

            def fill() -> None:
                nonlocal done
                while True:
                    store.record_refusal(NAME, f"{done}", ["drift"] * 40, at=NOW)
                    done += 1

            fails(fill, "store-full")
            assert (store.head()[0], store.verify()) == (done, ())
    finally:
        subprocess.run(["umount", str(place)], check=True)


def look(line: Connection, paths: list[Path]) -> None:
    """Try to use stores as somebody who may not write, and say what comes of it."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    for path in paths:
        rules = set()
        try:
            with Store.open(path) as store:
                assert store.consent(NAME) == GRANT
                rules.add("readable")
                for name in set(WRITES) - {"prune"}:  # which finds nothing to do
                    rules.add(fails(partial(USES[name], store), "store-read-only").rule)
                with suppress(StoreError), store.wire():
                    rules.add("wire")
        except StoreError as error:
            check_error(error)
            rules.add(error.rule)
        line.send(rules)
    line.recv()


def test_what_may_not_be_written(place: Path) -> None:
    """In a directory or file that can't be written the store says so; what can be read of it, can be read."""
    place.chmod(0o755)
    closed, open_ = place / "closed", place / "open"
    for inner in (closed, open_):
        inner.mkdir()
        agreed(Database("sqlite", inner / "store.sqlite3", inner / "store.sqlite3")).close()
        (inner / "store.sqlite3").chmod(0o444)
    open_.chmod(0o777)
    closed.chmod(0o555)
    try:
        with other(look, [closed / "store.sqlite3", closed / "new.sqlite3", open_ / "store.sqlite3"]) as [somebody]:
            assert somebody.hear() == {"store-read-only"}
            assert somebody.hear() == {"store-read-only"}
            assert {"readable", "store-read-only"} <= somebody.hear()
    finally:
        closed.chmod(0o755)


def test_an_account_that_may_only_read() -> None:
    """On a server an account that may only read can read, and one that may do nothing is told."""
    with empty("postgresql") as database, agreed(database):
        for role in ("reader", "stranger"):
            with suppress(psycopg.errors.DuplicateObject):
                database.run(f"CREATE ROLE {role} LOGIN")
        database.run("GRANT USAGE ON SCHEMA rc_stats TO reader")
        database.run("GRANT SELECT ON ALL TABLES IN SCHEMA rc_stats TO reader")
        with Store.open(str(database.url).replace("tester", "reader")) as store:
            assert (store.consent(NAME), store.verify()) == (GRANT, ())
            for name in WRITES:
                fails(partial(USES[name], store), "store-read-only")
            with store.wire():
                assert not store.settle(seconds=0)
        fails(partial(Store.open, str(database.url).replace("tester", "stranger")), "store-read-only")


def test_a_cut_file(place: Path) -> None:
    """A file that was cut off anywhere is told to be damaged."""
    path = place / "store.sqlite3"
    filled(Database("sqlite", path, path)).close()
    whole = path.read_bytes()
    for size in range(512, len(whole), 4096):
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError) as caught:
            use_all(path)
        assert caught.value.rule == "store-corrupt"
        check_error(caught.value)


def use_all(path: Path) -> None:
    """Use a store in every way, and end with the first error."""
    with Store.open(path) as store:
        for name in (*(name for name in USES if name not in WRITES), *WRITES):
            USES[name](store)


@contextmanager
def damaged(damage: list[tuple[int, bytes]]) -> Iterator[Path]:
    """Give the file of a filled store with bytes of it replaced."""
    with directory() as place:
        contents = bytearray(whole())
        for at, text in damage:
            start = at % len(contents)
            contents[start : start + len(text)] = text
        path = place / "store.sqlite3"
        path.write_bytes(contents)
        yield path


@functools.cache
def whole() -> bytes:
    """Return the bytes of a filled store."""
    with empty("sqlite") as database:
        filled(database).close()
        assert database.path is not None
        return database.path.read_bytes()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=40)), min_size=1, max_size=6))
@example([(24, b"\xff" * 8)])
@example([(4096, b"\x00" * 4096)])
@example([(3941, b"\x80")])  # in the text of the schema
def test_a_damaged_file(damage: list[tuple[int, bytes]]) -> None:
    """Whatever bytes of a file were overwritten: each use gives an answer or fails by a rule, and by nothing else."""
    with damaged(damage) as path:
        try:
            store = Store.open(path)
        except StoreError as error:
            check_error(error)
            return
        with store:
            for use in USES.values():
                try:
                    use(store)
                except StoreError as error:
                    check_error(error)


@pytest.mark.parametrize(
    ("statement", "uses"),
    [
        ("UPDATE field_sets SET body = '{}'", ("consent", "last_grant")),
        ("DELETE FROM field_sets", ("consent", "last_grant")),
        ("UPDATE entries SET details = '{}' WHERE kind = 'consent'", ("consent",)),
        ("UPDATE entries SET details = 'canary' WHERE kind = 'consent'", ("consent", "history", "export", "prune")),
        ("UPDATE entries SET details = replace(details, 'usage', 'account')", ("consent", "last_grant")),
        ("UPDATE entries SET private = 'canary' WHERE kind = 'consent'", ("consent", "history", "export")),
        ("UPDATE entries SET at = 'canary'", ("history", "latest_at", "pending")),
        ("UPDATE entries SET details = replace(details, 'standard', 'strict')", ("consent", "last_grant", "pending")),
        ("UPDATE periods SET body = NULL", ("pending",)),
        ("UPDATE periods SET body = previous", ("pending",)),
        ("UPDATE periods SET number = 99", ("pending",)),
        ("UPDATE entries SET details = '{}' WHERE kind = 'report'", ("pending",)),
        ("UPDATE entries SET details = replace(details, 'null', 'true')", ("pending",)),
        ("DELETE FROM entries WHERE kind = 'report'", ("pending", "consent")),
        ("DELETE FROM entries", ("consent", "pending")),
        ("DELETE FROM heads", ("consent", "record_refusal", "record_consent", "lease")),
        ("UPDATE heads SET number = 1", ("consent",)),
        ("UPDATE heads SET number = 0, digest = ''", ("consent",)),
    ],
)
def test_what_can_not_be_read_is_not_believed(database: Database, statement: str, uses: tuple[str, ...]) -> None:
    """A consent, report or entry that isn't whole is an error that names its entry, never a guess."""
    with agreed(database) as store:
        frozen(store, leased(store))
        database.run(statement)
        for use in uses:
            fails(partial(USES[use], store), "store-corrupt")
        assert store.verify()


def test_any_type_in_any_column(place: Path) -> None:
    """In a file any column can hold anything: whatever it is, each use gives an answer or fails by a rule."""
    for number, (table, column, value) in enumerate(itertools.product(TABLES, range(10), ("x'ff'", "1.5", "'canary'"))):
        path = place / f"{number}.sqlite3"
        path.write_bytes(whole())
        with closing(sqlite3.connect(path)) as file:
            names = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
            if column >= len(names):
                break
            with suppress(sqlite3.IntegrityError), file:
                file.execute(f"UPDATE {table} SET {names[column]} = {value}")  # noqa: S608
        try:
            store = Store.open(path)
        except StoreError as error:
            check_error(error)
            continue
        for use in USES.values():
            try:
                use(store)
            except StoreError as error:
                check_error(error)
        path.unlink()


TABLES: Final = ("rc_stats", "heads", "entries", "field_sets", "periods", "previous", "leases")


def test_a_damaged_page_that_nothing_reads(place: Path) -> None:
    """A file whose pages don't fit together is told to be damaged by a check, though all entries can be read."""
    path = place / "store.sqlite3"
    contents = bytearray(whole())
    contents[36:40] = b"\x00\x00\x00\x07"  # the number of free pages
    path.write_bytes(contents)
    with Store.open(path) as store:
        assert store.verify() == ("The database file is damaged.",)


def test_a_withdrawal_can_not_be_cut_off(database: Database) -> None:
    """Where somebody removed the entry of a withdrawal, the yes before it doesn't count again."""
    with agreed(database) as store:
        store.record_consent(NAME, GRANT.withdraw(at=NOW))
        database.run("DELETE FROM entries WHERE number = 2")
        fails(partial(store.consent, NAME), "store-corrupt")
        fails(partial(frozen, store, leased(store)), "store-corrupt")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE field_sets SET body = '{}'",
        "DELETE FROM field_sets",
        "UPDATE entries SET details = 'canary'",
        "UPDATE periods SET number = 1, body = NULL",
        "DELETE FROM entries",
    ],
)
def test_opting_out_needs_nothing_but_the_database(database: Database, statement: str) -> None:
    """Whatever is damaged, a no can be said, and destroys what is pending; and so can a yes be said again."""
    with agreed(database) as store:
        frozen(store, leased(store))
        database.run(statement)
        store.record_consent(NAME, Consent().decline(at=NOW))
        assert (store.consent(NAME), store.pending(NAME)) == (Consent().decline(at=NOW), ())
        assert store.payload(NAME, "2026-02") is None
        store.record_consent(NAME, GRANT)
        assert store.consent(NAME) == GRANT


# What gets out


def test_no_log_line_holds_a_value(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """With all of every library logged, no line holds a label, a token or a figure, whatever is done or fails."""
    body = cleared().body.decode()
    figures = (reported().previous or b"").to_bytes().decode()  # type: ignore[union-attr]
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="sqlalchemy"):
        with filled(database) as store:
            for use in USES.values():
                use(store)
        database.run("DROP TABLE entries")
        for use in USES.values():
            with suppress(StoreError):
                use(store)
    assert not [canary for canary in (LABEL, TOKEN, str(CHANNELS), body, figures) if canary in caplog.text]


def test_a_store_shows_nothing_of_itself() -> None:
    """The text of a store has neither its address nor its account; that of what it gives, no label, token or figure."""
    with empty("postgresql") as database, filled(database) as store:
        assert not [canary for canary in ("tester", "postgres", "/") if canary in repr(store)]
        shown = repr((list(store.history()), store.pending(NAME), store.erase(at=NOW)))
        assert not [canary for canary in (LABEL, TOKEN, str(CHANNELS)) if canary in shown]


def test_no_name_gets_into_an_error(database: Database) -> None:
    """A name that can't be written is an error that doesn't repeat it, or the name of nothing."""
    with agreed(database) as store:
        for name in ("canary\ud800", "canary\x00"):
            for call in (
                partial(store.consent, name),
                partial(store.pending, name),
                partial(store.ended, NAME, name),
                partial(store.payload, name, name),
                lambda name=name: list(store.history(catalogue=name)),
            ):
                try:
                    assert not call() or call() == Consent()
                except StoreError as error:
                    check_error(error)
