# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The properties of units, as systemd prints them."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import units


def test_properties_of_a_unit_are_read_from_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def execute(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return 0, "LoadState=loaded\nActiveState=active\nUnitFileState=\nNeedDaemonReload=no\n", ""

    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/systemctl")
    found = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "", "NeedDaemonReload": "no"}
    assert units.gather(execute, "me") == found
    assert asked[0][:3] == ["systemctl", "show", "syncthing@me.service"]
    assert units.gather(lambda _command: (1, "Failed", ""), "me") == {}
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert units.gather(execute, "me") == {}
