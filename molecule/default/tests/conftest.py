# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from eyes import *  # noqa: F403  # pylint: disable=wildcard-import,unused-wildcard-import
