# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of firewall changes in a host's files: whether one waits for its proof, and how the last one ended.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rollback_units import Places


class Record(t.NamedTuple):
    """The record in a host's files."""

    armed: bool
    rolled_back: dict[str, str] | None
    original: bool
    is_open: bool = False  # the old rules could not be loaded, so everything was allowed

    @property
    def in_force(self) -> str:
        """The origin of the rules that the host has, in one word."""
        if self.is_open:
            return "open"
        if self.armed:
            return "unproven"
        if self.rolled_back:
            return "rolled_back"
        return "confirmed" if self.original else "untouched"


def read(base: Path | None = None) -> Record:
    folder = base or Path(Places().base)
    fired = None
    with contextlib.suppress(OSError):
        time, _newline, reason = (folder / "fired").read_text(encoding="utf-8").strip().partition("\n")
        fired = {"time": time or "a time", "reason": reason or "for a reason that could not be stored (is the disk full?)"}
    return Record(
        (folder / "rollback" / "complete").exists(),
        fired,
        (folder / "original" / "complete").exists(),
        (folder / "open").exists(),
    )


def describe(record: Record) -> dict[str, t.Any]:
    return {"armed": record.armed, "rolled_back": record.rolled_back}


def refuse_unarmed(record: Record) -> None:
    if record.armed:
        return
    why = (record.rolled_back or {}).get("reason", "nothing was armed")
    raise UfwError(
        f"nothing would take this change of the firewall back ({why}), so nothing was changed: arm it by ufw_rollback, and raise "
        "firewall_rollback_timeout if the host needs longer"
    )


def warning_of(record: Record) -> str | None:
    """The warning of the next run about an earlier change; None if there is nothing to report."""
    if not record.rolled_back:
        return None
    return (
        f"an earlier change of the firewall was taken back at {record.rolled_back['time']}, and the old rules are in force: "
        f"{record.rolled_back['reason']}"
    )
