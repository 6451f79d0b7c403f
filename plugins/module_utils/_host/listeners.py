# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that other machines can reach, with their processes, and the incoming rules of ufw.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import struct
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._host.packet_filter import rules_of
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _docker, _files, _rules, _state

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
# The kernel's states of a listening socket: TCP_LISTEN, and for UDP one without a peer (include/net/tcp_states.h).
WAITS = {"tcp": "0A", "udp": "07"}
DNAT = re.compile(r"^-A DOCKER (?P<match>.*)-j DNAT", re.MULTILINE)


class Socket(t.NamedTuple):
    """A listening socket."""

    proto: str
    address: str
    port: int
    inode: str


def gather(execute: Execute, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Gather the present state; changes nothing on the host."""
    del params
    found = [socket for name in ("tcp", "tcp6", "udp", "udp6") for socket in parse(_read(f"/proc/net/{name}"), name[:3])]
    owners = processes({socket.inode for socket in found})
    programs = ("iptables", "ip6tables")
    published = [line for program in programs for line in parse_published(rules_of(execute, program, "nat"))]
    filtered = rules_of(execute, "iptables")
    return {
        "sockets": describe(found, owners, _first_ephemeral(_read("/proc/sys/net/ipv4/ip_local_port_range"))),
        "published": sorted({(line["proto"], line["port"]) for line in published}),
        "docker_closed": bool(_docker.live(filtered)),
        "ufw": ufw(Path("/"), "-N ufw-user-input" in filtered.splitlines()),
        "profiles": profiles(
            _files.read(path) for path in sorted(Path("/etc/ufw/applications.d").glob("[!.]*")) if path.is_file()
        ),
    }


def parse(text: str, proto: str) -> list[Socket]:
    """Parse the listening sockets in /proc/net/tcp, tcp6, udp or udp6. Addresses are 32-bit words in the machine's byte order."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != WAITS[proto]:
            continue
        raw, port = fields[1].split(":")
        words = [int(raw[at : at + 8], 16) for at in range(0, len(raw), 8)]
        address = ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words))
        found.append(Socket(proto, str(getattr(address, "ipv4_mapped", None) or address), int(port, 16), fields[9]))
    return found


def describe(found: t.Iterable[Socket], owners: t.Mapping[str, str], ephemeral: int) -> list[dict[str, t.Any]]:
    """The sockets that other machines can reach, each port once for each address, without the sockets of clients."""
    listed = set()
    for socket in found:
        address = ipaddress.ip_address(socket.address)
        # Sockets of the kernel, such as WireGuard's, have no owner and do not belong to clients.
        client = socket.proto == "udp" and socket.port >= ephemeral and socket.inode in owners
        if address.is_loopback or address.is_link_local or client:
            continue
        listed.add((socket.proto, socket.port, socket.address, owners.get(socket.inode, "")))
    return [
        {"proto": proto, "port": port, "address": address, "process": process} for proto, port, address, process in sorted(listed)
    ]


def processes(inodes: t.Collection[str], root: Path = Path("/proc")) -> dict[str, str]:
    """Map sockets to the name of a process that has them open; sockets of the kernel have none."""
    found: dict[str, str] = {}
    for folder in root.glob("[0-9]*"):
        for inode in sockets_of(folder / "fd"):
            if inode in inodes and inode not in found:
                with contextlib.suppress(OSError):
                    found[inode] = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return found


def sockets_of(folder: Path) -> list[str]:
    """The inodes of the sockets that a process has open. The process may end, or close one, meanwhile."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208  (a thousand files each: no objects)
            with contextlib.suppress(OSError):
                target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
                if target.startswith("socket:["):
                    found.append(target[8:-1])
    return found


def parse_published(listing: str) -> list[dict[str, t.Any]]:
    """Parse the ports that Docker forwards to containers in `iptables -t nat -S`, without those of loopback alone."""
    found = []
    for rule in DNAT.finditer(listing):
        words = rule["match"]
        port, proto = re.search(r"--dport (\d+)", words), re.search(r"-p (tcp|udp)", words)
        if port and proto and not re.search(r"-d (127\.|::1)", words):
            found.append({"proto": proto[1], "port": int(port[1])})
    return found


def ufw(root: Path, running: bool) -> dict[str, t.Any]:
    """Describe ufw: whether it filters, its default policies, its rules, and other tools' blocks in its files."""
    settings = _state.parse_settings(_files.read(root / "etc/default/ufw"))
    lines = {path: _files.read(root / path.lstrip("/")) for path in _state.USER_FILES.values()}
    rules = [rule for text in lines.values() for line in text.splitlines() for rule in _rule(line, "in")]
    routes = [rule for text in lines.values() for line in text.splitlines() for rule in _rule(line, "routed")]
    return {
        "active": running,
        "routed": _state.POLICIES.get(settings.get("DEFAULT_FORWARD_POLICY", "").upper(), "deny"),
        "docker_blocks": [
            f"{path}, line {number}{f' ({name})' if name else ''}"
            for path in _docker.FILES.values()
            for number, name in _docker.foreign(_files.read(root / path.lstrip("/")))
        ],
        "incoming": _state.POLICIES.get(settings.get("DEFAULT_INPUT_POLICY", "").upper(), "deny"),
        "rules": [rule for at, rule in enumerate(rules) if rule not in rules[:at]],
        "routes": [rule for at, rule in enumerate(routes) if rule not in routes[:at]],
    }


def _rule(line: str, direction: str) -> t.Iterator[dict[str, t.Any]]:
    """Parse a line of user.rules if it is a rule of a direction. For a profile, the file has the ports of the profile."""
    if not line.startswith(_rules.TUPLE):
        return
    with contextlib.suppress(ValueError):
        rule = _rules.parse_tuple(line, "v4")
        words = line.removeprefix(_rules.TUPLE).split()
        if rule.direction == direction:
            port, proto = ("" if word == "any" else word for word in (words[2], words[1]))
            yield {"action": rule.action, "interface": rule.interface, "from": words[5], "port": port, "proto": proto}


def profiles(texts: t.Iterable[str]) -> dict[str, str]:
    """The ports of each application profile, in the form of its file: `80,443/tcp|53`."""
    found: dict[str, str] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            title = re.fullmatch(r"\[(.+)\]", line.strip())
            if title:
                name = title[1]
            elif line.startswith("ports=") and name:
                found[name] = line.removeprefix("ports=").strip()
    return found


def _first_ephemeral(text: str) -> int:
    return int((text.split() or ["32768"])[0])


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="ascii")
    return ""
