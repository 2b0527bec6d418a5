"""Send this month's report if the admin has agreed: for cron, as often as you like. RC_STATS_CONFIG configures it."""

import os
import sys

from rc_stats import RcStatsError, configuration, service


def main() -> int:
    """Return 0 if the report was sent, now or before; 3 if the gate is closed; or the code of what went wrong."""
    try:
        reporter = service.reporter_of(configuration.load(None, os.environ))
        with reporter.store:
            outcome = reporter.send_once()
    except RcStatsError as error:
        print(error, file=sys.stderr)  # one line, and no value of the document in it
        return error.exit_code
    print(f"The report for {outcome.period}: {outcome.verdict}")
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
