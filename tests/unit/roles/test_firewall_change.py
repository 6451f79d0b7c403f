# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall is changed in one place, whose failure has a message for every state that a host can be in."""

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
    """All tasks of a file, in order, those of a rescue last."""
    tasks = yaml.safe_load((TASKS / name).read_text(encoding="utf-8"))
    return list(itertools.chain.from_iterable([*task.get("block", [task]), *task.get("rescue", [])] for task in tasks))


def states_of(name: str) -> list[str]:
    return [task[ROLLBACK]["state"] for task in tasks_of(name) if ROLLBACK in task]


def test_nothing_but_the_change_arms_or_confirms() -> None:
    assert {name for name in ("absent.yml", "present.yml", "main.yml") if {"armed", "disarmed"} & set(states_of(name))} == set()
    assert states_of("change.yml") == ["armed", "original", "disarmed", "restored", "restored"]


@pytest.mark.parametrize("name", ["absent.yml", "present.yml"])
def test_both_states_use_it(name: str) -> None:
    assert [task for task in tasks_of(name) if task.get("ansible.builtin.include_tasks") == "change.yml"]


def test_what_is_compared_is_what_is_put_in_force() -> None:
    calls = [
        task["module_defaults"][POLICY] for name in ("present.yml", "change.yml") for task in tasks_of(name) if POLICY in task
    ]
    assert calls == ["{{ __firewall_policy }}"] * 2


def test_a_host_that_leaves_is_reached_as_before() -> None:
    """Its proof may come in over the tailnet, which the next role is to leave; that would be refused over the tailnet."""
    (use,) = [task for task in tasks_of("change.yml") if task["name"] == "Use that address from here on"]
    assert "firewall_state == 'present'" in use["when"]


def test_every_state_of_a_host_has_its_message() -> None:
    fired = {"time": "a time", "reason": "a reason"}
    states = {
        Record(armed, rolled_back, original, is_open).in_force
        for armed, rolled_back, original, is_open in itertools.product((True, False), (fired, None), (True, False), (True, False))
    }
    assert len(states) == 5
    (explain,) = [task for task in tasks_of("change.yml") if task["name"] == "Explain the failure"]
    assert set(explain["vars"]["__firewall_outcomes"]) == {*states, "unknown"}
