# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_node's decisions, against a double that shows what the real daemon won't on demand."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _node
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._spec import CONNECTION, NODE
from tailscale_double import Daemon

KEY = "tskey-auth-good"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_node, "POLL", 0.01)
    monkeypatch.setattr(_node, "STALE_AFTER", 0.2)


def node(daemon: Daemon, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    outcome = ArgumentSpecValidator({**CONNECTION, **NODE}).validate({"timeout": 1, **json.loads(json.dumps(options))})
    assert not outcome.error_messages, outcome.error_messages
    return _node.Runner(t.cast("t.Any", daemon), outcome.validated_parameters, check_mode).run()


def test_as_declared_costs_two_reads_and_no_write() -> None:
    daemon = Daemon()
    result = node(daemon, hostname="nas", accept_dns=True)
    assert not result["changed"]
    assert result["requests"] == {"reads": 2, "writes": 0}
    assert result["node"]["ipv4"] == "100.64.0.1"
    assert result["node"]["dns_name"] == "nas.tailnet.test"


def test_a_logged_out_node_joins_with_the_key() -> None:
    daemon = Daemon("NeedsLogin")
    result = node(daemon, auth_key=KEY, hostname="nas", login_server="https://control.example.org", tags=["tag:server"])
    assert (result["changed"], result["joined"], daemon.state) == (True, True, "Running")
    assert daemon.preferences["ControlURL"] == "https://control.example.org"
    assert daemon.preferences["AdvertiseTags"] == ["tag:server"]
    assert KEY not in str(result)
    assert not node(daemon, hostname="nas", login_server="https://control.example.org/", tags=["tag:server"])["changed"]


def test_without_a_key_it_says_so_before_anything_is_sent() -> None:
    daemon = Daemon("NeedsLogin")
    with pytest.raises(NodeError, match=r"logged out.*auth_key is empty.*tailscale_auth_key"):
        node(daemon, hostname="nas")
    assert daemon.sent == []


def test_a_key_is_not_asked_for_when_it_is_not_needed() -> None:
    assert not node(Daemon(), hostname="nas")["changed"]


def test_a_refused_key_is_named_with_the_servers_reason() -> None:
    with pytest.raises(NodeError, match="refused auth_key: invalid authkey") as failure:
        node(Daemon("NeedsLogin"), auth_key="tskey-auth-wrong")
    assert "tskey-auth-wrong" not in str(failure.value)


def test_an_earlier_refusal_does_not_fail_a_good_key() -> None:
    daemon = Daemon("NeedsLogin")
    daemon.health = ["You are logged out. The last login error was: invalid authkey"]
    assert node(daemon, auth_key=KEY)["joined"]


def test_the_same_wrong_key_again_is_refused_again() -> None:
    daemon = Daemon("NeedsLogin")
    daemon.health = ["You are logged out. The last login error was: invalid authkey"]
    with pytest.raises(NodeError, match="refused auth_key"):
        node(daemon, auth_key="tskey-auth-wrong")


def test_a_control_server_that_is_silent_is_waited_for_so_long_and_no_longer() -> None:
    daemon = Daemon("NeedsLogin")
    daemon.silent = True
    with pytest.raises(NodeError, match=r"did not come up within 1 s.*login_server"):
        node(daemon, auth_key=KEY)


@pytest.mark.parametrize("before", ["NeedsLogin", "NeedsMachineAuth"])
def test_approval_is_reported_as_what_it_is(before: str) -> None:
    daemon = Daemon(before)
    daemon.approval = True
    with pytest.raises(NodeError, match="NeedsMachineAuth"):
        node(daemon, auth_key=KEY)


def test_a_stopped_node_comes_up_without_a_key() -> None:
    daemon = Daemon("Stopped")
    result = node(daemon, hostname="nas")
    assert (result["changed"], result["joined"], daemon.state) == (True, False, "Running")


@pytest.mark.parametrize(
    ("option", "value", "preference", "sent"),
    [
        ("hostname", "attic", "Hostname", "attic"),
        ("accept_dns", False, "CorpDNS", False),
        ("accept_routes", True, "RouteAll", True),
        ("ssh", True, "RunSSH", True),
        ("shields_up", True, "ShieldsUp", True),
        ("snat_subnet_routes", False, "NoSNAT", True),
        ("operator", "admin", "OperatorUser", "admin"),
        ("advertise_routes", ["192.168.1.0/24"], "AdvertiseRoutes", ["192.168.1.0/24"]),
        ("advertise_exit_node", True, "AdvertiseRoutes", ["0.0.0.0/0", "::/0"]),
    ],
)
def test_one_preference_is_one_small_edit(option: str, value: t.Any, preference: str, sent: t.Any) -> None:
    daemon = Daemon()
    check = node(daemon, check_mode=True, **{option: value})
    assert daemon.sent == []
    real = node(daemon, **{option: value})
    assert daemon.sent == [("edit", {preference: sent, f"{preference}Set": True})]
    assert (check["changed"], check["diff"]) == (real["changed"], real["diff"])
    assert real["diff"]["after"][option] == value
    assert not node(daemon, **{option: value})["changed"]


def test_a_flag_is_really_removed() -> None:
    daemon = Daemon(AdvertiseRoutes=["0.0.0.0/0", "192.168.1.0/24", "::/0"])
    node(daemon, advertise_exit_node=False)
    assert daemon.preferences["AdvertiseRoutes"] == ["192.168.1.0/24"]
    node(daemon, advertise_routes=[])
    assert daemon.preferences["AdvertiseRoutes"] == []


def test_what_would_cut_the_runs_own_connection_is_refused() -> None:
    daemon = Daemon()
    with pytest.raises(NodeError, match=r"login_server is https://other\.example\.org.*log it out first"):
        node(daemon, login_server="https://other.example.org")
    with pytest.raises(NodeError, match=r"tags are to be \['tag:other'\]"):
        node(daemon, tags=["tag:other"])
    assert daemon.sent == []


def test_leaving_once_and_again() -> None:
    daemon = Daemon()
    assert node(daemon, check_mode=True, state="absent")["changed"]
    assert daemon.state == "Running"
    assert node(daemon, state="absent")["changed"]
    assert daemon.state == "NeedsLogin"
    assert not node(daemon, state="absent")["changed"]


def test_no_daemon() -> None:
    daemon = Daemon()
    daemon.missing = True
    check = node(daemon, check_mode=True, auth_key=KEY)
    assert (check["changed"], check["node"]["backend_state"]) == (True, None)
    with pytest.raises(NodeError, match="not running"):
        node(daemon, auth_key=KEY)
