# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options with which the modules log in to an administrative API: their checks and the login.

The checks are pure and come before any request, so that an impossible key is never asked for.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _oidc
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._answers import shown_url
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import Control
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import TAILSCALE_API

Params = t.Mapping[str, t.Any]

CREDENTIALS = ("oauth_client_secret", "api_token", "oidc")
NOT_FOUND = 404
# What a credential is by its beginning, and the option that takes it.
KINDS = (
    ("tskey-auth-", "an auth key of Tailscale, which joins and creates nothing", ""),
    ("hskey-auth-", "an auth key of Headscale, which joins and creates nothing", ""),
    ("tskey-client-", "the secret of an OAuth client of Tailscale", "oauth_client_secret"),
    ("hskey-client-", "the secret of an OAuth client of Headscale", "oauth_client_secret"),
    ("tskey-api-", "an API token of Tailscale", "api_token"),
    ("hskey-api-", "an API key of Headscale", "api_token"),
)


def check(params: Params) -> None:
    """Refuse credentials that cannot work. Raises ControlError, without any part of a secret."""
    _check_url(params)
    used = next((name for name in CREDENTIALS if params.get(name)), None)
    if used is None:
        given = next((name for name in CREDENTIALS if params.get(name) is not None), "api_token")
        raise ControlError(f"{given} is empty: set it, or another of {', '.join(CREDENTIALS)}")
    if not params["tailnet"].strip():
        raise ControlError("tailnet is empty: leave it out for the tailnet of the credentials")
    if used == "oidc":
        if params["api"] == "headscale":
            raise ControlError("oidc is set, and api is headscale, which exchanges no OIDC tokens: set api_token instead")
        _oidc.check(params["oidc"])
        return
    _check_kind(params, used, params[used].strip())


def _check_url(params: Params) -> None:
    url, api = params["base_url"], params["api"]
    try:
        shown, path = shown_url(url), urlsplit(url).path.rstrip("/")
    except ValueError:  # without the bracket at the end, say
        raise ControlError("base_url has no valid address: IPv6 is written like http://[fd7a::1]:8080") from None
    if not re.match(r"https?://[^/\s]", url) or re.search(r"\s", url.strip()):
        raise ControlError(f"base_url is {shown}: it must be a URL that begins with https:// or http://")
    added = next((end for end in ("/api/v1", "/api/v2", "/api") if path.endswith(end)), None)
    if added:
        raise ControlError(f"base_url is {shown}: leave {added} out at the end, because it is added")
    if api == "headscale" and is_tailscales(url):
        raise ControlError("base_url is Tailscale's own, and api is headscale: set base_url to your Headscale's address")


def is_tailscales(url: str) -> bool:
    return urlsplit(url).hostname == urlsplit(TAILSCALE_API).hostname


def _check_kind(params: Params, name: str, secret: str) -> None:
    if not re.fullmatch(r"[\x21-\x7e]+", secret):
        raise ControlError(f"{name} has blanks or characters that no such secret has: was more than the secret copied?")
    what, option = next(((what, option) for start, what, option in KINDS if secret.startswith(start)), ("", name))
    if option != name:
        fix = f"set {option} to it" if option else "set an API token, an OAuth client's secret, or oidc"
        raise ControlError(f"{name} holds {what}: {fix}")
    if secret.startswith("hskey-") and is_tailscales(params["base_url"]):
        raise ControlError(f"{name} holds {what}: set base_url to your Headscale's address, and api to headscale")


def log_in(params: Params) -> Control:
    """A client that is logged in. The options must have passed the check."""
    control = Control(params["base_url"].strip())
    if params.get("oidc"):
        identity = _oidc.identity(params["oidc"], control)
        control.exchange(params["oidc"]["client_id"].strip(), identity)
    elif params.get("oauth_client_secret"):
        _log_in_client(control, params)
    else:
        control.use_token(params["api_token"].strip())
    return control


def _log_in_client(control: Control, params: Params) -> None:
    try:
        control.log_in((params["oauth_client_id"] or "").strip() or None, params["oauth_client_secret"].strip())
    except ControlError as error:
        # Headscale until 0.29 asks for credentials at any path; 0.30 says "invalid client credentials".
        if params["api"] == "headscale" and (error.status == NOT_FOUND or "(401: Unauthorized)" in str(error)):
            raise ControlError(
                f"{error}. This Headscale has no OAuth clients, which came with version 0.30: use its API key (api_token, for "
                "the role tailscale_api_token) instead"
            ) from None
        raise


def uses_v2(params: Params) -> bool:
    """Whether the requests have Tailscale's form: Headscale's OAuth clients are for its /api/v2 only."""
    return params["api"] == "tailscale" or bool(params.get("oauth_client_secret"))
