"""What all tests share: the Hypothesis profiles, no network, a clean environment, the packaged data."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from commands import Cli, caller
from rc_stats import Catalogue, Policy, load_catalogue, load_policy

settings.register_profile("default", deadline=None, max_examples=100, print_blob=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=5_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "mutation",  # says only whether a test fails, and says it soon
    deadline=None,
    max_examples=100,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the suite in the background ignores interrupts, and so would every program that is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_HOMES = count()

SWITCHES = {"DO_NOT_TRACK", "RC_DISABLE_STATISTICS_REPORTING"}


class NetworkUsedError(AssertionError):
    """A test, or what it tests, wanted to reach another machine."""


def is_local(address: Any) -> bool:
    """Say whether *address* of a socket is on this machine: a path, or a loopback host."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Let no socket reach beyond this machine, and no name be looked up."""

    def guarded(original: Callable[..., Any], place: int) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not is_local(arguments[place]):
                raise NetworkUsedError("the tests have no network")
            return original(*arguments, **named)

        return call

    def look_up(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not is_local((name,)):
            raise NetworkUsedError("the tests look up no names")
        return original_look_up(host, *arguments, **named)

    original_look_up = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name), 1))
        patch.setattr(socket.socket, "sendto", guarded(socket.socket.sendto, -1))
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take every variable that the package reads out of the environment, and give each test a home of its own."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_HOMES)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        for name in list(os.environ):
            if name in SWITCHES or name.startswith("RC_STATS_"):
                patch.delenv(name)
        yield


@pytest.fixture
def cli(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a function that runs the command in this process."""
    return caller(capsysbinary, monkeypatch)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """Return the packaged catalogue."""
    return load_catalogue()


@pytest.fixture(scope="session")
def policy() -> Policy:
    """Return the packaged policy."""
    return load_policy()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what the tests have counted: crashes survived, races run."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        counts.update({name: number for name, number in report.user_properties if isinstance(number, int)})
    for name, number in sorted(counts.items()):
        terminalreporter.write_line(f"{name}: {number}")
