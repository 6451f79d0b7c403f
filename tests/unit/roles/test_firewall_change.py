# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task file changes the firewall, and its failures have a message for every state of a host."""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._record import Record

TASKS = pathlib.Path(__file__).resolve().parents[3] / "roles" / "firewall" / "tasks"
ROLLBACK, POLICY = "homelab.tailsync.ufw_rollback", "homelab.tailsync.ufw_policy"


def tasks_of(name: str) -> list[dict[str, t.Any]]:
    """All tasks of a file in order, with the tasks of a rescue last."""
    tasks = yaml.safe_load((TASKS / name).read_text(encoding="utf-8"))
    return list(itertools.chain.from_iterable([*task.get("block", [task]), *task.get("rescue", [])] for task in tasks))


def states_of(name: str) -> list[str]:
    return [task[ROLLBACK]["state"] for task in tasks_of(name) if ROLLBACK in task]


def test_only_change_yml_arms_and_confirms() -> None:
    assert {name for name in ("absent.yml", "present.yml", "main.yml") if {"armed", "disarmed"} & set(states_of(name))} == set()
    assert states_of("change.yml") == ["armed", "original", "disarmed", "restored", "restored"]


@pytest.mark.parametrize(("name", "action"), [("absent.yml", "include_tasks"), ("present.yml", "import_tasks")])
def test_present_and_absent_use_the_same_change(name: str, action: str) -> None:
    assert [task for task in tasks_of(name) if task.get(f"ansible.builtin.{action}") == "change.yml"]


def test_compared_policy_is_the_applied_policy() -> None:
    calls = [
        task["module_defaults"][POLICY] for name in ("present.yml", "change.yml") for task in tasks_of(name) if POLICY in task
    ]
    assert calls == ["{{ __firewall_policy }}"] * 2


def test_leaving_host_is_connected_as_before() -> None:
    """The proof may connect over the tailnet, which the next role leaves; leaving is refused over the tailnet."""
    (use,) = [task for task in tasks_of("change.yml") if task["name"] == "Use that address from here on"]
    assert "firewall_state == 'present'" in use["when"]


def test_every_state_of_a_failed_change_has_its_message() -> None:
    fired = {"time": "a time", "reason": "a reason"}
    states = {
        Record(armed, rolled_back, original, is_open).in_force
        for armed, rolled_back, original, is_open in itertools.product((True, False), (fired, None), (True, False), (True, False))
    }
    assert len(states) == 5
    (explain,) = [task for task in tasks_of("change.yml") if task["name"] == "Explain the failure"]
    assert set(explain["vars"]["__firewall_outcomes"]) == {*states, "unknown"}
