# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options and Syncthing's configuration objects: pure functions.

The keys of an object come from the server's own answer, so that each version's keys are known.
This file only has the modules' names for common keys, and the values that Syncthing rewrites
(lib/config).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import DIRECT, PART, wire_of
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _places, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError, role

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
Keys = t.Mapping[str, str]

# Option to Syncthing's key, for values that are passed unchanged.
DEVICE_KEYS: Keys = wire_of(_tables.DEVICE_ROWS, DIRECT)
FOLDER_KEYS: Keys = wire_of(_tables.FOLDER_ROWS, DIRECT)
OPTIONS_KEYS: Keys = wire_of(_tables.OPTIONS_ROWS, DIRECT)
GUI_KEYS: Keys = wire_of(_tables.GUI_ROWS, DIRECT)
MEMBER_KEYS: Keys = wire_of(_tables.MEMBER_ROWS, DIRECT)
VERSIONING_KEYS: Keys = wire_of(_tables.VERSIONING_ROWS, DIRECT)
# Options of a folder that need a translation.
FOLDER_PARTS: Keys = wire_of(_tables.FOLDER_ROWS, PART)
ID_KEYS = frozenset({"deviceID", "id", "introducedBy"})
MASK = "********"
NEW_MASK = "******** (new)"
SECRET_KEYS = frozenset({"encryptionPassword", "password", "apiKey"})
# Keys that must be sent with each element, even if a version leaves them out of its answers: Syncthing decodes into the
# existing elements, so a missing key keeps the value of the old element.
EMPTY_SHARE: Json = {"deviceID": "", "introducedBy": "", "encryptionPassword": ""}
# Syncthing's own test for a hash (lib/config/guiconfiguration.go).
BCRYPT = re.compile(r"^\$2[aby]\$\d+\$.{50,}")


class Present:
    """The objects of a configuration (GET /rest/config), by ID."""

    def __init__(self, config: Json) -> None:
        self.devices: dict[str, Json] = {device["deviceID"]: device for device in config.get("devices") or []}
        self.folders: dict[str, Json] = {folder["id"]: folder for folder in config.get("folders") or []}
        self.options: Json = config.get("options") or {}
        self.gui: Json = config.get("gui") or {}
        self.defaults: Json = config.get("defaults") or {}


def same(present: Json | None, wanted: Json) -> bool:
    return present is not None and (present == wanted or canonical(present) == canonical(wanted))


def is_hash(password: str) -> bool:
    return bool(BCRYPT.match(password))


def text_of(value: t.Any) -> str:
    """A versioning parameter as text, whatever type YAML gave it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def size_of(text: str) -> Json:
    """Parse `1 %`, `10 GB` or `0` into Syncthing's size (lib/config/size.go)."""
    found = t.cast("re.Match[str]", _tables.SIZE.match(text))  # the table has checked it
    value, unit = float(found.group(1)), found.group(2)
    return {"value": int(value) if value.is_integer() else value, "unit": unit}


def fit(value: t.Any, present: t.Any, where: str, key: str) -> t.Any:
    """Convert a value to the type of the server's own: templates turn numbers and booleans into text."""
    if isinstance(value, str) and isinstance(present, bool):
        if value.lower() in ("true", "yes", "false", "no"):
            return value.lower() in ("true", "yes")
    elif isinstance(value, str) and isinstance(present, (int, float)):
        if re.fullmatch(r"-?\d+", value):
            return int(value)
        if re.fullmatch(r"-?\d+\.\d+", value):
            return float(value)
    elif isinstance(present, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if present is not None and value is not None and not _alike(value, present):
        raise SyncthingError(f"{where}: {key} is {value!r}, but Syncthing has a {_kind(present)} there, such as {present!r}")
    return value


def _kind(value: t.Any) -> str:
    kinds = ((bool, "truth value"), ((int, float), "number"), (str, "text"), (list, "list"), (dict, "mapping"))
    return next(name for kind, name in kinds if isinstance(value, kind))


def _alike(value: t.Any, present: t.Any) -> bool:
    return isinstance(value, (bool, int, float, str, list, dict)) and _kind(value) == _kind(present)


def overlay(base: Json, declared: Json, keys: Keys, where: str, typed: t.Collection[str] = ()) -> Json:
    """An object with the declared keys replaced; undeclared keys are kept.

    The base is empty if nothing is known about the server, in check mode before its first start.
    """
    own = {keys[name]: value for name, value in declared.items() if name in keys and value is not None}
    names = {key: name for name, key in keys.items()}
    for key in own:
        if base and key not in base:
            raise SyncthingError(f"{where}: this version of Syncthing has no {names[key]} ({key})")
    settings = declared.get("settings") or {}
    for key in settings:
        if key in names or key in typed or key in ID_KEYS:
            raise SyncthingError(f"{where}: settings has the key {key!r}: use {names.get(key, 'the option')} itself")
        if base and key not in base:
            raise SyncthingError(
                f"{where}: settings has the key {key!r}, which this Syncthing does not know; "
                f"its keys are {', '.join(sorted(base))}"
            )
    merged = {**own, **{key: fit(value, base.get(key), where, key) for key, value in settings.items()}}
    return {**base, **merged}


def device(base: Json, declared: Json) -> Json:
    wanted = overlay(base, declared, DEVICE_KEYS, f"device {declared['name']}")
    wanted["deviceID"] = declared["device_id"]
    # Like Syncthing itself (lib/config/deviceconfiguration.go): without an address, discovery is used.
    wanted["addresses"] = wanted.get("addresses") or ["dynamic"]
    return wanted


def device_defaults(base: Json, declared: Json) -> Json:
    wanted = overlay(base, declared, DEVICE_KEYS, f"defaults.device {role('syncthing_mesh_defaults')}")
    if "addresses" in wanted:
        wanted["addresses"] = wanted["addresses"] or ["dynamic"]
    return wanted


def folder(base: Json, declared: Json, own_id: str) -> Json:
    wanted = _folder_parts(base, declared, f"folder {declared['id']}")
    wanted["id"] = declared["id"]
    if _places.same(wanted.get("path"), base.get("path")):
        wanted["path"] = base["path"]  # another spelling of the same place is no change
    if declared.get("devices") is not None:
        complete = not declared.get("unresolved")
        wanted["devices"] = members(base.get("devices") or [], declared["devices"], own_id, complete)
    elif own_id not in {share["deviceID"] for share in base.get("devices") or []}:
        wanted["devices"] = members(base.get("devices") or [], [], own_id, complete=False)  # like Syncthing itself
    wanted.setdefault("type", "sendreceive")
    return wanted


def folder_defaults(base: Json, declared: Json) -> Json:
    return _folder_parts(base, declared, f"defaults.folder {role('syncthing_mesh_defaults')}")


def _folder_parts(base: Json, declared: Json, where: str) -> Json:
    wanted = overlay(base, declared, FOLDER_KEYS, where, FOLDER_PARTS.values())
    if declared.get("versioning") is not None:
        wanted["versioning"] = versioning(base.get("versioning") or {}, declared["versioning"])
    if declared.get("min_disk_free") is not None:
        wanted["minDiskFree"] = size_of(declared["min_disk_free"])
    return wanted


def versioning(present: Json, declared: Json) -> Json:
    """The whole versioning object, so that no parameters of another type are left."""
    kind = declared["type"]
    own = {key: declared.get(option) for option, key in VERSIONING_KEYS.items()}
    return {
        **present,
        "type": "" if kind == "none" else kind,
        "params": {key: text_of(value) for key, value in (declared.get("params") or {}).items()},
        **{key: value for key, value in own.items() if value is not None},
    }


def members(present: list[Json], declared: list[Json], own_id: str, complete: bool = True) -> list[Json]:
    """The devices that share a folder: the declared ones, the device itself, and those added by an introducer.

    If not all declared devices are known, all present ones are kept. An undeclared password is kept as well.
    """
    known = {share["deviceID"]: share for share in present}
    whole = EMPTY_SHARE.keys()
    # Before the first start the own ID is not known.
    wanted = {own_id: {**EMPTY_SHARE, **known.get(own_id, {}), "deviceID": own_id}} if own_id else {}
    for share in present:
        if share.get("introducedBy") or not complete:
            wanted[share["deviceID"]] = share
    for one in declared:
        device_id = one["device_id"]
        share = known.get(device_id, {})
        own = {key: one[option] for option, key in MEMBER_KEYS.items() if one.get(option) is not None}
        if own or not share.keys() >= whole:
            share = {**EMPTY_SHARE, **share, "deviceID": device_id, **own}
        wanted[device_id] = share
    return [wanted[key] for key in sorted(wanted)]


def options(present: Json, declared: Json) -> Json:
    return overlay(present, declared, OPTIONS_KEYS, f"options {role('syncthing_mesh_options')}")


def gui(present: Json, declared: Json, password_fits: bool) -> Json:
    """The wanted settings of the web interface. A plain password that fits the stored hash is no change."""
    wanted = overlay(present, declared, GUI_KEYS, f"gui {role('syncthing_mesh_gui')}")
    if declared.get("password") is not None and password_fits:
        wanted["password"] = present.get("password", "")
    return wanted


def patterns(lines: t.Iterable[str]) -> list[str]:
    """Ignore patterns in the form that Syncthing returns: without line ends, with empty lines."""
    return [line.rstrip("\r\n") for line in lines]


def canonical(value: t.Any) -> t.Any:
    """A canonical form, equal for values that Syncthing treats as equal: it sorts the devices of a folder by ID."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [canonical(item) for item in value]
        if items and all(isinstance(item, dict) and "deviceID" in item for item in items):
            return sorted(items, key=lambda item: str(item["deviceID"]))
        return items
    return value


def exact(value: t.Any) -> t.Any:
    """An object in a form that Syncthing stores unchanged, and does not merge with its defaults.

    Syncthing decodes each new or changed object over defaults/folder or defaults/device, where maps and list elements keep
    their other keys. A null empties both. Go matches keys in any case, in the order of the text. So each such key is sent
    twice: first as null with an upper-case initial, then with its value.
    """
    if isinstance(value, list):
        return [exact(item) for item in value]
    if not isinstance(value, dict):
        return value
    found: Json = {}
    for key, item in value.items():
        if key == "params" or (isinstance(item, list) and any(isinstance(one, dict) for one in item)):
            found[key[:1].upper() + key[1:]] = None
        found[key] = exact(item)
    return found


def masked_pair(before: t.Any, after: t.Any) -> tuple[t.Any, t.Any]:
    """Both values for a diff, with secrets masked so that a changed one can be recognized."""
    return without_secrets(before), _marked(before, after)


def _marked(before: t.Any, after: t.Any) -> t.Any:
    if isinstance(after, dict):
        old = before if isinstance(before, dict) else {}
        return {
            key: (NEW_MASK if item and key in old and old[key] != item else MASK if item else item)
            if key in SECRET_KEYS
            else _marked(old.get(key), item)
            for key, item in after.items()
        }
    if isinstance(after, list):
        # Shares are identified by their device.
        old_items = before if isinstance(before, list) else []
        known = {item.get("deviceID"): item for item in old_items if isinstance(item, dict)}
        return [_marked(known.get(item.get("deviceID")) if isinstance(item, dict) else None, item) for item in after]
    return after


def without_secrets(value: t.Any) -> t.Any:
    """The value with secrets masked; an empty one stays empty."""
    if isinstance(value, dict):
        return {key: (MASK if item else item) if key in SECRET_KEYS else without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
