# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options and Syncthing's configuration objects: pure functions.

What an object looks like comes from the server's own answer, so that each version's keys
are known; this file only knows the names that the modules give to common ones, and where
Syncthing rewrites what it is given (lib/config).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
Keys = t.Mapping[str, str]

# Option to Syncthing's key, for values that are taken as they are.
DEVICE_KEYS: Keys = {
    "name": "name",
    "addresses": "addresses",
    "allowed_networks": "allowedNetworks",
    "introducer": "introducer",
    "skip_introduction_removals": "skipIntroductionRemovals",
    "auto_accept_folders": "autoAcceptFolders",
    "paused": "paused",
    "untrusted": "untrusted",
    "compression": "compression",
    "max_send_kbps": "maxSendKbps",
    "max_recv_kbps": "maxRecvKbps",
    "num_connections": "numConnections",
}
FOLDER_KEYS: Keys = {
    "label": "label",
    "path": "path",
    "type": "type",
    "marker_name": "markerName",
    "paused": "paused",
    "rescan_interval": "rescanIntervalS",
    "fs_watcher": "fsWatcherEnabled",
    "fs_watcher_delay": "fsWatcherDelayS",
    "ignore_permissions": "ignorePerms",
    "max_conflicts": "maxConflicts",
    "order": "order",
}
# Of a folder, what has a form of its own here.
FOLDER_PARTS: Keys = {"devices": "devices", "versioning": "versioning", "min_disk_free": "minDiskFree"}
OPTIONS_KEYS: Keys = {
    "listen_addresses": "listenAddresses",
    "global_announce_enabled": "globalAnnounceEnabled",
    "global_announce_servers": "globalAnnounceServers",
    "local_announce_enabled": "localAnnounceEnabled",
    "announce_lan_addresses": "announceLANAddresses",
    "relays_enabled": "relaysEnabled",
    "nat_enabled": "natEnabled",
    "stun_keepalive_start": "stunKeepaliveStartS",
    "crash_reporting_enabled": "crashReportingEnabled",
    "ur_accepted": "urAccepted",
    "auto_upgrade_interval": "autoUpgradeIntervalH",
    "reconnection_interval": "reconnectionIntervalS",
    "always_local_nets": "alwaysLocalNets",
    "max_send_kbps": "maxSendKbps",
    "max_recv_kbps": "maxRecvKbps",
    "limit_bandwidth_in_lan": "limitBandwidthInLan",
    "max_folder_concurrency": "maxFolderConcurrency",
}
GUI_KEYS: Keys = {
    "enabled": "enabled",
    "address": "address",
    "unix_socket_permissions": "unixSocketPermissions",
    "user": "user",
    "password": "password",
    "tls": "useTLS",
    "api_key": "apiKey",
    "insecure_skip_hostcheck": "insecureSkipHostcheck",
    "theme": "theme",
}
ID_KEYS = frozenset({"deviceID", "id", "introducedBy"})
MASK = "********"
NEW_MASK = "******** (new)"
SECRET_KEYS = frozenset({"encryptionPassword", "password", "apiKey"})
# What a version lacks in its answer when it is new, and so must be spelt out when an element is sent:
# Syncthing decodes into the elements that were there, and a key that is left out keeps the old one's value.
EMPTY_SHARE: Json = {"deviceID": "", "introducedBy": "", "encryptionPassword": ""}
# As Syncthing itself tells a hash from a password (lib/config/guiconfiguration.go).
BCRYPT = re.compile(r"^\$2[aby]\$\d+\$.{50,}")
SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(%|[kMGT]?B?|)\s*$")


class Present:
    """What a configuration (GET /rest/config) has, by ID."""

    def __init__(self, config: Json) -> None:
        self.devices: dict[str, Json] = {device["deviceID"]: device for device in config.get("devices") or []}
        self.folders: dict[str, Json] = {folder["id"]: folder for folder in config.get("folders") or []}
        self.options: Json = config.get("options") or {}
        self.gui: Json = config.get("gui") or {}
        self.defaults: Json = config.get("defaults") or {}


def same(present: Json | None, wanted: Json) -> bool:
    return present is not None and canonical(present) == canonical(wanted)


def is_hash(password: str) -> bool:
    return bool(BCRYPT.match(password))


def text_of(value: t.Any) -> str:
    """Versioning parameters are texts, whatever YAML made of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def size_of(text: str, where: str) -> Json:
    """`1 %`, `10 GB` or `0` as Syncthing's size (lib/config/size.go)."""
    found = SIZE.match(text)
    if not found:
        raise SyncthingError(f"{where}: min_disk_free is {text!r}: write a number and a unit, such as '1 %' or '10 GB'")
    value, unit = float(found.group(1)), found.group(2)
    return {"value": int(value) if value.is_integer() else value, "unit": unit}


def fit(value: t.Any, present: t.Any, where: str, key: str) -> t.Any:
    """A value in the type that the server's own has: templates make texts of numbers and truths."""
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
    """An object with the declared keys on top; what is not declared stays.

    An empty base means that nothing is known of the server: a check before its first start.
    """
    own = {keys[name]: value for name, value in declared.items() if name in keys and value is not None}
    names = {key: name for name, key in keys.items()}
    for key in own:
        if base and key not in base:
            raise SyncthingError(f"{where}: this Syncthing is of a version that has no {names[key]} ({key})")
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
    # As Syncthing does itself (lib/config/deviceconfiguration.go): no address means to look for one.
    wanted["addresses"] = wanted.get("addresses") or ["dynamic"]
    return wanted


def device_defaults(base: Json, declared: Json) -> Json:
    return overlay(base, declared, DEVICE_KEYS, "defaults.device")


def folder(base: Json, declared: Json, own_id: str) -> Json:
    wanted = _folder_parts(base, declared, f"folder {declared['id']}")
    wanted["id"] = declared["id"]
    if same_path(wanted.get("path"), base.get("path")):
        wanted["path"] = base["path"]  # another spelling of the same place is no change
    if declared.get("devices") is not None:
        complete = not declared.get("unresolved")
        wanted["devices"] = members(base.get("devices") or [], declared["devices"], own_id, complete)
    elif own_id not in {share["deviceID"] for share in base.get("devices") or []}:
        wanted["devices"] = members(base.get("devices") or [], [], own_id, complete=False)  # as Syncthing does itself
    wanted.setdefault("type", "sendreceive")
    return wanted


def folder_defaults(base: Json, declared: Json) -> Json:
    return _folder_parts(base, declared, "defaults.folder")


def _folder_parts(base: Json, declared: Json, where: str) -> Json:
    wanted = overlay(base, declared, FOLDER_KEYS, where, FOLDER_PARTS.values())
    if declared.get("versioning") is not None:
        wanted["versioning"] = versioning(base.get("versioning") or {}, declared["versioning"])
    if declared.get("min_disk_free") is not None:
        wanted["minDiskFree"] = size_of(declared["min_disk_free"], where)
    return wanted


def same_path(one: str | None, other: str | None) -> bool:
    return bool(one) and bool(other) and posixpath.normpath(str(one)) == posixpath.normpath(str(other))


def versioning(present: Json, declared: Json) -> Json:
    """The whole object: parameters of another kind of versioning must not stay behind."""
    kind = declared["type"]
    own = {"fsPath": declared.get("path"), "cleanupIntervalS": declared.get("cleanup_interval")}
    return {
        **present,
        "type": "" if kind == "none" else kind,
        "params": {key: text_of(value) for key, value in (declared.get("params") or {}).items()},
        **{key: value for key, value in own.items() if value is not None},
    }


def members(present: list[Json], declared: list[Json], own_id: str, complete: bool = True) -> list[Json]:
    """With whom a folder is shared: who is declared, the device itself, and whom an introducer brought.

    If not all who are declared are known, those who are there stay. A password that is not declared stays, too.
    """
    known = {share["deviceID"]: share for share in present}
    wanted = {own_id: {**EMPTY_SHARE, **known.get(own_id, {}), "deviceID": own_id}}
    for share in present:
        if share.get("introducedBy") or not complete:
            wanted[share["deviceID"]] = share
    for one in declared:
        share = {**EMPTY_SHARE, **known.get(one["device_id"], {}), "deviceID": one["device_id"]}
        if one.get("encryption_password") is not None:
            share["encryptionPassword"] = one["encryption_password"]
        wanted[one["device_id"]] = share
    return [wanted[key] for key in sorted(wanted)]


def options(present: Json, declared: Json) -> Json:
    return overlay(present, declared, OPTIONS_KEYS, "options")


def gui(present: Json, declared: Json, password_fits: bool) -> Json:
    """A plain password that fits the stored hash is no change."""
    wanted = overlay(present, declared, GUI_KEYS, "gui")
    if declared.get("password") is not None and password_fits:
        wanted["password"] = present.get("password", "")
    return wanted


def patterns(lines: t.Iterable[str]) -> list[str]:
    """Ignore patterns as Syncthing gives them back: without the line ends, empty lines kept."""
    return [line.rstrip("\r\n") for line in lines]


def canonical(value: t.Any) -> t.Any:
    """The same for what Syncthing treats as the same: it sorts devices of a folder by ID."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [canonical(item) for item in value]
        if items and all(isinstance(item, dict) and "deviceID" in item for item in items):
            return sorted(items, key=lambda item: str(item["deviceID"]))
        return items
    return value


def exact(value: t.Any) -> t.Any:
    """An object in the form that Syncthing takes as it is, and not as an addition to what its defaults have.

    It decodes each new or changed object over defaults/folder or defaults/device, where a map keeps its other keys, and
    the elements of a list theirs. A null empties both, and Go takes a key in any case, in the order of the text: so a
    twin of the key, in another case, is null first.
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
    """Both for a diff, without secrets; that one is another than before can be seen."""
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
        # Shares are told apart by their device.
        old_items = before if isinstance(before, list) else []
        known = {item.get("deviceID"): item for item in old_items if isinstance(item, dict)}
        return [_marked(known.get(item.get("deviceID")) if isinstance(item, dict) else None, item) for item in after]
    return after


def without_secrets(value: t.Any) -> t.Any:
    """The same with secrets masked: that there is one can be seen."""
    if isinstance(value, dict):
        return {key: (MASK if item else item) if key in SECRET_KEYS else without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
