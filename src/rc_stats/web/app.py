"""
The admin page as an ASGI app: the toggle, what would be sent, the history, and the rights, without a script.

Mount it in any server, under any path, behind the host's own sign-in::

    page = admin_app(reporter, authorise=lambda request: signed_in_admin(request))
    app.mount("/statistics", page)

Policy: privacy-policy@2023-01-05#toggle, #info-page, #administrators-responsible.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from http import HTTPStatus
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from rc_stats.consent import SCOPES
from rc_stats.errors import GateClosed, RcStatsError, UsageError
from rc_stats.outcome import Outcome, Verdict
from rc_stats.reporter import Reporter
from rc_stats.web.answers import Answers
from rc_stats.web.guard import Guard, Refused, Sessions, Tokens, check_origin, label_of, read_form
from rc_stats.web.ledger import history_of, is_sent, past_of, records_of
from rc_stats.web.looking import overview_of, sending_of, snapshot

_LOG: Final = logging.getLogger(__name__)

Authorise = Callable[[Request], str | Awaitable[str | None] | None]
"""Returns a label of who asks, or None if they may not; it may be async. Whatever it raises is a no."""

SETTLING_SECONDS: Final = 20.0
"""How long turning off waits for a request that is under way, before the page says that one may still arrive."""

_NOTICES: Final = {
    "none-ticked": "Nothing was changed: tick what may be shared first.",
    "on": "Sharing is on. Documents made from now on count.",
    "off": "Sharing is off. What was not sent yet is destroyed.",
    "off-unsettled": "Sharing is off. One request that had begun before may still arrive.",
    "paused": "Sharing is paused. What was not sent yet is destroyed.",
    "paused-unsettled": "Sharing is paused. One request that had begun before may still arrive.",
    "sent": "Sent.",
    "erased": "Erased. The history below says what.",
}
"""What a page says after something was done, by code."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who asks, and by which session of the browser."""

    request: Request
    who: str
    session: str


Form = Mapping[str, list[str]]
_Look = Callable[["_Visit"], Response]
_Act = Callable[["_Visit", Form], Response]
_Endpoint = Callable[[Request], Awaitable[Response]]


def admin_app(reporter: Reporter, *, authorise: Authorise, key: bytes | None = None) -> ASGIApp:
    """
    Return the page of *reporter* as an ASGI app. There is no open default: *authorise* is asked for every request.

    Args:
        authorise: Returns a label of who asks, which the history keeps, or None for nobody who may. A plain function is
            called in a thread.
        key: Secret of the forms' tokens, 16 bytes or more; give all processes that serve the same page the same one.

    Raises:
        UsageError: ``authorise`` or ``key``.
    """
    if not callable(authorise):
        raise UsageError(
            "The admin page needs authorise, which says who may use it.",
            rule="authorise",
            remedy="Pass a function of the request that returns a label of the admin, or None.",
        )
    if key is not None and len(key) < Tokens.SHORTEST_KEY:
        raise UsageError(f"A key has {Tokens.SHORTEST_KEY} bytes or more.", rule="key")
    page = _Page(reporter, authorise, Tokens(key))
    return Guard(page.app())


class _Page:
    """The routes, and what each does."""

    def __init__(self, reporter: Reporter, authorise: Authorise, tokens: Tokens) -> None:
        self._reporter = reporter
        self._authorise = authorise
        self._tokens = tokens
        self._sessions = Sessions()
        self._answers = Answers()

    def app(self) -> Starlette:
        """Return the app without its guard."""
        looks: dict[str, _Look] = {
            "/": self._overview,
            "/preview": self._preview,
            "/history": self._history,
            "/report": self._past,
            "/records": self._records,
            "/verify": self._verify,
            "/export": self._export,
        }
        acts: dict[str, _Act] = {
            "opt-in": self._opt_in,
            "opt-out": self._opt_out,
            "pause": self._pause,
            "send": self._send,
            "erase": self._erase,
        }
        return Starlette(
            routes=[
                Route("/style.css", self._served(self._answers.style, "text/css")),
                Route("/icon.svg", self._served(self._answers.icon, "image/svg+xml")),
                *(Route(path, self._looking(look)) for path, look in looks.items()),
                *(Route(f"/{name}", self._acting(name, act), methods=["POST"]) for name, act in acts.items()),
            ],
            exception_handlers=self._answers.handlers,
        )

    # Ways in ---------------------------------------------------------------------------------------------------------

    def _served(self, text: str, media_type: str) -> _Endpoint:
        """Return what serves a file of the page, which tells nothing of the workspace."""

        async def endpoint(_: Request) -> Response:
            return Response(text, media_type=media_type)

        return endpoint

    def _looking(self, look: _Look) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request)
            response = await run_in_threadpool(look, visit)
            self._sessions.keep(visit.session, request, response)
            return response

        return endpoint

    def _acting(self, name: str, act: _Act) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            check_origin(request)
            visit = await self._visit(request)
            return await run_in_threadpool(self._act, name, act, visit, await read_form(request))

        return endpoint

    def _act(self, name: str, act: _Act, visit: _Visit, form: Form) -> Response:
        self._tokens.use(_one(form, "token"), name, *self._about(visit, name))
        return act(visit, form)

    async def _visit(self, request: Request) -> _Visit:
        """
        Return who asks.

        Raises:
            Refused: They may not.
        """
        who = ""
        try:
            if iscoroutinefunction(self._authorise):
                answer = await self._authorise(request)
            else:
                answer = await run_in_threadpool(self._authorise, request)
                answer = await answer if isawaitable(answer) else answer
            who = label_of(answer)
        except Refused:  # a no, in the words of whoever says it
            raise
        except Exception as error:  # noqa: BLE001 - any doubt is a no
            _LOG.warning("authorise failed: %s", type(error).__name__)
        if not who:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "You may not see this page.",
                "not-authorised",
                "Sign in as an admin, then return.",
            )
        return _Visit(request, who, self._sessions.of(request))

    def _about(self, visit: _Visit, form: str = "") -> tuple[str, ...]:
        """Return what a form is made for: session, person, and the books and the terms as they stand."""
        terms, store = self._reporter.terms, self._reporter.store
        asking = (visit.session, visit.who)
        if form == "opt-out":
            return asking  # an off is right whatever was done since the page was shown
        if form == "pause":
            said = store.consent(terms.catalogue.name)
            return (*asking, said.state, str(said.at))
        number, digest = store.head()
        offered = (
            terms.catalogue.digest,
            str(terms.profile),
            str(terms.policy.effective),
            self._reporter.recipient.url,
        )
        return (*asking, str(number), digest, *offered)

    # Pages -----------------------------------------------------------------------------------------------------------

    def _overview(self, visit: _Visit) -> Response:
        return self._shown("overview.html.j2", visit, it=overview_of(snapshot(self._reporter)))

    def _preview(self, visit: _Visit) -> Response:
        asked = visit.request.query_params.getlist("scope")
        scope = frozenset(data_type for data_type in SCOPES if data_type in asked)
        return self._shown("sending.html.j2", visit, it=sending_of(snapshot(self._reporter), scope or None))

    def _history(self, visit: _Visit) -> Response:
        before = visit.request.query_params.get("before", "")
        is_number = before.isascii() and before.isdigit() and len(before) < 16
        number = int(before) or None if is_number else None
        return self._shown("history.html.j2", visit, it=history_of(self._reporter, number))

    def _past(self, visit: _Visit) -> Response:
        found = past_of(self._reporter, visit.request.query_params.get("period", ""))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return self._shown("report.html.j2", visit, it=found)

    def _records(self, visit: _Visit) -> Response:
        return self._shown("records.html.j2", visit, it=records_of(self._reporter), faults=None)

    def _verify(self, visit: _Visit) -> Response:
        faults = self._reporter.store.verify()
        return self._shown("records.html.j2", visit, it=records_of(self._reporter, faults), faults=faults)

    def _export(self, visit: _Visit) -> Response:
        if visit.request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
            check_origin(visit.request)  # another site may not even start the download
        body = b"".join(self._reporter.store.export())
        name = 'attachment; filename="rc-stats-history.jsonl"'
        return Response(body, media_type="application/jsonl", headers={"Content-Disposition": name})

    # Deeds -----------------------------------------------------------------------------------------------------------

    def _opt_in(self, visit: _Visit, form: Form) -> Response:
        asked = form.get("scope", [])
        scope = frozenset(data_type for data_type in SCOPES if data_type in asked)
        if not asked:
            return self._done(visit, "none-ticked")
        if len(scope) != len(asked):
            raise UsageError("There is no such kind of data.", rule="scope", remedy="Go back and tick a box.")
        self._reporter.opt_in(scope, by=visit.who)
        return self._done(visit, "on")

    def _opt_out(self, visit: _Visit, _: Form) -> Response:
        is_settled = self._reporter.opt_out(by=visit.who, seconds=SETTLING_SECONDS)
        return self._done(visit, "off" if is_settled else "off-unsettled")

    def _pause(self, visit: _Visit, form: Form) -> Response:
        try:
            until = datetime.combine(date.fromisoformat(_one(form, "until")), time(), UTC)
        except ValueError:
            until = None
        if until is None:
            raise UsageError("A pause ends on a day.", rule="restriction", remedy="Give it as 2026-08-31.")
        is_settled = self._reporter.opt_out(by=visit.who, until=until, seconds=SETTLING_SECONDS)
        return self._done(visit, "paused" if is_settled else "paused-unsettled")

    def _send(self, visit: _Visit, form: Form) -> Response:
        looked_at, failed = _one(form, "sha256"), None
        try:
            outcome = snapshot(self._reporter).send_once(expected=looked_at)
        except RcStatsError as error:
            failed = error
        # What was kept from an earlier period goes first, and then today's document may be missing or another one.
        if not is_sent(self._reporter, looked_at):
            if failed is not None:
                raise failed
            raise _unsent(outcome)
        return self._done(visit, "sent", "history")

    def _erase(self, visit: _Visit, form: Form) -> Response:
        store, name = self._reporter.store, self._reporter.terms.catalogue.name
        what = _one(form, "what")
        periods = {period.name for period in records_of(self._reporter).periods}
        if _one(form, "sure") != "yes":
            raise UsageError("Erasing needs the box to be ticked.", rule="not-confirmed", remedy="Go back and tick it.")
        if what != "everything" and what not in periods:
            raise UsageError("There is nothing of that name to erase.", rule="period", remedy="Go back and choose.")
        store.erase(catalogue=name, period=None if what == "everything" else what, at=self._reporter.clock())
        _LOG.info("erased")
        return self._done(visit, "erased", "history")

    # Answers ---------------------------------------------------------------------------------------------------------

    def _shown(self, template: str, visit: _Visit, **context: Any) -> Response:
        code, _, seal = visit.request.query_params.get("done", "").partition(".")
        is_true = code in _NOTICES and self._tokens.is_seal(seal, "done", code, *self._about(visit))
        return self._answers.page(
            template,
            **context,
            notice=_NOTICES[code] if is_true else "",
            is_alert=code == "none-ticked",
            token=lambda form: self._tokens.make(form, *self._about(visit, form)),
            who=visit.who,
            now=self._reporter.clock(),
        )

    def _done(self, visit: _Visit, code: str, page: str = "./") -> Response:
        """Lead to a page that says what was done; the seal keeps others from making it say so."""
        seal = self._tokens.sign("done", code, *self._about(visit))
        return RedirectResponse(f"{page}?done={code}.{seal}", HTTPStatus.SEE_OTHER)


def _one(form: Form, name: str) -> str:
    """Return the one value of a field; nothing if it is not there, or there twice."""
    values = form.get(name, [])
    return values[0] if len(values) == 1 else ""


def _unsent(outcome: Outcome) -> RcStatsError:
    """Return why what was looked at was not sent."""
    if outcome.error is not None:
        return outcome.error
    if outcome.verdict is Verdict.CHANGED:
        return GateClosed(
            "What would be sent has changed since you looked; nothing was sent.",
            rule="payload-changed",
            remedy="Look at it again, then send.",
        )
    if outcome.verdict is Verdict.HELD_ELSEWHERE:
        return GateClosed("Another instance is sending at this moment.", rule="held-elsewhere")
    if outcome.decision is not None and outcome.decision.closing:
        first = outcome.decision.closing[0]
        return GateClosed(f"Nothing was sent: {first.message}", rule=first.code)
    # The gate was open a moment ago: what is left is a clock that went back, or an end that came in between.
    return GateClosed(
        "Nothing was sent: the clock or the history don't allow it now.",
        rule=str(outcome.verdict),
        remedy="Check the server's clock, then look again.",
    )
