# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed write leaves what was there: each write of a call that changes everything fails in turn."""

from __future__ import annotations

import copy
import getpass
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _apply, _disk, _restore, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import FolderRefused, SyncthingError
from module_call import params
from syncthing_double import OWN, Syncthing

Json = t.Dict[str, t.Any]  # noqa: UP006
NAS = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"
PI = "LYXKCHX-VI3NYZR-ALCJBHF-WMZYSPK-QG6QJA3-MPFYMSO-U56GTUK-NA2MIAW"
OLD = "ZOQGWVZ-W7L3H4O-VFQPNLB-5LUUHFZ-PHOTCRP-J6ZCCS7-UG2PBEY-6M7PKA4"
AGAIN = "what was there is in force again"


@pytest.fixture(autouse=True)
def _no_wait_for_a_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_restore, "MARKER_WAIT", 0.1)


def cluster(tmp_path: pathlib.Path, **options: t.Any) -> Json:
    spec = {**_tables.CONNECTION, **_tables.CLUSTER}
    return _apply.apply(params(spec, home=str(tmp_path / "home"), timeout=1, **options), check_mode=False)


def before(tmp_path: pathlib.Path) -> Json:
    return {
        "devices": [{"name": "nas", "device_id": NAS}, {"name": "old", "device_id": OLD}],
        "folders": [
            {"id": "docs", "path": f"{tmp_path}/docs", "device_names": ["nas", "old"], "ignores": ["*.tmp"]},
            {"id": "gone", "path": f"{tmp_path}/gone", "device_names": ["nas"]},
        ],
        "gui": {"user": "me", "password": "first"},
        "folder_owner": getpass.getuser(),
    }


def after(tmp_path: pathlib.Path) -> Json:
    """Each kind of write once: defaults, devices, folders, patterns, options, removals, web interface."""
    return {
        "devices": [{"name": "nas", "device_id": NAS, "compression": "always"}, {"name": "pi", "device_id": PI}],
        "folders": [
            {"id": "docs", "label": "Mine", "device_names": ["nas", "pi"], "ignores": ["*.bak"]},
            {"id": "new", "path": f"{tmp_path}/one/new", "device_names": ["pi"], "ignores": ["*.iso"]},
            {"id": "mine", "path": f"{tmp_path}/mine", "device_names": ["pi"], "ignores": ["*.iso"]},
        ],
        "options": {"max_send_kbps": 7},
        "defaults": {"folder": {"max_conflicts": 3}, "device": {"compression": "always"}, "ignores": ["*.tmp"]},
        "gui": {"user": "you", "password": "second", "api_key": "another-api-key-0123456789"},
        "purge_devices": True,
        "purge_folders": True,
        "folder_owner": getpass.getuser(),
    }


def tree(root: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """All files and directories below a directory, but for Syncthing's home."""
    found = {}
    for path in root.rglob("*"):
        if "home" not in path.relative_to(root).parts:
            found[str(path)] = (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
    return found


@pytest.fixture
def set_up(double: Syncthing, tmp_path: pathlib.Path) -> Syncthing:
    (tmp_path / "one").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".stignore").write_text("mine\n", encoding="ascii")
    cluster(tmp_path, **before(tmp_path))
    double.writes = 0
    return double


def test_the_change_of_these_tests_has_writes_of_every_kind(set_up: Syncthing, tmp_path: pathlib.Path) -> None:
    set_up.requests.clear()
    cluster(tmp_path, **after(tmp_path))
    assert [path for method, path in set_up.requests if method not in ("GET",) and not path.startswith("noauth")] == [
        "config/defaults/device",
        "config/defaults/folder",
        "config/defaults/ignores",
        "config/devices",
        "config/folders",
        "db/ignores",
        "config/options",
        "config/folders/gone",
        f"config/devices/{OLD}",
        "config/gui",
    ]


@pytest.mark.parametrize("lost_answer", [False, True])
@pytest.mark.parametrize("number", range(10))
def test_write_that_fails_leaves_what_was_there(
    set_up: Syncthing, tmp_path: pathlib.Path, number: int, lost_answer: bool
) -> None:
    config, files = copy.deepcopy(set_up.config), tree(tmp_path)
    set_up.refused_write, set_up.lost_answer = number, lost_answer
    if number == 9 and lost_answer:  # a web interface that restarts need not answer
        assert cluster(tmp_path, **after(tmp_path))["changed"]
        return
    with pytest.raises(SyncthingError, match=AGAIN + "$"):
        cluster(tmp_path, **after(tmp_path))
    assert set_up.config == config
    assert tree(tmp_path) == files
    assert cluster(tmp_path, **after(tmp_path))["changed"], "the next run completes"
    assert not cluster(tmp_path, **after(tmp_path))["changed"]


@pytest.mark.parametrize("key", ["label", "maxConflicts"])
def test_value_that_syncthing_replaces_leaves_what_was_there(set_up: Syncthing, tmp_path: pathlib.Path, key: str) -> None:
    config, files = copy.deepcopy(set_up.config), tree(tmp_path)
    set_up.forget = key
    wanted = after(tmp_path)
    wanted["folders"][1].update(label="New", max_conflicts=3)
    with pytest.raises(SyncthingError, match=f"did not keep all of it.*{AGAIN}$"):
        cluster(tmp_path, **wanted)
    assert set_up.config == config
    assert tree(tmp_path) == files


def of_device(double: Syncthing) -> None:
    next(one for one in double.config["devices"] if one["deviceID"] == OWN)["name"] = "theirs"


def of_our_folder(double: Syncthing) -> None:
    next(one for one in double.config["folders"] if one["id"] == "docs")["rescanIntervalS"] = 77


def new_folder(double: Syncthing) -> None:
    if "theirs" not in {one["id"] for one in double.config["folders"]}:
        docs = next(one for one in double.config["folders"] if one["id"] == "docs")
        double.config["folders"].append({**docs, "id": "theirs"})


def of_options(double: Syncthing) -> None:
    double.config["options"]["keepTemporariesH"] = 5


CHANGES: dict[t.Callable[[Syncthing], None], str] = {
    of_device: "device own",
    of_our_folder: "folder docs",
    new_folder: "folder theirs",
    of_options: "options",
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_change_by_somebody_else_in_the_meantime_is_left_alone(
    set_up: Syncthing, tmp_path: pathlib.Path, change: t.Callable[[Syncthing], None]
) -> None:
    set_up.refused_write = 6
    # Behind our own write of the folder.
    set_up.meanwhile = lambda: change(set_up) if set_up.writes == 7 else None
    with pytest.raises(SyncthingError, match=f"somebody else changed {CHANGES[change]} in the meantime, so what .* stays"):
        cluster(tmp_path, **after(tmp_path))
    written = copy.deepcopy(set_up.config)
    change(set_up)
    assert set_up.config == written, "their change is still there"
    assert {one["id"] for one in set_up.config["folders"]} >= {"docs", "gone", "new"}
    assert (tmp_path / "one" / "new" / ".stignore").exists()


def test_what_cannot_be_put_back_is_said(set_up: Syncthing, tmp_path: pathlib.Path) -> None:
    def refuse_from_now_on() -> None:
        if set_up.writes >= 5:
            set_up.refuse = "no more"

    set_up.meanwhile = refuse_from_now_on
    with pytest.raises(SyncthingError, match="refused PUT config/folders: no more; what this run has written could not be taken"):
        cluster(tmp_path, **after(tmp_path))


def test_removed_folder_without_its_directory_does_not_come_back(set_up: Syncthing, tmp_path: pathlib.Path) -> None:
    """Syncthing would create the directory, perhaps in place of a disk that is away."""
    shutil.rmtree(tmp_path / "gone")
    set_up.refused_write = 9
    with pytest.raises(SyncthingError, match=f"{AGAIN}, but for folder gone$"):
        cluster(tmp_path, **after(tmp_path))
    assert not (tmp_path / "gone").exists()
    assert {one["id"] for one in set_up.config["folders"]} == {"docs"}


def test_removed_folder_at_a_tilde_comes_back(set_up: Syncthing, tmp_path: pathlib.Path) -> None:
    next(one for one in set_up.config["folders"] if one["id"] == "gone")["path"] = "~/Gone"
    config = copy.deepcopy(set_up.config)
    set_up.refused_write = 9
    with pytest.raises(SyncthingError, match=f"{AGAIN}$"):
        cluster(tmp_path, **after(tmp_path))
    assert set_up.config == config


def test_hash_that_this_version_would_hash_again_is_said(set_up: Syncthing, tmp_path: pathlib.Path) -> None:
    """Before 1.25 an old hash cannot be written back."""
    set_up.version = "v1.19.2"
    old = set_up.config["gui"]["password"]
    set_up.forget_theme = True
    with pytest.raises(SyncthingError, match=f"{AGAIN}, but for gui$"):
        cluster(tmp_path, gui={"password": "second", "theme": "dark"})
    assert set_up.config["gui"]["password"] != old


def test_directory_of_a_folder_with_files_stays(set_up: Syncthing, tmp_path: pathlib.Path) -> None:
    set_up.refused_write = 6

    def arrive() -> None:
        if set_up.writes == 7:
            (tmp_path / "one" / "new" / "arrived").write_text("x", encoding="ascii")

    set_up.meanwhile = arrive
    with pytest.raises(SyncthingError, match=AGAIN):
        cluster(tmp_path, **after(tmp_path))
    assert (tmp_path / "one" / "new" / "arrived").exists()


def test_refused_folder_leaves_no_directory(double: Syncthing, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder_id: str, path: str, lines: list[str]) -> None:
        del path, lines
        raise FolderRefused(folder_id, f"folder {folder_id}: no")

    monkeypatch.setattr(_disk, "write_ignores", refuse)
    folders = [{"id": "bad", "path": f"{tmp_path}/bad", "ignores": ["x"]}, {"id": "good", "path": f"{tmp_path}/good"}]
    done = cluster(tmp_path, folders=folders, folder_owner=getpass.getuser(), partial=True)
    assert [one["id"] for one in done["refused"]] == ["bad"]
    assert [one["id"] for one in double.config["folders"]] == ["good"]
    assert ((tmp_path / "bad").exists(), (tmp_path / "good").exists()) == (False, True)
