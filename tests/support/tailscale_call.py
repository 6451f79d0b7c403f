# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engines of the Tailscale modules against a double of tailscaled, with options as a user writes them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _node, _node_info, _wait
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import CONNECTION, NODE, NODE_INFO
from module_call import params
from tailscale_double import Daemon

Json = t.Dict[str, t.Any]  # noqa: UP006


def declare(daemon: Daemon, check_mode: bool = False, ssh_connection: str = "", **options: t.Any) -> Json:
    """The result of tailscale_node; `ssh_connection` is sshd's SSH_CONNECTION."""
    return _node.apply(
        t.cast("t.Any", daemon), params({**CONNECTION, **NODE}, **{"timeout": 1, **options}), check_mode, ssh_connection
    )


def ask(daemon: Daemon, ssh_connection: str = "", **options: t.Any) -> Json:
    """The result of tailscale_node_info."""
    return _node_info.gather(t.cast("t.Any", daemon), params({**CONNECTION, **NODE_INFO}, **options), ssh_connection)


def shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits, which a real tailscaled needs."""
    monkeypatch.setattr(_node, "POLL", 0.01)
    monkeypatch.setattr(_node_info, "POLL", 0.01)
    monkeypatch.setattr(_wait, "SETTLE_TIMEOUT", 0.2)
