# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's coordinator has the manners of the real control servers, towards a real tailscaled."""

from __future__ import annotations

import typing as t

import pytest
from tailscaled import Coordinator, Tailscaled, wait_for

REUSED = {"tailscale": "invalid key: API key k000001CNTRL not valid", "headscale": "authkey already used"}


def join(node: Tailscaled, server: Coordinator, words: str = "", name: str = "nas") -> None:
    node.login(server.url, server.ask("key", f"- {words}"), Hostname=name)
    node.wait("Running")


@pytest.mark.parametrize("manners", ["tailscale", "headscale", "headscale-0.26", "headscale-0.30"])
def test_a_node_joins_with_a_key_and_comes_back_without_one(server: Coordinator, node: Tailscaled) -> None:
    join(node, server)
    node.restart()
    assert node.wait("Running") == "Running"
    first, *others = [one["kind"] for one in server.get("registrations")]
    assert (first, set(others)) == ("key", {"known"})


def test_a_single_use_key_is_spent_by_its_first_registration(
    server: Coordinator, make_node: t.Callable[[], Tailscaled], manners: str
) -> None:
    key = server.ask("key", "-")
    first, second = make_node(), make_node()
    first.login(server.url, key)
    first.wait("Running")
    assert [one["used"] for one in server.get("keys")] == [True]
    second.login(server.url, key)
    assert second.refusal().startswith(REUSED[manners])


def test_a_reusable_key_lets_two_nodes_in_and_the_second_name_gets_a_number(
    server: Coordinator, make_node: t.Callable[[], Tailscaled]
) -> None:
    key = server.ask("key", "- reusable")
    for _number in range(2):
        one = make_node()
        one.login(server.url, key, Hostname="nas")
        one.wait("Running")
    assert [one["name"].split(".")[0] for one in server.get("nodes")] == ["nas", "nas-1"]


@pytest.mark.parametrize(
    ("words", "refusals"),
    [
        ("expires=-5", {"tailscale": "invalid key: API key k000001CNTRL not valid", "headscale": "authkey expired"}),
        (None, {"tailscale": "invalid key: unable to validate API key", "headscale": "invalid pre auth key"}),
    ],
    ids=["expired", "unknown"],
)
def test_a_key_that_is_not_valid_is_refused_in_the_words_of_the_server(
    server: Coordinator, node: Tailscaled, manners: str, words: str | None, refusals: dict[str, str]
) -> None:
    node.login(server.url, "nonsense" if words is None else server.ask("key", f"- {words}"))
    assert node.refusal().startswith(refusals[manners])


def test_without_a_key_somebody_logs_in(server: Coordinator, node: Tailscaled) -> None:
    node.login(server.url, Hostname="nas")
    wait_for(lambda: node.status()["AuthURL"], "an address to log in at")
    server.ask("login", "nas")
    assert node.wait("Running") == "Running"


def test_advertised_tags_are_refused_but_tailscale_takes_those_of_the_policy(
    server: Coordinator, make_node: t.Callable[[], Tailscaled], manners: str
) -> None:
    refused = make_node()
    refused.login(server.url, server.ask("key", "-"), AdvertiseTags=["tag:server"])
    assert "requested tags [tag:server] are invalid or not permitted" in refused.refusal()
    server.ask("tags", "tag:server")
    node = make_node()
    node.login(server.url, server.ask("key", "-"), AdvertiseTags=["tag:server"], Hostname="nas")
    if manners == "headscale":
        assert "requested tags [tag:server] are invalid or not permitted" in node.refusal()
        assert not any(one["used"] for one in server.get("keys"))
    else:
        node.wait("Running")
        assert server.node("nas")["tags"] == ["tag:server"]  # type: ignore[index]


def test_a_tagged_key_brings_its_tags(server: Coordinator, node: Tailscaled) -> None:
    join(node, server, "tags=tag:server")
    assert node.status()["Self"]["Tags"] == ["tag:server"]
    assert not node.status()["Self"].get("KeyExpiry")
    assert node.status()["User"][str(node.status()["Self"]["UserID"])]["LoginName"] == "tagged-devices"


def test_an_expired_node_comes_back_with_one_key(server: Coordinator, node: Tailscaled) -> None:
    join(node, server)
    server.ask("key-expiry", "2020-01-01T00:00:00Z nas")
    node.wait("NeedsLogin")
    before = len(server.get("registrations"))
    join(node, server)
    assert len(server.get("registrations")) > before
    assert [one["name"].split(".")[0] for one in server.get("nodes")] == ["nas"]


def test_a_tagged_node_that_logged_out_stays_expired_with_headscale(server: Coordinator, node: Tailscaled, manners: str) -> None:
    join(node, server, "tags=tag:server")
    node.request("POST", "logout")
    node.wait("NeedsLogin")
    node.login(server.url, server.ask("key", "- tags=tag:server"), Hostname="nas")
    if manners == "headscale":
        assert "authkey already used" in node.refusal()
        server.ask("key-expiry", "never nas")
        node.login(server.url, server.ask("key", "- tags=tag:server"), Hostname="nas")
    assert node.wait("Running") == "Running"


def test_a_deleted_node_is_told_so_by_tailscale_only(server: Coordinator, node: Tailscaled, manners: str) -> None:
    join(node, server)
    server.ask("delete", "nas")
    if manners == "tailscale":
        node.wait("NeedsLogin")
    else:
        with pytest.raises(Exception, match="not within"):
            node.wait("NeedsLogin", timeout=2)
        node.restart()
        node.wait("NeedsLogin")
    join(node, server)
    assert len(server.get("nodes")) == 1


def test_the_last_peer_of_a_node_is_gone_when_it_is_deleted(server: Coordinator, make_node: t.Callable[[], Tailscaled]) -> None:
    nas, pi = make_node(), make_node()
    join(nas, server)
    join(pi, server, name="pi")
    wait_for(lambda: pi.status()["Peer"], "a peer")
    server.ask("delete", "nas")
    wait_for(lambda: not pi.status()["Peer"], "no peer")
