# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the packages that the roles of this collection install: presence, version, and whether they are held.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import shutil
import typing as t
from pathlib import Path

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
Found = t.Dict[str, t.Dict[str, t.Any]]  # noqa: UP006
DEBIAN = ("tailscale", "tailscale-archive-keyring", "ufw", "syncthing", "python3-requests")
WORLD = Path("/etc/apk/world")


def gather(execute: Execute, manager: str | None, world: Path = WORLD) -> Found:
    """The completely installed packages by name, from the host's package manager; changes nothing."""
    if manager == "apt":
        form = r"--showformat=${Package}\t${db:Status-Abbrev}\t${Version}\n"
        return dpkg(_run(execute, ["dpkg-query", "--show", form, *DEBIAN]))
    if manager in ("dnf", "dnf5"):
        return rpm(_run(execute, ["rpm", "--query", "--queryformat", r"%{NAME}\t%{VERSION}\t%{RELEASE}\n", "tailscale"]))
    if manager == "pacman":
        return pacman(_run(execute, ["pacman", "--query", "tailscale"]))
    if manager == "apk":
        return apk(_read(world))
    return {}


def dpkg(text: str) -> Found:
    """Parse the lines of dpkg-query for packages that are installed and configured: `ii`, or `hi` for a held one."""
    found: Found = {}
    for name, status, version in _fields(text, 3):
        if status.rstrip() in ("ii", "hi"):
            found[name] = {"version": version, "held": status.startswith("h")}
    return found


def rpm(text: str) -> Found:
    """Parse the lines of rpm; for a missing package it prints a message, which is skipped."""
    return {name: {"version": version, "release": release} for name, version, release in _fields(text, 3)}


def pacman(text: str) -> Found:
    return {name: {"version": version} for name, version in (line.split() for line in text.splitlines() if line.count(" ") == 1)}


def apk(text: str) -> Found:
    """Parse the lines of apk's world file, which can pin a version: `tailscale~1.88.4`."""
    lines = [word for word in text.split() if word.startswith("tailscale") and word[9:10] in ("", "=", "~", "<", ">", "@")]
    return {"tailscale": {"world": lines}} if lines else {}


def _fields(text: str, number: int) -> t.Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == number:
            yield fields


def _run(execute: Execute, command: list[str]) -> str:
    """The command's output, also if it fails because one of several packages is missing."""
    path = shutil.which(command[0])
    return execute([path, *command[1:]])[1] if path else ""


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
