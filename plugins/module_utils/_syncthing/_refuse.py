# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse declarations before anything is written, if they would lose files, leak them, or have no effect: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _places, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import (
    FolderRefused,
    SyncthingError,
    concerning,
    role,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json


def moves(present: Json, declared: Json, allowed: bool) -> None:
    """Refuse another path, type or marker: such a change can delete files on every other device."""
    for option, key in (("path", "path"), ("type", "type"), ("marker_name", "markerName")):
        value, now = declared.get(option), present.get(key)
        if value is None or allowed:
            continue
        if not (_places.same(value, now) if option == "path" else value == now):
            raise SyncthingError(
                f"folder {declared['id']}: its {option} is {now}, and is to be {value}. Changing that can lose files, so it "
                f"needs a confirmation: put {option} back, or move the files and set allow_moves: true for one run "
                f"{role('syncthing_mesh_allow_moves')}"
            )


def encryption(present: Json, declared: Json) -> None:
    """Refuse a change from or to ciphertext, which Syncthing does not do (lib/model, VerifyConfiguration)."""
    kind, now = declared.get("type"), present.get("type")
    if kind and now and kind != now and "receiveencrypted" in (kind, now):
        raise SyncthingError(
            f"folder {declared['id']}: its type is {now}, which Syncthing cannot change to {kind}: put type back, or remove the "
            "folder from this host and add it again with the new type and another path"
        )


def untrusted(wanted: Json, declared: Json) -> None:
    """Refuse options that Syncthing turns off for an untrusted device (lib/config, DeviceConfiguration.prepare)."""
    for option, key in (("introducer", "introducer"), ("auto_accept_folders", "autoAcceptFolders")):
        if declared.get(option) and wanted.get("untrusted") and wanted.get(key):
            raise SyncthingError(
                f"device {declared['name']}: {option} is to be true, but the device is untrusted here, and Syncthing turns it "
                f"off: set untrusted: false as well, or take {option} out"
            )


def passwords(present: Json, declared: Json, allowed: bool) -> None:
    """Refuse a changed password: a device with files encrypted by one password refuses connections with another."""
    known = {share["deviceID"]: share for share in present.get("devices") or []}
    for one in declared.get("devices") or []:
        share, password = known.get(one["device_id"]), one.get("encryption_password")
        if share is None or password is None or allowed or share.get("encryptionPassword", "") == password:
            continue
        name = one.get("name") or one["device_id"]
        now = "another one" if share.get("encryptionPassword") else "none"
        raise SyncthingError(
            f"folder {declared['id']}: its encryption_password for {name} is {now} here. With a changed one {name} would refuse "
            f"every connection. Put it back, or to rotate it: take {name} out of the folder's devices on all hosts and run, "
            f"remove the folder and its encrypted files on {name}, then add {name} again with the new password"
        )


def wrong_values(declared: Json) -> None:
    """Refuse values that fail the tables' checks, all of them at once."""
    found = []
    for device in declared.get("devices") or []:
        found += [_message(f"device {device['name']}", path, text) for path, text in _tables.device_problems(device)]
    for folder in declared.get("folders") or []:
        found += [_message(f"folder {folder['id']}", path, text) for path, text in _tables.folder_problems(folder)]
    for kind, problems in _tables.SYSTEM_PROBLEMS.items():
        where = f"{kind} {role(f'syncthing_mesh_{kind}')}"
        found += [_message(where, path, text) for path, text in problems(declared.get(kind) or {})]
    if found:
        raise SyncthingError("; ".join(found))


def _message(where: str, path: t.Iterable[str], reason: str) -> str:
    return f"{where}: {'.'.join(path)} {reason}"


def empty_secrets(declared: Json) -> None:
    """Refuse empty passwords: an unset variable must not turn protection off."""
    for folder in declared.get("folders") or []:
        for one in folder.get("devices") or []:
            if _blank(one.get("encryption_password")):
                name = one.get("name") or one["device_id"]
                raise SyncthingError(
                    f"folder {folder['id']}: encryption_password for {name} is empty: give it a password, or leave the key out "
                    f"if {name} may read the files"
                )
    for key in ("password", "api_key"):
        if _blank((declared.get("gui") or {}).get(key)):
            raise SyncthingError(
                f"gui: {key} is empty: give it a value, or leave the key out to keep what is there {role('syncthing_mesh_gui')}"
            )


def _blank(value: t.Any) -> bool:
    return isinstance(value, str) and not value.strip()


def tls_in_a_socket(present: Json, wanted: Json) -> None:
    """Refuse TLS in a unix socket: it protects nothing there, and clients do not use it."""
    now, then = ((str(gui.get("address") or ""), bool(gui.get("useTLS"))) for gui in (present, wanted))
    if now != then and then[0].startswith("/") and then[1]:
        raise SyncthingError(
            f"gui: address is the unix socket {then[0]}, and tls is {'on' if now[1] else 'to be on'}: set tls: false with it, or "
            "use a loopback address such as 127.0.0.1:8384"
        )


def unused_password(wanted: Json, declared: Json) -> None:
    if declared.get("password") and wanted.get("authMode") == "ldap":
        raise SyncthingError(
            f"gui: password {_tables.WITH_LDAP} take it out, or set settings: {{authMode: static}} with it "
            f"{role('syncthing_mesh_gui')}"
        )


def priorities(wanted: Json, declared: Json) -> None:
    """Refuse a priority of WAN connections that Syncthing would raise above that of LAN connections (lib/config)."""
    for kind in ("Tcp", "Quic"):
        lan, wan = f"connectionPriority{kind}Lan", f"connectionPriority{kind}Wan"
        if {lan, wan} & set(declared.get("settings") or {}) and lan in wanted and wanted[wan] <= wanted[lan]:
            raise SyncthingError(
                f"options: settings would make {wan} {wanted[wan]}, and {lan} {wanted[lan]}, but Syncthing keeps the first "
                f"above the second: set both {role('syncthing_mesh_options')}"
            )


def unknown_members(folder: Json, known: t.Collection[str]) -> None:
    strangers = [share["deviceID"] for share in folder["devices"] if share["deviceID"] not in known]
    if strangers:
        raise SyncthingError(
            f"folder {folder['id']} is to be shared with {', '.join(strangers)}, which is no device here: add it to devices"
        )


def nesting(present: t.Mapping[str, Json], wanted: t.Mapping[str, Json], removed: t.Collection[str]) -> None:
    """Refuse a folder inside another one. Folders that were nested by hand are not changed."""
    paths = {key: _below(one) for key, one in {**present, **wanted}.items() if key not in removed}
    placed = [key for key, one in wanted.items() if key not in present or _below(one) != _below(present[key])]
    for key in placed:
        for other, path in paths.items():
            if other == key or not (paths[key].startswith(path) or path.startswith(paths[key])):
                continue
            inner, outer = sorted((key, other), key=lambda one: len(paths[one]), reverse=True)
            raise FolderRefused(
                inner if other in placed else key,
                f"folder {inner} ({paths[inner][:-1]}) lies inside folder {outer} ({paths[outer][:-1]}): each would sync the "
                "other's files; give it a path of its own",
            )


def _below(folder: Json) -> str:
    return posixpath.normpath(folder.get("path") or "").rstrip("/") + "/"


def contradictions(devices: t.Mapping[str, Json], planned: list[Json], folders: list[Json], own_id: str) -> None:
    """Refuse values that Syncthing would accept with status 200 and then drop, at most with an error in its log.

    `planned` are all folders after the change, `folders` those that are declared.
    """
    untrusted_ids = {key for key, device in devices.items() if device.get("untrusted") and key != own_id}
    declared = {one["id"]: one for one in folders}
    for folder in planned:
        one = declared.get(folder["id"], {})
        strangers = _plain_shares(folder, untrusted_ids)
        if one:
            with concerning(folder["id"]):
                _refuse_for_ciphertext(folder, one)
        if strangers and one.get("devices") is not None:
            raise FolderRefused(
                folder["id"],
                f"folder {folder['id']} is to be shared with {devices[strangers[0]].get('name')}, which is untrusted, without "
                "an encryption_password: give one, or trust the device",
            )
        if strangers:
            raise SyncthingError(
                f"device {devices[strangers[0]].get('name')} is to be untrusted, and folder {folder['id']} is shared with it "
                "without an encryption_password, so Syncthing would end that: take the device out of that folder's devices "
                "first, or set untrusted: false"
            )


def _refuse_for_ciphertext(folder: Json, declared: Json) -> None:
    if folder.get("type") != "receiveencrypted":
        return
    if declared.get("ignores"):
        raise SyncthingError(f"folder {folder['id']} holds only ciphertext (receiveencrypted), to which ignores cannot apply")
    if declared.get("ignore_permissions") is False:
        raise SyncthingError(
            f"folder {folder['id']} holds only ciphertext (receiveencrypted), which has no permissions: take "
            "ignore_permissions out"
        )


def _plain_shares(folder: Json, untrusted_ids: t.Collection[str]) -> list[str]:
    """The untrusted devices that would receive a folder's files as they are (lib/config, ensureNoUntrustedTrustingSharing)."""
    if folder.get("type") == "receiveencrypted":
        return []
    shares = folder.get("devices") or []
    return [one["deviceID"] for one in shares if one["deviceID"] in untrusted_ids and not one.get("encryptionPassword")]
