"""
What else could be taken for the job: each does as much of it as it can, by its own means, on the catalogue's leaves.

They get less to do than rc-stats does: flags, counts within bounds and rounded, words of closed lists, versions. No
dates, no rules for small numbers, no gate. What each makes of a document that tempts it is tried out, see
:func:`faults`. As a script it runs one of them over lines: ``rivals.py NAME SOURCE TARGET``.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import orjson

from documents import real
from rc_stats import Profile, load_catalogue
from rc_stats.plan import Plan

SENTRY: Final = "sentry-sdk EventScrubber"
JSONSCHEMA: Final = "jsonschema, and prune"
DUCKDB: Final = "DuckDB, typed, 1 thread"
JQ: Final = "jq, allowlist and checks"

CANARY: Final = "canary-in-an-unknown-key"
UNLISTED: Final = "canary-in-a-known-key"
_VERSION: Final = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}")
_GOOD: Final = 1237
"""How many users there are."""

_WRONG: Final[Mapping[str, Any]] = {
    "totalRooms": False,
    "totalChannels": "12",
    "totalDirect": 1.5,
    "allowUnsafeQueryAndFieldsApiParamsEnabled": "true",
}
"""Values of a wrong type: for counts, and for a flag."""

_PEOPLE: Final = 37
"""How many people sign in by SAML: a figure that leaves rounded, if at all."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """
    What the catalogue says of one plain place, as far as a rival can be told.

    Attributes:
        kind: ``flag``, ``count``, ``word`` or ``version``.
        step: Counts are rounded down to multiples of it.
        words: What a word may be; any other is ``other``.
    """

    path: tuple[str, ...]
    kind: str
    minimum: int = 0
    maximum: int = 0
    step: int = 1
    words: tuple[str, ...] = ()


def leaves() -> list[Leaf]:
    """Return the catalogue's plain leaves that leave in the standard profile."""
    catalogue = load_catalogue()
    found = []
    for slot in Plan(catalogue, Profile.STANDARD).slots:
        metric, treatment = slot.metric, slot.treatment
        path = tuple(metric.path.split("."))
        if slot.is_silent or "[" in metric.path or "*" in metric.path or metric.emit != metric.path:
            continue
        if metric.operator in ("count", "split"):
            found.append(Leaf(path, "count", metric.minimum, metric.maximum, treatment.step))
        elif metric.operator == "choice":
            found.append(Leaf(path, "word", words=catalogue.vocabularies[metric.vocabulary].members))
        elif metric.operator in ("flag", "version"):
            found.append(Leaf(path, metric.operator))
    return found


Tree = dict[str, Any]
"""Keys to leaves, or to trees of what is inside."""


def tree(every: Sequence[Leaf]) -> Tree:
    """Return *every* leaf by its keys; what lies in another leaf is left out."""
    made: Tree = {}
    for leaf in every:
        *steps, last = leaf.path
        inner: Any = made
        for step in steps:
            inner = inner.setdefault(step, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.setdefault(last, leaf)
    return made


def installed(distribution: str) -> str:
    """Return the version of *distribution*; empty if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


Clear = Callable[[bytes], bytes]
"""From the bytes of a document to those of what is left of it."""


def scrubber() -> Clear:
    """Return sentry-sdk's scrubber, which also looks into what is inside."""
    made = importlib.import_module("sentry_sdk.scrubber").EventScrubber(recursive=True)

    def scrub(data: bytes) -> bytes:
        event = {"extra": orjson.loads(data)}
        made.scrub_event(event)
        return orjson.dumps(event["extra"], default=lambda taken: taken.value)

    return scrub


def schema(inner: Tree) -> dict[str, Any]:
    """Return the JSON Schema of a tree of leaves."""
    return {"type": "object", "properties": {key: _typed(leaf) for key, leaf in inner.items()}}


def _typed(leaf: Leaf | Tree) -> dict[str, Any]:
    if isinstance(leaf, dict):
        return schema(leaf)
    match leaf.kind:
        case "flag":
            return {"type": "boolean"}
        case "count":
            return {"type": "integer", "minimum": leaf.minimum, "maximum": leaf.maximum}
        case "word":
            return {"enum": list(leaf.words)}
        case _:
            return {"type": "string", "pattern": rf"^{_VERSION.pattern}"}


def pruned(value: Any, allowed: Any, refused: set[tuple[Any, ...]], path: tuple[Any, ...] = ()) -> Any:
    """Return what of *value* is *allowed* and not *refused*, by its path."""
    if not isinstance(allowed, dict) or not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        if key in allowed and (*path, key) not in refused:
            kept[key] = pruned(inner, allowed[key], refused, (*path, key))
    return kept


def validator() -> Clear:
    """Return jsonschema, and the removal of what it doesn't know or like."""
    allowed = tree(leaves())
    checked = importlib.import_module("jsonschema").Draft202012Validator(schema(allowed))

    def prune(data: bytes) -> bytes:
        document = orjson.loads(data)
        refused = {tuple(error.absolute_path) for error in checked.iter_errors(document)}
        return orjson.dumps(pruned(document, allowed, refused))

    return prune


def jq_program(inner: Tree) -> str:
    """Return the program for jq: an object with every leaf checked, and without those that are not there."""
    helpers = """
def count($low; $high; $step):
  if type == "number" and . == floor and . >= $low and . <= $high then . - . % $step else null end;
def flag: if type == "boolean" then . else null end;
def word($words): if type != "string" then null elif $words[.] then . else "other" end;
def version: if type == "string" then ([match("^[0-9]{1,2}\\\\.[0-9]{1,3}").string][0]) else null end;
def tidy: with_entries(select(.value != null and .value != {}));
"""
    return helpers.lstrip() + _object(inner, ())


def _object(inner: Tree, path: tuple[str, ...]) -> str:
    entries = []
    for key, leaf in inner.items():
        way = (*path, key)
        check = _object(leaf, way) if isinstance(leaf, dict) else f"[.{_way(way)}?][0] | {_checked(leaf)}"
        entries.append(f"{_text(key)}: ({check})")
    return "{" + ",\n".join(entries) + "} | tidy"


def _way(path: Sequence[str]) -> str:
    return "".join(f"[{_text(key)}]" for key in path)


def _checked(leaf: Leaf) -> str:
    match leaf.kind:
        case "count":
            return f"count({leaf.minimum}; {leaf.maximum}; {leaf.step})"
        case "word":
            return f"word({_text(dict.fromkeys(leaf.words, True))})"
        case _:
            return leaf.kind


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def query(inner: Tree, source: Path, target: Path) -> str:
    """Return the SQL for DuckDB: typed columns, what becomes of each, and where it goes."""
    columns = ", ".join(f"{_quoted(key)}: {_quoted(_column(leaf))}" for key, leaf in inner.items())
    chosen = ",\n".join(f"{_expression(leaf, _name(key))} AS {_name(key)}" for key, leaf in inner.items())
    return (
        f"COPY (SELECT {chosen}\nFROM read_json({_quoted(str(source))}, format='newline_delimited', "
        f"ignore_errors=true, columns={{{columns}}})) TO {_quoted(str(target))} (FORMAT json)"
    )


def _name(key: str) -> str:
    return '"' + key.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column(leaf: Leaf | Tree) -> str:
    if isinstance(leaf, dict):
        return f"STRUCT({', '.join(f'{_name(key)} {_column(inner)}' for key, inner in leaf.items())})"
    return {"flag": "BOOLEAN", "count": "BIGINT"}.get(leaf.kind, "VARCHAR")


def _expression(leaf: Leaf | Tree, at: str) -> str:
    if isinstance(leaf, dict):
        inside = (f"{_quoted(key)}: {_expression(inner, f'{at}.{_name(key)}')}" for key, inner in leaf.items())
        return "{" + ", ".join(inside) + "}"
    match leaf.kind:
        case "count":
            rounded = f"{at} - {at} % {leaf.step}" if leaf.step > 1 else at
            return f"CASE WHEN {at} BETWEEN {leaf.minimum} AND {leaf.maximum} THEN {rounded} END"
        case "word":
            words = ", ".join(_quoted(word) for word in leaf.words)
            return f"CASE WHEN {at} IN ({words}) THEN {at} WHEN {at} IS NOT NULL THEN 'other' END"
        case "version":
            return f"nullif(regexp_extract({at}, '^{_VERSION.pattern}'), '')"
        case _:
            return at


@dataclass(frozen=True, slots=True)
class Rival:
    """
    One of them.

    Attributes:
        version: Empty if it is not installed.
        does: As much of the job as it can do at all, in words.
        make: Makes what clears one document in this process; None where lines of a file are cleared.
        does_the_job: Whether it can be taken for the job: what is not named doesn't leave, and types are checked.
    """

    name: str
    version: str
    does: str
    make: Callable[[], Clear] | None = None
    does_the_job: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether it can be run here."""
        return bool(self.version)


def _jq_version() -> str:
    found = shutil.which("jq")
    if found is None:
        return ""
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return told.removeprefix("jq-") or "unknown"


def single() -> list[Rival]:
    """Return those that clear one document in this process."""
    return [
        Rival(SENTRY, installed("sentry-sdk"), "no: a denylist, so unknown keys pass", scrubber),
        Rival(
            JSONSCHEMA,
            installed("jsonschema"),
            "in part: allowlist and types, nothing is rounded",
            validator,
            does_the_job=True,
        ),
    ]


def many() -> list[Rival]:
    """Return those that clear the lines of a file."""
    return [
        Rival(DUCKDB, installed("duckdb"), "in part: it turns texts and flags into numbers"),
        Rival(JQ, _jq_version(), "yes, but for people, dates and the gate", does_the_job=True),
    ]


def command(name: str, source: Path, target: Path) -> list[str]:
    """Return the words that run one of :func:`many`, or the floor, over the lines of *source*."""
    return [sys.executable, str(Path(__file__).resolve()), name, str(source), str(target)]


def over_lines(name: str, source: Path, target: Path) -> None:
    """Clear the lines of *source* into *target* by the rival *name*; without one, parse and write each."""
    if name == DUCKDB:
        connection = importlib.import_module("duckdb").connect()
        connection.execute("SET threads = 1")
        connection.execute(query(tree(leaves()), source, target))
    elif name == JQ:
        with source.open("rb") as lines, target.open("wb") as written:
            subprocess.run(["jq", "-c", jq_program(tree(leaves()))], stdin=lines, stdout=written, check=True)
    else:
        raise ValueError(name)


def probe() -> bytes:
    """Return a document that tempts: what is unknown, wrong types, an exact figure of people."""
    document = {**real(), "totalUsers": _GOOD, **_WRONG, "fileStoreType": UNLISTED, "unknownKey": {"inner": CANARY}}
    document["services"]["saml"]["users"] = _PEOPLE
    return orjson.dumps(document)


def faults(cleared: bytes) -> list[str]:
    """Return what is wrong with *cleared*, which was made of the probe; an empty list if nothing is."""
    left: dict[str, Any] = orjson.loads(cleared)
    found = []
    if CANARY.encode() in cleared:
        found.append("unknown keys pass")
    if UNLISTED.encode() in cleared:
        found.append("unlisted words pass")
    wrong = {key: left[key] for key in _WRONG if left.get(key) is not None}
    if any(value == _WRONG[key] and type(value) is type(_WRONG[key]) for key, value in wrong.items()):
        found.append("wrong types pass")
    elif wrong:
        found.append("coerces types")
    if ((left.get("services") or {}).get("saml") or {}).get("users") == _PEOPLE:
        found.append("people are not rounded")
    if left.get("totalUsers") != _GOOD:
        found.append("loses good values")
    return found


def main() -> int:
    """Run the rival that is named over lines."""
    name, source, target = sys.argv[1:]
    over_lines(name, Path(source), Path(target))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
