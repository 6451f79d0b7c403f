# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons why no address of a host answers: a likely cause and a fix for each observation."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import (
    CONTROLLER,
    INVENTORY,
    NAME,
    Controller,
    Destination,
    Peer,
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
