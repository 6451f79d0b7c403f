# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse roles in a play whose C(strategy) or C(serial) keeps them from knowing all hosts: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible.utils.helpers import pct_to_int

# With these strategies each host runs alone.
ALONE = ("free", "host_pinned")
TOGETHER = ("syncthing_mesh", "verify")


def problems(roles: t.Collection[str], strategy: str, serial: t.Sequence[t.Any], hosts: int) -> list[str]:
    """The problems of a play over so many hosts with these roles of the collection."""
    # The role verify has the others checked as well.
    role = "verify" if "verify" in roles else next((one for one in TOGETHER if one in roles), None)
    if role is None or hosts < 2:
        return []
    if strategy in ALONE:
        return [
            f"strategy is {strategy}, and with it the role {role} would not know the hosts that are slower: set strategy: linear "
            "for this play"
        ]
    if role == "verify" and serial and pct_to_int(serial[0], hosts) < hosts:
        return [
            f"serial is {', '.join(map(str, serial))}, and the role verify compares all hosts with each other: put it into a "
            "play of its own without serial, after this one"
        ]
    return []
