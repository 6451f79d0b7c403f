# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the middle of a run: when the task AT_TASK begins, AT_TASK_DO is run, or the run killed (`kill`)."""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: at_task
type: aggregate
short_description: Break a run at a task
description: For the tests only.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "at_task"

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        if task.get_name().rsplit(" : ", 1)[-1] != os.environ.get("AT_TASK"):
            return
        action = os.environ["AT_TASK_DO"]
        if action == "kill":
            os.killpg(0, signal.SIGKILL)  # the run and its forks; it has a process group of its own
        done = subprocess.run(["sh", "-c", action], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{action} ended with {done.returncode}: {done.stdout}{done.stderr}", flush=True)
            os._exit(99)  # an exception here would be a mere warning
