"""What a call to send does in every state of a period: a table made by calling it, with a real store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rc_stats import Terms, TransportError, Workspace, load_catalogue, load_policy
from rc_stats.policy import DataType, WorkspaceKind
from rc_stats.reporter import Reporter
from rc_stats.store import Store
from rc_stats.testing import FixedClock, RecordingTransport
from rc_stats_docs.tables import ROOT, table, text

_YES: Final = datetime(2026, 8, 1, 9, tzinfo=UTC)
_SENT: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
_MEMORY: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh directory in it
"""Where there is a place in memory, the disk is spared."""

_FAR: Final = 3600.0


class _Crash(BaseException):
    """Stands for a process that is killed."""


class Scene:
    """A workspace whose admin has agreed, with a document of today, and what was sent so far."""

    def __init__(self, directory: Path) -> None:
        document: dict[str, Any] = json.loads((ROOT / "examples" / "statistics.json").read_bytes())
        self.document = document
        self.clock = FixedClock(_YES)
        self.store = Store.open(directory / "store.sqlite3")
        self.transport = RecordingTransport(most=1)
        self.reporter = Reporter(
            self._today,
            Workspace(WorkspaceKind.REGISTERED),
            self.store,
            self.transport,
            self.clock,
            terms=Terms(load_policy(), load_catalogue()),
        )
        self.catalogue = self.reporter.terms.catalogue.name
        self.reporter.opt_in(by="admin")
        self.clock.moment = _SENT

    def _today(self) -> dict[str, Any]:
        return self.document | {"createdAt": self.clock().isoformat()}

    def answering(self, *answers: int | TransportError) -> None:
        """Let the recipient answer so from now on, in turn."""
        self.transport = self.reporter.transport = RecordingTransport(*answers, most=1)

    def crash_in(self, method: str) -> None:
        """Send, and die when the store is called by *method*."""

        def dying(*_: object, **__: object) -> None:
            raise _Crash

        setattr(self.store, method, dying)
        try:
            self.reporter.send_once()
        except _Crash:
            delattr(self.store, method)


def _nothing(_: Scene) -> None:
    pass


def _opt_out(scene: Scene) -> None:
    scene.reporter.opt_out()


def _agree_again(scene: Scene) -> None:
    scene.reporter.opt_out()
    scene.clock.advance(minutes=5)
    scene.reporter.opt_in(by="admin")
    scene.clock.advance(minutes=5)


def _sent(scene: Scene) -> None:
    scene.reporter.send_once()


def _sent_last_month(scene: Scene) -> None:
    scene.reporter.send_once()
    scene.clock.advance(days=31)


def _refused(scene: Scene) -> None:
    scene.answering(400)
    scene.reporter.send_once()
    scene.answering()


def _unreachable(scene: Scene) -> None:
    scene.answering(_fault())


def _failed(scene: Scene) -> None:
    scene.answering(_fault())
    scene.reporter.send_once()
    scene.answering()
    scene.clock.advance(hours=1)


def _failed_last_month(scene: Scene) -> None:
    scene.clock.advance(days=12)
    _failed(scene)
    scene.clock.advance(days=4)


def _failed_long_ago(scene: Scene) -> None:
    _failed(scene)
    scene.clock.advance(days=8)


def _failed_and(then: Callable[[Scene], object]) -> Callable[[Scene], None]:
    def come_about(scene: Scene) -> None:
        _failed(scene)
        then(scene)

    return come_about


def _died_before_the_request(scene: Scene) -> None:
    scene.crash_in("begin_attempt")


def _died_and(then: Callable[[Scene], object]) -> Callable[[Scene], None]:
    def come_about(scene: Scene) -> None:
        _died_before_the_request(scene)
        then(scene)

    return come_about


def _died_before_the_answer(scene: Scene) -> None:
    scene.crash_in("record_receipt")


def _agree_to_less(scene: Scene) -> None:
    scene.reporter.opt_in([DataType.USAGE], by="admin")


def _held_elsewhere(scene: Scene) -> None:
    scene.store.lease(scene.catalogue, seconds=_FAR)


def _clock_back(scene: Scene) -> None:
    scene.clock.advance(days=-1)


def _fault() -> TransportError:
    return TransportError("The recipient can't be reached.", rule="transport-connection")


STATES: Final[tuple[tuple[str, Callable[[Scene], object]], ...]] = (
    ("Nothing was made for this month yet, and the gate is open", _nothing),
    ("Nothing was made yet, and the admin has opted out", _opt_out),
    ("This month's report was sent", _sent),
    ("Last month's report was sent, and a new month has begun", _sent_last_month),
    ("The recipient refused this month's report for good, such as by status 400", _refused),
    ("The recipient can't be reached", _unreachable),
    ("It could not be delivered an hour ago", _failed),
    ("It could not be delivered last month, four days ago", _failed_last_month),
    ("It could not be delivered for more than a week", _failed_long_ago),
    ("It could not be delivered, and the admin opted out", _failed_and(_opt_out)),
    ("It could not be delivered, and the admin opted out and agreed again", _failed_and(_agree_again)),
    ("It could not be delivered, and the admin agreed to less than it holds", _failed_and(_agree_to_less)),
    ("The process died between freezing the report and the first request", _died_before_the_request),
    ("The process died there, and the admin opted out", _died_and(_opt_out)),
    ("The process died there, and the admin opted out and agreed again", _died_and(_agree_again)),
    ("The process died after the request, before its answer was noted", _died_before_the_answer),
    ("Another instance is sending at this moment, or died within its lease", _held_elsewhere),
    ("It could not be delivered, and the clock went back by a day", _failed_and(_clock_back)),
)
"""Every state of a period, and how it comes about. Each begins with a yes and with the document of the day."""


@dataclass(frozen=True)
class Result:
    """
    What a call to send did.

    Attributes:
        closed_by: Code of what closed the gate.
        requests: How many were made.
        is_same: Whether the first of them posted bytes that were kept.
        entries: Kinds of the entries that the history gained.
        ended: How the period has ended then.
    """

    verdict: str
    closed_by: str
    requests: int
    is_same: bool
    entries: tuple[str, ...]
    ended: str | None

    def words(self) -> str:
        """Return what was done, as a sentence."""
        if not self.requests:
            return _WORDS[self.verdict]
        what = "the kept bytes" if self.is_same else "the report"
        more = ", then this month's report" if self.requests > 1 else ""
        return f"It posts {what}{more}{'' if self.verdict == 'sent' else ', in vain; it is kept'}."


_WORDS: Final = {
    "already-sent": "Nothing: it was sent.",
    "closed": "Nothing: the gate is closed.",
    "ended": "Nothing: the month has ended for this workspace.",
    "held-elsewhere": "Nothing: the lease is another's. It runs out by itself.",
}


def result(come_about: Callable[[Scene], object]) -> Result:
    """Bring a state about, call send once, and say what happened."""
    with TemporaryDirectory(prefix="rc-stats-docs-", dir=_MEMORY) as directory:
        scene = Scene(Path(directory))
        with scene.store as store:
            come_about(scene)
            kept = {pending.sha256 for pending in store.pending(scene.catalogue)}
            entries, attempts = len(list(store.history())), len(scene.transport.attempts)
            outcome = scene.reporter.send_once()
            made = scene.transport.attempts[attempts:]
            closing = outcome.decision.closing if outcome.decision else ()
            return Result(
                str(outcome.verdict),
                closing[0].code if closing else "",
                len(made),
                bool(made) and made[0].payload.sha256 in kept,
                tuple(entry.kind for entry in list(store.history())[entries:]),
                store.ended(scene.catalogue, outcome.period) if outcome.period else None,
            )


class PeriodStates(SphinxDirective):
    """``{period-states}``: what a call to send does in each state of a period."""

    def run(self) -> list[nodes.Node]:
        """Bring every state about, and draw the table."""
        return [
            table(
                ("Before", "What send does", "What the history gains", "The month then"),
                [self._cells(words, result(come_about)) for words, come_about in STATES],
                widths=(36, 30, 20, 14),
            )
        ]

    def _cells(self, words: str, found: Result) -> list[list[nodes.Node]]:
        why = f" `{found.closed_by}`" if found.closed_by else ""
        if found.closed_by == "clock-went-back":
            why += " The clock can't be trusted, so nothing is destroyed either."
        gained = ", ".join(f"`{kind}`" for kind in found.entries) or "nothing"
        return [
            [text(words)],
            [text(found.words() + why)],
            [text(gained)],
            [text(f"`{found.ended}`" if found.ended else "open")],
        ]


def register(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("period-states", PeriodStates)
