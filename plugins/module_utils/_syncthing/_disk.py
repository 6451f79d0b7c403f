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
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import SyncthingError

FSTAB = Path("/etc/fstab")
NOT_A_PLACE = ("none", "swap")


def declared_mounts(fstab: str) -> list[str]:
    """Mount points that /etc/fstab names, the root left out (fstab(5))."""
    points = []
    for line in fstab.splitlines():
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#") or fields[1] in NOT_A_PLACE:
            continue
        points.append(fields[1].replace("\\040", " ").replace("\\011", "\t"))
    return [point for point in points if posixpath.normpath(point) != "/"]


def mount_point_of(path: str, points: t.Iterable[str]) -> str | None:
    """The innermost of the mount points that a path lies under."""
    normal = posixpath.normpath(path)
    above = [point for point in points if (normal + "/").startswith(posixpath.normpath(point).rstrip("/") + "/")]
    return max(above, key=len, default=None)


def refuse_unmounted(folder_id: str, path: str) -> None:
    points = declared_mounts(FSTAB.read_text(encoding="utf-8", errors="replace")) if FSTAB.exists() else []
    point = mount_point_of(path, points)
    if point and not os.path.ismount(point):
        raise SyncthingError(
            f"folder {folder_id} is to be at {path}, but the disk for {point} (in /etc/fstab) is not mounted: "
            "mount it and run again"
        )


def make_root(path: str, owner: str) -> bool:
    """Make a folder's root for the user that Syncthing runs as; whether there was something to do."""
    root = Path(path)
    if root.exists():
        return False
    try:
        user = pwd.getpwnam(owner)
    except KeyError as error:
        raise SyncthingError(f"folder_owner is {owner!r}, a user who does not exist on this host") from error
    root.mkdir(mode=0o750, parents=True)
    os.chown(root, user.pw_uid, user.pw_gid)
    return True
