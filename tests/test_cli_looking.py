"""``preview`` of a configured or a live workspace: what it takes into account, and what it doesn't load or touch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from canaries import assert_no_trace
from collector import Collector, Identity, hang, redirect, reply
from commands import ROOT, Cli, Done, child, without
from rc_stats.cli import VERBS
from sites import SECRET, TOKEN, Site, document

EXAMPLE: Final = ROOT / "examples" / "statistics.json"


@pytest.fixture
def site(tmp_path: Path, cli: Cli) -> Iterator[Site]:
    """Return a configured workspace that nobody has agreed for."""
    with Collector(tmp_path) as collector:
        yield Site(tmp_path, collector, cli)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Return a live workspace that answers with its statistics, and set the credentials for it."""
    monkeypatch.setenv("RC_STATS_USER_ID", "rc")
    monkeypatch.setenv("RC_STATS_AUTH_TOKEN", TOKEN)
    answer = json.dumps({**json.loads(document()), "success": True}).encode()
    with Collector(tmp_path, usual=reply(body=answer)) as workspace:
        monkeypatch.setenv("RC_STATS_CERTIFICATES", str(workspace.certificates))
        yield workspace


# What is configured and stored.


def test_the_configured_source(site: Site) -> None:
    """Without a file the configured source is looked at; ``-`` and a name come before it."""
    assert site.run("preview", "--format", "json").data["payload"]["body"]["statistics"]["totalUsers"] == 247
    other = document(totalUsers=50)
    for words in (["-"], [str(site.directory / "other.json")]):
        (site.directory / "other.json").write_bytes(other)
        done = site.run("preview", *words, "--format", "json", stdin=other)
        assert done.data["payload"]["body"]["statistics"]["totalUsers"] == 50


def test_without_a_source_standard_input(site: Site) -> None:
    """Where no source is configured standard input is read, as without any configuration."""
    site.configure(source=None)
    done = site.run("preview", "--format", "json", stdin=document(totalUsers=50))
    assert done.data["payload"]["body"]["statistics"]["totalUsers"] == 50


def test_the_stored_yes_counts(site: Site) -> None:
    """A stored yes opens the gate for its scope, without a supposition; a stored no closes it; --opt-in still asks."""
    assert site.run("preview").code == 3
    assert not site.store.exists()
    site.agree("--scope", "app")
    done = site.run("preview", "--format", "json")
    assert (done.code, done.data["payload"]["is_hypothetical"]) == (0, False)
    assert set(done.data["payload"]["body"]["statistics"]) == {"apps"}
    site.run("opt-out")
    assert site.run("preview").code == 3
    supposed = site.run("preview", "--opt-in", "--format", "json")
    assert (supposed.code, supposed.data["payload"]["is_hypothetical"]) == (0, True)
    assert "totalUsers" in supposed.data["payload"]["body"]["statistics"]


def test_the_last_report_counts(site: Site) -> None:
    """After a report the preview shows the figures that the next report would repeat, as the reporter would."""
    site.agree()
    site.run("send")
    sent = site.collector.received[0].body
    done = site.run("preview", "--format", "payload")
    assert (done.code, done.out) == (3, b""), "for this period nothing is sent any more"
    changed = json.loads(document())
    changed["services"]["ldap"]["users"] += 20
    site.write(json.dumps(changed).encode())
    told = json.loads(sent)["statistics"]["services"]["ldap"]["users"]
    for words in ([], ["--opt-in"]):
        kept = site.run("preview", *words, "--format", "json").data["payload"]["body"]["statistics"]
        assert kept["services"]["ldap"]["users"] == told
    site.configure(store=str(site.directory / "other.sqlite3"))
    first = site.run("preview", "--opt-in", "--format", "json").data["payload"]["body"]["statistics"]
    assert first["services"]["ldap"]["users"] > told


def test_a_reported_period(site: Site) -> None:
    """Once the period was reported, a preview says that nothing would be sent, and what the document would tell."""
    site.agree()
    site.run("send")
    site.write(document(totalUsers=300))
    done = site.run("preview")
    assert done.code == 3
    assert done.text.startswith("Nothing would be sent: the report for ")
    assert "What this document would tell (a supposition: this is not sent)" in done.text
    data = site.run("preview", "--format", "json").data
    assert (data["verdict"], data["payload"]["is_hypothetical"]) == ("nothing-would-be-sent", True)
    assert "What this document would tell" in site.run("preview", "--format", "html").text
    assert "nothing is left to be sent" in site.run("diff", "--sent").text
    assert site.run("preview", "--opt-in").code == 0, "the question is another one"


def test_what_is_kept_goes_first(site: Site) -> None:
    """What is kept until it is delivered is what every face shows, byte for byte, whatever today's document says."""
    site.agree()
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    assert site.run("send").code == 5
    kept = site.collector.received[0].body
    site.write(document(totalUsers=300))
    shown = site.run("preview", "--format", "payload", "--envelope")
    assert (shown.code, shown.out) == (0, kept)
    assert shown.err.decode().startswith(f"POST {site.collector.url}\n")
    data = site.run("preview", "--format", "json").data
    assert (data["verdict"], data["payload"]["is_hypothetical"]) == ("would-be-sent", False)
    assert data["payload"]["body"] == json.loads(kept)
    told = {row["path"]: row["value"] for section in data["sections"] for row in section["rows"]}
    assert told["totalUsers"] == str(json.loads(kept)["statistics"]["totalUsers"])
    assert "kept until it is\ndelivered." in site.run("preview").text
    site.source.unlink()
    status = site.run("status")
    assert (status.code, status.text.startswith("Kept until it is delivered: the report for ")) == (0, True)
    assert site.status()["kept"]["sha256"] == data["payload"]["sha256"]
    site.run("opt-out")
    assert site.run("status").code == 3
    assert site.status()["kept"] is None


def test_options_come_before_the_configuration(site: Site) -> None:
    """What is said on the command line counts before the environment, and that before the file."""
    site.configure(profile="strict", workspace="hosted")
    data = site.run("preview", "--format", "json").data["about"]
    assert (data["profile"], data["workspace"]) == ("strict", "hosted")
    said = ["--profile", "exact", "--workspace", "registered"]
    data = site.run("preview", *said, "--format", "json").data["about"]
    assert (data["profile"], data["workspace"]) == ("exact", "registered")


def test_objections_and_countries_count(site: Site) -> None:
    """Objections, allowed countries and the configured recipient count in a preview as they do in sending."""
    site.configure(collector=None, objections=["AWS"], countries=["Germany"])
    done = site.run("preview", "--workspace", "registered", "--opt-in", "--format", "json")
    assert done.code == 3
    assert {"recipient-objection", "recipient-country"} <= {rule["code"] for rule in done.data["rules"]}
    site.configure(collector=site.collector.url, objections=None, countries=None)
    shown = site.run("preview", "--opt-in", "--envelope", "--format", "json").data["payload"]["envelope"]
    assert shown["url"] == site.collector.url


@pytest.mark.parametrize("verb", ["preview", "opt-in --yes", "opt-out", "status", "send", "run", "history list"])
def test_a_wrong_configuration(site: Site, verb: str) -> None:
    """A wrong configuration is one line with exit code 2 for each verb that reads it, and names no value."""
    site.configure(auth_token=TOKEN)
    done = site.run(*verb.split())
    assert (done.code, done.out) == (2, b"")
    assert "auth_token: there is no such key" in done.error
    assert_no_trace(done.err, TOKEN)
    missing = site.cli(*verb.split(), "--config", site.directory / TOKEN)
    assert (missing.code, missing.out) == (2, b"")
    assert_no_trace(missing.err, TOKEN)


# A live workspace.


def test_a_live_workspace(cli: Cli, live: Collector) -> None:
    """A live workspace is asked once, with the credentials in its own headers, and its answer is looked at."""
    done = cli("preview", "--url", live.url, "--workspace", "registered", "--opt-in", "--format", "json")
    assert (done.code, done.err) == (0, b"")
    assert done.data["payload"]["body"]["statistics"]["totalUsers"] == 247
    (asked,) = live.received
    assert asked.line == "GET /api/v1/statistics HTTP/1.1"
    assert (asked.header("X-User-Id"), asked.header("X-Auth-Token")) == ("rc", TOKEN)
    assert_no_trace(done.out, TOKEN)


def test_a_live_workspace_is_the_same_as_its_file(cli: Cli, live: Collector, tmp_path: Path) -> None:
    """Asked live or saved to a file first, a document gives the same bytes."""
    raw = document()
    (tmp_path / "saved.json").write_bytes(raw)
    live.usual = reply(body=json.dumps({**json.loads(raw), "success": True}).encode())
    words = ["--workspace", "registered", "--opt-in", "--format", "payload"]
    asked = cli("preview", "--url", live.url, *words)
    assert (asked.code, asked.out) == (0, cli("preview", tmp_path / "saved.json", *words).out)


def test_a_configured_live_workspace(site: Site, live: Collector) -> None:
    """A configured live source is asked by preview, opt-in and status alike; a file comes before it."""
    site.configure(source=live.url)
    for words in (["preview"], ["opt-in", "--yes"], ["status"]):
        assert site.run(*words).code in (0, 3)
    assert live.count == 3
    assert site.run("preview", EXAMPLE).code == 3
    assert live.count == 3


@pytest.mark.parametrize(
    ("status", "body", "rule"),
    [
        (401, b"octopus-ltd", "live-unauthorised"),
        (403, b"octopus-ltd", "live-forbidden"),
        (404, b"octopus-ltd", "live-not-found"),
        (418, b"octopus-ltd", "live-refused"),
        (200, b"octopus-ltd", "live-not-a-workspace"),
        (200, b'{"octopus-ltd": 1}', "live-not-a-workspace"),
    ],
)
def test_what_a_live_workspace_answers(cli: Cli, live: Collector, status: int, body: bytes, rule: str) -> None:
    """Each way of refusing is told apart, in one line without a credential and without what was answered."""
    live.usual = reply(status, body=body)
    done = cli("preview", "--url", live.url)
    assert (done.code, done.out) == (4, b"")
    assert f"[{rule}]" in done.error
    assert_no_trace(done.err, TOKEN)
    assert_no_trace(done.err, SECRET)


def test_a_redirect_leads_nowhere(cli: Cli, live: Collector) -> None:
    """A workspace that sends us elsewhere is not followed: the credentials stay with it."""
    live.then(redirect(live.url))
    assert cli("preview", "--url", live.url).code == 4
    assert live.count == 1


def test_nobody_there(cli: Cli, live: Collector, tmp_path: Path) -> None:
    """A workspace that can't be reached, or can't prove who it is, is exit code 5, and gets no credentials."""
    url = live.url
    live.close()
    assert "[live-connection]" in (gone := cli("preview", "--url", url)).error
    with Collector(tmp_path, identity=Identity.UNKNOWN, usual=hang()) as stranger:
        assert "[live-tls]" in (unknown := cli("preview", "--url", stranger.url)).error
        assert stranger.received == ()
    assert (gone.code, unknown.code) == (5, 5)


def test_credentials_of_a_file(cli: Cli, live: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials can stand in a file, which only its owner may read; without any it is wrong usage."""
    monkeypatch.delenv("RC_STATS_AUTH_TOKEN")
    missing = cli("preview", "--url", live.url)
    assert (missing.code, "[live-credentials]" in missing.error, live.count) == (2, True, 0)
    file = tmp_path / "credentials"
    file.write_text(f"user_id=rc\nauth_token={TOKEN}\n", encoding="utf-8")
    file.chmod(0o640)
    opened = cli("preview", "--url", live.url, "--credentials", file)
    assert (opened.code, "[live-credentials-file]" in opened.error, live.count) == (2, True, 0)
    file.chmod(0o600)
    assert cli("preview", "--url", live.url, "--credentials", file).code == 3
    assert live.received[0].header("X-Auth-Token") == TOKEN


@pytest.mark.parametrize("url", ["http://chat.example.org", "ftp://chat.example.org", "chat", f"https://rc:{TOKEN}@x"])
def test_a_url_that_is_none(cli: Cli, live: Collector, url: str) -> None:
    """A URL that is not secure, or is none, is one line that doesn't quote it."""
    done = cli("preview", "--url", url)
    assert done.code in (2, 5)
    assert_no_trace(done.error, TOKEN)


def test_one_document_at_a_time(cli: Cli, live: Collector) -> None:
    """A file and a live workspace at once is wrong usage."""
    assert cli("preview", EXAMPLE, "--url", live.url).code == 2
    assert live.count == 0


# What is loaded.


def loaded(arguments: list[str]) -> set[str]:
    """Return all modules that a process has loaded when the command has run."""
    code = (
        "import sys\nfrom rc_stats.__main__ import main\nmain()\nsys.stdout.flush()\n"
        "sys.stderr.write('\\n' + ' '.join(sys.modules) + '\\n')"
    )
    done = child([sys.executable, "-c", code, *arguments])
    return set(done.err.decode().splitlines()[-1].split())


HEAVY: Final = {
    *("pydantic", "pydantic_settings", "sqlalchemy", "platformdirs", "asyncio", "socket", "ssl", "logging", "sqlite3"),
    *("httpx2", "httpcore2", "stamina", "tempfile", "random", "subprocess", "rc_stats.configuration"),
    *("rc_stats.service", "rc_stats.reporter", "rc_stats.store", "rc_stats.transport", "rc_stats.live"),
}


def test_a_preview_with_nothing_configured_is_light() -> None:
    """With neither configuration nor store a preview loads nothing of what they need."""
    assert loaded(["preview", str(EXAMPLE), "--format", "json"]) & HEAVY == set()


def test_the_version_is_lighter_still() -> None:
    """Telling the version loads nothing of the command line at all."""
    found = loaded(["--version"])
    assert found & {"click", "rc_stats.cli", "rc_stats.errors", "orjson"} == set()


def test_a_verb_loads_no_other() -> None:
    """A verb loads its own module and no other verb's."""
    homes = {target.partition(":")[0] for target in VERBS.values()}
    assert loaded(["explain", "totalUsers"]) & homes == {VERBS["explain"].partition(":")[0]}


def test_a_configured_preview_is_offline(site: Site) -> None:
    """With a configuration and a store a preview still loads nothing that speaks to other machines for us."""
    site.agree()
    found = loaded(["preview", "--config", str(site.file), "--format", "json"])
    assert {"rc_stats.configuration", "rc_stats.store"} <= found
    online = {"rc_stats.transport", "rc_stats.live", "rc_stats.https", "rc_stats.reporter", "httpx2", "httpcore2"}
    assert found & (online | {"stamina"}) == set()


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("sqlalchemy", ["status"], "store"),
        ("pydantic_settings", ["preview"], "cli"),
        ("httpx2", ["preview", "--url", "https://127.0.0.1:9/"], "http"),
    ],
)
def test_a_missing_extra_is_named(site: Site, module: str, words: list[str], extra: str) -> None:
    """Where an extra is not installed, the verb that needs it says which, in one line with exit code 2."""
    site.agree()
    done: Done = without(module, *words, "--config", str(site.file))
    assert (done.code, done.out) == (2, b"")
    assert f"pip install 'rc-stats[{extra}]'" in done.error
