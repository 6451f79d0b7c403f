# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system by the names of Ansible's facts, and the properties of units as systemd prints them."""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.homelab.tailsync.plugins.module_utils._host import system, units


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


def test_ansibles_facts_are_not_imported_as_a_whole_and_are_there_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(system.FACTS)]:
        monkeypatch.delitem(sys.modules, name)
    again = importlib.reload(system)
    assert f"{system.FACTS}.default_collectors" not in sys.modules
    with patch_module_args({}):
        assert again.gather(AnsibleModule({}))["distribution"]
    assert importlib.import_module(system.FACTS).ansible_facts
    assert f"{system.FACTS}.default_collectors" in sys.modules
