"""What benchmarks go by doesn't mislead: documents, turns, ratios, rivals, the chart, and the page that is written."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

import aims
import bench
import chart
import documents
import growth
import many
import measuring
import rivals
import single
import starting
import written
from commands import ROOT
from growth import Growth
from measuring import Figure
from rc_stats import load_catalogue

DRAWN = Growth("size of the document", (100, 10_000), {"floor": (1.0, 100.0), "without findings": (2.0, 150.0)})


def shapes(picture: str) -> list[tuple[str, dict[str, str], str]]:
    """Return tag, attributes and text of everything in *picture*."""
    return [
        (element.tag.rpartition("}")[2], dict(element.attrib), element.text or "")
        for element in ElementTree.fromstring(picture).iter()  # noqa: S314 - we have made it
    ]


@pytest.mark.parametrize("size", [10_000, 100_000, 1_000_000])
def test_junk_is_junk(size: int) -> None:
    """Junk has the size that is asked for, half of it keys, and nothing of it is known to the catalogue."""
    example = orjson.loads(documents.EXAMPLE.read_bytes())
    made = documents.with_junk(example, size)
    added = len(orjson.dumps(made)) - len(orjson.dumps(example))
    assert 0.9 * size <= added <= 1.1 * size
    keys = made.keys() - example.keys() - {"junkList"}
    assert 0.4 * size <= len(orjson.dumps(made["junkList"])) <= 0.6 * size
    assert len(keys) > size // 100
    assert not (keys | {"junkList"}) & {path.split(".")[0].split("[")[0] for path in load_catalogue().metrics}
    assert {key: made[key] for key in example} == example
    anonymiser = single.anonymiser()
    assert anonymiser(made, findings=False).encoded() == anonymiser(example, findings=False).encoded()


def test_other_orders_are_other_orders() -> None:
    """A shuffled document is equal to the original, and differs from it in order, at every depth."""
    original = documents.real()
    other = documents.shuffled(original)
    assert other == original
    assert list(other) != list(original)
    assert sorted(orjson.dumps(other)) == sorted(orjson.dumps(original))


def test_the_busy_document_says_more() -> None:
    """The busy document has the real one's keys and more that leaves."""
    anonymiser = single.anonymiser()
    real, busy = documents.real(), documents.busy(documents.real())
    assert real.keys() <= busy.keys()
    assert len(anonymiser(busy, findings=False).encoded()) > len(anonymiser(real, findings=False).encoded())


@pytest.mark.parametrize("number", [1, 10, 100, 100_000])
def test_documents_with_fewer_leaves(number: int) -> None:
    """A document of some leaves has so many, each as the original has it."""
    original = documents.real()
    every = set(documents.leaves(original))
    left = list(documents.leaves(documents.with_leaves(original, number)))
    assert len(left) == min(number, len(every))
    assert set(left) <= every


def test_lines_are_cleared_each(tmp_path: Path) -> None:
    """Every line of the files is a document of its own that gives a payload by the options that are passed."""
    source = documents.write_lines(tmp_path / "in.jsonl", 130)
    lines = source.read_bytes().splitlines()
    assert len(lines) == 130
    assert len(set(lines)) == 64
    here = starting.Installed(Path(sys.executable), "as the tests are run", is_wheel=False)
    measuring.done(many.bulk(here, source, tmp_path / "out.jsonl", 1), here.environment)
    payloads = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert len(payloads) == many.payloads_in(tmp_path / "out.jsonl") == 130
    assert orjson.loads(payloads[0])["statistics"] == orjson.loads(single.body(lines[0]))["statistics"]
    measuring.done(many.floor(source, tmp_path / "floor.jsonl"))
    assert (tmp_path / "floor.jsonl").read_bytes() == source.read_bytes()


def test_everybody_comes_first_once() -> None:
    """In as many rounds as there are candidates each comes first once, and each is called as often as it is to be."""
    seen: list[str] = []

    def noting(name: str) -> Callable[[], object]:
        return lambda: seen.append(name)

    taken = measuring.in_turns({name: noting(name) for name in "abc"}, 3, {"a": 1, "b": 2, "c": 1})
    assert "".join(seen) == "abbcbbcacabb"
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 3, "b": 3, "c": 3}


def test_ratios_are_taken_round_by_round() -> None:
    """A figure is the median of the rounds' ratios, not the ratio of medians."""
    made = measuring.figure("x", "y", [2.0, 30.0, 4.0], [1.0, 10.0, 1.0], 3.0)
    assert (made.ratio, made.low, made.high) == (3.0, 2.5, 3.5)
    assert (made.floor_seconds, made.seconds) == (1.0, 4.0)
    once = measuring.figure("x", "y", [2.0], [1.0])
    assert (once.low, once.ratio, once.high) == (2.0, 2.0, 2.0)


def test_what_failed_is_not_measured() -> None:
    """A command that fails is an error, not a fast command."""
    with pytest.raises(RuntimeError, match="exit code 3"):
        measuring.done([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="exit code 3"):
        measuring.most_held([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system doesn't tell what a process held")
def test_memory_is_that_of_each_process() -> None:
    """What a process and its child held is seen, though it has been given back, and nothing of this process."""
    held = "x = bytearray(%d); x[::4096] = x[::4096]; del x; import time; time.sleep(0.2)"
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held % (80 << 20)!r}]); {held % (40 << 20)}"
    )
    ballast = bytes(200 << 20)
    most = measuring.most_held([sys.executable, "-c", program])
    assert [round(each / (40 << 20)) for each in most] == [2, 1]
    assert len(ballast) > most[0]


def test_only_work_counts() -> None:
    """By its work, a process that waits takes less than one that reckons for a third as long."""
    waits = measuring.seconds_of(
        lambda: measuring.done([sys.executable, "-S", "-c", "import time; time.sleep(1)"]),
        clock=measuring.work_of_children,
    )
    reckons = measuring.seconds_of(
        lambda: measuring.done([sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.3: pass"]),
        clock=measuring.work_of_children,
    )
    assert waits < reckons


def test_work_is_counted() -> None:
    """Calls of functions are counted, of Python and of C, and nothing else is."""

    def inner() -> None:
        len("x")

    def outer() -> None:
        for _ in range(5):
            inner()

    assert single.functions_called(lambda: None) == 1
    assert single.functions_called(outer) == 1 + 5 + 5


def test_the_job_has_no_faults() -> None:
    """The program itself shows none of what a rival is blamed for."""
    cleared = single.anonymiser()(rivals.probe(), findings=False).encoded()
    assert rivals.faults(cleared) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"unknownKey": {"inner": rivals.CANARY}}, "unknown keys pass"),
        ({"anything": rivals.CANARY}, "unknown keys pass"),
        ({"fileStoreType": rivals.UNLISTED}, "unlisted words pass"),
        ({"totalRooms": 0}, "coerces types"),
        ({"totalChannels": 12}, "coerces types"),
        ({"totalRooms": False}, "wrong types pass"),
        ({"totalChannels": "12"}, "wrong types pass"),
        ({"allowUnsafeQueryAndFieldsApiParamsEnabled": "true"}, "wrong types pass"),
        ({"allowUnsafeQueryAndFieldsApiParamsEnabled": True}, "coerces types"),
        ({"services": {"saml": {"users": 37}}}, "people are not rounded"),
        ({"totalUsers": None}, "loses good values"),
    ],
)
def test_every_fault_is_noticed(change: dict[str, Any], fault: str) -> None:
    """Each way to fall for the probe is named; what does the job is not."""
    good = {"totalUsers": 1237, "services": {"saml": {"users": 35}}}
    assert rivals.faults(orjson.dumps(good)) == []
    assert rivals.faults(orjson.dumps(good | change)) == [fault]


def test_leaves_of_rivals() -> None:
    """Rivals are told of nearly all plain leaves, with the catalogue's bounds and words."""
    found = {".".join(leaf.path): leaf for leaf in rivals.leaves()}
    metrics = load_catalogue().metrics
    assert len(found) > 300
    assert {leaf.kind for leaf in found.values()} == {"flag", "count", "word", "version"}
    for path, leaf in found.items():
        if leaf.kind == "count":
            assert (leaf.minimum, leaf.maximum) == (metrics[path].minimum, metrics[path].maximum)
    assert found["services.saml.users"].step == 5


TREE: rivals.Tree = {
    "a": rivals.Leaf(("a",), "count", 0, 100, 5),
    "b": {
        "c": rivals.Leaf(("b", "c"), "flag"),
        "d": rivals.Leaf(("b", "d"), "word", words=("x",)),
        "e": rivals.Leaf(("b", "e"), "version"),
    },
}


def test_a_tree_of_leaves() -> None:
    """Leaves lie where their paths say, and one inside another leaf is left out."""
    every = [rivals.Leaf(tuple(path), "flag") for path in ("ab", "a", "abc", "abcd")]
    assert rivals.tree(every) == {"a": {"b": every[0]}}


def test_pruning() -> None:
    """What is not allowed or was refused is gone, at every depth; the rest is as it was."""
    document = {"a": 1, "b": {"c": True, "d": "y", "z": 1}, "y": 2}
    assert rivals.pruned(document, TREE, set()) == {"a": 1, "b": {"c": True, "d": "y"}}
    assert rivals.pruned(document, TREE, {("b", "d"), ("a",)}) == {"b": {"c": True}}
    assert rivals.pruned(document, TREE, {("b",)}) == {"a": 1}
    deep = {"a": {"b": {"c": 1, "d": 2}}}
    assert rivals.pruned(deep, deep, {("a", "b", "c"), ("b", "d"), ("d",)}) == {"a": {"b": {"d": 2}}}


def test_rivals_of_one_document() -> None:
    """What is installed does its work, and only what lets no unknown key or wrong type through is taken for the job."""
    for rival in rivals.single():
        if rival.is_installed:
            assert rival.make is not None
            found = set(rivals.faults(rival.make()(rivals.probe())))
            assert "loses good values" not in found
            assert rival.does_the_job == (
                not {"unknown keys pass", "unlisted words pass", "wrong types pass", "coerces types"} & found
            )


def test_rivals_of_many(tmp_path: Path) -> None:
    """What is installed gives a line for each line, and only what has no fault is taken for the job."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(rivals.probe() + b"\n" + orjson.dumps(documents.real()) + b"\n")
    for rival in rivals.many():
        if rival.is_installed:
            measuring.done(rivals.command(rival.name, source, target))
            first, second = target.read_bytes().splitlines()
            assert rival.does_the_job == (not rivals.faults(first)), rival.name
            assert orjson.loads(second)["totalUsers"] == documents.real()["totalUsers"]


def test_a_rival_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in one line, and its goal is not judged; nothing fails."""
    monkeypatch.setattr(rivals, "installed", lambda _: "")
    tried, nearest = single.measure_rivals(1, 0)
    assert {one.figure for one in tried} == {None}
    assert bench.of_rivals(tried).count("not installed") == len(tried) == 2
    assert written.of_rivals(tried).count("not installed") == 2
    assert [one.outcome for one in aims.of_one([], nearest)] == [aims.NOT_JUDGED]


def of(ratio: float, goal: float | None = None, variant: str = "x") -> Figure:
    """Return a figure with *ratio*."""
    return Figure("s", variant, 1.0, ratio, ratio, ratio, ratio, goal)


def measured(one: float, two: float, second_core: float, held: tuple[int, ...] = (1 << 20,)) -> many.Many:
    """Return what was measured on many documents."""
    every = tuple(many.Held(name, number, held, many.HELD_GOAL) for name in (many.ONE, many.TWO) for number in (1, 8))
    return many.Many(8, (of(one, many.ONE_GOAL, many.ONE),), (), every, second_core, of(two, many.TWO_GOAL), None)


@pytest.mark.parametrize(
    ("case", "outcomes"),
    [
        (measured(1.5, 0.75, 2.0), ["reached", "not judged", "reached", "reached", "reached"]),
        (measured(1.51, 0.76, 2.0), ["missed", "not judged", "missed", "reached", "reached"]),
        (measured(1.0, 0.76, 1.2), ["reached", "not judged", "not judged", "reached", "reached"]),
        (measured(1.0, 0.7, 1.2, (61 << 20, 1)), ["reached", "not judged", "reached", "missed", "missed"]),
        (measured(1.0, 0.7, 1.2, ()), ["reached", "not judged", "reached", "not judged", "not judged"]),
    ],
)
def test_outcomes(case: many.Many, outcomes: list[str]) -> None:
    """An aim is reached at its goal and missed above; a second core that isn't there excuses two processes only."""
    found = list(aims.of_many(case))
    assert [one.outcome for one in found] == outcomes
    assert all(bool(one.reason) == (one.outcome != aims.REACHED) for one in found)


def test_work_that_grows_faster_than_its_input_is_noticed() -> None:
    """Twice the calls for twice the bytes is linear, more is not, in either way of reading."""
    outcomes = [
        next(aims.of_junk([], [single.Counted("", 100, 10, 10), single.Counted("", 200, *calls)])).outcome
        for calls in ((10, 20), (20, 10), (21, 20), (10, 21))
    ]
    assert outcomes == ["reached", "reached", "missed", "missed"]


def test_a_start_that_was_not_measured() -> None:
    """Every goal of a start has its line, also without a figure."""
    found = list(aims.of_starts([of(1.0)]))
    assert [one.outcome for one in found] == ["not judged"] * len(starting.GOALS)


def test_growth_is_in_floors_of_the_smallest() -> None:
    """Costs at every size are told in one unit, the floor of the smallest size in the same round."""
    taken = [
        {"floor": [2.0, 20.0, 2.0], "own": [4.0, 40.0, 9.0]},
        {"floor": [20.0, 200.0, 90.0], "own": [30.0, 100.0, 40.0]},
    ]
    assert growth.in_floors(taken, ["floor", "own"]) == {"floor": (1.0, 10.0), "own": (2.0, 15.0)}


def test_scales() -> None:
    """Equal factors are equal ways on a scale, its ends are powers of ten, and one value alone has a scale too."""
    scale = chart.Scale([30, 50_000], 0, 400)
    assert scale.ticks == [10, 100, 1_000, 10_000, 100_000]
    assert [scale(tick) for tick in scale.ticks] == [0, 100, 200, 300, 400]
    assert chart.Scale([10], 0, 1).ticks == [10, 100]
    assert [chart.told(tick) for tick in (0.1, 1.0, 100.0, 10_000.0, 1e7)] == ["0.1", "1", "100", "10 k", "10 M"]


def test_the_chart_shows_what_was_measured() -> None:
    """Each line goes through its costs, to the right and up, inside the picture; words tell the same."""
    drawn = shapes(chart.drawn([DRAWN]))
    lines = [attributes["d"] for tag, attributes, _ in drawn if "line " in attributes.get("class", "")][:2]
    points = [[tuple(map(float, point.split())) for point in re.split("[ML]", line)[1:]] for line in lines]
    (first, last), (above, top) = points
    assert first[0] == above[0] < last[0] == top[0]
    assert first[1] > last[1] > top[1]
    assert first[1] > above[1]
    _, picture, _ = drawn[0]
    width, height = map(float, picture["viewBox"].split()[2:])
    assert all(0 <= x <= width and 0 <= y <= height for line in points for x, y in line)
    (about,) = [text for tag, _, text in drawn if tag == "desc"]
    assert "without findings from 2 to 150" in about


def test_the_chart_can_be_told_without_colours_and_at_night() -> None:
    """Four lines have four looks, in light and in dark, each with a mark of its own; names are escaped; it is named."""
    costs = dict.fromkeys(("floor", "a<b", "c", "d"), (1.0, 2.0))
    picture = chart.drawn([Growth(growth.KEYS, (1, 10), costs)])
    drawn = shapes(picture)
    key = [attributes["class"] for tag, attributes, _ in drawn if "line " in attributes.get("class", "")]
    assert sorted(set(key)) == [f"line s{number}" for number in range(4)]
    style = next(text for tag, _, text in drawn if tag == "style")
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for number in range(4):
        assert f".s{number}" in light
        assert f".s{number}" in dark
    assert "a<b" in [text for _, _, text in drawn]
    assert {"role", "aria-labelledby"} <= drawn[0][1].keys()
    assert "<script" not in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(ValueError, match="4 lines"):
        chart.drawn([Growth(growth.KEYS, (1, 10), costs | {"e": (1.0, 2.0)})])


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    """What stands around the marks stays, and writing twice is writing once."""
    page = f"before\n{written.BEGIN}\nold\n{written.END}\nafter\n"
    once = written.replaced(page, "new")
    assert once == f"before\n{written.BEGIN}\n\nnew\n\n{written.END}\nafter\n"
    assert written.replaced(once, "new") == once
    with pytest.raises(ValueError, match="marks"):
        written.replaced("nothing", "new")
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    written.write("new", [DRAWN], tmp_path / "page.md", tmp_path / "pictures" / "cost.svg")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == once
    assert (tmp_path / "pictures" / "cost.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_the_page_tells_of_no_machine() -> None:
    """The page that is kept has its marks, the chart, and ratios instead of seconds."""
    page = written.PAGE.read_text(encoding="utf-8")
    assert written.replaced(page, "") != page
    told = page.partition(written.BEGIN)[2]
    assert "pictures/cost.svg" in told
    assert not re.search(r"\d (?:µs|ms|s|seconds)\b|Linux|/home|/tmp", told)
    assert ElementTree.parse(written.PICTURE).getroot().get("role") == "img"  # noqa: S314 - we have made it


def test_cells_of_tables() -> None:
    """A bar in a cell is no border of it."""
    assert written.rows(["a", "b"], [["x|y", 1]]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"


def test_starts_are_of_the_wheel_or_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no wheel can be built, this environment is started and the title says so."""
    monkeypatch.setattr(starting, "build", lambda _: None)
    installed = starting.install(tmp_path)
    assert not installed.is_wheel
    assert installed.python == Path(sys.executable)
    assert "no wheel" in installed.how


def test_the_targets_are_there() -> None:
    """The commands that page and README name are targets of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in (written.PAGE, ROOT / "benchmarks" / "README.md"):
        named = set(re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8")))
        assert named
        assert named <= targets
