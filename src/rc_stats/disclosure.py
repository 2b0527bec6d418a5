"""
Protection of people in small numbers: a split, a table, tables linked over periods, a moment.

Names are not the only way to point at somebody: ``role: admin, count: 1`` is one person. The rules here withhold small
numbers and whatever would give them away, on the assumption that the attacker knows these rules, the threshold, the
total, the list of categories and every other number of the payload, and can put all reports of a workspace together.

Taken from practice: suppression below 10 together with rounding (ONS, UK LLC), no derivation from what is published
(CMS cell size policy), one pattern over linked periods (Eurostat), audit by solving for the hidden cells (US Census
Bureau). Terms as in the ESSnet handbook on statistical disclosure control.

Policy: privacy-policy@2023-01-05#statistics-sharing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

UNLISTED: Final = "other"
"""The bucket of people whose category is not on the list. It is never published: its label tells nothing."""

FEWEST_HIDDEN_CATEGORIES: Final = 3
"""With two hidden categories, whoever is in one of them can work out the other."""

ACTIVE_WITHIN: Final = {1: "within 1 day", 7: "within 7 days", 30: "within 30 days"}
"""The words for a moment, by the number of days that they look back."""


def floored(count: int, step: int) -> int:
    """Return *count* rounded down to a multiple of *step*."""
    return count - count % step


def split(count: int, total: int, *, threshold: int, step: int) -> int | None:
    """
    Return *count* of *total* people rounded down, or None where it or its complement is small.

    Privacy: the number who have a property and the number who don't are both at least *threshold* or not shown. Zero,
    small, nearly all and all look alike. With fewer than twice the threshold of people nothing can be shown.

    Args:
        count: People with the property.
        total: All people, as the payload tells it (rounded down in a coarse profile, which hides more, never less).
        threshold: Smallest group that is shown.
        step: Multiples that are shown.
    """
    if not threshold <= count <= total - threshold:
        return None
    return floored(count, step)


def publishable(
    tables: Sequence[Mapping[str, int]],
    totals: Sequence[int],
    order: Sequence[str],
    *,
    threshold: int,
    step: int,
) -> tuple[str, ...]:
    """
    Return the categories whose rows may be shown: the same in all *tables*, which are linked (periods of one count).

    A category is hidden where it is below the threshold in any table; the unlisted bucket always is. As long as a table
    isn't safe, the rarest category of *order* that is still shown is hidden as well.

    Privacy: which category is hidden next depends on a public order and not on the data, or the choice itself would
    tell (the minimality attack). Tables of linked periods share one pattern, or one period's row would fill another's
    gap.

    Args:
        tables: Exact counts by category; a missing one is 0.
        totals: Of each table, as the payload tells it.
        order: All categories, the commonest first, fixed in the catalogue.
        threshold: Smallest row that is shown.
        step: Multiples that are shown.
    """
    if len(order) < FEWEST_HIDDEN_CATEGORIES:
        return ()
    rows = tables[0] if tables else order  # What isn't there has no row, and most of a long list isn't there.
    shown = [c for c in order if c in rows and all(table.get(c, 0) >= threshold for table in tables)]
    while shown:
        if all(
            is_safe(table, total, shown, order, threshold=threshold, step=step)
            for table, total in zip(tables, totals, strict=True)
        ):
            return tuple(shown)
        shown.pop()
    return ()


def is_safe(
    table: Mapping[str, int], total: int, shown: Sequence[str], order: Sequence[str], *, threshold: int, step: int
) -> bool:
    """
    Say whether *table* can be shown with only the rows *shown*, so that no hidden small row can be worked out.

    Safe is a table that hides nobody. Otherwise the hidden rows must hold at least *threshold* people, be at least
    three, and fit together in more than one way: one of them is large, or all the hidden people would still fit if any
    one of the rows were empty.

    Privacy: then every hidden row that is below the threshold could be anything from 0 to threshold - 1. It can be
    empty because the others have room, and the largest small number because enough people are hidden. What can
    be seen to be hidden, the shown total less the shown rows, must likewise be nobody or at least the threshold.
    """
    inside = frozenset(shown)
    hidden = [table.get(category, 0) for category in (*order, UNLISTED) if category not in inside]
    rest = sum(hidden)
    seen_rest = total - sum(floored(table.get(category, 0), step) for category in shown)
    if not (seen_rest == 0 or seen_rest >= threshold):
        return False
    if rest == 0:
        return True
    if rest < threshold or len(hidden) < FEWEST_HIDDEN_CATEGORIES:
        return False
    return max(hidden) >= threshold or rest <= (len(hidden) - 1) * (threshold - 1)


def is_protected(rows: Mapping[str, int], total: int, order: Sequence[str], *, threshold: int, step: int) -> bool:
    """
    Say whether *rows* could be the shown rows of a table of *total* people, as a payload holds them.

    Used to read a payload again. It tells nothing of what was hidden but that it is nobody or at least the threshold.
    """
    rest = total - sum(rows.values())
    return (
        bool(rows)
        and set(rows) <= set(order)
        and all(count >= threshold and count % step == 0 for count in rows.values())
        and (rest == 0 or rest >= threshold)
    )


def activity(moment: datetime, at: datetime, longest_days: Sequence[int]) -> str | None:
    """
    Return how recently somebody was active, in words, or None if that is longer ago than any of *longest_days*.

    Privacy: the moment is one person's, to the second. The word holds for whoever was last, and is shown only where at
    least twice the threshold of people could have been.

    Args:
        moment: Of the latest activity of anybody.
        at: When the document was made.
        longest_days: Which of the words of :data:`ACTIVE_WITHIN` may be used.
    """
    age = at - moment
    if age < -timedelta(days=1):
        return None
    return next((ACTIVE_WITHIN[days] for days in sorted(longest_days) if age <= timedelta(days=days)), None)
