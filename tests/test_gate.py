"""The gate opens only where the policy's table, the consent, the switches and the document all say yes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rc_stats
from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Catalogue, Profile, catalogue_from_data, load_catalogue
from rc_stats.consent import Consent, ConsentState, Terms, what_if
from rc_stats.errors import UsageError
from rc_stats.gate import (
    Decision,
    Effect,
    Objections,
    Reason,
    Switches,
    Workspace,
    decide,
    period_of,
    scopes_of,
)
from rc_stats.policy import DataType, Recipient, Subprocessor, WorkspaceKind, load_policy

POLICY = load_policy()
CATALOGUE = load_catalogue()
TERMS = Terms(POLICY, CATALOGUE)

BEFORE = datetime(2026, 7, 31, 3, tzinfo=UTC)
AGREED = datetime(2026, 8, 1, 12, tzinfo=UTC)
AFTER = datetime(2026, 8, 17, 3, 12, tzinfo=UTC)
NOW = datetime(2026, 8, 17, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=3)

UNREGISTERED, REGISTERED, HOSTED = WorkspaceKind
USAGE, APP, ACCOUNT = DataType.USAGE, DataType.APP, DataType.ACCOUNT
EVERYTHING = frozenset({USAGE, APP, ACCOUNT})
SCOPES = [
    frozenset(scope)
    for scope in ([USAGE], [APP], [ACCOUNT], [USAGE, APP], [USAGE, ACCOUNT], [APP, ACCOUNT], [USAGE, APP, ACCOUNT])
]
SWITCH_CODES = {
    "RC_STATS_DISABLE": "switch-rc-stats",
    "DO_NOT_TRACK": "switch-do-not-track",
    "RC_DISABLE_STATISTICS_REPORTING": "switch-upstream",
}
POLICY_DATES = {"same": date(2023, 1, 5), "older": date(2022, 1, 5), "newer": date(2024, 1, 5)}
MADE = {"before": BEFORE, "at": AGREED, "after": AFTER, "undated": None, "future": LATER}


def yes(terms: Terms = TERMS, scope: frozenset[DataType] = EVERYTHING, at: datetime = AGREED) -> Consent:
    """Return a yes to *terms*."""
    return Consent().grant(terms, at=at, scope=scope)


YES = yes()


@dataclass(frozen=True, repr=False)
class World:
    """All that the gate looks at. As it stands here, everything may leave."""

    kind: WorkspaceKind = REGISTERED
    objections: Objections = field(default_factory=Objections)
    consent: Consent = YES
    recipient: Recipient = POLICY.recipient
    switches: Switches = field(default_factory=Switches)
    now: datetime = NOW
    terms: Terms = TERMS
    evidence: Evidence | None = field(default_factory=lambda: Evidence(None, True, AFTER))
    agreed_recipient: str | None = None  # none: the consent names the recipient of this world

    def __repr__(self) -> str:
        """Tell what matters of it, without a catalogue's hundreds of metrics."""
        consent = self.consent
        agreed = f"{consent.state} {sorted(consent.scope)} at {consent.at} of {consent.policy_date}, {consent.profile}"
        question = " as a question" if consent.is_hypothetical else ""
        told = f"{self.kind}, {agreed} of {consent.catalogue!r}{question}, now {self.now} {self.terms.profile}"
        return f"World({told}, {self.switches.on}, {self.objections}, to {self.recipient.name}, {self.evidence})"

    def decide(self) -> Decision:
        """Ask the gate."""
        return decide(
            Workspace(self.kind, self.objections),
            replace(self.consent, recipient=self.agreed_recipient or self.recipient.url),
            self.recipient,
            self.switches,
            self.now,
            terms=self.terms,
            evidence=self.evidence,
        )


def codes(decision: Decision, effect: Effect | None = None) -> set[str]:
    """Return the codes of a decision's reasons, or of those with one effect."""
    return {reason.code for reason in decision.reasons if effect in (None, reason.effect)}


@cache
def packaged_data() -> dict[str, Any]:
    """Return the packaged catalogue in its compiled form."""
    path = Path(rc_stats.__file__).parent / "data" / "catalogue.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


@cache
def catalogue_with(*, removed: frozenset[str] = frozenset(), changed: frozenset[str] = frozenset()) -> Catalogue:
    """Return the packaged catalogue without some metrics, and with some that have another upper bound."""
    data = dict(packaged_data())
    metrics = [metric for metric in data["metrics"] if metric["path"] not in removed]
    data["metrics"] = [{**m, "maximum": m.get("maximum", 0) + 1} if m["path"] in changed else m for m in metrics]
    return catalogue_from_data(data)


# The whole matrix.


class Case(NamedTuple):
    """One combination of all that the matrix is about."""

    kind: WorkspaceKind
    state: ConsentState
    scope: frozenset[DataType]
    switches: tuple[str, ...]
    policy_date: str
    hosted: bool | None
    apps: bool
    made: str

    def world(self) -> World:
        """Return the case as the gate sees it; a consent that is no yes keeps what an earlier yes had recorded."""
        return World(
            kind=self.kind,
            consent=recorded(self.state, self.scope, self.policy_date),
            switches=Switches(self.switches),
            evidence=Evidence(self.hosted, self.apps, MADE[self.made]),
        )


@cache
def recorded(state: ConsentState, scope: frozenset[DataType], policy_date: str) -> Consent:
    """Return what a yes to *scope* recorded, with another state and under a policy of another date."""
    return replace(yes(scope=scope), state=state, policy_date=POLICY_DATES[policy_date])


class Expected(NamedTuple):
    """What the rules say of one case."""

    closing: set[str]
    narrowing: set[str]
    allowed: set[str]


NEVER = {
    "unregistered": ["account", "app", "tracking", "usage", "user-content"],
    "registered": ["tracking", "user-content"],
    "hosted": ["tracking", "user-content"],
}


def closing_of(case: Case) -> Iterator[str]:
    """Yield what closes the gate in *case*, as the rules tell it in words."""
    # Unregistered is no, whatever the toggle says. The document may only make the answer stricter.
    if case.kind == "unregistered":
        yield "workspace-unregistered"
    if (case.kind == "registered" and case.hosted is True) or (case.kind == "hosted" and case.hosted is False):
        yield "workspace-disagreement"
    # The kill switches can only lower.
    for switch in case.switches:
        yield SWITCH_CODES[switch]
    # Undecided is no, and so are declined and withdrawn; a clock that is wrong is a doubt, with or without a yes.
    if case.made == "future":
        yield "document-in-future"
    if case.state != "granted":
        yield f"consent-{case.state}"
        return
    # Another policy than the one agreed to means asking again; a document made before the yes is not sent.
    if case.policy_date != "same":
        yield "policy-changed"
    if case.made == "undated":
        yield "document-undated"
    if case.made == "before":
        yield "document-before-consent"


def expected(case: Case) -> Expected:
    """Return what must come out of *case*."""
    closing = set(closing_of(case))
    never = NEVER[case.kind]
    narrowing = {f"never-{data_type}" for data_type in never}
    allowed = set()
    for data_type in ("usage", "app", "account"):
        if data_type in never:
            continue
        in_scope = data_type in case.scope
        if case.state == "granted" and not in_scope:
            narrowing.add(f"scope-{data_type}")
        if data_type == "app" and not case.apps:
            narrowing.add("apps-not-installed")
        elif in_scope:
            allowed.add(data_type)
    if not closing and not allowed:
        closing.add("nothing-left")
    return Expected(closing, narrowing, set() if closing else allowed)


def cases() -> Iterator[Case]:
    """Yield every combination."""
    switches = [(), *((name,) for name in SWITCH_CODES), tuple(SWITCH_CODES)]
    yield from map(
        Case._make,
        product(WorkspaceKind, ConsentState, SCOPES, switches, POLICY_DATES, (True, False, None), (True, False), MADE),
    )


def mismatch(case: Case) -> str:
    """Return what is wrong with the gate's answer to *case*; empty if nothing is."""
    wanted, decision = expected(case), case.world().decide()
    narrowing = codes(decision, Effect.NARROWS)
    if "scope-app" in wanted.narrowing:
        # Whether both are named has a test of its own.
        narrowing.discard("apps-not-installed")
        wanted.narrowing.discard("apps-not-installed")
    actual = Expected({reason.code for reason in decision.closing}, narrowing, set(decision.allowed))
    is_consistent = decision.is_open == bool(actual.allowed) and not decision.without
    if actual == wanted and is_consistent and len(codes(decision)) == len(decision.reasons):
        return ""
    told = [f"{name}={getattr(case, name)!r}" for name in Case._fields]
    wrong = [
        f"    {name}: expected {sorted(w)}, actual {sorted(a)}"
        for name, w, a in zip(Expected._fields, wanted, actual, strict=True)
        if w != a
    ]
    return "\n".join([" ".join(told), *wrong, "" if is_consistent else "    is_open or without is inconsistent"])


def test_the_whole_matrix() -> None:
    """Every combination of kind, consent, scope, switches, policy date and document gives what the rules say."""
    wrong = [told for case in cases() if (told := mismatch(case))]
    assert not wrong, f"{len(wrong)} combinations are wrong; the first:\n" + "\n".join(wrong[:8])


def test_the_matrix_is_whole() -> None:
    """The table has all combinations, and exactly those are open that a count by hand says."""
    is_open = [bool(expected(case).allowed) for case in cases()]
    assert len(is_open) == 3 * 4 * 7 * 5 * 3 * 3 * 2 * 5
    # 2 kinds, each with a document that agrees or is silent; 2 moments; 7 scopes, and apps or none, but for app alone.
    assert sum(is_open) == 2 * 2 * 2 * (7 * 2 - 1)


@pytest.mark.parametrize("data_type", [DataType.USER_CONTENT, DataType.TRACKING])
@pytest.mark.parametrize("kind", WorkspaceKind)
def test_content_and_tracking_never_leave(kind: WorkspaceKind, data_type: DataType) -> None:
    """A consent that names user content or tracking, however it came about, lets neither through."""
    consent = replace(YES, scope=frozenset(DataType))
    decision = World(kind=kind, consent=consent, evidence=Evidence(kind is HOSTED, True, AFTER)).decide()
    assert data_type not in decision.allowed


# Nothing leaves on any doubt.

HOLDERS = {s.name for s in POLICY.subprocessors if s.may_hold_statistics} | {POLICY.recipient.name}
HARMLESS = {"Stripe", "Xero", "Apple Push Notification Service"}
STRANGERS = ["Nobody Ltd", "", "AWS ", "all"]
RECIPIENTS = {
    "the policy's": POLICY.recipient,
    "own": Recipient("Example Collector", "https://collector.example.org/in", "Germany", (), "transfer"),
    "helped": Recipient(
        "Example Collector",
        "https://collector.example.org/in",
        "Germany",
        (Subprocessor("Example Hoster", "infrastructure", "Hosting.", ("Ireland",), True, ("Hoster",)),),
        "transfer",
    ),
}
PLACES = {"the policy's": None, "own": {"germany"}, "helped": {"germany", "ireland"}}
"""Where each recipient may process statistics; None where the list leaves a place open."""

SOME = ["totalChannels", "totalMessages", "apps.totalActive", "wizard.size"]


class Agreed(NamedTuple):
    """The consent's field set against today's: what is new or other since."""

    new: frozenset[str]
    changed: frozenset[str]
    gone: frozenset[str]


def in_any_case(names: list[str]) -> st.SearchStrategy[str]:
    """Return a strategy for *names* in lower, upper, title or swapped case."""
    spell: list[Callable[[str], str]] = [str, str.lower, str.upper, str.title, str.swapcase]
    return st.builds(lambda name, how: how(name), st.sampled_from(names), st.sampled_from(spell))


class Doubtful(NamedTuple):
    """A world together with all that was chosen for it."""

    world: World
    recipient: str
    agreed: Agreed
    has_zone: bool


zones = st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-11, minutes=-30))])
some_metrics = st.sampled_from([frozenset[str](), frozenset(SOME[:1]), frozenset(SOME[1:3]), frozenset(SOME[2:])])


def objections_to(recipient: str) -> st.SearchStrategy[Objections]:
    """Return a strategy for objections: known companies and aliases in any case, and unknown ones."""
    known = sorted(HOLDERS | HARMLESS | {"AWS", "Example Hoster", "Hoster", "Example Collector"})
    names = st.frozensets(in_any_case(known) | st.sampled_from(STRANGERS), max_size=2)
    countries = st.frozensets(in_any_case(["Germany", "Ireland", "United States", "Nowhere"]), max_size=4)
    every = frozenset(PLACES[recipient] or ())
    return st.builds(Objections, names, st.none() | countries | st.just(every))


ASPECTS = ["agreed", "profile", "at", "scope", "state", "catalogue", "policy", "question", "document", "switches"]
ASPECTS += ["clock", "kind", "objections", "evidence"]
NOTHING_NEW = Agreed(frozenset(), frozenset(), frozenset())


@st.composite
def worlds(draw: st.DrawFn, *always: str) -> Doubtful:
    """Draw a world in which all is in order but up to four things, those of *always* among them."""
    odd = {*always, *draw(st.sets(st.sampled_from(ASPECTS), min_size=1 - len(always), max_size=4))}

    def either(aspect: str, usual: Any, *others: Any) -> Any:
        return draw(st.sampled_from([usual, *others])) if aspect in odd else usual

    zone: tzinfo = draw(zones)
    recipient = draw(st.sampled_from(sorted(RECIPIENTS)))
    new, changed = draw(some_metrics), draw(some_metrics)
    agreed = either("agreed", NOTHING_NEW, Agreed(new, changed - new, frozenset()), NOTHING_NEW._replace(gone=new))
    then = catalogue_with(removed=agreed.new, changed=agreed.changed)
    today = catalogue_with(removed=agreed.gone)
    profile = draw(st.sampled_from(Profile))
    agreed_profile = either("profile", profile, None, *Profile)
    granted = yes(Terms(POLICY, then, agreed_profile or profile))
    at = either("at", AGREED, None, NOW, NOW + timedelta(seconds=1), LATER, datetime.max.replace(tzinfo=UTC))
    consent = replace(
        granted,
        state=either("state", ConsentState.GRANTED, *ConsentState),
        scope=either("scope", EVERYTHING, *SCOPES, frozenset[DataType](), frozenset(DataType)),
        catalogue=either("catalogue", granted.catalogue, "", "example-app"),
        profile=agreed_profile,
        policy_date=either("policy", POLICY.effective, None, *POLICY_DATES.values()),
        at=at and at.astimezone(zone if at.year < 9999 else UTC),
        is_hypothetical=either("question", False, True),
    )
    kind = either("kind", draw(st.sampled_from([REGISTERED, HOSTED])), UNREGISTERED)
    evidence = Evidence(
        draw(st.sampled_from([True, False, None] if "evidence" in odd else [kind is HOSTED, None])),
        either("evidence", True, False),
        either("document", AFTER, *MADE.values(), datetime.min.replace(tzinfo=UTC)),
    )
    names = tuple(sorted(draw(st.sets(st.sampled_from(sorted(SWITCH_CODES)))))) if "switches" in odd else ()
    has_zone = "clock" not in odd
    world = World(
        kind=kind,
        objections=draw(objections_to(recipient)) if "objections" in odd else Objections(),
        consent=consent,
        recipient=RECIPIENTS[recipient],
        switches=Switches(names),
        now=NOW.astimezone(zone) if has_zone else NOW.replace(tzinfo=None),
        terms=Terms(POLICY, today, profile),
        evidence=either("evidence", evidence, None),
    )
    return Doubtful(world, recipient, agreed, has_zone)


def objects(doubtful: Doubtful) -> bool:
    """Say whether an objection stands against the recipient, its helpers or a country, or can't be understood."""
    objections = doubtful.world.objections
    closes = {name.casefold() for name in [*HOLDERS, "AWS"]}
    harmless = {name.casefold() for name in HARMLESS}
    if doubtful.recipient != "the policy's":
        # These companies are on the policy's list, but this recipient has nothing to do with them.
        harmless |= closes
    if any(name.casefold() not in harmless for name in objections.subprocessors):
        return True
    if objections.countries is None:
        return False
    places = PLACES[doubtful.recipient]
    return places is None or not places <= {name.casefold() for name in objections.countries}


def doubts(doubtful: Doubtful) -> Iterator[str]:
    """Yield each doubt about *doubtful*; with one of them nothing may leave."""
    world = doubtful.world
    consent, evidence = world.consent, world.evidence
    order = ["exact", "standard", "strict"]
    yield from (name for name in world.switches.on)
    checks = {
        "clock": not doubtful.has_zone,
        "unregistered": world.kind == "unregistered",
        "no yes": consent.state != "granted",
        "yes without a time, or after now": consent.at is None or consent.at > NOW,
        "other policy": consent.policy_date != date(2023, 1, 5),
        "other catalogue": consent.catalogue != CATALOGUE.name,
        "finer profile": consent.profile is None or order.index(world.terms.profile) < order.index(consent.profile),
        "objection": objects(doubtful),
    }
    if evidence is not None:
        checks["disagreement"] = evidence.is_hosted not in (None, world.kind == "hosted")
        checks["future document"] = evidence.made_at == LATER
        if not consent.is_hypothetical:
            checks["undated"] = evidence.made_at is None
            checks["old"] = None not in (evidence.made_at, consent.at) and bool(
                cast("datetime", evidence.made_at) < cast("datetime", consent.at)
            )
    yield from (name for name, is_doubtful in checks.items() if is_doubtful)


@settings(max_examples=250, deadline=None)
@given(worlds())
def test_any_doubt_is_no(doubtful: Doubtful) -> None:
    """The gate never raises, opens exactly where no doubt is left, and then for agreed and fitting data types only."""
    world = doubtful.world
    decision = world.decide()
    found = list(doubts(doubtful))
    has_apps = world.evidence is not None and world.evidence.has_apps
    agreed = {USAGE, ACCOUNT, *([APP] if has_apps else [])} & world.consent.scope
    assert (set() if found else agreed) == set(decision.allowed), found
    assert decision.is_open == bool(decision.allowed)
    assert decision.is_open == (not decision.closing)
    assert world.consent.is_hypothetical == decision.is_hypothetical


@settings(max_examples=80, deadline=None)
@given(worlds("agreed"))
def test_what_is_new_stays(doubtful: Doubtful) -> None:
    """Of a catalogue that has grown or changed since the yes, the new and the changed metrics stay, and no other."""
    world = doubtful.world
    decision = world.decide()
    if world.consent.state is ConsentState.GRANTED and world.consent.profile is world.terms.profile:
        assert doubtful.agreed.new | doubtful.agreed.changed == decision.without
        assert bool(decision.without) == ("catalogue-grown" in codes(decision))


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_every_reason_cites_a_clause(doubtful: Doubtful) -> None:
    """Whatever the gate says, each reason cites an existing clause and says something, and no code comes twice."""
    reasons = doubtful.world.decide().reasons
    for reason in reasons:
        check_reason(reason)
    assert len({reason.code for reason in reasons}) == len(reasons)


def check_reason(reason: Reason) -> None:
    """Hold one reason's code, citation, message and remedy against their form."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason.code)
    document, _, clause = reason.clause.partition("#")
    assert document == "privacy-policy@2023-01-05"
    assert clause in POLICY.clauses
    for sentence in (reason.message, *([reason.remedy] if reason.remedy else [])):
        assert re.fullmatch(r"[A-Z0-9].*\.", sentence)
        assert "\n" not in sentence


# States that no constructor checks.


class NoOffset(tzinfo):
    """A time zone that doesn't know its offset."""

    def utcoffset(self, _when: datetime | None) -> None:
        """Return nothing."""

    def dst(self, _when: datetime | None) -> None:
        """Return nothing."""

    def tzname(self, _when: datetime | None) -> None:
        """Return nothing."""


NAIVE = AFTER.replace(tzinfo=None)
ODD: dict[str, World] = {
    "a consent without time zone": World(consent=replace(YES, at=AGREED.replace(tzinfo=None))),
    "a document without time zone": World(evidence=Evidence(None, True, NAIVE)),
    "a switch of another name": World(switches=Switches(("ANOTHER_SWITCH",))),
    "a clock whose zone has no offset": World(now=NOW.replace(tzinfo=NoOffset())),
    "a yes without any field recorded": World(consent=Consent(state=ConsentState.GRANTED, scope=EVERYTHING)),
    "a clock before everything": World(now=datetime.min.replace(tzinfo=UTC)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_states_are_no(name: str) -> None:
    """A state that only a careless caller or a damaged record can make closes the gate and raises nothing."""
    assert frozenset() == ODD[name].decide().allowed


def test_a_clock_at_the_end_of_time() -> None:
    """The last moment that a clock can show raises nothing."""
    decision = World(now=datetime.max.replace(tzinfo=UTC)).decide()
    assert decision.allowed <= EVERYTHING


@pytest.mark.parametrize("hosted", [True, False, None])
@pytest.mark.parametrize("kind", WorkspaceKind)
def test_a_kind_as_plain_text_opens_no_more(kind: WorkspaceKind, hosted: bool | None) -> None:
    """A kind that a caller gives as text, which equals the member, opens nothing that the member doesn't."""
    evidence = Evidence(hosted, True, AFTER)
    text = World(kind=cast("WorkspaceKind", str(kind)), evidence=evidence).decide()
    assert text.allowed <= World(kind=kind, evidence=evidence).decide().allowed


def test_evidence_is_needed_for_apps() -> None:
    """Without a document nobody knows of apps, so app data is not allowed."""
    assert frozenset({USAGE, ACCOUNT}) == World(evidence=None).decide().allowed


def test_a_hypothetical_yes_asks_of_any_date() -> None:
    """A "what if" covers a document of any past date, or of none, and is marked; one from the future stays closed."""
    consent = what_if(TERMS, at=NOW, scope=EVERYTHING)
    for made_at, opens in ((BEFORE, True), (None, True), (AFTER, True), (LATER, False)):
        decision = World(consent=consent, evidence=Evidence(None, True, made_at)).decide()
        assert (opens, True) == (decision.is_open, decision.is_hypothetical)


@pytest.mark.parametrize(
    ("made_at", "opens"),
    [
        (AGREED - timedelta(microseconds=1), False),
        (AGREED, True),
        (AGREED.astimezone(timezone(timedelta(hours=5))), True),
        (NOW + timedelta(days=1), True),
        (NOW + timedelta(days=1, microseconds=1), False),
    ],
)
def test_the_edges_of_time(made_at: datetime, opens: bool) -> None:
    """A document counts from the very moment of the yes, and up to a day ahead of the caller's clock."""
    assert opens == World(evidence=Evidence(None, True, made_at)).decide().is_open


def test_a_yes_of_this_moment_counts() -> None:
    """A consent dated now is not in the future, whichever zones the two clocks use."""
    consent = yes(at=NOW.astimezone(timezone(timedelta(hours=-8))))
    assert World(consent=consent, evidence=Evidence(None, True, NOW)).decide().is_open


# Objections and countries.


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, str.swapcase])
@pytest.mark.parametrize("company", [*POLICY.subprocessors], ids=lambda company: company.name)
def test_an_objection_closes_where_statistics_may_go(company: Subprocessor, spell: Callable[[str], str]) -> None:
    """An objection to a listed company, in any case and by any alias, closes if that company may hold statistics."""
    for name in (company.name, *company.aliases):
        decision = World(objections=Objections(frozenset({spell(name)}))).decide()
        wanted = {"recipient-objection"} if company.may_hold_statistics else set()
        assert wanted == codes(decision, Effect.CLOSES)


@pytest.mark.parametrize("name", [*STRANGERS, "Amazon", "OVH and AWS"])
def test_an_unknown_objection_closes(name: str) -> None:
    """An objection that names nobody on the list can't be honoured, so nothing leaves."""
    decision = World(objections=Objections(frozenset({name}))).decide()
    assert {"objection-unknown"} == codes(decision, Effect.CLOSES)


def test_an_objection_names_all_it_hits() -> None:
    """The reason names every company that an objection hits, by its listed name, and no unlisted text."""
    decision = World(objections=Objections(frozenset({"aws", "SANWA", "no such firm"}))).decide()
    (reason,) = (reason for reason in decision.reasons if reason.code == "recipient-objection")
    assert all(name in reason.message for name in ("Amazon Web Services", "AWS", "Sanwa"))
    assert all("no such firm" not in reason.message for reason in decision.reasons)


@pytest.mark.parametrize(
    ("recipient", "countries", "opens"),
    [
        ("own", ["Germany"], True),
        ("own", ["GERMANY", "Ireland"], True),
        ("own", ["Ireland"], False),
        ("own", [], False),
        ("helped", ["Germany"], False),
        ("helped", ["germany", "IRELAND"], True),
        ("the policy's", ["United States"], False),
        ("the policy's", ["United States", "Brazil", "Belgium", "Netherlands", "Germany", "Japan"], False),
    ],
)
def test_countries(recipient: str, countries: list[str], opens: bool) -> None:
    """Only where each place of the recipient and its helpers is named and allowed does anything leave."""
    world = World(recipient=RECIPIENTS[recipient], objections=Objections(countries=frozenset(countries)))
    decision = world.decide()
    assert (set() if opens else {"recipient-country"}) == codes(decision, Effect.CLOSES)


# Reasons.

OTHER_TERMS = replace(TERMS, profile=Profile.EXACT)
SITUATIONS: dict[str, World] = {
    "clock-without-zone": World(now=NOW.replace(tzinfo=None)),
    "clock-implausible": World(now=NOW.replace(year=2099)),
    "workspace-unregistered": World(kind=UNREGISTERED),
    "workspace-disagreement": World(evidence=Evidence(True, True, AFTER)),
    "switch-rc-stats": World(switches=Switches(("RC_STATS_DISABLE",))),
    "switch-do-not-track": World(switches=Switches(("DO_NOT_TRACK",))),
    "switch-upstream": World(switches=Switches(("RC_DISABLE_STATISTICS_REPORTING",))),
    "consent-undecided": World(consent=Consent()),
    "consent-declined": World(consent=Consent().decline(at=AGREED)),
    "consent-withdrawn": World(consent=yes().withdraw(at=AGREED)),
    "consent-in-future": World(
        consent=yes(at=NOW + timedelta(hours=1)), evidence=Evidence(None, True, NOW + timedelta(hours=2))
    ),
    "consent-restricted": World(
        consent=replace(YES, restricted_until=NOW + timedelta(hours=1)),
        evidence=Evidence(None, True, NOW + timedelta(hours=2)),
    ),
    "recipient-other": World(agreed_recipient="https://collector.example.org/"),
    "policy-changed": World(consent=replace(YES, policy_date=date(2020, 1, 1))),
    "catalogue-other": World(consent=replace(YES, catalogue="example-app")),
    "profile-finer": World(terms=OTHER_TERMS),
    "document-in-future": World(evidence=Evidence(None, True, LATER)),
    "document-undated": World(evidence=Evidence(None, True, None)),
    "document-before-consent": World(evidence=Evidence(None, True, BEFORE)),
    "recipient-objection": World(objections=Objections(frozenset({"OVH"}))),
    "objection-unknown": World(objections=Objections(frozenset({"Nobody Ltd"}))),
    "recipient-country": World(objections=Objections(countries=frozenset({"Germany"}))),
    "nothing-left": World(consent=yes(scope=frozenset({APP})), evidence=Evidence(None, False, AFTER)),
    "never-usage": World(kind=UNREGISTERED),
    "never-app": World(kind=UNREGISTERED),
    "never-account": World(kind=UNREGISTERED),
    "never-user-content": World(),
    "never-tracking": World(),
    "scope-usage": World(consent=yes(scope=frozenset({APP}))),
    "scope-app": World(consent=yes(scope=frozenset({USAGE}))),
    "scope-account": World(consent=yes(scope=frozenset({USAGE}))),
    "apps-not-installed": World(evidence=Evidence(None, False, AFTER)),
    "catalogue-grown": World(consent=yes(Terms(POLICY, catalogue_with(removed=frozenset({"totalChannels"}))))),
}
HOPELESS = {"never-user-content", "never-tracking"}
"""What no workspace and no admin can change."""

NARROWING = {code for code in SITUATIONS if code.partition("-")[0] in ("never", "scope", "apps")} | {"catalogue-grown"}


def reason_of(code: str) -> Reason:
    """Return the reason with *code* in its situation."""
    (reason,) = (reason for reason in SITUATIONS[code].decide().reasons if reason.code == code)
    return reason


def test_every_code_has_a_situation() -> None:
    """The situations below cover every code that the matrix, or any other test here, can bring up."""
    seen = {code for case in cases() for code in (*expected(case).closing, *expected(case).narrowing)}
    seen |= {code for world in SITUATIONS.values() for code in codes(world.decide())}
    assert set(SITUATIONS) == seen


@pytest.mark.parametrize("code", SITUATIONS)
def test_each_reason_is_complete(code: str) -> None:
    """Each reason has a clause, a message, and the effect that its kind has."""
    reason = reason_of(code)
    check_reason(reason)
    assert (Effect.NARROWS if code in NARROWING else Effect.CLOSES) == reason.effect
    assert (reason.effect is Effect.CLOSES) == (not SITUATIONS[code].decide().is_open and code not in NARROWING)


@pytest.mark.parametrize("code", SITUATIONS)
def test_each_reason_has_a_remedy(code: str) -> None:
    """Each reason says what would change it, except where nothing would."""
    assert (code in HOPELESS) == (reason_of(code).remedy == "")


@pytest.mark.parametrize("code", [code for code in SITUATIONS if code not in NARROWING])
def test_one_reason_is_enough(code: str) -> None:
    """Every closing reason alone lets nothing through."""
    decision = SITUATIONS[code].decide()
    assert {code} == codes(decision, Effect.CLOSES)
    assert frozenset() == decision.allowed


def test_all_reasons_at_once() -> None:
    """The gate doesn't stop at the first reason: one world with everything wrong names everything."""
    world = World(
        kind=REGISTERED,
        objections=Objections(frozenset({"OVH", "Nobody Ltd"}), frozenset({"Germany"})),
        consent=replace(
            yes(Terms(POLICY, catalogue_with(removed=frozenset({"totalChannels"})), Profile.STRICT)),
            at=LATER,
            scope=frozenset({USAGE}),
            catalogue="example-app",
            policy_date=None,
            restricted_until=LATER + timedelta(days=1),
        ),
        agreed_recipient="https://collector.example.org/",
        switches=Switches(tuple(SWITCH_CODES)),
        now=NOW.replace(tzinfo=None),
        evidence=Evidence(True, True, LATER - timedelta(hours=1)),
    )
    wanted = {
        *("clock-without-zone", "workspace-disagreement", *SWITCH_CODES.values(), "consent-in-future"),
        *("policy-changed", "catalogue-other", "profile-finer", "document-in-future", "document-before-consent"),
        *("consent-restricted", "recipient-other"),
        *("recipient-objection", "objection-unknown", "recipient-country"),
        *("never-user-content", "never-tracking", "scope-app", "scope-account", "catalogue-grown"),
    }
    assert wanted == codes(world.decide())


def test_missing_scope_and_missing_apps_at_once() -> None:
    """App data that is neither agreed to nor there is named with both reasons, so that one remedy is not a surprise."""
    world = World(consent=yes(scope=frozenset({USAGE})), evidence=Evidence(None, False, AFTER))
    assert {"scope-app", "apps-not-installed"} <= codes(world.decide())


def test_reasons_have_a_fixed_order() -> None:
    """The order of switches, objections and countries that a caller gives does not change the answer."""
    names = list(SWITCH_CODES)
    forwards = World(switches=Switches.from_environment(dict.fromkeys(names, "1"))).decide()
    backwards = World(switches=Switches.from_environment(dict.fromkeys(names[::-1], "1"))).decide()
    assert forwards == backwards


@pytest.mark.parametrize(
    ("until", "made_at", "expected"),
    [
        (NOW + timedelta(seconds=1), AFTER, {"consent-restricted", "document-before-consent"}),
        (NOW, AFTER, {"document-before-consent"}),
        (NOW - timedelta(hours=1), NOW - timedelta(minutes=61), {"document-before-consent"}),
        (NOW - timedelta(hours=1), NOW - timedelta(minutes=59), set()),
        (NOW.replace(tzinfo=None), AFTER, {"consent-restricted"}),
    ],
)
def test_a_pause(until: datetime, made_at: datetime, expected: set[str]) -> None:
    """During a pause nothing leaves, and what was made before its end stays afterwards too."""
    world = World(consent=replace(YES, restricted_until=until), evidence=Evidence(None, True, made_at))
    assert expected == codes(world.decide(), Effect.CLOSES)


# Only one way.


def narrower(world: World) -> Iterator[tuple[str, World]]:
    """Yield worlds that say less of a yes than *world*, with what was taken away."""
    for name in SWITCH_CODES:
        yield name, replace(world, switches=Switches((*world.switches.on, name)))
    objections, consent = world.objections, world.consent
    for name in ["OVH", "aws", "Stripe", "Nobody Ltd", "Example Hoster"]:
        more = replace(objections, subprocessors=objections.subprocessors | {name})
        yield f"objection to {name}", replace(world, objections=more)
    countries = [[], ["Germany"], ["Germany", "Ireland"]] if objections.countries is None else [[]]
    for places in countries:
        yield f"only {places}", replace(world, objections=replace(objections, countries=frozenset(places)))
    for data_type in consent.scope:
        yield f"no {data_type}", replace(world, consent=replace(consent, scope=consent.scope - {data_type}))
    for state in set(ConsentState) - {ConsentState.GRANTED}:
        yield str(state), replace(world, consent=replace(consent, state=state))
    yield "unregistered", replace(world, kind=UNREGISTERED)
    yield "paused", replace(world, consent=replace(consent, restricted_until=world.now + timedelta(days=1)))
    yield "another recipient", replace(world, agreed_recipient="https://collector.example.org/")
    yield "no policy date", replace(world, consent=replace(consent, policy_date=None))
    yield "no clock", replace(world, now=world.now.replace(tzinfo=None))
    if world.evidence is not None:
        yield "no apps", replace(world, evidence=replace(world.evidence, has_apps=False))
        yield "undated", replace(world, evidence=replace(world.evidence, made_at=None))


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_less_of_a_yes_never_opens_more(doubtful: Doubtful) -> None:
    """A further switch or objection, a smaller scope, a lower kind: nothing of the kind lets more through."""
    before = doubtful.world.decide()
    for what, world in narrower(doubtful.world):
        after = world.decide()
        assert after.allowed <= before.allowed, what
        if after.allowed:
            assert before.without <= after.without, what


# What was agreed to, and what is offered.


@pytest.mark.parametrize("offered", Profile)
@pytest.mark.parametrize("agreed", Profile)
def test_a_coarser_profile_is_covered(agreed: Profile, offered: Profile) -> None:
    """A yes to one profile covers the coarser ones whole; a finer one closes the gate."""
    consent = yes(replace(TERMS, profile=agreed))
    decision = World(consent=consent, terms=replace(TERMS, profile=offered)).decide()
    order = list(Profile)
    if order.index(offered) < order.index(agreed):
        assert {"profile-finer"} == codes(decision, Effect.CLOSES)
    else:
        assert (EVERYTHING, frozenset()) == (decision.allowed, decision.without)


@pytest.mark.parametrize("profile", Profile)
def test_a_grown_catalogue(profile: Profile) -> None:
    """Metrics that are new or changed since the yes stay, and the rest still leaves."""
    then = catalogue_with(removed=frozenset({"totalChannels"}), changed=frozenset({"totalMessages"}))
    decision = World(consent=yes(Terms(POLICY, then, profile)), terms=replace(TERMS, profile=profile)).decide()
    assert frozenset({"totalChannels", "totalMessages"}) == decision.without
    assert decision.is_open
    (reason,) = (reason for reason in decision.reasons if reason.code == "catalogue-grown")
    assert (decision.without, None) == (reason.metrics, reason.data_type)
    assert "2 metrics" in reason.message


def test_a_shrunk_catalogue_asks_nothing() -> None:
    """A catalogue that only lost metrics since the yes needs no new one."""
    today = catalogue_with(removed=frozenset({"totalChannels", "totalMessages"}))
    decision = World(terms=replace(TERMS, catalogue=today)).decide()
    assert (EVERYTHING, frozenset()) == (decision.allowed, decision.without)
    assert "catalogue-grown" not in codes(decision)


def test_reworded_prose_asks_nothing() -> None:
    """A catalogue whose explanations were reworded means the same."""
    data = dict(packaged_data())
    data["metrics"] = [{**metric, "says": "Reworded, and of the same meaning."} for metric in data["metrics"]]
    decision = World(terms=replace(TERMS, catalogue=catalogue_from_data(data))).decide()
    assert (EVERYTHING, frozenset()) == (decision.allowed, decision.without)


def test_a_looser_rule_is_a_change() -> None:
    """A kind of metric that comes to be treated less coarsely is withheld, for each of its metrics."""
    data = json.loads(json.dumps(packaged_data()))
    kind = data["kinds"]["activity"]
    assert kind["standard"].pop("needs_people")
    decision = World(terms=replace(TERMS, catalogue=catalogue_from_data(data))).decide()
    leaving = {metric.emit for metric, _ in CATALOGUE.leaving(Profile.STANDARD) if metric.kind == "activity"}
    beside = {metric.emit for metric, _ in CATALOGUE.leaving(Profile.STANDARD) if metric.of in leaving}
    assert leaving
    assert leaving | beside == decision.without


@pytest.mark.parametrize("offered", [Profile.STANDARD, Profile.STRICT])
def test_a_grown_catalogue_in_a_coarser_profile(offered: Profile) -> None:
    """A metric that is new since the yes stays also where a coarser profile than agreed is used."""
    then = catalogue_with(removed=frozenset({"totalChannels"}))
    consent = yes(Terms(POLICY, then, Profile.EXACT))
    assert "totalChannels" in World(consent=consent, terms=replace(TERMS, profile=offered)).decide().without


@pytest.mark.parametrize("offered", [Profile.STANDARD, Profile.STRICT])
def test_a_changed_metric_in_a_coarser_profile(offered: Profile) -> None:
    """A metric that has changed since the yes stays also where a coarser profile than agreed is used."""
    then = catalogue_with(changed=frozenset({"totalChannels"}))
    consent = yes(Terms(POLICY, then, Profile.EXACT))
    assert "totalChannels" in World(consent=consent, terms=replace(TERMS, profile=offered)).decide().without


def test_the_field_set_counts() -> None:
    """A yes is a yes to the recorded fields: where they and the digest disagree, the stricter wins."""
    agreed = {p: {path: m for path, m in f.items() if path != "totalChannels"} for p, f in yes().fields.items()}
    consent = replace(yes(), fields=agreed)
    assert {"totalChannels"} == World(consent=consent).decide().without


# Small helpers of the gate.


@pytest.mark.parametrize(
    ("value", "is_on"),
    [
        (None, False),
        ("", False),
        ("0", False),
        ("false", False),
        ("FALSE", False),
        ("False", False),
        ("1", True),
        ("true", True),
        ("TRUE", True),
        ("yes", True),
        ("no", True),
        ("off", True),
        ("00", True),
        ("0.0", True),
        ("-", True),
        ("any text at all", True),
        ("\N{FULLWIDTH DIGIT ZERO}", True),
    ],
)
@pytest.mark.parametrize("name", SWITCH_CODES)
def test_switches_from_the_environment(name: str, value: str | None, is_on: bool) -> None:
    """A switch is on for any value but 0, false or nothing, and then the gate is closed by its own code."""
    environment = {"PATH": "/bin", **({} if value is None else {name: value})}
    switches = Switches.from_environment(environment)
    assert ((name,) if is_on else ()) == switches.on
    assert ({SWITCH_CODES[name]} if is_on else set()) == codes(World(switches=switches).decide(), Effect.CLOSES)


@given(st.dictionaries(st.sampled_from([*SWITCH_CODES, "OTHER"]), st.text(st.characters(codec="utf-8"), max_size=8)))
def test_any_environment(environment: dict[str, str]) -> None:
    """Whatever stands in the environment, the switches that are on are known ones that are set."""
    on = Switches.from_environment(environment).on
    assert set(on) <= set(SWITCH_CODES) & set(environment)
    assert all(environment[name].strip().lower() not in ("", "0", "false") for name in on)


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: ",".join(sorted(scope)))
def test_scopes_of(scope: frozenset[DataType]) -> None:
    """A scope is read in any order, with spaces and repetitions."""
    names = sorted(str(data_type) for data_type in scope)
    for text in (",".join(names), ", ".join(names[::-1]), ",".join(names * 2)):
        assert scope == scopes_of(text)
        assert all(isinstance(data_type, DataType) for data_type in scopes_of(text))


@pytest.mark.parametrize(
    "text", ["", ",", "usage,", "usage;app", "Usage", "user_content", "usage,tracking", "all", "usage app", "\x00"]
)
def test_scopes_that_are_none(text: str) -> None:
    """Anything but usage, app and account is refused by rule ``scope``, without repeating the text."""
    with pytest.raises(UsageError) as caught:
        scopes_of(text)
    assert caught.value.rule == "scope"
    assert text == "" or f"'{text}'" not in str(caught.value)


def at_offset(text: str) -> datetime:
    """Return the aware moment that *text* tells."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-08-17T12:00:00+00:00", "2026-08-17"),
        ("2026-08-31T23:30:00-02:00", "2026-09-01"),
        ("2026-09-01T00:30:00+02:00", "2026-08-31"),
        ("2026-12-31T23:59:59.999999+00:00", "2026-12-31"),
        ("2027-01-01T00:00:00+00:00", "2027-01-01"),
        ("2027-01-01T13:59:59+14:00", "2026-12-31"),
        ("2026-12-31T12:00:00-12:00", "2027-01-01"),
        ("2028-02-29T23:00:00-01:30", "2028-03-01"),
        ("2027-02-28T23:00:00-01:30", "2027-03-01"),
        ("2028-03-01T05:29:59+05:30", "2028-02-29"),
    ],
)
def test_period_of(moment: str, day: str) -> None:
    """A period is the day in UTC for an exact report and the month in UTC for any other, across every turn."""
    when = at_offset(moment)
    assert (day, day[:7], day[:7]) == tuple(period_of(when, profile) for profile in Profile)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_the_zone_does_not_matter(moment: datetime, minutes: int) -> None:
    """One moment has one period, in whichever zone the caller's clock tells it."""
    utc = moment.replace(tzinfo=UTC)
    local = utc.astimezone(timezone(timedelta(minutes=minutes)))
    for profile in Profile:
        assert period_of(utc, profile) == period_of(local, profile)
    assert period_of(local, Profile.EXACT).startswith(period_of(local, Profile.STANDARD))


@pytest.mark.parametrize("profile", Profile)
def test_a_period_needs_a_zone(profile: Profile) -> None:
    """A clock without a time zone gives no period."""
    with pytest.raises(UsageError) as caught:
        period_of(NAIVE, profile)
    assert caught.value.rule == "time-zone"


def test_a_period_is_of_this_century() -> None:
    """A clock whose moment leaves the calendar when it is told in UTC gives no period, by a rule of its own."""
    moment = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    with pytest.raises(UsageError, match=r"^The caller's clock is not of this century\.") as caught:
        period_of(moment, Profile.EXACT)
    assert caught.value.rule == "clock"


def test_a_refused_clock_says_why() -> None:
    """Who passes a clock without a zone is told what it needs."""
    with pytest.raises(UsageError, match=r"^The caller's clock needs a time zone\."):
        period_of(NAIVE, Profile.STANDARD)


@pytest.mark.parametrize(("year", "is_doubtful"), [(2000, True), (2001, False), (2098, False), (2099, True)])
def test_the_years_of_a_clock(year: int, is_doubtful: bool) -> None:
    """A clock is of this century from 2001 to 2098, so that no zone turns it into another."""
    assert is_doubtful == ("clock-implausible" in codes(World(now=NOW.replace(year=year)).decide()))


@pytest.mark.parametrize("code", SITUATIONS)
def test_each_reason_is_told_in_text(code: str) -> None:
    """Message and remedy are texts, also where the remedy is empty."""
    reason = reason_of(code)
    assert (str, str) == (type(reason.message), type(reason.remedy))


def test_the_remedy_of_a_scope_keeps_what_was_agreed() -> None:
    """Who follows the remedy agrees to the missing data type as well, and loses none."""
    assert reason_of("scope-app").remedy == "Agree to it as well: --scope usage,app."


def test_what_needs_people_stays_with_their_number() -> None:
    """Where the number of people is new since the yes, all that is shown only among enough people stays with it."""
    people = CATALOGUE.facts.people
    fields = {p: {path: m for path, m in agreed.items() if path != people} for p, agreed in YES.fields.items()}
    decision = World(consent=replace(YES, fields=fields)).decide()
    leaving = list(CATALOGUE.leaving(Profile.STANDARD))
    guarded = {metric.emit for metric, treatment in leaving if treatment.needs_people}
    parts = {metric.emit for metric, _ in leaving if metric.of}
    assert guarded | parts | {people} == decision.without


def test_an_unknown_kind_has_its_own_rule() -> None:
    """A kind of workspace that the policy doesn't know is refused by rule ``workspace``."""
    with pytest.raises(UsageError, match=r"^A workspace is unregistered, registered or hosted\.") as caught:
        Workspace(cast("WorkspaceKind", "unknown"))
    assert caught.value.rule == "workspace"


def test_a_refused_scope_says_why() -> None:
    """Who names no scope is told which there are."""
    with pytest.raises(UsageError, match=r"^A scope is one or more of usage, app and account, with commas between\."):
        scopes_of("all")
