# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of hosts: TCP connections, listening sockets, SSH host keys.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import concurrent.futures
import configparser
import contextlib
import ipaddress
import socket
import struct
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._connect import Attempt

LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h
MAX_WORKERS = 256  # they only wait


class Listener(t.NamedTuple):
    address: str
    port: int


def parse_proc_net_tcp(text: str) -> list[Listener]:
    """Parse the listening sockets in /proc/net/tcp or /proc/net/tcp6.

    The kernel prints an address as 32-bit words in the machine's byte order.
    """
    listeners = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 4 or fields[3] != LISTEN:
            continue
        raw, port = fields[1].split(":")
        words = [int(raw[at : at + 8], 16) for at in range(0, len(raw), 8)]
        packed = b"".join(struct.pack("=I", word) for word in words)
        listeners.append(Listener(str(ipaddress.ip_address(packed)), int(port, 16)))
    return listeners


def open_to_the_network(listeners: t.Iterable[Listener]) -> list[int]:
    """The ports with a listener on an address other than loopback."""
    return sorted({item.port for item in listeners if not ipaddress.ip_address(item.address).is_loopback})


def read_listeners(root: Path = Path("/proc/net")) -> list[Listener]:
    found: list[Listener] = []
    for name in ("tcp", "tcp6"):
        path = root / name
        if path.exists():  # no tcp6 on a host without IPv6
            found += parse_proc_net_tcp(path.read_text(encoding="ascii"))
    return found


def connect(address: str, port: int, timeout: float) -> Attempt:
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            return Attempt(None, str(connection.getsockname()[0]).split("%", 1)[0])
    except OSError as error:
        return Attempt(str(error) or type(error).__name__, None)


def connect_to_any(host: str, ports: t.Sequence[int], timeout: float) -> Attempt:
    """Return the first attempt that succeeds, or the first of all if none does."""
    attempts = []
    for port in ports:
        attempts.append(connect(host, port, timeout))
        if attempts[-1].error is None:
            return attempts[-1]
    return attempts[0]


def host_keys(folder: Path = Path("/etc/ssh")) -> list[str]:
    """The public host keys of this host's SSH server, in base64."""
    found = []
    for path in sorted(folder.glob("ssh_host_*_key.pub")):
        with contextlib.suppress(OSError, UnicodeError):
            found += path.read_text(encoding="utf-8").split()[1:2]
    return found


def scan_host_keys(ssh_keyscan: str | None, address: str, port: int, timeout: int) -> list[str]:
    """The host keys of the SSH server at an address, in base64; none without an SSH server, or without ssh-keyscan here."""
    if not ssh_keyscan:
        return []
    with contextlib.suppress(subprocess.TimeoutExpired):
        command = [ssh_keyscan, "-T", str(timeout), "-p", str(port), "--", address]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * timeout + 1)
        lines = (line.split() for line in answer.stdout.splitlines() if not line.startswith("#"))
        return sorted({words[2] for words in lines if len(words) > 2})
    return []


def resolve(host: str) -> list[str]:
    """The addresses of a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(item[4][0]).split("%", 1)[0] for item in found))


def ufw_profiles(folder: Path = Path("/etc/ufw/applications.d")) -> dict[str, str]:
    """Map application profiles to their ports, in ufw's form: `137,138/udp|139,445/tcp`."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*")):
        profiles = configparser.ConfigParser(interpolation=None, strict=False)
        with contextlib.suppress(OSError, UnicodeError, configparser.Error):
            profiles.read_string(path.read_text(encoding="utf-8"))
            found.update({name: profiles[name]["ports"] for name in profiles.sections() if "ports" in profiles[name]})
    return found


T = t.TypeVar("T")
R = t.TypeVar("R")


def all_at_once(work: t.Callable[[T], R], items: t.Sequence[T]) -> list[R]:
    """Call `work` on all items concurrently, so that closed ports cost the time-out only once."""
    if not items:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(MAX_WORKERS, len(items))) as pool:
        return list(pool.map(work, items))


def side_by_side(*works: t.Callable[[], t.Any]) -> list[t.Any]:
    return all_at_once(lambda work: work(), works)
