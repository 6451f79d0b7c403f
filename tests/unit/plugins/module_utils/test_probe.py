# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import shutil
import socket

from ansible_collections.homelab.tailsync.plugins.module_utils import _probe

# From a little-endian Linux 6.1: sshd on every address, a server on loopback, one established connection.
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


def test_listening_sockets_are_parsed() -> None:
    assert _probe.parse_proc_net_tcp(TCP) == [("0.0.0.0", 22), ("127.0.0.1", 8384)]
    assert _probe.parse_proc_net_tcp(TCP6) == [("::", 22), ("::1", 8385)]


def test_ports_on_loopback_are_not_open_to_the_network() -> None:
    listeners = _probe.parse_proc_net_tcp(TCP) + _probe.parse_proc_net_tcp(TCP6)
    assert _probe.open_to_the_network(listeners) == [22]


def test_listeners_are_read_without_ipv6(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tcp").write_text(TCP, encoding="ascii")
    assert [item.port for item in _probe.read_listeners(tmp_path)] == [22, 8384]


def test_connection_to_an_open_and_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert _probe.connect("127.0.0.1", port, 1) == (None, "127.0.0.1")
    error, source = _probe.connect("127.0.0.1", port, 1)
    assert "refused" in str(error)
    assert source is None


def test_connection_to_any_of_several_ports_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert _probe.connect_to_any("127.0.0.1", [1, port], 1).error is None
    assert "refused" in str(_probe.connect_to_any("127.0.0.1", [1, 2], 1).error)


def test_unknown_name_resolves_to_no_address() -> None:
    assert _probe.resolve("no.such.host.invalid") == []
    assert _probe.resolve("127.0.0.1") == ["127.0.0.1"]


def test_host_keys_are_read_and_scanned(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAC3 root@nas\n", encoding="ascii")
    (tmp_path / "ssh_host_rsa_key.pub").write_text("", encoding="ascii")
    assert _probe.host_keys(tmp_path) == ["AAAAC3"]
    assert _probe.host_keys(tmp_path / "none") == []
    keyscan = tmp_path / "ssh-keyscan"
    keyscan.write_text("#!/bin/sh\necho '# nas:22 SSH-2.0'\necho 'nas ssh-ed25519 AAAAC3'\n", encoding="ascii")
    keyscan.chmod(0o755)
    assert _probe.scan_host_keys(str(keyscan), "nas", 22, 1) == ["AAAAC3"]
    assert _probe.scan_host_keys(None, "nas", 22, 1) == []


def test_silent_server_has_no_host_keys() -> None:
    ssh_keyscan = shutil.which("ssh-keyscan")
    assert ssh_keyscan
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert _probe.scan_host_keys(ssh_keyscan, "127.0.0.1", server.getsockname()[1], 1) == []


def test_application_profiles_of_ufw_are_parsed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "samba").write_text("[Samba]\ntitle=100% files\nports=137,138/udp|139,445/tcp\n", encoding="utf-8")
    (tmp_path / "broken").write_text("ports=1\n", encoding="utf-8")
    assert _probe.ufw_profiles(tmp_path) == {"Samba": "137,138/udp|139,445/tcp"}
    assert _probe.ufw_profiles(tmp_path / "none") == {}


def test_parallel_results_keep_the_order() -> None:
    assert _probe.all_at_once(lambda item: item * 2, [3, 1, 2]) == [6, 2, 4]
    assert _probe.all_at_once(str, []) == []
