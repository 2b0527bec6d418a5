"""The honest way from a document to a request, which the type checker accepts as it stands; it is never run."""

from __future__ import annotations

from datetime import datetime

from rc_stats import (
    Anonymiser,
    Consent,
    Decision,
    Payload,
    Preview,
    Report,
    Switches,
    Terms,
    Workspace,
    WorkspaceKind,
    clear,
    decide,
    genuine,
    load_catalogue,
    load_policy,
    preview,
)


def send(payload: Payload) -> tuple[str, bytes]:
    """Stand for a transport, which takes a payload and nothing else."""
    return payload.envelope.url, payload.body


def step_by_step(document: bytes, now: datetime) -> tuple[str, bytes]:
    """Go the whole way by hand."""
    terms = Terms(load_policy(), load_catalogue())
    consent = Consent().grant(terms, at=now)
    report: Report = Anonymiser(terms.catalogue, terms.profile)(document)
    decision: Decision = decide(
        Workspace(WorkspaceKind.REGISTERED),
        consent,
        terms.policy.recipient,
        Switches(),
        now,
        terms=terms,
        evidence=report.evidence,
    )
    return send(clear(report, decision))


def by_preview(document: dict[str, object], now: datetime) -> tuple[str, bytes] | None:
    """Send what a preview has shown, if it may leave."""
    terms = Terms(load_policy(), load_catalogue())
    seen: Preview = preview(document, Workspace(), Consent(), terms=terms, now=now)
    return None if seen.payload is None else send(seen.payload)


def from_elsewhere(thing: object) -> tuple[str, bytes]:
    """Take an object of unknown type and let the gate say whether it is a payload."""
    return send(genuine(thing))
