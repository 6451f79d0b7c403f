# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Situations of hosts with guests, without a TUN device, and with another tool's block for Docker's chain."""

from __future__ import annotations

import situations

GUEST = """
sysctl -q -w net.ipv4.ip_forward=1
ip link add "$1" type bridge; ip address add "$2.1/24" dev "$1"; ip link set "$1" up
ip netns add "guest-$1"
ip link add "v-$1" type veth peer name eth0 netns "guest-$1"
ip link set "v-$1" master "$1" up
ip -n "guest-$1" address add "$2.2/24" dev eth0; ip -n "guest-$1" link set eth0 up
ip -n "guest-$1" route add default via "$2.1"
nft add table ip nat-of-guests
nft 'add chain ip nat-of-guests out { type nat hook postrouting priority srcnat; }'
nft add rule ip nat-of-guests out ip saddr "$2.0/24" oifname != "$1" masquerade
"""
BLOCK = """
cat >>/etc/ufw/after.rules <<'END'
# BEGIN UFW AND DOCKER
*filter
:DOCKER-USER - [0:0]
-A DOCKER-USER -j RETURN -s 10.0.0.0/8
COMMIT
# END UFW AND DOCKER
END
"""


def guest(host: str, bridge: str = "lxdbr0", network: str = "10.158.0") -> None:
    """A guest on a bridge of the host, with its way out through it."""
    situations.script(host, GUEST, bridge, network)


def no_tun(host: str) -> None:
    """The host has no TUN device, as an unprivileged container."""
    situations.script(host, "mv /dev/net/tun /dev/net/tun.away")


def ufw_docker(host: str) -> None:
    """ufw-docker's block in after.rules; ufw must be installed."""
    situations.script(host, BLOCK)
