# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own addresses and its neighbours on the link, queried from the kernel.

Not every host has `ip`, and an image without IPv6 has no /proc/net/if_inet6 (rtnetlink(7)).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import typing as t
from pathlib import Path

NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 0x2, 0x3
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
IFA_ADDRESS, IFA_LOCAL = 1, 2
NDA_DST, NDA_LLADDR = 1, 2
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
ADDRESS = struct.Struct("=BBBBi")  # struct ifaddrmsg: family, prefix length, flags, scope, index
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
BUFFER = 1 << 16
TIMEOUT = 5  # seconds


def dump(kind: int) -> bytes:
    """Request a dump from the kernel, and return all messages of the answer."""
    found = b""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(TIMEOUT)
        body = struct.pack("=BxxxI", socket.AF_UNSPEC, 0) + bytes(4)
        kernel.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        while True:
            piece = kernel.recv(BUFFER)
            found += piece
            if not piece or any(kind in (NLMSG_DONE, NLMSG_ERROR) for kind, _body in messages(piece)):
                return found


def messages(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    """Kind and body of each message."""
    while len(data) >= HEADER.size:
        length, kind, _flags, _number, _port = HEADER.unpack_from(data)
        if length < HEADER.size:
            return
        yield kind, data[HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def parse_addresses(data: bytes, name_of: t.Callable[[int], str]) -> list[dict[str, str]]:
    """Pairs of interface and address, without loopback and link-local addresses."""
    found = []
    for kind, body in messages(data):
        if kind != RTM_NEWADDR:
            continue
        _family, _prefix, _flags, _scope, index = ADDRESS.unpack_from(body)
        has = attributes(body[ADDRESS.size :])
        raw = has.get(IFA_LOCAL) or has.get(IFA_ADDRESS)  # on a point-to-point link the second is the other end
        if raw:
            address = ipaddress.ip_address(raw)
            if not address.is_loopback and not address.is_link_local:
                found.append({"interface": name_of(index), "address": str(address)})
    return found


def parse_neighbours(data: bytes) -> dict[str, str]:
    """Map the addresses of machines on the link that have answered to their MAC addresses."""
    found = {}
    for kind, body in messages(data):
        if kind != RTM_NEWNEIGH:
            continue
        has = attributes(body[NEIGHBOUR.size :])
        if has.get(NDA_DST) and len(has.get(NDA_LLADDR) or b"") == 6 and any(has[NDA_LLADDR]):
            found[str(ipaddress.ip_address(has[NDA_DST]))] = mac(has[NDA_LLADDR])
    return found


def mac(raw: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in raw)


def interface_name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # it was removed meanwhile
        return str(index)


def own_addresses() -> list[dict[str, str]]:
    return parse_addresses(dump(RTM_GETADDR), interface_name)


def neighbours() -> dict[str, str]:
    return parse_neighbours(dump(RTM_GETNEIGH))


def own_macs(root: Path = Path("/sys/class/net")) -> list[str]:
    """MAC addresses of the host's interfaces, without those that Docker derives from an address: many hosts have the same."""
    found = set()
    for interface in root.iterdir() if root.is_dir() else ():
        with contextlib.suppress(OSError):
            found.add((interface / "address").read_text(encoding="ascii").strip())
    return sorted(item for item in found if len(item) == 17 and not item.startswith(("00:00:00:00", "02:42:")))
