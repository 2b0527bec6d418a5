"""
What a decision goes by, besides the document and the consent, and what it says of each rule that decided.

Policy: privacy-policy@2023-01-05#toggle, #subprocessor-objection, #transfer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rc_stats.errors import UsageError
from rc_stats.policy import DataType, WorkspaceKind


class Effect(StrEnum):
    """What a reason does: close the gate, or keep a part of the statistics here."""

    CLOSES = "closes"
    NARROWS = "narrows"


@dataclass(frozen=True, slots=True)
class Reason:
    """
    One rule that decided.

    Attributes:
        code: Stable, in kebab case.
        clause: Citation of the policy.
        message: What the rule found, without any value of the document.
        remedy: What would change it; empty where nothing would.
        data_type: The data type that stays here, for a rule that narrows to one.
        metrics: Payload paths that stay here, for a rule about single metrics.
    """

    code: str
    effect: Effect
    clause: str
    message: str
    remedy: str = ""
    data_type: DataType | None = None
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Switches:
    """
    The kill switches. They can only close the gate.

    Attributes:
        on: Names of the environment variables that are set to anything but ``0``, ``false`` or nothing.
    """

    on: tuple[str, ...] = ()

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> Switches:
        """Return the switches that *environment* sets."""
        off = {"", "0", "false"}
        return Switches(tuple(name for name in SWITCHES if environment.get(name, "").strip().lower() not in off))


SWITCHES: Final = {
    "RC_STATS_DISABLE": ("switch-rc-stats", "toggle"),
    "DO_NOT_TRACK": ("switch-do-not-track", "do-not-track"),
    "RC_DISABLE_STATISTICS_REPORTING": ("switch-upstream", "toggle"),
}
"""Code and clause of each kill switch."""


@dataclass(frozen=True, slots=True)
class Objections:
    """
    What the admin doesn't want of a recipient.

    Attributes:
        subprocessors: Names, as the policy's list spells them, in any case.
        countries: Where statistics may be processed; None for anywhere.
    """

    subprocessors: frozenset[str] = frozenset()
    countries: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """
    What the caller says of the workspace; a document can't prove it.

    Attributes:
        kind: The strictest unless told otherwise.
    """

    kind: WorkspaceKind = WorkspaceKind.UNREGISTERED
    objections: Objections = field(default_factory=Objections)

    def __post_init__(self) -> None:
        """Take a plain word for the kind that it names, and refuse others."""
        try:
            object.__setattr__(self, "kind", WorkspaceKind(self.kind))
        except ValueError:
            raise UsageError("A workspace is unregistered, registered or hosted.", rule="workspace") from None
