"""The samples hold no identifying value of the documents they were made from, and keep their structure."""

import base64
import csv
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
SAMPLES = DATA / "samples"
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".json", ".jsonl"))

KEPT_VOCABULARIES = {"deploy_method", "deploy_platform", "license_module", "browser_name", "client_os_name"}
"""Lists whose members may stay at an identifying leaf: a listed word tells a product, not an owner."""

with (DATA / "reference" / "statistics-fields.csv").open(encoding="utf-8", newline="") as _file:
    FIELDS = {row["path"]: row for row in csv.DictReader(_file)}
VOCABULARIES = json.loads((DATA / "reference" / "vocabularies.json").read_text(encoding="utf-8"))


def sanitise() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("sanitise", DATA / "sanitise.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def originals() -> Path:
    """Return the folder of the documents that the samples were made from, or skip the test."""
    folder = os.environ.get("RCSTATS_TEST_ORIGINALS")
    if not folder:
        pytest.skip("RCSTATS_TEST_ORIGINALS does not name the folder of the original documents")
    return Path(folder)


def content(path: Path) -> list[Any]:
    """Return the JSON values of a file, one per line of an export."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]


def records(tree: Any) -> list[dict[str, Any]]:
    """Return the documents of a file's content, without their envelope."""
    inner = tree.get("statistics", tree)
    return inner if isinstance(inner, list) else [inner]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf with its path, keys that are data included as a leaf of their own."""
    if isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]")
    elif isinstance(value, dict) and any(key.startswith("$") for key in value):
        yield from leaves(next(iter(value.values())), path)
    elif isinstance(value, dict):
        for key, item in value.items():
            if f"{path}.*" in FIELDS:
                yield f"{path}.*", key
                yield from leaves(item, f"{path}.*")
            elif path or key != "statistics":  # documents in an envelope are read through `records`
                yield from leaves(item, f"{path}.{key}".lstrip("."))
    else:
        yield path, value


def identifying(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a file's content that identify somebody or something."""
    for document in (tree, *records(tree)):
        for path, value in leaves(document):
            if path in FIELDS and FIELDS[path]["identifies"] != "none":
                yield path, value


def readable(text: str) -> str:
    """Return a text together with what its tokens say."""
    bodies = re.findall(r"eyJ[\w-]+\.([\w-]+)\.", text)
    return text + "".join(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode() for body in bodies)


def shape(value: Any) -> Any:
    """Return a value with every leaf replaced by the name of its type, or by itself when it is empty."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return value if value in (None, "", 0) else type(value).__name__


@pytest.mark.parametrize("name", NAMES)
def test_no_identifying_text_of_the_original_remains(name: str) -> None:
    """No text of eight characters or more from an identifying leaf occurs anywhere in the sample."""
    sample = readable((SAMPLES / name).read_text(encoding="utf-8"))
    for tree in content(originals() / name):
        for path, value in identifying(tree):
            if not isinstance(value, str) or len(value) < 8:
                continue
            vocabulary = FIELDS[path]["vocabulary"]
            if vocabulary in KEPT_VOCABULARIES and value in VOCABULARIES[vocabulary]["values"]:
                continue
            assert value not in sample, path
            if re.fullmatch(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", value):
                assert all(part not in sample for part in value.split(".")[1:]), path


@pytest.mark.parametrize("name", NAMES)
def test_no_identifying_number_of_the_original_remains(name: str) -> None:
    """No number of 1000 or more from an identifying leaf occurs in the sample, bare or inside a text."""
    sample = readable((SAMPLES / name).read_text(encoding="utf-8"))
    numbers = {float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", sample)}
    for tree in content(originals() / name):
        for path, value in identifying(tree):
            number = re.fullmatch(r"\d+(?:\.\d+)?", str(value))
            if number and float(number[0]) >= 1000:
                assert float(number[0]) not in numbers, path


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_has_the_structure_of_its_original(name: str) -> None:
    """Keys, their order, types, empty values and list lengths are those of the original."""
    assert shape(content(SAMPLES / name)) == shape(content(originals() / name))


def test_the_samples_are_what_the_script_makes(tmp_path: Path) -> None:
    """The script turns the originals into the samples, byte for byte, and leaves no file out."""
    sanitise().main(originals(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes()


def test_every_file_is_explained() -> None:
    """SOURCES.md has a row for every sample and for nothing else."""
    rows = re.findall(r"^\| `([^`]+)`", (SAMPLES / "SOURCES.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_records_keep_their_inner_references(name: str) -> None:
    """An object id starts with the second of its record, a token names its record, a list keeps its order."""
    last = ""
    for tree in content(SAMPLES / name):
        if not isinstance(tree.get("createdAt", ""), str):
            continue
        for record in records(tree):
            created = record.get("createdAt", "")
            assert created >= last
            last = created
            if re.fullmatch(r"[0-9a-f]{24}", record["_id"]):
                assert int(record["_id"][:8], 16) == sanitise().milliseconds(created) // 1000
            if token := record.get("statsToken"):
                claims = sanitise().claims(token)
                assert (claims["uniqueId"], claims["recordId"]) == (record["uniqueId"], record["_id"])
                assert created <= claims["timestamp"] <= record["_updatedAt"]


@pytest.mark.parametrize("name", [name for name in NAMES if "mongoexport" not in name])
def test_people_tables_add_up(name: str) -> None:
    """The roles, the programs and the systems of a window have its sums of people, sessions and time."""
    for record in (record for tree in content(SAMPLES / name) for record in records(tree)):
        for window in ("Yesterday", "LastWeek", "LastMonth"):
            for users in record.get(f"uniqueUsersOf{window}", {}).get("data", []):
                for column in ("count", "sessions", "time"):
                    assert sum(role[column] for role in users["roles"]) == users[column]
                for table in ("Devices", "OS"):
                    rows = record[f"unique{table}Of{window}"]["data"]
                    assert sum(row["count"] for row in rows) == users["sessions"]
                    assert sum(row["time"] for row in rows) == users["time"]
        if "userLanguages" in record:
            assert sum(record["userLanguages"].values()) == record["totalUsers"]


def test_an_unknown_leaf_stops_the_script() -> None:
    """A leaf that the data dictionary doesn't know is an error, not a value that passes unseen."""
    with pytest.raises(ValueError, match="no row for surprise"):
        sanitise().Sanitiser().run([{"surprise": "a text"}])
