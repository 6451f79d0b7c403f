# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of tailscale_device: remove a machine from the tailnet that is offline and has a certain name.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import first_label, label_of
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _credentials
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import Control
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._options import HOSTNAME

Params = t.Mapping[str, t.Any]
Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

GONE = (404, 410)
# For seconds after its start, Headscale (0.29) calls all machines offline. tailscaled comes back within 45 s (backoff of 30 s).
RECONNECT = 45.0


def apply(params: Params, check_mode: bool) -> Json:
    """Remove the machine; it must be offline. In check mode it stays."""
    _credentials.check(params)
    name = label_of(params["name"].strip())
    if not HOSTNAME.fullmatch(params["name"].strip()):
        raise ControlError(f"name is {params['name']}: it is a machine's name in the tailnet, of letters, digits and dashes")
    control = _credentials.log_in(params)
    v2 = _credentials.uses_v2(params)
    found = _offline(control, params, name)
    if found and not check_mode and params["api"] == "headscale":
        control.sleep(RECONNECT)
        found = _offline(control, params, name)
    for device in [] if check_mode else found:
        path = f"/api/v2/device/{quote(device['id'], safe='')}" if v2 else f"/api/v1/node/{quote(device['id'], safe='')}"
        try:
            control.request("DELETE", path, repeatable=True)
        except ControlError as error:
            if error.status not in GONE:
                raise
    return {"changed": bool(found), "devices": found}


def _offline(control: Control, params: Params, name: str) -> list[Json]:
    """The machines that have the name, but for those to keep. Raises ControlError if one is online."""
    if _credentials.uses_v2(params):
        listed = from_tailscale(control.tailscale_devices(quote(params["tailnet"].strip(), safe="")))
    else:
        listed = from_headscale(control.headscale_nodes())
    found = [device for device in listed if device["name"] == name and device["id"] not in params["keep"]]
    online = [device for device in found if device["online"]]
    if online:
        raise ControlError(
            f"{name} is online in the tailnet ({(online[0]['addresses'] or [online[0]['id']])[0]}), so it is not removed: "
            "switch that machine off or rename it, if its name is to be free"
        )
    return found


def from_tailscale(answer: Json) -> list[Json]:
    """The machines of /api/v2, without those that are shared from another tailnet."""
    return [
        {
            "id": str(device.get("nodeId") or device.get("id")),
            "name": first_label(device.get("name")),
            "addresses": _texts(device.get("addresses")),
            # Headscale has no connectedToControl; both have lastSeen while a machine is offline.
            "online": bool(device.get("connectedToControl", not device.get("lastSeen"))),
            "last_seen": device.get("lastSeen"),
        }
        for device in _objects(answer, "devices")
        if not device.get("isExternal")
    ]


def from_headscale(answer: Json) -> list[Json]:
    """The machines of Headscale's /api/v1."""
    return [
        {
            "id": str(node.get("id")),
            "name": first_label(node.get("givenName") or node.get("name")),
            "addresses": _texts(node.get("ipAddresses")),
            "online": node.get("online") is not False,
            "last_seen": node.get("lastSeen"),
        }
        for node in _objects(answer, "nodes")
    ]


def _objects(answer: Json, key: str) -> list[Json]:
    listed = answer.get(key)
    if not isinstance(listed, list):
        raise ControlError(f"the control server's answer has no list of {key}: is the address that of a control server?")
    return [item for item in listed if isinstance(item, dict)]


def _texts(value: t.Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
