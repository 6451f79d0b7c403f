# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the role compares with what listens on the host."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: homelab.tailsync.syncthing, tasks_from: inspect}
      ignore_errors: true  # the machine of the tests may lack apt
    - copy: {dest: "{{ out }}/{{ inventory_hostname }}", content: "{{ __tailsync_host.syncthings.wanted | to_json }}"}
"""
HOSTS: dict[str, dict[str, t.Any]] = {
    "port": {"syncthing_mesh_port": 22005, "syncthing_gui_address": "127.0.0.1:8385"},
    "own": {"syncthing_listen_addresses": ["tcp://100.64.0.7:22001", "tcp://192.168.1.5"]},
    "options": {"syncthing_mesh_options": {"listen_addresses": ["tcp://100.64.0.7:22002"]}},
}
WANTED = {
    "port": [("", 22005), ("127.0.0.1", 8385)],
    "own": [("100.64.0.7", 22001), ("192.168.1.5", 22000)],
    "options": [("", 22000), ("100.64.0.7", 22002)],
}


@pytest.mark.slow
def test_ports_of_all_variables_are_compared(tmp_path: pathlib.Path) -> None:
    common = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"hosts": HOSTS, "vars": {**common, "tailsync_accept": ["gui_without_password"], "out": str(tmp_path)}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    command = ["ansible-playbook", "--inventory", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in HOSTS}
    assert {name: [(place["host"], place["port"]) for place in places] for name, places in found.items()} == WANTED
