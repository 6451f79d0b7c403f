# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make apt ready to install again: finish an interrupted dpkg, and read the package lists.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._apt import _locks, _output
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError

Execute = t.Callable[..., t.Tuple[int, str, str]]  # noqa: UP006  (3.9 at run time)
ENVIRONMENT = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
CONFIGURE = ["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"]
# Without --no-remove apt may remove packages to repair the dependencies of others.
FIX = ["apt-get", "--yes", "--no-remove", "--fix-broken", "-o", "Dpkg::Options::=--force-confold", "install"]
CHECK = ["apt-get", "check"]
UPDATE = ["apt-get", "update", "-q"]
PAUSE = 3


class Apt:
    """The commands of apt and dpkg; they are repeated while another process holds a lock, for `wait` seconds in all."""

    def __init__(
        self, execute: Execute, wait: int, root: Path = Path("/"), sleep: t.Callable[[float], None] = time.sleep
    ) -> None:
        self._execute, self._wait, self._left, self._root, self._sleep = execute, wait, wait, root, sleep

    def run(self, command: list[str]) -> tuple[int, str]:
        while True:
            code, out, error = self._execute(command, environ_update=ENVIRONMENT)
            if code == 0 or not _output.is_locked(error):
                return code, out + error
            self._pause(_output.holder(error))

    def wait_for_locks(self) -> None:
        """Wait until no other process holds one of the locks, those included that apt itself does not wait for."""
        while True:
            held = [pid for pid in (_locks.holder(self._root / path) for path in _locks.PATHS) if pid is not None]
            if not held:
                return
            self._pause(str(held[0] or ""))

    def _pause(self, pid: str) -> None:
        if self._left <= 0:
            name = ""
            with contextlib.suppress(OSError):
                name = (self._root / "proc" / pid / "comm").read_text(encoding="utf-8", errors="replace").strip() if pid else ""
            by = f"process {pid}{f' ({name})' if name else ''}" if pid else "another process"
            raise UserError(f"apt is locked by {by}, still after {self._wait} seconds: run again when that has ended")
        self._sleep(min(PAUSE, self._left))
        self._left -= PAUSE

    def is_interrupted(self) -> bool:
        """Whether dpkg's journal has entries. While another dpkg runs it has some as well; the lock is waited for."""
        with contextlib.suppress(OSError):
            return any(entry.name.isdigit() for entry in (self._root / "var/lib/dpkg/updates").iterdir())
        return False

    def unconfigured(self) -> bool:
        """Whether dpkg knows packages that it has unpacked or begun to unpack, and not configured."""
        return bool(self._execute(["dpkg", "--audit"], environ_update=ENVIRONMENT)[1].strip())

    def held(self) -> list[str]:
        return self._execute(["apt-mark", "showhold"], environ_update=ENVIRONMENT)[1].split()


def ready(apt: Apt, uris: t.Collection[str], check_mode: bool) -> dict[str, t.Any]:
    """Repair dpkg if that is due, and read the lists. Broken repositories of others give a warning."""
    steps = []
    if not check_mode:
        apt.wait_for_locks()
    # Not interrupted alone: a kill between two files of the journal leaves a half-unpacked package and no journal.
    due = apt.is_interrupted() or apt.unconfigured()
    others: list[str] = []
    configured = 0
    if due:
        steps.append("dpkg --configure -a")
        if not check_mode:
            configured, _text = apt.run(CONFIGURE)
    steps.append("apt-get update")
    if not check_mode:
        others = _update(apt, uris)
        if due:
            _repair(apt, configured)
    warning = f"apt could not read other repositories of this host, and went on without them: {'; '.join(dict.fromkeys(others))}"
    return {"changed": due, "steps": steps, "held": apt.held(), "warnings": [warning] if others else []}


def _update(apt: Apt, uris: t.Collection[str]) -> list[str]:
    """Read the lists; return what apt says about repositories that it could not read and that need not be readable."""
    code, text = apt.run(UPDATE)
    fatal, others = _output.problems(code, text, uris)
    if fatal:
        raise UserError(f"apt cannot read its repositories: {'; '.join(dict.fromkeys(fatal))}")
    return others


def _repair(apt: Apt, configured: int) -> None:
    """Finish what dpkg alone could not, such as a half-unpacked package: for its archive apt needs the lists."""
    if apt.run(CHECK)[0] == 0 and not apt.unconfigured():
        return
    fixed, text = apt.run(FIX)
    if fixed == 0 and configured != 0:
        fixed, text = apt.run(CONFIGURE)
    if fixed != 0:
        last = [line for line in text.splitlines() if line.strip()][-3:]
        raise UserError(
            "a dpkg that was interrupted before could not be repaired by `dpkg --configure -a` and "
            f"`apt-get --fix-broken install` without removing packages: {' / '.join(last)}. Repair it on the host, and run again"
        )
