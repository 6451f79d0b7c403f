# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the port that firewall_lan_ssh_from opens with the ports at which the host's SSH servers listen: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall

Facts = t.Mapping[str, t.Any]
SERVERS = ("sshd", "dropbear")
PERHAPS = ("systemd", "")  # ssh.socket, or a process that is not known


def warnings(host: Facts, variables: Facts) -> list[str]:
    """The warning that firewall_lan_ssh_from opens a port at which no SSH server can answer."""
    listeners = host.get("listeners")
    if not listeners or not firewall.list_of(variables, "firewall_lan_ssh_from"):
        return []
    port = int(firewall.value_of(variables, "firewall_ssh_port", 22))
    found = _processes(host, variables)
    servers = sorted(one for one, names in found.items() if not names.isdisjoint(SERVERS))
    here = found.get(port, set())
    if here and (not servers or not here.isdisjoint((*SERVERS, *PERHAPS))):
        return []
    there = f"{' and '.join(sorted(here))} listens there" if here else "nothing listens there on this host"
    fix = f"set firewall_ssh_port: {servers[0]}, where its SSH server listens" if servers else "set firewall_ssh_port"
    return [f"[WARNING] firewall_lan_ssh_from opens port {port}, but {there}, which is of no use if Tailscale is down: {fix}"]


def _processes(host: Facts, variables: Facts) -> dict[int, set[str]]:
    """The names of the processes that listen at each TCP port outside the tailnet."""
    tailnet = firewall.value_of(variables, "firewall_tailnet_interface", "tailscale0")
    interfaces = (host.get("packet_filter") or {}).get("interfaces") or {}
    found: dict[int, set[str]] = {}
    for socket in host["listeners"].get("sockets") or []:
        if socket["proto"] == "tcp" and socket["address"] not in (interfaces.get(tailnet) or []):
            found.setdefault(int(socket["port"]), set()).add(socket["process"])
    for proto, port in host["listeners"].get("published") or []:
        if proto == "tcp":
            found.setdefault(int(port), set()).add("a container of Docker's")
    return found
