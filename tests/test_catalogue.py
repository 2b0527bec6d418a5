"""The packaged catalogue: an entry for every path of the data dictionary, and the profiles as the rules have them."""

from __future__ import annotations

import copy
import csv
import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from rc_stats import authoring, load_catalogue
from rc_stats.catalogue import (
    OPERATORS,
    PEOPLE_OPERATORS,
    Catalogue,
    Change,
    Metric,
    Profile,
    Treatment,
    catalogue_from_data,
    default_emit,
    field_changes,
    meaning_digest,
)
from rc_stats.policy import DataType
from rc_stats.wire import packaged

REFERENCE = Path(__file__).parent / "data" / "reference"
with (REFERENCE / "statistics-fields.csv").open(encoding="utf-8", newline="") as _file:
    ROWS = list(csv.DictReader(_file))
PATHS = [row["path"] for row in ROWS]
METRICS = load_catalogue().metrics

EXACT, STANDARD, STRICT = Profile


def data() -> dict[str, Any]:
    """Return a copy of the packaged compiled catalogue, to be changed."""
    return copy.deepcopy(_data())


@cache
def _data() -> dict[str, Any]:
    compiled: dict[str, Any] = orjson.loads(packaged("catalogue.json"))
    return compiled


def entry(compiled: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the compiled entry of *path*."""
    (found,) = (metric for metric in compiled["metrics"] if metric["path"] == path)
    assert isinstance(found, dict)
    return found


def treatment(path: str, profile: Profile) -> Treatment | None:
    """Return what *profile* does to *path*."""
    return load_catalogue().treatment(METRICS[path], profile)


# --- against the data dictionary


def test_the_dictionary_is_read() -> None:
    """The data dictionary has its 492 paths, each once."""
    assert len(PATHS) == 492
    assert [path for path, times in Counter(PATHS).items() if times > 1] == []


def test_every_path_has_one_entry() -> None:
    """Every path of the data dictionary has exactly one entry in the catalogue."""
    compiled = Counter(metric["path"] for metric in _data()["metrics"])
    assert [path for path in PATHS if compiled[path] != 1] == []
    assert [path for path, times in compiled.items() if times > 1] == []


def test_every_entry_has_a_path() -> None:
    """Every entry is a path of the data dictionary, or the list that such paths are parts of."""
    others = [path for path in METRICS if path not in PATHS]
    assert others == ["os.cpus[]"]
    assert all(any(path.startswith(f"{other}.") for path in PATHS) for other in others)


GONE_FROM_THEIR_FAMILY = {"services.oauth.tokenpass.enabled", "services.oauth.tokenpass.users"}
"""They share one entry with the sign-in services that upstream still has."""


@pytest.mark.parametrize("row", ROWS, ids=PATHS)
def test_entries_agree_with_the_dictionary(row: dict[str, str]) -> None:
    """An entry has the JSON types, the first and last version and the main source file of the data dictionary."""
    metric = METRICS[row["path"]]
    assert row["json_type"] == "|".join(metric.json)
    assert row["first_seen"] == metric.first
    if row["path"] not in GONE_FROM_THEIR_FAMILY:
        assert row["last_seen"] == metric.last
        assert row["source"].split("; ")[0] == metric.source


@pytest.mark.parametrize("row", ROWS, ids=PATHS)
def test_identifying_leaves_never_leave_as_they_are(row: dict[str, str]) -> None:
    """What the dictionary calls identifying is dropped, or leaves only through a coarsening operator."""
    metric = METRICS[row["path"]]
    if row["safe_form"] == "drop" and row["path"] != "os.release":  # the disclosure rules keep its first numbers
        assert metric.operator in {"drop", "month", "length", "moment"} | PEOPLE_OPERATORS, row["identifies"]
    if row["vocabulary"] == "free text":
        assert metric.operator in {"drop", "choice", "length", "version"}
    if "secret/token" in row["identifies"]:
        assert metric.is_dropped


def test_texts_leave_only_as_words_versions_or_dates() -> None:
    """No entry lets a text through but as a listed word, a version, a month, a size, a sum or a word for a moment."""
    for metric, _ in load_catalogue().leaving(EXACT):
        if "string" in metric.json:
            assert metric.operator in {"choice", "version", "month", "length", "sum", "moment"}, metric.path


# --- prose


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_entries_say_what_and_why(metric: Metric) -> None:
    """Every entry says what it is; what may leave says why it is useful, what never leaves says why not."""
    assert metric.says.endswith(".")
    assert metric.unit
    assert metric.section
    assert metric.operator in OPERATORS
    if metric.is_dropped:
        assert metric.reason
        assert not metric.useful
    else:
        assert metric.useful.endswith(".")
        assert not metric.reason


def test_content_and_tracking_never_leave() -> None:
    """No metric of user content or tracking is in any profile's field set."""
    for profile in Profile:
        kinds = {metric.data_type for metric, _ in load_catalogue().leaving(profile)}
        assert {DataType.USAGE, DataType.APP, DataType.ACCOUNT} == kinds


# --- the rules of disclosure, as a table

FINE_ONLY = Treatment(withhold="too-fine-for-strict")
AS_IS = Treatment()
SPLIT = (
    Treatment(),
    Treatment(step=5, frozen=True, needs_people=10),
    Treatment(step=10, frozen=True, needs_people=10),
)
SPLIT_WINDOW = (Treatment(frozen=True), *SPLIT[1:])
PEOPLE_TABLE = (Treatment(frozen=True), Treatment(step=5, frozen=True, needs_people=10), FINE_ONLY)
PEOPLE_TABLE_DAILY = (Treatment(frozen=True), Treatment(withhold="too-fine-for-standard"), FINE_ONLY)
MOMENT = (
    Treatment(days=(1, 7, 30), needs_people=20),
    Treatment(days=(30,), frozen=True, needs_people=20),
    FINE_ONLY,
)

RULES: list[tuple[str, str, Treatment | None, Treatment | None, Treatment | None]] = [
    ("structural total", "totalChannels", AS_IS, AS_IS, Treatment(significant=2)),
    ("structural total", "teams.totalTeams", AS_IS, AS_IS, Treatment(significant=2)),
    ("structural total", "departments", AS_IS, AS_IS, Treatment(significant=2)),
    ("structural total", "integrations.totalIntegrations", AS_IS, AS_IS, Treatment(significant=2)),
    ("structural total", "apps.totalInstalled", AS_IS, AS_IS, Treatment(significant=2)),
    ("structural total", "totalUserRoles", AS_IS, AS_IS, Treatment(significant=2)),
    ("kind of users", "activeUsers", AS_IS, AS_IS, Treatment(significant=2)),
    ("kind of users", "nonActiveUsers", AS_IS, AS_IS, Treatment(significant=2)),
    ("kind of users", "activeGuests", AS_IS, AS_IS, Treatment(significant=2)),
    ("kind of users", "appUsers", AS_IS, AS_IS, Treatment(significant=2)),
    ("number of users", "totalUsers", AS_IS, AS_IS, Treatment(step=10, absent_zero=True)),
    *(
        (
            "activity total",
            path,
            AS_IS,
            Treatment(needs_people=10),
            Treatment(needs_people=10, significant=2, step=10, absent_zero=True),
        )
        for path in (
            "totalMessages",
            "totalThreads",
            "uploadsTotal",
            "enterprise.voip.total.calls",
            "totalEmailInvitation",
            "omnichannelSources[].count",
        )
    ),
    *(
        (
            "bytes or duration",
            path,
            AS_IS,
            Treatment(needs_people=10, significant=3),
            Treatment(needs_people=10, significant=1),
        )
        for path in ("uploadsTotalSize", "enterprise.voip.lastMonth.callsDuration")
    ),
    *(
        ("split", path, *SPLIT)
        for path in (
            "totalUserTOTP",
            "totalUserEmail2fa",
            "totalLivechatAgents",
            "totalLivechatManagers",
            "services.ldap.users",
            "services.saml.users",
            "services.cas.users",
            "services.oauth.google.users",
            "contactVerification.totalBlockedContacts",
        )
    ),
    *(
        ("split of a rolling window", path, *SPLIT_WINDOW)
        for path in (
            "uniqueUsersOfYesterday.data[].count",
            "uniqueUsersOfLastWeek.data[].count",
            "uniqueUsersOfLastMonth.data[].count",
            "dailyPeakConnections",
            "maxMonthlyPeakConnections",
        )
    ),
    *(
        ("snapshot of people", path, None, None, None)
        for path in ("onlineUsers", "awayUsers", "busyUsers", "offlineUsers", "totalConnectedUsers")
    ),
    ("people table", "userLanguages.*", *PEOPLE_TABLE),
    ("people table", "uniqueUsersOfLastMonth.data[].roles[].count", *PEOPLE_TABLE),
    ("people table, daily", "uniqueUsersOfLastWeek.data[].roles[].count", *PEOPLE_TABLE_DAILY),
    ("people table, daily", "uniqueUsersOfYesterday.data[].roles[].count", *PEOPLE_TABLE_DAILY),
    *(
        ("session measure", path, None, None, None)
        for path in (
            "uniqueUsersOfLastMonth.data[].sessions",
            "uniqueUsersOfLastMonth.data[].time",
            "uniqueUsersOfLastMonth.data[].roles[].time",
            "uniqueDevicesOfLastWeek.data[].count",
            "uniqueDevicesOfLastWeek.data[].name",
            "uniqueOSOfYesterday.data[].version",
        )
    ),
    *(
        ("flag or listed word", path, AS_IS, AS_IS, AS_IS)
        for path in (
            "webRTCEnabled",
            "settings.push.pushEnable",
            "routingAlgorithm",
            "services.ldap.encryption",
            "os.type",
        )
    ),
    ("wizard, core", "wizard.organizationType", AS_IS, AS_IS, AS_IS),
    ("wizard, core", "wizard.size", AS_IS, AS_IS, AS_IS),
    ("wizard", "wizard.industry", AS_IS, AS_IS, FINE_ONLY),
    ("wizard", "wizard.country", AS_IS, Treatment(fold="region"), FINE_ONLY),
    ("wizard", "wizard.language", AS_IS, Treatment(withhold="too-fine-for-standard"), FINE_ONLY),
    ("version of the server", "version", Treatment(parts=3), Treatment(parts=3), Treatment(parts=2)),
    *(
        ("version", path, Treatment(parts=3), Treatment(parts=2), Treatment(parts=2))
        for path in ("process.nodeVersion", "mongoVersion", "apps.engineVersion")
    ),
    ("kernel release", "os.release", Treatment(parts=2), Treatment(parts=1), FINE_ONLY),
    ("memory", "os.totalmem", Treatment(bands="fine"), Treatment(bands="fine"), Treatment(bands="coarse")),
    ("processors", "os.cpus[]", Treatment(bands="fine"), Treatment(bands="fine"), Treatment(bands="coarse")),
    *(
        ("volatile host", path, None, None, None)
        for path in (
            "os.freemem",
            "os.loadavg[]",
            "os.uptime",
            "process.uptime",
            "process.pid",
            "os.cpus[].speed",
            "os.cpus[].times.user",
        )
    ),
    ("install date", "installedAt", Treatment(precision="month"), Treatment(precision="year"), FINE_ONLY),
    *(("a person's moment", path, *MOMENT) for path in ("lastLogin", "lastMessageSentAt", "lastSeenSubscription")),
    *(
        ("identifier, hash, token, text", path, None, None, None)
        for path in (
            "_id",
            "uniqueId",
            "deploymentFingerprintHash",
            "statsToken",
            "smtp.host",
            "smtp.username",
            "smtp.from",
            "omnichannelSources[].alias",
            "omnichannelSources[].id",
            "tag",
            "branch",
            "host",
            "wizard.organizationName",
            "wizard.website",
            "wizard.siteName",
            "createdAt",
        )
        if path in METRICS
    ),
    *(
        ("list or map of names", path, AS_IS, AS_IS, AS_IS)
        for path in (
            "matrixFederation.externalConnectedServers.servers[]",
            "services.oauth.custom.*",
            "enterprise.tags[]",
            "enterprise.modules[]",
        )
    ),
    ("room's name", "matrixFederation.biggestRoom.name", None, None, None),
    ("team's figure", "teams.teamStats[].totalMembers", None, None, None),
]


@pytest.mark.parametrize(("rule", "path", "exact", "standard", "strict"), RULES, ids=[row[1] for row in RULES])
def test_disclosure_rules(
    rule: str, path: str, exact: Treatment | None, standard: Treatment | None, strict: Treatment | None
) -> None:
    """A representative of each row of the disclosure rules is treated by each profile as its row says."""
    assert (exact, standard, strict) == (treatment(path, EXACT), treatment(path, STANDARD), treatment(path, STRICT)), (
        rule
    )


def test_the_threshold_is_ten() -> None:
    """One threshold holds for all profiles, and the conditions on the number of people use it."""
    catalogue = load_catalogue()
    assert catalogue.threshold == 10
    needed = {t.needs_people for kind in catalogue.kinds.values() for t in kind.treatments.values()}
    assert needed == {0, 10, 20}
    of_people = {name for name, kind in catalogue.kinds.items() if PEOPLE_OPERATORS & set(kind.operators)}
    assert of_people == {"split", "split-window", "people-table", "people-table-daily", "moment"}
    for name, kind in catalogue.kinds.items():
        assert (20 in {t.needs_people for t in kind.treatments.values()}) == (name == "moment")


@pytest.mark.parametrize("path", ["os.totalmem", "os.cpus[]"])
def test_strict_has_three_bands(path: str) -> None:
    """The strict profile tells memory and processors in three bands."""
    bands = load_catalogue().bands[METRICS[path].bands]
    assert len(bands["coarse"].names) == 3
    assert set(bands["coarse"].edges) < set(bands["fine"].edges)


def test_the_vendor_of_processors() -> None:
    """The maker of the processors is one of a short list, and is not told by the strict profile."""
    metric = METRICS["os.cpus[].model"]
    assert len(load_catalogue().vocabularies[metric.vocabulary].outputs()) == 4
    assert treatment("os.cpus[].model", STRICT) == FINE_ONLY


PEOPLE = [metric for metric in METRICS.values() if metric.operator in PEOPLE_OPERATORS]


@pytest.mark.parametrize("metric", PEOPLE, ids=lambda metric: metric.path)
def test_figures_of_people_are_frozen(metric: Metric) -> None:
    """A figure of people is frozen in every profile that lets it leave, but what exact tells of no rolling window."""
    is_told_anew = metric.kind in ("split", "moment")
    for profile in Profile:
        found = treatment(metric.path, profile)
        assert found is not None
        assert found.withhold or found.frozen or (profile is EXACT and is_told_anew)
        assert not (found.frozen and profile is EXACT and is_told_anew)
    assert (metric.kind == "split-window") == (
        metric.operator == "split" and ("uniqueUsersOf" in metric.path or "PeakConnections" in metric.path)
    )


def test_only_figures_of_people_are_frozen() -> None:
    """Nothing but a figure of people keeps its value for a month, and only a moment looks back."""
    for metric in METRICS.values():
        treatments = [found for profile in Profile if (found := treatment(metric.path, profile))]
        assert metric in PEOPLE or not any(found.frozen for found in treatments)
        assert metric.operator == "moment" or not any(found.days for found in treatments)


@pytest.mark.parametrize("metric", PEOPLE, ids=lambda metric: metric.path)
def test_the_total_of_figures_of_people(metric: Metric) -> None:
    """A split of users is taken of those who can be counted; contacts and tables have a total of their own."""
    if metric.operator == "moment":
        assert (metric.of, metric.less) == ("", ())
    elif metric.path.startswith("contactVerification."):
        assert (metric.of, metric.less) == ("contactVerification.totalContacts", ())
    elif metric.operator == "split":
        assert (metric.of, metric.less) == ("totalUsers", ("nonActiveUsers", "appUsers"))
    elif metric.path == "userLanguages.*":
        assert (metric.of, metric.less, metric.linked) == ("totalUsers", (), "")
    else:
        beside = metric.path.replace(".roles[]", "")
        assert (metric.of, metric.less, metric.linked) == (beside, (), "unique-users")


def test_profiles_only_withhold_more() -> None:
    """A stricter profile's field set is a part of the laxer one's."""
    exact, standard, strict = (set(load_catalogue().fields(profile)) for profile in Profile)
    assert exact > standard > strict


def test_coarseness() -> None:
    """The profiles are ordered from the finest to the coarsest."""
    assert [profile.coarseness for profile in (EXACT, STANDARD, STRICT)] == [0, 1, 2]


# --- compiled data


def test_compiled_files_are_fresh() -> None:
    """The packaged compiled files hold what their TOML sources say."""
    stale = [path.name for path, content in authoring.compiled_files().items() if path.read_bytes() != content]
    assert stale == []


def test_the_catalogue_is_loaded_once() -> None:
    """Loading the catalogue twice gives the same object, and it is what the compiled data says."""
    assert load_catalogue() is load_catalogue()
    assert load_catalogue() == catalogue_from_data(_data())
    assert load_catalogue().name == "rocketchat"
    assert load_catalogue().version == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", "a"), ("a.b", "a.b"), ("a[]", "a"), ("a[].b", "a"), ("a.*", "a"), ("a.b[].c[].d", "a.b"), ("a.*.b", "a")],
)
def test_default_emit(path: str, expected: str) -> None:
    """A metric stands in the payload where its path leads, up to the first list or map."""
    assert expected == default_emit(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("totalRooms", "totalRooms"),
        ("os.cpus[].model", "os.cpus[].model"),
        ("os.cpus[0].model", "os.cpus[].model"),
        ("os.cpus[12].model", "os.cpus[].model"),
        ("os.cpus.model", "os.cpus[].model"),
        ("os.cpus.count", "os.cpus[]"),
        ("os.cpus[3]", "os.cpus[]"),
        ("services.oauth.custom.octopus", "services.oauth.custom.*"),
        ("services.oauth.custom.*", "services.oauth.custom.*"),
        ("services.oauth.custom", "services.oauth.custom.*"),
        ("omnichannelSources", "omnichannelSources[].count"),
        ("userLanguages.en", "userLanguages.*"),
        ("userLanguages.en.x", None),
        ("totalrooms", None),
        ("totalRooms.x", None),
        ("", None),
        ("*", None),
        (".*", None),
        ("os.cpus[x].model", None),
    ],
)
def test_find(path: str, expected: str | None) -> None:
    """An entry is found by its path as the catalogue, a document or a payload spells it, and by nothing else."""
    found = load_catalogue().find(path)
    assert expected == (found.path if found else None)


@pytest.mark.parametrize("path", METRICS)
def test_find_by_the_catalogues_spelling(path: str) -> None:
    """Every entry is found by its own path."""
    assert load_catalogue().find(path) is METRICS[path]


def test_words_are_closed() -> None:
    """The published words are short, printable ASCII, and hold every vocabulary and every bucket."""
    words = load_catalogue().words
    assert {"other", "Linux", "europe", "8 to 16 GiB", "within 1 day", "within 7 days", "within 30 days"} <= words
    assert all(0 < len(word) <= 60 and word.isascii() and word.isprintable() for word in words)
    for vocabulary in load_catalogue().vocabularies.values():
        assert set(vocabulary.members) <= words


# --- the digest


def _metric(path: str, /, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(compiled: dict[str, Any]) -> None:
        entry(compiled, path).update(changes)

    return change


def _set(*steps: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(compiled: dict[str, Any]) -> None:
        target: Any = compiled
        for step in steps[:-1]:
            target = target[step]
        target[steps[-1]] = to

    return change


MEANINGS: dict[str, Callable[[dict[str, Any]], None]] = {
    "operator": _metric("totalRooms", operator="drop"),
    "kind": _metric("totalRooms", kind="activity"),
    "path": _metric("totalRooms", path="totalHalls"),
    "emit": _metric("totalRooms", emit="rooms"),
    "data type": _metric("totalRooms", data_type="app"),
    "maximum": _metric("totalRooms", maximum=11_000_000),
    "minimum": _metric("totalRooms", minimum=1),
    "vocabulary": _metric("os.type", vocabulary="os_platform"),
    "key": _metric("omnichannelSources[].count", key="alias"),
    "fractional": _metric("totalRooms", fractional=True),
    "of": _metric("totalUserTOTP", of="activeUsers"),
    "version": _set("version", to=3),
    "less": _metric("totalUserTOTP", less=["nonActiveUsers"]),
    "linked": _metric("uniqueUsersOfLastMonth.data[].roles[].count", linked=""),
    "freezing": _set("kinds", "split-window", "exact", to={"step": 1}),
    "days": _set("kinds", "moment", "standard", "days", to=[7]),
    "name": _set("name", to="another"),
    "threshold": _set("threshold", to=11),
    "fact": _set("facts", "people", to="activeUsers"),
    "treatment": _set("kinds", "structural", "strict", to={"significant": 3}),
    "withholding": _set("kinds", "moment", "exact", to={}),
    "clause": _set("kinds", "structural", "clause", to="toggle"),
    "word": _set("vocabularies", "os_type", "members", 0, to="Windows"),
    "group": _set("vocabularies", "country", "groups", "region", "other", to=["antarctica"]),
    "what true is": _set("vocabularies", "business_hours_strategy", "true_is", to="off"),
    "word of a text": _set("vocabularies", "cpu_vendor", "words", "amd", to=["amd"]),
    "edge": _set("bands", "memory", "fine", "edges", 0, to=3),
    "bucket": _set("bands", "memory", "fine", "names", 0, to="little"),
    "scale": _set("bands", "memory", "scale", to=1000),
    "one metric less": lambda compiled: compiled["metrics"].pop(),
    "one word less": lambda compiled: compiled["vocabularies"]["os_type"]["members"].pop(),
}

PROSE: dict[str, Callable[[dict[str, Any]], None]] = {
    name: _metric("totalRooms", **{name: "Another text."})
    for name in ("says", "useful", "reason", "privacy", "section", "source", "first", "last")
} | {
    "title": _set("title", to="Another title"),
    "capacity": _set("capacity", "standard", to=1),
    "no capacity": lambda compiled: compiled.pop("capacity"),
    "label": _set("kinds", "structural", "label", to="another label"),
    "source of words": _set("vocabularies", "os_type", "source", to="another source"),
}


@pytest.mark.parametrize("change", MEANINGS.values(), ids=MEANINGS)
def test_the_digest_changes_with_the_meaning(change: Callable[[dict[str, Any]], None]) -> None:
    """A change of path, operator, bound, word, bucket or treatment changes the digest."""
    changed = data()
    change(changed)
    assert changed != _data()
    assert meaning_digest(changed) != load_catalogue().digest


@pytest.mark.parametrize("change", PROSE.values(), ids=PROSE)
def test_the_digest_does_not_change_with_the_prose(change: Callable[[dict[str, Any]], None]) -> None:
    """A better sentence, title, source or budget doesn't change the digest, so it asks nobody again."""
    changed = data()
    change(changed)
    assert changed != _data()
    assert meaning_digest(changed) == load_catalogue().digest
    for profile in Profile:
        assert catalogue_from_data(changed).fields(profile) == load_catalogue().fields(profile)


def test_the_digest_of_every_vocabulary() -> None:
    """A word taken from any list changes the digest, whatever the list is called."""
    for name in _data()["vocabularies"]:
        changed = data()
        changed["vocabularies"][name]["members"][0] = "octopus"
        assert meaning_digest(changed) != load_catalogue().digest, name


@pytest.mark.parametrize("name", ["source", "label", "title", "first", "last", "reason", "section", "os_type"])
def test_names_of_lists_are_no_prose(name: str) -> None:
    """A word list, a kind or a grouping that is called as a piece of prose is still part of the meaning."""
    one, other = data(), data()
    for compiled, word in ((one, "kraken"), (other, "octopus")):
        compiled["vocabularies"][name] = {"source": "an example", "members": [word]}
    assert meaning_digest(one) != meaning_digest(other)
    one, other = data(), data()
    for compiled, operators in ((one, ["count"]), (other, ["drop"])):
        compiled["kinds"][name] = {"label": "example", "clause": "toggle", "operators": operators}
    assert meaning_digest(one) != meaning_digest(other)


def test_the_digest_is_a_sha256() -> None:
    """The digest names its algorithm, and doesn't depend on the order of keys."""
    assert load_catalogue().digest.startswith("sha256:")
    assert len(load_catalogue().digest) == 7 + 64
    backwards = json.loads(json.dumps(data()), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert meaning_digest(backwards) == load_catalogue().digest


# --- the field set


def changed_fields(change: Callable[[dict[str, Any]], None], profile: Profile = STANDARD) -> tuple[Change, ...]:
    """Return how the field set differs after *change*."""
    changed = data()
    change(changed)
    return field_changes(load_catalogue().fields(profile), catalogue_from_data(changed).fields(profile))


def of(path: str, what: str = "changed") -> tuple[Change, ...]:
    """Return a single change."""
    return (Change(path, what),)


FIELD_CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[Change, ...]]] = {
    "bound": (_metric("totalRooms", maximum=11_000_000), of("totalRooms")),
    "other bound": (_metric("totalRooms", minimum=1), of("totalRooms")),
    "operator": (_metric("totalRooms", operator="flag"), of("totalRooms")),
    "path": (_metric("totalRooms", path="halls", emit="totalRooms"), of("totalRooms")),
    "place": (_metric("totalRooms", emit="rooms"), (Change("rooms", "added"), Change("totalRooms", "removed"))),
    "data type": (_metric("totalRooms", data_type="app"), of("totalRooms")),
    "dropped": (_metric("totalRooms", operator="drop", kind="identity"), of("totalRooms", "removed")),
    "finer kind": (_metric("totalMessages", kind="structural"), of("totalMessages")),
    "fractional": (_metric("totalRooms", fractional=True), of("totalRooms")),
    "key": (_metric("omnichannelSources[].count", key="alias"), of("omnichannelSources")),
    "word": (_set("vocabularies", "os_type", "members", 0, to="Windows"), of("os.type")),
    "what true is": (
        _set("vocabularies", "business_hours_strategy", "true_is", to="off"),
        of("BusinessHours.strategy"),
    ),
    "word of a text": (_set("vocabularies", "cpu_vendor", "words", "amd", to=["amd"]), of("os.cpus.model")),
    "group": (
        _set("vocabularies", "country", "groups", "region", "other", to=["antarctica"]),
        of("wizard.country"),
    ),
    "edge": (_set("bands", "memory", "fine", "edges", 0, to=3), of("os.totalmem")),
    "bucket": (_set("bands", "processors", "fine", "names", 0, to="one"), of("os.cpus.count")),
    "scale": (_set("bands", "memory", "scale", to=1000), of("os.totalmem")),
    "treatment": (_set("kinds", "kernel", "standard", to={"parts": 2}), of("os.release")),
    "condition": (
        _set("kinds", "ratio", "standard", to={"bands": "fine"}),
        of("contactVerification.avgChannelsPerContact"),
    ),
    "withheld": (_set("kinds", "kernel", "standard", to={"withhold": "example"}), of("os.release", "removed")),
    "let through": (_set("kinds", "wizard-language", "standard", to={}), of("wizard.language", "added")),
    "another profile": (_set("kinds", "kernel", "exact", to={"parts": 3}), ()),
    "prose": (_metric("totalRooms", says="Another sentence."), ()),
    "title": (_set("title", to="Another"), ()),
    "version": (_set("version", to=3), ()),
    "capacity": (_set("capacity", "standard", to=1), ()),
    "total": (_metric("totalUserTOTP", of="activeUsers"), of("totalUserTOTP")),
    "less": (_metric("totalUserTOTP", less=["nonActiveUsers"]), of("totalUserTOTP")),
    "linked": (
        _metric("uniqueUsersOfLastMonth.data[].roles[].count", linked=""),
        of("uniqueUsersOfLastMonth.roles"),
    ),
}


@pytest.mark.parametrize(("change", "expected"), FIELD_CHANGES.values(), ids=FIELD_CHANGES)
def test_fields(change: Callable[[dict[str, Any]], None], expected: tuple[Change, ...]) -> None:
    """A field's digest changes when its bound, words or treatment change, and no other field's does."""
    assert expected == changed_fields(change)


TREATMENTS: dict[str, tuple[str, Profile, dict[str, Any], str]] = {
    "digits": ("structural", STRICT, {"significant": 3}, "totalRooms"),
    "step": ("headcount", STRICT, {"step": 5, "absent_zero": True}, "totalUsers"),
    "absent zero": ("headcount", STRICT, {"step": 10}, "totalUsers"),
    "people": ("quantity", STANDARD, {"needs_people": 20, "significant": 3}, "uploadsTotalSize"),
    "parts": ("server-version", STRICT, {"parts": 1}, "version"),
    "precision": ("install-date", STANDARD, {"precision": "month"}, "installedAt"),
    "buckets": ("hardware", STRICT, {"bands": "fine"}, "os.totalmem"),
    "grouping": ("wizard-country", STANDARD, {}, "wizard.country"),
    "freezing": ("split-window", EXACT, {"step": 1}, "uniqueUsersOfYesterday.count"),
    "days": ("moment", EXACT, {"days": [7, 30], "needs_people": 20}, "lastLogin"),
    "rounding of people": ("people-table", STANDARD, {"frozen": True, "needs_people": 10}, "userLanguages"),
}


@pytest.mark.parametrize(("kind", "profile", "to", "path"), TREATMENTS.values(), ids=TREATMENTS)
def test_fields_of_each_treatment(kind: str, profile: Profile, to: dict[str, Any], path: str) -> None:
    """Every parameter of a treatment is part of a field's meaning, in the profile that it belongs to."""
    changes = changed_fields(_set("kinds", kind, profile.value, to=to), profile)
    assert Change(path, "changed") in changes
    assert {"changed"} == {change.what for change in changes}
    others = [other for other in Profile if other is not profile]
    assert [changed_fields(_set("kinds", kind, profile.value, to=to), other) for other in others] == [(), ()]


def test_the_threshold_changes_every_field() -> None:
    """Another threshold means another thing for every field."""
    changes = changed_fields(_set("threshold", to=11))
    assert {change.path for change in changes} == set(load_catalogue().fields(STANDARD))


@pytest.mark.parametrize("profile", Profile)
def test_fields_are_payload_paths(profile: Profile) -> None:
    """The field set has one digest for each metric that the profile lets through, by its place in the payload."""
    fields = load_catalogue().fields(profile)
    leaving = [metric.emit for metric, _ in load_catalogue().leaving(profile)]
    assert sorted(leaving) == sorted(fields)
    assert all(len(digest) == 16 for digest in fields.values())


def test_field_changes() -> None:
    """Differences are named as added, changed or removed, sorted by path; equal sets have none."""
    agreed = {"a": "1", "b": "2", "d": "4"}
    offered = {"b": "3", "c": "1", "d": "4"}
    assert field_changes(agreed, offered) == (Change("a", "removed"), Change("b", "changed"), Change("c", "added"))
    assert field_changes(agreed, agreed) == ()
    assert field_changes({}, {}) == ()


def test_dropped_metrics_have_no_treatment() -> None:
    """What is dropped has no treatment in any profile, whatever its kind would allow."""
    catalogue: Catalogue = load_catalogue()
    for metric in METRICS.values():
        if metric.is_dropped:
            assert [catalogue.treatment(metric, profile) for profile in Profile] == [None, None, None]
