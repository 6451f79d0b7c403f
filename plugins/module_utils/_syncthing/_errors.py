# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something is not as wanted, in words for the user.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError


def role(variable: str) -> str:
    """A word on the variable of the role that an option comes from, for the message that names the option."""
    return f"(the role's variable is {variable})"


class SyncthingError(UserError):
    """Why Syncthing is not as wanted."""


class IdentityError(SyncthingError):
    """Why a host cannot get its identity."""


class NotConfigured(SyncthingError):
    """Syncthing has no configuration on this host: it was never set up."""


class NotReady(SyncthingError):
    """Syncthing does not answer yet; trying again may help."""


class Starting(NotReady):
    """Syncthing is up and says that it is busy with its start, such as with the conversion of its database."""
