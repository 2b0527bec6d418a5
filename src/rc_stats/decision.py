"""
The decision: whether anything may leave, which data types, and every rule that closes the gate or narrows it.

:func:`decide` is pure and total: it looks at everything, never stops at the first reason, and any doubt is a no.

Policy: privacy-policy@2023-01-05#statistics-sharing, #toggle, #kinds.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from weakref import WeakValueDictionary

from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Profile
from rc_stats.circumstances import Effect, Reason, Switches, Workspace
from rc_stats.consent import Consent, Terms
from rc_stats.policy import DataType, Recipient
from rc_stats.rules import (
    When,
    about_clock,
    about_consent,
    about_data_types,
    about_document,
    about_fields,
    about_recipient,
    about_switches,
    about_what_is_left,
    about_workspace,
    latest_of,
    zoned,
)

_CLOCK_DOUBT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Decision:
    """
    The answer of the gate, with every reason. Only :func:`decide` makes one that :func:`clear` takes.

    Attributes:
        allowed: Data types that may leave; empty when the answer is no.
        without: Payload paths that stay although their data type may leave.
        reasons: All that close or narrow, in a fixed order.
        is_hypothetical: It answers a "what if?"; its payload can be looked at and not be sent.
        catalogue_digest, profile, evidence: What was judged; a report that differs is not cleared by it.
    """

    allowed: frozenset[DataType]
    without: frozenset[str]
    reasons: tuple[Reason, ...]
    is_hypothetical: bool
    workspace: Workspace
    recipient: Recipient
    now: datetime
    catalogue_digest: str
    profile: Profile
    evidence: Evidence | None

    @property
    def is_open(self) -> bool:
        """Whether anything may leave."""
        return bool(self.allowed)

    @property
    def closing(self) -> tuple[Reason, ...]:
        """The reasons that close the gate."""
        return tuple(reason for reason in self.reasons if reason.effect is Effect.CLOSES)


def decide(
    workspace: Workspace,
    consent: Consent,
    recipient: Recipient,
    switches: Switches,
    now: datetime,
    *,
    terms: Terms,
    evidence: Evidence | None = None,
    latest: datetime | None = None,
) -> Decision:
    """
    Return which data types may leave, and all reasons that close or narrow the gate. It never raises on any state.

    Policy: privacy-policy@2023-01-05#statistics-sharing, #kinds.

    Args:
        now: The caller's clock, with a time zone.
        terms: What is offered now; compared with what was agreed to.
        evidence: What the document tells about itself. Without it nothing is cleared: a decision about no document.
        latest: The latest moment that the caller's own records tell, with a time zone; a clock that says less is wrong.
    """
    return Standing(workspace, consent, recipient, switches, now, terms=terms, latest=latest).decide(evidence)


class Standing:
    """
    Everything that a decision goes by but the document, looked at once: for many documents of one workspace.

    Args: as of :func:`decide`, which asks it one single question.
    """

    def __init__(
        self,
        workspace: Workspace,
        consent: Consent,
        recipient: Recipient,
        switches: Switches,
        now: datetime,
        *,
        terms: Terms,
        latest: datetime | None = None,
    ) -> None:
        """Look at everything that is the same for each document."""
        self._clock = tuple(about_clock(now, latest, terms.policy))
        self._now = now if now.utcoffset() is not None else now.replace(tzinfo=UTC)
        self._workspace, self._recipient, self._terms = workspace, recipient, terms
        self._switches = tuple(about_switches(switches, terms.policy))
        self._places = tuple(about_recipient(recipient, workspace.objections, terms.policy))
        self._data_types: dict[object, tuple[Reason, ...]] = {}
        self._agree(consent)

    def under(self, consent: Consent) -> Standing:
        """Return the same under another *consent*; what doesn't depend on it is not looked at again."""
        other = copy(self)
        other._agree(consent)  # noqa: SLF001 - its own class
        return other

    def _agree(self, consent: Consent) -> None:
        self._consent = consent
        self._agreed_at = latest_of(consent.at, consent.restricted_until)
        self._said = tuple(about_consent(consent, self._terms, self._recipient, self._now))
        self._fields = tuple(about_fields(consent, self._terms))
        self._answers: dict[object, tuple[frozenset[DataType], frozenset[str], tuple[Reason, ...]]] = {}

    def decide(self, evidence: Evidence | None = None) -> Decision:
        """Return the decision about the document that *evidence* is of; documents alike get the same reasons."""
        when = self._when(evidence)
        case = None if evidence is None else (evidence.is_hosted, evidence.has_apps, when)
        answer = self._answers.get(case)
        if answer is None:
            answer = self._answers[case] = self._answer(evidence, when)
        allowed, without, reasons = answer
        decision = Decision(
            allowed=allowed,
            without=without,
            reasons=reasons,
            is_hypothetical=self._consent.is_hypothetical,
            workspace=self._workspace,
            recipient=self._recipient,
            now=self._now,
            catalogue_digest=self._terms.catalogue.digest,
            profile=self._terms.profile,
            evidence=evidence,
        )
        _DECIDED[id(decision)] = decision
        return decision

    def _when(self, evidence: Evidence | None) -> When:
        if evidence is None:
            return When()
        made_at = zoned(evidence.made_at)
        is_before = made_at is not None and self._agreed_at is not None and made_at < self._agreed_at
        return When(made_at is not None and made_at - self._now > _CLOCK_DOUBT, made_at is None, is_before)

    def _answer(
        self, evidence: Evidence | None, when: When
    ) -> tuple[frozenset[DataType], frozenset[str], tuple[Reason, ...]]:
        policy = self._terms.policy
        reasons = [
            *self._clock,
            *about_workspace(self._workspace, evidence, policy),
            *self._switches,
            *self._said,
            *about_document(self._consent, when, policy),
            *self._places,
        ]
        narrowing = [*self._about_data_types(evidence), *self._fields]
        staying = {reason.data_type for reason in narrowing if reason.data_type is not None}
        allowed = _EVERY_TYPE - staying
        if not reasons:
            reasons += about_what_is_left(allowed, policy)
        without = frozenset(path for reason in narrowing for path in reason.metrics)
        return frozenset() if reasons else allowed, without, (*reasons, *narrowing)

    def _about_data_types(self, evidence: Evidence | None) -> tuple[Reason, ...]:
        case = (self._consent.state, self._consent.scope, evidence is not None and evidence.has_apps)
        if case not in self._data_types:
            self._data_types[case] = tuple(
                about_data_types(self._workspace, self._consent, evidence, self._terms.policy)
            )
        return self._data_types[case]


_EVERY_TYPE: Final = frozenset(DataType)


# By identity: an equal decision is another one, and its entry must not go when the first of them does.
_DECIDED: Final[WeakValueDictionary[int, Decision]] = WeakValueDictionary()


def is_taken(decision: Decision) -> bool:
    """Say whether :func:`decide` took this very decision: one that somebody made or changed is none."""
    return _DECIDED.get(id(decision)) is decision
