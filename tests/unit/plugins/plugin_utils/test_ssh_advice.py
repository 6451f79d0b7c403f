# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons why no address of a host answers: a likely cause and a fix for each observation."""

from __future__ import annotations

import json
import typing as t

import pytest
import tailnet_statuses as recorded
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import (
    CONTROLLER,
    HOST,
    INVENTORY,
    NAME,
    Controller,
    Destination,
    Peer,
    parse_controller,
)
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_advice import (
    Attempt,
    causes,
    shorten_ssh_error,
    temporary_address,
)

DESTINATION = Destination("192.168.1.10", "192.168.1.10", "192.168.1.10", known_hosts=("~/.ssh/known_hosts",))
UNKNOWN = "ssh: Could not resolve hostname nas: Name or service not known"
TIMEOUT = "ssh: connect to host 192.168.1.10 port 22: Connection timed out"
NO_KEY = (
    "No ED25519 host key is known for 192.168.1.10 and you have requested strict checking.\r\nHost key verification failed.\r\n"
)
CHANGED = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed."
DENIED = "root@nas: Permission denied (publickey)."
OTHER = "another machine answered: its own Tailscale says that it is pi"
PIPE = "Connection closed by UNKNOWN port 65535"  # the only message when a ProxyCommand cannot resolve the name


def nas(name: str = "nas", online: bool = True, expired: bool = False) -> Peer:
    return Peer(name, "nas", f"{name}.home.ts.net", ("100.64.0.7",), online, expired)


def seen(*peers: Peer, state: str = "Running") -> Controller:
    return Controller(state, peers, "home.ts.net")


LAN_CLOSED = Attempt("192.168.1.10", INVENTORY, TIMEOUT)


@pytest.mark.parametrize(
    ("attempts", "controller", "words"),
    [
        (
            [Attempt("nas", NAME, UNKNOWN), LAN_CLOSED],
            Controller(),
            ["own Tailscale does not answer", "tailsync_tailscale_command"],
        ),
        ([Attempt("nas", NAME, UNKNOWN), LAN_CLOSED], seen(state="Stopped"), ["its state is Stopped", "tailscale up"]),
        ([Attempt("nas", NAME, UNKNOWN), LAN_CLOSED], seen(state="NeedsLogin"), ["NeedsLogin", "tailscale up"]),
        ([Attempt("nas", NAME, UNKNOWN), LAN_CLOSED], seen(), ["no machine nas", "tailscale_hostname"]),
        ([Attempt("nas", NAME, UNKNOWN), LAN_CLOSED], seen(nas("nas-1")), ["is called nas-1 there", "tailscale_hostname: nas-1"]),
        ([Attempt("nas", NAME, UNKNOWN), LAN_CLOSED], seen(nas(online=False)), ["nas is offline"]),
        ([Attempt("nas", NAME, UNKNOWN), LAN_CLOSED], seen(nas(expired=True)), ["has expired", "admin console"]),
        (
            [Attempt("nas", NAME, UNKNOWN), Attempt("100.64.0.7", CONTROLLER, TIMEOUT), LAN_CLOSED],
            seen(nas()),
            ["accept-dns=true", "ansible_host to 100.64.0.7", "access policy", "shields_up", "ansible_host right"],
        ),
        ([Attempt("nas", NAME, PIPE), Attempt("100.64.0.7", CONTROLLER, TIMEOUT)], seen(nas()), ["accept-dns=true"]),
        ([Attempt("nas", NAME, TIMEOUT), LAN_CLOSED], seen(nas()), ["access policy"]),
        ([Attempt("nas", NAME, NO_KEY)], seen(nas()), ["no host key for 192.168.1.10", "ssh nas", "fingerprint"]),
        ([Attempt("nas", NAME, CHANGED)], seen(nas()), ["another machine", "ssh-keygen -R '192.168.1.10'"]),
        ([Attempt("192.168.1.10", INVENTORY, DENIED)], seen(), ["refuses the login", "ansible_user"]),
        ([Attempt("192.168.1.10", INVENTORY, "ssh: connect: Connection refused")], seen(), ["ansible_port", "sshd"]),
        ([Attempt("nas", NAME, OTHER), LAN_CLOSED], seen(), ["belongs to another machine", "tailscale_hostname"]),
        ([LAN_CLOSED], Controller(), ["192.168.1.10, the address in the inventory, does not answer"]),
    ],
)
def test_cause_of_a_failed_login_is_named_with_its_fix(attempts: list[Attempt], controller: Controller, words: list[str]) -> None:
    said = " ".join(causes(attempts, controller, "nas", DESTINATION, ["tailscale"]))
    assert [word for word in words if word not in said] == []


def test_only_observed_causes_are_named() -> None:
    said = " ".join(causes([Attempt("nas", NAME, TIMEOUT), LAN_CLOSED], seen(nas()), "nas", DESTINATION))
    assert "accept-dns" not in said, "the name was resolved"
    assert "host key" not in said
    assert "does not answer (" not in said
    assert "Tailscale" not in " ".join(causes([LAN_CLOSED], Controller(), "", DESTINATION)), "no tailnet name was given"


def test_advice_for_an_address_that_only_the_host_gave() -> None:
    said = temporary_address("100.64.0.7", "nas")
    assert "set ansible_host to 100.64.0.7" in said
    assert "tailscale set --accept-dns=true" in said


def test_ssh_failure_is_shortened_to_its_last_line() -> None:
    text = (
        "Failed to connect to the host via ssh: debug1: something\nssh: connect to host 10.0.0.1 port 22: Connection timed out\n"
    )
    assert shorten_ssh_error(text) == "ssh: connect to host 10.0.0.1 port 22: Connection timed out"
    assert shorten_ssh_error("") == "no answer"


def advice(status: t.Any, label: str = "pi", *attempts: Attempt) -> str:
    tried = attempts or (Attempt(label, NAME, UNKNOWN), LAN_CLOSED)
    return " ".join(causes(tried, parse_controller(json.dumps(status)), label, DESTINATION, ["tailscale"]))


@pytest.mark.parametrize(
    ("status", "label", "words"),
    [
        (
            recorded.EXPIRED,
            "vps",
            ["The key of vps in the tailnet has expired", "headscale nodes expire --identifier 3 --disable"],
        ),
        (
            recorded.RENAMED,
            "vps",
            ["is called vpsx there (100.64.0.3): set tailscale_hostname: vpsx", "headscale nodes rename --identifier 3 vps"],
        ),
        (recorded.OFFLINE, "pi", ["pi is offline in the tailnet since 2026-11-26T17:00:00Z", "can it reach the control server"]),
        (recorded.DELETED_BY_NAS, "pi", ["has no machine pi", "was deleted there", "has not joined it yet"]),
        (recorded.SERVER_DOWN, "pi", ["own Tailscale has no connection to its control server (tailscale status)"]),
        (
            recorded.status(recorded.node("nas", Expired=True), state="NeedsLogin"),
            "pi",
            ["its state is NeedsLogin), because the key of its node has expired: tailscale up"],
        ),
        (recorded.status(recorded.node("nas"), state="NeedsMachineAuth"), "pi", ["This machine waits for approval"]),
    ],
)
def test_controller_says_what_its_tailnet_knows_of_the_host(status: t.Any, label: str, words: list[str]) -> None:
    assert [word for word in words if word not in advice(status, label)] == []


def test_renamed_machine_that_is_also_expired_or_offline_is_told_so() -> None:
    for more, words in ({"Expired": True}, "and its key has expired"), ({"Online": False}, "and it is offline"):
        renamed = recorded.node("vps", DNSName="vpsx.mesh.example.", **more)
        assert words in advice(recorded.status(recorded.node("nas"), renamed), "vps")


def test_host_that_believes_to_be_in_the_tailnet_was_deleted_there() -> None:
    """The proof before the firewall closes: the host itself gave its address."""
    said = advice(recorded.DELETED_BY_NAS, "pi", Attempt("pi", NAME, UNKNOWN), Attempt("100.64.0.2", HOST, TIMEOUT))
    assert "its node was deleted at the control server" in said
    assert "restart tailscaled on the host" in said
    assert "not joined" not in said


def test_healthy_tailnet_gives_no_cause() -> None:
    said = advice(recorded.HEALTHY, "pi")
    for word in ("expired", "offline", "deleted", "renamed", "control server", "approval"):
        assert word not in said, said
