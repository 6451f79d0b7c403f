# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthing's objects as tables: each row is an option of the modules, its key in the REST API, its specification and its check.

To add an option, add a row here, its documentation (plugins/doc_fragments/syncthing.py) and a row of the test table
(tests/support/syncthing_options.py). A check refuses values that Syncthing itself refuses or silently replaces (the prepare
functions of lib/config). It runs before anything is written, and on the controller before any host is changed.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common import checks
from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import (
    LOCAL,
    NAME,
    PART,
    Key,
    Spec,
    Table,
    problems,
    spec_of,
)

BOOL: Spec = {"type": "bool"}
INT: Spec = {"type": "int"}
STR: Spec = {"type": "str"}
STRINGS: Spec = {"type": "list", "elements": "str"}
PATH: Spec = {"type": "path"}
SECRET: Spec = {"type": "str", "no_log": True}
SETTINGS: Spec = {"type": "dict"}
STATE: Spec = {"type": "str", "choices": ["present", "absent"], "default": "present"}

LARGEST = 2**31 - 1  # Go's largest int on a 32-bit machine
YEAR = 365 * 24 * 60 * 60  # seconds; the longest interval that Syncthing accepts (lib/config, MaxRescanIntervalS)
SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(%|[kMGT]?B?|)\s*$")
CONCURRENT_WRITES_MAX = 256  # of version 2 (lib/config, maxConcurrentWritesLimit)


def _size(value: t.Any) -> str | None:
    return None if SIZE.match(str(value)) else "write a number and a unit, such as '1 %' or '10 GB'"


def _no_kcp(value: t.Any) -> str | None:
    """Refuse a protocol that Syncthing no longer has: it drops such addresses (lib/config, removeDeprecatedProtocols)."""
    if not str(value).strip():
        return "an address must not be empty"
    return "Syncthing no longer has KCP: use tcp://" if str(value).startswith("kcp") else None


def _listen(value: t.Any) -> str | None:
    return checks.unique(value) or checks.each(_no_kcp)(value)


def _gui_address(value: t.Any) -> str | None:
    """Refuse addresses that are neither valid for Go's net.ResolveTCPAddr nor the path of a unix socket."""
    text = str(value)
    if text.startswith("/"):
        return None
    host, colon, port = text.rpartition(":")
    bare = ":" in host and not (host.startswith("[") and host.endswith("]"))
    numbered = bool(re.fullmatch("[0-9]{1,5}", port)) and int(port) <= checks.PORT_MAX
    if not colon or bare or not (numbered or re.fullmatch(r"[a-z][a-z0-9-]*", port)):
        return "write host:port such as 127.0.0.1:8384 or [::1]:8384, or the path of a unix socket"
    return None


# The options of a device without name and ID; also the defaults of new devices.
DEVICE_DEFAULTS_ROWS: Table = (
    Key("addresses", "addresses", STRINGS, check=checks.each(_no_kcp)),
    Key("allowed_networks", "allowedNetworks", STRINGS, check=checks.each(checks.network_or_not)),
    Key("introducer", "introducer", BOOL),
    Key("skip_introduction_removals", "skipIntroductionRemovals", BOOL),
    Key("auto_accept_folders", "autoAcceptFolders", BOOL),
    Key("paused", "paused", BOOL),
    Key("untrusted", "untrusted", BOOL),
    Key("compression", "compression", {"type": "str", "choices": ["metadata", "always", "never"]}),
    Key("max_send_kbps", "maxSendKbps", INT, check=checks.between(0, LARGEST)),
    Key("max_recv_kbps", "maxRecvKbps", INT, check=checks.between(0, LARGEST)),
    Key("num_connections", "numConnections", INT, check=checks.between(-1, LARGEST, "0 is Syncthing's choice, -1 is one")),
    Key("remote_gui_port", "remoteGUIPort", INT, check=checks.between(0, checks.PORT_MAX)),
    Key("settings", None, SETTINGS, PART),
)
DEVICE_ROWS: Table = (
    Key("name", "name", {"type": "str", "required": True}),
    Key("device_id", "deviceID", STR, NAME),
    *DEVICE_DEFAULTS_ROWS,
)
# A device's part in a folder.
MEMBER_ROWS: Table = (
    Key("name", None, STR, NAME),
    Key("device_id", "deviceID", STR, NAME),
    Key("encryption_password", "encryptionPassword", SECRET),
)
VERSIONING_ROWS: Table = (
    Key(
        "type",
        "type",
        {"type": "str", "choices": ["none", "trashcan", "simple", "staggered", "external"], "required": True},
        PART,
    ),
    Key("params", "params", SETTINGS, PART),
    Key("path", "fsPath", PATH),
    Key("cleanup_interval", "cleanupIntervalS", INT, check=checks.between(0, YEAR)),
)
# The options of a folder that are also defaults of new folders.
FOLDER_DEFAULTS_ROWS: Table = (
    Key("versioning", "versioning", {"type": "dict", "options": spec_of(VERSIONING_ROWS)}, PART),
    Key("paused", "paused", BOOL),
    Key("rescan_interval", "rescanIntervalS", INT, check=checks.between(0, YEAR, "0 turns the rescan off")),
    Key("fs_watcher", "fsWatcherEnabled", BOOL),
    Key("fs_watcher_delay", "fsWatcherDelayS", INT, check=checks.between(1, LARGEST, "fs_watcher: false turns the watcher off")),
    Key("ignore_permissions", "ignorePerms", BOOL),
    Key("min_disk_free", "minDiskFree", STR, PART, _size),
    Key("max_conflicts", "maxConflicts", INT, check=checks.between(-1, LARGEST, "-1 keeps all")),
    Key(
        "order",
        "order",
        {
            "type": "str",
            "choices": ["random", "alphabetic", "smallestFirst", "largestFirst", "oldestFirst", "newestFirst"],
        },
    ),
    Key("settings", None, SETTINGS, PART),
)
FOLDER_ROWS: Table = (
    Key("id", "id", {"type": "str", "required": True}, NAME, checks.filled),
    Key("label", "label", STR),
    Key("path", "path", STR),
    Key("requires_mount", None, PATH, LOCAL),
    Key("type", "type", {"type": "str", "choices": ["sendreceive", "sendonly", "receiveonly", "receiveencrypted"]}),
    Key(
        "devices",
        "devices",
        {
            "type": "list",
            "elements": "dict",
            "options": spec_of(MEMBER_ROWS),
            "required_one_of": [("name", "device_id")],
        },
        PART,
    ),
    Key("device_names", "devices", STRINGS, PART, checks.each(checks.filled)),
    Key("marker_name", "markerName", STR, check=checks.filled),
    Key("ignores", None, STRINGS, PART),
    *FOLDER_DEFAULTS_ROWS,
)
OPTIONS_ROWS: Table = (
    Key("listen_addresses", "listenAddresses", STRINGS, check=_listen),
    Key("global_announce_enabled", "globalAnnounceEnabled", BOOL),
    Key("global_announce_servers", "globalAnnounceServers", STRINGS, check=checks.unique),
    Key("local_announce_enabled", "localAnnounceEnabled", BOOL),
    Key("announce_lan_addresses", "announceLANAddresses", BOOL),
    Key("relays_enabled", "relaysEnabled", BOOL),
    Key("nat_enabled", "natEnabled", BOOL),
    # For Syncthing 0 and all negative numbers mean "off", as with auto_upgrade_interval.
    Key("stun_keepalive_start", "stunKeepaliveStartS", INT, check=checks.between(-LARGEST, LARGEST)),
    Key("crash_reporting_enabled", "crashReportingEnabled", BOOL),
    Key("ur_accepted", "urAccepted", INT, check=checks.between(-1, LARGEST)),
    Key("auto_upgrade_interval", "autoUpgradeIntervalH", INT, check=checks.between(-LARGEST, LARGEST)),
    Key("reconnection_interval", "reconnectionIntervalS", INT, check=checks.between(5, LARGEST)),
    Key("always_local_nets", "alwaysLocalNets", STRINGS, check=checks.each(checks.network)),
    Key("max_send_kbps", "maxSendKbps", INT, check=checks.between(0, LARGEST)),
    Key("max_recv_kbps", "maxRecvKbps", INT, check=checks.between(0, LARGEST)),
    Key("limit_bandwidth_in_lan", "limitBandwidthInLan", BOOL),
    Key("max_folder_concurrency", "maxFolderConcurrency", INT, check=checks.between(-1, LARGEST)),
    Key("settings", None, SETTINGS, PART),
)
GUI_ROWS: Table = (
    Key("enabled", "enabled", BOOL),
    Key("address", "address", STR, check=_gui_address),
    Key(
        "unix_socket_permissions",
        "unixSocketPermissions",
        STR,
        check=checks.matches("(0?[0-7]{3})?", 'permissions in octal and between quotation marks, such as "0660"'),
    ),
    Key("user", "user", STR),
    Key("password", "password", SECRET),
    Key("tls", "useTLS", BOOL),
    Key("api_key", "apiKey", SECRET),
    Key("insecure_skip_hostcheck", "insecureSkipHostcheck", BOOL),
    Key("theme", "theme", STR),
    Key("settings", None, SETTINGS, PART),
)
DEFAULTS_ROWS: Table = (
    Key("device", "device", {"type": "dict", "options": spec_of(DEVICE_DEFAULTS_ROWS)}, PART),
    Key("folder", "folder", {"type": "dict", "options": spec_of(FOLDER_DEFAULTS_ROWS)}, PART),
    Key("ignores", "ignores", STRINGS, PART),
)


def _one_of(*choices: str) -> checks.Check:
    return checks.matches("|".join(choices), f"one of {', '.join(choices)}")


# Keys without an option whose values Syncthing may replace.
SETTINGS_ROWS: Table = (
    Key("maxConcurrentWrites", "maxConcurrentWrites", INT, check=checks.between(1, CONCURRENT_WRITES_MAX)),
    Key("connectionLimitEnough", "connectionLimitEnough", INT, check=checks.between(0, LARGEST)),
    Key("connectionLimitMax", "connectionLimitMax", INT, check=checks.between(0, LARGEST)),
)
SETTINGS_TEXT_ROWS: Table = (
    Key(
        "copyRangeMethod",
        "copyRangeMethod",
        STR,
        check=_one_of("standard", "ioctl", "copy_file_range", "sendfile", "duplicate_extents", "all"),
    ),
    Key("blockPullOrder", "blockPullOrder", STR, check=_one_of("standard", "random", "inOrder")),
    Key("filesystemType", "filesystemType", STR, check=_one_of("basic", "fake")),
    Key("databaseTuning", "databaseTuning", STR, check=_one_of("auto", "small", "large")),
    Key("authMode", "authMode", STR, check=_one_of("static", "ldap")),
    Key("sessionCookiePath", "sessionCookiePath", STR, check=checks.matches(r"(/(.*\S)?)?", "a path that begins with /")),
)
# The objects by their names in messages.
OBJECTS: t.Mapping[str, Table] = {
    "device": DEVICE_ROWS,
    "folder": FOLDER_ROWS,
    "member": MEMBER_ROWS,
    "versioning": VERSIONING_ROWS,
    "options": OPTIONS_ROWS,
    "gui": GUI_ROWS,
    "defaults": DEFAULTS_ROWS,
}

# --- argument specifications --------------------------------------------------------------------

CONNECTION: Spec = {
    "home": {"type": "path", "default": "/var/lib/syncthing"},
    "timeout": {"type": "int", "default": 60},
}
# The place of a folder, for modules that check whether its disk is mounted.
PLACE: Spec = {"id": {"type": "str", "required": True}, "path": {"type": "str"}, "requires_mount": {"type": "path"}}
DEVICE_DEFAULTS = spec_of(DEVICE_DEFAULTS_ROWS)
DEVICE = spec_of(DEVICE_ROWS)
MEMBER = spec_of(MEMBER_ROWS)
VERSIONING = spec_of(VERSIONING_ROWS)
FOLDER = spec_of(FOLDER_ROWS)
FOLDER_DEFAULTS = spec_of(FOLDER_DEFAULTS_ROWS)
OPTIONS = spec_of(OPTIONS_ROWS)
GUI = spec_of(GUI_ROWS)
DEFAULTS = spec_of(DEFAULTS_ROWS)
SYSTEM: Spec = {
    "options": {"type": "dict", "options": OPTIONS},
    "gui": {"type": "dict", "options": GUI},
    "defaults": {"type": "dict", "options": DEFAULTS},
}
FOLDER_GUARDS: Spec = {
    "folder_owner": STR,
    "allow_moves": {"type": "bool", "default": False},
}
CLUSTER: Spec = {
    "devices": {"type": "list", "elements": "dict", "options": DEVICE, "default": []},
    "folders": {"type": "list", "elements": "dict", "options": FOLDER, "default": []},
    **SYSTEM,
    "absent_devices": {"type": "list", "elements": "str", "default": []},
    "absent_folders": {"type": "list", "elements": "str", "default": []},
    "purge_devices": {"type": "bool", "default": False},
    "purge_folders": {"type": "bool", "default": False},
    "replace_devices": {"type": "bool", "default": False},
    "partial": {"type": "bool", "default": False},
    **FOLDER_GUARDS,
}

# --- checks of declared values: pure, for the modules and for the controller ---------------------

Path = t.Tuple[str, ...]  # noqa: UP006  (3.9 at run time)
Problem = t.Tuple[Path, str]  # noqa: UP006  the place in the object, and the reason
Declared = t.Mapping[str, t.Any]


def device_problems(declared: Declared) -> t.Iterator[Problem]:
    """Problems of a device (or of the defaults of devices) whose values have the right types."""
    yield from _problems(DEVICE_DEFAULTS_ROWS, declared)
    for option in ("introducer", "auto_accept_folders"):
        if declared.get("untrusted") and declared.get(option):
            yield (option,), "is true, and untrusted as well, for which Syncthing turns it off: set one of them to false"


def folder_problems(declared: Declared) -> t.Iterator[Problem]:
    """Problems of a folder, including its versioning."""
    yield from _problems(FOLDER_ROWS, declared)
    for option, reason in problems(VERSIONING_ROWS, declared.get("versioning") or {}):
        yield ("versioning", option), reason
    if declared.get("type") == "receiveencrypted" and declared.get("ignore_permissions") is False:
        yield ("ignore_permissions",), "is false, but a folder that holds only ciphertext has none: leave it out"


def options_problems(declared: Declared) -> t.Iterator[Problem]:
    yield from _problems(OPTIONS_ROWS, declared)


def gui_problems(declared: Declared) -> t.Iterator[Problem]:
    yield from _problems(GUI_ROWS, declared)
    if declared.get("password") and (declared.get("settings") or {}).get("authMode") == "ldap":
        yield ("password",), f"{WITH_LDAP} take it out, or set settings: {{authMode: static}}"


def defaults_problems(declared: Declared) -> t.Iterator[Problem]:
    for kind, check in (("device", device_problems), ("folder", folder_problems)):
        for path, reason in check(declared.get(kind) or {}):
            yield (kind, *path), reason


# With LDAP Syncthing accepts no password of its own, so none can be compared, and each run would set it again.
WITH_LDAP = "is not used with authMode ldap, where the LDAP server checks passwords:"

SYSTEM_PROBLEMS: t.Mapping[str, t.Callable[[Declared], t.Iterator[Problem]]] = {
    "options": options_problems,
    "gui": gui_problems,
    "defaults": defaults_problems,
}


def _problems(table: Table, declared: Declared) -> t.Iterator[Problem]:
    for option, reason in problems(table, declared):
        yield (option,), reason
    settings = {key: value for key, value in (declared.get("settings") or {}).items() if _number(value)}
    for key, reason in problems(SETTINGS_ROWS, {key: int(value) for key, value in settings.items()}):
        yield ("settings", key), reason
    for key, reason in problems(SETTINGS_TEXT_ROWS, declared.get("settings") or {}):
        yield ("settings", key), reason


def _number(value: t.Any) -> bool:
    return not isinstance(value, bool) and bool(re.fullmatch(r"-?\d+", str(value)))
