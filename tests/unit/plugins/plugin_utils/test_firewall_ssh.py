# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall_host, firewall_ssh

Json = t.Dict[str, t.Any]  # noqa: UP006
FROM: Json = {"firewall_lan_ssh_from": ["192.168.1.0/24"]}
OTHER: Json = {**FROM, "firewall_ssh_port": 2222}
LAN, TAILNET = "192.168.1.10", "100.64.0.7"


def nas(*sockets: tuple[int, str, str], **more: t.Any) -> Json:
    listed = [{"proto": "tcp", "port": port, "address": address, "process": process} for port, address, process in sockets]
    interfaces = {"eth0": [LAN], "tailscale0": [TAILNET]}
    return {"listeners": {"sockets": listed, **more}, "packet_filter": {"interfaces": interfaces}}


@pytest.mark.parametrize(
    ("host", "variables", "said"),
    [
        (nas((2222, "0.0.0.0", "sshd")), FROM, ["port 22, but nothing listens there", "set firewall_ssh_port: 2222"]),
        (nas((22, "0.0.0.0", "sshd")), OTHER, ["port 2222, but nothing listens there", "set firewall_ssh_port: 22"]),
        (nas((22, TAILNET, "sshd")), FROM, ["port 22, but nothing listens there"]),  # its address on the LAN is closed
        (nas((22, "0.0.0.0", "gitea"), (2222, LAN, "sshd")), FROM, ["but gitea listens there", "set firewall_ssh_port: 2222"]),
        (nas((2222, "::", "sshd"), published=[("tcp", 22)]), FROM, ["a container of Docker's listens there"]),
        (nas((80, "0.0.0.0", "nginx")), FROM, ["nothing listens there", "set firewall_ssh_port"]),
    ],
)
def test_opened_port_without_an_ssh_server_gives_a_warning(host: Json, variables: Json, said: list[str]) -> None:
    (warning,) = firewall_ssh.warnings(host, variables)
    for words in said:
        assert words in warning
    assert warning in firewall_host.warnings(host, variables)


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        (nas((22, "0.0.0.0", "sshd")), FROM),
        (nas((22, "::", "sshd"), (2222, "::", "sshd")), OTHER),
        (nas((22, "::", "systemd")), FROM),  # Ubuntu's ssh.socket
        (nas((22, "::", "systemd"), (2222, "::", "sshd")), FROM),
        (nas((22, LAN, "dropbear")), FROM),
        (nas((22, LAN, "ssh-server-of-somebody")), FROM),  # no other is known
        (nas((22, LAN, "")), FROM),
        (nas((2222, LAN, "sshd")), {}),  # not opened to the LAN
        (nas((2222, LAN, "sshd")), {"firewall_lan_ssh_from": []}),
        ({}, FROM),  # not gathered
    ],
)
def test_port_of_an_ssh_server_gives_no_warning(host: Json, variables: Json) -> None:
    assert firewall_ssh.warnings(host, variables) == []
