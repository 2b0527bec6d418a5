"""
The checker for a third party: could these bytes have come from us?

A payload is a fixed point: what it holds, taken for a document and made into a report again, gives the same bytes. So
the check needs neither the server nor the original document, and it uses the very rules that made the payload.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from rc_stats.anonymise import Anonymiser
from rc_stats.catalogue import Catalogue, Profile
from rc_stats.errors import UnusableInput
from rc_stats.findings import mask
from rc_stats.gate import FORMAT
from rc_stats.policy import WorkspaceKind
from rc_stats.wire import canonical, parse

_PERIODS: Final = {
    Profile.EXACT: re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII),
    Profile.STANDARD: re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII),
    Profile.STRICT: re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII),
}
_KEYS: Final = {"catalogue", "format", "period", "profile", "statistics", "workspace"}


@dataclass(frozen=True, slots=True)
class Verification:
    """
    The answer of the checker.

    Attributes:
        faults: One line each, naming a catalogue path at most, never a value; empty if the payload could be ours.
    """

    faults: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether the bytes could have come from this version of the catalogue."""
        return not self.faults


def verify(body: bytes, catalogue: Catalogue) -> Verification:
    """
    Say whether *body* is a payload that this catalogue could have made.

    Args:
        body: The captured bytes of a request.
    """
    try:
        payload = parse(body)
    except UnusableInput as error:
        return Verification((error.message,))
    if not isinstance(payload, dict) or set(payload) != _KEYS:
        return Verification(
            ("The keys of a payload are catalogue, format, period, profile, statistics and workspace.",)
        )
    faults = [*_about_head(payload, catalogue)]
    if canonical(payload) != body:
        faults.append("The bytes are not in canonical form.")
    statistics = payload["statistics"]
    if payload["profile"] not in set(Profile) or not isinstance(statistics, dict):
        return Verification((*faults, "The profile or the statistics are none."))
    report = Anonymiser(catalogue, Profile(payload["profile"]))(statistics)
    again = report.statistics()
    if canonical(again) != canonical(statistics):
        faults += _differences(statistics, again, report.plan.known_words, "")
    return Verification(tuple(faults))


def _about_head(payload: dict[str, Any], catalogue: Catalogue) -> list[str]:
    faults = []
    if payload["catalogue"] != {"digest": catalogue.digest, "version": catalogue.version}:
        faults.append(f"It was made by another catalogue than {catalogue.name} version {catalogue.version}.")
    if payload["format"] != FORMAT or payload["format"] is True:
        faults.append(f"Its format is not {FORMAT}.")
    if payload["workspace"] not in set(WorkspaceKind) - {WorkspaceKind.UNREGISTERED}:
        faults.append("Nothing is ever sent for such a kind of workspace.")
    profile, period = payload["profile"], payload["period"]
    is_period = (
        isinstance(period, str)
        and isinstance(profile, str)
        and profile in set(Profile)
        and _PERIODS[Profile(profile)].fullmatch(period)
    )
    if not is_period:
        faults.append("Its period doesn't suit its profile.")
    return faults


def _differences(found: dict[str, Any], expected: dict[str, Any], words: frozenset[str], prefix: str) -> list[str]:
    """Name the places where a payload holds what no payload can; an unknown key is masked."""
    faults = []
    for key, value in found.items():
        path = f"{prefix}{mask(key, words)}"
        if key not in expected:
            faults.append(f"{path} can't be in a payload of this profile, or not with this value.")
        elif isinstance(value, dict) and isinstance(expected[key], dict):
            faults += _differences(value, expected[key], words, f"{path}.")
        elif canonical(value) != canonical(expected[key]):
            faults.append(f"{path} has a value that no payload of this profile can have.")
    return faults
