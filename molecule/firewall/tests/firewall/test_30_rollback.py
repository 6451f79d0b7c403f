# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures between the first change and its proof: the host restores the old rules by itself and can be reached again."""

from __future__ import annotations

import itertools
import re
import typing as t

import yaml
from firewall_fixtures import NO_ROLLBACK_PENDING, ROLE, lab_command, tailscaled_rules
from testinfra.host import Host

PROOF = "Prove that a new SSH login works"
TAKEN_BACK = re.compile("old firewall rules are in force|host restores its old firewall rules")
SMALL_DISK = "mkdir /small && mount -t tmpfs -o size=12m tmpfs /small && cp -a /etc/. /small && mount --move /small /etc"
SLOW_UFW = "/usr/local/sbin/ufw"  # found before the real one
LARGE_DISK = "umount -l /etc && rmdir /small"
CHANGE = "Put the new rules in force"
DIAL = "Open a new connection to the control server"
CONFIRM = "Confirm the change"
NO_CONTROL = "OUTPUT -d 172.31.77.2 -p tcp --dport 8080 --syn -j REJECT"
# Ends the SSH session as soon as the host has confirmed the change, so that the answer is lost.
LOSE_ANSWER = (
    "systemd-run --quiet sh -c "
    "'while test -e /etc/tailsync/firewall/rollback/complete; do sleep 0.01; done; pkill -9 sshd-session'"
)  # fmt: skip


def tasks_from_armed_to_disarmed() -> list[str]:
    """The role's own task names, so that a new task is cut off here as well."""
    tasks = yaml.safe_load((ROLE / "change.yml").read_text(encoding="utf-8"))
    flat = list(itertools.chain.from_iterable(task.get("block", [task]) for task in tasks))
    states = [task.get("homelab.tailsync.ufw_rollback", {}).get("state") for task in flat]
    return [str(task["name"]) for task in flat[states.index("armed") : states.index("disarmed") + 1]]


def test_run_killed_at_any_task_is_rolled_back(firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]) -> None:
    names = tasks_from_armed_to_disarmed()
    assert len(names) >= 5
    rules = {name: tailscaled_rules(lab_hosts[name]) for name in before}
    queue = list(names)
    while queue:
        plan = {host: {"at": queue.pop(0), "do": "kill"} for host in before if queue}
        for host, run in firewall.run_all(plan).items():
            assert run.code == -9, f"{host}, {plan[host]['at']}: {run.output}"
            armed = not lab_hosts[host].run(NO_ROLLBACK_PENDING).succeeded
            assert armed is (plan[host]["at"] != names[0]), f"{host}, {plan[host]['at']}: the run was killed at another task"
        for host in plan:
            firewall.assert_rolled_back(host, before[host])
            assert tailscaled_rules(lab_hosts[host]) == rules[host]


def test_run_after_a_rollback_names_its_cause_and_absent_undoes_the_change(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]
) -> None:
    rules = {name: tailscaled_rules(lab_hosts[name]) for name in before}
    # A wrong SSH port closes SSH on the LAN, and nothing else.
    run = firewall.run(*before, firewall_ssh_port=2222, firewall_lan_ssh_from=["172.31.77.0/24"])
    assert run.code == 0, run.output
    said = " ".join(run.output.split())
    assert "an earlier change of the firewall was taken back at" in said
    assert "no new login over the tailnet was proven within 30 s; tailscaled was active and had its address" in said
    for name in before:
        assert firewall.tailnet_reaches_ssh(name)
        assert not firewall.lan_reaches_ssh(name)
        assert lab_hosts[name].run(NO_ROLLBACK_PENDING).succeeded
    foretold = firewall.run(*before, check=True, firewall_state="absent")
    assert foretold.changed == dict.fromkeys(before, 1), foretold.output
    absent = firewall.run(*before, firewall_state="absent")
    assert absent.code == 0, absent.output
    for name, old in before.items():
        firewall.assert_rolled_back(name, old)
        assert lab_hosts[name].run("test ! -e /etc/tailsync").succeeded
        assert tailscaled_rules(lab_hosts[name]) == rules[name]
    again = firewall.run(*before, firewall_state="absent")
    assert (again.code, again.changed) == (0, dict.fromkeys(before, 0)), again.output


def test_stopped_tailscaled_full_disk_and_slow_ufw_are_rolled_back(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    """One failure on each host, at the same time."""
    lab_hosts["vps"].check_output(f"printf '#!/bin/sh\nsleep 5\nexec /usr/sbin/ufw \"$@\"\n' >{SLOW_UFW} && chmod 755 {SLOW_UFW}")
    lab_hosts["pi"].check_output(SMALL_DISK)
    fill = lab_command("exec", "pi", "--", "sh", "-c", "cat /dev/zero >/etc/full; df /etc | grep 100%")
    runs = firewall.run_all(
        {
            "nas": {"at": PROOF, "do": lab_command("exec", "nas", "--", "systemctl", "stop", "tailscaled")},
            "vps": {},
            # More rules than fit into the blocks that the file already has.
            "pi": {"at": CHANGE, "do": fill, "firewall_public_ports": [f"{port}/tcp" for port in range(9000, 9020)]},
        }
    )
    for run in runs.values():
        assert run.code > 0, run.output
    # A run that is connected over the tailnet leaves the rollback to the host.
    assert TAKEN_BACK.search(runs["nas"].output), runs["nas"].output
    assert "The old firewall rules are in force" in runs["pi"].output, runs["pi"].output
    lab_hosts["vps"].check_output(f"rm {SLOW_UFW}")
    for name in runs:
        firewall.assert_rolled_back(name, before[name])
    lab_hosts["pi"].check_output("rm /etc/full")
    lab_hosts["nas"].check_output("systemctl start tailscaled")
    lab_hosts["pi"].check_output(LARGE_DISK)
    for name in before:
        assert eventually(lambda name=name: lab_hosts[name].run("tailscale ip -4").succeeded, 30)


def test_lost_control_server_disabled_ufw_and_stopped_timer_are_rolled_back(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]
) -> None:
    """One failure on each host, at the same time."""
    timer = lab_command("exec", "vps", "--", "systemctl", "stop", "tailsync-firewall-rollback.timer")
    runs = firewall.run_all(
        {
            "nas": {"at": DIAL, "do": lab_command("exec", "nas", "--", "sh", "-c", f"iptables -I {NO_CONTROL}")},
            "pi": {"at": CONFIRM, "do": lab_command("exec", "pi", "--", "ufw", "--force", "reset")},
            "vps": {"at": PROOF, "do": f"{timer} && kill -9 -$(ps -o pgid= $$ | tr -d ' ')"},
        }
    )
    lab_hosts["nas"].check_output(f"iptables -D {NO_CONTROL}")
    nas, pi = (" ".join(runs[name].output.split()) for name in ("nas", "pi"))
    assert "cannot open a new connection to the control server http://172.31.77.2:8080" in nas, nas
    assert "ufw does not filter any more (ufw.conf says ENABLED=no)" in pi, pi
    for run in (nas, pi):
        assert "The old firewall rules are in force: " in run, run
    assert runs["vps"].code == -9, runs["vps"].output
    for name, old in before.items():
        firewall.assert_rolled_back(name, old)


def test_change_is_kept_when_the_answer_to_the_confirmation_is_lost(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]
) -> None:
    run = firewall.run("vps", at=CONFIRM, do=lab_command("exec", "vps", "--", "sh", "-c", LOSE_ANSWER))
    assert "UNREACHABLE!" in run.output, run.output
    assert run.code == 0, "the host confirms that it kept the change"
    assert not TAKEN_BACK.search(run.output), run.output
    assert firewall.tailnet_reaches_ssh("vps")
    assert not firewall.lan_reaches_ssh("vps")
    assert firewall.run("vps").changed == {"vps": 0}
    assert firewall.run("vps", firewall_state="absent").code == 0
    firewall.assert_rolled_back("vps", before["vps"])


def test_host_that_reboots_during_the_change_is_rolled_back(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    run = firewall.run("vps", at=PROOF, do=lab_command("reboot", "vps"))
    assert run.code > 0, run.output
    firewall.assert_rolled_back("vps", before["vps"])
    fired = lab_hosts["vps"].file("/etc/tailsync/firewall/fired").content_string
    assert "the host was restarted before a new SSH login was proven" in fired
    assert eventually(lambda: lab_hosts["vps"].run("tailscale ip -4").succeeded, 60)


def test_disk_too_full_for_the_snapshot_is_refused(firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]) -> None:
    lab_hosts["pi"].check_output(f"{SMALL_DISK} && {{ cat /dev/zero > /etc/full || true; }}")
    run = firewall.run("pi")
    assert run.code != 0
    assert "cannot be saved in /etc/tailsync/firewall, so nothing was changed" in run.output, run.output
    firewall.assert_rolled_back("pi", before["pi"])
    lab_hosts["pi"].check_output(LARGE_DISK)


def test_tailnet_blocked_during_the_change_is_rolled_back(
    firewall: t.Any, before: dict[str, str], lab: t.Any, eventually: t.Any
) -> None:
    try:
        run = firewall.run("nas", at=PROOF, do=lab_command("coordinator", "jail", "laptop"))
    finally:
        lab("coordinator", "jail", "")
    assert run.code != 0
    assert TAKEN_BACK.search(run.output), run.output
    firewall.assert_rolled_back("nas", before["nas"])
    assert eventually(lambda: firewall.tailnet_reaches_ssh("nas"), 20)


def test_host_rolls_back_alone_without_controller_and_tailnet(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host], eventually: t.Any
) -> None:
    """The controller cannot start the rollback, and tailscaled keeps its socket and does not answer."""
    hang = lab_command("exec", "nas", "--", "systemctl", "kill", "--signal=STOP", "tailscaled")
    run = firewall.run("nas", at=PROOF, do=f"{hang} && kill -9 -$(ps -o pgid= $$ | tr -d ' ')")
    assert run.code == -9
    firewall.assert_rolled_back("nas", before["nas"])
    fired = lab_hosts["nas"].file("/etc/tailsync/firewall/fired").content_string
    assert "tailscaled was active and had no address" in fired
    lab_hosts["nas"].check_output("systemctl kill --signal=CONT tailscaled")
    assert eventually(lambda: lab_hosts["nas"].run("tailscale ip -4").succeeded, 30)
