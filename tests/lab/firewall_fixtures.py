# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role firewall on the lab, and what is then so: for the scenario of that name."""

from __future__ import annotations

import concurrent.futures
import shlex
import typing as t

import lab_fixtures
from testinfra.host import Host

CALLBACKS = lab_fixtures.CHECKOUT / "molecule" / "firewall" / "callback"
ROLE = lab_fixtures.CHECKOUT / "roles" / "firewall" / "tasks"
# As short as the role allows, so that the tests need not wait long for a rollback.
QUICK = {"role": "firewall", "firewall_proof_timeout": 5, "firewall_rollback_timeout": 30}
GONE = "test ! -e /etc/tailsync/firewall/rollback"


def lab_command(*words: str) -> str:
    return shlex.join([*lab_fixtures.LAB, *words])


def look(host: Host) -> str:
    """Everything that is kept and brought back: the files with their modes, the rules in force, the policies."""
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
    """How many rules of tailscaled's own are in force, IPv4 and IPv6, and whether they are asked first."""
    return [
        int(host.check_output(f"{table}-save | grep -c -E '^-A (ts-|(INPUT|FORWARD|POSTROUTING) -j ts-)'"))
        for table in ("iptables", "ip6tables")
    ]


class Firewall:
    """The role on some of the hosts, and what is then so."""

    def __init__(
        self, lab_hosts: dict[str, Host], door: t.Callable[[str, int], bool], addresses: t.Callable[[Host, str], str]
    ) -> None:
        self.hosts, self.door, self.addresses = lab_hosts, door, addresses

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
        """Each host by a run of its own, all at the same time."""
        with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
            return dict(zip(plan, pool.map(lambda item: self.run(item[0], **item[1]), plan.items())))

    def is_back(self, name: str, before: str, seconds: float = 60) -> None:
        """By itself, and to the letter; whoever is on the LAN can log in again."""
        host = self.hosts[name]
        assert lab_fixtures.wait_until(lambda: bool(host.run(GONE).succeeded), seconds), f"{name}: nothing was brought back"
        assert look(host) == before, name
        # A neighbour's memory of a machine that was made anew, with another MAC address, takes a while to fade.
        assert lab_fixtures.wait_until(lambda: self.lets_the_lan_in(name), 60)

    def lets_the_lan_in(self, name: str) -> bool:
        return all(self.door(self.addresses(self.hosts[name], family), 22) for family in ("4", "6"))

    def lets_the_tailnet_in(self, name: str) -> bool:
        address = self.hosts[name].check_output("tailscale ip -4")
        return bool(self.hosts["laptop"].run(f"nc -z -w 5 {address} 22").succeeded)
