"""Each operator as a table, and the claims about all of them: total, without coercion, closed, a fixed point."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rc_stats import load_catalogue
from rc_stats.operators import (
    LONGEST_WORD,
    OTHER,
    Bands,
    Operator,
    Refusal,
    Vocabulary,
    agreed,
    band,
    choice,
    count,
    flag,
    floor_significant,
    length,
    moment_of,
    month,
    output_words,
    renamed,
    sized,
    total_by,
    version,
)

NOT_SET = Refusal.NOT_SET
WRONG_TYPE = Refusal.WRONG_TYPE
OUT_OF_RANGE = Refusal.OUT_OF_RANGE
NOT_A_VERSION = Refusal.NOT_A_VERSION
NOT_A_DATE = Refusal.NOT_A_DATE
ROUNDS_TO_ZERO = Refusal.ROUNDS_TO_ZERO

PLACES = Vocabulary(
    "places",
    ("Harbour", "hill", "Moor-Side", "marsh"),
    groups={"height": {"Harbour": "low", "hill": "high", "Moor-Side": "high", "marsh": "low"}},
)
SWITCH = Vocabulary("switch", ("on", "off", "Single"), true_is="on", empty_is="off")
MAKERS = Vocabulary(
    "makers", ("intel", "amd"), words={"intel": "intel", "intel(r)": "intel", "epyc": "amd", "amd": "amd"}
)
SOURCES = Vocabulary("sources", ("widget", "email"))
FINE = Bands("GiB", 1024, (2, 4, 8), ("under 2", "2 to 4", "4 to 8", "8 or more"))
COARSE = Bands("GiB", 1024, (4,), ("under 4", "4 or more"))
SIZES = Bands("items", 1, (2, 5), ("1", "2 to 4", "5 or more"))

OPERATORS: dict[str, Operator] = {
    "count": count(0, 10_000_000),
    "count from 1": count(1, 100),
    "count by 10": count(0, 10_000_000, step=10, absent_zero=True),
    "count to 2 digits": count(0, 10_000_000, significant=2),
    "count to 2 digits by 10": count(0, 10_000_000, significant=2, step=10, absent_zero=True),
    "count with fractions": count(0, 10_000_000, fractional=True),
    "flag": flag,
    "choice": choice(PLACES),
    "choice with switch": choice(SWITCH),
    "choice by words": choice(MAKERS),
    "choice, folded": choice(PLACES, fold="height"),
    "agreed": agreed(choice(PLACES), "place"),
    "version 1": version(1),
    "version 2": version(2),
    "version 3": version(3),
    "length": length(1000),
    "sum": total_by("type", "count", SOURCES, 10**9, rounded=count(0, 10**9)),
    "sum by 10": total_by("type", "count", SOURCES, 10**9, rounded=count(0, 10**9, step=10, absent_zero=True)),
    "band": band(FINE, 1, 2**50),
    "coarse band": band(COARSE, 1, 2**50),
    "sized": sized(SIZES, 4096),
    "month": month("month"),
    "year": month("year"),
}

keys = st.sampled_from(["type", "count", "place", "$numberInt", "$date", "widget", "other", "email"]) | st.text(
    max_size=5
)
texts = (
    st.text(max_size=20)
    | st.sampled_from(["Harbour", "HILL", "other", "low", "on", "8.7.0", "2 to 4", "2026-08", "2026", "", "4 or more"])
    | st.from_regex(r"\Av?\d{1,3}(\.\d{1,4}){0,3}[-+. ~a-z]{0,3}\Z")
    | st.from_regex(r"\A(19|20|21)\d\d-[01]\d-[0-3]\dT[012]\d:00:00(\.\d{3})?(Z|[+-][012]\d:00)\Z")
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
items = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": texts | st.sampled_from(["widget", "email"]),
            "count": st.integers(-1, 10**9),
            "place": texts,
        },
    ),
    max_size=5,
)


def as_document(value: Any) -> Any:
    """Return an operator's result as a payload has it."""
    return dict(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=30)
@given(value=json_values | items)
def test_operators_are_total(name: str, value: Any) -> None:
    """Any JSON value gives a refusal or a plain value of the closed set of types, and never an error."""
    result = OPERATORS[name](value)
    assert isinstance(result, Refusal) or type(result) in (int, str, bool, tuple)


@pytest.mark.parametrize("name", [name for name in OPERATORS if name != "agreed"])
@settings(max_examples=50)
@given(value=json_values | items | st.integers(0, 10**7) | st.booleans() | texts)
def test_operators_keep_their_own_results(name: str, value: Any) -> None:
    """An operator gives its own result back unchanged, so that a payload fed back gives itself."""
    operator = OPERATORS[name]
    result = operator(value)
    assert isinstance(result, Refusal) or result == operator(as_document(result))


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("value", [None])
def test_null_is_not_set(name: str, value: None) -> None:
    """Null is "not set" to every operator, and never zero, false or an empty word."""
    assert NOT_SET is OPERATORS[name](value)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(
    "value", ["x" * 10**6, [0] * 10**5, {str(number): number for number in range(10**5)}, 10**400, -(10**400)], ids=type
)
def test_large_values(name: str, value: Any) -> None:
    """A large value gives a value or a refusal, whatever the operator."""
    result = OPERATORS[name](value)
    assert isinstance(result, Refusal) or len(str(result)) < 100


def nested(depth: int) -> Any:
    """Return lists within lists, as deep as the parser lets through."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", OPERATORS)
def test_deep_values(name: str) -> None:
    """Values as deep as the parser lets through, twice and apart, give a refusal and no error."""
    deep = 1015
    rows = [{"type": nested(deep), "count": nested(deep), "place": nested(deep)} for _ in range(2)]
    for value in (nested(deep), rows, {"widget": nested(deep), "email": nested(deep)}):
        result = OPERATORS[name](value)
        assert isinstance(result, Refusal) or len(str(result)) < 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (100, 100),
        (4, OUT_OF_RANGE),
        (101, OUT_OF_RANGE),
        (-5, OUT_OF_RANGE),
        (2**63, OUT_OF_RANGE),
        (10**400, OUT_OF_RANGE),
        (12.0, 12),
        (101.0, OUT_OF_RANGE),
        (12.5, WRONG_TYPE),
        (2.0**60, WRONG_TYPE),
        (math.nan, WRONG_TYPE),
        (math.inf, WRONG_TYPE),
        (True, WRONG_TYPE),
        (False, WRONG_TYPE),
        ("12", WRONG_TYPE),
        ("", WRONG_TYPE),
        ([], WRONG_TYPE),
        ([12], WRONG_TYPE),
        ({}, WRONG_TYPE),
        ({"$numberInt": "12"}, WRONG_TYPE),
        (None, NOT_SET),
    ],
    ids=lambda item: repr(item)[:20],
)
def test_count(value: object, expected: object) -> None:
    """A count passes an integer within its bounds, both ends included, and takes nothing else for one."""
    result = count(5, 100)(value)
    assert expected == result
    assert type(expected) is type(result)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(12.7, 12), (0.5, 0), (100.9, 100), (101.0, OUT_OF_RANGE), (-0.5, OUT_OF_RANGE), (math.inf, WRONG_TYPE)],
)
def test_count_with_fractions(value: float, expected: object) -> None:
    """Where upstream sends fractions, they are cut, downwards, and the bounds hold for what remains."""
    assert expected == count(0, 100, fractional=True)(value)


@pytest.mark.parametrize("value", [math.nan, True, "1", None, []])
def test_count_with_fractions_takes_nothing_else(value: object) -> None:
    """Fractions are numbers still: nothing of another type is taken because fractions are allowed."""
    assert isinstance(count(0, 100, fractional=True)(value), Refusal)


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(0, 2, 0), (9, 1, 9), (10, 1, 10), (99, 2, 99), (100, 2, 100), (109, 2, 100), (999, 2, 990), (12345, 3, 12300)],
)
def test_significant_digits(value: int, digits: int, expected: int) -> None:
    """Rounding to significant digits goes down and keeps that many digits."""
    assert expected == floor_significant(value, digits)
    assert expected == count(0, 10**6, significant=digits)(value)


@pytest.mark.parametrize(
    ("value", "step", "absent_zero", "expected"),
    [
        (0, 10, False, 0),
        (9, 10, False, 0),
        (10, 10, False, 10),
        (19, 10, False, 10),
        (0, 10, True, ROUNDS_TO_ZERO),
        (9, 10, True, ROUNDS_TO_ZERO),
        (10, 10, True, 10),
        (0, 1, True, ROUNDS_TO_ZERO),
        (1, 1, True, 1),
    ],
)
def test_step(value: int, step: int, absent_zero: bool, expected: object) -> None:
    """Rounding to a step goes down; with absent zero, zero and what rounds to it are withheld alike."""
    assert expected == count(0, 1000, step=step, absent_zero=absent_zero)(value)


@settings(max_examples=100)
@given(st.integers(0, 10**12), st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 5, 10]))
def test_floors_nest(value: int, few: int, more: int, step: int) -> None:
    """A coarser count of a number is the coarser count of its finer count, so having both tells nothing new."""
    few, more = sorted((few, more))
    fine = count(0, 10**12, significant=more)
    coarse = count(0, 10**12, significant=few, step=step)
    finer = fine(value)
    assert type(finer) is int
    assert finer <= value
    assert coarse(value) == coarse(finer)


@pytest.mark.parametrize("value", [5, 9, 100])
def test_rounding_stays_within_the_bounds(value: int) -> None:
    """A rounded count is within the bounds too: what rounds below the minimum gives no value."""
    operator = count(5, 100, step=10)
    result = operator(value)
    assert isinstance(result, Refusal) or operator(result) == result


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (None, NOT_SET),
        (0, WRONG_TYPE),
        (1, WRONG_TYPE),
        (1.0, WRONG_TYPE),
        ("true", WRONG_TYPE),
        ("", WRONG_TYPE),
        ([], WRONG_TYPE),
        ({}, WRONG_TYPE),
    ],
)
def test_flag(value: object, expected: object) -> None:
    """A flag passes true and false, and takes nothing else for one of them."""
    result = flag(value)
    assert result is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Harbour", "Harbour"),
        ("harbour", "Harbour"),
        ("HILL", "hill"),
        ("moor-side", "Moor-Side"),
        ("other", OTHER),
        ("Other", OTHER),
        ("cliff", OTHER),
        ("hill ", OTHER),
        (" hill", OTHER),
        ("hill\x00", OTHER),
        ("hi\N{ZERO WIDTH SPACE}ll", OTHER),
        ("\N{FULLWIDTH LATIN SMALL LETTER H}ill", OTHER),
        ("h\N{LATIN SMALL LETTER DOTLESS I}ll", OTHER),
        ("\N{KELVIN SIGN}", OTHER),
        ("hill" * 100, OTHER),
        ("x" * LONGEST_WORD, OTHER),
        ("low", "low"),
        ("", NOT_SET),
        (None, NOT_SET),
        (True, WRONG_TYPE),
        (1, WRONG_TYPE),
        (["hill"], WRONG_TYPE),
        ({"hill": 1}, WRONG_TYPE),
    ],
)
def test_choice(value: object, expected: object) -> None:
    """A word of the list passes as the list spells it, any other text is `other`, and nothing else is a word."""
    assert expected == choice(PLACES)(value)


def test_choice_ignores_case_of_ascii_only() -> None:
    """A letter that becomes ASCII only when its case is folded doesn't make a member."""
    kelvin = Vocabulary("units", ("kelvin",))
    assert choice(kelvin)("\N{KELVIN SIGN}elvin") == OTHER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Harbour", "low"),
        ("MARSH", "low"),
        ("hill", "high"),
        ("cliff", OTHER),
        ("low", "low"),
        ("HIGH", "high"),
        ("", NOT_SET),
    ],
)
def test_folded_choice(value: object, expected: object) -> None:
    """A folded choice gives the group of a member, and gives a group back as itself."""
    assert expected == choice(PLACES, fold="height")(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "on"),
        (False, WRONG_TYPE),
        ("", "off"),
        ("on", "on"),
        ("SINGLE", "Single"),
        ("x", OTHER),
        (1, WRONG_TYPE),
        ([1], WRONG_TYPE),
        (None, NOT_SET),
    ],
)
def test_choice_of_a_switch(value: object, expected: object) -> None:
    """A list can say which members true and an empty text stand for; false and null still stand for none."""
    assert expected == choice(SWITCH)(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Intel(R) Example(R) 4210", "intel"),
        ("intel intel(r)", "intel"),
        ("Example EPYC 7B13", "amd"),
        ("Intel and AMD", OTHER),
        ("intelligent", OTHER),
        ("octopus", OTHER),
        ("epyc", "amd"),
        ("epyc " + "x" * LONGEST_WORD, OTHER),
        ("epyc \N{OCTOPUS}", OTHER),
    ],
)
def test_choice_by_words(value: str, expected: str) -> None:
    """A member is found by a whole word of the text, if the words of the text name one member only."""
    assert expected == choice(MAKERS)(value)


@settings(max_examples=100)
@given(texts)
def test_choice_is_closed(text: str) -> None:
    """No text gives a word outside the published list."""
    for vocabulary, fold in ((PLACES, None), (PLACES, "height"), (SWITCH, None), (MAKERS, None)):
        result = choice(vocabulary, fold=fold)(text)
        assert result is NOT_SET or result in vocabulary.outputs(fold)


@pytest.mark.parametrize("name", sorted(load_catalogue().vocabularies))
def test_packaged_lists_are_fixed_points(name: str) -> None:
    """Every word of a packaged list comes through as itself, and every group of it as itself when folded."""
    vocabulary = load_catalogue().vocabularies[name]
    operator = choice(vocabulary)
    assert list(vocabulary.members) == [operator(member) for member in vocabulary.members]
    assert list(vocabulary.members) == [operator(member.upper()) for member in vocabulary.members]
    for fold, groups in vocabulary.groups.items():
        folded = choice(vocabulary, fold=fold)
        assert dict(groups) == {member: folded(member) for member in groups}
        assert set(groups.values()) == {folded(group) for group in groups.values()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"place": "hill"}], "hill"),
        ([{"place": "hill"}, {"place": "HILL", "x": 1}], "hill"),
        ([{"place": "hill"}, {"place": "marsh"}], OTHER),
        ([{"place": "hill"}, {}], OTHER),
        ([{"place": "hill"}, 1], OTHER),
        ([{"place": "cliff"}, {"place": "moor"}], OTHER),
        ([{"place": 1}, {"place": 2}], WRONG_TYPE),
        ([{}], NOT_SET),
        ([1, "x"], WRONG_TYPE),
        ([], NOT_SET),
        (None, NOT_SET),
        ({"place": "hill"}, WRONG_TYPE),
        ("hill", WRONG_TYPE),
    ],
)
def test_agreed(value: object, expected: object) -> None:
    """A list gives the one word that all its items agree on, else `other`; how many there are doesn't show."""
    assert expected == agreed(choice(PLACES), "place")(value)


@settings(max_examples=50)
@given(items, st.randoms(use_true_random=False))
def test_agreed_forgets_order_and_number(rows: list[dict[str, Any]], random: Any) -> None:
    """The order of the items and their repetition don't change what they agree on."""
    operator = agreed(choice(PLACES), "place")
    shuffled = [*rows, *rows]
    random.shuffle(shuffled)
    assert operator(rows) == operator(shuffled)


@pytest.mark.parametrize(
    ("value", "one", "two", "three"),
    [
        ("8.7.0", "8", "8.7", "8.7.0"),
        ("v20.11.1", "20", "20.11", "20.11.1"),
        ("8.7.0-rc.3", "8", "8.7", "8.7.0"),
        ("0.61.0-develop", "0", "0.61", "0.61.0"),
        ("8.7.0+mallory@example.org", "8", "8.7", "8.7.0"),
        ("8.7.0.12", "8", "8.7", "8.7.0"),
        ("8.7.0 (octopus-ltd)", "8", "8.7", "8.7.0"),
        ("5.15.0-101-generic", "5", "5.15", "5.15.0"),
        ("10~beta", "10", "10", "10"),
        ("8", "8", "8", "8"),
        ("8.7", "8", "8.7", "8.7"),
        ("8.", "8", "8", "8"),
        ("8.7.", "8", "8.7", "8.7"),
        ("08.07.000", "8", "8.7", "8.7.0"),
        ("99.999.999", "99", "99.999", "99.999.999"),
        ("8.7.0-" + "x" * 10**6, "8", "8.7", "8.7.0"),
    ],
    ids=lambda item: item[:20],
)
def test_version(value: str, one: str, two: str, three: str) -> None:
    """A version gives its first numbers without leading zeros, and never anything of a suffix."""
    assert (one, two, three) == tuple(version(parts)(value) for parts in (1, 2, 3))


@pytest.mark.parametrize(
    "value",
    [
        "develop",
        "mallory@8.7.0",
        " 8.7.0",
        "8.7.0octopus-ltd",
        "8.7.0@example.org",
        "8.7.0\n",
        "8.7.0\nX",
        "8.7.0/",
        "8.7.0_1",
        "8x",
        "100.1.1",
        "99999999.1",
        "8.1000.0",
        "8.7.1000",
        "8.71001.2",
        "V8.7.0",
        "vv8",
        ".8",
        "-8",
        "-",
        "\N{ARABIC-INDIC DIGIT EIGHT}.7.0",
        "\N{FULLWIDTH DIGIT EIGHT}.7",
        "\N{SUPERSCRIPT TWO}",
        "8\x00.7",
    ],
)
def test_version_refuses(value: str) -> None:
    """What doesn't follow the grammar from its first to its last number is no version, not even in part."""
    for parts in (1, 2, 3):
        assert NOT_A_VERSION is version(parts)(value)


@pytest.mark.parametrize(
    ("value", "expected"), [("", NOT_SET), (None, NOT_SET), (8, WRONG_TYPE), (8.7, WRONG_TYPE), (["8.7"], WRONG_TYPE)]
)
def test_version_of_other_values(value: object, expected: object) -> None:
    """A number is no version, and an empty text is "not set"."""
    assert expected is version(3)(value)


@settings(max_examples=100)
@given(texts)
def test_version_is_closed(text: str) -> None:
    """No text gives a version outside the narrow grammar, nor one with more parts than asked for."""
    for parts in (1, 2, 3):
        result = version(parts)(text)
        if not isinstance(result, Refusal):
            assert re.fullmatch(r"[1-9]?[0-9](\.(0|[1-9][0-9]{0,2})){0,2}", str(result))
            assert str(result).count(".") < parts


@settings(max_examples=100)
@given(texts)
def test_coarse_versions_are_functions_of_fine_ones(text: str) -> None:
    """Fewer parts of a version can be told from more parts of it."""
    fine = version(3)(text)
    for parts in (1, 2):
        coarse = version(parts)(text)
        assert coarse == (fine if isinstance(fine, Refusal) else version(parts)(fine))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], 0),
        ([1, [2, 3]], 2),
        ({}, 0),
        ({"octopus-ltd": {"a": 1}}, 1),
        ([0] * 100, 100),
        ([0] * 101, OUT_OF_RANGE),
        (7, 7),
        (101, OUT_OF_RANGE),
        (-1, OUT_OF_RANGE),
        ("abc", WRONG_TYPE),
        (True, WRONG_TYPE),
        (None, NOT_SET),
    ],
    ids=lambda item: repr(item)[:20],
)
def test_length(value: object, expected: object) -> None:
    """A list or map gives its size, a size is given back, and the length of a text is nobody's business."""
    assert expected == length(100)(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"type": "widget", "count": 5}], (("widget", 5),)),
        ([{"type": "email", "count": 5}, {"type": "widget", "count": 7}], (("widget", 7), ("email", 5))),
        ([{"type": "email", "count": 5}, {"type": "EMAIL", "count": 2, "alias": "x"}], (("email", 7),)),
        ([{"type": "pigeon", "count": 5}, {"type": None, "count": 2}, {"count": 1}], ((OTHER, 8),)),
        ([{"type": "", "count": 5}], ((OTHER, 5),)),
        ([{"type": "widget", "count": 5.0}], (("widget", 5),)),
        ([{"type": "widget", "count": {"$numberInt": "5"}}], (("widget", 5),)),
        ([{"type": "widget", "count": 0}], (("widget", 0),)),
        ({"email": 5, "widget": 7}, (("widget", 7), ("email", 5))),
        ({"widget": 5, OTHER: 2}, (("widget", 5), (OTHER, 2))),
        ([], NOT_SET),
        ({}, NOT_SET),
        (None, NOT_SET),
        ([{"type": "widget", "count": 600}, {"type": "widget", "count": 600}], NOT_SET),
        (
            [{"type": "widget", "count": 600}, {"type": "widget", "count": 600}, {"type": "email", "count": 1}],
            (("email", 1),),
        ),
    ],
)
def test_sum(value: object, expected: object) -> None:
    """Items add up by their listed kind, in the order of the list; the rest adds to `other`."""
    assert expected == total_by("type", "count", SOURCES, 1000, rounded=count(0, 1000))(value)


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "widget"},
        {"type": "widget", "count": None},
        {"type": "widget", "count": "5"},
        {"type": "widget", "count": -1},
        {"type": "widget", "count": 1.5},
        {"type": "widget", "count": True},
        {"type": "widget", "count": 1001},
        {"type": "widget", "count": {"$numberInt": "x"}},
        {"type": "widget", "count": [5]},
        {"type": 5, "count": 5},
        {"type": True, "count": 5},
        {"type": ["widget"], "count": 5},
        {},
        [],
        None,
        5,
        "widget",
    ],
    ids=repr,
)
def test_sum_with_a_bad_item(bad: object) -> None:
    """One bad item refuses the whole list, since a sum of the others would be wrong."""
    operator = total_by("type", "count", SOURCES, 1000, rounded=count(0, 1000))
    assert WRONG_TYPE is operator([{"type": "widget", "count": 5}, bad])
    assert WRONG_TYPE is operator([bad, {"type": "widget", "count": 5}])


@pytest.mark.parametrize(
    "value", [5, "widget", True, 1.5, {"octopus-ltd": 5}, {"Widget": 5}, {"widget": "5"}, {"widget": None}], ids=repr
)
def test_sum_of_no_list(value: object) -> None:
    """What is neither a list nor a map of the list's own words is refused."""
    assert WRONG_TYPE is total_by("type", "count", SOURCES, 1000, rounded=count(0, 1000))(value)


def test_sum_is_rounded_after_adding() -> None:
    """Each sum is rounded, not each item, and what rounds to nothing is left out."""
    operator = total_by("type", "count", SOURCES, 1000, rounded=count(0, 1000, step=10, absent_zero=True))
    rows = [{"type": "widget", "count": 6}, {"type": "widget", "count": 6}, {"type": "email", "count": 9}]
    assert operator(rows) == (("widget", 10),)


@settings(max_examples=50)
@given(items)
def test_sum_forgets_the_order(rows: list[dict[str, Any]]) -> None:
    """The order of the items doesn't show."""
    operator = OPERATORS["sum"]
    assert operator(rows) == operator(rows[::-1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "under 2"),
        (2047, "under 2"),
        (2048, "2 to 4"),
        (2049, "2 to 4"),
        (4095, "2 to 4"),
        (4096, "4 to 8"),
        (8191, "4 to 8"),
        (8192, "8 or more"),
        (10_000, "8 or more"),
        (2047.9, "under 2"),
        (4096.0, "4 to 8"),
        (0, OUT_OF_RANGE),
        (10_001, OUT_OF_RANGE),
        (-1, OUT_OF_RANGE),
        (math.inf, OUT_OF_RANGE),
        (math.nan, OUT_OF_RANGE),
        (10**400, OUT_OF_RANGE),
        ("2 to 4", "2 to 4"),
        ("2 TO 4", WRONG_TYPE),
        ("4 or more", WRONG_TYPE),
        ("3000", WRONG_TYPE),
        ("", WRONG_TYPE),
        (True, WRONG_TYPE),
        ([3000], WRONG_TYPE),
        ({}, WRONG_TYPE),
        (None, NOT_SET),
    ],
    ids=lambda item: repr(item)[:20],
)
def test_band(value: object, expected: object) -> None:
    """A number gives the name of its half-open bucket, and a name of a bucket gives itself."""
    assert expected == band(FINE, 1, 10_000)(value)


@settings(max_examples=100)
@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_coarse_bands_are_functions_of_fine_ones(one: int, other: int) -> None:
    """Two numbers in one fine bucket are in one coarse bucket."""
    fine, coarse = band(FINE, 1, 2**50), band(COARSE, 1, 2**50)
    assert fine(one) != fine(other) or coarse(one) == coarse(other)


@pytest.mark.parametrize("name", sorted(load_catalogue().bands))
@pytest.mark.parametrize("fineness", ["fine", "coarse"])
def test_packaged_buckets_one_unit_off(name: str, fineness: str) -> None:
    """At each edge of a packaged list of buckets the name changes, and one unit on either side it doesn't."""
    bands = load_catalogue().bands[name][fineness]
    operator = band(bands, 0, 2**53)
    for place, edge in enumerate(bands.edges):
        raw = edge * bands.scale
        assert bands.names[place] == operator(raw - 1)
        assert bands.names[place + 1] == operator(raw)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{}], "1"),
        ([1, 2], "2 to 4"),
        ([0] * 4, "2 to 4"),
        ([0] * 5, "5 or more"),
        ([0] * 20, "5 or more"),
        ([0] * 21, OUT_OF_RANGE),
        ([], NOT_SET),
        (None, NOT_SET),
        ("2 to 4", "2 to 4"),
        ("x", WRONG_TYPE),
        ("", WRONG_TYPE),
        (4, WRONG_TYPE),
        (True, WRONG_TYPE),
        ({"a": 1, "b": 2}, WRONG_TYPE),
    ],
    ids=lambda item: repr(item)[:20],
)
def test_sized(value: object, expected: object) -> None:
    """A list gives the name of the bucket of its size; a number or a map is no list."""
    assert expected == sized(SIZES, 20)(value)


MOMENTS = [
    ("2026-08-03T12:10:31.265Z", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-03T12:10:31Z", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-03T12:10:31.2Z", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-03T12:10:31.26Z", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-03T12:10:31.26+00:00", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-03 12:10:31Z", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-03T12:10:31.265123456Z", (2026, 8, 3, 12, 10, 31)),
    ("2026-08-01T01:00:00+02:00", (2026, 7, 31, 23, 0, 0)),
    ("2026-08-01T01:00:00+0200", (2026, 7, 31, 23, 0, 0)),
    ("2026-07-31T23:30:00-05:45", (2026, 8, 1, 5, 15, 0)),
    ("2026-12-31T23:00:00-02:00", (2027, 1, 1, 1, 0, 0)),
    ("2024-02-29T00:00:00Z", (2024, 2, 29, 0, 0, 0)),
    ("2000-02-29T00:00:00Z", (2000, 2, 29, 0, 0, 0)),
    ("2000-01-01T00:00:00Z", (2000, 1, 1, 0, 0, 0)),
    ("2099-12-31T23:59:59Z", (2099, 12, 31, 23, 59, 59)),
    ("Mon Aug 03 2026 12:10:31 GMT+0000 (Coordinated Universal Time)", (2026, 8, 3, 12, 10, 31)),
    ("Sat Aug 01 2026 01:00:00 GMT+0200 (Example Summer Time)", (2026, 7, 31, 23, 0, 0)),
    ("Fri Jul 31 2026 23:30:00 GMT-0545", (2026, 8, 1, 5, 15, 0)),
    ("Thu Feb 29 2024 12:00:00 GMT+0000", (2024, 2, 29, 12, 0, 0)),
    (1785759031265, (2026, 8, 3, 12, 10, 31)),
    (946684800000, (2000, 1, 1, 0, 0, 0)),
    (4102444799999, (2099, 12, 31, 23, 59, 59)),
]

NO_MOMENTS: list[tuple[object, Refusal]] = [
    (None, NOT_SET),
    ("", NOT_SET),
    (True, WRONG_TYPE),
    (1785759031265.0, WRONG_TYPE),
    ([], WRONG_TYPE),
    ({"$date": 1785759031265}, WRONG_TYPE),
    (-1, OUT_OF_RANGE),
    (0, OUT_OF_RANGE),
    (946684799999, OUT_OF_RANGE),
    (4102444800000, OUT_OF_RANGE),
    (2**43, OUT_OF_RANGE),
    (10**400, OUT_OF_RANGE),
    ("1999-12-31T23:59:59Z", OUT_OF_RANGE),
    ("2100-01-01T00:00:00Z", OUT_OF_RANGE),
    ("9999-12-31T23:59:59Z", OUT_OF_RANGE),
    ("0000-01-01T00:00:00Z", OUT_OF_RANGE),
    ("Thu Jan 01 1970 00:00:00 GMT+0000", OUT_OF_RANGE),
    ("2023-02-29T00:00:00Z", NOT_A_DATE),
    ("2026-02-30T00:00:00Z", NOT_A_DATE),
    ("2026-13-01T00:00:00Z", NOT_A_DATE),
    ("2026-00-01T00:00:00Z", NOT_A_DATE),
    ("2026-08-00T00:00:00Z", NOT_A_DATE),
    ("2026-08-03T24:00:00Z", NOT_A_DATE),
    ("2026-08-03T12:60:00Z", NOT_A_DATE),
    ("2026-08-03T12:10:60Z", NOT_A_DATE),
    ("2026-08-03T12:10:31", NOT_A_DATE),
    ("2026-08-03T12:10:31+24:00", NOT_A_DATE),
    ("2026-08-03T12:10:31+99:99", NOT_A_DATE),
    ("2026-08-03T12:10:31Z ", NOT_A_DATE),
    ("2026-08-03T12:10:31Z\n", NOT_A_DATE),
    ("2026-08-03T12:10:31Z octopus-ltd", NOT_A_DATE),
    ("2026-8-3T12:10:31Z", NOT_A_DATE),
    ("2026-08-03", NOT_A_DATE),
    ("2026-08-03T12:10:31.Z", NOT_A_DATE),
    ("2026-08-03T12:10:31,265Z", NOT_A_DATE),
    ("20260803T121031Z", NOT_A_DATE),
    ("2026-W32-1T12:10:31Z", NOT_A_DATE),
    ("2026-08-03T12:10Z", NOT_A_DATE),
    ("2026-08-03T12Z", NOT_A_DATE),
    ("2026-08-03Z", NOT_A_DATE),
    ("2026-08-03t12:10:31z", NOT_A_DATE),
    ("Thu Feb 29 2023 12:00:00 GMT+0000", NOT_A_DATE),
    ("Mon Foo 03 2026 12:10:31 GMT+0000", NOT_A_DATE),
    ("Mon Aug 03 2026 12:10:31", NOT_A_DATE),
    ("Mon Aug 03 2026 12:10:31 GMT+0000 (a) (b)", NOT_A_DATE),
    ("\N{ARABIC-INDIC DIGIT TWO}026-08-03T12:10:31Z", NOT_A_DATE),
    ("yesterday", NOT_A_DATE),
    ("Mon Aug 03 2026 12:10:31 GMT+0000 (" + "x" * 100 + ")", NOT_A_DATE),
]


@pytest.mark.parametrize(("value", "expected"), MOMENTS, ids=lambda item: str(item)[:40])
def test_moment(value: object, expected: tuple[int, ...]) -> None:
    """Every form of a date that real documents have gives its moment in UTC, to the second at least."""
    moment = moment_of(value)
    assert isinstance(moment, datetime)
    assert moment.tzinfo is UTC
    assert expected == moment.timetuple()[:6]


@pytest.mark.parametrize(("value", "expected"), NO_MOMENTS, ids=lambda item: str(item)[:40])
def test_no_moment(value: object, expected: Refusal) -> None:
    """What is no date in a known form, or no plausible one, gives the reason and no moment; nor has it a month."""
    assert expected is moment_of(value)
    assert expected is month("month")(value)
    assert expected is month("year")(value)


@pytest.mark.parametrize(("value", "expected"), MOMENTS, ids=lambda item: str(item)[:40])
def test_month(value: object, expected: tuple[int, ...]) -> None:
    """Of a date only the month or the year passes, in UTC."""
    assert f"{expected[0]}-{expected[1]:02}" == month("month")(value)
    assert f"{expected[0]}" == month("year")(value)


@pytest.mark.parametrize(
    ("value", "as_month", "as_year"),
    [
        ("2026-08", "2026-08", "2026"),
        ("2026", "2026", "2026"),
        ("2026-00", NOT_A_DATE, NOT_A_DATE),
        ("2026-13", NOT_A_DATE, NOT_A_DATE),
        ("2026-8", NOT_A_DATE, NOT_A_DATE),
        ("1999-12", NOT_A_DATE, NOT_A_DATE),
        ("2100-01", NOT_A_DATE, NOT_A_DATE),
        ("2026-08\n", NOT_A_DATE, NOT_A_DATE),
        ("20\N{ARABIC-INDIC DIGIT TWO}6", NOT_A_DATE, NOT_A_DATE),
    ],
)
def test_month_of_its_own_results(value: str, as_month: object, as_year: object) -> None:
    """A month or year is given back; a year is no month, and the grammar is as narrow as for what is sent."""
    assert as_month == month("month")(value)
    assert as_year == month("year")(value)


@pytest.mark.parametrize(
    "value",
    [
        "2000-01-01T00:00:00+05:00",
        "2099-12-31T23:00:00-05:00",
        "Sat Jan 01 2000 00:00:00 GMT+0500",
    ],
)
def test_month_at_the_ends_of_the_range(value: str) -> None:
    """A date that leaves the plausible years when it is told in UTC gives no month outside the grammar."""
    for precision in ("month", "year"):
        result = month(precision)(value)
        assert isinstance(result, Refusal) or re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2]))?", str(result))


@settings(max_examples=100)
@given(
    st.datetimes(datetime(1999, 12, 31), datetime(2000, 1, 2))  # noqa: DTZ001 -- the zone is added below
    | st.datetimes(datetime(2099, 12, 31), datetime(2100, 1, 2))  # noqa: DTZ001
    | st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001
    st.integers(-1439, 1439),
)
def test_month_is_closed(moment: datetime, offset: int) -> None:
    """Every date with every time zone gives a month of the grammar or none, and the same one when fed back."""
    sign = "-" if offset < 0 else "+"
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    for precision, grammar in (("month", r"20\d\d-(0[1-9]|1[0-2])"), ("year", r"20\d\d")):
        operator = month(precision)
        result = operator(text)
        if not isinstance(result, Refusal):
            assert re.fullmatch(grammar, str(result))
            assert result == operator(result)


def test_output_words() -> None:
    """The published words are the members, the groups, the names of the buckets and `other`."""
    expected = {*PLACES.members, "low", "high", *SWITCH.members, *FINE.names, OTHER}
    assert expected == output_words([PLACES, SWITCH], [FINE])
    assert {"low", "high", OTHER} == PLACES.outputs("height")


@pytest.mark.parametrize("refusal", Refusal)
def test_refusals_are_codes(refusal: Refusal) -> None:
    """A refusal is a code in kebab case and holds nothing of the input."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.value)


def test_mappings_of_other_classes() -> None:
    """A mapping that is no dict is treated as one."""

    class Other(dict[str, Any]):
        """A map of a parser's own."""

    value: Mapping[str, Any] = Other(widget=5)
    assert OPERATORS["length"](value) == 1
    assert OPERATORS["sum"](value) == (("widget", 5),)


def test_the_longest_text_that_is_looked_at() -> None:
    """A text of exactly the greatest length is still looked at, and one that is a letter longer is not."""
    date = "Mon Aug 03 2026 12:10:31 GMT+0000 ("
    for spare, word, moment in ((0, "amd", "2026-08"), (1, OTHER, NOT_A_DATE)):
        assert word == choice(MAKERS)("epyc " + "x" * (LONGEST_WORD - len("epyc ") + spare))
        assert moment == month("month")(date + "x" * (LONGEST_WORD - len(date) - 1 + spare) + ")")


@pytest.mark.parametrize("text", [text for text, _ in MOMENTS if isinstance(text, str)])
def test_moments_of_texts_are_whole_seconds(text: str) -> None:
    """A date in text counts to the second, in each of its forms alike."""
    moment = moment_of(text)
    assert isinstance(moment, datetime)
    assert moment.microsecond == 0


def test_what_names_of_buckets_become() -> None:
    """A stricter profile gives the coarse bucket around a fine one; a name of either list is known in both."""
    own = {name: name for name in COARSE.names}
    coarse = {"under 2": "under 4", "2 to 4": "under 4", "4 to 8": "4 or more", "8 or more": "4 or more"}
    assert {**coarse, **own} == renamed(FINE, COARSE, to_coarse=True)
    assert {**{name: name for name in FINE.names}, **own} == renamed(FINE, COARSE, to_coarse=False)
