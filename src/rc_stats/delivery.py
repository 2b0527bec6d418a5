"""
What delivering means, without a network: the permit, the receipt, and what each answer of a recipient stands for.

The transport keeps to it, and so does the recording one that plugin authors test with.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from rc_stats.errors import GateClosed, TransportError
from rc_stats.gate import Decision, Payload, genuine

ACCEPTED: Final = range(200, 300)
"""Statuses by which a recipient takes the payload."""

_RETRIED: Final = frozenset({408, 425, 429})


class Permit(Protocol):
    """
    What lets one attempt happen: called for each, and entered right before the request.

    It gives the gate's decision of now, or raises GateClosed or StoreError, which ends the sending at once. It is left
    when the answer is known, and sees the attempt's TransportError if there was one. It must not swallow it.
    """

    def __call__(self) -> AbstractContextManager[Decision]:
        """Return the context of one attempt."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    The recipient's word that it took the payload.

    Attributes:
        token: The ``statsToken`` of its answer, if there was one; it is never sent again.
    """

    status: int
    token: str | None = field(repr=False)


Record = Callable[[Receipt], None]
"""Told the receipt while the permit is still held, so that it can be recorded before anybody else may go on."""


def sendable(payload: object) -> Payload:
    """
    Return *payload* if it may be sent as far as it alone tells.

    Raises:
        GateClosed: ``forged-payload`` or ``hypothetical``.
    """
    checked = genuine(payload)
    if checked.is_hypothetical:
        raise GateClosed("This payload answers a question; it was not agreed to.", rule="hypothetical")
    return checked


def refusal(status: int, *, retry_after: float | None = None) -> TransportError:
    """
    Return the error that an answer with *status* stands for, which is none of the accepted ones.

    Args:
        retry_after: Seconds that the recipient asks to wait; only what may pass has any.
    """
    if status in range(300, 400):
        return TransportError(
            f"The recipient answered with status {status}, a redirect, which is never followed.",
            rule="transport-redirect",
            remedy="Configure the recipient's own URL.",
            status=status,
            is_final=True,
        )
    is_passing = status in _RETRIED or status >= 500
    return TransportError(
        f"The recipient answered with status {status}.",
        rule="transport-status",
        remedy="It will be tried again." if is_passing else "Ask the recipient.",
        status=status,
        is_final=not is_passing,
        retry_after=retry_after if is_passing else None,
    )


def is_passing(error: TransportError) -> bool:
    """Say whether *error* may pass by itself within minutes, so that another attempt is made."""
    return error.rule in ("transport-connection", "transport-timeout") or (
        error.rule == "transport-status" and not error.is_final
    )


def swallowed() -> GateClosed:
    """Return the error of a permit that kept to itself why an attempt ended."""
    return GateClosed("The permit swallowed why an attempt ended.", rule="permit")
