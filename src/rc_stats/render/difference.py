"""
The difference between two payloads, as text that reads like a diff of code, and as data.

A payload that is compared may have been captured anywhere, so nothing in it is trusted: a key or a word that is no
plain one is spelt in ASCII and cut short.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rc_stats.catalogue import Catalogue, Metric
from rc_stats.errors import UnusableInput
from rc_stats.render.layout import NARROWEST, Style, plain, styled, wrapped
from rc_stats.render.text import WIDEST
from rc_stats.render.view import ascii_text, place_of, spell, unit_of
from rc_stats.render.words import grouped, many
from rc_stats.wire import parse

HEAD: Final = ("period", "profile", "workspace", "catalogue", "format")
"""What a payload tells beside the statistics, in the order of showing."""

UNKNOWN: Final = "Not in this catalogue"
"""The section of values that this catalogue has no place for."""

_MISSING: Final = object()
_PLAIN: Final = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9 _.,:;+/$-]{0,79}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Captured:
    """
    A payload to compare.

    Attributes:
        label: What a person calls it, such as the name of a file.
        head: The fields beside the statistics, spelt out.
        values: The values of the statistics by the keys that lead to them.
    """

    label: str
    body: bytes
    head: Mapping[str, str]
    values: Mapping[tuple[str, ...], Any]


@dataclass(frozen=True, slots=True)
class Change:
    """
    One value that is not the same on both sides.

    Attributes:
        path: Where it stands in the payload; in a table, without the row.
        row: Of a table, which row.
        says: What the value is; empty if this catalogue doesn't know it.
        old, new: Spelt out with the unit; empty on the side that lacks it.
        difference: Of two numbers, such as ``4 more``.
    """

    path: str
    row: str
    says: str
    old: str
    new: str
    difference: str = ""

    @property
    def what(self) -> str:
        """Whether it was ``added``, ``removed`` or ``changed``."""
        return "added" if not self.old else "removed" if not self.new else "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """
    How two payloads differ.

    Attributes:
        sections: The changed values by section of the info page, in its order.
        same: How many values are the same.
    """

    old: Captured
    new: Captured
    head: tuple[Change, ...]
    sections: tuple[tuple[str, tuple[Change, ...]], ...]
    same: int

    @property
    def is_equal(self) -> bool:
        """Whether the two are the same, byte for byte."""
        return self.old.body == self.new.body

    def count(self, what: str) -> int:
        """Return how many values were *what*."""
        return sum(change.what == what for _, changes in self.sections for change in changes)


def captured(body: bytes, label: str) -> Captured:
    """
    Return the payload that *body* is.

    Raises:
        UnusableInput: It has not the shape of a payload.
    """
    payload = parse(body)
    is_payload = isinstance(payload, dict) and set(payload) == {*HEAD, "statistics"}
    if not is_payload or not isinstance(payload["statistics"], dict):
        raise UnusableInput(
            "This is no payload: it lacks the head or the statistics of one.",
            rule="not-a-payload",
            remedy="Name what preview --format payload gave, or the body of a request.",
        )
    head = {field: _catalogue(payload[field]) if field == "catalogue" else safe(payload[field]) for field in HEAD}
    return Captured(safe(label), body, head, dict(_leaves(payload["statistics"])))


def safe(value: Any) -> str:
    """Return *value* as it can be shown whoever made it."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else ascii_text(value)
    return spell(value) if isinstance(value, int) else ascii_text(value)


def _catalogue(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"digest", "version"}:
        return f"version {safe(value['version'])}, {safe(value['digest'])[:19]}\N{HORIZONTAL ELLIPSIS}"
    return ascii_text(value)


def _leaves(statistics: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys down to each value; without recursion, since a captured payload may be nested deeply."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((key,), value) for key, value in statistics.items()]
    while waiting:
        keys, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [((*keys, key), inner) for key, inner in value.items()]
        else:
            yield keys, value


def difference(old: Captured, new: Captured, catalogue: Catalogue) -> Difference:
    """Return how *new* differs from *old*, with the words of *catalogue*."""
    head = tuple(
        Change(field, "", "", old.head[field], new.head[field]) for field in HEAD if old.head[field] != new.head[field]
    )
    emitted = {tuple(metric.emit.split(".")): metric for metric in catalogue.metrics.values() if not metric.is_dropped}
    order = {keys: number for number, keys in enumerate(emitted)}
    sections: dict[str, list[Change]] = {}
    same = 0
    places = {keys: _owner(keys, emitted) for keys in {**old.values, **new.values}}
    for keys in sorted(places, key=lambda keys: (order.get(places[keys], len(order)), keys)):
        before, after = (side.values.get(keys, _MISSING) for side in (old, new))
        if before is not _MISSING and after is not _MISSING and _is_same(before, after):
            same += 1
            continue
        metric = emitted.get(places[keys])
        section = UNKNOWN if metric is None else metric.section
        sections.setdefault(section, []).append(_change(keys, places[keys], metric, before, after))
    names = sorted(sections, key=lambda name: (name == UNKNOWN, place_of(name)))
    return Difference(old, new, head, tuple((name, tuple(sections[name])) for name in names), same)


def _owner(keys: tuple[str, ...], emitted: Mapping[tuple[str, ...], Metric]) -> tuple[str, ...]:
    """Return the place of the metric that the value at *keys* belongs to; of a table, that above the row."""
    return keys if keys in emitted or keys[:-1] not in emitted else keys[:-1]


def _is_same(before: Any, after: Any) -> bool:
    """Say whether two JSON values are the same; 1 and true are not, nor are 1 and 1.0."""
    return type(before) is type(after) and bool(before == after)


def _change(keys: tuple[str, ...], place: tuple[str, ...], metric: Metric | None, before: Any, after: Any) -> Change:
    numbers = [value for value in (before, after) if type(value) is int]
    gap = numbers[1] - numbers[0] if len(numbers) == 2 else 0
    return Change(
        path=".".join(safe(key) for key in place),
        row=safe(keys[-1]) if keys != place else "",
        says=metric.says if metric is not None else "",
        old=_spelt(before, metric),
        new=_spelt(after, metric),
        difference=f"{grouped(abs(gap))} {'more' if gap > 0 else 'fewer'}" if gap else "",
    )


def _spelt(value: Any, metric: Metric | None) -> str:
    if value is _MISSING:
        return ""
    unit = unit_of(metric, value) if metric is not None and type(value) is int else ""
    return f"{safe(value)} {unit}".rstrip()


def diff_text(found: Difference, *, width: int = 80, style: Style = plain) -> str:
    """
    Return *found* as text: both sides, how much differs, and then ``-`` old and ``+`` new for each value.

    Args:
        width: Columns of the page.
        style: How a role looks; plain by default.
    """
    width = max(min(width, WIDEST), NARROWEST)
    lines = [*_side("---", "removed", found.old, width, style), *_side("+++", "added", found.new, width, style)]
    lines += styled(wrapped(_summary(found), width), style, "heading")
    for name, changes in (("Head", found.head), *found.sections):
        if changes:
            lines += ["", *styled([f"{name} ({len(changes)})"], style, "section")]
        above = ""
        for change in changes:
            if change.path != above:
                lines += _title(change, width, style)
            above = change.path
            lines += _sides(change, width, style)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _side(mark: str, role: str, side: Captured, width: int, style: Style) -> Iterator[str]:
    size = f"{side.head['period']}, {many(len(side.body), 'byte')}"
    digest = f"sha256 {hashlib.sha256(side.body).hexdigest()[:12]}\N{HORIZONTAL ELLIPSIS}"
    return styled(wrapped(f"{mark} {side.label} ({size}, {digest})", width, "", "    "), style, role)


def _summary(found: Difference) -> str:
    if found.is_equal:
        return "The two are the same, byte for byte."
    counted = [(found.count(what), what) for what in ("changed", "added", "removed")]
    told = [f"{many(count, 'value')} {what}" for count, what in counted if count]
    if not told:
        return f"The statistics are the same: {many(found.same, 'value')}."
    return f"{', '.join(told)}; {grouped(found.same)} the same."


def _title(change: Change, width: int, style: Style) -> Iterator[str]:
    if not change.says:
        yield from wrapped(change.path, width, "  ")
        return
    *above, last = wrapped(change.says, width, "  ")
    if len(last) + 2 + len(change.path) <= width:
        yield from above
        yield f"{last}  {style(change.path, 'quiet')}"
    else:
        yield from (*above, last)
        yield from styled(wrapped(change.path, width, "  "), style, "quiet")


def _sides(change: Change, width: int, style: Style) -> Iterator[str]:
    row = f"{change.row}  " if change.row else ""
    # Thousands are set apart by spaces that don't break, so a number ends at the first plain one.
    amounts = [side.partition(" ")[0] for side in (change.old, change.new)]
    longest = max(map(len, amounts)) if change.difference else 0
    for mark, role, told, amount in (("-", "removed", change.old, amounts[0]), ("+", "added", change.new, amounts[1])):
        if told:
            gap = f"  ({change.difference})" if change.difference and mark == "+" else ""
            text = wrapped(f"{row}{amount:>{longest}}{told[len(amount) :]}{gap}", width - 4)
            yield from (style(f"{mark}   {line}", role) for line in text)


def diff_data(found: Difference) -> dict[str, Any]:
    """Return *found* for machines."""
    return {
        "changes": [
            {
                "difference": change.difference,
                "new": change.new or None,
                "old": change.old or None,
                "path": change.path,
                "row": change.row or None,
                "section": name,
                "what": change.what,
            }
            for name, changes in found.sections
            for change in changes
        ],
        "head": [{"field": change.path, "new": change.new, "old": change.old} for change in found.head],
        "is_equal": found.is_equal,
        "new": _side_data(found.new),
        "old": _side_data(found.old),
        "same": found.same,
    }


def _side_data(side: Captured) -> dict[str, Any]:
    return {
        "bytes": len(side.body),
        "label": side.label,
        "sha256": hashlib.sha256(side.body).hexdigest(),
        **side.head,
    }
