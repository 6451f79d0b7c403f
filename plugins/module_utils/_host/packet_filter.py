# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the kernel's packet filter that apply before ufw's chains, or after them to packets they do not decide on.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import shutil
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._host import _iptables, _nftables, guests
from ansible_collections.homelab.tailsync.plugins.module_utils._host._iptables import Finding, Surroundings

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
PROGRAMS = {"v4": "iptables", "v6": "ip6tables"}
# Kinds of links (`ip -details link`) that lead to guests, containers and tunnels of this host.
INNER_KINDS = ("wireguard", "tun", "dummy", "vxlan", "ipip", "gre", "sit", "ifb", "vcan")
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/local/sbin"
# Services that would remove ufw's rules or add to them.
SERVICES = ("firewalld", "nftables", "netfilter-persistent", "iptables", "ip6tables", "shorewall", "shorewall6", "ferm")


def gather(execute: Execute, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    del params
    links = _json(execute, ["ip", "-json", "-details", "address", "show"])
    routes = [route for family in ("-4", "-6") for route in _json(execute, ["ip", "-json", family, "route", "show", "default"])]
    around = surroundings(links, routes)
    return {
        "rules": [dataclasses.asdict(finding) for finding in _findings(execute, around)],
        "services": services(_run(execute, ["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *_units()])),
        "interfaces": interfaces(links),
        "networks": lan_networks(links, around),
        "guests": guests.find(
            links,
            guests.Around(
                around.outer,
                rules_of(execute, "iptables"),
                rules_of(execute, "iptables", "nat"),
                _is_on("/proc/sys/net/ipv4/ip_forward"),
                _is_on("/proc/sys/net/bridge/bridge-nf-call-iptables"),
            ),
        ),
    }


def _is_on(path: str) -> bool:
    """Whether a switch of the kernel is there, and on."""
    try:
        return Path(path).read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def services(shown: str) -> list[str]:
    """The services in the output of `systemctl show` that manage the packet filter, now or from the next boot on."""
    found = []
    for block in shown.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if unit.get("ActiveState") == "active" or unit.get("UnitFileState") == "enabled":
            found.append(unit.get("Id", "").removesuffix(".service"))
    return list(dict.fromkeys(found))  # iptables.service is another name of netfilter-persistent's


def interfaces(links: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, list[str]]:
    """The addresses of each interface."""
    return {link["ifname"]: [item["local"] for item in link.get("addr_info", []) if "local" in item] for link in links}


def surroundings(links: t.Sequence[t.Mapping[str, t.Any]], routes: t.Iterable[t.Mapping[str, t.Any]]) -> Surroundings:
    """Sort the interfaces into those that lead to this host's own guests and tunnels, and those that lead elsewhere."""
    outer = {route["dev"] for route in routes if "dev" in route}
    kinds = {link["ifname"]: (link.get("linkinfo") or {}).get("info_kind", "") for link in links}
    ports: dict[str, list[str]] = {}
    for link in links:
        if link.get("master"):
            ports.setdefault(link["master"], []).append(kinds[link["ifname"]])
    inner = {name for name, kind in kinds.items() if name not in outer and _is_inner(name, kind, ports.get(name, []))}
    networks = [
        f"{item['local']}/{item['prefixlen']}"
        for link in links
        if link["ifname"] in inner
        for item in link.get("addr_info", [])
        if "local" in item
    ]
    return Surroundings(sorted(inner), sorted(outer), networks, sorted(set(kinds) - inner - outer))


def _is_inner(name: str, kind: str, ports: t.Iterable[str]) -> bool:
    """Whether an interface leads to guests or tunnels; `ports` are the kinds of a bridge's ports."""
    # A bridge belongs to guests unless one of its ports leads out of the host.
    guests = all(port in ("veth", "tun") for port in ports)
    return kind in INNER_KINDS or (kind == "bridge" and guests) or (kind == "veth" and bool(_iptables.INNER.match(name)))


def lan_networks(links: t.Iterable[t.Mapping[str, t.Any]], around: Surroundings) -> list[str]:
    """The private networks that this host is directly connected to."""
    found = []
    for link in links:
        for item in link.get("addr_info", []):
            if "local" not in item or item.get("scope") != "global" or around.is_inner(link["ifname"]):
                continue
            network = ipaddress.ip_network(f"{item['local']}/{item['prefixlen']}", strict=False)
            if network.is_private and network.num_addresses > 1:
                found.append(str(network))
    return list(dict.fromkeys(found))


def _findings(execute: Execute, around: Surroundings) -> list[Finding]:
    found: list[Finding] = []
    legacy = is_legacy("iptables")
    for family, program in PROGRAMS.items():
        found += _iptables.judge(rules_of(execute, program), family, around)
        other = program.replace("tables", "tables-nft" if legacy else "tables-legacy")
        found += _iptables.judge(rules_of(execute, other), family, around, other, final=False)
    listed = _json(execute, ["nft", "--json", "list", "ruleset"])
    found += _nftables.judge(listed, around)
    return list(dict.fromkeys(found))


def is_legacy(program: str) -> bool:
    """Whether a program is iptables-legacy, from its link's target (xtables-nft-multi, xtables-legacy-multi, xtables-multi)."""
    path = _path(program)
    return path is not None and "nft" not in Path(path).resolve().name


def rules_of(execute: Execute, program: str, table: str = "filter") -> str:
    """The output of `iptables -S`. Listing a legacy table that does not exist would create it, so that is not done."""
    names = Path(f"/proc/net/{'ip6' if program.startswith('ip6') else 'ip'}_tables_names")
    if is_legacy(program):
        try:
            if table not in names.read_text(encoding="ascii").split():
                return ""
        except OSError:
            return ""
    return _run(execute, [program, "-w", "-t", table, "-S"])


def _units() -> list[str]:
    return [f"{name}.service" for name in SERVICES]


def _path(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def _run(execute: Execute, command: list[str]) -> str:
    """The command's output; empty if the program is missing or fails."""
    path = _path(command[0])
    if not path:
        return ""
    code, output, _error = execute([path, *command[1:]])
    return output if code == 0 else ""


def _json(execute: Execute, command: list[str]) -> list[t.Any]:
    try:
        found = json.loads(_run(execute, command) or "[]")
    except ValueError:
        return []
    return list(found.get("nftables", []) if isinstance(found, dict) else found)
