"""
What became of each path of a document: the vocabulary of findings, and how an unknown key is named.

A finding holds no value. An unknown key is data as well, and shows only as far as it is spelt with known words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rc_stats.operators import Refusal


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


REFUSED_AS: Final = {
    Refusal.NOT_SET: Action.DROPPED,
    Refusal.ROUNDS_TO_ZERO: Action.WITHHELD,
}
"""Other refusals are about a value of the wrong type or form."""

MASK: Final = (
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{HORIZONTAL ELLIPSIS}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
)
"""What stands for a word that the catalogue doesn't know."""

LONGEST_KEY: Final = 80
"""Longer keys are masked whole."""

MOST_SPELT: Final = 1_000
"""More different unknown keys in one document are masked whole, which bounds time and space."""

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
