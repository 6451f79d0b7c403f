# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out whether the inventory declares a port open to the machine that probed it: pure functions over a host's variables.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall

Variables = t.Mapping[str, t.Any]
Rule = t.Mapping[str, t.Any]
ALLOWING = ("allow", "limit")
EPHEMERAL = 1024  # the lowest source port of connections
# Profiles that are known without the host's files.
KNOWN_PROFILES = {"OpenSSH": "22/tcp"}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A TCP port of a host at one of its addresses, and the source of the probe."""

    port: int
    address: str | None = None  # None: an address that is translated to the host's in an unknown way
    interface: str | None = None  # the host's interface with this address, if any
    source: str | None = None  # the source address of the probe
    on_link: bool = False  # no router can have changed the source
    private: bool = False  # the probed address is one of a private network


def rules_of(variables: Variables) -> list[Rule]:
    """The declared rules for connections from outside the tailnet, in the order of the firewall."""
    tailnet = firewall.value_of(variables, "firewall_tailnet_interface", "tailscale0")
    declared = firewall.rules(collections.ChainMap({"firewall_ssh_port": ssh_port(variables)}, t.cast("t.Any", variables)))
    kept = firewall.value_of(variables, "firewall_keep", [])
    return [rule for rule in [*declared, *kept] if rule.get("interface") != tailnet]


def ssh_port(variables: Variables) -> int:
    names = ("firewall_ssh_port", "ssh_port", "ansible_port", "ansible_ssh_port")  # ssh_port: of the login that was made
    return int(next((variables[name] for name in names if variables.get(name)), 22))


def not_checked_because(variables: Variables) -> str | None:
    """The reason why this host's open ports cannot be evaluated; None if the inventory declares all of them."""
    if variables.get("firewall_state") == "absent":
        return "firewall_state is absent"
    if not _is_true(variables.get("firewall_purge", True)):
        return "firewall_purge is false, so its other rules stay in force"
    return None


def is_left_to_docker(variables: Variables, port: int) -> bool:
    """Whether Docker may publish the port on a host where firewall_docker is false."""
    return not _is_true(variables.get("firewall_docker", True)) and port not in (22, 8384, 22000, ssh_port(variables))


def declares(variables: Variables, endpoint: Endpoint, profiles: t.Mapping[str, str]) -> bool:
    """Whether the inventory declares this endpoint open, or may do so."""
    for rule in rules_of(variables):
        if _matches(rule, endpoint, profiles, variables):
            return (rule.get("action") or "allow") in ALLOWING
    return False


def _matches(rule: Rule, endpoint: Endpoint, profiles: t.Mapping[str, str], variables: Variables) -> bool:
    direction = rule.get("direction") or "in"
    if direction not in ("in", "routed") or (rule.get("proto") or "tcp") not in ("tcp", "any"):
        return False
    ends = _from(rule, endpoint) and _to(rule, endpoint) and _through(rule, endpoint)
    if not ends:
        return False
    if direction == "routed":
        # The rule has the container's port; only Docker knows the published one.
        return endpoint.port not in (22, 8384, 22000, ssh_port(variables)) or _has_port(rule.get("port"), endpoint.port)
    if rule.get("app"):
        ports = {**KNOWN_PROFILES, **profiles}.get(str(rule["app"]))
        return ports is None or any(_has_port(item, endpoint.port) for item in _tcp_of(ports))
    return _has_port(rule.get("port"), endpoint.port)


def _from(rule: Rule, endpoint: Endpoint) -> bool:
    ports = rule.get("from_port")
    if ports is not None and not any(high >= EPHEMERAL for _low, high in _ranges(ports)):
        return False
    network = _network(rule.get("from"))
    if network is None:
        return True
    if endpoint.source is None:
        return True
    source = ipaddress.ip_address(endpoint.source)
    if source.version == network.version and source in network:
        return True
    if endpoint.on_link:
        return False
    # A router or a VPN may have replaced the source, by an address of the private network that it leads into or, on the way to a
    # public address, by a public one.
    return endpoint.private or (not source.is_global and network.is_global)


def _to(rule: Rule, endpoint: Endpoint) -> bool:
    network = _network(rule.get("to"))
    if network is None or endpoint.address is None:
        return True
    address = ipaddress.ip_address(endpoint.address)
    return address.version == network.version and address in network


def _through(rule: Rule, endpoint: Endpoint) -> bool:
    wanted = rule.get("interface")
    if not wanted or endpoint.interface is None:
        return True
    return endpoint.interface == wanted or (wanted.endswith("+") and endpoint.interface.startswith(wanted[:-1]))


def _network(value: t.Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if value in (None, "", "any"):
        return None
    return ipaddress.ip_network(str(value), strict=False)


def _ranges(ports: t.Any) -> list[tuple[int, int]]:
    found = []
    for piece in str(ports).split(","):
        low, _colon, high = piece.partition(":")
        found.append((int(low), int(high or low)))
    return found


def _has_port(ports: t.Any, port: int) -> bool:
    return ports in (None, "", "any") or any(low <= port <= high for low, high in _ranges(ports))


def _tcp_of(ports: str) -> list[str]:
    """The TCP ports of an application profile: `137,138/udp|139,445/tcp|53`."""
    found = []
    for item in ports.split("|"):
        numbers, _slash, protocol = item.strip().partition("/")
        if protocol in ("", "tcp"):
            found.append(numbers)
    return found


def _is_true(value: t.Any) -> bool:
    """Convert like Ansible's filter bool: values from the command line are text."""
    return str(value).lower() in ("true", "yes", "on", "1", "y", "t")
