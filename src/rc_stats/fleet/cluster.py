"""
Tasks to a Dask cluster and back, in order: a cluster that exists, reached by the address of its scheduler.

The workers need this package and its extra ``fleet``, and must reach the inputs by the names that they have here. What
comes back is written here, once and in order; the cluster does the pieces of a worker that is lost again elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rc_stats.errors import MissingExtra, RcStatsError
from rc_stats.fleet.inputs import Task
from rc_stats.fleet.pieces import Outcome, Work

try:
    import distributed
except ModuleNotFoundError:
    raise MissingExtra("fleet", "Working on a Dask cluster") from None

_AHEAD = 2
"""Pieces under way for each thread of the cluster."""


class Cluster:
    """
    The engine of a Dask cluster.

    Args:
        scheduler: Its address, such as ``tcp://scheduler.example:8786``.
    """

    def __init__(self, work: Work, scheduler: str) -> None:
        self._work = work
        self._scheduler = scheduler

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Outcome]]:
        """
        Yield each of *tasks* with its outcome.

        Raises:
            RcStatsError: ``cluster``: the scheduler can't be reached, or could not have a piece done.
        """
        client = _client(self._scheduler)
        with client:
            under_way: deque[tuple[Task, Any]] = deque()
            for task in tasks:
                future = None if task.piece is None else client.submit(self._work, task.piece, pure=False)
                under_way.append((task, future))
                if len(under_way) >= _AHEAD * max(1, sum(client.nthreads().values())):
                    yield _taken(*under_way.popleft())
            while under_way:
                yield _taken(*under_way.popleft())


def _client(scheduler: str) -> Any:
    make: Any = distributed.Client
    with suppress(Exception):  # what a network says may hold an address
        return make(scheduler, set_as_default=False)
    raise RcStatsError("The scheduler can't be reached.", rule="cluster", remedy="Check its address.")


def _taken(task: Task, future: Any) -> tuple[Task, Outcome]:
    if future is None:
        return task, Outcome(fault=task.fault)
    with suppress(Exception):
        return task, future.result()
    raise RcStatsError(
        "The cluster could not have a piece done.", rule="cluster", remedy="See its logs; go on with: --resume"
    )
