# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transports for requests to Syncthing: TCP with the library requests, a unix socket with Python's own client.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import hashlib
import http.client
import select
import socket
import ssl
import traceback
import typing as t
from urllib.parse import urlsplit

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import NotReady, Starting, SyncthingError

REQUEST_TIMEOUT = 30  # seconds; a write of a thousand devices takes less than one
PLAIN_TIMEOUT = 5
SOCKET_PATH_MAX = 107  # bytes (unix(7))


class Answer(t.NamedTuple):
    status: int
    headers: t.Mapping[str, str]
    text: str


class WrongCertificate(SyncthingError):
    """Something else listens where Syncthing should."""


class Tcp:
    """TCP. Only the certificate with this `fingerprint` is trusted: Syncthing's is self-signed, for any name of the host."""

    def __init__(self, url: str, fingerprint: str | None) -> None:
        # Imported only here: the import takes longer than all requests of a run, and a unix socket does not need it.
        try:
            import requests  # noqa: PLC0415
            from requests.adapters import HTTPAdapter  # noqa: PLC0415
        except ImportError as error:
            raise MissingLibrary("requests", traceback.format_exc()) from error

        class Pinned(HTTPAdapter):
            def init_poolmanager(self, *arguments: t.Any, **options: t.Any) -> None:
                super().init_poolmanager(*arguments, assert_fingerprint=fingerprint, **options)

        self.url = url
        self.requests = requests
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy in the environment is not meant for this host itself
        if fingerprint:
            self.session.mount("https://", Pinned())
            self.session.verify = False  # no check by authorities; the fingerprint is verified

    def send(self, method: str, path: str, data: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        try:
            answer = self.session.request(
                method, f"{self.url}{path}", data=data, headers=headers, timeout=REQUEST_TIMEOUT, allow_redirects=False
            )
        except self.requests.exceptions.SSLError as error:
            address = urlsplit(self.url)
            plain = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PLAIN_TIMEOUT)
            raise _starting(plain, self.url) or WrongCertificate(_cause(error)) from error
        except self.requests.exceptions.RequestException as error:
            raise NotReady(f"Syncthing does not answer at {self.url}: is its service running? ({_cause(error)})") from error
        return Answer(answer.status_code, answer.headers, answer.text)

    def close(self) -> None:
        self.session.close()


class Unix:
    """A unix socket, with TLS if Syncthing has it turned on."""

    def __init__(self, path: str, fingerprint: str | None) -> None:
        self.path = path
        self.connection = _UnixConnection(path, fingerprint)

    def send(self, method: str, path: str, data: bytes | None, headers: t.Mapping[str, str]) -> Answer:
        # Syncthing closes a connection that was idle for some seconds, such as during a wait for a disk.
        if self.connection.sock is not None and select.select([self.connection.sock], [], [], 0)[0]:
            self.connection.close()
        try:
            self.connection.request(method, path, body=data, headers=dict(headers))
            answer = self.connection.getresponse()
            text = answer.read().decode("utf-8", errors="replace")
        except PermissionError as error:
            self.connection.close()
            raise SyncthingError(
                f"{self.path} cannot be opened: run this task as root or as Syncthing's user (become)"
            ) from error
        except ssl.SSLError as error:
            self.connection.close()
            found = _starting(_UnixConnection(self.path, None), self.path)
            raise found or NotReady(
                f"Syncthing does not answer at {self.path}: is its service running? ({_cause(error)})"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise NotReady(f"Syncthing does not answer at {self.path}: is its service running? ({_cause(error)})") from error
        except WrongCertificate:
            self.connection.close()
            raise
        return Answer(answer.status, {key.title(): value for key, value in answer.getheaders()}, text)

    def close(self) -> None:
        self.connection.close()

    __del__ = close


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, fingerprint: str | None) -> None:
        super().__init__("localhost", timeout=REQUEST_TIMEOUT)
        self.path = path
        self.fingerprint = fingerprint

    def connect(self) -> None:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            plain.settimeout(REQUEST_TIMEOUT)
            plain.connect(self.path)
            self.sock = self._with_tls(plain) if self.fingerprint else plain
        except BaseException:
            plain.close()
            raise

    def _with_tls(self, plain: socket.socket) -> socket.socket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # no check by authorities; the fingerprint is verified
        wrapped = context.wrap_socket(plain)
        if hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest() != self.fingerprint:
            wrapped.close()
            raise WrongCertificate("its fingerprint is another one")
        return wrapped


def _starting(connection: http.client.HTTPConnection, place: str) -> Starting | None:
    """What a Syncthing that converts its database says: version 2 does so in plain HTTP, even where TLS is turned on.

    The request has no API key, because something else may be listening.
    """
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read(1000).decode("utf-8", errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if answer.status != 200 or not (answer.getheader("Content-Type") or "").startswith("text/plain"):
        return None
    return Starting(f"Syncthing at {place} is not ready yet: {text[:200] or 'an empty answer'}")


def _cause(error: BaseException) -> str:
    """The innermost reason; requests wraps it three times."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
