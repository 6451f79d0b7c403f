# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open ports, as the outsider finds them and as the hosts list them."""

from __future__ import annotations

import typing as t

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("port", [22, 8384, 22000])
@pytest.mark.parametrize("family", ["4", "6"])
def test_ports_are_closed_to_the_outsider(port_is_open: t.Any, lab_host: Host, addresses: t.Any, family: str, port: int) -> None:
    assert not port_is_open(addresses(lab_host, family), port)


def test_laptop_reaches_ssh_over_the_tailnet(lab_hosts: dict[str, Host], lab_host: Host) -> None:
    address = lab_host.check_output("tailscale ip -4")
    assert lab_hosts["laptop"].run(f"nc -z -w 5 {address} 22").succeeded


def test_syncthing_listens_only_on_the_tailnet_address(lab_host: Host) -> None:
    address = lab_host.check_output("tailscale ip -4")
    # Found by the user who owns them: a container's root may not inspect other users' processes.
    sockets = lab_host.check_output("ss -H -ltnue | grep -w uid:$(id -u syncthing)").splitlines()
    listening = {line.split()[4] for line in sockets}
    assert listening == {f"{address}:22000"}


def test_web_interface_is_a_unix_socket_of_its_user_only(lab_host: Host) -> None:
    place = lab_host.file("/run/syncthing")
    assert (place.user, place.mode) == ("syncthing", 0o700)
    socket = lab_host.file("/run/syncthing/gui.sock")
    assert (socket.is_socket, socket.user, socket.mode) == (True, "syncthing", 0o600)


def test_ufw_is_active_and_starts_at_boot(lab_host: Host) -> None:
    status = lab_host.check_output("ufw status verbose")
    assert "Status: active" in status
    assert "Default: deny (incoming)" in status
    assert lab_host.service("ufw").is_enabled
    incoming = [line for line in lab_host.check_output("ufw show added").splitlines() if line.startswith("ufw ")]
    assert all(" on tailscale0" in line for line in incoming if " out " not in line), incoming


def test_tailscaled_chains_come_first(lab_host: Host) -> None:
    for command in ("iptables", "ip6tables"):
        rules = lab_host.check_output(f"{command} -S INPUT").splitlines()
        assert rules[0] == "-P INPUT DROP"
        assert rules[1] == "-A INPUT -j ts-input"
