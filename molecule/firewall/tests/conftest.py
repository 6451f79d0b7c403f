# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

pytest.register_assert_rewrite("firewall_eyes")

from eyes import *  # noqa: E402, F403  (fixtures and hooks, for pytest)
