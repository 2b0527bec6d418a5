"""What was said about consent, and the field sets agreed to, each kept once by its digest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import RowMapping, select

from rc_stats.consent import Consent, ConsentState, from_data
from rc_stats.errors import GateClosed, StoreError, UnusableInput, UsageError
from rc_stats.store.chain import Entry, Transaction, as_text, digest_of, entry_of, from_text, whole
from rc_stats.store.faults import fault
from rc_stats.store.schema import ENTRIES, FIELD_SETS


def append(tx: Transaction, catalogue: str, consent: Consent) -> Entry:
    """
    Add *consent* to the history; who decided is its private part.

    Raises:
        UsageError: ``hypothetical``, or ``consent`` if nobody has decided anything, or it is for another catalogue.
    """
    data = consent.to_data()
    is_other = consent.state is ConsentState.GRANTED and consent.catalogue != catalogue
    if consent.state is ConsentState.UNDECIDED or consent.at is None or is_other:
        raise UsageError(
            "This is no decision about this catalogue.", rule="consent", remedy="Grant, decline or withdraw."
        )
    fields = as_text(data.pop("fields"))
    digest = digest_of(fields)
    tx.put(FIELD_SETS, digest=digest, body=fields)
    return tx.append(
        "consent",
        at=consent.at,
        catalogue=catalogue,
        details={**data, "fields": digest},
        private={"by": consent.by} if consent.by else None,
    )


def latest(tx: Transaction, catalogue: str) -> Consent:
    """Return what was said last; undecided if nothing was."""
    tx.check_end()
    row = tx.latest("consent", catalogue=catalogue)
    return Consent() if row is None else _consent_of(tx, row)


def last_grant(tx: Transaction, catalogue: str) -> Consent | None:
    """Return the last yes, whatever was said after it."""
    found = None
    for row in tx.rows(tx.own(ENTRIES, kind="consent", catalogue=catalogue)):
        if entry_of(row).details.get("state") == ConsentState.GRANTED:
            found = row
    return None if found is None else _consent_of(tx, found)


def last_words(tx: Transaction) -> dict[str, bool]:
    """Return each catalogue that the history names, and whether the last word on it is a yes; so is a damaged one."""
    statement = select(ENTRIES.c.catalogue).where(tx.own(ENTRIES), ENTRIES.c.catalogue != "").distinct()
    names = sorted(tx.connection.execute(statement).scalars())
    return {name: _may_be_yes(tx, name) for name in names}


def _may_be_yes(tx: Transaction, catalogue: str) -> bool:
    try:
        row = tx.latest("consent", catalogue=catalogue)
        return row is not None and whole(row).details.get("state") == ConsentState.GRANTED
    except StoreError:
        return True


def check_grant(consent: Consent, at: datetime) -> None:
    """
    Let pass what was agreed to, and is not paused *at* this moment.

    Raises:
        GateClosed: ``consent-…``, as the gate names it.
    """
    until = consent.restricted_until
    is_granted = consent.state is ConsentState.GRANTED
    if not is_granted or (until is not None and at < until):
        raise GateClosed(
            "The stored consent does not let anything leave.",
            rule="consent-restricted" if is_granted else f"consent-{consent.state}",
            remedy="Only an admin can change it.",
        )


def _consent_of(tx: Transaction, row: RowMapping) -> Consent:
    entry = whole(row)
    digest = entry.details.get("fields")
    statement = select(FIELD_SETS.c.body).where(tx.own(FIELD_SETS, digest=digest))
    body = tx.connection.execute(statement).scalar()
    found = None
    if isinstance(body, str) and digest_of(body) == digest:
        try:
            by = (entry.private or {}).get("by", "")
            found = from_data({**entry.details, "fields": from_text(body)}, by=by)
        except UnusableInput:
            found = None
    if found is None:
        raise fault(
            "store-corrupt",
            f"What was agreed to (entry {entry.number}) is damaged.",
            "See what history verify says; agreeing again or opting out replaces it.",
        )
    return found
