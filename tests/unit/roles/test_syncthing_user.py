# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's task for the account, on this machine, in check mode."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from playbook import ansible_playbook


@pytest.mark.slow
@pytest.mark.parametrize(("user", "expected"), [("no-such-account-here", "changed"), ("daemon", "skipping")])
def test_only_a_missing_user_is_created(user: str, expected: str, tmp_path: pathlib.Path) -> None:
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "homelab.tailsync.syncthing", "tasks_from": "user"}}],
        "vars": {"syncthing_user": user, "ansible_become": False},  # check mode needs no root
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = ansible_playbook("--check", "play.yml", cwd=tmp_path, ANSIBLE_DISPLAY_SKIPPED_HOSTS="true")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = re.search(r"TASK \[homelab\.tailsync\.syncthing : Create the account\] \*+\n(\w+):", done.stdout)
    assert outcome, done.stdout
    assert outcome.group(1) == expected
