"""``opt-in`` and ``opt-out``: what is shown before a yes, what is recorded, and what a no does."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from canaries import assert_no_trace
from collector import Collector, hold, reply
from commands import Cli, asked, command, environment, without
from rc_stats.catalogue import load_catalogue
from rc_stats.configuration import load
from rc_stats.policy import load_policy
from rc_stats.service import reporter_of
from sites import NAME, SEATS, SECRET, TOKEN, Site, document


@pytest.fixture
def site(tmp_path: Path, cli: Cli) -> Iterator[Site]:
    """Return a configured workspace that nobody has agreed for."""
    with Collector(tmp_path) as collector:
        yield Site(tmp_path, collector, cli)


# What is shown.


def test_a_yes_comes_after_a_look(site: Site) -> None:
    """Before a yes stands what would be sent, value by value, to whom, where that is, and what changed."""
    site.configure(collector=None)
    text = site.agree().text
    recipient = load_policy().recipient
    words = " ".join(text.split())
    assert words.startswith("This is what a yes would send: ")
    for expected in (recipient.name, recipient.country, recipient.url, "There was none before."):
        assert expected in words
    for company in recipient.subprocessors:
        assert f"{company.name} ({', '.join(company.locations) or 'the policy names no country'})" in words
    shown = site.run("preview", "--format", "json").data
    for section in shown["sections"]:
        for row in section["rows"]:
            assert row["path"] in text
    assert text.splitlines()[-3].startswith("Recorded: granted for usage,app, in profile standard or coarser")


def test_a_collector_of_ones_own_is_named_as_such(site: Site) -> None:
    """Another recipient is shown under its own name and address, not under the policy's."""
    words = " ".join(site.agree().text.split())
    assert f"The configured collector at 127.0.0.1, this machine, {site.collector.url}" in words
    assert load_policy().recipient.name not in words.partition("Who gets it")[2]


def test_what_would_still_close_the_gate(site: Site) -> None:
    """Where even a yes would send nothing, the offer says so first and names the rule, and the yes is recorded."""
    site.configure(workspace="unregistered")
    text = site.agree().text
    assert text.startswith("Even after a yes nothing would be sent: this workspace is not registered.")
    assert "[workspace-unregistered, " in text
    assert site.status()["consent"]["state"] == "granted"


def changes(site: Site, *words: object) -> str:
    """Return what the offer says of changes since the last yes."""
    text = " ".join(site.agree(*words).text.split())
    return text.partition("What changed since the last yes ")[2].partition(" Recorded: ")[0]


def test_nothing_changed(site: Site) -> None:
    """The second look at the same says that nothing changed, also after an opt-out in between."""
    site.agree()
    assert changes(site) == "Nothing."
    site.run("opt-out")
    assert changes(site) == "Nothing."


def test_a_finer_profile_is_told(site: Site) -> None:
    """A finer profile than the one agreed to is told; a coarser one is covered."""
    site.agree()
    site.configure(profile="exact")
    assert "The profile is finer: exact." in changes(site)
    site.configure(profile="strict")
    assert "finer" not in changes(site)


def test_another_recipient_is_told(site: Site) -> None:
    """Another recipient than the one agreed to is told."""
    site.agree()
    site.configure(collector="https://stats.example.org/")
    assert changes(site) == "The recipient is another one."


def test_another_policy_is_told(site: Site) -> None:
    """A policy of another date than the one agreed to is told, with its date."""
    site.agree()
    with site.books() as store:
        store.record_consent(NAME, replace(store.consent(NAME), policy_date=date(2020, 1, 1)))
    assert site.run("send").code == 3
    assert changes(site) == f"The policy is another one: that of {load_policy().effective.isoformat()}."
    assert site.run("send").code == 0


def test_a_grown_catalogue_is_told(site: Site) -> None:
    """Metrics that were added, made finer or taken out since the last yes are each named, with what they say."""
    words = ("--catalogue", "example-app")
    other = SEATS.replace("exampleApp.seats", "exampleApp.desks").replace("seats", "desks")
    third = SEATS.replace("exampleApp.seats", "exampleApp.rooms")
    site.third_party(SEATS, third)
    site.write(document(exampleApp={"seats": 12, "desks": 3, "rooms": 4}))
    site.agree(*words, "--scope", "app")
    site.third_party(SEATS.replace("maximum = 1000", "maximum = 2000"), other)
    assert site.run("send", *words).code == 0, "what was agreed to and still means the same may go"
    told = changes(site, *words, "--scope", "app")
    assert "3 metrics:" in told
    assert "exampleApp.desks, new: How many desks the example app has." in told
    assert "exampleApp.seats, finer or otherwise changed: How many seats the example app has." in told
    assert "exampleApp.rooms, no longer sent." in told


# What is recorded.


def test_scope_and_label_are_recorded(site: Site) -> None:
    """What is recorded is the scope and who decided; the label is told here and goes nowhere."""
    site.agree("--scope", "account,usage", "--by", SECRET)
    consent = site.status()["consent"]
    assert (consent["scope"], consent["by"]) == (["account", "usage"], SECRET)
    site.run("send")
    assert_no_trace(site.collector.received[0].raw, SECRET)


@pytest.mark.parametrize("scope", ["", "everything", "usage,tracking", TOKEN])
def test_a_scope_that_is_none(site: Site, scope: str) -> None:
    """A scope that names anything else is wrong usage, and nothing is recorded."""
    done = site.run("opt-in", "--yes", "--scope", scope)
    assert (done.code, done.out) == (2, b"")
    assert "[scope]" in done.error
    assert_no_trace(done.err, TOKEN)
    assert not site.store.exists()


def test_without_a_terminal_nobody_is_asked(site: Site) -> None:
    """Without a terminal and without --yes it is wrong usage, and nothing is read or recorded."""
    site.source.unlink()
    done = site.run("opt-in", stdin=b"y\n")
    assert (done.code, done.out) == (2, b"")
    assert "--yes" in done.error
    assert not site.store.exists()


@pytest.mark.parametrize("content", [None, b"", b'{"octopus-ltd": 1'])
def test_an_unreadable_source(site: Site, content: bytes | None) -> None:
    """Nobody agrees to what can't be shown: without a readable source nothing is recorded, with exit code 4."""
    site.source.unlink() if content is None else site.write(content)
    done = site.run("opt-in", "--yes")
    assert (done.code, done.out) == (4, b"")
    assert_no_trace(done.err, SECRET)
    assert site.history() == []


@pytest.mark.parametrize(
    ("typed", "code", "state"),
    [(b"y\n", 0, "granted"), (b"n\n", 3, "undecided"), (b"\n", 3, "undecided"), (b"\x04", 1, "undecided")],
    ids=["yes", "no", "enter", "end"],
)
def test_the_question(site: Site, typed: bytes, code: int, state: str) -> None:
    """On a terminal the admin is asked after the look; only a yes is recorded, and no is the default."""
    found, shown = asked(["opt-in", "--config", site.file], typed, NO_COLOR="1")
    text = shown.decode().replace("\r\n", "\n")
    assert found == code
    assert text.startswith("This is what a yes would send: ")
    assert "Share this with The configured collector at 127.0.0.1 from now on? [y/N]" in text
    assert ("Recorded: " in text) == (state == "granted")
    assert "\x1b" not in text
    assert site.status()["consent"]["state"] == state


# No.


def test_a_no_before_any_yes(site: Site) -> None:
    """An opt-out before any yes is a no that is kept, without a source, and not a withdrawal."""
    site.source.unlink()
    done = site.run("opt-out", "--by", SECRET)
    assert (done.code, done.err) == (0, b"")
    assert done.text.startswith("Recorded: declined")
    assert [entry["details"]["state"] for entry in site.history()] == ["declined"]


def test_a_yes_is_taken_back(site: Site) -> None:
    """An opt-out after a yes is a withdrawal; a second one changes nothing of it."""
    site.agree()
    for _ in range(2):
        assert site.run("opt-out").text.startswith("Recorded: withdrawn")
    assert site.status()["consent"]["state"] == "withdrawn"


def test_a_pause(site: Site) -> None:
    """A pause leaves the yes standing, destroys what waits, names its end, and ends with a new yes."""
    site.agree()
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    site.run("send")
    until = datetime.now(UTC).date() + timedelta(days=20)
    done = site.run("opt-out", "--until", until.isoformat())
    assert done.code == 0
    assert f"nothing leaves before {until.isoformat()} 00:00:00 UTC" in done.text
    assert "[consent-restricted]" in (closed := site.run("send")).error
    status = site.status()
    assert (closed.code, status["consent"]["state"], status["pending"]) == (3, "granted", [])
    site.agree()
    assert site.status()["consent"]["restricted_until"] is None


@pytest.mark.parametrize("until", ["2001-01-01", "yesterday", "", "2101-01-01"])
def test_a_pause_that_is_none(site: Site, until: str) -> None:
    """A pause that has ended already, or has no end that can be read, is wrong usage and changes nothing."""
    site.agree()
    done = site.run("opt-out", "--until", until)
    assert (done.code, done.out) == (2, b"")
    assert done.error
    assert [entry["kind"] for entry in site.history()] == ["consent"]


def test_a_pause_without_a_yes(site: Site) -> None:
    """There is nothing to pause before a yes."""
    done = site.run("opt-out", "--until", "2099-01-01")
    assert done.code == 2
    assert "[restriction]" in done.error


def test_a_request_under_way(site: Site) -> None:
    """An opt-out is recorded at once; if a request isn't over after the wait, one line says so, with exit code 6."""
    site.agree()
    release = threading.Event()
    site.collector.then(hold(release))
    codes: list[int] = []
    sending = threading.Thread(target=lambda: codes.append(sent(site)))
    sending.start()
    try:
        site.collector.wait_for(1)
        done = site.run("opt-out", "--wait", "0.2")
        assert done.code == 6
        assert done.text.startswith("Recorded: withdrawn")
        assert "[still-under-way]" in done.error
        assert site.status()["consent"]["state"] == "withdrawn"
    finally:
        release.set()
        sending.join(60)
    assert codes == [0]
    assert site.run("opt-out", "--wait", "20").code == 0
    assert [entry["kind"] for entry in site.history()][-3:] == ["discard", "receipt", "consent"]
    assert site.run("send").code == 3
    assert site.collector.count == 1


def sent(site: Site) -> int:
    """Send as another instance would, in a thread of its own."""
    with (reporter := reporter_of(load(site.file, {}))).store:
        return reporter.send_once().exit_code


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process can't be interrupted like this")
def test_an_interrupt_ends_the_wait(site: Site) -> None:
    """The no is told before the wait for a request under way, and an interrupt ends that wait and nothing else."""
    site.agree()
    release = threading.Event()
    site.collector.then(hold(release))
    sending = threading.Thread(target=sent, args=(site,))
    sending.start()
    try:
        site.collector.wait_for(1)
        words = [*command(), "opt-out", "--wait", "40", "--config", str(site.file)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            assert running.stdout is not None
            assert running.stdout.readline().startswith(b"Recorded: withdrawn")
            assert running.stdout.readline().startswith(b"Store: ")
            running.send_signal(signal.SIGINT)
            rest, error = running.communicate(timeout=60)
        assert (running.returncode, rest, error.strip()) == (1, b"", b"rc-stats: Interrupted.")
        assert site.status()["consent"]["state"] == "withdrawn"
    finally:
        release.set()
        sending.join(60)


# Which store.


def test_the_store_is_named(site: Site) -> None:
    """A yes and a no say which store they are kept in, and whether it was made for them."""
    line = f"Store: {site.store}"
    assert f"{line} (made just now)" in site.agree().text.splitlines()
    assert line in site.agree().text.splitlines()
    assert line in site.run("opt-out").text.splitlines()
    site.configure(store="sqlite:///other.sqlite3")
    lines = site.run("opt-out").text.splitlines()
    assert f"Store: {site.directory / 'other.sqlite3'} (made just now)" in lines
    assert lines[-1] == "A yes that is kept in another store still stands."


# Catalogues of others.

OTHER = ("--catalogue", "example-app")


@pytest.fixture
def both(site: Site) -> Site:
    """Return a workspace that has agreed to the packaged catalogue and to another one."""
    site.third_party(SEATS)
    site.agree()
    assert site.agree(*OTHER).text.endswith("rc-stats opt-out --catalogue example-app\n")
    return site


def states(site: Site) -> list[str]:
    """Return where the consents of ours and of the other catalogue stand."""
    with site.books() as store:
        return [store.consent(name).state for name in (NAME, "example-app")]


@pytest.mark.parametrize("what", ["broken", "missing", "not configured"])
def test_a_catalogue_that_is_gone(both: Site, what: str) -> None:
    """A yes to another's catalogue can be taken back when that is broken, missing or no longer configured."""
    own = both.directory / "own.toml"
    if what == "broken":
        own.write_text("broken = ", encoding="utf-8")
    elif what == "missing":
        own.unlink()
    else:
        both.configure(catalogues=None)
    done = both.run("opt-out", *OTHER)
    assert (done.code, done.err) == (0, b"")
    assert states(both) == ["granted", "withdrawn"]
    assert f"Still agreed to: {NAME}. " in done.text


def test_others_are_named(both: Site) -> None:
    """A no to one catalogue names the others that stay agreed to, and how to end that; then it ends, with one word."""
    done = both.run("opt-out")
    assert "Still agreed to: example-app. To end that too: rc-stats opt-out --all\n" in done.text
    assert states(both) == ["withdrawn", "granted"]
    both.configure(catalogues=["missing.toml"])
    done = both.run("opt-out", "--all")
    assert (done.code, done.err) == (0, b"")
    assert "Still agreed to" not in done.text
    assert states(both) == ["withdrawn", "withdrawn"]
    assert "Still agreed to" not in both.run("opt-out").text


def test_all_can_be_paused(both: Site) -> None:
    """A pause of all is one of each yes; where one was taken back it stays so."""
    both.run("opt-out")
    assert both.run("opt-out", "--all", "--until", "2099-01-01").code == 0
    assert states(both) == ["withdrawn", "granted"]
    with both.books() as store:
        assert store.consent("example-app").restricted_until is not None


def test_all_before_any_yes(site: Site) -> None:
    """A no to all before any yes is a no to the packaged catalogue; there is nothing to pause."""
    assert site.run("opt-out", "--all", "--until", "2099-01-01").code == 2
    assert site.run("opt-out", "--all").text.startswith(f"Recorded of {NAME}: declined")


@pytest.mark.parametrize("name", ["octopus-ltd", "", "a\nb", "\udcff"])
def test_a_catalogue_that_nobody_knows(site: Site, name: str) -> None:
    """A name that is neither in the store nor configured is refused, and no store is made for it."""
    done = site.run("opt-out", "--catalogue", name)
    assert (done.code, done.out) == (2, b"")
    assert done.error
    assert_no_trace(done.err, SECRET)
    assert not site.store.exists()
    assert site.run("opt-out", "--all", "--catalogue", NAME).code == 2


def test_a_no_to_a_catalogue_without_a_yes(site: Site) -> None:
    """A configured catalogue can be declined before anybody agreed to it."""
    site.third_party(SEATS)
    assert site.run("opt-out", *OTHER).text.startswith("Recorded: declined")


def test_a_no_where_the_history_is_damaged(both: Site) -> None:
    """A no to one catalogue is taken where the history can't be read, and a damaged yes is still named."""
    with closing(sqlite3.connect(both.store)) as connection, connection:
        connection.execute("UPDATE entries SET details = '{}' WHERE catalogue = 'example-app'")
    assert "Still agreed to: example-app." in both.run("opt-out").text
    with closing(sqlite3.connect(both.store)) as connection, connection:
        connection.execute("UPDATE entries SET catalogue = x'00' WHERE number = 1")
    assert both.run("opt-out", *OTHER).text.startswith("Recorded: ")
    assert (both.run("opt-out", "--all").code, both.run("opt-out").code) == (6, 0)


@pytest.mark.parametrize("wait", ["-1", "soon", "3601"])
def test_a_wait_that_is_none(site: Site, wait: str) -> None:
    """A wait is a number of seconds up to an hour."""
    assert site.run("opt-out", "--wait", wait).code == 2


def test_an_opt_out_needs_next_to_nothing(site: Site) -> None:
    """An admin can opt out while source, certificates, credentials, catalogues and the extra to send are missing."""
    site.agree()
    site.configure(
        source="https://127.0.0.1:9/", certificates="missing.pem", credentials="missing", catalogues=["missing.toml"]
    )
    done = without("httpx2", "opt-out", "--config", str(site.file))
    assert (done.code, done.err) == (0, b"")
    assert site.run("send").code in (2, 3)
    assert site.history()[-1]["details"]["state"] == "withdrawn"


def test_the_default_catalogue_is_ours(site: Site) -> None:
    """Without a name it is the packaged catalogue that is agreed to."""
    site.third_party(SEATS)
    site.agree()
    assert site.status()["catalogue"]["name"] == load_catalogue().name
    assert site.status("--catalogue", "example-app")["consent"]["state"] == "undecided"
