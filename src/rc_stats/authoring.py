"""
From reviewed TOML to a checked, compiled catalogue or policy.

This is the border where untrusted or hand-written definitions come in: pydantic checks the shape, :mod:`rc_stats.lint`
the meaning, and all problems are named at once. ``python -m rc_stats.authoring`` compiles the packaged sources;
``--check`` says whether the compiled files are stale.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rc_stats.catalogue import OPERATORS, Catalogue, Profile, catalogue_from_data
from rc_stats.errors import CatalogueError, UnusableInput
from rc_stats.lint import lint_catalogue
from rc_stats.policy import Condition, DataType, Policy, Verdict, WorkspaceKind, load_policy, policy_from_data
from rc_stats.wire import canonical

_DATA = Path(__file__).parent / "data"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Treatment(_Entry):
    withhold: str = ""
    significant: int | None = Field(None, ge=1)
    step: int = Field(1, ge=1)
    absent_zero: bool = False
    needs_people: int = Field(0, ge=0)
    parts: int = Field(3, ge=1, le=3)
    precision: Literal["month", "year"] = "month"
    bands: Literal["fine", "coarse"] = "fine"
    fold: str | None = None
    frozen: bool = False
    days: list[Literal[1, 7, 30]] = []


class _Kind(_Entry):
    label: str
    clause: str
    operators: list[str]
    exact: _Treatment | None = None
    standard: _Treatment | None = None
    strict: _Treatment | None = None


class _Vocabulary(_Entry):
    source: str
    members: list[str] = Field(min_length=1)
    true_is: str | None = None
    empty_is: str | None = None
    words: dict[str, list[str]] = {}
    groups: dict[str, dict[str, list[str]]] = {}


class _Buckets(_Entry):
    edges: list[int]
    names: list[str]


class _Bands(_Entry):
    unit: str
    scale: int = Field(ge=1)
    fine: _Buckets
    coarse: _Buckets


class _Facts(_Entry):
    people: str
    made_at: str
    apps: str
    platform: str
    hosted_platform: str


class _Metric(_Entry):
    path: str = Field(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*(\[\]|\.\*|\.\{[a-z_]+\}|\.[A-Za-z_][A-Za-z0-9_]*)*\z")
    operator: str
    kind: str
    data_type: Literal[*(str(member) for member in DataType)]  # type: ignore[valid-type]
    section: str
    unit: str
    json_types: str = Field(alias="json")
    says: str
    source: str
    added: int = Field(ge=1)
    useful: str = ""
    reason: str = ""
    privacy: str = ""
    first: str = ""
    last: str = ""
    minimum: int = Field(0, ge=0, le=2**53)
    maximum: int = Field(0, ge=0, le=2**53)
    vocabulary: str = ""
    of: str = ""
    less: list[str] = []
    bands: str = ""
    key: str = ""
    linked: str = ""
    keys: str = ""
    emit: str = Field("", pattern=r"\A([A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*)?\z")
    fractional: bool = False


class _Head(_Entry):
    format: Literal[1]
    name: str = Field(pattern=r"\A[a-z][a-z0-9-]{1,40}\z")
    title: str
    version: int = Field(ge=1)
    threshold: int = Field(ge=10)
    facts: _Facts
    capacity: dict[Literal["exact", "standard", "strict"], int] = {}
    kinds: dict[str, _Kind]
    bands: dict[str, _Bands] = {}


class _Clause(_Entry):
    id: str
    section: str
    quote: str = Field(max_length=200)
    says: str
    effect: str


class _Cell(_Entry):
    data_type: Literal[*(str(member) for member in DataType)]  # type: ignore[valid-type]
    kind: Literal[*(str(member) for member in WorkspaceKind)]  # type: ignore[valid-type]
    policy: Literal["yes", "no"]
    quote: str = Field(max_length=200)
    verdict: Literal[*(str(member) for member in Verdict)]  # type: ignore[valid-type]
    condition: Literal["", *(str(member) for member in Condition)] = ""  # type: ignore[valid-type]
    clause: str
    note: str


class _Subprocessor(_Entry):
    name: str
    group: Literal["infrastructure", "service", "innovation", "affiliate", "partner"]
    purpose: str
    locations: list[str]
    may_hold_statistics: bool
    aliases: list[str] = []
    quote: str = Field(max_length=200)


class _Recipient(_Entry):
    name: str
    url: str = Field(pattern=r"\Ahttps://")
    country: str
    clause: str
    source: str


class _Policy(_Entry):
    format: Literal[1]
    document: str
    title: str
    publisher: str
    effective: date
    effective_quote: str
    subprocessors_updated: date
    subprocessors_quote: str
    clause: list[_Clause]
    cell: list[_Cell]
    recipient: dict[str, _Recipient]
    subprocessor: list[_Subprocessor]


def read_catalogue(paths: Iterable[Path], *, policy: Policy | None = None) -> Catalogue:
    """
    Return the catalogue that the TOML files of *paths* make together.

    One file has the head; a file named ``vocabularies.toml`` holds word lists; the others hold ``[[metric]]`` tables. A
    single file may hold all of it, with its word lists under ``[vocabularies]``.

    Raises:
        CatalogueError: With every problem of shape and meaning.
    """
    data = compile_catalogue(paths)
    catalogue = catalogue_from_data(data)
    problems = lint_catalogue(catalogue, policy or load_policy())
    if problems:
        raise CatalogueError([str(problem) for problem in problems])
    return catalogue


def compile_catalogue(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the compiled data of the catalogue in *paths*, checked for shape only."""
    head: dict[str, Any] = {}
    vocabularies: dict[str, Any] = {}
    metrics: list[Any] = []
    problems: list[str] = []
    for path in paths:
        content = _read_toml(path)
        if path.name == "vocabularies.toml":
            vocabularies |= content
            continue
        own_metrics, own_words = content.pop("metric", []), content.pop("vocabularies", {})
        if not isinstance(own_metrics, list) or not isinstance(own_words, dict):
            problems.append(f"{path.name}: metrics are [[metric]] tables, and vocabularies is a table of tables")
            continue
        metrics += own_metrics
        vocabularies |= own_words
        head |= content
    checked_head = _checked(_Head, head, "head", problems)
    checked_words = {
        n: _checked(_Vocabulary, v, f"vocabulary {ascii(n)[1:-1]}", problems) for n, v in vocabularies.items()
    }
    checked_metrics = [_checked(_Metric, m, f"metric {_label(m)}", problems) for m in metrics]
    expanded = [m for c in checked_metrics if c for m in _expanded(c, checked_words, problems)]
    problems += [f"metric {path}: defined twice" for path in _repeated(m["path"] for m in expanded)]
    problems += [
        f"metric {m['path']}: unknown operator or kind" for m in expanded if not _is_known(m, checked_head or {})
    ]
    if problems or checked_head is None:
        raise CatalogueError(problems)
    for kind in checked_head["kinds"].values():
        if set(kind["operators"]) != {"drop"}:
            for profile in Profile:
                kind.setdefault(str(profile), {})
    return {**checked_head, "vocabularies": checked_words, "metrics": expanded}


def _is_known(metric: Mapping[str, Any], head: Mapping[str, Any]) -> bool:
    return metric["operator"] in OPERATORS and metric["kind"] in head.get("kinds", {})


def _repeated(paths: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [path for path in paths if path in seen or seen.add(path)]  # type: ignore[func-returns-value]


def _label(metric: Any) -> str:
    path = metric.get("path") if isinstance(metric, dict) else None
    return ascii(path)[1:-1] if isinstance(path, str) else "without a path"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableInput(f"{path.name} can't be read: {error.strerror}.", rule="unreadable") from None
    except (ValueError, RecursionError):
        raise CatalogueError([f"{path.name} is not TOML"]) from None


def _checked(model: type[_Entry], data: Any, where: str, problems: list[str]) -> dict[str, Any] | None:
    try:
        return model.model_validate(data).model_dump(exclude_unset=True, by_alias=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        problems += [f"{where}: {ascii('.'.join(map(str, fault['loc'])))[1:-1]}: {fault['msg']}" for fault in faults]
        return None


def _expanded(
    metric: dict[str, Any], vocabularies: Mapping[str, Mapping[str, Any] | None], problems: list[str]
) -> list[dict[str, Any]]:
    keys = metric.pop("keys", "")
    if not keys:
        if "{" in metric["path"]:
            problems.append(f"metric {metric['path']}: a family needs its keys")
        return [metric]
    words = vocabularies.get(keys)
    if words is None or f"{{{keys}}}" not in metric["path"]:
        problems.append(f"metric {metric['path']}: its keys are no vocabulary, or not in its path")
        return []
    return [
        {name: v.replace(f"{{{keys}}}", member) if isinstance(v, str) else v for name, v in metric.items()}
        for member in words["members"]
    ]


def packaged_sources() -> list[Path]:
    """Return the TOML files of the packaged catalogue, in reading order."""
    return sorted((_DATA / "catalogue").glob("*.toml"))


def compile_policy(path: Path) -> dict[str, Any]:
    """
    Return the compiled data of the policy in *path*.

    Raises:
        CatalogueError: With every problem.
    """
    problems: list[str] = []
    data = _checked(_Policy, _read_toml(path), "policy", problems)
    if data is None:
        raise CatalogueError(problems)
    data["effective"] = data["effective"].isoformat()
    data["subprocessors_updated"] = data["subprocessors_updated"].isoformat()
    policy = policy_from_data(data)
    for cell in policy.matrix.values():
        where = f"cell {cell.data_type}/{cell.kind}"
        if cell.policy == "no" and cell.verdict is not Verdict.NEVER:
            problems.append(f"{where}: looser than the policy")
        if (cell.verdict is Verdict.CONDITIONAL) != (cell.condition is not None):
            problems.append(f"{where}: a condition belongs to a conditional verdict, and only there")
        if cell.clause not in policy.clauses:
            problems.append(f"{where}: cites an unknown clause")
    if len(policy.matrix) != len(DataType) * len(WorkspaceKind):
        problems.append("the matrix lacks cells")
    if problems:
        raise CatalogueError(problems)
    return data


def compiled_files() -> dict[Path, bytes]:
    """Return what the packaged compiled files must hold."""
    policy = compile_policy(_DATA / "policy.toml")
    catalogue = compile_catalogue(packaged_sources())
    problems = lint_catalogue(catalogue_from_data(catalogue), policy_from_data(policy))
    if problems:
        raise CatalogueError([str(problem) for problem in problems])
    return {_DATA / "policy.json": canonical(policy), _DATA / "catalogue.json": canonical(catalogue)}


def main(arguments: list[str]) -> int:
    """Compile the packaged sources, or with ``--check`` only say whether that is due; return an exit code."""
    try:
        wanted = compiled_files()
    except CatalogueError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return error.exit_code
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} is stale: run make compile", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_bytes(wanted[path])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
