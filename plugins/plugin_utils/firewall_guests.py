# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests, containers and VPN clients of a host lose with the role firewall, and the lines that keep it: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall

Facts = t.Mapping[str, t.Any]
LOSING = (
    "[WARNING] Once the firewall is closed, guests, VPN clients and machines behind these interfaces lose what this host gives "
    "them. To keep it, put the lines into the inventory (merge them into one list):"
)


def warnings(host: Facts, variables: Facts) -> list[str]:
    """The warnings about guests, and about blocks of other tools in ufw's files."""
    guests = (host.get("packet_filter") or {}).get("guests") or []
    lines = [line for guest in guests if guest["kind"] != "docker" for line in _line(guest, host, variables)]
    lines += _docker([guest for guest in guests if guest["kind"] == "docker"], host, variables)
    return [*([LOSING, *lines] if lines else []), *_blocks(host, variables)]


def _docker(networks: t.Iterable[Facts], host: Facts, variables: Facts) -> t.Iterator[str]:
    """One line for all networks of Docker's, which keep their way out."""
    closed = [guest for guest in networks if _is_closed(guest, host, variables)]
    if closed:
        names = [guest["name"] for guest in closed]
        rules = ", ".join(f"{{interface: {name}}}" for name in names)
        yield f"{', '.join(names)} (containers; this host's own ports): firewall_extra_rules: [{rules}]"


def _blocks(host: Facts, variables: Facts) -> t.Iterator[str]:
    blocks = _ufw(host).get("docker_blocks") or []
    if blocks and firewall.value_of(variables, "firewall_docker", True):
        yield (
            f"[WARNING] another tool's rules for Docker's chain DOCKER-USER are in {' and '.join(blocks)}. This collection's "
            "rules come after them and replace them: remove that block, or set firewall_docker: false to keep it"
        )


def _line(guest: Facts, host: Facts, variables: Facts) -> t.Iterator[str]:
    name = guest["name"]
    if name == firewall.value_of(variables, "firewall_tailnet_interface", "tailscale0") or name.startswith("tailscale"):
        return
    lost, rules = [], []
    # The ports for a network of other machines are named one by one (firewall_host.closing).
    if guest["kind"] != "lan" and _is_closed(guest, host, variables):
        lost.append(f"{'DNS' if guest['kind'] == 'tunnel' else 'DHCP and DNS'} from this host, and its other ports")
        rules.append(f"{{interface: {name}}}")
    if not guest["forwarded"] and _forwards_now(guest, host) and not _forwards(guest, variables):
        lost.append("the LAN" if guest["bridged"] else "the way out")
        out = f", interface_out: {name}" if guest["bridged"] else ""
        rules.append(f"{{direction: routed, interface: {name}{out}}}")
    if rules:
        number = f"{guest['guests']} guest{'s' * (guest['guests'] != 1)}; " if guest["guests"] else ""
        yield f"{name} ({number}{'; '.join(lost)}): firewall_extra_rules: [{', '.join(rules)}]"


def _ufw(host: Facts) -> Facts:
    return t.cast("Facts", (host.get("listeners") or {}).get("ufw") or {})


def _is_closed(guest: Facts, host: Facts, variables: Facts) -> bool:
    """Whether guests no longer reach this host's own ports."""
    kept = guest["bridged"] or guest["answered"] or _admits(guest, variables)
    return not kept and _answers_now(guest["name"], host)


def _answers_now(name: str, host: Facts) -> bool:
    """Whether ufw lets guests reach this host now: what they do not have they do not lose."""
    ufw = _ufw(host)
    if not ufw.get("active") or ufw.get("incoming") == "allow":
        return True
    return any(rule["action"] == "allow" and rule.get("interface") == name for rule in ufw.get("rules") or [])


def _forwards_now(guest: Facts, host: Facts) -> bool:
    ufw = _ufw(host)
    if not ufw.get("active") or ufw.get("routed") == "allow":
        return True
    return any(rule["action"] == "allow" and _is_about(rule, guest) for rule in ufw.get("routes") or [])


def _admits(guest: Facts, variables: Facts) -> bool:
    """Whether the user has declared what guests may reach on this host."""
    declared = [*firewall.openings(variables), *firewall.value_of(variables, "firewall_keep", [])]
    return any(_is_about(rule, guest) and rule.get("direction", "in") in (None, "in") for rule in declared)


def _forwards(guest: Facts, variables: Facts) -> bool:
    declared = [*firewall.rules(variables), *firewall.value_of(variables, "firewall_keep", [])]
    return any(rule.get("direction") == "routed" and _is_about(rule, guest) for rule in declared)


def _is_about(rule: Facts, guest: Facts) -> bool:
    """Whether a rule names the interface or its network."""
    for name in (rule.get("interface"), rule.get("interface_out")):
        if name and (name == guest["name"] or (name.endswith("+") and guest["name"].startswith(name[:-1]))):
            return True
    source = rule.get("from")
    if source in (None, "", "any", "0.0.0.0/0", "::/0") or rule.get("interface"):
        return False
    there = ipaddress.ip_network(str(source), strict=False)
    own = [ipaddress.ip_network(network) for network in guest["networks"]]
    return any(there.version == network.version and there.overlaps(network) for network in own)
