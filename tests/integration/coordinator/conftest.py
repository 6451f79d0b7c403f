# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A coordinator with each manners in turn, and tailscaled processes, for tests."""

from __future__ import annotations

import typing as t

import pytest
from tailscaled import Coordinator, Tailscaled

MANNERS = ("tailscale", "headscale")


@pytest.fixture(params=MANNERS)
def manners(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(manners: str) -> t.Iterator[Coordinator]:
    made = Coordinator(manners)
    yield made
    made.close()


@pytest.fixture
def make_node() -> t.Iterator[t.Callable[[], Tailscaled]]:
    made: list[Tailscaled] = []

    def make() -> Tailscaled:
        made.append(Tailscaled())
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def node(make_node: t.Callable[[], Tailscaled]) -> Tailscaled:
    return make_node()
