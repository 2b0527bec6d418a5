"""
The rules of the gate: each looks at one thing, and says what it found if that closes the gate or narrows it.

Every reason there is comes from here; :mod:`rc_stats.decision` asks all of them, always. No reason holds a value of the
document.

Policy: privacy-policy@2023-01-05#statistics-sharing, #toggle, #kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from rc_stats.anonymise import Evidence
from rc_stats.catalogue import field_changes
from rc_stats.circumstances import SWITCHES, Effect, Objections, Reason, Switches, Workspace
from rc_stats.consent import SCOPES, Consent, ConsentState, Terms
from rc_stats.policy import Condition, DataType, Policy, Recipient, Verdict, WorkspaceKind

_BACK: Final = timedelta(hours=1)


class When(NamedTuple):
    """When the document was made, as far as it matters; nothing of it without a document."""

    is_in_future: bool = False
    is_undated: bool = False
    is_before_consent: bool = False


def about_clock(now: datetime, latest: datetime | None, policy: Policy) -> Iterator[Reason]:
    """Yield what makes the caller's clock one that can't be gone by."""
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


def about_workspace(workspace: Workspace, evidence: Evidence | None, policy: Policy) -> Iterator[Reason]:
    """Yield what the kind of the workspace forbids, and a disagreement with the document on it."""
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


def about_switches(switches: Switches, policy: Policy) -> Iterator[Reason]:
    """Yield each kill switch that is on."""
    for name in switches.on:
        code, clause = SWITCHES.get(name, ("switch-other", "toggle"))
        yield _reason(
            policy, code, clause, f"The environment variable {name} is set.", f"Unset {name}, or set it to 0."
        )


def about_consent(consent: Consent, terms: Terms, recipient: Recipient, now: datetime) -> Iterator[Reason]:
    """Yield what the consent doesn't cover; no yes at all is the only reason where there is none."""
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
    at = zoned(consent.at)
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


def about_document(consent: Consent, when: When, policy: Policy) -> Iterator[Reason]:
    """Yield what is wrong with when the document was made. A "what if?" has no date to be before."""
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


def latest_of(*moments: datetime | None) -> datetime | None:
    """Return the latest of those *moments* that are any."""
    return max((known for moment in moments if (known := zoned(moment)) is not None), default=None)


def zoned(moment: datetime | None) -> datetime | None:
    """Return *moment* if it says which zone it is of; without, it is no moment."""
    return moment if moment is not None and moment.utcoffset() is not None else None


def about_recipient(recipient: Recipient, objections: Objections, policy: Policy) -> Iterator[Reason]:
    """Yield what the admin objects to: companies, and countries."""
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


def about_data_types(
    workspace: Workspace, consent: Consent, evidence: Evidence | None, policy: Policy
) -> Iterator[Reason]:
    """Yield each data type that stays here: by the policy, by the scope, or by a condition."""
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


def about_what_is_left(allowed: frozenset[DataType], policy: Policy) -> Iterator[Reason]:
    """Yield that no data type is left of *allowed*, if so."""
    if not allowed:
        yield _reason(
            policy,
            "nothing-left",
            "statistics-sharing",
            "No data type is left that may leave.",
            "Agree to another data type.",
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


def about_fields(consent: Consent, terms: Terms) -> Iterator[Reason]:
    """Yield the metrics that are new or changed since the admin agreed, if there are any."""
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
