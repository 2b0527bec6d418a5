"""An audit as text and as data: for each split and table, what a determined reader of the payload could bound."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from rc_stats.audit import Audit, Bound
from rc_stats.render.layout import Style, plain

_CAVEAT: Final = (
    "The reader is taken to know the catalogue, the rules, and every number of this payload. What somebody knows of "
    "the people from elsewhere is not part of this."
)


def audit_text(audit: Audit, *, width: int = 80, style: Style = plain) -> str:
    """
    Return *audit* as text: the verdict, then split by split and table by table.

    Privacy: it tells numbers of the payload, or that follow from it. A small group that follows is named without its
    number.
    """
    lines = [style(line, "no" if audit.failures else "yes") for line in textwrap.wrap(_verdict(audit), width)]
    lines += ["", *textwrap.wrap(_CAVEAT, width)]
    for path, bounds in groupby(audit.bounds, key=lambda bound: bound.path):
        lines += ["", style(path, "heading"), *_figure(list(bounds), audit.catalogue.threshold)]
    return "\n".join(lines) + "\n"


def audit_data(audit: Audit) -> dict[str, Any]:
    """Return *audit* for machines; a small group that can be worked out has no numbers."""
    return {
        "figures": [_data(bound) for bound in audit.bounds],
        "profile": str(audit.profile),
        "small_groups_found": len(audit.failures),
        "threshold": audit.catalogue.threshold,
        "verdict": _verdict(audit),
    }


def _data(bound: Bound) -> dict[str, Any]:
    data = {"category": bound.category, "is_protected": bound.is_protected, "path": bound.path}
    if bound.is_remainder:
        data["is_remainder"] = True
    if bound.shown is not None and not bound.is_remainder:
        data["shown"] = bound.shown
    return {**data, "low": bound.low, "high": bound.high} if bound.is_protected else data


def _verdict(audit: Audit) -> str:
    count, k = len(audit.failures), audit.catalogue.threshold
    if not count:
        return f"Nothing small can be bounded: what is hidden could be anything from 0 to {k - 1}, or to all there are."
    groups = "group" if count == 1 else "groups"
    return f"{count} {groups} of fewer than {k} people can be told from this payload, marked below."


def _figure(bounds: Sequence[Bound], threshold: int) -> Iterator[str]:
    """Yield the lines of one split or table; rows that are hidden alike share one."""
    hidden: dict[str, list[str]] = {}
    for bound in bounds:
        name = f"{bound.category}: " if bound.category else ""
        if bound.is_remainder:
            if not bound.is_protected:
                yield f"  ! the people who are left over are known to be fewer than {threshold}"
        elif bound.shown is not None and bound.is_protected:
            yield f"  {name}shown {bound.shown}, so {_span(bound.low, bound.high)}"
        elif bound.category:
            hidden.setdefault(_hidden(bound, threshold), []).append(bound.category)
        else:
            yield f"  {_hidden(bound, threshold)}"
    for words, categories in hidden.items():
        mark, told = ("! ", words[2:]) if words.startswith("! ") else ("", words)
        named = categories[0] if len(categories) == 1 else f"{len(categories)} categories, each"
        yield f"  {mark}{named} {told}"


def _hidden(bound: Bound, threshold: int) -> str:
    if not bound.is_protected:
        return "! hidden, but a small group can be told from the rest"
    if bound.high == 0:
        return "hidden: certainly nobody"
    if bound.low == 0 and bound.high >= threshold - 1:
        return f"hidden: could be 0 to {threshold - 1}{' or more' if bound.high >= threshold else ''}"
    return f"hidden: could be {_span(bound.low, bound.high)}"


def _span(low: int, high: int) -> str:
    return f"exactly {low}" if low == high else f"{low} to {high}"
