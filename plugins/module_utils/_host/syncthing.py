# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about Syncthing: its home, its identity, and the account that it runs or would run as.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import stat
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _disk, _key_pair, _mounts
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)

OWN_FILES = ("cert.pem", "key.pem", "config.xml")
DROP_IN = "/etc/systemd/system/syncthing@{user}.service.d/50-tailsync.conf"


def gather(execute: Execute, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    del execute
    home, user = params["syncthing_home"], params["syncthing_user"]
    unreadable = None
    try:
        place, configured = _home(Path(home)), (Path(home) / "config.xml").is_file()
    except OSError as error:
        place, configured = {"exists": False}, False
        unreadable = f"{error.filename or home} cannot be read ({error.strerror}): repair its disk, or let root read it"
    drop_in = _text(Path(DROP_IN.format(user=user)))
    gui_directory = _gui_directory(drop_in)
    return {
        "user": user,
        "path": home,
        "account": _account(user),
        "home": place,
        "configured": configured,
        "identity_problem": _key_pair.identity_problem(home),
        "restore_problem": _key_pair.identity_problem(home, given=True),
        "disk_problem": unreadable or _disk.not_mounted(os.path.realpath(home), None, _mounts.read()),
        "elsewhere": _elsewhere(home),
        "was_set_up": _was_set_up(drop_in, home),
        "device_id": _device_id(Path(home)),
        "gui_directory": gui_directory,
        "gui_directory_access": _access(Path(gui_directory)) if gui_directory else None,
        "gui_group": _group(params.get("syncthing_gui_group")),
    }


def _device_id(home: Path) -> str | None:
    """The host's device ID; None if there is no certificate yet."""
    with contextlib.suppress(OSError, ValueError):
        return device_id_of_certificate((home / "cert.pem").read_text(encoding="ascii"))
    return None


def _access(directory: Path) -> dict[str, t.Any] | None:
    """Owner, group and mode of a directory."""
    with contextlib.suppress(OSError):
        status = directory.stat()
        return {"uid": status.st_uid, "gid": status.st_gid, "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
    return None


def _group(name: str | None) -> dict[str, t.Any]:
    """Look a group up in the host's name service, which also knows the groups of a directory service."""
    if name:
        with contextlib.suppress(KeyError):
            return {"name": name, "gid": grp.getgrnam(name).gr_gid}
    return {"name": name, "gid": None}


def _account(name: str) -> dict[str, t.Any]:
    """Look an account up in the host's name service, which also knows the accounts of a directory service."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return {"exists": False}
    return {"exists": True, "uid": found.pw_uid, "gid": found.pw_gid, "home": found.pw_dir, "shell": found.pw_shell}


def _home(home: Path) -> dict[str, t.Any]:
    try:
        status = home.stat()
    except OSError:
        return {"exists": False}
    directory = stat.S_ISDIR(status.st_mode)
    names = sorted(entry.name for entry in home.iterdir()) if directory else []
    return {
        "exists": True,
        "directory": directory,
        "owner": _owner(status.st_uid),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "empty": not set(names) - {"lost+found"},
        "files": {name: _owner((home / name).stat().st_uid) for name in OWN_FILES if (home / name).is_file()},
    }


def _owner(uid: int) -> dict[str, t.Any]:
    try:
        return {"uid": uid, "name": pwd.getpwuid(uid).pw_name}
    except KeyError:
        return {"uid": uid, "name": None}


def _text(drop_in: Path) -> str:
    """The text of the unit's drop-in, as an earlier run wrote it."""
    try:
        return drop_in.read_text(encoding="utf-8", errors="replace").replace("%%", "%")
    except OSError:
        return ""


def _gui_directory(drop_in: str) -> str:
    """The directory that can hold the web interface's socket, now and after a restart."""
    found = re.search(r"^ExecStartPre=\+\S*install -d .*?(/\S+)$", drop_in, re.MULTILINE)
    return found.group(1) if found and Path(found.group(1)).is_dir() else ""


def _elsewhere(home: str) -> list[dict[str, str]]:
    """Accounts and homes that earlier runs started Syncthing with, without this home."""
    found = []
    folder, _slash, name = DROP_IN.rpartition("/syncthing@")
    before, after = f"syncthing@{name}".split("{user}") if folder else ("", "")
    for drop_in in sorted(Path(folder).glob(f"{before}*{after}")) if folder else ():
        text = re.search(r'^ExecStart=\S+ serve "?--home=(.*?)"? --no-browser', _text(drop_in), re.MULTILINE)
        user = str(drop_in.relative_to(folder))[len(before) : -len(after)]
        if text and os.path.normpath(text.group(1)) != os.path.normpath(home):
            found.append({"user": user, "home": text.group(1)})
    return found


def _was_set_up(text: str, home: str) -> bool:
    """Whether an earlier run started Syncthing with this home; the drop-in is written after the identity."""
    return any(f"--home={home}{end}" in text for end in ('"', " "))
