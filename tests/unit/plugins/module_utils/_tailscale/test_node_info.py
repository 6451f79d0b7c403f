# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tailscale_node_info predicts the login that tailscale_node would make."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import DaemonUnavailable, NodeError
from tailscale_call import ask, declare
from tailscale_double import REFUSED, Daemon

TAILNET = "100.64.0.7 51234 100.64.0.1 22"
OTHER = "https://other.example.org"


def expired() -> Daemon:
    daemon = Daemon("Stopped")
    daemon.state, daemon.expiry = "NeedsLogin", "2026-01-01T00:00:00Z"
    return daemon


def refused() -> Daemon:
    daemon = Daemon()
    daemon.health = [REFUSED]
    return daemon


LOGINS: dict[str, tuple[t.Callable[[], Daemon], dict[str, t.Any], str | None]] = {
    "as declared": (Daemon, {"tags": ["tag:server"], "login_server": "https://login.tailscale.com"}, None),
    "nothing declared": (Daemon, {}, None),
    "stopped": (lambda: Daemon("Stopped"), {}, None),
    "awaits approval": (lambda: Daemon("NeedsMachineAuth"), {}, None),
    "logged out": (lambda: Daemon("NeedsLogin"), {}, "this node is logged out of its tailnet"),
    "expired": (expired, {}, "this node must log in again, because its key has expired"),
    "refused since": (refused, {}, "because the control server refused its last login (invalid authkey)"),
    "tags": (Daemon, {"tags": ["tag:b", "tag:a", "tag:b"]}, "tags are to be tag:a, tag:b, but this node has tag:server"),
    "no tags": (Daemon, {"tags": []}, "tailscale_tags, out to keep those of the node), but this node has tag:server"),
    "login server": (Daemon, {"login_server": OTHER}, f"login_server is {OTHER}, but this node is logged in at"),
}


@pytest.mark.parametrize("why", LOGINS)
def test_needed_login_is_predicted(why: str) -> None:
    make, options, reason = LOGINS[why]
    daemon = make()
    found = ask(daemon, **options)["needs_login"]
    assert (daemon.writes, found is None) == (0, reason is None)
    if reason:
        assert reason in found["reason"]
        assert found["refused"] is None
    if why == "awaits approval":  # a key does not help
        return
    assert declare(daemon, auth_key="tskey-auth-good", **options)["joined"] == (reason is not None)


@pytest.mark.parametrize("why", [why for why, (_make, _options, reason) in LOGINS.items() if reason and why != "logged out"])
def test_login_that_would_end_the_runs_connection_is_predicted_as_refused(why: str) -> None:
    make, options, _reason = LOGINS[why]
    found = ask(make(), TAILNET, **options)["needs_login"]
    assert "would end the connection of this run" in found["refused"]
    with pytest.raises(NodeError) as failure:
        declare(make(), ssh_connection=TAILNET, auth_key="tskey-auth-good", **options)
    assert str(failure.value) == found["refused"], "the messages differ"
    assert ask(make(), TAILNET, accept_risk=True, **options)["needs_login"]["refused"] is None


def test_kind_of_the_control_server_may_be_given() -> None:
    node = Daemon(ControlURL=OTHER)
    assert "headscale nodes tag" in ask(node, tags=["tag:b"])["needs_login"]["refused"]
    assert ask(node, tags=["tag:b"], api="tailscale")["needs_login"]["refused"] is None
    assert "headscale nodes tag" in ask(Daemon(), tags=["tag:b"], api="headscale")["needs_login"]["refused"]


def test_node_without_a_network_map_is_known_by_its_earlier_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise replace_node would remove the host's own machine, whose login expired before a restart of the host."""
    node = expired()
    node.preferences["Config"] = {"NodeID": "nOWN"}
    without_map = {**node.status(), "Self": {"ID": "", "PublicKey": "nodekey:1"}}
    monkeypatch.setattr(node, "status", lambda peers=False: without_map)
    found = ask(node)
    assert (found["node"]["id"], found["needs_login"]["refused"]) == ("nOWN", None)
    node.preferences["Config"] = None  # after a logout
    assert ask(node)["node"]["id"] is None


def test_missing_tailscaled_counts_as_logged_out_with_missing_ok() -> None:
    daemon = Daemon()
    daemon.missing = True
    found = ask(daemon, missing_ok=True)
    assert found["node"]["backend_state"] is None
    assert found["needs_login"] == {"reason": "tailscaled is not running on this host", "refused": None}
    with pytest.raises(DaemonUnavailable):
        ask(daemon)


def test_starting_tailscaled_is_waited_for_with_a_timeout() -> None:
    late = Daemon()
    late.restarts = -3
    with pytest.raises(DaemonUnavailable):
        ask(late)
    late.restarts = -3
    assert ask(late, timeout=1)["node"]["backend_state"] == "Running"
    undecided = Daemon("NoState")
    assert ask(undecided)["node"]["backend_state"] == "NoState"
    with pytest.raises(NodeError, match="did not finish its start within 1 s"):
        ask(undecided, timeout=1)


def test_bad_values_for_tailscale_node_info_are_refused_before_any_request() -> None:
    daemon = Daemon()
    with pytest.raises(NodeError, match="tags has server"):
        ask(daemon, tags=["server"])
    assert daemon.reads == 0
