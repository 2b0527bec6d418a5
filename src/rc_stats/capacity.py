"""
How much a payload can tell at most: the sum over its leaves of log2 of the values that each can take.

A budget for each profile stands in the catalogue's head. A new metric, or a finer one, that goes over it must raise the
number in review. It is an upper bound on what a payload can carry, by whatever trick; what a real workspace tells is
far less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rc_stats.catalogue import Catalogue, Metric, Profile, Treatment
from rc_stats.operators import VERSION_LIMITS, YEARS


@dataclass(frozen=True, slots=True)
class Share:
    """What one metric adds, in bits."""

    metric: Metric
    bits: float


def capacity(catalogue: Catalogue, profile: Profile) -> tuple[Share, ...]:
    """Return the share of each metric that leaves in *profile*, the largest first."""
    shares = [Share(m, _bits(m, treatment, catalogue)) for m, treatment in catalogue.leaving(profile)]
    return tuple(sorted(shares, key=lambda share: (-share.bits, share.metric.path)))


def total_bits(catalogue: Catalogue, profile: Profile) -> int:
    """Return the capacity of a payload in *profile*, rounded up to whole bits."""
    return math.ceil(sum(share.bits for share in capacity(catalogue, profile)))


def _bits(metric: Metric, treatment: Treatment, catalogue: Catalogue) -> float:
    """Return log2 of the values that *metric* can take in a payload; being absent is one of them."""
    vocabulary = catalogue.vocabularies.get(metric.vocabulary)
    words = len(vocabulary.outputs(treatment.fold)) if vocabulary is not None else 0
    match metric.operator:
        case "flag":
            return math.log2(3)
        case "choice":
            return math.log2(words + 1)
        case "version":
            return math.log2(math.prod(limit + 1 for limit in VERSION_LIMITS[: treatment.parts]) + 1)
        case "month":
            return math.log2(len(YEARS) * (1 if treatment.precision == "year" else 12) + 1)
        case "band" | "length" if metric.bands:
            return math.log2(len(catalogue.bands[metric.bands][treatment.bands].names) + 1)
        case "moment":
            return math.log2(len(treatment.days) + 1)
        case "sum":
            return words * math.log2(_counts(metric, treatment) + 1)
        case "table":
            # As many ways as there are to spread at most all people, in units of the step, over the categories.
            units, categories = metric.maximum // treatment.step, words - 1
            return _log2_binomial(units + categories, categories)
        case _:
            return math.log2(_counts(metric, treatment) + 1)


def _counts(metric: Metric, treatment: Treatment) -> int:
    """Return how many different numbers a rounded count between the metric's bounds can be."""
    low, high, digits = metric.minimum, metric.maximum, treatment.significant
    if digits is None:
        return (high // treatment.step) - (low // treatment.step) + 1
    numbers = high + 1 if high < 10**digits else 10**digits
    unit = 10
    while 10 ** (digits - 1) * unit <= high:
        numbers += min(high // unit, 10**digits - 1) - 10 ** (digits - 1) + 1
        unit *= 10
    return numbers


def _log2_binomial(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)
