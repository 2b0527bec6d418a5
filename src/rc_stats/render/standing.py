"""What an admin is told of a workspace's standing, and of what a yes would mean. No value of a document is in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rc_stats.circumstances import Reason
from rc_stats.configuration import Loaded
from rc_stats.consent import SCOPES, Consent, ConsentState
from rc_stats.gate import Effect
from rc_stats.outcome import Offer, Status
from rc_stats.policy import DataType, Recipient, Subprocessor
from rc_stats.render.layout import NARROWEST, Style, plain, styled, wrapped
from rc_stats.render.text import FOLDED, WIDEST, as_text
from rc_stats.render.view import view_of
from rc_stats.render.words import how_ended, many
from rc_stats.wire import canonical

if TYPE_CHECKING:
    from rc_stats.store import Entry

_LABEL: Final = 11
_CHANGES: Final = {"added": "new", "changed": "finer or otherwise changed", "removed": "no longer sent"}


def readable(width: int) -> int:
    """Return the columns of a page on a terminal of *width*."""
    return max(min(width, WIDEST), NARROWEST)


def moment_text(moment: datetime) -> str:
    """Return *moment* to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def scope_text(scope: Iterable[DataType]) -> str:
    """Return *scope* as an option spells it."""
    named = frozenset(scope)
    return ",".join(data_type for data_type in SCOPES if data_type in named)


def ended_text(period: str, ended: str) -> str:
    """Return how a period ended, as a sentence."""
    return f"The report for {period} {how_ended(ended)}."


# The standing --------------------------------------------------------------------------------------------------------


def status_text(status: Status, loaded: Loaded, *, width: int = 80, style: Style = plain) -> str:
    """Return *status* for a person: the verdict first, then who, what and why, then where each setting came from."""
    width = readable(width)
    lines = [*styled(wrapped(_headline(status), width), style, "yes" if _is_open(status) else "no"), ""]
    for label, text in _facts(status):
        lines += wrapped(text, width, f"{f'{label}:' if label else '':<{_LABEL}}", " " * _LABEL)
    for title, reasons in (
        ("The rules that say no", status.decision.closing),
        ("The rules that keep a part here", _narrowing(status)),
    ):
        if reasons:
            lines += ["", style(title, "heading"), *_rules(reasons, width, style)]
    lines += ["", style("The configuration", "heading"), *_settings(loaded, style)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def status_data(status: Status, loaded: Loaded) -> dict[str, Any]:
    """Return *status* for machines."""
    error = status.source_error
    policy, catalogue = status.terms.policy, status.terms.catalogue
    return {
        "at": status.at.isoformat(),
        "catalogue": {"digest": catalogue.digest, "name": catalogue.name, "version": catalogue.version},
        "configuration": [{"key": key, "value": value, "origin": origin} for key, value, origin in loaded.shown()],
        "configuration_file": None if loaded.file is None else str(loaded.file),
        "consent": _consent_data(status.consent),
        "ended": status.ended,
        "headline": _headline(status),
        "kept": None if status.kept is None else {"period": status.kept.period, "sha256": status.kept.sha256},
        "pending": [
            {
                "attempts": pending.attempts,
                "bytes": len(pending.body),
                "frozen_at": pending.frozen_at.isoformat(),
                "period": pending.period,
                "sha256": pending.sha256,
            }
            for pending in status.pending
        ],
        "period": status.period,
        "policy": {"effective": policy.effective.isoformat(), "title": policy.title},
        "profile": str(status.terms.profile),
        "recipient": {
            "country": status.recipient.country,
            "name": status.recipient.name,
            "subprocessors": [{"locations": list(s.locations), "name": s.name} for s in status.recipient.subprocessors],
            "url": status.recipient.url,
        },
        "rules": [
            {
                "citation": reason.clause,
                "code": reason.code,
                "effect": str(reason.effect),
                "message": reason.message,
                "remedy": reason.remedy,
            }
            for reason in (*status.decision.closing, *_narrowing(status))
        ],
        "sent": None if status.sent is None else {"at": status.sent.at.isoformat(), "period": status.sent.period},
        "source_error": error and {"message": error.message, "remedy": error.remedy, "rule": error.rule},
        "verdict": "would-be-sent" if _is_open(status) else "nothing-would-be-sent",
        "workspace": str(status.workspace.kind),
    }


def _consent_data(consent: Consent) -> dict[str, Any]:
    data = consent.to_data()
    del data["fields"]
    return {**data, "by": consent.by}


def _is_open(status: Status) -> bool:
    return status.kept is not None or (status.source_error is None and status.decision.is_open)


def _narrowing(status: Status) -> Sequence[Reason]:
    """Return what keeps a part here; nothing of it counts where nothing was agreed to."""
    if status.consent.state is not ConsentState.GRANTED:
        return ()
    return [reason for reason in status.decision.reasons if reason.effect is Effect.NARROWS]


def _headline(status: Status) -> str:
    if status.kept is not None:
        size = many(len(status.kept.body), "byte")
        return f"Kept until it is delivered: the report for {status.kept.period}, {size}."
    if status.decision.closing:
        first, *others = status.decision.closing
        more = f" ({many(len(others), 'more rule')} say{'s' if len(others) == 1 else ''} no)" if others else ""
        return f"Nothing would be sent: {first.message[0].lower()}{first.message[1:-1]}{more}."
    if status.source_error is not None:
        return f"Nothing would be sent: {status.source_error.message[0].lower()}{status.source_error.message[1:]}"
    if status.ended is not None:
        return f"Nothing is left to be sent for {status.period}."
    return f"Today's document would be sent, for {status.period}."


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    terms = status.terms
    yield "Consent", consent_text(status.consent)
    yield "Recipient", recipient_text(status.recipient)
    if status.recipient.subprocessors:
        yield "", f"It may pass statistics to {companies_text(status.recipient.subprocessors)}."
    yield "Workspace", str(status.workspace.kind)
    yield "Profile", str(terms.profile)
    yield "Catalogue", f"{terms.catalogue.name} version {terms.catalogue.version}, {terms.catalogue.digest[:19]}…"
    yield "Policy", f"{terms.policy.title}, {terms.policy.effective.isoformat()}"
    if status.source_error is not None:
        yield "Source", str(status.source_error)
    yield "Period", status.period if status.ended is None else ended_text(status.period, status.ended)
    sent = status.sent
    yield "Last sent", "never" if sent is None else f"the report for {sent.period}, at {moment_text(sent.at)}"
    yield (
        "Pending",
        "; ".join(
            f"{pending.period}, {many(len(pending.body), 'byte')}, {many(pending.attempts, 'attempt')} so far, "
            f"sha256 {pending.sha256}"
            for pending in status.pending
        )
        or "nothing",
    )


def consent_text(consent: Consent) -> str:
    """Return what was said, when and by whom."""
    text = str(consent.state)
    if consent.scope:
        text += f" for {scope_text(consent.scope)}"
    if consent.profile is not None:
        text += f", in profile {consent.profile} or coarser"
    if consent.at is not None:
        text += f", at {moment_text(consent.at)}"
    if consent.by:
        text += f", by {printable(consent.by)}"
    if consent.restricted_until is not None:
        text += f"; nothing leaves before {moment_text(consent.restricted_until)}"
    return text


def printable(text: str) -> str:
    """Return a label with what a terminal might obey spelt out."""
    return text if text.isprintable() else ascii(text)[1:-1]


def recipient_text(recipient: Recipient) -> str:
    """Return who gets it, where that is, and at which address."""
    return f"{recipient.name}, {recipient.country}, {recipient.url}"


def companies_text(companies: Iterable[Subprocessor]) -> str:
    """Return each company with its countries."""
    return "; ".join(f"{c.name} ({', '.join(c.locations) or 'the policy names no country'})" for c in companies)


def _rules(reasons: Iterable[Reason], width: int, style: Style) -> Iterator[str]:
    for reason in reasons:
        yield from wrapped(reason.message, width, "  ")
        yield from wrapped(f"What would change it: {reason.remedy or 'nothing.'}", width, "    ")
        yield from styled([f"    [{reason.code}, {reason.clause}]"], style, "quiet")


def _settings(loaded: Loaded, style: Style) -> Iterator[str]:
    rows = list(loaded.shown())
    wide = max(len(key) for key, _, _ in rows)
    for key, value, origin in rows:
        where = f"file: {loaded.file}" if origin == "file" else origin
        yield f"  {key:<{wide}}  {printable(value)}  {style(f'({where})', 'quiet')}"


# What a yes would mean -----------------------------------------------------------------------------------------------


def offer_text(offer: Offer, recipient: Recipient, *, width: int = 80, style: Style = plain) -> str:
    """Return what an admin looks at before a yes: what would be sent, to whom, and what changed since the last yes."""
    view = view_of(offer.preview)
    others = tuple(rule for rule in view.closing if not rule.code.startswith("consent-"))
    headline = f"This is what a yes would send: {many(view.size, 'value')}, as of today's document."
    if others:
        message = others[0].message
        headline = f"Even after a yes nothing would be sent: {message[0].lower()}{message[1:]}"
    view = replace(view, closing=others, headline=headline, is_open=not others)
    width = readable(width)
    companies = companies_text(recipient.subprocessors)
    told = f"It may pass statistics to {companies}." if companies else "It names no company that it passes them to."
    lines = ["", style("Who gets it", "heading")]
    lines += [*wrapped(f"{recipient_text(recipient)}.", width, "  "), *wrapped(told, width, "  ")]
    lines += ["", style("What changed since the last yes", "heading")]
    lines += [line for text in _changes(offer) for line in wrapped(text, width, "  ", "      ")]
    return as_text(view, width=width, style=style, most=FOLDED) + "\n".join(lines) + "\n"


def _changes(offer: Offer) -> Iterator[str]:
    if not offer.was_agreed:
        yield "There was none before."
        return
    told = [*_terms_changed(offer)]
    says = {metric.emit: metric.says for metric in offer.preview.terms.catalogue.metrics.values()}
    for change in offer.changes:
        what = f"    {change.path}, {_CHANGES[change.what]}"
        told.append(f"{what}: {says[change.path]}" if change.path in says else f"{what}.")
    yield from told or ["Nothing."]


def _terms_changed(offer: Offer) -> Iterator[str]:
    terms = offer.preview.terms
    if offer.is_new_policy:
        yield f"The policy is another one: that of {terms.policy.effective.isoformat()}."
    if offer.is_new_recipient:
        yield "The recipient is another one."
    if offer.is_finer:
        yield f"The profile is finer: {terms.profile}. All values may be finer than those agreed to."
    if offer.changes:
        yield f"{many(len(offer.changes), 'metric')}:"


# The history ---------------------------------------------------------------------------------------------------------


def entry_text(entry: Entry, *, width: int = 0) -> str:
    """Return an entry of the history as one line, or folded to *width* columns."""
    details = {key: value for key, value in entry.details.items() if value not in (None, "", [], 0) and key != "at"}
    told = [f"{key}={_spelt(value)}" for key, value in sorted({**details, **(entry.private or {})}.items())]
    about = " ".join(part for part in (entry.catalogue, entry.period) if part)
    head = f"{entry.number:>5}  {moment_text(entry.at)}  {entry.kind:<8}  "
    line = f"{head}{about}  {' '.join(told)}".rstrip()
    return "\n".join(wrapped(line, readable(width), more=" " * 7)) if width else line


_DIGEST: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}", re.ASCII)


def _spelt(value: Any) -> str:
    """Return a detail in short: a digest by its beginning, a structure by its size; a label whole."""
    if isinstance(value, str):
        return f"{value.removeprefix('sha256:')[:12]}…" if _DIGEST.fullmatch(value) else printable(value)
    if isinstance(value, Mapping | list) and any(isinstance(item, Mapping | list) for item in _items(value)):
        return f"({len(value)})"
    if isinstance(value, Mapping):
        return ",".join(f"{printable(key)}:{_spelt(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return ",".join(map(_spelt, value))
    return canonical(value).decode().strip()


def _items(value: Mapping[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value


def entry_data(entry: Entry) -> dict[str, Any]:
    """Return an entry of the history for machines."""
    return {
        "at": entry.at.isoformat(),
        "catalogue": entry.catalogue,
        "details": dict(entry.details),
        "digest": entry.digest,
        "kind": entry.kind,
        "number": entry.number,
        "period": entry.period,
        "private": None if entry.private is None else dict(entry.private),
    }
