# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts from tailscaled about the reachability of its peers, its control server and its routes.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._host.boot import PROXIES
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import describe_peers, routes_of

PING_TIMEOUT = 5  # seconds; the first packet to a peer takes a relay, and the connection to the relay may have to be opened first
# The ports that tailscaled tries for a control server whose URL has no port (control/controlhttp): one of them is enough.
DEFAULT_PORTS = {"https": (443, 80), "http": (80,)}
# The facts of a peer that are returned; others would only make the result longer.
PEER = ("dns_name", "hostname", "addresses", "online", "last_seen", "key_expired", "exit_node_option")


class Reach(LocalAPI):
    def ping(self, address: str) -> str | None:
        """Ping a peer's tailscaled through the tunnel, whatever the access policy allows. None if it answers, else the error."""
        query = urllib.parse.urlencode({"ip": address, "type": "TSMP"})
        error = None
        for _attempt in range(2):
            try:
                answer = self._request("POST", f"ping?{query}", timeout=PING_TIMEOUT) or {}
            except NodeError as failure:
                error = str(failure)
                continue
            if not answer.get("Err"):
                return None
            error = str(answer["Err"])
        return error


def tailnet(status: t.Mapping[str, t.Any], prefs: t.Mapping[str, t.Any], asked: t.Collection[str]) -> dict[str, t.Any]:
    """The tailnet as this node knows it: whether the control server keeps it up to date, its routes, and the peers asked for.

    A peer is asked for by an address, its name, or its host name, which an administrator's rename does not change.
    """
    wanted = {*asked, *map(label_of, asked)}
    peers = describe_peers(status)
    return {
        "online": bool((status.get("Self") or {}).get("Online")),
        "peers": [{key: peer[key] for key in PEER} for peer in peers if not wanted.isdisjoint(_called(peer))],
        "routes": routes_of(status),
        "advertised_routes": sorted(prefs.get("AdvertiseRoutes") or []),
    }


def _called(peer: t.Mapping[str, t.Any]) -> set[str]:
    return {*peer["addresses"], first_label(peer["dns_name"]), label_of(peer["hostname"])} - {""}


def closed_to_forwarding(routes: t.Iterable[str], own: t.Collection[str], root: Path = Path("/proc/sys/net")) -> list[str]:
    """The sysctls that prevent a node from forwarding traffic to its advertised routes. A route to its own address needs none."""
    found = []
    networks = [ipaddress.ip_network(route, strict=False) for route in routes if route.split("/")[0] not in own]
    if any(network.version == 4 for network in networks) and not _forwards(root / "ipv4" / "conf"):
        found.append("net.ipv4.ip_forward")
    if any(network.version == 6 for network in networks) and _is_zero(root / "ipv6" / "conf" / "all" / "forwarding"):
        found.append("net.ipv6.conf.all.forwarding")
    return found


def _forwards(interfaces: Path) -> bool:
    """Whether an interface forwards IPv4. Each has its own switch; the switch for all only shows what was last written to it."""
    return any(not _is_zero(path) for path in interfaces.glob("*/forwarding") if path.parent.name not in ("lo", "default"))


def _is_zero(path: Path) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() == "0"
    except OSError:  # no IPv6 on this host, say
        return False


def control_server(prefs: t.Mapping[str, t.Any]) -> tuple[str, tuple[int, ...]] | None:
    """Host and ports of the control server in the node's preferences."""
    try:
        url = urllib.parse.urlsplit(prefs.get("ControlURL") or "")
        port = url.port
    except ValueError:
        return None
    if not url.hostname or url.scheme not in DEFAULT_PORTS:
        return None
    return url.hostname, (port,) if port else DEFAULT_PORTS[url.scheme]


def behind_proxy(proc: Path = Path("/proc")) -> bool:
    """Whether a tailscaled of this host was started with a proxy in its environment."""
    for folder in proc.glob("[0-9]*"):
        try:
            if (folder / "comm").read_text(encoding="utf-8").strip() != "tailscaled":
                continue
            names = [item.partition("=")[0].upper() for item in (folder / "environ").read_text(errors="replace").split("\0")]
        except OSError:
            continue
        if not set(PROXIES).isdisjoint(names):
            return True
    return False
