# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run on hosts that already match changes nothing, also after the daemons were restarted."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from testinfra.host import Host

NOTHING = {"nas": 0, "pi": 0, "vps": 0}


def test_check_mode_of_a_second_run_predicts_no_change(play: t.Any) -> None:
    run = play("site.yml", "--check", "--diff")
    assert run.code == 0, run.output
    assert run.changed == NOTHING


def test_installed_tarball_changes_nothing_on_a_second_run(
    play: t.Any, tmp_path: pathlib.Path, pytestconfig: pytest.Config
) -> None:
    built = subprocess.run(
        ["bash", "tests/tools/build-and-install", tmp_path / "built"],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    # Another folder, where the settings of this checkout do not apply.
    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="ascii")
    environment = {"ANSIBLE_COLLECTIONS_PATH": built.stdout.strip(), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    run = play("homelab.tailsync.site", cwd=tmp_path, **environment)
    assert run.code == 0, run.output
    assert run.changed == NOTHING


@pytest.mark.parametrize("role", ["tailscale", "firewall", "syncthing", "syncthing_mesh"])
def test_role_alone_in_a_users_playbook_changes_nothing(play: t.Any, role: str) -> None:
    run = play("tests/lab/playbooks/alone.yml", variables={"role": role, "tailscale_auth_key": ""})
    assert run.code == 0, run.output
    assert run.changed == NOTHING


def test_run_changes_nothing_after_the_daemons_were_restarted(play: t.Any, lab_hosts: dict[str, Host], eventually: t.Any) -> None:
    for name in NOTHING:
        lab_hosts[name].check_output("systemctl restart tailscaled syncthing@syncthing")
    for name in NOTHING:
        assert eventually(lambda name=name: lab_hosts[name].run("tailscale ip -4").succeeded, 30)
    run = play("site.yml")
    assert run.code == 0, run.output
    assert run.changed == NOTHING


def test_rebooted_host_reconnects_by_itself(lab: t.Any, lab_hosts: dict[str, Host], eventually: t.Any) -> None:
    lab("reboot", "pi")
    pi = lab_hosts["pi"]
    assert eventually(lambda: pi.run("tailscale ip -4").succeeded, 60)
    address = pi.check_output("tailscale ip -4")
    assert eventually(lambda: f"{address}:22000" in pi.run("ss -H -ltn").stdout, 90)
    assert "Status: active" in pi.check_output("ufw status")
