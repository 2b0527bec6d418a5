"""
The promises about a payload, as properties: of every document that a server or an enemy could write.

Each section is one property of the disclosure rules. Where it matters, all three profiles are tried at once.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import json
import logging
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import strategies
from canaries import assert_no_trace
from rc_stats import (
    Anonymiser,
    Catalogue,
    Consent,
    DataType,
    Decision,
    Finding,
    GateClosed,
    Metric,
    Policy,
    Profile,
    Report,
    Switches,
    Terms,
    UnusableInput,
    Workspace,
    WorkspaceKind,
    clear,
    decide,
    genuine,
    load_policy,
    preview,
    read_newest,
    verify,
    what_if,
)
from rc_stats.catalogue import PEOPLE_OPERATORS, default_emit
from rc_stats.consent import SCOPES
from rc_stats.disclosure import ACTIVE_WITHIN
from rc_stats.errors import RcStatsError
from rc_stats.findings import MASK, mask
from rc_stats.testing.places import MISSING, Document, Json, Place, found, placed, spelt, steps_of
from rc_stats.testing.server import MODELS, NAMES, as_extended_json
from rc_stats.testing.strategies import nested, tokens
from strategies import CATALOGUE, KIT, LATE, METRICS, as_bytes, documents

TESTS = Path(__file__).parent
SAMPLES = TESTS / "data" / "samples"
EXAMPLES = TESTS.parent / "examples"
ANONYMISERS = {profile: Anonymiser(CATALOGUE, profile) for profile in Profile}
ALL = frozenset(SCOPES)


def part(share: float) -> settings:
    """Return settings for a *share* of the examples that the chosen profile has."""
    return settings(max_examples=max(1, round(settings().max_examples * share)))


quick = part(0.2)
half = part(0.4)


# What the properties look at.


def statistics_of(document: Mapping[str, Any] | bytes, profile: Profile) -> Document:
    """Return all that may leave of *document* if every data type may."""
    return ANONYMISERS[profile](document, findings=False).statistics()


@cache
def _yes(profile: Profile) -> Consent:
    return what_if(Terms(load_policy(), CATALOGUE, profile), at=LATE, scope=ALL)


def decision_on(
    report: Report,
    *,
    kind: WorkspaceKind | None = None,
    scope: frozenset[DataType] = ALL,
    now: datetime = LATE,
) -> Decision:
    """Return what the gate says of *report* after a yes; by default of a workspace of the kind that it says it is."""
    terms = Terms(load_policy(), CATALOGUE, report.profile)
    if kind is None:
        kind = WorkspaceKind.HOSTED if report.evidence.is_hosted else WorkspaceKind.REGISTERED
    yes = replace(_yes(report.profile), at=now, scope=scope)
    return decide(Workspace(kind), yes, terms.policy.recipient, Switches(), now, terms=terms, evidence=report.evidence)


def body_of(document: Mapping[str, Any] | bytes, profile: Profile) -> bytes:
    """Return the bytes that a yes to everything sends of *document*; if it is from the future, why nothing is sent."""
    report = ANONYMISERS[profile](document)
    return sent(report, decision_on(report))


def sent(report: Report, decision: Decision) -> bytes:
    """Return the bytes of *report* that *decision* lets through, or the codes of what closes the gate."""
    return clear(report, decision).body if decision.is_open else repr([r.code for r in decision.closing]).encode()


def leaves(value: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys down to each value of *value* that holds no others, and the value."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from leaves(inner, (*above, key))
        else:
            yield (*above, key), inner


def leaving(profile: Profile) -> dict[str, Metric]:
    """Return the metrics of which something leaves in *profile*, by payload path."""
    return {metric.emit: metric for metric, _ in CATALOGUE.leaving(profile)}


@cache
def records() -> dict[str, Document]:
    """Return every document of the samples and the examples, by file and place."""
    found_records = {}
    for path in sorted([*SAMPLES.glob("*.json*"), *EXAMPLES.glob("*.json")]):
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
            value = json.loads(line)
            inner = value.get("statistics", value)
            for number, record in enumerate(inner if isinstance(inner, list) else [inner]):
                found_records[f"{path.name}:{number}"] = record
    return found_records


def test_records_are_there() -> None:
    """The samples and both examples are found, so that no test over them passes for want of documents."""
    names = {name.partition(":")[0] for name in records()}
    assert {"statistics.json", "statistics-six.json"} < names
    assert len(names) >= 12
    assert all(len(record) >= 5 for record in records().values())


@pytest.mark.parametrize("profile", Profile)
def test_records_can_leave(profile: Profile) -> None:
    """The gate is open for every record after the yes of these tests, so that none passes for want of payloads."""
    for record in records().values():
        report = ANONYMISERS[profile](record)
        decision = decision_on(report)
        assert decision.is_open, decision.closing
        assert json.loads(clear(report, decision).body)["statistics"] != {}


# 1 Non-interference


def grown(value: Json, place: Place, extra: Callable[[], tuple[str, Json]]) -> Json:
    """
    Return *value*, which stands at *place*, with keys that the catalogue doesn't know in each map of the catalogue's.

    Not in a map of which the size or the keys are data, nor in what stands where the catalogue has no map.
    """
    if isinstance(value, list) and "[]" in place.children:
        return [grown(item, place.children["[]"], extra) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in place.children:
        return {key: grown(inner, place.children["*"], extra) for key, inner in value.items()}
    if place is not KIT.tree and not place.is_map:
        return value
    mapping = {
        key: grown(inner, place.children[key], extra) if key in place.children else inner
        for key, inner in value.items()
    }
    extras = dict(extra() for _ in range(12))
    return {**{key: inner for key, inner in extras.items() if key not in KNOWN_KEYS[place.steps]}, **mapping}


def _known_keys() -> dict[tuple[str, ...], set[str]]:
    """Return, for each place, the keys that a document or a payload has there by the catalogue."""
    known: dict[tuple[str, ...], set[str]] = {}
    for path in (path for metric in METRICS for path in (metric.path, metric.emit)):
        steps = steps_of(path)
        for length in range(len(steps)):
            known.setdefault(steps[:length], set()).add(steps[length])
    return known


KNOWN_KEYS = _known_keys()


def known_findings(report: Report) -> set[Finding]:
    """Return the findings of paths that the catalogue knows."""
    return {finding for finding in report.findings or () if finding.rule != "unknown"}


@half
@given(documents(), st.lists(st.tuples(KIT.keys, KIT.values()), min_size=1, max_size=8))
def test_unknown_keys_change_nothing(document: Document, extras: list[tuple[str, Json]]) -> None:
    """Whatever stands under keys that the catalogue doesn't know, anywhere, the payload has the same bytes."""
    supply = itertools.cycle(extras)
    more = grown(document, KIT.tree, lambda: next(supply))
    for profile in Profile:
        assert body_of(document, profile) == body_of(more, profile)
        uncounted, more_uncounted = ({**which, "totalUsers": None} for which in (document, more))
        assert body_of(uncounted, profile) == body_of(more_uncounted, profile)


@quick
@given(documents(), st.lists(st.tuples(KIT.keys, KIT.values()), min_size=1, max_size=8))
def test_unknown_keys_change_no_finding(document: Document, extras: list[tuple[str, Json]]) -> None:
    """What is said of the known paths of a document doesn't depend on what else is in it."""
    supply = itertools.cycle(extras)
    more = grown(document, KIT.tree, lambda: next(supply))
    anonymise = ANONYMISERS[Profile.STANDARD]
    assert known_findings(anonymise(document)) == known_findings(anonymise(more))


def _staying(profile: Profile) -> list[Place]:
    """Return the places of which nothing leaves in *profile*, nor of anything inside, nor decides about others."""
    paths = [steps_of(path) for metric in leaving(profile).values() for path in (metric.path, metric.emit)]
    keys_of_sums = {
        (*steps_of(metric.path)[:-1], metric.key) for metric in leaving(profile).values() if metric.operator == "sum"
    }
    facts = {steps_of(path) for path in vars_of_facts()}

    def is_apart(steps: tuple[str, ...]) -> bool:
        return not any(path[: len(steps)] == steps or default_steps(path) == steps for path in paths)

    return [
        place
        for place in KIT.places
        if is_apart(place.steps)
        and place.steps not in keys_of_sums | facts
        and "*" not in place.steps
        and (place.steps[-1] != "[]" or is_apart(place.steps[:-1]))
    ]


def default_steps(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the steps of *path* before the first list or map of it."""
    return tuple(itertools.takewhile(lambda step: step not in ("[]", "*"), path))


def vars_of_facts() -> list[str]:
    """Return the paths by which a document tells about itself."""
    facts = CATALOGUE.facts
    return [facts.people, facts.made_at, facts.apps, facts.platform]


STAYING = {profile: _staying(profile) for profile in Profile}


@pytest.mark.parametrize("profile", Profile)
@given(data=st.data())
@quick
def test_what_stays_changes_nothing(profile: Profile, data: st.DataObject) -> None:
    """Whatever stands at the places of which nothing leaves, single items of lists too, the payload is the same."""
    document = data.draw(documents())
    changed = document
    for place in data.draw(st.lists(st.sampled_from(STAYING[profile]), min_size=1, max_size=8)):
        if _fits(document, place.steps):
            changed = placed(changed, place.steps, data.draw(KIT.values(max_leaves=6)))
    assert body_of(document, profile) == body_of(changed, profile)


def _fits(document: Document, steps: tuple[str, ...]) -> bool:
    """Say whether a value at *steps* adds to *document* or replaces what stays: all lists on the way are there."""
    for length in range(1, len(steps)):
        here = found(document, steps[:length])
        if steps[length] == "[]":
            if not isinstance(here, list) or not here:
                return False
        elif not isinstance(here, dict) and (here is not MISSING or "[]" in steps[:length]):
            return False
    return True


@quick
@given(st.lists(st.tuples(KIT.keys, KIT.values(max_leaves=3)), min_size=1, max_size=20, unique_by=lambda pair: pair[0]))
def test_names_change_nothing(items: list[tuple[str, Json]]) -> None:
    """Of a list or map of names only the size leaves, whatever the names are and whatever they stand for."""
    for metric in CATALOGUE.metrics.values():
        if metric.kind != "names":
            continue
        steps = steps_of(metric.path)[:-1]
        is_map = metric.path.endswith("*")
        one: Json = dict(items) if is_map else [value for _, value in items]
        other: Json = {str(place): {} for place in range(len(items))} if is_map else ["name"] * len(items)
        for profile in Profile:
            assert body_of(placed({}, steps, one), profile) == body_of(placed({}, steps, other), profile)
            assert found(statistics_of(placed({}, steps, one), profile), metric.emit.split(".")) == len(items)


def test_staying_places_are_many() -> None:
    """The test before this one has something to choose from: sessions, rooms, identifiers, readings of the machine."""
    spelt_places = {profile: {spelt(place.steps) for place in places} for profile, places in STAYING.items()}
    for profile in Profile:
        assert {
            "uniqueId",
            "settings.email.smtp.smtpHost",
            "uniqueDevicesOfYesterday.data",
            "matrixFederation.biggestRoom",
            "os.cpus[].times.user",
            "teams.teamStats[].totalMembers",
        } <= spelt_places[profile]
        assert not {"wizard", "os", "os.cpus", "omnichannelSources[].type"} & spelt_places[profile]
    assert {"wizard.country", "installedAt", "os.release"} <= spelt_places[Profile.STRICT]


# 2 Canaries


@contextlib.contextmanager
def everything_said() -> Iterator[list[str]]:
    """Collect what is logged, at any level, and printed."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(f"{record.getMessage()} {record.__dict__}")

    root, listener, printed = logging.getLogger(), Listener(logging.DEBUG), io.StringIO()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield said
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
        said.append(printed.getvalue())


def told_by(error: BaseException) -> str:
    """Return all that a log could hold of *error* and of what it was raised from."""
    told = []
    link: BaseException | None = error
    while link is not None:
        told += [str(link), repr(link), repr(link.args), repr(vars(link))]
        told += [str(getattr(link, name)) for name in ("doc", "msg", "object", "msg") if hasattr(link, name)]
        link = link.__cause__ or link.__context__
    return "\n".join(told)


def given_out(document: Mapping[str, Any] | bytes, *profiles: Profile, is_whole: bool = True) -> str:
    """
    Return all that comes out when *document* is anonymised, cleared, refused and previewed in each of *profiles*.

    Args:
        is_whole: False leaves it at the payload's bytes and the findings.
    """
    with everything_said() as said:
        for profile in profiles:
            try:
                said.extend(_outputs(document, profile, is_whole=is_whole))
            except UnusableInput as error:
                said.append(told_by(error))
    return "\n".join(said)


def _outputs(document: Mapping[str, Any] | bytes, profile: Profile, *, is_whole: bool) -> Iterator[str]:
    report = ANONYMISERS[profile](document)
    decision = decision_on(report)
    yield from (sent(report, decision).decode(), repr(report.findings))
    if not is_whole:
        return
    terms = Terms(load_policy(), CATALOGUE, profile)
    if decision.is_open:
        payload = clear(report, decision)
        yield from (repr(payload), str(payload), repr(payload.envelope))
    yield from (repr(report), str(report), repr(report.evidence), repr(report.plan))
    closed = decision_on(report, kind=WorkspaceKind.UNREGISTERED)
    with pytest.raises(GateClosed) as refusal:
        clear(report, closed)
    yield from (told_by(refusal.value), repr(decision), str(closed))
    mapping = json.loads(document) if isinstance(document, bytes) else dict(document)
    shown = preview(mapping, Workspace(), Consent(), terms=terms, now=LATE, anonymiser=ANONYMISERS[profile])
    yield repr(shown).replace(repr(terms), "")


def _as_utf8(mapping: Mapping[str, Any]) -> bytes:
    return json.dumps(mapping, ensure_ascii=False).encode("utf-8", "replace")


def mapped(value: Json, on_key: Callable[[str], str], on_leaf: Callable[[Json], Json]) -> Json:
    """Return *value* with every key and every value that holds no others replaced."""
    if isinstance(value, dict):
        return {on_key(key): mapped(inner, on_key, on_leaf) for key, inner in value.items()}
    return [mapped(inner, on_key, on_leaf) for inner in value] if isinstance(value, list) else on_leaf(value)


def beside(value: Json, extra: Document) -> Json:
    """Return *value* with the keys of *extra* in each map."""
    if isinstance(value, dict):
        return {**{key: beside(inner, extra) for key, inner in value.items()}, **extra}
    return [beside(inner, extra) for inner in value] if isinstance(value, list) else value


def _same(value: Any) -> Any:
    return value


PLANTED: dict[str, Callable[[Document, str], Json]] = {
    "values": lambda d, t: mapped(d, _same, lambda _: t),
    "values-after-their-own": lambda d, t: mapped(d, _same, lambda v: f"{v}{t}" if isinstance(v, str) else t),
    "values-before-their-own": lambda d, t: mapped(d, _same, lambda v: f"{t} {v}" if isinstance(v, str) else t),
    "suffix-of-a-version": lambda d, t: mapped(d, _same, lambda _: f"8.7.0-{t}"),
    "words-of-a-processor": lambda d, t: mapped(d, _same, lambda _: f"Intel {t}"),
    "zone-of-a-date": lambda d, t: mapped(d, _same, lambda _: f"Fri Mar 22 2024 13:45:40 GMT+0000 ({t})"),
    "lists": lambda d, t: mapped(d, _same, lambda _: [t, t, t]),
    "maps": lambda d, t: mapped(d, _same, lambda _: {t: 1, "count": t, "type": t, "name": t}),
    "identifiers": lambda d, t: mapped(d, _same, lambda _: {"$oid": t}),
    "numbers": lambda d, t: mapped(d, _same, lambda _: {"$numberLong": t}),
    "dates": lambda d, t: mapped(d, _same, lambda _: {"$date": {"$numberLong": t}}),
    "keys": lambda d, t: mapped(d, lambda key: f"{key}{t}", _same),
    "keys-before": lambda d, t: mapped(d, lambda key: f"{t}.{key}", _same),
    "keys-alone": lambda d, t: mapped(d, lambda _: t, _same),
    "keys-beside": lambda d, t: beside(d, {t: 1, f"total{t}": 1, f"is{t}Enabled": {t: t}}),
    "one-character-per-key": lambda d, t: beside(d, {c: place for place, c in enumerate(t)}),
    "one-character-per-level": lambda d, t: beside(d, {t[0]: _spelt_downwards(t[1:])}),
    "rows": lambda d, t: beside(d, {"userLanguages": dict.fromkeys(t, 1) | {t: 12}, "data": [{"role": t, "name": t}]}),
}


def _spelt_downwards(text: str) -> Json:
    inner: Json = text
    for character in reversed(text):
        inner = {character: inner}
    return inner


TOKEN = "Qxwindgevouk.Vrqz-7731@example.org"  # noqa: S105


@pytest.mark.parametrize("way", PLANTED)
def test_planted_token_never_shows(way: str) -> None:
    """A token in every key or value of every sample and example is in nothing that comes out, in no disguise."""
    for record in records().values():
        assert_no_trace(given_out(PLANTED[way](record, TOKEN), Profile.EXACT, is_whole=False), TOKEN)
    for name, profile in (("statistics.json:0", Profile.STANDARD), ("statistics-six.json:0", Profile.STRICT)):
        assert_no_trace(given_out(PLANTED[way](records()[name], TOKEN), profile), TOKEN)


@quick
@given(st.data())
def test_any_token_never_shows(data: st.DataObject) -> None:
    """No token in any form shows, wherever it stands in a sample or a hostile document."""
    token = data.draw(tokens())
    assume(not any(token in name for name in NAMES))
    names = sorted(records())
    document = data.draw(st.sampled_from(names).map(records().__getitem__) | KIT.hostile())
    for place in data.draw(st.lists(st.sampled_from(KIT.places), min_size=1, max_size=6)):
        forms = (token, [token], {token: token}, f"8.7-{token}", {"$oid": token}, {"$date": token}, [{token: 1}] * 3)
        document = placed(document, place.steps, data.draw(st.sampled_from(forms)), token)
    way = data.draw(st.none() | st.sampled_from(sorted(PLANTED)))
    document = PLANTED[way](document, token) if way else document
    assert_no_trace(given_out(document, data.draw(st.sampled_from(Profile))), token)


@pytest.mark.parametrize("way", PLANTED)
def test_checker_shows_no_token(way: str) -> None:
    """What the checker says of forged payloads with a token in every key or value shows nothing of it."""
    record = records()["statistics-six.json:0"]
    payload = json.loads(body_of(record, Profile.STANDARD))
    inside = {**payload, "statistics": PLANTED[way](record, TOKEN)}
    for forged in (inside, PLANTED[way](payload, TOKEN), {**payload, TOKEN: 1}):
        faults = verify(_as_utf8(forged), CATALOGUE).faults
        assert faults != ()
        assert_no_trace("\n".join(faults), TOKEN)


@quick
@given(st.data())
def test_no_error_shows_a_token(data: st.DataObject) -> None:
    """However the bytes of a document are damaged, the refusal has none of its texts."""
    token = data.draw(tokens())
    record = records()[data.draw(st.sampled_from(("statistics.json:0", "statistics-3.8.1.fragment.json:0")))]
    raw = _as_utf8(mapped(record, lambda key: f"{key}{token}", lambda _: token))
    cut = data.draw(st.integers(0, len(raw)))
    debris = (b"", b"\xff", b"\x00", b"NaN", b"}", b'"', b"[" * 2000, token.encode(), b"\\ud800", b"\n{", b"1e999")
    damaged = data.draw(
        st.sampled_from(
            (
                raw[:cut],
                raw[:cut] + data.draw(st.sampled_from(debris)) + raw[cut:],
                raw[cut:],
                json.dumps([token, record]).encode(),
                json.dumps(token).encode(),
                raw.decode().encode("utf-16"),
                raw + raw,
                b"\x1f\x8b" + raw,
            )
        )
    )
    with everything_said() as said:
        for read in (lambda: ANONYMISERS[Profile.EXACT](damaged), lambda: read_newest(io.BytesIO(damaged))):
            try:
                read()
            except UnusableInput as error:
                said.append(told_by(error))
        said.extend(verify(damaged, CATALOGUE).faults)
    assert_no_trace("\n".join(said), token)


def _always(value: Json) -> Callable[[Json], Json]:
    return lambda _: value


SECRETS: tuple[str, ...] = runpy.run_path(str(EXAMPLES / "make_examples.py"))["SECRETS"]


@pytest.mark.parametrize("name", ["statistics.json:0", "statistics-six.json:0"])
def test_secrets_of_examples_never_show(name: str) -> None:
    """No identifying text of the examples is in anything that comes out of them, in no disguise."""
    assert len(SECRETS) > 100
    out = given_out(records()[name], Profile.EXACT) + given_out(records()[name], *Profile, is_whole=False)
    for secret in SECRETS:
        if len(secret) >= 5:
            assert_no_trace(out, secret)
        else:
            assert f'"{secret}"' not in out


@pytest.mark.parametrize("profile", Profile)
def test_long_number_never_shows(profile: Profile) -> None:
    """A telephone number in the place of every value is in no payload."""
    number = 4915112345678
    for record in records().values():
        for form in (number, float(number), str(number), {"$numberLong": str(number)}, [number], {str(number): number}):
            planted = mapped(record, _same, _always(form))
            report = ANONYMISERS[profile](planted)
            out = json.dumps(report.statistics()) + repr(report.findings)
            allowed = [m for m in leaving(profile).values() if m.operator == "count" and m.maximum >= number]
            assert out.count(str(number)) <= len(allowed)
            assert allowed == [] or {m.unit for m in allowed} == {"bytes"}


# 3 Closed output

VERSION = re.compile(r"(0|[1-9]\d?)(\.(0|[1-9]\d{0,2})){0,2}", re.ASCII)
MONTH = re.compile(r"20\d\d(-(0[1-9]|1[0-2]))?", re.ASCII)
PERIOD = {
    Profile.EXACT: re.compile(r"20\d\d-\d\d-\d\d", re.ASCII),
    Profile.STANDARD: re.compile(r"20\d\d-\d\d", re.ASCII),
    Profile.STRICT: re.compile(r"20\d\d-\d\d", re.ASCII),
}


def assert_closed(statistics: Document, profile: Profile) -> None:
    """Fail if *statistics* hold anything that the catalogue doesn't list for *profile*."""
    metrics = leaving(profile)
    parents = {emit.split(".")[:length].__str__() for emit in metrics for length in range(1, emit.count(".") + 1)}

    def look(value: Json, path: tuple[str, ...]) -> None:
        metric = metrics.get(".".join(path))
        if metric is not None:
            assert_allowed(value, metric, profile)
            return
        assert not path or str(list(path)) in parents, path
        assert type(value) is dict, path
        assert value or not path, f"{path} is empty"
        for key, inner in value.items():
            assert type(key) is str
            look(inner, (*path, key))

    look(statistics, ())


def assert_allowed(value: Json, metric: Metric, profile: Profile) -> None:  # noqa: PLR0912 - one case an operator
    """Fail if *value* is not what the operator of *metric* can give in *profile*."""
    treatment = CATALOGUE.kinds[metric.kind].treatments[profile]
    where = f"{metric.emit}: {value!r}"
    match metric.operator:
        case "count":
            assert_number(value, metric, treatment.step, where)
        case "sum":
            assert type(value) is dict, where
            assert value, where
            for word, number in value.items():
                assert word in CATALOGUE.vocabularies[metric.vocabulary].outputs(), where
                assert word in CATALOGUE.words, where
                assert_number(number, metric, treatment.step, where)
        case "flag":
            assert type(value) is bool, where
        case "choice":
            assert type(value) is str, where
            assert value in CATALOGUE.vocabularies[metric.vocabulary].outputs(treatment.fold) & CATALOGUE.words, where
        case "band" | "length" if metric.bands:
            assert type(value) is str, where
            named = CATALOGUE.bands[metric.bands]
            assert value in {*named[treatment.bands].names, *named["coarse"].names} & CATALOGUE.words, where
        case "length":
            assert_number(value, metric, 1, where)
        case "version":
            assert type(value) is str, where
            assert VERSION.fullmatch(value), where
            assert value.count(".") < treatment.parts, where
        case "month":
            assert type(value) is str, where
            assert MONTH.fullmatch(value), where
            assert len(value) == 4 or (treatment.precision == "month" and len(value) == 7), where
        case "split":
            assert_number(value, metric, treatment.step, where)
            assert value >= CATALOGUE.threshold, where
        case "table":
            assert type(value) is dict, where
            assert value, where
            assert value.keys() <= set(CATALOGUE.vocabularies[metric.vocabulary].members), where
            for number in value.values():
                assert_number(number, metric, treatment.step, where)
                assert number >= CATALOGUE.threshold, where
        case "moment":
            assert value in {ACTIVE_WITHIN[days] for days in treatment.days} & CATALOGUE.words, where
        case _:
            raise AssertionError(f"{where}: the operator {metric.operator} lets nothing through")


def assert_number(value: Json, metric: Metric, step: int, where: str) -> None:
    """Fail if *value* is not a whole number in the range of *metric*, or not a multiple of *step*."""
    assert type(value) is int, where
    assert 0 <= value <= metric.maximum, where
    assert value % step == 0, where


@given(documents())
def test_output_is_closed(document: Document) -> None:
    """Every key, word and number that leaves is one that the catalogue lists for that place and profile."""
    for profile in Profile:
        assert_closed(statistics_of(document, profile), profile)


@pytest.mark.parametrize("name", sorted(records()))
def test_output_of_records_is_closed(name: str) -> None:
    """Every key, word and number that leaves of a sample is one that the catalogue lists, and something leaves."""
    for profile in Profile:
        statistics = statistics_of(records()[name], profile)
        assert_closed(statistics, profile)
        assert statistics != {}


def test_nothing_is_taken_for_a_number() -> None:
    """A flag or a text in the place of a number is no number, and nothing of it leaves."""
    for metric in CATALOGUE.metrics.values():
        if metric.operator in ("count", "sum", "band"):
            for value in (True, False, "1", "12", [1], {"count": 1}):
                document = placed({"totalUsers": 247}, steps_of(metric.path), value)
                for profile in Profile:
                    left = found(statistics_of(document, profile), metric.emit.split("."))
                    assert left is MISSING, metric.path


@half
@given(documents(), strategies.moments(), strategies.scopes(), st.sampled_from(Profile))
def test_head_is_closed(document: Document, now: datetime, scope: frozenset[DataType], profile: Profile) -> None:
    """Around the statistics stand a digest, two numbers and three words, none of the document; all is canonical."""
    report = ANONYMISERS[profile](document)
    decision = decision_on(report, scope=scope, now=now)
    assume(decision.is_open)
    body = clear(report, decision).body
    payload = json.loads(body)
    assert body == json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    assert_closed(payload.pop("statistics"), profile)
    assert payload.pop("workspace") in ("registered", "hosted")
    assert PERIOD[profile].fullmatch(payload.pop("period"))
    head = {"catalogue": {"digest": CATALOGUE.digest, "version": CATALOGUE.version}, "format": 1, "profile": profile}
    assert head == payload


# 4 Determinism


def shuffled(value: Json, random: Random) -> Json:
    """Return *value* with the keys of each map in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, random)) for key, inner in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(inner, random) for inner in value] if isinstance(value, list) else value


@half
@given(documents(), st.integers(0, 2**32), st.sampled_from(Profile))
def test_order_of_keys_means_nothing(document: Document, seed: int, profile: Profile) -> None:
    """A document with its keys in another order gives the same bytes and the same findings."""
    anonymise = ANONYMISERS[profile]
    other = shuffled(document, Random(seed))  # noqa: S311
    assert body_of(document, profile) == body_of(other, profile)
    assert set(anonymise(document).findings or ()) == set(anonymise(other).findings or ())


@half
@given(documents(), st.sampled_from(Profile))
def test_runs_are_equal(document: Document, profile: Profile) -> None:
    """A second run, a fresh anonymiser's run and a run without findings give the same bytes."""
    expected = body_of(document, profile)
    assert expected == body_of(document, profile)
    fresh = Anonymiser(CATALOGUE, profile)(copy.deepcopy(document), findings=False)
    assert expected == sent(fresh, decision_on(fresh))
    assert fresh.findings is None


@half
@given(documents(), st.sampled_from(Profile))
def test_bytes_and_mapping_are_equal(document: Document, profile: Profile) -> None:
    """The JSON of a document gives what the parsed document gives."""
    try:
        report = ANONYMISERS[profile](as_bytes(document))
    except UnusableInput:
        assume(False)
    assert statistics_of(document, profile) == report.statistics()


@half
@given(KIT.realistic(extended=False), st.booleans(), st.sampled_from(Profile))
def test_extended_json_is_equal(document: Document, is_canonical: bool, profile: Profile) -> None:
    """A document gives the same statistics in plain JSON and as mongoexport wraps it."""
    wrapped = {key: as_extended_json(v, is_canonical=is_canonical) for key, v in document.items()}
    assert statistics_of(document, profile) == statistics_of(wrapped, profile)


PROGRAM = """
import contextlib, hashlib, json, locale, sys
from datetime import datetime, timezone
from rc_stats import *
from rc_stats.consent import SCOPES
with contextlib.suppress(locale.Error):
    locale.setlocale(locale.LC_ALL, "")
now = datetime(2098, 12, 31, 12, tzinfo=timezone.utc)
catalogue = load_catalogue()
for profile in Profile:
    anonymise = Anonymiser(catalogue, profile)
    terms = Terms(load_policy(), catalogue, profile)
    yes = what_if(terms, at=now, scope=SCOPES)
    for document in json.load(open(sys.argv[1], encoding="utf-8")):
        report = anonymise(document)
        kind = WorkspaceKind.HOSTED if report.evidence.is_hosted else WorkspaceKind.REGISTERED
        decision = decide(Workspace(kind), yes, terms.policy.recipient, Switches(), now, terms=terms,
                          evidence=report.evidence)
        payload = clear(report, decision) if decision.is_open else None
        body = payload.body if payload else json.dumps(report.statistics()).encode()
        envelope = payload and payload.envelope
        reasons = [reason.code for reason in decision.reasons]
        said = repr((sorted(map(repr, report.findings)), report.evidence, envelope, reasons))
        print(hashlib.sha256(body).hexdigest(), hashlib.sha256(said.encode()).hexdigest())
"""

SURROUNDINGS: dict[str, dict[str, str]] = {
    "hash seed": {"PYTHONHASHSEED": "4242"},
    "locale": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "1"},
    "no locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "2"},
    "time zone": {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "3"},
    "other side": {"TZ": "XXX11:30", "PYTHONOPTIMIZE": "2", "PYTHONHASHSEED": "random"},
}


@cache
def drawn_documents() -> tuple[Document, ...]:
    """Return documents of both kinds, always the same ones, and all records."""
    drawn: list[Document] = []

    @settings(
        max_examples=25,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents())
    def draw(document: Document) -> None:
        with contextlib.suppress(UnusableInput):
            ANONYMISERS[Profile.EXACT](as_bytes(document))
            drawn.append(document)

    draw()
    orders = itertools.permutations(MODELS[:4])
    mixed = [{"os": {"cpus": [{"model": model} for model in order]}} for order in orders]
    return (*drawn, *mixed, *records().values())


def run_in(surroundings: Mapping[str, str], path: Path) -> list[str]:
    """Return what :data:`PROGRAM` prints in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("TZ", "LANG", "PYTHONHASHSEED")}
    environment = {name: value for name, value in kept.items() if not name.startswith("LC_")}
    environment.update(surroundings)
    command = [sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


@pytest.fixture(scope="session")
def documents_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with many documents."""
    path = tmp_path_factory.mktemp("determinism") / "documents.json"
    path.write_bytes(as_bytes(list(drawn_documents())))
    return path


@pytest.fixture(scope="session")
def in_plain_surroundings(documents_file: Path) -> list[str]:
    """Return what the program prints with hash seed 0, in English and in UTC."""
    return run_in({"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}, documents_file)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_mean_nothing(name: str, documents_file: Path, in_plain_surroundings: list[str]) -> None:
    """Hash seed, locale, time zone and optimisation change neither a payload's bytes nor what is said about it."""
    assert len(in_plain_surroundings) == 3 * len(drawn_documents()) > 90
    assert in_plain_surroundings == run_in(SURROUNDINGS[name], documents_file)


# 5 Idempotence


@given(documents())
def test_statistics_are_a_fixed_point(document: Document) -> None:
    """Statistics that are fed back give the same statistics."""
    for profile in Profile:
        statistics = statistics_of(document, profile)
        assert statistics == statistics_of(statistics, profile)


@half
@given(documents(), strategies.scopes(), strategies.moments(), st.sampled_from(Profile))
def test_cleared_payload_is_ours(
    document: Document, scope: frozenset[DataType], now: datetime, profile: Profile
) -> None:
    """The checker takes every payload that the gate has cleared, whatever its scope and period, for ours."""
    report = ANONYMISERS[profile](document)
    decision = decision_on(report, scope=scope, now=now)
    assume(decision.is_open)
    payload = clear(report, decision)
    assert verify(payload.body, CATALOGUE).faults == ()
    assert genuine(payload) is payload


@quick
@given(
    documents(),
    st.sampled_from(range(len(strategies.OLDER_CATALOGUES))),
    strategies.scopes(),
    st.sampled_from(Profile),
)
def test_payload_under_an_older_yes_is_ours(
    document: Document, number: int, scope: frozenset[DataType], profile: Profile
) -> None:
    """The checker takes a payload for ours from which the metrics stay away that the admin didn't agree to."""
    terms = Terms(load_policy(), CATALOGUE, profile)
    report = ANONYMISERS[profile](document)
    kind = WorkspaceKind.HOSTED if report.evidence.is_hosted else WorkspaceKind.REGISTERED
    yes = what_if(Terms(terms.policy, strategies.OLDER_CATALOGUES[number], profile), at=LATE, scope=scope)
    decision = decide(
        Workspace(kind), yes, terms.policy.recipient, Switches(), LATE, terms=terms, evidence=report.evidence
    )
    assume(decision.is_open)
    assert decision.without
    assert verify(clear(report, decision).body, CATALOGUE).faults == ()


# 6 Monotonicity


def cleared_leaves(report: Report, decision: Decision) -> dict[tuple[str, ...], Any]:
    """Return the values that leave of *report* by their path; none where the answer is no."""
    return dict(leaves(json.loads(clear(report, decision).body)["statistics"])) if decision.is_open else {}


FINER = list(itertools.combinations(Profile, 2))


_PEOPLE = tuple(metric.emit for metric in METRICS if metric.operator in ("split", "table"))


def _numbers(statistics: Document) -> dict[tuple[str, ...], int]:
    """
    Return the numbers by path, but for those of people: whether they are shown follows from what is hidden too, and is
    attacked elsewhere.
    """
    numbers = {path: value for path, value in leaves(statistics) if type(value) is int}
    return {path: number for path, number in numbers.items() if not ".".join(path).startswith(_PEOPLE)}


def assert_follows(by_profile: Mapping[Profile, Document]) -> None:
    """Fail if a stricter profile's statistics have a leaf that a laxer one's lack, or a number that doesn't follow."""
    for finer, coarser in FINER:
        looser = {path for path, _ in leaves(by_profile[finer])}
        assert {path for path, _ in leaves(by_profile[coarser])} <= looser, (finer, coarser)
        assert _numbers(by_profile[coarser]) == _numbers(statistics_of(by_profile[finer], coarser)), (finer, coarser)


@half
@given(document=documents())
def test_coarser_profile_follows_from_finer(document: Document) -> None:
    """A stricter profile has no leaf that a laxer one lacks, and its numbers tell nothing beyond the laxer one's."""
    assert_follows({profile: statistics_of(document, profile) for profile in Profile})


@st.composite
def lone_documents(draw: st.DrawFn, kind: str, *, is_fed_back: bool = False) -> Document:
    """
    Return a document of many users that has only one metric of *kind* besides.

    Args:
        is_fed_back: It holds what the payload of some profile holds, where a payload has it; else what a document may.
    """
    metric = draw(st.sampled_from(KIT.leaving_kinds[kind]))
    steps = steps_of(metric.path)
    places = [steps[:-1] if metric.operator == "length" else steps, steps_of(default_emit(metric.path))]
    values = KIT.leaf_values(metric) | KIT.values(max_leaves=4)
    if is_fed_back:
        places, values = [steps_of(metric.emit)], KIT.payload_values(metric)
    document: Document = placed({"totalUsers": 247}, draw(st.sampled_from(places)), draw(values))
    return document


def assert_rules(some: list[Document]) -> None:
    """
    Fail if what leaves of one of these documents is not closed, no fixed point, or in a stricter profile more than in a
    laxer one; or if two that look alike in a laxer profile don't look alike in a stricter one.
    """
    told = [{profile: statistics_of(document, profile) for profile in Profile} for document in some]
    for finer, coarser in FINER:
        seen: dict[str, Document] = {}
        for document, by_profile in zip(some, told, strict=True):
            stricter = by_profile[coarser]
            assert seen.setdefault(repr(by_profile[finer]), stricter) == stricter, (finer, coarser, document)
    for by_profile in told:
        assert_follows(by_profile)
        for profile, statistics in by_profile.items():
            assert_closed(statistics, profile)
            assert statistics == statistics_of(statistics, profile)


@pytest.mark.parametrize("kind", KIT.leaving_kinds)
@quick
@given(data=st.data())
def test_each_kind_of_metric_keeps_the_rules(kind: str, data: st.DataObject) -> None:
    """Whatever a document has in the place of one metric, the properties 3, 5 and 6 hold for it."""
    assert_rules(data.draw(st.lists(lone_documents(kind), min_size=2, max_size=4)))


@pytest.mark.parametrize("kind", KIT.leaving_kinds)
@quick
@given(data=st.data())
def test_each_kind_of_metric_keeps_the_rules_when_fed_back(kind: str, data: st.DataObject) -> None:
    """A document that has what payloads have in the place of one metric breaks none of the properties 3, 5 and 6."""
    assert_rules(data.draw(st.lists(lone_documents(kind, is_fed_back=True), min_size=2, max_size=4)))


@half
@given(documents(), strategies.scopes(), strategies.scopes(), st.sampled_from(Profile))
def test_less_scope_has_no_more_leaves(
    document: Document, scope: frozenset[DataType], more: frozenset[DataType], profile: Profile
) -> None:
    """A yes to fewer data types gives a part of what a yes to more gives, with the same values."""
    report = ANONYMISERS[profile](document)
    narrow = cleared_leaves(report, decision_on(report, scope=scope))
    wide = cleared_leaves(report, decision_on(report, scope=scope | more))
    assert narrow.items() <= wide.items()
    metrics = leaving(profile)
    types = {metric.data_type for path in narrow for metric in metrics.values() if ".".join(path) == metric.emit}
    assert types <= scope


@half
@given(documents(), strategies.scopes(), st.sampled_from(Profile))
def test_lower_kind_has_no_more_leaves(document: Document, scope: frozenset[DataType], profile: Profile) -> None:
    """A lower kind of workspace gives a part of what a higher one gives, if the document contradicts neither."""
    document = {key: value for key, value in document.items() if key != "deploy"}
    report = ANONYMISERS[profile](document)
    kinds = (WorkspaceKind.UNREGISTERED, WorkspaceKind.REGISTERED, WorkspaceKind.HOSTED)
    lowest, lower, higher = (cleared_leaves(report, decision_on(report, kind=kind, scope=scope)) for kind in kinds)
    assert lowest == {}
    assert lower.items() <= higher.items()


@half
@given(documents(), st.sampled_from(WorkspaceKind), st.sampled_from(Profile))
def test_document_only_narrows(document: Document, kind: WorkspaceKind, profile: Profile) -> None:
    """What a document tells of itself never opens a gate that is closed to a document that tells nothing."""
    terms = Terms(load_policy(), CATALOGUE, profile)
    report = ANONYMISERS[profile](document)
    yes = what_if(terms, at=LATE, scope=SCOPES)
    silent, telling = (
        decide(Workspace(kind), yes, terms.policy.recipient, Switches(), LATE, terms=terms, evidence=evidence)
        for evidence in (None, report.evidence)
    )
    assert telling.allowed <= silent.allowed | {DataType.APP}
    assert not telling.is_open or silent.is_open


@quick
@given(documents(), st.sampled_from((0, 1, 9)))
def test_few_people_have_no_more_leaves(document: Document, few: int) -> None:
    """The same document of fewer than ten people gives no leaf that it doesn't give for many."""
    for profile in Profile:
        few_leaves = dict(leaves(statistics_of({**document, "totalUsers": few}, profile)))
        many_leaves = dict(leaves(statistics_of({**document, "totalUsers": 10_000}, profile)))
        del many_leaves["totalUsers",]
        few_leaves.pop(("totalUsers",), None)
        assert few_leaves.items() <= many_leaves.items()


# 7 Totality


def report_or_refusal(value: Json, profile: Profile) -> Report | UnusableInput:
    """Return the report of *value*, or the one error that it may give; anything else fails."""
    try:
        return ANONYMISERS[profile](value)
    except UnusableInput as error:
        refusal = error
    assert type(refusal) is UnusableInput
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.rule)
    assert refusal.exit_code == 4
    assert "\n" not in str(refusal)
    return refusal


@given(KIT.values(max_leaves=30), st.sampled_from(Profile))
def test_any_value_gives_report_or_refusal(value: Json, profile: Profile) -> None:
    """Any JSON value, parsed, gives a report if it is a map, and else the refusal that it is none."""
    outcome = report_or_refusal(value, profile)
    assert isinstance(outcome, Report) == isinstance(value, dict)
    assert isinstance(outcome, Report) or outcome.rule == "not-an-object"


@given(KIT.values(max_leaves=30) | KIT.hostile(), st.sampled_from(Profile))
def test_any_bytes_of_json_give_report_or_refusal(value: Json, profile: Profile) -> None:
    """The bytes of any JSON value give a report, or a refusal with one of four rules."""
    outcome = report_or_refusal(as_bytes(value), profile)
    assert isinstance(outcome, Report) or outcome.rule in ("not-an-object", "not-json", "too-deep", "wrong-encoding")


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode), st.sampled_from(Profile))
def test_any_bytes_give_report_or_refusal(raw: bytes, profile: Profile) -> None:
    """Any bytes give a report or a refusal, from the anonymiser, from a source and from the checker."""
    report_or_refusal(raw, profile)
    with contextlib.suppress(UnusableInput):
        read_newest(io.BytesIO(raw))
    assert not verify(raw, CATALOGUE).is_ours


@half
@given(documents(), st.sampled_from(Profile))
def test_input_is_not_changed(document: Document, profile: Profile) -> None:
    """The mapping that is handed over is the same afterwards, and a report doesn't share anything with it."""
    before = copy.deepcopy(document)
    report = ANONYMISERS[profile](document)
    first = report.statistics()
    assert repr(before) == repr(document)
    document.clear()
    assert first == report.statistics()
    first.clear()
    assert report.statistics() is not first


def frozen(value: Json) -> Json:
    """Return *value* with each map in a form that can't be changed and is no dict."""
    if isinstance(value, dict):
        return MappingProxyType({key: frozen(inner) for key, inner in value.items()})
    return [frozen(inner) for inner in value] if isinstance(value, list) else value


@half
@given(documents(), st.sampled_from(Profile))
def test_any_kind_of_mapping_is_equal(document: Document, profile: Profile) -> None:
    """A document of other mappings than dict, which can't even be changed, gives an equal report."""
    report, other = ANONYMISERS[profile](document), ANONYMISERS[profile](frozen(document))
    assert report.statistics() == other.statistics()
    assert set(report.findings or ()) == set(other.findings or ())
    assert report.evidence == other.evidence


def spelt_leaves(value: Json, place: Place | None, path: str = "") -> Iterator[list[str]]:
    """
    Yield, for each value of a document that holds no others, the paths down to it in the catalogue's spelling.

    An empty container in the place of one of the catalogue's holds nothing, so there is nothing to say of it.

    Args:
        place: Where the catalogue is; None below what it doesn't know.
    """
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _spelt_below(key, inner, place, path)
    elif isinstance(value, list) and value:
        below = place.children.get("[]") if place else None
        for item in value:
            for paths in spelt_leaves(item, below, f"{path}[]"):
                yield [path, *paths]
    elif place is None or not place.children or not isinstance(value, Mapping | list):
        yield [path]


def _spelt_below(key: str, inner: Json, place: Place | None, path: str) -> Iterator[list[str]]:
    below = place.children.get(key) or place.children.get("*") if place else None
    if place and key in ("[]", "*"):
        below = place.children.get("*")
    name = key if place and below is place.children.get(key) else "*"
    if below is None:
        name = mask(key, KNOWN_WORDS) if len(key) <= 80 else MASK
    here = f"{path}.{name}" if path else name
    if below is None and (place is None or path):
        yield [path, here]
        return
    for paths in spelt_leaves(inner, below, here):
        yield [path, *paths]


KNOWN_WORDS = ANONYMISERS[Profile.EXACT].plan.known_words


def ways_to_say(path: str) -> set[str]:
    """Return the paths of a document that a finding on *path* speaks of: itself, and where its payload form stands."""
    metric = CATALOGUE.metrics.get(path)
    return {path, default_emit(path)} | ({metric.emit} if metric else set())


@given(documents(), st.sampled_from(Profile))
def test_findings_cover_every_path(document: Document, profile: Profile) -> None:
    """Each value of a document has a finding on its path in the catalogue's spelling, or on a path above it."""
    findings = ANONYMISERS[profile](document).findings or ()
    covered = {way for finding in findings for way in ways_to_say(finding.path)}
    for paths in spelt_leaves(document, KIT.tree):
        assert covered & set(paths), paths


@half
@given(documents(), st.sampled_from(Profile))
def test_findings_are_honest(document: Document, profile: Profile) -> None:
    """What is said to leave is what leaves, no path is named twice, and every unknown key is counted."""
    report = ANONYMISERS[profile](document)
    findings = report.findings or ()
    statistics = report.statistics()
    said = {finding.emit for finding in findings if finding.action in ("kept", "coarsened", "counted")}
    assert said == {emit for emit in leaving(profile) if found(statistics, emit.split(".")) is not MISSING}
    assert all(bool(finding.emit) == (finding.emit in said) for finding in findings)
    names = [finding.path for finding in findings]
    assert len(names) == len(set(names))
    assert all(finding.times >= 1 for finding in findings)


@pytest.mark.parametrize("key", [None, "os", "a", "$date"])
def test_depth_is_no_matter(key: str | None) -> None:
    """A parsed document may be nested a hundred thousand deep, at any place, and the bytes of it are refused."""
    deep = nested(1, 100_000, key)
    document = {place.steps[0]: deep for place in KIT.places} | {"unknown": deep, "totalUsers": 12}
    for profile in Profile:
        report = ANONYMISERS[profile](document)
        assert report.statistics() == statistics_of({"totalUsers": 12}, profile) | _lengths(report)
    raw = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    refusal = report_or_refusal(raw, Profile.STANDARD)
    assert isinstance(refusal, UnusableInput)
    assert refusal.rule == "too-deep"


def _lengths(report: Report) -> Document:
    """Return what leaves of lists that were put in the place of top-level values: nothing but a table's emptiness."""
    return {key: value for key, value in report.statistics().items() if key != "totalUsers" and value == {}}


def test_size_is_no_matter() -> None:
    """A hundred thousand unknown keys and ten thousand rows of each list give a report with few findings."""
    rows = [{"role": "admin", "count": 1}] * 10_000
    document: Document = {f"unknownQx{number}": number for number in range(100_000)} | {"totalUsers": 12}
    for place in KIT.lists:
        document = placed(document, place.steps, rows)
    report = ANONYMISERS[Profile.STANDARD](document)
    assert report.statistics()["totalUsers"] == 12
    assert len(report.findings or ()) < 200
    assert (
        sum(finding.times for finding in report.findings or () if finding.path.startswith(("unknown", MASK))) == 100_000
    )


@half
@given(
    documents(),
    strategies.workspaces(),
    strategies.consents(),
    strategies.switches(),
    strategies.moments(),
    strategies.terms(),
)
def test_gate_answers_every_question(  # noqa: PLR0917
    document: Document, workspace: Workspace, consent: Consent, switches: Switches, now: datetime, terms: Terms
) -> None:
    """The gate answers any document, workspace, consent, switches and clock with a payload that is ours, or reasons."""
    report = ANONYMISERS[terms.profile](document)
    recipient = terms.policy.recipient
    decision = decide(workspace, consent, recipient, switches, now, terms=terms, evidence=report.evidence)
    if decision.is_open:
        payload = clear(report, decision)
        assert genuine(payload) is payload
        assert consent.state == "granted"
        assert workspace.kind != "unregistered"
        assert switches.on == ()
        assert decision.allowed <= consent.scope & ALL
        return
    assert decision.closing
    with pytest.raises(RcStatsError) as refusal:
        clear(report, decision)
    assert type(refusal.value) is GateClosed
    assert refusal.value.rule == decision.closing[0].code


def test_strategies_reach_everything(catalogue: Catalogue, policy: Policy) -> None:
    """The drawn documents fill every place of the catalogue, and of each metric something leaves; all gates are met."""
    seen: set[str] = set()
    left: set[str] = set()

    @settings(
        max_examples=150,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(KIT.realistic(extended=False))
    def look(document: Document) -> None:
        seen.update(path for paths in spelt_leaves(document, KIT.tree) for path in paths)
        left.update(".".join(path) for path, _ in leaves(statistics_of(document, Profile.EXACT)))

    look()
    assert {spelt(place.steps) for place in KIT.places if not place.children} - seen == {"statistics"} - seen
    single = {m.emit for m in leaving(Profile.EXACT).values() if m.operator not in ("sum", *PEOPLE_OPERATORS)}
    assert single - left == set()
    for operator in ("split", "table"):
        emits = {m.emit for m in leaving(Profile.EXACT).values() if m.operator == operator}
        assert any(path.startswith(tuple(emits)) for path in left), operator
    assert catalogue is CATALOGUE
    assert policy is load_policy()
