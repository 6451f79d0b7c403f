# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of every Syncthing object, with a value and the expected configuration: run against the double and the daemons.

A row is what an option must do, whatever the product's own table says: an option that is accepted and writes nothing, or writes
something else, is red. To add an option, add its row to plugins/module_utils/_syncthing/_tables.py, its documentation to
plugins/doc_fragments/syncthing.py, and a row here; the unit test test_tables.py says which of the three is missing.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from module_call import ModuleFailed, call
from syncthing_steps import NAS

Json = t.Dict[str, t.Any]  # noqa: UP006


class Row(t.NamedTuple):
    """An option, a value that is not its default, and the key and value that Syncthing's object must then have."""

    option: str
    value: t.Any
    key: str | None
    then: t.Any
    since: tuple[int, int] = (0, 0)  # the first version of Syncthing that has the option


def same(option: str, value: t.Any, key: str, since: tuple[int, int] = (0, 0)) -> Row:
    return Row(option, value, key, value, since)


OF_DEVICES = [
    same("addresses", ["tcp://nas:22000"], "addresses"),
    same("allowed_networks", ["!100.64.0.1/32", "100.64.0.0/10"], "allowedNetworks"),
    same("introducer", True, "introducer"),
    same("skip_introduction_removals", True, "skipIntroductionRemovals"),
    same("auto_accept_folders", True, "autoAcceptFolders"),
    same("paused", True, "paused"),
    same("untrusted", True, "untrusted"),
    same("compression", "always", "compression"),
    same("max_send_kbps", 100, "maxSendKbps"),
    same("max_recv_kbps", 200, "maxRecvKbps"),
    same("num_connections", 2, "numConnections", (1, 25)),
    same("remote_gui_port", 8384, "remoteGUIPort"),
    Row("settings", {"maxRequestKiB": 7}, "maxRequestKiB", 7),
]
OF_FOLDERS = [
    Row("versioning", {"type": "simple", "params": {"keep": 3}}, "versioning.params", {"keep": "3"}),
    same("paused", True, "paused"),
    same("rescan_interval", 77, "rescanIntervalS"),
    same("fs_watcher", False, "fsWatcherEnabled"),
    same("fs_watcher_delay", 5, "fsWatcherDelayS"),
    same("ignore_permissions", True, "ignorePerms"),
    Row("min_disk_free", "5 GB", "minDiskFree", {"value": 5, "unit": "GB"}),
    same("max_conflicts", -1, "maxConflicts"),
    same("order", "newestFirst", "order"),
    Row("settings", {"hashers": 2}, "hashers", 2),
]
# The rows of each object. The rows of a share are about the share of the device NAS.
ROWS: t.Mapping[str, list[Row]] = {
    "device": [same("name", "nas", "name"), same("device_id", NAS, "deviceID"), *OF_DEVICES],
    "folder": [
        same("id", "photos", "id"),
        same("label", "Photos", "label"),
        Row("path", "photos", "path", "photos"),  # below the root that the test chooses
        Row("requires_mount", "/proc", None, None),
        same("type", "receiveonly", "type"),
        Row("devices", [{"device_id": NAS}], "share", {"deviceID": NAS}),
        Row("device_names", ["nas"], "share", {"deviceID": NAS}),
        same("marker_name", "a-marker", "markerName"),
        Row("ignores", ["*.tmp"], "ignores", ["*.tmp"]),
        *OF_FOLDERS,
    ],
    "member": [
        Row("name", "nas", "share", {"deviceID": NAS}),
        Row("device_id", NAS, "share", {"deviceID": NAS}),
        Row("encryption_password", "a-folder-password", "share", {"encryptionPassword": "a-folder-password"}),
    ],
    "versioning": [
        same("type", "trashcan", "type"),
        Row("params", {"cleanoutDays": 30}, "params", {"cleanoutDays": "30"}),
        same("path", "/srv/versions-of-tailsync", "fsPath", (1, 14)),
        same("cleanup_interval", 600, "cleanupIntervalS"),
    ],
    "options": [
        same("listen_addresses", ["tcp://127.0.0.1:0"], "listenAddresses"),
        same("global_announce_enabled", False, "globalAnnounceEnabled"),
        same("global_announce_servers", ["https://127.0.0.1:1/"], "globalAnnounceServers"),
        same("local_announce_enabled", False, "localAnnounceEnabled"),
        same("announce_lan_addresses", False, "announceLANAddresses"),
        same("relays_enabled", False, "relaysEnabled"),
        same("nat_enabled", False, "natEnabled"),
        same("stun_keepalive_start", 100, "stunKeepaliveStartS"),
        same("crash_reporting_enabled", False, "crashReportingEnabled"),
        same("ur_accepted", -1, "urAccepted"),
        same("auto_upgrade_interval", 13, "autoUpgradeIntervalH"),
        same("reconnection_interval", 33, "reconnectionIntervalS"),
        same("always_local_nets", ["100.64.0.0/10"], "alwaysLocalNets"),
        same("max_send_kbps", 100, "maxSendKbps"),
        same("max_recv_kbps", 200, "maxRecvKbps"),
        same("limit_bandwidth_in_lan", True, "limitBandwidthInLan"),
        same("max_folder_concurrency", 2, "maxFolderConcurrency"),
        Row("settings", {"keepTemporariesH": 25}, "keepTemporariesH", 25),
    ],
    "gui": [
        same("enabled", True, "enabled"),  # if it is off, the API does not answer
        Row("address", "", None, None),  # the present address: a separate test changes it
        same("unix_socket_permissions", "0660", "unixSocketPermissions"),
        same("user", "admin", "user"),
        Row("password", "a-gui-password", "password", "$2"),
        same("tls", False, "useTLS"),  # a separate test switches it on
        same("api_key", "another-api-key-0123456789", "apiKey"),
        same("insecure_skip_hostcheck", True, "insecureSkipHostcheck"),
        same("theme", "dark", "theme"),
        Row("settings", {"debugging": True}, "debugging", True),
    ],
    "defaults": [
        Row("device", {"compression": "always"}, "device.compression", "always"),
        Row("folder", {"order": "newestFirst"}, "folder.order", "newestFirst"),
        Row("ignores", ["*.tmp"], "ignores.lines", ["*.tmp"], (1, 19)),
    ],
}
# The default objects have the options of these rows, too.
DEFAULTS: t.Mapping[str, list[Row]] = {"device": OF_DEVICES, "folder": OF_FOLDERS}
# Rows whose value a Syncthing with the first configuration, and the double, already have.
UNCHANGED = {("gui", "enabled"), ("gui", "tls"), ("gui", "address"), ("folder", "requires_mount")}


def value_at(found: t.Any, key: str) -> t.Any:
    for name in key.split("."):
        found = found[name]
    return found


def holds(found: Json, row: Row) -> bool:
    """Tell whether an object has the value of the row; a share and a password hash are compared in part."""
    if row.key is None:
        return True
    if row.key == "share":
        share = next(one for one in found["devices"] if one["deviceID"] == NAS)
        return all(share[name] == value for name, value in row.then.items())
    value = value_at(found, row.key)
    if row.option == "password":
        return str(value).startswith(row.then)
    return bool(value == row.then)


class Bench:
    """Calls a module with one option, and reads Syncthing's configuration without the module."""

    def __init__(self, home: str, root: str, config: t.Callable[[], Json], ignores: t.Callable[[str], list[str]]) -> None:
        self.home, self.root, self.config, self.ignores = home, root, config, ignores
        self.call("syncthing_device", name="nas", device_id=NAS)
        pathlib.Path(root, "photos").mkdir()

    def call(self, module: str, **options: t.Any) -> Json:
        # Syncthing delays the start of its web interface after a few restarts in a row.
        return call(module, home=self.home, timeout=60, **options)

    def folder(self, **own: t.Any) -> Json:
        return {"id": "photos", "path": f"{self.root}/photos", **own}

    def of(self, kind: str, row: Row) -> tuple[str, Json]:
        """The module and its options for one row."""
        own = {row.option: row.value}
        if (kind, row.option) == ("gui", "address"):
            own = {"address": self.config()["gui"]["address"]}
        if kind == "device":
            return "syncthing_device", {"name": "nas", "device_id": NAS, **own}
        if kind == "folder":
            return "syncthing_folder", self.folder(**({} if row.option == "path" else own))
        if kind == "member":
            identity = {} if row.option in ("name", "device_id") else {"device_id": NAS}
            return "syncthing_folder", self.folder(devices=[{**identity, **own}])
        if kind == "versioning":
            return "syncthing_folder", self.folder(versioning={"type": "trashcan", **own})
        return "syncthing_settings", {kind: own}

    def found(self, kind: str) -> Json:
        config = self.config()
        if kind == "device":
            return next(one for one in config["devices"] if one["name"] == "nas")
        if kind in ("folder", "member", "versioning"):
            folder = next(one for one in config["folders"] if one["id"] == "photos")
            folder = {**folder, "ignores": self.ignores("photos"), "path": folder["path"].rpartition("/")[2]}
            return t.cast("Json", folder["versioning"] if kind == "versioning" else folder)
        return t.cast("Json", config[kind])

    def reset(self, kind: str) -> None:
        """Start with a new object, so that the next row is tested alone."""
        if kind == "device":
            self.call("syncthing_device", name="nas", state="absent")
            self.call("syncthing_device", name="nas", device_id=NAS)
        elif kind in ("folder", "member", "versioning"):
            self.call("syncthing_folder", id="photos", state="absent")


def check_row(bench: Bench, kind: str, row: Row, version: tuple[int, int]) -> None:
    """Assert that the option has the effect of its row, and that a second call changes nothing."""
    bench.reset(kind)
    module, options = bench.of(kind, row)
    if version < row.since:
        with pytest.raises(ModuleFailed, match=f"this version of Syncthing has no {row.option}"):
            bench.call(module, **options)
        return
    if (kind, row.option) not in UNCHANGED and isinstance(row.value, int):  # the value differs from the one before
        other = not row.value if isinstance(row.value, bool) else row.value + 1
        _module, others = bench.of(kind, row._replace(value=other))
        bench.call(module, **others)
    changed = bench.call(module, **options)["changed"]
    what = f"{kind}.{row.option}"
    assert holds(bench.found(kind), row), f"{what}: Syncthing's value is not that of tests/support/syncthing_options.py"
    assert changed or (kind, row.option) in UNCHANGED or row.option in ("name", "device_id"), f"{what}: reported as no change"
    again = bench.call(module, **options)
    assert (again["changed"], again["requests"]["writes"]) == (False, 0), f"{what}: again {again['before']} {again['after']}"


def all_rows() -> list[t.Any]:
    return [pytest.param(kind, row, id=f"{kind}-{row.option}") for kind, rows in ROWS.items() for row in rows]
