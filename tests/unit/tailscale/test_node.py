# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_node's decisions, against a double that shows what the real daemon won't on demand."""

from __future__ import annotations

import datetime
import json
import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _connection, _node, _status
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import DaemonUnavailable, NodeError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._spec import CONNECTION, NODE
from ansible_collections.homelab.tailsync.plugins.modules import tailscale_node, tailscale_node_info
from tailscale_double import REFUSED, Daemon

KEY = "tskey-auth-good"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_node, "POLL", 0.01)
    monkeypatch.setattr(_node, "SOON", 0.2)


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


@pytest.mark.parametrize(
    ("names", "hostname", "given"),
    [
        (["nas", "nas", "nas", "attic"], "attic", "attic"),  # it comes soon after the change
        (["nas", "nas", "attic"], "ATTIC", "attic"),
        (["nas", "nas", "attic-1"], "attic", "attic-1"),  # another node has it, so it never comes
    ],
)
def test_the_name_that_a_changed_hostname_brings_is_waited_for(names: list[str], hostname: str, given: str) -> None:
    daemon = Daemon()
    daemon.names = names
    assert node(daemon, hostname=hostname)["node"]["dns_name"] == f"{given}.tailnet.test"


def test_the_name_is_not_waited_for_when_nothing_changes() -> None:
    daemon = Daemon(Hostname="pi")
    daemon.names = ["pie"]
    result = node(daemon, hostname="pi")
    assert (result["changed"], result["requests"]) == (False, {"reads": 2, "writes": 0})


def test_an_empty_login_server_is_none_that_is_given() -> None:
    daemon = Daemon(ControlURL="https://control.example.org")
    assert not node(daemon, hostname="nas", login_server="")["changed"]
    assert node(Daemon("NeedsLogin"), auth_key=KEY, login_server="")["joined"]


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
    with pytest.raises(
        NodeError,
        match=r"did not log in within 1 s, because .*https://controlplane.tailscale.com did not answer.*EOF.*login_server",
    ):
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
        ("relay_server_static_endpoints", ["192.0.2.1:4000"], "RelayServerStaticEndpoints", ["192.0.2.1:4000"]),
        ("exit_node", "auto:any", "AutoExitNode", "any"),
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
    assert not node(daemon, auto_update=False, relay_server_port=-1, relay_server_static_endpoints=[], exit_node="")["changed"]


def test_of_the_updates_only_what_is_declared_is_sent() -> None:
    daemon = Daemon()
    node(daemon, auto_update=True)
    sent = {"AutoUpdate": {"Check": True, "Apply": True}, "AutoUpdateSet": {"ApplySet": True}}
    assert daemon.sent == [("edit", sent)]


@pytest.mark.parametrize("given", ["vps", "vps.tailnet.test", "vps.tailnet.test.", "100.64.0.9", "n2"])
def test_an_exit_node_has_many_names(given: str) -> None:
    daemon = Daemon()
    assert node(daemon, exit_node=given)["diff"]["after"]["exit_node"] == given
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


@pytest.mark.parametrize("came_by", ["UNKNOWN 65535 UNKNOWN 65535", "nonsense", " "])
def test_what_names_no_address_is_no_connection(came_by: str) -> None:
    """sshd writes UNKNOWN where its connection is a pipe."""
    daemon = Daemon()
    assert node(daemon, came_by=came_by, exit_node="vps", accept_routes=True, shields_up=True)["changed"]


def test_a_flag_is_really_removed() -> None:
    daemon = Daemon(AdvertiseRoutes=["0.0.0.0/0", "192.168.1.0/24", "::/0"])
    node(daemon, advertise_exit_node=False)
    assert daemon.preferences["AdvertiseRoutes"] == ["192.168.1.0/24"]
    node(daemon, advertise_routes=[])
    assert daemon.preferences["AdvertiseRoutes"] == []


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
    check = node(daemon, check_mode=True, auth_key=KEY, came_by=LAN, **options)
    assert daemon.sent == []
    real = node(daemon, auth_key=KEY, came_by=LAN, **options)
    assert (real["changed"], real["joined"], daemon.state) == (True, True, "Running")
    assert daemon.preferences["AdvertiseRoutes"] == ["10.9.0.0/16"]
    assert daemon.preferences["ControlURL"] == options.get("login_server", "https://controlplane.tailscale.com")
    assert sorted(daemon.tags) == sorted(options.get("tags", ["tag:server"]))
    assert check["diff"]["after"] == real["diff"]["after"]
    assert check["changed"]
    daemon.reads = daemon.writes = 0
    again = node(daemon, **options)
    assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})


@pytest.mark.parametrize("why", LOGINS)
def test_a_new_login_without_a_key_is_one_sentence(why: str) -> None:
    daemon, options, words = new_logins()[why]
    with pytest.raises(NodeError, match=rf"{words}.* auth_key is empty.*tailscale_auth_key"):
        node(daemon, **options)
    assert [kind for kind, _sent in daemon.sent] == (["edit"] if why == "expired while down" else [])


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("why", [why for why in LOGINS if why != "expired while down"])
def test_no_new_login_over_the_tailnet(why: str, check_mode: bool) -> None:
    daemon, options, words = new_logins()[why]
    with pytest.raises(NodeError, match=rf"{words}.* over the tailnet: .*LAN.*accept_risk"):
        node(daemon, check_mode, came_by=TAILNET, auth_key=KEY, **options)
    assert daemon.sent == []
    assert node(daemon, came_by=TAILNET, auth_key=KEY, accept_risk=True, **options)["joined"]


def test_who_is_logged_out_may_come_from_addresses_that_are_like_the_tailnets() -> None:
    assert node(Daemon("NeedsLogin"), came_by=TAILNET, auth_key=KEY, ssh=True)["joined"]


@pytest.mark.parametrize("why", ["login server", "tags"])
def test_a_login_that_fails_leaves_the_one_that_works(why: str) -> None:
    daemon, options, _words = new_logins()[why]
    before = dict(daemon.preferences)
    with pytest.raises(NodeError, match=r"refused auth_key: invalid authkey.* goes on as it was before"):
        node(daemon, auth_key="tskey-auth-wrong", **options)
    assert (daemon.preferences, daemon.state) == (before, "Running")


def test_a_key_that_brings_its_own_tags_is_an_error_and_no_endless_change() -> None:
    daemon = Daemon()
    daemon.tags_of_key = ["tag:key"]
    for _run in range(2):
        with pytest.raises(NodeError, match=r"gave it the tags tag:key where tags asks for tag:new.*tagOwners"):
            node(daemon, auth_key=KEY, tags=["tag:new"])
    assert not node(daemon, tags=["tag:key", "tag:key"])["changed"]
    fresh = Daemon("NeedsLogin")
    fresh.tags_of_key = []
    with pytest.raises(NodeError, match="gave it the tags none where"):
        node(fresh, auth_key=KEY, tags=["tag:new"])


def test_an_expired_node_stays_at_its_server_and_a_failed_attempt_does_not_choose_one() -> None:
    daemon, _options, _words = new_logins()["expired"]
    daemon.preferences["ControlURL"] = OTHER
    node(daemon, auth_key=KEY)
    assert daemon.preferences["ControlURL"] == OTHER
    fresh = Daemon("NeedsLogin", ControlURL=OTHER)
    node(fresh, auth_key=KEY)
    assert fresh.preferences["ControlURL"] == "https://controlplane.tailscale.com"
    assert not node(fresh, login_server="https://login.tailscale.com/")["changed"], "two names for one server"


def test_a_node_that_is_down_does_not_know_its_tags() -> None:
    daemon = Daemon("Stopped")
    result = node(daemon, tags=["tag:server"])
    assert (result["changed"], result["joined"]) == (True, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"advertise_routes": ["192.168.1.5/24"]}, r"192\.168\.1\.5/24, which is an address within 192\.168\.1\.0/24: write"),
        ({"advertise_routes": ["192.168.1.0"]}, "a route is a subnet as CIDR"),
        ({"advertise_routes": ["lan"]}, "a route is a subnet as CIDR"),
        ({"advertise_routes": ["0.0.0.0/0"]}, "use advertise_exit_node: true"),
        ({"tags": ["server"]}, "tags has server: a tag is tag: and a name"),
        ({"hostname": "my nas"}, "hostname is my nas"),
        ({"login_server": "headscale.example.org"}, "must begin with https://"),
        ({"relay_server_port": 70000}, "relay_server_port is 70000"),
        ({"relay_server_static_endpoints": ["192.0.2.1"]}, "relay_server_static_endpoints has 192"),
        ({"relay_server_static_endpoints": ["2001:db8::1:40000"]}, "an endpoint is an IP address and a port"),
        ({"exit_node": "auto:best"}, "auto:any"),
        ({"exit_node": "vps", "advertise_exit_node": True}, "uses an exit node or is one"),
        ({"timeout": 0}, "timeout is 0"),
        ({"auth_key": "tskey-api-SECRET"}, "auth_key holds an API token"),
        ({"auth_key": "tskey-client-SECRET"}, "auth_key holds the secret of an OAuth client"),
        ({"auth_key": "file:/root/SECRET"}, "auth_key holds the name of a file"),
    ],
)
def test_bad_values_are_refused_before_anything_is_sent(options: dict[str, t.Any], words: str) -> None:
    daemon = Daemon()
    with pytest.raises(NodeError, match=words) as failure:
        node(daemon, **options)
    assert (daemon.reads, daemon.writes) == (0, 0)
    assert "SECRET" not in str(failure.value)


def test_lists_are_the_same_in_any_order_and_spelling() -> None:
    daemon = Daemon(AdvertiseRoutes=["10.0.0.0/8", "2001:db8::/32"], RelayServerStaticEndpoints=["[2001:db8::1]:4000"])
    options: dict[str, t.Any] = {
        "advertise_routes": ["2001:0db8::/32", "10.0.0.0/8"],
        "relay_server_static_endpoints": ["[2001:db8:0::1]:4000"],
    }
    assert not node(daemon, **options)["changed"]


def test_what_the_daemon_drops_without_a_word_is_named() -> None:
    daemon = Daemon()
    daemon.deaf = {"RunWebClient"}
    with pytest.raises(NodeError, match="webclient is to be True, and tailscaled took that without an error, but has False"):
        node(daemon, webclient=True, shields_up=True)
    fresh = Daemon("NeedsLogin")
    fresh.deaf = {"RunWebClient"}
    with pytest.raises(NodeError, match="webclient is to be True"):
        node(fresh, auth_key=KEY, webclient=True)


def test_an_exit_node_that_is_only_known_from_inside() -> None:
    daemon = Daemon("NeedsLogin")
    check = node(daemon, check_mode=True, auth_key=KEY, exit_node="vps")
    real = node(daemon, auth_key=KEY, exit_node="vps")
    assert daemon.preferences["ExitNodeID"] == "n2"
    assert check["diff"]["after"] == real["diff"]["after"]
    assert not node(daemon, exit_node="vps")["changed"]


def test_an_exit_node_of_the_old_tailnet_does_not_come_along() -> None:
    daemon = Daemon(ExitNodeID="n7")
    node(daemon, auth_key=KEY, login_server=OTHER)
    assert daemon.preferences["ExitNodeID"] == ""
    daemon = Daemon(ExitNodeID="n7")
    node(daemon, auth_key=KEY, login_server=OTHER, exit_node="vps")
    assert (dict(daemon.sent[0][1])["ExitNodeID"], daemon.preferences["ExitNodeID"]) == ("", "n2")


def test_from_auto_to_a_certain_exit_node_and_to_none() -> None:
    daemon = Daemon(AutoExitNode="any", ExitNodeID="n7")
    assert not node(daemon, exit_node="auto:any")["changed"]
    node(daemon, exit_node="vps")
    assert (daemon.preferences["AutoExitNode"], daemon.preferences["ExitNodeID"]) == ("", "n2")
    daemon = Daemon(AutoExitNode="any", ExitNodeID="n7")
    node(daemon, exit_node="")
    assert (daemon.preferences["AutoExitNode"], daemon.preferences["ExitNodeID"]) == ("", "")


@pytest.mark.parametrize(
    ("options", "client", "cut"),
    [
        ({"exit_node": "vps"}, LAN, "exit_node would end .* from 192.168.7.2.* set exit_node_allow_lan_access"),
        ({"exit_node": "auto:any"}, LAN, "exit_node would end"),
        ({"exit_node": "vps", "exit_node_allow_lan_access": True}, LAN, None),
        ({"exit_node": "vps", "exit_node_allow_lan_access": True}, "8.8.8.8 5 9.9.9.9 22", "exit_node would end"),
        ({"exit_node": "vps"}, TAILNET, None),
        ({"exit_node": "vps"}, "", None),
        ({"accept_routes": True}, LAN, "accept_routes would end .* vps, which advertises 192.168.7.0/24"),
        ({"accept_routes": True}, "192.168.8.2 5 192.168.8.10 22", None),
        ({"accept_routes": True}, TAILNET, None),
        ({"netfilter_mode": "nodivert"}, TAILNET, "netfilter_mode would end"),
    ],
)
def test_what_sends_the_answers_elsewhere_is_refused(options: dict[str, t.Any], client: str, cut: str | None) -> None:
    for daemon in (Daemon(), Daemon("NeedsLogin")) if "exit_node" in options else (Daemon(),):
        given = {**options, "auth_key": KEY}
        if cut and not (client == TAILNET and daemon.state == "NeedsLogin"):
            with pytest.raises(NodeError, match=cut):
                node(daemon, came_by=client, **given)
            assert daemon.sent == []
            assert node(daemon, came_by=client, accept_risk=True, **given)["changed"]
        elif client != TAILNET or daemon.keys:
            assert node(daemon, came_by=client, **given)["changed"]
        assert not node(Daemon(ExitNodeID="n2", RouteAll=True), came_by=LAN, exit_node="vps", accept_routes=True)["changed"]


def test_tailscaled_may_restart_meanwhile() -> None:
    daemon = Daemon("Stopped")
    daemon.restarts = 3
    result = node(daemon, hostname="attic")
    assert result["changed"]
    assert result["diff"]["before"] == {"state": "Stopped", "hostname": "nas"}
    daemon.missing = True
    with pytest.raises(DaemonUnavailable):
        node(daemon, hostname="attic")


def test_leaving_once_and_again() -> None:
    daemon = Daemon()
    assert node(daemon, check_mode=True, state="absent")["changed"]
    assert daemon.state == "Running"
    assert node(daemon, state="absent")["changed"]
    assert daemon.state == "NeedsLogin"
    assert not node(daemon, state="absent")["changed"]


def test_leaving_over_the_tailnet_is_refused_and_a_check_says_so() -> None:
    daemon = Daemon()
    for check_mode in (True, False):
        with pytest.raises(NodeError, match=r"state: absent would end the connection .* LAN or a console.* accept_risk"):
            node(daemon, check_mode, came_by=TAILNET, state="absent")
    assert daemon.state == "Running"
    assert node(daemon, came_by=TAILNET, state="absent", accept_risk=True)["changed"]
    assert not node(daemon, came_by=TAILNET, state="absent")["changed"]


def test_an_expired_node_leaves_and_a_join_that_was_given_up_is_called_off() -> None:
    daemon, _options, _words = new_logins()["expired"]
    assert node(daemon, state="absent")["changed"]
    assert daemon.keys == 0
    trying = Daemon("NeedsLogin", WantRunning=True, LoggedOut=False)
    assert node(trying, state="absent")["changed"]
    assert (trying.preferences["WantRunning"], trying.preferences["LoggedOut"]) == (False, True)
    assert not node(trying, state="absent")["changed"]


def test_a_logout_that_the_control_server_does_not_answer_is_finished_by_the_next_run() -> None:
    daemon = Daemon()
    daemon.silent = True
    with pytest.raises(NodeError, match=r"controlplane.tailscale.com has not taken the logout, .* 1 s at most .*Run again"):
        node(daemon, state="absent")
    with pytest.raises(NodeError, match=r"logged out of its tailnet, and auth_key is empty"):
        node(daemon)
    daemon.silent = False
    assert node(daemon, state="absent")["changed"]
    assert daemon.keys == 0
    assert not node(daemon, state="absent")["changed"]


def test_a_key_that_will_expire_is_warned_of() -> None:
    now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
    assert _status.days_until("2027-05-23T11:59:00.123456789Z", now) == 179
    assert _status.days_until("2026-11-23T12:00:00Z", now) == -1
    assert _status.days_until(None, now) is None
    soon = {"key_expiry": "2026-12-01T12:00:00Z", "key_expiry_days": 7}
    assert "expires in 7 days (2026-12-01T12:00:00Z)" in _status.warnings_of(soon)[0]
    assert "expires in 1 day (" in _status.warnings_of({**soon, "key_expiry_days": 1})[0]
    assert "expires within a day (" in _status.warnings_of({**soon, "key_expiry_days": 0})[0]
    assert "has expired (" in _status.warnings_of({**soon, "key_expiry_days": -1})[0]
    assert _status.warnings_of(node(Daemon())["node"]) == []


def test_every_returned_key_is_documented() -> None:
    returned = yaml.safe_load(tailscale_node_info.RETURN)
    status = Daemon().status(peers=True)
    assert set(returned["node"]["contains"]) == set(_status.describe(status)) == set(_status.unknown_node())
    assert set(returned["peers"]["contains"]) == set(_status.describe_peers(status)[0])
    assert yaml.safe_load(tailscale_node.RETURN)["node"]["contains"] == returned["node"]["contains"]


def test_no_daemon() -> None:
    daemon = Daemon()
    daemon.missing = True
    check = node(daemon, check_mode=True, auth_key=KEY)
    assert (check["changed"], check["node"]["backend_state"]) == (True, None)
    with pytest.raises(NodeError, match="not running"):
        node(daemon, auth_key=KEY)
