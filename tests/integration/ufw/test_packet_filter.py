# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_info reads the kernel's packet filter: rules added by both real variants of iptables, and by nft."""

from __future__ import annotations

import pathlib
import typing as t

import artefacts
import pytest
from module_call import call
from packet_filters import ORACLE
from ufw_host import UfwHost, sh

pytestmark = pytest.mark.parametrize("_installed", artefacts.UFW_SUITES[-1:], indirect=True)
SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
# The rules of fail2ban, CrowdSec, LXD and netavark.
NEIGHBOURS = """
table inet f2b-table {
  set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.7 } }
  chain f2b-chain { type filter hook input priority filter - 1; policy accept;
    tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable; }
}
table ip bouncer {
  set blacklists { type ipv4_addr; flags timeout; }
  chain input { type filter hook input priority filter - 10; policy accept; ip saddr @blacklists counter drop; }
}
table inet guests {
  chain in.lxdbr0 { type filter hook input priority filter; policy accept;
    iifname "lxdbr0" tcp dport 53 accept; iifname "lxdbr0" icmp type { echo-request } accept; ct state invalid drop; }
  chain fwd.lxdbr0 { type filter hook forward priority filter; policy accept;
    oifname "lxdbr0" accept; iifname "lxdbr0" accept; }
  chain isolation { oifname "podman0" drop; }
  chain forward { type filter hook forward priority filter; policy accept; ct state established,related accept; jump isolation; }
}
"""
CLOSED = """
table inet filter {
  chain input { type filter hook input priority filter; policy drop;
    iif lo accept; ct state established accept; tcp dport 22 accept; }
  chain web { tcp dport { 80, 443 } counter reject; ip saddr 203.0.113.0/24 drop; }
  chain forward { type filter hook forward priority filter; policy accept; iifname != "docker0" jump web; }
}
"""


@pytest.fixture(autouse=True)
def _restore_rules(host: UfwHost) -> t.Iterator[None]:
    yield
    sh("nft", "flush", "ruleset")


def rules() -> list[str]:
    return [rule["line"] for rule in call("host_info")["packet_filter"]["rules"]]


def test_rules_of_a_cloud_image_are_found(host: UfwHost) -> None:
    assert rules() == []
    before = host.everything()
    lines = [line.replace("-N InstanceServices", ":InstanceServices -") for line in ORACLE.splitlines() if line[:2] != "-P"]
    sh("iptables-restore", "-n", data="\n".join(["*filter", *lines, "COMMIT", ""]))
    sh("ip6tables", *SSH.split())
    assert rules() == [
        "iptables -A INPUT -p udp -m udp --sport 123 -j ACCEPT",
        "iptables -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT",
        "iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
        "iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited",
        f"ip6tables {SSH}",
    ]
    assert host.everything() != before


def test_rules_of_ufw_are_ignored_and_rules_behind_them_are_found(host: UfwHost) -> None:
    call("ufw_policy", rules=[{"port": "22", "proto": "tcp"}], default_incoming="deny", docker=True)
    assert rules() == []
    sh("iptables", "-A", "INPUT", "-j", "DROP")
    assert rules() == [], "ufw drops the same traffic"
    sh("iptables", *SSH.split())
    assert rules() == [f"iptables {SSH}"]
    call("ufw_policy", state="disabled")
    assert rules() == ["iptables -A INPUT -j DROP", f"iptables {SSH}"], "disabled ufw leaves its jumps, so the rule decides"


def test_separate_tables_of_other_services_are_ignored(host: UfwHost) -> None:
    sh("nft", "-f", "-", data=NEIGHBOURS)
    assert rules() == []


def test_users_own_table_that_blocks_is_found(host: UfwHost) -> None:
    sh("nft", "-f", "-", data=CLOSED)
    policy, rule = rules()
    assert policy == "nft chain inet filter input { type filter hook input; policy drop }"
    assert rule.startswith("nft rule inet filter forward handle")
    found = call("host_info")["packet_filter"]["rules"][1]
    assert (found["verdict"], found["chain"], found["protocol"], found["ports"]) == ("block", "FORWARD", "tcp", ["80", "443"])


def test_other_iptables_variant_can_block_but_not_allow(host: UfwHost) -> None:
    """Reading the rules does not create tables."""
    names = pathlib.Path("/proc/net/ip_tables_names")
    assert not names.exists() or names.read_text(encoding="ascii") == ""
    rules()
    assert not names.exists() or names.read_text(encoding="ascii") == ""
    try:
        sh("iptables-legacy", *SSH.split())
        assert rules() == []
        sh("iptables-legacy", "-A", "INPUT", "-j", "DROP")
        assert rules() == ["iptables-legacy -A INPUT -j DROP"]
    finally:
        sh("iptables-legacy", "-F", "INPUT")
