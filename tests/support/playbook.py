# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on this machine, for tests of the controller's code."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys


def program(name: str) -> str:
    """One of ansible-core's: next to this Python, or where ansible-test puts it."""
    found = shutil.which(name, path=os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, f"{name} is neither next to {sys.executable} nor in PATH"
    return found


def ansible_playbook(*arguments: str, cwd: pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook, with any exit code; a deprecation warning fails the test."""
    # ansible-test makes an error of a group that is not there, which Ansible itself only warns of.
    given = {name: value for name, value in os.environ.items() if name != "ANSIBLE_HOST_PATTERN_MISMATCH"}
    done = subprocess.run(
        [program("ansible-playbook"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**given, "ANSIBLE_LOCALHOST_WARNING": "false", **environment},
    )
    assert "[DEPRECATION" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done
