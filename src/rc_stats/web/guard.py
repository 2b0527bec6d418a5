"""
What keeps strangers out: the headers of every answer, the checks of every form, and its token.

A form is let through only if the browser says that it comes from this very page, and if it holds a token that was made
for this session, this person and this form; and, unless it turns sharing off, for what the books said when it was
shown. A token counts once.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG: Final = logging.getLogger(__name__)

CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Not "no-referrer": with it a browser sends "Origin: null" with a form, and who sends it couldn't be checked.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer has, an error's too. Nothing of the page is told to other sites."""

LONGEST_FORM: Final = 16 * 1024
"""Bytes; a form of this page has a few hundred."""

_MOST_FIELDS: Final = 20
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_PORTS: Final = {"http": 80, "https": 443}
_SPELT: Final = "/!$&'()*+,;=:@~"
"""What a browser leaves as it is in a path, beside letters, digits and what is never quoted."""

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Refused(Exception):
    """
    The request is not let through; nothing was done.

    Args:
        message: Why, in one line, without anything of the request.
    """

    def __init__(self, status: HTTPStatus, message: str, rule: str, remedy: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.rule = rule
        self.remedy = remedy


class Guard:
    """
    Adds the headers to every answer, and lets no unexpected error out.

    Of such an error only its kind and place are logged: its message might hold a value of the document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                message = {**message, "headers": list(message.get("headers", ()))}
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing of it may show
            last = traceback.extract_tb(error.__traceback__)[-1]
            _LOG.error("the page failed: %s in %s, line %s", type(error).__name__, last.name, last.lineno)
            if not has_begun:
                await Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, with_headers)


def check_origin(request: Request) -> None:
    """
    Let pass a request that the browser says comes from a page of this very origin.

    A browser says so with Sec-Fetch-Site, with Origin, or with both; a page can forge neither. What comes from
    elsewhere, from a neighbouring site, or from something that says nothing is refused.

    Raises:
        Refused: It comes from elsewhere.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    says = []
    if site is not None:
        says.append(site == "same-origin")
    if origin is not None:
        says.append(_is_own(origin, request))
    if not says or not all(says):
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "This did not come from this page, so nothing was done.",
            "foreign-origin",
            "Open the page and use its own buttons. A proxy in between must pass on the Host header.",
        )


def _is_own(origin: str, request: Request) -> bool:
    """Say whether *origin* is where this page is; its scheme may be that of a proxy that ends TLS in front."""
    try:
        parts = urlsplit(origin)
        here = urlsplit(f"{parts.scheme}://{request.headers.get('host', '')}")
        theirs = (parts.hostname, parts.port or _PORTS[parts.scheme])
        ours = (here.hostname, here.port or _PORTS[parts.scheme])
    except (ValueError, KeyError):
        return False
    is_downgrade = request.scope.get("scheme") == "https" and parts.scheme != "https"
    return parts.hostname is not None and theirs == ours and not is_downgrade


async def read_form(request: Request) -> Mapping[str, list[str]]:
    """
    Return the fields of the form that *request* brings.

    Raises:
        Refused: It is too large, or no form of this page.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This is no form of this page.", "form-type")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This form is too large.", "form-size")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        fault = Refused(HTTPStatus.BAD_REQUEST, "This is no form of this page.", "form-content")
    raise fault


class Sessions:
    """
    The browser's side of a form: a random cookie that only this page's own requests carry.

    It says nothing of who it is; that is asked each time.
    """

    COOKIE: Final = "rc-stats-form"

    def of(self, request: Request) -> str:
        """Return the session of *request*, or a new one."""
        found = request.cookies.get(self.COOKIE, "")
        return found if _SESSION.fullmatch(found) else secrets.token_urlsafe(32)

    def keep(self, session: str, request: Request, response: Response) -> None:
        """Let the browser keep *session*, unless it has it already."""
        if request.cookies.get(self.COOKIE) != session:
            response.set_cookie(
                self.COOKIE,
                session,
                path=_cookie_path(request.scope),
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="strict",
            )


def _cookie_path(scope: Scope) -> str:
    """Return the path under which the page is as the browser spells it, to which it compares a cookie's path."""
    root = scope.get("root_path", "")
    asked = scope.get("raw_path", b"").decode("latin-1")
    spelt = "/".join(asked.split("/")[: root.count("/") + 1])
    if unquote(spelt) != root:  # a proxy in front took the path away
        spelt = quote(root, _SPELT)
    # A cookie's path ends at a semicolon: there the folder above must do.
    whole, semicolon, _ = spelt.partition(";")
    return quote(whole.rpartition("/")[0] if semicolon else whole, f"%{_SPELT}") or "/"


class Tokens:
    """
    Makes and checks the tokens of forms, and signs notices.

    Args:
        key: Secret; the same for all processes that serve one page. A random one by default.
        clock: Seconds since 1970.
    """

    SECONDS: Final = 8 * 3600
    """How long a form can be sent: a working day."""

    SHORTEST_KEY: Final = 16

    def __init__(self, key: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        self._key = key or secrets.token_bytes(32)
        self._clock = clock
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def make(self, *about: str) -> str:
        """Return a new token for what *about* names: session, person, form and state."""
        head = f"{int(self._clock()) + self.SECONDS}.{secrets.token_hex(16)}"
        return f"{head}.{self.sign('form', head, *about)}"

    def use(self, token: str, *about: str) -> None:
        """
        Let *token* pass, this once.

        Raises:
            Refused: It was used before, is too old, or was made for something else.
        """
        head, _, seal = token.rpartition(".")
        is_ours = hmac.compare_digest(seal.encode(), self.sign("form", head, *about).encode())
        if is_ours and self._is_first_use(head):
            return
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "This form is out of date, or was used before; nothing was done.",
            "form-outdated",
            "Look at the page again, then repeat it.",
        )

    def _is_first_use(self, head: str) -> bool:
        now = self._clock()
        with self._lock:
            self._used = {used: until for used, until in self._used.items() if until >= now}
            until = float(head.partition(".")[0])
            if until < now or head in self._used:
                return False
            self._used[head] = until
        return True

    def sign(self, *about: str) -> str:
        """Return a seal of *about* that nobody else can make."""
        # Each part with its length: two lists that differ never read the same.
        text = "".join(f"{len(part)}:{part}" for part in about)
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def is_seal(self, seal: str, *about: str) -> bool:
        """Say whether *seal* is that of *about*."""
        return hmac.compare_digest(seal.encode("utf-8", "surrogatepass"), self.sign(*about).encode())


_LONGEST_LABEL: Final = 200


def label_of(answer: object) -> str:
    """Return the label that *answer* of who asks for authority is: what can be printed of it; empty for a no."""
    if not isinstance(answer, str):
        return ""
    return "".join(c for c in answer if c.isprintable()).strip()[:_LONGEST_LABEL]
