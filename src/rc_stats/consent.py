"""
Consent: the record of what an admin agreed to, and its transitions.

A consent is a value. It names the data types, the profile and the exact field set that were agreed to, so that a later
catalogue, a finer profile or a newer policy is not covered by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from rc_stats.catalogue import Catalogue, Profile
from rc_stats.errors import UsageError
from rc_stats.policy import DataType, Policy


class ConsentState(StrEnum):
    """Where a workspace stands. Undecided is no."""

    UNDECIDED = "undecided"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


SCOPES: Final = (DataType.USAGE, DataType.APP, DataType.ACCOUNT)
"""The data types that a consent can name. User content and tracking are never part of statistics."""

DEFAULT_SCOPE: Final = frozenset({DataType.USAGE, DataType.APP})
"""What a grant covers unless it says otherwise: the wizard's answers are optional."""


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What is offered for agreement: a policy, a catalogue and a profile.

    The transmission is judged by the same terms, so that what was agreed to and what is sent can be compared.
    """

    policy: Policy
    catalogue: Catalogue
    profile: Profile = Profile.STANDARD

    def fields(self) -> Mapping[str, str]:
        """Return the field set: payload path to a digest of its meaning."""
        return self.catalogue.fields(self.profile)


@dataclass(frozen=True, slots=True)
class Consent:
    """
    What an admin said, when, and about what. Immutable; the transitions return a new one.

    Attributes:
        scope: Data types agreed to; empty unless granted.
        catalogue: Name of the catalogue.
        fields: Field sets agreed to: that of the profile and, since a coarser one tells less, of each coarser one.
        policy_date: Effective date of the policy agreed to.
        at: When, with a time zone.
        by: A label of who decided; never leaves.
        is_hypothetical: A question ("what if?"), not an answer: it can be previewed and never sent.
    """

    state: ConsentState = ConsentState.UNDECIDED
    scope: frozenset[DataType] = frozenset()
    catalogue: str = ""
    catalogue_version: int = 0
    catalogue_digest: str = ""
    profile: Profile | None = None
    fields: Mapping[Profile, Mapping[str, str]] = field(default_factory=dict)
    policy_date: date | None = None
    at: datetime | None = None
    by: str = ""
    is_hypothetical: bool = False

    def __post_init__(self) -> None:
        """Take plain words for what they name, and refuse others."""
        try:
            object.__setattr__(self, "state", ConsentState(self.state))
            object.__setattr__(self, "scope", frozenset(DataType(name) for name in self.scope))
            object.__setattr__(self, "profile", None if self.profile is None else Profile(self.profile))
        except ValueError:
            raise UsageError("A consent has a known state, scope and profile.", rule="consent") from None

    def grant(self, terms: Terms, *, at: datetime, by: str = "", scope: Iterable[DataType] = DEFAULT_SCOPE) -> Consent:
        """
        Return the consent after a yes to *scope* under *terms*.

        Policy: privacy-policy@2023-01-05#toggle.

        Raises:
            UsageError: ``scope`` if it is empty or names what is never shared; ``time-zone`` if *at* has none.
        """
        scope = frozenset(scope)
        if not scope or not scope <= set(SCOPES):
            raise UsageError(
                "A consent names one or more of usage, app and account; nothing else can be agreed to.", rule="scope"
            )
        return Consent(
            state=ConsentState.GRANTED,
            scope=scope,
            catalogue=terms.catalogue.name,
            catalogue_version=terms.catalogue.version,
            catalogue_digest=terms.catalogue.digest,
            profile=terms.profile,
            fields=MappingProxyType(
                {p: terms.catalogue.fields(p) for p in Profile if p.coarseness >= terms.profile.coarseness}
            ),
            policy_date=terms.policy.effective,
            at=_aware(at),
            by=by,
        )

    def decline(self, *, at: datetime, by: str = "") -> Consent:
        """Return the consent after a no; it stays no across upgrades."""
        return Consent(state=ConsentState.DECLINED, at=_aware(at), by=by)

    def withdraw(self, *, at: datetime, by: str = "") -> Consent:
        """
        Return the consent after a yes was taken back; where there was none, it is declined.

        Policy: privacy-policy@2023-01-05#toggle.
        """
        if self.state not in (ConsentState.GRANTED, ConsentState.WITHDRAWN):
            return self.decline(at=at, by=by)
        return Consent(state=ConsentState.WITHDRAWN, at=_aware(at), by=by)


def what_if(terms: Terms, *, at: datetime, scope: Iterable[DataType] = DEFAULT_SCOPE) -> Consent:
    """
    Return the consent that answers "what would be sent if the admin had agreed before this document was made?".

    It is marked as hypothetical: whatever it clears can be looked at and not be sent.
    """
    return replace(Consent().grant(terms, at=at, scope=scope), is_hypothetical=True)


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise UsageError("The moment of a decision needs a time zone.", rule="time-zone")
    return at
