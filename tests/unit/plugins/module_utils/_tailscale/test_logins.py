# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes a new login, what that is given, what it must not lose, and the logout."""

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
    """What needs a new login: the node, what is declared, and what the sentence says of it."""
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
def test_a_new_login_takes_a_key_and_keeps_the_rest(why: str) -> None:
    daemon, options, _words = new_logins()[why]
    daemon.preferences["AdvertiseRoutes"] = ["10.9.0.0/16"]
    check = declare(daemon, check_mode=True, auth_key=KEY, came_by=LAN, **options)
    assert daemon.sent == []
    real = declare(daemon, auth_key=KEY, came_by=LAN, **options)
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
def test_a_new_login_without_a_key_is_one_sentence(why: str) -> None:
    daemon, options, words = new_logins()[why]
    with pytest.raises(NodeError, match=rf"{words}.* auth_key is empty.*tailscale_auth_key"):
        declare(daemon, **options)
    assert [kind for kind, _sent in daemon.sent] == (["edit"] if why == "expired while down" else [])


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("why", [why for why in LOGINS if why != "expired while down"])
def test_no_new_login_over_the_tailnet(why: str, check_mode: bool) -> None:
    daemon, options, words = new_logins()[why]
    with pytest.raises(NodeError, match=rf"{words}.* over the tailnet: .*LAN.*accept_risk"):
        declare(daemon, check_mode, came_by=TAILNET, auth_key=KEY, **options)
    assert daemon.sent == []
    assert declare(daemon, came_by=TAILNET, auth_key=KEY, accept_risk=True, **options)["joined"]


def test_who_is_logged_out_may_come_from_addresses_that_are_like_the_tailnets() -> None:
    assert declare(Daemon("NeedsLogin"), came_by=TAILNET, auth_key=KEY, ssh=True)["joined"]


@pytest.mark.parametrize("why", ["login server", "tags"])
def test_a_login_that_fails_leaves_the_one_that_works(why: str) -> None:
    daemon, options, _words = new_logins()[why]
    before = dict(daemon.preferences)
    with pytest.raises(NodeError, match=r"refused auth_key: invalid authkey.* keeps its earlier login"):
        declare(daemon, auth_key="tskey-auth-wrong", **options)
    assert (daemon.preferences, daemon.state) == (before, "Running")


def test_a_key_that_brings_its_own_tags_is_an_error_and_no_endless_change() -> None:
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


def test_an_expired_node_stays_at_its_server_and_a_failed_attempt_does_not_choose_one() -> None:
    daemon, _options, _words = new_logins()["expired"]
    daemon.preferences["ControlURL"] = OTHER
    declare(daemon, auth_key=KEY)
    assert daemon.preferences["ControlURL"] == OTHER
    fresh = Daemon("NeedsLogin", ControlURL=OTHER)
    declare(fresh, auth_key=KEY)
    assert fresh.preferences["ControlURL"] == "https://controlplane.tailscale.com"
    assert not declare(fresh, login_server="https://login.tailscale.com/")["changed"], "two names for one server"


def test_a_node_that_is_down_does_not_know_its_tags() -> None:
    daemon = Daemon("Stopped")
    result = declare(daemon, tags=["tag:server"])
    assert (result["changed"], result["joined"]) == (True, False)


def test_leaving_once_and_again() -> None:
    daemon = Daemon()
    assert declare(daemon, check_mode=True, state="absent")["changed"]
    assert daemon.state == "Running"
    assert declare(daemon, state="absent")["changed"]
    assert daemon.state == "NeedsLogin"
    assert not declare(daemon, state="absent")["changed"]


def test_leaving_over_the_tailnet_is_refused_and_a_check_says_so() -> None:
    daemon = Daemon()
    for check_mode in (True, False):
        with pytest.raises(NodeError, match=r"state: absent would end the connection .* LAN or a console.* accept_risk"):
            declare(daemon, check_mode, came_by=TAILNET, state="absent")
    assert daemon.state == "Running"
    assert declare(daemon, came_by=TAILNET, state="absent", accept_risk=True)["changed"]
    assert not declare(daemon, came_by=TAILNET, state="absent")["changed"]


def test_an_expired_node_leaves_and_a_join_that_was_given_up_is_called_off() -> None:
    daemon, _options, _words = new_logins()["expired"]
    assert declare(daemon, state="absent")["changed"]
    assert daemon.keys == 0
    trying = Daemon("NeedsLogin", WantRunning=True, LoggedOut=False)
    assert declare(trying, state="absent")["changed"]
    assert (trying.preferences["WantRunning"], trying.preferences["LoggedOut"]) == (False, True)
    assert not declare(trying, state="absent")["changed"]


def test_a_logout_that_the_control_server_does_not_answer_is_finished_by_the_next_run() -> None:
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
