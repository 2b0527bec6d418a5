"""``opt-in`` and ``opt-out``: an admin's yes, no and not now."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import click

from rc_stats.cli.configured import (
    CATALOGUE,
    CONFIG,
    YES,
    is_store_missing,
    last_words,
    loaded_from,
    place_text,
    store_if_any,
)
from rc_stats.cli.streams import agreed, moment, print_text, refuse_without_terminal
from rc_stats.errors import CatalogueError, GateClosed, StoreError, UsageError

if TYPE_CHECKING:
    from rc_stats.configuration import Settings
    from rc_stats.store import Store

_STEP_S: Final = 0.3

BY = click.option(
    "--by", metavar="LABEL", default="", help="Who decides. It is kept here, can be erased, never leaves."
)


@click.command("opt-in")
@click.option("--scope", metavar="LIST", help="Data types to agree to: usage, app, account; usage,app by default.")
@BY
@YES
@CATALOGUE
@CONFIG
def opt_in(*, scope: str | None, by: str, is_yes: bool, catalogue: str | None, config: Path | None) -> int:
    """
    Agree to sharing, after a look at what would be sent.

    It shows each value, who would get it and where, and what changed since the last yes; then it asks. A yes counts for
    documents made from now on. Exit code: 0 recorded, 3 the answer was no and nothing was recorded.
    """
    from rc_stats.cli.terminal import show
    from rc_stats.consent import DEFAULT_SCOPE
    from rc_stats.gate import scopes_of
    from rc_stats.render.standing import consent_text, offer_text
    from rc_stats.service import reporter_of

    wanted = DEFAULT_SCOPE if scope is None else scopes_of(scope)
    refuse_without_terminal(is_yes=is_yes)
    loaded = loaded_from(config)
    is_new = is_store_missing(loaded.settings)
    reporter = reporter_of(loaded, catalogue=catalogue)
    with reporter.store:
        offer = reporter.offer(wanted)
        recipient = reporter.recipient
        show(lambda screen: offer_text(offer, recipient, width=screen.width, style=screen.style), is_paged=False)
        print_text("\n")
        if not agreed(f"Share this with {recipient.name} from now on?", is_yes=is_yes):
            raise GateClosed("The answer was no; nothing was recorded.", rule="not-agreed")
        consent = reporter.opt_in(wanted, by=by)
    print_text(f"Recorded: {consent_text(consent)}.\n{place_text(loaded.settings, is_new=is_new)}")
    named = "" if catalogue is None else f" --catalogue {catalogue}"
    print_text(f"To take it back at any time: rc-stats opt-out{named}\n")
    return 0


def _until(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    return None if text is None else moment(context, parameter, text)


@click.command("opt-out")
@click.option("--until", metavar="DATE", callback=_until, help="Only pause, until this date or time; UTC by default.")
@click.option("--all", "is_all", is_flag=True, help="Every catalogue that was agreed to, also if it is gone.")
@BY
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(0, 3600), default=60.0, show_default=True)
@CATALOGUE
@CONFIG
def opt_out(
    *, until: datetime | None, is_all: bool, by: str, wait: float, catalogue: str | None, config: Path | None
) -> int:
    """
    Take the yes back, or pause it. It takes effect at once, on every instance, and destroys what was not sent.

    It needs the store alone: a catalogue that is broken, or no longer configured, needn't be there. Without --all it is
    one catalogue; it says which others are still agreed to.

    Then a request that has begun already is waited for; an interrupt ends only the wait. Exit code: 0 done, 6 it was
    recorded all the same, and after the wait a request is still under way.
    """
    from rc_stats.render.standing import consent_text
    from rc_stats.reporter import refuse
    from rc_stats.service import now, store_of

    if is_all and catalogue is not None:
        raise UsageError("--all and --catalogue don't go together.", rule="catalogue", remedy="Give one of the two.")
    settings = loaded_from(config).settings
    found = store_if_any(settings)
    names = _meant(settings, found, catalogue, is_all=is_all, is_pause=until is not None)
    with found or store_of(settings) as store:
        at = now()
        for name in names:
            consent = refuse(store, name, at=at, by=by, until=until)
            of = f" of {name}" if is_all else ""
            print_text(f"Recorded{of}: {consent_text(consent)}. What was not sent is destroyed.\n")
        print_text(place_text(settings, is_new=found is None))
        if found is None:
            print_text("A yes that is kept in another store still stands.\n")
        others = [name for name, is_yes in (last_words(store) or {}).items() if is_yes and name not in names]
        if others:
            print_text(f"Still agreed to: {', '.join(others)}. To end that too: rc-stats opt-out --all\n")
        is_quiet = _settled(store, wait)
    if not is_quiet:
        raise StoreError(
            "A request that had begun before is still under way, and may still arrive.",
            rule="still-under-way",
            remedy="The decision is recorded, and no other will begin. To wait again: rc-stats opt-out",
        )
    return 0


def _meant(
    settings: Settings, store: Store | None, catalogue: str | None, *, is_all: bool, is_pause: bool
) -> Sequence[str]:
    """Return the catalogues that an opt-out is about. None is loaded but to know a name that the store doesn't."""
    from rc_stats.catalogue import load_catalogue

    ours = load_catalogue().name
    if is_all:
        agreed_to = [] if store is None else [name for name, is_yes in store.catalogues().items() if is_yes]
        return agreed_to if is_pause and agreed_to else sorted({ours, *agreed_to})
    if catalogue is not None and catalogue != ours:
        said = {} if store is None else last_words(store)
        if said is not None and catalogue not in said:
            _check_configured(settings, catalogue)
    return [catalogue or ours]


def _check_configured(settings: Settings, catalogue: str) -> None:
    from rc_stats.service import catalogue_named

    with suppress(CatalogueError, UsageError):
        catalogue_named(settings, catalogue)
        return
    raise UsageError(
        "No catalogue of this name was ever agreed to, and none is configured that can be read.",
        rule="catalogue",
        remedy="To see what was agreed to: rc-stats history export",
    )


def _settled(store: Store, wait: float) -> bool:
    """Wait until no request is under way, in steps so short that an interrupt is heard."""
    end = monotonic() + wait
    while not store.settle(seconds=min(_STEP_S, max(0.0, end - monotonic()))):
        if monotonic() >= end:
            return False
    return True
