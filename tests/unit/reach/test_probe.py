# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import socket

from ansible_collections.homelab.tailsync.plugins.module_utils import _probe

# Taken from a little-endian Linux 6.1: sshd on every address, something on loopback, one established connection.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:20C0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100007F:0016 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0
   1: 00000000000000000000000001000000:20C1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0
"""


def test_listening_sockets() -> None:
    assert _probe.parse_proc_net_tcp(TCP) == [("0.0.0.0", 22), ("127.0.0.1", 8384)]
    assert _probe.parse_proc_net_tcp(TCP6) == [("::", 22), ("::1", 8385)]


def test_only_what_listens_beyond_loopback_is_open_to_the_network() -> None:
    listeners = _probe.parse_proc_net_tcp(TCP) + _probe.parse_proc_net_tcp(TCP6)
    assert _probe.open_to_the_network(listeners) == [22]


def test_a_host_without_ipv6(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tcp").write_text(TCP, encoding="ascii")
    assert [item.port for item in _probe.read_listeners(tmp_path)] == [22, 8384]


def test_addresses_of_a_host() -> None:
    links = [
        {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}, {"local": "::1"}]},
        {"ifname": "eth0", "addr_info": [{"local": "192.168.1.10"}, {"local": "fe80::1"}]},
        {"ifname": "tailscale0", "addr_info": [{"local": "100.64.0.1"}]},
    ]
    assert _probe.parse_ip_addresses(links) == [
        {"interface": "eth0", "address": "192.168.1.10"},
        {"interface": "tailscale0", "address": "100.64.0.1"},
    ]


def test_an_open_and_a_closed_door() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert _probe.connect("127.0.0.1", port, 1) is None
    assert "refused" in (_probe.connect("127.0.0.1", port, 1) or "")


def test_all_at_once_keeps_the_order() -> None:
    assert _probe.all_at_once(lambda item: item * 2, [3, 1, 2]) == [6, 2, 4]
    assert _probe.all_at_once(str, []) == []
