# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cell of each row of the table of joins, and what an interrupted or older run may have left; the rest is in tests/slow."""

from __future__ import annotations

import typing as t

import joins
import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _wait
from control_servers import Lab
from tailscaled import wait_for

CELLS = [
    ("fresh", "tagged", "headscale"),
    ("logged out", "single-use", "headscale"),
    ("logged out", "by API key", "tailscale"),
    ("expired", "single-use", "headscale"),
    ("expired", "tagged", "headscale"),
    ("deleted", "single-use", "headscale"),
    ("renamed", "single-use", "tailscale"),
    ("moved", "single-use", "headscale"),
    ("retagged", "tagged", "headscale"),
    ("retagged", "single-use", "tailscale"),
    ("server away at the start", "by OIDC", "tailscale"),
    ("server away at the start, expired", "single-use", "headscale"),
    ("server away at the start, moved", "single-use", "headscale"),
    ("server away in the middle", "single-use", "headscale"),
    ("killed in the middle", "single-use", "tailscale"),
    (joins.MODULE_KILLED, "by OAuth", "tailscale"),
]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> t.Iterator[Lab]:
    made = Lab(getattr(request, "param", "headscale"))
    yield made
    made.close()


@pytest.fixture
def cell(server: Lab) -> t.Iterator[joins.Cell]:
    made = joins.Cell(server, "single-use")
    yield made
    made.close()


@pytest.mark.parametrize(("name", "kind", "server"), CELLS, indirect=["server"])
def test_node_converges_or_is_refused_with_the_cure(name: str, kind: str, server: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joins, "SHORT", 1)
    joins.run_cell(name, kind, server)


def test_short_table_has_each_row_and_impossible_cells_have_reasons() -> None:
    assert {name for name, _kind, _manners in CELLS} == set(joins.ROWS)
    assert set(CELLS) <= set(joins.cells())
    assert all(len(reason) > 20 for reason in [*joins.IMPOSSIBLE.values(), *joins.LEFT.values()])


def test_node_that_has_a_node_key_registers_once_with_the_key(cell: joins.Cell, server: Lab) -> None:
    cell.joined()
    server.change("expire")
    cell.node.wait("NeedsLogin")
    before = server.registered()
    result = cell.run(server.key())
    assert (result["joined"], result["requests"]["writes"]) == (True, 1), "login-interactive would register a second time"
    assert server.registered() == before + 1


def test_tags_of_a_refused_login_are_not_kept(cell: joins.Cell, server: Lab) -> None:
    before = cell.preferences()
    refused = cell.run("tskey-auth-wrong", tags=["tag:server"])  # with Tailscale's manners, the tags are advertised
    assert "the control server refused auth_key" in refused["msg"]
    assert cell.preferences() == before
    assert cell.run(server.key())["joined"]


def test_refused_login_of_a_deleted_node_is_over_and_the_next_one_works(cell: joins.Cell, server: Lab) -> None:
    cell.joined()
    server.change("delete")
    cell.node.restart()
    spent = server.secrets[-1]
    prefs = {**cell.preferences(), "WantRunning": True, "LoggedOut": False}
    cell.node.request("POST", "start", {"AuthKey": spent, "UpdatePrefs": prefs})  # what an older run left
    assert "already used" in cell.node.refusal()
    assert cell.node.state() == "NoState"
    assert "refused auth_key: invalid pre auth key. Make a new key" in cell.run(f"hskey-auth-{'0' * 77}")["msg"]
    assert cell.run(server.key())["joined"]
    assert not cell.run()["changed"]


def test_login_that_an_older_run_repeats_for_ever_is_ended(cell: joins.Cell, server: Lab) -> None:
    cell.joined()
    cell.node.request("POST", "start", {"AuthKey": server.secrets[-1], "UpdatePrefs": cell.preferences()})
    cell.node.request("POST", "login-interactive")
    wait_for(lambda: "already used" in cell.node.refusal(), "the spent key's refusal")
    assert "refused its last login" in cell.run(check_mode=True)["msg"]
    healed = cell.run()
    assert (healed["node"]["backend_state"], healed["joined"]) == ("Running", False), "the login had worked, so no key is needed"
    assert not cell.node.status().get("Health")
    assert not cell.run()["changed"]


@pytest.mark.parametrize("server", ["tailscale"], indirect=True)
def test_login_that_waits_for_approval_is_kept_and_told(cell: joins.Cell, server: Lab) -> None:
    server.coordinator.ask("require-approval", "true")
    told = cell.run(server.key())
    assert "waits for approval (NeedsMachineAuth)" in told["msg"]
    assert "waits for approval (NeedsMachineAuth)" in cell.run()["msg"]
    server.coordinator.ask("approve")
    cell.node.wait("Running")
    assert not cell.run()["changed"]


def test_key_with_other_tags_is_told_with_the_command_and_the_node_has_joined(
    cell: joins.Cell, server: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wait, "SETTLE_TIMEOUT", 1)
    declared: dict[str, t.Any] = {"tags": ["tag:other"]}
    told = cell.run(server.key(tags=["tag:server"]), **declared)
    assert "gave it the tags tag:server where tags asks for tag:other" in told["msg"]
    joins.assert_matches(joins.TAG_COMMAND, told["msg"])
    server.change("tag", "tag:other")
    wait_for(lambda: cell.node.status()["Self"]["Tags"] == ["tag:other"], "the tag")
    assert not cell.run(**declared)["changed"]
