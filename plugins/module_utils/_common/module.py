# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part that all modules share: errors, warnings and the diff.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary, UserError

SYSTEM_PATHS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
Result = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def run(module: AnsibleModule, work: t.Callable[[], Result]) -> t.NoReturn:
    """End the module with what `work` returns, or with the message of the error that it raises.

    The result may have `warnings` (a list of texts), which become the module's warnings, and `before` and `after`, which become
    its diff. Any other error than a UserError is a bug of this collection: Ansible shows its traceback.
    """
    complete_path()
    try:
        result = work()
    except MissingLibrary as error:
        module.fail_json(msg=missing_required_lib(error.name), exception=error.traceback)
    except UserError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if module._diff and "before" in result and "after" in result:
        result["diff"] = {"before": result["before"], "after": result["after"]}
    module.exit_json(**{"changed": False, **result})
    raise AssertionError  # exit_json has ended the program


def complete_path() -> None:
    """Make the programs of root found: su keeps the PATH of the user, which in Debian has none of their folders."""
    there = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    os.environ["PATH"] = os.pathsep.join([*there, *(folder for folder in SYSTEM_PATHS if folder not in there)])
