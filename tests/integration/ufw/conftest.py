# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ufw of each Debian release, in separate namespaces."""

from __future__ import annotations

import typing as t

import artefacts
import pytest
import ufw_host
from ufw_host import UfwHost


@pytest.fixture(scope="session", params=artefacts.UFW_SUITES)
def _installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[UfwHost]:
    assert ufw_host.is_private(), "run this by `make integration`, which creates a mount and a network namespace"
    before = ufw_host.machine_state()
    host = UfwHost(request.param, tmp_path_factory.mktemp("ufw"))
    yield host
    host.reset()
    host.leave()
    assert ufw_host.machine_state() == before


@pytest.fixture
def host(_installed: UfwHost) -> UfwHost:
    _installed.reset()
    return _installed
