"""
The documentation says what the program does: it builds without a warning, its snippets run, its tables are whole.

A page's blocks run in a directory of their own, in the order of the page: ``console`` commands, with the output that is
shown, and ``python``, with what the ``output`` block after it shows. A block that begins with ``# name.ext`` is a file.
``...`` stands for anything. What a page can't have on this machine is replaced by something like it on loopback, see
``STAND_INS``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

import postgres
import stores
import test_protection_rules as tested
from collector import Collector, Identity, reply
from commands import ROOT
from rc_stats import load_policy
from rc_stats.cli import run as command
from rc_stats.configuration import Settings
from rc_stats_docs import enforcement, floors, periods, protection, settings, states
from sites import document

DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
GENERATED: Final = {"metrics.md", "changelog.md"}

NOT_RUN: Final = {
    "pip install 'rc-stats[cli,store,http]'": "a package index",
    "pip install 'rc-stats[all]'": "a package index",
    "pip install 'rc-stats[testing]' pytest": "a package index",
    "pip install fastapi": "a package index",
    "rc-stats serve": "serves until it is stopped; the tests of the page do",
    "uvicorn --app-dir examples fastapi_service:app": "serves until it is stopped; the tests of the examples do",
    "make preview && . .venv/bin/activate": "makes the environment that the tests run in",
}
"""The commands in ``sh`` blocks, which alone are not run, and what they would need."""

LANGUAGES: Final = {"console", "python", "output", "toml", "json", "sh", "text"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The name of the file that the block is; None if it is none."""
        named = re.match(r"# ([\w.-]+\.\w+)\n", self.text)
        return named[1] if named else None


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page, but those of Sphinx."""
    text = path.read_text(encoding="utf-8")
    fenced = re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(f[1], f[2], text.count("\n", 0, f.start()) + 1) for f in fenced if not f[1].startswith("{")]


def chat(stack: ExitStack, _: Path) -> str:
    """Start a live workspace, which answers everything with a document of this moment."""
    body = document()
    return stack.enter_context(Collector(None, identity=Identity.PLAIN, usual=reply(body=body))).url.rstrip("/")


def collector(stack: ExitStack, _: Path) -> str:
    """Start a recipient that takes everything."""
    return stack.enter_context(Collector(None, identity=Identity.PLAIN)).url


def database(_: ExitStack, __: Path) -> str:
    """Return the address of an empty database of a real server."""
    return str(stores.emptied(postgres.running(), "docs").url)


def scheduler(stack: ExitStack, directory: Path) -> str:
    """Start a Dask cluster: a scheduler and a worker, each a process of its own; return the scheduler's address."""
    told = directory / "scheduler.json"
    dask = [str(Path(sys.executable).with_name("dask"))]
    parts = (
        ["scheduler", "--host", "tcp://127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)],
        ["worker", "--scheduler-file", str(told), "--no-dashboard", "--no-nanny", "--nthreads", "1"],
    )
    for part in parts:
        running = subprocess.Popen(
            [*dask, *part], cwd=directory / "here", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(running.wait, 60)
        stack.callback(running.terminate)
    until = time.monotonic() + 60
    while not told.exists() and time.monotonic() < until:
        time.sleep(0.05)
    address: str = json.loads(told.read_bytes())["address"]
    return address


STAND_INS: Final[Mapping[str, Callable[[ExitStack, Path], str]]] = {
    "https://chat.example.org": chat,
    "https://stats.example.org/": collector,
    "tcp://scheduler.example.org:8786": scheduler,
    "postgresql://rcstats@db.example.org/rcstats": database,
}


@dataclass
class Reader:
    """Somebody who follows a page step by step in a directory of their own."""

    directory: Path
    replaced: Mapping[str, str]
    environment: dict[str, str]
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__docs__"})
    code: int = 0

    def spelt(self, text: str) -> str:
        """Return *text* with the stand-ins in place of what there is not."""
        for original, stand_in in self.replaced.items():
            text = text.replace(original, stand_in)
        return text

    def type(self, command: str) -> str:
        """Type a command into a shell that remembers variables and the last exit code; return its output."""
        plain = re.fullmatch(r"rc-stats ([^$|<>&;`*\n]+?)(?: > ([\w.]+))?", command)
        text = self.call(shlex.split(self.spelt(plain[1])), plain[2]) if plain else self.shell(command)
        text = text.replace("\N{NO-BREAK SPACE}", " ")
        for original, stand_in in self.replaced.items():
            text = text.replace(stand_in, original)
        return text

    def call(self, words: list[str], file: str | None) -> str:
        """Run the command in this process: there are many of them, and starting each takes longer than it works."""
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        kept = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) if file else out
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ.keys() - self.environment.keys():
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
            patch.setattr(sys, "stdout", kept)
            patch.setattr(sys, "stderr", out)
            self.code = command(words)
        if file:
            (self.directory / file).write_bytes(kept.buffer.getvalue())
        shown: str = out.buffer.getvalue().decode()
        return shown

    def shell(self, command: str) -> str:
        """Run anything else in a shell of its own."""
        after = self.directory.parent / "after"
        script = f'(exit {self.code}); {command}\ncode=$?; env -0 > "{after}"; exit $code'
        done = subprocess.run(
            ["bash", "-c", self.spelt(script)],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        variables = after.read_text(encoding="utf-8")
        self.environment = dict(v.split("=", 1) for v in variables.split("\0") if "=" in v)
        self.code = done.returncode
        return done.stdout.decode()

    def run(self, text: str, where: str) -> str:
        """Run Python in this process, as one program with the page's other blocks, and return what it printed."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(self.spelt(text), where, "exec"), self.names)  # noqa: S102 - it is our own page
        return out.getvalue()


def steps(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the output that is shown; a line with > continues a command."""
    command: list[str] = []
    shown: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield "\n".join(command), shown
            command, shown = [line[2:]], []
        elif line.startswith("> ") and not shown:
            command.append(line[2:])
        else:
            shown.append(line)
    if command:
        yield "\n".join(command), shown


def unlike(shown: list[str], real: list[str]) -> list[str]:
    """Return the first line that is shown and not there, in this order; whole outputs must be equal."""
    patterns = [(line, re.compile(".*".join(re.escape(part) for part in line.split("...")))) for line in shown]
    if "..." not in shown and shown:
        if len(shown) != len(real):
            return [f"{len(shown)} lines are shown of {len(real)}", *real[:5]]
        return [line for (line, pattern), there in zip(patterns, real, strict=True) if not pattern.fullmatch(there)]
    left = iter(real)
    return [line for line, pattern in patterns if line != "..." and not any(pattern.fullmatch(there) for there in left)]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Reader]]:
    """Return what makes a reader of a page; they have the examples, and no configuration."""
    directory = tmp_path / "here"
    directory.mkdir()
    shutil.copytree(ROOT / "examples", directory / "examples")
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))
    home = tmp_path / "home"
    home.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "PYTHONPATH": str(directory), "NO_COLOR": "1"}
    monkeypatch.setenv("HOME", str(home))
    with ExitStack() as stack:

        def made(page: Path) -> Reader:
            text = page.read_text(encoding="utf-8")
            needed = {url: start for url, start in STAND_INS.items() if url in text}
            return Reader(directory, {url: start(stack, tmp_path) for url, start in needed.items()}, environment)

        yield made


def follow(page: Path, reader: Reader) -> list[str]:
    """Do what a page says, and return what came out differently."""
    wrong, printed = [], ""
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.file is not None:
            (reader.directory / block.file).write_text(reader.spelt(block.text), encoding="utf-8")
        elif block.language == "python":
            printed = reader.run("\n" * block.line + block.text, where)
        elif block.language == "output":
            wrong += [f"{where}: {line}" for line in unlike(block.text.splitlines(), printed.splitlines())]
        elif block.language == "console":
            every = list(steps(block))
            for number, (command, shown) in enumerate(every):
                real = reader.type(command)
                wrong += [f"{where}: {command}: {line}" for line in unlike(shown, real.splitlines())]
                is_looked_at = number + 1 < len(every) and every[number + 1][0] == "echo $?"
                if reader.code and not is_looked_at:
                    wrong.append(f"{where}: {command}: ends with {reader.code}: {real[-500:]}")
    return wrong


RUNNING: Final = [
    page for page in PAGES if page.name not in GENERATED and any(b.language != "sh" for b in blocks(page))
]


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_snippets_run(page: Path, reader: Callable[[Path], Reader]) -> None:
    """Everything that a page tells to type or to write runs, and gives what the page shows."""
    wrong = follow(page, reader(page))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_no_block_is_left_out(page: Path) -> None:
    """Every block is of a language that is run or checked; what isn't run is on a short list, with the reason."""
    for block in blocks(page):
        assert block.language in LANGUAGES, (page, block.line)
        if block.language == "sh":
            assert set(block.text.splitlines()) <= NOT_RUN.keys(), (page, block.line)
        if block.language in ("toml", "json"):
            assert block.file is not None, (page, block.line)


def test_what_is_not_run_is_somewhere() -> None:
    """No exception is left of a command that is gone."""
    shown = {
        line for page in PAGES for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()
    }
    assert shown == NOT_RUN.keys()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation once, without a network, with warnings as errors."""
    built = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(built / "html")]
    # What only a network could give fails at once instead of after a time-out.
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return built / "html"


def test_it_builds_and_stands_alone(site: Path) -> None:
    """The documentation builds without a warning, and no page of it loads anything from elsewhere."""
    pages = list(site.rglob("*.html"))
    assert {path.stem for path in PAGES} <= {path.stem for path in pages}
    loaded = re.compile(r"""<(?:script|img|iframe|link)[^>]*?(?:src|href)=["'](?:https?:)?//""")
    assert [path.name for path in pages if loaded.search(path.read_text(encoding="utf-8"))] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"url\(['\"]?https?://[^)]*\)|@import[^;]*", styles) == []
    written = (site / "policy.html").read_text(encoding="utf-8")
    assert [clause for clause in load_policy().clauses if f'id="clause-{clause}"' not in written] == []


def test_every_clause_is_kept() -> None:
    """Every clause has code and tests that exist, and what a module cites has something of that module in its row."""
    assert enforcement.problems() == ()
    assert sorted(row.clause for row in enforcement.rows()) == sorted(load_policy().clauses)


ROWS: Final = {row.clause: row for row in enforcement.rows()}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"toggle": None}, "toggle: has no row"),
        ({"toggle": replace(ROWS["toggle"], code=())}, "toggle: needs code and tests"),
        ({"toggle": replace(ROWS["toggle"], tests=())}, "toggle: needs code and tests"),
        (
            {"toggle": replace(ROWS["toggle"], code=("rc_stats.gate.open_wide",))},
            "toggle: there is no rc_stats.gate.open_wide",
        ),
        (
            {"toggle": replace(ROWS["toggle"], tests=("test_gate.py::test_all",))},
            "toggle: there is no test_gate.py::test_all",
        ),
        ({"new": replace(ROWS["toggle"], clause="new")}, "new: is no clause"),
        (
            {"toggle": replace(ROWS["toggle"], code=("rc_stats.reporter.Reporter",))},
            "toggle: is cited by rc_stats.consent, and its row names nothing of that",
        ),
    ],
    ids=["no-row", "no-code", "no-tests", "code-is-gone", "test-is-gone", "clause-is-gone", "cited-elsewhere"],
)
def test_a_wrong_table_is_noticed(
    changed: Mapping[str, enforcement.Row | None], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clause without a row, a row without code or tests, and names that lead nowhere are each told."""
    rows = {**ROWS, **changed}
    monkeypatch.setattr(enforcement, "rows", lambda: tuple(row for row in rows.values() if row is not None))
    assert problem in enforcement.problems.__wrapped__()


def test_every_citation_is_found() -> None:
    """The clauses that docstrings, reasons and kinds cite are found where they stand."""
    cited = set(enforcement.cited())
    assert {
        ("toggle", "rc_stats.consent"),
        ("no-names", "rc_stats.anonymise"),
        ("transfer", "rc_stats.rules"),
    } <= cited
    assert {("account-data", "rc_stats.catalogue"), ("rights-restrict", "rc_stats.reporter")} <= cited


def test_every_rule_of_the_gate_is_shown() -> None:
    """Every code that the gate can give is brought up by a state of the table, and one that none brings up is named."""
    assert states.missing() == []
    codes = states.codes_of_the_gate()
    assert {"workspace-unregistered", "consent-", "never-", "catalogue-grown", "switch-do-not-track"} <= codes


def test_a_rule_without_a_state_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new rule of the gate needs a state that shows it."""
    monkeypatch.setattr(states, "CHANGES", states.CHANGES[:1])
    assert {"policy-changed", "recipient-country"} <= set(states.missing())


def test_states_of_a_period() -> None:
    """What the table of periods tells is what the reporter does, in the states that matter most."""
    told = {words: periods.result(come_about) for words, come_about in periods.STATES}
    assert [r.ended for w, r in told.items() if "opted out and agreed again" in w] == ["unknown", "sent"]
    assert all(r.requests == 0 for w, r in told.items() if w.endswith("opted out"))
    assert all(
        r.is_same for w, r in told.items() if r.requests and w.startswith(("It could not", "The process died af"))
    )
    assert {r.verdict for r in told.values()} == {"sent", "already-sent", "ended", "closed", "held-elsewhere", "failed"}


def test_the_protection_table_is_whole() -> None:
    """The table of rules has those of the test that takes them away, with what each of its checks looks for."""
    assert protection.rules() == [(rule.name, rule.caught_by) for rule in tested.RULES]
    assert protection.checks().keys() == tested.CHECKS.keys()
    assert all(words.endswith(".") for words in protection.checks().values())


def test_the_floor_plan_is_the_contract() -> None:
    """The plan has every module of the package once, and what it says of imports goes down only."""
    every = [module for floor in floors.floors() for module in floor]
    present = {path.stem for path in floors.SOURCE.glob("*.py")} | {
        path.parent.name for path in floors.SOURCE.glob("*/__init__.py")
    }
    assert len(every) == len(set(every))
    assert present - {"__init__"} <= set(every)
    height = {module: -number for number, floor in enumerate(floors.floors()) for module in floor}
    upward = [(m, i) for m in every for i in floors.imports(m) if height.get(i, 0) > height[m]]
    assert upward == []
    assert {"decision", "policy", "catalogue"} <= floors.imports("gate") | floors.imports("decision")
    assert floors.plan().count("<rect") == len([m for m in every if floors.files(m)])


def test_every_setting_is_explained() -> None:
    """Each key of the configuration has a sentence."""
    assert {key for key in Settings.model_fields if not settings.said().get(key)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_words(page: Path) -> None:
    """In our own voice it is "aggregated"; anonymous stands in quotes, or where it is said not to be."""
    text = page.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"anonym(?:ous|ity)", line, re.IGNORECASE)]
    allowed = re.compile(
        r"[Nn]ot anonym|whether that is anonym|[\"“].*anonym|anonym.*[\"”]|in the sense", re.IGNORECASE
    )
    assert [line for line in lines if not allowed.search(line)] == []
