"""Where the verbs read and write: standard streams, files, terminals, and the words that several options share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import click

from rc_stats.errors import UnusableInput, UsageError

KINDS: Final = ["unregistered", "registered", "hosted"]
PROFILES: Final = ["exact", "standard", "strict"]

_FIRST_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_MOMENT: Final = datetime(2100, 1, 1, tzinfo=UTC)

FILE: Final = click.argument("file", default="-", metavar="[FILE|-]", type=click.Path(allow_dash=True))


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Open the file *name*, or standard input for ``-``; a fault of reading is an unusable input."""
    if name == "-":
        if sys.stdin is None:
            raise UnusableInput("There is no standard input.", rule="unreadable")
        try:
            yield sys.stdin.buffer
        except OSError as error:
            raise UnusableInput(f"Standard input can't be read: {error.strerror}.", rule="unreadable") from None
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - an error of opening is told apart from one of reading
    except OSError as error:
        raise UnusableInput(f"The file can't be read: {error.strerror}.", rule="unreadable") from None
    with file:
        try:
            yield file
        except OSError as error:
            raise UnusableInput(f"The file can't be read: {error.strerror}.", rule="unreadable") from None


def moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime:
    """Return the moment that an option names, in UTC unless it says otherwise; now without the option."""
    if text is None:
        return datetime.now(UTC)
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("give a date or time such as 2026-08-17 or 2026-08-17T03:12:00Z") from None
    named = named if named.tzinfo else named.replace(tzinfo=UTC)
    if not _FIRST_MOMENT <= named < _LAST_MOMENT:
        raise click.BadParameter("a report counts for a month from 2000 to 2099")
    return named


def is_terminal() -> bool:
    """Say whether there is a person to ask."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()


def agreed(question: str, *, is_yes: bool) -> bool:
    """
    Return the answer to *question*; no is the default.

    Args:
        is_yes: The answer was given with ``--yes``, so nobody is asked.
    """
    return is_yes or click.confirm(question)


def refuse_without_terminal(*, is_yes: bool) -> None:
    """
    Let pass who can be asked, or has said yes already.

    Raises:
        UsageError: ``no-terminal``.
    """
    if not is_yes and not is_terminal():
        raise UsageError("There is no terminal to ask on.", rule="no-terminal", remedy="To agree without it: --yes")


def tell(message: str) -> None:
    """Write one line for people to standard error."""
    click.echo(f"rc-stats: {message}", err=True)


class ReaderLeft(Exception):
    """Whoever read the output has seen enough."""


def write(output: bytes) -> None:
    """Write bytes to standard output at once."""
    if sys.stdout is None:
        raise UsageError("There is no standard output.", rule="no-output")
    try:
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderLeft from None


def print_text(text: str, *, is_machine: bool = False) -> None:
    """Write text in the terminal's encoding, or what a machine reads in UTF-8 whatever the locale."""
    encoding = "utf-8" if is_machine or sys.stdout is None else sys.stdout.encoding
    write(text.encode(encoding, errors="replace"))


def as_json(data: object) -> str:
    """Return *data* as JSON for machines: sorted, indented, with one newline at the end."""
    import orjson

    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
