# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New logins, with their requests and the preferences that they keep, and logouts."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from tailscale_call import ask, declare
from tailscale_double import LOGIN_ERROR, REFUSED, Daemon

KEY = "tskey-auth-good"
HS_KEY = "hskey-auth-good"
HEADSCALE = "https://hs.example.org"
EXPIRED = "2026-01-01T00:00:00Z"
OTHER = "https://other.example.org"
TAILNET = "100.64.0.7 51234 100.64.0.1 22"
LAN = "192.168.7.2 51234 192.168.7.10 22"


def new_logins() -> dict[str, tuple[Daemon, dict[str, t.Any], str]]:
    """Cases that need a new login: the node, the declared options, and the reason in the message."""
    expired = Daemon("Stopped")
    expired.state, expired.expiry = "NeedsLogin", EXPIRED
    lost = Daemon()
    lost.health, lost.deleted, lost.online = [REFUSED], True, False
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
def test_each_login_spends_its_single_use_key_once(why: str) -> None:
    daemon, options, _words = new_logins()[why]
    daemon.single_use = True
    assert declare(daemon, auth_key=KEY, ssh_connection=LAN, **options)["joined"]
    assert (daemon.registrations, daemon.health) == ([KEY], [])
    fresh = Daemon("NeedsLogin")
    fresh.single_use = True
    assert declare(fresh, auth_key=KEY, **options)["joined"]
    assert (fresh.registrations, fresh.health) == ([KEY], [])


@pytest.mark.parametrize("why", LOGINS)
def test_new_login_without_a_key_is_an_error_with_the_reason(why: str) -> None:
    daemon, options, words = new_logins()[why]
    words = "its login is over" if why == "refused since" else words
    with pytest.raises(NodeError, match=rf"{words}.* auth_key is empty.*tailscale_auth_key"):
        declare(daemon, **options)
    # A refusal is not believed before a start without a key.
    sent = {"expired while down": ["edit"], "refused since": ["start"]}
    assert [kind for kind, _sent in daemon.sent] == sent.get(why, [])


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


def test_login_that_is_restored_after_a_silent_server_is_waited_for() -> None:
    daemon = at_headscale(ControlURL="https://old.example.org")
    daemon.silent_server, daemon.delay = HEADSCALE, 5
    with pytest.raises(NodeError, match=r"did not answer.* keeps its earlier login"):
        declare(daemon, auth_key=HS_KEY, login_server=HEADSCALE)


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


def at_headscale(state: str = "Running", tags: t.Sequence[str] = (), **prefs: t.Any) -> Daemon:
    daemon = Daemon(state, **{"ControlURL": HEADSCALE, "AdvertiseTags": None, **prefs})
    daemon.headscale = daemon.single_use = True
    daemon.tags = list(tags)
    return daemon


@pytest.mark.parametrize("why", ["expired", "deleted", "moved", "refused since"])
def test_headscale_node_logs_in_again_under_its_old_node_key(why: str) -> None:
    daemon = at_headscale(ControlURL="https://old.example.org" if why == "moved" else HEADSCALE)
    if why == "expired":
        daemon.state, daemon.expiry = "NeedsLogin", EXPIRED
    if why == "deleted":
        daemon.state, daemon.deleted, daemon.auth_url = "NeedsLogin", True, f"{HEADSCALE}/register/x"
    if why == "refused since":
        daemon.health = [REFUSED]
    assert declare(daemon, auth_key=HS_KEY, login_server=HEADSCALE)["joined"]
    assert (daemon.registrations, daemon.keys, daemon.health) == ([HS_KEY], 1, [])
    assert not declare(daemon, login_server=HEADSCALE)["changed"]


def test_connection_of_before_is_not_taken_for_the_new_login() -> None:
    daemon = at_headscale(ControlURL="https://old.example.org")
    daemon.stale = 5
    with pytest.raises(NodeError, match="refused auth_key: invalid authkey"):
        declare(daemon, auth_key="hskey-auth-wrong", login_server=HEADSCALE)
    daemon.stale = 5
    assert declare(daemon, auth_key=HS_KEY, login_server=HEADSCALE)["joined"]


def test_tags_of_a_new_headscale_node_are_compared_and_not_advertised() -> None:
    daemon = at_headscale("NeedsLogin", AdvertiseTags=["tag:left"])
    daemon.tags_of_key = ["tag:server"]
    options: dict[str, t.Any] = {"login_server": HEADSCALE, "tags": ["tag:server"]}
    assert declare(daemon, auth_key=HS_KEY, **options)["joined"]
    assert (daemon.preferences["AdvertiseTags"], daemon.tags) == ([], ["tag:server"])
    assert not declare(daemon, **options)["changed"]
    other = at_headscale("NeedsLogin")
    other.tags_of_key = ["tag:key"]
    with pytest.raises(
        NodeError, match=r"gave it the tags tag:key where .* headscale nodes tag --identifier n1 --tags tag:server,"
    ):
        declare(other, auth_key=HS_KEY, **options)


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("key", ["", HS_KEY])
@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (["tag:b", "tag:a"], "nodes tag --identifier n1 --tags tag:a,tag:b, or set tags"),
        ([], r"delete the node on the server \(headscale nodes delete --identifier n1\)"),
    ],
)
def test_other_tags_of_a_headscale_node_are_refused(tags: list[str], words: str, key: str, check_mode: bool) -> None:
    daemon = at_headscale(tags=["tag:server"])
    with pytest.raises(NodeError, match=f"this node has tag:server: .*{words}") as failure:
        declare(daemon, check_mode, auth_key=key, tags=tags, shields_up=True)
    assert daemon.sent == []
    assert ask(daemon, tags=tags)["needs_login"]["refused"] == str(failure.value)
    assert declare(daemon, tags=["tag:server"], shields_up=True)["changed"], "the same tags are no reason"


@pytest.mark.parametrize("why", ["wrong key", "tags", "silent"])
def test_failed_first_login_leaves_nothing_behind(why: str) -> None:
    daemon = Daemon("NeedsLogin")
    daemon.headscale = daemon.single_use = True
    daemon.silent = why == "silent"
    before = dict(daemon.preferences)
    options: dict[str, t.Any] = {"tags": ["tag:new"], "hostname": "attic", "login_server": HEADSCALE}
    # A key of Tailscale makes the module advertise the tags, as for an own server with Tailscale's manners.
    with pytest.raises(NodeError):
        declare(daemon, auth_key="tskey-auth-wrong" if why == "wrong key" else KEY, **options)
    assert (daemon.preferences, daemon.state, daemon.pending, daemon.health) == (before, "NeedsLogin", None, [])
    daemon.silent = False
    assert declare(daemon, auth_key=HS_KEY, login_server=HEADSCALE)["joined"]


def test_failed_login_of_an_expired_node_ends_and_the_next_one_works() -> None:
    daemon = at_headscale(Hostname="nas")
    daemon.state, daemon.expiry = "NeedsLogin", EXPIRED
    before = dict(daemon.preferences)
    with pytest.raises(NodeError, match="refused auth_key"):
        declare(daemon, auth_key="hskey-auth-wrong", hostname="attic")
    assert (daemon.preferences, daemon.key, daemon.health) == (before, "", [])
    assert declare(daemon, auth_key=HS_KEY)["joined"]


def test_node_that_is_up_despite_a_refusal_has_joined() -> None:
    daemon = at_headscale()
    daemon.state, daemon.expiry, daemon.lost_answers = "NeedsLogin", EXPIRED, 1
    result = declare(daemon, auth_key=HS_KEY, hostname="attic")
    assert (result["joined"], daemon.health, daemon.preferences["Hostname"]) == (True, [], "attic")
    assert not declare(daemon, hostname="attic")["changed"]


def test_login_that_has_worked_and_is_repeated_needs_no_key() -> None:
    daemon = at_headscale()
    daemon.health, daemon.online = [f"{LOGIN_ERROR}authkey already used"], False
    with pytest.raises(NodeError, match="over the tailnet"):
        declare(daemon, ssh_connection=TAILNET)
    assert daemon.sent == []
    result = declare(daemon)
    assert (result["joined"], daemon.health, daemon.registrations) == (False, [], [])
    assert not declare(daemon)["changed"]


def test_refused_login_without_a_network_map_is_over() -> None:
    daemon = at_headscale("NoState")
    daemon.keys, daemon.health, daemon.deleted = 1, [REFUSED], True
    assert "refused its last login" in ask(daemon, timeout=1)["needs_login"]["reason"]
    assert declare(daemon, auth_key=HS_KEY)["joined"]


@pytest.mark.parametrize("single_use", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_expiry_that_headscale_keeps_is_named_with_its_cure(single_use: bool, known: bool) -> None:
    daemon = at_headscale("Stopped" if known else "NeedsLogin", tags=["tag:server"])
    daemon.keeps_expiry, daemon.single_use = True, single_use
    if known:
        daemon.state, daemon.expiry = "NeedsLogin", EXPIRED
    where = "run there headscale nodes expire --identifier n1" if known else "headscale nodes list, run there .* --identifier ID"
    with pytest.raises(NodeError, match=f"{where} --disable, and run again with a new key"):
        declare(daemon, auth_key=HS_KEY, login_server=HEADSCALE)


def test_spent_key_of_a_node_without_tags_has_no_other_cure_than_a_new_one() -> None:
    daemon = at_headscale()
    daemon.state, daemon.expiry, daemon.spent = "NeedsLogin", EXPIRED, {HS_KEY}
    with pytest.raises(NodeError, match=r"authkey already used\. Make a new key") as failure:
        declare(daemon, auth_key=HS_KEY)
    assert "expire" not in str(failure.value)


@pytest.mark.parametrize("options", [{}, {"login_server": HEADSCALE}])
def test_node_that_its_server_deleted_while_it_ran_logs_in_again(options: dict[str, t.Any]) -> None:
    daemon = at_headscale()
    daemon.deleted, daemon.online = True, False
    assert not declare(daemon, check_mode=True, **options)["changed"]
    assert not declare(daemon, ssh_connection=TAILNET, **options)["changed"]
    assert daemon.sent == []
    with pytest.raises(NodeError, match=r"must log in again, because its login is over.* auth_key is empty"):
        declare(daemon, **options)
    assert ask(daemon)["needs_login"]["reason"].endswith("because its login is over")
    assert declare(daemon, auth_key=HS_KEY, **options)["joined"]
    assert daemon.registrations == [HS_KEY]


def test_node_without_its_control_server_is_left_as_it_is() -> None:
    daemon = at_headscale()
    daemon.online, daemon.silent = False, True
    before = dict(daemon.preferences)
    assert not declare(daemon, auth_key=HS_KEY, hostname="nas")["changed"]
    assert (daemon.preferences, daemon.registrations) == (before, [])
    assert ask(daemon)["needs_login"] is None
    daemon.sent.clear()
    assert not declare(daemon, auth_key=HS_KEY, hostname="nas")["changed"]
    assert daemon.sent == [], "tailscaled says already that it gets no answer"


def test_login_that_a_user_has_begun_is_left_alone_while_the_node_is_connected() -> None:
    daemon = Daemon()
    daemon.auth_url = "https://login.tailscale.com/a/1"
    assert not declare(daemon, hostname="nas")["changed"]
    assert ask(daemon)["needs_login"] is None


def test_undeclared_tags_stay_advertised_and_no_tags_are_a_value() -> None:
    daemon = Daemon()
    daemon.state, daemon.expiry = "NeedsLogin", EXPIRED
    declare(daemon, auth_key=KEY)
    assert daemon.preferences["AdvertiseTags"] == ["tag:server"]
    assert declare(daemon, auth_key=KEY, tags=[])["joined"]
    assert (daemon.preferences["AdvertiseTags"], daemon.tags) == ([], [])
    assert not declare(daemon, tags=[])["changed"]
