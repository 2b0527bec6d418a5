"""A real Dask cluster on this machine, each worker a process of its own: the same bytes, also when one is killed."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from archives import YES, agreed, archive, bulk, dump, expected, joined, light, unpacked
from commands import environment
from rc_stats.errors import RcStatsError
from rc_stats.fleet.bulk import State, run
from rc_stats.fleet.output import decisions_name

LINES = archive(150, seed=5)
LIGHT = light(archive(300, seed=6))
SIZE = 8 * 1024
QUIET = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s", "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}


class LocalCluster:
    """A scheduler, and workers that come and go."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._known = folder / "scheduler.json"
        self._started("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-show", "--no-dashboard")
        self.address: str = ""
        while not self.address:
            time.sleep(0.05)
            if self._known.exists() and (text := self._known.read_text()):
                self.address = json.loads(text)["address"]
        self.workers: list[subprocess.Popen[bytes]] = []

    def _started(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self._known)]
        process = subprocess.Popen(
            [*program, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=environment(**QUIET),
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def add_worker(self) -> None:
        """Start one more process that works."""
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        self.workers.append(self._started("worker", *options, "--local-directory", str(self._folder)))

    def kill_worker(self) -> None:
        """Kill the oldest worker, without a word to the others."""
        worker = self.workers.pop(0)
        worker.send_signal(signal.SIGKILL)
        worker.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Give a cluster of two workers."""
    with ExitStack() as stack:
        found = LocalCluster(tmp_path_factory.mktemp("cluster"), stack)
        for _ in range(2):
            found.add_worker()
        yield found


def written(path: Path) -> tuple[bytes, bytes]:
    """Return payloads and decisions of a finished output."""
    assert not list(path.parent.glob("*.partial"))
    return unpacked(path), unpacked(path.with_name(decisions_name(path.name)))


def test_the_same_bytes_as_of_one_process(cluster: LocalCluster, tmp_path: Path) -> None:
    """Plain files, whose pieces the workers read, and archives, unpacked here, give what one process gives."""
    (tmp_path / "a.jsonl").write_bytes(joined(LIGHT))
    (tmp_path / "b.gz").write_bytes(gzip.compress(joined(LINES)))
    names = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.gz"), str(tmp_path / "none.jsonl")]
    run(names, str(tmp_path / "cluster.jsonl.zst"), agreed(), scheduler=cluster.address, size=SIZE)
    run(names, str(tmp_path / "here.jsonl.zst"), agreed(), size=SIZE)
    assert (tmp_path / "cluster.jsonl.zst").read_bytes() == (tmp_path / "here.jsonl.zst").read_bytes()
    payloads, decisions = expected([LIGHT, LINES], agreed())
    fault = b'{"input":3,"line":1,"verdict":"refused","reasons":["unreadable"]}\n'
    assert written(tmp_path / "cluster.jsonl.zst") == (payloads, decisions + fault)


def test_relative_names(cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is relative here is the same file to a worker, whose current directory is another."""
    (tmp_path / "out [1]").mkdir()
    (tmp_path / "out [1]" / "a.jsonl").write_bytes(joined(LIGHT))
    monkeypatch.chdir(tmp_path / "out [1]")
    run(["*.jsonl"], "payloads", agreed(), scheduler=cluster.address, size=SIZE)
    payloads, decisions = expected([LIGHT], agreed())
    assert written(tmp_path / "out [1]" / "payloads") == (payloads, decisions)


def test_the_verb_on_a_cluster(cluster: LocalCluster, tmp_path: Path) -> None:
    """The verb takes a scheduler's address, inputs and outputs by URL, and standard input."""
    (tmp_path / "a.jsonl").write_bytes(joined(LIGHT))
    (tmp_path / "consent.json").write_bytes(dump(YES.to_data()))
    given = ["--workspace", "registered", "--consent", tmp_path / "consent.json", "--at", "2026-08-17T12:00:00Z"]
    engine = ["--engine", "dask", "--scheduler", cluster.address]
    done = subprocess.run(
        bulk(f"local://{tmp_path}/a.jsonl", "-", "-o", f"local://{tmp_path}/out.jsonl", *given, *engine),
        input=joined(LINES),
        capture_output=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert done.stderr.decode().splitlines()[0].endswith(" refused.")
    assert written(tmp_path / "out.jsonl") == expected([LIGHT, LINES], agreed())


def test_partitions_of_a_bag(cluster: LocalCluster) -> None:
    """The function for pipelines of one's own runs over the partitions of a Dask bag, on the same cluster."""
    program = (
        "import sys, json, pickle\n"
        "from dask import bag\n"
        "from distributed import Client\n"
        "from archives import archive, agreed, ruled\n"
        "from rc_stats.fleet.lines import clear_lines\n"
        "lines = archive(60, seed=7)\n"
        "with Client(sys.argv[1]):\n"
        "    found = bag.from_sequence(lines, npartitions=4).map_partitions(clear_lines, agreed()).compute()\n"
        "wanted = [ruled(line, agreed()) for line in lines]\n"
        "assert [(r['payload'], tuple(r['reasons'])) for r in found] == wanted\n"
        "assert sum(r['verdict'] == 'cleared' for r in found) > 10\n"
    )
    tests = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", program, cluster.address],
        capture_output=True,
        check=False,
        timeout=60,
        env=environment(PYTHONPATH=tests),
    )
    assert done.returncode == 0, done.stderr


def test_no_scheduler_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that doesn't answer is told in one line, without its address."""
    import dask  # noqa: PLC0415

    (tmp_path / "a.jsonl").write_bytes(joined(LIGHT))
    with dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}), pytest.raises(RcStatsError) as caught:
        run([str(tmp_path / "a.jsonl")], str(tmp_path / "out.jsonl"), agreed(), scheduler="tcp://127.0.0.1:1")
    assert caught.value.rule == "cluster"
    assert caught.value.exit_code == 1
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.__context__ is None
    assert os.environ.get("DASK_SCHEDULER_ADDRESS") is None


def test_a_killed_worker_loses_and_doubles_nothing(cluster: LocalCluster, tmp_path: Path) -> None:
    """A worker that is killed in mid-run changes no byte of the output: another does its pieces, each once."""
    lines = LIGHT * 3
    (tmp_path / "a.jsonl").write_bytes(joined(lines))
    is_killed = False

    def tell(state: State) -> None:
        nonlocal is_killed
        if not is_killed and state.passed > len(joined(LIGHT)):
            cluster.kill_worker()
            is_killed = True

    names, out = [str(tmp_path / "a.jsonl")], tmp_path / "out.jsonl"
    state = run(names, str(out), agreed(), scheduler=cluster.address, size=SIZE, on_state=tell)
    assert is_killed
    assert written(out) == expected([lines], agreed())
    assert state.tally.lines == written(out)[1].count(b"\n")
