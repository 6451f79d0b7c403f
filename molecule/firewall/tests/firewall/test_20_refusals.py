# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock-down that would cut off the operator is refused with a fix, and the host is not changed."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from testinfra.host import Host

UNIT = "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n"
LAN_ONLY = "/etc/ssh/sshd_config.d/lan-only.conf"


class Case(t.NamedTuple):
    """The command that prepares a host, the one that undoes it, and the message that is expected."""

    make: str
    undo: str
    message: str


CASES = {
    "logged out": Case("tailscale down", "tailscale up", "tailscaled is Stopped, not Running"),
    "no TUN device": Case(
        "sed -i 's/^FLAGS=.*/FLAGS=--tun=userspace-networking/' /etc/default/tailscaled && systemctl restart tailscaled",
        "sed -i 's/^FLAGS=.*/FLAGS=/' /etc/default/tailscaled && systemctl restart tailscaled",
        "tailscaled runs with userspace networking",
    ),
    "another firewall": Case(
        f"printf '{UNIT}' > /etc/systemd/system/firewalld.service && systemctl daemon-reload && systemctl enable --now firewalld",
        "systemctl disable --now firewalld; rm /etc/systemd/system/firewalld.service; systemctl daemon-reload",
        "firewalld is in charge of this host's packet filter",
    ),
    "sshd on the LAN only": Case(
        f"printf 'ListenAddress 172.31.77.13\\nListenAddress fd77:7a11:5ec::d\\n' > {LAN_ONLY} && systemctl restart ssh",
        f"rm {LAN_ONLY} && systemctl restart ssh",
        "does its sshd listen on the tailnet address?",
    ),
    "rules that cannot be loaded": Case(
        "cp /etc/ufw/before.rules /root/ && echo '-A ufw-before-input -j NOWHERE' >> /etc/ufw/before.rules",
        "cp -p /root/before.rules /etc/ufw/before.rules",
        "/etc/ufw/before.rules",
    ),
    "rules that cannot be read": Case(
        "cp /etc/ufw/user.rules /root/ && head -c 300 /dev/urandom > /etc/ufw/user.rules",
        "cp -p /root/user.rules /etc/ufw/user.rules",
        "/etc/ufw/user.rules",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_lock_down_that_would_cut_off_the_operator_is_refused_with_a_fix(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host], name: str
) -> None:
    case, host = CASES[name], lab_hosts["vps"]
    host.check_output(case.make)
    try:
        run = firewall.run("vps")
        assert run.code != 0
        assert case.message in " ".join(run.output.split()), run.output
        assert host.run("test ! -e /etc/tailsync/firewall/rollback").succeeded
        assert not host.run("iptables -n -L ufw-user-input").succeeded, "ufw is active"
        assert firewall.lan_reaches_ssh("vps")
    finally:
        host.check_output(case.undo)
    firewall.assert_rolled_back("vps", before["vps"])


# The rules of a cloud image.
IMAGE = (
    "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -p icmp -j ACCEPT",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT",
    "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
    "-A FORWARD -j REJECT --reject-with icmp-host-prohibited",
)


def test_rules_in_front_of_ufw_and_hosts_lost_after_a_reboot_are_refused(
    firewall: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]
) -> None:
    """Each host has another problem; nas is declared to run the others' control server."""
    lab_hosts["vps"].check_output(" && ".join(f"iptables {rule}" for rule in IMAGE))
    lab_hosts["pi"].check_output("systemctl disable tailscaled")
    interface = "{{ 'eth0' if inventory_hostname == 'pi' else 'tailscale0' }}"
    try:
        run = firewall.run(
            "nas", "pi", "vps", tailscale_login_server="http://172.31.77.11:8090", firewall_tailnet_interface=interface
        )
    finally:
        lab_hosts["pi"].check_output("systemctl enable tailscaled")
        lab_hosts["vps"].check_output(" && ".join(f"iptables {rule.replace('-A', '-D', 1)}" for rule in IMAGE))
    assert run.code != 0
    said = " ".join(run.output.split())
    for line in IMAGE[3:]:
        assert f"`iptables {line}`" in said, said
    assert "tailscaled.service, which is disabled and so not started at boot" in said, said
    assert "firewall_tailnet_interface is eth0, which does not carry this node's address" in said, said
    assert "set firewall_public_ports: [8090/tcp] for this host" in said, said
    for name, old in before.items():
        assert lab_hosts[name].run("test ! -e /etc/tailsync/firewall/rollback").succeeded
        firewall.assert_rolled_back(name, old)


def test_node_key_that_expires_soon_is_refused(
    firewall: t.Any, before: dict[str, str], lab: t.Any, eventually: t.Any, lab_hosts: dict[str, Host]
) -> None:
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3, hours=1)
    lab("coordinator", "key-expiry", soon.strftime("%Y-%m-%dT%H:%M:%SZ vps"))
    try:
        assert eventually(lambda: "KeyExpiry" in lab_hosts["vps"].check_output("tailscale status --json --peers=false"), 20)
        run = firewall.run("vps")
        assert run.code != 0
        assert "the node's key expires in 3 days" in run.output, run.output
        assert "firewall_key_expiry_days" in run.output
    finally:
        lab("coordinator", "key-expiry", "never")
    assert eventually(lambda: "KeyExpiry" not in lab_hosts["vps"].check_output("tailscale status --json --peers=false"), 20)
    firewall.assert_rolled_back("vps", before["vps"])


def test_access_policy_that_forbids_ssh_is_refused(
    firewall: t.Any, before: dict[str, str], lab: t.Any, eventually: t.Any
) -> None:
    lab("coordinator", "jail", "laptop")
    try:
        run = firewall.run("vps")
        assert run.code != 0
        assert "access policy allow that port" in run.output, run.output
    finally:
        lab("coordinator", "jail", "")
    firewall.assert_rolled_back("vps", before["vps"])
    assert eventually(lambda: firewall.tailnet_reaches_ssh("vps"), 20)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"firewall_extra_rules": [{"action": "allow"}]}, "firewall_extra_rules[0] has neither an interface nor a port"),
        ({"firewall_public_ports": ["web"]}, "firewall_public_ports[0] is"),
        ({"firewall_public_ports": ["1:2"]}, "firewall_public_ports[0] is"),
        ({"firewall_lan_ssh_from": ["0.0.0.0/1", "128.0.0.0/1"]}, "which is everyone (0.0.0.0/0)"),
        ({"firewall_rollback_timeout": 20}, "firewall_rollback_timeout is 20 s"),
    ],
)
def test_bad_variables_are_refused_before_any_host_is_changed(firewall: t.Any, variables: dict[str, t.Any], message: str) -> None:
    run = firewall.run("nas", "pi", "vps", **variables)
    assert run.code != 0
    assert message in run.output
    assert "Install ufw" not in run.output
