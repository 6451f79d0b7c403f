# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's cost of a mesh is proportional to the size of a host's state, counted in function calls instead of time.

`make benchmark` measures the same in seconds, with Ansible around it.
"""

from __future__ import annotations

import functools
import sys
import types
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import mesh, mesh_host

FOLDERS = 10


def names(hosts: int) -> list[str]:
    return [f"host-{number:03}" for number in range(hosts)]


def declared(hosts: int, folders: int = FOLDERS) -> dict[str, t.Any]:
    return {
        "hosts": names(hosts),
        "folders": {f"folder-{number}": {"path": f"/srv/{number}", "devices": names(hosts)} for number in range(folders)},
        "device_ids": {name: name.upper() for name in names(hosts)},
        "addresses": {name: [f"tcp://{name}:22000"] for name in names(hosts)},
        "allowed_networks": ["100.64.0.0/10"],
    }


def calls(work: t.Callable[[], t.Any]) -> int:
    """Count the calls of functions, also of Python's own."""
    count = 0

    def counted(_frame: types.FrameType, event: str, _argument: t.Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def large_to_small(work: t.Callable[[int], t.Callable[[], t.Any]]) -> float:
    """The ratio of the calls for each folder and member with 30 hosts to those with 3, without the preparation."""
    small, large = (calls(work(hosts)) / hosts for hosts in (3, 30))
    return large / small


def test_cost_of_parsing_a_mesh_is_proportional_to_its_size() -> None:
    def work(hosts: int) -> t.Callable[[], t.Any]:
        return functools.partial(mesh.model, declared(hosts))

    assert large_to_small(work) <= 1


def test_cost_of_a_hosts_state_is_proportional_to_its_size() -> None:
    def work(hosts: int) -> t.Callable[[], t.Any]:
        return functools.partial(mesh.desired_state, mesh.model(declared(hosts)), "host-001")

    assert large_to_small(work) <= 1


def test_folders_of_other_hosts_cost_only_a_search_of_their_members() -> None:
    own = {"mine": {"path": "/srv/mine", "devices": ["host-001", "host-002"]}}
    others = {f"other-{number}": {"path": "/srv/x", "devices": ["host-003"], "label": "x"} for number in range(300)}
    members = {name: {"device_id": name, "addresses": []} for name in names(3)}

    def cost(folders: dict[str, t.Any]) -> int:
        def work() -> None:
            mesh_host.arguments({"members": members, "folders": mesh_host.folders_of(folders, "host-001")}, "host-001")

        return calls(work)

    assert cost({**own, **others}) - cost(own) <= 2 * len(others)


@pytest.mark.parametrize("hosts", [3, 30])
def test_addresses_of_each_host_are_computed_once(hosts: int) -> None:
    asked: list[str] = []

    def addresses_of(name: str) -> list[str]:
        asked.append(name)
        return [f"tcp://{name}:22000"]

    known = {name: {"syncthing_device_id": name.upper()} for name in names(hosts)}
    found, problems = mesh_host.members_of([*known, "printer"], {**known, "printer": {}}, addresses_of)
    assert asked == list(known) == list(found)
    assert found["host-002"] == {"device_id": "HOST-002", "addresses": ["tcp://host-002:22000"]}
    assert problems == []
