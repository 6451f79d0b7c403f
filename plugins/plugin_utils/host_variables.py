# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of other hosts, for an action that works for all hosts at once.

C(hostvars) has a host's variables from the inventory and the run, but neither the defaults of the role nor the variables of the
play, which a variable of a role may come from.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible.playbook.task import Task


def of(task: Task, name: str) -> dict[str, t.Any]:
    """The variables that the task would see for that host, not templated yet."""
    manager = task.get_variable_manager()
    variables: dict[str, t.Any] = manager.get_vars(play=task.get_play(), host=manager._inventory.get_host(name), task=task)
    return variables
