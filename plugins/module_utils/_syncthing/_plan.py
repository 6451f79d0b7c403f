# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what Syncthing has and what is declared to the smallest ordered set of writes: pure functions.

Always whole objects, never a PATCH of a folder or a device: some versions reset what a
PATCH leaves out, and all of them merge lists by position (syncthing#10746).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import copy
import posixpath
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json


class Write(t.NamedTuple):
    method: str
    path: str
    body: t.Any


class Plan(t.NamedTuple):
    writes: list[Write]
    before: Json  # of what is declared, secrets masked
    after: Json
    declared: Json  # with the IDs of the devices that are known by name
    unresolved: list[str]  # names of devices whose ID nobody knows
    new_folders: list[Json]


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
                {**member, "device_id": member.get("device_id") or ids.get(member.get("name", ""))}
                for member in folder["devices"]
            ]
            unresolved = sorted({*unresolved, *(member["name"] for member in members if not member["device_id"])})
            folder = {**folder, "devices": [member for member in members if member["device_id"]]}  # noqa: PLW2901
        resolved.append(folder)
    return known, resolved, unresolved


def make(config: Json, own_id: str, declared: Json) -> Plan:
    """The plan for one host. `config` is its GET /rest/config."""
    devices, folders, unresolved = resolve(
        declared.get("devices") or [], declared.get("folders") or [], config.get("devices") or []
    )
    present_devices = {device["deviceID"]: device for device in config.get("devices") or []}
    present_folders = {folder["id"]: folder for folder in config.get("folders") or []}
    base_device = _template(config, "device")
    base_folder = _template(config, "folder")
    wanted_devices = {
        one["device_id"]: _schema.device(present_devices.get(one["device_id"], base_device), one) for one in devices
    }
    known = {*present_devices, *wanted_devices, own_id}
    wanted_folders = {}
    for one in folders:
        present = present_folders.get(one["id"])
        if present is not None:
            refuse_moves(present, one, declared.get("allow_moves", False))
        wanted_folders[one["id"]] = _schema.folder(present or base_folder, one, own_id)
        _refuse_unknown_members(wanted_folders[one["id"]], known)
    refuse_nesting({**present_folders, **wanted_folders})
    options = _options(config.get("options") or {}, declared.get("options") or {})

    changed_devices = _differing(present_devices, wanted_devices)
    changed_folders = _differing(present_folders, wanted_folders)
    changed_options = _differing({"options": config.get("options") or {}}, {"options": options})
    writes = []
    # Devices first: Syncthing silently drops a folder's device that it does not know.
    if changed_devices:
        writes.append(Write("PUT", "config/devices", changed_devices))
    if changed_folders:
        writes.append(Write("PUT", "config/folders", changed_folders))
    if changed_options:
        writes.append(Write("PUT", "config/options", options))
    wanted = {"devices": wanted_devices, "folders": wanted_folders, "options": options}
    resolved = {"devices": devices, "folders": folders, "options": declared.get("options") or {}}
    return Plan(
        writes,
        before=project(config, resolved),
        after=project(_as_config(config, wanted), resolved),
        declared=resolved,
        unresolved=unresolved,
        new_folders=[folder for key, folder in wanted_folders.items() if key not in present_folders],
    )


def _template(config: Json, kind: str) -> Json:
    """What a new object starts from: the defaults that the user has set in Syncthing."""
    base = copy.deepcopy((config.get("defaults") or {}).get(kind) or {})
    if kind == "folder":
        base.setdefault("type", "sendreceive")
        base["devices"] = []
    return base


def _options(present: Json, declared: Json) -> Json:
    for key in declared:
        if present and key not in present:
            raise SyncthingError(
                f"options has the key {key!r}, which this Syncthing does not know; its keys are {', '.join(sorted(present))}"
            )
    return {**present, **declared}


def refuse_moves(present: Json, declared: Json, allowed: bool) -> None:
    """A folder that suddenly is elsewhere, or of another type, can delete files on every other device."""
    for option, key in (("path", "path"), ("type", "type")):
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


def refuse_nesting(folders: t.Mapping[str, Json]) -> None:
    paths = sorted((posixpath.normpath(folder.get("path") or ""), key) for key, folder in folders.items())
    for (outer, outer_id), (inner, inner_id) in zip(paths, paths[1:]):
        if inner == outer or inner.startswith(outer.rstrip("/") + "/"):
            raise SyncthingError(
                f"folder {inner_id} ({inner}) lies inside folder {outer_id} ({outer}): each would sync the other's files; "
                "give it a path of its own"
            )


def _differing(present: t.Mapping[str, Json], wanted: t.Mapping[str, Json]) -> list[Json]:
    return [value for key, value in wanted.items() if not same(present.get(key), value)]


def same(present: Json | None, wanted: Json) -> bool:
    return present is not None and _schema.canonical(present) == _schema.canonical(wanted)


def _as_config(config: Json, wanted: Json) -> Json:
    """The configuration as it will be."""
    devices = {device["deviceID"]: device for device in config.get("devices") or []}
    folders = {folder["id"]: folder for folder in config.get("folders") or []}
    return {
        **config,
        "devices": list({**devices, **wanted["devices"]}.values()),
        "folders": list({**folders, **wanted["folders"]}.values()),
        "options": wanted["options"],
    }


def project(config: Json, declared: Json) -> Json:
    """Of a configuration, what the user declared, in Syncthing's words and without secrets."""
    devices = {device["deviceID"]: device for device in config.get("devices") or []}
    folders = {folder["id"]: folder for folder in config.get("folders") or []}
    of_folder = {**_schema.FOLDER_KEYS, "devices": "devices", "versioning": "versioning"}
    return {
        "devices": {
            one["name"]: _part(devices.get(one["device_id"]), one, _schema.DEVICE_KEYS, ("deviceID",))
            for one in declared["devices"]
        },
        "folders": {one["id"]: _part(folders.get(one["id"]), one, of_folder) for one in declared["folders"]},
        "options": {key: (config.get("options") or {}).get(key) for key in declared["options"]},
    }


def _part(value: Json | None, declared: Json, names: t.Mapping[str, str], always: t.Iterable[str] = ()) -> Json | None:
    if value is None:
        return None
    keys = {names[key] for key, item in declared.items() if key in names and item is not None}
    keys |= {*(declared.get("settings") or {}), *always}
    part = _schema.without_secrets({key: value.get(key) for key in sorted(keys)})
    return t.cast("Json", _schema.canonical(part))


def missed(config: Json, plan: Plan) -> list[str]:
    """What did not stick, by name: Syncthing takes some writes with 200 and drops them.

    Only declared keys count. Syncthing sets others by itself, for a folder that holds ciphertext say.
    """
    found = []
    present = project(config, plan.declared)
    for kind, wanted in plan.after.items():
        for name, part in wanted.items():
            has = present[kind][name]
            if has != part:
                found.append(f"{kind}: {name}" + _which(has, part))
    return found


def _which(present: t.Any, wanted: t.Any) -> str:
    """The keys of an object that differ, for an error's sentence."""
    if not isinstance(wanted, dict) or not isinstance(present, dict):
        return ""
    return f" ({', '.join(key for key in wanted if present.get(key) != wanted[key])})"
