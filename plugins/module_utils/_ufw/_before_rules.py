# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's own openings for multicast DNS and UPnP, which are lines of its before.rules: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re

BEFORE = {"v4": "/etc/ufw/before.rules", "v6": "/etc/ufw/before6.rules"}
# Put before a line that is closed, and nothing else of it is changed: so it comes back as it was.
CLOSED = "# closed by homelab.tailsync: "
GROUPS = r"(?:224\.0\.0\.251|239\.255\.255\.250|ff02::fb|ff02::f)(?:/32|/128)?"
OPENING = re.compile(rf"^[ \t]*-A ufw6?-before-input (?=.*-d {GROUPS}[ \t])(?=.*--dport (?:5353|1900)\b).*-j ACCEPT")


def set_multicast(text: str, is_open: bool) -> str:
    """The file with ufw's own openings for mDNS and UPnP open, or closed."""
    lines = text.splitlines(keepends=True)
    if is_open:
        return "".join(line.removeprefix(CLOSED) for line in lines)
    return "".join(CLOSED + line if OPENING.match(line) else line for line in lines)


def multicast(text: str) -> bool:
    """Whether a file, or what `iptables -S` lists, lets mDNS or UPnP in."""
    return any(OPENING.match(line) for line in text.splitlines())
