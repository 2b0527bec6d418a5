"""How the page answers: the templates with what they need, and errors as pages with one clear line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ExceptionHandler

from rc_stats.errors import GateClosed, RcStatsError, StoreError, TransportError, UnusableInput, UsageError
from rc_stats.render.html import TEMPLATES, templates
from rc_stats.render.words import grouped
from rc_stats.web.guard import Refused
from rc_stats.web.ledger import HEIGHT, WIDTH
from rc_stats.web.telling import STATES, date_text, inside, moment_text, period_text

_LOG: Final = logging.getLogger(__name__)
_OWN: Final = Path(__file__).with_name("templates")

_STATUS: Final[tuple[tuple[type[RcStatsError], HTTPStatus], ...]] = (
    (UsageError, HTTPStatus.BAD_REQUEST),
    (GateClosed, HTTPStatus.CONFLICT),
    (UnusableInput, HTTPStatus.SERVICE_UNAVAILABLE),
    (TransportError, HTTPStatus.BAD_GATEWAY),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
)


class Answers:
    """The templates, the stylesheet and the icon, read once."""

    def __init__(self) -> None:
        self._templates = templates(_OWN, extra="web")
        self._templates.filters |= {
            "date": date_text,
            "grouped": grouped,
            "inside": inside,
            "moment": moment_text,
            "period": period_text,
            "sentence": lambda text: f"{text[0].upper()}{text[1:]}",
        }
        self._templates.globals |= {"STATES": STATES, "chart_height": HEIGHT, "chart_width": WIDTH}
        self.style = "".join(place.read_text("utf-8") for place in (TEMPLATES / "page.css", _OWN / "admin.css"))
        self.icon = (_OWN / "icon.svg").read_text("utf-8")

    def page(self, template: str, **context: Any) -> Response:
        """Return the page that *template* makes of *context*."""
        return HTMLResponse(self._templates.get_template(template).render(at="./", **context))

    @property
    def handlers(self) -> Mapping[Any, ExceptionHandler]:
        """What answers each kind of error."""
        return {
            HTTPException: self._not_here,
            Refused: self._refused,
            RcStatsError: self._failed,
            Exception: self._broken,
        }

    async def _not_here(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
        message = "There is no such page." if error.status_code == HTTPStatus.NOT_FOUND else "This can't be asked here."
        return self._error(request, error.status_code, message, "no-such-page", headers=error.headers)

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 - for the type checker
        _LOG.warning("refused: %s", error.rule)
        return self._error(request, error.status, error.message, error.rule, error.remedy)

    async def _failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RcStatsError)  # noqa: S101 - for the type checker
        status = next((s for kind, s in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
        is_damaged = error.rule == "store-corrupt"
        return self._error(request, status, error.message, error.rule, error.remedy, is_damaged=is_damaged)

    async def _broken(self, request: Request, _: Exception) -> Response:
        message = "Something went wrong here. The server's log names the place."
        return self._error(request, HTTPStatus.INTERNAL_SERVER_ERROR, message, "internal")

    def _error(
        self,
        request: Request,
        status: int,
        message: str,
        rule: str,
        remedy: str = "",
        *,
        is_damaged: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        # Whoever is refused sees no names of pages, so nobody is named here.
        page = self._templates.get_template("error.html.j2").render(
            at="../" * (path.count("/") - 1) or "./",
            message=message,
            rule=rule,
            remedy=remedy,
            is_damaged=is_damaged,
            notice="",
            who="",
        )
        return HTMLResponse(page, status, headers=headers)
