"""``status``: where a workspace stands, and what would change it."""

from __future__ import annotations

from pathlib import Path

import click

from rc_stats.cli.configured import CATALOGUE, CONFIG, loaded_from, store_to_look_at
from rc_stats.cli.streams import as_json, print_text
from rc_stats.errors import GateClosed


@click.command()
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@CATALOGUE
@CONFIG
def status(*, format_: str, catalogue: str | None, config: Path | None) -> int:
    """
    Say whether today's document would be sent, or what is kept from before, and why not.

    Also who would get it, what was agreed to, what was sent last and what waits, what would change each rule's answer,
    and where each setting came from.

    Exit code: 0 it would be sent or was sent already, 3 the gate is closed; if it is open and the source can't be read,
    the code of that: 2, 4 or 5.
    """
    from rc_stats.cli.terminal import Screen, show
    from rc_stats.render.standing import status_data, status_text
    from rc_stats.service import reporter_of

    loaded = loaded_from(config)
    with store_to_look_at(loaded.settings) as store:
        found = reporter_of(loaded, catalogue=catalogue, store=store).status()
    if format_ == "json":
        print_text(as_json(status_data(found, loaded)), is_machine=True)
    else:

        def layout(screen: Screen) -> str:
            return status_text(found, loaded, width=screen.width, style=screen.style)

        show(layout, is_paged=False)
    if found.kept is not None:
        return 0
    if found.decision.closing:
        return GateClosed.exit_code
    return 0 if found.source_error is None else found.source_error.exit_code
