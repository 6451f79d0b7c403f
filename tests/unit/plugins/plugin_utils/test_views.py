# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of each host, computed from the role's registered results."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.filter import verify as filters
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, views
from verify_views import IDS, MESH, view

Parts = dict[str, dict[str, t.Any]]


@pytest.fixture
def parts() -> Parts:
    """The registered results of two healthy hosts."""
    found = {}
    for name, peer in (("nas", "pi"), ("pi", "nas")):
        one = view(name, peer)
        member = {"host": one.own, "tailscale": {"node": one.node, "msg": None}, "syncthing": one.syncthing}
        found[name] = {"declared": one.variables, "ssh": one.ssh, "member": member, "probed": one.probed}
    return found


def findings(parts: Parts, alive: t.Collection[str] = ("nas", "pi")) -> list[str]:
    return list(filters.conclusion(parts, MESH, alive)["findings"])


def test_registered_results_of_healthy_hosts_give_no_finding(parts: Parts) -> None:
    assert findings(parts) == []


def test_host_lost_earlier_in_the_run_is_a_finding(parts: Parts) -> None:
    (finding,) = findings({**parts, "pi": {}}, alive=["nas"])
    assert finding.startswith("pi failed or could not be reached earlier in this run")


def test_failed_module_call_is_reported_as_the_reason(parts: Parts) -> None:
    failed = {**parts["pi"], "member": {"failed": True, "msg": "Missing sudo password"}}
    assert findings({**parts, "pi": failed}, alive=["nas"]) == ["pi could not be inspected: Missing sudo password"]


def test_result_of_the_wait_replaces_the_earlier_one(parts: Parts) -> None:
    apart = {**parts["nas"]["member"]["syncthing"], "connections": {IDS["pi"]: {"connected": False}}}
    before = {**parts["nas"], "member": {**parts["nas"]["member"], "syncthing": apart}}
    assert findings({**parts, "nas": before}) == ["nas is not connected to pi"]
    assert findings({**parts, "nas": {**before, "waited": parts["nas"]["member"]["syncthing"]}}) == []
    assert findings({**parts, "nas": {**before, "waited": {"skipped": True}}}) == ["nas is not connected to pi"]


def test_registered_variables_are_collected_by_name() -> None:
    hostvars = {"nas": {"__verify_ssh": {"address": "nas"}, "other": 1}, "pi": {}}
    collected = filters.collect(["nas", "pi"], hostvars, {"ssh": "__verify_ssh"})
    assert collected == {"nas": {"ssh": {"address": "nas"}}, "pi": {"ssh": {}}}


def test_lost_host_has_the_name_that_the_inventory_gives_it() -> None:
    """It ran no task of verify, so that it has no facts, and its peers are asked about it by that name."""
    hostvars = {"pi": {"tailscale_hostname": "Pie", "__declared": {}}, "nas": {"__declared": {"tailscale_hostname": "nas"}}}
    collected = filters.collect(["nas", "pi"], hostvars, {"declared": "__declared"})
    assert collected == {"nas": {"declared": {"tailscale_hostname": "nas"}}, "pi": {"declared": {}, "hostname": "Pie"}}
    found = views.of_run(collected, MESH, alive=["nas"])
    assert (found["pi"].label, found["nas"].label) == ("pie", "nas")


def test_folders_are_listed_for_each_host() -> None:
    assert verify.folders(MESH, ["nas", "stranger"]) == {"nas": [{"id": "documents", "path": "/srv/documents"}], "stranger": []}


def test_null_values_get_their_default() -> None:
    paused = views.read(views.Folder, {"need_items": None, "completion": None, "unknown": 1, "path": "/x"})
    assert (paused.need_items, paused.completion, paused.path) == (0, {}, "/x")
