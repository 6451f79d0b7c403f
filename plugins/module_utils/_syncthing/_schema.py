# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module options and Syncthing's configuration objects: pure functions.

What an object looks like comes from the server's own answer, so that each version's keys
are known; this file only knows the names that the modules give to common ones.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import SyncthingError

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)

DEVICE_KEYS = {
    "name": "name",
    "addresses": "addresses",
    "allowed_networks": "allowedNetworks",
    "introducer": "introducer",
    "auto_accept_folders": "autoAcceptFolders",
    "paused": "paused",
    "untrusted": "untrusted",
    "compression": "compression",
}
FOLDER_KEYS = {
    "label": "label",
    "path": "path",
    "type": "type",
    "paused": "paused",
    "rescan_interval": "rescanIntervalS",
    "ignore_permissions": "ignorePerms",
    "order": "order",
}
MASK = "********"
# What a version lacks in its answer when it is new, and so must be spelt out when an element is sent:
# Syncthing decodes into the elements that were there, and a key that is left out keeps the old one's value.
EMPTY_SHARE = {"deviceID": "", "introducedBy": "", "encryptionPassword": ""}


def text_of(value: t.Any) -> str:
    """Versioning parameters are texts, whatever YAML made of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def overlay(base: Json, own: Json, settings: Json | None, where: str) -> Json:
    """An object with the declared keys on top; what is not declared stays."""
    # An empty base means that nothing is known of the server yet: a check before its first start.
    for key in settings or {}:
        if base.keys() - {"type", "devices"} and key not in base:
            raise SyncthingError(
                f"{where}: settings has the key {key!r}, which this Syncthing does not know; "
                f"its keys are {', '.join(sorted(base))}"
            )
    return {**base, **own, **(settings or {})}


def device(base: Json, declared: Json) -> Json:
    own = {DEVICE_KEYS[key]: value for key, value in declared.items() if key in DEVICE_KEYS and value is not None}
    wanted = overlay(base, own, declared.get("settings"), f"device {declared['name']}")
    wanted["deviceID"] = declared["device_id"]
    # As Syncthing does itself (lib/config/deviceconfiguration.go): no address means to look for one.
    wanted["addresses"] = wanted.get("addresses") or ["dynamic"]
    return wanted


def folder(base: Json, declared: Json, own_id: str) -> Json:
    own = {FOLDER_KEYS[key]: value for key, value in declared.items() if key in FOLDER_KEYS and value is not None}
    wanted = overlay(base, own, declared.get("settings"), f"folder {declared['id']}")
    wanted["id"] = declared["id"]
    if same_path(wanted.get("path"), base.get("path")):
        wanted["path"] = base["path"]  # another spelling of the same place is no change
    if declared.get("versioning") is not None:
        wanted["versioning"] = versioning(base.get("versioning") or {}, declared["versioning"])
    if declared.get("devices") is not None:
        wanted["devices"] = members(base.get("devices") or [], declared["devices"], own_id)
    return wanted


def same_path(one: str | None, other: str | None) -> bool:
    return bool(one) and bool(other) and posixpath.normpath(str(one)) == posixpath.normpath(str(other))


def versioning(present: Json, declared: Json) -> Json:
    """The whole object: parameters of another kind of versioning must not stay behind."""
    kind = declared["type"]
    return {
        **present,
        "type": "" if kind == "none" else kind,
        "params": {key: text_of(value) for key, value in (declared.get("params") or {}).items()},
        **{key: value for key, value in (("fsPath", declared.get("path")),) if value is not None},
    }


def members(present: list[Json], declared: list[Json], own_id: str) -> list[Json]:
    """With whom a folder is shared: who is declared, the device itself, and whom an introducer brought."""
    known = {share["deviceID"]: share for share in present}
    wanted = {own_id: {**EMPTY_SHARE, **known.get(own_id, {}), "deviceID": own_id}}
    for share in present:
        if share.get("introducedBy"):
            wanted[share["deviceID"]] = share
    for one in declared:
        share = {**EMPTY_SHARE, **known.get(one["device_id"], {}), "deviceID": one["device_id"]}
        share["encryptionPassword"] = one.get("encryption_password") or ""
        wanted[one["device_id"]] = share
    return [wanted[key] for key in sorted(wanted)]


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


def without_secrets(value: t.Any, secret_keys: t.Collection[str] = ("encryptionPassword", "password", "apiKey")) -> t.Any:
    """For diffs and returns. Two different secrets look alike; that there is one can be seen."""
    if isinstance(value, dict):
        return {
            key: (MASK if item else item) if key in secret_keys else without_secrets(item, secret_keys)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item, secret_keys) for item in value]
    return value
