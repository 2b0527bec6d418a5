"""
Reading figures of people: what a document says, before any protection.

What a reader gives is wrapped, so that it can't be taken for a value that may leave: nothing but the protection of
:mod:`rc_stats.people` takes it out of its wrapper, and a report drops what is still wrapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rc_stats.disclosure import ACTIVE_WITHIN, UNLISTED
from rc_stats.operators import Refusal, Vocabulary, choice, count, moment_of
from rc_stats.wire import unwrap


@dataclass(slots=True)
class Unprotected:
    """
    A figure of people as the document has it. It must not leave.

    Attributes:
        figure: A count; or people by category; or a moment, or the word that a payload has in its place.
        is_raw: It has a form that only a document has, and so is no figure of a payload that is read again.
    """

    figure: int | tuple[tuple[str, int], ...] | datetime | str
    is_raw: bool = False

    def __repr__(self) -> str:
        """Say what it is and not what it holds."""
        return "Unprotected(…)"


Reader = Callable[[Any], Unprotected | Refusal]
"""Reads one JSON value, of any kind and size, and never raises."""


def people(minimum: int, maximum: int) -> Reader:
    """Return a reader of a count of people."""
    read = count(minimum, maximum)

    def operate(value: Any) -> Unprotected | Refusal:
        number = read(value)
        return Unprotected(number) if type(number) is int else _refused(number)

    return operate


def people_in_rows(reader: Reader, inner: str) -> Reader:
    """
    Return a reader of field *inner* in a list of one object, which is how upstream stores a period.

    An empty list is nobody. What is no list is read as a payload has it.
    """

    def operate(value: Any) -> Unprotected | Refusal:
        if type(value) is not list:
            return reader(value)
        if not value:
            return reader([] if "[]" in inner else 0)
        if len(value) > 1 or not isinstance(value[0], Mapping):
            return Refusal.WRONG_TYPE
        found = value[0].get(inner.partition("[]")[0])
        return reader(unwrap(found) if isinstance(found, Mapping) else found)

    return operate


def people_by_category(vocabulary: Vocabulary, maximum: int, *, key: str = "", value_key: str = "count") -> Reader:
    """
    Return a reader of people by category: a map of counts, or a list of objects.

    An unlisted category adds to the unlisted bucket; spellings that differ by case are one category. One bad count
    refuses the whole, since the rest would not add up.

    Args:
        key: Field of an item that tells its category.
        value_key: Field of an item that tells how many.
    """
    category_of = choice(vocabulary)
    number_of = count(0, maximum)

    def operate(value: Any) -> Unprotected | Refusal:
        if isinstance(value, Mapping):
            rows = list(value.items())
        elif type(value) is list and key:
            rows = [(i.get(key), i.get(value_key)) if isinstance(i, Mapping) else (None, True) for i in value]
        else:
            return Refusal.NOT_SET if value is None else Refusal.WRONG_TYPE
        sums: dict[str, int] = {}
        for label, raw in rows:
            number = number_of(unwrap(raw) if isinstance(raw, Mapping) else raw)
            if type(number) is not int:
                return Refusal.WRONG_TYPE
            category = category_of(label)
            name = category if isinstance(category, str) else UNLISTED
            sums[name] = sums.get(name, 0) + number
        return Unprotected(tuple(sums.items()), is_raw=type(value) is list)

    return operate


def moment(value: Any) -> Unprotected | Refusal:
    """Read a moment of somebody's activity, or the word that a payload has in its place."""
    if type(value) is str and value in ACTIVE_WITHIN.values():
        return Unprotected(value)
    found = moment_of(value)
    return found if isinstance(found, Refusal) else Unprotected(found)


def _refused(outcome: object) -> Refusal:
    return outcome if isinstance(outcome, Refusal) else Refusal.WRONG_TYPE
