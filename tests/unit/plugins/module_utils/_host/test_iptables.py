# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a host that decide instead of ufw, and rules of other services that are accepted."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import _iptables
from ansible_collections.homelab.tailsync.plugins.module_utils._host._iptables import Surroundings
from packet_filters import DECIDES, PASSES

AROUND = Surroundings(
    inner=("tailscale0", "docker0", "virbr0", "wg0"), outer=("eth0",), networks=("192.168.122.1/24",), others=("eth1", "lo")
)


@pytest.mark.parametrize("name", DECIDES)
def test_rule_that_decides_for_all_sources_is_found(name: str) -> None:
    listing, lines = DECIDES[name]
    assert [finding.line for finding in _iptables.judge(listing, "v4", AROUND)] == [f"iptables {line}" for line in lines]


@pytest.mark.parametrize("name", PASSES)
def test_rules_of_other_services_are_no_finding(name: str) -> None:
    assert [finding.line for finding in _iptables.judge(PASSES[name], "v4", AROUND)] == []


def test_finding_has_chain_protocol_ports_and_source() -> None:
    (accept,) = _iptables.judge("-A INPUT -p tcp -m multiport --dports 80,8000:8010 -j ACCEPT", "v6", AROUND)
    assert (accept.line, accept.verdict, accept.chain, accept.family) == (
        "ip6tables -A INPUT -p tcp -m multiport --dports 80,8000:8010 -j ACCEPT", "accept", "INPUT", "v6"
    )  # fmt: skip
    assert (accept.protocol, accept.ports, accept.source) == ("tcp", ("80", "8000:8010"), "")
    (lan,) = _iptables.judge("-A INPUT -s 192.168.1.0/24 -p tcp -m tcp --dport 22 -j ACCEPT", "v4", AROUND)
    assert (lan.source, lan.ports) == ("192.168.1.0/24", ("22",))


def test_other_iptables_variant_decides_only_if_it_blocks() -> None:
    listing = "-P INPUT DROP\n-P FORWARD ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP"
    found = _iptables.judge(listing, "v4", AROUND, "iptables-legacy", final=False)
    assert [finding.line for finding in found] == ["iptables-legacy -A INPUT -j DROP", "iptables-legacy -P INPUT DROP"]


def test_dockers_forward_policy_is_no_finding() -> None:
    assert _iptables.judge("-P INPUT ACCEPT\n-P FORWARD DROP", "v4", AROUND, "iptables-legacy", final=False) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("--src-range 0.0.0.0-255.255.255.255", True),
        ("--src-range 1.0.0.0-223.255.255.255", True),
        ("! --src-range 10.0.0.0-10.255.255.255", True),
        ("--src-range 192.168.1.10-192.168.1.20", False),
        ("--dst-range 192.168.1.10-192.168.1.20", True),
    ],
)
def test_range_of_all_addresses_is_a_finding(given: str, found: bool) -> None:
    line = f"-A INPUT -m iprange {given} -j ACCEPT"
    assert bool(_iptables.judge(line, "v4", AROUND)) is found


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        *((name, True) for name in ("lo", "docker0", "br-+", "br-0123456789ab", "wg1", "veth1a", "lxdbr0", "virbr+")),
        *((name, False) for name in ("eth0", "eth1", "br-lan", "br0", "enp3s0", "bond0", "eth+", "vmbr0")),
    ],
)
def test_interfaces_of_containers_and_guests_are_recognised(name: str, inner: bool) -> None:
    assert AROUND.is_inner(name) is inner
