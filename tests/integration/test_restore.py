# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write that a real Syncthing refuses or replaces leaves what was there."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _tables
from module_call import ModuleFailed, call
from syncthing_steps import NAS, PI

AGAIN = "what was there is in force again"
Json = t.Dict[str, t.Any]  # noqa: UP006


def set_up(daemon: t.Any, tmp_path: pathlib.Path) -> None:
    call(
        "syncthing_cluster",
        home=str(daemon.home),
        devices=[{"name": "nas", "device_id": NAS}, {"name": "old", "device_id": PI}],
        folders=[
            {"id": "docs", "path": f"{tmp_path}/docs", "device_names": ["nas", "old"], "ignores": ["*.tmp"]},
            {"id": "gone", "path": f"{tmp_path}/gone", "device_names": ["nas"], "versioning": {"type": "simple"}},
        ],
        folder_owner="root",
    )


def change(daemon: t.Any, tmp_path: pathlib.Path, **more: t.Any) -> Json:
    """Change something of every kind; all before the web interface is written when that one is."""
    wanted: Json = {
        "devices": [{"name": "nas", "device_id": NAS, "compression": "always"}],
        "folders": [
            {"id": "docs", "label": "Mine", "ignores": ["*.bak"], "device_names": ["nas"]},
            {"id": "new", "path": f"{tmp_path}/deep/new", "device_names": ["nas"], "ignores": ["*.iso"]},
        ],
        "options": {"max_send_kbps": 7},
        "defaults": {"folder": {"max_conflicts": 3}},
        "purge_devices": True,
        "purge_folders": True,
        "folder_owner": "root",
    }
    for key, value in more.items():
        wanted[key] = [*wanted[key], *value] if isinstance(value, list) else {**wanted.get(key, {}), **value}
    return call("syncthing_cluster", home=str(daemon.home), **wanted)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"folders": [{"id": "odd", "path": "odd", "settings": {"hashers": 10**20}}]}, "refused PUT config/folders"),
        ({"options": {"settings": {"keepTemporariesH": 10**20}}}, "refused PUT config/options"),
        ({"gui": {"settings": {"debugging": True}, "theme": "dark"}}, ""),
        ({"gui": {"settings": {"authMode": "no such mode"}}}, "did not keep all of it: gui"),
        ({"folders": [{"id": "odd", "path": "odd", "settings": {"filesystemType": "no such type"}}]}, "did not keep all of it"),
    ],
    ids=["refused folder", "refused options", "all accepted", "replaced web interface", "replaced folder"],
)
def test_write_that_syncthing_refuses_or_replaces_leaves_what_was_there(
    daemon: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, more: Json, words: str
) -> None:
    monkeypatch.setattr(_tables, "SETTINGS_TEXT_ROWS", ())  # such values are refused before they are written
    set_up(daemon, tmp_path)
    more = {
        key: [{**one, "path": f"{tmp_path}/odd"} for one in value] if key == "folders" else value for key, value in more.items()
    }
    (tmp_path / "deep").mkdir()
    before, ignored = daemon.get("config"), daemon.get("db/ignores?folder=docs")
    if words:
        with pytest.raises(ModuleFailed, match=f"{words}.*; {AGAIN}$"):
            change(daemon, tmp_path, **more)
        after = daemon.get_config_after_restart()
        assert after == before
        assert daemon.get("db/ignores?folder=docs")["ignore"] == ignored["ignore"]
        assert sorted(one.name for one in tmp_path.iterdir() if one.name in ("deep", "odd")) == ["deep"]
        assert list((tmp_path / "deep").iterdir()) == []
        assert (tmp_path / "gone" / ".stfolder").is_dir()
        more = {}
    assert change(daemon, tmp_path, **more)["changed"]
    assert not change(daemon, tmp_path, **more)["changed"]


def test_password_and_address_of_the_web_interface_are_put_back(
    daemon: t.Any, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tables, "SETTINGS_TEXT_ROWS", ())
    home = str(daemon.home)
    call("syncthing_settings", home=home, gui={"user": "me", "password": "first"})
    before = daemon.get_config_after_restart()
    wanted = {"address": f"127.0.0.1:{daemon.gui + 1}", "password": "second", "settings": {"authMode": "no such mode"}}
    outcome = f"{AGAIN}, but for gui$" if suite == "bookworm" else f"{AGAIN}$"  # 1.19 would hash the old hash again
    with pytest.raises(ModuleFailed, match=outcome):
        call("syncthing_settings", home=home, gui=wanted)
    after = daemon.get_config_after_restart()
    if suite == "bookworm":
        after["gui"]["password"] = before["gui"]["password"]
    assert after == before
