# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what a run completed and what is missing; the text is made in plugin_utils/report.py.

A failure of a task with C(run_once) is a failure of all hosts, and later plays do not run. So this is the last task, and the one
that fails for what concerns all of them.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.homelab.tailsync.plugins.plugin_utils import preload, report

PRELOADED = preload.FILTERS  # for the workers
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "parts": {"type": "list", "elements": "str", "required": True},
    "conclusion": {"type": "dict", "default": {}},
}
# The registered variables of a host, by their part of the report. Those of a host that has failed are still there.
REGISTERED = {
    "risks": "__tailsync_risks",
    "ssh": "__tailsync_ssh",
    "state": "__tailsync_host",
    "mesh": "__syncthing_mesh_configured",
    "member": "__verify_member",
    "config": "__firewall_ssh_config",
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        alive = set(variables["ansible_play_hosts"])
        hosts = [
            report.host_of(name, self._seen(variables["hostvars"][name], given["parts"]), name in alive)
            for name in variables["ansible_play_hosts_all"]
        ]
        conclusion = given["conclusion"]
        told = report.lines(
            report.Run(
                hosts=hosts,
                parts=given["parts"],
                check=bool(self._task.check_mode),
                verified=bool(conclusion),
                findings=report.findings_of(conclusion, hosts),
                with_findings=conclusion.get("hosts") or (),
                said=conclusion.get("said") or {},
            )
        )
        if told["failed"]:
            return {**result, "failed": True, "msg": "\n".join(told["lines"])}
        return {**result, "changed": False, "msg": told["lines"], "_ansible_verbose_always": True}

    @staticmethod
    def _seen(variables: t.Mapping[str, t.Any], parts: t.Sequence[str]) -> dict[str, t.Any]:
        """A host's results, as far as they can be read: one with a variable that cannot be resolved has been reported."""
        seen: dict[str, t.Any] = {}
        for part, name in REGISTERED.items():
            with contextlib.suppress(AnsibleError):
                seen[part] = variables.get(name)
        with contextlib.suppress(AnsibleError):
            if "firewall" in parts and variables.get("firewall_state", "present") == "present" and not _is_local(seen):
                seen["node"] = {"name": variables.get("tailscale_dns_name"), "address": variables.get("tailscale_ipv4")}
        return seen


def _is_local(seen: t.Mapping[str, t.Any]) -> bool:
    return bool((seen.get("ssh") or {}).get("local"))
