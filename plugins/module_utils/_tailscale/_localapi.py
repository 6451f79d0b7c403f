# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscaled's LocalAPI: endpoints and errors, no decisions.

It is plain HTTP over a unix socket (tailscale.com/ipn/localapi). A key in a request's body appears
in no command line and on no disk, which the program tailscale cannot offer.

By Python's own client: to load ansible-core's open_url takes a host longer than all requests of a run.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable, NoAnswer, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import SOCKET

# tailscaled refuses other names, so that no web page can talk to it (ipn/localapi/localapi.go).
HOST = "local-tailscaled.sock"
BASE = "/localapi/v0/"
REQUEST_TIMEOUT = 10  # seconds


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: int) -> None:
        super().__init__(HOST, timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # closed by close(), also if what follows fails
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class LocalAPI:
    def __init__(self, path: str = SOCKET) -> None:
        self.socket = path
        self.reads = 0
        self.writes = 0

    def status(self, peers: bool = False) -> dict[str, t.Any]:
        status = self._request("GET", f"status?peers={'true' if peers else 'false'}") or {}
        if "BackendState" not in status:
            raise NodeError(f"the program at {self.socket} is not tailscaled: its status has no BackendState")
        return status

    def prefs(self) -> dict[str, t.Any]:
        return _without_keys(self._request("GET", "prefs"))

    def edit_prefs(self, masked: dict[str, t.Any]) -> dict[str, t.Any]:
        """Change preferences. Returns the resulting preferences, which may differ from the sent ones."""
        return _without_keys(self._request("PATCH", "prefs", masked))

    def check_prefs(self, prefs: dict[str, t.Any]) -> None:
        """Let the daemon check preferences without applying them. Raises NodeError if it would refuse them."""
        self.reads += 1
        self.writes -= 1  # a POST that writes nothing
        answer = self._request("POST", "check-prefs", prefs) or {}
        if answer.get("Error"):
            raise NodeError(f"tailscaled would refuse these preferences: {answer['Error']}")

    def start(self, auth_key: str, prefs: dict[str, t.Any]) -> None:
        """Restart the backend with these preferences; an empty key keeps the present login."""
        self._request("POST", "start", {"AuthKey": auth_key, "UpdatePrefs": prefs})

    def login_interactive(self) -> None:
        """Log in with the key and preferences of the last `start`; despite its name it asks no user."""
        self._request("POST", "login-interactive")

    def logout(self, timeout: int) -> None:
        """Log out. The call returns when the control server has been informed."""
        self._request("POST", "logout", timeout=timeout)

    def _request(self, method: str, path: str, body: t.Any = None, timeout: int = REQUEST_TIMEOUT) -> dict[str, t.Any] | None:
        if method == "GET":
            self.reads += 1
        else:
            self.writes += 1
        if not Path(self.socket).exists():
            raise DaemonUnavailable(f"tailscaled is not running on this host: there is no socket {self.socket}")
        connection = _Connection(self.socket, timeout)
        try:
            connection.request(
                method, BASE + path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            late = isinstance(error, socket.timeout)  # the same as TimeoutError since Python 3.10
            raise (NoAnswer if late else DaemonUnavailable)(f"tailscaled does not answer at {self.socket}: {error}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise NodeError(f"tailscaled refused {method} {path.split('?', maxsplit=1)[0]}: {_reason(response.status, answer)}")
        return _parse(answer, path.split("?", maxsplit=1)[0])


def _parse(answer: bytes, path: str) -> dict[str, t.Any] | None:
    try:
        found = json.loads(answer) if answer else None
    except ValueError as error:
        raise NodeError(f"tailscaled answered {path} with something that is not JSON") from error
    if found is None or isinstance(found, dict):
        return found
    raise NodeError(f"tailscaled answered {path} with something that is not a JSON object")


def _without_keys(prefs: dict[str, t.Any] | None) -> dict[str, t.Any]:
    found = dict(prefs or {})
    found.pop("Config", None)  # key material
    return found


def _reason(status: int, answer: bytes) -> str:
    """The error message of tailscaled, which is JSON for some endpoints and plain text for others."""
    text = answer.decode(errors="replace").strip()
    try:
        return str(json.loads(text)["Error"])
    except (ValueError, KeyError, TypeError):
        return text or f"HTTP {status}"
