# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests in this folder wait for a shorter time than a real tailscaled needs."""

from __future__ import annotations

import pytest
import tailscale_call


@pytest.fixture(autouse=True)
def _shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    tailscale_call.shorten_waits(monkeypatch)
