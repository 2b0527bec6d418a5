"""``python -m rc_stats`` and the ``rc-stats`` command."""

from __future__ import annotations

import sys

from rc_stats._version import __version__


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"rc-stats {__version__}\n")
        return 0
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


if __name__ == "__main__":
    raise SystemExit(main())
