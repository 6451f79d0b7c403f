# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of all ports before and after the lock-down, with services on every interface and a published container."""

from __future__ import annotations

import concurrent.futures
import pathlib
import re
import typing as t

import pytest
from firewall_fixtures import tailscaled_rules
from lab_fixtures import CHECKOUT
from testinfra.host import Host

SERVICE, UDP_SERVICE, WEB, PUBLISHED = 4444, 5555, 8443, 8080
COMMON_UDP = (53, 67, 123, 137, 161, 500, 1900, 3478, 4500, 5353, UDP_SERVICE, 21027, 22000, 41641)
# All services listen on every interface, IPv4 and IPv6; mDNS and UPnP on their multicast groups.
SERVICES = (
    """
import http.server, socket, struct, threading

def echo(port, group=None):
    s = socket.socket(socket.AF_INET if group else socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((group or "::", port))
    if group:
        eth0 = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex("eth0"))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, eth0)
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(b"here", peer)
        if group:
            open(f"/run/heard-{port}", "w").close()

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

for port in (SERVICE, WEB):
    threading.Thread(target=Server(("::", port), http.server.SimpleHTTPRequestHandler).serve_forever).start()
for arguments in ((UDP_SERVICE,), (5353, "224.0.0.251"), (1900, "239.255.255.250")):
    threading.Thread(target=echo, args=arguments).start()
""".replace("UDP_SERVICE", str(UDP_SERVICE))
    .replace("SERVICE", str(SERVICE))
    .replace("WEB", str(WEB))
)
SEND_MULTICAST = """
import socket, struct
for group, port in (("224.0.0.251", 5353), ("239.255.255.250", 1900)):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    eth0 = struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0"))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, eth0)
    s.sendto(b"who is there?", (group, port))
"""
STREAM_FROM = """
import socket, time
server = socket.create_server(("0.0.0.0", 5001))
client, _peer = server.accept()
while True:
    client.sendall(b"x" * 1000)
    time.sleep(0.05)
"""
STREAM_TO = """
import socket, sys, time
stream = socket.create_connection((sys.argv[1], 5001))
chunks, longest, last = 0, 0.0, time.monotonic()
while stream.recv(100000):
    now = time.monotonic()
    chunks, longest, last = chunks + 1, max(longest, now - last), now
    with open("/run/test-stream", "w") as file:
        file.write(f"{chunks} {longest}")
"""
# vps opens a port to the public, and SSH to the outsider's address; nas opens the port that its container publishes, and a
# service to the outsider's address only; pi closes multicast, which ufw opens, and opens WireGuard's port.
LOCKED: dict[str, t.Any] = {
    "firewall_public_ports": f"{{{{ {{'vps': ['{WEB}/tcp'], 'nas': ['{PUBLISHED}/tcp']}}[inventory_hostname] | default([]) }}}}",
    "firewall_lan_ssh_from": "{{ ['172.31.77.6/32'] if inventory_hostname == 'vps' else [] }}",
    "one_machine": {"interface": "eth0", "from": "172.31.77.6", "port": str(SERVICE), "proto": "tcp"},
    "firewall_extra_rules": "{{ [one_machine] if inventory_hostname == 'nas' else [] }}",
    "firewall_direct_connection_port": "{{ 41641 if inventory_hostname == 'pi' else 0 }}",
    "firewall_multicast": "{{ inventory_hostname != 'pi' }}",
}
EXPECTED = {
    ("nas", "4"): {("tcp", PUBLISHED), ("tcp", SERVICE)},
    ("nas", "6"): {("tcp", PUBLISHED)},
    ("pi", "4"): set(),
    ("pi", "6"): set(),
    ("vps", "4"): {("tcp", WEB), ("tcp", 22)},
    ("vps", "6"): {("tcp", WEB)},
}
Ports = t.Set[t.Tuple[str, int]]  # noqa: UP006


def scan(outsider: Host, address: str) -> Ports:
    """The ports that answer: all TCP ports and the common UDP ports are scanned."""
    options = f"{'-6 ' if ':' in address else ''}-n -Pn --open --max-retries 2 --host-timeout 200s -oG -"
    tcp = outsider.check_output(f"nmap -sS -p- --min-rate 6000 {options} {address}")
    udp = outsider.check_output(f"nmap -sU -p {','.join(map(str, COMMON_UDP))} {options} {address}")
    for output in (tcp, udp):
        assert "1 IP address (1 host up)" in output, output
        assert "Timeout" not in output, output
    return {(protocol, int(port)) for port, protocol in re.findall(r"(\d+)/open/(tcp|udp)", tcp + udp)}


@pytest.fixture(scope="module")
def scan_all(lab_hosts: dict[str, Host], addresses: t.Any) -> t.Callable[..., dict[tuple[str, str], Ports]]:
    lab_hosts["outsider"].check_output("DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nmap 2>&1")

    def run(*hosts: str) -> dict[tuple[str, str], Ports]:
        targets = [(host, family) for host in hosts for family in ("4", "6")]
        with concurrent.futures.ThreadPoolExecutor(max_workers=6) as pool:
            return dict(
                zip(targets, pool.map(lambda item: scan(lab_hosts["outsider"], addresses(lab_hosts[item[0]], item[1])), targets))
            )

    return run


@pytest.fixture(scope="module")
def docker(lab_hosts: dict[str, Host]) -> t.Callable[[str, str], None]:
    """dockerd's rules and a container that publishes a port: `start`, `restart` or `stop` them on a host."""
    script = pathlib.Path(CHECKOUT, "tests/lab/docker_by_hand.sh").read_text(encoding="utf-8")

    def run(name: str, action: str) -> None:
        lab_hosts[name].check_output("sh -c %s docker %s", script, action)

    return run


@pytest.fixture(scope="module")
def services(lab_hosts: dict[str, Host], before: dict[str, str], docker: t.Any) -> None:
    for name in before:
        lab_hosts[name].check_output("systemd-run --quiet --unit=test-services python3 -c %s", SERVICES)
        docker(name, "start")


def heard(host: Host) -> set[str]:
    return set(host.run("ls /run/heard-*").stdout.split())


def send_multicast(lab_hosts: dict[str, Host], before: t.Iterable[str]) -> None:
    for name in before:
        lab_hosts[name].run("rm -f /run/heard-*")
    lab_hosts["outsider"].check_output("python3 -c %s", SEND_MULTICAST)


def test_all_services_answer_before_the_lock_down(
    services: None, scan_all: t.Any, lab_hosts: dict[str, Host], before: dict[str, str], eventually: t.Any
) -> None:
    """Otherwise the later scans prove nothing."""
    everything = {("tcp", 22), ("tcp", SERVICE), ("tcp", WEB), ("udp", UDP_SERVICE), ("tcp", PUBLISHED)}
    # The container's network may need a moment, above all for IPv6.
    assert eventually(lambda: all(found >= everything for found in scan_all("vps").values()), 30)
    send_multicast(lab_hosts, before)
    assert eventually(lambda: len(heard(lab_hosts["pi"])) == 2, 10)


def test_transfer_over_the_tailnet_does_not_stall_during_the_lock_down(
    firewall: t.Any, lab_hosts: dict[str, Host], services: None, before: dict[str, str]
) -> None:
    """The transfer runs from before the first change until after a second run, which changes nothing."""
    rules = {name: tailscaled_rules(lab_hosts[name]) for name in before}
    address = lab_hosts["nas"].check_output("tailscale ip -4")
    lab_hosts["nas"].check_output("systemd-run --quiet --unit=test-stream python3 -c %s", STREAM_FROM)
    lab_hosts["laptop"].check_output("systemd-run --quiet --unit=test-stream python3 -c %s %s", STREAM_TO, address)
    run = firewall.run(*before, **LOCKED)
    assert run.code == 0, run.output
    assert {name: tailscaled_rules(lab_hosts[name]) for name in before} == rules
    again = firewall.run(*before, **LOCKED)
    assert (again.code, again.changed) == (0, dict.fromkeys(before, 0)), again.output
    assert "Put the new rules in force" not in again.output
    chunks, longest = lab_hosts["laptop"].check_output("cat /run/test-stream").split()
    assert int(chunks) > 100, "nothing was transferred"
    assert float(longest) < 2.0, f"the transfer stalled for {longest} s"


def test_only_declared_ports_answer_after_the_lock_down(
    scan_all: t.Any, before: dict[str, str], lab_hosts: dict[str, Host]
) -> None:
    assert scan_all(*before) == EXPECTED
    assert "ufw allow 41641/udp comment 'direct connections of Tailscale'" in lab_hosts["pi"].check_output("ufw show added")


def test_multicast_is_closed_only_where_declared(lab_hosts: dict[str, Host], before: dict[str, str], eventually: t.Any) -> None:
    send_multicast(lab_hosts, before)
    assert eventually(lambda: len(heard(lab_hosts["nas"])) == 2, 10)
    assert heard(lab_hosts["pi"]) == set()


def check_published_ports(firewall: t.Any, lab_hosts: dict[str, Host], addresses: t.Any, port_is_open: t.Any) -> None:
    for family in ("4", "6"):
        assert port_is_open(addresses(lab_hosts["nas"], family), PUBLISHED), "the port is declared"
        assert not port_is_open(addresses(lab_hosts["vps"], family), PUBLISHED), "the port is not declared"
        assert (
            lab_hosts["vps"].check_output(
                f"ip netns exec container nc -{family} -z -w 3 {addresses(lab_hosts['outsider'], family)} 22"
            )
            == ""
        )
        peer = lab_hosts["vps"].check_output(f"tailscale ip -{family}")
        assert lab_hosts["laptop"].run(f"nc -z -w 5 {peer} {PUBLISHED}").succeeded, "the tailnet is allowed"


def test_published_container_ports_are_open_only_to_the_tailnet(
    firewall: t.Any, lab_hosts: dict[str, Host], addresses: t.Any, port_is_open: t.Any
) -> None:
    check_published_ports(firewall, lab_hosts, addresses, port_is_open)


@pytest.mark.parametrize("action", ["docker restart", "ufw reload", "reboot"])
def test_published_ports_stay_closed_after(
    firewall: t.Any,
    lab_hosts: dict[str, Host],
    addresses: t.Any,
    port_is_open: t.Any,
    docker: t.Any,
    lab: t.Any,
    eventually: t.Any,
    action: str,
) -> None:
    rules = tailscaled_rules(lab_hosts["vps"])
    if action == "docker restart":
        docker("vps", "restart")
    elif action == "ufw reload":
        lab_hosts["vps"].check_output("ufw reload")
    else:
        lab("reboot", "vps")
        assert eventually(lambda: lab_hosts["vps"].run("tailscale ip -4").succeeded, 60)
        docker("vps", "start")
        assert eventually(lambda: tailscaled_rules(lab_hosts["vps"]) == rules, 30)
    check_published_ports(firewall, lab_hosts, addresses, port_is_open)
    assert tailscaled_rules(lab_hosts["vps"]) == rules
    assert firewall.run("vps", **LOCKED).changed == {"vps": 0}
