# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of the Syncthing modules: gather once, plan, write, read back.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import (
    _describe,
    _disk,
    _listen,
    _placed,
    _plan,
    _refuse,
    _restore,
    _schema,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import Client, NotStarted
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import (
    InvalidDeviceID,
    device_id_of_certificate,
    parse_device_id,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import (
    NotConfigured,
    SyncthingError,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._refusals import Refusals

Params = t.Mapping[str, t.Any]


def own_device_id(home: str) -> str | None:
    """This host's device ID from the certificate, without a request; None if there is no certificate."""
    path = Path(home) / "cert.pem"
    return device_id_of_certificate(path.read_text(encoding="ascii")) if path.exists() else None


def apply(params: Params, check_mode: bool) -> dict[str, t.Any]:
    """Apply the declared configuration to one host's Syncthing. Options that a module does not have count as not declared."""
    declared = _with_canonical_ids(params)
    _refuse.empty_secrets(declared)
    _refuse.wrong_values(declared)
    client = _client(params, check_mode)
    config = client.config()
    refusals = Refusals(declared["folders"], bool(params.get("partial")))
    host = _placed.Host(params["home"], params.get("folder_owner"), bool(params.get("allow_moves")))
    present = {folder["id"]: folder["path"] for folder in config.get("folders") or []}
    declared["folders"] = _placed.respelled(declared["folders"], present, _placed.user_home(host))
    left_out = _placed.check(declared["folders"], present, host, refusals)
    away = {one["id"] for one in left_out}
    seen = refusals.settled(lambda: _gather(client, config, params, declared, away | refusals.ids))

    disk = _restore.Disk()

    def prepared() -> _plan.Plan:
        plan = _plan.plan(config, seen._replace(left_out=away | refusals.ids), declared)
        if isinstance(client, Client) and plan.writes:
            _refuse_unbindable_gui_address(plan, params, check_mode)
            if not check_mode:
                _prepare_disk(plan, params.get("folder_owner"), disk)
        return plan

    plan = refusals.settled(prepared)
    if isinstance(client, Client) and plan.writes and not check_mode:
        _change(client, plan, _describe.State(config, seen.ignores), disk)
    return {
        "changed": bool(plan.writes),
        "device_id": seen.own_id or None,
        "version": client.version,
        "unresolved": plan.unresolved,
        "left_out": left_out,
        "refused": refusals.found,
        "before": plan.before,
        "after": plan.after,
        "requests": {"reads": client.reads, "writes": client.writes},
    }


def _client(params: Params, check_mode: bool) -> Client | NotStarted:
    try:
        return Client(params["home"], params["timeout"])
    except NotConfigured:
        if not check_mode:
            raise
        return NotStarted()  # in check mode a Syncthing that never started counts as empty


def _refuse_unbindable_gui_address(plan: _plan.Plan, params: Params, check_mode: bool) -> None:
    address = (params.get("gui") or {}).get("address")
    if address and any(write.path == "config/gui" and "address" in write.body for write in plan.writes):
        _listen.refuse_unbindable(address, params["home"], check_mode)


def _gather(
    client: Client | NotStarted, config: Params, params: Params, declared: Params, left_out: t.Collection[str]
) -> _plan.Seen:
    """Gather the facts that the plan needs in addition to the configuration, each only if it is declared."""
    own_id = own_device_id(params["home"]) or client.device_id()
    present = {folder["id"] for folder in config.get("folders") or []} - set(left_out)
    ignores = {
        folder["id"]: client.ignores(folder["id"])
        for folder in declared["folders"]
        if folder.get("ignores") is not None and folder["id"] in present
    }
    password, gui = (declared.get("gui") or {}).get("password"), config.get("gui") or {}
    fits = False
    if password and not _schema.is_hash(password) and gui.get("password"):
        fits = client.password_fits(gui.get("user", ""), password)
    return _plan.Seen(own_id, ignores, fits, client.rehashes(), left_out)


def _prepare_disk(plan: _plan.Plan, owner: str | None, disk: _restore.Disk) -> None:
    for folder in plan.new_folders:
        disk.remember(folder, folder["id"] in plan.new_ignores)
    try:
        for folder in plan.new_folders:
            if owner and folder["path"].startswith("/"):  # Syncthing itself creates a path that begins with ~
                _disk.make_root(folder["id"], folder["path"], owner)
            if folder["id"] in plan.new_ignores:
                _disk.write_ignores(folder["id"], folder["path"], plan.new_ignores[folder["id"]])
    except SyncthingError:
        # A refused folder leaves nothing; the others are made again, unless this ends the call.
        disk.undo(plan.new_folders, plan.new_ignores)
        raise


def _change(client: Client, plan: _plan.Plan, before: _describe.State, disk: _restore.Disk) -> None:
    accepted = False
    try:
        _restore.write(client, plan.writes)
        accepted = True
        _verify(client, plan)
    except SyncthingError as error:
        is_back, outcome = _restore.put_back(client, before, plan, accepted)
        if is_back:
            disk.undo(plan.new_folders, plan.new_ignores)
        raise SyncthingError(f"{error}; {outcome}") from error


def _verify(client: Client, plan: _plan.Plan) -> None:
    moved = any(write.path == "config/gui" for write in plan.writes)
    config = client.config_again() if moved else client.config()
    declared = [folder["id"] for folder in plan.declared["folders"] if folder.get("ignores") is not None]
    ignores = {folder_id: client.ignores(folder_id) for folder_id in declared}
    lost = _describe.not_applied(config, ignores, plan)
    if lost:
        raise SyncthingError(
            f"Syncthing {client.version} accepted the change but did not keep all of it: {'; '.join(lost)}. "
            "It drops values that it finds inconsistent; its log has the reason"
        )


def _with_canonical_ids(params: Params) -> dict[str, t.Any]:
    devices = [_with_canonical_id(f"device {device['name']}", device) for device in params.get("devices") or []]
    folders = []
    for folder in params.get("folders") or []:
        shares = folder.get("devices")
        if shares:
            shares = [_with_canonical_id(f"folder {folder['id']}", one) for one in shares]
        folders.append({**folder, "devices": shares})
    return {**params, "devices": devices, "folders": folders}


def _with_canonical_id(where: str, item: dict[str, t.Any]) -> dict[str, t.Any]:
    if not item.get("device_id"):
        return item
    try:
        return {**item, "device_id": parse_device_id(item["device_id"])}
    except InvalidDeviceID as error:
        raise SyncthingError(f"{where}: {error}") from error
