# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/leave.yml on hosts that are locked down."""

from __future__ import annotations

import typing as t

from firewall_fixtures import tailscaled_rules
from testinfra.host import Host

TAILNET_ONLY = "/etc/ssh/sshd_config.d/tailnet-only.conf"


def test_host_reachable_only_over_the_tailnet_is_not_logged_out(play: t.Any, lab_hosts: dict[str, Host]) -> None:
    lab_hosts["nas"].check_output(f"echo ListenAddress $(tailscale ip -4) >{TAILNET_ONLY} && systemctl restart ssh")
    try:
        run = play("playbooks/leave.yml", "--limit=nas")
    finally:
        lab_hosts["nas"].check_output(f"rm {TAILNET_ONLY} && systemctl restart ssh")
    assert run.code != 0
    assert "logging it out of the tailnet would cut it off" in " ".join(run.output.split()), run.output
    assert lab_hosts["nas"].run("tailscale ip -4").succeeded


def test_leaving_restores_the_old_rules_and_logs_out(
    firewall: t.Any, play: t.Any, lab_hosts: dict[str, Host], before: dict[str, str]
) -> None:
    rules = tailscaled_rules(lab_hosts["pi"])
    run = play("playbooks/leave.yml", "--limit=vps,pi")
    assert run.code == 0, run.output
    for name in ("vps", "pi"):
        # Docker was started after the snapshot of the first rules, and set this before the firewall was changed.
        docker = lab_hosts[name].run("iptables -n -L DOCKER").succeeded
        firewall.assert_rolled_back(name, before[name].replace(":FORWARD ACCEPT", ":FORWARD DROP") if docker else before[name])
        assert not lab_hosts[name].run("tailscale ip -4").succeeded
    assert rules != [0, 0]
    again = play("playbooks/leave.yml", "--limit=vps,pi")
    assert (again.code, again.changed) == (0, {"vps": 0, "pi": 0}), again.output
