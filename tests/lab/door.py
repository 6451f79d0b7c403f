# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port of the controller that leads to one of the lab: the controller is outside, and asks the API of the control server."""

from __future__ import annotations

import socket
import subprocess
import threading

from lab_fixtures import LAB

COORDINATOR = "172.31.77.2"


class Door:
    """Listens on loopback; each connection goes on to a port of the coordinator."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ways: list[subprocess.Popen[bytes]] = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _client = self.listener.accept()
            except OSError:  # it is closed
                return
            with connection:
                way = [*LAB, "proxy", COORDINATOR, str(self.port)]
                self.ways.append(subprocess.Popen(way, stdin=connection.fileno(), stdout=connection.fileno()))

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for way in self.ways:
            way.kill()
            way.wait()
