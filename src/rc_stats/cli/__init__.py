"""
The command line: what a person or a job asks, in one place.

Exit codes, the same for all verbs: 0 would be sent or done, 2 usage, 3 the gate is closed, 4 unusable input (or, of
``audit``, a payload in which a small group was found), 5 transport, 6 store, 7 drift; 1 if the output can't be written
or it was interrupted. Errors are one line on standard error, without a traceback and without a value from the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from rc_stats._version import __version__
from rc_stats.cli.streams import ReaderLeft, tell
from rc_stats.errors import RcStatsError, UsageError

VERBS: Final = {
    "audit": "rc_stats.cli.checking:audit",
    "bulk": "rc_stats.fleet.command:bulk",
    "check": "rc_stats.cli.checking:check",
    "diff": "rc_stats.cli.comparing:diff",
    "explain": "rc_stats.cli.reference:explain",
    "history": "rc_stats.cli.ledger:history",
    "metrics": "rc_stats.cli.reference:metrics",
    "opt-in": "rc_stats.cli.agreeing:opt_in",
    "opt-out": "rc_stats.cli.agreeing:opt_out",
    "preview": "rc_stats.cli.looking:preview",
    "run": "rc_stats.cli.sending:run",
    "send": "rc_stats.cli.sending:send",
    "serve": "rc_stats.web.command:serve",
    "status": "rc_stats.cli.standing:status",
    "verify": "rc_stats.cli.checking:verify",
}
"""Where each verb lives. Its module is loaded when the verb is called, so that the others start fast."""


class _Verbs(click.Group):
    """The verbs of the table, each loaded on first use."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Name all verbs without loading any."""
        return sorted(VERBS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Load the verb."""
        if cmd_name not in VERBS:
            return None
        module, attribute = VERBS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* name and return its exit code."""
    try:
        result = group.main(args=list(arguments), prog_name="rc-stats", standalone_mode=False)
    except RcStatsError as error:
        return _failed(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.exceptions.Abort:
        return _failed("Interrupted.", 1)
    except click.ClickException as error:
        return _failed(f"{' '.join(error.format_message().split())} See rc-stats --help.", UsageError.exit_code)
    except ReaderLeft:
        return 0
    except OSError as error:
        return _failed(f"The output can't be written: {error.strerror}.", 1)
    return result if isinstance(result, int) else 0


def _failed(message: str, exit_code: int) -> int:
    tell(message)
    return exit_code


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rc-stats", message="%(prog)s %(version)s")
def group() -> None:
    """
    Decide which of a workspace's statistics may leave it, and show it first.

    Nothing leaves without an admin's yes, and only send and run send anything.
    """
