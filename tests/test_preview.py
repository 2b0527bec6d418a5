"""A preview shows exactly what would be sent, or what a yes would send, and changes nothing."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from rc_stats.anonymise import Anonymiser
from rc_stats.catalogue import Profile, load_catalogue
from rc_stats.consent import Consent, Terms, what_if
from rc_stats.errors import GateClosed, UnusableInput
from rc_stats.gate import Objections, Payload, Switches, Workspace, clear, decide, genuine
from rc_stats.policy import DataType, Recipient, WorkspaceKind, load_policy
from rc_stats.previewing import Preview, preview
from rc_stats.sources import read_newest

RAW: Final = (Path(__file__).parent.parent / "examples" / "statistics.json").read_bytes()
TERMS: Final = Terms(load_policy(), load_catalogue())
AGREED: Final = datetime(2026, 8, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
USAGE, APP, ACCOUNT = DataType.USAGE, DataType.APP, DataType.ACCOUNT
UNREGISTERED, REGISTERED, HOSTED = WorkspaceKind
OWN: Final = Recipient("Example Collector", "https://collector.example.org/in", "Germany", (), "transfer")


def document(**changes: object) -> dict[str, object]:
    """Return the example, freshly parsed, with some top-level keys changed."""
    parsed: dict[str, object] = json.loads(RAW)
    return {**parsed, **changes}


def yes(terms: Terms = TERMS, *scope: DataType) -> Consent:
    """Return a yes to *terms*."""
    return Consent().grant(terms, at=AGREED, scope=scope or (USAGE, APP))


def seen(
    kind: WorkspaceKind = REGISTERED,
    consent: Consent | None = None,
    raw: Any = RAW,
    *,
    objections: Objections | None = None,
    **options: Any,
) -> Preview:
    """Return the preview of *raw*; everything is in order unless told otherwise."""
    workspace = Workspace(kind, objections or Objections())
    return preview(raw, workspace, consent or yes(), **{"terms": TERMS, "now": NOW, **options})


def held(payload: Payload | None) -> dict[str, Any]:
    """Return what *payload*, which must be there and genuine, holds."""
    parsed: dict[str, Any] = json.loads(genuine(payload).body)
    return parsed


RAWS: Final = {
    "document-undated": document(createdAt=None),
    "document-before-consent": document(createdAt="2026-07-01T03:12:00.000Z"),
}
CLOSED: Final[dict[str, Preview]] = {
    "consent-undecided": seen(consent=Consent()),
    "consent-declined": seen(consent=Consent().decline(at=AGREED)),
    "consent-withdrawn": seen(consent=yes().withdraw(at=AGREED)),
    "consent-in-future": seen(consent=replace(yes(), at=NOW + timedelta(days=1))),
    "policy-changed": seen(consent=replace(yes(), policy_date=date(2020, 1, 1))),
    "catalogue-other": seen(consent=replace(yes(), catalogue="example-app")),
    "profile-finer": seen(consent=yes(replace(TERMS, profile=Profile.STRICT))),
    "document-undated": seen(raw=RAWS["document-undated"]),
    "document-before-consent": seen(raw=RAWS["document-before-consent"]),
    "workspace-unregistered": seen(UNREGISTERED),
    "workspace-disagreement": seen(HOSTED),
    "switch-do-not-track": seen(switches=Switches(("DO_NOT_TRACK",))),
    "recipient-objection": seen(objections=Objections(frozenset({"OVH"}))),
    "objection-unknown": seen(objections=Objections(frozenset({"Nobody Ltd"}))),
    "recipient-country": seen(objections=Objections(countries=frozenset({"Germany"}))),
}


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(("kind", "platform"), [(REGISTERED, "docker"), (HOSTED, "rocket-cloud")])
def test_what_is_seen_is_what_is_sent(kind: WorkspaceKind, platform: str, profile: Profile) -> None:
    """When the answer is yes, the payload has the bytes and headers of deciding and clearing by hand."""
    terms = replace(TERMS, profile=profile)
    raw = document(deploy={"platform": platform})
    found = seen(kind, yes(terms), raw, terms=terms)
    report = Anonymiser(TERMS.catalogue, profile)(raw)
    decision = decide(
        Workspace(kind), yes(terms), TERMS.policy.recipient, Switches(), NOW, terms=terms, evidence=report.evidence
    )
    by_hand = clear(report, decision)
    payload = genuine(found.payload)
    assert (by_hand.body, by_hand.envelope, decision) == (payload.body, payload.envelope, found.decision)
    assert (found.after_a_yes, found.shown, payload.is_hypothetical) == (None, payload, False)
    assert (terms, report.statistics(), str(kind)) == (
        found.terms,
        found.report.statistics(),
        held(payload)["workspace"],
    )


@pytest.mark.parametrize("code", CLOSED)
def test_a_no_shows_what_a_yes_would_send(code: str) -> None:
    """When the answer is no, there is no payload, and a marked one shows what a yes would send."""
    found = CLOSED[code]
    assert code in {reason.code for reason in found.decision.closing}
    assert found.payload is None
    assert found.after_a_yes is not None
    assert found.shown is found.after_a_yes
    assert found.after_a_yes.is_hypothetical
    raw = RAWS.get(code, RAW)
    assert held(seen(consent=what_if(TERMS, at=NOW), raw=raw).payload) == held(found.after_a_yes)


@pytest.mark.parametrize("code", CLOSED)
def test_a_no_stays_a_no(code: str) -> None:
    """The decision that is shown is the real one: what a yes would send can't be had from it."""
    found = CLOSED[code]
    with pytest.raises(GateClosed):
        clear(found.report, found.decision)
    assert not found.decision.is_open


@pytest.mark.parametrize(
    ("kind", "platform", "shown"),
    [
        (UNREGISTERED, "docker", "registered"),
        (UNREGISTERED, None, "registered"),
        (UNREGISTERED, "rocket-cloud", "hosted"),
        (REGISTERED, "rocket-cloud", "hosted"),
        (HOSTED, "docker", "registered"),
        (HOSTED, None, "hosted"),
    ],
)
def test_the_kind_that_is_shown(kind: WorkspaceKind, platform: str | None, shown: str) -> None:
    """What a yes would send names the kind that the document tells, or else the caller's, but never unregistered."""
    found = seen(kind, Consent(), document(deploy={"platform": platform}))
    assert found.payload is None
    assert shown == held(found.after_a_yes)["workspace"]


@pytest.mark.parametrize(
    ("consent", "scope", "shown"),
    [
        (Consent(), None, {USAGE, APP}),
        (Consent(), frozenset({USAGE}), {USAGE}),
        (Consent(), frozenset({ACCOUNT}), {ACCOUNT}),
        (replace(yes(TERMS, USAGE, ACCOUNT), policy_date=None), None, {USAGE, ACCOUNT}),
        (replace(yes(TERMS, USAGE, ACCOUNT), policy_date=None), frozenset({APP}), {APP}),
        (replace(yes(), scope=frozenset(DataType), policy_date=None), None, {USAGE, APP, ACCOUNT}),
        (yes().withdraw(at=AGREED), None, {USAGE, APP}),
    ],
)
def test_the_scope_that_is_shown(consent: Consent, scope: frozenset[DataType] | None, shown: set[DataType]) -> None:
    """What a yes would send covers the scope asked for, else the consent's, else usage and app."""
    found = seen(consent=consent, scope=scope)
    assert found.payload is None
    statistics = held(found.after_a_yes)["statistics"]
    types = {
        USAGE: "totalChannels" in statistics,
        APP: "apps" in statistics,
        ACCOUNT: "wizard" in statistics,
    }
    assert shown == {data_type for data_type, is_there in types.items() if is_there}


def test_a_scope_does_not_widen_a_yes() -> None:
    """The scope of the question is no answer: what is really sent keeps to the consent."""
    found = seen(scope=frozenset({USAGE, APP, ACCOUNT}))
    assert "wizard" not in held(found.payload)["statistics"]
    assert found.after_a_yes is None


def test_a_question_is_marked() -> None:
    """A preview of a "what if" has a payload that can be looked at, marked as hypothetical."""
    found = seen(consent=what_if(TERMS, at=NOW))
    assert found.payload is not None
    assert (found.payload.is_hypothetical, found.after_a_yes) == (True, None)
    assert found.shown is found.payload


@pytest.mark.parametrize(
    ("raw", "consent"),
    [
        (document(createdAt="2026-08-20T03:12:00.000Z"), yes()),
        (document(createdAt="2026-08-20T03:12:00.000Z"), Consent()),
        (document(apps={}), yes(TERMS, APP)),
    ],
)
def test_where_a_yes_would_not_help(raw: dict[str, object], consent: Consent) -> None:
    """A document from the future, or one with nothing in the scope, is sent by no yes, so nothing is shown."""
    found = seen(consent=consent, raw=raw)
    assert (found.payload, found.after_a_yes, found.shown) == (None, None, None)
    assert found.decision.closing


def test_every_form_of_a_document() -> None:
    """Bytes, what a parser made of them, and what a source gave are the same document."""
    source = read_newest(io.BytesIO(RAW)).document
    bodies = {genuine(seen(raw=raw).payload).body for raw in (RAW, document(), source)}
    assert len(bodies) == 1


@pytest.mark.parametrize("consent", [Consent(), yes()])
def test_the_document_is_not_changed(consent: Consent) -> None:
    """Neither the caller's document nor anything in it is changed, in any profile."""
    for profile in Profile:
        raw = document(unknown={"deep": [{"list": ["of", {"things": 1}]}]})
        before = copy.deepcopy(raw)
        order = json.dumps(raw)
        terms = replace(TERMS, profile=profile)
        seen(consent=consent, raw=raw, terms=terms)
        assert before == raw
        assert order == json.dumps(raw)


def test_a_preview_holds_no_part_of_the_document() -> None:
    """Changing the document afterwards doesn't change what was seen."""
    raw: dict[str, Any] = document()
    found = seen(raw=raw)
    body, statistics = genuine(found.payload).body, found.report.statistics()
    raw["totalChannels"] = 1
    raw["omnichannelSources"].clear()
    raw.clear()
    assert (body, statistics) == (genuine(found.payload).body, found.report.statistics())


def test_no_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library reads no environment: the switches are the caller's to pass."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert seen().payload is not None
    assert seen(switches=Switches.from_environment({"DO_NOT_TRACK": "1"})).payload is None


def test_the_recipient_is_the_callers_or_the_policys() -> None:
    """The envelope goes to the recipient that was given, and to the policy's if none was."""
    assert genuine(seen().payload).envelope.url == TERMS.policy.recipient.url
    agreed = Consent().grant(TERMS, at=AGREED, recipient=OWN)
    assert genuine(seen(consent=agreed, recipient=OWN).payload).envelope.url == OWN.url
    assert seen(recipient=OWN).payload is None, "the yes was given to another recipient"
    shown = seen(consent=Consent(), recipient=OWN).after_a_yes
    assert genuine(shown).envelope.url == OWN.url


def test_a_compiled_anonymiser_is_used() -> None:
    """A compiled anonymiser gives the same bytes; one of another profile clears nothing."""
    fitting, other = (Anonymiser(TERMS.catalogue, profile) for profile in (Profile.STANDARD, Profile.EXACT))
    assert genuine(seen().payload).body == genuine(seen(anonymiser=fitting).payload).body
    for consent in (yes(), Consent()):
        with pytest.raises(GateClosed) as caught:
            seen(consent=consent, anonymiser=other)
        assert caught.value.rule == "decision-mismatch"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff\xfe{", b'"Zwiebelmuster4711"'])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    """What can't be read is refused with one typed error that holds nothing of it."""
    with pytest.raises(UnusableInput) as caught:
        seen(raw=raw)
    assert "Zwiebel" not in str(caught.value)


def test_a_clock_without_zone_is_a_no() -> None:
    """With a clock that has no time zone the preview says so as a reason, and sends nothing."""
    found = seen(now=NOW.replace(tzinfo=None))
    assert "clock-without-zone" in {reason.code for reason in found.decision.closing}
    assert found.payload is None
