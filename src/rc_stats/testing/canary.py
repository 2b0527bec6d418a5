"""Canary documents: a secret in every place that could carry one, so that a leak of any of them is seen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from rc_stats.catalogue import Catalogue, Metric, load_catalogue
from rc_stats.testing.places import Document, Json, Place, placed, spelt, steps_of, tree_of
from rc_stats.testing.server import Server

_LETTERS: Final = "bcdfghjkmnpqrstvwxzQ"
_LENGTH: Final = 16
_NUMBERS: Final = 10**12
"""Planted numbers have 13 digits: no payload has so many by chance, and every JSON reader keeps them."""

_PEOPLE: Final = 247
_SEED: Final = 1
_AMOUNTS: Final = frozenset({"count", "split", "sum", "table", "band"})
"""Operators of metrics that let a number through: a plausible one stays as it is, since it may leave."""


@dataclass(frozen=True, slots=True)
class Canary:
    """
    A document with secrets in it.

    Attributes:
        secrets: Each secret, and where it was planted. A number stands here by its digits.
    """

    document: Document = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)


def canaries(document: Mapping[str, Any] | None = None, *, catalogue: Catalogue | None = None) -> Canary:
    """
    Return *document* with a secret of its own in every text, every number that must not leave, and every key that is
    data; and, in every map, under a key that no catalogue knows.

    What may leave stays plausible, so that there is a payload to look at: flags, numbers of metrics that let numbers
    through, and the document's date. Nothing is changed in place, and the same place gets the same secret each time.

    Args:
        document: What a server made; by default one that has every field of the catalogue.
        catalogue: Says what each place is; the packaged one by default.
    """
    catalogue = catalogue or load_catalogue()
    tree = tree_of(catalogue)
    if document is None:
        document = _whole(catalogue, tree)
    planting = _Planting(catalogue)
    planted: Document = planting.inside(document, tree, ())
    return Canary(planted, dict(planting.secrets))


def _whole(catalogue: Catalogue, tree: Place) -> Document:
    """Return a document with every field of the catalogue, by chance that is always the same."""
    document = Server(catalogue, Random(_SEED), 1.0, _PEOPLE, gaps=0.0, tree=tree).document()  # noqa: S311
    for place in tree.below():
        metric = place.metric
        if metric is not None and metric.is_dropped and not place.children and not {"object", "array"} & {*metric.json}:
            value = "text" if "string" in metric.json else True if "boolean" in metric.json else 5
            document = placed(document, place.steps, value)
    made_at = catalogue.facts.made_at
    return placed(document, steps_of(made_at), "2026-08-17T03:12:00.000Z") if made_at else document


class _Planting:
    """Plants, and keeps note of what was planted where."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.kept = {steps_of(path) for path in (catalogue.facts.made_at,) if path}
        self.secrets: dict[str, str] = {}
        self.times: Counter[str] = Counter()

    def text(self, where: str) -> str:
        """Return a text to plant at *where*."""
        secret = "".join(_LETTERS[byte % len(_LETTERS)] for byte in self.digest(where)[:_LENGTH])
        self.secrets[secret] = where
        return secret

    def number(self, where: str) -> int:
        """Return a number to plant at *where*."""
        secret = _NUMBERS + int.from_bytes(self.digest(where)[:8]) % (9 * _NUMBERS)
        self.secrets[str(secret)] = where
        return secret

    def digest(self, where: str) -> bytes:
        """Return bytes that are the same for the same place, whatever else is in the document, and no other."""
        self.times[where] += 1
        return hashlib.sha256(f"{self.times[where]} {where}".encode("utf-8", "surrogatepass")).digest()

    def value(self, value: Json, place: Place | None, steps: tuple[str, ...]) -> Json:
        """Return what stands in the place of *value*."""
        if steps in self.kept:
            return value
        if isinstance(value, Mapping):
            return self.inside(value, place, steps)
        if isinstance(value, list):
            item = place.children.get("[]") if place is not None else None
            return [self.value(inner, item, (*steps, "[]")) for inner in value]
        metric = place.metric if place is not None else None
        if isinstance(value, str):
            return self.word(value, metric, steps)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and (metric is None or metric.operator not in _AMOUNTS):
            return self.number(spelt(steps))
        return value

    def word(self, value: str, metric: Metric | None, steps: tuple[str, ...]) -> str:
        """Return a text with a secret; of a version, after the part that may leave."""
        secret = self.text(spelt(steps))
        is_version = metric is not None and metric.operator == "version" and value
        return f"{value}-{secret}" if is_version else secret

    def inside(self, value: Mapping[str, Any], place: Place | None, steps: tuple[str, ...]) -> Document:
        """Return a map with secrets in it, and one more key."""
        children = place.children if place is not None else {}
        planted: Document = {}
        for key, inner in value.items():
            if key in children or "*" not in children:
                planted[key] = self.value(inner, children.get(key), (*steps, key))
            else:
                inner_steps = (*steps, "*")
                planted[self.text(f"a key of {spelt(steps)}")] = self.value(inner, children["*"], inner_steps)
        if "*" not in children:
            here = spelt(steps) or "the document"
            planted[self.text(f"a new key in {here}")] = self.text(f"below a new key in {here}")
            planted[f"total{self.text(f'part of a new key in {here}')}"] = self.number(f"below a new key in {here}")
        return planted
