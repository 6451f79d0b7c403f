# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run does not cut its own SSH connection, unless the user accepts the risk."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _ssh_origin
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import NodeError
from tailscale_call import declare
from tailscale_double import Daemon

KEY = "tskey-auth-good"
TAILNET = "100.64.0.7 51234 100.64.0.1 22"
LAN = "192.168.7.2 51234 192.168.7.10 22"


@pytest.mark.parametrize(("option", "value"), [("shields_up", True), ("ssh", True), ("netfilter_mode", "off")])
def test_preference_that_cuts_the_runs_own_connection_is_refused(option: str, value: t.Any) -> None:
    over_tailnet = "100.64.0.7 51234 100.64.0.1 22"
    daemon = Daemon()
    with pytest.raises(NodeError, match=f"{option} would end the connection .* from the LAN .* accept_risk"):
        declare(daemon, ssh_connection=over_tailnet, **{option: value})
    assert daemon.sent == []
    assert declare(daemon, ssh_connection="192.168.1.2 51234 192.168.1.10 22", **{option: value})["changed"]
    assert not declare(daemon, ssh_connection=over_tailnet, **{option: value})["changed"], "an unchanged preference is no risk"
    assert declare(Daemon(), ssh_connection=over_tailnet, accept_risk=True, **{option: value})["changed"]


def test_ssh_connection_is_found_in_a_parent_process_of_sudo(tmp_path: pathlib.Path) -> None:
    for pid, parent, environment in (
        (40, 30, b"HOME=/root\0"),
        (30, 20, b"SUDO_USER=admin\0"),
        (20, 10, b"SSH_CONNECTION=100.64.0.7 51234 100.64.0.1 22\0HOME=/home/admin\0"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "environ").write_bytes(environment)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a (strange) name) S {parent} 1 1", encoding="ascii")
    assert _ssh_origin.ssh_connection(40, tmp_path) == "100.64.0.7 51234 100.64.0.1 22"
    assert _ssh_origin.ssh_connection(99, tmp_path) == ""


@pytest.mark.parametrize("ssh_connection", ["UNKNOWN 65535 UNKNOWN 65535", "nonsense", " "])
def test_ssh_connection_without_an_address_is_ignored(ssh_connection: str) -> None:
    """sshd writes UNKNOWN if its connection is a pipe."""
    daemon = Daemon()
    assert declare(daemon, ssh_connection=ssh_connection, exit_node="vps", accept_routes=True, shields_up=True)["changed"]


@pytest.mark.parametrize(
    ("options", "client", "cut"),
    [
        ({"exit_node": "vps"}, LAN, "exit_node would end .* from 192.168.7.2.* set exit_node_allow_lan_access"),
        ({"exit_node": "auto:any"}, LAN, "exit_node would end"),
        ({"exit_node": "vps", "exit_node_allow_lan_access": True}, LAN, None),
        ({"exit_node": "vps", "exit_node_allow_lan_access": True}, "8.8.8.8 5 9.9.9.9 22", "exit_node would end"),
        ({"exit_node": "vps"}, TAILNET, None),
        ({"exit_node": "vps"}, "", None),
        ({"accept_routes": True}, LAN, "accept_routes would end .* vps, which advertises 192.168.7.0/24"),
        ({"accept_routes": True}, "192.168.8.2 5 192.168.8.10 22", None),
        ({"accept_routes": True}, TAILNET, None),
        ({"netfilter_mode": "nodivert"}, TAILNET, "netfilter_mode would end"),
    ],
)
def test_preference_that_diverts_the_answers_is_refused(options: dict[str, t.Any], client: str, cut: str | None) -> None:
    for daemon in (Daemon(), Daemon("NeedsLogin")) if "exit_node" in options else (Daemon(),):
        given = {**options, "auth_key": KEY}
        if cut and not (client == TAILNET and daemon.state == "NeedsLogin"):
            with pytest.raises(NodeError, match=cut):
                declare(daemon, ssh_connection=client, **given)
            assert daemon.sent == []
            assert declare(daemon, ssh_connection=client, accept_risk=True, **given)["changed"]
        elif client != TAILNET or daemon.keys:
            assert declare(daemon, ssh_connection=client, **given)["changed"]
        assert not declare(Daemon(ExitNodeID="n2", RouteAll=True), ssh_connection=LAN, exit_node="vps", accept_routes=True)[
            "changed"
        ]
