# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configure one member of a mesh from the inventory: compute the desired state, and call syncthing_cluster with it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.homelab.tailsync.plugins.plugin_utils import mesh_host, mesh_members

DICT = {"type": "dict"}
STR = {"type": "str"}
BOOL = {"type": "bool"}
LARGE = ("folders", "members")  # mappings that grow with the mesh
SPEC: dict[str, dict[str, t.Any]] = {
    "host": STR,
    "external_devices": DICT,
    "allowed_networks": {"type": "list", "elements": "str"},
    "private_options": DICT,
    "options": DICT,
    "defaults": DICT,
    "node_address": STR,
    "gui": DICT,
    "gui_address": STR,
    "gui_group": STR,
    "gui_ready": {"type": "bool", "default": True},
    "home": {"type": "path"},
    "timeout": {"type": "int"},
    "folder_owner": STR,
    "purge_devices": BOOL,
    "purge_folders": BOOL,
    "replace_devices": BOOL,
    "allow_moves": BOOL,
    "fail_for_refused": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(self._task.args.get("host") or variables["inventory_hostname"])
        of_role = mesh_members.options_of(self._task, self._loader, host) if self._task.args.get("host") else {}
        options = _validated({**of_role, **self._task.args})
        if options["members"] is None:
            options["members"] = mesh_members.collect(self._task, self._loader, variables)
        problems = mesh_host.address_problems(options)
        if problems and not self._task.check_mode:
            return {**result, "failed": True, "msg": "; ".join(problems)}
        notes = [f"{problem}. A real run joins the tailnet first" for problem in problems] + mesh_host.gui_notes(options)
        result.update(
            self._execute_module(
                module_name="homelab.tailsync.syncthing_cluster",
                module_args=mesh_host.arguments(options, host),
                task_vars=variables,
            )
        )
        return mesh_host.judged(_with_role_variables(result, notes, host), options["fail_for_refused"])


def _validated(arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Validate the options, except the large ones: ansible-core would copy them, and syncthing_cluster validates them anyway."""
    large = {key: arguments.get(key) for key in LARGE}
    given = {key: value for key, value in large.items() if value is not None or key == "folders"}
    wrong = [f"{key} must be a mapping" for key, value in given.items() if not isinstance(value, t.Mapping)]
    validated = ArgumentSpecValidator(SPEC).validate({key: value for key, value in arguments.items() if key not in LARGE})
    if wrong or validated.error_messages:
        raise AnsibleActionFail("; ".join([*wrong, *validated.error_messages]))
    return {**validated.validated_parameters, **large}


def _with_role_variables(result: dict[str, t.Any], notes: list[str], host: str) -> dict[str, t.Any]:
    """Replace option names by variables, and add the host to warnings: Ansible shows equal ones once, without their hosts."""
    warnings = [*notes, *(result.pop("warnings", None) or [])]
    if warnings:
        result["warnings"] = [_reworded(warning, host) for warning in warnings]
    for folder in result.get("refused") or ():
        folder["reason"] = mesh_host.with_role_variables(folder["reason"])
    said = result.get("msg")
    if isinstance(said, str) and said != mesh_host.with_role_variables(said):
        result["msg"] = mesh_host.with_role_variables(said)
        result.pop("exception", None)  # it repeats the message, and would be shown first
    return result


def _reworded(warning: t.Any, host: str) -> t.Any:
    """A warning is a text, or ansible-core's object with one in its event."""
    if isinstance(warning, str):
        return f"{host}: {mesh_host.with_role_variables(warning)}"
    event: t.Any = getattr(warning, "event", None)
    if not isinstance(getattr(event, "msg", None), str):
        return warning
    return dataclasses.replace(warning, event=dataclasses.replace(event, msg=_reworded(event.msg, host)))
