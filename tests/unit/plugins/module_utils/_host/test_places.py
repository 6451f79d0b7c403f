# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the look at a host says of the places of its folders, before anything is changed."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import places
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _placed
from ansible_collections.homelab.tailsync.plugins.plugin_utils import mesh_host

CONFIG = """<configuration version="37">
    <folder id="docs" label="D &amp; more" path="{root}/docs" type="sendreceive"></folder>
    <folder id="gone" label="" path="{root}/gone" type="sendreceive"></folder>
    <folder id="tilde" label="" path="~/Music" type="sendreceive"></folder>
    <defaults><folder id="" label="" path="~" type="sendreceive"></folder></defaults>
</configuration>
"""


def look(root: pathlib.Path, *folders: dict[str, t.Any]) -> dict[str, t.Any]:
    return places.gather({"folders": list(folders), "syncthing_home": str(root / "home"), "syncthing_user": "root"})


@pytest.fixture
def configured(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "file").write_text("x", encoding="ascii")
    (tmp_path / "home" / "config.xml").write_text(CONFIG.format(root=tmp_path), encoding="utf-8")
    return tmp_path


def test_folders_that_cannot_be_used_are_told_with_the_reason(configured: pathlib.Path) -> None:
    found = look(
        configured,
        {"id": "docs", "path": f"{configured}/docs"},
        {"id": "gone", "path": f"{configured}/gone"},
        {"id": "new", "path": f"{configured}/new"},
        {"id": "afile", "path": f"{configured}/file"},
        {"id": "etc", "path": "/etc/x"},
        {"id": "unplugged", "path": f"{configured}/new", "requires_mount": f"{configured}/docs"},
    )
    assert {one["id"] for one in found["left_out"]} == {"gone", "unplugged"}
    assert {one["id"] for one in found["refused"]} == {"afile", "etc"}
    lines = mesh_host.place_warnings({"places": found})
    assert len(lines) == 4
    assert f"folder gone at {configured}/gone is left out: its directory" in lines[0]
    assert "folder afile at " in lines[2]
    assert "is refused, and all else is set up: " in lines[2]


def test_a_bare_host_has_only_new_folders(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    found = look(tmp_path, {"id": "docs", "path": f"{tmp_path}/docs"}, {"id": "afile", "path": f"{tmp_path}/file/below"})
    assert (found["left_out"], [one["id"] for one in found["refused"]]) == ([], ["afile"])
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    "folder",
    [
        {"id": "docs", "path": "{root}/docs/"},
        {"id": "docs", "path": "{root}/elsewhere"},  # refused later, unless moves are allowed
        {"id": "tilde", "path": "/root/Music"},
        {"id": "new", "path": "~/New"},
        {"id": "new"},
    ],
)
def test_ordinary_folder_is_not_told(configured: pathlib.Path, monkeypatch: pytest.MonkeyPatch, folder: dict[str, str]) -> None:
    monkeypatch.setattr(_placed, "user_home", lambda _host: "/root")
    given = {key: value.format(root=configured) for key, value in folder.items()}
    assert look(configured, given) == {"left_out": [], "refused": []}


def test_damaged_or_missing_config_xml_is_no_failure(configured: pathlib.Path) -> None:
    for text in ('<configuration><folder id="x" path="/a" bad></folder>', "", "\xff"):
        (configured / "home" / "config.xml").write_text(text, encoding="latin-1")
        assert look(configured, {"id": "docs", "path": f"{configured}/docs"}) == {"left_out": [], "refused": []}


def test_result_without_places_gives_no_warning() -> None:
    assert mesh_host.place_warnings({}) == []
    assert places.gather({"folders": [], "syncthing_home": "/x", "syncthing_user": "y"}) == {"left_out": [], "refused": []}
