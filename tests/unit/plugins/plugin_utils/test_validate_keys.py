# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables with which the role tailscale creates auth keys, checked by the module's own checks."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import validate_tailscale

BASE: dict[str, t.Any] = {
    "tailscale_hostname": "nas",
    "tailscale_tags": ["tag:server"],
    "tailscale_repository_url": "https://pkgs.tailscale.com",
    "tailscale_socket": "/run/tailscale/tailscaled.sock",
}
HEADSCALE = {"tailscale_api": "headscale", "tailscale_api_url": "https://hs.example.org"}
OIDC = {"client_id": "T1-k1", "audience": "api.tailscale.com/T1-k1"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"tailscale_oauth_client_secret": "x1", "tailscale_tags": []},
            ["tailscale_tags is empty", "set tailscale_tags, such as [tag:server]"],
        ),
        (
            {"tailscale_oidc": OIDC, "tailscale_tags": None},
            ["tailscale_tags is empty, and a key made with tailscale_oidc must have some"],
        ),
        (
            {"tailscale_oidc": "s3cr3t"},
            ["tailscale_oidc is text: it must be a mapping with keys of audience, client_id, token, token_file"],
        ),
        ({"tailscale_oidc": {"token": "s3cr3t"}}, ["tailscale_oidc has no client_id: add it"]),
        ({"tailscale_oidc": {"client_id": "T1-k1"}}, ["tailscale_oidc.audience is empty"]),
        ({"tailscale_oidc": {"client_id": "T1-k1", "token": ""}}, ["tailscale_oidc.token is empty"]),
        ({"tailscale_oidc": {"client_id": "T1-k1", "token": ["s3cr3t"]}}, ["tailscale_oidc.token is no text"]),
        ({"tailscale_oidc": {**OIDC, "tokn": "s3cr3t"}}, ["tailscale_oidc.tokn is no key of it (is token meant?)"]),
        ({"tailscale_oidc": OIDC, "tailscale_api_token": "s3cr3t"}, ["tailscale_oidc and tailscale_api_token are both set"]),
        (
            {"tailscale_oidc": OIDC, **HEADSCALE},
            ["tailscale_oidc is set, and tailscale_api is headscale", "set tailscale_api_token instead"],
        ),
        (
            {**HEADSCALE, "tailscale_api_token": "s3cr3t-x", "tailscale_tags": []},
            ["tailscale_api_user and tailscale_tags are both empty"],
        ),
        (
            {**HEADSCALE, "tailscale_api_token": "s3cr3t-x", "tailscale_tags": ["tag:Server"]},
            ["tailscale_tags has tag:Server: a tag of Headscale"],
        ),
        ({"tailscale_api_token": "tskey-auth-s3cr3t"}, ["tailscale_api_token holds an auth key of Tailscale"]),
        (
            {"tailscale_api_token": "tskey-client-s3cr3t"},
            ["tailscale_api_token holds the secret", "set tailscale_oauth_client_secret to it"],
        ),
        (
            {"tailscale_api_token": "hskey-api-s3cr3t"},
            ["set tailscale_api_url to your Headscale's address, and tailscale_api to headscale"],
        ),
        ({"tailscale_api_token": "s3cr3t s3cr3t"}, ["tailscale_api_token has blanks"]),
        (
            {"tailscale_api_token": "x1", "tailscale_api_url": "https://me:s3cr3t@hs.example.org/api/v1"},
            ["tailscale_api_url is https://hs", "leave /api/v1 out"],
        ),
        (
            {"tailscale_api_token": "x1", "tailscale_api_url": "https://hs.example.org/headscale/api/"},
            ["tailscale_api_url is https://hs.example.org/headscale/api/: leave /api out at the end"],
        ),
        (
            {"tailscale_api_token": "x1", "tailscale_api_url": "http://me:s3cr3t@[fd7a::1:8080"},
            ["tailscale_api_url has no valid address"],
        ),
    ],
)
def test_impossible_key_is_refused_with_the_roles_names(changes: dict[str, t.Any], words: list[str]) -> None:
    told = "; ".join(validate_tailscale.problems({**BASE, **changes}))
    assert all(word in told for word in words), told
    assert "s3cr3t" not in told


@pytest.mark.parametrize(
    "changes",
    [
        {"tailscale_oidc": {}},
        {"tailscale_oidc": {"client_id": None, "token": None, "token_file": None, "audience": None}},
        {"tailscale_oidc": None, "tailscale_tags": None},
        {"tailscale_oidc": ""},
        {"tailscale_oidc": OIDC},
        {"tailscale_oidc": {"client_id": "T1-k1", "token_file": "/run/token"}},
        # Only a login needs it, and whether it is still valid is known then.
        {"tailscale_oidc": {"client_id": "T1-k1", "token": "eyJhbGciOiJub25lIn0.eyJleHAiOiAxfQ.x"}},
        {"tailscale_oidc": OIDC, "tailscale_api_token": "", "tailscale_oauth_client_secret": " "},
        {"tailscale_api_token": "tskey-api-x", "tailscale_tags": []},
        {**HEADSCALE, "tailscale_api_token": "hskey-api-x"},
        {**HEADSCALE, "tailscale_api_token": "hskey-api-x", "tailscale_tags": None, "tailscale_api_user": "alice"},
        {**HEADSCALE, "tailscale_api_token": "hskey-api-x", "tailscale_tags": None, "tailscale_api_user": 1},
        {**HEADSCALE, "tailscale_oauth_client_secret": "hskey-client-x"},
        {**HEADSCALE, "tailscale_api_token": "hskey-api-x", "tailscale_api_url": "http://[fd7a::1]:8080"},
        {**HEADSCALE, "tailscale_api_token": "hskey-api-x", "tailscale_api_url": "https://example.org/headscale/"},
        {**HEADSCALE, "tailscale_tags": None},  # nobody has to log in
    ],
)
def test_possible_key_is_accepted(changes: dict[str, t.Any]) -> None:
    assert validate_tailscale.problems({**BASE, **changes}) == []
