# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect device IDs and addresses of the members of a mesh, once for all of them."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.homelab.tailsync.plugins.plugin_utils import mesh_members, preload

PRELOADED = preload.FILTERS  # for the workers


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        variables = task_vars or {}
        members = mesh_members.collect(self._task, self._loader, variables)
        return {**result, "changed": False, "members": members, "earlier": mesh_members.earlier(variables)}
