# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the facts of host_info with the state that a role would set up: pure functions, for the controller.

They return true only if the state certainly matches. In doubt the role's modules run, which change nothing if nothing differs.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import hashlib
import typing as t

Host = t.Mapping[str, t.Any]


def is_file(host: Host, path: str, text: str | None = None, mode: str = "0644") -> bool:
    """Whether a plain file is there with this mode, and with this content if one is given."""
    found = host["files"].get(path) or {}
    if found.get("kind") != "file" or found.get("mode") != mode:
        return False
    return text is None or found.get("sha256") == hashlib.sha256(text.encode()).hexdigest()


def is_directory(host: Host, path: str, mode: str = "0755") -> bool:
    found = host["files"].get(path) or {}
    return found.get("kind") == "directory" and found.get("mode") == mode


def is_there(host: Host, path: str) -> bool:
    """Whether a file exists, also a dangling link."""
    return bool(host["files"].get(path))


def target(host: Host, path: str) -> str:
    """The target of a link; empty if there is none."""
    return str((host["files"].get(path) or {}).get("target", ""))


def has_packages(host: Host, names: t.Iterable[str]) -> bool:
    """Whether all are installed, in any version."""
    return set(names) <= set(host["packages"])


def no_apt(host: Host, role: str, package: str) -> list[str]:
    """The reason to refuse a role that installs its package with apt, on a host with another package manager."""
    system = host.get("system") or {}
    if system.get("pkg_mgr") in (None, "apt", "unknown"):
        return []
    return [
        f"this host has {system.get('distribution')}, and the role {role} installs {package} with apt, not with "
        f"{system['pkg_mgr']}: leave this host out of the role (its own play, or --skip-tags {role})"
    ]
