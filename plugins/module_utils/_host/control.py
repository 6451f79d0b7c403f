# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out where a control server runs, and whether this host can open a new connection to it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
import typing as t
import urllib.parse

PAUSE = 1  # second
PORTS = {"http": 80, "https": 443}


def gather(url: str, own: t.Collection[str], timeout: float, wait: float = 0) -> dict[str, t.Any]:
    """Gather facts about the server of a URL, and try a new connection to it until it works or `wait` seconds are over."""
    name, port = split(url)
    addresses = resolve(name, port)
    error = dial(name, port, timeout) if name else "it is no URL"
    deadline = time.monotonic() + wait
    while name and error and time.monotonic() < deadline:
        time.sleep(PAUSE)
        error = dial(name, port, timeout)
    return {
        "url": url,
        "port": port,
        "addresses": addresses,
        "own": is_own(name, addresses, own),
        "reachable": error is None,
        "error": error,
    }


def on_this_host(urls: t.Iterable[str], own: t.Collection[str]) -> list[dict[str, t.Any]]:
    """The servers among these that run on this host; no connection is made."""
    found = []
    for url in dict.fromkeys(urls):
        name, port = split(url)
        if name and is_own(name, resolve(name, port), own):
            found.append({"url": url, "port": port})
    return found


def split(url: str) -> tuple[str, int]:
    """Host and port of a URL; an empty host if the text is no URL."""
    with contextlib.suppress(ValueError):
        parts = urllib.parse.urlsplit(url)
        return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 443)
    return "", 0


def resolve(name: str, port: int) -> list[str]:
    with contextlib.suppress(OSError, UnicodeError):  # a name with an empty or too long part
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(item[4][0]).split("%", 1)[0] for item in found))
    return []


def is_own(name: str, addresses: t.Iterable[str], own: t.Collection[str]) -> bool:
    """Whether a name leads to this host for other machines as well. A literal loopback address does not."""
    if name == "localhost" or _is_loopback(name):
        return False
    # A host's own name often leads to a loopback address on the host itself (127.0.1.1 in /etc/hosts), and only there.
    return any(address in own or _is_loopback(address) for address in addresses)


def dial(name: str, port: int, timeout: float) -> str | None:
    """Try a TCP connection: None if it can be opened, else the error."""
    try:
        socket.create_connection((name, port), timeout=timeout).close()
    except (OSError, UnicodeError) as error:
        return str(error) or type(error).__name__
    return None


def _is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
