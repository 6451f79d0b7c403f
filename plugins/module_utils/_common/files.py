# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and accounts of the host.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import pwd
import re
import tempfile


def user_named(name: str) -> pwd.struct_passwd | None:
    """The account, also of a directory service; None if there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def remove_stale(path: pathlib.Path) -> None:
    """Remove temporary files that a killed `write_whole` has left; no other files, such as `.config.xml.bak`."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")  # as tempfile names them
    for stale in path.parent.iterdir():
        if left.fullmatch(stale.name) and stale.is_file() and not stale.is_symlink():
            stale.unlink()


def write_whole(
    path: pathlib.Path,
    content: bytes,
    *,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    temporary: tuple[str, str] | None = None,
) -> None:
    """Replace a file atomically: the new one is completely on the disk before it takes the old one's place.

    `temporary` is the prefix and suffix of the new file's name until then. Raises OSError, for example on a full disk; then the
    old file is unchanged, and the temporary one is removed.
    """
    prefix, suffix = temporary or (f".{path.name}.", "")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            _set_owner_and_mode(file.fileno(), mode, owner)
            os.fsync(file.fileno())
        pathlib.Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            pathlib.Path(name).unlink()
        raise
    sync_folder(path.parent)


def _set_owner_and_mode(handle: int, mode: int, owner: tuple[int, int] | None) -> None:
    try:
        os.fchmod(handle, mode)
        if owner is not None:
            os.fchown(handle, *owner)
    except PermissionError:
        # vfat and the like have one owner and mode for all files; that is acceptable for a file that others may read anyway.
        if owner is None or os.fstat(handle).st_uid != owner[0] or not mode & 0o044:
            raise


def sync_folder(folder: pathlib.Path) -> None:
    """Write a folder's entries to the disk, if its file system supports that: cifs and others support it for files only."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)
