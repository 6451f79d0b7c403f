# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""syncthing_cluster's engine against real daemons."""

from __future__ import annotations

import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError

NAS = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"
PI = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
VPS = "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW"
NETWORKS = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]


def mesh(root: pathlib.Path) -> dict[str, t.Any]:
    return {
        "devices": [
            {"name": "nas", "device_id": NAS, "addresses": ["tcp://nas.tailnet.test:22000"], "allowed_networks": NETWORKS},
            {"name": "vps", "device_id": VPS.lower(), "addresses": ["tcp://vps.tailnet.test:22000"]},
        ],
        "folders": [
            {"id": "documents", "path": str(root / "documents"), "devices": [{"name": "nas"}]},
            {
                "id": "photos",
                "path": str(root / "photos"),
                "devices": [{"name": "nas"}, {"name": "vps", "encryption_password": "a-secret-of-the-photos"}],
                "versioning": {"type": "staggered", "params": {"maxAge": 31536000}},
                "fs_watcher_delay": 1,
            },
        ],
    }


def test_first_call_applies_everything_and_second_call_nothing(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    first = daemon.cluster(**wanted)
    assert first["changed"]
    assert first["requests"] == {"reads": 2, "writes": 2}
    assert daemon.device("nas")["allowedNetworks"] == NETWORKS
    assert daemon.device("vps")["deviceID"] == VPS
    members = {share["deviceID"]: share["encryptionPassword"] for share in daemon.folder("photos")["devices"]}
    assert members == {daemon.device_id: "", NAS: "", VPS: "a-secret-of-the-photos"}
    assert daemon.folder("photos")["versioning"]["params"] == {"maxAge": "31536000"}
    assert daemon.folder("photos")["fsWatcherDelayS"] == 1
    second = daemon.cluster(**wanted)
    assert not second["changed"]
    assert second["requests"] == {"reads": 1, "writes": 0}


def test_check_mode_predicts_the_changes_and_writes_nothing(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    before = daemon.get("config")
    check = daemon.cluster(check_mode=True, **mesh(tmp_path))
    assert daemon.get("config") == before
    real = daemon.cluster(**mesh(tmp_path))
    assert (check["changed"], check["before"], check["after"]) == (real["changed"], real["before"], real["after"])
    assert not daemon.cluster(check_mode=True, **mesh(tmp_path))["changed"]


def test_result_contains_no_secret(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    text = str(daemon.cluster(**mesh(tmp_path))) + str(daemon.look())
    key = daemon.get("config/gui")["apiKey"]
    assert "a-secret-of-the-photos" not in text
    assert key
    assert key not in text


def test_undeclared_values_are_kept(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    daemon.cluster(**mesh(tmp_path))
    daemon.change("PATCH", "config/folders/documents", {"rescanIntervalS": 77, "order": "newestFirst"})
    daemon.change("PATCH", f"config/devices/{NAS}", {"maxSendKbps": 123})
    daemon.change("PATCH", "config/options", {"maxFolderConcurrency": 3})
    changed = mesh(tmp_path)
    changed["folders"][0]["label"] = "My documents"
    changed["devices"][0]["compression"] = "always"
    assert daemon.cluster(**changed)["changed"]
    folder, device = daemon.folder("documents"), daemon.device("nas")
    assert (folder["label"], folder["rescanIntervalS"], folder["order"]) == ("My documents", 77, "newestFirst")
    assert (device["compression"], device["maxSendKbps"]) == ("always", 123)
    assert daemon.get("config/options")["maxFolderConcurrency"] == 3


def test_declaring_one_global_option_keeps_the_others(daemon: t.Any) -> None:
    """PUT on options resets omitted keys to their defaults, also relays and discovery."""
    before = daemon.get("config/options")
    assert daemon.cluster(options={"max_folder_concurrency": 2})["changed"]
    assert daemon.get("config/options") == {**before, "maxFolderConcurrency": 2}
    assert not daemon.cluster(options={"max_folder_concurrency": 2})["changed"]


def test_changed_versioning_type_removes_the_old_parameters(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    daemon.cluster(**wanted)
    wanted["folders"][1]["versioning"] = {"type": "simple", "params": {"keep": 3}}
    daemon.cluster(**wanted)
    assert daemon.folder("photos")["versioning"]["params"] == {"keep": "3"}
    wanted["folders"][1]["versioning"] = {"type": "none"}
    daemon.cluster(**wanted)
    assert daemon.folder("photos")["versioning"]["type"] == ""


def test_password_is_not_assigned_to_another_device(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    """Syncthing decodes an array into the old elements by position."""
    wanted = mesh(tmp_path)
    daemon.cluster(**wanted)
    wanted["devices"].append({"name": "pi", "device_id": PI})
    wanted["folders"][1]["devices"] = [{"name": "pi"}, {"name": "nas"}]
    daemon.cluster(**wanted)
    passwords = {share["deviceID"]: share["encryptionPassword"] for share in daemon.folder("photos")["devices"]}
    assert passwords == {daemon.device_id: "", NAS: "", PI: ""}


def test_misspelt_option_is_an_error(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    wanted["folders"][0]["settings"] = {"rescanInterval": 60}
    with pytest.raises(SyncthingError, match=r"folder documents.*'rescanInterval'.*rescanIntervalS"):
        daemon.cluster(**wanted)
    with pytest.raises(SyncthingError, match=r"'relayEnabled'.*relaysEnabled"):
        daemon.cluster(options={"settings": {"relayEnabled": False}})
    assert daemon.get("config/folders") == []


@pytest.mark.parametrize(("key", "value"), [("path", "elsewhere"), ("type", "receiveonly")])
def test_changed_path_or_type_of_a_folder_is_refused_unless_allowed(
    daemon: t.Any, tmp_path: pathlib.Path, key: str, value: str
) -> None:
    daemon.cluster(**mesh(tmp_path))
    before = daemon.get("config/folders")
    wanted = mesh(tmp_path)
    wanted["folders"][0][key] = str(tmp_path / value) if key == "path" else value
    with pytest.raises(SyncthingError, match=f"folder documents: its {key} is .* allow_moves"):
        daemon.cluster(**wanted)
    assert daemon.get("config/folders") == before
    assert daemon.cluster(**wanted, allow_moves=True)["changed"]


def test_peer_without_a_device_id_is_found_by_its_name(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    daemon.cluster(**wanted)
    del wanted["devices"][0]["device_id"]
    again = daemon.cluster(**wanted)
    assert (again["changed"], again["unresolved"]) == (False, [])


def test_unknown_peer_is_left_out_and_named(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    del wanted["devices"][0]["device_id"]
    first = daemon.cluster(**wanted)
    assert first["unresolved"] == ["nas"]
    assert [share["deviceID"] for share in daemon.folder("documents")["devices"]] == [daemon.device_id]


def test_module_waits_for_a_starting_syncthing(make_daemon: t.Any, suite: str, tmp_path: pathlib.Path) -> None:
    daemon = make_daemon(suite, start=False)
    timer = threading.Timer(1.5, daemon.start)
    timer.start()
    assert daemon.cluster(**mesh(tmp_path))["changed"]
    timer.join()


def test_stopped_syncthing_is_an_error_within_the_timeout(make_daemon: t.Any, tmp_path: pathlib.Path) -> None:
    daemon = make_daemon("trixie", start=False)
    started = time.monotonic()
    with pytest.raises(SyncthingError, match=r"does not answer.*is its service running.*waited 2 s"):
        daemon.cluster(timeout=2, **mesh(tmp_path))
    assert time.monotonic() - started < 10


def test_wrong_api_key_is_an_error(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    path = daemon.home / "config.xml"
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace("<apikey>", "<apikey>wrong"), encoding="utf-8")
    with pytest.raises(SyncthingError, match="does not accept the API key"):
        daemon.cluster(**mesh(tmp_path))


def test_root_of_a_new_folder_belongs_to_its_owner(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    daemon.cluster(folder_owner="nobody", **mesh(tmp_path))
    assert (tmp_path / "photos").owner() == "nobody"


def test_check_mode_works_before_the_first_start(make_daemon: t.Any, tmp_path: pathlib.Path) -> None:
    daemon = make_daemon("trixie", start=False)
    (daemon.home / "config.xml").unlink()
    check = daemon.cluster(check_mode=True, **mesh(tmp_path))
    assert check["changed"]
    with pytest.raises(SyncthingError, match=r"there is no .*config\.xml"):
        daemon.cluster(**mesh(tmp_path))


@pytest.mark.parametrize("suites", [("bookworm", "bookworm"), ("trixie", "trixie"), ("bookworm", "trixie")])
def test_two_daemons_pair_and_a_file_arrives(
    make_daemon: t.Any, suites: tuple[str, str], tmp_path: pathlib.Path, eventually: t.Any
) -> None:
    one, two = (make_daemon(suite) for suite in suites)
    for own, other in ((one, two), (two, one)):
        root = tmp_path / own.home.name.replace("home", "files")
        own.cluster(
            devices=[
                {
                    "name": "other",
                    "device_id": other.device_id,
                    "addresses": [other.address],
                    "allowed_networks": ["127.0.0.0/8"],
                }
            ],
            folders=[{"id": "shared", "path": str(root), "devices": [{"name": "other"}], "fs_watcher_delay": 1}],
        )
    connection = one.look()["connections"][two.device_id]
    assert eventually(lambda: one.look()["connections"][two.device_id]["connected"], 30), connection
    assert one.look()["connections"][two.device_id]["type"].startswith("tcp")
    (tmp_path / "files-0" / "hello.txt").write_text("hello", encoding="ascii")
    assert eventually((tmp_path / "files-1" / "hello.txt").exists, 60)
    state = two.look()["folders"]["shared"]["completion"][one.device_id]["remote_state"]
    assert state in ("valid", None)


def whole(daemon: t.Any) -> dict[str, t.Any]:
    """The configuration without the keys that Syncthing changes by itself."""
    return {key: value for key, value in daemon.get("config").items() if key != "version"}


def test_folder_gets_no_versioning_parameters_of_the_defaults(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    """Syncthing decodes a folder over its defaults, where maps merge: old versions would be deleted after 30 days."""
    defaults = {"folder": {"versioning": {"type": "trashcan", "params": {"cleanoutDays": 30}}}}
    daemon.cluster(**mesh(tmp_path))
    simple = {"type": "simple", "params": {"keep": 5}}
    docs: dict[str, t.Any] = {"id": "documents", "versioning": simple}
    daemon.cluster(folders=[docs])
    daemon.cluster(defaults=defaults)
    before = whole(daemon)
    # (b) an existing folder of which only the label is declared
    result = daemon.cluster(folders=[{"id": "documents", "label": "Mine"}])
    assert result["after"] == {"folders": {"documents": {"label": "Mine"}}}
    before["folders"][0]["label"] = "Mine"
    assert whole(daemon) == before
    # (a) a new folder and an existing one with another kind of versioning
    for folder_id in ("new", "photos"):
        new = {"id": folder_id, "path": str(tmp_path / folder_id), "versioning": {"type": "staggered"}}
        assert daemon.cluster(folders=[new])["changed"]
        assert daemon.folder(folder_id)["versioning"]["params"] == {}
        assert not daemon.cluster(folders=[new])["changed"]
    # and a folder that declares no versioning gets the defaults as they are
    daemon.cluster(folders=[{"id": "plain", "path": str(tmp_path / "plain")}])
    assert daemon.folder("plain")["versioning"]["params"] == {"cleanoutDays": "30"}
    off = {"id": "plain", "versioning": {"type": "none"}}
    assert daemon.cluster(folders=[off])["changed"]
    assert (daemon.folder("plain")["versioning"]["type"], daemon.folder("plain")["versioning"]["params"]) == ("", {})


def test_share_and_device_get_no_values_of_the_defaults(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    daemon.cluster(**mesh(tmp_path))
    template = daemon.get("config/defaults/folder")
    template["devices"] = [{"deviceID": NAS, "introducedBy": VPS, "encryptionPassword": "of-the-template"}, *template["devices"]]
    daemon.change("PUT", "config/defaults/folder", template)
    device = daemon.get("config/defaults/device")
    device["ignoredFolders"] = [{"id": "ignored", "label": "x", "time": "2026-01-01T00:00:00Z"}]
    device["allowedNetworks"] = ["10.0.0.0/8", "192.168.0.0/16"]
    daemon.change("PUT", "config/defaults/device", device)
    before = whole(daemon)
    daemon.cluster(folders=[{"id": "documents", "label": "Mine"}], devices=[{"name": "nas", "compression": "always"}])
    before["folders"][0]["label"] = "Mine"
    next(one for one in before["devices"] if one["name"] == "nas")["compression"] = "always"
    assert whole(daemon) == before


def test_every_object_keeps_its_undeclared_options(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    """Declare each option of each object in turn; the rest of the configuration does not change."""
    daemon.cluster(**mesh(tmp_path))
    daemon.change("PATCH", "config/folders/documents", {"versioning": {"type": "external", "params": {"command": "true"}}})
    steps: list[dict[str, t.Any]] = [
        {"folders": [{"id": "documents", "min_disk_free": "3 GB"}]},
        {"folders": [{"id": "documents", "paused": True}, {"id": "photos", "order": "newestFirst"}]},
        {"devices": [{"name": "vps", "paused": True}]},
        {"options": {"max_send_kbps": 7}},
        {"gui": {"theme": "dark"}},
        {"defaults": {"device": {"compression": "never"}}},
        {"defaults": {"folder": {"rescan_interval": 60}}},
    ]
    for step in steps:
        before, result = whole(daemon), daemon.cluster(**step)
        after = daemon.get_config_after_restart()
        found = [path for path, old, new in leaves(before, after) if old != new]
        assert len(found) == sum(len(one) - 1 if "id" in one or "name" in one else 1 for one in declared_objects(step)), found
        assert result["changed"]


def declared_objects(step: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    value = next(iter(step.values()))
    return value if isinstance(value, list) else [value]


def leaves(old: t.Any, new: t.Any, path: str = "") -> t.Iterator[tuple[str, t.Any, t.Any]]:
    """Yield each pair of corresponding values of two configurations."""
    if isinstance(old, dict) and isinstance(new, dict) and not {"value", "unit"} & set(old):
        for key in {*old, *new} - {"version"}:
            yield from leaves(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (one, other) in enumerate(zip(old, new)):
            yield from leaves(one, other, f"{path}[{at}]")
    else:
        yield path, old, new


@pytest.mark.parametrize(("was", "becomes"), [("old-one", "new-one"), ("", "new-one"), ("old-one", "")])
def test_changed_password_is_refused_with_how_to_rotate_it(daemon: t.Any, tmp_path: pathlib.Path, was: str, becomes: str) -> None:
    wanted = mesh(tmp_path)
    share = wanted["folders"][1]["devices"][1]
    share.pop("encryption_password")
    if was:
        share["encryption_password"] = was
    daemon.cluster(**wanted)
    before = whole(daemon)
    with pytest.raises(SyncthingError, match=r"encryption_password for vps is (.*to rotate it: take vps out|empty)"):
        daemon.cluster(folders=[{**wanted["folders"][1], "devices": [{"name": "vps", "encryption_password": becomes}]}])
    assert whole(daemon) == before
    assert not daemon.cluster(**wanted)["changed"]
    share.pop("encryption_password", None)
    assert not daemon.cluster(**wanted)["changed"], "an undeclared password must be kept"
    # the rotation that the message describes
    daemon.cluster(folders=[{**wanted["folders"][1], "devices": [{"name": "nas"}]}])
    share["encryption_password"] = "new-one"
    assert daemon.cluster(**wanted)["changed"]
    assert {one["encryptionPassword"] for one in daemon.folder("photos")["devices"]} == {"", "new-one"}


def test_peer_renamed_by_a_user_is_still_found(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    daemon.cluster(**wanted)
    daemon.change("PATCH", f"config/devices/{NAS}", {"name": "Raspi"})
    del wanted["devices"][0]["device_id"]
    again = daemon.cluster(**wanted, purge_devices=True, purge_folders=True)
    assert again["unresolved"] == []
    assert daemon.device("nas")["deviceID"] == NAS
    assert len(daemon.folder("documents")["devices"]) == 2
    assert not daemon.cluster(**wanted)["changed"]


def test_no_device_is_purged_while_a_peer_is_unknown(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = mesh(tmp_path)
    daemon.cluster(**wanted)
    daemon.change("PATCH", f"config/devices/{NAS}", {"name": "Raspi", "addresses": ["dynamic"]})
    daemon.cluster(devices=[{"name": "by-hand", "device_id": PI}], folders=[{"id": "mine", "path": str(tmp_path / "mine")}])
    before = whole(daemon)
    del wanted["devices"][0]["device_id"]
    again = daemon.cluster(**wanted, purge_devices=True, purge_folders=True)
    assert (again["changed"], again["unresolved"]) == (False, ["nas"])
    assert whole(daemon) == before
    wanted["devices"][0]["device_id"] = NAS
    assert daemon.cluster(**wanted, purge_devices=True, purge_folders=True)["changed"]
    assert {one["name"] for one in daemon.get("config/devices")} >= {"nas", "vps"}
    assert len(daemon.get("config/devices")) == 3
    assert [one["id"] for one in daemon.get("config/folders")] == ["documents", "photos"]


def test_folder_in_syncthings_home_or_a_system_path_is_refused(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(daemon.home)
    (tmp_path / "etc").symlink_to("/etc")
    before = whole(daemon)
    for path in (daemon.home, daemon.home.parent, daemon.home / "key.pem", tmp_path / "link", tmp_path / "etc" / "x", "/usr/x"):
        with pytest.raises(SyncthingError, match=r"folder oops: .* of its own"):
            daemon.cluster(folders=[{"id": "oops", "path": str(path)}], folder_owner="root")
    kept = {"type": "simple", "path": str(daemon.home)}
    with pytest.raises(SyncthingError, match=r"folder oops: versioning.path .* of its own"):
        daemon.cluster(folders=[{"id": "oops", "path": str(tmp_path / "fine"), "versioning": kept}])
    assert whole(daemon) == before
    assert daemon.cluster(folders=[{"id": "fine", "path": str(daemon.home / "data")}])["changed"]
