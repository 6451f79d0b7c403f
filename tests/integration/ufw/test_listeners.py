# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_info lists the sockets that other machines can reach, with real sockets and ufw, and the ones that will be closed."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import typing as t

import artefacts
import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall, firewall_host
from docker_network import docker_network
from module_call import call
from ufw_host import UfwHost, sh

pytestmark = pytest.mark.parametrize("_installed", artefacts.UFW_SUITES[-1:], indirect=True)
OWN = (pathlib.Path("/proc/self/comm")).read_text(encoding="utf-8").strip()
SAMBA: dict[str, t.Any] = {"firewall_extra_rules": [{"from": "192.168.50.0/24", "port": "445", "proto": "tcp"}]}


@pytest.fixture
def services() -> t.Iterator[None]:
    with contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
            stack.enter_context(socket.create_server((address, 445), family=family))
        stack.enter_context(socket.create_server(("127.0.0.1", 5432)))
        for address, port in (("0.0.0.0", 137), ("127.0.0.1", 323), ("0.0.0.0", 0)):
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((address, port))
        yield


def closing(**variables: t.Any) -> list[str]:
    return firewall_host.closing(call("host_info"), variables)


def apply(**variables: t.Any) -> None:
    call("ufw_policy", rules=firewall.rules(variables), default_incoming="deny", docker=True, purge=True)


def test_sockets_are_listed_with_their_processes(host: UfwHost, services: None) -> None:
    found = call("host_info")["listeners"]
    assert found["sockets"] == [
        {"proto": "tcp", "port": 445, "address": "0.0.0.0", "process": OWN},
        {"proto": "udp", "port": 137, "address": "0.0.0.0", "process": OWN},
    ]
    assert found["ufw"] == {"active": False, "incoming": "deny", "routed": "deny", "docker_blocks": [], "rules": [], "routes": []}
    assert found["profiles"]["OpenSSH" if "OpenSSH" in found["profiles"] else "CIFS"]


def test_closed_ports_are_named_once_with_the_line_that_keeps_them_open(host: UfwHost, services: None) -> None:
    with docker_network():  # adds an address of 192.168.50.0/24 to this host
        before = host.everything()
        lan = "from: 192.168.50.0/24"
        assert [line for line in closing() if "137" in line or "445" in line] == [
            f"137/udp ({OWN}): firewall_extra_rules: [{{{lan}, port: '137', proto: udp}}]",
            f"445/tcp ({OWN}): firewall_extra_rules: [{{{lan}, port: '445', proto: tcp}}]",
        ]
        assert not any("445" in line for line in closing(**SAMBA))
        assert host.everything() == before
        apply(**SAMBA)
        assert closing(**SAMBA) == [], "closed ports must not be listed again"
        assert closing() == [f"445/tcp ({OWN}): firewall_extra_rules: [{{{lan}, port: '445', proto: tcp}}]"]
        apply()
        assert closing() == []


def test_ports_that_docker_publishes_are_listed(host: UfwHost) -> None:
    with docker_network() as network:
        network.start_docker()
        apply(firewall_public_ports=["9443/tcp"])
        assert closing() == [
            "9443/tcp (a container of Docker's): firewall_extra_rules: [{from: 192.168.50.0/24, port: '9443', proto: tcp}]"
        ]
        sh("iptables", "-w", "-F", "DOCKER-USER")
        assert call("host_info")["listeners"]["published"] == [["tcp", 8080], ["tcp", 9443]]
        assert closing(firewall_public_ports=["9443/tcp"]) == [
            "8080/tcp (a container of Docker's): firewall_extra_rules: [{from: 192.168.50.0/24, port: '8080', proto: tcp}]"
        ]
