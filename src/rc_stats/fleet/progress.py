"""How far a run is, on a terminal: bytes, lines, rate, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rc_stats.errors import MissingExtra
from rc_stats.fleet.bulk import State

try:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text
except ModuleNotFoundError:
    raise MissingExtra("cli", "Progress on a terminal") from None


class _Rate(ProgressColumn):
    """Lines so far, and in a second."""

    def render(self, task: Task) -> Text:
        lines = task.fields["lines"]
        rate = (lines - task.fields["before"]) / task.elapsed if task.elapsed else 0
        return Text(f"{grouped(lines)} lines, {grouped(round(rate))} a second")


def grouped(number: int) -> str:
    """Return *number* as a person reads it."""
    return f"{number:,}".replace(",", " ")


@contextmanager
def shown_on(terminal: TextIO) -> Iterator[Callable[[State], None]]:
    """Show what is told on *terminal* until the end; the line then goes."""
    columns = [
        *(SpinnerColumn(), BarColumn(), DownloadColumn(binary_units=True), _Rate()),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    ]
    with Progress(*columns, console=Console(file=terminal), transient=True) as progress:
        task = progress.add_task("", total=None, lines=0, before=-1)

        def tell(state: State) -> None:
            before = progress.tasks[0].fields["before"]
            lines = state.tally.lines
            progress.update(
                task,
                completed=state.passed,
                total=state.total,
                lines=lines,
                before=lines if before < 0 else before,
            )

        yield tell
