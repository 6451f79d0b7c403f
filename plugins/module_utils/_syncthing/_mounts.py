# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts of this host, and the mount points that are configured.

Units are read as files, including generated ones under /run/systemd. systemctl would also list present mounts, and units
that other units merely mention.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import struct
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._places import normal

MOUNTINFO = Path("/proc/self/mountinfo")
FSTAB = Path("/etc/fstab")
AUTO_MASTER = Path("/etc/auto.master")
# In the order of systemd.unit(5), the first wins.
UNIT_DIRECTORIES = [
    Path(place)
    for place in (
        "/etc/systemd/system.control",
        "/run/systemd/system.control",
        "/run/systemd/transient",
        "/run/systemd/generator.early",
        "/etc/systemd/system",
        "/etc/systemd/system.attached",
        "/run/systemd/system",
        "/run/systemd/system.attached",
        "/run/systemd/generator",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
        "/run/systemd/generator.late",
    )
]
ZPOOL_CACHE = Path("/etc/zfs/zpool.cache")
AUTOMOUNTER = "autofs"  # a mount that only waits for an access (autofs(5), systemd.automount(5))
AUTOMOUNT_TIMEOUT = 20  # seconds


class Table(t.NamedTuple):
    mounted: t.Mapping[str, str]  # mount point to the type of the topmost mount
    announced: t.Mapping[str, str]  # configured mount point to the source of its configuration


def read() -> Table:
    """Read present and configured mounts. Links in the paths are resolved."""
    announced: dict[str, str] = {}
    for source, points in (
        ("ZFS", _of_zfs()),
        (str(AUTO_MASTER), of_automounter(_text(AUTO_MASTER), _map)),
        *((f"the unit {name}", points) for name, points in _of_units().items()),
        (str(FSTAB), of_fstab(_text(FSTAB))),
    ):
        announced.update({os.path.realpath(point): source for point in points if normal(point) != "/"})
    return Table(of_mountinfo(_text(MOUNTINFO)), announced)


def trigger_automount(path: str) -> None:
    """Access a path so that an automounter mounts its disk. A separate program does it, because it may block."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["stat", "--dereference", f"{path}/."], capture_output=True, check=False, timeout=AUTOMOUNT_TIMEOUT)  # noqa: S607


# --- pure ---------------------------------------------------------------------------------------


def unescaped(text: str) -> str:
    """Decode octal escapes of fstab and mountinfo: \\040 is a blank (fstab(5), proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), text)


def of_mountinfo(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        before, _dash, after = line.partition(" - ")
        fields = before.split()
        if len(fields) > 4 and after:
            found[unescaped(fields[4])] = after.split()[0]  # later mounts are on top
    return found


def of_fstab(text: str) -> list[str]:
    fields = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [unescaped(one[1]) for one in fields if len(one) > 1 and one[1].startswith("/")]


def of_unit(name: str, text: str) -> list[str]:
    """The mount point of a mount or automount unit, also from its name (systemd-escape --path)."""
    escaped = name.rpartition(".")[0]
    by_name = "/" + re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found.group(1), 16)), escaped.replace("-", "/"))
    by_text = re.findall(r"^\s*Where\s*=\s*\"?(/[^%\n]*?)\"?\s*$", text, re.MULTILINE)
    return [by_name.encode("latin-1", "replace").decode("utf-8", "replace"), *by_text]


def of_automounter(master: str, read_map: t.Callable[[str], str]) -> list[str]:
    """Mount points of /etc/auto.master (auto.master(5)), direct ones from their map."""
    found = []
    for line in master.splitlines():
        fields = [*line.split(), ""]
        if fields[0].startswith("+dir:"):
            found += of_automounter(read_map(fields[0].partition(":")[2]), read_map)
        elif fields[0] == "/-":
            entries = [entry.split() for entry in read_map(fields[1]).splitlines()]
            found += [entry[0] for entry in entries if entry and entry[0].startswith("/")]
        elif fields[0].startswith("/") and not fields[1].startswith("-"):
            found.append(fields[0])
    return found


def of_zfs(text: str, pools: t.Iterable[str]) -> list[str]:
    """Parse `zfs list -H -o name,mountpoint,canmount`; datasets with canmount=off exist only for inheritance.

    The list does not have pools that the host knows but has not imported. They are mounted at their name by default.
    """
    rows = [line.split("\t") for line in text.splitlines()]
    imported = {row[0].partition("/")[0] for row in rows}
    found = [row[1] for row in rows if len(row) == 3 and row[1].startswith("/") and row[2] != "off"]
    return found + [f"/{pool}" for pool in pools if pool not in imported]


def of_zpool_cache(data: bytes) -> list[str]:
    """Names of the pools that are imported at boot: the outer names of an nvlist in XDR (module/nvpair/nvpair.c)."""
    found, at = [], 12  # after encoding, version and flags
    while at + 12 <= len(data):
        size, _decoded, length = struct.unpack_from(">III", data, at)
        if size < 12 or at + size > len(data):
            break
        found.append(data[at + 12 : at + 12 + length].decode("utf-8", "replace"))
        at += size
    return found


# --- reading ------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _map(name: str) -> str:
    """Read a map of the automounter: a file, or a directory with additions to auto.master."""
    path = Path(name.rsplit(":", maxsplit=1)[-1])
    if path.is_dir():
        return "\n".join(_text(file) for file in sorted(path.glob("*.autofs")))
    return _text(path)


def _of_units() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for directory in UNIT_DIRECTORIES:
        with contextlib.suppress(OSError):
            for name in sorted(path.name for path in directory.iterdir()):
                if name.endswith((".mount", ".automount")) and name not in found:
                    text = _text(directory / name)
                    found[name] = of_unit(name, text) if text else []  # empty, or a link to /dev/null: masked
    return found


def _of_zfs() -> list[str]:
    try:
        pools = of_zpool_cache(ZPOOL_CACHE.read_bytes())
    except OSError:
        pools = []
    program = shutil.which("zfs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not program:
        return of_zfs("", pools)
    try:
        done = subprocess.run(
            [program, "list", "-H", "-o", "name,mountpoint,canmount"],
            capture_output=True,
            text=True,
            check=False,
            timeout=AUTOMOUNT_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return of_zfs("", pools)
    return of_zfs(done.stdout, pools)
