# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks and escapes for values that are written into line-based files: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import shown

# In an apt source a blank would start the next field, and a number sign a comment.
URL = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:/~-]*")


def one_line(name: str, value: t.Any) -> list[str]:
    """The problem of a value that is not one line of text."""
    if value is None:
        return [f"{name} is empty: leave it out for its default"]
    if not isinstance(value, str):
        return [f"{name} is {shown(value)}, which is no text: put it between quotation marks"]
    if not value.strip():
        return [f"{name} is empty: leave it out for its default"]
    if not value.isprintable():
        return [f"{name} is {shown(value)}: it must be one line without control characters"]
    return []


def url(name: str, value: t.Any) -> list[str]:
    found = one_line(name, value)
    if not found and (not URL.fullmatch(value) or "#" in value):
        found = [f"{name} is {shown(value)}: it must be a URL, without blanks and number signs"]
    return found


def word(name: str, value: t.Any) -> list[str]:
    found = one_line(name, value)
    if not found and not WORD.fullmatch(value):
        found = [f"{name} is {shown(value)}: it must be one word of letters, digits and . _ + : / ~ -"]
    return found


def systemd_argument(text: str) -> str:
    """Quote an argument of a command line in a unit file (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
