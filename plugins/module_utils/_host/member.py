# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of member_info: gather the host, its node and its Syncthing in one call.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils import _reachability
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary, UserError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _info
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import describe, unknown_node, warnings_of

Params = t.Mapping[str, t.Any]
Result = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def gather(params: Params) -> Result:
    socket = params["tailscale_socket"]
    of_host = {"tailscale_socket": socket, "tcp": [], "ping": [], "control_server": False, "timeout": 1}
    seen = _reachability.gather(of_host, None)
    tailscale = _part(lambda: {"node": describe(LocalAPI(socket).status())}, {"node": unknown_node()})
    of_syncthing = {"home": params["syncthing_home"], **{key: params[key] for key in ("folders", "timeout", "wait_timeout")}}
    node = tailscale["node"]
    return {
        "host": {key: seen[key] for key in ("addresses", "macs", "listening", "host_keys", "ufw_profiles")},
        "tailscale": tailscale,
        "syncthing": _part(lambda: _info.gather(of_syncthing), {"device_id": None}),
        "warnings": warnings_of(node) if node["key_expired"] else [],
    }


def _part(gather_part: t.Callable[[], Result], otherwise: Result) -> Result:
    """The values of one part, with C(msg) set to None; if it fails, `otherwise` with the error as C(msg)."""
    try:
        return {**gather_part(), "msg": None}
    except MissingLibrary as error:
        return {
            **otherwise,
            "msg": f"the Python library {error.name} is not installed on this host: install python3-{error.name}",
        }
    except UserError as error:
        return {**otherwise, "msg": str(error)}
