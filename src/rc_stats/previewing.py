"""The preview: what would be sent of a document, what not, and why. It looks at everything and sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from rc_stats.anonymise import Anonymiser, Evidence, Report
from rc_stats.catalogue import Profile
from rc_stats.consent import DEFAULT_SCOPE, SCOPES, Consent, Terms, what_if
from rc_stats.errors import GateClosed, UsageError
from rc_stats.gate import Decision, Payload, Switches, Workspace, clear, decide, period_of, resume
from rc_stats.people import Previous
from rc_stats.policy import DataType, Recipient, WorkspaceKind
from rc_stats.sources import Document


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What would be sent, what not, and why.

    Attributes:
        terms: Policy, catalogue and profile that were applied.
        payload: What would be sent; None when the answer is no.
        after_a_yes: When the answer is no: what a registered workspace's yes would send, marked as hypothetical.
    """

    terms: Terms
    report: Report
    decision: Decision
    payload: Payload | None
    after_a_yes: Payload | None

    @property
    def shown(self) -> Payload | None:
        """The payload that a person is shown: the real one, or what a yes would send."""
        return self.payload or self.after_a_yes


def preview(
    document: Document | bytes | Mapping[str, Any],
    workspace: Workspace,
    consent: Consent,
    *,
    terms: Terms,
    now: datetime,
    switches: Switches | None = None,
    recipient: Recipient | None = None,
    scope: frozenset[DataType] | None = None,
    anonymiser: Anonymiser | None = None,
    previous: Previous | None = None,
    latest: datetime | None = None,
    show_keys: bool = False,
) -> Preview:
    """
    Return the preview of *document*.

    Args:
        document: As a source gives it, or the JSON of one document, or what a parser made of it.
        workspace: What the caller says of the workspace.
        consent: The stored consent; ``Consent()`` is undecided.
        terms: Policy, catalogue and profile to apply.
        now: The caller's clock, with a time zone; it gives the period.
        switches: The kill switches; none by default, since a library reads no environment.
        recipient: The policy's by default.
        scope: What the hypothetical yes covers; the consent's scope by default, or usage and app.
        anonymiser: A compiled one, to save the milliseconds of compiling.
        previous: Figures of people of the last report; None means that this would be the first ever.
        latest: The latest moment that the caller's own records tell, if there are any.
        show_keys: Spell unknown keys in the findings as they are. They are data.

    Raises:
        UnusableInput: The document can't be read.
    """
    anonymiser = anonymiser or Anonymiser(terms.catalogue, terms.profile)
    body = document.body if isinstance(document, Document) else document
    report = anonymiser(body, month=month_of(now), previous=previous, show_keys=show_keys)
    recipient = recipient or terms.policy.recipient
    decision = decide(
        workspace,
        consent,
        recipient,
        switches or Switches(),
        now,
        terms=terms,
        evidence=report.evidence,
        latest=latest,
    )
    payload = clear(report, decision) if decision.is_open else None
    if payload is not None:
        return Preview(terms, report, decision, payload, after_a_yes=None)
    wanted = scope or (consent.scope & set(SCOPES)) or DEFAULT_SCOPE
    now = decision.now
    yes = what_if(terms, at=now, scope=wanted, recipient=recipient)
    allowing = decide(
        _registered(workspace, report), yes, recipient, Switches(), now, terms=terms, evidence=report.evidence
    )
    return Preview(terms, report, decision, payload, after_a_yes=clear(report, allowing) if allowing.is_open else None)


KEPT_DAYS: Final = 7
"""How long bytes that could not be delivered are tried again; after that the period ends without a report."""

_CLOCK: Final = frozenset(
    {"clock-implausible", "clock-without-zone", "clock-went-back", "consent-in-future", "document-in-future"}
)
_HOLDING: Final = _CLOCK | {"workspace-unregistered"}
"""Reasons that say nothing of what the admin wants, and may be a slip: they hold back and destroy nothing."""


class Kept(Protocol):
    """Bytes that were frozen before and not delivered, as the store keeps them."""

    @property
    def body(self) -> bytes:
        """The bytes."""

    @property
    def period(self) -> str:
        """What they count for."""

    @property
    def url(self) -> str:
        """Where they were to go."""

    @property
    def frozen_at(self) -> datetime:
        """When they were frozen."""

    @property
    def evidence(self) -> Evidence:
        """What their document told of itself."""


@dataclass(frozen=True, slots=True)
class Judged:
    """
    What becomes of something that is kept: it is sent, it is held and stays, or else it is destroyed.

    Attributes:
        payload: What is sent.
        is_held: Only the clock or the kind of the workspace speaks against it.
    """

    decision: Decision
    payload: Payload | None
    is_held: bool


def judged(kept: Kept, decision: Decision, anonymiser: Anonymiser) -> Judged:
    """
    Return what becomes of *kept*.

    Args:
        decision: Of now, about the evidence that is kept with it.
        anonymiser: Of the terms of now.
    """
    codes = {reason.code for reason in decision.closing}
    is_fresh = decision.now - kept.frozen_at <= timedelta(days=KEPT_DAYS)
    if codes and codes <= _HOLDING and (is_fresh or codes & _CLOCK):
        return Judged(decision, None, is_held=True)
    payload = None
    if is_fresh and kept.url == decision.recipient.url:
        with suppress(GateClosed):
            payload = resume(kept.body, kept.period, anonymiser, decision)
    return Judged(decision, payload, is_held=False)


def first_kept(kept: Iterable[Kept], judge: Callable[[Evidence], Decision], anonymiser: Anonymiser) -> Payload | None:
    """
    Return the payload of the first of what is *kept* that would be sent before anything new; None if none would.

    Args:
        kept: In the order of sending.
        judge: Returns the gate's answer of now about a document.
        anonymiser: Of the terms of now.
    """
    for one in kept:
        found = judged(one, judge(one.evidence), anonymiser)
        if found.is_held or found.payload is not None:
            return found.payload
    return None


def month_of(now: datetime) -> str:
    """Return the month of *now*; none for a clock that the gate will refuse."""
    try:
        return period_of(now, Profile.STANDARD)
    except UsageError:
        return ""


def _registered(workspace: Workspace, report: Report) -> Workspace:
    """Return the workspace of the question "what would a yes send?": registered, and without objections."""
    is_hosted = workspace.kind is WorkspaceKind.HOSTED or bool(report.evidence.is_hosted)
    if report.evidence.is_hosted is False:
        is_hosted = False
    return Workspace(WorkspaceKind.HOSTED if is_hosted else WorkspaceKind.REGISTERED)
