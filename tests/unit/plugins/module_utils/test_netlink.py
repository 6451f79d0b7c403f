# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's addresses and neighbours, read from the kernel without a program."""

from __future__ import annotations

import json
import pathlib
import socket
import struct
import subprocess

from ansible_collections.homelab.tailsync.plugins.module_utils import _netlink


def message(kind: int, head: bytes, *attributes: tuple[int, bytes]) -> bytes:
    body = head
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return _netlink.HEADER.pack(_netlink.HEADER.size + len(body), kind, 0, 1, 0) + body


def address(index: int, *attributes: tuple[int, bytes]) -> bytes:
    return message(_netlink.RTM_NEWADDR, _netlink.ADDRESS.pack(2, 24, 0, 0, index), *attributes)


def neighbour(*attributes: tuple[int, bytes]) -> bytes:
    return message(_netlink.RTM_NEWNEIGH, _netlink.NEIGHBOUR.pack(2, 2, 2, 0, 1), *attributes)


def test_addresses_exclude_loopback_and_link_local_ones() -> None:
    data = (
        address(1, (_netlink.IFA_ADDRESS, socket.inet_aton("127.0.0.1")), (_netlink.IFA_LOCAL, socket.inet_aton("127.0.0.1")))
        + address(
            2, (_netlink.IFA_ADDRESS, socket.inet_aton("192.168.1.10")), (_netlink.IFA_LOCAL, socket.inet_aton("192.168.1.10"))
        )
        + address(2, (_netlink.IFA_ADDRESS, socket.inet_pton(socket.AF_INET6, "fe80::1")))
        + address(2, (_netlink.IFA_ADDRESS, socket.inet_pton(socket.AF_INET6, "fd00::10")))
        + address(3, (_netlink.IFA_ADDRESS, socket.inet_aton("10.0.0.2")), (_netlink.IFA_LOCAL, socket.inet_aton("10.0.0.1")))
        + message(_netlink.NLMSG_DONE, bytes(4))
    )
    assert _netlink.parse_addresses(data, {1: "lo", 2: "eth0", 3: "ppp0"}.__getitem__) == [
        {"interface": "eth0", "address": "192.168.1.10"},
        {"interface": "eth0", "address": "fd00::10"},
        {"interface": "ppp0", "address": "10.0.0.1"},
    ]


def test_only_neighbours_that_answered_are_listed() -> None:
    mac = bytes.fromhex("525400123456")
    data = (
        neighbour((_netlink.NDA_DST, socket.inet_aton("192.168.1.11")), (_netlink.NDA_LLADDR, mac))
        + neighbour((_netlink.NDA_DST, socket.inet_aton("192.168.1.12")))
        + neighbour((_netlink.NDA_DST, socket.inet_aton("192.168.1.13")), (_netlink.NDA_LLADDR, bytes(6)))
    )
    assert _netlink.parse_neighbours(data) == {"192.168.1.11": "52:54:00:12:34:56"}


def test_truncated_message_does_not_loop_forever() -> None:
    assert list(_netlink.messages(bytes(64))) == []
    assert _netlink.attributes(bytes(8)) == {}


def test_own_addresses_are_those_that_ip_lists() -> None:
    links = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    seen = {item["local"] for link in links for item in link.get("addr_info", []) if item.get("scope") == "global"}
    assert {item["address"] for item in _netlink.own_addresses()} == seen
    assert isinstance(_netlink.neighbours(), dict)


def test_only_mac_addresses_unique_to_the_host_are_listed(tmp_path: pathlib.Path) -> None:
    for name, mac in (("lo", "00:00:00:00:00:00"), ("eth0", "52:54:00:12:34:56"), ("docker0", "02:42:ac:11:00:01"), ("tun", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "address").write_text(f"{mac}\n", encoding="ascii")
    (tmp_path / "bonding_masters").write_text("", encoding="ascii")
    assert _netlink.own_macs(tmp_path) == ["52:54:00:12:34:56"]
    assert _netlink.own_macs(tmp_path / "none") == []
