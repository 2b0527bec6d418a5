"""What each page shows, gathered from the reporter. Nothing here changes or sends anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from rc_stats.circumstances import Effect
from rc_stats.consent import DEFAULT_SCOPE, SCOPES, ConsentState
from rc_stats.errors import RcStatsError, UnusableInput
from rc_stats.gate import Payload
from rc_stats.outcome import Offer, Prepared, Status
from rc_stats.policy import DataType
from rc_stats.previewing import Preview
from rc_stats.render.view import Rule, Section, View, sections_of, view_of
from rc_stats.render.words import many
from rc_stats.reporter import Reporter
from rc_stats.web.telling import (
    SCOPE_WORDS,
    Verdict,
    ended_text,
    moment_text,
    period_text,
    printable,
    recipient_text,
    rules_of,
    scope_text,
    verdict_of,
)

Facts = tuple[tuple[str, str], ...]


def snapshot(reporter: Reporter) -> Reporter:
    """
    Return *reporter* as it is for one request: a source that is called is called once, so that a page goes by one
    document, and so does what is compared and then sent.

    What a source raises that isn't this package's own is told by its kind alone: its message may hold a value.
    """
    source = reporter.source
    seen = copy(reporter)
    if callable(source):
        seen.source = _once(source)
    return seen


def _once(source: Callable[[], Any]) -> Callable[[], Any]:
    results: list[tuple[Any, RcStatsError | None]] = []

    def ask() -> Any:
        if not results:
            results.append(_asked(source))
        document, error = results[0]
        if error is not None:
            raise error
        return document

    return ask


def _asked(source: Callable[[], Any]) -> tuple[Any, RcStatsError | None]:
    try:
        return source(), None
    except RcStatsError as error:
        return None, error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the toggle must stay within reach
        kind = type(error).__name__
    return None, UnusableInput(
        f"The source failed ({kind}).", rule="source-failed", remedy="See to what gives this page its statistics."
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """A data type that can be agreed to, and how many values of today's document it would send."""

    data_type: DataType
    name: str
    says: str
    size: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A metric that is not as it was agreed to; *says* is empty if the catalogue has it no more."""

    path: str
    says: str


@dataclass(frozen=True, slots=True)
class Overview:
    """
    The first page.

    Attributes:
        closing: The rules that say no.
        others: Those of them that a yes would not lift.
        choices: What can be agreed to; empty if the source can't be read. None is chosen before somebody has.
        changes: What changed since the last yes, as sentences; None if there never was one.
        new, changed, removed: The metrics that did.
        sendable: What sending now would post.
        is_kept: It was kept from before, so it is sent whatever the source does.
        ended: The period that has ended, if that is all that holds sending back; empty if not.
        earliest: The first day until which sharing can be paused.
    """

    verdict: Verdict
    status: Status
    closing: tuple[Rule, ...]
    others: tuple[Rule, ...]
    choices: tuple[Choice, ...]
    changes: tuple[str, ...] | None
    new: tuple[Changed, ...]
    changed: tuple[Changed, ...]
    removed: tuple[Changed, ...]
    sendable: Payload | None
    is_kept: bool
    ended: str
    facts: Facts
    earliest: date

    @property
    def is_on(self) -> bool:
        """Whether there is a yes, paused or not."""
        return self.status.consent.state is ConsentState.GRANTED

    @property
    def is_undecided(self) -> bool:
        """Whether nobody has said anything yet."""
        return self.status.consent.state is ConsentState.UNDECIDED


def overview_of(reporter: Reporter) -> Overview:
    """Return the first page; the toggle is on it whatever the source does."""
    status = reporter.status()
    prepared, view, offer = _prepared(reporter, status), None, None
    if prepared is not None and status.source_error is None:
        offer = reporter.offer(SCOPES)
        view = view_of(prepared.preview or reporter.preview())
    policy = status.terms.policy
    closing = rules_of(status.decision.reasons, policy, Effect.CLOSES)
    return Overview(
        verdict=verdict_of(status, prepared, view),
        status=status,
        closing=closing,
        others=tuple(rule for rule in closing if not rule.code.startswith("consent-")),
        choices=() if offer is None else tuple(_choices(offer, status)),
        changes=_changes(offer),
        new=_metrics(offer, "added"),
        changed=_metrics(offer, "changed"),
        removed=_metrics(offer, "removed"),
        sendable=None if prepared is None else prepared.payload,
        is_kept=prepared is not None and prepared.is_kept and prepared.payload is not None,
        ended=status.period if prepared is not None and prepared.ended and not status.decision.closing else "",
        facts=tuple(_facts(status)),
        earliest=status.at.date() + timedelta(days=1),
    )


def _prepared(reporter: Reporter, status: Status) -> Prepared | None:
    """Return what would be sent, which needs no source where bytes were kept; None if there is nothing to go by."""
    try:
        return reporter.prepare()
    except RcStatsError:
        if status.source_error is None:
            raise
    return None


def _choices(offer: Offer, status: Status) -> Iterator[Choice]:
    catalogue = status.terms.catalogue
    of_emit = {metric.emit: metric.data_type for metric in catalogue.metrics.values() if not metric.is_dropped}
    rows = [row for section in view_of(offer.preview).sections for row in section.rows]
    sizes = Counter(of_emit[row.path] for row in rows)
    for data_type in SCOPES:
        name, says = SCOPE_WORDS[data_type]
        yield Choice(data_type, name, says, sizes[data_type], data_type in status.consent.scope)


def _changes(offer: Offer | None) -> tuple[str, ...] | None:
    if offer is None or not offer.was_agreed:
        return None
    terms, said = offer.preview.terms, []
    if offer.is_new_policy:
        said.append(f"The policy is another one: {terms.policy.title}, {terms.policy.effective.isoformat()}.")
    if offer.is_new_recipient:
        said.append("The recipient is another one.")
    if offer.is_finer:
        said.append(f"The profile is finer: {terms.profile}. All values may be finer than those agreed to.")
    new = sum(change.what != "removed" for change in offer.changes)
    if new:
        said.append(f"{many(new, 'metric')} {'is' if new == 1 else 'are'} new or changed.")
    return tuple(said)


def _metrics(offer: Offer | None, what: str) -> tuple[Changed, ...]:
    if offer is None:
        return ()
    says = {metric.emit: metric.says for metric in offer.preview.terms.catalogue.metrics.values()}
    return tuple(Changed(c.path, says.get(c.path, "")) for c in offer.changes if c.what == what)


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    consent, terms, recipient = status.consent, status.terms, status.recipient
    if consent.at is not None:
        what = "Paused" if consent.restricted_until is not None else str(consent.state).capitalize()
        said = f"{what}, {moment_text(consent.at)}"
        said += f", by {printable(consent.by)}" if consent.by else ""
        yield "Said last", said
    if consent.scope:
        yield "Scope", f"{scope_text(consent.scope)}, in profile {consent.profile} or coarser"
    yield "Recipient", f"{recipient_text(recipient)} ({recipient.url})"
    yield "Workspace", str(status.workspace.kind)
    yield "Profile", str(terms.profile)
    yield "Policy", f"{terms.policy.title}, {terms.policy.effective.isoformat()}"
    yield "Catalogue", f"{terms.catalogue.name} version {terms.catalogue.version}, {terms.catalogue.digest[:19]}…"
    sent = status.sent
    yield "Last sent", "never" if sent is None else f"{period_text(sent.period)}, on {moment_text(sent.at)}"
    for pending in status.pending:
        tried = many(pending.attempts, "attempt")
        yield (
            "Kept here",
            f"the report for {period_text(pending.period)}, {many(len(pending.body), 'byte')}, {tried} so far",
        )


@dataclass(frozen=True, slots=True)
class Sending:
    """
    The page of what would be sent.

    Attributes:
        headline: The verdict.
        title: Heading of the payload.
        note: Says that what is shown is not sent, or was kept, if so.
        view: Of today's document; None if that can't be read.
        source_error: Why it can't be.
        payload, sections: What is shown: what would be posted, what was kept, or what a yes would send.
        choices: Which data types a supposed yes covers; empty if what is shown would be sent.
    """

    headline: str
    title: str
    note: str
    view: View | None
    source_error: RcStatsError | None
    closing: tuple[Rule, ...]
    narrowing: tuple[Rule, ...]
    payload: Payload | None
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...]
    is_sendable: bool

    @property
    def size(self) -> int:
        """How many values the payload has."""
        return sum(len(section.rows) for section in self.sections)


def sending_of(reporter: Reporter, scope: frozenset[DataType] | None) -> Sending:
    """
    Return what would be sent, or what a yes to *scope* would send.

    Args:
        scope: Of the supposed yes; None for the scope agreed to, or the usual one.

    Raises:
        RcStatsError: The source can't be read, and nothing was kept.
    """
    status = reporter.status()
    prepared = _prepared(reporter, status)
    if prepared is None:
        assert status.source_error is not None  # what else was raised goes on  # noqa: S101
        raise status.source_error
    view: View | None = None
    choices: tuple[Choice, ...] = ()
    if status.source_error is None:
        seen, choices = _seen(reporter, prepared, status, scope)
        view = view_of(seen)
    title, note = _titles(prepared, view)
    payload = prepared.payload or (None if view is None else view.payload)
    kept = prepared.payload if prepared.is_kept else None
    shown = () if view is None else view.sections
    policy = reporter.terms.policy
    judged = prepared.decision if payload is None else payload.decision
    return Sending(
        headline=verdict_of(status, prepared, view).headline,
        title=title,
        note=note,
        view=view,
        source_error=status.source_error,
        closing=rules_of(prepared.decision.reasons, policy, Effect.CLOSES),
        narrowing=rules_of(judged.reasons, policy, Effect.NARROWS),
        payload=payload,
        sections=shown if kept is None else sections_of(kept.body, reporter.terms.catalogue),
        choices=choices,
        is_sendable=prepared.payload is not None,
    )


def _seen(
    reporter: Reporter, prepared: Prepared, status: Status, scope: frozenset[DataType] | None
) -> tuple[Preview, tuple[Choice, ...]]:
    """Return the picture of today's document, and which data types can be supposed if it would not be sent."""
    if prepared.is_kept or prepared.decision.is_open:
        return prepared.preview or reporter.preview(), ()
    scope = scope or status.consent.scope or DEFAULT_SCOPE
    asked = _choices(reporter.offer(SCOPES), status)
    return reporter.offer(scope).preview, tuple(replace(c, is_chosen=c.data_type in scope) for c in asked)


def _titles(prepared: Prepared, view: View | None) -> tuple[str, str]:
    if prepared.is_kept and prepared.payload is not None:
        period = period_text(prepared.period)
        return (
            "What was kept, and would be sent",
            f"It was made for {period} and is sent as it was made, byte for byte.",
        )
    if prepared.payload is not None:
        return "What would be sent", ""
    if view is not None and view.is_supposed:
        return "What a yes would send", "This is a supposition. None of it is sent."
    ended = ended_text(prepared.period, prepared.ended or "")
    return "What today's document would give", f"None of it is sent: {ended}."
