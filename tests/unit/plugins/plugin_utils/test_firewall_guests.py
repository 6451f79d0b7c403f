# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests, containers and VPN clients that the firewall would cut off are named with the line that keeps them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import guests
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall_guests

Json = t.Dict[str, t.Any]  # noqa: UP006
LIBVIRT = """\
-N LIBVIRT_INP
-N LIBVIRT_FWO
-A INPUT -j LIBVIRT_INP
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
-A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
"""
BRIDGED = "-A FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
BOTH = "{interface: lxdbr0}, {direction: routed, interface: lxdbr0}"
IN, ROUTED = {"interface": "lxdbr0"}, {"direction": "routed", "interface": "lxdbr0"}


def link(name: str, kind: str = "", address: str = "", master: str = "") -> Json:
    found: Json = {
        "ifname": name,
        **({"linkinfo": {"info_kind": kind}} if kind else {}),
        **({"master": master} if master else {}),
    }
    local, _slash, length = address.partition("/")
    return {**found, "addr_info": [{"local": local, "prefixlen": int(length), "scope": "global"}] if address else []}


LAN = link("eth0", address="192.168.1.10/24")
LXD = [
    LAN,
    link("lxdbr0", "bridge", "10.158.0.1/24"),
    link("veth1", "veth", master="lxdbr0"),
    link("veth2", "veth", master="lxdbr0"),
]
VIRSH = [LAN, link("virbr0", "bridge", "192.168.122.1/24"), link("vnet0", "tun", master="virbr0")]
OLD_LIBVIRT = [*VIRSH[:2], link("virbr0-nic", "tun", master="virbr0")]  # a port of its own, which is no guest's
STOPPED = [LAN, link("incusbr0", "bridge", "10.7.0.1/24")]
PODS = [
    LAN,
    link("cni0", "bridge", "10.42.0.1/24"),
    link("veth1", "veth", master="cni0"),
    link("flannel.1", "vxlan", "10.42.0.0/32"),
]
VPN = [LAN, link("wg0", "wireguard", "10.6.0.1/24")]
DOCKER = [LAN, link("docker0", "bridge", "172.17.0.1/16"), link("veth1", "veth", master="docker0")]
PROXMOX = [link("eno1", master="vmbr0"), link("vmbr0", "bridge", "192.168.1.10/24"), link("tap101", "tun", master="vmbr0")]
ACTIVE: Json = {"active": True, "incoming": "deny", "routed": "deny"}
ROUTE = {"action": "allow", "interface": "lxdbr0", "from": "0.0.0.0/0", "port": "", "proto": ""}
ROUTER = [LAN, link("eth1", address="10.9.0.1/24")]
MASQUERADED = "-A POSTROUTING -s 10.9.0.0/24 -j MASQUERADE"
TWO_NETWORKS = [
    *DOCKER,
    link("br-0123456789ab", "bridge", "172.18.0.1/16"),
    link("veth2", "veth", master="br-0123456789ab"),
]
QUIET = [
    LAN,
    link("br0", "bridge", "192.168.9.1/24"),
    link("tailscale0", "tun", "100.64.0.1/32"),
    link("eth1.5", "vlan", "10.5.0.1/24"),
]


def host(
    links: list[Json],
    listing: str = "",
    nat: str = "",
    outer: str = "eth0",
    forwards: bool = True,
    bridges: bool = False,
    **ufw: t.Any,
) -> Json:
    found = guests.find(links, guests.Around([outer], listing, nat, forwards, bridges))
    return {"packet_filter": {"guests": found}, "listeners": {"ufw": ufw}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (host(LXD), [("lxdbr0 (2 guests; DHCP and DNS from this host", BOTH)]),
        (host(LXD, forwards=False), [("lxdbr0", "[{interface: lxdbr0}]")]),
        (host(VIRSH), [("virbr0 (1 guest; ", "{interface: virbr0}, {direction: routed, interface: virbr0}")]),
        (host(OLD_LIBVIRT), [("virbr0 (DHCP", "{interface: virbr0}")]),
        (host(STOPPED), [("incusbr0 (DHCP", "{direction: routed, interface: incusbr0}")]),
        (host(PODS), [("cni0", "{interface: cni0}"), ("flannel.1", "{direction: routed, interface: flannel.1}")]),
        (host(VPN), [("wg0", "{interface: wg0}, {direction: routed, interface: wg0}")]),
        (host(DOCKER), [("docker0 (containers; this host's own ports)", "[{interface: docker0}]")]),
        (
            host(PROXMOX, outer="vmbr0", bridges=True),
            [("vmbr0 (1 guest; the LAN)", "[{direction: routed, interface: vmbr0, interface_out: vmbr0}]")],
        ),
        (host(LXD, active=True, routed="allow", incoming="deny"), [("lxdbr0", "[{direction: routed, interface: lxdbr0}]")]),
        (
            host(LXD, active=True, incoming="deny", rules=[{"action": "allow", "interface": "lxdbr0"}]),
            [("lxdbr0", "[{interface: lxdbr0}]")],
        ),
        (host(LXD, **ACTIVE, routes=[ROUTE]), [("lxdbr0 (2 guests; the way out)", "[{direction: routed, interface: lxdbr0}]")]),
        (
            host(VPN, **ACTIVE, routes=[{**ROUTE, "interface": "", "from": "10.6.0.0/24"}]),
            [("wg0 (the way out)", "[{direction: routed, interface: wg0}]")],
        ),
        (host(ROUTER, nat=MASQUERADED), [("eth1 (the way out)", "[{direction: routed, interface: eth1}]")]),
        (host(ROUTER, nat=f"{MASQUERADED} -o eth0".replace(" -s 10.9.0.0/24", "")), [("eth1 (the way out)", "interface: eth1")]),
        (host(TWO_NETWORKS), [("docker0, br-0123456789ab (containers", "[{interface: docker0}, {interface: br-0123456789ab}]")]),
    ],
)
def test_guests_that_lose_something_are_named_with_the_line(given: Json, expected: list[tuple[str, str]]) -> None:
    title, *lines = firewall_guests.warnings(given, {})
    assert title == firewall_guests.LOSING
    assert len(lines) == len(expected)
    for line, (start, rules) in zip(lines, expected):
        assert line.startswith(start)
        assert rules in line


@pytest.mark.parametrize(
    "given",
    [
        host([LAN]),
        host(QUIET),
        host(VPN, forwards=False),
        host(VPN, outer="wg0"),
        host(VIRSH, LIBVIRT),
        host(PROXMOX, outer="vmbr0"),
        host(PROXMOX, BRIDGED, outer="vmbr0", bridges=True),
        host(LXD, **ACTIVE, rules=[]),
        host(LXD, **ACTIVE, routes=[{**ROUTE, "action": "deny"}, {**ROUTE, "interface": "", "port": "80"}]),
        host(ROUTER),
        host(ROUTER, nat=MASQUERADED, forwards=False),
        host(ROUTER, nat="-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"),
        host(VPN, "-P FORWARD DROP\n-A INPUT -i wg0 -j ACCEPT"),
        {},
    ],
    ids=[
        "no guests", "an empty bridge, a VLAN and the tailnet", "VPN without forwarding", "client of a VPN",
        "libvirt with iptables", "bridged, but not filtered", "bridged, and accepted", "each later run", "no rules for it",
        "two networks", "a router that is switched off", "Docker on two networks",
        "Docker's policy drops it already", "no facts",
    ],
)  # fmt: skip
def test_host_whose_guests_lose_nothing_gives_no_warning(given: Json) -> None:
    assert firewall_guests.warnings(given, {}) == []


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([IN, ROUTED], ""),
        ([IN], "[{direction: routed, interface: lxdbr0}]"),
        ([ROUTED], "[{interface: lxdbr0}]"),
        ([{"interface": "lxdbr0", "port": "53"}, {**ROUTED, "interface_out": "eth0"}], ""),
        ([{"from": "10.158.0.0/24"}, {"from": "10.0.0.0/8", "direction": "routed"}], ""),
        ([{"interface": "lxdbr+"}, {"interface": "lxdbr+", "direction": "routed"}], ""),
        ([{"interface": "virbr0"}, {"from": "10.9.0.0/24", "direction": "routed"}], BOTH),
    ],
)
def test_declared_rules_are_not_asked_for(rules: list[Json], left: str) -> None:
    found = firewall_guests.warnings(host(LXD), {"firewall_extra_rules": rules})
    assert bool(found) is bool(left)
    assert all(left in line for line in found[1:])


def test_masquerading_for_a_vpn_makes_no_router_of_a_host_with_two_networks() -> None:
    links = [*ROUTER, *VPN[1:]]
    found = guests.find(links, guests.Around(["eth0"], "", "-A POSTROUTING -o eth0 -j MASQUERADE", True, False))
    assert [guest["name"] for guest in found] == ["wg0"]


def test_accepts_of_another_interface_or_port_do_not_count() -> None:
    asked, forwarded = guests.Origin("virbr0", ["192.168.122.0/24"], "53"), guests.Origin("virbr0", ["192.168.122.0/24"])
    assert guests.accepts(LIBVIRT, "INPUT", asked)
    assert not guests.accepts(LIBVIRT, "INPUT", asked._replace(name="virbr1"))
    assert not guests.accepts("-A INPUT -i virbr0 -p tcp -m tcp --dport 22 -j ACCEPT", "INPUT", asked)
    assert not guests.accepts("-A FORWARD -i virbr0 -m conntrack --ctstate RELATED -j ACCEPT", "FORWARD", forwarded)
    assert guests.accepts("-A FORWARD -s 192.168.0.0/16 -j ACCEPT", "FORWARD", forwarded)
    assert not guests.accepts("-A FORWARD ! -s 192.168.0.0/16 -j ACCEPT", "FORWARD", forwarded)
    assert not guests.accepts("-A FORWARD -s 192.168.122.7/32 -j ACCEPT", "FORWARD", forwarded)
    assert not guests.accepts("-N A\n-N B\n-A INPUT -j A\n-A A -j B\n-A B -j A", "INPUT", asked), "chains in a circle"


def test_block_of_another_tool_is_named_unless_docker_is_left_alone() -> None:
    given = {"listeners": {"ufw": {"docker_blocks": ["/etc/ufw/after.rules, line 31 (UFW AND DOCKER)"]}}}
    (said,) = firewall_guests.warnings(given, {})
    assert "/etc/ufw/after.rules, line 31 (UFW AND DOCKER)" in said
    assert "firewall_docker: false" in said
    assert firewall_guests.warnings(given, {"firewall_docker": False}) == []
