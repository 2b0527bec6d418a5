"""How tests run the command: in this process, as one of its own, on a terminal, or where something isn't installed."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rc_stats.cli import run

ROOT = Path(__file__).parent.parent

Cli = Callable[..., "Done"]


class Done:
    """What a run of the command left behind."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def text(self) -> str:
        """What stands on standard output."""
        return self.out.decode()

    @property
    def error(self) -> str:
        """The one line on standard error; it is an error if there is more, or something else."""
        lines = self.err.decode().splitlines()
        assert len(lines) == 1, self.err.decode()
        assert lines[0].startswith("rc-stats: "), lines[0]
        assert lines[0].isprintable(), lines[0]
        return lines[0]

    @property
    def data(self) -> Any:
        """The JSON on standard output."""
        return json.loads(self.out)


def caller(capture: pytest.CaptureFixture[bytes], patch: pytest.MonkeyPatch) -> Cli:
    """Return a function that runs the command in this process."""

    def call(*arguments: object, stdin: bytes | None = None) -> Done:
        if stdin is not None:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capture.readouterr()
        code = run([str(argument) for argument in arguments])
        return Done(code, *capture.readouterr())

    return call


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a child process: this one's without what changes the look of output, and *extra*."""
    looks = {"NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM", "COLUMNS", "LINES", "LESS"}
    looks |= {"PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL", "LANG"}
    plain = {name: value for name, value in os.environ.items() if name not in looks}
    return {**plain, "PYTHONUTF8": "1", "PAGER": "cat", **extra}


def command() -> list[str]:
    """Return how the installed command is called."""
    script = shutil.which("rc-stats", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "rc_stats"]


def process(arguments: Sequence[object], *, stdin: bytes = b"", **extra: str) -> Done:
    """Run the command as a process of its own."""
    return child([*command(), *map(str, arguments)], stdin=stdin, **extra)


def child(words: Sequence[str], *, stdin: bytes = b"", **extra: str) -> Done:
    """Run any process."""
    done = subprocess.run(
        words, input=stdin, capture_output=True, check=False, env=environment(**extra), cwd=ROOT, timeout=60
    )
    return Done(done.returncode, done.stdout, done.stderr)


def on_terminal(arguments: Sequence[object], **extra: str) -> bytes:
    """Return what the command writes to a terminal."""
    return asked(arguments, None, **extra)[1]


def asked(arguments: Sequence[object], typed: bytes | None, **extra: str) -> tuple[int, bytes]:
    """Run the command on a terminal, where *typed* answers its question; return its exit code and what it shows."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [*command(), *map(str, arguments)],
        stdin=subprocess.DEVNULL if typed is None else slave,
        stdout=slave,
        stderr=slave,
        env=environment(**{"TERM": "xterm-256color", **extra}),
    ) as running:
        os.close(slave)
        try:
            while chunk := os.read(master, 65536):
                shown += chunk
                if typed and b"[y/N]: " in shown:
                    os.write(master, typed)
                    typed = b""
        except OSError:
            pass  # This is how Linux says that the other side has closed.
        code = running.wait(60)
    os.close(master)
    return code, shown


def without(module: str, *arguments: str) -> Done:
    """Run the command where *module* is not installed."""
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {module!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from rc_stats.__main__ import main\n"
        "raise SystemExit(main())\n"
    )
    return child([sys.executable, "-c", code, *arguments])
