"""
The findings of a document that was read fast, looked up by what its maps hold instead of told key by key.

Nearly every map of a document has known keys with values of known types. What is to be said of it is then the same for
each document in which the same keys hold the same types, so it is worked out once. What leaves is seen in the settled
document. All that is unusual is left to :class:`rc_stats.explain.Explanation`, whose findings these are, in another
order: that walk stays the definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from rc_stats.catalogue import default_emit
from rc_stats.explain import KeyWalk
from rc_stats.fast import FastReader, Settled
from rc_stats.findings import MOST_SPELT, Finding
from rc_stats.listing import attribute, is_large
from rc_stats.operators import NOT_SET, Refusal
from rc_stats.people import HELD
from rc_stats.plan import Node, Outcome, Plan, Slot, is_plain_count, read_leaf
from rc_stats.wire import unwrap

_MOST_SHAPES: Final = 32
"""Ways to fill a map that are kept in mind, each of known keys and JSON types alone; one server has few."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """
    What is to be said of a map with certain keys and types, in a workspace of so many people.

    Attributes:
        said: Whatever the values are.
        asked: Of the other leaves: what is said if it leaves, and if it stays, which is None where that depends on the
            value; key and slot.
        settled: Gives what became of these.
        inside: Key, attribute and outline of the maps inside.
        lists: Key and node of the lists, and what is said of an empty one.
        others: Key and node of what has to be looked at itself.
    """

    said: tuple[Finding, ...]
    asked: tuple[tuple[Finding, Finding | None, str, int], ...]
    settled: attrgetter[Any] | None
    inside: tuple[tuple[str, str, _Outline], ...]
    lists: tuple[tuple[str, Node, tuple[Finding, ...]], ...]
    others: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class _Outline:
    """A map of the plan: its keys, the maps inside, and the shapes in which it was found."""

    node: Node
    keys: frozenset[str]
    inside: Mapping[str, _Outline]
    shapes: dict[tuple[object, ...], _Shape] = field(default_factory=dict)

    def shape_of(self, value: Mapping[str, Any], plan: Plan, needed: int) -> _Shape:
        """Return the shape of *value*, all of whose keys are known, where metrics leave that need so many people."""
        kind = (needed, *value, *map(type, value.values()))
        shape = self.shapes.get(kind)
        if shape is None:
            if len(self.shapes) >= _MOST_SHAPES:
                self.shapes.clear()
            shape = self.shapes[kind] = _shape(self, value, plan, needed)
        return shape


class Outline:
    """
    What the documents of a fast reader are explained with.

    Args:
        reader: Of the documents.
    """

    def __init__(self, reader: FastReader) -> None:
        self.plan = plan = reader.plan
        self.root = _outline(plan.root)
        self.nothing = (None,) * len(plan.slots)
        leaves = set(_leaves(self.root, plan))
        self.containers = tuple(
            (index, default_emit(slot.metric.path).split("."), reader.listing.places[slot.metric.emit])
            for index, slot in enumerate(plan.slots)
            if index not in leaves and not slot.is_silent
        )
        self.needed = sorted({0, *(slot.treatment.needs_people for slot in plan.slots)}, reverse=True)
        self._users = reader.listing.totals.index(plan.catalogue.facts.people)

    def findings(
        self, document: Mapping[str, Any], settled: Settled, *, show_keys: bool = False
    ) -> tuple[Finding, ...] | None:
        """Return the findings of *document*, of which *settled* may leave; None if the dict walker must be asked."""
        walk = _Walk(self, settled.exact[self._users] or 0, show_keys=show_keys)
        return walk.findings(document, settled.document)


class _Walk(KeyWalk):
    """The way over one document."""

    def __init__(self, outline: Outline, users: int, *, show_keys: bool) -> None:
        super().__init__(outline.plan, outline.nothing, show_keys=show_keys)
        self._outline = outline
        self._needed = next(needed for needed in outline.needed if users >= needed)
        self._said: list[Finding] = []
        self._is_sure = True

    def findings(self, document: Mapping[str, Any], settled: Any) -> tuple[Finding, ...] | None:
        """Return what is to be said of *document*."""
        self._maps(document, settled)
        for index, steps, place in self._outline.containers:
            left = settled
            for step in place:
                left = getattr(left, step, None)
            if left is not None:
                self._said.append(self._plan.said[index])
            else:
                self._stayed(index, self._read(index, document, steps))
        # Which of very many unknown keys are spelt depends on the order, and that is the walker's.
        is_sure = self._is_sure and len(self._masked) < MOST_SPELT
        return self._told(self._said) if is_sure else None

    def _maps(self, document: Mapping[str, Any], settled: Any) -> None:  # noqa: PLR0912 - one loop for each kind of key
        """Say what became of the keys of *document*, and of the maps inside."""
        said, plan, needed, nothing = self._said, self._plan, self._needed, self._outline.nothing
        ahead: list[tuple[_Outline, Mapping[str, Any], Any]] = [(self._outline.root, document, settled)]
        for outline, value, left in ahead:
            shape = outline.shapes.get((needed, *value, *map(type, value.values())))
            if shape is None:
                known = {key: inner for key, inner in value.items() if key in outline.keys}
                if len(value) - len(known) >= MOST_SPELT:
                    self._is_sure = False
                    return
                for key in value:
                    if key not in known:
                        self._count(outline.node, key)
                shape = outline.shape_of(known, plan, needed)
            said += shape.said
            if shape.settled is not None:
                for (leaves, stays, key, index), kept in zip(
                    shape.asked, nothing if left is None else shape.settled(left), strict=False
                ):
                    if kept is not None:
                        said.append(leaves)
                    elif stays is not None:
                        said.append(stays)
                    else:
                        self._stayed(index, read_leaf(plan.slots[index].operator, value[key]))
            for key, node, empty in shape.lists:
                if value[key]:
                    self._visit(node, value[key])
                else:
                    said += empty
            for key, node in shape.others:
                self._visit(node, value[key])
            for key, place, inside in shape.inside:
                ahead.append((inside, value[key], left and getattr(left, place, None)))

    def _read(self, index: int, document: Mapping[str, Any], steps: Iterable[str]) -> Outcome:
        """Return what a slot reads in the list or the map that *steps* lead to; None if it isn't there."""
        value: Any = document
        for step in steps:
            if value.__class__ is not dict or step not in value:
                return None
            value = value[step]
        slot = self._plan.slots[index]
        return slot.operator(unwrap(value) if value.__class__ is dict and not slot.takes_map else value)

    def _stayed(self, index: int, outcome: Outcome) -> None:
        """Say why *outcome*, which was read, doesn't leave."""
        metric, treatment = self._plan.slots[index].metric, self._plan.slots[index].treatment
        held = HELD.get(metric.operator)
        if outcome is None:
            return
        if isinstance(outcome, Refusal) and (held is None or outcome is not NOT_SET):
            self._said.append(self._plan.outcome(index, outcome))
        elif self._needed < treatment.needs_people:
            self._said.append(self._plan.withheld(index, "too-few-people"))
        elif held is not None:
            self._said.append(self._plan.withheld(index, held.rule))
        else:
            self._is_sure = False


def _outline(node: Node) -> _Outline:
    inside = {key: _outline(child) for key, child in node.children.items() if _is_map(child)}
    return _Outline(node, frozenset(node.children), inside)


def _is_map(node: Node) -> bool:
    """Say whether the keys of a map at *node* are all that it can be read by."""
    return bool(node.children) and node.any_key is None and not node.slots


def _is_plain(node: Node, plan: Plan) -> bool:
    """Say whether one slot is filled from a value at *node*, and from nowhere else."""
    return node.is_leaf and len(node.slots) == 1 and node.metric is plan.slots[node.slots[0]].metric


def _leaves(outline: _Outline, plan: Plan) -> Iterator[int]:
    """Yield the slots that are filled from the leaves of maps."""
    yield from (child.slots[0] for child in outline.node.children.values() if _is_plain(child, plan))
    for inside in outline.inside.values():
        yield from _leaves(inside, plan)


def _shape(outline: _Outline, value: Mapping[str, Any], plan: Plan, needed: int) -> _Shape:
    """Return what is to be said of maps with the keys and types of *value*."""
    node = outline.node
    said: list[Finding] = []
    asked, inside, lists, others = [], [], [], []
    for key, inner in value.items():
        child = node.children[key]
        types, stays = node.leaves.get(key, (frozenset[type](), None))
        if inner.__class__ in types:
            said += [stays] if stays is not None else []
        elif inner.__class__ is dict and key in outline.inside:
            inside.append((key, attribute(key), outline.inside[key]))
        elif inner.__class__ is list and child.items is not None:
            lists.append((key, child, _of_empty(child.items)))
        else:
            others.append((key, child))
        if not _is_plain(child, plan):
            continue
        index = child.slots[0]
        if not _surely_leaves(plan.slots[index], inner.__class__):
            asked.append((plan.said[index], _said_of_any(plan, index, inner.__class__, needed), key, index))
        elif needed < plan.slots[index].treatment.needs_people:
            said.append(plan.withheld(index, "too-few-people"))
        else:
            said.append(plan.said[index])
    names = [attribute(key) for _, _, key, _ in asked]
    settled = attrgetter(*names, names[0]) if names else None  # of one name it would give no tuple
    return _Shape(tuple(said), tuple(asked), settled, tuple(inside), tuple(lists), tuple(others))


def _of_empty(items: Node) -> tuple[Finding, ...]:
    """Return what is said of a list without *items*: what is said of each of them that never leaves."""
    return (*items.below.values(), *([items.stays] if items.stays is not None else []))


def _surely_leaves(slot: Slot, type_: type) -> bool:
    """Say whether a value of *type_* leaves as it is where there are people enough; its bounds were looked at."""
    if slot.metric.operator == "flag":
        return type_ is bool
    return type_ is int and is_plain_count(slot) and "number" not in slot.metric.json and not is_large(slot.metric)


def _said_of_any(plan: Plan, index: int, type_: type, needed: int) -> Finding | None:
    """Return what is said of any value of *type_* that stays; None if that takes a look at the value."""
    operator, needs_people = plan.slots[index].metric.operator, plan.slots[index].treatment.needs_people
    if operator == "split" and type_ is int:
        return plan.withheld(index, "too-few-people" if needed < needs_people else HELD["split"].rule)
    is_empty = operator in ("flag", "count", "choice") and type_ is type(None)
    if is_empty or (operator == "choice" and type_ is str and needed >= needs_people):
        return plan.outcome(index, NOT_SET)  # every text but an empty one gives a word
    return None
