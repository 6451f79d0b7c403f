# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions of the role's tasks: when it updates the package cache, and when it restarts Syncthing."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

TASKS = pathlib.Path(__file__).resolve().parents[3] / "roles/syncthing/tasks"
RUNS = {"ActiveState": "active", "NeedDaemonReload": "no"}


def environment() -> Environment:
    made = Environment(undefined=StrictUndefined, autoescape=False)
    made.tests["changed"] = lambda result: result["changed"]
    return made


def task_of(tasks: list[dict[str, t.Any]], module: str) -> dict[str, t.Any]:
    """The first task that calls the module, also in a block."""
    flat = [inner for one in tasks for inner in one.get("block", [one])]
    return next(one for one in flat if module in one)


def rendered(file: str, module: str, values: dict[str, t.Any]) -> t.Callable[[str], t.Any]:
    """The values of the task's options, and its condition as C(when)."""
    task = task_of(yaml.safe_load((TASKS / file).read_text(encoding="utf-8")), module)
    known = dict(values)
    for name, text in task.get("vars", {}).items():
        known[name] = environment().from_string(text).render(known) == "True"

    def value(option: str) -> t.Any:
        text = f"{{{{ {task['when']} }}}}" if option == "when" else str(task[module][option])
        found = environment().from_string(text).render(known)
        return {"True": True, "False": False}.get(found, found)

    return value


def start(unit: dict[str, str], changed: bool) -> tuple[str, bool]:
    """The state that the task declares for the service, and whether systemd reloads its units."""
    values = {"__syncthing_unit": {"changed": changed}, "__tailsync_host": {"syncthing_unit": unit}}
    task = rendered("service.yml", "ansible.builtin.systemd_service", values)
    return task("state"), task("daemon_reload")


@pytest.mark.parametrize(
    ("unit", "changed", "expected"),
    [
        (RUNS, False, ("started", False)),
        ({}, False, ("started", False)),
        (RUNS, True, ("restarted", True)),
        ({}, True, ("restarted", True)),
        # The state after a run that died when it had written the drop-in.
        ({**RUNS, "NeedDaemonReload": "yes"}, False, ("restarted", True)),
    ],
)
def test_syncthing_is_restarted_if_its_unit_has_changed(unit: dict[str, str], changed: bool, expected: tuple[str, bool]) -> None:
    assert start(unit, changed) == expected


@pytest.mark.parametrize(
    ("check", "unit", "identity", "starts"),
    [
        (False, {"LoadState": "not-found"}, True, True),
        (True, {"LoadState": "loaded"}, False, True),
        (True, {"LoadState": "masked"}, False, True),
        (True, {"LoadState": "loaded"}, True, False),
        # The package has been removed since, and the identity still exists.
        (True, {"LoadState": "not-found"}, False, False),
    ],
)
def test_check_mode_starts_no_service_that_is_not_installed(
    check: bool, unit: dict[str, str], identity: bool, starts: bool
) -> None:
    values = {
        "ansible_check_mode": check,
        "__syncthing_identity": {"changed": identity},
        "__syncthing_unit": {"changed": False},
        "__tailsync_host": {"syncthing_unit": unit},
    }
    assert rendered("service.yml", "ansible.builtin.systemd_service", values)("when") is starts


@pytest.mark.parametrize(
    ("source", "packages", "repository", "reads"),
    [
        ("distribution", {}, {}, False),
        ("vendor", {"syncthing": {}}, {"__syncthing_repository": {"changed": False}}, False),
        ("vendor", {"syncthing": {}}, {"__syncthing_repository": {"changed": True}}, True),
        # The state after a run that died when it had added the repository.
        ("vendor", {}, {}, True),
    ],
)
def test_new_repository_is_read_before_a_package_is_installed(
    source: str, packages: dict[str, t.Any], repository: dict[str, t.Any], reads: bool
) -> None:
    values = {"syncthing_package_source": source, "__tailsync_host": {"packages": packages}, **repository}
    role = yaml.safe_load((TASKS / "install.yml").read_text(encoding="utf-8"))
    given = task_of(role, "ansible.builtin.import_role")["vars"]
    is_new = environment().from_string(given["__syncthing_repository_changed"]).render(values) == "True"
    known = {**values, "__syncthing_repository_changed": is_new}
    assert environment().from_string(given["__inputs_apt"]["update_cache"]).render(known) == str(reads)


@pytest.mark.parametrize(
    ("state", "check", "clears"), [("failed", False, True), ("failed", True, False), ("active", False, False), ("", False, False)]
)
def test_failures_of_the_unit_are_cleared_before_its_start(state: str, check: bool, clears: bool) -> None:
    unit = {"ActiveState": state} if state else {}
    values = {"ansible_check_mode": check, "__tailsync_host": {"syncthing_unit": unit}}
    assert rendered("service.yml", "ansible.builtin.command", values)("when") is clears
