# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's task for the account, on this machine, in check mode."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import pytest
import yaml


@pytest.mark.slow
@pytest.mark.parametrize(("user", "expected"), [("no-such-account-here", "changed"), ("daemon", "skipping")])
def test_only_a_user_that_is_missing_is_created(user: str, expected: str, tmp_path: pathlib.Path) -> None:
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "homelab.tailsync.syncthing", "tasks_from": "user"}}],
        "vars": {"syncthing_user": user, "ansible_become": False},  # a check needs no root
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "true"}
    command = ["ansible-playbook", "--check", "play.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = re.search(r"TASK \[homelab\.tailsync\.syncthing : Create the account\] \*+\n(\w+):", done.stdout)
    assert outcome, done.stdout
    assert outcome.group(1) == expected
