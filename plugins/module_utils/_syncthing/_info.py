# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of syncthing_info: gather the state of one host's Syncthing; nothing is changed.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _settle
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import Client
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import Starting, SyncthingError

Params = t.Mapping[str, t.Any]

ERRORS = "5"  # the number of errors that are returned for a folder
# https://docs.syncthing.net/users/config.html#config-option-folder.mindiskfree
UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def gather(params: Params) -> dict[str, t.Any]:
    """Gather the state of one host's Syncthing without secrets, after waiting as the options say."""
    deadline = time.monotonic() + (params.get("wait_timeout") or 0)
    client = _open(params, deadline)
    wait_for = params.get("wait_for") or {}
    found = _settle.gather_and_wait(lambda: _gather(client), wait_for, deadline - time.monotonic())
    away = _disk.left_out(params.get("folders") or [], present=found["folders"])
    return {**found, "changed": False, "left_out": away}


def _open(params: Params, deadline: float) -> Client:
    """A client of a Syncthing that answers. One that is starting reports it, and may take minutes; a dead one does not answer."""
    while True:
        client = Client(params["home"], params["timeout"])
        try:
            client.get("system/status")
        except SyncthingError as error:
            if not isinstance(error.__cause__, Starting) or time.monotonic() > deadline:
                raise
        else:
            return client


def _gather(client: Client) -> dict[str, t.Any]:
    status = client.get("system/status")
    config = client.config()
    connections = client.get("system/connections")["connections"]
    seen = client.get("stats/device")
    own_id = status["myID"]
    return {
        "device_id": own_id,
        "version": client.version,
        "uptime": status["uptime"],
        "listeners": {
            address: {"error": one.get("error")} for address, one in (status.get("connectionServiceStatus") or {}).items()
        },
        "dials": {
            address: {"error": one.get("error"), "when": one.get("when")}
            for address, one in (status.get("lastDialStatus") or {}).items()
        },
        "devices": {device["deviceID"]: _device(device, seen) for device in config["devices"]},
        "connections": {key: _connection(one) for key, one in connections.items() if key != own_id},
        "folders": {folder["id"]: _folder(client, folder, own_id) for folder in config["folders"]},
        "pending": {
            "devices": client.get("cluster/pending/devices"),
            "folders": client.get("cluster/pending/folders"),
        },
        "errors": client.get("system/error").get("errors") or [],
        "restart_required": client.get("config/restart-required")["requiresRestart"],
    }


def _device(device: Params, seen: Params) -> dict[str, t.Any]:
    return {
        "name": device["name"],
        "addresses": device["addresses"],
        "paused": device["paused"],
        "introduced_by": device.get("introducedBy") or None,
        "last_seen": (seen.get(device["deviceID"]) or {}).get("lastSeen"),
    }


def _connection(connection: Params) -> dict[str, t.Any]:
    return {
        **{name: connection.get(name) for name in ("connected", "paused", "address", "type", "clientVersion")},
        "received_bytes": connection.get("inBytesTotal") or 0,
    }


def _folder(client: Client, folder: Params, own_id: str) -> dict[str, t.Any]:
    peers = [share["deviceID"] for share in folder["devices"] if share["deviceID"] != own_id]
    # A paused folder has no status, and Syncthing refuses requests for its completion.
    status = {} if folder["paused"] else client.get("db/status", folder=folder["id"])
    completion = {} if folder["paused"] else {peer: _completion(client, folder["id"], peer) for peer in peers}
    return {
        "label": folder["label"],
        "path": folder["path"],
        "type": folder["type"],
        "paused": folder["paused"],
        "devices": peers,
        "state": status.get("state"),
        "error": status.get("error") or None,
        "errors": status.get("errors"),
        "failures": _failures(client, folder["id"]) if status.get("errors") else [],
        "watch_error": (status.get("watchError") or None) if folder.get("fsWatcherEnabled") else None,
        "need_bytes": status.get("needBytes"),
        "need_items": _need_items(status) if status else None,
        "global_bytes": status.get("globalBytes"),
        "receive_only_items": status.get("receiveOnlyTotalItems") or 0,
        "disk": None if folder["paused"] else disk_of(folder["path"], folder.get("minDiskFree") or {}),
        "completion": completion,
    }


def _need_items(status: Params) -> int:
    return sum(status.get(name) or 0 for name in ("needFiles", "needDirectories", "needSymlinks", "needDeletes"))


def _completion(client: Client, folder: str, peer: str) -> dict[str, t.Any]:
    answer = client.get("db/completion", folder=folder, device=peer)
    return {
        "completion": answer["completion"],
        "need_bytes": answer.get("needBytes"),
        "remote_state": answer.get("remoteState"),
    }


def _failures(client: Client, folder: str) -> list[dict[str, str]]:
    """The first files that Syncthing could not scan or receive."""
    answer = client.get("folder/errors", folder=folder, perpage=ERRORS)
    return [{"path": one["path"], "error": one["error"]} for one in answer.get("errors") or []]


def disk_of(path: str, min_disk_free: Params) -> dict[str, int] | None:
    """The free space on a folder's disk, and the free space below which Syncthing receives nothing."""
    try:
        disk = os.statvfs(os.path.expanduser(path))  # noqa: PTH111  (Syncthing's paths are text)
    except OSError:
        return None
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    value, unit = min_disk_free.get("value") or 0, min_disk_free.get("unit") or ""
    needed = total * value / 100 if unit == "%" else value * UNITS.get(unit, 0)
    return {"free_bytes": free, "needed_bytes": int(needed)}
