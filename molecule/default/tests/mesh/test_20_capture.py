# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic on the LAN from before Syncthing's first start until after a sync."""

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
    """The captured packets that match a tcpdump filter, one line each."""
    lab("capture", "stop")

    def read(expression: str) -> list[str]:
        done = subprocess.run(
            ["tcpdump", "-nn", "-r", evidence / "lan.pcap", expression], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return read


def test_capture_contains_wireguard(capture: t.Any) -> None:
    assert len(capture("udp port 41641 and udp[8:4] = 0x04000000")) > 100, "no WireGuard data: the capture proves nothing"


def test_capture_starts_before_the_packages_are_fetched(capture: t.Any) -> None:
    assert capture("tcp port 80"), "the packages were not fetched during the capture"


def test_capture_contains_no_syncthing_port_discovery_or_relay(capture: t.Any) -> None:
    assert capture("port 22000 or port 21027 or port 22067 or port 22070 or port 8384") == []


def test_capture_contains_only_the_labs_tcp_ports(capture: t.Any) -> None:
    assert capture("tcp and not (" + " or ".join(f"port {port}" for port in KNOWN_TCP) + ")") == []


def test_capture_contains_only_the_labs_udp_ports(capture: t.Any) -> None:
    """QUIC, STUN to the internet, NAT-PMP, UPnP and DNS queries for Syncthing's servers would be here."""
    assert capture("udp and not (" + " or ".join(f"port {port}" for port in KNOWN_UDP) + ")") == []
