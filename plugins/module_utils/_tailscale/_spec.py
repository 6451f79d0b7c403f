# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications of the Tailscale modules.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import SOCKET
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._prefs import NETFILTER_MODES

CONNECTION: dict[str, t.Any] = {"socket": {"type": "path", "default": SOCKET}}
NODE: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "auth_key": {"type": "str", "no_log": True},
    "login_server": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "hostname": {"type": "str"},
    "accept_dns": {"type": "bool"},
    "accept_routes": {"type": "bool"},
    "advertise_routes": {"type": "list", "elements": "str"},
    "advertise_exit_node": {"type": "bool"},
    "snat_subnet_routes": {"type": "bool"},
    "shields_up": {"type": "bool"},
    "ssh": {"type": "bool"},
    "operator": {"type": "str"},
    "nickname": {"type": "str"},
    "webclient": {"type": "bool"},
    "exit_node": {"type": "str"},
    "exit_node_allow_lan_access": {"type": "bool"},
    "stateful_filtering": {"type": "bool"},
    "netfilter_mode": {"type": "str", "choices": list(NETFILTER_MODES)},
    "advertise_connector": {"type": "bool"},
    "report_posture": {"type": "bool"},
    "auto_update": {"type": "bool"},
    "update_check": {"type": "bool"},
    "relay_server_port": {"type": "int"},
    "relay_server_static_endpoints": {"type": "list", "elements": "str"},
    "accept_risk": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 20},
}
