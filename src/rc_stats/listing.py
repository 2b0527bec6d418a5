"""
A plan as a Python text: Structs for the places that are read, and one function that settles what leaves of them.

:mod:`rc_stats.fast` runs the text, and ``rc-stats metrics --plan`` prints it, so that it can be reviewed. It is made
from the catalogue alone; no document takes part.

Two kinds of leaves leave as they are, since their type says all: flags, and counts that are not rounded. Every other
leaf is assigned anew, whatever it holds, and what is read only for another's sake is set to None.
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rc_stats.catalogue import Catalogue, Metric, Profile, default_emit
from rc_stats.disclosure import UNLISTED
from rc_stats.plan import Plan, Slot, is_plain_count

_WIDTH: Final = 100
_LARGEST: Final = 2**53
"""Larger whole numbers are not the same to every parser."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PYTHON: Final = {"boolean": "bool", "string": "str", "number": "int | float"}
_SCALARS: Final = frozenset({"count", "flag", "choice", "version", "month", "band", "moment", "split"})
_DATED: Final = frozenset({"month", "moment"})


class NoListingError(Exception):
    """The catalogue has a shape that a listing has no words for; its documents are read by the plan itself."""


@dataclass(frozen=True, slots=True)
class Listing:
    """
    The text of a plan, and where it puts what leaves.

    Attributes:
        text: Defines ``Document`` and ``settle(document)``. That changes a document into what may leave, and returns
            the exact totals of people, when the document was made, its platform and its number of apps.
        totals: Paths of the totals, in the order in which they are returned.
        places: Payload path to the attributes that lead to it.
    """

    text: str
    totals: tuple[str, ...]
    places: Mapping[str, tuple[str, ...]]


def listing(plan: Plan) -> Listing:
    """
    Return the listing of *plan*.

    Raises:
        NoListingError: There is none.
    """
    return _Writer(plan).written()


def plan_listing(catalogue: Catalogue, profile: str) -> Listing:
    """Return the listing of *catalogue* in the profile of that name."""
    return listing(Plan(catalogue, Profile(profile)))


@dataclass(slots=True)
class _Part:
    """
    A map of the document.

    Attributes:
        fields: Key to the type of a leaf.
        parts: Key to the map inside.
        lines: Key to what assigns the leaf.
        few: Number of users to the keys that are withheld below it.
        type: Its class, once that is written.
    """

    path: str
    fields: dict[str, str] = field(default_factory=dict)
    parts: dict[str, _Part] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    few: dict[int, list[str]] = field(default_factory=dict)
    type: str = ""

    @property
    def variable(self) -> str:
        """What holds it while the function runs."""
        return f"in_{_name(self.path)}" if self.path else "document"

    def place(self, key: str) -> str:
        """Return the expression for what is at *key*."""
        return f"{self.variable}.{attribute(key)}"


def _name(path: str) -> str:
    """Return *path* as part of a name. Should another path give the same, there is no listing."""
    return re.sub(r"[^A-Za-z0-9]+", "_", path)


def attribute(key: str) -> str:
    """
    Return the attribute for *key*.

    Raises:
        NoListingError: There is none.
    """
    if not key.isprintable() or '"' in key or "\\" in key:
        raise NoListingError(key)
    return key if _PLAIN.fullmatch(key) and not keyword.iskeyword(key) else f"at_{_name(key)}"


class _Writer:
    """Sorts the slots of a plan by where they are read, and writes the text."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._root = _Part("")
        self._places: dict[str, tuple[str, ...]] = {}
        self._defined: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._classes: list[str] = []
        self._types: dict[tuple[str, ...], str] = {}
        self._first: list[str] = []
        self._people: list[str] = []
        self._exact = {path: f"exact_{number}" for number, path in enumerate(plan.totals, 1)}
        self._told: dict[str, str] = {}
        self._totals: dict[tuple[str, ...], str] = {}
        shown = [slot for slot in plan.slots if _is_of_rows(slot) and not slot.is_silent]
        self._needed = min((slot.treatment.needs_people for slot in shown), default=0)
        self._tables: dict[str, list[tuple[Slot, _Part, str]]] = {}

    def written(self) -> Listing:
        """Return the listing."""
        read: dict[str, list[Slot]] = {}
        for slot in self._plan.slots:
            read.setdefault(default_emit(slot.metric.path), []).append(slot)
        for path, slots in read.items():
            self._read(path, slots)
        facts = list(self._read_facts())
        people = [*self._people, *self._shown_tables()]
        if self._needed:
            people = [f"if users >= {self._needed}:", *(f"    {line}" for line in people)]
        body = [*facts, *self._first, *self._told_totals(), *people]
        self._define(self._root)
        _withhold_whole(self._root)
        body += self._settled(self._root)
        exact = ", ".join([*self._exact.values(), ""]).rstrip()
        body.append(f"return ({exact}), made_at, platform, apps")
        defined = (f"{name} = {made_by}" for name, made_by in self._defined.items() if made_by)
        function = ("def settle(document):", *(f"    {line}" for line in body))
        text = "\n".join([*self._head(), *defined, *self._classes, "", "", *function, ""])
        return Listing(text, tuple(self._exact), dict(self._places))

    def _head(self) -> list[str]:
        catalogue = self._plan.catalogue
        return [
            f"# Catalogue {catalogue.name}, version {catalogue.version}, profile {self._plan.profile}",
            f"# {catalogue.digest}",
            "# What is not defined here is in rc_stats.leaves.",
            "",
        ]

    # Places and names.

    def _part(self, path: str) -> tuple[_Part, str]:
        """Return the map that *path* stands in, and its last key."""
        *steps, key = path.split(".")
        part = self._root
        for step in steps:
            if step in part.fields:
                raise NoListingError(path)
            if step not in part.parts:
                inner = part.parts[step] = _Part(f"{part.path}.{step}" if part.path else step)
                if self._variables.setdefault(inner.variable, inner.path) != inner.path:
                    raise NoListingError(path)
            part = part.parts[step]
        return part, key

    def _field(self, path: str, type_: str) -> tuple[_Part, str]:
        """Make *path* a leaf of that type, and return its map and the expression for it."""
        part, key = self._part(path)
        if key in part.parts or key in part.fields:
            raise NoListingError(path)
        part.fields[key] = type_
        return part, part.place(key)

    def _leaves(self, slot: Slot) -> None:
        """Note where *slot* leaves, and from how many users on."""
        emit = slot.metric.emit
        part, key = self._part(emit)
        self._places[emit] = tuple(map(attribute, emit.split(".")))
        needed = slot.treatment.needs_people
        # A split of the users is shown only of twice the threshold and more, so that no smaller condition adds to it.
        is_split = slot.metric.operator == "split" and slot.metric.of == self._plan.catalogue.facts.people
        if needed and not (is_split and needed <= 2 * self._plan.catalogue.threshold):
            part.few.setdefault(needed, []).append(key)

    def _reach(self, path: str) -> Iterator[str]:
        """Yield the statements that set the variable of the map that *path* stands in."""
        part = self._root
        for step in path.split(".")[:-1]:
            inner = part.parts[step]
            yield f"{inner.variable} = " + (f"{part.variable} and " if part.path else "") + part.place(step)
            part = inner

    def _within(self, part: _Part, place: str) -> str:
        return f"{part.variable} and {place}" if part.path else place

    def _define_as(self, name: str, made_by: str) -> str:
        if self._defined.setdefault(name, made_by) != made_by:
            raise NoListingError(name)
        return name

    def _to(self, path: str, function: str) -> str:
        """Return the name of what settles the leaf at *path*."""
        return self._define_as(f"to_{_name(path)}", f"{function}({path!r})")

    def _bounded(self, path: str, minimum: int, maximum: int) -> str:
        if not 0 <= minimum <= maximum <= _LARGEST:
            raise NoListingError(path)
        return self._define_as(f"From_{minimum}_to_{maximum}", f"Annotated[int, Meta(ge={minimum}, le={maximum})]")

    # What is read.

    def _read(self, path: str, slots: Sequence[Slot]) -> None:
        metric = slots[0].metric
        if len(slots) == 1 and metric.path == path == metric.emit and metric.operator in _SCALARS:
            self._read_scalar(slots[0])
        elif len(slots) == 1 and metric.emit == path and metric.operator in ("length", "table", "sum"):
            self._read_container(slots[0])
        elif all(slot.metric.emit.rpartition(".")[0] == path for slot in slots):
            self._read_items(path, slots)
        else:
            self._read_period(path, slots)

    def _read_scalar(self, slot: Slot) -> None:
        metric = slot.metric
        part, place = self._field(metric.path, self._type(metric))
        self._leaves(slot)
        line = self._line(slot, place)
        if metric.path not in self._exact:
            part.lines[slot.name] = [line] if line else []
        elif not line:
            self._told[metric.path] = self._exact[metric.path]
        else:
            # A total is settled before all else: what the payload tells of it says what may be shown of splits.
            told = self._told[metric.path] = self._exact[metric.path].replace("exact", "told")
            self._first += [f"{told} = None", f"if {part.variable} is not None:", f"    {told} = {line}"]

    def _type(self, metric: Metric) -> str:
        """Return the types that upstream stores at a scalar. A document with another one is read by the plan itself."""
        is_whole = set(metric.json) <= {"integer", "null"} and not is_large(metric)
        if metric.maximum > _LARGEST or (metric.operator == "split" and not is_whole):
            raise NoListingError(metric.path)
        names = [_PYTHON[kind] for kind in metric.json if kind in _PYTHON]
        if "integer" in metric.json and "number" not in metric.json:
            is_bounded = metric.operator in ("count", "split") and not is_large(metric)
            names.append(self._bounded(metric.path, metric.minimum, metric.maximum) if is_bounded else "int")
            names += ["float"] if is_large(metric) else []
        if "object" in metric.json and metric.operator in _DATED:
            names.append("Date")
        return " | ".join([*names, "None"])

    def _line(self, slot: Slot, place: str) -> str:
        """Return the statement that settles a scalar; none for what leaves as it is."""
        metric = slot.metric
        kinds = set(metric.json) - {"null"}
        match metric.operator:
            case "flag" if kinds == {"boolean"}:
                return ""
            case "count" if is_plain_count(slot) and "number" not in kinds and not is_large(metric):
                return "" if kinds == {"integer"} else f"{place} = n if (n := {place}).__class__ is int else None"
            case "choice":
                return f"{place} = {self._to(metric.emit, 'words')}[{place}]"
            case "moment":
                return f"{place} = {self._to(metric.emit, 'active')}({place}, made_at)"
            case "split":
                return f"{place} = {self._split(slot, place)}"
            case _:
                return self._settle(metric, place)

    def _settle(self, metric: Metric, place: str, read: str = "") -> str:
        """Return the statement that applies the operator; what it refuses is none of these types."""
        operator = self._to(metric.emit, "operator")
        type_ = "int" if metric.operator in ("count", "length") and not metric.bands else "str"
        return f"{place} = out if (out := {operator}({read or place})).__class__ is {type_} else None"

    def _split(self, slot: Slot, read: str) -> str:
        """Return the expression for the people at *read*, where its type says that there is a whole number or none."""
        step, least = slot.treatment.step, self._plan.catalogue.threshold
        shown = f"n - n % {step}" if step > 1 else "n"
        return f"{shown} if (n := {read}) is not None and {least} <= n <= most_{self._total(slot.metric)} else None"

    def _total(self, metric: Metric) -> str:
        """Return the number of the total that the people of *metric* belong to."""
        paths = (metric.of, *metric.less)
        if not set(paths) <= set(self._exact):
            raise NoListingError(metric.path)
        return self._totals.setdefault(paths, str(len(self._totals) + 1))

    def _read_container(self, slot: Slot) -> None:
        metric = slot.metric
        rest = metric.path.removeprefix(metric.emit)
        upto = self._bounded(metric.path, 0, metric.maximum)
        if metric.operator == "length" and rest in ("[]", ".*") and not metric.bands:
            part, place = self._field(metric.emit, "list[Raw] | None" if rest == "[]" else "dict[str, Raw] | None")
            n = f"(n := len(list_)) <= {metric.maximum}"
            part.lines[slot.name] = [f"{place} = n if (list_ := {place}) is not None and {n} else None"]
        elif metric.operator == "sum" and rest.startswith("[]."):
            item = self._item(metric.emit, category=("str", metric.key), number=(upto, rest[3:]))
            part, place = self._field(metric.emit, f"list[{item}] | None")
            part.lines[slot.name] = [f"{place} = {self._to(metric.emit, 'summed')}({place})"]
        elif metric.operator == "table" and rest == ".*":
            part, place = self._field(metric.emit, f"dict[str, {upto}] | None")
            self._people += self._reach(metric.emit)
            rows = f"{self._to(metric.emit, 'by_label')}({self._within(part, place)})"
            exact = self._exact[metric.of] if metric.of == self._plan.catalogue.facts.people else "None"
            self._table(slot, part, f"{rows}, total_{self._total(metric)}, {exact}")
        else:
            raise NoListingError(metric.path)
        self._leaves(slot)

    def _item(self, path: str, **fields: tuple[str, str]) -> str:
        """Return the name of the type of an item of the list at *path*, with *fields* of a type and a key."""
        keys = [key for _, key in fields.values()]
        if len(set(keys)) < len(keys) or not all(map(_PLAIN.fullmatch, keys)):
            raise NoListingError(path)
        arguments = ", ".join(f"{name}=({type_}, {key!r})" for name, (type_, key) in fields.items())
        return self._define_as(f"Item_{_name(path)}", f"item({arguments})")

    def _read_items(self, path: str, slots: Sequence[Slot]) -> None:
        """Read a list in whose place a map leaves: its size, and words on which its items agree."""
        choices = [slot.metric for slot in slots if slot.metric.operator == "choice"]
        lengths = [slot.metric for slot in slots if slot.metric.operator == "length"]
        if len(choices) > 1 or [metric.path for metric in lengths] != [f"{path}[]"] or len(slots) != len(choices) + 1:
            raise NoListingError(path)
        if any(slot.treatment.needs_people for slot in slots):
            raise NoListingError(path)
        item = self._item(path, text=("str", choices[0].path.removeprefix(f"{path}[]."))) if choices else "Raw"
        part, place = self._field(path, f"list[{item}] | None")
        made = _Part(path)
        values = {lengths[0].emit: self._settle(lengths[0], "", "items").removeprefix(" = ")}
        for choice in choices:
            values[choice.emit] = f"{self._to(choice.emit, 'agreed')}(items)"
        for emit in values:
            made.fields[emit.rpartition(".")[2]] = "None"
            self._places[emit] = tuple(map(attribute, emit.split(".")))
        self._define(made)
        arguments = ", ".join(f"{attribute(emit.rpartition('.')[2])}={value}" for emit, value in values.items())
        part.lines[path.rpartition(".")[2]] = [
            f"items = {place}",
            f"{place} = None",
            "if items is not None:",
            f"    made = {place} = {made.type}({arguments})",
            f"    if made == {made.type}():",
            f"        {place} = None",
        ]

    def _read_period(self, path: str, slots: Sequence[Slot]) -> None:
        """Read a list of one row that has people, and people by category; both leave beside the list."""
        splits = [slot for slot in slots if slot.metric.operator == "split"]
        tables = [slot for slot in slots if slot.metric.operator == "table"]
        above = path.rpartition(".")[0]
        if len(splits) != 1 or len(tables) > 1 or len(slots) != 1 + len(tables) or splits[0].metric.minimum:
            raise NoListingError(path)
        if not above or any(slot.metric.emit.rpartition(".")[0] != above for slot in slots):
            raise NoListingError(path)
        split = splits[0].metric
        upto = self._bounded(path, 0, split.maximum)
        fields = {"people": (upto, split.path.removeprefix(f"{path}[]."))}
        for table in tables:
            rows, _, number = table.metric.path.removeprefix(f"{path}[].").partition("[].")
            if number != "count" or table.metric.of != split.path or table.metric.less:
                raise NoListingError(path)
            upto = self._bounded(path, 0, table.metric.maximum)
            item = self._item(f"{path}.{rows}", category=("str", table.metric.key), number=(upto, number))
            fields["rows"] = (f"list[{item}]", rows)
        row = self._item(path, **fields)
        part, place = self._field(path, f"list[{row}] | None")
        _, shown = self._field(split.emit, "Elsewhere")
        one = self._define_as(f"one_{_name(path)}", f"one_row({row})")
        read = f"row_{_name(path)}"
        self._people += [
            *self._reach(path),
            f"{read} = {one}({self._within(part, place)})",
            f"if {part.variable} is not None:",
            f"    {place} = None",
            f"    {shown} = {self._split(splits[0], f'{read}.people')}",
        ]
        self._leaves(splits[0])
        withheld = [path.rpartition(".")[2], splits[0].name]
        for table in tables:
            self._field(table.metric.emit, "Elsewhere")
            if not table.is_silent:
                self._leaves(table)
            withheld.append(table.name)
            categories = f"{self._to(table.metric.emit, 'by_item')}({read}.rows)"
            self._table(table, part, f"{categories}, {part.variable} and {shown}, {read}.people")
        if self._needed:
            few = part.few.setdefault(self._needed, [])
            few += [key for key in withheld if key not in few]

    def _table(self, slot: Slot, part: _Part, read: str) -> None:
        self._tables.setdefault(slot.metric.linked or slot.metric.emit, []).append((slot, part, read))

    def _read_facts(self) -> Iterator[str]:
        """Yield the statements that read what is needed first; what is read for nothing else doesn't stay."""
        facts = self._plan.catalogue.facts
        wanted = [
            ("made_at", facts.made_at, "str | Date"),
            ("platform", facts.platform, "str"),
            ("apps", facts.apps, "int"),
        ]
        for path, name in self._exact.items():
            total = self._plan.totals[path]
            wanted.append((name, path, self._bounded(path, total.minimum, total.maximum)))
        for name, path, type_ in wanted:
            part, key = self._part(path)
            if key not in part.fields:
                part, place = self._field(path, f"{type_} | None")
                part.lines[key] = [f"{place} = None"]
            yield from self._reach(path)
            read = self._within(part, part.place(key))
            yield f"{name} = instant({read})" if name == "made_at" else f"{name} = {read}"
        users = self._exact.get(facts.people)
        yield f"users = {users} or 0" if users else "users = 0"

    def _told_totals(self) -> Iterator[str]:
        """Yield the statements that say how many people a figure can be about, and the most that can be shown."""
        least = self._plan.catalogue.threshold
        for paths, number in self._totals.items():
            told, exact = [self._told.get(path, "None") for path in paths], [self._exact[path] for path in paths]
            if told == exact:
                nothing = " or ".join(f"{name} is None" for name in exact)
                yield f"total_{number} = None if {nothing} else {' - '.join(exact)}"
            else:
                yield f"total_{number} = total([{', '.join(told)}], [{', '.join(exact)}])"
            yield f"most_{number} = -1 if total_{number} is None else total_{number} - {least}"

    def _shown_tables(self) -> Iterator[str]:
        """Yield the statements that show people by category, linked tables together."""
        for name, tables in self._tables.items():
            paths = ", ".join(repr(slot.metric.emit) for slot, _, _ in tables)
            vocabulary = self._plan.catalogue.vocabularies[tables[0][0].metric.vocabulary]
            is_shared = all(slot.metric.vocabulary == vocabulary.name for slot, _, _ in tables)
            if UNLISTED in vocabulary.members or vocabulary.groups or vocabulary.empty_is or not is_shared:
                raise NoListingError(name)
            linked = self._define_as(f"linked_{_name(name)}", f"linked({paths})")
            yield f"shown = {linked}("
            yield from (f"    ({read})," for _, _, read in tables)
            yield ")"
            for number, (slot, part, _) in enumerate(tables):
                if not part.path:
                    yield f"{part.place(slot.name)} = shown[{number}]"
                elif not slot.is_silent:
                    yield f"if {part.variable} is not None:"
                    yield f"    {part.place(slot.name)} = shown[{number}]"

    # The text.

    def _define(self, part: _Part) -> None:
        """Write the class of *part*, after those of the maps inside; maps with the same fields share one."""
        for inner in part.parts.values():
            self._define(inner)
        types = part.fields | {key: f"{inner.type} | None" for key, inner in part.parts.items()}
        if len({*map(attribute, types)}) < len(types):
            raise NoListingError(part.path)
        lines = []
        for key, type_ in sorted(types.items()):
            default = "None" if attribute(key) == key else f"field(default=None, name={key!r})"
            lines.append(f"    {attribute(key)}: {type_} = {default}")
        name = f"At_{_name(part.path)}" if part.path else "Document"
        part.type = self._types.setdefault(tuple(lines), name)
        if part.type == name:
            self._classes += ["", f"class {self._define_as(name, '')}(Part):", *lines]

    def _settled(self, part: _Part, least: int = 0) -> Iterator[str]:
        """Yield the statements for *part*, of at least so many users, and those that drop what is empty then."""
        few = {needed: keys for needed, keys in sorted(part.few.items()) if needed > least}
        conditional = {key: needed for needed, keys in few.items() for key in keys}
        inside = {key: list(self._settled(inner, conditional.get(key, least))) for key, inner in part.parts.items()}
        for key, lines in part.lines.items():
            if key not in conditional:
                yield from lines
        for needed, keys in few.items():
            yield f"if users < {needed}:"
            chain = " = ".join([*map(part.place, keys), "None"])
            *parts, last = textwrap.wrap(chain, _WIDTH, break_long_words=False, break_on_hyphens=False)
            yield from (f"    {line} \\" for line in parts)
            yield f"    {last}"
            others = [line for key in keys for line in part.lines.get(key, ())]
            if others:
                yield "else:"
                yield from (f"    {line}" for line in others)
        for key, inner in part.parts.items():
            place = part.place(key)
            first = inner.place(min({**inner.fields, **inner.parts}))
            is_empty = f"{first} is None and {inner.variable} == {inner.type}()"
            if inside[key]:
                yield f"if ({inner.variable} := {place}) is not None:"
                yield from (f"    {statement}" for statement in inside[key])
                yield f"    if {is_empty}:"
                yield f"        {place} = None"
            else:
                yield f"if ({inner.variable} := {place}) is not None and {is_empty}:"
                yield f"    {place} = None"


def _withhold_whole(part: _Part) -> None:
    """Withhold a map as a whole where all of it is withheld below the same number of users."""
    for key, inner in part.parts.items():
        _withhold_whole(inner)
        for needed, keys in inner.few.items():
            if len(keys) == len({*inner.fields, *inner.parts}):
                part.few.setdefault(needed, []).append(key)


def is_large(metric: Metric) -> bool:
    """Say whether a number there is a size in bytes or the like: of more than 32 bits, exports add a fraction of 0."""
    return metric.maximum >= 2**40


def _is_of_rows(slot: Slot) -> bool:
    """Say whether the people of *slot* stand in a list or a map, so that they are read before all else."""
    return slot.metric.operator == "table" or (slot.metric.operator == "split" and slot.metric.path != slot.metric.emit)
