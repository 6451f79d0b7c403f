# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TUN device is tried by opening it, and the kernel's packet filter by listing a table."""

from __future__ import annotations

import errno
import os
import pathlib
import struct
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils import _netlink
from ansible_collections.homelab.tailsync.plugins.module_utils._host import kernel, packet_filter, tun

GENERATION = "iptables v1.8.11 (nf_tables): Could not fetch rule set generation id: Invalid argument"
LEGACY = "iptables v1.8.11 (legacy): can't initialize iptables table `filter': Table does not exist (do you need to insmod?)"


def test_missing_device_is_found_by_opening_it(tmp_path: pathlib.Path) -> None:
    assert tun.gather(tmp_path)["error"] == "ENOENT"
    (tmp_path / "dev/net").mkdir(parents=True)
    (tmp_path / "dev/net/tun").write_text("", encoding="ascii")
    assert tun.gather(tmp_path)["error"] is None


def test_device_without_a_driver_is_found_by_opening_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: t.Any) -> int:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(os, "open", fail)
    assert tun.error_of(tmp_path / "tun") == "ENODEV"


@pytest.mark.parametrize(
    ("paths", "contained"),
    [
        ([], False),
        (["run/systemd/container"], True),
        (["run/.containerenv"], True),
        ([".dockerenv"], True),
        (["proc/vz"], True),
        (["proc/vz", "proc/bc"], False),  # the machine that OpenVZ's containers run on
    ],
)
def test_container_is_recognised_by_its_managers_mark(tmp_path: pathlib.Path, paths: list[str], contained: bool) -> None:
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert tun.is_contained(tmp_path) is contained


@pytest.mark.parametrize(
    ("environment", "contained"),
    [
        (b"container=lxc\0TERM=linux\0", True),  # Alpine in LXC, without systemd's mark
        (b"HOME=/\0container=lxc", True),
        (b"HOME=/\0TERM=linux\0", False),
        (b"container=\0BOOT_IMAGE=/container=x\0", False),
        (b"", False),
    ],
)
def test_container_is_recognised_by_what_its_init_is_told(tmp_path: pathlib.Path, environment: bytes, contained: bool) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/environ").write_bytes(environment)
    assert tun.is_contained(tmp_path) is contained


@pytest.mark.parametrize(
    ("code", "said", "found"),
    [
        (0, "", None),
        (3, LEGACY, LEGACY),
        (
            1,
            "iptables: Failed to initialize nft: Protocol not supported",
            "iptables: Failed to initialize nft: Protocol not supported",
        ),
        (4, GENERATION, GENERATION),
        (1, "iptables v1.8.9 (nf_tables): table `filter' is incompatible, use 'nft' tool.", None),
        (4, "Another app is currently holding the xtables lock.", None),
    ],
)
def test_kernel_that_cannot_list_a_table_is_found(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, found: str | None
) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: f"/usr/sbin/{name}")
    monkeypatch.setattr(packet_filter, "is_legacy", lambda _program: False)
    assert kernel.problem(lambda _command: (code, "", said), tmp_path) == found


def test_kernel_is_asked_for_ipv6_only_if_it_has_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(command: list[str]) -> tuple[int, str, str]:
        return (3, "", LEGACY) if "ip6tables" in command[0] else (0, "", "")

    monkeypatch.setattr("shutil.which", lambda name, path: f"/usr/sbin/{name}")
    monkeypatch.setattr(packet_filter, "is_legacy", lambda _program: False)
    assert kernel.problem(execute, tmp_path) is None
    (tmp_path / "proc/sys/net/ipv6").mkdir(parents=True)
    assert kernel.problem(execute, tmp_path) == LEGACY


def test_legacy_table_is_not_listed_because_that_would_create_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(command: list[str]) -> tuple[int, str, str]:
        raise AssertionError(command)

    monkeypatch.setattr("shutil.which", lambda name, path: f"/usr/sbin/{name}")
    monkeypatch.setattr(packet_filter, "is_legacy", lambda _program: True)
    assert kernel.problem(execute, tmp_path) is None


@pytest.mark.parametrize(("number", "found"), [(0, None), (-errno.EINVAL, "nf_tables: Invalid argument")])
def test_error_in_the_kernels_answer_is_named(number: int, found: str | None) -> None:
    body = struct.pack("=i", number) + bytes(16)
    answer = _netlink.HEADER.pack(_netlink.HEADER.size + len(body), _netlink.NLMSG_ERROR, 0, 1, 0) + body
    assert kernel.answered_error(answer) == found
