# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP connections to many addresses at once, which wait for a silent port only as long as needed (ADR 14).

A packet filter that drops packets sends no answer, but an answer may also be lost or late. So the address is also pinged. If it
has answered a ping after each of several attempts, the host is up and the port is closed. If not, the time-out decides.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._icmp import Echo

ATTEMPTS = 3
PAUSE = 0.25  # seconds between attempts, and the shortest wait after the last answered ping
ROUND_TRIPS = 4  # the wait after it is at least so many times the slowest
POLL = 0.02  # seconds
MAX_ENDPOINTS = 256  # at a time, with a socket for each attempt; a process may usually open 1024 files


class Attempt(t.NamedTuple):
    """The result of an attempt to connect."""

    error: str | None  # None if the connection was opened
    source: str | None  # the address that the connection was made from


SILENT = Attempt("timed out", None)  # Python's own words


class Pings(t.Protocol):
    def close(self) -> None: ...

    def ask(self, address: str, number: int) -> None: ...

    def answered(self) -> t.Iterable[tuple[str, int]]: ...


Endpoint = t.Tuple[str, int]  # noqa: UP006  (3.9 at run time; an address, not a name)


def is_address(name: str) -> bool:
    """Whether it is an address in its canonical form, as connect_all takes it."""
    with contextlib.suppress(ValueError):
        return "%" not in name and str(ipaddress.ip_address(name)) == name
    return False


def connect_all(endpoints: t.Sequence[Endpoint], timeout: float, pings: type[Pings] = Echo) -> dict[Endpoint, Attempt]:
    found: dict[Endpoint, Attempt] = {}
    wanted = list(dict.fromkeys(endpoints))
    for start in range(0, len(wanted), MAX_ENDPOINTS):
        with contextlib.closing(pings()) as echo:
            found.update(_Batch(wanted[start : start + MAX_ENDPOINTS], echo).run(timeout))
    return found


class _Batch:
    def __init__(self, endpoints: t.Sequence[Endpoint], pings: Pings) -> None:
        self.pending = dict.fromkeys(endpoints)
        self.pings = pings
        self.found: dict[Endpoint, Attempt] = {}
        self.sockets: dict[Endpoint, list[socket.socket]] = {endpoint: [] for endpoint in endpoints}
        self.asked: dict[tuple[str, int], float] = {}
        self.heard: dict[str, list[tuple[float, float]]] = {}  # for each reply when it came, and how long it took

    def run(self, timeout: float) -> dict[Endpoint, Attempt]:
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as self.selector:
            try:
                for number in range(ATTEMPTS):
                    self._try_again(number)
                    self._listen(min(deadline, time.monotonic() + PAUSE))
                self._listen(deadline)
            finally:
                for endpoint in self.sockets:
                    self._close(endpoint)
        return {**dict.fromkeys(self.pending, SILENT), **self.found}

    def _try_again(self, number: int) -> None:
        for endpoint in list(self.pending):
            self._dial(endpoint)
        for address in dict.fromkeys(address for address, _port in self.pending):
            self.asked[address, number] = time.monotonic()
            self.pings.ask(address, number)

    def _dial(self, endpoint: Endpoint) -> None:
        family = socket.AF_INET6 if ipaddress.ip_address(endpoint[0]).version == 6 else socket.AF_INET
        try:
            one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:  # such as no IPv6 on this host
            self._conclude(endpoint, Attempt(str(error), None))
            return
        code = one.connect_ex(endpoint)
        self.sockets[endpoint].append(one)
        self.selector.register(one, selectors.EVENT_WRITE, endpoint)
        if code not in (0, errno.EINPROGRESS):
            self._conclude(endpoint, _refusal(code))

    def _listen(self, until: float) -> None:
        """Wait until all have answered, or have been silent for long enough."""
        while self.pending and time.monotonic() < until:
            for key, _events in self.selector.select(min(POLL, max(0.0, until - time.monotonic()))):
                endpoint, one = t.cast("Endpoint", key.data), t.cast("socket.socket", key.fileobj)
                if endpoint in self.pending:
                    code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    self._conclude(endpoint, _refusal(code) if code else Attempt(None, one.getsockname()[0].split("%", 1)[0]))
            for address, number in self.pings.answered():
                if (address, number) in self.asked:
                    asked = self.asked.pop((address, number))
                    self.heard.setdefault(address, []).append((time.monotonic(), time.monotonic() - asked))
            for endpoint in [endpoint for endpoint in self.pending if self._is_silent(endpoint[0])]:
                self._conclude(endpoint, SILENT)

    def _is_silent(self, address: str) -> bool:
        heard = self.heard.get(address, ())
        if len(heard) < ATTEMPTS:
            return False
        wait = max(PAUSE, ROUND_TRIPS * max(took for _when, took in heard))
        return time.monotonic() >= max(when for when, _took in heard) + wait

    def _conclude(self, endpoint: Endpoint, attempt: Attempt) -> None:
        self.found[endpoint] = attempt
        self.pending.pop(endpoint, None)
        self._close(endpoint)

    def _close(self, endpoint: Endpoint) -> None:
        for one in self.sockets[endpoint]:
            if one.fileno() >= 0:
                self.selector.unregister(one)
                one.close()
        self.sockets[endpoint] = []


def _refusal(code: int) -> Attempt:
    return Attempt(str(OSError(code, os.strerror(code))), None)
