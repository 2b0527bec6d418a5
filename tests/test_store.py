"""The store: what was agreed to, what is sent and what came of it, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Profile
from rc_stats.consent import Consent, ConsentState, what_if
from rc_stats.errors import GateClosed, LeaseLost, StoreError, UsageError
from rc_stats.gate import Payload, Switches, Workspace, clear, decide
from rc_stats.people import read_previous
from rc_stats.policy import DataType, WorkspaceKind
from rc_stats.store import Entry, Lease, Pending, Store
from rc_stats.store.chain import chained
from stores import (
    AGREED,
    GRANT,
    KINDS,
    LABEL,
    MINUTE,
    NAME,
    NOW,
    TERMS,
    TOKEN,
    Database,
    agreed,
    cleared,
    empty,
    filled,
    frozen,
    leased,
    month,
    reported,
    sent,
)

OTHER = "other-app"
ELSEWHERE = timezone(timedelta(hours=5, minutes=45))
PAUSED = GRANT.restrict(until=month(3), at=NOW, by=LABEL)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


def kinds(store: Store) -> list[str]:
    """Return the kinds of all entries, oldest first."""
    return [entry.kind for entry in store.history()]


def refused(call: Callable[[], object], rule: str, kind: type[Exception] = StoreError) -> None:
    """Assert that *call* is refused by *rule*."""
    with pytest.raises(kind) as caught:
        call()
    assert getattr(caught.value, "rule", None) == rule


# Consent


def test_nobody_has_decided_at_first(database: Database) -> None:
    """A new store knows of no consent, no entry, nothing pending and no period, and is whole."""
    with database.open() as store:
        assert Consent() == store.consent(NAME)
        assert [
            store.last_grant(NAME),
            store.ended(NAME, "2026-02"),
            store.previous(NAME, Profile.STANDARD),
            store.payload(NAME, "2026-02"),
        ] == [None] * 4
        assert (store.pending(NAME), list(store.history()), store.verify()) == ((), [], ())
        assert (store.head(), store.latest_at(NAME), list(store.export())) == ((0, ""), None, [])


SAID = {
    "granted": GRANT,
    "elsewhere": replace(GRANT, at=AGREED.astimezone(ELSEWHERE), by=""),
    "strict": Consent().grant(replace(TERMS, profile=Profile.STRICT), at=AGREED, scope=[DataType.USAGE]),
    "paused": PAUSED,
    "declined": Consent().decline(at=AGREED, by="Zoë \N{SNOWMAN}\x00\n"),
    "withdrawn": GRANT.withdraw(at=NOW, by=LABEL),
}


def test_a_consent_comes_back_as_it_was_said(database: Database) -> None:
    """Every consent comes back equal, with its field sets and who said it, from another instance as well."""
    for name, said in SAID.items():
        with database.open(name) as store, database.open(name) as another:
            entry = store.record_consent(NAME, said)
            assert said == store.consent(NAME) == another.consent(NAME)
            assert [entry] == list(another.history())
            assert entry.private == ({"by": said.by} if said.by else None)
            assert said.at == entry.at
            assert store.consent(OTHER) == Consent()


def test_the_latest_consent_counts(database: Database) -> None:
    """What was said last counts, even if its date is earlier; the last yes can be had as well, for each catalogue."""
    with database.open() as store:
        for said in (GRANT, Consent().decline(at=NOW), replace(GRANT, at=AGREED - MINUTE), PAUSED):
            store.record_consent(NAME, said)
            assert said == store.consent(NAME)
        store.record_consent(NAME, PAUSED.withdraw(at=AGREED))
        assert store.consent(NAME).state is ConsentState.WITHDRAWN
        assert store.last_grant(NAME) == PAUSED
        assert store.last_grant(OTHER) is None
        assert store.latest_at(NAME) == AGREED, "what was noted before the last decision doesn't count"
        assert store.latest_at(OTHER) == NOW


NO_ANSWERS = [
    (what_if(TERMS, at=AGREED), "hypothetical"),
    (Consent(), "consent"),
    (replace(GRANT, catalogue=OTHER), "consent"),
    (replace(Consent().decline(at=AGREED), at=None), "consent"),
    (replace(GRANT, at=AGREED.replace(tzinfo=None)), "time-zone"),
    (replace(GRANT, at=datetime.max.replace(tzinfo=UTC)), "clock"),
    (replace(GRANT, by="\ud800"), "text"),
]


def test_what_is_no_answer_is_not_recorded(database: Database) -> None:
    """A question, no decision, another catalogue's yes or one without a moment is refused and leaves no trace."""
    with database.open() as store:
        for said, rule in NO_ANSWERS:
            refused(partial(store.record_consent, NAME, said), rule, UsageError)
        assert store.head() == (0, "")
        assert database.run("SELECT * FROM field_sets") == []


def test_workspaces_know_nothing_of_each_other(database: Database) -> None:
    """Two workspaces in one database share neither consent nor history, periods or leases."""
    with agreed(database, "ours") as ours, database.open("theirs") as theirs:
        lease = leased(ours)
        sent(ours, lease)
        assert theirs.consent(NAME) == Consent()
        assert leased(theirs).fence == 1
        refused(lambda: theirs.renew(lease), "lease-lost", LeaseLost)
        theirs.erase(at=NOW)
        theirs.record_consent(NAME, Consent().decline(at=AGREED))
        assert (kinds(theirs), ours.ended(NAME, "2026-02")) == (["erasure", "consent"], "sent")
        assert ours.payload(NAME, "2026-02")
        assert (ours.verify(), theirs.verify()) == ((), ())


def test_a_name_is_printable(database: Database) -> None:
    """A workspace, catalogue or period whose name can't be printed in one line is refused."""
    with database.open() as store:
        for name in ("", "two\nlines", "x" * 201, "\x00", "\ud800"):
            refused(partial(database.open, name), "workspace", UsageError)
            refused(partial(store.lease, name, seconds=1), "catalogue", UsageError)
            refused(partial(store.record_refusal, NAME, name, ["drift"], at=NOW), "period", UsageError)
            refused(partial(store.record_consent, name, Consent().decline(at=NOW)), "catalogue", UsageError)
        assert store.head() == (0, "")


# From freezing to the end of a period


def test_the_way_of_a_report(database: Database) -> None:
    """Frozen, tried, failed, tried again, received: each step is an entry, and each can be read by another instance."""
    with agreed(database) as store, database.open() as another:
        lease, payload = leased(store), cleared()
        pending = frozen(store, lease)
        assert (payload.body, payload.sha256, payload.period) == (pending.body, pending.sha256, pending.period)
        assert (pending,) == another.pending(NAME)
        assert (pending.evidence, pending.frozen_at) == (reported().evidence, NOW)
        assert (TERMS.catalogue.digest, Profile.STANDARD) == (pending.catalogue_digest, pending.profile)
        assert store.begin_attempt(lease, pending, at=NOW + MINUTE) == 1
        store.record_failure(pending, 1, code="transport-timeout", status=None, is_final=False, at=NOW + 2 * MINUTE)
        assert [replace(pending, attempts=1)] == list(another.pending(NAME))
        assert store.begin_attempt(lease, pending, at=NOW + 3 * MINUTE) == 2
        entry = store.record_receipt(pending, 2, status=201, token=TOKEN, at=NOW + 4 * MINUTE)
        assert (entry.private, entry.details) == ({"token": TOKEN}, {"attempt": 2, "status": 201})
        assert kinds(another) == ["consent", "report", "attempt", "failure", "attempt", "receipt"]
        assert ("sent", (), payload.body) == (
            another.ended(NAME, "2026-02"),
            another.pending(NAME),
            another.payload(NAME, "2026-02"),
        )
        assert store.verify() == ()


def test_the_report_tells_what_was_shown(database: Database) -> None:
    """The entry of a report has digest, size and envelope, and nothing of the body."""
    with agreed(database) as store:
        frozen(store, leased(store))
        (entry,) = (entry for entry in store.history() if entry.kind == "report")
        payload = cleared()
        assert (payload.sha256, len(payload.body)) == (entry.details["sha256"], entry.details["size"])
        envelope = payload.envelope
        assert entry.details["envelope"] == {
            "headers": [list(header) for header in envelope.headers],
            "method": "POST",
            "url": envelope.url,
        }


@pytest.mark.parametrize(
    ("told", "zone"),
    [
        (Evidence(None, has_apps=False, made_at=None), UTC),
        (Evidence(is_hosted=False, has_apps=True, made_at=AGREED), UTC),
        (Evidence(is_hosted=True, has_apps=False, made_at=AGREED.astimezone(ELSEWHERE)), ELSEWHERE),
    ],
)
def test_evidence_comes_back(database: Database, told: Evidence, zone: Any) -> None:
    """What the document told comes back as it was, for the gate to ask again."""
    with agreed(database) as store:
        frozen_now = store.freeze(leased(store), cleared(), told, None, at=NOW.astimezone(zone))
        assert told == frozen_now.evidence
        assert (frozen_now,) == store.pending(NAME)


FATES: dict[str, Callable[[Store, Lease, Pending], object]] = {
    "pending": lambda *_: None,
    "tried": lambda store, lease, pending: store.begin_attempt(lease, pending, at=NOW),
    "sent": lambda store, lease, pending: store.record_receipt(
        pending, store.begin_attempt(lease, pending, at=NOW), status=200, token=None, at=NOW
    ),
    "rejected": lambda store, lease, pending: store.record_failure(
        pending,
        store.begin_attempt(lease, pending, at=NOW),
        code="transport-status",
        status=400,
        is_final=True,
        at=NOW,
    ),
    "unknown": lambda store, lease, pending: (
        store.begin_attempt(lease, pending, at=NOW),
        store.discard(pending, reason="consent-withdrawn", at=NOW),
    ),
    "erased": lambda store, lease, pending: (
        store.begin_attempt(lease, pending, at=NOW),
        store.erase(at=NOW),
    ),
    "pruned": lambda store, lease, pending: (
        FATES["sent"](store, lease, pending),
        store.prune(before=month(30), at=month(30)),
    ),
}


def test_a_period_is_frozen_once_for_ever(database: Database) -> None:
    """Whatever became of a period that was frozen and kept or tried, it is never frozen again, by any instance."""
    for fate, come_to in FATES.items():
        with agreed(database, fate) as store, database.open(fate) as another:
            lease = leased(store)
            come_to(store, lease, frozen(store, lease))
            for instance in (store, another):
                for channels in (471_108, 5):
                    refused(partial(frozen, instance, lease, channels=channels), "period-taken")
            assert [entry.kind for entry in store.history()].count("report") <= 1
            assert store.verify() == ()


def test_a_period_discarded_untried_can_be_reported(database: Database) -> None:
    """Discarded before any attempt, the bytes are gone and the period is free, for other bytes as well."""
    with agreed(database) as store:
        lease = leased(store)
        first = frozen(store, lease)
        entry = store.discard(first, reason="outdated", at=NOW)
        assert entry is not None
        assert {"is_tried": False, "reason": "outdated", "report": first.number} == entry.details
        assert (
            store.ended(NAME, "2026-02"),
            store.payload(NAME, "2026-02"),
            store.pending(NAME),
        ) == (None, None, ())
        second = frozen(store, lease, channels=5)
        assert (second,) == store.pending(NAME)
        # What was discarded is not the second one, even with the same bytes.
        refused(lambda: store.begin_attempt(lease, first, at=NOW), "pending-gone")
        assert store.discard(first, reason="outdated", at=NOW) is None
        assert (second,) == store.pending(NAME)
        assert store.verify() == ()


def test_a_period_discarded_after_an_attempt_is_unknown(database: Database) -> None:
    """Discarded after an attempt, the bytes are gone, and nobody knows whether they arrived."""
    with agreed(database) as store:
        lease = leased(store)
        pending = frozen(store, lease)
        store.begin_attempt(lease, pending, at=NOW)
        entry = store.discard(pending, reason="outdated", at=NOW)
        assert entry is not None
        assert entry.details["is_tried"]
        assert (
            store.ended(NAME, "2026-02"),
            store.payload(NAME, "2026-02"),
            store.pending(NAME),
        ) == ("unknown", None, ())
        assert store.discard(pending, reason="outdated", at=NOW) is None


def test_nothing_begins_once_a_period_has_ended(database: Database) -> None:
    """No attempt begins for what was sent, rejected or discarded."""
    for number, fate in enumerate(("sent", "rejected", "unknown"), start=1):
        with agreed(database, fate) as store:
            lease = leased(store)
            pending = frozen(store, lease, month(number))
            FATES[fate](store, lease, pending)
            before = store.head()
            refused(partial(store.begin_attempt, lease, pending, at=NOW), "pending-gone")
            assert before == store.head()


ANSWERS = {
    "lost receipt": "sent",
    "receipt lost": "sent",
    "final receipt": "sent",
    "receipt final": "sent",
    "discard receipt": "sent",
    "discard final": "unknown",
    "final discard": "rejected",
    "lost lost": None,
}


@pytest.mark.parametrize("answers", ANSWERS)
def test_an_answer_counts_however_late(database: Database, answers: str) -> None:
    """Two attempts can be answered in any order: what is known to have arrived has, whatever else was noted."""
    with agreed(database) as store:
        lease = leased(store)
        pending = frozen(store, lease)
        for number in (1, 2):
            assert number == store.begin_attempt(lease, pending, at=NOW)
        for number, answer in enumerate(answers.split(), start=1):
            if answer == "receipt":
                store.record_receipt(pending, number, status=200, token=None, at=NOW)
            elif answer == "discard":
                store.discard(pending, reason="outdated", at=NOW)
            else:
                store.record_failure(
                    pending, number, code="transport-status", status=400, is_final=answer == "final", at=NOW
                )
        assert store.ended(NAME, "2026-02") == ANSWERS[answers]
        assert store.verify() == ()


def test_an_answer_needs_an_attempt(database: Database) -> None:
    """An answer to an attempt that was never begun is refused and changes nothing."""
    with agreed(database) as store:
        lease = leased(store)
        pending = frozen(store, lease)
        store.begin_attempt(lease, pending, at=NOW)
        before = store.head()
        for n in (-1, 0, 2, 10**9):
            refused(partial(store.record_receipt, pending, n, status=200, token=None, at=NOW), "pending-gone")
            failed = partial(store.record_failure, pending, n, code="x", status=400, is_final=True, at=NOW)
            refused(failed, "pending-gone")
        assert (before, None) == (store.head(), store.ended(NAME, "2026-02"))


def test_previous_figures_count_from_the_first_attempt(database: Database) -> None:
    """What the next report must not be comparable with changes when a request is about to begin, and not before."""
    with agreed(database) as store:
        lease = leased(store)
        pending, kept = frozen(store, lease), reported().previous
        assert kept is not None
        assert store.previous(NAME, Profile.STANDARD) is None
        store.begin_attempt(lease, pending, at=NOW)
        assert kept.to_bytes() == store.previous(NAME, Profile.STANDARD)
        assert store.previous(NAME, Profile.STRICT) is None
        later = frozen(store, lease, month(2))
        store.begin_attempt(lease, pending, at=NOW)
        store.discard(later, reason="outdated", at=NOW)
        assert kept == read_previous(store.previous(NAME, Profile.STANDARD) or b"")
        later = frozen(store, lease, month(2))
        store.begin_attempt(lease, later, at=NOW)
        assert read_previous(store.previous(NAME, Profile.STANDARD) or b"").month == "2026-03"


def test_a_report_without_previous_figures_keeps_the_old(database: Database) -> None:
    """A report that has no figures for the next one leaves those that are there."""
    with agreed(database) as store:
        lease = leased(store)
        sent(store, lease)
        before = store.previous(NAME, Profile.STANDARD)
        pending = store.freeze(lease, cleared(month(2)), reported().evidence, None, at=month(2))
        store.begin_attempt(lease, pending, at=month(2))
        assert before == store.previous(NAME, Profile.STANDARD)


def test_pending_is_in_order(database: Database) -> None:
    """What is pending comes in the order of freezing, not of the periods."""
    with agreed(database) as store:
        lease = leased(store)
        for number in (5, 2, 3):
            frozen(store, lease, month(number))
        assert [pending.period for pending in store.pending(NAME)] == ["2026-06", "2026-03", "2026-04"]
        assert store.pending(OTHER) == ()


# What may not be frozen


def question() -> Payload:
    """Return a payload that answers a question."""
    report = reported()
    yes = what_if(TERMS, at=AGREED)
    workspace = Workspace(WorkspaceKind.REGISTERED)
    recipient = TERMS.policy.recipient
    return clear(report, decide(workspace, yes, recipient, Switches(), NOW, terms=TERMS, evidence=report.evidence))


@pytest.mark.parametrize(
    ("payload", "rule"), [(question(), "hypothetical"), (object(), "forged-payload"), (b"{}", "forged-payload")]
)
def test_only_a_real_payload_is_frozen(database: Database, payload: Any, rule: str) -> None:
    """What answers a question, or what the gate has not made, is not frozen."""
    with agreed(database) as store:
        lease, before = leased(store), store.head()
        refused(lambda: store.freeze(lease, payload, reported().evidence, None, at=NOW), rule, GateClosed)
        assert before == store.head()


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (None, "consent-undecided"),
        (Consent().decline(at=NOW), "consent-declined"),
        (GRANT.withdraw(at=NOW), "consent-withdrawn"),
        (PAUSED, "consent-restricted"),
    ],
)
def test_nothing_is_frozen_without_a_yes(database: Database, said: Consent | None, rule: str) -> None:
    """An opt-out between the gate's answer and the freezing is seen: nothing is kept that it could not destroy."""
    with database.open() as store:
        if said is not None:
            store.record_consent(NAME, GRANT)
            store.record_consent(NAME, said)
        lease, before = leased(store), store.head()
        refused(lambda: frozen(store, lease), rule, GateClosed)
        assert (before, ()) == (store.head(), store.pending(NAME))


def test_a_pause_ends(database: Database) -> None:
    """After its pause a consent is a yes again."""
    with agreed(database) as store:
        store.record_consent(NAME, PAUSED)
        lease = leased(store)
        refused(lambda: frozen(store, lease, month(3) - MINUTE), "consent-restricted", GateClosed)
        assert frozen(store, lease, month(3)).period == "2026-04"


def test_a_moment_has_a_zone_and_a_century(database: Database) -> None:
    """Nothing is recorded at a moment that no clock shows, or that is in no zone."""
    with agreed(database) as store:
        lease = leased(store)
        pending = frozen(store, lease)
        store.begin_attempt(lease, pending, at=NOW)
        before = store.head()
        for at, rule in ((NOW.replace(tzinfo=None), "time-zone"), (datetime.min.replace(tzinfo=UTC), "clock")):
            calls: list[Callable[[], object]] = [
                partial(store.freeze, lease, cleared(month(2)), pending.evidence, None, at=at),
                partial(store.begin_attempt, lease, pending, at=at),
                partial(store.record_failure, pending, 1, code="x", status=None, is_final=True, at=at),
                partial(store.record_receipt, pending, 1, status=200, token=None, at=at),
                partial(store.discard, pending, reason="x", at=at),
                partial(store.record_refusal, NAME, "2026-02", ["x"], at=at),
                partial(store.erase, at=at),
                partial(store.prune, before=NOW, at=at),
                partial(store.prune, before=at, at=NOW),
            ]
            for call in calls:
                refused(call, rule, UsageError)
        assert (before, (replace(pending, attempts=1),)) == (store.head(), store.pending(NAME))


def test_a_reason_is_a_code(database: Database) -> None:
    """A reason can't hold a sentence, so no value of a document gets into the history by it."""
    with agreed(database) as store:
        lease = leased(store)
        pending = frozen(store, lease)
        store.begin_attempt(lease, pending, at=NOW)
        before = store.head()
        for text in ("", "Not a code", "canary@example.org", "a_b", "a-", "x\n", "é"):
            failed = partial(store.record_failure, pending, 1, code=text, status=None, is_final=True, at=NOW)
            refused(partial(store.discard, pending, reason=text, at=NOW), "code", UsageError)
            refused(partial(store.record_refusal, NAME, "2026-02", ["x", text], at=NOW), "code", UsageError)
            refused(failed, "code", UsageError)
        assert (before, 1) == (store.head(), len(store.pending(NAME)))


def test_a_refusal_is_noted_once(database: Database) -> None:
    """The same refusal of a period is noted once, until it is another one."""
    with database.open() as store:
        noted = [
            store.record_refusal(NAME, period, codes, at=NOW)
            for period, codes in [
                ("2026-02", ["consent-undecided"]),
                ("2026-02", ["consent-undecided"]),
                ("2026-02", ["consent-undecided", "switch-do-not-track"]),
                ("2026-02", ["consent-undecided", "switch-do-not-track"]),
                ("2026-02", ["consent-undecided"]),
                ("2026-03", ["consent-undecided"]),
                ("2026-02", ["consent-undecided"]),
            ]
        ]
        assert [entry is not None for entry in noted] == [True, False, True, False, True, True, False]
        assert store.record_refusal(OTHER, "2026-02", ["consent-undecided"], at=NOW) is not None


# Opting out


@pytest.mark.parametrize("said", [Consent().decline(at=NOW), GRANT.withdraw(at=NOW), PAUSED])
def test_opting_out_destroys_what_is_pending(database: Database, said: Consent) -> None:
    """A no or a pause destroys all that is pending for its catalogue: tried becomes unknown, untried is gone."""
    with agreed(database) as store:
        store.record_consent(OTHER, replace(GRANT, catalogue=OTHER))
        lease = leased(store)
        other = store.lease(OTHER, seconds=60)
        assert other is not None
        tried = frozen(store, lease)
        store.begin_attempt(lease, tried, at=NOW)
        untried = frozen(store, lease, month(2))
        third = store.freeze(other, cleared(), reported().evidence, None, at=NOW)
        store.record_consent(NAME, said)
        assert ((), (third,)) == (store.pending(NAME), store.pending(OTHER))
        assert (store.ended(NAME, tried.period), store.ended(NAME, untried.period)) == ("unknown", None)
        assert (store.payload(NAME, tried.period), store.payload(NAME, untried.period)) == (None, None)
        assert kinds(store)[-3:] == ["consent", "discard", "discard"]
        for pending in (tried, untried):
            refused(partial(store.begin_attempt, lease, pending, at=NOW), "pending-gone")
        assert store.verify() == ()


def test_agreeing_again_destroys_nothing(database: Database) -> None:
    """A plain yes leaves alone what is pending."""
    with agreed(database) as store:
        pending = frozen(store, leased(store))
        store.record_consent(NAME, replace(GRANT, at=NOW))
        assert (pending,) == store.pending(NAME)


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER stop BEFORE INSERT ON entries WHEN new.kind = '{kind}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER stop BEFORE INSERT ON entries FOR EACH ROW WHEN (new.kind = '{kind}') EXECUTE FUNCTION stop()",
    ],
}
STEPS: dict[str, Callable[[Store, Lease, Pending], object]] = {
    "discard": lambda store, *_: store.record_consent(NAME, GRANT.withdraw(at=NOW)),
    "report": lambda store, lease, _: frozen(store, lease, month(2)),
    "attempt": lambda store, lease, pending: store.begin_attempt(lease, pending, at=NOW),
    "receipt": lambda store, _, pending: store.record_receipt(pending, 1, status=200, token=TOKEN, at=NOW),
    "failure": lambda store, _, pending: store.record_failure(pending, 1, code="x", status=400, is_final=True, at=NOW),
    "erasure": lambda store, *_: store.erase(at=NOW),
    "prune": lambda store, *_: store.prune(before=month(2), at=month(2)),
}


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_happens_whole_or_not(database: Database, kind: str) -> None:
    """If the database refuses one row of a step, nothing of it has happened: opting out and destroying are one."""
    with agreed(database) as store:
        lease = leased(store)
        store.record_refusal(NAME, "2026-01", ["drift"], at=AGREED)
        pending = frozen(store, lease)
        store.begin_attempt(lease, pending, at=NOW)
        for statement in TRIGGERS[database.kind]:
            database.run(statement.format(kind=kind))
        before = list(store.export()), store.pending(NAME), store.head()
        refused(lambda: STEPS[kind](store, lease, pending), "store-failed")
        assert before == (list(store.export()), store.pending(NAME), store.head())
        assert (store.consent(NAME), store.verify()) == (GRANT, ())


# History and rights


def test_history_is_what_was_returned(database: Database) -> None:
    """Each call returns the entry that the history then holds, numbered without gaps, at its moment in UTC."""
    with database.open() as store:
        lease = leased(store)
        returned: list[Entry | None] = [store.record_consent(NAME, GRANT)]
        returned.append(store.record_refusal(NAME, "2026-02", ["drift"], at=NOW.astimezone(ELSEWHERE)))
        pending = frozen(store, lease)
        number = store.begin_attempt(lease, pending, at=NOW)
        returned.append(store.record_failure(pending, number, code="x", status=None, is_final=False, at=NOW))
        returned.append(store.discard(pending, reason="outdated", at=NOW))
        returned.append(store.erase(at=NOW).entry)
        history = list(store.history())
        assert list(range(1, 8)) == [entry.number for entry in history]
        assert returned[1:] == [history[n] for n in (1, 4, 5, 6)]
        assert returned[0] == replace(history[0], private={"by": LABEL})
        assert {UTC} == {entry.at.tzinfo for entry in history}
        assert (7, history[-1].digest) == store.head()
        with pytest.raises(FrozenInstanceError):
            history[0].number = 5  # type: ignore[misc]
        details: Any = history[0].details
        with pytest.raises(TypeError):
            details["state"] = "declined"


def test_history_can_be_narrowed(database: Database) -> None:
    """The history of one catalogue, one period or both has these entries and no others, in the same order."""
    with filled(database) as store:
        store.record_refusal(OTHER, "2026-02", ["drift"], at=NOW)
        history = list(store.history())
        for catalogue in (None, NAME, OTHER, "nobody"):
            for period in (None, "2026-02", "2026-06", "1999-01"):
                expected = [
                    entry
                    for entry in history
                    if catalogue in (None, entry.catalogue) and period in (None, entry.period)
                ]
                assert expected == list(store.history(catalogue=catalogue, period=period))


def test_a_long_history_is_given_whole(database: Database) -> None:
    """A history of more entries than are read at once is given and verified whole, each entry once."""
    with database.open() as store:
        store.record_consent(NAME, Consent().decline(at=AGREED))
        rows = database.run("SELECT * FROM entries")
        assert len(rows) == 1
    with database.raw() as run, database.open("long") as store:
        _stretch(run, 1234)
        assert list(range(1, 1235)) == [entry.number for entry in store.history()]
        assert store.verify() == ()
        assert len(list(store.export())) == 1234


def _stretch(run: Callable[..., Any], count: int) -> None:
    """Write a valid history of *count* refusals past the store."""
    before = ""
    columns = ("workspace", "number", "at", "kind", "catalogue", "period", "details", "private_digest", "before")
    run("BEGIN")
    for number in range(1, count + 1):
        row: dict[str, Any] = dict(
            zip(
                columns,
                ("long", number, AGREED.isoformat(), "refusal", NAME, "2026-02", '{"codes":[]}', "", before),
                strict=True,
            )
        )
        before = chained(row)
        names, marks = ", ".join([*columns, "digest"]), ", ".join("?" * 10)
        run(f"INSERT INTO entries ({names}) VALUES ({marks})", *row.values(), before)  # noqa: S608
    run("INSERT INTO heads (workspace, number, digest) VALUES (?, ?, ?)", "long", count, before)
    run("COMMIT")


def test_a_closed_store_refuses(database: Database) -> None:
    """After closing, nothing is read or written."""
    store = agreed(database)
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.consent(NAME),
        lambda: store.record_consent(NAME, GRANT),
        lambda: list(store.history()),
        lambda: store.wire().__enter__(),
        lambda: store.settle(seconds=0),
        lambda: store.erase(at=NOW),
    ]
    for call in calls:
        refused(call, "store-closed")


def test_looking_makes_no_store(database: Database, tmp_path: Path) -> None:
    """Opened only to look, what isn't there is missing and stays away: no file, no schema."""
    for url in (database.url, tmp_path / "none" / "store.sqlite3"):
        with pytest.raises(StoreError, match="store-missing"):
            Store.open(url, create=False)
    assert not (tmp_path / "none").exists()
    if database.path is not None:
        assert not database.path.exists()
    else:
        assert database.run("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'rc_stats'") == []
    Store.open(database.url).close()
    assert Store.open(database.url, create=False).consent(NAME) == Consent()


def test_an_export_is_json_lines(database: Database) -> None:
    """An export is one JSON object on each line, and has every entry, label, token, payload, field set and figure."""
    with filled(database) as store:
        lines = list(store.export())
        parsed = [json.loads(line) for line in lines]
        assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
        entries = [line for line in parsed if line["record"] == "entry"]
        assert [(e.number, e.kind, e.digest) for e in store.history()] == [
            (line["number"], line["kind"], line["digest"]) for line in entries
        ]
        private = [line["private"] for line in entries if line["private"]]
        assert {LABEL, TOKEN} == {value for part in private for name, value in part.items() if name != "salt"}
        bodies = {line["period"]: line["payload"] for line in entries if line.get("payload")}
        assert {"2026-02", "2026-03", "2026-07", "2026-08"} == set(bodies)
        assert cleared().body.decode() == bodies["2026-02"]
        fields = {line["digest"]: line["fields"] for line in parsed if line["record"] == "field-set"}
        named = {line["details"]["fields"] for line in entries if line["kind"] == "consent"}
        assert named == set(fields)
        (figures,) = [line["figures"] for line in parsed if line["record"] == "previous"]
        assert figures == (store.previous(NAME, Profile.STANDARD) or b"").decode()
