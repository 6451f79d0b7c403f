# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write how long each task took, by its name, to the file that TAILSYNC_DURATIONS names."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import time
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: durations
type: aggregate
short_description: Task durations for the benchmark
description: Writes them as JSON.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "durations"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self.seconds: dict[str, list[float]] = {}
        self.started = 0.0

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self.started = time.monotonic()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self.seconds.setdefault(result.task.get_name(), []).append(time.monotonic() - self.started)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        report = {
            "seconds": self.seconds,
            "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        }
        pathlib.Path(os.environ["TAILSYNC_DURATIONS"]).write_text(json.dumps(report), encoding="utf-8")
