"""
What is shown of people in small numbers, and that nothing more can be worked out from it.

The audit here is exhaustive: it takes every small table there is, groups them by what is published of them, and asks
what somebody who knows the rules, the threshold, the total and the list of categories can say of each hidden row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rc_stats import disclosure
from rc_stats.disclosure import ACTIVE_WITHIN, UNLISTED, activity, floored, is_protected, is_safe, publishable, split

K = 10
ORDER = ("a", "b", "c", "d", "e")
AT = datetime(2026, 8, 3, 12, tzinfo=UTC)

Table = tuple[int, ...]
"""People by category, in the public order, the unlisted bucket last."""

Publisher = Callable[[Sequence[Mapping[str, int]], Sequence[int], Sequence[str], int, int], Sequence[Sequence[str]]]
"""Takes linked tables, their shown totals, the order, the threshold and the step; gives the rows shown of each."""


@dataclass(frozen=True)
class Case:
    """
    A family of small tables.

    Attributes:
        categories: How many rows, with the unlisted bucket.
        step: Rows are rounded down to multiples of it.
        total_step: Totals are too.
        totals: Of each linked table; every member is one window of tables to try.
    """

    categories: int
    threshold: int
    step: int
    total_step: int
    totals: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        """Name the case in the list of tests."""
        largest = max(max(window) for window in self.totals)
        sizes = f"{self.categories} rows, k={self.threshold}, step={self.step}, total step={self.total_step}"
        return f"{sizes}, {len(self.totals[0])} of up to {largest}"


@dataclass(frozen=True)
class Exposure:
    """
    What an audit found.

    Attributes:
        cells: Small rows that were looked at: not empty, below the threshold.
        exposed: Those that could be told from some other small number.
        smallest: Tables of the first exposed cell, what was published of them, and what the cell could be.
    """

    cells: int
    exposed: int
    smallest: object


def ours(
    tables: Sequence[Mapping[str, int]], totals: Sequence[int], order: Sequence[str], threshold: int, step: int
) -> Sequence[Sequence[str]]:
    """Publish by the rules; the module is asked at each call, so that a test can take a rule away."""
    return [disclosure.publishable(tables, totals, order, threshold=threshold, step=step)] * len(tables)


def each_its_own(
    tables: Sequence[Mapping[str, int]], totals: Sequence[int], order: Sequence[str], threshold: int, step: int
) -> Sequence[Sequence[str]]:
    """Publish by the rules, but linked tables without a common pattern."""
    return [
        disclosure.publishable([table], [total], order, threshold=threshold, step=step)
        for table, total in zip(tables, totals, strict=True)
    ]


def dropping_small_rows(
    tables: Sequence[Mapping[str, int]], totals: Sequence[int], order: Sequence[str], threshold: int, step: int
) -> Sequence[Sequence[str]]:
    """Publish as most do: every row but those below the threshold."""
    return [[c for c in order if table[c] >= threshold] for table in tables]


def folding_the_smallest(
    tables: Sequence[Mapping[str, int]], totals: Sequence[int], order: Sequence[str], threshold: int, step: int
) -> Sequence[Sequence[str]]:
    """Publish as the careful do: also hide the smallest row until at least the threshold is hidden."""
    patterns = []
    for table, rows in zip(tables, dropping_small_rows(tables, totals, order, threshold, step), strict=True):
        shown = sorted(rows, key=lambda c: table[c])
        while shown and 0 < sum(table.values()) - sum(table[c] for c in shown) < threshold:
            shown.pop(0)
        patterns.append([c for c in order if c in shown])
    return patterns


def tables_of(total: int, categories: int) -> Iterator[Table]:
    """Yield every table of *total* people in *categories* rows."""
    if categories == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for others in tables_of(total - first, categories - 1):
            yield (first, *others)


def linked_tables(totals: Sequence[int], categories: int) -> Iterator[tuple[Table, ...]]:
    """Yield all tables of periods that contain each other: whoever came in one came in the next, in the same role."""
    if len(totals) == 1:
        for table in tables_of(totals[0], categories):
            yield (table,)
        return
    for inner in linked_tables(totals[:-1], categories):
        for more in tables_of(totals[-1] - totals[-2], categories):
            yield (*inner, tuple(a + b for a, b in zip(inner[-1], more, strict=True)))


def audit(case: Case, publish: Publisher = ours) -> Exposure:
    """
    Publish every table of *case*, and say which small rows an attacker could tell from what.

    A row is exposed if, among all the tables of which the same was published, it isn't everything from nobody to one
    less than the threshold.
    """
    order = ORDER[: case.categories - 1]
    names = (*order, UNLISTED)
    same: defaultdict[object, list[tuple[Table, ...]]] = defaultdict(list)
    for totals in case.totals:
        seen = tuple(floored(total, case.total_step) for total in totals)
        for tables in linked_tables(totals, case.categories):
            by_name = [dict(zip(names, table, strict=True)) for table in tables]
            shown = publish(by_name, seen, order, case.threshold, case.step)
            published = tuple(
                tuple((c, floored(table[c], case.step)) for c in pattern)
                for table, pattern in zip(by_name, shown, strict=True)
            )
            same[seen, published].append(tables)
    cells = exposed = 0
    smallest: object = None
    small = set(range(case.threshold))
    for output, alike in same.items():
        for period in range(len(alike[0])):
            for row in range(case.categories):
                could_be = {tables[period][row] for tables in alike}
                found = [tables for tables in alike if 0 < tables[period][row] < case.threshold]
                cells += len(found)
                if found and not small <= could_be:
                    exposed += len(found)
                    smallest = smallest or (found[0], output, period, names[row], sorted(could_be))
    return Exposure(cells, exposed, smallest)


def worked_out_by_a_member(case: Case) -> list[tuple[Table, tuple[str, ...]]]:
    """Return the tables in which who knows one hidden row gets another small one by subtraction."""
    order = ORDER[: case.categories - 1]
    names = (*order, UNLISTED)
    found = []
    for (total,) in case.totals:
        for table in tables_of(total, case.categories):
            by_name = dict(zip(names, table, strict=True))
            shown = disclosure.publishable([by_name], [total], order, threshold=case.threshold, step=case.step)
            hidden = [by_name[c] for c in names if c not in shown]
            if len(hidden) == 2 and any(0 < people < case.threshold for people in hidden):
                found.append((table, shown))
    return found


def single(totals: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Return the windows of tables that stand alone."""
    return tuple((total,) for total in totals)


SMALL_TABLES = [
    Case(4, 2, 1, 1, single(range(2, 18))),
    Case(4, 3, 1, 1, single(range(3, 18))),
    Case(4, 4, 2, 1, single(range(4, 18))),
    Case(4, 4, 2, 2, single(range(4, 18))),
    Case(4, 5, 5, 5, single(range(5, 20))),
    Case(4, 6, 3, 3, single(range(6, 21))),
    Case(5, 2, 1, 1, single(range(2, 14))),
    Case(5, 3, 1, 1, single(range(3, 14))),
    Case(5, 4, 2, 1, single(range(4, 15))),
    Case(5, 4, 2, 2, single(range(4, 14))),
    Case(6, 2, 1, 1, single(range(2, 10))),
    Case(6, 3, 1, 1, single(range(3, 11))),
]
LINKED_TABLES = [
    Case(4, 2, 1, 1, tuple((a, b) for a in range(2, 8) for b in range(a, 9))),
    Case(4, 3, 1, 1, tuple((a, b) for a in range(3, 11) for b in range(a, min(a + 3, 12)))),
    Case(4, 4, 2, 2, tuple((a, b) for a in range(8, 12) for b in range(a, 12))),
    Case(4, 2, 1, 1, tuple((a, b, c) for a in range(2, 6) for b in range(a, 6) for c in range(b, 7))),
]


@pytest.mark.parametrize("case", SMALL_TABLES, ids=str)
def test_no_small_row_can_be_told(case: Case) -> None:
    """In every small table, each row below the threshold could be anything below it, for who knows the rules."""
    found = audit(case)
    assert found.cells > 500
    assert (found.exposed, found.smallest) == (0, None)


@pytest.mark.parametrize("case", LINKED_TABLES, ids=str)
def test_no_small_row_can_be_told_from_linked_periods(case: Case) -> None:
    """The same of periods that contain each other, put side by side."""
    found = audit(case)
    assert found.cells > 500
    assert (found.exposed, found.smallest) == (0, None)


@pytest.mark.parametrize("case", [c for c in SMALL_TABLES if c.step == 1], ids=str)
def test_a_member_works_nothing_out_by_subtraction(case: Case) -> None:
    """Who knows one hidden row can't get another by taking it from the rest: never are exactly two hidden."""
    assert worked_out_by_a_member(case) == []


@pytest.mark.parametrize(
    ("publish", "case", "share"),
    [
        pytest.param(dropping_small_rows, SMALL_TABLES[0], 0.1, id="drop, 4 rows, k=2"),
        pytest.param(dropping_small_rows, SMALL_TABLES[1], 0.1, id="drop, 4 rows, k=3"),
        pytest.param(dropping_small_rows, SMALL_TABLES[7], 0.05, id="drop, 5 rows, k=3"),
        pytest.param(dropping_small_rows, SMALL_TABLES[2], 0.05, id="drop, rounded"),
        pytest.param(folding_the_smallest, SMALL_TABLES[0], 0.1, id="fold, 4 rows, k=2"),
        pytest.param(folding_the_smallest, SMALL_TABLES[1], 0.05, id="fold, 4 rows, k=3"),
        pytest.param(folding_the_smallest, SMALL_TABLES[6], 0.03, id="fold, 5 rows, k=2"),
        pytest.param(folding_the_smallest, SMALL_TABLES[2], 0.03, id="fold, rounded"),
    ],
)
def test_naive_publishers_are_caught(publish: Publisher, case: Case, share: float) -> None:
    """The audit sees what is wrong with dropping small rows and with folding the smallest, rounded or not."""
    found = audit(case, publish)
    assert found.exposed > share * found.cells


@pytest.mark.parametrize("case", LINKED_TABLES, ids=str)
def test_linked_periods_need_one_pattern(case: Case) -> None:
    """Safe alone is not safe side by side: a row that is shown for one period fills the other's gap."""
    found = audit(case, each_its_own)
    assert found.exposed > 0.03 * found.cells


# Splits.


@pytest.mark.parametrize(
    ("count", "total", "step", "shown"),
    [
        (0, 100, 1, None),
        (1, 100, 1, None),
        (9, 100, 1, None),
        (10, 100, 1, 10),
        (11, 100, 1, 11),
        (14, 100, 5, 10),
        (15, 100, 5, 15),
        (19, 100, 10, 10),
        (50, 100, 10, 50),
        (89, 100, 1, 89),
        (89, 100, 5, 85),
        (90, 100, 1, 90),
        (91, 100, 1, None),
        (99, 100, 1, None),
        (100, 100, 1, None),
        (101, 100, 1, None),
        (150, 100, 1, None),
        (10, 20, 1, 10),
        (10, 20, 5, 10),
        (9, 20, 1, None),
        (11, 20, 1, None),
        (10, 19, 1, None),
        (9, 19, 1, None),
        (10, 10, 1, None),
        (0, 0, 1, None),
        (0, 9, 1, None),
        (-1, 100, 1, None),
        (-20, 100, 5, None),
        (10, -5, 1, None),
        (2**53 - 10, 2**53, 1, 2**53 - 10),
    ],
)
def test_split_by_table(count: int, total: int, step: int, shown: int | None) -> None:
    """A split shows where it and its complement are at least ten, rounded down."""
    assert split(count, total, threshold=K, step=step) == shown


@given(st.integers(0, 400), st.integers(0, 400), st.sampled_from([1, 5, 10]))
def test_a_shown_split_is_rounded_down_and_fed_back_gives_itself(count: int, total: int, step: int) -> None:
    """What is shown is a multiple of the step, at most the truth, less than a step below, and passes again."""
    shown = split(count, total, threshold=K, step=step)
    if shown is None:
        assert count < K or total - count < K
    else:
        assert shown % step == 0
        assert 0 <= count - shown < step
        assert shown >= K
        assert total - shown >= K
        assert split(shown, total, threshold=K, step=step) == shown


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_coarser_split_is_a_function_of_a_finer(count: int, total: int) -> None:
    """The floors nest, so a stricter profile tells nothing that a laxer one didn't."""
    exact, standard, strict = (split(count, total, threshold=K, step=step) for step in (1, 5, 10))
    if exact is None:
        assert standard is strict is None
    else:
        assert standard == floored(exact, 5)
        assert strict == floored(exact, 10)


def exposed_splits(threshold: int, step: int, total_step: int, largest: int) -> list[tuple[int, int]]:
    """Return the (count, total) of which the count or its complement is small and isn't anything small to a reader."""
    same: defaultdict[object, list[tuple[int, int]]] = defaultdict(list)
    for total in range(threshold, largest):
        seen = floored(total, total_step)
        for count in range(total + 1):
            shown = disclosure.split(count, seen, threshold=threshold, step=step)
            same[seen, shown].append((count, total))
    small = set(range(threshold))
    found = []
    for alike in same.values():
        having, lacking = {c for c, _ in alike}, {n - c for c, n in alike}
        found += [(c, n) for c, n in alike if 0 < c < threshold and not small <= having]
        found += [(c, n) for c, n in alike if 0 < n - c < threshold and not small <= lacking]
    return found


@pytest.mark.parametrize(
    ("threshold", "step", "total_step"), [(10, 1, 1), (10, 5, 1), (10, 10, 10), (10, 1, 10), (4, 2, 2), (3, 1, 1)]
)
def test_no_small_group_can_be_told_from_a_split(threshold: int, step: int, total_step: int) -> None:
    """For every count and total, a small group, or the few who are not in a group, could be any small number."""
    assert exposed_splits(threshold, step, total_step, largest=8 * threshold) == []


# Rounding.


@given(st.integers(0, 2**53), st.integers(1, 1000))
def test_floored(count: int, step: int) -> None:
    """Rounding is down, to a multiple, by less than a step, and once is enough."""
    result = floored(count, step)
    assert result % step == 0
    assert 0 <= count - result < step
    assert floored(result, step) == result


@given(st.integers(0, 2**53), st.integers(1, 50), st.integers(1, 50))
def test_floors_nest(count: int, step: int, times: int) -> None:
    """Rounding to a step and then to a multiple of it is rounding to the multiple."""
    assert floored(floored(count, step), step * times) == floored(count, step * times)


# Tables.


def shown_rows(table: Mapping[str, int], *, step: int = 1, order: Sequence[str] = ORDER) -> tuple[str, ...]:
    """Return the shown rows of a table that stands alone and adds up to its total."""
    return publishable([table], [sum(table.values())], order, threshold=K, step=step)


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        pytest.param({}, (), id="nobody"),
        pytest.param({"a": 50}, ("a",), id="all in one category"),
        pytest.param({"a": 9}, (), id="all in one small category"),
        pytest.param({"a": 50, "b": 9}, (), id="one hidden row"),
        pytest.param({"a": 50, "b": 30, "c": 1}, ("a",), id="one person"),
        pytest.param({"a": 20, "b": 20, "c": 4, "d": 4}, ("a",), id="four and four: another row covers them"),
        pytest.param({"a": 60, "b": 20, "c": 4, "d": 4, "e": 4}, ("a", "b"), id="enough hidden, with room"),
        pytest.param({"a": 60, "b": 20, "c": 9, "d": 9, "e": 9}, ("a", "b"), id="just room"),
        pytest.param({"a": 60, "b": 20, "c": 9, "d": 9, "e": 9, UNLISTED: 1}, ("a",), id="no room"),
        pytest.param({"a": 60, "b": 20, "c": 9, "d": 9, "e": 9, UNLISTED: 10}, ("a", "b"), id="one hidden is large"),
        pytest.param({"a": 60, "b": 20, "c": 3, "d": 3, "e": 3}, ("a",), id="nine hidden"),
        pytest.param({"a": 60, "b": 20, "c": 3, "d": 3, "e": 4}, ("a", "b"), id="ten hidden"),
        pytest.param({"a": 20, "b": 9, "c": 10}, ("a",), id="threshold pair"),
        pytest.param({"a": 10, "b": 10, "c": 10, "d": 10, "e": 10}, ORDER, id="nobody hidden"),
        pytest.param({"a": 10, "b": 10, "c": 10, "d": 10, "e": 10, UNLISTED: 1}, ("a", "b", "c"), id="one unlisted"),
        pytest.param({"a": 20, "b": 20, "c": 20, "d": 20, UNLISTED: 30}, ("a", "b", "c"), id="many unlisted"),
        pytest.param({UNLISTED: 100}, (), id="all unlisted"),
        pytest.param({"b": 500, "a": 12, "c": 3}, ("a",), id="rarest by the public order, not by the data"),
    ],
)
def test_publishable_by_table(table: dict[str, int], shown: tuple[str, ...]) -> None:
    """The rows of a table that may be shown, with five listed categories and threshold ten."""
    assert shown_rows(table) == shown


def test_the_pattern_of_linked_tables_is_one() -> None:
    """A category that is small in one period is hidden in all of them."""
    day, week = {"a": 30, "b": 9, "c": 9, "d": 9}, {"a": 60, "b": 40, "c": 12, "d": 10, "e": 10}
    assert publishable([day], [57], ORDER, threshold=K, step=1) == ("a",)
    assert publishable([week], [132], ORDER, threshold=K, step=1) == ORDER
    assert publishable([day, week], [57, 132], ORDER, threshold=K, step=1) == ("a",)


def test_few_categories_show_nothing() -> None:
    """With fewer than three listed categories no row is shown."""
    for order in ((), ("a",), ("a", "b")):
        assert shown_rows(dict.fromkeys(order, 50), order=order) == ()


def test_without_tables_or_with_unequal_totals() -> None:
    """Every table needs its total."""
    with pytest.raises(ValueError, match="zip"):
        publishable([{"a": 20}], [], ORDER, threshold=K, step=1)


COUNTS = st.one_of(st.integers(0, 12), st.sampled_from([0, 0, 0, 9, 10, 11, 14, 15, 20, 90, 1000]))


def tables(minimum: int = 1, maximum: int = 1) -> st.SearchStrategy[list[dict[str, int]]]:
    """Return a strategy for tables over the five categories and the unlisted bucket."""
    rows = st.fixed_dictionaries({}, optional=dict.fromkeys((*ORDER, UNLISTED), COUNTS))
    return st.lists(rows, min_size=minimum, max_size=maximum)


@given(tables(1, 3), st.sampled_from([1, 5, 10]), st.sampled_from([1, 5]))
def test_what_is_shown_keeps_every_rule(found: list[dict[str, int]], step: int, total_step: int) -> None:
    """Shown rows are listed, large in every period, in order, and safe in every period."""
    totals = [floored(sum(table.values()), total_step) for table in found]
    shown = publishable(found, totals, ORDER, threshold=K, step=step)
    assert [c for c in ORDER if c in shown] == list(shown)
    assert all(table.get(c, 0) >= K for c in shown for table in found)
    if shown:
        assert all(
            is_safe(table, total, shown, ORDER, threshold=K, step=step)
            for table, total in zip(found, totals, strict=True)
        )


@given(tables(1, 3), st.sampled_from([1, 5]), st.randoms(use_true_random=False))
def test_nothing_depends_on_the_order_of_rows_or_periods(found: list[dict[str, int]], step: int, random: Any) -> None:
    """The order that a document has its rows and periods in changes nothing, nor does leaving out empty rows."""
    totals = [sum(table.values()) for table in found]
    shown = publishable(found, totals, ORDER, threshold=K, step=step)
    shuffled = []
    for table in found:
        rows = [(c, n) for c, n in table.items() if n]
        random.shuffle(rows)
        shuffled.append(dict(rows))
    pairs = list(zip(shuffled, totals, strict=True))
    random.shuffle(pairs)
    assert publishable([t for t, _ in pairs], [n for _, n in pairs], ORDER, threshold=K, step=step) == shown


@given(tables(), st.sampled_from([1, 5]), st.sampled_from([1, 5]))
def test_shown_rows_are_protected_rows(found: list[dict[str, int]], step: int, total_step: int) -> None:
    """Whatever is shown passes the test for the rows of a payload, and a table that shows nothing has no rows."""
    (table,) = found
    total = floored(sum(table.values()), total_step)
    shown = publishable(found, [total], ORDER, threshold=K, step=step)
    rows = {c: floored(table[c], step) for c in shown}
    assert is_protected(rows, total, ORDER, threshold=K, step=step) == bool(shown)


@given(tables(1, 3))
def test_a_coarser_table_shows_no_row_more(found: list[dict[str, int]]) -> None:
    """Rounding rows and totals never shows a row that exact ones don't."""
    totals = [sum(table.values()) for table in found]
    fine = publishable(found, totals, ORDER, threshold=K, step=1)
    coarse = publishable(found, [floored(n, 5) for n in totals], ORDER, threshold=K, step=5)
    assert set(coarse) <= set(fine)


@given(tables(), st.sampled_from(ORDER))
def test_growing_a_shown_row_hides_none_of_the_others(found: list[dict[str, int]], grown: str) -> None:
    """A shown row, and how large it is, doesn't decide about the others: the choice itself tells nothing of it."""
    (table,) = found
    shown = shown_rows(table)
    if grown in shown:
        assert shown_rows({**table, grown: table[grown] + 7}) == shown


@given(tables())
def test_hidden_is_nobody_or_enough(found: list[dict[str, int]]) -> None:
    """Of a shown table, the rows that are hidden hold nobody, or at least ten people in at least three rows."""
    (table,) = found
    shown = shown_rows(table)
    hidden = [table.get(c, 0) for c in (*ORDER, UNLISTED) if c not in shown]
    if shown:
        assert sum(hidden) == 0 or (sum(hidden) >= K and len(hidden) >= 3)


@pytest.mark.parametrize(
    ("table", "shown", "safe"),
    [
        pytest.param({"a": 50}, ("a",), True, id="nobody hidden"),
        pytest.param({"a": 50, "b": 9}, ("a",), False, id="nine hidden"),
        pytest.param({"a": 50, "b": 10}, ("a",), True, id="ten hidden in one"),
        pytest.param({"a": 50, "b": 5, "c": 5}, ("a",), True, id="ten hidden in two"),
        pytest.param(
            {"a": 20, "b": 20, "c": 20, "d": 20, "e": 9, UNLISTED: 20}, ORDER[:4], False, id="two hidden rows"
        ),
        pytest.param({"a": 20, "b": 20, "c": 20, "d": 9, "e": 9, UNLISTED: 0}, ORDER[:3], True, id="just room"),
        pytest.param({"a": 20, "b": 20, "c": 20, "d": 9, "e": 9, UNLISTED: 1}, ORDER[:3], False, id="no room"),
        pytest.param({"a": 20, "b": 20, "c": 20, "d": 9, "e": 9, UNLISTED: 10}, ORDER[:3], True, id="one is large"),
        pytest.param({}, (), True, id="empty"),
        pytest.param({"a": 3}, (), False, id="all hidden and few"),
    ],
)
def test_is_safe_by_table(table: dict[str, int], shown: tuple[str, ...], safe: bool) -> None:
    """Whether a table is safe with these rows shown."""
    assert is_safe(table, sum(table.values()), shown, ORDER, threshold=K, step=1) is safe


def test_what_rounding_leaves_is_counted_as_hidden() -> None:
    """Rests of rounding look like hidden people, so a few of them hide a row too."""
    table = {"a": 13, "b": 12}
    assert is_safe(table, 25, ("a", "b"), ORDER, threshold=K, step=1)
    assert not is_safe(table, 25, ("a", "b"), ORDER, threshold=K, step=5)
    assert publishable([table], [25], ORDER, threshold=K, step=5) == ("a",)


def test_a_total_below_its_rows_is_never_safe() -> None:
    """A shown total that is less than the shown rows is no total of theirs."""
    assert not is_safe({"a": 50, "b": 50}, 60, ("a", "b"), ORDER, threshold=K, step=1)


@pytest.mark.parametrize(
    ("rows", "total", "step", "fits"),
    [
        pytest.param({"a": 50}, 50, 5, True, id="all in one"),
        pytest.param({"a": 50}, 60, 5, True, id="ten hidden"),
        pytest.param({"a": 50}, 59, 5, False, id="nine seen to be hidden"),
        pytest.param({"a": 50}, 51, 1, False, id="one hidden"),
        pytest.param({"a": 50}, 49, 1, False, id="more than all"),
        pytest.param({}, 50, 1, False, id="no rows"),
        pytest.param({"a": 9}, 50, 1, False, id="small row"),
        pytest.param({"a": 0, "b": 50}, 50, 1, False, id="empty row"),
        pytest.param({"a": -10}, 50, 5, False, id="negative row"),
        pytest.param({"a": 12}, 50, 5, False, id="not rounded"),
        pytest.param({"a": 12}, 50, 1, True, id="exact"),
        pytest.param({UNLISTED: 20}, 50, 5, False, id="unlisted bucket"),
        pytest.param({"a": 20, "x": 20}, 50, 5, False, id="unlisted name"),
        pytest.param({"a": 20, "b": 20}, 40, 5, True, id="two rows, nobody hidden"),
        pytest.param({"a": 20, "b": 20}, 50, 10, True, id="two rows, ten hidden"),
    ],
)
def test_is_protected_by_table(rows: dict[str, int], total: int, step: int, fits: bool) -> None:
    """Whether rows could stand in a payload."""
    assert is_protected(rows, total, ORDER, threshold=K, step=step) is fits


# Moments.


@pytest.mark.parametrize(
    ("ago", "days", "words"),
    [
        (timedelta(0), (1, 7, 30), "within 1 day"),
        (timedelta(days=1), (1, 7, 30), "within 1 day"),
        (timedelta(days=1, microseconds=1), (1, 7, 30), "within 7 days"),
        (timedelta(days=7), (30, 7, 1), "within 7 days"),
        (timedelta(days=7, microseconds=1), (1, 7, 30), "within 30 days"),
        (timedelta(days=30), (1, 7, 30), "within 30 days"),
        (timedelta(days=30, microseconds=1), (1, 7, 30), None),
        (timedelta(days=9000), (1, 7, 30), None),
        (timedelta(0), (30,), "within 30 days"),
        (timedelta(days=8), (30,), "within 30 days"),
        (timedelta(0), (), None),
        (timedelta(hours=-1), (1, 7, 30), "within 1 day"),
        (timedelta(days=-1), (1, 7, 30), "within 1 day"),
        (timedelta(days=-1, microseconds=-1), (1, 7, 30), None),
        (timedelta(days=-9000), (30,), None),
    ],
)
def test_activity_by_table(ago: timedelta, days: tuple[int, ...], words: str | None) -> None:
    """How recently somebody was active, in words; a clock may be a day ahead, and no more."""
    assert activity(AT - ago, AT, days) == words


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - naive bounds
    st.sets(st.sampled_from(sorted(ACTIVE_WITHIN))),
)
def test_activity_tells_one_of_its_words(moment: datetime, days: set[int]) -> None:
    """Any moment gives one of the words for the days that may be told, or nothing."""
    assert activity(moment, AT, sorted(days)) in {None, *(ACTIVE_WITHIN[d] for d in days)}


def test_a_coarser_word_is_a_function_of_a_finer() -> None:
    """Whoever has the words for one, seven and thirty days learns nothing from the words for thirty."""
    coarser: dict[str | None, set[str | None]] = defaultdict(set)
    for hours in range(-60, 24 * 40):
        moment = AT - timedelta(hours=hours)
        coarser[activity(moment, AT, (1, 7, 30))].add(activity(moment, AT, (30,)))
    assert all(len(words) == 1 for words in coarser.values())


def test_the_words_for_longer_are_said_later() -> None:
    """The longer the days, the longer ago; the three words differ."""
    assert len(set(ACTIVE_WITHIN.values())) == len(ACTIVE_WITHIN)
    assert all(shorter < longer for shorter, longer in pairwise(ACTIVE_WITHIN))
