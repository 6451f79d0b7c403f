# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the arguments of an action's module to DIRECTORY/HOST.json instead of calling it; TAILSYNC_CALLS names DIRECTORY.

The module's result is that of DIRECTORY/result.json.
"""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: module_calls
type: aggregate
short_description: Calls of modules for tests
description: Writes them as JSON.
"""


def _record(action: ActionBase, module_name: str, module_args: t.Any, task_vars: t.Any) -> dict[str, t.Any]:
    directory = pathlib.Path(os.environ["TAILSYNC_CALLS"])
    call = {"module": module_name, "arguments": module_args}
    host = action._task.delegate_to or task_vars["inventory_hostname"]
    (directory / f"{host}.json").write_text(json.dumps(call), encoding="utf-8")
    return dict(json.loads((directory / "result.json").read_text(encoding="utf-8")))


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_calls"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        ActionBase._execute_module = _record  # worker processes are forks of this process
