# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role verify takes what the other roles' variables declare, and brings together what its own tasks register."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.filter.verify import FilterModule

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
# What the role firewall does with these opens no TCP port and closes none.
OPENS_NOTHING = {
    "firewall_docker_interfaces",  # traffic between containers and out
    "firewall_key_expiry_days",
    "firewall_logging",
    "firewall_multicast",  # UDP
    "firewall_proof_timeout",
    "firewall_rollback_timeout",
    "firewall_ssh_proof",
    "firewall_tailnet_only_ports",  # outgoing
}


def load(role: str, name: str) -> dict[str, t.Any]:
    return dict(yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8")))


def options(role: str) -> dict[str, dict[str, t.Any]]:
    return dict(load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def tasks() -> t.Iterator[dict[str, t.Any]]:
    for task in yaml.safe_load((ROLES / "verify" / "tasks" / "main.yml").read_text(encoding="utf-8")):
        yield from task.get("block", [task])


def test_no_variable_of_the_firewall_is_forgotten() -> None:
    declared = {name for name in options("firewall") if name.startswith("firewall_")}
    taken = set(load("verify", "defaults/main.yml")["verify_firewall"])
    assert taken == declared - OPENS_NOTHING
    assert taken == set(options("verify")["verify_firewall"]["options"])


@pytest.mark.parametrize("name", sorted(options("verify")["verify_firewall"]["options"]))
def test_each_is_of_the_firewalls_type(name: str) -> None:
    own, theirs = options("verify")["verify_firewall"]["options"][name], options("firewall")[name]
    assert {key: own.get(key) for key in ("type", "elements", "choices")} == {
        key: theirs.get(key) for key in ("type", "elements", "choices")
    }


def test_the_members_are_those_of_the_mesh() -> None:
    """Else peers that --limit leaves out, or all of another group's, would count as devices that nobody manages."""
    theirs = load("syncthing_mesh", "defaults/main.yml")["syncthing_mesh_hosts"]
    assert theirs.strip("{} ") in load("verify", "defaults/main.yml")["verify_mesh_hosts"]


def test_what_is_brought_together_is_what_the_tasks_register() -> None:
    registered = {task["register"] for task in tasks() if "register" in task} - {"__verify_outside"}  # which is the controller's
    assert set(load("verify", "vars/main.yml")["__verify_parts"].values()) == registered | {"__verify_declared"}


def test_a_steady_run_makes_two_module_calls_a_host() -> None:
    modules = {"member_info", "reachability_info", "syncthing_info", "tailscale_node_info"}
    calls = [task for task in tasks() if {key.rpartition(".")[2] for key in task} & modules and not task.get("run_once")]
    assert len([task for task in calls if "__verify_waits" not in str(task.get("when", ""))]) == 2


def test_what_is_decided_for_all_hosts_is_decided_once() -> None:
    for task in tasks():
        text = str(task)
        if any(f"verify_{name}(" in text for name in ("plan", "waits", "conclusion")):
            assert task.get("run_once") is True, task["name"]


def test_each_host_says_where_its_folders_are() -> None:
    """A path may be made of variables of the host: the first host's path says nothing of the disks of the others."""
    own = load("verify", "vars/main.yml")["__verify_folders"]
    assert "verify_folders([inventory_hostname])" in own
    given = [part["folders"] for task in tasks() for part in task.values() if isinstance(part, dict) and "folders" in part]
    assert given == ["{{ __verify_folders }}"] * 2
    assert not any("__verify_folders" in str(task.get("ansible.builtin.set_fact")) for task in tasks())


@pytest.mark.parametrize("name", sorted(FilterModule().filters()))
def test_each_filter_is_documented(name: str) -> None:
    documented = yaml.safe_load((ROLES.parent / "plugins" / "filter" / f"{name}.yml").read_text(encoding="utf-8"))
    assert documented["DOCUMENTATION"]["name"] == name
