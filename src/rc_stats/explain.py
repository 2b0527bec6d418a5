"""
The walk over a document's keys that says what became of each, for people. It decides nothing.

It takes time linear in the document and space in the catalogue, however many keys there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rc_stats.catalogue import Metric
from rc_stats.findings import LONGEST_KEY, MASK, MOST_SPELT, REFUSED_AS, Action, Finding, mask
from rc_stats.operators import Refusal
from rc_stats.people import Held, Protection
from rc_stats.plan import PLAIN, Node, Outcome, Plan
from rc_stats.wire import unwrap, whole


class KeyWalk:
    """A walk over the keys of one document, with what is to be said of all that no slot is filled from."""

    def __init__(self, plan: Plan, values: Sequence[Outcome], *, show_keys: bool = False) -> None:
        self._plan = plan
        self._show_keys = show_keys
        self._values = values
        self._stays: dict[str, Finding] = {}
        self._found: set[Finding] = set()
        self._unknown: dict[str, int] = {}
        self._masked: dict[str, str] = {}
        self._new_types: set[str] = set()

    def _told(self, of_slots: Iterable[Finding]) -> tuple[Finding, ...]:
        """Return all findings."""
        found = [*self._stays.values(), *self._found, *of_slots]
        if self._new_types:
            found = [replace(f, is_drift=True) if f.path in self._new_types else f for f in found]
        unknown = (Finding(path, Action.UNKNOWN, "unknown", "", True, times) for path, times in self._unknown.items())
        return (*found, *unknown)

    def _keys(self, node: Node, value: Mapping[Any, Any]) -> None:
        """Say what became of the keys of *value*. It calls itself no deeper than the catalogue's longest path."""
        leaves, children, any_key, stay = node.leaves, node.children, node.any_key, self._stays
        for key, inner in value.items():
            leaf = leaves.get(key)
            if leaf is not None and key.__class__ is str:
                types, stays = leaf
                if inner.__class__ in types:
                    if stays is not None:
                        stay[stays.path] = stays
                    continue
            child = children.get(key) if key.__class__ is str else None
            if child is None:
                child = any_key if isinstance(key, str) else None
            if child is None:
                self._count(node, key)
            elif inner.__class__ is dict and child.children:
                self._keys(child, inner)
            else:
                self._visit(child, inner)

    def _visit(self, node: Node, value: Any) -> None:
        plain = value.__class__ in PLAIN
        if not plain and (node.children or node.any_key is not None) and isinstance(value, Mapping):
            self._keys(node, value)
        elif node.items is not None and value.__class__ is list:
            # Said of an empty list as well: whether somebody is in a list of people is not told by a finding.
            items = node.items
            self._stays.update(items.below)
            if items.stays is not None:
                self._stays[items.path] = items.stays
            known = items.types if items.is_leaf else ()
            for item in value:
                if item.__class__ not in known:
                    self._visit(items, item)
        elif node.metric is not None:
            if value.__class__ not in node.types and _is_new_type(node.metric, value):
                self._new_types.add(node.metric.path)
            if node.stays is not None:
                self._stays[node.path] = node.stays
        elif not node.slots:
            rule = Refusal.NOT_SET if value is None else Refusal.WRONG_TYPE
            action = REFUSED_AS.get(rule, Action.WRONG_TYPE)
            self._found.add(Finding(node.path, action, rule.value, is_drift=value is not None))
        else:
            # Where a list or a map belongs; what its slots make of another kind of value is in their outcome.
            refused = (i for i in node.slots if self._values[i] is Refusal.WRONG_TYPE)
            self._new_types.update(self._plan.slots[index].metric.path for index in refused)

    def _count(self, node: Node, key: Any) -> None:
        """Count a key that is unknown."""
        path = f"{node.path}.{self._mask(key)}" if node.path else self._mask(key)
        self._unknown[path] = self._unknown.get(path, 0) + 1

    def _mask(self, key: Any) -> str:
        if not isinstance(key, str) or len(key) > LONGEST_KEY:
            return MASK
        if key not in self._masked:
            if len(self._masked) >= MOST_SPELT:
                return MASK
            self._masked[key] = ascii(key)[1:-1] if self._show_keys else mask(key, self._plan.known_words)
        return self._masked[key]


class Explanation(KeyWalk):
    """The findings of one document, from the values that were read and a walk over its keys."""

    def __init__(
        self,
        plan: Plan,
        values: Sequence[Outcome],
        too_few: Iterable[int],
        protection: Protection,
        *,
        show_keys: bool = False,
    ) -> None:
        super().__init__(plan, values, show_keys=show_keys)
        self._protection = protection
        self._too_few = frozenset(too_few)

    def of(self, document: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Return the findings, unsorted. Takes time linear in the document, and space in the catalogue."""
        self._keys(self._plan.root, document)
        return self._told(self._slots())

    def _slots(self) -> list[Finding]:
        plan, held, too_few = self._plan, self._protection.held, self._too_few
        decided = too_few.union(held, self._protection.is_kept)
        found = []
        for index, value in enumerate(self._values):
            if isinstance(value, Refusal) and (index not in decided or index in too_few):
                found.append(plan.outcome(index, value))
            elif index not in decided:
                if value is not None:
                    found.append(plan.said[index])
            elif index in too_few:
                if value is not None or index in held:
                    found.append(plan.withheld(index, "too-few-people"))
            elif index in held:
                found.append(plan.withheld(index, held[index].rule))
            else:
                slot = plan.slots[index]
                found.append(Finding(slot.metric.path, slot.finding.action, Held.FROZEN.value, slot.metric.emit))
        return found


def _is_new_type(metric: Metric, value: Any) -> bool:
    """Say whether upstream isn't known to store *value*'s JSON type there; a wrapper counts as what it holds."""
    if isinstance(value, Mapping):
        unwrapped = unwrap(value)
        if unwrapped is not value:
            return "object" not in metric.json and "number" not in metric.json and _is_new_type(metric, unwrapped)
    found = _json_type(value)
    return not (found in metric.json or (found == "integer" and "number" in metric.json))


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number" if whole(value) is None else "integer"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"
