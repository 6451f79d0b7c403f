# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers for the scenario firewall: run the role on the lab's hosts and read their rules."""

from __future__ import annotations

import concurrent.futures
import shlex
import typing as t

import lab_fixtures
from testinfra.host import Host

CALLBACKS = lab_fixtures.CHECKOUT / "molecule" / "firewall" / "callback"
ROLE = lab_fixtures.CHECKOUT / "roles" / "firewall" / "tasks"
# The shortest times that the role allows, so that a rollback comes soon.
QUICK = {"role": "firewall", "firewall_proof_timeout": 5, "firewall_rollback_timeout": 30}
NO_ROLLBACK_PENDING = "test ! -e /etc/tailsync/firewall/rollback"


def lab_command(*words: str) -> str:
    return shlex.join([*lab_fixtures.LAB, *words])


def restorable_state(host: Host) -> str:
    """Everything that a rollback restores: the files with their modes, the active rules and the policies."""
    return str(
        host.check_output(
            "find /etc/ufw /etc/default/ufw -type f -exec sha256sum {} + | sort; "
            "find /etc/ufw /etc/default/ufw -printf '%m %u:%g %p\\n' | sort; "
            "for table in iptables ip6tables; do "
            "$table-save -t filter | sed 's/ *\\[[0-9:]*\\]//' "
            "| grep -E '^(:(INPUT|OUTPUT|FORWARD) |-A (ufw6?-user|DOCKER-USER))'; done; "
            "ufw status | head -n 1"
        )
    )


def tailscaled_rules(host: Host) -> list[int]:
    """How many of tailscaled's own rules are active, IPv4 and IPv6."""
    return [
        int(host.check_output(f"{table}-save | grep -c -E '^-A (ts-|(INPUT|FORWARD|POSTROUTING) -j ts-)'"))
        for table in ("iptables", "ip6tables")
    ]


class Firewall:
    """Runs the role on some of the hosts, and checks which networks are then allowed."""

    def __init__(
        self, lab_hosts: dict[str, Host], port_is_open: t.Callable[[str, int], bool], addresses: t.Callable[[Host, str], str]
    ) -> None:
        self.hosts, self.port_is_open, self.addresses = lab_hosts, port_is_open, addresses

    def run(self, *hosts: str, at: str = "", do: str = "", check: bool = False, **variables: t.Any) -> lab_fixtures.Run:
        return lab_fixtures.run_playbook(
            "tests/lab/playbooks/alone.yml",
            f"--limit={','.join(hosts)}",
            *(["--check", "--diff"] if check else []),
            variables={**QUICK, **variables},
            ANSIBLE_CALLBACK_PLUGINS=str(CALLBACKS),
            ANSIBLE_CALLBACKS_ENABLED="at_task",
            AT_TASK=at,
            AT_TASK_DO=do,
        )

    def run_all(self, plan: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, lab_fixtures.Run]:
        """One run for each host, all at the same time."""
        with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
            return dict(zip(plan, pool.map(lambda item: self.run(item[0], **item[1]), plan.items())))

    def assert_rolled_back(self, name: str, before: str, seconds: float = 60) -> None:
        """Wait until the host has restored exactly its old rules, and SSH is reachable over the LAN again."""
        host = self.hosts[name]
        assert lab_fixtures.wait_until(lambda: bool(host.run(NO_ROLLBACK_PENDING).succeeded), seconds), (
            f"{name}: no rollback has run"
        )
        assert restorable_state(host) == before, name
        # The neighbours' ARP entries of a machine that was created again, with another MAC address, take a while to expire.
        assert lab_fixtures.wait_until(lambda: self.lan_reaches_ssh(name), 60)

    def lan_reaches_ssh(self, name: str) -> bool:
        return all(self.port_is_open(self.addresses(self.hosts[name], family), 22) for family in ("4", "6"))

    def tailnet_reaches_ssh(self, name: str) -> bool:
        address = self.hosts[name].check_output("tailscale ip -4")
        return bool(self.hosts["laptop"].run(f"nc -z -w 5 {address} 22").succeeded)
