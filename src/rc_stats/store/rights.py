"""What the people that it is about can ask of the books: a copy, erasure, and an end in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import RowMapping, delete, func, select, update

from rc_stats.store import periods
from rc_stats.store.chain import Entry, Transaction, damaged, entry_of, from_text, moment, zoned
from rc_stats.store.schema import ENTRIES, FIELD_SETS, PERIODS, PREVIOUS
from rc_stats.wire import canonical

REMEMBERED: Final = timedelta(days=400)
"""For so long the entry that ended a period stays, whatever is pruned."""

Gap = tuple[int, int, str, str]
"""First and last number of entries that were pruned, the digest before the first, and that of the last."""


@dataclass(frozen=True, slots=True)
class Erased:
    """
    What an erasure destroyed.

    Attributes:
        payloads: Frozen or sent bytes.
        private: Private parts of entries: labels and tokens.
        previous: Figures of people that were kept for the next report.
        pending: Reports that were not sent and now never will be; their bytes count as payloads too.
        entry: What notes the erasure itself.
    """

    payloads: int
    private: int
    previous: int
    pending: int
    entry: Entry


def export(tx: Transaction) -> Iterator[bytes]:
    """
    Give everything that is kept, as JSON lines: each has a ``record``.

    ``entry``: what the digest covers, the private part with its salt, and for a report its payload as text;
    ``field-set``: what consents named by ``fields`` stand for; ``previous``: figures of people for the next report.
    """
    bodies = {row["number"]: row["body"] for row in tx.all_of(PERIODS)}
    for row in tx.rows():
        line = {
            **{name: row[name] for name in ("workspace", "number", "at", "kind", "catalogue", "period")},
            "record": "entry",
            "details": from_text(row["details"]),
            "private_digest": row["private_digest"],
            "private": None if row["private"] is None else from_text(row["private"]),
            "digest": row["digest"],
        }
        if row["kind"] == "report":
            line["payload"] = _as_text(bodies.get(row["number"]))
        yield canonical(line)
    for row in tx.all_of(FIELD_SETS):
        fields = from_text(row["body"])
        yield canonical({"record": "field-set", "digest": row["digest"], "fields": fields})
    for row in tx.all_of(PREVIOUS):
        named = {name: row[name] for name in ("catalogue", "profile", "period")}
        yield canonical({"record": "previous", **named, "figures": _as_text(row["body"])})


def _as_text(body: bytes | None) -> str | None:
    return None if body is None else body.decode(errors="replace")


def erase(tx: Transaction, catalogue: str | None, period: str | None, at: datetime) -> Erased:
    """Destroy payloads, private parts, previous figures and what is pending; the entries and their digests stay."""
    which = periods.only(catalogue, period)
    has_body = (tx.own(PERIODS, **which), PERIODS.c.body.is_not(None))
    payloads = tx.connection.execute(select(func.count()).select_from(PERIODS).where(*has_body)).scalar_one()
    pending = periods.discard_all(tx, "erasure", at, catalogue=catalogue, period=period)
    tx.connection.execute(update(PERIODS).where(tx.own(PERIODS, **which)).values(body=None, previous=None))
    private = tx.connection.execute(
        update(ENTRIES).where(tx.own(ENTRIES, **which), ENTRIES.c.private.is_not(None)).values(private=None)
    ).rowcount
    # Not as if there had been no report: the recipient may still compare the next one with it.
    previous = tx.connection.execute(
        update(PREVIOUS).where(tx.own(PREVIOUS, **which), PREVIOUS.c.body != b"").values(body=b"")
    ).rowcount
    counts = {"payloads": payloads, "pending": pending, "previous": previous, "private": private}
    entry = tx.append("erasure", at=at, catalogue=catalogue or "", period=period or "", details=counts)
    return Erased(**counts, entry=entry)


def prune(tx: Transaction, before: datetime, at: datetime) -> int:
    """
    Remove the entries from before *before*, and the payloads of removed reports, and return how many.

    What is needed stays: the last consent and the last yes of each catalogue, what is pending, the entries that ended a
    period in the last 400 days, and erasures, which explain what is missing elsewhere. The entry "prune" names each run
    of numbers that is gone, and the digests that the entries around it are chained by.
    """
    rows = list(tx.rows())
    staying = _staying(tx, rows, moment(before), moment(zoned(at) - REMEMBERED))
    going = [row for row in rows if row["number"] not in staying]
    if not going:
        return 0
    gaps = merged([*gaps_of(tx), *((row["number"], row["number"], row["before"], row["digest"]) for row in going)])
    for first, last, *_ in gaps:
        tx.connection.execute(delete(ENTRIES).where(tx.own(ENTRIES), ENTRIES.c.number.between(first, last)))
        tx.connection.execute(
            update(PERIODS).where(tx.own(PERIODS), PERIODS.c.number.between(first, last)).values(body=None)
        )
    agreed = {
        entry_of(row).details.get("fields") for row in rows if row["kind"] == "consent" and row["number"] in staying
    }
    tx.connection.execute(delete(FIELD_SETS).where(tx.own(FIELD_SETS), FIELD_SETS.c.digest.not_in(agreed)))
    tx.append("prune", at=at, details={"before": moment(before), "gaps": gaps, "removed": len(going)})
    return len(going)


def _staying(tx: Transaction, rows: Iterable[RowMapping], before: str, remembered: str) -> set[int]:
    """Return the numbers of the entries that stay."""
    staying: set[int] = set()
    last: dict[tuple[str, str], int] = {}
    pending = {(row["catalogue"], row["period"]): row["number"] for row in tx.all_of(PERIODS, state=periods.PENDING)}
    reports: dict[tuple[str, str], bool] = {}
    for row in rows:
        number, kind, key = row["number"], row["kind"], (row["catalogue"], row["period"])
        is_new = row["at"] >= before
        if kind == "consent":
            details = entry_of(row).details
            last[row["catalogue"], "said"] = number
            if details.get("state") == "granted":
                last[row["catalogue"], "granted"] = number
        elif kind == "report":
            # What follows a report that stays is counted with it.
            reports[key] = is_new or pending.get(key) == number
        is_of_report = kind in ("report", "attempt", "failure", "receipt", "discard") and reports.get(key, False)
        is_end = row["at"] >= remembered and (
            kind == "receipt" or (kind == "failure" and entry_of(row).details.get("is_final")) or kind == "discard"
        )
        if is_new or is_of_report or is_end or kind == "erasure":
            staying.add(number)
    return staying | set(last.values())


def gaps_of(tx: Transaction) -> list[Gap]:
    """
    Return what the last "prune" says of the numbers that are gone.

    Raises:
        StoreError: ``store-corrupt``.
    """
    row = tx.latest("prune")
    gaps = [] if row is None else entry_of(row).details.get("gaps")
    if not isinstance(gaps, list) or not all(map(_is_gap, gaps)):
        raise damaged("What the history says to be pruned can't be read.")
    return [(first, last, before, digest) for first, last, before, digest in gaps]


def _is_gap(gap: object) -> bool:
    return isinstance(gap, list) and [type(part) for part in gap] == [int, int, str, str] and 0 < gap[0] <= gap[1]


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """Return *gaps* with those that adjoin as one; between others there is an entry, or one that nobody pruned."""
    found: list[Gap] = []
    for gap in sorted(gaps):
        start = found.pop() if found and found[-1][1] + 1 == gap[0] else gap
        found.append((start[0], gap[1], start[2], gap[3]))
    return found
