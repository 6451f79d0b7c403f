# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with guests on bridges, without a TUN device, or with another tool's block for Docker's chain."""

from __future__ import annotations

import typing as t

from namespaces import execute
from situations import package, script, service

DECLARED, UNDECLARED = ("lxdbr0", "10.158.0"), ("lxdbr1", "10.159.0")
GUEST = """
mount -o remount,rw /proc/sys # the lab's own container has it read-only
echo 1 >/proc/sys/net/ipv4/ip_forward
if ! ip link show dev "$1" >/dev/null 2>&1; then
  ip link add "$1" type bridge; ip address add "$2.1/24" dev "$1"; ip link set "$1" up
fi
ip netns add "guest-$1"
ip link add "v-$1" type veth peer name eth0 netns "guest-$1"
ip link set "v-$1" master "$1" up
ip -n "guest-$1" address add "$2.2/24" dev eth0; ip -n "guest-$1" link set eth0 up
ip -n "guest-$1" route add default via "$2.1"
iptables -t nat -A POSTROUTING -s "$2.0/24" ! -o "$1" -j MASQUERADE
"""
DNS = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    data, client = server.recvfrom(512)
    server.sendto(data, client)
"""
ASK = """
import socket, sys
def answers():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for _attempt in range(3):
            client.sendto(b"a name", (sys.argv[1], 53))
            try:
                return bool(client.recv(512))
            except OSError:
                continue
    return False
def leads_out():
    try:
        socket.create_connection((sys.argv[2], 22), 3).close()
    except OSError:
        return False
    return True
print(int(answers()), int(leads_out()))
"""
# The block of ufw-docker, shortened.
BLOCK = """
cat >>/etc/ufw/after.rules <<'END'
# BEGIN UFW AND DOCKER
*filter
:ufw-user-forward - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -j RETURN -s 10.0.0.0/8
-A DOCKER-USER -j RETURN
COMMIT
# END UFW AND DOCKER
END
"""


class Network(t.NamedTuple):
    """What a guest has: an answer of the host's DNS server, and a way out."""

    dns: bool
    way_out: bool


def guest(host: str, bridge: str = DECLARED[0], network: str = DECLARED[1]) -> None:
    """A guest on a bridge of the host, which is its DNS server and its way out."""
    package(host, "iptables")
    script(host, GUEST, bridge, network)
    script(host, f"cat >/usr/local/lib/dns-{bridge}.py", input=DNS)
    service(host, f"dns-{bridge}", f"/usr/bin/python3 /usr/local/lib/dns-{bridge}.py {network}.1")


def network_of(host: str, bridge: str = DECLARED[0], network: str = DECLARED[1], target: str = "172.31.77.6") -> Network:
    """What the guest on a bridge has now; `target` is a machine outside, the lab's outsider by default."""
    command = ("ip", "netns", "exec", f"guest-{bridge}", "python3", "-c", ASK, f"{network}.1", target)
    dns, way_out = execute(host, *command).stdout.split()
    return Network(dns == "1", way_out == "1")


def no_tun(host: str) -> None:
    """The host has no TUN device, as an unprivileged container."""
    script(host, "mv /dev/net/tun /dev/net/tun.away")


def with_tun(host: str) -> None:
    """The device is passed through now."""
    script(host, "mv /dev/net/tun.away /dev/net/tun")


def ufw_docker(host: str) -> None:
    """ufw-docker's block in after.rules."""
    package(host, "ufw")
    script(host, BLOCK)
