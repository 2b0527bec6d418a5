"""The admin page without a browser: who is let in, what a form must bring, what is done, and what never shows."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from canaries import assert_no_trace
from collector import Collector, reply
from pages import ADMIN, DAY, FROM_HERE, HOST, NAME, NOW, TERMS, Browser, Desk, Seen, desk, example, let_in, served
from rc_stats.catalogue import load_catalogue
from rc_stats.consent import Consent
from rc_stats.errors import UnusableInput, UsageError
from rc_stats.gate import Switches
from rc_stats.policy import WorkspaceKind
from rc_stats.reporter import Reporter
from rc_stats.store import Entry, Store
from rc_stats.web import admin_app
from rc_stats.web.command import Door
from rc_stats.web.guard import HEADERS, LONGEST_FORM, Refused, Tokens, label_of
from rc_stats.web.ledger import Chart, charts_of, periods_of
from rc_stats.web.telling import period_text, told

PAGES: Final = ("", "preview", "history", "records", "verify", "export", "report?period=2026-08")
FORMS: Final = ("opt-in", "opt-out", "pause", "send", "erase")
FILES: Final = ("style.css", "icon.svg")
CANARY: Final = "Quokkaville"
HOSTILE: Final = (
    f'<script>alert("{CANARY}")</script>',
    f"\"'><img src=x onerror={CANARY}>",
    f"\u202e{CANARY}\u2066.exe\u202c",
    f"</pre></code>{{{{ {CANARY} }}}}{{% raw %}}&amp;",
    f"\x1b[31m{CANARY}\r\n\x07",
)


@pytest.fixture
def books() -> Iterator[Desk]:
    """Give a workspace in which nobody has said anything."""
    with desk() as found:
        yield found


@pytest.fixture
def browser(books: Desk) -> Browser:
    """Give a browser of its admin."""
    return Browser(admin_app(books.reporter, authorise=let_in))


def kinds(books: Desk) -> list[str]:
    """Return the kinds of all entries, oldest first."""
    return [entry.kind for entry in books.store.history()]


# Who is let in -------------------------------------------------------------------------------------------------------


def test_there_is_no_open_default(books: Desk) -> None:
    """Without authorise there is no page: it can't be left out, and nothing that isn't callable will do."""
    with pytest.raises(TypeError):
        admin_app(books.reporter)  # type: ignore[call-arg]
    for nothing in (None, "ann", True):
        with pytest.raises(UsageError) as caught:
            admin_app(books.reporter, authorise=nothing)  # type: ignore[arg-type]
        assert caught.value.rule == "authorise"


async def nobody(_: Request) -> str | None:
    """Let nobody in, in its own time."""
    return None


def later(request: Request) -> Awaitable[str]:
    """Give something to wait for."""
    return somebody(request)


async def somebody(_: Request) -> str:
    """Let somebody in, in its own time."""
    return ADMIN


def failing(_: Request) -> str:
    """Fail, with something that must not show."""
    raise ValueError(CANARY)


@pytest.mark.parametrize("page", [*PAGES, *FORMS, "no-such-page"])
def test_whoever_is_not_authorised_sees_and_does_nothing(
    books: Desk, page: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Any answer but a label is a no, on every page and form: nothing shows, nothing is done, nothing is logged."""
    books.agreed()
    before = kinds(books)
    answers: list[Callable[[Request], Any]] = [lambda _: None, lambda _: "", lambda _: "\u202e ", lambda _: 7, nobody]
    for authorise in (*answers, lambda _: True, failing):
        stranger = Browser(admin_app(books.reporter, authorise=authorise))
        response = stranger.post(page, {"token": "x"}) if page in FORMS else stranger.ask(page)
        assert response.status_code == (404 if page == "no-such-page" else 403)
        shown = Seen(response.text)
        assert shown.forms == {}
        for secret in (ADMIN, CANARY, "2026", "Overview", "Rocket.Chat"):
            assert secret not in response.text
    assert kinds(books) == before
    assert CANARY not in caplog.text


@pytest.mark.parametrize("authorise", [let_in, somebody, later])
def test_a_label_lets_in(books: Desk, authorise: Any) -> None:
    """A plain function, an async one and one that gives something to wait for let in alike, and the label is kept."""
    browser = Browser(admin_app(books.reporter, authorise=authorise))
    assert f"You are {ADMIN}" in browser.see().text
    assert browser.do("opt-in").status_code == 200
    assert books.store.consent(NAME).by == ADMIN


@given(st.text())
def test_a_label_is_plain(text: str) -> None:
    """Of a label only what can be printed is kept, and not without end."""
    label = label_of(text)
    assert label.isprintable()
    assert len(label) <= 200
    assert label_of(label) == label.strip()


def test_who_decided_is_kept_by_each_deed(books: Desk) -> None:
    """Turning on, pausing and turning off note who did it, as authorise called them at that moment."""
    names = iter(["ann", "ann", "bob", "bob", "cem", "cem"])
    current = [""]

    def authorise(_: Request) -> str:
        return current[0]

    browser = Browser(admin_app(books.reporter, authorise=authorise))
    for deed, changes in (("opt-in", {}), ("pause", {"until": "2026-09-01"}), ("opt-out", {})):
        current[0] = next(names)
        next(names)
        assert browser.do(deed, **changes).status_code == 200
    said = [(e.details["state"], (e.private or {}).get("by")) for e in books.store.history() if e.kind == "consent"]
    assert said == [("granted", "ann"), ("granted", "bob"), ("withdrawn", "cem")]


# Headers -------------------------------------------------------------------------------------------------------------


def assert_guarded(response: httpx2.Response) -> None:
    """Fail if an answer lacks a header, or has one twice."""
    for name, value in HEADERS.items():
        assert response.headers.get_list(name) == [value], (response.url, name)


def test_every_answer_has_the_headers(books: Desk, browser: Browser) -> None:
    """Pages, files, downloads and refusals of every kind have all headers, each once."""
    books.agreed().live(1)
    for page in (*PAGES, *FILES):
        response = browser.ask(page)
        assert response.status_code == 200, page
        assert_guarded(response)
    refusals = {
        "no-such-page": 404,
        "a/b/c": 404,
        "send": 405,
        "report?period=1999-01": 404,
    }
    for page, status in refusals.items():
        response = browser.ask(page)
        assert response.status_code == status, page
        assert_guarded(response)
    for form in FORMS:
        for headers, status in ((FROM_HERE, 403), ({}, 403), ({**FROM_HERE, "Content-Type": "text/plain"}, 415)):
            response = browser.post(form, {}, headers)
            assert (response.status_code, form) in ((status, form), (415, form))
            assert_guarded(response)
    redirect = browser.client.post("/opt-out", data=browser.form("opt-out"), headers=FROM_HERE, follow_redirects=False)
    assert redirect.status_code == 303
    assert_guarded(redirect)


def test_the_content_policy_is_strict() -> None:
    """The page may load its own stylesheet and pictures and send its own forms, and nothing else at all."""
    rules = dict(rule.strip().split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_the_cookie_is_for_this_page_alone(books: Desk) -> None:
    """Scripts can't read the session's cookie, no other site's request brings it, and it stays under its path."""
    for scheme, secure in (("http", False), ("https", True)):
        app = Starlette(routes=[Mount("/inside", admin_app(books.reporter, authorise=let_in))])
        browser = Browser(app, "/inside/")
        browser.client.base_url = f"{scheme}://page.example"
        cookie = browser.ask("").headers["set-cookie"].lower()
        assert {"httponly", "samesite=strict", "path=/inside"} <= {part.strip() for part in cookie.split(";")}
        assert ("secure" in cookie) == secure
        assert "set-cookie" not in browser.ask("").headers


SPELLINGS: Final = [
    ("/t/a;b/", "/t"),
    ("/t/a%3Bb/", "/t/a%3Bb"),
    ("/statistik-%C3%BC/", "/statistik-%C3%BC"),
    ("/statistik-%c3%bc/", "/statistik-%c3%bc"),
    ("/%E7%B5%B1%E8%A8%88/", "/%E7%B5%B1%E8%A8%88"),
    ("/t/a%20b/", "/t/a%20b"),
    ("/t/a%0D%0AX:%201/", "/t/a%0D%0AX:%201"),
]


@pytest.mark.parametrize(("at", "path"), SPELLINGS)
def test_the_cookie_is_for_the_path_as_it_is_spelt(books: Desk, at: str, path: str) -> None:
    """Under any name the cookie's path is what the browser asks for, so that it is brought back and a form counts."""
    page = admin_app(books.reporter, authorise=let_in)
    app = Starlette(routes=[Mount(f"/{name}", page) for name in ("t/{tenant}", "statistik-ü", "統計")])
    browser = Browser(app, at)
    given = browser.ask("").headers["set-cookie"]
    assert f"Path={path};" in given
    assert given.isascii()
    assert browser.do("opt-in").status_code == 200


def test_the_cookie_where_a_proxy_takes_the_path_away(books: Desk) -> None:
    """Where the server is told of a path that no request has, the cookie is for that path, quoted."""
    page = admin_app(books.reporter, authorise=let_in)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await page({**scope, "root_path": "/außen;x"}, receive, send)

    assert "Path=/;" in Browser(behind).ask("").headers["set-cookie"]

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await page({**scope, "root_path": "/außen"}, receive, send)

    assert "Path=/au%C3%9Fen;" in Browser(plain).ask("").headers["set-cookie"]


# Where a form comes from ---------------------------------------------------------------------------------------------

ORIGINS: Final = [
    ({"Origin": HOST, "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": HOST}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": f"{HOST}:80"}, True),
    ({"Origin": "https://page.example"}, True),  # a proxy in front ends TLS
    ({}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "https://page.example.evil.example"}, False),
    ({"Origin": "http://page.example:8080"}, False),
    ({"Origin": "http://page.example@evil.example"}, False),
    ({"Origin": "file://page.example"}, False),
    ({"Origin": "http://["}, False),
    ({"Origin": HOST, "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": HOST, "Sec-Fetch-Site": "same-site"}, False),
    ({"Origin": HOST, "Sec-Fetch-Site": "none"}, False),
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
    ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, False),
    ({"Sec-Fetch-Site": ""}, False),
]


@pytest.mark.parametrize(("headers", "is_own"), ORIGINS, ids=str)
def test_a_form_from_elsewhere_is_refused(books: Desk, browser: Browser, headers: dict[str, str], is_own: bool) -> None:
    """A form counts only if all that the browser says of its origin names this page, even if its token is good."""
    response = browser.post("opt-in", browser.form("opt-in"), headers)
    assert response.status_code == (200 if is_own else 403)
    assert kinds(books) == (["consent"] if is_own else [])


def test_over_tls_a_plain_origin_is_another(books: Desk) -> None:
    """What was loaded without TLS is not this page where this page is over TLS."""
    browser = Browser(admin_app(books.reporter, authorise=let_in))
    browser.client.base_url = "https://page.example"
    fields = browser.form("opt-in")
    assert browser.post("opt-in", fields, {"Origin": HOST}).status_code == 403
    assert browser.post("opt-in", fields, {"Origin": "https://page.example"}).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_another_site_starts_no_download(browser: Browser, site: str, status: int) -> None:
    """The export is given to this page and to whoever types its address, and to no other site."""
    assert browser.ask("export", headers={"Sec-Fetch-Site": site}).status_code == status


# Tokens --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_form_without_a_good_token_is_refused(books: Desk, browser: Browser, form: str) -> None:
    """A missing, empty, doubled, made-up, cut or altered token does nothing, with any form."""
    books.agreed()
    page = {"erase": "records"}.get(form, "")
    fields = browser.form(form, page)
    (token,) = fields.pop("token")
    before = kinds(books)
    head, _, seal = token.rpartition(".")
    later = f"{int(head.split('.')[0]) + 1}.{head.split('.')[1]}.{seal}"
    for wrong in ([], [""], [token, token], ["x"], ["1.2.3"], [token[:-1]], [token[:-1] + "g"], [later], ["é.ü.ß"]):
        assert browser.post(form, {**fields, "token": wrong, "sure": "yes", "what": "everything"}).status_code == 403
    assert kinds(books) == before
    assert books.bodies == []


def test_a_token_counts_once(books: Desk, browser: Browser) -> None:
    """A form that is sent again, exactly as it was, is refused; also if the first time came to nothing."""
    fields = browser.form("opt-in")
    assert browser.post("opt-in", fields).status_code == 200
    assert browser.post("opt-in", fields).status_code == 403
    assert kinds(books) == ["consent"]
    fields = browser.form("erase", "records")
    assert browser.post("erase", fields).status_code == 400
    assert browser.post("erase", {**fields, "sure": "yes", "what": "everything"}).status_code == 403


def test_a_token_is_for_one_form_session_and_person(books: Desk) -> None:
    """The token of one form is none for another, for another browser, or for another person at the same browser."""
    who = ["ann"]
    app = admin_app(books.agreed().reporter, authorise=lambda _: who[0])
    browser, other = Browser(app), Browser(app)
    other.see()
    fields = browser.form("opt-out")
    assert browser.post("pause", {**fields, "until": "2026-09-01"}).status_code == 403
    assert other.post("opt-out", fields).status_code == 403
    who[0] = "bob"
    assert browser.post("opt-out", fields).status_code == 403
    who[0] = "ann"
    assert browser.post("opt-out", fields).status_code == 200


def test_a_token_is_for_what_was_shown(books: Desk, browser: Browser) -> None:
    """Once something else was decided or done, a form that was shown before does nothing."""
    fields = browser.form("opt-in")
    books.reporter.opt_out(by="bob")
    assert browser.post("opt-in", fields).status_code == 403
    assert kinds(books) == ["consent"]


@pytest.mark.parametrize("between", ["run", "refusal", "failure", "yes", "no", "erasure"])
def test_an_off_is_right_in_any_state(books: Desk, browser: Browser, between: str) -> None:
    """Whatever was recorded since the page was shown, its form turns sharing off; and it still counts once."""
    books.agreed()
    fields = browser.form("opt-out")
    if between == "refusal":
        books.switches = Switches(("DO_NOT_TRACK",))
    if between == "failure":
        books.collector.then(reply(503), reply(503))
    deeds: dict[str, Callable[[], object]] = {
        "yes": books.reporter.opt_in,
        "no": books.reporter.opt_out,
        "erasure": lambda: books.store.erase(at=books.now),
    }
    deeds.get(between, books.reporter.send_once)()
    assert len(kinds(books)) > 1
    assert "Sharing is off." in Seen(browser.post("opt-out", fields).text).text
    assert books.store.consent(NAME).state == "withdrawn"
    assert browser.post("opt-out", fields).status_code == 403


def test_the_first_no_is_taken_after_a_yes_of_somebody_else(books: Desk, browser: Browser) -> None:
    """Who was asked first and says no late has said no."""
    fields = browser.form("opt-out")
    books.reporter.opt_in(by="bob")
    assert browser.post("opt-out", fields).status_code == 200
    assert books.store.consent(NAME).state == "withdrawn"


def test_what_else_was_done_binds_the_other_forms(books: Desk, browser: Browser) -> None:
    """After a run a pause is still taken, and a yes, sending and erasing need another look; a pause goes by the yes."""
    books.agreed()
    shown = {form: browser.form(form, "records" if form == "erase" else "") for form in FORMS}
    books.reporter.send_once()
    for form in ("opt-in", "send", "erase"):
        assert browser.post(form, {**shown[form], "sure": "yes", "what": "everything"}).status_code == 403, form
    assert len(books.bodies) == 1
    assert browser.post("pause", {**shown["pause"], "until": "2026-09-01"}).status_code == 200
    fields = browser.form("pause")
    books.now += DAY
    books.reporter.opt_out(until=books.now + 90 * DAY)
    assert browser.post("pause", {**fields, "until": "2026-09-01"}).status_code == 403


def test_processes_share_a_key(books: Desk) -> None:
    """With the same key one process takes the form of another, unless it offers other terms; without, it doesn't."""
    key = b"0123456789abcdef"
    coarser = books.reporting(replace(TERMS, profile=type(TERMS.profile).STRICT))
    shown = Browser(admin_app(books.reporter, authorise=let_in, key=key))
    for reporter, own, status in ((books.reporter, key[::-1], 403), (coarser, key, 403), (books.reporter, key, 200)):
        taking = Browser(admin_app(reporter, authorise=let_in, key=own))
        fields = shown.form("opt-in")
        taking.client.cookies = shown.client.cookies
        assert taking.post("opt-in", fields).status_code == status
    for short in (b"", b"0123456789abcde"):
        with pytest.raises(UsageError):
            admin_app(books.reporter, authorise=let_in, key=short)


def test_a_token_grows_old() -> None:
    """A token is good for a working day, and no longer; one that was used stays used until then."""
    now = [1_000_000.0]
    tokens = Tokens(clock=lambda: now[0])
    old, used = tokens.make("a"), tokens.make("a")
    now[0] += Tokens.SECONDS - 1
    tokens.use(used, "a")
    for seconds in (0, 1, 1):
        now[0] += seconds
        with pytest.raises(Refused):
            tokens.use(used, "a")
    with pytest.raises(Refused):
        tokens.use(old, "a")


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_seal_is_for_one_list(one: list[str], other: list[str]) -> None:
    """The seals of two lists of words are the same only if the lists are, however the words are cut."""
    tokens = Tokens(b"0123456789abcdef")
    assert (tokens.sign(*one) == tokens.sign(*other)) == (one == other)
    assert tokens.is_seal(tokens.sign(*one), *one)


def test_what_a_form_may_bring(books: Desk, browser: Browser) -> None:
    """What is no form, too large, not UTF-8 or has too many fields is refused before it is looked at."""
    form = {"Content-Type": "application/x-www-form-urlencoded", **FROM_HERE}
    attempts = [
        (b"token=x", {**form, "Content-Type": "application/json"}, 415),
        (b"token=x", {**form, "Content-Type": "multipart/form-data; boundary=x"}, 415),
        (b"token=" + b"x" * LONGEST_FORM, form, 413),
        (b"\xff=\xfe", form, 400),
        (b"token=%ff", form, 400),
        (b"&".join(b"scope=usage" for _ in range(50)), form, 400),
    ]
    for body, headers, status in attempts:
        response = browser.client.post("/opt-in", content=body, headers=headers)
        assert response.status_code == status
        Seen(response.text)

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1024

    assert browser.client.post("/opt-in", content=endless(), headers=form).status_code == 413
    assert kinds(books) == []


# What is done --------------------------------------------------------------------------------------------------------


def test_from_a_yes_to_a_report_and_back(books: Desk, browser: Browser) -> None:
    """An admin turns sharing on, sends what was shown, finds it in the history, takes it along, and turns it off."""
    assert "Nothing would be sent: nobody has agreed" in browser.see().text
    assert "send" not in browser.see().forms
    on = Seen(browser.do("opt-in").text)
    assert "Sharing is on. Documents made from now on count." in on.text
    assert "the document was made before the admin agreed" in on.text
    books.now += DAY
    shown = browser.see("preview")
    (digest,) = shown.forms["send"]["sha256"]
    sent = Seen(browser.do("send").text)
    assert "Sent." in sent.text
    assert "1 report was sent, the last for August 2026." in sent.text
    (body,) = books.bodies
    assert books.store.payload(NAME, "2026-08") == body
    assert digest in browser.see("report?period=2026-08").text
    assert body.decode().strip() in shown.text
    assert body.decode().strip() in browser.see("report?period=2026-08").text
    export = browser.ask("export")
    assert export.headers["content-disposition"] == 'attachment; filename="rc-stats-history.jsonl"'
    lines = [json.loads(line) for line in export.content.splitlines()]
    assert [line["kind"] for line in lines if line["record"] == "entry"] == kinds(books)
    off = Seen(browser.do("opt-out").text)
    assert "Sharing is off. What was not sent yet is destroyed." in off.text
    assert "send" not in off.forms
    assert "took" not in off.text
    assert "the admin withdrew the consent" in off.text
    assert "The history is whole: 5 entries" in browser.see("verify").text


@pytest.mark.parametrize("scope", [["usage"], ["usage", "account"], ["app"], ["account"], ["usage", "app", "account"]])
def test_a_yes_is_to_what_was_ticked(books: Desk, browser: Browser, scope: list[str]) -> None:
    """The yes covers exactly the boxes, and those are ticked when the page is shown again."""
    assert browser.do("opt-in", scope=scope).status_code == 200
    assert {str(data_type) for data_type in books.store.consent(NAME).scope} == set(scope)
    assert browser.form("opt-in")["scope"] == [name for name in ("usage", "app", "account") if name in scope]


@pytest.mark.parametrize("scope", [[""], ["tracking"], ["usage", "user_content"], ["usage", "usage"], ["USAGE"]])
def test_a_yes_to_nothing_or_to_more_is_none(books: Desk, browser: Browser, scope: list[str]) -> None:
    """A name that is on no box, or there twice, is no yes."""
    assert browser.do("opt-in", scope=scope).status_code == 400
    assert kinds(books) == []


def test_nothing_is_ticked_beforehand(books: Desk, browser: Browser) -> None:
    """Nobody's yes is made for them: no box comes ticked before a yes or after a no, and a yes to none is told so."""
    for before_a_yes in (lambda: None, books.reporter.opt_in, books.reporter.opt_out):
        before_a_yes()
        ticked = browser.see().forms["opt-in"].get("scope", [])
        assert bool(ticked) == (before_a_yes == books.reporter.opt_in)
    entries = kinds(books)
    told = Seen(browser.do("opt-in", scope=[]).text)
    assert "Nothing was changed: tick what may be shared first." in told.text
    assert 'role="alert"' in told.html
    assert "opt-in" in told.forms
    assert kinds(books) == entries


def test_a_look_at_a_yes(books: Desk, browser: Browser) -> None:
    """What a yes to some boxes would send can be looked at, marked as a supposition, and changes nothing."""
    sizes = set()
    for scope in ("usage", "usage&scope=app", "account", "nonsense"):
        shown = browser.see(f"preview?scope={scope}")
        assert "This is a supposition. None of it is sent." in shown.text
        sizes.add(re.search(r"(\d+) values, ", shown.text.replace("\N{NO-BREAK SPACE}", ""))[1])  # type: ignore[index]
        assert "send" not in shown.forms
    assert len(sizes) == 3, "nonsense shows the usual scope"
    assert kinds(books) == []


def test_a_pause(books: Desk, browser: Browser) -> None:
    """A pause lasts until the day that was named, is shown as one, and a yes ends it."""
    books.agreed()
    paused = Seen(browser.do("pause", until="2026-09-01").text)
    assert "Sharing is paused until 1 September 2026" in paused.text
    assert books.store.consent(NAME).restricted_until == datetime(2026, 9, 1, tzinfo=UTC)
    assert "Sharing is on" in Seen(browser.do("opt-in").text).text
    assert books.store.consent(NAME).restricted_until is None


@pytest.mark.parametrize(
    "until", ["", "soon", "2026-08-17", "2020-01-01", "2026-02-30", "2026-09-01T00:00", "20260901x"]
)
def test_no_pause(books: Desk, browser: Browser, until: str) -> None:
    """What is no day to come pauses nothing, and says so."""
    books.agreed()
    assert browser.do("pause", until=until).status_code == 400
    assert books.store.consent(NAME).restricted_until is None


def test_only_what_was_shown_is_sent(books: Desk, browser: Browser) -> None:
    """If another document has come since the page was shown, nothing is sent until that was looked at."""
    books.agreed()
    fields = browser.form("send")
    books.document["totalChannels"] += 1
    response = browser.post("send", fields)
    assert response.status_code == 409
    assert "has changed since you looked" in Seen(response.text).text
    assert books.bodies == []
    assert browser.do("send").status_code == 200
    assert len(books.bodies) == 1


def test_what_says_no_in_the_meantime(books: Desk, browser: Browser) -> None:
    """A kill switch, another instance, or a clock that went back holds sending up though the page had the button."""
    books.agreed()
    books.store.erase(catalogue=NAME, period="2020-01", at=NOW)
    fields = browser.form("send")
    books.switches = Switches(("DO_NOT_TRACK",))
    assert "DO_NOT_TRACK is set" in told_by(browser.post("send", fields), 409)
    books.switches = Switches()
    lease = books.store.lease(NAME, seconds=60)
    assert lease is not None
    assert "Another instance is sending" in told_by(browser.do("send"), 409)
    books.store.release(lease)
    fields = browser.form("send")
    books.now -= DAY / 12
    assert "The clock says less than the history does" in told_by(browser.post("send", fields), 409)
    assert books.bodies == []


def told_by(response: httpx2.Response, status: int) -> str:
    """Return the text of an error's page."""
    assert response.status_code == status
    return Seen(response.text).text


def test_the_document_is_asked_for_once(books: Desk) -> None:
    """What is compared with what was shown is what is sent, also if each question is answered with another document."""
    books.agreed()
    documents = cycle([dict(example(), totalChannels=number) for number in (7, 8)])

    def source() -> bytes:
        books.document = next(documents)
        return books.source()

    reporter = Reporter(
        source,
        books.reporter.workspace,
        books.store,
        books.reporter.transport,
        books.reporter.clock,
        terms=TERMS,
        recipient=books.reporter.recipient,
    )
    browser = Browser(admin_app(reporter, authorise=let_in))
    shown = browser.form("send")
    assert browser.post("send", shown).status_code == 409
    fields = browser.form("send")
    next(documents)
    assert browser.post("send", fields).status_code == 200
    assert [json.loads(body)["statistics"]["totalChannels"] for body in books.bodies] == [7]


def test_sending_that_fails(books: Desk, browser: Browser) -> None:
    """What could not be delivered is told with one line and the right status, is kept, and goes out the next time."""
    books.agreed()
    books.collector.then(reply(503), reply(503))
    response = browser.do("send")
    assert response.status_code == 502
    assert "The recipient answered with status 503." in Seen(response.text).text
    kept = browser.see()
    assert "Kept until it is delivered: the report for August 2026" in kept.text
    assert "Waiting to be delivered" in browser.see("history").text
    shown = browser.see("preview")
    (pending,) = books.store.pending(NAME)
    assert pending.body.decode().strip() in shown.text
    assert browser.do("send", "preview").status_code == 200
    assert set(books.bodies) == {pending.body}


def test_what_was_kept_is_shown_whatever_the_source_does(books: Desk, browser: Browser) -> None:
    """Kept bytes are shown first, byte for byte, and go out on a click, also while today's statistics are gone."""
    books.agreed()
    books.collector.then(reply(503), reply(503))
    books.reporter.send_once()
    books.fault = ValueError(CANARY)
    (pending,) = books.store.pending(NAME)
    for page in ("", "preview"):
        shown = browser.see(page)
        assert f"<h1>Kept until it is delivered: the report for August 2026, {len(pending.body):,}".replace(
            ",", "\N{NO-BREAK SPACE}"
        ) in shown.html.replace("August 2026, ", "August 2026\N{NO-BREAK SPACE} ")
        assert "The source failed (ValueError)." in shown.text
        assert shown.forms["send"]["sha256"] == [pending.sha256]
        assert_no_trace(shown.html, CANARY)
    assert "Nothing would be sent" not in browser.see().text
    assert pending.body.decode().strip() in browser.see("preview").text
    assert "Sent." in Seen(browser.do("send", "preview").text).text
    assert books.bodies[-1] == pending.body


@pytest.mark.parametrize("fault", [None, ValueError(CANARY)], ids=["another document", "no document"])
def test_what_was_kept_goes_before_todays(books: Desk, browser: Browser, fault: Exception | None) -> None:
    """What was kept of last month and looked at is sent and told so; today's, which nobody looked at, stays here."""
    books.agreed()
    books.now = datetime(2026, 8, 31, 12, tzinfo=UTC)
    books.collector.then(reply(503), reply(503))
    books.reporter.send_once()
    tried = len(books.bodies)
    books.now += DAY
    books.fault = fault
    (pending,) = books.store.pending(NAME)
    shown = Seen(browser.do("send", "preview").text)
    assert "Sent." in shown.text
    assert "1 report was sent, the last for August 2026." in shown.text
    assert books.bodies[tried:] == [pending.body]


def test_the_month_ends_while_it_is_sent(books: Desk, browser: Browser) -> None:
    """Wherever in sending the month ends, no other bytes leave than those that were looked at."""
    books.agreed()
    books.now = end = datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC)
    looked_at: set[str] = set()
    for calls in range(8):
        left = [end] * calls
        books.reporter.clock = lambda: end
        fields = browser.form("send")
        looked_at.update(fields["sha256"])

        def clock(left: list[datetime] = left) -> datetime:
            return left.pop() if left else end + DAY

        books.reporter.clock = clock
        response = browser.post("send", fields)
        assert {hashlib.sha256(body).hexdigest() for body in books.bodies} <= looked_at
        if books.bodies:
            break
        assert response.status_code in (403, 409)
    assert books.bodies


def test_a_final_refusal(books: Desk, browser: Browser) -> None:
    """A refusal of the recipient ends the period: it is told, and nothing more can be sent."""
    books.agreed()
    books.collector.then(reply(400))
    fields = browser.form("send")
    assert browser.post("send", fields).status_code == 502
    assert "Nothing is left to send: the report for August 2026 was refused by the recipient" in browser.see().text
    assert "send" not in browser.see("preview").forms
    assert "Refused by the recipient" in browser.see("history").text
    assert "None of it is sent: the report for August 2026 was refused" in browser.see("preview").text


def test_turning_off_while_something_is_under_way(
    books: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a request has begun and doesn't end, the page says that it may still arrive."""
    monkeypatch.setattr("rc_stats.web.app.SETTLING_SECONDS", 0.05)
    books.agreed()
    with books.store.wire():
        assert "One request that had begun before may still arrive." in Seen(browser.do("opt-out").text).text


def test_erasing(books: Desk, browser: Browser) -> None:
    """One period or everything is erased, if the box is ticked; the history says so and stays whole."""
    books.now -= 100 * DAY
    books.agreed()
    books.now = NOW
    books.live(3)
    assert browser.do("erase", "records", what="2026-07").status_code == 400
    assert browser.do("erase", "records", what="2019-01", sure="yes").status_code == 400
    assert browser.do("erase", "records", what="", sure="yes").status_code == 400
    assert books.store.payload(NAME, "2026-07") is not None
    assert "Erased July 2026" in Seen(browser.do("erase", "records", what="2026-07", sure="yes").text).text
    held = {period: books.store.payload(NAME, period) is not None for period in ("2026-06", "2026-07", "2026-08")}
    assert held == {"2026-06": True, "2026-07": False, "2026-08": True}
    assert "Its bytes were destroyed here." in browser.see("report?period=2026-07").text
    erased = Seen(browser.do("erase", "records", what="everything", sure="yes").text)
    assert "Erased everything" in erased.text
    assert ADMIN not in erased.text.partition("All that was decided")[2].partition("You are")[0]
    assert "The history is whole" in browser.see("verify").text


def test_a_history_that_was_tampered_with(books: Desk, browser: Browser) -> None:
    """Where the books were changed past the store, checking says so."""
    import sqlite3  # noqa: PLC0415 - only to tamper

    books.agreed()
    with closing(sqlite3.connect(books.directory / "store.sqlite3")) as file, file:
        file.execute("UPDATE entries SET at = '2020-01-01T00:00:00+00:00'")
    shown = browser.see("verify")
    assert "The history is not whole" in shown.text
    assert "The history is whole" not in shown.text


EDITS: Final = [
    ("details = '[]' WHERE kind = 'consent'", 1),
    ("details = '{\"x\":1}' WHERE kind = 'report'", 2),
    ("details = '{\"attempt\":[]}' WHERE kind = 'receipt'", 4),
    ("details = '{\"codes\":7}', kind = 'refusal' WHERE number = 3", 3),
    ("details = '{\"restricted_until\":\"soon\"}' WHERE kind = 'consent'", 1),
    ('details = \'{"restricted_until":null,"state":"granted","scope":5}\' WHERE kind = \'consent\'', 1),
    ("details = '{\"removed\":\"\u202e\"}', kind = 'prune' WHERE number = 3", 3),
    ("at = '0001-01-01T00:00:00+14:00' WHERE number = 3", None),
    ("at = '0001-01-01T00:00:00+14:00' WHERE kind = 'report'", None),
    ("period = '\u00b2026-\u00b2' WHERE number > 1", None),
    ("period = '2026-99' WHERE number > 1", None),
    ("kind = 'novelty\u202e' WHERE number = 2", None),
]


@pytest.mark.parametrize(("edit", "number"), EDITS)
def test_an_edited_entry_is_told_to_be_one(books: Desk, browser: Browser, edit: str, number: int | None) -> None:
    """Whatever an entry was edited into, the history shows the others, and checking it shows what was done."""
    import sqlite3  # noqa: PLC0415 - only to tamper

    books.agreed().live(1)
    with closing(sqlite3.connect(books.directory / "store.sqlite3")) as file, file:
        file.execute(f"UPDATE entries SET {edit}")  # noqa: S608 - our own
    shown = browser.see("history")
    assert number is None or f"Entry {number} can't be read" in shown.text
    assert len(re.findall(r"Entry \d+,", shown.text)) == 4
    assert "The history is not whole" in browser.see("verify").text
    assert "erase" in browser.see("records").forms
    assert "\u202e" not in shown.html
    for period in ("2026-08", "2026-99"):
        assert browser.ask(f"report?period={period}").status_code in (200, 404)


def test_an_entry_of_no_moment(books: Desk, browser: Browser) -> None:
    """Where a moment was edited into none, the history can't be shown; the check is offered, and tells of it."""
    import sqlite3  # noqa: PLC0415 - only to tamper

    books.agreed().live(1)
    with closing(sqlite3.connect(books.directory / "store.sqlite3")) as file, file:
        file.execute("UPDATE entries SET at = 'yesterday' WHERE number = 2")
    assert "verify" in [link.removeprefix("./") for link in browser.see("history", 503).links]
    assert "The history is not whole" in browser.see("verify").text
    assert "Some of it can't be read." in browser.see("records").text
    with closing(sqlite3.connect(books.directory / "store.sqlite3")) as file, file:
        file.execute("UPDATE heads SET number = 'many'")
    assert "The history is not whole" in browser.see("verify").text


def test_bytes_that_were_changed_are_not_shown(books: Desk, browser: Browser) -> None:
    """If the kept bytes of a report are not those of its digest, the page says so and shows none of them."""
    import sqlite3  # noqa: PLC0415 - only to tamper

    books.agreed().live(1)
    for body in (b"\xff\xfe", b'{"statistics":{"totalUsers":[7]}}\n', b"{}"):
        with closing(sqlite3.connect(books.directory / "store.sqlite3")) as file, file:
            file.execute("UPDATE periods SET body = ?", (body,))
        assert "the bytes or the entry were changed" in browser.see("report?period=2026-08").text
        assert "Byte for byte" not in browser.see("report?period=2026-08").text
        browser.see("history")


def test_a_notice_can_not_be_made_up(browser: Browser) -> None:
    """A link of somebody else can't make the page say that something was done."""
    for said in ("on", "on.", "sent.0123", "sent." + "0" * 64, "<b>", "on.é"):
        assert 'role="status"' not in browser.see(f"?done={said}").html
    done = browser.do("opt-in")
    assert 'role="status"' in done.text
    other = Browser(browser.client.app)
    assert 'role="status"' not in other.ask(str(done.url).removeprefix(f"{HOST}/")).text


# What is told --------------------------------------------------------------------------------------------------------


def test_what_changed_since_the_yes(books: Desk, browser: Browser) -> None:
    """Metrics that are new, changed or gone since the yes are named in words, and one button agrees to them."""
    consent = books.agreed().store.consent(NAME)
    fields = dict(consent.fields[TERMS.profile])
    del fields["totalChannels"]
    fields |= {"totalUsers": "0" * 16, "goneMetric": "1" * 16}
    narrowed = replace(consent, fields={**consent.fields, TERMS.profile: fields}, policy_date=date(2020, 1, 1))
    books.store.record_consent(NAME, narrowed)
    shown = browser.see()
    for part in ("2 metrics are new or changed", "The policy is another one", "New (1)", "Changed (1)"):
        assert part in shown.text, part
    assert "No longer sent (1)" in shown.text
    assert "goneMetric" in shown.text
    assert "How many public channels the workspace has. totalChannels" in shown.text
    assert Seen(browser.do("opt-in").text).text.count("Nothing that needs a new yes.") == 1
    assert books.store.consent(NAME).scope == consent.scope


def test_other_terms_are_told(books: Desk, browser: Browser) -> None:
    """Another recipient and a finer profile than those agreed to are told, and hold sending up until a new yes."""
    coarse = books.reporting(replace(TERMS, profile=type(TERMS.profile).STRICT))
    coarse.recipient = TERMS.policy.recipient
    coarse.opt_in(by=ADMIN)
    shown = browser.see()
    assert "The recipient is another one." in shown.text
    assert "The profile is finer: standard." in shown.text
    assert browser.do("opt-in").status_code == 200
    assert "Nothing that needs a new yes." in browser.see().text


def test_a_source_in_a_file(books: Desk, tmp_path: Path) -> None:
    """A source that is a file is read as it is, and one that isn't there is told in one line."""
    (tmp_path / "statistics.json").write_bytes(books.source())
    books.reporter.source = tmp_path / "statistics.json"
    browser = Browser(admin_app(books.reporter, authorise=let_in))
    assert "values" in browser.see("preview").text
    (tmp_path / "statistics.json").unlink()
    assert "The source can't be read" in browser.see("").text


def test_a_no_needs_no_source(books: Desk, browser: Browser) -> None:
    """Who hasn't decided can say no while today's statistics can't be read, and can't say yes."""
    books.fault = ValueError(CANARY)
    assert set(browser.see().forms) == {"opt-out"}
    assert "Sharing is off." in Seen(browser.do("opt-out").text).text
    assert books.store.consent(NAME).state == "declined"


def test_what_was_sent_is_a_click_away(books: Desk, browser: Browser) -> None:
    """Once this month's report was sent, the overview leads to that report and not to today's document."""
    books.agreed().live(1)
    shown = browser.see()
    assert "report?period=2026-08" in shown.links
    assert shown.text.count("See that report") == 1
    assert "today's document" not in shown.text
    assert books.bodies[0].decode().strip() in browser.see("report?period=2026-08").text


def test_records_of_nothing(browser: Browser) -> None:
    """Where nothing was recorded, nothing is offered to be taken along or erased."""
    shown = browser.see("records")
    assert "There is no entry yet." in shown.text
    assert "There is nothing to take along and nothing to erase." in shown.text
    assert shown.forms == {}
    assert not {"export", "verify"} & set(shown.links)
    assert "The history is whole" not in browser.see("verify").text


def test_a_name_with_an_article(books: Desk, browser: Browser) -> None:
    """The name of a configured recipient stands in a sentence as other words do."""
    books.reporter.recipient = replace(books.reporter.recipient, name="The configured collector at stats.example")
    shown = browser.see()
    assert "Sharing statistics with the configured collector at stats.example" in shown.text
    assert "Who gets it The configured collector" in shown.text


NOES: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("unregistered", {"kind": WorkspaceKind.UNREGISTERED}, "this workspace is not registered"),
    ("switch", {"switches": Switches(("DO_NOT_TRACK",))}, "DO_NOT_TRACK is set"),
    ("disagreement", {"kind": WorkspaceKind.HOSTED}, "disagree"),
]


@pytest.mark.parametrize(("name", "options", "says"), NOES, ids=lambda value: value if isinstance(value, str) else "")
def test_another_no_is_told_before_a_yes(name: str, options: dict[str, Any], says: str) -> None:
    """What says no whatever the admin says is told at the toggle, with a remedy that can be followed here."""
    with desk(**options) as books:
        browser = Browser(admin_app(books.reporter, authorise=let_in))
        shown = browser.see()
        assert says.lower() in shown.text.lower()
        assert "Even after a yes nothing would be sent" in shown.text
        assert "What would change it:" in shown.text
        assert "--" not in shown.text, "an option of the command line"
        assert "--" not in browser.see("preview").text


def test_who_gets_it_is_told_before_a_yes(browser: Browser) -> None:
    """The recipient, its country and every company that may get the statistics are on the page of the toggle."""
    recipient = TERMS.policy.recipient
    shown = browser.see()
    assert "<details" not in shown.html.partition("</form>")[0], "it is not folded"
    text = shown.text.partition("Turn sharing on")[0]
    for part in (recipient.name, recipient.country, *(company.name for company in recipient.subprocessors)):
        assert part in text


def test_every_value_is_told_in_words(books: Desk, browser: Browser) -> None:
    """Each metric of the payload stands on the page with its sentence, in the sections of the info page."""
    books.agreed()
    text = browser.see("preview").text
    payload = books.reporter.prepare().payload
    assert payload is not None
    catalogue = load_catalogue()
    fields = [
        metric for metric in catalogue.metrics.values() if not metric.is_dropped and has(payload.body, metric.emit)
    ]
    assert len(fields) > 200
    assert [metric.emit for metric in fields if f"{metric.says} {metric.emit}" not in text] == []
    assert payload.envelope.url in text
    assert all(f"{name}: {value}" in text for name, value in payload.envelope.headers)


def has(body: bytes, path: str) -> bool:
    """Say whether a payload has a value at *path*."""
    value = json.loads(body)["statistics"]
    for step in path.split("."):
        if step not in value:
            return False
        value = value[step]
    return True


def test_every_entry_has_words(books: Desk) -> None:
    """Each kind of entry that a workspace's life brings is told in words; one of the future is told as unknown."""
    books.agreed()
    books.collector.then(reply(503), reply(503))
    books.reporter.send_once()
    books.reporter.opt_out(until=books.now + DAY)
    books.reporter.send_once()
    books.reporter.opt_in()
    books.now += 31 * DAY
    books.reporter.send_once()
    books.now += 31 * DAY
    books.collector.then(reply(400))
    books.reporter.send_once()
    books.reporter.opt_out()
    books.now += 31 * DAY
    books.reporter.send_once()
    books.store.erase(at=books.now)
    books.store.erase(period="2026-08", at=books.now)
    entries = list(books.store.history())
    books.store.prune(before=books.now - 50 * DAY, at=books.now)
    entries += books.store.history()
    words = [told(entry) for entry in entries]
    assert [words for words in words if "doesn't know" in words.what or not words.what] == []
    expected = {"consent", "refusal", "report", "attempt", "failure", "receipt", "discard", "erasure", "prune"}
    assert {entry.kind for entry in entries} == expected
    unknown = Entry(1, NOW, "novelty", NAME, "", {}, None, "")
    assert "doesn't know" in told(unknown).what


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ("report", "pending"),
        ("report attempt failure", "pending"),
        ("report attempt failure attempt receipt", "sent"),
        ("report attempt refused", "rejected"),
        ("report attempt given-up", "unknown"),
        ("report attempt given-up receipt", "sent"),
        ("report attempt receipt refused", "sent"),
        ("report attempt refused given-up", "rejected"),
        ("report discard", None),
        ("report discard report attempt receipt", "sent"),
        ("attempt receipt", None),
    ],
)
def test_how_a_period_stands(entries: str, state: str | None) -> None:
    """What became of a period follows from its entries as in the store: what has arrived stays so."""
    details = {
        "failure": ("failure", {"is_final": False}),
        "refused": ("failure", {"is_final": True}),
        "given-up": ("discard", {"is_tried": True}),
        "discard": ("discard", {"is_tried": False}),
    }
    rows = [
        Entry(
            number, NOW, *details.get(name, (name, {}))[:1], NAME, "2026-08", details.get(name, (name, {}))[1], None, ""
        )
        for number, name in enumerate(entries.split(), 1)
    ]
    found = periods_of(rows).get("2026-08")
    assert (found and found.state) == state


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("2026-08", "August 2026"),
        ("2026-08-03", "3 August 2026"),
        ("", ""),
        ("2026", "2026"),
        ("2026-13", "2026-13"),
        ("x-y", "x-y"),
    ],
)
def test_period_text(period: str, words: str) -> None:
    """A month and a day are told as people say them; what is neither stays as it is."""
    assert period_text(period) == words


# Charts --------------------------------------------------------------------------------------------------------------


def drawn(values: list[int | None]) -> Chart | None:
    """Return the chart of a total that was reported month after month, None if nothing is drawn."""
    months = [f"20{24 + month // 12}-{month % 12 + 1:02}" for month in range(len(values))]
    bodies = {
        name: json.dumps({"statistics": {} if value is None else {"totalUsers": value}}).encode()
        for name, value in zip(months, values, strict=True)
    }

    class Books:
        """Gives the bytes of the periods."""

        def payload(self, _: str, period: str) -> bytes | None:
            return bodies[period]

    entries = [
        Entry(n, NOW, kind, NAME, name, {}, None, "") for n, name in enumerate(months) for kind in ("report", "receipt")
    ]
    charts = charts_of(Books(), load_catalogue(), list(periods_of(entries).values()))  # type: ignore[arg-type]
    return charts[0] if charts else None


@given(st.lists(st.none() | st.integers(0, 10**12), min_size=1, max_size=30))
def test_a_chart_is_true(values: list[int | None]) -> None:
    """Every value has its mark at its height, in order, on the paper; what was withheld breaks the line."""
    chart = drawn(values)
    shown = [value for value in values if value is not None]
    if chart is None:
        assert shown == []
        return
    assert [mark.value for mark in chart.marks] == shown
    assert [value for _, value in chart.rows] == values
    assert chart.top >= max(shown)
    assert chart.top <= max(1, 2.5 * max(shown))
    for mark in chart.marks:
        assert abs((106 - mark.y) / (106 - 22) - mark.value / chart.top) < 0.001
        assert 10 <= mark.x <= 310
    assert [mark.x for mark in chart.marks] == sorted(mark.x for mark in chart.marks)
    gaps = sum(1 for one, two in pairwise(values) if one is not None and two is None)
    assert len(chart.lines) == gaps + (values[-1] is not None)


def test_charts_have_words_and_a_table(books: Desk, browser: Browser) -> None:
    """Each picture has a name, a sentence of what it shows, and a table with the same numbers."""
    books.now -= 200 * DAY
    books.agreed()
    books.now = NOW
    books.live(4)
    shown = browser.see("history")
    figures = re.findall(r"<figure.*?</figure>", shown.html, re.DOTALL)
    assert len(figures) > 20
    for figure in figures:
        assert 'role="img"' in figure
        assert re.search(r"<desc[^>]*>.+ in .+</desc>", figure)
        assert figure.count("<tr>") == 5
        assert "aria-labelledby" in figure
    users = [json.loads(body)["statistics"]["totalUsers"] for body in books.bodies]
    assert all(f"<td>{number}</td>" in figures[0] for number in users)


def test_charts_of_a_part_say_so(books: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the charts don't show all reports, since there are many or bytes were destroyed, that is told."""
    books.now -= 200 * DAY
    books.agreed()
    books.live(4)
    assert "These show" not in browser.see("history").text
    books.store.erase(catalogue=NAME, period="2026-06", at=books.now)
    assert "These show 3 of the 4 reports" in browser.see("history").text
    monkeypatch.setattr("rc_stats.web.ledger.CHARTED", 1)
    shown = browser.see("history")
    assert "These show 1 of the 4 reports" in shown.text
    assert "the only report so far" not in shown.text


def test_a_long_history_has_pages(books: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long history the newest entries come first, and a link leads to the older ones, to the very first."""
    monkeypatch.setattr("rc_stats.web.ledger.ENTRIES", 10)
    for _ in range(10):
        books.reporter.opt_in()
        books.reporter.opt_out()
    path, numbers = "history", []
    while path:
        shown = browser.see(path)
        numbers += [int(n) for n in re.findall(r"Entry (\d+),", shown.text)]
        path = next((link for link in shown.links if link.startswith("history?before=")), "")
    assert numbers == list(range(20, 0, -1))
    assert "Entry 20," in browser.see("history?before=nonsense").text
    assert "Entry 20," in browser.see("history?before=0").text
    assert "There are none." in browser.see("history?before=1").text
    for path, newer in (("before=11", ""), ("before=5", "?before=15"), ("before=1", "?before=11"), ("before=99", "")):
        assert f"history{newer}" in browser.see(f"history?{path}").links[6:], path


# The page itself -----------------------------------------------------------------------------------------------------


def states(books: Desk, browser: Browser) -> Iterator[tuple[str, Seen]]:
    """Yield every page in each state that a workspace can be in."""
    pages = ("", "preview", "history", "records", "verify")

    def look(state: str) -> Iterator[tuple[str, Seen]]:
        for page in pages:
            yield f"{state} {page}", browser.see(page)

    yield from look("undecided")
    books.now -= 70 * DAY
    books.agreed()
    books.now = NOW
    yield from look("open")
    books.live(2)
    yield from look("sent")
    yield "report", browser.see("report?period=2026-08")
    books.reporter.opt_out(until=NOW + 9 * DAY)
    yield from look("paused")
    books.reporter.opt_out()
    yield from look("withdrawn")
    yield "missing", browser.see("nothing/here", 404)


def test_every_page_is_sound(books: Desk, browser: Browser) -> None:
    """Every page is well formed, has one first heading and no level left out, names that are unique, and no script."""
    for name, seen in states(books, browser):
        assert seen.levels[0] == 1, name
        assert seen.levels.count(1) == 1, name
        assert all(b <= a + 1 for a, b in pairwise(seen.levels)), name
        assert len(set(seen.ids)) == len(seen.ids), name
        assert seen.refers <= set(seen.ids), name
        assert seen.html.startswith("<!doctype html>\n"), name
        assert "\u202e" not in seen.html


@pytest.mark.parametrize("at", ["/", "/statistics/", "/a/b%20c/d/"])
def test_under_any_path(books: Desk, at: str) -> None:
    """Under any path all links, forms and files stay below it and lead somewhere, and so do those of errors."""
    app = admin_app(books.agreed().reporter, authorise=let_in)
    plain = at.replace("%20", " ")
    browser = Browser(Starlette(routes=[Mount(plain.rstrip("/"), app)]) if at != "/" else app, at)
    books.live(1)
    found = set()
    for page in ("", "preview", "history", "records", "report?period=2026-08", "no/such/page"):
        seen = browser.see(page, 404 if "no/" in page else 200)
        for link in (*seen.links, *seen.forms):
            assert not urlsplit(link).netloc, link
            assert not link.startswith("/"), link
            target = urljoin(f"{HOST}{at}{page}", link)
            assert target.startswith(f"{HOST}{at}"), (page, link)
            found |= {target.partition("#")[0]} - {f"{HOST}{at}no/such/page"}
    for target in found:
        assert browser.client.get(target).status_code in (200, 405), target
    assert {f"{HOST}{at}{form}" for form in ("opt-in", "opt-out", "pause", "erase")} <= found
    assert "Sharing is off" in Seen(browser.do("opt-out").text).text
    assert browser.client.get(f"{HOST}{at}".rstrip("/")).status_code == 200


def test_nothing_of_the_request_is_shown(books: Desk, browser: Browser) -> None:
    """What a request brings in its path, its query, its headers or its fields is on no page."""
    books.agreed()
    for text in HOSTILE:
        quoted = httpx2.QueryParams({"a": text})["a"]
        asked = [
            browser.client.get("/history", params={"before": quoted, "done": quoted}),
            browser.client.get("/preview", params={"scope": quoted}),
            browser.client.get("/report", params={"period": quoted}),
            browser.client.get(f"/{CANARY}/x"),
            browser.client.get("/", headers={"X-Anything": CANARY, "Cookie": f"rc-stats-form={CANARY}"}),
            browser.do("erase", "records", what=quoted, sure="yes"),
            browser.do("pause", until=quoted),
            browser.do("opt-in", scope=quoted),
            browser.do("send", sha256=quoted),
        ]
        for response in asked:
            assert_no_trace(response.text, CANARY)


def planted(value: Any, tokens: Iterator[str]) -> Any:
    """Return a document with hostile text in the place of every text, and in keys beside every key."""
    if isinstance(value, dict):
        inner = {key: planted(item, tokens) for key, item in value.items()}
        return {**inner, next(tokens): next(tokens), f"total{next(tokens)}": {next(tokens): 1}}
    if isinstance(value, list):
        return [*(planted(item, tokens) for item in value), next(tokens)]
    return next(tokens) if isinstance(value, str) else value


def test_no_value_of_the_document_is_shown(books: Desk, browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """Markup, scripts, marks of direction and escapes in a document's values and keys are on no page and in no log."""
    caplog.set_level(logging.DEBUG)
    books.document = planted(example(), cycle(HOSTILE))
    assert json.dumps(books.document).count(CANARY) > 500
    for _, seen in states(books, browser):
        assert_no_trace(seen.html, CANARY)
        assert [c for c in seen.html if not c.isprintable() and c not in "\n\N{NO-BREAK SPACE}"] == []
    assert_no_trace(browser.ask("export").text, CANARY)
    assert_no_trace(caplog.text, CANARY)


def test_a_label_of_elsewhere_is_shown_as_text(books: Desk, browser: Browser) -> None:
    """A label in the books, whoever wrote it, is text: no markup, no change of direction."""
    for text in HOSTILE:
        consent = Consent().grant(TERMS, at=NOW, by=text, recipient=books.reporter.recipient)
        books.store.record_consent(NAME, consent)
        for page in ("", "history"):
            seen = browser.see(page)
            assert CANARY in seen.text
            assert [c for c in seen.html if not c.isprintable() and c not in "\n\N{NO-BREAK SPACE}"] == []


# When something fails ------------------------------------------------------------------------------------------------


def test_the_toggle_works_whatever_the_source_does(
    books: Desk, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """With a source that fails, even with an error of its own, sharing can be turned off; what it said never shows."""
    books.agreed()
    ours = UnusableInput("It is a riddle.", rule="riddle")
    for fault in (ours, ValueError(CANARY), KeyError(CANARY), OSError(2, CANARY), RuntimeError(f"<b>{CANARY}")):
        books.fault = fault
        shown = browser.see()
        assert ("riddle" if fault is ours else type(fault).__name__) in shown.text
        assert "opt-in" not in shown.forms
        assert browser.see("preview", 503).levels == [1]
        assert_no_trace(shown.html + browser.ask("preview").text, CANARY)
    assert "Sharing is off" in Seen(browser.do("opt-out").text).text
    assert_no_trace(caplog.text, CANARY)


def test_books_that_can_not_be_read(books: Desk, browser: Browser) -> None:
    """Without its books the page says in one line why it can't be shown, with the right status."""
    books.store.close()
    for page in ("", "preview", "history", "records", "verify", "export"):
        assert browser.see(page, 503).levels == [1]


def test_an_unexpected_error_shows_nothing(books: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody expected is a page with all headers; the log has the kind and the place of the error, no message."""

    def clock() -> datetime:
        raise LookupError(CANARY)

    books.reporter.clock = clock
    browser = Browser(admin_app(books.reporter, authorise=let_in))
    response = browser.ask("")
    assert response.status_code == 500
    assert_guarded(response)
    assert "Something went wrong here." in Seen(response.text).text
    assert "LookupError" in caplog.text
    assert_no_trace(caplog.text + response.text, CANARY)


def test_other_protocols_pass_by(books: Desk) -> None:
    """A websocket is closed, and the server's start and end are answered."""
    app = admin_app(books.reporter, authorise=let_in)
    sent: list[Any] = []

    async def talk(scope: dict[str, Any], *messages: dict[str, str]) -> None:
        waiting = iter(messages)

        async def receive() -> Any:
            return next(waiting)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app(scope, receive, send)

    asyncio.run(talk({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
    asyncio.run(talk({"type": "websocket", "path": "/", "headers": []}, {"type": "websocket.connect"}))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


@pytest.mark.parametrize("name", ["layout.html.j2", "overview.html.j2", "admin.css", "icon.svg"])
def test_its_files_are_packaged(name: str) -> None:
    """What the page reads at run time is inside the package."""
    assert files("rc_stats.web").joinpath("templates", name).is_file()
    assert files("rc_stats.render").joinpath("templates", "parts.html.j2").is_file()


def test_without_its_extra() -> None:
    """Without Starlette the page says which extra brings it, and nothing else of the package minds."""
    program = (
        "import sys\n"
        "sys.modules['starlette'] = None\n"
        "import rc_stats.web, rc_stats.web.command\n"
        "from rc_stats.errors import MissingExtra\n"
        "for ask in (lambda: rc_stats.web.admin_app, lambda: rc_stats.web.command.serve.callback(\n"
        "    port=0, catalogue=None, config=None)):\n"
        "    try:\n"
        "        ask()\n"
        "    except MissingExtra as error:\n"
        "        assert error.extra == 'web', error\n"
        "    else:\n"
        "        raise SystemExit('it was there')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# rc-stats serve ------------------------------------------------------------------------------------------------------


def test_the_door_opens_once(books: Desk) -> None:
    """The first with the token is let in and led to an address without it; after that it is worth nothing."""
    door = Door(8123, lambda: "ann")
    app = door.before(admin_app(books.reporter, authorise=door.authorise))
    browsers = [Browser(app), Browser(app)]
    for browser in browsers:
        browser.client.base_url = "http://127.0.0.1:8123"
    token = door.url.partition("?")[2]
    assert browsers[1].ask("?token=wrong").status_code == 403
    assert browsers[1].ask("?token=\u00e9").status_code == 403
    assert "all of it" in Seen(browsers[1].ask("").text).text
    entered = browsers[0].client.get(f"/?{token}", follow_redirects=False)
    assert entered.status_code == 200
    assert 'http-equiv="refresh" content="0; url=./"' in entered.text
    assert "./" in Seen(entered.text).links
    assert door.url.partition("=")[2] not in entered.text
    assert {"httponly", "samesite=strict"} <= set(entered.headers["set-cookie"].lower().split("; "))
    assert entered.headers["referrer-policy"] == "no-referrer"
    assert {name: entered.headers[name] for name in HEADERS} == {**HEADERS, "Referrer-Policy": "no-referrer"}
    assert "You are ann" in browsers[0].see().text
    assert browsers[1].ask(f"?{token}").status_code == 403
    late = Seen(browsers[1].see("", 403).html)
    assert "This address was used already." in late.text
    assert "start rc-stats serve again" in late.text
    assert browsers[0].ask(f"?{token}").status_code == 200, "the one who was let in may stay"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "127.0.0.1", "127.0.0.1:8124", "[::1]:8123", ""])
def test_the_door_knows_its_name(books: Desk, host: str) -> None:
    """A name that was made to lead to this machine is not answered, not even with the token."""
    door = Door(8123, lambda: "ann")
    browser = Browser(door.before(admin_app(books.reporter, authorise=door.authorise)))
    response = browser.client.get(f"/?{door.url.partition('?')[2]}", headers={"Host": host})
    assert response.status_code == 421
    assert response.text.count("\n") == 1
    assert "http://127.0.0.1:8123 alone" in response.text
    assert "ssh -L 8123:127.0.0.1:8123" in response.text
    assert "token" not in response.text
    assert_guarded(response)
    assert "set-cookie" not in response.headers


def test_a_user_without_a_name() -> None:
    """Where the system knows no name of the user, the label is its number."""

    def nameless() -> str:
        raise OSError

    door = Door(8123, nameless)
    cookie = f"rc-stats-serve-8123={door._session}".encode()
    request = Request({"type": "http", "headers": [(b"cookie", cookie)]})
    assert door.authorise(request) in (f"user {os.getuid()}", "the user of this machine")


def test_serving_for_real(tmp_path: Path) -> None:
    """The command prints an address on loopback that works once, logs no token, and an interrupt ends it well."""
    (tmp_path / "statistics.json").write_text(json.dumps(example()), encoding="utf-8")
    config = tmp_path / "config.toml"
    config.write_text(
        'workspace = "registered"\nsource = "statistics.json"\nstore = "books.sqlite3"\n', encoding="utf-8"
    )
    program = "import sys; from rc_stats.web.command import serve; sys.exit(serve(standalone_mode=False))"
    command = [sys.executable, "-c", program, "--config", str(config)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running,
        ExitStack() as ending,
    ):
        ending.callback(running.kill)  # a test that fails ends, too
        assert running.stdout is not None
        assert running.stderr is not None
        line = running.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", line)
        assert found, line
        url = found[0]
        with httpx2.Client(follow_redirects=True, timeout=30) as one, httpx2.Client(timeout=30) as two:
            assert one.get(url.partition("?")[0]).status_code == 403
            assert "This browser is let in" in one.get(url).text
            assert "Sharing is off" in one.get(url.partition("?")[0]).text
            assert two.get(url).status_code == 403
            server = one.get(url.partition("?")[0]).headers.get("server")
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    assert server is None
    assert url.partition("token=")[2] not in output + errors
    assert Store.open(tmp_path / "books.sqlite3").latest_at(NAME) is None


def test_a_port_that_is_taken(tmp_path: Path, collector_port: int) -> None:
    """A port that somebody has is told in one line, before anything is served."""
    config = tmp_path / "config.toml"
    config.write_text('store = "books.sqlite3"\n', encoding="utf-8")
    from rc_stats.web.command import serve  # noqa: PLC0415 - loads the command line

    with pytest.raises(UsageError) as caught:
        serve(["--config", str(config), "--port", str(collector_port)], standalone_mode=False)
    assert caught.value.rule == "port"


@pytest.fixture
def collector_port(tmp_path: Path) -> Iterator[int]:
    """Give a port on which somebody listens."""
    with Collector(tmp_path) as taken:
        yield taken.port


def test_a_real_server_adds_nothing(books: Desk) -> None:
    """Behind a real server, raw requests with a foreign origin or without a token are refused."""
    with served(admin_app(books.reporter, authorise=let_in)) as url, httpx2.Client(timeout=30) as client:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert client.get(f"{url}/").status_code == 200
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": url}):
            response = client.post(f"{url}/opt-in", content=b"scope=usage", headers={**form, **headers})
            assert response.status_code == 403
            assert_guarded(response)
    assert kinds(books) == []
