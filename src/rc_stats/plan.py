"""
A catalogue in one profile, compiled: which places of a document are read, by which operator, and where that goes.

The plan pulls: it looks up the keys that it names, and never goes through the keys that a document has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rc_stats import operators, readers
from rc_stats.catalogue import PEOPLE_OPERATORS, Catalogue, Metric, Profile, Treatment, default_emit
from rc_stats.findings import REFUSED_AS, Action, Finding, known_words
from rc_stats.operators import NOT_SET, WRONG_TYPE, Operator, Refusal, Value, Vocabulary
from rc_stats.policy import DataType
from rc_stats.readers import Reader, Unprotected
from rc_stats.wire import unwrap


@dataclass(frozen=True, slots=True)
class Slot:
    """
    One place of the plan: where to read, what to do, where it goes.

    Attributes:
        parents, name: The payload path, split for assembly.
        finding: What is said when the operator gives a value.
        treatment: What the profile does to the metric.
        takes_map: The operator reads a map as a map; for the others it can only be a wrapped value.
        is_silent: It is read for the pattern of the tables that it is linked with, and never leaves.
    """

    metric: Metric
    operator: Operator | Reader
    parents: tuple[str, ...]
    name: str
    finding: Finding
    treatment: Treatment
    takes_map: bool
    is_silent: bool


@dataclass(slots=True)
class Node:
    """
    One step of the way into the document.

    Attributes:
        children: By key; ``items`` for the items of a list; ``any_key`` for a key that is data.
        metric: The entry whose path ends here.
        slots: Indices of the slots that read here.
        stays: What to say of a value here that never leaves, or not in this profile.
        below: The same of every path below, by path.
        types: Python types that a value here may have without being news.
        leaves: By key, the children that end here: their types, and what to say of a value of one of these, which is
            nothing where the slot that reads it says it, or where it is said of the whole list.
    """

    path: str
    children: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    any_key: Node | None = None
    metric: Metric | None = None
    slots: list[int] = field(default_factory=list)
    stays: Finding | None = None
    below: dict[str, Finding] = field(default_factory=dict)
    types: frozenset[type] = frozenset()
    leaves: dict[str, tuple[frozenset[type], Finding | None]] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """Whether nothing lies below."""
        return self.metric is not None and not self.children and self.items is None and self.any_key is None


class Plan:
    """
    A catalogue in one profile, compiled: the slots that are filled, and the tree by which they are reached.

    Reading, filling and assembling are apart, so that a faster reader can take the place of :meth:`read`.
    """

    def __init__(self, catalogue: Catalogue, profile: Profile) -> None:
        """Compile *catalogue* for *profile*."""
        self.catalogue = catalogue
        self.profile = profile
        self.root = Node("")
        slots: list[Slot] = []
        linked = {metric.linked for metric, _ in catalogue.leaving(profile) if metric.linked}
        for metric in sorted(catalogue.metrics.values(), key=lambda metric: metric.emit):
            node = self._place(metric.path)
            node.metric = metric
            node.types = frozenset(python for name in metric.json for python in _PYTHON_TYPES[name])
            treatment = catalogue.treatment(metric, profile)
            if treatment is None:
                node.stays = Finding(metric.path, Action.DROPPED, metric.kind)
            elif treatment.withhold:
                node.stays = Finding(metric.path, Action.WITHHELD, treatment.withhold)
            if treatment is not None and (not treatment.withhold or metric.linked in linked):
                self._place(default_emit(metric.path)).slots.append(len(slots))
                slots.append(_slot(catalogue, metric, treatment))
        self.slots = tuple(slots)
        _gather(self.root)
        self._echo()
        self.known_words = known_words(catalogue.metrics)
        self.index_of = {slot.metric.emit: index for index, slot in enumerate(slots)}
        bases = {path for slot in slots for path in (slot.metric.of, *slot.metric.less)} | {catalogue.facts.people}
        self.totals = {m.path: m for m in catalogue.metrics.values() if m.path in bases and m.operator == "count"}
        self.said = tuple(slot.finding for slot in slots)
        self.people = tuple(i for i, slot in enumerate(slots) if slot.metric.operator in PEOPLE_OPERATORS)
        self.people_by = {
            operator: tuple((i, slots[i]) for i in self.people if slots[i].metric.operator == operator)
            for operator in PEOPLE_OPERATORS
        }
        self.conditions = tuple(
            (slot.treatment.needs_people, index) for index, slot in enumerate(slots) if slot.treatment.needs_people
        )
        self._reads = _compiled(self.root, self.slots)
        self._layouts: dict[tuple[frozenset[DataType], frozenset[str]], _Layout] = {}
        self._outcomes: list[dict[str, Finding]] = [{} for _ in slots]

    def _place(self, path: str) -> Node:
        node = self.root
        for step in _STEP.findall(path):
            if step == "[]":
                node.items = node = node.items or Node(f"{node.path}[]")
            elif step == "*":
                node.any_key = node = node.any_key or Node(f"{node.path}.*")
            else:
                node = node.children.setdefault(step, Node(f"{node.path}.{step}" if node.path else step))
        return node

    def _echo(self) -> None:
        """Read a metric also where the payload has it, so that a payload which is fed back gives itself."""
        for index, slot in enumerate(self.slots):
            node = self._place(slot.metric.emit)
            if index not in node.slots:
                node.slots.append(index)

    def read(self, document: Mapping[str, Any]) -> list[Outcome]:
        """Return what each slot reads in *document*, before the conditions that look at more than one place."""
        values: list[Outcome] = [None] * len(self.slots)
        _read(self._reads, document, self.slots, values)
        return values

    def assemble(
        self, values: Sequence[Value | None], wanted: frozenset[DataType], without: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """
        Return the nested statistics of the *wanted* data types.

        Args:
            values: One for each slot; None for what is not there.
            wanted: Data types that may leave.
            without: Payload paths to leave out.
        """
        layout = self._layouts.get((wanted, without))
        if layout is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[wanted, without] = _layout(self.slots, wanted, without)
        statistics: dict[str, Any] = {}
        groups, tables = layout
        for parents, places in groups:
            inner: dict[str, Any] | None = None
            for index, name in places:
                value = values[index]
                if value is None:
                    continue
                if inner is None:
                    inner = statistics
                    for step in parents:
                        inner = inner.setdefault(step, {})
                inner[name] = value
        for parents, index, name in tables:
            if values[index] is not None:
                inner = statistics
                for step in parents:
                    inner = inner[step]
                inner[name] = dict(values[index])  # type: ignore[arg-type]
        return statistics

    def outcome(self, index: int, refusal: Refusal) -> Finding:
        """Return the finding for slot *index* where its operator refused."""
        return self._outcomes[index].get(refusal.rule) or self._found(
            index, REFUSED_AS.get(refusal, Action.WRONG_TYPE), refusal.rule
        )

    def withheld(self, index: int, rule: str) -> Finding:
        """Return the finding for slot *index* where *rule* keeps its value here."""
        return self._outcomes[index].get(rule) or self._found(index, Action.WITHHELD, rule)

    def _found(self, index: int, action: Action, rule: str) -> Finding:
        """Return a finding for slot *index* that is made once; a rule has one action."""
        found = self._outcomes[index][rule] = Finding(self.slots[index].metric.path, action, rule)
        return found


def _gather(node: Node, *, is_listed: bool = False) -> dict[str, Finding]:
    """Fill in what is said of the paths below *node*, and return that with its own."""
    inner = [*node.children.values(), *(n for n in (node.items, node.any_key) if n is not None)]
    for child in inner:
        node.below |= _gather(child, is_listed=is_listed or child is node.items)
    node.leaves = {
        key: (child.types, None if is_listed else child.stays) for key, child in node.children.items() if child.is_leaf
    }
    return node.below | ({node.path: node.stays} if node.stays is not None else {})


Outcome = Value | Unprotected | Refusal | None
"""What a slot holds after reading: a value, a figure of people that must not leave yet, why there is none, or None."""

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
PLAIN: Final = frozenset({int, float, bool, str, list, type(None)})
"""Types of a parsed document that are certainly no map; a cheaper question than whether something is one."""

_MISSING: Final = object()
_MOST_LAYOUTS: Final = 1_000
"""Ways to put a report together that are kept in mind; there is one for each way in which workspaces agreed."""

_Layout = tuple[
    tuple[tuple[tuple[str, ...], tuple[tuple[int, str], ...]], ...], tuple[tuple[tuple[str, ...], int, str], ...]
]


def _layout(slots: Sequence[Slot], wanted: frozenset[DataType], without: frozenset[str]) -> _Layout:
    groups: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for index, slot in enumerate(slots):
        if slot.metric.data_type in wanted and slot.metric.emit not in without:
            groups.setdefault(slot.parents, []).append((index, slot.name))
    tables = tuple(
        (slots[index].parents, index, name)
        for places in groups.values()
        for index, name in places
        if slots[index].metric.operator in ("sum", "table")
    )
    return tuple((parents, tuple(places)) for parents, places in groups.items()), tables


_STEP = re.compile(r"\[\]|\*|[^.\[\]*]+")


@dataclass(frozen=True, slots=True)
class _Reads:
    """
    What is read of one container, sorted by how fast it can be.

    Attributes:
        flags: Key and slot. Most leaves are flags and plain counts, so these two are decided without a call.
        counts: Key, slot, and the bounds of a count that is not rounded.
        words: Key and slot of all other plain leaves.
        containers: Key, what reads the container as a whole, and what is read inside.
    """

    flags: tuple[tuple[str, int], ...]
    counts: tuple[tuple[str, int, int, int], ...]
    words: tuple[tuple[str, int], ...]
    containers: tuple[tuple[str, tuple[int, ...], _Reads], ...]

    @property
    def is_empty(self) -> bool:
        """Whether no slot is filled from here."""
        return not (self.flags or self.counts or self.words or self.containers)


def _compiled(node: Node, slots: Sequence[Slot]) -> _Reads:
    """Return the part of the tree below *node* that leads to slots."""
    flags, counts, words, containers = [], [], [], []
    for key, child in node.children.items():
        inner = _compiled(child, slots)
        index = child.slots[0] if len(child.slots) == 1 else -1
        if index < 0 or child.metric is not slots[index].metric or slots[index].takes_map or not inner.is_empty:
            if child.slots or not inner.is_empty:
                containers.append((key, tuple(child.slots), inner))
        elif slots[index].metric.operator == "flag":
            flags.append((key, index))
        elif is_plain_count(slots[index]):
            counts.append((key, index, slots[index].metric.minimum, slots[index].metric.maximum))
        else:
            words.append((key, index))
    return _Reads(tuple(flags), tuple(counts), tuple(words), tuple(containers))


def is_plain_count(slot: Slot) -> bool:
    """Say whether *slot* passes a whole number within bounds as it is."""
    as_is = Treatment(needs_people=slot.treatment.needs_people)
    return slot.metric.operator == "count" and slot.treatment == as_is and not slot.metric.fractional


def _read(  # noqa: PLR0912 - one loop for each shape of leaf, without a call for most
    reads: _Reads, container: Mapping[str, Any], slots: Sequence[Slot], values: list[Outcome]
) -> None:
    get = container.get
    value: Any
    for key, index in reads.flags:
        value = get(key)
        if value.__class__ is bool:
            values[index] = value
        elif value is not None:
            values[index] = read_leaf(slots[index].operator, value)
        elif key in container:
            values[index] = NOT_SET
    for key, index, minimum, maximum in reads.counts:
        value = get(key)
        if value.__class__ is int and minimum <= value <= maximum:
            values[index] = value
        elif value is not None:
            values[index] = read_leaf(slots[index].operator, value)
        elif key in container:
            values[index] = NOT_SET
    for key, index in reads.words:
        value = get(key, _MISSING)
        if value is not _MISSING:
            values[index] = read_leaf(slots[index].operator, value)
    for key, own, inner in reads.containers:
        value = get(key, _MISSING)
        if value.__class__ is dict and not own:
            _read(inner, value, slots, values)
        elif value is not _MISSING:
            _container(value, own, inner, slots, values)


def _container(value: Any, own: tuple[int, ...], inner: _Reads, slots: Sequence[Slot], values: list[Outcome]) -> None:
    """Read what lies inside first: a payload has its values there, and they win over the container as a whole."""
    is_map = value.__class__ not in PLAIN and isinstance(value, Mapping)
    if is_map:
        _read(inner, value, slots, values)
    for index in own:
        if values[index] is None:
            slot = slots[index]
            values[index] = slot.operator(value if slot.takes_map or not is_map else unwrap(value))


def read_leaf(operator: Operator | Reader, value: Any) -> Outcome:
    """Return what *operator* makes of *value*, which may be wrapped."""
    outcome = operator(value)
    if outcome is WRONG_TYPE and isinstance(value, Mapping):
        return operator(unwrap(value))
    return outcome


def _slot(catalogue: Catalogue, metric: Metric, treatment: Treatment) -> Slot:
    *parents, name = metric.emit.split(".")
    operator, action = _operator(catalogue, metric, treatment)
    finding = Finding(metric.path, action, metric.operator, metric.emit)
    takes_map = metric.operator in ("length", "sum", "table")
    return Slot(metric, operator, tuple(parents), name, finding, treatment, takes_map, bool(treatment.withhold))


def _reader(metric: Metric, vocabulary: Vocabulary | None) -> Reader:
    """Return the reader of a figure of people."""
    inner = metric.path.partition("[].")[2]
    if metric.operator == "moment":
        return readers.moment
    if metric.operator == "table" and vocabulary is not None:
        value_key = inner.rpartition("[].")[2] or "count"
        reader = readers.people_by_category(vocabulary, metric.maximum, key=metric.key, value_key=value_key)
    else:
        reader = readers.people(metric.minimum, metric.maximum)
    return readers.people_in_rows(reader, inner) if inner else reader


def counted(metric: Metric, treatment: Treatment) -> Operator:
    """Return the operator of the numbers that *metric* counts or sums."""
    return operators.count(
        metric.minimum,
        metric.maximum,
        significant=treatment.significant,
        step=treatment.step,
        absent_zero=treatment.absent_zero,
        fractional=metric.fractional,
    )


def _operator(catalogue: Catalogue, metric: Metric, treatment: Treatment) -> tuple[Operator | Reader, Action]:
    """Return the compiled operator of *metric* and what its finding says of a value that leaves."""
    is_rounded = treatment.significant is not None or treatment.step > 1
    vocabulary = catalogue.vocabularies.get(metric.vocabulary)
    bands = catalogue.bands[metric.bands][treatment.bands] if metric.bands else None
    names = operators.renamed(**catalogue.bands[metric.bands], to_coarse=treatment.bands == "coarse") if bands else None
    inner = metric.path.partition("[].")[2]
    match metric.operator:
        case "count" | "sum":
            count = counted(metric, treatment)
            if metric.operator == "sum" and vocabulary is not None:
                total = operators.total_by(metric.key, inner, vocabulary, metric.maximum, rounded=count)
                return total, Action.COUNTED
            return count, Action.COARSENED if is_rounded or metric.fractional else Action.KEPT
        case "flag":
            return operators.flag, Action.KEPT
        case "choice" if vocabulary is not None:
            word = operators.choice(vocabulary, fold=treatment.fold)
            is_coarser = bool(treatment.fold or inner)
            return (_first(operators.agreed(word, inner), word) if inner else word), (
                Action.COARSENED if is_coarser else Action.KEPT
            )
        case "version":
            return operators.version(treatment.parts), Action.COARSENED
        case "length":
            if bands is not None:
                return operators.sized(bands, metric.maximum, names=names), Action.COUNTED
            return operators.length(metric.maximum), Action.COUNTED
        case "band" if bands is not None:
            return operators.band(bands, metric.minimum, metric.maximum, names=names), Action.COARSENED
        case "month":
            return operators.month(treatment.precision), Action.COARSENED
        case "split" | "table" | "moment":
            return _reader(
                metric, vocabulary
            ), Action.KEPT if metric.operator == "split" and not is_rounded else Action.COARSENED
        case _:
            raise AssertionError(f"{metric.path}: lint lets no such metric through")


def _first(on_list: Operator, on_word: Operator) -> Operator:
    def operate(value: Any) -> Value | Refusal:
        return on_word(value) if type(value) is str else on_list(value)

    return operate
