# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what Syncthing has and what is declared to the smallest ordered set of writes: pure functions.

Always whole objects, never a PATCH of a folder or a device: some versions reset what a
PATCH leaves out, and all of them merge lists by position (syncthing#10746). The web interface's
settings are the exception; they hold no lists.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import copy
import posixpath
import typing as t
from urllib.parse import quote

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._identity import InvalidDeviceID, parse_device_id
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json


class Write(t.NamedTuple):
    method: str
    path: str
    body: t.Any = None


class Seen(t.NamedTuple):
    """What is known of the host besides its configuration."""

    own_id: str
    ignores: t.Mapping[str, list[str]] = {}  # of the declared folders that are there
    password_fits: bool = False  # the declared plain password, to the stored hash
    rehashes: bool = False  # before 1.25 a hash is hashed once more


class Plan(t.NamedTuple):
    writes: list[Write]
    before: Json  # what is declared of everything that changes, secrets masked
    after: Json
    shown: Json  # what is declared of everything, as it will be, secrets masked
    declared: Json  # with the IDs of the devices that are known by name
    unresolved: list[str]  # names of devices whose ID nobody knows
    new_folders: list[Json]
    touched_folders: list[Json]  # new or changed
    new_ignores: t.Mapping[str, list[str]]  # of new folders, to be there before the first scan


def make(config: Json, seen: Seen, declared: Json) -> Plan:
    """The plan for one host. `config` is its GET /rest/config."""
    devices, folders, unresolved = resolve(
        declared.get("devices") or [], declared.get("folders") or [], config.get("devices") or []
    )
    if unresolved and declared.get("all_known"):
        raise SyncthingError(f"{', '.join(unresolved)} is no device that is known here: give its device_id")
    resolved = {**declared, "devices": devices, "folders": folders}
    present = _Present(config)
    replaced = _replaced(present, devices, declared.get("replace_devices", False))
    gone = _gone(present, resolved, seen.own_id, replaced)
    resolved["gone"] = gone
    defaults = _defaults(present, declared.get("defaults") or {})
    wanted = _Wanted(
        devices=_wanted_devices(present, devices, defaults["device"], replaced),
        folders=_wanted_folders(present, resolved, defaults["folder"], seen.own_id, replaced),
        options=_schema.options(present.options, declared["options"]) if declared.get("options") else present.options,
        gui=_wanted_gui(present, declared.get("gui") or {}, seen),
        defaults=defaults,
        gone=gone,
    )
    refuse_nesting(present.folders, wanted.folders, gone["folders"])
    _refuse_contradictions(present, wanted, folders, seen.own_id)
    new_folders = [one for key, one in wanted.folders.items() if key not in present.folders]
    ignores = {one["id"]: _schema.patterns(one["ignores"]) for one in folders if one.get("ignores") is not None}
    before = project(config, seen.ignores, resolved)
    after = project(wanted.over(config), {**seen.ignores, **ignores}, resolved)
    differences = _differences(before, after)
    return Plan(
        _writes(present, wanted, {key: lines for key, lines in ignores.items() if key in present.folders}, seen.ignores),
        before=differences[0],
        after=differences[1],
        shown=_schema.without_secrets(after),
        declared=resolved,
        unresolved=unresolved,
        new_folders=new_folders,
        touched_folders=_differing(present.folders, wanted.folders),
        new_ignores={one["id"]: ignores[one["id"]] for one in new_folders if one["id"] in ignores},
    )


class _Present:
    """What Syncthing has, by ID."""

    def __init__(self, config: Json) -> None:
        self.devices: dict[str, Json] = {device["deviceID"]: device for device in config.get("devices") or []}
        self.folders: dict[str, Json] = {folder["id"]: folder for folder in config.get("folders") or []}
        self.options: Json = config.get("options") or {}
        self.gui: Json = config.get("gui") or {}
        self.defaults: Json = config.get("defaults") or {}


class _Wanted(t.NamedTuple):
    """The same for what is to be there: only what is declared, and what has to change with it."""

    devices: dict[str, Json]
    folders: dict[str, Json]
    options: Json
    gui: Json
    defaults: Json
    gone: Json

    def over(self, config: Json) -> Json:
        """The configuration as it will be."""
        present = _Present(config)
        return {
            **config,
            "devices": _without({**present.devices, **self.devices}, self.gone["devices"]),
            "folders": _without({**present.folders, **self.folders}, self.gone["folders"]),
            "options": self.options,
            "gui": self.gui,
            "defaults": {**present.defaults, **self.defaults},
        }


def _without(items: t.Mapping[str, Json], gone: t.Collection[str]) -> list[Json]:
    return [item for key, item in items.items() if key not in gone]


# --- who is meant -------------------------------------------------------------------------------


def resolve(devices: list[Json], folders: list[Json], present: list[Json]) -> tuple[list[Json], list[Json], list[str]]:
    """Give each named device its ID; who is not known at all is left out.

    A peer outside this run is known by the name it was paired under.
    """
    ids = {device["name"]: device["deviceID"] for device in present if device.get("name")}
    ids.update({device["name"]: device["device_id"] for device in devices if device.get("device_id")})
    unresolved = sorted({device["name"] for device in devices if device["name"] not in ids})
    known = [{**device, "device_id": ids[device["name"]]} for device in devices if device["name"] in ids]
    resolved = []
    for folder in folders:
        if folder.get("devices") is not None:
            members = [
                {**member, "device_id": member.get("device_id") or ids.get(member.get("name") or "")}
                for member in folder["devices"]
            ]
            unresolved = sorted({*unresolved, *(member["name"] for member in members if not member["device_id"])})
            folder = {**folder, "devices": [member for member in members if member["device_id"]]}  # noqa: PLW2901
        resolved.append(folder)
    return known, resolved, unresolved


def _replaced(present: _Present, devices: list[Json], allowed: bool) -> dict[str, str]:
    """Old device ID to the new one of the same name.

    Both may be here already: an earlier run can have ended between adding the one and removing the other.
    """
    known: dict[str, list[str]] = {}
    for key, one in present.devices.items():
        known.setdefault(one.get("name") or "", []).append(key)
    found: dict[str, str] = {}
    for device in devices:
        new = device["device_id"]
        others = [key for key in known.get(device["name"], []) if key != new]
        if others and not allowed and new not in present.devices:
            raise SyncthingError(
                f"device {device['name']} is known here as {others[0]}, and is to be {new}. If the machine was set "
                "up anew, set replace_devices: true for one run; if not, somebody may be posing as it"
            )
        if allowed:
            found.update((old, new) for old in others)
    return found


def _gone(present: _Present, declared: Json, own_id: str, replaced: t.Mapping[str, str]) -> dict[str, list[str]]:
    """IDs of what is to be removed, of what is there."""
    wanted = {device["device_id"] for device in declared["devices"]}
    devices = set(replaced)
    for text in declared.get("absent_devices") or []:
        found = _devices_called(present, text)
        if wanted & found:
            raise SyncthingError(f"absent_devices names {text}, which is among devices as well: take it out of one of them")
        devices |= found
    if declared.get("purge_devices"):
        # Whom an introducer brought it would bring again.
        devices |= {key for key, one in present.devices.items() if key not in wanted and not one.get("introducedBy")}
    folders = set(declared.get("absent_folders") or [])
    ids = {folder["id"] for folder in declared["folders"]}
    for folder_id in sorted(folders & ids):
        raise SyncthingError(f"absent_folders names {folder_id}, which is among folders as well: take it out of one of them")
    if declared.get("purge_folders"):
        folders |= set(present.folders) - ids
    return {"devices": sorted(devices - {own_id}), "folders": sorted(folders & set(present.folders))}


def _devices_called(present: _Present, text: str) -> set[str]:
    try:
        return {parse_device_id(text)} & set(present.devices)
    except InvalidDeviceID:
        return {key for key, one in present.devices.items() if one.get("name") == text}


# --- what is wanted of each ---------------------------------------------------------------------


def _defaults(present: _Present, declared: Json) -> Json:
    """The template of new objects; also when none is declared."""
    found = copy.deepcopy(present.defaults)
    for kind, make_one in (("device", _schema.device_defaults), ("folder", _schema.folder_defaults)):
        found[kind] = make_one(found.get(kind) or {}, declared.get(kind) or {})
    if declared.get("ignores") is not None:
        found["ignores"] = {"lines": _schema.patterns(declared["ignores"])}
    return found


def _wanted_devices(present: _Present, devices: list[Json], template: Json, replaced: t.Mapping[str, str]) -> dict[str, Json]:
    predecessors = {new: present.devices[old] for old, new in replaced.items()}
    wanted = {}
    for one in devices:
        device_id = one["device_id"]
        base = present.devices.get(device_id) or predecessors.get(device_id) or template
        wanted[device_id] = _schema.device(base, one)
    return wanted


def _wanted_folders(
    present: _Present, declared: Json, template: Json, own_id: str, replaced: t.Mapping[str, str]
) -> dict[str, Json]:
    known = ({*present.devices, own_id} | {one["device_id"] for one in declared["devices"]}) - set(declared["gone"]["devices"])
    wanted = {}
    for folder_id, folder in present.folders.items():
        if any(share["deviceID"] in replaced for share in folder["devices"]):
            wanted[folder_id] = _with_successors(folder, replaced)
    for one in declared["folders"]:
        base = wanted.get(one["id"]) or present.folders.get(one["id"])
        if base is not None:
            refuse_moves(base, one, declared.get("allow_moves", False))
        elif not one.get("path"):
            raise SyncthingError(f"folder {one['id']} is not here yet, and has no path: say where it is to be")
        # A new folder is shared with nobody but who is declared, whatever the template says.
        folder = _schema.folder(base or ({**template, "devices": []} if template else {}), one, own_id)
        _refuse_unknown_members(folder, known)
        wanted[one["id"]] = folder
    return wanted


def _with_successors(folder: Json, replaced: t.Mapping[str, str]) -> Json:
    shares = {share["deviceID"]: share for share in folder["devices"] if share["deviceID"] not in replaced}
    for share in folder["devices"]:
        new = replaced.get(share["deviceID"])
        if new is not None:
            shares.setdefault(new, {**share, "deviceID": new})
    return {**folder, "devices": [shares[key] for key in sorted(shares)]}


def _wanted_gui(present: _Present, declared: Json, seen: Seen) -> Json:
    if not declared:
        return present.gui
    password = declared.get("password")
    if password and _schema.is_hash(password) and seen.rehashes and password != present.gui.get("password"):
        raise SyncthingError(
            "gui: password is a hash, which this Syncthing (before 1.25) would hash once more: give the password itself"
        )
    return _schema.gui(present.gui, declared, seen.password_fits)


# --- what is refused ----------------------------------------------------------------------------


def refuse_moves(present: Json, declared: Json, allowed: bool) -> None:
    """A folder that suddenly is elsewhere, or of another type, can delete files on every other device."""
    for option, key in (("path", "path"), ("type", "type"), ("marker_name", "markerName")):
        value, now = declared.get(option), present.get(key)
        if value is None or allowed:
            continue
        if not (_schema.same_path(value, now) if option == "path" else value == now):
            raise SyncthingError(
                f"folder {declared['id']}: its {option} is {now}, and is to be {value}. Changing that can lose files, so it is "
                f"not done by the way: put {option} back, or move the files and set allow_moves: true for one run"
            )


def _refuse_unknown_members(folder: Json, known: t.Collection[str]) -> None:
    strangers = [share["deviceID"] for share in folder["devices"] if share["deviceID"] not in known]
    if strangers:
        raise SyncthingError(
            f"folder {folder['id']} is to be shared with {', '.join(strangers)}, which is no device here: add it to devices"
        )


def refuse_nesting(present: t.Mapping[str, Json], wanted: t.Mapping[str, Json], gone: t.Collection[str]) -> None:
    """No folder is put into another. Those that somebody has nested by hand are left alone."""
    paths = {key: _below(one) for key, one in {**present, **wanted}.items() if key not in gone}
    placed = [key for key, one in wanted.items() if key not in present or _below(one) != _below(present[key])]
    for key in placed:
        for other, path in paths.items():
            if other == key or not (paths[key].startswith(path) or path.startswith(paths[key])):
                continue
            inner, outer = sorted((key, other), key=lambda one: len(paths[one]), reverse=True)
            raise SyncthingError(
                f"folder {inner} ({paths[inner][:-1]}) lies inside folder {outer} ({paths[outer][:-1]}): each would sync the "
                "other's files; give it a path of its own"
            )


def _below(folder: Json) -> str:
    return posixpath.normpath(folder.get("path") or "").rstrip("/") + "/"


def _refuse_contradictions(present: _Present, wanted: _Wanted, folders: list[Json], own_id: str) -> None:
    """What Syncthing would take with status 200 and drop, with an error in its log at most."""
    devices = {**present.devices, **wanted.devices}
    for one in folders:
        folder = wanted.folders[one["id"]]
        encrypted = folder.get("type") == "receiveencrypted"
        if one.get("ignores") and encrypted:
            raise SyncthingError(f"folder {one['id']} holds only ciphertext (receiveencrypted), to which ignores cannot apply")
        for share in folder["devices"] if one.get("devices") is not None else []:
            device = devices.get(share["deviceID"]) or {}
            if device.get("untrusted") and share["deviceID"] != own_id and not share["encryptionPassword"] and not encrypted:
                raise SyncthingError(
                    f"folder {one['id']} is to be shared with {device.get('name')}, which is untrusted, without an "
                    "encryption_password: give one, or trust the device"
                )


# --- what to write, and what it shows -----------------------------------------------------------


def _writes(
    present: _Present, wanted: _Wanted, ignores: t.Mapping[str, list[str]], present_ignores: t.Mapping[str, list[str]]
) -> list[Write]:
    """Devices before folders, because Syncthing silently drops a folder's device that it does not know;
    removals after that, and the web interface last, because it restarts what answers here.
    """
    writes = []
    for kind, path in (("device", "device"), ("folder", "folder"), ("ignores", "ignores")):
        if kind in wanted.defaults and not same(present.defaults.get(kind) or {}, wanted.defaults[kind]):
            writes.append(Write("PUT", f"config/defaults/{path}", wanted.defaults[kind]))
    changed = _differing(present.devices, wanted.devices)
    if changed:
        writes.append(Write("PUT", "config/devices", changed))
    changed = _differing(present.folders, wanted.folders)
    if changed:
        writes.append(Write("PUT", "config/folders", changed))
    for folder_id, lines in ignores.items():
        if lines != present_ignores.get(folder_id, []):
            writes.append(Write("POST", f"db/ignores?folder={quote(folder_id, safe='')}", {"ignore": lines}))
    writes += [Write("DELETE", f"config/folders/{quote(key, safe='')}") for key in wanted.gone["folders"]]
    writes += [Write("DELETE", f"config/devices/{key}") for key in wanted.gone["devices"]]
    if not same(present.options, wanted.options):
        writes.append(Write("PUT", "config/options", wanted.options))
    gui = {key: value for key, value in wanted.gui.items() if key not in present.gui or present.gui[key] != value}
    if gui:
        # Only what changes: before 1.25 a PUT hashes the stored hash of the password once more.
        writes.append(Write("PATCH", "config/gui", gui))
    return writes


def _differing(present: t.Mapping[str, Json], wanted: t.Mapping[str, Json]) -> list[Json]:
    return [value for key, value in wanted.items() if not same(present.get(key), value)]


def same(present: Json | None, wanted: Json) -> bool:
    return present is not None and _schema.canonical(present) == _schema.canonical(wanted)


def project(config: Json, ignores: t.Mapping[str, list[str]], declared: Json) -> Json:
    """Of a configuration, what the user declared, in Syncthing's words, secrets and all."""
    present = _Present(config)
    shown: Json = {"devices": {}, "folders": {}}
    for one in declared["devices"]:
        shown["devices"][one["name"]] = _part(present.devices.get(one["device_id"]), one, _schema.DEVICE_KEYS, ("deviceID",))
    for one in declared["folders"]:
        part = _part(present.folders.get(one["id"]), one, {**_schema.FOLDER_KEYS, **_schema.FOLDER_PARTS})
        if part is not None and one.get("ignores") is not None:
            part["ignores"] = list(ignores.get(one["id"], []))
        shown["folders"][one["id"]] = part
    for key in declared["gone"]["devices"]:
        shown["devices"][key] = _part(present.devices.get(key), {}, {}, ("deviceID", "name"))
    for key in declared["gone"]["folders"]:
        shown["folders"][key] = _part(present.folders.get(key), {}, {}, ("path", "type"))
    if declared.get("options"):
        shown["options"] = _part(present.options, declared["options"], _schema.OPTIONS_KEYS)
    if declared.get("gui"):
        shown["gui"] = _part(present.gui, declared["gui"], _schema.GUI_KEYS)
    if declared.get("defaults"):
        shown["defaults"] = _projected_defaults(present.defaults, declared["defaults"])
    return shown


def _differences(before: Json, after: Json) -> tuple[Json, Json]:
    """Only what differs, object by object: a large mesh in which nothing changes has nothing to return."""
    found: tuple[Json, Json] = ({}, {})
    for kind in after:
        if kind in ("devices", "folders"):
            keys = [key for key in after[kind] if before[kind][key] != after[kind][key]]
            pairs = {key: _schema.masked_pair(before[kind][key], after[kind][key]) for key in keys}
            if pairs:
                found[0][kind] = {key: pair[0] for key, pair in pairs.items()}
                found[1][kind] = {key: pair[1] for key, pair in pairs.items()}
        elif before[kind] != after[kind]:
            found[0][kind], found[1][kind] = _schema.masked_pair(before[kind], after[kind])
    return found


def _projected_defaults(present: Json, declared: Json) -> Json:
    shown: Json = {}
    for kind, keys in (("device", _schema.DEVICE_KEYS), ("folder", {**_schema.FOLDER_KEYS, **_schema.FOLDER_PARTS})):
        if declared.get(kind):
            shown[kind] = _part(present.get(kind) or {}, declared[kind], keys)
    if declared.get("ignores") is not None:
        shown["ignores"] = (present.get("ignores") or {}).get("lines") or []
    return shown


def _part(value: Json | None, declared: Json, names: t.Mapping[str, str], always: t.Iterable[str] = ()) -> Json | None:
    if value is None:
        return None
    keys = {names[key] for key, item in declared.items() if key in names and item is not None}
    keys |= {*(declared.get("settings") or {}), *always}
    return t.cast("Json", _schema.canonical({key: value.get(key) for key in sorted(keys)}))


def missed(config: Json, ignores: t.Mapping[str, list[str]], plan: Plan) -> list[str]:
    """What did not stick, by name: Syncthing takes some writes with 200 and drops them.

    Only declared keys count. Syncthing sets others by itself, for a folder that holds ciphertext say.
    """
    present, wanted = _schema.without_secrets(project(config, ignores, plan.declared)), plan.shown
    found = []
    for kind in ("devices", "folders"):
        for name, part in wanted[kind].items():
            if present[kind][name] != part:
                found.append(f"{kind}: {name}{_which(present[kind][name], part)}")
    found += [
        f"{kind}{_which(present[kind], wanted[kind])}"
        for kind in ("options", "gui", "defaults")
        if kind in wanted and present[kind] != wanted[kind]
    ]
    return found


def _which(present: t.Any, wanted: t.Any) -> str:
    """The keys of an object that differ, for an error's sentence."""
    if not isinstance(wanted, dict) or not isinstance(present, dict):
        return ""
    return f" ({', '.join(key for key in wanted if present.get(key) != wanted[key])})"
