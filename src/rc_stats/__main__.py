"""``python -m rc_stats`` and the ``rc-stats`` command."""

from __future__ import annotations

import os
import sys

from rc_stats._version import __version__


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.stdout is None:
        sys.stderr.write("rc-stats: There is no standard output. [no-output]\n")
        return 2
    if sys.argv[1:] == ["--version"]:
        return _version()
    try:
        from rc_stats.cli import run  # noqa: PLC0415 - so that --version and a missing extra answer at once
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        from rc_stats.errors import MissingExtra  # noqa: PLC0415

        missing = MissingExtra("cli", "The command line")
        sys.stderr.write(f"rc-stats: {missing}\n")
        return missing.exit_code
    return run(sys.argv[1:])


def _version() -> int:
    """Answer without loading anything else."""
    try:
        sys.stdout.write(f"rc-stats {__version__}\n")
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"rc-stats: The output can't be written: {error.strerror}.\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
