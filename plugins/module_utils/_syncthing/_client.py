# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthing's REST API: endpoints, readiness and errors, no decisions.

https://docs.syncthing.net/dev/rest.html

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import time
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlencode

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import (
    FolderRefused,
    NotConfigured,
    NotReady,
    Starting,
    SyncthingError,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._transport import (
    Answer,
    Tcp,
    Unix,
    WrongCertificate,
)

POLL = 0.5  # seconds
VERSION_HEADER = "X-Syncthing-Version"
NEVER_REHASHES = (1, 25)  # from this version on, a bcrypt hash is stored as it is


class Endpoint(t.NamedTuple):
    """Address, key and TLS of the REST API, from config.xml."""

    address: str  # host:port, or the path of a unix socket
    api_key: str
    tls: bool

    @property
    def socket(self) -> str | None:
        return self.address if self.address.startswith("/") else None

    @property
    def place(self) -> str:
        return self.socket or self.url

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{reachable(self.address)}"


def _gui_element(text: str) -> ET.Element | None:
    """The element gui of a config.xml. It is cut out first, because the rest of the file can be long in a large mesh.

    If it cannot be cut out safely, because there is a comment or the file is incomplete, the whole file is parsed.
    """
    begin, end = text.find("<gui"), text.find("</gui>")
    whole = text.rstrip().endswith("</configuration>") and "<!" not in text
    if whole and text.count("<gui") == text.count("</gui>") == 1 and begin < end:
        return ET.fromstring(text[begin : end + len("</gui>")])
    return ET.fromstring(text).find("gui")


def reachable(address: str) -> str:
    """The address to connect to for a listen address; for all interfaces it is loopback."""
    host, _colon, port = address.rpartition(":")
    return f"{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"  # noqa: S104


def read_endpoint(home: str) -> Endpoint:
    path = Path(home) / "config.xml"
    try:
        gui = _gui_element(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotConfigured(
            f"there is no {path}: Syncthing was not set up on this host yet (the role homelab.tailsync.syncthing does it), "
            "or home is wrong"
        ) from error
    except PermissionError as error:
        raise SyncthingError(f"{path} cannot be read: run this task as root or as Syncthing's user (become)") from error
    except ET.ParseError as error:
        raise SyncthingError(f"{path} is not XML ({error}): Syncthing could not start with it either") from error
    if gui is None or not gui.findtext("apikey"):
        raise SyncthingError(f"{path} has no API key: start Syncthing's GUI once, or put one into <gui><apikey>")
    if gui.get("enabled") == "false":
        raise SyncthingError(f'{path} has <gui enabled="false">, which turns the REST API off as well: set it to true there')
    return Endpoint(gui.findtext("address") or "127.0.0.1:8384", gui.findtext("apikey") or "", gui.get("tls") == "true")


class NotStarted:
    """The client of a Syncthing that was never started: its configuration is empty."""

    version = None
    reads = writes = 0

    def config(self) -> dict[str, t.Any]:
        return {}

    def device_id(self) -> str:
        return ""

    def ignores(self, folder_id: str) -> list[str]:
        del folder_id
        return []

    def rehashes(self) -> bool:
        return False

    def password_fits(self, user: str, password: str) -> bool:
        del user, password
        return False


class Client:
    """A client of the REST API. Reads are repeated until Syncthing is ready or `timeout` seconds are over; writes never are."""

    def __init__(self, home: str, timeout: float) -> None:
        self.home = home
        self.timeout = timeout
        self.reads = 0
        self.writes = 0
        self.version = ""
        self.endpoint = read_endpoint(home)
        self.transport = self._connected()

    def open(self) -> None:
        """Connect to the API at its address in config.xml, again after the web interface was changed."""
        self.endpoint = read_endpoint(self.home)
        self.transport.close()
        self.transport = self._connected()

    def _connected(self) -> Tcp | Unix:
        fingerprint = self._fingerprint() if self.endpoint.tls else None
        return Unix(self.endpoint.socket, fingerprint) if self.endpoint.socket else Tcp(self.endpoint.url, fingerprint)

    def _fingerprint(self) -> str:
        path = Path(self.home) / "https-cert.pem"
        try:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip())).hexdigest()
        except (OSError, ValueError) as error:
            raise SyncthingError(f"{path}, the certificate of Syncthing's web interface, cannot be read: {error}") from error

    # --- what the callers need --------------------------------------------------------------------

    def config(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.get("config"))

    def device_id(self) -> str:
        return str(self.get("system/status")["myID"])

    def ignores(self, folder_id: str) -> list[str]:
        answer = self.get("db/ignores", folder=folder_id)
        if answer.get("error"):
            raise FolderRefused(folder_id, f"folder {folder_id}: Syncthing cannot read its ignore patterns: {answer['error']}")
        return answer.get("ignore") or []

    def rehashes(self) -> bool:
        """Whether Syncthing would hash a hash that is given as a password again."""
        found = re.match(r"v?(\d+)\.(\d+)", self.version)
        return bool(found) and (int(found.group(1)), int(found.group(2))) < NEVER_REHASHES  # type: ignore[union-attr]

    def password_fits(self, user: str, password: str) -> bool:
        """Whether a login with this password works now. It is tested before a write, because only a hash is stored."""
        self.reads += 1
        body = {"Username": user, "Password": password}
        answer = self._send("POST", "noauth/auth/password", body=body, with_key=False)
        if answer.status in (204, 403):
            return answer.status == 204
        # Before 1.26 this endpoint does not exist; the status tells a wrong password from a missing API key.
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        answer = self._send("GET", "system/ping", with_key=False, headers={"Authorization": f"Basic {login}"})
        return answer.status != 401

    def get(self, path: str, **query: str) -> t.Any:
        """Send a GET request, and repeat it until Syncthing is ready or the time is over."""
        return self._retried(lambda: self._read(path, query))

    def config_again(self) -> dict[str, t.Any]:
        """Get the configuration after a write, from where the web interface is to be by now.

        The old place may still answer, with the new configuration: that is no proof that the web interface has moved.
        """

        def attempt() -> dict[str, t.Any]:
            self.open()
            try:
                found = self._read("config", {})
            except NotReady:
                raise
            except SyncthingError as error:
                raise NotReady(str(error)) from error
            gui = found["gui"]
            if (gui["address"], gui["useTLS"]) != (self.endpoint.address, self.endpoint.tls):
                raise NotReady(f"Syncthing's web interface has not moved from {self.endpoint.place} to {gui['address']} (yet)")
            return t.cast("dict[str, t.Any]", found)

        return t.cast("dict[str, t.Any]", self._retried(attempt))

    def write(self, method: str, path: str, body: t.Any = None) -> None:
        self.writes += 1
        answer = self._send(method, path, body=body)
        if answer.status >= 400:
            raise SyncthingError(f"Syncthing refused {method} {path}: {_reason(answer)}")

    # --- requests ---------------------------------------------------------------------------------

    def _retried(self, attempt: t.Callable[[], t.Any]) -> t.Any:
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return attempt()
            except NotReady as error:
                if time.monotonic() > deadline:
                    raise SyncthingError(f"{error} (waited {self.timeout:.0f} s)") from error
            time.sleep(POLL)

    def _read(self, path: str, query: t.Mapping[str, str]) -> t.Any:
        self.reads += 1
        answer = self._send("GET", f"{path}?{urlencode(query)}" if query else path)
        # While version 2 converts its database, a temporary server answers everything with 200 and plain text.
        if answer.status < 400 and (VERSION_HEADER not in answer.headers or not _is_json(answer)):
            raise Starting(
                f"Syncthing at {self.endpoint.place} is not ready yet: {answer.text.strip()[:200] or 'an empty answer'}"
            )
        if answer.status == 403 and "Host check" in answer.text:
            raise SyncthingError(f"Syncthing refuses the name in {self.endpoint.place} (host check): use a loopback address")
        if answer.status in (401, 403):
            raise SyncthingError(f"Syncthing at {self.endpoint.place} does not accept the API key of its config.xml")
        if answer.status >= 400:
            raise SyncthingError(f"Syncthing refused GET {path}: {_reason(answer)}")
        self.version = answer.headers[VERSION_HEADER]
        try:
            return json.loads(answer.text)
        except ValueError as error:
            raise SyncthingError(f"Syncthing answered GET {path} with something that is not JSON: {error}") from error

    def _send(
        self, method: str, path: str, body: t.Any = None, with_key: bool = True, headers: t.Mapping[str, str] | None = None
    ) -> Answer:
        own = {"X-API-Key": self.endpoint.api_key} if with_key else {}
        sent = {**own, **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self.transport.send(method, f"/rest/{path}", data, sent)
        except WrongCertificate as error:
            raise SyncthingError(
                f"the certificate at {self.endpoint.place} is not {self.home}/https-cert.pem: is something else listening there? "
                f"({error})"
            ) from error
        if 300 <= answer.status < 400:
            raise NotReady(f"Syncthing at {self.endpoint.place} wants TLS, which is not in its config.xml (yet)")
        return answer


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").startswith("application/json")


def _reason(answer: Answer) -> str:
    return answer.text.strip()[:500] or f"HTTP {answer.status}"
