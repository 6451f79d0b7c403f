# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole hosts as people have them: none is refused, and each line of the warnings is true for that host."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import _iptables, _nftables, guests, packet_filter
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall_guests, firewall_host, tailscale_host
from packet_filters import PASSES

Json = t.Dict[str, t.Any]  # noqa: UP006
Link = t.Tuple[str, str, str, str]  # noqa: UP006  (name, kind, address, master)
LAN: Link = ("eth0", "", "192.168.1.10/24", "")
DOCKER: list[Link] = [
    ("docker0", "bridge", "172.17.0.1/16", ""),
    ("br-0123456789ab", "bridge", "172.18.0.1/16", ""),
    ("veth0", "veth", "", "br-0123456789ab"),
]
DOCKER_LINE = "br-0123456789ab (containers; this host's own ports): firewall_extra_rules: [{interface: br-0123456789ab}]"
SSH = ("tcp", 22, "0.0.0.0", "sshd")
SSH_LINE = "22/tcp (sshd): firewall_lan_ssh_from: [192.168.1.0/24]"
# libvirt's and netavark's tables, which ufw's drops overrule.
LIBVIRT_NFT: list[Json] = [
    {
        "chain": {
            "family": "ip",
            "table": "libvirt_network",
            "name": "forward",
            "type": "filter",
            "hook": "forward",
            "policy": "accept",
        }
    },
    {"rule": {"family": "ip", "table": "libvirt_network", "chain": "forward", "handle": 5, "expr": [{"reject": None}]}},
]
UFW_DOCKER = """\
-N DOCKER-USER
-N ufw-user-forward
-N ufw-user-input
-N ufw-docker-logging-deny
-A INPUT -j ufw-before-input
-A FORWARD -j DOCKER-USER
-A FORWARD -j ufw-before-forward
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -i docker0 -o docker0 -j ACCEPT
-A DOCKER-USER -s 10.0.0.0/8 -j RETURN
-A DOCKER-USER -d 172.16.0.0/12 -m conntrack --ctstate NEW -j ufw-docker-logging-deny
-A DOCKER-USER -j RETURN
-A ufw-docker-logging-deny -j DROP"""
PODS = "cni0 (1 guest; DHCP and DNS from this host, and its other ports): firewall_extra_rules: [{interface: cni0}]"
BLOCK = "another tool's rules for Docker's chain DOCKER-USER are in /etc/ufw/after.rules, line 34 (UFW AND DOCKER)"


@dataclasses.dataclass
class Machine:
    """The facts of a machine in short, and the beginnings of the lines that it is warned with."""

    links: list[Link] = dataclasses.field(default_factory=lambda: [LAN])
    listing: str = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT"
    nat: str = ""
    nft: list[Json] = dataclasses.field(default_factory=list)
    sockets: list[tuple[str, int, str, str]] = dataclasses.field(default_factory=lambda: [SSH])
    published: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    ufw: Json = dataclasses.field(default_factory=dict)
    outer: str = "eth0"
    forwards: bool = True
    filters_bridges: bool = False
    contained: bool = False
    system: tuple[str, str] = ("apt", "Debian")
    lines: list[str] = dataclasses.field(default_factory=lambda: [SSH_LINE])

    def facts(self) -> Json:
        links: list[Json] = [
            {
                "ifname": name,
                **({"linkinfo": {"info_kind": kind}} if kind else {}),
                **({"master": master} if master else {}),
                "addr_info": [{"local": at.split("/")[0], "prefixlen": int(at.split("/")[1]), "scope": "global"}] if at else [],
            }
            for name, kind, at, master in self.links
        ]
        around = packet_filter.surroundings(links, [{"dev": self.outer}])
        rules = [*_iptables.judge(self.listing, "v4", around), *_nftables.judge(self.nft, around)]
        keys = ("proto", "port", "address", "process")
        return {
            "system": dict(zip(("pkg_mgr", "distribution"), self.system)),
            "kernel": {"release": "6.12.0", "problem": None},
            "packet_filter": {
                "rules": [dataclasses.asdict(rule) for rule in rules],
                "interfaces": packet_filter.interfaces(links),
                "networks": packet_filter.lan_networks(links, around),
                "guests": guests.find(
                    links, guests.Around(around.outer, self.listing, self.nat, self.forwards, self.filters_bridges)
                ),
            },
            "listeners": {
                "sockets": [dict(zip(keys, socket)) for socket in self.sockets],
                "published": self.published,
                "ufw": self.ufw,
            },
        }


HOSTS: dict[str, Machine] = {
    "nothing installed": Machine(listing="", forwards=False),
    "Ubuntu with iptables-legacy, whose tables are not there yet": Machine(listing="", system=("apt", "Ubuntu")),
    "Proxmox": Machine(
        links=[
            ("eno1", "", "", "vmbr0"),
            ("vmbr0", "bridge", "192.168.1.10/24", ""),
            ("tap100i0", "tun", "", "vmbr0"),
            ("fwbr101i0", "bridge", "", ""),
            ("fwln101i0", "veth", "", "fwbr101i0"),
            ("veth101i0", "veth", "", "fwbr101i0"),
            ("fwpr101p0", "veth", "", "vmbr0"),
        ],
        outer="vmbr0",
        sockets=[SSH, ("tcp", 8006, "::", "pveproxy worker")],
        lines=[SSH_LINE, "8006/tcp (pveproxy worker): firewall_extra_rules: "],
    ),
    "Proxmox with a bonded bridge that the kernel filters, and one for NAT": Machine(
        links=[
            ("bond0", "bond", "", "vmbr0"),
            ("vmbr0", "bridge", "192.168.1.10/24", ""),
            ("tap100i0", "tun", "", "vmbr0"),
            ("vmbr1", "bridge", "10.10.10.1/24", ""),
        ],
        outer="vmbr0",
        filters_bridges=True,
        nat="-A POSTROUTING -s 10.10.10.0/24 -o vmbr0 -j MASQUERADE",
        lines=[
            SSH_LINE,
            "vmbr0 (1 guest; the LAN): firewall_extra_rules: [{direction: routed, interface: vmbr0, interface_out: vmbr0}]",
            "vmbr1 (DHCP and DNS from this host, and its other ports; the way out): ",
        ],
    ),
    "k3s": Machine(
        links=[
            LAN,
            ("cni0", "bridge", "10.42.0.1/24", ""),
            ("veth1", "veth", "", "cni0"),
            ("flannel.1", "vxlan", "10.42.0.0/32", ""),
        ],
        listing=PASSES["k3s"],
        filters_bridges=True,
        sockets=[SSH, ("udp", 8472, "0.0.0.0", "")],
        lines=[SSH_LINE, "8472/udp (the kernel): ", PODS, "flannel.1 (DNS from this host, and its other ports): "],
    ),
    "libvirt with nftables": Machine(
        links=[LAN, ("virbr0", "bridge", "192.168.122.1/24", "")],
        nft=LIBVIRT_NFT,
        sockets=[SSH, ("udp", 53, "192.168.122.1", "dnsmasq"), ("udp", 67, "0.0.0.0", "dnsmasq")],
        lines=[SSH_LINE, "virbr0 (DHCP and DNS from this host, and its other ports; the way out): "],
    ),
    "libvirt with iptables": Machine(
        links=[LAN, ("virbr0", "bridge", "192.168.122.1/24", ""), ("vnet0", "tun", "", "virbr0")], listing=PASSES["libvirt"]
    ),
    "LXD beside Docker, whose policy drops already": Machine(
        links=[LAN, *DOCKER, ("lxdbr0", "bridge", "10.158.0.1/24", "")],
        listing=PASSES["Docker 28"],
        lines=[SSH_LINE, "lxdbr0 (DHCP and DNS from this host, and its other ports): ", DOCKER_LINE],
    ),
    "Docker with ufw-docker": Machine(
        links=[LAN, *DOCKER],
        listing=UFW_DOCKER,
        ufw={
            "active": True,
            "incoming": "deny",
            "routed": "deny",
            "rules": [{"action": "allow", "interface": "", "from": "0.0.0.0/0", "port": "22", "proto": "tcp"}],
            "routes": [{"action": "allow", "interface": "", "from": "0.0.0.0/0", "port": "80", "proto": "tcp"}],
            "docker_blocks": ["/etc/ufw/after.rules, line 34 (UFW AND DOCKER)"],
        },
        lines=[SSH_LINE, f"[WARNING] {BLOCK}"],
    ),
    "wg-easy in a container": Machine(
        links=[LAN, *DOCKER],
        listing=PASSES["Docker 28"],
        published=[("tcp", 51821), ("udp", 51820)],
        lines=[
            SSH_LINE,
            "51820/udp (a container of Docker's): ",
            "51821/tcp (a container of Docker's): ",
            DOCKER_LINE,
        ],
    ),
    "WireGuard by wg-quick, with its usual lines": Machine(
        links=[LAN, ("wg0", "wireguard", "10.6.0.1/24", "")],
        listing=PASSES["WireGuard's usual lines"],
        nat="-A POSTROUTING -o eth0 -j MASQUERADE",
    ),
    "Raspberry Pi as an access point with dnsmasq": Machine(
        links=[LAN, ("wlan0", "", "192.168.50.1/24", "")],
        nat="-A POSTROUTING -o eth0 -j MASQUERADE",
        sockets=[("udp", 53, "192.168.50.1", "dnsmasq"), ("udp", 67, "0.0.0.0", "dnsmasq")],
        system=("apt", "Debian"),
        lines=[
            "53/udp (dnsmasq): firewall_extra_rules: ",
            "67/udp (dnsmasq): firewall_public_ports: [67/udp]",
            "wlan0 (the way out): firewall_extra_rules: [{direction: routed, interface: wlan0}]",
        ],
    ),
    "an LXC container with the TUN device passed through": Machine(
        links=[("eth0", "veth", "192.168.1.10/24", "")], forwards=False, contained=True
    ),
    "a cloud host with Docker and without a private network": Machine(
        links=[("eth0", "", "203.0.113.7/24", ""), *DOCKER],
        listing=PASSES["Docker 28"],
        sockets=[],
        lines=[DOCKER_LINE],
    ),
}  # fmt: skip
TITLES = (firewall_host.CLOSING, firewall_guests.LOSING)


@pytest.mark.parametrize("name", HOSTS)
def test_whole_host_is_not_refused_and_its_warnings_are_true(name: str) -> None:
    machine = HOSTS[name]
    facts = machine.facts()
    assert firewall_host.refusals(facts, {}) == []
    lines = [line for line in firewall_host.warnings(facts, {}) if line not in TITLES]
    assert len(lines) == len(machine.lines), lines
    for line, start in zip(lines, machine.lines):
        assert line.startswith(start)


@pytest.mark.parametrize("name", HOSTS)
def test_whole_host_may_join_without_a_warning(name: str) -> None:
    machine = HOSTS[name]
    facts = machine.facts()
    found: Json = {
        "daemons": [],
        "node": None,
        "state_kept": False,
        "other_units": [],
        "unit": None,
        "interface": {"present": False},
        "socket": "",
    }
    wanted = {
        "source": "vendor",
        "state": "present",
        "login_server": "",
        "tags": [],
        "has_secret": True,
        "problem": "",
        "tun": {"error": None, "contained": machine.contained, "kernel": "6.12.0"},
        "systemd": True,
        "accept_dns": None,
        "listeners": facts["listeners"],
        "interfaces": facts["packet_filter"]["interfaces"],
    }
    assert tailscale_host.refusals(found, wanted) == []
    assert tailscale_host.warnings(found, wanted) == []
