# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords, paths and addresses of a mesh are checked before any host is touched."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate
from variations import README_FOLDERS

PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"


OTHERS = {"user": "syncthing_mesh_user", "home": "syncthing_mesh_home", "own_addresses": "syncthing_mesh_addresses"}
OTHERS |= {"gui_address": "syncthing_gui_address", "gui_group": "syncthing_gui_group", "accept": "tailsync_accept"}


def problems(mesh: t.Mapping[str, t.Any]) -> list[str]:
    """The problems of a mesh whose variables are the same on all hosts, except for their homes."""
    values = {OTHERS.get(key, f"syncthing_mesh_{key}"): value for key, value in mesh.items() if key != "homes"}
    hosts = {name: {**values, "syncthing_mesh_home": home} for name, home in mesh["homes"].items()}
    return validate.problems(hosts, ["syncthing_mesh"], inventory={*mesh["hosts"], "spare"})


def mesh(**changes: t.Any) -> dict[str, t.Any]:
    """The role's variables, together with those of the role syncthing."""
    defaults: dict[str, t.Any] = {
        "hosts": ["nas", "vps"],
        "folders": {"photos": {"path": "/srv/sync/photos", "devices": {"nas": {}, "vps": {"encryption_password": "secret"}}}},
        "external_devices": {},
        "options": {},
        "gui": {},
        "defaults": {},
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
        {"own_addresses": []},  # check mode before the host is in the tailnet
        {"folders": photos()},
        {"folders": photos(encryption_password="1234")},
        {"folders": photos(encryption_password=" with blanks ")},
        {"gui": {"user": "me", "password": "long enough", "theme": "dark"}},
        {"gui": {"api_key": "a key"}},
        {"gui": {"tls": True}, "gui_address": ""},  # this role does not change the address of the web interface
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
def test_usual_spellings_of_a_mesh_are_accepted(changes: dict[str, t.Any]) -> None:
    assert problems(mesh(**changes)) == []


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
def test_declared_password_must_be_a_string(where: str, value: t.Any, words: str) -> None:
    if where == "share":
        found = problems(mesh(folders=photos(encryption_password=value)))
        name = "syncthing_mesh_folders.photos.devices.vps.encryption_password"
    else:
        found = problems(mesh(gui={"user": "me", "password": value}))
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
        (
            {"external_devices": {"phone": {"device_id": PHONE, "addresses": ["tcp://:22000"]}}},
            ["syncthing_mesh_external_devices.phone.addresses"],
        ),
        ({"user": "root"}, ["syncthing_mesh_user is root"]),
        ({"folders": at("/var/lib/syncthing")}, ["syncthing_mesh_folders.photos.path: ", "private key", "(on nas)"]),
        ({"folders": at("/var/lib")}, ["syncthing_mesh_folders.photos.path: /var/lib"]),
        ({"folders": at("/srv/x", path="/srv/syncthing")}, ["syncthing_mesh_folders.photos.devices.vps.path: "]),
        ({"folders": at("/etc/photos")}, ["/etc/photos", "system"]),
        ({"folders": at("/srv/x", path="/home")}, ["syncthing_mesh_folders.photos.devices.vps.path: /home", "(on vps)"]),
    ],
)
def test_mistake_in_a_mesh_is_named_with_its_path(changes: dict[str, t.Any], words: list[str]) -> None:
    messages = "\n".join(problems(mesh(**changes)))
    assert messages
    assert all(word in messages for word in words), messages


def test_folder_in_the_syncthing_home_of_another_host_is_accepted() -> None:
    assert problems(mesh(folders={"x": {"path": "/srv/syncthing", "devices": ["nas"]}})) == []


def readme_mesh() -> dict[str, t.Any]:
    """The inventory of the README."""
    return {
        "hosts": ["nas", "pi", "vps"],
        "folders": copy.deepcopy(README_FOLDERS),
        "external_devices": {"phone": {"device_id": PHONE.lower()}},
        "allowed_networks": ["100.64.0.0/10", "fd7a:115c:a1e0::/48"],
        "homes": dict.fromkeys(("nas", "pi", "vps"), "/var/lib/syncthing"),
    }


def test_mesh_of_the_readme_is_accepted() -> None:
    assert problems(readme_mesh()) == []


def change(mesh: dict[str, t.Any], path: str, value: t.Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        mesh = mesh[key]
    mesh[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("folders", ["documents"], ["syncthing_mesh_folders", "mapping"]),
        ("folders.photos", "/srv/photos", ["syncthing_mesh_folders.photos", "mapping"]),
        ("folders.photos", {"path": "/srv/photos"}, ["syncthing_mesh_folders.photos.devices", "[nas, pi]"]),
        ("folders.photos.devices", "nas", ["syncthing_mesh_folders.photos.devices", "[nas, pi]"]),
        ("folders.documents.devices", ["nas", "fridge"], ["fridge", "syncthing_mesh_external_devices"]),
        ("folders.documents.path", "srv/sync", ["'srv/sync'", "absolute"]),
        ("folders.documents.path", None, ["syncthing_mesh_folders.documents has no path"]),
        ("folders.documents.typ", "sendonly", ["syncthing_mesh_folders.documents.typ", "settings"]),
        ("folders.documents.type", "readonly", ["'readonly'", "sendonly"]),
        ("folders.photos.devices.pi.versioning", {"type": "forever"}, ["forever", "staggered"]),
        ("folders.photos.devices.pi.password", "x", ["syncthing_mesh_folders.photos.devices.pi.password", "encryption_password"]),
        ("folders.documents.path", "/srv/sync/photos/docs", ["documents", "inside photos", "on nas"]),
        ("folders.documents.path", "/srv/sync/photos/", ["photos (/srv/sync/photos) has the same path as documents"]),
        ("folders.photos.encryption_password", "x", ["photos.encryption_password", "devices: {vps: {encryption_password: …}}"]),
        ("folders.photos.devices", {"vps": {"encryption_password": "s"}}, ["no device could read"]),
        ("options", {"relay_enabled": False}, ["syncthing_mesh_options.relay_enabled", "relays_enabled", "settings"]),
        ("gui", ["dark"], ["syncthing_mesh_gui", "mapping"]),
        ("defaults", {"folders": {}}, ["syncthing_mesh_defaults.folders", "folder"]),
        ("external_devices", ["phone"], ["syncthing_mesh_external_devices", "mapping"]),
        ("external_devices.phone", {}, ["syncthing_mesh_external_devices.phone", "device_id"]),
        ("external_devices.phone.device_id", "ABCDEFG-1", ["syncthing_mesh_external_devices.phone.device_id", "'ABCDEFG-1'"]),
        ("external_devices.phone.adresses", [], ["syncthing_mesh_external_devices.phone.adresses", "addresses"]),
        ("external_devices.tablet", {"device_id": PHONE}, ["tablet.device_id is that of", "external_devices.phone as well"]),
        ("external_devices.nas", {"device_id": PHONE}, ["syncthing_mesh_external_devices.nas", "another name"]),
    ],
)
def test_mistake_in_the_mesh_of_the_readme_is_named(path: str, value: t.Any, words: list[str]) -> None:
    readme = readme_mesh()
    change(readme, path, value)
    found = problems(readme)
    assert found
    messages = "\n".join(found)
    assert all(word in messages for word in words), messages
