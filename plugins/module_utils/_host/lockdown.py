# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of lockdown_info: gather what a host depends on once only the tailnet can reach it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError
from ansible_collections.homelab.tailsync.plugins.module_utils._host import boot, control
from ansible_collections.homelab.tailsync.plugins.module_utils._host.packet_filter import interfaces
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._login import server_of


def gather(execute: boot.Execute, params: t.Mapping[str, t.Any], ip: str | None) -> dict[str, t.Any]:
    """Gather the facts. `ip` is the path of the program ip; without it no interface is known."""
    addresses = interfaces(_links(execute, ip) if ip else [])
    own = [address for name in addresses for address in addresses[name]]
    url = _control_url(params["socket"])
    servers = {
        server: control.gather(server, own, params["timeout"], params["wait"])
        for server in dict.fromkeys([*([url] if url else []), *params["login_servers"]])
    }
    return {
        "service": boot.gather(execute, params["socket"]),
        "interface_addresses": addresses.get(params["interface"]),
        "interfaces": addresses,
        "control_server": servers.get(url or ""),
        "here": [server for server in servers.values() if server["own"]],
    }


def _links(execute: boot.Execute, ip: str) -> list[t.Any]:
    code, output, error = execute([ip, "-json", "address", "show"])
    if code != 0:
        raise UserError(f"{ip} -json address show failed: {(error or output).strip()}")
    return t.cast("list[t.Any]", json.loads(output or "[]"))


def _control_url(path: str) -> str | None:
    """The control server that tailscaled logs in at; None if tailscaled does not answer."""
    try:
        return server_of(LocalAPI(path).prefs())
    except NodeError:
        return None
