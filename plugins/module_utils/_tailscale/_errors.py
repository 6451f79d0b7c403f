# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a node or its control server.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError

# Users of the role have no module options, but variables.
OR_ACCEPT = "or set accept_risk: true (for the role in tailscale_preferences) if you have another access path"


class NodeError(UserError):
    """Why the node is not as wanted."""


class DaemonUnavailable(NodeError):
    """tailscaled does not answer."""


class NoAnswer(DaemonUnavailable):
    """tailscaled took the request and did not answer it in time."""


class LoginFailed(NodeError):
    """The control server did not take the login."""


class ControlError(UserError):
    """Why the control server's administrative API did not do it."""


class OutcomeUnknown(ControlError):
    """It may have done it all the same."""
