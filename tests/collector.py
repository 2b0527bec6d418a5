"""
A real HTTP server on this machine, over TLS or plain, that does what tests tell it and keeps the raw bytes it was sent.

It serves threads of its own process and other processes alike: those need its URL and the file of its certificate
authority, which are :attr:`Collector.url` and :attr:`Collector.certificates`::

    with Collector(directory) as collector:
        collector.then(reply(503, headers=[("Retry-After", "1")]), hang())
        run([..., collector.url, str(collector.certificates)])
        assert len(collector.keys) == 1

Each connection carries one request and follows one behaviour: the next that :meth:`Collector.then` was told, else
:attr:`Collector.usual`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trustme

HOST: Final = "127.0.0.1"
PATIENCE: Final = 60.0
"""No thread of a collector waits longer, whatever a test forgets."""


class Identity(StrEnum):
    """How the server shows who it is."""

    PLAIN = "no TLS at all"
    GOOD = "a certificate for this address, by an authority that is told to the client"
    EXPIRED = "one that was good until yesterday"
    OTHER_NAME = "one for another name"
    UNKNOWN = "one by an authority that nobody knows"


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as its raw bytes; a part of one if the client stopped in the middle."""

    raw: bytes

    @property
    def line(self) -> str:
        """The request line."""
        return self.raw.partition(b"\r\n")[0].decode("latin-1")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Name and value of each header, spelt and ordered as received."""
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return tuple((name, value.removeprefix(" ")) for name, _, value in (line.partition(":") for line in lines))

    @property
    def body(self) -> bytes:
        """What follows the head."""
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def is_whole(self) -> bool:
        """Whether the client sent all of it."""
        return b"\r\n\r\n" in self.raw and len(self.body) == int(self.header("content-length") or 0)

    def header(self, name: str) -> str | None:
        """Return the value of header *name*, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Connection:
    """One connection of a client, as a behaviour sees it."""

    def __init__(self, collector: Collector, connected: socket.socket) -> None:
        self.collector = collector
        self.socket = connected

    def secure(self) -> None:
        """Shake hands, unless the collector is a plain one."""
        if self.collector.context is not None:
            try:
                self.socket = self.collector.context.wrap_socket(self.socket, server_side=True)
            except OSError:
                self.collector.failures += 1
                raise

    def read(self) -> Received:
        """Shake hands, read one request and keep it, or what there is of it."""
        self.secure()
        raw = b""
        try:
            while b"\r\n\r\n" not in raw and (more := self.socket.recv(65536)):
                raw += more
            while not Received(raw).is_whole and (more := self.socket.recv(65536)):
                raw += more
        finally:
            if raw:
                self.collector.keep(Received(raw))
        return Received(raw)

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self.socket.sendall(data)

    def wait(self, seconds: float) -> None:
        """Do nothing for *seconds*, or until the collector closes."""
        self.collector.closing.wait(seconds)

    def reset(self) -> None:
        """Cut the connection without a goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Behaviour = Callable[[Connection], None]
Headers = Iterable[tuple[str, str]]


def answer(status: int = 200, headers: Headers = (), body: bytes = b"{}", version: str = "HTTP/1.1") -> bytes:
    """Return the bytes of an answer; a Content-Length is added unless *headers* have one, or it may have no body."""
    fields = list(headers)
    if not {"content-length", "transfer-encoding"} & {name.lower() for name, _ in fields} and status not in (204, 304):
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{version} {status} Reason", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if status in (204, 304) else body)


def reply(status: int = 200, *, headers: Headers = (), body: bytes = b"{}", version: str = "HTTP/1.1") -> Behaviour:
    """Answer the request."""
    return raw(answer(status, list(headers), body, version))


def redirect(location: str, status: int = 307) -> Behaviour:
    """Send the client elsewhere."""
    return reply(status, headers=[("Location", location)])


def raw(data: bytes) -> Behaviour:
    """Read the request, send *data* whatever it is, and close."""

    def behave(connection: Connection) -> None:
        connection.read()
        connection.send(data)

    return behave


def drip(data: bytes, *, every: float, size: int = 1) -> Behaviour:
    """Read the request, then send *data* a few bytes at a time."""

    def behave(connection: Connection) -> None:
        connection.read()
        for start in range(0, len(data), size):
            connection.send(data[start : start + size])
            connection.wait(every)

    return behave


def endless(head: bytes, chunk: bytes) -> Behaviour:
    """Read the request, send *head*, then *chunk* again and again until the client has enough."""

    def behave(connection: Connection) -> None:
        connection.read()
        connection.send(head)
        while not connection.collector.closing.is_set():
            connection.send(chunk)

    return behave


def hang(*, reads: bool = True) -> Behaviour:
    """Say nothing for ever: after reading the request, or not even shaking hands."""

    def behave(connection: Connection) -> None:
        if reads:
            connection.read()
        connection.wait(PATIENCE)

    return behave


def reset(*, reads: bool = True) -> Behaviour:
    """Cut the connection without a goodbye: after reading the request, or before the handshake."""

    def behave(connection: Connection) -> None:
        if reads:
            connection.read()
        connection.reset()

    return behave


def hold(release: threading.Event, data: bytes | None = None) -> Behaviour:
    """Read the request, wait for *release*, then send *data*, or a plain answer."""

    def behave(connection: Connection) -> None:
        connection.read()
        while not release.is_set() and not connection.collector.closing.is_set():
            release.wait(0.05)
        connection.send(answer() if data is None else data)

    return behave


def unread(data: bytes) -> Behaviour:
    """Answer with *data* before reading anything of the request, and close."""

    def behave(connection: Connection) -> None:
        connection.secure()
        connection.send(data)

    return behave


def tunnel() -> Behaviour:
    """Be a proxy: read CONNECT, reach the address that it names, and pass on what both sides say."""

    def behave(connection: Connection) -> None:
        host, _, port = connection.read().line.split(" ")[1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as beyond:
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pour, args=(beyond, connection.socket), daemon=True)
            back.start()
            _pour(connection.socket, beyond)
            with contextlib.suppress(OSError):
                beyond.shutdown(socket.SHUT_RDWR)
            back.join(PATIENCE)

    return behave


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Collector:
    """
    The server. As a context manager it listens from the start of the block, and is gone after it.

    Args:
        directory: Where the file of the certificate authority is put; needed for TLS. Collectors with the same
            directory and identity have the same authority.
        identity: How it shows who it is.
        usual: What it does unless told otherwise.

    Attributes:
        closing: Set when the collector closes.
        context: How it shakes hands; None if it is a plain one.
        failures: Handshakes that came to nothing.
    """

    def __init__(
        self, directory: Path | None = None, *, identity: Identity = Identity.GOOD, usual: Behaviour | None = None
    ) -> None:
        self.usual = usual or reply()
        self.closing = threading.Event()
        self.failures = 0
        self.context, self._certificates = _identity(identity, directory)
        self._lock = threading.Condition()
        self._behaviours: list[Behaviour] = []
        self._received: list[Received] = []
        self._connections: list[Connection] = []
        self._count = 0
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'' if self.context is None else 's'}://{HOST}:{self.port}/"

    @property
    def certificates(self) -> Path:
        """The file of the certificate authority, in PEM form."""
        assert self._certificates is not None, "a plain collector has none"
        return self._certificates

    @property
    def received(self) -> tuple[Received, ...]:
        """All requests so far, in the order in which they were read."""
        with self._lock:
            return tuple(self._received)

    @property
    def keys(self) -> frozenset[str]:
        """The distinct values of Idempotency-Key, of requests that came whole."""
        whole = [received for received in self.received if received.is_whole]
        return frozenset(key for received in whole if (key := received.header("idempotency-key")) is not None)

    @property
    def count(self) -> int:
        """How many connections were made, whatever became of them."""
        with self._lock:
            return self._count

    def then(self, *behaviours: Behaviour) -> None:
        """Do this for the next connections, one each, in this order."""
        with self._lock:
            self._behaviours += behaviours

    @property
    def planned(self) -> int:
        """For how many connections something else than the usual is to be done."""
        with self._lock:
            return len(self._behaviours)

    def forget(self) -> None:
        """Do as usual from now on, whatever was to be done for the next connections."""
        with self._lock:
            self._behaviours.clear()

    def wait_for(self, number: int, seconds: float = PATIENCE) -> None:
        """Wait until *number* requests were read."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self._received) >= number, seconds), "the requests didn't come"

    def keep(self, received: Received) -> None:
        """Keep a request."""
        with self._lock:
            self._received.append(received)
            self._lock.notify_all()

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, hang up on everybody and wait for the threads."""
        self.closing.set()
        # A thread that waits in accept() is woken by a connection, on every system.
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 5):
            pass
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(PATIENCE)
        self._listening.close()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="collector", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            connected, _ = self._listening.accept()
            if self.closing.is_set():
                connected.close()
                return
            connected.settimeout(PATIENCE)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            with self._lock:
                self._count += 1
                behaviour = self._behaviours.pop(0) if self._behaviours else self.usual
            connection = Connection(self, connected)
            self._connections.append(connection)
            self._start(lambda c=connection, b=behaviour: self._serve(c, b))  # type: ignore[misc]

    def _serve(self, connection: Connection, behaviour: Behaviour) -> None:
        try:
            behaviour(connection)
            _say_goodbye(connection.socket)
        except OSError:
            pass  # The client has hung up, or was hung up on.
        finally:
            connection.socket.close()
            self._connections.remove(connection)


def _say_goodbye(connected: socket.socket) -> None:
    """Close so that the client reads all that was sent, also if it has sent more than was read."""
    with contextlib.suppress(OSError, ValueError):
        connected.shutdown(socket.SHUT_WR)
        connected.settimeout(0.2)
        while connected.recv(65536):
            pass


@cache
def _identity(identity: Identity, directory: Path | None) -> tuple[ssl.SSLContext | None, Path | None]:
    if identity is Identity.PLAIN:
        return None, None
    assert directory is not None, "a file of certificates needs a place"
    authority = trustme.CA()
    known = directory / f"authority-{identity.name.lower()}.pem"
    (trustme.CA() if identity is Identity.UNKNOWN else authority).cert_pem.write_to_path(str(known))
    name = "elsewhere.example" if identity is Identity.OTHER_NAME else HOST
    names = [name] if identity is Identity.OTHER_NAME else [name, "localhost"]
    until = datetime.now(UTC) - timedelta(days=1) if identity is Identity.EXPIRED else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_before=_LONG_AGO, not_after=until).configure_cert(context)
    return context, known


_LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
