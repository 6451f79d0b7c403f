# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the parts of site.yml by a run's tags, and check what each part requires: pure functions, for the controller.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

# The tags of the tasks in playbooks/site.yml, in the order in which they run.
TAGS: t.Mapping[str, frozenset[str]] = {
    "tailscale": frozenset({"tailscale"}),
    "firewall": frozenset({"firewall"}),
    "syncthing": frozenset({"syncthing"}),
    "syncthing_mesh": frozenset({"syncthing", "syncthing_mesh"}),
}
# The tags that provide what a part requires.
NEEDS: t.Mapping[str, tuple[str, ...]] = {
    "firewall": ("tailscale",),
    "syncthing": ("tailscale",),
    "syncthing_mesh": ("tailscale", "syncthing"),
}
MISSING = {"tailscale": "is not in the tailnet", "syncthing": "has no Syncthing of this collection"}


def parts(run_tags: t.Collection[str], skip_tags: t.Collection[str] = ()) -> list[str]:
    """The parts that run with --tags and --skip-tags, like Ansible (lib/ansible/playbook/taggable.py)."""
    wanted, skipped = set(run_tags) or {"all"}, set(skip_tags)
    return [
        part
        for part, tags in TAGS.items()
        if (wanted & {"all", "tagged"} or wanted & tags) and not (skipped & {"all", "tagged"} or skipped & tags)
    ]


def refusals(host: t.Mapping[str, t.Any], running: t.Collection[str]) -> list[str]:
    """The requirements of parts that neither the host meets nor an earlier part sets up."""
    there = {"tailscale": _in_tailnet(host), "syncthing": _has_syncthing(host)}
    found = []
    for need in (need for need in there if not there[need] and need not in running):
        without = [part for part in running if need in NEEDS.get(part, ())]
        if without:
            found.append(f"this host {MISSING[need]}, which --tags {','.join(without)} requires: run with --tags {need} first")
    return found


def _in_tailnet(host: t.Mapping[str, t.Any]) -> bool:
    """Whether the host has joined. A node that is down, or whose login has expired, is reported later in more detail."""
    found = host.get("tailscaled") or {}
    node = found.get("node")
    if node is None:
        return bool(found.get("state_kept"))
    return bool(node["status"].get("HaveNodeKey"))


def _has_syncthing(host: t.Mapping[str, t.Any]) -> bool:
    found = host.get("syncthing") or {}
    return bool(found.get("configured", True))
