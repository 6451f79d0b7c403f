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
import traceback
import typing as t
import urllib.error
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlencode

try:
    import requests
    from requests.adapters import HTTPAdapter

    REQUESTS_ERROR = None
except ImportError:
    REQUESTS_ERROR = traceback.format_exc()
    HTTPAdapter = object  # type: ignore[assignment,misc]

REQUEST_TIMEOUT = 30  # seconds; a write of a thousand devices takes less than one
POLL = 0.5  # seconds
VERSION_HEADER = "X-Syncthing-Version"
NEVER_REHASHES = (1, 25)  # from this version on, a bcrypt hash is stored as it is


class SyncthingError(Exception):
    """Why Syncthing is not as wanted, in words for the user."""


class NotConfigured(SyncthingError):
    """Syncthing has no configuration on this host: it was never set up."""


class NotReady(SyncthingError):
    """Syncthing does not answer yet; trying again may help."""


class Answer(t.NamedTuple):
    status: int
    headers: t.Mapping[str, str]
    text: str


class Door(t.NamedTuple):
    """Where the REST API is and how it is opened, from config.xml."""

    address: str  # host:port, or the path of a unix socket
    api_key: str
    tls: bool

    @property
    def socket(self) -> str | None:
        return self.address if self.address.startswith("/") else None

    @property
    def url(self) -> str:
        if self.socket:
            return "http://unix"
        return f"{'https' if self.tls else 'http'}://{reachable(self.address)}"


def reachable(address: str) -> str:
    """A listen address as one to connect to: that of every interface is answered on loopback, too."""
    host, _colon, port = address.rpartition(":")
    return f"{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"  # noqa: S104


def read_door(home: str) -> Door:
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
    if gui is None or not gui.findtext("apikey"):
        raise SyncthingError(f"{path} has no API key: start Syncthing's GUI once, or put one into <gui><apikey>")
    if gui.get("enabled") == "false":
        raise SyncthingError(f'{path} has <gui enabled="false">, which turns the REST API off as well: set it to true there')
    return Door(gui.findtext("address") or "127.0.0.1:8384", gui.findtext("apikey") or "", gui.get("tls") == "true")


class _Pinned(HTTPAdapter):
    """Trusts one certificate and no other: Syncthing signs its own, for whatever name the host had."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *arguments: t.Any, **options: t.Any) -> None:
        super().init_poolmanager(*arguments, assert_fingerprint=self.fingerprint, **options)


class Client:
    """Reads are repeated until Syncthing is ready or `timeout` seconds are over; writes never are."""

    def __init__(self, home: str, timeout: float) -> None:
        self.home = home
        self.timeout = timeout
        self.reads = 0
        self.writes = 0
        self.version = ""
        self.open()

    def open(self) -> None:
        """Where config.xml says that the API is; again after the web interface was changed."""
        self.door = read_door(self.home)
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy of the environment is not for this host itself
        if self.door.tls and not self.door.socket:
            self.session.mount("https://", _Pinned(self._fingerprint()))
            self.session.verify = False  # by authorities; the fingerprint is what is verified

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
            raise SyncthingError(f"folder {folder_id}: Syncthing cannot read its ignore patterns: {answer['error']}")
        return answer.get("ignore") or []

    def rehashes(self) -> bool:
        """Whether a hash that is given as a password would be hashed once more."""
        found = re.match(r"v?(\d+)\.(\d+)", self.version)
        return bool(found) and (int(found.group(1)), int(found.group(2))) < NEVER_REHASHES  # type: ignore[union-attr]

    def password_fits(self, user: str, password: str) -> bool:
        """Whether somebody can log in with it now; asked before it is written, because it is stored as a hash only."""
        self.reads += 1
        body = {"Username": user, "Password": password}
        answer = self._send("POST", "noauth/auth/password", body=body, with_key=False)
        if answer.status in (204, 403):
            return answer.status == 204
        # Before 1.26 there is no such page, and a wrong password is told from a missing API key by the status.
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        answer = self._send("GET", "system/ping", with_key=False, headers={"Authorization": f"Basic {login}"})
        return answer.status != 401

    def get(self, path: str, **query: str) -> t.Any:
        """GET, again and again until Syncthing is ready or the time is up."""
        return self._patiently(lambda: self._read(path, query))

    def get_anew(self, path: str) -> t.Any:
        """The same after the web interface was changed: it moves, and for a moment the old one still answers."""

        def attempt() -> t.Any:
            self.open()
            try:
                return self._read(path, {})
            except NotReady:
                raise
            except SyncthingError as error:
                raise NotReady(str(error)) from error

        return self._patiently(attempt)

    def write(self, method: str, path: str, body: t.Any = None) -> None:
        self.writes += 1
        answer = self._send(method, path, body=body)
        if answer.status >= 400:
            raise SyncthingError(f"Syncthing refused {method} {path}: {_reason(answer)}")

    # --- how --------------------------------------------------------------------------------------

    def _patiently(self, attempt: t.Callable[[], t.Any]) -> t.Any:
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
        # While version 2 converts its database, something else answers everything with 200 and plain text.
        if answer.status == 200 and (VERSION_HEADER not in answer.headers or not _is_json(answer)):
            raise NotReady(f"Syncthing at {self.door.url} is not ready yet: {answer.text.strip()[:200] or 'an empty answer'}")
        if answer.status == 403 and "Host check" in answer.text:
            raise SyncthingError(f"Syncthing refuses the name in {self.door.url} (host check): use a loopback address")
        if answer.status in (401, 403):
            raise SyncthingError(f"Syncthing at {self.door.url} does not take the API key that its config.xml names")
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
        url = f"{self.door.url}/rest/{path}"
        own = {"X-API-Key": self.door.api_key} if with_key else {}
        sent = {**own, **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        if self.door.socket:
            return self._send_by_socket(method, url, data, sent, self.door.socket)
        try:
            answer = self.session.request(method, url, data=data, headers=sent, timeout=REQUEST_TIMEOUT, allow_redirects=False)
        except requests.exceptions.SSLError as error:
            raise SyncthingError(
                f"the certificate at {self.door.url} is not {self.home}/https-cert.pem: is something else listening there? "
                f"({_cause(error)})"
            ) from error
        except requests.exceptions.RequestException as error:
            raise NotReady(f"Syncthing does not answer at {self.door.url}: is its service running? ({_cause(error)})") from error
        if answer.is_redirect:
            raise NotReady(f"Syncthing at {self.door.url} wants TLS, which its config.xml does not say (yet)")
        return Answer(answer.status_code, answer.headers, answer.text)

    def _send_by_socket(self, method: str, url: str, data: bytes | None, headers: t.Mapping[str, str], socket: str) -> Answer:
        from ansible.module_utils.urls import open_url  # noqa: PLC0415  (costs as much as all else here; hardly anybody needs it)

        try:
            answer = open_url(
                url,
                method=method,
                data=data,
                headers=dict(headers),
                unix_socket=socket,
                timeout=REQUEST_TIMEOUT,
                use_proxy=False,
                follow_redirects="none",
            )
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode(errors="replace"))
        except OSError as error:
            raise NotReady(f"Syncthing does not answer at {socket}: is its service running? ({_cause(error)})") from error
        found = {key.title(): value for key, value in answer.headers.items()}
        return Answer(answer.status, found, answer.read().decode())


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").startswith("application/json")


def _reason(answer: Answer) -> str:
    return answer.text.strip()[:500] or f"HTTP {answer.status}"


def _cause(error: BaseException) -> str:
    """The innermost reason; requests wraps it three times."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
