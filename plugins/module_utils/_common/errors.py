# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all errors that a user can do something about.

Private to this collection: it may change in any release.
"""

from __future__ import annotations


class UserError(Exception):
    """An error whose message tells the user the problem and the fix. A module fails with it and shows no traceback."""


class MissingLibrary(UserError):
    """A Python library that the module needs is not installed where it runs."""

    def __init__(self, name: str, traceback: str | None) -> None:
        super().__init__(name)
        self.name = name
        self.traceback = traceback
