# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which doors of the others a host is to try, and which of those that opened should not have: pure functions over views.

An answer counts only if it is the host's own. The same private address may lead to another machine: two homes have the same
network, a subnet router offers one. It is the host's own at a public address that one of its interfaces has, if the MAC address
at the other end is one of its own, or if an SSH server with its host keys answers.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address
from ansible_collections.homelab.tailsync.plugins.plugin_utils import openings
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import Seen, View, Views

# Doors worth trying even if nothing seems to listen there: SSH, Syncthing's web interface and its sync protocol.
USUAL_DOORS = (22, 8384, 22000)
CONTROLLER = "the controller"


def doors_to_try(views: Views, name: str) -> list[dict[str, t.Any]]:
    """The doors of all other hosts that this one is to try.

    Addresses that the host has itself are left out: 172.17.0.1 is every Docker host's own.
    """
    own = views[name].interfaces
    doors: list[dict[str, t.Any]] = []
    for view in views.values():
        if view.name == name or not view.own or view.variables.get("firewall_state") == "absent":
            continue
        ports = sorted({*USUAL_DOORS, *view.ssh_ports, *(view.own.get("listening") or ())})
        addresses = [address for address in view.interfaces if address not in own]
        doors += [_door(view, address, port) for address in addresses for port in ports]
        if _may_lead_elsewhere(view, own):
            doors += [_door(view, view.ansible_host, port) for port in view.ssh_ports]
    return doors


def doors_for_controller(views: Views) -> list[dict[str, t.Any]]:
    """The addresses of the inventory, where the controller goes there without a machine in between."""
    return [
        _door(view, view.ansible_host, port)
        for view in views.values()
        if view.own and view.variables.get("firewall_state") != "absent" and not _goes_by_another(view)
        for port in view.ssh_ports
        if _may_lead_elsewhere(view, {}) or view.ansible_host in view.interfaces
    ]


def _door(view: View, address: str, port: int) -> dict[str, t.Any]:
    return {"address": address, "port": port, "host_keys": port in view.ssh_ports}


def _may_lead_elsewhere(view: View, own: t.Container[str]) -> bool:
    """Whether the address that the inventory has for a host is one that is not among those seen on it."""
    host = view.ansible_host
    known = host in view.interfaces or host in own or is_tailnet_address(host)
    return not known and host not in ("localhost", "127.0.0.1", "::1")


def _goes_by_another(view: View) -> bool:
    names = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
    return any("proxy" in str(view.variables.get(name) or "").lower() for name in names)


def sync_doors(views: Views, name: str, cut_off: t.Collection[str]) -> list[dict[str, t.Any]]:
    """The Syncthings of this host's peers at their tailnet addresses; old connections outlive a change of the access policy."""
    peers = {device["name"] for device in views[name].wanted["devices"]} - set(cut_off)
    return [
        {"address": view.tailnet_address, "port": view.sync_port}
        for view in views.values()
        if view.name in peers and view.name != name and view.tailnet_address and view.sync_port
    ]


def addresses_to_ping(views: Views, name: str, cut_off: t.Collection[str]) -> list[str]:
    others = (view.tailnet_address for view in views.values() if view.name != name and view.name not in cut_off)
    return [address for address in others if address]


def findings(views: Views, outside: t.Iterable[Seen] = ()) -> tuple[list[str], list[str]]:
    """A sentence for each door that opened and should not have, and one for what was not judged."""
    tried: dict[tuple[str, str, int], list[str]] = {}
    doubtful: dict[tuple[str, str, int], str] = {}
    attempts = [(view.name, door) for view in views.values() for door in view.seen.get("tcp") or ()]
    for trier, door in [*attempts, *((CONTROLLER, door) for door in outside)]:
        for view in views.values():
            if view.name == trier or not door["open"] or not leads_to(view, door) or _is_declared(view, door):
                continue
            key = (view.name, door["address"], door["port"])
            reason = openings.not_judged(view.variables)
            if reason is None and openings.leaves_to_docker(view.variables, door["port"]):
                reason = "firewall_docker is false, so that Docker decides about ports that it publishes"
            if reason:
                doubtful[key] = reason
            else:
                tried.setdefault(key, []).append(trier)
    found = [
        f"{name} lets a TCP connection in at {address} port {port}, outside the tailnet (tried from {', '.join(triers)})"
        for (name, address, port), triers in tried.items()
    ]
    notes = [
        f"{name} lets a TCP connection in at {address} port {port}, outside the tailnet; {reason}"
        for (name, address, port), reason in doubtful.items()
    ]
    absent = [view.name for view in views.values() if view.own and view.variables.get("firewall_state") == "absent"]
    notes += [f"{name}: its doors were not tried, because firewall_state is absent" for name in absent]
    return found, notes


def leads_to(view: View, door: Seen) -> bool:
    """Whether it is this host that answered there, which must be certain."""
    resolved = door.get("resolved") or [door["address"]]
    # A connection that is made from a tailnet address goes through the tailnet: by a subnet router, or an exit node.
    if any(is_tailnet_address(address) for address in [*resolved, door.get("source") or ""]):
        return False
    if any(address in view.interfaces and ipaddress.ip_address(address).is_global for address in resolved):
        return True
    return _on_link(view, door) or bool(set(door.get("host_keys") or ()) & set(view.own.get("host_keys") or ()))


def _on_link(view: View, door: Seen) -> bool:
    return bool(door.get("mac")) and door["mac"] in (view.own.get("macs") or ())


def _is_declared(view: View, door: Seen) -> bool:
    resolved = door.get("resolved") or [door["address"]]
    address = next((item for item in resolved if item in view.interfaces), None)
    ports = [door["port"]]
    if address is None:
        ports += view.ssh_ports  # a translation may have changed the port as well; what answered is its SSH server
    profiles = view.own.get("ufw_profiles") or {}
    return any(
        openings.declares(
            view.variables,
            openings.Door(
                port,
                address=address,
                interface=view.interfaces.get(address or ""),
                source=door.get("source"),
                on_link=_on_link(view, door),
                private=not any(ipaddress.ip_address(item).is_global for item in resolved),
            ),
            profiles,
        )
        for port in ports
    )
