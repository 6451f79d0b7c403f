# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the facts of a host mean for its firewall: a refusal, a warning, or services that other machines lose."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import _iptables
from ansible_collections.homelab.tailsync.plugins.module_utils._host._iptables import Surroundings
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall_host
from packet_filters import ORACLE, PASSES

Json = t.Dict[str, t.Any]  # noqa: UP006
OPEN: Json = {"firewall_public_ports": ["443/tcp"]}


def look(listing: str, **more: t.Any) -> Json:
    found = _iptables.judge(listing, "v4", Surroundings(("docker0", "virbr0"), ("eth0",), ("192.168.122.1/24",)))
    return {"packet_filter": {"rules": [dataclasses.asdict(finding) for finding in found], **more}}


def test_cloud_image_is_refused_with_each_rule_and_the_fix() -> None:
    (found,) = firewall_host.refusals(look(ORACLE), {})
    for words in (
        "`iptables -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT` allows everyone past ufw",
        "`iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited` blocks everyone before ufw",
        "`iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited` blocks forwarded traffic before ufw",
        "/etc/iptables",
        "put foreign_firewall_rules into tailsync_accept",
    ):
        assert words in found
    assert firewall_host.refusals(look(ORACLE), {}, ["foreign_firewall_rules"]) == []
    (warning,) = firewall_host.warnings(look(ORACLE), {}, ["foreign_firewall_rules"])
    assert "--dport 22 -j ACCEPT` allows everyone" in warning


@pytest.mark.parametrize(
    ("rule", "variables", "refused"),
    [
        ("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", {}, True),
        ("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", OPEN, False),
        ("-A INPUT -p udp -m udp --dport 443 -j ACCEPT", OPEN, True),
        ("-A INPUT -m multiport -p tcp --dports 443,8443 -j ACCEPT", OPEN, True),
        ("-A INPUT -p tcp -m tcp --dport 443 -j REJECT", OPEN, True),
        ("-A INPUT -p tcp -m tcp --dport 400:500 -j REJECT", OPEN, True),
        ("-A INPUT -p tcp -m tcp --dport 111 -j REJECT", OPEN, False),
        ("-A INPUT -p tcp -j REJECT", {}, True),
        ("-A INPUT -s 192.168.1.0/24 -p tcp -m tcp --dport 22 -j ACCEPT", {}, False),
        ("-A INPUT -s 0.0.0.0/2 -j ACCEPT", {}, True),
        ("-A INPUT -s 10.0.0.0/8 -j ACCEPT\n-A INPUT -s 11.0.0.0/8 -j ACCEPT", {}, True),
        ("-A FORWARD -p tcp -m tcp --dport 443 -j ACCEPT", OPEN, True),
    ],
)
def test_rule_is_refused_if_it_overrides_the_declared_policy(rule: str, variables: Json, refused: bool) -> None:
    assert bool(firewall_host.refusals(look(rule), variables)) is refused


def test_rule_that_allows_an_undeclared_source_gives_a_warning() -> None:
    lan = look("-A INPUT -s 192.168.1.0/24 -p tcp -m tcp --dport 22 -j ACCEPT")
    (warning,) = firewall_host.warnings(lan, {})
    assert "allows 192.168.1.0/24 past ufw" in warning
    assert firewall_host.warnings(lan, {"firewall_lan_ssh_from": ["192.168.1.0/24"]}) == []
    assert firewall_host.warnings(look("-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT"), OPEN) == []


def test_other_active_firewall_is_refused_with_the_fix() -> None:
    (found,) = firewall_host.refusals(look("", services=["nftables", "netfilter-persistent"]), {})
    assert "nftables and netfilter-persistent is in charge" in found
    assert "`systemctl disable --now nftables netfilter-persistent`" in found
    assert "stay until they are removed or the host is restarted" in found


@pytest.mark.parametrize("name", PASSES)
def test_ordinary_host_passes_without_a_warning(name: str) -> None:
    assert firewall_host.refusals(look(PASSES[name]), {}) == []
    assert firewall_host.warnings(look(PASSES[name]), {}) == []


# --- services that other machines lose -------------------------------------------------------------------

ALLOW_SMB = {"action": "allow", "interface": "", "from": "192.168.1.0/24", "port": "139,445", "proto": "tcp"}
DENY_ALL = {"action": "deny", "interface": "", "from": "0.0.0.0/0", "port": "", "proto": ""}


def nas(*sockets: tuple[str, int, str, str], **more: t.Any) -> Json:
    keys = ("proto", "port", "address", "process")
    return {
        "listeners": {
            "sockets": [dict(zip(keys, socket)) for socket in sockets],
            "published": [],
            "ufw": {},
            "profiles": {},
            **more,
        },
        "packet_filter": {
            "interfaces": {
                "lo": ["127.0.0.1"],
                "eth0": ["192.168.1.10"],
                "tailscale0": ["100.64.0.1"],
                "virbr0": ["192.168.122.1"],
            },
            "networks": ["192.168.1.0/24", "fd00:1::/64"],
        },
    }


SSH = ("tcp", 22, "0.0.0.0", "sshd")
SMB = (("tcp", 445, "::", "smbd"), ("tcp", 139, "0.0.0.0", "smbd"))


def test_each_closed_service_is_named_with_the_line_that_keeps_it_open() -> None:
    found = firewall_host.closing(
        nas(SSH, *SMB, ("tcp", 2049, "0.0.0.0", ""), ("tcp", 80, "0.0.0.0", "nginx"), ("udp", 53, "192.168.1.10", "dnsmasq")), {}
    )
    assert found == [
        "22/tcp (sshd): firewall_lan_ssh_from: [192.168.1.0/24]",
        "53/udp (dnsmasq): firewall_extra_rules: [{from: 192.168.1.0/24, port: '53', proto: udp}]",
        "80/tcp (nginx): firewall_public_ports: [80/tcp]",
        "139/tcp, 445/tcp (smbd): firewall_extra_rules: [{from: 192.168.1.0/24, port: '139,445', proto: tcp}]",
        "2049/tcp (the kernel): firewall_extra_rules: [{from: 192.168.1.0/24, port: '2049', proto: tcp}]",
    ]


@pytest.mark.parametrize(
    ("variables", "left"),
    [
        ({}, True),
        ({"firewall_extra_rules": [{"from": "192.168.1.0/24", "port": "139,445", "proto": "tcp"}]}, False),
        ({"firewall_extra_rules": [{"from": "192.168.1.0/24"}]}, False),
        ({"firewall_extra_rules": [{"interface": "eth0", "port": 445}, {"port": "139", "from": "10.0.0.0/8"}]}, False),
        ({"firewall_extra_rules": [{"app": "Samba"}]}, False),
        ({"firewall_extra_rules": [{"interface": "tailscale0", "port": "139,445", "proto": "tcp"}]}, True),
        ({"firewall_extra_rules": [{"from": "192.168.1.0/24", "port": "139,445", "proto": "udp"}]}, True),
        ({"firewall_extra_rules": [{"interface": "lxdbr1"}]}, True),  # for guests only
        ({"firewall_public_ports": ["139:445/tcp"]}, False),
        ({"firewall_keep": [{"from": "192.168.1.0/24", "port": "139,445", "proto": "tcp"}]}, False),
    ],
)
def test_declared_services_are_not_listed_as_lost(variables: Json, left: bool) -> None:
    host = nas(*SMB, profiles={"Samba": "137,138/udp|139,445/tcp"})
    guests = {"guests": [{"name": "lxdbr1", "kind": "bridge", "bridged": False}]}
    host = {**host, "packet_filter": {**(host.get("packet_filter") or {}), **guests}}
    assert bool(firewall_host.closing(host, variables)) is left


@pytest.mark.parametrize(
    ("ufw", "left"),
    [
        ({"active": False, "rules": []}, True),
        ({"active": True, "incoming": "deny", "rules": []}, False),
        ({"active": True, "incoming": "allow", "rules": []}, True),
        ({"active": True, "incoming": "deny", "rules": [ALLOW_SMB]}, True),
        ({"active": True, "incoming": "deny", "rules": [{**ALLOW_SMB, "interface": "tailscale0"}]}, False),
        ({"active": True, "incoming": "deny", "rules": [{**ALLOW_SMB, "port": "22"}]}, False),
        ({"active": True, "incoming": "allow", "rules": [DENY_ALL, ALLOW_SMB]}, False),
        ({"active": True, "incoming": "deny", "rules": [{**DENY_ALL, "from": "10.0.0.0/8"}, ALLOW_SMB]}, True),
    ],
)
def test_only_services_that_are_reachable_now_are_lost(ufw: Json, left: bool) -> None:
    assert bool(firewall_host.closing(nas(*SMB, ufw=ufw), {})) is left


def test_services_with_kept_ufw_rules_are_not_lost() -> None:
    host = nas(*SMB, ufw={"active": False, "incoming": "deny", "rules": [ALLOW_SMB]})
    assert firewall_host.closing(host, {"firewall_purge": False}) == []


def test_services_of_this_host_only_are_not_named() -> None:
    quiet = nas(
        ("tcp", 8384, "100.64.0.1", "syncthing"),
        ("udp", 53, "192.168.122.1", "dnsmasq"),
        ("udp", 5353, "224.0.0.251", "avahi-daemon"),
        ("udp", 5353, "0.0.0.0", "avahi-daemon"),
        ("udp", 68, "0.0.0.0", "dhclient"),
        ("udp", 41641, "0.0.0.0", "tailscaled"),
    )
    assert firewall_host.closing(quiet, {}) == []
    assert firewall_host.closing(quiet, {"firewall_multicast": False}) != []


@pytest.mark.parametrize(
    ("process", "guests", "said"),
    [
        ("pihole-FTL", False, True),
        ("dnsmasq", False, True),
        ("dnsmasq", True, False),  # libvirt's, which is on its bridge only
        ("systemd-network", False, False),
    ],
)
def test_dhcp_server_of_the_lan_is_named_as_lost(process: str, guests: bool, said: bool) -> None:
    host = nas(("udp", 67, "0.0.0.0", process))
    if not guests:
        del host["packet_filter"]["interfaces"]["virbr0"]
    found = firewall_host.closing(host, {})
    assert found == ([f"67/udp ({process}): firewall_public_ports: [67/udp]"] if said else [])
    assert firewall_host.closing(host, {"firewall_public_ports": ["67/udp"]}) == []


def test_published_container_ports_are_named_as_lost() -> None:
    host = nas(("tcp", 8080, "0.0.0.0", "docker-proxy"), published=[["tcp", 9000]], ufw={"active": True, "incoming": "deny"})
    found = firewall_host.closing(host, {})
    assert found == [
        "8080/tcp, 9000/tcp (a container of Docker's): "
        "firewall_extra_rules: [{from: 192.168.1.0/24, port: '8080,9000', proto: tcp}]"
    ]
    assert firewall_host.closing(host, {"firewall_docker": False}) == []
    host["listeners"]["docker_closed"] = True
    assert firewall_host.closing(host, {}) == [], "the second run"
    assert firewall_host.closing(host, {"firewall_public_ports": ["8080/tcp", "9000/tcp"]}) == []


def test_advice_for_a_host_without_a_private_network() -> None:
    host = nas(SSH, *SMB)
    host["packet_filter"]["networks"] = []
    assert firewall_host.closing(host, {}) == [
        "22/tcp (sshd): firewall_lan_ssh_from: [your own networks]",
        "139/tcp, 445/tcp (smbd): firewall_public_ports: [139/tcp, 445/tcp]",
    ]


CONTROL = {"url": "http://192.168.1.11:8090", "port": 8090}


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({}, True),
        ({"firewall_public_ports": ["443/tcp", "8090/udp"]}, True),
        ({"firewall_public_ports": ["8090/tcp"]}, False),
        ({"firewall_extra_rules": [{"from": "192.168.1.0/24", "port": "8000:9000", "proto": "tcp"}]}, False),
        ({"firewall_extra_rules": [{"app": "Headscale"}]}, False),
        ({"firewall_keep": [{"port": "8090", "proto": "tcp"}]}, False),
        ({"firewall_purge": False}, False),
    ],
)
def test_closing_the_port_of_an_own_control_server_is_refused(variables: Json, refused: bool) -> None:
    found = firewall_host.refusals({"control_servers": [CONTROL]}, variables)
    assert bool(found) is refused
    assert all("firewall_public_ports" in text and "8090/tcp" in text for text in found)


@pytest.mark.parametrize(
    ("manager", "name", "refused"),
    [
        ("apt", "Debian", False),
        ("apt", "Ubuntu", False),
        ("apt", "Linux Mint", False),
        (None, None, False),
        ("unknown", "Debian", False),
        ("dnf", "Fedora", True),
        ("pacman", "Archlinux", True),
        ("apk", "Alpine", True),
    ],
)
def test_host_without_apt_is_refused_by_name(manager: str | None, name: str | None, refused: bool) -> None:
    found = firewall_host.refusals({"system": {"pkg_mgr": manager, "distribution": name}}, {})
    assert bool(found) is refused
    assert all(f"this host has {name}, and the role firewall installs ufw with apt" in text for text in found)


def test_kernel_that_cannot_filter_is_refused_with_the_fix() -> None:
    said = "iptables: Failed to initialize nft: Protocol not supported"
    (found,) = firewall_host.refusals({"kernel": {"release": "6.12.0", "problem": said}}, {})
    assert [word for word in ("6.12.0", said, "restart the host") if word not in found] == []
    (found,) = firewall_host.refusals({"kernel": {"release": "6.12.0", "problem": "nf_tables: Operation not permitted"}}, {})
    assert "NET_ADMIN" in found
    assert "restart the host" not in found
    assert firewall_host.refusals({"kernel": {"release": "6.12.0", "problem": None}}, {}) == []


def test_unreadable_apt_sources_matter_only_if_ufw_is_installed_now() -> None:
    apt = {"sources": [], "problem": "E: Malformed entry 1 in list file /etc/apt/sources.list.d/x.list (Suite)"}
    assert firewall_host.source_refusals({"packages": {"ufw": {}}, "apt": apt}) == []
    (message,) = firewall_host.source_refusals({"packages": {}, "apt": apt})
    assert "/etc/apt/sources.list.d/x.list" in message
    assert firewall_host.source_refusals({"packages": {}}) == []
