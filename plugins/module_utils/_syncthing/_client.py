# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthing's REST API: endpoints, readiness and errors, no decisions.

https://docs.syncthing.net/dev/rest.html

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import time
import traceback
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

try:
    import requests

    REQUESTS_ERROR = None
except ImportError:
    REQUESTS_ERROR = traceback.format_exc()

REQUEST_TIMEOUT = 30  # seconds; a write of a thousand devices takes less than one
POLL = 0.5  # seconds
VERSION_HEADER = "X-Syncthing-Version"


class SyncthingError(Exception):
    """Why Syncthing is not as wanted, in words for the user."""


class NotConfigured(SyncthingError):
    """Syncthing has no configuration on this host: it was never set up."""


class NotReady(SyncthingError):
    """Syncthing does not answer yet; trying again may help."""


class Client:
    def __init__(self, url: str, api_key: str, timeout: float) -> None:
        self.url = url
        self.timeout = timeout
        self.reads = 0
        self.writes = 0
        self.version = ""
        self.session = requests.Session()
        self.session.headers["X-API-Key"] = api_key
        self.session.trust_env = False  # a proxy of the environment is not for this host itself

    @classmethod
    def of_home(cls, home: str, timeout: float) -> Client:
        """For the Syncthing of this host: address and API key are in its configuration."""
        path = Path(home) / "config.xml"
        try:
            gui = ET.fromstring(path.read_text(encoding="utf-8")).find("gui")
        except FileNotFoundError as error:
            raise NotConfigured(
                f"there is no {path}: Syncthing was not set up on this host yet (the role homelab.tailsync.syncthing does it), "
                "or home is wrong"
            ) from error
        except PermissionError as error:
            raise SyncthingError(f"{path} cannot be read: run this task as root or as Syncthing's user (become)") from error
        except ET.ParseError as error:
            raise SyncthingError(f"{path} is not XML ({error}): Syncthing could not start with it either") from error
        address = (gui.findtext("address") or "127.0.0.1:8384") if gui is not None else "127.0.0.1:8384"
        api_key = (gui.findtext("apikey") or "") if gui is not None else ""
        if not api_key:
            raise SyncthingError(f"{path} has no API key: start Syncthing's GUI once, or put one into <gui><apikey>")
        scheme = "https" if gui is not None and gui.get("tls") == "true" else "http"
        client = cls(f"{scheme}://{address}", api_key, timeout)
        client.session.verify = False if scheme == "http" else str(Path(home) / "https-cert.pem")
        return client

    def config(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.get("config"))

    def device_id(self) -> str:
        return str(self.get("system/status")["myID"])

    def get(self, path: str, **query: str) -> t.Any:
        """GET, again and again until Syncthing is ready or the time is up."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return self._read(path, query)
            except NotReady as error:
                if time.monotonic() > deadline:
                    raise SyncthingError(f"{error} (waited {self.timeout:.0f} s)") from error
            time.sleep(POLL)

    def write(self, method: str, path: str, body: t.Any) -> None:
        self.writes += 1
        answer = self._send(method, path, json=body)
        if answer.status_code >= 400:
            raise SyncthingError(f"Syncthing refused {method} {path}: {_reason(answer)}")

    def _read(self, path: str, query: dict[str, str]) -> t.Any:
        self.reads += 1
        answer = self._send("GET", path, params=query)
        # While version 2 converts its database, something else answers everything with 200 and plain text.
        if answer.status_code == 200 and (VERSION_HEADER not in answer.headers or not _is_json(answer)):
            raise NotReady(f"Syncthing at {self.url} is not ready yet: {answer.text.strip()[:200] or 'an empty answer'}")
        if answer.status_code == 403 and "Host check" in answer.text:
            raise SyncthingError(f"Syncthing refuses the name in {self.url} (host check): use a loopback address")
        if answer.status_code in (401, 403):
            raise SyncthingError(f"Syncthing at {self.url} does not take the API key that its config.xml names")
        if answer.status_code >= 400:
            raise SyncthingError(f"Syncthing refused GET {path}: {_reason(answer)}")
        self.version = answer.headers[VERSION_HEADER]
        try:
            return answer.json()
        except ValueError as error:
            raise SyncthingError(f"Syncthing answered GET {path} with something that is not JSON: {error}") from error

    def _send(self, method: str, path: str, **options: t.Any) -> requests.Response:
        try:
            return self.session.request(method, f"{self.url}/rest/{path}", timeout=REQUEST_TIMEOUT, **options)
        except requests.exceptions.SSLError as error:
            raise SyncthingError(f"the certificate of {self.url} is not the one in Syncthing's home: {error}") from error
        except requests.exceptions.RequestException as error:
            raise NotReady(f"Syncthing does not answer at {self.url}: is its service running? ({_cause(error)})") from error


def _is_json(answer: requests.Response) -> bool:
    return answer.headers.get("Content-Type", "").startswith("application/json")


def _reason(answer: requests.Response) -> str:
    return answer.text.strip()[:500] or f"HTTP {answer.status_code}"


def _cause(error: BaseException) -> str:
    """The innermost reason; requests wraps it three times."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
