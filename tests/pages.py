"""What tests of the admin page share: a workspace with its books, a collector, and the page on a real server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvicorn
from httpx2 import Response
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from collector import Collector
from rc_stats.catalogue import load_catalogue
from rc_stats.consent import Terms
from rc_stats.gate import Switches, Workspace
from rc_stats.policy import WorkspaceKind, load_policy
from rc_stats.reporter import Reporter
from rc_stats.store import Store
from rc_stats.transport import Transport

TERMS: Final = Terms(load_policy(), load_catalogue())
NAME: Final = TERMS.catalogue.name
NOW: Final = datetime(2026, 8, 17, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
ADMIN: Final = "ann@example.org"
_EXAMPLE: Final = Path(__file__).parent.parent / "examples" / "statistics.json"


@cache
def example() -> dict[str, Any]:
    """Return the example of a workspace of 247 people."""
    found: dict[str, Any] = json.loads(_EXAMPLE.read_bytes())
    return found


def small() -> dict[str, Any]:
    """Return a sixth of the example, with what the charts begin with: pages are as they are, and browsers are quick."""
    kept = {"totalUsers", "activeUsers", "totalChannels", "totalRooms", "totalMessages", "apps", "userLanguages"}
    return {key: value for n, (key, value) in enumerate(example().items()) if key in kept or n % 6 == 0}


@dataclass
class Desk:
    """
    What an admin sits before.

    Attributes:
        now: The clock; it stands still unless it is moved.
        document: What the source gives, but for its date; it is made an hour before now.
        kind: What the workspace is.
        fault: What the source raises, if it raises anything.
    """

    directory: Path
    collector: Collector
    now: datetime = NOW
    document: dict[str, Any] = field(default_factory=lambda: dict(example()))
    kind: WorkspaceKind = WorkspaceKind.REGISTERED
    switches: Switches = field(default_factory=Switches)
    terms: Terms = TERMS
    fault: Exception | None = None

    def __post_init__(self) -> None:
        """Open the books."""
        self.store = Store.open(self.directory / "store.sqlite3")
        self.reporter = self.reporting(self.terms)

    def reporting(self, terms: Terms) -> Reporter:
        """Return a reporter under *terms*."""
        certificates = None if self.collector.context is None else self.collector.certificates
        return Reporter(
            self.source,
            Workspace(self.kind),
            self.store,
            Transport(certificates=certificates, attempts=2, first_wait=0.001, longest_wait=0.002, seconds=20.0),
            lambda: self.now,
            terms=terms,
            switches=lambda: self.switches,
            recipient=replace(terms.policy.recipient, url=self.collector.url),
        )

    def source(self) -> bytes:
        """Return the document of now."""
        if self.fault is not None:
            raise self.fault
        made = f"{self.now - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}.000Z"
        return json.dumps({**self.document, "createdAt": made}).encode()

    def agreed(self) -> Desk:
        """Let an admin have said yes two days ago."""
        now, self.now = self.now, self.now - 2 * DAY
        self.reporter.opt_in(by=ADMIN)
        self.now = now
        return self

    def live(self, months: int) -> None:
        """Let *months* pass, each with a report and with more of everything."""
        for month in range(1, months + 1):
            self.now = NOW.replace(month=NOW.month - months + month)
            for name, value in example().items():
                if name in self.document and type(value) is int and name.startswith(("total", "active", "uploads")):
                    self.document[name] = value * (12 + month + (month * month) % 3) // 20
            outcome = self.reporter.send_once()
            assert outcome.exit_code == 0, outcome.verdict

    @property
    def bodies(self) -> list[bytes]:
        """What the collector has got."""
        return [received.body for received in self.collector.received]


def let_in(_: Request) -> str:
    """Let everybody in as the admin."""
    return ADMIN


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve *app* with a real server on this machine, and give its URL without a slash at the end."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server didn't start"
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def desk(**options: Any) -> Iterator[Desk]:
    """Give a desk with books of its own, in memory where there is some, and a collector over TLS."""
    memory = "/dev/shm"  # noqa: S108 - a fresh directory in it
    place = memory if os.access(memory, os.W_OK) else None
    with TemporaryDirectory(prefix="admin-page-", dir=place) as name, Collector(Path(name)) as collector:
        found = Desk(Path(name), collector, **options)
        with found.store:
            yield found


# Pages as they are read ----------------------------------------------------------------------------------------------

VOID: Final = {"meta", "br", "hr", "input", "link", "line", "circle", "polyline", "polygon", "rect", "path"}
ELEMENTS: Final = {
    *(
        "html",
        "head",
        "title",
        "body",
        "a",
        "header",
        "div",
        "p",
        "nav",
        "ul",
        "ol",
        "li",
        "main",
        "footer",
        "bdi",
        "h1",
    ),
    *("h2", "h3", "span", "code", "form", "button", "section", "label", "details", "summary", "fieldset", "legend"),
    *(
        "strong",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "pre",
        "blockquote",
        "select",
    ),
    *("option", "figure", "figcaption", "svg", "desc", "g", "text"),
}
LEADING: Final = ("href", "src", "action", "formaction", "poster", "data", "xlink:href")


class Seen(HTMLParser):
    """
    A page as a browser would read it; it complains of what is not closed, or could run, load or lead elsewhere.

    Attributes:
        forms: By action, the fields of its first form as they would be sent, each with all its values.
        links: Where links and resources lead, as the page has them.
        ids, refers: What has a name, and what is named by labels and descriptions.
        levels: Of the headings, in order.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.open: list[str] = []
        self.forms: dict[str, dict[str, list[str]]] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self.refers: set[str] = set()
        self.levels: list[int] = []
        self._text: list[str] = []
        self._form: dict[str, list[str]] | None = None
        self.feed(html)
        self.close()
        assert self.open == [], "not closed"

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element in."""
        assert tag in ELEMENTS | VOID, tag
        named = dict(attrs)
        assert not [name for name in named if name == "style" or name.startswith("on")], named
        self.links += [str(named[name]) for name in LEADING if name in named]
        self.ids += [str(named["id"])] if "id" in named else []
        for name in ("for", "aria-labelledby", "aria-describedby", "form"):
            self.refers |= set(str(named.get(name) or "").split())
        if tag in ("h1", "h2", "h3"):
            self.levels.append(int(tag[1]))
        if tag == "form":
            self._form = {}
            self.forms.setdefault(str(named["action"]), self._form)
        if tag == "input" and self._form is not None and (named.get("type") != "checkbox" or "checked" in named):
            self._form.setdefault(str(named["name"]), []).append(str(named.get("value") or ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        if tag in VOID:
            return
        assert tag == self.open.pop(), tag
        self._form = None if tag == "form" else self._form

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self._text.append(data)

    def handle_comment(self, data: str) -> None:
        """Allow no comment: nobody sees what it says."""
        raise AssertionError(data)


HOST: Final = "http://page.example"
FROM_HERE: Final = {"Origin": HOST, "Sec-Fetch-Site": "same-origin"}


class Browser:
    """
    What a browser does with the page, without one.

    Args:
        at: The path under which the page is, with a slash at the end.
    """

    def __init__(self, app: ASGIApp, at: str = "/") -> None:
        self.client = TestClient(app, base_url=HOST, raise_server_exceptions=False)
        self.at = at

    def ask(self, path: str, **options: Any) -> Response:
        """Ask for a page; what is answered, whatever it is."""
        return self.client.get(f"{self.at}{path}", **options)

    def see(self, path: str = "", status: int = 200) -> Seen:
        """Look at a page."""
        response = self.ask(path)
        assert response.status_code == status, response.text
        return Seen(response.text)

    def form(self, name: str, page: str = "") -> dict[str, list[str]]:
        """Return the fields of a form as *page* shows it; of the boxes of a first yes, which come empty, two ticked."""
        shown = {field: list(values) for field, values in self.see(page).forms[name].items()}
        return {"scope": ["usage", "app"], **shown} if name == "opt-in" else shown

    def post(self, name: str, fields: Mapping[str, Any], headers: Mapping[str, str] = FROM_HERE) -> Response:
        """Send fields."""
        return self.client.post(f"{self.at}{name}", data=dict(fields), headers=dict(headers))

    def do(self, name: str, page: str = "", **changes: Any) -> Response:
        """Look at *page* and send its form *name*, with some fields changed."""
        return self.post(name, {**self.form(name, page), **changes})
