"""
What the gate answers in every state: tables made by asking it while the documentation is built.

A rule of the gate that no state here brings up is an error, so that a new one has to be given a state.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rc_stats import Terms, load_catalogue, load_policy
from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Profile
from rc_stats.circumstances import SWITCHES, Effect, Objections, Reason, Switches, Workspace
from rc_stats.consent import SCOPES, Consent
from rc_stats.decision import Decision, decide
from rc_stats.policy import DataType, Recipient, WorkspaceKind
from rc_stats.render.words import many
from rc_stats_docs.tables import ROOT, label, listed, table, text

NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
_YESTERDAY: Final = NOW - timedelta(days=1)
_TERMS: Final = Terms(load_policy(), load_catalogue())


@dataclass(frozen=True)
class World:
    """Everything that a decision goes by; as it stands here, with a registered workspace and a yes, it is open."""

    workspace: Workspace = field(default_factory=lambda: Workspace(WorkspaceKind.REGISTERED))
    consent: Consent = field(default_factory=lambda: Consent().grant(_TERMS, at=_YESTERDAY))
    recipient: Recipient = _TERMS.policy.recipient
    switches: Switches = field(default_factory=Switches)
    now: datetime = NOW
    terms: Terms = _TERMS
    evidence: Evidence = field(
        default_factory=lambda: Evidence(is_hosted=False, has_apps=True, made_at=NOW - timedelta(hours=1))
    )
    latest: datetime | None = None

    def decision(self) -> Decision:
        """Ask the gate."""
        return decide(
            self.workspace,
            self.consent,
            self.recipient,
            self.switches,
            self.now,
            terms=self.terms,
            evidence=self.evidence,
            latest=self.latest,
        )


def _consents() -> Iterator[tuple[str, Consent]]:
    yield "undecided: nobody has said anything", Consent()
    yield "declined", Consent().decline(at=_YESTERDAY)
    yield "granted", Consent().grant(_TERMS, at=_YESTERDAY)
    yield (
        "granted, and paused until tomorrow",
        Consent().grant(_TERMS, at=_YESTERDAY).restrict(until=NOW + timedelta(days=1), at=_YESTERDAY),
    )
    yield "withdrawn", Consent().grant(_TERMS, at=_YESTERDAY).withdraw(at=_YESTERDAY)


def _without_one(consent: Consent) -> Consent:
    fields = dict(consent.fields[Profile.STANDARD])
    del fields["totalChannels"]
    return replace(consent, fields={**consent.fields, Profile.STANDARD: fields})


def _objecting(name: str) -> Workspace:
    return Workspace(WorkspaceKind.REGISTERED, Objections(frozenset({name})))


CHANGES: Final[tuple[tuple[str, Callable[[World], World]], ...]] = (
    ("Nothing changed", lambda w: w),
    (
        "The catalogue has a new metric, or a finer one",
        lambda w: replace(w, consent=_without_one(w.consent)),
    ),
    (
        "The catalogue has lost a metric",
        lambda w: replace(
            w,
            consent=replace(
                w.consent,
                fields={p: {**fields, "goneSince": "sha256:0"} for p, fields in w.consent.fields.items()},
            ),
        ),
    ),
    ("A coarser profile is used", lambda w: replace(w, terms=replace(w.terms, profile=Profile.STRICT))),
    ("A finer profile is used", lambda w: replace(w, terms=replace(w.terms, profile=Profile.EXACT))),
    (
        "A newer policy is packaged",
        lambda w: replace(w, consent=replace(w.consent, policy_date=date(2021, 6, 1))),
    ),
    (
        "The recipient is another",
        lambda w: replace(w, recipient=replace(w.recipient, url="https://stats.example.org/")),
    ),
    (
        "The yes was to another catalogue, such as a third-party app's",
        lambda w: replace(w, consent=replace(w.consent, catalogue="example-app")),
    ),
    (
        "The yes covers usage data only",
        lambda w: replace(w, consent=Consent().grant(w.terms, at=_YESTERDAY, scope=[DataType.USAGE])),
    ),
    (
        "The yes covers account data as well",
        lambda w: replace(w, consent=Consent().grant(w.terms, at=_YESTERDAY, scope=SCOPES)),
    ),
    ("No app is installed", lambda w: replace(w, evidence=replace(w.evidence, has_apps=False))),
    (
        "The yes covers app data only, and no app is installed",
        lambda w: replace(
            w,
            consent=Consent().grant(w.terms, at=_YESTERDAY, scope=[DataType.APP]),
            evidence=replace(w.evidence, has_apps=False),
        ),
    ),
    (
        "The document says that the vendor hosts the workspace, the configuration says it doesn't",
        lambda w: replace(w, evidence=replace(w.evidence, is_hosted=True)),
    ),
    (
        "The document was made before the yes",
        lambda w: replace(w, evidence=replace(w.evidence, made_at=NOW - timedelta(days=2))),
    ),
    ("The document doesn't say when it was made", lambda w: replace(w, evidence=replace(w.evidence, made_at=None))),
    (
        "The document is dated after tomorrow",
        lambda w: replace(w, evidence=replace(w.evidence, made_at=NOW + timedelta(days=3))),
    ),
    ("The consent is dated after now", lambda w: replace(w, consent=replace(w.consent, at=NOW + timedelta(hours=1)))),
    ("`RC_STATS_DISABLE=1`", lambda w: replace(w, switches=Switches.from_environment({"RC_STATS_DISABLE": "1"}))),
    ("`DO_NOT_TRACK=1`", lambda w: replace(w, switches=Switches.from_environment({"DO_NOT_TRACK": "1"}))),
    (
        "`RC_DISABLE_STATISTICS_REPORTING=true`",
        lambda w: replace(w, switches=Switches.from_environment({"RC_DISABLE_STATISTICS_REPORTING": "true"})),
    ),
    ("A caller passes a switch of its own", lambda w: replace(w, switches=Switches(("OF_THE_CALLER",)))),
    ("The admin objects to AWS", lambda w: replace(w, workspace=_objecting("AWS"))),
    ("The admin objects to a company that is not on the list", lambda w: replace(w, workspace=_objecting("Example"))),
    (
        "The admin allows Germany alone",
        lambda w: replace(
            w, workspace=Workspace(WorkspaceKind.REGISTERED, Objections(countries=frozenset({"Germany"})))
        ),
    ),
    ("The clock has no time zone", lambda w: replace(w, now=NOW.replace(tzinfo=None))),
    ("The history has an entry of tomorrow", lambda w: replace(w, latest=NOW + timedelta(days=1))),
    ("The clock is of another century", lambda w: replace(w, now=NOW.replace(year=1999))),
)
"""What may change, one thing at a time."""


def codes_of_the_gate() -> frozenset[str]:
    """Return every code that the source of the rules has; of one with a part filled in, its beginning."""
    tree = ast.parse((ROOT / "src" / "rc_stats" / "rules.py").read_text(encoding="utf-8"))
    found = {code for code, _ in SWITCHES.values()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_reason", "Reason"):
            code = node.args[1 if node.func.id == "_reason" else 0]
            if isinstance(code, ast.Constant):
                found.add(str(code.value))
            elif isinstance(code, ast.JoinedStr) and isinstance(code.values[0], ast.Constant):
                found.add(str(code.values[0].value))
    return frozenset(found)


def codes_shown() -> frozenset[str]:
    """Return every code that the tables here bring up."""
    worlds = [change(World()) for _, change in CHANGES]
    worlds += [replace(World(), consent=c, workspace=Workspace(k)) for _, c in _consents() for k in WorkspaceKind]
    return frozenset(reason.code for world in worlds for reason in world.decision().reasons)


def missing() -> list[str]:
    """Return the codes of the gate that no state here brings up."""
    shown = codes_shown()
    return sorted(
        code
        for code in codes_of_the_gate()
        if not any(found == code or (code.endswith("-") and found.startswith(code)) for found in shown)
    )


def answer(decision: Decision) -> str:
    """Return the gate's answer in a few words."""
    if not decision.is_open:
        return "Nothing leaves."
    kinds = ", ".join(str(data_type) for data_type in SCOPES if data_type in decision.allowed)
    less = f", without {many(len(decision.without), 'metric')}" if decision.without else ""
    return f"May leave: {kinds}{less}."


def _of_interest(decision: Decision) -> list[Reason]:
    """Return what decided; not what never is part of statistics, and not the scope that nobody asked for."""
    usual = {"never-user-content", "never-tracking", *(["scope-account"] if decision.is_open else [])}
    closing = list(decision.closing)
    return closing or [r for r in decision.reasons if r.effect is Effect.NARROWS and r.code not in usual]


class ConsentStates(SphinxDirective):
    """``{consent-states}``: each consent in each kind of workspace."""

    def run(self) -> list[nodes.Node]:
        """Ask, and draw the table."""
        rows = []
        for words, consent in _consents():
            cells = [[text(words)]]
            for kind in WorkspaceKind:
                evidence = replace(World().evidence, is_hosted=kind is WorkspaceKind.HOSTED)
                world = replace(World(), consent=consent, workspace=Workspace(kind), evidence=evidence)
                decision = world.decision()
                codes = ", ".join(f"`{reason.code}`" for reason in decision.closing)
                cells.append([text(answer(decision)), *([text(codes)] if codes else [])])
            rows.append(cells)
        return [table(("Consent", *(str(kind) for kind in WorkspaceKind)), rows, widths=(25, 25, 25, 25))]


class GateChanges(SphinxDirective):
    """``{gate-changes}``: what a change of one thing does to a gate that is open."""

    def run(self) -> list[nodes.Node]:
        """Ask, and draw the table."""
        if missing():
            raise self.error(f"No state brings up: {', '.join(missing())}")
        return [
            table(
                ("What is different", "The answer", "The rule, and what would change it"),
                [self._cells(words, change(World()).decision()) for words, change in CHANGES],
                widths=(28, 20, 52),
            )
        ]

    def _cells(self, words: str, decision: Decision) -> list[list[nodes.Node]]:
        reasons = [
            [
                nodes.literal(text=reason.code),
                nodes.Text(f" {reason.message} {reason.remedy} ("),
                label(f"clause-{reason.clause.partition('#')[2]}", reason.clause.partition("#")[2]),
                nodes.Text(")"),
            ]
            for reason in _of_interest(decision)
        ]
        why: list[nodes.Node] = [listed(reasons)] if reasons else [text("No rule says no.")]
        return [[text(words)], [text(answer(decision))], why]


def register(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("consent-states", ConsentStates)
    app.add_directive("gate-changes", GateChanges)
