"""The attack bounds what can be bounded, finds nothing small in our payloads, and breaks those without protection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rc_stats import Anonymiser, Catalogue, Profile, load_catalogue
from rc_stats import audit as audit_module
from rc_stats.audit import WINDOWS, Audit, Bound, attack, attack_series, naive, program
from rc_stats.audit.knowledge import at
from rc_stats.cli import run
from rc_stats.disclosure import UNLISTED
from rc_stats.errors import MissingExtra
from rc_stats.plan import Plan
from rc_stats.readers import Unprotected
from rc_stats.render.audit import audit_data, audit_text
from workspaces import FIRST_DAY, Person, Workspace, workspace

EXAMPLES = Path(__file__).parent.parent / "examples"
SEEDS = range(18)
DAY = 31
SERIES_SEED = 4
"""A workspace of 41 to 48 people, whose series takes some seconds to attack."""

CATALOGUE = load_catalogue()
PLAN = Plan(CATALOGUE, Profile.EXACT)


@cache
def anonymiser(profile: Profile) -> Anonymiser:
    """Return the packaged catalogue in *profile*."""
    return Anonymiser(CATALOGUE, profile)


@cache
def documents(seed: int) -> tuple[dict[str, Any], ...]:
    """Return the documents of all days of the workspace of *seed*."""
    return tuple(workspace(seed).documents())


def truth(document: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return the true value of each split and row, by payload path and category."""
    found: dict[tuple[str, str], int] = {}
    for slot, outcome in zip(PLAN.slots, PLAN.read(document), strict=True):
        if not isinstance(outcome, Unprotected):
            continue
        if slot.metric.operator == "table":
            rows = dict(outcome.figure) if isinstance(outcome.figure, tuple) else {}
            members = CATALOGUE.vocabularies[slot.metric.vocabulary].members
            found |= {(slot.metric.emit, name): rows.get(name, 0) for name in (*members, UNLISTED)}
        elif isinstance(outcome.figure, int):
            found[slot.metric.emit, ""] = outcome.figure
    return found


def wrong(audit: Audit, truths: Mapping[int, Mapping[tuple[str, str], int]]) -> list[Bound]:
    """Return the bounds that don't hold the true value, which would mean that the attack is modelled wrongly."""
    return [
        bound
        for bound in audit.bounds
        if not bound.is_remainder
        and (value := truths[bound.day].get((bound.path, bound.category))) is not None
        and not bound.low <= value <= bound.high
    ]


def bound_of(audit: Audit, path: str, category: str = "") -> Bound:
    """Return the bound of one figure."""
    (found,) = (b for b in audit.bounds if (b.path, b.category, b.is_remainder) == (path, category, False))
    return found


@cache
def series(seed: int, profile: Profile) -> tuple[Audit, Mapping[int, Mapping[tuple[str, str], int]]]:
    """Return the attack on sixty days of reports, each given the one before, and the truth of each day."""
    source, previous, payloads = workspace(seed), None, []
    for day, document in enumerate(documents(seed)[:60]):
        report = anonymiser(profile)(document, month=source.month(day), previous=previous, findings=False)
        previous = report.previous
        payloads.append(report.statistics())
    days = [FIRST_DAY + timedelta(days=day) for day in range(len(payloads))]
    audit = attack_series(payloads, CATALOGUE, profile, days=days)
    return audit, {day: truth(document) for day, document in enumerate(documents(seed)[:60])}


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("seed", SEEDS)
def test_one_payload(seed: int, profile: Profile) -> None:
    """Of a random workspace's payload no hidden figure can be bounded, and every true value is in its interval."""
    document = workspace(seed).document(DAY)
    audit = attack(anonymiser(profile)(document, month="2026-08", findings=False).statistics(), CATALOGUE, profile)
    assert audit.is_by_rules
    assert wrong(audit, {0: truth(document)}) == []
    assert audit.failures == ()


def test_something_is_shown() -> None:
    """Over two dozen seeds, splits, languages and roles are shown often enough for the tests above to say something."""
    shown = {"userLanguages": 0, "totalUserTOTP": 0, "uniqueUsersOfLastWeek.count": 0, "uniqueUsersOfLastWeek.roles": 0}
    for seed in range(24):
        report = anonymiser(Profile.EXACT)(workspace(seed).document(DAY), findings=False).statistics()
        for path in shown:
            shown[path] += at(report, path) is not None
    assert min(shown.values()) >= 3


@pytest.mark.parametrize("profile", [Profile.EXACT, Profile.STANDARD])
def test_series_is_modelled_rightly(profile: Profile) -> None:
    """Over sixty days every true value is in the interval that the attacker finds."""
    audit, truths = series(SERIES_SEED, profile)
    assert audit.is_by_rules
    assert wrong(audit, truths) == []


def test_series_in_standard() -> None:
    """Over sixty days of the default profile no hidden figure can be bounded."""
    audit, _ = series(SERIES_SEED, Profile.STANDARD)
    assert len({bound.day for bound in audit.bounds}) >= 1
    assert audit.failures == ()


def test_series_in_exact() -> None:
    """Over sixty days of the exact profile no hidden figure can be bounded."""
    audit, _ = series(SERIES_SEED, Profile.EXACT)
    windows = {bound.day for bound in audit.bounds if bound.path == "uniqueUsersOfLastWeek.count"}
    assert 0 in windows
    assert len(windows) < len({bound.day for bound in audit.bounds}) == 60
    assert audit.failures == ()


def two_days() -> list[dict[str, Any]]:
    """Return the documents of two days: 10 of 30 people in the first week, and one more who came yesterday alone."""
    people = tuple(Person() for _ in range(30))
    base = Workspace(people, (), days=3)
    everybody = base.with_person(Person(), [1])
    for _ in range(10):
        everybody = everybody.with_person(Person(), [-2])
    return [everybody.document(day) for day in (1, 2)]


def attack_on_two_days(catalogue: Catalogue) -> Audit:
    """Return the attack on the two days, reported by *catalogue* in the exact profile, each given the one before."""
    previous, payloads = None, []
    for document in two_days():
        report = Anonymiser(catalogue, Profile.EXACT)(document, month="2026-07", previous=previous, findings=False)
        previous = report.previous
        payloads.append(report.statistics())
    days = [FIRST_DAY + timedelta(days=day) for day in (1, 2)]
    return attack_series(payloads, catalogue, Profile.EXACT, days=days)


def test_smallest_series_in_exact() -> None:
    """A week's count that grows by one says nothing of how few were there yesterday, as it is told once a month."""
    audit = attack_on_two_days(CATALOGUE)
    assert {bound.day for bound in audit.bounds if bound.path in WINDOWS} <= {0}
    assert audit.failures == ()


def test_smallest_series_without_freezing_is_bounded() -> None:
    """If windows weren't frozen, the attack would find the one: yesterday's hidden number is at least 1."""
    kinds = {
        name: replace(kind, treatments={p: replace(t, frozen=False) for p, t in kind.treatments.items()})
        for name, kind in CATALOGUE.kinds.items()
    }
    audit = attack_on_two_days(replace(CATALOGUE, kinds=kinds))
    assert [(bound.path, bound.day, bound.low, bound.high) for bound in audit.failures] == [
        ("uniqueUsersOfYesterday.count", 1, 1, 9)
    ]


def test_only_reports_that_are_certainly_fresh_are_put_together() -> None:
    """A new month counts as fresh unless one to nine users, or contacts, came or left since the figures were made."""
    days = [date(2026, 7, 1), date(2026, 7, 20), date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)]
    totals = [(100, 50), (101, 50), (101, 50), (100, 51), (110, 51)]
    payloads = [{"totalUsers": u, "contactVerification": {"totalContacts": c}} for u, c in totals]
    assert audit_module._fresh(payloads, CATALOGUE, Profile.STANDARD, days, "totalUsers") == {0, 4}
    contacts = "contactVerification.totalContacts"
    assert audit_module._fresh(payloads, CATALOGUE, Profile.STANDARD, days, contacts) == {0}
    assert audit_module._fresh(payloads, CATALOGUE, Profile.STRICT, days, "totalUsers") == {0}


def of_users(users: int, disabled: int = 0, apps: int = 0, **splits: int) -> dict[str, Any]:
    """Return the statistics of so many users."""
    return {"totalUsers": users, "nonActiveUsers": disabled, "appUsers": apps, **splits}


LEFTOVERS = [
    pytest.param(of_users(100, totalUserTOTP=99), 1, id="of all users"),
    pytest.param(of_users(26, disabled=13, totalUserTOTP=12), 1, id="of the enabled ones"),
    pytest.param(of_users(40, apps=15, totalUserTOTP=20), 5, id="of those who are no apps"),
    pytest.param(of_users(60, disabled=20, apps=10, totalUserEmail2fa=21), 9, id="of both"),
    pytest.param(of_users(60, disabled=20, totalLivechatAgents=35), 5, id="of agents, if all are enabled"),
    pytest.param({"totalUsers": 50, "totalUserTOTP": 45}, 5, id="without the number of the disabled ones"),
    pytest.param(
        {"totalUsers": 90, "contactVerification": {"totalContacts": 30, "totalBlockedContacts": 27}}, 3, id="contacts"
    ),
]


@pytest.mark.parametrize(("statistics", "left"), LEFTOVERS)
def test_shown_split_with_a_small_complement(statistics: dict[str, Any], left: int) -> None:
    """A shown split whose complement is certainly small fails, whether all others are hidden or not."""
    audit = attack(statistics, CATALOGUE, Profile.EXACT)
    assert not audit.is_by_rules
    assert [(bound.is_remainder, bound.high) for bound in audit.failures] == [(True, left)]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(("document", "left"), LEFTOVERS)
def test_small_complement_is_not_told(document: dict[str, Any], left: int, profile: Profile) -> None:
    """The same as documents: where few lack a property, the payload doesn't tell how few."""
    audit = attack(anonymiser(profile)(document, findings=False).statistics(), CATALOGUE, profile)
    assert left < CATALOGUE.threshold
    assert audit.is_by_rules
    assert audit.failures == ()


def test_complement_that_is_not_small() -> None:
    """A shown split that leaves the threshold over, or nobody at all, doesn't fail."""
    for count in (90, 100):
        assert attack(of_users(100, totalUserTOTP=count), CATALOGUE, Profile.EXACT).failures == ()


def test_totals_that_do_not_fit() -> None:
    """Figures that exceed their total, and totals of whom more is taken off than there are, are attacked as well."""
    for statistics in (
        of_users(10, totalUserTOTP=50),
        of_users(40, disabled=30, totalUserTOTP=20),
        of_users(10, disabled=8, apps=5),
        of_users(10, disabled=80),
    ):
        for profile in Profile:
            assert attack(statistics, CATALOGUE, profile).bounds


def test_naive_rows_are_recovered() -> None:
    """Of a table with one masked row the attacker gets the row exactly, where the rules leave its whole range."""
    document = of_users(60) | {"userLanguages": {"en": 30, "de": 27, "fr": 3}}
    broken = attack(naive(document, CATALOGUE), CATALOGUE, Profile.EXACT)
    assert bound_of(broken, "userLanguages", "fr") in broken.failures
    assert (bound_of(broken, "userLanguages", "fr").low, bound_of(broken, "userLanguages", "fr").high) == (3, 3)
    ours = anonymiser(Profile.EXACT)(document, findings=False).statistics()
    assert attack(ours, CATALOGUE, Profile.EXACT).failures == ()


def test_naive_random_workspaces_are_broken() -> None:
    """Of most random workspaces the naive payload gives small groups away, and single masked rows exactly."""
    broken = exact = 0
    for seed in SEEDS:
        document = workspace(seed).document(DAY)
        audit = attack(naive(document, CATALOGUE), CATALOGUE, Profile.EXACT)
        assert wrong(audit, {0: truth(document)}) == []
        broken += bool(audit.failures)
        exact += any(bound.category and bound.low == bound.high > 0 for bound in audit.failures)
    assert broken >= len(SEEDS) * 3 // 4
    assert exact >= len(SEEDS) // 4


def test_naive_day_of_one_admin() -> None:
    """Of six people's naive payload the attacker gets one admin's working day, to the second."""
    document = json.loads((EXAMPLES / "statistics-six.json").read_text(encoding="utf-8"))
    audit = attack(naive(document, CATALOGUE), CATALOGUE, Profile.EXACT)
    people = bound_of(audit, "uniqueUsersOfYesterday.roles", "admin")
    seconds = bound_of(audit, "uniqueUsersOfYesterday.roles-time", "admin")
    assert (people.low, people.high) == (1, 1)
    assert (seconds.low, seconds.high) == (25617, 25617)
    assert {people, seconds} <= set(audit.failures)


@pytest.mark.parametrize("profile", Profile)
def test_command_on_examples(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    """On both examples the command gives its verdict first, ends with 0, and its JSON says the same."""
    for name in ("statistics.json", "statistics-six.json"):
        arguments = ["audit", str(EXAMPLES / name), "--profile", profile.value, "--at", "2026-08-17"]
        assert run(arguments) == 0
        assert capsys.readouterr().out.startswith("Nothing small can be bounded")
        assert run([*arguments, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["small_groups_found"] == 0


def test_command_on_a_leak(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the attack finds something, the command ends with 4, names the place, and gives no number for it."""
    broken = attack(
        naive({"totalUsers": 60, "userLanguages": {"en": 53, "de": 7}}, CATALOGUE), CATALOGUE, Profile.EXACT
    )
    monkeypatch.setattr(audit_module, "attack", lambda *_: broken)
    file = tmp_path / "statistics.json"
    file.write_text('{"totalUsers": 60}', encoding="utf-8")
    assert run(["audit", str(file)]) == 4
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("1 group of fewer than 10 people")
    assert "! de hidden, but a small group can be told from the rest" in out
    assert "7" not in out
    assert "[audit-failed]" in err
    assert [figure for figure in audit_data(broken)["figures"] if not figure["is_protected"]] == [
        {"category": "de", "is_protected": False, "path": "userLanguages"}
    ]
    assert audit_text(broken).count("!") == 1


def test_scipy_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SciPy the attack says which extra to install."""

    def refuse(name: str) -> Iterator[None]:
        raise ImportError(name)

    monkeypatch.setattr(program, "import_module", refuse)
    with pytest.raises(MissingExtra, match=r"rc-stats\[audit\]"):
        attack({"totalUsers": 60}, CATALOGUE, Profile.EXACT)
