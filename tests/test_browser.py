"""
The admin page in a real browser: Chromium, with the page served by a real server.

Screenshots of every page are taken on the way. To look at them, name a directory: ``SCREENSHOTS=DIR pytest
tests/test_browser.py``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from collector import reply
from pages import DAY, NAME, NOW, Desk, desk, let_in, served, small
from rc_stats.outcome import Verdict
from rc_stats.web import admin_app
from rc_stats.web.command import Door

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS: Final = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PAGES: Final = ("", "preview", "history", "records", "verify")
LISTEN: Final = """
document.addEventListener("securitypolicyviolation",
    (event) => console.error("policy: " + event.effectiveDirective + " " + event.blockedURI));
"""
OPEN_ALL: Final = "document.querySelectorAll('details').forEach((found) => { found.open = true; })"

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("there is no chromium on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Give what drives the browser."""
    assert CHROMIUM is not None, "CI needs chromium"
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Give the browser, with an empty profile."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
    yield browser
    browser.close()


@pytest.fixture
def books() -> Iterator[Desk]:
    """Give a workspace in which nobody has said anything."""
    with desk(document=small()) as found:
        yield found


@pytest.fixture
def url(books: Desk) -> Iterator[str]:
    """Serve its page."""
    with served(admin_app(books.reporter, authorise=let_in)) as found:
        yield found


Opens = Callable[..., Page]


@pytest.fixture
def opens(chromium: Browser, url: str) -> Iterator[Opens]:
    """
    Give a function that opens a new window at the page.

    At the end no window may have had anything to complain of, in its console or of the content policy, and none may
    have asked anybody but the page for anything.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    strangers: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith(f"{url}/"):
            strangers.append(request.url)

    def complain(message: Any) -> None:
        if message.type in ("error", "warning") and "the server responded with a status of 4" not in message.text:
            complaints.append(message.text)

    def opened(path: str = "", **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1100, "height": 900}, **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        if options.get("java_script_enabled", True):
            context.add_init_script(LISTEN)
        context.on("console", complain)
        context.on("request", note)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert strangers == []


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of the screenshots."""
    named = os.environ.get("SCREENSHOTS")
    place = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    place.mkdir(parents=True, exist_ok=True)
    return place


def lived(books: Desk) -> None:
    """Let four months pass, with a report in each, up to the day before the next is due."""
    books.now -= 130 * DAY
    books.agreed()
    books.now = NOW
    books.live(4)


# The whole way -------------------------------------------------------------------------------------------------------


def agree(page: Page) -> None:
    """Tick what is usual and say yes."""
    for name in ("Usage", "Apps"):
        page.get_by_role("checkbox", name=name).check()
    page.get_by_role("button", name="Turn sharing on").click()


def go_the_whole_way(books: Desk, page: Page) -> None:
    """Turn sharing on, see what would be sent, send, see it in the history, export, turn it off, see it refused."""
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Nothing would be sent: nobody has agreed to share statistics."
    )
    page.get_by_role("button", name="Turn sharing on").click()
    expect(page.get_by_role("alert")).to_have_text("Nothing was changed: tick what may be shared first.")
    agree(page)
    expect(page.get_by_role("status")).to_have_text("Sharing is on. Documents made from now on count.")
    expect(page.get_by_role("heading", level=1)).to_contain_text("the document was made before the admin agreed")
    books.now += DAY
    page.get_by_role("link", name="What would be sent").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("This would be sent:")
    page.get_by_text("The bytes").click()
    shown = page.locator("section[aria-labelledby=bytes] pre").text_content()
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("status")).to_have_text("Sent.")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 report was sent, the last for August 2026.")
    (body,) = books.bodies
    assert shown is not None
    assert body.decode().strip() == shown.strip()
    page.get_by_role("link", name="August 2026", exact=True).click()
    page.get_by_text("The bytes").click()
    assert page.locator("section[aria-labelledby=bytes] pre").text_content() == shown
    page.get_by_role("link", name="Your records").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the history").click()
    assert download.value.suggested_filename == "rc-stats-history.jsonl"
    lines = [json.loads(line) for line in Path(download.value.path()).read_text(encoding="utf-8").splitlines()]
    assert {"consent", "report", "attempt", "receipt"} <= {line.get("kind") for line in lines}
    page.get_by_role("link", name="Overview", exact=True).click()
    books.now += 31 * DAY
    page.reload()
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_role("button", name="Turn sharing off").click()
    expect(page.get_by_role("status")).to_contain_text("Sharing is off.")
    assert page.get_by_role("button", name="Send it now").count() == 0
    other.get_by_role("button", name="Send it now").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("This form is out of date")
    assert books.reporter.send_once().verdict is Verdict.CLOSED
    assert len(books.bodies) == 1


def test_the_whole_way(books: Desk, opens: Opens) -> None:
    """An admin gets from a no to a report and back to a no, and sees at each step what holds."""
    go_the_whole_way(books, opens())


def test_without_scripts(books: Desk, opens: Opens) -> None:
    """All of it works in a browser that runs no script."""
    go_the_whole_way(books, opens(java_script_enabled=False))


def test_on_a_phone(books: Desk, opens: Opens) -> None:
    """All of it works with a touch screen of the width of a phone."""
    go_the_whole_way(books, opens(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True))


FOCUSED: Final = """() => {
    const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
    return {name: it.innerText || it.name || "", outline: style.outlineStyle !== "none" && style.outlineWidth !== "0px",
            seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight};
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called *name*; all on the way must show that they have it."""
    for _ in range(400):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUSED)
        if focus["name"]:
            assert focus["outline"], focus
            assert focus["seen"], focus
        if focus["name"].strip() == name:
            return
    raise AssertionError(f"{name} can't be reached")


def press(page: Page, key: str = "Enter") -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def test_by_keyboard_alone(books: Desk, opens: Opens) -> None:
    """All of it can be reached and done with the keyboard, and the focus is always seen."""
    page = opens()
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "scope")
    page.keyboard.press("Space")
    assert [box.is_checked() for box in page.get_by_role("checkbox").all()] == [True, False, False]
    tab_to(page, "Turn sharing on")
    press(page)
    expect(page.get_by_role("status")).to_contain_text("Sharing is on.")
    assert {str(name) for name in books.store.consent(NAME).scope} == {"usage"}
    books.now += DAY
    tab_to(page, "What would be sent")
    press(page)
    tab_to(page, "The bytes")
    page.keyboard.press("Enter")
    expect(page.locator("section[aria-labelledby=bytes] pre")).to_be_visible()
    tab_to(page, "Send it now")
    press(page)
    expect(page.get_by_role("status")).to_have_text("Sent.")
    tab_to(page, "Overview")
    press(page)
    tab_to(page, "Turn sharing off")
    press(page, "Space")
    expect(page.get_by_role("status")).to_contain_text("Sharing is off.")
    assert len(books.bodies) == 1


# How it looks and reads ----------------------------------------------------------------------------------------------

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 320, "height": 640}},
}


def assert_accessible(page: Page, name: str) -> None:
    """Fail if axe finds anything serious."""
    found = Axe().run(page).response["violations"]
    serious = [
        (fault["id"], [node["html"] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == [], name


def assert_fits(page: Page, name: str) -> None:
    """Fail if the page is wider than the window, or anything to press is too small for a finger."""
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, name
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, summary, nav a, select, input:not([type=hidden])")]
            .map((found) => found.type === "checkbox" ? found.closest("label") : found)
            .filter((found) => { const box = found.getBoundingClientRect(); return box.height > 0 && box.height < 24; })
            .map((found) => found.outerHTML)"""
    )
    assert small == [], name


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_used_by_all(books: Desk, opens: Opens, look: str, screenshots: Path) -> None:
    """In light, in the dark and on the smallest phone no page has a serious fault for anybody, and none is too wide."""
    page = opens(**LOOKS[look])
    home = page.url

    def look_at(state: str, *paths: str) -> None:
        for path in paths:
            page.goto(f"{home}{path}")
            name = f"{state}-{path.partition('?')[0] or 'overview'}-{look}"
            page.screenshot(path=screenshots / f"{name}.png", full_page=True)
            page.evaluate(OPEN_ALL)
            assert_fits(page, name)
            if look != "phone":  # the same page and colours as in light
                assert_accessible(page, name)

    look_at("undecided", "", "preview")
    lived(books)
    look_at("sent", *[path for path in PAGES if path != "preview"], "report?period=2026-08", "no-such-page")
    books.now += 31 * DAY
    look_at("open", "")
    books.reporter.opt_out(until=books.now + DAY)
    look_at("paused", "")
    books.reporter.opt_in()
    books.now += DAY
    books.collector.then(reply(503), reply(503))
    books.reporter.send_once()
    books.fault = ValueError("gone")
    look_at("kept", "", "preview")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor").removeprefix("rgb(").removesuffix(")")
    assert (sum(map(int, dark.split(","))) < 150) == (look == "dark")


@pytest.mark.parametrize("width", [320, 360, 1100])
def test_yes_and_no_weigh_the_same(opens: Opens, width: int) -> None:
    """Yes and no look alike, are of one height, keep a distance from each other, and no box is ticked beforehand."""
    page = opens(viewport={"width": width, "height": 740})
    assert page.get_by_role("checkbox", checked=True).count() == 0
    yes, no = page.get_by_role("button", name="Turn sharing on"), page.get_by_role("button", name="No, keep it off")
    looks = [
        button.evaluate("""(found) => { const {color, backgroundColor, borderColor, fontWeight, fontSize, height} =
            getComputedStyle(found); return [color, backgroundColor, borderColor, fontWeight, fontSize, height]; }""")
        for button in (yes, no)
    ]
    assert looks[0] == looks[1]
    one, other = yes.bounding_box(), no.bounding_box()
    assert one is not None
    assert other is not None
    apart = max(other["x"] - one["x"] - one["width"], other["y"] - one["y"] - one["height"])
    assert apart >= 8


def test_a_fault_would_be_found(opens: Opens) -> None:
    """The checks above do find a picture without words, pale text, a wide page and a small button."""
    page = opens()
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"icon.svg\">')")
    with pytest.raises(AssertionError, match="image-alt"):
        assert_accessible(page, "planted")
    page.evaluate("document.querySelector('main').style.setProperty('min-width', '2000px')")
    with pytest.raises(AssertionError):
        assert_fits(page, "planted")


def test_a_screen_reader_finds_its_way(books: Desk, opens: Opens) -> None:
    """Landmarks, names of fields and buttons, and what is current are there for who doesn't see the page."""
    page = opens()
    for landmark in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    expect(page.get_by_role("navigation", name="Pages")).to_have_count(1)
    expect(page.locator("[aria-current=page]")).to_have_text("Overview")
    group = page.get_by_role("group", name="What may be shared")
    names = [
        str(box.evaluate("(box) => box.labels[0].innerText")).split()[0] for box in group.get_by_role("checkbox").all()
    ]
    assert names == ["Usage", "Apps", "Account"]
    assert page.title().startswith("Sharing is off")
    agree(page)
    assert page.title().startswith("Sharing is on. Documents made from now on count.")


def test_a_picture_is_told_in_words(books: Desk, opens: Opens) -> None:
    """A chart is named by its sentence and described by what it shows; the wide table can be moved by keyboard."""
    lived(books)
    page = opens("history")
    picture = page.get_by_role("img").first
    assert "How many user records" in str(
        picture.evaluate(
            "(svg) => document.getElementById(svg.getAttribute('aria-labelledby').split(' ')[0]).textContent"
        )
    )
    expect(page.get_by_role("group", name="Reports")).to_have_count(1)


def test_it_prints(books: Desk, opens: Opens, screenshots: Path) -> None:
    """Printed, a page has all that is folded and no buttons, on white."""
    page = opens("preview", color_scheme="dark")
    pdf = page.pdf(path=screenshots / "preview.pdf")
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 20_000
    page.emulate_media(media="print")
    expect(page.get_by_role("button").first).to_be_hidden()
    expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
    heights = page.evaluate(
        "[...document.querySelectorAll('details > ul, details > pre')].map((list) => list.offsetHeight)"
    )
    assert len(heights) > 5
    assert min(heights) > 0
    style = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    assert style == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    expect(page.get_by_text("You are ann@example.org, as of 17 August 2026")).to_be_visible()


def test_the_history_prints_on_few_pages(books: Desk, opens: Opens, screenshots: Path) -> None:
    """Printed, the history has its charts without the table of each, its entries, who printed it and when."""
    lived(books)
    page = opens("history")
    pdf = page.pdf(path=screenshots / "history.pdf", format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 10
    page.emulate_media(media="print")
    assert page.locator(".chart table").count() > 5
    assert not [table for table in page.locator(".chart table").all() if table.is_visible()]
    assert page.locator(".chart svg").first.is_visible()
    expect(page.get_by_text("You are ann@example.org, as of 17 August 2026")).to_be_visible()


# Strangers -----------------------------------------------------------------------------------------------------------


def test_the_policy_would_be_heard(chromium: Browser, url: str) -> None:
    """What the tests above listen for is heard: a style in the page is refused by the policy and reported."""
    context = chromium.new_context()
    heard: list[str] = []
    context.add_init_script(LISTEN)
    context.on("console", lambda message: heard.append(message.text))
    page = context.new_page()
    page.goto(url)
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://evil.example/x.png\">')")
    page.wait_for_timeout(100)
    context.close()
    assert any(text.startswith("policy: style-src") for text in heard)
    assert any(text.startswith("policy: img-src https://evil.example") for text in heard)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_site_can_do_nothing(books: Desk, chromium: Browser, url: str, host: str) -> None:
    """A page of another origin or site sends a form with a good token from the admin's browser: it is refused."""
    stolen: dict[str, str] = {}

    async def lure(_: Request) -> HTMLResponse:
        fields = "".join(f'<input name="{name}" value="{value}">' for name, value in stolen.items())
        form = f'<form method="post" action="{url}/opt-in">{fields}<button>Win a prize</button></form>'
        return HTMLResponse(f'<!doctype html><html lang="en"><title>x</title>{form}<iframe src="{url}/"></iframe>')

    context = chromium.new_context()
    admin, victim = context.new_page(), context.new_page()
    admin.goto(url)
    stolen["token"] = str(admin.locator("form[action=opt-in] input[name=token]").get_attribute("value"))
    stolen["scope"] = "usage"
    with served(Starlette(routes=[Route("/", lure)])) as evil:
        victim.goto(evil.replace("127.0.0.1", host))
        assert victim.frames[1].url.startswith("chrome-error:") or "Sharing" not in victim.frames[1].content()
        victim.get_by_role("button", name="Win a prize").click()
        expect(victim.get_by_role("heading", level=1)).to_have_text(
            "This did not come from this page, so nothing was done."
        )
    assert list(books.store.history()) == []
    agree(admin)
    expect(admin.get_by_role("status")).to_contain_text("Sharing is on.")
    context.close()


def test_back_and_again(books: Desk, opens: Opens) -> None:
    """Going back and sending the same form again does nothing, and reloading the answer does it once only."""
    page = opens()
    agree(page)
    expect(page.get_by_role("status")).to_contain_text("Sharing is on.")
    page.reload()
    assert len(list(books.store.history())) == 1
    page.go_back()
    button = page.get_by_role("button", name="Turn sharing on")
    if button.count():  # the browser kept the page
        button.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("This form is out of date")
    assert len(list(books.store.history())) == 1


def test_one_browser_gets_through_the_door(books: Desk, chromium: Browser) -> None:
    """
    The address that serve prints lets one browser in, also by a link on another site, and it stays in; another is
    refused, and the token is gone.
    """
    doors: list[Door] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not doors:
            doors.append(Door(scope["server"][1], lambda: "ann"))
        await doors[0].before(admin_app(books.reporter, authorise=doors[0].authorise))(scope, receive, send)

    async def letter(_: Request) -> HTMLResponse:
        return HTMLResponse(f'<!doctype html><html lang="en"><title>x</title><a href="{doors[0].url}">The address</a>')

    with served(app) as url:
        one, two = chromium.new_context(), chromium.new_context()
        page = one.new_page()
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_contain_text("This page opens with the address")
        with served(Starlette(routes=[Route("/", letter)])) as site:
            page.goto(site.replace("127.0.0.1", "localhost"))
            page.get_by_role("link", name="The address").click()
        page.wait_for_url(f"{url}/")
        expect(page.get_by_role("contentinfo")).to_contain_text("You are ann")
        page.get_by_role("link", name="History").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing was sent yet.")
        other = two.new_page()
        other.goto(doors[0].url)
        expect(other.get_by_role("heading", level=1)).to_have_text("This address was used already.")
        one.close()
        two.close()
