"""
What is to be sent, from the freezing of its bytes to the end of its period.

A period is frozen once and for ever, unless what was frozen is discarded before any attempt. It ends ``sent`` with a
receipt, ``rejected`` with a final failure, or ``unknown`` if it was discarded after an attempt that may have arrived.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update

from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Profile
from rc_stats.consent import Consent
from rc_stats.errors import GateClosed, StoreError, UsageError
from rc_stats.gate import Payload, genuine
from rc_stats.people import Previous
from rc_stats.store import consents, leases
from rc_stats.store.chain import Entry, Transaction, entry_of, whole, zoned
from rc_stats.store.faults import fault
from rc_stats.store.leases import Lease
from rc_stats.store.schema import PERIODS, PREVIOUS

PENDING: Final = "pending"
_CODE: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pending:
    """
    A frozen payload whose period has not ended.

    Attributes:
        number: That of the entry "report"; tells it from another of the same period that was discarded.
        url: Where it was to go.
        evidence: What the document told, for the gate to ask again.
        attempts: How many requests were begun.
    """

    catalogue: str
    period: str
    number: int
    profile: Profile
    catalogue_digest: str
    sha256: str
    url: str
    body: bytes = field(repr=False)
    evidence: Evidence
    frozen_at: datetime
    attempts: int


def following(state: str, kind: str, details: Mapping[str, Any]) -> str:
    """Return the state of a period in *state* after an entry. What is known to have arrived stays so."""
    if kind == "receipt":
        return "sent"
    if state == PENDING and kind == "failure" and details["is_final"]:
        return "rejected"
    return "unknown" if kind == "discard" else state


def all_pending(tx: Transaction, catalogue: str) -> tuple[Pending, ...]:
    """Return what is pending, oldest first."""
    return tuple(_pending_of(tx, row) for row in _rows(tx, tx.own(PERIODS, catalogue=catalogue, state=PENDING)))


def state_of(tx: Transaction, catalogue: str, period: str) -> str | None:
    """Return the state of a period; None if it was never frozen, or discarded untried."""
    row = _row(tx, catalogue, period)
    return None if row is None else str(row["state"])


def body_of(tx: Transaction, catalogue: str, period: str) -> bytes | None:
    """Return the bytes that were frozen for a period, unless they were destroyed."""
    row = _row(tx, catalogue, period)
    return None if row is None else row["body"]


def previous_of(tx: Transaction, catalogue: str, profile: Profile) -> bytes | None:
    """Return the figures of people of the last report that may have left."""
    statement = select(PREVIOUS.c.body).where(tx.own(PREVIOUS, catalogue=catalogue, profile=profile))
    found: bytes | None = tx.connection.execute(statement).scalar()
    return found


def freeze(
    tx: Transaction, lease: Lease, payload: Payload, evidence: Evidence, previous: Previous | None, *, at: datetime
) -> Pending:
    """
    Keep the bytes of *payload*: what will be sent for its period, or nothing.

    Raises:
        GateClosed: It is no genuine payload, or the consent that is stored now is not a yes.
        LeaseLost: Another instance has taken over.
        StoreError: ``period-taken``.
    """
    payload, at = genuine(payload), zoned(at)
    if payload.is_hypothetical:
        raise GateClosed("This payload answers a question; it was not agreed to.", rule="hypothetical")
    leases.check(tx, lease)
    # The gate was asked before. Had an opt-out come in between, it would not have found these bytes to destroy.
    consents.check_grant(consents.latest(tx, lease.catalogue), at)
    if _row(tx, lease.catalogue, payload.period) is not None:
        raise StoreError(
            "This period was frozen before, and each is reported once.",
            rule="period-taken",
            remedy="Wait for the next period.",
        )
    decision, envelope = payload.decision, payload.envelope
    report = tx.append(
        "report",
        at=at,
        catalogue=lease.catalogue,
        period=payload.period,
        details={
            "catalogue_digest": decision.catalogue_digest,
            "envelope": {
                "headers": [list(header) for header in envelope.headers],
                "method": envelope.method,
                "url": envelope.url,
            },
            "evidence": {
                "has_apps": evidence.has_apps,
                "is_hosted": evidence.is_hosted,
                "made_at": None if evidence.made_at is None else evidence.made_at.isoformat(),
            },
            "profile": str(decision.profile),
            "sha256": payload.sha256,
            "size": len(payload.body),
        },
    )
    tx.connection.execute(
        insert(PERIODS).values(
            workspace=tx.workspace,
            catalogue=lease.catalogue,
            period=payload.period,
            number=report.number,
            state=PENDING,
            attempts=0,
            body=payload.body,
            previous=None if previous is None else previous.to_bytes(),
        )
    )
    return Pending(
        lease.catalogue,
        payload.period,
        report.number,
        decision.profile,
        decision.catalogue_digest,
        payload.sha256,
        envelope.url,
        payload.body,
        evidence,
        report.at,
        0,
    )


def begin_attempt(tx: Transaction, lease: Lease, pending: Pending, under: Consent | None, at: datetime) -> int:
    """
    Note that a request is about to begin, and return its number, from 1.

    Raises:
        LeaseLost: Another instance has taken over.
        StoreError: ``pending-gone`` if the period has ended, or was discarded; ``consent-changed`` if *under* is not
            what was said last.
    """
    if lease.catalogue != pending.catalogue:
        raise UsageError("The lease is for another catalogue.", rule="lease")
    leases.check(tx, lease)
    row = _same(tx, pending)
    if row is None or row["state"] != PENDING:
        raise _gone()
    # Had a narrower yes come in since the gate was asked, more would leave than is agreed to now.
    if under is not None and consents.latest(tx, lease.catalogue) != under:
        raise StoreError(
            "Somebody has decided anew meanwhile.", rule="consent-changed", remedy="The gate is to be asked again."
        )
    number = int(row["attempts"]) + 1
    tx.append(
        "attempt",
        at=at,
        catalogue=pending.catalogue,
        period=pending.period,
        details={"attempt": number, "sha256": pending.sha256},
    )
    # From now on the report may be known to the recipient, so that the next one must not be comparable with it.
    if row["previous"] is not None:
        key = {"catalogue": pending.catalogue, "profile": str(pending.profile)}
        tx.put(PREVIOUS, **key, period=pending.period, body=row["previous"])
    _change(tx, pending.catalogue, pending.period, attempts=number, previous=None)
    return number


def record_answer(
    tx: Transaction,
    pending: Pending,
    number: int,
    *,
    kind: str,
    details: Mapping[str, Any],
    private: Mapping[str, str] | None,
    at: datetime,
) -> Entry:
    """
    Note what came of attempt *number*: kind ``failure`` or ``receipt``.

    Raises:
        StoreError: ``pending-gone`` if there was no such attempt.
    """
    row = _same(tx, pending)
    if row is None or not 1 <= number <= row["attempts"]:
        raise _gone()
    state = following(row["state"], kind, details)
    if state != row["state"]:
        _change(tx, pending.catalogue, pending.period, state=state)
    return tx.append(
        kind,
        at=at,
        catalogue=pending.catalogue,
        period=pending.period,
        details={"attempt": number, **details},
        private=private,
    )


def discard(tx: Transaction, pending: Pending, reason: str, at: datetime) -> Entry | None:
    """Destroy the bytes of *pending*; None if it is not pending any more."""
    row = _same(tx, pending)
    return None if row is None or row["state"] != PENDING else _discard(tx, row, reason, at)


def discard_all(tx: Transaction, reason: str, at: datetime, *, catalogue: str | None, period: str | None) -> int:
    """Destroy the bytes of all that is pending, and return how many there were."""
    rows = _rows(tx, tx.own(PERIODS, state=PENDING, **only(catalogue, period)))
    for row in rows:
        _discard(tx, row, reason, at)
    return len(rows)


def _discard(tx: Transaction, row: RowMapping, reason: str, at: datetime) -> Entry:
    is_tried = bool(row["attempts"])
    if is_tried:
        _change(tx, row["catalogue"], row["period"], state="unknown", body=None, previous=None)
    else:
        tx.connection.execute(delete(PERIODS).where(tx.own(PERIODS, number=row["number"])))
    return tx.append(
        "discard",
        at=at,
        catalogue=row["catalogue"],
        period=row["period"],
        details={"is_tried": is_tried, "reason": code(reason), "report": row["number"]},
    )


def record_refusal(tx: Transaction, catalogue: str, period: str, codes: Sequence[str], at: datetime) -> Entry | None:
    """Note why nothing was frozen; None if the period's last refusal says the same."""
    row = tx.latest("refusal", catalogue=catalogue, period=period)
    details = {"codes": [code(reason) for reason in codes]}
    if row is not None and entry_of(row).details == details:
        return None
    return tx.append("refusal", at=at, catalogue=catalogue, period=period, details=details)


def code(text: str) -> str:
    """
    Return *text* if it is a code, which can't hold a value of a document.

    Raises:
        UsageError: ``code``.
    """
    if not _CODE.fullmatch(text):
        raise UsageError("A reason is a code in kebab case.", rule="code")
    return text


def only(catalogue: str | None, period: str | None) -> dict[str, object]:
    """Return the columns and values that narrow to a catalogue, a period, both or nothing."""
    values = {"catalogue": catalogue, "period": period}
    return {name: value for name, value in values.items() if value is not None}


def _pending_of(tx: Transaction, row: RowMapping) -> Pending:
    report = whole(tx.row(row["number"]))
    try:
        told = report.details["evidence"]
        found = Pending(
            row["catalogue"],
            row["period"],
            report.number,
            Profile(report.details["profile"]),
            report.details["catalogue_digest"],
            hashlib.sha256(row["body"]).hexdigest(),
            report.details["envelope"]["url"],
            row["body"],
            Evidence(
                told["is_hosted"],
                told["has_apps"],
                None if told["made_at"] is None else datetime.fromisoformat(told["made_at"]),
            ),
            report.at,
            int(row["attempts"]),
        )
        named = (report.kind, report.catalogue, report.period, report.details["sha256"])
        is_whole = named == ("report", found.catalogue, found.period, found.sha256)
    except (KeyError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        raise fault(
            "store-corrupt",
            f"What was frozen (entry {report.number}) is damaged.",
            "See what history verify says; opting out, or erasing the period, removes it.",
        )
    return found


def _rows(tx: Transaction, condition: ColumnElement[bool]) -> Sequence[RowMapping]:
    return tx.connection.execute(select(PERIODS).where(condition).order_by(PERIODS.c.number)).mappings().all()


def _row(tx: Transaction, catalogue: str, period: str) -> RowMapping | None:
    statement = select(PERIODS).where(tx.own(PERIODS, catalogue=catalogue, period=period))
    return tx.connection.execute(statement).mappings().first()


def _same(tx: Transaction, pending: Pending) -> RowMapping | None:
    row = _row(tx, pending.catalogue, pending.period)
    return row if row is not None and row["number"] == pending.number else None


def _change(tx: Transaction, catalogue: str, period: str, **values: object) -> None:
    tx.connection.execute(update(PERIODS).where(tx.own(PERIODS, catalogue=catalogue, period=period)).values(**values))


def _gone() -> StoreError:
    return StoreError(
        "What was to be sent is gone: it was discarded, or its period has ended.",
        rule="pending-gone",
        remedy="Nothing needs to be done.",
    )
