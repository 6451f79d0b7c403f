# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host must not be closed to all but the tailnet: it could not be reached any more, now or after a restart. Pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall

Found = t.Mapping[str, t.Any]


def refusals(node: Found, depends: Found, variables: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence each, with what to do; of the node as tailscale_node_info has it, and of what lockdown_info says."""
    return [
        *_of_node(node, int(firewall.value_of(variables, "firewall_key_expiry_days", 14))),
        *(_of_interface(node, depends, variables) if node.get("tun") and node.get("addresses") else ()),
        *_of_service(depends.get("service") or {}),
        *control_servers(depends.get("here") or [], variables),
        *_of_control_server(depends.get("control_server") or {}, depends.get("service") or {}),
    ]


def warnings(depends: Found, ephemeral: bool) -> list[str]:
    """What may cut the host off later, and cannot be known to."""
    service = depends.get("service") or {}
    found = []
    if service.get("starts_at_boot") is None:
        what = f"runs in {service['unit']}" if service.get("unit") else "runs in no service of systemd's, such as in a container"
        found.append(
            f"tailscaled {what}, so it is not known whether it is there after a restart; without it nothing reaches the host"
        )
    if service.get("forgets"):
        found.append(
            "tailscaled keeps its state in memory only (--state=mem:), so that after a restart this host is a new node, "
            "which has to log in again before anything reaches it"
        )
    if ephemeral:
        found.append(
            "the node is an ephemeral one (tailscale_ephemeral), which the tailnet forgets once it has been offline for a while; "
            "nothing reaches it then until it has logged in again"
        )
    return found


def lost_control(before: Found | None, after: Found | None) -> bool:
    """Whether a new connection to the control server came about before the change, and does not now."""
    return bool((before or {}).get("reachable")) and not (after or {}).get("reachable")


def _of_node(node: Found, key_expiry_days: int) -> t.Iterator[str]:
    state, expiry = node.get("backend_state"), node.get("key_expiry_days")
    if state != "Running":
        yield (
            f"tailscaled is {state}, not Running, so nothing could come in over the tailnet: join the host first (the role "
            "homelab.tailsync.tailscale does), or run `tailscale up` on it"
        )
    elif not (node.get("ipv4") or node.get("ipv6")):
        yield "the host has no tailnet address yet: wait until `tailscale ip` on it shows one, and run again"
    if not node.get("tun"):
        yield (
            "tailscaled runs with userspace networking, so there is no tailscale0 that could be allowed: give it "
            "/dev/net/tun, and take --tun=userspace-networking out of its flags (tailscale_userspace_networking: false)"
        )
    if expiry is not None and expiry < key_expiry_days:
        yield (
            f"the node's key expires in {expiry} days ({node.get('key_expiry')}), and from then on nothing would reach the host: "
            "disable key expiry for it in the admin console, or let it join with a tag, or set firewall_key_expiry_days: 0"
        )


def _of_interface(node: Found, depends: Found, variables: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    name = firewall.value_of(variables, "firewall_tailnet_interface", "tailscale0")
    addresses = set(node.get("addresses") or [])
    interfaces = depends.get("interfaces") or {}
    if addresses & set(interfaces.get(name) or []):
        return
    has = [other for other, own in interfaces.items() if addresses & set(own)]
    what = "does not carry this node's address" if name in interfaces else "does not exist"
    advice = f"set it to {has[0]}, which does" if has else "no interface does: is tailscaled in a network namespace of its own?"
    yield (
        f"firewall_tailnet_interface is {name}, which {what} ({', '.join(sorted(addresses))}), so everyone there would be "
        f"allowed in and the tailnet would not: {advice}"
    )


def _of_service(service: Found) -> t.Iterator[str]:
    if service.get("starts_at_boot") is not False:
        return
    unit, state = service["unit"], service.get("unit_state")
    if unit.endswith(".scope"):
        yield (
            f"tailscaled was started by hand ({unit}), so after a restart nothing would reach the host: let a service run it "
            "that starts at boot, such as the package's tailscaled.service"
        )
    else:
        again = f"`systemctl unmask {unit}` and " if str(state).startswith("masked") else ""
        yield (
            f"tailscaled runs in {unit}, which is {state} and so not started at boot; after a restart nothing would reach the "
            f"host: run {again}`systemctl enable {unit}`"
        )


def control_servers(here: t.Iterable[Found], variables: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Control servers on this host whose port the policy would close."""
    if not firewall.value_of(variables, "firewall_purge", True):
        return  # the host's own rules stay, whatever they are
    openings = [*firewall.openings(variables), *firewall.value_of(variables, "firewall_keep", [])]
    for server in here:
        port = server["port"]
        # Which ports another profile of ufw's has, only the host knows.
        profiles = [one for one in openings if one.get("app") not in (None, "", "OpenSSH")]
        if not profiles and not any(firewall.covers(opening, "tcp", port, port) for opening in openings):
            ports = ", ".join(map(str, [*firewall.list_of(variables, "firewall_public_ports"), f"{server['port']}/tcp"]))
            yield (
                f"the control server {server['url']} is on this host, and its port {server['port']} would be closed, so that "
                f"after a restart no node could log in there and nothing would reach it: set firewall_public_ports: [{ports}] "
                "for this host, or allow those who need it by firewall_extra_rules"
            )


def _of_control_server(server: Found, service: Found) -> t.Iterator[str]:
    """One that takes no new connection; behind a proxy nothing can be said."""
    if server.get("reachable") is False and not service.get("proxied"):
        yield (
            f"no new connection to this host's control server {server['url']} comes about ({server.get('error')}), so that after "
            f"a restart it could not log in, and nothing would reach it: if the server runs on a host of this inventory, put "
            f"{server['port']}/tcp into that host's firewall_public_ports; otherwise let this host reach it"
        )
