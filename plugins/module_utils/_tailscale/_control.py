# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The administrative API of a control server, Tailscale's or Headscale's: requests and answers.

Tailscale: https://tailscale.com/api. Headscale: its /api/v1, described by its own swagger document.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import datetime
import time
import traceback
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import MissingLibrary
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
        self.sleep = sleep
        self.session = requests.Session()

    def log_in(self, client_id: str | None, client_secret: str) -> None:
        """Exchange an OAuth client's secret for a token that is valid for an hour. Tailscale's secrets contain the ID."""
        form = {"client_secret": client_secret, "grant_type": "client_credentials"}
        if client_id:
            form["client_id"] = client_id
        answer = self._request("POST", "/api/v2/oauth/token", repeatable=True, data=form)
        self.use_token(_field(answer, "access_token", "the OAuth token"))

    def use_token(self, token: str) -> None:
        self.session.headers["Authorization"] = f"Bearer {token}"

    def tailscale_key(self, tailnet: str, wanted: t.Mapping[str, t.Any]) -> Json:
        body = {
            "capabilities": {
                "devices": {
                    "create": {
                        "reusable": wanted["reusable"],
                        "ephemeral": wanted["ephemeral"],
                        "preauthorized": wanted["preauthorized"],
                        "tags": wanted["tags"],
                    }
                }
            },
            "expirySeconds": wanted["expiry"],
            "description": wanted["description"],
        }
        with _minting():
            answer = self._request("POST", f"/api/v2/tailnet/{tailnet}/keys", repeatable=False, json=body)
            return {"key": _field(answer, "key", "the new key"), "id": answer.get("id"), "expires": answer.get("expires")}

    def headscale_key(self, user: str | None, wanted: t.Mapping[str, t.Any], now: datetime.datetime) -> Json:
        expires = (now + datetime.timedelta(seconds=wanted["expiry"])).strftime("%Y-%m-%dT%H:%M:%SZ")
        body: Json = {
            "reusable": wanted["reusable"],
            "ephemeral": wanted["ephemeral"],
            "expiration": expires,
            "aclTags": wanted["tags"],
        }
        if user:
            body["user"] = user
        with _minting():
            found = self._request("POST", "/api/v1/preauthkey", repeatable=False, json=body).get("preAuthKey")
            answer = found if isinstance(found, dict) else {}
            return {
                "key": _field(answer, "key", "the new key"),
                "id": answer.get("id"),
                "expires": answer.get("expiration") or expires,
            }

    def tailscale_devices(self, tailnet: str) -> Json:
        return self._request("GET", f"/api/v2/tailnet/{tailnet}/devices?fields=all", repeatable=True)

    def headscale_nodes(self) -> Json:
        return self._request("GET", "/api/v1/node", repeatable=True)

    def _request(self, method: str, path: str, repeatable: bool, **options: t.Any) -> Json:
        """Send a request, and repeat it if that is safe: if the server rejected it unread, or it changes nothing.

        A request for a key that got no answer may have created one, so it is not sent again.
        """
        pause = PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = self.session.request(method, self.base_url + path, timeout=REQUEST_TIMEOUT, **options)
            except requests.exceptions.RequestException as error:
                if last or not repeatable:
                    kind = ControlError if _unsent(error) else OutcomeUnknown
                    raise kind(f"{self.base_url} does not answer: {type(error).__name__}") from error
            else:
                wait = self._wait_for(answer, pause, repeatable)
                if wait is None or last:
                    return self._read(answer, path)
                pause = wait
            self.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _wait_for(answer: requests.Response, pause: float, repeatable: bool) -> float | None:
        """The time to wait before another attempt; None if there must be none."""
        if answer.status_code == 429:
            asked = answer.headers.get("Retry-After", "")
            seconds = float(asked) if asked.isdigit() else pause
            return seconds if seconds <= LONGEST_PAUSE else None
        return pause if answer.status_code >= 500 and repeatable else None

    def _read(self, answer: requests.Response, path: str) -> Json:
        where = f"{self.base_url}{path}"
        reason = _reason(answer)
        if answer.status_code in MESSAGES:
            raise ControlError(f"{where} {MESSAGES[answer.status_code].format(reason=reason)}")
        if answer.status_code == 429:
            asked = answer.headers.get("Retry-After")
            when = f"in {asked} s" if asked else "later"
            raise ControlError(f"{where} has had too many requests (429{reason}): try again {when}")
        if answer.status_code >= 400:
            kind = OutcomeUnknown if answer.status_code >= 500 else ControlError
            raise kind(f"{where} refused it ({answer.status_code}{reason})")
        try:
            found = answer.json()
        except ValueError as error:
            raise OutcomeUnknown(
                f"{where} answered with something that is not JSON: is that the address of a control server?"
            ) from error
        if not isinstance(found, dict):
            raise OutcomeUnknown(f"{where} answered with a {type(found).__name__}, not an object")
        return found


@contextlib.contextmanager
def _minting() -> t.Iterator[None]:
    try:
        yield
    except OutcomeUnknown as error:
        end = "" if str(error).endswith("?") else "."
        raise ControlError(f"{error}{end} An unused key may have been created; it expires on its own.") from error


def _unsent(error: requests.exceptions.RequestException) -> bool:
    """Whether a request failed before anything was sent: a bad address, an unknown name, a refused connection."""
    # Errors after sending are not wrapped in MaxRetryError, since urllib3 does not retry here.
    return isinstance(error, ValueError) or isinstance(next(iter(error.args), None), urllib3.exceptions.MaxRetryError)


def _reason(answer: requests.Response) -> str:
    try:
        text = answer.json().get("message") or ""
    except (ValueError, AttributeError):
        text = answer.text
    return f": {text.strip()[:300]}" if text.strip() else ""


def _field(answer: Json, name: str, what: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise OutcomeUnknown(
            f"the control server's answer has no {name}, which would be {what}; it has {', '.join(sorted(answer)) or 'nothing'}"
        )
    return value
