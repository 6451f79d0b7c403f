# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of tailscale_auth_key: create or revoke a key at the control server.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _credentials
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import Control
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._keys import HeadscaleKeys, TailscaleKeys
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._options import TAG

Params = t.Mapping[str, t.Any]
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

DAY = 24 * 3600
LONGEST = {"tailscale": 90 * DAY, "headscale": 36500 * DAY}
LONGEST_WORDS = {"tailscale": "90 days (7776000), Tailscale's limit", "headscale": "100 years"}
LONGEST_DESCRIPTION = 50


def apply(params: Params, check_mode: bool) -> Json:
    """Create or revoke a key. In check mode none is created or revoked."""
    _credentials.check(params)
    if params["state"] == "absent":
        return _revoke(params, check_mode)
    check(params)
    if check_mode:
        return {"changed": True, "key": None, "id": None, "expires": None, "revoked": []}
    control = _credentials.log_in(params)
    keys = _keys(params, control)
    wanted = {**params, "tags": sorted(set(params["tags"]))}
    made = keys.create(wanted)
    warnings: list[str] = []
    # Afterwards, so that a failure of this cannot keep the new key from being made.
    revoked = _revoke_others(keys, params["description"], str(made["id"]), warnings) if params["replace"] else []
    return {"changed": True, **made, "revoked": revoked, "warnings": warnings}


def _keys(params: Params, control: Control) -> TailscaleKeys | HeadscaleKeys:
    if _credentials.uses_v2(params):
        return TailscaleKeys(control, params["tailnet"].strip())
    return HeadscaleKeys(control, (params["user"] or "").strip() or None, datetime.datetime.now(datetime.timezone.utc))


def _revoke(params: Params, check_mode: bool) -> Json:
    key_id = (params["id"] or "").strip()
    if not key_id:
        raise ControlError("id is empty: set it to the ID that the module returned when it created the key")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key_id) or re.match(r"[th]skey-", key_id):
        raise ControlError("id is not the ID of a key: set it to the ID that the module returned, and not to the key")
    keys = _keys(params, _credentials.log_in(params))
    changed = keys.revocable(key_id)
    if changed and not check_mode:
        keys.revoke(key_id)
    return {"changed": changed, "key": None, "id": key_id, "expires": None, "revoked": [key_id] if changed else []}


def _revoke_others(keys: TailscaleKeys | HeadscaleKeys, description: str, own: str, warnings: list[str]) -> list[str]:
    """Revoke what an earlier run has left. A failure is only a warning, because these keys expire soon anyway."""
    revoked: list[str] = []
    try:
        for key_id in keys.described(description, own):
            keys.revoke(key_id)
            revoked.append(key_id)
    except ControlError as error:
        warnings.append(f"keys that an earlier run may have left were not revoked: {error}")
    return revoked


def check(params: Params) -> None:
    """Refuse a key that no machine could use, or that no server creates. Raises ControlError."""
    api, expiry, tags, headscale = params["api"], params["expiry"], params["tags"], params["api"] == "headscale"
    if not 1 <= expiry <= LONGEST[api]:
        raise ControlError(
            f"expiry is {expiry}: it is how many seconds machines can join with the key, from 1 to {LONGEST_WORDS[api]}"
        )
    for tag in tags:
        _check_tag(tag, headscale)
    if not tags and (params.get("oauth_client_secret") or params.get("oidc")):
        how = "made with an OAuth client" if params.get("oauth_client_secret") else "made with oidc"
        raise ControlError(f"tags is empty, and a key {how} must have some: set tags, such as [tag:server]")
    if headscale and not tags and not (params["user"] or "").strip():
        raise ControlError(
            "user and tags are both empty: set user to the one of your Headscale that will own the machine, or set tags"
        )
    if headscale and not params["preauthorized"]:
        raise ControlError("preauthorized is false, but Headscale has no approval of machines: leave it out")
    _check_description(params["description"], headscale)


def _check_tag(tag: str, headscale: bool) -> None:
    if headscale and (tag != tag.lower() or not re.fullmatch(r"tag:\S+", tag)):
        raise ControlError(f"tags has {tag}: a tag of Headscale is tag: and a name in lower case, such as tag:server")
    if not headscale and not TAG.fullmatch(tag):
        raise ControlError(f"tags has {tag}: a tag is tag: and a name of letters, digits and dashes, such as tag:server")


def _check_description(description: str, headscale: bool) -> None:
    if len(description) > LONGEST_DESCRIPTION:
        raise ControlError(f"description has {len(description)} characters: it can have {LONGEST_DESCRIPTION} at most")
    if not headscale and not re.fullmatch(r"[A-Za-z0-9 _-]*", description):
        raise ControlError(f"description is {description}: it can have letters, digits, hyphens, underscores and spaces")
