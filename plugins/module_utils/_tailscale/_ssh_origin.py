# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the SSH connection that the running module was reached by comes from.

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
    """How the run came in."""

    client: str  # an address; empty without SSH
    over_tailnet: bool


def origin(connection: str) -> Origin:
    """By sshd's SSH_CONNECTION: client address and port, server address and port; UNKNOWN, and so none, behind a pipe."""
    words = connection.split()
    client = words[0].split("%")[0] if words else ""
    try:
        ipaddress.ip_address(client)
    except ValueError:
        client = ""
    return Origin(client, any(is_tailnet_address(word) for word in words))


def ssh_connection(pid: int | None = None, proc: Path = PROC) -> str:
    """sshd's SSH_CONNECTION ("client port server port") of this process or one that it came from; empty without SSH.

    sudo takes the variable out of the environment, so the processes above are asked as well.
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
