"""What is measured on: a real document, the same of a busy server, other orders of keys, junk, and archives of many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

ROOT: Final = Path(__file__).resolve().parent.parent
SAMPLE: Final = ROOT / "tests" / "data" / "samples" / "statistics-8.7.0.json"
EXAMPLE: Final = ROOT / "examples" / "statistics.json"
REAL: Final = "sample 8.7.0"
BUSY: Final = "the same, busy"

_ITEM: Final = {"name": "junk", "on": True, "sizes": [1, 2, 3], "inner": {"text": "x" * 40, "none": None}}
_MANY_BYTES: Final = len('"junkNumber000000":1000,')
_VARIANTS: Final = 64


def compact(path: Path) -> bytes:
    """Return the JSON of *path* without spaces, its keys in the order of the file."""
    return orjson.dumps(orjson.loads(path.read_bytes()))


def shuffled(value: Any) -> Any:
    """Return *value* with the keys of every object in an order that is arbitrary and always the same."""
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: hashlib.sha256(key.encode()).digest())
    return {key: shuffled(value[key]) for key in keys}


def unknown_keys(number: int) -> dict[str, Any]:
    """Return *number* keys that no catalogue knows."""
    return {f"junkNumber{place:06}": place for place in range(number)}


def unknown_value(size: int) -> list[Any]:
    """Return one deep value of about *size* bytes."""
    return [_ITEM] * (size // len(orjson.dumps(_ITEM)))


def with_junk(document: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return *document* with *size* bytes more that no catalogue knows: half are many keys, half is one deep value."""
    return {**unknown_keys(size // 2 // _MANY_BYTES), **document, "junkList": unknown_value(size // 2)}


ROLES: Final = ("user", "guest", "livechat-agent", "admin", "livechat-manager", "bot", "custom-role")
LANGUAGES: Final = ("en", "de", "fr", "es", "pt-BR", "it", "nl", "pl", "ru", "ja", "zh", "tr", "sv")
CLIENTS: Final = ("Chrome", "Rocket.Chat", "RC Mobile", "Firefox", "Safari")
KINDS: Final = ("widget", "email", "sms", "app", "api")


def counted(value: Any, path: str = "") -> Any:
    """Return *value* with an arbitrary number, always the same, in place of every 0."""
    if isinstance(value, dict):
        return {key: counted(inner, f"{path}.{key}") for key, inner in value.items()}
    if value == 0 and type(value) is int:
        return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4]) % 5000
    return value


def busy(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a workspace that was just set up as it may be some years later: nothing is empty."""
    made: dict[str, Any] = counted(sample)
    speakers = [700, 400, 210, 130, 90, 70, 50, 40, 30, 25, 20, 12, 23]
    made |= {"totalUsers": sum(speakers), "nonActiveUsers": 120, "appUsers": 30}
    made |= dict.fromkeys(("lastLogin", "lastMessageSentAt", "lastSeenSubscription"), made["createdAt"])
    made["userLanguages"] = dict(zip(LANGUAGES, speakers, strict=True))
    made["omnichannelSources"] = [{"type": kind, "count": len(kind) * 171} for kind in KINDS]
    made["teams"]["teamStats"] = [
        {"teamId": "qLfMT996bio32g33S", "mainRoom": "cTKmgcaMbLPvemSYv", "totalRooms": 7, "totalMembers": 3 * number}
        for number in range(5)
    ]
    for days, period in enumerate(("Yesterday", "LastWeek", "LastMonth")):
        people = [600 + 200 * days, 90 + 10 * days, 25, 14 + days, 11 + days, 7, 3]
        rows = [{"role": role, "count": n, "sessions": 17 * n} for role, n in zip(ROLES, people, strict=True)]
        made[f"uniqueUsersOf{period}"]["data"] = [{"count": sum(people), "sessions": 17 * sum(people), "roles": rows}]
        clients = [{"count": 900 // len(name), "time": 812_345, "name": name, "version": "139.0"} for name in CLIENTS]
        made[f"uniqueDevicesOf{period}"]["data"] = [{**client, "type": "browser"} for client in clients]
        made[f"uniqueOSOf{period}"]["data"] = clients
        made[f"uniqueContactsOf{period}"]["sources"] = [
            {"source": kind, "contactsCount": 31, "conversationsCount": 52} for kind in KINDS
        ]
    return made


def real() -> dict[str, Any]:
    """Return the real document."""
    document: dict[str, Any] = orjson.loads(SAMPLE.read_bytes())
    return document


def orders() -> dict[str, bytes]:
    """Return the documents whose time is aimed at, by name."""
    return {
        REAL: compact(SAMPLE),
        f"{REAL}, keys shuffled": orjson.dumps(shuffled(real())),
        BUSY: orjson.dumps(busy(real())),
        f"{BUSY}, keys shuffled": orjson.dumps(shuffled(busy(real()))),
        "example": compact(EXAMPLE),
    }


def leaves(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the way to every value of *value* that is no object."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key)


def with_leaves(document: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return what *document* has at *number* of its leaves, taken evenly from all of them."""
    every = list(leaves(document))
    made: dict[str, Any] = {}
    for place in range(min(number, len(every))):
        *steps, last = every[place * len(every) // min(number, len(every))]
        inner, source = made, document
        for step in steps:
            inner, source = inner.setdefault(step, {}), source[step]
        inner[last] = source[last]
    return made


def lines(number: int) -> Iterator[bytes]:
    """Yield *number* documents of different workspaces, as lines."""
    source = real()
    variants = []
    for place in range(_VARIANTS):
        counts = {key: place * 37 + value for key, value in source.items() if type(value) is int and key[:5] == "total"}
        variants.append(
            orjson.dumps({**source, **counts, "_id": f"{place:024x}", "uniqueId": f"unique-{place:05}"}) + b"\n"
        )
    while number > 0:
        yield from islice(variants, number)
        number -= _VARIANTS


def write_lines(path: Path, number: int) -> Path:
    """Write *number* documents to *path*, and return it."""
    with path.open("wb") as file:
        file.writelines(lines(number))
    return path
