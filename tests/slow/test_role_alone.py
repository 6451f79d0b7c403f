# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role firewall by itself with a user's own ~/.ssh, in whole; molecule/firewall has the short form."""

from __future__ import annotations

import time
import typing as t

import pytest
from role_alone import LAN, RoleAlone
from testinfra.host import Host


@pytest.fixture(scope="module")
def alone(
    bare: None,
    play: t.Any,
    lab_hosts: dict[str, Host],
    addresses: t.Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> RoleAlone:
    joined = play("site.yml", "--tags", "tailscale")
    assert joined.code == 0, joined.output
    # These tests open and cut off more SSH connections than sshd allows by default (sshd_config(5)).
    lab_hosts["nas"].check_output("echo PerSourcePenalties no >/etc/ssh/sshd_config.d/lab.conf && systemctl restart ssh")
    return RoleAlone(tmp_path_factory.mktemp("owner"), lab_hosts["nas"], addresses(lab_hosts["nas"], "4"))


def test_role_alone_works_again_when_only_the_tailnet_is_let_in(
    alone: RoleAlone, port_is_open: t.Any, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    assert alone.owner.logs_in("nas") == f"nas {alone.address}"
    first = alone.run()
    assert first.code == 0, first.output
    assert first.changed["nas"] > 0
    assert not port_is_open(alone.address, 22)
    assert alone.owner.logs_in("nas") == alone.tailnet_login
    again = alone.run()
    assert (again.code, again.changed) == (0, {"nas": 0}), again.output
    # Also a change that needs another proof.
    changed = alone.run("--extra-vars", "firewall_public_ports=443/tcp")
    assert changed.code == 0, changed.output
    assert alone.owner.logs_in("nas") == alone.tailnet_login
    with capsys.disabled():
        print(f"\nthe role alone, three times: {time.monotonic() - start:.0f} s")


@pytest.mark.parametrize("given", ["ssh_config", "ansible_port"])
def test_lan_may_use_ssh_at_the_port_that_the_user_has_set(alone: RoleAlone, given: str, port_is_open: t.Any) -> None:
    port = {"ansible_port": 2222} if given == "ansible_port" else {}
    alone.declare(firewall_lan_ssh_from=[LAN], **port)
    with alone.other_port(in_ssh_config=given == "ssh_config"):
        run = alone.site()
        assert run.code == 0, run.output
        assert "[WARNING] firewall_lan_ssh_from" not in run.output
        assert alone.ports_for_the_lan() == ["2222/tcp"]
        assert port_is_open(alone.address, 2222)
        by_itself = alone.run()
        assert by_itself.code == 0, by_itself.output
        assert ("firewall_lan_ssh_from opens port 22, but nothing listens there" in by_itself.output) is (given == "ssh_config")
        again = alone.site()
        assert again.code == 0, again.output
        assert alone.ports_for_the_lan() == ["2222/tcp"]
        fixed = alone.run("--extra-vars", "firewall_ssh_port=2222")
        assert (fixed.code, fixed.changed) == (0, {"nas": 0}), fixed.output
        assert "[WARNING] firewall_lan_ssh_from" not in fixed.output


def test_leaving_brings_ssh_back_to_the_lan(alone: RoleAlone, port_is_open: t.Any) -> None:
    alone.declare()
    assert "Host nas" in alone.owner.fragment
    run = alone.leave()
    assert run.code == 0, run.output
    assert "Host " not in alone.owner.fragment.replace(" Host blocks", "")
    assert port_is_open(alone.address, 22)
    assert alone.owner.logs_in("nas") == f"nas {alone.address}"
    again = alone.leave()
    assert (again.code, again.changed) == (0, {"nas": 0}), again.output
