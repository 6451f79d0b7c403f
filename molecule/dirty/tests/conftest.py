# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

pytest_plugins = ["lab_fixtures", "dirty_fixtures"]
