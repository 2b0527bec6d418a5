"""
The decision: whether anything may leave, which data types, and every rule that closes the gate or narrows it.

:func:`decide` is pure and total: it looks at everything, never stops at the first reason, and any doubt is a no.

Policy: privacy-policy@2023-01-05#statistics-sharing, #toggle, #kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Profile, field_changes
from rc_stats.consent import SCOPES, Consent, ConsentState, Terms
from rc_stats.errors import UsageError
from rc_stats.policy import Condition, DataType, Policy, Recipient, Verdict, WorkspaceKind

_CLOCK_DOUBT: Final = timedelta(days=1)
_BACK: Final = timedelta(hours=1)


class Effect(StrEnum):
    """What a reason does: close the gate, or keep a part of the statistics here."""

    CLOSES = "closes"
    NARROWS = "narrows"


@dataclass(frozen=True, slots=True)
class Reason:
    """
    One rule that decided.

    Attributes:
        code: Stable, in kebab case.
        clause: Citation of the policy.
        message: What the rule found, without any value of the document.
        remedy: What would change it; empty where nothing would.
        data_type: The data type that stays here, for a rule that narrows to one.
        metrics: Payload paths that stay here, for a rule about single metrics.
    """

    code: str
    effect: Effect
    clause: str
    message: str
    remedy: str = ""
    data_type: DataType | None = None
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Switches:
    """
    The kill switches. They can only close the gate.

    Attributes:
        on: Names of the environment variables that are set to anything but ``0``, ``false`` or nothing.
    """

    on: tuple[str, ...] = ()

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> Switches:
        """Return the switches that *environment* sets."""
        off = {"", "0", "false"}
        return Switches(tuple(name for name in _SWITCHES if environment.get(name, "").strip().lower() not in off))


_SWITCHES: Final = {
    "RC_STATS_DISABLE": ("switch-rc-stats", "toggle"),
    "DO_NOT_TRACK": ("switch-do-not-track", "do-not-track"),
    "RC_DISABLE_STATISTICS_REPORTING": ("switch-upstream", "toggle"),
}


@dataclass(frozen=True, slots=True)
class Objections:
    """
    What the admin doesn't want of a recipient.

    Attributes:
        subprocessors: Names, as the policy's list spells them, in any case.
        countries: Where statistics may be processed; None for anywhere.
    """

    subprocessors: frozenset[str] = frozenset()
    countries: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """
    What the caller says of the workspace; a document can't prove it.

    Attributes:
        kind: The strictest unless told otherwise.
    """

    kind: WorkspaceKind = WorkspaceKind.UNREGISTERED
    objections: Objections = field(default_factory=Objections)

    def __post_init__(self) -> None:
        """Take a plain word for the kind that it names, and refuse others."""
        try:
            object.__setattr__(self, "kind", WorkspaceKind(self.kind))
        except ValueError:
            raise UsageError("A workspace is unregistered, registered or hosted.", rule="workspace") from None


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
        self._clock = tuple(_about_clock(now, latest, terms.policy))
        self._now = now if now.utcoffset() is not None else now.replace(tzinfo=UTC)
        self._workspace, self._recipient, self._terms = workspace, recipient, terms
        self._switches = tuple(_about_switches(switches, terms.policy))
        self._places = tuple(_about_recipient(recipient, workspace.objections, terms.policy))
        self._data_types: dict[object, tuple[Reason, ...]] = {}
        self._agree(consent)

    def under(self, consent: Consent) -> Standing:
        """Return the same under another *consent*; what doesn't depend on it is not looked at again."""
        other = copy(self)
        other._agree(consent)  # noqa: SLF001 - its own class
        return other

    def _agree(self, consent: Consent) -> None:
        self._consent = consent
        self._agreed_at = _latest(consent.at, consent.restricted_until)
        self._said = tuple(_about_consent(consent, self._terms, self._recipient, self._now))
        self._fields = tuple(_about_fields(consent, self._terms))
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

    def _when(self, evidence: Evidence | None) -> _When:
        if evidence is None:
            return _When()
        made_at = _zoned(evidence.made_at)
        is_before = made_at is not None and self._agreed_at is not None and made_at < self._agreed_at
        return _When(made_at is not None and made_at - self._now > _CLOCK_DOUBT, made_at is None, is_before)

    def _answer(
        self, evidence: Evidence | None, when: _When
    ) -> tuple[frozenset[DataType], frozenset[str], tuple[Reason, ...]]:
        policy = self._terms.policy
        reasons = [
            *self._clock,
            *_about_workspace(self._workspace, evidence, policy),
            *self._switches,
            *self._said,
            *_about_document(self._consent, when, policy),
            *self._places,
        ]
        narrowing = [*self._about_data_types(evidence), *self._fields]
        staying = {reason.data_type for reason in narrowing if reason.data_type is not None}
        allowed = _EVERY_TYPE - staying
        if not reasons and not allowed:
            reasons.append(
                _reason(
                    policy,
                    "nothing-left",
                    "statistics-sharing",
                    "No data type is left that may leave.",
                    "Agree to another data type.",
                )
            )
        without = frozenset(path for reason in narrowing for path in reason.metrics)
        return frozenset() if reasons else allowed, without, (*reasons, *narrowing)

    def _about_data_types(self, evidence: Evidence | None) -> tuple[Reason, ...]:
        case = (self._consent.state, self._consent.scope, evidence is not None and evidence.has_apps)
        if case not in self._data_types:
            self._data_types[case] = tuple(
                _about_data_types(self._workspace, self._consent, evidence, self._terms.policy)
            )
        return self._data_types[case]


_EVERY_TYPE: Final = frozenset(DataType)


class _When(NamedTuple):
    """When the document was made, as far as it matters; nothing of it without a document."""

    is_in_future: bool = False
    is_undated: bool = False
    is_before_consent: bool = False


# By identity: an equal decision is another one, and its entry must not go when the first of them does.
_DECIDED: Final[WeakValueDictionary[int, Decision]] = WeakValueDictionary()


def is_taken(decision: Decision) -> bool:
    """Say whether :func:`decide` took this very decision: one that somebody made or changed is none."""
    return _DECIDED.get(id(decision)) is decision


def _about_clock(now: datetime, latest: datetime | None, policy: Policy) -> Iterator[Reason]:
    if now.utcoffset() is None:
        yield _reason(
            policy, "clock-without-zone", "toggle", "The caller's clock has no time zone.", "Pass a time with a zone."
        )
    if not 2000 < now.year < 2099:
        yield _reason(
            policy, "clock-implausible", "toggle", "The caller's clock is not of this century.", "Set the clock."
        )
    elif latest is not None and now.utcoffset() is not None and now < latest - _BACK:
        yield _reason(
            policy,
            "clock-went-back",
            "toggle",
            "The clock says less than the history does, so it is or was wrong.",
            "Set the clock. If it is right now, agree again: rc-stats opt-in.",
        )


def _reason(policy: Policy, code: str, clause: str, message: str, remedy: str = "") -> Reason:
    return Reason(code, Effect.CLOSES, policy.clauses[clause].citation, message, remedy)


def _about_workspace(workspace: Workspace, evidence: Evidence | None, policy: Policy) -> Iterator[Reason]:
    if workspace.kind is WorkspaceKind.UNREGISTERED:
        yield _reason(
            policy,
            "workspace-unregistered",
            "registration",
            "This workspace is not registered.",
            "Register the workspace, then say so: --workspace registered.",
        )
    elif evidence is not None and evidence.is_hosted is not None:
        is_hosted = workspace.kind is WorkspaceKind.HOSTED
        if is_hosted != evidence.is_hosted:
            yield _reason(
                policy,
                "workspace-disagreement",
                "kinds",
                "The document and the caller disagree on whether the vendor hosts this workspace.",
                "Correct --workspace, or DEPLOY_PLATFORM in the server's environment.",
            )


def _about_switches(switches: Switches, policy: Policy) -> Iterator[Reason]:
    for name in switches.on:
        code, clause = _SWITCHES.get(name, ("switch-other", "toggle"))
        yield _reason(
            policy, code, clause, f"The environment variable {name} is set.", f"Unset {name}, or set it to 0."
        )


def _about_consent(consent: Consent, terms: Terms, recipient: Recipient, now: datetime) -> Iterator[Reason]:
    policy = terms.policy
    if consent.state is not ConsentState.GRANTED:
        message = {
            ConsentState.UNDECIDED: "Nobody has agreed to share statistics.",
            ConsentState.DECLINED: "The admin declined to share statistics.",
            ConsentState.WITHDRAWN: "The admin withdrew the consent to share statistics.",
        }[consent.state]
        yield _reason(
            policy,
            f"consent-{consent.state}",
            "statistics-sharing",
            message,
            "Only an admin can change it: to see what a yes would send, add --opt-in.",
        )
        return
    at = _zoned(consent.at)
    if at is None or at > now:
        yield _reason(
            policy,
            "consent-in-future",
            "toggle",
            "The consent is dated after now, or has no date.",
            "Check the clock, or agree again.",
        )
    if consent.restricted_until is not None and not _is_over(consent.restricted_until, now):
        yield _reason(
            policy,
            "consent-restricted",
            "rights-restrict",
            "The admin asked that nothing be sent for a while.",
            "It ends by itself; agree again to end it now.",
        )
    if consent.recipient != recipient.url:
        yield _reason(
            policy,
            "recipient-other",
            "statistics-sharing",
            "The consent was given to sending statistics to another recipient.",
            "Look at who the recipient is and agree again.",
        )
    if consent.policy_date != policy.effective:
        yield _reason(
            policy,
            "policy-changed",
            "changes",
            "The consent was given under a policy of another date.",
            "Read what changed and agree again.",
        )
    if consent.catalogue != terms.catalogue.name:
        yield _reason(
            policy,
            "catalogue-other",
            "third-party-apps",
            "The consent was given to another catalogue.",
            "Agree to this catalogue on its own.",
        )
    if consent.profile is None or terms.profile.coarseness < consent.profile.coarseness:
        yield _reason(
            policy,
            "profile-finer",
            "statistics-sharing",
            "The consent was given to a coarser profile.",
            "Use the profile that was agreed to, or agree again.",
        )


def _about_document(consent: Consent, when: _When, policy: Policy) -> Iterator[Reason]:
    if when.is_in_future:
        yield _reason(
            policy, "document-in-future", "toggle", "The document is dated after now.", "Check the server's clock."
        )
    if consent.state is not ConsentState.GRANTED or consent.is_hypothetical:
        return
    if when.is_undated:
        yield _reason(
            policy,
            "document-undated",
            "toggle",
            "The document doesn't say when it was made, so it may be older than the consent.",
            "Use a document with a readable createdAt.",
        )
    elif when.is_before_consent:
        yield _reason(
            policy,
            "document-before-consent",
            "toggle",
            "The document was made before the admin agreed.",
            "Wait for the next daily document.",
        )


def _is_over(moment: datetime, now: datetime) -> bool:
    return moment.utcoffset() is not None and moment <= now


def _latest(*moments: datetime | None) -> datetime | None:
    return max((zoned for moment in moments if (zoned := _zoned(moment)) is not None), default=None)


def _zoned(moment: datetime | None) -> datetime | None:
    """Return *moment* if it says which zone it is of; without, it is no moment."""
    return moment if moment is not None and moment.utcoffset() is not None else None


def _about_recipient(recipient: Recipient, objections: Objections, policy: Policy) -> Iterator[Reason]:
    refused = {name.casefold() for name in objections.subprocessors}
    companies = {recipient.name: (recipient.name,), **{s.name: (s.name, *s.aliases) for s in recipient.subprocessors}}
    names = [name for name, spellings in companies.items() if refused & {s.casefold() for s in spellings}]
    if names:
        yield _reason(
            policy,
            "recipient-objection",
            "subprocessor-objection",
            f"The admin objects to {', '.join(names)}; {recipient.name} may pass statistics there.",
            "Withdraw the objection, or choose another recipient.",
        )
    listed = {s.casefold() for company in policy.subprocessors for s in (company.name, *company.aliases)}
    listed |= {other.name.casefold() for other in policy.recipients.values()}
    if not refused <= listed | {s.casefold() for spellings in companies.values() for s in spellings}:
        yield _reason(
            policy,
            "objection-unknown",
            "subprocessor-objection",
            "An objection names a company that is not on the policy's list of subprocessors.",
            "Spell the company as the list does, or take the objection back.",
        )
    if objections.countries is not None:
        allowed = {country.casefold() for country in objections.countries}
        places = {recipient.country, *(place for s in recipient.subprocessors for place in s.locations)}
        outside = sorted(place for place in places if place.casefold() not in allowed)
        unknown = any(not s.locations for s in recipient.subprocessors)
        if outside or unknown:
            where = [*outside, *(["places that the policy doesn't name"] if unknown else [])]
            yield _reason(
                policy,
                "recipient-country",
                "transfer",
                f"{recipient.name} may process statistics in {', '.join(where)}, which the admin doesn't allow.",
                "Allow these countries, or choose another recipient.",
            )


def _about_data_types(
    workspace: Workspace, consent: Consent, evidence: Evidence | None, policy: Policy
) -> Iterator[Reason]:
    for data_type in DataType:
        cell = policy.matrix[data_type, workspace.kind]
        clause = policy.clauses[cell.clause].citation
        if cell.verdict is Verdict.NEVER:
            message = (
                f"{_NAMES[data_type]} is never part of statistics of a workspace that is {_KINDS[workspace.kind]}."
            )
            is_lifted = policy.matrix[data_type, WorkspaceKind.REGISTERED].verdict is not Verdict.NEVER
            remedy = "Register the workspace." if is_lifted else ""
            yield Reason(f"never-{_dashed(data_type)}", Effect.NARROWS, clause, message, remedy, data_type)
            continue
        if consent.state is ConsentState.GRANTED and data_type not in consent.scope:
            yield Reason(
                f"scope-{_dashed(data_type)}",
                Effect.NARROWS,
                clause,
                f"{_NAMES[data_type]} is not in the scope that was agreed to.",
                f"Agree to it as well: --scope {_listed(consent.scope | {data_type})}.",
                data_type,
            )
        if cell.condition is Condition.APPS_INSTALLED and not (evidence is not None and evidence.has_apps):
            yield Reason(
                "apps-not-installed",
                Effect.NARROWS,
                clause,
                "App data stays here: no app is installed.",
                "It changes by itself once an app is installed.",
                data_type,
            )


def _depending(terms: Terms, new: frozenset[str]) -> frozenset[str]:
    """Return the metrics that are shown only beside a total that stays: without it nobody could check them."""
    catalogue = terms.catalogue
    people = catalogue.facts.people
    needs = {
        metric.emit: {
            catalogue.metrics[path].emit
            for path in (metric.of, *metric.less, people if treatment.needs_people else "")
            if path in catalogue.metrics
        }
        for metric, treatment in catalogue.leaving(terms.profile)
    }
    staying = set(new)
    while more := {emit for emit, totals in needs.items() if emit not in staying and totals & staying}:
        staying |= more
    return frozenset(staying)


def _about_fields(consent: Consent, terms: Terms) -> Iterator[Reason]:
    if consent.state is not ConsentState.GRANTED:
        return
    agreed, offered = consent.fields.get(terms.profile, {}), terms.fields()
    if agreed is offered or agreed == offered:
        return  # the usual case, and cheaper to see than to work out
    changes = field_changes(agreed, offered)
    new = frozenset(change.path for change in changes if change.what != "removed")
    if new:
        new |= _depending(terms, new)
    if new:
        yield Reason(
            "catalogue-grown",
            Effect.NARROWS,
            terms.policy.clauses["statistics-sharing"].citation,
            f"{len(new)} metric{'s are' if len(new) != 1 else ' is'} new or changed since the admin agreed.",
            "Look at what is new and agree again.",
            metrics=new,
        )


_NAMES: Final = {
    DataType.ACCOUNT: "Account data (the setup wizard's answers)",
    DataType.USAGE: "Usage data",
    DataType.APP: "App data",
    DataType.USER_CONTENT: "User content",
    DataType.TRACKING: "Tracking data",
}
_KINDS: Final = {
    WorkspaceKind.UNREGISTERED: "not registered",
    WorkspaceKind.REGISTERED: "registered",
    WorkspaceKind.HOSTED: "hosted by the vendor",
}


def _listed(scope: frozenset[DataType]) -> str:
    return ",".join(data_type for data_type in SCOPES if data_type in scope)


def _dashed(data_type: DataType) -> str:
    return data_type.replace("_", "-")


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
