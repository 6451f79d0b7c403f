# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of tailscaled's LocalAPI with its control server, which has the manners of Tailscale or of Headscale.

The manners are those that _login.py records as observed.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable, NoAnswer, NodeError

NODE = {"HostName": "nas", "DNSName": "nas.tailnet.test.", "ID": "n1", "Online": True}
PEER = {
    "ID": "n2",
    "HostName": "vps",
    "DNSName": "vps.tailnet.test.",
    "TailscaleIPs": ["100.64.0.9"],
    "ExitNodeOption": True,
    "PrimaryRoutes": ["192.168.7.0/24"],
}
LOGIN_ERROR = "You are logged out. The last login error was: "
REFUSED = f"{LOGIN_ERROR}invalid authkey"
NO_ANSWER = f"{LOGIN_ERROR}fetch control key: Get http://control: EOF"


class Daemon:
    """A daemon with a state and preferences; tests set attributes to change its behaviour."""

    def __init__(self, state: str = "Running", **prefs: t.Any) -> None:
        self.state = state
        self.preferences: dict[str, t.Any] = {
            "ControlURL": "https://controlplane.tailscale.com",
            "WantRunning": state == "Running",
            "LoggedOut": state == "NeedsLogin",
            "Hostname": "nas",
            "CorpDNS": True,
            "RouteAll": False,
            "RunSSH": False,
            "ShieldsUp": False,
            "NoSNAT": False,
            "AdvertiseRoutes": None,
            "AdvertiseTags": ["tag:server"],
            "OperatorUser": "",
            "ProfileName": "",
            "RunWebClient": False,
            "ExitNodeID": "",
            "ExitNodeIP": "",
            "ExitNodeAllowLANAccess": False,
            "NoStatefulFiltering": True,
            "NetfilterMode": 2,
            "AppConnector": {"Advertise": False},
            "PostureChecking": False,
            "AutoUpdate": {"Check": True, "Apply": None},
            "RelayServerPort": None,
            **prefs,
        }
        self.good_keys = {"tskey-auth-good", "hskey-auth-good", "tagged"}
        self.single_use = False
        self.spent: set[str] = set()
        self.registrations: list[str] = []  # the key of each registration that the control server received
        self.headscale = False
        self.deleted = False  # the control server does not know the node
        self.keeps_expiry = False  # Headscale 0.29 for a node with tags
        self.lost_answers = 0  # registrations that the server accepts without an answer
        self.online = state == "Running"
        self.auth_url = ""
        self.stale = 0  # the number of answers to status that still show the connection of before a start
        self.delay = 1  # the number of answers to status before the control server answers
        self.late = 0  # how many of them are left
        self.pending: t.Callable[[], None] | None = None
        self.keys = 1 if state != "NeedsLogin" else 0  # the number of logins; each one gives the node another key
        self.tags: list[str] = ["tag:server"]
        self.tags_of_key: list[str] | None = None  # the tags that the control server gives for any request
        self.expiry: str | None = None
        self.approval = False
        self.health: list[str] = []
        self.reads = self.writes = 0
        self.sent: list[tuple[str, t.Any]] = []
        self.missing = False
        self.silent = False
        self.silent_server = ""  # the one control server that does not answer
        self.objection = ""
        self.not_stored: set[str] = set()  # preferences that are accepted without an error and not stored
        self.names = ["nas"]  # the node's names in consecutive answers to status; the last one is repeated
        self.restarts = 0  # the number of requests that get no answer, from the next write on

    def status(self, peers: bool = False) -> dict[str, t.Any]:
        self.reads += 1
        self._answer()
        self.stale, self.late = max(self.stale - 1, 0), self.late - 1
        if self.pending and self.late < 0 and not self.stale:
            self.pending()
        up = self.state == "Running"
        name = self.names.pop(0) if len(self.names) > 1 else self.names[0]
        own = {
            **NODE,
            "DNSName": f"{name}.tailnet.test.",
            "PublicKey": f"nodekey:{self.keys}",
            "Tags": self.tags,
            "KeyExpiry": self.expiry,
            "Online": (self.online or self.stale > 0) and up,
        }
        return {
            "BackendState": self.state,
            "AuthURL": self.auth_url,
            **({"HaveNodeKey": True} if self.keys else {}),
            "Self": own if self.keys else {"PublicKey": "nodekey:0"},
            "TailscaleIPs": ["100.64.0.1", "fd7a:115c:a1e0::1"] if up else None,
            "CurrentTailnet": {"Name": "tailnet.test", "MagicDNSSuffix": "tailnet.test"} if up else None,
            "Health": self.health,
            "Version": "1.102.5",
            "TUN": True,
            "Peer": {"key": PEER} if peers and up else None,
        }

    def _answer(self) -> None:
        if self.missing:
            raise DaemonUnavailable("tailscaled is not running on this host")
        if self.restarts < 0:
            self.restarts += 1
            raise DaemonUnavailable("tailscaled does not answer")

    def prefs(self) -> dict[str, t.Any]:
        self.reads += 1
        self._answer()
        return dict(self.preferences)

    def check_prefs(self, prefs: dict[str, t.Any]) -> None:
        self.reads += 1
        if self.objection:
            raise NodeError(f"tailscaled would refuse these preferences: {self.objection}")

    def edit_prefs(self, masked: dict[str, t.Any]) -> dict[str, t.Any]:
        self.writes += 1
        self.sent.append(("edit", masked))
        self._keep({key: value for key, value in masked.items() if masked.get(f"{key}Set")})
        if self.preferences["WantRunning"] and self.state == "Stopped":
            self.state = "NeedsLogin" if self.expiry else "Running"
            self.online = True
        self.restarts = -self.restarts
        return dict(self.preferences)

    def _keep(self, given: dict[str, t.Any]) -> None:
        self.preferences.update({key: value for key, value in given.items() if key not in self.not_stored})

    def start(self, auth_key: str, prefs: dict[str, t.Any]) -> None:
        self.writes += 1
        self.sent.append(("start", prefs))
        self._keep(prefs)
        self.key = auth_key
        self.auth_url, self.online, self.pending = "", False, None  # an error of before stays until there is an answer
        if not self.keys or prefs["LoggedOut"]:
            self.health = []
            self.state = "Stopped" if self.keys else "NeedsLogin"
        elif auth_key:
            self._register(False)
        else:
            self._ask(self._return)

    def login_interactive(self) -> None:
        self.writes += 1
        self._register(True)

    def _ask(self, what: t.Callable[[], None]) -> None:
        """Ask the control server, which answers a little later. Until then the node shows what it knew."""
        self.late, self.pending = self.delay, what

    def _return(self) -> None:
        """What comes of a start without a key."""
        self.health = [NO_ANSWER] if self._gets_no_answer() else []
        if self.health:
            return
        if self.deleted or self.expiry:
            self.auth_url, self.state = "http://control/register/x", self.state if self.state == "Running" else "NeedsLogin"
        else:
            self.state, self.online = "Running", True

    def _register(self, new_node_key: bool) -> None:
        self._ask(lambda: self._registered(new_node_key))

    def _registered(self, new_node_key: bool) -> None:
        self.health = [] if self._refusal() is None else [f"{LOGIN_ERROR}{self._refusal()}"]
        if self.health:
            return
        self.pending = None
        self.registrations.append(self.key)
        if self.single_use:
            self.spent.add(self.key)
        if self.lost_answers:
            self.lost_answers -= 1
            self.expiry, self.deleted = None, False
            self._ask(lambda: self._registered(new_node_key))
            return
        if self.headscale and self.keeps_expiry:
            self.health = [
                f"{LOGIN_ERROR}{'authkey already used' if self.single_use else 'weird: server says NodeKeyExpired: x'}"
            ]
            return
        # Tailscale gives an expired node another key, Headscale does not.
        self.keys += 1 if new_node_key or not self.headscale else 0
        self.expiry, self.deleted, self.online = None, False, True
        self._tag()
        self.state = "NeedsMachineAuth" if self.approval else "Running"

    def _gets_no_answer(self) -> bool:
        return self.silent or self.preferences["ControlURL"] == self.silent_server

    def _refusal(self) -> str | None:
        if self._gets_no_answer():
            return NO_ANSWER[len(LOGIN_ERROR) :]
        if self.key not in self.good_keys:
            return "invalid authkey"
        if self.key in self.spent:
            return "authkey already used"
        asked = self.preferences["AdvertiseTags"] or []
        return f"requested tags {asked} are invalid or not permitted" if self.headscale and asked else None

    def _tag(self) -> None:
        if self.headscale:
            self.tags = self.tags or self.tags_of_key or []
        else:
            self.tags = (self.preferences["AdvertiseTags"] or []) if self.tags_of_key is None else self.tags_of_key

    def logout(self, timeout: int) -> None:
        self.writes += 1
        self.preferences.update(WantRunning=False, LoggedOut=True)
        if self.silent:
            self.state = "Stopped"
            raise NoAnswer(f"tailscaled does not answer: timed out after {timeout} s")
        self.state, self.online, self.pending = "NeedsLogin", False, None
        self.keys = 0
