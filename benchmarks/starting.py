"""How long a process takes from its start to its end, on an installed wheel with byte code."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from documents import EXAMPLE, ROOT
from measuring import Figure, figure, in_turns, run

BARE: Final = "python -c pass"
VERSION: Final = "rc-stats --version"
PREVIEW: Final = "rc-stats preview FILE"
IMPORT: Final = "import rc_stats"
READY: Final = "an Anonymiser, ready"
GOALS: Final = {VERSION: 5.0, PREVIEW: 15.0, IMPORT: 10.0}
"""At most this many times the start of a bare Python."""

_SECONDS_TO_BUILD: Final = 120


@dataclass(frozen=True, slots=True)
class Installed:
    """
    Where what is started stands.

    Attributes:
        how: In words.
        is_wheel: Whether it is as users have it.
    """

    python: Path
    how: str
    is_wheel: bool

    @property
    def environment(self) -> dict[str, str]:
        """What processes of it are started with: nothing that would change what Python finds, or keeps."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return plain if self.is_wheel else dict(os.environ)

    @property
    def words(self) -> list[str]:
        """What the command is called by."""
        return [str(self.script)] if self.script.exists() else [str(self.python), "-m", "rc_stats"]

    @property
    def script(self) -> Path:
        """The command beside the interpreter."""
        return self.python.with_name("rc-stats.exe" if os.name == "nt" else "rc-stats")


def build(folder: Path) -> Path | None:
    """Return the wheel of this source, built into *folder*; None if it can't be built here."""
    apart = [] if find_spec("hatchling") is None else ["--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--retries", "0", "--timeout", "10"]
    try:
        subprocess.run(
            [*command, *apart, "--wheel-dir", str(folder), str(ROOT)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS_TO_BUILD,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return next(folder.glob("rc_stats-*.whl"), None)


def install(folder: Path) -> Installed:
    """
    Return an environment in *folder* that has the wheel, with byte code, and this environment's dependencies.

    They are reached by a path alone, so nothing else that this environment runs at a start is run there.
    """
    wheel = build(folder)
    if wheel is None:
        how = "this environment's own installation: no wheel could be built (it takes hatchling, or a package index)"
        return Installed(Path(sys.executable), how, is_wheel=False)
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    python = made / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--compile", str(wheel)], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    there = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True).stdout.strip()
    others = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (Path(there) / "dependencies.pth").write_text("\n".join(others) + "\n", encoding="utf-8")
    return Installed(python, "an installed wheel with byte code", is_wheel=True)


def commands(installed: Installed) -> dict[str, list[str]]:
    """Return what is started, by name; the console script only where one is installed."""
    python = str(installed.python)
    ready = "import rc_stats; rc_stats.Anonymiser(rc_stats.load_catalogue())"
    found = {
        BARE: [python, "-c", "pass"],
        IMPORT: [python, "-c", "import rc_stats"],
        READY: [python, "-c", ready],
    }
    if installed.script.exists():
        found[VERSION] = [str(installed.script), "--version"]
        found[PREVIEW] = [str(installed.script), "preview", str(EXAMPLE)]
    else:
        print("No rc-stats command stands beside this Python; its start is not measured.", file=sys.stderr)
    return found


def measure(installed: Installed, rounds: int) -> list[Figure]:
    """Measure how long a process takes from its start to its end."""
    chosen = commands(installed)
    environment = installed.environment
    calls: dict[str, Callable[[], object]] = {}
    for name, command in chosen.items():
        # The first run also fills the caches. A preview that shows a closed gate is a preview: exit code 3.
        exit_code = run(command, environment=environment)
        if exit_code not in (0, 3):
            print(f"{name} ended with exit code {exit_code}; it is not measured.", file=sys.stderr)
        else:
            calls[name] = lambda command=command: run(command, environment=environment)  # type: ignore[misc]
    taken = in_turns(calls, rounds)
    floor = taken.pop(BARE)
    return [figure(name, "process", own, floor, GOALS.get(name)) for name, own in taken.items()]
