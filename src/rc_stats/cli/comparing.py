"""``diff``: how two payloads differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rc_stats.cli.configured import CATALOGUE, CONFIG, loaded_from, store_to_look_at
from rc_stats.cli.streams import as_json, opened, print_text
from rc_stats.errors import UsageError
from rc_stats.wire import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from rc_stats.catalogue import Catalogue
    from rc_stats.render.difference import Captured
    from rc_stats.reporter import Reporter


@click.command()
@click.argument("files", nargs=-1, metavar="A B", type=click.Path(allow_dash=True))
@click.option("--sent", "is_sent", is_flag=True, help="Compare what was sent last with what would be sent now.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--no-pager", is_flag=True, help="Never page on a terminal; else PAGER is used, or less.")
@CATALOGUE
@CONFIG
def diff(
    *,
    files: tuple[str, ...],
    is_sent: bool,
    format_: str,
    no_pager: bool,
    catalogue: str | None,
    config: Path | None,
) -> int:
    """
    Show how the payload B differs from the payload A, or with --sent [FILE] today's from the one sent last.

    A and B are what preview --format payload gave, or the bodies of requests; one may be - for standard input. With
    --sent a document may be named; by default it is the configured source's. If the gate is closed, the new side is
    what a yes would send, and marked so.

    Exit code: 0 whether they differ or not (--format json tells), 2 nothing was sent yet, 4 one of them is no payload.
    """
    from rc_stats.render.difference import diff_data, diff_text, difference

    if len(files) > 1 if is_sent else len(files) != 2 or files == ("-", "-"):
        raise UsageError(
            "Two payloads are compared, or the last one sent with one document.",
            rule="sides",
            remedy="Call it as: rc-stats diff A B, or rc-stats diff --sent [FILE]",
        )
    sides, words = _sent(files, catalogue, config) if is_sent else _named(files, catalogue, config)
    found = difference(*sides, words)
    if format_ == "json":
        print_text(as_json(diff_data(found)), is_machine=True)
        return 0
    from rc_stats.cli.terminal import show

    show(lambda screen: diff_text(found, width=screen.width, style=screen.style), is_paged=not no_pager)
    return 0


def _named(
    files: tuple[str, ...], catalogue: str | None, config: Path | None
) -> tuple[tuple[Captured, Captured], Catalogue]:
    from rc_stats.catalogue import load_catalogue
    from rc_stats.render.difference import captured

    old, new = files
    sides = tuple(captured(_body(name), Path(name).name) for name in (old, new))
    if catalogue is None:
        return (sides[0], sides[1]), load_catalogue()
    from rc_stats.service import catalogue_named

    return (sides[0], sides[1]), catalogue_named(loaded_from(config).settings, catalogue)


def _body(name: str) -> bytes:
    with opened(name) as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _sent(
    files: tuple[str, ...], catalogue: str | None, config: Path | None
) -> tuple[tuple[Captured, Captured], Catalogue]:
    from rc_stats.service import reporter_of

    loaded = loaded_from(config)
    with store_to_look_at(loaded.settings) as store:
        reporter = reporter_of(loaded, catalogue=catalogue, store=store)
        if files:
            from rc_stats.sources import read_newest

            with opened(files[0]) as stream:
                document = read_newest(stream).document
            reporter.source = lambda: document
        return (_last(reporter), _now(reporter, is_named=bool(files))), reporter.terms.catalogue


def _last(reporter: Reporter) -> Captured:
    """Return the payload that was sent last."""
    from rc_stats.render.difference import captured

    name, period = reporter.terms.catalogue.name, ""
    for entry in reporter.store.history(catalogue=name):
        period = entry.period if entry.kind == "receipt" else period
    if not period:
        raise UsageError(
            "Nothing has been sent yet.", rule="nothing-sent", remedy="To see what would be: rc-stats preview"
        )
    body = reporter.store.payload(name, period)
    if body is None:
        raise UsageError(
            f"What was sent for {period} was erased.", rule="erased", remedy="Compare two payloads by name."
        )
    return captured(body, "sent last")


def _now(reporter: Reporter, *, is_named: bool) -> Captured:
    """Return what would be sent now, or what a yes would send; of a document that was named, not what is kept."""
    from rc_stats.render.difference import captured

    prepared = reporter.prepare()
    is_kept = prepared.is_kept and is_named
    if prepared.payload is not None and not is_kept:
        return captured(prepared.payload.body, "would be sent now")
    shown = (prepared.preview or reporter.preview()).shown
    if shown is None:
        raise UsageError(
            "Not even a yes would send anything.", rule="nothing-left", remedy="To see why: rc-stats preview"
        )
    if shown.is_hypothetical:
        return captured(shown.body, "would not be sent, but by a yes")
    left = "the kept report goes first" if is_kept else "nothing is left to be sent"
    return captured(shown.body, f"of now; for {prepared.period} {left}")
