# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of addresses that Syncthing listens on or is dialed at: pure functions.

They are documented at https://docs.syncthing.net/users/config.html#listen-addresses. An address without a host means
every address of the machine, and C(default) adds QUIC and the public relays.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import shown

# A name needs a letter: C libraries treat numbers such as 0 as an address.
NAME = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
FIX = "leave it out to listen on the tailnet address only (at syncthing_mesh_port), or name one address of the host, such as tcp://100.64.0.7:22000"


def listen_problems(name: str, addresses: t.Any) -> list[str]:
    """The reasons why Syncthing must not listen on these. An empty list is checked once the tailnet address is known."""
    if not isinstance(addresses, t.Sequence) or isinstance(addresses, (str, bytes)):
        return [f"{name} is {shown(addresses)}: it must be a list of addresses; {FIX}"]
    return [f"{name} has {shown(address)}, {reason}: {FIX}" for address in addresses for reason in _listen_reasons(address)]


def _listen_reasons(address: t.Any) -> list[str]:
    if not isinstance(address, str) or not address.isprintable():
        return ["which is no address"]
    scheme, _colon, _rest = address.partition("://")
    if scheme not in ("tcp", "tcp4", "tcp6"):
        return ["which is not tcp:// (Syncthing's default, its relays and QUIC are no part of a tailnet)"]
    return _host_reasons(address)


def _host_reasons(address: str) -> list[str]:
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        return [f"which is no address ({error})"]
    if not host:
        return ["which has no host and so means every address of the machine"]
    try:
        literal = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return [] if NAME.fullmatch(host) else ["whose host is neither an address nor a name"]
    mapped = getattr(literal, "ipv4_mapped", None) or literal
    return ["which means every address of the machine"] if mapped.is_unspecified or literal.is_unspecified else []


def dial_problems(name: str, addresses: t.Any) -> list[str]:
    """The reasons why a device cannot be dialed at these. Without a host Syncthing would dial the machine itself."""
    if addresses is None:
        return []
    if not isinstance(addresses, t.Sequence) or isinstance(addresses, (str, bytes)):
        return [f"{name} is {shown(addresses)}: it must be a list of addresses, such as [tcp://phone:22000]"]
    return [f"{name} has {shown(address)}, {reason}" for address in addresses for reason in _dial_reasons(address)]


def _dial_reasons(address: t.Any) -> list[str]:
    if not isinstance(address, str) or not address.isprintable() or not address:
        return ["which is no address: write one such as tcp://phone:22000"]
    if "://" not in address:
        return [] if address == "dynamic" else ["which is neither dynamic nor a URL: write one such as tcp://phone:22000"]
    return [f"{reason}: write one such as tcp://phone:22000" for reason in _host_reasons(address)]


def tcp_addresses(hosts: t.Iterable[t.Any], port: t.Any = 22000) -> list[str]:
    """The addresses of the hosts; empty hosts are skipped."""
    return [f"tcp://[{host}]:{port}" if ":" in str(host) else f"tcp://{host}:{port}" for host in hosts if host]


def interface_addresses(addresses: t.Iterable[str]) -> list[str]:
    """The hosts in listen addresses that are addresses, not names."""
    hosts = [str(urlsplit(address).hostname or "").partition("%")[0] for address in addresses]
    return [host for host in hosts if not NAME.fullmatch(host) and host]
