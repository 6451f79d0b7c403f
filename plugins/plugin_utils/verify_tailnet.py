# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tailnet says of the hosts of a run: pure functions over views.

A control server tells a node's peers first that its key has expired, that it was deleted, renamed or is offline, and which of its
routes are approved. The node itself may not hear of it (ADR 21). So each host's tailscaled is asked what it knows of the others.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._plan import APPROVAL
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall, tailscale_host
from ansible_collections.homelab.tailsync.plugins.plugin_utils.verify_folders import Report
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import Data, Peer, Tailnet, View, Views

NEEDS_LOGIN, NEEDS_APPROVAL, STARTING = "NeedsLogin", "NeedsMachineAuth", ("NoState", "Starting")
EXIT_ROUTES = ("0.0.0.0/0", "::/0")
LOG_IN = "log it in by site.yml with a key (tailscale_auth_key, or a secret that creates one), over the LAN or a console"


# --- what to ask --------------------------------------------------------------------------------


def asked(views: Views, view: View) -> list[str]:
    """The nodes, besides the hosts of the run, that a host's tailscaled is asked about: by name or address."""
    found = {view.label}
    for device in view.wanted["devices"]:
        if device["name"] not in views:
            found |= set(_names_of(device))
    return sorted(found)


def _names_of(device: Data) -> list[str]:
    """The names and addresses that a device may have in the tailnet, from those that Syncthing dials (`tcp://phone:22000`)."""
    hosts = [address.rpartition("://")[2].rpartition(":")[0].strip("[]") for address in device.get("addresses") or ()]
    names = [host if _is_address(host) else label_of(host.partition(".")[0]) for host in hosts]
    return [name for name in [*names, label_of(device["name"])] if name]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# --- a host that is not in the tailnet ------------------------------------------------------------


def not_running(view: View) -> str:
    """The finding for a host whose node is not up, with the reason that its own tailscaled gives."""
    state = view.node.get("backend_state")
    if not state:
        return f"{view.name}: Tailscale is not running"
    if state == NEEDS_APPROVAL:
        return f"{view.name}: {APPROVAL}"
    why = _reason(view, state)
    return f"{view.name}: Tailscale is {state}, not Running{why and f': {why}'}"


def _reason(view: View, state: str) -> str:
    if view.node.get("key_expired"):
        return f"the key of its node has expired ({view.node.get('key_expiry')}). {_renew(view)}, or {LOG_IN}"
    if state == NEEDS_LOGIN and view.node.get("logged_in"):
        return f"the control server no longer accepts its login, because the node was deleted there or logged out; {LOG_IN}"
    if state == NEEDS_LOGIN:
        return f"it is logged out of the tailnet; {LOG_IN}"
    if state in STARTING:
        health = "; ".join(view.node.get("health") or ())
        return f"it waits for an answer of its control server{health and f' ({health})'}"
    return ""


def _renew(view: View) -> str:
    command = f"headscale nodes expire --identifier {view.node.get('id') or 'ID'} --disable"
    return f"Disable its key expiry {_way(view, command)}"


def _way(view: View, command: str) -> str:
    """The place at which an administrator changes a node. Only Tailscale's own control server has the console."""
    server = view.control_server
    if server and server.host.endswith(".tailscale.com"):
        return "in the admin console"
    return f"with `{command}`" if server else f"in the admin console, or with `{command}`"


# --- what others say of a host --------------------------------------------------------------------


def said_of(views: Views, name: str) -> str:
    """What a host of the run has heard of another one that cannot be inspected; empty if none has an up-to-date view."""
    target = views[name]
    for view in views.values():
        net = _current(view)
        if net and view.name != name:
            fact, fix = _state(net, target.label)
            return f"{fact}, says tailscaled on {view.name}{fix and f': {fix}'}"
    return ""


def said_of_device(view: View, device: Data) -> str:
    """What a host has heard of a device that is no host of the run, such as a phone; empty if nothing explains its absence."""
    net = _current(view)
    peers = [net.at(name) or net.named(name) for name in _names_of(device)] if net else []
    peer = next((one for one in peers if one), None)
    return _absence(peer) if peer else ""


def _current(view: View) -> Tailnet | None:
    """What a host knows of the tailnet, if its control server keeps it up to date."""
    return view.tailnet if view.runs and not view.lost and view.tailnet and view.tailnet.online else None


def _state(net: Tailnet, label: str) -> tuple[str, str]:
    """What is known of a node, and how to repair it."""
    peer, other = net.named(label), net.once_named(label)
    if peer:
        return _absence(peer) or f"its node {label} is online", ""
    if other:
        absence = _absence(other)
        fact = f"its node is called {other.name} in the tailnet, and not {label}{absence and f', and {absence}'}"
        return fact, f"set tailscale_hostname: {other.name}, or give it the name {label} again"
    return (
        f"the tailnet has no node {label}",
        "it was deleted at the control server, has not joined, or the access policy hides it",
    )


def _absence(peer: Peer) -> str:
    if peer.key_expired:
        return "the key of its node has expired"
    if not peer.online:
        return "its node is offline" + (f" since {peer.last_seen}" if peer.last_seen else "")
    return ""


# --- two hosts ----------------------------------------------------------------------------------


def strangers(one: View, two: View) -> str | None:
    """The finding for two running hosts of which one is no peer of the other; None if both are, or that is not known."""
    of_one, of_two = _current(one), _current(two)
    if of_one is None or of_two is None or not (one.tailnet_address and two.tailnet_address):
        return None
    known, knows = of_one.at(two.tailnet_address), of_two.at(one.tailnet_address)
    if known and knows:
        return None
    apart = _apart(one, two)
    if apart:
        return apart
    if known or knows:
        gone, there = (two, one) if knows else (one, two)
        return (
            f"{gone.name} is no peer of {there.name}, although it runs and knows {there.name}: its node {gone.label} was deleted "
            f"at the control server, and it has not heard of that. On {gone.name}, over the LAN or a console: "
            "`systemctl restart tailscaled`, then site.yml with a key (tailscale_auth_key, or a secret that creates one)"
        )
    return (
        f"{one.name} and {two.name} are no peers of each other, although both run in the tailnet: does its access policy (a "
        f"grant or ACL) allow any connection between them, and tcp:{two.sync_port or one.sync_port or 22000} above all?"
    )


def need_not_meet(one: View, two: View) -> bool:
    """Whether two hosts that share nothing are in two tailnets, or the access policy keeps them apart, which is no finding.

    An address that both tailnets give out is no sign that they know each other.
    """
    if any(device["name"] == two.name for device in one.wanted["devices"]):
        return False
    suffixes = {view.node.get("magic_dns_suffix") for view in (one, two)} - {None, ""}
    of_one, of_two = _current(one), _current(two)
    if len(suffixes) > 1 or of_one is None or of_two is None:
        return len(suffixes) > 1
    return not (of_one.at(two.tailnet_address) or of_two.at(one.tailnet_address))


def _apart(one: View, two: View) -> str | None:
    """The finding for hosts in different tailnets."""
    suffixes = [view.node.get("magic_dns_suffix") for view in (one, two)]
    servers = [view.control_server and f"{view.control_server.host} port {view.control_server.port}" for view in (one, two)]
    for kind, (first, second) in (("tailnet", suffixes), ("control server", servers)):
        if first and second and first != second:
            return (
                f"{one.name} and {two.name} are in different tailnets, so they cannot reach each other: the {kind} of {one.name} "
                f"is {first}, that of {two.name} is {second} (tailscale_login_server)"
            )
    return None


# --- a host in the tailnet ------------------------------------------------------------------------


def report_of(views: Views, view: View) -> Report:
    report = Report()
    report.findings += [f"{view.name}{text}" for text in (_control_lost(view), _expires(view)) if text]
    renamed = _other_name(view)
    if renamed:
        # A host that is open to its LAN is found there by the next run, whatever its name is.
        (report.notes if view.firewall_is_absent else report.findings).append(f"{view.name}{renamed}")
    waiting = _unapproved(views, view)
    if waiting:
        routes = ",".join(view.tailnet.advertised_routes if view.tailnet else waiting)
        command = f"headscale nodes approve-routes --identifier {view.node.get('id') or 'ID'} --routes {routes}"
        report.notes.append(
            f"{view.name} advertises {', '.join(waiting)}, but the control server has told no host of it: approve it "
            f"{_way(view, command)}, unless the access policy hides it from all hosts"
        )
    return report


def _control_lost(view: View) -> str:
    """A port that is open proves little: a proxy in front of the control server accepts connections also if that is down."""
    server, net = view.control_server, view.tailnet
    # Twice, some time apart: a node that has only just connected again is no finding.
    lost = view.node.get("online") is False and net is not None and not net.online
    if not lost or (server and not server.open and not server.proxy):
        return ""
    where = f" ({server.host} port {server.port})" if server else ""
    health = "; ".join(view.node.get("health") or ())
    return (
        f" has no connection to its control server{where}, which does not answer tailscaled{health and f' ({health})'}: after "
        "its next start it could not log in to the tailnet. Is the server up?"
    )


def _expires(view: View) -> str:
    days, limit = view.node.get("key_expiry_days"), int(firewall.value_of(view.variables, "firewall_key_expiry_days", 14))
    if days is None or not limit or days >= limit:
        return ""
    if days < 0:
        return f": the key of its node has expired ({view.node.get('key_expiry')}). {_renew(view)}, or {LOG_IN}"
    left = {0: "within a day", 1: "in 1 day"}.get(days, f"in {days} days")
    return (
        f": the key of its node expires {left} ({view.node.get('key_expiry')}), and then it leaves the tailnet. {_renew(view)}, "
        "let it join with a tag, or set firewall_key_expiry_days to fewer days"
    )


def _other_name(view: View) -> str:
    hostname = str(view.variables.get("tailscale_hostname") or view.name)
    problem = tailscale_host.name_problem(view.node, hostname, view.tailnet.peers if view.tailnet else ())
    return f": {problem}" if problem else ""


def _unapproved(views: Views, view: View) -> list[str]:
    """The routes that a node offers and that no host of the run has heard of. Its own tailscaled may not know of an approval."""
    net = view.tailnet
    if net is None or not net.online or not net.advertised_routes:
        return []
    others = [other for other in map(_current, views.values()) if other and other is not net]
    seen_as = [peer for peer in (other.at(view.tailnet_address) for other in others) if peer]
    if not seen_as:
        return []
    served = {route for other in (net, *others) for route in other.routes}
    is_exit_node = any(peer.exit_node_option for peer in seen_as)
    return [route for route in net.advertised_routes if not (is_exit_node if route in EXIT_ROUTES else route in served)]
