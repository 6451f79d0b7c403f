# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin on a real tailnet, run with the laptop's tailscale command."""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys
import typing as t

import pytest
from testinfra.host import Host


def test_inventory_lists_the_hosts_that_the_laptop_sees(
    lab_hosts: dict[str, Host], tmp_path: pathlib.Path, pytestconfig: pytest.Config
) -> None:
    lab = [sys.executable, str(pytestconfig.rootpath / "tests" / "lab" / "lab.py"), "exec", "laptop", "--", "tailscale"]
    options = {"plugin": "homelab.tailsync.tailnet", "tailscale_command": shlex.join(lab), "address": "ipv4"}
    (tmp_path / "tailnet.yml").write_text(json.dumps(options), encoding="utf-8")
    done = subprocess.run(
        ["ansible-inventory", "-i", tmp_path / "tailnet.yml", "--list"], capture_output=True, text=True, check=True
    )
    found: dict[str, t.Any] = json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    hosts = found["_meta"]["hostvars"]
    for name in ("nas", "pi", "vps"):
        assert hosts[name]["ansible_host"] == lab_hosts[name].check_output("tailscale ip -4")
        assert name in found["os_linux"]["hosts"]
        assert name in found["online"]["hosts"]
