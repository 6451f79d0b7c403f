# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's CPU time for 3 to 300 hosts that share 10 folders, as a ratio to one assert over the same hosts.

Nothing is connected to. `make benchmark` runs it; an argument names other sizes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

import yaml
from device_ids import device_id

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
SIZES = (3, 30, 100, 300)
FOLDERS = 10
MAX_CHECKS = 4.0  # times one assert over the same hosts
MAX_OWN = 1.5  # seconds for one host, divided by folders times members, at 300 hosts as a multiple of those at 30
MAX_SHARED = 1.2  # seconds for each host, at 300 hosts as a multiple of those at 30: in proportion is 1, the rest is noise
ASSERT, SHARED, OWN = (
    "assert",
    "Collect device IDs and addresses of the members",
    "Configure devices and folders as declared in the inventory",
)


@dataclasses.dataclass(frozen=True)
class Costs:
    """CPU time of the controller in seconds."""

    hosts: int
    floor: float  # one assert over all hosts
    checks: float  # all checks of input
    shared: float  # what the mesh computes for all hosts together
    own: float  # one host's desired state


def inventory(hosts: int, folders: int = FOLDERS) -> dict[str, t.Any]:
    """Variables of hosts after the role syncthing of site.yml; all hosts share all folders."""
    names = [f"host-{number:03}" for number in range(hosts)]
    return {
        "tailsync": {
            "hosts": {
                name: {
                    "tailscale_ipv4": f"100.64.{number // 250}.{number % 250 + 1}",
                    "tailscale_dns_name": f"{name}.tail1234.ts.net",
                    "syncthing_device_id": device_id(number),
                }
                for number, name in enumerate(names)
            },
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "tailscale_auth_key": "a key",
                "syncthing_mesh_external_devices": {"phone": {"device_id": device_id(hosts)}},
                "syncthing_mesh_folders": {
                    f"folder-{number}": {"path": f"/srv/sync/folder-{number}", "devices": names} for number in range(folders)
                },
            },
        }
    }


def plays() -> list[dict[str, t.Any]]:
    """A playbook with one assert, the input checks of site.yml, and the computation of the mesh."""
    (checks, *_rest) = yaml.safe_load((CHECKOUT / "playbooks/site.yml").read_text(encoding="utf-8"))
    floor = {"name": ASSERT, "ansible.builtin.assert": {"that": "inventory_hostname is truthy", "quiet": True}}
    mesh = {"name": "mesh", "ansible.builtin.include_role": {"name": "homelab.tailsync.syncthing_mesh", "tasks_from": "cluster"}}
    play = {"hosts": "tailsync", "gather_facts": False, "strategy": "linear"}
    checked = {"vars": {"__tailsync_checked": "{{ ansible_play_hosts }}"}}  # as site.yml has it
    return [{**play, "tasks": [{**floor, "name": "warm up"}, floor]}, checks, {**play, **checked, "tasks": [mesh]}]


def measure(hosts: int) -> Costs:
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        (work / "play.yml").write_text(json.dumps(plays()), encoding="utf-8")
        (work / "hosts.json").write_text(json.dumps(inventory(hosts)), encoding="utf-8")
        (work / "results.json").write_text(json.dumps({"homelab.tailsync.syncthing_cluster": {}}), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "controller_cost",
            "ANSIBLE_FORKS": "10",
            "TAILSYNC_COSTS": str(work / "costs.json"),
            "TAILSYNC_RESULTS": str(work / "results.json"),
        }
        command = ["ansible-playbook", "-i", str(work / "hosts.json"), str(work / "play.yml")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stdout[-3000:] + done.stderr)
        tasks = json.loads((work / "costs.json").read_text(encoding="utf-8"))
    return _costs(hosts, tasks)


def _costs(hosts: int, tasks: list[dict[str, t.Any]]) -> Costs:
    names = [task["name"] for task in tasks]
    floor, first, shared, own = names.index(ASSERT), names.index(ASSERT) + 1, names.index(SHARED), names.index(OWN)
    assert tasks[own]["hosts"] == hosts, tasks[own]
    return Costs(
        hosts=hosts,
        floor=_total(tasks[floor]),
        checks=sum(_total(task) for task in tasks[first : names.index("mesh")]),
        shared=_total(tasks[shared]),
        own=tasks[own]["workers"] / hosts,
    )


def _total(task: dict[str, t.Any]) -> float:
    return float(task["workers"] + task["main"])


def table(rows: list[Costs]) -> str:
    lines = ["hosts | one assert |  checks (of an assert) | shared, per host | own state | per folder and member"]
    lines += [
        f"{row.hosts:>5} | {row.floor:>8.2f} s | {row.checks:>7.2f} s {row.checks / row.floor:>10.2f}x | "
        f"{row.shared / row.hosts * 1000:>13.2f} ms | {row.own * 1000:>6.1f} ms | {row.own / FOLDERS / row.hosts * 1e6:>15.0f} µs"
        for row in rows
    ]
    return "\n".join(lines)


def faults(rows: list[Costs]) -> list[str]:
    found = [
        f"{row.hosts} hosts: the checks cost {row.checks / row.floor:.1f}x one assert, wanted is at most {MAX_CHECKS}x"
        for row in rows
        if row.checks > MAX_CHECKS * row.floor
    ]
    by_size = {row.hosts: row for row in rows}
    small, large = by_size.get(30), by_size.get(300)
    if small and large:
        growth = (large.own / large.hosts) / (small.own / small.hosts)
        if growth > MAX_OWN:
            found.append(f"one host's state costs {growth:.2f}x as much for each folder and member at 300 hosts as at 30")
        growth = ((large.checks + large.shared) / large.hosts) / ((small.checks + small.shared) / small.hosts)
        if growth > MAX_SHARED:
            found.append(f"what all hosts share costs {growth:.2f}x as much for each host at 300 hosts as at 30")
    return found


def main() -> int:
    rows = []
    for size in [int(one) for one in sys.argv[1:]] or SIZES:
        rows.append(measure(size))
        print(table(rows[-1:]).splitlines()[1] if rows[1:] else table(rows), flush=True)
    found = faults(rows)
    print("\n".join(found) or "all within their limits")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
