"""Make the two example documents: `python examples/make_examples.py [FOLDER]`.

Both are invented: a registered, self-managed workspace of 247 users, and one of six. Their structure is that
of an 8.7.0 server; beyond it they fill every slot of the data dictionary that can identify somebody, also
those that only older servers or the transmitted body had, so that a test can show that none of it ever leaves.
`SECRETS` lists what was planted there.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Share = tuple[int, str, str, str]
"""A row of a table of programs or systems: parts of a thousand (0: the rest), type, name, version."""

_planted: dict[str, None] = {}
WORDS = ("windlequill", "sixpebble")
"""The two invented names that most of the secrets contain in one spelling or another."""


def plant(text: str) -> str:
    """Return a text after noting that it identifies somebody or something."""
    _planted[text] = None
    return text


def noise(label: str, size: int) -> bytes:
    """Return bytes that look random and never change."""
    blocks = (hashlib.sha256(f"{label} {n}".encode()).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def base64url(data: bytes) -> str:
    """Return the spelling of bytes inside a token."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def random_id(label: str) -> str:
    """Return an identifier of 17 characters as the server makes them."""
    alphabet = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"
    return plant("".join(alphabet[byte % len(alphabet)] for byte in noise(label, 17)))


def iso(moment: datetime) -> str:
    """Return a moment as the server stores most of them."""
    return plant(f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z")


def long_form(moment: datetime) -> str:
    """Return a moment as text of the JavaScript engine, which the server uses for logins."""
    return plant(f"{moment:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)")


def split(total: int, weights: Iterable[int]) -> list[int]:
    """Split a total by weights in parts of a thousand; the first part takes all that is left."""
    parts = [total * weight // 1000 for weight in weights]
    return [parts[0] + total - sum(parts), *parts[1:]]


def window(day: datetime, rows: list[Json]) -> Json:
    """Return a table of sessions with the date that the server puts on it."""
    return {"year": day.year, "month": day.month, "day": day.day, "data": rows}


def clients(sessions: int, time: int, shares: list[Share]) -> list[Json]:
    """Return the rows of programs or systems, which add up to the sessions and the time of their people."""
    counts, times = split(sessions, (s[0] for s in shares)), split(time, (s[0] for s in shares))
    return [
        {"count": count, "time": seconds, "type": kind, "name": name, "version": plant(version)}
        for count, seconds, (_, kind, name, version) in zip(counts, times, shares, strict=True)
    ]


def voice(inbound: int, outbound: int, internal: int, failed: int, seconds: int) -> Json:
    """Return one block of telephone figures."""
    calls = inbound + outbound + internal
    return {
        "calls": calls,
        "externalInboundCalls": inbound,
        "externalOutboundCalls": outbound,
        "internalCalls": internal,
        "externalCalls": inbound + outbound,
        "successfulCalls": calls - failed,
        "failedCalls": failed,
        "callsDuration": seconds,
    }


def contacts(sources: list[tuple[str, int, int]]) -> Json:
    """Return one block of omnichannel contacts by source."""
    return {
        "contactsCount": sum(people for _, people, _ in sources),
        "conversationsCount": sum(conversations for _, _, conversations in sources),
        "sources": [
            {"source": source, "contactsCount": people, "conversationsCount": conversations}
            for source, people, conversations in sources
        ],
    }


class Workspace:
    """One of the two invented workspaces; each figure is written as a pair, the large one's first."""

    def __init__(self, *, large: bool) -> None:
        """Choose the workspace."""
        self.large = large
        self.created = datetime(2026, 8, 17, self.n(3, 5), 12, tzinfo=UTC)
        self.label = WORDS[not large]

    def n(self, large: int, small: int) -> int:
        """Return the figure of this workspace."""
        return large if self.large else small

    def x(self, large: float, small: float) -> float:
        """Return the measure of this workspace."""
        return large if self.large else small

    def w(self, large: str, small: str) -> str:
        """Return a word of a closed list."""
        return large if self.large else small

    def s(self, large: str, small: str) -> str:
        """Return a text that identifies this workspace, a person, a room or a machine."""
        return plant(large if self.large else small)

    def before(self, **since: float) -> datetime:
        """Return a moment some time before the document was made."""
        return self.created - timedelta(**since)

    def document(self) -> Json:
        """Return the whole document, about in the order in which an 8.7.0 server writes it."""
        record = plant(f"{int(self.created.timestamp()):08x}" + noise(f"{self.label} record", 8).hex())
        unique = noise(f"{self.label} unique", 16).hex()
        unique_id = plant(f"{unique[:8]}-{unique[8:12]}-4{unique[13:16]}-a{unique[17:20]}-{unique[20:]}")
        document: Json = {
            "_id": record,
            "wizard": self.wizard(),
            "uniqueId": unique_id,
            "installedAt": iso(self.before(days=self.n(1222, 205), seconds=31047.219)),
            "deploymentFingerprintHash": plant(base64.b64encode(noise(f"{self.label} fingerprint", 32)).decode()),
            "deploymentFingerprintVerified": True,
            "version": "8.7.0",
            "tag": self.s("8.7.0-windlequill.2", "8.7.0-sixpebble.1"),
            "branch": self.s("release/windlequill-logo", "sixpebble-main"),
            **self.users(),
            **self.omnichannel(),
            **self.messages(),
            "lastLogin": long_form(self.before(minutes=self.n(14, 371), seconds=19)),
            "lastMessageSentAt": iso(self.before(minutes=self.n(3, 402), seconds=7.413)),
            "lastSeenSubscription": long_form(self.before(minutes=self.n(1, 377), seconds=44)),
            **self.machine(),
            **self.sessions(),
            "services": self.services(),
            **self.features(),
            "settings": self.settings(),
            **self.more_features(),
            "enterprise": self.enterprise(),
            "teams": self.teams(),
            **self.totals(),
            "matrixFederation": self.federation(),
            "allowUnsafeQueryAndFieldsApiParamsEnabled": self.large,
            "abacEnabled": self.large,
            "abacTotalAttributes": self.n(6, 1),
            "abacTotalAttributeValues": self.n(31, 2),
            "abacRoomsEnrolled": self.n(14, 1),
            "createdAt": iso(self.created),
            "_updatedAt": iso(self.created + timedelta(milliseconds=self.n(1873, 1211))),
        }
        document["statsToken"] = self.token(document)
        document["host"] = self.s("https://chat.windlequill.example.org/", "https://talk.sixpebble.example.net/")
        return document | {"count": 1, "offset": 0, "total": self.n(1193, 198), "success": True}

    def token(self, document: Json) -> str:
        """Return the receipt of the collector, which repeats identifiers and figures in a readable form."""
        moment = f"{self.before(days=1):%Y-%m-%dT%H:%M:%S}.{self.n(604118273, 317905446)}Z"
        told = {
            "workspaceId": plant(noise(f"{self.label} workspace", 12).hex()),
            "uniqueId": document["uniqueId"],
            "recordId": document["_id"],
            "timestamp": plant(moment),
            "info": {
                "totalUsers": document["totalUsers"],
                "activeUsers": document["activeUsers"],
                "totalConnectedUsers": document["totalConnectedUsers"],
                "omniChannelConversations": document["totalLivechat"],
                "totalRooms": document["totalRooms"],
                "totalMessages": document["totalMessages"],
                "uploadsTotalSize": document["uploadsTotalSize"],
                "microserviceEnabled": document["msEnabled"],
                "fileStoreType": document["fileStoreType"],
            },
        }
        header = base64url(b'{"alg":"RS256","typ":"JWT"}')
        body = plant(base64url(json.dumps(told, separators=(",", ":")).encode()))
        signature = plant(base64url(noise(f"{self.label} signature", 256)))
        return plant(f"{header}.{body}.{signature}")

    def wizard(self) -> Json:
        """Return the answers of the setup wizard, with the texts that servers up to 1.2 sent."""
        return {
            "organizationType": self.w("enterprise", "nonprofit"),
            "industry": self.w("logistics", "education"),
            "size": self.w("3", "0"),
            "country": self.w("germany", "newZealand"),
            "language": self.w("de", "en"),
            "serverType": self.w("privateTeam", "publicCommunity"),
            "registerServer": True,
            "organizationName": self.s("Windlequill Traders Example Ltd", "Sixpebble Example Reading Circle"),
            "website": self.s("https://www.windlequill.example.org", "https://sixpebble.example.net"),
            "siteName": self.s("Windlequill Deck Talk", "Sixpebble Nook"),
        }

    def users(self) -> Json:
        """Return the figures about users and rooms."""
        active, guests, inactive, apps = self.n(221, 5), self.n(9, 1), self.n(12, 0), self.n(5, 0)
        users = active + guests + inactive + apps
        online, away, busy = self.n(64, 2), self.n(31, 1), self.n(8, 1)
        languages = {
            "de": self.n(61, 1),
            "en": self.n(38, 2),
            "pt-BR": self.n(12, 0),
            "fr": self.n(11, 0),
            "es": self.n(4, 0),
            "pt-br": self.n(2, 0),
            self.s("zz-quillbert.windlequill", "zz-pebbletta.sixpebble"): 1,
        }
        channels, groups = self.n(86, 4), self.n(142, 2)
        direct, livechat = self.n(1310, 9), self.n(2874, 12)
        return {
            "totalUsers": users,
            "activeUsers": active,
            "activeGuests": guests,
            "nonActiveUsers": inactive,
            "appUsers": apps,
            "onlineUsers": online,
            "awayUsers": away,
            "busyUsers": busy,
            "totalConnectedUsers": online + away,
            "offlineUsers": users - online - away - busy,
            "userLanguages": {
                **{code: speakers for code, speakers in languages.items() if speakers},
                "none": users - sum(languages.values()),
            },
            "totalRooms": channels + groups + direct + livechat,
            "totalChannels": channels,
            "totalPrivateGroups": groups,
            "totalDirect": direct,
            "totalLivechat": livechat,
            "totalDiscussions": self.n(57, 1),
            "totalThreads": self.n(3921, 8),
            "totalLivechatVisitors": self.n(1968, 10),
            "totalLivechatAgents": self.n(23, 2),
            "totalLivechatManagers": self.n(11, 1),
        }

    def omnichannel(self) -> Json:
        """Return the figures about omnichannel, with the sources that name inboxes and apps."""
        inbox = self.s("parcels@windlequill.example.org", "hello@sixpebble.example.net")
        app = self.s("b7d0c5a2-6e41-4f0b-9c3d-5a8e21f49d07", "4c19e8f3-0b27-4d6a-8e55-91d3a7c60b2f")
        app_name = self.s("Windlequill Parcel Desk", "Sixpebble Lending Shelf")
        mail, line = plant("email-inbox"), self.s("windlequill-sms-line", "sixpebble-sms-line")
        sources = [
            {"type": "widget", "count": self.n(1604, 5)},
            {"id": inbox, "alias": mail, "type": "email", "count": self.n(688, 3)},
            {"id": app, "alias": app_name, "type": "app", "count": self.n(471, 2)},
            {"alias": line, "type": "sms", "count": self.n(102, 1)},
            {"type": "api", "count": self.n(9, 1)},
        ]
        month = [
            ("widget", self.n(143, 2), self.n(188, 3)),
            (mail, self.n(61, 1), self.n(79, 1)),
            (app_name, self.n(38, 1), self.n(52, 1)),
        ]
        this_month = [("widget", self.n(81, 1), self.n(104, 2)), (app_name, self.n(22, 1), self.n(29, 1))]
        return {
            "livechatEnabled": True,
            "isDepartmentRemovalEnabled": self.large,
            "omnichannelSources": sources,
            "totalLivechatRoomsWithDepartment": self.n(2107, 4),
            "departments": self.n(7, 1),
            "totalTriggers": self.n(4, 1),
            "archivedDepartments": self.n(2, 1),
            "totalCustomFields": self.n(5, 1),
            "totalLivechatPublicCustomFields": self.n(3, 1),
            "livechatAutomaticForwardingUnansweredChats": True,
            "routingAlgorithm": self.w("Load_Balancing", "Manual_Selection"),
            "onHoldEnabled": True,
            "lastChattedAgentPreferred": True,
            "assignNewConversationsToContactManager": self.large,
            "visitorAbandonment": self.w("on-hold", "close"),
            "emailInboxes": self.n(2, 1),
            "BusinessHours": {"total": self.n(3, 1), "strategy": True},
            "chatsOnHold": self.n(318, 2),
            "uniqueContactsOfLastMonth": contacts(month),
            "omnichannelContactsBySource": contacts(this_month),
            "uniqueContactsOfYesterday": contacts([(app_name, self.n(6, 1), self.n(7, 1))]),
            "uniqueContactsOfLastWeek": contacts([(s, p // 4 + 1, c // 4 + 1) for s, p, c in month]),
        }

    def messages(self) -> Json:
        """Return the messages of each kind and their sum."""
        kinds = {
            "totalChannelMessages": self.n(48210, 731),
            "totalPrivateGroupMessages": self.n(63927, 94),
            "totalDiscussionsMessages": self.n(5316, 12),
            "totalDirectMessages": self.n(121480, 388),
            "totalLivechatMessages": self.n(30219, 67),
        }
        return kinds | {"totalMessages": sum(kinds.values())}

    def machine(self) -> Json:
        """Return the machine, the process, the deployment and the database."""
        model = self.s("AMD EPYC 0000X Windlequill Edition", "Intel(R) Xeon(R) CPU Sixpebble v0 @ 0.00GHz")
        cpus = [
            {
                "model": model,
                "speed": self.n(2445, 3192),
                "times": {
                    "user": self.n(81234510, 6124370) + 91330 * core,
                    "nice": self.n(41270, 3310) + 130 * core,
                    "sys": self.n(20411870, 1932250) + 27110 * core,
                    "idle": self.n(1093718840, 402915560) - 118450 * core,
                    "irq": self.n(51980, 2240) + 70 * core,
                },
            }
            for core in range(self.n(8, 2))
        ]
        return {
            "os": {
                "type": "Linux",
                "platform": "linux",
                "arch": self.w("x64", "arm64"),
                "release": self.s("6.8.0-47-windlequill", "6.12.20+sixpebble-rack"),
                "uptime": self.x(1198634.27, 411022.81),
                "loadavg": [self.x(1.42, 0.18), self.x(1.31, 0.11), self.x(1.17, 0.09)],
                "totalmem": self.n(33567961088, 4015218688),
                "freemem": self.n(6120943616, 1288327168),
                "cpus": cpus,
            },
            "process": {
                "nodeVersion": "v22.22.3",
                "pid": self.n(4127, 811),
                "uptime": self.x(518402.741905233, 190233.118640871),
            },
            "deploy": {"method": "docker", "platform": "compose"},
            "fips": self.large,
            "readReceiptsEnabled": True,
            "readReceiptsDetailed": self.large,
            "enterpriseReady": True,
            "fileStoreType": self.w("AmazonS3", "GridFS"),
            "uploadsTotal": self.n(18344, 51),
            "uploadsTotalSize": self.n(42871930557, 91822067),
            "migration": {
                "_id": "control",
                "_updatedAt": iso(self.before(days=6, seconds=612.377)),
                "locked": False,
                "version": 335,
                "lockedAt": iso(self.before(days=6, seconds=640.112)),
                "buildAt": iso(self.before(days=self.n(9, 11), seconds=5031.908)),
                "hash": plant(noise(f"{self.label} build", 20).hex()),
            },
            "instanceCount": self.n(3, 1),
            "msEnabled": self.large,
            "oplogEnabled": False,
            "mongoVersion": self.w("8.0.12", "7.0.22"),
            "mongoStorageEngine": "wiredTiger",
            "apps": {
                "engineVersion": "1.65.1",
                "totalInstalled": self.n(14, 3),
                "totalActive": self.n(11, 2),
                "totalFailed": self.n(2, 1),
                "totalPrivateApps": self.n(3, 1),
                "totalPrivateAppsEnabled": self.n(2, 1),
            },
        }

    def sessions(self) -> Json:
        """Return the people, the programs and the systems of three windows; each window adds up."""
        roles: dict[str, list[tuple[str, int, int, int]]]
        if self.large:
            roles = {
                "Yesterday": [
                    ("user", 44, 131, 412806),
                    ("livechat-agent", 10, 47, 201377),
                    ("custom-role", 2, 5, 19022),
                    ("guest", 1, 2, 3480),
                    ("admin", 1, 9, 33719),
                ],
                "LastWeek": [
                    ("user", 148, 2310, 14702911),
                    ("livechat-agent", 19, 512, 2840366),
                    ("custom-role", 6, 81, 402119),
                    ("guest", 5, 14, 30277),
                    ("admin", 3, 77, 301845),
                    ("livechat-manager", 2, 39, 118206),
                    ("bot", 1, 1, 604511),
                ],
                "LastMonth": [
                    ("user", 171, 9644, 61204488),
                    ("livechat-agent", 21, 2213, 12190077),
                    ("custom-role", 7, 370, 1688240),
                    ("guest", 6, 52, 121903),
                    ("admin", 4, 318, 1290411),
                    ("livechat-manager", 3, 167, 503389),
                    ("bot", 2, 3, 2590337),
                ],
            }
        else:
            roles = {
                "Yesterday": [("admin", 1, 7, 25617)],
                "LastWeek": [("admin", 1, 31, 120544), ("user", 3, 40, 161208)],
                "LastMonth": [("admin", 1, 118, 470133), ("user", 4, 162, 640927), ("guest", 1, 2, 1911)],
            }
        odd = (self.n(12, 150), "other", *self.client())
        programs: list[Share] = [
            (0, "browser", "Chrome", "139.0.0"),
            (self.n(214, 150), "desktop-app", "Rocket.Chat", "4.8.1"),
            (self.n(171, 150), "mobile-app", "RC Mobile", "4.63.0"),
            (self.n(143, 150), "browser", "Firefox", "141.0.0"),
            odd,
        ]
        odd_system = self.s("WindlequillOS", "SixpebbleOS"), self.s("0.9-scanner-gun", "0.3-shelf-panel")
        systems: list[Share] = [
            (0, "", "Windows", "10.0.26100"),
            (self.n(187, 150), "", "Mac OS", "10.15.7"),
            (self.n(171, 150), "", "Android", "16.0.1"),
            (self.n(140, 150), "", "iOS", "18.6.1"),
            (self.n(12, 150), "", *odd_system),
        ]
        yesterday = self.before(days=1)
        result: Json = {}
        for name, people in roles.items():
            count, sessions, time = (sum(column) for column in list(zip(*people, strict=True))[1:])
            rows = [{"role": r, "count": c, "sessions": s, "time": t} for r, c, s, t in people]
            users = {"count": count, "sessions": sessions, "time": time, "roles": rows}
            used = clients(sessions, time, systems)
            for row in used:
                del row["type"]
            result[f"uniqueUsersOf{name}"] = window(yesterday, [users])
            result[f"uniqueDevicesOf{name}"] = window(yesterday, clients(sessions, time, programs))
            result[f"uniqueOSOf{name}"] = window(yesterday, used)
        return result

    def client(self) -> tuple[str, str]:
        """Return the name and the version of a program that only this workspace has."""
        return self.s("WindlequillScanner", "SixpebbleKiosk"), self.s("7.31.4-dock-b", "2.19.3-hall")

    def services(self) -> Json:
        """Return the ways to sign in, with one whose key is the name of the organisation."""
        users = {
            "apple": self.n(3, 0),
            "dolphin": self.n(1, 0),
            "drupal": self.n(1, 0),
            "facebook": self.n(2, 0),
            "github": self.n(14, 1),
            "githubEnterprise": self.n(2, 0),
            "gitlab": self.n(12, 0),
            "google": self.n(31, 2),
            "linkedin": self.n(2, 0),
            "meteor": self.n(1, 0),
            "nextcloud": self.n(10, 0),
            "twitter": self.n(1, 0),
            "wordpress": self.n(1, 0),
        }
        own = self.s("windlequillstaff", "sixpebblemembers")
        return {
            "ldap": {
                "users": self.n(118, 0),
                "enabled": self.large,
                "loginFallback": self.large,
                "encryption": self.w("ssl", "tls"),
                "mergeUsers": True,
                "syncRoles": True,
                "syncRolesAutoRemove": self.large,
                "syncData": True,
                "syncChannels": not self.large,
                "syncAvatar": True,
                "groupFilter": self.large,
                "backgroundSync": {
                    "enabled": True,
                    "interval": self.w("every_6_hours", "every_24_hours"),
                    "newUsers": True,
                    "existingUsers": self.large,
                },
                "ee": {
                    "syncActiveState": self.w("both", "disable"),
                    "syncTeams": self.large,
                    "syncRoles": True,
                },
            },
            "saml": {
                "enabled": self.large,
                "users": self.n(24, 0),
                "signatureValidationType": self.w("All", "Either"),
                "generateUsername": not self.large,
                "updateSubscriptionsOnLogin": True,
                "syncRoles": self.large,
                "userDataCustomFieldMap": True,
            },
            "cas": {
                "enabled": self.large,
                "users": self.n(11, 0),
                "allowUserCreation": not self.large,
                "alwaysSyncUserData": True,
            },
            "oauth": {
                **{name: {"enabled": count > 1, "users": count} for name, count in users.items()},
                "custom": {
                    own: {
                        "enabled": True,
                        "mergeRoles": True,
                        "users": self.n(46, 3),
                        "mapChannels": self.large,
                        "rolesToSync": self.large,
                    }
                },
            },
        }

    def features(self) -> Json:
        """Return the figures about imports, calls, contacts and audits."""
        return {
            "importer": {
                "totalCSVImportedUsers": self.n(63, 1),
                "totalHipchatEnterpriseImportedUsers": self.n(12, 1),
                "totalSlackImportedUsers": self.n(28, 2),
                "totalSlackUsersImportedUsers": self.n(17, 1),
            },
            "videoConf": {
                "videoConference": {"started": self.n(2, 1), "ended": self.n(1488, 17)},
                "direct": {"calling": 1, "started": self.n(3, 1), "ended": self.n(2610, 22)},
                "livechat": {"started": 1, "ended": self.n(41, 2)},
                "settings": {
                    "provider": self.s("windlequill-bridge", "sixpebble-parlour"),
                    "dms": True,
                    "channels": self.large,
                    "groups": True,
                    "teams": not self.large,
                },
            },
            "contactVerification": {
                "totalContacts": self.n(1902, 10),
                "totalUnknownContacts": self.n(413, 3),
                "totalMergedContacts": self.n(88, 1),
                "totalConflicts": self.n(7, 1),
                "totalResolvedConflicts": self.n(31, 1),
                "totalBlockedContacts": self.n(12, 2),
                "totalPartiallyBlockedContacts": self.n(4, 1),
                "totalFullyBlockedContacts": self.n(8, 1),
                "totalVerifiedContacts": self.n(640, 2),
                "avgChannelsPerContact": self.x(1.37, 1.1),
                "totalContactsWithoutChannels": self.n(5, 1),
                "totalImportedContacts": self.n(120, 1),
                "totalUpsellViews": self.n(9, 2),
                "totalUpsellClicks": self.n(2, 1),
            },
            "dashboardCount": self.n(214, 6),
            "messageAuditApply": self.n(19, 1),
            "messageAuditLoad": self.n(33, 2),
            "joinJitsiButton": self.n(402, 11),
            "slashCommandsJitsi": self.n(27, 1),
        }

    def settings(self) -> Json:
        """Return the settings, with the mail server and the sender."""
        return {
            "accounts": {"account2fa": True},
            "cannedResponses": {"cannedResponsesEnabled": True},
            "e2ee": {
                "e2e": True,
                "e2eDefaultDirectRoom": self.large,
                "e2eDefaultPrivateRoom": not self.large,
            },
            "email": {
                "smtp": {
                    "smtpHost": self.s("smtp-out.windlequill.example.org", "post.sixpebble.example.net"),
                    "smtpPort": self.s("46587", "42465"),
                    "fromEmail": self.s(
                        "Quillbert Windle <bosun@windlequill.example.org>",
                        "Pebbletta Six <keeper@sixpebble.example.net>",
                    ),
                }
            },
            "fileUpload": {"fileUploadEnable": True},
            "general": {
                "apps": {"frameworkDevMode": not self.large, "frameworkEnable": True},
                "nps": {"surveyEnabled": not self.large},
                "update": {"updateChecker": True},
            },
            "liveStreamAndBroadcasting": {"liveStream": not self.large, "broadcasting": False},
            "message": {
                "allowEditing": True,
                "allowDeleting": not self.large,
                "allowUnrecognizedSlashCommand": self.large,
                "allowBadWordsFilter": self.large,
                "readReceiptEnabled": True,
                "readReceiptStoreUsers": self.large,
            },
            "push": {"pushEnable": True},
            "search": {"defaultProvider": {"globalSearchEnabled": True}},
            "threads": {"threadsEnabled": True},
            "webRTC": {
                "webRTCEnableChannel": not self.large,
                "webRTCEnablePrivate": True,
                "webRTCEnableDirect": True,
            },
        }

    def more_features(self) -> Json:
        """Return the figures about mail, push and integrations."""
        return {
            "totalBroadcastRooms": self.n(3, 1),
            "totalTriggeredEmails": self.n(9120, 44),
            "pushQueue": self.n(5, 1),
            "integrations": {
                "totalIntegrations": self.n(22, 3),
                "totalIncoming": self.n(15, 2),
                "totalIncomingActive": self.n(12, 1),
                "totalOutgoing": self.n(7, 1),
                "totalOutgoingActive": self.n(6, 1),
                "totalWithScriptEnabled": self.n(9, 1),
            },
        }

    def enterprise(self) -> Json:
        """Return the licence and what it unlocks, with an add-on and a tag that name the customer."""
        return {
            "modules": [
                "auditing",
                "canned-responses",
                "ldap-enterprise",
                "livechat-enterprise",
                "voip-enterprise",
                "engagement-dashboard",
                "federation",
                "abac",
                self.s("windlequill.manifest-bridge", "sixpebble.shelf-planner"),
            ],
            "tags": ["Commercial", self.s("Windlequill Traders 2026", "Sixpebble Circle gift plan")],
            "seatRequests": self.n(4, 1),
            "livechatTags": self.n(18, 2),
            "cannedResponses": self.n(77, 3),
            "slas": self.n(4, 1),
            "omnichannelRoomsWithPriorities": self.n(251, 2),
            "omnichannelRoomsWithSlas": self.n(133, 1),
            "businessUnits": self.n(3, 1),
            "omnichannelPdfTranscriptRequested": self.n(64, 2),
            "omnichannelPdfTranscriptSucceeded": self.n(61, 1),
            "livechatMonitors": self.n(4, 1),
            "voip": {
                "total": voice(*((8120, 5233, 14210, 611, 4410922) if self.large else (14, 9, 31, 3, 9120))),
                "lastMonth": voice(*((702, 418, 1190, 48, 371204) if self.large else (4, 2, 6, 1, 1880))),
                "lastWeek": voice(*((171, 99, 284, 11, 90133) if self.large else (2, 1, 2, 1, 611))),
                "lastDay": voice(*((12, 7, 21, 2, 6120) if self.large else (1, 1, 1, 1, 97))),
            },
        }

    def teams(self) -> Json:
        """Return the figures about teams, with the list of single teams that servers up to 4.7 sent."""
        return {
            "totalTeams": self.n(11, 1),
            "totalRoomsInsideTeams": self.n(48, 2),
            "totalDefaultRoomsInsideTeams": self.n(16, 1),
            "teamStats": [
                {
                    "teamId": random_id(f"{self.label} team {number}"),
                    "mainRoom": random_id(f"{self.label} main room {number}"),
                    "totalRooms": public + private,
                    "totalMessages": messages,
                    "totalPublicRooms": public,
                    "totalPrivateRooms": private,
                    "totalDefaultRooms": 1,
                    "totalMembers": members,
                }
                for number, (public, private, messages, members) in enumerate(
                    [(4, 3, 5129, 38), (1, 1, 377, 2)] if self.large else [(1, 1, 214, 5)]
                )
            ],
        }

    def totals(self) -> Json:
        """Return what the server writes last: further totals and what was changed in the layout."""
        return {
            "totalRoomsWithStarred": self.n(73, 2),
            "totalRoomsWithPinned": self.n(58, 1),
            "totalUserTOTP": self.n(143, 2),
            "totalUserEmail2fa": self.n(88, 3),
            "totalPinned": self.n(196, 4),
            "totalStarred": self.n(611, 7),
            "totalLinkInvitation": self.n(25, 1),
            "totalLinkInvitationUses": self.n(83, 4),
            "totalEmailInvitation": self.n(112, 3),
            "totalE2ERooms": self.n(17, 1),
            "logoChange": True,
            "showHomeButton": self.large,
            "totalEncryptedMessages": self.n(4012, 15),
            "totalManuallyAddedUsers": self.n(41, 3),
            "totalSubscriptionRoles": self.n(4, 3),
            "totalUserRoles": self.n(15, 11),
            "totalCustomRoles": self.n(5, 1),
            "totalWebRTCCalls": self.n(61, 2),
            "uncaughtExceptionsCount": self.n(6, 1),
            "push": 3,
            "pushSecured": True,
            "homeTitleChanged": True,
            "homeBodyChanged": self.large,
            "customCSSChanged": self.large,
            "onLogoutCustomScriptChanged": not self.large,
            "loggedOutCustomScriptChanged": not self.large,
            "loggedInCustomScriptChanged": self.large,
            "dailyPeakConnections": self.n(121, 4),
            "maxMonthlyPeakConnections": self.n(158, 6),
        }

    def federation(self) -> Json:
        """Return the federation, with the names of rooms and of partners."""
        servers = [
            self.s("matrix.lanternfish-freight.example", "synapse.marblehall.example"),
            self.s("chat.otter-and-oar.example", "matrix.tinwhistle.example"),
        ]
        return {
            "enabled": True,
            "maximumSizeOfPublicRoomsUsers": self.n(100, 50),
            "biggestRoom": {
                "_id": random_id(f"{self.label} biggest room"),
                "name": self.s("Windlequill harbour merger talks", "Sixpebble and friends"),
                "usersCount": self.n(64, 9),
            },
            "smallestRoom": {
                "_id": random_id(f"{self.label} smallest room"),
                "name": self.s("Windlequill grievance of the night shift", "Sixpebble surprise party"),
                "usersCount": 2,
            },
            "amountOfExternalUsers": self.n(37, 4),
            "amountOfFederatedRooms": self.n(9, 2),
            "externalConnectedServers": {"quantity": len(servers), "servers": servers},
        }


def claims(token: str) -> str:
    """Return what the readable part of a token says."""
    body = token.split(".")[1]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


def rendered() -> dict[str, str]:
    """Return the text of each example file by its name."""
    return {
        name: json.dumps(Workspace(large=large).document(), indent=2, ensure_ascii=False) + "\n"
        for name, large in (("statistics.json", True), ("statistics-six.json", False))
    }


EXAMPLES = rendered()
"""The example files: name and text."""

SHORTEST = 4
"""How many characters a secret has at least; a shorter one would be found anywhere."""

SECRETS: tuple[str, ...] = (
    *(text for text in _planted if len(text) >= SHORTEST),
    *WORDS,
    *(word.capitalize() for word in WORDS),
)
"""Every identifying text of both examples; none of them may ever be in a payload."""


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for file_name, text in EXAMPLES.items():
        (folder / file_name).write_text(text, encoding="utf-8")
