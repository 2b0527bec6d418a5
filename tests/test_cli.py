"""The command line: every verb, option, format and exit code, and how it behaves at the edges of a process."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from canaries import assert_no_trace
from commands import Cli, Done, child, command, environment, on_terminal, process, without
from rc_stats import Profile, __version__, load_catalogue
from rc_stats.cli import VERBS
from rc_stats.wire import MAX_DOCUMENT_BYTES, canonical

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "statistics.json"
SAMPLES = ROOT / "tests" / "data" / "samples"
DOCUMENTS = [
    *sorted(path for path in SAMPLES.iterdir() if path.suffix in (".json", ".jsonl")),
    EXAMPLE,
    EXAMPLE.with_name("statistics-six.json"),
]
YES = ["--workspace", "registered", "--opt-in"]
AT = ["--at", "2026-08-25T00:00:00Z"]
"""After the newest of the documents, which a preview would otherwise call dated after now."""
TOKEN = "octopus-ltd"  # noqa: S105 -- planted in inputs, to be looked for in what comes out
ESCAPE = "\x1b"
MASK = (
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{HORIZONTAL ELLIPSIS}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
)


def document(**changes: Any) -> bytes:
    """Return a small document as bytes."""
    return json.dumps(
        {"createdAt": "2026-08-17T03:12:00.000Z", "totalUsers": 50, "totalChannels": 7, **changes}
    ).encode()


# The command itself.


def test_no_verb_shows_help(cli: Cli) -> None:
    """Without a verb the help goes to standard error, names every verb, and the exit code is that of wrong usage."""
    done = cli()
    assert done.code == 2
    assert done.out == b""
    for verb in VERBS:
        assert verb in done.err.decode()


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)], ids=lambda verb: verb[0] if verb else "none")
def test_help(cli: Cli, verb: list[str], flag: str) -> None:
    """Every verb has a help, on standard output and without an error."""
    done = cli(*verb, flag)
    assert done.code == 0
    assert done.err == b""
    assert done.text.startswith(f"Usage: {' '.join(['rc-stats', *verb])} ")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_where_the_table_says(verb: str) -> None:
    """The table names the home of each verb, and the verb there bears that name."""
    module, _, attribute = VERBS[verb].partition(":")
    assert verb == getattr(import_module(module), attribute).name


@pytest.mark.parametrize(
    "module",
    ["sqlalchemy", "httpx2", "pydantic_settings", "rich", "jinja2", "starlette", "fsspec", "scipy", "pydantic"],
)
def test_help_needs_no_other_extra(module: str) -> None:
    """Whatever else isn't installed, the help names all verbs, and tells of each."""
    done = without(module, "--help")
    assert (done.code, done.err) == (0, b"")
    assert [verb for verb in VERBS if f"  {verb} " not in done.text] == []


def test_help_of_preview_names_all_options(cli: Cli) -> None:
    """The help of preview names all of its options and their words."""
    text = cli("preview", "--help").text
    words = ["--workspace", "--opt-in", "--scope", "--profile", "--format", "--envelope", "--at"]
    words += ["unregistered", "registered", "hosted", "exact", "standard", "strict", "text", "json", "payload", "html"]
    for word in words:
        assert word in text


@pytest.mark.parametrize("call", [command, lambda: [sys.executable, "-m", "rc_stats"]], ids=["script", "module"])
def test_version(call: Callable[[], list[str]]) -> None:
    """The installed command and the module both tell the version."""
    done = child([*call(), "--version"])
    assert (0, f"rc-stats {__version__}\n", b"") == (done.code, done.text, done.err)


def test_version_in_process(cli: Cli) -> None:
    """The version option of the command line says the same as the shortcut before it."""
    assert (0, f"rc-stats {__version__}\n") == ((done := cli("--version")).code, done.text)


def test_module_does_as_the_command() -> None:
    """``python -m rc_stats`` gives the same output and exit code as the command, and calls itself by its name."""
    arguments = ["preview", str(EXAMPLE), *AT]
    module = child([sys.executable, "-m", "rc_stats", *arguments])
    script = process(arguments)
    assert (script.code, script.out, script.err) == (module.code, module.out, module.err)
    assert child([sys.executable, "-m", "rc_stats", "--help"]).text.startswith("Usage: rc-stats ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["--nosuch"],
        ["preview", "--nosuch"],
        ["preview", "a", "b"],
        ["preview", "-", "--format", "xml"],
        ["preview", "-", "--profile", "finest"],
        ["preview", "-", "--workspace", "cloud"],
        ["preview", "-", "--workspace"],
        ["preview", "-", "--opt-in=yes"],
        ["explain"],
        ["explain", "a", "b"],
        ["explain", "totalUsers", "--format", "markdown"],
        ["metrics", "extra"],
        ["metrics", "--format", "html"],
        ["metrics", "--section", "Nowhere"],
        ["metrics", "--data-type", "secret"],
        ["check", "--format", "payload"],
        ["verify", "a", "b"],
    ],
    ids=" ".join,
)
def test_usage(cli: Cli, arguments: list[str]) -> None:
    """A wrong verb, option, word or number of arguments is one line on standard error, exit code 2, and no output."""
    done = cli(*arguments, stdin=document())
    assert done.code == 2
    assert done.out == b""
    assert done.error


def test_newline_in_an_argument(cli: Cli) -> None:
    """An argument with line breaks and control characters doesn't break the one line of an error."""
    assert cli("preview", "-", "--format", f"a\nb\r\n{ESCAPE}[31m").error


# Where documents come from.


def test_sources_give_the_same(cli: Cli, tmp_path: Path) -> None:
    """A file, standard input as ``-``, standard input without an argument, and gzip of each give the same output."""
    raw = EXAMPLE.read_bytes()
    packed = tmp_path / "statistics.json.gz"
    packed.write_bytes(gzip.compress(raw))
    expected = cli("preview", EXAMPLE, *YES, *AT)
    others = [
        cli("preview", packed, *YES, *AT),
        cli("preview", "-", *YES, *AT, stdin=raw),
        cli("preview", *YES, *AT, stdin=raw),
        cli("preview", "-", *YES, *AT, stdin=gzip.compress(raw)),
    ]
    assert expected.code == 0
    for other in others:
        assert (0, expected.out, b"") == (other.code, other.out, other.err)


@pytest.mark.parametrize("arguments", [["preview"], ["preview", "-"]], ids=" ".join)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_piped_into_a_process(arguments: list[str], pack: Callable[[bytes], bytes]) -> None:
    """A real pipe into the process is read, with or without the ``-``, plain or gzip."""
    done = process([*arguments, *YES, *AT, "--format", "payload"], stdin=pack(document()))
    assert (done.code, done.err) == (0, b"")
    assert done.data["statistics"] == {"totalChannels": 7, "totalUsers": 50}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_real_documents(cli: Cli, path: Path) -> None:
    """Every form that real workspaces hand out is read, the default answer is no, and it is about the same document."""
    done = cli("preview", path, *AT, "--format", "json")
    assert (done.code, done.err) == (3, b"")
    assert done.data["verdict"] == "nothing-would-be-sent"
    assert "totalUsers" in done.data["payload"]["body"]["statistics"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("statistics-8.7.0.json", "one document"),
        ("statistics-0.61.wrapped.json", "one document in its envelope"),
        ("statistics-6.6.0.list.json", "the newest of 5 documents (number 5) of a statistics list"),
        ("rocketchat_statistics-8.7.0.mongoexport-relaxed.jsonl", "one document"),
    ],
)
def test_form_is_told(cli: Cli, name: str, form: str) -> None:
    """The preview says in which form the document came, and of several which one was taken."""
    assert form == cli("preview", SAMPLES / name, *AT, "--format", "json").data["about"]["document"]


def test_newest_of_an_array(cli: Cli) -> None:
    """Of a mongoexport array the newest document is taken, and an undated one is counted."""
    dated = [json.loads(document(createdAt=f"2026-08-{day}T00:00:00Z", totalChannels=int(day))) for day in (10, 17, 11)]
    done = cli("preview", "-", *AT, "--format", "json", stdin=json.dumps([*dated, {"totalUsers": 1}]).encode())
    assert done.data["payload"]["body"]["statistics"]["totalChannels"] == 17
    assert done.data["about"]["document"] == "the newest of 4 documents (number 2) of JSON array; 1 has no date"


def broken_inputs() -> Iterator[tuple[str, bytes, str]]:
    """Yield a name, an input that can't be used, and the rule that it breaks."""
    secret = json.dumps({TOKEN: TOKEN}).encode()
    yield "empty", b"", "not-json"
    yield "blank", b" \n ", "not-json"
    yield "text", TOKEN.encode(), "not-json"
    yield "truncated", secret[:-3], "not-json"
    yield "trailing", secret + TOKEN.encode(), "not-json"
    yield "nan", b'{"' + TOKEN.encode() + b'": NaN}', "not-json"
    yield "scalar", json.dumps(TOKEN).encode(), "not-an-object"
    yield "null", b"null", "not-an-object"
    yield "list of text", json.dumps([TOKEN]).encode(), "not-an-object"
    yield "empty list", b"[]", "no-document"
    yield "empty statistics list", b'{"statistics": []}', "no-document"
    yield "deep", b'{"a":' * 100_000, "too-deep"
    yield "utf-16", secret.decode().encode("utf-16"), "wrong-encoding"
    yield "latin-1", b'{"a": "\xe9"}', "wrong-encoding"
    yield "broken line", document() + b"\n" + secret[:-3] + b"\n", "not-json"
    yield "line of text", document() + b"\n" + json.dumps(TOKEN).encode() + b"\n", "not-an-object"
    yield "gzip header", b"\x1f\x8b" + TOKEN.encode(), "bad-gzip"
    yield "truncated gzip", gzip.compress(document())[:-9], "bad-gzip"
    yield "gzip of wrong sum", gzip.compress(document())[:-8] + bytes(8), "bad-gzip"
    yield "gzip bomb", gzip.compress(bytes(2 * MAX_DOCUMENT_BYTES)), "too-large"
    yield "too large", b'{"a": "' + bytes(MAX_DOCUMENT_BYTES), "too-large"


@pytest.mark.parametrize(
    ("raw", "rule"), [case[1:] for case in broken_inputs()], ids=[case[0] for case in broken_inputs()]
)
@pytest.mark.parametrize("verb", ["preview", "check"])
def test_unusable_input(cli: Cli, verb: str, raw: bytes, rule: str) -> None:
    """An input that is no statistics document is one line that names the rule and no value, with exit code 4."""
    done = cli(verb, "-", stdin=raw)
    assert done.code == 4
    assert f"[{rule}]" in done.error
    assert "Traceback" not in done.error
    assert_no_trace(done.err, TOKEN)


def test_line_is_named(cli: Cli) -> None:
    """A fault in a line of an export names the line."""
    assert "Line 3: " in cli("preview", "-", stdin=document() + b"\n\n{" + b"\n").error


def test_sparse_file(cli: Cli, tmp_path: Path) -> None:
    """A file of 2 GB is refused without being read."""
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**31)
    done = cli("preview", path)
    assert done.code == 4
    assert "[too-large]" in done.error


@pytest.mark.parametrize("verb", ["preview", "check", "verify"])
def test_file_that_is_none(cli: Cli, tmp_path: Path, verb: str) -> None:
    """A directory, a missing file and a path through a file are each one line with exit code 4."""
    (tmp_path / "plain").write_bytes(b"{}")
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "plain" / "inner"):
        done = cli(verb, path)
        assert done.code == 4
        assert "[unreadable]" in done.error
        assert str(tmp_path) not in done.error


@pytest.mark.parametrize("verb", ["preview", "check", "verify"])
def test_file_without_permission(cli: Cli, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """A file that may not be read is one line with exit code 4."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "secret-name.json")

    monkeypatch.setattr(Path, "open", refuse)
    done = cli(verb, "secret-name.json")
    assert done.code == 4
    assert "Permission denied. [unreadable]" in done.error
    assert "secret-name" not in done.error


class Faulty(io.RawIOBase):
    """A file whose medium is broken."""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, _: Any) -> int:
        """Fail as a broken disk does."""
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("verb", ["preview", "check", "verify"])
def test_fault_while_reading(cli: Cli, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """A fault of the medium while a file is read is an unusable input, and is not blamed on the output."""
    monkeypatch.setattr(Path, "open", lambda *_: io.BufferedReader(Faulty()))
    done = cli(verb, "statistics.json")
    assert done.code == 4
    assert "[unreadable]" in done.error
    assert "written" not in done.error


def test_interrupt(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while input is awaited ends the command with a word and no traceback."""

    class Waiting:
        def read(self, _: int) -> bytes:
            raise KeyboardInterrupt

    class Terminal:
        buffer = Waiting()

    monkeypatch.setattr(sys, "stdin", Terminal())
    done = cli("preview")
    assert done.code not in (0, 2, 3, 4, 7)
    assert done.err.decode().strip() == "rc-stats: Interrupted."


# What preview answers.


@pytest.mark.parametrize("format_", ["text", "json", "payload", "html"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], 3),
        (["--opt-in"], 3),
        (["--workspace", "unregistered", "--opt-in"], 3),
        (["--workspace", "registered"], 3),
        (["--workspace", "registered", "--opt-in"], 0),
        (["--workspace", "hosted", "--opt-in"], 3),
    ],
    ids=str,
)
def test_exit_code_is_that_of_the_answer(cli: Cli, options: list[str], format_: str, expected: int) -> None:
    """The exit code says the answer in every format: 0 it would be sent, 3 the gate is closed."""
    done = cli("preview", EXAMPLE, *AT, "--format", format_, *options)
    assert (expected, b"") == (done.code, done.err)
    assert (format_ == "payload" and expected == 3) == (done.out == b"")


def test_hosted_workspace(cli: Cli) -> None:
    """A document of a workspace that the vendor hosts goes with ``hosted`` alone, and the payload says so."""
    platform = load_catalogue().facts.hosted_platform
    raw = document(deploy={"method": "docker", "platform": platform})
    options = ["--opt-in", *AT, "--format", "payload"]
    done = cli("preview", "-", "--workspace", "hosted", *options, stdin=raw)
    assert (done.code, done.data["workspace"]) == (0, "hosted")
    assert cli("verify", "-", stdin=done.out).code == 0
    assert cli("preview", "-", "--workspace", "registered", *options, stdin=raw).code == 3


def test_text_says_the_verdict_first(cli: Cli) -> None:
    """The text opens with the verdict, and a no is followed by the rules and their clauses."""
    assert cli("preview", EXAMPLE, *YES, *AT).text.startswith("With a yes, this would be sent: ")
    closed = cli("preview", EXAMPLE, *AT).text
    assert closed.startswith("Nothing would be sent: this workspace is not registered (1 more rule says no).\n")
    for code in ("workspace-unregistered", "consent-undecided"):
        assert f"[{code}, privacy-policy@" in closed


def test_json_is_utf_8_with_one_newline(cli: Cli) -> None:
    """The JSON ends with one newline and has the parts that machines need."""
    done = cli("preview", EXAMPLE, *YES, *AT, "--format", "json")
    assert done.text.endswith("}\n")
    assert {"about", "drift", "headline", "payload", "rules", "sections", "stays", "verdict"} == set(done.data)
    assert done.data["verdict"] == "would-be-sent"


@pytest.mark.parametrize("profile", list(Profile))
def test_payload_is_exactly_the_bytes(cli: Cli, profile: Profile) -> None:
    """The payload format gives the canonical bytes and nothing else; the other formats show their digest."""
    options = [EXAMPLE, *YES, *AT, "--profile", profile]
    done = cli("preview", *options, "--format", "payload")
    assert (done.code, done.err) == (0, b"")
    assert canonical(done.data) == done.out
    assert {"catalogue", "format", "period", "profile", "statistics", "workspace"} == set(done.data)
    assert profile == done.data["profile"]
    digest = hashlib.sha256(done.out).hexdigest()
    shown = cli("preview", *options, "--format", "json").data["payload"]
    assert (digest, len(done.out), done.data) == (shown["sha256"], shown["bytes"], shown["body"])
    assert digest in cli("preview", *options).text
    assert digest in cli("preview", *options, "--format", "html").text


def test_payload_of_a_process() -> None:
    """A process writes the same bytes into a pipe as it shows, without any translation of line ends."""
    done = process(["preview", EXAMPLE, *YES, *AT, "--format", "payload"])
    assert canonical(done.data) == done.out


def test_default_profile(cli: Cli) -> None:
    """Nothing said is the standard profile."""
    said = cli("preview", EXAMPLE, *YES, *AT, "--profile", "standard")
    assert said.out == cli("preview", EXAMPLE, *YES, *AT).out


def test_envelope_beside_the_payload(cli: Cli) -> None:
    """With the payload format the head of the request goes to standard error only, and the bytes stay alone."""
    plain = cli("preview", EXAMPLE, *YES, *AT, "--format", "payload")
    done = cli("preview", EXAMPLE, *YES, *AT, "--format", "payload", "--envelope")
    assert (0, plain.out) == (done.code, done.out)
    first, *rest = done.err.decode().splitlines()
    headers = dict(line.split(": ", 1) for line in rest)
    assert first.startswith("POST https://")
    assert first.split("/")[2] == headers["Host"]
    assert str(len(plain.out)) == headers["Content-Length"]
    assert f"2026-08-{hashlib.sha256(plain.out).hexdigest()}" == headers["Idempotency-Key"]


def test_envelope_of_a_no(cli: Cli) -> None:
    """When the answer is no, the payload format with the envelope shows neither bytes nor head."""
    done = cli("preview", EXAMPLE, *AT, "--format", "payload", "--envelope")
    assert (done.code, done.out, done.err) == (3, b"", b"")


@pytest.mark.parametrize("options", [[], YES], ids=["no", "yes"])
def test_envelope_in_the_other_formats(cli: Cli, options: list[str]) -> None:
    """The other formats show the request only when asked to, whole."""
    base = ["preview", EXAMPLE, *AT, *options]
    asked = cli(*base, "--format", "json", "--envelope").data["payload"]
    assert "envelope" not in cli(*base, "--format", "json").data["payload"]
    url = asked["envelope"]["url"]
    assert asked["envelope"]["method"] == "POST"
    assert ["Content-Length", str(asked["bytes"])] in asked["envelope"]["headers"]
    for format_ in ("text", "html"):
        assert url not in cli(*base, "--format", format_).text
        shown = cli(*base, "--format", format_, "--envelope").text
        assert f"POST {url}" in shown
        for name, _ in asked["envelope"]["headers"]:
            assert f"{name}:" in shown


@pytest.mark.parametrize(
    ("moment", "profile", "period"),
    [
        ("2026-08-18", "standard", "2026-08"),
        ("2026-08-18", "exact", "2026-08-18"),
        ("2026-08-18", "strict", "2026-08"),
        ("2026-08-18T23:59:59Z", "exact", "2026-08-18"),
        ("2026-08-18T23:59:59", "exact", "2026-08-18"),
        ("2026-08-18T03:00:00+05:00", "exact", "2026-08-17"),
        ("2026-08-31T23:00:00-02:00", "standard", "2026-09"),
        ("2026-08-18 10:00+00:00", "exact", "2026-08-18"),
    ],
)
def test_at(cli: Cli, moment: str, profile: str, period: str) -> None:
    """The period is the UTC month or day of the given clock; without a zone the clock is in UTC."""
    done = cli("preview", EXAMPLE, *YES, "--at", moment, "--profile", profile, "--format", "payload")
    assert (0, period) == (done.code, done.data["period"])


@pytest.mark.parametrize("moment", ["", "today", "2026-13-01", "2026-02-30", "17.08.2026", "2026-08-17T25:00Z", "1786"])
def test_at_that_is_no_time(cli: Cli, moment: str) -> None:
    """A text that is no time is wrong usage, and the error shows how to write one."""
    done = cli("preview", EXAMPLE, "--at", moment)
    assert done.code == 2
    assert "2026-08-17T03:12:00Z" in done.error


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+02:00", "0500-01-01", "1999-12-31", "2100-01-01", "9999-12-31", "9999-12-31T23:59:59-23:00"],
)
def test_at_beyond_any_period(cli: Cli, moment: str) -> None:
    """A clock outside the years that a period can name is wrong usage, and neither a crash nor a payload."""
    done = cli("preview", "-", *YES, "--at", moment, "--format", "payload", stdin=b'{"totalUsers": 50}')
    assert (done.code, done.out) == (2, b"")
    assert done.error
    dated = cli("preview", "-", *YES, "--at", moment, "--format", "payload", stdin=document())
    assert (dated.code, dated.out) == (2, b"")


def test_now_is_the_default(cli: Cli) -> None:
    """Without a clock the machine's own counts."""
    before = f"{datetime.now(UTC):%Y-%m-%d}"
    done = cli("preview", "-", *YES, "--profile", "exact", "--format", "payload", stdin=b'{"totalUsers": 50}')
    assert done.data["period"] in (before, f"{datetime.now(UTC):%Y-%m-%d}")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, {"usage", "app"}),
        ("usage", {"usage"}),
        ("app", {"app"}),
        ("account", {"account"}),
        ("usage,app", {"usage", "app"}),
        ("app,usage,app", {"usage", "app"}),
        (" usage , account ", {"usage", "account"}),
        ("usage,app,account", {"usage", "app", "account"}),
    ],
)
def test_scope(cli: Cli, scope: str | None, expected: set[str]) -> None:
    """Only metrics of the data types that the scope names leave, and something of each does."""
    options = [] if scope is None else ["--scope", scope]
    done = cli("preview", EXAMPLE, *YES, *AT, *options, "--format", "json")
    types = {
        metric.emit: str(metric.data_type) for metric in load_catalogue().metrics.values() if not metric.is_dropped
    }
    assert done.code == 0
    assert expected == {types[row["path"]] for section in done.data["sections"] for row in section["rows"]}


@pytest.mark.parametrize(
    "scope", ["", ",", "usage,", "USAGE", "user_content", "usage,tracking", "usage;app", "all", TOKEN]
)
def test_scope_that_is_none(cli: Cli, scope: str) -> None:
    """A scope that is empty or names anything else is wrong usage, also where the answer would be no anyway."""
    for options in (YES, []):
        done = cli("preview", EXAMPLE, *options, "--scope", scope)
        assert (done.code, done.out) == (2, b"")
        assert "[scope]" in done.error
        assert_no_trace(done.err, TOKEN)


def test_scope_of_the_supposition(cli: Cli) -> None:
    """When the answer is no, what a yes would send has the scope that was asked for."""
    done = cli("preview", EXAMPLE, *AT, "--scope", "account", "--format", "json")
    assert done.code == 3
    assert {"wizard"} == {path.split(".")[0] for path in done.data["payload"]["body"]["statistics"]}


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", "no", "2", " x "])
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("RC_STATS_DISABLE", "switch-rc-stats"),
        ("DO_NOT_TRACK", "switch-do-not-track"),
        ("RC_DISABLE_STATISTICS_REPORTING", "switch-upstream"),
    ],
)
def test_kill_switch(cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, code: str, value: str) -> None:
    """A kill switch closes the gate whatever else was said, and the answer names the variable and not its value."""
    monkeypatch.setenv(name, value)
    done = cli("preview", EXAMPLE, *YES, *AT)
    assert done.code == 3
    assert f"[{code}, " in done.text
    assert name in done.text
    assert ((bare := cli("preview", EXAMPLE, *YES, *AT, "--format", "payload")).code, bare.out) == (3, b"")


@pytest.mark.parametrize("value", ["", "0", "false", "False", " 0 "])
def test_kill_switch_that_is_off(cli: Cli, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A switch that is set to nothing, 0 or false changes nothing."""
    expected = cli("preview", EXAMPLE, *YES, *AT).out
    for name in ("RC_STATS_DISABLE", "DO_NOT_TRACK", "RC_DISABLE_STATISTICS_REPORTING"):
        monkeypatch.setenv(name, value)
    assert expected == cli("preview", EXAMPLE, *YES, *AT).out


def test_kill_switches_in_a_process() -> None:
    """The process reads the switches from its own environment, and all of them are named at once."""
    done = process(["preview", EXAMPLE, *YES, *AT, "--format", "json"], RC_STATS_DISABLE="1", DO_NOT_TRACK="1")
    assert done.code == 3
    assert [rule["code"] for rule in done.data["rules"] if rule["effect"] == "closes"] == [
        "switch-rc-stats",
        "switch-do-not-track",
    ]


# The process: streams, terminals, encodings, what it loads.


@pytest.mark.parametrize("format_", ["text", "payload"])
def test_reader_that_left(format_: str) -> None:
    """Output into a pipe that nobody reads ends quietly and as a success, as with ``| head -1``."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*command(), "preview", str(EXAMPLE), *YES, *AT, "--format", format_],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            env=environment(),
            timeout=60,
        )
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize("format_", ["text", "json"])
def test_head(format_: str) -> None:
    """A reader that takes one line gets it, and nothing is complained about."""
    line = 'format=$1; shift; "$@" --format "$format" | head -1'
    done = child(["sh", "-c", line, "sh", format_, *command(), "preview", str(EXAMPLE), *YES, *AT])
    assert (done.code, done.err) == (0, b"")
    assert len(done.out.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        *(["preview", str(EXAMPLE), *YES, *AT, "--format", format_] for format_ in ("text", "json", "payload")),
        ["check", str(EXAMPLE)],
        ["--help"],
        ["--version"],
    ],
    ids=lambda arguments: " ".join(word for word in arguments if "/" not in word),
)
def test_full_disk(arguments: list[str]) -> None:
    """Output onto a full disk is one line and a failure, so that a cut file is not taken for a whole one."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*command(), *arguments], stdout=full, stderr=subprocess.PIPE, check=False, env=environment(), timeout=60
        )
    assert "No space left on device" in Done(done.returncode, b"", done.stderr).error
    assert done.returncode not in (0, 2, 3, 4, 7)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize(
    ("redirection", "arguments"),
    [
        ("<&-", ["preview"]),
        ("<&-", ["check"]),
        ("<&-", ["verify"]),
        (">&-", ["preview", str(EXAMPLE), *YES, *AT]),
        (">&-", ["preview", str(EXAMPLE), *YES, *AT, "--format", "payload"]),
        (">&-", ["explain", "totalUsers"]),
        (">&-", ["--version"]),
    ],
    ids=lambda word: word if isinstance(word, str) else " ".join(part for part in word if "/" not in part),
)
def test_closed_stream(redirection: str, arguments: list[str]) -> None:
    """A standard stream that is closed from the start is one line and a failure, not a traceback."""
    done = child(["sh", "-c", f'exec "$@" {redirection}', "sh", *command(), *arguments])
    assert done.error
    assert done.code != 0


def test_terminal_is_styled(cli: Cli) -> None:
    """On a terminal the verdict stands out, and without the styles the text is the same as in a pipe."""
    click = pytest.importorskip("click")
    for options, style in ((YES, "\x1b[1;32m"), ([], "\x1b[1;31m")):
        shown = on_terminal(["preview", EXAMPLE, *AT, *options, "--all"]).decode().replace("\r\n", "\n")
        assert shown.startswith(style)
        assert cli("preview", EXAMPLE, *AT, *options).text == click.unstyle(shown)


@pytest.mark.parametrize("extra", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_terminal_that_wants_no_style(extra: dict[str, str]) -> None:
    """NO_COLOR and a dumb terminal get plain text."""
    shown = on_terminal(["preview", EXAMPLE, *YES, *AT], **extra)
    assert shown.startswith(b"With a yes")
    assert ESCAPE.encode() not in shown


def test_no_color_that_is_empty() -> None:
    """NO_COLOR set to nothing says nothing, as its convention has it."""
    assert ESCAPE.encode() in on_terminal(["preview", EXAMPLE, *YES, *AT], NO_COLOR="")


@pytest.mark.parametrize("format_", ["json", "html"])
def test_machine_formats_are_never_styled(format_: str) -> None:
    """On a terminal too, only the text is styled."""
    assert ESCAPE.encode() not in on_terminal(["preview", EXAMPLE, *YES, *AT, "--format", format_])


def test_pipe_is_not_styled() -> None:
    """In a pipe nothing is styled, whatever the terminal is."""
    for arguments in (["preview", EXAMPLE, *AT], ["preview", "--help"], ["nosuch"]):
        done = process(arguments, TERM="xterm-256color", COLORTERM="truecolor")
        assert ESCAPE.encode() not in done.out + done.err


@pytest.mark.parametrize(("encoding", "options"), [("ascii", []), ("latin-1", YES)], ids=["ascii", "latin-1"])
def test_narrow_encoding(cli: Cli, encoding: str, options: list[str]) -> None:
    """A terminal that can't show every character gets the text with replacements, and the same exit code."""
    done = process(["preview", EXAMPLE, *AT, *options], PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    wide = cli("preview", EXAMPLE, *AT, *options)
    assert (wide.code, b"") == (done.code, done.err)
    assert wide.text.encode(encoding, "replace") == done.out


@pytest.mark.parametrize(
    ("format_", "encoding"), [("json", "ascii"), ("payload", "ascii"), ("html", "ascii"), ("html", "latin-1")]
)
def test_machine_formats_are_utf_8(cli: Cli, format_: str, encoding: str) -> None:
    """JSON, payload and HTML are the same UTF-8 bytes in any locale: a machine reads them, and the page says so."""
    arguments = ["preview", EXAMPLE, *YES, *AT, "--format", format_]
    expected = cli(*arguments)
    done = process(arguments, PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    assert (expected.code, expected.out) == (done.code, done.out)


def test_narrow_encoding_of_errors(cli: Cli) -> None:
    """An error with a masked key is one line on a terminal that can't show the mask."""
    made = cli("preview", EXAMPLE, *YES, *AT, "--format", "payload").data
    forged = canonical({**made, "statistics": {TOKEN: 1}})
    done = process(["verify"], stdin=forged, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.code == 4
    assert done.error


NETWORK = [
    "socket",
    "_socket",
    "ssl",
    "_ssl",
    "http.client",
    "urllib.request",
    "asyncio",
    "selectors",
    "smtplib",
    "ftplib",
]
PULLED_IN_BY_JINJA2: list[str] = []
"""Network modules that rendering HTML loads; Jinja2 loads asyncio only for an asynchronous environment."""


@pytest.mark.parametrize(
    ("format_", "options", "allowed"),
    [
        ("text", [], []),
        ("text", [*YES, "--envelope"], []),
        ("json", [*YES, "--envelope"], []),
        ("payload", [*YES, "--envelope"], []),
        ("html", [*YES, "--envelope"], PULLED_IN_BY_JINJA2),
    ],
    ids=lambda word: word if isinstance(word, str) else "",
)
def test_preview_loads_no_network(format_: str, options: list[str], allowed: list[str]) -> None:
    """A preview loads no module that could reach a network, nor the checker of catalogues, in any format."""
    code = (
        "import sys\nfrom rc_stats.__main__ import main\nmain()\nsys.stdout.flush()\n"
        f"names = {[*NETWORK, 'pydantic']!r}\n"
        "sys.stderr.write('loaded ' + ' '.join(name for name in names if name in sys.modules) + '\\n')"
    )
    done = child([sys.executable, "-c", code, "preview", str(EXAMPLE), *AT, *options, "--format", format_])
    last = done.err.decode().splitlines()[-1]
    assert allowed == last.split()[1:]


@pytest.mark.parametrize("arguments", [[], ["preview"], ["--help"], ["nosuch"]], ids=" ".join)
def test_without_click(arguments: list[str]) -> None:
    """Without the extra, every call is one line that names it and how to install it, with exit code 2."""
    done = without("click", *arguments)
    assert (done.code, done.out) == (2, b"")
    assert "pip install 'rc-stats[cli]'" in done.error
    assert "[missing-extra]" in done.error


def test_version_without_click() -> None:
    """The version is told without the extra too."""
    assert (0, f"rc-stats {__version__}\n") == ((done := without("click", "--version")).code, done.text)


def test_without_jinja2() -> None:
    """Without Jinja2 the HTML format is one line that names the extra; the other formats work."""
    done = without("jinja2", "preview", str(EXAMPLE), *YES, *AT, "--format", "html")
    assert (done.code, done.out) == (2, b"")
    assert "pip install 'rc-stats[cli]'" in done.error
    assert without("jinja2", "preview", str(EXAMPLE), *YES, *AT).code == 0


def test_other_missing_module_is_not_hidden() -> None:
    """A missing dependency that no extra brings is not reported as a missing extra."""
    done = without("orjson", "preview", str(EXAMPLE))
    assert b"missing-extra" not in done.err
    assert b"orjson" in done.err
    assert done.code != 0


@pytest.mark.parametrize(
    ("shell", "word", "expected"),
    [
        ("bash", "3", ["plain,standard", "plain,strict"]),
        ("zsh", "3", ["plain", "standard", "_", "plain", "strict", "_"]),
        ("fish", "st", ["plain,standard", "plain,strict"]),
    ],
)
def test_completion(shell: str, word: str, expected: list[str]) -> None:
    """Each shell gets a script, and the words of an option are completed."""
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("needs bash, whose version the script depends on")
    script = process([], _RC_STATS_COMPLETE=f"{shell}_source")
    assert script.code == 0
    assert f"_RC_STATS_COMPLETE={shell}_complete" in script.text
    assert "rc-stats" in script.text
    done = process(
        [], _RC_STATS_COMPLETE=f"{shell}_complete", COMP_WORDS="rc-stats preview --profile st", COMP_CWORD=word
    )
    assert expected == done.text.split()


def test_completion_of_verbs_and_files() -> None:
    """Verbs are completed, and the argument of preview is completed by the shell's own file names."""
    verbs = process([], _RC_STATS_COMPLETE="bash_complete", COMP_WORDS="rc-stats ", COMP_CWORD="1").text
    assert sorted(VERBS) == sorted(line.removeprefix("plain,") for line in verbs.split())
    files = process([], _RC_STATS_COMPLETE="bash_complete", COMP_WORDS="rc-stats preview ", COMP_CWORD="2").text
    assert "file" in files


# check


def test_check_finds_nothing(cli: Cli) -> None:
    """A document that the catalogue knows has no drift."""
    assert ((done := cli("check", EXAMPLE)).code, done.text, done.err) == (0, "No drift in 1 document.\n", b"")
    many = cli("check", SAMPLES / "statistics-6.6.0.list.json", "--format", "json")
    assert (many.code, many.data) == (0, {"documents": 5, "drift": []})


def test_check_finds_drift(cli: Cli) -> None:
    """Unknown paths and JSON types are named, masked and counted, with exit code 7 and one line of error."""
    raw = document(totalFrobnicatedRooms=1, totalRooms="12", **{TOKEN: {TOKEN: TOKEN}})
    done = cli("check", "-", stdin=raw)
    assert done.code == 7
    assert done.text.splitlines() == ["totalRooms (a JSON type that is not known there)", f"total{MASK}Rooms", MASK]
    assert "3 paths" in done.error
    assert "[drift]" in done.error
    assert_no_trace(done.out + done.err, TOKEN)
    data = cli("check", "-", "--format", "json", stdin=raw)
    assert (7, {"documents": 1, "drift": done.text.splitlines()}) == (data.code, data.data)
    assert "1 path " in cli("check", "-", stdin=document(**{TOKEN: 1})).error


def test_check_looks_at_all_documents(cli: Cli) -> None:
    """Of several documents each is looked at, and the same drift is told once."""
    lines = [document(), document(brandNew=1), document(brandNew=2), document(totalUsers=[])]
    assert len(cli("check", "-", "--format", "json", stdin=b"\n".join(lines)).data["drift"]) == 2


def test_check_shows_keys_escaped(cli: Cli) -> None:
    """With --show-values a key is spelt out, and control characters and right-to-left marks are escaped."""
    hostile = f"new{ESCAPE}[2J\x07\r\n\x00\u202egnp.exe\u2066\u200b\x85\u2028é"
    raw = document(**{hostile: 1})
    done = cli("check", "-", "--show-values", stdin=raw)
    assert done.code == 7
    assert [ascii(hostile)[1:-1]] == done.text.splitlines()
    assert done.text.rstrip("\n").isprintable()
    assert done.text.isascii()
    assert "--show-values" not in done.error
    assert [ascii(hostile)[1:-1]] == cli("check", "-", "--show-values", "--format", "json", stdin=raw).data["drift"]


def test_check_shows_no_values(cli: Cli) -> None:
    """Even with --show-values only keys are spelt, never what stands at them."""
    done = cli("check", "-", "--show-values", stdin=document(brandNew=TOKEN, totalRooms=TOKEN))
    assert_no_trace(done.out + done.err, TOKEN)


def test_preview_of_drift(cli: Cli) -> None:
    """Drift is no reason for preview to fail; it is named and masked."""
    done = cli("preview", "-", *YES, *AT, stdin=document(**{TOKEN: TOKEN}))
    assert done.code == 0
    assert "that the catalogue doesn't know; dropped" in done.text
    assert_no_trace(done.out, TOKEN)


# verify


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_verify_accepts_what_preview_printed(cli: Cli, path: Path, profile: Profile) -> None:
    """Every payload that preview prints could have come from here, from a file and from standard input."""
    options = ["--scope", "usage,app,account", "--profile", profile, *AT, "--format", "payload", "--opt-in"]
    made = cli("preview", path, "--workspace", "registered", *options)
    assert made.code == 0
    done = cli("verify", "-", stdin=made.out)
    assert (done.code, done.err) == (0, b"")
    assert f"sha256 {hashlib.sha256(made.out).hexdigest()}" in done.text
    assert f"{len(made.out)} bytes" in done.text


def test_verify_of_a_file(cli: Cli, tmp_path: Path) -> None:
    """The captured bytes may stand in a file."""
    path = tmp_path / "captured"
    path.write_bytes(cli("preview", EXAMPLE, *YES, *AT, "--format", "payload").out)
    assert cli("verify", path).code == 0


def tampered(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what somebody could have made of a payload."""

    def changed(**changes: Any) -> bytes:
        return canonical({**json.loads(body), **changes})

    statistics = json.loads(body)["statistics"]
    yield "empty", b""
    yield "text", TOKEN.encode()
    yield "a list", b"[]\n"
    yield "no newline", body.rstrip()
    yield "two newlines", body + b"\n"
    yield "spaces", json.dumps(json.loads(body)).encode()
    yield "mark", b"\xef\xbb\xbf" + body
    yield "gzip", gzip.compress(body)
    yield "truncated", body[:-20]
    yield "a key more", changed(instance=TOKEN)
    yield "unknown metric", changed(statistics={**statistics, TOKEN: 1})
    yield "text for a number", changed(statistics={**statistics, "totalUsers": TOKEN})
    yield "negative", changed(statistics={**statistics, "totalUsers": -1})
    yield "finer version", changed(statistics={**statistics, "mongoVersion": "7.0.14"})
    yield "dropped metric", changed(statistics={**statistics, "uniqueId": TOKEN})
    yield "no list", changed(statistics=[])
    yield "digest", changed(catalogue={"digest": f"sha256:{'0' * 64}", "version": 1})
    yield "format", changed(format=2)
    yield "boolean format", changed(format=True)
    yield "profile", changed(profile="finest")
    yield "period", changed(period="2026-08-18")
    yield "workspace", changed(workspace="unregistered")


WAYS_TO_TAMPER = [name for name, _ in tampered(b'{"statistics":{}}')]


@pytest.mark.parametrize("way", WAYS_TO_TAMPER)
def test_verify_refuses(cli: Cli, way: str) -> None:
    """Whatever was changed is refused in one line with exit code 4, which names no value."""
    body = dict(tampered(cli("preview", EXAMPLE, *YES, *AT, "--format", "payload").out))[way]
    done = cli("verify", "-", stdin=body)
    assert (done.code, done.out) == (4, b"")
    assert "This did not come from rc-stats: " in done.error
    assert "[not-a-payload]" in done.error
    assert_no_trace(done.err, TOKEN)


def test_verify_names_three_faults_and_counts_the_rest(cli: Cli) -> None:
    """A payload with many faults is still one line."""
    body = cli("preview", EXAMPLE, *YES, *AT, "--format", "payload").out
    statistics = {f"totalBrandNew{number}": 1 for number in range(10)}
    done = cli("verify", "-", stdin=canonical({**json.loads(body), "statistics": statistics}))
    assert "; and 7 more. [not-a-payload]" in done.error


def test_verify_of_a_large_file(cli: Cli, tmp_path: Path) -> None:
    """A file of 2 GB is refused without being read."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**31)
    assert cli("verify", path).code == 4


# explain


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("totalChannels", "totalChannels"),
        ("os.cpus[0].model", "os.cpus[].model"),
        ("os.cpus[].model", "os.cpus[].model"),
        ("os.cpus.model", "os.cpus[].model"),
        ("os.cpus.count", "os.cpus[]"),
        ("_id", "_id"),
        ("wizard.country", "wizard.country"),
    ],
)
def test_explain(cli: Cli, spelling: str, path: str) -> None:
    """A path is found as the catalogue, the document with its index, and the payload spell it."""
    data = cli("explain", spelling, "--format", "json")
    assert (data.code, data.err) == (0, b"")
    payload_path = data.data["payload_path"]
    assert path == data.data["path"] or spelling == payload_path
    text = cli("explain", spelling)
    assert text.code == 0
    assert text.text.startswith(f"{data.data['path']}\n")
    assert data.data["clause"] in text.text


def test_explain_every_path(cli: Cli) -> None:
    """Every metric is found by its path and, if it leaves, by its place in the payload."""
    catalogue = load_catalogue()
    for metric in catalogue.metrics.values():
        assert metric is catalogue.find(metric.path)
        found = None if metric.is_dropped else catalogue.find(metric.emit)
        assert metric.is_dropped or (found is not None and found.emit == metric.emit), metric.path


def test_explain_says_never(cli: Cli) -> None:
    """A path that never leaves is explained with its reason."""
    assert "  Leaves:     Never: " in cli("explain", "uniqueId").text


def test_explain_unknown(cli: Cli) -> None:
    """An unknown path is wrong usage: near misses are suggested, and the path itself is not repeated."""
    near = cli("explain", "totalchanels")
    assert (near.code, near.out) == (2, b"")
    assert "[unknown-path] Did you mean totalChannels" in near.error
    far = cli("explain", TOKEN)
    assert far.code == 2
    assert "rc-stats metrics" in far.error
    assert_no_trace(far.err, TOKEN)


@pytest.mark.parametrize("path", ["", ".", "[0]", "*", "(", "a" * 100_000, "\x00\x1b[31m", "\udcff", "totalUsers."])
def test_explain_of_nonsense(cli: Cli, path: str) -> None:
    """Any text is a known path or one line of error."""
    done = cli("explain", path)
    assert done.code == 2
    assert done.error


# metrics


def test_metrics_formats(cli: Cli) -> None:
    """The catalogue is listed as text, JSON and Markdown, each with every path."""
    paths = list(load_catalogue().metrics)
    data = cli("metrics", "--format", "json")
    assert (0, paths) == (data.code, [metric["path"] for metric in data.data])
    for format_, spelling in (("text", "  {} "), ("markdown", "| `{}` |")):
        done = cli("metrics", "--format", format_)
        assert (done.code, done.err) == (0, b"")
        assert [path for path in paths if spelling.format(path) not in done.text] == []
    assert cli("metrics").out == cli("metrics", "--format", "text").out


def test_metrics_filters(cli: Cli) -> None:
    """Section, data type and whether a path can leave each narrow the list, and together."""

    def chosen(*options: str) -> set[str]:
        return {metric["path"] for metric in cli("metrics", "--format", "json", *options).data}

    every = load_catalogue().metrics
    assert {path for path, m in every.items() if m.is_dropped} == chosen("--staying")
    assert {path for path, m in every.items() if not m.is_dropped} == chosen("--leaving")
    for section in {m.section for m in every.values()}:
        expected = {path for path, m in every.items() if m.section == section}
        assert expected == chosen("--section", section) == chosen("--section", section.upper())
    for data_type in {str(m.data_type) for m in every.values()}:
        assert {path for path, m in every.items() if m.data_type == data_type} == chosen("--data-type", data_type)
    both = chosen("--section", "Server", "--data-type", "usage", "--leaving")
    assert {p for p, m in every.items() if (m.section, m.data_type) == ("Server", "usage") and not m.is_dropped} == both


def test_metrics_wrong_words_are_answered(cli: Cli) -> None:
    """A section or data type that doesn't exist is answered with those that do."""
    assert "deployment" in cli("metrics", "--section", "Nowhere").error
    assert "account" in cli("metrics", "--data-type", "secret").error


OWN_CATALOGUE = """
format = 1
name = "example-app"
title = "An example app"
version = 1
threshold = 10

[facts]
people = "seats"
made_at = ""
apps = ""
platform = ""
hosted_platform = ""

[bands]

[kinds.structural]
label = "totals of things"
clause = "statistics-sharing"
operators = ["count"]
exact = {}
standard = {}
strict = {}

[[metric]]
path = "seats"
operator = "count"
kind = "structural"
data_type = "app"
section = "Apps"
unit = "seats"
json = "integer"
minimum = 0
maximum = 1000
says = "How many seats the example app has."
useful = "Shows how large its users are."
source = "example.ts"
added = 1
"""


@pytest.mark.parametrize(
    "left_out", ["", "[bands]\n", "exact = {}\n", "exact = {}\nstandard = {}\nstrict = {}\n"], ids=repr
)
def test_lint_of_a_good_file(cli: Cli, tmp_path: Path, left_out: str) -> None:
    """A catalogue of one's own that keeps the rules is accepted and summed up, also without what may be left out."""
    path = tmp_path / "own.toml"
    assert left_out in OWN_CATALOGUE
    path.write_text(OWN_CATALOGUE.replace(left_out, ""), encoding="utf-8")
    done = cli("metrics", "--lint", path)
    assert (done.code, done.err) == (0, b"")
    assert done.text.startswith("example-app version 1: 1 metric")
    assert done.text.endswith(", no problems.\n")


def test_one_metric_is_singular(cli: Cli, tmp_path: Path) -> None:
    """A catalogue with one metric is summed up in the singular."""
    path = tmp_path / "own.toml"
    path.write_text(OWN_CATALOGUE, encoding="utf-8")
    assert "1 metric," in cli("metrics", "--lint", path).text


def test_lint_of_the_packaged_catalogue(cli: Cli) -> None:
    """The packaged sources pass, given file by file."""
    sources = sorted((ROOT / "src" / "rc_stats" / "data" / "catalogue").glob("*.toml"))
    done = cli("metrics", *(word for path in sources for word in ("--lint", str(path))))
    assert (done.code, done.err) == (0, b"")
    assert f"{len(load_catalogue().metrics)} metrics" in done.text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('says = "How many seats the example app has."', 'says = "seats"', "seats: needs one plain sentence"),
        ('data_type = "app"', 'data_type = "user_content"', "user content can only be dropped or counted"),
        ('operator = "count"\nkind', 'operator = "guess"\nkind', "unknown operator"),
        ("maximum = 1000", "maximum = 0", "needs bounds"),
        ("threshold = 10", "threshold = 5", "threshold"),
        ('clause = "statistics-sharing"', 'clause = "nowhere"', "unknown clause nowhere"),
        ("added = 1", 'added = "1"', "metric seats: added"),
        ("added = 1", "added = 1\nwish = 1", "metric seats: wish"),
        ("added = 1", f"added = 1\n{'[[metric]]' + OWN_CATALOGUE.partition('[[metric]]')[2]}", "defined twice"),
        ('people = "seats"', 'people = "chairs"', "unknown path chairs"),
        ("version = 1", "version = ", "is not TOML"),
    ],
)
def test_lint_of_a_bad_file(cli: Cli, tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A catalogue that breaks a rule is refused in one line that names the place, with exit code 4."""
    assert old in OWN_CATALOGUE
    path = tmp_path / "own.toml"
    path.write_text(OWN_CATALOGUE.replace(old, new, 1), encoding="utf-8")
    done = cli("metrics", "--lint", path)
    assert (done.code, done.out) == (4, b"")
    assert expected in done.error
    assert "[catalogue-lint]" in done.error


def test_lint_names_all_problems(cli: Cli, tmp_path: Path) -> None:
    """All problems are named at once."""
    path = tmp_path / "own.toml"
    broken = OWN_CATALOGUE.replace('unit = "seats"', 'unit = ""').replace('source = "example.ts"', 'source = ""')
    path.write_text(broken, encoding="utf-8")
    error = cli("metrics", "--lint", path).error
    assert "The catalogue has 2 problems: " in error
    assert "needs a unit" in error
    assert "needs an upstream source" in error


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"metric = 3",
        b"metric = {}",
        b"metric = [3]",
        b"vocabularies = 3",
        b"kinds = 3",
        b"[[metric]]\npath = 3",
        b'[[metric]]\npath = "a\\nb\\u001b[31m"',
        b"[kinds.x]",
        b"x = " + b"9" * 5_000,
        b"x = " + b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:40]),
)
def test_lint_of_nonsense(cli: Cli, tmp_path: Path, content: bytes) -> None:
    """Any file that is no catalogue is refused in one line with exit code 4."""
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    done = cli("metrics", "--lint", path)
    assert (done.code, done.out) == (4, b"")
    assert done.error


def test_lint_of_a_file_that_is_none(cli: Cli, tmp_path: Path) -> None:
    """A directory and a missing file are each one line with exit code 4, without the way there."""
    for path in (tmp_path, tmp_path / "missing.toml"):
        done = cli("metrics", "--lint", path)
        assert done.code == 4
        assert "[unreadable]" in done.error
        assert str(tmp_path) not in done.error
