# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role firewall decides, as pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t


def refusals(node: t.Mapping[str, t.Any], key_expiry_days: int) -> list[str]:
    """Why a host, as tailscale_node_info describes it, must not be locked down: nobody could reach it afterwards."""
    state, expiry = node.get("backend_state"), node.get("key_expiry_days")
    found = []
    if state != "Running":
        found.append(
            f"tailscaled is {state}, not Running, so nothing could come in over the tailnet: join the host first (the role "
            "homelab.tailsync.tailscale does), or run `tailscale up` on it"
        )
    elif not (node.get("ipv4") or node.get("ipv6")):
        found.append("the host has no tailnet address yet: wait until `tailscale ip` on it shows one, and run again")
    if not node.get("tun"):
        found.append(
            "tailscaled runs with userspace networking, so there is no tailscale0 that could be let in: let it have "
            "/dev/net/tun, and take --tun=userspace-networking out of its flags (tailscale_userspace_networking: false)"
        )
    if expiry is not None and expiry < key_expiry_days:
        found.append(
            f"the node's key expires in {expiry} days ({node.get('key_expiry')}), and from then on nothing would reach the host: "
            "disable key expiry for it in the admin console, or let it join with a tag, or set firewall_key_expiry_days: 0"
        )
    return found


def public_rule(port: str) -> dict[str, str]:
    """A rule for `443/tcp`, `60000:61000/udp` or `53`."""
    number, _slash, protocol = str(port).partition("/")
    return {"port": number, "comment": "public", **({"proto": protocol} if protocol else {})}


def ssh_rule(network: str, port: t.Any) -> dict[str, str]:
    """A rule that lets SSH in from a network of the LAN."""
    return {
        "from": str(ipaddress.ip_network(network, strict=False)),
        "port": str(port),
        "proto": "tcp",
        "comment": "SSH if Tailscale is down",
    }
