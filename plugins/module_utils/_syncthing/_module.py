# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part that all writing Syncthing modules share: run, warnings and result.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common import module as frame
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._apply import apply
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._masked import Module

__all__ = ["Module", "run"]


def run(module: Module, declared: t.Mapping[str, t.Any]) -> t.NoReturn:
    """Apply the declared configuration, and end the module."""
    connection = {name: module.params[name] for name in ("home", "timeout")}

    def work() -> dict[str, t.Any]:
        result = apply({**declared, **connection}, module.check_mode)
        return {**result, "warnings": _warnings(result, module.check_mode)}

    frame.run(module, work)


def _warnings(result: t.Mapping[str, t.Any], check_mode: bool) -> list[str]:
    found = []
    if result["unresolved"] and not check_mode:
        found.append(
            f"left out, because their device ID is not known here yet: {', '.join(result['unresolved'])}. Run once together with "
            "them; until then folders keep their present devices, and nothing is purged"
        )
    found += [f"folder {one['id']} at {one['path']} is left out: {one['reason']}" for one in result["left_out"]]
    found += [f"folder {one['id']} is refused, and was not changed: {one['reason']}" for one in result["refused"]]
    return found
