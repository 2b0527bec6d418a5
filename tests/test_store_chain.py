"""The history's chain: whatever is edited, removed or moved shows, and erasing and pruning leave it whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations, product
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rc_stats.catalogue import Profile
from rc_stats.consent import Consent
from rc_stats.people import read_previous
from rc_stats.store import Store
from stores import (
    AGREED,
    GRANT,
    KINDS,
    LABEL,
    NAME,
    NOW,
    TOKEN,
    Database,
    agreed,
    cleared,
    copies,
    empty,
    filled,
    frozen,
    leased,
    month,
    sent,
)

TABLES: Final = ("entries", "heads", "field_sets", "periods")
COLUMNS: Final = (
    "workspace",
    "number",
    "at",
    "kind",
    "catalogue",
    "period",
    "details",
    "private_digest",
    "private",
    "before",
)


@dataclass
class Books:
    """
    A filled store, and a way to change its rows past it and to put them back.

    Attributes:
        rows: Every row of every table, by column.
    """

    store: Store
    run: Callable[..., list[tuple[Any, ...]]]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def remember(self) -> None:
        """Take note of all rows as they are now."""
        for table in TABLES:
            names = self._names(table)
            rows = self.run(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2")  # noqa: S608
            self.rows[table] = [dict(zip(names, row, strict=True)) for row in rows]

    def _names(self, table: str) -> list[str]:
        return {
            "entries": [*COLUMNS, "digest"],
            "heads": ["workspace", "number", "digest"],
            "field_sets": ["workspace", "digest", "body"],
            "periods": ["workspace", "catalogue", "period", "number", "state", "attempts", "body", "previous"],
        }[table]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The rows of the history, oldest first."""
        return self.rows["entries"]

    @contextmanager
    def changed(self, table: str, rows: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
        """Write *rows* in place of those of *table*, give what a check finds, and put the old ones back."""
        self._write(table, rows)
        try:
            yield self.store.verify()
        finally:
            self._write(table, self.rows[table])

    def _write(self, table: str, rows: list[dict[str, Any]]) -> None:
        old = {tuple(row.items()) for row in self.rows[table]}
        new = {tuple(row.items()) for row in rows}
        self.run("BEGIN")
        if old == new:
            self.run(f"DELETE FROM {table}")  # noqa: S608
            missing = rows
        else:
            for row in self.rows[table]:
                if tuple(row.items()) not in new:
                    keys = self._names(table)[: {"heads": 1, "periods": 3}.get(table, 2)]
                    where = " AND ".join(f"{key} = ?" for key in keys)
                    self.run(f"DELETE FROM {table} WHERE {where}", *(row[key] for key in keys))  # noqa: S608
            missing = [row for row in rows if tuple(row.items()) not in old]
        for row in missing:
            marks = ", ".join("?" * len(row))
            self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())  # noqa: S608
        self.run("COMMIT")

    def edited(self, table: str, index: int, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of *table* with some columns of one changed."""
        return [{**row, **values} if n == index else row for n, row in enumerate(self.rows[table])]


@pytest.fixture(scope="module", params=KINDS)
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """Give books with every kind of entry, pruned in the middle, and whole."""
    with empty(request.param, "books") as database, database.raw() as run:
        store = filled(database)
        store.record_refusal(NAME, "2025-12", ["drift"], at=AGREED - timedelta(days=40))
        store.prune(before=AGREED - timedelta(days=1), at=month(7))
        books = Books(store, run)
        books.remember()
        assert store.verify() == ()
        yield books


def names(faults: tuple[str, ...], number: int) -> bool:
    """Say whether a fault names the entry *number*, by itself or in a run."""
    for fault in faults:
        words = fault.partition(":")[0].split()
        if words[0] == "Entry" and int(words[1]) == number:
            return True
        if words[0] == "Entries" and int(words[1]) <= number <= int(words[3]):
            return True
    return False


def texts(value: Any) -> Iterator[Any]:
    """Give *value*, some JSON, in each way that differs in one place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {other: kept for other, kept in value.items() if other != name}
            yield from ({**value, name: changed} for changed in texts(inner))
        yield {**value, "more": 1}
    elif isinstance(value, list):
        yield [*value, "more"]
        for n, inner in enumerate(value):
            yield value[:n] + value[n + 1 :]
            yield from ([*value[:n], changed, *value[n + 1 :]] for changed in texts(inner))
    elif isinstance(value, bool) or value is None:
        yield not value
    else:
        yield value + 1 if isinstance(value, int) else value + "x"


def edits(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an edit of each field of an entry."""
    other = hashlib.sha256(b"x").hexdigest()
    return [
        {"workspace": "elsewhere"},
        {"number": row["number"] + 1000},
        {"at": row["at"].replace("2026", "2025")},
        {"kind": "consent" if row["kind"] != "consent" else "refusal"},
        {"catalogue": row["catalogue"] + "x"},
        {"period": "2031-01"},
        {"details": "{}"},
        {"private_digest": other},
        {"private": '{"by":"Somebody Else","salt":"00"}' if row["private"] is None else None},
        {"before": other},
        {"digest": other},
    ]


def more_edits(row: dict[str, Any], *, is_file: bool) -> Iterator[dict[str, Any]]:
    """Give more edits; in a file also of each place in the details, and to what no such column should hold."""
    yield {"number": -1}
    yield {"at": row["at"].replace("+00:00", "+01:00")}
    yield from ({"kind": kind} for kind in ("discard", "") if kind != row["kind"])
    yield from ({"details": text} for text in (row["details"] + " ", "not json", "[]"))
    yield {"digest": row["digest"].upper()}
    yield {"before": "" if row["before"] else row["digest"]}
    if row["private"] is not None:
        yield {"private_digest": ""}
        yield {"private": row["private"].replace('"salt":"', '"salt":"0')}
    if is_file:
        for changed in texts(json.loads(row["details"])):
            yield {"details": json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}
        yield from ({name: b"\xff"} for name in COLUMNS[1:])


def test_every_edit_of_a_field_shows(books: Books) -> None:
    """Whichever single field of an entry is edited, to whatever, a check finds it and names the entry."""
    seen: set[str] = set()
    is_file = books.store._database.path is not None
    for index, row in enumerate(books.entries):
        is_first = row["kind"] not in seen
        seen.add(row["kind"])
        if not is_file and not is_first:
            continue  # on a server one of each kind will do: the check is the same
        for edit in [*edits(row), *(more_edits(row, is_file=is_file) if is_first else ())]:
            with books.changed("entries", books.edited("entries", index, **edit)) as faults:
                assert names(faults, row["number"]) or "number that none can have" in str(faults), (row, edit, faults)
    assert {"consent", "refusal", "report", "attempt", "failure", "receipt", "discard", "erasure", "prune"} == seen
    assert books.store.verify() == ()


def test_every_removed_row_shows(books: Books) -> None:
    """Whichever entry or run of up to three is removed, a check names each of its numbers, and no other as removed."""
    for length in (1, 2, 3):
        for start in range(0, len(books.entries) - length + 1, 1 if books.store._database.path else 3):
            gone = books.entries[start : start + length]
            with books.changed("entries", [row for row in books.entries if row not in gone]) as faults:
                removed = tuple(fault for fault in faults if ": removed" in fault)
                assert all(names(removed, row["number"]) for row in gone)
                assert not any(names(removed, row["number"]) for row in books.entries if row not in gone)


@pytest.mark.parametrize(
    "moving", [("number",), (*COLUMNS[2:], "digest"), COLUMNS[2:]], ids=["place", "rows", "contents"]
)
def test_every_swapped_pair_shows(books: Books, moving: tuple[str, ...]) -> None:
    """Whichever two entries change places, whole or but for their digests, a check names them both."""
    pairs = list(combinations(range(len(books.entries)), 2))
    for one, two in pairs if moving == ("number",) and books.store._database.path else pairs[::9]:
        rows = list(books.entries)
        first, second = rows[one], rows[two]
        if all(first[name] == second[name] for name in moving):
            continue
        rows[one] = {**first, **{name: second[name] for name in moving}}
        rows[two] = {**second, **{name: first[name] for name in moving}}
        with books.changed("entries", rows) as faults:
            assert names(faults, first["number"])
            assert names(faults, second["number"])


def test_every_cut_tail_shows(books: Books) -> None:
    """However many of the newest entries are removed, a check says which."""
    last = books.entries[-1]["number"]
    for kept in range(len(books.entries)):
        with books.changed("entries", books.entries[:kept]) as faults:
            assert all(names(faults, row["number"]) for row in books.entries[kept:])
            assert str(last) in faults[0] if kept == 0 else any("at the end" in fault for fault in faults)


def test_an_entry_put_in_shows(books: Books) -> None:
    """An entry that was put in behind the newest, or before the first, is found."""
    newest = books.entries[-1]
    for number in (newest["number"] + 1, newest["number"] + 2, 0, -5):
        with books.changed("entries", [*books.entries, {**newest, "number": number}]) as faults:
            assert faults


def test_a_changed_head_shows(books: Books) -> None:
    """The note of the newest entry can't be changed or removed."""
    (head,) = books.rows["heads"]
    edited: list[list[dict[str, Any]]] = [
        [],
        [{**head, "number": head["number"] - 1}],
        [{**head, "number": head["number"] + 1}],
        [{**head, "number": 0, "digest": ""}],
        [{**head, "digest": books.entries[-2]["digest"]}],
        [{**head, "workspace": "elsewhere"}],
    ]
    for rows in edited:
        with books.changed("heads", rows) as faults:
            assert len(faults) == 1
            assert names(faults, head["number"]) or names(faults, head["number"] + 1)


def test_a_changed_field_set_shows(books: Books) -> None:
    """The fields that were agreed to can't be changed or removed; the consents that name them are named."""
    agreeing = [row for row in books.entries if row["kind"] == "consent"]
    for index, fields in enumerate(books.rows["field_sets"]):
        numbers = [row["number"] for row in agreeing if fields["digest"] in row["details"]]
        assert numbers
        for edit in ({"body": fields["body"].replace("totalChannels", "totalUsers")}, {"body": "{}"}, {"digest": "0"}):
            with books.changed("field_sets", books.edited("field_sets", index, **edit)) as faults:
                assert numbers == [number for number in range(99) if names(faults, number)]
        others = [row for row in books.rows["field_sets"] if row is not fields]
        with books.changed("field_sets", others) as faults:
            assert len(numbers) == len(faults)


def test_what_is_noted_of_a_period_must_agree(books: Books) -> None:
    """A period's state, its attempts, its report and its bytes can't be changed, nor the period removed or made up."""
    rows = books.rows["periods"]
    assert {"sent", "rejected", "unknown", "pending"} == {row["state"] for row in rows}
    for index, row in enumerate(rows):
        edits: list[dict[str, Any]] = [
            *({"state": state} for state in ("sent", "rejected", "unknown", "pending", "") if state != row["state"]),
            {"attempts": row["attempts"] + 1},
            {"number": row["number"] + 1},
            {"body": b"{}"},
            {"catalogue": "other-app"},
            {"period": "2031-01"},
            *([{"body": None}] if row["body"] is not None else []),
        ]
        for edit in edits:
            with books.changed("periods", books.edited("periods", index, **edit)) as faults:
                assert names(faults, row["number"]), (row["period"], edit, faults)
        with books.changed("periods", [other for other in rows if other is not row]) as faults:
            assert names(faults, row["number"])
        with books.changed("periods", [*rows, {**row, "period": "2031-01"}]) as faults:
            assert len(faults) == 1


def test_a_rewritten_chain_has_another_head(books: Books) -> None:
    """Who can rewrite everything can make a chain that holds; the digest that was noted elsewhere tells."""
    noted = books.store.head()
    rows, before = [], ""
    for number, row in enumerate((row for row in books.entries if row["kind"] in ("consent", "refusal")), start=1):
        changed = {**row, "number": number, "before": before, "private": None, "private_digest": ""}
        before = digest_by_hand({**changed, "details": json.loads(row["details"])}, before)
        rows.append({**changed, "digest": before})
    head = {**books.rows["heads"][0], "number": len(rows), "digest": before}
    with books.changed("periods", []), books.changed("heads", [head]), books.changed("entries", rows) as faults:
        assert faults == ()
        assert noted != books.store.head()


def test_a_rewritten_entry_shows_behind_it(books: Books) -> None:
    """An entry that was rewritten with a digest to match is found by what was chained to it, or noted of it."""
    for index, row in enumerate(books.entries):
        changed = {**row, "at": row["at"].replace("2026", "2025"), "details": json.loads(row["details"])}
        digest = digest_by_hand(changed, row["before"])
        rows = books.edited("entries", index, at=changed["at"], digest=digest)
        with books.changed("entries", rows) as faults:
            later = books.entries[min(index + 1, len(books.entries) - 1)]
            assert names(faults, later["number"]) or names(faults, row["number"])


@pytest.mark.parametrize("value", [..., None, 1, [], {}], ids=repr)
def test_a_rewritten_entry_of_another_shape(books: Books, value: Any) -> None:
    """An entry that was rewritten with a digest to match, and lacks what its kind says, is told of and is no crash."""
    for index, row in enumerate(books.entries):
        for key in (details := json.loads(row["details"])):
            changed = {name: told for name, told in details.items() if name != key or value is not ...}
            changed = {name: value if name == key else told for name, told in changed.items()}
            if changed == details:
                continue
            text = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            digest = digest_by_hand({**row, "details": changed}, row["before"])
            with books.changed("entries", books.edited("entries", index, details=text, digest=digest)) as faults:
                assert faults


def digest_by_hand(line: dict[str, Any], before: str) -> str:
    """Return an entry's digest as the documentation tells it, without the package."""
    names = ("number", "workspace", "at", "kind", "catalogue", "period", "details", "private_digest")
    covered = json.dumps(
        [*(line[name] for name in names), before], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(covered.encode() + b"\n").hexdigest()


def test_an_export_can_be_checked_by_hand(books: Books) -> None:
    """With an export alone, and no code of the package, the chain and the digests of all parts can be worked out."""
    lines = [json.loads(line) for line in books.store.export()]
    entries = [line for line in lines if line["record"] == "entry"]
    gaps = {first: (last, start, end) for first, last, start, end in entries[-1]["details"]["gaps"]}
    number, before = 0, ""
    for line in entries:
        if number + 1 in gaps:
            assert gaps[number + 1][1] == before
            number, _, before = gaps[number + 1]
        assert number + 1 == line["number"]
        assert digest_by_hand(line, before) == line["digest"]
        if line["private"] is not None:
            private = json.dumps(line["private"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert hashlib.sha256(private.encode()).hexdigest() == line["private_digest"]
        if line.get("payload") is not None:
            assert hashlib.sha256(line["payload"].encode()).hexdigest() == line["details"]["sha256"]
        number, before = line["number"], line["digest"]
    for line in lines:
        if line["record"] == "field-set":
            fields = json.dumps(line["fields"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert hashlib.sha256(fields.encode()).hexdigest() == line["digest"]


# Erasing


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty database, of each kind."""
    with empty(request.param) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_an_erasure_keeps_the_chain(kind: str) -> None:
    """Payloads, labels, tokens, figures and what is pending go where asked, and only there; the chain holds."""
    which = list(product((None, NAME, "nobody"), (None, "2026-02", "2026-08", "1999-01")))
    with copies(kind) as filled_as:
        for catalogue, period in which if kind == "sqlite" else which[:6:2]:
            with filled_as(f"{catalogue} {period}") as store:
                erase_and_look(store, catalogue, period)


def erase_and_look(store: Store, catalogue: str | None, period: str | None) -> None:
    """Erase, and compare everything with what it was before."""

    def is_meant(of: str, when: str) -> bool:
        return catalogue in (None, of) and period in (None, when)

    before = {entry.number: entry for entry in store.history()}
    bodies = {p: store.payload(NAME, p) for p in PERIODS}
    erased = store.erase(catalogue=catalogue, period=period, at=month(8))
    after = {entry.number: entry for entry in store.history()}
    assert store.verify() == ()
    for p, body in bodies.items():
        assert store.payload(NAME, p) == (None if is_meant(NAME, p) else body)
    for number, entry in before.items():
        expected = replace(entry, private=None) if is_meant(entry.catalogue, entry.period) else entry
        assert expected == after[number]
    hidden = [entry for entry in before.values() if entry.private and is_meant(entry.catalogue, entry.period)]
    assert erased.payloads == sum(body is not None and is_meant(NAME, p) for p, body in bodies.items())
    assert (erased.private, erased.pending) == (len(hidden), int(is_meant(NAME, "2026-08")))
    assert erased.entry == list(after.values())[-1]
    assert store.head()[0] == len(before) + 1 + erased.pending


PERIODS: Final = ("2026-02", "2026-03", "2026-04", "2026-06", "2026-07", "2026-08")


def test_erased_figures_withhold_the_next(database: Database) -> None:
    """Erased figures are not as if there had been no report: they are unusable, so the next one's are withheld."""
    with agreed(database) as store:
        lease = leased(store)
        sent(store, lease)
        assert store.erase(period="2026-03", at=NOW).previous == 0
        assert store.previous(NAME, Profile.STANDARD)
        assert store.erase(period="2026-02", at=NOW).previous == 1
        kept = store.previous(NAME, Profile.STANDARD)
        assert kept == b""
        assert not read_previous(kept).is_usable
        assert store.erase(at=NOW).previous == 0
        sent(store, lease, month(2))
        assert read_previous(store.previous(NAME, Profile.STANDARD) or b"").is_usable


def test_what_is_erased_is_gone_from_the_files() -> None:
    """After an erasure no file of the database holds a label, a token or a payload any more, in whatever corner."""
    with empty("sqlite") as database, database.open() as another:
        with filled(database) as store:
            body = cleared().body[-400:]
            assert all(found(database, text) for text in (LABEL.encode(), TOKEN.encode(), body))
            with database.raw() as run:  # keeps the write-ahead log from going with the last connection
                run("SELECT * FROM heads")
                store.erase(at=month(8))
                assert not any(found(database, text) for text in (LABEL.encode(), TOKEN.encode(), body, b'"salt"'))
        assert another.verify() == ()


@pytest.mark.parametrize("way", ["withdraw", "discard", "prune"])
def test_what_is_discarded_is_gone_from_the_files(way: str) -> None:
    """After opting out, discarding or pruning, no file of the database holds the bytes that were destroyed."""
    with empty("sqlite") as database, agreed(database) as store:
        lease, body = leased(store), cleared().body[-400:]
        pending = frozen(store, lease)
        with database.raw() as run:
            run("SELECT * FROM heads")
            assert found(database, body)
            if way == "withdraw":
                store.record_consent(NAME, GRANT.withdraw(at=NOW))
            elif way == "discard":
                store.discard(pending, reason="outdated", at=NOW)
            else:
                number = store.begin_attempt(lease, pending, at=NOW)
                store.record_receipt(pending, number, status=200, token=TOKEN, at=NOW)
                store.prune(before=month(2), at=month(2))
            assert not found(database, body)


def found(database: Database, text: bytes) -> bool:
    """Say whether a file of the database holds *text*."""
    assert database.path is not None
    return any(text in file.read_bytes() for file in database.path.parent.iterdir())


# Pruning


def facts(store: Store) -> dict[str, Any]:
    """Return what pruning may not change."""
    return {
        "consent": store.consent(NAME),
        "last grant": store.last_grant(NAME),
        "pending": store.pending(NAME),
        "ended": [store.ended(NAME, period) for period in PERIODS],
        "previous": store.previous(NAME, Profile.STANDARD),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_pruning_keeps_what_is_needed(kind: str) -> None:
    """Wherever the cut is made, the chain holds, old entries and payloads go, and what is needed is as before."""
    cuts = [(month(n) - timedelta(days=5), days) for n in (0, 2, 4, 6, 8) for days in (0, 399, 2000)]
    with copies(kind) as filled_as:
        for cut, days in cuts if kind == "sqlite" else cuts[7::6]:
            with filled_as(f"{cut} {days}") as store:
                prune_and_look(store, cut, cut + timedelta(days=days))


def prune_and_look(store: Store, cut: datetime, at: datetime) -> None:
    """Prune, and compare everything with what it was before."""
    before, known = list(store.history()), facts(store)
    count = store.prune(before=cut, at=at)
    after = list(store.history())
    assert (known, ()) == (facts(store), store.verify())
    assert [entry for entry in after if entry.kind != "prune"] == [entry for entry in before if entry in after]
    assert count == len(before) - len([entry for entry in after if entry.kind != "prune"])
    assert all(entry in after for entry in before if entry.at >= cut)
    ends = [entry for entry in before if entry.kind in ("receipt", "discard") or entry.details.get("is_final")]
    assert all(entry in after for entry in ends if entry.at > at - timedelta(days=400))
    recent = {"receipt", "discard"} if at - cut < timedelta(days=400) else set()
    waiting = {pending.period for pending in store.pending(NAME)}
    old = {entry.kind for entry in after if entry.at < cut and entry.period not in waiting}
    assert old <= {"consent", "erasure", "failure", *recent}
    for period in PERIODS:
        has_report = any(entry.kind == "report" and entry.period == period for entry in after)
        assert has_report or store.payload(NAME, period) is None
    assert store.prune(before=cut, at=at) == 0
    sent(store, leased(store), month(30))
    assert store.verify() == ()


def test_pruning_again_remembers_the_first_time(database: Database) -> None:
    """Each pruning names all that is gone, also what went before, so that the chain holds over every gap."""
    with filled(database) as store:
        known = facts(store)
        for number in (1, 3, 5, 7):
            assert store.prune(before=month(number) + timedelta(days=1), at=month(30))
            assert (known, ()) == (facts(store), store.verify())
        (*_, newest) = store.history()
        assert len(newest.details["gaps"]) > 1


def test_pruning_nothing_leaves_no_entry(database: Database) -> None:
    """Where nothing is old enough, nothing is done and nothing noted."""
    with filled(database) as store:
        head = store.head()
        assert (store.prune(before=AGREED, at=month(7)), head) == (0, store.head())


def test_a_pruned_history_is_still_guarded(database: Database) -> None:
    """After pruning, removing one entry more, or claiming more to be pruned, shows."""
    with filled(database) as store, database.raw() as run:
        store.prune(before=month(6) - timedelta(days=5), at=month(30))
        books = Books(store, run)
        books.remember()
        for row in books.entries:
            with books.changed("entries", [other for other in books.entries if other is not row]) as faults:
                assert names(faults, row["number"])
        newest = books.entries[-1]
        details = json.loads(newest["details"])
        details["gaps"][-1][1] += 1
        claim = json.dumps(details, sort_keys=True, separators=(",", ":"))
        with books.changed("entries", books.edited("entries", len(books.entries) - 1, details=claim)) as faults:
            assert names(faults, newest["number"])


def test_pruning_does_not_hide_what_was_removed(database: Database) -> None:
    """An entry that somebody else removed is not taken for pruned, before or after."""
    with filled(database) as store:
        database.run("DELETE FROM entries WHERE number = 7")
        assert "Entry 7: removed." in store.verify()
        store.prune(before=month(6) - timedelta(days=5), at=month(30))
        assert "Entry 7: removed." in store.verify()


def test_the_last_yes_stays_behind_a_no(database: Database) -> None:
    """However old, the last consent and the last yes stay, since what changed since then is shown before the next."""
    with agreed(database) as store:
        store.record_consent(NAME, replace(GRANT, at=AGREED + timedelta(days=1)))
        withdrawn = GRANT.withdraw(at=NOW, by=LABEL)
        store.record_consent(NAME, Consent().decline(at=NOW))
        store.record_consent(NAME, withdrawn)
        assert store.prune(before=month(30), at=month(30)) == 2
        assert (store.consent(NAME), store.verify()) == (withdrawn, ())
        assert store.last_grant(NAME) == replace(GRANT, at=AGREED + timedelta(days=1))


def test_an_erasure_explains_nothing_that_came_later(database: Database) -> None:
    """A label or payload that somebody destroyed by hand is not explained by an erasure from before it was there."""
    with agreed(database) as store:
        store.erase(at=NOW)
        entry = store.record_consent(NAME, replace(GRANT, at=NOW))
        pending = sent(store, leased(store))
        assert store.verify() == ()
        database.run("UPDATE entries SET private = NULL")
        database.run("UPDATE periods SET body = NULL")
        numbers = {int(fault.split()[1].rstrip(":")) for fault in store.verify()}
        assert {entry.number, pending.number, store.head()[0]} == numbers


def test_the_same_label_does_not_show_by_its_digest(database: Database) -> None:
    """Each private part is digested with a salt of its own, so that an erased label can't be recognised or guessed."""
    with filled(database) as store:
        parts = database.run("SELECT private_digest, private FROM entries WHERE private_digest <> ''")
        assert len(parts) == len({digest for digest, _ in parts}) > len({LABEL, TOKEN})
        guess = json.dumps({"by": LABEL}, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(guess.encode()).hexdigest() not in dict(parts)
        assert store.verify() == ()


def test_field_sets_go_with_their_consents(database: Database) -> None:
    """A field set that no entry names any more is removed, and one that is still named stays."""
    with agreed(database) as store:
        store.record_consent(NAME, GRANT.withdraw(at=NOW))
        store.record_consent(NAME, replace(GRANT, fields={Profile.STANDARD: {"totalUsers": "x"}}, at=month(3)))
        assert len(database.run("SELECT * FROM field_sets")) == 3
        store.prune(before=month(2), at=month(4))
        assert len(database.run("SELECT * FROM field_sets")) == 1
        assert store.consent(NAME).fields == {Profile.STANDARD: {"totalUsers": "x"}}


STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("sent"), st.integers(1, 12)),
        st.tuples(st.just("freeze"), st.integers(1, 12)),
        st.tuples(st.just("discard"), st.just(0)),
        st.tuples(st.just("attempt"), st.just(0)),
        st.tuples(st.just("withdraw"), st.integers(1, 12)),
        st.tuples(st.just("grant"), st.integers(1, 12)),
        st.tuples(st.just("erase"), st.integers(0, 12)),
        st.tuples(st.just("prune"), st.integers(1, 40)),
    ),
    max_size=14,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_chain_holds_whatever_is_done(steps: list[tuple[str, int]]) -> None:
    """After any steps in any order, at clocks that jump about, the chain holds and what has ended stays so."""
    with empty("sqlite") as database, agreed(database) as store:
        lease, ends = leased(store), dict[str, Any]()
        for step, number in steps:
            take(step, number, store, lease)
            assert store.verify() == ()
            states = dict(database.run("SELECT period, state FROM periods WHERE state <> 'pending'"))
            assert ends.items() <= states.items()
            ends = states
        assert store.consent(NAME).at is not None


def take(step: str, number: int, store: Store, lease: Any) -> None:
    """Take a step if it can be taken."""
    when = month(number)
    is_free = store.consent(NAME).scope and store.ended(NAME, f"{when:%Y-%m}") is None
    pending = store.pending(NAME)
    if step in ("sent", "freeze") and is_free and not any(p.period == f"{when:%Y-%m}" for p in pending):
        (sent if step == "sent" else frozen)(store, lease, when)
    elif step == "discard" and pending:
        store.discard(pending[0], reason="outdated", at=when)
    elif step == "attempt" and pending:
        store.begin_attempt(lease, pending[0], at=when)
    elif step == "withdraw":
        store.record_consent(NAME, Consent().decline(at=when, by=LABEL))
    elif step == "grant":
        store.record_consent(NAME, replace(GRANT, at=when))
    elif step == "erase":
        store.erase(period=f"{when:%Y-%m}" if number else None, at=when)
    elif step == "prune":
        store.prune(before=when, at=when)
