# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of the role syncthing_mesh: pure functions.

A mesh has the values that its members share, without the role's prefix (C(folders), C(hosts) and so on), and in addition
C(inventory), the names of all hosts of the inventory, and C(homes), Syncthing's home on each host.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _device_id, _places, _tables
from ansible_collections.homelab.tailsync.plugins.plugin_utils import syncthing_addresses, validate_values
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import (
    checked,
    key_text,
    kind_of,
    nearest,
    shown,
    unique_problems,
    unknown_key,
)

Mesh = t.Mapping[str, t.Any]
Values = t.Dict[str, t.Any]  # noqa: UP006

FOLDERS = "syncthing_mesh_folders"
EXTERNAL = "syncthing_mesh_external_devices"
HOME = "/var/lib/syncthing"
# Options of syncthing_cluster for a folder as a whole, and for one device's part in it.
FOLDER_OPTIONS: Values = {key: spec for key, spec in _tables.FOLDER.items() if key not in ("id", "devices", "device_names")}
SHARE_OPTIONS: Values = {**FOLDER_OPTIONS, "encryption_password": _tables.SECRET}
DEVICE_OPTIONS: Values = {key: spec for key, spec in _tables.DEVICE.items() if key != "name"}
SECRET_SETTINGS = frozenset({"apiKey", "password", "encryptionPassword"})


class Folder(t.NamedTuple):
    """A folder with its valid parts."""

    id: str
    where: str
    own: Values
    shares: dict[t.Any, Values]
    whole: bool  # whether all of its devices are valid


def problems(mesh: Mesh) -> list[str]:
    """All problems of the values that the members share."""
    found = [*_section_problems(mesh), *_host_problems(mesh)]
    devices, device_problems = _external_devices(mesh)
    folders, folder_problems = _folders(mesh)
    found += [*device_problems, *folder_problems]
    known = {*_names(mesh.get("hosts")), *_keys(mesh.get("external_devices"))}
    for folder in folders:
        found += _member_problems(mesh, folder, known)
        found += _share_problems(mesh, folder, devices)
    return [*found, *_nesting_problems(mesh, folders)]


def _names(value: t.Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _keys(value: t.Any) -> list[t.Any]:
    return list(value) if isinstance(value, dict) else []


# --- sections -----------------------------------------------------------------------------------


def _section_problems(mesh: Mesh) -> list[str]:
    """The problems of options, web interface and defaults."""
    found: list[str] = []
    for name, spec in _tables.SYSTEM.items():
        where = f"syncthing_mesh_{name}"
        value, problems_there = checked(mesh.get(name), {**spec, "no_log": name == "gui"}, where)
        found += problems_there
        if not isinstance(value, dict):
            continue
        if name == "options":
            found += [*validate_values.option_problems(where, value), *_listen_problems(where, value)]
        elif name == "gui":
            found += password_problems(where, mesh["gui"], ("password", "api_key"))
            found += validate_values.by_table(where, [], _tables.gui_problems(value))
        else:
            found += validate_values.folder_problems(f"{where}.folder", value.get("folder") or {})
            found += validate_values.device_problems(f"{where}.device", value.get("device") or {})
    return [*found, *validate_values.network_problems("syncthing_mesh_allowed_networks", mesh.get("allowed_networks"))]


def _listen_problems(where: str, options: Values) -> list[str]:
    found = []
    if options.get("listen_addresses") is not None:
        found += syncthing_addresses.listen_problems(f"{where}.listen_addresses", options["listen_addresses"])
    if "listenAddresses" in (options.get("settings") or {}):
        found.append(f"{where}.settings has the key listenAddresses: use syncthing_listen_addresses instead")
    return found


def _host_problems(mesh: Mesh) -> list[str]:
    """The problems of members that are no hosts, such as after a typing error."""
    where, inventory = "syncthing_mesh_hosts", mesh.get("inventory")
    found = []
    for index, name in enumerate(mesh.get("hosts") or ()):
        if inventory is not None and name not in inventory:
            close = nearest(str(name), inventory)
            found.append(
                f"{where}[{index}] is {shown(name)}, which is no host of the inventory"
                f"{f' (is {close} meant?)' if close else ''}: correct the name, or remove it"
            )
    return found


def password_problems(where: str, holder: t.Mapping[str, t.Any], keys: t.Iterable[str]) -> list[str]:
    """The problems of declared but empty passwords, which would silently turn protection off."""
    found = []
    for key in keys:
        if key not in holder:
            continue
        value = holder[key]
        if value is None or (isinstance(value, str) and not value.strip()):
            found.append(
                f"{where}.{key} is empty, which would be no password at all: does the variable or lookup that it is taken from "
                "have a value? Set it, or remove the key"
            )
        elif not isinstance(value, (str, dict, list)):  # the type check reports these
            found.append(f"{where}.{key} is no text: put it between quotation marks")
    return found


# --- devices that Ansible does not manage -------------------------------------------------------


def _external_devices(mesh: Mesh) -> tuple[dict[str, Values], list[str]]:
    external = mesh.get("external_devices")
    if external is None:
        return {}, []
    if not isinstance(external, dict):
        return {}, [f"{EXTERNAL} must be a mapping from name to device, such as {{phone: {{device_id: …}}}}"]
    sound, found = {}, []
    first: dict[str, str] = {}  # name by ID
    for name, device in external.items():
        where = f"{EXTERNAL}.{key_text(name)}"
        if not _is_name(name):
            found.append(f"{EXTERNAL} has the name {key_text(name) or 'of no letter'}: write text between quotation marks")
            continue
        if name in _names(mesh.get("hosts")):
            found.append(f"{where} has the name of a host of the inventory: give one of them another name")
        if not isinstance(device, dict):
            found.append(f"{where} {_bare_device(name, device)}")
            continue
        values, problems_there = checked(device, {"type": "dict", "options": DEVICE_OPTIONS}, where)
        found += [*problems_there, *validate_values.device_problems(where, values), *_device_id_problems(where, device, first)]
        sound[name] = values
    return sound, found


def _bare_device(name: str, device: t.Any) -> str:
    if isinstance(device, str) and device.strip():
        return f"is text: write {name}: {{device_id: {shown(device)[1:-1]}}}"
    return "needs a device_id: the app shows it under 'Show device ID'"


def _device_id_problems(where: str, device: t.Mapping[t.Any, t.Any], first: dict[str, str]) -> list[str]:
    if not device.get("device_id"):
        return [f"{where} needs a device_id: the app shows it under 'Show device ID'"]
    if isinstance(device["device_id"], (dict, list)):
        return []  # the type check reports it
    try:
        identity = _device_id.parse_device_id(str(device["device_id"]))
    except _device_id.InvalidDeviceID as error:
        return [f"{where}.device_id: {error}"]
    other = first.setdefault(identity, where)
    return [] if other == where else [f"{where}.device_id is that of {other} as well: give each device its own, or remove one"]


# --- folders ------------------------------------------------------------------------------------


def _folders(mesh: Mesh) -> tuple[list[Folder], list[str]]:
    folders = mesh.get("folders")
    if folders is None:
        return [], []
    if not isinstance(folders, dict):
        return [], [
            f"{FOLDERS} must be a mapping from folder ID to folder, such as {{documents: {{path: …, devices: [nas, pi]}}}}"
        ]
    sound, found = [], []
    for key, value in folders.items():
        problems_there = _id_problems(key)
        if not problems_there:
            folder, problems_there = _folder(str(key), value)
            sound += [folder] if folder else []
        found += problems_there
    return sound, found


def _id_problems(key: t.Any) -> list[str]:
    text = key_text(key)
    if key is None or not str(key).strip() or str(key) in (".", "..") or re.search(r"[\x00-\x1f\x7f]", str(key)):
        return [
            f"{FOLDERS} has the folder ID {text or 'of no letter'}, which Syncthing's API cannot handle: use letters, digits "
            "and dashes"
        ]
    return []


def _folder(folder_id: str, folder: t.Any) -> tuple[Folder | None, list[str]]:
    where = f"{FOLDERS}.{folder_id}"
    if not isinstance(folder, dict):
        return None, [f"{where} is {kind_of(folder)}: it must be a mapping with at least path and devices"]
    rest = {key: value for key, value in folder.items() if key != "devices"}
    own, found = _checked_part(rest, FOLDER_OPTIONS, where, ("devices",))
    shares, complaints = _shares(folder.get("devices"), where)
    found += complaints
    declared = folder.get("devices")
    count = len(declared) if isinstance(declared, (dict, list)) else -1
    return Folder(folder_id, where, own, shares, len(shares) == count), found


def _checked_part(value: t.Any, options: Values, where: str, more: t.Sequence[str] = ()) -> tuple[Values, list[str]]:
    """A folder, or a share, without its unknown keys, and its problems."""
    strange = [key for key in value if key not in options]
    found = [
        f"{where}.{key} is no key of a folder as a whole: write it for the device that is to hold only ciphertext, such as "
        "devices: {vps: {encryption_password: …}}"
        if key == "encryption_password"
        else unknown_key(where, key_text(key), [*options, *more])
        for key in strange
    ]
    # A null in a folder counts as not set.
    known = {key: item for key, item in value.items() if key in options and (item is not None or not options[key].get("choices"))}
    part, complaints = checked(known, {"type": "dict", "options": options}, where)
    found += [*complaints, *validate_values.folder_problems(where, part)]
    found += [
        f"{where}.settings has the key {key}, whose value would be shown: use encryption_password of a device"
        for key in part.get("settings") or {}
        if key in SECRET_SETTINGS
    ]
    return part, found


def _shares(devices: t.Any, where: str) -> tuple[dict[t.Any, Values], list[str]]:
    """The devices that share a folder, each with its own settings, from both spellings of `devices`."""
    if not devices or not isinstance(devices, (dict, list)):
        return {}, [f"{where}.devices must list the devices that share the folder, such as [nas, pi]"]
    sound: dict[t.Any, Values] = {}
    found: list[str] = []
    if isinstance(devices, list):
        for index, name in enumerate(devices):
            found += _name_problems(name, f"{where}.devices[{index}]")
            if _is_name(name):
                sound[name] = {}
        return sound, found
    for name, share in devices.items():
        own = f"{where}.devices.{key_text(name)}"
        if not _is_name(name):
            found.append(f"{where}.devices has the name {key_text(name) or 'of no letter'}: put it between quotation marks")
        elif share is not None and not isinstance(share, dict):
            found.append(f"{own} {_bare_share(name, share)}")
        else:
            sound[name], complaints = _checked_part(share or {}, SHARE_OPTIONS, own)
            found += complaints
            if isinstance(share, dict):
                found += password_problems(own, share, ("encryption_password",))
    return sound, found


def _is_name(name: t.Any) -> bool:
    """Whether a value is a name; names that YAML reads as numbers are accepted."""
    return isinstance(name, (str, int, float)) and bool(str(name).strip()) and str(name).isprintable()


def _name_problems(name: t.Any, where: str) -> list[str]:
    if isinstance(name, dict):
        return [f"{where} is a mapping: write all devices as one mapping, such as devices: {{nas: {{path: /srv/nas}}, pi: {{}}}}"]
    if not _is_name(name):
        return [f"{where} is {kind_of(name) if not name else shown(name)}, which is no name: put it between quotation marks"]
    return []


def _bare_share(name: str, share: t.Any) -> str:
    """The problem of a share that is no mapping. Text may be a misplaced password, so it is shown only if it is a path."""
    if isinstance(share, str) and share.startswith("/"):
        return f"is text: write {name}: {{path: {shown(share)[1:-1]}}}"
    return f"is {kind_of(share)}: it must be a mapping, such as {{path: /srv/sync/other}} or {{}}"


# --- folders and their members ------------------------------------------------------------------


def setting(folder: Folder, share: Values, key: str) -> t.Any:
    return share.get(key, folder.own.get(key))


def _member_problems(mesh: Mesh, folder: Folder, known: set[t.Any]) -> list[str]:
    found = []
    # Which is reported already; external_devices may contain any name.
    incomplete = mesh.get("lacks_devices") or not isinstance(mesh.get("external_devices") or {}, dict)
    for name in folder.shares:
        if name in known or incomplete:
            continue
        if name in (mesh.get("inventory") or ()):
            found.append(
                f"{folder.where}.devices names {name}, which is a host of the inventory, but no member of the mesh: add it to "
                "syncthing_mesh_hosts (by default the hosts of tailsync_hosts, or the group tailsync, or the hosts of the play)"
            )
            continue
        close = nearest(str(name), map(str, known))
        found.append(
            f"{folder.where}.devices names {key_text(name)}, which is neither a host of the mesh nor in {EXTERNAL}"
            f"{f' (is {close} meant?)' if close else ''}: correct the name, or add the device there"
        )
    if folder.whole and all(share.get("encryption_password") for share in folder.shares.values()):
        found.append(f"{folder.where}: every device has an encryption_password, so no device could read the files: trust one")
    return found


def _share_problems(mesh: Mesh, folder: Folder, devices: t.Mapping[str, Values]) -> list[str]:
    hosts = set(_names(mesh.get("hosts")))
    found = _path_problems(folder, hosts, mesh.get("homes") or {})
    for name, share in folder.shares.items():
        where = f"{folder.where}.devices.{name}"
        if name in hosts:
            found += _ciphertext_problems(folder, where, share)
        elif (devices.get(name) or {}).get("untrusted") and not share.get("encryption_password"):
            found.append(
                f"{where} has no encryption_password, but {EXTERNAL}.{name} is untrusted: give it one here, or trust the device"
            )
    return found


def _path_problems(folder: Folder, hosts: t.Collection[str], homes: t.Mapping[str, t.Any]) -> list[str]:
    found: list[tuple[str, str]] = []
    for name in (name for name in folder.shares if name in hosts):
        share = folder.shares[name]
        path = setting(folder, share, "path")
        own = f"{folder.where}.devices.{name}.path" if share.get("path") else f"{folder.where}.path"
        if not path:
            found.append((f"{folder.where} has no path: set path of the whole folder, or of each device that has none", name))
        elif not posixpath.isabs(str(path)):
            found.append((f"{own} is {shown(path)}, which is not absolute: begin it with /", name))
        else:
            reason = _places.refusal(str(path), str(homes.get(name) or HOME))
            found += [(f"{own}: {reason}", name)] if reason else []
    return unique_problems(found, [name for name in folder.shares if name in hosts])


def _ciphertext_problems(folder: Folder, where: str, share: Values) -> list[str]:
    """The problems of settings that a device with only ciphertext cannot have."""
    if not share.get("encryption_password") and setting(folder, share, "type") != "receiveencrypted":
        return []
    found = []
    if setting(folder, share, "ignores"):
        found.append(f"{where} holds only ciphertext, to which the folder's ignores cannot apply: add ignores: [] there")
    if setting(folder, share, "ignore_permissions") is False:
        found.append(
            f"{where} holds only ciphertext, where ignore_permissions is always true: add ignore_permissions: true there"
        )
    return found


def _nesting_problems(mesh: Mesh, folders: t.Iterable[Folder]) -> list[str]:
    """The problems of folders inside each other on one host: each would sync the other's files and markers."""
    places: dict[str, list[tuple[str, str]]] = {host: [] for host in _names(mesh.get("hosts"))}
    for folder in folders:
        for name, share in folder.shares.items():
            path = setting(folder, share, "path")
            if name in places and path and posixpath.isabs(str(path)):
                places[name].append((_places.normal(str(path)), folder.id))
    found: list[tuple[str, str]] = []
    for host, paths in places.items():
        paths.sort(key=lambda place: (place[0].split("/"), place[1]))  # a nested path comes right after its parent
        for (outer, outer_id), (inner, inner_id) in zip(paths, paths[1:], strict=False):
            if _places.below(inner, outer):
                lies = "has the same path as" if inner == outer else "lies inside"
                words = f"{FOLDERS}.{inner_id} ({inner}) {lies} {outer_id} ({outer}): give it a path of its own"
                found.append((words, host))
    return unique_problems(found, list(places))


def own_problems(variables: t.Mapping[str, t.Any]) -> list[str]:
    """The problems of a host's own values, which no other host shares."""
    return syncthing_addresses.dial_problems("syncthing_mesh_addresses", variables.get("syncthing_mesh_addresses"))
