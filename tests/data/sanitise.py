"""Rewrite a folder of statistics documents so that none of their identifying values remains.

    python tests/data/sanitise.py SOURCE_DIR DEST_DIR

Every `.json` and `.jsonl` file of the source is read and written under the same name. The column
`identifies` of `reference/statistics-fields.csv` says which leaves are replaced; a leaf without a row stops
the script, so that nothing passes unseen. Key order, types, empty values, layout and the wrappers of database
exports stay as they are, and so do words of a closed vocabulary (a licence module, a browser), except the
tags of a licence.

An invented value depends on the *order* in which its original was met, never on the original itself: a hash
of it could be tested by guessing. Its form stays: an object id becomes an object id that holds the new second
of its record, a UUID a UUID, a token a token of the same shape. Moments are moved by `DAYS` whole days and,
because a fixed offset alone could be undone by anybody, spread anew within their day; their order stays.
Numbers keep their type, magnitude and first digit, and the people tables add up again afterwards.
"""

import base64
import csv
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

DAYS = 21
"""How far moments are moved."""

HERE = Path(__file__).resolve().parent
DAY_MS = 86_400_000
CLUSTER_MS = 60_000  # moments closer than this stay neighbours
ID_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?Z")
LONG = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d GMT[+-]\d{4} \(.+\)")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
OBJECT_ID = re.compile(r"[0-9a-f]{24}")
RANDOM_ID = re.compile(r"[0-9A-Za-z]{17}")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")
VERSION = re.compile(r"v?\d+\.\d+\.\d+(?:-(?:rc\.\d+|develop))?")
ANY_KEY = ("userLanguages", "services.oauth.custom")

Leaf = Callable[[str, Any], Any]
"""What is done with one leaf: takes its path and its value, gives the value that replaces it."""


def fields() -> dict[str, dict[str, str]]:
    """Return the rows of the data dictionary by path."""
    with (HERE / "reference" / "statistics-fields.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def vocabularies() -> dict[str, list[Any]]:
    """Return the members of each closed list by its name."""
    lists = json.loads((HERE / "reference" / "vocabularies.json").read_text(encoding="utf-8"))
    return {name: entry["values"] for name, entry in lists.items()}


def documents(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield the statistics documents of a file's content, whatever envelope they are in."""
    inner = tree.get("statistics") if isinstance(tree, dict) else tree
    if isinstance(inner, list):
        yield from inner
    elif isinstance(inner, dict):
        yield inner
    elif isinstance(tree, dict):
        yield tree


def milliseconds(text: str) -> int:
    """Return the moment that a text in one of the two forms tells."""
    if LONG.fullmatch(text):
        moment = datetime.strptime(text.partition(" (")[0], "%a %b %d %Y %H:%M:%S GMT%z")
    else:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{3})\d+", r"\1", text))
    return round(moment.timestamp() * 1000)


class Sanitiser:
    """Two passes over all files: the first collects moments, the second replaces what identifies."""

    def __init__(self) -> None:
        """Start with nothing met yet."""
        self.fields = fields()
        self.vocabularies = vocabularies()
        self.met: dict[str, dict[Any, int]] = {}
        self.moments: dict[int, int] = {}
        self.numbers: set[int | float] = set()
        self.record_ids: dict[str, str] = {}

    def ordinal(self, form: str, original: Any) -> int:
        """Return the number of this value among the distinct values of its form, in the order of meeting."""
        seen = self.met.setdefault(form, {})
        return seen.setdefault(original, len(seen) + 1)

    def invented(self, form: str, original: Any, salt: int = 0) -> bytes:
        """Return 32 bytes that depend on the form and on the order of meeting only."""
        return hashlib.sha256(f"sample {form} {self.ordinal(form, original)} {salt}".encode()).digest()

    def walk(self, path: str, value: Any, leaf: Leaf) -> Any:
        """Rebuild a value with every leaf replaced, keeping the order of keys and the wrappers of exports."""
        if isinstance(value, list):
            return [self.walk(f"{path}[]", item, leaf) for item in value]
        if not isinstance(value, dict):
            return leaf(path, value)
        if len(value) == 1 and next(iter(value)).startswith("$"):
            ((wrapper, content),) = value.items()
            return {wrapper: self.wrapped(path, wrapper, content, leaf)}
        result = {}
        for key, item in value.items():
            open_ended = path in ANY_KEY
            inner = "*" if open_ended else key
            if inner == "statistics" and not path:
                records = item if isinstance(item, list) else [item]
                new = [self.walk("", record, leaf) for record in records]
                result[key] = new if isinstance(item, list) else new[0]
            else:
                new_key = self.key(path, key) if open_ended else key
                result[new_key] = self.walk(f"{path}.{inner}".lstrip("."), item, leaf)
        return result

    def wrapped(self, path: str, wrapper: str, content: Any, leaf: Leaf) -> Any:
        """Return the new content of a wrapper such as `$numberInt`, in the form of the old."""
        if isinstance(content, dict):  # {"$date": {"$numberLong": "…"}}
            moment = datetime.fromtimestamp(int(content["$numberLong"]) / 1000, UTC)
            iso = f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
            return {"$numberLong": str(milliseconds(leaf(path, iso)))}
        if not wrapper.startswith("$number") or not re.fullmatch(r"-?[\d.]+", content):
            return leaf(path, content)
        number = float(content) if wrapper == "$numberDouble" else int(content)
        new = leaf(path, int(number) if number == int(number) else number)
        return str(float(new)) if wrapper == "$numberDouble" else str(new)

    def key(self, path: str, key: str) -> str:
        """Return the new name of a key that is data."""
        if path == "userLanguages" and key in self.vocabularies["language_code"]:
            return key
        return f"invented-{self.ordinal('key', key)}"

    def collect(self, _path: str, value: Any) -> Any:
        """First pass: note every moment, also inside tokens, and every number, so as not to invent it."""
        if isinstance(value, int | float) and value >= 1000:
            self.numbers.add(value)
        if isinstance(value, str) and value:
            if TOKEN.fullmatch(value):
                self.moments[milliseconds(claims(value)["timestamp"])] = 0
            elif ISO.fullmatch(value) or LONG.fullmatch(value):
                self.moments[milliseconds(value)] = 0
        return value

    def spread(self) -> None:
        """Give every moment its new place: another day, and within it one that tells its rank only."""
        for day, moments in groupby(sorted(self.moments), lambda moment: moment // DAY_MS):
            clusters: list[list[int]] = []
            for moment in moments:
                if clusters and moment - clusters[-1][-1] < CLUSTER_MS:
                    clusters[-1].append(moment)
                else:
                    clusters.append([moment])
            for rank, cluster in enumerate(clusters, 1):
                start = (day + DAYS) * DAY_MS + rank * DAY_MS // (len(clusters) + 1)
                for place, moment in enumerate(cluster):
                    self.moments[moment] = start + 137 * place

    def replace(self, path: str, value: Any) -> Any:
        """Second pass: return the value that stands in for a leaf."""
        if path not in self.fields and not (value is None or value == ""):
            raise ValueError(f"the data dictionary has no row for {path}")
        if value is None or value == "" or isinstance(value, bool):
            return value
        if self.fields[path]["identifies"] == "none":
            return self.known(path, value) if isinstance(value, str) else value
        if isinstance(value, str):
            return self.text(path, value)
        return value if path == "userLanguages.*" else self.number(path.rpartition(".")[2], value)

    def known(self, path: str, value: str) -> str:
        """Return a harmless text as it is, and an unlisted one as an invented word."""
        vocabulary = self.fields[path]["vocabulary"]
        if vocabulary == "version" and (found := VERSION.match(value)):
            return found[0]
        listed = value in self.vocabularies.get(vocabulary, ())
        return value if listed else f"invented-{self.ordinal('word', value)}"

    def text(self, path: str, value: str) -> str:
        """Return an invented text of the same form."""
        name = path.rpartition(".")[2]
        members = self.vocabularies.get(self.fields[path]["vocabulary"], [])
        if name == "tags[]":
            return str(next(word for word in members if word != value))
        if value in members:
            return value
        if ISO.fullmatch(value) or LONG.fullmatch(value):
            return self.moment(value)
        if TOKEN.fullmatch(value):
            return self.token(value)
        if name == "version" and re.fullmatch(r"[\d.]+", value):
            return re.sub(r"\d+", lambda part: str(self.number("version", int(part[0]))), value)
        if name == "model":
            return f"{value.split(maxsplit=1)[0]} Example Processor {self.ordinal('model', value)}"
        if name == "release":
            numbers = re.match(r"\d+\.\d+", value)
            return f"{numbers[0] if numbers else 0}.0-{9000 + self.ordinal('release', value)}-example"
        return self.identifier(value)

    def identifier(self, value: str) -> str:
        """Return an invented identifier, recognised by its form alone."""
        if value in self.record_ids:
            return self.record_ids[value]
        if OBJECT_ID.fullmatch(value):
            return self.invented("object id", value).hex()[:24]
        if UUID.fullmatch(value):
            return str(uuid.UUID(bytes=self.invented("uuid", value)[:16], version=4))
        if RANDOM_ID.fullmatch(value):
            noise = self.invented("random id", value)[:17]
            return "".join(ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in noise)
        if SHA256_BASE64.fullmatch(value):
            return base64.b64encode(self.invented("hash", value)).decode()
        if "@" in value:
            return f"invented-{self.ordinal('address', value)}@example.org"
        return f"invented-{self.ordinal('text', value)}"

    def moment(self, value: str) -> str:
        """Return the new moment in the form of the old: long, or ISO with as many digits."""
        seconds, thousandths = divmod(self.moments[milliseconds(value)], 1000)
        new = datetime.fromtimestamp(seconds, UTC)
        if LONG.fullmatch(value):
            return new.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")
        digits = len(value.rstrip("Z").partition(".")[2])
        fraction = f".{thousandths:03d}{self.invented('fraction', value)[0]:03d}000000"
        return f"{new:%Y-%m-%dT%H:%M:%S}{fraction[: digits + 1] if digits else ''}Z"

    def token(self, value: str) -> str:
        """Return a token with the same header and claims of the same form, under an invented signature."""
        header, _, signature = value.split(".")
        new = claims(value)
        for name, claim in new.items():
            if isinstance(claim, str) and claim:
                new[name] = self.moment(claim) if name == "timestamp" else self.identifier(claim)
        body = base64.urlsafe_b64encode(json.dumps(new, separators=(",", ":")).encode()).decode().rstrip("=")
        noise = b"".join(self.invented("signature", value, salt) for salt in range(len(signature) // 40 + 1))
        return f"{header}.{body}.{base64.urlsafe_b64encode(noise).decode()[: len(signature)]}"

    def number(self, form: str, value: int | float) -> int | float:
        """Return another number of the same type, magnitude, first digit and trailing zeros; 0 and 1 stay."""
        if value in (0, 1):
            return value
        whole, point, decimals = f"{Decimal(str(value)):f}".partition(".")
        for salt in range(100):
            noise = iter(self.invented(form, value, salt))
            first = whole[0] if len(whole) > 1 or point else str(next(noise) % 8 + 2)
            middle = whole[1:].rstrip("0") if not point else whole[1:]
            new = first + "".join(str(next(noise) % 9 + 1) for _ in middle) + whole[1 + len(middle) :]
            if point:
                zeros = len(decimals) - len(decimals.lstrip("0"))
                new += "." + "0" * zeros + "".join(str(next(noise) % 9 + 1) for _ in decimals[zeros:])
            result = float(new) if point else int(new)
            if result != value and result not in self.numbers:
                return result
        return value * 2  # a first digit followed by zeros only

    def finish(self, new: dict[str, Any]) -> None:
        """Finish a document: people tables that add up again, and the dates of their windows."""
        for window in ("Yesterday", "LastWeek", "LastMonth"):
            tables = {kind: new.get(f"unique{kind}Of{window}") for kind in ("Users", "Devices", "OS")}
            for table in filter(None, tables.values()):
                move_date(table)
            devices, systems, users = ((tables[kind] or {}).get("data") or [] for kind in ("Devices", "OS", "Users"))
            for row in (*devices, *systems):
                row["count"] = self.number("clients", row["count"])
            for row in users:
                row["sessions"] = sum(device["count"] for device in devices)
                row["time"] = sum(device["time"] for device in devices)
                roles = row.get("roles", [])
                for column in ("count", "sessions", "time"):
                    even = column == "count"
                    for role, share in zip(roles, shares(row[column], len(roles), even=even), strict=True):
                        role[column] = share
        languages = new.get("userLanguages")
        if languages and len(languages) > 1:
            counts = shares(sum(languages.values()), len(languages))
            new["userLanguages"] = dict(zip(languages, counts, strict=True))

    def identify_records(self, tree: Any) -> None:
        """Invent the object id of every record, with the new second of its creation at its front."""
        for document in documents(tree):
            old = document.get("_id")
            old = old.get("$oid") if isinstance(old, dict) else old
            created = self.walk("createdAt", document.get("createdAt"), self.replace)
            created = created.get("$date", created) if isinstance(created, dict) else created
            if isinstance(old, str) and OBJECT_ID.fullmatch(old) and created:
                number = int(created["$numberLong"]) if isinstance(created, dict) else milliseconds(created)
                self.record_ids[old] = f"{number // 1000:08x}" + self.invented("object id", old).hex()[:16]

    def run(self, trees: list[Any]) -> list[Any]:
        """Return the sanitised content of all files."""
        for tree in trees:
            self.walk("", tree, self.collect)
        self.spread()
        for tree in trees:
            self.identify_records(tree)
        results = [self.walk("", tree, self.replace) for tree in trees]
        for result in results:
            for document in documents(result):
                self.finish(document)
        return results


def claims(token: str) -> dict[str, Any]:
    """Return the readable middle of a token."""
    body = token.split(".")[1]
    result: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return result


def shares(total: int, parts: int, *, even: bool = False) -> list[int]:
    """Split a total into parts that add up to it, even ones or of falling size."""
    result: list[int] = []
    for left in range(parts, 0, -1):
        rest = total - sum(result)
        weight = 1 if even else Decimal("1.5")
        result.append(rest if left == 1 else int(rest * weight / (left - 1 + weight)))
    return result


def move_date(table: dict[str, Any]) -> None:
    """Move the date of a window like every other moment, in plain numbers or in wrapped ones."""
    plain = {part: table[part] for part in ("year", "month", "day")}
    numbers = {part: int(next(iter(v.values()))) if isinstance(v, dict) else v for part, v in plain.items()}
    new = date(**numbers) + timedelta(days=DAYS)
    for part, value in plain.items():
        number = getattr(new, part)
        table[part] = {next(iter(value)): str(number)} if isinstance(value, dict) else number


def render(tree: Any, source: str) -> str:
    """Write content in the layout of its source: the same indentation, the same end of file."""
    indent = re.match(r"[\[{]\n( +)", source)
    end = "\n" if source.endswith("\n") else ""
    return json.dumps(tree, indent=len(indent[1]) if indent else None) + end


def main(source: Path, destination: Path) -> None:
    """Sanitise every sample of a folder into another."""
    paths = sorted(path for path in source.iterdir() if path.suffix in (".json", ".jsonl"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    pieces = [
        (path, piece)
        for path, text in texts.items()
        for piece in (text.splitlines(keepends=True) if path.suffix == ".jsonl" else [text])
    ]
    results = Sanitiser().run([json.loads(piece) for _, piece in pieces])
    destination.mkdir(parents=True, exist_ok=True)
    written: dict[str, str] = {}
    for (path, piece), result in zip(pieces, results, strict=True):
        written[path.name] = written.get(path.name, "") + render(result, piece)
    for name, text in written.items():
        (destination / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
