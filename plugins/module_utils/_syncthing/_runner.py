# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Syncthing modules do: read once, plan, write, read back.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _plan
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import (
    Client,
    NotConfigured,
    SyncthingError,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._identity import (
    InvalidDeviceID,
    device_id_of_certificate,
    parse_device_id,
)

Params = t.Mapping[str, t.Any]


def own_device_id(home: str) -> str | None:
    """From the certificate, which costs no request."""
    path = Path(home) / "cert.pem"
    return device_id_of_certificate(path.read_text(encoding="ascii")) if path.exists() else None


def bring(params: Params, check_mode: bool) -> dict[str, t.Any]:
    """Bring one host's Syncthing to what is declared."""
    declared = _with_canonical_ids(params)
    try:
        client: Client | None = Client.of_home(params["home"], params["timeout"])
    except NotConfigured:
        if not check_mode:
            raise
        client = None  # what a check can say before the first start is what it would say of an empty Syncthing
    config = client.config() if client else {}
    own_id = own_device_id(params["home"]) or (client.device_id() if client else "")
    plan = _plan.make(config, own_id, declared)
    for folder in plan.new_folders:
        _disk.refuse_unmounted(folder["id"], folder["path"])
    if plan.writes and client and not check_mode:
        for folder in plan.new_folders:
            if params["folder_owner"]:
                _disk.make_root(folder["path"], params["folder_owner"])
        for write in plan.writes:
            client.write(*write)
        _prove(client, plan)
    return {
        "changed": bool(plan.writes),
        "device_id": own_id or None,
        "version": client.version if client else None,
        "unresolved": plan.unresolved,
        "before": plan.before,
        "after": plan.after,
        "diff": {"before": plan.before, "after": plan.after},
        "requests": {"reads": client.reads, "writes": client.writes} if client else {"reads": 0, "writes": 0},
    }


def _with_canonical_ids(params: Params) -> dict[str, t.Any]:
    def canonical(where: str, item: Params) -> dict[str, t.Any]:
        try:
            return {**item, "device_id": parse_device_id(item["device_id"])} if item.get("device_id") else dict(item)
        except InvalidDeviceID as error:
            raise SyncthingError(f"{where}: {error}") from error

    return {
        "devices": [canonical(f"device {device['name']}", device) for device in params["devices"]],
        "folders": [
            {**folder, "devices": [canonical(f"folder {folder['id']}", one) for one in folder["devices"]]}
            if folder["devices"] is not None
            else folder
            for folder in params["folders"]
        ],
        "options": params["options"],
        "allow_moves": params["allow_moves"],
    }


def _prove(client: Client, plan: _plan.Plan) -> None:
    missed = _plan.missed(client.config(), plan)
    if missed:
        raise SyncthingError(
            f"Syncthing {client.version} took the change but did not keep all of it: {'; '.join(missed)}. "
            "It drops what it finds inconsistent; its log has the reason"
        )


def look(params: Params) -> dict[str, t.Any]:
    """Everything about one host's Syncthing that a check wants to know; no secrets."""
    client = Client.of_home(params["home"], params["timeout"])
    status = client.get("system/status")
    config = client.config()
    connections = client.get("system/connections")["connections"]
    own_id = status["myID"]
    return {
        "changed": False,
        "device_id": own_id,
        "version": client.version,
        "listeners": {
            address: {"error": one.get("error")} for address, one in (status.get("connectionServiceStatus") or {}).items()
        },
        "dials": {
            address: {"error": one.get("error"), "when": one.get("when")}
            for address, one in (status.get("lastDialStatus") or {}).items()
        },
        "devices": {
            device["deviceID"]: {"name": device["name"], "addresses": device["addresses"], "paused": device["paused"]}
            for device in config["devices"]
        },
        "connections": {
            key: {name: one.get(name) for name in ("connected", "paused", "address", "type", "clientVersion")}
            for key, one in connections.items()
            if key != own_id
        },
        "folders": {folder["id"]: _folder(client, folder, own_id) for folder in config["folders"]},
        "pending": {
            "devices": client.get("cluster/pending/devices"),
            "folders": client.get("cluster/pending/folders"),
        },
        "errors": client.get("system/error").get("errors") or [],
        "restart_required": client.get("config/restart-required")["requiresRestart"],
    }


def _folder(client: Client, folder: dict[str, t.Any], own_id: str) -> dict[str, t.Any]:
    peers = [share["deviceID"] for share in folder["devices"] if share["deviceID"] != own_id]
    status = {} if folder["paused"] else client.get("db/status", folder=folder["id"])
    completion = {}
    for peer in peers:
        answer = client.get("db/completion", folder=folder["id"], device=peer)
        completion[peer] = {"completion": answer["completion"], "remote_state": answer.get("remoteState")}
    return {
        "path": folder["path"],
        "type": folder["type"],
        "paused": folder["paused"],
        "devices": peers,
        "state": status.get("state"),
        "error": status.get("error") or None,
        "need_bytes": status.get("needBytes"),
        "completion": completion,
    }
