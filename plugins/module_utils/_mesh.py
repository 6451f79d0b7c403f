# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what an inventory says of the mesh to what one host's Syncthing is to have: pure functions.

A mesh is a mapping with these keys:

* C(hosts): inventory names of the members that Ansible manages,
* C(folders): the role variable C(syncthing_mesh_folders),
* C(external_devices): the role variable C(syncthing_mesh_external_devices),
* C(device_ids): inventory name to device ID, for those that are known in this run,
* C(addresses): inventory name to list of C(tcp://) addresses, likewise,
* C(options), C(gui), C(defaults): the role variables C(syncthing_mesh_options) and so on,
* C(allowed_networks): CIDR networks that managed devices may connect from and be dialed at.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _spec
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._identity import (
    InvalidDeviceID,
    parse_device_id,
)

Mesh = t.Mapping[str, t.Any]

FOLDERS = "syncthing_mesh_folders"
EXTERNAL = "syncthing_mesh_external_devices"
# https://docs.syncthing.net/users/versioning.html
VERSIONING_TYPES = tuple(_spec.VERSIONING["type"]["choices"])
FOLDER_TYPES = tuple(_spec.FOLDER["type"]["choices"])
# Of a folder as a whole, and of one device's part in it: what syncthing_cluster takes.
FOLDER_KEYS = frozenset(_spec.FOLDER) - {"id"}
SHARE_KEYS = FOLDER_KEYS - {"devices"} | {"encryption_password"}
DEVICE_KEYS = frozenset(_spec.DEVICE) - {"name"}
# What is made of these is more than a copy.
MADE = frozenset({"id", "label", "path", "type", "devices", "settings"})


def shares(folder: t.Any) -> dict[str, dict[str, t.Any]]:
    """Who shares a folder, and what is particular to each: both spellings of C(devices) in one form."""
    devices = folder.get("devices") or {}
    if isinstance(devices, t.Mapping):
        return {name: dict(own or {}) for name, own in devices.items()}
    return {name: {} for name in devices}


def setting(folder: t.Mapping[str, t.Any], share: t.Mapping[str, t.Any], key: str) -> t.Any:
    return share.get(key, folder.get(key))


def folder_type(folder: t.Mapping[str, t.Any], share: t.Mapping[str, t.Any]) -> str:
    if share.get("encryption_password"):
        return "receiveencrypted"
    return setting(folder, share, "type") or "sendreceive"


def problems(mesh: Mesh) -> list[str]:
    """What is wrong with the variables, one sentence each, naming the variable and the fix."""
    found = [*_settings_problems(mesh), *_device_problems(mesh)]
    folders = mesh.get("folders") or {}
    if not isinstance(folders, t.Mapping):
        return [*found, f"{FOLDERS} must be a mapping from folder ID to folder, such as {{documents: {{path: …}}}}"]
    for folder_id, folder in folders.items():
        found += _folder_problems(mesh, str(folder_id), folder)
    if not found:
        found += _nesting_problems(mesh)
    return found


def _settings_problems(mesh: Mesh) -> list[str]:
    found = []
    for name, spec in _spec.SYSTEM.items():
        where, value = f"syncthing_mesh_{name}", mesh.get(name) or {}
        if not isinstance(value, t.Mapping):
            found.append(f"{where} must be a mapping, with keys of {_listed(spec['options'])}")
            continue
        hint = ", and settings for the rest" if "settings" in spec["options"] else ""
        found += [
            f"{where}.{key} is not a key of it: use one of {_listed(spec['options'])}{hint}"
            for key in sorted(set(value) - set(spec["options"]))
        ]
    return found


def _device_problems(mesh: Mesh) -> list[str]:
    external = mesh.get("external_devices") or {}
    if not isinstance(external, t.Mapping):
        return [f"{EXTERNAL} must be a mapping from name to device, such as {{phone: {{device_id: …}}}}"]
    found = []
    for name, device in external.items():
        where = f"{EXTERNAL}.{name}"
        if name in (mesh.get("hosts") or ()):
            found.append(f"{where} has the name of a host of the inventory: give one of them another name")
        if not isinstance(device, t.Mapping) or not device.get("device_id"):
            found.append(f"{where} needs a device_id: the app shows it under 'Show device ID'")
            continue
        found += [
            f"{where}.{key} is not a key of a device: use one of {_listed(DEVICE_KEYS)}"
            for key in sorted(set(device) - DEVICE_KEYS)
        ]
        try:
            parse_device_id(str(device["device_id"]))
        except InvalidDeviceID as error:
            found.append(f"{where}.device_id: {error}")
    return found


def _folder_problems(mesh: Mesh, folder_id: str, folder: t.Any) -> list[str]:
    where = f"{FOLDERS}.{folder_id}"
    if not isinstance(folder, t.Mapping):
        return [f"{where} must be a mapping with at least path and devices"]
    devices = folder.get("devices")
    if not devices or isinstance(devices, str) or not isinstance(devices, (t.Mapping, t.Sequence)):
        return [f"{where}.devices must list who shares the folder, such as [nas, pi]"]
    known = {*(mesh.get("hosts") or ()), *(mesh.get("external_devices") or {})}
    found = [
        f"{where}.{key} is not a key of a folder: use one of {_listed(FOLDER_KEYS)}, and settings for the rest"
        for key in sorted(set(folder) - FOLDER_KEYS)
    ]
    for name, share in shares(folder).items():
        found += _share_problems(mesh, f"{where}.devices.{name}", name, folder, share)
        if name not in known:
            found.append(
                f"{where}.devices names {name}, which is neither a host of the mesh nor in {EXTERNAL}: "
                f"correct the name, or add the device there"
            )
    if all(share.get("encryption_password") for share in shares(folder).values()):
        found.append(f"{where}: every device has an encryption_password, so nobody could read the files: trust one")
    return found


def _share_problems(mesh: Mesh, where: str, name: str, folder: t.Mapping[str, t.Any], share: t.Mapping[str, t.Any]) -> list[str]:
    found = [
        f"{where}.{key} is not a key of a device's share: use one of {_listed(SHARE_KEYS)}, and settings for the rest"
        for key in sorted(set(share) - SHARE_KEYS)
    ]
    path = setting(folder, share, "path")
    if name in (mesh.get("hosts") or ()):
        if not path:
            found.append(f"{where} has no path: set {where}.path, or path of the whole folder")
        elif not posixpath.isabs(str(path)):
            found.append(f"{where} has the path {path!r}, which is not absolute: begin it with /")
    kind = setting(folder, share, "type")
    if kind and kind not in FOLDER_TYPES:
        found.append(f"{where} has the type {kind!r}: use one of {', '.join(FOLDER_TYPES)}")
    versioning = setting(folder, share, "versioning")
    if versioning and (not isinstance(versioning, t.Mapping) or versioning.get("type") not in VERSIONING_TYPES):
        found.append(f"{where} has the versioning {versioning!r}: its type must be one of {', '.join(VERSIONING_TYPES)}")
    return found


def _nesting_problems(mesh: Mesh) -> list[str]:
    """Folders inside each other on one host: each would sync the other's files and markers."""
    found = []
    for host in mesh.get("hosts") or ():
        paths = [(posixpath.normpath(folder["path"]), folder["id"]) for folder in _folders_of(mesh, host)]
        paths.sort(key=lambda place: (place[0].split("/"), place[1]))  # what is inside another comes right after it
        for (outer, outer_id), (inner, inner_id) in zip(paths, paths[1:]):
            if inner == outer or inner.startswith(outer.rstrip("/") + "/"):
                found.append(
                    f"{FOLDERS}: on {host}, {inner_id} ({inner}) lies inside {outer_id} ({outer}): give it a path of its own"
                )
    return found


def _listed(keys: t.Iterable[str]) -> str:
    return ", ".join(sorted(keys))


def desired_state(mesh: Mesh, host: str) -> dict[str, list[dict[str, t.Any]]]:
    """The devices and folders that one host is to have, in the form that syncthing_cluster takes."""
    folders = _folders_of(mesh, host)
    names = sorted({device["name"] for folder in folders for device in folder["devices"]})
    return {"devices": [_device(mesh, name) for name in names], "folders": folders}


def _device(mesh: Mesh, name: str) -> dict[str, t.Any]:
    external = (mesh.get("external_devices") or {}).get(name)
    if external is not None:
        device: dict[str, t.Any] = {"name": name, "device_id": parse_device_id(str(external["device_id"]))}
        # Without an address of its own a phone can only call in; it does so over the tailnet.
        return {**device, **{key: external[key] for key in sorted(DEVICE_KEYS - {"device_id"}) if key in external}}
    device = {"name": name}
    for key, known in (("device_id", "device_ids"), ("addresses", "addresses")):
        value = (mesh.get(known) or {}).get(name)
        if value:
            device[key] = value
    if mesh.get("allowed_networks"):
        device["allowed_networks"] = list(mesh["allowed_networks"])
    return device


def _folders_of(mesh: Mesh, host: str) -> list[dict[str, t.Any]]:
    folders = []
    for folder_id, folder in sorted((mesh.get("folders") or {}).items()):
        members = shares(folder)
        if host not in members:
            continue
        own = members[host]
        wanted: dict[str, t.Any] = {
            "id": str(folder_id),
            "label": own.get("label", folder.get("label", str(folder_id))),
            "path": setting(folder, own, "path"),
            "type": folder_type(folder, own),
            "devices": [_member(mesh, name, share, own) for name, share in sorted(members.items()) if name != host],
        }
        for key in sorted(FOLDER_KEYS - MADE):
            value = setting(folder, own, key)
            if value is not None:
                wanted[key] = value
        settings = {**(folder.get("settings") or {}), **(own.get("settings") or {})}
        if settings:
            wanted["settings"] = settings
        folders.append(wanted)
    return folders


def _member(mesh: Mesh, name: str, share: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """One device that a folder is shared with.

    Only who holds the files in clear has the password; the one without trust must never be told.
    """
    device = _device(mesh, name)
    member: dict[str, t.Any] = {key: device[key] for key in ("name", "device_id") if key in device}
    if share.get("encryption_password") and not own.get("encryption_password"):
        member["encryption_password"] = share["encryption_password"]
    return member
