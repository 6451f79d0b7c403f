# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that are left out because their disk is not mounted, with tables of mounted and declared file systems."""

from __future__ import annotations

import os
import pathlib
import pwd
import struct
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _mounts
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._disk import Found
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError

FSTAB = """# a comment
UUID=1 / ext4 defaults 0 1
UUID=2 /mnt/ssd ext4 nofail 0 2
UUID=3 /mnt/my\\040disk ext4 noauto 0 2
UUID=4 none swap sw 0 0
/srv/a /srv/bound none bind 0 0
  # UUID=5 /not/this ext4
"""
MOUNTINFO = """22 27 0:21 / /proc rw - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 27 0:30 / /mnt/auto rw - autofs systemd-1 rw,fd=5
31 30 8:2 / /mnt/auto rw - ext4 /dev/sdb1 rw
32 27 0:33 / /mnt/net rw - autofs /etc/auto.net rw
33 27 8:3 /x /mnt/my\\040disk rw - ext4 /dev/sdc1 rw
"""


def table(mounted: t.Iterable[str] = (), announced: t.Iterable[str] = (), waiting: t.Iterable[str] = ()) -> _mounts.Table:
    kinds = {**dict.fromkeys(waiting, "autofs"), "/": "ext4", **dict.fromkeys(mounted, "ext4")}
    return _mounts.Table(kinds, dict.fromkeys(announced, "/etc/fstab"))


# --- parsing ------------------------------------------------------------------------------------


def test_mount_points_of_fstab() -> None:
    assert _mounts.of_fstab(FSTAB) == ["/", "/mnt/ssd", "/mnt/my disk", "/srv/bound"]


def test_mount_points_of_mountinfo() -> None:
    found = _mounts.of_mountinfo(MOUNTINFO)
    assert found["/mnt/auto"] == "ext4"
    assert found["/mnt/net"] == "autofs"
    assert found["/mnt/my disk"] == "ext4"


@pytest.mark.parametrize(
    ("name", "text", "points"),
    [
        ("mnt-ssd.mount", "[Mount]\nWhat=/dev/sda\nWhere=/mnt/ssd\n", {"/mnt/ssd"}),
        ("mnt-my\\x2ddisk.automount", "[Automount]\n", {"/mnt/my-disk"}),
        ("mnt-gr\\xc3\\xbcn.mount", "Where=/mnt/grün", {"/mnt/grün"}),
        ("srv-a.mount", 'Where = "/srv/a"', {"/srv/a"}),
        ("srv-b.mount", "Where=/srv/%H", {"/srv/b"}),
    ],
)
def test_mount_points_of_systemd_units(name: str, text: str, points: set[str]) -> None:
    assert set(_mounts.of_unit(name, text)) == points


def test_mount_points_of_automounter_maps() -> None:
    maps = {"/etc/auto.direct": "/mnt/nas  -fstype=nfs nas:/x\n# /no\n", "/etc/auto.master.d": "/data file:/etc/auto.data\n"}
    master = (
        "# nothing\n/- /etc/auto.direct\n/mnt/net /etc/auto.net --timeout 60\n+dir:/etc/auto.master.d\n+auto.master\n/x -null\n"
    )
    assert _mounts.of_automounter(master, lambda name: maps.get(name, "")) == ["/mnt/nas", "/mnt/net", "/data"]


def test_mount_points_of_zfs() -> None:
    listed = (
        "tank\t/tank\ton\ntank/photos\t/tank/photos\tnoauto\nx\tnone\ton\ny\tlegacy\ton\nz\t/only/for/children\toff\nv\t-\t-\n"
    )
    assert _mounts.of_zfs(listed, ["tank", "away"]) == ["/tank", "/tank/photos", "/away"]
    assert _mounts.of_zfs("", []) == []


def nvlist(*names: str) -> bytes:
    """The top level of a zpool.cache, without the configuration of each pool."""
    found = struct.pack(">III", 0x01010000, 0, 1)
    for name in names:
        text = name.encode().ljust((len(name) + 3) // 4 * 4, b"\0")
        inner = struct.pack(">IIIIII", 19, 1, 0, 1, 0, 0)
        found += struct.pack(">III", 12 + len(text) + len(inner), 64, len(name)) + text + inner
    return found + struct.pack(">II", 0, 0)


def test_pools_in_zpool_cache() -> None:
    assert _mounts.of_zpool_cache(nvlist("tank", "backup2")) == ["tank", "backup2"]
    assert _mounts.of_zpool_cache(nvlist()) == []
    assert _mounts.of_zpool_cache(b"") == []
    assert _mounts.of_zpool_cache(b"\xff" * 40) == []


def test_units_are_read_from_all_directories_except_masked_ones(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / name for name in ("etc", "generator", "lib", "nowhere")]
    for place in places[:3]:
        place.mkdir()
    (places[0] / "mnt-masked.mount").symlink_to("/dev/null")
    (places[2] / "mnt-masked.mount").write_text("Where=/mnt/masked", encoding="ascii")
    (places[1] / "mnt-generated.mount").write_text("Where=/mnt/generated", encoding="ascii")
    (places[2] / "mnt-vendor.automount").write_text("Where=/mnt/vendor", encoding="ascii")
    (tmp_path / "fstab").write_text("UUID=2 /mnt/ssd ext4 nofail 0 2\n", encoding="utf-8")
    monkeypatch.setattr(_mounts, "UNIT_DIRECTORIES", places)
    monkeypatch.setattr(_mounts, "FSTAB", tmp_path / "fstab")
    monkeypatch.setattr(_mounts, "AUTO_MASTER", tmp_path / "none")
    monkeypatch.setattr(_mounts, "_of_zfs", list)
    assert sorted(_mounts.read().announced) == ["/mnt/generated", "/mnt/ssd", "/mnt/vendor"]


# --- decisions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "mounts", "required", "away"),
    [
        ("/mnt/ssd/photos", table(announced=["/mnt/ssd"]), None, True),
        ("/mnt/ssd", table(announced=["/mnt/ssd"]), None, True),
        ("/mnt/ssd/photos", table(["/mnt/ssd"], ["/mnt/ssd"]), None, False),
        ("/mnt/ssd2/photos", table(announced=["/mnt/ssd"]), None, False),
        ("/srv/a/b", table(announced=["/srv/a/b/c"]), None, False),
        # one disk within another, in any state
        ("/pool/x/y", table(["/pool"], ["/pool", "/pool/x"]), None, True),
        ("/pool/x/y", table(["/pool/x"], ["/pool", "/pool/x"]), None, False),
        # an automounter that has not mounted the disk
        ("/mnt/ssd/photos", table(waiting=["/mnt/ssd"]), None, True),
        ("/mnt/net/nas/photos", table(["/mnt/net/nas"], waiting=["/mnt/net"]), None, False),
        ("/mnt/net/nas/photos", table(waiting=["/mnt/net"]), None, True),
        # the disk is in no fstab or unit
        ("/media/me/USB/photos", table(), None, False),
        ("/media/me/USB/photos", table(), "/media/me/USB", True),
        ("/media/me/USB/photos", table(["/media/me/USB"]), "/media/me/USB", False),
        ("/media/me/USB/photos", table(["/media/me"]), "/media/me/USB", True),
        ("/srv/merged/photos", table(["/mnt/disk1"]), "/mnt/disk1", False),
        ("/mnt/ssd/photos", table(waiting=["/mnt/ssd"]), "/mnt/ssd", True),
    ],
)
def test_path_on_an_unmounted_disk_is_recognised(path: str, mounts: _mounts.Table, required: str | None, away: bool) -> None:
    reason = _disk.not_mounted(path, required, mounts)
    assert bool(reason) is away
    assert not reason or ("is mounted" in reason or "is not mounted" in reason)


@pytest.mark.parametrize(
    ("path", "anchor", "mounts", "made"),
    [
        ("/srv/sync/documents", "/srv", table(), True),
        ("/srv/sync/documents", "/srv", table(["/srv"]), True),
        ("/srv/a/b/c", "/", table(), True),
        ("/home/me/Documents/Sync", "/home/me", table(["/home"]), True),
        ("/home/somebody-new/a/b", "/home", table(), True),
        ("/var/lib/syncthing/a/b", "/var/lib/syncthing", table(["/var"]), True),
        ("/opt/a/b", "/opt", table(), True),
        # only the last component is missing
        ("/mnt/photos", "/mnt", table(), True),
        ("/mnt/ssd/photos", "/mnt", table(), False),
        ("/mnt/ssd/photos", "/mnt/ssd", table(), True),
        ("/media/me/USB/photos", "/media/me", table(), False),
        ("/media/me/USB/photos", "/media/me/USB", table(["/media/me/USB"]), True),
        ("/media/nobody-of-this-host/x", "/media/nobody-of-this-host", table(), True),
        ("/run/media/me/USB/photos", "/run/media", table(), False),
        ("/tank/photos", "/", table(), False),
        ("/tank", "/", table(), True),
        ("/tank/photos", "/tank", table(), True),
        ("/root/a/b", "/root", table(), False),
        ("/var/www/a/b", "/var", table(), False),
        # another mount point below one of the four
        ("/srv/disk/a", "/srv/disk", table(["/srv/disk"]), True),
        ("/srv/disk/a/b", "/srv/disk", table(["/srv/disk"]), False),
        ("/home/me/a/b", "/home/me", table(["/home/me"]), False),
    ],
)
def test_missing_root_is_created_only_in_certain_parents(path: str, anchor: str, mounts: _mounts.Table, made: bool) -> None:
    missing = path.removeprefix(anchor).strip("/").split("/")
    reason = _disk.unusable(Found(path, anchor, missing), False, mounts)
    assert (reason is None) is made, reason
    assert not reason or ("mount" in reason and "create the directory" in reason)


def test_data_directory_of_the_system_may_be_a_symlink(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "srv").symlink_to(tmp_path / "big" / "srv")
    monkeypatch.setattr(_disk, "PARENTS_MADE", (str(tmp_path / "srv"),))
    path = f"{tmp_path}/srv/sync/documents"
    assert "create the directory" in _disk.left_out([{"id": "a", "path": path}])[0]["reason"], "its disk may not be mounted"
    (tmp_path / "big" / "srv").mkdir(parents=True)
    assert _disk.left_out([{"id": "a", "path": path}]) == []


def test_existing_directory_is_used_anywhere() -> None:
    for path in ("/mnt/ssd/photos", "/tank/photos", "/media/me/USB"):
        assert _disk.unusable(Found(path, path), False, table()) is None
        assert _disk.unusable(Found(path, path), True, table()) is None


def test_missing_root_of_an_existing_folder_is_not_created_again() -> None:
    assert "is not there" in (_disk.unusable(Found("/srv/sync/a", "/srv/sync", ["a"]), True, table()) or "")


def test_nothing_is_created_where_removable_disks_are_mounted() -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    for base in ("/media", "/run/media"):
        reason = _disk.unusable(Found(f"{base}/{name}/USB", f"{base}/{name}", ["USB"]), False, table())
        assert "plug it in" in (reason or "")


def test_home_that_is_mounted_at_login_is_not_created(monkeypatch: pytest.MonkeyPatch) -> None:
    me = pwd.struct_passwd(("me", "x", 1000, 1000, "", "/home/me", "/bin/sh"))
    monkeypatch.setattr(_disk, "user_named", lambda name: me if name == "me" else None)
    assert "logged in" in (_disk.unusable(Found("/home/me/Sync", "/home", ["me", "Sync"]), False, table()) or "")
    assert _disk.unusable(Found("/home/me/Sync", "/home/me", ["Sync"]), False, table()) is None


# --- directories on disk-------------------------------------------------------------------------


def reasons(tmp_path: pathlib.Path, path: str, **more: t.Any) -> str:
    found = _disk.left_out([{"id": "a", "path": f"{tmp_path}/{path}", **more}])
    return found[0]["reason"] if found else ""


def test_unusable_path_is_left_out_with_the_reason(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "file is not a directory" in reasons(tmp_path, "file")
    assert "file is not a directory" in reasons(tmp_path, "file/below/it")
    assert "cannot be used" in reasons(tmp_path, "loop")
    assert reasons(tmp_path, "fine") == ""
    assert "requires_mount" in reasons(tmp_path, "fine", requires_mount=str(tmp_path))
    assert _disk.left_out([{"id": "a", "path": "~/Sync"}, {"id": "b", "path": None}, {"id": "c"}]) == []


def test_root_is_created_after_an_interrupted_run(tmp_path: pathlib.Path) -> None:
    (tmp_path / _disk.NEW).mkdir()
    assert _disk.make_root("a", f"{tmp_path}/root", pwd.getpwuid(os.getuid()).pw_name)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_root_that_cannot_be_created_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    with pytest.raises(SyncthingError, match=r"folder a: .*/file/x cannot be created \(.*\): create it for nobody"):
        _disk.make_root("a", f"{tmp_path}/file/x", "nobody")
    with pytest.raises(SyncthingError, match="a user who does not exist"):
        _disk.make_root("a", f"{tmp_path}/x", "no-such-user")


def test_writing_ignores_follows_no_symlink(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="ascii")
    root = tmp_path / "root"
    root.mkdir()
    (root / ".syncthing..stignore.tmp").symlink_to(victim)
    (root / ".stignore").symlink_to(victim)
    _disk.write_ignores("a", str(root), ["*.tmp"])
    assert victim.read_text(encoding="ascii") == "precious"
    assert (root / ".stignore").read_text(encoding="ascii") == "*.tmp\n"
    (root / ".stignore").unlink()
    (root / ".stignore").mkdir()
    with pytest.raises(SyncthingError, match="folder a: its ignore patterns cannot be written"):
        _disk.write_ignores("a", str(root), ["*.tmp"])
