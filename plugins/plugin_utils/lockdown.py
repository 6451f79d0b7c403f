# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons not to close a host to all but the tailnet, because it may be unreachable then or after a restart: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall

Found = t.Mapping[str, t.Any]


def refusals(node: Found, depends: Found, variables: t.Mapping[str, t.Any]) -> list[str]:
    """The reasons, each with the fix, from the node of tailscale_node_info and the facts of lockdown_info."""
    return [
        *_of_node(node, int(firewall.value_of(variables, "firewall_key_expiry_days", 14))),
        *(_of_interface(node, depends, variables) if node.get("tun") and node.get("addresses") else ()),
        *_of_service(depends.get("service") or {}),
        *control_servers(depends.get("here") or [], variables),
        *_of_control_server(depends.get("control_server") or {}, depends.get("service") or {}),
    ]


def warnings(depends: Found, ephemeral: bool) -> list[str]:
    """Warnings about facts that may cut the host off later."""
    service = depends.get("service") or {}
    found = []
    if service.get("starts_at_boot") is None:
        what = f"runs in {service['unit']}" if service.get("unit") else "runs in no service of systemd, such as in a container"
        found.append(
            f"tailscaled {what}, so it is not known whether it starts after a restart; without it the host is unreachable"
        )
    if service.get("forgets"):
        found.append(
            "tailscaled keeps its state in memory only (--state=mem:), so after a restart this host is a new node, which is "
            "unreachable until it has logged in again"
        )
    if ephemeral:
        found.append(
            "the node is ephemeral (tailscale_ephemeral), so the tailnet removes it once it has been offline for a while; then "
            "it is unreachable until it has logged in again"
        )
    return found


def lost_control(before: Found | None, after: Found | None) -> bool:
    """Whether a new connection to the control server was possible before the change, but is not now."""
    return bool((before or {}).get("reachable")) and not (after or {}).get("reachable")


def _of_node(node: Found, key_expiry_days: int) -> t.Iterator[str]:
    state, expiry = node.get("backend_state"), node.get("key_expiry_days")
    if state != "Running":
        yield (
            f"tailscaled is {state}, not Running, so the host is unreachable over the tailnet: join the host first (the role "
            "homelab.tailsync.tailscale does), or run `tailscale up` on it"
        )
    elif not (node.get("ipv4") or node.get("ipv6")):
        yield "the host has no tailnet address yet: wait until `tailscale ip` on it shows one, and run again"
    if not node.get("tun"):
        yield (
            "tailscaled runs with userspace networking, so there is no interface tailscale0 to allow: give it "
            "/dev/net/tun, and take --tun=userspace-networking out of its flags (tailscale_userspace_networking: false)"
        )
    if expiry is not None and expiry < key_expiry_days:
        yield (
            f"the node's key expires in {expiry} days ({node.get('key_expiry')}), and then the host would be unreachable: "
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
        f"firewall_tailnet_interface is {name}, which {what} ({', '.join(sorted(addresses))}), so the firewall "
        f"would allow that interface and block the tailnet: {advice}"
    )


def _of_service(service: Found) -> t.Iterator[str]:
    if service.get("starts_at_boot") is not False:
        return
    unit, state = service["unit"], service.get("unit_state")
    if unit.endswith(".scope"):
        yield (
            f"tailscaled was started by hand ({unit}), so after a restart the host would be unreachable: run it as a service "
            "that starts at boot, such as the package's tailscaled.service"
        )
    else:
        again = f"`systemctl unmask {unit}` and " if str(state).startswith("masked") else ""
        yield (
            f"tailscaled runs in {unit}, which is {state} and so not started at boot; after a restart the host would be "
            f"unreachable: run {again}`systemctl enable {unit}`"
        )


def control_servers(here: t.Iterable[Found], variables: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Control servers on this host whose port the policy would close."""
    if not firewall.value_of(variables, "firewall_purge", True):
        return  # the host's present rules are kept
    openings = [*firewall.openings(variables), *firewall.value_of(variables, "firewall_keep", [])]
    for server in here:
        port = server["port"]
        # The ports of other application profiles are known only on the host.
        profiles = [one for one in openings if one.get("app") not in (None, "", "OpenSSH")]
        if not profiles and not any(firewall.covers(opening, "tcp", port, port) for opening in openings):
            ports = ", ".join(map(str, [*firewall.list_of(variables, "firewall_public_ports"), f"{server['port']}/tcp"]))
            yield (
                f"the control server {server['url']} runs on this host, and its port {server['port']} would be closed, so after "
                f"a restart no node could log in there and be reached: set firewall_public_ports: [{ports}] "
                "for this host, or allow the nodes that need it in firewall_extra_rules"
            )


def _of_control_server(server: Found, service: Found) -> t.Iterator[str]:
    """A control server that cannot be reached; behind a proxy this is not known."""
    if server.get("reachable") is False and not service.get("proxied"):
        yield (
            f"this host can open no new connection to its control server {server['url']} ({server.get('error')}), so after a "
            f"restart it could not log in and would be unreachable: if the server runs on a host of this inventory, put "
            f"{server['port']}/tcp into that host's firewall_public_ports; otherwise let this host reach it"
        )
