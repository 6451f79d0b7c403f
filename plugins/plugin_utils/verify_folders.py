# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the folders of one host: pure functions over views.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _settle
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import Data, Folder, View

NO_SOURCE = "no connected device has"  # lib/model/folder_sendrecv.go
FULL = ("insufficient space", "no space left on device", "disk quota exceeded")
INSTANCES = "too many open files"
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclasses.dataclass
class Report:
    """Messages: deviations from the declared state, notes, and lines about the state."""

    findings: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)
    hosts: set[str] = dataclasses.field(default_factory=set)  # those that have findings
    outages: dict[str, str] = dataclasses.field(default_factory=dict)  # the findings of hosts that could not be inspected
    said: dict[str, str] = dataclasses.field(default_factory=dict)  # what the tailnet says of those hosts

    def add(self, other: Report, host: str | None = None) -> None:
        if host and other.findings:
            self.hosts.add(host)
        self.hosts |= other.hosts
        self.findings += other.findings
        self.notes += other.notes
        self.lines += other.lines

    @property
    def text(self) -> str:
        """The failure's text: the findings, the most serious first, then the notes."""
        return "\n".join([*self.findings, *(f"(Also: {note})" for note in self.notes)])


def is_paused(view: View, folder: Data) -> bool:
    return (view.folders.get(folder["id"]) or Folder()).paused


def folder_report(view: View, folder: Data) -> Report:
    where = f"folder {folder['id']} on {view.name}"
    if folder["id"] in view.refused:
        return Report([f"{where} is refused: {view.refused[folder['id']]}"])
    reason = view.left_out.get(folder["id"])
    if reason:
        return Report(notes=[f"{where} is left out: {reason}"])
    present = view.folders.get(folder["id"])
    if present is None:
        return Report([f"{view.name} does not have the folder {folder['id']}"])
    if present.paused:
        return Report() if folder.get("paused") else Report(notes=[f"{where} is paused"])
    if present.error or present.state == "error":
        return Report([f"{where}: {present.error or 'state error'}"])
    report = Report()
    if present.watch_error:
        report.findings.append(_watcher(where, present.watch_error))
    full = _full_disk(where, present)
    report.findings += full
    report.add(_failures(where, view, folder, present, bool(full)))
    if not report.findings and not report.notes and present.needs_data:
        report.add(_out_of_sync(where, view, folder, present))
    if present.type == "sendonly" and present.need_items:
        report.notes.append(f"{where} only sends, and does not receive {count(present.need_items)} that others have changed")
    if present.receive_only_items:
        report.notes.append(f"{where} only receives, and {count(present.receive_only_items)} changed here are not sent")
    return report


def _watcher(where: str, error: str) -> str:
    limit, line = ("watches", "fs.inotify.max_user_watches=524288")
    if INSTANCES in error:
        limit, line = ("instances", "fs.inotify.max_user_instances=1024")
    fix = ". If its file system cannot be watched, set fs_watcher: false for it"
    if "inotify" in error or INSTANCES in error:
        fix = (
            f". Raise the limit of inotify {limit}: put {line} into /etc/sysctl.d/90-inotify.conf, and run `sysctl --system`; "
            "Syncthing tries again within a minute"
        )
    return f"{where}: the file watcher does not work, so changes are found only by scans: {error.rstrip('.')}{fix}"


def _full_disk(where: str, present: Folder) -> list[str]:
    space = present.space
    if present.type == "sendonly" or not space or space.free_bytes >= space.needed_bytes:
        return []
    return [
        f"{where}: the disk at {present.path} is full: {size(space.free_bytes)} are free, and Syncthing receives nothing "
        f"with less than {size(space.needed_bytes)} (minDiskFree). Free some space there"
    ]


def _failures(where: str, view: View, folder: Data, present: Folder, full_reported: bool) -> Report:
    failures = [one for one in present.failures if not (full_reported and any(text in one["error"] for text in FULL))]
    if not failures:
        return Report()
    number = present.errors or len(failures)
    details = "; ".join(f"{one['path']}: {one['error']}" for one in failures)
    more = f"; and {number - len(failures)} more" if number > len(failures) and not full_reported else ""
    holders = absent_holders(view, folder)
    if holders and all(NO_SOURCE in one["error"] for one in failures):
        return Report(notes=[f"{where} waits for {' or '.join(holders)}, who is not connected, with {count(number)}"])
    if present.moving and _settle.passes(failures):
        return Report(lines=[progress(where, present)])
    return Report([f"{where}: Syncthing cannot handle {count(number)}: {details}{more}"])


def absent_holders(view: View, folder: Data) -> list[str]:
    """Unmanaged devices that may be the only source of data that this host still needs, such as a phone that is offline."""
    present = view.folders.get(folder["id"]) or Folder()
    if not present.needs_data or not all(NO_SOURCE in one["error"] for one in present.failures):
        return []
    absent = []
    for device in folder["devices"]:
        if not view.connection_to(device).connected:
            absent.append(device["name"])
        elif present.completion_of(view.id_of(device)).completion == 100:
            return []  # this device has all data, and is connected
    return [name for name in absent if name not in view.managed]


def _out_of_sync(where: str, view: View, folder: Data, present: Folder) -> Report:
    missing = f"{count(present.need_items)}, {size(present.need_bytes)}"
    if present.moving is not False:
        return Report(lines=[progress(where, present)])
    holders = absent_holders(view, folder)
    if holders:
        return Report(notes=[f"{where} waits for {' or '.join(holders)}, who is not connected: {missing} are missing"])
    if any(device["name"] in view.managed and not view.connection_to(device).connected for device in folder["devices"]):
        return Report(lines=[progress(where, present)])  # the missing connection is the cause, and a separate finding
    return Report(
        [
            f"{where} is out of sync and makes no progress: {missing} are missing, and neither became less in "
            f"{view.syncthing.get('watched')} s (state: {present.state}). Syncthing's log on both sides has the reason"
        ]
    )


def progress(where: str, present: Folder) -> str:
    need, total = present.need_bytes, present.global_bytes
    percent = int(1000 * (total - need) / total) / 10 if total else 0.0
    state = "" if present.moving else f", {present.state}"
    return f"{where}: {percent:.1f} % ({count(present.need_items)}, {size(need)} to come{state})"


def count(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"


def size(number: float) -> str:
    for unit in UNITS:
        if number < 1000 or unit == UNITS[-1]:
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def in_sync(view: View) -> list[str]:
    """A line with the wanted folders that are in sync."""
    found: list[str] = []
    for folder in view.wanted["folders"]:
        present = view.folders.get(folder["id"])
        if present and not present.paused and not present.error and not present.needs_data:
            found.append(folder["id"])
    return [] if not found else [f"{view.name}: in sync: {', '.join(found)}"]
