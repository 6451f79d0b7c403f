# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""syncthing_info against the double: states that the real Syncthing does not show on demand."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _info
from module_call import ModuleFailed, call
from syncthing_double import OWN, Syncthing

PEER = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"
CONVERTING = (200, {"Content-Type": "text/plain"}, "*** Database migration in progress ***\n")


def share(double: Syncthing, folder_id: str, **more: t.Any) -> None:
    double.write("PUT", "config/devices", [{"deviceID": PEER, "name": "nas"}])
    folder = {"id": folder_id, "path": f"/nowhere/{folder_id}", "devices": [{"deviceID": OWN}, {"deviceID": PEER}], **more}
    double.write("PUT", "config/folders", [folder])


def test_paused_folder_is_reported_without_completion(double: Syncthing, tmp_path: pathlib.Path) -> None:
    share(double, "photos", paused=True)
    share(double, "documents")
    found = call("syncthing_info", home=str(tmp_path / "home"))["folders"]
    assert (found["photos"]["paused"], found["photos"]["completion"], found["photos"]["need_items"]) == (True, {}, None)
    assert found["documents"]["completion"][PEER]["completion"] == 100


def test_syncthing_info_waits_for_a_database_conversion(double: Syncthing, tmp_path: pathlib.Path) -> None:
    double.script = [CONVERTING] * 5
    with pytest.raises(ModuleFailed, match="migration in progress"):
        call("syncthing_info", home=str(tmp_path / "home"), timeout=0)
    double.script = [CONVERTING] * 5
    assert call("syncthing_info", home=str(tmp_path / "home"), timeout=0, wait_timeout=30)["device_id"] == OWN


def test_wait_that_times_out_is_no_failure(double: Syncthing, tmp_path: pathlib.Path) -> None:
    share(double, "photos")
    wait_for = {"devices": [PEER], "folders": {"photos": [PEER]}}
    found = call("syncthing_info", home=str(tmp_path / "home"), wait_for=wait_for, wait_timeout=1)
    assert found["folders"]["photos"]["completion"][PEER]["remote_state"] == "unknown"


@pytest.mark.parametrize(
    ("limit", "needed"),
    [
        ({"value": 1, "unit": "kB"}, 1000),
        ({"value": 2, "unit": "GB"}, 2 * 10**9),
        ({"value": 0, "unit": "%"}, 0),
        ({}, 0),
    ],
)
def test_minimum_free_space_of_a_disk_in_bytes(tmp_path: pathlib.Path, limit: dict[str, t.Any], needed: int) -> None:
    disk = _info.disk_of(str(tmp_path), limit)
    assert disk
    assert disk["needed_bytes"] == needed
    assert disk["free_bytes"] > 0


def test_minimum_free_space_in_percent_of_the_disk(tmp_path: pathlib.Path) -> None:
    disk = _info.disk_of(str(tmp_path), {"value": 100, "unit": "%"})
    assert disk
    assert disk["needed_bytes"] > disk["free_bytes"]
    assert _info.disk_of(str(tmp_path / "none"), {"value": 1, "unit": "%"}) is None
