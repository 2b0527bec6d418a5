"""
A real PostgreSQL server for the tests, from the system's package: one for each process of the suite, on a socket.

It ends with the process that started it, however that ends, and takes its directory with it.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
import pytest

ACCOUNTS: Final = ("postgres", "nobody")
"""PostgreSQL refuses to run as root; then it runs as one of these."""

_WITH_ITS_PARENT: Final = """
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
  -c max_connections=60 -c shared_buffers=16MB -c log_min_messages=fatal >"$2/log" 2>&1 </dev/null &
server=$!
read -r _
kill -INT $server
wait $server
rm -rf "$2"
"""
"""Ends the server when its own standard input ends, and so with the process at the other end."""


class NoServerError(Exception):
    """There is no PostgreSQL on this machine, or it can't be started."""


@dataclass(frozen=True)
class Server:
    """
    A running server.

    Attributes:
        directory: Holds the socket and the data.
    """

    directory: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        """Return the address of *database*."""
        return f"postgresql://tester@/{database}?host={quote(str(self.directory))}"

    def stop(self) -> None:
        """End the server and remove what it left."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=30)


def programs() -> Path:
    """Return the directory with initdb and postgres."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(4))
    found = shutil.which("initdb")
    for directory in [*([Path(found).resolve().parent] if found else []), *reversed(packaged)]:
        if all((directory / name).exists() for name in ("initdb", "postgres")):
            return directory
    raise NoServerError("no PostgreSQL server is installed: initdb is neither on PATH nor in /usr/lib/postgresql")


def start() -> Server:
    """Start a server and wait until it answers."""
    binaries = programs()
    directory = Path(tempfile.mkdtemp(prefix="rc-stats-pg-"))
    who = _account(directory)
    initdb = [str(binaries / "initdb"), "-D", str(directory / "data"), "-U", "tester", "-A", "trust", "-E", "UTF8"]
    options = ["--locale=C", "--no-sync", "--no-instructions"]
    made = subprocess.run([*initdb, *options], capture_output=True, text=True, check=False, cwd=directory, **who)
    if made.returncode:
        shutil.rmtree(directory, ignore_errors=True)
        raise NoServerError(f"initdb failed: {made.stderr[-500:]}")
    process = subprocess.Popen(
        ["sh", "-c", _WITH_ITS_PARENT, "sh", str(binaries), str(directory)],
        stdin=subprocess.PIPE,
        cwd=directory,
        start_new_session=True,  # an interrupt from the keyboard is for the tests
        **who,
    )
    server = Server(directory, process)
    deadline = time.monotonic() + 30
    while not _answers(server):
        if time.monotonic() > deadline:
            log = directory / "log"
            said = log.read_text(errors="replace")[-500:] if log.exists() else ""
            server.stop()
            raise NoServerError(f"PostgreSQL doesn't start: {said}")
        time.sleep(0.05)
    return server


def _account(directory: Path) -> dict[str, Any]:
    """Return as whom to run, and give *directory* to them."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in known:
            user, group = known[name].pw_uid, known[name].pw_gid
            os.chown(directory, user, group)
            return {"user": user, "group": group, "extra_groups": []}
    shutil.rmtree(directory)
    raise NoServerError("PostgreSQL doesn't run as root, and there is no other account to run it as")


def _answers(server: Server) -> bool:
    try:
        psycopg.connect(server.url(), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@functools.cache
def shared() -> Server | str:
    """Return the one server of this process, or why there is none."""
    try:
        server = start()
    except NoServerError as missing:
        return str(missing)
    atexit.register(server.stop)
    return server


def running() -> Server:
    """Return a running server; skip the test where there is none, but not in continuous integration."""
    server = shared()
    if isinstance(server, str):
        if os.environ.get("CI"):
            pytest.fail(f"{server}, and the environment variable CI is set")
        pytest.skip(server)
    return server
