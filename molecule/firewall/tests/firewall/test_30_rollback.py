# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens between the first change and its proof: the old rules come back, and the host is reached, by itself."""

from __future__ import annotations

import itertools
import re
import typing as t

import yaml
from firewall_eyes import GONE, ROLE, lab_command, tailscaled_rules
from testinfra.host import Host

PROOF = "Prove that a new SSH login works"
TAKEN_BACK = re.compile("The firewall (is|will be) what it was before")
SMALL_DISK = "mkdir /small && mount -t tmpfs -o size=12m tmpfs /small && cp -a /etc/. /small && mount --move /small /etc"
SLOW_UFW = "/usr/local/sbin/ufw"  # found before the real one
LARGE_DISK = "umount -l /etc && rmdir /small"
CHANGE = "Put the new rules in force"
DIAL = "Open a new connection to the control server"
KEEP = "Confirm the change"
NO_CONTROL = "OUTPUT -d 172.31.77.2 -p tcp --dport 8080 --syn -j REJECT"
# As soon as the change is confirmed on the host, its answer is lost.
LOSE_ANSWER = (
    "systemd-run --quiet sh -c "
    "'while test -e /etc/tailsync/firewall/rollback/complete; do sleep 0.01; done; pkill -9 sshd-session'"
)  # fmt: skip


def tasks_from_armed_to_disarmed() -> list[str]:
    """As the role has them, so that a task that is added is cut off here as well."""
    tasks = yaml.safe_load((ROLE / "change.yml").read_text(encoding="utf-8"))
    flat = list(itertools.chain.from_iterable(task.get("block", [task]) for task in tasks))
    states = [task.get("homelab.tailsync.ufw_rollback", {}).get("state") for task in flat]
    return [str(task["name"]) for task in flat[states.index("armed") : states.index("disarmed") + 1]]


def test_a_run_that_is_killed_at_any_task(firewall: t.Any, before: dict[str, str], eyes: dict[str, Host]) -> None:
    names = tasks_from_armed_to_disarmed()
    assert len(names) >= 5
    rules = {name: tailscaled_rules(eyes[name]) for name in before}
    queue = list(names)
    while queue:
        plan = {host: {"at": queue.pop(0), "do": "kill"} for host in before if queue}
        for host, run in firewall.run_all(plan).items():
            assert run.code == -9, f"{host}, {plan[host]['at']}: {run.output}"
            armed = not eyes[host].run(GONE).succeeded
            assert armed is (plan[host]["at"] != names[0]), f"{host}, {plan[host]['at']}: it was cut off elsewhere"
        for host in plan:
            firewall.is_back(host, before[host])
            assert tailscaled_rules(eyes[host]) == rules[host]


def test_the_next_run_says_why_and_finishes_and_absent_undoes_it(
    firewall: t.Any, before: dict[str, str], eyes: dict[str, Host]
) -> None:
    rules = {name: tailscaled_rules(eyes[name]) for name in before}
    # A wrong port for SSH makes the LAN's way useless, and nothing else.
    run = firewall.run(*before, firewall_ssh_port=2222, firewall_lan_ssh_from=["172.31.77.0/24"])
    assert run.code == 0, run.output
    said = " ".join(run.output.split())
    assert "an earlier change of the firewall was taken back at" in said
    assert "no new login over the tailnet was proven within 30 s; tailscaled was active and had its address" in said
    for name in before:
        assert firewall.lets_the_tailnet_in(name)
        assert not firewall.lets_the_lan_in(name)
        assert eyes[name].run(GONE).succeeded
    foretold = firewall.run(*before, check=True, firewall_state="absent")
    assert foretold.changed == dict.fromkeys(before, 1), foretold.output
    absent = firewall.run(*before, firewall_state="absent")
    assert absent.code == 0, absent.output
    for name, old in before.items():
        firewall.is_back(name, old)
        assert eyes[name].run("test ! -e /etc/tailsync").succeeded
        assert tailscaled_rules(eyes[name]) == rules[name]
    again = firewall.run(*before, firewall_state="absent")
    assert (again.code, again.changed) == (0, dict.fromkeys(before, 0)), again.output


def test_tailscaled_stops_or_the_disk_is_full_or_ufw_takes_too_long(
    firewall: t.Any, before: dict[str, str], eyes: dict[str, Host], eventually: t.Any
) -> None:
    """Each on a host of its own, at the same time."""
    eyes["vps"].check_output(f"printf '#!/bin/sh\nsleep 5\nexec /usr/sbin/ufw \"$@\"\n' >{SLOW_UFW} && chmod 755 {SLOW_UFW}")
    eyes["pi"].check_output(SMALL_DISK)
    fill = lab_command("exec", "pi", "--", "sh", "-c", "cat /dev/zero >/etc/full; df /etc | grep 100%")
    runs = firewall.run_all(
        {
            "nas": {"at": PROOF, "do": lab_command("exec", "nas", "--", "systemctl", "stop", "tailscaled")},
            "vps": {},
            # More rules than the blocks that the file has could hold.
            "pi": {"at": CHANGE, "do": fill, "firewall_public_ports": [f"{port}/tcp" for port in range(9000, 9020)]},
        }
    )
    for run in runs.values():
        assert run.code > 0, run.output
    # A run that came in over the tailnet itself leaves it to the host.
    assert TAKEN_BACK.search(runs["nas"].output), runs["nas"].output
    assert "The firewall is what it was before" in runs["pi"].output, runs["pi"].output
    eyes["vps"].check_output(f"rm {SLOW_UFW}")
    for name in runs:
        firewall.is_back(name, before[name])
    eyes["pi"].check_output("rm /etc/full")
    eyes["nas"].check_output("systemctl start tailscaled")
    eyes["pi"].check_output(LARGE_DISK)
    for name in before:
        assert eventually(lambda name=name: eyes[name].run("tailscale ip -4").succeeded, 30)


def test_the_control_server_is_lost_or_ufw_is_switched_off_or_the_timer_stopped(
    firewall: t.Any, before: dict[str, str], eyes: dict[str, Host]
) -> None:
    """Each on a host of its own, at the same time."""
    timer = lab_command("exec", "vps", "--", "systemctl", "stop", "tailsync-firewall-rollback.timer")
    runs = firewall.run_all(
        {
            "nas": {"at": DIAL, "do": lab_command("exec", "nas", "--", "sh", "-c", f"iptables -I {NO_CONTROL}")},
            "pi": {"at": KEEP, "do": lab_command("exec", "pi", "--", "ufw", "--force", "reset")},
            "vps": {"at": PROOF, "do": f"{timer} && kill -9 -$(ps -o pgid= $$ | tr -d ' ')"},
        }
    )
    eyes["nas"].check_output(f"iptables -D {NO_CONTROL}")
    nas, pi = (" ".join(runs[name].output.split()) for name in ("nas", "pi"))
    assert "no new connection to the control server http://172.31.77.2:8080 comes about" in nas, nas
    assert "ufw does not filter any more (ufw.conf says ENABLED=no)" in pi, pi
    for run in (nas, pi):
        assert "The firewall is what it was before: " in run, run
    assert runs["vps"].code == -9, runs["vps"].output
    for name, old in before.items():
        firewall.is_back(name, old)


def test_the_last_answer_is_lost(firewall: t.Any, before: dict[str, str], eyes: dict[str, Host]) -> None:
    run = firewall.run("vps", at=KEEP, do=lab_command("exec", "vps", "--", "sh", "-c", LOSE_ANSWER))
    assert "UNREACHABLE!" in run.output, run.output
    assert run.code == 0, "the change was kept, and the host says so"
    assert "what it was before" not in run.output, run.output
    assert firewall.lets_the_tailnet_in("vps")
    assert not firewall.lets_the_lan_in("vps")
    assert firewall.run("vps").changed == {"vps": 0}
    assert firewall.run("vps", firewall_state="absent").code == 0
    firewall.is_back("vps", before["vps"])


def test_the_host_restarts(firewall: t.Any, before: dict[str, str], eyes: dict[str, Host], eventually: t.Any) -> None:
    run = firewall.run("vps", at=PROOF, do=lab_command("reboot", "vps"))
    assert run.code > 0, run.output
    firewall.is_back("vps", before["vps"])
    fired = eyes["vps"].file("/etc/tailsync/firewall/fired").content_string
    assert "the host was restarted before a new SSH login was proven" in fired
    assert eventually(lambda: eyes["vps"].run("tailscale ip -4").succeeded, 60)


def test_no_room_to_keep_what_there_is(firewall: t.Any, before: dict[str, str], eyes: dict[str, Host]) -> None:
    eyes["pi"].check_output(f"{SMALL_DISK} && {{ cat /dev/zero > /etc/full || true; }}")
    run = firewall.run("pi")
    assert run.code != 0
    assert "cannot be saved in /etc/tailsync/firewall, so nothing was changed" in run.output, run.output
    firewall.is_back("pi", before["pi"])
    eyes["pi"].check_output(LARGE_DISK)


def test_the_tailnet_is_blocked_in_the_middle(firewall: t.Any, before: dict[str, str], lab: t.Any, eventually: t.Any) -> None:
    try:
        run = firewall.run("nas", at=PROOF, do=lab_command("coordinator", "jail", "laptop"))
    finally:
        lab("coordinator", "jail", "")
    assert run.code != 0
    assert TAKEN_BACK.search(run.output), run.output
    firewall.is_back("nas", before["nas"])
    assert eventually(lambda: firewall.lets_the_tailnet_in("nas"), 20)


def test_the_controller_is_gone_and_the_tailnet_with_it(
    firewall: t.Any, before: dict[str, str], eyes: dict[str, Host], eventually: t.Any
) -> None:
    """Nobody is left to tell the host to go back, and tailscaled holds its socket and does not answer."""
    hang = lab_command("exec", "nas", "--", "systemctl", "kill", "--signal=STOP", "tailscaled")
    run = firewall.run("nas", at=PROOF, do=f"{hang} && kill -9 -$(ps -o pgid= $$ | tr -d ' ')")
    assert run.code == -9
    firewall.is_back("nas", before["nas"])
    fired = eyes["nas"].file("/etc/tailsync/firewall/fired").content_string
    assert "tailscaled was active and had no address" in fired
    eyes["nas"].check_output("systemctl kill --signal=CONT tailscaled")
    assert eventually(lambda: eyes["nas"].run("tailscale ip -4").succeeded, 30)
