"""A third party can tell our payloads from all others, and is told why without being told what stands there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canaries import assert_no_trace
from rc_stats import verification
from rc_stats.anonymise import Anonymiser, Report
from rc_stats.catalogue import Catalogue, Profile, load_catalogue
from rc_stats.consent import Consent, Terms, what_if
from rc_stats.gate import Switches, Workspace, clear, decide
from rc_stats.policy import DataType, WorkspaceKind, load_policy
from rc_stats.sources import read_documents
from rc_stats.verification import Verification, verify
from rc_stats.wire import canonical

ROOT: Final = Path(__file__).parent.parent
FILES: Final = sorted(
    [
        *(ROOT / "examples").glob("*.json"),
        *(ROOT / "tests" / "data" / "samples").glob("*.json"),
        *(ROOT / "tests" / "data" / "samples").glob("*.jsonl"),
    ]
)
EXAMPLE: Final = (ROOT / "examples" / "statistics.json").read_bytes()
POLICY: Final = load_policy()
CATALOGUE: Final = load_catalogue()
NOW: Final = datetime(2026, 8, 25, 12, tzinfo=UTC)
USAGE, APP, ACCOUNT = DataType.USAGE, DataType.APP, DataType.ACCOUNT
EVERYTHING: Final = frozenset({USAGE, APP, ACCOUNT})
SCOPES: Final = [
    frozenset(scope)
    for scope in ([USAGE], [APP], [ACCOUNT], [USAGE, APP], [USAGE, ACCOUNT], [APP, ACCOUNT], [USAGE, APP, ACCOUNT])
]
SECRET: Final = "Zwiebelmuster4711"  # noqa: S105


@pytest.fixture(scope="module", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Compile each profile once; an anonymiser has no state, and compiling takes longer than verifying."""
    compiled: dict[tuple[str, Profile], Anonymiser] = {}

    def anonymiser(catalogue: Catalogue, profile: Profile) -> Anonymiser:
        key = (catalogue.digest, profile)
        if key not in compiled:
            compiled[key] = Anonymiser(catalogue, profile)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "Anonymiser", anonymiser)
        yield


def cleared(report: Report, kind: WorkspaceKind, scope: frozenset[DataType], consent: Consent | None = None) -> bytes:
    """Return the bytes of *report*'s payload, or none where nothing is left."""
    terms = Terms(POLICY, report.catalogue, report.profile)
    decision = decide(
        Workspace(kind),
        consent or what_if(terms, at=NOW, scope=scope),
        POLICY.recipient,
        Switches(),
        NOW,
        terms=terms,
        evidence=report.evidence,
    )
    if not decision.is_open:
        assert [reason.code for reason in decision.closing] == ["nothing-left"]
        return b""
    return clear(report, decision).body


@cache
def honest(profile: Profile = Profile.STANDARD) -> bytes:
    """Return an honest payload of the example."""
    return cleared(Anonymiser(CATALOGUE, profile)(EXAMPLE), WorkspaceKind.REGISTERED, EVERYTHING)


def parsed(profile: Profile = Profile.STANDARD) -> dict[str, Any]:
    """Return what an honest payload holds, freshly made."""
    payload: dict[str, Any] = json.loads(honest(profile))
    return payload


def assert_refused(body: bytes) -> Verification:
    """Hold that *body* is not ours, that a reason is given, and that the reason holds no planted secret."""
    answer = verify(body, CATALOGUE)
    assert not answer.is_ours
    assert answer.faults
    for fault in answer.faults:
        assert fault
        assert "\n" not in fault
        assert_no_trace(fault, SECRET)
    return answer


def leaves(value: Mapping[str, Any], parents: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of every leaf under *value*."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from leaves(inner, f"{parents}{key}.")
        else:
            yield f"{parents}{key}", inner


def put(value: dict[str, Any], path: str, new: object) -> None:
    """Set the leaf at the dotted *path*."""
    *parents, name = path.split(".")
    for step in parents:
        value = value[step]
    value[name] = new


# What is ours.


@pytest.mark.parametrize("kind", [WorkspaceKind.REGISTERED, WorkspaceKind.HOSTED])
@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_payload_verifies(path: Path, profile: Profile, kind: WorkspaceKind) -> None:
    """Every payload of every sample, in every profile, kind and scope, is recognised as ours."""
    anonymiser = Anonymiser(CATALOGUE, profile)
    with path.open("rb") as stream:
        documents = [document.body for document in read_documents(stream)]
    assert documents
    for document in documents[:2]:
        deploy = {**(document.get("deploy") or {}), "platform": "rocket-cloud"}
        body = {**document, "deploy": deploy} if kind is WorkspaceKind.HOSTED else document
        report = anonymiser(body, findings=False)
        payloads = {payload for scope in SCOPES if (payload := cleared(report, kind, scope))}
        assert payloads
        for payload in payloads:
            assert verify(payload, CATALOGUE) == Verification(())


def test_samples_are_found() -> None:
    """There are samples to verify: two examples and ten files of real documents."""
    assert len(FILES) == 2 + 10


def without(*paths: str) -> bytes:
    """Return the payload under a yes to all metrics but those at *paths*."""
    report = Anonymiser(CATALOGUE)(EXAMPLE)
    consent = what_if(Terms(POLICY, CATALOGUE), at=NOW, scope=EVERYTHING)
    fields = {p: {k: m for k, m in agreed.items() if k not in paths} for p, agreed in consent.fields.items()}
    narrower = replace(consent, fields=fields, catalogue_digest="sha256:0")
    return cleared(report, WorkspaceKind.REGISTERED, EVERYTHING, narrower)


@pytest.mark.parametrize("path", ["totalChannels", "totalMessages", "os.cpus.model", "omnichannelSources", "version"])
def test_a_payload_without_new_metrics_verifies(path: str) -> None:
    """A payload that lacks what was not agreed to yet is ours too."""
    body = without(path)
    assert body != honest()
    assert verify(body, CATALOGUE) == Verification(())


def test_a_payload_without_the_number_of_users_verifies() -> None:
    """A payload that lacks the number of users, since that metric is new, is ours although it has activity totals."""
    assert verify(without("totalUsers"), CATALOGUE) == Verification(())


# Tampering with the head.

HEADS: dict[str, dict[str, object]] = {
    "unregistered": {"workspace": "unregistered"},
    "an unknown kind": {"workspace": SECRET},
    "a kind that is a list": {"workspace": [SECRET]},
    "a kind that is an object": {"workspace": {SECRET: SECRET}},
    "no kind": {"workspace": None},
    "a kind that is a number": {"workspace": 1},
    "another digest": {"catalogue": {"digest": "sha256:" + "0" * 64, "version": CATALOGUE.version}},
    "a digest that is a text": {"catalogue": {"digest": SECRET, "version": CATALOGUE.version}},
    "another version": {"catalogue": {"digest": CATALOGUE.digest, "version": CATALOGUE.version + 1}},
    "a version that is true": {"catalogue": {"digest": CATALOGUE.digest, "version": True}},
    "a version that is a float": {"catalogue": {"digest": CATALOGUE.digest, "version": float(CATALOGUE.version)}},
    "a version that is a text": {"catalogue": {"digest": CATALOGUE.digest, "version": str(CATALOGUE.version)}},
    "a key more in the catalogue": {
        "catalogue": {"digest": CATALOGUE.digest, "version": CATALOGUE.version, SECRET: SECRET}
    },
    "a key less in the catalogue": {"catalogue": {"digest": CATALOGUE.digest}},
    "a catalogue that is a list": {"catalogue": [SECRET]},
    "another format": {"format": 2},
    "a format that is true": {"format": True},
    "a format that is a float": {"format": 1.0},
    "a format that is a text": {"format": "1"},
    "a format that is an object": {"format": {SECRET: 1}},
    "another profile": {"profile": "exact"},
    "an unknown profile": {"profile": SECRET},
    "a profile that is a list": {"profile": [SECRET]},
    "a profile that is an object": {"profile": {SECRET: 1}},
    "no profile": {"profile": None},
    "statistics that are a list": {"statistics": [SECRET]},
    "statistics that are a text": {"statistics": SECRET},
    "statistics that are null": {"statistics": None},
    "a key more": {SECRET: SECRET},
    "an identifier": {"uniqueId": SECRET},
    **{
        f"the period {period!r}": {"period": period}
        for period in (
            *("", "2026", "2026-8", "2026-00", "2026-13", "2026-08-17", "2026-08-", " 2026-08", "2026-08\n", "1926-08"),
            *("20\N{ARABIC-INDIC DIGIT TWO}6-08", "2026/08", f"2026-08 {SECRET}", 202608, None, [SECRET], {SECRET: 1}),
        )
    },
}


@pytest.mark.parametrize("name", HEADS)
def test_a_tampered_head_is_refused(name: str) -> None:
    """No part of the head can be other than the gate writes it."""
    assert_refused(canonical({**parsed(), **HEADS[name]}))


@pytest.mark.parametrize("key", ["catalogue", "format", "period", "profile", "statistics", "workspace"])
def test_no_part_of_the_head_is_missing(key: str) -> None:
    """A payload without one of its keys is refused."""
    payload = parsed()
    del payload[key]
    assert_refused(canonical(payload))


@pytest.mark.parametrize(
    "period", ["2026-08", "2026-08-00", "2026-08-32", "2026-02-30", "2027-02-29", "2026-04-31", "2026-8-1"]
)
def test_the_period_of_an_exact_payload_is_a_day(period: str) -> None:
    """The period of an exact payload is a day that exists."""
    assert_refused(canonical({**parsed(Profile.EXACT), "period": period}))


def test_a_leap_day_is_a_day() -> None:
    """The 29th of February counts in a leap year."""
    assert verify(canonical({**parsed(Profile.EXACT), "period": "2028-02-29"}), CATALOGUE).is_ours


# Tampering with the statistics.

PLACES: Final = ["", "apps", "enterprise.voip.total", "services.oauth", "os.cpus", "omnichannelSources", "wizard"]


@pytest.mark.parametrize("new", [1, True, SECRET, "other", None, {}, [], [SECRET], {SECRET: 1}], ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_an_added_key_is_refused(place: str, new: object) -> None:
    """A key that the catalogue doesn't have is refused at every depth, whatever it holds."""
    payload = parsed()
    put(payload["statistics"], f"{place}.{SECRET}".lstrip("."), new)
    assert_refused(canonical(payload))


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("uniqueId", SECRET),
        ("smtp", SECRET),
        ("onlineUsers", 3),
        ("userLanguages", {"de": 12}),
        ("statsToken", "1.2.3"),
        ("createdAt", "2026-08-17T03:12:00.000Z"),
        ("os.uptime", 12),
        ("services.saml.users", 12),
        ("os.cpus", [{"model": "Intel"}]),
        ("services.oauth.custom", [SECRET]),
    ],
)
def test_a_field_that_never_leaves_is_refused(path: str, new: object) -> None:
    """What the document has and no payload has is refused under its own name too."""
    payload = parsed()
    put(payload["statistics"], path, new)
    assert_refused(canonical(payload))


def bad_values(value: object) -> Iterator[object]:
    """Yield values that no payload can have in the place of *value*, by its type."""
    yield from (None, [], {}, [value], [SECRET], {SECRET: value}, 1.5, -1, 2**53 + 1, f"{SECRET} {value}", SECRET)
    if isinstance(value, bool):
        yield from (0, 1, "true", "other")
    elif isinstance(value, int):
        yield from (float(value), value + 0.5, True, str(value), {"$numberInt": str(value)}, 2**64 - 1, -value - 1)
    elif isinstance(value, str):
        yield from (0, 12, True, f"{value}\n", f" {value}", f"{value}{SECRET}", f"{value}\x00", {"$oid": value}, "")


REPRESENTATIVES: Final = [
    *("totalUsers", "totalChannels", "totalMessages", "uploadsTotalSize", "abacEnabled", "version", "mongoVersion"),
    *("installedAt", "os.totalmem", "os.cpus.count", "os.cpus.model", "os.type", "routingAlgorithm"),
    *("services.oauth.custom", "omnichannelSources.widget", "wizard.industry", "wizard.country", "apps.totalActive"),
    *("enterprise.modules", "contactVerification.avgChannelsPerContact", "deploy.platform"),
]


@pytest.mark.parametrize("path", REPRESENTATIVES)
def test_a_changed_value_is_refused(path: str) -> None:
    """One leaf with a value that no payload can have there is refused."""
    value = dict(leaves(parsed()["statistics"]))[path]
    for new in bad_values(value):
        payload = parsed()
        put(payload["statistics"], path, new)
        assert len(assert_refused(canonical(payload)).faults) >= 1, new


def test_every_leaf_is_checked() -> None:
    """Each leaf of the payload, one at a time, is refused with a value that no payload can have there."""
    for number, (path, value) in enumerate(leaves(parsed()["statistics"])):
        bad = list(bad_values(value))
        payload = parsed()
        put(payload["statistics"], path, bad[number % len(bad)])
        assert not verify(canonical(payload), CATALOGUE).is_ours, path


@pytest.mark.parametrize("path", ["totalChannels", "apps.totalActive", "wizard.industry", "os.type", "os.cpus.model"])
def test_a_fault_names_its_path(path: str) -> None:
    """The fault of a metric that the catalogue knows names its path in full."""
    payload = parsed()
    put(payload["statistics"], path, SECRET)
    (fault,) = assert_refused(canonical(payload)).faults
    assert fault.startswith(f"{path} ")


@pytest.mark.parametrize(
    ("profile", "path", "new"),
    [
        (Profile.STANDARD, "uploadsTotalSize", 42_812_345_678),
        (Profile.STANDARD, "version", "8.7.0-rc.3"),
        (Profile.STANDARD, "version", "08.7.0"),
        (Profile.STANDARD, "version", "8.7.99999"),
        (Profile.STANDARD, "mongoVersion", "8.0.4"),
        (Profile.STANDARD, "installedAt", "2023-05"),
        (Profile.STANDARD, "installedAt", "1923"),
        (Profile.STANDARD, "os.release", "6.8"),
        (Profile.STANDARD, "os.totalmem", 17179869184),
        (Profile.STANDARD, "wizard.country", "germany"),
        (Profile.STANDARD, "wizard.language", "de"),
        (Profile.STANDARD, "os.type", "linux"),
        (Profile.STANDARD, "totalUsers", 9),
        (Profile.STRICT, "totalUsers", 247),
        (Profile.STRICT, "totalMessages", 269_152),
        (Profile.STRICT, "totalMessages", 0),
        (Profile.STRICT, "totalChannels", 123),
        (Profile.STRICT, "version", "8.7.0"),
        (Profile.EXACT, "installedAt", "2023-13"),
    ],
)
def test_a_finer_or_impossible_value_is_refused(profile: Profile, path: str, new: object) -> None:
    """A value that is finer than its profile, not spelt as the list has it, or out of step with another is refused."""
    payload = parsed(profile)
    put(payload["statistics"], path, new)
    assert_refused(canonical(payload))


@pytest.mark.parametrize(("finer", "coarser"), [("exact", "standard"), ("exact", "strict"), ("standard", "strict")])
def test_a_finer_payload_does_not_pass_for_a_coarser(finer: str, coarser: str) -> None:
    """The statistics of a finer profile under the name of a coarser one are refused."""
    statistics = parsed(Profile(finer))["statistics"]
    assert_refused(canonical({**parsed(Profile(coarser)), "statistics": statistics}))


# Tampering with the bytes.


def reordered(body: bytes) -> bytes:
    """Return the same JSON with its keys in another order."""
    return json.dumps(dict(reversed(json.loads(body).items())), separators=(",", ":")).encode() + b"\n"


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "no newline": lambda body: body.rstrip(b"\n"),
    "two newlines": lambda body: body + b"\n",
    "a carriage return": lambda body: body.replace(b"\n", b"\r\n"),
    "a space before": lambda body: b" " + body,
    "a space after a colon": lambda body: body.replace(b'"format":1', b'"format": 1'),
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "trailing text": lambda body: body + SECRET.encode(),
    "a trailing document": lambda body: body + body,
    "a trailing zero byte": lambda body: body + b"\x00",
    "keys in another order": reordered,
    "an escaped letter": lambda body: body.replace(b'"workspace"', b'"workspac\\u0065"'),
    "a number with an exponent": lambda body: body.replace(b'"totalUsers":247', b'"totalUsers":247e0'),
    "a key twice": lambda body: body.replace(b'"format":1', b'"format":1,"format":1'),
    "a hidden first key": lambda body: body.replace(b'"format":1', b'"format":"' + SECRET.encode() + b'","format":1'),
    "cut off": lambda body: body[:-10],
    "nothing": lambda _: b"",
    "a newline": lambda _: b"\n",
    "not JSON": lambda _: SECRET.encode(),
    "an open text": lambda _: b'{"' + SECRET.encode(),
    "a secret for a number": lambda body: body.replace(b"247", SECRET.encode()),
    "NaN": lambda body: body.replace(b"247", b"NaN"),
    "another encoding": lambda body: body.decode().encode("utf-16"),
    "broken UTF-8": lambda body: body.replace(b"docker", b"d\xffcker"),
    "half a surrogate": lambda body: body.replace(b"docker", b"\\ud800"),
    "a list": lambda body: b"[" + body.rstrip() + b"]\n",
    "a text": lambda _: b'"' + SECRET.encode() + b'"\n',
    "null": lambda _: b"null\n",
    "a number": lambda _: b"12\n",
    "an empty object": lambda _: b"{}\n",
    "too large": lambda body: body + b" " * 2**24,
    "a document": lambda _: EXAMPLE,
}


@pytest.mark.parametrize("name", BYTES)
def test_other_bytes_are_refused(name: str) -> None:
    """One meaning has one spelling: anything but the canonical bytes is refused."""
    body = BYTES[name](honest())
    assert body != honest()
    assert_refused(body)


@pytest.mark.parametrize("depth", [10, 200, 260, 500, 1000, 2000, 100_000])
@pytest.mark.parametrize("kind", ["list", "object"])
def test_deep_nesting_is_refused(kind: str, depth: int) -> None:
    """Nesting of any depth is answered, not raised."""
    before, after = (b"[", b"]") if kind == "list" else (b'{"a":', b"}")
    nested = before * depth + b"1" + after * depth
    assert_refused(honest().replace(b'"statistics":{', b'"statistics":{"AAA":' + nested + b",", 1))


def test_every_fault_at_once() -> None:
    """The checker doesn't stop at the first fault."""
    payload = {**parsed(), "format": 2, "workspace": "unregistered", "period": "now"}
    payload["statistics"] = {**payload["statistics"], "uniqueId": SECRET, "totalChannels": "many"}
    body = json.dumps(payload).encode()
    assert len(assert_refused(body).faults) == 3 + 1 + 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["catalogue", "format", "period", "profile", "statistics", "workspace", "other"]), json_values)
def test_any_value_anywhere_gets_an_answer(key: str, value: object) -> None:
    """Whatever stands at a key of the payload, the checker answers, and no head but the honest one passes."""
    body = json.dumps({**parsed(), key: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        encoded = f"{body}\n".encode()
    except UnicodeEncodeError:
        encoded = f"{json.dumps({**parsed(), key: value})}\n".encode()
    answer = verify(encoded, CATALOGUE)
    assert all(isinstance(fault, str) for fault in answer.faults)
    if key != "statistics":
        assert (encoded == honest()) == answer.is_ours


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 7000), st.integers(0, 20))
def test_any_bytes_get_an_answer(noise: bytes, start: int, length: int) -> None:
    """Noise anywhere in the bytes is answered; only a payload that is canonical and ours all the same passes."""
    body = honest()
    noisy = body[:start] + noise + body[start + length :]
    if verify(noisy, CATALOGUE).is_ours:
        assert canonical(json.loads(noisy)) == noisy
