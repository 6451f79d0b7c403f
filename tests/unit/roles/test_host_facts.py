# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of host_info that the roles use are the same as Ansible's own."""

from __future__ import annotations

import json
import subprocess
import sys

from ansible_collections.homelab.tailsync.plugins.module_utils._host import system
from module_call import call


def test_host_info_agrees_with_the_facts_of_ansible() -> None:
    found = call("host_info")["system"]
    command = [
        "ansible",
        "localhost",
        "-m",
        "setup",
        "-a",
        "gather_subset=min",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    facts = json.loads(told[told.index("{") :])["ansible_facts"]
    names = set(found) - {"os_release"}
    assert {*system.NAMES, "pkg_mgr", "service_mgr", "architecture", "userspace_bits"} == names
    assert {name: found[name] for name in names} == {name: facts[f"ansible_{name}"] for name in names}
    assert "ID=" in found["os_release"]
