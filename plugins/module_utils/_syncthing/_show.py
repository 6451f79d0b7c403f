# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module returns of a plan, and whether Syncthing kept all of it: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json

if t.TYPE_CHECKING:
    from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._plan import Plan


def project(config: Json, ignores: t.Mapping[str, list[str]], declared: Json) -> Json:
    """Of a configuration, what the user declared, in Syncthing's words, secrets and all."""
    present = _schema.Present(config)
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


def differences(before: Json, after: Json) -> tuple[Json, Json]:
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


# Of a new folder, what nobody declared is Syncthing's own choice, which differs by version; but for what decides about files.
OF_A_NEW_FOLDER = ("devices", "path", "type", "versioning")
# Keys that Syncthing sets by itself when another has a certain value (lib/config).
OPTIONS_OF_ITS_OWN = frozenset({"unackedNotificationIDs", "urUniqueId"})


def missed(config: Json, ignores: t.Mapping[str, list[str]], plan: Plan) -> list[str]:
    """What did not stick, by name: Syncthing takes some writes with 200 and drops them, or keeps more than was sent.

    Of declared keys all count; of the others, in all objects of the configuration, those that Syncthing does not set by itself.
    """
    found = _missed_declared(config, ignores, plan.declared, plan.shown)
    named = {text.partition(" (")[0] for text in found}
    return found + [text for text in _changed_besides(config, plan) if text.partition(" (")[0] not in named]


def _missed_declared(config: Json, ignores: t.Mapping[str, list[str]], declared: Json, shown: Json) -> list[str]:
    present, wanted = _schema.without_secrets(project(config, ignores, declared)), shown
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


def _changed_besides(config: Json, plan: Plan) -> list[str]:
    wanted, declared, new = plan.whole, plan.declared, {folder["id"] for folder in plan.new_folders}
    now, then = _schema.Present(config), _schema.Present(wanted)
    found = []
    for device_id, device in then.devices.items():
        if device_id in now.devices or not device.get("introducedBy"):
            keys = _differing(now.devices.get(device_id), device, _own_of_device(device, then.options))
            found.append((f"devices: {device.get('name') or device_id}", keys))
    for folder_id, folder in then.folders.items():
        actual = now.folders.get(folder_id)
        if folder_id in new:
            folder = {key: folder[key] for key in OF_A_NEW_FOLDER if key in folder}  # noqa: PLW2901
        found.append((f"folders: {folder_id}", _differing(_as_shared(actual, folder), folder, _own_of_folder(folder))))
    for kind, template in then.defaults.items():
        found.append((f"defaults.{kind}", _differing(now.defaults.get(kind) or {}, template, ())))
    found.append(("options", _differing(now.options, then.options, OPTIONS_OF_ITS_OWN)))
    # Of a password Syncthing keeps a hash.
    found.append(("gui", _differing(now.gui, then.gui, ("password",) if (declared.get("gui") or {}).get("password") else ())))
    found.append(("ldap", _differing(config.get("ldap") or {}, wanted.get("ldap") or {}, ())))
    return [where + (f" ({', '.join(keys)})" if any(keys) else "") for where, keys in found if keys]


def _own_of_device(device: Json, options: Json) -> t.Collection[str]:
    # A folder that somebody had ignored is no longer once it is shared (lib/config/deviceconfiguration.go).
    own = {"ignoredFolders"} | ({"introducer", "autoAcceptFolders"} if device.get("untrusted") else set())
    if not device.get("name") or options.get("overwriteRemoteDeviceNamesOnConnect"):
        own.add("name")  # filled in by the device itself
    return own


def _own_of_folder(folder: Json) -> t.Collection[str]:
    return {"ignorePerms", "disableTempIndexes"} if folder.get("type") == "receiveencrypted" else ()


def _as_shared(actual: Json | None, wanted: Json) -> Json | None:
    """Without whom an introducer has brought in the meantime."""
    if actual is None:
        return None
    known = {share["deviceID"] for share in wanted.get("devices") or []}
    shares = [one for one in actual.get("devices") or [] if one["deviceID"] in known or not one.get("introducedBy")]
    return {**actual, "devices": shares}


def _differing(actual: Json | None, wanted: Json, own: t.Collection[str]) -> list[str]:
    """The keys that differ; one that is empty if there is nothing at all. Nothing and an empty list are the same."""
    if actual is None:
        return [""]
    return [
        key
        for key, value in _schema.canonical(wanted).items()
        if key not in own and not _kept(_schema.canonical(actual.get(key)), value)
    ]


def _kept(actual: t.Any, wanted: t.Any) -> bool:
    """Whether all of a value is there. An object may have got keys that were never sent; a map of parameters may not."""
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return all(
            (actual.get(key) or {}) == (value or {}) if key == "params" else _kept(actual.get(key), value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(wanted) == len(actual) and all(map(_kept, actual, wanted))
    return (actual or None) == (wanted or None)


def _which(present: t.Any, wanted: t.Any) -> str:
    """The keys of an object that differ, for an error's sentence."""
    if not isinstance(wanted, dict) or not isinstance(present, dict):
        return ""
    return f" ({', '.join(key for key in wanted if present.get(key) != wanted[key])})"
