# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete tables and long runs, on a separate lab: `make slow`. Other tests have a short case of each kind."""

from __future__ import annotations

import typing as t

import pytest

pytest_plugins = ["lab_fixtures"]


@pytest.fixture(scope="module")
def bare(lab: t.Any) -> t.Iterator[None]:
    """Three bare hosts; `lab("reset")` makes them bare again."""
    lab("down", timeout=300)
    lab("up", timeout=300)
    yield
    lab("down", timeout=300)


@pytest.fixture(scope="module")
def mesh(bare: None, play: t.Any) -> None:
    """The three hosts after a first run, locked down."""
    run = play("site.yml")
    assert run.code == 0, run.output
