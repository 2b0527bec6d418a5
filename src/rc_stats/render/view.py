"""
The view: what a person is told of a preview, in the order of telling. All faces show the same view.

It holds values of the payload, which are the catalogue's words and numbers, and no value of the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rc_stats.catalogue import Catalogue, Metric
from rc_stats.errors import UnusableInput
from rc_stats.findings import Action, Finding
from rc_stats.gate import Decision, Effect, Envelope, Payload, Reason
from rc_stats.people import Held
from rc_stats.policy import Policy
from rc_stats.previewing import Preview
from rc_stats.render.words import DONE, FROZEN_DONE, group_title, grouped, how_ended, many, singular, why
from rc_stats.sources import Newest
from rc_stats.wire import is_deeper, parse


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason of the decision, with the policy's own words."""

    code: str
    effect: str
    message: str
    remedy: str
    citation: str
    quote: str


@dataclass(frozen=True, slots=True)
class Row:
    """
    One value that leaves: what it is, and how it was made.

    Attributes:
        value: Spelt out; of a table all of it.
        unit: What a number counts, in the right number; empty for a word, a flag and what is no amount.
        parts: The rows of a table, each spelt out; empty for a single value.
    """

    path: str
    value: str
    says: str
    done: str
    unit: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one section of the info page."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Staying:
    """
    One path that stays here, and why.

    Attributes:
        value: What the document has there, spelt out; empty unless the admin asked to see values.
    """

    path: str
    action: str
    rule: str
    why: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Paths that stay for a common reason."""

    title: str
    paths: tuple[Staying, ...]


@dataclass(frozen=True, slots=True)
class View:
    """
    Everything that a face shows.

    Attributes:
        headline: The verdict in one sentence.
        is_open: Whether it would be sent.
        supposition: What the shown payload is, if it is not what would be sent; else empty.
        closing, narrowing: The rules that decided.
        sections: The shown payload.
        groups: What stays here.
        drift: What the catalogue doesn't know.
        about: Facts of the preview as label and text: document, workspace, profile, catalogue, policy.
    """

    headline: str
    is_open: bool
    supposition: str
    closing: tuple[Rule, ...]
    narrowing: tuple[Rule, ...]
    sections: tuple[Section, ...]
    groups: tuple[Group, ...]
    drift: tuple[str, ...]
    about: tuple[tuple[str, str], ...]
    payload: Payload | None
    envelope: Envelope | None

    @property
    def is_supposed(self) -> bool:
        """Whether the shown payload is not what would be sent."""
        return bool(self.supposition)

    @property
    def size(self) -> int:
        """How many values the shown payload has."""
        return sum(len(section.rows) for section in self.sections)

    @property
    def staying(self) -> int:
        """How many paths stay here."""
        return sum(len(group.paths) for group in self.groups)


def view_of(
    preview: Preview, *, newest: Newest | None = None, with_envelope: bool = False, show_values: bool = False
) -> View:
    """
    Return the view of *preview*.

    Args:
        newest: Where the document came from, if from a source.
        with_envelope: Also show URL, method and headers.
        show_values: Also spell what the document has at each path that stays. Needs *newest*.
    """
    terms, decision, shown = preview.terms, preview.decision, preview.shown
    rules = [_rule(reason, terms.policy) for reason in decision.reasons]
    judged = shown.decision if shown is not None else decision
    sections = _sections(preview.report.findings or (), shown, terms.catalogue)
    return View(
        headline=_headline(decision, shown, sum(len(section.rows) for section in sections)),
        is_open=decision.is_open,
        supposition="What a yes would send" if shown is not None and shown.is_hypothetical else "",
        closing=tuple(rule for rule in rules if rule.effect == Effect.CLOSES),
        narrowing=tuple(_rule(r, terms.policy) for r in judged.reasons if r.effect is Effect.NARROWS),
        sections=sections,
        groups=_groups(
            preview.report.findings or (),
            judged,
            shown,
            terms.catalogue,
            newest.document.body if newest is not None and show_values else None,
        ),
        drift=tuple(drift_lines(preview.report.findings or ())),
        about=tuple(_about(preview, newest)),
        payload=shown,
        envelope=shown.envelope if shown is not None and with_envelope else None,
    )


def reported(view: View, period: str, ended: str) -> View:
    """Return *view* where the report for *period* has *ended* in some way: of this document nothing is sent."""
    if not view.is_open:
        return view
    headline = f"Nothing would be sent: the report for {period} {how_ended(ended)}."
    return replace(view, headline=headline, is_open=False, supposition="What this document would tell")


def superseded(view: View, kept: Payload, catalogue: Catalogue, *, with_envelope: bool = False) -> View:
    """Return *view* where *kept*, frozen before, would be sent and nothing of this document."""
    sections = sections_of(kept.body, catalogue)
    size = many(sum(len(section.rows) for section in sections), "value")
    return replace(
        view,
        headline=f"This would be sent: {size} of the report for {kept.period}, kept until it is delivered.",
        is_open=True,
        supposition="",
        closing=(),
        sections=sections,
        payload=kept,
        envelope=kept.envelope if with_envelope else None,
    )


def statistics_of(body: bytes) -> Mapping[str, Any]:
    """Return the statistics that the payload *body* holds; none if it holds no such thing."""
    try:
        found = parse(body)["statistics"]
    except (UnusableInput, KeyError, TypeError):
        return {}
    return found if isinstance(found, Mapping) else {}


def sections_of(body: bytes, catalogue: Catalogue) -> tuple[Section, ...]:
    """Return the values of the payload *body* in words of *catalogue*; what that doesn't know is in the bytes alone."""
    statistics = statistics_of(body)
    rows: dict[str, list[Any]] = {}
    for metric in catalogue.metrics.values():
        value = None if metric.is_dropped else value_at(statistics, metric.emit)
        if value is not None:
            rows.setdefault(metric.section, []).append(row_of(metric, value))
    return tuple(Section(name, tuple(rows[name])) for name in sorted(rows, key=place_of))


def value_at(statistics: Any, path: str) -> Any:
    """Return what *statistics* have at *path*; None if nothing."""
    for step in path.split("."):
        if not isinstance(statistics, Mapping) or step not in statistics:
            return None
        statistics = statistics[step]
    return statistics


def _rule(reason: Reason, policy: Policy) -> Rule:
    clause = policy.clauses[reason.clause.rpartition("#")[2]]
    return Rule(reason.code, reason.effect, reason.message, reason.remedy, reason.clause, clause.quote)


def _headline(decision: Decision, shown: Payload | None, size: int) -> str:
    if not decision.is_open:
        first = decision.closing[0].message
        more = len(decision.closing) - 1
        others = f" ({more} more rule{'s' if more > 1 else ''} say{'s' if more == 1 else ''} no)" if more else ""
        return f"Nothing would be sent: {first[0].lower()}{first[1:-1]}{others}."
    assert shown is not None  # an open decision always clears  # noqa: S101
    what = f"{many(size, 'value')} in {many(len(shown.body), 'byte')}"
    if decision.is_hypothetical:
        return f"With a yes, this would be sent: {what}, for {shown.period}."
    return f"This would be sent: {what}, for {shown.period}."


def _sections(findings: Iterable[Finding], shown: Payload | None, catalogue: Catalogue) -> tuple[Section, ...]:
    if shown is None:
        return ()
    done = {f.emit: FROZEN_DONE if f.rule == Held.FROZEN.value else DONE[f.action] for f in findings if f.emit}
    statistics = parse(shown.body)["statistics"]
    sections: dict[str, list[Row]] = {}
    for metric in catalogue.metrics.values():
        if metric.is_dropped:
            continue
        value = _value_at(statistics, metric.emit)
        if value is not None:
            sections.setdefault(metric.section, []).append(row_of(metric, value, done.get(metric.emit, "")))
    return tuple(Section(name, tuple(sections[name])) for name in sorted(sections, key=place_of))


def row_of(metric: Metric, value: Any, done: str = "") -> Row:
    """Return what is told of the *value* that a payload has for *metric*."""
    parts = tuple(f"{key} {spell(inner)}" for key, inner in value.items()) if isinstance(value, Mapping) else ()
    return Row(metric.emit, ", ".join(parts) or spell(value), metric.says, done, unit_of(metric, value), parts)


_NO_AMOUNTS: Final = frozenset({"bit mask", "version number"})


def unit_of(metric: Metric, value: Any) -> str:
    """Return the unit of *value* in the right number; empty for what is no amount."""
    is_amount = isinstance(value, int | Mapping) and not isinstance(value, bool)
    if not is_amount or metric.unit in _NO_AMOUNTS:
        return ""
    return singular(metric.unit) if value == 1 else metric.unit


_ORDER = (
    *("Deployment", "Users", "Rooms", "Messages", "Uploads", "Omnichannel", "Calls", "Apps", "Sign-in"),
    *("Settings", "Enterprise", "Federation", "Server", "Sessions"),
)


def place_of(section: str) -> tuple[int, str]:
    """Return where *section* stands: in the info page's order, and sections of others after it."""
    return (_ORDER.index(section) if section in _ORDER else len(_ORDER), section)


def _value_at(statistics: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(statistics, dict) or step not in statistics:
            return None
        statistics = statistics[step]
    return statistics


def spell(value: Any) -> str:
    """Return a value of a payload as a person reads it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {spell(inner)}" for key, inner in value.items())
    return grouped(value) if isinstance(value, int) else str(value)


def _groups(
    findings: Iterable[Finding],
    judged: Decision,
    shown: Payload | None,
    catalogue: Catalogue,
    document: Mapping[str, Any] | None,
) -> tuple[Group, ...]:
    narrowed = {r.data_type: r.message for r in judged.reasons if r.data_type is not None}
    grouped: dict[str, list[Staying]] = {}
    for finding in sorted(findings, key=lambda finding: finding.path):
        if finding.action is Action.UNKNOWN:
            continue
        if finding.emit:
            title = _excluded(finding, judged, shown, catalogue, narrowed)
            if title is not None:
                staying = Staying(finding.path, "withheld", "not-allowed", title, raw_text(document, finding.path))
                grouped.setdefault(title, []).append(staying)
            continue
        title = group_title(finding, catalogue)
        reason = why(finding, catalogue)
        staying = Staying(finding.path, finding.action, finding.rule, reason, raw_text(document, finding.path))
        grouped.setdefault(title, []).append(staying)
    return tuple(Group(title, tuple(paths)) for title, paths in sorted(grouped.items()))


def _excluded(
    finding: Finding,
    judged: Decision,
    shown: Payload | None,
    catalogue: Catalogue,
    narrowed: Mapping[Any, str],
) -> str | None:
    """Return why a path that the report holds is not in the shown payload, or None if it is."""
    metric = catalogue.metrics.get(finding.path) or catalogue.find(finding.path)
    if metric is None or shown is None:
        return None if shown is not None else "nothing leaves while the gate is closed"
    if metric.data_type in narrowed:
        return narrowed[metric.data_type].removesuffix(".")
    if finding.emit in judged.without:
        return "new or changed since the admin agreed"
    return None


_LONGEST_RAW = 60
_DEEPEST_RAW = 20


def ascii_text(value: Any) -> str:
    """Return *value*, whoever made it, spelt in plain ASCII and cut short."""
    if is_deeper(value, _DEEPEST_RAW):
        return "(nested deeply)"
    text = ascii(value)
    return text if len(text) <= _LONGEST_RAW else text[: _LONGEST_RAW - 3] + "..."


def raw_text(document: Mapping[str, Any] | None, path: str) -> str:
    """
    Return what *document* has at *path*, spelt in plain ASCII and cut short; empty without a document.

    Args:
        path: In the catalogue's spelling; of several places the first is spelt and the others are counted.
    """
    if document is None:
        return ""
    found: list[Any] = [document]
    for step in re.findall(r"\[\]|[^.\[\]]+", path):
        if step == "[]":
            found = [item for value in found if isinstance(value, list) for item in value]
        elif step == "*":
            found = [item for value in found if isinstance(value, Mapping) for item in value.values()]
        else:
            found = [value[step] for value in found if isinstance(value, Mapping) and step in value]
    if not found:
        return ""
    text = ascii_text(found[0])
    return text if len(found) == 1 else f"{text} and {grouped(len(found) - 1)} more"


def drift_lines(findings: Iterable[Finding]) -> list[str]:
    """Return one line for each thing that the catalogue doesn't know, sorted."""
    lines = []
    for finding in sorted((f for f in findings if f.is_drift), key=lambda finding: finding.path):
        if finding.action is Action.UNKNOWN:
            times = f" ({many(finding.times, 'key')})" if finding.times > 1 else ""
            lines.append(f"{finding.path}{times}")
        else:
            lines.append(f"{finding.path} (a JSON type that is not known there)")
    return lines


def _about(preview: Preview, newest: Newest | None) -> Iterable[tuple[str, str]]:
    terms, decision = preview.terms, preview.decision
    if newest is not None:
        forms = {"document": "one document", "envelope": "one document in its envelope", "list": "a statistics list"}
        form = forms.get(newest.document.form, f"JSON {newest.document.form}")
        if newest.count > 1:
            number = grouped(newest.document.position)
            form = f"the newest of {many(newest.count, 'document')} (number {number}) of {form}"
            has = "has" if newest.undated == 1 else "have"
            form += f"; {grouped(newest.undated)} {has} no date" if newest.undated else ""
        yield "Document", form
    yield "Workspace", str(decision.workspace.kind)
    yield "Profile", str(terms.profile)
    yield "Catalogue", f"{terms.catalogue.name} version {terms.catalogue.version}, {terms.catalogue.digest[:19]}…"
    yield "Policy", f"{terms.policy.title}, {terms.policy.effective.isoformat()}"
    yield "Recipient", f"{decision.recipient.name}, {decision.recipient.country}"


def as_data(view: View) -> dict[str, Any]:
    """Return everything that the view tells, as JSON values."""
    return {
        "about": {label.lower(): text for label, text in view.about},
        "drift": list(view.drift),
        "headline": view.headline,
        "payload": _payload_data(view),
        "rules": [
            {name: str(getattr(rule, name)) for name in ("code", "effect", "message", "remedy", "citation", "quote")}
            for rule in (*view.closing, *view.narrowing)
        ],
        "sections": [
            {
                "name": section.name,
                "rows": [
                    {"path": r.path, "value": r.value, "unit": r.unit, "says": r.says, "done": r.done}
                    for r in section.rows
                ],
            }
            for section in view.sections
        ],
        "stays": [
            {"path": p.path, "action": str(p.action), "rule": p.rule, "why": p.why, "group": group.title}
            | ({"value": p.value} if p.value else {})
            for group in view.groups
            for p in group.paths
        ],
        "verdict": "would-be-sent" if view.is_open else "nothing-would-be-sent",
    }


def _payload_data(view: View) -> dict[str, Any] | None:
    payload = view.payload
    if payload is None:
        return None
    data: dict[str, Any] = {
        "body": parse(payload.body),
        "bytes": len(payload.body),
        "is_hypothetical": view.is_supposed,
        "period": payload.period,
        "sha256": payload.sha256,
    }
    if view.envelope is not None:
        data["envelope"] = {
            "method": view.envelope.method,
            "url": view.envelope.url,
            "headers": [list(header) for header in view.envelope.headers],
        }
    return data
