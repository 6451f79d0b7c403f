# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of syncthing_cluster, computed from the role's variables, and its messages with the role's variable names."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _refuse
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError, role
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._tables import CLUSTER, CONNECTION
from ansible_collections.homelab.tailsync.plugins.plugin_utils import gui_address, mesh_host

PHONE = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"


def options(**changes: t.Any) -> dict[str, t.Any]:
    """The values that the role's task passes on nas."""
    return {
        "members": {"pi": {"device_id": "PI", "addresses": ["tcp://pi:22000"]}},
        "folders": {"documents": {"path": "/srv/sync/documents", "devices": ["nas", "pi", "phone", "vps"]}},
        "external_devices": {"phone": {"device_id": PHONE}},
        "allowed_networks": ["100.64.0.0/10"],
        "private_options": {"relays_enabled": False, "listen_addresses": ["tcp://100.64.0.2:22000"]},
        "options": {},
        "node_address": "100.64.0.2",
        "gui": {"theme": "dark"},
        "gui_address": "/run/syncthing/gui.sock",
        "gui_group": "",
        "gui_ready": True,
        "defaults": {},
        "home": "/var/lib/syncthing",
        "timeout": 60,
        "folder_owner": "syncthing",
        "purge_devices": False,
        "purge_folders": True,
        "replace_devices": False,
        "allow_moves": False,
        **changes,
    }


def test_arguments_are_options_of_the_module() -> None:
    call = mesh_host.arguments(options(), "nas")
    assert set(call) <= {*CLUSTER, *CONNECTION}
    assert (call["home"], call["purge_devices"], call["purge_folders"]) == ("/var/lib/syncthing", False, True)
    assert call["gui"] == {
        "theme": "dark",
        "address": "/run/syncthing/gui.sock",
        "unix_socket_permissions": "0600",
        "tls": False,
    }
    assert "defaults" not in call
    assert mesh_host.arguments(options(defaults={"ignores": ["*.tmp"]}), "nas")["defaults"] == {"ignores": ["*.tmp"]}


def test_host_outside_the_run_stays_a_member_without_an_id() -> None:
    call = mesh_host.arguments(options(), "nas")
    assert call["folders"][0]["device_names"] == ["phone", "pi", "vps"]
    assert {device["name"]: device.get("addresses") for device in call["devices"]} == {
        "phone": None,
        "pi": ["tcp://pi:22000"],
        "vps": None,
    }


def test_only_the_hosts_own_folders_are_read() -> None:
    class Secret(dict[str, t.Any]):
        """A folder of other hosts: reading more than its devices costs time, or a password that this host must not need."""

        def get(self, key: str, default: t.Any = None) -> t.Any:
            assert key == "devices"
            return super().get(key, default)

        def __getitem__(self, key: str) -> t.Any:
            raise AssertionError(key)

    declared = {"mine": {"path": "/a", "devices": {"nas": None}}, "theirs": Secret(path="/b", devices=["pi", "vps"]), "none": {}}
    assert list(mesh_host.folders_of(declared, "nas")) == ["mine"]


def test_empty_listen_addresses_are_omitted_and_the_users_options_win() -> None:
    private = {"relays_enabled": False, "listen_addresses": []}
    own = {"listen_addresses": ["tcp://100.64.0.9:22000"], "relays_enabled": True}
    assert mesh_host.settings({"private_options": private, "options": {}}) == {"relays_enabled": False}
    assert mesh_host.settings({"private_options": private, "options": own}) == own
    assert mesh_host.settings({"private_options": private, "options": None}) == {"relays_enabled": False}


def test_null_options_keep_the_private_defaults() -> None:
    private = {"relays_enabled": False, "listen_addresses": ["tcp://100.64.0.2:22000"]}
    nulls: list[dict[str, t.Any]] = [{"relays_enabled": None}, {"listen_addresses": None}, {"listen_addresses": []}]
    for own in nulls:
        assert mesh_host.settings({"private_options": private, "options": own}) == private


@pytest.mark.parametrize(
    ("private", "own", "node", "words"),
    [
        (["tcp://100.64.0.2:22000"], {}, "100.64.0.2", None),
        ([], {}, "", "no tailnet address"),
        ([], {}, "100.64.0.2", "syncthing_listen_addresses is empty"),
        ([], {"listen_addresses": ["tcp://100.64.0.2:22000"]}, "", None),
        (["tcp://100.64.0.2:22000"], {"listen_addresses": []}, "100.64.0.2", None),
        (["tcp://100.64.0.2:22000"], {"listen_addresses": None}, "100.64.0.2", None),
        (["tcp://0.0.0.0:22000"], {}, "100.64.0.2", "every address"),
    ],
)
def test_listening_on_all_addresses_is_refused(private: list[str], own: dict[str, t.Any], node: str, words: str | None) -> None:
    found = mesh_host.address_problems(
        {"private_options": {"listen_addresses": private}, "options": own, "node_address": node},
    )
    assert words in found[0] if words else found == []


def test_pending_change_of_the_web_interfaces_address_gives_a_note() -> None:
    assert mesh_host.gui_notes(options()) == []
    assert gui_address.directory_of(None) == "", "a null address changes nothing"
    assert "has not created /run/syncthing on this host" in mesh_host.gui_notes(options(gui_ready=False))[0]
    assert mesh_host.arguments(options(gui_ready=False), "nas")["gui"] == {"theme": "dark"}
    assert mesh_host.gui_notes(options(gui_ready=False, gui_address="")) == []
    assert "gui" not in mesh_host.arguments(options(gui_address="", gui={}), "nas")


def test_messages_name_the_roles_variables() -> None:
    with pytest.raises(SyncthingError) as refusal:
        _refuse.moves({"path": "/a"}, {"id": "documents", "path": "/b"}, allowed=False)
    assert mesh_host.with_role_variables(str(refusal.value)).endswith("set syncthing_mesh_allow_moves: true for one run")
    with pytest.raises(SyncthingError) as refusal:
        _refuse.empty_secrets({"gui": {"password": ""}})
    assert mesh_host.with_role_variables(str(refusal.value)).startswith("syncthing_mesh_gui: password is empty")


@pytest.mark.parametrize(
    ("said", "variable", "rest", "expected"),
    [
        (
            "set replace_devices: true ",
            "replace_devices",
            "; if not",
            "set syncthing_mesh_replace_devices: true; if not",
        ),
        ("folder_owner is 'x' ", "user", ", a user who", "syncthing_mesh_user is 'x', a user who"),
        ("defaults.device ", "defaults", ": settings has", "syncthing_mesh_defaults.device: settings has"),
        ("folder gui, of gui: no ", "gui", "", "folder gui, of syncthing_mesh_gui: no"),
        ("nothing of it ", "options", ": no", "nothing of it: no"),
    ],
)
def test_option_in_a_message_is_replaced_by_the_variable(said: str, variable: str, rest: str, expected: str) -> None:
    assert mesh_host.with_role_variables(f"{said}{role('syncthing_mesh_' + variable)}{rest}") == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("gui.address is 0.0.0.0:8384", "syncthing_mesh_gui.address is 0.0.0.0:8384"),
        ("options: settings has the key 'x'", "syncthing_mesh_options: settings has the key 'x'"),
        ("folder gui: its path is /allow_moves", "folder gui: its path is /allow_moves"),
        ("guide", "guide"),
    ],
)
def test_section_at_the_start_of_a_message_becomes_the_roles_variable(said: str, expected: str) -> None:
    assert mesh_host.with_role_variables(said) == expected
