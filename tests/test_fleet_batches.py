"""Record batches: a ruling for each row, in order, as Spark and Ray take it, and the same as of a run over lines."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from archives import agreed, archive, dump, options, ruled, wrapped
from rc_stats.errors import UsageError
from rc_stats.fleet.batches import SCHEMA, clear_batch, clear_batches

LINES = archive(120, seed=3)
TEXTS = [line for line in LINES if line.isascii()]
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "binary": (pa.binary(), LINES),
    "large binary": (pa.large_binary(), LINES),
    "binary view": (pa.binary_view(), LINES),
    "string": (pa.string(), [line.decode() for line in TEXTS]),
    "large string": (pa.large_string(), [line.decode() for line in TEXTS]),
    "string view": (pa.string_view(), [line.decode() for line in TEXTS]),
}


def batch_of(lines: list[Any], kind: Any = None, **more: Any) -> pa.RecordBatch:
    """Return a batch with a column of lines, and others."""
    return pa.RecordBatch.from_pydict({"line": pa.array(lines, kind or pa.binary()), **more})


@pytest.mark.parametrize("kind", KINDS)
def test_rulings_of_rows(kind: str) -> None:
    """Whatever text or binary the column is of, each row has the ruling of its line."""
    arrow, lines = KINDS[kind]
    found = clear_batch(batch_of(lines, arrow), agreed())
    assert found.schema == SCHEMA
    wanted = [ruled(line if isinstance(line, bytes) else line.encode(), agreed()) for line in lines]
    rows = found.to_pylist()
    assert [row["payload"] for row in rows] == [payload for payload, _ in wanted]
    assert [row["verdict"] for row in rows] == ["cleared" if payload else "refused" for payload, _ in wanted]
    assert [tuple(row["reasons"]) for row in rows] == [reasons for _, reasons in wanted]
    assert {row["drift"] for row in rows} == {None}
    assert found.validate(full=True) is None


def test_as_ray_and_spark_take_it() -> None:
    """A table gives a table, an iterator of batches an iterator that reads no further than it is asked."""
    table = pa.Table.from_batches([batch_of(LINES[:50]), batch_of(LINES[50:])])
    found = clear_batch(table, agreed())
    assert isinstance(found, pa.Table)
    assert found.to_pylist() == clear_batch(batch_of(LINES), agreed()).to_pylist()
    read: list[int] = []

    def batches() -> Any:
        for number, part in enumerate(table.to_batches()):
            read.append(number)
            yield part

    function = pickle.loads(pickle.dumps(partial(clear_batches, options=agreed(), column="line")))  # noqa: S301
    first = next(given := function(batches()))
    assert read == [0]
    assert pa.Table.from_batches([first, *given]) == found


def test_columns_to_join_by() -> None:
    """Other columns come along only where they are named."""
    batch = batch_of([dump(wrapped(1)), None, b"{"], workspace_id=["a", "b", "c"], more=[1, 2, 3])
    assert clear_batch(batch, options()).schema == SCHEMA
    found = clear_batch(batch, options(), keep=["workspace_id"])
    assert found.schema.names == ["workspace_id", *SCHEMA.names]
    assert found.column("workspace_id").to_pylist() == ["a", "b", "c"]
    assert found.column("verdict").to_pylist() == ["cleared", "refused", "refused"]
    assert found.column("reasons").to_pylist()[1:] == [["not-an-object"], ["not-json"]]


def test_drift_in_batches() -> None:
    """Drift is a column of its own, where it is asked for."""
    found = clear_batch(batch_of([dump(wrapped(1)), b"{"]), options(with_drift=True)).column("drift").to_pylist()
    assert {"path": "note", "rule": "unknown", "times": 1}.keys() == found[0][0].keys()
    assert found[1] is None


def test_empty_batches() -> None:
    """No rows give no rows, of the same schema."""
    assert clear_batch(batch_of([]), options()).schema == SCHEMA
    assert list(clear_batches([], options())) == []


@pytest.mark.parametrize(
    ("columns", "arguments"),
    [
        ({"other": [b"{}"]}, {}),
        ({"line": [1]}, {}),
        ({"line": [b"{}"]}, {"keep": ["other"]}),
        ({"line": [b"{}"], "payload": [1]}, {"keep": ["payload"]}),
    ],
)
def test_columns_that_do_not_fit(columns: dict[str, Any], arguments: dict[str, Any]) -> None:
    """A column that is missing, of numbers, or there already is an error of the call."""
    with pytest.raises(UsageError, match="column"):
        clear_batch(pa.RecordBatch.from_pydict(columns), options(), **arguments)
