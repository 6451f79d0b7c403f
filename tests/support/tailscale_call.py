# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what the Tailscale modules do against a double of tailscaled, with options as a user writes them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _node, _node_info, _wait
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import CONNECTION, NODE, NODE_INFO
from module_call import params
from tailscale_double import Daemon

Json = t.Dict[str, t.Any]  # noqa: UP006


def declare(daemon: Daemon, check_mode: bool = False, came_by: str = "", **options: t.Any) -> Json:
    """What tailscale_node returns; `came_by` is sshd's SSH_CONNECTION."""
    return _node.apply(t.cast("t.Any", daemon), params({**CONNECTION, **NODE}, **{"timeout": 1, **options}), check_mode, came_by)


def ask(daemon: Daemon, came_by: str = "", **options: t.Any) -> Json:
    """What tailscale_node_info returns."""
    return _node_info.gather(t.cast("t.Any", daemon), params({**CONNECTION, **NODE_INFO}, **options), came_by)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for less than a real tailscaled needs."""
    monkeypatch.setattr(_node, "POLL", 0.01)
    monkeypatch.setattr(_node_info, "POLL", 0.01)
    monkeypatch.setattr(_wait, "SETTLE_TIMEOUT", 0.2)
