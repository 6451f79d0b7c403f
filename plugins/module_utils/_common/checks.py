# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of option values beyond their types: pure functions, for the rows of a table.

Each takes a value of the option's type, and returns a requirement that the value does not meet, or None. For a list the text
names the element. Ranges are those of the service itself, which would otherwise refuse the value in the middle of a run, or
silently replace it.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

Check = t.Callable[[t.Any], t.Optional[str]]

PORT_MAX = 65535
MAX_LENGTH = 80


def shown(value: t.Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def between(least: int, most: int, meaning: str = "") -> Check:
    """A number in a range, both ends included; `meaning` is added to the text, such as an explanation of a bound."""

    def check(value: t.Any) -> str | None:
        return None if least <= value <= most else f"it must be from {least} to {most}{meaning and f' ({meaning})'}"

    return check


def filled(value: t.Any) -> str | None:
    return None if str(value).strip() else "it must not be empty"


def matches(pattern: str, meaning: str) -> Check:
    found = re.compile(pattern)

    def check(value: t.Any) -> str | None:
        return None if found.fullmatch(str(value)) else f"it must be {meaning}"

    return check


def each(check_one: Check) -> Check:
    """Check every element of a list, and report the first that is wrong."""

    def check(value: t.Any) -> str | None:
        for item in value:
            reason = check_one(item)
            if reason:
                return f"{shown(item)}: {reason}"
        return None

    return check


def network(value: t.Any) -> str | None:
    """An address and the length of its prefix, as Go's net.ParseCIDR accepts it: no netmask, host bits allowed."""
    address, slash, prefix = str(value).partition("/")
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        known = None
    if known is None or "%" in address or not slash or not re.fullmatch(r"\d{1,3}", prefix) or int(prefix) > known.max_prefixlen:
        return "write a network as CIDR, such as 100.64.0.0/10"
    return None


def network_or_not(value: t.Any) -> str | None:
    """A network, or a network with a ! in front that excludes it."""
    return network(str(value)[1:] if str(value).startswith("!") else value)


def unique(value: t.Any) -> str | None:
    """No element twice, and no blanks around one."""
    seen = set()
    for item in value:
        if item != str(item).strip() or not item:
            return f"{shown(item)}: it must not be empty, or have blanks around it"
        if item in seen:
            return f"{shown(item)}: it must not be listed twice"
        seen.add(item)
    return None
