"""
The lease: which instance may send now. One for each workspace and catalogue.

A holder that dies or pauses loses it when it runs out. One that wakes up later finds out by the fence, a number that
grows each time that the lease is taken: what it wanted to do is refused in the transaction that would do it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Row, insert, select, update

from rc_stats.errors import LeaseLost, UsageError
from rc_stats.store.chain import Transaction
from rc_stats.store.schema import LEASES

LONGEST_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Lease:
    """
    The right to send, until it runs out.

    Attributes:
        holder: Random; says nothing of who it is.
        fence: Larger than that of every lease before.
        seconds: How long it lasts from when it was taken or renewed.
    """

    catalogue: str
    holder: str
    fence: int
    seconds: float


def take(tx: Transaction, catalogue: str, seconds: float, now: int) -> Lease | None:
    """Take the lease if it is free; *now* in microseconds."""
    if not 0 < seconds <= LONGEST_S:
        raise UsageError("A lease lasts more than no time and at most a day.", rule="lease")
    row = _row(tx, catalogue)
    # Taken in the future: the clock went back, and it may never seem to end.
    if row is not None and row.holder and row.taken <= now < row.taken + row.lasts:
        return None
    lease = Lease(catalogue, secrets.token_hex(16), row.fence + 1 if row is not None else 1, seconds)
    values = {"holder": lease.holder, "fence": lease.fence, "taken": now, "lasts": int(seconds * 1_000_000)}
    if row is None:
        tx.connection.execute(insert(LEASES).values(workspace=tx.workspace, catalogue=catalogue, **values))
    else:
        tx.connection.execute(update(LEASES).where(tx.own(LEASES, catalogue=catalogue)).values(values))
    return lease


def check(tx: Transaction, lease: Lease) -> None:
    """
    Let the holder of *lease* go on.

    One that has run out and that nobody else has taken is still good: it is this very transaction that keeps others
    from taking it.

    Raises:
        LeaseLost: Somebody else has taken it since, or it was given back.
    """
    row = _row(tx, lease.catalogue)
    if row is None or (row.fence, row.holder) != (lease.fence, lease.holder):
        raise LeaseLost(
            "Another instance has taken over, or the lease was given back.",
            rule="lease-lost",
            remedy="Nothing needs to be done: whoever holds the lease goes on.",
        )


def renew(tx: Transaction, lease: Lease, now: int) -> None:
    """Let the lease last its time from *now*, in microseconds."""
    check(tx, lease)
    tx.connection.execute(update(LEASES).where(tx.own(LEASES, catalogue=lease.catalogue)).values(taken=now))


def release(tx: Transaction, lease: Lease) -> None:
    """Give the lease back; nothing happens if it was lost."""
    mine = tx.own(LEASES, catalogue=lease.catalogue, fence=lease.fence, holder=lease.holder)
    tx.connection.execute(update(LEASES).where(mine).values(holder=""))


def _row(tx: Transaction, catalogue: str) -> Row[tuple[object, ...]] | None:
    return tx.connection.execute(select(LEASES).where(tx.own(LEASES, catalogue=catalogue))).first()
