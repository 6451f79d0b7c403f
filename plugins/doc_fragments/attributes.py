# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    # For modules that only gather.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Runs in check mode as well; the module changes nothing.
  diff_mode:
    support: none
    description: The module changes nothing, so there is no diff.
  idempotent:
    support: full
    description: The module changes nothing.
"""

    # For action plugins.
    CONTROLLER = r"""
options: {}
attributes:
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
"""
