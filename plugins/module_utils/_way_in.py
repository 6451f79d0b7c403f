# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `way_in` decides, as pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address

__all__ = [
    "Destination",
    "alias_arguments",
    "is_tailnet_address",
    "parse_ssh_connection",
    "parse_ssh_settings",
    "shorten_ssh_error",
    "without_alias",
]


# A connection that is kept open to a host that has left the tailnet would hang whoever comes next, until TCP gives up
# after a quarter of an hour. Half a minute is more than tailscaled needs to restart.
ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")


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


def alias_arguments(address: str, destination: Destination, control_path: str = "") -> list[str]:
    """ssh arguments that go to another address of the same machine.

    HostName leaves the user's `Host` blocks in force, and HostKeyAlias holds the
    machine to the key it is already known by: no second fingerprint to accept,
    and no way for another machine to answer in its place.

    HostName stands at both ends, which to ssh means the same and to `without_alias` that it is ours.
    """
    control = ["-o", f"ControlPath={control_path}", *ALIVE] if control_path else []
    name = ["-o", f"HostName={address}"]
    return [*name, "-o", f"HostKeyAlias={destination.host_key_name}", *control, *name]


def without_alias(arguments: str) -> str:
    """ssh's arguments without what an earlier search for a way in has put behind them.

    To ssh the first of two values counts, so a second search would only ever find the first one's address.
    """
    words = shlex.split(arguments)
    for length in (8 + len(ALIVE), 6):
        tail = words[-length:]
        ours = len(tail) == length and tail[1].startswith("HostName=") and tail[3].startswith("HostKeyAlias=")
        if ours and tail[:2] == tail[-2:]:
            return shlex.join(words[:-length])
    return arguments


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
