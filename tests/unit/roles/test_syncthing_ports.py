# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the role compares with what listens on the host, before the tailnet address is known."""

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
      ignore_errors: true
    - copy: {dest: "{{ out }}/{{ inventory_hostname }}", content: "{{ __tailsync_host.syncthings.wanted | to_json }}"}
"""
OWN = ["tcp://{{ tailscale_ipv4 }}:22001", "tcp://192.168.1.5"]
HOSTS: dict[str, dict[str, t.Any]] = {
    "own": {"syncthing_listen_addresses": OWN},
    "known": {"syncthing_listen_addresses": OWN, "tailscale_ipv4": "100.64.0.7"},
    "options": {"syncthing_mesh_options": {"listen_addresses": ["tcp://{{ tailscale_dns_name }}:22002"]}},
    "gui": {"syncthing_gui_address": "127.0.0.1:8385", "syncthing_mesh_port": 22005},
}
WANTED = {
    "own": [("", 22001), ("192.168.1.5", 22000)],
    "known": [("100.64.0.7", 22001), ("192.168.1.5", 22000)],
    "options": [("", 22000), ("", 22002)],
    "gui": [("", 22005), ("127.0.0.1", 8385)],
}


@pytest.mark.slow
def test_ports_of_all_variables_are_compared(tmp_path: pathlib.Path) -> None:
    common = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"hosts": HOSTS, "vars": {**common, "out": str(tmp_path)}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    command = ["ansible-playbook", "--inventory", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in HOSTS}
    assert {name: [(place["host"], place["port"]) for place in places] for name, places in found.items()} == WANTED
