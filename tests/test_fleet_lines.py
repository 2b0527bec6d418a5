"""One line of an archive: told apart as JSON says, decided as a single document is, and never the end of the run."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import strategies as made
from archives import (
    AGREED,
    NO,
    NOW,
    ROOT,
    TERMS,
    YES,
    agreed,
    anonymiser,
    document,
    dump,
    hostile,
    options,
    ruled,
    wrapped,
)
from canaries import assert_no_trace
from rc_stats import Consent, Evidence, Objections, Profile, Switches, Terms, Workspace, WorkspaceKind, decide, what_if
from rc_stats.consent import SCOPES
from rc_stats.decision import Standing
from rc_stats.errors import UsageError
from rc_stats.fleet.lines import LONGEST_LABEL, Drift, LineGate, Options, Ruling, clear_lines, line_gate
from rc_stats.render.view import drift_lines
from rc_stats.wire import MAX_DOCUMENT_BYTES

SAMPLE = json.loads((ROOT / "tests" / "data" / "samples" / "statistics-8.7.0.json").read_bytes())
TOKEN = "octopus-ltd"  # noqa: S105 -- planted in lines, to be looked for in rulings


CONSENTS: list[dict[str, Any] | None] = [
    *(None, YES.to_data(), NO.to_data(), Consent().to_data(), Consent().decline(at=AGREED).to_data()),
    Consent().grant(TERMS, at=AGREED, scope=SCOPES).to_data(),
    Consent().grant(replace(TERMS, profile=Profile.STRICT), at=AGREED, scope=SCOPES[:1]).to_data(),
    YES.restrict(until=datetime(2027, 1, 1, tzinfo=UTC), at=AGREED).to_data(),
    replace(YES, fields={Profile.STANDARD: dict(list(TERMS.fields().items())[9:])}).to_data(),
    replace(YES, at=None, recipient="https://other.example/").to_data(),
]

gate_for = cache(LineGate)


def asked(line: bytes, given_options: Options | None = None) -> Ruling:
    """Return the ruling of a gate that was asked other lines before."""
    return gate_for(given_options or options())(line)


def scalars() -> st.SearchStrategy[Any]:
    """Return any JSON value that holds no other."""
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    return st.none() | st.booleans() | numbers | st.text(max_size=8) | st.sampled_from(["", "registered", TOKEN])


def values() -> st.SearchStrategy[Any]:
    """Return any small JSON value."""
    return st.recursive(
        scalars(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    )


def kinds() -> st.SearchStrategy[Any]:
    """Return what a line may tell of its workspace, hostile values included."""
    names = st.lists(st.sampled_from(["Amazon Web Services", "Acme", "USA", "Germany"]), max_size=2) | scalars()
    objections = st.dictionaries(st.sampled_from(["subprocessors", "countries", "more"]), names, max_size=2)
    kind = st.sampled_from([str(kind) for kind in WorkspaceKind]) | scalars()
    as_object: st.SearchStrategy[Any] = st.fixed_dictionaries(
        {"kind": kind}, optional={"objections": objections | scalars()}
    )
    return kind | as_object


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Return a line: whatever parts it has, in any order, other keys between, spaced in any way, spoilt at times."""
    parts: dict[str, Any] = {}
    said = draw(st.sets(st.sampled_from(["workspace", "consent", "statistics"])))
    if "workspace" in said:
        parts["workspace"] = draw(kinds())
    if "consent" in said:
        parts["consent"] = draw(st.sampled_from(CONSENTS) | values())
    body = draw(st.sampled_from([document(3), SAMPLE]) | values())
    if said:
        parts["statistics"] = draw(st.just(body) | st.just(body) | values())
    else:
        parts = dict(body) if isinstance(body, Mapping) else {"statistics": body}
    parts |= draw(st.dictionaries(st.sampled_from(["id", "zone", 'a"statistics":', "é"]), scalars(), max_size=2))
    names = draw(st.permutations(list(parts))) if len(parts) < 8 else list(parts)
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]))
    line = json.dumps({name: parts[name] for name in names}, separators=separators, ensure_ascii=draw(st.booleans()))
    data = line.encode("utf-8", "surrogatepass")
    match draw(st.integers(0, 9)):
        case 0:
            return b"\xef\xbb\xbf" + data
        case 1:
            return data + draw(st.sampled_from([b" ", b"\r", b"\t \r", b"x", b"}", b",{}", b"\xff"]))
        case 2:
            return data[: draw(st.integers(0, len(data)))]
        case 3:
            return data.replace(b"statistics", draw(st.sampled_from([b"st\\u0061tistics", b"statisticS"])))
        case 4:
            return data[:-1] + b',"statistics":' + draw(st.sampled_from([b"{}", b"null", b"[]"])) + b"}"
    return data


@settings(max_examples=200)
@given(lines(), st.sampled_from([options(), agreed(), agreed(switches=Switches(("DO_NOT_TRACK",)))]))
@example(b'{"x":"\\"statistics\\":{","statistics":{}}', agreed())
@example(b'{"x":"a"statistics":{}}', agreed())
@example(b'{"workspace":"registered","statistics":{}},"consent":null}', agreed())
@example(b'{"a":{"statistics":{"totalUsers":5}}}', agreed())
@example(b'"statistics":{}}', agreed())
def test_a_line_is_decided_as_a_document_is(line: bytes, given_options: Options) -> None:
    """Whatever a line holds, payload and reasons are those of parsing it whole and asking the gate about its parts."""
    ruling = asked(line, given_options)
    assert ruled(line, given_options) == (ruling.payload, ruling.reasons)


@settings(max_examples=20)
@given(st.lists(lines(), min_size=2, max_size=4))
def test_lines_know_nothing_of_each_other(several: list[bytes]) -> None:
    """What a gate remembers of lines before changes no ruling: in any order, and asked twice, it says the same."""
    gate = LineGate(agreed())
    first = [gate(line) for line in several]
    assert first == [gate(line) for line in several]
    assert first[::-1] == [LineGate(agreed())(line) for line in several[::-1]]


def test_more_consents_than_are_remembered() -> None:
    """Hundreds of workspaces, each with a consent of its own, are decided each by its own."""
    gate = LineGate(options())
    for number in range(300):
        consent = replace(YES, at=AGREED.replace(second=number % 5)) if number % 3 else NO
        if number % 7 == 0:
            consent = replace(consent, fields={Profile.STANDARD: {f"path{number}": "0"}})
        line = dump(
            wrapped(number, {"kind": "registered", "objections": {"countries": None, "subprocessors": []}}, consent)
        )
        assert ruled(line, options()) == gate(line)[:2]


@pytest.mark.parametrize("line", hostile(), ids=range(len(hostile())))
def test_hostile_lines_are_refusals(line: bytes) -> None:
    """A line that can't be read is refused by a rule of its own, and the next one is decided."""
    gate = LineGate(agreed())
    ruling = gate(line)
    assert ruling.payload is None
    assert ruling.verdict == "refused"
    assert not ruling.is_usable
    assert len(ruling.reasons) == 1
    assert gate(dump(document(1))).verdict == "cleared"


RULES: dict[bytes, str] = {
    b"": "not-json",
    b"{": "not-json",
    b"[]": "not-an-object",
    b"1": "not-an-object",
    b"[" * 100_000: "too-deep",
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000: "too-deep",
    b'{"workspace":"registered","statistics":{},"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}": "too-deep",
    b" " * (MAX_DOCUMENT_BYTES + 1): "too-large",
    b'{"statistics":[{}]}': "no-statistics",
    b'{"statistics":null}': "no-statistics",
    b'{"consent":null}': "no-statistics",
    b'{"workspace":"hostd","statistics":{}}': "workspace",
    b'{"workspace":{"kind":["registered"]},"statistics":{}}': "workspace",
    b'{"workspace":{},"statistics":{}}': "workspace",
    b'{"consent":{"state":"granted"},"statistics":{}}': "consent",
    b'{"consent":"granted","statistics":{}}': "consent",
    b'{"consent":true,"statistics":{}}': "consent",
    b'{"note":"\xff"}': "wrong-encoding",
}


@pytest.mark.parametrize(("line", "rule"), RULES.items(), ids=range(len(RULES)))
def test_each_fault_has_its_rule(line: bytes, rule: str) -> None:
    """What is wrong with a line is told by a stable code."""
    assert asked(line, agreed()).reasons == (rule,)


def test_the_interpreter_decides_nothing() -> None:
    """A line is refused for its depth also where the interpreter lets parsers go deeper."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        for line, rule in RULES.items():
            assert asked(line, agreed()).reasons == (rule,)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("depth", [900, 990, 1000, 1010, 1020])
@pytest.mark.parametrize("around", [b'{"x":%b}', b'{"x":%b,"statistics":{}}', b'{"workspace":"unregistered","x":%b}'])
def test_depth_opens_nothing(around: bytes, depth: int) -> None:
    """Near the depth at which parsers give up, a line is refused or read in its parts, and never taken for another."""
    body = dump(document(1))[1:-1]
    line = (around % (b"[" * depth + b"]" * depth)).replace(b"{", b"{" + body + b",", 1)
    ruling = asked(line, agreed())
    assert ruling.reasons == ("too-deep",) or (ruling.payload, ruling.reasons) == ruled(line, agreed())
    if b"workspace" in around:
        assert ruling.payload is None


def test_whatever_breaks_is_one_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody thought of refuses the line that it happens to."""
    gate = LineGate(agreed())

    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(gate, "_anonymiser", broken)
        assert gate(dump(document(1))) == Ruling(None, ("failed",), is_usable=False)
    assert gate(dump(document(1))).verdict == "cleared"


def test_what_a_line_does_not_say_is_the_strictest() -> None:
    """Workspace and consent that are given once are for bare documents, and for no line that says anything itself."""
    bare, full = document(1), wrapped(1)
    without = [{key: value for key, value in full.items() if key != name} for name in ("workspace", "consent")]
    assert asked(dump(bare), agreed()).verdict == "cleared"
    assert asked(dump({"success": True, "statistics": bare}), agreed()).verdict == "cleared"
    assert [asked(dump(line), agreed()).reasons[0] for line in without] == [
        "workspace-unregistered",
        "consent-undecided",
    ]
    assert asked(dump({**full, "consent": None}), agreed()).reasons[0] == "consent-undecided"
    assert asked(dump(bare)).reasons == ("workspace-unregistered", "consent-undecided")


def test_no_what_if_in_bulk() -> None:
    """A hypothetical consent is refused before anything is read, so no payload only looks as if agreed to."""
    with pytest.raises(UsageError, match="hypothetical") as caught:
        agreed().with_consent(what_if(TERMS, at=AGREED))
    assert caught.value.rule == "hypothetical"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"now": datetime(2026, 8, 17, 12)}, "time-zone"),  # noqa: DTZ001 - the clock without a zone is the case
        ({"label": "statistics"}, "label"),
        ({"label": "consent"}, "label"),
        ({"consent": b"{}"}, "consent"),
        ({"consent": b"{"}, "not-json"),
    ],
)
def test_options_that_fit_no_line(changes: dict[str, Any], rule: str) -> None:
    """What would refuse every line for a reason that no line has is an error of the call."""
    with pytest.raises(UsageError) as caught:
        options(**changes)
    assert caught.value.rule == rule


def test_options_travel() -> None:
    """Options can be pickled, compared and hashed: workers of any kind get the same."""
    given_options = agreed(label="id", switches=Switches(("DO_NOT_TRACK",)))
    again = pickle.loads(pickle.dumps(given_options))  # noqa: S301
    assert again == given_options
    assert hash(again) == hash(given_options)
    assert line_gate(given_options) is line_gate(again)
    assert line_gate(options()) is not line_gate(given_options)


LABELS: list[tuple[Any, Any]] = [
    ("w-1", "w-1"),
    (7, 7),
    (None, None),
    (True, None),
    (1.5, None),
    ([], None),
    ({"a": 1}, None),
    ("x" * (LONGEST_LABEL - 2), "x" * (LONGEST_LABEL - 2)),
    ("x" * LONGEST_LABEL, None),
]


NOTHING: list[dict[str, Any]] = [{"statistics": None}, {"statistics": [{}]}, {"consent": None}]
"""Lines without a document."""


@pytest.mark.parametrize(("value", "label"), LABELS, ids=range(len(LABELS)))
def test_labels(value: Any, label: Any) -> None:
    """Only the key that was asked for is copied, only a short text or an integer, cleared or refused."""
    for line in (wrapped(1, id=value), wrapped(1, "unregistered", id=value), {**wrapped(1), "id": value}):
        assert asked(dump(line), options(label="id")).label == label
        assert asked(dump(line), options(label="other")).label is None
        assert asked(dump(line)).label is None
    assert asked(dump({**wrapped(1, id=value), "workspace": 5}), options(label="id")).label == label
    for nothing in NOTHING:
        for line in ({"id": value, **nothing}, {**nothing, "id": value}):
            ruling = asked(dump(line), options(label="id"))
            assert (ruling.reasons, ruling.label) == (("no-statistics",), label)


def test_no_label_out_of_a_document() -> None:
    """A key of a bare document is a value of the document, and is no label."""
    for line in (document(1), {"success": True, "statistics": {**document(1), "id": TOKEN}}):
        assert (
            asked(dump({**line, "id": "w"} if "statistics" not in line else line), agreed(label="uniqueId")).label
            is None
        )
    assert asked(dump({**document(1), "id": TOKEN}), agreed(label="id")).label is None


def test_a_ruling_holds_no_value() -> None:
    """Nothing of a document or a line shows in what is said of it, whether cleared, refused or unreadable."""
    poisoned = {
        **SAMPLE,
        TOKEN: 1,
        f"total{TOKEN}": {TOKEN: TOKEN},
        "uniqueId": TOKEN,
        "createdAt": "2026-08-03T00:00:00Z",
    }
    given_options = agreed(with_drift=True)
    for line in (
        dump(poisoned),
        dump({"workspace": TOKEN, "statistics": poisoned}),
        dump({"workspace": "registered", "id": TOKEN, TOKEN: TOKEN, "statistics": poisoned}),
        dump({"consent": {TOKEN: 1}, "statistics": poisoned}),
        dump(poisoned)[:-1],
    ):
        ruling = asked(line, given_options)
        assert_no_trace(repr((ruling.payload, ruling.reasons, ruling.drift, ruling.label)), TOKEN)


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(made.documents())
def test_drift_is_that_of_check(value: Any) -> None:
    """Drift, where it is asked for, names what ``check`` names, masked in the same way, and changes no payload."""
    body = made.as_bytes(value)
    line = b'{"workspace":"registered","statistics":' + body + b"}"
    plain, ruling = asked(line), asked(line, options(with_drift=True))
    assert plain[:2] == ruling[:2]
    assert plain.drift is None
    if not ruling.is_usable:
        assert ruling.drift is None
        return
    found = anonymiser()(body).findings or ()
    assert sorted(drift_lines(found)) == sorted(told_as_check(drift) for drift in ruling.drift or ())


def told_as_check(drift: Drift) -> str:
    """Return the line that ``check`` has for a drift."""
    if drift.rule == "unknown-type":
        return f"{drift.path} (a JSON type that is not known there)"
    return f"{drift.path} ({drift.times:,} keys)".replace(",", "\N{NO-BREAK SPACE}") if drift.times > 1 else drift.path


@settings(max_examples=40)
@given(made.workspaces(), made.consents(), made.switches(), made.moments(), made.terms(), st.data())
def test_a_standing_is_a_decision_for_each(  # noqa: PLR0917 - what a decision goes by
    workspace: Workspace, consent: Consent, switches: Switches, now: datetime, terms: Terms, data: st.DataObject
) -> None:
    """What was looked at once, and then under another consent, decides each document as if looked at anew."""
    made_at = st.none() | made.moments()
    evidences = st.none() | st.builds(Evidence, st.sampled_from([None, True, False]), st.booleans(), made_at)
    other = data.draw(made.consents())
    recipient = terms.policy.recipient
    standing = Standing(workspace, consent, recipient, switches, now, terms=terms)
    for under, said in ((standing, consent), (standing.under(other), other), (standing, consent)):
        for evidence in data.draw(st.lists(evidences, min_size=1, max_size=5)):
            anew = decide(workspace, said, recipient, switches, now, terms=terms, evidence=evidence)
            assert anew == under.decide(evidence)


AS_GIVEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bytes": dump,
    "text": lambda line: dump(line).decode(),
    "parsed": lambda line: line,
}


@pytest.mark.parametrize("form", AS_GIVEN)
def test_lines_in_a_pipeline(form: str) -> None:
    """A partition of bytes, text or parsed lines gives a plain record for each, in order."""
    several = [wrapped(1), wrapped(2, "unregistered"), document(3)]
    records = clear_lines(map(AS_GIVEN[form], several), options(with_drift=True))
    assert [record["payload"] for record in records] == [ruled(dump(line), options())[0] for line in several]
    assert [record["reasons"] for record in records] == [list(ruled(dump(line), options())[1]) for line in several]
    assert [record["verdict"] for record in records] == ["cleared", "refused", "refused"]
    assert {"path": "note", "rule": "unknown", "times": 1}.keys() == records[0]["drift"][0].keys()


@pytest.mark.parametrize("line", ["\ud800", {"a": object()}, {"a": 2**70}, object(), None, {1: 2}])
def test_what_is_no_line_in_a_pipeline(line: Any) -> None:
    """What can't be JSON is refused like any other line that can't be used."""
    (record,) = clear_lines([line], agreed())
    assert record["payload"] is None
    assert record["verdict"] == "refused"


def test_the_clock_gives_the_period() -> None:
    """The period of every payload follows from the one clock of the run, not from documents or machines."""
    for month in (8, 9):
        payload = asked(dump(wrapped(1)), options(now=datetime(2026, month, 20, tzinfo=UTC))).payload
        assert json.loads(payload or b"")["period"] == f"2026-{month:02}"
    assert json.loads(asked(dump(wrapped(1)), options(now=NOW)).payload or b"")["profile"] == "standard"


def test_objections_of_a_line_count() -> None:
    """What the admin of one workspace objects to closes the gate for that line alone."""
    gate = LineGate(options())
    refusing = {"kind": "registered", "objections": {"subprocessors": [TERMS.policy.subprocessors[0].name]}}
    assert gate(dump(wrapped(1))).verdict == "cleared"
    workspace = Workspace(WorkspaceKind.REGISTERED, Objections(frozenset({TERMS.policy.subprocessors[0].name})))
    decision = decide(
        workspace, YES, TERMS.policy.recipient, Switches(), NOW, terms=TERMS, evidence=Evidence(None, True, NOW)
    )
    assert (gate(dump(wrapped(1, refusing))).verdict == "refused") == (not decision.is_open)
    assert gate(dump(wrapped(1))).verdict == "cleared"
