# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of docs/examples on unprepared hosts; a double of Tailscale's API makes the keys."""

from __future__ import annotations

import typing as t

import pytest
from artefacts import TAILSCALE_OLDER as OLDER
from control_double import SECRET, ControlServer
from testinfra.host import Host


@pytest.fixture
def mint(lab: t.Any) -> t.Iterator[ControlServer]:
    server = ControlServer()
    server.key = lab("auth-key").stdout.strip()
    lab("coordinator", "tags", "tag:ci")
    yield server
    lab("coordinator", "tags", "")
    server.close()


def test_ci_machine_joins_with_its_own_key_and_logs_out(
    play: t.Any, lab: t.Any, lab_hosts: dict[str, Host], mint: ControlServer
) -> None:
    variables: dict[str, t.Any] = {"tailscale_auth_key": "", "tailscale_api_url": mint.url, "userspace": True}
    environment = {"TS_OAUTH_SECRET": SECRET, "GITHUB_RUN_ID": "4711"}
    join = play("docs/examples/ci-join.yml", "--limit", "vps", "-vvv", variables=variables, **environment)
    assert join.code == 0, join.output
    [key] = mint.keys
    create = key["capabilities"]["devices"]["create"]
    assert (create["ephemeral"], create["reusable"], create["tags"]) == (True, False, ["tag:ci"])
    assert '"ci-4711-vps' in lab("coordinator", "nodes").stdout
    for secret in (SECRET, mint.key):
        assert secret not in join.output
    leave = play("docs/examples/ci-leave.yml", "--limit", "vps")
    assert leave.code == 0, leave.output
    assert "Logged out" in lab_hosts["vps"].run("tailscale status").stdout


def test_one_role_works_in_a_users_playbook(play: t.Any, lab: t.Any, lab_hosts: dict[str, Host]) -> None:
    key = lab("auth-key").stdout.strip()
    variables = {"tailscale_wanted": OLDER}
    run = play("docs/examples/one-role.yml", "--limit", "pi", variables=variables, TS_AUTHKEY=key)
    assert run.code == 0, run.output
    assert f"pi is {lab_hosts['pi'].check_output('tailscale ip -4')}, and pi.tailnet.test" in run.output
    assert lab_hosts["pi"].package("tailscale").version == OLDER
