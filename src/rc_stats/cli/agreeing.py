"""``opt-in`` and ``opt-out``: an admin's yes, no and not now."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

import click

from rc_stats.cli.configured import CATALOGUE, CONFIG, YES, loaded_from
from rc_stats.cli.streams import agreed, moment, print_text, refuse_without_terminal
from rc_stats.errors import GateClosed, StoreError

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
    reporter = reporter_of(loaded_from(config), catalogue=catalogue)
    with closing(reporter.store):
        offer = reporter.offer(wanted)
        recipient = reporter.recipient
        show(lambda screen: offer_text(offer, recipient, width=screen.width, style=screen.style), is_paged=False)
        print_text("\n")
        if not agreed(f"Share this with {recipient.name} from now on?", is_yes=is_yes):
            raise GateClosed("The answer was no; nothing was recorded.", rule="not-agreed")
        consent = reporter.opt_in(wanted, by=by)
    print_text(f"Recorded: {consent_text(consent)}.\nTo take it back at any time: rc-stats opt-out\n")
    return 0


def _until(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    return None if text is None else moment(context, parameter, text)


@click.command("opt-out")
@click.option("--until", metavar="DATE", callback=_until, help="Only pause, until this date or time; UTC by default.")
@BY
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(0, 3600), default=60.0, show_default=True)
@CATALOGUE
@CONFIG
def opt_out(*, until: datetime | None, by: str, wait: float, catalogue: str | None, config: Path | None) -> int:
    """
    Take the yes back, or pause it. It takes effect at once, on every instance, and destroys what was not sent.

    Then a request that has begun already is waited for. Exit code: 0 done, 6 it was recorded all the same, and after
    the wait a request is still under way.
    """
    from rc_stats.render.standing import consent_text
    from rc_stats.service import reporter_of

    reporter = reporter_of(loaded_from(config), catalogue=catalogue)
    with closing(reporter.store):
        is_quiet = reporter.opt_out(by=by, until=until, seconds=wait)
        consent = reporter.store.consent(reporter.terms.catalogue.name)
    print_text(f"Recorded: {consent_text(consent)}. What was not sent is destroyed.\n")
    if not is_quiet:
        raise StoreError(
            "A request that had begun before is still under way, and may still arrive.",
            rule="still-under-way",
            remedy="The decision is recorded, and no other will begin. To wait again: rc-stats opt-out",
        )
    return 0
