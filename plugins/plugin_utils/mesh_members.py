# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect device IDs and addresses of the members of a mesh, and the role's variables of one, from the variables of a run.

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
CONFIGURED = "__syncthing_mesh_configured"  # the role's result
# The role's variables, by the option of syncthing_mesh. The web interface is left as it is.
OPTIONS = {
    "folders": "syncthing_mesh_folders",
    "external_devices": "syncthing_mesh_external_devices",
    "allowed_networks": "syncthing_mesh_allowed_networks",
    "folder_owner": "syncthing_mesh_user",
    "private_options": "__syncthing_mesh_private_options",
    "options": "syncthing_mesh_options",
    "node_address": "tailscale_ipv4",
    "home": "syncthing_mesh_home",
    "timeout": "syncthing_mesh_timeout",
    "purge_devices": "syncthing_mesh_purge_devices",
    "purge_folders": "syncthing_mesh_purge_folders",
    "replace_devices": "syncthing_mesh_replace_devices",
    "allow_moves": "syncthing_mesh_allow_moves",
}


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


def earlier(variables: t.Mapping[str, t.Any]) -> list[str]:
    """The hosts of earlier batches of the play (C(serial)), which could not know the device IDs of this one."""
    now = set(variables.get("ansible_play_batch") or ())
    before = [name for name in variables.get("ansible_play_hosts") or () if name not in now]
    return [name for name in before if _is_configured(variables["hostvars"][name].get(CONFIGURED))]


def _is_configured(result: t.Any) -> bool:
    return isinstance(result, t.Mapping) and not (result.get("skipped") or result.get("failed"))


def options_of(task: Task, loader: DataLoader, name: str) -> dict[str, t.Any]:
    """The options for another host, from the variables that the task would see for it."""
    own = host_variables.of(task, name)
    found = {}
    for option, variable in OPTIONS.items():
        if variable not in own:
            continue
        try:
            found[option] = Templar(loader=loader, variables=own).template(own[variable])
        except AnsibleError as error:
            raise AnsibleActionFail(f"{variable} of {name} cannot be resolved: {secret_transfer.reason_of(error)}") from error
    return found
