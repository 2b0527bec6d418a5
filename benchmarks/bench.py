"""
How long rc-stats takes, as ratios to a floor that is measured in the same run.

Absolute times say more about the machine than about the code, so every figure is a ratio: the anonymiser's to one
parse and one write of the same bytes by orjson, the command's to a Python that does nothing. All candidates take turns
in each round, the ratio is taken round by round, and the median is shown with the quartiles. It fails over no figure.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final

import orjson

from rc_stats import Anonymiser, __version__, load_catalogue

ROOT: Final = Path(__file__).resolve().parent.parent
SAMPLE: Final = ROOT / "tests" / "data" / "samples" / "statistics-8.7.0.json"
EXAMPLE: Final = ROOT / "examples" / "statistics.json"

EXPLAINED_GOAL: Final = 6.0
"""At most this many times the floor, with a finding for every path."""

PREVIEW_GOAL: Final = 20.0
"""At most this many times the start of a bare Python."""

JUNK_BYTES: Final = 1_000_000
BLOCK_SECONDS: Final = 0.004
"""What one candidate's calls in one round should take together: long for the clock, short against a disturbance."""

FLOOR: Final = "floor"
WITHOUT: Final = "without findings"
WITH: Final = "with findings"
REAL: Final = "sample 8.7.0"
BUSY: Final = "the same, busy"
GOALS: Final = {
    REAL: 1.6,
    f"{REAL}, keys shuffled": 2.0,
    BUSY: 1.1,
    f"{BUSY}, keys shuffled": 2.0,
    "example, 1 MB of junk": 1.0,
}
"""At most so many times the floor, without findings."""

BARE: Final = "python -c pass"


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One line of a table.

    Attributes:
        subject: The document, or the command.
        variant: What was done with it.
        floor_seconds, seconds: Medians of one call.
        ratio: Median of the ratios of the rounds.
        low, high: Their quartiles.
        goal: The ratio that is aimed at; None where there is no aim.
    """

    subject: str
    variant: str
    floor_seconds: float
    seconds: float
    ratio: float
    low: float
    high: float
    goal: float | None


def compact(path: Path) -> bytes:
    """Return the JSON of *path* without spaces, its keys in the order of the file."""
    return orjson.dumps(orjson.loads(path.read_bytes()))


def shuffled(value: Any) -> Any:
    """Return *value* with the keys of every object in an order that is arbitrary and always the same."""
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: hashlib.sha256(key.encode()).digest())
    return {key: shuffled(value[key]) for key in keys}


def with_junk(document: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return *document* with *size* bytes more that no catalogue knows: half are many keys, half is one deep value."""
    many: dict[str, Any] = {
        f"junkNumber{place:06}": place for place in range(size // 2 // len('"junkNumber000000":1000,'))
    }
    item = {"name": "junk", "on": True, "sizes": [1, 2, 3], "inner": {"text": "x" * 40, "none": None}}
    deep = [item] * (size // 2 // len(orjson.dumps(item)))
    return {**many, **document, "junkList": deep}


ROLES: Final = ("user", "guest", "livechat-agent", "admin", "livechat-manager", "bot", "custom-role")
LANGUAGES: Final = ("en", "de", "fr", "es", "pt-BR", "it", "nl", "pl", "ru", "ja", "zh", "tr", "sv")
CLIENTS: Final = ("Chrome", "Rocket.Chat", "RC Mobile", "Firefox", "Safari")
KINDS: Final = ("widget", "email", "sms", "app", "api")


def counted(value: Any, path: str = "") -> Any:
    """Return *value* with an arbitrary number, always the same, in place of every 0."""
    if isinstance(value, dict):
        return {key: counted(inner, f"{path}.{key}") for key, inner in value.items()}
    if value == 0 and type(value) is int:
        return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4]) % 5000
    return value


def busy(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a workspace that was just set up as it may be some years later: nothing is empty."""
    made: dict[str, Any] = counted(sample)
    speakers = [700, 400, 210, 130, 90, 70, 50, 40, 30, 25, 20, 12, 23]
    made |= {"totalUsers": sum(speakers), "nonActiveUsers": 120, "appUsers": 30}
    made |= dict.fromkeys(("lastLogin", "lastMessageSentAt", "lastSeenSubscription"), made["createdAt"])
    made["userLanguages"] = dict(zip(LANGUAGES, speakers, strict=True))
    made["omnichannelSources"] = [{"type": kind, "count": len(kind) * 171} for kind in KINDS]
    made["teams"]["teamStats"] = [
        {"teamId": "qLfMT996bio32g33S", "mainRoom": "cTKmgcaMbLPvemSYv", "totalRooms": 7, "totalMembers": 3 * number}
        for number in range(5)
    ]
    for days, period in enumerate(("Yesterday", "LastWeek", "LastMonth")):
        people = [600 + 200 * days, 90 + 10 * days, 25, 14 + days, 11 + days, 7, 3]
        rows = [{"role": role, "count": n, "sessions": 17 * n} for role, n in zip(ROLES, people, strict=True)]
        made[f"uniqueUsersOf{period}"]["data"] = [{"count": sum(people), "sessions": 17 * sum(people), "roles": rows}]
        clients = [{"count": 900 // len(name), "time": 812_345, "name": name, "version": "139.0"} for name in CLIENTS]
        made[f"uniqueDevicesOf{period}"]["data"] = [{**client, "type": "browser"} for client in clients]
        made[f"uniqueOSOf{period}"]["data"] = clients
        made[f"uniqueContactsOf{period}"]["sources"] = [
            {"source": kind, "contactsCount": 31, "conversationsCount": 52} for kind in KINDS
        ]
    return made


def documents() -> dict[str, bytes]:
    """Return what is anonymised, by name."""
    example, real = orjson.loads(EXAMPLE.read_bytes()), orjson.loads(SAMPLE.read_bytes())
    return {
        REAL: compact(SAMPLE),
        f"{REAL}, keys shuffled": orjson.dumps(shuffled(real)),
        BUSY: orjson.dumps(busy(real)),
        f"{BUSY}, keys shuffled": orjson.dumps(shuffled(busy(real))),
        "example": compact(EXAMPLE),
        "example, 1 MB of junk": orjson.dumps(with_junk(example, JUNK_BYTES)),
    }


def candidates(anonymiser: Anonymiser, data: bytes) -> dict[str, Callable[[], bytes]]:
    """Return what takes turns on *data*: the floor, and from bytes to canonical bytes in both ways."""
    return {
        FLOOR: lambda: orjson.dumps(orjson.loads(data)),
        WITHOUT: lambda: anonymiser(data, findings=False).encoded(),
        WITH: lambda: anonymiser(data).encoded(),
    }


def seconds_of(call: Callable[[], object], times: int = 1) -> float:
    """Return the seconds of one of *times* calls in a row."""
    start = perf_counter()
    for _ in range(times):
        call()
    return (perf_counter() - start) / times


def in_turns(
    calls: Mapping[str, Callable[[], object]], rounds: int, times: Mapping[str, int]
) -> dict[str, list[float]]:
    """Return the seconds of each call in each round; who comes first moves on from round to round."""
    names = list(calls)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(seconds_of(calls[name], times[name]))
    return taken


def figure(subject: str, variant: str, own: Sequence[float], floor: Sequence[float], goal: float | None) -> Figure:
    """Return the figure of *own* times against the *floor* of the same rounds."""
    ratios = [one / other for one, other in zip(own, floor, strict=True)]
    low, middle, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Figure(subject, variant, median(floor), median(own), middle, low, high, goal)


def measure_anonymise(rounds: int, block_seconds: float) -> list[Figure]:
    """
    Measure the anonymiser on every document, all of them in each round.

    Args:
        block_seconds: About how long a candidate's calls in one round take together; 0 for one call.
    """
    anonymiser = Anonymiser(load_catalogue())
    anonymiser.prepare()
    calls: dict[str, dict[str, Callable[[], bytes]]] = {}
    times: dict[str, dict[str, int]] = {}
    for subject, data in documents().items():
        calls[subject] = candidates(anonymiser, data)
        if calls[subject][WITHOUT]() != calls[subject][WITH]():
            print(f"{subject}: the bytes differ with and without findings; the figures mean nothing.", file=sys.stderr)
        times[subject] = {
            name: max(1, round(block_seconds / min(seconds_of(call) for _ in range(3))))
            for name, call in calls[subject].items()
        }
    taken: dict[str, dict[str, list[float]]] = {subject: {name: [] for name in calls[subject]} for subject in calls}
    for _ in range(-(-rounds // 3)):
        for subject, own in calls.items():
            # Three at a time, so that each candidate of a document comes first once.
            for name, seconds in in_turns(own, min(rounds, 3), times[subject]).items():
                taken[subject][name] += seconds
    return [
        figure(subject, name, own[name], own[FLOOR], goal)
        for subject, own in taken.items()
        for name, goal in ((WITHOUT, GOALS.get(subject)), (WITH, EXPLAINED_GOAL))
    ]


def commands() -> dict[str, tuple[list[str], float | None]]:
    """Return what is started, by name, with its goal; the console script only where one is installed."""
    python = sys.executable
    ready = "import rc_stats; rc_stats.Anonymiser(rc_stats.load_catalogue())"
    found: dict[str, tuple[list[str], float | None]] = {
        BARE: ([python, "-c", "pass"], None),
        "import rc_stats": ([python, "-c", "import rc_stats"], None),
        "an Anonymiser, ready": ([python, "-c", ready], None),
    }
    script = Path(python).with_name("rc-stats.exe" if os.name == "nt" else "rc-stats")
    if script.exists():
        found["rc-stats --version"] = ([str(script), "--version"], None)
        found["rc-stats preview FILE"] = ([str(script), "preview", str(EXAMPLE)], PREVIEW_GOAL)
    else:
        print("No rc-stats command stands beside this Python; its start is not measured.", file=sys.stderr)
    return found


def started(command: Sequence[str]) -> int:
    """Run *command* to its end without showing its output, and return its exit code."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode


def measure_start(rounds: int) -> list[Figure]:
    """Measure how long a process takes from its start to its end."""
    chosen = commands()
    calls: dict[str, Callable[[], object]] = {}
    for name, (command, _) in chosen.items():
        # The first run also fills the caches. A preview that shows a closed gate is a preview: exit code 3.
        exit_code = started(command)
        if exit_code not in (0, 3):
            print(f"{name} ended with exit code {exit_code}; it is not measured.", file=sys.stderr)
        else:
            calls[name] = lambda command=command: started(command)  # type: ignore[misc]
    taken = in_turns(calls, rounds, dict.fromkeys(calls, 1))
    floor = taken.pop(BARE)
    return [figure(name, "process", own, floor, chosen[name][1]) for name, own in taken.items()]


def table(title: str, floor: str, figures: Sequence[Figure], *, unit: str, factor: float) -> str:
    """Return *figures* as a plain table, its times in *unit*, of which a second has *factor*."""
    width = max(len(f"{one.subject}, {one.variant}") for one in figures)
    lines = [title, f"{'':{width}}  {floor + ', ' + unit:>18}  {'own, ' + unit:>10}  ratio  quartiles      goal"]
    for one in figures:
        aim = f"<= {one.goal:g}" if one.goal is not None else ""
        name, floor_time, time = f"{one.subject}, {one.variant}", one.floor_seconds * factor, one.seconds * factor
        spread = f"{one.low:5.2f} - {one.high:<5.2f}"
        row = f"{name:{width}}  {floor_time:18.1f}  {time:10.1f}  {one.ratio:5.2f}  {spread}  {aim}"
        lines.append(row.rstrip())
    return "\n".join(lines)


def main() -> int:
    """Measure, print the tables, write the figures where asked, and return 0."""
    parser = argparse.ArgumentParser(description="Measure rc-stats as ratios to a floor of the same run.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--smoke", action="store_true", help="one round, to see that it runs; the figures mean little")
    parser.add_argument("--rounds", type=int, default=90, help="rounds of the anonymiser; %(default)s by default")
    parser.add_argument("--starts", type=int, default=25, help="starts of each command; %(default)s by default")
    parser.add_argument("--single", action="store_true", help="one call in each turn instead of a block of calls")
    asked = parser.parse_args()
    rounds, starts = (1, 1) if asked.smoke else (max(1, asked.rounds), max(1, asked.starts))
    built = sysconfig.get_config_var("CONFIG_ARGS") or ""
    made_by = {
        "rc-stats": __version__,
        "python": platform.python_version(),
        "orjson": orjson.__version__,
        "optimised by profile": ("yes" if "--enable-optimizations" in built else "no") if built else "unknown",
        "machine": f"{platform.system()} {platform.machine()}",
    }
    print(", ".join(f"{name}: {value}" for name, value in made_by.items()))
    anonymise = measure_anonymise(rounds, 0 if asked.single else BLOCK_SECONDS)
    print()
    print(table("From bytes to canonical statistics", "orjson", anonymise, unit="µs", factor=1e6))
    start = measure_start(starts)
    print()
    print(table("From start to end of a process", "bare Python", start, unit="ms", factor=1e3))
    if asked.json is not None:
        figures = {"anonymise": [asdict(one) for one in anonymise], "start": [asdict(one) for one in start]}
        asked.json.write_bytes(
            orjson.dumps(
                {**made_by, "single": asked.single, "rounds": rounds, "starts": starts, **figures},
                option=orjson.OPT_INDENT_2,
            )
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
