# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the right type that Syncthing would refuse or replace are refused before any request."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._common import checks
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables
from module_call import ModuleFailed, call
from syncthing_double import Syncthing
from syncthing_steps import NAS

Json = t.Dict[str, t.Any]  # noqa: UP006
YEAR = 31536000
DEVICE: Json = {"name": "nas", "device_id": NAS}
FOLDER: Json = {"id": "photos", "path": "/srv/photos"}


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (
            "syncthing_folder",
            {**FOLDER, "rescan_interval": -5},
            "folder photos: rescan_interval is -5: it must be from 0 to 31536000",
        ),
        ("syncthing_folder", {**FOLDER, "rescan_interval": YEAR + 1}, "rescan_interval is 31536001: it must be from 0"),
        (
            "syncthing_folder",
            {**FOLDER, "fs_watcher_delay": 0},
            "fs_watcher_delay is 0: it must be from 1 .*fs_watcher: false",
        ),
        ("syncthing_folder", {**FOLDER, "marker_name": ""}, "marker_name is '': it must not be empty"),
        ("syncthing_folder", {**FOLDER, "id": " "}, "id is ' ': it must not be empty"),
        ("syncthing_folder", {**FOLDER, "min_disk_free": "much"}, "min_disk_free is 'much': write a number and a unit"),
        ("syncthing_folder", {**FOLDER, "device_names": [""]}, "device_names has '': it must not be empty"),
        (
            "syncthing_folder",
            {**FOLDER, "versioning": {"type": "simple", "cleanup_interval": -1}},
            r"folder photos: versioning\.cleanup_interval is -1: it must be from 0",
        ),
        ("syncthing_folder", {**FOLDER, "type": "receiveencrypted", "ignore_permissions": False}, "ignore_permissions is false"),
        (
            "syncthing_folder",
            {**FOLDER, "settings": {"maxConcurrentWrites": "0"}},
            r"settings\.maxConcurrentWrites is 0: it must be",
        ),
        ("syncthing_device", {**DEVICE, "remote_gui_port": 70000}, "device nas: remote_gui_port is 70000: .* to 65535"),
        (
            "syncthing_device",
            {**DEVICE, "allowed_networks": ["100.64.0.0/10", "nas"]},
            "has 'nas': write a network",
        ),
        ("syncthing_device", {**DEVICE, "addresses": ["kcp://nas:22020"]}, "no longer has KCP"),
        ("syncthing_device", {**DEVICE, "addresses": ["", "tcp://nas:22000"]}, "an address must not be empty"),
        ("syncthing_device", {**DEVICE, "untrusted": True, "introducer": True}, "introducer is true, and untrusted as well"),
        ("syncthing_device", {**DEVICE, "untrusted": True, "auto_accept_folders": True}, "auto_accept_folders is true, and"),
        (
            "syncthing_settings",
            {"options": {"reconnection_interval": 1}},
            r"options \(the role's variable is syncthing_mesh_options\): reconnection_interval is 1: it must be from 5 to \d+",
        ),
        (
            "syncthing_settings",
            {"options": {"listen_addresses": ["tcp://:1", "tcp://:1"]}},
            "has 'tcp://:1': it must not be listed twice",
        ),
        (
            "syncthing_settings",
            {"options": {"listen_addresses": [" tcp://:1"]}},
            "has ' tcp://:1': it must not be empty",
        ),
        (
            "syncthing_settings",
            {"options": {"always_local_nets": ["100.64.0.0"]}},
            "has '100.64.0.0': write a network",
        ),
        ("syncthing_settings", {"options": {"settings": {"connectionLimitMax": -1}}}, r"settings\.connectionLimitMax is -1"),
        (
            "syncthing_settings",
            {"options": {"settings": {"databaseTuning": "huge"}}},
            r"settings\.databaseTuning is 'huge'.* small",
        ),
        ("syncthing_folder", {**FOLDER, "settings": {"copyRangeMethod": "x"}}, r"settings\.copyRangeMethod is 'x'.* sendfile"),
        ("syncthing_folder", {**FOLDER, "settings": {"blockPullOrder": "x"}}, r"settings\.blockPullOrder is 'x'.* inOrder"),
        ("syncthing_folder", {**FOLDER, "settings": {"filesystemType": "x"}}, r"settings\.filesystemType is 'x'.* basic"),
        ("syncthing_settings", {"gui": {"settings": {"authMode": "LDAP"}}}, r"settings\.authMode is 'LDAP'.* ldap"),
        ("syncthing_settings", {"gui": {"settings": {"sessionCookiePath": "a"}}}, "a path that begins with /"),
        (
            "syncthing_settings",
            {"gui": {"password": "secret", "settings": {"authMode": "ldap"}}},
            "password is not used with authMode ldap, .* take it out, or set settings: {authMode: static}",
        ),
        ("syncthing_settings", {"gui": {"address": "127.0.0.1:99999"}}, ": address is '127.0.0.1:99999': write host:port"),
        ("syncthing_settings", {"gui": {"address": "127.0.0.1"}}, "write host:port"),
        ("syncthing_settings", {"gui": {"address": "127.0.0.1:838²"}}, "write host:port"),
        ("syncthing_settings", {"gui": {"address": "::1:8384"}}, "write host:port"),
        ("syncthing_settings", {"gui": {"unix_socket_permissions": "rw"}}, "permissions in octal"),
        ("syncthing_settings", {"defaults": {"folder": {"rescan_interval": -5}}}, r": folder\.rescan_interval is -5"),
        ("syncthing_settings", {"defaults": {"device": {"allowed_networks": ["x"]}}}, r": device\.allowed_networks"),
        (
            "syncthing_cluster",
            {"devices": [{**DEVICE, "remote_gui_port": -1}], "folders": [{**FOLDER, "rescan_interval": -5}]},
            "device nas: remote_gui_port is -1.*; folder photos: rescan_interval is -5",
        ),
    ],
)
def test_wrong_value_is_refused_with_the_fix_before_any_request(
    double: Syncthing, tmp_path: pathlib.Path, module: str, options: Json, words: str
) -> None:
    for check_mode in (True, False):
        with pytest.raises(ModuleFailed, match=words):
            call(module, check_mode=check_mode, home=str(tmp_path / "home"), **options)
    assert double.requests == []


def test_option_that_contradicts_the_configuration_is_refused_before_any_write(double: Syncthing, tmp_path: pathlib.Path) -> None:
    home = str(tmp_path / "home")
    call("syncthing_device", home=home, **DEVICE, untrusted=True)
    call("syncthing_folder", home=home, id="cipher", path=f"{tmp_path}/cipher", type="receiveencrypted")
    call("syncthing_folder", home=home, id="plain", path=f"{tmp_path}/plain")
    double.requests.clear()
    refused: list[tuple[str, Json, str]] = [
        ("syncthing_device", {"name": "nas", "introducer": True}, "untrusted here, and Syncthing turns it off"),
        (
            "syncthing_folder",
            {"id": "cipher", "ignore_permissions": False},
            "which has no permissions: take ignore_permissions out",
        ),
        (
            "syncthing_folder",
            {"id": "plain", "type": "receiveencrypted", "allow_moves": True},
            "cannot change to receiveencrypted",
        ),
        ("syncthing_folder", {"id": "cipher", "type": "sendreceive", "allow_moves": True}, "cannot change to sendreceive"),
    ]
    for module, options, words in refused:
        with pytest.raises(ModuleFailed, match=words):
            call(module, home=home, **options)
    assert {method for method, _path in double.requests} == {"GET"}


def test_message_about_an_option_names_the_roles_variable(double: Syncthing, tmp_path: pathlib.Path) -> None:
    home = str(tmp_path / "home")
    call("syncthing_device", home=home, **DEVICE)
    call("syncthing_folder", home=home, id="plain", path=f"{tmp_path}/plain")
    other = {"name": "nas", "device_id": "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW"}
    folder = {"id": "new", "path": str(tmp_path / "new"), "folder_owner": "no-such-user"}
    for module, options, variable in (
        (
            "syncthing_folder",
            {"id": "plain", "path": f"{tmp_path}/other"},
            "allow_moves: true for one run .*syncthing_mesh_allow_moves",
        ),
        ("syncthing_cluster", {"devices": [other]}, "replace_devices: true for one run .*syncthing_mesh_replace_devices"),
        ("syncthing_settings", {"gui": {"password": " "}}, "syncthing_mesh_gui"),
        (
            "syncthing_settings",
            {"options": {"settings": {"x": 1}}},
            "options .the role's variable is syncthing_mesh_options.: settings",
        ),
        ("syncthing_settings", {"defaults": {"folder": {"settings": {"x": 1}}}}, "syncthing_mesh_defaults"),
        ("syncthing_folder", folder, "folder_owner is 'no-such-user' .*syncthing_mesh_user"),
    ):
        with pytest.raises(ModuleFailed, match=variable):
            call(module, home=home, **options)
    assert double.config["folders"][0]["path"] == f"{tmp_path}/plain"


@pytest.mark.parametrize("text", ["100.64.0.0/10", "fd7a:115c:a1e0::/48", "100.64.0.1/10", "0.0.0.0/0", "::/0"])
def test_network_that_go_accepts_is_accepted(text: str) -> None:
    assert checks.network(text) is None
    assert checks.network_or_not(f"!{text}") is None


@pytest.mark.parametrize(
    "text",
    ["", "/8", "nas", "100.64.0.0", "100.64.0.0/33", "100.64.0.0/255.192.0.0", "100.64.0.0/-1", "fe80::1%eth0/64", "!!::/0"],
)
def test_network_that_go_refuses_is_refused(text: str) -> None:
    assert checks.network_or_not(text)


@pytest.mark.parametrize("address", ["127.0.0.1:8384", "[::1]:8384", ":8384", "nas:http", "0.0.0.0:0", "/run/syncthing/gui.sock"])
def test_valid_address_of_the_web_interface_is_accepted(address: str) -> None:
    assert list(_tables.gui_problems({"address": address})) == []


def test_number_of_connections_may_be_negative() -> None:
    """Syncthing accepts it (lib/config, DeviceConfiguration.NumConnections)."""
    assert list(_tables.device_problems({"num_connections": -1})) == []
