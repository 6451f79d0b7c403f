# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the files that the roles of this collection write, enough to see whether they match.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import hashlib
import re
import stat
import typing as t
from pathlib import Path

Found = t.Dict[str, t.Optional[t.Dict[str, t.Any]]]  # noqa: UP006  (3.9 at run time)
FILES = (
    "/etc/apt/sources.list.d/tailscale.list",
    "/etc/yum.repos.d/tailscale.repo",
    "/usr/share/keyrings/tailscale-archive-keyring.gpg",
    "/usr/share/keyrings/tailscale-mirror.gpg",
    "/opt/tailscale/current",
    "/etc/apt/keyrings",
    "/etc/apt/keyrings/syncthing-archive-keyring.gpg",
    "/etc/apt/preferences.d/syncthing.pref",
    "/etc/apt/sources.list.d/syncthing.list",
)
DROP_INS = "/etc/systemd/system/syncthing@{user}.service.d"
# Files of a package in which a role manages a block.
SETTINGS = ("/etc/default/tailscaled", "/etc/conf.d/tailscale")
BLOCK = re.compile(
    r"^# BEGIN ANSIBLE MANAGED BLOCK \(homelab\.tailsync\.tailscale\)\n(.*?)"
    r"^# END ANSIBLE MANAGED BLOCK \(homelab\.tailsync\.tailscale\)$",
    re.MULTILINE | re.DOTALL,
)
LARGEST = 1 << 20


def gather(user: str, root: Path = Path("/")) -> Found:
    """Describe the files by path, None for a missing one; changes nothing."""
    drop_ins = DROP_INS.format(user=user)
    return {
        **{path: describe(root / path[1:]) for path in (*FILES, drop_ins, f"{drop_ins}/50-tailsync.conf")},
        **{path: _with_blocks(root / path[1:]) for path in SETTINGS},
    }


def describe(path: Path) -> dict[str, t.Any] | None:
    """Kind and mode, the target of a link, the checksum of a file; None if there is nothing."""
    try:
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        found = {"kind": KINDS.get(kind, "other"), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
        if kind == stat.S_IFLNK:
            found["target"] = str(path.readlink())
        if kind == stat.S_IFREG and status.st_size <= LARGEST:
            found["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # also for a faulty disk, which the role's own modules report better
        return None
    return found


KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def blocks(text: str) -> list[str]:
    """The blocks that the role tailscale has written into a file of a package."""
    return [found.rstrip("\n") for found in BLOCK.findall(text)]


def _with_blocks(path: Path) -> dict[str, t.Any] | None:
    found = describe(path.resolve())
    if found is None:
        return None
    try:
        return {**found, "blocks": blocks(path.read_text(encoding="utf-8", errors="replace"))}
    except OSError:
        return None
