# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with another tool's block for Docker's chain, with guests on bridges, without kernel modules, or without IPv6."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import typing as t

import artefacts
import pytest
import yaml
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback import Guard
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback_units import Places
from ansible_collections.homelab.tailsync.plugins.plugin_utils import firewall, firewall_guests, firewall_host
from docker_network import CONNECT, LISTEN
from module_call import ModuleFailed, call
from ufw_host import UfwHost, sh

pytestmark = pytest.mark.parametrize("_installed", artefacts.UFW_SUITES[-1:], indirect=True)
TAILNET = {"interface": "tailscale0"}
POLICY: dict[str, t.Any] = {"rules": [TAILNET], "default_incoming": "deny", "default_routed": "deny", "docker": True}

# --- blocks of other tools ----------------------------------------------------------------------

AFTER = {"v4": pathlib.Path("/etc/ufw/after.rules"), "v6": pathlib.Path("/etc/ufw/after6.rules")}
# The block of ufw-docker (github.com/chaifeng/ufw-docker).
UFW_DOCKER = """\
# BEGIN UFW AND DOCKER
*filter
:ufw{v}-user-forward - [0:0]
:ufw-docker-logging-deny - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j ufw{v}-user-forward

-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP
-A DOCKER-USER -i docker0 -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN -s {network}

-A DOCKER-USER -p udp -m udp --sport 53 --dport 1024:65535 -j RETURN

-A DOCKER-USER -j ufw-docker-logging-deny -m conntrack --ctstate NEW -d {network}
-A DOCKER-USER -j RETURN

-A ufw-docker-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW DOCKER BLOCK] "
-A ufw-docker-logging-deny -j DROP

COMMIT
# END UFW AND DOCKER
"""
THEIRS = {"v4": UFW_DOCKER.format(v="", network="172.16.0.0/12"), "v6": UFW_DOCKER.format(v="6", network="fd00::/8")}


def add_their_block() -> None:
    for family, path in AFTER.items():
        path.write_text(f"{path.read_text(encoding='ascii')}{THEIRS[family]}", encoding="ascii")


def chain(host: UfwHost, theirs: bool = False) -> list[str]:
    """This collection's rules in Docker's chain, or those of others."""
    lines = [line for lines in host.kernel().values() for line in lines if line.startswith("-A DOCKER-USER ")]
    return [line for line in lines if ('"tailsync ' not in line) is theirs]


def execute(command: list[str]) -> tuple[int, str, str]:
    """Run a command of the rollback; there is no systemd here."""
    if command[0] == "systemctl":
        return 0, "", ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("where", ["before", "on both sides"])
def test_ufw_dockers_block_is_overridden_and_comes_back(host: UfwHost, tmp_path: pathlib.Path, where: str) -> None:
    """test_docker.py has the block behind this collection's, with packets."""
    for program in ("iptables", "ip6tables"):
        sh(program, "-w", "-N", "DOCKER-USER")
    add_their_block()
    call("ufw_policy", **{**POLICY, "docker": None if where == "before" else True})
    if where != "before":
        add_their_block()
        host.ufw("reload")
    assert (len(chain(host)), len(chain(host, theirs=True))) == (0, 16), "theirs is in force"
    facts = call("host_info")
    assert firewall_host.refusals({"packet_filter": facts["packet_filter"]}, {}) == []
    (said,) = [text for text in firewall_guests.warnings(facts, {}) if "/etc/ufw/after6.rules" in text]
    assert "(UFW AND DOCKER)" in said
    before = host.everything()

    guard = Guard(execute, Places(base="/etc/tailsync/firewall", lock="/run/lock-of-the-test"), units=tmp_path)
    guard.arm(60)
    assert call("ufw_policy", **POLICY)["changed"]
    assert chain(host)
    assert chain(host, theirs=True) == [], "ours is in force"
    assert all(THEIRS[family] in path.read_text(encoding="ascii") for family, path in AFTER.items())
    done = host.everything()
    again = call("ufw_policy", **POLICY)
    assert (again["changed"], again["commands"]) == (False, [])
    assert host.everything() == done
    guard.restore("the test is over")
    assert host.everything() == before


# --- guests -------------------------------------------------------------------------------------

SIDES = {"lan": ("eth0", "192.168.50"), "kept": ("lxdbr0", "10.158.0"), "lost": ("lxdbr1", "10.159.0")}


class Neighbours:
    """A LAN, and a guest on each of two bridges of this host."""

    def __init__(self) -> None:
        self.servers: list[subprocess.Popen[str]] = []
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        for side, (interface, network) in SIDES.items():
            sh("ip", "netns", "add", side)
            port = interface if side == "lan" else f"v-{side}"
            if side != "lan":
                sh("ip", "link", "add", interface, "type", "bridge")
            sh("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", side)
            if side != "lan":
                sh("ip", "link", "set", port, "master", interface)
            sh("ip", "address", "add", f"{network}.1/24", "dev", interface)
            for name in dict.fromkeys([interface, port]):
                sh("ip", "link", "set", name, "up")
            sh("ip", "-netns", side, "address", "add", f"{network}.2/24", "dev", "eth0")
            sh("ip", "-netns", side, "link", "set", "eth0", "up")
            sh("ip", "-netns", side, "route", "add", "default", "via", f"{network}.1")
        for command in ([], ["ip", "netns", "exec", "lan"]):
            server = subprocess.Popen([*command, sys.executable, "-c", LISTEN, "53"], stdout=subprocess.PIPE, text=True)
            self.servers.append(server)
            assert server.stdout
            assert server.stdout.readline() == "ready\n"

    def leave(self) -> None:
        for server in self.servers:
            server.kill()
            server.communicate()
        for side, (interface, _network) in SIDES.items():
            sh("ip", "netns", "delete", side)
            if side != "lan":
                sh("ip", "link", "delete", interface)

    def reaches(self, side: str, patience: float) -> tuple[bool, bool]:
        """Whether a guest reaches this host's DNS server, and the LAN."""
        targets = (f"{SIDES[side][1]}.1", f"{SIDES['lan'][1]}.2")
        command = ["ip", "netns", "exec", side, sys.executable, "-c", CONNECT]
        done = [subprocess.run([*command, target, "53", str(patience)], capture_output=True, check=False) for target in targets]
        return done[0].returncode == 0, done[1].returncode == 0


@pytest.fixture
def neighbours(host: UfwHost) -> t.Iterator[Neighbours]:
    found = Neighbours()
    try:
        yield found
    finally:
        found.leave()


def test_line_of_the_warning_keeps_the_guests_network(host: UfwHost, neighbours: Neighbours) -> None:
    assert [neighbours.reaches(side, 3) for side in ("kept", "lost")] == [(True, True), (True, True)]
    found = firewall_guests.warnings(call("host_info"), {})
    (line,) = [text for text in found if text.startswith("lxdbr0 (1 guest; ")]
    variables = yaml.safe_load(line[line.index("firewall_extra_rules:") :])
    call("ufw_policy", **{**POLICY, **firewall.policy(variables)})
    assert neighbours.reaches("kept", 3) == (True, True)
    assert neighbours.reaches("lost", 0.3) == (False, False)
    left = firewall_guests.warnings(call("host_info"), variables)
    assert left == [], "each later run"


# --- kernels without parts ----------------------------------------------------------------------

LEGACY = "{0} v1.8.9 (legacy): can't initialize {0} table `filter': {1}"
DOUBLE = """\
#!/bin/sh
case $1 in -V | --version) echo 'iptables v1.8.9 (nf_tables)'; exit 0 ;; esac
case $0 in *-restore) cat >/dev/null ;; esac
echo "MESSAGE" >&2
exit 3
"""
INSMOD = "Table does not exist (do you need to insmod?)"


@contextlib.contextmanager
def iptables_says(message: str, *programs: str) -> t.Iterator[None]:
    """Programs of iptables that fail with a message. The name of the file tells the variant, as the packages' links do."""
    folder = pathlib.Path("/usr/sbin")
    double = folder / "double-of-xtables-nft-multi"
    double.write_text(DOUBLE.replace("MESSAGE", message).replace("{0}", "${0##*/}"), encoding="ascii")
    double.chmod(0o755)
    names = [f"{program}{end}" for program in programs for end in ("", "-restore", "-save")]
    for name in names:
        (folder / name).rename(folder / f"{name}.away")
        (folder / name).symlink_to(double)
    try:
        yield
    finally:
        for name in names:
            (folder / f"{name}.away").replace(folder / name)


@pytest.mark.parametrize(
    "message",
    [
        LEGACY.format("{0}", INSMOD).replace("`", "\\`"),
        "{0}: Failed to initialize nft: Protocol not supported",
    ],
    ids=["legacy", "no nf_tables"],
)
def test_kernel_without_its_modules_is_refused_and_unchanged(host: UfwHost, message: str) -> None:
    before = host.files()
    with iptables_says(message, "iptables", "ip6tables"):
        (reason,) = firewall_host.refusals({"kernel": call("host_info")["kernel"]}, {})
        with pytest.raises(ModuleFailed) as late:
            call("ufw_policy", **POLICY)
    assert "cannot list its packet filter" in reason
    for text in (reason, str(late.value)):
        assert "restart the host, if its kernel was updated since it started" in text
        assert "/usr/share/ufw" not in text
    assert host.files() == before
    assert firewall_host.refusals({"kernel": call("host_info")["kernel"]}, {}) == []


@contextlib.contextmanager
def no_ipv6() -> t.Iterator[None]:
    """A kernel that was started with ipv6.disable=1: without the settings of IPv6, and without its legacy tables."""
    message = LEGACY.format("{0}", "Address family not supported by protocol").replace("`", "\\`")
    sh("mount", "-t", "tmpfs", "tmpfs", "/proc/sys/net")
    try:
        with iptables_says(message, "ip6tables"):
            yield
    finally:
        sh("umount", "/proc/sys/net")


def test_ipv6_may_be_off_in_ufw_only_where_the_kernel_has_none(host: UfwHost) -> None:
    path = pathlib.Path("/etc/default/ufw")
    path.write_text(path.read_text(encoding="ascii").replace("IPV6=yes", "IPV6=no"), encoding="ascii")
    with pytest.raises(ModuleFailed, match="set IPV6=yes there"):
        call("ufw_policy", **POLICY)
    with no_ipv6():
        assert firewall_host.refusals({"kernel": call("host_info")["kernel"]}, {}) == []
        assert call("ufw_policy", **POLICY)["changed"]
        assert not call("ufw_policy", **POLICY)["changed"]
        assert host.active()
    assert "-A ufw-user-input -i tailscale0 -j ACCEPT" in host.kernel()["iptables"]
