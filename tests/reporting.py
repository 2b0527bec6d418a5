"""What tests of the reporter share: a workspace whose documents change from day to day, its store, and a collector."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event

from collector import Collector, Received
from rc_stats.anonymise import Anonymiser
from rc_stats.catalogue import Profile, load_catalogue
from rc_stats.consent import Terms
from rc_stats.gate import Switches, Workspace
from rc_stats.https import Client
from rc_stats.policy import Recipient, WorkspaceKind, load_policy
from rc_stats.reporter import Reporter
from rc_stats.store import Store
from rc_stats.transport import Transport
from stores import Database

TERMS: Final = Terms(load_policy(), load_catalogue())
NAME: Final = TERMS.catalogue.name
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
_EXAMPLE: Final = Path(__file__).parent.parent / "examples" / "statistics.json"
QUICK: Final[dict[str, Any]] = {"attempts": 3, "first_wait": 0.001, "longest_wait": 0.002, "seconds": 20.0}


@cache
def example() -> dict[str, Any]:
    """Return the example of a workspace of 247 people."""
    found: dict[str, Any] = json.loads(_EXAMPLE.read_bytes())
    return found


@dataclass
class Clock:
    """A clock that stands still unless it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Return now."""
        return self.now

    def move(self, by: timedelta) -> None:
        """Move on, or back."""
        self.now += by


@cache
def compiled(digest: str, profile: Profile) -> list[Anonymiser]:
    """Return a place for the compiled catalogue of *digest*."""
    return []


def anonymiser_of(terms: Terms) -> Anonymiser:
    """Compile each catalogue once."""
    place = compiled(terms.catalogue.digest, terms.profile)
    place[:] = place or [Anonymiser(terms.catalogue, terms.profile)]
    return place[0]


def recipient_of(collector: Collector) -> Recipient:
    """Return the policy's recipient, at the address of *collector*."""
    return replace(TERMS.policy.recipient, url=collector.url)


@dataclass
class Life:
    """
    A workspace that reports, as one instance sees it.

    Attributes:
        marker: A total of the document: tells the reports of one test from those of another.
    """

    database: Database
    collector: Collector
    workspace: str = "default"
    marker: int = 1
    clock: Clock = field(default_factory=Clock)
    terms: Terms = TERMS
    kind: WorkspaceKind = WorkspaceKind.REGISTERED
    switches: Switches = field(default_factory=Switches)
    lease_seconds: float = 60.0
    options: dict[str, Any] = field(default_factory=dict)
    made_ago: timedelta = timedelta(hours=1)

    def document(self) -> bytes:
        """Return the document of now; each moment has another."""
        made = self.clock() - self.made_ago
        minutes = int((self.clock() - NOW).total_seconds() // 60) % 100_000
        return json.dumps(
            {
                **example(),
                "createdAt": f"{made:%Y-%m-%dT%H:%M:%S}.000Z",
                "totalRooms": self.marker,
                "totalMessages": 200_000 + minutes,
            }
        ).encode()

    def store(self) -> Store:
        """Open the store."""
        return self.database.open(self.workspace)

    def transport(self) -> Transport:
        """Return a transport that doesn't keep a test waiting."""
        certificates = None if self.collector.context is None else self.collector.certificates
        return Transport(**{"certificates": certificates, **QUICK, **self.options})

    def reporter(self, store: Store | None = None) -> Reporter:
        """Return a new instance."""
        return Reporter(
            self.document,
            Workspace(self.kind),
            store or self.store(),
            self.transport(),
            self.clock,
            terms=self.terms,
            switches=lambda: self.switches,
            recipient=recipient_of(self.collector),
            lease_seconds=self.lease_seconds,
            anonymiser=anonymiser_of(self.terms),
        )

    def agreed(self) -> Reporter:
        """Return an instance of a workspace that said yes two days ago."""
        now = self.clock.now
        self.clock.now = now - 2 * DAY
        reporter = self.reporter()
        reporter.opt_in(by="an admin")
        self.clock.now = now
        return reporter

    @property
    def received(self) -> list[Received]:
        """The requests of this workspace that came whole."""
        whole = [received for received in self.collector.received if received.is_whole]
        return [received for received in whole if json.loads(received.body)["statistics"]["totalRooms"] == self.marker]

    @property
    def keys(self) -> set[str | None]:
        """Their distinct idempotency keys."""
        return {received.header("idempotency-key") for received in self.received}

    def kinds(self) -> list[str]:
        """Return the kinds of all entries, oldest first."""
        return [entry.kind for entry in self.store().history()]


# Processes that die --------------------------------------------------------------------------------------------------


class Instants:
    """
    Counts the instants of a process: before and after each statement and request, and before each commit.

    Args:
        at: The instant at which *act* is done; 0 for never.
    """

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self._left = at
        self._act = act
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, self._tick)
        ask = Client.ask

        def asking(*arguments: Any, **options: Any) -> Any:
            self._tick()
            answer = ask(*arguments, **options)
            self._tick()
            return answer

        Client.ask = asking  # type: ignore[method-assign]

    def _tick(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()


def die() -> None:
    """End this process as a crash does: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def pause() -> None:
    """Stop this process until it is told to go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fork(work: Callable[[], object], *, at: int = 0, act: Callable[[], None] = die) -> int:
    """Do *work* in a process of its own, with *act* at instant *at*, and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the collector's threads stay behind; the child uses nothing of theirs
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        Instants(at, act)
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001 - nothing may come out of the child but its code
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


def wait(pid: int) -> int:
    """Wait for the end of a process and return its exit code, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(work: Callable[[], object], *, at: int = 0) -> bool:
    """Do *work* in a process that is killed at instant *at*, and say whether it was."""
    code = wait(fork(work, at=at))
    assert code in (0, -signal.SIGKILL), "a process ended in another way than it should"
    return code != 0


def is_stopped(pid: int) -> bool:
    """Wait until process *pid* is stopped, or has ended; say whether it is stopped."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    return os.WIFSTOPPED(status)
