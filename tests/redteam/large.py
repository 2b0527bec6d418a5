"""The hostile documents that are too large to keep as files: what makes each, and what must come of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

CANARY = "octopus-ltd"

ORDINARY: dict[str, Any] = {
    "version": "8.7.0",
    "totalUsers": 247,
    "totalRooms": 612,
    "totalChannels": 41,
    "totalMessages": 184302,
    "os": {"type": "Linux"},
    "deploy": {"method": "docker"},
}
"""What every large document holds besides the attack."""

PRESENT = {
    "version": "8.7.0",
    "totalUsers": 247,
    "totalRooms": 612,
    "totalChannels": 41,
    "totalMessages": 184302,
    "os.type": "Linux",
    "deploy.method": "docker",
}
"""What the report on :data:`ORDINARY` holds."""

CONTAINERS = (
    *("wizard", "userLanguages", "teams", "teams.teamStats", "omnichannelSources", "BusinessHours"),
    *("omnichannelContactsBySource", "omnichannelContactsBySource.sources", "uniqueContactsOfLastMonth"),
    *("uniqueContactsOfLastMonth.sources", "uniqueContactsOfLastWeek", "uniqueContactsOfLastWeek.sources"),
    *("uniqueContactsOfYesterday", "uniqueContactsOfYesterday.sources", "federationOverviewData"),
    *("os", "os.loadavg", "os.cpus", "process", "deploy", "migration"),
    *("uniqueUsersOfYesterday", "uniqueUsersOfYesterday.data", "uniqueUsersOfLastWeek"),
    *("uniqueUsersOfLastWeek.data", "uniqueUsersOfLastMonth", "uniqueUsersOfLastMonth.data"),
    *("uniqueDevicesOfYesterday", "uniqueDevicesOfYesterday.data", "uniqueDevicesOfLastWeek"),
    *("uniqueDevicesOfLastWeek.data", "uniqueDevicesOfLastMonth", "uniqueDevicesOfLastMonth.data"),
    *("uniqueOSOfYesterday", "uniqueOSOfYesterday.data", "uniqueOSOfLastWeek", "uniqueOSOfLastWeek.data"),
    *("uniqueOSOfLastMonth", "uniqueOSOfLastMonth.data", "apps", "services", "services.ldap"),
    *("services.ldap.backgroundSync", "services.ldap.ee", "services.saml", "services.cas", "services.oauth"),
    *("services.oauth.google", "services.oauth.custom", "importer", "videoConf"),
    *("videoConf.videoConference", "videoConf.direct", "videoConf.livechat", "videoConf.settings"),
    *("contactVerification", "settings", "settings.accounts", "settings.cannedResponses", "settings.e2ee"),
    *("settings.email", "settings.email.smtp", "settings.fileUpload", "settings.general"),
    *("settings.general.apps", "settings.general.nps", "settings.general.update"),
    *("settings.liveStreamAndBroadcasting", "settings.message", "settings.otr", "settings.push"),
    *("settings.search", "settings.search.defaultProvider", "settings.threads", "settings.videoConference"),
    *("settings.webRTC", "integrations", "enterprise", "enterprise.modules", "enterprise.tags"),
    *("enterprise.voip", "enterprise.voip.total", "enterprise.voip.lastMonth", "enterprise.voip.lastWeek"),
    *("enterprise.voip.lastDay", "matrixFederation", "matrixFederation.biggestRoom"),
    *("matrixFederation.smallestRoom", "matrixFederation.externalConnectedServers"),
    "matrixFederation.externalConnectedServers.servers",
)
"""Every object and list of the statistics document, by its path."""

REPLACEMENTS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "number": 12.5,
    "text": CANARY,
    "array": [CANARY, [CANARY], {CANARY: CANARY}, None],
    "object": {CANARY: CANARY, "": [CANARY], "count": {CANARY: 12}},
}
"""One value of each JSON type, to stand where a container belongs."""


def with_container(path: str, replacement: Any) -> bytes:
    """Return the ordinary document with *replacement* where the container *path* belongs."""
    document = json.loads(json.dumps(ORDINARY))
    *parents, name = path.split(".")
    inner = document
    for step in parents:
        inner = inner.setdefault(step, {})
    inner[name] = replacement
    return _bytes(document)


def megabyte_key() -> bytes:
    """Return a document with an unknown key of a megabyte."""
    return _bytes({**ORDINARY, CANARY * 95_000: 12})


def megabyte_key_in_a_map() -> bytes:
    """Return a document with a key of a megabyte in two maps whose keys are data."""
    key = CANARY * 95_000
    return _bytes({**ORDINARY, "userLanguages": {key: 12}, "services": {"oauth": {"custom": {key: {"enabled": True}}}}})


def megabyte_word() -> bytes:
    """Return a document with a megabyte of text in leaves for a word, a version and a count."""
    text = CANARY * 95_000
    return _bytes({**ORDINARY, "deploy": {"method": text}, "version": f"8.7.0-{text}", "totalChannels": text})


LETTERS = tuple(chr(0x4E00 + number) for number in range(3_000))
SPELT = "".join(random.Random(0).sample(LETTERS, len(LETTERS)))  # noqa: S311 - a fixed order, no secret


def one_character_keys() -> bytes:
    """Return a document whose 3 000 keys of one character spell a text, at the top and in a map of names."""
    spelt = dict.fromkeys(SPELT, 1)
    return _bytes({**spelt, **ORDINARY, "userLanguages": spelt, "settings": spelt})


def source_rows() -> bytes:
    """Return a document with 100 000 omnichannel sources, every other of an unlisted kind."""
    rows = [
        {"id": CANARY, "alias": CANARY, "type": ("widget", CANARY)[number % 2], "count": 1} for number in range(100_000)
    ]
    return _bytes({**ORDINARY, "omnichannelSources": rows})


def processor_rows() -> bytes:
    """Return a document with 100 000 processors."""
    rows = [{"model": CANARY, "speed": 2400, "times": {"user": number}} for number in range(100_000)]
    return _bytes({**ORDINARY, "os": {"type": "Linux", "cpus": rows}})


def name_rows() -> bytes:
    """Return a document with 100 000 names in each list of names."""
    names = [f"{CANARY}-{number}" for number in range(100_000)]
    return _bytes({**ORDINARY, "enterprise": {"tags": names, "modules": names}})


def role_rows() -> bytes:
    """Return a document with 100 000 roles of one person each."""
    rows = [
        {"role": f"{number}@{CANARY}.example", "count": 1, "sessions": 7, "time": 25617} for number in range(100_000)
    ]
    data = [{"count": 100_000, "sessions": 700_000, "time": 2_561_700_000, "roles": rows}]
    return _bytes({**ORDINARY, "uniqueUsersOfLastMonth": {"year": 2026, "month": 8, "data": data}})


def million_keys() -> bytes:
    """Return a document with a million unknown keys."""
    keys = ",".join(f'"k{number}":1' for number in range(1_000_000))
    return _bytes(ORDINARY)[:-1] + f',"{CANARY}":1,{keys}}}'.encode()


def nested_lists() -> bytes:
    """Return a document with lists 100 000 deep."""
    return _bytes(ORDINARY)[:-1] + f',"{CANARY}":'.encode() + b"[" * 100_000 + b"]" * 100_000 + b"}"


def nested_objects() -> bytes:
    """Return a document with objects 100 000 deep."""
    return _bytes(ORDINARY)[:-1] + f',"{CANARY}":'.encode() + b'{"os":' * 100_000 + b"1" + b"}" * 100_000 + b"}"


def open_brackets() -> bytes:
    """Return 100 000 opening brackets and nothing else."""
    return b"[" * 100_000


def nested_below_the_limit() -> bytes:
    """Return a document with lists and objects 1 000 deep, which the parser takes and a recursive walk might not."""
    inner = f'"{CANARY}"'
    for number in range(980):
        inner = f"[{inner}]" if number % 2 else f'{{"{CANARY}":{inner}}}'
    return _bytes(ORDINARY)[:-1] + f',"{CANARY}":{inner},"settings":{inner},"userLanguages":{inner}}}'.encode()


def million_digits() -> bytes:
    """Return a document with a count of a million digits."""
    return b'{"' + CANARY.encode() + b'":1,"totalChannels":' + b"4917012345" * 100_000 + b"}"


def seventeen_mebibytes() -> bytes:
    """Return a document that is larger than any that MongoDB can hold."""
    return _bytes({**ORDINARY, "tag": CANARY + "x" * 17 * 1024 * 1024})


def _bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _report(says: str, *, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    present = {path: value for path, value in PRESENT.items() if path not in without} | more.pop("present", {})
    return {"says": says, "outcome": "report", "present": present, "nothing_else": True, "never": [CANARY], **more}


def _refused(says: str, rule: str) -> dict[str, Any]:
    return {"says": says, "outcome": "refused", "rule": rule, "never": [CANARY, "4917012345"]}


LARGE: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "megabyte-key": (megabyte_key, _report("An unknown key of a megabyte is reported and not quoted.", drift=True)),
    "megabyte-key-in-a-map": (
        megabyte_key_in_a_map,
        _report(
            "A key of a megabyte in a map of names counts as one name.",
            present={"services.oauth.custom": 1},
            absent=["userLanguages"],
            drift=False,
        ),
    ),
    "megabyte-word": (
        megabyte_word,
        _report(
            "A megabyte of text is no word of a list and no count, and the suffix of a version never leaves.",
            without=("totalChannels", "version"),
            present={"deploy.method": "other"},
            absent=["totalChannels"],
            findings={"totalChannels": "wrong-type"},
            drift=False,
            nothing_else=False,
        ),
    ),
    "one-character-keys": (
        one_character_keys,
        _report(
            "3 000 keys of one character spell a text, and nothing of it shows.",
            never=[SPELT[:8], SPELT[1_000:1_008], SPELT[-8:]],
            absent=["userLanguages", "settings"],
            drift=True,
        ),
    ),
    "source-rows": (
        source_rows,
        _report(
            "100 000 sources are summed by kind.",
            present={"omnichannelSources.widget": 50_000, "omnichannelSources.other": 50_000},
            drift=False,
        ),
    ),
    "processor-rows": (
        processor_rows,
        _report(
            "No machine has 100 000 processors; their number is dropped.",
            absent=["os.cpus.count"],
            drift=False,
            nothing_else=False,
        ),
    ),
    "name-rows": (
        name_rows,
        _report("A list of 100 000 names is over the ceiling and dropped.", absent=["enterprise"], drift=False),
    ),
    "role-rows": (
        role_rows,
        _report(
            "100 000 roles of one person each stay where they are.",
            never=[CANARY, "25617"],
            absent=["uniqueUsersOfLastMonth"],
            drift=False,
        ),
    ),
    "million-keys": (
        million_keys,
        _report("A million unknown keys are no reason to refuse, and none is quoted.", drift=True),
    ),
    "nested-lists": (nested_lists, _refused("Lists 100 000 deep are refused.", "too-deep")),
    "nested-objects": (nested_objects, _refused("Objects 100 000 deep are refused.", "too-deep")),
    "open-brackets": (open_brackets, _refused("Brackets that never close are refused for their depth.", "too-deep")),
    "nested-below-the-limit": (
        nested_below_the_limit,
        _report(
            "What nests 1 000 deep is no reason to refuse, and nothing of it shows.", absent=["settings"], drift=True
        ),
    ),
    "million-digits": (
        million_digits,
        _refused("A number of a million digits is refused and not quoted.", "not-json"),
    ),
    "seventeen-mebibytes": (
        seventeen_mebibytes,
        _refused("More than MongoDB can hold is refused unread.", "too-large"),
    ),
}
"""Each large case by name: what makes it, and what must come of it, as in the TOML files."""
