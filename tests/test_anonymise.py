"""From a document to a report: what becomes of each leaf, what is said of it, and that nothing else gets in."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from rc_stats import load_catalogue
from rc_stats.anonymise import Anonymiser, Evidence, Report
from rc_stats.catalogue import Profile
from rc_stats.errors import UnusableInput
from rc_stats.findings import LEAVING, MASK, Action, Finding, known_words, mask
from rc_stats.policy import DataType
from rc_stats.sources import read_documents
from rc_stats.wire import canonical

SAMPLES = Path(__file__).parent / "data" / "samples"
EXAMPLES = Path(__file__).parent.parent / "examples"
METRICS = load_catalogue().metrics
EXACT, STANDARD, STRICT = Profile
MANY = {"totalUsers": 250}

KEPT, COARSENED, COUNTED = Action.KEPT, Action.COARSENED, Action.COUNTED
WITHHELD, DROPPED, WRONG, UNKNOWN = Action.WITHHELD, Action.DROPPED, Action.WRONG_TYPE, Action.UNKNOWN


@cache
def anonymiser(profile: Profile = STANDARD) -> Anonymiser:
    """Return the packaged catalogue in *profile*, compiled once."""
    return Anonymiser(load_catalogue(), profile)


def report_of(document: Any, profile: Profile = STANDARD) -> Report:
    """Return the report of *document*."""
    return anonymiser(profile)(document)


def findings(document: Any, profile: Profile = STANDARD) -> dict[str, Finding]:
    """Return the findings of *document* by path; no path has two."""
    found = report_of(document, profile).findings
    assert found is not None
    by_path = {finding.path: finding for finding in found}
    assert len(by_path) == len(found)
    return by_path


def placed(path: str, value: Any) -> dict[str, Any]:
    """Return a document with *value* at the dotted *path*."""
    for step in reversed(path.split(".")):
        value = {step: value}
    assert isinstance(value, dict)
    return value


def at(tree: Any, path: str) -> Any:
    """Return what stands at the dotted *path*, or None."""
    for step in path.split("."):
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree


def example(name: str) -> dict[str, Any]:
    """Return one of the example documents."""
    document: dict[str, Any] = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    return document


# --- one leaf at a time

LEAVES: list[tuple[str, Any, Profile, Any, Action, str]] = [
    ("totalRooms", 612, STANDARD, 612, KEPT, "count"),
    ("totalRooms", 612, STRICT, 610, COARSENED, "count"),
    ("totalRooms", 0, STANDARD, 0, KEPT, "count"),
    ("totalManuallyAddedUsers", None, STANDARD, None, DROPPED, "not-set"),
    ("totalMessages", 184302, STANDARD, 184302, KEPT, "count"),
    ("totalMessages", 184302, STRICT, 180000, COARSENED, "count"),
    ("totalMessages", 9, STRICT, None, WITHHELD, "rounds-to-zero"),
    ("uploadsTotalSize", 8220839936, EXACT, 8220839936, KEPT, "count"),
    ("uploadsTotalSize", 8220839936, STANDARD, 8220000000, COARSENED, "count"),
    ("uploadsTotalSize", 8220839936, STRICT, 8000000000, COARSENED, "count"),
    ("enterprise.voip.total.callsDuration", 12.75, EXACT, 12, COARSENED, "count"),
    ("webRTCEnabled", True, STANDARD, True, KEPT, "flag"),
    ("webRTCEnabled", False, STANDARD, False, KEPT, "flag"),
    ("webRTCEnabled", None, STANDARD, None, DROPPED, "not-set"),
    ("os.type", "Linux", STANDARD, "Linux", KEPT, "choice"),
    ("os.type", "OctopusOS", STANDARD, "other", KEPT, "choice"),
    ("os.type", "", STANDARD, None, DROPPED, "not-set"),
    ("wizard.country", "newZealand", EXACT, "newZealand", KEPT, "choice"),
    ("wizard.country", "newZealand", STANDARD, "oceania", COARSENED, "choice"),
    ("wizard.country", "newZealand", STRICT, None, WITHHELD, "too-fine-for-strict"),
    ("wizard.language", "en", STANDARD, None, WITHHELD, "too-fine-for-standard"),
    ("BusinessHours.strategy", True, STANDARD, "on", KEPT, "choice"),
    ("BusinessHours.strategy", "", STANDARD, "off", KEPT, "choice"),
    ("version", "8.7.0-rc.3", STANDARD, "8.7.0", COARSENED, "version"),
    ("version", "8.7.0-rc.3", STRICT, "8.7", COARSENED, "version"),
    ("version", "develop", STANDARD, None, WRONG, "not-a-version"),
    ("mongoVersion", "7.0.14", STANDARD, "7.0", COARSENED, "version"),
    ("os.release", "6.17.0-9001-example", STANDARD, "6", COARSENED, "version"),
    ("os.release", "6.17.0-9001-example", STRICT, None, WITHHELD, "too-fine-for-strict"),
    ("os.totalmem", 8589934592, STANDARD, "8 to 16 GiB", COARSENED, "band"),
    ("os.totalmem", 8589934591, STANDARD, "4 to 8 GiB", COARSENED, "band"),
    ("os.totalmem", 8589934592, STRICT, "8 to 32 GiB", COARSENED, "band"),
    ("os.totalmem", 0, STANDARD, None, WRONG, "out-of-range"),
    ("installedAt", "2026-01-23T20:34:32.781Z", EXACT, "2026-01", COARSENED, "month"),
    ("installedAt", "2026-01-23T20:34:32.781Z", STANDARD, "2026", COARSENED, "month"),
    ("installedAt", "long ago", STANDARD, None, WRONG, "not-a-date"),
    ("totalUserTOTP", 40, EXACT, None, WITHHELD, "small-group"),
    ("lastLogin", "2026-01-23T20:34:32.781Z", EXACT, None, WITHHELD, "moment-withheld"),
    ("onlineUsers", 12, EXACT, None, DROPPED, "snapshot"),
    ("uniqueId", "octopus-ltd", EXACT, None, DROPPED, "identity"),
    ("os.uptime", 1.5, EXACT, None, DROPPED, "host"),
    ("createdAt", "2026-01-23T20:34:32.781Z", EXACT, None, DROPPED, "host-time"),
    ("matrixFederation.biggestRoom.name", "octopus-ltd", EXACT, None, DROPPED, "name"),
]


@pytest.mark.parametrize(("path", "value", "profile", "expected", "action", "rule"), LEAVES)
def test_leaf(path: str, value: Any, profile: Profile, expected: Any, action: Action, rule: str) -> None:  # noqa: PLR0917
    """A leaf has the value that the profile makes of it, and a finding with the action and the rule."""
    document = MANY | placed(path, value)
    actual = at(report_of(document, profile).statistics(), path)
    assert expected == actual
    assert type(expected) is type(actual)
    finding = findings(document, profile)[path]
    assert (action, rule, 1, False) == (finding.action, finding.rule, finding.times, finding.is_drift)
    assert finding.emit == (path if action in LEAVING else "")


LISTS: list[tuple[dict[str, Any], str, dict[str, Any], Action, str]] = [
    (
        {"os": {"cpus": [{"model": "Intel(R) X"}] * 4}},
        "os.cpus[]",
        {"os": {"cpus": {"count": "3 to 4", "model": "intel"}}},
        COUNTED,
        "length",
    ),
    (
        {"os": {"cpus": [{"model": "Intel(R) X"}] * 4}},
        "os.cpus[].model",
        {"os": {"cpus": {"count": "3 to 4", "model": "intel"}}},
        COARSENED,
        "choice",
    ),
    (
        {"os": {"cpus": [{"model": "octopus"}, {"model": "amd"}]}},
        "os.cpus[].model",
        {"os": {"cpus": {"count": "2", "model": "other"}}},
        COARSENED,
        "choice",
    ),
    ({"os": {"cpus": []}}, "os.cpus[]", {}, DROPPED, "not-set"),
    (
        {"enterprise": {"tags": ["octopus-ltd", "b"]}},
        "enterprise.tags[]",
        {"enterprise": {"tags": 2}},
        COUNTED,
        "length",
    ),
    ({"enterprise": {"tags": []}}, "enterprise.tags[]", {"enterprise": {"tags": 0}}, COUNTED, "length"),
    (
        {"services": {"oauth": {"custom": {"octopus": {}}}}},
        "services.oauth.custom.*",
        {"services": {"oauth": {"custom": 1}}},
        COUNTED,
        "length",
    ),
    (
        {"omnichannelSources": [{"type": "widget", "count": 5}, {"type": "x", "count": 2, "alias": "octopus-ltd"}]},
        "omnichannelSources[].count",
        {"omnichannelSources": {"widget": 5, "other": 2}},
        COUNTED,
        "sum",
    ),
    (
        {"omnichannelSources": [{"type": "widget", "count": 5}, {"type": "x", "count": "2"}]},
        "omnichannelSources[].count",
        {},
        WRONG,
        "wrong-type",
    ),
    ({"userLanguages": {"en": 200, "octopus": 1}}, "userLanguages.*", {}, WITHHELD, "hidden-rows"),
    ({"os": {"loadavg": [1, 2, 3]}}, "os.loadavg[]", {}, DROPPED, "host"),
]


@pytest.mark.parametrize(("document", "path", "expected", "action", "rule"), LISTS)
def test_lists_and_maps(
    document: dict[str, Any], path: str, expected: dict[str, Any], action: Action, rule: str
) -> None:
    """A list or map leaves as its size, its sums or its one word, and its items and keys have one finding together."""
    report = report_of(MANY | document)
    assert MANY | expected == report.statistics()
    finding = findings(MANY | document)[path]
    assert (action, rule) == (finding.action, finding.rule)
    assert finding.emit == (METRICS[path].emit if action in LEAVING else "")


def test_every_action_has_an_example() -> None:
    """The tables above have an example of each action, but for the unknown, which has tests of its own."""
    assert {action for *_, action, _ in [*LEAVES, *LISTS]} == set(Action) - {UNKNOWN}
    assert {KEPT, COARSENED, COUNTED} == LEAVING


COUNTS = ["totalRooms", "totalMessages", "apps.totalInstalled"]


@pytest.mark.parametrize("path", COUNTS)
@pytest.mark.parametrize(
    "value",
    [False, True, "12", "", 12.5, -1, 2**63, 2**64, 10**400, 1e300, [], [12], {}, {"a": 12}],
    ids=lambda v: repr(v)[:20],
)
def test_wrong_counts(path: str, value: Any) -> None:
    """A count of another type or beyond its bounds is absent, and said to be of the wrong type."""
    document = MANY | placed(path, value)
    assert at(report_of(document).statistics(), path) is None
    found = findings(document)
    assert WRONG is found[path].action
    is_number = type(value) in (int, float) and value != 12.5
    assert found[path].rule == ("out-of-range" if is_number and value != 1e300 else "wrong-type")


@pytest.mark.parametrize("value", [0, 1, "true", "", 1.0, [], {}, {"a": True}], ids=repr)
def test_wrong_flags(value: Any) -> None:
    """A flag of another type is absent, and the new type is drift."""
    document = MANY | {"webRTCEnabled": value}
    assert report_of(document).statistics() == MANY
    finding = findings(document)["webRTCEnabled"]
    assert (finding.action, finding.rule, finding.is_drift) == (WRONG, "wrong-type", True)


@pytest.mark.parametrize("path", ["version", "os.type", "installedAt", "process.nodeVersion"])
@pytest.mark.parametrize("value", [False, 12.5, [], {"a": 1}, ["8.7.0"]], ids=repr)
def test_wrong_texts(path: str, value: Any) -> None:
    """A number, flag, list or map where a text belongs is absent, and said to be of the wrong type."""
    document = MANY | placed(path, value)
    assert report_of(document).statistics() == MANY
    assert WRONG is findings(document)[path].action


# --- drift


@pytest.mark.parametrize(
    ("document", "path", "is_drift"),
    [
        ({"totalRooms": 5}, "totalRooms", False),
        ({"totalRooms": 5.0}, "totalRooms", False),
        ({"totalRooms": -5}, "totalRooms", False),
        ({"totalRooms": "5"}, "totalRooms", True),
        ({"totalRooms": 5.5}, "totalRooms", True),
        ({"totalRooms": None}, "totalRooms", True),
        ({"totalRooms": {"$numberInt": "5"}}, "totalRooms", False),
        ({"totalRooms": {"$numberInt": "x"}}, "totalRooms", True),
        ({"totalRooms": {"octopus": 5}}, "totalRooms", True),
        ({"webRTCEnabled": None}, "webRTCEnabled", False),
        ({"installedAt": {"$date": "2026-01-23T20:34:32.781Z"}}, "installedAt", False),
        ({"uniqueId": 5}, "uniqueId", True),
        ({"uniqueId": "x"}, "uniqueId", False),
        ({"os": {"uptime": 5}}, "os.uptime", False),
        ({"os": {"loadavg": [1, "x"]}}, "os.loadavg[]", True),
        ({"os": {"loadavg": "x"}}, "os.loadavg", True),
        ({"os": 5}, "os", True),
        ({"os": None}, "os", False),
        ({"os": []}, "os", True),
        ({"userLanguages": {"en": "x"}}, "userLanguages.*", True),
        ({"userLanguages": 5}, "userLanguages.*", True),
        ({"wizard": 5}, "wizard", True),
        ({"matrixFederation": {"biggestRoom": None}}, "matrixFederation.biggestRoom", False),
        ({"os": {"cpus": 5}}, "os.cpus[]", True),
        ({"os": {"cpus": "x"}}, "os.cpus[]", True),
        ({"enterprise": {"modules": "x"}}, "enterprise.modules[]", True),
        ({"omnichannelSources": "x"}, "omnichannelSources[].count", True),
    ],
    ids=lambda item: json.dumps(item) if isinstance(item, dict) else "",
)
def test_drift_of_types(document: dict[str, Any], path: str, is_drift: bool) -> None:
    """A JSON type that upstream isn't known to store at a path is drift, and a wrapper counts as what it holds."""
    assert is_drift == findings(document)[path].is_drift


def test_drift_of_paths() -> None:
    """An unknown path is drift, is dropped, and is counted with its like."""
    (finding,) = (f for f in findings({"zebra": 1, "quagga": {"a": 2}}).values() if f.is_drift)
    assert finding == Finding(MASK, UNKNOWN, "unknown", "", is_drift=True, times=2)


# --- masks

WORDS = known_words(METRICS)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("totalArchivedRooms", "totalArchivedRooms"),
        ("totalRooms", "totalRooms"),
        ("TOTALROOMS", MASK),
        ("octopusRooms", f"{MASK}Rooms"),
        ("totalOctopusRooms", f"total{MASK}Rooms"),
        ("totalOctopusSquidRooms", f"total{MASK}Rooms"),
        ("octopus-ltd", MASK),
        ("rooms.total", f"rooms{MASK}total"),
        ("rooms2026", f"rooms{MASK}"),
        ("rooms total", f"rooms{MASK}total"),
        ("a", MASK),
        ("id", MASK),
        ("", MASK),
        ("\x00", MASK),
        ("räume", MASK),
        ("rooms\N{ZERO WIDTH SPACE}", f"rooms{MASK}"),
        ("\N{FULLWIDTH LATIN SMALL LETTER R}ooms", MASK),
        (MASK, MASK),
        ("$numberInt", f"{MASK}number{MASK}"),
    ],
)
def test_mask(key: str, expected: str) -> None:
    """Of an unknown key only whole words of the catalogue are named; runs of others become one mask."""
    assert expected == mask(key, WORDS)


def test_known_words() -> None:
    """The words of the catalogue are those that its paths are spelt with, in lower case, from three letters on."""
    assert known_words(["totalUsers", "os.cpus[].model", "E2ERooms", "_id"]) == {
        "total",
        "users",
        "cpus",
        "model",
        "rooms",
    }


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"totalArchivedChannels": 1}, "totalArchivedChannels"),
        ({"totalOctopusRooms": 1}, f"total{MASK}Rooms"),
        ({"os": {"octopus": 1}}, f"os.{MASK}"),
        ({"os": {"cpus": [{"octopus": 1}]}}, f"os.cpus[].{MASK}"),
        ({"teams": {"teamStats": [{"name": "octopus"}]}}, "teams.teamStats[].name"),
        ({"rooms" * 17: 1}, MASK),
        ({7: 1}, MASK),
    ],
    ids=repr,
)
def test_unknown_keys_are_masked(document: dict[Any, Any], path: str) -> None:
    """An unknown key is named with words of the catalogue only, under the known path that it stands in."""
    finding = findings(document)[path]
    assert (finding.action, finding.is_drift, finding.emit, finding.rule) == (UNKNOWN, True, "", "unknown")
    assert "octopus" not in json.dumps(report_of(document).statistics())


def test_keys_are_shown_on_request() -> None:
    """For the admin's own screen unknown keys are spelt in printable ASCII; the statistics are the same."""
    document = MANY | {"octopus-ltd": 1, "os": {"a\n\x1b\u202eb": 2}, "x" * 81: 3}
    shown = anonymiser()(document, show_keys=True)
    unknown = {finding.path for finding in shown.findings or () if finding.action is UNKNOWN}
    assert unknown == {"octopus-ltd", r"os.a\n\x1b\u202eb", MASK}
    assert shown.statistics() == MANY
    assert "octopus" not in repr(report_of(document).findings)


def _spelt(number: int) -> str:
    words: list[str] = sorted(WORDS)
    return words[number % 100] + words[100 + number // 100].title()


def test_the_budget_of_spelt_names() -> None:
    """No more than a thousand unknown names are spelt out; the others share one mask and are counted."""
    names = [_spelt(number) for number in range(1500)]
    assert len(set(names)) == 1500
    unknown = [f for f in findings(dict.fromkeys(names, 1)).values() if f.action is UNKNOWN]
    assert len(unknown) == 1001
    assert {f.path: f.times for f in unknown}[MASK] == 500
    assert {f.path for f in unknown} - {MASK} == set(names[:1000])


def test_many_unknown_keys() -> None:
    """A hundred thousand unknown keys are one finding that counts them."""
    document: dict[str, Any] = {f"octopus{'x' * (n % 7)}{n}": n for n in range(100_000)}
    assert findings(document) == {MASK: Finding(MASK, UNKNOWN, "unknown", "", is_drift=True, times=100_000)}


# --- extended JSON and samples


@pytest.mark.parametrize("profile", Profile)
def test_extended_json_equals_plain_json(profile: Profile) -> None:
    """Numbers and dates in the wrappers of extended JSON give the same bytes as plain ones."""
    plain = {
        "totalUsers": 250,
        "totalRooms": 612,
        "uploadsTotalSize": 8220839936,
        "installedAt": "2026-01-23T20:34:32.781Z",
        "createdAt": "2026-08-03T12:10:31.265Z",
        "os": {"totalmem": 8589934592},
        "apps": {"totalInstalled": 3},
        "omnichannelSources": [{"type": "widget", "count": 50}],
    }
    wrapped = {
        "totalUsers": {"$numberInt": "250"},
        "totalRooms": {"$numberDouble": "612.0"},
        "uploadsTotalSize": {"$numberLong": "8220839936"},
        "installedAt": {"$date": {"$numberLong": "1769200472781"}},
        "createdAt": {"$date": "2026-08-03T12:10:31.265Z"},
        "os": {"totalmem": {"$numberDouble": "8589934592.0"}},
        "apps": {"totalInstalled": {"$numberInt": "3"}},
        "omnichannelSources": [{"type": "widget", "count": {"$numberInt": "50"}}],
    }
    one, other = report_of(plain, profile), report_of(wrapped, profile)
    assert len(one.statistics()) >= 5
    assert canonical(one.statistics()) == canonical(other.statistics())
    assert one.evidence == other.evidence
    assert set(one.findings or ()) == set(other.findings or ())


@pytest.mark.parametrize("profile", Profile)
def test_exports_equal_the_plain_sample(profile: Profile) -> None:
    """The relaxed and the canonical export of a document give the same bytes as the answer of the server."""
    reports = []
    for name in (
        "statistics-8.7.0.json",
        "rocketchat_statistics-8.7.0.mongoexport-relaxed.jsonl",
        "rocketchat_statistics-8.7.0.mongoexport-canonical.jsonl",
    ):
        with (SAMPLES / name).open("rb") as file:
            (document,) = read_documents(file)
        reports.append(report_of(document.body, profile))
    plain, relaxed, exported = (canonical(report.statistics()) for report in reports)
    assert len(plain) > 1000
    assert plain == relaxed == exported
    assert set(reports[1].findings or ()) == set(reports[2].findings or ())


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json*")), ids=lambda path: path.name)
@pytest.mark.parametrize("profile", Profile)
def test_samples(path: Path, profile: Profile) -> None:
    """Every sample gives a report that is given again when it is fed back, with no type unknown to the catalogue."""
    with path.open("rb") as file:
        for document in read_documents(file):
            report = report_of(document.body, profile)
            statistics = report.statistics()
            assert statistics
            assert statistics == report_of(statistics | {"createdAt": "x"}, profile).statistics()
            assert all(finding.action is UNKNOWN for finding in report.findings or () if finding.is_drift)


# --- small workspaces


@pytest.mark.parametrize("profile", [STANDARD, STRICT])
@pytest.mark.parametrize(
    "users", [0, 1, 9, 10, 11, None, "250", True, 250.5, -1, 10_000_001, {"$numberInt": "9"}], ids=repr
)
def test_small_workspaces(profile: Profile, users: Any) -> None:
    """Below ten people, or with their number in doubt, what happened is withheld and what there is stays."""
    document = {
        "totalUsers": users,
        "totalRooms": 20,
        "totalMessages": 500,
        "uploadsTotalSize": 5000,
        "webRTCEnabled": True,
        "version": "8.7.0",
        "omnichannelSources": [{"type": "widget", "count": 50}],
        "contactVerification": {"avgChannelsPerContact": 1.5},
    }
    statistics = report_of(document, profile).statistics()
    found = findings(document, profile)
    is_shown = users in (10, 11) and users is not True
    for path in ("totalMessages", "uploadsTotalSize", "omnichannelSources", "contactVerification"):
        assert is_shown == (path in statistics)
    for path in ("totalMessages", "uploadsTotalSize", "omnichannelSources[].count"):
        assert is_shown == (found[path].action in LEAVING)
        assert is_shown == (found[path].rule != "too-few-people")
    assert statistics["totalRooms"] == 20
    assert statistics["webRTCEnabled"] is True
    assert statistics["version"] == ("8.7.0" if profile is STANDARD else "8.7")


def test_exact_has_no_condition() -> None:
    """The exact profile shows totals of what happened in a workspace of any size."""
    assert report_of({"totalUsers": 6, "totalMessages": 500}, EXACT).statistics() == {
        "totalUsers": 6,
        "totalMessages": 500,
    }


def test_six_people() -> None:
    """In the example of six people no activity, quantity or ratio shows, and every structural total does."""
    document = example("statistics-six.json")
    report = report_of(document)
    statistics = report.statistics()
    shown = {metric.path for metric, _ in load_catalogue().leaving(STANDARD) if at(statistics, metric.emit) is not None}
    kinds = {METRICS[path].kind for path in shown}
    assert not kinds & {"activity", "quantity", "ratio", "split", "people-table", "moment"}
    assert {"structural", "headcount", "setting", "server-version", "names"} <= kinds
    for path, metric in METRICS.items():
        if metric.kind == "structural" and at(document, path) is not None:
            assert at(document, path) == at(statistics, metric.emit), path


# --- the report


@pytest.mark.parametrize("name", ["statistics.json", "statistics-six.json"])
def test_the_document_is_not_changed(name: str) -> None:
    """The document is as it was after a report was made of it, also if nothing in it may be changed."""
    document = example(name)
    before = copy.deepcopy(document)
    report = report_of(document)
    assert before == document
    assert report.statistics() == report_of(MappingProxyType(document)).statistics()


def test_bytes_and_mappings_give_the_same() -> None:
    """The JSON of a document gives the same report as what a parser made of it."""
    document = example("statistics.json")
    data = json.dumps(document).encode()
    for form in (data, bytearray(data), b"\xef\xbb\xbf" + data):
        assert report_of(form).statistics() == report_of(document).statistics()


@pytest.mark.parametrize("document", [[], [{}], None, 5, 1.5, True, "text", b"[]", b"null", b'"text"'], ids=repr)
def test_no_object(document: Any) -> None:
    """What is no JSON object is refused by a typed error."""
    with pytest.raises(UnusableInput) as caught:
        report_of(document)
    assert caught.value.rule == "not-an-object"


@pytest.mark.parametrize(
    "path", ["os.cpus[].model", "omnichannelSources[].type", "omnichannelSources[].count", "totalRooms"]
)
def test_deep_values(path: str) -> None:
    """A document with values as deep as the parser lets through, also in equal items of a list, gives a report."""
    deep = b"[" * 1015 + b"]" * 1015
    outer, _, inner = path.partition("[].")
    item = b'{"%s":%s}' % (inner.encode(), deep) if inner else deep
    value = b"[%s,%s]" % (item, item)
    for step in reversed(outer.split(".")):
        value = b'{"%s":%s}' % (step.encode(), value)
    assert at(report_of(value).statistics(), METRICS[path].emit) is None


@pytest.mark.parametrize(("data", "rule"), [(b"{", "not-json"), (b"", "not-json"), (b"[" * 10**5, "too-deep")])
def test_no_json(data: bytes, rule: str) -> None:
    """Bytes that are no JSON are refused as the parser refuses them."""
    with pytest.raises(UnusableInput) as caught:
        report_of(data)
    assert rule == caught.value.rule


def test_a_report_is_sealed() -> None:
    """Nobody but an anonymiser makes a report."""
    report = report_of(MANY)
    for seal in (None, object(), report):
        with pytest.raises(TypeError, match="Only an Anonymiser"):
            Report(report.plan, [5], report.evidence, None, seal=seal)
    with pytest.raises(TypeError):
        Report(report.plan, [5], report.evidence, None)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["_values", "evidence", "findings", "plan", "catalogue", "profile", "extra"])
def test_a_report_is_frozen(name: str) -> None:
    """Nothing of a report can be set or replaced."""
    report = report_of(MANY)
    with pytest.raises(AttributeError):
        setattr(report, name, None)
    assert report.statistics() == MANY


def test_nothing_of_a_report_is_deleted() -> None:
    """Nothing of a report can be deleted, and the error says so."""
    report = report_of(MANY)
    with pytest.raises(AttributeError, match="can't change"):
        del report.findings
    assert report.findings


def test_statistics_are_made_freshly() -> None:
    """What is done to the statistics that a report gave doesn't change the report."""
    report = report_of(MANY | {"os": {"type": "Linux"}})
    first = report.statistics()
    first["os"]["type"] = "octopus-ltd"
    first["extra"] = 5
    assert report.statistics() == MANY | {"os": {"type": "Linux"}}


def test_a_report_is_not_pickled() -> None:
    """A report is not carried elsewhere as an object."""
    report = report_of(MANY, EXACT)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.loads(pickle.dumps(report))  # noqa: S301


def test_findings_are_frozen() -> None:
    """A finding can't be changed."""
    finding = findings(MANY)["totalUsers"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.path = "x"  # type: ignore[misc]


def test_without_findings() -> None:
    """Without findings the report has the same statistics and evidence."""
    document = example("statistics.json")
    quick = anonymiser()(document, findings=False)
    assert quick.findings is None
    assert quick.statistics() == report_of(document).statistics()
    assert quick.evidence == report_of(document).evidence


def test_a_report_knows_its_making() -> None:
    """A report names the catalogue and the profile that it was made by."""
    report = report_of(MANY, STRICT)
    assert report.catalogue is load_catalogue()
    assert STRICT is report.profile
    assert Anonymiser(load_catalogue()).plan.profile is STANDARD


def test_data_types_are_left_out() -> None:
    """Only the wanted data types are in the statistics, and no path that is to be left out."""
    report = report_of(MANY | {"apps": {"totalInstalled": 3}, "wizard": {"size": "3"}, "os": {"type": "Linux"}})
    assert report.statistics(frozenset()) == {}
    assert report.statistics(frozenset({DataType.APP})) == {"apps": {"totalInstalled": 3}}
    assert report.statistics(frozenset({DataType.ACCOUNT})) == {"wizard": {"size": "3"}}
    assert report.statistics(frozenset({DataType.USAGE})) == MANY | {"os": {"type": "Linux"}}
    assert report.statistics(frozenset({DataType.USAGE}), frozenset({"os.type"})) == MANY
    without = frozenset({"apps.totalInstalled", "totalUsers", "wizard.size", "os.type"})
    assert report.statistics(frozenset(DataType), without) == {}


# --- evidence


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, Evidence(None, has_apps=False, made_at=None)),
        ({"deploy": {"platform": "rocket-cloud"}}, Evidence(is_hosted=True, has_apps=False, made_at=None)),
        ({"deploy": {"platform": " Rocket-Cloud\n"}}, Evidence(is_hosted=True, has_apps=False, made_at=None)),
        ({"deploy": {"platform": "compose"}}, Evidence(is_hosted=False, has_apps=False, made_at=None)),
        ({"deploy": {"platform": ""}}, Evidence(is_hosted=False, has_apps=False, made_at=None)),
        ({"deploy": {"platform": None}}, Evidence(None, has_apps=False, made_at=None)),
        ({"deploy": {"platform": 5}}, Evidence(None, has_apps=False, made_at=None)),
        ({"deploy": 5}, Evidence(None, has_apps=False, made_at=None)),
        ({"apps": {"totalInstalled": 1}}, Evidence(None, has_apps=True, made_at=None)),
        ({"apps": {"totalInstalled": {"$numberInt": "1"}}}, Evidence(None, has_apps=True, made_at=None)),
        ({"apps": {"totalInstalled": 0}}, Evidence(None, has_apps=False, made_at=None)),
        ({"apps": {"totalInstalled": -1}}, Evidence(None, has_apps=False, made_at=None)),
        ({"apps": {"totalInstalled": True}}, Evidence(None, has_apps=False, made_at=None)),
        ({"apps": {"totalInstalled": "3"}}, Evidence(None, has_apps=False, made_at=None)),
        ({"apps": [3]}, Evidence(None, has_apps=False, made_at=None)),
        (
            {"createdAt": "2026-08-03T12:10:31Z"},
            Evidence(None, has_apps=False, made_at=datetime(2026, 8, 3, 12, 10, 31, tzinfo=UTC)),
        ),
        ({"createdAt": "soon"}, Evidence(None, has_apps=False, made_at=None)),
        ({"createdAt": {"a": 1}}, Evidence(None, has_apps=False, made_at=None)),
    ],
    ids=repr,
)
def test_evidence(document: dict[str, Any], expected: Evidence) -> None:
    """What the document tells about itself is read where it is of the right type, and unknown otherwise."""
    assert expected == report_of(document).evidence


# --- nothing else gets in


def test_keys_are_not_found_elsewhere() -> None:
    """A known name in another place, with dots or brackets in it, is unknown, and nothing is read from it."""
    hidden = {
        "os.type": "Linux",
        "os": {"totalUsers": 5, "os": {"type": "Linux"}},
        "x": {"totalRooms": 5},
        "os.cpus[]": [1],
    }
    assert report_of(hidden).statistics() == {}
    assert {f.action for f in findings(hidden).values()} == {UNKNOWN}


def test_a_payload_fed_back_gives_itself() -> None:
    """The statistics of a report, taken for a document, give the same statistics in the same profile."""
    for profile in Profile:
        for name in ("statistics.json", "statistics-six.json"):
            statistics = report_of(example(name), profile).statistics()
            assert canonical(statistics) == canonical(report_of(statistics, profile).statistics())
            assert canonical(statistics) == canonical(report_of(canonical(statistics), profile).statistics())


def test_the_document_goes_before_the_payload() -> None:
    """Where a list stands, what a payload would have there is not read in its stead."""
    document = MANY | {"os": {"cpus": {"count": "33 or more", "model": "intel"}}}
    assert report_of(document).statistics() == document
    assert report_of(MANY | {"os": {"cpus": {"count": 7, "model": "octopus"}}}).statistics() == MANY | {
        "os": {"cpus": {"model": "other"}}
    }


@pytest.mark.parametrize("profile", Profile)
def test_findings_and_statistics_agree(profile: Profile) -> None:
    """Each path that a finding says leaves is in the statistics, and nothing else is."""
    document = example("statistics.json")
    statistics = report_of(document, profile).statistics()
    leaving = {f.emit for f in findings(document, profile).values() if f.action in LEAVING}
    assert leaving
    fields = load_catalogue().fields(profile)
    assert leaving == {emit for emit in fields if at(statistics, emit) is not None}
