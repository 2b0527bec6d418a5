"""
Processes are killed, stopped and raced at every instant; nothing is lost, doubled, or sent after a no.

An instant is the moment before or after a statement, a commit or a request. The server counts by idempotency key.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from collector import Collector, Identity, reply, reset
from rc_stats.outcome import Verdict
from rc_stats.reporter import Reporter
from reporting import DAY, NAME, Clock, Life, die, fork, is_stopped, pause, run, wait
from stores import KINDS, Database, empty

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed by the means of POSIX")
PERIOD = "2026-08"
LEASE = 0.05
EVERY = int(os.environ.get("RCSTATS_TEST_CRASHES", "0"))
"""With 1, every instant is tried also where the ordinary run takes a sample."""


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Give a plain server: TLS has tests of its own."""
    with Collector(identity=Identity.PLAIN) as server:
        yield server


def lives(database: Database, collector: Collector) -> Iterator[Life]:
    """Give workspace after workspace, each with a yes, in one database."""
    for number in itertools.count(1):
        life = Life(database, collector, f"w{number}", marker=number, lease_seconds=LEASE, clock=Clock())
        life.agreed()
        yield life


def later(life: Life) -> Reporter:
    """Return a new instance, when the lease of the one that died has run out and there is another document."""
    time.sleep(LEASE * 1.2)
    life.clock.move(DAY / 24)
    return life.reporter()


def check_sent_once(life: Life) -> None:
    """Hold that the period was received under one key, the books agree, and the chain is whole."""
    store = life.store()
    assert len(life.keys) == 1
    assert {received.body for received in life.received} == {store.payload(NAME, PERIOD)}
    assert store.ended(NAME, PERIOD) == "sent"
    assert store.pending(NAME) == ()
    assert store.verify() == ()
    kinds = life.kinds()
    assert kinds.count("report") - kinds.count("discard") == 1
    assert kinds.count("receipt") >= 1


Record = Callable[[str, object], None]
"""Notes a count, for the summary of a run."""

CRASHES = "processes killed"
STOPS = "processes stopped for longer than their lease"
RACES = "races run"


def instants(database: Database, step: int) -> Iterator[int]:
    """Give numbers of instants, until the caller has seen that there are no more; fewer where each takes longer."""
    start = 1 if database.path else 5
    return itertools.count(start, 1 if EVERY else step if database.path else 2 * step)


def test_killed_at_every_instant(database: Database, collector: Collector, record_property: Record) -> None:
    """A restart after a crash at any instant delivers the period, under one key, with the bytes that were frozen."""
    crashes = 0
    for life, at in zip(lives(database, collector), instants(database, 9), strict=False):
        if not run(lambda life=life: life.reporter().send_once(), at=at):  # type: ignore[misc]
            break
        crashes += 1
        outcome = later(life).send_once()
        assert outcome.verdict in (Verdict.SENT, Verdict.ALREADY_SENT)
        check_sent_once(life)
    assert crashes > 5, "there are that many instants at least"
    check_sent_once(life)
    record_property(CRASHES, crashes)


def test_killed_again_and_again(database: Database, collector: Collector, record_property: Record) -> None:
    """A process that dies at each start, a little later every time, delivers in the end, under one key."""
    life = next(lives(database, collector))
    collector.then(reset(), reply(503), reset(reads=False))
    crashes = 0
    for at in itertools.count(1, 1 if EVERY else 17):
        was_killed = run(life.reporter().send_once, at=at)
        if not was_killed and life.store().ended(NAME, PERIOD):
            break
        crashes += was_killed
        time.sleep(LEASE * 1.2)
    check_sent_once(life)
    record_property(CRASHES, crashes)


def test_killed_and_opted_out(database: Database, collector: Collector, record_property: Record) -> None:
    """After a crash at any instant and an opt-out that returned, nothing is sent any more."""
    crashes = 0
    for life, at in zip(lives(database, collector), instants(database, 20), strict=False):
        if not run(lambda life=life: life.reporter().send_once(), at=at):  # type: ignore[misc]
            break
        crashes += 1
        assert life.reporter().opt_out(seconds=20)
        before = collector.count
        assert later(life).send_once().verdict in (Verdict.CLOSED, Verdict.ALREADY_SENT, Verdict.ENDED)
        assert collector.count == before
        store = life.store()
        assert store.pending(NAME) == ()
        assert store.verify() == ()
        assert len(life.keys) <= 1
    record_property(CRASHES, crashes)


def test_killed_while_opting_out(database: Database, collector: Collector, record_property: Record) -> None:
    """An opt-out that is killed has happened wholly or not at all; repeated, it holds."""
    crashes = 0
    for life, at in zip(lives(database, collector), instants(database, 8), strict=False):
        collector.then(reset())
        Life(**{**vars(life), "options": {"attempts": 1}}).reporter().send_once()
        assert len(life.store().pending(NAME)) == 1
        was_killed = run(lambda life=life: life.reporter().opt_out(), at=at)  # type: ignore[misc]
        store = life.store()
        is_out = store.consent(NAME).state == "withdrawn"
        assert is_out == (store.pending(NAME) == ())
        assert life.reporter().opt_out(seconds=20)
        before = collector.count
        later(life).send_once()
        assert collector.count == before
        assert store.verify() == ()
        if not was_killed:
            break
        crashes += 1
    record_property(CRASHES, crashes)


def test_stopped_longer_than_the_lease(database: Database, collector: Collector, record_property: Record) -> None:
    """An instance that sleeps at any instant while another takes over does no harm when it wakes up."""
    stops = 0
    for life, at in zip(lives(database, collector), instants(database, 20), strict=False):
        pid = fork(lambda life=life: life.reporter().send_once(), at=at, act=pause)  # type: ignore[misc]
        if not is_stopped(pid):
            break
        stops += 1
        if not is_locked(life):
            later(life).send_once()
        os.kill(pid, signal.SIGCONT)
        assert wait(pid) == 0
        later(life).send_once()
        check_sent_once(life)
    record_property(STOPS, stops)


def is_locked(life: Life) -> bool:
    """Say whether a stopped process is in the middle of a transaction: then the others wait for it."""
    try:
        if life.database.path is None:
            life.database.run("SELECT 1 FROM heads WHERE workspace = ? FOR UPDATE NOWAIT", life.workspace)
        else:
            with closing(sqlite3.connect(life.database.path, timeout=0.01, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
    except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
        return True
    return False


def test_opted_out_while_an_instance_sleeps(database: Database, collector: Collector, record_property: Record) -> None:
    """Whenever an opt-out says that nothing is under way, nothing comes, whoever slept at whatever instant."""
    answers, stops = set(), 0
    for life, at in zip(lives(database, collector), instants(database, 20), strict=False):
        pid = fork(lambda life=life: life.reporter().send_once(), at=at, act=pause)  # type: ignore[misc]
        if not is_stopped(pid):
            break
        stops += 1
        if not is_locked(life):
            is_settled = life.reporter().opt_out(seconds=0.05)
            answers.add(is_settled)
            before = len(life.received)
            os.kill(pid, signal.SIGCONT)
            assert wait(pid) == 0
            assert not is_settled or len(life.received) == before
        else:
            os.kill(pid, signal.SIGCONT)
            wait(pid)
        assert life.store().verify() == ()
        assert len(life.keys) <= 1
    assert True in answers
    record_property(STOPS, stops)


@pytest.mark.parametrize("count", [2, 4])
def test_instances_race(database: Database, collector: Collector, count: int, record_property: Record) -> None:
    """Several instances that start at once send the period once, also while some of them die."""
    crashes, rounds = 0, 12 if EVERY else 4
    for number, life in enumerate(itertools.islice(lives(database, collector), rounds), 1):
        life.lease_seconds = LEASE if number % 2 else 20.0
        work = lambda life=life: life.reporter().send_once()  # noqa: E731 - one word for all
        pids = [fork(work, at=7 * number + 11 * index if index % 2 else 0, act=die) for index in range(count)]
        ends = [wait(pid) for pid in pids]
        assert set(ends) <= {0, -signal.SIGKILL}
        crashes += ends.count(-signal.SIGKILL)
        life.lease_seconds = LEASE
        if life.store().ended(NAME, PERIOD) is None:
            life.database.run("UPDATE leases SET lasts = 1")
            later(life).send_once()
        check_sent_once(life)
    record_property(RACES, rounds)
    record_property(CRASHES, crashes)
