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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rc_stats.audit.knowledge import MEASURES, WINDOWS, Bound, Knowledge, at, unit_of
from rc_stats.audit.naive import naive
from rc_stats.catalogue import Catalogue, Profile

__all__ = ["MEASURES", "WINDOWS", "Audit", "Bound", "attack", "attack_series", "naive"]


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
        knowledge = Knowledge(catalogue, profile, by_rules=by_rules)
        documents = [
            knowledge.learn(place, statistics, {path for path, places in fresh.items() if place not in places})
            for place, statistics in series
        ]
        if days is not None:
            knowledge.link([(days[document.place], document.counts) for document in documents])
        if knowledge.model.settle():
            return Audit(catalogue, profile, tuple(knowledge.bounds()), by_rules)
    raise AssertionError("without the rules anything is possible")


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
    is_exact = all(unit_of(catalogue.treatment(metric, profile), 0) == 1 for metric in metrics)
    totals = [{metric.path: at(report, metric.emit) or 0 for metric in metrics} for report in statistics]
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
