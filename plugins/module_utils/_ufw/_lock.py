# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock for changes of the firewall: one policy or rollback at a time.

ufw's own lock covers only each of its commands; this lock covers a whole change.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t
from pathlib import Path

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._errors import UfwError

LOCK = Path("/run/tailsync-ufw.lock")  # the rollback's script takes it as well
LOCK_TIMEOUT = 60  # seconds
POLL = 0.2  # seconds


@contextlib.contextmanager
def held(path: Path = LOCK, timeout: float | None = None) -> t.Iterator[int]:
    """Hold the lock, and yield its file descriptor. A command that inherits it holds the lock until it ends, even without us.

    Raises UfwError if another change holds the lock for longer than `timeout` seconds, by default LOCK_TIMEOUT.
    """
    timeout = LOCK_TIMEOUT if timeout is None else timeout
    deadline = time.monotonic() + timeout
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise UfwError("ufw needs root: set become: true") from error
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise UfwError(
                        f"another change of the firewall has been running for {timeout} s: wait for it, and run again"
                    ) from error
                time.sleep(POLL)
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())  # for the rollback, which waits only for a limited time
        yield handle
    finally:
        os.close(handle)
