# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's archive, where there is no package; and a host without /dev/net/tun, as CI often has."""

from __future__ import annotations

import typing as t

import pytest
from artefacts import TAILSCALE_OLDER as OLDER
from testinfra.host import Host

CHECKSUM_URL = "http://172.31.77.3/tailscale/stable/tailscale_{version}_{arch}.tgz.sha256"
ARCHIVE = {"tailscale_package_source": "static", "tailscale_static_checksum": CHECKSUM_URL}


@pytest.fixture
def vps(eyes: dict[str, Host]) -> Host:
    return eyes["vps"]


def test_an_archive_with_another_checksum_is_refused(role: t.Any, vps: Host) -> None:
    wrong = role("vps", **{**ARCHIVE, "tailscale_static_checksum": f"sha256:{'0' * 64}"}, tailscale_version=OLDER)
    assert wrong.code != 0
    assert "checksum" in wrong.output
    assert vps.run("pgrep tailscaled").failed
    assert not vps.file("/opt/tailscale/current").exists


def test_a_host_without_tun_joins_with_userspace_networking(settle: t.Any, vps: Host, daemon: t.Any) -> None:
    vps.check_output("umount /dev/net/tun 2>/dev/null; rm -f /dev/net/tun")
    settle("vps", **ARCHIVE, tailscale_version=OLDER, tailscale_userspace_networking=True)
    assert vps.file("/opt/tailscale/current").linked_to.startswith(f"/opt/tailscale/{OLDER}-")
    assert f"/opt/tailscale/{OLDER}-" in daemon("vps")
    assert "--tun=userspace-networking" in daemon("vps")
    assert vps.run("tailscale ip -4").succeeded
    assert not vps.file("/sys/class/net/tailscale0").exists
    assert vps.service("tailscaled").is_enabled


def test_a_newer_archive_takes_the_olders_place_and_is_finished_if_a_run_died(
    role: t.Any, settle: t.Any, vps: Host, daemon: t.Any
) -> None:
    newer: dict[str, t.Any] = {**ARCHIVE, "tailscale_version": "1.102.5", "tailscale_userspace_networking": True}
    settle("vps", **newer)
    assert "/opt/tailscale/1.102.5-" in daemon("vps")
    assert vps.check_output("ls /opt/tailscale").split()[-1] == "current"
    assert not vps.run(f"ls -d /opt/tailscale/{OLDER}-*").succeeded
    # As a run leaves it that dies before the start.
    vps.check_output("rm /opt/tailscale/current; truncate -s 5 /opt/tailscale/1.102.5-*/bin/tailscale")
    again = role("vps", **newer)
    assert again.code == 0, again.output
    assert vps.run("tailscale ip -4").succeeded


def test_a_package_takes_the_archives_place(role: t.Any, vps: Host, daemon: t.Any) -> None:
    package = role("vps", tailscale_userspace_networking=True)
    assert package.code == 0, package.output
    assert daemon("vps").split()[1] == "/usr/sbin/tailscaled"
    assert not vps.file("/opt/tailscale").exists
    away = role("vps", tailscale_state="absent")
    assert away.code == 0, away.output
    # apt's scripts have masked the service by now.
    back = role("vps", **ARCHIVE, tailscale_version="1.102.5", tailscale_userspace_networking=True)
    assert back.code == 0, back.output
    assert daemon("vps").split()[1].startswith("/opt/tailscale/")


def test_uninstalling_removes_the_archive(settle: t.Any, vps: Host) -> None:
    settle("vps", tailscale_state="absent")
    for path in ("/opt/tailscale", "/usr/local/bin/tailscale", "/etc/systemd/system/tailscaled.service"):
        assert not vps.file(path).exists
    assert vps.run("pgrep tailscaled").failed
