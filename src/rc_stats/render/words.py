"""What each rule and action says to a person. A rule without a sentence is an error, held by a test."""

from __future__ import annotations

from typing import Final

from rc_stats.catalogue import Catalogue
from rc_stats.findings import Action, Finding

RULES: Final = {
    "small-group": "fewer than 10 people, or fewer than 10 others: nobody, few, nearly all and all look alike",
    "hidden-rows": "would give away a hidden row of fewer than 10 people",
    "moment-withheld": "one person's moment, which is told only as recent, and only among 20 users or more",
    "frozen": "kept from last month's report so that two reports can't be compared",
    "previous-unusable": "the last report can't be read, so figures of people wait for a new month",
    "too-few-people": "fewer than 10 users: what so few people do stays here",
    "too-fine-for-standard": "too fine for the standard profile",
    "too-fine-for-strict": "too fine for the strict profile",
    "rounds-to-zero": "zero or too small to show in this profile",
    "not-set": "nothing there: not set, empty or null",
    "wrong-type": "not of the kind that belongs there, and never converted",
    "out-of-range": "outside the range that is plausible there",
    "not-a-version": "not a plain version number",
    "not-a-date": "not a date in a known form",
    "unknown": "unknown to the catalogue, so dropped",
}
"""By rule code, for what stays."""

DONE: Final = {
    Action.KEPT: "as it is",
    Action.COARSENED: "coarsened",
    Action.COUNTED: "counted",
}
FROZEN_DONE: Final = "kept from an earlier report so that two reports can't be compared"
"""By action, for what leaves."""


def many(count: int, noun: str) -> str:
    """Return *count* with *noun* in the right number, such as ``1 path`` or ``4 000 paths``."""
    return f"{grouped(count)} {noun}{'' if count == 1 else 's'}"


def singular(noun: str) -> str:
    """Return the plural *noun* of a unit in the singular."""
    if noun == "people":
        return "person"
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    return noun.removesuffix("es") if noun.endswith(("ches", "sses", "xes")) else noun.removesuffix("s")


def grouped(number: int) -> str:
    """Return *number* with its thousands set apart."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def why(finding: Finding, catalogue: Catalogue) -> str:
    """Return why the path of *finding* stays here, in words of the catalogue."""
    if finding.action is Action.DROPPED and finding.rule in catalogue.kinds:
        metric = catalogue.metrics.get(finding.path)
        return metric.reason if metric is not None and metric.reason else catalogue.kinds[finding.rule].label
    return RULES[finding.rule]


def group_title(finding: Finding, catalogue: Catalogue) -> str:
    """Return the heading under which the path of *finding* stands."""
    if finding.action is Action.DROPPED and finding.rule in catalogue.kinds:
        return catalogue.kinds[finding.rule].label
    return RULES[finding.rule]


_ENDED: Final = {
    "sent": "was sent",
    "rejected": "was refused by the recipient, for good",
    "unknown": "was given up after an attempt, so nobody knows whether it arrived",
}


def how_ended(ended: str) -> str:
    """Return how a period ended, as what is told of its report."""
    return _ENDED.get(ended, ended)
