"""``history``: what is kept here, and what a person or an admin can have done with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from rc_stats.cli.configured import CATALOGUE, CONFIG, YES, last_words, loaded_from, store_if_any
from rc_stats.cli.streams import agreed, as_json, print_text, refuse_without_terminal, tell, write
from rc_stats.errors import GateClosed, StoreError, UsageError

if TYPE_CHECKING:
    from rc_stats.store import Store

_NOTHING = "Nothing is recorded yet.\n"
_PERIOD = "Month or day that a report counts for, such as 2026-08."


@click.group()
def history() -> None:
    """Show, export, erase, prune or verify what is kept here."""


@contextmanager
def _store(config: Path | None) -> Iterator[Store | None]:
    """Open the store if there is one; to look at what is kept, none is made."""
    store = store_if_any(loaded_from(config).settings)
    if store is None:
        yield None
    else:
        with store:
            yield store


def _name(catalogue: str | None) -> str:
    from rc_stats.catalogue import load_catalogue

    return load_catalogue().name if catalogue is None else catalogue


def _is_period(text: str) -> bool:
    """Say whether *text* is a month or a day, in the form in which reports have them."""
    if not re.fullmatch(r"\d{4}-\d\d(-\d\d)?", text, re.ASCII):
        return False
    try:
        date.fromisoformat(text if len(text) > len("2026-08") else f"{text}-01")
    except ValueError:
        return False
    return True


@history.command("list")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@CATALOGUE
@CONFIG
def list_(*, format_: str, catalogue: str | None, config: Path | None) -> int:
    """List every decision, report, attempt and answer, oldest first."""
    from rc_stats.cli.terminal import Screen, show
    from rc_stats.render.standing import entry_data, entry_text

    with _store(config) as store:
        entries = () if store is None else store.history(catalogue=_name(catalogue))
        if format_ == "json":
            print_text(as_json([entry_data(entry) for entry in entries]), is_machine=True)
            return 0
        found = list(entries)

    def layout(screen: Screen) -> str:
        width = screen.width if screen.is_terminal else 0
        return "".join(f"{entry_text(entry, width=width)}\n" for entry in found) or _NOTHING

    show(layout)
    return 0


@history.command()
@click.argument("period")
@CATALOGUE
@CONFIG
def show(*, period: str, catalogue: str | None, config: Path | None) -> int:
    """
    Print exactly the bytes of the report for PERIOD, such as 2026-08: those that were sent, or are to be.

    Exit code: 0 here they are, 2 there are none: there was no such report, or it was erased.
    """
    with _store(config) as store:
        body = None if store is None or not _is_period(period) else store.payload(_name(catalogue), period)
    if body is None:
        raise UsageError(
            "No bytes are kept of a report for this period.",
            rule="unknown-period",
            remedy="To see what there is: rc-stats history list",
        )
    write(body)
    return 0


@history.command()
@click.option("-o", "--output", metavar="FILE", help="Write to this file, for its owner alone; it appears whole.")
@CONFIG
def export(*, output: str | None, config: Path | None) -> int:
    """Print everything that is kept, of all catalogues, as JSON lines: also labels, tokens and the bytes of reports."""
    with _store(config) as store:
        lines = () if store is None else store.export()
        if output is None or output == "-":
            for line in lines:
                write(line)
        else:
            _save(Path(output), lines)
    return 0


def _save(path: Path, lines: Iterable[bytes]) -> None:
    """Write *lines* to a file that only its owner may read, and put it in place when it is whole."""
    fault = ""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:  # is of mode 0600
            try:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        fault = str(error.strerror)
    if fault:
        raise UsageError(f"The file can't be written: {fault}.", rule="output", remedy="Name another: -o FILE")


@history.command()
@click.option("--period", metavar="PERIOD", help=f"Only of this one. {_PERIOD}")
@YES
@CATALOGUE
@CONFIG
def erase(*, period: str | None, is_yes: bool, catalogue: str | None, config: Path | None) -> int:
    """
    Destroy the bytes of reports, labels of people, tokens and kept figures, also of what was not sent yet.

    That there was something, and when, stays, so that the chain of the history holds. What was sent must be asked for
    at the recipient. Exit code: 0 done, 3 the answer was no.
    """
    from rc_stats.service import now

    refuse_without_terminal(is_yes=is_yes)
    if period is not None and not _is_period(period):
        raise UsageError(
            "A period is a month or a day.", rule="period", remedy="Name one such as 2026-08 or 2026-08-17, or none."
        )
    with _store(config) as store:
        if store is None:
            print_text(_NOTHING)
            return 0
        name = _name(catalogue)
        said = last_words(store)
        if catalogue is not None and said is not None and catalogue not in said:
            raise UsageError(
                "Nothing is kept of a catalogue of this name.",
                rule="catalogue",
                remedy=f"There is: {', '.join(said) or 'none'}.",
            )
        what = f"for {period}" if period else "for all periods"
        if not agreed(f"Destroy for good what is kept of {name} {what}?", is_yes=is_yes):
            raise GateClosed("The answer was no; nothing was erased.", rule="not-agreed")
        erased = store.erase(catalogue=name, period=period, at=now())
    print_text(
        f"Erased: reports {erased.payloads}, of them not sent yet {erased.pending}; "
        f"labels and tokens {erased.private}; kept figures {erased.previous}.\n"
    )
    return 0


@history.command()
@click.option("--keep-days", metavar="DAYS", type=click.IntRange(1, 36_500), help="As configured, or 400, by default.")
@CONFIG
def prune(*, keep_days: int | None, config: Path | None) -> int:
    """
    Remove what is older, of all catalogues, but not what is still needed.

    That is the last consent of each catalogue, what is not sent yet, and how the periods of the last 400 days ended.
    """
    from rc_stats.service import now

    settings = loaded_from(config).settings
    store = store_if_any(settings)
    if store is None:
        print_text(_NOTHING)
        return 0
    with store:
        at = now()
        count = store.prune(before=at - timedelta(days=keep_days or settings.retention_days), at=at)
    print_text(f"Removed entries: {count}.\n")
    return 0


@history.command()
@CONFIG
def verify(*, config: Path | None) -> int:
    """
    Say whether the history is whole: nothing edited, removed or moved since it was written.

    Note the digest that it prints elsewhere: whoever can rewrite the whole database could make another chain that
    holds, and it would end with another digest. Exit code: 0 it is whole, 6 it is not, or there is none.
    """
    with _store(config) as store:
        if store is None:
            raise StoreError("There is no store.", rule="store-absent", remedy="It begins with the first opt-in.")
        faults = store.verify()
        number, digest = store.head()
    print_text("".join(f"{fault}\n" for fault in faults))
    print_text(f"Entries: {number}\nsha256 {digest or 'none'}\n")
    if faults:
        tell(f"The history is not whole: {len(faults)} fault{'s' if len(faults) > 1 else ''}. [history-broken]")
        return StoreError.exit_code
    return 0
