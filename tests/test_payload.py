"""A payload is made by the gate alone, says exactly what was let through, and can't be forged or changed."""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import mypy.api
import pytest

from rc_stats import __version__
from rc_stats.anonymise import Anonymiser, Report
from rc_stats.catalogue import Profile, catalogue_from_data, load_catalogue
from rc_stats.consent import Consent, Terms, what_if
from rc_stats.errors import GateClosed
from rc_stats.gate import Decision, Objections, Payload, Switches, Workspace, clear, cleared, decide, genuine
from rc_stats.policy import DataType, Recipient, WorkspaceKind, load_policy

ROOT: Final = Path(__file__).parent.parent
TYPING: Final = ROOT / "tests" / "typing"
DOCUMENT: Final = (ROOT / "examples" / "statistics.json").read_bytes()

POLICY: Final = load_policy()
CATALOGUE: Final = load_catalogue()
AGREED: Final = datetime(2026, 8, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
USAGE, APP, ACCOUNT = DataType.USAGE, DataType.APP, DataType.ACCOUNT
EVERYTHING: Final = frozenset({USAGE, APP, ACCOUNT})
OWN: Final = Recipient("Example Collector", "https://collector.example.org:8443/in/v1", "Germany", (), "transfer")
ATTRIBUTES: Final = ("body", "decision", "envelope", "is_hypothetical", "period", "sha256")


@cache
def report_in(profile: Profile = Profile.STANDARD) -> Report:
    """Return the report of the example in *profile*."""
    return Anonymiser(CATALOGUE, profile)(DOCUMENT)


def decision_on(
    report: Report,
    scope: frozenset[DataType] = EVERYTHING,
    *,
    consent: Consent | None = None,
    recipient: Recipient = POLICY.recipient,
    workspace: Workspace | None = None,
    switches: tuple[str, ...] = (),
) -> Decision:
    """Return the gate's decision on *report* after a yes to *scope*."""
    terms = Terms(POLICY, report.catalogue, report.profile)
    return decide(
        workspace or Workspace(WorkspaceKind.REGISTERED),
        consent or Consent().grant(terms, at=AGREED, scope=scope, recipient=recipient),
        recipient,
        Switches(switches),
        NOW,
        terms=terms,
        evidence=report.evidence,
    )


def payload_of(profile: Profile = Profile.STANDARD, scope: frozenset[DataType] = EVERYTHING) -> Payload:
    """Return an honest payload of the example."""
    report = report_in(profile)
    return clear(report, decision_on(report, scope))


def leaves(value: Mapping[str, Any], parents: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of every leaf under *value*."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from leaves(inner, f"{parents}{key}.")
        else:
            yield f"{parents}{key}", inner


def refuse_number(text: str) -> float:
    """Fail on a number that is no integer."""
    raise AssertionError(f"a payload holds {text}")


# What is in it.


@pytest.mark.parametrize("profile", Profile)
def test_the_bytes_are_canonical(profile: Profile) -> None:
    """The body is UTF-8 JSON with sorted keys, no spaces, integers only, and one newline at the end."""
    body = payload_of(profile).body
    parsed = json.loads(body, parse_float=refuse_number, parse_constant=refuse_number)
    text = json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert f"{text}\n".encode() == body
    assert body.count(b"\n") == 1


@pytest.mark.parametrize("profile", Profile)
def test_the_keys_are_the_documented_ones(profile: Profile) -> None:
    """The body holds catalogue, format, period, profile, statistics and workspace, and nothing else."""
    parsed = json.loads(payload_of(profile).body)
    statistics = parsed.pop("statistics")
    wanted = {
        "catalogue": {"digest": CATALOGUE.digest, "version": CATALOGUE.version},
        "format": 1,
        "period": "2026-08-17" if profile is Profile.EXACT else "2026-08",
        "profile": str(profile),
        "workspace": "registered",
    }
    assert wanted == parsed
    assert report_in(profile).statistics() == statistics
    assert len(statistics) > 50


@pytest.mark.parametrize("profile", Profile)
def test_nothing_is_written_as_null_or_empty(profile: Profile) -> None:
    """What is withheld is absent: no null, no list, no empty object."""
    statistics = json.loads(payload_of(profile).body)["statistics"]
    values = dict(leaves(statistics))
    assert {type(value) for value in values.values()} <= {int, str, bool}
    assert b"{}" not in payload_of(profile).body


def test_the_digest_is_that_of_the_bytes() -> None:
    """The SHA-256 is that of the body, in hexadecimal."""
    payload = payload_of()
    assert hashlib.sha256(payload.body).hexdigest() == payload.sha256


@pytest.mark.parametrize(
    ("recipient", "url", "host"),
    [
        (POLICY.recipient, "https://collector.rocket.chat/", "collector.rocket.chat"),
        (OWN, "https://collector.example.org:8443/in/v1", "collector.example.org:8443"),
    ],
)
@pytest.mark.parametrize("profile", Profile)
def test_the_envelope(profile: Profile, recipient: Recipient, url: str, host: str) -> None:
    """Method, address and all headers of the request are fixed before sending, in order, and identify nobody."""
    report = report_in(profile)
    payload = clear(report, decision_on(report, recipient=recipient))
    headers = (
        ("Host", host),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        ("Content-Length", str(len(payload.body))),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", f"{payload.period}-{hashlib.sha256(payload.body).hexdigest()}"),
        ("User-Agent", f"rc-stats/{__version__.split('.')[0]}"),
    )
    assert ("POST", url, headers) == (payload.envelope.method, payload.envelope.url, payload.envelope.headers)
    assert all(re.fullmatch(r"[\x21-\x7e]+", value) for _, value in payload.envelope.headers)


def test_the_same_report_gives_the_same_bytes() -> None:
    """Order of keys, spaces, and the run don't show: equal documents give equal bytes and headers."""
    document = json.loads(DOCUMENT)
    shuffled = json.dumps(dict(reversed(document.items())), indent=3).encode()
    first, second = (clear(report, decision_on(report)) for report in map(Anonymiser(CATALOGUE), (DOCUMENT, shuffled)))
    assert (first.body, first.sha256, first.envelope) == (second.body, second.sha256, second.envelope)


@pytest.mark.parametrize(
    "scope",
    [[USAGE], [APP], [ACCOUNT], [USAGE, APP], [USAGE, ACCOUNT], [APP, ACCOUNT], [USAGE, APP, ACCOUNT]],
    ids=",".join,
)
@pytest.mark.parametrize("profile", Profile)
def test_only_agreed_data_types_are_in_it(profile: Profile, scope: list[DataType]) -> None:
    """Every leaf belongs to a data type of the scope, and of the report's leaves of those types none is missing."""
    payload = payload_of(profile, frozenset(scope))
    types = {metric.emit: metric.data_type for metric, _ in CATALOGUE.leaving(profile)}

    def type_of(path: str) -> DataType:
        # A table's rows are keyed by words of a closed list, so their paths are one step longer.
        return types.get(path) or types[path.rpartition(".")[0]]

    wanted = {path: value for path, value in leaves(report_in(profile).statistics()) if type_of(path) in scope}
    assert wanted == dict(leaves(json.loads(payload.body)["statistics"]))
    assert set(scope) == {type_of(path) for path in wanted}


@pytest.mark.parametrize(
    "path", ["totalChannels", "os.cpus.count", "omnichannelSources", "enterprise.voip.total.calls"]
)
def test_metrics_that_stay_are_not_in_it(path: str) -> None:
    """A metric that is new since the yes is left out of the bytes, and its neighbours are not."""
    report = report_in()
    terms = Terms(POLICY, CATALOGUE)
    granted = Consent().grant(terms, at=AGREED, scope=EVERYTHING)
    fields = {p: {other: m for other, m in agreed.items() if other != path} for p, agreed in granted.fields.items()}
    consent = replace(granted, fields=fields, catalogue_digest="sha256:0")
    decision = decision_on(report, consent=consent)
    assert {path} == decision.without
    everything = dict(leaves(report.statistics()))
    wanted = {p: value for p, value in everything.items() if p != path and not p.startswith(f"{path}.")}
    assert wanted != everything
    assert wanted == dict(leaves(json.loads(clear(report, decision).body)["statistics"]))


def test_an_empty_report_can_leave() -> None:
    """A document that holds nothing known, but a date, gives a payload with no statistics and invents none."""
    report = Anonymiser(CATALOGUE)({"createdAt": "2026-08-17T03:12:00.000Z"})
    assert json.loads(clear(report, decision_on(report)).body)["statistics"] == {}


@pytest.mark.parametrize("is_question", [True, False])
def test_a_what_if_is_marked(is_question: bool) -> None:
    """A payload of a "what if" is marked as hypothetical, has the bytes of the honest one, and only it is marked."""
    terms = Terms(POLICY, CATALOGUE)
    consent = what_if(terms, at=NOW, scope=EVERYTHING) if is_question else None
    payload = clear(report_in(), decision_on(report_in(), consent=consent))
    assert is_question == payload.is_hypothetical == payload.decision.is_hypothetical
    assert payload_of().body == payload.body


def test_the_bytes_alone_are_the_same() -> None:
    """Whoever only wants the bytes gets those of the payload, and is refused where it is."""
    report = report_in()
    assert cleared(report, decision_on(report)) == clear(report, decision_on(report)).body
    with pytest.raises(GateClosed, match="consent-undecided"):
        cleared(report, decision_on(report, consent=Consent()))


# What is refused.


def test_a_closed_gate_gives_nothing() -> None:
    """With a closed decision clear() raises with all codes, the first as its rule, a remedy and exit code 3."""
    decision = decision_on(
        report_in(),
        switches=("DO_NOT_TRACK",),
        consent=Consent(),
        workspace=Workspace(objections=Objections(frozenset({"OVH"}))),
    )
    with pytest.raises(GateClosed) as caught:
        clear(report_in(), decision)
    codes = ["workspace-unregistered", "switch-do-not-track", "consent-undecided", "recipient-objection"]
    assert codes == [reason.code for reason in decision.closing]
    assert f"Nothing may leave: {', '.join(codes)}." == caught.value.message
    assert (caught.value.rule, caught.value.exit_code) == (codes[0], 3)
    assert decision.closing[0].remedy == caught.value.remedy


def test_a_refusal_has_a_remedy() -> None:
    """Where nothing is left that may leave, the refusal still says what would change it."""
    report = Anonymiser(CATALOGUE)({"createdAt": "2026-08-17T03:12:00.000Z"})
    with pytest.raises(GateClosed) as caught:
        clear(report, decision_on(report, frozenset({APP})))
    assert caught.value.rule == "nothing-left"
    assert caught.value.remedy


def other_document(**changes: object) -> Report:
    """Return the report of the example with some leaves changed."""
    return Anonymiser(CATALOGUE)({**json.loads(DOCUMENT), **changes})


def other_catalogue() -> Report:
    """Return the report of the example by a catalogue with another meaning."""
    path = ROOT / "src" / "rc_stats" / "data" / "catalogue.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["metrics"] = [metric for metric in data["metrics"] if metric["path"] != "totalChannels"]
    return Anonymiser(catalogue_from_data(data))(DOCUMENT)


OTHERS: dict[str, Callable[[], Report]] = {
    "of another catalogue": other_catalogue,
    "of a coarser profile": lambda: report_in(Profile.STRICT),
    "of a finer profile": lambda: report_in(Profile.EXACT),
    "of another day": lambda: other_document(createdAt="2026-08-16T03:12:00.000Z"),
    "of a document without date": lambda: other_document(createdAt=None),
    "of a document without apps": lambda: other_document(apps={}),
    "of a hosted workspace": lambda: other_document(deploy={"platform": "rocket-cloud"}),
}


@pytest.mark.parametrize("ask", [clear, cleared])
@pytest.mark.parametrize("name", OTHERS)
def test_a_decision_on_another_report_clears_nothing(name: str, ask: Callable[[Report, Decision], object]) -> None:
    """A decision counts for the catalogue, profile and evidence that it was taken on, and for no other report."""
    with pytest.raises(GateClosed) as caught:
        ask(OTHERS[name](), decision_on(report_in()))
    assert caught.value.rule == "decision-mismatch"


def test_a_decision_on_no_report_clears_nothing() -> None:
    """A decision that was taken without a document is no yes to one."""
    terms = Terms(POLICY, CATALOGUE)
    consent = Consent().grant(terms, at=AGREED, scope=EVERYTHING)
    recipient, workspace = POLICY.recipient, Workspace(WorkspaceKind.REGISTERED)
    decision = decide(workspace, consent, recipient, Switches(), NOW, terms=terms)
    with pytest.raises(GateClosed) as caught:
        clear(report_in(), decision)
    assert caught.value.rule == "decision-mismatch"


FORGED: dict[str, Callable[[Decision], Decision]] = {
    "more data types": lambda decision: replace(decision, allowed=frozenset(DataType)),
    "no question": lambda decision: replace(decision, is_hypothetical=False),
    "no reasons": lambda decision: replace(decision, reasons=(), allowed=EVERYTHING),
    "another recipient": lambda decision: replace(decision, recipient=OWN),
    "another period": lambda decision: replace(decision, now=NOW + timedelta(days=60)),
}


@pytest.mark.parametrize("ask", [clear, cleared])
@pytest.mark.parametrize("name", FORGED)
def test_a_decision_that_the_gate_did_not_take_clears_nothing(
    name: str, ask: Callable[[Report, Decision], object]
) -> None:
    """Only the gate makes a decision: one that was put together or changed elsewhere is refused."""
    terms = Terms(POLICY, CATALOGUE)
    consent = what_if(terms, at=NOW, scope=frozenset({USAGE}))
    decision = decision_on(report_in(), consent=consent)
    with pytest.raises((GateClosed, TypeError)):
        ask(report_in(), FORGED[name](decision))


def test_a_forged_decision_has_its_own_rule() -> None:
    """The refusal of a decision that the gate did not take names that rule, and not what the forgery claims."""
    forged = replace(decision_on(report_in()), workspace=Workspace(WorkspaceKind.HOSTED))
    with pytest.raises(GateClosed, match=r"^This is no decision that the gate has taken\.") as caught:
        clear(report_in(), forged)
    assert caught.value.rule == "forged-decision"


# It can't be made, changed or carried away.


@pytest.mark.parametrize("seal", [None, object(), True, "seal", Payload])
def test_nobody_else_makes_one(seal: Any) -> None:
    """The class refuses to be called by anybody but the gate."""
    with pytest.raises(TypeError, match="Only the gate makes a Payload"):
        Payload(seal=seal)


def test_it_is_not_called_without_a_seal() -> None:
    """The class takes no contents."""
    factory: Any = Payload
    for arguments in ((), (b"{}",)):
        with pytest.raises(TypeError):
            factory(*arguments)


@pytest.mark.parametrize("name", [*ATTRIBUTES, "note", "__class__", "__dict__"])
def test_it_does_not_change(name: str) -> None:
    """No attribute can be set or deleted, known or new."""
    payload: Any = payload_of()
    before = [getattr(payload, attribute) for attribute in ATTRIBUTES]
    with pytest.raises(AttributeError):
        setattr(payload, name, b"")
    with pytest.raises(AttributeError):
        delattr(payload, name)
    assert before == [getattr(payload, attribute) for attribute in ATTRIBUTES]
    assert payload is genuine(payload)


def test_what_it_holds_does_not_change() -> None:
    """Its parts are frozen values too."""
    payload: Any = payload_of()
    with pytest.raises(FrozenInstanceError):
        payload.envelope.url = "https://collector.example.org/"
    with pytest.raises(FrozenInstanceError):
        payload.decision.allowed = frozenset()
    kinds = (type(payload.body), type(payload.envelope.headers), type(payload.decision.allowed))
    assert (bytes, tuple, frozenset) == kinds


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int) -> None:
    """It can't be carried to another process as an object."""
    with pytest.raises(TypeError):
        pickle.dumps(payload_of(), protocol)


@pytest.mark.parametrize("carry", [copy.copy, copy.deepcopy, lambda payload: copy.deepcopy([payload])])
def test_it_is_not_copied(carry: Callable[[Payload], object]) -> None:
    """There is one object, and no copy of it."""
    with pytest.raises(TypeError):
        carry(payload_of())


def test_its_repr_tells_nothing() -> None:
    """Printing it to a log shows no statistics."""
    assert "totalChannels" not in f"{payload_of()!r}{payload_of()}"


def test_its_refusals_say_why() -> None:
    """Who wants to change, delete or copy a part is told that it can't be done."""
    payload: Any = payload_of()
    with pytest.raises(AttributeError, match=r"^A Payload can't change\.$"):
        payload.body = b""
    with pytest.raises(AttributeError, match=r"^A Payload can't change\.$"):
        del payload.body
    with pytest.raises(TypeError, match=r"^A Payload can't be pickled or copied; keep its bytes\.$"):
        copy.copy(payload)
    with pytest.raises(GateClosed, match=r"^This is no payload that the gate has cleared\."):
        genuine(None)


# What passes for one.


def contents_of(payload: Payload) -> dict[str, object]:
    """Return all that a payload holds, by name."""
    return {name: getattr(payload, name) for name in ATTRIBUTES}


def filled(kind: type[Payload], contents: Mapping[str, object]) -> Payload:
    """Return an instance of *kind* that was made behind the class's back."""
    forged = object.__new__(kind)
    for name, value in contents.items():
        object.__setattr__(forged, name, value)
    return forged


class Heir(Payload):
    """A subclass that wants to pass for a payload."""

    def __eq__(self, other: object) -> bool:
        """Claim to be equal to anything."""
        return True

    def __hash__(self) -> int:
        """Claim to be the same key as the last honest payload."""
        return LAST[0]


LAST = [0]


@dataclass
class Duck:
    """Something with a payload's attributes."""

    body: object
    decision: object
    envelope: object
    is_hypothetical: object
    period: object
    sha256: object


def assert_refused(thing: object) -> None:
    """Hold that *thing* is refused as no payload of the gate."""
    with pytest.raises(GateClosed) as caught:
        genuine(thing)
    assert caught.value.rule == "forged-payload"


def test_an_honest_one_is_genuine() -> None:
    """What the gate made is given back itself, as often as it is asked."""
    payload = payload_of()
    assert payload is genuine(payload)
    assert payload is genuine(genuine(payload))


@pytest.mark.parametrize("thing", [None, b"{}\n", "{}", {}, Payload, object(), report_in()], ids=type)
def test_other_things_are_refused(thing: object) -> None:
    """Bytes, a report, the class itself: nothing else passes for a payload."""
    assert_refused(thing)


def test_look_alikes_are_refused() -> None:
    """An object with all the right attributes, of any other class, is refused."""
    payload = payload_of()
    LAST[0] = hash(payload)
    for forged in (
        Duck(**contents_of(payload)),
        SimpleNamespace(**contents_of(payload)),
        filled(Heir, {"_contents": payload._contents}),
        filled(Payload, {"_contents": payload._contents}),
        filled(Payload, {"_contents": SimpleNamespace(**contents_of(payload))}),
        filled(Payload, {}),
    ):
        assert_refused(forged)
    assert payload is genuine(payload)


@pytest.mark.parametrize("name", ["body", "envelope", "period", "sha256"])
def test_a_changed_one_is_refused(name: str) -> None:
    """One of whose contents a part was changed behind the class's back is refused, until it is as it was."""
    payload, other = payload_of(), payload_of(Profile.STRICT)
    honest = getattr(payload, name)
    object.__setattr__(payload._contents, name, "2026-09" if name == "period" else getattr(other, name))
    assert_refused(payload)
    object.__setattr__(payload._contents, name, honest)
    assert payload is genuine(payload)


def test_changed_contents_are_refused() -> None:
    """One whose contents were swapped for another's, or deleted, is refused, until it has its own again."""
    payload, other = payload_of(), payload_of(Profile.STRICT)
    honest = payload._contents
    object.__setattr__(payload, "_contents", other._contents)
    assert_refused(payload)
    object.__delattr__(payload, "_contents")
    assert_refused(payload)
    object.__setattr__(payload, "_contents", honest)
    assert payload is genuine(payload)


def test_another_class_is_refused() -> None:
    """An honest one whose class was changed behind its back is refused."""

    class Plain(Payload):
        __slots__ = ()

    payload = payload_of()
    object.__setattr__(payload, "__class__", Plain)
    assert_refused(payload)


def test_the_place_of_a_forgotten_one_is_not_taken() -> None:
    """A forgery with the contents of a payload that is gone is refused, even at the same place in memory."""
    payload = payload_of()
    contents = {"_contents": payload._contents}
    del payload
    gc.collect()
    # One of so many is likely to stand where the honest one stood.
    for forged in [filled(Payload, contents) for _ in range(200)]:
        assert_refused(forged)


# The type checker.

_IGNORE: Final = re.compile(r"\s+# type: ignore\[[\w, -]+\]")


@pytest.fixture(scope="module")
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for the type checker's cache, shared by the tests of this module."""
    return tmp_path_factory.mktemp("mypy")


def faults_in(path: Path, cache_directory: Path) -> dict[int, str]:
    """Return the type checker's errors in *path*: line to messages."""
    arguments = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={cache_directory}", "--no-error-summary"]
    output, trouble, _ = mypy.api.run([*arguments, "--follow-imports=silent", "--hide-error-context", str(path)])
    assert trouble == ""
    faults: dict[int, str] = {}
    for line in output.splitlines():
        match = re.match(r".*?:(\d+): error: (.*)", line)
        if match is not None:
            faults[int(match[1])] = f"{faults.get(int(match[1]), '')}{match[2]} "
    return faults


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from the root, where the type checker's paths begin."""
    monkeypatch.chdir(ROOT)


def test_the_honest_way_type_checks(cache_directory: Path) -> None:
    """The type checker accepts the way from a document over a decision to a payload."""
    assert faults_in(TYPING / "accepted.py", cache_directory) == {}


def refused_lines() -> dict[int, str]:
    """Return the lines of the snippets that must not type-check, by number."""
    lines = (TYPING / "refused.py").read_text(encoding="utf-8").splitlines()
    return {number: _IGNORE.sub("", line).strip() for number, line in enumerate(lines, 1) if _IGNORE.search(line)}


@pytest.mark.parametrize("function", ["forge", "unfreeze", "pass_for"])
def test_the_dishonest_ways_do_not_type_check(function: str, cache_directory: Path, tmp_path: Path) -> None:
    """The type checker refuses, line by line, a forged payload, a changed one, and other things in its place."""
    snippet = tmp_path / "refused.py"
    source = (TYPING / "refused.py").read_text(encoding="utf-8")
    snippet.write_text(_IGNORE.sub("", source), encoding="utf-8")
    starts = [number for number, line in enumerate(source.splitlines(), 1) if line.startswith("def ")]
    start = next(n for n, line in enumerate(source.splitlines(), 1) if line.startswith(f"def {function}("))
    end = min((number for number in starts if number > start), default=len(source))
    wanted = {number: line for number, line in refused_lines().items() if start < number < end}
    faults = faults_in(snippet, cache_directory)
    assert wanted
    assert [line for number, line in wanted.items() if number not in faults] == [], "accepted by the type checker"
    assert set(faults) <= set(refused_lines())
