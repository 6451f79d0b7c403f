# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the user that Syncthing runs as can enter a directory: tried in a child process with that user's rights.

Modes alone do not show it: access lists, groups, and file systems with rules of their own decide as well.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import posixpath
import pwd
import subprocess
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import user_named
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import Unusable

FIRST_CLOSED = 'for one do [ -d "$one" ] || exit 0; [ -x "$one" ] || { printf %s "$one"; exit 0; }; done'

MAKE = '[ -d "$1" ] || mkdir -m 0750 "$1"'


def refuse_closed(path: str, user: str | None) -> None:
    """Refuse a path whose deepest existing directory the user cannot enter. A user who does not exist yet is not tried."""
    account = user_named(user) if user else None
    if account is None or os.geteuid() != 0 or account.pw_uid == 0:
        return
    barrier = _closed(_directories(os.path.realpath(path)), account)
    if barrier:
        raise Unusable(
            f"{account.pw_name}, as whom Syncthing runs, cannot enter {barrier}: let it enter (setfacl -m "
            f"u:{account.pw_name}:x {barrier}), or set another path"
        )


def _directories(path: str) -> list[str]:
    """The directories to enter, from the top."""
    found = [path]
    while posixpath.dirname(found[0]) != found[0]:
        found.insert(0, posixpath.dirname(found[0]))
    return found


def _closed(directories: t.Sequence[str], account: pwd.struct_passwd) -> str | None:
    """The first directory that the user cannot enter; None if there is none, or it cannot be found out."""
    return os.fsdecode(_as(account, FIRST_CLOSED, *directories).stdout) or None


def made_by(path: str, account: pwd.struct_passwd) -> bool:
    """Create a directory with the rights of its owner, where root may not. Returns whether it is there."""
    return os.geteuid() == 0 and _as(account, MAKE, path).returncode == 0


def _as(account: pwd.struct_passwd, script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *arguments],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=os.getgrouplist(account.pw_name, account.pw_gid),
        cwd="/",
        capture_output=True,
        check=False,
    )
