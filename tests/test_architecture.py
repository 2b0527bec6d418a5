"""The floors hold, looking is cheap and offline, and what is exported is there and explained."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.resources
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

import rc_stats

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = Path(rc_stats.__file__).parent
MODULES: Final = sorted(SOURCE.rglob("*.py"))
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXPORTED: Final = [name for name in rc_stats.__all__ if name != "__version__"]

OFFLINE: Final = {
    *("socket", "_socket", "ssl", "_ssl", "select", "http", "http.client", "urllib.request", "urllib3", "asyncio"),
    *("logging", "sqlite3", "subprocess", "multiprocessing", "concurrent", "threading", "random", "secrets"),
    *("pydantic", "pydantic_core", "click", "jinja2", "msgspec"),
}


def loaded_by(statement: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter has loaded after *statement*."""
    paths = [str(SOURCE.parent), *(path for path in sys.path if path)]
    program = (
        "import sys\n"
        f"sys.path[:0] = {paths!r}\n"
        f"{statement}\n"
        "found = sorted(sys.modules)\n"
        "import json\n"
        "print(json.dumps(found))\n"
    )
    # Without site, so that what an installed hook or a coverage tool loads is not taken for ours.
    run = subprocess.run([sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


def test_the_package_alone_is_light() -> None:
    """Importing the package loads none of its modules and none of its dependencies."""
    loaded = loaded_by("import rc_stats")
    assert (
        loaded & {"pydantic", "pydantic_core", "click", "jinja2", "orjson", "msgspec", "tomllib", "dataclasses", "json"}
        == set()
    )
    assert {name for name in loaded if name.startswith("rc_stats")} == {"rc_stats", "rc_stats._version"}


@pytest.mark.parametrize(
    "module", ["gate", "previewing", "anonymise", "consent", "catalogue", "verification", "sources"]
)
def test_looking_is_offline(module: str) -> None:
    """Deciding and previewing load no network, process, database or logging module, and no validator."""
    loaded = loaded_by(f"import rc_stats.{module}")
    assert f"rc_stats.{module}" in loaded
    assert loaded & OFFLINE == set()


def test_a_whole_preview_is_offline() -> None:
    """Not only importing: a preview of a document, and its verification, load nothing of the kind either."""
    program = f"""
from datetime import datetime, timezone
from rc_stats import Consent, Terms, Workspace, load_catalogue, load_policy, preview, verify
document = open({str(ROOT / "examples" / "statistics.json")!r}, "rb").read()
now = datetime(2026, 8, 17, 12, tzinfo=timezone.utc)
seen = preview(document, Workspace(), Consent(), terms=Terms(load_policy(), load_catalogue()), now=now)
assert seen.payload is None and verify(seen.after_a_yes.body, load_catalogue()).is_ours
"""
    assert loaded_by(program) & OFFLINE == set()


def test_the_floors() -> None:
    """The contracts on imports hold: down only, every module on a floor, no network in the core."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "pyproject.toml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert "0 broken" in run.stdout


def test_every_module_has_a_floor() -> None:
    """The list of floors names each module of the package, so that a new one must be given a place."""
    (floors,) = (c["layers"] for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    named = {name.strip("() ") for floor in floors for name in re.split(r"[|:]", floor)}
    assert {path.stem for path in SOURCE.glob("*.py")} - {"__init__"} <= named


@pytest.mark.parametrize("name", EXPORTED)
def test_every_export_is_there_and_explained(name: str) -> None:
    """A public name exists, says what it is in a docstring of its own, and is the same as in its home module."""
    value = getattr(rc_stats, name)
    home = importlib.import_module(value.__module__)
    assert home.__name__.startswith("rc_stats.")
    assert getattr(home, name) is value
    doc = value.__dict__.get("__doc__") if isinstance(value, type) else value.__doc__
    assert doc
    assert doc.strip().splitlines()[0].strip().endswith((".", "?"))
    assert "Create a collection of name/value pairs" not in doc


def test_the_exports_agree() -> None:
    """The list of exports, the table of homes, the names for type checkers and dir() name the same."""
    homes: dict[str, tuple[str, ...]] = rc_stats._HOMES
    assert sorted(rc_stats.__all__) == sorted({*EXPORTED, "__version__"})
    assert len(set(rc_stats.__all__)) == len(rc_stats.__all__)
    assert {name for names in homes.values() for name in names} == set(EXPORTED)
    for home, names in homes.items():
        assert all(f"{getattr(rc_stats, name).__module__}.".startswith(f"rc_stats.{home}.") for name in names)
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in guarded.body if isinstance(node, ast.ImportFrom)]
    assert homes == {
        (node.module or "").removeprefix("rc_stats."): tuple(alias.name for alias in node.names) for node in imports
    }
    assert set(rc_stats.__all__) <= set(dir(rc_stats))


def test_other_names_are_not_there() -> None:
    """A name that is not exported raises the usual error."""
    package: Any = rc_stats
    with pytest.raises(AttributeError, match="no attribute 'send_everything'"):
        package.send_everything  # noqa: B018


def test_a_star_import_gives_the_exports() -> None:
    """All of it can be imported at once."""
    namespace: dict[str, object] = {}
    exec("from rc_stats import *", namespace)  # noqa: S102
    assert set(rc_stats.__all__) <= set(namespace)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_every_module_says_what_it_is(path: Path) -> None:
    """Every module begins with a docstring, and its public classes and functions have one too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [node.name for node in definitions if not node.name.startswith("_") and not ast.get_docstring(node)] == []


def test_it_is_typed() -> None:
    """The marker for type checkers is in the package, and the build takes the package whole."""
    assert importlib.resources.files(rc_stats).joinpath("py.typed").is_file()
    build = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build == {"packages": ["src/rc_stats"]}


@pytest.mark.parametrize("name", ["catalogue.json", "policy.json", "policy.toml", "catalogue/vocabularies.toml"])
def test_its_data_is_packaged(name: str) -> None:
    """What the package reads at run time is inside it."""
    assert importlib.resources.files(rc_stats).joinpath("data", name).is_file()


def test_the_version_is_one() -> None:
    """The package, its metadata and its version file name the same version."""
    source = (SOURCE / "_version.py").read_text(encoding="utf-8")
    assert f'__version__ = "{rc_stats.__version__}"' in source
    assert importlib.metadata.version("rc-stats") == rc_stats.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", rc_stats.__version__)
    assert PROJECT["project"]["dynamic"] == ["version"]


def test_no_export_hides_a_module() -> None:
    """No public name is also the name of a module, so that importing a module never replaces an export."""
    assert {path.stem for path in MODULES} & set(rc_stats.__all__) == set()
