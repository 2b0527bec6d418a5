"""Whatever happens in whatever order: only with a yes, each period at most once, and the books hold together."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collector import Collector, Identity, reply, reset
from rc_stats.catalogue import Profile, catalogue_from_data
from rc_stats.consent import DEFAULT_SCOPE, Terms
from rc_stats.errors import GateClosed, UsageError
from rc_stats.gate import Switches
from rc_stats.outcome import Verdict
from rc_stats.policy import DataType, WorkspaceKind
from rc_stats.wire import packaged
from reporting import DAY, NAME, NOW, TERMS, Clock, Life, run
from stores import empty

_SMALLER = json.loads(packaged("catalogue.json"))
_SMALLER["metrics"] = [metric for metric in _SMALLER["metrics"] if metric["path"] != "totalMessages"]
SMALLER = replace(TERMS, catalogue=catalogue_from_data(_SMALLER))
"""The terms of a version before: one metric fewer."""

NEWER = replace(TERMS, policy=replace(TERMS.policy, effective=NOW.date()))
OFFERS: dict[str, Terms] = {
    "as it is": TERMS,
    "smaller": SMALLER,
    "newer policy": NEWER,
    "strict": replace(TERMS, profile=Profile.STRICT),
}
LEASE = 0.03
_EXAMPLES = 200 if os.environ.get("RCSTATS_TEST_CRASHES") else 8


class Reporting(RuleBasedStateMachine):
    """A workspace, its admin, its vendor, its host and its crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.collector = self.stack.enter_context(Collector(identity=Identity.PLAIN))
        self.life = Life(self.stack.enter_context(empty("sqlite")), self.collector, clock=Clock(), lease_seconds=LEASE)
        self.life.options = {"attempts": 2}
        self.is_agreed = False
        self.paused_until = NOW
        self.agreed_to: Terms | None = None
        self.latest = NOW
        self.scope = DEFAULT_SCOPE

    def teardown(self) -> None:
        """Look at everything once more, see that nothing was lost, and clean up."""
        try:
            self.each_period_at_most_once()
            self.all_is_well_again()
        finally:
            self.stack.close()

    def all_is_well_again(self) -> None:
        """Whatever went wrong before: with a yes and no trouble the next report arrives, once, and no other waits."""
        life = self.life
        self.collector.forget()
        self.upgrade("as it is")
        life.kind, life.switches = WorkspaceKind.REGISTERED, Switches()
        life.clock.now = max(self.latest, life.clock(), self.paused_until) + 32 * DAY
        self.grant()
        life.clock.move(DAY)
        outcome = life.reporter().send_once()
        assert outcome.verdict is Verdict.SENT, outcome.error
        assert sum(json.loads(one.body)["period"] == outcome.period for one in life.received) == 1
        assert life.store().pending(NAME) == ()
        assert life.store().verify() == ()
        assert life.reporter().send_once().verdict is Verdict.ALREADY_SENT

    @initialize(is_agreed=st.sampled_from([True, True, False]))
    def begin(self, is_agreed: bool) -> None:
        """Begin with or without a yes."""
        if is_agreed:
            self.grant()
            self.life.clock.move(2 * DAY)

    # The admin.

    @rule()
    def grant(self) -> None:
        """Say yes to what is offered now."""
        self.agree(DEFAULT_SCOPE)

    @rule()
    def grant_less(self) -> None:
        """Say yes to less than is offered."""
        self.agree(frozenset({DataType.USAGE}))

    def agree(self, scope: frozenset[DataType]) -> None:
        """Say yes to *scope*."""
        self.life.reporter().opt_in(scope)
        self.is_agreed, self.agreed_to, self.paused_until = True, self.life.terms, self.life.clock()
        self.scope = scope

    @rule()
    def withdraw(self) -> None:
        """Say no."""
        assert self.life.reporter().opt_out(seconds=20)
        self.is_agreed = False

    @rule(days=st.integers(1, 40))
    def pause(self, days: int) -> None:
        """Ask for a pause."""
        until = self.life.clock() + days * DAY
        try:
            self.life.reporter().opt_out(until=until, seconds=20)
        except UsageError:
            assert not self.is_agreed
        else:
            self.paused_until = until

    @rule(is_on=st.sampled_from([False, False, True]))
    def switch(self, is_on: bool) -> None:
        """Set or unset a kill switch."""
        self.life.switches = Switches(("RC_STATS_DISABLE",)) if is_on else Switches()

    @rule()
    def erase(self) -> None:
        """Have everything erased that was kept."""
        self.life.store().erase(at=self.life.clock())

    @rule()
    def prune(self) -> None:
        """Have old history removed."""
        self.life.store().prune(before=self.life.clock() - 30 * DAY, at=self.life.clock())

    # The host.

    @rule(hours=st.sampled_from([1, 5, 24, 24 * 9, 24 * 31]))
    def time_passes(self, hours: int) -> None:
        """Let time go on."""
        self.life.clock.move(timedelta(hours=hours))

    @rule(days=st.sampled_from([1, 35]))
    def clock_goes_back(self, days: int) -> None:
        """Set the clock back."""
        self.life.clock.move(-days * DAY)

    @rule(name=st.sampled_from(sorted(OFFERS)))
    def upgrade(self, name: str) -> None:
        """Install another version, with other terms."""
        self.life.terms = OFFERS[name]

    @rule(kind=st.sampled_from([WorkspaceKind.REGISTERED, WorkspaceKind.REGISTERED, WorkspaceKind.UNREGISTERED]))
    def register(self, kind: WorkspaceKind) -> None:
        """Register the workspace, or remove the registration."""
        self.life.kind = kind

    # The vendor.

    @rule(
        fault=st.sampled_from([reset(), reset(reads=False), reply(503), reply(429), reply(400)]),
        count=st.integers(1, 3),
    )
    def trouble(self, fault: Any, count: int) -> None:
        """Answer the next requests badly."""
        self.collector.then(*[fault] * count)

    # The reporter.

    def may_send(self) -> bool:
        """Say whether the admin's last word, and the circumstances, let anything leave."""
        life = self.life
        return (
            self.is_agreed
            and self.agreed_to is not None
            and self.agreed_to.policy == life.terms.policy
            and life.terms.profile.coarseness >= self.agreed_to.profile.coarseness
            and life.clock() >= self.paused_until
            and not life.switches.on
            and life.kind is WorkspaceKind.REGISTERED
        )

    @rule()
    def send(self) -> None:
        """Send, as the daily job does."""
        self.sent()

    def sent(self) -> Verdict:
        """Send, and return what came of it."""
        before, arrived = self.collector.count, len(self.life.received)
        outcome = self.life.reporter().send_once()
        self.check_scope(arrived)
        if not self.may_send():
            assert self.collector.count == before, "something was sent without a yes"
            assert outcome.verdict in (Verdict.CLOSED, Verdict.ALREADY_SENT, Verdict.ENDED)
        elif outcome.verdict is Verdict.SENT:
            assert self.life.store().ended(NAME, outcome.period) == "sent"
        return outcome.verdict

    @rule(days=st.sampled_from([1, 8, 31]))
    def a_day(self, days: int) -> None:
        """Let the next day come, or a later one, and the daily job."""
        self.life.clock.move(days * DAY)
        self.send()

    @rule(days=st.sampled_from([1, 31]), at=st.integers(1, 130))
    def a_bad_day(self, days: int, at: int) -> None:
        """Let the next day come, have the daily job die, and start it again."""
        self.life.clock.move(days * DAY)
        self.crash(at)
        self.send()

    @rule(scope=st.sampled_from([DEFAULT_SCOPE, frozenset({DataType.USAGE})]))
    def a_new_yes_and_a_month(self, scope: frozenset[DataType]) -> None:
        """Say yes to so much, and let the next month's job come: it arrives, unless there is a reason."""
        is_right = self.life.clock() >= self.latest
        self.agree(scope)
        self.life.clock.move(31 * DAY)
        is_due = is_right and self.may_send() and not self.collector.planned
        verdict = self.compared()
        assert not is_due or verdict in (Verdict.SENT, Verdict.ALREADY_SENT, Verdict.ENDED), verdict

    @rule(at=st.integers(1, 130))
    def crash(self, at: int) -> None:
        """Send, and die at some instant."""
        before, arrived = self.collector.count, len(self.life.received)
        run(lambda: self.life.reporter().send_once(), at=at)
        self.check_scope(arrived)
        assert self.may_send() or self.collector.count == before
        time.sleep(LEASE * 1.2)

    def check_scope(self, arrived: int) -> None:
        """Check that what has come since nothing but *arrived* was there is no more than is agreed to now."""
        for received in self.life.received[arrived:]:
            is_narrow = DataType.APP not in self.scope
            assert not (is_narrow and "apps" in json.loads(received.body)["statistics"]), "more than was agreed to"

    @rule(at=st.integers(1, 40))
    def crash_in_opt_out(self, at: int) -> None:
        """Say no, and have the machine die meanwhile: it is taken for no, and said again."""
        run(lambda: self.life.reporter().opt_out(seconds=20), at=at)
        self.withdraw()

    # What always holds.

    @invariant()
    def the_books_are_whole(self) -> None:
        """No entry is missing, changed or out of order."""
        self.latest = max(self.latest, self.life.clock())
        assert self.life.store().verify() == ()

    @invariant()
    def a_no_leaves_nothing_behind(self) -> None:
        """Without a yes nothing waits to be sent."""
        if not self.is_agreed:
            assert self.life.store().pending(NAME) == ()

    @invariant()
    def the_dry_run_agrees(self) -> None:
        """What a dry run shows is nothing where nothing may be sent, and no more than is agreed to."""
        try:
            prepared = self.life.reporter().prepare()
        except GateClosed:
            return
        assert prepared.payload is None or self.may_send()
        if prepared.payload is not None and DataType.APP not in self.scope:
            assert "apps" not in json.loads(prepared.payload.body)["statistics"]

    @rule()
    def send_what_the_dry_run_showed(self) -> None:
        """Send right after a dry run."""
        self.compared()

    def compared(self) -> Verdict:
        """Send right after a dry run: what arrives first are the bytes that it showed."""
        try:
            shown = self.life.reporter().prepare().payload
        except GateClosed:
            shown = None
        arrived = len(self.life.received)
        verdict = self.sent()
        if shown is None:
            assert len(self.life.received) == arrived
        elif len(self.life.received) > arrived:
            assert self.life.received[arrived].body == shown.body
        return verdict

    @precondition(lambda self: self.collector.count > 0)
    @invariant()
    def each_period_at_most_once(self) -> None:
        """No period was received under two keys, and none with other bytes than the books have."""
        keys: dict[str, set[str | None]] = {}
        store = self.life.store()
        for received in self.life.received:
            period = json.loads(received.body)["period"]
            keys.setdefault(period, set()).add(received.header("idempotency-key"))
            kept = store.payload(NAME, period)
            assert kept is None or kept == received.body
        assert all(len(found) == 1 for found in keys.values())
        for period in keys:
            assert store.ended(NAME, period) is not None or [p for p in store.pending(NAME) if p.period == period]


Reporting.TestCase.settings = settings(
    max_examples=_EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
test_reporting = Reporting.TestCase
