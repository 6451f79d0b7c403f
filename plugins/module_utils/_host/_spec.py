# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications of host_info, lockdown_info, member_info and reachability_info.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import Spec
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables as syncthing
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import SOCKET

HOST: Spec = {
    "syncthing_home": {"type": "path", "default": "/var/lib/syncthing"},
    "tailscale_socket": {"type": "path", "default": SOCKET},
    "syncthing_user": {"type": "str", "default": "syncthing"},
    "syncthing_gui_group": {"type": "str"},
    "syncthing_addresses": {"type": "list", "elements": "str", "default": [":22000"]},
    "login_servers": {"type": "list", "elements": "str", "default": []},
    "folders": {"type": "list", "elements": "dict", "default": [], "options": syncthing.PLACE},
    "packages": {"type": "list", "elements": "str", "default": ["tailscale", "ufw", "syncthing", "python3-requests"]},
    "ufw_policy": {"type": "dict"},
    "tailscale_node": {"type": "dict"},
}
LOCKDOWN: Spec = {
    "interface": {"type": "str", "default": "tailscale0"},
    "login_servers": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 5},
    "wait": {"type": "int", "default": 0},
}
ENDPOINT: Spec = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "host_keys": {"type": "bool", "default": False, "no_log": False},
    "patient": {"type": "bool", "default": False},
}
REACHABILITY: Spec = {
    "tcp": {"type": "list", "elements": "dict", "default": [], "options": ENDPOINT},
    "ping": {"type": "list", "elements": "str", "default": []},
    "control_server": {"type": "bool", "default": False},
    "peers": {"type": "list", "elements": "str"},
    "tailscale_socket": {"type": "path", "default": SOCKET},
    "timeout": {"type": "int", "default": 3},
}
MEMBER: Spec = {
    "tailscale_socket": {"type": "path", "default": SOCKET},
    "syncthing_home": syncthing.CONNECTION["home"],
    "folders": {"type": "list", "elements": "dict", "default": [], "options": syncthing.PLACE},
    "timeout": {"type": "int", "default": 10},
    "wait_timeout": {"type": "int", "default": 0},
}
