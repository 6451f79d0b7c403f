# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of tailscale_auth_key: request a key from the control server.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import Control
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import TAILSCALE_API


def mint(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Request a new key; none in check mode."""
    if check_mode:
        return {"changed": True, "key": None, "id": None, "expires": None}
    headscale = params["api"] == "headscale"
    if headscale and params["base_url"] == TAILSCALE_API:
        raise ControlError("base_url is Tailscale's own, and api is headscale: set base_url to your Headscale's address")
    if params["oauth_client_secret"] and not params["tags"]:
        raise ControlError("tags is empty, and a key made with an OAuth client must have some: set tags, such as [tag:server]")
    control = Control(params["base_url"])
    if params["oauth_client_secret"]:
        control.log_in(params["oauth_client_id"], params["oauth_client_secret"])
    else:
        control.use_token(params["api_token"])
    if headscale:
        made = control.headscale_key(params["user"], params, datetime.datetime.now(datetime.timezone.utc))
    else:
        made = control.tailscale_key(params["tailnet"], params)
    return {"changed": True, **made}
