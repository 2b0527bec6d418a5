"""Figures of people in whole reports: what shows, what stays, what is kept for a month, what findings tell of it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rc_stats import Anonymiser, Finding, Metric, Previous, Profile, Report, load_catalogue, read_previous
from rc_stats.catalogue import PEOPLE_OPERATORS
from rc_stats.disclosure import ACTIVE_WITHIN, floored
from rc_stats.wire import canonical
from workspaces import Person, Workspace, workspace

CATALOGUE = load_catalogue()
K = CATALOGUE.threshold
PEOPLE = [metric for metric in CATALOGUE.metrics.values() if metric.operator in PEOPLE_OPERATORS]
SPLITS = [metric for metric in PEOPLE if metric.operator == "split"]
MOMENTS = [metric for metric in PEOPLE if metric.operator == "moment"]
TABLES = [metric for metric in PEOPLE if metric.operator == "table"]
CONTACTS = "contactVerification.totalContacts"
STEP = {Profile.EXACT: 1, Profile.STANDARD: 5, Profile.STRICT: 10}
FROZEN = (Profile.STANDARD, Profile.STRICT)
AUGUST, SEPTEMBER = "2026-08", "2026-09"
MADE_AT = "2026-08-20T12:00:00.000Z"
SMALL_WORKSPACES = (0, 1, 2, 6, 9, 10, 19, 20)
WINDOWS = ("Yesterday", "LastWeek", "LastMonth")

Json = dict[str, Any]


def seeded_random(seed: int) -> random.Random:
    """Return a source of numbers that follow from *seed*."""
    return random.Random(seed)  # noqa: S311 - the same numbers at every run


@cache
def anonymiser(profile: Profile) -> Anonymiser:
    """Return the anonymiser of the packaged catalogue in *profile*."""
    return Anonymiser(CATALOGUE, profile)


def report_of(
    document: Json, profile: Profile = Profile.STANDARD, *, month: str = AUGUST, previous: Previous | None = None
) -> Report:
    """Return the report of *document*, without findings."""
    return anonymiser(profile)(document, month=month, previous=previous, findings=False)


def findings_of(document: Json, profile: Profile, previous: Previous | None = None) -> list[Finding]:
    """Return the findings of *document*, sorted."""
    findings = anonymiser(profile)(document, month=AUGUST, previous=previous).findings
    assert findings is not None
    return sorted(findings, key=repr)


def following(report: Report) -> Previous:
    """Return what is kept of *report* for the next one."""
    assert report.previous is not None
    return report.previous


def at(value: Any, path: str) -> Any:
    """Return what stands at *path*, or None."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def people_in(report: Report) -> Json:
    """Return the leaves of people that *report* has, by payload path."""
    statistics = report.statistics()
    found = {metric.emit: at(statistics, metric.emit) for metric in PEOPLE}
    return {path: value for path, value in found.items() if value is not None}


def set_at(document: Json, path: str, value: Any) -> None:
    """Set what stands at *path* of *document*, which may lead through a list of one object."""
    here = document
    *parents, name = path.split(".")
    for step in parents:
        name_of_list = step.removesuffix("[]")
        here = here.setdefault(step, {}) if step == name_of_list else here.setdefault(name_of_list, [{}])[0]
    here[name] = value


def put(document: Json, path: str, value: Any) -> Json:
    """Return a copy of *document* with *value* at *path*."""
    result = copy.deepcopy(document)
    set_at(result, path, value)
    return result


def document(users: Any = 100, **more: Any) -> Json:
    """Return a small document of a workspace with so many users, all of them enabled unless told."""
    return {
        "createdAt": MADE_AT,
        "totalUsers": users,
        "nonActiveUsers": 0,
        "appUsers": 0,
        "totalChannels": 42,
        "totalMessages": 12_345,
        "uploadsTotalSize": 987_654_321,
        **more,
    }


def with_split(metric: Metric, count: Any, total: int = 100) -> Json:
    """Return a document in which *metric* is *count* of *total*."""
    made = document(200 if metric.of == CONTACTS else total)
    if metric.of == CONTACTS:
        made = put(made, CONTACTS, total)
    return put(made, metric.path, count)


def with_languages(languages: Json, users: int | None = None) -> Json:
    """Return a document with these languages; the users are as many as they sum to unless told."""
    return document(sum(languages.values()) if users is None else users, userLanguages=languages)


def with_roles(users: int, **windows: Mapping[str, int]) -> Json:
    """Return a document with the roles of the unique users of some windows."""
    made = document(users)
    for window, roles in windows.items():
        rows = [{"role": role, "count": count} for role, count in roles.items()]
        made[f"uniqueUsersOf{window}"] = {"data": [{"count": sum(roles.values()), "roles": rows}]}
    return made


def everything(users: int = 100) -> Json:
    """Return a document with a figure of people at every place."""
    made = put(document(users), CONTACTS, users)
    for metric in SPLITS:
        set_at(made, metric.path, users // 2)
    for metric in MOMENTS:
        set_at(made, metric.path, MADE_AT)
    made["userLanguages"] = {"none": users - users // 3, "en": users // 3}
    for window in WINDOWS:
        made[f"uniqueUsersOf{window}"]["data"][0]["roles"] = [{"role": "user", "count": users // 2}]
    return made


# The rules, as rows.


def expected_split(profile: Profile, count: int, total: int, of: str = "totalUsers") -> int | None:
    """Return what the rules say of a split of *total*, spelt anew."""
    if profile is Profile.STRICT:
        total = total - total % 10
        if of == CONTACTS and total >= 100:
            total = int(str(total)[:2] + "0" * (len(str(total)) - 2))
    if count < 10 or total - count < 10:
        return None
    return count - count % STEP[profile]


@pytest.mark.parametrize(
    ("profile", "count", "total", "shown"),
    [
        ("exact", 9, 100, None),
        ("exact", 10, 100, 10),
        ("exact", 47, 100, 47),
        ("exact", 90, 100, 90),
        ("exact", 91, 100, None),
        ("exact", 10, 20, 10),
        ("exact", 10, 19, None),
        ("standard", 9, 100, None),
        ("standard", 10, 100, 10),
        ("standard", 47, 100, 45),
        ("standard", 49, 100, 45),
        ("standard", 90, 100, 90),
        ("standard", 91, 100, None),
        ("standard", 10, 20, 10),
        ("standard", 10, 19, None),
        ("strict", 9, 100, None),
        ("strict", 10, 100, 10),
        ("strict", 47, 100, 40),
        ("strict", 90, 100, 90),
        ("strict", 90, 109, 90),
        ("strict", 91, 109, None),
        ("strict", 91, 110, 90),
        ("strict", 10, 29, 10),
        ("strict", 11, 29, None),
        ("strict", 10, 19, None),
    ],
)
def test_a_split_by_profile(profile: str, count: int, total: int, shown: int | None) -> None:
    """What each profile shows of so many people with a second factor among so many."""
    made = document(total, totalUserTOTP=count)
    assert people_in(report_of(made, Profile(profile))).get("totalUserTOTP") == shown


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("metric", SPLITS, ids=lambda metric: metric.emit)
def test_every_split_follows_the_rule(metric: Metric, profile: Profile) -> None:
    """Each split of the catalogue shows from ten to all but ten, rounded down, and nothing else."""
    for total in (40, 128):
        for count in (0, 9, 10, 14, 19, total - 10, total - 9, total, total + 1):
            report = report_of(with_split(metric, count, total), profile)
            shown = people_in(report).get(metric.emit)
            assert shown == expected_split(profile, count, total, metric.of), (count, total)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("users", SMALL_WORKSPACES)
def test_small_workspace(users: int, profile: Profile) -> None:
    """What a workspace of so many people shows, with everything set to half of them."""
    made = everything(users)
    report = report_of(made, profile)
    statistics, people = report.statistics(), people_in(report)
    shown_users = {Profile.STRICT: floored(users, 10) or None}.get(profile, users)
    assert statistics.get("totalUsers") == shown_users
    assert statistics["totalChannels"] == 42
    has_activity = profile is Profile.EXACT or users >= K
    assert ("totalMessages" in statistics) == has_activity
    assert ("uploadsTotalSize" in statistics) == has_activity
    splits = {metric.emit for metric in SPLITS} & people.keys()
    assert bool(splits) == (users >= 2 * K)
    assert not (users < K and people)
    moments = {metric.emit for metric in MOMENTS} & people.keys()
    assert bool(moments) == (users >= 2 * K and profile is not Profile.STRICT)


@pytest.mark.parametrize("users", range(2 * K))
def test_no_table_in_a_workspace_without_room(users: int) -> None:
    """Below ten users nothing of people shows; below twenty no split, and a table only if it hides nobody or ten."""
    rng = seeded_random(users)
    for _ in range(40):
        en = rng.randint(0, users)
        made = with_languages({"none": users - en, "en": en}) | {"totalUserTOTP": rng.randint(0, users)}
        for profile in Profile:
            people = people_in(report_of(made, profile))
            assert people.keys() <= {"userLanguages"}
            rows = people.get("userLanguages", {})
            assert not rows or users >= K
            assert users - sum(rows.values()) in {0, *range(K, 2 * K)} or not rows


@pytest.mark.parametrize("profile", Profile)
def test_all_but_one_with_a_second_factor(profile: Profile) -> None:
    """The single one of a hundred without a second factor isn't pointed at."""
    for count in (99, 100, 1, 0):
        report = report_of(document(100, totalUserTOTP=count), profile)
        assert "totalUserTOTP" not in report.statistics()


@pytest.mark.parametrize("profile", Profile)
def test_the_few_enabled_without_a_second_factor(profile: Profile) -> None:
    """The single enabled user without a second factor isn't pointed at: disabled users are no complement to hide in."""
    made = document(50, nonActiveUsers=19, activeUsers=31, totalUserTOTP=30)
    statistics = report_of(made, profile).statistics()
    assert "nonActiveUsers" in statistics
    assert "totalUserTOTP" not in statistics


@pytest.mark.parametrize(
    ("profile", "totals", "count", "shown"),
    [
        ("exact", (100, 30, 0), 60, 60),
        ("exact", (100, 30, 0), 61, None),
        ("exact", (100, 0, 30), 60, 60),
        ("exact", (100, 0, 30), 61, None),
        ("exact", (100, 20, 10), 61, None),
        ("exact", (39, 10, 10), 10, None),
        ("exact", (40, 10, 10), 10, 10),
        ("exact", (10, 8, 5), 10, None),
        ("standard", (100, 20, 10), 60, 60),
        ("standard", (100, 20, 10), 61, None),
        ("strict", (109, 20, 10), 60, 60),
        ("strict", (109, 20, 10), 61, None),
        ("strict", (300, 109, 0), 181, 180),
        ("strict", (300, 109, 0), 182, None),
        ("strict", (309, 5, 0), 285, 280),
        ("strict", (309, 5, 0), 286, None),
    ],
)
def test_a_split_is_of_those_who_can_be_counted(
    profile: str, totals: tuple[int, int, int], count: int, shown: int | None
) -> None:
    """Disabled and app users are taken off, and the smaller of the true and the told rest decides."""
    users, disabled, apps = totals
    made = document(users, nonActiveUsers=disabled, appUsers=apps, totalUserTOTP=count)
    assert people_in(report_of(made, Profile(profile))).get("totalUserTOTP") == shown


@pytest.mark.parametrize("path", ["nonActiveUsers", "appUsers"])
@pytest.mark.parametrize("profile", Profile)
def test_without_a_number_to_take_off_no_split_of_users_shows(profile: Profile, path: str) -> None:
    """Without the number of disabled or of app users, splits of users stay; those of contacts and languages don't."""
    full = people_in(report_of(everything(), profile))
    of_users = {metric.emit for metric in SPLITS if metric.less}
    tables_of_splits = {metric.emit for metric in TABLES if metric.of != "totalUsers"}
    values: tuple[Any, ...] = (None, "0", -1, 10**400, True, [], 0.5)
    for value in values:
        for made in (put(everything(), path, value), {k: v for k, v in everything().items() if k != path}):
            assert people_in(report_of(made, profile)).keys() == full.keys() - of_users - tables_of_splits


@pytest.mark.parametrize(
    ("profile", "languages", "shown"),
    [
        ("exact", {"none": 100}, {"none": 100}),
        ("standard", {"none": 100}, {"none": 100}),
        ("standard", {"none": 103}, None),
        ("exact", {"none": 103}, {"none": 103}),
        ("strict", {"none": 100}, None),
        ("exact", {"none": 99, "de": 1}, None),
        ("standard", {"none": 99, "de": 1}, None),
        ("exact", {"none": 61, "en": 30, "de": 9}, {"none": 61}),
        ("exact", {"none": 60, "en": 30, "de": 10}, {"none": 60, "en": 30, "de": 10}),
        ("exact", {"none": 61, "en": 20, "de": 9, "fr": 4}, {"none": 61, "en": 20}),
        ("standard", {"none": 61, "en": 21, "de": 9, "fr": 4}, {"none": 60, "en": 20}),
        ("exact", {"none": 61, "en": 20, "de": 4, "fr": 4}, {"none": 61}),
        ("exact", {"none": 80, "he": 1, "cy": 9}, {"none": 80}),
        ("exact", {"none": 80, "he": 1, "cy": 8}, None),
        ("exact", {"none": 80, "unheard-of": 10}, {"none": 80}),
        ("exact", {"none": 80, "unheard-of": 9}, None),
        ("exact", {"none": 80, "unheard-of": 5, "also-new": 5}, {"none": 80}),
        ("exact", {"none": 80, "EN": 6, "en": 6, "En": 1}, {"none": 80, "en": 13}),
        ("exact", {"none": 9}, None),
        ("exact", {}, None),
        ("exact", {"other": 100}, None),
    ],
)
def test_languages_by_table(profile: str, languages: Json, shown: Json | None) -> None:
    """Which languages show, with all users counted."""
    made = with_languages(languages)
    assert report_of(made, Profile(profile)).statistics().get("userLanguages") == shown


@pytest.mark.parametrize(
    "languages",
    [
        pytest.param({"none": 60, "en": 30}, id="fewer than the users: five are missing"),
        pytest.param({"none": 60, "en": 50}, id="more than the users"),
        pytest.param({"none": 60, "en": 30, "de": 1}, id="fewer, one hidden"),
        pytest.param({"none": 60, "en": 30, "de": -5, "fr": 10}, id="negative row"),
        pytest.param({"none": 60, "en": "35"}, id="text as a count"),
        pytest.param({"none": 60, "en": 35.5}, id="fraction"),
        pytest.param({"none": 60, "en": True}, id="flag"),
        pytest.param({"none": 60, "en": None}, id="null"),
        pytest.param({"none": 60, "en": [35]}, id="list"),
        pytest.param({"none": 60, "en": {"en": 35}}, id="map"),
        pytest.param({"none": 60, "en": 10**400}, id="huge"),
        pytest.param([60, 35], id="list instead of a map"),
        pytest.param("none", id="text instead of a map"),
        pytest.param(None, id="null instead of a map"),
    ],
)
@pytest.mark.parametrize("profile", Profile)
def test_what_does_not_add_up_stays(languages: Any, profile: Profile) -> None:
    """A table that doesn't sum to its total, or has one bad row, shows nothing."""
    made = document(95, userLanguages=languages)
    assert "userLanguages" not in report_of(made, profile).statistics()


@pytest.mark.parametrize("users", [None, "100", -1, 10**400, True, [], 100.5])
@pytest.mark.parametrize("profile", Profile)
def test_without_a_number_of_users_nobody_shows(users: Any, profile: Profile) -> None:
    """A figure of people needs to know of how many; without that all stay, but those of contacts in the finest."""
    made = put(everything(), "totalUsers", users)
    assert {path for path in people_in(report_of(made, profile)) if "contactVerification" not in path} == set()
    del made["totalUsers"]
    assert {path for path in people_in(report_of(made, profile)) if "contactVerification" not in path} == set()


ROLES = {"user": 60, "guest": 20, "admin": 10}


@pytest.mark.parametrize(
    ("profile", "shown"),
    [
        ("exact", ["LastMonth", "LastWeek", "Yesterday"]),
        ("standard", ["LastMonth"]),
        ("strict", []),
    ],
)
def test_roles_by_profile(profile: str, shown: list[str]) -> None:
    """The finest profile shows the roles of three periods, the default those of the month, the coarsest none."""
    made = with_roles(200, Yesterday=ROLES, LastWeek=ROLES, LastMonth=ROLES)
    people = people_in(report_of(made, Profile(profile)))
    assert sorted(path for path in people if path.endswith(".roles")) == [f"uniqueUsersOf{w}.roles" for w in shown]
    assert all(people[f"uniqueUsersOf{w}.roles"] == ROLES for w in shown)


@pytest.mark.parametrize("profile", [Profile.EXACT, Profile.STANDARD])
def test_roles_of_linked_periods_share_a_pattern(profile: Profile) -> None:
    """A role that was rare yesterday is hidden for the month, also where yesterday's table itself never leaves."""
    month = {"user": 60, "guest": 20, "bot": 20, "admin": 12, "app": 10}
    day = {"user": 30, "guest": 11, "bot": 11, "admin": 9, "app": 1}
    alone = people_in(report_of(with_roles(300, LastMonth=month), profile))
    assert alone["uniqueUsersOfLastMonth.roles"].keys() == month.keys()
    both = people_in(report_of(with_roles(300, LastMonth=month, Yesterday=day), profile))
    assert both["uniqueUsersOfLastMonth.roles"].keys() == {"user", "guest", "bot"}


def test_a_table_needs_its_total() -> None:
    """Where the count of a window is withheld, so are its roles, or they would sum to it."""
    for roles in ({"user": 95}, {"user": 40, "guest": 55}, {"user": 9}):
        made = with_roles(100, LastMonth=roles)
        people = people_in(report_of(made, Profile.EXACT))
        assert people == {}


@pytest.mark.parametrize(
    "data",
    [[], [{}], [{"count": 50}], [{"count": 50}] * 2, [50], {}, {"count": 50}, None, 50, "50", [[]], [{"count": "50"}]],
)
def test_odd_windows(data: Any) -> None:
    """A window that isn't a list of one object shows at most what a payload has in its place."""
    for profile in Profile:
        people = people_in(report_of(document(100, uniqueUsersOfLastMonth={"data": data}), profile))
        assert people in ({}, {"uniqueUsersOfLastMonth.count": 50})
        assert not people or data in ([{"count": 50}], 50)


@pytest.mark.parametrize("metric", MOMENTS, ids=lambda metric: metric.emit)
def test_moments_by_table(metric: Metric) -> None:
    """A moment of activity becomes words, with enough people, and never in the coarsest profile."""
    rows: list[tuple[str, int, Any, str | None]] = [
        ("exact", 20, "2026-08-20T11:00:00.000Z", "within 1 day"),
        ("exact", 20, "2026-08-15T11:00:00.000Z", "within 7 days"),
        ("exact", 20, "2026-07-25T11:00:00.000Z", "within 30 days"),
        ("exact", 20, "2026-06-25T11:00:00.000Z", None),
        ("exact", 19, "2026-08-20T11:00:00.000Z", None),
        ("standard", 20, "2026-08-20T11:00:00.000Z", "within 30 days"),
        ("standard", 20, "2026-07-25T11:00:00.000Z", "within 30 days"),
        ("standard", 19, "2026-08-20T11:00:00.000Z", None),
        ("standard", 20, "2026-06-25T11:00:00.000Z", None),
        ("standard", 20, "within 30 days", "within 30 days"),
        ("standard", 20, "within 1 day", None),
        ("standard", 20, "some other words", None),
        ("exact", 20, {"$date": "2026-08-20T11:00:00.000Z"}, "within 1 day"),
        ("exact", 20, None, None),
        ("strict", 500, "2026-08-20T11:00:00.000Z", None),
        ("strict", 500, "within 30 days", None),
    ]
    for profile, users, moment, shown in rows:
        made = put(document(users), metric.path, moment)
        assert people_in(report_of(made, Profile(profile))).get(metric.emit) == shown, (profile, users, moment)


def test_a_moment_needs_the_time_of_the_document() -> None:
    """Without the moment at which the document was made, no moment of anybody shows."""
    made = document(100, lastLogin="2026-08-20T11:00:00.000Z")
    for at_ in (None, "", "yesterday", 10**400):
        assert people_in(report_of(made | {"createdAt": at_}, Profile.EXACT)) == {}


# Freezing.

ROLES_OF_FIFTY = {"user": 40, "guest": 10}
FIRST = document(100, totalUserTOTP=40, userLanguages={"none": 60, "en": 40}, lastLogin=MADE_AT)
SECOND = document(100, totalUserTOTP=70, userLanguages={"none": 20, "en": 80}, lastLogin=None)
KEPT = {
    Profile.STANDARD: {
        "totalUserTOTP": 40,
        "userLanguages": {"none": 60, "en": 40},
        "lastLogin": "within 30 days",
    },
    Profile.STRICT: {"totalUserTOTP": 40},
}


@pytest.mark.parametrize("profile", FROZEN)
def test_within_a_month_figures_are_kept(profile: Profile) -> None:
    """The second report of a month repeats the first one's figures of people, and says so."""
    first = report_of(FIRST, profile)
    second = anonymiser(profile)(SECOND, month=AUGUST, previous=following(first))
    assert people_in(first) == people_in(second) == KEPT[profile]
    said = {finding.path: finding.rule for finding in second.findings or ()}
    assert said["totalUserTOTP"] == "frozen"


@pytest.mark.parametrize("profile", FROZEN)
def test_what_was_withheld_stays_withheld(profile: Profile) -> None:
    """A figure that the first report of a month withheld is withheld in all of that month."""
    first = report_of(document(100, totalUserTOTP=3), profile)
    second = report_of(document(100, totalUserTOTP=50), profile, previous=following(first))
    third = report_of(document(100, totalUserTOTP=50), profile, previous=following(second))
    assert people_in(first) == people_in(second) == people_in(third) == {}


@pytest.mark.parametrize("profile", FROZEN)
def test_a_new_month_is_fresh(profile: Profile) -> None:
    """With the same number of users, or ten more or fewer, a new month shows new figures."""
    first = following(report_of(FIRST, profile))
    for users in (100, 110, 150):
        made = SECOND | {"totalUsers": users, "userLanguages": {"none": users - 80, "en": 80}}
        second = report_of(made, profile, month=SEPTEMBER, previous=first)
        assert people_in(second) == people_in(report_of(made, profile, month=SEPTEMBER))
        assert people_in(second)["totalUserTOTP"] == 70
    made = document(90, totalUserTOTP=70)
    assert people_in(report_of(made, profile, month=SEPTEMBER, previous=first)) == {"totalUserTOTP": 70}


@pytest.mark.parametrize("profile", FROZEN)
@pytest.mark.parametrize("moved", [-9, -1, 1, 9])
def test_nearly_the_same_people_are_kept(moved: int, profile: Profile) -> None:
    """A new month with one to nine users more or fewer repeats the old figures: they would be about the newcomers."""
    first = following(report_of(FIRST | {"totalUsers": 120, "userLanguages": {"none": 80, "en": 40}}, profile))
    second = report_of(SECOND | {"totalUsers": 120 + moved}, profile, month=SEPTEMBER, previous=first)
    assert people_in(second)["totalUserTOTP"] == 40
    assert following(second).month == SEPTEMBER


@pytest.mark.parametrize("profile", FROZEN)
def test_newcomers_of_the_middle_of_a_month_are_kept_too(profile: Profile) -> None:
    """One user who joined since the figures were made doesn't show in the next month, whenever the reports were."""
    before = report_of(document(100, totalUserTOTP=19), profile)
    joined = document(101, totalUserTOTP=20)
    straight = report_of(joined, profile, month=SEPTEMBER, previous=following(before))
    assert people_in(straight)["totalUserTOTP"] == people_in(before)["totalUserTOTP"]
    between = report_of(joined, profile, previous=following(before))
    after = report_of(joined, profile, month=SEPTEMBER, previous=following(between))
    assert people_in(after) == people_in(before)


@pytest.mark.parametrize("profile", FROZEN)
def test_newcomers_among_contacts_are_kept_too(profile: Profile) -> None:
    """One contact who came since the figures were made doesn't show in the next month; the users are as many."""
    verified = "contactVerification.totalVerifiedContacts"

    def made(contacts: int, count: int) -> Json:
        return put(put(document(200, totalUserTOTP=40 + count), CONTACTS, contacts), verified, count)

    before = report_of(made(100, 19), profile)
    straight = report_of(made(101, 20), profile, month=SEPTEMBER, previous=following(before))
    between = report_of(made(101, 20), profile, previous=following(before))
    after = report_of(made(101, 20), profile, month=SEPTEMBER, previous=following(between))
    for report in (straight, after):
        people = people_in(report)
        assert people[verified] == people_in(before)[verified] == floored(19, STEP[profile])
        assert people["totalUserTOTP"] == 60
        assert following(report).totals[CONTACTS] == 100
    many = report_of(made(110, 20), profile, month=SEPTEMBER, previous=following(before))
    assert people_in(many)[verified] == 20


@pytest.mark.parametrize("profile", FROZEN)
@pytest.mark.parametrize("path", ["nonActiveUsers", "appUsers"])
def test_who_was_disabled_does_not_show_in_a_new_month(path: str, profile: Profile) -> None:
    """One user who was disabled since the figures were made doesn't show; the users are as many."""
    before = report_of(document(100, **{path: 10}, totalUserTOTP=20), profile)
    later = document(100, **{path: 11}, totalUserTOTP=19)
    after = report_of(later, profile, month=SEPTEMBER, previous=following(before))
    assert people_in(after) == people_in(before)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_rolling_window_is_kept_in_every_profile(window: str, profile: Profile) -> None:
    """A window that grows by one tells that somebody came yesterday, so also in the finest profile it is kept."""
    before = report_of(with_roles(100, **{window: {"user": 39}}), profile)
    grown = with_roles(100, **{window: {"user": 40}})
    assert people_in(before)[f"uniqueUsersOf{window}.count"] == floored(39, STEP[profile])
    assert people_in(report_of(grown, profile, previous=following(before))) == people_in(before)
    newcomer = report_of(grown | {"totalUsers": 101}, profile, month=SEPTEMBER, previous=following(before))
    assert people_in(newcomer) == people_in(before)
    fresh = report_of(grown, profile, month=SEPTEMBER, previous=following(before))
    assert people_in(fresh)[f"uniqueUsersOf{window}.count"] == 40


def test_the_finest_profile_keeps_windows_and_tables_alone() -> None:
    """In the finest profile every report has the other figures of its own day."""
    week = "uniqueUsersOfLastWeek"
    first = report_of(FIRST | {week: with_roles(100, LastWeek=ROLES_OF_FIFTY)[week]}, Profile.EXACT)
    second = report_of(SECOND, Profile.EXACT, previous=following(first))
    kept = {path: value for path, value in people_in(first).items() if path not in ("totalUserTOTP", "lastLogin")}
    assert kept.keys() == {"userLanguages", f"{week}.count", f"{week}.roles"}
    assert people_in(second) == {**kept, "totalUserTOTP": 70}
    fresh = report_of(SECOND, Profile.EXACT, month=SEPTEMBER, previous=following(second))
    assert people_in(fresh) == people_in(report_of(SECOND, Profile.EXACT))


def unusable() -> Iterator[Any]:
    """Yield what the next report can't use, made of a usable one: as bytes, or as it was built."""
    good = following(report_of(FIRST))
    data = good.to_bytes()
    yield pytest.param(b"", id="empty")
    yield pytest.param(b"\x00\xff", id="no text")
    yield pytest.param(data[:-20], id="cut off")
    yield pytest.param(b"[" * 100_000, id="deep")
    for text in (b"null", b"[]", b"{}", b"12", b'"text"'):
        yield pytest.param(text, id=text.decode())
    for old, new in (
        (b'"format":1', b'"format":2'),
        (b'"is_usable":true', b'"is_usable":false'),
        (b'"is_usable":true', b'"is_usable":1'),
        (b'"month":"2026-08"', b'"month":"2026-13"'),
        (b'"month":"2026-08"', b'"month":"2026-8"'),
        (b'"month":"2026-08"', b'"month":"\xd9\xa2026-08"'),
        (b'"month":"2026-08"', b'"month":null'),
        (b'"totalUsers":100', b'"totalUsers":"100"'),
        (b'"totalUsers":100', b'"totalUsers":true'),
        (b'"totalUsers":100', b'"totalUsers":100.0'),
        (b'"profile":"standard"', b'"profile":"fine"'),
        (b'"profile":"standard"', b'"profile":[]'),
        (b'"totalUserTOTP":40', b'"totalUserTOTP":40.5'),
        (b'"totalUserTOTP":40', b'"totalUserTOTP":true'),
        (b'"totalUserTOTP":40', b'"totalUserTOTP":null'),
        (b'"totalUserTOTP":40', b'"totalUserTOTP":[40]'),
        (b'"none":60', b'"none":"60"'),
        (b'"none":60', b'"none":{}'),
        (b'"figures":{', b'"other":{'),
        (b'"totals":{', b'"other":{'),
    ):
        assert data.count(old) == 1
        yield pytest.param(data.replace(old, new), id=new.decode())
    yield pytest.param(replace(good, catalogue_digest="sha256:0"), id="other catalogue")
    yield pytest.param(replace(good, catalogue_digest=""), id="no catalogue")
    yield pytest.param(replace(good, profile=Profile.EXACT), id="finer profile")
    yield pytest.param(replace(good, profile=Profile.STRICT), id="coarser profile")
    yield pytest.param(replace(good, month="2026-09"), id="next month")
    yield pytest.param(replace(good, month="2027-01"), id="next year")
    yield pytest.param(replace(good, is_usable=False), id="marked as unusable")


@pytest.mark.parametrize("kept", list(unusable()))
def test_an_unusable_previous_withholds(kept: bytes | Previous) -> None:
    """If the last report can't be used, all figures of people stay for the month, and the findings say why."""
    previous = read_previous(kept) if isinstance(kept, bytes) else kept
    assert isinstance(kept, Previous) or not previous.is_usable
    first = anonymiser(Profile.STANDARD)(SECOND, month=AUGUST, previous=previous)
    assert people_in(first) == {}
    said = {finding.path: finding.rule for finding in first.findings or ()}
    assert said["totalUserTOTP"] == said["userLanguages.*"] == said["lastLogin"] == "previous-unusable"
    second = report_of(SECOND, previous=following(first))
    assert people_in(second) == {}
    fresh = report_of(SECOND, month=SEPTEMBER, previous=following(second))
    assert people_in(fresh) == people_in(report_of(SECOND))


@pytest.mark.parametrize("profile", FROZEN)
def test_without_a_month_a_previous_is_not_used(profile: Profile) -> None:
    """If the caller tells no month, figures can't be told to be of the same one, and stay."""
    previous = following(report_of(FIRST, profile))
    report = report_of(SECOND, profile, month="", previous=previous)
    assert people_in(report) == {}
    assert report.previous is None


@pytest.mark.parametrize("profile", Profile)
def test_what_is_kept_survives_storage(profile: Profile) -> None:
    """What is kept for the next report is the same after it was written and read, byte for byte."""
    kept = following(report_of(everything(), profile))
    data = kept.to_bytes()
    again = read_previous(data)
    assert again == kept
    assert again.is_usable
    assert again.to_bytes() == data


@given(st.binary(max_size=300))
def test_reading_the_previous_never_raises(data: bytes) -> None:
    """Any bytes give something, which can be used or not, and used never raises."""
    previous = read_previous(data)
    assert not previous.is_usable
    assert people_in(report_of(SECOND, previous=previous)) == {}


@given(
    st.dictionaries(
        st.sampled_from([*(metric.emit for metric in PEOPLE), "totalMessages", "x"]),
        st.one_of(
            st.integers(-10, 120),
            st.sampled_from([*ACTIVE_WITHIN.values(), "words"]),
            st.dictionaries(st.sampled_from(["none", "en", "user", "other", "x"]), st.integers(-5, 120)).map(
                lambda rows: tuple(rows.items())
            ),
        ),
    ),
    st.sampled_from(FROZEN),
)
def test_a_forged_previous_shows_only_what_could_be(figures: dict[str, Any], profile: Profile) -> None:
    """Whatever stands in the last report's place, only protected figures leave: they pass when they are fed back."""
    previous = replace(following(report_of(FIRST, profile)), figures=MappingProxyType(figures))
    report = report_of(everything(), profile, previous=previous)
    shown = people_in(report)
    assert shown.keys() <= figures.keys()
    again = report_of(report.statistics(), profile)
    assert canonical(again.statistics()) == canonical(report.statistics())


@pytest.mark.parametrize("profile", FROZEN)
def test_kept_figures_fit_the_totals_of_the_day(profile: Profile) -> None:
    """A kept figure that the present number of users no longer allows is left out, and doesn't come back."""
    first = report_of(document(100, totalUserTOTP=90), profile)
    assert people_in(first) == {"totalUserTOTP": 90}
    fewer = report_of(document(99, totalUserTOTP=50), profile, previous=following(first))
    assert people_in(fewer) == {}
    back = report_of(document(100, totalUserTOTP=90), profile, previous=following(fewer))
    assert people_in(back) == {}


@pytest.mark.parametrize("profile", FROZEN)
def test_a_kept_table_goes_with_its_total(profile: Profile) -> None:
    """Where the kept count of a window is left out, its kept roles are too: a payload holds no table without total."""
    first = report_of(with_roles(100, LastMonth={"user": 90}), profile)
    assert people_in(first)["uniqueUsersOfLastMonth.count"] == 90
    fewer = report_of(with_roles(99, LastMonth={"user": 90}), profile, previous=following(first))
    assert people_in(fewer) == {}


# Two days.

SEEDS = range(12)


@cache
def seeded(seed: int) -> Workspace:
    """Return a random workspace."""
    return workspace(seed, days=11)


def neighbours(seed: int) -> Iterator[Workspace]:
    """Yield workspaces that differ from that of *seed* by one person."""
    here = seeded(seed)
    rng = seeded_random(seed)
    yield here.without(rng.randrange(len(here.people)))
    language, role = rng.choice(["en", "he", "zz-unlisted", None]), rng.choice(["user", "admin", "guest"])
    yield here.with_person(Person(roles=(role,), language=language, has_totp=True), days=[7, 8, 9])


@pytest.mark.parametrize("profile", FROZEN)
@pytest.mark.parametrize("seed", SEEDS)
def test_two_days_with_one_person_more_or_less(seed: int, profile: Profile) -> None:
    """
    Documents of one month that are one person apart have byte-equal leaves of people.

    With a person less, a leaf can go if the total no longer allows it, which the total tells by itself.
    """
    first = report_of(seeded(seed).document(9), profile)
    before = people_in(first)
    for other in neighbours(seed):
        second = report_of(other.document(10), profile, previous=following(first))
        after = people_in(second)
        if other.document(10)["totalUsers"] >= seeded(seed).document(9)["totalUsers"]:
            assert canonical(after) == canonical(before)
        assert after.items() <= before.items()


def with_other_people(made: Json, seed: int) -> Json:
    """Return *made* with the same totals and every figure of people drawn anew."""
    rng = seeded_random(seed)
    users = made["totalUsers"]
    made = copy.deepcopy(made)
    for metric in SPLITS:
        set_at(made, metric.path, rng.randint(0, users))
    for metric in MOMENTS:
        moments = (None, MADE_AT, "2026-08-01T00:00:00.000Z", "2001-01-01T00:00:00.000Z")
        set_at(made, metric.path, rng.choice(moments))
    english = rng.randint(0, users)
    made["userLanguages"] = {"none": users - english, "en": english}
    return made


@pytest.mark.parametrize("profile", FROZEN)
@given(seed=st.sampled_from(SEEDS), users=st.integers(0, 130), drawn=st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_the_second_day_tells_nothing_of_its_people(profile: Profile, seed: int, users: int, drawn: int) -> None:
    """With a report of the same month before, what shows of people depends on that and on the totals alone."""
    previous = following(report_of(seeded(seed).document(9), profile))
    made = put(everything(users), CONTACTS, 60)
    reports = [report_of(with_other_people(made, seed), profile, previous=previous) for seed in (drawn, drawn + 1)]
    one, other = (canonical(report.statistics()) for report in reports)
    assert one == other
    assert following(reports[0]) == following(reports[1])


@pytest.mark.parametrize("profile", FROZEN)
@given(seed=st.sampled_from(SEEDS), moved=st.integers(1, 9), drawn=st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_newcomers_do_not_show_in_a_new_month(profile: Profile, seed: int, moved: int, drawn: int) -> None:
    """The same for the first report of a new month, if one to nine users came or left."""
    made = seeded(seed).document(9)
    previous = following(report_of(made, profile))
    for users in (made["totalUsers"] + moved, made["totalUsers"] - moved):
        later = put(everything(users), CONTACTS, 60)
        one, other = (
            report_of(with_other_people(later, seed), profile, month=SEPTEMBER, previous=previous)
            for seed in (drawn, drawn + 1)
        )
        assert canonical(one.statistics()) == canonical(other.statistics())


# What findings tell.

HIDDEN = (0, 1, 9, 91, 99, 100)
"""Counts of a hundred that look alike: nobody, few, nearly all and all."""


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("metric", SPLITS, ids=lambda metric: metric.emit)
def test_hidden_splits_look_alike(metric: Metric, profile: Profile) -> None:
    """Nobody, few, nearly all and all give the same report with the same findings."""
    reports = {canonical(report_of(with_split(metric, n), profile).statistics()) for n in HIDDEN}
    assert len(reports) == 1
    findings = [findings_of(with_split(metric, n), profile) for n in HIDDEN]
    assert all(found == findings[0] for found in findings)


@pytest.mark.parametrize("profile", FROZEN)
@pytest.mark.parametrize("metric", SPLITS, ids=lambda metric: metric.emit)
def test_frozen_splits_look_alike(metric: Metric, profile: Profile) -> None:
    """With a report of the same month before, any figure gives the same report with the same findings."""
    previous = following(report_of(with_split(metric, 50), profile))
    documents = [with_split(metric, n) for n in (0, 9, 10, 45, 100)]
    assert len({canonical(report_of(made, profile, previous=previous).statistics()) for made in documents}) == 1
    findings = [findings_of(made, profile, previous) for made in documents]
    assert all(found == findings[0] for found in findings)


def tables_that_look_alike() -> Iterator[Any]:
    """Yield documents that differ only in rows of which nothing shows."""
    yield pytest.param(
        [
            with_languages({"none": 90, **hidden})
            for hidden in ({"en": 9, "zz": 1}, {"de": 4, "fr": 6}, {"he": 1, "zz": 9})
        ],
        id="languages, one shown",
    )
    yield pytest.param(
        [
            with_languages(rows)
            for rows in ({"none": 97, "en": 3}, {"none": 3, "en": 97}, {"zz": 100}, {"en": 1, "x": 99})
        ],
        id="languages, none shown",
    )
    month = {"user": 60, "guest": 20}
    yield pytest.param(
        [
            with_roles(300, LastMonth=month | hidden, LastWeek=month | hidden)
            for hidden in ({"bot": 9, "admin": 1}, {"bot": 1, "admin": 9}, {"app": 5, "livechat-agent": 5}, {"x": 10})
        ],
        id="roles",
    )
    yield pytest.param(
        [
            with_roles(100, LastMonth=roles)
            for roles in ({}, {"admin": 1}, {"user": 9}, {"user": 95}, {"user": 99, "bot": 1})
        ],
        id="roles of a hidden count",
    )
    yield pytest.param(
        [document(100, uniqueUsersOfYesterday={"data": data}) for data in ([], [{"count": 0}], [{"count": 7}])],
        id="a day without anybody",
    )
    yield pytest.param(
        [
            document(300, lastLogin=moment)
            for moment in (None, "", "2001-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z")
        ],
        id="a moment long ago, or none",
    )
    yield pytest.param(
        [document(19, lastLogin=moment) for moment in (None, "2001-01-01T00:00:00Z", MADE_AT)], id="a moment of few"
    )


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("documents", list(tables_that_look_alike()))
def test_hidden_rows_look_alike(documents: list[Json], profile: Profile) -> None:
    """Documents that differ only in hidden rows give the same report with the same findings."""
    if profile is Profile.EXACT and "uniqueUsersOfLastWeek" in documents[0]:
        assert len({canonical(people_in(report_of(made, profile))) for made in documents}) == 1
    assert len({canonical(report_of(made, profile).statistics()) for made in documents}) == 1
    findings = [findings_of(made, profile) for made in documents]
    assert all(found == findings[0] for found in findings)


@pytest.mark.parametrize("profile", Profile)
def test_no_finding_and_no_wrapper_holds_a_figure(profile: Profile) -> None:
    """Neither a finding nor a figure that was read shows the number in its text."""
    made = document(100, totalUserTOTP=57, userLanguages={"none": 43, "en": 57})
    assert not any("57" in repr(finding) or "43" in repr(finding) for finding in findings_of(made, profile))
    values = anonymiser(profile).plan.read(made)
    assert not any("57" in repr(value) for value in values if type(value).__name__ == "Unprotected")


# Profiles.


def rows_of(statistics: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every leaf, rows of tables included."""
    if isinstance(statistics, dict):
        for key, value in statistics.items():
            yield from rows_of(value, f"{path}.{key}")
    else:
        yield path


def random_document(seed: int) -> Json:
    """Return a document of a random workspace, now and then without sessions, or with contacts."""
    rng = seeded_random(seed)
    here = workspace(seed, people=rng.choice([None, rng.randint(1, 40)]), days=2)
    made = here.document(rng.randint(0, 1))
    contacts = rng.choice([0, 9, 20, 57, 1234])
    made["contactVerification"] = {"totalContacts": contacts, "totalVerifiedContacts": rng.randint(0, contacts)}
    return made


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_a_stricter_profile_shows_no_row_more(seed: int) -> None:
    """Every leaf and every row that a stricter profile shows, the laxer one shows too, and no coarser."""
    made = random_document(seed)
    exact, standard, strict = (report_of(made, profile) for profile in Profile)
    assert set(rows_of(strict.statistics())) <= set(rows_of(standard.statistics()))
    assert set(rows_of(standard.statistics())) <= set(rows_of(exact.statistics()))
    finest, coarser, coarsest = people_in(exact), people_in(standard), people_in(strict)
    for metric in SPLITS:
        if (shown := coarser.get(metric.emit)) is not None:
            assert shown == floored(finest[metric.emit], 5)
        if (shown := coarsest.get(metric.emit)) is not None:
            assert shown == floored(finest[metric.emit], 10)
    for metric in TABLES:
        for name, people in coarser.get(metric.emit, {}).items():
            assert people == floored(finest[metric.emit][name], 5)


@pytest.mark.parametrize("profile", Profile)
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_a_payload_fed_back_gives_itself(profile: Profile, seed: int) -> None:
    """The statistics of a report, taken as a document, give the same statistics."""
    report = report_of(random_document(seed), profile)
    statistics = report.statistics()
    assert canonical(report_of(statistics, profile).statistics()) == canonical(statistics)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("users", [*SMALL_WORKSPACES, 57, 100, 1234])
def test_a_full_payload_fed_back_gives_itself(users: int, profile: Profile) -> None:
    """The same of a document with a figure at every place."""
    statistics = report_of(everything(users), profile).statistics()
    assert canonical(report_of(statistics, profile).statistics()) == canonical(statistics)


@pytest.mark.parametrize("profile", FROZEN)
@given(seed=st.integers(0, 2**32), moved=st.integers(-25, 25))
@settings(deadline=None, max_examples=20)
def test_a_kept_payload_fed_back_gives_itself(profile: Profile, seed: int, moved: int) -> None:
    """The same of a report whose figures were kept, whatever became of the totals."""
    made = random_document(seed)
    previous = following(report_of(made, profile))
    report = report_of(made | {"totalUsers": max(0, made["totalUsers"] + moved)}, profile, previous=previous)
    statistics = report.statistics()
    assert canonical(report_of(statistics, profile).statistics()) == canonical(statistics)
