# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncthing is killed during a call, at random moments: the next call finishes the change."""

from __future__ import annotations

import base64
import os
import pathlib
import random
import signal
import threading
import time
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._device_id import device_id_of_certificate
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError

KILLS = int(os.environ.get("TAILSYNC_KILLS", "8"))  # for each of the two versions; `make slow` has more
SEED = 20261124


def device_id(number: int) -> str:
    """A valid device ID: any DER bytes have one."""
    body = base64.b64encode(f"device {number}".encode()).decode()
    return device_id_of_certificate(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")


def wanted(root: pathlib.Path, number: int) -> dict[str, t.Any]:
    """Different devices, folders, options and ignores for each number."""
    names = [f"device-{at}" for at in range(10)]
    return {
        "devices": [
            {"name": name, "device_id": device_id(at), "addresses": [f"tcp://{name}:{22000 + number}"]}
            for at, name in enumerate(names)
        ],
        "folders": [
            {
                "id": f"folder-{at}",
                "path": str(root / f"folder-{at}"),
                "label": f"label {number}",
                "devices": [{"name": name} for name in names[at : at + 3]],
                "ignores": [f"*.{number}"],
            }
            for at in range(3)
        ],
        "folder_owner": "root",
        "options": {"max_folder_concurrency": 1 + number % 5},
    }


def undeclared(daemon: t.Any) -> dict[str, t.Any]:
    config = daemon.get("config")
    return {
        "options": {key: value for key, value in config["options"].items() if key != "maxFolderConcurrency"},
        "gui": config["gui"],
        "device": next(device for device in config["devices"] if device["name"] == "by-hand"),
        "folder": next(folder for folder in config["folders"] if folder["id"] == "by-hand"),
    }


def test_syncthing_killed_at_random_moments_is_configured_by_the_next_call(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    chance = random.Random(SEED)
    daemon.cluster(
        devices=[{"name": "by-hand", "device_id": device_id(99)}],
        folders=[{"id": "by-hand", "path": str(tmp_path / "by-hand"), "devices": [{"name": "by-hand"}], "rescan_interval": 77}],
    )
    daemon.cluster(**wanted(tmp_path, 0))
    before = undeclared(daemon)
    interrupted, usual = 0, 1.0  # seconds
    for number in range(1, KILLS + 1):
        killer = threading.Timer(chance.uniform(0, usual), daemon.stop, [signal.SIGKILL])
        killer.start()
        started = time.monotonic()
        try:
            daemon.cluster(timeout=1, **wanted(tmp_path, number))
            usual = time.monotonic() - started  # the first calls and a busy machine take longer
        except SyncthingError:
            interrupted += 1
        killer.join()
        daemon.start()
        daemon.cluster(**wanted(tmp_path, number))
        again = daemon.cluster(**wanted(tmp_path, number))
        assert (again["changed"], again["requests"]["writes"]) == (False, 0)
        assert undeclared(daemon) == before, f"kill {number}"
    assert interrupted >= max(1, KILLS // 5), f"only {interrupted} of {KILLS} kills hit a call: too few for this test"
