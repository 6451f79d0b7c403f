# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New logins, with their requests and the preferences that they keep, and logouts."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from tailscale_call import declare
from tailscale_double import REFUSED, Daemon

KEY = "tskey-auth-good"
EXPIRED = "2026-01-01T00:00:00Z"
OTHER = "https://other.example.org"
TAILNET = "100.64.0.7 51234 100.64.0.1 22"
LAN = "192.168.7.2 51234 192.168.7.10 22"


def new_logins() -> dict[str, tuple[Daemon, dict[str, t.Any], str]]:
    """Cases that need a new login: the node, the declared options, and the reason in the message."""
    expired = Daemon("Stopped")
    expired.state, expired.expiry = "NeedsLogin", EXPIRED
    lost = Daemon()
    lost.health = [REFUSED]
    asleep = Daemon("Stopped")
    asleep.expiry = EXPIRED
    return {
        "expired": (expired, {}, "its key has expired"),
        "refused since": (lost, {}, r"refused its last login \(invalid authkey\)"),
        "expired while down": (asleep, {}, "its key has expired"),
        "login server": (
            Daemon(),
            {"login_server": OTHER},
            f"login_server is {OTHER}, but this node is logged in at https://cont",
        ),
        "tags": (Daemon(), {"tags": ["tag:new", "tag:b"]}, "tags are to be tag:b, tag:new, but this node has tag:server"),
    }


LOGINS = list(new_logins())


@pytest.mark.parametrize("why", LOGINS)
def test_new_login_uses_the_key_and_keeps_other_preferences(why: str) -> None:
    daemon, options, _words = new_logins()[why]
    daemon.preferences["AdvertiseRoutes"] = ["10.9.0.0/16"]
    check = declare(daemon, check_mode=True, auth_key=KEY, ssh_connection=LAN, **options)
    assert daemon.sent == []
    real = declare(daemon, auth_key=KEY, ssh_connection=LAN, **options)
    assert (real["changed"], real["joined"], daemon.state) == (True, True, "Running")
    assert daemon.preferences["AdvertiseRoutes"] == ["10.9.0.0/16"]
    assert daemon.preferences["ControlURL"] == options.get("login_server", "https://controlplane.tailscale.com")
    assert sorted(daemon.tags) == sorted(options.get("tags", ["tag:server"]))
    assert check["diff"]["after"] == real["diff"]["after"]
    assert check["changed"]
    daemon.reads = daemon.writes = 0
    again = declare(daemon, **options)
    assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})


@pytest.mark.parametrize("why", LOGINS)
def test_new_login_without_a_key_is_an_error_with_the_reason(why: str) -> None:
    daemon, options, words = new_logins()[why]
    with pytest.raises(NodeError, match=rf"{words}.* auth_key is empty.*tailscale_auth_key"):
        declare(daemon, **options)
    assert [kind for kind, _sent in daemon.sent] == (["edit"] if why == "expired while down" else [])


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("why", [why for why in LOGINS if why != "expired while down"])
def test_new_login_over_the_tailnet_is_refused(why: str, check_mode: bool) -> None:
    daemon, options, words = new_logins()[why]
    with pytest.raises(NodeError, match=rf"{words}.* over the tailnet: .*LAN.*accept_risk"):
        declare(daemon, check_mode, ssh_connection=TAILNET, auth_key=KEY, **options)
    assert daemon.sent == []
    assert declare(daemon, ssh_connection=TAILNET, auth_key=KEY, accept_risk=True, **options)["joined"]


def test_logged_out_node_may_be_reached_from_an_address_like_the_tailnets() -> None:
    assert declare(Daemon("NeedsLogin"), ssh_connection=TAILNET, auth_key=KEY, ssh=True)["joined"]


@pytest.mark.parametrize("why", ["login server", "tags"])
def test_failed_login_keeps_the_working_one(why: str) -> None:
    daemon, options, _words = new_logins()[why]
    before = dict(daemon.preferences)
    with pytest.raises(NodeError, match=r"refused auth_key: invalid authkey.* keeps its earlier login"):
        declare(daemon, auth_key="tskey-auth-wrong", **options)
    assert (daemon.preferences, daemon.state) == (before, "Running")


def test_key_with_other_tags_is_an_error_in_each_run() -> None:
    daemon = Daemon()
    daemon.tags_of_key = ["tag:key"]
    for _run in range(2):
        with pytest.raises(NodeError, match=r"gave it the tags tag:key where tags asks for tag:new.*tagOwners"):
            declare(daemon, auth_key=KEY, tags=["tag:new"])
    assert not declare(daemon, tags=["tag:key", "tag:key"])["changed"]
    fresh = Daemon("NeedsLogin")
    fresh.tags_of_key = []
    with pytest.raises(NodeError, match="gave it the tags none where"):
        declare(fresh, auth_key=KEY, tags=["tag:new"])


def test_expired_node_keeps_its_control_server() -> None:
    daemon, _options, _words = new_logins()["expired"]
    daemon.preferences["ControlURL"] = OTHER
    declare(daemon, auth_key=KEY)
    assert daemon.preferences["ControlURL"] == OTHER
    fresh = Daemon("NeedsLogin", ControlURL=OTHER)
    declare(fresh, auth_key=KEY)
    assert fresh.preferences["ControlURL"] == "https://controlplane.tailscale.com"
    assert not declare(fresh, login_server="https://login.tailscale.com/")["changed"], "both URLs mean the same server"


def test_stopped_node_needs_no_login_for_its_tags() -> None:
    daemon = Daemon("Stopped")
    result = declare(daemon, tags=["tag:server"])
    assert (result["changed"], result["joined"]) == (True, False)


def test_second_logout_changes_nothing() -> None:
    daemon = Daemon()
    assert declare(daemon, check_mode=True, state="absent")["changed"]
    assert daemon.state == "Running"
    assert declare(daemon, state="absent")["changed"]
    assert daemon.state == "NeedsLogin"
    assert not declare(daemon, state="absent")["changed"]


def test_logout_over_the_tailnet_is_refused_also_in_check_mode() -> None:
    daemon = Daemon()
    for check_mode in (True, False):
        with pytest.raises(NodeError, match=r"state: absent would end the connection .* LAN or a console.* accept_risk"):
            declare(daemon, check_mode, ssh_connection=TAILNET, state="absent")
    assert daemon.state == "Running"
    assert declare(daemon, ssh_connection=TAILNET, state="absent", accept_risk=True)["changed"]
    assert not declare(daemon, ssh_connection=TAILNET, state="absent")["changed"]


def test_expired_node_logs_out_and_an_unfinished_login_is_cancelled() -> None:
    daemon, _options, _words = new_logins()["expired"]
    assert declare(daemon, state="absent")["changed"]
    assert daemon.keys == 0
    trying = Daemon("NeedsLogin", WantRunning=True, LoggedOut=False)
    assert declare(trying, state="absent")["changed"]
    assert (trying.preferences["WantRunning"], trying.preferences["LoggedOut"]) == (False, True)
    assert not declare(trying, state="absent")["changed"]


def test_unanswered_logout_is_an_error_and_finished_by_the_next_run() -> None:
    daemon = Daemon()
    daemon.silent = True
    with pytest.raises(NodeError, match=r"controlplane.tailscale.com has not confirmed the logout within 1 s .*Run again"):
        declare(daemon, state="absent")
    with pytest.raises(NodeError, match=r"logged out of its tailnet, and auth_key is empty"):
        declare(daemon)
    daemon.silent = False
    assert declare(daemon, state="absent")["changed"]
    assert daemon.keys == 0
    assert not declare(daemon, state="absent")["changed"]
