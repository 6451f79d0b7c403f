# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conclusions of the role verify from the facts of the hosts: pure functions from views to messages.

Causes are reported, their effects are not: an unreachable host is one message, and its peers that are
not connected to it are none.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify_folders, verify_mesh, verify_ports, verify_tailnet
from ansible_collections.homelab.tailsync.plugins.plugin_utils.mesh import desired_state, model
from ansible_collections.homelab.tailsync.plugins.plugin_utils.verify_folders import Report
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import Attempt, ControlServer, Data, View, Views


def conclude(views: Views, from_controller: t.Iterable[Data] = ()) -> Report:
    """The report: all deviations from the declared state, causes first, then notes, then the state."""
    report = Report()
    outages = _outages(views)
    report.findings += outages.values()
    report.outages = outages
    report.said = {name: said for name, said in ((name, verify_tailnet.said_of(views, name)) for name in outages) if said}
    report.hosts |= set(outages)
    there = [view for view in views.values() if view.name not in outages]
    for view in views.values():
        if view.own and view.name in outages:
            report.add(_host_report(views, view), view.name)  # it answered this part, which may have the cause
    for view in there:
        report.add(_host_report(views, view), view.name)
        report.add(verify_tailnet.report_of(views, view), view.name)
    silent = _silent_pairs(there)
    report.findings += silent.values()
    report.hosts = report.hosts.union(*silent)
    for view in there:
        report.add(verify_mesh.report_of(views, view, outages, silent), view.name)
    report.add(verify_ports.report(views, from_controller))
    report.findings = list(dict.fromkeys(report.findings))  # two hosts may report the same
    for view in there:
        report.lines += [*_connections(view), *verify_folders.in_sync(view)]
    return report


def _outages(views: Views) -> dict[str, str]:
    reasons = {view.name: cut_off(views, view) for view in views.values()}
    return {name: reason for name, reason in reasons.items() if reason}


def cut_off(views: Views, view: View) -> str | None:
    """The reason why this host cannot be inspected, or is unreachable for its peers; else None."""
    if view.lost or not view.ssh.get("address"):
        return _unreachable(views, view)
    if not view.runs:
        return verify_tailnet.not_running(view)
    if not view.device_id:
        return f"{view.name}: {view.syncthing.get('msg') or 'Syncthing does not answer: no reason known'}"
    return None


def _unreachable(views: Views, view: View) -> str:
    if not view.ssh.get("address") and (view.ssh.get("msg") or not view.lost):
        said = verify_tailnet.said_of(views, view.name)
        reason = str(view.ssh.get("msg") or "no address answered")
        return f"{view.name} cannot be reached by SSH: {reason}{said and f' ({said})'}"
    failed = [item["msg"] for item in (view.own, view.probed) if item.get("failed") and item.get("msg")]
    if failed:
        return f"{view.name} could not be inspected: {failed[0]}"
    return f"{view.name} failed or could not be reached earlier in this run (its own message is above): it was not verified"


def _host_report(views: Views, view: View) -> Report:
    report = Report()
    server = view.control_server
    if server and not server.open and not server.proxy:
        where = f"{server.host} port {server.port}"
        if server.resolved:
            report.findings.append(
                f"{view.name} cannot open a new connection to its control server at {where}: {server.error}. "
                f"After its next start it could not log in to the tailnet{_advice(views, server)}"
            )
        else:
            report.notes.append(f"{view.name} cannot resolve the name of its control server at {where}: {server.error}")
    needs = view.probed.get("forwarding_needs") or ()
    if needs and view.node.get("tun", True):
        lines = ", ".join(f"{name}=1" for name in needs)
        report.findings.append(
            f"{view.name} advertises routes to the tailnet but does not forward packets: put {lines} into "
            "/etc/sysctl.d/90-forwarding.conf, and run `sysctl --system`"
        )
    return report


def _advice(views: Views, server: ControlServer) -> str:
    for view in views.values():
        if server.host in (view.name, view.ansible_host, view.node.get("dns_name"), *view.interfaces):
            return f". It is {view.name}: allow {server.port}/tcp there (firewall_public_ports)"
    return ""


Pair = t.FrozenSet[str]  # noqa: UP006


def _silent_pairs(there: t.Sequence[View]) -> dict[Pair, str]:
    """Pairs of hosts that cannot open a new connection to each other, each with its message."""
    found: dict[Pair, str] = {}
    for one, two in itertools.combinations(there, 2):
        if verify_tailnet.need_not_meet(one, two):
            continue
        message = verify_tailnet.strangers(one, two)
        message = message or _unanswered_ping(one, two) or _unanswered_ping(two, one) or _no_new_connection(one, two)
        if message:
            found[frozenset((one.name, two.name))] = message
    return found


def _unanswered_ping(view: View, other: View) -> str | None:
    ping = view.pings.get(other.tailnet_address or "")
    if not ping or ping["answers"]:
        return None
    return f"{view.name} gets no answer from {other.name} at {ping['address']} through the tailnet: {ping['error']}"


def _no_new_connection(one: View, two: View) -> str | None:
    attempts = [attempt for attempt in (_sync_attempt(one, two), _sync_attempt(two, one)) if attempt]
    # One direction is enough: either of them can connect to the other.
    if not attempts or any(attempt.open for attempt in attempts):
        return None
    refused = any(attempt.refused for attempt in attempts)
    if refused and one.connection_to({"device_id": two.device_id}).connected:
        return None  # Syncthing was not listening yet, but was after the wait
    errors = "; ".join(f"{attempt.address} port {attempt.port}: {attempt.error}" for attempt in attempts)
    port = attempts[0].port
    cause = "" if refused else f". Each answers a ping: does the tailnet's access policy (a grant or ACL) allow tcp:{port}?"
    return f"{one.name} and {two.name} cannot open a new connection to each other's Syncthing ({errors}){cause}"


def _sync_attempt(view: View, other: View) -> Attempt | None:
    return view.attempt_at(other.tailnet_address, other.sync_port)


def _connections(view: View) -> list[str]:
    """A line for each connection of a host, with peer, address and type."""
    lines = []
    for device in view.wanted["devices"]:
        connection = view.connection_to(device)
        if connection.connected:
            lines.append(f"{view.name} -> {device['name']}: {connection.address} ({connection.type})")
        elif device["name"] not in view.managed:
            said = verify_tailnet.said_of_device(view, device)
            lines.append(f"{view.name} -> {device['name']}: not connected (not managed by Ansible{said and f'; {said}'})")
    return lines


# --- tasks for the hosts --------------------------------------------------------------------------


def folders(mesh: Data, hosts: t.Iterable[str]) -> dict[str, list[dict[str, t.Any]]]:
    """The folders that each host is to have, in the form that syncthing_info takes."""
    read = model(mesh)
    keys = ("id", "path", "requires_mount")
    return {
        host: [{key: folder[key] for key in keys if folder.get(key)} for folder in desired_state(read, host)["folders"]]
        for host in hosts
    }


def plan(views: Views) -> dict[str, t.Any]:
    """The data that all hosts need to probe each other (see C(targets)), and the ports that the controller probes itself."""
    return {
        "hosts": verify_ports.endpoints(views, _outages(views)),
        "controller": verify_ports.probes_of_controller(views),
    }


targets = verify_ports.targets


def waits(views: Views) -> dict[str, dict[str, t.Any]]:
    """The devices and folders of each host that are worth waiting for, in the form that syncthing_info takes; may be empty."""
    outages = _outages(views)
    silent = _silent_pairs([view for view in views.values() if view.name not in outages])
    unreachable: dict[str, set[str]] = {name: set(outages) for name in views}
    for one, two in map(tuple, silent):
        for name, other in ((one, two), (two, one)):
            attempt = _sync_attempt(views[name], views[other])
            if not (attempt and attempt.refused):  # after a refusal the other's Syncthing may start to listen soon
                unreachable[name].add(other)
    return {name: verify_mesh.wait_for(views, view, unreachable[name]) for name, view in views.items()}
