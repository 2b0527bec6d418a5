"""From TOML to a checked catalogue: what is refused, under which place, and what the compiler does with files."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from rc_stats import authoring, load_catalogue, load_policy
from rc_stats.anonymise import Anonymiser
from rc_stats.authoring import compile_catalogue, compile_policy, compiled_files, main, packaged_sources, read_catalogue
from rc_stats.catalogue import Profile
from rc_stats.errors import CatalogueError, UnusableInput

HEAD = """
format = 1
name = "tide-tables"
title = "Tide tables of an example app"
version = 2
threshold = 10

[facts]
people = "users"
made_at = ""
apps = ""
platform = ""
hosted_platform = "none"

[kinds.total]
label = "total of things"
clause = "third-party-apps"
operators = ["count"]
exact = {}
standard = {}
strict = { significant = 1 }

[kinds.setting]
label = "setting"
clause = "third-party-apps"
operators = ["flag", "choice"]
exact = {}
standard = {}
strict = {}

[kinds.identity]
label = "identifier"
clause = "third-party-apps"
operators = ["drop"]

[bands.depth]
unit = "fathoms"
scale = 1
fine = { edges = [2, 4], names = ["shallow", "middling", "deep"] }
coarse = { edges = [4], names = ["not deep", "deep or more"] }

[vocabularies.coast]
source = "example/coast.ts"
members = ["north", "south"]
"""

USERS = """
[[metric]]
path = "users"
operator = "count"
kind = "total"
data_type = "app"
section = "Tides"
unit = "users"
json = "integer"
maximum = 1_000_000
says = "How many users have asked for a tide."
useful = "Shows whether the app is used."
source = "example/users.ts"
added = 1
"""

BERTHS = (
    USERS.replace('"users"', '"berths"', 1)
    .replace("How many users have asked for a tide.", "How many berths the harbour has.")
    .replace("example/users.ts", "example/berths.ts")
)

COAST = """
[[metric]]
path = "coast.{coast}.open"
keys = "coast"
operator = "flag"
kind = "setting"
data_type = "app"
section = "Tides"
unit = "yes or no"
json = "boolean"
says = "Whether the harbour at the {coast} coast is open."
useful = "Shows which coast is used."
source = "example/{coast}.ts"
added = 2
"""

SERVICE = """
[[metric]]
path = "token"
operator = "drop"
kind = "identity"
data_type = "app"
section = "Tides"
unit = "text"
json = "string"
says = "The token of the tide service."
reason = "a secret"
source = "example/token.ts"
added = 1
"""

WHOLE = HEAD + USERS + BERTHS + COAST + SERVICE


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., list[Path]]:
    """Return a function that writes texts to files and gives their paths."""

    def write(text: str = "", **files: str) -> list[Path]:
        texts = ({"tides.toml": text} if text else {}) | {f"{name}.toml": other for name, other in files.items()}
        for name, content in texts.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        return [tmp_path / name for name in texts]

    return write


def faults(paths: list[Path]) -> tuple[str, ...]:
    """Return the problems with which the catalogue in *paths* is refused."""
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(paths)
    return caught.value.problems


def test_a_catalogue_in_a_single_file(written: Callable[..., list[Path]]) -> None:
    """A vendor's catalogue in one file is read, with its word lists, its families and its own name."""
    catalogue = read_catalogue(written(WHOLE))
    assert (catalogue.name, catalogue.version, catalogue.threshold) == ("tide-tables", 2, 10)
    assert list(catalogue.metrics) == ["users", "berths", "coast.north.open", "coast.south.open", "token"]
    family = catalogue.metrics["coast.south.open"]
    assert family.says == "Whether the harbour at the south coast is open."
    assert family.source == "example/south.ts"
    assert catalogue.digest != load_catalogue().digest


def test_a_catalogue_that_is_read_can_be_used(written: Callable[..., list[Path]]) -> None:
    """What was read makes reports by its own rules, and knows nothing of the packaged catalogue's metrics."""
    catalogue = read_catalogue(written(WHOLE), policy=load_policy())
    document = {"users": 25, "berths": 1234, "coast": {"north": {"open": True}}, "token": "octopus", "totalRooms": 5}
    exact = {"users": 25, "berths": 1234, "coast": {"north": {"open": True}}}
    assert exact == Anonymiser(catalogue, Profile.EXACT)(document).statistics()
    strict = {"users": 20, "berths": 1000, "coast": {"north": {"open": True}}}
    assert strict == Anonymiser(catalogue, Profile.STRICT)(document).statistics()


def test_several_files_make_the_same_catalogue(written: Callable[..., list[Path]]) -> None:
    """Head, word lists and metrics can stand in files of their own, and mean the same."""
    head, _, words = HEAD.partition("[vocabularies.coast]")
    whole = read_catalogue(written(WHOLE))
    parts = read_catalogue(
        written(head=head, vocabularies=f"[coast]{words}", some=USERS + BERTHS, more=COAST + SERVICE)
    )
    assert whole == parts


def test_families_without_members() -> None:
    """The packaged families are expanded: no path holds the name of a list any more."""
    assert not [path for path in load_catalogue().metrics if "{" in path]


@pytest.mark.parametrize("text", ["x", "a = ", "[metric", "a = 1\na = 2", "a = nope", "\x00"], ids=repr)
def test_no_toml(written: Callable[..., list[Path]], text: str) -> None:
    """What is not TOML is refused by the file's name, without a word of its text."""
    assert faults(written(text)) == ("tides.toml is not TOML",)


def test_no_utf8(tmp_path: Path) -> None:
    """A file in another encoding is no TOML either."""
    path = tmp_path / "tides.toml"
    path.write_bytes('title = "Gezeitentafel für Häfen"'.encode("latin-1"))
    assert faults([path]) == ("tides.toml is not TOML",)


def test_no_file(tmp_path: Path) -> None:
    """A file that isn't there is named without its folder."""
    with pytest.raises(UnusableInput) as caught:
        read_catalogue([tmp_path / "tides.toml"])
    assert caught.value.rule == "unreadable"
    assert caught.value.message.startswith("tides.toml can't be read: ")
    assert str(tmp_path) not in str(caught.value)


def test_no_files() -> None:
    """No file at all lacks a head, and every part of it is named."""
    problems = faults([])
    assert [f"head: {name}: Field required" for name in ("format", "name", "title", "version", "threshold")] == list(
        problems[:5]
    )


SHAPES: list[tuple[str, str, str, str]] = [
    ("another format", "format = 1", "format = 2", "head: format: "),
    ("name in capitals", '"tide-tables"', '"Tide Tables"', "head: name: "),
    ("no title", 'title = "Tide tables of an example app"\n', "", "head: title: "),
    ("version zero", "version = 2", "version = 0", "head: version: "),
    ("version as text", "version = 2", 'version = "2"', "head: version: "),
    ("version as flag", "version = 2", "version = true", "head: version: "),
    ("low threshold", "threshold = 10", "threshold = 9", "head: threshold: "),
    ("unknown key in the head", "version = 2", "version = 2\nsalt = 1", "head: salt: "),
    ("unknown fact", 'people = "users"', 'people = "users"\nfish = "x"', "head: facts.fish: "),
    ("unknown treatment", "significant = 1", "blur = 1", "head: kinds.total.strict.blur: "),
    ("no digits", "significant = 1", "significant = 0", "head: kinds.total.strict.significant: "),
    ("step zero", "significant = 1", "step = 0", "head: kinds.total.strict.step: "),
    ("negative condition", "significant = 1", "needs_people = -1", "head: kinds.total.strict.needs_people: "),
    ("four parts", "significant = 1", "parts = 4", "head: kinds.total.strict.parts: "),
    ("precision of a day", "significant = 1", 'precision = "day"', "head: kinds.total.strict.precision: "),
    ("unknown fineness", "significant = 1", 'bands = "medium"', "head: kinds.total.strict.bands: "),
    ("unknown profile", "strict = {", "lax = {", "head: kinds.total.lax: "),
    (
        "no clause",
        'clause = "third-party-apps"\noperators = ["count"]',
        'operators = ["count"]',
        "head: kinds.total.clause: ",
    ),
    ("scale zero", "scale = 1", "scale = 0", "head: bands.depth.scale: "),
    ("edges as text", "edges = [2, 4]", 'edges = ["2", "4"]', "head: bands.depth.fine.edges.0: "),
    ("no coarse buckets", "coarse = {", "coarser = {", "head: bands.depth.coarse: "),
    ("no members", 'members = ["north", "south"]', "members = []", "vocabulary coast: members: "),
    ("members as numbers", '["north", "south"]', "[1, 2]", "vocabulary coast: members.0: "),
    ("no source of words", 'source = "example/coast.ts"\n', "", "vocabulary coast: source: "),
    ("unknown key of words", 'source = "example/coast.ts"', 'source = "x"\nsalt = 1', "vocabulary coast: salt: "),
    ("metric without path", 'path = "berths"\n', "", "metric without a path: path: "),
    ("path with a space", 'path = "berths"', 'path = "ber ths"', "metric ber ths: path: "),
    ("path from a digit", 'path = "berths"', 'path = "1berths"', "metric 1berths: path: "),
    ("path of dots", 'path = "berths"', 'path = "berths..x"', "metric berths..x: path: "),
    ("path of another type", 'path = "berths"', "path = 7", "metric without a path: path: "),
    ("unknown data type", 'data_type = "app"', 'data_type = "secret"', "metric users: data_type: "),
    ("maximum as text", "maximum = 1_000_000", 'maximum = "1000"', "metric users: maximum: "),
    ("maximum with a fraction", "maximum = 1_000_000", "maximum = 1000.0", "metric users: maximum: "),
    ("added as a date", "added = 1", "added = 2026-08-03", "metric users: added: "),
    ("added before the first", "added = 1", "added = 0", "metric users: added: "),
    ("unknown key of a metric", 'unit = "users"', 'unit = "users"\nsalt = 1', "metric users: salt: "),
    ("no sentence", 'says = "How many users have asked for a tide."\n', "", "metric users: says: "),
    ("place with a hyphen", 'unit = "users"', 'unit = "users"\nemit = "a-b"', "metric users: emit: "),
    ("place that is empty in the middle", 'unit = "users"', 'unit = "users"\nemit = "a..b"', "metric users: emit: "),
    ("place that ends with a dot", 'unit = "users"', 'unit = "users"\nemit = "a."', "metric users: emit: "),
]


@pytest.mark.parametrize(("old", "new", "place"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_wrong_shapes(written: Callable[..., list[Path]], old: str, new: str, place: str) -> None:
    """A part of the wrong shape is refused, and the problem begins with its place."""
    assert old in WHOLE
    problems = faults(written(WHOLE.replace(old, new, 1)))
    assert [problem for problem in problems if problem.startswith(place)], problems


@pytest.mark.parametrize(
    "extra",
    [
        "metric = 5",
        'metric = "berths"',
        'metric = ["berths"]',
        "metric = true",
        "metric = [1, 2]",
        "[metric]\npath = 'berths'",
        "vocabularies = 5",
        'vocabularies = "coast"',
        "vocabularies = ['coast']",
        "[vocabularies]\ncoast = 5",
        "kinds = 5",
        "bands = []",
        "facts = 1",
    ],
)
def test_tables_of_another_type(written: Callable[..., list[Path]], extra: str) -> None:
    """A value of any other type where tables belong is refused as a problem, not met with an accident."""
    assert faults(written(head=HEAD.partition("[vocabularies")[0], some=USERS, more=extra))


@pytest.mark.parametrize("number", ["9_223_372_036_854_775_807", "100_000_000_000_000_000_000", "-1"])
def test_large_bounds(written: Callable[..., list[Path]], number: str) -> None:
    """A bound that no double holds exactly, or that no integer of 64 bits does, is refused by the metric's path."""
    problems = faults(written(WHOLE.replace("maximum = 1_000_000", f"maximum = {number}", 1)))
    assert [problem for problem in problems if problem.startswith(("metric users", "users: "))]


@pytest.mark.parametrize("path", ["berths\\n", "berths\\u001b[2J", "berths\\u2028"], ids=len)
def test_problems_are_printable(written: Callable[..., list[Path]], path: str) -> None:
    """A path that is refused doesn't break the one line of its problem, nor the terminal that shows it."""
    text = WHOLE.replace('path = "berths"', f'path = "{path}"')
    for problem in faults(written(text)):
        assert problem.isprintable()


def test_all_shapes_at_once(written: Callable[..., list[Path]]) -> None:
    """Problems of the head, the lists and the metrics are all named at once."""
    text = WHOLE.replace("format = 1", "format = 2").replace('["north", "south"]', "[]")
    text = text.replace('data_type = "app"', 'data_type = "secret"')
    problems = faults(written(text))
    for place in ("head: format", "vocabulary coast: members", "metric users: data_type", "metric token: data_type"):
        assert [problem for problem in problems if problem.startswith(place)], place


def test_problems_hold_no_values(written: Callable[..., list[Path]]) -> None:
    """A problem says where and what, not what stands there."""
    text = WHOLE.replace("version = 2", 'version = "octopus-ltd"').replace(
        'data_type = "app"', 'data_type = "squid-gmbh"'
    )
    told = "; ".join(faults(written(text)))
    assert "octopus" not in told
    assert "squid" not in told


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (USERS, "metric users: defined twice"),
        (COAST.replace("{coast}.open", "{coast}.open"), "metric coast.north.open: defined twice"),
        (SERVICE.replace('"token"', '"coast.south.open"'), "metric coast.south.open: defined twice"),
    ],
)
def test_duplicates(written: Callable[..., list[Path]], extra: str, problem: str) -> None:
    """A path that is defined twice, also by a family, is refused by name."""
    assert problem in faults(written(WHOLE + extra))


@pytest.mark.parametrize(
    ("old", "new"), [('operator = "flag"', 'operator = "hash"'), ('kind = "setting"', 'kind = "unknown"')]
)
def test_unknown_operator_or_kind(written: Callable[..., list[Path]], old: str, new: str) -> None:
    """A metric of an unknown operator or kind is refused by its path, each member of a family by its own."""
    assert faults(written(WHOLE.replace(old, new))) == (
        "metric coast.north.open: unknown operator or kind",
        "metric coast.south.open: unknown operator or kind",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('keys = "coast"', 'keys = "shore"'),
        ('path = "coast.{coast}.open"', 'path = "coast.open"'),
        ('path = "coast.{coast}.open"', 'path = "coast.{shore}.open"'),
    ],
)
def test_families_without_their_list(written: Callable[..., list[Path]], old: str, new: str) -> None:
    """A family whose keys are no word list, or not in its path, is refused."""
    (problem,) = faults(written(WHOLE.replace(old, new)))
    assert problem.endswith("its keys are no vocabulary, or not in its path")


def test_a_path_with_a_list_but_no_keys(written: Callable[..., list[Path]]) -> None:
    """A path that names a word list without being a family of it is refused, not taken for a key with braces."""
    assert faults(written(WHOLE.replace('keys = "coast"\n', "")))


MEANINGS = [
    ("an unknown clause", 'clause = "third-party-apps"', 'clause = "fishing"', "kind total: "),
    ("tracking", 'data_type = "app"', 'data_type = "tracking"', "users: "),
    ("no use", 'useful = "Shows whether the app is used."\n', "", "users: "),
    ("no bounds", "maximum = 1_000_000\n", "", "users: "),
    ("a text as a count", 'json = "integer"', 'json = "string"', "users: "),
    ("an unknown fact", 'people = "users"', 'people = "sailors"', "facts: "),
    ("rising edges", "edges = [2, 4]", "edges = [4, 2]", "bands depth: "),
    ("added later", "added = 2", "added = 3", "coast.north.open: "),
    ("no list", 'operator = "flag"', 'operator = "choice"', "coast.north.open: "),
    ("people", 'operator = "flag"', 'operator = "split"', "coast.north.open: "),
]


@pytest.mark.parametrize(("old", "new", "place"), [row[1:] for row in MEANINGS], ids=[row[0] for row in MEANINGS])
def test_wrong_meanings(written: Callable[..., list[Path]], old: str, new: str, place: str) -> None:
    """A vendor's catalogue passes the same lint as the packaged one, and its problems begin with their place."""
    assert old in WHOLE
    problems = faults(written(WHOLE.replace(old, new, 1)))
    assert [problem for problem in problems if problem.startswith(place)], problems


def test_a_vendor_cannot_let_people_through(written: Callable[..., list[Path]]) -> None:
    """A kind of a vendor's own that lets figures of people through without freezing them is refused."""
    text = WHOLE.replace('operators = ["count"]', 'operators = ["count", "split"]').replace(
        'operator = "count"', 'operator = "split"\nof = "users"', 1
    )
    assert any(problem.startswith("users: a figure of people must be frozen") for problem in faults(written(text)))


def test_kinds_without_treatments_are_exact(written: Callable[..., list[Path]]) -> None:
    """A kind that names no treatment for a profile passes values on there; one that only drops has none anywhere."""
    text = WHOLE.replace("exact = {}\nstandard = {}\n", "")
    kinds = compile_catalogue(written(text))["kinds"]
    assert {"exact": {}, "standard": {}, "strict": {"significant": 1}}.items() <= kinds["total"].items()
    assert {"label", "clause", "operators"} == set(kinds["identity"])
    assert read_catalogue(written(text)) == read_catalogue(written(WHOLE))


# --- the policy

POLICY_SOURCE = packaged_sources()[0].parent.parent / "policy.toml"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('verdict = "never"', 'verdict = "always"', "cell account/unregistered: looser than the policy"),
        (
            'verdict = "conditional"\ncondition = "scope-named"',
            'verdict = "conditional"',
            "cell account/registered: a condition belongs",
        ),
        ('verdict = "never"', 'verdict = "never"\ncondition = "opted-in"', "cell account/unregistered: a condition"),
        ('clause = "account-data"', 'clause = "fishing"', "cell account/registered: cites an unknown clause"),
        ('kind = "unregistered"', 'kind = "registered"', "the matrix lacks cells"),
        ('kind = "unregistered"', 'kind = "unknown"', "policy: cell.0.kind: "),
        ("effective = 2023-01-05", 'effective = "2023-01-05"', "policy: effective: "),
        ('publisher = "', 'salt = "', "policy: publisher: "),
    ],
)
def test_broken_policy(tmp_path: Path, old: str, new: str, place: str) -> None:
    """A policy of the wrong shape, or with a cell looser than the policy's own, is refused by the place."""
    text = POLICY_SOURCE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        compile_policy(path)
    assert [problem for problem in caught.value.problems if problem.startswith(place)], caught.value.problems


def test_the_policy_compiles_to_its_source() -> None:
    """The compiled policy says what its source says, with dates as text."""
    source = tomllib.loads(POLICY_SOURCE.read_text(encoding="utf-8"))
    compiled = compile_policy(POLICY_SOURCE)
    assert compiled["effective"] == source["effective"].isoformat() == "2023-01-05"
    assert source["clause"] == compiled["clause"]
    assert source["cell"] == compiled["cell"]


# --- the compiler


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the package's data that the compiler works on."""
    copy = tmp_path / "data"
    shutil.copytree(POLICY_SOURCE.parent, copy)
    monkeypatch.setattr(authoring, "_DATA", copy)
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    """Return the compiled files of *folder*."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}


def test_nothing_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fresh files are left alone, with and without --check, and nothing is said."""
    before = contents(folder)
    stamps = [path.stat().st_mtime_ns for path in folder.glob("*.json")]
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert before == contents(folder)
    assert stamps == [path.stat().st_mtime_ns for path in folder.glob("*.json")]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["catalogue.json", "policy.json"])
@pytest.mark.parametrize("is_missing", [False, True])
def test_a_stale_file(folder: Path, name: str, is_missing: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A stale or missing file is named by --check, which writes nothing, and is written without it."""
    fresh = contents(folder)
    (folder / name).unlink()
    if not is_missing:
        (folder / name).write_bytes(b"{}\n")
    stale = contents(folder)
    assert main(["--check"]) == 1
    assert capsys.readouterr() == ("", f"{name} is stale: run make compile\n")
    assert stale == contents(folder)
    assert main([]) == 0
    assert fresh == contents(folder)
    assert main(["--check"]) == 0


def test_a_changed_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed source makes its compiled file stale, and compiling takes the change over."""
    source = folder / "catalogue" / "rooms.toml"
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("maximum = 10_000_000", "maximum = 10_000_001", 1), encoding="utf-8")
    assert main(["--check"]) == 1
    assert "catalogue.json is stale" in capsys.readouterr().err
    assert main([]) == 0
    maxima = {metric.get("maximum") for metric in orjson.loads((folder / "catalogue.json").read_bytes())["metrics"]}
    assert 10_000_001 in maxima


@pytest.mark.parametrize(
    "case",
    [
        ("catalogue/rooms.toml", 'operator = "count"', 'operator = "hash"', "unknown operator or kind"),
        ("catalogue/rooms.toml", 'unit = "rooms"', 'unit = ""', "needs a unit (unit)"),
        ("catalogue/rooms.toml", "[[metric]]", "[[metric", "rooms.toml is not TOML"),
        ("policy.toml", 'verdict = "never"', 'verdict = "always"', "looser than the policy"),
    ],
)
def test_a_broken_source(folder: Path, capsys: pytest.CaptureFixture[str], case: tuple[str, str, str, str]) -> None:
    """A broken source is an exit code 4 and one line for each problem, and no compiled file is touched."""
    name, old, new, problem = case
    source = folder / name
    before = contents(folder)
    text = source.read_text(encoding="utf-8")
    assert old in text
    source.write_text(text.replace(old, new, 1), encoding="utf-8")
    for arguments in ([], ["--check"]):
        assert main(arguments) == 4
        out, err = capsys.readouterr()
        assert out == ""
        assert problem in err
        assert before == contents(folder)


def test_compiled_files_are_canonical() -> None:
    """The compiled files are the two that the package reads, in canonical form."""
    files: dict[Path, Any] = compiled_files()
    assert [path.name for path in files] == ["policy.json", "catalogue.json"]
    for content in files.values():
        assert content == orjson.dumps(orjson.loads(content), option=orjson.OPT_SORT_KEYS) + b"\n"
