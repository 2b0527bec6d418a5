"""
Where the configuration and the store are unless somebody says otherwise.

It loads nothing of weight, so that a preview can find out that there is no configuration and no store, and go on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PREFIX: Final = "RC_STATS_"
FILE: Final = "RC_STATS_CONFIG"
"""The environment variable that names the configuration file."""

APART: Final = frozenset({FILE, "RC_STATS_AUTH_TOKEN", "RC_STATS_DISABLE", "RC_STATS_USER_ID"})
"""Environment variables that are read elsewhere: credentials, the kill switch and the place of the configuration."""

_APP: Final = "rc-stats"
_STORE: Final = "rc-stats.sqlite3"
_IS_LINUX: Final = sys.platform.startswith("linux")


def configuration_file(environment: Mapping[str, str]) -> Path | None:
    """Return the configuration file that *environment* names, else the user's if there is one, else None."""
    if named := environment.get(FILE):
        return Path(named)
    usual = _home(environment, "XDG_CONFIG_HOME", ".config")
    return usual / "config.toml" if usual is not None and is_there(usual / "config.toml") else None


def has_settings(environment: Mapping[str, str]) -> bool:
    """Say whether *environment* sets anything that the configuration reads."""
    return any(name.startswith(PREFIX) and name not in APART and text for name, text in environment.items())


def store_file(environment: Mapping[str, str]) -> Path | None:
    """Return where the store is by default; None if this system keeps it nowhere, for want of a home."""
    if _IS_LINUX:  # without the weight of platformdirs, which says the same
        usual = _home(environment, "XDG_STATE_HOME", ".local/state")
        return None if usual is None else usual / _STORE
    try:
        import platformdirs  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return None
    return platformdirs.user_state_path(_APP, appauthor=False) / _STORE


def has_store(url: str | None, environment: Mapping[str, str]) -> bool:
    """Say whether there is a store at *url* already; of a server's database, only that it may be there."""
    if url is None:
        usual = store_file(environment)
        return usual is not None and is_there(usual)
    if url.startswith("sqlite:///"):
        return is_there(Path(url.removeprefix("sqlite:///")))
    return "://" in url or is_there(Path(url))


def is_there(path: Path) -> bool:
    """Say whether there is anything at *path*; also if this account may not look, so that the doubt comes up later."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _home(environment: Mapping[str, str], variable: str, otherwise: str) -> Path | None:
    named = environment.get(variable, "")
    if os.path.isabs(named):  # noqa: PTH117 - of a text that may be empty
        return Path(named) / _APP
    try:
        return Path.home() / otherwise / _APP
    except RuntimeError:
        return None
