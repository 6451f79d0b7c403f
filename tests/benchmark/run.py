# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a task with syncthing_cluster, as a ratio to a task whose module makes only one GET request.

Ansible runs both, alternately, in one play against the same daemon, so that the ratio says
something on any machine. `make benchmark` runs it, without a network.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import typing as t

import artefacts
from device_ids import device_id
from syncthing_daemon import START_TIMEOUT, Daemon, wait_until

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
ROUNDS = 5
# Devices, folders, devices in each folder, and the maximum cost of the second run, as a multiple of the floor.
SIZES = ((20, 10, 20, 1.3), (1000, 20, 50, 2.5), (1000, 20, 1000, 4.0))


def mesh(devices: int, folders: int, shares: int, root: pathlib.Path) -> dict[str, t.Any]:
    names = [f"device-{number}" for number in range(devices)]

    def members(number: int) -> list[str]:
        return [names[(number * shares + at) % devices] for at in range(shares)]

    return {
        "devices": [
            {"name": name, "device_id": device_id(number), "addresses": [f"tcp://{name}:22000"], "paused": True}
            for number, name in enumerate(names)
        ],
        "folders": [
            {"id": f"folder-{number}", "path": str(root / str(number)), "paused": True, "device_names": members(number)}
            for number in range(folders)
        ],
    }


def play() -> list[dict[str, t.Any]]:
    floor = {"name": "floor", "floor": {"home": "{{ home }}"}}
    cluster = {
        "name": "first",
        "homelab.tailsync.syncthing_cluster": {
            "home": "{{ home }}",
            "devices": "{{ devices }}",
            "folders": "{{ folders }}",
        },
        "register": "result",
    }
    second = {
        **cluster,
        "name": "second",
        "failed_when": "result is changed or result.requests != {'reads': 1, 'writes': 0}",
    }
    warm_up = {**floor, "name": "warm up"}
    return [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [warm_up, cluster, *([floor, second] * ROUNDS)],
        }
    ]


def measure(size: tuple[int, int, int, float], work: pathlib.Path) -> bool:
    devices, folders, shares, most = size
    daemon = Daemon(artefacts.syncthing("trixie"), work / "home")
    daemon.first_boot()
    daemon.start()
    (work / "play.yml").write_text(json.dumps(play()), encoding="utf-8")
    (work / "vars.json").write_text(
        json.dumps({"home": str(daemon.home), **mesh(devices, folders, shares, work)}), encoding="utf-8"
    )
    environment = {
        **os.environ,
        "ANSIBLE_LIBRARY": str(HERE / "library"),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "durations",
        "TAILSYNC_DURATIONS": str(work / "durations.json"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    try:
        wait_until(lambda: daemon.get("system/ping"), START_TIMEOUT)
        done = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", "-e", f"@{work / 'vars.json'}", work / "play.yml"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        daemon.stop(signal.SIGKILL)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:] + done.stderr)
    report = json.loads((work / "durations.json").read_text(encoding="utf-8"))
    floor, first, second = (statistics.median(report["seconds"][name]) for name in ("floor", "first", "second"))
    print(
        f"{devices:>5} devices, {folders} folders of {shares} each: floor {floor:.2f} s, first run {first / floor:.2f}x, "
        f"second run {second / floor:.2f}x (wanted: at most {most}x), 1 read and 0 writes; "
        f"peak memory {report['peak_mib']:.0f} MiB",
        flush=True,
    )
    return bool(second / floor <= most)


def main() -> int:
    good = True
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir=artefacts.CACHE) as work:  # no folder may be below /tmp
            good = measure(size, pathlib.Path(work)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
