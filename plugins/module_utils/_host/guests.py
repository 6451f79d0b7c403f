# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces whose guests, containers, VPN clients or machines use this host as their gateway or server: pure functions.

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
TUNNELS = ("wireguard", "tun", "vxlan")
# Bridges of programs whose guests may be stopped now.
GUEST_BRIDGES = re.compile(r"lxdbr|lxcbr|incusbr|virbr|vmbr|mpqemubr|waydroid|cni|podman")
DOCKER = re.compile(r"docker0$|br-[0-9a-f]{12}$|docker_gwbridge$")
DNS = "53"


class Around(t.NamedTuple):
    """What decides on the traffic of guests."""

    outer: t.Collection[str]  # the interfaces with a default route
    listing: str  # the output of `iptables -S`
    nat: str  # the same for the table nat
    forwards: bool  # the kernel's ip_forward
    filters_bridges: bool  # its bridge-nf-call-iptables


class Origin(t.NamedTuple):
    """An interface and its networks, and the port that is asked for; empty for forwarded traffic."""

    name: str
    networks: t.Sequence[str] = ()
    port: str = ""


def find(links: t.Sequence[Link], around: Around) -> list[Json]:
    """The interfaces; `links` is the output of `ip -json -details address show`."""
    outer, listing, nat, forwards, filters_bridges = around
    kinds = {link["ifname"]: (link.get("linkinfo") or {}).get("info_kind", "") for link in links}
    tunnels = any(kinds[link["ifname"]] in TUNNELS and _networks(link) for link in links)
    # Without ufw: what Docker's policy drops already, ufw does not take away.
    blocked = re.search(r"^-P FORWARD DROP$", listing, re.MULTILINE) and "-N ufw-user-input" not in listing.splitlines()
    found = []
    for link in links:
        name, kind, networks = link["ifname"], kinds[link["ifname"]], _networks(link)
        # Older versions of libvirt give each bridge a port virbr0-nic, which is no guest's.
        ports = [kinds[other["ifname"]] for other in links if other.get("master") == name and other["ifname"] != f"{name}-nic"]
        guests = sum(port in GUEST_PORTS for port in ports)
        has_real_port = guests < sum(port != "dummy" for port in ports)
        bridged = kind == "bridge" and has_real_port and guests > 0 and filters_bridges
        routed = name not in outer and bool(networks) and _serves(link, kind, guests, has_real_port, forwards)
        lan = name not in outer and forwards and kind in ("", "vlan") and not link.get("master")
        lan = lan and translates(nat, networks, () if tunnels else outer)
        if bridged or routed or lan:
            found.append(
                {
                    "name": name,
                    "kind": "docker" if DOCKER.match(name) else "bridge" if kind == "bridge" else "lan" if lan else "tunnel",
                    "guests": guests,
                    "networks": networks,
                    "answered": accepts(listing, "INPUT", Origin(name, networks, DNS)),
                    "forwarded": not (forwards or bridged)
                    or bool(blocked)
                    or accepts(listing, "FORWARD", Origin(name, networks)),
                    "bridged": bridged,
                }
            )
    return found


def _serves(link: Link, kind: str, guests: int, has_real_port: bool, forwards: bool) -> bool:
    if kind == "bridge":
        return not has_real_port and (guests > 0 or bool(GUEST_BRIDGES.match(link["ifname"])))
    # A tunnel of a host that does not forward leads to this host only, and its services are named one by one.
    return forwards and not link.get("master") and kind in TUNNELS


def _networks(link: Link) -> list[str]:
    return [
        str(ipaddress.ip_network(f"{item['local']}/{item['prefixlen']}", strict=False))
        for item in link.get("addr_info", [])
        if "local" in item and item.get("scope") == "global"
    ]


def translates(nat: str, networks: t.Sequence[str], outer: t.Collection[str]) -> bool:
    """Whether a rule of POSTROUTING gives these networks this host's address, as on an access point or a router.

    One for whatever leaves by an `outer` interface counts as well.
    """
    for line in nat.splitlines():
        if line.startswith("-A POSTROUTING ") and re.search(r" -j (MASQUERADE|SNAT)", line) and "! -s" not in line:
            via = re.search(r"(?<! !) -o (\S+)", line)
            if _is_from(line, networks) or (" -s " not in line and via and via[1] in outer):
                return True
    return False


def _is_from(line: str, networks: t.Sequence[str]) -> bool:
    """Whether a rule is for a source that has one of the networks."""
    source = re.search(r"(?<! !) -s (\S+)", line)
    try:
        there = ipaddress.ip_network(source[1], strict=False) if source else None
    except ValueError:  # a mask with holes
        return False
    own = [ipaddress.ip_network(network) for network in networks]
    return there is not None and any(there.version == one.version and one.subnet_of(there) for one in own)  # type: ignore[arg-type]


def accepts(listing: str, chain: str, origin: Origin, seen: tuple[str, ...] = ()) -> bool:
    """Whether a chain of `iptables -S`, or one that it jumps to, accepts what comes in over an interface or from its networks.

    Before or behind ufw's chains is the same: they leave to the next rule what they do not decide on.
    """
    for line in listing.splitlines():
        if not line.startswith(f"-A {chain} ") or "! -i" in line:
            continue
        via = re.search(r" -i (\S+)", line)
        if via and via[1] != origin.name and not (via[1].endswith("+") and origin.name.startswith(via[1][:-1])):
            continue
        target = re.search(r" -[jg] (\S+)", line)
        if target is None:
            continue
        if target[1] != "ACCEPT":
            deeper = target[1] not in (*seen, chain) and not target[1].startswith("ufw") and f"-N {target[1]}" in listing
            if deeper and accepts(listing, target[1], origin, (*seen, chain)):
                return True
            continue
        ports = re.search(r"--dports? (\S+)", line)
        ours = via or "--physdev-is-bridged" in line or _is_from(line, origin.networks)
        if ours and "ctstate" not in line and (not ports or origin.port in ports[1].split(",")):
            return True
    return False
