# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what each task costs the controller, in seconds of CPU, to the file that TAILSYNC_COSTS names.

CPU time, so that other load of the machine does not count. Modules are not run: what the controller does until it would
connect is measured, and it gets the result that the file TAILSYNC_RESULTS has for the module, by its full name.
"""

from __future__ import annotations

import json
import os
import pathlib
import time
import typing as t

from ansible.executor.task_executor import TaskExecutor
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: controller_cost
type: aggregate
short_description: Cost of tasks on the controller for the benchmark
description: Writes it as JSON.
"""

KEY = "tailsync_controller_seconds"


def _results() -> dict[str, dict[str, t.Any]]:
    text = pathlib.Path(os.environ["TAILSYNC_RESULTS"]).read_text(encoding="utf-8")
    return dict(json.loads(text))


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "controller_cost"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self.tasks: list[dict[str, t.Any]] = []
        self.begun = time.process_time()
        self._measure()

    def _measure(self) -> None:
        """Worker processes are forks of this process, so they inherit this replacement; their CPU clock starts at 0."""
        results = _results()
        run = TaskExecutor.run

        def measured(executor: TaskExecutor) -> dict[str, t.Any]:
            result: dict[str, t.Any] = run(executor)
            result[KEY] = time.process_time()
            return result

        def not_executed(
            action: ActionBase, module_name: str | None = None, module_args: t.Any = None, **_options: t.Any
        ) -> dict[str, t.Any]:
            name = str(module_name or action._task.resolved_action or action._task.action)
            json.dumps(module_args, default=str)  # which sending them would cost at least
            return {"changed": False, **results[name]}

        TaskExecutor.run = measured
        ActionBase._execute_module = not_executed

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._close()
        self.tasks.append({"name": task.name or task.action, "hosts": 0, "workers": 0.0, "main": 0.0})
        self.begun = time.process_time()

    def _close(self) -> None:
        if self.tasks:
            self.tasks[-1]["main"] = time.process_time() - self.begun

    def _add(self, result: t.Any) -> None:
        self.tasks[-1]["hosts"] += 1
        self.tasks[-1]["workers"] += result.result.get(KEY) or 0.0

    v2_runner_on_ok = v2_runner_on_skipped = v2_runner_on_unreachable = _add

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._add(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._close()
        pathlib.Path(os.environ["TAILSYNC_COSTS"]).write_text(json.dumps(self.tasks), encoding="utf-8")
