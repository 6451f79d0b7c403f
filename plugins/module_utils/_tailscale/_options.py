# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check tailscale_node's options before anything is sent, and convert them into tailscaled's own form: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._manners import not_an_auth_key
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._prefs import AUTO, EXIT_ROUTES, NO_PORT, OPTIONS
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._ssh_origin import Origin, origin

Params = t.Mapping[str, t.Any]
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
TAG = re.compile(r"tag:[A-Za-z][A-Za-z0-9-]*")  # tailcfg.CheckTag
LAST_PORT = 65535


class Wanted(t.NamedTuple):
    """The checked options, and the origin of the run."""

    params: Params  # all options of the module
    options: Params  # the preferences among them that the user has set
    origin: Origin

    @property
    def needs_peers(self) -> bool:
        """Whether the plan needs the node's peers."""
        return bool(self.options.get("exit_node") or self.options.get("accept_routes"))


def wanted(params: Params, ssh_connection: str) -> Wanted:
    """Check the options. `ssh_connection` is sshd's SSH_CONNECTION. Raises NodeError for an invalid value."""
    if params["timeout"] < 1:
        raise NodeError(f"timeout is {params['timeout']}: it is how many seconds to wait, 1 at least")
    return Wanted({**params, **login(params)}, declared(params), origin(ssh_connection))


def login(params: Params) -> Json:
    """The checked options of a login, with sorted tags; an empty login_server counts as not set."""
    _check_login(params)
    tags = params["tags"]
    return {"login_server": params["login_server"] or None, "tags": None if tags is None else sorted(set(tags))}


def declared(params: Params) -> Json:
    """The preferences that the user has set, with lists sorted and in canonical spelling."""
    options = {name: params[name] for name in OPTIONS if params.get(name) is not None}
    if "advertise_routes" in options:
        options["advertise_routes"] = sorted({_route(text) for text in options["advertise_routes"]})
    if "relay_server_static_endpoints" in options:
        options["relay_server_static_endpoints"] = sorted({_endpoint(text) for text in options["relay_server_static_endpoints"]})
    _check_values(options)
    return options


def _check_login(params: Params) -> None:
    server = params.get("login_server")
    if server and not re.match(r"https?://[^/]", server):
        raise NodeError(f"login_server is {server}: it must begin with https:// or http://")
    wrong = not_an_auth_key(params.get("auth_key") or "")
    if wrong:
        raise NodeError(f"auth_key holds {wrong} and set auth_key to it")
    for tag in params.get("tags") or []:
        if not TAG.fullmatch(tag):
            raise NodeError(f"tags has {tag}: a tag is tag: and a name of letters, digits and dashes, such as tag:server")


def _check_values(options: Params) -> None:
    hostname = options.get("hostname")
    if hostname and not HOSTNAME.fullmatch(hostname):
        raise NodeError(
            f"hostname is {hostname}: a name in the tailnet has only letters, digits and dashes, and 63 of them at most"
        )
    port = options.get("relay_server_port", 0)
    if not NO_PORT <= port <= LAST_PORT:
        raise NodeError(f"relay_server_port is {port}: it is a UDP port, 0 for any or -1 for none")
    exit_node = options.get("exit_node") or ""
    if exit_node.startswith(AUTO) and exit_node != f"{AUTO}any":
        raise NodeError(f"exit_node is {exit_node}: the only one that tailscaled chooses itself is auto:any")
    if exit_node and options.get("advertise_exit_node"):
        raise NodeError(
            "exit_node and advertise_exit_node are both set: a node uses an exit node or is one; leave one of them out"
        )


def _route(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
        if "/" not in text:
            raise ValueError(text)
    except ValueError:
        raise NodeError(f"advertise_routes has {text}: a route is a subnet as CIDR, such as 192.168.1.0/24") from None
    if ipaddress.ip_interface(text).ip != network.network_address:
        raise NodeError(f"advertise_routes has {text}, which is an address within {network}: write {network}")
    if str(network) in EXIT_ROUTES:
        raise NodeError(f"advertise_routes has {text}, which is everything: use advertise_exit_node: true")
    return str(network)


def _endpoint(text: str) -> str:
    host, _colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        if (address.version == 6) != host.startswith("[") or not port.isdecimal() or not 1 <= int(port) <= LAST_PORT:
            raise ValueError(text)
    except ValueError:
        raise NodeError(
            f"relay_server_static_endpoints has {text}: an endpoint is an IP address and a port, such as 192.0.2.1:40000 or "
            "[2001:db8::1]:40000"
        ) from None
    return f"[{address}]:{int(port)}" if address.version == 6 else f"{address}:{int(port)}"
