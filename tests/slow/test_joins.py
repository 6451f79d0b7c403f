# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole table of joins (tests/support/joins.py); TAILSYNC_HEADSCALE=/path/to/headscale runs it against a real one, too."""

from __future__ import annotations

import itertools

import control_servers
import joins
import pytest

REAL = itertools.product(joins.ROWS, joins.GIVEN, ["real headscale"] if control_servers.HEADSCALE else [])


@pytest.mark.parametrize(("name", "kind", "manners"), [*joins.cells(), *REAL])
def test_node_converges_or_is_refused_with_the_cure(name: str, kind: str, manners: str) -> None:
    server = control_servers.Headscale() if manners == "real headscale" else control_servers.Lab(manners)
    try:
        joins.run_cell(name, kind, server)
    finally:
        server.close()
