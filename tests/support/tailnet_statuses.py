# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of real tailscaled 1.102.5 of nas, pi and vps on Headscale 0.29.2, recorded after each change on the server."""

from __future__ import annotations

import typing as t

Json = t.Dict[str, t.Any]  # noqa: UP006
ZERO = "0001-01-01T00:00:00Z"
NUMBERS = {"nas": 1, "pi": 2, "vps": 3}


def node(name: str, *routes: str, **more: t.Any) -> Json:
    """A node as its own status and those of its peers have it; C(routes) are approved ones."""
    number = NUMBERS[name]
    addresses = [f"100.64.0.{number}", f"fd7a:115c:a1e0::{number}"]
    return {
        "ID": str(number),
        "DNSName": f"{name}.mesh.example.",
        "HostName": name,
        "TailscaleIPs": addresses,
        "AllowedIPs": sorted([f"{addresses[0]}/32", f"{addresses[1]}/128", *routes]),
        **({"PrimaryRoutes": [route for route in routes if not route.endswith("/0")]} if routes else {}),
        "Online": True,
        "ExitNodeOption": "0.0.0.0/0" in routes,
        "LastSeen": ZERO,
        **more,
    }


def status(own: Json, *peers: Json, state: str = "Running", health: t.Sequence[str] = ()) -> Json:
    return {
        "BackendState": state,
        "HaveNodeKey": True,
        "Self": own,
        "TailscaleIPs": own.get("TailscaleIPs"),
        "Peer": {f"nodekey:{peer['ID']}": peer for peer in peers} or None,
        "Health": list(health),
        "CurrentTailnet": {"Name": "10.9.0.1", "MagicDNSSuffix": "mesh.example", "MagicDNSEnabled": True},
        "TUN": True,
    }


HEALTHY = status(node("nas"), node("pi"), node("vps"))
# `headscale nodes delete`: the others lose it at once, pi itself notices nothing until tailscaled starts again.
DELETED_BY_NAS = status(node("nas"), node("vps"))
DELETED_BY_PI = status(node("pi"), node("nas"), node("vps"))
DELETED_AND_RESTARTED = status({"HostName": "pi", "TailscaleIPs": None, "Online": False}, state="NeedsLogin")
# `headscale nodes rename --identifier 3 vpsx`
RENAMED = status(node("nas"), node("pi"), node("vps", DNSName="vpsx.mesh.example."))
# `headscale nodes expire --identifier 3`: it stays online for its peers.
EXPIRED = status(node("nas"), node("pi"), node("vps", KeyExpiry="2026-11-26T17:03:10Z", Expired=True))
EXPIRED_BY_VPS = status(node("vps", KeyExpiry="2026-11-26T17:03:10Z", Expired=True), node("nas"), state="NeedsLogin")
OFFLINE = status(node("nas"), node("pi", Online=False, LastSeen="2026-11-26T17:00:00Z"), node("vps"))
# A policy whose grants have no rule for either direction hides the peers.
HIDDEN = status(node("nas"))
# A subnet route: the peers learn of the approval at once, the node itself only with its next start.
UNAPPROVED_BY_PI = status(node("pi"), node("nas"), node("vps"))
APPROVED_BY_NAS = status(node("nas"), node("pi", "192.168.7.0/24"), node("vps"))
APPROVED_BY_PI = UNAPPROVED_BY_PI
EXIT_NODE_BY_NAS = status(node("nas"), node("pi", "0.0.0.0/0", "::/0"), node("vps"))
# The server is down: nas is cut off from it at once, and keeps what it knew.
SERVER_DOWN = status(node("nas", Online=False), node("pi"), node("vps"))
STARTED_WITHOUT_SERVER = status(
    {"HostName": "vps", "TailscaleIPs": None, "Online": False},
    state="NoState",
    health=[
        'You are logged out. The last login error was: fetch control key: Get "https://10.9.0.1:8443/key?v=142": dial tcp '
        "10.9.0.1:8443: connect: connection refused"
    ],
)
