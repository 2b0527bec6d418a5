"""What the page says: verdicts, moments, periods and entries of the history, in words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rc_stats.circumstances import Effect, Reason
from rc_stats.consent import SCOPES, Consent, ConsentState
from rc_stats.policy import DataType, Policy, Recipient
from rc_stats.render.view import Rule, View
from rc_stats.render.words import grouped, how_ended, many

if TYPE_CHECKING:
    from rc_stats.outcome import Prepared, Status
    from rc_stats.store import Entry

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)

SCOPE_WORDS: Final = {
    DataType.USAGE: ("Usage", "totals of users, rooms, messages and sessions, and which features are on"),
    DataType.APP: ("Apps", "how many apps there are; only if any is installed"),
    DataType.ACCOUNT: ("Account", "answers of the setup wizard"),
}
"""By data type that can be agreed to: its name on the page, and what it is."""

_REMEDIES: Final = {
    "consent-undecided": "Turn sharing on, on the overview.",
    "consent-declined": "Turn sharing on, on the overview.",
    "consent-withdrawn": "Turn sharing on, on the overview.",
    "workspace-unregistered": "Register the workspace, then say so where this page is set up.",
    "workspace-disagreement": "Correct what this page was told of the workspace, or the server's DEPLOY_PLATFORM.",
    "scope-usage": "Agree to it as well, on the overview.",
    "scope-app": "Agree to it as well, on the overview.",
    "scope-account": "Agree to it as well, on the overview.",
}
"""By code, where the gate's own remedy names an option of the command line."""

STATES: Final = {
    "sent": "Sent",
    "rejected": "Refused by the recipient",
    "unknown": "Given up; it may have arrived",
    "pending": "Waiting to be delivered",
}
"""By how a period stands."""


def date_text(moment: datetime) -> str:
    """Return the day of *moment* in UTC, such as ``17 August 2026``."""
    utc = _in_utc(moment)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}"


def moment_text(moment: datetime) -> str:
    """Return *moment* to the minute, in UTC."""
    return f"{date_text(moment)}, {_in_utc(moment):%H:%M} UTC"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):  # of an edited entry, at an end of all time
        return moment


def period_text(period: str) -> str:
    """Return a period as people say it: ``August 2026`` or ``17 August 2026``; another text as it is."""
    year, *rest = period.split("-")
    if not (
        1 <= len(rest) <= 2
        and all(part.isascii() and part.isdigit() and len(part) <= len("2026") for part in (year, *rest))
        and 1 <= int(rest[0]) <= len(_MONTHS)
    ):
        return printable(period)
    day = f"{int(rest[1])} " if len(rest) > 1 else ""
    return f"{day}{_MONTHS[int(rest[0]) - 1]} {year}"


def printable(text: str) -> str:
    """Return a label with what could change the direction or the look of the text around it taken out."""
    return "".join(c for c in text if c.isprintable() or c == "\N{NO-BREAK SPACE}")


def inside(name: str) -> str:
    """Return the *name* of a recipient as it stands inside a sentence."""
    return f"the {name.removeprefix('The ')}" if name.startswith("The ") else name


def scope_text(scope: Sequence[str] | frozenset[DataType]) -> str:
    """Return data types in words."""
    names = [SCOPE_WORDS[data_type][0].lower() for data_type in SCOPES if data_type in scope]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def ended_text(period: str, ended: str) -> str:
    """Return how a period ended, as a clause."""
    return f"the report for {period_text(period)} {how_ended(ended)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Where the workspace stands, first thing on the page.

    Attributes:
        tone: ``on``, ``off``, ``paused``, or ``held`` if there is a yes and something else says no.
        label: Of the toggle.
        headline: What would happen now, in one sentence.
    """

    tone: str
    label: str
    headline: str


def verdict_of(status: Status, prepared: Prepared | None, view: View | None) -> Verdict:
    """
    Return the verdict.

    Args:
        prepared, view: What would be sent and how it is shown; None if the source can't be read.
    """
    tone, label = _toggle(status.consent, status.at)
    headline, is_held = _headline(status, prepared, view)
    return Verdict("held" if tone == "on" and is_held else tone, label, headline)


def _toggle(consent: Consent, now: datetime) -> tuple[str, str]:
    if consent.state is not ConsentState.GRANTED:
        return "off", "Sharing is off"
    if consent.restricted_until is not None and now < consent.restricted_until:
        return "paused", f"Sharing is paused until {date_text(consent.restricted_until)}"
    return "on", "Sharing is on"


def _headline(status: Status, prepared: Prepared | None, view: View | None) -> tuple[str, bool]:
    """Return the sentence, and whether something else than the toggle holds sending back."""
    if prepared is not None and prepared.is_kept and prepared.payload is not None:
        size = many(len(prepared.payload.body), "byte")
        return f"Kept until it is delivered: the report for {period_text(prepared.period)}, {size}.", True
    if status.decision.closing:
        first, *others = status.decision.closing
        more = f" ({many(len(others), 'more rule')} say{'s' if len(others) == 1 else ''} no)" if others else ""
        return f"Nothing would be sent: {first.message[0].lower()}{first.message[1:-1]}{more}.", True
    if view is None or prepared is None:
        return "Nothing would be sent: today's statistics can't be read.", True
    if prepared.ended is not None:
        return f"Nothing is left to send: {ended_text(prepared.period, prepared.ended)}.", prepared.ended != "sent"
    what = f"{many(view.size, 'value')} in {many(0 if view.payload is None else len(view.payload.body), 'byte')}"
    return f"This would be sent: {what}, for {period_text(prepared.period)}.", False


def rules_of(reasons: Sequence[Reason], policy: Policy, effect: Effect) -> tuple[Rule, ...]:
    """Return the *reasons* of *effect* with the policy's words, and remedies that can be taken on this page."""
    return tuple(
        Rule(
            reason.code,
            reason.effect,
            reason.message,
            _REMEDIES.get(reason.code, reason.remedy),
            reason.clause,
            policy.clauses[reason.clause.rpartition("#")[2]].quote,
        )
        for reason in reasons
        if reason.effect is effect
    )


def recipient_text(recipient: Recipient) -> str:
    """Return who gets it, and where that is."""
    return f"{recipient.name}, {recipient.country}"


# The history ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """
    One entry of the history in words.

    Attributes:
        who: The label that was recorded with it; empty if there is none any more.
    """

    number: int
    at: datetime
    what: str
    detail: str
    who: str


def told(entry: Entry) -> Told:
    """Return *entry* in words; one that was edited into something else is told to be that."""
    try:
        what, detail = _WORDS.get(entry.kind, _other)(entry.period, entry.details)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        what, detail = f"Entry {entry.number} can't be read", "It is not as it was written."
    who = (entry.private or {}).get("by", "")
    shown = printable(who) if isinstance(who, str) else ""
    return Told(entry.number, entry.at, printable(what), printable(detail), shown)


def _consent(_: str, details: Mapping[str, Any]) -> tuple[str, str]:
    if details["restricted_until"]:
        return "Paused", f"until {moment_text(datetime.fromisoformat(details['restricted_until']))}"
    if details["state"] == ConsentState.GRANTED:
        return "Turned on", f"{scope_text(details['scope'])}, profile {details['profile']}"
    return ("Turned off", "") if details["state"] == ConsentState.WITHDRAWN else ("Declined", "")


def _refusal(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    return f"Nothing sent for {period_text(period)}", ", ".join(details["codes"])


def _report(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Report for {period_text(period)} made",
        f"{many(details['size'], 'byte')}, sha256 {details['sha256'][:12]}…",
    )


def _attempt(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    return f"Attempt {details['attempt']} for {period_text(period)}", ""


def _failure(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    status = f", status {details['status']}" if details["status"] is not None else ""
    end = "; refused for good" if details["is_final"] else "; it is tried again"
    return f"Attempt {details['attempt']} for {period_text(period)} failed", f"{details['code']}{status}{end}"


def _receipt(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    return f"Report for {period_text(period)} sent", f"attempt {details['attempt']}, status {details['status']}"


def _discard(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    end = "; it may have arrived" if details["is_tried"] else ""
    return f"Report for {period_text(period)} destroyed here", f"{details['reason']}{end}"


def _erasure(period: str, details: Mapping[str, Any]) -> tuple[str, str]:
    what = f"Erased {period_text(period)}" if period else "Erased everything"
    return what, f"{many(details['payloads'], 'payload')}, {many(details['private'], 'private part')}"


def _prune(_: str, details: Mapping[str, Any]) -> tuple[str, str]:
    removed = details["removed"]
    return "Old entries removed", f"{grouped(removed)} {'entry' if removed == 1 else 'entries'}"


def _other(_: str, __: Mapping[str, Any]) -> tuple[str, str]:
    return "Something that this version doesn't know", ""


_WORDS: Final = {
    "consent": _consent,
    "refusal": _refusal,
    "report": _report,
    "attempt": _attempt,
    "failure": _failure,
    "receipt": _receipt,
    "discard": _discard,
    "erasure": _erasure,
    "prune": _prune,
}
