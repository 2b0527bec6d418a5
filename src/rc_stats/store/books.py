"""The store: one workspace's consent, history, and what it is to send, in a database that instances share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rc_stats.anonymise import Evidence
from rc_stats.catalogue import Profile
from rc_stats.consent import Consent, ConsentState
from rc_stats.errors import UsageError
from rc_stats.gate import Payload
from rc_stats.people import Previous
from rc_stats.store import checking, consents, leases, periods, rights
from rc_stats.store.chain import START, Entry, Transaction, entry_of
from rc_stats.store.database import Database, open_database
from rc_stats.store.faults import fault, guarded
from rc_stats.store.leases import Lease
from rc_stats.store.periods import Pending
from rc_stats.store.rights import Erased
from rc_stats.store.schema import ENTRIES

_PAGE: Final = 200
_LONGEST_NAME: Final = 200


class Store:
    """
    The books of one workspace. Any thread and any number of instances may use them at once.

    Everything that is done is one transaction: it is durable when the call returns, or it has not happened. The history
    is chained (see :mod:`rc_stats.store.chain`) without a key: whoever can rewrite the whole database can make another
    one that holds, unless the digest of the newest entry is noted elsewhere.

    Raises:
        StoreError: From any method, if the database can't do it: ``store-locked``, ``store-read-only``, ``store-full``,
            ``store-corrupt``, ``store-unreachable``, ``store-failed`` or ``store-closed``.
    """

    def __init__(self, database: Database, workspace: str) -> None:
        """Use :meth:`open`."""
        self._database = database
        self._workspace = workspace
        self._is_open = True

    @classmethod
    def open(cls, url: str | Path | None = None, *, workspace: str = "default", create: bool = True) -> Store:
        """
        Open the store, and make it or bring its tables up to date where needed.

        Args:
            url: A file, ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``; by default a file in the directory
                where this system keeps the state of a user's programs. Files are the owner's alone (mode 0600).
            workspace: Tells several workspaces in one database apart; a name of your own.
            create: Make it if there is none. Without, nothing is made by looking.

        Raises:
            UsageError: ``store-url`` or ``workspace``.
            MissingExtra: The driver of PostgreSQL is not installed.
            StoreError: Also ``store-newer`` and ``store-foreign`` for a database that is not to be touched, and
                ``store-missing`` for one that was not to be made.
        """
        return cls(_opened(url, create=create), _name(workspace, "workspace"))

    def close(self) -> None:
        """Refuse all further use."""
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        self._check_open()
        with self._database.reading() as connection:
            yield Transaction(connection, self._workspace)

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        self._check_open()
        with self._database.writing() as connection:
            tx = Transaction(connection, self._workspace)
            tx.lock()
            yield tx

    def _check_open(self) -> None:
        if not self._is_open:
            raise fault("store-closed")

    # Consent ---------------------------------------------------------------------------------------------------------

    @guarded
    def consent(self, catalogue: str) -> Consent:
        """Return what was said last about *catalogue*; undecided if nothing was."""
        with self._reading() as tx:
            return consents.latest(tx, catalogue)

    @guarded
    def last_grant(self, catalogue: str) -> Consent | None:
        """Return the last yes to *catalogue*, whatever was said since."""
        with self._reading() as tx:
            return consents.last_grant(tx, catalogue)

    @guarded
    def record_consent(self, catalogue: str, consent: Consent) -> Entry:
        """
        Add *consent* to the history. All but a plain yes destroys what is pending for *catalogue*, in one with it.

        Raises:
            UsageError: ``hypothetical`` or ``consent``: it is no answer, or not about this catalogue.
        """
        with self._writing() as tx:
            entry = consents.append(tx, _name(catalogue, "catalogue"), consent)
            reason = "consent-restricted" if consent.state is ConsentState.GRANTED else f"consent-{consent.state}"
            if consent.state is not ConsentState.GRANTED or consent.restricted_until is not None:
                periods.discard_all(tx, reason, entry.at, catalogue=catalogue, period=None)
        self._database.wipe()
        return entry

    # Who sends -------------------------------------------------------------------------------------------------------

    @guarded
    def lease(self, catalogue: str, *, seconds: float) -> Lease | None:
        """Return the right to send for *catalogue*; None if an instance holds it."""
        with self._writing() as tx:
            return leases.take(tx, _name(catalogue, "catalogue"), seconds, self._database.now(tx.connection))

    @guarded
    def renew(self, lease: Lease) -> None:
        """
        Let *lease* last its time from now.

        Raises:
            LeaseLost: Another instance has taken over, or it was given back.
        """
        with self._writing() as tx:
            leases.renew(tx, lease, self._database.now(tx.connection))

    @guarded
    def release(self, lease: Lease) -> None:
        """Give *lease* back; nothing happens if it was lost."""
        with self._writing() as tx:
            leases.release(tx, lease)

    @contextmanager
    def wire(self) -> Iterator[None]:
        """
        Hold the wire from asking the gate to noting the answer. Many may hold it at once.

        It ends with the process, however that dies.
        """
        release = self._hold_wire()
        try:
            yield
        finally:
            release()

    @guarded
    def _hold_wire(self) -> Callable[[], None]:
        self._check_open()
        return self._database.hold_wire(self._workspace)

    @guarded
    def settle(self, *, seconds: float) -> bool:
        """
        Wait until no request is under way on any instance; whoever wants the wire meanwhile waits for this.

        In SQLite all workspaces of a file share one wire.

        Returns:
            False if one still was after *seconds*.
        """
        self._check_open()
        return self._database.clear_wire(self._workspace, seconds)

    # What is sent ----------------------------------------------------------------------------------------------------

    @guarded
    def pending(self, catalogue: str) -> tuple[Pending, ...]:
        """Return what was frozen and has not ended, oldest first."""
        with self._reading() as tx:
            return periods.all_pending(tx, catalogue)

    @guarded
    def ended(self, catalogue: str, period: str) -> str | None:
        """Return how *period* ended: ``sent``, ``rejected`` or ``unknown``; None if it has not."""
        with self._reading() as tx:
            state = periods.state_of(tx, catalogue, period)
        return None if state == periods.PENDING else state

    @guarded
    def previous(self, catalogue: str, profile: Profile) -> bytes | None:
        """
        Return the figures of people of the last report that may have left, for :func:`rc_stats.people.read_previous`.

        None before the first. Empty if they were erased: unusable, so that the next report withholds such figures.
        """
        with self._reading() as tx:
            return periods.previous_of(tx, catalogue, profile)

    @guarded
    def freeze(
        self, lease: Lease, payload: Payload, evidence: Evidence, previous: Previous | None, *, at: datetime
    ) -> Pending:
        """
        Keep the bytes of *payload* as what will be sent for its period; nothing else ever will be.

        Args:
            evidence: What the document told, for the gate to ask again.
            previous: Its figures of people; they count from the first attempt on.

        Raises:
            GateClosed: It is no genuine payload, answers a "what if?", or the consent stored now is not a yes.
            LeaseLost: Another instance has taken over.
            StoreError: ``period-taken``.
        """
        with self._writing() as tx:
            return periods.freeze(tx, lease, payload, evidence, previous, at=at)

    @guarded
    def begin_attempt(self, lease: Lease, pending: Pending, *, at: datetime, under: Consent | None = None) -> int:
        """
        Note durably that a request is about to begin, and return its number, from 1.

        Args:
            under: The consent that the gate was asked with.

        Raises:
            LeaseLost: Another instance has taken over.
            StoreError: ``pending-gone`` if it was discarded or its period has ended; ``consent-changed`` if somebody
                has decided anew since.
        """
        with self._writing() as tx:
            return periods.begin_attempt(tx, lease, pending, under, at)

    @guarded
    def record_failure(
        self, pending: Pending, number: int, *, code: str, status: int | None, is_final: bool, at: datetime
    ) -> Entry:
        """
        Note that attempt *number* failed. A final failure ends the period ``rejected``.

        Args:
            code: The error's rule.
            status: HTTP status, if there was an answer.

        Raises:
            StoreError: ``pending-gone`` if there was no such attempt.
        """
        details = {"code": periods.code(code), "is_final": is_final, "status": status}
        with self._writing() as tx:
            return periods.record_answer(tx, pending, number, kind="failure", details=details, private=None, at=at)

    @guarded
    def record_receipt(self, pending: Pending, number: int, *, status: int, token: str | None, at: datetime) -> Entry:
        """
        Note that attempt *number* arrived: the period ends ``sent``, even if the bytes were discarded meanwhile.

        Args:
            token: What the recipient answered with; kept as a private part and never sent.

        Raises:
            StoreError: ``pending-gone`` if there was no such attempt.
        """
        private = None if token is None else {"token": token}
        with self._writing() as tx:
            return periods.record_answer(
                tx, pending, number, kind="receipt", details={"status": status}, private=private, at=at
            )

    @guarded
    def discard(self, pending: Pending, *, reason: str, at: datetime) -> Entry | None:
        """
        Destroy the bytes of *pending*.

        Without any attempt the period can be reported anew; after one it ends ``unknown``.

        Args:
            reason: A code in kebab case.

        Returns:
            None if it is not pending any more.
        """
        with self._writing() as tx:
            entry = periods.discard(tx, pending, reason, at)
        self._database.wipe()
        return entry

    @guarded
    def record_refusal(self, catalogue: str, period: str, codes: Sequence[str], *, at: datetime) -> Entry | None:
        """Note why nothing is sent for *period*; None if its last refusal says the same."""
        with self._writing() as tx:
            return periods.record_refusal(tx, _name(catalogue, "catalogue"), _name(period, "period"), codes, at)

    # History and rights ----------------------------------------------------------------------------------------------

    def history(self, *, catalogue: str | None = None, period: str | None = None) -> Iterator[Entry]:
        """Give the entries, oldest first; of one catalogue, one period, both or all."""
        after = 0
        while page := self._page(after, catalogue, period):
            yield from page
            after = page[-1].number

    @guarded
    def _page(self, after: int, catalogue: str | None, period: str | None) -> list[Entry]:
        columns = periods.only(catalogue, period)
        with self._reading() as tx:
            return [entry_of(row) for row in tx.rows(tx.own(ENTRIES, **columns), ENTRIES.c.number > after, limit=_PAGE)]

    @guarded
    def head(self) -> tuple[int, str]:
        """Return number and digest of the newest entry, to be noted elsewhere; 0 and nothing before the first."""
        with self._reading() as tx:
            return tx.newest() or (0, START)

    @guarded
    def latest_at(self, catalogue: str) -> datetime | None:
        """
        Return the latest moment that any entry tells since the last decision about *catalogue*; None before the first.

        An admin who agrees again looks at the clock, so what a wrong one noted before doesn't count any more.
        """
        with self._reading() as tx:
            return tx.latest_at(catalogue)

    @guarded
    def payload(self, catalogue: str, period: str) -> bytes | None:
        """Return the bytes that were frozen for *period*, sent or not; None if there are none any more."""
        with self._reading() as tx:
            return periods.body_of(tx, catalogue, period)

    def export(self) -> Iterator[bytes]:
        """
        Give everything that is kept, as JSON lines: private parts and payloads too.

        Each has a ``record``. ``entry``: what its digest covers, and for a report its ``payload`` as text;
        ``field-set``: what the ``fields`` of a consent stand for; ``previous``: figures of people for the next report.
        """
        return iter(self._exported())

    @guarded
    def _exported(self) -> list[bytes]:
        with self._reading() as tx:
            return list(rights.export(tx))

    @guarded
    def erase(self, *, catalogue: str | None = None, period: str | None = None, at: datetime) -> Erased:
        """
        Destroy payloads, private parts, kept figures and what is pending; of a catalogue, a period, both or all.

        The entries stay, and their chain valid. A server's own log, dead rows and backups are its administrator's.
        """
        with self._writing() as tx:
            erased = rights.erase(tx, catalogue, period, at)
        self._database.wipe()
        return erased

    @guarded
    def prune(self, *, before: datetime, at: datetime) -> int:
        """
        Remove the entries from before *before*, with the payloads of removed reports, and return how many.

        What is still needed stays: the last consent and the last yes of each catalogue, what is pending, how periods
        of the last 400 days ended, and erasures. That a period was reported is remembered for ever.
        """
        with self._writing() as tx:
            count = rights.prune(tx, before, at)
        self._database.wipe()
        return count

    @guarded
    def verify(self) -> tuple[str, ...]:
        """Return what was edited, removed or moved in the books, one line each; nothing if they are whole."""
        with self._reading() as tx:
            return checking.verify(tx, is_sound=self._database.is_sound(tx.connection))

    @guarded
    def catalogues(self) -> Mapping[str, bool]:
        """Return each catalogue that the history names, and whether the last word on it is a yes, paused or not."""
        with self._reading() as tx:
            return consents.last_words(tx)


@guarded
def _opened(url: str | Path | None, *, create: bool) -> Database:
    return open_database(url, create=create)


def _name(text: str, what: str) -> str:
    """Return *text* if it can be the name of something."""
    if not 0 < len(text) <= _LONGEST_NAME or not text.isprintable():
        raise UsageError(f"The name of a {what} is one to {_LONGEST_NAME} printable characters.", rule=what)
    return text
