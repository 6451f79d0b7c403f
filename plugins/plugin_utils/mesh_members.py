# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect device IDs and addresses of the members of a mesh from the variables of a run.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.homelab.tailsync.plugins.plugin_utils import host_variables, mesh_host, secret_transfer

ADDRESSES = "syncthing_mesh_addresses"


def collect(task: Task, loader: DataLoader, variables: t.Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Collect the members by inventory name. C(variables) are those of the task, for any host."""

    def addresses_of(name: str) -> t.Any:
        own = host_variables.of(task, name)
        try:
            return Templar(loader=loader, variables=own).template(own.get(ADDRESSES)) or []
        except AnsibleError as error:
            raise AnsibleActionFail(f"{ADDRESSES} of {name} cannot be resolved: {secret_transfer.reason_of(error)}") from error

    members, problems = mesh_host.members_of(variables["groups"]["all"], variables["hostvars"], addresses_of)
    if problems:
        raise AnsibleActionFail("; ".join(problems))
    return members
