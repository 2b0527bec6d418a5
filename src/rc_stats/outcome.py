"""What a reporter answers: what came of sending, what would be sent, what a yes means, and where a workspace stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rc_stats.catalogue import Change
from rc_stats.consent import Consent, Terms
from rc_stats.errors import GateClosed, RcStatsError, TransportError
from rc_stats.gate import Decision, Payload, Workspace
from rc_stats.policy import DataType, Recipient
from rc_stats.previewing import Preview

if TYPE_CHECKING:
    from rc_stats.store import Entry, Pending


class Verdict(StrEnum):
    """How sending ended."""

    SENT = "sent"
    ALREADY_SENT = "already-sent"
    ENDED = "ended"
    CLOSED = "closed"
    CHANGED = "changed"
    HELD_ELSEWHERE = "held-elsewhere"
    FAILED = "failed"


_EXIT_CODES: Final = {
    Verdict.CLOSED: GateClosed.exit_code,
    Verdict.CHANGED: GateClosed.exit_code,
    Verdict.FAILED: TransportError.exit_code,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of a call to send.

    Attributes:
        verdict: ``ended`` means that the recipient refused the period's report, or that nobody knows whether it got it;
            ``changed``, that other bytes would have been sent than the caller had seen, so none were.
        period: What the report counts for; empty if another instance holds the lease.
        payload: What was sent, or tried.
        decision: The gate's answer, where it was asked.
        error: Why it failed; it will be tried again unless the error is final.
        earlier: Outcomes of reports of earlier periods that were delivered first, in the same call.
    """

    verdict: Verdict
    period: str = ""
    payload: Payload | None = None
    decision: Decision | None = None
    error: RcStatsError | None = None
    earlier: tuple[Outcome, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of the command line: 0 sent or nothing to do, 3 the gate is closed, 5 transport."""
        return _EXIT_CODES.get(self.verdict, 0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    What a call to send would post now.

    Attributes:
        payload: The very object that would be sent; None if nothing would.
        decision: The gate's answer.
        is_kept: The bytes were frozen before and have not been delivered yet.
        ended: How the period ended already: ``sent``, ``rejected`` or ``unknown``; None if it didn't.
        preview: The whole picture, unless the bytes were kept.
    """

    period: str
    payload: Payload | None
    decision: Decision
    is_kept: bool
    ended: str | None
    preview: Preview | None


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What an admin looks at before a yes.

    Attributes:
        preview: What a yes to *scope* would send.
        changes: Metrics added, removed or changed since what was agreed to last; empty if nothing ever was.
        was_agreed: Whether there was an agreement to compare with.
        is_new_policy: The policy is of another date than the one agreed to.
        is_finer: The profile is finer than the one agreed to.
        is_new_recipient: The recipient is another one.
    """

    preview: Preview
    scope: frozenset[DataType]
    changes: tuple[Change, ...]
    was_agreed: bool
    is_new_policy: bool
    is_finer: bool
    is_new_recipient: bool


@dataclass(frozen=True, slots=True)
class Status:
    """
    Where a workspace stands.

    Attributes:
        decision: The gate's answer about what is kept, else about the source's document, or about none if that can't be
            read.
        source_error: Why the source can't be read.
        kept: What was frozen before and would be sent first.
        period: What a report made now counts for.
        ended: How that period ended, if it did.
        pending: What was frozen and is not delivered.
        sent: The newest report that was delivered.
        latest: The newest entry of the ledger.
    """

    at: datetime
    terms: Terms
    workspace: Workspace
    recipient: Recipient
    consent: Consent
    decision: Decision
    source_error: RcStatsError | None
    kept: Payload | None
    period: str
    ended: str | None
    pending: tuple[Pending, ...]
    sent: Entry | None
    latest: Entry | None
