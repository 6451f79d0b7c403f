# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port that says nothing is waited for until it is certain; one that answers late is found."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils import _connect, _icmp

LOOPBACK = "127.0.0.1"
TIMEOUT = 3


class Answering:
    """A machine that answers each ping, after a while, and but for those that get lost."""

    delay = 0.0
    lost: t.ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self.coming: list[tuple[float, str, int]] = []

    def close(self) -> None:
        pass

    def ask(self, address: str, number: int) -> None:
        if number not in self.lost:
            self.coming.append((time.monotonic() + self.delay, address, number))

    def answered(self) -> t.Iterator[tuple[str, int]]:
        here = [one for one in self.coming if one[0] <= time.monotonic()]
        self.coming = [one for one in self.coming if one not in here]
        yield from ((address, number) for _when, address, number in here)


class Losing(Answering):
    lost: t.ClassVar[set[int]] = {1}


class Doubling(Losing):
    """Each reply comes twice, such as from two machines with the same address."""

    def ask(self, address: str, number: int) -> None:
        super().ask(address, number)
        super().ask(address, number)


class Slow(Answering):
    delay = 0.2


class Mute(Answering):
    lost: t.ClassVar[set[int]] = {0, 1, 2}


@pytest.fixture
def silent() -> t.Iterator[socket.socket]:
    """A port that drops packets: its queue of connections is full, for which the kernel says nothing."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind((LOOPBACK, 0))
        server.listen(0)
        for _number in range(3):
            full = stack.enter_context(socket.socket())
            full.setblocking(False)
            full.connect_ex(server.getsockname())
        time.sleep(0.05)
        yield server


def timed(endpoints: list[tuple[str, int]], pings: type[Answering]) -> tuple[dict[tuple[str, int], _connect.Attempt], float]:
    begin = time.monotonic()
    found = _connect.connect_all(endpoints, TIMEOUT, pings)
    return found, time.monotonic() - begin


def test_open_port_ends_the_wait() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        there = server.getsockname()
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            closed = free.getsockname()
            found, seconds = timed([there, closed, there], Mute)
    assert found[there] == (None, LOOPBACK)
    assert "refused" in str(found[closed].error)
    assert seconds < 0.5


def test_connections_send_no_data() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        timed([server.getsockname()], Answering)
        connection, _peer = server.accept()
        with connection:
            assert connection.recv(1) == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pings", "least", "most"),
    [
        pytest.param(Answering, 0.7, 2.5, id="a-machine-that-answers-pings"),
        pytest.param(Slow, 1.4, 2.9, id="and-is-far-away"),
        pytest.param(Losing, 3.0, 4.5, id="a-way-that-loses-packets"),
        pytest.param(Doubling, 3.0, 4.5, id="a-way-that-loses-and-doubles-packets"),
        pytest.param(Mute, 3.0, 4.5, id="a-machine-that-answers-no-ping"),
    ],
)
def test_silent_port_is_closed_once_certain(silent: socket.socket, pings: type[Answering], least: float, most: float) -> None:
    found, seconds = timed([silent.getsockname()], pings)
    assert set(found.values()) == {("timed out", None)}
    assert least <= seconds < most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pings", "late"), [pytest.param(Answering, 0.4, id="second-or-third-attempt"), pytest.param(Mute, 1.5, id="much-later")]
)
def test_late_answer_is_found(silent: socket.socket, pings: type[Answering], late: float) -> None:
    def make_room() -> None:
        silent.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                silent.accept()[0].close()

    timer = threading.Timer(late, make_room)
    timer.start()
    found, _seconds = timed([silent.getsockname()], pings)
    timer.join()
    assert set(found.values()) == {(None, LOOPBACK)}


@pytest.mark.slow
def test_endpoints_are_tried_in_batches(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connect, "MAX_ENDPOINTS", 2)
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
        wanted = [(f"127.0.0.{last}", port) for last in range(2, 7)]
        found, _seconds = timed([*wanted, silent.getsockname()], Answering)
    assert set(found) == {*wanted, silent.getsockname()}


def test_unreachable_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_arguments: object) -> t.NoReturn:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", none)
    assert timed([("fd7a::1", 22)], Mute)[0]["fd7a::1", 22].error == "[Errno 97] Address family not supported by protocol"


def test_canonical_addresses() -> None:
    assert all(map(_connect.is_address, ["192.0.2.1", "fd7a::1"]))
    assert not any(map(_connect.is_address, ["nas", "", "fd7a:0::1", "fe80::1%eth0", "192.0.2.1:22"]))


@pytest.mark.parametrize("address", [LOOPBACK, "::1"])
def test_kernel_answers_pings(address: str) -> None:
    with contextlib.closing(_icmp.Echo()) as echo:
        version = 6 if ":" in address else 4
        if version not in echo.sockets:
            pytest.skip("this user may not ping")
        try:
            socket.create_server((address, 0), family=socket.AF_INET6 if version == 6 else socket.AF_INET).close()
        except OSError:
            pytest.skip("this machine has no such address")
        found: list[tuple[str, int]] = []
        deadline = time.monotonic() + 2
        echo.ask(address, 7)
        while not found and time.monotonic() < deadline:
            found += echo.answered()
    assert found == [(address, 7)]


def test_reply_to_another_ping_does_not_count() -> None:
    mine, other = b"m" * 16, b"o" * 16
    reply = bytes([0]) + _icmp._request(4, 5, mine)[1:]
    assert _icmp._number(4, reply, mine) == 5
    assert _icmp._number(4, b"\x45" + bytes(19) + reply, mine) == 5, "with the IP header"
    assert _icmp._number(4, reply, other) is None
    assert _icmp._number(4, _icmp._request(4, 5, mine), mine) is None, "the question itself"
    assert _icmp._number(4, b"", mine) is None


def test_checksum_follows_the_rfc() -> None:
    """A packet with its own checksum sums up to nothing."""
    assert _icmp._checksum(_icmp._request(4, 3, bytes(range(16)))) == 0


def test_process_without_ping_permission_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> t.NoReturn:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refuse)
    echo = _icmp.Echo()
    echo.ask(LOOPBACK, 0)
    assert list(echo.answered()) == []
