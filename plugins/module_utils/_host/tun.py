# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host has a usable TUN device, found by opening it, which makes no interface.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import errno
import os
import platform
import typing as t
from pathlib import Path

DEVICE = Path("dev/net/tun")
# What container managers leave in a container: systemd, podman, Docker; OpenVZ has the first path without the second.
MARKS = ("run/systemd/container", "run/.containerenv", ".dockerenv")
OPENVZ = ("proc/vz", "proc/bc")
# The environment of its first process, the only mark where LXC runs no systemd, such as in a container of Alpine.
INIT = "proc/1/environ"


def gather(root: Path = Path("/")) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    return {"error": error_of(root / DEVICE), "contained": is_contained(root), "kernel": platform.release()}


def error_of(device: Path) -> str | None:
    """The symbol of the error at opening the device, such as ENOENT; None without one."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return None


def is_contained(root: Path) -> bool:
    there = [(root / path).exists() for path in OPENVZ]
    return any((root / path).exists() for path in MARKS) or there == [True, False] or _is_named(root / INIT)


def _is_named(environ: Path) -> bool:
    try:
        return any(word.startswith(b"container=") and word != b"container=" for word in environ.read_bytes().split(b"\0"))
    except OSError:
        return False
