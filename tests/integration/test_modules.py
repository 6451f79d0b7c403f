# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' state tables against real daemons of both versions."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest
import syncthing_options
import syncthing_steps
from module_call import ModuleFailed, call


def test_syncthing_device(daemon: t.Any) -> None:
    syncthing_steps.run_steps("syncthing_device", syncthing_steps.of_device(), str(daemon.home), lambda: daemon.get("config"))


def test_syncthing_folder(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    call("syncthing_device", home=str(daemon.home), name="nas", device_id=syncthing_steps.NAS)
    root = tmp_path / "files"
    root.mkdir()
    syncthing_steps.run_steps(
        "syncthing_folder", syncthing_steps.of_folder(str(root)), str(daemon.home), lambda: daemon.get("config")
    )


def test_syncthing_settings(daemon: t.Any) -> None:
    syncthing_steps.run_steps(
        "syncthing_settings", syncthing_steps.of_settings(), str(daemon.home), daemon.get_config_after_restart
    )


@pytest.mark.parametrize("kind", list(syncthing_options.ROWS))
def test_each_option_is_written_to_the_daemon(daemon: t.Any, tmp_path: pathlib.Path, kind: str) -> None:
    bench = syncthing_options.Bench(
        str(daemon.home),
        str(tmp_path),
        daemon.get_config_after_restart,
        lambda name: list(daemon.get(f"db/ignores?folder={name}")["ignore"] or []),
    )
    version = re.match(r"v(\d+)\.(\d+)", daemon.get("system/version")["version"])
    assert version
    for row in syncthing_options.ROWS[kind]:
        syncthing_options.check_row(bench, kind, row, (int(version[1]), int(version[2])))


def test_removing_a_folder_keeps_its_files(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home, root = str(daemon.home), tmp_path / "photos"
    call("syncthing_folder", home=home, id="photos", path=str(root), folder_owner="root")
    (root / "cat.jpg").write_text("a cat", encoding="ascii")
    assert call("syncthing_folder", home=home, id="photos", state="absent")["changed"]
    assert (root / "cat.jpg").read_text(encoding="ascii") == "a cat"


def test_ignored_files_are_excluded_from_the_first_scan(daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    (root / "cat.jpg").write_text("a cat", encoding="ascii")
    (root / "big.iso").write_text("x" * 1000, encoding="ascii")
    call("syncthing_folder", home=str(daemon.home), id="photos", path=str(root), ignores=["*.iso"])
    assert eventually(lambda: daemon.get("db/status?folder=photos")["state"] == "idle", 30)
    assert eventually(lambda: daemon.get("db/status?folder=photos")["localFiles"] == 1, 30)
    assert daemon.get("db/status?folder=photos")["globalBytes"] == 5


def test_removed_marker_is_never_created_again(daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any) -> None:
    """An empty disk mounted instead of a full one must stop the folder, which must stay stopped."""
    home, root = str(daemon.home), tmp_path / "photos"
    call("syncthing_folder", home=home, id="photos", path=str(root), folder_owner="root")
    (root / "cat.jpg").write_text("a cat", encoding="ascii")
    daemon.change("POST", "db/scan?folder=photos", None)
    # While a folder has no files, Syncthing treats it as a new one and creates the marker itself.
    assert eventually(lambda: daemon.get("db/status?folder=photos")["localFiles"] == 1, 30)
    shutil.rmtree(root / ".stfolder")
    call("syncthing_folder", home=home, id="photos", path=str(root), folder_owner="root", rescan_interval=60)
    assert eventually(lambda: daemon.get("db/status?folder=photos")["state"] == "error", 30)
    assert not (root / ".stfolder").exists()
    found = call("syncthing_info", home=home)["folders"]["photos"]
    assert "marker" in found["error"]


@pytest.mark.parametrize("address", ["no.such.host.invalid:8384", "100.64.9.9:8384"])
def test_gui_address_that_cannot_be_bound_is_refused_without_a_change(daemon: t.Any, address: str) -> None:
    """With a name that does not resolve, every later change fails, too; with an address of another host, the next start."""
    before = daemon.get("config/gui")
    with pytest.raises(ModuleFailed, match="where this host cannot listen"):
        call("syncthing_settings", home=str(daemon.home), gui={"address": address})
    assert daemon.get("config/gui") == before


def test_refusal_by_syncthing_is_shown_with_its_message(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    folder: dict[str, t.Any] = {"id": "photos", "path": str(tmp_path / "photos")}
    call("syncthing_folder", home=str(daemon.home), **folder)
    with pytest.raises(ModuleFailed, match=r"Syncthing refused PUT config/folders: .*cannot unmarshal number"):
        call("syncthing_folder", home=str(daemon.home), **folder, settings={"hashers": 10**20})


def test_untrusted_device_in_a_folder_needs_a_password(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home = str(daemon.home)
    folder: dict[str, t.Any] = {"id": "photos", "path": str(tmp_path / "photos")}
    call("syncthing_device", home=home, name="vps", device_id=syncthing_steps.NAS, untrusted=True)
    with pytest.raises(ModuleFailed, match="vps, which is untrusted, without an encryption_password"):
        call("syncthing_folder", home=home, **folder, devices=[{"name": "vps"}])
    share = {"name": "vps", "encryption_password": syncthing_steps.SECRETS[0]}
    assert call("syncthing_folder", home=home, **folder, devices=[share])["changed"]
    assert len(daemon.folder("photos")["devices"]) == 2


def test_user_can_log_in_with_a_declared_password(daemon: t.Any) -> None:
    gui = {"user": "admin", "password": syncthing_steps.SECRETS[1]}
    assert call("syncthing_settings", home=str(daemon.home), gui=gui)["changed"]
    assert not call("syncthing_settings", home=str(daemon.home), gui=gui)["changed"]
    assert call("syncthing_settings", home=str(daemon.home), gui={**gui, "password": "another-password"})["changed"]
    assert call("syncthing_settings", home=str(daemon.home), gui=gui)["changed"], (
        "the declared password must replace the other one"
    )


def test_password_hash_is_stored_unchanged_or_refused(daemon: t.Any, suite: str) -> None:
    stored = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
    gui = {"user": "admin", "password": stored}
    if suite == "bookworm":
        with pytest.raises(ModuleFailed, match="give the password itself"):
            call("syncthing_settings", home=str(daemon.home), gui=gui)
        return
    assert call("syncthing_settings", home=str(daemon.home), gui=gui)["changed"]
    assert daemon.get("config/gui")["password"] == stored
    assert not call("syncthing_settings", home=str(daemon.home), gui=gui)["changed"]


def test_web_interface_changes_to_tls_and_back(daemon: t.Any) -> None:
    home = str(daemon.home)
    assert call("syncthing_settings", home=home, gui={"tls": True})["changed"]
    assert not call("syncthing_settings", home=home, gui={"tls": True})["changed"]
    assert call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS)["changed"]
    assert call("syncthing_info", home=home)["devices"][syncthing_steps.NAS]["name"] == "nas"
    (daemon.home / "https-cert.pem").write_bytes((daemon.home / "cert.pem").read_bytes())
    with pytest.raises(ModuleFailed, match="is something else listening there"):
        call("syncthing_info", home=home)


def settings(daemon: t.Any, **gui: t.Any) -> dict[str, t.Any]:
    return call("syncthing_settings", home=str(daemon.home), gui=gui)


def test_web_interface_changes_to_a_unix_socket_and_back(daemon: t.Any, tmp_path: pathlib.Path, short_path: pathlib.Path) -> None:
    home, address = str(daemon.home), str(short_path / "gui.sock")
    assert settings(daemon, address=address, unix_socket_permissions="0600")["changed"]
    assert not settings(daemon, address=address)["changed"]
    assert (short_path / "gui.sock").stat().st_mode & 0o777 == 0o600
    assert call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS)["changed"]
    assert not call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS)["changed"]
    syncthing_steps.run_steps(
        "syncthing_folder", syncthing_steps.of_folder(str(tmp_path)), home, lambda: by_socket(daemon, address)
    )
    assert call("syncthing_info", home=home)["devices"][syncthing_steps.NAS]["name"] == "nas"
    assert settings(daemon, address=f"127.0.0.1:{daemon.gui}")["changed"]
    assert not settings(daemon, address=f"127.0.0.1:{daemon.gui}")["changed"]
    assert daemon.device("nas")


def by_socket(daemon: t.Any, address: str) -> dict[str, t.Any]:
    """Read the configuration with a program that shares no code with the modules."""
    key = re.search("<apikey>(.+)</apikey>", (daemon.home / "config.xml").read_text(encoding="utf-8"))
    assert key
    command = ["curl", "--silent", "--unix-socket", address, "-H", f"X-API-Key: {key.group(1)}", "http://unix/rest/config"]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def test_unix_socket_with_tls_is_refused_or_changed(daemon: t.Any, short_path: pathlib.Path) -> None:
    address = str(short_path / "gui.sock")
    before = daemon.get("config")
    with pytest.raises(ModuleFailed, match=r"unix socket .* and tls is to be on: set tls: false"):
        settings(daemon, address=address, tls=True)
    assert daemon.get("config") == before
    settings(daemon, tls=True)
    with pytest.raises(ModuleFailed, match=r"unix socket .* and tls is on: set tls: false"):
        settings(daemon, address=address)
    assert call("syncthing_info", home=str(daemon.home))["device_id"] == daemon.device_id
    assert settings(daemon, address=address, tls=False)["changed"]
    assert not settings(daemon, address=address, tls=False)["changed"]
    with pytest.raises(ModuleFailed, match=r"tls is to be on"):
        settings(daemon, tls=True)


def test_existing_unix_socket_with_tls_is_used(daemon: t.Any, short_path: pathlib.Path, eventually: t.Any) -> None:
    home, address = str(daemon.home), short_path / "gui.sock"
    daemon.change("PATCH", "config/gui", {"useTLS": True, "address": str(address)})
    assert eventually(address.exists, 20)
    assert call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS)["changed"]
    assert not call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS)["changed"]
    assert settings(daemon, theme="dark")["changed"], "an existing socket with TLS must not block another setting"
    certificate = (daemon.home / "https-cert.pem").read_bytes()
    (daemon.home / "https-cert.pem").write_bytes((daemon.home / "cert.pem").read_bytes())
    with pytest.raises(ModuleFailed, match="is something else listening there"):
        call("syncthing_info", home=home)
    (daemon.home / "https-cert.pem").write_bytes(certificate)
    assert settings(daemon, tls=False)["changed"]
    assert not settings(daemon, tls=False)["changed"]


def test_socket_path_that_cannot_be_created_is_refused_without_a_change(daemon: t.Any, short_path: pathlib.Path) -> None:
    (short_path / "file").write_text("mine", encoding="ascii")
    before = daemon.get("config")
    for path, words in (
        ("nowhere/gui.sock", r"there is no directory .*nowhere: make it first"),
        ("file", "there is something else, which Syncthing would remove"),
        ("file/gui.sock", "is no directory"),
        ("x" * 120, "longer than the 107 bytes"),
    ):
        with pytest.raises(ModuleFailed, match=words):
            settings(daemon, address=str(short_path / path))
    assert daemon.get("config") == before
    assert (short_path / "file").read_text(encoding="ascii") == "mine"


def test_web_interface_changes_its_port(daemon: t.Any) -> None:
    port = daemon.gui + 1
    assert call("syncthing_settings", home=str(daemon.home), gui={"address": f"127.0.0.1:{port}"})["changed"]
    daemon.gui = port
    assert daemon.get("system/ping")


def test_device_is_replaced_by_another_in_every_folder(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home = str(daemon.home)
    call("syncthing_device", home=home, name="pi", device_id=syncthing_steps.NAS, addresses=["tcp://pi:22000"], max_send_kbps=9)
    for name in ("photos", "documents"):
        share = {"name": "pi", "encryption_password": syncthing_steps.SECRETS[0]}
        call("syncthing_folder", home=home, id=name, path=str(tmp_path / name), devices=[share])
    options: dict[str, t.Any] = {"devices": [{"name": "pi", "device_id": syncthing_steps.PI}]}
    with pytest.raises(ModuleFailed, match="replace_devices: true for one run"):
        call("syncthing_cluster", home=home, **options)
    assert call("syncthing_cluster", home=home, replace_devices=True, **options)["changed"]
    assert {device["deviceID"] for device in daemon.get("config/devices")} == {daemon.device_id, syncthing_steps.PI}
    assert (daemon.device("pi")["addresses"], daemon.device("pi")["maxSendKbps"]) == (["tcp://pi:22000"], 9)
    for name in ("photos", "documents"):
        shares = {share["deviceID"]: share["encryptionPassword"] for share in daemon.folder(name)["devices"]}
        assert shares == {daemon.device_id: "", syncthing_steps.PI: syncthing_steps.SECRETS[0]}
    assert not call("syncthing_cluster", home=home, **options)["changed"]


def test_purge_keeps_declared_objects(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home = str(daemon.home)
    for name, device_id in (("nas", syncthing_steps.NAS), ("pi", syncthing_steps.PI)):
        call("syncthing_device", home=home, name=name, device_id=device_id)
    for name in ("photos", "documents"):
        call("syncthing_folder", home=home, id=name, path=str(tmp_path / name), devices=[{"name": "pi"}])
    options: dict[str, t.Any] = {
        "devices": [{"name": "nas", "device_id": syncthing_steps.NAS}],
        "folders": [{"id": "photos", "devices": [{"name": "nas"}]}],
        "purge_devices": True,
        "purge_folders": True,
    }
    step = syncthing_steps.Step("purge", options, True, lambda config: sorted(syncthing_steps.folders(config)) == ["photos"])
    syncthing_steps.run_steps("syncthing_cluster", [step], home, lambda: daemon.get("config"))
    assert {device["name"] for device in daemon.get("config/devices")} >= {"nas"}
    assert syncthing_steps.PI not in {device["deviceID"] for device in daemon.get("config/devices")}


def test_device_that_shares_a_folder_cannot_become_untrusted(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home = str(daemon.home)
    call("syncthing_device", home=home, name="vps", device_id=syncthing_steps.NAS)
    call("syncthing_folder", home=home, id="docs", path=str(tmp_path / "docs"), devices=[{"name": "vps"}])
    before = daemon.get("config")
    with pytest.raises(ModuleFailed, match="device vps is to be untrusted, and folder docs is shared with it"):
        call("syncthing_device", home=home, name="vps", untrusted=True)
    assert daemon.get("config") == before


def test_refused_folders_of_a_partial_call_leave_the_others_alone(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home = str(daemon.home)
    (tmp_path / "file").write_text("x", encoding="ascii")
    call("syncthing_folder", home=home, id="docs", path=str(tmp_path / "docs"))
    folders = [
        {"id": "docs", "type": "sendonly"},
        {"id": "bad", "path": f"{tmp_path}/file"},
        {"id": "good", "path": f"{tmp_path}/good"},
    ]
    done = call("syncthing_cluster", home=home, folders=folders, partial=True)
    assert (done["changed"], [one["id"] for one in done["refused"]]) == (True, ["docs", "bad"])
    assert {one["id"]: one["type"] for one in daemon.get("config/folders")} == {"docs": "sendreceive", "good": "sendreceive"}
    assert not call("syncthing_cluster", home=home, folders=folders, partial=True)["changed"]
