# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify's conclusions from two real tailscaleds, after what an administrator does on the control server."""

from __future__ import annotations

import datetime
import typing as t

import pytest
import verify_views
from ansible_collections.homelab.tailsync.plugins.module_utils import _reachability
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _localapi, _status
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View
from tailscaled import Coordinator, Tailscaled, wait_for
from verify_views import change

Views = t.Dict[str, View]  # noqa: UP006
NAMES = ("nas", "pi")
SUBNET = "192.168.7.0/24"


class Mesh:
    """nas and pi, each with its own tailscaled; everything but their nodes is in order."""

    def __init__(self, manners: str) -> None:
        self.server = Coordinator(manners)
        self.nodes = {name: Tailscaled() for name in NAMES}
        for name in NAMES:
            self.join(name)
        wait_for(lambda: verify.conclude(self.views()).findings == [], lambda: str(verify.conclude(self.views()).findings))

    def join(self, name: str) -> None:
        self.nodes[name].login(self.server.url, self.server.ask("key", "-"), Hostname=name)
        self.nodes[name].wait("Running")

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()
        self.server.close()

    def views(self, lost: str = "", **variables: t.Any) -> Views:
        """The views of both, as the role verify gathers them; a lost one answers no SSH login."""
        found = {"nas": verify_views.view("nas", "pi", **variables), "pi": verify_views.view("pi", "nas", **variables)}
        for name, node in self.nodes.items():
            if name == lost:
                found = change(
                    change(change(found, f"{name}/ssh", {"address": None, "msg": "no SSH login"}), f"{name}/own", {}),
                    f"{name}/node",
                    {},
                )
            else:
                found = change(
                    found, f"{name}/node", {**_status.describe(_localapi.LocalAPI(str(node.socket)).status()), "tun": True}
                )
        for name in found:
            if name != lost:
                found = change(found, f"{name}/probed", {**found[name].probed, **self._probed(found, name)})
        return found

    def _probed(self, found: Views, name: str) -> dict[str, t.Any]:
        asked = verify.targets(verify.plan(found)["hosts"], name)
        options = {"tcp": [], "ping": [], "peers": [*asked["peers"], *asked["ping"]], "control_server": True, "timeout": 1}
        seen = _reachability.gather({**options, "tailscale_socket": str(self.nodes[name].socket)}, None)
        return {"tailnet": seen["tailnet"], "control_server": seen["control_server"], "ping": []}

    def finds(self, words: str, lost: str = "", **variables: t.Any) -> bool:
        """Whether verify comes to have one finding with these words. A change reaches the nodes after a moment."""

        def findings() -> list[str]:
            return verify.conclude(self.views(lost, **variables)).findings

        wait_for(lambda: [words in one for one in findings()] == [True], lambda: f"{words!r} in {findings()}")
        return True

    def notes(self) -> list[str]:
        report = verify.conclude(self.views())
        assert report.findings == []
        return report.notes


@pytest.fixture(params=["tailscale", "headscale"])
def mesh(request: pytest.FixtureRequest) -> t.Iterator[Mesh]:
    made = Mesh(str(request.param))
    yield made
    made.close()


def manners(mesh: Mesh) -> str:
    return str(mesh.server.process.args[-1])  # type: ignore[index]


def soon(days: float) -> str:
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_deleted_node_is_found_whether_it_was_told_or_not(mesh: Mesh) -> None:
    mesh.server.ask("delete", "pi")
    if manners(mesh) == "tailscale":
        assert mesh.finds("pi: Tailscale is NeedsLogin, not Running: ")
        mesh.nodes["pi"].wait("NeedsLogin")
    else:
        assert mesh.nodes["pi"].state() == "Running"
        assert mesh.finds("pi is no peer of nas, although it runs and knows nas: its node pi was deleted")
        mesh.nodes["pi"].restart()
        mesh.nodes["pi"].wait("NeedsLogin")
        assert mesh.finds("no longer accepts its login")
    assert mesh.finds("the tailnet has no node pi, says tailscaled on nas", lost="pi")


def test_expired_key_is_told_by_the_node_and_by_its_peer(mesh: Mesh) -> None:
    mesh.server.ask("key-expiry", f"{soon(-1)} pi")
    mesh.nodes["pi"].wait("NeedsLogin")
    assert mesh.finds("pi: Tailscale is NeedsLogin, not Running: the key of its node has expired (")
    assert mesh.finds("the key of its node has expired, says tailscaled on nas", lost="pi")


def test_key_that_expires_in_three_days_is_a_finding_unless_that_is_declared(mesh: Mesh) -> None:
    mesh.server.ask("key-expiry", f"{soon(3.5)} pi")
    assert mesh.finds("pi: the key of its node expires in 3 days (")
    assert verify.conclude(mesh.views(firewall_key_expiry_days=3)).findings == []
    mesh.server.ask("key-expiry", f"{soon(30)} pi")
    wait_for(lambda: verify.conclude(mesh.views()).findings == [], "the later expiry")


def test_renamed_node_is_told_with_its_new_name(mesh: Mesh) -> None:
    mesh.server.ask("rename", "pi pie")
    assert mesh.finds("pi: the tailnet calls this host pie and not pi")
    assert mesh.finds("its node is called pie in the tailnet, and not pi, says tailscaled on nas", lost="pi")


def test_hidden_hosts_are_blamed_on_the_policy_and_come_back(mesh: Mesh) -> None:
    mesh.server.ask("policy", "none")
    assert mesh.finds("nas and pi are no peers of each other, although both run in the tailnet: does its access policy")
    mesh.server.ask("policy", "allow")
    wait_for(lambda: verify.conclude(mesh.views()).findings == [], lambda: str(verify.conclude(mesh.views()).findings))


def test_routes_are_a_note_until_they_are_approved(mesh: Mesh) -> None:
    mesh.nodes["pi"].request("PATCH", "prefs", {"AdvertiseRoutes": [SUBNET], "AdvertiseRoutesSet": True})
    wait_for(mesh.notes, "a note")
    assert mesh.notes()[0].startswith(f"pi advertises {SUBNET}, but the control server has told no host of it")
    mesh.server.ask("routes", f"pi {SUBNET}")
    wait_for(lambda: mesh.notes() == [], lambda: str(mesh.notes()))


def test_node_without_expiry_and_routes_has_neither_finding_nor_note(mesh: Mesh) -> None:
    mesh.server.ask("key-expiry", "never")
    wait_for(lambda: not any(node.status()["Self"].get("KeyExpiry") for node in mesh.nodes.values()), "no expiry")
    report = verify.conclude(mesh.views(firewall_key_expiry_days=3650))
    assert (report.findings, report.notes) == ([], [])


def test_control_server_that_accepts_connections_but_never_answers(mesh: Mesh) -> None:
    mesh.server.ask("pause", "true")
    wait_for(lambda: not mesh.nodes["nas"].status()["Self"]["Online"], "the lost connection", 20)
    wait_for(lambda: not mesh.nodes["pi"].status()["Self"]["Online"], "the lost connection", 20)
    findings = verify.conclude(mesh.views()).findings
    assert [one.partition(" (")[0] for one in findings] == [
        "nas has no connection to its control server",
        "pi has no connection to its control server",
    ], "and nothing is concluded from what they knew before"
    mesh.nodes["pi"].restart()
    wait_for(lambda: "pi: Tailscale is NoState, not Running: it waits for" in verify.conclude(mesh.views()).text, "the cause")


def test_stopped_node_is_offline_for_its_peer(mesh: Mesh) -> None:
    mesh.nodes["pi"].request("PATCH", "prefs", {"WantRunning": False, "WantRunningSet": True})
    assert mesh.finds("pi: Tailscale is Stopped, not Running")


def test_node_that_waits_for_approval(mesh: Mesh) -> None:
    if manners(mesh) == "headscale":  # it knows no approval: see the note in coordinator/main.go
        return
    mesh.nodes["pi"].request("POST", "logout")
    mesh.nodes["pi"].wait("NeedsLogin")
    assert mesh.finds("it is logged out of the tailnet")
    mesh.server.ask("delete", "pi")
    mesh.server.ask("require-approval", "true")
    mesh.nodes["pi"].login(mesh.server.url, mesh.server.ask("key", "-"), Hostname="pi")
    mesh.nodes["pi"].wait("NeedsMachineAuth")
    assert mesh.finds("waits for approval (NeedsMachineAuth)")
