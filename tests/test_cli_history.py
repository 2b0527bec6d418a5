"""``history``: what is kept can be listed, shown, exported, erased, pruned and verified."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from canaries import assert_no_trace
from collector import Collector, reply
from commands import Cli, asked
from rc_stats.wire import canonical
from sites import NAME, SEATS, SECRET, TOKEN, Site, document


@pytest.fixture
def site(tmp_path: Path, cli: Cli) -> Iterator[Site]:
    """Return a configured workspace that nobody has agreed for."""
    with Collector(tmp_path, usual=reply(body=json.dumps({"statsToken": TOKEN}).encode())) as collector:
        yield Site(tmp_path, collector, cli)


@pytest.fixture
def sent(site: Site) -> Site:
    """Return a workspace that has sent one report."""
    site.agree("--by", SECRET)
    assert site.run("send").code == 0
    return site


def period(site: Site) -> str:
    """Return what the report that was received counts for."""
    found: str = json.loads(site.collector.received[-1].body)["period"]
    return found


READING = [["list"], ["export"], ["erase", "--yes"], ["prune"]]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_where_nothing_is_kept(site: Site, words: list[str]) -> None:
    """Where nothing is kept there is nothing to show or erase; that is no failure, and no store is made for it."""
    done = site.run("history", *words)
    assert (done.code, done.err) == (0, b"")
    assert done.text == ("" if words == ["export"] else "Nothing is recorded yet.\n")
    assert not site.store.exists()


def test_a_missing_store_is_not_whole(site: Site) -> None:
    """Verifying a store that isn't there fails: it may have been taken away."""
    assert "[store-absent]" in (done := site.run("history", "verify")).error
    assert (done.code, site.run("history", "show", "2026-08").code) == (6, 2)


def test_list(sent: Site) -> None:
    """Each entry is one line with its moment, kind, period and details, or one object; its label is told here."""
    lines = sent.run("history", "list").text.splitlines()
    kinds = [entry["kind"] for entry in sent.history()]
    assert kinds == ["consent", "report", "attempt", "receipt"]
    assert [line.split()[4] for line in lines] == kinds
    assert f"by={SECRET}" in lines[0]
    assert all(period(sent) in line for line in lines[1:])


def test_show_is_exactly_the_bytes(sent: Site) -> None:
    """What is shown of a period is what the recipient got, and nothing else."""
    assert sent.run("history", "show", period(sent)).out == sent.collector.received[0].body


@pytest.mark.parametrize("which", ["2001-01", "octopus-ltd", "", "\udcff", "2026-8", "2026-13"])
def test_show_what_there_is_not(sent: Site, which: str) -> None:
    """A period without a report is wrong usage."""
    done = sent.run("history", "show", which)
    assert (done.code, done.out) == (2, b"")
    assert "[unknown-period]" in done.error
    assert_no_trace(done.err, SECRET)


def exported(content: bytes) -> list[Any]:
    """Return the records of an export, each of which must be a line of canonical JSON."""
    records = [json.loads(line) for line in content.splitlines()]
    assert b"".join(canonical(record) for record in records) == content
    return records


def test_export(sent: Site) -> None:
    """The export is JSON lines with everything that is kept: label, token and bytes."""
    done = sent.run("history", "export")
    records = exported(done.out)
    assert done.code == 0
    entries = [record for record in records if record["record"] == "entry"]
    assert [entry["digest"] for entry in entries] == [entry["digest"] for entry in sent.history()]
    assert entries[0]["private"]["by"] == SECRET
    assert entries[1]["payload"].encode() == sent.collector.received[0].body
    assert entries[3]["private"]["token"] == TOKEN


def test_export_to_a_file(sent: Site) -> None:
    """The file holds the same, is for its owner alone, replaces an older one, and appears whole or not at all."""
    path = sent.directory / "export.jsonl"
    path.write_text("older", encoding="utf-8")
    path.chmod(0o644)
    done = sent.run("history", "export", "-o", path)
    assert (done.code, done.out, done.err) == (0, b"", b"")
    assert path.read_bytes() == sent.run("history", "export", "-o", "-").out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with closing(sqlite3.connect(sent.store)) as database:
        database.execute("DROP TABLE entries")
    assert sent.run("history", "export", "-o", path).code == 6
    assert (path.read_bytes(), list(sent.directory.glob(".export*"))) == (before, [])


@pytest.mark.parametrize("name", ["missing/export.jsonl", "."])
def test_export_to_no_file(sent: Site, name: str) -> None:
    """Where the export can't be written it is one line that doesn't blame the store."""
    (inner := sent.directory / "inner").mkdir()
    done = sent.run("history", "export", "-o", inner / name)
    assert done.code == 2
    assert "[output]" in done.error
    assert str(sent.directory) not in done.error
    assert [*sent.directory.glob(".*"), *inner.iterdir()] == [], "nothing half written stays"


def test_erase(sent: Site) -> None:
    """Erasing destroys bytes, label, token and kept figures; what happened stays, and the chain still holds."""
    which = period(sent)
    done = sent.run("history", "erase", "--yes")
    assert (done.code, done.err) == (0, b"")
    assert "reports 1" in done.text
    assert sent.run("history", "show", which).code == 2
    export = sent.run("history", "export").out
    for secret in (SECRET, TOKEN):
        assert_no_trace(export, secret)
        assert secret.encode() not in sent.store.read_bytes()
    assert [entry["kind"] for entry in sent.history()] == ["consent", "report", "attempt", "receipt", "erasure"]
    assert sent.run("history", "verify").code == 0
    assert sent.run("send").code == 0
    assert sent.collector.count == 1, "that it was sent is not forgotten"


def test_erase_one_period(sent: Site) -> None:
    """Erasing another period leaves this one alone."""
    assert sent.run("history", "erase", "--yes", "--period", "2001-01").code == 0
    assert sent.run("history", "show", period(sent)).code == 0
    assert sent.run("history", "erase", "--yes", "--period", period(sent)).code == 0
    assert sent.run("history", "show", period(sent)).code == 2
    assert sent.history()[0]["private"] == {"by": SECRET}


def test_erase_what_was_not_sent(site: Site) -> None:
    """What waits to be sent is erased too, and is not sent."""
    site.agree()
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    site.run("send")
    assert "not sent yet 1" in site.run("history", "erase", "--yes").text
    site.run("send")
    assert site.collector.count == 1


def test_erase_is_of_one_catalogue(sent: Site) -> None:
    """Without a name ours is erased, and with one that of others."""
    sent.third_party(SEATS)
    sent.write(document(exampleApp={"seats": 12}))
    sent.agree("--catalogue", "example-app", "--scope", "app")
    assert sent.run("send").code == 0
    which = period(sent)
    assert sent.run("history", "erase", "--yes", "--catalogue", "example-app").code == 0
    assert sent.run("history", "show", which, "--catalogue", "example-app").code == 2
    assert sent.run("history", "show", which).code == 0


@pytest.mark.parametrize(
    "which", ["2026-8", "octopus-ltd", "", "2026-13", "2026-02-30", "2026-08-17T00", "\udcff", "٢٠٢٦-٠٨"]
)
def test_erase_a_period_that_is_none(sent: Site, which: str) -> None:
    """What is no period is wrong usage; nothing is erased, and no entry says so for ever."""
    done = sent.run("history", "erase", "--yes", "--period", which)
    assert (done.code, done.out) == (2, b"")
    assert "[period]" in done.error
    assert_no_trace(done.err, SECRET)
    assert [entry["kind"] for entry in sent.history()][-1] == "receipt"


def test_erase_a_catalogue_that_is_none(sent: Site) -> None:
    """A catalogue that the books don't know is wrong usage, and what they know is named."""
    for name in (SECRET, "\udcff"):
        done = sent.run("history", "erase", "--yes", "--catalogue", name)
        assert (done.code, done.out) == (2, b"")
        assert_no_trace(done.err, SECRET)
    assert f"There is: {NAME}." in sent.run("history", "erase", "--yes", "--catalogue", "typo").error
    assert [entry["kind"] for entry in sent.history()][-1] == "receipt"
    assert sent.run("history", "show", "2026-08", "--catalogue", "\udcff").code == 2


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 3)], ids=["yes", "no"])
def test_erasing_is_asked_for(sent: Site, typed: bytes, code: int) -> None:
    """On a terminal erasing is asked about; without one and without --yes it is wrong usage."""
    assert sent.run("history", "erase", stdin=b"y\n").code == 2
    found, shown = asked(["history", "erase", "--config", sent.file], typed)
    assert (found, b"Destroy for good what is kept of" in shown) == (code, True)
    assert sent.run("history", "show", period(sent)).code == (2 if code == 0 else 0)


def test_prune(sent: Site) -> None:
    """What is older than the days that are configured, or said, is removed; what is needed stays; the chain holds."""
    with sent.books() as store:
        now = datetime.now(UTC)
        for age in (500, 450, 60):
            store.record_refusal(NAME, f"20{age // 10}-01", ["consent-undecided"], at=now - timedelta(days=age))
    assert sent.run("history", "prune").text == "Removed entries: 2.\n"
    sent.configure(retention_days=30)
    assert sent.run("history", "prune", "--keep-days", "90").text == "Removed entries: 0.\n"
    assert sent.run("history", "prune").text == "Removed entries: 1.\n"
    kinds = [entry["kind"] for entry in sent.history()]
    assert kinds == ["consent", "report", "attempt", "receipt"]
    assert sent.run("history", "verify").code == 0


@pytest.mark.parametrize("days", ["0", "-1", "many", "99999999"])
def test_days_that_are_none(site: Site, days: str) -> None:
    """Days to keep are a number of days."""
    assert site.run("history", "prune", "--keep-days", days).code == 2


def test_verify_a_whole_history(sent: Site) -> None:
    """A whole history is told with the digest of its newest entry, to be noted elsewhere."""
    done = sent.run("history", "verify")
    assert (done.code, done.err) == (0, b"")
    assert done.text == f"Entries: 4\nsha256 {sent.history()[-1]['digest']}\n"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET details = replace(details, '200', '201') WHERE number = 4",
        "UPDATE entries SET at = '2026-01-01T00:00:00.000000+00:00' WHERE number = 2",
        "DELETE FROM entries WHERE number = 3",
        "DELETE FROM entries WHERE number = 4",
        "UPDATE periods SET body = x'00'",
    ],
)
def test_verify_finds_what_was_changed(sent: Site, statement: str) -> None:
    """An entry that was edited or removed, and bytes that were changed, are found, with exit code 6."""
    with closing(sqlite3.connect(sent.store)) as database:
        database.execute(statement)
        database.commit()
    done = sent.run("history", "verify")
    assert done.code == 6
    assert "[history-broken]" in done.error
    assert len(done.text.splitlines()) > 2
    assert_no_trace(done.out + done.err, TOKEN)


@pytest.mark.parametrize(
    "words", [["list"], ["export"], ["verify"], ["show", "2026-08"], ["erase", "--yes"], ["prune"]]
)
def test_a_foreign_database(site: Site, words: list[str]) -> None:
    """A database of somebody else is refused and left alone."""
    with closing(sqlite3.connect(site.store)) as database:
        database.execute("CREATE TABLE people (name TEXT)")
    before = site.store.read_bytes()
    done = site.run("history", *words)
    assert (done.code, done.out) == (6, b"")
    assert "[store-foreign]" in done.error
    assert site.store.read_bytes() == before


def test_a_consent_that_was_tampered_with(site: Site) -> None:
    """A yes whose scope somebody widens in the database lets nothing out, and is found."""
    site.agree("--scope", "app")
    with closing(sqlite3.connect(site.store)) as database:
        database.execute("""UPDATE entries SET details = replace(details, '["app"]', '["app","usage"]')""")
        database.commit()
    for words in (["send"], ["send", "--dry-run"], ["preview"], ["status"], ["history", "verify"]):
        done = site.run(*words)
        assert done.code == 6
        assert done.error
    assert site.collector.count == 0


def test_a_label_is_told_whole(site: Site) -> None:
    """A label is never cut, however long; digests are, and a line holds no structure as JSON."""
    label = "x" * 70
    site.agree("--by", label)
    site.run("send")
    text = site.run("history", "list").text
    assert f"by={label}" in text
    assert "{" not in text
    assert len(text.splitlines()) == len(site.history())
