"""Stand-ins for what a test must not depend on: the time and the network."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from rc_stats.delivery import ACCEPTED, Permit, Receipt, Record, is_passing, refusal, sendable, swallowed
from rc_stats.errors import TransportError, UsageError
from rc_stats.gate import Payload, confirm


class FixedClock:
    """
    A clock that stands until it is advanced.

    Args:
        moment: What it says, with a time zone.

    Raises:
        UsageError: ``time-zone``.
    """

    def __init__(self, moment: datetime) -> None:
        if moment.utcoffset() is None:
            raise UsageError("A clock needs a time zone.", rule="time-zone")
        self.moment = moment.astimezone(UTC)

    def __call__(self) -> datetime:
        """Return the moment."""
        return self.moment

    def advance(self, **units: float) -> datetime:
        """
        Let time pass, and return the new moment. Negative units turn it back, as a wrong clock does.

        Args:
            units: As :class:`datetime.timedelta` names them, such as ``days=1``.
        """
        self.moment += timedelta(**units)
        return self.moment


class Attempt(NamedTuple):
    """One request that would have been made: what was posted, and what the recipient answered."""

    payload: Payload
    answer: int | TransportError


class RecordingTransport:
    """
    Delivers to a list, by the same rules as the real transport: one question to the gate around each attempt.

    It makes no request and does not wait. What may pass is tried again at once, as often as the real one would.

    Args:
        answers: What the attempts are answered, in turn: a status, or the error of an attempt that had no answer.
            Afterwards each is answered with 200.
        token: The ``statsToken`` of each receipt.
        most: Attempts in one call at most.

    Attributes:
        attempts: Every attempt that the gate let through, in order.
    """

    def __init__(self, *answers: int | TransportError, token: str | None = None, most: int = 5) -> None:
        self.attempts: list[Attempt] = []
        self._answers = list(answers)
        self._token = token
        self._most = most

    @property
    def sent(self) -> list[Payload]:
        """The payloads that the recipient took, in order."""
        return [attempt.payload for attempt in self.attempts if attempt.answer in ACCEPTED]

    def send(self, payload: Payload, permit: Permit, record: Record | None = None) -> Receipt:
        """
        Deliver *payload*, asking *permit* around every attempt.

        Args:
            record: Told the receipt before the permit is left.

        Raises:
            GateClosed: The payload is forged or hypothetical, or the answer of now is no.
            TransportError: What the last attempt was answered.
        """
        sendable(payload)
        for left in reversed(range(self._most)):
            try:
                return self._attempt(payload, permit, record)
            except TransportError as error:
                if not left or not is_passing(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def send_async(self, payload: Payload, permit: Permit, record: Record | None = None) -> Receipt:
        """Do as :meth:`send` does; *permit* and *record* are called in a thread."""
        return await asyncio.to_thread(self.send, payload, permit, record)

    def _attempt(self, payload: Payload, permit: Permit, record: Record | None) -> Receipt:
        receipt = None
        with permit() as decision:
            confirm(payload, decision)
            answer = self._answers.pop(0) if self._answers else 200
            self.attempts.append(Attempt(payload, answer))
            if isinstance(answer, TransportError):
                raise answer
            if answer not in ACCEPTED:
                raise refusal(answer)
            receipt = Receipt(answer, self._token)
            if record is not None:
                record(receipt)
        if receipt is None:
            raise swallowed()
        return receipt
