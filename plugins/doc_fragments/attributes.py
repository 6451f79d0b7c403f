# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of modules that have them in common."""

from __future__ import annotations


class ModuleDocFragment:
    # Of modules that only gather.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Runs in check mode as well; it changes nothing.
  diff_mode:
    support: none
    description: There is nothing to differ.
  idempotent:
    support: full
    description: It changes nothing.
"""

    # Of actions.
    CONTROLLER = r"""
options: {}
attributes:
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
"""
