# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of verify.yml; the sentences come from module_utils/_verify.py."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils import _verify
from ansible_collections.homelab.tailsync.plugins.module_utils._mesh import desired_state


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "verify_addresses_to_ping": _verify.addresses_to_ping,
            "verify_connections": _verify.connections,
            "verify_doors_to_try": _verify.doors_to_try,
            "verify_findings": _verify.findings,
            "verify_mesh_findings": _mesh_findings,
            "verify_views": _views,
        }


def _mesh_findings(
    syncthing: t.Mapping[str, t.Any], name: str, wanted: t.Mapping[str, t.Any], managed: t.Collection[str]
) -> list[str]:
    return _verify.mesh_findings(name, syncthing, wanted, managed)


def _views(names: t.Iterable[str], hostvars: t.Mapping[str, t.Any], mesh: t.Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """What the plays registered of each host, under the names that _verify.py speaks of."""
    views = {}
    for name in names:
        seen = hostvars[name]
        views[name] = {
            "way": seen.get("__tailsync_way"),
            "self": seen.get("__tailsync_self"),
            "node": (seen.get("__tailsync_node") or {}).get("node"),
            "syncthing": seen.get("__tailsync_syncthing"),
            "seen": seen.get("__tailsync_seen"),
            "wanted": desired_state(mesh, name),
        }
    return views
