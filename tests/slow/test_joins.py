# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole table of joins (tests/support/joins.py); TAILSYNC_HEADSCALE=/path/to/headscale runs it against a real one, too."""

from __future__ import annotations

import itertools
import json
import pathlib

import control_servers
import joins
import pytest
from playbook import ansible_playbook

REAL = itertools.product(joins.ROWS, joins.GIVEN, ["real headscale"] if control_servers.HEADSCALE else [])


@pytest.mark.parametrize(("name", "kind", "manners"), [*joins.cells(), *REAL])
def test_node_converges_or_is_refused_with_the_cure(name: str, kind: str, manners: str) -> None:
    server = control_servers.Headscale() if manners == "real headscale" else control_servers.Lab(manners)
    try:
        joins.run_cell(name, kind, server)
    finally:
        server.close()


def test_no_secret_is_in_any_output_of_ansible_at_its_highest_verbosity(tmp_path: pathlib.Path) -> None:
    server = control_servers.Lab("headscale")
    cell = joins.Cell(server, "single-use")
    wrong, good = f"hskey-auth-{'1' * 77}", server.key()
    runs = [{"auth_key": wrong}, {"auth_key": good}, {"auth_key": good, "login_server": server.other_url}, {}]
    tasks = [
        {
            "homelab.tailsync.tailscale_node": {**cell.declared, "socket": str(cell.node.socket), **run},
            "ignore_errors": True,
            "register": f"run_{number}",
        }
        for number, run in enumerate(runs)
    ]
    tasks.append(
        {"ansible.builtin.debug": {"msg": "{{ run_0.msg }} | {{ run_1.joined }} | {{ run_2.msg }} | {{ run_3.changed }}"}}
    )
    (tmp_path / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]), encoding="ascii"
    )
    try:
        done = ansible_playbook("play.yml", "-vvvv", "--diff", cwd=tmp_path, ANSIBLE_NOCOLOR="1")
    finally:
        cell.close()
        server.close()
    assert done.returncode == 0, done.stdout
    assert "invalid pre auth key" in done.stdout
    assert "keeps its earlier login" in done.stdout
    assert "| True |" in done.stdout
    assert "| False" in done.stdout
    for secret in (wrong, good):
        assert secret not in done.stdout + done.stderr
