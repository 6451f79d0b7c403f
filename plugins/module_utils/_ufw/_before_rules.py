# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's own rules for multicast DNS and UPnP, which are lines of its before.rules: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re

BEFORE = {"v4": "/etc/ufw/before.rules", "v6": "/etc/ufw/before6.rules"}
# The prefix that comments a line out; the rest of the line is kept, so that it can be restored.
CLOSED = "# closed by homelab.tailsync: "
GROUPS = r"(?:224\.0\.0\.251|239\.255\.255\.250|ff02::fb|ff02::f)(?:/32|/128)?"
OPENING = re.compile(rf"^[ \t]*-A ufw6?-before-input (?=.*-d {GROUPS}[ \t])(?=.*--dport (?:5353|1900)\b).*-j ACCEPT")


def set_multicast(text: str, is_open: bool) -> str:
    """The text of the file with ufw's own rules for mDNS and UPnP active, or commented out."""
    lines = text.splitlines(keepends=True)
    if is_open:
        return "".join(line.removeprefix(CLOSED) for line in lines)
    return "".join(CLOSED + line if OPENING.match(line) else line for line in lines)


def multicast(text: str) -> bool:
    """Whether a file, or the output of `iptables -S`, allows mDNS or UPnP."""
    return any(OPENING.match(line) for line in text.splitlines())
