# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of reachability_info: gather facts about the host itself, then try connections to others.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils import _connect, _netlink, _probe
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _reach
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError

Params = t.Mapping[str, t.Any]


def gather(params: Params, ssh_keyscan: str | None) -> dict[str, t.Any]:
    tailscaled = _reach.Reach(params["tailscale_socket"])
    addresses = _netlink.own_addresses()
    prefs: dict[str, t.Any] = {}
    if params["control_server"]:
        with contextlib.suppress(NodeError):  # another module reports that tailscaled does not answer
            prefs = tailscaled.prefs()
    # Before the ports, because some are reached through the tunnel, whose first packet may take seconds.
    ping_errors = _probe.all_at_once(tailscaled.ping, params["ping"])
    timeout = params["timeout"]
    tcp, control_server = _probe.side_by_side(
        lambda: try_ports(params["tcp"], timeout, ssh_keyscan), lambda: try_control_server(prefs, timeout)
    )
    own = [item["address"] for item in addresses]
    tailnet = None
    if params.get("peers") is not None:
        with contextlib.suppress(NodeError):
            asked = [*params["peers"], *params["ping"]]
            tailnet = _reach.tailnet(tailscaled.status(peers=True), prefs or tailscaled.prefs(), asked)
    return {
        "addresses": addresses,
        "macs": _netlink.own_macs(),
        "listening": _probe.open_to_the_network(_probe.read_listeners()),
        "host_keys": _probe.host_keys(),
        "ufw_profiles": _probe.ufw_profiles(),
        "tcp": tcp,
        "ping": [{"address": address, "answers": why is None, "error": why} for address, why in zip(params["ping"], ping_errors)],
        "control_server": control_server,
        "tailnet": tailnet,
        "forwarding_needs": _reach.closed_to_forwarding(prefs.get("AdvertiseRoutes") or [], own),
    }


def try_ports(endpoints: t.Sequence[Params], timeout: int, ssh_keyscan: str | None) -> list[dict[str, t.Any]]:
    attempts = connect(endpoints, timeout)
    # Only now: the kernel knows the neighbours that it has just exchanged packets with.
    known = _netlink.neighbours() if any(attempt.error is None for attempt in attempts) else {}

    def describe(tried: tuple[Params, _connect.Attempt]) -> dict[str, t.Any]:
        endpoint, attempt = tried
        opened = attempt.error is None
        resolved = _probe.resolve(endpoint["address"])
        mac = next((known[address] for address in resolved if address in known), None) if opened else None
        ask = opened and endpoint["host_keys"]
        return {
            "address": endpoint["address"],
            "port": endpoint["port"],
            "open": opened,
            "error": attempt.error,
            "source": attempt.source,
            "resolved": resolved,
            "mac": mac,
            "host_keys": _probe.scan_host_keys(ssh_keyscan, endpoint["address"], endpoint["port"], timeout) if ask else [],
        }

    return _probe.all_at_once(describe, list(zip(endpoints, attempts)))


def connect(endpoints: t.Sequence[Params], timeout: int) -> list[_connect.Attempt]:
    wanted: dict[tuple[str, int], bool] = {}
    for endpoint in endpoints:  # one host's own address may be the router of another
        one = endpoint["address"], endpoint["port"]
        wanted[one] = wanted.get(one, False) or endpoint["patient"]
    quick = [one for one, patient in wanted.items() if not patient and _connect.is_address(one[0])]
    slow = [one for one in wanted if one not in set(quick)]
    found, waited = _probe.side_by_side(
        lambda: _connect.connect_all(quick, timeout),
        lambda: _probe.all_at_once(lambda one: _probe.connect(*one, timeout), slow),
    )
    found.update(zip(slow, waited))
    return [found[endpoint["address"], endpoint["port"]] for endpoint in endpoints]


def try_control_server(prefs: Params, timeout: int) -> dict[str, t.Any] | None:
    server = _reach.control_server(prefs)
    if server is None:
        return None
    host, ports = server
    attempt = _probe.connect_to_any(host, ports, timeout)
    return {
        "host": host,
        "port": ports[0],
        "open": attempt.error is None,
        "error": attempt.error,
        "resolved": bool(_probe.resolve(host)),
        "proxy": _reach.behind_proxy(),
    }
