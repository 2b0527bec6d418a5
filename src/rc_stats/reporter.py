"""
The reporter: sends the right thing once for each period, or nothing.

It is what a server plugin imports. It reads today's document, asks the gate with the stored consent, freezes the
payload in the store before the first request, and sends those very bytes until there is an answer: also after a crash,
and also if another instance takes over. So a period is reported at most once.

Policy: privacy-policy@2023-01-05#statistics-sharing, #toggle.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from rc_stats.anonymise import Anonymiser, Evidence
from rc_stats.catalogue import field_changes, load_catalogue
from rc_stats.consent import DEFAULT_SCOPE, Consent, ConsentState, Terms
from rc_stats.errors import (
    GateClosed,
    LeaseLost,
    RcStatsError,
    StoreError,
    TransportError,
    UnusableInput,
)
from rc_stats.gate import Decision, Payload, Switches, Workspace, confirm, decide, period_of
from rc_stats.outcome import Offer, Outcome, Prepared, Status, Verdict
from rc_stats.people import read_previous
from rc_stats.policy import DataType, Recipient, load_policy
from rc_stats.previewing import Judged, Preview, first_kept, judged, preview
from rc_stats.sources import Document, read_newest

if TYPE_CHECKING:
    from rc_stats.delivery import Permit, Receipt, Record
    from rc_stats.store import Lease, Pending, Store

_T = TypeVar("_T")

SETTLE_SECONDS: Final = 60.0
"""How long a decision that takes something back waits for a request under way."""

_LOG: Final = logging.getLogger(__name__)

Source = str | Path | Callable[[], bytes | Mapping[str, Any] | Document]
"""Where today's document comes from: the path of a file, or what returns it (such as a live workspace)."""

LEASE_SECONDS: Final = 180.0
"""How long an instance may be silent before another takes over: longer than one wait and one request together."""


class Sender(Protocol):
    """What delivers a payload: :class:`rc_stats.transport.Transport`, or a recording one in tests."""

    def send(self, payload: Payload, permit: Permit, record: Record | None = None) -> Receipt:
        """Deliver *payload*, asking *permit* around every attempt; tell *record* the receipt before leaving it."""
        ...

    async def send_async(self, payload: Payload, permit: Permit, record: Record | None = None) -> Receipt:
        """Do the same and let others work meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One payload on its way, what must be asked around each attempt, and what is told the receipt."""

    payload: Payload
    permit: Permit
    record: Record


class Reporter:
    """
    Previews, sends and tells, for one workspace and one catalogue.

    Args:
        source: Where today's document comes from.
        workspace: What the caller says of the workspace; a document can't prove it.
        store: The consent, the ledger and the lease.
        transport: Delivers payloads.
        clock: Returns now, with a time zone.
        terms: Policy, catalogue and profile; by default the packaged ones, in the default profile.
        switches: Returns the kill switches; asked each time, those of the environment by default.
        recipient: The policy's by default.
        lease_seconds: How long this instance may be silent before another takes over.
        anonymiser: A compiled one of these terms, to save the milliseconds of compiling.
    """

    def __init__(
        self,
        source: Source,
        workspace: Workspace,
        store: Store,
        transport: Sender,
        clock: Callable[[], datetime],
        *,
        terms: Terms | None = None,
        switches: Callable[[], Switches] = lambda: Switches.from_environment(os.environ),
        recipient: Recipient | None = None,
        lease_seconds: float = LEASE_SECONDS,
        anonymiser: Anonymiser | None = None,
    ) -> None:
        """Compile the catalogue, unless that was done."""
        self.source = source
        self.workspace = workspace
        self.store = store
        self.transport = transport
        self.clock = clock
        self.terms = terms = terms or Terms(load_policy(), load_catalogue())
        self.switches = switches
        self.recipient = recipient or terms.policy.recipient
        self._lease_seconds = lease_seconds
        self._catalogue = terms.catalogue.name
        self._anonymiser = anonymiser or Anonymiser(terms.catalogue, terms.profile)

    # What a person asks ----------------------------------------------------------------------------------------------

    def preview(self, *, show_keys: bool = False) -> Preview:
        """
        Return what would be sent of today's document with the stored consent, what not, and why.

        Raises:
            UnusableInput: The source gives no document.
            StoreError: The store can't be read.
        """
        return self._preview(self.store.consent(self._catalogue), self.clock(), show_keys=show_keys)

    def prepare(self) -> Prepared:
        """
        Return what :meth:`send_once` would post first, as the same kind of object, and send nothing.

        Raises:
            UnusableInput: The source gives no document.
            StoreError: The store can't be read.
        """
        return next(self.upcoming())

    def upcoming(self) -> Iterator[Prepared]:
        """
        Give all that :meth:`send_once` would post if everything arrives, in order, and send nothing.

        That is what was kept, and then the report of now. What comes last may have no payload, and says why.

        Raises:
            UnusableInput: The source gives no document; where something is kept, that is given before.
            StoreError: The store can't be read.
        """
        now, given_up = self.clock(), set[str]()
        period = period_of(now, self.terms.profile)
        for pending in self.store.pending(self._catalogue):
            found = self._judged(pending, now)
            if found.payload is None and not found.is_held:
                given_up |= {pending.period} if pending.attempts else set()
                continue
            yield Prepared(pending.period, found.payload, found.decision, is_kept=True, ended=None, preview=None)
            if found.is_held or pending.period == period:
                return
        seen = self._preview(self.store.consent(self._catalogue), now)
        ended = self.store.ended(self._catalogue, period) or ("unknown" if period in given_up else None)
        payload = seen.payload if ended is None else None
        yield Prepared(period, payload, seen.decision, is_kept=False, ended=ended, preview=seen)

    def offer(self, scope: Iterable[DataType] = DEFAULT_SCOPE) -> Offer:
        """
        Return what to look at before a yes to *scope*: what it would send, and what changed since the last one.

        Raises:
            UnusableInput: The source gives no document.
            StoreError: The store can't be read.
        """
        scope = frozenset(scope)
        agreed = _unless_damaged(partial(self.store.last_grant, self._catalogue), None)
        seen = self._preview(Consent(), self.clock(), scope=scope)
        fields = agreed.fields.get(self.terms.profile, {}) if agreed else {}
        was_coarser = agreed is not None and (
            agreed.profile is None or agreed.profile.coarseness > self.terms.profile.coarseness
        )
        return Offer(
            preview=seen,
            scope=scope,
            changes=field_changes(fields, self.terms.fields()) if agreed and not was_coarser else (),
            was_agreed=agreed is not None,
            is_new_policy=agreed is not None and agreed.policy_date != self.terms.policy.effective,
            is_finer=was_coarser,
            is_new_recipient=agreed is not None and agreed.recipient != self.recipient.url,
        )

    def opt_in(
        self, scope: Iterable[DataType] = DEFAULT_SCOPE, *, by: str = "", seconds: float = SETTLE_SECONDS
    ) -> Consent:
        """
        Record a yes to *scope* under today's terms, and return it. Documents made before it are not sent.

        From then on no request begins that tells more. Where it lets less through than the last yes, a request that had
        begun before is waited for.

        Policy: privacy-policy@2023-01-05#toggle.

        Args:
            seconds: How long to wait; a request that takes longer may still arrive, which is logged.
        """
        before = _unless_damaged(partial(self.store.consent, self._catalogue), Consent())
        consent = Consent().grant(self.terms, at=self.clock(), by=by, scope=scope, recipient=self.recipient)
        self.store.record_consent(self._catalogue, consent)
        _LOG.info("consent granted")
        if _is_narrower(consent, before) and not self.store.settle(seconds=seconds):
            _LOG.warning("a request that began under the last consent may still arrive")
        return consent

    def opt_out(self, *, by: str = "", until: datetime | None = None, seconds: float = SETTLE_SECONDS) -> bool:
        """
        Record a no, or a pause until *until*, and destroy what was not sent.

        It is recorded at once; from then on no request begins, on any instance. Then a request that had begun before
        is waited for. A no needs nothing of what was said before: it is taken also where that is damaged.

        Policy: privacy-policy@2023-01-05#toggle, #rights-restrict.

        Args:
            until: End of the pause; None takes the consent back.
            seconds: How long to wait for a request under way.

        Returns:
            Whether none is under way any more. If not, one may still arrive.
        """
        refuse(self.store, self._catalogue, at=self.clock(), by=by, until=until)
        return self.store.settle(seconds=seconds)

    def status(self) -> Status:
        """
        Return where the workspace stands. A source that can't be read is part of the answer.

        Raises:
            StoreError: The store can't be read.
        """
        now, consent, error, evidence = self.clock(), self.store.consent(self._catalogue), None, None
        try:
            seen = self._preview(consent, now)
            decision, evidence = seen.decision, seen.report.evidence
        except RcStatsError as fault:
            error = fault
            decision = self._decide(evidence, now)
        kept = self._kept(now)
        period = period_of(now, self.terms.profile)
        sent = latest = None
        for entry in self.store.history(catalogue=self._catalogue):
            latest = entry
            sent = entry if entry.kind == "receipt" else sent
        return Status(
            at=now,
            terms=self.terms,
            workspace=self.workspace,
            recipient=self.recipient,
            consent=consent,
            decision=decision if kept is None else kept.decision,
            source_error=error,
            kept=kept,
            period=period,
            ended=self.store.ended(self._catalogue, period),
            pending=self.store.pending(self._catalogue),
            sent=sent,
            latest=latest,
        )

    # Sending ---------------------------------------------------------------------------------------------------------

    def send_once(self, *, expected: str | None = None) -> Outcome:
        """
        Send this period's report if the gate is open and it was not sent yet, and return what came of it.

        First comes what was frozen before and not delivered. Safe to call as often as wanted, on any number of
        instances.

        Args:
            expected: SHA-256 of the bytes that somebody has looked at; these are sent and no others.

        Raises:
            UnusableInput: The source gives no document.
            StoreError: The store can't be read or written.
        """
        steps = self._steps(expected)
        try:
            delivery = next(steps)
            while True:
                try:
                    self.transport.send(delivery.payload, delivery.permit, delivery.record)
                except RcStatsError as error:
                    delivery = steps.throw(error)
                else:
                    delivery = next(steps)
        except StopIteration as done:
            outcome: Outcome = done.value
            return _logged(outcome)
        finally:
            steps.close()

    async def send_once_async(self, *, expected: str | None = None) -> Outcome:
        """Do what :meth:`send_once` does and let others work meanwhile. Cancelled, it finishes a request under way."""
        steps = self._steps(expected)
        try:
            delivery = await _aside(partial(_advance, partial(next, steps)))
            while isinstance(delivery, _Delivery):
                try:
                    await self.transport.send_async(delivery.payload, delivery.permit, delivery.record)
                    move = partial(next, steps)
                except RcStatsError as error:
                    move = partial(steps.throw, error)
                delivery = await _aside(partial(_advance, move))
            return _logged(delivery)
        finally:
            await _aside(steps.close)

    async def run(self) -> None:
        """
        Send once a day at a random minute, for ever. Cancel the task to end it.

        What fails is logged by its rule alone and tried again the next day. The minute is random so that many
        workspaces don't report at once, and so that the moment tells nothing.
        """
        while True:
            await asyncio.sleep(60 * secrets.randbelow(24 * 60))
            day = self.clock().astimezone(UTC).date()
            try:
                await self.send_once_async()
            except RcStatsError as error:
                _LOG.warning("nothing sent: %s", error.rule)
            while self.clock().astimezone(UTC).date() == day:
                await asyncio.sleep(60)

    def _steps(self, expected: str | None) -> Generator[_Delivery, None, Outcome]:
        """Decide, freeze and record; yield what is to be delivered, and be told how it went."""
        lease = self.store.lease(self._catalogue, seconds=self._lease_seconds)
        if lease is None:
            return Outcome(Verdict.HELD_ELSEWHERE)
        earlier: list[Outcome] = []
        try:
            outcome = yield from self._with_lease(lease, expected, earlier)
            return replace(outcome, earlier=tuple(earlier))
        except LeaseLost:
            return Outcome(Verdict.HELD_ELSEWHERE)
        finally:
            self.store.release(lease)

    def _with_lease(
        self, lease: Lease, expected: str | None, earlier: list[Outcome]
    ) -> Generator[_Delivery, None, Outcome]:
        now = self.clock()
        period = period_of(now, self.terms.profile)
        for pending in self.store.pending(self._catalogue):
            found = self._judged(pending, now)
            if found.is_held:
                return Outcome(Verdict.CLOSED, pending.period, decision=found.decision)
            if found.payload is None:
                self.store.discard(pending, reason=_reason(found.decision), at=now)
                continue
            if expected not in (None, found.payload.sha256):
                return Outcome(Verdict.CHANGED, pending.period, found.payload, found.decision)
            outcome = yield from self._deliver(lease, pending, found.payload)
            if outcome.verdict is not Verdict.SENT or pending.period == period or expected is not None:
                return outcome
            earlier.append(outcome)
        if (ended := self.store.ended(self._catalogue, period)) is not None:
            return Outcome(Verdict.ALREADY_SENT if ended == "sent" else Verdict.ENDED, period)
        self.store.renew(lease)
        seen = self._preview(self.store.consent(self._catalogue), now)
        if seen.payload is None:
            codes = [reason.code for reason in seen.decision.closing]
            self.store.record_refusal(self._catalogue, period, codes, at=now)
            return Outcome(Verdict.CLOSED, period, decision=seen.decision)
        if expected not in (None, seen.payload.sha256):
            return Outcome(Verdict.CHANGED, period, seen.payload, seen.decision)
        try:
            pending = self.store.freeze(lease, seen.payload, seen.report.evidence, seen.report.previous, at=now)
        except GateClosed:  # the consent was withdrawn since it was read
            return Outcome(Verdict.CLOSED, period, decision=self._decide(seen.report.evidence, now))
        return (yield from self._deliver(lease, pending, seen.payload))

    def _deliver(self, lease: Lease, pending: Pending, payload: Payload) -> Generator[_Delivery, None, Outcome]:
        number = 0

        @contextmanager
        def permit() -> Iterator[Decision]:
            nonlocal number
            with self.store.wire():
                self.store.renew(lease)
                decision, number = self._begun(lease, pending, payload)
                try:
                    yield decision
                except TransportError as error:
                    self.store.record_failure(
                        pending, number, code=error.rule, status=error.status, is_final=error.is_final, at=self.clock()
                    )
                    raise

        def record(receipt: Receipt) -> None:
            self.store.record_receipt(pending, number, status=receipt.status, token=receipt.token, at=self.clock())

        try:
            yield _Delivery(payload, permit, record)
        except GateClosed:
            return self._closed_meanwhile(pending, payload)
        except StoreError as error:
            if error.rule != "pending-gone":  # destroyed between the gate's answer and the note of the attempt
                raise
            return self._closed_meanwhile(pending, payload)
        except TransportError as error:
            return Outcome(Verdict.FAILED, pending.period, payload, payload.decision, error)
        return Outcome(Verdict.SENT, pending.period, payload, payload.decision)

    def _begun(self, lease: Lease, pending: Pending, payload: Payload) -> tuple[Decision, int]:
        """Ask the gate and note the attempt, both under one consent: as often as an admin has spoken in between."""
        while True:
            now, consent = self.clock(), self.store.consent(self._catalogue)
            decision = self._decide(pending.evidence, now, consent)
            confirm(payload, decision)
            try:
                return decision, self.store.begin_attempt(lease, pending, under=consent, at=now)
            except StoreError as error:
                if error.rule != "consent-changed":
                    raise

    def _closed_meanwhile(self, pending: Pending, payload: Payload) -> Outcome:
        """Destroy what is not to be sent any more, unless it is held."""
        now = self.clock()
        found = self._judged(pending, now)
        if not found.is_held:
            self.store.discard(pending, reason=_reason(found.decision), at=now)
        return Outcome(Verdict.CLOSED, pending.period, payload, found.decision)

    # What both need --------------------------------------------------------------------------------------------------

    def _preview(
        self, consent: Consent, now: datetime, *, scope: frozenset[DataType] | None = None, show_keys: bool = False
    ) -> Preview:
        kept = self.store.previous(self._catalogue, self.terms.profile)
        return preview(
            _read(self.source),
            self.workspace,
            consent,
            terms=self.terms,
            now=now,
            switches=self.switches(),
            recipient=self.recipient,
            scope=scope,
            anonymiser=self._anonymiser,
            previous=None if kept is None else read_previous(kept),
            latest=self.store.latest_at(self._catalogue),
            show_keys=show_keys,
        )

    def _decide(self, evidence: Evidence | None, now: datetime, consent: Consent | None = None) -> Decision:
        return decide(
            self.workspace,
            self.store.consent(self._catalogue) if consent is None else consent,
            self.recipient,
            self.switches(),
            now,
            terms=self.terms,
            evidence=evidence,
            latest=self.store.latest_at(self._catalogue),
        )

    def _kept(self, now: datetime) -> Payload | None:
        """Return what was frozen before and would be sent first."""
        pending = self.store.pending(self._catalogue)
        return first_kept(pending, lambda evidence: self._decide(evidence, now), self._anonymiser)

    def _judged(self, pending: Pending, now: datetime) -> Judged:
        return judged(pending, self._decide(pending.evidence, now), self._anonymiser)


def _is_narrower(consent: Consent, before: Consent) -> bool:
    """Say whether *consent* lets less through than *before* did, or to somebody else."""
    if before.state is not ConsentState.GRANTED or before.profile is None or consent.profile is None:
        return False
    return (
        not before.scope <= consent.scope
        or before.profile.coarseness < consent.profile.coarseness
        or before.recipient != consent.recipient
    )


async def _aside(move: Callable[[], _T]) -> _T:
    """Do *move* in a thread and return what it gives. A cancellation waits for its end, since it can't be stopped."""
    under_way = asyncio.ensure_future(asyncio.to_thread(move))
    cancelled = None
    while not under_way.done():
        try:
            await asyncio.wait([under_way])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        under_way.exception()  # asyncio need not say that nobody looked
        raise cancelled
    return under_way.result()


def _advance(move: Callable[[], _Delivery]) -> _Delivery | Outcome:
    """Take a step; an end is a value here, since it can't be raised out of another thread."""
    try:
        return move()
    except StopIteration as done:
        outcome: Outcome = done.value
        return outcome


def _reason(decision: Decision) -> str:
    """Return the code of what closed the gate; with an open gate, the bytes were not those of now."""
    return decision.closing[0].code if decision.closing else "outdated"


def _logged(outcome: Outcome) -> Outcome:
    rule = f" ({outcome.error.rule})" if outcome.error else ""
    _LOG.info("report for %s: %s%s", outcome.period or "this period", outcome.verdict, rule)
    return outcome


def refuse(store: Store, catalogue: str, *, at: datetime, by: str = "", until: datetime | None = None) -> Consent:
    """
    Record a no to *catalogue*, or a pause until *until*, which destroys what was not sent, and return it.

    It does what :meth:`Reporter.opt_out` does before it waits, and needs neither terms nor a catalogue: an admin can
    take a yes back when what was agreed to is no longer configured, or broken.

    Raises:
        UsageError: ``restriction``: there is no yes to pause, or the pause would have ended.
        StoreError: It can't be recorded.
    """
    said = partial(store.consent, catalogue)
    if until is None:
        consent = _unless_damaged(said, Consent()).withdraw(at=at, by=by)
    else:
        consent = said().restrict(until=until, at=at, by=by)
    store.record_consent(catalogue, consent)
    _LOG.info("consent %s", "paused" if until else consent.state)
    return consent


def _unless_damaged(read: Callable[[], _T], otherwise: _T) -> _T:
    """Return what *read* finds in the store, or *otherwise* if that was edited or cut off."""
    try:
        return read()
    except StoreError as error:
        if error.rule != "store-corrupt":
            raise
    return otherwise


def _read(source: Source) -> Document | bytes | Mapping[str, Any]:
    """
    Return what *source* gives.

    Raises:
        UnusableInput: Also ``source-failed`` for a function that raises what is not an error of ours: its words may
            hold values of the document, so only the kind of error is told.
    """
    if callable(source):
        try:
            return source()
        except RcStatsError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the daily round
            kind = type(error).__name__
        raise UnusableInput(
            f"The source failed with {kind}.", rule="source-failed", remedy="Call it yourself to see the whole error."
        )
    try:
        with Path(source).open("rb") as file:
            return read_newest(file).document
    except OSError as error:
        fault = error.strerror
    raise UnusableInput(f"The source can't be read: {fault}.", rule="unreadable", remedy="Check the configured source.")
