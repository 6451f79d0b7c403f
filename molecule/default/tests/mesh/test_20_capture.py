# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What crossed the LAN from before Syncthing's first start until after a sync."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest

# Everything that the lab itself sends: SSH, the package mirror, the coordinator's control, DERP and STUN, WireGuard.
KNOWN_TCP = (22, 80, 8080, 8443)
KNOWN_UDP = (3478, 41641)


@pytest.fixture(scope="module")
def capture(lab: t.Any, evidence: pathlib.Path) -> t.Callable[[str], list[str]]:
    """The captured packets that a filter of tcpdump lets through, a line each."""
    lab("capture", "stop")

    def read(expression: str) -> list[str]:
        done = subprocess.run(
            ["tcpdump", "-nn", "-r", evidence / "lan.pcap", expression], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return read


def test_it_saw_wireguard(capture: t.Any) -> None:
    assert len(capture("udp port 41641 and udp[8:4] = 0x04000000")) > 100, "no WireGuard data: the capture proves nothing"


def test_it_saw_the_hosts_from_the_beginning(capture: t.Any) -> None:
    assert capture("tcp port 80"), "the packages were not fetched while it ran"


def test_nothing_of_syncthings_ports_discovery_or_relays(capture: t.Any) -> None:
    assert capture("port 22000 or port 21027 or port 22067 or port 22070 or port 8384") == []


def test_no_tcp_but_the_labs_own(capture: t.Any) -> None:
    assert capture("tcp and not (" + " or ".join(f"port {port}" for port in KNOWN_TCP) + ")") == []


def test_no_udp_but_the_labs_own(capture: t.Any) -> None:
    """QUIC, STUN to strangers, NAT-PMP, UPnP and look-ups of Syncthing's servers would all be here."""
    assert capture("udp and not (" + " or ".join(f"port {port}" for port in KNOWN_UDP) + ")") == []
