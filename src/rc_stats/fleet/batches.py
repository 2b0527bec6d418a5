"""
Arrow record batches in and out: the form in which Spark and Ray hand over data.

In Spark: ``frame.mapInArrow(partial(clear_batches, options=options, column="line"), schema)`` with the schema ``payload
binary, verdict string, reasons array<string>, drift array<struct<path: string, rule: string, times: bigint>>``. In Ray
Data: ``dataset.map_batches(partial(clear_batch, options=options, column="line"), batch_format="pyarrow")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from rc_stats.errors import MissingExtra, UsageError
from rc_stats.fleet.lines import Options, clear_lines

try:
    import pyarrow as pa  # type: ignore[import-untyped]
except ModuleNotFoundError:
    raise MissingExtra("fleet", "Record batches") from None

SCHEMA: Final = pa.schema(
    [
        pa.field("payload", pa.binary()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("drift", pa.list_(pa.struct([("path", pa.string()), ("rule", pa.string()), ("times", pa.int64())]))),
    ]
)
"""What comes out for each row: its ruling. The payload of a refused row is null; drift is, unless it is asked for."""

Batch = TypeVar("Batch")
"""A record batch or a table."""


def clear_batch(batch: Batch, options: Options, *, column: str = "line", keep: Sequence[str] = ()) -> Batch:
    """
    Return the rulings on the rows of *batch*, in order and one for each, as what it is: a record batch, or a table.

    Args:
        options: What to decide by.
        column: The lines, as text or binary: bare documents, or with workspace and consent. A null is refused.
        keep: Other columns to pass on as they are, to join by; they may tell workspaces apart.

    Raises:
        UsageError: ``column``: there is no such column, or not of text or binary.
    """
    given: Any = batch
    names = given.schema.names
    if column not in names or not set(keep) <= set(names) or set(keep) & set(SCHEMA.names):
        raise UsageError("There is no such column, or it would be there twice.", rule="column")
    lines = given.column(column)
    if not _holds_lines(lines.type):
        raise UsageError("A column of lines is one of text or binary.", rule="column")
    rulings = clear_lines((value.as_py() for value in lines), options)
    kept = [given.schema.field(name) for name in keep]
    own = [pa.array([ruling[field.name] for ruling in rulings], field.type) for field in SCHEMA]
    schema = pa.schema([*kept, *SCHEMA])
    cleared: Batch = type(given).from_arrays([*(given.column(name) for name in keep), *own], schema=schema)
    return cleared


def clear_batches(
    batches: Iterable[pa.RecordBatch], options: Options, *, column: str = "line", keep: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield :func:`clear_batch` of each of *batches*, holding one at a time."""
    for batch in batches:
        yield clear_batch(batch, options, column=column, keep=keep)


def _holds_lines(kind: Any) -> bool:
    tests = (
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
    )
    return any(test(kind) for test in tests)
