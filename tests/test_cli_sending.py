"""``send`` and ``run``: what was shown is what arrives, once for each period, or nothing."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from canaries import assert_no_trace
from collector import Collector, Identity, hold, redirect, reply
from commands import Cli, Done, environment, without
from rc_stats.policy import load_policy
from sites import NAME, SEATS, SECRET, Site, document
from stores import empty


@pytest.fixture
def site(tmp_path: Path, cli: Cli) -> Iterator[Site]:
    """Return a configured workspace that nobody has agreed for."""
    with Collector(tmp_path) as collector:
        yield Site(tmp_path, collector, cli)


def parts(done: Done) -> tuple[list[str], bytes]:
    """Return the head and the body of what ``send --dry-run`` printed."""
    head, _, body = done.out.partition(b"\n\n")
    return head.decode().splitlines(), body


def test_what_was_shown_is_what_arrives(site: Site) -> None:
    """The bytes of preview, dry run, collector and history are the same, and so is the head of the request."""
    site.agree()
    shown = site.run("preview", "--format", "payload", "--envelope")
    head, body = parts(site.run("send", "--dry-run"))
    assert (shown.code, shown.out) == (0, body)
    assert shown.err.decode().splitlines() == head
    done = site.run("send")
    assert (done.code, done.err) == (0, b"")
    (received,) = site.collector.received
    period = json.loads(body)["period"]
    assert body == received.body == site.run("history", "show", period).out
    assert received.line == "POST / HTTP/1.1"
    assert head == [f"POST {site.collector.url}", *(f"{name}: {value}" for name, value in received.headers)]


def test_the_same_on_a_server(site: Site) -> None:
    """With PostgreSQL as the store the way from a yes to the history, and to a no, is the same."""
    with empty("postgresql", "command_line") as database:
        site.configure(store=str(database.url))
        site.agree()
        shown = site.run("preview", "--format", "payload").out
        assert site.run("send").code == 0
        (received,) = site.collector.received
        assert shown == received.body == site.run("history", "show", json.loads(shown)["period"]).out
        assert site.run("opt-out").code == 0
        assert (site.run("send").code, site.run("history", "verify").code) == (3, 0)
        assert [entry["kind"] for entry in site.history()] == ["consent", "report", "attempt", "receipt", "consent"]


def test_looking_changes_no_server(site: Site) -> None:
    """Every verb that only looks leaves a database as it was, where there is no store in it yet."""
    with empty("postgresql", "command_line") as database:
        site.configure(store=str(database.url))
        looks = [["preview"], ["status"], ["send", "--dry-run"], ["history", "list"], ["history", "export"]]
        assert [site.run(*look).code for look in looks] == [3, 3, 3, 0, 0]
        assert database.run("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'rc_stats'") == []


def test_a_dry_run_changes_nothing(site: Site) -> None:
    """A dry run sends nothing and records nothing; before there is a store it doesn't make one."""
    done = site.run("send", "--dry-run")
    assert (done.code, done.out) == (3, b"")
    assert "[consent-undecided]" in done.error
    assert not site.store.exists()
    site.agree()
    before = site.history()
    assert site.run("send", "--dry-run").code == 0
    assert (before, 0) == (site.history(), site.collector.count)


def test_each_period_is_sent_once(site: Site) -> None:
    """A second call sends nothing, says so, and is no failure; a dry run then has nothing to show."""
    site.agree()
    assert site.run("send").code == 0
    site.write(document(totalChannels=999))
    again = site.run("send")
    assert (again.code, again.err) == (0, b"")
    assert "was sent" in again.text
    dry = site.run("send", "--dry-run")
    assert (dry.code, dry.out) == (3, b"")
    assert "[already-sent]" in dry.error
    assert site.collector.count == 1


@pytest.mark.parametrize("was_sent", [False, True])
def test_after_an_opt_out_the_gate_is_closed(site: Site, was_sent: bool) -> None:
    """After an opt-out nothing is sent and the exit code says so, whether there was a report before or not."""
    site.agree()
    if was_sent:
        site.run("send")
    assert site.run("opt-out").code == 0
    for words in (["send"], ["send", "--dry-run"]):
        done = site.run(*words)
        assert (done.code, done.out) == (3, b"")
        assert "[consent-withdrawn]" in done.error
    assert site.collector.count == was_sent


def test_undecided_is_no(site: Site) -> None:
    """Without any decision nothing is sent, and the refusal is noted once."""
    for _ in range(2):
        done = site.run("send")
        assert (done.code, done.out) == (3, b"")
        assert "[consent-undecided]" in done.error
    assert site.collector.count == 0
    assert [entry["kind"] for entry in site.history()] == ["refusal"]


CLOSING: Final[dict[str, dict[str, object]]] = {
    "switch-rc-stats": {},
    "workspace-unregistered": {"workspace": None},
    "workspace-disagreement": {"workspace": "hosted"},
    "recipient-other": {"collector": "https://127.0.0.1:9/"},
    "recipient-country": {"countries": ["Germany"]},
    "profile-finer": {"profile": "exact"},
    "objection-unknown": {"objections": ["Nobody Ltd"]},
}


@pytest.mark.parametrize("code", CLOSING)
def test_what_closes_the_gate(site: Site, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What the admin changes after a yes closes the gate for send and for a dry run, and the answer names it."""
    site.agree()
    site.configure(**CLOSING[code])
    if code == "switch-rc-stats":
        monkeypatch.setenv("RC_STATS_DISABLE", "1")
    for words in (["send"], ["send", "--dry-run"]):
        done = site.run(*words)
        assert (done.code, done.out) == (3, b"")
        assert f"[{code}]" in done.error
    assert site.collector.count == 0


def test_an_objection_names_the_company(site: Site) -> None:
    """An objection to a company that the policy's recipient works with closes the gate and names it."""
    company = load_policy().recipient.subprocessors[0].name
    site.configure(collector=None, objections=[company.upper()])
    site.agree()
    done = site.run("send")
    assert done.code == 3
    assert "[recipient-objection]" in done.error
    assert company in done.error


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_ends_the_period(site: Site, status: int) -> None:
    """What the recipient refuses for good is exit code 5, and isn't tried again by the next call."""
    site.agree()
    site.collector.then(reply(status, body=SECRET.encode()))
    done = site.run("send")
    assert (done.code, done.out) == (5, b"")
    assert f"status {status}" in done.error
    assert_no_trace(done.err, SECRET)
    again = site.run("send")
    assert again.code == 0
    assert "refused by the recipient" in again.text
    assert site.collector.count == 1


def test_a_redirect_is_not_followed(site: Site) -> None:
    """A redirect is exit code 5 and goes nowhere."""
    site.agree()
    site.collector.then(redirect(site.collector.url))
    assert "[transport-redirect]" in (done := site.run("send")).error
    assert (done.code, site.collector.count) == (5, 1)


def test_what_could_not_be_delivered_goes_first(site: Site) -> None:
    """After a passing failure the very bytes are kept, shown by a dry run, and sent by the next call."""
    site.agree()
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    done = site.run("send")
    assert done.code == 5
    assert "[transport-status]" in done.error
    site.write(document(totalChannels=999))
    (pending,) = site.status()["pending"]
    assert pending["attempts"] == 1
    kept = parts(site.run("send", "--dry-run"))[1]
    assert site.run("send").code == 0
    first, second = site.collector.received
    assert first.raw == second.raw
    assert (kept, pending["bytes"]) == (first.body, len(first.body))
    assert site.status()["pending"] == []


def test_an_opt_out_destroys_what_was_not_delivered(site: Site) -> None:
    """What waits to be tried again is gone after an opt-out, and a later yes doesn't bring it back."""
    site.agree()
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    site.run("send")
    assert site.run("opt-out").code == 0
    assert site.status()["pending"] == []
    site.agree()
    again = site.run("send")
    assert again.code == 0
    assert "given up" in again.text
    assert site.collector.count == 1


@pytest.mark.parametrize(
    ("change", "code", "rule"),
    [
        ({"source": "missing.json"}, 4, "unreadable"),
        ({"source": "."}, 4, "unreadable"),
        ({"source": None}, 2, "no-source"),
        ({"source": "https://127.0.0.1:9/"}, 2, "live-credentials"),
        ({"certificates": "statistics.json"}, 2, "certificates"),
        ({"certificates": None}, 5, "transport-tls"),
        ({"store": "missing/store.sqlite3"}, 6, "store-unreachable"),
        ({"store": "statistics.json"}, 6, "store-corrupt"),
        ({"store": "postgresql://rc:token-4711-squid@127.0.0.1:9/none"}, 6, "store-unreachable"),
        ({"workspace": "rented"}, 2, "configuration"),
        ({"catalogues": ["missing.toml"]}, 4, "unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unusable(site: Site, change: dict[str, object], code: int, rule: str) -> None:
    """A source, certificate, store or configuration that can't be used is one line with its exit code and no secret."""
    site.agree()
    site.configure(**change)
    done = site.run("send")
    assert done.code == code
    assert f"[{rule}]" in done.error
    assert_no_trace(done.err, "token-4711-squid")
    if rule != "transport-tls":
        assert site.collector.count == (rule == "unreadable" and "catalogues" in change)


@pytest.mark.parametrize("content", [b"", b'{"octopus-ltd": "octopus-ltd"', b"[]", b'"octopus-ltd"', b"\xff"])
def test_a_source_that_is_no_document(site: Site, content: bytes) -> None:
    """A source that holds no document is exit code 4, named by rule and not by what is in it."""
    site.agree()
    site.write(content)
    done = site.run("send")
    assert done.code == 4
    assert_no_trace(done.err, SECRET)
    assert site.collector.count == 0


def test_another_instance_at_work(site: Site) -> None:
    """While another instance holds the lease nothing is sent here, and that is no failure."""
    site.agree()
    with site.books() as store:
        lease = store.lease(NAME, seconds=60)
        assert lease is not None
        done = site.run("send")
        assert (done.code, done.text) == (0, "Another instance is sending at this moment.\n")
        store.release(lease)
    assert site.collector.count == 0
    assert site.run("send").code == 0


def test_an_unknown_authority(site: Site, tmp_path: Path) -> None:
    """A recipient whose identity can't be verified gets nothing."""
    with Collector(tmp_path, identity=Identity.UNKNOWN) as stranger:
        site.configure(collector=stranger.url, certificates=str(stranger.certificates))
        site.agree()
        assert "[transport-tls]" in (done := site.run("send")).error
        assert (done.code, stranger.received) == (5, ())


# Catalogues of others.


def test_each_catalogue_has_a_yes_of_its_own(site: Site) -> None:
    """A third party's catalogue is sent with a yes of its own, as a payload of its own, and withdrawn on its own."""
    site.third_party(SEATS)
    site.write(document(exampleApp={"seats": 12}))
    site.agree()
    only_ours = site.run("send")
    assert only_ours.code == 0
    assert "[consent-undecided]" in only_ours.error
    site.agree("--catalogue", "example-app", "--scope", "app")
    dry = parts(site.run("send", "--dry-run", "--catalogue", "example-app"))[1]
    assert site.run("send").code == 0
    ours, theirs = site.collector.received
    assert dry == theirs.body
    assert json.loads(theirs.body)["statistics"] == {"exampleApp": {"seats": 12}}
    assert b"exampleApp" not in ours.body
    assert theirs.body == site.run("history", "show", json.loads(dry)["period"], "--catalogue", "example-app").out
    assert site.run("opt-out", "--catalogue", "example-app").code == 0
    assert site.status()["consent"]["state"] == "granted"
    assert site.status("--catalogue", "example-app")["consent"]["state"] == "withdrawn"
    assert {entry["catalogue"] for entry in site.history("--catalogue", "example-app")} == {"example-app"}
    assert site.run("send", "--catalogue", "example-app").code == 3


@pytest.mark.parametrize("words", [["send"], ["send", "--dry-run"]], ids=" ".join)
def test_a_broken_catalogue_holds_up_no_other(site: Site, words: list[str]) -> None:
    """Ours is sent although another's catalogue is broken, and the exit code tells of that."""
    site.third_party(SEATS.replace('unit = "seats"', 'unit = ""'))
    site.agree()
    done = site.run(*words)
    assert done.code == 4
    assert "needs a unit" in done.error
    assert done.out
    assert site.collector.count == ("--dry-run" not in words)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("totalUsers", "exampleApp.seats", "totalUsers"),
        ("uniqueId.length", "exampleApp.seats", "uniqueId.length"),
        ("os", "exampleApp.seats", "os"),
    ],
)
def test_a_catalogue_of_others_loosens_nothing(site: Site, path: str, old: str, new: str) -> None:
    """What the packaged catalogue speaks of, another's can't let out in its own way, above it or below it."""
    site.third_party(SEATS.replace(old, new))
    done = site.run("opt-in", "--yes", "--catalogue", "example-app")
    assert done.code == 4
    assert f"metric {path}: the packaged catalogue says what becomes of it" in done.error


def test_a_name_that_is_taken(site: Site) -> None:
    """A catalogue can't take the place of ours by its name."""
    site.third_party(SEATS, **{'"example-app"': f'"{NAME}"'})
    assert "is taken" in (done := site.run("send", "--dry-run")).err.decode()
    assert done.code == 4


@pytest.mark.parametrize(
    ("verb", "helps"),
    [
        (["opt-in", "--yes"], NAME),
        (["opt-out"], "rc-stats history export"),  # One that was agreed to can be withdrawn, configured or not.
        (["status"], NAME),
        (["send"], NAME),
        (["run"], NAME),
    ],
    ids=str,
)
def test_a_catalogue_that_is_not_configured(site: Site, verb: list[str], helps: str) -> None:
    """The name of a catalogue that is not configured is wrong usage, and the answer says where names are found."""
    done = site.run(*verb, "--catalogue", "octopus-ltd")
    assert (done.code, done.out) == (2, b"")
    assert "[catalogue]" in done.error
    assert helps in done.error


# run


@contextmanager
def running(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daily job as a process of its own, with the random minute at once instead of within a day."""
    code = (
        "import secrets\n"
        "secrets.randbelow = lambda _: 0\n"
        "from rc_stats.__main__ import main\n"
        "raise SystemExit(main())\n"
    )
    words = [sys.executable, "-c", code, "run", "--config", str(site.file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment()) as job:
        try:
            yield job
        finally:
            job.kill()


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_run_sends_and_ends_cleanly(site: Site) -> None:
    """The job sends what it should, ends with exit code 0 on SIGTERM, and its log holds no value and no traceback."""
    site.agree("--by", SECRET)
    release = threading.Event()
    site.collector.then(hold(release))
    with running(site) as job:
        site.collector.wait_for(1)
        job.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert job.poll() is None, "a request that has begun is finished"
        release.set()
        out, err = job.communicate(timeout=60)
    assert (job.returncode, out) == (0, b"")
    assert "ended" in err.decode().splitlines()[-1]
    assert "Traceback" not in err.decode()
    assert_no_trace(err, SECRET)
    assert [entry["kind"] for entry in site.history()] == ["consent", "report", "attempt", "receipt"]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_run_ends_on_an_interrupt(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt ends the job as SIGTERM does, and the handlers of signals and of the log are as before."""
    monkeypatch.setattr("secrets.randbelow", lambda _: 0)
    site.agree()
    before = signal.getsignal(signal.SIGTERM), list(logging.getLogger("rc_stats").handlers)

    ended = threading.Event()

    def interrupt() -> None:
        try:
            site.collector.wait_for(1)
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    done = site.run("run")
    ended.set()
    interrupting.join()
    assert (done.code, done.out) == (0, b"")
    assert before == (signal.getsignal(signal.SIGTERM), logging.getLogger("rc_stats").handlers)
    assert site.history()[-1]["kind"] == "receipt"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_run_prunes(site: Site) -> None:
    """The job removes at once what is kept for longer than is configured, and nothing younger."""
    site.configure(retention_days=30)
    with site.books() as store:
        for days in (31, 29):
            store.record_refusal(NAME, "2020-01", [f"drift-{days}"], at=datetime.now(UTC) - timedelta(days=days))
    site.agree()
    with running(site) as job, site.books() as store:
        deadline = time.monotonic() + 60
        while not any(entry.kind == "prune" for entry in store.history()) and time.monotonic() < deadline:
            time.sleep(0.1)
        job.send_signal(signal.SIGTERM)
        job.communicate(timeout=60)
    with site.books() as store:
        assert store.verify() == ()
    codes = [entry["details"]["codes"] for entry in site.history() if entry["kind"] == "refusal"]
    assert codes == [["drift-29"]]
    (pruned,) = [json.loads(line) for line in site.run("history", "export").out.splitlines() if b'"prune"' in line]
    assert pruned["details"]["removed"] == 1


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_run_goes_on_after_a_failure(site: Site) -> None:
    """What fails is logged by its rule, of each catalogue, and the job stays until it is told to end."""
    site.third_party(SEATS)
    site.agree("--by", SECRET)
    site.write(b"octopus-ltd")
    with running(site) as job:
        assert job.stderr is not None
        log = sorted(line.split(b" ", 3)[3] for line in [job.stderr.readline() for _ in range(4)])
        job.send_signal(signal.SIGTERM)
        out, rest = job.communicate(timeout=60)
    assert (job.returncode, out) == (0, b"")
    assert all(
        word in line for line, word in zip(log, (b"not-json", b"not-json", b"pruned: 0", b"waiting"), strict=True)
    )
    assert_no_trace(b"".join(log) + rest, SECRET)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"certificates": "statistics.json"}, 2),
        ({"catalogues": ["missing.toml"]}, 4),
        ({"store": "statistics.json"}, 6),
    ],
)
def test_run_says_at_once_what_is_wrong(site: Site, change: dict[str, object], code: int) -> None:
    """A job that could never send ends at the start, with the exit code of what is wrong."""
    site.configure(**change)
    done = site.run("run")
    assert (done.code, done.out) == (code, b"")
    assert done.error


@pytest.mark.parametrize("verb", ["send", "run"])
def test_without_the_extra_for_sending(site: Site, verb: str) -> None:
    """Where the extra for sending is not installed, it is named, and nothing is frozen."""
    site.agree()
    done = without("httpx2", verb, "--config", str(site.file))
    assert (done.code, done.out) == (2, b"")
    assert "pip install 'rc-stats[http]'" in done.error
    assert [entry["kind"] for entry in site.history()] == ["consent"]
