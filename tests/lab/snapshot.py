# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print everything that a run could change on a host, as lines of JSON, so that two snapshots can be compared.

Runs on a host. Files with their owner, mode and content; accounts; packet filter rules; units and whether
they are enabled; listening ports; interfaces.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import stat
import subprocess

SKIPPED = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt/lists")
# Files that change by themselves: by a login, sudo, time or a daemon.
VOLATILE = re.compile(
    r"^(/home/[^/]+/\.ansible(/.*)?|/root/\.ansible(/.*)?|/var/lib/(systemd|sudo|lastlog|wtmpdb|private)(/.*)?|/etc/resolv\.conf"
    r"|/var/lib/ts2(/.*)?|/etc/mtab|/home/[^/]+/\.sudo_as_admin_successful)$"
)
CONTENT_OF = ("/etc", "/home", "/root", "/srv", "/opt", "/var", "/media", "/mnt")
COMMANDS = {
    "rules IPv4": "iptables-save 2>/dev/null | sed '/^[#:]/s/\\[.*//; /^#/d'",
    "rules IPv6": "ip6tables-save 2>/dev/null | sed '/^[#:]/s/\\[.*//; /^#/d'",
    "units": "systemctl list-unit-files --no-legend --no-pager --state=enabled,masked,linked | sort",
    "running": "systemctl list-units --no-legend --plain --type=service --state=running | cut -d' ' -f1 | grep -v @ | sort",
    "ports": "ss -H -ltnu | awk '{print $1, $5}' | sort",
    "packages": "dpkg-query -W -f '${Package} ${Version} ${Status}\\n'",
    "interfaces": "ip -oneline address show | awk '{print $2, $4}' | sort",
}


def describe(path: str) -> str:
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    what = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if kind == stat.S_IFLNK:
        return f"{what} -> {pathlib.Path(path).readlink()}"
    if kind == stat.S_IFREG:
        if path.startswith(CONTENT_OF):
            return f"{what} {hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]}"
        return f"{what} {status.st_size} {int(status.st_mtime)}"
    return what


def files() -> dict[str, str]:
    found: dict[str, str] = {}
    for folder, below, names in os.walk("/"):
        below[:] = [name for name in below if str(pathlib.Path(folder, name)) not in SKIPPED]
        for name in (*below, *names):
            path = str(pathlib.Path(folder, name))
            if not VOLATILE.match(path):
                with contextlib.suppress(OSError):  # deleted during the walk
                    found[path] = describe(path)
    return found


def main() -> None:
    print(json.dumps({"files": files()}))
    for name, command in COMMANDS.items():
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        print(json.dumps({name: dict.fromkeys(done.stdout.splitlines(), "there")}))


main()
