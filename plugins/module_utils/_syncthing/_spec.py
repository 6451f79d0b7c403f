# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications of the Syncthing modules.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

Spec = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

BOOL: Spec = {"type": "bool"}
INT: Spec = {"type": "int"}
STR: Spec = {"type": "str"}
STRINGS: Spec = {"type": "list", "elements": "str"}
SECRET: Spec = {"type": "str", "no_log": True}
SETTINGS: Spec = {"type": "dict"}
STATE: Spec = {"type": "str", "choices": ["present", "absent"], "default": "present"}

CONNECTION: Spec = {
    "home": {"type": "path", "default": "/var/lib/syncthing"},
    "timeout": {"type": "int", "default": 60},
}
# What a device has besides its name and ID; also the defaults of new ones.
DEVICE_DEFAULTS: Spec = {
    "addresses": STRINGS,
    "allowed_networks": STRINGS,
    "introducer": BOOL,
    "skip_introduction_removals": BOOL,
    "auto_accept_folders": BOOL,
    "paused": BOOL,
    "untrusted": BOOL,
    "compression": {"type": "str", "choices": ["metadata", "always", "never"]},
    "max_send_kbps": INT,
    "max_recv_kbps": INT,
    "num_connections": INT,
    "settings": SETTINGS,
}
DEVICE: Spec = {"name": {"type": "str", "required": True}, "device_id": STR, **DEVICE_DEFAULTS}
MEMBER: Spec = {"name": STR, "device_id": STR, "encryption_password": SECRET}
VERSIONING: Spec = {
    "type": {"type": "str", "choices": ["none", "trashcan", "simple", "staggered", "external"], "required": True},
    "params": SETTINGS,
    "path": {"type": "path"},
    "cleanup_interval": INT,
}
# What a folder has besides what is its own; also the defaults of new ones.
FOLDER_DEFAULTS: Spec = {
    "versioning": {"type": "dict", "options": VERSIONING},
    "paused": BOOL,
    "rescan_interval": INT,
    "fs_watcher": BOOL,
    "fs_watcher_delay": INT,
    "ignore_permissions": BOOL,
    "min_disk_free": STR,
    "max_conflicts": INT,
    "order": {
        "type": "str",
        "choices": ["random", "alphabetic", "smallestFirst", "largestFirst", "oldestFirst", "newestFirst"],
    },
    "settings": SETTINGS,
}
FOLDER: Spec = {
    "id": {"type": "str", "required": True},
    "label": STR,
    "path": STR,
    "requires_mount": {"type": "path"},
    "type": {"type": "str", "choices": ["sendreceive", "sendonly", "receiveonly", "receiveencrypted"]},
    "devices": {"type": "list", "elements": "dict", "options": MEMBER, "required_one_of": [("name", "device_id")]},
    "marker_name": STR,
    "ignores": STRINGS,
    **FOLDER_DEFAULTS,
}
OPTIONS: Spec = {
    "listen_addresses": STRINGS,
    "global_announce_enabled": BOOL,
    "global_announce_servers": STRINGS,
    "local_announce_enabled": BOOL,
    "announce_lan_addresses": BOOL,
    "relays_enabled": BOOL,
    "nat_enabled": BOOL,
    "stun_keepalive_start": INT,
    "crash_reporting_enabled": BOOL,
    "ur_accepted": INT,
    "auto_upgrade_interval": INT,
    "reconnection_interval": INT,
    "always_local_nets": STRINGS,
    "max_send_kbps": INT,
    "max_recv_kbps": INT,
    "limit_bandwidth_in_lan": BOOL,
    "max_folder_concurrency": INT,
    "settings": SETTINGS,
}
GUI: Spec = {
    "enabled": BOOL,
    "address": STR,
    "unix_socket_permissions": STR,
    "user": STR,
    "password": SECRET,
    "tls": BOOL,
    "api_key": SECRET,
    "insecure_skip_hostcheck": BOOL,
    "theme": STR,
    "settings": SETTINGS,
}
DEFAULTS: Spec = {
    "device": {"type": "dict", "options": DEVICE_DEFAULTS},
    "folder": {"type": "dict", "options": FOLDER_DEFAULTS},
    "ignores": STRINGS,
}
SYSTEM: Spec = {
    "options": {"type": "dict", "options": OPTIONS},
    "gui": {"type": "dict", "options": GUI},
    "defaults": {"type": "dict", "options": DEFAULTS},
}
FOLDER_GUARDS: Spec = {
    "folder_owner": STR,
    "allow_moves": {"type": "bool", "default": False},
}
CLUSTER: Spec = {
    "devices": {"type": "list", "elements": "dict", "options": DEVICE, "default": []},
    "folders": {"type": "list", "elements": "dict", "options": FOLDER, "default": []},
    **SYSTEM,
    "absent_devices": {"type": "list", "elements": "str", "default": []},
    "absent_folders": {"type": "list", "elements": "str", "default": []},
    "purge_devices": {"type": "bool", "default": False},
    "purge_folders": {"type": "bool", "default": False},
    "replace_devices": {"type": "bool", "default": False},
    **FOLDER_GUARDS,
}
