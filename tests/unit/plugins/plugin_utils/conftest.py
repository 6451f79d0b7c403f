# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import verify_views
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View


@pytest.fixture
def views() -> dict[str, View]:
    """The views of two healthy hosts."""
    return {"nas": verify_views.view("nas", "pi"), "pi": verify_views.view("pi", "nas")}
