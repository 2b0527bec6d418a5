"""
JSON in and out: a bounded parse, the unwrapping of MongoDB's extended JSON, and the canonical bytes of a payload.

The parse never lets a parser's own exception through: those hold a copy of the input.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from rc_stats.errors import UnusableInput

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
"""What a MongoDB document can hold, so no real statistics document is larger."""

BOM: Final = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_SAFE_WHOLE = 2**53
_REFUSED: Final = object()
_TOO_DEEP: Final = object()
_DEEPEST: Final = 1024
"""How deep orjson goes."""


def too_large(limit: int) -> UnusableInput:
    """Return the error for an input over *limit* bytes."""
    return UnusableInput(
        f"The input is larger than {limit // (1024 * 1024)} MiB, the most that a MongoDB document can hold.",
        rule="too-large",
        remedy="Pass one statistics document, or one on each line.",
    )


def parse(data: bytes) -> Any:
    """
    Return the JSON value that *data* holds.

    As in upstream's parser, the last of duplicate keys counts, and a number that no double can hold is infinite; like
    the infinities of extended JSON it is out of every range. NaN, Infinity and lone surrogates are not JSON.

    Args:
        data: UTF-8, with or without a byte order mark, at most :data:`MAX_DOCUMENT_BYTES`.

    Raises:
        UnusableInput: ``too-large``, ``wrong-encoding``, ``too-deep`` or ``not-json``. It names the line and column of
            the fault, never the text there.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise too_large(MAX_DOCUMENT_BYTES)
    data = data.removeprefix(BOM)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        problem, line, column = error.msg, error.lineno, error.colno
    value = _infinite(data) if "infinity" in problem else _REFUSED
    if value is _REFUSED:
        raise _refusal(data, problem, line, column)
    return value


def _infinite(data: bytes) -> Any:
    """Return what *data* holds, with numbers that orjson refuses; its parser takes integers of up to 4300 digits."""
    import msgspec  # noqa: PLC0415 - no server writes such a number

    try:
        value = msgspec.json.Decoder(float_hook=float).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _REFUSED
    except RecursionError:
        value = _TOO_DEEP
    if value is _TOO_DEEP or is_deeper(value, _DEEPEST):
        raise _too_deep()
    return value


def goes_deeper(data: bytes) -> bool:
    """
    Say whether msgspec may go deeper in *data* than :func:`parse` does.

    It goes as deep as the interpreter lets it, which depends on its version and on who set its limit.
    """
    is_bounded = sys.version_info < (3, 12) and sys.getrecursionlimit() <= _DEEPEST
    return not is_bounded and data.count(b"{") + data.count(b"[") > _DEEPEST


def is_deeper(value: Any, levels: int) -> bool:
    """Say whether maps and lists in *value* are nested over *levels* deep; by a loop, which no depth can exhaust."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(inner, (list, dict)) for inner in level)


def _too_deep() -> UnusableInput:
    return UnusableInput("The input is nested too deeply.", rule="too-deep")


def _refusal(data: bytes, problem: str, line: int, column: int) -> UnusableInput:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:4] or not _is_utf8(data):
        return UnusableInput(
            "The input is not UTF-8 text.", rule="wrong-encoding", remedy="Save it as UTF-8 and try again."
        )
    if "depth" in problem or "ecursion" in problem:
        return _too_deep()
    if not data.strip():
        return UnusableInput("The input is empty.", rule="not-json")
    return UnusableInput(f"The input is not JSON (line {line}, column {column}).", rule="not-json")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def unwrap(value: Mapping[Any, Any]) -> Any:
    """
    Return what a wrapper of MongoDB's extended JSON stands for, or *value* itself if it is none.

    ``{"$numberInt": "12"}`` gives 12, ``{"$date": {"$numberLong": "1785759031265"}}`` gives the milliseconds as an int,
    ``{"$date": "2026-08-03T12:10:31.265Z"}`` the text, ``{"$oid": "…"}`` the text. A wrapper with anything else inside
    stays as it is and is refused later, as an object where a plain value belongs.
    """
    if len(value) != 1:
        return value
    ((key, inner),) = value.items()
    if key == "$date":
        if isinstance(inner, Mapping) and tuple(inner) == ("$numberLong",):
            inner = unwrap(inner)
        return inner if type(inner) in (str, int) else value
    if type(inner) is not str:
        return value
    if key in ("$numberInt", "$numberLong", "$numberDouble"):
        return _number(inner) if _NUMBER.fullmatch(inner) else value
    return inner if key == "$oid" else value


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def whole(value: float) -> int | None:
    """
    Return *value* as an int if it is a whole number that a double holds exactly, else None.

    A Node driver stores integers beyond 32 bits as doubles, and mongoexport writes those as ``8220839936.0``: the same
    JSON number, so this is no coercion between types.
    """
    return int(value) if -_SAFE_WHOLE <= value <= _SAFE_WHOLE and value == int(value) else None


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of *value*: UTF-8, sorted keys, no spaces, one newline at the end."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def as_written(data: bytes) -> orjson.Fragment:
    """Return *data*, canonical JSON without its newline, as a value that :func:`canonical` takes as it is."""
    return orjson.Fragment(data)


def packaged(name: str) -> bytes:
    """Return the bytes of the package's data file *name*; importlib.resources would take longer than all else."""
    return (Path(__file__).parent / "data" / name).read_bytes()
