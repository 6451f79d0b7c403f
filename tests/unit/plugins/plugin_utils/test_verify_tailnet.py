# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify says of expired, deleted, renamed and hidden nodes, from the recorded statuses of real nodes."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
import tailnet_statuses as recorded
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _reach, _status
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, verify_tailnet
from ansible_collections.homelab.tailsync.plugins.plugin_utils.mesh import model
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View
from tailnet_statuses import node, status
from verify_views import IDS, MESH, TAILNET, change

Views = dict[str, View]
Json = dict[str, t.Any]
SERVER = {"host": "10.9.0.1", "port": 8443, "open": True, "error": None, "resolved": True, "proxy": False}
SUBNET = "192.168.7.0/24"


def seen(given: Views, name: str, state: Json, routes: t.Sequence[str] = ()) -> Views:
    """The views with the node's recorded status."""
    asked = verify.targets(verify.plan(given)["hosts"], name)
    known = _reach.tailnet(state, {"AdvertiseRoutes": list(routes)}, [*asked["peers"], *asked["ping"]])
    found = change(given, f"{name}/node", _status.describe(state))
    return change(found, f"{name}/probed", {**found[name].probed, "tailnet": known, "control_server": SERVER})


def mesh(given: Views, of_nas: Json, of_pi: Json, **more: t.Any) -> Views:
    return seen(seen(given, "nas", of_nas, **more), "pi", of_pi)


def no_match(given: Views, name: str, peer: str) -> Views:
    return change(given, f"{name}/probed/ping", [{"address": TAILNET[peer], "answers": False, "error": "no matching peer"}])


def not_reached(given: Views, name: str, msg: str = "no SSH login at any of its addresses") -> Views:
    return change(change(change(given, f"{name}/ssh", {"address": None, "msg": msg}), f"{name}/node", {}), f"{name}/own", {})


def findings(given: Views) -> list[str]:
    return verify.conclude(given).findings


HEALTHY_PI = status(node("pi"), node("nas"), node("vps"))


def test_healthy_nodes_give_neither_finding_nor_note(views: Views) -> None:
    report = verify.conclude(mesh(views, recorded.HEALTHY, HEALTHY_PI))
    assert (report.findings, report.notes) == ([], [])


def test_facts_are_asked_of_the_hosts_and_of_devices_outside_the_run(views: Views) -> None:
    asked = verify.targets(verify.plan(views)["hosts"], "nas")
    assert asked["ping"] == [TAILNET["pi"]]
    assert asked["peers"] == ["nas", "phone"]
    assert verify.targets(verify.plan(not_reached(views, "pi"))["hosts"], "nas")["peers"] == ["nas", "phone", "pi"]


# --- deleted, hidden, in another tailnet --------------------------------------------------------


def test_node_deleted_on_the_server_is_named_though_it_looks_healthy(views: Views) -> None:
    deleted = no_match(mesh(views, recorded.DELETED_BY_NAS, recorded.DELETED_BY_PI), "nas", "pi")
    (finding,) = findings(deleted)
    assert finding.startswith(
        "pi is no peer of nas, although it runs and knows nas: its node pi was deleted at the control server"
    )
    assert "systemctl restart tailscaled" in finding
    assert verify.conclude(deleted).hosts == {"nas", "pi"}


def test_deleted_node_that_has_started_again_needs_a_login(views: Views) -> None:
    (finding,) = findings(mesh(views, recorded.DELETED_BY_NAS, recorded.DELETED_AND_RESTARTED))
    assert finding.startswith("pi: Tailscale is NeedsLogin, not Running: the control server no longer accepts its login")
    assert "tailscale_auth_key" in finding


def test_policy_that_hides_two_hosts_from_each_other_is_named(views: Views) -> None:
    hidden = mesh(views, recorded.HIDDEN, status(node("pi")))
    (finding,) = findings(no_match(no_match(hidden, "nas", "pi"), "pi", "nas"))
    assert finding == (
        "nas and pi are no peers of each other, although both run in the tailnet: does its access policy (a grant or ACL) allow "
        "any connection between them, and tcp:22000 above all?"
    )


def test_hosts_that_share_nothing_may_be_hidden_from_each_other(views: Views) -> None:
    folders = {"music": {"path": "/srv/music", "devices": ["nas", "phone"]}, "photos": {"path": "/p", "devices": ["pi", "phone"]}}
    hidden = no_match(mesh(views, recorded.HIDDEN, status(node("pi"))), "nas", "pi")
    apart = {name: dataclasses.replace(view, mesh=model({**MESH, "folders": folders})) for name, view in hidden.items()}
    assert [one for one in findings(apart) if "100.64" in one or "peer" in one] == []


@pytest.mark.parametrize("server_of_pi", [True, False])
def test_two_meshes_in_tailnets_with_the_same_addresses_are_no_finding(views: Views, server_of_pi: bool) -> None:
    """Each Headscale counts from 100.64.0.1, so nas has another peer with the address that pi has in its own tailnet."""
    folders = {"music": {"path": "/srv/music", "devices": ["nas", "phone"]}, "photos": {"path": "/p", "devices": ["pi", "phone"]}}
    of_pi = {**status(node("pi", Online=server_of_pi)), "CurrentTailnet": {"MagicDNSSuffix": "other.example"}}
    both = no_match(mesh(views, recorded.HEALTHY, of_pi), "pi", "nas")
    both = {name: dataclasses.replace(view, mesh=model({**MESH, "folders": folders})) for name, view in both.items()}
    assert [one for one in findings(both) if "100.64" in one or "tailnets" in one] == []


def test_hosts_in_different_tailnets_are_told_apart(views: Views) -> None:
    """Half way through a move from one control server to another."""
    other = {**status(node("pi")), "CurrentTailnet": {"MagicDNSSuffix": "tail1234.ts.net"}}
    (finding,) = findings(no_match(mesh(views, recorded.HIDDEN, other), "nas", "pi"))
    assert "the tailnet of nas is mesh.example, that of pi is tail1234.ts.net (tailscale_login_server)" in finding


def test_hosts_on_different_control_servers_with_one_domain_are_told_apart(views: Views) -> None:
    moved = mesh(views, recorded.HIDDEN, status(node("pi")))
    moved = change(moved, "pi/probed/control_server", {**SERVER, "host": "10.9.0.2"})
    assert "the control server of nas is 10.9.0.1 port 8443, that of pi is 10.9.0.2 port 8443" in findings(moved)[0]


def test_what_an_offline_controlled_node_knows_is_not_believed(views: Views) -> None:
    """Without its control server nas cannot know whether pi is still a peer."""
    stale = mesh(views, status(node("nas", Online=False)), HEALTHY_PI)
    assert [one for one in findings(stale) if "peer" in one] == []


# --- expired, expiring, waiting for approval ----------------------------------------------------


def test_expired_key_is_the_reason_of_a_node_that_needs_a_login(views: Views) -> None:
    expired = status(node("pi", KeyExpiry="2026-01-26T17:03:10Z", Expired=True), state="NeedsLogin")
    (finding,) = findings(mesh(views, recorded.HEALTHY, expired))
    assert "NeedsLogin, not Running: the key of its node has expired (2026-01-26T17:03:10Z)" in finding
    assert "`headscale nodes expire --identifier 2 --disable`" in finding


def test_console_is_named_only_for_the_control_server_that_has_one(views: Views) -> None:
    expired = status(node("pi", KeyExpiry="2026-01-26T17:03:10Z", Expired=True), state="NeedsLogin")
    of_tailscale = mesh(views, recorded.HEALTHY, expired)
    of_tailscale = change(of_tailscale, "pi/probed/control_server/host", "controlplane.tailscale.com")
    (finding,) = findings(of_tailscale)
    assert "Disable its key expiry in the admin console" in finding
    assert "headscale" not in finding


@pytest.mark.parametrize(
    ("days", "limit", "words"),
    [
        (3, None, "nas: the key of its node expires in 3 days (2099-01-01T00:00:00Z)"),
        (1, None, "expires in 1 day ("),
        (0, None, "expires within a day ("),
        (13, None, "expires in 13 days"),
        (14, None, None),
        (13, 7, None),
        (3, 0, None),
        (-3, 0, None),
        (-3, None, "the key of its node has expired (2099-01-01T00:00:00Z)"),
        (29, 30, "expires in 29 days"),
        (None, 30, None),
    ],
)
def test_key_that_expires_within_the_declared_time_is_a_finding(
    views: Views, days: int | None, limit: int | None, words: str | None
) -> None:
    soon = mesh(views, recorded.HEALTHY, HEALTHY_PI)
    soon = change(soon, "nas/node/key_expiry_days", days)
    soon = change(change(soon, "nas/node/key_expiry", "2099-01-01T00:00:00Z"), "nas/variables/firewall_key_expiry_days", limit)
    assert len(findings(soon)) == (1 if words else 0)
    assert words is None or words in findings(soon)[0]


def test_node_that_waits_for_approval_is_named_with_the_console(views: Views) -> None:
    (finding,) = findings(mesh(views, recorded.HEALTHY, status(node("pi"), state="NeedsMachineAuth")))
    assert finding.startswith("pi: the node is in the tailnet but waits for approval (NeedsMachineAuth): approve it")


def test_node_that_has_left_is_told_to_log_in(views: Views) -> None:
    left = {**status({"HostName": "pi"}, state="NeedsLogin"), "HaveNodeKey": False}
    (finding,) = findings(mesh(views, recorded.HEALTHY, left))
    assert finding.startswith("pi: Tailscale is NeedsLogin, not Running: it is logged out of the tailnet; log it in")


def test_node_started_without_its_control_server_waits_for_it(views: Views) -> None:
    (finding, *_others) = findings(mesh(views, recorded.HEALTHY, recorded.STARTED_WITHOUT_SERVER))
    assert finding.startswith("pi: Tailscale is NoState, not Running: it waits for an answer of its control server (")
    assert "connection refused" in finding


# --- renamed ------------------------------------------------------------------------------------


def test_renamed_node_is_a_finding_with_both_ways_out(views: Views) -> None:
    renamed = status(node("nas", DNSName="attic.mesh.example."), node("pi"))
    (finding,) = findings(mesh(views, renamed, HEALTHY_PI))
    assert finding.startswith("nas: the tailnet calls this host attic and not nas, which tailscale_hostname asks for")
    assert "tailscale_hostname: attic" in finding


def test_renamed_node_of_a_host_without_firewall_is_a_note(views: Views) -> None:
    """Tailscale may be managed elsewhere, and the next run finds the host at its LAN address."""
    renamed = status(node("nas", DNSName="attic.mesh.example."), node("pi"))
    report = verify.conclude(mesh(change(views, "nas/variables/firewall_state", "absent"), renamed, HEALTHY_PI))
    assert report.findings == []
    assert report.notes[0].startswith("nas: the tailnet calls this host attic and not nas")


def test_declared_name_is_no_finding_whatever_the_inventory_calls_it(views: Views) -> None:
    renamed = status(node("nas", DNSName="attic.mesh.example."), node("pi"))
    declared = change(views, "nas/variables/tailscale_hostname", "Attic")
    assert findings(mesh(declared, renamed, HEALTHY_PI)) == []


def test_machine_that_has_the_name_is_named(views: Views) -> None:
    taken = status(node("nas", DNSName="nas-1.mesh.example."), node("vps", DNSName="nas.mesh.example.", Online=False), node("pi"))
    (finding,) = findings(mesh(views, taken, HEALTHY_PI))
    assert "another machine has that name (100.64.0.3, offline)" in finding


# --- what others say of a host that SSH does not reach ------------------------------------------


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (node("pi", KeyExpiry="2026-11-26T17:03:10Z", Expired=True), "the key of its node has expired"),
        (node("pi", Online=False, LastSeen="2026-11-26T17:00:00Z"), "its node is offline since 2026-11-26T17:00:00Z"),
        (node("pi", Online=False), "its node is offline"),
        (node("pi", DNSName="pie.mesh.example."), "its node is called pie in the tailnet, and not pi"),
        (node("vps"), "the tailnet has no node pi"),
        (node("pi"), "its node pi is online"),
    ],
)
def test_host_that_ssh_does_not_reach_is_explained_by_the_others(views: Views, peer: Json, words: str) -> None:
    lost = seen(not_reached(views, "pi"), "nas", status(node("nas"), peer))
    report = verify.conclude(lost)
    assert report.findings[0].startswith(
        f"pi cannot be reached by SSH: no SSH login at any of its addresses ({words}, says tailscaled on nas"
    )
    assert report.said["pi"].startswith(f"{words}, says tailscaled on nas")


def test_host_lost_earlier_in_the_run_is_explained_for_the_report(views: Views) -> None:
    lost = seen(change(not_reached(views, "pi"), "pi/lost", True), "nas", recorded.OFFLINE)
    assert verify.conclude(lost).said == {"pi": "its node is offline since 2026-11-26T17:00:00Z, says tailscaled on nas"}


def test_lost_host_is_looked_up_by_its_name_in_the_tailnet(views: Views) -> None:
    lost = change(not_reached(views, "pi"), "pi/variables", {"tailscale_hostname": "vps"})
    lost = seen(lost, "nas", recorded.EXPIRED)
    assert verify.conclude(lost).said["pi"] == "the key of its node has expired, says tailscaled on nas"


def test_host_is_not_quoted_about_itself(views: Views) -> None:
    stopped = change(mesh(views, recorded.HEALTHY, HEALTHY_PI), "nas/syncthing", {"msg": "Syncthing does not answer"})
    assert verify.conclude(stopped).said == {"nas": "its node nas is online, says tailscaled on pi"}


def test_nobody_is_quoted_who_has_lost_the_control_server(views: Views) -> None:
    lost = seen(not_reached(views, "pi"), "nas", recorded.SERVER_DOWN)
    assert verify.conclude(lost).said == {}


def test_phone_that_is_offline_is_told_and_is_no_finding(views: Views) -> None:
    phone = {
        **node("vps", Online=False, LastSeen="2026-11-20T08:00:00Z"),
        "DNSName": "phone.mesh.example.",
        "HostName": "localhost",
    }
    report = verify.conclude(mesh(views, status(node("nas"), node("pi"), phone), HEALTHY_PI))
    assert report.findings == []
    assert "nas -> phone: not connected (not managed by Ansible; its node is offline since 2026-11-20T08:00:00Z)" in report.lines
    assert "pi -> phone: not connected (not managed by Ansible)" in report.lines, "pi has no such peer, as before it has joined"


def test_member_outside_the_run_is_explained_where_it_is_missing(views: Views) -> None:
    """With --limit nas."""
    apart = change({"nas": views["nas"]}, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    (finding,) = findings(seen(apart, "nas", recorded.OFFLINE))
    assert finding == "nas is not connected to pi (its node is offline since 2026-11-26T17:00:00Z)"


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("tcp://100.64.0.9:22000", ["100.64.0.9", "phone"]),
        ("tcp://[fd7a:115c:a1e0::9]:22000", ["fd7a:115c:a1e0::9", "phone"]),
        ("tcp://pixel.mesh.example:22000", ["phone", "pixel"]),
        ("dynamic", ["phone"]),
    ],
)
def test_external_device_is_looked_up_at_its_addresses_and_by_name(address: str, asked: list[str]) -> None:
    assert sorted(set(verify_tailnet._names_of({"name": "phone", "addresses": [address]}))) == asked


# --- the control server -------------------------------------------------------------------------


def test_control_server_that_accepts_connections_but_does_not_answer(views: Views) -> None:
    """A proxy in front of it is up."""
    (finding,) = findings(mesh(views, recorded.SERVER_DOWN, HEALTHY_PI))
    assert finding.startswith(
        "nas has no connection to its control server (10.9.0.1 port 8443), which does not answer tailscaled"
    )


def test_closed_port_of_the_control_server_is_reported_once(views: Views) -> None:
    down = change(mesh(views, recorded.SERVER_DOWN, HEALTHY_PI), "nas/probed/control_server", {**SERVER, "open": False})
    (finding,) = findings(down)
    assert finding.startswith("nas cannot open a new connection to its control server at 10.9.0.1 port 8443")


def test_node_that_is_connected_at_one_of_two_moments_is_no_finding(views: Views) -> None:
    assert findings(change(mesh(views, recorded.HEALTHY, HEALTHY_PI), "nas/node/online", False)) == []
    assert findings(change(mesh(views, recorded.SERVER_DOWN, HEALTHY_PI), "nas/node/online", True)) == []


# --- routes -------------------------------------------------------------------------------------


def routed(given: Views, of_nas: Json, *routes: str, of_pi: Json = recorded.UNAPPROVED_BY_PI) -> list[str]:
    found = seen(seen(given, "nas", of_nas), "pi", of_pi, routes=routes)
    assert findings(found) == [], "a route that was declared is never a finding"
    return verify.conclude(found).notes


def test_route_that_waits_for_approval_is_a_note_with_the_command(views: Views) -> None:
    (note,) = routed(views, recorded.HEALTHY, SUBNET, "0.0.0.0/0", "::/0")
    assert note.startswith(f"pi advertises 0.0.0.0/0, {SUBNET}, ::/0, but the control server has told no host of it: approve it")
    assert f"`headscale nodes approve-routes --identifier 2 --routes 0.0.0.0/0,{SUBNET},::/0`" in note


def test_approved_route_is_no_note_though_the_node_has_not_heard_of_it(views: Views) -> None:
    assert routed(views, recorded.APPROVED_BY_NAS, SUBNET, of_pi=recorded.APPROVED_BY_PI) == []


def test_approved_exit_node_is_no_note(views: Views) -> None:
    assert routed(views, recorded.EXIT_NODE_BY_NAS, "0.0.0.0/0", "::/0") == []


def test_other_exit_node_does_not_hide_that_this_one_waits(views: Views) -> None:
    other = status(node("nas"), node("pi"), node("vps", "0.0.0.0/0", "::/0"))
    (note,) = routed(views, other, "0.0.0.0/0", "::/0")
    assert "pi advertises 0.0.0.0/0, ::/0" in note


def test_route_that_another_router_serves_is_no_note(views: Views) -> None:
    """Two subnet routers of one network: one of them is in reserve."""
    assert routed(views, status(node("nas"), node("pi"), node("vps", SUBNET)), SUBNET) == []


def test_single_host_cannot_know_of_an_approval(views: Views) -> None:
    alone = seen(seen(not_reached(views, "nas"), "pi", recorded.UNAPPROVED_BY_PI, routes=[SUBNET]), "nas", {**recorded.HEALTHY})
    alone = not_reached(alone, "nas")
    assert verify.conclude(alone).notes == []
