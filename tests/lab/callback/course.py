# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write each task of a run as a line of JSON to the file that COURSE names: play, task and start time."""

from __future__ import annotations

import json
import os
import pathlib
import time
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: course
type: aggregate
short_description: Write down when each task began
description: For the tests only.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "course"

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self.play = ""

    def _write(self, task: str) -> None:
        path = os.environ.get("COURSE")
        if path:
            line = {"play": self.play, "task": task, "at": time.time()}
            with pathlib.Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self.play = play.get_name()

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._write(task.get_name())

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._write(task.get_name())

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._write("the end")
