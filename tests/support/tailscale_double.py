# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of tailscaled's LocalAPI: state, preferences and health messages."""

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
REFUSED = "You are logged out. The last login error was: invalid authkey"


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
        self.good_key = "tskey-auth-good"
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
        self.objection = ""
        self.not_stored: set[str] = set()  # preferences that are accepted without an error and not stored
        self.names = ["nas"]  # the node's names in consecutive answers to status; the last one is repeated
        self.restarts = 0  # the number of requests that get no answer, from the next write on

    def status(self, peers: bool = False) -> dict[str, t.Any]:
        self.reads += 1
        self._answer()
        up = self.state == "Running"
        name = self.names.pop(0) if len(self.names) > 1 else self.names[0]
        own = {
            **NODE,
            "DNSName": f"{name}.tailnet.test.",
            "PublicKey": f"nodekey:{self.keys}",
            "Tags": self.tags,
            "KeyExpiry": self.expiry,
        }
        return {
            "BackendState": self.state,
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
        self.restarts = -self.restarts
        return dict(self.preferences)

    def _keep(self, given: dict[str, t.Any]) -> None:
        self.preferences.update({key: value for key, value in given.items() if key not in self.not_stored})

    def start(self, auth_key: str, prefs: dict[str, t.Any]) -> None:
        self.writes += 1
        self.sent.append(("start", prefs))
        self._keep(prefs)
        self.key = auth_key
        if not auth_key:
            self.health = []
            stopped = "Stopped" if self.keys else "NeedsLogin"
            self.state = stopped if prefs["LoggedOut"] or not self.keys else "Running"

    def login_interactive(self) -> None:
        self.writes += 1
        if self.silent:
            self.health = ["You are logged out. The last login error was: fetch control key: Get http://control: EOF"]
        elif self.key != self.good_key:
            self.health = [REFUSED]
        else:
            self.health = []
            self.keys += 1
            self.expiry = None
            asked = self.preferences["AdvertiseTags"] or []
            self.tags = asked if self.tags_of_key is None else self.tags_of_key
            self.state = "NeedsMachineAuth" if self.approval else "Running"

    def logout(self, timeout: int) -> None:
        self.writes += 1
        self.preferences.update(WantRunning=False, LoggedOut=True)
        if self.silent:
            self.state = "Stopped"
            raise NoAnswer(f"tailscaled does not answer: timed out after {timeout} s")
        self.state = "NeedsLogin"
        self.keys = 0
