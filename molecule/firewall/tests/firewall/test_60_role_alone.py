# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role by itself with a user's own ~/.ssh: twice, with another port of SSH, and back. tests/slow has more of it."""

from __future__ import annotations

import typing as t

import pytest
from role_alone import LAN, RoleAlone
from testinfra.host import Host


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, lab_hosts: dict[str, Host], addresses: t.Any) -> RoleAlone:
    return RoleAlone(tmp_path_factory.mktemp("owner"), lab_hosts["nas"], addresses(lab_hosts["nas"], "4"))


def test_role_alone_works_again_when_only_the_tailnet_is_let_in(alone: RoleAlone, firewall: t.Any) -> None:
    assert alone.owner.logs_in("nas") == f"nas {alone.address}"
    first = alone.run()
    assert first.code == 0, first.output
    assert first.changed["nas"] > 0
    assert not firewall.lan_reaches_ssh("nas")
    assert alone.owner.logs_in("nas") == alone.tailnet_login
    again = alone.run()
    assert (again.code, again.changed) == (0, {"nas": 0}), again.output


def test_lan_may_use_ssh_at_the_port_of_the_users_ssh_config(alone: RoleAlone, port_is_open: t.Any) -> None:
    alone.declare(firewall_lan_ssh_from=[LAN])
    with alone.other_port(in_ssh_config=True):
        run = alone.site()
        assert run.code == 0, run.output
        assert "[WARNING] firewall_lan_ssh_from" not in run.output
        assert alone.ports_for_the_lan() == ["2222/tcp"]
        assert port_is_open(alone.address, 2222)
        # The role by itself does not know that port: what it then says and does is in tests/slow.
        by_itself = alone.run("--extra-vars", "firewall_ssh_port=2222")
        assert (by_itself.code, by_itself.changed) == (0, {"nas": 0}), by_itself.output
        assert "[WARNING] firewall_lan_ssh_from" not in by_itself.output


def test_leaving_brings_ssh_back_to_the_lan(alone: RoleAlone, firewall: t.Any) -> None:
    alone.declare()
    assert "Host nas" in alone.owner.fragment
    run = alone.leave()
    assert run.code == 0, run.output
    assert "Host " not in alone.owner.fragment.replace(" Host blocks", "")
    assert firewall.lan_reaches_ssh("nas")
    assert alone.owner.logs_in("nas") == f"nas {alone.address}"
