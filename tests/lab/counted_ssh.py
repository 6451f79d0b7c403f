#!/usr/bin/env python
# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrapper of ssh (ansible_ssh_executable) that logs each command for a host and then executes ssh.

Each line of the file that COUNTED_SSH names is one request to a host: a module call, as they are pipelined, or an attempted
login. Calls of ssh without a host (-G, -O) are not counted.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    arguments = sys.argv[1:]
    host = arguments[-2] if len(arguments) > 1 else "-"
    if not {"-G", "-O"} & set(arguments) and not host.startswith("-"):
        with open(os.environ["COUNTED_SSH"], "a", encoding="ascii") as file:  # noqa: PTH123  (in one write)
            file.write(f"{time.time():.3f} {host}\n")
    os.execvp("ssh", ["ssh", *arguments])


if __name__ == "__main__":
    main()
