# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory's words to one host's devices and folders."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.filter.syncthing import FilterModule
from ansible_collections.homelab.tailsync.plugins.module_utils import _mesh

PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
NETWORKS = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]
Mesh = t.Dict[str, t.Any]  # noqa: UP006


@pytest.fixture
def mesh() -> Mesh:
    """The inventory of the README."""
    return {
        "hosts": ["nas", "pi", "vps"],
        "folders": {
            "documents": {"path": "/srv/sync/documents", "devices": ["nas", "pi", "phone"]},
            "photos": {
                "path": "/srv/sync/photos",
                "devices": {
                    "nas": {},
                    "pi": {"path": "/mnt/ssd/photos", "versioning": {"type": "staggered"}},
                    "vps": {"encryption_password": "secret"},
                },
            },
        },
        "external_devices": {"phone": {"device_id": PHONE.lower()}},
        "device_ids": {"nas": "NAS", "pi": "PI", "vps": "VPS"},
        "addresses": {name: [f"tcp://{name}.tailnet.test:22000"] for name in ("nas", "pi", "vps")},
        "allowed_networks": NETWORKS,
    }


def folders(mesh: Mesh, host: str) -> dict[str, dict[str, t.Any]]:
    return {folder["id"]: folder for folder in _mesh.desired_state(mesh, host)["folders"]}


def test_the_readmes_mesh_has_no_problem(mesh: Mesh) -> None:
    assert _mesh.problems(mesh) == []


def test_a_host_gets_the_devices_that_it_shares_a_folder_with(mesh: Mesh) -> None:
    devices = {device["name"]: device for device in _mesh.desired_state(mesh, "nas")["devices"]}
    assert sorted(devices) == ["phone", "pi", "vps"]
    assert devices["pi"] == {
        "name": "pi",
        "device_id": "PI",
        "addresses": ["tcp://pi.tailnet.test:22000"],
        "allowed_networks": NETWORKS,
    }
    assert devices["phone"] == {"name": "phone", "device_id": PHONE}
    assert [device["name"] for device in _mesh.desired_state(mesh, "vps")["devices"]] == ["nas", "pi"]


def test_a_host_gets_its_folders_where_it_wants_them(mesh: Mesh) -> None:
    assert sorted(folders(mesh, "nas")) == ["documents", "photos"]
    assert sorted(folders(mesh, "vps")) == ["photos"]
    assert folders(mesh, "pi")["photos"]["path"] == "/mnt/ssd/photos"
    assert folders(mesh, "pi")["photos"]["versioning"] == {"type": "staggered"}
    assert "versioning" not in folders(mesh, "nas")["photos"]


def test_only_who_is_trusted_is_told_the_password(mesh: Mesh) -> None:
    assert {"name": "vps", "device_id": "VPS", "encryption_password": "secret"} in folders(mesh, "nas")["photos"]["devices"]
    assert folders(mesh, "vps")["photos"]["type"] == "receiveencrypted"
    assert "secret" not in str(_mesh.desired_state(mesh, "vps"))


def test_two_without_trust_are_not_told_each_others_password(mesh: Mesh) -> None:
    mesh["folders"]["photos"]["devices"]["pi"]["encryption_password"] = "another"
    assert "secret" not in str(folders(mesh, "pi"))
    assert "another" not in str(folders(mesh, "vps"))
    assert {"secret", "another"} <= {one.get("encryption_password") for one in folders(mesh, "nas")["photos"]["devices"]}


def test_a_peer_outside_the_run_is_known_by_name(mesh: Mesh) -> None:
    del mesh["device_ids"]["pi"], mesh["addresses"]["pi"]
    devices = {device["name"]: device for device in _mesh.desired_state(mesh, "nas")["devices"]}
    assert devices["pi"] == {"name": "pi", "allowed_networks": NETWORKS}


def test_settings_of_the_share_win_over_those_of_the_folder(mesh: Mesh) -> None:
    mesh["folders"]["photos"]["settings"] = {"order": "random", "rescanIntervalS": 60}
    mesh["folders"]["photos"]["devices"]["pi"]["settings"] = {"order": "newestFirst"}
    assert folders(mesh, "pi")["photos"]["settings"] == {"order": "newestFirst", "rescanIntervalS": 60}
    assert folders(mesh, "nas")["photos"]["settings"] == {"order": "random", "rescanIntervalS": 60}


def test_what_it_is_given_is_not_changed(mesh: Mesh) -> None:
    before = copy.deepcopy(mesh)
    for host in mesh["hosts"]:
        _mesh.desired_state(mesh, host)
    assert mesh == before


def change(mesh: Mesh, path: str, value: t.Any) -> None:
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
        ("folders.documents.path", None, ["syncthing_mesh_folders.documents.devices.nas", "path"]),
        ("folders.documents.typ", "sendonly", ["syncthing_mesh_folders.documents.typ", "settings"]),
        ("folders.documents.type", "readonly", ["'readonly'", "sendonly"]),
        ("folders.photos.devices.pi.versioning", {"type": "forever"}, ["forever", "staggered"]),
        ("folders.photos.devices.pi.password", "x", ["syncthing_mesh_folders.photos.devices.pi.password", "encryption_password"]),
        ("folders.documents.path", "/srv/sync/photos/docs", ["documents", "inside photos", "on nas"]),
        ("folders.documents.path", "/srv/sync/photos", ["inside"]),
        ("folders.photos.devices", {"vps": {"encryption_password": "s"}}, ["nobody could read"]),
        ("options", {"relay_enabled": False}, ["syncthing_mesh_options.relay_enabled", "relays_enabled", "settings"]),
        ("gui", ["dark"], ["syncthing_mesh_gui", "mapping"]),
        ("defaults", {"folders": {}}, ["syncthing_mesh_defaults.folders", "folder"]),
        ("external_devices", ["phone"], ["syncthing_mesh_external_devices", "mapping"]),
        ("external_devices.phone", {}, ["syncthing_mesh_external_devices.phone", "device_id"]),
        ("external_devices.phone.device_id", "ABCDEFG-1", ["syncthing_mesh_external_devices.phone.device_id", "'ABCDEFG-1'"]),
        ("external_devices.phone.adresses", [], ["syncthing_mesh_external_devices.phone.adresses", "addresses"]),
        ("external_devices.nas", {"device_id": PHONE}, ["syncthing_mesh_external_devices.nas", "another name"]),
    ],
)
def test_what_is_wrong_is_named(mesh: Mesh, path: str, value: t.Any, words: list[str]) -> None:
    change(mesh, path, value)
    found = _mesh.problems(mesh)
    assert found
    sentences = "\n".join(found)
    assert all(word in sentences for word in words), sentences


def test_the_filter_refuses_a_mesh_with_problems(mesh: Mesh) -> None:
    mesh["folders"]["documents"]["path"] = "srv/sync"
    with pytest.raises(Exception, match="absolute"):
        FilterModule().filters()["syncthing_mesh"](mesh, "nas")


def test_known_values_of_hosts_leave_out_who_has_none() -> None:
    known = FilterModule().filters()["syncthing_mesh_known"]
    assert known(["nas", "pi", "vps"], {"nas": {"id": "N"}, "pi": {"id": ""}}, "id") == {"nas": "N"}
