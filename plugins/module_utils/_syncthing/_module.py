# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between Ansible and the engine: what every Syncthing module does with its result.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import REQUESTS_ERROR
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._masked import Module
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._runner import bring

__all__ = ["Module", "run"]


def run(module: Module, declared: t.Mapping[str, t.Any]) -> None:
    """Bring Syncthing to what is declared, and end the module."""
    if REQUESTS_ERROR and not module.check_mode:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_ERROR)
    connection = {name: module.params[name] for name in ("home", "timeout")}
    try:
        result = bring({**declared, **connection}, module.check_mode)
    except SyncthingError as error:
        module.fail_json(msg=str(error))
    if not module.check_mode and result["unresolved"]:
        names = ", ".join(result["unresolved"])
        module.warn(
            f"left out, because their device ID is not known here yet: {names}. Run once together with them; until then folders "
            "keep the devices that they have, and nothing is purged"
        )
    for one in result["left_out"]:
        module.warn(f"folder {one['id']} at {one['path']} is left out: {one['reason']}")
    if module._diff:
        result["diff"] = {"before": result["before"], "after": result["after"]}
    module.exit_json(**result)
