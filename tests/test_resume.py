"""Bytes that were frozen before go on only if the gate of now lets exactly them through; and it is asked once more."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rc_stats.anonymise import Anonymiser, Evidence, Report
from rc_stats.catalogue import Profile, load_catalogue
from rc_stats.consent import Consent, Terms, what_if
from rc_stats.errors import GateClosed
from rc_stats.gate import Decision, Payload, Switches, Workspace, clear, confirm, decide, resume
from rc_stats.policy import DataType, Recipient, WorkspaceKind, load_policy
from rc_stats.wire import canonical

DOCUMENT: Final = (Path(__file__).parent.parent / "examples" / "statistics.json").read_bytes()
POLICY: Final = load_policy()
CATALOGUE: Final = load_catalogue()
AGREED: Final = datetime(2026, 8, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
NEXT_MONTH: Final = datetime(2026, 9, 2, 12, tzinfo=UTC)
NO_SWITCHES: Final = Switches()
USAGE, APP, ACCOUNT = DataType.USAGE, DataType.APP, DataType.ACCOUNT


@cache
def anonymiser_of(profile: Profile) -> Anonymiser:
    """Return the compiled catalogue."""
    return Anonymiser(CATALOGUE, profile)


@cache
def report_in(profile: Profile) -> Report:
    """Return the example's report."""
    return anonymiser_of(profile)(DOCUMENT, month="2026-08")


@dataclass(frozen=True)
class Asked:
    """What the gate is asked; as it stands, it says yes."""

    profile: Profile = Profile.STANDARD
    scope: frozenset[DataType] = frozenset({USAGE, APP, ACCOUNT})
    kind: WorkspaceKind = WorkspaceKind.REGISTERED
    recipient: Recipient = POLICY.recipient
    switches: Switches = NO_SWITCHES
    now: datetime = NOW
    evidence: Evidence | None = None
    is_question: bool = False

    def decide(self) -> Decision:
        """Ask."""
        terms = Terms(POLICY, CATALOGUE, self.profile)
        give = what_if if self.is_question else Consent().grant
        consent = give(terms, at=AGREED, scope=self.scope, recipient=self.recipient)
        evidence = self.evidence or report_in(self.profile).evidence
        return decide(
            Workspace(self.kind), consent, self.recipient, self.switches, self.now, terms=terms, evidence=evidence
        )

    def clear(self) -> Payload:
        """Return the payload of the example."""
        return clear(report_in(self.profile), self.decide())


def resumed(body: bytes, period: str, asked: Asked) -> Payload:
    """Take kept bytes up again."""
    return resume(body, period, anonymiser_of(asked.profile), asked.decide())


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("scope", [{USAGE}, {USAGE, APP}, {USAGE, APP, ACCOUNT}], ids=len)
@pytest.mark.parametrize("now", [NOW, NOW + timedelta(hours=3), NEXT_MONTH])
def test_what_was_frozen_goes_on_unchanged(profile: Profile, scope: set[DataType], now: datetime) -> None:
    """Bytes, digest, period and headers are those of the first time, also in a later month."""
    asked = Asked(profile, frozenset(scope))
    first = asked.clear()
    again = resumed(first.body, first.period, replace(asked, now=now))
    assert (again.body, again.sha256, again.period, again.envelope) == (
        first.body,
        first.sha256,
        first.period,
        first.envelope,
    )


def test_a_wider_yes_adds_nothing() -> None:
    """Whoever agrees to more later doesn't add it to what was frozen: the same bytes go."""
    first = Asked(scope=frozenset({USAGE})).clear()
    assert resumed(first.body, first.period, Asked()).body == first.body != Asked().clear().body


CLOSED: Final[dict[str, Asked]] = {
    "scope-app": Asked(scope=frozenset({USAGE, ACCOUNT})),
    "another profile": Asked(profile=Profile.STRICT),
    "hosted": Asked(kind=WorkspaceKind.HOSTED),
    "unregistered": Asked(kind=WorkspaceKind.UNREGISTERED),
    "switch": Asked(switches=Switches(("RC_STATS_DISABLE",))),
    "before its period": Asked(now=datetime(2026, 7, 31, 12, tzinfo=UTC)),
    "no apps": Asked(evidence=Evidence(None, False, NOW - timedelta(hours=9))),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_decision_that_lets_less_through_takes_nothing_up(name: str) -> None:
    """A smaller scope, another kind, profile or time, or a closed gate: the kept bytes stay."""
    first = Asked().clear()
    with pytest.raises(GateClosed):
        resumed(first.body, first.period, CLOSED[name])


@pytest.mark.parametrize("period", ["", "2026", "2026-09", "2026-08-17", "2099-01", "hidden!"])
def test_a_wrong_period_is_refused(period: str) -> None:
    """Bytes count for the period that they name, and for none to come."""
    first = Asked().clear()
    with pytest.raises(GateClosed) as caught:
        resumed(first.body, period, Asked())
    assert "hidden!" not in str(caught.value)


def changed(body: bytes, path: tuple[str, ...], value: Any) -> bytes:
    """Return the payload with one place changed, in canonical form."""
    payload = json.loads(body)
    place = payload
    for step in path[:-1]:
        place = place.setdefault(step, {})
    place[path[-1]] = value
    return canonical(payload)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("statistics", "totalChannels"), "general"),
        (("statistics", "uniqueId"), 1),
        (("statistics", "unknown"), 1),
        (("statistics", "totalUsers"), -1),
        (("period",), "2026-07"),
        (("profile",), "exact"),
        (("workspace",), "hosted"),
        (("format",), 2),
        (("catalogue", "version"), 99),
        (("host",), "https://chat.example.org"),
    ],
)
def test_edited_bytes_are_refused(path: tuple[str, ...], value: Any) -> None:
    """Whoever edits the store can't make the gate pass what the rules would not make."""
    first = Asked().clear()
    with pytest.raises(GateClosed, match="decision-mismatch"):
        resumed(changed(first.body, path, value), first.period, Asked())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused(data: st.DataObject) -> None:
    """Cut or flipped anywhere, kept bytes are refused, or they are such as the rules would have made."""
    first = Asked().clear()
    at = data.draw(st.integers(0, len(first.body) - 1))
    flipped = first.body[:at] + bytes([first.body[at] ^ data.draw(st.integers(1, 255))]) + first.body[at + 1 :]
    for body in (flipped, first.body[:at], first.body[:at] + first.body):
        try:
            taken = resumed(body, first.period, Asked())
        except GateClosed:
            continue
        assert taken.body == body
        assert json.loads(body)["statistics"].keys() <= json.loads(first.body)["statistics"].keys()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"statistics":1}', b"\xff", b"[" * 100_000])
def test_other_bytes_are_refused(body: bytes) -> None:
    """What is no payload at all is refused like an edited one, without a word of what it holds."""
    with pytest.raises(GateClosed) as caught:
        resumed(body, "2026-08", Asked())
    assert caught.value.__cause__ is caught.value.__context__ is None


# Asking again, right before the request.


def test_the_same_answer_confirms() -> None:
    """A second decision that says the same, or more, lets the payload go."""
    payload = Asked(scope=frozenset({USAGE})).clear()
    assert confirm(payload, Asked(scope=frozenset({USAGE})).decide()) is payload
    assert confirm(payload, Asked(now=NOW + timedelta(hours=1)).decide()) is payload


UNCONFIRMED: Final[dict[str, Asked]] = {
    **CLOSED,
    "another recipient": Asked(recipient=replace(POLICY.recipient, url="https://collector.example.org/")),
    "a recipient that moved": Asked(recipient=replace(POLICY.recipient, country="Germany")),
    "a question": Asked(is_question=True),
    "another document": Asked(evidence=Evidence(None, True, NOW - timedelta(hours=7))),
}
del UNCONFIRMED["before its period"]


@pytest.mark.parametrize("name", UNCONFIRMED)
def test_less_of_an_answer_does_not_confirm(name: str) -> None:
    """Whatever the gate has come to withhold since then keeps the payload here."""
    payload = Asked().clear()
    with pytest.raises(GateClosed):
        confirm(payload, UNCONFIRMED[name].decide())


def test_a_question_is_not_sent() -> None:
    """What answers "what if?" is never confirmed, not by an answer to a real question either."""
    payload = Asked(is_question=True).clear()
    for asked in (Asked(), Asked(is_question=True)):
        with pytest.raises(GateClosed, match="hypothetical"):
            confirm(payload, asked.decide())


@pytest.mark.parametrize("thing", [Asked().clear().body, None, object.__new__(Payload)], ids=["bytes", "none", "shell"])
def test_only_a_payload_is_confirmed(thing: object) -> None:
    """Bytes, nothing and an empty shell are no payload."""
    with pytest.raises(GateClosed, match="forged-payload"):
        confirm(thing, Asked().decide())


def test_a_forged_decision_confirms_nothing() -> None:
    """A copy of an honest decision is not one that the gate took."""
    payload = Asked().clear()
    with pytest.raises(GateClosed, match="forged-decision"):
        confirm(payload, replace(Asked().decide()))
