"""``bulk``: an archive of documents, decided line by line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rc_stats.errors import UsageError

if TYPE_CHECKING:
    from rc_stats.fleet.bulk import State
    from rc_stats.fleet.output import Tally

_KINDS = ["unregistered", "registered", "hosted"]
_PROFILES = ["exact", "standard", "strict"]


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("give a date or time such as 2026-08-17 or 2026-08-17T03:12:00Z") from None
    named = named if named.tzinfo else named.replace(tzinfo=UTC)
    if not 2000 <= named.year < 2100:
        raise click.BadParameter("a report counts for a month from 2000 to 2099")
    return named


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", required=True, help="Where payloads go, one a line; .gz and .zst pack.")
@click.option("--workspace", type=click.Choice(_KINDS), help="Of bare documents; unregistered unless you say so.")
@click.option("--consent", metavar="FILE", help="Of bare documents: a stored consent, as JSON; undecided by default.")
@click.option("--profile", type=click.Choice(_PROFILES), default="standard", show_default=True, help="How coarse.")
@click.option("--at", metavar="TIME", callback=_moment, help="The clock to go by; now by default.")
@click.option("--drift", "with_drift", is_flag=True, help="Also name what the catalogue doesn't know. Takes longer.")
@click.option("--label", metavar="KEY", default="", help="Copy this key of each line to its decision.")
@click.option(
    "--workers", metavar="N", type=click.IntRange(1), help="Processes; as many as there are cores by default."
)
@click.option("--resume", is_flag=True, help="Go on where a run that was killed has stopped.")
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True, help="Who works.")
@click.option(
    "--scheduler", metavar="ADDRESS", default="", help="Of the Dask cluster, such as tcp://host.example:8786."
)
def bulk(
    *,
    inputs: tuple[str, ...],
    output: str,
    workspace: str | None,
    consent: str | None,
    profile: str,
    at: datetime | None,
    with_drift: bool,
    label: str,
    workers: int | None,
    resume: bool,
    engine: str,
    scheduler: str,
) -> int:
    """
    Decide many documents, each on its own, and write the payloads of those that may leave.

    INPUT is a file, a pattern, a URL, or - for standard input; plain, gzip or zstd. A line is a document, or
    {"workspace": ..., "consent": ..., "statistics": ...}. Nothing is sent.

    OUT gets a payload on each line. Beside it, NAME.decisions.jsonl gets a record for each line of the inputs: input,
    line, verdict, reasons. A line that can't be used is a refusal there. Each line counts as a first report, so give
    each workspace one line for each period.

    A pattern leaves out *.decisions.jsonl and the output of the run before; a name given whole is taken.

    Exit code: 0 done, 1 the output can't be written or it was interrupted, 4 nothing in the inputs can be used.
    """
    from rc_stats.catalogue import Profile  # noqa: PLC0415 - other verbs start without
    from rc_stats.circumstances import Switches, Workspace  # noqa: PLC0415
    from rc_stats.fleet.bulk import run  # noqa: PLC0415
    from rc_stats.fleet.lines import Options  # noqa: PLC0415
    from rc_stats.fleet.output import begun_at  # noqa: PLC0415
    from rc_stats.policy import WorkspaceKind  # noqa: PLC0415

    if (engine == "dask") != bool(scheduler):
        raise UsageError("The engine dask and a scheduler's address go together.", rule="scheduler")
    begun = begun_at(output) if resume and at is None else None
    options = Options(
        now=at or begun or datetime.now(UTC),
        workspace=Workspace(WorkspaceKind(workspace or "unregistered")),
        consent=_read(consent) if consent is not None else b"",
        profile=Profile(profile),
        switches=Switches.from_environment(os.environ),
        with_drift=with_drift,
        label=label,
    )
    with _progress() as on_state:
        state = run(
            inputs,
            output,
            options,
            workers=workers or _cores(),
            scheduler=scheduler,
            resume=resume,
            on_state=on_state,
        )
    _summarise(state.tally, with_drift=with_drift)
    return 0


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        problem = error.strerror
    raise UsageError(f"The file of the consent can't be read: {problem}.", rule="consent")


def _progress() -> AbstractContextManager[Callable[[State], None] | None]:
    """Show progress on a terminal and nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext()
    from rc_stats.fleet.progress import shown_on  # noqa: PLC0415

    return shown_on(sys.stderr)


def _summarise(tally: Tally, *, with_drift: bool) -> None:
    """Say on standard error what was done, so that nothing is left out in silence."""
    refused = tally.lines - tally.cleared
    lines = [f"{tally.lines} decided: {tally.cleared} cleared, {refused} refused."]
    lines += [f"{times} refused by {code}." for code, times in sorted(tally.refused.items())]
    if tally.faults:
        lines.append(f"{tally.faults} of the inputs could not be read to the end; see the decisions.")
    if not with_drift:
        lines.append("What the catalogue doesn't know was dropped without a look; to have it named: --drift")
    click.echo("\n".join(lines), err=True)
