"""
The gate: the only place where a payload is made, out of a report and a decision.

:func:`clear` turns the two into frozen bytes, or refuses; :func:`resume` does so with bytes that were kept;
:func:`confirm` asks again right before they go; and :func:`cleared` gives the bytes to whoever doesn't send them.
What decides is in :mod:`rc_stats.decision` and can be had from here as well.

Policy: privacy-policy@2023-01-05#statistics-sharing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from rc_stats._version import __version__
from rc_stats.anonymise import Anonymiser, Report
from rc_stats.catalogue import Profile
from rc_stats.circumstances import Effect, Objections, Reason, Switches, Workspace
from rc_stats.consent import scopes_of
from rc_stats.decision import Decision, decide, is_taken
from rc_stats.errors import GateClosed, UnusableInput, UsageError
from rc_stats.policy import Recipient
from rc_stats.wire import as_written, canonical, parse

__all__ = [
    "Decision",
    "Effect",
    "Envelope",
    "Objections",
    "Payload",
    "Reason",
    "Switches",
    "Workspace",
    "clear",
    "cleared",
    "confirm",
    "decide",
    "genuine",
    "period_of",
    "resume",
    "scopes_of",
]

FORMAT: Final = 1
"""Version of the payload's own shape."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    Everything of the request but its body: what the transport sends, with nothing added.

    Attributes:
        headers: Name and value, in the order of sending.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Contents:
    body: bytes
    sha256: str
    period: str
    envelope: Envelope
    decision: Decision


class Payload:
    """The frozen bytes that may leave. Only :func:`clear` makes one; it can't change, and a forged one is refused."""

    __slots__ = ("__weakref__", "_contents")

    _contents: _Contents

    def __init__(self, *, seal: _Seal) -> None:
        """Refuse everybody but this module."""
        if seal is not _SEAL:
            raise TypeError("Only the gate makes a Payload: call clear(report, decision).")

    @property
    def body(self) -> bytes:
        """Canonical JSON: UTF-8, sorted keys, integers only, one newline at the end."""
        return self._contents.body

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the body."""
        return self._contents.sha256

    @property
    def period(self) -> str:
        """Month or day that the report counts for, by the caller's clock."""
        return self._contents.period

    @property
    def envelope(self) -> Envelope:
        """Everything of the request but its body."""
        return self._contents.envelope

    @property
    def decision(self) -> Decision:
        """The decision that cleared it."""
        return self._contents.decision

    @property
    def is_hypothetical(self) -> bool:
        """Whether it answers a "what if?" and can't be sent."""
        return self._contents.decision.is_hypothetical

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a payload can't change."""
        raise AttributeError("A Payload can't change.")

    def __delattr__(self, name: str) -> None:
        """Refuse: a payload can't change."""
        raise AttributeError("A Payload can't change.")

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Refuse: a payload is not copied or carried elsewhere as an object; its bytes are."""
        raise TypeError("A Payload can't be pickled or copied; keep its bytes.")


class _Seal:
    """The type of the one object that lets this module make a payload."""


_SEAL: Final = _Seal()
_CLEARED: Final[WeakKeyDictionary[Payload, _Contents]] = WeakKeyDictionary()


def clear(report: Report, decision: Decision) -> Payload:
    """
    Return the payload of *report* that *decision* lets through.

    Policy: privacy-policy@2023-01-05#statistics-sharing.

    Raises:
        GateClosed: The decision is no (its reasons' codes are in the message), or it was taken about something else.
    """
    return _sealed(*_cleared(report, decision), decision)


def cleared(report: Report, decision: Decision) -> bytes:
    """
    Return the body of the payload that :func:`clear` returns, for whoever writes it to a file: it can't be sent.

    Raises:
        GateClosed: As of :func:`clear`.
    """
    return _cleared(report, decision)[0]


def _cleared(report: Report, decision: Decision) -> tuple[bytes, str]:
    """Return the body of what *decision* lets through of *report*, and its period."""
    _check_open(decision)
    is_same = (
        decision.catalogue_digest == report.catalogue.digest
        and decision.profile is report.profile
        and decision.evidence is not None
        and decision.evidence == report.evidence
    )
    if not is_same:
        raise _mismatch("The decision was taken about another report.")
    period = period_of(decision.now, report.profile)
    if report.month not in ("", period[:7]):
        raise _mismatch("The report was made for another month.")
    return _body(report, decision, period), period


def resume(body: bytes, period: str, anonymiser: Anonymiser, decision: Decision) -> Payload:
    """
    Return the payload whose bytes were frozen before and kept, if *decision* lets exactly them through today.

    A payload is a fixed point: taken for a document, it gives the same report again. So the bytes are made anew by the
    rules of now and compared; whatever the decision has come to withhold since then shows as a difference.

    Args:
        body: The kept bytes.
        period: What they count for; it may be a past one.
        anonymiser: Of the terms that the decision was taken under.
        decision: Of now, about the evidence that was kept with the bytes.

    Raises:
        GateClosed: The decision is no, or it would not let these very bytes through.
    """
    _check_open(decision)
    catalogue = anonymiser.plan.catalogue
    if decision.catalogue_digest != catalogue.digest or decision.profile is not anonymiser.plan.profile:
        raise _mismatch("The decision was taken about another report.")
    if not _has_begun(period, decision):
        raise _mismatch("The kept bytes are of a period to come, or of none.")
    try:
        statistics = parse(body)["statistics"]
        again: bytes | None = _body(anonymiser(statistics, findings=False), decision, period)
    except (UnusableInput, KeyError, TypeError):
        again = None
    if again is None or again != body:
        raise _mismatch("The decision of now would not let the kept bytes through.")
    return _sealed(body, period, decision)


def confirm(payload: object, decision: Decision) -> Payload:
    """
    Return *payload* if the gate made it and *decision*, taken now, still lets all of it through.

    The transport asks this right before each request.

    Raises:
        GateClosed: ``forged-payload``, ``hypothetical``, ``decision-mismatch`` or what closes the gate.
    """
    payload = genuine(payload)
    _check_open(decision)
    if payload.is_hypothetical or decision.is_hypothetical:
        raise GateClosed(
            "This payload answers a question; it was not agreed to.",
            rule="hypothetical",
            remedy="Only an admin's stored consent lets anything leave: rc-stats opt-in.",
        )
    then = payload.decision
    covers = (
        then.allowed <= decision.allowed
        and decision.without <= then.without
        and decision.catalogue_digest == then.catalogue_digest
        and decision.profile is then.profile
        and decision.workspace.kind is then.workspace.kind
        and decision.recipient == then.recipient
        and decision.evidence == then.evidence
    )
    if not covers:
        raise _mismatch("The decision of now lets less through than the payload holds.")
    return payload


def _check_open(decision: Decision) -> None:
    if not is_taken(decision):
        raise GateClosed("This is no decision that the gate has taken.", rule="forged-decision")
    if not decision.is_open:
        codes = ", ".join(reason.code for reason in decision.closing)
        remedy = next((reason.remedy for reason in decision.closing if reason.remedy), "")
        raise GateClosed(f"Nothing may leave: {codes}.", rule=decision.closing[0].code, remedy=remedy)


def _mismatch(message: str) -> GateClosed:
    return GateClosed(message, rule="decision-mismatch")


def _has_begun(period: str, decision: Decision) -> bool:
    """Say whether *period* is one of the decision's profile and not after its moment."""
    latest = period_of(decision.now, decision.profile)
    return len(period) == len(latest) and period <= latest


def _body(report: Report, decision: Decision, period: str) -> bytes:
    return canonical(
        {
            "catalogue": {"digest": report.catalogue.digest, "version": report.catalogue.version},
            "format": FORMAT,
            "period": period,
            "profile": report.profile,
            "statistics": as_written(report.encoded(decision.allowed, decision.without)),
            "workspace": decision.workspace.kind,
        }
    )


def _sealed(body: bytes, period: str, decision: Decision) -> Payload:
    sha256 = hashlib.sha256(body).hexdigest()
    envelope = _envelope(decision.recipient, body, period, sha256)
    payload = Payload(seal=_SEAL)
    contents = _Contents(body, sha256, period, envelope, decision)
    object.__setattr__(payload, "_contents", contents)
    _CLEARED[payload] = contents
    return payload


def genuine(payload: object) -> Payload:
    """
    Return *payload* if the gate made it and nobody has changed it since.

    Raises:
        GateClosed: ``forged-payload``.
    """
    if type(payload) is Payload:
        contents = _CLEARED.get(payload)
        is_own = contents is not None and getattr(payload, "_contents", None) is contents
        if contents is not None and is_own and _is_whole(contents):
            return payload
    raise GateClosed("This is no payload that the gate has cleared.", rule="forged-payload")


def _is_whole(contents: _Contents) -> bool:
    """Say whether the bytes are still those that were digested; even a frozen object can be forced."""
    headers = _envelope(contents.decision.recipient, contents.body, contents.period, contents.sha256)
    return hashlib.sha256(contents.body).hexdigest() == contents.sha256 and headers == contents.envelope


def period_of(now: datetime, profile: Profile) -> str:
    """
    Return the period that a report made *now* counts for: a day (``2026-08-17``) if exact, else a month (``2026-08``).

    Raises:
        UsageError: ``time-zone`` if *now* has none.
    """
    if now.utcoffset() is None:
        raise UsageError("The caller's clock needs a time zone.", rule="time-zone")
    try:
        moment = now.astimezone(UTC)
    except OverflowError:
        raise UsageError("The caller's clock is not of this century.", rule="clock") from None
    return moment.isoformat()[: 10 if profile is Profile.EXACT else 7]


def _envelope(recipient: Recipient, body: bytes, period: str, sha256: str) -> Envelope:
    host = recipient.url.partition("://")[2].partition("/")[0]
    return Envelope(
        "POST",
        recipient.url,
        (
            ("Host", host),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", f"{period}-{sha256}"),
            ("User-Agent", f"rc-stats/{__version__.partition('.')[0]}"),
        ),
    )
