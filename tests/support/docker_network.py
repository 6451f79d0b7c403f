# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LAN, a tailnet and two containers around this network namespace, with the rules that dockerd 28 adds."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import typing as t

from ufw_host import sh

# For each neighbour: its addresses, and this host's addresses in the same network.
SIDES = {
    "lan": ("eth0", "192.168.50", "fd50::"),
    "tailnet": ("tailscale0", "100.64.0", "fd7a:115c:a1e0::"),
    "one": ("docker0", "172.17.0", "fd17::"),
    "two": ("docker0", "172.17.0", "fd17::"),
}
LAST = {"lan": 2, "tailnet": 2, "one": 2, "two": 3}
# Ports of the host that Docker forwards to port 80 of the first container.
PUBLISHED = (8080, 9443)
LISTEN = """
import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).close()"
FILTER = """\
*filter
:FORWARD DROP
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER -d {container} ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {network} ! -o docker0 -j MASQUERADE
{published}COMMIT
"""


def address(side: str, family: str, last: int | None = None) -> str:
    _interface, four, six = SIDES[side]
    number = LAST[side] if last is None else last
    return f"{four}.{number}" if family == "v4" else f"{six}{number}"


class DockerNetwork:
    def __init__(self) -> None:
        self.servers: list[subprocess.Popen[str]] = []
        for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            (pathlib.Path("/proc/sys") / path).write_text("1", encoding="ascii")
        sh("ip", "link", "add", "docker0", "type", "bridge")
        sh("ip", "link", "set", "docker0", "up")
        for side, (interface, four, six) in SIDES.items():
            sh("ip", "netns", "add", side)
            own = f"veth-{side}" if interface == "docker0" else interface
            sh("ip", "link", "add", own, "type", "veth", "peer", "name", "eth0", "netns", side)
            sh("ip", "link", "set", own, "up", *(("master", "docker0") if interface == "docker0" else ()))
            inside = ("ip", "-netns", side)
            sh(*inside, "link", "set", "eth0", "up")
            for family, mask in (("v4", "16" if interface == "docker0" else "24"), ("v6", "64")):
                flag = ("nodad",) if family == "v6" else ()
                sh(*inside, "address", "add", f"{address(side, family)}/{mask}", "dev", "eth0", *flag)
                if side != "two":
                    sh("ip", "address", "add", f"{address(side, family, 1)}/{mask}", "dev", interface, *flag)
                sh(*inside, "-6" if flag else "-4", "route", "add", "default", "via", f"{six}1" if flag else f"{four}.1")
        for side, port in (("one", 80), ("lan", 7)):
            command = ["ip", "netns", "exec", side, sys.executable, "-c", LISTEN, str(port)]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.servers.append(server)
            assert server.stdout
            assert server.stdout.readline() == "ready\n"

    def leave(self) -> None:
        for server in self.servers:
            server.kill()
            server.communicate()
        for side in SIDES:
            sh("ip", "netns", "delete", side)
        sh("ip", "link", "delete", "docker0")

    def can(self, side: str, to: str, port: int, patience: float = 3) -> bool:
        """Tell whether a connection from a neighbour succeeds. Wait long if it is expected to, and short if not."""
        command = ["ip", "netns", "exec", side, sys.executable, "-c", CONNECT, to, str(port), str(patience)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def cannot(self, side: str, to: str, port: int) -> bool:
        return not self.can(side, to, port, 0.3)

    def start_docker(self) -> None:
        for family, program in (("v4", "iptables"), ("v6", "ip6tables")):
            container = address("one", family)
            target = f"[{container}]:80" if family == "v6" else f"{container}:80"
            network = "172.17.0.0/16" if family == "v4" else "fd17::/64"
            lines = [
                f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport {port} -j DNAT --to-destination {target}\n" for port in PUBLISHED
            ]
            text = FILTER.format(container=container, network=network, published="".join(lines))
            sh(f"{program}-restore", "-n", data=text)
            if "-N DOCKER-USER" not in sh(program, "-w", "-S").splitlines():
                sh(program, "-w", "-N", "DOCKER-USER")
            for chain in ("DOCKER-FORWARD", "DOCKER-USER"):
                sh(program, "-w", "-I", "FORWARD", "-j", chain)

    def stop_docker(self) -> None:
        """Stop Docker, which removes its rules, but not DOCKER-USER."""
        for program in ("iptables", "ip6tables"):
            for table, line in (
                *(("filter", f"-D FORWARD -j {chain}") for chain in ("DOCKER-FORWARD", "DOCKER-USER")),
                *(("filter", f"-F {chain}") for chain in ("DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER")),
                *(("filter", f"-X {chain}") for chain in ("DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER")),
                ("nat", "-F POSTROUTING"),
                ("nat", "-F PREROUTING"),
                ("nat", "-F DOCKER"),
                ("nat", "-X DOCKER"),
            ):
                sh(program, "-w", "-t", table, *line.split())


@contextlib.contextmanager
def docker_network() -> t.Iterator[DockerNetwork]:
    network = DockerNetwork()
    try:
        yield network
    finally:
        network.leave()
