"""
The transport: posts the frozen bytes of a payload to the recipient, exactly as the preview showed them.

It takes a :class:`~rc_stats.gate.Payload` and nothing else, and asks the gate again right before each request. What is
on the wire is the payload's envelope and body; nothing is added, kept or followed: no cookies, no redirects, no
credentials, no proxy unless the admin says so.

Policy: privacy-policy@2023-01-05#statistics-sharing, #toggle.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from rc_stats.addresses import address_of
from rc_stats.delivery import ACCEPTED, Permit, Receipt, Record, is_passing, refusal, sendable, swallowed
from rc_stats.errors import MissingExtra, TransportError, UnusableInput, UsageError
from rc_stats.gate import Payload, confirm
from rc_stats.https import Client, Fault, is_quiet, quiet
from rc_stats.wire import parse

try:
    import stamina
    from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks
    from stamina.typing import RetryHook
except ImportError:
    raise MissingExtra("http", "Sending") from None

__all__ = ["MAX_ANSWER_BYTES", "MAX_TOKEN_BYTES", "Permit", "Receipt", "Record", "Transport"]

MAX_ANSWER_BYTES: Final = 64 * 1024
"""So much is read of an answer, its head included."""

MAX_TOKEN_BYTES: Final = 8 * 1024
"""A longer statsToken is no token."""

_LONGEST: Final = 366 * 86_400.0
_FAULTS: Final = {
    Fault.CONNECTION: ("The recipient can't be reached, or it hung up.", "Check the network; it will be tried again."),
    Fault.TIMEOUT: ("The recipient took too long.", "It will be tried again."),
    Fault.TLS: (
        "The recipient's identity can't be verified, so nothing was sent.",
        "Check its certificate; name a certificate authority of your own in the configuration.",
    ),
    Fault.PROXY: (
        "The proxy that the environment names can't be used.",
        "Name one as http://host:port, or leave environment proxies off.",
    ),
    Fault.TOO_LARGE: ("The recipient's answer is too large to be one.", "Check the recipient's URL."),
}


class Transport:
    """
    Delivers payloads.

    Args:
        certificates: File of further certificates (PEM) to trust, beside the system's.
        environment_proxies: Whether ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` count.
        attempts: Requests at most, the first included.
        seconds: For each attempt as a whole, by the wall clock.
        longest_wait: Seconds to wait between two attempts at most. A recipient that asks for more ends the sending.
        first_wait: Seconds to wait after the first failure; then twice as long each time, with a random part.

    Raises:
        UsageError: An argument can't be used.
    """

    def __init__(
        self,
        *,
        certificates: Path | None = None,
        environment_proxies: bool = False,
        attempts: int = 5,
        seconds: float = 30.0,
        longest_wait: float = 60.0,
        first_wait: float = 1.0,
    ) -> None:
        if attempts < 1 or not 0 <= first_wait <= longest_wait < _LONGEST:
            raise UsageError("There is one attempt or more, and waits don't shrink.", rule="attempts")
        self._client = Client(certificates=certificates, environment_proxies=environment_proxies, seconds=seconds)
        self._longest_wait = longest_wait
        # In the order of: attempts, seconds for all of them, first wait, longest wait, random part.
        self._retrying = stamina.RetryingCaller(attempts, None, first_wait, longest_wait, first_wait)
        self._retrying_aside = stamina.AsyncRetryingCaller(attempts, None, first_wait, longest_wait, first_wait)

    def send(self, payload: Payload, permit: Permit, record: Record | None = None) -> Receipt:
        """
        Deliver *payload*, asking *permit* around every attempt.

        Policy: privacy-policy@2023-01-05#toggle.

        Args:
            record: Told the receipt before the permit is left.

        Raises:
            GateClosed: The payload is forged or hypothetical, or the answer of now is no.
            TransportError: It could not be delivered; ``is_final`` says whether trying again can't help.
        """
        _check(payload)
        with quiet():
            return self._retrying(self._backoff, self._attempt, payload, permit, record)

    async def send_async(self, payload: Payload, permit: Permit, record: Record | None = None) -> Receipt:
        """
        Do as :meth:`send` does, and let others work meanwhile; *permit* and *record* are called in a thread.

        A cancellation while it waits to try again takes effect at once. An attempt that is under way is finished and
        recorded first, so that what the recipient has and what the store says agree.
        """
        _check(payload)
        with quiet():
            return await self._retrying_aside(self._backoff, self._attempt_aside, payload, permit, record)

    def _backoff(self, error: Exception) -> bool | float:
        """Say whether to try again after *error*, or after how many seconds."""
        if not isinstance(error, TransportError) or not is_passing(error):
            return False
        wait = error.retry_after
        if wait is not None and wait > self._longest_wait:
            return False
        _tell_others_only()
        return True if wait is None else wait

    def _attempt(self, payload: Payload, permit: Permit, record: Record | None) -> Receipt:
        receipt = None
        with permit() as decision:
            receipt = self._request(confirm(payload, decision))
            if record is not None:
                record(receipt)
        if receipt is None:
            raise swallowed()
        return receipt

    async def _attempt_aside(self, payload: Payload, permit: Permit, record: Record | None) -> Receipt:
        # A thread of its own: in a shared pool the attempt might have to queue, and begin after it was cancelled.
        pool = ThreadPoolExecutor(1, "rc-stats-transport")
        under_way = asyncio.wrap_future(pool.submit(copy_context().run, self._attempt, payload, permit, record))
        pool.shutdown(wait=False)
        cancelled = None
        while not under_way.done():
            try:
                await asyncio.wait([under_way])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            under_way.exception()  # it was recorded; asyncio need not say that nobody looked
            raise cancelled
        return under_way.result()

    def _request(self, payload: Payload) -> Receipt:
        envelope = payload.envelope
        answer = self._client.ask(
            address_of(envelope.url, prefix="transport"),
            envelope.method,
            envelope.headers,
            payload.body,
            most=MAX_ANSWER_BYTES,
            with_body=ACCEPTED,
        )
        if isinstance(answer, Fault):
            message, remedy = _FAULTS[answer]
            raise TransportError(message, rule=f"transport-{answer}", remedy=remedy)
        if answer.status not in ACCEPTED:
            raise refusal(answer.status, retry_after=_retry_after(answer.header("retry-after")))
        return Receipt(answer.status, _token(answer.body))


def _check(payload: Payload) -> None:
    """Refuse, before anything else happens, what can't be sent whatever the permit says."""
    sendable(payload)
    address_of(payload.envelope.url, prefix="transport")


def _retry_after(value: str | None) -> float | None:
    """Return how many seconds *value* of Retry-After asks to wait; None if it asks for nothing."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(seconds, _LONGEST) if seconds > 0 else None


def _token(body: bytes) -> str | None:
    try:
        answer = parse(body)
    except UnusableInput:
        return None
    token = answer.get("statsToken") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and 0 < len(token.encode()) <= MAX_TOKEN_BYTES else None


class _OthersOnly:
    """
    A hook of stamina's that isn't told of our retries.

    The default hooks print where nobody has configured logging, to standard output if structlog is installed. What
    became of an attempt is told to the permit.
    """

    def __init__(self, hook: RetryHook) -> None:
        self._hook = hook

    def __call__(self, details: RetryDetails) -> AbstractContextManager[None] | None:
        return None if is_quiet() else self._hook(details)


def _tell_others_only() -> None:
    hooks = get_on_retry_hooks()
    if not all(isinstance(hook, _OthersOnly) for hook in hooks):
        set_on_retry_hooks([_OthersOnly(hook) for hook in hooks])
