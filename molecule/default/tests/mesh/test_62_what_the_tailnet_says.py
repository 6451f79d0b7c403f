# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify tells what an administrator of the tailnet did, while old connections still hide it."""

from __future__ import annotations

import datetime
import typing as t

import pytest


def soon(days: float) -> str:
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def administrator(lab: t.Any) -> t.Iterator[t.Callable[..., t.Any]]:
    """Sends commands to the control server; afterwards everything is as before."""
    yield lambda *words: lab("coordinator", *words)
    lab("coordinator", "key-expiry", "never")
    lab("coordinator", "policy", "allow")


def found(play: t.Any, *options: str) -> str:
    """The output of a verify that failed."""
    run = play("playbooks/verify.yml", *options)
    assert run.code != 0, run.output
    return str(run.output)


def test_key_that_expires_soon_is_a_finding_unless_that_is_declared(administrator: t.Any, play: t.Any) -> None:
    administrator("key-expiry", f"{soon(3.5)} pi")
    output = found(play)
    assert "pi: the key of its node expires in 3 days" in output
    assert "nas: the key" not in output
    declared = play("playbooks/verify.yml", "--extra-vars", '{"firewall_key_expiry_days": 3}')
    assert declared.code == 0, declared.output


def test_policy_without_the_sync_port_is_named_though_all_are_connected(administrator: t.Any, play: t.Any) -> None:
    for name in ("nas", "pi", "vps"):
        administrator("policy", f"deny {name} 22000")
    output = found(play)
    assert "cannot open a new connection to each other's Syncthing" in output
    assert "does the tailnet's access policy (a grant or ACL) allow tcp:22000?" in output
    assert "is not connected to" not in output, "the connections of before are still open"
    administrator("policy", "allow")
    assert play("playbooks/verify.yml").code == 0


def test_expired_key_of_a_locked_host_is_told_by_the_others(administrator: t.Any, play: t.Any, eventually: t.Any) -> None:
    administrator("key-expiry", f"{soon(-1)} pi")
    output = found(play)
    assert "pi cannot be reached by SSH" in output
    assert "The key of pi in the tailnet has expired" in output, "says the controller"
    assert "the key of its node has expired, says tailscaled on nas" in output
    run = play("site.yml", "--limit", "pi,nas")
    assert "unreachable: pi (the key of its node has expired, says tailscaled on nas)" in run.output
    administrator("key-expiry", "never")
    assert eventually(lambda: play("playbooks/verify.yml").code == 0, 60), "an expiry that is taken back needs no login"


def test_renamed_host_is_told_with_its_new_name(administrator: t.Any, play: t.Any) -> None:
    administrator("rename", "pi pie")
    try:
        output = found(play)
    finally:
        administrator("rename", "pie pi")
    assert "a machine with that host name is called pie there" in output, "says the controller"
    assert "its node is called pie in the tailnet, and not pi, says tailscaled on" in output
    assert "tailscale_hostname: pie" in output
    assert play("playbooks/verify.yml").code == 0
