"""The testing kit: it catches what leaks, in every disguise, and lets pass what doesn't; its fakes keep the rules."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rc_stats import (
    Anonymiser,
    Catalogue,
    Consent,
    Decision,
    GateClosed,
    Payload,
    Profile,
    Switches,
    Terms,
    TransportError,
    UsageError,
    Workspace,
    WorkspaceKind,
    clear,
    decide,
    load_catalogue,
    load_policy,
    read_catalogue,
    verify,
    what_if,
)
from rc_stats.consent import SCOPES
from rc_stats.delivery import Receipt
from rc_stats.outcome import Verdict
from rc_stats.reporter import Reporter
from rc_stats.store import Store
from rc_stats.testing import FixedClock, RecordingTransport, assert_no_leak, canaries, documents, traces
from rc_stats.testing.places import MISSING, found, steps_of
from sites import OWN_CATALOGUE, SEATS

CATALOGUE = load_catalogue()
ANONYMISERS = {profile: Anonymiser(CATALOGUE, profile) for profile in Profile}
CANARY = canaries()
NOW = datetime(2026, 8, 18, 12, tzinfo=UTC)
SECRET = "zqkwvjfbhxdrmtgp"  # noqa: S105 - planted to be found
MIXED = "ZqKw+Vj ?>?>Süd"  # its base64 has both signs that URLs do not like
NUMBER = "4915112345678"
BOTH = [SECRET, NUMBER]
PLACE = "settings.email.smtp.smtpHost"


def payload_of(
    document: Mapping[str, Any], catalogue: Catalogue = CATALOGUE, profile: Profile = Profile.EXACT
) -> Payload:
    """Return what a yes to everything sends of *document*."""
    terms = Terms(load_policy(), catalogue, profile)
    report = Anonymiser(catalogue, profile)(document, month="2026-08")
    yes = Consent().grant(terms, at=NOW - timedelta(days=9), scope=frozenset(SCOPES))
    workspace = Workspace(WorkspaceKind.REGISTERED)
    decision = decide(workspace, yes, terms.policy.recipient, Switches(), NOW, terms=terms, evidence=report.evidence)
    return clear(report, decision)


# What leaks is seen.

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "inside a word": "total{}Users".format,
    "upper case": str.upper,
    "title case": str.title,
    "reversed": lambda secret: secret[::-1],
    "hexadecimal": lambda secret: secret.encode().hex(),
    "upper hexadecimal": lambda secret: secret.encode().hex().upper(),
    "hexadecimal of upper case": lambda secret: secret.upper().encode().hex(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 one on": lambda secret: base64.b64encode(b"a" + secret.encode()).decode(),
    "base64 two on": lambda secret: base64.b64encode(b"ab" + secret.encode() + b"!").decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 for URLs one on": lambda secret: base64.urlsafe_b64encode(b"a" + secret.encode()).decode(),
    "base64 of upper case": lambda secret: base64.b64encode(secret.upper().encode()).decode(),
    "base64 of lower case": lambda secret: base64.b64encode(secret.lower().encode()).decode(),
    "base64 of swapped case": lambda secret: base64.b64encode(secret.swapcase().encode()).decode(),
    "base64 backwards": lambda secret: base64.b64encode(secret[::-1].encode()).decode(),
    "escaped for a URL": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "partly escaped for a URL": lambda secret: f"%{ord(secret[0]):02X}{secret[1:]}",
    "escaped for a path": quote,
    "escaped for a form": quote_plus,
    "escaped for HTML": lambda secret: "".join(f"&#{ord(letter)};" for letter in secret),
    "escaped for JSON": lambda secret: "".join(f"\\u{ord(letter):04x}" for letter in secret),
    "split by an escape": lambda secret: f"{secret[:4]}\\u{ord(secret[4]):04X}{secret[5:]}",
    "full width": lambda secret: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in secret),
    "with a joiner inside": lambda secret: f"{secret[:5]}\u200b{secret[5:]}",
}
"""Ways to write a secret that somebody who sees it can undo."""


@pytest.mark.parametrize("place", ["value", "key", "log"])
@pytest.mark.parametrize("secret", [*BOTH, MIXED])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguises_are_seen(disguise: str, secret: str, place: str) -> None:
    """A secret is seen in every disguise, as a value, as a key and in a text, and the message doesn't repeat it."""
    shown = DISGUISES[disguise](secret)
    text = {
        "value": f'{{"statistics":{{"os":{{"type":"{shown}"}}}}}}',
        "key": f'{{"statistics":{{"{shown}":1}}}}',
        "log": f"sent {shown} to the recipient",
    }[place]
    for given_out in (text, text.encode()):
        with pytest.raises(AssertionError) as caught:
            assert_no_leak(given_out, {"another-secret-that-is-not-there": "elsewhere", secret: PLACE})
        said = str(caught.value)
        assert said.startswith(f"What was planted leaks: {PLACE} shows ")
        assert {"value": "at statistics.os.type (", "key": "at statistics.(a key) (", "log": "in the text ("}[
            place
        ] in said
        assert not any(traces(said, secret)), said
        assert shown not in said


@pytest.mark.parametrize(
    "given_out",
    [
        json.dumps({"a": [SECRET[:8], SECRET[8:]]}),
        json.dumps({SECRET[:8]: SECRET[8:]}),
        json.dumps({SECRET[:8]: {SECRET[8:]: 1}}, indent=2),
        json.dumps([{letter: 1} for letter in SECRET]),
        json.dumps(list(SECRET)),
        json.dumps(list(reversed(SECRET))),
        "{" + ",".join(f'"{letter}":1' for letter in SECRET) + "}",
    ],
)
def test_pieces_are_seen(given_out: str) -> None:
    """A secret that is cut up over values and keys that stand one after the other is seen."""
    with pytest.raises(AssertionError, match=f"{re.escape(PLACE)} shows across several values"):
        assert_no_leak(given_out, {SECRET: PLACE})


@pytest.mark.parametrize(
    "given_out", [NUMBER, f'{{"a":{NUMBER}}}', f"{int(NUMBER):x}", f'["{int(NUMBER):X}"]', f"{NUMBER}.0"]
)
def test_numbers_are_seen(given_out: str) -> None:
    """A planted number is seen as a number, as a text and in hexadecimal."""
    with pytest.raises(AssertionError):
        assert_no_leak(given_out, [NUMBER])


def test_leak_in_a_real_payload_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload can be handed over as it is; its bytes are looked at."""
    payload = payload_of({"totalUsers": 50, "createdAt": "2026-08-17T03:12:00.000Z"})
    assert_no_leak(payload, BOTH)
    with pytest.raises(AssertionError, match="number 1 shows at profile"):
        assert_no_leak(payload, ["exact"])


def test_leaks_are_named_and_counted() -> None:
    """The first leaks are named and the others counted; without a mapping they are called by their number."""
    secrets = [f"secret-{letter * 6}" for letter in "abcdef"]
    with pytest.raises(AssertionError) as caught:
        assert_no_leak(json.dumps(secrets), secrets)
    assert str(caught.value).startswith("What was planted leaks: number 1 shows at [0] (plain (as it is)); number 2 ")
    assert str(caught.value).endswith("; and 3 more")


def test_keys_that_hold_a_secret_are_masked() -> None:
    """The way to a leak names no key that holds any of the secrets, nor one that can move a terminal."""
    with pytest.raises(AssertionError) as caught:
        assert_no_leak(json.dumps({NUMBER: {"\x1b[31m": {"x" * 200: {"plain": SECRET}}}}), {SECRET: "a", NUMBER: "b"})
    said = str(caught.value)
    assert ".plain (" in said
    assert said.isprintable()
    assert not any(traces(said, NUMBER))


def test_report_of_a_leak_doesnt_hold_it(tmp_path: Path) -> None:
    """What a test runner prints of a failure names the place of the leak and neither arguments nor secret."""
    test = tmp_path / "test_leak.py"
    test.write_text(
        "from rc_stats.testing import assert_no_leak\n"
        "def test_leak():\n"
        "    assert_no_leak('a ' + ''.join(map(chr, [122, 113, 107, 119, 118, 106])), {'zq' 'kwvj': 'the host'})\n"
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(test)]
    done = subprocess.run(words, capture_output=True, check=False, cwd=tmp_path, text=True)
    assert "the host shows in the text" in done.stdout
    assert "zqkwvj" not in done.stdout + done.stderr


@pytest.mark.parametrize("secret", ["", "a", "abcd"])
def test_short_secrets_are_refused(secret: str) -> None:
    """A secret that would turn up by chance is wrong usage, and not taken for absent."""
    with pytest.raises(UsageError, match="by chance") as caught:
        assert_no_leak("", [SECRET, secret])
    assert caught.value.rule == "short-secret"


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.sampled_from(Profile))
def test_payloads_hold_no_secret_by_chance(document: dict[str, Any], profile: Profile) -> None:
    """In payloads of all kinds nothing is taken for a secret that was not planted."""
    statistics = ANONYMISERS[profile](document, findings=False).statistics()
    assert_no_leak(json.dumps(statistics), CANARY.secrets)


# Canaries.


def leaves(value: Any, steps: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the way to each value that holds no others."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*steps, key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, (*steps, "[]"))
    else:
        yield steps, value


@pytest.mark.parametrize("profile", Profile)
def test_ours_is_proved(profile: Profile) -> None:
    """The packaged catalogue lets no canary out, and the payload that shows it holds something of every section."""
    payload = payload_of(CANARY.document, profile=profile)
    assert_no_leak(payload, CANARY.secrets)
    assert verify(payload.body, CATALOGUE).is_ours
    statistics = json.loads(payload.body)["statistics"]
    sections = {m.section for m in CATALOGUE.metrics.values() if found(statistics, m.emit.split(".")) is not MISSING}
    assert sections >= {"Users", "Rooms", "Messages", "Omnichannel", "Settings", "Server", "Deployment"}


def test_every_text_has_its_secret() -> None:
    """Each text but the date holds a secret of its own, and each key of a map of names is one."""
    texts = [(steps, value) for steps, value in leaves(CANARY.document) if isinstance(value, str)]
    assert len(texts) > 150
    carried = []
    for steps, value in texts:
        if steps != ("createdAt",):
            carried += [secret for secret in CANARY.secrets if value.endswith(secret)]
    assert len(carried) == len(set(carried)) == len(texts) - 1
    names = CANARY.document["services"]["oauth"]["custom"]
    assert set(names) <= set(CANARY.secrets)


def test_secrets_are_told_by_their_place() -> None:
    """Each secret says where it was planted, texts and numbers of places that never leave among them."""
    for path in ("settings.email.smtp.smtpHost", "matrixFederation.biggestRoom.name", "uniqueId", "statsToken"):
        planted = [secret for secret, place in CANARY.secrets.items() if place == path]
        assert planted, path
        assert found(CANARY.document, steps_of(path)) in planted
    numbers = {place for secret, place in CANARY.secrets.items() if secret.isdigit()}
    assert {"process.pid", "matrixFederation.biggestRoom.usersCount"} <= numbers
    assert json.dumps(CANARY.document).count(next(s for s, place in CANARY.secrets.items() if place == "uniqueId")) == 1


def test_canaries_are_the_same_each_time() -> None:
    """The same document gives the same canary, and neither its text nor its repr tells a secret."""
    assert canaries() == CANARY
    less, more = canaries({"a": ["b"]}).secrets, canaries({"a": ["b", "b"], "c": "d"}).secrets
    assert less.items() < more.items()
    assert sorted(more.values()).count("a[]") == 2
    assert repr(CANARY) == "Canary()"


def test_own_document_is_left_alone() -> None:
    """A document of one's own is filled and not changed; what may leave stays, the date too, in each of its forms."""
    for date in ("2026-08-17T03:12:00.000Z", {"$date": "2026-08-17T03:12:00.000Z"}):
        document = {
            "createdAt": date,
            "totalUsers": 50,
            "fips": True,
            "version": "8.7.0",
            "uniqueId": "abc",
            "somethingNew": {"inside": ["text", 5, None, 1.5, True]},
            "services": {"oauth": {"custom": {"acme": {"enabled": True, "users": 3}}}},
        }
        before = json.dumps(document)
        canary = canaries(document)
        assert json.dumps(document) == before
        planted = canary.document
        assert (planted["createdAt"], planted["totalUsers"], planted["fips"]) == (date, 50, True)
        assert planted["version"].startswith("8.7.0-")
        text, number, nothing, half, flag = planted["somethingNew"]["inside"]
        assert {text, str(number), str(half)} <= set(canary.secrets)
        assert (nothing, flag) == (None, True)
        assert "acme" not in json.dumps(planted)
        payload = payload_of(planted)
        statistics = json.loads(payload.body)["statistics"]
        assert {**statistics, "services": None} == {
            "fips": True,
            "services": None,
            "totalUsers": 50,
            "version": "8.7.0",
        }
        assert_no_leak(payload, canary.secrets)


# Planted leaks: the kit sees what a broken catalogue or a broken plugin would let out.


@pytest.mark.parametrize("way", ["text", "number", "key", "new key"])
def test_a_broken_plugin_is_caught(way: str) -> None:
    """A text, a number, a key that is data or an unknown key that comes through is caught, and its place is named."""
    document = CANARY.document
    statistics: dict[str, Any] = {"totalUsers": 50}
    match way:
        case "text":
            statistics["host"] = document["settings"]["email"]["smtp"]["smtpHost"]
            place = "settings.email.smtp.smtpHost shows at statistics.host"
        case "number":
            statistics["pid"] = document["process"]["pid"]
            place = "process.pid shows at statistics.pid"
        case "key":
            statistics["names"] = dict.fromkeys(document["services"]["oauth"]["custom"], 1)
            place = "a key of services.oauth.custom shows at statistics.names.(a key)"
        case _:
            statistics |= {key: 1 for key in document if key not in {s.partition(".")[0] for s in CATALOGUE.metrics}}
            place = "a new key in the document shows at statistics.(a key)"
    with pytest.raises(AssertionError, match=re.escape(place)):
        assert_no_leak(json.dumps({"statistics": statistics}), CANARY.secrets)


# The snippet of the documentation: a third party proves its catalogue.


def test_third_party_catalogue(tmp_path: Path) -> None:
    """A plugin author proves a catalogue of their own in a few lines: of a whole document, and of any."""
    path = tmp_path / "own.toml"
    path.write_text(OWN_CATALOGUE + SEATS, encoding="utf-8")
    mine = read_catalogue([path])
    anonymise = Anonymiser(mine)

    whole = canaries(catalogue=mine)
    payload = payload_of(whole.document, mine)
    assert_no_leak(payload, whole.secrets)
    assert set(json.loads(payload.body)["statistics"]) == {"exampleApp"}

    @settings(max_examples=50)
    @given(documents(mine))
    def nothing_leaks(document: dict[str, Any]) -> None:
        canary = canaries(document, catalogue=mine)
        assert_no_leak(json.dumps(anonymise(canary.document).statistics()), canary.secrets)

    nothing_leaks()


# The clock.


def test_clock_stands_until_it_is_advanced() -> None:
    """The clock says the same until it is advanced, also backwards, always in UTC."""
    clock = FixedClock(datetime(2026, 8, 18, 14, tzinfo=timezone(timedelta(hours=2))))
    assert clock() == clock() == NOW
    assert clock().tzinfo is UTC
    assert clock.advance(days=1, hours=2) == clock() == NOW + timedelta(days=1, hours=2)
    assert clock.advance(hours=-26) == NOW


def test_clock_needs_a_time_zone() -> None:
    """A moment without a time zone is wrong usage, as it is for the gate."""
    with pytest.raises(UsageError) as caught:
        FixedClock(datetime(2026, 8, 18))  # noqa: DTZ001
    assert caught.value.rule == "time-zone"


# The recording transport.

PAYLOAD = payload_of({"totalUsers": 50, "createdAt": "2026-08-17T03:12:00.000Z"})


class Asked:
    """A permit that gives the payload's own decision and notes each attempt and how it ended."""

    def __init__(self, decision: Decision = PAYLOAD.decision) -> None:
        self.decision = decision
        self.times = 0
        self.ends: list[str] = []

    @contextmanager
    def __call__(self) -> Iterator[Decision]:
        """Note how the attempt ends."""
        self.times += 1
        try:
            yield self.decision
        except TransportError as error:
            self.ends.append(error.rule)
            raise
        else:
            self.ends.append("taken")


Send = Callable[[RecordingTransport, Payload, Any, Any], Receipt]
WAYS: dict[str, Send] = {
    "send": lambda transport, payload, permit, record: transport.send(payload, permit, record),
    "send_async": lambda transport, payload, permit, record: asyncio.run(transport.send_async(payload, permit, record)),
}


@pytest.fixture(params=WAYS)
def send(request: pytest.FixtureRequest) -> Send:
    """Return a way to send."""
    return WAYS[request.param]


def test_what_is_sent_is_recorded(send: Send) -> None:
    """A payload that is taken is recorded as the very object; the permit is asked once, the receipt told inside it."""
    transport, permit = RecordingTransport(token="token"), Asked()  # noqa: S106
    told: list[tuple[Receipt, list[str]]] = []
    receipt = send(transport, PAYLOAD, permit, lambda receipt: told.append((receipt, [*permit.ends])))
    assert (receipt.status, receipt.token) == (200, "token")
    assert told == [(receipt, [])]
    assert transport.sent == [PAYLOAD]
    assert transport.attempts == [(PAYLOAD, 200)]
    assert permit.ends == ["taken"]


@pytest.mark.parametrize(
    ("answers", "ends", "is_final"),
    [
        ((503, 429, 201), ["transport-status", "transport-status", "taken"], None),
        ((500,) * 9, ["transport-status"] * 5, False),
        ((400,), ["transport-status"], True),
        ((301,), ["transport-redirect"], True),
        ((503, 404), ["transport-status", "transport-status"], True),
        ((TransportError("Too slow.", rule="transport-timeout"), 200), ["transport-timeout", "taken"], None),
        ((TransportError("Not theirs.", rule="transport-tls"),), ["transport-tls"], False),
    ],
    ids=str,
)
def test_answers_are_those_of_the_real_one(
    send: Send, answers: tuple[int | TransportError, ...], ends: list[str], is_final: bool | None
) -> None:
    """What may pass is tried again, five times at most, what is final isn't, and the permit sees each failure."""
    transport, permit = RecordingTransport(*answers), Asked()
    if is_final is None:
        assert send(transport, PAYLOAD, permit, None).status in range(200, 300)
    else:
        with pytest.raises(TransportError) as caught:
            send(transport, PAYLOAD, permit, None)
        assert caught.value.is_final is is_final
    assert permit.ends == ends
    assert [attempt.answer for attempt in transport.attempts] == list(answers)[: len(ends)]
    assert len(transport.sent) == ends.count("taken")


def test_the_gate_is_asked(send: Send) -> None:
    """A permit whose decision lets less through, a forged payload and a supposition are refused and not recorded."""
    transport = RecordingTransport()
    narrower = payload_of({"totalUsers": 51, "createdAt": "2026-08-17T03:12:00.000Z"}, profile=Profile.STRICT).decision
    terms = Terms(load_policy(), CATALOGUE, Profile.EXACT)
    report = Anonymiser(CATALOGUE, Profile.EXACT)({"totalUsers": 50}, month="2026-08")
    supposed = decide(
        Workspace(WorkspaceKind.REGISTERED),
        what_if(terms, at=NOW),
        terms.policy.recipient,
        Switches(),
        NOW,
        terms=terms,
        evidence=report.evidence,
    )
    forged: Any = PAYLOAD.body
    for payload, permit, rule, times in (
        (PAYLOAD, Asked(narrower), "decision-mismatch", 1),
        (forged, Asked(), "forged-payload", 0),
        (clear(report, supposed), Asked(), "hypothetical", 0),
    ):
        with pytest.raises(GateClosed) as caught:
            send(transport, payload, permit, None)
        assert (caught.value.rule, permit.times) == (rule, times)
    assert transport.attempts == []
    assert transport.sent == []


def test_permit_that_swallows_is_told(send: Send) -> None:
    """A permit that keeps a failure to itself is an error, and no receipt is made up."""

    @contextmanager
    def swallowing() -> Iterator[Decision]:
        with suppress(TransportError):
            yield PAYLOAD.decision

    with pytest.raises(GateClosed) as caught:
        send(RecordingTransport(503), PAYLOAD, swallowing, None)
    assert caught.value.rule == "permit"


def test_wiring_of_a_plugin(tmp_path: Path) -> None:
    """With the kit a plugin's wiring is tried from no to yes and back, without a network and without waiting."""
    clock, transport = FixedClock(NOW), RecordingTransport(503, 503, 503, 503, 503)
    with Store.open(tmp_path / "store.sqlite3") as store:
        reporter = Reporter(
            lambda: {**canaries().document, "createdAt": clock().isoformat()},
            Workspace(WorkspaceKind.REGISTERED),
            store,
            transport,
            clock,
            terms=Terms(load_policy(), CATALOGUE),
        )
        assert reporter.send_once().verdict is Verdict.CLOSED
        assert transport.attempts == []
        reporter.opt_in()
        clock.advance(hours=1)
        assert reporter.send_once().verdict is Verdict.FAILED
        assert reporter.send_once().verdict is Verdict.SENT
        assert reporter.send_once().verdict is Verdict.ALREADY_SENT
        assert_no_leak(transport.sent[0], canaries().secrets)
        reporter.opt_out(seconds=1)
        clock.advance(days=31)
        assert reporter.send_once().verdict is Verdict.CLOSED
        assert len(transport.sent) == 1


# What it needs.


def test_kit_needs_no_network_and_no_hypothesis(tmp_path: Path) -> None:
    """The kit imports, plants and looks without httpx2, stamina, SQLAlchemy and Hypothesis, which it names if asked."""
    for name in ("httpx2", "httpcore2", "stamina", "sqlalchemy", "hypothesis"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('gone', name={name!r})\n")
    program = (
        "from rc_stats.errors import MissingExtra\n"
        "from rc_stats.testing import RecordingTransport, assert_no_leak, canaries, documents\n"
        "assert_no_leak('', canaries().secrets)\n"
        "RecordingTransport()\n"
        "try:\n"
        "    documents()\n"
        "except MissingExtra as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.stdout.startswith("Making documents for tests needs the extra 'testing'. [missing-extra]")
    assert done.stderr == ""


@settings(max_examples=30)
@given(documents())
def test_documents_can_be_read(document: dict[str, Any]) -> None:
    """The documents are for the packaged catalogue by default, and each has a report in each profile."""
    for profile in Profile:
        assert isinstance(ANONYMISERS[profile](document, findings=False).statistics(), dict)


def test_documents_reach_the_interesting_places() -> None:
    """Among a few hundred documents are full and empty ones, hostile keys, wrappers and values of every JSON type."""
    seen: dict[str, int] = {}

    @settings(max_examples=200, database=None, derandomize=True)
    @given(documents())
    def look(document: dict[str, Any]) -> None:
        seen["full"] = seen.get("full", 0) + (len(document) > 100)
        seen["small"] = seen.get("small", 0) + (len(document) < 5)
        seen["unknown"] = seen.get("unknown", 0) + any(key not in FIRST_STEPS for key in document)
        seen["wrapped"] = seen.get("wrapped", 0) + ("$number" in json.dumps(document))
        for _, value in leaves(document):
            seen[type(value).__name__] = 1

    look()
    assert [what for what, times in seen.items() if not times] == []
    assert {"str", "int", "float", "bool", "NoneType"} <= set(seen)


FIRST_STEPS = {steps_of(path)[0] for path in CATALOGUE.metrics}
