# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that are in sync, folders that make progress, and broken folders."""

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
NO_VERSION_AVAILABLE = {"path": "a/b.txt", "error": "no connected device has the required version of this file"}
MODIFIED = {"path": "a/b.txt", "error": "file modified but not rescanned; will try again later"}


def report(views: Views, **more: t.Any) -> verify_folders.Report:
    return verify.conclude(change(views, DOCUMENTS, folder("pi", **more)))


def test_stalled_folder_is_a_finding(views: Views) -> None:
    (finding,) = report(views, **BEHIND, moving=False).findings
    assert finding.startswith("folder documents on nas is out of sync and makes no progress: 3 items, 580 B are missing")


def test_first_synchronisation_of_a_terabyte_is_progress(views: Views) -> None:
    found = report(views, need_items=90000, need_bytes=650 * 10**9, global_bytes=10**12, moving=True, state="syncing")
    assert found.findings == []
    assert "folder documents on nas: 35.0 % (90000 items, 650.0 GB to come)" in found.lines


def test_nearly_complete_folder_is_not_shown_as_100_percent(views: Views) -> None:
    found = report(views, need_items=1, need_bytes=1, global_bytes=10**12, moving=True)
    assert "folder documents on nas: 99.9 % (1 item, 1 B to come)" in found.lines


@pytest.mark.parametrize("state", ["scanning", "sync-preparing", "sync-waiting", "scan-waiting"])
def test_busy_folder_is_shown_with_its_state(views: Views, state: str) -> None:
    found = report(views, **BEHIND, moving=None, state=state)
    assert found.findings == []
    assert f"folder documents on nas: 42.0 % (3 items, 580 B to come, {state})" in found.lines


def test_pending_deletions_are_a_finding(views: Views) -> None:
    (finding,) = report(views, need_items=4, need_bytes=0, moving=False).findings
    assert "4 items, 0 B are missing" in finding


def test_files_that_cannot_be_written_are_reported_with_the_reason(views: Views) -> None:
    (finding,) = report(views, **BEHIND, moving=False, errors=7, failures=[DENIED]).findings
    assert finding == (
        "folder documents on nas: Syncthing cannot handle 7 items: a/b.txt: open /srv/documents/a/b.txt: permission denied; "
        "and 6 more"
    )


def test_unreadable_file_is_a_finding_although_no_data_is_needed(views: Views) -> None:
    assert len(report(views, errors=1, failures=[DENIED]).findings) == 1


def test_error_of_one_file_is_a_finding_while_others_arrive(views: Views) -> None:
    assert len(report(views, **BEHIND, moving=True, errors=1, failures=[DENIED]).findings) == 1
    assert report(views, **BEHIND, moving=True, errors=1, failures=[MODIFIED]).findings == []
    assert len(report(views, **BEHIND, moving=False, errors=1, failures=[MODIFIED]).findings) == 1


def test_full_disk_is_reported_once(views: Views) -> None:
    full = {"path": "x", "error": "insufficient space in folder documents (/srv/documents): current 0 B < required 5 MB"}
    (finding,) = report(
        views, **BEHIND, moving=False, errors=9, failures=[full], disk={"free_bytes": 10**6, "needed_bytes": 10**7}
    ).findings
    assert "the disk at /srv/documents is full: 1.0 MB are free" in finding
    assert len(report(views, disk={"free_bytes": 1, "needed_bytes": 2}).findings) == 1, (
        "a full disk is reported although no data is needed"
    )


def test_exceeded_quota_is_reported_with_syncthings_message(views: Views) -> None:
    (finding,) = report(views, **BEHIND, errors=1, failures=[{"path": "x", "error": "write: disk quota exceeded"}]).findings
    assert "disk quota exceeded" in finding


def test_send_only_folder_with_remote_changes_is_a_note(views: Views) -> None:
    found = report(views, **BEHIND, type="sendonly", moving=None, disk={"free_bytes": 1, "needed_bytes": 2})
    assert found.findings == []
    assert found.notes == ["folder documents on nas only sends, and does not receive 3 items that others have changed"]


@pytest.mark.parametrize("kind", ["receiveonly", "receiveencrypted"])
def test_receive_only_folder_with_local_changes_is_a_note(views: Views, kind: str) -> None:
    found = report(views, type=kind, receive_only_items=2)
    assert found.findings == []
    assert found.notes == ["folder documents on nas only receives, and 2 items changed here are not sent"]
    assert len(report(views, **BEHIND, type=kind, moving=False).findings) == 1


def test_failed_watcher_is_reported_with_the_sysctl_setting(views: Views) -> None:
    error = "failed to setup inotify handler. Please increase inotify limits, see https://docs.syncthing.net/users/faq.html"
    (finding,) = report(views, watch_error=error).findings
    assert "fs.inotify.max_user_watches=524288" in finding
    (finding,) = report(views, watch_error="too many open files").findings
    assert "fs.inotify.max_user_instances" in finding
    (finding,) = report(views, watch_error="operation not supported").findings
    assert "sysctl" not in finding


def test_stopped_folder_is_reported_with_one_reason(views: Views) -> None:
    found = report(views, error="folder path missing", state="error", watch_error="folder path missing", moving=False, **BEHIND)
    assert found.findings == ["folder documents on nas: folder path missing"]


# --- files of a disconnected device ---------------------------------------------------------------


def incomplete(peer: str) -> dict[str, t.Any]:
    return {IDS[peer]: {"remote_state": "valid", "completion": 42.0}, PHONE: {"remote_state": "unknown", "completion": 0}}


@pytest.mark.parametrize("failures", [[], [NO_VERSION_AVAILABLE]])
def test_folder_waits_for_files_that_only_a_phone_has(views: Views, failures: list[dict[str, str]]) -> None:
    found = report(views, **BEHIND, moving=False, completion=incomplete("pi"), failures=failures, errors=len(failures))
    assert found.findings == []
    assert found.notes[0].startswith("folder documents on nas waits for phone, who is not connected")


@pytest.mark.parametrize("failures", [[], [NO_VERSION_AVAILABLE]])
def test_folder_does_not_wait_for_a_phone_if_a_peer_has_all_files(views: Views, failures: list[dict[str, str]]) -> None:
    assert len(report(views, **BEHIND, moving=False, failures=failures, errors=len(failures)).findings) == 1


def test_only_the_disconnected_managed_device_is_reported(views: Views) -> None:
    broken = change(views, DOCUMENTS, folder("pi", **BEHIND, moving=False, completion=incomplete("pi")))
    broken = change(broken, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    broken = change(broken, f"nas/syncthing/connections/{PHONE}", {"connected": True, "address": "100.64.0.9:1", "type": "tcp"})
    assert verify.conclude(broken).findings == ["nas is not connected to pi"]


# --- waiting ----------------------------------------------------------------------------------------


def waits_of(views: Views, name: str) -> dict[str, t.Any]:
    return verify.waits(views)[name]


def test_healthy_network_needs_no_waiting(views: Views) -> None:
    assert waits_of(views, "nas") == {}


def apart(views: Views) -> Views:
    broken = change(views, f"nas/syncthing/connections/{IDS['pi']}/connected", False)
    return change(broken, f"pi/syncthing/connections/{IDS['nas']}/connected", False)


def test_missing_connection_is_waited_for(views: Views) -> None:
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
def test_connection_that_cannot_succeed_is_not_waited_for(views: Views, path: str, value: t.Any) -> None:
    assert waits_of(change(apart(views), path, value), "nas") == {}


def test_missing_data_is_waited_for(views: Views) -> None:
    assert waits_of(change(views, DOCUMENTS, folder("pi", **BEHIND)), "nas")["folders"] == {"documents": [IDS["pi"]]}


@pytest.mark.parametrize(
    "more",
    [
        {"failures": [DENIED], "errors": 1},
        {"error": "folder marker missing"},
        {"paused": True, "completion": {}},
        {"type": "sendonly"},
        {"completion": incomplete("pi"), "failures": [NO_VERSION_AVAILABLE], "errors": 1},
    ],
)
def test_folder_that_cannot_progress_is_not_waited_for(views: Views, more: dict[str, t.Any]) -> None:
    assert waits_of(change(views, DOCUMENTS, folder("pi", **{**BEHIND, **more})), "nas") == {}


def test_peer_without_the_folder_is_not_waited_for(views: Views) -> None:
    unsure = change(views, f"{DOCUMENTS}/completion/{IDS['pi']}/remote_state", "notSharing")
    assert waits_of(unsure, "nas")
    assert waits_of(change(unsure, "pi/syncthing/folders", {}), "nas") == {}
