"""Each named check is broken once and reported under its name; the packaged catalogue breaks none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rc_stats import load_catalogue, load_policy
from rc_stats.anonymise import Anonymiser
from rc_stats.catalogue import Catalogue, Facts, Kind, Metric, Profile, Treatment
from rc_stats.lint import CATALOGUE_CHECKS, METRIC_CHECKS, Problem, lint_catalogue
from rc_stats.operators import Bands, Vocabulary
from rc_stats.policy import DataType

OPEN = {profile: Treatment() for profile in Profile}
EXACT, STANDARD, STRICT = Profile

KINDS = {
    "total": Kind("total", "total of things", "statistics-sharing", ("count", "sum"), OPEN),
    "setting": Kind("setting", "setting", "statistics-sharing", ("flag", "choice"), OPEN),
    "names": Kind("names", "names", "statistics-sharing", ("length",), OPEN),
    "hardware": Kind("hardware", "machine", "statistics-sharing", ("band", "length"), OPEN),
    "folded": Kind("folded", "word", "statistics-sharing", ("choice",), {**OPEN, STRICT: Treatment(fold="height")}),
    "version": Kind("version", "version", "statistics-sharing", ("version", "month"), OPEN),
    "people": Kind(
        "people",
        "people",
        "statistics-sharing",
        ("split", "table", "moment"),
        {profile: Treatment(withhold="too-fine-for-strict") for profile in Profile},
    ),
    "identity": Kind("identity", "identifier", "statistics-sharing", ("drop",), {}),
}
VOCABULARIES = {
    "places": Vocabulary(
        "places", ("hill", "moor", "marsh"), groups={"height": {"hill": "up", "moor": "up", "marsh": "down"}}
    ),
    "pair": Vocabulary("pair", ("one", "two")),
}
BANDS = {"memory": {"fine": Bands("GiB", 1, (2, 4), ("a", "b", "c")), "coarse": Bands("GiB", 1, (4,), ("d", "e"))}}


def metric(path: str, **changes: Any) -> Metric:
    """Return a sound metric of *path*, with *changes*."""
    sound: dict[str, Any] = {
        "path": path,
        "operator": "count",
        "kind": "total",
        "data_type": DataType.USAGE,
        "section": "Example",
        "unit": "boats",
        "json": ("integer",),
        "says": "How many boats there are.",
        "source": "example/boats.ts",
        "added": 1,
        "emit": path.partition("[]")[0].partition(".*")[0],
        "useful": "Shows how many boats there are.",
        "minimum": 0,
        "maximum": 1000,
    }
    return Metric(**sound | changes)


def catalogue(*metrics: Metric, **changes: Any) -> Catalogue:
    """Return a small sound catalogue with *metrics* in it, with *changes*."""
    people = metric("people")
    made_at = metric("made_at", operator="drop", kind="identity", reason="moment", useful="", json=("string",))
    sound: dict[str, Any] = {
        "name": "harbour",
        "title": "Harbour",
        "version": 1,
        "threshold": 10,
        "facts": Facts("people", "made_at", "", "", "cloud"),
        "kinds": KINDS,
        "vocabularies": VOCABULARIES,
        "bands": BANDS,
        "metrics": {m.path: m for m in (people, made_at, *metrics)},
        "digest": "sha256:0",
    }
    return Catalogue(**sound | changes)


def problems(broken: Catalogue) -> list[tuple[str, str]]:
    """Return name and place of every problem of *broken*."""
    return [(problem.check, problem.where) for problem in lint_catalogue(broken, load_policy())]


SOUND = {
    "count": metric("a"),
    "flag": metric("a", operator="flag", kind="setting", json=("boolean", "null")),
    "choice": metric("a", operator="choice", kind="setting", json=("string",), vocabulary="pair"),
    "choice in items": metric(
        "a[].b", operator="choice", kind="setting", json=("string",), vocabulary="pair", emit="a.b"
    ),
    "folded": metric("a", operator="choice", kind="folded", json=("string",), vocabulary="places"),
    "version": metric("a", operator="version", kind="version", json=("string",)),
    "month": metric("a", operator="month", kind="version", json=("string", "object")),
    "length": metric("a[]", operator="length", kind="names", json=("string",)),
    "length of a map": metric("a.*", operator="length", kind="names", json=("string",)),
    "band": metric("a", operator="band", kind="hardware", bands="memory"),
    "sized": metric("a[]", operator="length", kind="hardware", bands="memory", json=("array",)),
    "sum": metric("a[].b", operator="sum", vocabulary="pair", key="c"),
    "split": metric("a", operator="split", kind="people", of="people"),
    "table": metric("a.*", operator="table", kind="people", of="people", vocabulary="places"),
    "moment": metric("a", operator="moment", kind="people", json=("string",)),
    "drop": metric("a", operator="drop", kind="identity", json=("string",), reason="a name", useful=""),
    "content": metric("a[]", operator="length", kind="names", data_type=DataType.USER_CONTENT, json=("string",)),
    "tracking": metric("a", operator="drop", kind="identity", data_type=DataType.TRACKING, reason="a name", useful=""),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_metrics(name: str) -> None:
    """A sound metric of each operator has no problem, and what lint lets through can be compiled in every profile."""
    sound = catalogue(SOUND[name])
    assert problems(sound) == []
    for profile in Profile:
        Anonymiser(sound, profile)({})


def test_the_packaged_catalogue_is_clean() -> None:
    """The packaged catalogue has no problem."""
    assert lint_catalogue(load_catalogue(), load_policy()) == ()


BROKEN_METRICS: list[tuple[str, Metric]] = [
    ("user-content", replace(SOUND["count"], data_type=DataType.USER_CONTENT)),
    ("user-content", replace(SOUND["choice"], data_type=DataType.USER_CONTENT)),
    ("user-content", replace(SOUND["split"], data_type=DataType.USER_CONTENT)),
    ("tracking", replace(SOUND["count"], data_type=DataType.TRACKING)),
    ("tracking", replace(SOUND["length"], data_type=DataType.TRACKING)),
    ("tracking", replace(SOUND["table"], data_type=DataType.TRACKING)),
    ("operator", replace(SOUND["count"], operator="hash")),
    ("operator", replace(SOUND["count"], kind="names")),
    ("operator", replace(SOUND["drop"], kind="total")),
    ("operator", replace(SOUND["count"], kind="identity")),
    ("free-text", replace(SOUND["count"], json=("string", "null"))),
    ("free-text", replace(SOUND["flag"], json=("boolean", "string"))),
    ("free-text", replace(SOUND["split"], json=("string",))),
    ("sentence", replace(SOUND["count"], says="How many boats there are")),
    ("sentence", replace(SOUND["count"], says="Boats.")),
    ("sentence", replace(SOUND["count"], says="how many boats there are.")),
    ("sentence", replace(SOUND["count"], says="")),
    ("printable", replace(SOUND["count"], says="How many\x1b[31m boats.")),
    ("printable", replace(SOUND["count"], unit="boats\x1b[2J")),
    ("printable", replace(SOUND["count"], section="Boats\n")),
    ("printable", replace(SOUND["count"], source="boats.ts\x07")),
    ("printable", replace(SOUND["count"], useful="To know \u202eboats.")),
    ("printable", replace(SOUND["drop"], reason="a boat\u2066s name")),
    ("purpose", replace(SOUND["count"], useful="")),
    ("purpose", replace(SOUND["drop"], reason="")),
    ("unit", replace(SOUND["count"], unit="")),
    ("provenance", replace(SOUND["count"], source="")),
    ("provenance", replace(SOUND["count"], added=2)),
    ("provenance", replace(SOUND["count"], json=("integer", "bigint"))),
    ("provenance", replace(SOUND["count"], json=("",))),
    ("bound", replace(SOUND["count"], maximum=0)),
    ("bound", replace(SOUND["count"], minimum=1000)),
    ("bound", replace(SOUND["count"], minimum=-1)),
    ("bound", replace(SOUND["count"], maximum=2**53 + 1)),
    ("bound", replace(SOUND["length"], maximum=0)),
    ("bound", replace(SOUND["band"], maximum=0)),
    ("bound", replace(SOUND["sum"], maximum=0)),
    ("bound", replace(SOUND["split"], maximum=0)),
    ("bound", replace(SOUND["table"], maximum=0)),
    ("word-list", replace(SOUND["choice"], vocabulary="")),
    ("word-list", replace(SOUND["choice"], vocabulary="unknown")),
    ("word-list", replace(SOUND["sum"], vocabulary="")),
    ("word-list", replace(SOUND["sum"], key="")),
    ("word-list", replace(SOUND["count"], vocabulary="pair")),
    ("word-list", replace(SOUND["band"], bands="")),
    ("word-list", replace(SOUND["sized"], bands="unknown")),
    ("fold", replace(SOUND["folded"], vocabulary="pair")),
    ("table-order", replace(SOUND["table"], vocabulary="pair")),
    ("people", replace(SOUND["split"], of="")),
    ("people", replace(SOUND["table"], of="unknown")),
    ("placeholders", replace(SOUND["count"], path="a[].b")),
    ("placeholders", replace(SOUND["flag"], path="a.*")),
    ("placeholders", replace(SOUND["version"], path="a[]")),
    ("placeholders", replace(SOUND["month"], path="a.*.b")),
    ("placeholders", replace(SOUND["band"], path="a[]")),
]


@pytest.mark.parametrize(("check", "broken"), BROKEN_METRICS, ids=[name for name, _ in BROKEN_METRICS])
def test_broken_metric(check: str, broken: Metric) -> None:
    """A metric that breaks one rule is reported under the rule's name and by its path."""
    assert problems(catalogue(broken)) == [(check, broken.path)]


def with_kind(**treatments: Treatment) -> Catalogue:
    """Return a catalogue whose metric `a` has a kind with these treatments."""
    kind = replace(KINDS["total"], treatments=OPEN | {Profile(name): t for name, t in treatments.items()})
    return catalogue(metric("a", kind="other-total"), kinds={**KINDS, "other-total": kind})


GONE = Treatment(withhold="too-fine")


@pytest.mark.parametrize(
    "treatments",
    [{"exact": GONE}, {"standard": GONE}, {"exact": GONE, "standard": GONE}],
    ids="-".join,
)
def test_broken_order_of_profiles(treatments: dict[str, Treatment]) -> None:
    """A stricter profile that lets through what a laxer one withholds is reported."""
    assert problems(with_kind(**treatments)) == [("monotone", "a")]


@pytest.mark.parametrize("treatments", [{}, {"strict": GONE}, {"standard": GONE, "strict": GONE}], ids=len)
def test_sound_order_of_profiles(treatments: dict[str, Treatment]) -> None:
    """A stricter profile that withholds more is fine."""
    assert problems(with_kind(**treatments)) == []


@pytest.mark.parametrize(
    "treatments",
    [
        {"standard": Treatment(needs_people=10)},
        {"exact": Treatment(step=10, absent_zero=True)},
        {"standard": Treatment(significant=2), "strict": Treatment(significant=3)},
        {"standard": Treatment(step=10)},
    ],
    ids=["condition", "absent-zero", "digits", "step"],
)
def test_a_stricter_profile_tells_no_more(treatments: dict[str, Treatment]) -> None:
    """A stricter profile that gives a value, or a digit, which a laxer one lacks is reported."""
    assert ("monotone", "a") in problems(with_kind(**treatments))


def test_people_who_leave() -> None:
    """A figure of people that is not frozen, or a moment without its conditions, is reported."""
    kinds = {**KINDS, "people": replace(KINDS["people"], treatments=OPEN)}
    for name in ("split", "table", "moment"):
        assert set(problems(catalogue(SOUND[name], kinds=kinds))) == {("people", SOUND[name].path)}


def _places(**changes: Any) -> dict[str, Vocabulary]:
    return VOCABULARIES | {"places": replace(VOCABULARIES["places"], **changes)}


def _memory(**changes: Bands) -> dict[str, dict[str, Bands]]:
    return {"memory": BANDS["memory"] | changes}


BROKEN_CATALOGUES: dict[str, list[tuple[Callable[[], Catalogue], str]]] = {
    "unique-emit": [
        (lambda: catalogue(metric("a"), metric("b", emit="a")), "b"),
        (lambda: catalogue(metric("a"), metric("b", emit="a.b")), "b"),
        (lambda: catalogue(metric("a.b.c"), metric("a")), "a.b.c"),
        (lambda: catalogue(metric("a"), metric("a[]", operator="length", kind="names")), "a[]"),
    ],
    "one-data-type": [
        (lambda: catalogue(metric("a.b"), metric("a.c", data_type=DataType.APP)), "a.c"),
    ],
    "clause": [
        (lambda: catalogue(kinds={**KINDS, "setting": replace(KINDS["setting"], clause="unknown")}), "kind setting"),
    ],
    "titles": [
        (lambda: catalogue(name="boats\x1b[31m"), "name"),
        (lambda: catalogue(title="Boats\n"), "title"),
        (lambda: catalogue(kinds={**KINDS, "setting": replace(KINDS["setting"], label="\u202ea")}), "kind setting"),
    ],
    "words": [
        (lambda: catalogue(vocabularies=_places(members=("hill", "Hill", "marsh", "moor"))), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(members=("hill", "hill", "marsh", "moor"))), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(members=("hill", "moor", "marsh", ""))), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(members=("hill", "moor", "marsh", "x" * 61))), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(members=("hill", "moor", "marsh", "fjällhed"))), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(members=("hill", "moor", "marsh", "a\nb"))), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(groups={"height": {"hill": "ü"}})), "vocabulary places"),
        (lambda: catalogue(vocabularies=_places(groups={"height": {"cliff": "up"}})), "vocabulary places"),
    ],
    "buckets": [
        (lambda: catalogue(bands=_memory(fine=Bands("GiB", 1, (4, 2), ("a", "b", "c")))), "bands memory"),
        (lambda: catalogue(bands=_memory(fine=Bands("GiB", 1, (2, 2, 4), ("a", "b", "c", "d")))), "bands memory"),
        (lambda: catalogue(bands=_memory(fine=Bands("GiB", 1, (2, 4), ("a", "b")))), "bands memory"),
        (lambda: catalogue(bands=_memory(fine=Bands("GiB", 1, (2, 4), ("a", "b", "a")))), "bands memory"),
        (lambda: catalogue(bands=_memory(coarse=Bands("GiB", 1, (3,), ("d", "e")))), "bands memory"),
        (lambda: catalogue(bands=_memory(fine=Bands("GiB", 1, (2, 4), ("a", "b", "\x1b[2J")))), "bands memory"),
        (lambda: catalogue(bands=_memory(fine=Bands("GiB", 1, (2, 4), ("a", "b", "c" * 61)))), "bands memory"),
    ],
    "capacity": [(lambda: replace(catalogue(), capacity={Profile.EXACT: 0}), "profile exact")],
    "facts": [
        (lambda: catalogue(facts=Facts("unknown", "made_at", "", "", "")), "facts"),
        (lambda: catalogue(facts=Facts("people", "unknown", "", "", "")), "facts"),
        (lambda: catalogue(facts=Facts("people", "made_at", "unknown", "", "")), "facts"),
        (lambda: catalogue(facts=Facts("people", "made_at", "", "unknown", "")), "facts"),
    ],
}


@pytest.mark.parametrize(
    ("check", "broken", "where"),
    [(check, broken, where) for check, cases in BROKEN_CATALOGUES.items() for broken, where in cases],
)
def test_broken_catalogue(check: str, broken: Callable[[], Catalogue], where: str) -> None:
    """A catalogue that breaks one rule is reported under the rule's name and by the place."""
    assert problems(broken()) == [(check, where)]


def test_every_check_is_broken_once() -> None:
    """No named check is without a catalogue that breaks it here."""
    broken = {name for name, _ in BROKEN_METRICS} | set(BROKEN_CATALOGUES) | {"monotone"}
    assert {*METRIC_CHECKS, *CATALOGUE_CHECKS} == broken


def test_all_problems_at_once() -> None:
    """A catalogue that breaks many rules gets all of them reported, for every metric."""
    bad = metric("a", operator="hash", says="", useful="", unit="", source="", data_type=DataType.TRACKING)
    worse = metric("b", maximum=0, json=("string",))
    found = problems(catalogue(bad, worse, facts=Facts("unknown", "made_at", "", "", "")))
    expected = [
        ("tracking", "a"),
        ("operator", "a"),
        ("sentence", "a"),
        ("purpose", "a"),
        ("unit", "a"),
        ("provenance", "a"),
        ("free-text", "b"),
        ("bound", "b"),
        ("facts", "facts"),
    ]
    assert sorted(expected) == sorted(found)


def test_a_problem_is_one_line() -> None:
    """A problem is told in one line that names the place, what is wrong and the check."""
    assert str(Problem("unit", "a.b", "needs a unit")) == "a.b: needs a unit (unit)"


# --- what a catalogue must not get past lint, since what it would make is no fixed point of the published words


@pytest.mark.parametrize(
    "changes", [{"true_is": "cliff"}, {"empty_is": "cliff"}, {"words": {"rock": "cliff"}}], ids="".join
)
def test_every_word_that_can_leave_is_listed(changes: dict[str, Any]) -> None:
    """A word that true, an empty text or a part of a text stand for has to be a member of the list."""
    assert ("words", "vocabulary places") in problems(catalogue(vocabularies=_places(**changes)))


def test_a_dropped_path_is_nobody_elses_place() -> None:
    """A metric that stands in the payload where another one is dropped in the document is reported."""
    shown = metric("shown", emit="hidden")
    hidden = metric("hidden", operator="drop", kind="identity", reason="a figure of one person", useful="")
    leaky = catalogue(shown, hidden)
    assert problems(leaky) != [] or Anonymiser(leaky)({"hidden": 7}).statistics() == {}


def test_dropped_metrics_of_a_mixed_kind() -> None:
    """A kind that allows dropping beside another operator is reported, or its dropped metrics are dropped."""
    kinds = {**KINDS, "total": replace(KINDS["total"], operators=("count", "drop"))}
    mixed = catalogue(metric("a", operator="drop", reason="a name", useful=""), kinds=kinds)
    if not problems(mixed):
        assert Anonymiser(mixed)({"a": 7}).statistics() == {}
