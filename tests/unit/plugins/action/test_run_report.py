# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import yaml
from ansible_collections.homelab.tailsync.plugins.action import run_report as action
from ansible_collections.homelab.tailsync.plugins.modules import run_report as module
from playbook import ansible_playbook

COLLECTION = pathlib.Path(__file__).resolve().parents[4]
HOSTS = {name: {"ansible_connection": "local"} for name in ("nas", "pi", "vps")}
# As in site.yml, with a task that fails or not in place of the whole look at the host.
RISKS = {
    "ansible.builtin.assert": {
        "that": "inventory_hostname != refused",
        "fail_msg": "{{ inventory_hostname }}: it has no TUN device.",
    },
    "register": "__tailsync_risks",
}
MESH = {
    "ansible.builtin.set_fact": {"__syncthing_mesh_configured": "{{ {'refused': folders[inventory_hostname] | default([])} }}"},
}
REPORT = {
    "homelab.tailsync.run_report": {
        "parts": ["tailscale", "firewall", "syncthing", "syncthing_mesh"],
        "conclusion": "{{ conclusion | default({}) }}",
    },
    "run_once": True,
}


def run(tmp_path: pathlib.Path, *options: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks} for tasks in ([RISKS, MESH], [REPORT])]
    (tmp_path / "play.yml").write_text(json.dumps(plays), encoding="ascii")
    given = {"refused": "none", "folders": {}, **variables}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": HOSTS, "vars": given}}), encoding="ascii")
    return ansible_playbook("-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"), *options, cwd=tmp_path)


def test_documented_options_are_those_of_the_action() -> None:
    keys = ("type", "elements", "default", "required")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {name: {key: one[key] for key in keys if key in one} for name, one in documented.items()} == action.ARGUMENTS


def test_results_are_those_that_the_tasks_register() -> None:
    files = [*COLLECTION.glob("roles/*/tasks/*.yml"), *COLLECTION.glob("playbooks/**/*.yml")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    assert [name for name in action.REGISTERED.values() if f"register: {name}\n" not in text] == []


def test_refused_host_is_told_and_does_not_fail_the_others(tmp_path: pathlib.Path) -> None:
    done = run(tmp_path, refused="vps")
    assert "2 of 3 hosts are complete (not verified)" in done.stdout, done.stdout + done.stderr
    assert "refused, unchanged: vps (it has no TUN device)" in done.stdout
    assert done.returncode == 2
    assert "failed=1" in next(line for line in done.stdout.splitlines() if line.startswith("vps "))
    assert "failed=0" in next(line for line in done.stdout.splitlines() if line.startswith("nas "))


def test_first_host_refused_leaves_the_report_to_another(tmp_path: pathlib.Path) -> None:
    done = run(tmp_path, refused="nas")
    assert "refused, unchanged: nas (it has no TUN device)" in done.stdout, done.stdout + done.stderr


def test_limit_counts_the_hosts_of_the_run_only(tmp_path: pathlib.Path) -> None:
    assert "1 of 1 hosts is complete" in run(tmp_path, "--limit", "pi", refused="nas").stdout


def test_check_mode_reports_as_well(tmp_path: pathlib.Path) -> None:
    assert "3 of 3 hosts would be complete" in run(tmp_path, "--check").stdout


def test_refused_folder_makes_the_end_red_with_all_lines(tmp_path: pathlib.Path) -> None:
    music = {"id": "music", "path": "/srv/music", "reason": "its path is a file"}
    done = run(tmp_path, folders={"pi": [music]})
    assert done.returncode == 2
    assert "refused folder: music on pi (its path is a file)" in done.stdout + done.stderr
    assert "2 of 3 hosts are complete" in done.stdout + done.stderr


def test_finding_of_verify_makes_the_end_red(tmp_path: pathlib.Path) -> None:
    done = run(tmp_path, conclusion={"findings": ["nas: Tailscale is not running"], "hosts": ["nas"], "outages": {}})
    assert done.returncode == 2
    assert "verify found 1 problem: nas: Tailscale is not running" in done.stdout + done.stderr
