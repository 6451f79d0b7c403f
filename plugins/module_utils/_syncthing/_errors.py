# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something is not as wanted, in words for the user.

Private to this collection: it may change in any release.
"""

from __future__ import annotations


class SyncthingError(Exception):
    """Why Syncthing is not as wanted, in words for the user."""


class NotConfigured(SyncthingError):
    """Syncthing has no configuration on this host: it was never set up."""


class NotReady(SyncthingError):
    """Syncthing does not answer yet; trying again may help."""


class Starting(NotReady):
    """Syncthing is up and says that it is busy with its start, such as with the conversion of its database."""
