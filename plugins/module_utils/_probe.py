# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at doors from the outside: TCP connects, echo requests, listening sockets.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
import struct
import subprocess
import typing as t
from pathlib import Path

LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h
MAX_WORKERS = 64


class Listener(t.NamedTuple):
    address: str
    port: int


def parse_proc_net_tcp(text: str) -> list[Listener]:
    """Listening sockets out of /proc/net/tcp or /proc/net/tcp6.

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
    """The ports among them that listen on more than loopback."""
    return sorted({item.port for item in listeners if not ipaddress.ip_address(item.address).is_loopback})


def read_listeners(root: Path = Path("/proc/net")) -> list[Listener]:
    found: list[Listener] = []
    for name in ("tcp", "tcp6"):
        path = root / name
        if path.exists():  # no tcp6 on a host without IPv6
            found += parse_proc_net_tcp(path.read_text(encoding="ascii"))
    return found


def parse_ip_addresses(data: t.Iterable[dict[str, t.Any]]) -> list[dict[str, str]]:
    """Interface and address pairs out of `ip -json address`, loopback and link-local ones left out."""
    found = []
    for link in data:
        for item in link.get("addr_info", []):
            address = ipaddress.ip_address(item["local"])
            if address.is_loopback or address.is_link_local:
                continue
            found.append({"interface": link["ifname"], "address": str(address)})
    return found


def connect(address: str, port: int, timeout: float) -> str | None:
    """None if a TCP connection comes about, else why not."""
    try:
        socket.create_connection((address, port), timeout=timeout).close()
    except OSError as error:
        return str(error) or type(error).__name__
    return None


def echo(address: str, timeout: int, ping: str) -> str | None:
    """None if the address answers an ICMP echo request, else why not."""
    answer = subprocess.run(
        [ping, "-n", "-c", "1", "-W", str(timeout), address],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode == 0:
        return None
    return answer.stderr.strip() or f"no answer within {timeout} s"


T = t.TypeVar("T")
R = t.TypeVar("R")


def all_at_once(work: t.Callable[[T], R], items: t.Sequence[T]) -> list[R]:
    """Do the same to all; a closed door costs the time-out once and not once each."""
    if not items:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(MAX_WORKERS, len(items))) as pool:
        return list(pool.map(work, items))
