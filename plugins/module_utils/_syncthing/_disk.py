# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder's place on the disk, before Syncthing sees it.

Syncthing makes the root and the marker of a new folder by itself. On a mount point whose
disk is not there that fills the system disk, and later looks as if all files were deleted.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import posixpath
import pwd
import re
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import SyncthingError

FSTAB = Path("/etc/fstab")
UNITS = Path("/etc/systemd/system")
NOT_A_PLACE = ("none", "swap")
IGNORE_FILE = ".stignore"  # https://docs.syncthing.net/users/ignoring.html


def declared_mounts(fstab: str) -> list[str]:
    """Mount points that /etc/fstab names, the root left out (fstab(5))."""
    points = []
    for line in fstab.splitlines():
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#") or fields[1] in NOT_A_PLACE:
            continue
        points.append(fields[1].replace("\\040", " ").replace("\\011", "\t"))
    return [point for point in points if posixpath.normpath(point) != "/"]


def mount_of_unit(text: str) -> list[str]:
    """The mount point of a systemd unit file (systemd.mount(5))."""
    return re.findall(r"^\s*Where\s*=\s*(/\S.*?)\s*$", text, re.MULTILINE)


def mount_point_of(path: str, points: t.Iterable[str]) -> str | None:
    """The innermost of the mount points that a path lies under."""
    normal = posixpath.normpath(path)
    above = [point for point in points if (normal + "/").startswith(posixpath.normpath(point).rstrip("/") + "/")]
    return max(above, key=len, default=None)


def mount_points() -> list[str]:
    points = declared_mounts(FSTAB.read_text(encoding="utf-8", errors="replace")) if FSTAB.exists() else []
    for unit in sorted(UNITS.glob("*.mount")):
        points += mount_of_unit(unit.read_text(encoding="utf-8", errors="replace"))
    return points


def refuse_unmounted(folder_id: str, path: str, points: t.Iterable[str]) -> None:
    # What is behind a link is where the files would go.
    for place in (path, os.path.realpath(path)):
        point = mount_point_of(place, points)
        if point and not os.path.ismount(point):
            raise SyncthingError(
                f"folder {folder_id} is to be at {path}, but the disk for {point} (in /etc/fstab, or a mount unit) is not "
                "mounted: mount it and run again"
            )


def make_root(path: str, owner: str) -> bool:
    """Make a folder's root for the user that Syncthing runs as; whether there was something to do."""
    root = Path(path)
    if root.exists():
        return False
    user = user_named(owner)
    root.mkdir(mode=0o750, parents=True)
    os.chown(root, user.pw_uid, user.pw_gid)
    return True


def user_named(owner: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(owner)
    except KeyError as error:
        raise SyncthingError(f"folder_owner is {owner!r}, a user who does not exist on this host") from error


def write_ignores(folder_id: str, path: str, lines: list[str]) -> None:
    """Ignore patterns of a folder that Syncthing does not have yet, so that its first scan knows them."""
    root = Path(path)
    if not root.is_absolute():
        raise SyncthingError(f"folder {folder_id}: ignores need a path that begins with /, and it is {path}")
    if not root.is_dir():
        raise SyncthingError(
            f"folder {folder_id}: ignores are to be there before the first scan, but {path} is not: make it, or set folder_owner"
        )
    target = root / IGNORE_FILE
    owner = root.stat()
    temporary = root / f".syncthing.{IGNORE_FILE}.tmp"  # a name that Syncthing itself never syncs
    temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    os.chown(temporary, owner.st_uid, owner.st_gid)
    temporary.chmod(0o644)
    temporary.replace(target)
