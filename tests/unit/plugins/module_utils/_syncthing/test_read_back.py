# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a write the whole configuration is compared, also undeclared and unchanged parts."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _describe, _plan
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from syncthing_double import OWN, Syncthing

Json = t.Dict[str, t.Any]  # noqa: UP006
NAS = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"
PI = "NQJFBOP-KQH7YX4-2DQZ2HZ-PXYOZ5P-EDYKMDL-DVEXCDB-5N6RIM2-JVBZYAA"
VPS = "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW"
SEEN = _plan.Seen(OWN)


@pytest.fixture
def filled() -> Syncthing:
    double = Syncthing()
    addresses = ["tcp://nas.tailnet.test:22000"]
    double.write(
        "PUT", "config/devices", [{"deviceID": NAS, "name": "nas", "addresses": addresses}, {"deviceID": PI, "name": "pi"}]
    )
    for name in ("documents", "photos"):
        shares = [{"deviceID": NAS}, {"deviceID": PI, "encryptionPassword": "a-secret"}]
        double.write("PUT", "config/folders", [{"id": name, "path": f"/srv/{name}", "devices": shares}])
    return double


def after(double: Syncthing, declared: Json, other_change: t.Callable[[Json], object]) -> list[str]:
    """The unexpected differences if another change happens at the same time."""
    plan = _plan.plan(copy.deepcopy(double.config), SEEN, declared)
    for write in plan.writes:
        double.write(write.method, write.path, copy.deepcopy(write.body))
    other_change(double.config)
    return _describe.not_applied(double.config, {}, plan)


def at(kind: str, number: int, key: str, value: t.Any) -> t.Callable[[Json], object]:
    return lambda config: config[kind][number].update({key: value})


LABEL: Json = {"folders": [{"id": "documents", "label": "Mine"}]}


@pytest.mark.parametrize(
    ("other_change", "words"),
    [
        (at("folders", 0, "rescanIntervalS", 1), ["folders: documents (rescanIntervalS)"]),
        (at("folders", 0, "label", ""), ["folders: documents (label)"]),
        (at("folders", 0, "ignorePerms", True), ["folders: documents (ignorePerms)"]),
        (at("folders", 1, "versioning", {"type": "simple", "params": {"keep": "1"}}), ["folders: photos (versioning)"]),
        (at("folders", 1, "devices", []), ["folders: photos (devices)"]),
        (lambda config: config["folders"].pop(), ["folders: photos"]),
        (lambda config: config["options"].update(relaysEnabled=False), ["options (relaysEnabled)"]),
        (lambda config: config["gui"].update(theme="x", apiKey="y"), ["gui (apiKey, theme)"]),
        (lambda config: config["defaults"]["folder"].update(order="x"), ["defaults.folder (order)"]),
        (lambda config: config["defaults"]["device"].update(paused=True), ["defaults.device (paused)"]),
        (lambda config: config["defaults"]["ignores"].update(lines=["x"]), ["defaults.ignores (lines)"]),
    ],
)
def test_any_other_change_is_reported(filled: Syncthing, other_change: t.Callable[[Json], object], words: list[str]) -> None:
    assert [", ".join(sorted(one.split(", "))) for one in after(filled, LABEL, other_change)] == [
        ", ".join(sorted(one.split(", "))) for one in words
    ]


def test_other_change_of_a_device_is_reported_with_its_name(filled: Syncthing) -> None:
    def other_change(config: Json) -> None:
        next(one for one in config["devices"] if one["name"] == "nas")["paused"] = True

    assert after(filled, LABEL, other_change) == ["devices: nas (paused)"]


def introduced(config: Json) -> None:
    config["devices"].append({**config["devices"][0], "deviceID": VPS, "name": "vps", "introducedBy": NAS})
    config["folders"][0]["devices"].append({"deviceID": VPS, "introducedBy": NAS, "encryptionPassword": ""})


@pytest.mark.parametrize(
    ("declared", "other_change"),
    [
        (LABEL, introduced),
        (LABEL, lambda config: config["options"].update(unackedNotificationIDs=["fsWatcherNotification"])),
        (LABEL, lambda config: config["folders"].append({**config["folders"][0], "id": "accepted"})),
        (LABEL, lambda config: config["options"].update(alwaysLocalNets=None)),
        (
            {"folders": [{"id": "new", "path": "/srv/new", "type": "receiveencrypted"}]},
            lambda config: config["folders"][1].update(ignorePerms=True),
        ),
        ({"devices": [{"name": "pi", "untrusted": True, "introducer": None}]}, lambda config: None),
        ({"gui": {"user": "admin", "password": "a-password"}}, lambda config: None),
    ],
)
def test_changes_by_syncthing_itself_are_not_reported(
    filled: Syncthing, declared: Json, other_change: t.Callable[[Json], object]
) -> None:
    assert after(filled, declared, other_change) == []


def test_removing_a_device_removes_only_its_shares(filled: Syncthing) -> None:
    assert after(filled, {"absent_devices": ["pi"]}, lambda config: None) == []
    assert after(filled, LABEL | {"absent_folders": ["photos"]}, lambda config: None) == []


def test_folder_gets_no_parameters_of_the_defaults(filled: Syncthing) -> None:
    """Go decodes a folder over defaults/folder, and merges maps."""
    kept = {"type": "simple", "params": {"keep": "5"}}
    filled.write("PUT", "config/folders", [{"id": "documents", "path": "/srv/documents", "versioning": kept}])
    filled.config["defaults"]["folder"]["versioning"].update(type="trashcan", params={"cleanoutDays": "30"})
    filled.config["defaults"]["folder"]["devices"] = [{"deviceID": NAS, "introducedBy": PI, "encryptionPassword": "leak"}]
    staggered: Json = {"id": "new", "path": "/srv/new", "versioning": {"type": "staggered"}}
    for declared in (LABEL, {"folders": [staggered]}):
        assert after(filled, declared, lambda config: None) == []
    params = {one["id"]: one["versioning"]["params"] for one in filled.config["folders"]}
    assert (params["documents"], params["new"]) == ({"keep": "5"}, {})


# --- finding devices----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("addresses", "declared", "known"),
    [
        (["tcp://nas.tailnet.test:22000"], {"name": "nas"}, True),
        (["tcp://100.64.0.2:22000", "tcp://NAS:22000"], {"name": "nas"}, True),
        (["tcp://nas2.tailnet.test:22000"], {"name": "nas"}, False),
        (["dynamic"], {"name": "nas"}, False),
        (["tcp://100.64.0.2:22000"], {"name": "100"}, False),
        (["tcp://[fd7a:115c:a1e0::1]:22000"], {"name": "fd7a"}, False),
        (["tcp://100.64.0.2:22000"], {"name": "nas", "addresses": ["tcp://100.64.0.2:22000"]}, True),
        (["tcp://[bad:22000"], {"name": "nas"}, False),
    ],
)
def test_renamed_device_is_found_by_its_addresses(addresses: list[str], declared: Json, known: bool) -> None:
    double = Syncthing()
    double.write("PUT", "config/devices", [{"deviceID": NAS, "name": "Raspi", "addresses": addresses}])
    plan = _plan.plan(double.config, SEEN, {"devices": [declared]})
    assert plan.unresolved == ([] if known else [declared["name"]])


def test_ambiguous_device_is_unresolved() -> None:
    double = Syncthing()
    for device_id, name in ((NAS, "one"), (PI, "other")):
        double.write("PUT", "config/devices", [{"deviceID": device_id, "name": name, "addresses": ["tcp://nas:22000"]}])
    assert _plan.plan(double.config, SEEN, {"devices": [{"name": "nas"}]}).unresolved == ["nas"]
    taken = {"devices": [{"name": "nas"}, {"name": "one", "device_id": NAS}]}
    assert _plan.plan(double.config, SEEN, taken).unresolved == []


def test_unresolved_device_prevents_purging(filled: Syncthing) -> None:
    declared: Json = {
        "devices": [{"name": "nas", "device_id": NAS}, {"name": "fridge"}],
        "folders": [{"id": "documents", "devices": [{"name": "nas"}, {"name": "fridge"}]}],
        "purge_devices": True,
        "purge_folders": True,
    }
    plan = _plan.plan(filled.config, SEEN, declared)
    assert (plan.writes, plan.unresolved) == ([], ["fridge"])
    declared["devices"].pop()
    declared["folders"][0]["devices"].pop()
    gone = [write.path for write in _plan.plan(filled.config, SEEN, declared).writes if write.method == "DELETE"]
    assert gone == ["config/folders/photos", f"config/devices/{PI}"]


@pytest.mark.parametrize(("name", "password"), [("pi", "new-secret"), ("nas", "a-secret")])
def test_changed_encryption_password_is_refused(filled: Syncthing, name: str, password: str) -> None:
    member = {"name": name, "encryption_password": password}
    declared: Json = {"folders": [{"id": "photos", "devices": [member]}]}
    with pytest.raises(SyncthingError, match=f"encryption_password for {name} is .* rotate it") as failure:
        _plan.plan(filled.config, SEEN, declared)
    assert password not in str(failure.value)
    assert _plan.plan(filled.config, SEEN, {**declared, "allow_moves": True}).writes


def test_replaced_device_may_have_another_password(filled: Syncthing) -> None:
    member = {"name": "pi", "encryption_password": "another"}
    devices = [{"name": "nas", "device_id": NAS}, {"name": "pi", "device_id": VPS}]
    declared: Json = {"devices": devices, "folders": [{"id": "photos", "devices": [member]}], "replace_devices": True}
    assert _plan.plan(filled.config, SEEN, declared).writes


NEW: Json = {"folders": [{"id": "music", "path": "/srv/music", "label": "Music", "devices": [{"device_id": NAS}]}]}


def of_the_new_one(key: str, value: t.Any) -> t.Callable[[Json], object]:
    return lambda config: next(one for one in config["folders"] if one["id"] == "music").update({key: value})


def test_key_that_syncthing_sets_in_a_new_folder_is_not_reported(filled: Syncthing) -> None:
    assert after(filled, NEW, of_the_new_one("disableTempIndexes", True)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("versioning", {"type": "simple", "params": {"keep": "1"}}), ("type", "receiveonly"), ("path", "/srv/m"), ("devices", [])],
)
def test_unexpected_key_about_files_in_a_new_folder_is_reported(filled: Syncthing, key: str, value: t.Any) -> None:
    assert after(filled, NEW, of_the_new_one(key, value)) == [f"folders: music ({key})"]


def test_shared_folder_that_is_no_longer_ignored_is_not_reported(filled: Syncthing) -> None:
    assert after(filled, LABEL, at("devices", 1, "ignoredFolders", [])) == []
