# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator changes at the lab's coordinator while nodes run, and a coordinator that does not answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

import pytest
from tailscaled import Coordinator, Tailscaled, TestServerError, wait_for

MakeNode = t.Callable[[], Tailscaled]


def join(node: Tailscaled, server: Coordinator, name: str, words: str = "", **preferences: t.Any) -> Tailscaled:
    node.login(server.url, server.ask("key", f"- {words}"), Hostname=name, **preferences)
    node.wait("Running")
    return node


def peers(node: Tailscaled) -> dict[str, t.Any]:
    return {peer["DNSName"].split(".")[0]: peer for peer in (node.status()["Peer"] or {}).values()}


@pytest.fixture
def listener() -> t.Iterator[int]:
    """A port of loopback, to which tailscaled without a TUN device passes connections of the tailnet on."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as accepted:
                        accepted.sendall(b"hello")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_a_policy_denies_one_port_or_hides_the_peers(server: Coordinator, make_node: MakeNode, listener: int) -> None:
    nas, pi = join(make_node(), server, "nas"), join(make_node(), server, "pi")
    address = nas.status()["TailscaleIPs"][0]
    wait_for(lambda: pi.dial(address, listener) == "hello", "an answer over the tailnet", 20)
    server.ask("policy", f"deny nas {listener}")
    wait_for(lambda: not pi.dial(address, listener, 1), "a denied port")
    assert "nas" in peers(pi)
    server.ask("policy", "none")
    wait_for(lambda: not peers(pi) and not peers(nas), "no peers")
    server.ask("policy", "allow")
    wait_for(lambda: pi.dial(address, listener) == "hello", "an answer over the tailnet", 20)


def test_no_other_node_lets_a_jailed_one_in(server: Coordinator, make_node: MakeNode, listener: int) -> None:
    nas, pi = join(make_node(), server, "nas"), join(make_node(), server, "pi")
    address = nas.status()["TailscaleIPs"][0]
    wait_for(lambda: pi.dial(address, listener) == "hello", "an answer over the tailnet", 20)
    server.ask("jail", "pi")
    wait_for(lambda: not pi.dial(address, listener, 1), "a jailed node")
    assert nas.dial(pi.status()["TailscaleIPs"][0], listener) == "hello"
    server.ask("jail", "")
    wait_for(lambda: pi.dial(address, listener) == "hello", "an answer over the tailnet", 20)


def test_peers_see_who_is_offline_and_whose_key_has_expired(server: Coordinator, make_node: MakeNode) -> None:
    nas, pi = join(make_node(), server, "nas"), join(make_node(), server, "pi")
    wait_for(lambda: peers(pi).get("nas", {}).get("Online"), "nas is online")
    server.ask("key-expiry", "2020-01-01T00:00:00Z nas")
    wait_for(lambda: peers(pi)["nas"].get("Expired"), "the key of nas has expired")
    nas.stop()
    wait_for(lambda: not peers(pi)["nas"]["Online"], "nas is offline")
    assert not (server.node("nas") or {})["online"]


def test_a_renamed_node_keeps_its_name_whatever_it_asks_for(server: Coordinator, node: Tailscaled) -> None:
    join(node, server, "nas")
    server.ask("rename", "nas attic")
    wait_for(lambda: node.status()["Self"]["DNSName"].startswith("attic."), "the new name")
    node.request("PATCH", "prefs", {"Hostname": "cellar", "HostnameSet": True})
    node.restart()
    node.wait("Running")
    assert node.status()["Self"]["DNSName"].startswith("attic.")


def test_tags_change_on_the_server_for_those_that_the_policy_knows(server: Coordinator, node: Tailscaled) -> None:
    join(node, server, "nas", "tags=tag:server")
    with pytest.raises(TestServerError, match="invalid or not permitted"):
        server.ask("retag", "nas tag:other")
    server.ask("tags", "tag:other")
    server.ask("retag", "nas tag:other")
    wait_for(lambda: node.status()["Self"]["Tags"] == ["tag:other"], "the other tag")


def test_routes_wait_for_approval(server: Coordinator, make_node: MakeNode) -> None:
    join(make_node(), server, "nas", AdvertiseRoutes=["10.7.0.0/24"])
    pi = join(make_node(), server, "pi")
    wait_for(lambda: "nas" in peers(pi), "the peer")
    assert "10.7.0.0/24" not in (peers(pi)["nas"].get("PrimaryRoutes") or [])
    server.ask("routes", "nas 10.7.0.0/24")
    wait_for(lambda: peers(pi)["nas"].get("PrimaryRoutes") == ["10.7.0.0/24"], "the route")


@pytest.mark.parametrize("manners", ["tailscale"])
def test_a_machine_waits_for_approval_unless_its_key_has_it(server: Coordinator, make_node: MakeNode) -> None:
    server.ask("require-approval", "true")
    join(make_node(), server, "nas", "preauthorized")
    waiting = make_node()
    waiting.login(server.url, server.ask("key", "-"), Hostname="pi")
    waiting.wait("NeedsMachineAuth")
    assert not peers(waiting)
    server.ask("approve")
    waiting.wait("Running")
    wait_for(lambda: "nas" in peers(waiting), "the peer")


def test_an_ephemeral_node_is_gone_after_its_logout(server: Coordinator, node: Tailscaled) -> None:
    join(node, server, "nas", "ephemeral")
    node.request("POST", "logout")
    wait_for(lambda: not server.get("nodes"), "no node")


@pytest.mark.parametrize("how", ["true", "hang"])
def test_a_paused_server_answers_nothing_and_everything_afterwards(server: Coordinator, node: Tailscaled, how: str) -> None:
    server.ask("pause", how)
    node.login(server.url, server.ask("key", "-"))
    with pytest.raises(TestServerError, match="not within"):
        node.wait("Running", timeout=2)
    assert server.get("registrations") == []
    server.ask("pause", "false")
    assert node.wait("Running") == "Running"


@pytest.mark.parametrize(("at", "used"), [("registration", False), ("answer", True)])
def test_a_server_stops_in_the_middle_of_a_registration(server: Coordinator, node: Tailscaled, at: str, used: bool) -> None:
    server.ask("stop-at", at)
    node.login(server.url, server.ask("key", "-"))
    with pytest.raises(TestServerError, match="not within"):
        node.wait("Running", timeout=2)
    assert [key["used"] for key in server.get("keys")] == [used]
    server.ask("pause", "false")
    if used:  # and tailscaled goes on with another node key
        assert node.refusal()
    else:
        assert node.wait("Running") == "Running"


def test_a_paused_server_is_away_for_nodes_that_are_connected(server: Coordinator, node: Tailscaled) -> None:
    join(node, server, "nas")
    server.ask("pause", "true")
    wait_for(lambda: not (server.node("nas") or {})["online"], "nas is offline")
    server.ask("pause", "false")
    wait_for(lambda: (server.node("nas") or {})["online"], "nas is online", 30)


def test_the_manners_change_while_the_server_runs(server: Coordinator, make_node: MakeNode) -> None:
    server.ask("manners", "headscale")
    join(make_node(), server, "nas")
    assert (server.node("nas") or {})["id"] == "1"
    with pytest.raises(TestServerError, match="the manners are one of"):
        server.ask("manners", "nobody's")


def test_the_other_tailnet_has_its_own_keys_and_nodes(server: Coordinator, node: Tailscaled) -> None:
    node.login(server.other_url, server.ask("other/key", "-"), Hostname="nas")
    node.wait("Running")
    assert (server.get("nodes"), server.get("keys")) == ([], [])
    assert node.status()["Self"]["DNSName"] == "nas.other.tailnet.test."
