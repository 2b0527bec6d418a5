"""The reporter: what it sends, what it doesn't, what it tells, on SQLite and PostgreSQL, to a real HTTPS server."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collector import Collector, Identity, hang, hold, redirect, reply, reset
from rc_stats.catalogue import Profile
from rc_stats.errors import RcStatsError, StoreError, TransportError, UnusableInput, UsageError
from rc_stats.gate import Switches, Workspace
from rc_stats.outcome import Outcome, Verdict
from rc_stats.policy import DataType, WorkspaceKind
from rc_stats.previewing import KEPT_DAYS
from rc_stats.reporter import Reporter
from reporting import DAY, NAME, NOW, TERMS, Clock, Life
from sending import on_the_wire
from stores import KINDS, Database, empty

PERIOD = "2026-08"
HOUR = timedelta(hours=1)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Give a plain server, for what is not about TLS."""
    with Collector(identity=Identity.PLAIN) as server:
        yield server


@pytest.fixture
def life(collector: Collector) -> Iterator[Life]:
    """Give a workspace with its books in a file."""
    with empty("sqlite") as made:
        yield Life(made, collector, clock=Clock())


def test_what_is_shown_is_what_arrives(database: Database, tmp_path: Path) -> None:
    """Over TLS: preview, dry run and the request that arrives are the same bytes, headers included."""
    with Collector(tmp_path) as collector:
        life = Life(database, collector, clock=Clock())
        reporter = life.agreed()
        shown, prepared = reporter.preview().payload, reporter.prepare()
        outcome = reporter.send_once()
        assert shown is not None
        assert prepared.payload is not None
        assert outcome.payload is not None
        assert shown.body == prepared.payload.body == outcome.payload.body == life.store().payload(NAME, PERIOD)
        assert [received.raw for received in collector.received] == [on_the_wire(outcome.payload)]
        assert (outcome.verdict, outcome.period, outcome.exit_code) == (Verdict.SENT, PERIOD, 0)


def test_once_for_each_period(database: Database, collector: Collector) -> None:
    """Called daily for three months, it sends once in each, and a document of another day changes nothing."""
    life = Life(database, collector, clock=Clock())
    reporter = life.agreed()
    verdicts = []
    for _ in range(25):
        verdicts.append(reporter.send_once().verdict)
        life.clock.move(3 * DAY)
    assert [json.loads(received.body)["period"] for received in life.received] == ["2026-08", "2026-09", "2026-10"]
    assert verdicts.count(Verdict.SENT) == 3
    assert set(verdicts) == {Verdict.SENT, Verdict.ALREADY_SENT}
    assert life.store().verify() == ()


def test_exact_is_sent_daily(life: Life) -> None:
    """In the exact profile a period is a day."""
    life.terms = replace(TERMS, profile=Profile.EXACT)
    reporter = life.agreed()
    for _ in range(6):
        reporter.send_once()
        life.clock.move(DAY / 2)
    assert [json.loads(r.body)["period"] for r in life.received] == [
        "2026-08-17",
        "2026-08-18",
        "2026-08-19",
        "2026-08-20",
    ]


@pytest.mark.parametrize(
    ("moment", "period"),
    [
        ("2026-08-31T23:59:59+00:00", "2026-08"),
        ("2026-09-01T00:00:00+00:00", "2026-09"),
        ("2026-09-01T05:44:00+05:45", "2026-08"),
        ("2026-08-31T19:00:00-05:00", "2026-09"),
        ("2026-12-31T23:30:00+00:00", "2026-12"),
        ("2027-01-01T00:30:00+00:00", "2027-01"),
        ("2028-02-29T12:00:00+00:00", "2028-02"),
    ],
)
def test_periods_are_by_utc(life: Life, moment: str, period: str) -> None:
    """Ends of months and years, leap days and zones: the period is that of the moment in UTC."""
    life.clock.now = datetime.fromisoformat(moment)
    assert life.agreed().send_once().period == period
    (received,) = life.received
    assert json.loads(received.body)["period"] == period


# Nothing without a yes -----------------------------------------------------------------------------------------------


def grown(life: Life) -> None:
    """Let the catalogue of today have what the one agreed to had not."""
    consent = life.store().consent(NAME)
    fields = {p: {k: v for k, v in f.items() if k != "totalMessages"} for p, f in consent.fields.items()}
    life.store().record_consent(NAME, replace(consent, fields=fields))


CLOSED: dict[str, Any] = {
    "consent-undecided": None,
    "consent-withdrawn": lambda life: life.reporter().opt_out(),
    "consent-restricted": lambda life: life.reporter().opt_out(until=NOW + 9 * DAY),
    "workspace-unregistered": lambda life: setattr(life, "kind", WorkspaceKind.UNREGISTERED),
    "switch-do-not-track": lambda life: setattr(life, "switches", Switches(("DO_NOT_TRACK",))),
    "policy-changed": lambda life: setattr(
        life, "terms", replace(TERMS, policy=replace(TERMS.policy, effective=datetime(2027, 1, 1, tzinfo=UTC).date()))
    ),
    "profile-finer": lambda life: setattr(life, "terms", replace(TERMS, profile=Profile.EXACT)),
    "document-before-consent": lambda life: setattr(life, "made_ago", 30 * DAY),
}


@pytest.mark.parametrize("code", CLOSED)
def test_closed(database: Database, collector: Collector, code: str) -> None:
    """Whatever closes the gate, nothing is sent or frozen; the refusal is noted once with its codes."""
    life = Life(database, collector, clock=Clock())
    if CLOSED[code] is not None:
        life.agreed()
        CLOSED[code](life)
    reporter = life.reporter()
    for _ in range(3):
        outcome = reporter.send_once()
        assert (outcome.verdict, outcome.exit_code) == (Verdict.CLOSED, 3)
        assert outcome.decision is not None
        assert code in {reason.code for reason in outcome.decision.closing}
    assert collector.count == 0
    assert life.kinds().count("refusal") == 1
    assert "report" not in life.kinds()
    assert reporter.prepare().payload is None


def test_a_grown_catalogue_withholds_what_is_new(life: Life) -> None:
    """A metric that was not agreed to is not sent, and the rest is."""
    life.agreed()
    grown(life)
    assert life.reporter().send_once().verdict is Verdict.SENT
    (received,) = life.received
    assert "totalMessages" not in json.loads(received.body)["statistics"]
    assert "totalChannels" in json.loads(received.body)["statistics"]


def test_another_recipient_needs_another_yes(life: Life) -> None:
    """A consent that names one collector sends nothing to another."""
    life.agreed()
    with Collector(identity=Identity.PLAIN) as other:
        elsewhere = Life(life.database, other, clock=life.clock)
        assert elsewhere.reporter().send_once().verdict is Verdict.CLOSED
        assert other.count == 0


def test_other_books_are_others(life: Life) -> None:
    """A yes of one workspace is none of another one in the same database."""
    life.agreed()
    assert Life(life.database, life.collector, "another", clock=life.clock).reporter().send_once().exit_code == 3


# What goes wrong -----------------------------------------------------------------------------------------------------


def test_what_failed_is_tried_again(database: Database, collector: Collector) -> None:
    """What the server could not take goes out later, also with another document, as the bytes that were frozen."""
    life = Life(database, collector, clock=Clock())
    reporter = life.agreed()
    collector.then(reply(503), reset(), reply(502))
    failed = reporter.send_once()
    assert (failed.verdict, failed.exit_code) == (Verdict.FAILED, 5)
    assert isinstance(failed.error, TransportError)
    life.clock.move(DAY)
    prepared = reporter.prepare()
    assert prepared.is_kept
    assert prepared.payload is not None
    assert failed.payload is not None
    assert prepared.payload.body == failed.payload.body
    assert reporter.send_once().verdict is Verdict.SENT
    assert len(life.keys) == 1
    assert life.kinds().count("report") == 1


def test_last_months_report_goes_first(life: Life) -> None:
    """What could not be sent at the end of a month goes out in the next, and then that month's own report."""
    life.clock.now = datetime(2026, 8, 31, 20, tzinfo=UTC)
    reporter = life.agreed()
    life.collector.then(reset(), reset(), reset())
    assert reporter.send_once().verdict is Verdict.FAILED
    life.clock.move(DAY)
    assert reporter.send_once().period == "2026-09"
    whole = [json.loads(received.body)["period"] for received in life.received]
    assert whole[-2:] == ["2026-08", "2026-09"]
    assert len(life.keys) == 2


def test_what_is_too_old_is_not_sent(life: Life) -> None:
    """After a week what could not be delivered is given up: the period ends, and the new one is reported."""
    life.clock.now = datetime(2026, 8, 31, 20, tzinfo=UTC)
    reporter = life.agreed()
    life.collector.then(reset(), reset(), reset())
    reporter.send_once()
    life.clock.move((KEPT_DAYS + 1) * DAY)
    assert reporter.send_once().period == "2026-09"
    assert life.store().ended(NAME, "2026-08") == "unknown"
    assert json.loads(life.received[-1].body)["period"] == "2026-09"


@pytest.mark.parametrize("behaviour", [reply(400), reply(401), reply(404), redirect("https://example.org/")])
def test_a_final_refusal_ends_the_period(life: Life, behaviour: Any) -> None:
    """Where the recipient says no for good, the period is over."""
    reporter = life.agreed()
    life.collector.then(behaviour)
    assert reporter.send_once().verdict is Verdict.FAILED
    assert reporter.send_once().verdict is Verdict.ENDED
    assert life.collector.count == 1
    assert life.store().ended(NAME, PERIOD) == "rejected"


def test_the_receipt_is_kept_and_not_sent(life: Life) -> None:
    """A token of the answer is kept as a private part, and no later request has it."""
    life.collector.usual = reply(body=b'{"statsToken":"canary-token-4711"}')
    reporter = life.agreed()
    reporter.send_once()
    life.clock.move(31 * DAY)
    reporter.send_once()
    (first, _) = [entry for entry in life.store().history() if entry.kind == "receipt"]
    assert first.private == {"token": "canary-token-4711"}
    assert all(b"canary-token" not in received.raw for received in life.collector.received)


def test_no_other_bytes_than_those_looked_at(life: Life) -> None:
    """Told which bytes somebody has seen, it sends these and no others: neither of another day nor what was kept."""
    reporter = life.agreed()
    seen = reporter.prepare().payload
    assert seen is not None
    life.clock.move(DAY)
    outcome = reporter.send_once(expected=seen.sha256)
    assert (outcome.verdict, outcome.exit_code, life.received, life.kinds()) == (Verdict.CHANGED, 3, [], ["consent"])
    seen = reporter.prepare().payload
    assert seen is not None
    life.collector.then(reset(), reset(), reset())
    assert reporter.send_once(expected=seen.sha256).verdict is Verdict.FAILED
    before = life.collector.count
    assert reporter.send_once(expected="0" * 64).verdict is Verdict.CHANGED
    assert asyncio.run(reporter.send_once_async(expected="0" * 64)).verdict is Verdict.CHANGED
    assert life.collector.count == before
    assert reporter.send_once(expected=seen.sha256).verdict is Verdict.SENT


def test_a_source_that_fails(life: Life) -> None:
    """A document that can't be read raises, sends nothing and leaves the lease free."""
    reporter = life.agreed()
    good, reporter.source = reporter.source, lambda: b"{"
    with pytest.raises(UnusableInput):
        reporter.send_once()
    with pytest.raises(UnusableInput):
        reporter.preview()
    status = reporter.status()
    assert isinstance(status.source_error, UnusableInput)
    assert status.decision.evidence is None, "it is about no document, and clears none"
    reporter.source = "no/such/file"
    with pytest.raises(UnusableInput, match="unreadable"):
        reporter.send_once()
    reporter.source = good
    assert reporter.send_once().verdict is Verdict.SENT


def test_a_source_that_breaks(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a function raises is one error of ours, which holds none of its words; our own errors pass."""
    caplog.set_level(logging.DEBUG)
    reporter = life.agreed()
    good = reporter.source
    for raised in (ValueError("octopus-ltd"), KeyError("octopus-ltd"), RuntimeError("octopus-ltd")):

        def broken(error: Exception = raised) -> bytes:
            raise error

        reporter.source = broken
        with pytest.raises(UnusableInput, match=type(raised).__name__) as caught:
            reporter.send_once()
        assert caught.value.rule == "source-failed"
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert "octopus" not in str(caught.value)
    assert "octopus" not in caplog.text
    reporter.source = good
    assert reporter.send_once().verdict is Verdict.SENT


def test_a_file_is_a_source(life: Life, tmp_path: Path) -> None:
    """A path is read anew each time, and of several documents the newest counts."""
    path = tmp_path / "today.json"
    reporter = life.agreed()
    path.write_bytes(life.document())
    reporter.source = path
    assert reporter.send_once().verdict is Verdict.SENT


def test_a_clock_that_goes_back(life: Life) -> None:
    """Nothing is sent for a time that is over, nothing is lost, and it goes on when the clock is right again."""
    reporter = life.agreed()
    life.collector.then(reset(), reset(), reset())
    reporter.send_once()
    life.clock.move(-40 * DAY)
    assert reporter.send_once().verdict is Verdict.CLOSED
    assert len(life.store().pending(NAME)) == 1
    life.clock.move(40 * DAY)
    assert reporter.send_once().verdict is Verdict.SENT
    life.clock.move(-40 * DAY)
    assert reporter.send_once().verdict is Verdict.CLOSED
    assert len(life.keys) == 1


def test_a_clock_that_was_ahead(life: Life) -> None:
    """After one wrong reading every face says why nothing is sent, and a new yes ends it."""
    reporter = life.agreed()
    life.kind = WorkspaceKind.UNREGISTERED
    life.clock.move(1500 * DAY)
    life.reporter().send_once()
    life.clock.move(-1500 * DAY)
    outcome, prepared, status = reporter.send_once(), reporter.prepare(), reporter.status()
    assert outcome.decision is not None
    for decision in (outcome.decision, prepared.decision, status.decision, reporter.preview().decision):
        assert [reason.code for reason in decision.closing] == ["clock-went-back"]
    assert prepared.payload is None
    assert life.received == []
    reporter.opt_in()
    life.clock.move(2 * HOUR)
    assert reporter.send_once().verdict is Verdict.SENT


def test_a_slip_destroys_nothing(life: Life) -> None:
    """An instance that was not told that the workspace is registered sends nothing, and leaves what is kept alone."""
    reporter = life.agreed()
    life.collector.then(reset(), reset(), reset())
    assert reporter.send_once().verdict is Verdict.FAILED
    wrong = Life(**{**vars(life), "kind": WorkspaceKind.UNREGISTERED}).reporter()
    assert (wrong.send_once().verdict, wrong.prepare().payload) == (Verdict.CLOSED, None)
    assert len(life.store().pending(NAME)) == 1
    assert reporter.send_once().verdict is Verdict.SENT
    assert len(life.keys) == 1


def test_all_that_is_posted_is_told_before(life: Life) -> None:
    """What is told of a call to send is what it posts: last month's report and this one's, or what became of them."""
    reporter = life.agreed()
    life.clock.now = datetime(2026, 8, 30, 12, tzinfo=UTC)
    life.collector.then(reset(), reset(), reset())
    reporter.send_once()
    life.clock.move(3 * DAY)
    told = list(reporter.upcoming())
    assert [(prepared.period, prepared.is_kept) for prepared in told] == [("2026-08", True), ("2026-09", False)]
    assert reporter.prepare().payload is not None
    outcome = reporter.send_once()
    assert [received.body for received in life.received[-2:]] == [p.payload.body for p in told if p.payload is not None]
    assert [earlier.period for earlier in outcome.earlier] == ["2026-08"]


def test_what_is_given_up_is_told_before(life: Life) -> None:
    """After a week without success neither the dry run nor the call has anything to post."""
    life.clock.now = datetime(2026, 8, 10, 12, tzinfo=UTC)
    reporter = life.agreed()
    life.collector.then(reset(), reset(), reset())
    reporter.send_once()
    life.clock.move((KEPT_DAYS + 1) * DAY)
    (prepared,) = reporter.upcoming()
    assert (prepared.payload, prepared.ended) == (None, "unknown")
    assert reporter.status().kept is None
    count = life.collector.count
    assert reporter.send_once().verdict is Verdict.ENDED
    assert life.collector.count == count


def test_what_was_meant_for_another_is_not_sent(life: Life) -> None:
    """What was frozen for one recipient never goes to another, whatever is agreed to since."""
    reporter = life.agreed()
    life.collector.then(reset(), reset(), reset())
    reporter.send_once()
    with Collector(identity=Identity.PLAIN) as other:
        elsewhere = Life(**{**vars(life), "collector": other, "made_ago": -HOUR})
        elsewhere.reporter().opt_in()
        assert elsewhere.reporter().prepare().payload is None
        assert elsewhere.reporter().send_once().verdict is Verdict.ENDED
        assert other.count == 0
    assert life.store().ended(NAME, PERIOD) == "unknown"


@pytest.mark.parametrize("name", ["RC_STATS_DISABLE", "DO_NOT_TRACK", "RC_DISABLE_STATISTICS_REPORTING"])
def test_the_kill_switches_are_heard(life: Life, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names no switches has those of the environment, so that forgetting them opens nothing."""
    life.agreed()
    recipient = life.reporter().recipient
    registered = Workspace(WorkspaceKind.REGISTERED)
    reporter = Reporter(
        life.document, registered, life.store(), life.transport(), life.clock, terms=TERMS, recipient=recipient
    )
    monkeypatch.setenv(name, "1")
    assert reporter.send_once().verdict is Verdict.CLOSED
    monkeypatch.delenv(name)
    assert reporter.send_once().verdict is Verdict.SENT


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that opens and can't be read is Linux's own")
def test_a_source_that_can_not_be_read_on(life: Life) -> None:
    """An error of reading is one of ours, like one of opening."""
    reporter = life.agreed()
    reporter.source = "/proc/self/mem"
    with pytest.raises(UnusableInput) as caught:
        reporter.send_once()
    assert caught.value.rule == "unreadable"


def test_another_instance_is_at_it(life: Life) -> None:
    """While one instance holds the lease, another does nothing and says so."""
    reporter = life.agreed()
    store = life.store()
    lease = store.lease(NAME, seconds=60)
    assert lease is not None
    assert reporter.send_once() == Outcome(Verdict.HELD_ELSEWHERE)
    store.release(lease)
    assert reporter.send_once().verdict is Verdict.SENT


# Off works at once ---------------------------------------------------------------------------------------------------


def test_off_while_a_request_is_under_way(database: Database, collector: Collector) -> None:
    """An opt-out doesn't wait for ever: it is recorded, says that a request is under way, and nothing follows."""
    life = Life(database, collector, clock=Clock())
    reporter = life.agreed()
    release = threading.Event()
    collector.then(hold(release, b"HTTP/1.1 503 Reason\r\nContent-Length: 0\r\n\r\n"))
    outcomes: list[Outcome] = []
    sender = threading.Thread(target=lambda: outcomes.append(reporter.send_once()))
    sender.start()
    collector.wait_for(1)
    assert not life.reporter().opt_out(seconds=0.2)
    assert life.store().pending(NAME) == ()
    release.set()
    assert life.reporter().opt_out(seconds=20)
    sender.join()
    assert [outcome.verdict for outcome in outcomes] == [Verdict.CLOSED]
    assert collector.count == 1
    assert life.store().ended(NAME, PERIOD) == "unknown"
    assert life.store().verify() == ()


def test_a_narrower_yes_counts_at_once(database: Database, collector: Collector) -> None:
    """A yes to less that comes between the gate's answer and the request is a no to the rest."""
    life = Life(database, collector, clock=Clock())
    reporter = life.agreed()
    begin = reporter.store.begin_attempt

    def late(*arguments: Any, **named: Any) -> int:
        reporter.store.begin_attempt = begin  # type: ignore[method-assign]
        life.reporter().opt_in({DataType.USAGE}, by="another", seconds=0.05)  # It can't wait for itself.
        return begin(*arguments, **named)

    reporter.store.begin_attempt = late  # type: ignore[method-assign]
    assert reporter.send_once().verdict is Verdict.CLOSED
    assert life.received == []
    life.clock.move(2 * HOUR)
    assert reporter.send_once().verdict is Verdict.SENT
    (received,) = life.received
    assert "apps" not in json.loads(received.body)["statistics"]
    assert life.store().verify() == ()


def test_the_same_yes_again_holds_nothing_up(life: Life) -> None:
    """A yes to as much or more that comes in between lets the request go on, under the consent of now."""
    life.made_ago = -HOUR
    reporter = life.agreed()
    begin = reporter.store.begin_attempt

    def late(*arguments: Any, **named: Any) -> int:
        reporter.store.begin_attempt = begin  # type: ignore[method-assign]
        life.reporter().opt_in({*DataType} - {DataType.USER_CONTENT, DataType.TRACKING})
        return begin(*arguments, **named)

    reporter.store.begin_attempt = late  # type: ignore[method-assign]
    assert reporter.send_once().verdict is Verdict.SENT
    assert life.kinds() == ["consent", "report", "consent", "attempt", "receipt"]


def test_a_narrower_yes_waits(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    """A yes to less waits for a request that tells more, and says so if that takes too long; a wider one doesn't."""
    caplog.set_level(logging.WARNING, "rc_stats.reporter")
    reporter = life.agreed()
    release = threading.Event()
    life.collector.then(hold(release, b"HTTP/1.1 200 Reason\r\nContent-Length: 2\r\n\r\n{}"))
    sender = threading.Thread(target=reporter.send_once)
    sender.start()
    life.collector.wait_for(1)
    life.reporter().opt_in(seconds=0.05)
    assert caplog.messages == []
    life.reporter().opt_in({DataType.USAGE}, seconds=0.05)
    assert caplog.messages == ["a request that began under the last consent may still arrive"]
    release.set()
    life.reporter().opt_in({DataType.APP}, seconds=20)
    assert len(caplog.messages) == 1
    sender.join()


def test_off_while_waiting_to_try_again(life: Life) -> None:
    """An opt-out between two attempts is the end: there is no second one."""
    life.options = {"first_wait": 0.3, "longest_wait": 0.6}
    reporter = life.agreed()
    life.collector.usual = reply(503)
    outcomes: list[Outcome] = []
    sender = threading.Thread(target=lambda: outcomes.append(reporter.send_once()))
    sender.start()
    life.collector.wait_for(1)
    while "failure" not in life.kinds():
        pass
    assert life.reporter().opt_out(seconds=20)
    count = life.collector.count
    sender.join()
    assert [outcome.verdict for outcome in outcomes] == [Verdict.CLOSED]
    assert life.collector.count == count


def test_an_answer_that_comes_after_the_opt_out_is_noted(life: Life) -> None:
    """What had begun before the opt-out and arrived is in the books as sent, and its bytes are destroyed."""
    reporter = life.agreed()
    release = threading.Event()
    life.collector.then(hold(release, b"HTTP/1.1 200 Reason\r\nContent-Length: 2\r\n\r\n{}"))
    sender = threading.Thread(target=reporter.send_once)
    sender.start()
    life.collector.wait_for(1)
    life.reporter().opt_out(seconds=0.05)
    release.set()
    sender.join()
    assert life.store().ended(NAME, PERIOD) == "sent"
    assert life.store().payload(NAME, PERIOD) is None


def test_off_and_on_again(life: Life) -> None:
    """A new yes covers only documents that were made after it."""
    reporter = life.agreed()
    reporter.opt_out()
    reporter.opt_in()
    assert reporter.send_once().verdict is Verdict.CLOSED
    life.clock.move(2 * HOUR)
    assert reporter.send_once().verdict is Verdict.SENT


def test_a_pause_ends_by_itself(life: Life) -> None:
    """After a pause the same consent holds, for documents made after its end."""
    reporter = life.agreed()
    reporter.opt_out(until=NOW + 2 * DAY)
    life.clock.move(2 * DAY + HOUR / 2)
    assert reporter.send_once().verdict is Verdict.CLOSED
    life.clock.move(HOUR)
    assert reporter.send_once().verdict is Verdict.SENT


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET details = replace(details, 'usage', 'usage ') WHERE kind = 'consent'",
        "UPDATE field_sets SET body = '{}'",
        "UPDATE entries SET digest = 'other' WHERE kind = 'consent'",
    ],
)
def test_a_no_is_taken_whatever_was_there(database: Database, collector: Collector, damage: str) -> None:
    """Where the stored yes was edited nothing leaves; a no is recorded all the same, and a new yes replaces it."""
    life = Life(database, collector, clock=Clock())
    reporter = life.agreed()
    database.run(damage)
    for ask in (reporter.send_once, reporter.preview, reporter.status):
        with pytest.raises(StoreError, match="store-corrupt"):
            ask()
    with pytest.raises(StoreError, match="store-corrupt"):
        reporter.opt_out(until=life.clock() + DAY)
    offer = reporter.offer()
    assert not offer.was_agreed
    assert reporter.opt_out(by="admin")
    assert reporter.send_once().verdict is Verdict.CLOSED
    assert life.received == []
    assert life.store().verify() != ()
    reporter.opt_in(by="admin")
    life.clock.move(2 * HOUR)
    assert reporter.send_once().verdict is Verdict.SENT


def test_no_before_any_yes(life: Life) -> None:
    """Who opts out without having opted in has declined; a pause needs a yes."""
    reporter = life.reporter()
    with pytest.raises(UsageError):
        reporter.opt_out(until=NOW + DAY)
    assert reporter.opt_out(by="an admin")
    assert life.store().consent(NAME).state == "declined"


# What is looked at ---------------------------------------------------------------------------------------------------


def test_an_offer_to_newcomers(life: Life) -> None:
    """Before the first yes, the offer shows what it would send; there is nothing to compare with."""
    offer = life.reporter().offer({DataType.USAGE})
    assert offer.preview.after_a_yes is not None
    assert offer.preview.after_a_yes.is_hypothetical
    news = (offer.was_agreed, offer.changes, offer.is_finer, offer.is_new_policy, offer.is_new_recipient)
    assert not any(news)


def test_an_offer_names_what_changed(life: Life) -> None:
    """After a yes, the offer names each metric that was added, and another policy, profile or recipient."""
    life.agreed()
    assert life.reporter().offer().changes == ()
    grown(life)
    (change,) = life.reporter().offer().changes
    assert (change.path, change.what) == ("totalMessages", "added")
    CLOSED["policy-changed"](life)
    assert life.reporter().offer().is_new_policy
    life.terms = replace(TERMS, profile=Profile.EXACT)
    assert life.reporter().offer().is_finer
    with Collector(identity=Identity.PLAIN) as other:
        assert Life(life.database, other, clock=life.clock).reporter().offer().is_new_recipient


def test_with_five_parts_alone(life: Life) -> None:
    """Source, workspace, store, transport and clock are enough: the terms are the packaged ones, no switch is on."""
    reporter = Reporter(life.document, Workspace(WorkspaceKind.REGISTERED), life.store(), life.transport(), life.clock)
    assert (reporter.terms, reporter.recipient) == (TERMS, TERMS.policy.recipient)
    assert reporter.send_once().verdict is Verdict.CLOSED


def test_status(database: Database, collector: Collector) -> None:
    """The status tells the consent, the decision, what is pending, what was sent and how the period ended."""
    life = Life(database, collector, clock=Clock())
    reporter = life.reporter()
    status = reporter.status()
    assert (status.consent.state, status.ended, status.pending, status.sent) == ("undecided", None, (), None)
    assert {"consent-undecided"} == {reason.code for reason in status.decision.closing}
    reporter = life.agreed()
    assert reporter.status().decision.is_open
    collector.then(reset(), reset(), reset())
    reporter.send_once()
    assert len(reporter.status().pending) == 1
    reporter.send_once()
    status = reporter.status()
    assert (status.ended, status.pending, status.period) == ("sent", (), PERIOD)
    assert status.sent is not None
    assert status.sent.period == PERIOD
    assert status.recipient.url == collector.url


def test_figures_of_people_are_frozen_between_reports(life: Life) -> None:
    """The reporter keeps what was shown of people, so that a steady workspace's next report repeats it."""
    reporter = life.agreed()
    reporter.send_once()
    kept = life.store().previous(NAME, Profile.STANDARD)
    assert kept
    again = replace(life, clock=Clock(NOW + 31 * DAY)).reporter().preview()
    assert again.payload is not None
    first = json.loads(life.received[0].body)["statistics"]
    second = json.loads(again.payload.body)["statistics"]
    assert first["userLanguages"] == second["userLanguages"]
    life.store().erase(at=life.clock())
    withheld = reporter.preview().payload
    assert withheld is not None
    assert "userLanguages" not in json.loads(withheld.body)["statistics"]


# Beside others -------------------------------------------------------------------------------------------------------


def test_async_does_the_same(database: Database, collector: Collector) -> None:
    """The async form sends the same bytes once, and tells failures and refusals alike."""
    life = Life(database, collector, clock=Clock())
    reporter = life.reporter()
    assert asyncio.run(reporter.send_once_async()).verdict is Verdict.CLOSED
    reporter = life.agreed()
    collector.then(reset(), reply(500), reset())
    assert asyncio.run(reporter.send_once_async()).verdict is Verdict.FAILED
    assert asyncio.run(reporter.send_once_async()).verdict is Verdict.SENT
    assert asyncio.run(reporter.send_once_async()).verdict is Verdict.ALREADY_SENT
    assert len(life.keys) == 1
    assert life.store().verify() == ()


def test_cancelled_while_it_waits(life: Life) -> None:
    """A cancellation between two attempts ends it at once; the next call goes on with the same bytes."""
    life.options = {"first_wait": 30, "longest_wait": 60}
    reporter = life.agreed()
    life.collector.then(reply(503))

    async def cancel() -> None:
        task = asyncio.create_task(reporter.send_once_async())
        await asyncio.to_thread(life.collector.wait_for, 1)
        while "failure" not in life.kinds():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert len(life.store().pending(NAME)) == 1
    assert reporter.send_once().verdict is Verdict.SENT
    assert len(life.keys) == 1


def test_cancelled_while_the_source_is_read(life: Life) -> None:
    """Cancelled in a step that can't be stopped, it ends that step, gives the lease back, and is cancelled."""
    reporter = life.agreed()
    begun, release = threading.Event(), threading.Event()

    def slow() -> bytes:
        begun.set()
        release.wait(20)
        return life.document()

    reporter.source = slow

    async def scenario() -> None:
        task = asyncio.create_task(reporter.send_once_async())
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert life.received == []
    assert reporter.send_once().verdict is Verdict.SENT, "the lease was free"
    assert len(life.keys) == 1


def test_run_goes_on_after_a_wrong_clock(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading ten years ahead, set right the next minute, costs a day and not ten years."""
    monkeypatch.setattr("rc_stats.reporter.secrets.randbelow", lambda most: most and 0)
    reporter = life.agreed()
    days: list[Any] = []
    minutes = 0

    def source() -> bytes:
        days.append(life.clock().date())
        return b"["

    async def passing(seconds: float) -> None:
        nonlocal minutes
        minutes += 1
        life.clock.move(timedelta(seconds=max(seconds, 3600)))
        if minutes == 2:
            life.clock.move(3650 * DAY)
        if minutes == 30:
            life.clock.move(-3650 * DAY)
        await asyncio.tasks.__dict__["__sleep0"]()

    reporter.source = source

    async def scenario() -> None:
        monkeypatch.setattr("rc_stats.reporter.asyncio.sleep", passing)
        task = asyncio.create_task(reporter.run())
        while minutes < 200:
            await asyncio.to_thread(threading.Event().wait, 0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert len([day for day in days if day.year == NOW.year]) > 4


def test_run_ends_when_it_is_cancelled(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs for ever, once a day, through failures of the source, and ends when its task is cancelled."""
    monkeypatch.setattr("rc_stats.reporter.secrets.randbelow", lambda most: most and 0)
    reporter = life.agreed()
    good, calls = life.document, []

    def source() -> bytes:
        calls.append(life.clock().date())
        return b"[" if len(calls) == 1 else good()

    async def days(seconds: float) -> None:
        life.clock.move(timedelta(seconds=seconds))
        await asyncio.tasks.__dict__["__sleep0"]()

    reporter.source = source

    async def scenario() -> None:
        monkeypatch.setattr("rc_stats.reporter.asyncio.sleep", days)
        task = asyncio.create_task(reporter.run())
        while life.store().ended(NAME, "2026-09") is None:
            await asyncio.to_thread(life.collector.wait_for, 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert len(calls) == len(set(calls)), "at most one document a day"
    assert [json.loads(r.body)["period"] for r in life.received][:2] == ["2026-08", "2026-09"]


def test_logs_hold_codes_only(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    """No log record of any library holds a value, a label or a token; nor does an error or its context."""
    caplog.set_level(logging.DEBUG)
    life.marker = 471_108
    life.collector.usual = reply(body=b'{"statsToken":"canary-token-4711"}')
    reporter = life.agreed()
    life.collector.then(hang(reads=False), reply(503), reply(400))
    Life(**{**vars(life), "options": {"seconds": 0.2}}).reporter().send_once()
    life.clock.move(31 * DAY)
    reporter.send_once()
    reporter.opt_out(by="an admin")
    text = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "report for 2026-09: sent" in text
    for secret in ("471108", "canary", "an admin", str(life.database.path)):
        assert secret not in text


def test_a_store_that_is_gone(life: Life) -> None:
    """Without its books the reporter sends nothing and says why."""
    reporter = life.agreed()
    reporter.store.close()
    for call in (reporter.send_once, reporter.preview, reporter.status, reporter.prepare, reporter.opt_out):
        with pytest.raises(StoreError):
            call()
    assert life.collector.count == 0


def test_a_receipt_that_can_not_be_noted(life: Life) -> None:
    """If the books can't be written after the answer, that is an error; the next call sends the same bytes again."""
    reporter = life.agreed()
    release = threading.Event()
    life.collector.then(hold(release, b"HTTP/1.1 200 Reason\r\nContent-Length: 2\r\n\r\n{}"))
    errors: list[RcStatsError] = []

    def send() -> None:
        try:
            reporter.send_once()
        except RcStatsError as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    life.collector.wait_for(1)
    reporter.store.close()
    release.set()
    sender.join()
    assert [error.rule for error in errors] == ["store-closed"]
    life.database.run("UPDATE leases SET lasts = 1")
    assert life.reporter().send_once().verdict is Verdict.SENT
    assert (len(life.received), len(life.keys)) == (2, 1)
