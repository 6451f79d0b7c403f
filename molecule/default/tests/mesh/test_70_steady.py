# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run on what is as declared changes nothing, whatever happened to the daemons in between."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from testinfra.host import Host

NOTHING = {"nas": 0, "pi": 0, "vps": 0}


def test_check_mode_predicts_no_change(play: t.Any) -> None:
    run = play("site.yml", "--check", "--diff")
    assert run.code == 0, run.output
    assert run.changed == NOTHING


def test_the_installed_tarball_finds_nothing_to_do_either(
    play: t.Any, tmp_path: pathlib.Path, pytestconfig: pytest.Config
) -> None:
    built = subprocess.run(
        ["bash", "tests/tools/build-and-install", tmp_path / "built"],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    # Somebody else's folder: nothing of this checkout's settings is in force.
    (tmp_path / "ansible.cfg").write_text("[defaults]\n", encoding="ascii")
    environment = {"ANSIBLE_COLLECTIONS_PATH": built.stdout.strip(), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    run = play("homelab.tailsync.site", cwd=tmp_path, **environment)
    assert run.code == 0, run.output
    assert run.changed == NOTHING


@pytest.mark.parametrize("role", ["tailscale", "firewall", "syncthing", "syncthing_mesh"])
def test_a_role_alone_in_somebody_elses_playbook_needs_nothing_of_the_others(play: t.Any, role: str) -> None:
    run = play("molecule/lab/playbooks/alone.yml", variables={"role": role, "tailscale_auth_key": ""})
    assert run.code == 0, run.output
    assert run.changed == NOTHING


def test_nor_after_syncthing_and_tailscaled_were_restarted(
    play: t.Any, lab: t.Any, eyes: dict[str, Host], eventually: t.Any
) -> None:
    lab("coordinator", "require-key", "")  # the test's control server asks known nodes for it, too
    for name in NOTHING:
        eyes[name].check_output("systemctl restart tailscaled syncthing@syncthing")
    for name in NOTHING:
        assert eventually(lambda name=name: eyes[name].run("tailscale ip -4").succeeded, 30)
    run = play("site.yml")
    assert run.code == 0, run.output
    assert run.changed == NOTHING


def test_a_rebooted_host_comes_back_by_itself(lab: t.Any, eyes: dict[str, Host], eventually: t.Any) -> None:
    lab("reboot", "pi")
    pi = eyes["pi"]
    assert eventually(lambda: pi.run("tailscale ip -4").succeeded, 60)
    address = pi.check_output("tailscale ip -4")
    assert eventually(lambda: f"{address}:22000" in pi.run("ss -H -ltn").stdout, 90)
    assert "Status: active" in pi.check_output("ufw status")


OLDER = "1.102.4"  # molecule/lab/artefacts.py, TAILSCALE_OLDER


def installed(eye: Host) -> str:
    return str(eye.check_output("dpkg-query -W -f '${Version}' tailscale"))


@pytest.fixture
def role(play: t.Any, lab: t.Any) -> t.Callable[..., t.Any]:
    """The role tailscale on pi alone, which is reached over the tailnet."""
    lab("coordinator", "require-key", "")

    def run(**variables: t.Any) -> t.Any:
        given: dict[str, t.Any] = {"role": "tailscale", "tailscale_auth_key": "", **variables}
        return play("molecule/lab/playbooks/alone.yml", "--limit", "pi", variables=given)

    return run


def test_tailscale_goes_to_the_version_it_is_told_over_the_tailnet_itself(role: t.Any, eyes: dict[str, Host]) -> None:
    pi = eyes["pi"]
    newest = installed(pi)
    older = {"tailscale_version": OLDER, "tailscale_hold": True}
    down = role(**older)
    assert (down.code, installed(pi)) == (0, OLDER), down.output
    assert pi.check_output("apt-mark showhold") == "tailscale"
    again = role(**older)
    assert (again.code, again.changed) == (0, {"pi": 0}), again.output
    up = role(tailscale_version="latest")
    assert (up.code, installed(pi)) == (0, newest), up.output
    assert pi.check_output("apt-mark showhold") == ""
    assert role(tailscale_version="latest").changed == {"pi": 0}


def test_a_repository_with_another_signature_is_refused_and_the_next_run_mends_it(role: t.Any, eyes: dict[str, Host]) -> None:
    before = installed(eyes["pi"])
    bad = role(tailscale_version="latest", tailscale_repository_url="http://172.31.77.3/tailscale-badly-signed")
    assert bad.code != 0
    assert "badly-signed" in bad.output
    assert installed(eyes["pi"]) == before
    good = role()
    assert (good.code, installed(eyes["pi"])) == (0, before), good.output
    assert role().changed == {"pi": 0}
