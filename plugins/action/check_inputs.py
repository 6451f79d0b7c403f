# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve variables one by one, before anything that would print all of them when one fails.

ansible-core validates a role's arguments in one piece: if one value cannot be decrypted, its error
shows the others, and lines of the file around it.
"""

from __future__ import annotations

import pathlib
import typing as t

import yaml
from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.homelab.tailsync.plugins.plugin_utils import _inputs

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"


def _variables_of(roles: t.Iterable[str]) -> set[str]:
    """Those of the roles' own manuals; a user's other variables may be for another playbook with other vault passwords."""
    found: set[str] = set()
    for role in roles:
        specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        found |= set(specs["argument_specs"]["main"]["options"])
    return found


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(
            argument_spec={"roles": {"type": "list", "elements": "str", "required": True}}
        )
        values, problems = self._resolve(_variables_of(arguments["roles"]), task_vars or {})
        secrets = _inputs.secrets_of(values)
        transfer = self._transfer()
        problems += filter(None, [_inputs.refusal_of(transfer, secrets)])
        warning = _inputs.warning_of(transfer) if secrets else None
        if warning:
            Display().warning(warning)
        if problems:
            result.update(failed=True, msg="; ".join(problems))
        return {**result, "changed": False}

    def _resolve(self, names: t.Collection[str], task_vars: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
        values: dict[str, t.Any] = {}
        problems = []
        for name in sorted(set(names) & set(task_vars)):
            error = self._resolve_one(name, task_vars[name], values)
            problems += [f"{name} cannot be resolved: {error}"] if error else []
        return values, problems

    def _resolve_one(self, name: str, value: t.Any, into: dict[str, t.Any]) -> str | None:
        try:
            into[name] = self._templar.template(value)
        except AnsibleError as error:
            return _inputs.reason_of(error)
        return None

    def _transfer(self) -> _inputs.Transfer:
        """With the settings of this task, which are those of the tasks that have secrets."""
        connection, become = self._connection, self._connection.become
        return _inputs.Transfer(
            connection=connection.transport,
            can_pipeline=connection.has_pipelining,
            become=become.name if become else "",
            become_can_pipeline=become is None or become.pipelining,
            wanted=self._wants_pipelining(),
            keeps_files=bool(constants.DEFAULT_KEEP_REMOTE_FILES),
            pipelines=self._is_pipelining_enabled("new"),
        )

    def _wants_pipelining(self) -> bool:
        try:
            return bool(self._connection.get_option("pipelining"))
        except KeyError:
            return bool(self._play_context.pipelining)
