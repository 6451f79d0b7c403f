# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on disks that are mounted and unmounted: real mounts in a mount namespace, and real daemons."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import struct
import subprocess
import sys
import tempfile
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _mounts, _placed
from module_call import ModuleFailed, call

Json = t.Dict[str, t.Any]  # noqa: UP006


class Disk:
    """A tmpfs that keeps its files when it is unmounted."""

    def __init__(self, point: pathlib.Path, kept: pathlib.Path) -> None:
        self.point, self.kept = point, kept
        kept.mkdir()

    def mount(self) -> None:
        subprocess.run(["mount", "--bind", self.kept, self.point], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.point], check=True)


@pytest.fixture
def fstab(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    path = tmp_path / "fstab"
    path.write_text("", encoding="ascii")
    monkeypatch.setattr(_mounts, "FSTAB", path)
    return path


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> t.Iterator[Disk]:
    """An unmounted disk for /…/ssd."""
    (tmp_path / "ssd").mkdir()
    made = Disk(tmp_path / "ssd", tmp_path / "kept")
    yield made
    while made.point.parent.exists() and str(made.point) in _mounts.of_mountinfo(_mounts.MOUNTINFO.read_text(encoding="ascii")):
        made.unmount()


def folder(disk: Disk, **more: t.Any) -> Json:
    return {"id": "photos", "path": f"{disk.point}/photos", "folder_owner": "root", **more}


def test_folder_is_left_out_until_its_disk_is_mounted(daemon: t.Any, disk: Disk, fstab: pathlib.Path) -> None:
    fstab.write_text(f"UUID=2 {disk.point} ext4 nofail 0 2\n", encoding="utf-8")
    home = str(daemon.home)
    others: Json = {"folders": [folder(disk, ignores=["*.tmp"]), {"id": "other", "path": f"{disk.kept.parent}/other"}]}
    for one in others["folders"]:
        one.pop("folder_owner", None)
    first = call("syncthing_cluster", home=home, folder_owner="root", **others)
    assert first["changed"]
    assert [one["id"] for one in first["left_out"]] == ["photos"]
    assert "is not mounted: mount it, and run again" in str(first["warnings"])
    assert [one["id"] for one in daemon.get("config/folders")] == ["other"]
    assert list(disk.point.iterdir()) == []
    again = call("syncthing_cluster", home=home, folder_owner="root", **others)
    assert (again["changed"], len(again["left_out"])) == (False, 1)
    disk.mount()
    third = call("syncthing_cluster", home=home, folder_owner="root", **others)
    assert (third["changed"], third["left_out"]) == (True, [])
    assert (disk.kept / "photos" / ".stignore").read_text(encoding="ascii") == "*.tmp\n"
    assert not call("syncthing_cluster", home=home, folder_owner="root", **others)["changed"]


def test_existing_folder_on_an_unmounted_disk_is_not_changed(daemon: t.Any, disk: Disk, fstab: pathlib.Path) -> None:
    disk.mount()
    home = str(daemon.home)
    call("syncthing_folder", home=home, **folder(disk, ignores=["*.tmp"]))
    fstab.write_text(f"UUID=2 {disk.point} ext4 nofail 0 2\n", encoding="utf-8")
    disk.unmount()
    before = daemon.folder("photos")
    changed = folder(disk, ignores=["*.iso"], label="Mine", rescan_interval=60)
    result = call("syncthing_folder", home=home, **changed)
    assert (result["changed"], [one["id"] for one in result["left_out"]]) == (False, ["photos"])
    changed.pop("folder_owner")
    purged = call("syncthing_cluster", home=home, folders=[changed], purge_folders=True)
    assert not purged["changed"]
    assert daemon.folder("photos") == before
    assert list(disk.point.iterdir()) == []
    with pytest.raises(ModuleFailed, match="absent_folders names photos"):
        call("syncthing_cluster", home=home, folders=[changed], absent_folders=["photos"])


def test_disk_without_fstab_or_unit_needs_requires_mount(daemon: t.Any, disk: Disk, fstab: pathlib.Path) -> None:
    home = str(daemon.home)
    options = folder(disk, requires_mount=str(disk.point))
    assert "which requires_mount names" in call("syncthing_folder", home=home, **options)["left_out"][0]["reason"]
    disk.mount()
    assert call("syncthing_folder", home=home, **options)["changed"]
    disk.unmount()
    shutil.rmtree(disk.point)  # as udisks does
    assert call("syncthing_folder", home=home, **folder(disk))["left_out"]
    assert not disk.point.exists()
    assert fstab.exists()


@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_bind_mount_and_tmpfs_count_as_mounted(kind: str, disk: Disk, fstab: pathlib.Path) -> None:
    fstab.write_text(f"UUID=2 {disk.point} ext4 nofail 0 2\n", encoding="utf-8")
    wanted = [{"id": "photos", "path": f"{disk.point}/photos", "requires_mount": str(disk.point)}]
    assert _disk.left_out(wanted)
    if kind == "bind":
        disk.mount()  # a bind mount within one file system, which os.path.ismount does not detect
    else:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk.point], check=True)
    assert _disk.left_out(wanted) == []


def test_folder_on_a_read_only_disk_is_left_out(disk: Disk, fstab: pathlib.Path) -> None:
    assert fstab.exists()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk.point], check=True)
    assert "read-only" in _disk.left_out([{"id": "photos", "path": f"{disk.point}/photos"}])[0]["reason"]


def test_symlink_to_an_unmounted_disk_is_left_out(disk: Disk, fstab: pathlib.Path) -> None:
    fstab.write_text(f"UUID=2 {disk.point} ext4 nofail 0 2\n", encoding="utf-8")
    (disk.kept / "link").symlink_to(disk.point / "photos")
    assert _disk.left_out([{"id": "photos", "path": f"{disk.kept}/link/deeper"}])
    assert not (disk.point / "photos").exists()


# An automounter (autofs(5)) for one directory, in a separate process group; it mounts, or answers that there is nothing.
AUTOMOUNTER = """
import fcntl, os, struct, subprocess, sys
point, what = sys.argv[1:]
reader, writer = os.pipe()
options = f"fd={writer},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
subprocess.run(["mount", "-i", "-t", "autofs", "-o", options, "test", point], check=True, pass_fds=[writer])
root = os.open(point, os.O_RDONLY)
print("ready", flush=True)
while True:
    token = struct.unpack_from("iiI", os.read(reader, 304))[2]
    there = what != "nothing" and subprocess.run(["mount", "--bind", what, point]).returncode == 0
    if what != "silent":
        fcntl.ioctl(root, 0x9360 if there else 0x9361, token)
"""


@pytest.fixture
def automounter(disk: Disk) -> t.Iterator[t.Callable[[str], None]]:
    daemons = []

    def start(what: str) -> None:
        command = [sys.executable, "-c", AUTOMOUNTER, str(disk.point), what]
        daemons.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0))
        assert daemons[-1].stdout
        assert daemons[-1].stdout.readline() == "ready\n"

    yield start
    for one in daemons:
        one.kill()
        one.wait()
        assert one.stdout
        one.stdout.close()


def test_automounter_is_triggered(automounter: t.Callable[[str], None], disk: Disk, fstab: pathlib.Path) -> None:
    assert fstab.exists()
    (disk.kept / "photos").mkdir()
    automounter(str(disk.kept))
    wanted = {"id": "photos", "path": f"{disk.point}/photos", "requires_mount": str(disk.point)}
    assert _disk.left_out([wanted]) == []
    assert (disk.point / "photos").is_dir()


@pytest.mark.parametrize("what", ["nothing", "silent"])
def test_automounter_without_disk_or_answer_leaves_the_folder_out(
    automounter: t.Callable[[str], None], disk: Disk, fstab: pathlib.Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    assert fstab.exists()
    monkeypatch.setattr(_mounts, "AUTOMOUNT_TIMEOUT", 2)
    automounter(what)
    found = _disk.left_out([{"id": "photos", "path": f"{disk.point}/photos"}])
    assert "(an automounter) is not mounted" in found[0]["reason"]


@pytest.mark.parametrize("place", ["srv", "opt", "home", "var/lib"])
def test_parents_are_created_below_data_directories_also_on_own_disks(place: str, tmp_path: pathlib.Path) -> None:
    """Runs in a separate mount namespace, so that the machine is not changed."""
    script = (
        "import pathlib; from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk; "
        f"base = pathlib.Path('/{place}'); path = f'{{base}}/sync/a/b'; "
        "assert _disk.left_out([{'id': 'x', 'path': path}]) == [], _disk.left_out([{'id': 'x', 'path': path}]); "
        "_disk.make_root('x', path, 'nobody'); "
        "assert (base / 'sync').owner() == 'root' and (base / 'sync').stat().st_mode & 0o777 == 0o755; "
        "assert pathlib.Path(path).owner() == 'nobody'; "
        "assert _disk.left_out([{'id': 'x', 'path': '/mnt/sync/a/b'}])"
    )
    loader = "import sys; sys.path.insert(0, sys.argv[1]); import conftest; exec(sys.argv[2])"
    checkout = str(pathlib.Path(__file__).resolve().parents[2])
    mounts = f'mount -t tmpfs tmpfs /{place} && mount -t tmpfs tmpfs /mnt && cd / && exec "$@"'
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounts, "sh", sys.executable, "-c", loader, checkout, script], check=True, cwd=tmp_path
    )


def test_returning_disk_with_an_older_copy_deletes_no_files(
    make_daemon: t.Any, suite: str, disk: Disk, tmp_path: pathlib.Path, eventually: t.Any, fstab: pathlib.Path
) -> None:
    """Without the refusal the peers lose newer files: the folder was filled on the system disk while its disk was away."""
    nas, pi = make_daemon(suite), make_daemon(suite)
    nas_root, point = tmp_path / "fam", disk.point
    nas_root.mkdir()
    shutil.rmtree(point)  # a pool that is not imported
    for number in range(6):
        (nas_root / f"{number}.txt").write_text(f"file {number}", encoding="ascii")
    older = disk.kept / "fam"
    (older / ".stfolder").mkdir(parents=True)
    for number in range(2):
        shutil.copy2(nas_root / f"{number}.txt", older)

    def configure(own: t.Any, other: t.Any, path: pathlib.Path) -> Json:
        device = {"name": "other", "device_id": other.device_id, "addresses": [other.address]}
        wanted = {"id": "fam", "path": str(path), "devices": [{"name": "other"}], "fs_watcher_delay": 1}
        return call("syncthing_cluster", home=str(own.home), devices=[device], folders=[wanted], folder_owner="root")

    assert configure(nas, pi, nas_root)["changed"]
    away = configure(pi, nas, point / "fam")
    assert [one["id"] for one in away["left_out"]] == ["fam"]
    assert away["changed"], "the device must be paired"
    assert not point.exists()
    assert fstab.exists()
    pi.stop()
    point.mkdir()
    disk.mount()
    pi.start()
    assert eventually(lambda: pi.get("system/ping"), 30)
    assert configure(pi, nas, point / "fam")["left_out"] == []
    assert eventually(lambda: len(list((point / "fam").glob("*.txt"))) == 6, 60)
    assert len(list(nas_root.glob("*.txt"))) == 6


def test_created_directories_have_owner_and_mode_for_any_umask(tmp_path: pathlib.Path) -> None:
    old = os.umask(0o077)
    try:
        assert _disk.make_root("a", f"{tmp_path}/one/two/root", "nobody")
        assert not _disk.make_root("a", f"{tmp_path}/one/two/root", "nobody")
    finally:
        os.umask(old)
    for path, owner, mode in (("one", "root", 0o755), ("one/two", "root", 0o755), ("one/two/root", "nobody", 0o750)):
        assert (tmp_path / path).owner() == owner
        assert (tmp_path / path).stat().st_mode & 0o7777 == mode
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["one", "root", "two"]


def test_call_with_a_strict_umask_leaves_the_documented_modes(
    daemon: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_disk, "PARENTS_MADE", (str(tmp_path),))
    folder = {"id": "photos", "path": f"{tmp_path}/one/two/photos", "ignores": ["*.tmp"]}
    old = os.umask(0o077)
    try:
        call("syncthing_cluster", home=str(daemon.home), folders=[folder], folder_owner="root")
    finally:
        os.umask(old)
    root = tmp_path / "one" / "two" / "photos"
    expected = {root.parent.parent: 0o755, root.parent: 0o755, root: 0o750, root / ".stignore": 0o644}
    assert {path: path.stat().st_mode & 0o7777 for path in expected} == expected


def test_parents_in_a_home_are_created_for_its_owner(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "someone"
    home.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    account = pwd.struct_passwd(("nobody", "x", nobody.pw_uid, nobody.pw_gid, "", str(home), "/bin/sh"))
    monkeypatch.setattr(_disk, "user_named", lambda _name: account)
    _disk.make_root("a", f"{home}/Documents/Sync", "nobody")
    assert (home / "Documents").owner() == "nobody"
    assert (home / "Documents").stat().st_mode & 0o777 == 0o755


# --- whether Syncthing's user can enter ---------------------------------------------------------


@pytest.fixture
def open_place() -> t.Iterator[pathlib.Path]:
    """A directory that all accounts can enter, unlike pytest's own below root's home."""
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        yield place


def closed_place(place: pathlib.Path, owner: str, mode: int) -> pathlib.Path:
    (place / "closed" / "photos").mkdir(parents=True)
    os.chown(place / "closed", pwd.getpwnam(owner).pw_uid, -1)
    (place / "closed" / "photos").chmod(0o777)
    (place / "closed").chmod(mode)
    return place / "closed"


@pytest.mark.parametrize("path", ["photos", "new", "."])
def test_directory_that_syncthings_user_cannot_enter_is_refused(open_place: pathlib.Path, path: str) -> None:
    closed = closed_place(open_place, "root", 0o700)
    wanted = [{"id": "photos", "path": str(closed / path)}]
    found = _disk.left_out(wanted, user="nobody")
    assert (found[0]["kind"], found[0]["id"]) == (_disk.UNUSABLE, "photos")
    assert (
        f"nobody, as whom Syncthing runs, cannot enter {closed}: let it enter (setfacl -m u:nobody:x {closed})"
        in found[0]["reason"]
    )
    if (closed / path).exists():
        assert _disk.left_out(wanted, present=["photos"], user="nobody") == [], "Syncthing has it already, and reports it itself"
    assert _disk.left_out(wanted, user="root") == []
    assert _disk.left_out(wanted, user="no-such-user") == [], "the role creates the account later"


@pytest.mark.parametrize(("owner", "mode"), [("nobody", 0o700), ("root", 0o711), ("root", 0o755), ("nobody", 0o500)])
@pytest.mark.parametrize("path", ["photos", "new"])
def test_directory_that_syncthings_user_can_enter_is_used(open_place: pathlib.Path, owner: str, mode: int, path: str) -> None:
    closed = closed_place(open_place, owner, mode)
    assert _disk.left_out([{"id": "photos", "path": str(closed / path)}], user="nobody") == []


def test_user_is_the_one_that_syncthing_runs_as(open_place: pathlib.Path) -> None:
    """The owner of config.xml decides; before the first start it is the declared owner of folders."""
    closed = closed_place(open_place, "root", 0o700)
    wanted, home = [{"id": "photos", "path": f"{closed}/photos"}], open_place / "home"
    home.mkdir()

    reasons = []
    for owner in (None, "nobody", "root"):
        if owner:
            (home / "config.xml").touch()
            os.chown(home / "config.xml", pwd.getpwnam(owner).pw_uid, -1)
        user = _placed.account(_placed.Host(str(home), "nobody"))
        assert user
        reasons.append(_disk.left_out(wanted, user=user.pw_name) != [])
    assert reasons == [True, True, False]


def test_access_list_lets_syncthings_user_enter(open_place: pathlib.Path) -> None:
    closed = closed_place(open_place, "root", 0o700)
    wanted = [{"id": "photos", "path": f"{closed}/photos"}]
    os.setxattr(closed, "system.posix_acl_access", access_list(pwd.getpwnam("nobody").pw_uid))
    assert _disk.left_out(wanted, user="nobody") == []


def access_list(uid: int) -> bytes:
    """The ACL u::rwx,u:UID:x,g::-,m::x,o::- (acl(5), linux/posix_acl_xattr.h)."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 7, nobody), (0x02, 1, uid), (0x04, 0, nobody), (0x10, 1, nobody), (0x20, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize("path", ["photos", "new"])
def test_place_that_root_cannot_enter_is_left_to_syncthings_user(open_place: pathlib.Path, path: str) -> None:
    """Without its overriding capabilities root is as powerless as on NFS with root_squash."""
    closed = closed_place(open_place, "nobody", 0o700)
    script = (
        "import os; from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk; "
        f"path = '{closed}/{path}'; "
        "assert not os.access(path, os.F_OK), 'root can enter'; "
        "assert _disk.left_out([{'id': 'x', 'path': path}], user='nobody') == []; "
        "assert [one['kind'] for one in _disk.left_out([{'id': 'x', 'path': path}], user='daemon')] == ['unusable']; "
        "assert _disk.make_root('x', path, 'nobody')"
    )
    loader = "import sys; sys.path.insert(0, sys.argv[1]); import conftest; exec(sys.argv[2])"
    checkout = str(pathlib.Path(__file__).resolve().parents[2])
    without = "-dac_override,-dac_read_search"
    drop = ["setpriv", f"--inh-caps={without}", f"--bounding-set={without}"]
    subprocess.run([*drop, sys.executable, "-c", loader, checkout, script], check=True, cwd="/")
    assert (closed / path).is_dir()
    assert (closed / path).stat().st_uid == (pwd.getpwnam("nobody").pw_uid if path == "new" else 0)
