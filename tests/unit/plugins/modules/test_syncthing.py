# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' state tables against the double, in both wire forms."""

from __future__ import annotations

import copy
import json
import pathlib
import typing as t

import pytest
import syncthing_steps
from module_call import ModuleFailed, call, printed
from syncthing_double import Syncthing


def test_syncthing_device(double: Syncthing, tmp_path: pathlib.Path) -> None:
    home = str(tmp_path / "home")
    syncthing_steps.run_steps("syncthing_device", syncthing_steps.of_device(), home, lambda: copy.deepcopy(double.config))


def test_syncthing_folder(double: Syncthing, tmp_path: pathlib.Path) -> None:
    home = str(tmp_path / "home")
    call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS)
    syncthing_steps.run_steps(
        "syncthing_folder", syncthing_steps.of_folder(str(tmp_path)), home, lambda: copy.deepcopy(double.config)
    )


def test_syncthing_settings(double: Syncthing, tmp_path: pathlib.Path) -> None:
    home = str(tmp_path / "home")
    syncthing_steps.run_steps("syncthing_settings", syncthing_steps.of_settings(), home, lambda: copy.deepcopy(double.config))


def test_syncthing_cluster_applies_all_objects_in_one_call(double: Syncthing, tmp_path: pathlib.Path) -> None:
    step = syncthing_steps.Step(
        "all",
        {
            "devices": [{"name": "nas", "device_id": syncthing_steps.NAS}],
            "folders": [{"id": "photos", "path": f"{tmp_path}/photos", "devices": [{"name": "nas"}]}],
            "options": {"relays_enabled": False},
            "gui": {"user": "admin", "password": syncthing_steps.SECRETS[1]},
            "defaults": {"device": {"allowed_networks": ["100.64.0.0/10"]}},
        },
        True,
        lambda config: syncthing_steps.devices(config)["nas"]["allowedNetworks"] == ["100.64.0.0/10"],
    )
    syncthing_steps.run_steps("syncthing_cluster", [step], str(tmp_path / "home"), lambda: copy.deepcopy(double.config))


def test_purge_lists_removals_and_keeps_devices_of_an_introducer(double: Syncthing, tmp_path: pathlib.Path) -> None:
    double.write("PUT", "config/devices", [{"deviceID": syncthing_steps.NAS, "name": "nas"}])
    double.write("PUT", "config/devices", [{"deviceID": syncthing_steps.PI, "name": "pi", "introducedBy": syncthing_steps.NAS}])
    double.write("PUT", "config/folders", [{"id": "old", "path": "/srv/old", "devices": []}])
    options: dict[str, t.Any] = {"home": str(tmp_path / "home"), "purge_devices": True, "purge_folders": True}
    check = call("syncthing_cluster", check_mode=True, **options)
    removed = {"devices": {syncthing_steps.NAS: None}, "folders": {"old": None}}
    assert check["after"] == removed
    assert check["before"]["devices"][syncthing_steps.NAS]["name"] == "nas"
    assert call("syncthing_cluster", **options)["after"] == removed
    assert sorted(syncthing_steps.devices(double.config)) == ["own", "pi"]
    assert not call("syncthing_cluster", **options)["changed"]


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("syncthing_device", {"name": "nas"}, "nas is no device that is known here: give its device_id"),
        ("syncthing_device", {"name": "nas", "device_id": syncthing_steps.PI}, "known here as .* replace"),
        (
            "syncthing_device",
            {"name": "nas", "device_id": syncthing_steps.NAS, "settings": {"maxSendKbps": 1}},
            "use max_send_kbps itself",
        ),
        (
            "syncthing_device",
            {"name": "nas", "device_id": syncthing_steps.NAS, "settings": {"maxRequestKiB": "x"}},
            "is 'x', but .* number",
        ),
        ("syncthing_device", {"name": "nas", "device_id": "ABC"}, "device nas: 'ABC' is not a device ID"),
        ("syncthing_folder", {"id": "new", "path": "/srv/new", "devices": [{"name": "fridge"}]}, "fridge is no device"),
        ("syncthing_folder", {"id": "new", "path": "/srv/new", "min_disk_free": "much"}, "'much': write a number and a unit"),
        ("syncthing_folder", {"id": "new", "path": "/srv/new", "ignores": ["*.tmp"]}, "create it, or set folder_owner"),
        ("syncthing_folder", {"id": "new", "path": "/srv/new", "type": "receiveencrypted", "ignores": ["a"]}, "ciphertext"),
        ("syncthing_folder", {"id": "new"}, "folder new is not here yet, and has no path"),
        ("syncthing_settings", {"options": {"settings": {"relaysEnabled": False}}}, "use relays_enabled itself"),
        ("syncthing_settings", {"gui": {"settings": {"tls": True}}}, "'tls', which this Syncthing does not know"),
        ("syncthing_cluster", {"folders": [{"id": "a", "path": "/srv/a"}], "absent_folders": ["a"]}, "absent_folders names a"),
        (
            "syncthing_cluster",
            {"devices": [{"name": "nas", "device_id": syncthing_steps.NAS}], "absent_devices": ["nas", syncthing_steps.NAS]},
            "absent_devices names",
        ),
        (
            "syncthing_cluster",
            {
                "devices": [{"name": "nas", "device_id": syncthing_steps.NAS, "untrusted": True}],
                "folders": [{"id": "a", "path": "/srv/a", "devices": [{"name": "nas"}]}],
            },
            "nas, which is untrusted, without an encryption_password",
        ),
    ],
)
def test_bad_options_are_refused_before_any_write(
    double: Syncthing, tmp_path: pathlib.Path, module: str, options: dict[str, t.Any], words: str
) -> None:
    if "absent_devices" in options or options.get("device_id") == syncthing_steps.PI:
        double.write("PUT", "config/devices", [{"deviceID": syncthing_steps.NAS, "name": "nas"}])
    before = copy.deepcopy(double.config)
    with pytest.raises(ModuleFailed, match=words):
        call(module, home=str(tmp_path / "home"), **options)
    assert double.config == before


def test_key_of_another_syncthing_version_is_refused(serve: t.Any, tmp_path: pathlib.Path) -> None:
    serve(Syncthing(1))
    device: dict[str, t.Any] = {"name": "nas", "device_id": syncthing_steps.NAS, "num_connections": 3}
    with pytest.raises(ModuleFailed, match=r"this version of Syncthing has no num_connections \(numConnections\)"):
        call("syncthing_device", home=str(tmp_path / "home"), **device)


def test_password_hash_is_refused_by_versions_that_hash_it_again(serve: t.Any, tmp_path: pathlib.Path) -> None:
    double = serve(Syncthing(1))
    double.version = "v1.19.2-ds1"
    with pytest.raises(ModuleFailed, match="would hash again: give the password itself"):
        call("syncthing_settings", home=str(tmp_path / "home"), gui={"password": "$2a$10$" + "x" * 53})


HIDDEN = "a-secret-in-the-wrong-place"


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("syncthing_settings", {"gui": {"settings": {"password": HIDDEN}}}),
        ("syncthing_settings", {"gui": {"settings": {"apiKey": HIDDEN}}}),
        ("syncthing_settings", {"gui": {"settings": {"PassWord": HIDDEN, "theme": "dark"}}}),
        ("syncthing_settings", {"gui": {"settings": f"password={HIDDEN}"}}),
        ("syncthing_settings", {"gui": {"settings": f'{{"apiKey": "{HIDDEN}"}}'}}),
        ("syncthing_settings", {"gui": {"passwort": "x", "settings": {"password": HIDDEN}}}),
        ("syncthing_settings", {"options": {"settings": {"someToken": HIDDEN}}}),
        ("syncthing_settings", {"defaults": {"folder": {"settings": {"devices": [{"encryptionPassword": HIDDEN}]}}}}),
        ("syncthing_folder", {"id": "a", "path": "/srv/a", "settings": {"devices": [{"encryptionPassword": HIDDEN}]}}),
        ("syncthing_folder", {"id": "a", "path": "/srv/a", "settings": {"secrets": {"one": [HIDDEN]}}}),
        ("syncthing_device", {"name": "nas", "device_id": syncthing_steps.NAS, "settings": {"private_key": HIDDEN}}),
        ("syncthing_cluster", {"folders": [{"id": "a", "settings": {"devices": [{"encryptionPassword": HIDDEN}]}}]}),
        ("syncthing_cluster", {"folders": [{"id": "a", "settings": {"devices": [{"encryptionPassword": HIDDEN}]}, "no": 1}]}),
        ("syncthing_cluster", {"gui": {"settings": {"password": HIDDEN}}, "no_such_option": True}),
    ],
)
def test_secret_under_settings_is_never_shown(
    double: Syncthing, tmp_path: pathlib.Path, module: str, options: dict[str, t.Any]
) -> None:
    before = copy.deepcopy(double.config)
    for check_mode in (True, False):
        text = printed(module, check_mode=check_mode, diff=True, home=str(tmp_path / "home"), **options)
        assert '"failed": true' in text
        assert HIDDEN not in text
    assert double.config == before


def test_secret_of_the_configuration_is_never_shown(tmp_path: pathlib.Path) -> None:
    for text in (f"<gui><apikey>{HIDDEN}</apikey></gui>", f"<gui><password>{HIDDEN}</password><apikey></apikey></gui>"):
        shown = printed("syncthing_identity", check_mode=True, diff=True, home=str(tmp_path / "new"), configuration=text)
        assert "configuration" in shown
        assert HIDDEN not in shown


def test_settings_without_secrets_are_shown(double: Syncthing, tmp_path: pathlib.Path) -> None:
    text = printed("syncthing_settings", diff=True, home=str(tmp_path / "home"), gui={"settings": {"debugging": True}})
    assert '"debugging": true' in text


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("syncthing_settings", {"gui": {"password": None}}, "gui: password is empty"),
        ("syncthing_settings", {"gui": {"api_key": None}}, "gui: api_key is empty"),
        (
            "syncthing_folder",
            {"id": "a", "path": "/srv/a", "devices": [{"name": "nas", "encryption_password": None}]},
            "for nas is",
        ),
        ("syncthing_cluster", {"folders": [{"id": "a", "devices": [{"name": "nas", "encryption_password": None}]}]}, "empty"),
    ],
)
def test_empty_secret_is_refused_before_any_request(
    double: Syncthing, tmp_path: pathlib.Path, module: str, options: dict[str, t.Any], words: str, empty: str
) -> None:
    filled = json.loads(json.dumps(options).replace("null", json.dumps(empty)))
    with pytest.raises(ModuleFailed, match=words):
        call(module, home=str(tmp_path / "home"), **filled)
    assert double.requests == []
