# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Syncthing's REST API, in both wire forms."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _client
from syncthing_double import Syncthing


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_client, "POLL", 0.01)


@pytest.fixture
def serve(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., Syncthing]]:
    """Start a double; its home folder is tmp_path / "home"."""
    servers = []

    def start(double: Syncthing, port: int = 0) -> Syncthing:
        servers.append(double.serve(tmp_path / "home", port=port))
        return double

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=[1, 2])
def double(request: pytest.FixtureRequest, serve: t.Callable[[Syncthing], Syncthing]) -> Syncthing:
    return serve(Syncthing(request.param))
