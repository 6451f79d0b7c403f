# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write each failed and each changed task of a host, and the report, as lines of JSON to the file that FAILURES names."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: failures
type: aggregate
short_description: Write down what failed
description: For the tests only.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "failures"

    def _write(self, kind: str, result: t.Any) -> None:
        path = os.environ.get("FAILURES")
        if path:
            answer = result._result
            kind = "report" if result._task.action.endswith("run_report") else kind
            text = json.dumps({key: answer[key] for key in ("msg", "exception", "stderr") if key in answer}, default=str)
            line = {"kind": kind, "host": result._host.get_name(), "task": result._task.get_name(), "text": text}
            with pathlib.Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._write("failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._write("unreachable", result)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        if result._result.get("changed") or result._task.action.endswith("run_report"):
            self._write("changed", result)
