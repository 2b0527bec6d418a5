"""What tests of sending share: real payloads for a recipient on this machine, and a permit that asks the real gate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from collector import Collector
from rc_stats.anonymise import Anonymiser, Report
from rc_stats.catalogue import Profile, load_catalogue
from rc_stats.consent import Consent, Terms, what_if
from rc_stats.gate import Decision, Payload, Switches, Workspace, clear, decide
from rc_stats.policy import DataType, WorkspaceKind, load_policy
from rc_stats.transport import Receipt, Transport

POLICY: Final = load_policy()
CATALOGUE: Final = load_catalogue()
AGREED: Final = datetime(2026, 8, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
USAGE, APP, ACCOUNT = DataType.USAGE, DataType.APP, DataType.ACCOUNT
EVERYTHING: Final = frozenset({USAGE, APP, ACCOUNT})

CANARY: Final = 918_273_645
"""A value that every payload of these tests holds."""

_EXAMPLE: Final = Path(__file__).parent.parent / "examples" / "statistics.json"
DOCUMENT: Final[dict[str, Any]] = {**json.loads(_EXAMPLE.read_bytes()), "totalMessages": CANARY}

QUICK: Final[dict[str, Any]] = {"attempts": 3, "longest_wait": 0.002, "first_wait": 0.001}
"""Settings of a transport that doesn't keep a test waiting."""


@cache
def report_in(profile: Profile = Profile.STANDARD) -> Report:
    """Return the report of the example in *profile*."""
    return Anonymiser(CATALOGUE, profile)(DOCUMENT)


def _ignore(_: object) -> None:
    """Do nothing."""


class Asked:
    """
    A permit that asks the real gate each time, with what is agreed to at that moment, and remembers.

    Attributes:
        consent: What the gate is told; it can be changed at any time, and so can the switches and the recipient.
        payload: An honest payload for the recipient.
        asked: How often it was asked.
        seen: How each attempt ended: what was raised, or None.
        before: Called when it is asked, with how often it was asked before.
        after: Called when an attempt has ended, with how.
    """

    def __init__(self, url: str, profile: Profile = Profile.STANDARD, scope: frozenset[DataType] = EVERYTHING) -> None:
        self.recipient = replace(POLICY.recipient, url=url)
        self.terms = Terms(POLICY, CATALOGUE, profile)
        self.consent = Consent().grant(self.terms, at=AGREED, scope=scope, recipient=self.recipient)
        self.switches = Switches()
        self.asked = 0
        self.seen: list[BaseException | None] = []
        self.before: Callable[[int], None] = _ignore
        self.after: Callable[[BaseException | None], None] = _ignore
        self.payload = clear(report_in(profile), self.decision())

    def decision(self) -> Decision:
        """Return the gate's answer of now."""
        return decide(
            Workspace(WorkspaceKind.REGISTERED),
            self.consent,
            self.recipient,
            self.switches,
            NOW,
            terms=self.terms,
            evidence=report_in(self.terms.profile).evidence,
        )

    def withdraw(self) -> None:
        """Take the yes back."""
        self.consent = self.consent.withdraw(at=NOW)

    def suppose(self) -> None:
        """Ask "what if?" instead."""
        self.consent = what_if(self.terms, at=NOW, scope=EVERYTHING, recipient=self.recipient)

    @contextmanager
    def __call__(self) -> Iterator[Decision]:
        """Be the context of one attempt."""
        self.before(self.asked)
        self.asked += 1
        try:
            yield self.decision()
        except BaseException as error:
            self.seen.append(error)
            self.after(error)
            raise
        self.seen.append(None)
        self.after(None)


def on_the_wire(payload: Payload) -> bytes:
    """Return the bytes that the envelope and the body of *payload* say."""
    envelope = payload.envelope
    target = "/" + envelope.url.partition("://")[2].partition("/")[2]
    lines = [f"{envelope.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in envelope.headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload.body


def transport_to(collector: Collector, **options: Any) -> Transport:
    """Return a quick transport that trusts *collector*."""
    certificates = None if collector.context is None else collector.certificates
    return _transport(certificates, **{**QUICK, **options})


@cache
def _transport(certificates: Path | None, **options: Any) -> Transport:
    return Transport(certificates=certificates, **options)  # reading what the system trusts takes its time


Send = Callable[..., Receipt]
"""Either of the two below."""

_OWN: Final = object()


def send_sync(transport: Transport, permit: Any, payload: Any = _OWN, **options: Any) -> Receipt:
    """Send *payload*, or that of the permit, in the plain form."""
    return transport.send(permit.payload if payload is _OWN else payload, permit, **options)


def send_async(transport: Transport, permit: Any, payload: Any = _OWN, **options: Any) -> Receipt:
    """Send in the async form, in an event loop of its own."""
    return asyncio.run(transport.send_async(permit.payload if payload is _OWN else payload, permit, **options))
