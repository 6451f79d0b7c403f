# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where declared folders are on a host: which are refused there, and which wait for their disk.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import posixpath
import pwd
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import user_named
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _places
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import FolderRefused
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._refusals import Refusals

Folder = t.Mapping[str, t.Any]
Paths = t.Mapping[str, str]  # by the ID of a folder


class Host(t.NamedTuple):
    home: str  # of Syncthing
    owner: str | None  # the user that Syncthing runs as, if declared
    allow_moves: bool = False


def check(declared: t.Sequence[Folder], present: Paths, host: Host, refusals: Refusals) -> list[_disk.LeftOut]:
    """Refuse forbidden and unusable places of folders, and return the folders that wait for their disk."""
    stays = {
        folder["id"]
        for folder in declared
        if folder["id"] in present
        and not (host.allow_moves and folder.get("path") and not _places.same(folder["path"], present[folder["id"]]))
    }
    placed = [{**folder, "path": present[folder["id"]] if folder["id"] in stays else folder.get("path")} for folder in declared]
    user = account(host)
    left_out = _disk.left_out(placed, stays, user.pw_name if user else None)
    away = {one["id"] for one in left_out}
    for folder in declared:
        with refusals.collected():
            _refuse_place(folder, host.home, folder["id"] in away)
    for one in left_out:
        if one["kind"] == _disk.UNUSABLE and one["id"] not in refusals.ids:
            place = "" if one["path"] in one["reason"] else f"{one['path']}: "
            with refusals.collected():
                raise FolderRefused(one["id"], f"folder {one['id']}: {place}{one['reason']}")
    return [one for one in left_out if one["kind"] == _disk.AWAY and one["id"] not in refusals.ids]


def _refuse_place(folder: Folder, home: str, away: bool) -> None:
    # Old versions come from other devices as well. Links on a disk that is not mounted can be neither resolved nor used.
    refusal = _places.refusal if away else _places.refusal_here
    for option, path in (("path", folder.get("path")), ("versioning.path", (folder.get("versioning") or {}).get("path"))):
        reason = refusal(path, home) if path and (option == "path" or path.startswith("/")) else None
        if reason:
            raise FolderRefused(folder["id"], f"folder {folder['id']}: {option} {reason}")


def account(host: Host) -> pwd.struct_passwd | None:
    """The user that Syncthing runs as, or will run as; None if there is no such user."""
    with contextlib.suppress(OSError, KeyError):
        return pwd.getpwuid((Path(host.home) / "config.xml").stat().st_uid)
    return user_named(host.owner) if host.owner else None


# --- ~ ------------------------------------------------------------------------------------------


def user_home(host: Host) -> str | None:
    """The home of the user that Syncthing runs as, which it puts in place of ~; None if there is no such user."""
    user = account(host)
    return user.pw_dir if user else None


def respelled(declared: t.Sequence[Folder], present: Paths, own_home: str | None) -> list[dict[str, t.Any]]:
    """The folders with a path as Syncthing has it, where only ~ differs from it."""
    found = []
    for folder in declared:
        now = present.get(folder["id"])
        same = bool(now) and _places.same(expanded(folder.get("path"), own_home), expanded(now, own_home))
        found.append({**folder, "path": now} if same else dict(folder))
    return found


def expanded(path: str | None, own_home: str | None) -> str | None:
    if path and own_home and (path == "~" or path.startswith("~/")):
        return posixpath.join(own_home, path[2:])
    return path
