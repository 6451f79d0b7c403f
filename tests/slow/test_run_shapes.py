# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles in a play of the user's, with other roles before and after, handlers, and one host after the other."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from lab_fixtures import CHECKOUT, HOSTS

OURS = ("tailscale", "firewall", "syncthing", "syncthing_mesh")
# So that the play finds the hosts again at the address of the inventory.
VARIABLES = {"firewall_lan_ssh_from": ["172.31.77.0/24"]}


def role(name: str) -> dict[str, list[dict[str, t.Any]]]:
    """A role of somebody else, with a handler that runs when the role makes its file."""
    made = {"ansible.builtin.copy": {"dest": f"/var/tmp/{name}", "content": "x\n", "mode": "0644"}, "become": True}
    handler = {"ansible.builtin.copy": {"dest": f"/var/tmp/{name}-notified", "content": "x\n", "mode": "0644"}, "become": True}
    return {
        "tasks": [{"name": f"Write the file of {name}", "notify": f"Restart {name}", **made}],
        "handlers": [{"name": f"Restart {name}", **handler}],
    }


@pytest.fixture
def playbook(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("before", "after"):
        for part, tasks in role(name).items():
            file = tmp_path / "roles" / name / part / "main.yml"
            file.parent.mkdir(parents=True)
            file.write_text(yaml.safe_dump(tasks), encoding="utf-8")
    roles = ["before", *(f"homelab.tailsync.{name}" for name in OURS), "after"]
    play = {"name": "The user's own play", "hosts": "tailsync", "serial": 1, "roles": roles}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    return tmp_path / "play.yml"


@pytest.mark.usefixtures("bare")
def test_serial_play_with_other_roles_is_complete_and_its_second_run_changes_nothing(
    playbook: pathlib.Path, play: t.Any, lab: t.Any
) -> None:
    first = play(str(playbook), variables=VARIABLES)
    assert first.code == 0, first.output
    for host in HOSTS:
        for name in ("before", "after"):
            assert lab("exec", host, "--", "ls", f"/var/tmp/{name}-notified", check=False).returncode == 0
    second = play(str(playbook), variables=VARIABLES)
    assert second.code == 0, second.output
    assert second.changed == dict.fromkeys(HOSTS, 0), second.output
    verified = play(str(CHECKOUT / "playbooks" / "verify.yml"), variables=VARIABLES)
    assert verified.code == 0, verified.output
    third = play("site.yml", variables=VARIABLES)
    assert third.code == 0, third.output
    assert third.changed == dict.fromkeys(HOSTS, 0), third.output
