# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The views of two healthy hosts and a phone, for tests that change one value."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.mesh import model
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View

Json = t.Dict[str, t.Any]  # noqa: UP006
IDS = {"nas": "NASNASN-ID", "pi": "PIPIPIP-ID"}
PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
ADDRESSES = {"nas": "172.31.77.11", "pi": "172.31.77.12"}
MACS = {"nas": "52:54:00:00:00:11", "pi": "52:54:00:00:00:12"}
KEYS = {"nas": "KEY-OF-NAS", "pi": "KEY-OF-PI"}
TAILNET = {"nas": "100.64.0.1", "pi": "100.64.0.2"}
MESH: Json = {
    "hosts": ["nas", "pi"],
    "folders": {"documents": {"path": "/srv/documents", "devices": ["nas", "pi", "phone"]}},
    "external_devices": {"phone": {"device_id": PHONE}},
}


def attempt(name: str, port: int, **more: t.Any) -> Json:
    """A port of this host that is open to a neighbour on the LAN."""
    there = {"address": ADDRESSES[name], "port": port, "open": True, "error": None, "source": ADDRESSES["nas"]}
    return {**there, "resolved": [ADDRESSES[name]], "mac": MACS[name], "host_keys": [], **more}


def folder(peer: str, **more: t.Any) -> Json:
    completion = {
        IDS[peer]: {"remote_state": "valid", "completion": 100, "need_bytes": 0},
        PHONE: {"remote_state": "unknown", "completion": 0, "need_bytes": 9},
    }
    found = {
        "path": "/srv/documents",
        "type": "sendreceive",
        "paused": False,
        "devices": [IDS[peer], PHONE],
        "state": "idle",
        "error": None,
        "errors": 0,
        "failures": [],
        "watch_error": None,
        "need_bytes": 0,
        "need_items": 0,
        "global_bytes": 1000,
        "receive_only_items": 0,
        "moving": None,
        "disk": {"free_bytes": 900, "needed_bytes": 10},
        "completion": completion,
    }
    return {**found, **more}


def view(name: str, peer: str, **variables: t.Any) -> View:
    return View(
        name=name,
        variables={"ansible_host": ADDRESSES[name], **variables},
        mesh=model(MESH),
        ssh={"address": name},
        node={"backend_state": "Running", "ipv4": TAILNET[name], "tun": True},
        own={
            "addresses": [
                {"interface": "eth0", "address": ADDRESSES[name]},
                {"interface": "docker0", "address": "172.17.0.1"},
                {"interface": "tailscale0", "address": TAILNET[name]},
            ],
            "macs": [MACS[name]],
            "host_keys": [KEYS[name]],
            "ufw_profiles": {"Samba": "137,138/udp|139,445/tcp"},
            "listening": [22, 22000],
        },
        probed={
            "ping": [{"address": TAILNET[peer], "answers": True, "error": None}],
            "tcp": [
                {"address": ADDRESSES[peer], "port": 22, "open": False, "error": "timed out"},
                {"address": TAILNET[peer], "port": 22000, "open": True, "error": None, "resolved": [TAILNET[peer]]},
            ],
            "control_server": {"host": "c", "port": 443, "open": True, "error": None, "resolved": True, "proxy": False},
            "forwarding_needs": [],
        },
        syncthing={
            "device_id": IDS[name],
            "listeners": {f"tcp://{TAILNET[name]}:22000": {"error": None}},
            "dials": {f"tcp://{peer}:22000": {"error": None}},
            "devices": {IDS[peer]: {"name": peer, "paused": False}, PHONE: {"name": "phone", "paused": False}},
            "connections": {
                IDS[peer]: {"connected": True, "address": f"{TAILNET[peer]}:22000", "type": "tcp-client", "received_bytes": 0},
                PHONE: {"connected": False, "received_bytes": 0},
            },
            "folders": {"documents": folder(peer)},
            "errors": [],
            "left_out": [],
            "watched": 0,
        },
    )


def change(views: t.Mapping[str, View], path: str, value: t.Any) -> dict[str, View]:
    """Return the views with another value at `host/part/key/key`."""
    name, part, *keys = path.split("/")
    whole: t.Any = copy.deepcopy(getattr(views[name], part))
    if not keys:
        whole = value
    else:
        *parents, last = (key.replace("~", "/") for key in keys)
        at = whole
        for key in parents:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[last] = value
    return {**views, name: dataclasses.replace(views[name], **{part: whole})}
