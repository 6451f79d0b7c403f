# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid inputs that several tests start from, and a way to vary them."""

from __future__ import annotations

import copy
import typing as t

# The folders of the README's example.
README_FOLDERS: dict[str, t.Any] = {
    "documents": {"path": "/srv/sync/documents", "devices": ["nas", "pi", "phone"]},
    "photos": {
        "path": "/srv/sync/photos",
        "devices": {
            "nas": {},
            "pi": {"path": "/mnt/ssd/photos", "versioning": {"type": "staggered"}},
            "vps": {"encryption_password": "secret"},
        },
    },
}
# The package settings of the role tailscale's defaults.
TAILSCALE_WANTED: dict[str, t.Any] = {
    "source": "vendor",
    "version": "",
    "hold": False,
    "repository_url": "https://pkgs.tailscale.com",
    "repository_track": "stable",
    "repository_key_url": "",
    "static_url": "https://pkgs.tailscale.com/stable/tailscale_{version}_{arch}.tgz",
    "static_checksum": "",
    "port": 41641,
    "daemon_flags": [],
    "userspace_networking": False,
}


def changed(found: dict[str, t.Any], *changes: tuple[str, t.Any]) -> dict[str, t.Any]:
    """Return a copy with another value at each path (keys separated by `|`), or without it (KeyError)."""
    other = copy.deepcopy(found)
    for path, value in changes:
        place, keys = other, path.split("|")
        for key in keys[:-1]:
            place = place[key]
        if value is KeyError:
            del place[keys[-1]]
        else:
            place[keys[-1]] = copy.deepcopy(value)
    return other
