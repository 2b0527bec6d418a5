"""
Figures of people, from what was read to what may leave: the rules of :mod:`rc_stats.disclosure` over one report.

This is where more than one figure is looked at: a split and its total, a table and its total, tables of linked periods,
and the report before. What a finding says of a withheld figure is the same for nobody, few, nearly all and all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from rc_stats import disclosure
from rc_stats.catalogue import PEOPLE_OPERATORS, Catalogue, Metric, Profile
from rc_stats.errors import UnusableInput
from rc_stats.operators import NOT_SET, Refusal, Value
from rc_stats.plan import Outcome, Plan, Slot
from rc_stats.readers import Unprotected
from rc_stats.wire import canonical, parse

_FORMAT: Final = 1
MONTH: Final = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])", re.ASCII)


class Held(Enum):
    """Why a figure of people stays. The member's value is the rule's code."""

    SMALL_GROUP = "small-group"
    HIDDEN_ROWS = "hidden-rows"
    MOMENT = "moment-withheld"
    FROZEN = "frozen"
    NO_PREVIOUS = "previous-unusable"

    rule: str

    def __init__(self, rule: str) -> None:
        """Keep the code as a plain attribute."""
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Previous:
    """
    The figures of people of the last report: what the next one needs so that the two can't be compared.

    Whoever keeps reports keeps this beside them. A value that can't be used (corrupted, from another catalogue or
    profile, from the future) makes the next report withhold all figures of people until a new month.

    Attributes:
        month: The month that the figures count for.
        totals: The exact totals, by path, of the people that they were made from; they don't leave by this way.
        figures: Payload path to value; what was withheld is absent.
        is_usable: False for one that could not be read.
    """

    catalogue_digest: str
    profile: Profile
    month: str
    totals: Mapping[str, int]
    figures: Mapping[str, Value]
    is_usable: bool = True

    def to_bytes(self) -> bytes:
        """Return the canonical bytes to be kept."""
        figures = {path: dict(value) if isinstance(value, tuple) else value for path, value in self.figures.items()}
        return canonical(
            {
                "catalogue": self.catalogue_digest,
                "figures": figures,
                "format": _FORMAT,
                "is_usable": self.is_usable,
                "month": self.month,
                "profile": self.profile,
                "totals": dict(self.totals),
            }
        )


UNUSABLE: Final = Previous("", Profile.STANDARD, "", MappingProxyType({}), MappingProxyType({}), is_usable=False)
"""A report before that can't be read. It is not the same as none."""


def read_previous(data: bytes) -> Previous:
    """Return what *data* holds. It never raises: what can't be read is marked as unusable, and so withholds."""
    try:
        kept = parse(data)
        figures = {path: tuple(v.items()) if isinstance(v, dict) else v for path, v in kept["figures"].items()}
        plain = all(_is_figure(value) for value in figures.values())
        is_whole = (
            kept["format"] == _FORMAT
            and plain
            and all(type(total) is int for total in kept["totals"].values())
            and bool(MONTH.fullmatch(kept["month"]))
            and kept["is_usable"] is True
        )
        return Previous(
            kept["catalogue"],
            Profile(kept["profile"]),
            kept["month"],
            MappingProxyType(dict(kept["totals"])),
            MappingProxyType(figures),
            is_whole,
        )
    except (UnusableInput, KeyError, TypeError, ValueError, AttributeError):
        return UNUSABLE


def _is_figure(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(type(number) is int for _, number in value)
    return type(value) in (int, str)


@dataclass(frozen=True, slots=True)
class Situation:
    """
    What the protection goes by, beside the figures.

    Attributes:
        totals: Exact totals of people, by path, as far as the document tells them.
        made_at: When the document was made.
        month: The month that the report counts for, by the caller's clock; empty if not told.
        previous: The report before; None for the first ever.
    """

    totals: Mapping[str, int]
    made_at: datetime | None
    month: str = ""
    previous: Previous | None = None


@dataclass(slots=True)
class Protection:
    """
    The protected figures of one report.

    Attributes:
        held: Slot index to why its figure stays.
        is_kept: Slot indices whose figure is the previous report's.
        is_repeated: Those, and the ones that the previous report had withheld.
    """

    plan: Plan
    values: list[Outcome]
    situation: Situation
    held: dict[int, Held] = field(default_factory=dict)
    is_kept: set[int] = field(default_factory=set)
    is_repeated: set[int] = field(default_factory=set)
    _totals: dict[tuple[str, tuple[str, ...]], int | None] = field(default_factory=dict)

    def apply(self) -> None:
        """Replace every unprotected figure in ``values`` by what may leave, or by nothing."""
        figures = {slot: self.values[slot] for slot in self.plan.people}
        for index in self.plan.people:
            self.values[index] = None
        repeated = self._repeat([index for index in figures if self.plan.slots[index].treatment.frozen])
        figures = {index: figure for index, figure in figures.items() if index not in repeated}
        self._moments(figures)
        self._splits(figures)
        self._tables(figures)

    def following(self, figures: Mapping[str, Value]) -> Previous:
        """
        Return what the next report needs.

        Args:
            figures: The figures of people that leave with this one.
        """
        catalogue, before = self.plan.catalogue, self.situation.previous
        totals = dict(self.situation.totals)
        repeated = {path for index in self.is_repeated for path in self._bases(self.plan.slots[index].metric)}
        if before is not None:
            # A repeated figure is of the people of the report that it was first made for.
            totals |= {path: n for path, n in before.totals.items() if path in repeated and type(n) is int}
        return Previous(
            catalogue.digest,
            self.plan.profile,
            self.situation.month,
            MappingProxyType(totals),
            MappingProxyType(dict(figures)),
        )

    def _repeat(self, frozen: Sequence[int]) -> frozenset[int]:
        """Repeat the previous report's figures where two reports could be compared, and return which these are."""
        previous, month = self.situation.previous, self.situation.month
        if previous is None:
            return frozenset()
        if not previous.is_usable or not self._is_ours(previous) or not month or previous.month > month:
            self.held.update((i, Held.NO_PREVIOUS) for i in frozen if not self.plan.slots[i].is_silent)
            self.is_repeated.update(frozen)  # so that the totals of what was last shown are not forgotten
            return frozenset(frozen)
        repeated = [index for index in frozen if self._is_comparable(self.plan.slots[index], previous)]
        self.is_repeated.update(repeated)
        # Tables last: their total can be a repeated figure itself.
        for index in sorted(repeated, key=lambda index: self.plan.slots[index].metric.operator == "table"):
            slot = self.plan.slots[index]
            value = previous.figures.get(slot.metric.emit)
            # The present totals and the repeated figure are both known, so that it no longer fits tells nothing.
            if value is not None and fits(slot, value, self._total(slot), self.plan.catalogue):
                self.values[index] = value
                self.is_kept.add(index)
            elif not slot.is_silent:
                self.held[index] = Held.FROZEN
        return frozenset(repeated)

    def _is_comparable(self, slot: Slot, previous: Previous) -> bool:
        """Say whether a fresh figure could be compared with the previous one: same month, or nearly the same people."""
        if previous.month == self.situation.month:
            return True
        now, before = self.situation.totals, previous.totals
        moved = (abs(now.get(path, 0) - before.get(path, 0)) for path in self._bases(slot.metric))
        return any(0 < change < self.plan.catalogue.threshold for change in moved)

    def _is_ours(self, previous: Previous) -> bool:
        return previous.catalogue_digest == self.plan.catalogue.digest and previous.profile is self.plan.profile

    def _bases(self, metric: Metric) -> frozenset[str]:
        """Return the paths of the totals that say who the people of *metric* can be; that of all users is one."""
        catalogue = self.plan.catalogue
        paths = {catalogue.facts.people, metric.of, *metric.less} & set(self.plan.totals)
        total = catalogue.metrics.get(metric.of)
        is_figure = total is not None and total.operator in PEOPLE_OPERATORS
        return frozenset(paths) | (self._bases(total) if total is not None and is_figure else frozenset())

    def _total_emit(self, path: str) -> str:
        total = self.plan.catalogue.metrics.get(path)
        return total.emit if total is not None else ""

    def _shown(self, path: str) -> int | None:
        """Return the number at *path* of the document as the payload tells it."""
        index = self.plan.index_of.get(self._total_emit(path))
        value = self.values[index] if index is not None else None
        return value if type(value) is int else None

    def _total(self, slot: Slot) -> int | None:
        """
        Return how many people *slot* can be about: its total, without those that can't be among the counted.

        It is the smaller of what the payload tells and of what is true, so that neither complement is small. Without
        one of the totals there is none.
        """
        metric = slot.metric
        key = (metric.of, metric.less)
        if metric.of not in self.plan.totals:
            return self._total_of(*key)
        if key not in self._totals:
            # Of plain counts, which no figure of people changes; most splits share one.
            self._totals[key] = self._total_of(*key)
        return self._totals[key]

    def _total_of(self, of: str, less: tuple[str, ...]) -> int | None:
        shown = [self._shown(path) for path in (of, *less)]
        if any(number is None for number in shown):
            return None
        told, *told_less = (number for number in shown if number is not None)
        exact = self.situation.totals
        if of not in exact:
            return told
        true = exact[of] - sum(exact.get(path, 0) for path in less)
        return min(told - sum(told_less), true)

    def _of(self, figures: Mapping[int, Outcome], operator: str) -> Iterator[tuple[int, Slot, Any]]:
        """Yield the figures that *operator* protects; one that couldn't be read keeps its refusal."""
        for index, slot in self.plan.people_by[operator]:
            outcome = figures.get(index)
            if outcome is None:
                continue
            if isinstance(outcome, Unprotected):
                yield index, slot, outcome.figure
            elif isinstance(outcome, Refusal) and outcome is not NOT_SET:
                self.values[index] = None if slot.is_silent else outcome
            else:
                self._settle(index, None, HELD[operator])

    def _moments(self, figures: Mapping[int, Outcome]) -> None:
        at = self.situation.made_at
        for index, slot, figure in self._of(figures, "moment"):
            days = slot.treatment.days
            if isinstance(figure, str):
                word = figure if figure in {disclosure.ACTIVE_WITHIN[day] for day in days} else None
            else:
                word = disclosure.activity(figure, at, days) if at is not None else None
            self._settle(index, word, Held.MOMENT)

    def _splits(self, figures: Mapping[int, Outcome]) -> None:
        threshold = self.plan.catalogue.threshold
        for index, slot, figure in self._of(figures, "split"):
            total = self._total(slot)
            shown = None
            if total is not None:
                shown = disclosure.split(figure, total, threshold=threshold, step=slot.treatment.step)
            self._settle(index, shown, Held.SMALL_GROUP)

    def _tables(self, figures: Mapping[int, Outcome]) -> None:
        linked: dict[str, list[tuple[int, Slot, dict[str, int], int]]] = {}
        for index, slot, figure in self._of(figures, "table"):
            rows, total = dict(figure), self._total(slot)
            exact = self._exact_total(slot, figures)
            if total is None:
                self._settle(index, None, Held.HIDDEN_ROWS)
            elif sum(rows.values()) == exact:
                name = slot.metric.linked or slot.metric.emit
                linked.setdefault(name, []).append((index, slot, rows, total))
            else:
                # Rows that don't add up: of a payload that is read again they are what was shown, else they stay.
                outcome = figures[index]
                is_raw = isinstance(outcome, Unprotected) and outcome.is_raw
                is_payload = not is_raw and fits(slot, tuple(rows.items()), total, self.plan.catalogue)
                self._settle(index, self._ordered(slot, rows, rows) if is_payload else None, Held.HIDDEN_ROWS)
        for group in linked.values():
            self._publish(group)

    def _exact_total(self, slot: Slot, figures: Mapping[int, Outcome]) -> int | None:
        """Return the exact total of a table: of all users, or the count of people that was read beside it."""
        catalogue = self.plan.catalogue
        if slot.metric.of == catalogue.facts.people:
            return self.situation.totals.get(slot.metric.of)
        outcome = figures.get(self.plan.index_of.get(self._total_emit(slot.metric.of), -1))
        return outcome.figure if isinstance(outcome, Unprotected) and type(outcome.figure) is int else None

    def _publish(self, group: Sequence[tuple[int, Slot, dict[str, int], int]]) -> None:
        catalogue = self.plan.catalogue
        if all(slot.is_silent for _, slot, _, _ in group):
            return
        slot = next(slot for _, slot, _, _ in group if not slot.is_silent)
        shown = disclosure.publishable(
            [rows for _, _, rows, _ in group],
            [total for _, _, _, total in group],
            catalogue.vocabularies[slot.metric.vocabulary].members,
            threshold=catalogue.threshold,
            step=slot.treatment.step,
        )
        for index, _, rows, _ in group:
            self._settle(index, self._ordered(slot, rows, shown), Held.HIDDEN_ROWS)

    def _ordered(self, slot: Slot, rows: Mapping[str, int], shown: Any) -> Value | None:
        members = self.plan.catalogue.vocabularies[slot.metric.vocabulary].members
        step = slot.treatment.step
        return tuple((name, disclosure.floored(rows[name], step)) for name in sorted(members) if name in shown) or None

    def _settle(self, index: int, value: Value | None, held: Held) -> None:
        if self.plan.slots[index].is_silent:
            return
        if value is None:
            self.held[index] = held
        else:
            self.values[index] = value


HELD: Final = {"split": Held.SMALL_GROUP, "table": Held.HIDDEN_ROWS, "moment": Held.MOMENT}
"""Why a figure stays that was made from this document, by operator."""


def fits(slot: Slot, value: Value, total: int | None, catalogue: Catalogue) -> bool:
    """
    Say whether *value* is a protected figure for *slot*, so that a payload could hold it.

    Args:
        total: The total that the people belong to, as the payload tells it.
    """
    threshold, step = catalogue.threshold, slot.treatment.step
    if slot.metric.operator == "moment":
        return value in {disclosure.ACTIVE_WITHIN[day] for day in slot.treatment.days}
    if total is None:
        return False
    if slot.metric.operator == "split":
        return type(value) is int and disclosure.split(value, total, threshold=threshold, step=step) == value
    order = catalogue.vocabularies[slot.metric.vocabulary].members
    rows = dict(value) if isinstance(value, tuple) else {}
    return disclosure.is_protected(rows, total, order, threshold=threshold, step=step)


assert set(HELD) == PEOPLE_OPERATORS  # noqa: S101 - a new operator for people needs its protection here
