# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server on a host that joins the tailnet: a warning, because with Tailscale's DNS settings it may come to ask itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailscale_host

Json = t.Dict[str, t.Any]  # noqa: UP006
BARE: Json = {"daemons": [], "node": None, "state_kept": False}
OURS = {"eth0": ["192.168.1.10"], "wlan0": ["10.42.0.1"], "virbr0": ["192.168.122.1"], "podman0": ["10.88.0.1"]}


def warnings(process: str, address: str = "0.0.0.0", port: int = 53, found: Json | None = None, **more: t.Any) -> list[str]:
    sockets = [{"proto": proto, "port": port, "address": address, "process": process} for proto in ("tcp", "udp")]
    wanted = {"source": "vendor", "state": "present", "interfaces": OURS, "accept_dns": None}
    return tailscale_host.warnings(found or BARE, {**wanted, "listeners": {"sockets": sockets}, **more})


def node(**status: t.Any) -> Json:
    return {**BARE, "node": {"status": {"BackendState": "Running", **status}, "prefs": {}}}


@pytest.mark.parametrize(
    ("process", "address", "named"),
    [
        ("pihole-FTL", "0.0.0.0", "pihole-FTL"),
        ("AdGuardHome", "::", "AdGuardHome"),
        ("unbound", "192.168.1.10", "unbound"),
        ("named", "192.168.1.10", "named"),
        ("dnsmasq", "0.0.0.0", "dnsmasq"),
        ("docker-proxy", "0.0.0.0", "a container of Docker's"),
        ("", "0.0.0.0", "a program"),
    ],
)
def test_dns_server_of_a_host_that_joins_gives_a_warning(process: str, address: str, named: str) -> None:
    for found in (BARE, node(BackendState="NeedsLogin")):
        (said,) = warnings(process, address, found=found)
        assert said.startswith(f"{named} is a DNS server on this host")
        assert "accept_dns: false in tailscale_preferences" in said


def test_published_dns_container_gives_a_warning() -> None:
    assert tailscale_host.warnings(BARE, {"source": "none", "state": "present", "listeners": {"published": [["udp", 53]]}})


@pytest.mark.parametrize(
    "given",
    [
        {"process": "systemd-resolve", "address": "192.168.1.10"},
        {"process": "systemd-resolved"},
        {"process": "dnsmasq", "address": "192.168.122.1"},
        {"process": "dnsmasq", "address": "10.42.0.1"},
        {"process": "aardvark-dns", "address": "10.88.0.1"},
        {"process": "avahi-daemon", "port": 5353},
        {"process": "pihole-FTL", "port": 80},
        {"process": "pihole-FTL", "accept_dns": False},
        {"process": "pihole-FTL", "accept_dns": True},
        {"process": "pihole-FTL", "state": "absent"},
        {"process": "pihole-FTL", "found": node()},
        {"process": "pihole-FTL", "found": {**BARE, "state_kept": True}},
        {"process": "pihole-FTL", "listeners": {}},
    ],
    ids=[
        "systemd-resolved for others", "its whole name", "libvirt", "an access point", "podman", "mDNS", "only the web interface",
        "declared", "wanted", "leaving", "each later run", "stopped", "no facts",
    ],
)  # fmt: skip
def test_host_without_a_dns_server_of_its_own_gives_no_warning(given: Json) -> None:
    assert warnings(**given) == []
