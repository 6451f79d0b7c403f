# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a lock of apt or dpkg, asked without taking it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

# apt waits for dpkg's two (DPkg::Lock::Timeout), but not for that of the package lists and that of the archives.
PATHS = ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock", "var/lib/apt/lists/lock", "var/cache/apt/archives/lock")
# struct flock with 64-bit offsets, as Python is compiled on all platforms: type, whence, start, length, pid.
FLOCK = "hhqqi"


def holder(path: Path) -> int | None:
    """The process that holds a POSIX lock on the file; 0 if it is in another PID namespace; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, pid = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)
