# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole table of joins (tests/support/joins.py); TAILSYNC_HEADSCALE=/path/to/headscale runs it against a real one, too."""

from __future__ import annotations

import functools
import typing as t

import control_servers
import joins
import pytest

SERVERS: dict[str, t.Callable[[], control_servers.Server]] = {
    manners: functools.partial(control_servers.Lab, manners) for manners in joins.MANNERS
}
if control_servers.HEADSCALE:
    SERVERS["real headscale"] = control_servers.Headscale


@pytest.mark.parametrize("kind", joins.KEY_KINDS)
@pytest.mark.parametrize("name", joins.ROWS)
@pytest.mark.parametrize("server", SERVERS)
def test_node_converges_or_is_refused_with_the_cure(server: str, name: str, kind: str) -> None:
    made = SERVERS[server]()
    try:
        joins.run_cell(name, kind, made)
    finally:
        made.close()
