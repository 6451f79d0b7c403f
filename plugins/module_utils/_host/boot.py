# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out whether the tailscaled that answers at a socket starts again after a restart of the host.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import typing as t
from pathlib import Path

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
PROPERTIES = ("LoadState", "UnitFileState", "WantedBy", "RequiredBy", "BoundBy", "TriggeredBy")
STARTS = ("enabled", "generated", "alias")
NEVER = ("masked", "masked-runtime")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def gather(execute: Execute, path: str, root: Path = Path("/proc")) -> dict[str, t.Any]:
    """Gather the unit of the process behind a socket, whether it starts at boot (None: not known), and how it keeps its state."""
    pid = listener(path)
    unit = unit_of(_read(root / str(pid) / "cgroup")) if pid else ""
    starts, state = starts_at_boot(execute, unit) if unit.endswith(".service") else (False if unit else None, "")
    words = _read(root / str(pid) / "cmdline").split("\0") if pid else []
    names = {entry.partition("=")[0].upper() for entry in _read(root / str(pid) / "environ").split("\0")} if pid else set()
    return {
        "pid": pid,
        "unit": unit,
        "unit_state": state,
        "starts_at_boot": starts,
        "forgets": any(re.fullmatch(r"--?state=mem:.*", word) for word in words),
        "proxied": bool(names & set(PROXIES)),
    }


def listener(path: str) -> int:
    """The process that listens at a unix socket, from the kernel (SO_PEERCRED); 0 if there is none, or it is not visible."""
    with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(5)
        connection.connect(path)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])
    return 0


def unit_of(cgroups: str) -> str:
    """The systemd service, or login session, of a process, from /proc/PID/cgroup; empty in a container's scope."""
    for line in reversed(cgroups.splitlines()):  # that of version 2 comes last
        hierarchy, controllers, path = [*line.split(":", 2), "", ""][:3]
        if (hierarchy, controllers) == ("0", "") or controllers == "name=systemd":
            for name in path.split("/"):
                if name.endswith(".service") and not name.startswith("user@"):
                    return name
                if re.fullmatch(r"session-.*\.scope", name):
                    return name  # it was started by hand
                if name.endswith(".scope"):
                    break
    return ""


def starts_at_boot(execute: Execute, unit: str) -> tuple[bool | None, str]:
    """Whether systemd starts a unit at boot (None: not known), and the unit's UnitFileState."""
    code, shown, _error = execute(["systemctl", "show", f"--property={','.join(PROPERTIES)}", unit])
    if code != 0:
        return None, ""
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    state = found.get("UnitFileState", "")
    pulled = any(found.get(name) for name in PROPERTIES[2:])
    if state in NEVER or state.endswith("-runtime"):  # lost at a restart
        return False, state
    if state in STARTS or pulled:
        return True, state
    return (None if state in ("static", "indirect", "") else False), state


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
