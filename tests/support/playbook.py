# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on this machine, for tests of the controller's code."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys


def ansible_playbook(*arguments: str, cwd: pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook, with any exit code; a deprecation warning fails the test."""
    done = subprocess.run(
        [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", **environment},
    )
    assert "[DEPRECATION" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done
