"""
What the plan's listing is written with: the types of its Structs, and what settles a leaf that can't leave as it is.

:mod:`rc_stats.listing` writes the listing and :mod:`rc_stats.fast` runs it. Operators and the rules of disclosure are
those of the dict walker; here they get what a typed document has. A leaf that may not leave becomes None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from msgspec import Meta, Raw, Struct, defstruct, field

from rc_stats.disclosure import ACTIVE_WITHIN, FEWEST_HIDDEN_CATEGORIES, UNLISTED
from rc_stats.operators import OTHER, Refusal, Vocabulary, choice, moment_of
from rc_stats.people import fits
from rc_stats.plan import Plan, Slot, counted

_A_DAY: Final = timedelta(days=1)


class Part(Struct, omit_defaults=True, gc=False):
    """A map of the document, with the keys that the catalogue names, sorted. What is None is not written."""


class Date(Struct, forbid_unknown_fields=True, gc=False):
    """A date as MongoDB's extended JSON wraps it."""

    value: str | int = field(name="$date")


Elsewhere = Annotated[int, Meta(ge=1, le=0)]
"""The type that no value has: a place that only a payload fills. A document with something there is read otherwise."""


def item(**fields: tuple[Any, str]) -> type[Struct]:
    """Return the type of an item of a list, with *fields* of a type and a key; other keys are skipped."""
    return defstruct(
        "Item", [(name, type_ | None, field(default=None, name=key)) for name, (type_, key) in fields.items()]
    )


def instant(value: str | Date | None) -> datetime | None:
    """Return the moment that *value* tells."""
    moment = moment_of(value.value if isinstance(value, Date) else value)
    return moment if isinstance(moment, datetime) else None


def total(told: Sequence[int | None], exact: Sequence[int | None]) -> int | None:
    """
    Return how many people a split can be about, as :mod:`rc_stats.people` has it.

    Args:
        told: What the payload tells of the total, and of those who can't be among the counted.
        exact: The same as the document has it.
    """
    shown = [number for number in told if number is not None]
    if len(shown) < len(told):
        return None
    true = [number or 0 for number in exact]
    return min(shown[0] - sum(shown[1:]), true[0] - sum(true[1:]))


class Words(dict[Any, Any]):
    """
    What becomes of a text. The spelling of the list's members is looked up; *operator* is asked about any other.

    Nothing of a document is kept here.

    Args:
        operator: Of one text.
        vocabulary: The list.
        unlisted: What stands for no text, and for one that the operator refuses.
    """

    def __init__(self, operator: Callable[[Any], Any], vocabulary: Vocabulary, unlisted: Any = None) -> None:
        self._operator = operator
        self._unlisted = unlisted
        super().__init__({member: self[member] for member in vocabulary.members})
        self[""] = self[""]
        self[None] = unlisted

    def __missing__(self, text: Any) -> Any:
        """Ask the operator."""
        outcome = self._operator(text)
        return self._unlisted if outcome.__class__ is Refusal else outcome


class Leaves:
    """
    The names that a listing of *plan* uses: what settles the leaf at a payload path, by the slot's own operator.

    Each is a function, or a dict from a text to a word.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def names(self) -> dict[str, Any]:
        """Return the names, with those of the types."""
        return {
            "Annotated": Annotated,
            "Date": Date,
            "Elsewhere": Elsewhere,
            "Meta": Meta,
            "Part": Part,
            "Raw": Raw,
            "field": field,
            "instant": instant,
            "item": item,
            "total": total,
            "active": self.active,
            "agreed": self.agreed,
            "by_item": self.by_item,
            "by_label": self.by_label,
            "linked": self.linked,
            "one_row": self.one_row,
            "operator": self.operator,
            "summed": self.summed,
            "words": self.words,
        }

    def _slot(self, path: str) -> Slot:
        return self._plan.slots[self._plan.index_of[path]]

    def _vocabulary(self, path: str) -> Vocabulary:
        return self._plan.catalogue.vocabularies[self._slot(path).metric.vocabulary]

    def operator(self, path: str) -> Callable[[Any], Any]:
        """Return the operator of a leaf; of a date also where it is wrapped."""
        slot = self._slot(path)
        operator = slot.operator
        if slot.metric.operator != "month":
            return operator
        return lambda value: operator(value.value if value.__class__ is Date else value)

    def words(self, path: str) -> Words:
        """Return the words of a choice."""
        operator: Any = self._slot(path).operator
        return Words(operator, self._vocabulary(path))

    def agreed(self, path: str) -> Callable[[Sequence[Any]], str | None]:
        """Return what gives the word of items with the same ``text``, else ``other``."""
        words = self.words(path)

        def settle(items: Sequence[Any]) -> str | None:
            texts = [one.text for one in items]
            if not texts:
                return None
            text = texts[0]
            word: str | None = words[text]
            is_agreed = texts.count(text) == len(texts) or all(words[other] == word for other in texts)
            return word if is_agreed else OTHER

        return settle

    def active(self, path: str) -> Callable[[Any, datetime | None], str | None]:
        """Return what says how recently somebody was active, as :func:`rc_stats.disclosure.activity` does."""
        days = sorted(self._slot(path).treatment.days)
        limits = [(timedelta(days=longest), ACTIVE_WITHIN[longest]) for longest in days]
        words = {word for _, word in limits}

        def settle(value: str | Date | None, at: datetime | None) -> str | None:
            if value is None:
                return None
            told: Any = value.value if value.__class__ is Date else value
            moment: Any = moment_of(told)
            if moment.__class__ is not datetime:
                return told if told in words else None
            age = None if at is None else at - moment
            if age is None or age < -_A_DAY:
                return None
            for longest, word in limits:
                if age <= longest:
                    return word
            return None

        return settle

    def summed(self, path: str) -> Callable[[Sequence[Any] | None], dict[str, int] | None]:
        """Return what sums items by their category, as :func:`rc_stats.operators.total_by` does."""
        slot, vocabulary = self._slot(path), self._vocabulary(path)
        words = Words(choice(vocabulary), vocabulary, OTHER)
        words[""] = OTHER
        rounded = counted(slot.metric, slot.treatment)

        def settle(items: Sequence[Any] | None) -> dict[str, int] | None:
            sums = _by_item(items, words) if items else None
            if sums is None:
                return None
            outcomes = {name: rounded(number) for name, number in sums.items()}
            return {name: number for name, number in outcomes.items() if number.__class__ is int} or None

        return settle

    def by_label(self, path: str) -> Callable[[Mapping[str, int] | None], Rows | None]:
        """Return what reads people by category out of a map from label to count."""
        words = self._placed(path)

        def read(counts: Mapping[str, int] | None) -> Rows | None:
            if counts is None:
                return None
            rows = {words[label]: number for label, number in counts.items()}
            return rows if len(rows) == len(counts) else _added((words[label], n) for label, n in counts.items())

        return read

    def by_item(self, path: str) -> Callable[[Sequence[Any] | None], Rows | None]:
        """Return what reads people by category out of items."""
        words = self._placed(path)
        return lambda items: _by_item(items, words)

    def _placed(self, path: str) -> Words:
        """Return the place of each category in its list; those that are on no list share the place behind the last."""
        vocabulary = self._vocabulary(path)
        places: dict[Any, int] = {name: place for place, name in enumerate(vocabulary.members)}
        name_of = choice(vocabulary)
        return Words(lambda text: places.get(name_of(text), len(places)), vocabulary, len(places))

    def one_row(self, row: Callable[..., Any]) -> Callable[[Sequence[Any] | None], Any]:
        """Return what gives the one *row* of a period: nobody for an empty list, nothing if there is not one row."""
        unknown, nobody = row(), row(people=0)
        if hasattr(nobody, "rows"):
            nobody.rows = []

        def read(rows: Sequence[Any] | None) -> Any:
            if rows is None or len(rows) > 1:
                return unknown
            return rows[0] if rows else nobody

        return read

    def linked(self, *paths: str) -> Linked:
        """Return the protection of tables that share one pattern of hidden rows, or of a single one."""
        return Linked(self._plan, [self._slot(path) for path in paths])


Rows = dict[int, int]
"""People by category, which is told by its place in the list."""


def _by_item(items: Sequence[Any] | None, words: Words) -> dict[Any, int] | None:
    """Return counts by category of items; one without a count refuses the whole."""
    if items is None:
        return None
    rows = {words[one.category]: one.number for one in items}
    if len(rows) < len(items):
        pairs = [(words[one.category], one.number) for one in items]
        return None if any(number is None for _, number in pairs) else _added(pairs)
    return None if None in rows.values() else rows


def _added(pairs: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    rows: dict[Any, int] = {}
    for name, number in pairs:
        rows[name] = rows.get(name, 0) + number
    return rows


class Linked:
    """The protection of people by category, as :class:`rc_stats.people.Protection` has it for tables."""

    def __init__(self, plan: Plan, slots: Sequence[Slot]) -> None:
        self._catalogue = plan.catalogue
        self._slots = slots
        self._leaving = tuple(not slot.is_silent for slot in slots)
        (vocabulary,) = {slot.metric.vocabulary for slot in slots}
        self._names = (*plan.catalogue.vocabularies[vocabulary].members, UNLISTED)

    def __call__(self, *read: tuple[Rows | None, int | None, int | None]) -> list[dict[str, int] | None]:
        """
        Return what may be shown of each table.

        Args:
            read: Of each: its rows, the total as the payload tells it, and the exact total.
        """
        shown: list[dict[str, int] | None] = [None] * len(read)
        fitting: list[tuple[Rows, int, int]] = []
        leaving: list[tuple[int, Rows]] = []
        for at, (rows, told, exact) in enumerate(read):
            if rows is None or told is None:
                continue
            if sum(rows.values()) == exact:
                fitting.append((rows, told, exact))
                if self._leaving[at]:
                    leaving.append((at, rows))
            elif self._leaving[at]:
                shown[at] = self._of_a_payload(self._slots[at], rows, told)
        if leaving:
            step = self._slots[leaving[0][0]].treatment.step
            places = publishable(fitting, len(self._names) - 1, threshold=self._catalogue.threshold, step=step)
            for at, rows in leaving:
                shown[at] = self._rounded(rows, places, step)
        return shown

    def _of_a_payload(self, slot: Slot, rows: Rows, told: int) -> dict[str, int] | None:
        """Return rows that don't add up, if they are what a payload shows; only one that is read again has a map."""
        by_name = tuple((self._names[place], number) for place, number in rows.items())
        is_shown = slot.metric.path.endswith("*") and fits(slot, by_name, told, self._catalogue)
        return self._rounded(rows, rows, slot.treatment.step) if is_shown else None

    def _rounded(self, rows: Rows, places: Iterable[int], step: int) -> dict[str, int] | None:
        names = self._names
        return {names[place]: (number := rows[place]) - number % step for place in places} or None


def publishable(tables: Sequence[tuple[Rows, int, int]], unlisted: int, *, threshold: int, step: int) -> list[int]:
    """
    Return what :func:`rc_stats.disclosure.publishable` returns, in time that grows with the rows and not the list.

    Args:
        tables: Exact counts by the category's place in the public order; the total as the payload tells it; and the
            sum of the counts.
        unlisted: The place behind the last of the list.
        threshold: Smallest row that is shown.
        step: Multiples that are shown.
    """
    hidden = unlisted + 1
    if hidden <= FEWEST_HIDDEN_CATEGORIES:
        return []
    shown = [place for place, number in tables[0][0].items() if number >= threshold and place != unlisted]
    for table, _, _ in tables[1:]:
        shown = [place for place in shown if table.get(place, 0) >= threshold]
    hidden -= len(shown)
    seen_rests = []
    is_safe = True
    for table, told, exact in tables:
        numbers = [table[place] for place in shown]
        seen = sum(numbers)
        seen_rest, rest = told - seen + sum([number % step for number in numbers]), exact - seen
        seen_rests.append(seen_rest)
        is_safe &= seen_rest == 0 or seen_rest >= threshold
        if rest:
            is_safe &= rest >= threshold and hidden >= FEWEST_HIDDEN_CATEGORIES
            is_safe &= rest <= (hidden - 1) * (threshold - 1) or _largest(table, shown) >= threshold
    if is_safe:
        return shown
    shown.sort()
    # With one more row hidden, which is large, the others have room. What is left to ask is how many rows are hidden,
    # and what can be seen of them.
    while shown:
        place = shown.pop()
        hidden += 1
        seen_rests = [
            rest + (number := table[place]) - number % step
            for rest, (table, _, _) in zip(seen_rests, tables, strict=True)
        ]
        if hidden >= FEWEST_HIDDEN_CATEGORIES and all(rest == 0 or rest >= threshold for rest in seen_rests):
            break
    return shown


def _largest(table: Rows, shown: Sequence[int]) -> int:
    inside = frozenset(shown)
    return max((number for place, number in table.items() if place not in inside), default=0)
