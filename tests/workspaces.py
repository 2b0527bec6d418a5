"""
Random workspaces, made of single people and single sessions, and the statistics documents that a server makes of them.

Everything follows from a seed. A document is computed from the people and their sessions and never drawn, so its
figures agree with each other, within one day and over days, as those of a server do.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Final

FIRST_DAY: Final = date(2026, 7, 1)
"""Day 0: the first for which a document can be made; sessions go back a month further."""

WINDOWS: Final = {"Yesterday": 1, "LastWeek": 7, "LastMonth": 30}
"""Days that each window of the sessions looks back, by the last part of its name."""

MOST_IMPORTANT_FIRST: Final = (
    *("admin", "bot", "app", "livechat-manager", "livechat-monitor", "livechat-agent", "user", "custom-role", "guest"),
    "anonymous",
)
"""Of several roles the first counts, as the server picks one for each person."""

LANGUAGES: Final = ("en", "de", "pt-BR", "es", "fr", "ru", "it", "ja", "nl", "sv", "he", "cy", "zz-unlisted")
SERVICES: Final = ("ldap", "saml", "cas", "google", "github", "gitlab", "nextcloud")
CLIENTS: Final = (
    ("browser", "Chrome", "139.0.0", "Windows", "10"),
    ("browser", "Firefox", "141.0.0", "Linux", "x86_64"),
    ("desktop-app", "Rocket.Chat", "4.8.1", "Mac OS", "10.15.7"),
    ("mobile-app", "RC Mobile", "4.63.0", "Android", "16.0.1"),
)
_OLDEST: Final = -31


@dataclass(frozen=True, slots=True)
class Person:
    """
    One user record.

    Attributes:
        roles: All of them; a session counts for the most important.
        language: None for somebody who chose nothing.
        services: Ways to sign in.
        joined: Day from which the record exists.
        left: Day from which it no longer exists.
        is_enabled: A disabled record counts as a user, and for its language, its agents' roles and its importer.
        imported: The importer that made it, if any.
    """

    roles: tuple[str, ...] = ("user",)
    language: str | None = None
    services: frozenset[str] = frozenset()
    has_totp: bool = False
    has_email2fa: bool = False
    joined: int = _OLDEST
    left: int = 10**6
    is_enabled: bool = True
    imported: str = ""

    @property
    def role(self) -> str:
        """The most important role."""
        return next((role for role in MOST_IMPORTANT_FIRST if role in self.roles), "no-role")

    def is_here(self, day: int) -> bool:
        """Say whether the record exists on *day*."""
        return self.joined <= day < self.left


@dataclass(frozen=True, slots=True)
class Session:
    """One session of one person, by the person's place in the list: its day, its length and its client."""

    person: int
    day: int
    seconds: int
    client: int = 0


@dataclass(frozen=True)
class Workspace:
    """
    People and sessions.

    Attributes:
        days: For so many days, from day 0, a document can be made.
        rooms: Things that don't depend on people; any number.
    """

    people: tuple[Person, ...]
    sessions: tuple[Session, ...]
    days: int = 62
    rooms: int = 12

    @cached_property
    def _by_day(self) -> dict[int, list[Session]]:
        days: dict[int, list[Session]] = {}
        for session in self.sessions:
            days.setdefault(session.day, []).append(session)
        return days

    def here(self, day: int) -> list[Person]:
        """Return the records that exist on *day*."""
        return [person for person in self.people if person.is_here(day)]

    def window(self, day: int, length: int) -> list[Session]:
        """Return the sessions of the *length* days before *day*."""
        return [session for past in range(day - length, day) for session in self._by_day.get(past, ())]

    def month(self, day: int) -> str:
        """Return the calendar month that a report of *day* counts for."""
        return f"{FIRST_DAY + timedelta(days=day):%Y-%m}"

    def at(self, day: int) -> datetime:
        """Return the moment at which the document of *day* is made."""
        return datetime.combine(FIRST_DAY + timedelta(days=day), time(3, 12), UTC)

    def without(self, index: int) -> Workspace:
        """Return the workspace that never had person *index*; the others keep their sessions."""
        sessions = [
            replace(session, person=session.person - (session.person > index))
            for session in self.sessions
            if session.person != index
        ]
        return replace(self, people=self.people[:index] + self.people[index + 1 :], sessions=tuple(sessions))

    def with_person(self, person: Person, days: Sequence[int] = ()) -> Workspace:
        """Return the workspace with one *person* more, who had a session on each of *days*."""
        new = tuple(Session(len(self.people), day, 1800) for day in days)
        return replace(self, people=(*self.people, person), sessions=self.sessions + new)

    def documents(self) -> list[dict[str, Any]]:
        """Return the document of every day."""
        return [self.document(day) for day in range(self.days)]

    def document(self, day: int) -> dict[str, Any]:
        """Return the statistics document that the server makes early on *day*."""
        here = self.here(day)
        enabled = [person for person in here if person.is_enabled]
        signing_in = [person for person in enabled if person.role != "app"]
        document: dict[str, Any] = {
            "_id": f"{0x6A8 + day:024x}",
            "createdAt": f"{self.at(day):%Y-%m-%dT%H:%M:%S}.000Z",
            "totalUsers": len(here),
            "activeUsers": sum(person.role not in ("guest", "bot", "app") for person in enabled),
            "activeGuests": sum(person.role == "guest" for person in enabled),
            "appUsers": sum(person.role == "app" for person in enabled),
            "nonActiveUsers": len(here) - len(enabled),
            "totalUserTOTP": sum(person.has_totp for person in signing_in),
            "totalUserEmail2fa": sum(person.has_email2fa for person in signing_in),
            "totalLivechatAgents": sum("livechat-agent" in person.roles for person in here),
            "totalLivechatManagers": sum("livechat-manager" in person.roles for person in here),
            "userLanguages": _languages(here),
            "services": _services(signing_in),
            "importer": {
                "totalCSVImportedUsers": sum(person.imported == "csv" for person in here),
                "totalSlackImportedUsers": sum(person.imported == "slack" for person in here),
            },
            "totalRooms": 3 * self.rooms,
            "totalChannels": self.rooms,
            "totalMessages": 40 * len(self.window(day, 30)) + 1000,
            **self._peaks(day),
        }
        for name, length in WINDOWS.items():
            document |= self._of_window(day, name, self.window(day, length))
        latest = max((session.day for session in self.window(day, 31)), default=None)
        if latest is not None:
            moment = self.at(latest).replace(hour=17, minute=4)
            document["lastLogin"] = f"{moment:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)"
            document["lastMessageSentAt"] = f"{moment:%Y-%m-%dT%H:%M:%S}.217Z"
            document["lastSeenSubscription"] = f"{moment:%Y-%m-%dT%H:%M:%S}.903Z"
        return document

    def _peaks(self, day: int) -> dict[str, int]:
        """Return the peaks of connections: two in three of a day's people at once."""
        peaks = [
            2 * len({session.person for session in self._by_day.get(day - back, ())}) // 3 for back in range(1, 31)
        ]
        return {"dailyPeakConnections": peaks[0], "maxMonthlyPeakConnections": max(peaks)}

    def _of_window(self, day: int, name: str, sessions: Sequence[Session]) -> dict[str, Any]:
        yesterday = FIRST_DAY + timedelta(days=day - 1)
        head = {"year": yesterday.year, "month": yesterday.month, "day": yesterday.day}
        return {
            f"uniqueUsersOf{name}": {**head, "data": self._users(sessions)},
            f"uniqueDevicesOf{name}": {**head, "data": _clients(sessions, ("type", "name", "version"), 0)},
            f"uniqueOSOf{name}": {**head, "data": _clients(sessions, ("name", "version"), 3)},
        }

    def _users(self, sessions: Sequence[Session]) -> list[dict[str, Any]]:
        if not sessions:
            return []
        people = {session.person for session in sessions}
        roles = Counter(self.people[person].role for person in people)
        rows = []
        for role, count in roles.most_common():
            own = [session for session in sessions if self.people[session.person].role == role]
            rows.append({"role": role, "count": count, **_sums(own)})
        return [{"count": len(people), **_sums(sessions), "roles": rows}]


def _sums(sessions: Sequence[Session]) -> dict[str, int]:
    return {"sessions": len(sessions), "time": sum(session.seconds for session in sessions)}


def _clients(sessions: Sequence[Session], fields: Sequence[str], first: int) -> list[dict[str, Any]]:
    groups: dict[tuple[str, ...], list[Session]] = {}
    for session in sessions:
        groups.setdefault(CLIENTS[session.client][first : first + len(fields)], []).append(session)
    return [
        {"count": len(own), "time": _sums(own)["time"], **dict(zip(fields, words, strict=True))}
        for words, own in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    ]


def _languages(here: Sequence[Person]) -> dict[str, int]:
    chosen = Counter(person.language for person in here if person.language is not None)
    return {**chosen, "none": len(here) - chosen.total()}


def _services(signing_in: Sequence[Person]) -> dict[str, Any]:
    users = {name: sum(name in person.services for person in signing_in) for name in SERVICES}
    own = {name: {"enabled": users[name] > 0, "users": users[name]} for name in SERVICES}
    oauth = {name: own.pop(name) for name in SERVICES[3:]}
    return {**own, "oauth": oauth}


def workspace(seed: int, *, people: int | None = None, days: int = 62) -> Workspace:
    """
    Return the random workspace of *seed*.

    Args:
        people: How many at most; 18 to 120 by default. A few join or leave over the days.
        days: For so many days a document can be made.
    """
    rng = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret
    size = people if people is not None else rng.randint(18, 120)
    draw = _person(rng, days)
    everybody = [draw() for _ in range(size)]
    sessions, everybody = _sessions(rng, everybody, days)
    return Workspace(tuple(everybody), tuple(sessions), days, rng.randint(2, 40))


def _person(rng: random.Random, days: int) -> Callable[[], Person]:
    """Return a maker of people whose habits are those of one workspace."""
    spoken = rng.sample(LANGUAGES, rng.randint(1, min(9, len(LANGUAGES))))
    language_weights = [rng.random() ** 3 + 0.01 for _ in spoken]
    chooses = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    role_weights = [rng.random() ** 4 * weight for weight in (0.3, 0.2, 0.1, 0.3, 0.2, 0.6, 3.0, 0.6, 0.8, 0.1)]
    service_rates = {name: rng.choice((0.0, 0.0, 0.05, 0.2, 0.5, 0.95)) for name in SERVICES}
    totp, email2fa = rng.choice((0.0, 0.1, 0.4, 0.9, 0.98)), rng.choice((0.0, 0.3, 0.7, 1.0))
    joins, disabled = rng.choice((0.0, 0.02, 0.1)), rng.choice((0.0, 0.02, 0.1, 0.4))
    imported = rng.choice(("", "csv", "slack"))

    def draw() -> Person:
        roles = [rng.choices(MOST_IMPORTANT_FIRST, role_weights)[0]]
        if rng.random() < 0.15:
            roles.append(rng.choice(MOST_IMPORTANT_FIRST))
        return Person(
            roles=() if rng.random() < 0.01 else tuple(roles),
            language=rng.choices(spoken, language_weights)[0] if rng.random() < chooses else None,
            services=frozenset(name for name, rate in service_rates.items() if rng.random() < rate),
            has_totp=rng.random() < totp,
            has_email2fa=rng.random() < email2fa,
            joined=rng.randint(1, max(1, days - 1)) if rng.random() < joins else _OLDEST,
            is_enabled=rng.random() >= disabled,
            imported=imported if rng.random() < 0.4 else "",
        )

    return draw


def _sessions(rng: random.Random, everybody: list[Person], days: int) -> tuple[list[Session], list[Person]]:
    """Return the sessions of *everybody*, and everybody with the day on which a few left, a month after the last."""
    busy, weekend, leaves = rng.choice((0.05, 0.2, 0.5, 0.9)), rng.choice((0.05, 0.3, 1.0)), rng.choice((0.0, 0.1))
    sessions: list[Session] = []
    for index, person in enumerate(everybody):
        rate = min(1.0, busy * rng.choice((0.2, 1.0, 1.0, 1.5)))
        stops = rng.randint(0, days) if rng.random() < leaves else days
        for day in range(max(_OLDEST, person.joined), stops if person.is_enabled else _OLDEST):
            is_weekend = (FIRST_DAY + timedelta(days=day)).weekday() >= 5
            if rng.random() < rate * (weekend if is_weekend else 1.0):
                sessions += [
                    Session(index, day, rng.randint(20, 28_000), rng.randrange(len(CLIENTS)))
                    for _ in range(rng.randint(1, 3))
                ]
        if stops < days:
            everybody[index] = replace(person, left=max(stops, person.joined) + 31)
    return sessions, everybody
