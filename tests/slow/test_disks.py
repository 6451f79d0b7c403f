# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on a disk that is unmounted, mounted with an older copy, and unmounted: nothing is written, nothing is lost."""

from __future__ import annotations

import re
import typing as t

import pytest
from dirty_fixtures import put, situation
from testinfra.host import Host

WHERE = "/media/usb"
FILES = [f"{number}.jpg" for number in range(6)]
UNIT = "[Mount]\\nWhat=/var/lib/disks/usb.img\\nWhere=/media/usb\\nType=ext4\\nOptions=loop={loop}\\n"


class Kind(t.NamedTuple):
    """How the disk is announced, mounted and unmounted, and what the folder declares."""

    announce: str
    plug: str
    unplug: str
    declared: dict[str, str]
    folder: str  # its ID, and its name there


KINDS = {
    "by hand": Kind(
        "", f"mount -o loop={{loop}} /var/lib/disks/usb.img {WHERE}", f"umount {WHERE}", {"requires_mount": WHERE}, "hand"
    ),
    "fstab": Kind(
        f"echo /var/lib/disks/usb.img {WHERE} ext4 loop={{loop}},nofail,noauto 0 0 >>/etc/fstab; systemctl daemon-reload",
        f"mount {WHERE}",
        f"umount {WHERE}",
        {},
        "fstab",
    ),
    "a unit of the administrator's": Kind(
        f"printf '{UNIT}' >/etc/systemd/system/media-usb.mount; systemctl daemon-reload",
        "systemctl start media-usb.mount",
        "systemctl stop media-usb.mount",
        {},
        "own-unit",
    ),
    "a unit that a generator made": Kind(
        f"mkdir -p /run/systemd/generator; printf '{UNIT}' >/run/systemd/system/media-usb.mount; systemctl daemon-reload",
        "systemctl start media-usb.mount",
        "systemctl stop media-usb.mount",
        {},
        "made-unit",
    ),
}
QUIET = "2>/dev/null || ! mountpoint -q /media/usb"  # the loop device disappears with the file system, which makes umount fail


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, mesh: None, lab: t.Any, lab_hosts: dict[str, Host]) -> t.Iterator[Kind]:
    """A disk on pi that holds two of the six photos that nas has."""
    pi, given = lab_hosts["pi"], KINDS[request.param]
    loop = pi.check_output("ls /dev/loop[0-9]* | head -n 1")
    situation("shared_root", "pi")
    pi.check_output("systemctl restart syncthing@syncthing")  # it has read the propagation of / before
    situation("disk", "pi")
    pi.check_output(f"mkdir -p {WHERE} && mount -o loop={loop} /var/lib/disks/usb.img {WHERE}")
    pi.check_output(f"mkdir -p {WHERE}/{given.folder}/.stfolder; chmod -R a+rwX {WHERE}")
    for name in FILES[:2]:
        put("pi", f"{WHERE}/{given.folder}/{name}", name.encode())
    pi.check_output(f"chown -R syncthing: {WHERE}/{given.folder}")
    pi.run(f"umount {WHERE} {QUIET}")
    made = Kind(*(text.replace("{loop}", loop) if isinstance(text, str) else text for text in given))  # type: ignore[arg-type]
    if made.announce:
        pi.check_output(made.announce)
    yield made
    pi.run(f"{made.unplug} {QUIET}; sed -i '/media.usb/d' /etc/fstab; rm -f /etc/systemd/system/media-usb.mount")
    pi.run("rm -f /run/systemd/system/media-usb.mount; systemctl daemon-reload")


def configured(pi: Host, folder: str) -> str:
    found = re.search(rf'<folder id="{folder}".*?</folder>', pi.check_output("cat /var/lib/syncthing/config.xml"), re.DOTALL)
    return found.group(0) if found else ""


def test_folder_on_an_unmounted_disk_loses_no_files(
    kind: Kind, play: t.Any, lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    nas, pi, share, there = lab_hosts["nas"], lab_hosts["pi"], f"/srv/sync/{kind.folder}", f"{WHERE}/{kind.folder}"
    folder = {"path": share, "fs_watcher_delay": 1, "devices": {"nas": {}, "pi": {"path": there, **kind.declared}}}
    variables = {"syncthing_mesh_folders": {kind.folder: folder}, "syncthing_mesh_purge_folders": True}

    def run() -> t.Any:
        return play("site.yml", "--tags", "syncthing_mesh", "--limit", "nas,pi", variables=variables)

    away = run()
    assert away.code == 0, away.output
    assert re.search(rf"{kind.folder}.*{WHERE}", away.output)
    assert pi.check_output(f"ls -A {WHERE}") == ""
    assert configured(pi, kind.folder) == ""
    for name in FILES:
        put("nas", f"{share}/{name}", name.encode())
    nas.check_output(f"chown -R syncthing: {share}")

    pi.check_output(kind.plug)
    back = run()
    assert back.code == 0, back.output
    assert eventually(lambda: pi.run(f"ls {there}").stdout.split() == FILES, 90)
    assert nas.check_output(f"ls {share}").split() == FILES

    before = configured(pi, kind.folder)
    pi.check_output(f"{kind.unplug} {QUIET}")
    again = run()
    assert again.code == 0, again.output
    assert configured(pi, kind.folder) == before
    assert pi.check_output(f"ls -A {WHERE}") == ""
    assert nas.check_output(f"ls {share}").split() == FILES
