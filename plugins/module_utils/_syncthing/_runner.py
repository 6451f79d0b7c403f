# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Syncthing modules do: read once, plan, write, read back.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import socket
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _plan, _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import (
    Client,
    NotConfigured,
    NotReady,
    SyncthingError,
    reachable,
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
    """Bring one host's Syncthing to what is declared. Parameters that a module does not have count as not declared."""
    declared = _with_canonical_ids(params)
    try:
        client: Client | None = Client(params["home"], params["timeout"])
    except NotConfigured:
        if not check_mode:
            raise
        client = None  # what a check can say before the first start is what it would say of an empty Syncthing
    config = client.config() if client else {}
    seen = _see(client, config, params, declared)
    plan = _plan.make(config, seen, declared)
    points = _disk.mount_points() if plan.touched_folders else []
    for folder in plan.touched_folders:
        _disk.refuse_unmounted(folder["id"], folder["path"], points)
    address = (params.get("gui") or {}).get("address")
    if client and address and any(write.path == "config/gui" and "address" in write.body for write in plan.writes):
        _refuse_deaf_address(address)
    if plan.writes and client and not check_mode:
        _prepare_disk(plan, params.get("folder_owner"))
        _write(client, plan)
        _prove(client, plan)
    return {
        "changed": bool(plan.writes),
        "device_id": seen.own_id or None,
        "version": client.version if client else None,
        "unresolved": plan.unresolved,
        "before": plan.before,
        "after": plan.after,
        "requests": {"reads": client.reads, "writes": client.writes} if client else {"reads": 0, "writes": 0},
    }


def _see(client: Client | None, config: Params, params: Params, declared: Params) -> _plan.Seen:
    """What the plan has to know besides the configuration; each only if it is declared."""
    own_id = own_device_id(params["home"]) or (client.device_id() if client else "")
    if client is None:
        return _plan.Seen(own_id)
    present = {folder["id"] for folder in config["folders"]}
    ignores = {
        folder["id"]: client.ignores(folder["id"])
        for folder in declared["folders"]
        if folder.get("ignores") is not None and folder["id"] in present
    }
    password = (declared.get("gui") or {}).get("password")
    fits = False
    if password and not _schema.is_hash(password) and config["gui"].get("password"):
        fits = client.password_fits(config["gui"].get("user", ""), password)
    return _plan.Seen(own_id, ignores, fits, client.rehashes())


def _refuse_deaf_address(address: str) -> None:
    """An address that is not this host's would end Syncthing at its next start, and nothing could reach it to put it right."""
    if address.startswith("/"):
        return
    host, _colon, _port = reachable(address).rpartition(":")
    name = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET) as attempt:
            attempt.bind((name, 0))
    except OSError as error:
        raise SyncthingError(
            f"gui.address is {address}, where this host cannot listen ({error}): Syncthing would not start with it again. "
            "Use a loopback address, such as 127.0.0.1:8384"
        ) from error


def _prepare_disk(plan: _plan.Plan, owner: str | None) -> None:
    for folder in plan.new_folders:
        if owner:
            _disk.make_root(folder["path"], owner)
        if folder["id"] in plan.new_ignores:
            _disk.write_ignores(folder["id"], folder["path"], plan.new_ignores[folder["id"]])


def _write(client: Client, plan: _plan.Plan) -> None:
    for write in plan.writes:
        if write.path == "config/gui":
            # It goes away before it has answered; what came of it is read back.
            with contextlib.suppress(NotReady):
                client.write(*write)
        else:
            client.write(*write)


def _prove(client: Client, plan: _plan.Plan) -> None:
    moved = any(write.path == "config/gui" for write in plan.writes)
    config = client.get_anew("config") if moved else client.config()
    declared = [folder["id"] for folder in plan.declared["folders"] if folder.get("ignores") is not None]
    ignores = {folder_id: client.ignores(folder_id) for folder_id in declared}
    missed = _plan.missed(config, ignores, plan)
    if missed:
        raise SyncthingError(
            f"Syncthing {client.version} took the change but did not keep all of it: {'; '.join(missed)}. "
            "It drops what it finds inconsistent; its log has the reason"
        )


def _with_canonical_ids(params: Params) -> dict[str, t.Any]:
    def canonical(where: str, item: Params) -> dict[str, t.Any]:
        try:
            return {**item, "device_id": parse_device_id(item["device_id"])} if item.get("device_id") else dict(item)
        except InvalidDeviceID as error:
            raise SyncthingError(f"{where}: {error}") from error

    folders = []
    for folder in params.get("folders") or []:
        shares = folder.get("devices")
        if shares is not None:
            shares = [canonical(f"folder {folder['id']}", one) for one in shares]
        folders.append({**folder, "devices": shares})
    devices = [canonical(f"device {device['name']}", device) for device in params.get("devices") or []]
    return {**params, "devices": devices, "folders": folders}


def look(params: Params) -> dict[str, t.Any]:
    """Everything about one host's Syncthing that a check wants to know; no secrets."""
    client = Client(params["home"], params["timeout"])
    status = client.get("system/status")
    config = client.config()
    connections = client.get("system/connections")["connections"]
    seen = client.get("stats/device")
    own_id = status["myID"]
    return {
        "changed": False,
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


def _device(device: Params, seen: Params) -> dict[str, t.Any]:
    return {
        "name": device["name"],
        "addresses": device["addresses"],
        "paused": device["paused"],
        "introduced_by": device.get("introducedBy") or None,
        "last_seen": (seen.get(device["deviceID"]) or {}).get("lastSeen"),
    }


def _folder(client: Client, folder: Params, own_id: str) -> dict[str, t.Any]:
    peers = [share["deviceID"] for share in folder["devices"] if share["deviceID"] != own_id]
    status = {} if folder["paused"] else client.get("db/status", folder=folder["id"])
    completion = {}
    for peer in peers:
        answer = client.get("db/completion", folder=folder["id"], device=peer)
        completion[peer] = {
            "completion": answer["completion"],
            "need_bytes": answer.get("needBytes"),
            "remote_state": answer.get("remoteState"),
        }
    return {
        "label": folder["label"],
        "path": folder["path"],
        "type": folder["type"],
        "paused": folder["paused"],
        "devices": peers,
        "state": status.get("state"),
        "error": status.get("error") or None,
        "errors": status.get("errors"),
        "watch_error": status.get("watchError") or None,
        "need_bytes": status.get("needBytes"),
        "global_bytes": status.get("globalBytes"),
        "completion": completion,
    }
