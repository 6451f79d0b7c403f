# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils.run_shape import problems

MESH = ["syncthing_mesh"]
VERIFY = ["syncthing_mesh", "firewall", "verify"]


@pytest.mark.parametrize(
    ("roles", "strategy", "serial", "hosts", "words"),
    [
        (MESH, "free", [], 3, ("strategy is free", "syncthing_mesh", "strategy: linear")),
        (MESH, "host_pinned", [], 2, ("strategy is host_pinned", "strategy: linear")),
        (VERIFY, "free", [], 3, ("verify", "strategy: linear")),
        (VERIFY, "linear", [1], 3, ("serial is 1", "without serial")),
        (VERIFY, "linear", ["50%"], 3, ("serial is 50%", "without serial")),
        (VERIFY, "linear", [1, 2], 3, ("serial is 1, 2", "without serial")),
    ],
)
def test_play_that_hides_hosts_from_each_other_is_refused(
    roles: list[str], strategy: str, serial: list[t.Any], hosts: int, words: tuple[str, ...]
) -> None:
    (message,) = problems(roles, strategy, serial, hosts)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("roles", "strategy", "serial", "hosts"),
    [
        (MESH, "linear", [], 3),
        (MESH, "linear", [1], 3),  # later batches complete the earlier ones
        (MESH, "debug", [], 3),
        (MESH, "free", [], 1),
        (["tailscale"], "free", [], 3),
        (["firewall"], "host_pinned", [], 3),
        (["syncthing"], "free", [1], 3),
        (["tailscale", "firewall", "syncthing"], "linear", [1], 3),
        (VERIFY, "linear", [], 3),
        (VERIFY, "linear", [3], 3),
        (VERIFY, "linear", [10], 3),
        (VERIFY, "linear", ["100%"], 3),
        (VERIFY, "linear", [1], 1),
        ([], "free", [1], 3),
    ],
)
def test_ordinary_play_is_not_refused(roles: list[str], strategy: str, serial: list[t.Any], hosts: int) -> None:
    assert problems(roles, strategy, serial, hosts) == []
