# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample the arguments of every process on the machine, the lab's hosts included.

`start PATH` runs in the background and writes each distinct command line to PATH;
`stop PATH` ends it. It ends by itself after an hour.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

INTERVAL = 0.05  # seconds; a process that ends sooner may be missed
LIMIT = 3600  # seconds


def sample(path: pathlib.Path) -> None:
    seen: set[bytes] = set()
    deadline = time.monotonic() + LIMIT
    with path.open("wb", buffering=0) as file:
        while time.monotonic() < deadline:
            for entry in os.scandir("/proc"):
                if not entry.name.isdigit():
                    continue
                with contextlib.suppress(OSError):
                    arguments = pathlib.Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ")
                    if arguments and arguments not in seen:
                        seen.add(arguments)
                        file.write(arguments + b"\n")
            time.sleep(INTERVAL)


def pid_file(path: pathlib.Path) -> pathlib.Path:
    return path.with_suffix(".pid")


def main() -> None:
    action, path = sys.argv[1], pathlib.Path(sys.argv[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    if action == "run":
        sample(path)
    elif action == "start":
        process = subprocess.Popen(
            [sys.executable, __file__, "run", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        pid_file(path).write_text(str(process.pid), encoding="ascii")
    elif pid_file(path).exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid_file(path).read_text(encoding="ascii")), signal.SIGTERM)
        pid_file(path).unlink()


if __name__ == "__main__":
    main()
