# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices and folders of one host, computed from the inventory."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _refuse
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from ansible_collections.homelab.tailsync.plugins.plugin_utils import mesh as _mesh
from variations import README_FOLDERS

PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
NETWORKS = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]
Mesh = t.Dict[str, t.Any]  # noqa: UP006


@pytest.fixture
def mesh() -> Mesh:
    """The mesh of the README's inventory."""
    return {
        "hosts": ["nas", "pi", "vps"],
        "folders": copy.deepcopy(README_FOLDERS),
        "external_devices": {"phone": {"device_id": PHONE.lower()}},
        "device_ids": {"nas": "NAS", "pi": "PI", "vps": "VPS"},
        "addresses": {name: [f"tcp://{name}.tailnet.test:22000"] for name in ("nas", "pi", "vps")},
        "allowed_networks": NETWORKS,
    }


def folders(mesh: Mesh, host: str) -> dict[str, dict[str, t.Any]]:
    return {folder["id"]: folder for folder in _mesh.desired_state(mesh, host)["folders"]}


def test_host_gets_the_devices_that_it_shares_a_folder_with(mesh: Mesh) -> None:
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


def test_host_gets_its_folders_at_its_own_paths(mesh: Mesh) -> None:
    assert sorted(folders(mesh, "nas")) == ["documents", "photos"]
    assert sorted(folders(mesh, "vps")) == ["photos"]
    assert folders(mesh, "pi")["photos"]["path"] == "/mnt/ssd/photos"
    assert folders(mesh, "pi")["photos"]["versioning"] == {"type": "staggered"}
    assert "versioning" not in folders(mesh, "nas")["photos"]


def test_only_trusted_hosts_get_the_encryption_password(mesh: Mesh) -> None:
    assert {"name": "vps", "device_id": "VPS", "encryption_password": "secret"} in folders(mesh, "nas")["photos"]["devices"]
    assert folders(mesh, "vps")["photos"]["type"] == "receiveencrypted"
    assert "secret" not in str(_mesh.desired_state(mesh, "vps"))


def test_untrusted_hosts_do_not_get_each_others_password(mesh: Mesh) -> None:
    mesh["folders"]["photos"]["devices"]["pi"]["encryption_password"] = "another"
    assert "secret" not in str(folders(mesh, "pi"))
    assert "another" not in str(folders(mesh, "vps"))
    assert {"secret", "another"} <= {one.get("encryption_password") for one in folders(mesh, "nas")["photos"]["devices"]}


def test_peer_outside_the_run_is_a_device_with_a_name_only(mesh: Mesh) -> None:
    del mesh["device_ids"]["pi"], mesh["addresses"]["pi"]
    devices = {device["name"]: device for device in _mesh.desired_state(mesh, "nas")["devices"]}
    assert devices["pi"] == {"name": "pi", "allowed_networks": NETWORKS}


def test_settings_of_a_share_override_those_of_the_folder(mesh: Mesh) -> None:
    mesh["folders"]["photos"]["settings"] = {"order": "random", "rescanIntervalS": 60}
    mesh["folders"]["photos"]["devices"]["pi"]["settings"] = {"order": "newestFirst"}
    assert folders(mesh, "pi")["photos"]["settings"] == {"order": "newestFirst", "rescanIntervalS": 60}
    assert folders(mesh, "nas")["photos"]["settings"] == {"order": "random", "rescanIntervalS": 60}


def test_desired_state_does_not_change_its_input(mesh: Mesh) -> None:
    before = copy.deepcopy(mesh)
    for host in mesh["hosts"]:
        _mesh.desired_state(mesh, host)
    assert mesh == before


@pytest.mark.parametrize("empty", ["", None])
def test_empty_encryption_password_is_refused_and_nothing_is_shared_unencrypted(mesh: Mesh, empty: str | None) -> None:
    mesh["folders"]["photos"]["devices"]["vps"]["encryption_password"] = empty
    members = {member["name"]: member for member in folders(mesh, "nas")["photos"]["devices"]}
    with pytest.raises(SyncthingError, match="encryption_password for vps is empty"):
        _refuse.empty_secrets({"folders": [{"id": "photos", "devices": [{"device_id": "VPS", **members["vps"]}]}]})
    assert folders(mesh, "vps")["photos"]["type"] == "receiveencrypted"


def test_mesh_can_be_parsed_once_for_all_hosts(mesh: Mesh) -> None:
    read = _mesh.model(mesh)
    for host in mesh["hosts"]:
        assert _mesh.desired_state(read, host) == _mesh.desired_state(mesh, host)


@pytest.mark.parametrize("devices", [["nas", 7], {"nas": None, 7: None}])
def test_device_names_may_be_of_any_type(mesh: Mesh, devices: t.Any) -> None:
    mesh["folders"][2024] = {"path": "/srv/sync/2024", "devices": devices}
    assert [member["name"] for member in folders(mesh, "nas")["2024"]["devices"]] == [7]
