# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_node's decisions, against a double that shows what the real daemon won't on demand."""

from __future__ import annotations

import datetime
import json
import pathlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _connection, _node
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._spec import CONNECTION, NODE
from tailscale_double import Daemon

KEY = "tskey-auth-good"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_node, "POLL", 0.01)
    monkeypatch.setattr(_node, "STALE_AFTER", 0.2)


def node(daemon: Daemon, check_mode: bool = False, came_by: str = "", **options: t.Any) -> dict[str, t.Any]:
    outcome = ArgumentSpecValidator({**CONNECTION, **NODE}).validate({"timeout": 1, **json.loads(json.dumps(options))})
    assert not outcome.error_messages, outcome.error_messages
    return _node.Runner(t.cast("t.Any", daemon), outcome.validated_parameters, check_mode, came_by).run()


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
        ("nickname", "home", "ProfileName", "home"),
        ("webclient", True, "RunWebClient", True),
        ("exit_node_allow_lan_access", True, "ExitNodeAllowLANAccess", True),
        ("stateful_filtering", True, "NoStatefulFiltering", False),
        ("netfilter_mode", "nodivert", "NetfilterMode", 1),
        ("advertise_connector", True, "AppConnector", {"Advertise": True}),
        ("report_posture", True, "PostureChecking", True),
        ("relay_server_port", 0, "RelayServerPort", 0),
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


def test_what_was_never_set_counts_as_off() -> None:
    daemon = Daemon()
    assert not node(daemon, auto_update=False, relay_server_port=-1, exit_node="", nickname="")["changed"]


def test_of_the_updates_only_what_is_declared_is_sent() -> None:
    daemon = Daemon()
    node(daemon, auto_update=True)
    sent = {"AutoUpdate": {"Check": True, "Apply": True}, "AutoUpdateSet": {"ApplySet": True}}
    assert daemon.sent == [("edit", sent)]


@pytest.mark.parametrize("given", ["vps", "vps.tailnet.test", "vps.tailnet.test.", "100.64.0.9", "n2"])
def test_an_exit_node_has_many_names(given: str) -> None:
    daemon = Daemon()
    assert node(daemon, exit_node=given)["diff"]["after"]["exit_node"] == "n2"
    assert daemon.preferences["ExitNodeID"] == "n2"
    assert not node(daemon, exit_node=given)["changed"]
    assert node(daemon, exit_node="")["changed"]
    assert daemon.preferences["ExitNodeID"] == ""


def test_an_exit_node_that_is_no_peer_is_named_with_those_that_are() -> None:
    with pytest.raises(NodeError, match=r"exit_node is attic, which is no peer.*offer to be one: vps"):
        node(Daemon(), exit_node="attic")


def test_check_mode_asks_the_daemon_itself() -> None:
    daemon = Daemon()
    daemon.objection = "SSH is not available here"
    with pytest.raises(NodeError, match="would refuse these preferences: SSH is not available here"):
        node(daemon, check_mode=True, ssh=True)


@pytest.mark.parametrize(("option", "value"), [("shields_up", True), ("ssh", True), ("netfilter_mode", "off")])
def test_the_runs_own_connection_is_not_cut(option: str, value: t.Any) -> None:
    over_tailnet = "100.64.0.7 51234 100.64.0.1 22"
    daemon = Daemon()
    with pytest.raises(NodeError, match=f"{option} would end the connection .* from the LAN .* accept_risk"):
        node(daemon, came_by=over_tailnet, **{option: value})
    assert daemon.sent == []
    assert node(daemon, came_by="192.168.1.2 51234 192.168.1.10 22", **{option: value})["changed"]
    assert not node(daemon, came_by=over_tailnet, **{option: value})["changed"], "what is so already is no risk"
    assert node(Daemon(), came_by=over_tailnet, accept_risk=True, **{option: value})["changed"]


def test_where_the_connection_came_from_is_found_above_sudo(tmp_path: pathlib.Path) -> None:
    for pid, parent, environment in (
        (40, 30, b"HOME=/root\0"),
        (30, 20, b"SUDO_USER=admin\0"),
        (20, 10, b"SSH_CONNECTION=100.64.0.7 51234 100.64.0.1 22\0HOME=/home/admin\0"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "environ").write_bytes(environment)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a (strange) name) S {parent} 1 1", encoding="ascii")
    assert _connection.ssh_connection(40, tmp_path) == "100.64.0.7 51234 100.64.0.1 22"
    assert _connection.ssh_connection(99, tmp_path) == ""


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


def test_a_key_that_will_expire_is_warned_of() -> None:
    now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
    assert _node.days_until("2027-05-23T11:59:00.123456789Z", now) == 179
    assert _node.days_until("2026-11-23T12:00:00Z", now) == -1
    assert _node.days_until(None, now) is None
    soon = {"key_expiry": "2026-12-01T12:00:00Z", "key_expiry_days": 7}
    assert "expires in 7 days (2026-12-01T12:00:00Z)" in _node.warnings_of(soon)[0]
    assert _node.warnings_of(node(Daemon())["node"]) == []


def test_no_daemon() -> None:
    daemon = Daemon()
    daemon.missing = True
    check = node(daemon, check_mode=True, auth_key=KEY)
    assert (check["changed"], check["node"]["backend_state"]) == (True, None)
    with pytest.raises(NodeError, match="not running"):
        node(daemon, auth_key=KEY)
