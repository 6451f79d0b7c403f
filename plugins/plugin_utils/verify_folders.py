# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a folder of one host is well: pure functions over views.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _settle
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import NOTHING, Seen, View

NO_SOURCE = "no connected device has"  # lib/model/folder_sendrecv.go
FULL = ("insufficient space", "no space left on device", "disk quota exceeded")
INSTANCES = "too many open files"
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclasses.dataclass
class Said:
    """Sentences: what is not as wanted, what is worth knowing, and how things are."""

    findings: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: Said) -> None:
        self.findings += other.findings
        self.notes += other.notes
        self.lines += other.lines


def is_paused(view: View, folder: Seen) -> bool:
    return bool((view.folders.get(folder["id"]) or NOTHING).get("paused"))


def folder_said(view: View, folder: Seen) -> Said:
    where = f"folder {folder['id']} on {view.name}"
    away = view.left_out.get(folder["id"])
    if away:
        return Said(notes=[f"{where} is left out: {away['reason']}"])
    present = view.folders.get(folder["id"])
    if present is None:
        return Said([f"{view.name} does not have the folder {folder['id']}"])
    if present.get("paused"):
        return Said() if folder.get("paused") else Said(notes=[f"{where} is paused"])
    if present.get("error") or present.get("state") == "error":
        return Said([f"{where}: {present.get('error') or 'state error'}"])
    said = Said()
    if present.get("watch_error"):
        said.findings.append(_watcher(where, present["watch_error"]))
    full = _full_disk(where, present)
    said.findings += full
    said.add(_failures(where, view, folder, present, bool(full)))
    if not said.findings and not said.notes and _settle.needs(present):
        said.add(_out_of_sync(where, view, folder, present))
    if present.get("type") == "sendonly" and present.get("need_items"):
        said.notes.append(f"{where} only sends, and does not take {count(present['need_items'])} that others have changed")
    if present.get("receive_only_items"):
        said.notes.append(f"{where} only receives, and {count(present['receive_only_items'])} changed here are not sent")
    return said


def _watcher(where: str, error: str) -> str:
    limit, line = ("watches", "fs.inotify.max_user_watches=524288")
    if INSTANCES in error:
        limit, line = ("instances", "fs.inotify.max_user_instances=1024")
    fix = ". If its file system cannot be watched, say fs_watcher: false for it"
    if "inotify" in error or INSTANCES in error:
        fix = (
            f". Raise the limit of inotify {limit}: put {line} into /etc/sysctl.d/90-inotify.conf, and run `sysctl --system`; "
            "Syncthing tries again within a minute"
        )
    return f"{where}: changes are not seen as they are made, but only when it is scanned: {error.rstrip('.')}{fix}"


def _full_disk(where: str, present: Seen) -> list[str]:
    disk = present.get("disk") or NOTHING
    if present.get("type") == "sendonly" or not disk or disk["free_bytes"] >= disk["needed_bytes"]:
        return []
    return [
        f"{where}: the disk at {present['path']} is full: {size(disk['free_bytes'])} are free, and Syncthing brings nothing in "
        f"with less than {size(disk['needed_bytes'])} (minDiskFree). Make room there"
    ]


def _failures(where: str, view: View, folder: Seen, present: Seen, told_full: bool) -> Said:
    failures = present.get("failures") or []
    if told_full:
        failures = [one for one in failures if not any(text in one["error"] for text in FULL)]
    if not failures:
        return Said()
    number = present.get("errors") or len(failures)
    told = "; ".join(f"{one['path']}: {one['error']}" for one in failures)
    more = f"; and {number - len(failures)} more" if number > len(failures) and not told_full else ""
    sentence = f"{where}: Syncthing cannot handle {count(number)}: {told}{more}"
    holders = absent_holders(view, folder)
    if holders and all(NO_SOURCE in one["error"] for one in failures):
        return Said(notes=[f"{where} waits for {' or '.join(holders)}, who is not connected, with {count(number)}"])
    if present.get("moving") and _settle.passes(failures):
        return Said(lines=[progress(where, present)])
    return Said([sentence])


def absent_holders(view: View, folder: Seen) -> list[str]:
    """The devices that nobody can be blamed for and that alone may have what this host still needs: a phone that is away, say."""
    present = view.folders.get(folder["id"]) or NOTHING
    failures = present.get("failures") or []
    if not _settle.needs(present) or not all(NO_SOURCE in one["error"] for one in failures):
        return []
    absent = []
    for device in folder["devices"]:
        if not view.connection_to(device).get("connected"):
            absent.append(device["name"])
            continue
        done = (present.get("completion") or NOTHING).get(view.id_of(device) or "") or NOTHING
        if done.get("completion") == 100:
            return []  # this one has it all, and is there
    return [name for name in absent if name not in view.managed]


def _out_of_sync(where: str, view: View, folder: Seen, present: Seen) -> Said:
    holders = absent_holders(view, folder)
    missing = f"{count(present.get('need_items') or 0)}, {size(present.get('need_bytes') or 0)}"
    if present.get("moving") is not False:
        return Said(lines=[progress(where, present)])
    if holders:
        return Said(notes=[f"{where} waits for {' or '.join(holders)}, who is not connected: {missing} are missing"])
    if any(device["name"] in view.managed and not view.connection_to(device).get("connected") for device in folder["devices"]):
        return Said(lines=[progress(where, present)])  # that is the cause, and a finding of its own
    return Said(
        [
            f"{where} is out of sync and comes no nearer: {missing} are missing, and neither became less in "
            f"{view.syncthing.get('watched')} s (state: {present.get('state')}). Syncthing's log on both sides has the reason"
        ]
    )


def progress(where: str, present: Seen) -> str:
    need, total = present.get("need_bytes") or 0, present.get("global_bytes") or 0
    percent = int(1000 * (total - need) / total) / 10 if total else 0.0
    state = "" if present.get("moving") else f", {present.get('state')}"
    return f"{where}: {percent:.1f} % ({count(present.get('need_items') or 0)}, {size(need)} to come{state})"


def count(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"


def size(number: float) -> str:
    for unit in UNITS:
        if number < 1000 or unit == UNITS[-1]:
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def in_sync(view: View) -> list[str]:
    """The wanted folders that have all there is."""
    found: list[str] = []
    for folder in view.wanted["folders"]:
        present = view.folders.get(folder["id"])
        if present and not present.get("paused") and not present.get("error") and not _settle.needs(present):
            found.append(folder["id"])
    return [] if not found else [f"{view.name}: in sync: {', '.join(found)}"]


__all__: t.Final = ["Said", "absent_holders", "count", "folder_said", "in_sync", "is_paused", "progress", "size"]
