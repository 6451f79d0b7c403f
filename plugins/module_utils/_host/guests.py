# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces whose guests, containers or VPN clients use this host as their gateway or server: pure functions.

Only rules of the variant of iptables that ufw uses are considered. An accept in another table, such as those of LXD, Incus and
libvirt with nftables, does not keep ufw's table from dropping the packet.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

Link = t.Mapping[str, t.Any]
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
GUEST_PORTS = ("veth", "tun")
# Bridges of programs whose guests may be stopped now.
GUEST_BRIDGES = re.compile(r"lxdbr|lxcbr|incusbr|virbr|cni|podman")
DOCKER = re.compile(r"docker0$|br-[0-9a-f]{12}$|docker_gwbridge$")
DNS = "53"


def find(links: t.Sequence[Link], outer: t.Collection[str], listing: str, forwards: bool, filters_bridges: bool) -> list[Json]:
    """The interfaces. `outer` ones have a default route; `listing` is the output of `iptables -S`.

    `forwards` is the kernel's ip_forward, and `filters_bridges` its bridge-nf-call-iptables.
    """
    kinds = {link["ifname"]: (link.get("linkinfo") or {}).get("info_kind", "") for link in links}
    found = []
    for link in links:
        name, kind = link["ifname"], kinds[link["ifname"]]
        ports = [kinds[other["ifname"]] for other in links if other.get("master") == name]
        guests = sum(port in GUEST_PORTS for port in ports)
        has_real_port = guests < sum(port != "dummy" for port in ports)
        bridged = kind == "bridge" and has_real_port and guests > 0 and filters_bridges
        routed = name not in outer and bool(_networks(link)) and _serves(link, kind, guests, has_real_port, forwards)
        if bridged or routed:
            found.append(
                {
                    "name": name,
                    "kind": "docker" if DOCKER.match(name) else "bridge" if kind == "bridge" else "tunnel",
                    "guests": guests,
                    "networks": _networks(link),
                    "answered": accepts(listing, "INPUT", name, DNS),
                    "forwarded": not (forwards or bridged) or accepts(listing, "FORWARD", name),
                    "bridged": bridged,
                }
            )
    return found


def _serves(link: Link, kind: str, guests: int, has_real_port: bool, forwards: bool) -> bool:
    if kind == "bridge":
        return not has_real_port and (guests > 0 or bool(GUEST_BRIDGES.match(link["ifname"])))
    # A tunnel of a host that does not forward leads to this host only, and its services are named one by one.
    return forwards and not link.get("master") and kind in ("wireguard", "tun", "vxlan")


def _networks(link: Link) -> list[str]:
    return [
        str(ipaddress.ip_network(f"{item['local']}/{item['prefixlen']}", strict=False))
        for item in link.get("addr_info", [])
        if "local" in item and item.get("scope") == "global"
    ]


def accepts(listing: str, chain: str, name: str, port: str = "", seen: tuple[str, ...] = ()) -> bool:
    """Whether a chain of `iptables -S`, or one that it jumps to, accepts what comes in over an interface.

    Before or behind ufw's chains is the same: they leave to the next rule what they do not decide on.
    """
    for line in listing.splitlines():
        if not line.startswith(f"-A {chain} ") or "! -i" in line:
            continue
        via = re.search(r" -i (\S+)", line)
        if via and via[1] != name and not (via[1].endswith("+") and name.startswith(via[1][:-1])):
            continue
        target = re.search(r" -[jg] (\S+)", line)
        if target is None:
            continue
        if target[1] != "ACCEPT":
            deeper = target[1] not in (*seen, chain) and not target[1].startswith("ufw") and f"-N {target[1]}" in listing
            if deeper and accepts(listing, target[1], name, port, (*seen, chain)):
                return True
            continue
        ports = re.search(r"--dports? (\S+)", line)
        if (via or "--physdev-is-bridged" in line) and "ctstate" not in line and (not ports or port in ports[1].split(",")):
            return True
    return False
