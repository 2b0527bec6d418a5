"""Several instances on one store: the lease and its fence, the wire, and writers that race, pause and die."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from rc_stats.errors import LeaseLost, RcStatsError, StoreError, UsageError
from rc_stats.store import Lease, Store
from rc_stats.store import database as databases
from stores import (
    GRANT,
    KINDS,
    NAME,
    NOW,
    Database,
    agreed,
    directory,
    empty,
    frozen,
    leased,
    month,
    other,
    others,
)

OTHER = "other-app"
HOUR = 3600 * 1_000_000


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


def refused(call: Callable[[], object], rule: str, kind: type[RcStatsError] = StoreError) -> None:
    """Assert that *call* is refused by *rule*."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.rule == rule


# The lease


def test_one_holds_the_lease(database: Database) -> None:
    """While one instance holds the lease nobody else gets it, not even itself; other catalogues are not concerned."""
    with database.open() as one, database.open() as two, database.open("elsewhere") as stranger:
        lease = leased(one)
        assert [one.lease(NAME, seconds=60), two.lease(NAME, seconds=60)] == [None, None]
        assert two.lease(OTHER, seconds=60) is not None
        assert stranger.lease(NAME, seconds=60) is not None
        one.renew(lease)
        one.release(lease)
        taken = leased(two)
        assert (lease.fence + 1, True) == (taken.fence, taken.holder != lease.holder)


def every_use(store: Store, lease: Lease) -> list[Callable[[], object]]:
    """Return everything that needs the lease."""
    (pending,) = store.pending(NAME)
    return [
        partial(store.renew, lease),
        partial(frozen, store, lease, month(2)),
        partial(store.begin_attempt, lease, pending, at=NOW),
    ]


def test_a_lease_runs_out(database: Database) -> None:
    """A lease that has run out can be taken by another; then the first holder can do nothing, nor give it back."""
    with agreed(database) as one, database.open() as two:
        lease = leased(one)
        frozen(one, lease)
        database.run("UPDATE leases SET taken = taken - lasts")
        taken = leased(two)
        assert taken.fence > lease.fence
        for use in every_use(one, lease):
            refused(use, "lease-lost", LeaseLost)
        one.release(lease)
        assert one.lease(NAME, seconds=60) is None
        two.renew(taken)
        assert (two.begin_attempt(taken, two.pending(NAME)[0], at=NOW), ()) == (1, two.verify())


def test_a_short_lease_runs_out_by_itself(database: Database) -> None:
    """By the database's own clock a short lease is over after its time, and a renewed one is not."""
    with database.open() as one, database.open() as two:
        leased(one, seconds=0.001)
        time.sleep(0.01)
        lease = leased(two, seconds=60)
        database.run("UPDATE leases SET taken = taken - lasts + 200000")
        two.renew(lease)
        time.sleep(0.25)
        assert one.lease(NAME, seconds=60) is None


def test_a_lease_that_nobody_else_took_is_still_good(database: Database) -> None:
    """A holder that was slow but alone goes on: every use is checked in the transaction that it is part of."""
    with agreed(database) as store:
        lease = leased(store)
        frozen(store, lease)
        database.run("UPDATE leases SET taken = taken - lasts")
        for use in every_use(store, lease):
            use()


@pytest.mark.parametrize(("hours", "is_free"), [(1, True), (-1, True), (0, False)])
def test_a_clock_that_jumps_frees_the_lease(database: Database, hours: int, is_free: bool) -> None:
    """A lease from the future, since the clock went back, counts as over, and so does one that time has run past."""
    with database.open() as one, database.open() as two:
        lease = leased(one)
        database.run("UPDATE leases SET taken = taken + ?", hours * HOUR)
        taken = two.lease(NAME, seconds=60)
        assert is_free == (taken is not None)
        if is_free:
            refused(partial(one.renew, lease), "lease-lost", LeaseLost)
        else:
            one.renew(lease)


def test_a_renewed_lease_follows_the_clock(database: Database) -> None:
    """Renewed after the clock went back, a lease lasts from the time that it is now."""
    with database.open() as one, database.open() as two:
        lease = leased(one)
        database.run("UPDATE leases SET taken = taken + ?", HOUR)
        one.renew(lease)
        assert two.lease(NAME, seconds=60) is None


def test_a_lease_given_back_is_lost(database: Database) -> None:
    """After giving it back nothing can be done with a lease, though nobody has taken it."""
    with agreed(database) as store:
        lease = leased(store)
        frozen(store, lease)
        uses = every_use(store, lease)
        store.release(lease)
        store.release(lease)
        for use in uses:
            refused(use, "lease-lost", LeaseLost)
        assert leased(store).fence == lease.fence + 1


def test_a_made_up_lease_is_none(database: Database) -> None:
    """A lease with another fence, holder or catalogue than the given one is lost, or for something else."""
    with agreed(database) as store:
        lease = leased(store)
        pending = frozen(store, lease)
        for change in ({"fence": lease.fence + 1}, {"fence": 0}, {"holder": ""}, {"holder": "0" * 32}):
            for use in every_use(store, replace(lease, **change)):
                refused(use, "lease-lost", LeaseLost)
        refused(partial(store.renew, replace(lease, catalogue=OTHER)), "lease-lost", LeaseLost)
        theirs = store.lease(OTHER, seconds=60)
        assert theirs is not None
        refused(partial(store.begin_attempt, theirs, pending, at=NOW), "lease", UsageError)


def test_a_lease_lasts_a_while(database: Database) -> None:
    """A lease of no time, of less, of more than a day or of no number is refused."""
    with database.open() as store:
        for seconds in (0, -1, 24 * 3600 + 1, float("nan"), float("inf")):
            refused(partial(store.lease, NAME, seconds=seconds), "lease", UsageError)
        assert leased(store, 24 * 3600).fence == 1


# The wire


def test_many_hold_the_wire(database: Database) -> None:
    """Any number of threads and instances hold the wire at once, and write meanwhile; settling waits for all."""
    together = threading.Barrier(6, timeout=30)

    def hold(store: Store) -> None:
        with store.wire():
            together.wait()
            store.record_refusal(NAME, "2026-02", ["drift"], at=NOW)
            together.wait()

    with database.open() as one, database.open() as two, ThreadPoolExecutor(5) as pool:
        holders = [pool.submit(hold, store) for store in (one, two, one, two, one)]
        together.wait()
        assert not one.settle(seconds=0.05)
        together.wait()
        for holder in holders:
            holder.result()
        assert one.settle(seconds=0.05)
        assert two.settle(seconds=0)


def test_an_error_lets_the_wire_go(database: Database) -> None:
    """However the use of the wire ends, it is free afterwards."""
    with database.open() as store:
        for error in (ValueError, KeyboardInterrupt, GeneratorExit):
            with suppress(error), store.wire():
                assert not store.settle(seconds=0)
                raise error
            assert store.settle(seconds=0)


def test_settling_takes_any_time(database: Database) -> None:
    """Whatever time is given, settling a free wire succeeds; of a held one it fails at once for none or less."""
    with database.open() as store:
        for seconds in (0, -5, float("-inf"), float("nan"), 1e-9):
            assert store.settle(seconds=seconds)
            with store.wire():
                assert not store.settle(seconds=seconds)
        for seconds in (1e9, float("inf")):
            assert store.settle(seconds=seconds)


def hold_wire(line: Connection, url: Any, note: bool) -> None:
    """Hold the wire until told to let it go; note the answer first."""
    with Store.open(url) as store:
        with store.wire():
            line.send("held")
            line.recv()
            if note:
                store.record_refusal(NAME, "2026-02", ["drift"], at=NOW)
        line.send("free")
        line.recv()


def test_settling_waits_for_the_answer(database: Database) -> None:
    """Settling returns only when the holder in another process has noted its answer."""
    with database.open() as store, other(hold_wire, database.url, True) as [holder]:
        assert holder.hear() == "held"
        with ThreadPoolExecutor(1) as pool:
            settled = pool.submit(store.settle, seconds=30)
            wait_for(lambda: is_waited_for(database, store))
            assert not settled.done()
            holder.say()
            assert settled.result()
        assert [entry.kind for entry in store.history()] == ["refusal"]


def test_who_settles_goes_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody waits for a free wire, nobody new gets it: so waiting comes to an end."""
    with database.open() as store, other(hold_wire, database.url, False) as [holder]:
        assert holder.hear() == "held"
        with ThreadPoolExecutor(1) as pool:
            settled = pool.submit(store.settle, seconds=30)
            wait_for(lambda: is_waited_for(database, store))
            monkeypatch.setattr(databases, "BUSY_S", 0.05)
            refused(store.wire().__enter__, "store-locked")
            holder.say()
            assert settled.result()
        with store.wire():
            pass


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_waited_for(database: Database, store: Store) -> bool:
    """Say whether somebody waits for the wire."""
    if database.path is None:
        waiting = database.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(waiting[0][0])
    busy, databases.BUSY_S = databases.BUSY_S, 0  # type: ignore[misc]
    try:
        with store.wire():
            return False
    except StoreError:
        return True
    finally:
        databases.BUSY_S = busy  # type: ignore[misc]


def test_a_stopped_holder_is_told(database: Database) -> None:
    """A process that was stopped while it held the wire makes settling time out; killed, it holds it no longer."""
    with database.open() as store, other(hold_wire, database.url, False) as [holder]:
        assert holder.hear() == "held"
        pid = holder.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        assert not store.settle(seconds=0.2)
        os.kill(pid, signal.SIGKILL)
        assert store.settle(seconds=30)


def test_a_wire_is_of_a_workspace() -> None:
    """On a server each workspace has a wire of its own; in a file there is one for all."""
    for kind, is_settled in (("postgresql", True), ("sqlite", False)):
        with empty(kind) as database, database.open("one") as one, database.open("two") as two, one.wire():
            assert two.settle(seconds=0) == is_settled
            assert not one.settle(seconds=0)


def test_a_wire_that_is_cut_ends_quietly() -> None:
    """A server that drops the connection of the wire harms nothing: the answer was noted on another one."""
    with empty("postgresql") as database, database.open() as store, store.wire():
        database.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'rc-stats'")
        store.record_refusal(NAME, "2026-02", ["drift"], at=NOW)


def test_the_server_may_not_end_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends idle transactions doesn't end the wire's: a request may take longer than it thinks."""
    with empty("postgresql") as database, database.open() as store:
        monkeypatch.setattr(databases, "IDLE_S", 0.05)
        with store.wire():
            monkeypatch.undo()
            time.sleep(0.3)
            assert not store.settle(seconds=0)


# Processes that race, pause and die


def take_part(line: Connection, url: Any) -> None:
    """Try for the lease each time that it is told to."""
    with Store.open(url) as store:
        line.send("ready")
        while line.recv():
            lease = store.lease(NAME, seconds=60)
            line.send(None if lease is None else lease.fence)
            if lease is not None:
                line.recv()
                store.release(lease)
                line.send("released")


def test_one_of_many_gets_the_lease(database: Database) -> None:
    """Of four processes that ask at once, one gets the lease, each time, and the fence grows by one."""
    with others(take_part, *[(database.url,)] * 4) as racers:
        assert [racer.hear() for racer in racers] == ["ready"] * 4
        for turn in range(1, 6):
            for racer in racers:
                racer.say()
            heard = [racer.hear() for racer in racers]
            assert [None, None, None, turn] == sorted(heard, key=lambda fence: fence or 0)
            winner = racers[heard.index(turn)]
            winner.say()
            assert winner.hear() == "released"


def write(line: Connection, url: Any, writer: int, count: int) -> None:
    """Write entries of its own as fast as it goes."""
    with Store.open(url) as store:
        line.send("ready")
        line.recv()
        for number in range(count):
            store.record_refusal(f"writer-{writer}", f"{number}", ["drift"], at=NOW)
        line.send("done")


def test_writers_in_several_processes(database: Database) -> None:
    """Four processes that write at once lose nothing, and the chain has every entry of each in its order."""
    with others(write, *[(database.url, writer, 12) for writer in range(4)]) as writers:
        assert [writer.hear() for writer in writers] == ["ready"] * 4
        for writer in writers:
            writer.say()
        assert [writer.hear() for writer in writers] == ["done"] * 4
    with database.open() as store:
        assert (store.head()[0], store.verify()) == (48, ())
        for number in range(4):
            assert [f"{n}" for n in range(12)] == [
                entry.period for entry in store.history(catalogue=f"writer-{number}")
            ]


def test_a_check_while_others_write(database: Database) -> None:
    """A check, an export and a history that are read while another process writes are each of one moment, and whole."""
    with database.open() as store, other(write, database.url, 0, 40) as [writer]:
        assert writer.hear() == "ready"
        writer.say()
        while not writer.line.poll():
            assert store.verify() == ()
            numbers = [json.loads(line)["number"] for line in store.export()]
            assert numbers == list(range(1, len(numbers) + 1))
        assert writer.hear() == "done"


def test_writers_in_several_threads(database: Database) -> None:
    """One store used by many threads at once loses nothing."""
    with database.open() as store, ThreadPoolExecutor(6) as pool:
        periods = [f"{number}" for number in range(30)]
        list(pool.map(lambda period: store.record_refusal(NAME, period, ["drift"], at=NOW), periods))
        assert (set(periods), ()) == ({entry.period for entry in store.history()}, store.verify())


def fork(line: Connection, url: Any) -> None:
    """Use one store in a process and in its fork, at once."""
    with Store.open(url) as store:
        store.record_refusal(NAME, "before", ["drift"], at=NOW)
        child = os.fork()
        for number in range(5):
            store.record_refusal(NAME, f"{bool(child)}-{number}", ["drift"], at=NOW)
        if child == 0:
            os._exit(0)
        line.send(os.waitpid(child, 0)[1])


def test_a_store_survives_a_fork(database: Database) -> None:
    """A store that was opened before a fork can be used in both processes."""
    with other(fork, database.url) as [process]:
        assert process.hear() == 0
    with database.open() as store:
        assert (store.head()[0], store.verify()) == (11, ())


def open_at_once(line: Connection, url: Any) -> None:
    """Open a store and say how it went."""
    line.send("ready")
    line.recv()
    try:
        with Store.open(url) as store:
            store.record_refusal(NAME, f"{os.getpid()}", ["drift"], at=NOW)
            line.send("opened")
    except RcStatsError as error:
        line.send(error.rule)


def test_many_make_a_store_at_once(database: Database) -> None:
    """Four processes that open a store that isn't there yet make one, and all use it."""
    with others(open_at_once, *[(database.url,)] * 4) as openers:
        assert [opener.hear() for opener in openers] == ["ready"] * 4
        for opener in openers:
            opener.say()
        assert [opener.hear() for opener in openers] == ["opened"] * 4
    with database.open() as store:
        assert (store.head()[0], store.verify()) == (4, ())
    assert database.run("SELECT version FROM rc_stats") == [(1,)]


def test_many_switch_a_file_at_once() -> None:
    """Threads that switch a fresh file to write-ahead logging at the same moment all succeed."""
    with directory() as place, ThreadPoolExecutor(8) as pool:
        for number in range(120):
            at_once, path = threading.Barrier(8, timeout=30), place / f"{number}.sqlite3"

            def switch(at_once: threading.Barrier = at_once, path: Path = path) -> None:
                file = databases._sqlite(path)
                at_once.wait()
                databases._write_ahead(file)

            for done in [pool.submit(switch) for _ in range(8)]:
                done.result()


def send_slowly(line: Connection, url: Any) -> None:
    """Begin an attempt, and be stopped while the answer is on its way; then go on as if nothing had been."""
    with Store.open(url) as store:
        lease = leased(store, seconds=60)
        pending = frozen(store, lease)
        number = store.begin_attempt(lease, pending, at=NOW)
        line.send((lease, pending))
        line.recv()
        rules = []
        for use in (partial(store.renew, lease), partial(store.begin_attempt, lease, pending, at=NOW)):
            try:
                use()
            except LeaseLost as lost:
                rules.append(lost.rule)
        store.record_failure(pending, number, code="transport-timeout", status=None, is_final=False, at=NOW)
        store.release(lease)
        line.send(rules)


def test_a_pause_longer_than_the_lease(database: Database) -> None:
    """A holder that was stopped past its lease finds itself replaced: it does nothing more but tell its answer."""
    with agreed(database) as store, other(send_slowly, database.url) as [slow]:
        lease, pending = slow.hear()
        pid = slow.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        database.run("UPDATE leases SET taken = taken - lasts")
        taken = leased(store)
        assert [replace(pending, attempts=1)] == list(store.pending(NAME))
        number = store.begin_attempt(taken, pending, at=NOW)
        store.record_receipt(pending, number, status=200, token=None, at=NOW)
        os.kill(pid, signal.SIGCONT)
        slow.say()
        assert slow.hear() == ["lease-lost", "lease-lost"]
        assert (store.ended(NAME, "2026-02"), store.verify()) == ("sent", ())
        assert store.lease(NAME, seconds=60) is None
        assert lease.fence < taken.fence


def stop_in_the_middle(line: Connection, url: Any, idle_s: float) -> None:
    """Write an entry and hang before it is made durable."""
    databases.IDLE_S = idle_s  # type: ignore[misc]
    with Store.open(url) as store, store._writing() as tx:
        tx.append("refusal", at=NOW, catalogue=NAME, period="2026-02", details={"codes": []})
        line.send("writing")
        line.recv()


def test_a_writer_that_dies_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a stopped writer holds the store others are told that it is locked; killed, it leaves no trace."""
    with agreed(database) as store, other(stop_in_the_middle, database.url, 60) as [writer]:
        assert writer.hear() == "writing"
        assert store.consent(NAME) == GRANT  # readers are not held up
        monkeypatch.setattr(databases, "BUSY_S", 0.1)
        for call in (
            partial(store.record_consent, NAME, GRANT.withdraw(at=NOW)),
            partial(store.lease, NAME, seconds=60),
            partial(store.erase, at=NOW),
        ):
            refused(call, "store-locked")
        monkeypatch.undo()
        pid = writer.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        store.record_consent(NAME, GRANT.withdraw(at=NOW))
        assert ((store.head()[0], store.consent(NAME).state), store.verify()) == ((2, "withdrawn"), ())


def test_a_stopped_writer_is_cut_off_by_the_server() -> None:
    """On a server a writer that was stopped holds up the others for a while only."""
    with empty("postgresql") as database, agreed(database) as store:
        with other(stop_in_the_middle, database.url, 0.2) as [writer]:
            assert writer.hear() == "writing"
            store.record_consent(NAME, GRANT.withdraw(at=NOW))
        assert (store.head()[0], store.verify()) == (2, ())


def send_on(line: Connection, url: Any) -> None:
    """Freeze and begin attempts, one after the other, until one is refused."""
    with Store.open(url) as store:
        lease = leased(store)
        line.send("ready")
        try:
            for number in range(1, 500):
                pending = frozen(store, lease, month(number))
                store.begin_attempt(lease, pending, at=month(number))
                if number == 1:
                    line.send("begun")
        except RcStatsError as error:
            line.send(error.rule)


def test_nothing_begins_after_an_opt_out_has_returned(database: Database) -> None:
    """Against a process that begins as fast as it can: after the opt-out there is no attempt in the history."""
    with agreed(database) as store, other(send_on, database.url) as [sender]:
        assert (sender.hear(), sender.hear()) == ("ready", "begun")
        entry = store.record_consent(NAME, GRANT.withdraw(at=NOW))
        assert sender.hear() in ("consent-withdrawn", "pending-gone")
        after = [later.kind for later in store.history() if later.number > entry.number]
        assert set(after) <= {"discard"}
        assert (store.pending(NAME), store.verify()) == ((), ())
