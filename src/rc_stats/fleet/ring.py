"""
Tasks to worker processes and back, in order.

Each worker has a pipe. One thread reads the inputs and hands pieces on, to the worker that has the least to do; what
comes back is taken at once and passed on in the order of the tasks. Never more than two pieces a worker are under way,
so memory is bounded. A worker ends when its pipe does, so none outlives a run that was killed.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, Final, Protocol

from rc_stats.errors import RcStatsError
from rc_stats.fleet.inputs import Task
from rc_stats.fleet.pieces import Outcome, Span, Work

_AHEAD: Final = 2
"""Pieces under way for each worker: one that is worked on, and one that waits."""


class Engine(Protocol):
    """Does the tasks, wherever, and gives what became of them in their order."""

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Yield each of *tasks* with its outcome."""


class Here:
    """The engine of one process: this one."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Yield each of *tasks* with its outcome."""
        for task in tasks:
            yield task, Outcome(fault=task.fault) if task.piece is None else self._work(task.piece)


class Ring:
    """The engine of several worker processes."""

    def __init__(self, work: Work, workers: int) -> None:
        self._work = work
        self._workers = workers

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome]]:
        """
        Yield each of *tasks* with its outcome.

        Raises:
            RcStatsError: ``worker-ended``: a worker process was killed.
        """
        context = get_context("spawn")
        processes: list[BaseProcess] = []
        pipes: list[Connection[Any, Any]] = []
        try:
            with _uninterrupted():
                for _ in range(self._workers):
                    ours, theirs = context.Pipe()
                    pipes.append(ours)
                    process: BaseProcess = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
                    process.start()
                    theirs.close()
                    processes.append(process)
            yield from _Round(pipes).outcomes(tasks)
        finally:
            for pipe in pipes:
                pipe.close()
            for process in processes:
                process.join(5)
                process.kill()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let processes that are started here ignore interrupts: those are for the process that hands out the work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _serve(pipe: Connection[Any, Any], work: Callable[[bytes | Span], Outcome]) -> None:
    """Do what comes through *pipe* until it ends."""
    with suppress(EOFError, OSError, MemoryError):
        while True:
            pipe.send(work(pipe.recv()))


class _Round:
    """One run around the workers."""

    def __init__(self, pipes: Sequence[Connection[Any, Any]]) -> None:
        self._pipes = pipes
        self._order: SimpleQueue[tuple[Task | None, int]] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD * len(pipes))
        self._to_do = [0] * len(pipes)
        self._lock = threading.Lock()
        self._fault: BaseException | None = None
        self._is_over = False

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome]]:
        arrived: list[deque[Outcome]] = [deque() for _ in self._pipes]
        threading.Thread(target=self._hand_out, args=(tasks,), daemon=True).start()
        try:
            while True:
                task, worker = self._order.get()
                if task is None:
                    break
                if worker < 0:
                    yield task, Outcome(fault=task.fault)
                else:
                    while not arrived[worker]:
                        self._collect(arrived)
                    yield task, arrived[worker].popleft()
                self._room.release()
        finally:
            self._is_over = True
            self._room.release()
        if self._fault is not None:
            raise self._fault

    def _collect(self, arrived: list[deque[Outcome]]) -> None:
        for pipe in wait(self._pipes):
            worker = self._pipes.index(pipe)
            try:
                outcome = self._pipes[worker].recv()
            except (EOFError, OSError):
                break
            with self._lock:
                self._to_do[worker] -= 1
            arrived[worker].append(outcome)
        else:
            return
        raise RcStatsError(
            "A worker process ended before its work.", rule="worker-ended", remedy="Go on with: --resume"
        )

    def _hand_out(self, tasks: Iterator[Task]) -> None:
        """Read the inputs and hand pieces on; runs in a thread, so that a slow pipe doesn't hold up what comes back."""
        try:
            for task in tasks:
                self._room.acquire()
                if self._is_over:
                    return
                self._hand_on(task)
        except BaseException as fault:  # noqa: BLE001 - raised again where the outcomes are taken
            self._fault = fault
        self._order.put((None, -1))

    def _hand_on(self, task: Task) -> None:
        if task.piece is None:
            self._order.put((task, -1))
            return
        with self._lock:
            worker = min(range(len(self._pipes)), key=self._to_do.__getitem__)
            self._to_do[worker] += 1
        # Who takes the outcome needs no piece any more, so less is held for each that is under way.
        self._order.put((replace(task, piece=None), worker))
        with suppress(OSError):  # A worker that has ended shows where its outcome is missing.
            self._pipes[worker].send(task.piece)
