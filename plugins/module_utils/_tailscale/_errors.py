# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the Tailscale modules.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError

# Messages also name the role's variable, because users of the role do not set module options.
OR_ACCEPT = "or set accept_risk: true (for the role in tailscale_preferences) if you have another access path"


class NodeError(UserError):
    """The node cannot be brought to the declared state."""


class DaemonUnavailable(NodeError):
    """tailscaled does not answer."""


class NoAnswer(DaemonUnavailable):
    """tailscaled accepted the request and did not answer it in time."""


class LoginFailed(NodeError):
    """The control server did not accept the login."""


class ControlError(UserError):
    """A request to the control server's administrative API failed."""

    status: int | None = None  # of HTTP, if the server refused the request


class OutcomeUnknown(ControlError):
    """The request may have been executed nevertheless."""
