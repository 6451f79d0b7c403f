# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OIDC identity tokens, which Tailscale exchanges for access tokens (workload identity federation).

A token is given, read from a file, or requested from the CI runner: GitHub's, and those that follow it, tell a job the address
and the credential of that request in its environment.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import time
import typing as t
from urllib.parse import parse_qsl, urlencode, urlsplit

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import Control
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError

Params = t.Mapping[str, t.Any]

RUNNER_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
RUNNER_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105  (the name of a variable)
NO_RUNNER = (
    "oidc has neither token nor token_file, and the environment has no "
    + RUNNER_URL
    + " and "
    + RUNNER_TOKEN
    + ", with which a CI "
    "job requests one: set token or token_file, or give the job the permission `id-token: write`"
)


def check(oidc: Params) -> None:
    """Refuse options that cannot work. Raises ControlError. Whether a token is still valid is only checked when it is used."""
    if not (oidc.get("client_id") or "").strip():
        raise ControlError("oidc.client_id is empty: set it to the client ID of the federated identity, from the admin console")
    given = [name for name in ("token", "token_file") if oidc.get(name) is not None]
    if len(given) > 1:
        raise ControlError("oidc.token and oidc.token_file are both set: leave one of them out")
    if given and not oidc[given[0]].strip():
        raise ControlError(f"oidc.{given[0]} is empty: set it, or leave it out in a CI job that may request a token")
    if not given and not (oidc.get("audience") or "").strip():
        raise ControlError(
            "oidc.audience is empty, which the request for a token to the CI runner needs: set it to the audience of the "
            "federated identity, from the admin console"
        )


def identity(oidc: Params, control: Control) -> str:
    """The identity token. Raises ControlError."""
    if oidc.get("token"):
        token = str(oidc["token"]).strip()
        _check_token(token, "oidc.token", time.time())
        return token
    if oidc.get("token_file"):
        return _from_file(oidc["token_file"])
    return _from_runner(oidc["audience"].strip(), control)


def _from_file(path: str) -> str:
    try:
        token = pathlib.Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise ControlError(f"oidc.token_file {path} cannot be read: {error.strerror}") from None
    _check_token(token, f"oidc.token_file {path}", time.time())
    return token


def _check_token(token: str, where: str, now: float) -> None:
    """Refuse what is no token, and one that is known to have expired."""
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ControlError(f"{where} is no OIDC token: it is empty, or has blanks or characters that no token has")
    expires = expiry(token)
    if expires is not None and expires <= now:
        raise ControlError(
            f"{where} holds a token that expired {int(now - expires)} s ago: request one in the same job, just before"
        )


def expiry(token: str) -> float | None:
    """The time at which a token expires; None if that cannot be read from it."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def _from_runner(audience: str, control: Control) -> str:
    url, token = os.environ.get(RUNNER_URL, ""), os.environ.get(RUNNER_TOKEN, "")
    if not url or not token:
        raise ControlError(NO_RUNNER)
    parts = urlsplit(url)
    query = urlencode([*((name, value) for name, value in parse_qsl(parts.query) if name != "audience"), ("audience", audience)])
    runner = Control(f"{parts.scheme}://{parts.netloc}")
    runner.secrets |= {token, *(value for _name, value in parse_qsl(parts.query))}
    runner.session.headers["Authorization"] = f"Bearer {token}"
    try:
        answer = runner.request("GET", f"{parts.path}?{query}", repeatable=True, headers={"Accept": "application/json"})
        found = runner.field(answer, "value", "the OIDC token")
    except ControlError as error:
        raise ControlError(f"the CI runner gives no OIDC token: {error}") from None
    control.secrets |= runner.secrets
    return found
