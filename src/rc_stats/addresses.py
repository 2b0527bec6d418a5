"""Which URLs may be asked: over TLS, or on this very machine. It knows no network, so that a configuration can ask."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from rc_stats.errors import TransportError

AUTHORITY: Final = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
"""A pattern: host and, perhaps, port."""

_URL: Final = re.compile(rf"(?P<scheme>https?)://{AUTHORITY}(?P<target>/[!-\"$-~]*)?", re.ASCII)
_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that may be asked: over TLS, or on this very machine."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_plain(self) -> bool:
        """Whether it is asked without TLS."""
        return self.scheme == "http"

    @property
    def is_local(self) -> bool:
        """Whether the host's name alone says that it is this machine."""
        return self.host.lower() == "localhost" or is_loopback(self.host)


def address_of(url: str, *, prefix: str) -> Address:
    """
    Return *url* in its parts.

    Args:
        prefix: What the rules of errors begin with.

    Raises:
        TransportError: ``…-url`` if it can't be asked, ``…-insecure-url`` if it is neither HTTPS nor on this machine.
    """
    found = _URL.fullmatch(url)
    port = int(found["port"] or _PORTS[found["scheme"]]) if found else 0
    if not found or not 0 < port < 2**16:
        raise unusable_url(prefix)
    host = found["host"].strip("[]")
    if found["scheme"] == "http" and host != "localhost" and not is_loopback(host):
        raise TransportError(
            "The URL is not secure: plain HTTP is for this machine only.",
            rule=f"{prefix}-insecure-url",
            remedy="Use https://.",
            is_final=True,
        )
    return Address(found["scheme"], host, port, found["target"] or "/")


def unusable_url(prefix: str) -> TransportError:
    """Return the error for a URL that can't be asked. It doesn't quote it: a password may be in it."""
    return TransportError(
        "The URL can't be used.",
        rule=f"{prefix}-url",
        remedy="It is https://, a host in ASCII, perhaps a port and a path; no user, no password, no fragment.",
        is_final=True,
    )


def is_loopback(host: str) -> bool:
    """Say whether *host* is a number of this machine; a name is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _LOOPBACK)
