# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded requests, answers and errors of the administrative APIs, which the lab's coordinator reads as well."""

from __future__ import annotations

import json
import pathlib
import typing as t

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "lab" / "coordinator" / "facts.json"
APIS: dict[str, dict[str, t.Any]] = json.loads(SOURCE.read_text(encoding="utf-8"))["apis"]
