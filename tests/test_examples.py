"""
The examples: documents that fill every slot that identifies somebody and agree with themselves, and programs that run.

The programs run as processes of their own, with a real configuration, store and collector.
"""

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx2
import pytest

from collector import Collector, hold
from commands import ROOT, Done, child, environment, process
from pages import Seen
from sites import SECRET, Site, document

EXAMPLES = ROOT / "examples"
DATA = ROOT / "tests" / "data"
NAMES = ("statistics.json", "statistics-six.json")
WINDOWS = ("Yesterday", "LastWeek", "LastMonth")

with (DATA / "reference" / "statistics-fields.csv").open(encoding="utf-8", newline="") as _file:
    FIELDS = {row["path"]: row for row in csv.DictReader(_file)}
VOCABULARIES = json.loads((DATA / "reference" / "vocabularies.json").read_text(encoding="utf-8"))
IDENTIFYING = sorted(path for path, row in FIELDS.items() if row["identifies"] != "none")
IN_8 = sorted(
    path
    for path, row in FIELDS.items()
    if row["first_seen"] and row["last_seen"] in ("", "before 8.7") and path != "statistics"
)


def make_examples() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES / "make_examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example(name: str) -> dict[str, Any]:
    """Return an example document."""
    document: dict[str, Any] = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    return document


def values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its path, containers included, and keys that are data as values of their own."""
    if path:
        yield path, value
    if isinstance(value, list):
        for item in value:
            yield from values(item, f"{path}[]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if f"{path}.*" in FIELDS:
                yield f"{path}.*", key
                yield from values(item, f"{path}.*")
            else:
                yield from values(item, f"{path}.{key}".lstrip("."))


@pytest.mark.parametrize("name", NAMES)
def test_every_identifying_slot_is_filled(name: str) -> None:
    """Every leaf that the data dictionary marks as identifying has a value that is not empty."""
    filled = {path for path, value in values(example(name)) if value not in (None, "", [], {})}
    assert [path for path in IDENTIFYING if path not in filled] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_leaf_of_version_8_is_there(name: str) -> None:
    """Every leaf that an 8.x server can write has a value."""
    present = {path for path, value in values(example(name)) if value is not None}
    assert [path for path in IN_8 if path not in present] == []


@pytest.mark.parametrize("name", NAMES)
def test_only_known_leaves_with_known_types(name: str) -> None:
    """Every leaf has a row in the data dictionary and a type that the row allows."""
    types = {bool: "boolean", int: "integer", float: "number", str: "string"}
    for path, value in values(example(name)):
        if isinstance(value, dict | list) or path.endswith(".*"):
            continue
        allowed = FIELDS[path]["json_type"].split("|")
        assert types[type(value)] in allowed or (isinstance(value, int) and "number" in allowed), path


@pytest.mark.parametrize("name", NAMES)
def test_the_structure_is_that_of_the_real_document(name: str) -> None:
    """Every key of the 8.7.0 sample is in the example too, at the same place."""
    sample = json.loads((DATA / "samples" / "statistics-8.7.0.json").read_text(encoding="utf-8"))
    assert {path for path, _ in values(sample)} <= {path for path, _ in values(example(name))}


@pytest.mark.parametrize("name", NAMES)
def test_words_come_from_their_lists(name: str) -> None:
    """A harmless word is a member of its list, and the deployment words are listed too."""
    for path, value in values(example(name)):
        row = FIELDS.get(path)
        if row and row["vocabulary"] in VOCABULARIES and isinstance(value, str | bool):
            listed = value in VOCABULARIES[row["vocabulary"]]["values"]
            assert listed or (row["identifies"] != "none" and not path.startswith("deploy.")), path


@pytest.mark.parametrize("name", NAMES)
def test_users_add_up(name: str) -> None:
    """Kinds, states and languages of users have the sums that the server gives them."""
    d = example(name)
    assert d["totalUsers"] == d["activeUsers"] + d["activeGuests"] + d["nonActiveUsers"] + d["appUsers"]
    assert d["totalConnectedUsers"] == d["onlineUsers"] + d["awayUsers"]
    assert d["offlineUsers"] == d["totalUsers"] - d["onlineUsers"] - d["awayUsers"] - d["busyUsers"]
    others = sum(speakers for code, speakers in d["userLanguages"].items() if code != "none")
    assert d["userLanguages"]["none"] == d["totalUsers"] - others


@pytest.mark.parametrize("name", NAMES)
def test_totals_add_up(name: str) -> None:
    """Messages, rooms, conversations, integrations and calls are the sums of their kinds."""
    d = example(name)
    kinds = ("Channel", "PrivateGroup", "Discussions", "Direct", "Livechat")
    assert d["totalMessages"] == sum(d[f"total{kind}Messages"] for kind in kinds)
    rooms = ("totalChannels", "totalPrivateGroups", "totalDirect", "totalLivechat")
    assert d["totalRooms"] == sum(d[kind] for kind in rooms)
    assert d["totalLivechat"] == sum(source["count"] for source in d["omnichannelSources"])
    integrations = d["integrations"]
    assert integrations["totalIntegrations"] == integrations["totalIncoming"] + integrations["totalOutgoing"]
    servers = d["matrixFederation"]["externalConnectedServers"]
    assert servers["quantity"] == len(servers["servers"])
    for block in d["enterprise"]["voip"].values():
        assert block["calls"] == block["externalCalls"] + block["internalCalls"]
        assert block["externalCalls"] == block["externalInboundCalls"] + block["externalOutboundCalls"]
        assert block["calls"] == block["successfulCalls"] + block["failedCalls"]
    for block in ("omnichannelContactsBySource", *(f"uniqueContactsOf{window}" for window in WINDOWS)):
        for column in ("contactsCount", "conversationsCount"):
            assert d[block][column] == sum(source[column] for source in d[block]["sources"])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", NAMES)
def test_people_tables_add_up(name: str, window: str) -> None:
    """The roles, the programs and the systems of a window have its sums of people, sessions and time."""
    d = example(name)
    (users,) = d[f"uniqueUsersOf{window}"]["data"]
    assert users["count"] <= d["totalUsers"]
    for column in ("count", "sessions", "time"):
        assert users[column] == sum(role[column] for role in users["roles"])
    for table in ("Devices", "OS"):
        rows = d[f"unique{table}Of{window}"]["data"]
        assert users["sessions"] == sum(row["count"] for row in rows)
        assert users["time"] == sum(row["time"] for row in rows)
    yesterday = datetime.fromisoformat(d["createdAt"]) - timedelta(days=1)
    for table in ("Users", "Devices", "OS"):
        found = d[f"unique{table}Of{window}"]
        assert (found["year"], found["month"], found["day"]) == (
            yesterday.year,
            yesterday.month,
            yesterday.day,
        )


@pytest.mark.parametrize("name", NAMES)
def test_windows_grow(name: str) -> None:
    """A longer window has at least the people, the sessions and the time of a shorter one, in every role."""
    d = example(name)
    rows = [{r["role"]: r for r in d[f"uniqueUsersOf{w}"]["data"][0]["roles"]} for w in WINDOWS]
    for shorter, longer in pairwise(rows):
        for role, row in shorter.items():
            assert all(row[column] <= longer[role][column] for column in ("count", "sessions", "time")), role


def test_the_large_workspace() -> None:
    """The first example has 247 users, one role held by a single person, and the agreed date."""
    d = example("statistics.json")
    assert (d["totalUsers"], d["createdAt"], d["success"]) == (247, "2026-08-17T03:12:00.000Z", True)
    assert d["wizard"]["registerServer"] is True
    assert any(role["count"] == 1 for role in d["uniqueUsersOfYesterday"]["data"][0]["roles"])


def test_the_workspace_of_six() -> None:
    """The second example has six users, and yesterday shows one person's day."""
    d = example("statistics-six.json")
    assert d["totalUsers"] == 6
    roles = d["uniqueUsersOfYesterday"]["data"][0]["roles"]
    assert roles == [{"role": "admin", "count": 1, "sessions": 7, "time": 25617}]


@pytest.mark.parametrize("name", NAMES)
def test_every_identifying_text_is_a_secret(name: str) -> None:
    """What stands at an identifying leaf is in SECRETS, unless it is a listed word or very short."""
    module = make_examples()
    for path, value in values(example(name)):
        if path in IDENTIFYING and isinstance(value, str) and len(value) >= module.SHORTEST:
            names = re.findall(r"\w+", FIELDS[path]["vocabulary"])
            words = {w.casefold() for n in names if n in VOCABULARIES for w in VOCABULARIES[n]["values"]}
            assert value in module.SECRETS or value.casefold() in words, path


def test_secrets_are_distinct_between_the_workspaces() -> None:
    """Apart from client versions and words of the product, the two examples share no identifying text."""
    module = make_examples()
    first, second = ((EXAMPLES / name).read_text(encoding="utf-8") for name in NAMES)
    shared = {secret for secret in module.SECRETS if secret in first and secret in second}
    assert all(re.fullmatch(r"[\d.]+|email-inbox", secret) for secret in shared), shared


def test_every_secret_is_planted() -> None:
    """SECRETS names nothing that isn't in one of the examples, as text or inside the token."""
    module = make_examples()
    texts = "".join((EXAMPLES / name).read_text(encoding="utf-8") for name in NAMES)
    claims = "".join(module.claims(example(name)["statsToken"]) for name in NAMES)
    assert [secret for secret in module.SECRETS if secret not in texts and secret not in claims] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_token_tells_the_record(name: str) -> None:
    """The readable part of the token repeats the identifiers and the figures of its document."""
    d = example(name)
    claims = json.loads(make_examples().claims(d["statsToken"]))
    assert (claims["recordId"], claims["uniqueId"]) == (d["_id"], d["uniqueId"])
    assert claims["info"]["totalUsers"] == d["totalUsers"]
    assert int(d["_id"][:8], 16) == int(datetime.fromisoformat(d["createdAt"]).timestamp())


@pytest.mark.parametrize("name", NAMES)
def test_only_reserved_domains(name: str) -> None:
    """Every host name ends in a domain that is reserved for examples."""
    pattern = r"(?:https?://|@|\b(?:matrix|synapse|chat|smtp-out|post)\.)[\w.-]+"
    hosts = re.findall(pattern, json.dumps(example(name)))
    assert hosts
    assert all(re.search(r"\.example(?:\.(?:org|net|com))?$", host) for host in hosts), hosts


def test_the_files_are_what_the_script_makes() -> None:
    """The script gives both files, byte for byte, whenever it is run."""
    module = make_examples()
    assert sorted(module.EXAMPLES) == sorted(NAMES)
    for name, text in module.EXAMPLES.items():
        assert (EXAMPLES / name).read_bytes() == text.encode()
        assert module.rendered()[name] == text


# Programs ------------------------------------------------------------------------------------------------------------

ADMIN: Final = {"X-Forwarded-User": "ann"}
SERVE: Final = """
import secrets, socket, sys
import uvicorn
secrets.randbelow = lambda _: int(sys.argv[1])  # the minute of the day
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config("fastapi_service:app", log_level="info", access_log=False)).run(sockets=[listening])
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a configured workspace whose document is of after a yes of now."""
    with Collector(tmp_path) as collector:
        site = Site(tmp_path, collector, lambda *words, stdin=b"": process(words, stdin=stdin or b""))
        site.write(document(uniqueId=SECRET))
        yield site


@dataclass
class Running:
    """The example, served by uvicorn: its process, its log and a client of it."""

    process: subprocess.Popen[str]
    log: Path
    client: httpx2.Client

    def says(self, words: str) -> None:
        """Wait until the log has *words*."""
        while words not in self.log.read_text(encoding="utf-8"):
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            time.sleep(0.02)

    def end(self, before: Callable[[], None] = lambda: None) -> None:
        """Tell it to end, do *before* once it has begun to, and see that it ends in order."""
        self.process.terminate()
        self.says("Waiting for application shutdown.")
        before()
        code, log = self.process.wait(60), self.log.read_text(encoding="utf-8")
        assert code in (0, -signal.SIGTERM), log
        assert "Application shutdown complete." in log
        assert "Traceback" not in log
        assert SECRET not in log


@contextmanager
def serving(site: Site, *, minute: int) -> Iterator[Running]:
    """Serve the example; the reporter's random minute of the day is *minute*."""
    variables = {
        **environment(RC_STATS_CONFIG=str(site.file)),
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *sys.path]),
    }
    log = site.directory / "service.log"
    with (
        log.open("w", encoding="utf-8") as written,
        subprocess.Popen(
            [sys.executable, "-c", SERVE, str(minute)], env=variables, stdout=subprocess.PIPE, stderr=written, text=True
        ) as running,
    ):
        assert running.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(running.stdout.readline())}"
            with httpx2.Client(base_url=url, timeout=30, headers={"Origin": url}) as client:
                yield Running(running, log, client)
        finally:
            running.kill()


def kinds(site: Site) -> list[str]:
    """Return the kinds of the entries in the history."""
    with site.books() as store:
        return [entry.kind for entry in store.history()]


def run_job(site: Site) -> Done:
    """Run the plain job."""
    return child([sys.executable, str(EXAMPLES / "plain_job.py")], RC_STATS_CONFIG=str(site.file))


@pytest.mark.parametrize("name", ["fastapi_service.py", "plain_job.py"])
def test_a_program_is_short(name: str) -> None:
    """Using the library takes fewer than thirty lines, with imports and all."""
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 30


def test_the_service_asks_first(site: Site) -> None:
    """Without a yes the service sends nothing and says why; its page is for the admin alone, whose yes takes effect."""
    with serving(site, minute=0) as service:
        assert service.client.get("/status").json() == {"closed_by": ["consent-undecided"]}
        assert service.client.get("/statistics/").status_code == 403
        page = service.client.get("/statistics/", headers=ADMIN)
        assert "You are ann" in Seen(page.text).text
        service.client.cookies.update(page.cookies)
        assert service.client.post(
            "/statistics/opt-in", data={**Seen(page.text).forms["opt-in"], "scope": "usage"}, headers=ADMIN
        ).is_redirect
        assert service.client.get("/status").json() == {"closed_by": []}
        service.end()
    assert site.collector.count == 0
    assert "receipt" not in kinds(site)


def test_the_service_reports(site: Site) -> None:
    """With a yes the service reports when its minute comes; told to end meanwhile, it finishes that and records it."""
    release = threading.Event()
    site.collector.then(hold(release))
    site.agree()
    with serving(site, minute=0) as service:
        site.collector.wait_for(1)
        assert service.client.get("/status").json() == {"closed_by": []}
        service.end(release.set)
    (request,) = site.collector.received
    assert request.is_whole
    assert SECRET.encode() not in request.raw
    assert kinds(site) == ["consent", "report", "attempt", "receipt"]


def test_the_service_waits_for_its_minute(site: Site) -> None:
    """Until its minute comes the service sends nothing, and it ends at once when told to."""
    site.agree()
    with serving(site, minute=24 * 60 - 1) as service:
        assert service.client.get("/status").json() == {"closed_by": []}
        service.end()
    assert site.collector.count == 0


def test_the_job(site: Site) -> None:
    """Without a yes the job ends with 3 and sends nothing; with one it sends once, however often it is called."""
    done = run_job(site)
    assert (done.code, done.err) == (3, b"")
    assert done.text.endswith(": closed\n")
    assert site.collector.count == 0
    site.agree()
    done = run_job(site)
    assert (done.code, done.err) == (0, b"")
    assert done.text.endswith(": sent\n")
    done = run_job(site)
    assert (done.code, done.err) == (0, b"")
    assert done.text.endswith(": already-sent\n")
    (request,) = site.collector.received
    assert request.is_whole
    assert SECRET.encode() not in request.raw


def test_the_job_says_what_is_wrong(site: Site) -> None:
    """A job that can't do its work says why on one line, without a value of the document, and ends with its code."""
    site.write(f'{{"uniqueId": "{SECRET}"'.encode())
    done = run_job(site)
    assert (done.code, done.out) == (4, b"")
    assert len(done.err.splitlines()) == 1
    assert SECRET.encode() not in done.err
