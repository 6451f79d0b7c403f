# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords, places and addresses of a mesh, before any host is touched."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.filter.syncthing import FilterModule
from ansible_collections.homelab.tailsync.plugins.plugin_utils import _mesh_inputs

PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"


def mesh(**changes: t.Any) -> dict[str, t.Any]:
    """As the role has it, with the variables of the role syncthing."""
    defaults: dict[str, t.Any] = {
        "hosts": ["nas", "vps"],
        "folders": {"photos": {"path": "/srv/sync/photos", "devices": {"nas": {}, "vps": {"encryption_password": "secret"}}}},
        "external_devices": {},
        "options": {},
        "gui": {},
        "defaults": {},
        "addresses": {"nas": ["tcp://nas.tailnet.test:22000"]},
        "own_addresses": ["tcp://vps.tailnet.test:22000", "tcp://100.64.0.9:22000"],
        "user": "syncthing",
        "home": "/var/lib/syncthing",
        "homes": {"nas": "/var/lib/syncthing", "vps": "/srv/syncthing"},
        "gui_address": "/run/syncthing/gui.sock",
        "gui_group": "",
        "accept": [],
    }
    return {**defaults, **changes}


def photos(**vps: t.Any) -> dict[str, t.Any]:
    return {"photos": {"path": "/srv/sync/photos", "devices": {"nas": {}, "vps": vps}}}


def at(where: str, **vps: t.Any) -> dict[str, t.Any]:
    return {"photos": {"path": where, "devices": {"nas": {}, "vps": vps}}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"folders": {}},
        {"own_addresses": []},  # a check before the host is in the tailnet
        {"folders": photos()},
        {"folders": photos(encryption_password="1234")},
        {"folders": photos(encryption_password=" with blanks ")},
        {"gui": {"user": "me", "password": "long enough", "theme": "dark"}},
        {"gui": {"api_key": "a key"}},
        {"gui": {"tls": True}, "gui_address": ""},  # this role alone leaves the web interface where it is
        {"options": {"listen_addresses": ["tcp://100.64.0.9:22000"], "max_send_kbps": 100}},
        {"options": {"listen_addresses": None}},
        {"external_devices": {"phone": {"device_id": PHONE, "addresses": ["dynamic", "tcp://phone:22000"]}}},
        {"external_devices": {"phone": {"device_id": PHONE}}},
        {"folders": at("/var/lib/syncthing/photos")},  # data inside the home
        {"folders": at("/home/me/photos", path="/mnt/ssd/photos")},
        {"folders": at("/run/media/me/usb/photos")},
        {"folders": {"p": {"path": "/srv/x", "devices": ["nas", "phone"]}}, "external_devices": {"phone": {"device_id": PHONE}}},
    ],
)
def test_what_people_write_is_taken(changes: dict[str, t.Any]) -> None:
    assert _mesh_inputs.problems(mesh(**changes)) == []


@pytest.mark.parametrize("where", ["share", "gui"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("\n", "is empty"),
        (None, "is empty"),
        (1234, "is no text: put it between quotation marks"),
        (0, "is no text"),
        (True, "is no text"),
        (False, "is no text"),
        ([], "is no text"),
        ({"vault": "x"}, "is no text"),
    ],
)
def test_a_declared_password_is_a_text(where: str, value: t.Any, words: str) -> None:
    if where == "share":
        found = _mesh_inputs.problems(mesh(folders=photos(encryption_password=value)))
        name = "syncthing_mesh_folders.photos.devices.vps.encryption_password"
    else:
        found = _mesh_inputs.problems(mesh(gui={"user": "me", "password": value}))
        name = "syncthing_mesh_gui.password"
    assert any(message.startswith(f"{name} {words}") for message in found), found
    assert "1234" not in str(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gui": {"api_key": ""}}, ["syncthing_mesh_gui.api_key"]),
        ({"gui": {"address": "0.0.0.0:8384"}}, ["syncthing_mesh_gui has the key address", "syncthing_gui_address"]),
        ({"gui": {"address": "127.0.0.1:8384"}, "gui_address": ""}, ["syncthing_mesh_gui has the key address"]),
        ({"gui": {"settings": {"address": "0.0.0.0:8384"}}}, ["syncthing_mesh_gui"]),
        ({"gui": {"tls": True}}, ["syncthing_mesh_gui.tls"]),
        ({"gui_address": "127.0.0.1:8384"}, ["syncthing_gui_address", "gui_without_password"]),
        ({"options": {"listen_addresses": ["default"]}}, ["syncthing_mesh_options.listen_addresses", "'default'"]),
        ({"options": {"listen_addresses": ["tcp://:22000"]}}, ["syncthing_mesh_options.listen_addresses"]),
        ({"options": {"settings": {"listenAddresses": ["default"]}}}, ["syncthing_mesh_options.settings", "listenAddresses"]),
        ({"own_addresses": ["tcp://:22000"]}, ["syncthing_mesh_addresses has 'tcp://:22000'"]),
        ({"addresses": {"nas": ["tcp://:22000"]}}, ["nas", "no host"]),
        (
            {"external_devices": {"phone": {"device_id": PHONE, "addresses": ["tcp://:22000"]}}},
            ["syncthing_mesh_external_devices.phone.addresses"],
        ),
        ({"user": "root"}, ["syncthing_mesh_user is root"]),
        ({"folders": at("/var/lib/syncthing")}, ["syncthing_mesh_folders.photos.path, on nas", "private key"]),
        ({"folders": at("/var/lib")}, ["on nas"]),
        ({"folders": at("/srv/x", path="/srv/syncthing")}, ["syncthing_mesh_folders.photos.devices.vps.path, on vps"]),
        ({"folders": at("/etc/photos")}, ["/etc/photos", "system"]),
        ({"folders": at("/srv/x", path="/home")}, ["on vps"]),
    ],
)
def test_what_is_wrong_is_named_with_its_path(changes: dict[str, t.Any], words: list[str]) -> None:
    messages = "\n".join(_mesh_inputs.problems(mesh(**changes)))
    assert messages
    assert all(word in messages for word in words), messages


def test_a_home_of_another_host_is_no_reason() -> None:
    assert _mesh_inputs.problems(mesh(folders={"x": {"path": "/srv/syncthing", "devices": ["nas"]}})) == []


def test_the_filter_for_one_host_refuses_the_same() -> None:
    with pytest.raises(Exception, match="is empty"):
        FilterModule().filters()["syncthing_mesh"](mesh(folders=photos(encryption_password="")), "nas")


def test_no_listen_addresses_are_left_out_and_the_users_options_win() -> None:
    private = {"relays_enabled": False, "listen_addresses": []}
    assert _mesh_inputs.options(private, {}) == {"relays_enabled": False}
    assert _mesh_inputs.options(private, {"listen_addresses": ["tcp://100.64.0.9:22000"], "relays_enabled": True}) == {
        "relays_enabled": True,
        "listen_addresses": ["tcp://100.64.0.9:22000"],
    }


def test_what_was_left_out_is_told_with_its_reason() -> None:
    assert _mesh_inputs.left_out([{"id": "photos", "path": "/mnt/ssd/photos", "reason": "nothing is mounted at /mnt/ssd"}]) == [
        "folder photos (/mnt/ssd/photos) is left out on this host: nothing is mounted at /mnt/ssd"
    ]
