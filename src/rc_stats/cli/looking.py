"""``preview``: what would be sent, what not, and why."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rc_stats.cli.configured import CONFIG, settings_if_any, store_if_any
from rc_stats.cli.streams import KINDS, PROFILES, as_json, moment, opened, print_text, write
from rc_stats.errors import UsageError

if TYPE_CHECKING:
    from rc_stats.configuration import Settings
    from rc_stats.consent import Consent, Terms
    from rc_stats.sources import Newest
    from rc_stats.store import Pending


@click.command()
@click.argument("file", default=None, required=False, metavar="[FILE|-]", type=click.Path(allow_dash=True))
@click.option("--url", metavar="URL", help="Ask a live workspace, as RC_STATS_USER_ID with RC_STATS_AUTH_TOKEN.")
@click.option("--credentials", metavar="FILE", help="A file with user_id=… and auth_token=…, for --url.")
@click.option("--workspace", type=click.Choice(KINDS), help="What the workspace is; unregistered unless you say so.")
@click.option("--opt-in", is_flag=True, help="Ask: what if the admin had agreed before this document was made?")
@click.option("--scope", metavar="LIST", help="Data types agreed to: usage, app, account; usage,app by default.")
@click.option("--profile", type=click.Choice(PROFILES), help="How coarse; standard unless you say so.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "payload", "html"]),
    default="text",
    show_default=True,
    help="payload: exactly the bytes, nothing else.",
)
@click.option("--envelope", is_flag=True, help="Also show URL, method and headers.")
@click.option("--show-values", is_flag=True, help="Also spell what stays here. Mind who sees it.")
@click.option("--at", metavar="TIME", callback=moment, help="The clock to go by; now by default.")
@click.option("--all", "is_whole", is_flag=True, help="Fold no long group on a terminal; elsewhere none is folded.")
@click.option("--no-pager", is_flag=True, help="Never page on a terminal; else PAGER is used, or less.")
@CONFIG
def preview(
    *,
    file: str | None,
    url: str | None,
    credentials: str | None,
    workspace: str | None,
    opt_in: bool,
    scope: str | None,
    profile: str | None,
    format_: str,
    envelope: bool,
    show_values: bool,
    at: datetime,
    is_whole: bool,
    no_pager: bool,
    config: Path | None,
) -> int:
    """
    Show exactly what would be sent of a statistics document, what not, and why.

    FILE is what GET /api/v1/statistics or statistics.list answered, or a mongoexport; plain or gzip; - is standard
    input. Of several documents the newest is taken. Without FILE and URL the configured source is read, else standard
    input. The stored consent counts, if there is one, and what was sent or is kept until it is delivered.

    Exit code: 0 it would be sent, 3 the gate is closed or the period was reported, 4 the file is no statistics
    document, 5 the workspace can't be reached, 6 the store can't be read.
    """
    from rc_stats.anonymise import Anonymiser, Evidence
    from rc_stats.catalogue import Profile, load_catalogue
    from rc_stats.consent import DEFAULT_SCOPE, Terms, what_if
    from rc_stats.gate import Decision, Switches, Workspace, decide, period_of, scopes_of
    from rc_stats.people import read_previous
    from rc_stats.policy import WorkspaceKind, load_policy
    from rc_stats.previewing import first_kept
    from rc_stats.previewing import preview as preview_of

    wanted = scopes_of(scope) if scope is not None else None
    settings = settings_if_any(config)
    told = Workspace() if settings is None else settings.as_workspace()
    told = Workspace(WorkspaceKind(workspace) if workspace else told.kind, told.objections)
    chosen = Profile(profile) if profile else Profile.STANDARD if settings is None else settings.profile
    terms = Terms(load_policy(), load_catalogue(), chosen)
    recipient = terms.policy.recipient if settings is None else settings.recipient(terms.policy)
    newest = _newest(file, url, credentials, settings)
    switches, anonymiser = Switches.from_environment(os.environ), Anonymiser(terms.catalogue, terms.profile)
    books = _books(settings, terms, at)
    consent = books.consent
    if opt_in:
        consent = what_if(terms, at=at, scope=wanted or DEFAULT_SCOPE, recipient=recipient)

    def judge(evidence: Evidence) -> Decision:
        return decide(told, consent, recipient, switches, at, terms=terms, evidence=evidence, latest=books.latest)

    kept = None if opt_in else first_kept(books.pending, judge, anonymiser)
    ended = None if opt_in else books.ended
    result = preview_of(
        newest.document,
        told,
        consent,
        terms=terms,
        now=at,
        switches=switches,
        recipient=recipient,
        scope=wanted,
        anonymiser=anonymiser,
        previous=None if books.figures is None else read_previous(books.figures),
        latest=None if opt_in else books.latest,
        show_keys=show_values,
    )
    payload = kept if kept is not None else result.payload if ended is None else None
    exit_code = 3 if payload is None else 0
    if format_ == "payload":
        if payload is not None:
            if envelope:
                lines = [f"{payload.envelope.method} {payload.envelope.url}"]
                lines += [f"{name}: {value}" for name, value in payload.envelope.headers]
                click.echo("\n".join(lines), err=True)
            write(payload.body)
        return exit_code
    from rc_stats.render import FOLDED, as_data, as_html, as_text, reported, superseded, view_of

    view = view_of(result, newest=newest, with_envelope=envelope, show_values=show_values)
    if kept is not None:
        view = superseded(view, kept, terms.catalogue, with_envelope=envelope)
    elif ended is not None:
        view = reported(view, period_of(at, chosen), ended)
    if format_ == "text":
        from rc_stats.cli.terminal import Screen, show

        def layout(screen: Screen) -> str:
            most = FOLDED if screen.is_terminal and not is_whole else None
            return as_text(view, width=screen.width, style=screen.style, most=most)

        show(layout, is_paged=not no_pager)
    else:
        print_text(as_json(as_data(view)) if format_ == "json" else as_html(view), is_machine=True)
    return exit_code


@dataclass(frozen=True, slots=True)
class _Books:
    """What the store has of a workspace; of one without a store, nothing."""

    consent: Consent
    figures: bytes | None = None
    pending: tuple[Pending, ...] = ()
    ended: str | None = None
    latest: datetime | None = None


def _books(settings: Settings | None, terms: Terms, at: datetime) -> _Books:
    from rc_stats.consent import Consent
    from rc_stats.gate import period_of

    store = store_if_any(settings)
    if store is None:
        return _Books(Consent())
    name, profile = terms.catalogue.name, terms.profile
    with store:
        return _Books(
            store.consent(name),
            store.previous(name, profile),
            store.pending(name),
            store.ended(name, period_of(at, profile)),
            store.latest_at(name),
        )


def _newest(file: str | None, url: str | None, credentials: str | None, settings: Settings | None) -> Newest:
    """Return the document to look at, from the one place that was named, or the configured source."""
    from rc_stats.sources import read_newest

    if file is not None and url is not None:
        raise UsageError("A preview is of a file or of a live workspace.", rule="source", remedy="Name one of the two.")
    if file is None and url is None and settings is not None:
        file, url = (None, settings.source) if settings.is_live else (settings.source, None)
    if url is not None:
        from rc_stats.configuration import Settings as Configured

        asking = settings or Configured()
        if credentials is not None:
            asking = asking.model_copy(update={"credentials": Path(credentials)})
        return read_newest(io.BytesIO(asking.live(url, os.environ)()))
    with opened(file or "-") as stream:
        return read_newest(stream)
