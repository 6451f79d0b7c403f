# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets must be strings, and a node must have the name that later runs use."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailscale_host


def test_secrets_that_are_no_strings_are_named() -> None:
    given = {"tailscale_auth_key": 12, "tailscale_api_token": None, "tailscale_oauth_client_secret": ["x"], "other": "x"}
    assert tailscale_host.not_text(given) == ["tailscale_auth_key", "tailscale_oauth_client_secret"]


# --- name in the tailnet -----------------------------------------------------------------------------------

OLD = {"dns_name": "nas.home.ts.net", "addresses": ["100.64.0.9"], "online": False, "last_seen": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize(
    ("dns_name", "hostname"),
    [
        ("nas.home.ts.net", "nas"),
        ("nas.home.ts.net", "NAS"),
        ("NAS.home.ts.net.", "nas"),
        ("my-nas.home.ts.net", "my_nas.local"),
        ("nas", "nas"),  # Headscale without a base domain
        (None, "nas"),  # not connected, in check mode
        ("", "nas"),
    ],
)
def test_expected_name_is_accepted(dns_name: str | None, hostname: str) -> None:
    assert tailscale_host.name_problem({"dns_name": dns_name}, hostname, [OLD]) is None


@pytest.mark.parametrize(
    ("dns_name", "hostname", "peers", "words"),
    [
        (
            "nas-1.home.ts.net",
            "nas",
            [OLD],
            ["nas-1 and not nas", "100.64.0.9, offline, last seen 2026-01-02", "tailscale_hostname: nas-1"],
        ),
        ("nas-1.home.ts.net", "nas", [{**OLD, "online": True}], ["100.64.0.9, online)"]),
        ("nas-1", "nas", [{"dns_name": "nas", "addresses": ["100.64.0.9"]}], ["another machine"]),
        ("pie.home.ts.net", "pi", [OLD], ["pie and not pi", "renamed there", "tailscale_hostname: pie"]),
        ("nas-abcd1234.home.ts.net", "nas", [], ["nas-abcd1234 and not nas"]),
    ],
)
def test_other_name_in_the_tailnet_is_refused(
    dns_name: str, hostname: str, peers: list[dict[str, t.Any]], words: list[str]
) -> None:
    said = tailscale_host.name_problem({"dns_name": dns_name}, hostname, peers) or ""
    assert [word for word in words if word not in said] == []
