"""
Every rule of the protection is needed: with any one of them taken away, one of the checks fails.

A rule is taken away by changing the line that holds it. If that line isn't there any more, the test says so.
"""

from __future__ import annotations

import inspect
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import Any

import pytest

from rc_stats import Anonymiser, Catalogue, Previous, Profile, Report, disclosure, load_catalogue, people, plan
from rc_stats.audit import attack
from rc_stats.disclosure import UNLISTED
from rc_stats.wire import canonical
from test_disclosure import Case, audit, exposed_splits, single, worked_out_by_a_member

CATALOGUE = load_catalogue()
K = CATALOGUE.threshold
STANDARD, STRICT, EXACT = Profile.STANDARD, Profile.STRICT, Profile.EXACT
AUGUST, SEPTEMBER = "2026-08", "2026-09"
MADE_AT = "2026-08-20T12:00:00.000Z"
WINDOWS = ("Yesterday", "LastMonth")
"""Two of the linked periods, the shorter first."""

Json = dict[str, Any]


# Reports.


@cache
def anonymiser(profile: Profile) -> Anonymiser:
    """Return an anonymiser; it is made anew for each rule."""
    return Anonymiser(CATALOGUE, profile)


def report_of(
    document: Json, profile: Profile = STANDARD, *, month: str = AUGUST, previous: Previous | None = None
) -> Report:
    """Return the report of *document*."""
    return anonymiser(profile)(document, month=month, previous=previous, findings=False)


def bytes_of(report: Report) -> bytes:
    """Return the statistics of *report* as they leave."""
    return canonical(report.statistics())


def following(report: Report) -> Previous:
    """Return what is kept of *report* for the next one."""
    assert report.previous is not None
    return report.previous


def document(users: int = 100, **more: Any) -> Json:
    """Return a small document of a workspace with so many users, all of them enabled unless told."""
    totals = {"totalUsers": users, "nonActiveUsers": 0, "appUsers": 0}
    return {"createdAt": MADE_AT, **totals, "totalMessages": 100 * users, **more}


def languages(**rows: int) -> Json:
    """Return a document with these languages, which all users have."""
    return document(sum(rows.values()), userLanguages=rows)


def roles(users: int, **windows: Mapping[str, int]) -> Json:
    """Return a document with the roles of the unique users of some windows."""
    made = document(users)
    for window, table in windows.items():
        rows = [{"role": role, "count": count} for role, count in table.items()]
        made[f"uniqueUsersOf{window}"] = {"data": [{"count": sum(table.values()), "roles": rows}]}
    return made


def contacts(total: int, verified: int) -> Json:
    """Return a document with so many contacts, of whom so many are verified."""
    return document(200, contactVerification={"totalContacts": total, "totalVerifiedContacts": verified})


def kept_figures(report: Report) -> Json:
    """Return the figures of *report* that its profile keeps for a month."""
    leaving = {metric.emit: treatment for metric, treatment in CATALOGUE.leaving(report.profile)}
    return {path: value for path, value in following(report).figures.items() if leaving[path].frozen}


# The checks. Each yields what is wrong; with all rules in place, nothing.

SMALL_TABLES = (
    Case(4, 3, 1, 1, single(range(3, 13))),
    Case(4, 4, 2, 2, single(range(4, 16))),
    Case(4, 4, 2, 1, single(range(4, 14))),
)


def splits() -> Iterator[object]:
    """Yield every small group that can be told from a split."""
    yield from exposed_splits(K, 5, 1, 5 * K)
    yield from exposed_splits(K, 10, 10, 5 * K)


def tables() -> Iterator[object]:
    """Yield small tables in which a hidden row can be told."""
    for case in SMALL_TABLES:
        found = audit(case)
        if found.exposed:
            yield found.smallest


def members() -> Iterator[object]:
    """Yield small tables in which who knows one hidden row gets another by subtraction."""
    for case in SMALL_TABLES[:1]:
        yield from worked_out_by_a_member(case)


@cache
def small_catalogue() -> Catalogue:
    """Return a catalogue with threshold two, three roles, and nothing but the users and two of their periods."""
    session_role = replace(CATALOGUE.vocabularies["session_role"], members=("a", "b", "c"))
    paths = ["totalUsers", "nonActiveUsers", "appUsers", "createdAt", "apps.totalInstalled", "deploy.platform"]
    paths += [f"uniqueUsersOf{window}.data[].{inner}" for window in WINDOWS for inner in ("count", "roles[].count")]
    return replace(
        CATALOGUE,
        threshold=2,
        vocabularies={**CATALOGUE.vocabularies, "session_role": session_role},
        metrics={path: CATALOGUE.metrics[path] for path in paths},
    )


def periods() -> Iterator[object]:
    """Yield the roles of two periods, one within the other, in which whole reports let a hidden row be told."""
    anonymise = Anonymiser(small_catalogue(), EXACT)

    def publish(
        linked: Sequence[Mapping[str, int]], totals: Sequence[int], order: Sequence[str], threshold: int, step: int
    ) -> Sequence[Sequence[str]]:
        made = roles(1000, **dict(zip(WINDOWS, linked, strict=True)))
        statistics = anonymise(made, findings=False).statistics()
        return [tuple(statistics[f"uniqueUsersOf{window}"].get("roles", ())) for window in WINDOWS]

    found = audit(Case(4, 2, 1, 1, tuple((a, b) for a in range(2, 6) for b in range(a, 7))), publish)
    if found.exposed:
        yield found.smallest


def counts_by_roles() -> Iterator[object]:
    """Yield numbers of unique users, hidden for being nearly all, that the roles give away."""
    same: defaultdict[object, list[int]] = defaultdict(list)
    for count in range(80, 101):
        same[bytes_of(report_of(roles(100, LastMonth={"user": count}), EXACT))].append(count)
    for alike in same.values():
        if max(alike) > 100 - K and not {*range(100 - K + 1, 101)} <= set(alike):
            yield alike


def two_days() -> Iterator[object]:
    """Yield documents one person apart whose reports, in one month or over its end, differ in their people."""
    pairs = [
        (document(100, totalUserTOTP=19), document(101, totalUserTOTP=20)),
        (document(100, totalUserTOTP=44), document(100, totalUserTOTP=45)),
        (languages(none=66, en=34), languages(none=65, en=35)),
        (languages(none=66, en=34), languages(none=67, en=34)),
        (languages(none=66, en=34), languages(none=66, en=35)),
        (languages(none=60, en=20, zz=20), languages(none=61, en=20, zz=20)),
        (languages(none=60, en=13, de=12), languages(none=60, en=13, de=13)),
        (roles(200, LastMonth={"user": 52, "guest": 23}), roles(201, LastMonth={"user": 53, "guest": 23})),
        (roles(200, LastWeek={"user": 39, "guest": 20}), roles(200, LastWeek={"user": 40, "guest": 20})),
        (document(100, lastLogin=MADE_AT), document(101, lastLogin="2001-01-01T00:00:00.000Z")),
        (contacts(100, 19), contacts(101, 20)),
    ]
    for first, second in pairs:
        is_comparable = first["totalUsers"] != second["totalUsers"] or "contactVerification" in first
        for profile in Profile:
            before = report_of(first, profile)
            for month in (AUGUST, SEPTEMBER) if is_comparable else (AUGUST,):
                after = report_of(second, profile, month=month, previous=following(before))
                was, now = kept_figures(before), kept_figures(after)
                # A table of everybody, to the person, is left out once the total no longer fits it.
                if not now.items() <= was.items() or (profile is not EXACT and now != was):
                    yield profile, month, second


def in_between() -> Iterator[object]:
    """Yield documents one person apart that differ over the end of a month, with a report of the second before it."""
    pairs = [
        (document(100, totalUserTOTP=19), document(101, totalUserTOTP=20)),
        (roles(200, LastWeek={"user": 39, "guest": 20}), roles(201, LastWeek={"user": 40, "guest": 20})),
        (contacts(100, 19), contacts(101, 20)),
    ]
    for first, second in pairs:
        for profile in Profile:
            before = report_of(first, profile)
            between = report_of(second, profile, previous=following(before))
            after = report_of(second, profile, month=SEPTEMBER, previous=following(between))
            if kept_figures(after) != kept_figures(before):
                yield profile, second


def leftovers() -> Iterator[object]:
    """Yield splits that are shown although few, or nobody knows how many, of those who can be counted are left."""
    documents = [
        document(26, nonActiveUsers=13, totalUserTOTP=12),
        document(40, appUsers=15, totalUserTOTP=20),
        document(60, nonActiveUsers=20, appUsers=10, totalUserTOTP=21),
        document(300, nonActiveUsers=109, totalUserTOTP=185),
        document(100, nonActiveUsers=None, totalUserTOTP=50),
        document(100, appUsers="0", totalUserTOTP=50),
    ]
    for made in documents:
        for profile in Profile:
            if "totalUserTOTP" in report_of(made, profile).statistics():
                yield profile, made


def single_changes() -> Iterator[object]:
    """Yield how often a change by one person shows in fresh reports, if that is more than once in a step."""
    for profile, step in ((STANDARD, 5), (STRICT, 10)):
        counts = range(20, 80)
        shown = [bytes_of(report_of(document(100, totalUserTOTP=n), profile)) for n in counts]
        changes = sum(one != other for one, other in pairwise(shown))
        if changes > len(counts) / step:
            yield profile, changes


def fed_back() -> Iterator[object]:
    """Yield reports whose statistics, taken as a document, give others."""
    documents = [
        languages(none=13, en=12),
        languages(none=61, en=21, de=9, fr=4),
        languages(none=60, en=20, zz=20),
        roles(200, LastMonth={"user": 62, "guest": 23}, Yesterday={"user": 31, "guest": 13}),
        document(100, totalUserTOTP=47),
        document(309, nonActiveUsers=5, totalUserTOTP=294),
    ]
    reports = [report_of(made, profile) for made in documents for profile in Profile]
    for made, fewer in ((document(100, totalUserTOTP=90), 95), (roles(100, LastMonth={"user": 90}), 99)):
        for profile in (STANDARD, STRICT):
            first = following(report_of(made, profile))
            reports.append(report_of(made | {"totalUsers": fewer}, profile, previous=first))
    for report in reports:
        if bytes_of(report_of(report.statistics(), report.profile)) != bytes_of(report):
            yield report.profile, report.statistics()


def few_people() -> Iterator[object]:
    """Yield sizes of small workspaces whose report tells what the last person did."""
    for users in range(1, 2 * K):
        quiet = document(users, lastLogin="2001-01-01T00:00:00.000Z")
        one_was_here = quiet | {"lastLogin": MADE_AT}
        one_wrote = quiet | {"totalMessages": quiet["totalMessages"] + 1}
        for profile in Profile:
            reports = [bytes_of(report_of(made, profile)) for made in (quiet, one_was_here)]
            if users < K and profile is not EXACT:
                reports.append(bytes_of(report_of(one_wrote, profile)))
            if len(set(reports)) > 1:
                yield users, profile


def adding_up() -> Iterator[object]:
    """Yield tables that leave although what they hide isn't what their total leaves over."""
    documents = [
        languages(none=60, en=20, de=3, fr=9) | {"totalUsers": 80},
        languages(none=60, en=20, de=9, fr=9, he=9) | {"totalUsers": 100},
        languages(none=60, en=20, de=1, fr=9, he=9) | {"totalUsers": 190},
    ]
    for made in documents:
        for profile in Profile:
            shown = report_of(made, profile).statistics().get("userLanguages")
            if shown is not None:
                hidden = sum(n for name, n in made["userLanguages"].items() if name not in shown)
                left = made["totalUsers"] - sum(made["userLanguages"][name] for name in shown)
                if hidden != left:
                    yield profile, shown, hidden, left


def unlisted() -> Iterator[object]:
    """Yield reports in which the bucket of unlisted names is a row."""
    for made in (languages(none=60, zz=40), languages(none=60, en=20, zz=20), languages(other=80)):
        for profile in Profile:
            statistics = report_of(made, profile).statistics()
            if UNLISTED in statistics.get("userLanguages", {}):
                yield profile, statistics


def attacks() -> Iterator[object]:
    """Yield what an attacker with a solver gets hold of in single payloads."""
    if find_spec("scipy") is None:
        return
    documents = [
        languages(none=60, en=39, de=1),
        languages(none=60, en=30, de=2, fr=9, he=9),
        roles(100, LastMonth={"user": 60, "admin": 1}),
        document(100, totalUserTOTP=99, totalUserEmail2fa=4),
        document(50, nonActiveUsers=19, totalUserTOTP=30),
    ]
    for made in documents:
        for profile in Profile:
            yield from attack(report_of(made, profile).statistics(), CATALOGUE, profile).failures


CHECKS: Mapping[str, Callable[[], Iterator[object]]] = {
    "splits": splits,
    "tables": tables,
    "members": members,
    "periods": periods,
    "counts by roles": counts_by_roles,
    "two days": two_days,
    "in between": in_between,
    "leftovers": leftovers,
    "single changes": single_changes,
    "fed back": fed_back,
    "few people": few_people,
    "adding up": adding_up,
    "unlisted": unlisted,
    "attacks": attacks,
}


# The rules.


@dataclass(frozen=True)
class Edit:
    """
    How a rule is taken away.

    Attributes:
        owner: The module or class of *function*.
        line: A part of its source that occurs once.
        instead: What stands there without the rule.
    """

    owner: ModuleType | type
    function: str
    line: str
    instead: str


class Rule:
    """
    A rule of the protection.

    Attributes:
        name: What it says.
        caught_by: Checks that must fail without it.
        edits: How it is taken away.
    """

    def __init__(self, name: str, caught_by: tuple[str, ...], *edits: Edit) -> None:
        self.name = name
        self.caught_by = caught_by
        self.edits = edits

    def __str__(self) -> str:
        """Name the rule in the list of tests."""
        return self.name


RULES = [
    Rule(
        "a row below the threshold is hidden",
        ("tables",),
        Edit(disclosure, "publishable", "all(table.get(c, 0) >= threshold for table in tables)", "True"),
    ),
    Rule(
        "a small group is hidden",
        ("splits", "attacks"),
        Edit(disclosure, "split", "threshold <= count <= total - threshold", "count <= total - threshold"),
    ),
    Rule(
        "a small complement is hidden",
        ("splits",),
        Edit(disclosure, "split", "threshold <= count <= total - threshold", "threshold <= count <= total"),
    ),
    Rule(
        "at least three rows are hidden",
        ("tables", "members"),
        Edit(disclosure, "is_safe", " or len(hidden) < FEWEST_HIDDEN_CATEGORIES", ""),
    ),
    Rule("at least k people are hidden", ("tables",), Edit(disclosure, "is_safe", "rest < threshold or ", "")),
    Rule(
        "hidden people have room",
        ("tables",),
        Edit(disclosure, "is_safe", "max(hidden) >= threshold or rest <= (len(hidden) - 1) * (threshold - 1)", "True"),
    ),
    Rule(
        "hidden people have room with any one row empty",
        ("tables",),
        Edit(disclosure, "is_safe", "(len(hidden) - 1) * (threshold - 1)", "len(hidden) * (threshold - 1)"),
    ),
    Rule(
        "a table is shown only if safe",
        ("tables", "attacks"),
        Edit(disclosure, "publishable", "is_safe(table, total, shown, order, threshold=threshold, step=step)", "True"),
    ),
    Rule(
        "the unlisted bucket counts as hidden", ("tables",), Edit(disclosure, "is_safe", "(*order, UNLISTED)", "order")
    ),
    Rule(
        "the unlisted bucket is never shown",
        ("two days", "unlisted"),
        Edit(disclosure, "publishable", "for c in order if", "for c in (*order, UNLISTED) if"),
        Edit(people.Protection, "_ordered", "sorted(members)", "sorted((*members, disclosure.UNLISTED))"),
    ),
    Rule(
        "the next row to hide is fixed in advance",
        ("tables",),
        Edit(disclosure, "publishable", "shown.pop()", "shown.remove(min(shown, key=lambda c: tables[0].get(c, 0)))"),
    ),
    Rule(
        "what is seen to be hidden is nobody or at least k",
        ("two days", "fed back"),
        Edit(disclosure, "is_safe", "seen_rest == 0 or seen_rest >= threshold", "True"),
    ),
    Rule(
        "figures are rounded",
        ("two days", "single changes", "fed back"),
        Edit(disclosure, "floored", "count - count % step", "count"),
    ),
    Rule(
        "linked periods share a pattern",
        ("periods",),
        Edit(people.Protection, "_tables", "name = slot.metric.linked or slot.metric.emit", "name = slot.metric.emit"),
    ),
    Rule(
        "a table adds up to its total",
        ("adding up",),
        Edit(people.Protection, "_tables", "elif sum(rows.values()) == exact:", "elif True:"),
    ),
    Rule(
        "a table needs its total to be shown",
        ("counts by roles",),
        Edit(
            people.Protection,
            "_tables",
            "total = dict(figure), self._total(slot)",
            "total = dict(figure), self._exact_total(slot, figures)",
        ),
    ),
    Rule(
        "figures are kept for the month",
        ("two days",),
        Edit(people.Protection, "_is_comparable", "previous.month == self.situation.month", "False"),
    ),
    Rule(
        "newcomers don't show in a new month",
        ("two days", "in between"),
        Edit(
            people.Protection,
            "_is_comparable",
            "any(0 < change < self.plan.catalogue.threshold for change in moved)",
            "False",
        ),
    ),
    Rule(
        "newcomers among contacts don't either",
        ("two days", "in between"),
        Edit(people.Protection, "_is_comparable", "self._bases(slot.metric)", "{'totalUsers'}"),
    ),
    Rule(
        "repeated figures keep the totals that they were made from",
        ("in between",),
        Edit(people.Protection, "following", "if before is not None", "if False"),
    ),
    Rule(
        "a kept figure fits the totals of the day",
        ("fed back",),
        Edit(
            people.Protection,
            "_repeat",
            "value is not None and fits(slot, value, self._total(slot), self.plan.catalogue)",
            "value is not None",
        ),
    ),
    Rule(
        "a complement is of those who can be counted",
        ("leftovers", "attacks"),
        Edit(people.Protection, "_total_of", "return min(told - sum(told_less), true)", "return told"),
    ),
    Rule(
        "a complement is of the true total",
        ("leftovers",),
        Edit(people.Protection, "_total_of", "min(told - sum(told_less), true)", "told - sum(told_less)"),
    ),
    Rule(
        "a complement is of the total that is told",
        ("fed back",),
        Edit(people.Protection, "_total_of", "min(told - sum(told_less), true)", "true"),
    ),
    Rule(
        "a split needs all its totals to be shown",
        ("leftovers",),
        Edit(people.Protection, "_total_of", "any(number is None for number in shown)", "shown[0] is None"),
    ),
    Rule(
        "a small workspace shows no activity",
        ("few people",),
        Edit(plan.Plan, "__init__", "if slot.treatment.needs_people", "if False"),
    ),
]


def changed(function: FunctionType, line: str, instead: str) -> FunctionType:
    """Return *function* with another text in place of *line*, which must occur in it once."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(line) == 1, f"the line of the rule is not in {function.__name__} any more"
    made: Json = {}
    text = "from __future__ import annotations\n" + source.replace(line, instead)
    exec(text, dict(function.__globals__), made)  # noqa: S102 - it is our own source
    new = made[function.__name__]
    result = FunctionType(new.__code__, function.__globals__, function.__name__, new.__defaults__)
    result.__kwdefaults__ = new.__kwdefaults__
    return result


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Make the anonymisers anew for each test."""
    anonymiser.cache_clear()
    yield
    anonymiser.cache_clear()


@pytest.mark.parametrize("check", CHECKS)
def test_with_all_rules_every_check_passes(check: str) -> None:
    """With all rules in place no check finds anything."""
    assert list(CHECKS[check]()) == []


@pytest.mark.parametrize("taken", RULES, ids=str)
def test_no_rule_can_be_taken_away(taken: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule, each of the checks that guard it finds something."""
    for edit in taken.edits:
        function = changed(getattr(edit.owner, edit.function), edit.line, edit.instead)
        monkeypatch.setattr(edit.owner, edit.function, function)
    assert [name for name in taken.caught_by if next(CHECKS[name](), None) is None] == []


def test_every_check_guards_a_rule() -> None:
    """No check is there for nothing."""
    assert {name for taken in RULES for name in taken.caught_by} == CHECKS.keys()
