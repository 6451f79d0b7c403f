# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a folder is well, when it only takes its time, and when it is broken."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify, verify_folders
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import View
from verify_views import IDS, PHONE, change, folder

Views = dict[str, View]
DOCUMENTS = "nas/syncthing/folders/documents"
BEHIND: dict[str, t.Any] = {"need_items": 3, "need_bytes": 580, "global_bytes": 1000}
DENIED = {"path": "a/b.txt", "error": "open /srv/documents/a/b.txt: permission denied"}
GONE = {"path": "a/b.txt", "error": "no connected device has the required version of this file"}
MODIFIED = {"path": "a/b.txt", "error": "file modified but not rescanned; will try again later"}


def report(views: Views, **more: t.Any) -> verify_folders.Report:
    return verify.conclude(change(views, DOCUMENTS, folder("pi", **more)))


def test_a_folder_that_comes_no_nearer(views: Views) -> None:
    (finding,) = report(views, **BEHIND, moving=False).findings
    assert finding.startswith("folder documents on nas is out of sync and makes no progress: 3 items, 580 B are missing")


def test_a_first_synchronisation_of_a_terabyte_is_progress(views: Views) -> None:
    found = report(views, need_items=90000, need_bytes=650 * 10**9, global_bytes=10**12, moving=True, state="syncing")
    assert found.findings == []
    assert "folder documents on nas: 35.0 % (90000 items, 650.0 GB to come)" in found.lines


def test_what_is_just_short_of_everything_is_not_everything(views: Views) -> None:
    found = report(views, need_items=1, need_bytes=1, global_bytes=10**12, moving=True)
    assert "folder documents on nas: 99.9 % (1 item, 1 B to come)" in found.lines


@pytest.mark.parametrize("state", ["scanning", "sync-preparing", "sync-waiting", "scan-waiting"])
def test_a_folder_that_is_busy_is_told_with_its_state(views: Views, state: str) -> None:
    found = report(views, **BEHIND, moving=None, state=state)
    assert found.findings == []
    assert f"folder documents on nas: 42.0 % (3 items, 580 B to come, {state})" in found.lines


def test_only_deletions_that_are_not_done(views: Views) -> None:
    (finding,) = report(views, need_items=4, need_bytes=0, moving=False).findings
    assert "4 items, 0 B are missing" in finding


def test_files_that_cannot_be_brought_in_are_told_with_the_reason(views: Views) -> None:
    (finding,) = report(views, **BEHIND, moving=False, errors=7, failures=[DENIED]).findings
    assert finding == (
        "folder documents on nas: Syncthing cannot handle 7 items: a/b.txt: open /srv/documents/a/b.txt: permission denied; "
        "and 6 more"
    )


def test_a_file_that_cannot_be_read_is_a_finding_though_nothing_is_needed(views: Views) -> None:
    assert len(report(views, errors=1, failures=[DENIED]).findings) == 1


def test_an_error_of_one_file_is_one_also_while_the_others_arrive(views: Views) -> None:
    assert len(report(views, **BEHIND, moving=True, errors=1, failures=[DENIED]).findings) == 1
    assert report(views, **BEHIND, moving=True, errors=1, failures=[MODIFIED]).findings == []
    assert len(report(views, **BEHIND, moving=False, errors=1, failures=[MODIFIED]).findings) == 1


def test_a_full_disk_is_told_once(views: Views) -> None:
    full = {"path": "x", "error": "insufficient space in folder documents (/srv/documents): current 0 B < required 5 MB"}
    (finding,) = report(
        views, **BEHIND, moving=False, errors=9, failures=[full], disk={"free_bytes": 10**6, "needed_bytes": 10**7}
    ).findings
    assert "the disk at /srv/documents is full: 1.0 MB are free" in finding
    assert len(report(views, disk={"free_bytes": 1, "needed_bytes": 2}).findings) == 1, "also while nothing is needed"


def test_a_quota_is_told_in_syncthings_words(views: Views) -> None:
    (finding,) = report(views, **BEHIND, errors=1, failures=[{"path": "x", "error": "write: disk quota exceeded"}]).findings
    assert "disk quota exceeded" in finding


def test_a_folder_that_only_sends_takes_nothing(views: Views) -> None:
    found = report(views, **BEHIND, type="sendonly", moving=None, disk={"free_bytes": 1, "needed_bytes": 2})
    assert found.findings == []
    assert found.notes == ["folder documents on nas only sends, and does not receive 3 items that others have changed"]


@pytest.mark.parametrize("kind", ["receiveonly", "receiveencrypted"])
def test_a_folder_that_only_receives(views: Views, kind: str) -> None:
    found = report(views, type=kind, receive_only_items=2)
    assert found.findings == []
    assert found.notes == ["folder documents on nas only receives, and 2 items changed here are not sent"]
    assert len(report(views, **BEHIND, type=kind, moving=False).findings) == 1


def test_a_watcher_that_gave_up_comes_with_the_line_for_sysctl(views: Views) -> None:
    error = "failed to setup inotify handler. Please increase inotify limits, see https://docs.syncthing.net/users/faq.html"
    (finding,) = report(views, watch_error=error).findings
    assert "fs.inotify.max_user_watches=524288" in finding
    (finding,) = report(views, watch_error="too many open files").findings
    assert "fs.inotify.max_user_instances" in finding
    (finding,) = report(views, watch_error="operation not supported").findings
    assert "sysctl" not in finding


def test_a_stopped_folder_has_one_reason(views: Views) -> None:
    found = report(views, error="folder path missing", state="error", watch_error="folder path missing", moving=False, **BEHIND)
    assert found.findings == ["folder documents on nas: folder path missing"]


# --- what only somebody has who is away -----------------------------------------------------------


def incomplete(peer: str) -> dict[str, t.Any]:
    return {IDS[peer]: {"remote_state": "valid", "completion": 42.0}, PHONE: {"remote_state": "unknown", "completion": 0}}


@pytest.mark.parametrize("failures", [[], [GONE]])
def test_files_that_only_a_phone_has_wait_for_it(views: Views, failures: list[dict[str, str]]) -> None:
    found = report(views, **BEHIND, moving=False, completion=incomplete("pi"), failures=failures, errors=len(failures))
    assert found.findings == []
    assert found.notes[0].startswith("folder documents on nas waits for phone, who is not connected")


@pytest.mark.parametrize("failures", [[], [GONE]])
def test_the_phone_is_no_excuse_if_somebody_else_has_it_all(views: Views, failures: list[dict[str, str]]) -> None:
    assert len(report(views, **BEHIND, moving=False, failures=failures, errors=len(failures)).findings) == 1


def test_behind_a_managed_device_that_is_away_only_that_is_report(views: Views) -> None:
    broken = change(views, DOCUMENTS, folder("pi", **BEHIND, moving=False, completion=incomplete("pi")))
    broken = change(broken, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    broken = change(broken, f"nas/syncthing/connections/{PHONE}", {"connected": True, "address": "100.64.0.9:1", "type": "tcp"})
    assert verify.conclude(broken).findings == ["nas is not connected to pi"]


# --- what is worth waiting for ----------------------------------------------------------------------


def waits_of(views: Views, name: str) -> dict[str, t.Any]:
    return verify.waits(views)[name]


def test_nothing_to_wait_for_when_all_is_well(views: Views) -> None:
    assert waits_of(views, "nas") == {}


def apart(views: Views) -> Views:
    broken = change(views, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    return change(broken, f"pi/syncthing/connections/{IDS['nas']}/connected", False)


def test_a_connection_is_waited_for(views: Views) -> None:
    assert waits_of(apart(views), "nas") == {"devices": [IDS["pi"]], "folders": {"documents": [IDS["pi"]]}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pi/ssh", {"address": None, "msg": "unreachable"}),
        ("pi/lost", True),
        ("pi/node/backend_state", "Stopped"),
        ("pi/syncthing", {"msg": "Syncthing does not answer"}),
        ("pi/syncthing/devices", {}),
        (f"pi/syncthing/devices/{IDS['nas']}/paused", True),
        (f"nas/syncthing/devices/{IDS['pi']}/paused", True),
        (
            "pi/syncthing/errors",
            [{"message": f"Failure checking encryption consistency with device {IDS['nas']} for folder documents: no"}],
        ),
    ],
)
def test_what_no_waiting_cures_is_not_waited_for(views: Views, path: str, value: t.Any) -> None:
    assert waits_of(change(apart(views), path, value), "nas") == {}


def test_data_is_waited_for_until_it_moves(views: Views) -> None:
    assert waits_of(change(views, DOCUMENTS, folder("pi", **BEHIND)), "nas")["folders"] == {"documents": [IDS["pi"]]}


@pytest.mark.parametrize(
    "more",
    [
        {"failures": [DENIED], "errors": 1},
        {"error": "folder marker missing"},
        {"paused": True, "completion": {}},
        {"type": "sendonly"},
        {"completion": incomplete("pi"), "failures": [GONE], "errors": 1},
    ],
)
def test_what_will_not_move_is_not_waited_for(views: Views, more: dict[str, t.Any]) -> None:
    assert waits_of(change(views, DOCUMENTS, folder("pi", **{**BEHIND, **more})), "nas") == {}


def test_a_peer_that_does_not_have_the_folder_is_not_waited_for(views: Views) -> None:
    unsure = change(views, f"{DOCUMENTS}/completion/{IDS['pi']}/remote_state", "notSharing")
    assert waits_of(unsure, "nas")
    assert waits_of(change(unsure, "pi/syncthing/folders", {}), "nas") == {}
