# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's rules files, byte for byte.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import write_whole


def read(path: Path) -> str:
    """Read a file without losing bytes that are no UTF-8; empty if it does not exist."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def not_text(text: str) -> int:
    """The number of the first line with bytes that are no UTF-8, as `read` keeps them; 0 without any."""
    strange = re.search("[\udc80-\udcff]", text)
    return text.count("\n", 0, strange.start()) + 1 if strange else 0


def write(path: Path, text: str) -> None:
    """Replace a file atomically, and keep its owner and mode."""
    before = path.stat()
    content = text.encode("utf-8", "surrogateescape")
    write_whole(path, content, mode=before.st_mode & 0o7777, owner=(before.st_uid, before.st_gid))
