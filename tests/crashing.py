"""
Kills a run at every instant, and again while it goes on: a program, so that it can split without any thread around.

An instant is the moment before or after a write, a sync, a rename or a removal. After a kill, what was not yet synced
is cut off at any point, as a machine that loses its power may do. It prints, as JSON, how many instants there were and
after which the output was not that of a run that nobody disturbed.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from archives import agreed, archive, expected, joined, light
from rc_stats.fleet import output
from rc_stats.fleet.bulk import run
from rc_stats.fleet.lines import line_gate
from rc_stats.fleet.output import decisions_name

SIZE = 1024
LINES = [line for line in light(archive(30, seed=4)) if len(line) < 2 * SIZE]


def dying(instant: int, note: int) -> Callable[[], None]:
    """Return what counts instants, and kills this process at one of them; *note* learns how many there were."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == instant:
            os.kill(os.getpid(), signal.SIGKILL)
        os.pwrite(note, count.to_bytes(8, "little"), 0)

    return tick


def around(owner: Any, name: str, tick: Callable[[], None]) -> None:
    """Make every call of ``owner.name`` two instants."""
    original = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        tick()
        result = original(*arguments, **named)
        tick()
        return result

    setattr(owner, name, call)


def life(folder: Path, instant: int, *, resume: bool) -> bool:
    """Run until *instant* or the end; say whether it came to the end."""
    synced = folder / "synced"

    def sync(descriptor: int) -> None:
        """Remember what is safe now, in place of a disk, which would take its time."""
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        known = json.loads(synced.read_text()) if synced.exists() else {}
        synced.write_text(json.dumps({**known, name: os.fstat(descriptor).st_size}))

    note = os.open(folder / "count", os.O_RDWR | os.O_CREAT)
    process = os.fork()
    if process == 0:
        tick = dying(instant, note)
        os.fsync = sync  # type: ignore[assignment]
        around(os, "fsync", tick)
        around(Path, "replace", tick)
        around(Path, "unlink", tick)
        around(output._Local, "write", tick)
        state = run(
            [str(folder / "in.jsonl")],
            str(folder / "out.jsonl.gz"),
            agreed(),
            size=SIZE,
            pieces_between_saves=3,
            resume=resume,
        )
        (folder / "told").write_text(str(state.tally.lines))
        os._exit(0)
    _, status = os.waitpid(process, 0)
    os.close(note)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"the run failed at instant {instant}")
    return os.WIFEXITED(status)


def lose_power(folder: Path, random: Random) -> None:
    """Cut any part off what was written and not synced."""
    known = json.loads((folder / "synced").read_text()) if (folder / "synced").exists() else {}
    for path in folder.glob("out*"):
        if path.name.endswith((".partial", ".journal")):
            size = path.stat().st_size
            os.truncate(path, random.randint(min(known.get(path.name, 0), size), size))


def main(folder: Path, step: int) -> dict[str, Any]:
    """Kill at each *step*-th instant, in a run of its own each, and return what came of it."""
    wanted = expected([LINES], agreed())
    line_gate(agreed())  # compiled once, for all processes that split off
    gc.freeze()  # and not copied by each
    instant, wrong = 0, []
    while True:
        instant += 1 if instant < 12 else step
        random = Random(instant)  # noqa: S311 - made up from a seed
        place = folder / str(instant)
        place.mkdir()
        (place / "in.jsonl").write_bytes(joined(LINES))
        is_over, is_first = life(place, instant, resume=False), True
        if is_over:
            break
        while not is_over:
            lose_power(place, random)
            is_over = life(place, random.randint(1, 40) if is_first else 0, resume=True)
            is_first = random.random() < 0.3
        out = place / "out.jsonl.gz"
        found = tuple(gzip.decompress(path.read_bytes()) for path in (out, place / decisions_name(out.name)))
        own = {"in.jsonl", "count", "synced", "told", out.name, decisions_name(out.name)}
        left = {path.name for path in place.iterdir()} - own
        told = int((place / "told").read_text())
        if found != wanted or left or told != wanted[1].count(b"\n"):
            wrong.append(instant)
    return {"instants": int.from_bytes((place / "count").read_bytes(), "little"), "wrong": wrong}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
