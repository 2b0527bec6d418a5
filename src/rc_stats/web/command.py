"""``rc-stats serve``: the admin page for one person on this machine."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rc_stats.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST: Final = "127.0.0.1"
_COOKIE: Final = "rc-stats-serve"


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Where to listen, on loopback."
)
@click.option("--catalogue", metavar="NAME", help="Another's catalogue; ours by default.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration; RC_STATS_CONFIG or your own by default.",
)
def serve(*, port: int, catalogue: str | None, config: Path | None) -> int:
    """
    Serve the admin page to one browser on this machine, until it is interrupted.

    The printed address works once: whoever opens it first is let in, and nobody else. The toggle notes the name of the
    user who runs this.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from rc_stats.web.app import admin_app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise MissingExtra("web", "The admin page") from None
    from rc_stats.configuration import load  # noqa: PLC0415
    from rc_stats.service import reporter_of  # noqa: PLC0415

    reporter = reporter_of(load(config, os.environ), catalogue=catalogue)
    with reporter.store, _listening(port) as listening:
        door = Door(listening.getsockname()[1])
        app = door.before(admin_app(reporter, authorise=door.authorise))
        # No access log: it would hold the token.
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="none",
            )
        )
        click.echo(f"The admin page, for one browser: {door.url}")
        click.echo("An interrupt (Ctrl-C) ends it.", err=True)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    return 0


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        fault = error.strerror
    raise UsageError(f"Port {port} can't be used: {fault}.", rule="port", remedy="Name another: --port")


class Door:
    """
    Lets one browser in: who has the token first gets a cookie for it, and the token is void.

    Args:
        port: Where the page is; a request that names another host or port was led here by a trick.
        who: The label of whom it lets in.
    """

    def __init__(self, port: int, who: Callable[[], str] = getpass.getuser) -> None:
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._token = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._is_used = False
        # Cookies don't know ports: with the port in its name, two pages on one machine don't take each other's away.
        self._cookie = f"{_COOKIE}-{port}"
        self._who = who
        self.url = f"http://{HOST}:{port}/?token={self._token}"
        self._elsewhere = (
            f"This page answers at http://{HOST}:{port} alone. From another machine, forward the same port: "
            f"ssh -L {port}:{HOST}:{port}\n"
        )

    def authorise(self, request: Request) -> str:
        """
        Return the name of the user who serves the page, for the one browser that was let in.

        Raises:
            Refused: It is another.
        """
        from rc_stats.web.guard import Refused  # noqa: PLC0415 - an extra

        found = request.cookies.get(self._cookie, "")
        if not secrets.compare_digest(found.encode(), self._session.encode()):
            if self._is_used:
                raise Refused(
                    HTTPStatus.FORBIDDEN,
                    "This address was used already.",
                    "address-used",
                    "If it was by this browser, go on to the overview. If not, start rc-stats serve again.",
                )
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "This page opens with the address that rc-stats serve printed, all of it.",
                "no-token",
                "Copy the whole address, to the end of its token.",
            )
        try:
            return self._who()
        except (OSError, KeyError, ImportError):  # a user without a name
            return f"user {os.getuid()}" if hasattr(os, "getuid") else "the user of this machine"

    def before(self, app: ASGIApp) -> ASGIApp:
        """Return *app* with the door before it."""
        from starlette.requests import Request  # noqa: PLC0415 - an extra
        from starlette.responses import PlainTextResponse  # noqa: PLC0415

        from rc_stats.web.answers import Answers  # noqa: PLC0415
        from rc_stats.web.guard import HEADERS  # noqa: PLC0415

        answers = Answers()

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            request = Request(scope)
            token = request.query_params.get("token")
            if request.headers.get("host") not in self._hosts:
                response: Response = PlainTextResponse(self._elsewhere, HTTPStatus.MISDIRECTED_REQUEST, HEADERS)
                await response(scope, receive, send)
            elif token is not None and request.method == "GET" and self._opens(token):
                # A page that leads on, and no redirect: whoever comes by a link of another site brings a strict cookie
                # only with what this page asks for. Its address has the token, so it is passed on to nobody.
                response = answers.page("entered.html.j2", who="", notice="")
                response.headers.update({**HEADERS, "Referrer-Policy": "no-referrer"})
                response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
                await response(scope, receive, send)
            else:
                await app(scope, receive, send)

        return guarded

    def _opens(self, token: str) -> bool:
        """Say whether *token* lets somebody in; it does so once."""
        is_ours = secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
        if not is_ours or self._is_used:
            return False
        self._is_used = True
        return True
