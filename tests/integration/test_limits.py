# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a real Syncthing replaces are refused before anything is written; all others are taken."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from module_call import ModuleFailed, call

Json = t.Dict[str, t.Any]  # noqa: UP006
FOLDER_VALUES = {
    "copyRangeMethod": ("standard", "ioctl", "copy_file_range", "sendfile", "all"),
    "blockPullOrder": ("random", "inOrder", "standard"),
    "filesystemType": ("basic",),
}
OPTION_VALUES = {"databaseTuning": ("small", "large", "auto")}


@pytest.mark.parametrize("key", sorted(FOLDER_VALUES))
def test_word_that_syncthing_knows_is_kept_and_any_other_refused(daemon: t.Any, tmp_path: pathlib.Path, key: str) -> None:
    home = str(daemon.home)
    folder: Json = {"id": "docs", "path": f"{tmp_path}/docs"}
    for value in FOLDER_VALUES[key]:
        call("syncthing_folder", home=home, **folder, settings={key: value})
        assert daemon.folder("docs")[key] == value
        assert not call("syncthing_folder", home=home, **folder, settings={key: value})["changed"]
    before = daemon.get("config")
    with pytest.raises(ModuleFailed, match=f"settings.{key} is 'another'"):
        call("syncthing_folder", home=home, **folder, settings={key: "another"})
    assert daemon.get("config") == before


def test_database_tuning_that_syncthing_knows_is_kept(daemon: t.Any) -> None:
    for value in OPTION_VALUES["databaseTuning"]:
        call("syncthing_settings", home=str(daemon.home), options={"settings": {"databaseTuning": value}})
        assert daemon.get("config/options")["databaseTuning"] == value


def test_priority_that_syncthing_would_raise_is_refused(daemon: t.Any, suite: str) -> None:
    home, before = str(daemon.home), daemon.get("config")
    if suite == "bookworm":
        assert "connectionPriorityTcpLan" not in before["options"]
        return
    for settings in ({"connectionPriorityTcpLan": 50}, {"connectionPriorityTcpWan": 1}, {"connectionPriorityQuicWan": "20"}):
        with pytest.raises(ModuleFailed, match="but Syncthing keeps the first above the second: set both"):
            call("syncthing_settings", home=home, options={"settings": settings})
    assert daemon.get("config") == before
    both = {"connectionPriorityTcpLan": 50, "connectionPriorityTcpWan": 51}
    assert call("syncthing_settings", home=home, options={"settings": both})["changed"]
    assert not call("syncthing_settings", home=home, options={"settings": both})["changed"]
    assert call("syncthing_settings", home=home, options={"max_send_kbps": 5})["changed"], "another option is not affected"


def settings(daemon: t.Any, **gui: t.Any) -> Json:
    found = call("syncthing_settings", home=str(daemon.home), gui=gui)
    daemon.get_config_after_restart()
    return found


def test_password_with_ldap_is_refused_until_the_mode_is_static(daemon: t.Any) -> None:
    static: Json = {"settings": {"authMode": "static"}}
    ldap: Json = {"settings": {"authMode": "ldap"}}
    settings(daemon, user="me", password="first", **static)
    before = daemon.get_config_after_restart()
    with pytest.raises(ModuleFailed, match=r"gui.*: password is not used with authMode ldap"):
        settings(daemon, user="me", password="first", **ldap)
    assert daemon.get_config_after_restart() == before
    assert settings(daemon, user="me", **ldap)["changed"]
    assert not settings(daemon, user="me", **ldap)["changed"]
    before = daemon.get_config_after_restart()
    with pytest.raises(ModuleFailed, match="gui: password is not used with authMode ldap"):
        settings(daemon, user="me", password="first")
    assert daemon.get_config_after_restart() == before
    assert settings(daemon, theme="dark")["changed"], "another setting is not affected"
    assert settings(daemon, user="me", password="first", **static)["changed"]
    assert not settings(daemon, user="me", password="first", **static)["changed"]
