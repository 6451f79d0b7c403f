# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of Syncthing's systemd unit.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import shutil
import typing as t

Execute = t.Callable[[t.List[str]], t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


def gather(execute: Execute, user: str) -> dict[str, str]:
    """The unit's properties in systemd's own words; empty without systemd. Changes nothing."""
    if not shutil.which("systemctl"):
        return {}
    command = ["systemctl", "show", f"syncthing@{user}.service", f"--property={','.join(PROPERTIES)}"]
    code, text, _error = execute(command)
    shown = dict(line.split("=", 1) for line in text.splitlines() if "=" in line) if code == 0 else {}
    return {name: shown[name] for name in PROPERTIES if name in shown}
