# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared openings, by port, protocol, source, interface and direction."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils.openings import Endpoint, declares, not_checked_because

LAN = "192.168.1.0/24"
PROFILES = {"Samba": "137,138/udp|139,445/tcp", "Web": "80"}


def at(port: int, **more: t.Any) -> Endpoint:
    return Endpoint(port, **{"address": "192.168.1.11", "interface": "eth0", "source": "192.168.1.20", "on_link": True, **more})


SSH = at(22)
SAMBA = at(445)


@pytest.mark.parametrize(
    ("variables", "tried"),
    [
        ({"firewall_public_ports": ["443/tcp"]}, at(443)),
        ({"firewall_public_ports": ["443"]}, at(443)),
        ({"firewall_public_ports": [443]}, at(443)),
        ({"firewall_public_ports": ["60000:61000/tcp"]}, at(60500)),
        ({"firewall_lan_ssh_from": [LAN]}, SSH),
        ({"firewall_lan_ssh_from": ["192.168.1.7/24"]}, SSH),
        ({"firewall_lan_ssh_from": [LAN], "firewall_ssh_port": 2222}, at(2222)),
        ({"firewall_lan_ssh_from": [LAN], "ansible_port": "2222"}, at(2222)),
        ({"firewall_lan_ssh_from": ["fd00::/8"]}, at(22, address="fd00::11", source="fd00::20")),
        ({"firewall_extra_rules": [{"port": "445", "proto": "tcp", "from": LAN}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": 445}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "139,445", "proto": "tcp"}]}, SAMBA),
        ({"firewall_extra_rules": [{"from": LAN}]}, SAMBA),
        ({"firewall_extra_rules": [{"from": "192.168.1.20"}]}, SAMBA),
        ({"firewall_extra_rules": [{"interface": "eth0"}]}, SAMBA),
        ({"firewall_extra_rules": [{"interface": "eth+"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "to": "192.168.1.11"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "action": "limit"}]}, SAMBA),
        ({"firewall_extra_rules": [{"app": "Samba", "from": LAN}]}, SAMBA),
        ({"firewall_extra_rules": [{"app": "Web"}]}, at(80)),
        ({"firewall_extra_rules": [{"app": "OpenSSH"}]}, SSH),
        ({"firewall_extra_rules": [{"app": "what nobody knows"}]}, SAMBA),
        ({"firewall_extra_rules": [{"direction": "routed", "interface": "eth0", "port": "80", "proto": "tcp"}]}, at(8080)),
        ({"firewall_keep": [{"port": "445"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "from": LAN}]}, at(445, source=None)),
    ],
)
def test_endpoint_that_is_declared(variables: dict[str, t.Any], tried: Endpoint) -> None:
    assert declares(variables, tried, PROFILES)


@pytest.mark.parametrize(
    ("variables", "tried"),
    [
        ({}, SSH),
        ({"firewall_public_ports": ["443/tcp"]}, SSH),
        ({"firewall_public_ports": ["22/udp"]}, SSH),
        ({"firewall_public_ports": ["60000:61000/tcp"]}, at(61001)),
        ({"firewall_lan_ssh_from": [LAN]}, SAMBA),
        ({"firewall_lan_ssh_from": [LAN]}, at(22, source="192.168.2.20")),
        ({"firewall_lan_ssh_from": [LAN]}, at(22, address="fd00::11", source="fd00::20")),
        ({"firewall_lan_ssh_from": [LAN], "firewall_ssh_port": 2222}, SSH),
        ({"firewall_extra_rules": [{"port": "445", "from": "192.168.1.30"}]}, SAMBA),
        ({"firewall_extra_rules": [{"interface": "eth1"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "proto": "udp"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "to": "192.168.1.12"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "direction": "out"}]}, SAMBA),
        ({"firewall_extra_rules": [{"port": "445", "action": "deny"}, {"from": LAN}]}, SAMBA),
        ({"firewall_extra_rules": [{"app": "Samba", "from": LAN}]}, at(445, source="192.168.2.20")),
        ({"firewall_extra_rules": [{"app": "Samba"}]}, at(137)),
        ({"firewall_extra_rules": [{"from_port": "53"}]}, SAMBA),
        ({"firewall_extra_rules": [{"direction": "routed", "port": "80"}]}, SSH),
    ],
)
def test_endpoint_that_is_not_declared(variables: dict[str, t.Any], tried: Endpoint) -> None:
    assert not declares(variables, tried, PROFILES)


def test_private_source_does_not_count_behind_address_translation() -> None:
    """From 10.0.0.5 to a public address: the host sees some public source address, never one of its LAN."""
    far = at(22, address=None, interface=None, source="10.0.0.5", on_link=False)
    assert not declares({"firewall_lan_ssh_from": [LAN]}, far, {})
    assert declares({"firewall_lan_ssh_from": ["8.8.8.0/24"]}, far, {})


@pytest.mark.parametrize(
    ("variables", "judged"),
    [
        ({}, True),
        ({"firewall_state": "present"}, True),
        ({"firewall_state": "absent"}, False),
        ({"firewall_purge": False}, False),
        ({"firewall_purge": "false"}, False),
        ({"firewall_purge": True}, True),
    ],
)
def test_ports_are_not_judged_if_the_inventory_is_incomplete(variables: dict[str, t.Any], judged: bool) -> None:
    assert (not_checked_because(variables) is None) is judged
