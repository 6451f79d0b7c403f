# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the outsider finds, and what the hosts themselves say they have open."""

from __future__ import annotations

import typing as t

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("port", [22, 8384, 22000])
@pytest.mark.parametrize("family", ["4", "6"])
def test_the_outsider_finds_the_door_closed(door: t.Any, lab_host: Host, addresses: t.Any, family: str, port: int) -> None:
    assert not door(addresses(lab_host, family), port)


def test_the_laptop_still_gets_in_over_the_tailnet(lab_hosts: dict[str, Host], lab_host: Host) -> None:
    address = lab_host.check_output("tailscale ip -4")
    assert lab_hosts["laptop"].run(f"nc -z -w 5 {address} 22").succeeded


def test_syncthing_listens_on_the_tailnet_address_only(lab_host: Host) -> None:
    address = lab_host.check_output("tailscale ip -4")
    # By the user who owns them: a container's root may not look into other users' processes.
    sockets = lab_host.check_output("ss -H -ltnue | grep -w uid:$(id -u syncthing)").splitlines()
    listening = {line.split()[4] for line in sockets}
    assert listening == {f"{address}:22000"}


def test_the_web_interface_is_a_socket_that_its_user_alone_can_open(lab_host: Host) -> None:
    place = lab_host.file("/run/syncthing")
    assert (place.user, place.mode) == ("syncthing", 0o700)
    socket = lab_host.file("/run/syncthing/gui.sock")
    assert (socket.is_socket, socket.user, socket.mode) == (True, "syncthing", 0o600)


def test_ufw_is_on_and_stays_on(lab_host: Host) -> None:
    status = lab_host.check_output("ufw status verbose")
    assert "Status: active" in status
    assert "Default: deny (incoming)" in status
    assert lab_host.service("ufw").is_enabled
    incoming = [line for line in lab_host.check_output("ufw show added").splitlines() if line.startswith("ufw ")]
    assert all(" on tailscale0" in line for line in incoming if " out " not in line), incoming


def test_the_chains_of_tailscaled_are_in_front(lab_host: Host) -> None:
    for command in ("iptables", "ip6tables"):
        rules = lab_host.check_output(f"{command} -S INPUT").splitlines()
        assert rules[0] == "-P INPUT DROP"
        assert rules[1] == "-A INPUT -j ts-input"
