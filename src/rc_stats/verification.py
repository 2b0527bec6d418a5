"""
The checker for a third party: could these bytes have come from us?

A payload is a fixed point: what it holds, taken for a document and made into a report again, gives the same bytes. So
the check needs neither the server nor the original document, and it uses the very rules that made the payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from rc_stats.anonymise import Anonymiser
from rc_stats.catalogue import Catalogue, Profile
from rc_stats.errors import UnusableInput
from rc_stats.findings import known_words, mask
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
    try:
        is_canonical = canonical(payload) == body
    except TypeError:
        return Verification((*faults, "It is nested too deeply."))
    if not is_canonical:
        faults.append("The bytes are not in canonical form.")
    statistics = payload["statistics"]
    if _profile(payload) is None or not isinstance(statistics, dict):
        return Verification((*faults, "The profile or the statistics are none."))
    report = Anonymiser(catalogue, Profile(payload["profile"]))(statistics)
    again = report.statistics()
    if canonical(again) != canonical(statistics):
        faults += _differences(statistics, again, catalogue)
    return Verification(tuple(faults))


def _profile(payload: dict[str, Any]) -> Profile | None:
    name = payload["profile"]
    return Profile(name) if isinstance(name, str) and name in set(Profile) else None


def _about_head(payload: dict[str, Any], catalogue: Catalogue) -> list[str]:
    faults = []
    head = payload["catalogue"]
    is_ours = head == {"digest": catalogue.digest, "version": catalogue.version} and type(head["version"]) is int
    if not is_ours:
        faults.append(f"It was made by another catalogue than {catalogue.name} version {catalogue.version}.")
    if payload["format"] != FORMAT or type(payload["format"]) is not int:
        faults.append(f"Its format is not {FORMAT}.")
    kind = payload["workspace"]
    if not isinstance(kind, str) or kind not in set(WorkspaceKind) - {WorkspaceKind.UNREGISTERED}:
        faults.append("Nothing is ever sent for such a kind of workspace.")
    if not _is_period(payload["period"], _profile(payload)):
        faults.append("Its period doesn't suit its profile.")
    return faults


def _is_period(period: Any, profile: Profile | None) -> bool:
    if not isinstance(period, str) or profile is None or not _PERIODS[profile].fullmatch(period):
        return False
    try:
        date.fromisoformat(period if profile is Profile.EXACT else f"{period}-01")
    except ValueError:
        return False
    return True


def _differences(found: dict[str, Any], expected: dict[str, Any], catalogue: Catalogue) -> list[str]:
    """Name the places where a payload holds what no payload can; an unknown key is masked."""
    known = {step for metric in catalogue.metrics.values() for step in metric.emit.split(".")} | catalogue.words
    words = known_words(catalogue.metrics)

    def faults(found: dict[str, Any], expected: dict[str, Any], prefix: str) -> Iterator[str]:
        for key, value in found.items():
            path = f"{prefix}{key if key in known else mask(key, words)}"
            if key not in expected:
                yield f"{path} can't be in a payload of this profile, or not with this value."
            elif isinstance(value, dict) and isinstance(expected[key], dict):
                yield from faults(value, expected[key], f"{path}.")
            elif canonical(value) != canonical(expected[key]):
                yield f"{path} has a value that no payload of this profile can have."

    return [*faults(found, expected, "")]
