# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications of the Syncthing modules.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

CONNECTION: dict[str, t.Any] = {
    "home": {"type": "path", "default": "/var/lib/syncthing"},
    "timeout": {"type": "int", "default": 60},
}
DEVICE: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "device_id": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "allowed_networks": {"type": "list", "elements": "str"},
    "introducer": {"type": "bool"},
    "auto_accept_folders": {"type": "bool"},
    "paused": {"type": "bool"},
    "untrusted": {"type": "bool"},
    "compression": {"type": "str", "choices": ["metadata", "always", "never"]},
    "settings": {"type": "dict"},
}
MEMBER: dict[str, t.Any] = {
    "name": {"type": "str"},
    "device_id": {"type": "str"},
    "encryption_password": {"type": "str", "no_log": True},
}
VERSIONING: dict[str, t.Any] = {
    "type": {"type": "str", "choices": ["none", "trashcan", "simple", "staggered", "external"], "required": True},
    "params": {"type": "dict"},
    "path": {"type": "path"},
}
FOLDER: dict[str, t.Any] = {
    "id": {"type": "str", "required": True},
    "label": {"type": "str"},
    "path": {"type": "str"},
    "type": {"type": "str", "choices": ["sendreceive", "sendonly", "receiveonly", "receiveencrypted"]},
    "devices": {"type": "list", "elements": "dict", "options": MEMBER, "required_one_of": [("name", "device_id")]},
    "versioning": {"type": "dict", "options": VERSIONING},
    "paused": {"type": "bool"},
    "rescan_interval": {"type": "int"},
    "ignore_permissions": {"type": "bool"},
    "order": {"type": "str"},
    "settings": {"type": "dict"},
}
CLUSTER: dict[str, t.Any] = {
    "devices": {"type": "list", "elements": "dict", "options": DEVICE, "default": []},
    "folders": {"type": "list", "elements": "dict", "options": FOLDER, "default": []},
    "options": {"type": "dict", "default": {}},
    "folder_owner": {"type": "str"},
    "allow_moves": {"type": "bool", "default": False},
}
