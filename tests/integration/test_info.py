# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""syncthing_info against real daemons: its values for paused, full, stopped, slow and stalled folders."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import artefacts
import pytest
import syncthing_steps
import verify_views
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, verify_folders
from ansible_collections.homelab.tailsync.plugins.plugin_utils.mesh import model
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View
from module_call import ModuleFailed, call
from syncthing_daemon import Daemon, session_of

NEWEST = "trixie"
LIMITED = {"limit_bandwidth_in_lan": True}


def info(daemon: t.Any, **options: t.Any) -> dict[str, t.Any]:
    return call("syncthing_info", home=str(daemon.home), **options)


def pair(one: t.Any, two: t.Any, tmp_path: pathlib.Path, receiver: t.Any = None, sender: t.Any = None, **device: t.Any) -> None:
    """Share the folder `shared` between two daemons; files-0 is the first daemon's folder."""
    for number, (own, other, part) in enumerate(((one, two, sender), (two, one, receiver))):
        folder = {"id": "shared", "path": str(tmp_path / f"files-{number}"), "fs_watcher_delay": 1, **(part or {})}
        peer = {"name": "other", "device_id": other.device_id, "addresses": [other.address], "allowed_networks": ["127.0.0.0/8"]}
        share = {"name": "other", **folder.pop("share", {})}
        own.cluster(devices=[{**peer, **device}], folders=[{**folder, "devices": [share]}], options=LIMITED)


def view_of(daemon: t.Any, name: str, peer: str, peer_id: str, found: dict[str, t.Any], folder: dict[str, t.Any]) -> View:
    """The view that the role verify gathers of a host with this Syncthing."""
    template = verify_views.view("nas", "pi")
    mesh = {"hosts": [name, peer], "folders": {"shared": {"path": "/", "devices": [name, peer], **folder}}}
    renamed = {peer_id: {**found["devices"][peer_id], "name": peer}}
    return dataclasses.replace(template, name=name, mesh=model(mesh), probed={}, syncthing={**found, "devices": renamed})


def write(path: pathlib.Path, size: int) -> None:
    path.write_bytes(os.urandom(size))


def test_paused_folder_and_paused_device_are_reported(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    home = str(daemon.home)
    call("syncthing_device", home=home, name="nas", device_id=syncthing_steps.NAS, paused=True)
    share = [{"name": "nas"}]
    call("syncthing_folder", home=home, id="photos", path=str(tmp_path / "photos"), devices=share, paused=True)
    call("syncthing_folder", home=home, id="documents", path=str(tmp_path / "documents"), devices=share)
    found = info(daemon)
    assert found["folders"]["photos"]["paused"]
    assert found["folders"]["photos"]["completion"] == {}
    assert list(found["folders"]["documents"]["completion"]) == [syncthing_steps.NAS]
    assert found["devices"][syncthing_steps.NAS]["paused"]


def test_stopped_syncthing_costs_no_more_than_the_timeout(daemon: t.Any) -> None:
    daemon.stop()
    with pytest.raises(ModuleFailed, match=r"does not answer.*\(waited 1 s\)"):
        info(daemon, timeout=1, wait_timeout=600)


def test_full_disk_is_reported_with_the_files_that_need_space(
    make_daemon: t.Any, suite: str, tmp_path: pathlib.Path, eventually: t.Any
) -> None:
    one, two = make_daemon(suite), make_daemon(suite)
    small = tmp_path / "files-1"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "small", str(small)], check=True)
    try:
        pair(one, two, tmp_path, receiver={"min_disk_free": "10%"})
        write(tmp_path / "files-0" / "fits", 2_000_000)
        write(tmp_path / "files-0" / "does-not", 2_000_000)
        assert eventually(lambda: info(two)["folders"]["shared"]["failures"], 60)
        folder = info(two)["folders"]["shared"]
        assert folder["need_items"] > 0
        assert "insufficient space" in folder["failures"][0]["error"]
        write(small / "more", max(0, os.statvfs(small).f_bavail * os.statvfs(small).f_frsize - 100_000))
        disk = info(two)["folders"]["shared"]["disk"]
        assert disk["free_bytes"] < disk["needed_bytes"] == 3 * 1024 * 1024 // 10
        view = view_of(two, "pi", "nas", one.device_id, info(two), {})
        (finding,) = verify_folders.folder_report(view, view.wanted["folders"][0]).findings
        assert "is full" in finding
    finally:
        two.stop()
        subprocess.run(["umount", str(small)], check=True)


def test_failed_watcher_is_reported(make_daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any) -> None:
    """inotify limits belong to a user namespace, so this Syncthing gets a separate one."""
    script = tmp_path / "syncthing"
    script.write_text(
        "#!/bin/sh\nexec unshare --user --map-root-user sh -c "
        f"""'echo 5 > /proc/sys/user/max_inotify_watches && exec "$0" "$@"' {artefacts.syncthing(NEWEST)} "$@"\n""",
        encoding="ascii",
    )
    script.chmod(0o755)
    daemon = make_daemon(NEWEST, start=False)
    daemon.program = script
    daemon.start()
    assert eventually(lambda: daemon.get("system/ping"), 30)
    for number in range(30):
        (tmp_path / "many" / str(number)).mkdir(parents=True)
    call("syncthing_folder", home=str(daemon.home), id="shared", path=str(tmp_path / "many"))
    assert eventually(lambda: info(daemon)["folders"]["shared"]["watch_error"], 60)
    said = verify_folders.folder_report(
        View(
            "nas",
            syncthing=info(daemon),
            mesh=model({"hosts": ["nas"], "folders": {"shared": {"path": "/", "devices": ["nas"]}}}),
        ),
        {"id": "shared", "devices": []},
    )
    assert "fs.inotify.max_user_watches=" in said.findings[0]
    call("syncthing_folder", home=str(daemon.home), id="shared", path=str(tmp_path / "many"), fs_watcher=False)
    assert info(daemon)["folders"]["shared"]["watch_error"] is None, "a folder without a watcher must have no watcher error"


def test_different_encryption_passwords_are_reported(
    make_daemon: t.Any, suite: str, tmp_path: pathlib.Path, eventually: t.Any
) -> None:
    one, two = make_daemon(suite), make_daemon(suite)
    pair(
        one,
        two,
        tmp_path,
        sender={"share": {"encryption_password": "the-first-one"}},
        receiver={"type": "receiveencrypted"},
    )
    write(tmp_path / "files-0" / "secret", 1000)
    found = info(two, wait_for={"devices": [one.device_id], "folders": {"shared": [one.device_id]}}, wait_timeout=60)
    assert found["connections"][one.device_id]["connected"]
    assert eventually(lambda: list((tmp_path / "files-1").glob("*.syncthing-enc")), 60)
    folder = one.folder("shared")
    for share in folder["devices"]:
        if share["deviceID"] == two.device_id:
            share["encryptionPassword"] = "another-one"
    one.change("PUT", "config/folders/shared", folder)

    def told() -> list[str]:
        views = {
            "nas": view_of(one, "nas", "vps", two.device_id, info(one), {}),
            "vps": view_of(two, "vps", "nas", one.device_id, info(two), {}),
        }
        return [finding for finding in verify.conclude(views).findings if "different encryption passwords used" in finding]

    message = "the folder shared: different encryption passwords used. Give encryption_password its old value again"
    # Devices that refuse each other reconnect repeatedly.
    assert eventually(lambda: any(message in finding for finding in told()), 60)


def slow_transfer(make_daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any, rate: int) -> tuple[t.Any, t.Any]:
    """Start the transfer of one file of 8 MB at a rate in KiB/s."""
    one, two = make_daemon(NEWEST), make_daemon(NEWEST)
    pair(one, two, tmp_path, max_send_kbps=rate)
    found = info(two, wait_for={"devices": [one.device_id], "folders": {"shared": [one.device_id]}}, wait_timeout=60)
    assert found["folders"]["shared"]["completion"][one.device_id]["remote_state"] == "valid"
    write(tmp_path / "files-0" / "big", 8_000_000)
    assert eventually(lambda: info(two)["folders"]["shared"]["need_bytes"], 60)
    return one, two


def test_transfer_of_one_large_file_counts_as_progress(make_daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any) -> None:
    _one, two = slow_transfer(make_daemon, tmp_path, eventually, rate=100)
    found = info(two, wait_for={"folders": {"shared": []}}, wait_timeout=60)
    folder = found["folders"]["shared"]
    assert folder["moving"] is True
    assert found["watched"] < 30
    assert folder["need_items"] == 1
    assert 0 < folder["need_bytes"] <= 8_000_000


def test_less_than_one_block_in_30_seconds_counts_as_progress(
    make_daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any
) -> None:
    _one, two = slow_transfer(make_daemon, tmp_path, eventually, rate=3)
    assert info(two, wait_for={"folders": {"shared": []}}, wait_timeout=60)["folders"]["shared"]["moving"] is True


def arrived(daemon: t.Any) -> tuple[int, int]:
    """The number of received bytes, and of bytes that a folder still needs."""
    return daemon.get("system/connections")["total"]["inBytesTotal"], info(daemon)["folders"]["shared"]["need_bytes"]


def later(daemon: t.Any) -> tuple[int, int]:
    time.sleep(2)
    return arrived(daemon)


def test_hanging_peer_counts_as_a_stall(make_daemon: t.Any, tmp_path: pathlib.Path, eventually: t.Any) -> None:
    one, two = slow_transfer(make_daemon, tmp_path, eventually, rate=100)
    assert isinstance(one, Daemon)
    assert one.process
    for pid in session_of(one.process.pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        assert eventually(lambda: arrived(two) == later(two), 60), "the data in transit did not arrive"
        found = info(two, wait_for={"folders": {"shared": []}}, wait_timeout=120)
    finally:
        for pid in session_of(one.process.pid):
            os.kill(pid, signal.SIGCONT)
    assert found["folders"]["shared"]["moving"] is False
    assert 29 <= found["watched"] <= 70
