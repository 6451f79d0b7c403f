# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml concludes from what was seen: pure functions from views to sentences.

A cause is said, its effects are not: of a host that cannot be reached nobody needs to hear that its peers are not connected to
it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify_doors, verify_folders, verify_mesh
from ansible_collections.homelab.tailsync.plugins.plugin_utils.verify_folders import Said
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import NOTHING, Seen, View, Views


def conclude(views: Views, outside: t.Iterable[Seen] = ()) -> Said:
    """Everything that is not as the user wants it, causes first; what else is worth knowing; and how things are."""
    said = Said()
    reasons = {view.name: cut_off(view) for view in views.values()}
    gone = {name for name, reason in reasons.items() if reason}
    said.findings += [reason for reason in reasons.values() if reason]
    there = [view for view in views.values() if view.name not in gone]
    for view in views.values():
        if view.own and view.name in gone:
            said.add(_host_said(views, view))  # it answered so far, and this may be why
    for view in there:
        said.add(_host_said(views, view))
    silent, sentences = _silent_pairs(views, there)
    said.findings += sentences
    for view in there:
        said.add(verify_mesh.said_of(views, view, gone, silent))
    found, notes = verify_doors.findings(views, outside)
    said.findings += found
    said.notes += notes
    said.findings = list(dict.fromkeys(said.findings))  # what two hosts say alike
    for view in there:
        said.lines += [*_connections(view), *verify_folders.in_sync(view)]
    return said


def cut_off(view: View) -> str | None:
    """Why nothing of this host can be seen, or nothing can come to it."""
    if view.left or not view.way.get("address"):
        return _out_of_reach(view)
    if not view.runs:
        return f"{view.name}: Tailscale is {view.node.get('backend_state') or 'not running'}, not Running"
    if not view.device_id:
        return f"{view.name}: {view.syncthing.get('msg') or 'Syncthing does not answer: no reason known'}"
    return None


def _out_of_reach(view: View) -> str:
    if not view.way.get("address") and (view.way.get("msg") or not view.left):
        return f"{view.name} cannot be reached by SSH: {view.way.get('msg') or 'no way in was found'}"
    failed = [item["msg"] for item in (view.own, view.seen) if item.get("failed") and item.get("msg")]
    if failed:
        return f"{view.name} could not be looked at: {failed[0]}"
    return f"{view.name} failed or could not be reached earlier in this run (its own message is above): it was not verified"


def _host_said(views: Views, view: View) -> Said:
    said = Said()
    server = view.seen.get("control_server") or NOTHING
    if server and not server["open"] and not server["proxy"]:
        where = f"{server['host']} port {server['port']}"
        if server["resolved"]:
            said.findings.append(
                f"{view.name} cannot open a new connection to its control server at {where}: {server['error']}. "
                f"After its next start it would not come into the tailnet{_advice(views, server)}"
            )
        else:
            said.notes.append(f"{view.name} knows no address for its control server at {where}: {server['error']}")
    needs = view.seen.get("forwarding_needs") or ()
    if needs and view.node.get("tun", True):
        lines = ", ".join(f"{name}=1" for name in needs)
        said.findings.append(
            f"{view.name} offers routes to the tailnet and forwards nothing: put {lines} into "
            "/etc/sysctl.d/90-forwarding.conf, and run `sysctl --system`"
        )
    return said


def _advice(views: Views, server: Seen) -> str:
    for view in views.values():
        if server["host"] in (view.name, view.ansible_host, view.node.get("dns_name"), *view.interfaces):
            return f". It is {view.name}: let {server['port']}/tcp in there (firewall_public_ports)"
    return ""


def _silent_pairs(views: Views, there: t.Sequence[View]) -> tuple[set[frozenset[str]], list[str]]:
    """Pairs of hosts between which nothing new comes about, and a sentence for each."""
    pairs, sentences = set(), []
    for one, two in itertools.combinations(there, 2):
        pings = [(view, other, _ping(view, other)) for view, other in ((one, two), (two, one))]
        dead = [(view, other, ping) for view, other, ping in pings if ping and not ping["answers"]]
        if dead:
            pairs.add(frozenset((one.name, two.name)))
            view, other, ping = dead[0]
            sentences.append(
                f"{view.name} gets no answer from {other.name} at {ping['address']} through the tailnet: {ping['error']}"
            )
            continue
        doors = [door for door in (_sync_door(one, two), _sync_door(two, one)) if door]
        # One direction is enough: either of them may call the other.
        if doors and not any(door["open"] for door in doors) and not _outdated(one, two, doors):
            pairs.add(frozenset((one.name, two.name)))
            sentences.append(_no_new_connection(one, two, doors))
    return pairs, sentences


def _outdated(one: View, two: View, doors: t.Sequence[Seen]) -> bool:
    """Whether a Syncthing that was not listening yet has been waited for meanwhile."""
    connected = one.connection_to({"device_id": two.device_id}).get("connected")
    return bool(connected) and any("refused" in str(door["error"]) for door in doors)


def _no_new_connection(one: View, two: View, doors: t.Sequence[Seen]) -> str:
    errors = "; ".join(f"{door['address']} port {door['port']}: {door['error']}" for door in doors)
    refused = any("refused" in str(door["error"]) for door in doors)
    port = doors[0]["port"]
    cause = "" if refused else f". Each answers a ping: does the tailnet's access policy (a grant or ACL) let tcp:{port} through?"
    return f"{one.name} and {two.name} cannot open a new connection to each other's Syncthing ({errors}){cause}"


def _ping(view: View, other: View) -> Seen:
    return _of(view.seen.get("ping"), other.tailnet_address)


def _sync_door(view: View, other: View) -> Seen:
    return _of(view.seen.get("tcp"), other.tailnet_address, other.sync_port)


def _of(items: t.Iterable[Seen] | None, address: str | None, port: int | None = None) -> Seen:
    found = (item for item in items or () if item["address"] == address and port in (None, item.get("port")))
    return next(found, NOTHING)


def _connections(view: View) -> list[str]:
    """Whom a host is connected to, at which address and how: a line each."""
    lines = []
    for device in view.wanted["devices"]:
        connection = view.connection_to(device)
        if connection.get("connected"):
            lines.append(f"{view.name} -> {device['name']}: {connection['address']} ({connection['type']})")
        elif device["name"] not in view.managed:
            lines.append(f"{view.name} -> {device['name']}: not connected (not managed by Ansible)")
    return lines


# --- what verify.yml asks -------------------------------------------------------------------------


def to_try(views: Views, name: str) -> dict[str, t.Any]:
    """What a host is to try of the others, as reachability_info takes it."""
    gone = {view.name for view in views.values() if cut_off(view)}
    return {
        "tcp": [*verify_doors.doors_to_try(views, name), *verify_doors.sync_doors(views, name, gone)],
        "ping": verify_doors.addresses_to_ping(views, name, gone),
    }


def wait_for(views: Views, name: str) -> dict[str, t.Any]:
    """What of a host's Syncthing is worth waiting for, as syncthing_info takes it; empty if there is nothing."""
    gone = {view.name for view in views.values() if cut_off(view)}
    silent, _sentences = _silent_pairs(views, [view for view in views.values() if view.name not in gone])
    hopeless = {other for pair in silent if name in pair for other in pair if not _only_refused(views, name, other)}
    return verify_mesh.wait_for(views, views[name], gone | hopeless - {name})


def _only_refused(views: Views, name: str, other: str) -> bool:
    """Whether the other's Syncthing may be just about to listen."""
    return name != other and "refused" in str(_sync_door(views[name], views[other]).get("error"))


def report(said: Said) -> str:
    """The failure's text: the findings, the gravest first, then what else is worth knowing."""
    return "\n".join([*said.findings, *(f"(Also: {note})" for note in said.notes)])
