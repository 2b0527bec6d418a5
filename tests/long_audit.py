"""
The attack on the payloads of many random workspaces and on series of them: a run of minutes, outside the suite.

It takes two numbers: of workspaces for each profile, and of series.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rc_stats import Profile
from rc_stats.audit import Audit, Bound, attack
from test_audit import CATALOGUE, DAY, anonymiser, series, truth, wrong
from workspaces import workspace

SINGLE = 200
SERIES = 6
FIRST_SEED = 1000


def told(bound: Bound) -> str:
    """Return one line on what was bounded; the workspaces are made up, so the numbers may show."""
    name = f"{bound.path} {bound.category}".strip()
    return f"    day {bound.day}: {name}{' (left over)' if bound.is_remainder else ''} in {bound.low}..{bound.high}"


def one(seed: int, profile: Profile) -> tuple[Audit, list[Bound]]:
    """Return the attack on one payload, and what it got wrong."""
    source = workspace(seed)
    document = source.document(DAY)
    statistics = anonymiser(profile)(document, month=source.month(DAY), findings=False).statistics()
    audit = attack(statistics, CATALOGUE, profile)
    return audit, wrong(audit, {0: truth(document)})


def many(seed: int, profile: Profile) -> tuple[Audit, list[Bound]]:
    """Return the attack on sixty days, and what it got wrong."""
    audit, truths = series(seed, profile)
    series.cache_clear()
    return audit, wrong(audit, truths)


def campaign(
    name: str, case: Callable[[int, Profile], tuple[Audit, list[Bound]]], seeds: range, profile: Profile
) -> int:
    """Run *case* for all *seeds*, print what came of it, and return how many were wrong or bounded."""
    started, figures, shown, bad = time.monotonic(), 0, 0, 0
    for seed in seeds:
        audit, mistaken = case(seed, profile)
        found = audit.failures
        figures += sum(not bound.is_remainder for bound in audit.bounds)
        shown += sum(not bound.is_remainder and bound.is_shown for bound in audit.bounds)
        if mistaken or found or not audit.is_by_rules:
            bad += 1
            sys.stdout.write(f"  seed {seed}: {len(found)} bounded, {len(mistaken)} wrong, rules {audit.is_by_rules}\n")
            sys.stdout.writelines(f"{told(bound)}\n" for bound in (*found[:3], *mistaken[:3]))
    sys.stdout.write(
        f"{name}, {profile}: {len(seeds)} cases (seeds {seeds.start} to {seeds.stop - 1}), {figures} figures, "
        f"{shown} of them shown, {bad} cases failed, {time.monotonic() - started:.0f} s\n"
    )
    sys.stdout.flush()
    return bad


def main() -> int:
    """Run all campaigns and return 1 if any case failed."""
    single, many_days = (int(number) for number in sys.argv[1:3]) if len(sys.argv) > 2 else (SINGLE, SERIES)
    bad = 0
    for profile in Profile:
        bad += campaign("one payload", one, range(FIRST_SEED, FIRST_SEED + single), profile)
    for profile in (Profile.STANDARD, Profile.EXACT):
        bad += campaign("sixty days", many, range(FIRST_SEED, FIRST_SEED + many_days), profile)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
