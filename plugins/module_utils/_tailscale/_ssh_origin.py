# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The origin of the SSH connection over which the module runs.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import os
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import is_tailnet_address

PROC = Path("/proc")
VARIABLE = b"SSH_CONNECTION="


class Origin(t.NamedTuple):
    """The origin of this run's connection."""

    client: str  # an address; empty without SSH
    over_tailnet: bool


def origin(connection: str) -> Origin:
    """Parse sshd's SSH_CONNECTION: client address and port, server address and port. Over a pipe the client is UNKNOWN."""
    words = connection.split()
    client = words[0].split("%")[0] if words else ""
    try:
        ipaddress.ip_address(client)
    except ValueError:
        client = ""
    return Origin(client, any(is_tailnet_address(word) for word in words))


def ssh_connection(pid: int | None = None, proc: Path = PROC) -> str:
    """sshd's SSH_CONNECTION ("client port server port") of this process or a parent; empty without SSH.

    sudo removes the variable from the environment, so the parent processes are searched as well.
    """
    current = os.getpid() if pid is None else pid
    while current > 1:
        try:
            environment = (proc / str(current) / "environ").read_bytes().split(b"\0")
            parent = int((proc / str(current) / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            return ""
        for entry in environment:
            if entry.startswith(VARIABLE):
                return entry[len(VARIABLE) :].decode(errors="replace")
        current = parent
    return ""
