# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the ports of other hosts that a host probes, and find open ports that should be closed: pure functions over views.

An answer counts only if it comes from the host itself. The same private address may lead to another machine: two homes may use
the same network, and a subnet router may advertise one. The answer is the host's own at a public address of one of its
interfaces, if the MAC address of the other machine is one of the host's, or if an SSH server with its host keys answers.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import is_tailnet_address
from ansible_collections.homelab.tailsync.plugins.plugin_utils import openings, verify_tailnet
from ansible_collections.homelab.tailsync.plugins.plugin_utils.verify_folders import Report
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import Attempt, Data, View, Views, read

# Ports that are probed even if no listener is known: SSH, Syncthing's web interface and its sync protocol.
WELL_KNOWN_PORTS = (22, 8384, 22000)
CONTROLLER = "the controller"
Key = t.Tuple[str, str, int]  # noqa: UP006  (host, address, port)


# --- probes ---------------------------------------------------------------------------------------


def endpoints(views: Views, cut_off: t.Collection[str]) -> dict[str, dict[str, t.Any]]:
    """For each host, the data that the others need to probe it, and that it needs itself.

    C(addresses) are its own. All others probe C(ports) at the addresses C(probe), and C(ssh_ports) at C(declared), the address
    in the inventory, if that is not one of them. C(sync) is its Syncthing's port, C(ping) its tailnet address, C(peers) are the
    devices that it shares folders with, C(label) is its name in the tailnet, and about C(ask) its own tailscaled is asked.
    """
    found = {}
    for view in views.values():
        there = view.name not in cut_off
        judged = bool(view.own) and not view.firewall_is_absent
        found[view.name] = {
            "addresses": list(view.interfaces),
            "probe": list(view.interfaces) if judged else [],
            "ports": sorted({*WELL_KNOWN_PORTS, *view.ssh_ports, *(view.own.get("listening") or ())}),
            "ssh_ports": list(view.ssh_ports),
            "declared": view.ansible_host if judged and _may_lead_elsewhere(view) else None,
            "ping": view.tailnet_address if there else None,
            "sync": view.sync_port if there else None,
            "peers": [device["name"] for device in view.wanted["devices"]],
            "label": view.label,
            "ask": verify_tailnet.asked(views, view),
        }
    return found


def targets(hosts: t.Mapping[str, Data], name: str) -> dict[str, t.Any]:
    """The ports and addresses that one host probes, in the form that reachability_info takes.

    Addresses that the host itself has are left out: every Docker host has 172.17.0.1. The Syncthings of its peers are tried
    at their tailnet addresses, because old connections survive a change of the access policy.
    """
    own, others = hosts[name], {other: entry for other, entry in hosts.items() if other != name}
    tcp = []
    for entry in others.values():
        tcp += [
            _probe(entry, address, port)
            for address in entry["probe"]
            if address not in own["addresses"]
            for port in entry["ports"]
        ]
        if entry["declared"] and entry["declared"] not in own["addresses"]:
            # Behind a translation it is a router that answers a ping there.
            tcp += [{**_probe(entry, entry["declared"], port), "patient": True} for port in entry["ssh_ports"]]
    peers = [others[peer] for peer in own["peers"] if peer in others]
    tcp += [{"address": entry["ping"], "port": entry["sync"]} for entry in peers if entry["ping"] and entry["sync"]]
    # A host that was not reached is known by its name only.
    asked = {*own["ask"], *(entry["label"] for entry in others.values() if not entry["ping"])}
    return {"tcp": tcp, "ping": [entry["ping"] for entry in others.values() if entry["ping"]], "peers": sorted(asked)}


def probes_of_controller(views: Views) -> list[dict[str, t.Any]]:
    """The addresses in the inventory that the controller connects to without a proxy."""
    return [
        {"address": view.ansible_host, "port": port, "host_keys": True, "patient": _may_lead_elsewhere(view)}
        for view in views.values()
        if view.own and not view.firewall_is_absent and not _has_proxy(view)
        for port in view.ssh_ports
        if _may_lead_elsewhere(view) or view.ansible_host in view.interfaces
    ]


def _probe(entry: Data, address: str, port: int) -> dict[str, t.Any]:
    return {"address": address, "port": port, "host_keys": port in entry["ssh_ports"]}


def _may_lead_elsewhere(view: View) -> bool:
    """Whether the host's address in the inventory is none of the addresses of its interfaces."""
    host = view.ansible_host
    return host not in view.interfaces and not is_tailnet_address(host) and host not in ("localhost", "127.0.0.1", "::1")


def _has_proxy(view: View) -> bool:
    names = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
    return any("proxy" in str(view.variables.get(name) or "").lower() for name in names)


# --- open ports -----------------------------------------------------------------------------------


def report(views: Views, from_controller: t.Iterable[Data] = ()) -> Report:
    """A finding for each open port that is not declared, and a note for each port that cannot be evaluated."""
    probers: dict[Key, list[str]] = {}
    doubtful: dict[Key, str] = {}
    for prober, attempt in _open_attempts(views, from_controller):
        for view in views.values():
            if view.name == prober or not leads_to(view, attempt) or _is_declared(view, attempt):
                continue
            key = (view.name, attempt.address, attempt.port)
            reason = openings.not_checked_because(view.variables)
            if reason is None and openings.is_left_to_docker(view.variables, attempt.port):
                reason = "firewall_docker is false, so Docker decides which ports it publishes"
            if reason:
                doubtful[key] = reason
            else:
                probers.setdefault(key, []).append(prober)
    absent = [view.name for view in views.values() if view.own and view.firewall_is_absent]
    return Report(
        findings=[f"{_is_open(key)} (tried from {', '.join(names)})" for key, names in probers.items()],
        notes=[
            *(f"{_is_open(key)}; {reason}" for key, reason in doubtful.items()),
            *(f"{name}: its ports were not probed, because firewall_state is absent" for name in absent),
        ],
        hosts={name for name, _address, _port in probers},
    )


def _open_attempts(views: Views, from_controller: t.Iterable[Data]) -> t.Iterator[tuple[str, Attempt]]:
    """The successful attempts, each with its prober, without those through the tailnet or of a machine with itself."""
    attempts = [(view.name, attempt) for view in views.values() for attempt in view.attempts]
    attempts += [(CONTROLLER, read(Attempt, item)) for item in from_controller]
    return ((prober, attempt) for prober, attempt in attempts if attempt.open and not _stays_inside(attempt))


def _stays_inside(attempt: Attempt) -> bool:
    """Whether a connection needed no open port outside the tailnet.

    From a tailnet address it used a subnet router or an exit node. The controller may be one of the hosts.
    """
    source = attempt.source or ""
    if source and (source in attempt.addresses or ipaddress.ip_address(source).is_loopback):
        return True
    return any(is_tailnet_address(address) for address in [*attempt.addresses, source])


def _is_open(key: Key) -> str:
    name, address, port = key
    return f"{name} accepts TCP connections at {address} port {port}, outside the tailnet"


def leads_to(view: View, attempt: Attempt) -> bool:
    """Whether it is certain that this host answered."""
    if any(address in view.interfaces and ipaddress.ip_address(address).is_global for address in attempt.addresses):
        return True
    return _on_link(view, attempt) or bool(set(attempt.host_keys) & set(view.own.get("host_keys") or ()))


def _on_link(view: View, attempt: Attempt) -> bool:
    return bool(attempt.mac) and attempt.mac in (view.own.get("macs") or ())


def _is_declared(view: View, attempt: Attempt) -> bool:
    address = next((item for item in attempt.addresses if item in view.interfaces), None)
    ports = [attempt.port]
    if address is None:
        ports += view.ssh_ports  # a translation may have changed the port as well; the host's SSH server answered
    profiles = view.own.get("ufw_profiles") or {}
    return any(
        openings.declares(
            view.variables,
            openings.Endpoint(
                port,
                address=address,
                interface=view.interfaces.get(address or ""),
                source=attempt.source,
                on_link=_on_link(view, attempt),
                private=not any(ipaddress.ip_address(item).is_global for item in attempt.addresses),
            ),
            profiles,
        )
        for port in ports
    )
