"""Where values stand in a statistics document: the catalogue's paths as a tree, made without a look at the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from rc_stats.catalogue import Catalogue, Metric

Json = Any
"""Any JSON value."""

Document = dict[str, Any]
Steps = tuple[str, ...]
"""A path taken apart: names, ``[]`` for an item of a list, ``*`` for a key that is data."""

MISSING: Final = object()
"""What stands for a field that a document doesn't have."""


def steps_of(path: str) -> Steps:
    """Take a path of the catalogue apart."""
    return tuple(re.findall(r"\[\]|\*|[^.\[\]*]+", path))


def spelt(steps: Iterable[str]) -> str:
    """Put a path together again."""
    return ".".join(steps).replace(".[]", "[]")


@dataclass
class Place:
    """A step of the way into a document, as the catalogue's paths have it."""

    steps: Steps = ()
    metric: Metric | None = field(default=None, repr=False)
    children: dict[str, Place] = field(default_factory=dict, repr=False)

    @cached_property
    def is_map(self) -> bool:
        """Whether the value here is a map with keys that the catalogue names."""
        return any(step not in ("[]", "*") for step in self.children)

    def below(self) -> Iterator[Place]:
        """Yield every place inside this one, containers before what they hold."""
        for child in self.children.values():
            yield child
            yield from child.below()


def tree_of(catalogue: Catalogue) -> Place:
    """Return the places that *catalogue* speaks of, below the document itself."""
    root = Place()
    for metric in catalogue.metrics.values():
        place = root
        for step in steps_of(metric.path):
            place = place.children.setdefault(step, Place((*place.steps, step)))
        place.metric = metric
    return root


def placed(inner: Json, steps: Sequence[str], value: Json, name: str = "acme") -> Json:
    """
    Return *inner* with *value* at *steps*; what is in the way is replaced, and nothing is changed in place.

    Args:
        name: The key to use where the key is data.
    """
    if not steps:
        return value
    step, *rest = steps
    if step == "[]":
        items = list(inner) if isinstance(inner, list) and inner else [None]
        return [placed(items[0], rest, value, name), *items[1:]]
    key = name if step == "*" else step
    mapping = dict(inner) if isinstance(inner, Mapping) else {}
    return mapping | {key: placed(mapping.get(key), rest, value, name)}


def found(inner: Json, steps: Sequence[str]) -> Json:
    """Return what is at *steps* (of lists and maps that are data, in the first item), or :data:`MISSING`."""
    if not steps:
        return inner
    step, *rest = steps
    if step == "[]":
        return found(inner[0], rest) if isinstance(inner, list) and inner else MISSING
    if not isinstance(inner, Mapping) or not inner:
        return MISSING
    key = next(iter(inner)) if step == "*" else step
    return found(inner[key], rest) if key in inner else MISSING
