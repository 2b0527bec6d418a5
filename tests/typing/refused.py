"""
What the type checker refuses, one fault to a line; it is never run.

Each ``type: ignore`` names the fault. A line that came to be accepted has an unused one, which is an error too.
"""

from __future__ import annotations

from rc_stats import Payload, Preview, Report


def send(payload: Payload) -> int:
    """Stand for a transport."""
    return len(payload.body)


def forge() -> None:
    """Make a payload without the gate."""
    Payload()  # type: ignore[call-arg]
    Payload(seal=None)  # type: ignore[arg-type]
    Payload(seal=object())  # type: ignore[arg-type]
    Payload(b"{}")  # type: ignore[arg-type, call-arg]
    Payload(body=b"{}", sha256="", period="2026-08")  # type: ignore[call-arg]


def unfreeze(payload: Payload) -> None:
    """Change a payload after it was cleared."""
    payload.body = b"{}"  # type: ignore[misc]
    payload.sha256 = ""  # type: ignore[misc]
    payload.period = "2026-09"  # type: ignore[misc]
    payload.is_hypothetical = False  # type: ignore[misc]
    payload.decision = payload.decision  # type: ignore[misc]
    payload.envelope = payload.envelope  # type: ignore[misc]
    payload.envelope.url = "https://collector.example.org/"  # type: ignore[misc]
    payload.decision.allowed = frozenset()  # type: ignore[misc]


def pass_for(report: Report, seen: Preview, document: dict[str, object]) -> None:
    """Hand over what has not been cleared."""
    send(b"{}")  # type: ignore[arg-type]
    send("{}")  # type: ignore[arg-type]
    send(report)  # type: ignore[arg-type]
    send(report.statistics())  # type: ignore[arg-type]
    send(document)  # type: ignore[arg-type]
    send(seen.payload)  # type: ignore[arg-type]
    send(None)  # type: ignore[arg-type]
