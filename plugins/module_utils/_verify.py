# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml concludes from what was seen: pure functions from views to sentences.

A view is what one host showed, under its inventory name:

* C(way): what way_in returned for it,
* C(node): what tailscale_node_info returned as C(node),
* C(syncthing): what syncthing_info returned,
* C(wanted): what the filter syncthing_mesh says of it,
* C(self): reachability_info without targets, C(seen): with the other hosts as targets.

Any of them may be missing or empty: that is then the finding.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address

View = t.Mapping[str, t.Any]

# Doors worth trying even if nothing seems to listen there: SSH, Syncthing's sync protocol, its GUI.
USUAL_DOORS = (22, 8384, 22000)

# Syncthing before 1.20 tells no remoteState; None then says nothing.
SHARING_REMOTE_STATES = ("valid", None)


def host_of(address: str) -> str:
    """The host part of Syncthing's `100.64.0.2:22000` or `[fd7a::2]:22000`."""
    return address.rsplit(":", 1)[0].strip("[]")


def addresses_of(view: View) -> list[str]:
    """A host's addresses that are not its tailnet's."""
    found = (view.get("self") or {}).get("addresses") or []
    return [item["address"] for item in found if not is_tailnet_address(item["address"])]


def tailnet_address_of(view: View) -> str | None:
    return (view.get("node") or {}).get("ipv4")


def doors_to_try(views: t.Mapping[str, View], name: str, ssh_ports: t.Iterable[int] = ()) -> list[dict[str, t.Any]]:
    """The doors of all other hosts that this one is to try.

    Addresses that the host has itself are left out: 172.17.0.1 is every Docker host's own.
    """
    own = set(addresses_of(views[name]))
    doors = []
    for other, view in views.items():
        if other == name:
            continue
        ports = sorted({*USUAL_DOORS, *ssh_ports, *((view.get("self") or {}).get("listening") or [])})
        doors += [{"address": address, "port": port} for address in addresses_of(view) if address not in own for port in ports]
    return doors


def addresses_to_ping(views: t.Mapping[str, View], name: str) -> list[str]:
    others = (tailnet_address_of(view) for other, view in views.items() if other != name)
    return [address for address in others if address]


def mesh_findings(name: str, syncthing: View | None, wanted: View, managed: t.Collection[str]) -> list[str]:
    """What one host's Syncthing says that is not as wanted."""
    if not syncthing or not syncthing.get("device_id"):
        return [f"{name}: Syncthing does not answer: {(syncthing or {}).get('msg') or 'no reason known'}"]
    findings = [
        f"{name}: Syncthing cannot listen at {address}: {listener['error']}"
        for address, listener in (syncthing.get("listeners") or {}).items()
        if listener.get("error")
    ]
    if wanted.get("folders") and not any(address.startswith("tcp") for address in syncthing.get("listeners") or {}):
        findings.append(f"{name}: Syncthing listens at no tcp:// address")
    for device in wanted.get("devices") or []:
        if device["name"] in managed and not device.get("paused"):
            findings += _connection_findings(name, syncthing, device)
    for folder in wanted.get("folders") or []:
        findings += _folder_findings(name, syncthing, folder, managed)
    return findings


def device_id_of(syncthing: View, device: View) -> str | None:
    """A device's ID; that of a peer outside the run is the one this host knows it by."""
    known = {item.get("name"): device_id for device_id, item in (syncthing.get("devices") or {}).items()}
    return device.get("device_id") or known.get(device.get("name"))


def _connection_findings(name: str, syncthing: View, device: View) -> list[str]:
    peer, device_id = device["name"], device_id_of(syncthing, device)
    if not device_id:
        return [f"{name} and {peer} are not paired yet: {peer} has not taken part in a run together with {name}"]
    connection = (syncthing.get("connections") or {}).get(device_id)
    if connection is None:
        return [f"{name} does not have the device {peer}"]
    if not connection.get("connected"):
        dials = syncthing.get("dials") or {}
        errors = [
            f"{address}: {dials[address]['error']}"
            for address in device.get("addresses") or []
            if (dials.get(address) or {}).get("error")
        ]
        return [f"{name} is not connected to {peer}" + (f" ({'; '.join(errors)})" if errors else "")]
    kind, address = connection.get("type") or "", connection.get("address") or ""
    if not kind.startswith("tcp") or not is_tailnet_address(host_of(address)):
        return [f"{name} is connected to {peer} by {kind} at {address}, which is not tcp over the tailnet"]
    return []


def _folder_findings(name: str, syncthing: View, folder: View, managed: t.Collection[str]) -> list[str]:
    present = (syncthing.get("folders") or {}).get(folder["id"])
    if present is None:
        return [f"{name} does not have the folder {folder['id']}"]
    findings = []
    if present.get("error") or present.get("state") == "error":
        findings.append(f"folder {folder['id']} on {name}: {present.get('error') or 'state error'}")
    connections = syncthing.get("connections") or {}
    for device in folder.get("devices") or []:
        device_id = device_id_of(syncthing, device)
        if device.get("name") not in managed or not (connections.get(device_id) or {}).get("connected"):
            continue  # a missing connection is a finding of its own
        state = ((present.get("completion") or {}).get(device_id) or {}).get("remote_state")
        if state not in SHARING_REMOTE_STATES:
            findings.append(f"folder {folder['id']}: {device['name']} does not share it with {name} (it says {state})")
    return findings


def findings(views: t.Mapping[str, View], managed: t.Collection[str], open_ports: t.Collection[int] = ()) -> list[str]:
    """Everything that is not as the user wants it, one sentence each; nothing if all is well.

    Ports in open_ports are open to everyone because the user declared them so.
    """
    found: list[str] = []
    for name, view in views.items():
        way = view.get("way") or {}
        if not way.get("address"):
            found.append(f"{name} cannot be reached by SSH: {way.get('msg') or 'no way in was found'}")
            continue
        state = (view.get("node") or {}).get("backend_state")
        if state != "Running":
            found.append(f"{name}: Tailscale is {state or 'not running'}, not Running")
        found += mesh_findings(name, view.get("syncthing"), view.get("wanted") or {}, managed)
        found += _identity_findings(views, name)
        seen = view.get("seen") or {}
        found += _ping_findings(views, name, seen.get("ping") or [])
        found += _door_findings(views, name, seen.get("tcp") or [], open_ports)
    return found


def _identity_findings(views: t.Mapping[str, View], name: str) -> list[str]:
    """Peers that this host knows by another ID than they have: a re-installed host, say."""
    syncthing = views[name].get("syncthing") or {}
    found = []
    for device in (views[name].get("wanted") or {}).get("devices") or []:
        actual = ((views.get(device["name"]) or {}).get("syncthing") or {}).get("device_id")
        known = device_id_of(syncthing, device)
        if actual and known and actual != known:
            found.append(f"{name} knows {device['name']} by the device ID {known}, but {device['name']} has {actual}")
    return found


def _ping_findings(views: t.Mapping[str, View], name: str, pings: t.Iterable[View]) -> list[str]:
    owner = {tailnet_address_of(view): other for other, view in views.items()}
    return [
        f"{name} cannot ping {owner.get(item['address'], 'a peer')} at {item['address']}: {item['error']}"
        for item in pings
        if not item["answers"]
    ]


def _door_findings(views: t.Mapping[str, View], name: str, doors: t.Iterable[View], open_ports: t.Collection[int]) -> list[str]:
    owner = {address: other for other, view in views.items() for address in addresses_of(view)}
    return [
        f"{owner.get(door['address'], 'a host')} lets a TCP connection in at {door['address']} port {door['port']}, "
        f"outside the tailnet (tried from {name})"
        for door in doors
        if door["open"] and door["port"] not in open_ports
    ]


def connections(views: t.Mapping[str, View], managed: t.Collection[str]) -> list[str]:
    """Who is connected to whom, over which address and how: a line each."""
    lines = []
    for name, view in views.items():
        syncthing = view.get("syncthing") or {}
        for device in (view.get("wanted") or {}).get("devices") or []:
            connection = (syncthing.get("connections") or {}).get(device_id_of(syncthing, device)) or {}
            if connection.get("connected"):
                lines.append(f"{name} -> {device['name']}: {connection['address']} ({connection['type']})")
            elif device["name"] not in managed:
                lines.append(f"{name} -> {device['name']}: not connected (not managed by Ansible)")
    return lines
