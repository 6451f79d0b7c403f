# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LocalAPI client, with a socket that gives bad answers."""

from __future__ import annotations

import json
import pathlib
import re
import socket
import threading
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable, NoAnswer, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI


@pytest.fixture
def daemon(short_path: pathlib.Path) -> t.Iterator[t.Callable[[bytes | None], LocalAPI]]:
    """A tailscaled with one answer; None means no answer."""
    listening: list[socket.socket] = []
    held: list[socket.socket] = []

    def saying(answer: bytes | None) -> LocalAPI:
        path = short_path / "tailscaled.sock"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
        listening.append(server)

        def serve() -> None:
            connection, _peer = server.accept()
            _read_request(connection)
            if answer is None:
                held.append(connection)
            else:
                connection.sendall(answer)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return LocalAPI(str(path))

    yield saying
    for one in [*listening, *held]:
        one.close()


def _read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, body = received.split(b"\r\n\r\n", 1)
    length = re.search(rb"Content-Length: (\d+)", head, re.IGNORECASE)
    while len(body) < (int(length.group(1)) if length else 0):
        body += connection.recv(65536)


def http(status: str, body: str, length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n{body}".encode()


def test_result_of_localapi_contains_no_key_material(daemon: t.Any) -> None:
    api = daemon(http("200 OK", json.dumps({"Hostname": "nas", "Config": {"PrivateNodeKey": "SECRET"}})))
    assert api.edit_prefs({"Hostname": "nas", "HostnameSet": True}) == {"Hostname": "nas"}
    assert (api.reads, api.writes) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (http("400 Bad Request", '{"Error": "bad hostname"}'), NodeError, "refused PATCH prefs: bad hostname"),
        (http("403 Forbidden", "access denied"), NodeError, "refused PATCH prefs: access denied"),
        (http("500 Oops", ""), NodeError, "HTTP 500"),
        (http("200 OK", "<html>"), NodeError, "not JSON"),
        (http("200 OK", "[1]"), NodeError, "not a JSON object"),
        (http("200 OK", "{", length=99), DaemonUnavailable, "does not answer"),
        (b"", DaemonUnavailable, "does not answer"),
        (b"nonsense\r\n\r\n", DaemonUnavailable, "does not answer"),
    ],
)
def test_each_bad_answer_of_localapi_has_its_message(daemon: t.Any, answer: bytes, error: type[NodeError], words: str) -> None:
    with pytest.raises(NodeError, match=words) as failure:
        daemon(answer).edit_prefs({})
    assert isinstance(failure.value, DaemonUnavailable) == (error is DaemonUnavailable)


def test_timeout_and_missing_socket_are_different_errors(daemon: t.Any, short_path: pathlib.Path) -> None:
    with pytest.raises(DaemonUnavailable, match="there is no socket") as missing:
        LocalAPI(str(short_path / "none")).status()
    assert not isinstance(missing.value, NoAnswer)
    with pytest.raises(NoAnswer, match="does not answer"):
        daemon(None).logout(1)


@pytest.mark.parametrize("body", ["", "null", "{}", "[]"])
def test_another_program_at_the_socket_is_an_error(daemon: t.Any, body: str) -> None:
    with pytest.raises(NodeError, match=r"not a JSON object|is not tailscaled"):
        daemon(http("200 OK", body)).status()


def test_chunked_answer_is_read_whole(daemon: t.Any) -> None:
    text = json.dumps({"BackendState": "Running", "Health": ["x" * 100_000]}).encode()
    pieces = [text[start : start + 4096] for start in range(0, len(text), 4096)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    assert daemon(answer).status() == json.loads(text)
