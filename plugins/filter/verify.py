# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role verify; the logic is in plugin_utils/verify.py, and each filter is documented in a file with its name."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, views

Data = t.Mapping[str, t.Any]
Parts = t.Mapping[str, Data]


def collect(hosts: t.Iterable[str], hostvars: Data, parts: t.Mapping[str, str]) -> dict[str, dict[str, t.Any]]:
    found: dict[str, dict[str, t.Any]] = {}
    for host in hosts:
        found[host] = {part: hostvars[host].get(variable) or {} for part, variable in parts.items()}
        if not found[host].get("declared"):  # the host was lost before it could be asked
            with contextlib.suppress(AnsibleError):
                name = hostvars[host].get("tailscale_hostname")
                found[host].update({"hostname": name} if name else {})
    return found


def folders(declared: Data, hosts: t.Iterable[str]) -> dict[str, list[dict[str, t.Any]]]:
    return verify.folders(declared, hosts)


def plan(hosts: Parts, declared: Data, alive: t.Collection[str]) -> dict[str, t.Any]:
    return verify.plan(views.of_run(hosts, declared, alive))


def targets(plan: Data, host: str) -> dict[str, t.Any]:
    return verify.targets(plan["hosts"], host)


def waits(hosts: Parts, declared: Data, alive: t.Collection[str]) -> dict[str, t.Any]:
    return verify.waits(views.of_run(hosts, declared, alive))


def conclusion(
    hosts: Parts, declared: Data, alive: t.Collection[str], from_controller: t.Sequence[Data] = ()
) -> dict[str, t.Any]:
    report = verify.conclude(views.of_run(hosts, declared, alive), from_controller)
    return {
        "findings": report.findings,
        "text": report.text,
        "lines": [*report.lines, *report.notes],
        "hosts": sorted(report.hosts),
        "outages": report.outages,
        "said": report.said,
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "verify_collect": collect,
            "verify_conclusion": conclusion,
            "verify_folders": folders,
            "verify_plan": plan,
            "verify_targets": targets,
            "verify_waits": waits,
        }
