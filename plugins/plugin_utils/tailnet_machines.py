# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the machines of a tailnet from any source into one form: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

Machine = dict[str, t.Any]
Json = t.Mapping[str, t.Any]


def machine(dns_name: str, addresses: t.Sequence[str], **more: t.Any) -> Machine:
    """A machine, named by the first part of its MagicDNS name, which is unique in a tailnet and follows a rename."""
    full_name = dns_name.rstrip(".")
    return {
        "name": full_name.split(".")[0],
        "dns_name": full_name,
        "addresses": list(addresses),
        "ipv4": _first(addresses, 4),
        "ipv6": _first(addresses, 6),
        **more,
        "tags": sorted(more.get("tags") or []),
    }


def _first(addresses: t.Iterable[str], version: int) -> str | None:
    return next((address for address in addresses if ipaddress.ip_address(address).version == version), None)


def from_status(status: Json, with_self: bool) -> list[Machine]:
    """Convert `tailscale status --json`, without machines shared from other tailnets and commercial exit nodes."""
    peers = list((status.get("Peer") or {}).values())
    own = [status["Self"]] if with_self and status.get("Self") else []
    suffix = (status.get("CurrentTailnet") or {}).get("MagicDNSSuffix") or ""
    return [
        machine(
            peer["DNSName"],
            peer.get("TailscaleIPs") or [],
            id=peer.get("ID"),
            hostname=peer.get("HostName"),
            os=(peer.get("OS") or "").lower(),
            online=bool(peer.get("Online")),
            tags=peer.get("Tags"),
        )
        for peer in [*own, *peers]
        if peer.get("DNSName", "").rstrip(".").endswith(suffix) and not peer.get("ShareeNode")
    ]


def from_tailscale(answer: Json) -> list[Machine]:
    """Convert the answer of Tailscale's API, /tailnet/-/devices."""
    return [
        machine(
            device["name"],
            device.get("addresses") or [],
            id=device.get("nodeId") or device.get("id"),
            hostname=device.get("hostname"),
            os=(device.get("os") or "").lower(),
            online=bool(device.get("connectedToControl")),
            tags=device.get("tags"),
        )
        for device in answer.get("devices") or []
        if device.get("authorized", True) and not device.get("isExternal")
    ]


def from_headscale(answer: Json) -> list[Machine]:
    """Convert the answer of Headscale's API, /node. It has no operating system and, before 0.28, the tags in two places."""
    return [
        machine(
            node.get("givenName") or node["name"],
            node.get("ipAddresses") or [],
            id=node.get("id"),
            hostname=node.get("name"),
            os="",
            online=bool(node.get("online")),
            tags=node.get("tags") or [*(node.get("forcedTags") or []), *(node.get("validTags") or [])],
        )
        for node in answer.get("nodes") or []
    ]


def groups(found: Machine) -> list[str]:
    """The automatic groups of a machine."""
    names = [f"tag_{tag.removeprefix('tag:')}" for tag in found["tags"]]
    names += [f"os_{found['os']}"] if found["os"] else []
    names.append("online" if found["online"] else "offline")
    return [re.sub(r"\W", "_", name) for name in names]


def address(found: Machine, kind: str) -> str | None:
    """The name or address to connect to; an address if there is no full name (Headscale without MagicDNS)."""
    fallback = found["ipv4"] or found["ipv6"]
    chosen = found[kind] if kind != "dns_name" or "." in found["dns_name"] else fallback
    return t.cast("str | None", chosen)
