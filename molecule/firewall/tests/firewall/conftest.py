# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from firewall_fixtures import Firewall, restorable_state
from lab_fixtures import HOSTS
from testinfra.host import Host


@pytest.fixture(scope="session")
def firewall(lab_hosts: dict[str, Host], port_is_open: t.Any, addresses: t.Any) -> Firewall:
    return Firewall(lab_hosts, port_is_open, addresses)


@pytest.fixture(scope="session", autouse=True)
def before(lab_hosts: dict[str, Host]) -> dict[str, str]:
    """The hosts' rules before the first run: nas has active rules of its owner, pi has inactive ones, vps has none."""
    # These tests open and cut off more SSH connections than sshd allows by default (sshd_config(5)).
    no_penalties = "echo PerSourcePenalties no >/etc/ssh/sshd_config.d/lab.conf && systemctl restart ssh"
    for name in HOSTS:
        lab_hosts[name].check_output(no_penalties)
        lab_hosts[name].check_output(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ufw >/dev/null 2>&1"
        )
    owners = ("allow 22/tcp", "limit 2222/tcp comment 'my old port'", "allow from 172.31.77.0/24 to any port 4444 proto tcp")
    for rule in owners:
        lab_hosts["nas"].check_output(f"ufw {rule}")
    lab_hosts["nas"].check_output("ufw --force enable")
    lab_hosts["pi"].check_output("ufw allow OpenSSH || ufw allow 22/tcp")
    return {name: restorable_state(lab_hosts[name]) for name in HOSTS}
