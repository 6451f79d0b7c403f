# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the ufw modules.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError


class UfwError(UserError):
    """The policy cannot be applied."""
