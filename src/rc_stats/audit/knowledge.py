"""What the attacker knows of documents, as variables and constraints, and what follows from it for each figure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, Final

from rc_stats.audit.program import FAR, Model
from rc_stats.catalogue import Catalogue, Metric, Profile, Treatment
from rc_stats.disclosure import FEWEST_HIDDEN_CATEGORIES, UNLISTED

WINDOWS: Final = {"uniqueUsersOfYesterday": 1, "uniqueUsersOfLastWeek": 7, "uniqueUsersOfLastMonth": 30}
"""Days that the windows look back. Their counts are of different people, so they nest."""

MEASURES: Final = ("sessions", "time")
"""What a publisher without protection shows beside the people of a window."""

_ENABLED: Final = ("services.", "totalUserTOTP", "totalUserEmail2fa")
"""Splits that certainly count nobody of those that the catalogue takes off the total."""

_NO_PART: Final = ("dailyPeakConnections", "maxMonthlyPeakConnections", "importer.", "federatedUsers", "matrixFed")
"""Splits whose people need not be among the users: a peak counts connections, an importer what it once made."""


@dataclass(frozen=True, slots=True)
class Bound:
    """
    What the attacker gets to know of one figure.

    Attributes:
        path: Payload path of the split or table.
        category: Of a table's row; empty for a split.
        low: The smallest value that the figure can have.
        high: The largest.
        shown: What the payload tells; None for what is hidden.
        is_protected: For a hidden figure: it could be anything from nobody to one below the threshold (or to all there
            are), or so could the number of the others, or it is known to be no small group. For a shown one: it is
            no small group. Where it is certain that there is nobody, nobody needs protection.
        day: Place of the document in a series.
        is_remainder: It is of the people that a shown split leaves over, of the users who can be among the counted.
    """

    path: str
    category: str
    low: int
    high: int
    shown: int | None
    is_protected: bool
    day: int = 0
    is_remainder: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether the payload tells it."""
        return self.shown is not None


@dataclass(slots=True)
class Target:
    """
    A figure whose interval is looked for.

    Attributes:
        variable: Of the model.
        ceiling: Variables that it can't exceed: where all people are fewer than the threshold, nothing more is hidden.
        others: Variable of the people who are not in it, or None.
        twin: Targets with equal twins have equal intervals by symmetry.
    """

    path: str
    category: str
    variable: int
    shown: int | None
    day: int
    ceiling: tuple[int, ...] = ()
    others: int | None = None
    twin: object = None
    is_remainder: bool = False


@dataclass(slots=True)
class Day:
    """The variables of one document that other days are linked with, by payload path."""

    place: int
    statistics: Mapping[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int | None] = field(default_factory=dict)


class Knowledge:
    """
    What the attacker knows, as variables and constraints.

    Args:
        by_rules: The payload was made by the rules of this package, which the attacker knows as well.
    """

    def __init__(self, catalogue: Catalogue, profile: Profile, *, by_rules: bool) -> None:
        self.catalogue = catalogue
        self.profile = profile
        self.by_rules = by_rules
        self.model = Model()
        self.targets: list[Target] = []

    def learn(self, place: int, statistics: Mapping[str, Any], repeated: Collection[str] = ()) -> Day:
        """
        Add one document.

        Args:
            repeated: Paths of totals whose frozen figures may be those of a report before, and are passed over.
        """
        day = Day(place, statistics)
        catalogue = self.catalogue
        groups: dict[str, list[tuple[Metric, Treatment]]] = {}
        linked = {metric.linked for metric, _ in catalogue.leaving(self.profile) if metric.linked}
        for metric in catalogue.metrics.values():
            treatment = catalogue.treatment(metric, self.profile)
            if treatment is None or (treatment.withhold and metric.linked not in linked):
                continue
            of = metric.of if metric.of in repeated else catalogue.facts.people
            if (treatment.frozen or treatment.withhold) and of in repeated:
                continue
            if metric.operator == "split":
                self._split(day, metric, treatment)
            elif metric.operator == "table":
                groups.setdefault(metric.linked or metric.emit, []).append((metric, treatment))
        windows = [day.counts[window] for window in WINDOWS if window in day.counts]
        for shorter, longer in pairwise(windows):
            self.model.require({longer: 1, shorter: -1}, low=0)
        for group in groups.values():
            self._tables(day, group)
        for window in WINDOWS:
            for measure in MEASURES:
                self._measure(day, f"{window}.{measure}", f"{window}.roles-{measure}")
        return day

    def _total(self, day: Day, path: str) -> int:
        """Return the variable of the total at catalogue *path*, which may be a split."""
        if path in day.totals:
            return day.totals[path]
        metric = self.catalogue.metrics[path]
        treatment = self.catalogue.treatment(metric, self.profile) or Treatment()
        value = at(day.statistics, metric.emit)
        if type(value) is int:
            variable = self.model.new(value, value + unit_of(treatment, value) - 1)
        elif treatment.absent_zero and path == self.catalogue.facts.people and self.by_rules:
            variable = self.model.new(0, treatment.step - 1)
        else:
            variable = self.model.new(0, metric.maximum)
        day.totals[path] = variable
        day.shown[path] = value if type(value) is int else None
        return variable

    def _base(self, day: Day, metric: Metric) -> int:
        """Return the variable of the total that *metric* is held against: without those who can't be counted."""
        total, less = self._total(day, metric.of), [self._total(day, path) for path in metric.less]
        if not less:
            return total
        name = "-".join((metric.of, *metric.less))
        if name not in day.totals:
            model = self.model
            # Somebody may be counted twice in what is taken off, so it can be negative.
            low = model.low[total] - sum(model.high[part] for part in less)
            high = model.high[total] - sum(model.low[part] for part in less)
            day.totals[name] = model.new(low, high)
            model.require({total: 1, day.totals[name]: -1, **dict.fromkeys(less, -1)}, low=0, high=0)
        return day.totals[name]

    def _told(self, day: Day, metric: Metric) -> int | None:
        """Return the same as the payload tells it, or None where one of the totals isn't shown."""
        shown = [day.shown[path] for path in (metric.of, *metric.less)]
        told = [number for number in shown if number is not None]
        return told[0] - sum(told[1:]) if len(told) == len(shown) else None

    def _difference(self, whole: int, part: int) -> int:
        rest = self.model.new(0, max(0, self.model.high[whole] - self.model.low[part]))
        self.model.require({whole: 1, part: -1, rest: -1}, low=0, high=0)
        return rest

    def _split(self, day: Day, metric: Metric, treatment: Treatment) -> None:
        model, k = self.model, self.catalogue.threshold
        total, base = self._total(day, metric.of), self._base(day, metric)
        users = self._total(day, self.catalogue.facts.people)
        told = self._told(day, metric)
        value = at(day.statistics, metric.emit)
        shown = value if type(value) is int else None
        whole = self._whole(metric, shown or 0, total, base)
        if shown is not None:
            low, high = shown, shown + treatment.step - 1
            if self.by_rules:
                # What breaks this was not made by the rules; then the two ends cross, and nothing fits.
                low = max(low, k)
                high = min(high, (told if told is not None else -1) - k)
            variable = model.new(low, high)
            if self.by_rules:
                model.require({base: 1, variable: -1}, low=k)
        else:
            variable = model.new(0, metric.maximum if whole is None else min(metric.maximum, model.high[whole]))
            is_explained = treatment.needs_people > model.low[users]
            if self.by_rules and told is not None and not is_explained:
                self._is_small_or_nearly_all(variable, told, base)
        others = self._difference(whole, variable) if whole is not None else None
        if whole is not None and shown is not None:
            left = model.new(model.low[base] - shown - treatment.step, max(model.high[base] - shown, 0))
            model.require({base: 1, variable: -1, left: -1}, low=0, high=0)
            same_left = ("left over", day.place, metric.of, metric.less, whole, shown)
            self.targets.append(Target(metric.emit, "", left, shown, day.place, twin=same_left, is_remainder=True))
        window = metric.emit.removesuffix(".count")
        if window in WINDOWS:
            day.counts[window] = variable
        day.totals[metric.path], day.shown[metric.path] = variable, shown
        twin = None if window in WINDOWS else (day.place, metric.of, metric.less, whole, shown)
        ceiling = (whole,) if whole is not None else ()
        self.targets.append(Target(metric.emit, "", variable, shown, day.place, ceiling, others, twin))

    def _whole(self, metric: Metric, shown: int, total: int, base: int) -> int | None:
        """Return the variable of the people that those of *metric* are certainly among, or None."""
        if metric.emit.startswith(_NO_PART):
            return None
        known = (base, total) if metric.emit.startswith(_ENABLED) else (total,)
        # Totals that don't fit a foreign payload are no knowledge.
        return next((whole for whole in known if self.model.high[whole] >= shown), None)

    def _is_small_or_nearly_all(self, variable: int, told: int, base: int) -> None:
        """A split was hidden since it is small, or its complement is, of the smaller of the told and the true total."""
        model, k = self.model, self.catalogue.threshold
        if told <= model.low[base] or model.low[base] == model.high[base]:
            most = min(told, model.low[base])
            if most >= 2 * k:
                model.either(variable, k - 1, most - k + 1)
            return
        is_large, is_told = model.new(0, 1), model.new(0, 1)
        model.require({variable: 1, is_large: -max(model.high[variable] - k + 1, 0)}, high=k - 1)
        room, true_room = max(told - k + 1, 0), max(model.high[base] - k + 1, 0)
        model.require({variable: 1, is_large: -room, is_told: -room}, low=told - k + 1 - 2 * room)
        model.require({variable: 1, base: -1, is_large: -true_room, is_told: true_room}, low=1 - k - true_room)

    def _tables(self, day: Day, group: Sequence[tuple[Metric, Treatment]]) -> None:
        """Add the tables of one pattern: people by category, over one period or several."""
        order = self.catalogue.vocabularies[group[0][0].vocabulary].members
        categories = (*order, UNLISTED)
        published = {metric.emit: at(day.statistics, metric.emit) for metric, _ in group}
        rows = {emit: value for emit, value in published.items() if isinstance(value, Mapping)}
        last = max((order.index(name) for value in rows.values() for name in value if name in order), default=-1)
        cells: dict[str, dict[str, int]] = {}
        for metric, treatment in group:
            total = self._total(day, metric.of)
            shown = rows.get(metric.emit, {})
            own = {name: self._row(name, shown, treatment, total) for name in categories}
            cells[metric.emit] = own
            self.model.require({total: -1, **dict.fromkeys(own.values(), 1)}, low=0, high=0)
            if treatment.withhold:
                continue
            for place, name in enumerate(categories):
                value = shown.get(name)
                if None in shown.values() and name not in shown:
                    continue
                twin = (day.place, metric.emit, place < last, name == UNLISTED, value, name in shown)
                target = Target(metric.emit, name, own[name], value, day.place, (total,), None, twin)
                self.targets.append(target)
        if not self.by_rules or not rows:
            return
        patterned = [metric.emit for metric, _ in group if day.shown[metric.of] is not None]
        shown_names = {name for value in rows.values() for name in value}
        for name in order[:last]:
            if name not in shown_names:
                self._is_small_in_one([cells[emit][name] for emit in patterned])
        for emit in patterned:
            self._is_safe([cells[emit][name] for name in categories if name not in shown_names])

    def _row(self, name: str, shown: Mapping[str, Any], treatment: Treatment, total: int) -> int:
        k, high = self.catalogue.threshold, self.model.high[total]
        value = shown.get(name)
        if type(value) is int:
            return self.model.new(max(value, k) if self.by_rules else value, value + treatment.step - 1)
        if None in shown.values():
            # Masked one by one, as most publishers do it: what isn't masked is not there.
            return self.model.new(1, min(k - 1, high)) if name in shown else self.model.new(0, 0)
        return self.model.new(0, high)

    def _is_small_in_one(self, cells: Sequence[int]) -> None:
        """A category that comes before a shown one was hidden because it is small, in one of the linked tables."""
        small = self.catalogue.threshold - 1
        if len(cells) == 1:
            self.model.require({cells[0]: 1}, high=small)
            return
        chosen = [self.model.new(0, 1) for _ in cells]
        for cell, choice in zip(cells, chosen, strict=True):
            room = max(self.model.high[cell], small)
            self.model.require({cell: 1, choice: room - small}, high=room)
        self.model.require(dict.fromkeys(chosen, 1), low=1)

    def _is_safe(self, hidden: Sequence[int]) -> None:
        """The table was found safe: it hides nobody or enough, and one hidden row is large or all have room."""
        model, k = self.model, self.catalogue.threshold
        most = sum(model.high[cell] for cell in hidden)
        rest = model.new(0, min(most, FAR))
        model.require({rest: -1, **dict.fromkeys(hidden, 1)}, low=0, high=0)
        model.either(rest, 0, k)
        room = (len(hidden) - 1) * (k - 1)
        largest = max(model.high[cell] for cell in hidden)
        if len(hidden) < FEWEST_HIDDEN_CATEGORIES or largest <= room:
            return
        full = model.new(0, 1)
        model.require({rest: 1, full: room - largest}, high=room)
        large = []
        for cell in hidden:
            is_large = model.new(0, 1)
            model.require({cell: 1, is_large: -k}, low=0)
            large.append(is_large)
        model.require({full: -1, **dict.fromkeys(large, 1)}, low=0)

    def _measure(self, day: Day, total_path: str, rows_path: str) -> None:
        """Add what people did, by category, as only a publisher without protection shows it."""
        total, rows = at(day.statistics, total_path), at(day.statistics, rows_path)
        if type(total) is not int or not isinstance(rows, Mapping):
            return
        cells = {}
        for name, value in rows.items():
            cells[name] = self.model.new(value or 0, total if value is None else value)
            if value is None:
                twin = (day.place, rows_path)
                self.targets.append(Target(rows_path, name, cells[name], None, day.place, (), None, twin))
        self.model.require(dict.fromkeys(cells.values(), 1), low=total, high=total)

    def link(self, days: Sequence[tuple[date, Mapping[str, int]]]) -> None:
        """
        Add what days have to do with each other: a window holds the people of the shorter ones that it is made of.

        A window that starts where a longer one does, or ends there, is part of it. The people of a window are at most
        those of windows that cover it. So who is new in a window since the day before came on the last day.
        """
        known = {
            (day.toordinal(), length): counts[window]
            for day, counts in days
            for window, length in WINDOWS.items()
            if window in counts
        }
        for (end, length), window in known.items():
            for (other_end, other_length), other in known.items():
                if other_end <= end and other_end - other_length >= end - length and other_length < length:
                    self.model.require({window: 1, other: -1}, low=0)
            for cover in _covers(end, length, known):
                terms: dict[int, int] = {window: -1}
                for piece in cover:
                    terms[piece] = terms.get(piece, 0) + 1
                self.model.require(terms, low=0)

    def bounds(self) -> Iterator[Bound]:
        """Yield what is found out, target by target."""
        model = self.model
        found: dict[object, tuple[int, int, bool]] = {}
        for target in self.targets:
            if target.twin is None or target.twin not in found:
                low, high = model.interval(target.variable) or (0, 0)
                is_protected = self._is_protected(target, low, high)
                if target.twin is not None:
                    found[target.twin] = low, high, is_protected
            else:
                low, high, is_protected = found[target.twin]
            yield Bound(
                target.path, target.category, low, high, target.shown, is_protected, target.day, target.is_remainder
            )

    def _is_protected(self, target: Target, low: int, high: int) -> bool:
        """Say whether no small group is given away, see :class:`Bound`."""
        model, k = self.model, self.catalogue.threshold
        if target.path.rpartition("-")[2] in MEASURES:
            return high > low
        if high <= 0:
            return True
        if target.is_remainder:
            return high >= k
        if target.shown is not None:
            return low >= k
        most = min([k - 1, *((model.interval(ceiling) or (0, 0))[1] for ceiling in target.ceiling)])
        if low < k:
            return model.interval(target.variable, high=k - 1) == (0, most)
        if target.others is None:
            return True
        rest_low, rest_high = model.interval(target.others) or (0, 0)
        return rest_low >= k or (rest_low == 0 and rest_high >= most)


def at(statistics: Mapping[str, Any], path: str) -> Any:
    """Return what is at *path*; None if nothing is."""
    value: Any = statistics
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def unit_of(treatment: Treatment | None, value: int) -> int:
    """Return how many numbers look like *value* after rounding."""
    if treatment is None:
        return 1
    digits = treatment.significant
    unit = 10 ** max(0, len(str(value)) - digits) if digits is not None else 1
    return max(unit, treatment.step)


def _covers(end: int, length: int, known: Mapping[tuple[int, int], int]) -> Iterator[list[int]]:
    """Yield known windows that cover the days of one, in the ways that tell most."""
    start = end - length

    def days(first: int, past: int) -> list[int] | None:
        found = [known.get((day, 1)) for day in range(first + 1, past + 1)]
        return None if None in found else [day for day in found if day is not None]

    for back in range(1, 8):
        for tail in ([known[end, 7]] if length > 7 and (end, 7) in known else None, days(end - back, end)):
            head = known.get((end - back, length))
            if head is not None and tail is not None:
                yield [head, *tail]
        head = known.get((end + back, length))
        front = days(start, start + back)
        if head is not None and front is not None and back < length:
            yield [head, *front]
    if length > 1:
        whole = days(start, end)
        if whole is not None:
            yield whole
    if length > 7:
        weeks = [known.get((end - 7 * back, 7)) for back in range(length // 7)]
        left = days(start, end - 7 * (length // 7))
        if None not in weeks and left is not None:
            yield [*(week for week in weeks if week is not None), *left]
