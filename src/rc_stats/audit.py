"""
The attack on one's own payload: what a determined reader could bound of the people behind it.

The reader knows the catalogue, the rules of :mod:`rc_stats.disclosure`, the threshold, and every number of the payload,
or of a payload for each of many days. All that is hidden becomes an integer variable, all that is known a constraint;
a mixed-integer program then gives the smallest and the largest value that each hidden figure can have. A hidden figure
is protected if, as far as the reader can tell, it could be anything from nobody to one below the threshold.

What the attack doesn't do: guess. It knows nothing of which languages or roles are plausible in a place, and it doesn't
compare two days on the assumption that only one person changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from typing import Any, Final

from rc_stats.catalogue import Catalogue, Metric, Profile, Treatment
from rc_stats.disclosure import FEWEST_HIDDEN_CATEGORIES, UNLISTED
from rc_stats.errors import MissingExtra
from rc_stats.plan import Plan
from rc_stats.readers import Unprotected

WINDOWS: Final = {"uniqueUsersOfYesterday": 1, "uniqueUsersOfLastWeek": 7, "uniqueUsersOfLastMonth": 30}
"""Days that the windows look back. Their counts are of different people, so they nest."""

MEASURES: Final = ("sessions", "time")
"""What a publisher without protection shows beside the people of a window."""

_ENABLED: Final = ("services.", "totalUserTOTP", "totalUserEmail2fa")
"""Splits that certainly count nobody of those that the catalogue takes off the total."""

_NO_PART: Final = ("dailyPeakConnections", "maxMonthlyPeakConnections", "importer.", "federatedUsers", "matrixFed")
"""Splits whose people need not be among the users: a peak counts connections, an importer what it once made."""
_FAR: Final = 10**9
_MANY: Final = 20
"""A problem of so many variables is first solved for all of them together."""


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


@dataclass(frozen=True, slots=True)
class Audit:
    """
    The outcome of an attack.

    Attributes:
        bounds: One for each split and row, in the order of the catalogue.
        is_by_rules: False for a payload that the rules can't have made; it was attacked as anybody's.
    """

    catalogue: Catalogue
    profile: Profile
    bounds: tuple[Bound, ...]
    is_by_rules: bool = True

    @property
    def failures(self) -> tuple[Bound, ...]:
        """The small groups that the attacker gets hold of."""
        return tuple(bound for bound in self.bounds if not bound.is_protected)


def attack(statistics: Mapping[str, Any], catalogue: Catalogue, profile: Profile) -> Audit:
    """
    Attack the *statistics* of one payload.

    Args:
        statistics: Nested, as the payload has them; of a first report, not of one that repeats figures of people.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    return _attacked([(0, statistics)], None, catalogue, profile)


def attack_series(
    statistics: Sequence[Mapping[str, Any]], catalogue: Catalogue, profile: Profile, *, days: Sequence[date]
) -> Audit:
    """
    Attack the *statistics* of many payloads of one workspace, put together.

    Of the reports that repeat figures of people only the first is looked at, since the others tell less. Where the
    attacker can't know whether a report repeats them, these figures are passed over.

    Args:
        statistics: One for each of the *days*, in their order.
        days: Day on which each document was made.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    series = list(zip(range(len(days)), statistics, strict=True))
    return _attacked(series, days, catalogue, profile)


def naive(document: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """
    Return what a publisher without protection would show: all figures as they are, rows below the threshold masked.

    It is there to be broken: an attack that finds nothing in it would prove nothing about the rules.

    Args:
        document: A statistics document.
    """
    plan = Plan(catalogue, Profile.EXACT)
    statistics: dict[str, Any] = {}
    for slot, outcome in zip(plan.slots, plan.read(document), strict=True):
        value: Any = outcome.figure if isinstance(outcome, Unprotected) else outcome
        if slot.metric.operator == "table" and isinstance(value, tuple):
            value = {name: number if number >= catalogue.threshold else None for name, number in value if number}
        elif type(value) is not int:
            continue
        _put(statistics, slot.metric.emit, value)
    for window in WINDOWS:
        rows = document.get(window, {}).get("data") or [{}]
        for measure in MEASURES:
            if type(rows[0].get(measure)) is int:
                shown = {
                    row["role"]: row[measure] if row["count"] >= catalogue.threshold else None
                    for row in rows[0].get("roles", ())
                }
                _put(statistics, f"{window}.{measure}", rows[0][measure])
                _put(statistics, f"{window}.roles-{measure}", shown)
    return statistics


def _put(statistics: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        statistics = statistics.setdefault(parent, {})
    statistics[name] = value


def _at(statistics: Mapping[str, Any], path: str) -> Any:
    value: Any = statistics
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _fresh(
    statistics: Sequence[Mapping[str, Any]], catalogue: Catalogue, profile: Profile, days: Sequence[date], base: str
) -> set[int]:
    """
    Return the places of the reports whose frozen figures of people were certainly made anew.

    Args:
        base: Path of the total that the figures are counted in.
    """
    less = {path for metric in catalogue.metrics.values() if metric.of == base for path in metric.less}
    paths = {catalogue.facts.people, base, *less}
    metrics = [catalogue.metrics[path] for path in paths]
    is_exact = all(_unit(catalogue.treatment(metric, profile), 0) == 1 for metric in metrics)
    totals = [{metric.path: _at(report, metric.emit) or 0 for metric in metrics} for report in statistics]
    fresh: set[int] = set()
    made_from: Mapping[str, int] = {}
    for place, day in enumerate(days):
        now = totals[place]
        if place:
            if (day.year, day.month) == (days[place - 1].year, days[place - 1].month):
                continue
            known = (made_from, totals[place - 1])
            if not is_exact or not all(
                _is_apart(now[path], before[path], catalogue.threshold) for before in known for path in paths
            ):
                continue
        fresh.add(place)
        made_from = now
    return fresh


def _is_apart(users: int, other: int, threshold: int) -> bool:
    return users == other or abs(users - other) >= threshold


def _unit(treatment: Treatment | None, value: int) -> int:
    """Return how many numbers look like *value* after rounding."""
    if treatment is None:
        return 1
    digits = treatment.significant
    unit = 10 ** max(0, len(str(value)) - digits) if digits is not None else 1
    return max(unit, treatment.step)


@dataclass(slots=True)
class _Target:
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
class _Day:
    """The variables of one document that other days are linked with, by payload path."""

    place: int
    statistics: Mapping[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int | None] = field(default_factory=dict)


def _attacked(
    series: Sequence[tuple[int, Mapping[str, Any]]],
    days: Sequence[date] | None,
    catalogue: Catalogue,
    profile: Profile,
) -> Audit:
    fresh = {}
    if days is not None:
        bases = {catalogue.facts.people, *(m.of for m, t in catalogue.leaving(profile) if t.frozen and m.of)}
        reports = [statistics for _, statistics in series]
        fresh = {
            path: _fresh(reports, catalogue, profile, days, path)
            for path in bases
            if catalogue.metrics[path].operator == "count"
        }
    for by_rules in (True, False):
        knowledge = _Knowledge(catalogue, profile, by_rules=by_rules)
        documents = [
            knowledge.learn(place, statistics, {path for path, places in fresh.items() if place not in places})
            for place, statistics in series
        ]
        if days is not None:
            knowledge.link([(days[document.place], document.counts) for document in documents])
        if knowledge.model.settle():
            return Audit(catalogue, profile, tuple(knowledge.bounds()), by_rules)
    raise AssertionError("without the rules anything is possible")


class _Knowledge:
    """
    What the attacker knows, as variables and constraints.

    Args:
        by_rules: The payload was made by the rules of this package, which the attacker knows as well.
    """

    def __init__(self, catalogue: Catalogue, profile: Profile, *, by_rules: bool) -> None:
        self.catalogue = catalogue
        self.profile = profile
        self.by_rules = by_rules
        self.model = _Model()
        self.targets: list[_Target] = []

    def learn(self, place: int, statistics: Mapping[str, Any], repeated: Collection[str] = ()) -> _Day:
        """
        Add one document.

        Args:
            repeated: Paths of totals whose frozen figures may be those of a report before, and are passed over.
        """
        day = _Day(place, statistics)
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

    def _total(self, day: _Day, path: str) -> int:
        """Return the variable of the total at catalogue *path*, which may be a split."""
        if path in day.totals:
            return day.totals[path]
        metric = self.catalogue.metrics[path]
        treatment = self.catalogue.treatment(metric, self.profile) or Treatment()
        value = _at(day.statistics, metric.emit)
        if type(value) is int:
            variable = self.model.new(value, value + _unit(treatment, value) - 1)
        elif treatment.absent_zero and path == self.catalogue.facts.people and self.by_rules:
            variable = self.model.new(0, treatment.step - 1)
        else:
            variable = self.model.new(0, metric.maximum)
        day.totals[path] = variable
        day.shown[path] = value if type(value) is int else None
        return variable

    def _base(self, day: _Day, metric: Metric) -> int:
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

    def _told(self, day: _Day, metric: Metric) -> int | None:
        """Return the same as the payload tells it, or None where one of the totals isn't shown."""
        shown = [day.shown[path] for path in (metric.of, *metric.less)]
        told = [number for number in shown if number is not None]
        return told[0] - sum(told[1:]) if len(told) == len(shown) else None

    def _difference(self, whole: int, part: int) -> int:
        rest = self.model.new(0, max(0, self.model.high[whole] - self.model.low[part]))
        self.model.require({whole: 1, part: -1, rest: -1}, low=0, high=0)
        return rest

    def _split(self, day: _Day, metric: Metric, treatment: Treatment) -> None:
        model, k = self.model, self.catalogue.threshold
        total, base = self._total(day, metric.of), self._base(day, metric)
        users = self._total(day, self.catalogue.facts.people)
        told = self._told(day, metric)
        value = _at(day.statistics, metric.emit)
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
            self.targets.append(_Target(metric.emit, "", left, shown, day.place, twin=same_left, is_remainder=True))
        window = metric.emit.removesuffix(".count")
        if window in WINDOWS:
            day.counts[window] = variable
        day.totals[metric.path], day.shown[metric.path] = variable, shown
        twin = None if window in WINDOWS else (day.place, metric.of, metric.less, whole, shown)
        ceiling = (whole,) if whole is not None else ()
        self.targets.append(_Target(metric.emit, "", variable, shown, day.place, ceiling, others, twin))

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

    def _tables(self, day: _Day, group: Sequence[tuple[Metric, Treatment]]) -> None:
        """Add the tables of one pattern: people by category, over one period or several."""
        order = self.catalogue.vocabularies[group[0][0].vocabulary].members
        categories = (*order, UNLISTED)
        published = {metric.emit: _at(day.statistics, metric.emit) for metric, _ in group}
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
                target = _Target(metric.emit, name, own[name], value, day.place, (total,), None, twin)
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
        rest = model.new(0, min(most, _FAR))
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

    def _measure(self, day: _Day, total_path: str, rows_path: str) -> None:
        """Add what people did, by category, as only a publisher without protection shows it."""
        total, rows = _at(day.statistics, total_path), _at(day.statistics, rows_path)
        if type(total) is not int or not isinstance(rows, Mapping):
            return
        cells = {}
        for name, value in rows.items():
            cells[name] = self.model.new(value or 0, total if value is None else value)
            if value is None:
                twin = (day.place, rows_path)
                self.targets.append(_Target(rows_path, name, cells[name], None, day.place, (), None, twin))
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

    def _is_protected(self, target: _Target, low: int, high: int) -> bool:
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


@dataclass(slots=True)
class _Row:
    terms: dict[int, int]
    low: int
    high: int


class _Model:
    """
    An integer program whose variables are all asked for their smallest and largest value.

    Bounds are propagated first, which settles most. What is left falls into independent problems, each built once. A
    solution of one question often answers others, so the extremes of all solutions are kept.
    """

    def __init__(self) -> None:
        self.low: list[int] = []
        self.high: list[int] = []
        self.rows: list[_Row] = []
        self._seen: dict[int, set[int]] = {}
        self._problem_of: dict[int, _Problem] = {}
        self._answers: dict[object, list[int] | None] = {}

    def new(self, low: int, high: int) -> int:
        """Return a new variable."""
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def require(self, terms: Mapping[int, int], *, low: int = -_FAR, high: int = _FAR) -> None:
        """Add the constraint that the weighted sum of *terms* lies between *low* and *high*."""
        self.rows.append(_Row({v: weight for v, weight in terms.items() if weight}, low, high))

    def either(self, variable: int, small: int, large: int) -> None:
        """Add the constraint that *variable* is at most *small* or at least *large*."""
        is_large = self.new(0, 1)
        room = max(self.high[variable] - small, 0)
        self.require({variable: 1, is_large: -room}, high=small)
        self.require({variable: 1, is_large: -large}, low=0)

    def settle(self) -> bool:
        """Propagate bounds and split up; say whether anything fits."""
        if not self._propagate():
            return False
        left = []
        for row in self.rows:
            terms = {v: weight for v, weight in row.terms.items() if self.low[v] != self.high[v]}
            fixed = sum(weight * self.low[v] for v, weight in row.terms.items() if v not in terms)
            least, most = self._range(terms)
            if least < row.low - fixed or most > row.high - fixed:
                left.append(_Row(terms, row.low - fixed, row.high - fixed))
        problems = _components(left, len(self.low))
        for variables, rows in problems:
            problem = _Problem(variables, rows, self.low, self.high)
            for variable in variables:
                self._problem_of[variable] = problem
            if self._ask(problem, variables[0], 1, None) is None:
                return False
            if len(variables) >= _MANY:
                for sense in (1, -1):
                    self._ask(problem, None, sense, None)
        return True

    def _range(self, terms: Mapping[int, int]) -> tuple[int, int]:
        least = most = 0
        for v, weight in terms.items():
            one, other = weight * self.low[v], weight * self.high[v]
            least, most = least + min(one, other), most + max(one, other)
        return least, most

    def _propagate(self) -> bool:
        rows_of: dict[int, list[int]] = {}
        for number, row in enumerate(self.rows):
            for v in row.terms:
                rows_of.setdefault(v, []).append(number)
        waiting = dict.fromkeys(range(len(self.rows)))
        while waiting:
            number = next(iter(waiting))
            del waiting[number]
            row = self.rows[number]
            least, most = self._range(row.terms)
            if least > row.high or most < row.low:
                return False
            for v, weight in row.terms.items():
                low, high = self._narrowed(v, weight, row, least, most)
                if (low, high) == (self.low[v], self.high[v]):
                    continue
                if low > high:
                    return False
                self.low[v], self.high[v] = low, high
                waiting.update(dict.fromkeys(rows_of[v]))
                least, most = self._range(row.terms)
        return all(low <= high for low, high in zip(self.low, self.high, strict=True))

    def _narrowed(self, v: int, weight: int, row: _Row, least: int, most: int) -> tuple[int, int]:
        """Return the bounds of *v* that *row* leaves, given the others'."""
        low, high = self.low[v], self.high[v]
        one, other = weight * low, weight * high
        at_most = row.high - (least - min(one, other))
        at_least = row.low - (most - max(one, other))
        if weight > 0:
            return max(low, -(-at_least // weight)), min(high, at_most // weight)
        return max(low, -(at_most // -weight)), min(high, -at_least // -weight)

    def interval(self, variable: int, high: int | None = None) -> tuple[int, int] | None:
        """Return the smallest and the largest value of *variable*, which may be limited to *high*; None if none."""
        low, top = self.low[variable], self.high[variable]
        if high is not None:
            if low > high:
                return None
            top = min(top, high)
        problem = self._problem_of.get(variable)
        if problem is None:
            return low, top
        ends = []
        for sense, end in ((1, low), (-1, top)):
            if end in self._seen.get(variable, ()):
                ends.append(end)
                continue
            found = self._ask(problem, variable, sense, top)
            if found is None:
                return None
            ends.append(found)
        return ends[0], ends[1]

    def _ask(self, problem: _Problem, variable: int | None, sense: int, top: int | None) -> int | None:
        """Return the extreme of *variable*, or of all together, which may settle many; None if nothing fits."""
        place = problem.place[variable] if variable is not None else None
        question = (problem.key, place, sense, top)
        if question not in self._answers:
            self._answers[question] = problem.solve(place, sense, top)
        solution = self._answers[question]
        if solution is None:
            return None
        for v, value in zip(problem.place, solution, strict=True):
            self._seen.setdefault(v, set()).add(value)
        return solution[place] if place is not None else 0


def _components(rows: Sequence[_Row], size: int) -> list[tuple[list[int], list[_Row]]]:
    """Return the rows with the variables that they touch, as problems that share no variable."""
    parent = list(range(size))

    def root(v: int) -> int:
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        return v

    for row in rows:
        first, *others = row.terms
        for v in others:
            parent[root(v)] = root(first)
    groups: dict[int, tuple[list[int], list[_Row]]] = {}
    for row in rows:
        groups.setdefault(root(next(iter(row.terms))), ([], []))[1].append(row)
    for v in range(size):
        if root(v) in groups:
            groups[root(v)][0].append(v)
    return list(groups.values())


class _Problem:
    """
    One independent problem. Equal problems, of which there are many, have equal keys.

    Attributes:
        place: Of each variable among the problem's own.
    """

    def __init__(self, variables: Sequence[int], rows: Sequence[_Row], low: Sequence[int], high: Sequence[int]) -> None:
        self.place = {v: place for place, v in enumerate(variables)}
        self._low, self._high = [low[v] for v in variables], [high[v] for v in variables]
        self._rows = sorted(
            (tuple(sorted((self.place[v], weight) for v, weight in row.terms.items())), row.low, row.high)
            for row in rows
        )
        self.key = (tuple(self._low), tuple(self._high), tuple(self._rows))

    @cached_property
    def _constraints(self) -> Any:
        _, sparse, optimize = _scipy()
        entries = [(n, place, weight) for n, (terms, _, _) in enumerate(self._rows) for place, weight in terms]
        where, which, weights = zip(*entries, strict=True)
        shape = (len(self._rows), len(self.place))
        matrix = sparse.csr_array((weights, (where, which)), shape=shape, dtype=float)
        return optimize.LinearConstraint(matrix, [row[1] for row in self._rows], [row[2] for row in self._rows])

    def solve(self, place: int | None, sense: int, top: int | None) -> list[int] | None:
        """
        Return the solution with the smallest (*sense* 1) or largest (-1) variable at *place*, or None if nothing fits.

        Args:
            place: None for the sum of all variables.
            top: Upper limit of the variable, in place of its own.
        """
        numpy, _, optimize = _scipy()
        size = len(self.place)
        aim, high = numpy.zeros(size), numpy.array(self._high, dtype=float)
        aim[slice(None) if place is None else place] = sense
        if place is not None and top is not None:
            high[place] = min(high[place], top)
        result = optimize.milp(
            aim,
            integrality=numpy.ones(size),
            bounds=optimize.Bounds(numpy.array(self._low, dtype=float), high),
            constraints=self._constraints,
            options={"mip_rel_gap": 0.0},
        )
        if result.x is None:
            if result.status == 2:
                return None
            raise AssertionError(f"the solver gave up: {result.message}")
        return [round(value) for value in result.x]


def _scipy() -> tuple[Any, Any, Any]:
    try:
        return import_module("numpy"), import_module("scipy.sparse"), import_module("scipy.optimize")
    except ImportError:
        raise MissingExtra("audit", "The attack on a payload") from None
