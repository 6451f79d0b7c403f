# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of tailscale_node_info: gather the node, its peers, and whether it must log in.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _login, _options, _wait
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._ssh_origin import origin
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import (
    describe,
    describe_peers,
    unknown_node,
    warnings_of,
)

POLL = 0.2  # seconds
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def gather(api: LocalAPI, params: t.Mapping[str, t.Any], ssh_connection: str = "") -> Json:
    """Gather the facts. `ssh_connection` is sshd's SSH_CONNECTION, to see whether a login would end that connection."""
    params = {**params, **_options.login(params)}
    try:
        status = _wait_for_state(api, params["timeout"])
        prefs = api.prefs()
    except DaemonUnavailable as error:
        if not params["missing_ok"]:
            raise
        return {"node": unknown_node(), "peers": [], "needs_login": {"reason": str(error), "refused": None}}
    node = describe(status)
    # A tailscaled that starts with an expired login gets no network map, but remembers its ID.
    node["id"] = node["id"] or (prefs.get("Config") or {}).get("NodeID") or None
    return {
        "node": node,
        "peers": describe_peers(status),
        "needs_login": _login.describe_need(status, prefs, params, origin(ssh_connection).over_tailnet),
        "warnings": warnings_of(node) if node["key_expired"] else [],
    }


def _wait_for_state(api: LocalAPI, timeout: float) -> Json:
    """The status, after waiting for a tailscaled that has just started; with a timeout of 0 the present one."""
    started = time.monotonic()
    while True:
        waited = time.monotonic() - started
        try:
            status = api.status(peers=True)
        except DaemonUnavailable:
            if waited >= timeout:
                raise
        else:
            if not timeout or _wait.STARTED.reached(status):
                return status
            failure = _wait.failure(_wait.STARTED, status, waited, timeout)
            if failure:
                raise failure
        time.sleep(POLL)
