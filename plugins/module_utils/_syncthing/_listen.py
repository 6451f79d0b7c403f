# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether Syncthing's web interface and REST API can listen at an address, before they are moved there.

At an address that cannot be bound, Syncthing could not be reached any more to correct it, and would not start again.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._client import reachable
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._transport import SOCKET_PATH_MAX


def refuse_unbindable(address: str, home: str, check_mode: bool = False) -> None:
    if address.startswith("/"):
        if check_mode and not Path(address).parent.exists():
            return  # a real run may create it before
        problem = socket_problem(address, Path(home).stat().st_uid)
        if problem:
            raise SyncthingError(f"gui.address is the unix socket {address}, and {problem}")
        return
    host, _colon, _port = reachable(address).rpartition(":")
    name = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET) as attempt:
            attempt.bind((name, 0))
    except OSError as error:
        raise SyncthingError(
            f"gui.address is {address}, where this host cannot listen ({error}): Syncthing would not start with it again. "
            "Use a loopback address, such as 127.0.0.1:8384"
        ) from error


def socket_problem(address: str, uid: int) -> str | None:
    """The reason why a user cannot create a socket there, with the fix; None if the user can."""
    if len(os.fsencode(address)) > SOCKET_PATH_MAX:
        return f"its path is longer than the {SOCKET_PATH_MAX} bytes that a socket may have: use a shorter one"
    path = Path(address)
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return "there is something else, which Syncthing would remove: use another path"
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        return f"{path.parent} is no directory: use another path"
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}: make it first, for the user that Syncthing runs as"
    for directory in path.parents:
        needed = os.W_OK | os.X_OK if directory == path.parent else os.X_OK
        if not _allowed(directory.stat(), uid, needed):
            return f"the user that Syncthing runs as may not {'write to' if needed != os.X_OK else 'enter'} {directory}: let them"
    return None


def _allowed(status: os.stat_result, uid: int, needed: int) -> bool:
    if uid == 0:
        return True
    if status.st_uid == uid:
        return (status.st_mode >> 6) & needed == needed
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        groups: list[int] = []
    else:
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return (status.st_mode >> (3 if status.st_gid in groups else 0)) & needed == needed
