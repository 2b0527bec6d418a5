"""``send`` and ``run``: what was agreed to goes out, once for each period."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rc_stats.cli.configured import CATALOGUE, CONFIG, loaded_from, store_to_look_at
from rc_stats.cli.streams import print_text, tell, write
from rc_stats.errors import GateClosed, RcStatsError

if TYPE_CHECKING:
    from rc_stats.configuration import Loaded
    from rc_stats.gate import Decision
    from rc_stats.outcome import Outcome, Prepared
    from rc_stats.reporter import Reporter
    from rc_stats.store import Store

_HOUR_S: Final = 3600


@click.command()
@click.option("--dry-run", is_flag=True, help="Send nothing; print the request, as it would be posted.")
@CATALOGUE
@CONFIG
def send(*, dry_run: bool, catalogue: str | None, config: Path | None) -> int:
    """
    Send this period's report, if the gate is open.

    It does so for each configured catalogue, once for each period; first goes what could not be delivered before. It
    can be called as often as wanted, on any number of machines.

    With --dry-run the request is printed as it reads on the wire: method and URL, the headers, an empty line, and then
    exactly the bytes.

    Exit code: 0 sent, or there is nothing left to do, 3 the gate is closed, 4 the source can't be used, 5 it could not
    be delivered and will be tried again by the next call, 6 the store.
    """
    loaded = loaded_from(config)
    codes: list[int] = []
    if dry_run:
        with store_to_look_at(loaded.settings) as store:
            for reporter in _reporters(loaded, catalogue, store, codes, is_sending=False):
                with _noted(codes):
                    _show_all(reporter, codes)
    else:
        from rc_stats.service import store_of

        with store_of(loaded.settings) as store:
            for reporter in _reporters(loaded, catalogue, store, codes, is_sending=True):
                with _noted(codes):
                    codes.append(_told(reporter.send_once(), reporter))
    return _worst(codes)


def _reporters(
    loaded: Loaded, catalogue: str | None, store: Store, codes: list[int], *, is_sending: bool
) -> Iterator[Reporter]:
    """Yield the reporter of the named catalogue, or of each; the fault of one holds up none that comes before it."""
    from rc_stats.service import catalogues_of, reporter_of, transport_of

    transport = transport_of(loaded.settings) if is_sending else None
    if catalogue is not None:
        yield reporter_of(loaded, catalogue=catalogue, store=store, transport=transport)
        return
    with _noted(codes):
        for name, _ in catalogues_of(loaded.settings):
            yield reporter_of(loaded, catalogue=name, store=store, transport=transport)


@contextmanager
def _noted(codes: list[int]) -> Iterator[None]:
    """Tell of an error and note its exit code, so that the other catalogues have their turn."""
    try:
        yield
    except RcStatsError as error:
        tell(str(error))
        codes.append(error.exit_code)


def _worst(codes: Iterable[int]) -> int:
    """Return the code of a failure, or 0 if anything went well, or that of a closed gate."""
    found = set(codes)
    return max(found - {0, GateClosed.exit_code}, default=0) or min(found, default=0)


def _show_all(reporter: Reporter, codes: list[int]) -> None:
    """Print each request that would be posted; after one, it is no failure that there is nothing more."""
    for place, prepared in enumerate(reporter.upcoming()):
        if place and prepared.payload is None:
            return
        codes.append(_shown(prepared))


def _shown(prepared: Prepared) -> int:
    from rc_stats.render.standing import ended_text

    payload = prepared.payload
    if payload is None:
        if prepared.ended is None or prepared.decision.closing:
            raise _closed(prepared.decision)
        raise GateClosed(ended_text(prepared.period, prepared.ended), rule=f"already-{prepared.ended}")
    head = [f"{payload.envelope.method} {payload.envelope.url}"]
    head += [f"{name}: {value}" for name, value in payload.envelope.headers]
    write("\n".join([*head, "", ""]).encode() + payload.body)
    return 0


def _closed(decision: Decision | None) -> GateClosed:
    closing = () if decision is None else decision.closing
    if not closing:
        return GateClosed("Nothing may leave.", rule="closed", remedy="To see why: rc-stats status")
    more = f" ({len(closing) - 1} more: rc-stats status)" if len(closing) > 1 else ""
    return GateClosed(f"Nothing may leave: {closing[0].message}{more}", rule=closing[0].code, remedy=closing[0].remedy)


def _told(outcome: Outcome, reporter: Reporter) -> int:
    """Say what came of sending."""
    from rc_stats.outcome import Verdict
    from rc_stats.render.standing import ended_text

    for earlier in outcome.earlier:
        _tell_sent(earlier)
    if outcome.verdict is Verdict.CLOSED:
        raise _closed(outcome.decision)
    if outcome.error is not None:
        raise outcome.error
    if outcome.verdict is Verdict.SENT:
        _tell_sent(outcome)
    elif outcome.verdict is Verdict.HELD_ELSEWHERE:
        print_text("Another instance is sending at this moment.\n")
    else:
        if (decision := _decision_of_now(reporter)).closing:
            raise _closed(decision)  # whatever was sent before
        ended = reporter.store.ended(reporter.terms.catalogue.name, outcome.period)
        print_text(f"{ended_text(outcome.period, ended or outcome.verdict)} Nothing was sent now.\n")
    return outcome.exit_code


def _tell_sent(outcome: Outcome) -> None:
    if (payload := outcome.payload) is not None:
        print_text(f"Sent for {outcome.period}: {len(payload.body)} bytes to {payload.envelope.url}\n")
        print_text(f"sha256 {payload.sha256}\n")


def _decision_of_now(reporter: Reporter) -> Decision:
    """Return the gate's answer about no document: whether the admin's yes stands."""
    from rc_stats.gate import decide

    terms = reporter.terms
    consent = reporter.store.consent(terms.catalogue.name)
    return decide(reporter.workspace, consent, reporter.recipient, reporter.switches(), reporter.clock(), terms=terms)


@click.command()
@CATALOGUE
@CONFIG
def run(*, catalogue: str | None, config: Path | None) -> int:
    """
    Send once a day, at a random minute, until it is told to end.

    It does so for each configured catalogue. Once a day it also removes what is kept for longer than retention_days, as
    history prune does. SIGTERM or an interrupt ends it with exit code 0; a request that has begun
    is finished and recorded first. The log goes to standard error and holds no value.
    """
    from rc_stats.service import store_of

    loaded = loaded_from(config)
    codes: list[int] = []
    with store_of(loaded.settings) as store, _logging() as log:
        reporters = list(_reporters(loaded, catalogue, store, codes, is_sending=True))
        if codes:
            return _worst(codes)
        asyncio.run(_daily(reporters, _pruning(store, loaded.settings.retention_days, log), log))
    return 0


async def _daily(reporters: Iterable[Reporter], pruning: Coroutine[None, None, None], log: logging.Logger) -> None:
    """Let every reporter run, and *pruning* beside them, until a signal comes."""
    with _cancelled_by_signals(), suppress(asyncio.CancelledError):
        log.info("waiting: one report for each period, looked after once a day at a random minute")
        async with asyncio.TaskGroup() as group:
            for reporter in reporters:
                group.create_task(reporter.run())
            group.create_task(pruning)
    log.info("ended")


async def _pruning(store: Store, keep_days: int, log: logging.Logger) -> None:
    """Remove at once, and then on each day, what is kept for longer than *keep_days*."""
    from rc_stats.service import now

    done = None
    while True:
        at = now()
        if at.date() != done:
            try:
                count = await asyncio.to_thread(store.prune, before=at - timedelta(days=keep_days), at=at)
            except RcStatsError as error:  # the next hour is another try
                log.warning("nothing pruned: %s", error.rule)
            else:
                done = at.date()
                log.info("pruned: %d old entries", count)
        await asyncio.sleep(_HOUR_S)


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Cancel the current task on SIGTERM and SIGINT, also where the loop itself can't listen to signals."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - for the type checker

    def end(*_: object) -> None:
        loop.call_soon_threadsafe(task.cancel)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _logging() -> Iterator[logging.Logger]:
    """Let this package's log go to standard error for a while."""
    log, handler = logging.getLogger("rc_stats"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, log.level = log.level, logging.INFO
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
