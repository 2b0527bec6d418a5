"""The payload of a publisher without protection, for the attack to be tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rc_stats.audit.knowledge import MEASURES, WINDOWS
from rc_stats.catalogue import Catalogue, Profile
from rc_stats.plan import Plan
from rc_stats.readers import Unprotected


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
