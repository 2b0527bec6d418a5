"""
From a statistics document to a report: compile catalogue × profile into a plan, run it, say what became of each path.

The report is built by pulling what the plan names; the document is never copied and pruned. So a key that the plan does
not name can't get in, wherever it stands and whatever it holds.

Policy: privacy-policy@2023-01-05#statistics-sharing, #no-names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from rc_stats import operators
from rc_stats.catalogue import Catalogue, Metric, Profile, Treatment, default_emit
from rc_stats.errors import UnusableInput
from rc_stats.operators import Operator, Refusal, Value
from rc_stats.policy import DataType
from rc_stats.wire import parse, unwrap, whole

_SEAL: Final = object()


class Action(StrEnum):
    """What became of a path of the document."""

    KEPT = "kept"
    COARSENED = "coarsened"
    COUNTED = "counted"
    WITHHELD = "withheld"
    DROPPED = "dropped"
    WRONG_TYPE = "wrong-type"
    UNKNOWN = "unknown"


LEAVING: Final = frozenset({Action.KEPT, Action.COARSENED, Action.COUNTED})
"""The actions of paths that are in the report."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What became of one path, and by which rule. It holds no value, and of an unknown key only words of the catalogue.

    Attributes:
        path: In the catalogue's spelling; an unknown key is masked word by word.
        rule: Stable code: an operator, a refusal, a kind or a disclosure rule.
        emit: Where it stands in the payload; empty if it doesn't leave.
        is_drift: The path, or the JSON type found there, is new to the catalogue.
        times: Of an unknown path: how many keys share it after masking; else 1.
    """

    path: str
    action: Action
    rule: str
    emit: str = ""
    is_drift: bool = False
    times: int = 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What the document tells about itself. The gate uses it only to make its answer stricter.

    Attributes:
        is_hosted: Whether the platform is the vendor's; None where the document doesn't say.
        has_apps: Whether apps are installed.
        made_at: When the document was made, if it says so in a known form.
    """

    is_hosted: bool | None
    has_apps: bool
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Slot:
    """
    One place of the plan: where to read, what to do, where it goes.

    Attributes:
        parents, name: The payload path, split for assembly.
        finding: What is said when the operator gives a value.
        needs_people: Left out below this many users; 0 for no condition.
        takes_map: The operator reads a map as a map; for the others it can only be a wrapped value.
    """

    metric: Metric
    operator: Operator
    parents: tuple[str, ...]
    name: str
    finding: Finding
    needs_people: int
    takes_map: bool


@dataclass(slots=True)
class Node:
    """
    One step of the way into the document.

    Attributes:
        children: By key; ``items`` for the items of a list; ``any_key`` for a key that is data.
        metric: The entry whose path ends here.
        slots: Indices of the slots that read here.
        stays: What to say of a value here that never leaves, or not in this profile.
        types: Python types that a value here may have without being news.
    """

    path: str
    children: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    any_key: Node | None = None
    metric: Metric | None = None
    slots: list[int] = field(default_factory=list)
    stays: Finding | None = None
    types: frozenset[type] = frozenset()


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
        for metric in sorted(catalogue.metrics.values(), key=lambda metric: metric.emit):
            node = self._place(metric.path)
            node.metric = metric
            node.types = frozenset(python for name in metric.json for python in _PYTHON_TYPES[name])
            treatment = catalogue.treatment(metric, profile)
            if treatment is None:
                node.stays = Finding(metric.path, Action.DROPPED, metric.kind)
            elif treatment.withhold:
                node.stays = Finding(metric.path, Action.WITHHELD, treatment.withhold)
            else:
                self._place(default_emit(metric.path)).slots.append(len(slots))
                slots.append(_slot(catalogue, metric, treatment))
        self.slots = tuple(slots)
        self._echo()
        self.known_words = known_words(catalogue.metrics)
        self.conditions = tuple((slot.needs_people, index) for index, slot in enumerate(slots) if slot.needs_people)
        self._reads = _compiled(self.root, self.slots)
        self._layouts: dict[tuple[frozenset[DataType], frozenset[str]], _Layout] = {}
        self._outcomes: dict[tuple[int, Refusal], Finding] = {}

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
        _read(self._reads, document, values)
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
            layout = self._layouts[wanted, without] = _layout(self.slots, wanted, without)
        statistics: dict[str, Any] = {}
        groups, tables = layout
        for parents, places in groups:
            group = {name: value for index, name in places if (value := values[index]) is not None}
            if not group:
                continue
            inner = statistics
            for step in parents:
                inner = inner.setdefault(step, {})
            inner |= group
        for parents, index, name in tables:
            if values[index] is not None:
                inner = statistics
                for step in parents:
                    inner = inner[step]
                inner[name] = dict(values[index])  # type: ignore[arg-type]
        return statistics

    def outcome(self, index: int, refusal: Refusal) -> Finding:
        """Return the finding for slot *index* where its operator refused."""
        key = (index, refusal)
        if key not in self._outcomes:
            action = _REFUSED_AS.get(refusal, Action.WRONG_TYPE)
            self._outcomes[key] = Finding(self.slots[index].metric.path, action, refusal.value)
        return self._outcomes[key]


Outcome = Value | Refusal | None
"""What a slot holds after reading: a value, why there is none, or None where the document has nothing at that place."""

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
_PLAIN: Final = frozenset({int, float, bool, str, list, type(None)})
_MISSING: Final = object()
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


_Leaf = tuple[str, int, Operator]
_Reads = tuple[tuple[_Leaf, ...], tuple[tuple[str, tuple[tuple[int, Operator, bool], ...], Any], ...]]


def _compiled(node: Node, slots: Sequence[Slot]) -> _Reads:
    """Return the part of the tree that leads to slots: plain leaves first, then containers with what is read inside."""
    leaves: list[_Leaf] = []
    containers = []
    for key, child in node.children.items():
        inner = _compiled(child, slots)
        own = tuple((index, slots[index].operator, slots[index].takes_map) for index in child.slots)
        if len(own) == 1 and child.metric is slots[own[0][0]].metric and not own[0][2] and not any(inner):
            leaves.append((key, *own[0][:2]))
        elif own or any(inner):
            containers.append((key, own, inner))
    return tuple(leaves), tuple(containers)


def _read(reads: _Reads, container: Mapping[str, Any], values: list[Outcome]) -> None:
    leaves, containers = reads
    get = container.get
    for key, index, operator in leaves:
        value = get(key, _MISSING)
        if value is _MISSING:
            continue
        outcome = operator(value)
        if outcome is Refusal.WRONG_TYPE and isinstance(value, Mapping):
            outcome = operator(unwrap(value))
        values[index] = outcome
    for key, own, inner in containers:
        value = get(key, _MISSING)
        if value is _MISSING:
            continue
        is_map = value.__class__ is dict or (value.__class__ not in _PLAIN and isinstance(value, Mapping))
        if is_map:
            _read(inner, value, values)
        for index, operator, takes_map in own:
            if values[index] is None:
                values[index] = operator(value if takes_map or not is_map else unwrap(value))


def _slot(catalogue: Catalogue, metric: Metric, treatment: Treatment) -> Slot:
    *parents, name = metric.emit.split(".")
    operator, action = _operator(catalogue, metric, treatment)
    finding = Finding(metric.path, action, metric.operator, metric.emit)
    takes_map = metric.operator in ("length", "sum")
    return Slot(metric, operator, tuple(parents), name, finding, treatment.needs_people, takes_map)


def _operator(catalogue: Catalogue, metric: Metric, treatment: Treatment) -> tuple[Operator, Action]:
    """Return the compiled operator of *metric* and what its finding says of a value that leaves."""
    is_rounded = treatment.significant is not None or treatment.step > 1
    vocabulary = catalogue.vocabularies.get(metric.vocabulary)
    bands = catalogue.bands[metric.bands][treatment.bands] if metric.bands else None
    inner = metric.path.partition("[].")[2]
    match metric.operator:
        case "count" | "sum":
            counted = operators.count(
                metric.minimum,
                metric.maximum,
                significant=treatment.significant,
                step=treatment.step,
                absent_zero=treatment.absent_zero,
                fractional=metric.fractional,
            )
            if metric.operator == "sum" and vocabulary is not None:
                total = operators.total_by(metric.key, inner, vocabulary, metric.maximum, rounded=counted)
                return total, Action.COUNTED
            return counted, Action.COARSENED if is_rounded or metric.fractional else Action.KEPT
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
                return operators.sized(bands, metric.maximum), Action.COUNTED
            return operators.length(metric.maximum), Action.COUNTED
        case "band" if bands is not None:
            return operators.band(bands, metric.minimum, metric.maximum), Action.COARSENED
        case "month":
            return operators.month(treatment.precision), Action.COARSENED
        case _:
            raise AssertionError(f"{metric.path}: lint lets no such metric through")


def _first(on_list: Operator, on_word: Operator) -> Operator:
    def operate(value: Any) -> Value | Refusal:
        return on_word(value) if type(value) is str else on_list(value)

    return operate


class Report:
    """
    What may leave of one document, before any consent was asked. Only an :class:`Anonymiser` makes one; it is frozen.

    Attributes:
        plan: The catalogue and profile that it was made by.
        evidence: What the document tells about itself.
        findings: What became of each path of the document; None if they were not asked for.
    """

    __slots__ = ("_values", "evidence", "findings", "plan")

    plan: Plan
    evidence: Evidence
    findings: tuple[Finding, ...] | None
    _values: tuple[Value | None, ...]

    def __init__(
        self,
        plan: Plan,
        values: Iterable[Any],
        evidence: Evidence,
        findings: tuple[Finding, ...] | None,
        *,
        seal: object,
    ) -> None:
        """Refuse everybody but this module."""
        if seal is not _SEAL:
            raise TypeError("Only an Anonymiser makes a Report.")
        for name, value in (("plan", plan), ("_values", tuple(values)), ("evidence", evidence), ("findings", findings)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a report can't change."""
        raise AttributeError("A Report can't change.")

    __delattr__ = __setattr__  # type: ignore[assignment]

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue that the report was made by."""
        return self.plan.catalogue

    @property
    def profile(self) -> Profile:
        """How coarse the report is."""
        return self.plan.profile

    def statistics(
        self, wanted: frozenset[DataType] = frozenset(DataType), without: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """
        Return the nested statistics, freshly made, of the *wanted* data types.

        Args:
            wanted: Data types that may leave.
            without: Payload paths to leave out.
        """
        return self.plan.assemble(self._values, wanted, without)


class Anonymiser:
    """
    Make reports of documents, by one catalogue in one profile.

    Compiling takes milliseconds and is done once; calling is cheap and has no state.

    Args:
        catalogue: What may leave.
        profile: How coarse.
    """

    def __init__(self, catalogue: Catalogue, profile: Profile = Profile.STANDARD) -> None:
        """Compile the plan."""
        self.plan = Plan(catalogue, profile)
        people = catalogue.metrics.get(catalogue.facts.people)
        self._people = operators.count(people.minimum, people.maximum) if people else operators.flag

    def __call__(
        self, document: bytes | Mapping[str, Any], *, findings: bool = True, show_keys: bool = False
    ) -> Report:
        """
        Return the report of *document*, which is not changed.

        Args:
            document: One statistics document: UTF-8 JSON, or the mapping that a JSON parser made of it. Numbers and
                dates may be wrapped as MongoDB's extended JSON has them.
            findings: Also say what became of each path; without it the call is faster.
            show_keys: Spell unknown keys in the findings as they are, for the admin's own screen. They are data.

        Raises:
            UnusableInput: ``not-json``, ``not-an-object``, ``too-large``, ``too-deep`` or ``wrong-encoding``.
        """
        if isinstance(document, bytes | bytearray):
            document = parse(bytes(document))
        if not isinstance(document, Mapping):
            raise not_an_object()
        plan = self.plan
        values = plan.read(document)
        people = self._people(_at(document, plan.catalogue.facts.people))
        users = people if type(people) is int else 0
        too_few = [index for needed, index in plan.conditions if needed > users]
        explained = _Explanation(plan, values, too_few, show_keys=show_keys).of(document) if findings else None
        for index in too_few:
            values[index] = None
        kept = (None if value.__class__ is Refusal else value for value in values)
        return Report(plan, kept, _evidence(plan.catalogue, document), explained, seal=_SEAL)


def not_an_object() -> UnusableInput:
    """Return the error for JSON that is no statistics document."""
    return UnusableInput(
        "A statistics document is a JSON object; this is another kind of value.",
        rule="not-an-object",
        remedy="Pass what GET /api/v1/statistics answers.",
    )


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return unwrap(value) if isinstance(value, Mapping) else value


def _evidence(catalogue: Catalogue, document: Mapping[str, Any]) -> Evidence:
    facts = catalogue.facts
    platform = _at(document, facts.platform)
    apps = _at(document, facts.apps)
    made_at = operators.moment_of(_at(document, facts.made_at))
    return Evidence(
        is_hosted=platform.strip().lower() == facts.hosted_platform if isinstance(platform, str) else None,
        has_apps=type(apps) is int and apps > 0,
        made_at=made_at if isinstance(made_at, datetime) else None,
    )


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


_REFUSED_AS: Final = {
    Refusal.NOT_SET: Action.DROPPED,
    Refusal.ROUNDS_TO_ZERO: Action.WITHHELD,
}


class _Explanation:
    """The findings of one document, from the values that were read and a walk over its keys."""

    def __init__(
        self, plan: Plan, values: Sequence[Outcome], too_few: Iterable[int], *, show_keys: bool = False
    ) -> None:
        self._plan = plan
        self._show_keys = show_keys
        self._values = values
        self._too_few = frozenset(too_few)
        self._found: set[Finding] = set()
        self._unknown: dict[str, int] = {}
        self._masked: dict[str, str] = {}
        self._new_types: set[str] = set()

    def of(self, document: Mapping[str, Any]) -> tuple[Finding, ...]:
        """Return the findings, unsorted. Takes time linear in the document, and space in the catalogue."""
        self._keys(self._plan.root, document)
        found = [*self._found, *self._slots()]
        if self._new_types:
            found = [replace(f, is_drift=True) if f.path in self._new_types else f for f in found]
        unknown = (Finding(path, Action.UNKNOWN, "unknown", "", True, times) for path, times in self._unknown.items())
        return (*found, *unknown)

    def _slots(self) -> Iterable[Finding]:
        plan, too_few = self._plan, self._too_few
        for index, value in enumerate(self._values):
            if value is None:
                continue
            if isinstance(value, Refusal):
                yield plan.outcome(index, value)
            elif index in too_few:
                yield Finding(plan.slots[index].metric.path, Action.WITHHELD, "too-few-people")
            else:
                yield plan.slots[index].finding

    def _keys(self, node: Node, value: Mapping[Any, Any]) -> None:
        """Say what became of the keys of *value*. It calls itself no deeper than the catalogue's longest path."""
        children, any_key = node.children, node.any_key
        for key, inner in value.items():
            child = children.get(key) if key.__class__ is str else None
            if child is None:
                child = any_key if isinstance(key, str) else None
            if child is None:
                path = f"{node.path}.{self._mask(key)}" if node.path else self._mask(key)
                self._unknown[path] = self._unknown.get(path, 0) + 1
            else:
                self._visit(child, inner)

    def _visit(self, node: Node, value: Any) -> None:
        plain = value.__class__ in _PLAIN
        if not plain and (node.children or node.any_key is not None) and isinstance(value, Mapping):
            self._keys(node, value)
        elif node.items is not None and value.__class__ is list:
            for item in value:
                self._visit(node.items, item)
        elif node.metric is not None:
            if value.__class__ not in node.types and _is_new_type(node.metric, value):
                self._new_types.add(node.metric.path)
            if node.stays is not None:
                self._found.add(node.stays)
        elif not node.slots:
            rule = Refusal.NOT_SET if value is None else Refusal.WRONG_TYPE
            action = _REFUSED_AS.get(rule, Action.WRONG_TYPE)
            self._found.add(Finding(node.path, action, rule.value, is_drift=value is not None))

    def _mask(self, key: Any) -> str:
        if not isinstance(key, str) or len(key) > _LONGEST_KEY:
            return MASK
        if key not in self._masked:
            if len(self._masked) >= _MOST_SPELT:
                return MASK
            self._masked[key] = ascii(key)[1:-1] if self._show_keys else mask(key, self._plan.known_words)
        return self._masked[key]


def _is_new_type(metric: Metric, value: Any) -> bool:
    """Say whether upstream isn't known to store *value*'s JSON type there; a wrapper counts as what it holds."""
    if isinstance(value, Mapping):
        unwrapped = unwrap(value)
        if unwrapped is not value:
            return "object" not in metric.json and "number" not in metric.json and _is_new_type(metric, unwrapped)
    found = _json_type(value)
    return not (found in metric.json or (found == "integer" and "number" in metric.json))


MASK: Final = (
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{HORIZONTAL ELLIPSIS}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
)
"""What stands for a word that the catalogue doesn't know."""

_LONGEST_KEY: Final = 80
_MOST_SPELT: Final = 1_000
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z]+", re.ASCII)


def known_words(paths: Iterable[str]) -> frozenset[str]:
    """Return the words, in lower case, that *paths* are spelt with; one and two letters are no word."""
    found = (word.lower() for path in paths for word in _WORD.findall(path))
    return frozenset(word for word in found if len(word) > 2 and word.isalpha())


def mask(key: str, words: frozenset[str]) -> str:
    """
    Return *key* with every word that is not among *words* masked.

    A key is data: an admin, a user or an app may have chosen it. So an unknown key is named only as far as it is spelt
    with words of the catalogue, as a new field of the vendor's mostly is (``totalArchivedRooms``).
    """
    parts = (word if word.lower() in words else MASK for word in _WORD.findall(key))
    return re.sub(f"(?:{MASK})+", MASK, "".join(parts)) or MASK
