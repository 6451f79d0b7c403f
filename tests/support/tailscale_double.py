# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of tailscaled's LocalAPI: state, preferences, and what it says on the way."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import DaemonUnavailable, NodeError

NODE = {"HostName": "nas", "DNSName": "nas.tailnet.test.", "ID": "n1", "Online": True, "Tags": ["tag:server"]}

PEER = {"ID": "n2", "HostName": "vps", "DNSName": "vps.tailnet.test.", "TailscaleIPs": ["100.64.0.9"], "ExitNodeOption": True}


class Daemon:
    """A daemon in a state, with preferences; what it is to do otherwise than usual is set on it."""

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
        self.approval = False
        self.health: list[str] = []
        self.reads = self.writes = 0
        self.sent: list[tuple[str, t.Any]] = []
        self.missing = False
        self.silent = False
        self.objection = ""

    def status(self, peers: bool = False) -> dict[str, t.Any]:
        self.reads += 1
        if self.missing:
            raise DaemonUnavailable("tailscaled is not running on this host")
        up = self.state == "Running"
        return {
            "BackendState": self.state,
            "Self": NODE if up else {},
            "TailscaleIPs": ["100.64.0.1", "fd7a:115c:a1e0::1"] if up else None,
            "CurrentTailnet": {"MagicDNSSuffix": "tailnet.test"} if up else None,
            "Health": self.health,
            "Version": "1.102.5",
            "TUN": True,
            "Peer": {"key": PEER} if peers else None,
        }

    def prefs(self) -> dict[str, t.Any]:
        self.reads += 1
        return dict(self.preferences)

    def check_prefs(self, prefs: dict[str, t.Any]) -> None:
        self.reads += 1
        if self.objection:
            raise NodeError(f"tailscaled would refuse these preferences: {self.objection}")

    def edit_prefs(self, masked: dict[str, t.Any]) -> None:
        self.writes += 1
        self.sent.append(("edit", masked))
        self.preferences.update({key: value for key, value in masked.items() if masked.get(f"{key}Set")})
        if self.preferences["WantRunning"] and self.state == "Stopped":
            self.state = "Running"

    def start(self, auth_key: str, prefs: dict[str, t.Any]) -> None:
        self.writes += 1
        self.sent.append(("start", prefs))
        self.preferences.update(prefs)
        self.key = auth_key

    def login_interactive(self) -> None:
        self.writes += 1
        if self.silent:
            return
        if self.key != self.good_key:
            self.health = ["You are logged out. The last login error was: invalid authkey"]
        else:
            self.health = []
            self.state = "NeedsMachineAuth" if self.approval else "Running"

    def logout(self) -> None:
        self.writes += 1
        self.state = "NeedsLogin"
