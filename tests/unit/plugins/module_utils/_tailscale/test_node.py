# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_node's decisions, against a double with behaviour that the real daemon does not show on demand."""

from __future__ import annotations

import datetime
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _status
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable, NodeError
from ansible_collections.homelab.tailsync.plugins.modules import tailscale_node, tailscale_node_info
from tailscale_call import declare
from tailscale_double import Daemon

KEY = "tskey-auth-good"
OTHER = "https://other.example.org"


def test_node_that_matches_costs_two_reads_and_no_write() -> None:
    daemon = Daemon()
    result = declare(daemon, hostname="nas", accept_dns=True)
    assert not result["changed"]
    assert result["requests"] == {"reads": 2, "writes": 0}
    assert result["node"]["ipv4"] == "100.64.0.1"
    assert result["node"]["dns_name"] == "nas.tailnet.test"


def test_logged_out_node_joins_with_the_key() -> None:
    daemon = Daemon("NeedsLogin")
    result = declare(daemon, auth_key=KEY, hostname="nas", login_server="https://control.example.org", tags=["tag:server"])
    assert (result["changed"], result["joined"], daemon.state) == (True, True, "Running")
    assert daemon.preferences["ControlURL"] == "https://control.example.org"
    assert daemon.preferences["AdvertiseTags"] == ["tag:server"]
    assert KEY not in str(result)
    assert not declare(daemon, hostname="nas", login_server="https://control.example.org/", tags=["tag:server"])["changed"]


@pytest.mark.parametrize(
    ("names", "hostname", "given"),
    [
        (["nas", "nas", "nas", "attic"], "attic", "attic"),  # the name appears soon after the change
        (["nas", "nas", "attic"], "ATTIC", "attic"),
        (["nas", "nas", "attic-1"], "attic", "attic-1"),  # another node has the name, so it never appears
    ],
)
def test_new_name_after_a_changed_hostname_is_waited_for(names: list[str], hostname: str, given: str) -> None:
    daemon = Daemon()
    daemon.names = names
    assert declare(daemon, hostname=hostname)["node"]["dns_name"] == f"{given}.tailnet.test"


def test_name_is_not_waited_for_when_nothing_changes() -> None:
    daemon = Daemon(Hostname="pi")
    daemon.names = ["pie"]
    result = declare(daemon, hostname="pi")
    assert (result["changed"], result["requests"]) == (False, {"reads": 2, "writes": 0})


def test_empty_login_server_counts_as_undeclared() -> None:
    daemon = Daemon(ControlURL="https://control.example.org")
    assert not declare(daemon, hostname="nas", login_server="")["changed"]
    assert declare(Daemon("NeedsLogin"), auth_key=KEY, login_server="")["joined"]


def test_missing_key_is_an_error_before_any_write() -> None:
    daemon = Daemon("NeedsLogin")
    with pytest.raises(NodeError, match=r"logged out.*auth_key is empty.*tailscale_auth_key"):
        declare(daemon, hostname="nas")
    assert daemon.sent == []


def test_logged_in_node_needs_no_key() -> None:
    assert not declare(Daemon(), hostname="nas")["changed"]


def test_refused_key_is_an_error_with_the_servers_reason() -> None:
    with pytest.raises(NodeError, match="refused auth_key: invalid authkey") as failure:
        declare(Daemon("NeedsLogin"), auth_key="tskey-auth-wrong")
    assert "tskey-auth-wrong" not in str(failure.value)


def test_earlier_refusal_does_not_fail_a_good_key() -> None:
    daemon = Daemon("NeedsLogin")
    daemon.health = ["You are logged out. The last login error was: invalid authkey"]
    assert declare(daemon, auth_key=KEY)["joined"]


def test_same_wrong_key_is_refused_again() -> None:
    daemon = Daemon("NeedsLogin")
    daemon.health = ["You are logged out. The last login error was: invalid authkey"]
    with pytest.raises(NodeError, match="refused auth_key"):
        declare(daemon, auth_key="tskey-auth-wrong")


def test_silent_control_server_is_an_error_after_the_timeout() -> None:
    daemon = Daemon("NeedsLogin")
    daemon.silent = True
    with pytest.raises(
        NodeError,
        match=r"did not log in within 1 s, because .*https://controlplane.tailscale.com did not answer.*EOF.*login_server",
    ):
        declare(daemon, auth_key=KEY)


@pytest.mark.parametrize("before", ["NeedsLogin", "NeedsMachineAuth"])
def test_missing_approval_is_an_error(before: str) -> None:
    daemon = Daemon(before)
    daemon.approval = True
    with pytest.raises(NodeError, match="NeedsMachineAuth"):
        declare(daemon, auth_key=KEY)


def test_stopped_node_starts_without_a_key() -> None:
    daemon = Daemon("Stopped")
    result = declare(daemon, hostname="nas")
    assert (result["changed"], result["joined"], daemon.state) == (True, False, "Running")


def test_unset_preference_counts_as_off() -> None:
    daemon = Daemon()
    assert not declare(daemon, auto_update=False, relay_server_port=-1, relay_server_static_endpoints=[], exit_node="")["changed"]


def test_only_the_declared_part_of_auto_update_is_sent() -> None:
    daemon = Daemon()
    declare(daemon, auto_update=True)
    sent = {"AutoUpdate": {"Check": True, "Apply": True}, "AutoUpdateSet": {"ApplySet": True}}
    assert daemon.sent == [("edit", sent)]


@pytest.mark.parametrize("given", ["vps", "vps.tailnet.test", "vps.tailnet.test.", "100.64.0.9", "n2"])
def test_exit_node_may_be_given_by_any_of_its_names(given: str) -> None:
    daemon = Daemon()
    assert declare(daemon, exit_node=given)["diff"]["after"]["exit_node"] == given
    assert daemon.preferences["ExitNodeID"] == "n2"
    assert not declare(daemon, exit_node=given)["changed"]
    assert declare(daemon, exit_node="")["changed"]
    assert daemon.preferences["ExitNodeID"] == ""


def test_unknown_exit_node_is_an_error_that_lists_the_offered_ones() -> None:
    with pytest.raises(NodeError, match=r"exit_node is attic, which is no peer.*offer to be one: vps"):
        declare(Daemon(), exit_node="attic")


def test_check_mode_asks_tailscaled() -> None:
    daemon = Daemon()
    daemon.objection = "SSH is not available here"
    with pytest.raises(NodeError, match="would refuse these preferences: SSH is not available here"):
        declare(daemon, check_mode=True, ssh=True)


def test_advertised_routes_are_removed() -> None:
    daemon = Daemon(AdvertiseRoutes=["0.0.0.0/0", "192.168.1.0/24", "::/0"])
    declare(daemon, advertise_exit_node=False)
    assert daemon.preferences["AdvertiseRoutes"] == ["192.168.1.0/24"]
    declare(daemon, advertise_routes=[])
    assert daemon.preferences["AdvertiseRoutes"] == []


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
        ({"auth_key": "hskey-api-SECRET"}, "auth_key holds an API key of Headscale.* hskey-auth-"),
        ({"auth_key": "hskey-client-SECRET"}, "auth_key holds the secret of an OAuth client of Headscale"),
    ],
)
def test_bad_values_of_a_node_are_refused_before_any_request(options: dict[str, t.Any], words: str) -> None:
    daemon = Daemon()
    with pytest.raises(NodeError, match=words) as failure:
        declare(daemon, **options)
    assert (daemon.reads, daemon.writes) == (0, 0)
    assert "SECRET" not in str(failure.value)


def test_lists_are_equal_in_any_order_and_spelling() -> None:
    daemon = Daemon(AdvertiseRoutes=["10.0.0.0/8", "2001:db8::/32"], RelayServerStaticEndpoints=["[2001:db8::1]:4000"])
    options: dict[str, t.Any] = {
        "advertise_routes": ["2001:0db8::/32", "10.0.0.0/8"],
        "relay_server_static_endpoints": ["[2001:db8:0::1]:4000"],
    }
    assert not declare(daemon, **options)["changed"]


def test_preference_that_tailscaled_does_not_store_is_an_error() -> None:
    daemon = Daemon()
    daemon.not_stored = {"RunWebClient"}
    with pytest.raises(NodeError, match="webclient is to be True, and tailscaled accepted that without an error, but has False"):
        declare(daemon, webclient=True, shields_up=True)
    fresh = Daemon("NeedsLogin")
    fresh.not_stored = {"RunWebClient"}
    with pytest.raises(NodeError, match="webclient is to be True"):
        declare(fresh, auth_key=KEY, webclient=True)


def test_exit_node_can_be_declared_before_the_login() -> None:
    daemon = Daemon("NeedsLogin")
    check = declare(daemon, check_mode=True, auth_key=KEY, exit_node="vps")
    real = declare(daemon, auth_key=KEY, exit_node="vps")
    assert daemon.preferences["ExitNodeID"] == "n2"
    assert check["diff"]["after"] == real["diff"]["after"]
    assert not declare(daemon, exit_node="vps")["changed"]


def test_exit_node_of_the_old_tailnet_is_cleared() -> None:
    daemon = Daemon(ExitNodeID="n7")
    declare(daemon, auth_key=KEY, login_server=OTHER)
    assert daemon.preferences["ExitNodeID"] == ""
    daemon = Daemon(ExitNodeID="n7")
    declare(daemon, auth_key=KEY, login_server=OTHER, exit_node="vps")
    assert (dict(daemon.sent[0][1])["ExitNodeID"], daemon.preferences["ExitNodeID"]) == ("", "n2")


def test_automatic_exit_node_is_replaced_or_cleared() -> None:
    daemon = Daemon(AutoExitNode="any", ExitNodeID="n7")
    assert not declare(daemon, exit_node="auto:any")["changed"]
    declare(daemon, exit_node="vps")
    assert (daemon.preferences["AutoExitNode"], daemon.preferences["ExitNodeID"]) == ("", "n2")
    daemon = Daemon(AutoExitNode="any", ExitNodeID="n7")
    declare(daemon, exit_node="")
    assert (daemon.preferences["AutoExitNode"], daemon.preferences["ExitNodeID"]) == ("", "")


def test_tailscaled_may_restart_during_a_change() -> None:
    daemon = Daemon("Stopped")
    daemon.restarts = 3
    result = declare(daemon, hostname="attic")
    assert result["changed"]
    assert result["diff"]["before"] == {"state": "Stopped", "hostname": "nas"}
    daemon.missing = True
    with pytest.raises(DaemonUnavailable):
        declare(daemon, hostname="attic")


def test_warning_for_a_node_key_that_expires() -> None:
    now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
    assert _status.days_until("2027-05-23T11:59:00.123456789Z", now) == 179
    assert _status.days_until("2026-11-23T12:00:00Z", now) == -1
    assert _status.days_until(None, now) is None
    soon = {"key_expiry": "2026-12-01T12:00:00Z", "key_expiry_days": 7}
    assert "expires in 7 days (2026-12-01T12:00:00Z)" in _status.warnings_of(soon)[0]
    assert "expires in 1 day (" in _status.warnings_of({**soon, "key_expiry_days": 1})[0]
    assert "expires within a day (" in _status.warnings_of({**soon, "key_expiry_days": 0})[0]
    assert "has expired (" in _status.warnings_of({**soon, "key_expiry_days": -1})[0]
    assert _status.warnings_of(declare(Daemon())["node"]) == []


def test_every_returned_key_is_documented() -> None:
    returned = yaml.safe_load(tailscale_node_info.RETURN)
    status = Daemon().status(peers=True)
    assert set(returned["node"]["contains"]) == set(_status.describe(status)) == set(_status.unknown_node())
    assert set(returned["peers"]["contains"]) == set(_status.describe_peers(status)[0])
    assert yaml.safe_load(tailscale_node.RETURN)["node"]["contains"] == returned["node"]["contains"]


def test_missing_tailscaled_is_an_error_except_in_check_mode() -> None:
    daemon = Daemon()
    daemon.missing = True
    check = declare(daemon, check_mode=True, auth_key=KEY)
    assert (check["changed"], check["node"]["backend_state"]) == (True, None)
    with pytest.raises(NodeError, match="not running"):
        declare(daemon, auth_key=KEY)
