# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the administrative API of a control server, Tailscale's or Headscale's.

Tailscale: https://tailscale.com/api. Headscale: /api/v1, and from 0.30 on also /api/v2 in Tailscale's form.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import time
import traceback
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _answers
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError, OutcomeUnknown

try:
    import requests
    import urllib3

    REQUESTS_ERROR = None
except ImportError:
    REQUESTS_ERROR = traceback.format_exc()

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)
REQUEST_TIMEOUT = 30  # seconds
ATTEMPTS = 4
PAUSE = 1.0  # seconds, doubled each time
LONGEST_PAUSE = 60  # seconds; if a server asks for a longer wait, the user has to wait
REDIRECTS = (301, 302, 303, 307, 308)

MESSAGES = {
    401: "does not accept the credentials (401{reason}): are they of this control server, and not expired?",
    403: "does not permit it (403{reason}): the client or token needs the scope for it (auth_keys and the tags, or devices:core)",
}


class Control:
    """A client for both APIs; `base_url` has no path."""

    def __init__(self, base_url: str, sleep: t.Callable[[float], None] = time.sleep) -> None:
        if REQUESTS_ERROR:
            raise MissingLibrary("requests", REQUESTS_ERROR)
        self.base_url = base_url.rstrip("/")
        self.shown = _answers.shown_url(self.base_url)
        self.sleep = sleep
        self.secrets: set[str] = set()  # which no message contains, the received ones included
        self.session = requests.Session()
        self.session.auth = _keep_header

    def log_in(self, client_id: str | None, client_secret: str) -> None:
        """Exchange an OAuth client's secret for a token that is valid for an hour. Tailscale's secrets contain the ID."""
        self.secrets.add(client_secret)
        form = {"client_secret": client_secret, "grant_type": "client_credentials"}
        if client_id:
            form["client_id"] = client_id
        answer = self.request("POST", "/api/v2/oauth/token", repeatable=True, data=form)
        self.use_token(self.field(answer, "access_token", "the OAuth token"))

    def exchange(self, client_id: str, identity: str) -> None:
        """Exchange an OIDC identity token for an access token (workload identity federation)."""
        self.secrets.add(identity)
        form = {"client_id": client_id, "jwt": identity}
        answer = self.request("POST", "/api/v2/oauth/token-exchange", repeatable=True, data=form)
        self.use_token(self.field(answer, "access_token", "the access token"))

    def use_token(self, token: str) -> None:
        self.secrets.add(token)
        self.session.headers["Authorization"] = f"Bearer {token}"

    def tailscale_devices(self, tailnet: str) -> Json:
        return self.request("GET", f"/api/v2/tailnet/{tailnet}/devices?fields=all", repeatable=True)

    def headscale_nodes(self) -> Json:
        return self.request("GET", "/api/v1/node", repeatable=True)

    def request(self, method: str, path: str, repeatable: bool, **options: t.Any) -> Json:
        """Send a request, and repeat it if that is safe: if the server rejected it unread, or it changes nothing.

        A request for a key that got no answer may have created one, so it is not sent again.
        """
        pause = PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = self.session.request(
                    method, self.base_url + path, timeout=REQUEST_TIMEOUT, allow_redirects=method == "GET", **options
                )
            except requests.exceptions.RequestException as error:
                if last or not repeatable or isinstance(error, ValueError):
                    kind = ControlError if _unsent(error) else OutcomeUnknown
                    raise kind(f"{self.shown} does not answer: {_answers.network_problem(error)}") from None
            else:
                wait = self._wait_for(answer, pause, repeatable, path)
                if wait is None or last:
                    return self._read(answer, path)
                pause = wait
            self.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _wait_for(answer: requests.Response, pause: float, repeatable: bool, path: str) -> float | None:
        """The time to wait before another attempt; None if there must be none."""
        if answer.status_code == 429:
            asked = answer.headers.get("Retry-After", "")
            seconds = float(asked) if asked.isdigit() else pause
            return seconds if seconds <= LONGEST_PAUSE else None
        return pause if repeatable and _answers.may_be_done(answer.status_code, answer.text, path) else None

    def _read(self, answer: requests.Response, path: str) -> Json:
        status, where = answer.status_code, f"{self.shown}{path}"
        # Before it is cut, because a part of a secret would not be found.
        reason = _answers.short(_answers.without_secrets(_answers.reason(answer.text), self.secrets))
        if status in REDIRECTS:
            there = _answers.origin_of(answer.headers.get("Location", "")) or "another address"
            raise ControlError(
                f"{where} redirects to {there} ({status}): set base_url (for the role tailscale_api_url) to where the API is"
            )
        if status >= 400:
            self._raise(status, where, path, f": {reason}" if reason else "", answer)
        if not answer.text.strip() and answer.request.method == "DELETE":
            return {}  # Tailscale's answer has no body
        try:
            found = answer.json()
        except ValueError:
            raise OutcomeUnknown(
                f"{where} answered with something that is not JSON: is that the address of a control server?"
            ) from None
        if not isinstance(found, dict):
            raise OutcomeUnknown(f"{where} answered with a {type(found).__name__}, not an object")
        return found

    @staticmethod
    def _raise(status: int, where: str, path: str, reason: str, answer: requests.Response) -> t.NoReturn:
        if status in MESSAGES:
            raise ControlError(f"{where} {MESSAGES[status].format(reason=reason)}")
        if status == 429:
            asked = answer.headers.get("Retry-After", "")
            when = f"in {asked} s" if asked.isdigit() else "later"
            raise ControlError(f"{where} has had too many requests (429{reason}): try again {when}")
        kind = OutcomeUnknown if _answers.may_be_done(status, answer.text, path) else ControlError
        error = kind(f"{where} refused it ({status}{reason})")
        error.status = status
        raise error

    def field(self, answer: Json, name: str, what: str) -> str:
        value = answer.get(name)
        if not isinstance(value, str) or not value:
            has = _answers.without_secrets(", ".join(sorted(map(str, answer))) or "nothing", self.secrets)
            raise OutcomeUnknown(
                f"the control server's answer has no {name}, which would be {what}; it has {_answers.short(has)}"
            )
        self.secrets.add(value)
        return value


@contextlib.contextmanager
def creating() -> t.Iterator[None]:
    """Say after an error whether an unused key may have been created."""
    try:
        yield
    except OutcomeUnknown as error:
        end = "" if str(error).endswith("?") else "."
        raise ControlError(f"{error}{end} An unused key may have been created; it expires on its own.") from error


def _keep_header(request: t.Any) -> t.Any:
    """Requests would otherwise replace the token by a password for this server in the user's netrc file."""
    return request


def _unsent(error: requests.exceptions.RequestException) -> bool:
    """Whether a request failed before anything was sent: a bad address, an unknown name, a refused connection."""
    # Errors after sending are not wrapped in MaxRetryError, since urllib3 does not retry here.
    return isinstance(error, ValueError) or isinstance(next(iter(error.args), None), urllib3.exceptions.MaxRetryError)
