# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of verify.yml over the variables of its run; what they decide is in plugin_utils/verify.py."""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._mesh import desired_state
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, verify_doors, views

Seen = t.Mapping[str, t.Any]


def folders(run: Seen, name: str) -> list[dict[str, t.Any]]:
    """The folders that a host is to have, as syncthing_info takes them."""
    wanted = desired_state(run["mesh"], name)["folders"]
    return [{key: folder[key] for key in ("id", "path", "requires_mount") if folder.get(key)} for folder in wanted]


def to_try(run: Seen, hostvars: Seen, name: str) -> dict[str, t.Any]:
    return verify.to_try(views.of_run(run, hostvars), name)


def doors_for_controller(run: Seen, hostvars: Seen) -> list[dict[str, t.Any]]:
    return verify_doors.doors_for_controller(views.of_run(run, hostvars))


def wait_for(run: Seen, hostvars: Seen, name: str) -> dict[str, t.Any]:
    return verify.wait_for(views.of_run(run, hostvars), name)


def conclusion(run: Seen, hostvars: Seen, outside: t.Sequence[Seen]) -> dict[str, t.Any]:
    """C(findings), C(report), which is all of them in one text, and C(lines) for a run without any."""
    said = verify.conclude(views.of_run(run, hostvars), outside)
    return {"findings": said.findings, "report": verify.report(said), "lines": [*said.lines, *said.notes]}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "verify_conclusion": conclusion,
            "verify_doors_for_controller": doors_for_controller,
            "verify_folders": folders,
            "verify_to_try": to_try,
            "verify_wait_for": wait_for,
        }
