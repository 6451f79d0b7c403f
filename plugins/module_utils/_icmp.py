# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP echo requests to many addresses by one socket for each version of IP (RFC 792, RFC 4443).

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
import typing as t

PROTOCOLS = {4: (socket.AF_INET, socket.IPPROTO_ICMP), 6: (socket.AF_INET6, socket.IPPROTO_ICMPV6)}
REQUESTS, REPLIES = {4: 8, 6: 128}, {4: 0, 6: 129}
# Type, code, checksum, identifier, sequence number. A socket that is not raw has an identifier of the kernel's.
HEADER = struct.Struct("!BBHHH")


class Echo:
    """Sends echo requests and reads the replies. A process that may not send any never gets a reply."""

    def __init__(self) -> None:
        self.token = os.urandom(16)  # identifies its own replies
        self.sockets: dict[int, socket.socket] = {}
        for version, (family, protocol) in PROTOCOLS.items():
            # Raw sockets are root's; others may use the second kind if net.ipv4.ping_group_range allows it.
            for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
                with contextlib.suppress(OSError):
                    self.sockets[version] = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
                    break

    def close(self) -> None:
        for one in self.sockets.values():
            one.close()

    def ask(self, address: str, number: int) -> None:
        version = ipaddress.ip_address(address).version
        if version in self.sockets:
            with contextlib.suppress(OSError):  # such as no route; then there is no reply
                self.sockets[version].sendto(_request(version, number, self.token), (address, 0))

    def answered(self) -> t.Iterator[tuple[str, int]]:
        """Address and number of each request that was answered since the last call."""
        for version, one in self.sockets.items():
            with contextlib.suppress(OSError):  # BlockingIOError: no more packets
                while True:
                    packet, sender = one.recvfrom(1 << 16)
                    number = _number(version, packet, self.token)
                    if number is not None:
                        yield str(ipaddress.ip_address(sender[0].split("%", 1)[0])), number


def _request(version: int, number: int, token: bytes) -> bytes:
    body = HEADER.pack(REQUESTS[version], 0, 0, os.getpid() & 0xFFFF, number) + token
    return HEADER.pack(REQUESTS[version], 0, _checksum(body), os.getpid() & 0xFFFF, number) + token


def _number(version: int, packet: bytes, token: bytes) -> int | None:
    """The number of the request that this answers; None for other packets, such as the request itself on loopback."""
    start = len(packet) - HEADER.size - len(token)  # a raw socket of IPv4 includes the IP header
    if start < 0 or not packet.endswith(token):
        return None
    kind, _code, _sum, _identifier, number = HEADER.unpack_from(packet, start)
    return int(number) if kind == REPLIES[version] else None


def _checksum(data: bytes) -> int:
    """RFC 1071; for IPv6 the kernel writes its own, which covers the addresses."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - (total + (total >> 16)) % 0x10000
