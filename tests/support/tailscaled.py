# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real tailscaled processes without a TUN device, and the lab's coordinator for them, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t
import urllib.error
import urllib.request

import artefacts

START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0
CONTROL_PORT, ADMIN_PORT, OTHER_PORT, API_PORT, OTHER_API_PORT = 8080, 8081, 8082, 8083, 8084
_numbers = itertools.count()


class TestServerError(Exception):
    """A process did not start, or the coordinator refused a command."""

    __test__ = False


def wait_for(condition: t.Callable[[], t.Any], what: str | t.Callable[[], str], timeout: float = START_TIMEOUT) -> t.Any:
    """Wait until the condition is true; return what it returned."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TestServerError(f"not within {timeout:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)
    return found


def loopback_address() -> str:
    """An address of its own for each server of each process, since the coordinator's ports are fixed."""
    number = os.getpid() * 16 + next(_numbers) % 16
    return f"127.{1 + (number >> 16) % 254}.{(number >> 8) % 256}.{1 + number % 254}"


class Coordinator:
    """The lab's coordinator, started with the manners of Tailscale, of Headscale, or of Headscale 0.30."""

    def __init__(self, manners: str = "tailscale", domain: str = "tailnet.test") -> None:
        self.address = loopback_address()
        self.url = f"http://{self.address}:{CONTROL_PORT}"
        self.other_url = f"http://{self.address}:{OTHER_PORT}"
        self.api_url = f"http://{self.address}:{API_PORT}"
        self.other_api_url = f"http://{self.address}:{OTHER_API_PORT}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="coordinator"))
        command = [str(artefacts.coordinator()), "--address", self.address, "--domain", domain, "--manners", manners]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, lambda: f"the coordinator's answer: {self.logged()}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.get("nodes")
            urllib.request.urlopen(f"{self.url}/key?v=1", timeout=2).close()
            return True
        return False

    def ask(self, command: str, body: str = "") -> str:
        """Send a command to the admin interface (coordinator/main.go lists them); return its answer."""
        return self._request(command, body.encode())

    def get(self, what: str) -> t.Any:
        """What it knows: nodes, keys, registrations or requests."""
        return json.loads(self._request(what))

    def node(self, name: str) -> dict[str, t.Any] | None:
        """The node with the name, or None."""
        return next((node for node in self.get("nodes") if node["name"].split(".")[0] == name), None)

    def _request(self, path: str, data: bytes | None = None) -> str:
        try:
            with urllib.request.urlopen(f"http://{self.address}:{ADMIN_PORT}/{path}", data=data, timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise TestServerError(f"{path}: {error.read().decode().strip()}") from error

    def logged(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: pathlib.Path) -> None:
        super().__init__("local-tailscaled.sock", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


class Tailscaled:
    """One tailscaled, with a short path for its socket: such paths have at most 107 bytes."""

    def __init__(self, start: bool = True) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ts"))
        self.socket = self.directory / "tailscaled.sock"
        self.log = self.directory / "log"
        self.process: subprocess.Popen[bytes] | None = None
        if start:
            self.start()

    def start(self) -> None:
        command = [
            *(str(artefacts.programs() / "tailscaled"), "--tun=userspace-networking", "--port=0", "--no-logs-no-support"),
            *(f"--statedir={self.directory / 'state'}", f"--socket={self.socket}"),
        ]
        # Loopback alone is no network for tailscaled, which would wait for one.
        environment = {**os.environ, "TS_ASSUME_NETWORK_UP_FOR_TEST": "true", "TS_LOGS_DIR": str(self.directory)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        wait_for(self._answers, f"tailscaled's answer: {self.log}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.status()
            return True
        return False

    def stop(self, kill: bool = False) -> None:
        if self.process is not None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
            self.process.wait(STOP_TIMEOUT)
            self.process = None

    def restart(self, kill: bool = False) -> None:
        self.stop(kill)
        self.start()

    def close(self) -> None:
        self.stop(kill=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def request(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """Send a request to the LocalAPI; return the decoded answer."""
        connection = _Connection(self.socket)
        try:
            connection.request(method, f"/localapi/v0/{path}", None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise TestServerError(f"{method} {path}: {answer.status} {text.strip()}")
        return json.loads(text) if text.strip() else None

    def status(self) -> dict[str, t.Any]:
        return dict(self.request("GET", "status"))

    def state(self) -> str:
        return str(self.status()["BackendState"])

    def wait(self, *states: str, timeout: float = 20.0) -> str:
        """Wait until the node is in one of the states; return it."""
        wait_for(lambda: self.state() in states, lambda: f"{states}; {self.state()}, {self.status().get('Health')}", timeout)
        return self.state()

    def login(self, url: str, key: str = "", **preferences: t.Any) -> None:
        """Start with these preferences, as `tailscale up` does: with a key, or for somebody to log in."""
        had_key = self.status().get("HaveNodeKey")
        prefs = {**self.request("GET", "prefs"), "ControlURL": url, "WantRunning": True, "LoggedOut": False, **preferences}
        self.request("POST", "start", {"AuthKey": key, "UpdatePrefs": prefs})
        if not had_key:
            self.request("POST", "login-interactive")

    def dial(self, host: str, port: int, timeout: float = 3.0) -> str:
        """What the other end of a new connection through the tailnet says first; empty if there is none in time."""
        command = [str(artefacts.programs() / "tailscale"), f"--socket={self.socket}", "nc", host, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            try:
                readable, _writable, _other = select.select([process.stdout], [], [], timeout)
                return os.read(process.stdout.fileno(), 100).decode() if readable else ""
            finally:
                process.kill()

    def refusal(self, timeout: float = 20.0) -> str:
        """What the control server answered to a login that it refused."""

        def found() -> str:
            health = self.status().get("Health") or []
            return next((text for text in health if "login error" in text), "")

        return str(wait_for(found, "a refused login", timeout)).rpartition("login error was: ")[2]
