"""
An integer program that is asked for the smallest and the largest value of each of its variables.

It knows nothing of payloads. SciPy's solver does the work that bounds alone don't settle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Final

from rc_stats.errors import MissingExtra

FAR: Final = 10**9
"""More than any variable can be."""

_MANY: Final = 20
"""A problem of so many variables is first solved for all of them together."""


@dataclass(slots=True)
class _Row:
    terms: dict[int, int]
    low: int
    high: int


class Model:
    """
    An integer program whose variables are all asked for their smallest and largest value.

    Bounds are propagated first, which settles most. What is left falls into independent problems, each built once. A
    solution of one question often answers others, so the extremes of all solutions are kept.
    """

    def __init__(self) -> None:
        self.low: list[int] = []
        self.high: list[int] = []
        self.rows: list[_Row] = []
        self._seen: dict[int, set[int]] = {}
        self._problem_of: dict[int, _Problem] = {}
        self._answers: dict[object, list[int] | None] = {}

    def new(self, low: int, high: int) -> int:
        """Return a new variable."""
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def require(self, terms: Mapping[int, int], *, low: int = -FAR, high: int = FAR) -> None:
        """Add the constraint that the weighted sum of *terms* lies between *low* and *high*."""
        self.rows.append(_Row({v: weight for v, weight in terms.items() if weight}, low, high))

    def either(self, variable: int, small: int, large: int) -> None:
        """Add the constraint that *variable* is at most *small* or at least *large*."""
        is_large = self.new(0, 1)
        room = max(self.high[variable] - small, 0)
        self.require({variable: 1, is_large: -room}, high=small)
        self.require({variable: 1, is_large: -large}, low=0)

    def settle(self) -> bool:
        """Propagate bounds and split up; say whether anything fits."""
        if not self._propagate():
            return False
        left = []
        for row in self.rows:
            terms = {v: weight for v, weight in row.terms.items() if self.low[v] != self.high[v]}
            fixed = sum(weight * self.low[v] for v, weight in row.terms.items() if v not in terms)
            least, most = self._range(terms)
            if least < row.low - fixed or most > row.high - fixed:
                left.append(_Row(terms, row.low - fixed, row.high - fixed))
        problems = _components(left, len(self.low))
        for variables, rows in problems:
            problem = _Problem(variables, rows, self.low, self.high)
            for variable in variables:
                self._problem_of[variable] = problem
            if self._ask(problem, variables[0], 1, None) is None:
                return False
            if len(variables) >= _MANY:
                for sense in (1, -1):
                    self._ask(problem, None, sense, None)
        return True

    def _range(self, terms: Mapping[int, int]) -> tuple[int, int]:
        least = most = 0
        for v, weight in terms.items():
            one, other = weight * self.low[v], weight * self.high[v]
            least, most = least + min(one, other), most + max(one, other)
        return least, most

    def _propagate(self) -> bool:
        rows_of: dict[int, list[int]] = {}
        for number, row in enumerate(self.rows):
            for v in row.terms:
                rows_of.setdefault(v, []).append(number)
        waiting = dict.fromkeys(range(len(self.rows)))
        while waiting:
            number = next(iter(waiting))
            del waiting[number]
            row = self.rows[number]
            least, most = self._range(row.terms)
            if least > row.high or most < row.low:
                return False
            for v, weight in row.terms.items():
                low, high = self._narrowed(v, weight, row, least, most)
                if (low, high) == (self.low[v], self.high[v]):
                    continue
                if low > high:
                    return False
                self.low[v], self.high[v] = low, high
                waiting.update(dict.fromkeys(rows_of[v]))
                least, most = self._range(row.terms)
        return all(low <= high for low, high in zip(self.low, self.high, strict=True))

    def _narrowed(self, v: int, weight: int, row: _Row, least: int, most: int) -> tuple[int, int]:
        """Return the bounds of *v* that *row* leaves, given the others'."""
        low, high = self.low[v], self.high[v]
        one, other = weight * low, weight * high
        at_most = row.high - (least - min(one, other))
        at_least = row.low - (most - max(one, other))
        if weight > 0:
            return max(low, -(-at_least // weight)), min(high, at_most // weight)
        return max(low, -(at_most // -weight)), min(high, -at_least // -weight)

    def interval(self, variable: int, high: int | None = None) -> tuple[int, int] | None:
        """Return the smallest and the largest value of *variable*, which may be limited to *high*; None if none."""
        low, top = self.low[variable], self.high[variable]
        if high is not None:
            if low > high:
                return None
            top = min(top, high)
        problem = self._problem_of.get(variable)
        if problem is None:
            return low, top
        ends = []
        for sense, end in ((1, low), (-1, top)):
            if end in self._seen.get(variable, ()):
                ends.append(end)
                continue
            found = self._ask(problem, variable, sense, top)
            if found is None:
                return None
            ends.append(found)
        return ends[0], ends[1]

    def _ask(self, problem: _Problem, variable: int | None, sense: int, top: int | None) -> int | None:
        """Return the extreme of *variable*, or of all together, which may settle many; None if nothing fits."""
        place = problem.place[variable] if variable is not None else None
        question = (problem.key, place, sense, top)
        if question not in self._answers:
            self._answers[question] = problem.solve(place, sense, top)
        solution = self._answers[question]
        if solution is None:
            return None
        for v, value in zip(problem.place, solution, strict=True):
            self._seen.setdefault(v, set()).add(value)
        return solution[place] if place is not None else 0


def _components(rows: Sequence[_Row], size: int) -> list[tuple[list[int], list[_Row]]]:
    """Return the rows with the variables that they touch, as problems that share no variable."""
    parent = list(range(size))

    def root(v: int) -> int:
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        return v

    for row in rows:
        first, *others = row.terms
        for v in others:
            parent[root(v)] = root(first)
    groups: dict[int, tuple[list[int], list[_Row]]] = {}
    for row in rows:
        groups.setdefault(root(next(iter(row.terms))), ([], []))[1].append(row)
    for v in range(size):
        if root(v) in groups:
            groups[root(v)][0].append(v)
    return list(groups.values())


class _Problem:
    """
    One independent problem. Equal problems, of which there are many, have equal keys.

    Attributes:
        place: Of each variable among the problem's own.
    """

    def __init__(self, variables: Sequence[int], rows: Sequence[_Row], low: Sequence[int], high: Sequence[int]) -> None:
        self.place = {v: place for place, v in enumerate(variables)}
        self._low, self._high = [low[v] for v in variables], [high[v] for v in variables]
        self._rows = sorted(
            (tuple(sorted((self.place[v], weight) for v, weight in row.terms.items())), row.low, row.high)
            for row in rows
        )
        self.key = (tuple(self._low), tuple(self._high), tuple(self._rows))

    @cached_property
    def _constraints(self) -> Any:
        _, sparse, optimize = _scipy()
        entries = [(n, place, weight) for n, (terms, _, _) in enumerate(self._rows) for place, weight in terms]
        where, which, weights = zip(*entries, strict=True)
        shape = (len(self._rows), len(self.place))
        matrix = sparse.csr_array((weights, (where, which)), shape=shape, dtype=float)
        return optimize.LinearConstraint(matrix, [row[1] for row in self._rows], [row[2] for row in self._rows])

    def solve(self, place: int | None, sense: int, top: int | None) -> list[int] | None:
        """
        Return the solution with the smallest (*sense* 1) or largest (-1) variable at *place*, or None if nothing fits.

        Args:
            place: None for the sum of all variables.
            top: Upper limit of the variable, in place of its own.
        """
        numpy, _, optimize = _scipy()
        size = len(self.place)
        aim, high = numpy.zeros(size), numpy.array(self._high, dtype=float)
        aim[slice(None) if place is None else place] = sense
        if place is not None and top is not None:
            high[place] = min(high[place], top)
        result = optimize.milp(
            aim,
            integrality=numpy.ones(size),
            bounds=optimize.Bounds(numpy.array(self._low, dtype=float), high),
            constraints=self._constraints,
            options={"mip_rel_gap": 0.0},
        )
        if result.x is None:
            if result.status == 2:
                return None
            raise AssertionError(f"the solver gave up: {result.message}")
        return [round(value) for value in result.x]


def _scipy() -> tuple[Any, Any, Any]:
    try:
        return import_module("numpy"), import_module("scipy.sparse"), import_module("scipy.optimize")
    except ImportError:
        raise MissingExtra("audit", "The attack on a payload") from None
