# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks and creation of a folder's directory, before Syncthing uses it.

Syncthing creates the root and the marker of a new folder itself. If the disk is not mounted, that fills the system disk,
and when the disk is mounted again with older files, the other devices take them for the newest. So a folder whose disk is
not mounted is left out, and where a disk might be missing, only the folder itself is created and no parents.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import pwd
import re
import stat
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import user_named, write_whole
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _access, _mounts
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import (
    FolderRefused,
    SyncthingError,
    Unusable,
    role,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._places import below, normal

# Below these directories, which the system has for data, all missing parents are created.
PARENTS_MADE = ("/srv", "/home", "/var/lib", "/opt")
# Where udisks mounts removable disks.
UDISKS = re.compile(r"/(?:run/)?media/([^/]+)/([^/]+)$")
MARKER = ".stfolder"
IGNORE_FILE = ".stignore"  # https://docs.syncthing.net/users/ignoring.html
TEMPORARY = (".syncthing.", ".tmp")  # around a name that Syncthing itself never syncs
NEW = ".tailsync-new"  # a directory before it has its owner and its name
LeftOut = t.Dict[str, str]  # noqa: UP006  (3.9 at run time)
AWAY = "away"  # the folder waits for its disk
UNUSABLE = "unusable"  # the folder never works at this path


class Found(t.NamedTuple):
    """The state of a path: its real path, the deepest existing directory, and the names of the missing ones."""

    path: str
    anchor: str
    missing: t.Sequence[str] = ()


def left_out(
    folders: t.Iterable[t.Mapping[str, t.Any]], present: t.Collection[str] = (), user: str | None = None
) -> list[LeftOut]:
    """The folders that must be left out now, with the reason and its kind.

    `present` are IDs of folders that Syncthing already has, `user` is the user that Syncthing runs as.
    """
    placed = [one for one in folders if str(one.get("path") or "").startswith("/")]
    table = _mounts.read() if placed else None
    found = []
    for one in placed:
        is_present, kind = one["id"] in present, AWAY
        try:
            reason = _reason(one["path"], one.get("requires_mount"), is_present, t.cast("_mounts.Table", table))
            if not reason and not is_present:
                _access.refuse_closed(one["path"], user)
        except Unusable as error:
            reason, kind = str(error), UNUSABLE
        if reason:
            found.append({"id": str(one["id"]), "path": str(one["path"]), "kind": kind, "reason": reason})
    return found


def _reason(path: str, required: str | None, present: bool, table: _mounts.Table) -> str | None:
    # Before the path itself is read, which behind an automounter may block until the disk is there.
    for place in (normal(path), normal(required) if required else None):
        if place and _is_automounter(place, table.mounted):
            _mounts.trigger_automount(place)
            table = table._replace(mounted=_mounts.read().mounted)
            if _is_automounter(place, table.mounted):
                return not_mounted(place, None, table)
    real = os.path.realpath(path)
    needed = os.path.realpath(required) if required else None
    away = not_mounted(real, needed, table)
    if away:
        return away
    try:
        found = locate(real)
    except PermissionError:
        # Such as a FUSE mount of Syncthing's user, or NFS with root_squash, which root cannot enter. Whether that user can is
        # tried later, and Syncthing itself reports a real error.
        return None
    except NotADirectoryError as error:
        raise Unusable(f"{error.strerror}: move that file away, or set another path") from error
    except OSError as error:
        raise Unusable(f"it cannot be used ({error.strerror}): repair the disk, or set another path") from error
    return unusable(found, present, table)


def locate(real: str) -> Found:
    """Find the existing part of a path. Raises OSError if it cannot be used."""
    missing: list[str] = []
    anchor = real
    while True:
        try:
            status = Path(anchor).stat()
        except (FileNotFoundError, NotADirectoryError):
            anchor, name = posixpath.split(anchor)
            missing.insert(0, name)
            continue
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"{anchor} is not a directory")
        if missing and os.statvfs(anchor).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, f"{anchor} is mounted read-only")
        return Found(real, anchor, missing)


# --- pure ---------------------------------------------------------------------------------------


def _above(path: str, points: t.Iterable[str]) -> list[str]:
    return sorted((point for point in points if below(path, point)), key=len)


def _is_automounter(path: str, mounted: t.Mapping[str, str]) -> bool:
    """Whether the innermost mount above a path is an automounter, which mounts the disk on access."""
    above = _above(path, mounted)
    return bool(above) and mounted[above[-1]] == _mounts.AUTOMOUNTER


def innermost(path: str, mounted: t.Mapping[str, str]) -> str:
    real = [point for point in _above(path, mounted) if mounted[point] != _mounts.AUTOMOUNTER]
    return real[-1] if real else "/"


def not_mounted(real: str, required: str | None, table: _mounts.Table) -> str | None:
    """The reason why the disk of a path counts as not mounted; None if it is mounted."""
    automounted = {point: "an automounter" for point, kind in table.mounted.items() if kind == _mounts.AUTOMOUNTER}
    there = set(table.mounted) - set(automounted)
    if required and required not in there:
        return f"nothing is mounted at {required}, which requires_mount names: mount it, and run again"
    inner = innermost(real, table.mounted)
    announced = {**automounted, **table.announced}
    for point in _above(real, announced):
        if point not in there and len(point) > len(inner):
            return f"the disk for {point} ({announced[point]}) is not mounted: mount it, and run again"
    return None


def unusable(found: Found, present: bool, table: _mounts.Table) -> str | None:
    """The reason why a new folder cannot be created at its path, or an existing one not used; None if it can."""
    if not found.missing:
        return None
    if present:
        return (
            f"its directory {found.path} is not there: mount its disk (and set requires_mount, so that this is noticed), or "
            "restore the directory with its files"
        )
    first = posixpath.join(found.anchor, found.missing[0])
    user = _absent_home_or_medium(found.path, first)
    if user:
        return user
    if len(found.missing) == 1 or _parents_made(found, table):
        return None
    return (
        f"{first} is not there, and may be on a disk that is not mounted: mount the disk (and set requires_mount, so that this "
        f"is noticed), or create the directory {posixpath.dirname(found.path)}. Parents are created only below "
        f"{', '.join(PARENTS_MADE)}"
    )


def _absent_home_or_medium(path: str, first: str) -> str | None:
    """The reason not to create a user's home or the mount point of a removable disk; None if the path is neither."""
    plugged = UDISKS.match(path)
    if plugged and first == path and user_named(plugged.group(1)):
        return f"{path} is where a disk named {plugged.group(2)} would be mounted: plug it in, or create the directory"
    if posixpath.dirname(first) == "/home":
        owner = user_named(posixpath.basename(first))
        if owner and owner.pw_dir == first:
            return f"{first}, the home of {owner.pw_name}, is not there: is it mounted only when {owner.pw_name} is logged in?"
    return None


def _parents_made(found: Found, table: _mounts.Table) -> bool:
    inner = innermost(found.path, table.mounted)
    for root in PARENTS_MADE:
        real = os.path.realpath(root)
        # A dangling link leads to a disk that is not mounted.
        leads = real == root or below(found.anchor, real)
        if leads and below(found.path, real) and below(real, inner):
            return True
    return False


# --- creation -----------------------------------------------------------------------------------


def make_root(folder_id: str, path: str, owner: str) -> bool:
    """Create a folder's root for the user that Syncthing runs as. Returns whether anything was missing."""
    user = _owner_named(owner)
    try:
        try:
            return _make_missing(locate(os.path.realpath(path)), user)
        except PermissionError:
            # Such as a FUSE mount of that user, or NFS with root_squash.
            if not _access.made_by(path, user):
                raise
    except OSError as error:
        raise FolderRefused(
            folder_id,
            f"folder {folder_id}: {path} cannot be created ({error.strerror}): create it for {owner}, or set another path",
        ) from error
    return True


def _make_missing(found: Found, user: pwd.struct_passwd) -> bool:
    handle = os.open(found.anchor, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for number, name in enumerate(found.missing, 1):
            last = number == len(found.missing)
            uid, gid = (user.pw_uid, user.pw_gid) if last else _owner_of_parents(found.anchor, user)
            inner = _make(handle, name, uid, gid, 0o750 if last else 0o755)
            os.close(handle)
            handle = inner
    finally:
        os.close(handle)
    return bool(found.missing)


def _owner_of_parents(anchor: str, user: pwd.struct_passwd) -> tuple[int, int]:
    """Root, or in a home the home's owner."""
    homes = [os.path.realpath(user.pw_dir)] if user.pw_dir.count("/") > 1 else []
    in_homes = re.match(r"/home/[^/]+", anchor)
    if in_homes:
        homes.append(in_homes.group())
    for home in homes:
        if below(anchor, home):
            status = Path(home).stat()
            return status.st_uid, status.st_gid
    return 0, 0


def _make(parent: int, name: str, uid: int, gid: int, mode: int) -> int:
    """Create a directory with owner and mode atomically, whatever the umask, without following links."""
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(NEW, dir_fd=parent)  # left by an interrupted run
    os.mkdir(NEW, 0o700, dir_fd=parent)
    handle = os.open(NEW, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        try:
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
        except PermissionError:
            # vfat, exfat and the like have one owner for all files, from the mount options.
            if os.fstat(handle).st_uid != uid:
                os.rmdir(NEW, dir_fd=parent)
                raise
        os.rename(NEW, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        os.close(handle)
        raise
    return handle


def _owner_named(owner: str) -> pwd.struct_passwd:
    found = user_named(owner)
    if found is None:
        raise SyncthingError(
            f"folder_owner is {owner!r} {role('syncthing_mesh_user')}, a user who does not exist on this host: "
            "create the user first"
        )
    return found


def ignore_text(lines: t.Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def write_ignores(folder_id: str, path: str, lines: list[str]) -> None:
    """Write the ignore patterns of a folder that Syncthing does not have yet, so that the first scan applies them."""
    root = Path(path)
    if not root.is_absolute():
        raise FolderRefused(folder_id, f"folder {folder_id}: ignores need a path that begins with /, and it is {path}")
    try:
        if not root.is_dir():
            raise FolderRefused(
                folder_id,
                f"folder {folder_id}: ignores must be written before the first scan, but {path} is not there: create it, or set "
                "folder_owner",
            )
        owner = root.stat()
        write_whole(
            root / IGNORE_FILE,
            ignore_text(lines),
            mode=0o644,
            owner=(owner.st_uid, owner.st_gid),
            temporary=TEMPORARY,
        )
    except OSError as error:
        raise FolderRefused(
            folder_id,
            f"folder {folder_id}: its ignore patterns cannot be written to {path}/{IGNORE_FILE} ({error.strerror}): "
            "make the disk writable, or take ignores out",
        ) from error
