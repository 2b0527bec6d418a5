"""
Two million lines in a small memory, from a pipe and from a file: a run of minutes, outside the suite.

``RCSTATS_TEST_LINES`` names another number of lines. What is counted is lines and bytes of memory, not time.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from archives import YES, agreed, archive, bulk, dump, expected, joined, light
from commands import environment

LINES = light(archive(1000, seed=8))
TIMES = int(os.environ.get("RCSTATS_TEST_LINES", "2000000")) // len(LINES)
ADDRESS_SPACE = 384 * 1024 * 1024
"""What each process may map, most of which is shared code and never touched."""

RESIDENT_KIB = 60 * 1024
"""What each process may hold."""


def inputs() -> Iterator[bytes]:
    """Yield the input, a thousand lines at a time."""
    block = joined(LINES)
    for _ in range(TIMES):
        yield block


def wanted() -> tuple[str, int]:
    """Return a digest of all payloads, and how many lines are decided."""
    payloads, records = expected([LINES], agreed())
    digest = hashlib.sha256()
    for _ in range(TIMES):
        digest.update(payloads)
    return digest.hexdigest(), TIMES * records.count(b"\n")


def limited() -> None:
    """Bound what this process and those that it starts may map."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def feed(pipe: IO[bytes]) -> None:
    """Write the input to *pipe*."""
    with pipe:
        for block in inputs():
            pipe.write(block)


def resident(process: int) -> list[int]:
    """Return the most KiB that *process* and each that it started have held so far."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    found = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return found + [held for child in children for held in resident(int(child))]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "workers"), [("pipe", 1), ("pipe", 2), ("file", 2)])
def test_two_million_lines_in_a_small_memory(source: str, workers: int, tmp_path: Path) -> None:
    """Every line is decided, in order, and no process holds more than it would for a few lines."""
    consent, out = tmp_path / "consent.json", tmp_path / "out.jsonl"
    consent.write_bytes(dump(YES.to_data()))
    name: Any = "-"
    if source == "file":
        name = tmp_path / "in.jsonl"
        with name.open("wb") as file:
            file.writelines(inputs())
    given = ["--workspace", "registered", "--consent", consent, "--at", "2026-08-17T12:00:00Z", "--workers", workers]
    running = subprocess.Popen(
        bulk(name, "-o", out, *given),
        stdin=subprocess.PIPE if source == "pipe" else subprocess.DEVNULL,
        stderr=sys.stderr,
        env=environment(),
        preexec_fn=limited,  # noqa: PLW1509 - no thread has been started yet
    )
    if running.stdin is not None:
        threading.Thread(target=feed, args=(running.stdin,)).start()
    held = 0
    while running.poll() is None:
        held = max([held, *resident(running.pid)])
        time.sleep(0.05)
    assert running.returncode == 0
    digest, lines = wanted()
    limits = f"of {RESIDENT_KIB / 1024:.0f}, with {ADDRESS_SPACE / 1024**2:.0f} MiB to map"
    sys.stderr.write(
        f"\n{source}, {workers} at work: {lines} lines decided; at most {held / 1024:.1f} MiB held {limits}\n"
    )
    with out.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    last = b""
    with (tmp_path / "out.decisions.jsonl").open("rb") as file:
        for number, last in enumerate(file, 1):  # noqa: B007 - the number of the last one
            pass
    assert number == lines
    assert last.startswith(b'{"input":1,"line":%d,' % (TIMES * len(LINES)))
    assert 0 < held <= RESIDENT_KIB
