# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `way_in` decides, as pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address

__all__ = [
    "Destination",
    "alias_arguments",
    "is_tailnet_address",
    "parse_ssh_connection",
    "parse_ssh_settings",
    "shorten_ssh_error",
]


class Destination(t.NamedTuple):
    """Where `ssh HOST` goes, as `ssh -G HOST` tells it."""

    given: str
    hostname: str
    host_key_name: str


def parse_ssh_settings(text: str, given: str) -> Destination:
    """Read the output of `ssh -G`; what it does not say falls back to the given host."""
    settings = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    hostname = settings.get("hostname", given)
    port = settings.get("port", "22")
    # known_hosts knows a server on another port as [name]:port (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
    known_as = hostname if port == "22" else f"[{hostname}]:{port}"
    return Destination(given, hostname, settings.get("hostkeyalias", known_as))


def alias_arguments(address: str, destination: Destination) -> list[str]:
    """ssh arguments that go to another address of the same machine.

    HostName leaves the user's `Host` blocks in force, and HostKeyAlias holds the
    machine to the key it is already known by: no second fingerprint to accept,
    and no way for another machine to answer in its place.
    """
    return ["-o", f"HostName={address}", "-o", f"HostKeyAlias={destination.host_key_name}"]


def parse_ssh_connection(text: str) -> tuple[str, str] | None:
    """Client and server address out of sshd's SSH_CONNECTION ("client port server port")."""
    parts = text.split()
    if len(parts) < 4:
        return None
    return parts[0], parts[2]


def shorten_ssh_error(text: str) -> str:
    """The line of an ssh failure that says why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("ssh: ", "Host key", "kex_", "Connection ", "Permission "))]
    chosen = (telling or lines or ["no answer"])[-1]
    return chosen.removeprefix("Failed to connect to the host via ssh: ").strip()
