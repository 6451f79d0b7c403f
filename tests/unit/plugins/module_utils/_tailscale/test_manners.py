# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose manners a control server has, and the advice that follows from that."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._manners import (
    HEADSCALE,
    NOT_AUTH_KEYS,
    TAILSCALE,
    advertised,
    manners,
    not_an_auth_key,
    refused_key,
    retagging,
)

OWN = "https://hs.example.org"


@pytest.mark.parametrize(
    ("key", "server", "whose"),
    [
        ("tskey-auth-k1-2", "", TAILSCALE),
        ("tskey-auth-k1-2", OWN, TAILSCALE),
        ("hskey-auth-1-2", OWN, HEADSCALE),
        ("hskey-auth-1-2", "", HEADSCALE),
        ("0123456789abcdef", OWN, HEADSCALE),  # a key of Headscale before 0.28
        ("0123456789abcdef", "", TAILSCALE),
        ("", "", TAILSCALE),
        (None, None, TAILSCALE),
        (None, "https://login.tailscale.com/", TAILSCALE),
        ("", "https://controlplane.tailscale.com", TAILSCALE),
        (None, OWN, HEADSCALE),
    ],
)
def test_kind_of_the_key_decides_before_the_server(key: str | None, server: str | None, whose: str) -> None:
    assert manners(key, server) == whose


@pytest.mark.parametrize("start", NOT_AUTH_KEYS)
def test_other_secrets_are_refused_with_advice_for_both_servers(start: str) -> None:
    found = not_an_auth_key(f"{start}SECRET")
    assert found
    assert "tskey-auth-" in found
    assert "hskey-auth-" in found
    assert "SECRET" not in found


@pytest.mark.parametrize("key", ["tskey-auth-1", "hskey-auth-1", "tskey-1", "0123456789abcdef", "made by the run", ""])
def test_auth_keys_of_all_forms_are_accepted(key: str) -> None:
    assert not_an_auth_key(key) is None


def test_tags_are_advertised_only_at_tailscale() -> None:
    assert advertised(["tag:a"], TAILSCALE) == {"AdvertiseTags": ["tag:a"]}
    assert advertised([], TAILSCALE) == {"AdvertiseTags": []}
    assert advertised(None, TAILSCALE) == {}
    assert advertised(["tag:a"], HEADSCALE) == advertised(None, HEADSCALE) == {"AdvertiseTags": []}


def test_commands_are_those_of_headscale() -> None:
    assert "headscale nodes tag --identifier 7 --tags tag:a,tag:b," in retagging(["tag:a", "tag:b"], "7")
    assert "headscale nodes delete --identifier 7" in retagging([], "7")
    used = refused_key("authkey already used", HEADSCALE, "7", True)
    assert used.startswith("Make a new key")
    assert "headscale nodes expire --identifier 7 --disable" in used
    kept = refused_key("weird: regen=true but server says NodeKeyExpired: nodekey:1", HEADSCALE, "", None)
    assert kept.startswith("Headscale")
    assert "headscale nodes list" in kept


@pytest.mark.parametrize(
    ("answer", "whose", "tagged"),
    [("authkey already used", HEADSCALE, False), ("authkey expired", HEADSCALE, True), ("already used", TAILSCALE, True)],
)
def test_other_refusals_ask_for_a_new_key_only(answer: str, whose: str, tagged: bool) -> None:
    assert refused_key(answer, whose, "7", tagged) == ("Make a new key (the role's variable is tailscale_auth_key) and run again")
