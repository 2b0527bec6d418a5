"""From a configuration to a reporter: what is put together, what is made only when needed, and whose catalogues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from collector import Collector, reply
from rc_stats import Catalogue, Profile, WorkspaceKind, load_catalogue, load_policy, read_catalogue
from rc_stats.configuration import Loaded, load
from rc_stats.errors import CatalogueError, UsageError
from rc_stats.outcome import Verdict
from rc_stats.reporter import Reporter
from rc_stats.service import _loosened, catalogue_named, catalogues_of, reporter_of, store_of
from sites import NAME, OWN_CATALOGUE, SEATS, TOKEN, document, written

NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)

Loads = Callable[..., Loaded]


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    """Return a function that loads a configuration of a workspace in a directory of its own."""
    (tmp_path / "statistics.json").write_bytes(document())

    def call(**changes: Any) -> Loaded:
        settings = {"workspace": "registered", "source": "statistics.json", "store": "store.sqlite3", **changes}
        path = tmp_path / "config.toml"
        path.write_text(written({key: value for key, value in settings.items() if value is not None}), encoding="utf-8")
        return load(path, {})

    return call


@pytest.fixture
def reporter(loads: Loads) -> Iterator[Reporter]:
    """Return a reporter of the plainest configuration."""
    with (made := reporter_of(loads(), clock=lambda: NOW, environment={})).store:
        yield made


def test_what_is_put_together(reporter: Reporter, tmp_path: Path) -> None:
    """Source, workspace, terms, recipient, store and clock are those of the configuration."""
    assert reporter.source == tmp_path / "statistics.json"
    assert reporter.workspace.kind is WorkspaceKind.REGISTERED
    assert (reporter.terms.catalogue, reporter.terms.policy) == (load_catalogue(), load_policy())
    assert reporter.terms.profile is Profile.STANDARD
    assert reporter.recipient == load_policy().recipient
    assert reporter.clock() == NOW
    assert reporter.store.consent(NAME).at is None
    assert (tmp_path / "store.sqlite3").exists()


def test_the_configured_terms(loads: Loads) -> None:
    """Profile, objections, countries, the workspace's name and another recipient are taken over."""
    loaded = loads(profile="strict", objections=["AWS"], countries=[], name="other", collector="https://stats.example/")
    with (made := reporter_of(loaded)).store:
        assert made.terms.profile is Profile.STRICT
        assert made.workspace.objections.subprocessors == {"AWS"}
        assert made.workspace.objections.countries == frozenset()
        assert made.recipient.url == "https://stats.example/"
        made.opt_in()
    with store_of(loads().settings) as store:
        assert store.last_grant(NAME) is None
    with store_of(loaded.settings) as store:
        assert store.consent(NAME).recipient == "https://stats.example/"


def test_switches_are_read_each_time(loads: Loads) -> None:
    """A kill switch that is set later counts from then on."""
    environment: dict[str, str] = {}
    with (made := reporter_of(loads(), environment=environment)).store:
        assert made.switches().on == ()
        environment["RC_STATS_DISABLE"] = "1"
        assert made.switches().on == ("RC_STATS_DISABLE",)


def test_a_transport_is_made_when_it_is_needed(loads: Loads, tmp_path: Path) -> None:
    """Wrong certificates don't keep an admin from agreeing or opting out; they show when something is to be sent."""
    with (made := reporter_of(loads(certificates="statistics.json"))).store:
        made.opt_in()
        with pytest.raises(UsageError, match="certificates"):
            made.send_once()
        assert made.opt_out(seconds=1)


def test_a_transport_is_made_once(loads: Loads, tmp_path: Path) -> None:
    """The transport that was made for the first report serves the second attempt too."""
    with Collector(tmp_path, usual=reply(503, headers=[("Retry-After", "3600")])) as collector:
        loaded = loads(collector=collector.url, certificates=str(collector.certificates))
        with (made := reporter_of(loaded)).store:
            made.opt_in()
            assert made.send_once().verdict is Verdict.FAILED
            collector.certificates.unlink()
            assert asyncio.run(made.send_once_async()).verdict is Verdict.FAILED
        assert collector.count == 2


def test_a_store_and_a_transport_of_ones_own(loads: Loads, tmp_path: Path) -> None:
    """What is there already is used."""
    loaded = loads()
    sent: list[object] = []

    class Recording:
        """A transport that a plugin's author brings."""

        def send(self, *arguments: Any) -> Any:
            """Remember, and refuse."""
            sent.append(arguments)
            raise UsageError("No.", rule="no")

        async def send_async(self, *arguments: Any) -> Any:
            """Do the same."""
            return self.send(*arguments)

    with store_of(loaded.settings) as store:
        made = reporter_of(loaded, store=store, transport=Recording())
        assert made.store is store
        made.opt_in()
        with pytest.raises(UsageError):
            made.send_once()
    assert len(sent) == 1


# The source.


def test_without_a_source(loads: Loads) -> None:
    """Without a source the reporter is there, and asking it for a document says what to configure."""
    with (made := reporter_of(loads(source=None))).store, pytest.raises(UsageError, match="no-source"):
        made.preview()


def test_a_live_source(loads: Loads, tmp_path: Path) -> None:
    """A live source is asked each time, in any form in which a workspace answers, with credentials read each time."""
    environment: dict[str, str] = {}
    raw = json.loads(document(totalUsers=50))
    with Collector(tmp_path) as workspace:
        for form in (raw, {"statistics": raw}):
            workspace.then(reply(body=json.dumps({**form, "success": True}).encode()))
        loaded = loads(source=workspace.url, certificates=str(workspace.certificates))
        with (made := reporter_of(loaded, environment=environment)).store:
            with pytest.raises(UsageError, match="live-credentials"):
                made.preview()
            environment |= {"RC_STATS_USER_ID": "rc", "RC_STATS_AUTH_TOKEN": TOKEN}
            for _ in range(2):
                assert b'"totalUsers":50,' in made.preview().shown.body  # type: ignore[union-attr]
        assert [asked.header("X-Auth-Token") for asked in workspace.received] == [TOKEN, TOKEN]


def test_a_live_source_is_reported(loads: Loads, tmp_path: Path) -> None:
    """What a live workspace answers is what is sent, and nothing of the asking goes along."""
    environment = {"RC_STATS_USER_ID": "rc-user-id", "RC_STATS_AUTH_TOKEN": TOKEN}
    answer = json.dumps({**json.loads(document(totalUsers=50)), "success": True}).encode()
    with Collector(tmp_path, usual=reply(body=answer)) as workspace:
        loaded = loads(source=workspace.url, collector=workspace.url, certificates=str(workspace.certificates))
        with (made := reporter_of(loaded, environment=environment)).store:
            made.opt_in()
            assert made.send_once().verdict is Verdict.SENT
        asked, received = workspace.received
    assert (asked.line.split()[0], received.line.split()[0]) == ("GET", "POST")
    assert b'"totalUsers":50,' in received.body
    assert TOKEN.encode() not in received.raw
    assert b"rc-user-id" not in received.raw


# Catalogues of others.


@pytest.fixture
def own(tmp_path: Path) -> Catalogue:
    """Return the catalogue of the example app."""
    path = tmp_path / "own.toml"
    path.write_text(OWN_CATALOGUE + SEATS, encoding="utf-8")
    return read_catalogue([path])


def test_ours_comes_first(loads: Loads, own: Catalogue) -> None:
    """The packaged catalogue comes first, then the configured ones, by name; ours is had though another is broken."""
    loaded = loads(catalogues=["own.toml"])
    assert [name for name, _ in catalogues_of(loaded.settings)] == [NAME, own.name]
    assert catalogue_named(loaded.settings, own.name).digest == own.digest
    broken = loads(catalogues=["missing.toml"]).settings
    assert catalogue_named(broken, NAME) is load_catalogue()
    with (made := reporter_of(loaded, catalogue=own.name)).store:
        assert made.terms.catalogue.digest == own.digest


def test_the_same_twice(loads: Loads, own: Catalogue) -> None:
    """A name stands for one catalogue."""
    with pytest.raises(CatalogueError, match=f"the name {own.name} is taken"):
        list(catalogues_of(loads(catalogues=["own.toml", "own.toml"]).settings))


def places(path: str) -> Iterator[str]:
    """Yield where a metric would reach what stands at *path*: there, above it, below it, and by any key."""
    head, dot, _ = path.rpartition(".")
    yield path
    yield f"{path}.inner"
    yield f"{path}[].inner"
    if dot:
        yield head
        yield f"{head}.*"


def test_nothing_of_ours_is_loosened(own: Catalogue) -> None:
    """Wherever the packaged catalogue says what becomes of a value, a metric of another's there is refused."""
    seats = own.metrics["exampleApp.seats"]
    assert list(_loosened(own, load_catalogue())) == []
    everywhere = {place: replace(seats, path=place) for path in load_catalogue().metrics for place in places(path)}
    problems = list(_loosened(replace(own, metrics=everywhere), load_catalogue()))
    assert [problem.split()[1].removesuffix(":") for problem in problems] == list(everywhere)


def test_what_ours_says_may_be_said_again(own: Catalogue) -> None:
    """A metric that stays, or that says the very same as ours in each profile, loosens nothing."""
    ours = load_catalogue()
    for metric in ours.metrics.values():
        assert list(_loosened(replace(ours, metrics={metric.path: metric}), ours)) == []
    assert all(metric.is_dropped for path, metric in own.metrics.items() if path in ours.metrics)


def test_a_metric_of_ours_made_finer(own: Catalogue) -> None:
    """A metric of ours with another range, or another threshold of people, is not the very same."""
    ours = load_catalogue()
    users = ours.metrics["totalUsers"]
    for other in (
        replace(ours, metrics={users.path: replace(users, maximum=users.maximum + 1)}),
        replace(ours, metrics={users.path: users}, threshold=ours.threshold - 1),
    ):
        assert len(list(_loosened(other, ours))) == 1
