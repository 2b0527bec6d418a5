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
from typing import Any, Final

from rc_stats.catalogue import Catalogue, Profile
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.policy import DataType, Policy, Recipient


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
        recipient: URL of the recipient agreed to.
        restricted_until: Granted, but nothing leaves before this moment; None if it isn't restricted.
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
    recipient: str = ""
    restricted_until: datetime | None = None
    is_hypothetical: bool = False

    def __post_init__(self) -> None:
        """Take plain words for what they name, and refuse others."""
        try:
            object.__setattr__(self, "state", ConsentState(self.state))
            object.__setattr__(self, "scope", frozenset(DataType(name) for name in self.scope))
            object.__setattr__(self, "profile", None if self.profile is None else Profile(self.profile))
        except ValueError:
            raise UsageError("A consent has a known state, scope and profile.", rule="consent") from None

    def grant(
        self,
        terms: Terms,
        *,
        at: datetime,
        by: str = "",
        scope: Iterable[DataType] = DEFAULT_SCOPE,
        recipient: Recipient | None = None,
    ) -> Consent:
        """
        Return the consent after a yes to *scope* under *terms*.

        Policy: privacy-policy@2023-01-05#toggle.

        Args:
            recipient: Who gets it; the policy's by default. A yes is a yes to this recipient.

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
            recipient=(recipient or terms.policy.recipient).url,
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

    def restrict(self, *, until: datetime, at: datetime, by: str = "") -> Consent:
        """
        Return the consent after a pause was asked for: what was agreed to stands, and nothing leaves before *until*.

        A document made during the pause is not sent after it either.

        Policy: privacy-policy@2023-01-05#rights-restrict.

        Raises:
            UsageError: ``restriction`` if there is no grant to pause, or *until* is not after *at*.
        """
        if self.state is not ConsentState.GRANTED:
            raise UsageError("Only a consent that was given can be paused.", rule="restriction")
        if _aware(until) <= _aware(at):
            raise UsageError("A pause ends after it begins.", rule="restriction", remedy="Name a moment to come.")
        return replace(self, restricted_until=until, at=_aware(at), by=by)

    def to_data(self) -> dict[str, Any]:
        """
        Return everything but who decided, as JSON has it.

        Raises:
            UsageError: ``hypothetical``: a question is not kept, or it could come back as an answer.
        """
        if self.is_hypothetical:
            raise UsageError("A hypothetical consent can't be kept.", rule="hypothetical")
        return {
            "at": None if self.at is None else self.at.isoformat(),
            "catalogue": self.catalogue,
            "catalogue_digest": self.catalogue_digest,
            "catalogue_version": self.catalogue_version,
            "fields": {str(profile): dict(fields) for profile, fields in self.fields.items()},
            "policy_date": None if self.policy_date is None else self.policy_date.isoformat(),
            "profile": None if self.profile is None else str(self.profile),
            "recipient": self.recipient,
            "restricted_until": None if self.restricted_until is None else self.restricted_until.isoformat(),
            "scope": sorted(self.scope),
            "state": str(self.state),
        }


def from_data(data: Mapping[str, Any], by: str = "") -> Consent:
    """
    Return the consent that :meth:`Consent.to_data` wrote as *data*. It is never hypothetical.

    Raises:
        UnusableInput: ``consent`` if a key is missing, unknown or of another kind.
    """
    try:
        consent = Consent(**_read(**data), by=by)
        is_whole = consent.to_data() == data
    except (TypeError, ValueError, AttributeError, UsageError):
        is_whole = False
    if not is_whole:
        raise UnusableInput("This is no stored consent.", rule="consent", remedy="Agree again.")
    return consent


def _read(
    *, at: Any, fields: Any, policy_date: Any, profile: Any, restricted_until: Any, scope: Any, **words: Any
) -> dict[str, Any]:
    if any(type(word) is not (int if key == "catalogue_version" else str) for key, word in words.items()):
        raise TypeError
    return {
        **words,
        "at": None if at is None else _aware(datetime.fromisoformat(at)),
        "fields": MappingProxyType({Profile(name): MappingProxyType(dict(f)) for name, f in fields.items()}),
        "policy_date": None if policy_date is None else date.fromisoformat(policy_date),
        "profile": None if profile is None else Profile(profile),
        "restricted_until": None if restricted_until is None else _aware(datetime.fromisoformat(restricted_until)),
        "scope": frozenset(DataType(name) for name in scope),
    }


def what_if(
    terms: Terms,
    *,
    at: datetime,
    scope: Iterable[DataType] = DEFAULT_SCOPE,
    recipient: Recipient | None = None,
) -> Consent:
    """
    Return the consent that answers "what would be sent if the admin had agreed before this document was made?".

    It is marked as hypothetical: whatever it clears can be looked at and not be sent.
    """
    return replace(Consent().grant(terms, at=at, scope=scope, recipient=recipient), is_hypothetical=True)


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise UsageError("The moment of a decision needs a time zone.", rule="time-zone")
    return at


def scopes_of(text: str) -> frozenset[DataType]:
    """
    Return the scope that *text* names, such as ``usage,app``.

    Raises:
        UsageError: ``scope``.
    """
    names = {name.strip() for name in text.split(",")}
    if not names or not names <= set(SCOPES):
        raise UsageError("A scope is one or more of usage, app and account, with commas between.", rule="scope")
    return frozenset(DataType(name) for name in names)
