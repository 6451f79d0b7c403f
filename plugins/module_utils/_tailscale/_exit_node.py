# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the peer for an exit node: pure functions. tailscaled needs its ID; users give its name or address.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._prefs import AUTO
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import Status, peers_of

Options = t.Mapping[str, t.Any]


def by_id(options: Options, status: Status, with_login: bool) -> tuple[dict[str, t.Any], bool]:
    """The options with the exit node's ID, and False; if the ID is not known yet, the options without it, and True."""
    given = options.get("exit_node", "")
    if not given or given.startswith(AUTO):
        return dict(options), False
    peer = None if with_login else find(given, status)  # a login may lead to other peers
    if peer:
        return {**options, "exit_node": peer}, False
    if not with_login and status["BackendState"] == "Running":
        raise NodeError(missing(given, status))
    return {name: value for name, value in options.items() if name != "exit_node"}, True


def find(given: str, status: Status) -> str | None:
    """The stable ID of the peer with this name, address or ID; None if there is none."""
    for peer in peers_of(status):
        full_name = (peer.get("DNSName") or "").rstrip(".")
        names = {peer.get("ID"), peer.get("HostName"), full_name, full_name.split(".")[0], *(peer.get("TailscaleIPs") or [])}
        if given.rstrip(".") in names:
            if not peer.get("ExitNodeOption"):
                raise NodeError(missing(given, status, "which does not offer to be one, or is not approved as one"))
            return str(peer["ID"])
    return None


def missing(given: str, status: Status, why: str = "which is no peer of this node") -> str:
    """The message for a missing exit node, with a list of the available ones."""
    offers = sorted(peer.get("HostName", "") for peer in peers_of(status) if peer.get("ExitNodeOption"))
    return f"exit_node is {given}, {why}; peers that offer to be one: {', '.join(offers) or 'none'}"
