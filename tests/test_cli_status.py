"""``status``: where a workspace stands, what would change it, and where each setting came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canaries import assert_no_trace
from collector import Collector, reply
from commands import Cli, asked, child, command
from rc_stats.policy import load_policy
from sites import NAME, SECRET, TOKEN, Site


@pytest.fixture
def site(tmp_path: Path, cli: Cli) -> Iterator[Site]:
    """Return a configured workspace that nobody has agreed for."""
    with Collector(tmp_path) as collector:
        yield Site(tmp_path, collector, cli)


def test_before_any_decision(site: Site) -> None:
    """Before any decision the answer is no, says why and what would change it, and no store is made for the look."""
    done = site.run("status")
    assert (done.code, done.err) == (3, b"")
    assert done.text.startswith("Nothing would be sent: nobody has agreed to share statistics.\n")
    for expected in ("Consent:   undecided", "Last sent: never", "Pending:   nothing", "What would change it:"):
        assert expected in done.text
    assert "[consent-undecided, " in done.text
    assert not site.store.exists()


def test_with_nothing_configured(cli: Cli) -> None:
    """Without configuration and store it is the strictest case, and the missing source is part of the answer."""
    done = cli("status", "--format", "json")
    assert done.code == 3
    assert {"workspace-unregistered", "consent-undecided"} <= {rule["code"] for rule in done.data["rules"]}
    assert done.data["source_error"]["rule"] == "no-source"
    assert {row["origin"] for row in done.data["configuration"]} == {"default"}


def test_the_way_of_a_report(site: Site) -> None:
    """After a yes it would be sent; after a failure it waits; once delivered nothing is left, and it is named."""
    site.agree("--by", SECRET)
    ready = site.run("status")
    assert (ready.code, ready.text.startswith("Today's document would be sent, for ")) == (0, True)
    assert f"by {SECRET}" in ready.text
    site.collector.then(reply(503, headers=[("Retry-After", "3600")]))
    site.run("send")
    waiting = site.status()["pending"][0]
    assert (waiting["attempts"], len(waiting["sha256"])) == (1, 64)
    text = site.run("status").text
    assert "1 attempt so far" in text
    assert waiting["sha256"] in text
    site.run("send")
    after = site.run("status")
    assert (after.code, after.text.startswith("Nothing is left to be sent for ")) == (0, True)
    data = site.status()
    assert (data["ended"], data["sent"]["period"], data["pending"]) == ("sent", data["period"], [])
    site.run("opt-out")
    assert site.run("status").code == 3


def test_the_recipient(site: Site) -> None:
    """The recipient is told with its address, country and the companies that it may pass statistics to."""
    site.configure(collector=None)
    recipient = load_policy().recipient
    data = site.status()["recipient"]
    assert (data["name"], data["url"], data["country"]) == (recipient.name, recipient.url, recipient.country)
    assert [company["name"] for company in data["subprocessors"]] == [c.name for c in recipient.subprocessors]
    words = " ".join(site.run("status").text.split())
    assert all(company.name in words for company in recipient.subprocessors)


@pytest.mark.parametrize(
    ("change", "code", "flip"),
    [
        ({"workspace": "unregistered"}, "workspace-unregistered", {"workspace": "registered"}),
        ({"countries": ["Germany"]}, "recipient-country", {"countries": None}),
        ({"objections": ["Nobody Ltd"]}, "objection-unknown", {"objections": None}),
        ({"profile": "exact"}, "profile-finer", {"profile": "standard"}),
        ({"collector": "https://stats.example.org/"}, "recipient-other", {"collector": ""}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_flip_it(site: Site, change: dict[str, object], code: str, flip: dict[str, object]) -> None:
    """Each rule that closes the gate is told with what would change its answer, and doing so opens it again."""
    site.agree()
    site.configure(**change)
    closed = site.run("status", "--format", "json")
    (rule,) = (rule for rule in closed.data["rules"] if rule["effect"] == "closes")
    assert (closed.code, closed.data["verdict"], rule["code"]) == (3, "nothing-would-be-sent", code)
    assert rule["remedy"]
    assert rule["remedy"].split()[0] in site.run("status").text
    site.configure(**flip if flip != {"collector": ""} else {"collector": site.collector.url})
    opened = site.run("status", "--format", "json")
    assert (opened.code, opened.data["verdict"]) == (0, "would-be-sent")


@pytest.mark.parametrize(
    ("source", "code", "rule"),
    [("missing.json", 4, "unreadable"), (None, 2, "no-source"), ("https://127.0.0.1:9/", 2, "live-credentials")],
)
def test_an_unreadable_source(site: Site, source: str | None, code: int, rule: str) -> None:
    """A source that can't be read is part of the answer, and the exit code that of its error."""
    site.agree()
    site.configure(source=source)
    done = site.run("status", "--format", "json")
    assert (done.code, done.data["verdict"], done.data["source_error"]["rule"]) == (code, "nothing-would-be-sent", rule)
    text = site.run("status").text
    assert text.startswith("Nothing would be sent: ")
    assert f"[{rule}]" in text


def test_every_setting_with_its_origin(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting is told with its value and where that came from."""
    site.configure(objections=["Nobody Ltd"], retention_days=30)
    monkeypatch.setenv("RC_STATS_RETENTION_DAYS", "90")
    data = site.status()
    told = {row["key"]: (row["value"], row["origin"]) for row in data["configuration"]}
    assert told["retention_days"] == ("90", "environment: RC_STATS_RETENTION_DAYS")
    assert told["objections"] == ("Nobody Ltd", "file")
    assert told["profile"] == ("standard", "default")
    assert data["configuration_file"] == str(site.file)
    text = site.run("status").text
    for key, (value, origin) in told.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {key} "))
        assert value in line
        assert line.endswith(f"(file: {site.file})" if origin == "file" else f"({origin})")


def test_no_secret_is_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the credentials nor what is in their file, nor a token out of an answer, is shown anywhere."""
    secret = site.directory / "credentials"
    secret.write_text(f"user_id=rc\nauth_token={TOKEN}\n", encoding="utf-8")
    secret.chmod(0o600)
    monkeypatch.setenv("RC_STATS_AUTH_TOKEN", TOKEN)
    site.collector.usual = reply(body=b'{"statsToken": "octopus-ltd"}')
    site.agree()
    assert site.run("send").code == 0
    site.configure(source=site.collector.url, credentials="credentials")
    for format_ in ("text", "json"):
        done = site.run("status", "--format", format_)
        assert_no_trace(done.out + done.err, TOKEN)
        assert_no_trace(done.out + done.err, SECRET)


def test_a_label_can_move_no_terminal(site: Site) -> None:
    """A label with control characters is spelt out where a terminal would obey it."""
    site.agree("--by", "\x1b[31mme\u202e")
    assert "\\x1b[31mme\\u202e" in " ".join(site.run("status").text.split())
    assert "\\x1b[31mme\\u202e" in site.run("history", "list").text


def test_colours_are_for_terminals(site: Site) -> None:
    """On a terminal the verdict stands out; with NO_COLOR and in a pipe it is plain, and the words are the same."""
    words = ["status", "--config", site.file]
    styled = asked(words, None)[1].decode()
    assert "\x1b[" in styled
    assert "\x1b" not in asked(words, None, NO_COLOR="1")[1].decode()
    assert b"\x1b" not in child([*command(), *map(str, words)], TERM="xterm-256color").out


@pytest.mark.parametrize("verb", [["status"], ["preview"], ["history", "list"], ["send", "--dry-run"]], ids=" ".join)
def test_a_damaged_store(site: Site, verb: list[str]) -> None:
    """A store that can't be read is one line with exit code 6, for every verb that looks."""
    site.agree()
    site.store.write_bytes(b"octopus-ltd" * 1000)
    done = site.run(*verb)
    assert (done.code, done.out) == (6, b"")
    assert "[store-" in done.error
    assert_no_trace(done.err, SECRET)


def test_the_name_tells_workspaces_apart(site: Site) -> None:
    """Two workspaces in one store have a consent each."""
    site.agree()
    site.configure(name="other")
    assert site.status()["consent"]["state"] == "undecided"
    site.configure(name="default")
    assert (site.status()["consent"]["state"], site.status()["catalogue"]["name"]) == ("granted", NAME)
