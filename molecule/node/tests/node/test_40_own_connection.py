# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that would end the run's own SSH connection are refused with a fix: over the tailnet, and over the LAN."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from control_double import SECRET, ControlServer

REFUSED_OVER_TAILNET: dict[str, tuple[dict[str, t.Any], str]] = {
    "shields_up": ({"shields_up": True}, "shields_up would end the connection"),
    "ssh": ({"ssh": True}, "ssh would end the connection"),
    "netfilter_mode": ({"netfilter_mode": "off"}, "netfilter_mode would end the connection"),
    "logout": ({"state": "absent"}, "state: absent would end the connection"),
    "tags": ({"tags": ["tag:server"], "auth_key": "tskey-auth-any"}, "change them in the admin console or by its API"),
    "login server": (
        {"login_server": "http://172.31.77.2:8082", "auth_key": "tskey-auth-any"},
        "run it with an auth_key of the new server from the LAN or a console",
    ),
}


def test_changes_that_cut_the_tailnet_are_refused_over_the_tailnet(run_steps: t.Any, prefs: t.Any) -> None:
    before = prefs("nas")
    steps = [{"node": node, "check": check} for node, _words in REFUSED_OVER_TAILNET.values() for check in (True, False)]
    results = run_steps({"nas": [*steps, {"node": {"hostname": "nas"}}]}, tailnet=True).of("nas")
    for number, (name, (_node, words)) in enumerate(REFUSED_OVER_TAILNET.items()):
        for outcome in results[2 * number : 2 * number + 2]:
            assert words in outcome["msg"], name
            assert "which is over the tailnet" in outcome["msg"], name
            assert "accept_risk: true" in outcome["msg"], name
    assert not results[-1]["changed"]
    assert prefs("nas") == before


def test_exit_node_and_route_that_divert_answers_to_the_lan_are_refused(
    run_steps: t.Any, set_coordinator: t.Any, prefs: t.Any
) -> None:
    offers = {"node": {"advertise_exit_node": True, "advertise_routes": ["172.31.77.0/24"]}}
    run_steps({"vps": [offers]})
    (unapproved,) = run_steps({"nas": [{"node": {"exit_node": "vps"}}]}).of("nas")
    assert "exit_node is vps, which does not offer to be one, or is not approved as one" in unapproved["msg"]
    set_coordinator("routes", "vps 0.0.0.0/0 ::/0 172.31.77.0/24")
    near = {"exit_node": "vps", "exit_node_allow_lan_access": True}
    steps = [
        {"node": {"exit_node": "vps"}},
        {"node": {"accept_routes": True}},
        {"node": near, "check": True},
        {"node": near},
        {"node": near},
        {"node": {"exit_node_allow_lan_access": False}},
        {"node": {"exit_node": "auto:any"}},
        {"node": {"exit_node": "", "exit_node_allow_lan_access": False}},
    ]
    cut, taken, check, real, again, late, auto, off = run_steps({"nas": steps}).of("nas")
    assert "exit_node would end the connection of this run, which is from 172.31.77.5" in cut["msg"]
    assert "exit_node_allow_lan_access: true if that is its LAN" in cut["msg"]
    assert "answers to 172.31.77.5 would go to vps, which advertises 172.31.77.0/24" in taken["msg"]
    assert (real["changed"], check["diff"]) == (True, real["diff"])
    assert (again["changed"], again["requests"]) == (False, {"reads": 2, "writes": 0})
    assert "would leave through the exit node" in late["msg"]
    assert auto["diff"]["after"]["exit_node"] == "auto:any"
    assert off["changed"]
    shown = prefs("nas")
    assert (shown["ExitNodeID"], shown["ExitNodeIP"], shown.get("AutoExitNode")) == ("", "", None)
    run_steps({"vps": [{"node": {"advertise_exit_node": False, "advertise_routes": []}}]})
    assert not prefs("vps")["AdvertiseRoutes"], "the flag is removed"


def test_check_mode_predicts_what_tailscaled_refuses(run_steps: t.Any, set_coordinator: t.Any) -> None:
    set_coordinator("ssh", "false")
    check, real = run_steps({"nas": [{"node": {"ssh": True}, "check": True}, {"node": {"ssh": True}}]}).of("nas")
    assert "tailscaled would refuse these preferences: Unable to enable local Tailscale SSH server" in check["msg"]
    assert "tailscaled refused PATCH prefs: Unable to enable local Tailscale SSH server" in real["msg"]


@pytest.fixture
def mint(key: str) -> t.Iterator[ControlServer]:
    server = ControlServer()
    server.key = key
    yield server
    server.close()


def test_key_is_made_for_a_needed_login_but_not_for_a_refused_one(
    play: t.Any, set_coordinator: t.Any, mint: ControlServer, status: t.Any
) -> None:
    given = {
        "role": "tailscale",
        "tailscale_auth_key": "",
        "tailscale_oauth_client_secret": SECRET,
        "tailscale_api_url": mint.url,
        "tailscale_tags": ["tag:server"],
    }
    set_coordinator("tags", "tag:server tag:other")
    over_tailnet = play("tests/lab/playbooks/alone.yml", "--limit", "nas", variables=given)
    assert over_tailnet.code != 0
    assert "tags are to be tag:server, but this node has none. A new login would end the connection" in over_tailnet.output
    assert mint.requests == []
    tags = play("molecule/node/role.yml", "--limit", "nas", variables=given)
    assert (tags.code, tags.changed, len(mint.keys)) == (0, {"nas": 1}, 1), tags.output
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    set_coordinator("key-expiry", f"{yesterday:%Y-%m-%dT%H:%M:%SZ} nas")
    expired = play("molecule/node/role.yml", "--limit", "nas", variables=given)
    assert (expired.code, expired.changed, len(mint.keys)) == (0, {"nas": 1}, 2), expired.output
    assert (status("nas")["BackendState"], status("nas")["Self"]["Tags"]) == ("Running", ["tag:server"])
    mint.requests.clear()
    again = play("molecule/node/role.yml", "--limit", "nas", variables=given)
    assert (again.code, again.changed, mint.requests) == (0, {"nas": 0}, []), again.output
