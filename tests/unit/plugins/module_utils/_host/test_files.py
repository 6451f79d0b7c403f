# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the files and packages that the roles manage."""

from __future__ import annotations

import hashlib
import pathlib
import shutil

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import files, packages

BEGIN = "# BEGIN ANSIBLE MANAGED BLOCK (homelab.tailsync.tailscale)\n"
END = "# END ANSIBLE MANAGED BLOCK (homelab.tailsync.tailscale)\n"


def test_file_symlink_directory_and_missing_path_are_described(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.write_text("one\n", encoding="ascii")
    file.chmod(0o640)
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir(mode=0o750)
    checksum = hashlib.sha256(b"one\n").hexdigest()
    assert files.describe(file) == {"kind": "file", "mode": "0640", "sha256": checksum}
    assert files.describe(tmp_path / "link") == {"kind": "link", "mode": "0777", "target": "nowhere"}
    assert files.describe(tmp_path / "folder") == {"kind": "directory", "mode": "0750"}
    assert files.describe(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ('PORT="41641"\n', []),
        (f'A=1\n{BEGIN}PORT="1"\nFLAGS=""\n{END}B=2\n', ['PORT="1"\nFLAGS=""']),
        (f"{BEGIN}one\n{END}{BEGIN}two\n{END}", ["one", "two"]),
        (f"{BEGIN}{END}", [""]),
        (f"{BEGIN}its end is gone\n", []),
    ],
)
def test_managed_block_in_a_file_is_found(text: str, found: list[str]) -> None:
    assert files.blocks(text) == found


def test_gathered_files_have_their_path_on_the_host(tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "etc/default/tailscaled"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"{BEGIN}x\n{END}", encoding="ascii")
    drop_in = tmp_path / "etc/systemd/system/syncthing@me.service.d/50-tailsync.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Unit]\n", encoding="ascii")
    found = files.gather("me", tmp_path)
    assert (found["/etc/default/tailscaled"] or {})["blocks"] == ["x"]
    assert (found["/etc/systemd/system/syncthing@me.service.d"] or {})["kind"] == "directory"
    assert (found["/etc/systemd/system/syncthing@me.service.d/50-tailsync.conf"] or {})["kind"] == "file"
    assert found["/opt/tailscale/current"] is None
    assert set(files.FILES) <= set(found)


def test_installed_packages_of_dpkg_are_parsed() -> None:
    lines = "tailscale\thi \t1.88.4\nufw\tii \t0.36.2-9\nsyncthing\trc \t1.29.5~ds1-1\npython3-requests\tiF \t2.32.3\nx\tiiR\t1\n"
    assert packages.dpkg(lines) == {
        "tailscale": {"version": "1.88.4", "held": True},
        "ufw": {"version": "0.36.2-9", "held": False},
    }


def test_output_of_other_package_managers_is_parsed() -> None:
    assert packages.rpm("tailscale\t1.88.4\t1\n") == {"tailscale": {"version": "1.88.4", "release": "1"}}
    assert packages.rpm("package tailscale is not installed\n") == {}
    assert packages.pacman("tailscale 1.88.4-1\n") == {"tailscale": {"version": "1.88.4-1"}}
    assert packages.pacman("error: package 'tailscale' was not found\n") == {}
    assert packages.apk("alpine-base\ntailscale~1.88.4\ntailscale-openrc\n") == {"tailscale": {"world": ["tailscale~1.88.4"]}}
    assert packages.apk("alpine-base\n") == {}


def test_only_the_hosts_own_package_manager_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    asked: list[str] = []

    def execute(command: list[str]) -> tuple[int, str, str]:
        asked.append(pathlib.Path(command[0]).name)
        return 1, "", ""

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for manager in ("apt", "dnf", "dnf5", "pacman", "apk", "xbps", None):
        assert packages.gather(execute, manager, tmp_path / "world") == {}
    assert asked == ["dpkg-query", "rpm", "rpm", "pacman"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert packages.gather(execute, "apt") == {}
