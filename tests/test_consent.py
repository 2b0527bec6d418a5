"""Consent: its transitions, what a grant holds, and what can't be agreed to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations
from typing import Any

import pytest

from rc_stats import load_catalogue, load_policy
from rc_stats.catalogue import Profile
from rc_stats.consent import DEFAULT_SCOPE, SCOPES, Consent, ConsentState, Terms, from_data, what_if
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.policy import DataType

TERMS = Terms(load_policy(), load_catalogue())
THEN = datetime(2026, 8, 3, 12, tzinfo=UTC)
LATER = THEN + timedelta(days=30)
NAIVE = datetime(2026, 8, 3, 12)  # noqa: DTZ001

UNDECIDED = Consent()
GRANTED = Consent().grant(TERMS, at=THEN, by="an admin")
DECLINED = Consent().decline(at=THEN, by="an admin")
WITHDRAWN = GRANTED.withdraw(at=THEN, by="an admin")
STATES = {"undecided": UNDECIDED, "granted": GRANTED, "declined": DECLINED, "withdrawn": WITHDRAWN}


@pytest.mark.parametrize("state", STATES)
def test_states(state: str) -> None:
    """The four states are what their makers say, and nothing but a yes has a scope or a field set."""
    consent = STATES[state]
    assert ConsentState(state) is consent.state
    is_yes = state == "granted"
    assert is_yes == bool(consent.scope) == bool(consent.fields) == bool(consent.catalogue)
    assert is_yes == (consent.profile is not None) == (consent.policy_date is not None)


def test_undecided_is_the_start() -> None:
    """Without anything said, nobody has decided: no moment, no label, no version."""
    assert (
        UNDECIDED.state,
        UNDECIDED.at,
        UNDECIDED.by,
        UNDECIDED.catalogue_version,
        UNDECIDED.catalogue_digest,
    ) == (ConsentState.UNDECIDED, None, "", 0, "")


@pytest.mark.parametrize("start", STATES)
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda consent: consent.grant(TERMS, at=LATER, by="another"), "granted"),
        (lambda consent: consent.decline(at=LATER, by="another"), "declined"),
    ],
    ids=["grant", "decline"],
)
def test_transitions(start: str, act: Callable[[Consent], Consent], expected: str) -> None:
    """A yes and a no can follow any state, and leave nothing of what was before."""
    after = act(STATES[start])
    assert ConsentState(expected) is after.state
    assert (after.at, after.by) == (LATER, "another")
    assert act(UNDECIDED) == after


@pytest.mark.parametrize(
    ("start", "expected"),
    [("granted", "withdrawn"), ("undecided", "declined"), ("declined", "declined"), ("withdrawn", "withdrawn")],
)
def test_withdraw(start: str, expected: str) -> None:
    """Taking back a yes is a withdrawal and stays one; a no that was never a yes is a no."""
    after = STATES[start].withdraw(at=LATER, by="another")
    assert ConsentState(expected) is after.state
    assert (after.at, after.by) == (LATER, "another")
    assert (frozenset(), {}, "", None, None) == (
        after.scope,
        after.fields,
        after.catalogue_digest,
        after.profile,
        after.policy_date,
    )


def test_a_consent_does_not_change() -> None:
    """A transition returns a new consent and leaves the old one as it was; none can be altered."""
    before = replace(GRANTED)
    GRANTED.withdraw(at=LATER)
    GRANTED.decline(at=LATER)
    assert before == GRANTED
    with pytest.raises(FrozenInstanceError):
        GRANTED.scope = frozenset(SCOPES)  # type: ignore[misc]


@pytest.mark.parametrize("profile", Profile)
def test_a_grant_names_what_was_agreed_to(profile: Profile) -> None:
    """A grant keeps catalogue, version, digest, profile, field set, policy date, moment and label."""
    terms = Terms(load_policy(), load_catalogue(), profile)
    consent = Consent().grant(terms, at=THEN, by="an admin", scope=SCOPES)
    expected = Consent(
        ConsentState.GRANTED,
        frozenset(SCOPES),
        terms.catalogue.name,
        terms.catalogue.version,
        terms.catalogue.digest,
        profile,
        {p: terms.catalogue.fields(p) for p in Profile if p.coarseness >= profile.coarseness},
        terms.policy.effective,
        THEN,
        "an admin",
        terms.policy.recipient.url,
        restricted_until=None,
        is_hypothetical=False,
    )
    assert expected == consent
    assert consent.fields


@pytest.mark.parametrize(
    "wrong", [{"state": "perhaps"}, {"scope": {"everything"}}, {"profile": "lax"}, {"state": ""}], ids=repr
)
def test_a_consent_of_unknown_words(wrong: dict[str, Any]) -> None:
    """A consent with an unknown state, scope or profile, as a damaged record has it, can't be made."""
    with pytest.raises(UsageError) as caught:
        Consent(**wrong)
    assert caught.value.rule == "consent"
    assert "perhaps" not in str(caught.value)


def test_a_consent_of_plain_words() -> None:
    """Plain words, as a record keeps them, become what they name."""
    plain: dict[str, Any] = {"state": "granted", "scope": ["usage", "app"], "profile": "strict"}
    consent = Consent(**plain)
    assert consent.state is ConsentState.GRANTED
    assert consent.scope == DEFAULT_SCOPE
    assert consent.profile is Profile.STRICT


def test_terms_name_their_fields() -> None:
    """The field set of terms is that of their catalogue in their profile."""
    for profile in Profile:
        terms = Terms(load_policy(), load_catalogue(), profile)
        assert load_catalogue().fields(profile) == terms.fields()


def test_default_scope() -> None:
    """A grant covers usage and app data unless it says otherwise; the wizard's answers are not among them."""
    assert frozenset({DataType.USAGE, DataType.APP}) == DEFAULT_SCOPE == GRANTED.scope


def test_default_profile() -> None:
    """Terms are of the standard profile unless they say otherwise."""
    assert Profile.STANDARD is TERMS.profile


@pytest.mark.parametrize(
    "scope", [set(some) for size in (1, 2, 3) for some in combinations(SCOPES, size)], ids=lambda s: "-".join(sorted(s))
)
def test_scopes(scope: set[DataType]) -> None:
    """Any part of usage, app and account can be agreed to, in any order and with repetitions."""
    consent = Consent().grant(TERMS, at=THEN, scope=[*scope, *scope])
    assert frozenset(scope) == consent.scope


@pytest.mark.parametrize(
    "scope",
    [
        [],
        [DataType.USER_CONTENT],
        [DataType.TRACKING],
        [DataType.USAGE, DataType.TRACKING],
        list(DataType),
        ["everything"],
        [""],
    ],
    ids=str,
)
def test_scope_errors(scope: list[DataType]) -> None:
    """A yes to nothing, to content, to tracking or to an unknown data type is an error, and no consent."""
    with pytest.raises(UsageError) as caught:
        Consent().grant(TERMS, at=THEN, scope=scope)
    assert caught.value.rule == "scope"
    with pytest.raises(UsageError):
        what_if(TERMS, at=THEN, scope=scope)


@pytest.mark.parametrize("start", STATES)
@pytest.mark.parametrize(
    "act",
    [
        lambda consent: consent.grant(TERMS, at=NAIVE),
        lambda consent: consent.decline(at=NAIVE),
        lambda consent: consent.withdraw(at=NAIVE),
        lambda _: what_if(TERMS, at=NAIVE),
    ],
    ids=["grant", "decline", "withdraw", "what-if"],
)
def test_a_moment_needs_a_time_zone(start: str, act: Callable[[Consent], Consent]) -> None:
    """No decision is dated without a time zone."""
    with pytest.raises(UsageError) as caught:
        act(STATES[start])
    assert caught.value.rule == "time-zone"


def test_any_time_zone_will_do() -> None:
    """A moment is kept in the time zone that it was given in, and is the same moment."""
    at = THEN.astimezone(timezone(timedelta(hours=5, minutes=45)))
    consent = Consent().grant(TERMS, at=at)
    assert consent.at is at
    assert GRANTED.at == consent.at


@pytest.mark.parametrize("scope", [DEFAULT_SCOPE, frozenset(SCOPES)], ids=len)
def test_what_if_is_hypothetical(scope: frozenset[DataType]) -> None:
    """The answer to "what if?" is a grant in everything but that it is marked, and no real transition is."""
    question = what_if(TERMS, at=THEN, scope=scope)
    assert question.is_hypothetical
    assert Consent().grant(TERMS, at=THEN, scope=scope) == replace(question, is_hypothetical=False)
    assert not any(consent.is_hypothetical for consent in STATES.values())


def test_a_question_does_not_become_an_answer() -> None:
    """What follows a question is a real decision, unmarked; only a new yes makes it a yes."""
    question = what_if(TERMS, at=THEN)
    assert not question.decline(at=LATER).is_hypothetical
    assert not question.withdraw(at=LATER).is_hypothetical
    assert not question.grant(TERMS, at=LATER).is_hypothetical


# Pauses, and keeping.


def test_a_pause_keeps_what_was_agreed() -> None:
    """A pause changes when something may leave, who said so and when; not what was agreed to."""
    terms = Terms(load_policy(), load_catalogue())
    granted = Consent().grant(terms, at=THEN, by="one", scope=SCOPES)
    paused = granted.restrict(until=THEN + timedelta(days=9), at=THEN + timedelta(days=1), by="another")
    assert (
        replace(granted, restricted_until=THEN + timedelta(days=9), at=THEN + timedelta(days=1), by="another") == paused
    )


@pytest.mark.parametrize("state", [state for state in ConsentState if state is not ConsentState.GRANTED])
def test_only_a_grant_is_paused(state: ConsentState) -> None:
    """Where nothing may leave, there is nothing to pause."""
    with pytest.raises(UsageError) as caught:
        Consent(state).restrict(until=THEN + timedelta(days=9), at=THEN)
    assert caught.value.rule == "restriction"


@pytest.mark.parametrize("later", [timedelta(0), -timedelta(seconds=1)])
def test_a_pause_ends_after_it_begins(later: timedelta) -> None:
    """A pause that is over before it begins is refused."""
    consent = Consent().grant(Terms(load_policy(), load_catalogue()), at=THEN)
    with pytest.raises(UsageError):
        consent.restrict(until=THEN + later, at=THEN)


def every_kind_of_consent() -> list[Consent]:
    """Return a consent in each state, and a paused one."""
    terms = Terms(load_policy(), load_catalogue(), Profile.EXACT)
    granted = Consent().grant(terms, at=THEN, scope=SCOPES)
    paused = granted.restrict(until=THEN + timedelta(days=9), at=THEN)
    return [Consent(), granted, paused, granted.withdraw(at=THEN), Consent().decline(at=THEN)]


@pytest.mark.parametrize("consent", every_kind_of_consent(), ids=lambda consent: consent.state)
def test_a_consent_is_kept_as_data(consent: Consent) -> None:
    """What is written of a consent, as JSON, is read back as the same consent; the label is kept apart."""
    data = json.loads(json.dumps(consent.to_data()))
    assert from_data(data) == replace(consent, by="")
    assert from_data(data, by="somebody").by == "somebody"


def test_a_damaged_record_is_none() -> None:
    """A record with a key that is missing, added or of another kind is refused, and its contents are not repeated."""
    good = every_kind_of_consent()[1].to_data()
    wrong: list[Any] = [None, 1, "hidden-value", [], {"hidden-value": 1}]
    damaged = [{k: v for k, v in good.items() if k != key} for key in good]
    damaged += [{**good, key: value} for key in good for value in wrong if not (value is None and good[key] is None)]
    damaged += [{**good, "hidden-value": 1}, {**good, "is_hypothetical": True}, {**good, "at": "2026-08-01T00:00:00"}]
    for data in damaged:
        told: UnusableInput | None = None
        try:
            assert from_data(data).to_data() == data, "what is taken is taken as it stands"
        except UnusableInput as error:
            told = error
        assert told is None or (told.rule == "consent" and "hidden-value" not in str(told))


@pytest.mark.parametrize("key", list(Consent().to_data()))
def test_a_record_is_whole(key: str) -> None:
    """A record that lacks a key, or has one of another kind, is refused."""
    good = every_kind_of_consent()[1].to_data()
    for data in ({k: v for k, v in good.items() if k != key}, {**good, key: {"hidden-value": []}}):
        with pytest.raises(UnusableInput):
            from_data(data)


def test_a_question_is_never_kept() -> None:
    """A hypothetical consent can't be written down, so that it can't come back as an answer."""
    with pytest.raises(UsageError) as caught:
        what_if(TERMS, at=THEN).to_data()
    assert caught.value.rule == "hypothetical"
