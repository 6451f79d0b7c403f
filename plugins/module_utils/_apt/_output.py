# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the output of apt-get and dpkg in the locale C: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

# A warning with one of these means that the repository was not read: apt keeps its old lists, and returns 0.
UNREAD = re.compile(
    r"GPG error|Failed to fetch|not signed|signature verification|not valid (yet|until|anymore)|is expired|"
    r"(no longer|does not) have a Release file|verified",
    re.IGNORECASE,
)
SUMMARY = "Some index files failed to download"
LOCKED = re.compile(r"Could not get lock|Unable to lock|was locked by another process|Unable to acquire the dpkg", re.IGNORECASE)
HOLDER = re.compile(r"(?:held by process|process with pid) (\d+)")
ADDRESS = re.compile(r"\b[a-z][a-z0-9+]*:(?://|/)[^\s'\"]+")


def problems(code: int, text: str, uris: t.Collection[str]) -> tuple[list[str], list[str]]:
    """The lines of apt-get update that stop the installation, and those that only concern other repositories."""
    fatal, others = [], []
    for line in text.splitlines():
        is_error = line.startswith(("E:", "Err:"))
        if line.startswith("Err:") or SUMMARY in line or not (is_error or (line.startswith("W:") and UNREAD.search(line))):
            continue
        found = [address.rstrip("/,;:.") for address in ADDRESS.findall(line)]
        if not found or any(_is_below(address, uri) for address in found for uri in uris):
            fatal.append(line[2:].strip())
        else:
            others.append(line[2:].strip())
    if code != 0 and not fatal and not others:
        fatal.append(text.strip() or f"apt-get update returned {code}")
    return fatal, others


def _is_below(address: str, uri: str) -> bool:
    return f"{address}/".startswith(f"{uri.rstrip('/')}/")


def is_locked(text: str) -> bool:
    return bool(LOCKED.search(text))


def holder(text: str) -> str:
    """The process ID that holds the lock, as apt and dpkg name it; else empty."""
    found = HOLDER.search(text)
    return found.group(1) if found else ""
