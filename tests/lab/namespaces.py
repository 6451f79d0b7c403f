# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces of a lab, and how commands are run in them.

Each lab has its own network and mount namespace, held by one sleeping process.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import shutil
import subprocess
import typing as t

from artefacts import CACHE

NAME = os.environ.get("TAILSYNC_LAB", "lab")
STATE = CACHE / "labs" / NAME


class LabError(Exception):
    """An error of the lab, with a message for the user."""


def holder() -> int | None:
    """The ID of the process that holds this lab's namespaces, if it runs."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((STATE / "holder.pid").read_text(encoding="ascii"))
        if b"tailsync-lab-holder" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def start_holder() -> int:
    """Open the namespaces.

    On a machine with cgroup v1, podman's crun finds no usable cgroup: a cgroup v2
    tree is mounted there, in this namespace only. Here podman's usual folders are the lab's own.
    """
    shutil.rmtree(STATE / "storage", ignore_errors=True)
    (STATE / "storage").mkdir()
    script = (
        "set -e; "
        "mkdir -p /var/lib/containers /run/containers /run/libpod /run/netns; "
        f"mount --bind {shlex.quote(str(STATE / 'storage'))} /var/lib/containers; "
        "for place in /run/containers /run/libpod /run/netns; do mount -t tmpfs tmpfs $place; done; "
        'if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then '
        "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi; "
        "ip link set lo up; echo ready; exec >/dev/null; exec -a tailsync-lab-holder sleep infinity"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "--net", "bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # if inherited, it would keep the caller's pipe open as long as the lab runs
        start_new_session=True,
    )
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        raise LabError("the lab's namespaces could not be opened")
    (STATE / "holder.pid").write_text(str(process.pid), encoding="ascii")
    return process.pid


def inside(*command: str, pid: int | None = None) -> list[str]:
    """The command line that runs a command in the lab's namespaces (and in the root folder)."""
    target = pid or holder()
    if target is None:
        raise LabError(f"the lab {NAME!r} is not up: lab.py up")
    return ["nsenter", "--target", str(target), "--mount", "--net", "--", *command]


def podman(*arguments: str) -> list[str]:
    return inside("podman", "--network-config-dir", str(STATE / "networks"), *arguments)


def checked(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command[-4:])}: {done.stderr.strip()}")
    return done.stdout.strip()


def podman_run(*arguments: str) -> str:
    return checked(podman(*arguments))


def container(machine: str) -> str:
    return f"tailsync-{NAME}-{machine}"


def execute(machine: str, *command: str, check: bool = True, **options: t.Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        podman("exec", "-i", container(machine), *command),
        text=True,
        capture_output=True,
        check=False,
        **options,
    )
    if check and done.returncode != 0:
        raise LabError(f"{machine}: {' '.join(command)}: {done.stdout}{done.stderr}")
    return done
