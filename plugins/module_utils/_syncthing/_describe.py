# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a plan for a module's result, and find the changes that Syncthing did not keep: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json, Present

if t.TYPE_CHECKING:
    from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._plan import Plan

Ignores = t.Mapping[str, t.List[str]]  # noqa: UP006  (3.9 at run time)
OBJECTS = ("devices", "folders")
DEVICE_KEYS = _schema.DEVICE_KEYS
FOLDER_KEYS = {**_schema.FOLDER_KEYS, **_schema.FOLDER_PARTS}


class State(t.NamedTuple):
    """A present or planned configuration, and the ignore patterns of the folders that declare some."""

    config: Json
    ignores: Ignores


class _Item(t.NamedTuple):
    """A device or folder to describe: its kind, the name for the result, and the keys to include."""

    kind: str
    name: str
    object_id: str
    declared: Json
    names: t.Mapping[str, str]
    always: tuple[str, ...] = ()


def _items(declared: Json, to_remove: t.Mapping[str, list[str]]) -> t.Iterator[_Item]:
    for one in declared["devices"]:
        yield _Item("devices", one["name"], one["device_id"], one, DEVICE_KEYS, ("deviceID",))
    for one in declared["folders"]:
        yield _Item("folders", one["id"], one["id"], one, FOLDER_KEYS)
    for key in to_remove["devices"]:
        yield _Item("devices", key, key, {}, {}, ("deviceID", "name"))
    for key in to_remove["folders"]:
        yield _Item("folders", key, key, {}, {}, ("path", "type"))


def describe(state: State, declared: Json, to_remove: t.Mapping[str, list[str]]) -> Json:
    """The declared part of a configuration, with Syncthing's names, including secrets."""
    present = Present(state.config)
    found: Json = {kind: {} for kind in OBJECTS}
    for item in _items(declared, to_remove):
        found[item.kind][item.name] = _described(present, state.ignores, item)
    return {**found, **_sections(present, declared)}


def differences(before: State, after: State, declared: Json, to_remove: t.Mapping[str, list[str]]) -> tuple[Json, Json]:
    """The descriptions of all differing objects before and after, with secrets masked.

    Equal objects are not described, so that a run without changes in a large mesh is fast.
    """
    then, now = Present(before.config), Present(after.config)
    found: tuple[Json, Json] = ({}, {})
    for item in _items(declared, to_remove):
        if _same(item, then, now) and before.ignores.get(item.object_id) == after.ignores.get(item.object_id):
            continue
        old, new = _described(then, before.ignores, item), _described(now, after.ignores, item)
        if old != new:
            for side, text in zip(found, _schema.masked_pair(old, new)):
                side.setdefault(item.kind, {})[item.name] = text
    old_sections, new_sections = _sections(then, declared), _sections(now, declared)
    for kind, new in new_sections.items():
        if old_sections[kind] != new:
            found[0][kind], found[1][kind] = _schema.masked_pair(old_sections[kind], new)
    return found


def _same(item: _Item, then: Present, now: Present) -> bool:
    return bool(getattr(then, item.kind).get(item.object_id) == getattr(now, item.kind).get(item.object_id))


def _described(present: Present, ignores: Ignores, item: _Item) -> Json | None:
    part = _part(getattr(present, item.kind).get(item.object_id), item.declared, item.names, item.always)
    if part is not None and item.declared.get("ignores") is not None:
        part["ignores"] = list(ignores.get(item.object_id, []))
    return part


def _sections(present: Present, declared: Json) -> Json:
    found: Json = {}
    if declared.get("options"):
        found["options"] = _part(present.options, declared["options"], _schema.OPTIONS_KEYS)
    if declared.get("gui"):
        found["gui"] = _part(present.gui, declared["gui"], _schema.GUI_KEYS)
    if declared.get("defaults"):
        found["defaults"] = _defaults(present.defaults, declared["defaults"])
    return found


def _defaults(present: Json, declared: Json) -> Json:
    found: Json = {}
    for kind, keys in (("device", DEVICE_KEYS), ("folder", FOLDER_KEYS)):
        if declared.get(kind):
            found[kind] = _part(present.get(kind) or {}, declared[kind], keys)
    if declared.get("ignores") is not None:
        found["ignores"] = (present.get("ignores") or {}).get("lines") or []
    return found


def _part(value: Json | None, declared: Json, names: t.Mapping[str, str], always: t.Iterable[str] = ()) -> Json | None:
    if value is None:
        return None
    keys = {names[key] for key, item in declared.items() if key in names and item is not None}
    keys |= {*(declared.get("settings") or {}), *always}
    return t.cast("Json", _schema.canonical({key: value.get(key) for key in sorted(keys)}))


# Keys of a new folder that must be as planned. Syncthing chooses the other undeclared ones, depending on its version.
NEW_FOLDER_KEYS = ("devices", "path", "type", "versioning")
# Keys that Syncthing sets itself when another key has a certain value (lib/config).
OPTIONS_SET_BY_SYNCTHING = frozenset({"unackedNotificationIDs", "urUniqueId"})


def not_applied(config: Json, ignores: Ignores, plan: Plan) -> list[str]:
    """The objects that are not as planned, by name: Syncthing accepts some writes with 200 and drops them, or adds to them.

    All declared keys are compared, and in all objects also the undeclared keys that Syncthing does not set itself.
    """
    found = _declared_not_applied(State(config, ignores), plan)
    named = {text.partition(" (")[0] for text in found}
    return found + [text for text in _unexpected_changes(config, plan) if text.partition(" (")[0] not in named]


def _declared_not_applied(state: State, plan: Plan) -> list[str]:
    present, wanted = _schema.without_secrets(describe(state, plan.declared, plan.to_remove)), plan.described
    found = []
    for kind in OBJECTS:
        for name, part in wanted[kind].items():
            if present[kind][name] != part:
                found.append(f"{kind}: {name}{_which(present[kind][name], part)}")
    found += [
        f"{kind}{_which(present[kind], wanted[kind])}"
        for kind in ("options", "gui", "defaults")
        if kind in wanted and present[kind] != wanted[kind]
    ]
    return found


def _unexpected_changes(config: Json, plan: Plan) -> list[str]:
    wanted, declared, new = plan.whole, plan.declared, {folder["id"] for folder in plan.new_folders}
    now, then = _schema.Present(config), _schema.Present(wanted)
    found = []
    for device_id, device in then.devices.items():
        if device_id in now.devices or not device.get("introducedBy"):
            keys = differing(now.devices.get(device_id), device, keys_set_for_device(device, then.options))
            found.append((f"devices: {device.get('name') or device_id}", keys))
    for folder_id, folder in then.folders.items():
        actual = now.folders.get(folder_id)
        if folder_id in new:
            folder = {key: folder[key] for key in NEW_FOLDER_KEYS if key in folder}  # noqa: PLW2901
        found.append((f"folders: {folder_id}", differing(_as_shared(actual, folder), folder, keys_set_for_folder(folder))))
    for kind, template in then.defaults.items():
        found.append((f"defaults.{kind}", differing(now.defaults.get(kind) or {}, template, ())))
    found.append(("options", differing(now.options, then.options, OPTIONS_SET_BY_SYNCTHING)))
    # Syncthing keeps only a hash of the password.
    found.append(("gui", differing(now.gui, then.gui, ("password",) if (declared.get("gui") or {}).get("password") else ())))
    found.append(("ldap", differing(config.get("ldap") or {}, wanted.get("ldap") or {}, ())))
    return [where + (f" ({', '.join(keys)})" if any(keys) else "") for where, keys in found if keys]


def keys_set_for_device(device: Json, options: Json) -> t.Collection[str]:
    # An ignored folder is no longer ignored once it is shared (lib/config/deviceconfiguration.go).
    own = {"ignoredFolders"} | ({"introducer", "autoAcceptFolders"} if device.get("untrusted") else set())
    if not device.get("name") or options.get("overwriteRemoteDeviceNamesOnConnect"):
        own.add("name")  # the device itself sets it
    return own


def keys_set_for_folder(folder: Json) -> t.Collection[str]:
    return {"ignorePerms", "disableTempIndexes"} if folder.get("type") == "receiveencrypted" else ()


def _as_shared(actual: Json | None, wanted: Json) -> Json | None:
    """The folder without devices that an introducer has added in the meantime."""
    if actual is None:
        return None
    known = {share["deviceID"] for share in wanted.get("devices") or []}
    shares = [one for one in actual.get("devices") or [] if one["deviceID"] in known or not one.get("introducedBy")]
    return {**actual, "devices": shares}


def differing(actual: Json | None, wanted: Json, own: t.Collection[str]) -> list[str]:
    """The keys that differ; one empty key if the object does not exist. A missing value and an empty list are equal."""
    if actual is None:
        return [""]
    return [
        key
        for key, value in _schema.canonical(wanted).items()
        if key not in own and not _includes(_schema.canonical(actual.get(key)), value)
    ]


def _includes(actual: t.Any, wanted: t.Any) -> bool:
    """Whether a value contains all that was sent. An object may have additional keys; a map of parameters may not."""
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return all(
            (actual.get(key) or {}) == (value or {}) if key == "params" else _includes(actual.get(key), value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(wanted) == len(actual) and all(map(_includes, actual, wanted))
    return (actual or None) == (wanted or None)


def _which(present: t.Any, wanted: t.Any) -> str:
    """The keys of an object that differ, for an error message."""
    if not isinstance(wanted, dict) or not isinstance(present, dict):
        return ""
    return f" ({', '.join(key for key in wanted if present.get(key) != wanted[key])})"
