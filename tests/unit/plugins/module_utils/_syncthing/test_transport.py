# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests over a Unix socket, to a server with behaviour that the real one shows only after a while."""

from __future__ import annotations

import pathlib
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import NotReady, Starting, SyncthingError
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._transport import Unix

ANSWER = b"HTTP/1.1 200 OK\r\nX-Syncthing-Version: v1.29.5\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    return "gui.sock"


@pytest.fixture
def serve(place: str) -> t.Iterator[t.Callable[[bytes], None]]:
    """Answer one request on each connection, and close it without notice."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()

    def start(answer: bytes) -> None:
        def loop() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    request = b""
                    while not request.endswith(b"[]" if request.startswith(b"PUT") else b"\r\n\r\n"):
                        request += connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=loop, daemon=True).start()

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_closed_idle_connection_is_opened_again(serve: t.Callable[[bytes], None], place: str) -> None:
    serve(ANSWER)
    transport = Unix(place, None)
    for _time in range(3):
        answer = transport.send("PUT", "/rest/config/folders", b"[]", {"X-API-Key": "x"})
        assert (answer.status, answer.headers["X-Syncthing-Version"], answer.text) == (200, "v1.29.5", "{}")
        time.sleep(0.1)
    transport.close()


def test_answer_that_is_not_http_means_not_ready(serve: t.Callable[[bytes], None], place: str) -> None:
    serve(b"hello\r\n\r\n")
    with pytest.raises(NotReady, match=r"does not answer at gui\.sock"):
        Unix(place, None).send("GET", "/rest/config", None, {})


def test_missing_server_means_not_ready(place: str) -> None:
    with pytest.raises(NotReady, match=r"is its service running\?"):
        Unix(place, None).send("GET", "/rest/config", None, {})
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(place)
    with pytest.raises(NotReady, match=r"is its service running\?"):
        Unix(place, None).send("GET", "/rest/config", None, {})


def test_missing_permission_for_the_socket_is_an_error_at_once(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: t.Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(SyncthingError, match="run this task as root") as failure:
        Unix(place, None).send("GET", "/rest/config", None, {})
    assert not isinstance(failure.value, NotReady)


MIGRATING = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nmigrating"


def test_plain_answer_in_place_of_tls_means_starting(place: str) -> None:
    """Version 2 answers in plain HTTP while it converts its database, also with TLS turned on."""
    requests: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()

    def loop() -> None:
        for _time in range(2):
            connection, _address = listener.accept()
            with connection:
                requests.append(connection.recv(65536))
                answer = MIGRATING if requests[-1].startswith(b"GET ") else b"HTTP/1.1 400 Bad Request\r\n\r\n"
                connection.sendall(answer)

    threading.Thread(target=loop, daemon=True).start()
    with pytest.raises(Starting, match="not ready yet: migrating"):
        Unix(place, "00").send("GET", "/rest/config", None, {"X-API-Key": "x"})
    listener.close()
    assert b"X-API-Key" not in requests[1]
