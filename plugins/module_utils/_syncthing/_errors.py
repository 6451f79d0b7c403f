# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the Syncthing modules, with messages for the user.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError


def role(variable: str) -> str:
    """The part of a message that names the role's variable for an option."""
    return f"(the role's variable is {variable})"


class SyncthingError(UserError):
    """Syncthing cannot be brought to the declared state."""


class FolderRefused(SyncthingError):
    """One folder is refused; everything else can be done without it."""

    def __init__(self, folder_id: str, reason: str) -> None:
        super().__init__(reason)
        self.folder_id = folder_id


class Unusable(SyncthingError):
    """A folder's path can never be used as it is."""


@contextlib.contextmanager
def concerning(folder_id: str) -> t.Iterator[None]:
    """Turn every error of this block into a refusal of the folder."""
    try:
        yield
    except FolderRefused:
        raise
    except SyncthingError as error:
        raise FolderRefused(folder_id, str(error)) from error


class IdentityError(SyncthingError):
    """A host cannot get its identity."""


class NotConfigured(SyncthingError):
    """Syncthing has no configuration on this host: it was never set up."""


class NotReady(SyncthingError):
    """Syncthing does not answer yet; trying again may help."""


class Starting(NotReady):
    """Syncthing reports that it is starting, such as while it converts its database."""
