"""
From a driver's error to a :class:`~rc_stats.errors.StoreError`: one rule for each thing that can be wrong.

A driver's error holds the statement, its parameters and often the row. None of it gets out: not in the message, and not
as the cause or context of ours.
"""

from __future__ import annotations

import errno
import functools
import sqlite3
from collections.abc import Callable, Iterable
from typing import Final, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rc_stats.errors import StoreError

P = ParamSpec("P")
R = TypeVar("R")

_TEXTS: Final = {
    "store-closed": ("The store was closed.", "Open it again."),
    "store-corrupt": (
        "The store is damaged.",
        "Restore it from a backup, or move it away; then nothing is agreed to until an admin opts in again.",
    ),
    "store-failed": ("The database refused.", "Look at the database itself; its own log says more."),
    "store-foreign": ("The database holds tables that are not of rc-stats.", "Name a database of its own."),
    "store-full": ("There is no room for the store to grow.", "Free some space where it is kept, and try again."),
    "store-locked": (
        "The store is locked by another process.",
        "Try again; if it stays locked, look for a process that hangs.",
    ),
    "store-missing": ("There is no store yet.", "The first opt-in or opt-out makes it."),
    "store-newer": ("The store was written by a newer version of rc-stats.", "Update rc-stats on this machine."),
    "store-read-only": (
        "The store can't be written.",
        "Let the account that runs rc-stats write to the file and its directory, or to the database's schema.",
    ),
    "store-unreachable": (
        "The store can't be reached.",
        "Check its address, and that its directory is there or its server runs and lets this account in.",
    ),
}

_OF_SQLITE: Final = {
    "SQLITE_BUSY": "store-locked",
    "SQLITE_LOCKED": "store-locked",
    "SQLITE_PROTOCOL": "store-locked",
    "SQLITE_READONLY": "store-read-only",
    "SQLITE_PERM": "store-read-only",
    "SQLITE_AUTH": "store-read-only",
    "SQLITE_FULL": "store-full",
    # What a full disk, a quota or a limit on file sizes looks like, depending on which file was to grow.
    "SQLITE_IOERR_WRITE": "store-full",
    "SQLITE_IOERR_SHMSIZE": "store-full",
    "SQLITE_CORRUPT": "store-corrupt",
    "SQLITE_NOTADB": "store-corrupt",
    "SQLITE_FORMAT": "store-corrupt",
    "SQLITE_IOERR_SHORT_READ": "store-corrupt",
    "SQLITE_CANTOPEN": "store-unreachable",
}
"""By the longest name that fits: SQLite's extended codes begin with the name of the plain one."""

_OF_POSTGRESQL: Final = {
    "08": "store-unreachable",
    "25006": "store-read-only",
    "25P03": "store-locked",
    "28": "store-unreachable",
    "3D": "store-unreachable",
    "40": "store-locked",
    "42501": "store-read-only",
    "53": "store-full",
    "53300": "store-unreachable",
    "55P03": "store-locked",
    "57": "store-unreachable",
    "57014": "store-locked",
    "XX001": "store-corrupt",
    "XX002": "store-corrupt",
}
"""By the longest beginning of the SQLSTATE."""

_OF_SYSTEM: Final = {
    errno.ENOSPC: "store-full",
    errno.EDQUOT: "store-full",
    errno.EFBIG: "store-full",
    errno.EACCES: "store-read-only",
    errno.EPERM: "store-read-only",
    errno.EROFS: "store-read-only",
}


def fault(rule: str, message: str = "", remedy: str = "") -> StoreError:
    """Return the error of *rule*, with its own words where none are given."""
    plain = _TEXTS.get(rule, ("", ""))
    return StoreError(message or plain[0], rule=rule, remedy=remedy or plain[1])


def guarded(call: Callable[P, R]) -> Callable[P, R]:
    """Let no error of a driver or of the system out of *call*: only what it means."""

    @functools.wraps(call)
    def guarding(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return call(*arguments, **named)
        except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeError) as error:
            rule = rule_of(error)
        raise fault(rule)  # outside, so that the driver's error is not its context

    return guarding


def rule_of(error: BaseException) -> str:
    """Return the rule that *error*, of SQLAlchemy, a driver or the system, stands for."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, UnicodeDecodeError):  # Python's, of a damaged file's names in the driver's own message
        return "store-corrupt"
    if isinstance(error, OSError):
        return _OF_SYSTEM.get(error.errno or 0, "store-unreachable")
    if isinstance(error, sqlite3.Error):
        # Without a code it is Python's own: text that is not UTF-8.
        name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
        return _longest(_OF_SQLITE, name) or "store-failed"
    if hasattr(error, "sqlstate"):
        # Without a state the server has not answered.
        return (_longest(_OF_POSTGRESQL, error.sqlstate) or "store-failed") if error.sqlstate else "store-unreachable"
    return "store-failed"


def _longest(rules: dict[str, str], code: str) -> str | None:
    fitting: Iterable[str] = (begin for begin in rules if code.startswith(begin))
    return rules.get(max(fitting, key=len, default=""))
