# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the desired state of one host's Syncthing from the mesh in an inventory: pure functions.

* C(model(mesh)) reads a mesh once; the time is proportional to its size.
* C(desired_state(model, host)) is the state of one host; the time is proportional to that host's folders times their members.
  It also accepts a mesh, which it reads first; to compute more than one host, read the mesh once.

A mesh is a mapping with these optional keys:

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

import dataclasses
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import parse_device_id

Mesh = t.Mapping[str, t.Any]
Share = t.Mapping[str, t.Any]
State = dict[str, list[dict[str, t.Any]]]

# Options of syncthing_cluster for a folder as a whole, and for one device's part in it.
FOLDER_KEYS = frozenset(_tables.FOLDER) - {"id", "device_names"}
DEVICE_KEYS = frozenset(_tables.DEVICE) - {"name"}
# Keys whose values are computed, not copied.
COMPUTED = frozenset({"id", "label", "path", "type", "devices", "settings"})


def shares(folder: t.Any) -> dict[str, Share]:
    """The devices that share a folder, each with its own settings, from both spellings of C(devices)."""
    devices = folder.get("devices") or {}
    if isinstance(devices, t.Mapping):
        return {name: dict(own or {}) for name, own in devices.items()}
    return {name: {} for name in devices}


def setting(folder: t.Mapping[str, t.Any], share: t.Mapping[str, t.Any], key: str) -> t.Any:
    return share.get(key, folder.get(key))


def is_encrypted(share: Share) -> bool:
    """Whether the device gets only ciphertext. An empty password does not mean that the device may read the files."""
    return "encryption_password" in share


def folder_type(folder: t.Mapping[str, t.Any], share: Share) -> str:
    if is_encrypted(share):
        return "receiveencrypted"
    return setting(folder, share, "type") or "sendreceive"


def _in_order(named: t.Mapping[str, Share]) -> dict[str, Share]:
    return {name: named[name] for name in sorted(named, key=str)}


@dataclasses.dataclass(frozen=True)
class Model:
    """A mesh, read once for all of its hosts."""

    hosts: tuple[str, ...]
    folders: Mesh
    shares: t.Mapping[str, t.Mapping[str, Share]]  # of each folder, by name, in order
    folders_of: t.Mapping[str, t.Sequence[str]]  # IDs, by name of the member, in order
    devices: t.Mapping[str, t.Mapping[str, t.Any]]  # in the form for every other member


def model(mesh: Mesh) -> Model:
    folders = mesh.get("folders") or {}
    members = {folder_id: _in_order(shares(folders[folder_id])) for folder_id in sorted(folders, key=str)}
    folders_of: dict[str, list[str]] = {}
    for folder_id, names in members.items():
        for name in names:
            folders_of.setdefault(name, []).append(folder_id)
    return Model(
        hosts=tuple(mesh.get("hosts") or ()),
        folders=folders,
        shares=members,
        folders_of=folders_of,
        devices={name: _device(mesh, name) for name in folders_of},
    )


def desired_state(mesh: Model | Mesh, host: str) -> State:
    """The devices and folders that one host is to have, in the form that syncthing_cluster takes."""
    read = mesh if isinstance(mesh, Model) else model(mesh)
    folders = _folders_of(read, host)
    names = sorted({device["name"] for folder in folders for device in folder["devices"]}, key=str)
    return {"devices": [dict(read.devices[name]) for name in names], "folders": folders}


def _device(mesh: Mesh, name: str) -> dict[str, t.Any]:
    external = (mesh.get("external_devices") or {}).get(name)
    if external is not None:
        device: dict[str, t.Any] = {"name": name, "device_id": parse_device_id(str(external["device_id"]))}
        # A phone without an address can only connect itself, over the tailnet.
        return {**device, **{key: external[key] for key in sorted(DEVICE_KEYS - {"device_id"}) if key in external}}
    device = {"name": name}
    for key, known in (("device_id", "device_ids"), ("addresses", "addresses")):
        value = (mesh.get(known) or {}).get(name)
        if value:
            device[key] = value
    if mesh.get("allowed_networks"):
        device["allowed_networks"] = list(mesh["allowed_networks"])
    return device


def _folders_of(read: Model, host: str) -> list[dict[str, t.Any]]:
    folders = []
    for folder_id in read.folders_of.get(host, ()):
        folder, members = read.folders[folder_id], read.shares[folder_id]
        own = members[host]
        wanted: dict[str, t.Any] = {
            "id": str(folder_id),
            "label": own.get("label", folder.get("label", str(folder_id))),
            "path": setting(folder, own, "path"),
            "type": folder_type(folder, own),
            "devices": [_member(read.devices[name], share, own) for name, share in members.items() if name != host],
        }
        for key in sorted(FOLDER_KEYS - COMPUTED):
            value = setting(folder, own, key)
            if value is not None:
                wanted[key] = value
        if wanted["type"] == "receiveencrypted":
            wanted.pop("ignore_permissions", None)  # ciphertext has no permissions, whatever other devices declare
        settings = {**(folder.get("settings") or {}), **(own.get("settings") or {})}
        if settings:
            wanted["settings"] = settings
        folders.append(wanted)
    return folders


def _member(device: t.Mapping[str, t.Any], share: Share, own: Share) -> dict[str, t.Any]:
    """One device that a folder is shared with.

    Only devices with plain-text files get the password; an untrusted device must never get it.
    """
    member: dict[str, t.Any] = {key: device[key] for key in ("name", "device_id") if key in device}
    if is_encrypted(share) and not is_encrypted(own):
        member["encryption_password"] = share["encryption_password"] or ""  # which the module refuses
    return member
