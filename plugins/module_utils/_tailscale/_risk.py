# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preference changes that would end this run's own SSH connection: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import OR_ACCEPT, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._prefs import Prefs, describe
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._ssh_origin import Origin
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import has_login, peers_of

# Options that end connections over the tailnet when they are changed to one of these values, and why.
OVER_TAILNET: t.Mapping[str, tuple[tuple[t.Any, ...], str]] = {
    "shields_up": ((True,), "it blocks all connections from the tailnet"),
    "ssh": ((True, False), "port 22 on the tailnet then belongs to another server (sshd or Tailscale SSH)"),
    "netfilter_mode": (("off", "nodivert"), "tailscaled then no longer opens the host's packet filter for the tailnet"),
}


def refuse_self_disconnect(
    before: Prefs, after: Prefs, options: t.Collection[str], status: t.Mapping[str, t.Any], origin: Origin
) -> None:
    """Raise NodeError if the change from one to the other ends the SSH connection of this run."""
    # Some providers give their customers addresses in the range that Tailscale uses.
    origin = origin._replace(over_tailnet=origin.over_tailnet and has_login(status))
    found = _cuts(before, after, options, status, origin)
    if not found:
        return
    if origin.over_tailnet:
        came, way = "over the tailnet", "run it from the LAN or a console"
    else:
        came, way = f"from {origin.client}", "run it over the tailnet or from a console"
        if "exit_node" in found and not after.get("ExitNodeAllowLANAccess"):
            way += ", set exit_node_allow_lan_access: true if that is its LAN"
    raise NodeError(
        f"{' and '.join(found)} would end the connection of this run, which is {came}, because "
        f"{', and '.join(found.values())}: {way}, {OR_ACCEPT}"
    )


def _cuts(
    before: Prefs, after: Prefs, options: t.Collection[str], status: t.Mapping[str, t.Any], origin: Origin
) -> dict[str, str]:
    """The options that end the connection, each with the reason."""
    client = origin.client
    if origin.over_tailnet:
        names = [name for name in OVER_TAILNET if name in options]
        old, new = describe(before, names), describe(after, names)
        return {name: OVER_TAILNET[name][1] for name in names if new[name] != old[name] and new[name] in OVER_TAILNET[name][0]}
    if not client:
        return {}
    found = {}
    if _answers_leave(after, client) and not _answers_leave(before, client):
        found["exit_node"] = f"answers to {client} would leave through the exit node"
    route = _taken_route(after, status, client)
    if route and not _taken_route(before, status, client):
        found["accept_routes"] = f"answers to {client} would go to {route}"
    return found


def _answers_leave(prefs: Prefs, client: str) -> bool:
    """Whether answers to the client leave through an exit node; only a LAN can be excluded from that."""
    in_use = any(prefs.get(key) for key in ("ExitNodeID", "ExitNodeIP", "AutoExitNode"))
    near = bool(prefs.get("ExitNodeAllowLANAccess")) and ipaddress.ip_address(client).is_private
    return bool(prefs.get("WantRunning")) and in_use and not near


def _taken_route(prefs: Prefs, status: t.Mapping[str, t.Any], client: str) -> str | None:
    """The peer with a subnet route to the client's address: that route takes precedence over the LAN's."""
    if not (prefs.get("WantRunning") and prefs.get("RouteAll")):
        return None
    address = ipaddress.ip_address(client)
    for peer in peers_of(status):
        for route in peer.get("PrimaryRoutes") or []:
            network = ipaddress.ip_network(route, strict=False)
            if network.prefixlen and network.version == address.version and address in network:
                return f"{peer.get('HostName')}, which advertises {route}"
    return None
