# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the smallest ordered set of writes from the present to the declared configuration: pure functions.

Folders and devices are always written as whole objects, never with PATCH: some versions reset keys that a PATCH leaves out,
and all of them merge lists by position (syncthing#10746). The web interface's settings are the exception; they have no lists.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import copy
import typing as t
from urllib.parse import quote

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _describe, _devices, _refuse, _schema
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError, concerning
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._schema import Json, Present, same


class Write(t.NamedTuple):
    method: str
    path: str
    body: t.Any = None


class Seen(t.NamedTuple):
    """Facts about the host in addition to its configuration."""

    own_id: str
    ignores: t.Mapping[str, list[str]] = {}  # present patterns of the declared folders
    password_fits: bool = False  # whether the declared plain password fits the stored hash
    rehashes: bool = False  # whether Syncthing hashes a hash again (before 1.25)
    left_out: t.Collection[str] = ()  # IDs of the declared folders that cannot be used now, or are refused


class Plan(t.NamedTuple):
    writes: list[Write]
    before: Json  # the declared keys of everything that changes, secrets masked
    after: Json
    declared: Json  # with the IDs of the devices that are known by name
    to_remove: t.Mapping[str, list[str]]  # IDs, by kind of object
    whole: Json  # the complete planned configuration, with secrets
    ignores: t.Mapping[str, list[str]]  # the planned patterns
    unresolved: list[str]  # names of devices whose ID is not known
    new_folders: list[Json]

    @property
    def described(self) -> Json:
        """The planned values of all declared keys, secrets masked."""
        state = _describe.State(self.whole, self.ignores)
        return t.cast("Json", _schema.without_secrets(_describe.describe(state, self.declared, self.to_remove)))

    @property
    def new_ignores(self) -> t.Mapping[str, list[str]]:
        """The patterns of new folders, which must be written before the first scan."""
        return {one["id"]: self.ignores[one["id"]] for one in self.new_folders if one["id"] in self.ignores}


def plan(config: Json, seen: Seen, declared: Json) -> Plan:
    """The plan for one host. `config` is its GET /rest/config."""
    present = Present(config)
    resolved, unresolved = _resolved(config, seen, declared)
    replaced = _devices.replaced(present, resolved["devices"], seen.own_id, declared.get("replace_devices", False))
    to_remove = _devices.to_remove(present, resolved, seen.own_id, replaced, bool(unresolved))
    resolved["folders"] = [one for one in resolved["folders"] if one["id"] not in seen.left_out]
    wanted = _wanted(present, seen, resolved, replaced, to_remove)
    _refuse.nesting(present.folders, wanted.folders, to_remove["folders"])
    planned = wanted.over(config)
    _refuse.contradictions({**present.devices, **wanted.devices}, planned["folders"], resolved["folders"], seen.own_id)
    patterns = {one["id"]: _schema.patterns(one["ignores"]) for one in resolved["folders"] if one.get("ignores") is not None}
    before = _describe.State(config, seen.ignores)
    after = _describe.State(planned, {**seen.ignores, **patterns})
    differences = _describe.differences(before, after, resolved, to_remove)
    return Plan(
        _writes(present, wanted, {key: lines for key, lines in patterns.items() if key in present.folders}, seen.ignores),
        before=differences[0],
        after=differences[1],
        declared=resolved,
        to_remove=to_remove,
        whole=after.config,
        ignores=after.ignores,
        unresolved=unresolved,
        new_folders=[one for key, one in wanted.folders.items() if key not in present.folders],
    )


def _resolved(config: Json, seen: Seen, declared: Json) -> tuple[Json, list[str]]:
    """The declared objects with IDs instead of names, and the names whose ID is not known."""
    # Syncthing names this host by its host name, which may be another host's inventory name; in a mesh no name means this host.
    others = [one for one in config.get("devices") or [] if declared.get("all_known") or one["deviceID"] != seen.own_id]
    devices, folders, unresolved = _devices.resolve(declared.get("devices") or [], declared.get("folders") or [], others)
    if unresolved and declared.get("all_known"):
        raise SyncthingError(f"{', '.join(unresolved)} is no device that is known here: give its device_id")
    return {**declared, "devices": devices, "folders": folders}, unresolved


class _Wanted(t.NamedTuple):
    """The wanted objects: only declared ones, and those that have to change with them."""

    devices: dict[str, Json]
    folders: dict[str, Json]
    options: Json
    gui: Json
    defaults: Json
    to_remove: t.Mapping[str, list[str]]

    def over(self, config: Json) -> Json:
        """The complete planned configuration."""
        present = Present(config)
        devices = set(self.to_remove["devices"])
        folders = _without({**present.folders, **self.folders}, self.to_remove["folders"])
        defaults = {**present.defaults, **self.defaults}
        if defaults.get("folder"):
            defaults["folder"] = _shared_without(defaults["folder"], devices)
        return {
            **config,
            "devices": _without({**present.devices, **self.devices}, devices),
            "folders": [_shared_without(one, devices) for one in folders],  # removing a device removes its shares
            "options": self.options,
            "gui": self.gui,
            "defaults": defaults,
        }


def _shared_without(folder: Json, devices: t.Collection[str]) -> Json:
    if not devices:
        return folder
    return {**folder, "devices": [share for share in folder.get("devices") or [] if share["deviceID"] not in devices]}


def _without(items: t.Mapping[str, Json], removed: t.Collection[str]) -> list[Json]:
    return [item for key, item in items.items() if key not in removed]


# --- wanted objects -----------------------------------------------------------------------------


def _wanted(
    present: Present, seen: Seen, declared: Json, replaced: t.Mapping[str, str], to_remove: t.Mapping[str, list[str]]
) -> _Wanted:
    defaults = _defaults(present, declared.get("defaults") or {})
    # Before the first start the declared defaults are no complete object, so they do not show which keys a version lacks.
    templates = {kind: defaults[kind] if present.defaults.get(kind) else {} for kind in ("device", "folder")}
    folders = _wanted_folders(present, declared, templates["folder"], seen.own_id, replaced)
    known = {*present.devices, seen.own_id} | {one["device_id"] for one in declared["devices"]}
    for one in declared["folders"]:
        with concerning(one["id"]):
            _refuse.unknown_members(folders[one["id"]], known - {*to_remove["devices"]})
    return _Wanted(
        devices=_wanted_devices(present, declared["devices"], templates["device"], replaced),
        folders=folders,
        options=_wanted_options(present, declared.get("options") or {}),
        gui=_wanted_gui(present, declared.get("gui") or {}, seen),
        defaults=defaults,
        to_remove=to_remove,
    )


def _defaults(present: Present, declared: Json) -> Json:
    """The templates of new objects, also if none are declared."""
    found = copy.deepcopy(present.defaults)
    for kind, make_one in (("device", _schema.device_defaults), ("folder", _schema.folder_defaults)):
        found[kind] = make_one(found.get(kind) or {}, declared.get(kind) or {})
    if declared.get("ignores") is not None:
        found["ignores"] = {"lines": _schema.patterns(declared["ignores"])}
    return found


def _wanted_devices(present: Present, devices: list[Json], template: Json, replaced: t.Mapping[str, str]) -> dict[str, Json]:
    predecessors = {new: present.devices[old] for old, new in replaced.items()}
    wanted = {}
    for one in devices:
        device_id = one["device_id"]
        base = present.devices.get(device_id) or predecessors.get(device_id) or template
        wanted[device_id] = _schema.device(base, one)
        _refuse.untrusted(wanted[device_id], one)
    return wanted


def _wanted_folders(
    present: Present,
    declared: Json,
    template: Json,
    own_id: str,
    replaced: t.Mapping[str, str],
) -> dict[str, Json]:
    wanted = {}
    for folder_id, folder in present.folders.items():
        if replaced and any(share["deviceID"] in replaced for share in folder["devices"]):
            wanted[folder_id] = _with_successors(folder, replaced)
    allowed = declared.get("allow_moves", False)
    for one in declared["folders"]:
        base = wanted.get(one["id"]) or present.folders.get(one["id"])
        with concerning(one["id"]):
            if base is not None:
                _refuse.moves(base, one, allowed)
                _refuse.encryption(base, one)
                _refuse.passwords(present.folders.get(one["id"]) or {}, one, allowed)
            elif not one.get("path"):
                raise SyncthingError(f"folder {one['id']} is not here yet, and has no path: set its path")
            # A new folder is shared with the declared devices only, whatever the template says.
            wanted[one["id"]] = _schema.folder(base or ({**template, "devices": []} if template else {}), one, own_id)
    return wanted


def _with_successors(folder: Json, replaced: t.Mapping[str, str]) -> Json:
    shares = {share["deviceID"]: share for share in folder["devices"] if share["deviceID"] not in replaced}
    for share in folder["devices"]:
        new = replaced.get(share["deviceID"])
        if new is not None:
            shares.setdefault(new, {**share, "deviceID": new})
    return {**folder, "devices": [shares[key] for key in sorted(shares)]}


def _wanted_gui(present: Present, declared: Json, seen: Seen) -> Json:
    if not declared:
        return present.gui
    password = declared.get("password")
    if password and _schema.is_hash(password) and seen.rehashes and password != present.gui.get("password"):
        raise SyncthingError(
            "gui: password is a hash, which this Syncthing (before 1.25) would hash again: give the password itself"
        )
    wanted = _schema.gui(present.gui, declared, seen.password_fits)
    _refuse.tls_in_a_socket(present.gui, wanted)
    _refuse.unused_password(wanted, declared)
    return wanted


def _wanted_options(present: Present, declared: Json) -> Json:
    if not declared:
        return present.options
    wanted = _schema.options(present.options, declared)
    _refuse.priorities(wanted, declared)
    return wanted


# --- writes -------------------------------------------------------------------------------------


def _writes(
    present: Present, wanted: _Wanted, ignores: t.Mapping[str, list[str]], present_ignores: t.Mapping[str, list[str]]
) -> list[Write]:
    """The writes in order: devices before folders, because Syncthing silently drops unknown devices of a folder; removals after
    all that Syncthing may refuse, and the web interface last, because it restarts the API.
    """
    writes = []
    for kind, path in (("device", "device"), ("folder", "folder"), ("ignores", "ignores")):
        if kind in wanted.defaults and not same(present.defaults.get(kind) or {}, wanted.defaults[kind]):
            writes.append(Write("PUT", f"config/defaults/{path}", wanted.defaults[kind]))
    changed = _differing(present.devices, wanted.devices)
    if changed:
        writes.append(Write("PUT", "config/devices", _schema.exact(changed)))
    changed = _differing(present.folders, wanted.folders)
    if changed:
        writes.append(Write("PUT", "config/folders", _schema.exact(changed)))
    for folder_id, lines in ignores.items():
        if lines != present_ignores.get(folder_id, []):
            writes.append(Write("POST", f"db/ignores?folder={quote(folder_id, safe='')}", {"ignore": lines}))
    if not same(present.options, wanted.options):
        writes.append(Write("PUT", "config/options", wanted.options))
    writes += [Write("DELETE", f"config/folders/{quote(key, safe='')}") for key in wanted.to_remove["folders"]]
    writes += [Write("DELETE", f"config/devices/{key}") for key in wanted.to_remove["devices"]]
    gui = {key: value for key, value in wanted.gui.items() if key not in present.gui or present.gui[key] != value}
    if gui:
        # Only changed keys: before 1.25 a PUT hashes the stored hash of the password again.
        writes.append(Write("PATCH", "config/gui", gui))
    return writes


def back(now: Json, before: Json, now_ignores: t.Mapping[str, list[str]], ignores: t.Mapping[str, list[str]]) -> list[Write]:
    """The writes from a configuration and ignore patterns back to earlier ones."""
    present, then = Present(now), Present(before)
    to_remove = {
        "devices": [key for key in present.devices if key not in then.devices],
        "folders": [key for key in present.folders if key not in then.folders],
    }
    wanted = _Wanted(then.devices, then.folders, then.options, then.gui, then.defaults, to_remove)
    return _writes(present, wanted, {key: ignores.get(key, []) for key in now_ignores if key in then.folders}, now_ignores)


def _differing(present: t.Mapping[str, Json], wanted: t.Mapping[str, Json]) -> list[Json]:
    return [value for key, value in wanted.items() if not same(present.get(key), value)]
