# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role verify uses the variables of the other roles, and collects the results of its own tasks."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.filter.verify import FilterModule

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
# Variables with which the role firewall opens and closes no TCP port.
OPENS_NOTHING = {
    "firewall_docker_interfaces",  # traffic between and from containers
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


def test_verify_uses_every_variable_of_the_firewall_about_ports_and_keys() -> None:
    declared = {name for name in options("firewall") if name.startswith("firewall_")}
    taken = set(load("verify", "defaults/main.yml")["verify_firewall"])
    assert taken == declared - OPENS_NOTHING
    assert taken == set(options("verify")["verify_firewall"]["options"])


@pytest.mark.parametrize("name", sorted(options("verify")["verify_firewall"]["options"]))
def test_variables_taken_from_the_firewall_have_the_same_type(name: str) -> None:
    own, theirs = options("verify")["verify_firewall"]["options"][name], options("firewall")[name]
    assert {key: own.get(key) for key in ("type", "elements", "choices")} == {
        key: theirs.get(key) for key in ("type", "elements", "choices")
    }


def test_members_of_verify_are_those_of_the_mesh() -> None:
    """Otherwise peers outside --limit, or all peers of another group, would count as unmanaged devices."""
    theirs = load("syncthing_mesh", "defaults/main.yml")["syncthing_mesh_hosts"]
    assert theirs.strip("{} ") in load("verify", "defaults/main.yml")["verify_mesh_hosts"]


def test_collected_variables_are_those_that_the_tasks_register() -> None:
    registered = {task["register"] for task in tasks() if "register" in task} - {
        "__verify_outside"
    }  # registered by the controller
    assert set(load("verify", "vars/main.yml")["__verify_parts"].values()) == registered | {
        "__verify_declared",
        "__syncthing_mesh_configured",
    }


def test_verify_makes_two_module_calls_for_each_host() -> None:
    modules = {"member_info", "reachability_info", "syncthing_info", "tailscale_node_info"}
    calls = [task for task in tasks() if {key.rpartition(".")[2] for key in task} & modules and not task.get("run_once")]
    assert len([task for task in calls if "__verify_waits" not in str(task.get("when", ""))]) == 2


def test_decisions_for_all_hosts_run_once() -> None:
    for task in tasks():
        text = str(task)
        if any(f"verify_{name}(" in text for name in ("plan", "waits", "conclusion")):
            assert task.get("run_once") is True, task["name"]


def test_findings_fail_here_unless_a_later_report_fails_for_them() -> None:
    """A failure of this task is one of all hosts, so that no report would follow."""
    *_tasks, conclude, last = tasks()
    assert "__verify_conclusion" in conclude["ansible.builtin.set_fact"]
    condition = "__verify_conclusion.findings | length == 0 or __tailsync_reported | default(false)"
    assert last["ansible.builtin.assert"]["that"] == condition


def test_folder_paths_are_rendered_by_each_host() -> None:
    """A path may contain variables of the host, so the first host's path cannot be used for the others."""
    own = load("verify", "vars/main.yml")["__verify_folders"]
    assert "verify_folders([inventory_hostname])" in own
    given = [part["folders"] for task in tasks() for part in task.values() if isinstance(part, dict) and "folders" in part]
    assert given == ["{{ __verify_folders }}"] * 2
    assert not any("__verify_folders" in str(task.get("ansible.builtin.set_fact")) for task in tasks())


@pytest.mark.parametrize("name", sorted(FilterModule().filters()))
def test_each_filter_of_verify_is_documented(name: str) -> None:
    documented = yaml.safe_load((ROLES.parent / "plugins" / "filter" / f"{name}.yml").read_text(encoding="utf-8"))
    assert documented["DOCUMENTATION"]["name"] == name
