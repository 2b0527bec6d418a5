"""
One request over HTTP/1.1 and its answer: nothing added, verified, and bounded in size and in time as a whole.

The transport and the live source share it. A client library bounds each step by itself, so a server that sends a byte
now and then can hold it for ever; it also adds headers, keeps cookies and logs what a server says. So the engine of
httpx2, httpcore2, is used with a network of its own: every look-up, handshake, read and write is under one deadline.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import urllib.request
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, Final
from urllib.parse import unquote

from rc_stats.addresses import AUTHORITY, Address, is_loopback
from rc_stats.errors import MissingExtra, UsageError

try:
    import httpcore2
    import httpx2
except ImportError:
    raise MissingExtra("http", "Speaking to other machines") from None

_PROXY: Final = re.compile(rf"(?:http://)?(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?{AUTHORITY}/?", re.ASCII)

_IS_QUIET: Final = ContextVar("_IS_QUIET", default=False)


def is_quiet() -> bool:
    """Say whether :func:`quiet` is in force."""
    return _IS_QUIET.get()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries below from telling of what happens inside: they would quote what a server says."""
    token = _IS_QUIET.set(True)
    try:
        yield
    finally:
        _IS_QUIET.reset(token)


def _is_loud(_: logging.LogRecord) -> bool:
    return not is_quiet()


logging.getLogger("httpcore2.http11").addFilter(_is_loud)


class Fault(StrEnum):
    """Why there is no answer. For TLS and PROXY nothing was sent."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROXY = "proxy"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a server said.

    Attributes:
        headers: Name in lower case, and value.
        body: Empty if it was not asked for or is too large.
        is_too_large: Whether the body was given up because of its size.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    is_too_large: bool

    def header(self, name: str) -> str | None:
        """Return the first value of header *name*, which is in lower case."""
        return next((value for key, value in self.headers if key == name), None)


class Client:
    """
    Asks one server one thing at a time, with a new connection for each.

    Args:
        certificates: File of further certificates (PEM) to trust, beside the system's.
        environment_proxies: Whether ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` count. Plain HTTP is never proxied.
        seconds: For all of one request and its answer, by the wall clock.

    Raises:
        UsageError: ``certificates`` if the file can't be used.
    """

    def __init__(self, *, certificates: Path | None, environment_proxies: bool, seconds: float) -> None:
        if not 0 < seconds < float("inf"):
            raise UsageError("A request has a number of seconds above zero.", rule="seconds")
        self._context = httpx2.create_ssl_context()
        self._environment_proxies = environment_proxies
        self._seconds = seconds
        if certificates is not None and not _is_loaded(self._context, certificates):
            raise UsageError(
                "The file of certificates can't be used.",
                rule="certificates",
                remedy="Name a readable file of certificates in PEM form.",
            )

    def ask(
        self,
        address: Address,
        method: str,
        headers: Iterable[tuple[str, str]],
        body: bytes = b"",
        *,
        most: int,
        with_body: Container[int],
    ) -> Answer | Fault:
        """
        Send exactly this request and return the answer.

        Args:
            headers: All of them, in the order of sending.
            most: So many bytes are read of the answer, its head included.
            with_body: For these statuses the body is read.
        """
        url = httpcore2.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
        request = httpcore2.Request(method, url, headers=list(headers), content=body)
        network = _Network(self._seconds, most, is_local=address.is_plain)
        try:
            proxy = _proxy_for(address) if self._environment_proxies and not address.is_plain else None
            with quiet(), httpcore2.ConnectionPool(self._context, proxy, 1, network_backend=network) as pool:
                return _read(pool.handle_request(request), with_body)
        except TimeoutError:
            return Fault.TIMEOUT
        except _TooLargeError:
            return Fault.TOO_LARGE
        except _UnusableProxyError:
            return Fault.PROXY
        except _UntrustedError:
            return Fault.TLS
        except (OSError, UnicodeError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError):
            return Fault.CONNECTION


def _is_loaded(context: ssl.SSLContext, certificates: Path) -> bool:
    try:
        context.load_verify_locations(cafile=certificates)
    except (OSError, ValueError):  # an ssl.SSLError is an OSError; no path is a ValueError
        return False
    return True


def _read(response: httpcore2.Response, with_body: Container[int]) -> Answer:
    body = bytearray()
    is_too_large = False
    if response.status in with_body:
        try:
            for chunk in response.iter_stream():
                body += chunk
        except _TooLargeError:
            body.clear()
            is_too_large = True
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)
    return Answer(response.status, headers, bytes(body), is_too_large)


def _proxy_for(address: Address) -> httpcore2.Proxy | None:
    """Return the proxy that the environment names for *address*."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(address.host):
        return None
    found = _PROXY.fullmatch(proxy)
    if not found or not 0 < int(found["port"] or 80) < 2**16:
        raise _UnusableProxyError
    url = httpcore2.URL(scheme="http", host=found["host"].strip("[]"), port=int(found["port"] or 80), target="/")
    if found["user"] is None:
        return httpcore2.Proxy(url)
    return httpcore2.Proxy(url, auth=(unquote(found["user"]).encode(), unquote(found["password"] or "").encode()))


class _UnusableProxyError(Exception):
    """The environment names a proxy of another kind than ``http://host:port``."""


class _UntrustedError(Exception):
    """The handshake failed, so that nothing was sent."""


class _TooLargeError(Exception):
    """The answer is larger than may be read."""


class _Network(httpcore2.NetworkBackend):
    """Connects, for one request."""

    def __init__(self, seconds: float, most: int, *, is_local: bool) -> None:
        self._end = monotonic() + seconds
        self._most = most
        self._is_local = is_local

    def left(self) -> float:
        """Return how many seconds are left, or raise TimeoutError if none is."""
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> _Stream:
        """Connect to the first address of *host* that answers."""
        addresses = self._addresses(host, port)
        fault = OSError("no address")
        for tried, address in enumerate(addresses):
            try:
                # One address that swallows everything must not take the time of those after it.
                connection = socket.create_connection((address, port), self.left() / (len(addresses) - tried))
            except OSError as error:
                fault = error
            else:
                with suppress(OSError):  # a help, not a need
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _Stream(connection, self, self._most)
        raise fault

    def _addresses(self, host: str, port: int) -> list[str]:
        # A system's resolver can't be given a time, so it is asked aside and left behind if it takes too long.
        found: Future[list[str]] = Future()

        def look_up() -> None:
            try:
                answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found.set_result([str(address[0]) for *_, address in answers])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is for the one who waits
                found.set_exception(error)

        Thread(target=look_up, name="rc-stats-resolver", daemon=True).start()
        addresses = found.result(self.left())
        return [address for address in addresses if not self._is_local or is_loopback(address)]


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step ends at the deadline, and that reads no more than it may."""

    def __init__(self, connection: socket.socket, network: _Network, most: int) -> None:
        self._connection = connection
        self._network = network
        self._most = most
        self._left = most

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline rules
        if not self._left:
            raise _TooLargeError
        self._connection.settimeout(self._network.left())
        data = self._connection.recv(min(max_bytes, self._left))
        self._left -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline rules
        rest = memoryview(buffer)
        try:
            while rest:
                self._connection.settimeout(self._network.left())
                rest = rest[self._connection.send(rest) :]
        except OSError:
            # The server may have answered before it hung up; the engine looks. If the time is over, it ends there.
            raise httpcore2.WriteError from None

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline rules
    ) -> _Stream:
        try:
            self._connection.settimeout(self._network.left())  # which bounds a handshake as a whole
            secured = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise  # the other side hung up
        except ssl.SSLError:
            raise _UntrustedError from None
        finally:
            self.close()  # in vain if there was a handshake: its socket has taken the connection over
        return _Stream(secured, self._network, self._most)
