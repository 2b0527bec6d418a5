"""
One exception tree; each class carries the exit code of the command line.

::

    RcStatsError                    1
    ├── UsageError                  2   the call or its options are wrong
    │   └── MissingExtra            2   an optional dependency is not installed
    ├── GateClosed                  3   the decision is no
    ├── UnusableInput               4   the document, payload or catalogue can't be used
    │   └── CatalogueError          4   a catalogue breaks its own rules
    ├── TransportError              5   the payload could not be delivered
    ├── StoreError                  6   the store can't be read or written
    │   └── LeaseLost               6   another instance has taken over
    └── DriftFound                  7   the document has paths that the catalogue doesn't know

A message names path, rule, clause and remedy, never a value from a document: exceptions end up in logs and tickets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class RcStatsError(Exception):
    """
    Base of everything that this package raises on purpose.

    Args:
        message: What is wrong, in one line, without any value from a document.
        rule: Stable code of the broken rule, in kebab case.
        remedy: What would change the outcome, in one line; empty if nothing would.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, rule: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the one line that a person reads: message, rule and remedy."""
        tail = f" {self.remedy}" if self.remedy else ""
        return f"{self.message} [{self.rule}]{tail}"


class UsageError(RcStatsError):
    """The call or its options are wrong."""

    exit_code = 2


class MissingExtra(UsageError):
    """
    An optional dependency is not installed.

    Args:
        extra: Name of the extra that brings it.
        purpose: What it is needed for.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the extra '{extra}'.",
            rule="missing-extra",
            remedy=f"Install it with: pip install 'rc-stats[{extra}]'",
        )
        self.extra = extra


class GateClosed(RcStatsError):
    """The decision is no: nothing may leave."""

    exit_code = 3


class UnusableInput(RcStatsError):
    """The input can't be used: not JSON, too large, too deep, not an object, not ours."""

    exit_code = 4


class CatalogueError(UnusableInput):
    """
    A catalogue breaks its own rules. All problems are named at once.

    Args:
        problems: One line each; the message joins them.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"The catalogue has {count} problem{'s' if count != 1 else ''}: " + "; ".join(self.problems),
            rule="catalogue-lint",
        )


class TransportError(RcStatsError):
    """
    The payload could not be delivered, or the recipient refused it.

    Args:
        status: HTTP status of the answer; None if there was none.
        is_final: Whether trying again can't help.
        retry_after: Seconds that the recipient asked to wait, if it did.
    """

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        rule: str,
        remedy: str = "",
        status: int | None = None,
        is_final: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, rule=rule, remedy=remedy)
        self.status = status
        self.is_final = is_final
        self.retry_after = retry_after


class StoreError(RcStatsError):
    """The store can't be opened, read or written, or it is not ours."""

    exit_code = 6


class LeaseLost(StoreError):
    """Another instance has taken over: this one must not go on."""


class DriftFound(RcStatsError):
    """The document has paths or types that the catalogue doesn't know; they were dropped."""

    exit_code = 7
