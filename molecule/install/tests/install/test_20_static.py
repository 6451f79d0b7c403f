# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's archive for systems without a package, and a host without /dev/net/tun, which is common in CI."""

from __future__ import annotations

import typing as t

import pytest
from artefacts import TAILSCALE_OLDER as OLDER
from testinfra.host import Host

CHECKSUM_URL = "http://172.31.77.3/tailscale/stable/tailscale_{version}_{arch}.tgz.sha256"
ARCHIVE = {"tailscale_package_source": "static", "tailscale_static_checksum": CHECKSUM_URL}
UNIT = "/etc/systemd/system/tailscaled.service"


@pytest.fixture
def vps(lab_hosts: dict[str, Host]) -> Host:
    return lab_hosts["vps"]


def test_archive_with_a_wrong_checksum_is_refused(role: t.Any, vps: Host) -> None:
    wrong = role("vps", **{**ARCHIVE, "tailscale_static_checksum": f"sha256:{'0' * 64}"}, tailscale_version=OLDER)
    assert wrong.code != 0
    assert "checksum" in wrong.output
    assert vps.run("pgrep tailscaled").failed
    assert not vps.file("/opt/tailscale/current").exists


def test_host_without_tun_joins_with_userspace_networking(settle: t.Any, vps: Host, daemon: t.Any) -> None:
    vps.check_output("umount /dev/net/tun 2>/dev/null; rm -f /dev/net/tun")
    settle("vps", **ARCHIVE, tailscale_version=OLDER, tailscale_userspace_networking=True)
    assert vps.file("/opt/tailscale/current").linked_to.startswith(f"/opt/tailscale/{OLDER}-")
    assert f"/opt/tailscale/{OLDER}-" in daemon("vps")
    assert "--tun=userspace-networking" in daemon("vps")
    assert vps.run("tailscale ip -4").succeeded
    assert not vps.file("/sys/class/net/tailscale0").exists
    assert vps.service("tailscaled").is_enabled


def test_newer_archive_replaces_the_older_also_after_an_interrupted_run(
    role: t.Any, settle: t.Any, vps: Host, daemon: t.Any
) -> None:
    newer: dict[str, t.Any] = {**ARCHIVE, "tailscale_version": "1.102.5", "tailscale_userspace_networking": True}
    settle("vps", **newer)
    assert "/opt/tailscale/1.102.5-" in daemon("vps")
    assert vps.check_output("ls /opt/tailscale").split()[-1] == "current"
    assert not vps.run(f"ls -d /opt/tailscale/{OLDER}-*").succeeded
    # The state after a run that died before it started the service.
    vps.check_output("rm /opt/tailscale/current; truncate -s 5 /opt/tailscale/1.102.5-*/bin/tailscale")
    again = role("vps", **newer)
    assert again.code == 0, again.output
    assert vps.run("tailscale ip -4").succeeded


def test_package_replaces_the_archive(role: t.Any, settle: t.Any, vps: Host, daemon: t.Any) -> None:
    package = role("vps", tailscale_userspace_networking=True)
    assert package.code == 0, package.output
    assert daemon("vps").split()[1] == "/usr/sbin/tailscaled"
    assert not vps.file("/opt/tailscale").exists
    # With the package installed already, and after a run that died halfway.
    archive = role("vps", **ARCHIVE, tailscale_version=OLDER, tailscale_userspace_networking=True)
    assert (archive.code, f"/opt/tailscale/{OLDER}-" in daemon("vps")) == (0, True), archive.output
    vps.check_output(f"rm {UNIT} && systemctl daemon-reload")
    settle("vps", tailscale_userspace_networking=True)
    assert daemon("vps").split()[1] == "/usr/sbin/tailscaled"
    assert vps.service("tailscaled").is_enabled
    for path in ("/opt/tailscale", "/usr/local/bin/tailscale", UNIT):
        assert not vps.file(path).exists


def test_users_own_unit_is_kept_when_the_package_is_installed(role: t.Any, vps: Host, daemon: t.Any) -> None:
    vps.check_output(f"cp /usr/lib/systemd/system/tailscaled.service {UNIT} && systemctl daemon-reload")
    running = daemon("vps")
    other = role("vps", tailscale_version=OLDER, tailscale_userspace_networking=True)
    assert (other.code, daemon("vps") != running) == (0, True), other.output
    assert vps.file(UNIT).exists
    vps.check_output(f"rm {UNIT} && systemctl daemon-reload")


def test_archive_replaces_a_removed_package(role: t.Any, vps: Host, daemon: t.Any) -> None:
    away = role("vps", tailscale_state="absent")
    assert away.code == 0, away.output
    # apt's scripts have masked the service.
    back = role("vps", **ARCHIVE, tailscale_version="1.102.5", tailscale_userspace_networking=True)
    assert back.code == 0, back.output
    assert daemon("vps").split()[1].startswith("/opt/tailscale/")


def test_uninstalling_removes_the_archive_and_its_unit(settle: t.Any, vps: Host) -> None:
    settle("vps", tailscale_state="absent")
    for path in ("/opt/tailscale", "/usr/local/bin/tailscale", UNIT):
        assert not vps.file(path).exists
    assert vps.run("pgrep tailscaled").failed
